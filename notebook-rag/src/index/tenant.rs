//! One tenant's folder: its writes, one at a time, and the snapshot that searches read.
//!
//! | file | contents |
//! |---|---|
//! | `manifest` | which files count; see [`super::manifest`] |
//! | `segment-N` | rows that never change; see [`super::segment_file`] |
//! | `log-N` | what came after; see [`super::log`] |
//!
//! Order of writing: a change is synced to the log before it is seen. A new segment and a new log
//! are synced, then the folder, then the manifest replaces the old one and the folder is synced
//! again; only then are the old files removed. A crash anywhere leaves either the old set or the
//! new one, and files that the manifest does not name, which the next open removes.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use notebook_core::{
    Error, ErrorKind, Result, SourceId, TenantId,
    vector::{VectorRecord, VectorSpace, check_space},
};
use parking_lot::{Mutex, MutexGuard, RwLock};

use super::{
    files::{corrupt, io_error, short_name, sync_folder},
    log::{Change, Log},
    manifest::{self, Manifest},
    merge::Merge,
    segment_file::SegmentFile,
    snapshot::{Part, Snapshot},
};

/// When turning the log into a segment fails, the log may grow to this many times its usual size
/// before writes are refused.
const OVERDUE: usize = 4;

/// What is added to the name of a tenant's folder that is being removed.
pub(crate) const REMOVED: &str = "removed";

/// The vectors of one tenant.
pub(crate) struct Tenant {
    id: TenantId,
    folder: PathBuf,
    log_rows: usize,
    snapshot: RwLock<Arc<Snapshot>>,
    state: Mutex<State>,
}

enum State {
    /// The tenant has no folder.
    Absent,
    Ready(Writer),
    /// The manifest may or may not have been replaced: read the folder again before writing.
    Unsure,
}

struct Writer {
    next_id: u64,
    log: Log,
}

impl Tenant {
    /// Opens a tenant's folder. Without a folder the tenant is empty, and none is made.
    ///
    /// # Errors
    /// Those of the file system; `Corrupt` when a file is not what was written.
    pub(crate) fn open(
        folder: PathBuf,
        id: TenantId,
        space: &VectorSpace,
        log_rows: usize,
    ) -> Result<Self> {
        let (snapshot, state) = load(&folder, id, space)?;
        let (snapshot, state) = (RwLock::new(Arc::new(snapshot)), Mutex::new(state));
        Ok(Self { id, folder, log_rows, snapshot, state })
    }

