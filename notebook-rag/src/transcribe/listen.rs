//! The way from a recording to its document.

use std::time::Duration;

use async_trait::async_trait;
use notebook_core::{
    Error, ErrorKind, Result,
    document::{Document, Flag},
    transcribe::{Heard, Segment, Transcriber, duration},
};

use super::script::Script;
use crate::parse::{FailureCode, ParseFailure, Recording};

/// Why a recording did not become text.
#[derive(Debug)]
pub enum Unheard {
    /// The recording is at fault.
    Failure(ParseFailure),
    /// The transcriber is.
    Error(Error),
}

impl From<ParseFailure> for Unheard {
    fn from(failure: ParseFailure) -> Self {
        Self::Failure(failure)
    }
}

/// Hears how far the writing down is.
#[async_trait]
pub trait Listened: Send {
    /// So much of the recording is done, of so much as it says that it has.
    ///
    /// # Errors
    /// Why it is not to go on.
    async fn listened(&mut self, done: Duration, of: Option<Duration>) -> Result<()>;
}

/// Writes down what is said in a recording, a window after the other; `progress` is told after each how much is done.
///
/// # Errors
/// What is wrong with the recording, or with the transcriber; that of `progress`, which ends it.
pub async fn write_down(
    mut recording: Recording,
    transcriber: &dyn Transcriber,
    max_text: usize,
    progress: &mut dyn Listened,
) -> std::result::Result<Document, Unheard> {
    let mut script = Script::new(max_text);
    let window = transcriber.window().max(1);
    let mut samples: Vec<f32> = Vec::new();
    let mut done = 0_usize;
    loop {
        let more = recording.read(&mut samples, window).await?;
        let last = !more;
        if samples.is_empty() {
            break;
        }
        let given = samples.clone();
        let heard = transcriber.transcribe(given, last).await.map_err(Unheard::Error)?;
        let consumed = check(&heard, samples.len()).map_err(Unheard::Error)?;
        for segment in heard.segments {
            let (start, end) = (segment.start + duration(done), segment.end + duration(done));
            script.add(&Segment { start, end, ..segment }).map_err(ParseFailure::from)?;
        }
        samples.drain(..consumed);
        done += consumed;
        progress.listened(duration(done), recording.length()).await.map_err(Unheard::Error)?;
        if last && samples.is_empty() {
            break;
        }
    }
    let mut document = script.finish(transcriber.model()).ok_or_else(silent)?;
    if recording.is_damaged() {
        document.flags.push(Flag::Damaged);
    }
    Ok(document)
}

/// A transcriber that never gets on would be asked for ever.
fn check(heard: &Heard, given: usize) -> Result<usize> {
    if (1..=given).contains(&heard.consumed) {
        return Ok(heard.consumed);
    }
    Err(Error::new(ErrorKind::Protocol, "transcribe")
        .with("reason", format!("it consumed {} of {given} samples", heard.consumed)))
}

fn silent() -> ParseFailure {
    ParseFailure::new(FailureCode::NoText)
        .with_message("No speech was heard in the recording. Check that it plays, and that somebody speaks in it.")
}
