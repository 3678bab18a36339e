//! What the people did and saw.

use std::collections::BTreeMap;

use notebook_core::{ConversationId, JobId, NotebookId, SourceId, model::Run};
use serde_json::Value;

/// What happened, counted.
#[derive(Debug, Default)]
pub struct Counts {
    pub kills: usize,
    pub stops: usize,
    pub terminations: usize,
    pub holds: usize,
    pub losses: usize,
    pub cuts: usize,
    pub restarts: usize,
    pub crashes: usize,
    pub outages: usize,
}

/// What a reader has at the end of a run.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    pub text: String,
    pub citations: Vec<Value>,
    pub last: u64,
    pub terminal: Option<Value>,
    /// How often it was told to begin anew.
    pub anew: usize,
    /// How often it came back.
    pub resumed: usize,
}

/// A question that was accepted.
#[derive(Debug)]
pub struct Asked {
    pub run: Run,
    pub seen: Vec<Seen>,
}

/// A source that was accepted.
#[derive(Debug)]
pub struct Added {
    pub id: SourceId,
    pub bytes: Vec<u8>,
    /// The job that deletes it, if it was.
    pub deleted: Option<JobId>,
}

/// What one person did.
#[derive(Debug)]
pub struct Ledger {
    pub conversation: ConversationId,
    pub shelf: NotebookId,
    pub asked: Vec<Asked>,
    pub added: Vec<Added>,
    /// What must not happen, as it was met.
    pub wrong: Vec<String>,
    /// Replies by status, and failures to get one.
    pub replies: BTreeMap<String, usize>,
}
