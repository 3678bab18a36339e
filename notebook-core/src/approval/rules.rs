//! What all adapters decide alike (pure).

use super::{Answer, Approval, ApprovalId, ApprovalState, NewApproval, Say, digest};
use crate::{Error, ErrorKind, Result, Timestamp};

/// The most bytes of arguments.
const MOST_ARGUMENTS: usize = 256 << 10;
/// The most bytes of a reason, and of a note.
const MOST_WORDS: usize = 2_000;
/// The most bytes of a tool's name, a call's key, a job's key.
const MOST_NAME: usize = 200;
/// The longest wait: 31 days.
const LONGEST: std::time::Duration = std::time::Duration::from_secs(31 * 86_400);

/// Checks a question's fields.
///
/// # Errors
/// `InvalidInput` that names the field.
pub fn check(operation: &'static str, new: &NewApproval) -> Result<()> {
    let names = [("tool", &new.tool), ("call", &new.call)];
    for (field, name) in names {
        if name.is_empty() || name.len() > MOST_NAME {
            return Err(Error::invalid(operation, field, "give 1 to 200 bytes"));
        }
    }
    if new.wakes.as_ref().is_some_and(|key| key.is_empty() || key.len() > MOST_NAME) {
        return Err(Error::invalid(operation, "wakes", "give 1 to 200 bytes"));
    }
    if new.arguments.len() > MOST_ARGUMENTS {
        return Err(Error::invalid(operation, "arguments", "give at most 256 KiB"));
    }
    if new.reason.len() > MOST_WORDS {
        return Err(Error::invalid(operation, "reason", "give at most 2,000 bytes"));
    }
    if new.wait > LONGEST {
        return Err(Error::invalid(operation, "wait", "wait at most 31 days"));
    }
    Ok(())
}

/// Checks an answer's fields.
///
/// # Errors
/// `InvalidInput` that names the field.
pub fn check_answer(operation: &'static str, answer: &Answer) -> Result<()> {
    if answer.note.len() > MOST_WORDS {
        return Err(Error::invalid(operation, "note", "give at most 2,000 bytes"));
    }
    Ok(())
}

/// The question as it is asked now.
#[must_use]
pub fn asked(new: NewApproval, now: Timestamp) -> Approval {
    let (asked_at, expires_at) = (now, now.after(new.wait));
    Approval {
        id: ApprovalId::new(),
        run: new.run,
        call: new.call,
        digest: digest(&new.tool, &new.arguments),
        tool: new.tool,
        arguments: new.arguments,
        reason: new.reason,
        state: ApprovalState::Pending,
        asked_at,
        expires_at,
        decided_at: None,
        decided_by: None,
        note: String::new(),
    }
}

/// The one that was asked before, if it is the same.
///
/// # Errors
/// `Conflict` when it was asked with other arguments.
pub fn again(operation: &'static str, stored: Approval, digest: &str) -> Result<Approval> {
    if stored.digest == digest {
        return Ok(stored);
    }
    Err(Error::new(ErrorKind::Conflict, operation)
        .with("reason", "this call was shown with other arguments"))
}

/// The question as it stands at a moment: one that nobody answered in time has expired.
#[must_use]
pub fn at(mut approval: Approval, now: Timestamp) -> Approval {
    if approval.state == ApprovalState::Pending && now >= approval.expires_at {
        approval.state = ApprovalState::Expired;
    }
    approval
}

/// The question with this answer; whether that is new.
///
/// # Errors
/// `Conflict` when something else was shown, it was answered otherwise, or it has expired.
pub fn decided(
    operation: &'static str,
    stored: Approval,
    answer: Answer,
    now: Timestamp,
) -> Result<(Approval, bool)> {
    let conflict =
        |reason: &str| Err(Error::new(ErrorKind::Conflict, operation).with("reason", reason));
    let stored = at(stored, now);
    if stored.digest != answer.digest {
        return conflict("what was shown is not what is asked: load it again");
    }
    let wanted = match answer.say {
        Say::Approve => ApprovalState::Approved,
        Say::Refuse => ApprovalState::Refused,
    };
    match stored.state {
        ApprovalState::Pending => Ok((
            Approval {
                state: wanted,
                decided_at: Some(now),
                decided_by: answer.by,
                note: answer.note,
                ..stored
            },
            true,
        )),
        ApprovalState::Expired => conflict("nobody answered in time: it was not done"),
        state if state == wanted => Ok((stored, false)),
        _ => conflict("it was answered otherwise"),
    }
}
