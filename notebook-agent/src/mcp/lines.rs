//! Bytes of a child, as long as its lines are not too long.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

/// Passes bytes on, and fails once a line has more than so many: who reads whole lines would keep all of it.
pub(super) struct Lines<R> {
    inner: R,
    most: usize,
    line: usize,
}

impl<R> Lines<R> {
    pub(super) const fn new(inner: R, most: usize) -> Self {
        Self { inner, most, line: 0 }
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
        self.line = match new.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => new.len() - end - 1,
            None => self.line.saturating_add(new.len()),
        };
        if self.line > self.most {
            // Who is told of an error must not have got anything.
            buffer.set_filled(before);
            let told = format!("a message has more than {} bytes", self.most);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, told)));
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
        let lines = b"12345678\n".repeat(10_000);
        let mut read = Vec::new();
        Lines::new(&lines[..], 16).read_to_end(&mut read).await.unwrap();
        assert_eq!(read.len(), lines.len());
        let endless = tokio::io::repeat(b'x');
        let mut read = Vec::new();
        let error = Lines::new(endless, 1 << 16).read_to_end(&mut read).await.unwrap_err();
        assert!(error.to_string().contains("more than 65536 bytes"), "{error}");
        assert!(read.len() <= 1 << 17, "{}", read.len());
    }
}
