//! Errors as data: what came of a call that failed comes again when it is played back, word for word.

use std::{collections::BTreeSet, sync::LazyLock, time::Duration};

use notebook_core::{Error, ErrorKind, Retry};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// The most names of operations that one process plays back, and their longest: errors name what was done by names that last as long as the program.
const MOST_NAMES: usize = 4_096;
const LONGEST_NAME: usize = 256;

/// All kinds.
const KINDS: [ErrorKind; 18] = [
    ErrorKind::NotFound,
    ErrorKind::AlreadyExists,
    ErrorKind::Conflict,
    ErrorKind::InvalidInput,
    ErrorKind::TooLarge,
    ErrorKind::ContextTooLong,
    ErrorKind::Unauthorized,
    ErrorKind::Unauthenticated,
    ErrorKind::Forbidden,
    ErrorKind::RateLimited,
    ErrorKind::Timeout,
    ErrorKind::Unavailable,
    ErrorKind::StorageFull,
    ErrorKind::Corrupt,
    ErrorKind::Protocol,
    ErrorKind::Unsupported,
    ErrorKind::Cancelled,
    ErrorKind::Internal,
];

/// The kind of this name, if there is one.
pub(super) fn kind_named(code: &str) -> Option<ErrorKind> {
    KINDS.into_iter().find(|kind| kind.code() == code)
}

/// An error, as far as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::chat) struct Failed {
    kind: String,
    operation: String,
    /// Its context as its line has it, if there is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    context: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry: Option<Again>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Again {
    Backoff,
    AfterMillis(u64),
}

impl Failed {
    pub(super) fn of(error: &Error) -> Self {
        let (kind, operation) = (error.kind().code().to_owned(), error.operation().to_owned());
        let line = error.to_string();
        let context = line
            .strip_prefix(&format!("{operation}: {kind} ("))
            .and_then(|context| context.strip_suffix(')'))
            .map(str::to_owned);
        let retry = match error.retry_status() {
            Retry::Never => None,
            Retry::Backoff => Some(Again::Backoff),
            Retry::After(wait) => {
                Some(Again::AfterMillis(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)))
            }
        };
        Self { kind, operation, context, retry }
    }

    /// The error again, with the same line; `None` where no program of this version wrote it.
    pub(in crate::chat) fn error(&self) -> Option<Error> {
        let mut error = Error::new(kind_named(&self.kind)?, lasting(&self.operation)?);
        if let Some(context) = &self.context {
            // One pair with the words of all reads as they do.
            let (key, value) = context.split_once(": ")?;
            error = error.with(lasting(key)?, value);
        }
        Some(error.retry(match self.retry {
            None => Retry::Never,
            Some(Again::Backoff) => Retry::Backoff,
            Some(Again::AfterMillis(wait)) => Retry::After(Duration::from_millis(wait)),
        }))
    }
}

/// The name for as long as the program runs: each is kept once, and there is an end to how many.
fn lasting(name: &str) -> Option<&'static str> {
    static NAMES: LazyLock<Mutex<BTreeSet<&'static str>>> = LazyLock::new(Mutex::default);
    let mut names = NAMES.lock();
    if let Some(known) = names.get(name) {
        return Some(known);
    }
    if names.len() >= MOST_NAMES || name.len() > LONGEST_NAME {
        return None;
    }
    let kept: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(kept);
    Some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d7_errors_come_again_word_for_word() {
        let plain = Error::new(ErrorKind::Unavailable, "generate").retry(Retry::Backoff);
        let full = Error::new(ErrorKind::RateLimited, "stream answer")
            .with("status", "429")
            .with("fix", "wait: (a little)")
            .retry(Retry::After(Duration::from_secs(3)));
        for error in [plain, full, Error::new(ErrorKind::Internal, "answer").with("reason", "")] {
            let text = serde_json::to_string(&Failed::of(&error)).unwrap();
            let again = serde_json::from_str::<Failed>(&text).unwrap().error().unwrap();
            assert_eq!(again.to_string(), error.to_string());
            assert_eq!(again.kind(), error.kind());
            assert_eq!(again.retry_status(), error.retry_status());
        }
    }

    #[test]
    fn d7_errors_of_no_program_are_not_made_up() {
        let failed = Failed::of(&Error::new(ErrorKind::Internal, "answer"));
        assert!(Failed { kind: "odd".into(), ..failed.clone() }.error().is_none());
        assert!(Failed { operation: "x".repeat(300), ..failed.clone() }.error().is_none());
        assert!(Failed { context: Some("no pair".into()), ..failed }.error().is_none());
        assert!(KINDS.iter().all(|kind| kind_named(kind.code()) == Some(*kind)));
    }
}
