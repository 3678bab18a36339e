//! The parent's side: start a child for a file, wait, and never believe it.

mod fork;
mod recognise;
mod reply;

use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;

use notebook_core::document::{Document, SourceKind};
use parking_lot::Mutex;
use rustix::fs::{MemfdFlags, memfd_create};

use self::fork::ForkServer;
pub(super) use self::fork::ParseChild;
use self::reply::{Broken, Reply};
use super::wire::{Content, MAX_NAME, Request};
use super::{Decoder, Detected, FailureCode, Limits, Ocr, ParseFailure, Recording};

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
