//! What a research tells, on its way to the page: each thing once, however often it is done again.

use std::collections::BTreeSet;

use notebook_core::{
    ApprovalId, Result, RunId, Timestamp,
    approval::{Approval, ApprovalState},
    model::EventBody,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::{
    hands::{Desk, Hands},
    tape::Ask,
};
use crate::{graph, tools::research::Told};

/// How many stored events are read at once.
const PAGE: usize = 500;

/// What a research tells, on its way into the run's log.
pub(super) struct Steps {
    told: Mutex<BTreeSet<String>>,
    waiting: Mutex<Vec<Step>>,
    bell: Notify,
}

/// Something that a research tells.
enum Step {
    /// By its graph.
    Told(Told),
    /// What people are asked: it comes from outside.
    Asked(Asked),
}

/// A question to a person, as it stood when it was looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Asked {
    approval: ApprovalId,
    tool: String,
    reason: String,
    expires_at: Timestamp,
    state: ApprovalState,
}

impl From<&Approval> for Asked {
    fn from(asked: &Approval) -> Self {
        Self {
            approval: asked.id,
            tool: asked.tool.clone(),
            reason: asked.reason.clone(),
            expires_at: asked.expires_at,
            state: asked.state,
        }
    }
}

impl Steps {
    /// With what the log has already.
    pub(super) async fn of(hands: &Hands, run: RunId) -> Result<Self> {
        let told = hands.tape.take(|| Ask::Told, || logged(hands, run)).await?;
        Ok(Self { told: Mutex::new(told), waiting: Mutex::default(), bell: Notify::new() })
    }

    pub(super) fn note(&self, event: &graph::Event) {
        let graph::EventBody::Note { value, .. } = &event.body else { return };
        if let Ok(told) = serde_json::from_value(value.clone()) {
            self.step(told);
        }
    }

    pub(super) fn step(&self, told: Told) {
        self.wait(Step::Told(told));
    }

    pub(super) fn question(&self, asked: Asked) {
        self.wait(Step::Asked(asked));
    }

    fn wait(&self, step: Step) {
        self.waiting.lock().push(step);
        self.bell.notify_one();
    }

    /// Does the work and writes down what it tells, as it tells it.
    pub(super) async fn show<T>(
        &self,
        work: impl Future<Output = Result<T>>,
        desk: &tokio::sync::Mutex<Desk>,
    ) -> Result<T> {
        let mut work = std::pin::pin!(work);
        let done = loop {
            tokio::select! {
                done = &mut work => break done,
                () = self.bell.notified() => self.flush(&mut *desk.lock().await),
            }
        };
        self.flush(&mut *desk.lock().await);
        done
    }

    /// Shows what waits.
    pub(super) fn flush(&self, desk: &mut Desk) {
        let waiting = std::mem::take(&mut *self.waiting.lock());
        for step in waiting {
            match step {
                Step::Told(told) => self.emit(desk, event(told)),
                Step::Asked(asked) => {
                    desk.heard(&asked);
                    let Asked { approval, tool, reason, expires_at, state } = asked;
                    let requested = EventBody::ApprovalRequested {
                        approval,
                        tool: tool.clone(),
                        reason,
                        expires_at,
                    };
                    self.emit(desk, requested);
                    if state != ApprovalState::Pending {
                        self.emit(desk, EventBody::ApprovalDecided { approval, tool, state });
                    }
                }
            }
        }
    }

    fn emit(&self, desk: &mut Desk, body: EventBody) {
        if once(&body).is_some_and(|key| self.told.lock().insert(key)) {
            desk.emit(body);
        }
    }
}

/// What stands for the events that the log has already.
async fn logged(hands: &Hands, run: RunId) -> Result<BTreeSet<String>> {
    let (log, mut told, mut last) = (hands.chat.runs.log(), BTreeSet::new(), 0);
    loop {
        let events = log.events(&hands.scope, run, last, PAGE).await?;
        let Some(newest) = events.last() else { return Ok(told) };
        last = newest.seq;
        told.extend(events.iter().filter_map(|event| once(&event.body)));
    }
}

fn event(told: Told) -> EventBody {
    match told {
        Told::Called { call, tool, arguments } => EventBody::ToolCalled { call, tool, arguments },
        Told::Answered { call, tool, passages, failure } => {
            EventBody::ToolAnswered { call, tool, passages, failure }
        }
    }
}

/// What stands for an event that is told once.
fn once(body: &EventBody) -> Option<String> {
    match body {
        EventBody::ToolCalled { call, .. } => Some(format!("called {call}")),
        EventBody::ToolAnswered { call, .. } => Some(format!("answered {call}")),
        EventBody::ApprovalRequested { approval, .. } => Some(format!("asked {approval}")),
        EventBody::ApprovalDecided { approval, .. } => Some(format!("decided {approval}")),
        _ => None,
    }
}
