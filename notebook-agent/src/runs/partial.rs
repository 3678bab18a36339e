//! What the log holds of a run that nobody produces any more.

use notebook_core::{
    Result, RunId, TenantScope, Timestamp,
    model::{
        AnswerWarning, Citation, EventBody, Message, Role, Run, RunEvent, RunOutcome, RunState,
        Usage, Used, next_generation,
    },
    run_log::RunLog,
};

use super::PAGE;

/// A partial answer, as its events say.
#[derive(Default)]
pub(super) struct Partial {
    /// The number of the last event.
    pub(super) last: u64,
    text: String,
    citations: Vec<Citation>,
    warnings: Vec<AnswerWarning>,
    model: Option<String>,
}

/// Reads the events of a run.
pub(super) async fn read(log: &dyn RunLog, scope: &TenantScope, run: RunId) -> Result<Partial> {
    let mut partial = Partial::default();
    loop {
        let events = log.events(scope, run, partial.last, PAGE).await?;
        let Some(last) = events.last() else { return Ok(partial) };
        partial.last = last.seq;
        for event in events {
            partial.add(event.body);
        }
    }
}

impl Partial {
    fn add(&mut self, body: EventBody) {
        match body {
            EventBody::Delta { text } => self.text.push_str(&text),
            EventBody::Citation(citation) => {
                let place = self.citations.partition_point(|other| other.at <= citation.at);
                self.citations.insert(place, citation);
            }
            EventBody::Warning { code, message } => {
                self.warnings.push(AnswerWarning { code, message });
            }
            EventBody::Started { model, .. } => self.model = Some(model),
            EventBody::Restarted => *self = Self { last: self.last, ..Self::default() },
            _ => {}
        }
    }

    /// The end of a run that no process has, with what it is known to have used.
    pub(super) fn outcome(
        self,
        run: &Run,
        now: Timestamp,
        terminal: EventBody,
        used: Option<Usage>,
    ) -> RunOutcome {
        let seq = if run.state == RunState::Queued && terminal == EventBody::Stopped {
            // Nobody has begun it.
            1
        } else {
            // Past all that a lost process may have shown without storing it, also where it has stored nothing at all.
            next_generation(self.last)
        };
        let state = terminal.terminal_state().unwrap_or(RunState::Failed);
        let terminal = RunEvent { seq, at: now, body: terminal };
        let unanswered = self.model.clone().filter(|_| self.text.is_empty()).zip(used);
        let answer = (!self.text.is_empty()).then(|| Message {
            id: run.answer,
            conversation: run.conversation,
            parent: Some(run.question),
            role: Role::Assistant,
            text: self.text,
            citations: self.citations,
            dropped_citations: 0,
            run: Some(run.id),
            model: self.model,
            usage: used,
            timings: Vec::new(),
            warnings: self.warnings,
            partial: true,
            created_at: now,
        });
        RunOutcome {
            state,
            events: vec![terminal],
            answer,
            used: unanswered.map(|(model, usage)| Used { model, usage }),
        }
    }
}

/// The terminal event of a run whose process went away.
pub(crate) fn interrupted() -> EventBody {
    EventBody::Failed {
        code: "interrupted".to_owned(),
        message: "The server stopped before the answer was finished. What was written is kept; ask again for the rest."
            .to_owned(),
        retryable: true,
        detail: None,
    }
}
