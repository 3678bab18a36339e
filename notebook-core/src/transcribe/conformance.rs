//! What every transcriber keeps: for adapters' tests.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use super::{Heard, SAMPLE_RATE, Transcriber, duration};

/// Runs the suite. `speech` is a recording in which something is said, shorter than the model's window.
///
/// # Panics
/// When the transcriber does not keep what the port says.
pub async fn run(transcriber: &dyn Transcriber, speech: &[f32]) {
    assert!(!transcriber.model().is_empty());
    assert!(transcriber.window() >= SAMPLE_RATE);
    nothing_is_heard_in_nothing(transcriber).await;
    silence_is_consumed(transcriber).await;
    speech_is_heard(transcriber, speech).await;
    too_much_is_cut(transcriber, speech).await;
}

async fn nothing_is_heard_in_nothing(transcriber: &dyn Transcriber) {
    for last in [true, false] {
        assert_eq!(transcriber.transcribe(Vec::new(), last).await.unwrap(), Heard::default());
    }
}

async fn silence_is_consumed(transcriber: &dyn Transcriber) {
    let silence = vec![0.0; 5 * SAMPLE_RATE];
    let heard = transcriber.transcribe(silence, true).await.unwrap();
    assert_eq!(heard, Heard { segments: Vec::new(), consumed: 5 * SAMPLE_RATE });
}

async fn speech_is_heard(transcriber: &dyn Transcriber, speech: &[f32]) {
    assert!(speech.len() < transcriber.window());
    let heard = transcriber.transcribe(speech.to_vec(), true).await.unwrap();
    assert!((1..=speech.len()).contains(&heard.consumed), "{}", heard.consumed);
    assert!(!heard.segments.is_empty());
    in_order(&heard, speech.len());
    let more = transcriber.transcribe(speech.to_vec(), false).await.unwrap();
    assert!((1..=speech.len()).contains(&more.consumed), "{}", more.consumed);
    in_order(&more, speech.len());
}

async fn too_much_is_cut(transcriber: &dyn Transcriber, speech: &[f32]) {
    let window = transcriber.window();
    let mut long: Vec<f32> = speech.to_vec();
    long.resize(window + SAMPLE_RATE, 0.0);
    let heard = transcriber.transcribe(long, true).await.unwrap();
    assert!((1..=window).contains(&heard.consumed));
    in_order(&heard, window);
}

fn in_order(heard: &Heard, length: usize) {
    let mut last = std::time::Duration::ZERO;
    for segment in &heard.segments {
        assert!(segment.start >= last, "{:?}", heard.segments);
        assert!(segment.end >= segment.start);
        assert!(segment.end <= duration(length), "{segment:?}");
        assert!(!segment.text.trim().is_empty());
        last = segment.start;
    }
}
