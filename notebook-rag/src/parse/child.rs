//! The child's side: limit oneself, read, parse, answer.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use notebook_core::document::{Medium, SourceKind};

use super::wire::{Content, Head, MAGIC, Request, SERVE};
use super::{
    Content as Found, Detected, FailureCode, Limits, ParseFailure, Picture, detect, fork_server,
    parse_bytes, read, read_page, sandbox,
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
    match &request.content {
        Content::Picture(ocr) => return ocr.become_program(&request.limits),
        Content::Sound(decoder, kind) => return decoder.become_program(*kind, &request.limits),
        Content::Known(_) | Content::Unknown { .. } => {}
    }
    let answer = match sandbox::enter(&request.limits) {
        Ok(()) => answer(request),
        Err(error) => {
            Err(ParseFailure::new(FailureCode::Internal).with_detail(format!("limits: {error}")))
        }
    };
    match reply(answer) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// What a file is, and what is in it.
type Answer = (Detected, Inside);

/// What is in a file.
enum Inside {
    Read(Found),
    /// What is said in it is to be heard.
    Sound,
}

fn answer(request: &Request) -> Result<Answer, ParseFailure> {
    #[cfg(feature = "test-hooks")]
    super::hooks::run();
    let bytes = read_input(&request.limits)?;
    let limits = &request.limits;
    guarded(|| {
        let detected = match &request.content {
            Content::Unknown { name, declared, .. } => {
                detect(&bytes, name, declared.as_deref(), limits)?
            }
            Content::Known(kind) => Detected { kind: *kind, mismatch: false },
            Content::Picture(_) | Content::Sound(..) => return Err(FailureCode::Internal.into()),
        };
        if detected.kind.medium() == Medium::Audio {
            return Ok((detected, Inside::Sound));
        }
        let found = match &request.content {
            Content::Unknown { page: true, declared, .. } if detected.kind == SourceKind::Html => {
                read_page(&bytes, declared.as_deref(), limits)?
            }
            _ => read(&bytes, detected.kind, limits)?,
        };
        Ok((detected, Inside::Read(found)))
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
fn guarded(parse: impl FnOnce() -> Result<Answer, ParseFailure>) -> Result<Answer, ParseFailure> {
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

fn reply(answer: Result<Answer, ParseFailure>) -> io::Result<()> {
    let (head, body) = match answer {
        Ok((detected, Inside::Read(Found::Document(document)))) => {
            let mut parsed = detected.parsed(document);
            let text = std::mem::take(&mut parsed.document.text);
            (Head::Parsed { kind: parsed.kind, document: parsed.document }, text.into_bytes())
        }
        Ok((Detected { kind, mismatch }, Inside::Read(Found::Picture(picture)))) => {
            let Picture { width, height, pixels, shown } = picture;
            (Head::Picture { kind, mismatch, width, height, shown }, pixels)
        }
        Ok((Detected { kind, mismatch }, Inside::Sound)) => {
            (Head::Sound { kind, mismatch }, Vec::new())
        }
        Err(failure) => (Head::Failed(failure), Vec::new()),
    };
    let head = serde_json::to_vec(&head)?;
    let mut out = io::stdout().lock();
    out.write_all(MAGIC)?;
    out.write_all(&(head.len() as u64).to_le_bytes())?;
    out.write_all(&head)?;
    out.write_all(&(body.len() as u64).to_le_bytes())?;
    out.write_all(&body)?;
    out.flush()
}
