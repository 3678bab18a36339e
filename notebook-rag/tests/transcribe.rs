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
    document::{Document, Flag, SourceKind},
    transcribe::{LoudnessTranscriber, SAMPLE_RATE, Transcriber, conformance},
};
use notebook_rag::{
    parse::{ChildParser, Decoder, FailureCode, Opened, ParseFailure, Recording},
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

fn parser() -> ChildParser {
    ChildParser::new(env!("CARGO_BIN_EXE_notebook-parse"), ["none"])
}

async fn speech(name: &str) -> Recording {
    let file = File::open(cache().join("speech").join(name)).expect("run scripts/need-test.sh");
    opened(file, "a.wav").await
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
    async fn listened(&mut self, done: Duration, _: Option<Duration>) -> Result<()> {
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

/// A2: a sentence that somebody says ten times is there ten times. (Of single words and numbers a model this small loses count.)
#[tokio::test]
async fn a2_what_is_said_again_is_written_again() {
    let mut sound = Vec::new();
    for _ in 0..10 {
        sound.extend(samples("quick_brown_fox.wav").await);
        sound.extend([0.0; SAMPLE_RATE / 2]);
    }
    let text = words(&written(&sound, &whisper()).await.text);
    let said = "the quick brown fox jumps over the lazy dog";
    assert_eq!(text.matches(said).count(), 10, "{text}");
}

async fn written(sound: &[f32], transcriber: &dyn Transcriber) -> Document {
    let file = wav(sound);
    write_down(opened(file, "a.wav").await, transcriber, 1 << 20, &mut Told::default())
        .await
        .unwrap()
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

/// The same speech in another format, made by the program that reads it.
fn converted(codec: &[&str], ending: &str) -> File {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("a.{ending}"));
    let done = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(cache().join("speech/quick_brown_fox.wav"))
        .args(codec)
        .arg(&path)
        .status()
        .expect("run scripts/need-test.sh");
    assert!(done.success());
    File::open(path).unwrap()
}

async fn opened(file: File, name: &str) -> Recording {
    match parser().open(file, name, None).await.unwrap() {
        Opened::Recording(recording) => recording,
        Opened::Parsed(parsed) => panic!("{parsed:?}"),
    }
}

/// A2: what telephones, messengers and recorders write, at their rates and with their channels.
#[tokio::test]
async fn a2_recordings_of_every_format() {
    let whisper = whisper();
    for (kind, ending, codec) in [
        (SourceKind::Wav, "wav", &["-ar", "44100", "-ac", "2", "-c:a", "pcm_s24le"][..]),
        (SourceKind::Mp3, "mp3", &["-ar", "44100"]),
        (SourceKind::Flac, "flac", &["-ar", "48000", "-ac", "2"]),
        (SourceKind::Ogg, "ogg", &["-c:a", "libvorbis"]),
        (SourceKind::Ogg, "ogg", &["-c:a", "libopus", "-b:a", "16k"]),
        // Its index stands at the end.
        (SourceKind::M4a, "m4a", &["-ar", "44100"]),
    ] {
        let recording = opened(converted(codec, ending), &format!("a.{ending}")).await;
        assert_eq!(recording.kind(), kind);
        let mut told = Told::default();
        let document = write_down(recording, &whisper, 1 << 20, &mut told).await.unwrap();
        let heard = words(&document.text);
        assert!(heard.contains("quick brown fox jumps over the lazy dog"), "{ending}: {heard}");
        assert!(!document.flags.contains(&Flag::Damaged), "{ending} {codec:?}");
    }
}

async fn all_of(mut recording: Recording) -> std::result::Result<(Vec<f32>, bool), ParseFailure> {
    let mut samples = Vec::new();
    while recording.read(&mut samples, 1 << 20).await? {}
    Ok((samples, recording.is_damaged()))
}

fn file_of(bytes: &[u8]) -> File {
    use std::io::{Seek, Write};
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

fn bytes_of(mut file: File) -> Vec<u8> {
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
    bytes
}

/// U27: files that lie about themselves cost themselves alone.
#[tokio::test]
async fn u27_hostile_recordings() {
    let whole = bytes_of(wav(&[0.25; 16_000]));
    // A length of ten hours, and one second of sound.
    let mut long = whole.clone();
    long[40..44].copy_from_slice(&(10 * 3_600 * 32_000_u32).to_le_bytes());
    match all_of(opened(file_of(&long), "a.wav").await).await {
        Ok((samples, _)) => assert!(samples.len() <= 16_000, "{}", samples.len()),
        Err(failure) => assert_eq!(failure.code, FailureCode::TooLarge),
    }
    // A header, and nothing; a header, and nonsense in it.
    let no_rate = [&whole[..24], &[0; 4], &whole[28..]].concat();
    for broken in [&whole[..20], &whole[..36], &no_rate] {
        let result = all_of(opened(file_of(broken), "a.wav").await).await;
        let code = result.map(|(samples, _)| samples.len()).map_err(|failure| failure.code);
        assert!(matches!(code, Ok(0) | Err(FailureCode::Damaged)), "{code:?}");
    }
    // Noise in the middle: the rest is heard, and the loss is told.
    let mut mp3 = bytes_of(converted(&[], "mp3"));
    let middle = mp3.len() / 2;
    let noise = (0..1_500_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8);
    mp3.splice(middle..middle + 1_500, noise);
    let (samples, damaged) = all_of(opened(file_of(&mp3), "a.mp3").await).await.unwrap();
    assert!(samples.len() > 20_000 && damaged, "{} {damaged}", samples.len());
}

/// No recording is read for longer than one may last, whatever it says of itself.
#[tokio::test]
async fn u27_a_recording_without_end() {
    let mut parser = parser();
    parser.limits.recording = Duration::from_secs(2);
    for (name, file) in [("a.wav", wav(&vec![0.1; 48_000])), ("a.mp3", converted(&[], "mp3"))] {
        let Opened::Recording(recording) = parser.open(file, name, None).await.unwrap() else {
            panic!("no recording");
        };
        assert_eq!(all_of(recording).await.unwrap_err().code, FailureCode::TooLarge, "{name}");
    }
}

/// A program that is missing, hangs, forks, talks without end, or closes its outputs before it ends (as `cat` does) ends
/// this source alone, with what to do.
#[tokio::test]
async fn a2_programs_that_fail() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let program = |name: &str, script: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    };
    let (short, long) = (Duration::from_secs(3), Duration::from_secs(60));
    let count = "i=0; while [ $i -lt 300000 ]; do i=$((i + 1)); done";
    for (path, wall, code) in [
        (folder.path().join("none"), long, FailureCode::TranscriptionUnavailable),
        (program("hangs", "exec sleep 600"), short, FailureCode::TimeLimit),
        (program("forks", "sleep 0; exit 1"), long, FailureCode::Damaged),
        (program("reads", "exec cat /dev/zero >&2"), long, FailureCode::Damaged),
        (program("talks", "while :; do echo la; done >&2"), short, FailureCode::TimeLimit),
        (program("closes", &format!("exec >&- 2>&-; {count}; exit 1")), long, FailureCode::Damaged),
        (program("stays", "exec >&- 2>&-; exec sleep 600"), short, FailureCode::TimeLimit),
    ] {
        let mut parser = parser().with_decoder(Decoder { program: path.clone() });
        parser.limits.wall = wall;
        let file = wav(&[0.1; 16_000]);
        let Opened::Recording(recording) = parser.open(file, "a.wav", None).await.unwrap() else {
            panic!("no recording");
        };
        let failure = all_of(recording).await.unwrap_err();
        assert_eq!(failure.code, code, "{path:?}: {failure:?}");
    }
    let failure = parser().with_decoder(Decoder { program: "/none/ffmpeg".into() });
    let failure = failure.check_decoder().await.unwrap_err();
    assert!(failure.message.contains("apt install ffmpeg"), "{failure}");
    parser().check_decoder().await.unwrap();
}
