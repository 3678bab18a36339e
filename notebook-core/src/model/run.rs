use serde::{Deserialize, Serialize};

use super::{Citation, Message, RetrievalMode, StageTiming, Usage};
use crate::{
    ApprovalId, ConversationId, MessageId, NotebookId, RunId, Timestamp, approval::ApprovalState,
};

/// One answer being produced, or that was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Run {
    /// Identifies it.
    pub id: RunId,
    /// The notebook that it answers from.
    pub notebook: NotebookId,
    /// The conversation that it answers in.
    pub conversation: ConversationId,
    /// The question.
    pub question: MessageId,
    /// The answer's message id, fixed at the start; the message is stored when the run ends.
    pub answer: MessageId,
    /// Where it stands.
    pub state: RunState,
    /// Whether somebody asked for its end.
    pub stop_requested: bool,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// Where a run stands. The last four are terminal, and each run reaches exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Stored, not yet taken by a worker.
    Queued,
    /// Being produced.
    Running,
    /// The answer is whole.
    Completed,
    /// A person ended it; the partial answer is kept.
    Stopped,
    /// It broke; the partial answer is kept.
    Failed,
    /// Nobody watched it any more; the partial answer is kept.
    Abandoned,
}

impl RunState {
    /// Whether the run has ended.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// What is needed to open a run: the question and the run are stored together or not at all.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRun {
    /// The run, in state [`RunState::Queued`].
    pub run: Run,
    /// The question; `None` when an existing question is answered again.
    pub question: Option<Message>,
    /// The caller's key: a second open with the same key in the same conversation returns the first run.
    pub idempotency_key: Option<String>,
    /// Hash of what was asked, to tell a repeated request from another one under the same key.
    pub request_hash: String,
}

/// The result of opening a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Opened {
    /// The run was stored now.
    Created(Run),
    /// The same request was made before; this is its run.
    Existing(Run),
}

impl Opened {
    /// The run, new or not.
    #[must_use]
    pub const fn run(&self) -> &Run {
        match self {
            Self::Created(run) | Self::Existing(run) => run,
        }
    }
}

/// How a run ended: stored as one, before anyone is told.
#[derive(Debug, Clone, PartialEq)]
pub struct RunOutcome {
    /// A terminal state.
    pub state: RunState,
    /// Events not yet appended; the last one is terminal and agrees with `state`.
    pub events: Vec<RunEvent>,
    /// The answer, whole or partial; `None` when there is no text at all.
    pub answer: Option<Message>,
    /// What was used all the same, where there is no answer to keep it with.
    pub used: Option<Used>,
}

/// What a run without an answer used, such as a research that was stopped on its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Used {
    /// The provider and model that were asked.
    pub model: String,
    /// Tokens and money.
    pub usage: Usage,
}

/// How far apart the numbers of two workers' events lie.
///
/// A worker that is lost may have shown its readers more than it stored. The next one's numbers begin past all of
/// them, so that a reader who goes on after the last number that it saw misses nothing and sees nothing twice.
pub const GENERATION: u64 = 1 << 20;

/// The first number that a worker may use when `last` is the log's last number and another worker wrote before.
#[must_use]
pub const fn next_generation(last: u64) -> u64 {
    last.saturating_sub(1) / GENERATION * GENERATION + GENERATION + 1
}

/// One entry of a run's append-only log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunEvent {
    /// Its place in the log: from 1, without gaps as long as one worker writes. The next worker's numbers begin at
    /// a multiple of [`GENERATION`], plus one.
    pub seq: u64,
    /// When it happened. Called `time` on the wire: a citation has a place called `at`.
    #[serde(rename = "time")]
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub body: EventBody,
}

