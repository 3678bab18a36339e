//! Recordings of answers: kept while they are made, where that is wanted, and done again from what was kept alone.

use std::sync::Arc;

use notebook_core::{Error, ErrorKind, RunId, TenantScope, recording::Recordings};
use serde::Serialize;
use tracing::warn;

use super::{Chat, Inner, turn};
use crate::graph::{Event, Graph, Recorder, Recording, ReplayError, State, Watch};

/// The most bytes that are kept of what comes into one part of a run: half of what a part may have, for what comes out has its place as well.
const MOST: usize = notebook_core::recording::MOST_BYTES / 2;

impl Chat {
    /// With recordings of all answers, so that [`replay`] can do them again. What is given a second time is not taken.
    #[must_use]
    pub fn with_recordings(self, recordings: Arc<dyn Recordings>) -> Self {
        let _ = self.0.recordings.set(recordings);
        self
    }
}

impl Inner {
    /// Who watches an answer that is about to be made.
    pub(super) fn watch(&self) -> Watch {
        let recorder = self.recordings.get().map(|_| Arc::new(Recorder::new(MOST)));
        Watch { recorder, ..Watch::default() }
    }

    /// Keeps what was recorded. An answer is worth more than its recording: where that cannot be kept, the log says so.
    pub(super) async fn keep(&self, scope: &TenantScope, run: RunId, watch: &Watch) {
        let Some((recordings, recorder)) = self.recordings.get().zip(watch.recorder.as_ref())
        else {
            return;
        };
        let recording = recorder.recording();
        if recording.entries.is_empty() && !recording.cut {
            return;
        }
        let kept = match serde_json::to_vec(&recording) {
            Ok(body) => recordings.add(scope, run, self.clock.now(), body).await.map(drop),
            Err(error) => Err(Error::new(ErrorKind::Internal, "record run").caused_by(error)),
        };
        if let Err(error) = kept {
            warn!(%run, %error, "what was recorded of a run could not be kept");
        }
    }
}

/// A part of a recorded answer that was done again, with the same outcome.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Again {
    /// The steps that were done.
    pub steps: usize,
    /// All that the engine told of them.
    pub events: Vec<Event>,
    /// A hash of all that came out: the same for the same inputs.
    pub trace: String,
}

/// Does a part of a recorded answer again, from what was recorded alone: no model, no tool, no clock and no network.
///
/// # Errors
/// [`ReplayError::Differs`] with the first step from which something else came out than was recorded; [`ReplayError::Unreadable`] when it is not a
/// recording of an answer, or was cut.
pub fn replay(body: &[u8]) -> Result<Again, ReplayError> {
    const REPLAY: &str = "replay run";
    let unreadable = ReplayError::Unreadable;
    let recording: Recording = serde_json::from_slice(body)
        .map_err(|error| unreadable(Error::new(ErrorKind::Corrupt, REPLAY).caused_by(error)))?;
    match recording.begin.get("graph").and_then(serde_json::Value::as_str) {
        Some(turn::NAME) => again(&*turn::graph().map_err(unreadable)?, &recording),
        #[cfg(feature = "tools")]
        Some(crate::tools::research::NAME) => {
            again(&crate::tools::research::graph().map_err(unreadable)?, &recording)
        }
        other => Err(unreadable(
            Error::new(ErrorKind::Unsupported, REPLAY)
                .with("graph", other.unwrap_or("none"))
                .with("fix", "give a recording of an answer, as the server keeps it"),
        )),
    }
}

fn again<S: State>(graph: &Graph<S>, recording: &Recording) -> Result<Again, ReplayError> {
    let replayed = graph.replay(recording)?;
    Ok(Again { steps: recording.entries.len(), events: replayed.events, trace: replayed.trace })
}
