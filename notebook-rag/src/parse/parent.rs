//! The parent's side: start a child for a file, wait, and never believe it.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::{net::UnixStream as StdUnixStream, process::ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use notebook_core::document::{Document, SourceKind};
use parking_lot::Mutex;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixStream, unix::pipe};

use super::wire::{Content, Head, MAGIC, MAX_NAME, Request, SERVE, max_head};
use super::{FailureCode, Limits, ParseFailure, fork_server};

/// How much of the child's complaints is kept for the log.
const MAX_STDERR: u64 = 4096;
/// How long to wait for a server that is behind.
const BEHIND: Duration = Duration::from_millis(2);

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// What it was read as.
    pub kind: SourceKind,
    /// Its text.
    pub document: Document,
}

/// Parses files in child processes, one for each file.
///
/// The child gets the file as its standard input, an empty environment and the root
/// folder; it limits itself before it reads a byte. It is killed when it takes too long,
/// answers too much, or when the future is dropped.
///
/// The program is started with the first file, and forks for each. It ends with the last clone of
/// this value, and with this process however that ends.
///
/// ```no_run
/// use notebook_rag::parse::ChildParser;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let parser = ChildParser::new(std::env::current_exe()?, ["parse"]);
/// let file = std::fs::File::open("report.pdf")?;
/// let parsed = parser.parse_detected(file, "report.pdf", Some("application/pdf")).await?;
/// println!("{}: {} pages", parsed.kind, parsed.document.pages.len());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ChildParser {
    /// The program that calls [`child_main`](super::child_main).
    pub program: PathBuf,
    /// Its arguments, such as `parse`.
    pub args: Vec<String>,
    /// The limits, for child and parent.
    pub limits: Limits,
    server: Arc<Mutex<Option<ForkServer>>>,
}

impl ChildParser {
    /// A parser with the default limits.
    pub fn new<S: Into<String>>(
        program: impl Into<PathBuf>,
        args: impl IntoIterator<Item = S>,
    ) -> Self {
        let args = args.into_iter().map(Into::into).collect();
        Self { program: program.into(), args, limits: Limits::default(), server: Arc::default() }
    }

    /// Parses a file, from its current position, that was found to be `kind` by
    /// [`detect`](super::detect).
    ///
    /// # Errors
    /// Why the file could not be read, the death of the child included.
    pub async fn parse(&self, file: File, kind: SourceKind) -> Result<Document, ParseFailure> {
        self.run(file, Content::Known(kind)).await.map(|parsed| parsed.document)
    }

    /// Finds out what a file is and parses it, both in the child. `name` is used for its
    /// ending and is no path; `declared` is the media type that the file came with.
    ///
    /// # Errors
    /// As for [`parse`](Self::parse); and when content, name and type contradict.
    pub async fn parse_detected(
        &self,
        file: File,
        name: &str,
        declared: Option<&str>,
    ) -> Result<Parsed, ParseFailure> {
        let name = tail(name, MAX_NAME).to_owned();
        let declared = declared.map(|declared| tail(declared, MAX_NAME).to_owned());
        self.run(file, Content::Unknown { name, declared }).await
    }

    async fn run(&self, file: File, content: Content) -> Result<Parsed, ParseFailure> {
        self.check_size(&file)?;
        let request = Request { content, limits: self.limits.clone() };
        let request = serde_json::to_vec(&request).map_err(internal)?;
        let mut child = self.start(file, &request).await?;
        let reply = tokio::time::timeout(self.limits.wall, self.reply(&mut child)).await;
        // Whatever it said, it has nothing more to do.
        let status = child.end().await;
        match reply {
            Err(_) => Err(ParseFailure::new(FailureCode::TimeLimit).with_detail("wall time")),
            Ok((Ok(parsed), _)) => parsed,
            Ok((Err(Broken::Ended), complaints)) => {
                Err(death(status.map_err(internal)?, &complaints))
            }
            Ok((Err(Broken::Nonsense(why)), _)) => {
                Err(ParseFailure::new(FailureCode::Crashed).with_detail(why))
            }
        }
    }

    fn check_size(&self, file: &File) -> Result<(), ParseFailure> {
        let size = file.metadata().map_err(internal)?.len();
        if size > self.limits.input_bytes {
            return Err(FailureCode::TooLarge.into());
        }
        Ok(())
    }

