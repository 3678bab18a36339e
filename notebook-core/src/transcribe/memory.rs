//! A transcriber that needs no model: it tells how loud it is.

use async_trait::async_trait;

use super::{Heard, SAMPLE_RATE, Segment, Transcriber, duration};
use crate::Result;

/// Says `loud` for each second that is, and nothing for others: for tests of what is around a model.
#[derive(Debug, Clone, Copy, Default)]
pub struct LoudnessTranscriber;

/// A second is loud above this.
const LOUD: f32 = 0.01;
/// Seconds at a time.
const WINDOW: usize = 30;

#[async_trait]
impl Transcriber for LoudnessTranscriber {
    fn model(&self) -> &str {
        "loudness"
    }

    fn window(&self) -> usize {
        WINDOW * SAMPLE_RATE
    }

    async fn transcribe(&self, mut samples: Vec<f32>, _last: bool) -> Result<Heard> {
        samples.truncate(self.window());
        let seconds = samples.chunks(SAMPLE_RATE).enumerate();
        let loud = seconds.filter(|(_, second)| second.iter().any(|sample| sample.abs() > LOUD));
        let segments = loud.map(|(index, second)| {
            let start = index * SAMPLE_RATE;
            let (start, end) = (duration(start), duration(start + second.len()));
            Segment { start, end, text: "loud".to_owned() }
        });
        Ok(Heard { segments: segments.collect(), consumed: samples.len() })
    }
}
