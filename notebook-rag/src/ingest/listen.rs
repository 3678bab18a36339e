//! Recordings become text.

use std::time::Duration;

use async_trait::async_trait;
use notebook_core::{
    Error, ErrorKind, Result, SourceId,
    document::Flag,
    model::{Progress, Source, Stage},
    queue::runner::Work,
};

use super::{Inner, stages::unreadable};
use crate::{
    parse::{FailureCode, ParseFailure, Parsed, Recording},
    transcribe::{Listened, Unheard, write_down},
};

impl Inner {
    /// Writes down what is said in a recording, and shows how far that is.
    pub(super) async fn listen(
        &self,
        work: &Work,
        id: SourceId,
        recording: Recording,
    ) -> Result<Parsed> {
        let Some(transcriber) = &self.parts.transcriber else {
            return Err(unreadable(id, FailureCode::TranscriptionUnavailable.into()));
        };
        let _listener = self.listener.acquire().await.map_err(|error| {
            Error::new(ErrorKind::Internal, "wait for the transcriber").caused_by(error)
        })?;
        let (kind, mismatch) = (recording.kind(), recording.is_mismatch());
        let mut shown = Shown { inner: self, work, id };
        shown.listened(Duration::ZERO, None).await?;
        let most = self.parts.parser.limits.text_bytes;
        match write_down(recording, &**transcriber, most, &mut shown).await {
            Ok(mut document) => {
                if mismatch {
                    document.flags.push(Flag::TypeMismatch { read_as: kind });
                }
                Ok(Parsed { kind, document })
            }
            Err(Unheard::Failure(failure)) => Err(unreadable(id, failure)),
            Err(Unheard::Error(error)) if error.kind() == ErrorKind::NotFound => {
                Err(unreadable(id, missing(transcriber.model(), &error)))
            }
            Err(Unheard::Error(error)) => Err(error),
        }
    }
}

/// A model that is not there: neither on this machine nor on the server that was asked for it.
fn missing(model: &str, error: &Error) -> ParseFailure {
    let failure = ParseFailure::new(FailureCode::TranscriptionUnavailable).with_detail(error);
    match error.context("fix") {
        Some(fix) => failure.with_message(format!(
            "Recordings are not transcribed here: the model {model} is missing. To mend it, {fix}; then choose retry."
        )),
        None => failure,
    }
}

/// Shows how many seconds were heard.
struct Shown<'w> {
    inner: &'w Inner,
    work: &'w Work,
    id: SourceId,
}

#[async_trait]
impl Listened for Shown<'_> {
    /// A source that was cancelled meanwhile is heard no further.
    async fn listened(&mut self, done: Duration, of: Option<Duration>) -> Result<()> {
        let done = done.as_secs();
        // What it says of its length may be wrong.
        let total = of.map_or(0, |of| (of.as_secs_f64().ceil() as u64).max(done));
        let change = |source: &mut Source| {
            source.stage = Stage::Parse;
            source.progress = Progress { done, total };
        };
        let source = self.inner.advance(&self.work.scope, self.id, change).await?;
        self.work.progress(source.progress);
        Ok(())
    }
}
