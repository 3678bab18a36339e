//! What a child says: read within limits, and checked.

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::unix::pipe;

use super::fork::ParseChild;
use super::{ChildParser, Parsed};
use crate::parse::wire::{Head, MAGIC, max_head};
use crate::parse::{Detected, ParseFailure, Picture};

/// How much of the child's complaints is kept for the log.
const MAX_STDERR: u64 = 4096;

/// What a child read.
pub(super) enum Reply {
    Parsed(Parsed),
    /// What the file is, and the picture whose text is to be recognised.
    Picture(Detected, Picture),
    /// What the file is: a recording.
    Sound(Detected),
}

/// Why there is no reply.
pub(super) enum Broken {
    /// The output ended.
    Ended,
    /// The output is not a reply.
    Nonsense(String),
}

impl Broken {
    fn nonsense(error: impl std::fmt::Display) -> Self {
        Self::Nonsense(error.to_string())
    }
}

impl From<std::io::Error> for Broken {
    fn from(_: std::io::Error) -> Self {
        Self::Ended
    }
}

impl ChildParser {
    /// The reply, and the start of what the child wrote to standard error.
    pub(super) async fn reply(
        &self,
        child: &mut ParseChild,
    ) -> (Result<Result<Reply, ParseFailure>, Broken>, String) {
        let (Some(mut stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return (Err(Broken::Ended), String::new());
        };
        let complaints = complaints(stderr);
        tokio::pin!(complaints);
        let mut said = None;
        let reply = {
            let read = self.read_reply(&mut stdout);
            tokio::pin!(read);
            loop {
                tokio::select! {
                    reply = &mut read => break reply,
                    text = &mut complaints, if said.is_none() => said = Some(text),
                }
            }
        };
        // Nothing it says from here on counts; it must not wait for a reader.
        drop(stdout);
        let said = match said {
            Some(said) => said,
            None => complaints.await,
        };
        (reply, said)
    }

    async fn read_reply(
        &self,
        stdout: &mut pipe::Receiver,
    ) -> Result<Result<Reply, ParseFailure>, Broken> {
        let mut magic = [0; 4];
        stdout.read_exact(&mut magic).await?;
        if magic != *MAGIC {
            return Err(Broken::Nonsense("not a reply".into()));
        }
        let head = read_part(stdout, max_head(self.limits.text_bytes)).await?;
        let head: Head = serde_json::from_slice(&head).map_err(Broken::nonsense)?;
        let most = (self.limits.text_bytes as u64).max(Picture::MOST_PIXELS);
        let body = read_part(stdout, most).await?;
        let (kind, mut document) = match head {
            Head::Failed(failure) => return Ok(Err(failure)),
            Head::Picture { kind, mismatch, width, height, shown } => {
                let picture = Picture { width, height, pixels: body, shown };
                let picture = picture.is_whole().then_some(picture);
                let picture = picture.ok_or_else(|| Broken::nonsense("a picture in part"))?;
                return Ok(Ok(Reply::Picture(Detected { kind, mismatch }, picture)));
            }
            Head::Sound { kind, mismatch } => {
                return Ok(Ok(Reply::Sound(Detected { kind, mismatch })));
            }
            Head::Parsed { kind, document } => (kind, document),
        };
        document.text = String::from_utf8(body).map_err(Broken::nonsense)?;
        document.validate().map_err(Broken::nonsense)?;
        Ok(Ok(Reply::Parsed(Parsed { kind, document })))
    }
}

/// A length, and that many bytes. Memory grows with what arrives, not with what is
/// announced.
async fn read_part(stdout: &mut pipe::Receiver, max: u64) -> Result<Vec<u8>, Broken> {
    let len = stdout.read_u64_le().await?;
    if len > max {
        return Err(Broken::Nonsense(format!("a part of {len} bytes, over {max}")));
    }
    let mut bytes = Vec::new();
    stdout.take(len).read_to_end(&mut bytes).await?;
    if bytes.len() as u64 != len {
        return Err(Broken::Ended);
    }
    Ok(bytes)
}

/// The start of what a child writes to standard error, which is read to its end.
pub(super) async fn complaints(mut stderr: impl AsyncRead + Unpin) -> String {
    let mut kept = Vec::new();
    let _ = (&mut stderr).take(MAX_STDERR).read_to_end(&mut kept).await;
    let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&kept).into_owned()
}
