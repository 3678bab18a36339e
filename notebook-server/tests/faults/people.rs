//! People: they ask, read along, are cut off and come back, stop, upload, delete and reload, at whichever server there is.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use notebook_core::{ConversationId, NotebookId, SourceId, model::Run};
use reqwest::{Client, RequestBuilder, Response, StatusCode, multipart};
use serde_json::{Value, json};

use crate::{
    PATIENCE,
    dice::Dice,
    ledger::{Added, Asked, Ledger, Seen},
    process::Addresses,
    reading::read,
};

/// A client that gives up soon: a server that stands still is left for another.
#[allow(clippy::disallowed_methods, reason = "a test's client talks to the test's own servers")]
pub fn client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .no_proxy()
        .connect_timeout(Duration::from_secs(2))
        .read_timeout(Duration::from_secs(5))
        .build()
        .unwrap()
}

#[derive(Clone)]
pub struct Browser {
    pub http: Client,
    pub addresses: Addresses,
}

impl Browser {
    /// Any server's address for a path.
    pub fn at(&self, dice: &mut Dice, path: &str) -> String {
        let all = self.addresses.read();
        let index = usize::try_from(dice.roll(all.len() as u64)).unwrap();
        format!("{}{path}", all[index])
    }
}

pub struct Person {
    pub browser: Browser,
    pub dice: Dice,
    pub done: Arc<AtomicBool>,
    pub ledger: Ledger,
}

/// Whether trying again may help.
fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || [408, 429].contains(&status.as_u16())
}

impl Person {
    /// Makes a person's conversation in a notebook, and a notebook for uploads, while everything works.
    pub async fn new(
        browser: Browser,
        dice: Dice,
        done: Arc<AtomicBool>,
        notebook: NotebookId,
    ) -> Self {
        let (conversation, shelf) = (ConversationId::new(), NotebookId::new());
        let ledger = Ledger {
            conversation,
            shelf,
            asked: Vec::new(),
            added: Vec::new(),
            wrong: Vec::new(),
            replies: Default::default(),
        };
        let mut person = Self { browser, dice, done, ledger };
        let path = format!("/api/notebooks/{notebook}/conversations");
        person.insist(&|http, at| http.post(at).json(&json!({ "id": conversation })), &path).await;
        let body = json!({ "id": shelf, "name": "Shelf" });
        person.insist(&|http, at| http.post(at).json(&body), "/api/notebooks").await;
        person
    }

    /// One try, at any server.
    async fn once(
        &mut self,
        request: &(impl Fn(&Client, String) -> RequestBuilder + Sync),
        path: &str,
    ) -> Option<Response> {
        let at = self.browser.at(&mut self.dice, path);
        let reply = request(&self.browser.http, at).send().await;
        let said = reply.as_ref().map_or("none".to_owned(), |reply| reply.status().to_string());
        *self.ledger.replies.entry(said).or_default() += 1;
        reply.ok().filter(|reply| !is_passing(reply.status()))
    }

