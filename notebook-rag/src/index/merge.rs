//! Live rows of several segments, put into one.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Seek as _, Write},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use notebook_core::{Error, ErrorKind, Result, TenantId};

use super::{
    cast,
    files::io_error,
    quantize::{put_signs, sign_words},
    segment::{HeapRows, Owner, Segment, push_owner},
    segment_file::{CHECKED, Header, encode_owners},
    snapshot::Part,
};

/// Which rows go into the new segment, in the order of their keys.
pub(crate) struct Merge<'a> {
    dimensions: usize,
    rows: Vec<(&'a Segment, usize)>,
}

impl<'a> Merge<'a> {
    /// The live rows of `parts`; a key is live in one part only.
    pub(crate) fn new(dimensions: usize, parts: impl IntoIterator<Item = &'a Part>) -> Self {
        let mut keyed = Vec::new();
        for part in parts {
            let segment: &Segment = &part.segment;
            let rows = part.live.iter().filter_map(|row| Some((segment.key(row)?, segment, row)));
            keyed.extend(rows);
        }
        keyed.sort_unstable_by_key(|(key, ..)| *key);
        let rows = keyed.into_iter().map(|(_, segment, row)| (segment, row)).collect();
        Self { dimensions, rows }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// A segment in memory.
    ///
    /// # Errors
    /// `Corrupt` when a stored vector fails its checksum.
    pub(crate) fn to_heap(&self) -> Result<Segment> {
        let size = self.rows.len() * self.dimensions;
        let mut rows = HeapRows {
            codes: Vec::with_capacity(size),
            floats: Vec::with_capacity(size),
            ..HeapRows::default()
        };
        for &(segment, row) in &self.rows {
            rows.codes.extend_from_slice(self.codes(segment, row));
            rows.floats.extend_from_slice(segment.vector(row)?);
        }
        let (owners, ordinals, scales) = self.keys();
        Ok(Segment::from_heap(self.dimensions, owners, HeapRows { ordinals, scales, ..rows }))
    }

    /// Writes a segment file, durable but for its name in the folder. Memory is some 100 bytes a
    /// row; codes and vectors are streamed.
    ///
    /// # Errors
    /// Those of the file system; `Corrupt` when a stored vector fails its checksum; `Cancelled`
    /// when `stop` was set. Nothing is left behind then.
    pub(crate) fn write(
        &self,
        path: &Path,
        tenant: TenantId,
        id: u64,
        stop: &AtomicBool,
    ) -> Result<()> {
        let draft = path.with_extension("tmp");
        let written = self.write_draft(&draft, tenant, id, stop).and_then(|()| {
            fs::rename(&draft, path).map_err(|error| io_error("write segment", path, error))
        });
        if written.is_err() {
            let _ = fs::remove_file(&draft);
        }
        written
    }

    fn write_draft(&self, path: &Path, tenant: TenantId, id: u64, stop: &AtomicBool) -> Result<()> {
        let fault = |error| io_error("write segment", path, error);
        let (owners, ordinals, scales) = self.keys();
        let (dimensions, rows) = (self.dimensions, self.rows.len());
        let checks = [0; CHECKED];
        let mut header = Header { tenant, id, dimensions, rows, owners: owners.len(), checks };
        let (sections, _) = header.layout();
        let (centre, row_checks) = self.centre(stop)?;
        let signs = self.signs(&centre)?;

        let file = File::create(path).map_err(fault)?;
        let mut out =
            Sections { file: BufWriter::with_capacity(1 << 20, file), at: 0, check: None };
        let small: [&[u8]; 6] = [
            &encode_owners(&owners),
            cast::bytes(&ordinals),
            cast::bytes(&row_checks),
            cast::bytes(&scales),
            cast::bytes(&centre),
            cast::bytes(&signs),
        ];
        let mut found = Vec::with_capacity(CHECKED);
        for (section, bytes) in sections.iter().zip(small) {
            out.start(section.start).map_err(fault)?;
            out.write(bytes).map_err(fault)?;
            found.push(out.finish());
        }
        let [.., codes, vectors] = &sections;
        out.start(codes.start).map_err(fault)?;
        for &(segment, row) in &self.rows {
            out.write(cast::bytes(self.codes(segment, row))).map_err(fault)?;
        }
        found.push(out.finish());
        out.start(vectors.start).map_err(fault)?;
        for (at, &(segment, row)) in self.rows.iter().enumerate() {
            check_stop(at, stop)?;
            out.write(cast::bytes(segment.vector(row)?)).map_err(fault)?;
        }
        for (check, found) in header.checks.iter_mut().zip(found) {
            *check = found;
        }
        out.end(&header).map_err(fault)
    }

    /// The mean of the vectors, and the checksum of each.
    fn centre(&self, stop: &AtomicBool) -> Result<(Vec<f32>, Vec<u32>)> {
        let mut sums = vec![0.0_f64; self.dimensions];
        let mut checks = Vec::with_capacity(self.rows.len());
        for (at, &(segment, row)) in self.rows.iter().enumerate() {
            check_stop(at, stop)?;
            let vector = segment.vector(row)?;
            checks.push(crc32fast::hash(cast::bytes(vector)));
            for (sum, x) in sums.iter_mut().zip(vector) {
                *sum += f64::from(*x);
            }
        }
        let rows = self.rows.len().max(1) as f64;
        Ok((sums.into_iter().map(|sum| (sum / rows) as f32).collect(), checks))
    }

    fn signs(&self, centre: &[f32]) -> Result<Vec<u64>> {
        let words = self.rows.len().next_multiple_of(64) * sign_words(self.dimensions);
        let mut bits = vec![0; words];
        for (at, &(segment, row)) in self.rows.iter().enumerate() {
            put_signs(&mut bits, at, segment.vector(row)?, centre);
        }
        Ok(bits)
    }

    fn keys(&self) -> (Vec<Owner>, Vec<u32>, Vec<f32>) {
        let (mut owners, mut ordinals, mut scales) = (Vec::new(), Vec::new(), Vec::new());
        for &(segment, row) in &self.rows {
            let columns = segment.columns();
            if let Some(owner) = segment.owner(row) {
                push_owner(&mut owners, owner.source, owner.notebook);
            }
            ordinals.extend(columns.ordinals.get(row));
            scales.extend(columns.scales.get(row));
        }
        (owners, ordinals, scales)
    }

    fn codes<'s>(&self, segment: &'s Segment, row: usize) -> &'s [i8] {
        let start = row * self.dimensions;
        segment.columns().codes.get(start..start + self.dimensions).unwrap_or_default()
    }
}

/// Looks at `stop` once in a while.
fn check_stop(at: usize, stop: &AtomicBool) -> Result<()> {
    if at.is_multiple_of(4096) && stop.load(Ordering::Relaxed) {
        return Err(Error::new(ErrorKind::Cancelled, "write segment"));
    }
    Ok(())
}

/// Writes sections at their offsets, with a checksum of each.
struct Sections {
    file: BufWriter<File>,
    at: usize,
    check: Option<crc32fast::Hasher>,
}

impl Sections {
    fn start(&mut self, offset: usize) -> io::Result<()> {
        self.check = Some(crc32fast::Hasher::new());
        let gap = vec![0; offset.saturating_sub(self.at)];
        self.at += gap.len();
        self.file.write_all(&gap)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(check) = &mut self.check {
            check.update(bytes);
        }
        self.at += bytes.len();
        self.file.write_all(bytes)
    }

    fn finish(&mut self) -> u32 {
        self.check.take().map_or(0, crc32fast::Hasher::finalize)
    }

    fn end(mut self, header: &Header) -> io::Result<()> {
        self.file.seek(io::SeekFrom::Start(0))?;
        self.file.write_all(&header.encode())?;
        self.file.flush()?;
        self.file.get_ref().sync_all()
    }
}
