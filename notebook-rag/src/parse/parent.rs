//! The parent's side: start a child for a file, wait, and never believe it.

use std::fmt;
use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::{net::UnixStream as StdUnixStream, process::ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use notebook_core::document::{Document, SourceKind};
use parking_lot::Mutex;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixStream, unix::pipe};

use super::program::died;
use super::wire::{Content, Head, MAGIC, MAX_NAME, Request, SERVE, max_head};
use super::{
    Decoder, Detected, FailureCode, Limits, Ocr, ParseFailure, Picture, Recording, fork_server,
    ocr, places::Seen,
};

/// How much of the child's complaints is kept for the log.
const MAX_STDERR: u64 = 4096;
/// How long to wait for a server that is behind.
const BEHIND: Duration = Duration::from_millis(2);

/// A WAV file of eight samples.
const SILENCE: &[u8] = b"RIFF\x34\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

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
    /// How text in images is recognised; images are refused without it.
    pub ocr: Option<Ocr>,
    /// How recordings are decoded.
    pub decoder: Decoder,
    server: Arc<Mutex<Option<ForkServer>>>,
}

impl ChildParser {
    /// A parser with the default limits.
    pub fn new<S: Into<String>>(
        program: impl Into<PathBuf>,
        args: impl IntoIterator<Item = S>,
    ) -> Self {
        let args = args.into_iter().map(Into::into).collect();
        Self {
            program: program.into(),
            args,
            limits: Limits::default(),
            ocr: None,
            decoder: Decoder::default(),
            server: Arc::default(),
        }
    }

    /// The same, recognising text in images.
    #[must_use]
    pub fn with_ocr(mut self, ocr: Ocr) -> Self {
        self.ocr = Some(ocr);
        self
    }

    /// The same, decoding recordings so.
    #[must_use]
    pub fn with_decoder(mut self, decoder: Decoder) -> Self {
        self.decoder = decoder;
        self
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
        self.run(file, Content::Unknown { name, declared, page: false }).await
    }

    async fn run(&self, file: File, content: Content) -> Result<Parsed, ParseFailure> {
        match self.open_as(file, content).await? {
            Opened::Parsed(parsed) => Ok(parsed),
            Opened::Recording(_) => Err(FailureCode::TranscriptionUnavailable.into()),
        }
    }

    /// Finds out what a file is: a document is parsed as by [`parse_detected`](Self::parse_detected), a recording is
    /// there to be listened to.
    ///
    /// # Errors
    /// As for [`parse_detected`](Self::parse_detected).
    pub async fn open(
        &self,
        file: File,
        name: &str,
        declared: Option<&str>,
    ) -> Result<Opened, ParseFailure> {
        let name = tail(name, MAX_NAME).to_owned();
        let declared = declared.map(|declared| tail(declared, MAX_NAME).to_owned());
        self.open_as(file, Content::Unknown { name, declared, page: false }).await
    }

    /// The same for what was fetched from the web with a content type: of a page the text alone is read, without what
    /// stands around it.
    ///
    /// # Errors
    /// As for [`parse_detected`](Self::parse_detected).
    pub async fn open_page(
        &self,
        file: File,
        name: &str,
        content_type: Option<&str>,
    ) -> Result<Opened, ParseFailure> {
        let name = tail(name, MAX_NAME).to_owned();
        let declared = content_type.map(|declared| tail(declared, MAX_NAME).to_owned());
        self.open_as(file, Content::Unknown { name, declared, page: true }).await
    }

    async fn open_as(&self, file: File, content: Content) -> Result<Opened, ParseFailure> {
        let again = file.try_clone().map_err(internal)?;
        match self.ask(file, content).await? {
            Reply::Parsed(parsed) => Ok(Opened::Parsed(parsed)),
            Reply::Picture(detected, picture) => {
                let document = self.recognise(&picture).await?;
                Ok(Opened::Parsed(detected.parsed(document)))
            }
            Reply::Sound(detected) => self.record(again, detected).await.map(Opened::Recording),
        }
    }

