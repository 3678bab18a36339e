//! The process that forks, and its children, as their parent sees them.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::{net::UnixStream as StdUnixStream, process::ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixStream, unix::pipe};

use super::{ChildParser, internal};
use crate::parse::wire::SERVE;
use crate::parse::{ParseFailure, fork_server};

/// How long to wait for a server that is behind.
const BEHIND: Duration = Duration::from_millis(2);

impl ChildParser {
    /// A child for a file and what is asked of it.
    pub(super) async fn start(
        &self,
        file: File,
        request: &[u8],
    ) -> Result<ParseChild, ParseFailure> {
        let (job, child) = ParseChild::with(file).map_err(internal)?;
        let mut restarted = false;
        loop {
            match self.send(request, &job) {
                Ok(()) => return Ok(child),
                Err(Unsent::Behind) => tokio::time::sleep(BEHIND).await,
                // It was killed, perhaps for its memory: another is started once.
                Err(Unsent::Gone) if !restarted => restarted = true,
                Err(Unsent::Gone) => return Err(internal("the fork server ends at once")),
                Err(Unsent::NotStarted(error)) => {
                    return Err(internal(format!("starting {}: {error}", self.program.display())));
                }
            }
        }
    }

    fn send(&self, request: &[u8], job: &fork_server::Job) -> Result<(), Unsent> {
        let mut server = self.server.lock();
        let running = match &mut *server {
            Some(running) => running,
            none => none.insert(self.start_server().map_err(Unsent::NotStarted)?),
        };
        match fork_server::send(&running.socket, request, job) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(Unsent::Behind),
            Err(_) => {
                *server = None;
                Err(Unsent::Gone)
            }
        }
    }

    fn start_server(&self) -> io::Result<ForkServer> {
        let kind = (AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC);
        let (socket, theirs) = socketpair(kind.0, kind.1, kind.2, None)?;
        let process = Command::new(&self.program)
            .args(&self.args)
            .env_clear()
            .env(SERVE, "1")
            .current_dir("/")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(ForkServer { process, socket })
    }
}

/// The process that forks.
pub(super) struct ForkServer {
    process: Child,
    socket: OwnedFd,
}

impl fmt::Debug for ForkServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForkServer").field("pid", &self.process.id()).finish_non_exhaustive()
    }
}

impl Drop for ForkServer {
    fn drop(&mut self) {
        // Its children die with it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Why a job was not passed on.
enum Unsent {
    /// The server has not yet taken the jobs before.
    Behind,
    Gone,
    NotStarted(io::Error),
}

/// A child, as its parent sees it. Dropped, it is killed.
#[derive(Debug)]
pub(in crate::parse) struct ParseChild {
    pub(in crate::parse) stdout: Option<pipe::Receiver>,
    pub(in crate::parse) stderr: Option<pipe::Receiver>,
    control: UnixStream,
}

impl ParseChild {
    /// The two sides of a job.
    fn with(file: File) -> io::Result<(fork_server::Job, Self)> {
        let (stdout, reply) = io::pipe()?;
        let (stderr, complaints) = io::pipe()?;
        let (ours, control) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let job = fork_server::Job {
            file: file.into(),
            reply: reply.into(),
            complaints: complaints.into(),
            control: control.into(),
        };
        let child = Self {
            stdout: Some(pipe::Receiver::from_owned_fd(stdout.into())?),
            stderr: Some(pipe::Receiver::from_owned_fd(stderr.into())?),
            control: UnixStream::from_std(ours)?,
        };
        Ok((job, child))
    }

    /// Kills the child, if it has not ended, and waits for it.
    pub(in crate::parse) async fn end(mut self) -> io::Result<ExitStatus> {
        self.control.shutdown().await?;
        self.ended().await
    }

    /// Waits for the child to end by itself, which may be a moment after it closed its outputs.
    pub(in crate::parse) async fn ended(mut self) -> io::Result<ExitStatus> {
        Ok(ExitStatus::from_raw(self.control.read_i32_le().await?))
    }
}
