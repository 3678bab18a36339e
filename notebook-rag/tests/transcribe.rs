//! A2: speech to words with times, by the model on this machine. Needs `scripts/need-test.sh`.
#![cfg(all(feature = "candle", feature = "ingest"))]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::{fs::File, path::PathBuf, time::Duration};

use async_trait::async_trait;
use notebook_core::{
    Result,
    document::{Document, SourceKind},
    transcribe::{LoudnessTranscriber, SAMPLE_RATE, Transcriber, conformance},
};
use notebook_rag::{
    parse::{ChildParser, Opened, Recording},
    transcribe::{Listened, whisper::Whisper, write_down},
};

fn cache() -> PathBuf {
    std::env::var_os("NOTEBOOK_CACHE").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/notebook"),
        PathBuf::from,
    )
}

fn whisper() -> Whisper {
    let folder = cache().join("models/faster-whisper-tiny.en");
    Whisper::load("tiny.en", &folder, 2).expect("run scripts/need-test.sh")
}

async fn recording(file: File) -> Recording {
    let parser = ChildParser::new(env!("CARGO_BIN_EXE_notebook-parse"), ["none"]);
    match parser.open(file, "a.wav", None).await.unwrap() {
        Opened::Recording(recording) => recording,
        Opened::Parsed(parsed) => panic!("{parsed:?}"),
    }
}

async fn speech(name: &str) -> Recording {
    recording(File::open(cache().join("speech").join(name)).expect("run scripts/need-test.sh"))
        .await
}

async fn samples(name: &str) -> Vec<f32> {
    let mut samples = Vec::new();
    let mut recording = speech(name).await;
    while recording.read(&mut samples, usize::MAX).await.unwrap() {}
    samples
}

#[derive(Default)]
struct Told(Vec<Duration>);

#[async_trait]
impl Listened for Told {
    async fn listened(&mut self, done: Duration) -> Result<()> {
        self.0.push(done);
        Ok(())
    }
}

fn words(text: &str) -> String {
    let letters = text.to_lowercase().replace(|c: char| !c.is_alphanumeric(), " ");
    letters.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn the_suite_holds_for_whisper_and_for_the_loudness() {
    let speech = samples("quick_brown_fox.wav").await;
    conformance::run(&LoudnessTranscriber, &speech).await;
    conformance::run(&whisper(), &speech).await;
}

/// A2: what is said, to the word.
#[tokio::test]
async fn a2_speech_is_written_down() {
    let whisper = whisper();
    for (name, wanted) in [
        ("quick_brown_fox.wav", "the quick brown fox jumps over the lazy dog"),
        ("hello_world.wav", "hello world"),
    ] {
        let mut told = Told::default();
        let document = write_down(speech(name).await, &whisper, 1 << 20, &mut told).await.unwrap();
        document.validate().unwrap();
        assert_eq!(words(&document.text), wanted, "{name}");
        assert!(!told.0.is_empty());
    }
}

/// Speech that begins after more than a window of silence, twice: times are those of the whole recording.
#[tokio::test]
async fn a2_long_recordings_keep_their_times() {
    let fox = samples("quick_brown_fox.wav").await;
    let mut sound = vec![0.0; 40 * SAMPLE_RATE];
    sound.extend_from_slice(&fox);
    sound.resize(95 * SAMPLE_RATE, 0.0);
    sound.extend_from_slice(&fox);
    let document = written(&sound, &whisper()).await;
    let starts: Vec<usize> =
        document.text.to_lowercase().match_indices("quick brown fox").map(|(at, _)| at).collect();
    assert_eq!(starts.len(), 2, "{:?}", document.text);
    let second = |at: usize| document.page_at(at).unwrap() - 1;
    assert!((39..=42).contains(&second(starts[0])), "{:?}", document.pages);
    assert!((94..=97).contains(&second(starts[1])), "{:?}", document.pages);
    assert_eq!(SourceKind::Wav.part(document.page_at(starts[1]).unwrap()).get(..2), Some("1:"));
}

async fn written(sound: &[f32], transcriber: &dyn Transcriber) -> Document {
    let file = wav(sound);
    write_down(recording(file).await, transcriber, 1 << 20, &mut Told::default()).await.unwrap()
}

/// A WAV file of 16 bits, 16,000 a second.
fn wav(samples: &[f32]) -> File {
    use std::io::{Seek, Write};
    let length = samples.len() as u32 * 2;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((length + 36).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    bytes.extend(16_000_u32.to_le_bytes());
    bytes.extend(32_000_u32.to_le_bytes());
    bytes.extend(b"\x02\0\x10\0data");
    bytes.extend(length.to_le_bytes());
    bytes.extend(samples.iter().flat_map(|s| ((s * 32_767.0) as i16).to_le_bytes()));
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    file.rewind().unwrap();
    file
}
