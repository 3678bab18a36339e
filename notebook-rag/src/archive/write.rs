//! Entries into a ZIP file, each counted and hashed on its way.

use std::io::{BufWriter, Seek, Write};

use notebook_core::{Error, ErrorKind, NotebookId, Result, Timestamp};
use sha2::{Digest, Sha256};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::{
    MOST_ENTRIES, io,
    manifest::{Counts, Entry, FORMAT, Manifest, Part, VERSION},
};

/// Writes an archive.
pub(super) struct Writer<W: Write + Seek> {
    zip: ZipWriter<BufWriter<W>>,
    entries: Vec<Entry>,
    open: Option<(String, u64, Sha256)>,
}

impl<W: Write + Seek> Writer<W> {
    pub(super) fn new(file: W) -> Self {
        let zip = ZipWriter::new(BufWriter::with_capacity(256 << 10, file));
        Self { zip, entries: Vec::new(), open: None }
    }

    /// Begins an entry. What is compressed already, and what is so large that its ratio would look like a bomb's, is
    /// stored as it is.
    pub(super) fn start(&mut self, part: Part, compress: bool) -> Result<()> {
        self.end();
        if self.entries.len() >= MOST_ENTRIES {
            return Err(Error::new(ErrorKind::TooLarge, "export archive")
                .with("field", "notebook")
                .with("limit", format!("{MOST_ENTRIES} entries"))
                .with("fix", "the notebook has too many sources for one archive"));
        }
        let method = if compress { CompressionMethod::Deflated } else { CompressionMethod::Stored };
        // Entries of more than 4 GB are nowhere else known to be so before they are written.
        let options = SimpleFileOptions::default().compression_method(method).large_file(true);
        self.zip.start_file(part.name(), options).map_err(broken)?;
        self.open = Some((part.name(), 0, Sha256::new()));
        Ok(())
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.zip.write_all(bytes).map_err(io)?;
        if let Some((_, length, hash)) = &mut self.open {
            *length += bytes.len() as u64;
            hash.update(bytes);
        }
        Ok(())
    }

    fn end(&mut self) {
        if let Some((name, bytes, hash)) = self.open.take() {
            let sha256 = notebook_core::hex(hash.finalize());
            self.entries.push(Entry { name, bytes, sha256 });
        }
    }

    /// Writes the manifest and gives the file back.
    pub(super) fn finish(
        mut self,
        notebook: NotebookId,
        counts: Counts,
        created_at: Timestamp,
    ) -> Result<(W, Manifest)> {
        self.end();
        let manifest = Manifest {
            format: FORMAT.to_owned(),
            version: VERSION,
            product: concat!("notebook ", env!("CARGO_PKG_VERSION")).to_owned(),
            created_at,
            notebook,
            counts,
            entries: std::mem::take(&mut self.entries),
        };
        self.start(Part::Manifest, true)?;
        let json = serde_json::to_vec_pretty(&manifest).map_err(encoding)?;
        self.write(&json)?;
        let out = self.zip.finish().map_err(broken)?;
        let file = out.into_inner().map_err(|error| io(error.into_error()))?;
        Ok((file, manifest))
    }
}

pub(super) fn encoding(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Internal, "write archive").caused_by(error)
}

fn broken(error: zip::result::ZipError) -> Error {
    match error {
        zip::result::ZipError::Io(error) => io(error),
        other => Error::new(ErrorKind::Internal, "write archive").caused_by(other),
    }
}
