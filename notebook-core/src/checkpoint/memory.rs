//! Checkpoints in this process's memory.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{
    Checkpoint, Checkpoints,
    rules::{self, Decision, Stored},
};
use crate::{
    Clock, Error, ErrorKind, Result, RunId, TenantId, TenantScope, Timestamp, queue::Fence,
};

/// How long one is kept that nobody uses.
pub const KEPT: Duration = Duration::from_secs(3_600);
/// How many bytes are kept.
const MOST: usize = 64 << 20;
/// What a run takes besides its body, about.
const ENTRY: usize = 256;

/// [`Checkpoints`] in memory, within a bound of bytes and for a while.
///
/// When there are too many bytes, the runs go that were not used for longest.
pub struct MemoryCheckpoints {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
    kept: Duration,
    most: usize,
}

type Key = (TenantId, RunId);

#[derive(Default)]
struct State {
    runs: HashMap<Key, Entry>,
    /// The keys in the order of their use.
    order: BTreeMap<u64, Key>,
    uses: u64,
    bytes: usize,
}

struct Entry {
    /// The highest that was shown.
    fence: Fence,
    /// Under which the checkpoint was written.
    written: Fence,
    version: u64,
    schema: u32,
    body: Vec<u8>,
    used: Timestamp,
    place: u64,
}

impl Entry {
    const fn empty(fence: Fence, used: Timestamp) -> Self {
        Self { fence, written: fence, version: 0, schema: 0, body: Vec::new(), used, place: 0 }
    }

    const fn stored(&self) -> Stored {
        Stored { fence: self.fence, version: self.version }
    }

    fn checkpoint(&self, run: RunId) -> Option<Checkpoint> {
        let Self { written: fence, version, schema, .. } = *self;
        let found = || Checkpoint { run, fence, version, schema, body: self.body.clone() };
        (version > 0).then(found)
    }
}

impl State {
    fn forget(&mut self, key: &Key) -> Option<Entry> {
        let entry = self.runs.remove(key)?;
        self.order.remove(&entry.place);
        self.bytes -= entry.body.len() + ENTRY;
        Some(entry)
    }

    fn put(&mut self, key: Key, mut entry: Entry) {
        self.forget(&key);
        self.uses += 1;
        entry.place = self.uses;
        self.bytes += entry.body.len() + ENTRY;
        self.order.insert(entry.place, key);
        self.runs.insert(key, entry);
    }

    fn touch(&mut self, key: &Key, now: Timestamp) {
        if let Some(mut entry) = self.forget(key) {
            entry.used = now;
            self.put(*key, entry);
        }
    }

    /// Forgets what was not used for too long, and the longest unused above the bound.
    fn make_room(&mut self, now: Timestamp, kept: Duration, most: usize) {
        while let Some((_, key)) = self.order.first_key_value() {
            let key = *key;
            let old = self.runs.get(&key).is_none_or(|entry| now.since(entry.used) >= kept);
            if !old && self.bytes <= most {
                return;
            }
            if self.forget(&key).is_none() {
                return;
            }
        }
    }
}

impl MemoryCheckpoints {
    /// None yet; 64 MiB for an hour.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::bounded(clock, KEPT, MOST)
    }

    /// The same for another time and another number of bytes.
    #[must_use]
    pub fn bounded(clock: Arc<dyn Clock>, kept: Duration, most: usize) -> Self {
        Self { state: Mutex::default(), clock, kept, most }
    }

    /// The bytes that are kept, with some for each run.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.state.lock().bytes
    }

    /// Does something with what is kept now.
    fn with<T>(&self, work: impl FnOnce(&mut State, Timestamp) -> T) -> T {
        let now = self.clock.now();
        let mut state = self.state.lock();
        state.make_room(now, self.kept, usize::MAX);
        let done = work(&mut state, now);
        state.make_room(now, self.kept, self.most);
        done
    }
}

#[async_trait]
impl Checkpoints for MemoryCheckpoints {
    async fn save(&self, scope: &TenantScope, checkpoint: &Checkpoint) -> Result<()> {
        const SAVE: &str = "save checkpoint";
        rules::check(SAVE, checkpoint)?;
        if checkpoint.body.len() + ENTRY > self.most {
            return Err(Error::new(ErrorKind::TooLarge, SAVE)
                .with("field", "body")
                .with("limit", format!("{} bytes in memory", self.most)));
        }
        let key = (scope.tenant(), checkpoint.run);
        let Checkpoint { fence, version, schema, .. } = *checkpoint;
        self.with(|state, now| {
            let found = state.runs.get(&key);
            let stored = found.map(Entry::stored);
            let same =
                found.is_some_and(|entry| entry.written == fence && entry.body == checkpoint.body);
            match rules::decide(stored, Stored { fence, version }, same) {
                Decision::Refuse => return Err(rules::lost(SAVE, stored)),
                Decision::Repeated => state.touch(&key, now),
                Decision::Write => {
                    let body = checkpoint.body.clone();
                    let entry = Entry { version, schema, body, ..Entry::empty(fence, now) };
                    state.put(key, entry);
                }
            }
            Ok(())
        })
    }

    async fn take(
        &self,
        scope: &TenantScope,
        run: RunId,
        fence: Fence,
    ) -> Result<Option<Checkpoint>> {
        const TAKE: &str = "take run";
        rules::check_fence(TAKE, fence)?;
        let key = (scope.tenant(), run);
        self.with(|state, now| {
            let stored = state.runs.get(&key).map(Entry::stored);
            if stored.is_some_and(|stored| stored.fence > fence) {
                return Err(rules::lost(TAKE, stored));
            }
            let mut entry = state.forget(&key).unwrap_or_else(|| Entry::empty(fence, now));
            (entry.fence, entry.used) = (fence, now);
            let found = entry.checkpoint(run);
            state.put(key, entry);
            Ok(found)
        })
    }

    async fn read(&self, scope: &TenantScope, run: RunId) -> Result<Option<Checkpoint>> {
        let key = (scope.tenant(), run);
        Ok(self.with(|state, now| {
            state.touch(&key, now);
            state.runs.get(&key).and_then(|entry| entry.checkpoint(run))
        }))
    }

    async fn remove(&self, scope: &TenantScope, run: RunId) -> Result<bool> {
        let key = (scope.tenant(), run);
        Ok(self.with(|state, _| state.forget(&key).is_some()))
    }

    async fn prune(&self, scope: &TenantScope, before: Timestamp, limit: usize) -> Result<usize> {
        let tenant = scope.tenant();
        Ok(self.with(|state, _| {
            let old = |key: &&Key| {
                key.0 == tenant && state.runs.get(key).is_some_and(|entry| entry.used < before)
            };
            let goes: Vec<Key> = state.order.values().filter(old).take(limit).copied().collect();
            goes.iter().filter(|key| state.forget(key).is_some()).count()
        }))
    }
}

impl fmt::Debug for MemoryCheckpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryCheckpoints").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}
