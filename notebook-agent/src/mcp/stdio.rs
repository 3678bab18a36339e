//! A server as a child process.

use std::{
    collections::BTreeMap, io, os::unix::fs::DirBuilderExt as _, path::PathBuf, process::Stdio,
    sync::Arc, time::Duration,
};

use notebook_core::{Secret, approval::visible};
use rmcp::{RoleClient, transport::async_rw::AsyncRwTransport};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
};

use super::{
    keep::NOT_STARTED,
    leash::{Leash, Leashed},
    lines::Lines,
};

/// The most bytes of a message.
pub(super) const MOST_MESSAGE: usize = 4 << 20;
/// The most bytes of a line of the log, and the most lines of a child.
const LOG_LINE: u64 = 2 << 10;
const LOG_LINES: usize = 500;
/// What a child gets of this program's environment.
const INHERITED: &[&str] = &["PATH", "HOME", "LANG", "TMPDIR"];
/// How long a child whose input ended has to end.
const END: Duration = Duration::from_secs(2);

/// A program to start.
#[derive(Debug, Clone)]
pub struct Program {
    /// The program, by its path or its name.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// What it gets beside `PATH`, `HOME`, `LANG` and `TMPDIR`.
    pub env: BTreeMap<String, Secret>,
    /// Where it works; made when it is not there.
    pub folder: PathBuf,
    /// What stands between, and ends it with us: a program with its first arguments that does [`keep`](super::keep). Without one, a program
    /// that is not ended by the end of its input outlives a `kill -9` of ours.
    pub keeper: Option<(PathBuf, Vec<String>)>,
}

/// How the streams of a child are read.
pub(super) type Pipes = Leashed<AsyncRwTransport<RoleClient, Lines<ChildStdout>, ChildStdin>>;

/// A running child. Dropping it ends it, and all in its group.
pub(super) struct Running {
    child: Child,
}

impl Program {
    /// Starts it.
    pub(super) fn start(&self, server: &str, leash: &Arc<Leash>) -> io::Result<(Running, Pipes)> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let mut command = match &self.keeper {
            Some((keeper, first)) => {
                let mut command = Command::new(keeper);
                command.args(first).arg(&self.command);
                command
            }
            None => Command::new(&self.command),
        };
        let inherited = INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        let mut child = command
            .args(&self.args)
            .env_clear()
            .envs(inherited)
            .envs(self.env.iter().map(|(name, value)| (name, value.expose())))
            .current_dir(&self.folder)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let no_pipe = || io::Error::other("the child has no pipes");
        let input = child.stdin.take().ok_or_else(no_pipe)?;
        let output = child.stdout.take().ok_or_else(no_pipe)?;
        if let Some(errors) = child.stderr.take() {
            let secrets = self.env.values().cloned().collect();
            tokio::spawn(log(server.to_owned(), errors, secrets, Arc::clone(leash)));
        }
        let lines = Lines::new(output, MOST_MESSAGE, Arc::clone(leash));
        let inner = AsyncRwTransport::new(lines, input).with_max_line_length(MOST_MESSAGE + 1);
        Ok((Running { child }, Leashed { inner, leash: Arc::clone(leash) }))
    }
}

impl Running {
    /// Waits until it has ended, and says how.
    pub(super) async fn ended(&mut self) -> String {
        let group = self.group();
        let status = self.child.wait().await;
        // What it left behind in its group.
        kill(group);
        match status {
            Ok(status) if status.code() == Some(NOT_STARTED.into()) => {
                format!("the program could not be started ({status})")
            }
            Ok(status) => format!("the program ended ({status})"),
            Err(error) => format!("the program is lost: {error}"),
        }
    }

    /// Lets it end by itself for a moment, once its input is closed, and ends it then.
    pub(super) async fn end(mut self) {
        // Dropped at the latest.
        let _ = tokio::time::timeout(END, self.ended()).await;
    }

    /// `None` once it was waited for: the number may be another's then.
    fn group(&self) -> Option<Pid> {
        self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        kill(self.group());
    }
}

fn kill(group: Option<Pid>) {
    if let Some(group) = group {
        // It has ended already where this fails.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// What a child says beside: into the log, the first lines of it, without what it was given as secrets. Without end it costs the connection.
async fn log(server: String, errors: ChildStderr, secrets: Vec<Secret>, leash: Arc<Leash>) {
    let mut errors = BufReader::new(errors);
    let mut line = Vec::new();
    for told in 0_usize.. {
        line.clear();
        match (&mut errors).take(LOG_LINE).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) if leash.logged(line.len()).is_err() => return,
            Ok(_) if told < LOG_LINES => {
                let text = String::from_utf8_lossy(&line);
                let text =
                    secrets.iter().fold(text.into_owned(), |text, secret| secret.redact(&text));
                tracing::info!(server, said = visible(text.trim_end()), "an MCP server says");
            }
            Ok(_) if told == LOG_LINES => {
                tracing::info!(server, "an MCP server says more, which is not logged");
            }
            // Read on, so that it is not held up.
            Ok(_) => {}
        }
    }
}
