//! What is told of a run.

use std::sync::Arc;

use notebook_core::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{BudgetName, Failure, Spent};

/// Something that happened. A run's events are numbered from 1 without gaps, and the last one is [`EventBody::Ended`]. After a
/// resume those of the last step come again, with the same numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its number.
    pub seq: u64,
    /// The step that it belongs to.
    pub step: u64,
    /// When the step was done.
    pub at: Timestamp,
    /// The branch: 0 is the first.
    pub branch: u32,
    /// What happened.
    pub body: EventBody,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventBody {
    /// The run began.
    Started {
        /// Of this graph.
        graph: Arc<str>,
    },
    /// A node was entered.
    Entered {
        /// Its path.
        node: Arc<str>,
    },
    /// A call is to be made.
    Called {
        /// By this node.
        node: Arc<str>,
        /// The key that the call is made with, and made again with after a crash.
        key: Arc<str>,
        /// What is called: `model`, `approval` or a tool's name.
        name: String,
    },
    /// It came back.
    Answered {
        /// To this node.
        node: Arc<str>,
        /// The call's key.
        key: Arc<str>,
        /// Why it failed, if it did.
        failure: Option<Failure>,
    },
    /// A node told something.
    Note {
        /// This one.
        node: Arc<str>,
        /// What it told.
        value: Value,
    },
    /// Branches began.
    Split {
        /// At this node.
        node: Arc<str>,
        /// Their numbers, in the order of the node.
        branches: Vec<u32>,
    },
    /// All of them came to their ends.
    Joined {
        /// At this node.
        node: Arc<str>,
        /// How many failed.
        failed: u32,
    },
    /// The run ended.
    Ended {
        /// How.
        end: End,
        /// What it used.
        spent: Spent,
    },
}

/// How a run ended: exactly one of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum End {
    /// It came to the graph's end.
    Done,
    /// Somebody asked for it.
    Stopped,
    /// A part of its budget was used up.
    Budget {
        /// Which.
        budget: BudgetName,
    },
    /// A node of its first branch failed, or what it keeps cannot be stored.
    Failed {
        /// The node, where it was one.
        node: Option<Arc<str>>,
        /// Why.
        failure: Failure,
    },
}
