use std::sync::OnceLock;

use bytes::Bytes;
use notebook_core::{
    RunId,
    model::RunEvent,
    sse::{EventRef, encode},
};

/// An event of a run's log, encoded once for all its readers.
#[derive(Debug)]
pub struct LoggedEvent {
    run: RunId,
    event: RunEvent,
    json: OnceLock<String>,
    sse: OnceLock<Bytes>,
}

impl LoggedEvent {
    pub(super) const fn new(run: RunId, event: RunEvent) -> Self {
        Self { run, event, json: OnceLock::new(), sse: OnceLock::new() }
    }

    /// The event as JSON.
    pub fn json(&self) -> &str {
        self.json.get_or_init(|| {
            // Strings, numbers and lists of them: there is nothing in an event that JSON does not have.
            serde_json::to_string(&self.event).unwrap_or_default()
        })
    }

    /// The event as a block of a `text/event-stream`: its id is `run:seq`, its name the type.
    pub fn sse(&self) -> Bytes {
        let block = self.sse.get_or_init(|| {
            let id = format!("{}:{}", self.run, self.event.seq);
            let event = EventRef {
                id: Some(&id),
                event: self.event.body.name(),
                ..EventRef::message(self.json())
            };
            let mut block = Vec::with_capacity(self.json().len() + 100);
            // Neither name nor id can hold a line end.
            let _ = encode::event(&event, &mut block);
            Bytes::from(block)
        });
        block.clone()
    }
}

impl std::ops::Deref for LoggedEvent {
    type Target = RunEvent;

    fn deref(&self) -> &RunEvent {
        &self.event
    }
}

impl PartialEq for LoggedEvent {
    fn eq(&self, other: &Self) -> bool {
        (self.run, &self.event) == (other.run, &other.event)
    }
}
