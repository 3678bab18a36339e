//! The keeper of a child: a small process between this program and another one's server, which ends that server with us.
//!
//! A server that is started by its own must not outlive the program that started it, also when that is killed and can do nothing more.
//! So the keeper leads a group of processes of its own, holds the end of the pipe that we read, and ends the group once nobody reads it.

use std::{
    ffi::OsString,
    os::{fd::AsFd as _, unix::process::ExitStatusExt as _},
    process::{Command, ExitCode, ExitStatus},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    process::{Pid, PidfdFlags, Signal, kill_current_process_group, pidfd_open},
    stdio,
};

/// What the keeper ends with when the program cannot be started, as shells do.
pub(super) const NOT_STARTED: u8 = 127;

/// What the hidden command of the keeper does: starts the program that its arguments name, on its own standard streams, and waits until that ends, or
/// until nobody reads what it says any more. Then it ends all that the program has started in its group.
#[must_use]
pub fn keep(mut command: impl Iterator<Item = OsString>) -> ExitCode {
    let Some(program) = command.next() else { return ExitCode::from(NOT_STARTED) };
    let mut child = match Command::new(&program).args(command).spawn() {
        Ok(child) => child,
        Err(error) => {
            tell(&format!("cannot start {}: {error}\n", program.display()));
            return ExitCode::from(NOT_STARTED);
        }
    };
    match watch(&child) {
        Ok(()) => {}
        Err(error) => tell(&format!("cannot watch {}: {error}\n", program.display())),
    }
    match child.try_wait() {
        Ok(Some(status)) => ExitCode::from(code(status)),
        // Nobody reads it, or it cannot be watched.
        _ => {
            let _ = kill_current_process_group(Signal::KILL);
            let _ = child.kill();
            ExitCode::FAILURE
        }
    }
}

/// Until the child ends, or its output has no reader.
fn watch(child: &std::process::Child) -> rustix::io::Result<()> {
    let ended = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let output = stdio::stdout();
    loop {
        let mut ends = [
            PollFd::from_borrowed_fd(ended.as_fd(), PollFlags::IN),
            // Errors are told without being asked for.
            PollFd::from_borrowed_fd(output, PollFlags::empty()),
        ];
        match poll(&mut ends, None) {
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
            Ok(_) => return Ok(()),
        }
    }
}

fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

fn tell(text: &str) {
    // Where nobody hears it there is nobody to tell.
    let _ = rustix::io::write(stdio::stderr(), text.as_bytes());
}
