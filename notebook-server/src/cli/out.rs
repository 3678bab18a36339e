//! The one place that writes to the terminal.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool talks to its user here"
)]

use std::{error::Error, io::Write as _};

/// A line of the result.
pub(super) fn line(text: impl std::fmt::Display) {
    println!("{text}");
}

/// A piece of the result, shown at once.
pub(super) fn piece(text: &str) {
    print!("{text}");
    // A closed pipe ends the program at its next line; there is nobody to tell.
    let _ = std::io::stdout().flush();
}

/// A remark beside the result.
pub(super) fn note(text: impl std::fmt::Display) {
    eprintln!("{text}");
}

/// Why the command failed, with the causes.
pub(super) fn error(error: &(dyn Error + Send + Sync)) {
    eprintln!("notebook: {error}");
    let mut cause = error.source();
    while let Some(inner) = cause {
        eprintln!("  because: {inner}");
        cause = inner.source();
    }
}
