//! What comes into a step, and what comes out.

use std::{sync::Arc, time::Duration};

use notebook_core::RunId;
use serde::{Deserialize, Serialize};

use crate::graph::{Answer, Call, Event, Run};

/// What a step is done for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "input", rename_all = "snake_case")]
pub enum Input {
    /// The run begins: the first input of every run.
    Start,
    /// A branch that [can go on](Run::is_ready) does.
    Continue,
    /// A call came back.
    Answer {
        /// The key that it was made with. One that is not waited for changes nothing.
        key: Arc<str>,
        /// What came back.
        answer: Answer,
    },
    /// Time has passed.
    Tick,
    /// Somebody asks for the end.
    Stop,
    /// A function of a node did not come back. The run is the one before that step.
    Hung {
        /// The node.
        node: Option<Arc<str>>,
    },
    /// The run was stored, and is taken up again: what the last step gave out comes again, with the same keys and numbers.
    Resume,
}

/// What the driver is to do, in the order of the list.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// End a call: nobody waits for it any more.
    Cancel(Arc<str>),
    /// Store the run before anything that follows. The version is the step's number.
    Checkpoint {
        /// Of this run.
        version: u64,
        /// In this shape.
        schema: u32,
        /// As it is.
        body: Vec<u8>,
    },
    /// Tell this.
    Emit(Event),
    /// Make a call, and give back what comes of it as [`Input::Answer`].
    Call(Request),
}

/// A call to be made.
///
/// It is made **at least once**: a crash between its end and the next checkpoint makes it again, with the same key and the same
/// content. Whoever does something that must not happen twice keeps the key with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Of the run.
    pub run: RunId,
    /// The call's own, over all runs; the same when it is made again.
    pub key: Arc<str>,
    /// The node that asks.
    pub node: Arc<str>,
    /// What it asks for.
    pub call: Call,
    /// How long it may take.
    pub timeout: Duration,
    /// The most bytes of the answer.
    pub most_bytes: usize,
}

/// A run after a step, and what is to be done.
#[derive(Debug)]
pub struct Stepped<S> {
    /// The run.
    pub run: Run<S>,
    /// What is to be done, in this order.
    pub effects: Vec<Effect>,
}