    async fn start(&self, file: File, request: &[u8]) -> Result<ParseChild, ParseFailure> {
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

    /// The reply, and the start of what the child wrote to standard error.
    async fn reply(
        &self,
        child: &mut ParseChild,
    ) -> (Result<Result<Parsed, ParseFailure>, Broken>, String) {
        let ParseChild { stdout, stderr, .. } = child;
        let (Some(mut stdout), Some(stderr)) = (stdout.take(), stderr.take()) else {
            return (Err(Broken::Ended), String::new());
        };
        let read = async {
            let reply = self.read_reply(&mut stdout).await;
            if reply.is_err() {
                // Nothing it says from here on counts; it must not wait for a reader.
                drop(stdout);
            }
            reply
        };
        tokio::join!(read, complaints(stderr))
    }

    async fn read_reply(
        &self,
        stdout: &mut pipe::Receiver,
    ) -> Result<Result<Parsed, ParseFailure>, Broken> {
        let mut magic = [0; 4];
        stdout.read_exact(&mut magic).await?;
        if magic != *MAGIC {
            return Err(Broken::Nonsense("not a reply".into()));
        }
        let head = read_part(stdout, max_head(self.limits.text_bytes)).await?;
        let head: Head = serde_json::from_slice(&head).map_err(Broken::nonsense)?;
        let text = read_part(stdout, self.limits.text_bytes as u64).await?;
        let (kind, mut document) = match head {
            Head::Failed(failure) => return Ok(Err(failure)),
            Head::Parsed { kind, document } => (kind, document),
        };
        document.text = String::from_utf8(text).map_err(Broken::nonsense)?;
        document.validate().map_err(Broken::nonsense)?;
        Ok(Ok(Parsed { kind, document }))
    }
}

/// The process that forks.
struct ForkServer {
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
struct ParseChild {
    stdout: Option<pipe::Receiver>,
    stderr: Option<pipe::Receiver>,
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
    async fn end(mut self) -> io::Result<ExitStatus> {
        self.control.shutdown().await?;
        Ok(ExitStatus::from_raw(self.control.read_i32_le().await?))
    }
}

/// Why there is no reply.
enum Broken {
    /// The output ended.
    Ended,
    /// The output is not a reply.
    Nonsense(String),
}

impl Broken {
    fn nonsense(error: impl std::fmt::Display) -> Self {
        Self::Nonsense(error.to_string())
    }
}

impl From<std::io::Error> for Broken {
    fn from(_: std::io::Error) -> Self {
        Self::Ended
    }
}

/// A length, and that many bytes. Memory grows with what arrives, not with what is
/// announced.
async fn read_part(stdout: &mut pipe::Receiver, max: u64) -> Result<Vec<u8>, Broken> {
    let len = stdout.read_u64_le().await?;
    if len > max {
        return Err(Broken::Nonsense(format!("a part of {len} bytes, over {max}")));
    }
    let mut bytes = Vec::new();
    stdout.take(len).read_to_end(&mut bytes).await?;
    if bytes.len() as u64 != len {
        return Err(Broken::Ended);
    }
    Ok(bytes)
}

async fn complaints(mut stderr: impl AsyncRead + Unpin) -> String {
    let mut kept = Vec::new();
    let _ = (&mut stderr).take(MAX_STDERR).read_to_end(&mut kept).await;
    let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&kept).into_owned()
}

/// Why a child ended without a reply.
fn death(status: ExitStatus, complaints: &str) -> ParseFailure {
    let out_of_memory = complaints.contains("memory allocation of");
    let code = match status.signal() {
        Some(libc::SIGXCPU) => FailureCode::TimeLimit,
        Some(libc::SIGSYS) => FailureCode::Forbidden,
        Some(libc::SIGABRT) if out_of_memory => FailureCode::MemoryLimit,
        // Nothing here kills a child before its output ends but the kernel, for memory.
        Some(libc::SIGKILL) => FailureCode::MemoryLimit,
        None if status.code() == Some(2) => FailureCode::Internal,
        _ => FailureCode::Crashed,
    };
    ParseFailure::new(code).with_detail(format!("{status}: {complaints}"))
}

/// The end of a name, where its ending is, at most `max` bytes.
fn tail(name: &str, max: usize) -> &str {
    let from = name.len().saturating_sub(max);
    (from..=name.len()).find_map(|from| name.get(from..)).unwrap_or_default()
}

fn internal(error: impl std::fmt::Display) -> ParseFailure {
    ParseFailure::new(FailureCode::Internal).with_detail(error)
}
