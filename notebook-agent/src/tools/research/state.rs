//! What a research keeps between its steps.

use std::collections::BTreeMap;

use notebook_core::{
    SourceId,
    chat::{self, ChatMessage, ToolSpec},
    document::Span,
};
use serde::{Deserialize, Serialize};

use crate::{
    graph::Failure,
    guard::provenance::Origin,
    tools::{Decision, Finding, Foreign, Observation, Policy, Taint, ToolClass},
};

/// A passage that was read: its number in the prompt is its place here, from 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// The source.
    pub source: SourceId,
    /// Where in its canonical text.
    pub span: Span,
    /// The page it starts on.
    pub page: Option<u32>,
    /// The headings above it.
    pub headings: Vec<String>,
}

/// How far a research goes, within the budget of its run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// How often the model may ask for tools. Default 8.
    pub rounds: u32,
    /// How many tools it may ask for at once; further ones are not called. Default 6.
    pub calls: u32,
    /// About the most tokens of a prompt: where they are more, the oldest results are left out of it. Default 24,000.
    pub prompt_tokens: u64,
    /// How often a model that failed for a while is asked again. Default 2.
    pub again: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rounds: 8, calls: 6, prompt_tokens: 24_000, again: 2 }
    }
}

/// How the model is asked.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Asking {
    /// As of [`ModelCall`](crate::graph::ModelCall).
    pub temperature: Option<f32>,
    /// As there.
    pub top_p: Option<f32>,
    /// As there.
    pub max_tokens: Option<u32>,
}

/// What a research tells of itself, as notes of its graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Told {
    /// A call was asked for.
    Called {
        /// The call's own within the run.
        call: String,
        /// The tool, as the model named it.
        tool: String,
        /// The beginning of its arguments, for the eye.
        arguments: String,
    },
    /// It came to its end.
    Answered {
        /// The call.
        call: String,
        /// The tool.
        tool: String,
        /// How many passages it brought.
        passages: u32,
        /// Why it failed, if it did.
        failure: Option<String>,
    },
}

/// One call, in a branch of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct One {
    /// The call's own within the run: models name two alike.
    pub(super) id: String,
    pub(super) call: chat::ToolCall,
    pub(super) decision: Decision,
    /// For the person.
    pub(super) reason: String,
    /// What stands for the definition of another program's tool.
    #[serde(default)]
    pub(super) definition: Option<String>,
    pub(super) outcome: Option<Result<Observation, Failure>>,
}

/// What a research keeps between its steps.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Research {
    pub(super) messages: Vec<ChatMessage>,
    pub(super) specs: Vec<ToolSpec>,
    pub(super) kinds: BTreeMap<String, (ToolClass, Option<Origin>)>,
    /// The tools of other programs, as they were defined when the run began.
    #[serde(default)]
    pub(super) foreign: BTreeMap<String, Foreign>,
    pub(super) policy: Policy,
    pub(super) limits: Limits,
    pub(super) asking: Asking,
    /// A word that no text can guess.
    pub(super) marker: String,
    pub(super) taint: Taint,
    pub(super) rounds: u32,
    pub(super) failed: u32,
    pub(super) read: Vec<Read>,
    /// What the model asks for, not answered yet.
    pub(super) round: Vec<chat::ToolCall>,
    pub(super) answer: Option<String>,
    /// What was told of the rounds before.
    pub(super) told: Vec<Told>,
    pub(super) one: Option<One>,
}

impl Research {
    /// What the model answered in the end, if it did.
    #[must_use]
    pub fn answer(&self) -> Option<&str> {
        self.answer.as_deref()
    }

    /// What it has read: passage `i` is called `[i + 1]`.
    #[must_use]
    pub fn read(&self) -> &[Read] {
        &self.read
    }

    /// Which untrusted text it has read.
    #[must_use]
    pub const fn taint(&self) -> &Taint {
        &self.taint
    }

    /// What it tells of itself, from its beginning to where it stands.
    pub(super) fn told(&self) -> Vec<Told> {
        let one = self.one.iter().flat_map(One::told);
        self.told.iter().cloned().chain(one).collect()
    }

    /// The number of a passage: that which it has, or a new one.
    pub(super) fn number(&mut self, finding: &Finding) -> usize {
        let same = |read: &Read| read.source == finding.source && read.span == finding.span;
        if let Some(place) = self.read.iter().position(same) {
            return place + 1;
        }
        self.read.push(Read {
            source: finding.source,
            span: finding.span,
            page: finding.page,
            headings: finding.headings.clone(),
        });
        self.read.len()
    }
}