    /// Lets a child become the program that decodes a recording.
    async fn record(&self, file: File, detected: Detected) -> Result<Recording, ParseFailure> {
        let content = Content::Sound(self.decoder.clone(), detected.kind);
        let child = self.start_for(file, content).await?;
        Recording::new(child, detected, self.clone())
    }

    /// Decodes some silence, to see whether that can be done here.
    ///
    /// # Errors
    /// [`FailureCode::TranscriptionUnavailable`] with what is missing; why the program broke down.
    pub async fn check_decoder(&self) -> Result<(), ParseFailure> {
        let file = in_memory(SILENCE).map_err(internal)?;
        let detected = Detected { kind: SourceKind::Wav, mismatch: false };
        let mut recording = self.record(file, detected).await?;
        recording.read(&mut Vec::new(), usize::MAX).await.map(drop)
    }

    /// Recognises text in an empty picture, to see whether that can be done here.
    ///
    /// # Errors
    /// [`FailureCode::OcrUnavailable`] with what is missing; why the program broke down.
    pub async fn check_ocr(&self) -> Result<(), ParseFailure> {
        let pixels = vec![u8::MAX; 64 * 64];
        let blank = Picture { width: 64, height: 64, pixels, shown: (64, 64) };
        match self.recognise(&blank).await {
            Err(failure) if failure.code != FailureCode::NoText => Err(failure),
            _ => Ok(()),
        }
    }

    /// Recognises the text of a picture, in a child that becomes the program for it. One that makes little sense may
    /// stand on its head or lie on its side.
    async fn recognise(&self, picture: &Picture) -> Result<Document, ParseFailure> {
        let ocr = self.ocr.as_ref().ok_or(FailureCode::OcrUnavailable)?;
        let mut best = self.words_in(ocr, picture, 0).await?;
        let mut turned = picture.clone();
        let mut so_far = 0;
        for quarters in [2, 1, 2] {
            if !best.is_doubtful() {
                break;
            }
            turned = (0..quarters).fold(turned, |turned, _| turned.turned());
            so_far = (so_far + quarters) % 4;
            let words = self.words_in(ocr, &turned, so_far).await?;
            if words.sure() > best.sure() {
                best = words;
            }
        }
        best.document(&self.limits)
    }

    /// The words of a picture that was turned clockwise by so many quarters.
    async fn words_in(
        &self,
        ocr: &Ocr,
        picture: &Picture,
        quarters: u8,
    ) -> Result<ocr::Table, ParseFailure> {
        let file = in_memory(&picture.to_pgm()).map_err(internal)?;
        let child = self.start_for(file, Content::Picture(ocr.clone())).await?;
        let said = tokio::time::timeout(self.limits.wall, self.words(child)).await;
        let (table, complaints, status) = said
            .map_err(|_| ParseFailure::new(FailureCode::TimeLimit).with_detail("text recognition"))?
            .map_err(internal)?;
        // It goes on with the languages that it has: what is missing would be read as nonsense.
        if let Some(failure) = ocr.failure(status.code(), &complaints) {
            return Err(failure);
        }
        if status.code() != Some(0) {
            return Err(died(status, &complaints));
        }
        let seen = Seen::of(picture, quarters);
        Ok(ocr::Table::of(String::from_utf8_lossy(&table).into_owned(), seen))
    }

