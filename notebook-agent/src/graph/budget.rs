//! What a run may use, and what it has used.

use std::time::Duration;

use notebook_core::{Error, Result, checkpoint};
use serde::{Deserialize, Serialize};

/// What a run may use before the engine ends it. Each is checked by the engine before and after every effect; no node,
/// edge, tool or model has a way to change them.
///
/// Steps, tool calls, branches and failures are never passed. Tokens are reserved before a call (its prompt by an estimate
/// that errs on the high side, and the most it may answer), so that only a model that answers with more than it was asked for can
/// pass them, once in each branch. Cost is known afterwards: calls that are under way when it is reached are paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Nodes entered, in all branches and nested graphs together. Default 200.
    pub steps: u32,
    /// Calls of tools. Default 50.
    pub tool_calls: u32,
    /// Tokens of prompts and answers. Default 200,000.
    pub tokens: u64,
    /// The most tokens of an answer, where the call does not say less. Default 4,096.
    pub answer_tokens: u32,
    /// Millionths of a US dollar, as far as models and tools tell what they cost. Default 1,000,000.
    pub cost_micros: u64,
    /// Time from the start, without that in which the run waited for people only. Default 5 minutes.
    pub wall_time: Duration,
    /// The longest call of a model or tool. Default 60 seconds.
    pub call_time: Duration,
    /// The longest wait for a person; then the answer is [`Expired`](super::Verdict::Expired). Default a day.
    pub approval_time: Duration,
    /// Calls that fail one after the other. Default 5.
    pub failures: u32,
    /// Branches at once, those within branches among them, and the first one. Default 16.
    pub branches: u32,
    /// Bytes of the whole state as stored. Default 1 MiB.
    pub state_bytes: usize,
    /// Bytes of a call, and of its answer; a larger one is a failed call. Default 256 KiB.
    pub call_bytes: usize,
    /// Bytes of what nodes note in one step. Default 64 KiB.
    pub note_bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            steps: 200,
            tool_calls: 50,
            tokens: 200_000,
            answer_tokens: 4_096,
            cost_micros: 1_000_000,
            wall_time: Duration::from_secs(300),
            call_time: Duration::from_secs(60),
            approval_time: Duration::from_secs(86_400),
            failures: 5,
            branches: 16,
            state_bytes: 1 << 20,
            call_bytes: 256 << 10,
            note_bytes: 64 << 10,
        }
    }
}

/// A week.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

impl Budget {
    /// Checks that each part is something, and that all together end.
    ///
    /// # Errors
    /// `InvalidInput` that names the part.
    pub fn check(&self) -> Result<()> {
        let times = [
            ("wall_time", self.wall_time),
            ("call_time", self.call_time),
            ("approval_time", self.approval_time),
        ];
        for (field, time) in times {
            if time < Duration::from_millis(1) || time > LONGEST {
                return Err(Error::invalid("begin run", field, "give a millisecond to a week"));
            }
        }
        let numbers = [
            ("steps", u64::from(self.steps), 1_000_000),
            ("answer_tokens", self.answer_tokens.into(), u32::MAX.into()),
            ("failures", self.failures.into(), 1_000_000),
            ("branches", self.branches.into(), 1_024),
            ("state_bytes", self.state_bytes as u64, checkpoint::MOST_BYTES as u64),
            ("call_bytes", self.call_bytes as u64, 64 << 20),
            ("note_bytes", self.note_bytes as u64, 1 << 20),
        ];
        for (field, number, most) in numbers {
            if !(1..=most).contains(&number) {
                return Err(Error::invalid("begin run", field, format!("give 1 to {most}")));
            }
        }
        Ok(())
    }
}

/// The part of a budget that ended a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BudgetName {
    /// [`Budget::steps`].
    Steps,
    /// [`Budget::tool_calls`].
    ToolCalls,
    /// [`Budget::tokens`].
    Tokens,
    /// [`Budget::cost_micros`].
    Cost,
    /// [`Budget::wall_time`].
    WallTime,
    /// [`Budget::failures`].
    Failures,
    /// [`Budget::branches`].
    Branches,
    /// [`Budget::state_bytes`].
    StateBytes,
}

/// What a run has used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Nodes entered.
    pub steps: u32,
    /// Calls of models.
    pub model_calls: u32,
    /// Calls of tools.
    pub tool_calls: u32,
    /// Tokens of prompts and answers: as told by the model, or estimated where it told none.
    pub tokens: u64,
    /// Millionths of a US dollar, as far as told.
    pub cost_micros: u64,
    /// Time that counts.
    pub time: Duration,
    /// Time in which it waited for people only.
    pub waited: Duration,
    /// Calls that failed since the last one that did not.
    pub failures: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_that_would_not_end_is_named() {
        assert!(Budget::default().check().is_ok());
        let wrong = [
            ("steps", Budget { steps: 0, ..Budget::default() }),
            ("steps", Budget { steps: u32::MAX, ..Budget::default() }),
            ("wall_time", Budget { wall_time: Duration::MAX, ..Budget::default() }),
            ("call_time", Budget { call_time: Duration::ZERO, ..Budget::default() }),
            ("approval_time", Budget { approval_time: Duration::MAX, ..Budget::default() }),
            ("failures", Budget { failures: 0, ..Budget::default() }),
            ("branches", Budget { branches: 5_000, ..Budget::default() }),
            ("state_bytes", Budget { state_bytes: usize::MAX, ..Budget::default() }),
        ];
        for (field, budget) in wrong {
            assert_eq!(budget.check().unwrap_err().context("field"), Some(field));
        }
    }
}
