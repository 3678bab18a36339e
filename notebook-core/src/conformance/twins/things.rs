//! What the twins have.

use std::time::Duration;

use serde_json::json;

use super::Twin;
use crate::{
    ConversationId, JobId, MessageId, NotebookId, ReportId, RunId, Secret, SourceId, WebhookId,
    approval::NewApproval,
    checkpoint::Checkpoint,
    document::{Document, Span},
    model::{
        Chunk, Conversation, EventBody, Message, NewRun, Notebook, RunEvent, RunOutcome, RunState,
        Source, Stage, Usage, Used,
    },
    queue::{Fence, NewJob},
    report::Report,
    store::conformance::samples::{self, at},
    vector::VectorSpace,
    webhook::{EventType, SigningSecret, Webhook},
};

/// What both have in common, and what each has to itself.
pub(super) struct Ids {
    pub(super) sources: [SourceId; 3],
    pub(super) runs: [RunId; 5],
    pub(super) messages: [MessageId; 10],
    pub(super) webhook: WebhookId,
    pub(super) report: ReportId,
    pub(super) notebooks: [[NotebookId; 3]; 2],
    pub(super) conversations: [[ConversationId; 2]; 2],
    pub(super) jobs: [[JobId; 3]; 2],
}

impl Ids {
    pub(super) fn new(same: bool) -> Self {
        let notebooks = std::array::from_fn(|_| NotebookId::new());
        let conversations = std::array::from_fn(|_| ConversationId::new());
        Self {
            sources: std::array::from_fn(|_| SourceId::new()),
            runs: std::array::from_fn(|_| RunId::new()),
            messages: std::array::from_fn(|_| MessageId::new()),
            webhook: WebhookId::new(),
            report: ReportId::new(),
            notebooks: match same {
                true => [notebooks; 2],
                false => [notebooks, std::array::from_fn(|_| NotebookId::new())],
            },
            conversations: match same {
                true => [conversations; 2],
                false => [conversations, std::array::from_fn(|_| ConversationId::new())],
            },
            jobs: std::array::from_fn(|_| std::array::from_fn(|_| JobId::new())),
        }
    }
}

