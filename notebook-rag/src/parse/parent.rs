//! The parent's side: start a child for a file, wait, and never believe it.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use notebook_core::document::{Document, SourceKind};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, ChildStdout, Command};

use super::wire::{Content, Head, MAGIC, MAX_NAME, REQUEST, Request, max_head};
use super::{FailureCode, Limits, ParseFailure};

/// How much of the child's complaints is kept for the log.
const MAX_STDERR: u64 = 4096;

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
}

impl ChildParser {
    /// A parser with the default limits.
    pub fn new<S: Into<String>>(
        program: impl Into<PathBuf>,
        args: impl IntoIterator<Item = S>,
    ) -> Self {
        let args = args.into_iter().map(Into::into).collect();
        Self { program: program.into(), args, limits: Limits::default() }
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
        let mut child = self.spawn(file, content)?;
        let reply = tokio::time::timeout(self.limits.wall, self.reply(&mut child)).await;
        // Whatever it said, it has nothing more to do.
        let _ = child.start_kill();
        let status = child.wait().await.map_err(internal)?;
        match reply {
            Err(_) => Err(ParseFailure::new(FailureCode::TimeLimit).with_detail("wall time")),
            Ok((Ok(parsed), _)) => parsed,
            Ok((Err(Broken::Ended), complaints)) => Err(death(status, &complaints)),
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

    fn spawn(&self, file: File, content: Content) -> Result<Child, ParseFailure> {
        let request = Request { content, limits: self.limits.clone() };
        let request = serde_json::to_string(&request).map_err(internal)?;
        Command::new(&self.program)
            .args(&self.args)
            .env_clear()
            .env(REQUEST, request)
            .current_dir("/")
            .stdin(Stdio::from(file))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| internal(format!("starting {}: {error}", self.program.display())))
    }

    /// The reply, and the start of what the child wrote to standard error.
    async fn reply(
        &self,
        child: &mut Child,
    ) -> (Result<Result<Parsed, ParseFailure>, Broken>, String) {
        let (Some(mut stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
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
        stdout: &mut ChildStdout,
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
async fn read_part(stdout: &mut ChildStdout, max: u64) -> Result<Vec<u8>, Broken> {
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
