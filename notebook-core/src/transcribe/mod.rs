//! The transcriber port: speech in, words with times out.

use std::time::Duration;

use async_trait::async_trait;

use crate::Result;

#[cfg(feature = "conformance")]
pub mod conformance;
mod memory;
#[cfg(feature = "openai")]
pub mod openai;

pub use memory::LoudnessTranscriber;

/// How many samples a second has.
pub const SAMPLE_RATE: usize = 16_000;

/// Some words, and when they are said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// When they begin, from the first sample given.
    pub start: Duration,
    /// When they end.
    pub end: Duration,
    /// The words.
    pub text: String,
}

/// What was heard.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heard {
    /// In order of time.
    pub segments: Vec<Segment>,
    /// How many samples are done with. What follows is to be given again, before what comes next: a sentence may go on
    /// there.
    pub consumed: usize,
}

/// Writes down what is said in a piece of sound.
#[async_trait]
pub trait Transcriber: Send + Sync + 'static {
    /// The model's name, for people.
    fn model(&self) -> &str;

    /// The most samples that are listened to at once.
    fn window(&self) -> usize;

    /// The words in `samples`: one channel, [`SAMPLE_RATE`], from -1 to 1. `last` when nothing follows.
    ///
    /// - Empty: nothing is heard, nothing consumed.
    /// - Silence: nothing is heard, all of it is consumed.
    /// - More than [`window`](Self::window): what is beyond is not consumed.
    /// - Otherwise at least one sample is consumed.
    /// - Segments begin and end within what was given, and none begins before the one before it.
    /// - Cancelled: the answer is lost; the next call is not concerned.
    ///
    /// # Errors
    /// For remote ones as [`ChatModel::stream`](crate::chat::ChatModel::stream).
    async fn transcribe(&self, samples: Vec<f32>, last: bool) -> Result<Heard>;
}

/// The time that so many samples take.
#[must_use]
pub fn duration(samples: usize) -> Duration {
    Duration::from_micros(samples as u64 * 1_000_000 / SAMPLE_RATE as u64)
}

/// How many samples a time takes.
#[must_use]
pub fn samples(time: Duration) -> usize {
    usize::try_from(time.as_micros() * SAMPLE_RATE as u128 / 1_000_000).unwrap_or(usize::MAX)
}
