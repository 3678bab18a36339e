//! A recording that a child decodes while it is listened to.

use std::{io, process::ExitStatus, time::Duration};

use tokio::{io::AsyncReadExt as _, net::unix::pipe, time::timeout};

use notebook_core::{document::SourceKind, transcribe::SAMPLE_RATE};

use super::{
    ChildParser, Detected, FailureCode, ParseFailure,
    decoder::Said,
    parent::{ParseChild, internal},
    program::{died, has_begun},
};

/// How many bytes are read at once.
const PIECE: usize = 1 << 16;

/// Sound of one channel and [`SAMPLE_RATE`], as a child decodes it. Dropped, the child is killed.
#[derive(Debug)]
pub struct Recording {
    child: Option<ParseChild>,
    stdout: pipe::Receiver,
    /// None when it has nothing more to say.
    stderr: Option<pipe::Receiver>,
    said: Said,
    /// Bytes that came, before they are samples.
    bytes: Vec<u8>,
    detected: Detected,
    /// Held, since the child ends with the last of its parsers.
    parser: ChildParser,
    /// How many samples there were.
    decoded: u64,
    damaged: bool,
}

impl Recording {
    pub(super) fn new(
        mut child: ParseChild,
        detected: Detected,
        parser: ChildParser,
    ) -> Result<Self, ParseFailure> {
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let stdout = stdout.ok_or_else(|| internal("no output"))?;
        Ok(Self {
            child: Some(child),
            stdout,
            stderr,
            said: Said::default(),
            bytes: Vec::with_capacity(PIECE),
            detected,
            parser,
            decoded: 0,
            damaged: false,
        })
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

    /// How long it says that it is, from the first samples on; it may lie.
    #[must_use]
    pub fn length(&self) -> Option<Duration> {
        self.said.length()
    }

    /// Whether some of what was read could not be decoded.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.damaged || self.said.errors()
    }

    /// Reads on until there are `wanted` samples, from -1 to 1; false when the recording has ended. There may then be
    /// some more than were wanted, by what is read at once.
    ///
    /// # Errors
    /// What is wrong with the recording; the death of the child, or its silence; a recording that is longer than allowed.
    pub async fn read(
        &mut self,
        samples: &mut Vec<f32>,
        wanted: usize,
    ) -> Result<bool, ParseFailure> {
        while samples.len() < wanted && self.child.is_some() {
            let piece = timeout(self.parser.limits.wall, self.piece()).await;
            let more = piece.map_err(|_| too_slow("decoding"))?.map_err(internal)?;
            if self.length().is_some_and(|length| length > self.parser.limits.recording) {
                return Err(too_long());
            }
            self.take(samples)?;
            if !more {
                self.end().await?;
            }
        }
        Ok(self.child.is_some())
    }

    /// Reads some bytes; false at the end, when the program has ended or is about to.
    async fn piece(&mut self) -> io::Result<bool> {
        let mut heard = [0; 1024];
        loop {
            let Some(stderr) = &mut self.stderr else {
                return Ok(self.stdout.read_buf(&mut self.bytes).await? > 0);
            };
            tokio::select! {
                // What it says of the recording, it says before the first sample.
                biased;
                read = stderr.read(&mut heard) => match read? {
                    0 => self.stderr = None,
                    length => self.said.add(heard.get(..length).unwrap_or_default()),
                },
                read = self.stdout.read_buf(&mut self.bytes) => match read? {
                    // It may close its output and still have to say why: it has ended when both are closed.
                    0 => return self.last_words().await.map(|()| false),
                    _ => return Ok(true),
                },
            }
        }
    }

    async fn last_words(&mut self) -> io::Result<()> {
        let mut heard = [0; 1024];
        while let Some(stderr) = &mut self.stderr {
            match stderr.read(&mut heard).await? {
                0 => self.stderr = None,
                length => self.said.add(heard.get(..length).unwrap_or_default()),
            }
        }
        Ok(())
    }

    /// Bytes to samples; an odd one waits for the next.
    fn take(&mut self, samples: &mut Vec<f32>) -> Result<(), ParseFailure> {
        let whole = self.bytes.as_chunks::<2>().0;
        self.decoded += whole.len() as u64;
        if self.decoded > self.parser.limits.recording.as_secs().saturating_mul(SAMPLE_RATE as u64)
        {
            return Err(too_long());
        }
        samples.extend(whole.iter().map(|two| f32::from(i16::from_le_bytes(*two)) / 32_768.0));
        let taken = whole.len() * 2;
        self.bytes.drain(..taken);
        Ok(())
    }

    async fn end(&mut self) -> Result<(), ParseFailure> {
        let Some(child) = self.child.take() else { return Ok(()) };
        // Killed now, between closing its outputs and ending, it would seem to have died of something.
        let status = timeout(self.parser.limits.wall, child.ended()).await;
        let status: ExitStatus = status.map_err(|_| too_slow("ending"))?.map_err(internal)?;
        match status.code() {
            Some(0) => Ok(()),
            code if code.is_none() || !has_begun(code) => Err(died(status, &self.said.end())),
            // What was decoded before is worth reading.
            Some(_) if self.decoded > 0 => {
                self.damaged = true;
                Ok(())
            }
            code => Err(self.parser.decoder.failure(code, &self.said.end())),
        }
    }
}

fn too_slow(what: &str) -> ParseFailure {
    ParseFailure::new(FailureCode::TimeLimit).with_detail(what)
}

fn too_long() -> ParseFailure {
    ParseFailure::new(FailureCode::TooLarge).with_message(
        "The recording is longer than may be read at once. Split it and upload the parts.",
    )
}