    /// What a search reads.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read())
    }

    /// Stores checked records.
    ///
    /// # Errors
    /// `Conflict` when there are vectors of another space; those of the file system.
    pub(crate) fn upsert(&self, space: &VectorSpace, records: Vec<VectorRecord>) -> Result<()> {
        let mut state = self.state()?;
        let before = self.snapshot();
        if before.live_rows() > 0 {
            check_space("upsert vectors", &before.space, space)?;
        }
        if records.is_empty() {
            return Ok(());
        }
        if matches!(*state, State::Absent) || before.space != *space {
            self.start(&mut state, space)?;
        }
        if self.log_weight(&state) >= self.log_rows * OVERDUE {
            self.seal(&mut state)?;
        }
        let change = Change::Upsert(records);
        self.append(&mut state, &change)?;
        let Change::Upsert(records) = change else { return Ok(()) };
        self.publish(self.snapshot().with_records(records)?);
        self.seal_if_due(&mut state);
        Ok(())
    }

    /// Removes the rows of a source, whatever the space.
    ///
    /// # Errors
    /// Those of the file system.
    pub(crate) fn delete_source(&self, source: SourceId) -> Result<usize> {
        let mut state = self.state()?;
        let before = self.snapshot();
        let count = before.count_source(source);
        if count > 0 {
            self.append(&mut state, &Change::Delete(source))?;
            self.publish(before.without_source(source));
            self.seal_if_due(&mut state);
        }
        Ok(count)
    }

    /// Turns the log into a segment, if it holds anything.
    ///
    /// # Errors
    /// Those of the file system; searches find what they found before.
    pub(crate) fn flush(&self) -> Result<()> {
        let mut state = self.state()?;
        if self.log_weight(&state) == 0 { Ok(()) } else { self.seal(&mut state) }
    }

    /// Replaces parts in files by one segment of their live rows. Searches and writes go on
    /// meanwhile.
    ///
    /// # Errors
    /// Those of the file system; `Corrupt` when a stored vector is damaged; `Cancelled` when `stop`
    /// was set. Searches find what they found before.
    pub(crate) fn compact(&self, parts: &[Part], stop: &AtomicBool) -> Result<()> {
        let dimensions = self.snapshot().space.dimensions;
        let id = match &mut *self.state()? {
            State::Ready(writer) => writer.new_id(),
            State::Absent | State::Unsure => return Ok(()),
        };
        let merged = self.write_segment(&Merge::new(dimensions, parts), id, stop)?;
        let replaced = self.replace(parts, merged.as_ref());
        match (&replaced, merged.as_ref().and_then(|part| part.segment.file())) {
            (Ok(true), _) => {
                let old = parts.iter().filter_map(|part| part.segment.file());
                old.for_each(|file| remove(file.path()));
            }
            // The set of parts changed under it: the new segment is not wanted.
            (Ok(false), Some(file)) => remove(file.path()),
            _ => {}
        }
        replaced.map(drop)
    }

    /// Removes the tenant's folder. Searches that run go on with what they see.
    ///
    /// # Errors
    /// Those of the file system.
    pub(crate) fn remove(&self) -> Result<()> {
        let mut state = self.state.lock();
        // The new name is no tenant's: the removal is one step, and what a crash leaves of it is
        // removed when the index is next opened.
        let away = self.folder.with_extension(REMOVED);
        let fault = |error| io_error("remove tenant", &self.folder, error);
        let _ = fs::remove_dir_all(&away);
        let removed = fs::rename(&self.folder, &away).and_then(|()| fs::remove_dir_all(&away));
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                *state = State::Unsure;
                return Err(fault(error));
            }
            _ => {}
        }
        *state = State::Absent;
        self.publish(Snapshot::empty(self.snapshot().space.clone()));
        self.folder.parent().map_or(Ok(()), sync_folder)
    }

    fn publish(&self, snapshot: Snapshot) {
        *self.snapshot.write() = Arc::new(snapshot);
    }

    /// The right to write, once what is on disk is known.
    fn state(&self) -> Result<MutexGuard<'_, State>> {
        let mut state = self.state.lock();
        if matches!(*state, State::Unsure) {
            self.folder.parent().map_or(Ok(()), sync_folder)?;
            let (snapshot, found) = load(&self.folder, self.id, &self.snapshot().space)?;
            if matches!(found, State::Ready(_)) {
                sync_folder(&self.folder)?;
            }
            self.publish(snapshot);
            *state = found;
        }
        Ok(state)
    }

    fn append(&self, state: &mut State, change: &Change) -> Result<()> {
        match state {
            State::Ready(writer) => writer.log.append(&change.encode()?, change.weight()),
            State::Absent | State::Unsure => {
                Err(Error::new(ErrorKind::Internal, "append to vector log"))
            }
        }
    }

    const fn log_weight(&self, state: &State) -> usize {
        match state {
            State::Ready(writer) => writer.log.weight,
            State::Absent | State::Unsure => 0,
        }
    }

    /// Makes the folder, or starts it afresh under another space when no vector is left.
    fn start(&self, state: &mut State, space: &VectorSpace) -> Result<()> {
        let fault = |error| io_error("create vector index", &self.folder, error);
        fs::create_dir_all(&self.folder).map_err(fault)?;
        self.folder.parent().map_or(Ok(()), sync_folder)?;
        let id = if let State::Ready(writer) = state { writer.new_id() } else { 1 };
        let log = Log::create(&self.folder, self.id, id, space.dimensions)?;
        let writer = Writer { next_id: id + 1, log };
        self.commit(state, writer, Snapshot::empty(space.clone()))
    }

    fn seal_if_due(&self, state: &mut State) {
        if self.log_weight(state) < self.log_rows {
            return;
        }
        // The change itself is durable: a failure here costs nothing but a longer log.
        if let Err(error) = self.seal(state) {
            tracing::warn!(tenant = %self.id, %error, "vector log could not be made a segment");
        }
    }

    /// Turns the parts in memory into a segment file, and starts a new log.
    fn seal(&self, state: &mut State) -> Result<()> {
        let State::Ready(writer) = state else { return Ok(()) };
        let (now, never) = (self.snapshot(), AtomicBool::new(false));
        let (segment_id, log_id) = (writer.new_id(), writer.new_id());
        let next_id = writer.next_id;
        let merge = Merge::new(now.space.dimensions, now.in_memory());
        let sealed = self.write_segment(&merge, segment_id, &never)?;
        let log = Log::create(&self.folder, self.id, log_id, now.space.dimensions)
            .and_then(|log| sync_folder(&self.folder).map(|()| log))
            .inspect_err(|_| remove(&segment_path(&self.folder, segment_id)))?;
        let old = writer.log.path().to_owned();
        let in_files = now.parts.iter().filter(|part| !part.in_memory()).cloned();
        let parts = in_files.chain(sealed).collect();
        let after = Snapshot { space: now.space.clone(), parts };
        self.commit(state, Writer { next_id, log }, after)?;
        remove(&old);
        Ok(())
    }

    /// Puts a compacted part in the place of those it was made of, unless those are gone.
    fn replace(&self, parts: &[Part], merged: Option<&Part>) -> Result<bool> {
        let mut state = self.state()?;
        let now = self.snapshot();
        let current = |old: &Part| {
            now.parts.iter().find(|part| Arc::ptr_eq(&part.segment, &old.segment)).cloned()
        };
        if !parts.iter().all(|part| current(part).is_some()) {
            return Ok(false);
        }
        let State::Ready(writer) = std::mem::replace(&mut *state, State::Unsure) else {
            return Ok(false);
        };
        let is_old = |part: &Part| parts.iter().any(|p| Arc::ptr_eq(&p.segment, &part.segment));
        let kept = now.parts.iter().filter(|part| !is_old(part)).cloned();
        let merged = merged.map(|part| part.without_dead(parts, current));
        let parts = merged.into_iter().chain(kept).collect();
        let after = Snapshot { space: now.space.clone(), parts };
        self.commit(&mut state, writer, after).map(|()| true)
    }

    /// Makes the files of a snapshot, with a log, the ones that count.
    fn commit(&self, state: &mut State, writer: Writer, after: Snapshot) -> Result<()> {
        *state = State::Unsure;
        let manifest = Manifest::of(self.id, &after, writer.next_id, writer.log.id());
        manifest.write(&self.folder)?;
        self.publish(after);
        *state = State::Ready(writer);
        Ok(())
    }

    /// Writes and opens a segment file; no file for no rows.
    fn write_segment(&self, merge: &Merge<'_>, id: u64, stop: &AtomicBool) -> Result<Option<Part>> {
        if merge.is_empty() {
            return Ok(None);
        }
        let path = segment_path(&self.folder, id);
        merge.write(&path, self.id, id, stop)?;
        sync_folder(&self.folder)?;
        Ok(Some(Part::new(SegmentFile::open(&path, self.id, id)?)))
    }
}

