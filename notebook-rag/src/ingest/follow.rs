//! Indexes that follow the store: where several processes share one, each keeps its own copy of the words and
//! vectors on its own disk, and brings it up to what the store says.
//!
//! What is to be done is the difference between what the store lists and what the index holds: after a crash, a
//! break of the network or a month away it is the same. Messages of other processes only say when to look.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::PathBuf,
    str::FromStr as _,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use notebook_core::{
    ErrorKind, NotebookId, Result, SourceId, TenantId, TenantScope, Tenants,
    model::{ChunkKey, Source, Stage},
    pubsub::{Heard, PubSub},
    store::{IndexedSource, rules::is_indexed},
    vector::{ChunkFilter, VectorRecord},
};
use parking_lot::Mutex;
use tracing::{info, warn};
use uuid::Uuid;

use super::{Ingest, Inner, known::Known};
use crate::retrieve::CatchUp;

const TOPIC: &str = "sources";
/// How often everything is compared, should a message have been lost.
const ROUND: Duration = Duration::from_secs(60);
/// How many sources share a commit.
const TOGETHER: usize = 64;
/// How long messages are gathered, so that many small changes are one look.
const GATHER: Duration = Duration::from_millis(50);

/// That the store is shared with other processes.
pub struct Shared {
    /// How they tell each other.
    pub pubsub: Arc<dyn PubSub>,
    /// A file beside the indexes, for what they hold.
    pub known: PathBuf,
}

/// What this process holds, and how it hears of more.
pub(super) struct Following {
    pubsub: Arc<dyn PubSub>,
    /// Tells this process's messages from those of others.
    process: Uuid,
    known: Mutex<Known>,
    held: Mutex<HashMap<(TenantId, SourceId), Held>>,
    /// Held by who brings the indexes up: nothing is done twice.
    turn: tokio::sync::Mutex<()>,
}

/// What the indexes hold of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Held {
    words: bool,
    vectors: bool,
}

impl Following {
    pub(super) fn open(shared: &Shared) -> Result<Self> {
        Ok(Self {
            pubsub: Arc::clone(&shared.pubsub),
            process: Uuid::new_v4(),
            known: Mutex::new(Known::open(&shared.known)?),
            held: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        })
    }

    /// The tenants that the indexes hold something of.
    pub(super) fn tenants(&self) -> BTreeSet<TenantId> {
        self.known.lock().tenants()
    }

    /// Notes that nothing of a tenant is held any more.
    pub(super) fn forget(&self, tenant: TenantId) -> Result<()> {
        self.held.lock().retain(|(of, _), _| *of != tenant);
        self.known.lock().forget(tenant)
    }

    /// Tells the others that a source has changed, or is gone.
    pub(super) fn tell(&self, scope: &TenantScope, notebook: NotebookId, id: SourceId) {
        let message = format!("{} {notebook} {id} {}", scope.tenant(), self.process);
        if let Err(error) = self.pubsub.publish(TOPIC, &message) {
            warn!(%error, "other processes could not be told of a source; they find out by looking");
        }
    }
}

/// A message, unless it is this process's own.
fn read(message: &str, process: Uuid) -> Option<(TenantId, NotebookId, SourceId, bool)> {
    let mut words = message.split(' ');
    let tenant = TenantId::from_str(words.next()?).ok()?;
    let notebook = NotebookId::from_str(words.next()?).ok()?;
    let source = SourceId::from_str(words.next()?).ok()?;
    let own = Uuid::from_str(words.next()?).ok()? == process;
    Some((tenant, notebook, source, own))
}

/// What is to be done so that an index holds what the store lists.
#[derive(Debug, PartialEq, Eq, Default)]
struct Difference {
    /// Sources whose words are missing, and those whose vectors are.
    words: Vec<IndexedSource>,
    vectors: Vec<IndexedSource>,
    /// Sources that are no longer listed.
    gone: Vec<SourceId>,
}

fn difference(
    listed: &[IndexedSource],
    known: &BTreeSet<SourceId>,
    held: impl Fn(SourceId) -> Held,
    has_vectors: bool,
) -> Difference {
    let ids: BTreeSet<SourceId> = listed.iter().map(|source| source.id).collect();
    let mut difference =
        Difference { gone: known.difference(&ids).copied().collect(), ..Difference::default() };
    for source in listed {
        let held = held(source.id);
        if !held.words {
            difference.words.push(*source);
        }
        if has_vectors && source.vectors && !held.vectors {
            difference.vectors.push(*source);
        }
    }
    difference
}

impl Ingest {
    /// Brings this process's indexes up to the store, for a whole tenant. Where the store is not shared there is nothing
    /// to do.
    ///
    /// # Errors
    /// Those of the store and the indexes.
    pub async fn catch_up_all(&self, scope: &TenantScope) -> Result<()> {
        let Some(following) = &self.0.following else { return Ok(()) };
        let listed = self.0.parts.store.indexed_sources(scope).await?;
        self.0.catch_up(following, scope, &listed).await
    }