/// What happened in a run. The tag on the wire is `type`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventBody {
    /// A worker took the run.
    Started {
        /// The message id that the answer will have.
        answer: MessageId,
        /// The provider and model that will answer, such as `ollama/llama3.2`.
        model: String,
    },
    /// The worker that wrote so far is gone and another begins anew: text and citations before this are not of the
    /// answer.
    Restarted,
    /// Text and citations so far are these: the log before this is pruned, or a lost worker had shown more than is kept.
    /// Not stored: made for a reader whose place is gone.
    Resync {
        /// The whole text so far.
        text: String,
        /// All citations so far.
        citations: Vec<Citation>,
    },
    /// Passages were found.
    Retrieved {
        /// How they were found.
        mode: RetrievalMode,
        /// How many passages go into the prompt.
        passages: u32,
        /// Whether a stage missed its deadline.
        partial: bool,
        /// How long each stage took.
        timings: Vec<StageTiming>,
    },
    /// The prompt was built.
    Context {
        /// Tokens of the whole prompt.
        prompt_tokens: u64,
        /// The budget that it had to fit.
        budget_tokens: u64,
        /// Earlier messages that did not fit.
        messages_left_out: u32,
        /// Passages that did not fit.
        passages_left_out: u32,
    },
    /// The next piece of the answer's text.
    Delta {
        /// Never empty, never a part of a character.
        text: String,
    },
    /// A verified citation of text already sent.
    Citation(Citation),
    /// A research calls a tool.
    ToolCalled {
        /// The call's own, within the run.
        call: String,
        /// The tool, as the model named it.
        tool: String,
        /// The beginning of its arguments as JSON, for the eye: without what looks like a secret, and what is not seen written out.
        arguments: String,
    },
    /// The call came to its end.
    ToolAnswered {
        /// As of [`ToolCalled`](Self::ToolCalled).
        call: String,
        /// The tool.
        tool: String,
        /// How many passages it brought.
        passages: u32,
        /// Stable snake-case code of why it failed, if it did.
        failure: Option<String>,
    },
    /// A person is asked to allow a call, and the run waits for them.
    ApprovalRequested {
        /// The question: its exact arguments are read there.
        approval: ApprovalId,
        /// The tool.
        tool: String,
        /// Why a person is asked.
        reason: String,
        /// Until when it can be answered.
        expires_at: Timestamp,
    },
    /// The question was answered, or its time is over.
    ApprovalDecided {
        /// The question.
        approval: ApprovalId,
        /// The tool.
        tool: String,
        /// What became of it.
        state: ApprovalState,
    },
    /// Something the reader should know; the run goes on.
    Warning {
        /// Stable snake-case code.
        code: String,
        /// A sentence for a person.
        message: String,
    },
    /// Terminal: the answer is whole.
    Completed {
        /// Tokens used.
        usage: Usage,
        /// Whether the sources were found not to say.
        abstained: bool,
        /// Citations that failed verification.
        dropped_citations: u32,
        /// How long each stage took.
        timings: Vec<StageTiming>,
    },
    /// Terminal: a person ended it.
    Stopped,
    /// Terminal: it broke.
    Failed {
        /// Stable snake-case code: one of [`FailureCode`](super::FailureCode).
        #[cfg_attr(feature = "openapi", schema(value_type = super::FailureCode))]
        code: String,
        /// A sentence for a person, with the fix.
        message: String,
        /// Whether asking again may help.
        retryable: bool,
        /// What exactly happened, for whoever looks after the server.
        #[serde(default)]
        detail: Option<String>,
    },
    /// Terminal: nobody watched any more.
    Abandoned,
}

impl EventBody {
    /// The state that this event ends the run in, if it is terminal.
    #[must_use]
    pub const fn terminal_state(&self) -> Option<RunState> {
        match self {
            Self::Completed { .. } => Some(RunState::Completed),
            Self::Stopped => Some(RunState::Stopped),
            Self::Failed { .. } => Some(RunState::Failed),
            Self::Abandoned => Some(RunState::Abandoned),
            _ => None,
        }
    }

    /// The value of the tag `type`: the event name in server-sent events.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Restarted => "restarted",
            Self::Resync { .. } => "resync",
            Self::Retrieved { .. } => "retrieved",
            Self::Context { .. } => "context",
            Self::Delta { .. } => "delta",
            Self::Citation(_) => "citation",
            Self::ToolCalled { .. } => "tool_called",
            Self::ToolAnswered { .. } => "tool_answered",
            Self::ApprovalRequested { .. } => "approval_requested",
            Self::ApprovalDecided { .. } => "approval_decided",
            Self::Warning { .. } => "warning",
            Self::Completed { .. } => "completed",
            Self::Stopped => "stopped",
            Self::Failed { .. } => "failed",
            Self::Abandoned => "abandoned",
        }
    }
}
