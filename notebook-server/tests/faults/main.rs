//! Servers and workers as real processes that are killed (-9), stopped and woken up, ended in order, cut off, and left
//! without their database, while people ask, read, stop, upload and delete. In the end everything works again, and the
//! whole history is checked: nothing that was accepted is lost, nothing is done twice, everybody read what is stored.
//!
//! Q1, Q2, Q3, Q6, Q7, Q8, S42, S43, S46, S47. `NOTEBOOK_SEED` repeats a schedule; `NOTEBOOK_SOAK_SECONDS` makes it
//! longer and prints a report.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    unreachable_pub
)]

mod audit;
mod check;
#[path = "../../../notebook-core/tests/support/postgres.rs"]
mod cluster;
mod dice;
mod house;
mod ledger;
mod people;
mod process;
#[path = "../provider/mod.rs"]
mod provider;
#[path = "../../../notebook-core/tests/support/proxy.rs"]
mod proxy;
mod reading;
mod report;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use check::{Check, Findings};
use dice::Dice;
use house::{Engine, House, Model};
use ledger::{Counts, Ledger};
use notebook_core::NotebookId;
use people::{Browser, Person, client};
use report::Report;
use reqwest::multipart;
use serde_json::{Value, json};

/// How long anything may take, faults included, before it counts as stuck.
pub const PATIENCE: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q6_q8_s47_servers_and_workers_on_postgres_lose_nothing() {
    torment(Engine::Postgres, Model::Slow, 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q1_s47_a_server_alone_on_sqlite_loses_nothing() {
    torment(Engine::Sqlite, Model::Slow, 12).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q1_q2_with_answers_made_of_quotes_nothing_is_lost() {
    torment(Engine::Sqlite, Model::Extractive, 8).await;
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

async fn torment(engine: Engine, model: Model, seconds: u64) {
    let soak = variable("NOTEBOOK_SOAK_SECONDS");
    let seconds = soak.unwrap_or(seconds);
    let random = u64::try_from(uuid::Uuid::new_v4().as_u128() & 0xffff_ffff).unwrap();
    let seed = variable("NOTEBOOK_SEED").unwrap_or(random);
    println!("NOTEBOOK_SEED={seed}, {engine:?}, {model:?}, {seconds} s");
    let mut dice = Dice::new(seed);
    let mut house = House::new(engine, model).await;
    let browser = Browser { http: client(), addresses: house.addresses.clone() };
    let notebook = notebook(&browser).await;

    let done = Arc::new(AtomicBool::new(false));
    let mut people = Vec::new();
    for _ in 0..4 {
        let (browser, own, done) = (browser.clone(), dice.fork(), Arc::clone(&done));
        people.push(tokio::spawn(Person::new(browser, own, done, notebook).await.live()));
    }
    let during = Duration::from_secs(seconds);
    let counts = faults(&mut house, &mut dice, during, soak.is_some()).await;
    done.store(true, Ordering::Relaxed);
    house.heal().await;
    let healed = Instant::now();
    let mut findings = Findings::default();
    check::settle(&mut house, &mut findings).await;
    let settled = healed.elapsed();
    let ledgers = at_home(&mut house, people, &mut findings).await;
    check::settle(&mut house, &mut findings).await;
    check::jobs(&house, &mut findings);
    check::runs(&house, &ledgers, &mut findings);
    for ledger in &ledgers {
        Check { browser: &browser, findings: &mut findings }.ledger(ledger).await;
    }
    findings.wrong.append(&mut house.strange);
    let report = Report { counts, ledgers: &ledgers, findings: &findings, seconds, settled };
    println!("{report}");
    if !findings.wrong.is_empty() {
        println!("{}\n{}", house.history.join("\n"), house.logs());
        let kept = house.folder().with_extension("kept");
        let _ = std::fs::rename(house.folder(), &kept);
        panic!(
            "NOTEBOOK_SEED={seed} {engine:?} {model:?}: {} findings, at most 60 here:\n{}\n(files: {})",
            findings.wrong.len(),
            findings.wrong.iter().take(60).cloned().collect::<Vec<_>>().join("\n"),
            kept.display()
        );
    }
    report.is_worth_something();
}

/// A notebook with a source, while everything works.
async fn notebook(browser: &Browser) -> NotebookId {
    let (id, at) = (NotebookId::new(), browser.addresses.read()[0].clone());
    let new = json!({ "id": id, "name": "Herons" });
    let made = browser.http.post(format!("{at}/api/notebooks")).json(&new).send().await.unwrap();
    assert_eq!(made.status(), 201);
    let text = b"The heron waits by the pond. It eats frogs.".to_vec();
    let part = multipart::Part::bytes(text).file_name("heron.txt");
    let upload = browser.http.post(format!("{at}/api/notebooks/{id}/sources"));
    let form = multipart::Form::new().part("file", part);
    let source: Value = upload.multipart(form).send().await.unwrap().json().await.unwrap();
    let path = format!("{at}/api/sources/{}", source["id"].as_str().unwrap());
    let deadline = Instant::now() + PATIENCE;
    loop {
        let source: Value = browser.http.get(&path).send().await.unwrap().json().await.unwrap();
        if source["stage"] == "ready" {
            return id;
        }
        assert!(Instant::now() < deadline, "{source}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// One after the other, a second or two apart; in the long form with a kill every two seconds beside them.
async fn faults(house: &mut House, dice: &mut Dice, during: Duration, long: bool) -> Counts {
    let mut counts = Counts::default();
    let begun = Instant::now();
    let (mut next, mut kill) = (begun, begun);
    while begun.elapsed() < during {
        house.tend();
        if next <= Instant::now() {
            house.fault(dice, &mut counts);
            next = Instant::now() + Duration::from_millis(200 + dice.roll(2_400));
        }
        if long && kill <= Instant::now() {
            house.kill(dice, &mut counts);
            kill = Instant::now() + Duration::from_secs(2);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    counts
}

/// Waits for the people, and keeps the house in order meanwhile.
async fn at_home(
    house: &mut House,
    people: Vec<tokio::task::JoinHandle<Ledger>>,
    findings: &mut Findings,
) -> Vec<Ledger> {
    let mut ledgers = Vec::new();
    for mut person in people {
        let ledger = loop {
            house.tend();
            tokio::select! {
                ledger = &mut person => break ledger,
                () = tokio::time::sleep(Duration::from_millis(50)) => {}
            }
        };
        match ledger {
            Ok(ledger) => ledgers.push(ledger),
            Err(error) => findings.wrong.push(format!("a person is stuck: {error}")),
        }
    }
    ledgers
}
