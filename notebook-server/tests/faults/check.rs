//! What must hold when everything works again.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use notebook_core::{
    model::{Message, Source, Stage},
    sse::EventStream,
};
use serde_json::{Value, json};

use crate::{
    PATIENCE,
    audit::Change,
    house::House,
    ledger::{Added, Asked, Ledger, Seen},
    people::Browser,
    reading::{is_terminal, take},
};

const FINAL: [&str; 3] = ["completed", "cancelled", "dead"];
const ENDED: [&str; 4] = ["completed", "stopped", "failed", "abandoned"];

/// What was found wrong, and figures.
#[derive(Default)]
pub struct Findings {
    pub wrong: Vec<String>,
    pub jobs: usize,
    pub jobs_taken: usize,
    pub jobs_dead: usize,
    pub runs: BTreeMap<String, usize>,
    /// Why runs failed.
    pub failures: BTreeMap<String, usize>,
    pub sources: BTreeMap<String, usize>,
    pub citations: usize,
    /// From the last blow before a job was taken from a worker to its next claim, in milliseconds.
    pub recovery: Vec<i64>,
}

impl Findings {
    fn expect(&mut self, good: bool, otherwise: impl FnOnce() -> String) {
        if !good {
            self.wrong.push(otherwise());
        }
    }
}