impl Writer {
    const fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id - 1
    }
}

/// Removes a file that no longer counts. What stays is removed at the next open.
fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::debug!(file = %short_name(path), %error, "old file of a vector index stays");
    }
}

fn segment_path(folder: &Path, id: u64) -> PathBuf {
    folder.join(format!("segment-{id}"))
}

fn load(folder: &Path, tenant: TenantId, space: &VectorSpace) -> Result<(Snapshot, State)> {
    let Some(manifest) = Manifest::read(folder, tenant)? else {
        refuse_remains(folder)?;
        return Ok((Snapshot::empty(space.clone()), State::Absent));
    };
    remove_orphans(folder, &manifest);
    let mut snapshot = Snapshot::empty(manifest.space.clone());
    for entry in &manifest.segments {
        let path = segment_path(folder, entry.id);
        let segment = SegmentFile::open(&path, manifest.tenant, entry.id)?;
        let file = segment.file().map(|file| (file.fingerprint(), file.dimensions()));
        if file != Some((entry.fingerprint, manifest.space.dimensions))
            || entry.live.len() != segment.len()
        {
            return Err(corrupt(&path, "not the segment that the manifest names"));
        }
        snapshot.parts.push(Part::with_live(Arc::new(segment), entry.live.clone()));
    }
    let dimensions = manifest.space.dimensions;
    let log = Log::replay(folder, manifest.tenant, manifest.log, dimensions, |change| {
        snapshot = match change {
            Change::Upsert(records) => snapshot.with_records(records)?,
            Change::Delete(source) => snapshot.without_source(source),
        };
        Ok(())
    })?;
    Ok((snapshot, State::Ready(Writer { next_id: manifest.next_id, log })))
}

/// Removes what a crash left behind. A failure leaves it for the next time.
fn remove_orphans(folder: &Path, manifest: &Manifest) {
    let named = |name: &str| {
        let id = |prefix: &str| name.strip_prefix(prefix).and_then(|id| id.parse::<u64>().ok());
        let used = |id| manifest.segments.iter().any(|entry| entry.id == id);
        name == manifest::NAME
            || id("log-").is_some_and(|id| id == manifest.log)
            || id("segment-").is_some_and(used)
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if !entry.file_name().to_str().is_some_and(named) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// A folder without a manifest was never finished, unless there are segments in it.
fn refuse_remains(folder: &Path) -> Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io_error("open vector index", folder, error)),
    };
    let is_segment = |name: &str| name.starts_with("segment-") && !name.ends_with(".tmp");
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(is_segment) {
            return Err(corrupt(&folder.join(manifest::NAME), "missing, but there are segments"));
        }
    }
    Ok(())
}
