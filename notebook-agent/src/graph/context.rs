//! What a node's function is given besides the state.

use std::{collections::BTreeSet, sync::Arc};

use notebook_core::{RunId, Timestamp};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Budget, Failure, Spent};

/// What a node's function is given besides the state: everything that would make it repeatable no more if it took it from elsewhere.
#[derive(Debug)]
pub struct Context<'r> {
    pub(super) run: RunId,
    pub(super) node: Arc<str>,
    pub(super) branch: u32,
    pub(super) step: u64,
    pub(super) now: Timestamp,
    pub(super) seed: u64,
    pub(super) draws: u64,
    pub(super) budget: &'r Budget,
    pub(super) spent: &'r Spent,
    pub(super) tools: &'r BTreeSet<String>,
    pub(super) notes: Vec<Value>,
    pub(super) note_bytes: usize,
}

impl Context<'_> {
    /// The run.
    #[must_use]
    pub const fn run(&self) -> RunId {
        self.run
    }

    /// The node's path.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The branch: 0 is the first.
    #[must_use]
    pub const fn branch(&self) -> u32 {
        self.branch
    }

    /// The number of the step.
    #[must_use]
    pub const fn step(&self) -> u64 {
        self.step
    }

    /// The moment of this step.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// What the run may use.
    #[must_use]
    pub const fn budget(&self) -> &Budget {
        self.budget
    }

    /// What it has used so far.
    #[must_use]
    pub const fn spent(&self) -> &Spent {
        self.spent
    }

    /// The tools that the run may call: fixed when it began.
    #[must_use]
    pub const fn tools(&self) -> &BTreeSet<String> {
        self.tools
    }

    /// A number that looks random, and is the same when the step is done again.
    pub fn random(&mut self) -> u64 {
        self.draws += 1;
        let mut hash = Sha256::new();
        for part in [self.seed, self.step, self.branch.into(), self.draws] {
            hash.update(part.to_le_bytes());
        }
        hash.update(self.node.as_bytes());
        let digest = hash.finalize();
        digest.iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
    }

    /// Tells something: it becomes an event of the run.
    ///
    /// # Errors
    /// When it is more than [`Budget::note_bytes`] in this step.
    pub fn note(&mut self, value: Value) -> Result<(), Failure> {
        // A note takes some bytes however little it says.
        self.note_bytes += value.to_string().len() + 64;
        if self.note_bytes > self.budget.note_bytes {
            let most = self.budget.note_bytes;
            return Err(Failure::new("too_large", format!("notes are over {most} bytes")));
        }
        self.notes.push(value);
        Ok(())
    }
}
