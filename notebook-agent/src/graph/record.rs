//! Runs recorded, and done again without models, tools, clock or network.

use std::{fmt, sync::Arc};

use notebook_core::{Error, ErrorKind, Timestamp, hex};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Effect, Event, Graph, Input, Run, State, Stepped, step::digest};

/// A recorded run: everything that came into it, with what came out. It holds what models, tools and people said, and is to be kept as
/// carefully as that.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// The run before the first entry, as it was stored.
    pub begin: Value,
    /// The steps, in order.
    pub entries: Vec<Entry>,
    /// Whether the rest was left out, because it was too much to keep.
    pub cut: bool,
}

/// One step of a recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// What came in.
    pub input: Input,
    /// When.
    pub at: Timestamp,
    /// What came out.
    pub output: Output,
}

/// What came out of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// What it told.
    pub events: Vec<Event>,
    /// The calls that it made: keys, and hashes of their contents.
    pub calls: Vec<(Arc<str>, String)>,
    /// The calls that it ended.
    pub cancelled: Vec<Arc<str>>,
}

impl Output {
    fn of(effects: &[Effect]) -> Self {
        let (mut events, mut calls, mut cancelled) = (Vec::new(), Vec::new(), Vec::new());
        for effect in effects {
            match effect {
                Effect::Emit(event) => events.push(event.clone()),
                Effect::Call(request) => {
                    calls.push((Arc::clone(&request.key), digest(&request.call)));
                }
                Effect::Cancel(key) => cancelled.push(Arc::clone(key)),
                Effect::Checkpoint { .. } => {}
            }
        }
        Self { events, calls, cancelled }
    }
}

/// Keeps a recording while a run is driven, within a bound.
pub struct Recorder {
    state: Mutex<(Recording, usize)>,
    most: usize,
}

impl Recorder {
    /// Nothing yet; at most this many bytes of what comes in.
    #[must_use]
    pub fn new(most_bytes: usize) -> Self {
        Self { state: Mutex::default(), most: most_bytes }
    }

    /// What is recorded so far.
    #[must_use]
    pub fn recording(&self) -> Recording {
        self.state.lock().0.clone()
    }

    /// What was recorded since this was called last. The run's beginning comes with the first.
    pub(crate) fn take(&self) -> Recording {
        let (recording, _) = &mut *self.state.lock();
        let cut = recording.cut;
        Recording { cut, ..std::mem::replace(recording, Recording { cut, ..Recording::default() }) }
    }

    pub(super) fn begin(&self, body: &[u8]) {
        let begin = serde_json::from_slice(body).unwrap_or_default();
        *self.state.lock() = (Recording { begin, ..Recording::default() }, body.len());
    }

    pub(super) fn add<S>(&self, at: Timestamp, input: Input, stepped: &Stepped<S>) {
        let entry = Entry { input, at, output: Output::of(&stepped.effects) };
        let size = serde_json::to_vec(&entry).map_or(usize::MAX, |text| text.len());
        let (recording, bytes) = &mut *self.state.lock();
        *bytes = bytes.saturating_add(size);
        recording.cut |= *bytes > self.most;
        if !recording.cut {
            recording.entries.push(entry);
        }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("most", &self.most).finish_non_exhaustive()
    }
}

/// What a replay comes to.
pub(crate) enum Moment<'a> {
    /// Before a step: what comes in.
    Input(&'a Input),
    /// After it: what is to be done.
    Effect(&'a Effect),
}

/// A run that was done again as it was recorded.
#[derive(Debug)]
pub struct Replayed<S> {
    /// The run after the last entry.
    pub run: Run<S>,
    /// All that was told.
    pub events: Vec<Event>,
    /// A hash of all that came out: the same for the same inputs.
    pub trace: String,
}

/// Why a recording was not done again.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReplayError {
    /// It is not a recording of this graph, or not whole.
    Unreadable(Error),
    /// Something else came out than was recorded.
    Differs(Box<Difference>),
    /// The engine did the same, and the page was shown something else: `step` is the number of the page's event.
    ShowsOther(Box<Difference>),
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "{error}"),
            Self::Differs(difference) => write!(
                f,
                "the replay differs from step {} on: {} was recorded, and {} came out",
                difference.step, difference.recorded, difference.replayed
            ),
            Self::ShowsOther(difference) => write!(
                f,
                "the page differs from its event {} on: {} was recorded, and {} came out",
                difference.step, difference.recorded, difference.replayed
            ),
        }
    }
}

impl std::error::Error for ReplayError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable(error) => Some(error),
            Self::Differs(_) | Self::ShowsOther(_) => None,
        }
    }
}

/// Where a replay first differs.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The step's number.
    pub step: u64,
    /// What was recorded of it, as JSON: the first event that differs, or the calls.
    pub recorded: Value,
    /// What came out instead.
    pub replayed: Value,
}

fn difference(step: u64, recorded: &Output, replayed: &Output) -> Difference {
    let all = recorded.events.len().max(replayed.events.len());
    let differing = (0..all).find(|i| recorded.events.get(*i) != replayed.events.get(*i));
    let (recorded, replayed) = match differing {
        Some(i) => (json(recorded.events.get(i)), json(replayed.events.get(i))),
        None => (
            json((&recorded.calls, &recorded.cancelled)),
            json((&replayed.calls, &replayed.cancelled)),
        ),
    };
    Difference { step, recorded, replayed }
}

fn json(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

impl<S: State> Graph<S> {
    /// Does a recorded run again, from what was recorded alone.
    ///
    /// # Errors
    /// [`ReplayError::Differs`] with the first step from which something else came out: a node's function has changed, or takes something from
    /// outside. [`ReplayError::Unreadable`] when it is another graph's, or was cut.
    pub fn replay(&self, recording: &Recording) -> Result<Replayed<S>, ReplayError> {
        self.replay_with(recording, &mut |_| ())
    }

    /// The same, and tells what comes in and what is to be done, one after the other.
    pub(crate) fn replay_with(
        &self,
        recording: &Recording,
        tell: &mut dyn FnMut(Moment<'_>),
    ) -> Result<Replayed<S>, ReplayError> {
        const REPLAY: &str = "replay run";
        if recording.cut {
            let error = Error::new(ErrorKind::TooLarge, REPLAY)
                .with("fix", "record it anew with room for more bytes");
            return Err(ReplayError::Unreadable(error));
        }
        let body = serde_json::to_vec(&recording.begin).unwrap_or_default();
        let mut run = self.decode(&body).map_err(ReplayError::Unreadable)?;
        let (mut events, mut trace) = (Vec::new(), Sha256::new());
        for entry in &recording.entries {
            tell(Moment::Input(&entry.input));
            let stepped = self.step(run, entry.input.clone(), entry.at);
            let output = Output::of(&stepped.effects);
            run = stepped.run;
            if output != entry.output {
                let found = difference(run.step(), &entry.output, &output);
                return Err(ReplayError::Differs(Box::new(found)));
            }
            let text = serde_json::to_vec(&output).unwrap_or_default();
            trace.update((text.len() as u64).to_le_bytes());
            trace.update(&text);
            stepped.effects.iter().for_each(|effect| tell(Moment::Effect(effect)));
            events.extend(output.events);
        }
        Ok(Replayed { run, events, trace: hex(trace.finalize()) })
    }
}
