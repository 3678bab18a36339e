//! Measures the guard's patterns: for each set, split and family, how many attacks and harmless texts have a label.
//!
//! ```text
//! scripts/fetch-models.py guard-data
//! cargo run -p notebook-agent --example guard_rates [train]
//! ```
//!
//! Prints Markdown tables of the test splits (of those named, when there are any), with Wilson intervals of 95 %. With
//! `show SPLIT`, the attacks without a label and the harmless texts with one: for work on the patterns, which must not
//! look at test splits.
#![allow(clippy::print_stdout, reason = "a program that prints tables")]

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    path::PathBuf,
};

use notebook_agent::guard::{pattern::Family, screen::screen};
use serde::Deserialize;

#[derive(Deserialize)]
struct Row {
    set: String,
    split: String,
    attack: bool,
    family: String,
    text: String,
}

/// How many of how many.
#[derive(Default, Clone, Copy)]
struct Share {
    of: u32,
    found: u32,
}

impl Share {
    fn add(&mut self, found: bool) {
        self.of += 1;
        self.found += u32::from(found);
    }

    /// The share in percent with Wilson's interval at 95 %.
    fn text(self) -> String {
        if self.of == 0 {
            return "-".to_owned();
        }
        let (n, p) = (f64::from(self.of), f64::from(self.found) / f64::from(self.of));
        let z = 1.959_964_f64;
        let middle = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
        let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
        let (low, high) = ((middle - half).max(0.0), (middle + half).min(1.0));
        format!("{:.1} % ({:.1} to {:.1})", p * 100.0, low * 100.0, high * 100.0)
    }
}

fn rows() -> Result<Vec<Row>, Box<dyn Error>> {
    let cache = std::env::var_os("NOTEBOOK_CACHE").map(PathBuf::from).or_else(|| {
        std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/notebook"))
    });
    let file = cache.ok_or("neither NOTEBOOK_CACHE nor HOME is set")?.join("guard/sets.jsonl");
    let text = std::fs::read_to_string(&file).map_err(|error| {
        format!("{}: {error}; run scripts/fetch-models.py guard-data", file.display())
    })?;
    Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut splits: BTreeSet<String> = std::env::args().skip(1).collect();
    let show = splits.remove("show");
    if splits.is_empty() {
        splits.insert("test".to_owned());
    }
    if show && splits.contains("test") {
        return Err("test splits are not looked at".into());
    }
    let mut sets: BTreeMap<(String, String), [Share; 2]> = BTreeMap::new();
    let mut kinds: BTreeMap<(String, String), Share> = BTreeMap::new();
    let mut labels: BTreeMap<Family, [Share; 2]> = BTreeMap::new();
    let mut names: BTreeMap<&str, [u32; 2]> = BTreeMap::new();
    for row in rows()?.iter().filter(|row| splits.contains(&row.split)) {
        let found = screen(&row.text);
        let (families, labelled) = (found.families(), !found.labels.is_empty());
        if show && labelled != row.attack {
            let what = if row.attack { "MISSED" } else { "FALSE" };
            let text: String = row.text.chars().take(160).collect();
            println!("{what} {} {:?} {text:?}", row.set, found.names());
        }
        let side = usize::from(row.attack);
        if let Some(share) =
            sets.entry((row.set.clone(), row.split.clone())).or_default().get_mut(side)
        {
            share.add(labelled);
        }
        if row.attack {
            kinds.entry((row.set.clone(), row.family.clone())).or_default().add(labelled);
        }
        for family in Family::ALL {
            if let Some(share) = labels.entry(family).or_default().get_mut(side) {
                share.add(families.contains(&family));
            }
        }
        for name in found.names() {
            if let Some(count) = names.entry(name).or_default().get_mut(side) {
                *count += 1;
            }
        }
    }
    println!(
        "| set | split | attacks | labelled (TPR) | harmless | labelled (FPR) |\n|---|---|---|---|---|---|"
    );
    for ((set, split), [harmless, attacks]) in &sets {
        println!(
            "| {set} | {split} | {} | {} | {} | {} |",
            attacks.of,
            attacks.text(),
            harmless.of,
            harmless.text()
        );
    }
    println!(
        "\n| set | kind of attack, as the set names it | attacks | labelled |\n|---|---|---|---|"
    );
    for ((set, kind), share) in kinds.iter().filter(|((_, kind), _)| !kind.is_empty()) {
        println!("| {set} | {kind} | {} | {} |", share.of, share.text());
    }
    println!(
        "\n| family of labels | attacks that have one | harmless texts that have one |\n|---|---|---|"
    );
    for (family, [harmless, attacks]) in &labels {
        println!("| {family} | {} | {} |", attacks.text(), harmless.text());
    }
    println!("\n| label | attacks | harmless |\n|---|---|---|");
    for (name, [harmless, attacks]) in &names {
        println!("| {name} | {attacks} | {harmless} |");
    }
    Ok(())
}