    /// All that a program says, up to the limit of text, the start of its complaints, and how it ended.
    async fn words(&self, mut child: ParseChild) -> io::Result<(Vec<u8>, String, ExitStatus)> {
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Ok((Vec::new(), String::new(), child.ended().await?));
        };
        let read = async move {
            let mut said = Vec::new();
            let _ = stdout.take(self.limits.text_bytes as u64).read_to_end(&mut said).await;
            said
        };
        let (said, complaints) = tokio::join!(read, complaints(stderr));
        Ok((said, complaints, child.ended().await?))
    }

    async fn ask(&self, file: File, content: Content) -> Result<Reply, ParseFailure> {
        self.check_size(&file)?;
        let mut child = self.start_for(file, content).await?;
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

    async fn start_for(&self, file: File, content: Content) -> Result<ParseChild, ParseFailure> {
        let request = Request { content, limits: self.limits.clone() };
        let request = serde_json::to_vec(&request).map_err(internal)?;
        self.start(file, &request).await
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
    ) -> (Result<Result<Reply, ParseFailure>, Broken>, String) {
        let (Some(mut stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return (Err(Broken::Ended), String::new());
        };
        let complaints = complaints(stderr);
        tokio::pin!(complaints);
        let mut said = None;
        let reply = {
            let read = self.read_reply(&mut stdout);
            tokio::pin!(read);
            loop {
                tokio::select! {
                    reply = &mut read => break reply,
                    text = &mut complaints, if said.is_none() => said = Some(text),
                }
            }
        };
        // Nothing it says from here on counts; it must not wait for a reader.
        drop(stdout);
        let said = match said {
            Some(said) => said,
            None => complaints.await,
        };
        (reply, said)
    }

    async fn read_reply(
        &self,
        stdout: &mut pipe::Receiver,
    ) -> Result<Result<Reply, ParseFailure>, Broken> {
        let mut magic = [0; 4];
        stdout.read_exact(&mut magic).await?;
        if magic != *MAGIC {
            return Err(Broken::Nonsense("not a reply".into()));
        }
        let head = read_part(stdout, max_head(self.limits.text_bytes)).await?;
        let head: Head = serde_json::from_slice(&head).map_err(Broken::nonsense)?;
        let most = (self.limits.text_bytes as u64).max(Picture::MOST_PIXELS);
        let body = read_part(stdout, most).await?;
        let (kind, mut document) = match head {
            Head::Failed(failure) => return Ok(Err(failure)),
            Head::Picture { kind, mismatch, width, height, shown } => {
                let picture = Picture { width, height, pixels: body, shown };
                let picture = picture.is_whole().then_some(picture);
                let picture = picture.ok_or_else(|| Broken::nonsense("a picture in part"))?;
                return Ok(Ok(Reply::Picture(Detected { kind, mismatch }, picture)));
            }
            Head::Sound { kind, mismatch } => {
                return Ok(Ok(Reply::Sound(Detected { kind, mismatch })));
            }
            Head::Parsed { kind, document } => (kind, document),
        };
        document.text = String::from_utf8(body).map_err(Broken::nonsense)?;
        document.validate().map_err(Broken::nonsense)?;
        Ok(Ok(Reply::Parsed(Parsed { kind, document })))
    }
}

/// What a child read.
enum Reply {
    Parsed(Parsed),
    /// What the file is, and the picture whose text is to be recognised.
    Picture(Detected, Picture),
    /// What the file is: a recording.
    Sound(Detected),
}

/// A file, as far as a child reads it.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one for a file, and it is taken apart at once"
)]
pub enum Opened {
    /// A document.
    Parsed(Parsed),
    /// A recording, which nobody has listened to yet.
    Recording(Recording),
}

/// A file that lies in memory, at its start.
fn in_memory(bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create("input", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
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
#[derive(Debug)]
pub(super) struct ParseChild {
    pub(super) stdout: Option<pipe::Receiver>,
    pub(super) stderr: Option<pipe::Receiver>,
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
    pub(super) async fn end(mut self) -> io::Result<ExitStatus> {
        self.control.shutdown().await?;
        self.ended().await
    }

    /// Waits for the child to end by itself, which may be a moment after it closed its outputs.
    pub(super) async fn ended(mut self) -> io::Result<ExitStatus> {
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
pub(super) fn death(status: ExitStatus, complaints: &str) -> ParseFailure {
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

pub(super) fn internal(error: impl std::fmt::Display) -> ParseFailure {
    ParseFailure::new(FailureCode::Internal).with_detail(error)
}