    /// Brings the indexes up to the store, then follows it, and shows the changes that other processes make to those who
    /// watch here: for each tenant. Never ends: drop it.
    pub async fn follow(&self, tenants: &dyn Tenants) {
        let inner = &*self.0;
        let Some(following) = &inner.following else { return std::future::pending().await };
        let mut heard = following.pubsub.subscribe(TOPIC);
        // Beside whatever else starts: a question brings in its own notebook first.
        self.catch_up_each(tenants).await;
        loop {
            let message = tokio::time::timeout(ROUND, heard.next()).await;
            let mut some = BTreeMap::<_, BTreeMap<_, _>>::new();
            let mut all = false;
            let mut take = |message: &Heard| match message {
                Heard::Missed => all = true,
                Heard::Message(message) => {
                    if let Some((tenant, notebook, source, own)) = read(message, following.process)
                    {
                        let told = some.entry(tenant).or_default();
                        // What this process did itself it has shown already.
                        *told.entry((notebook, source)).or_insert(true) &= own;
                    }
                }
            };
            match &message {
                Ok(Some(message)) => {
                    take(message);
                    tokio::time::sleep(GATHER).await;
                    while let Ok(Some(message)) =
                        tokio::time::timeout(Duration::ZERO, heard.next()).await
                    {
                        take(&message);
                    }
                }
                // The store is closed.
                Ok(None) => return std::future::pending().await,
                Err(_) => all = true,
            }
            if all {
                self.catch_up_each(tenants).await;
                continue;
            }
            for (tenant, told) in some {
                let done = match tenants.one(tenant).await {
                    Ok(Some(scope)) => inner.look_at(following, &scope, &told).await,
                    Ok(None) => Ok(()),
                    Err(error) => Err(error),
                };
                not_done(done);
            }
        }
    }

    /// The same for each tenant; who fails does not keep the others from it.
    async fn catch_up_each(&self, tenants: &dyn Tenants) {
        let mut last = None;
        loop {
            let some = match tenants.after(last).await {
                Ok(some) => some,
                Err(error) => return not_done(Err(error)),
            };
            let Some(end) = some.last() else { return };
            last = Some(end.tenant());
            for scope in some {
                not_done(self.catch_up_all(&scope).await);
            }
        }
    }
}

fn not_done(done: Result<()>) {
    if let Err(error) = done {
        warn!(%error, "the indexes could not be brought up to the store; it is tried again");
    }
}

#[async_trait]
impl CatchUp for Ingest {
    async fn catch_up(&self, scope: &TenantScope, notebook: NotebookId) -> Result<()> {
        let Some(following) = &self.0.following else { return Ok(()) };
        let sources = self.0.parts.store.sources(scope, notebook).await?;
        let indexed = sources.iter().filter(|source| is_indexed(source)).map(listed);
        let (indexed, known): (Vec<_>, _) = (indexed.collect(), BTreeSet::new());
        // Most often nothing is missing, and nobody's turn is to be waited for.
        if self.0.difference(following, scope, &indexed, &known) == Difference::default() {
            return Ok(());
        }
        self.0.bring_up(following, scope, &indexed, known).await
    }
}

fn listed(source: &Source) -> IndexedSource {
    IndexedSource {
        id: source.id,
        notebook: source.notebook,
        chunks: source.chunks,
        vectors: source.vectors_ready,
    }
}

impl Inner {
    /// Brings up what others have told of.
    async fn look_at(
        &self,
        following: &Following,
        scope: &TenantScope,
        told: &BTreeMap<(NotebookId, SourceId), bool>,
    ) -> Result<()> {
        let mut indexed = Vec::new();
        let mut gone = Vec::new();
        for ((notebook, id), own) in told {
            let source = match self.parts.store.source(scope, *id).await {
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                source => Some(source?),
            };
            if !own {
                match &source {
                    Some(source) => self.state.events.changed(scope, source),
                    None => self.state.events.deleted(scope, *id, *notebook),
                }
            }
            match source {
                Some(source) if is_indexed(&source) => indexed.push(listed(&source)),
                Some(source) if source.stage != Stage::Deleting => {}
                _ => gone.push(*id),
            }
        }
        let known = following.known.lock().of(scope.tenant());
        gone.retain(|id| known.contains(id));
        self.bring_up(following, scope, &indexed, gone.into_iter().collect()).await
    }

    async fn catch_up(
        &self,
        following: &Following,
        scope: &TenantScope,
        listed: &[IndexedSource],
    ) -> Result<()> {
        let known = following.known.lock().of(scope.tenant());
        self.bring_up(following, scope, listed, known).await
    }

