//! An archive that is not trusted: nothing of it is believed before it was counted and hashed.

use std::{
    collections::{BTreeMap, HashSet},
    fs::File,
    io::{self as stdio, BufRead, BufReader, Read, Seek, SeekFrom},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use notebook_core::{Error, ErrorKind, Result};
use serde::{Deserialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use zip::ZipArchive;

use super::{
    MOST_ENTRIES, io,
    manifest::{Entry, FORMAT, MANIFEST, Manifest, NOTEBOOK, Part, VERSION},
};
use crate::parse::zip::{check_directory, check_ranges};

/// What reading is called in errors.
pub(super) const READ: &str = "import archive";
/// The most bytes of the ZIP's own directory.
const MOST_DIRECTORY: u64 = 20 << 20;
/// The most bytes of a layout, and the most for each byte of its text.
const MOST_LAYOUT: (u64, u64) = (512 << 20, 100);
/// The most bytes of a manifest.
const MOST_MANIFEST: u64 = 32 << 20;
/// The most bytes of the row of a notebook, a source or a conversation.
const MOST_ROW: u64 = 1 << 20;
/// How many bytes are read between two looks at whether to go on.
const PIECE: usize = 256 << 10;

/// How much an archive may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most entries.
    pub entries: usize,
    /// The most bytes of all entries together, as they really inflate.
    pub inflated_bytes: u64,
    /// The most bytes of an original.
    pub original_bytes: u64,
    /// The most bytes of a text.
    pub text_bytes: u64,
    /// The most bytes of a line of JSON.
    pub json_bytes: u64,
    /// The most bytes that an entry, and the archive as a whole, inflates to for each of its compressed ones.
    pub ratio: u64,
    /// Bytes that an entry, and the archive as a whole, may inflate to whatever the ratio.
    pub ratio_floor: u64,
}

impl Default for Limits {
    /// 100,000 entries, 16 GB in all, originals of 100 MB, texts of 64 MB, lines of 64 MB, 100:1 above 64 MB.
    fn default() -> Self {
        Self {
            entries: MOST_ENTRIES,
            inflated_bytes: 16 << 30,
            original_bytes: 100 << 20,
            text_bytes: 64 << 20,
            json_bytes: 64 << 20,
            ratio: 100,
            ratio_floor: 64 << 20,
        }
    }
}

/// The file is refused: which entry, and why.
pub(super) fn refused(entry: &str, why: impl std::fmt::Display) -> Error {
    let shown: String = entry.chars().take(200).flat_map(char::escape_debug).collect();
    Error::invalid(READ, "file", format!("entry `{shown}` {why}; export the notebook again"))
        .with("entry", shown)
}

/// An archive whose directory and manifest agree.
pub(super) struct Reader {
    zip: ZipArchive<BufReader<Metered>>,
    parts: BTreeMap<Part, Entry>,
    limits: Limits,
    /// The most bytes of all entries by the ratio: many small bombs are a large one.
    by_ratio: u64,
}

impl Reader {
    /// Opens the file and reads its directory and its manifest.
    pub(super) fn open(mut file: File, limits: Limits) -> Result<Self> {
        let length = file.seek(SeekFrom::End(0)).map_err(io)?;
        let left = Arc::new(AtomicU64::new(MOST_DIRECTORY));
        let metered = Metered { file: file.try_clone().map_err(io)?, left: left.clone() };
        let reader = BufReader::with_capacity(64 << 10, metered);
        let mut zip = ZipArchive::new(reader).map_err(|error| {
            let fix = "this is no notebook archive: choose a file that was exported as one";
            Error::invalid(READ, "file", fix).caused_by(error)
        })?;
        left.store(u64::MAX, Ordering::Relaxed);
        let names = names(&mut zip, file, length, &limits)?;
        let manifest = manifest(&mut zip, &limits)?;
        let parts = parts(&names, &manifest, &limits)?;
        let by_ratio = length.saturating_mul(limits.ratio).max(limits.ratio_floor);
        Ok(Self { zip, parts, limits, by_ratio })
    }

    /// The parts, those of a thing one after the other.
    pub(super) fn parts(&self) -> impl Iterator<Item = Part> {
        self.parts.keys().copied()
    }

    pub(super) fn has(&self, part: Part) -> bool {
        self.parts.contains_key(&part)
    }

    /// Size and SHA-256 of a part, as the manifest has them.
    pub(super) fn sum(&self, part: Part) -> Option<(u64, &str)> {
        self.parts.get(&part).map(|entry| (entry.bytes, entry.sha256.as_str()))
    }

    /// Inflates every entry once and compares it with the manifest. `go_on` is asked now and then, with the bytes
    /// that were checked.
    ///
    /// # Errors
    /// `InvalidInput` that names the entry; `Cancelled` when it is not to go on.
    pub(super) fn verify(&mut self, mut go_on: impl FnMut(u64) -> bool) -> Result<()> {
        let mut total = 0_u64;
        let entries: Vec<Entry> = self.parts.values().cloned().collect();
        let (mut buffer, most) = (vec![0; PIECE], self.limits.inflated_bytes);
        let by_ratio = self.by_ratio;
        for entry in entries {
            let mut stream = self.raw(&entry.name)?;
            let (mut length, mut hash) = (0_u64, Sha256::new());
            loop {
                let read =
                    stream.read(&mut buffer).map_err(|error| unreadable(&entry.name, &error))?;
                let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else {
                    break;
                };
                hash.update(piece);
                length += read as u64;
                total += read as u64;
                if total > most {
                    return Err(too_large("all entries", most));
                }
                if total > by_ratio {
                    let why = "makes the archive inflate to more than is allowed";
                    return Err(refused(&entry.name, why));
                }
                if !go_on(total) {
                    return Err(Error::new(ErrorKind::Cancelled, READ));
                }
            }
            drop(stream);
            if length != entry.bytes || notebook_core::hex(hash.finalize()) != entry.sha256 {
                return Err(refused(&entry.name, "is not what the manifest says"));
            }
        }
        Ok(())
    }

    /// A part as a whole.
    pub(super) fn read(&mut self, part: Part) -> Result<Vec<u8>> {
        let name = part.name();
        let mut bytes = Vec::new();
        self.raw(&name)?.read_to_end(&mut bytes).map_err(|error| unreadable(&name, &error))?;
        Ok(bytes)
    }

    /// A part of JSON, read as it comes.
    pub(super) fn json<T: DeserializeOwned>(&mut self, part: Part) -> Result<T> {
        let name = part.name();
        let stream = BufReader::with_capacity(PIECE, self.raw(&name)?);
        serde_json::from_reader(stream)
            .map_err(|error| refused(&name, format_args!("cannot be read ({error})")))
    }

    /// A part in pieces; `false` from `take` ends the reading.
    pub(super) fn pieces(
        &mut self,
        part: Part,
        mut take: impl FnMut(Vec<u8>) -> bool,
    ) -> Result<()> {
        let name = part.name();
        let mut stream = self.raw(&name)?;
        loop {
            let mut piece = vec![0; PIECE];
            let read = stream.read(&mut piece).map_err(|error| unreadable(&name, &error))?;
            piece.truncate(read);
            if read == 0 || !take(piece) {
                return Ok(());
            }
        }
    }

    /// The lines of a part; `false` from `take` ends the reading.
    pub(super) fn lines<T: DeserializeOwned>(
        &mut self,
        part: Part,
        mut take: impl FnMut(T) -> bool,
    ) -> Result<()> {
        let (name, most) = (part.name(), self.limits.json_bytes);
        let mut stream = BufReader::new(self.raw(&name)?);
        loop {
            let mut line = Vec::new();
            let read = (&mut stream).take(most + 1).read_until(b'\n', &mut line);
            let read = read.map_err(|error| unreadable(&name, &error))?;
            if read as u64 > most {
                return Err(too_large(&name, most));
            }
            if read == 0 || !take(decode(&name, &line)?) {
                return Ok(());
            }
        }
    }

    /// An entry's bytes, counted: it ends with an error when there are more than any honest one has.
    fn raw(&mut self, name: &str) -> Result<impl Read + use<'_>> {
        let most = match Part::of(name) {
            Some(Part::Source(_, super::manifest::SourcePart::Original)) => {
                self.limits.original_bytes
            }
            Some(Part::Source(_, super::manifest::SourcePart::Text)) => self.limits.text_bytes,
            Some(Part::Source(id, super::manifest::SourcePart::Layout)) => {
                let text = self.sum(Part::Source(id, super::manifest::SourcePart::Text));
                let (most, each) = MOST_LAYOUT;
                text.map_or(0, |(bytes, _)| bytes.saturating_mul(each))
                    .saturating_add(1 << 20)
                    .min(most)
            }
            Some(Part::Conversation(_, super::manifest::ConversationPart::Runs)) => {
                self.limits.inflated_bytes
            }
            _ => MOST_ROW.min(self.limits.json_bytes),
        };
        entry(&mut self.zip, name, most, &self.limits)
    }
}