impl Twin<'_> {
    pub(super) fn notebook(&self, place: usize) -> Notebook {
        let id = self.ids.notebooks[self.own][place];
        Notebook { id, name: format!("{}'s {place}", self.name), ..samples::notebook() }
    }

    pub(super) fn source(&self, place: usize, revision: u32) -> Source {
        Source {
            id: self.ids.sources[place],
            name: format!("{}'s source {place}", self.name),
            title: Some(format!("{}'s title", self.name)),
            keywords_ready: revision > 0,
            failure: None,
            revision,
            stage: if revision > 0 { Stage::Ready } else { Stage::Queued },
            ..samples::source(self.ids.notebooks[self.own][0])
        }
    }

    pub(super) fn document(&self) -> Document {
        // Both lengths are more than one segment of a stored text.
        let mut document = samples::document(140_000);
        document.title = Some(format!("{}'s document", self.name));
        document.text = document.text.replacen("Biene", self.name, usize::MAX);
        let mut at = 0;
        document.blocks.retain_mut(|block| {
            let length = document.text[at..].find("\n\n").unwrap();
            block.span = Span { start: at, end: at + length };
            at += length + 2;
            true
        });
        document.pages.clear();
        document
    }

    /// Where a stored text is cut into segments, and around it: other characters are there for each.
    pub(super) fn spans(&self) -> Vec<Span> {
        let text = self.document().text;
        let whole = |at: usize| (at..).find(|at| text.is_char_boundary(*at)).unwrap();
        let around = [0, 65_526, 65_530, 65_532, 65_534, 65_536, 65_538, 65_540, 131_060, 131_072];
        around.into_iter().map(|at| Span { start: whole(at), end: whole(at + 40) }).collect()
    }

    pub(super) fn chunk(&self, source: usize, ordinal: u32) -> Chunk {
        let text = format!("{}'s chunk {ordinal}", self.name);
        Chunk { text, ..samples::chunk(self.ids.sources[source], ordinal) }
    }

    pub(super) fn space() -> VectorSpace {
        VectorSpace { model: "twins".into(), dimensions: 2 }
    }

    pub(super) fn vectors(&self) -> Vec<(u32, Vec<f32>)> {
        // One has a vector less.
        (0..3 - self.own as u32).map(|ordinal| (ordinal, vec![self.own as f32, 0.5])).collect()
    }

    pub(super) fn conversation(&self, place: usize) -> Conversation {
        Conversation {
            id: self.ids.conversations[self.own][place],
            title: format!("{}'s conversation {place}", self.name),
            excluded_sources: vec![self.ids.sources[0]],
            ..samples::conversation(self.ids.notebooks[self.own][0])
        }
    }

    pub(super) fn run(&self, place: usize) -> NewRun {
        let mut new = samples::new_run(&self.conversation(usize::from(place == 4)));
        new.run.id = self.ids.runs[place];
        new.run.question = self.ids.messages[place * 2];
        new.run.answer = self.ids.messages[place * 2 + 1];
        new.question = Some(samples::question(&new.run, &format!("{} asks", self.name)));
        new.idempotency_key = Some(format!("key {place}"));
        new.request_hash = self.name.to_owned();
        new
    }

    pub(super) fn end(&self, place: usize, seq: u64) -> RunOutcome {
        let run = self.run(place).run;
        let text = format!("{} is answered", self.name);
        RunOutcome {
            state: RunState::Completed,
            events: vec![samples::completed(seq)],
            answer: Some(Message { text, ..samples::answer(&run) }),
            used: None,
        }
    }

    /// One has used more than the other.
    pub(super) fn end_without_answer(&self) -> RunOutcome {
        let usage = Usage { prompt_tokens: 10 + self.own as u64, ..Usage::default() };
        RunOutcome {
            state: RunState::Stopped,
            events: vec![RunEvent { seq: 1, at: at(0), body: EventBody::Stopped }],
            answer: None,
            used: Some(Used { model: self.name.to_owned(), usage }),
        }
    }

    pub(super) fn webhook(&self) -> Webhook {
        Webhook {
            id: self.ids.webhook,
            url: format!("https://{}.example/", self.name.to_lowercase()),
            description: self.name.to_owned(),
            // One wants to know of everything.
            events: EventType::ALL.into_iter().take(if self.own == 0 { 9 } else { 1 }).collect(),
            enabled: true,
            disabled: None,
            failing_since: None,
            created_at: at(1),
            updated_at: at(2),
        }
    }

    pub(super) fn secret(&self, number: u8) -> SigningSecret {
        use base64::Engine as _;
        let bytes = [number + 100 * self.own as u8; 32];
        let text = base64::engine::general_purpose::STANDARD.encode(bytes);
        SigningSecret::parse(Secret::new(format!("whsec_{text}"))).unwrap()
    }

    pub(super) fn job(&self, place: usize) -> NewJob {
        NewJob {
            id: self.ids.jobs[self.own][place],
            unique_key: Some(format!("twins {place}")),
            ..NewJob::new(format!("twins {}", self.ids.webhook), json!(self.name))
        }
    }

    pub(super) fn question(&self) -> NewApproval {
        NewApproval {
            run: self.ids.runs[0],
            call: "c0ffee".to_owned(),
            tool: "write_note".to_owned(),
            arguments: format!("{{\"text\":\"{} asks\"}}", self.name),
            reason: "It changes your notebook.".to_owned(),
            wait: Duration::from_secs(3_600),
            wakes: None,
        }
    }

    /// One is ahead of the other.
    pub(super) fn checkpoint(&self, place: usize, version: u64) -> Checkpoint {
        Checkpoint {
            run: self.ids.runs[place],
            fence: Fence(1),
            version: version + self.own as u64,
            schema: 1,
            body: self.name.into(),
        }
    }

    pub(super) fn report(&self) -> Report {
        Report {
            id: self.ids.report,
            labels: vec![self.name.to_lowercase()],
            question_sha256: "0".repeat(64),
            question: Some(format!("{} asks", self.name)),
            remark: None,
            created_at: at(3),
        }
    }
}