    /// Makes the indexes hold what is listed, and of `known` nothing else.
    async fn bring_up(
        &self,
        following: &Following,
        scope: &TenantScope,
        listed: &[IndexedSource],
        known: BTreeSet<SourceId>,
    ) -> Result<()> {
        let _turn = following.turn.lock().await;
        for source in listed {
            self.find_out(following, scope, source).await?;
        }
        let todo = self.difference(following, scope, listed, &known);
        if todo == Difference::default() {
            return Ok(());
        }
        let Difference { words, vectors, gone } = todo;
        info!(
            words = words.len(),
            vectors = vectors.len(),
            gone = gone.len(),
            "bringing the indexes up to the store"
        );
        for id in gone {
            self.forget_in_indexes(scope, id).await?;
            following.held.lock().remove(&(scope.tenant(), id));
            following.known.lock().remove(&[(scope.tenant(), id)])?;
        }
        let new: Vec<_> =
            words.iter().chain(&vectors).map(|source| (scope.tenant(), source.id)).collect();
        following.known.lock().add(&new)?;
        for some in words.chunks(TOGETHER) {
            for source in some {
                unless_gone(self.add_keywords(scope, source.id).await)?;
            }
            self.parts.keyword.commit(scope).await?;
            some.iter().for_each(|source| following.hold(scope, source.id).words = true);
        }
        for source in vectors {
            unless_gone(self.copy_vectors(scope, &source).await)?;
            following.hold(scope, source.id).vectors = true;
        }
        Ok(())
    }

    fn difference(
        &self,
        following: &Following,
        scope: &TenantScope,
        listed: &[IndexedSource],
        known: &BTreeSet<SourceId>,
    ) -> Difference {
        let held = |id| following.held(scope, id);
        difference(listed, known, held, self.parts.vectors.is_some())
    }

    /// Looks once what the indexes hold of a source from an earlier start.
    async fn find_out(
        &self,
        following: &Following,
        scope: &TenantScope,
        source: &IndexedSource,
    ) -> Result<()> {
        let key = (scope.tenant(), source.id);
        if following.held.lock().contains_key(&key) {
            return Ok(());
        }
        let filter = only(source);
        let chunks = u64::from(source.chunks);
        let words = self.parts.keyword.count(scope, &filter).await? == chunks;
        let vectors = match &self.parts.vectors {
            Some((index, _)) => index.count(scope, &filter).await? == chunks,
            None => false,
        };
        following.held.lock().insert(key, Held { words, vectors });
        Ok(())
    }

    async fn copy_vectors(&self, scope: &TenantScope, source: &IndexedSource) -> Result<()> {
        let Some((index, _)) = &self.parts.vectors else { return Ok(()) };
        let (store, space) = (&self.parts.store, index.space());
        let mut from = 0;
        loop {
            let batch = self.config.batch * 4;
            let vectors = store.embeddings(scope, source.id, space, from, batch).await?;
            let Some((last, _)) = vectors.last() else { return Ok(()) };
            from = last + 1;
            let record = |(ordinal, vector)| VectorRecord {
                key: ChunkKey { source: source.id, ordinal },
                notebook: source.notebook,
                vector,
            };
            index.upsert(scope, vectors.into_iter().map(record).collect()).await?;
        }
    }
}

impl Following {
    fn held(&self, scope: &TenantScope, id: SourceId) -> Held {
        self.held.lock().get(&(scope.tenant(), id)).copied().unwrap_or_default()
    }

    fn hold(&self, scope: &TenantScope, id: SourceId) -> parking_lot::MappedMutexGuard<'_, Held> {
        parking_lot::MutexGuard::map(self.held.lock(), |held| {
            held.entry((scope.tenant(), id)).or_default()
        })
    }
}

fn only(source: &IndexedSource) -> ChunkFilter {
    ChunkFilter { notebook: None, sources: Some(BTreeSet::from([source.id])) }
}

/// A source that is deleted meanwhile is taken out when its deletion is heard of.
fn unless_gone(result: Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn source(id: u128, vectors: bool) -> IndexedSource {
        IndexedSource {
            id: SourceId::from_u128(id),
            notebook: NotebookId::from_u128(1),
            chunks: 3,
            vectors,
        }
    }

    #[test]
    fn the_difference_is_what_is_missing_and_what_is_too_much() {
        let listed = [source(1, true), source(2, true), source(3, false), source(4, true)];
        let known = [1, 2, 9].map(SourceId::from_u128).into();
        let held = |id: SourceId| Held {
            words: id != SourceId::from_u128(4),
            vectors: id == SourceId::from_u128(1),
        };
        let expected = Difference {
            words: vec![source(4, true)],
            vectors: vec![source(2, true), source(4, true)],
            gone: vec![SourceId::from_u128(9)],
        };
        assert_eq!(difference(&listed, &known, held, true), expected);
        let without = Difference { vectors: Vec::new(), ..expected };
        assert_eq!(difference(&listed, &known, held, false), without);
        let all = |_| Held { words: true, vectors: true };
        let done = difference(&listed, &BTreeSet::new(), all, true);
        assert_eq!(done, Difference::default());
    }
}
