//! What every adapter decides alike.

use super::{Checkpoint, MOST_BYTES};
use crate::{Error, ErrorKind, Result, queue::Fence};

/// The first number that not all storages can count with: Redis's scripts know no whole numbers above it.
pub const LIMIT: u64 = 1 << 53;

/// What is stored of a run: the highest fence that was shown, and the newest version; 0 when there is no checkpoint yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// The highest fence that was shown.
    pub fence: Fence,
    /// The newest checkpoint's version.
    pub version: u64,
}

/// What becomes of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is stored.
    Write,
    /// It is there already.
    Repeated,
    /// Another worker has the run.
    Refuse,
}

/// Decides on a write: not under a lower fence than was shown, and only a later version, or the same again: with the same
/// body, under the same fence.
#[must_use]
pub fn decide(stored: Option<Stored>, new: Stored, same: bool) -> Decision {
    let Some(stored) = stored else { return Decision::Write };
    if new.fence < stored.fence {
        return Decision::Refuse;
    }
    if new.version > stored.version {
        return Decision::Write;
    }
    if new == stored && same { Decision::Repeated } else { Decision::Refuse }
}

/// Checks what can be seen without the storage.
///
/// # Errors
/// As [`super::Checkpoints::save`].
pub fn check(operation: &'static str, checkpoint: &Checkpoint) -> Result<()> {
    check_fence(operation, checkpoint.fence)?;
    if !(1..LIMIT).contains(&checkpoint.version) {
        return Err(Error::invalid(operation, "version", "give 1 to 2^53 - 1"));
    }
    if checkpoint.body.len() > MOST_BYTES {
        return Err(Error::new(ErrorKind::TooLarge, operation)
            .with("field", "body")
            .with("limit", format!("{MOST_BYTES} bytes"))
            .with("fix", "keep less in the run's state, and names of what lies elsewhere"));
    }
    Ok(())
}

/// The same of a fence alone.
///
/// # Errors
/// `InvalidInput` when it is 2^53 or more.
pub fn check_fence(operation: &'static str, fence: Fence) -> Result<()> {
    if fence.0 < LIMIT {
        return Ok(());
    }
    Err(Error::invalid(operation, "fence", "give less than 2^53"))
}

/// The error for a worker that has lost its run.
#[must_use]
pub fn lost(operation: &'static str, stored: Option<Stored>) -> Error {
    let error = Error::new(ErrorKind::Conflict, operation)
        .with("reason", "another worker has the run")
        .with("fix", "end this worker's run without an end of its own");
    match stored {
        Some(stored) => error
            .with("stored_fence", stored.fence.0.to_string())
            .with("stored_version", stored.version.to_string()),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_holder_writes_and_only_what_is_later() {
        let stored = |fence, version| Stored { fence: Fence(fence), version };
        use Decision::{Refuse, Repeated, Write};
        for (old, new, same, decision) in [
            (None, stored(0, 1), false, Write),
            (Some(stored(2, 0)), stored(2, 1), false, Write),
            (Some(stored(2, 5)), stored(2, 6), false, Write),
            (Some(stored(2, 5)), stored(2, 8), false, Write),
            (Some(stored(2, 5)), stored(3, 6), false, Write),
            (Some(stored(2, 5)), stored(2, 5), true, Repeated),
            (Some(stored(2, 5)), stored(2, 5), false, Refuse),
            (Some(stored(2, 5)), stored(3, 5), true, Refuse),
            (Some(stored(2, 5)), stored(2, 4), false, Refuse),
            (Some(stored(2, 5)), stored(1, 6), false, Refuse),
            (Some(stored(2, 0)), stored(1, 1), false, Refuse),
        ] {
            assert_eq!(decide(old, new, same), decision, "{old:?} {new:?} {same}");
        }
    }
}
