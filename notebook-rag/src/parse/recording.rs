//! A recording that a child decodes while it is listened to.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, BufReader},
    net::unix::pipe,
    time::timeout,
};

use notebook_core::{document::SourceKind, transcribe::SAMPLE_RATE};

use super::{
    Detected, FailureCode, Limits, ParseFailure,
    parent::{ParseChild, death, internal},
    wire::MOST_PIECE,
};

/// Sound of one channel and [`SAMPLE_RATE`], as a child decodes it. Dropped, the child is killed.
#[derive(Debug)]
pub struct Recording {
    child: Option<ParseChild>,
    stdout: BufReader<pipe::Receiver>,
    detected: Detected,
    seconds: Option<f64>,
    wall: Duration,
    /// How many samples there may still be.
    left: u64,
    damaged: bool,
}

impl Recording {
    pub(super) fn new(
        mut child: ParseChild,
        detected: Detected,
        seconds: Option<f64>,
        limits: &Limits,
    ) -> Result<Self, ParseFailure> {
        let stdout = child.stdout.take().ok_or_else(|| internal("no output"))?;
        let left = limits.recording.as_secs().saturating_mul(SAMPLE_RATE as u64);
        if seconds.is_some_and(|seconds| seconds > limits.recording.as_secs_f64()) {
            return Err(too_long());
        }
        let (stdout, wall) = (BufReader::new(stdout), limits.wall);
        Ok(Self { child: Some(child), stdout, detected, seconds, wall, left, damaged: false })
    }

    /// What it was read as.
    #[must_use]
    pub fn kind(&self) -> SourceKind {
        self.detected.kind
    }

    /// Whether its name or type said something else.
    #[must_use]
    pub fn is_mismatch(&self) -> bool {
        self.detected.mismatch
    }

    /// How long it says that it is, in seconds; it may lie.
    #[must_use]
    pub fn seconds(&self) -> Option<f64> {
        self.seconds
    }

    /// Whether some of what was read could not be decoded.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.damaged
    }

    /// Reads on until there are `wanted` samples, from -1 to 1; false when the recording has ended. There may then be
    /// some more than were wanted, by one piece of the child's.
    ///
    /// # Errors
    /// The death of the child; a recording that is longer than allowed.
    pub async fn read(
        &mut self,
        samples: &mut Vec<f32>,
        wanted: usize,
    ) -> Result<bool, ParseFailure> {
        while samples.len() < wanted && self.child.is_some() {
            let piece = match timeout(self.wall, self.piece()).await {
                Ok(Ok(piece)) => piece,
                Ok(Err(broken)) => return Err(self.died(broken).await),
                Err(_) => return Err(ParseFailure::new(FailureCode::TimeLimit)),
            };
            let Some(bytes) = piece else {
                self.child = None;
                break;
            };
            let piece = bytes.as_chunks::<2>().0;
            self.left = self.left.checked_sub(piece.len() as u64).ok_or_else(too_long)?;
            samples.extend(piece.iter().map(|b| f32::from(i16::from_le_bytes(*b)) / 32_768.0));
        }
        Ok(self.child.is_some())
    }

    /// The next piece; none at the end.
    async fn piece(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let length = self.stdout.read_u64_le().await?;
        if length == 0 {
            self.damaged = self.stdout.read_u8().await? != 0;
            return Ok(None);
        }
        if length > MOST_PIECE {
            return Err(std::io::Error::other("a piece that is too long"));
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        self.stdout.read_exact(&mut bytes).await?;
        Ok(Some(bytes))
    }

    async fn died(&mut self, broken: std::io::Error) -> ParseFailure {
        match self.child.take() {
            Some(child) if broken.kind() == std::io::ErrorKind::UnexpectedEof => {
                match child.end().await {
                    Ok(status) => death(status, "while decoding"),
                    Err(error) => internal(error),
                }
            }
            _ => ParseFailure::new(FailureCode::Crashed).with_detail(broken),
        }
    }
}

fn too_long() -> ParseFailure {
    ParseFailure::new(FailureCode::TooLarge).with_message(
        "The recording is longer than may be read at once. Split it and upload the parts.",
    )
}