/// The names of the entries: each once, none over another.
fn names(
    zip: &mut ZipArchive<BufReader<Metered>>,
    mut file: File,
    length: u64,
    limits: &Limits,
) -> Result<HashSet<String>> {
    if zip.len() > limits.entries {
        return Err(too_many(limits));
    }
    let start = zip.central_directory_start();
    if length.saturating_sub(start) > MOST_DIRECTORY {
        return Err(too_many(limits));
    }
    file.seek(SeekFrom::Start(start)).map_err(io)?;
    let mut directory = Vec::new();
    file.take(MOST_DIRECTORY).read_to_end(&mut directory).map_err(io)?;
    let bad = |failure: crate::parse::ParseFailure| {
        Error::invalid(READ, "file", format!("the ZIP file is damaged or forged ({failure:?})"))
    };
    let names = check_directory(&directory, zip.len(), limits.entries).map_err(bad)?;
    check_ranges(zip, length).map_err(bad)?;
    Ok(names)
}

fn manifest(zip: &mut ZipArchive<BufReader<Metered>>, limits: &Limits) -> Result<Manifest> {
    #[derive(Deserialize)]
    struct Version {
        format: String,
        version: u32,
    }
    let mut json = Vec::new();
    let most = MOST_MANIFEST;
    let read = entry(zip, MANIFEST, most, limits)?.read_to_end(&mut json);
    read.map_err(|error| unreadable(MANIFEST, &error))?;
    let Version { format, version } = decode(MANIFEST, &json)?;
    if format != FORMAT {
        return Err(refused(MANIFEST, format_args!("says another format than `{FORMAT}`")));
    }
    if version > VERSION {
        let fix = format!(
            "the archive has version {version}, and this program reads up to {VERSION}: \
             use the program that wrote it, or a newer one"
        );
        return Err(Error::invalid(READ, "file", fix).with("entry", MANIFEST));
    }
    decode(MANIFEST, &json)
}