/// Waits until no job is left to do, and no source or run unfinished.
pub async fn settle(house: &mut House, findings: &mut Findings) {
    let schema = if house.cluster().is_some() { "notebook." } else { "" };
    // What is for another hour of the clock waits.
    let left = format!(
        "SELECT 'job', kind, state, attempt, crash_count FROM {schema}jobs
            WHERE finished_at IS NULL AND kind NOT LIKE 'retention%'
         UNION ALL SELECT 'run', '', state, 0, 0 FROM {schema}runs WHERE ended_at IS NULL
         UNION ALL SELECT 'source', '', stage, 0, 0 FROM {schema}sources WHERE unfinished = 1"
    );
    let (deadline, mut before) = (Instant::now() + PATIENCE * 2, Vec::new());
    loop {
        house.tend();
        let left = house.audit.rows(house.cluster(), &left);
        if left.is_empty() {
            return;
        }
        if left != before {
            house.note(format!("left are {left:?}"));
            before.clone_from(&left);
        }
        if Instant::now() > deadline {
            findings.wrong.push(format!("never ended: {left:?}"));
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The notes of the database: each job is claimed with a fence of its own, each fence ends once, nothing follows an end.
pub fn jobs(house: &House, findings: &mut Findings) {
    let changes = house.audit.changes(house.cluster(), "job");
    for (id, changes) in &changes {
        findings.jobs += 1;
        if let Err(wrong) = job(changes) {
            findings.wrong.push(format!("job {id}: {wrong}: {changes:#?}"));
        }
        for three in changes.windows(3) {
            // Claimed, taken from a worker that is gone, claimed again.
            if three[1].crashes > three[0].crashes && three[2].is == "running" {
                findings.jobs_taken += 1;
                let blow = house.blows.iter().filter(|blow| **blow <= three[1].at).max();
                findings.recovery.extend(blow.map(|blow| three[2].at - blow));
            }
        }
        let dead = changes.last().is_some_and(|last| last.is == "dead");
        findings.jobs_dead += usize::from(dead);
    }
}

fn job(changes: &[Change]) -> Result<(), &'static str> {
    // What was stored before the notes began is in the middle of its way.
    let mut state = changes.first().and_then(|first| first.was.as_deref());
    let mut fence = changes.first().map_or(0, |first| first.old_fence);
    for change in changes {
        if change.was.as_deref() != state || change.old_fence != fence {
            return Err("a change of another state than the last");
        }
        let (was, is) = (state.unwrap_or("nothing"), change.is.as_str());
        let good = match is {
            "running" => was == "available" && change.fence == fence + 1,
            _ if change.fence != fence => return Err("a fence that no claim made"),
            "available" => ["nothing", "scheduled", "running"].contains(&was),
            "scheduled" => ["nothing", "running"].contains(&was),
            "cancelled" => ["scheduled", "available", "running"].contains(&was),
            "completed" | "dead" => was == "running",
            _ => false,
        };
        if !good {
            return Err("a change that must not be");
        }
        (state, fence) = (Some(change.is.as_str()), change.fence);
    }
    let last = changes.last().ok_or("nothing")?;
    if FINAL.contains(&last.is.as_str()) || last.kind.starts_with("retention") {
        Ok(())
    } else {
        Err("it never ended")
    }
}

/// Every run in the database is one that somebody asked for, once, and ended once.
pub fn runs(house: &House, ledgers: &[Ledger], findings: &mut Findings) {
    let changes = house.audit.changes(house.cluster(), "run");
    let asked = ledgers.iter().flat_map(|ledger| &ledger.asked);
    let ids: Vec<String> = asked.map(|asked| asked.run.id.to_string().replace('-', "")).collect();
    let distinct: BTreeSet<&String> = ids.iter().collect();
    findings.expect(distinct.len() == ids.len(), || "two questions became one run".to_owned());
    let stored: BTreeSet<&String> = changes.keys().collect();
    findings.expect(stored == distinct, || {
        let twins: Vec<_> = stored.symmetric_difference(&distinct).collect();
        format!("runs that nobody asked for, or that are lost: {twins:?}")
    });
    for (id, changes) in &changes {
        let ends = changes.iter().filter(|change| ENDED.contains(&change.is.as_str())).count();
        let after = changes
            .iter()
            .any(|change| change.was.as_deref().is_some_and(|was| ENDED.contains(&was)));
        findings
            .expect(ends == 1 && !after, || format!("run {id} ended {ends} times: {changes:?}"));
        let last = changes.last().map_or(String::new(), |change| change.is.clone());
        *findings.runs.entry(last).or_default() += 1;
    }
}

/// What a server shows is what the people saw.
pub struct Check<'a> {
    pub browser: &'a Browser,
    pub findings: &'a mut Findings,
}

impl Check<'_> {
    async fn get(&self, at: &str, path: &str) -> (u16, Value) {
        let reply = self.browser.http.get(format!("{at}{path}")).send().await.unwrap();
        let status = reply.status().as_u16();
        let bytes = reply.bytes().await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    pub async fn ledger(&mut self, ledger: &Ledger) {
        self.findings.wrong.extend(ledger.wrong.iter().cloned());
        let servers = self.browser.addresses.read().clone();
        let messages = self.messages(&servers[0], ledger).await;
        for asked in &ledger.asked {
            for at in &servers {
                self.asked(at, asked, &messages).await;
            }
        }
        for added in &ledger.added {
            for at in &servers {
                self.added(at, added).await;
            }
        }
        // What was uploaded without a reply ended as well.
        let path = format!("/api/notebooks/{}/sources", ledger.shelf);
        for at in &servers {
            let (_, sources) = self.get(at, &path).await;
            for source in sources["items"].as_array().into_iter().flatten() {
                let source: Source = serde_json::from_value(source.clone()).unwrap();
                self.settled(&source);
            }
        }
    }

    async fn messages(&mut self, at: &str, ledger: &Ledger) -> BTreeMap<String, Message> {
        let (mut all, mut after) = (BTreeMap::new(), String::new());
        loop {
            let path =
                format!("/api/conversations/{}/messages?limit=1000{after}", ledger.conversation);
            let (status, page) = self.get(at, &path).await;
            assert_eq!(status, 200, "{page}");
            for item in page["items"].as_array().unwrap() {
                let message: Message = serde_json::from_value(item.clone()).unwrap();
                all.insert(message.id.to_string(), message);
            }
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return all,
            }
        }
    }

    async fn asked(&mut self, at: &str, asked: &Asked, messages: &BTreeMap<String, Message>) {
        let id = asked.run.id;
        let log = match self.log(at, asked).await {
            Ok(log) => log,
            Err(wrong) => return self.findings.wrong.push(format!("run {id}: {wrong}")),
        };
        let end = log.terminal.as_ref().and_then(|end| end["code"].as_str());
        if let Some(code) = end.filter(|_| at == self.browser.addresses.read()[0]) {
            *self.findings.failures.entry(code.to_owned()).or_default() += 1;
        }
        let answer = messages.get(&asked.run.answer.to_string());
        let text = answer.map_or("", |answer| answer.text.as_str());
        self.findings.expect(messages.contains_key(&asked.run.question.to_string()), || {
            format!("the question of run {id} is lost")
        });
        self.findings.expect(!asked.seen.is_empty(), || format!("nobody saw run {id}"));
        for seen in std::iter::once(&log).chain(&asked.seen) {
            let said = |seen: &Seen| seen.terminal.as_ref().map(|end| end["type"].clone());
            self.findings.expect(said(seen) == said(&log), || {
                format!(
                    "run {id} ended as {:?} for a reader, and is stored as {:?}",
                    seen.terminal, log.terminal
                )
            });
            self.findings.expect(seen.text == text, || {
                format!("run {id}: stored is {text:?}, and read was {:?}, {seen:?}", seen.text)
            });
            let marks = answer.map_or(0, |answer| answer.citations.len());
            self.findings.expect(seen.citations.len() == marks, || {
                format!("run {id}: {marks} citations stored, and read were {:?}", seen.citations)
            });
        }
        if let Some(answer) = answer {
            self.cited(at, answer).await;
        }
    }

    /// The stored events, as a page reads them.
    async fn log(&self, at: &str, asked: &Asked) -> Result<Seen, String> {
        let (status, run) = self.get(at, &format!("/api/runs/{}", asked.run.id)).await;
        if status != 200 {
            return Err(format!("{status} {run}"));
        }
        let reply = self.browser.http.get(format!("{at}/api/runs/{}/events", asked.run.id));
        let bytes = reply.send().await.unwrap().bytes().await.map_err(|error| error.to_string())?;
        let one = futures::stream::iter([Ok::<_, std::io::Error>(bytes)]);
        let events: Vec<_> = futures::StreamExt::collect(EventStream::new(one)).await;
        let mut seen = Seen::default();
        let mut ends = 0;
        for event in events {
            let event: Value = serde_json::from_str(&event.unwrap().data).unwrap();
            ends += usize::from(is_terminal(&event));
            take(&mut seen, event)?;
        }
        let last = seen.terminal.as_ref().map_or(&Value::Null, |end| &end["type"]);
        if ends == 1 && *last == run["state"] {
            Ok(seen)
        } else {
            Err(format!("{ends} ends, the last is {last}, the state is {}", run["state"]))
        }
    }

    async fn cited(&mut self, at: &str, answer: &Message) {
        for citation in &answer.citations {
            let span = &citation.span;
            let path = format!(
                "/api/sources/{}/passage?start={}&end={}",
                citation.source, span.start, span.end
            );
            let (_, passage) = self.get(at, &path).await;
            self.findings.citations += 1;
            self.findings.expect(passage["quote"] == json!(citation.quote), || {
                format!("message {}: {citation:?} is {passage}", answer.id)
            });
        }
    }

    async fn added(&mut self, at: &str, added: &Added) {
        let (status, body) = self.get(at, &format!("/api/sources/{}", added.id)).await;
        if let Some(job) = added.deleted {
            self.findings.expect(status == 404, || format!("{} was deleted: {body}", added.id));
            let (_, job) = self.get(at, &format!("/api/jobs/{job}")).await;
            // Where it was begun and its worker lost, a later job did it, with a receipt of its own.
            let good = job["state"] == "dead" || job["result"]["left"] == json!([]);
            return self.findings.expect(good, || format!("no receipt for {}: {job}", added.id));
        }
        let Ok(source) = serde_json::from_value::<Source>(body.clone()) else {
            return self.findings.wrong.push(format!("{} is lost: {status} {body}", added.id));
        };
        self.settled(&source);
        *self.findings.sources.entry(format!("{:?}", source.stage)).or_default() += 1;
        let original = format!("{at}/api/sources/{}/original", added.id);
        let reply = self.browser.http.get(original).send().await.unwrap();
        let same = reply.bytes().await.is_ok_and(|bytes| bytes == added.bytes);
        self.findings.expect(same, || format!("the original of {} is another", added.id));
    }

    fn settled(&mut self, source: &Source) {
        let good = match source.stage {
            Stage::Ready => source.failure.is_none() && source.keywords_ready,
            Stage::Failed => source.failure.as_ref().is_some_and(|why| !why.message.is_empty()),
            _ => false,
        };
        self.findings.expect(good, || format!("a source that did not end well: {source:?}"));
    }
}
