//! Bytes of a child, as long as its lines are not too long, nor too many.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

use super::leash::Leash;

/// Passes bytes on, and fails once a line has more than so many (who reads whole lines would keep all of it), or there are more than the
/// leash allows. Then it is cut.
pub(super) struct Lines<R> {
    inner: R,
    most: usize,
    line: usize,
    leash: Arc<Leash>,
}

impl<R> Lines<R> {
    pub(super) const fn new(inner: R, most: usize, leash: Arc<Leash>) -> Self {
        Self { inner, most, line: 0, leash }
    }

    /// # Errors
    /// Why it is cut.
    fn look(&mut self, new: &[u8]) -> Result<(), String> {
        let ends = new.iter().filter(|byte| **byte == b'\n').count();
        self.line = match new.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => new.len() - end - 1,
            None => self.line.saturating_add(new.len()),
        };
        if self.line > self.most {
            let why = format!("it was cut off: it sent a message of more than {} bytes", self.most);
            self.leash.cut(why.clone());
            return Err(why);
        }
        self.leash.said(ends, new.len()).map_err(ToOwned::to_owned)
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Lines<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        let new = buffer.filled().get(before..).unwrap_or_default();
        if let Err(why) = self.look(new) {
            // Who is told of an error must not have got anything.
            buffer.set_filled(before);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, why)));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn d4_a_line_without_end_fails_and_many_lines_do_not() {
        let lines = b"12345678\n".repeat(2_000);
        let mut read = Vec::new();
        let leash = Leash::new();
        Lines::new(&lines[..], 16, leash.clone()).read_to_end(&mut read).await.unwrap();
        assert_eq!((read.len(), leash.why()), (lines.len(), None));
        let endless = tokio::io::repeat(b'x');
        let mut read = Vec::new();
        let mut lines = Lines::new(endless, 1 << 16, leash.clone());
        let error = lines.read_to_end(&mut read).await.unwrap_err();
        assert!(error.to_string().contains("more than 65536 bytes"), "{error}");
        assert!(read.len() <= 1 << 17, "{}", read.len());
        assert_eq!(leash.why(), Some(error.to_string()));
    }

    /// Empty ones too, of which nobody else is told.
    #[tokio::test(start_paused = true)]
    async fn d4_lines_without_end_fail() {
        for line in [&b"\n"[..], &b"{\"jsonrpc\":\"2.0\",\"method\":\"x\"}\n"[..]] {
            let (leash, many) = (Leash::new(), line.repeat(10_000));
            let mut read = Vec::new();
            let mut lines = Lines::new(&many[..], 1 << 16, leash.clone());
            lines.read_to_end(&mut read).await.unwrap_err();
            assert!(read.len() <= 2_000 * line.len(), "{}", read.len());
            assert!(leash.why().unwrap().contains("messages without end"));
        }
    }
}