/// The parts that manifest and directory agree on.
fn parts(
    names: &HashSet<String>,
    manifest: &Manifest,
    limits: &Limits,
) -> Result<BTreeMap<Part, Entry>> {
    let mut parts = BTreeMap::new();
    let mut total = 0_u64;
    for entry in &manifest.entries {
        let part = Part::of(&entry.name).filter(|part| *part != Part::Manifest);
        let part = part.ok_or_else(|| refused(&entry.name, "has a name of no known part"))?;
        if !names.contains(&entry.name) {
            return Err(refused(&entry.name, "is missing"));
        }
        total = total.saturating_add(entry.bytes);
        if parts.insert(part, entry.clone()).is_some() {
            return Err(refused(&entry.name, "is listed twice"));
        }
    }
    if total > limits.inflated_bytes {
        return Err(too_large("all entries", limits.inflated_bytes));
    }
    let listed: HashSet<&str> = manifest.entries.iter().map(|entry| entry.name.as_str()).collect();
    let other = names.iter().filter(|name| *name != MANIFEST && !listed.contains(name.as_str()));
    if let Some(name) = other.min() {
        return Err(refused(name, "is not in the manifest"));
    }
    if !parts.contains_key(&Part::Notebook) {
        return Err(refused(NOTEBOOK, "is missing"));
    }
    Ok(parts)
}

fn entry<'z>(
    zip: &'z mut ZipArchive<BufReader<Metered>>,
    name: &str,
    most: u64,
    limits: &Limits,
) -> Result<impl Read + use<'z>> {
    let index = zip.index_for_name(name).ok_or_else(|| refused(name, "is missing"))?;
    let entry = zip.by_index(index).map_err(|error| refused(name, error))?;
    if !entry.is_file() || entry.is_symlink() {
        return Err(refused(name, "is no plain file"));
    }
    let by_ratio = entry.compressed_size().saturating_mul(limits.ratio).max(limits.ratio_floor);
    Ok(Counted { inner: entry, left: most.min(by_ratio) })
}

fn decode<T: DeserializeOwned>(name: &str, json: &[u8]) -> Result<T> {
    serde_json::from_slice(json)
        .map_err(|error| refused(name, format_args!("cannot be read ({error})")))
}

fn unreadable(name: &str, error: &stdio::Error) -> Error {
    if error.get_ref().is_some_and(|inner| inner.is::<Bomb>()) {
        return refused(name, "inflates to more than is allowed");
    }
    refused(name, format_args!("cannot be read ({error})"))
}

fn too_large(what: &str, most: u64) -> Error {
    Error::new(ErrorKind::TooLarge, READ)
        .with("field", "file")
        .with("limit", format!("{} MB", most >> 20))
        .with("entry", what)
        .with("fix", format!("{what}: too large to be imported"))
}

fn too_many(limits: &Limits) -> Error {
    Error::new(ErrorKind::TooLarge, READ)
        .with("field", "file")
        .with("limit", format!("{} entries", limits.entries))
        .with("fix", "the archive has too many entries")
}

/// An entry that inflates to more than allowed.
#[derive(Debug, thiserror::Error)]
#[error("inflates to more than allowed")]
struct Bomb;

/// Ends with [`Bomb`] after so many bytes.
struct Counted<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> stdio::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| stdio::Error::other(Bomb))?;
        Ok(read)
    }
}

/// A file of which only so much is read while its directory is: a forged one must not fill the memory.
struct Metered {
    file: File,
    left: Arc<AtomicU64>,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> stdio::Result<usize> {
        let read = self.file.read(buffer)?;
        let left = self.left.load(Ordering::Relaxed);
        if left < u64::MAX {
            let left = left.checked_sub(read as u64).ok_or_else(|| stdio::Error::other(Bomb))?;
            self.left.store(left, Ordering::Relaxed);
        }
        Ok(read)
    }
}

impl Seek for Metered {
    fn seek(&mut self, to: SeekFrom) -> stdio::Result<u64> {
        self.file.seek(to)
    }
}
