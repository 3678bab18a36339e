//! One stage: timed, with a limit, its failure kept as a warning.

use std::{
    fmt,
    future::Future,
    time::{Duration, Instant},
};

use notebook_core::{
    Error, ErrorKind, Result, Retry,
    model::{AnswerStage, StageTiming},
};

/// A part of retrieval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StageName {
    /// Bringing the indexes up to the store.
    CatchUp,
    /// Keyword search.
    KeywordSearch,
    /// Embedding of the question.
    EmbedQuestion,
    /// Vector search.
    VectorSearch,
    /// Reading of the chunks.
    LoadPassages,
    /// Judging of the passages by a model that reads them with the question.
    Rerank,
}

impl StageName {
    /// The stable snake-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.timed().name()
    }

    /// The stage as answers have it among their times.
    #[must_use]
    pub const fn timed(self) -> AnswerStage {
        match self {
            Self::CatchUp => AnswerStage::CatchUp,
            Self::KeywordSearch => AnswerStage::KeywordSearch,
            Self::EmbedQuestion => AnswerStage::EmbedQuestion,
            Self::VectorSearch => AnswerStage::VectorSearch,
            Self::LoadPassages => AnswerStage::LoadPassages,
            Self::Rerank => AnswerStage::Rerank,
        }
    }

    /// What its part of the work is called to a person, and what follows where it is left out.
    const fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::CatchUp => {
                ("Looking for what was added last", "the newest sources may be missing")
            }
            Self::KeywordSearch => ("The search by words", "passages may be missing"),
            Self::EmbedQuestion | Self::VectorSearch => {
                ("The search by meaning", "passages may be missing")
            }
            Self::LoadPassages => ("Reading the passages", "passages may be missing"),
            Self::Rerank => ("Ordering the passages", "they stand as they were found"),
        }
    }
}

impl fmt::Display for StageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A stage that is missing from the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageWarning {
    /// The stage.
    pub stage: StageName,
    /// What kind of failure it was; [`ErrorKind::Timeout`] when it was too slow.
    pub kind: ErrorKind,
    /// One line for a person.
    pub message: String,
}

/// What came of a stage.
pub(super) struct Staged<T> {
    pub(super) result: Result<T>,
    pub(super) timing: StageTiming,
}

/// Runs `work` for at most `limit`; it is dropped when that has passed.
pub(super) async fn staged<T>(
    stage: StageName,
    limit: Duration,
    work: impl Future<Output = Result<T>>,
) -> Staged<T> {
    let start = Instant::now();
    let result = match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(too_slow(stage, limit)),
    };
    // What a stage calls may know of its limit too, and give up a moment earlier.
    let finished = !matches!(&result, Err(error) if error.kind() == ErrorKind::Timeout);
    let micros = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
    Staged { result, timing: StageTiming { stage: stage.name().to_owned(), micros, finished } }
}

fn too_slow(stage: StageName, limit: Duration) -> Error {
    Error::new(ErrorKind::Timeout, "retrieve passages")
        .with("stage", stage.name())
        .with("limit", format!("{} ms", limit.as_millis()))
        .retry(Retry::Backoff)
}

/// Turns a failure into a warning that names its stage.
pub(super) fn warning(stage: StageName, error: &Error) -> StageWarning {
    tracing::warn!(stage = stage.name(), error = %error, "a retrieval stage is left out");
    let (part, follows) = stage.told();
    let happened =
        if error.kind() == ErrorKind::Timeout { "took too long" } else { "did not work" };
    StageWarning { stage, kind: error.kind(), message: format!("{part} {happened}: {follows}.") }
}