    /// Tries until there is a reply that counts, and reads it.
    async fn insist(
        &mut self,
        request: &(impl Fn(&Client, String) -> RequestBuilder + Sync),
        path: &str,
    ) -> (StatusCode, Value) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(reply) = self.once(request, path).await {
                let status = reply.status();
                // A body that breaks off is no reply.
                if let Ok(body) = reply.bytes().await {
                    return (status, serde_json::from_slice(&body).unwrap_or_default());
                }
            }
            assert!(Instant::now() < deadline, "no reply to {path}: {:?}", self.ledger.replies);
            self.pause(50, 300).await;
        }
    }

    async fn pause(&mut self, from: u64, to: u64) {
        let millis = from + self.dice.roll(to - from);
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }

    fn wrong(&mut self, what: String) {
        self.ledger.wrong.push(what);
    }

    /// Until told to end.
    pub async fn live(mut self) -> Ledger {
        while !self.done.load(Ordering::Relaxed) {
            match self.dice.roll(8) {
                0..=3 => self.ask().await,
                4..=5 => self.add().await,
                6 => self.delete().await,
                _ => self.reload().await,
            }
            self.pause(10, 200).await;
        }
        self.ledger
    }

    /// Asks until it is accepted, sometimes once more, reads to the end, sometimes stops.
    async fn ask(&mut self) {
        let path = format!("/api/conversations/{}/runs", self.ledger.conversation);
        let key = uuid::Uuid::new_v4().to_string();
        let question = json!({ "question": "What does the heron eat?" });
        let request = |http: &Client, at: String| {
            http.post(at).header("idempotency-key", &key).json(&question)
        };
        let (status, run) = self.insist(&request, &path).await;
        let Ok(run) = serde_json::from_value::<Run>(run.clone()) else {
            return self.wrong(format!("a question was refused with {status}: {run}"));
        };
        if self.dice.roll(3) == 0 {
            // Whoever is not sure asks again: it is the same question.
            let (status, again) = self.insist(&request, &path).await;
            if status != 200 || again["id"] != json!(run.id) {
                self.wrong(format!("asked again, {} became {status} {again}", run.id));
            }
        }
        let mut readers = Vec::new();
        for _ in 0..1 + self.dice.roll(2) {
            let (browser, dice, run) = (self.browser.clone(), self.dice.fork(), run.clone());
            readers.push(tokio::spawn(read(browser, dice, run)));
        }
        if self.dice.roll(5) == 0 {
            self.pause(1, 1_500).await;
            let stop = format!("/api/runs/{}/stop", run.id);
            let (status, said) =
                self.insist(&|http, at| http.post(at).json(&json!({})), &stop).await;
            if status != 202 {
                self.wrong(format!("stopping {} gave {status} {said}", run.id));
            }
        }
        let mut seen: Vec<Seen> = Vec::new();
        for reader in readers {
            match reader.await {
                Ok(Ok(one)) => seen.push(one),
                Ok(Err(wrong)) => self.wrong(wrong),
                Err(error) => self.wrong(format!("a reader of {} panicked: {error}", run.id)),
            }
        }
        self.ledger.asked.push(Asked { run, seen });
    }

    /// Uploads once. What is not accepted may be there all the same, and is seen to at the end.
    async fn add(&mut self) {
        let path = format!("/api/notebooks/{}/sources", self.ledger.shelf);
        let number = uuid::Uuid::new_v4();
        let bytes =
            format!("Note {number}. {}", "The heron stands still. ".repeat(20)).into_bytes();
        let content = bytes.clone();
        let request = move |http: &Client, at: String| {
            let part = multipart::Part::bytes(content.clone()).file_name("note.txt");
            http.post(at).multipart(multipart::Form::new().part("file", part))
        };
        let Some(reply) = self.once(&request, &path).await else { return };
        let status = reply.status();
        let Ok(body) = reply.bytes().await else { return };
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        match serde_json::from_value::<SourceId>(body["id"].clone()) {
            Ok(id) if status == 202 => self.ledger.added.push(Added { id, bytes, deleted: None }),
            _ => self.wrong(format!("an upload was refused with {status}: {body}")),
        }
    }

    /// Deletes one of those added, until it is accepted.
    async fn delete(&mut self) {
        let there = self.ledger.added.iter().enumerate();
        let there: Vec<(usize, SourceId)> =
            there.filter(|(_, one)| one.deleted.is_none()).map(|(i, one)| (i, one.id)).collect();
        if there.len() < 4 {
            return;
        }
        let (index, id) = there[usize::try_from(self.dice.roll(there.len() as u64)).unwrap()];
        let request = |http: &Client, at| http.delete(at);
        let (status, body) = self.insist(&request, &format!("/api/sources/{id}")).await;
        match serde_json::from_value(body["job"].clone()) {
            Ok(job) if status == 202 => self.ledger.added[index].deleted = Some(job),
            // Deleted by an earlier try whose reply was lost: there is no receipt to be looked at.
            _ if status == 404 => drop(self.ledger.added.remove(index)),
            _ => self.wrong(format!("a deletion was refused with {status}: {body}")),
        }
    }

    /// Loads the page anew: what had ended is there, as it was.
    async fn reload(&mut self) {
        let path = format!("/api/conversations/{}/messages", self.ledger.conversation);
        let get = |http: &Client, at| http.get(at);
        let (status, messages) = self.insist(&get, &path).await;
        let Some(items) = messages["items"].as_array() else {
            return self.wrong(format!("reloading gave {status} {messages}"));
        };
        let Some(last) = self.ledger.asked.last() else { return };
        let Some(seen) = last.seen.first() else { return };
        let stored = items.iter().find(|message| message["id"] == json!(last.run.answer));
        let text = stored.map_or("", |message| message["text"].as_str().unwrap_or_default());
        if text != seen.text {
            let (id, read) = (last.run.id, &seen.text);
            self.wrong(format!("run {id}: read {read:?}, after a reload it is {text:?}"));
        }
    }
}
