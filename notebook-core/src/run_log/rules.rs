//! What every adapter of the run log decides alike: pure functions over what was read.

use crate::{
    Error, ErrorKind, Result, Timestamp,
    model::{GENERATION, NewRun, Opened, Run, RunEvent, RunOutcome, RunState},
};

/// Checks a new run for what can be seen without the store.
///
/// # Errors
/// `InvalidInput` when the run is not queued, or the question is not the run's.
pub fn check_new(operation: &'static str, new: &NewRun) -> Result<()> {
    let fresh = new.run.state == RunState::Queued && !new.run.stop_requested;
    if !fresh || new.run.ended_at.is_some() {
        return Err(Error::invalid(
            operation,
            "run.state",
            "open a run as queued, and stop it afterwards",
        ));
    }
    let Some(question) = &new.question else { return Ok(()) };
    if question.id != new.run.question || question.conversation != new.run.conversation {
        return Err(Error::invalid(operation, "question", "give the message that the run names"));
    }
    Ok(())
}

/// What to answer when the idempotency key was used before: the first run, if the request is the same.
///
/// # Errors
/// `Conflict` when it is another request.
pub fn repeated(
    operation: &'static str,
    first: Run,
    first_hash: &str,
    new: &NewRun,
) -> Result<Opened> {
    if first_hash == new.request_hash {
        return Ok(Opened::Existing(first));
    }
    Err(Error::new(ErrorKind::Conflict, operation)
        .with("field", "idempotency_key")
        .with("fix", "use a new key for a new request"))
}

/// Checks that a run has not ended.
///
/// # Errors
/// `Conflict` when it has.
pub fn check_open(operation: &'static str, state: RunState) -> Result<()> {
    if !state.is_terminal() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Conflict, operation).with("reason", "the run has ended"))
}

/// Checks events before they are appended to a log whose last event is `last` (0 when empty).
///
/// # Errors
/// As [`super::RunLog::append`].
pub fn check_append(
    operation: &'static str,
    state: RunState,
    last: u64,
    events: &[RunEvent],
) -> Result<()> {
    check_not_terminal(operation, events)?;
    check_open(operation, state)?;
    check_numbers(operation, last, events)
}

/// Checks the end of a run whose last event so far is `last`, and says when it ended.
///
/// # Errors
/// As [`super::RunLog::close`].
pub fn check_close(
    operation: &'static str,
    run: &Run,
    last: u64,
    outcome: &RunOutcome,
) -> Result<Timestamp> {
    let Some((end, before)) = outcome.events.split_last() else {
        return Err(Error::invalid(operation, "events", "end with a terminal event"));
    };
    if !outcome.state.is_terminal() || end.body.terminal_state() != Some(outcome.state) {
        return Err(Error::invalid(operation, "state", "end with the event of a terminal state"));
    }
    check_not_terminal(operation, before)?;
    if let Some(answer) = &outcome.answer
        && (answer.id != run.answer || answer.conversation != run.conversation)
    {
        return Err(Error::invalid(operation, "answer", "give the message that the run names"));
    }
    if outcome.answer.is_some() && outcome.used.is_some() {
        return Err(Error::invalid(operation, "used", "leave it out: the answer has its usage"));
    }
    check_open(operation, run.state)?;
    check_numbers(operation, last, &outcome.events)?;
    Ok(end.at)
}

fn check_not_terminal(operation: &'static str, events: &[RunEvent]) -> Result<()> {
    if events.iter().all(|event| event.body.terminal_state().is_none()) {
        return Ok(());
    }
    Err(Error::invalid(operation, "events", "give terminal events to `close`, once and last"))
}

fn check_numbers(operation: &'static str, last: u64, events: &[RunEvent]) -> Result<()> {
    let mut expected = last;
    let another = events.first().is_some_and(|event| {
        event.seq > last && event.seq > GENERATION && event.seq % GENERATION == 1
    });
    if let (Some(first), true) = (events.first(), another) {
        expected = first.seq - 1;
    }
    for event in events {
        expected = expected.saturating_add(1);
        if event.seq != expected {
            return Err(Error::new(ErrorKind::Conflict, operation)
                .with("field", "seq")
                .with("expected", expected.to_string())
                .with("got", event.seq.to_string()));
        }
    }
    Ok(())
}
