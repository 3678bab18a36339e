//! Recordings are decoded by ffmpeg, to one channel of [`SAMPLE_RATE`] samples a second.
//!
//! It runs as the same kind of child as a parser: forked by the fork server, limited before it begins, killed with its
//! parent. Of the machine it sees programs, libraries and the recording. It is told the format that another child found,
//! so that no file makes it read playlists or other files.

use std::{ffi::OsString, path::PathBuf, process::ExitCode, time::Duration};

use notebook_core::{document::SourceKind, transcribe::SAMPLE_RATE};
use serde::{Deserialize, Serialize};

use super::{
    FailureCode, Limits, ParseFailure,
    program::{Program, is_missing},
};

/// How recordings are decoded: by ffmpeg.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decoder {
    /// The program `ffmpeg`: a path, or a name that is looked up in the usual folders.
    pub program: PathBuf,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { program: "ffmpeg".into() }
    }
}

impl Decoder {
    /// Becomes the program, with the recording as its standard input. Returns only when that fails.
    pub(super) fn become_program(&self, kind: SourceKind, limits: &Limits) -> ExitCode {
        let program = Program {
            name: &self.program,
            arguments: arguments(kind),
            // Threads share one heap, for each of its own would reserve address space.
            variables: &[("MALLOC_ARENA_MAX", "1")],
            readable: None,
            seeks: true,
            threads: true,
        };
        // What is hours long takes longer to decode than a document to parse.
        let cpu_seconds = limits.cpu_seconds.saturating_add(limits.recording.as_secs() / 60);
        program.begin(&Limits { cpu_seconds, ..limits.clone() })
    }

    /// Why the program ended without a sample, unless it was killed.
    pub(super) fn failure(&self, code: Option<i32>, said: &str) -> ParseFailure {
        if is_missing(code) {
            return ParseFailure::new(FailureCode::TranscriptionUnavailable).with_message(format!(
                "Recordings are not transcribed here: the program {} is missing. Install it (Debian, Ubuntu: apt install ffmpeg), then choose retry.",
                self.program.display()
            ));
        }
        let failure = if said.contains("matches no streams") {
            ParseFailure::new(FailureCode::NoText)
                .with_message("There is no sound in the recording.")
        } else if said.contains("no decoder found") {
            ParseFailure::new(FailureCode::UnsupportedType).with_message(
                "Recordings of this format cannot be read. Save it as WAV, MP3, FLAC, Ogg or M4A.",
            )
        } else {
            ParseFailure::new(FailureCode::Damaged)
        };
        failure.with_detail(said)
    }
}

fn arguments(kind: SourceKind) -> Vec<OsString> {
    let format = match kind {
        SourceKind::M4a => "mov",
        other => other.as_str(),
    };
    let rate = SAMPLE_RATE.to_string();
    // One thread for decoding and one for mixing: others work on other files.
    [
        "-hide_banner",
        "-nostdin",
        "-nostats",
        "-loglevel",
        "level+info",
        "-protocol_whitelist",
        "file",
        "-threads",
        "1",
        "-f",
        format,
        "-i",
        "file:/proc/self/fd/0",
        "-map",
        "0:a:0",
        "-filter_threads",
        "1",
        "-ac",
        "1",
        "-ar",
        &rate,
        "-f",
        "s16le",
        "-threads",
        "1",
        "pipe:1",
    ]
    .map(OsString::from)
    .into()
}

/// How much of what the program says is kept.
const KEPT: usize = 8 << 10;
/// How it begins to say that something is broken.
const ERROR: &[u8] = b"[error]";

/// What the program says while it works.
#[derive(Debug, Default)]
pub(super) struct Said {
    kept: Vec<u8>,
    /// The end of what came last, which may be the start of a word.
    tail: Vec<u8>,
    errors: bool,
}

impl Said {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let room = KEPT.saturating_sub(self.kept.len()).min(bytes.len());
        self.kept.extend_from_slice(bytes.get(..room).unwrap_or_default());
        if self.errors {
            return;
        }
        self.tail.extend_from_slice(bytes);
        self.errors = self.tail.windows(ERROR.len()).any(|window| window == ERROR);
        let gone = self.tail.len().saturating_sub(ERROR.len());
        self.tail.drain(..gone);
    }

    /// Whether something could not be decoded.
    pub(super) fn errors(&self) -> bool {
        self.errors
    }

    /// The end of what is kept.
    pub(super) fn end(&self) -> String {
        let from = self.kept.len().saturating_sub(400);
        String::from_utf8_lossy(self.kept.get(from..).unwrap_or_default()).into_owned()
    }

    /// How long the recording says that it is; it may lie.
    pub(super) fn length(&self) -> Option<Duration> {
        let text = String::from_utf8_lossy(&self.kept);
        let (_, after) = text.split_once("Duration: ")?;
        let (time, _) = after.split_once(',')?;
        let mut seconds = 0.0;
        for part in time.split(':') {
            seconds = seconds * 60.0 + part.parse::<f64>().ok()?;
        }
        Duration::try_from_secs_f64(seconds).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_program_says_is_understood_however_it_is_cut() {
        let text = "[info] Input #0, mp3, from 'x':\n[info]   Duration: 01:02:03.50, start: 0.06\n[mp3 @ 0x5] [error] Header missing\n";
        for size in 1..40 {
            let mut said = Said::default();
            text.as_bytes().chunks(size).for_each(|piece| said.add(piece));
            assert_eq!(said.length(), Some(Duration::from_millis(3_723_500)), "{size}");
            assert!(said.errors(), "{size}");
        }
        let mut said = Said::default();
        said.add(b"[info]   Duration: N/A, bitrate: 1\n");
        assert_eq!((said.length(), said.errors()), (None, false));
    }

    #[test]
    fn much_talk_is_not_kept() {
        let mut said = Said::default();
        for _ in 0..100_000 {
            said.add(b"[info] la la la\n");
        }
        assert!(said.kept.len() <= KEPT && said.tail.len() < 64);
        said.add(b"[error] at last");
        assert!(said.errors());
    }

    #[test]
    fn a_missing_program_is_named_with_its_package() {
        let decoder = Decoder { program: "/nowhere/ffmpeg".into() };
        let failure = decoder.failure(Some(127), "");
        assert_eq!(failure.code, FailureCode::TranscriptionUnavailable);
        assert!(failure.message.contains("/nowhere/ffmpeg is missing"), "{failure}");
        assert!(failure.message.contains("apt install ffmpeg"), "{failure}");
        let failure = decoder.failure(Some(1), "Stream map '0:a:0' matches no streams.");
        assert_eq!(failure.code, FailureCode::NoText);
        assert_eq!(decoder.failure(Some(1), "Invalid data").code, FailureCode::Damaged);
    }
}
