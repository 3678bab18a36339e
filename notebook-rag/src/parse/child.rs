//! The child's side: limit oneself, read, parse, answer.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use notebook_core::document::SourceKind;

use super::wire::{Content, Head, MAGIC, Request, SERVE};
use super::{
    FailureCode, Limits, ParseFailure, Parsed, detect_and_parse, fork_server, parse_bytes, sandbox,
};

/// The whole of a parser process: to be called first thing in `main`, before any thread is started.
///
/// Serves the parent over the socket that is its standard input, and forks for each file. The child
/// of the fork limits itself, parses, and writes the reply to its standard output.
///
/// Exits with 0 when the parent is gone, or when a reply was written, be it a document or a failure; with
/// 2 when there is no parent or no valid request, so that nothing runs unlimited.
#[must_use]
pub fn child_main() -> ExitCode {
    if std::env::var_os(SERVE).is_none() {
        let _ = writeln!(io::stderr(), "this command is run by the server, not by hand");
        return ExitCode::from(2);
    }
    // What is made once, when it is first used, is made before the forks.
    let _ = parse_bytes(b"<p>warm", SourceKind::Html, &Limits::default());
    let served = fork_server::close_inherited()
        .and_then(|()| io::stdin().as_fd().try_clone_to_owned())
        .and_then(fork_server::serve);
    match served {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(request)) => match serde_json::from_slice(&request) {
            Ok(request) => run(&request),
            Err(_) => ExitCode::from(2),
        },
        Err(error) => {
            let _ = writeln!(io::stderr(), "fork server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(request: &Request) -> ExitCode {
    let head = match sandbox::enter(&request.limits) {
        Ok(()) => answer(request),
        Err(error) => {
            Err(ParseFailure::new(FailureCode::Internal).with_detail(format!("limits: {error}")))
        }
    };
    match reply(head) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn answer(request: &Request) -> Result<Parsed, ParseFailure> {
    #[cfg(feature = "test-hooks")]
    super::hooks::run();
    let bytes = read_input(&request.limits)?;
    let limits = &request.limits;
    guarded(|| match &request.content {
        Content::Known(kind) => {
            let document = parse_bytes(&bytes, *kind, limits)?;
            Ok(Parsed { kind: *kind, document })
        }
        Content::Unknown { name, declared } => {
            detect_and_parse(&bytes, name, declared.as_deref(), limits)
        }
    })
}

/// One byte more than allowed is enough to know that the file is too large.
fn read_input(limits: &Limits) -> Result<Vec<u8>, ParseFailure> {
    let unreadable = |error| {
        ParseFailure::new(FailureCode::Internal).with_detail(format!("reading the file: {error}"))
    };
    let mut bytes = Vec::new();
    let mut input = io::stdin().lock().take(limits.input_bytes.saturating_add(1));
    input.read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// A panic in a parser is a failure like another, with its message as the detail.
fn guarded(parse: impl FnOnce() -> Result<Parsed, ParseFailure>) -> Result<Parsed, ParseFailure> {
    let message = Arc::new(Mutex::new(String::new()));
    let seen = Arc::clone(&message);
    panic::set_hook(Box::new(move |info| {
        *seen.lock().unwrap_or_else(PoisonError::into_inner) = info.to_string();
    }));
    panic::catch_unwind(AssertUnwindSafe(parse)).unwrap_or_else(|_| {
        let message = message.lock().unwrap_or_else(PoisonError::into_inner);
        Err(ParseFailure::new(FailureCode::Crashed).with_detail(&*message))
    })
}

fn reply(result: Result<Parsed, ParseFailure>) -> io::Result<()> {
    let (head, text) = match result {
        Ok(Parsed { kind, mut document }) => {
            let text = std::mem::take(&mut document.text);
            (Head::Parsed { kind, document }, text)
        }
        Err(failure) => (Head::Failed(failure), String::new()),
    };
    let head = serde_json::to_vec(&head)?;
    let mut out = io::stdout().lock();
    out.write_all(MAGIC)?;
    out.write_all(&(head.len() as u64).to_le_bytes())?;
    out.write_all(&head)?;
    out.write_all(&(text.len() as u64).to_le_bytes())?;
    out.write_all(text.as_bytes())?;
    out.flush()
}
