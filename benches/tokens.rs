//! Counting tokens as the chat port does it, beside the two public tokenizers called directly.
//!
//! `cargo bench --bench tokens`. The texts are this repository's: its documents, and its code; in passages of 2 KiB, as they stand in
//! a prompt, and each at once; beside them texts that are made to be slow to count, a megabyte each. Each contestant counts all of them,
//! in turn, for some rounds; all have to find the same number. The target is 45 MB/s for documents and code.

use std::{
    error::Error,
    fs,
    hint::black_box,
    path::Path,
    time::{Duration, Instant},
};

use notebook_core::{
    chat::{
        ChatModel as _,
        openai::{OpenAiChat, OpenAiConfig},
    },
    http::{HttpClient, HttpConfig},
};

const ROUNDS: usize = 7;
const PASSAGE: usize = 2048;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;
type Count<'a> = Box<dyn Fn(&str) -> usize + 'a>;

fn main() -> Outcome<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let root = std::env::var_os("NOTEBOOK_TEXTS").map_or(root, Into::into);
    let documents = texts(&root.join("docs"), "md")?;
    let code = texts(&root.join("notebook-core/src"), "rs")?;
    for (encoding, model) in [("o200k", "gpt-4o-mini"), ("cl100k", "gpt-4-turbo")] {
        let http = HttpClient::new(&HttpConfig::default())?;
        let port = OpenAiChat::new(http, OpenAiConfig::new("https://api.openai.com/v1", model))?;
        assert!(port.count_tokens("a").exact, "{model} is estimated");
        let (bpe, peer) = match encoding {
            "o200k" => (bpe_openai::o200k_base(), tiktoken_rs::o200k_base_singleton()),
            _ => (bpe_openai::cl100k_base(), tiktoken_rs::cl100k_base_singleton()),
        };
        let contestants: [(&str, Count<'_>); 3] = [
            ("chat port", Box::new(|text| port.count_tokens(text).tokens)),
            ("bpe-openai", Box::new(|text| bpe.count(text))),
            ("tiktoken-rs", Box::new(|text| peer.encode_ordinary(text).len())),
        ];
        for (what, text) in [("documents", &documents), ("code", &code)] {
            let passages = passages(text);
            println!("{encoding}, {what}, {} KB in passages of 2 KiB", text.len() / 1000);
            compare(&passages, text.len(), &contestants);
            println!("{encoding}, {what}, {} KB at once", text.len() / 1000);
            compare(&[text.as_str()], text.len(), &contestants);
        }
        // The merging of tiktoken-rs takes minutes for such texts.
        let (linear, _) = contestants.split_at(2);
        for (what, part) in [
            ("one letter", "a"),
            ("spaces", " "),
            ("lines of spaces", "\n  "),
            ("words without case", "日A"),
        ] {
            println!("{encoding}, {what}, 1 MB at once");
            compare(&[part.repeat((1 << 20) / part.len()).as_str()], 1 << 20, linear);
        }
    }
    Ok(())
}

fn compare(texts: &[&str], bytes: usize, contestants: &[(&str, Count<'_>)]) {
    let mut times = vec![Vec::new(); contestants.len()];
    let mut expected = None;
    for round in 0..=ROUNDS {
        for ((name, count), times) in contestants.iter().zip(&mut times) {
            let started = Instant::now();
            let tokens: usize = texts.iter().map(|text| black_box(count(black_box(text)))).sum();
            // The first round warms the caches.
            if round > 0 {
                times.push(started.elapsed());
            }
            assert_eq!(*expected.get_or_insert(tokens), tokens, "{name} counts otherwise");
        }
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times[times.len() / 2].as_secs_f64()
    };
    let medians: Vec<f64> = times.iter_mut().map(median).collect();
    for ((name, _), seconds) in contestants.iter().zip(&medians) {
        let rate = bytes as f64 / seconds / 1e6;
        println!("  {name:<12} {rate:7.1} MB/s  {:5.2} of the port", medians[0] / seconds);
    }
}

/// All texts of a folder with this ending, in order of their names.
fn texts(folder: &Path, ending: &str) -> Outcome<String> {
    let mut entries: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::path);
    let mut all = String::new();
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            all.push_str(&texts(&path, ending)?);
        } else if path.extension().is_some_and(|found| found == ending) {
            all.push_str(&fs::read_to_string(path)?);
        }
    }
    Ok(all)
}

fn passages(text: &str) -> Vec<&str> {
    let mut rest = text;
    let mut passages = Vec::new();
    while !rest.is_empty() {
        let (passage, after) = rest.split_at(rest.floor_char_boundary(PASSAGE));
        passages.push(passage);
        rest = after;
    }
    passages
}
