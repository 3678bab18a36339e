//! How much a server may say: pure.

use std::time::Duration;

/// The most messages at once, and each second after that: what reports its progress says some ten a second.
const MESSAGES: Bucket = Bucket::new(2_000.0, 100.0);
/// The most bytes of messages at once, and each second after that.
const BYTES: Bucket = Bucket::new((64 << 20) as f64, (4 << 20) as f64);
/// The most bytes of a child's log at once, and each second after that.
const LOG: Bucket = Bucket::new((4 << 20) as f64, (64 << 10) as f64);
/// A line of the log counts as so many bytes at least: an empty one is work, too.
const LOG_LINE: usize = 64;
/// How many answers to a server's questions may be on their way: each is kept until the server takes it.
const ANSWERS: usize = 64;
/// The longest id of such a question, which its answer repeats.
pub(super) const LONGEST_ID: usize = 1 << 10;

/// So much at once, and so much each second.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bucket {
    most: f64,
    each_second: f64,
    level: f64,
    at: Duration,
}

impl Bucket {
    const fn new(most: f64, each_second: f64) -> Self {
        Self { most, each_second, level: 0.0, at: Duration::ZERO }
    }

    /// Puts so much in; whether there was room.
    fn put(&mut self, amount: usize, now: Duration) -> bool {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.level = (self.level - passed * self.each_second).max(0.0) + amount as f64;
        self.level <= self.most
    }
}

/// What a server has too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Excess {
    /// Messages, of whatever kind.
    Messages,
    /// Bytes of messages.
    Bytes,
    /// What it writes beside.
    Log,
    /// Answers that it asks for and does not take.
    Answers,
}

impl Excess {
    /// For the person whose server it is.
    pub(super) const fn told(self) -> &'static str {
        match self {
            Self::Messages => {
                "it was cut off: it sends messages without end (more than 2000 at once and 100 a second)"
            }
            Self::Bytes => {
                "it was cut off: it sends without end (more than 64 MiB at once and 4 MiB a second)"
            }
            Self::Log => {
                "it was cut off: it writes to its standard error without end (more than 4 MiB at once and 64 KiB a second)"
            }
            Self::Answers => {
                "it was cut off: it asks and does not take the answers (more than 64 wait for it)"
            }
        }
    }
}

/// What a server has said on one connection. Moments are counted from its beginning.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Flood {
    messages: Bucket,
    bytes: Bucket,
    log: Bucket,
    answers: usize,
}

impl Flood {
    pub(super) const fn new() -> Self {
        Self { messages: MESSAGES, bytes: BYTES, log: LOG, answers: 0 }
    }

    /// So many messages and bytes came.
    pub(super) fn said(
        &mut self,
        messages: usize,
        bytes: usize,
        now: Duration,
    ) -> Result<(), Excess> {
        let fits = self.messages.put(messages, now);
        match (fits, self.bytes.put(bytes, now)) {
            (false, _) => Err(Excess::Messages),
            (_, false) => Err(Excess::Bytes),
            _ => Ok(()),
        }
    }

    /// A line came beside, or a part of one.
    pub(super) fn logged(&mut self, bytes: usize, now: Duration) -> Result<(), Excess> {
        if self.log.put(bytes.max(LOG_LINE), now) { Ok(()) } else { Err(Excess::Log) }
    }

    /// An answer is on its way to it.
    pub(super) fn answering(&mut self) -> Result<(), Excess> {
        self.answers += 1;
        if self.answers <= ANSWERS { Ok(()) } else { Err(Excess::Answers) }
    }

    /// It has taken an answer, or that was given up.
    pub(super) fn answered(&mut self) {
        self.answers = self.answers.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn d4_a_burst_is_let_through_and_what_goes_on_without_end_is_not() {
        let mut flood = Flood::new();
        assert_eq!(flood.said(2_000, 0, at(0)), Ok(()));
        assert_eq!(flood.clone().said(1, 0, at(0)), Err(Excess::Messages));
        // Time makes room: a hundred each second, and no more than all.
        assert_eq!(flood.clone().said(100, 0, at(1_000)), Ok(()));
        assert_eq!(flood.clone().said(102, 0, at(1_000)), Err(Excess::Messages));
        assert_eq!(flood.clone().said(2_001, 0, at(999_000)), Err(Excess::Messages));
        let mut steady = Flood::new();
        for second in 0..10_000 {
            assert_eq!(steady.said(100, 1 << 20, at(second * 1_000)), Ok(()));
        }
        // A clock that stands, or goes back, makes no room.
        assert_eq!(flood.said(1, 0, at(0)), Err(Excess::Messages));
    }

    #[test]
    fn d4_bytes_and_the_log_have_their_limits_and_an_empty_line_is_not_free() {
        let mut flood = Flood::new();
        assert_eq!(flood.said(16, 64 << 20, at(0)), Ok(()));
        assert_eq!(flood.clone().said(0, 1, at(0)), Err(Excess::Bytes));
        assert_eq!(flood.clone().said(1, 4 << 20, at(1_000)), Ok(()));
        assert_eq!(flood.said(1, (4 << 20) + 1, at(1_000)), Err(Excess::Bytes));
        let mut flood = Flood::new();
        let lines = (4 << 20) / LOG_LINE;
        assert!((0..lines).all(|_| flood.logged(1, at(0)).is_ok()));
        assert_eq!(flood.clone().logged(1, at(0)), Err(Excess::Log));
        assert_eq!(flood.clone().logged(64 << 10, at(1_000)), Ok(()));
        assert_eq!(flood.logged((64 << 10) + 1, at(1_000)), Err(Excess::Log));
        assert_eq!(Flood::new().logged((4 << 20) + 1, at(0)), Err(Excess::Log));
    }

    #[test]
    fn d4_answers_that_are_not_taken_are_few() {
        let mut flood = Flood::new();
        assert!((0..10 * ANSWERS).all(|_| {
            let sent = flood.answering();
            flood.answered();
            sent.is_ok()
        }));
        assert!((0..ANSWERS).all(|_| flood.answering().is_ok()));
        assert_eq!(flood.answering(), Err(Excess::Answers));
    }
}
