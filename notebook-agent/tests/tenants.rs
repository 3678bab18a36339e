//! T3: many tenants do things in any order over the real stores and indexes, beside a small model of who has what. Whatever
//! somebody is given, no word of another's is in it.
//!
//! `NOTEBOOK_TENANT_STEPS` makes it longer, `NOTEBOOK_TENANT_SEED` another walk.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Debug,
    sync::Arc,
};

use notebook_agent::{
    export::{Cited, Transcript, markdown, shown},
    library::{Backends, Library, OpenNotebook},
};
use notebook_core::{
    NotebookId, SourceId, TenantScope, Timestamp,
    embed::{Embedder, HashingEmbedder},
    keyword::{KeywordIndex, MemoryKeywordIndex},
    model::{Notebook, PageRequest, Role},
    run_log::RunLog,
    sqlite::SqliteConfig,
    store::{Store, conformance::samples, memory::MemoryStore, sql::SqlStore},
    vector::{ChunkFilter, MemoryVectorIndex, VectorIndex},
};
use notebook_rag::{
    extractive::ExtractiveModel,
    index::{EmbeddedIndex, EmbeddedIndexConfig},
    keyword::{KeywordConfig, TantivyIndex},
    retrieve::{RetrieveConfig, RetrieveRequest, Retriever, VectorSearch},
};

const TENANTS: usize = 50;
/// What every canary begins with; two letters say whose it is.
const CANARY: &str = "canary";

/// A walk that a seed gives again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % bound
    }

    fn one<'t, T>(&mut self, of: &'t [T]) -> Option<&'t T> {
        if of.is_empty() { None } else { of.get(self.below(of.len())) }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// The places that all tenants share.
struct Places {
    store: Arc<dyn Store>,
    keyword: Arc<dyn KeywordIndex>,
    vectors: Arc<dyn VectorIndex>,
    library: Library,
    retriever: Retriever,
}

impl Places {
    fn new<S: Store + RunLog>(
        store: Arc<S>,
        keyword: Arc<dyn KeywordIndex>,
        vectors: Arc<dyn VectorIndex>,
    ) -> Self {
        let embedder: Arc<dyn Embedder> = Arc::new(HashingEmbedder::new());
        let backends = Backends::new(store.clone(), keyword.clone())
            .with_vectors(vectors.clone(), embedder.clone());
        let library = Library::open(backends, Arc::new(ExtractiveModel::default())).unwrap();
        let search = VectorSearch { index: vectors.clone(), embedder: embedder.into() };
        let config = RetrieveConfig::default();
        let retriever =
            Retriever::new(keyword.clone(), Some(search), store.clone(), config).unwrap();
        Self { store, keyword, vectors, library, retriever }
    }
}

/// What a tenant has, as the model knows it.
struct Tenant {
    scope: TenantScope,
    canary: String,
    notebooks: BTreeMap<NotebookId, (OpenNotebook, BTreeSet<SourceId>)>,
    /// How many it has had: names are of one notebook.
    made: usize,
}

impl Tenant {
    fn new(number: usize) -> Self {
        let letter = |number: usize| char::from(b'a' + u8::try_from(number).unwrap());
        let canary = format!("{CANARY}{}{}", letter(number / 26), letter(number % 26));
        Self { scope: samples::tenant(), canary, notebooks: BTreeMap::new(), made: 0 }
    }

    /// Checks that a reply has no other tenant's word.
    #[track_caller]
    fn check(&self, what: &str, reply: &impl Debug) {
        let said = format!("{reply:?}").to_lowercase();
        for (at, _) in said.match_indices(CANARY) {
            let word = said.get(at..at + CANARY.len() + 2);
            assert_eq!(word, Some(self.canary.as_str()), "{what}: {said}");
        }
    }

    fn any_notebook(&self, dice: &mut Dice) -> Option<NotebookId> {
        dice.one(&self.notebooks.keys().copied().collect::<Vec<_>>()).copied()
    }
}

struct Walk {
    places: Places,
    tenants: Vec<Tenant>,
    dice: Dice,
}

impl Walk {
    fn new(places: Places, seed: u64) -> Self {
        Self { places, tenants: (0..TENANTS).map(Tenant::new).collect(), dice: Dice(seed) }
    }

    /// Some tenant does something. Each step is another's: who does it is switched all the time.
    async fn step(&mut self) {
        let (who, what) = (self.dice.below(TENANTS), self.dice.below(100));
        match what {
            0..=9 => self.make(who).await,
            10..=39 => self.add(who).await,
            40..=54 => self.ask(who).await,
            55..=69 => self.search(who).await,
            70..=74 => self.rename(who).await,
            75..=84 => self.list(who).await,
            85..=92 => self.remove_source(who).await,
            93..=96 => self.export(who).await,
            97..=98 => self.remove_notebook(who).await,
            _ => self.erase(who).await,
        }
    }

    async fn make(&mut self, who: usize) {
        let tenant = &mut self.tenants[who];
        if tenant.notebooks.len() < 3 {
            tenant.made += 1;
            let name = format!("notebook {} of {}", tenant.made, tenant.canary);
            let open = self.places.library.notebook(&tenant.scope, &name).await.unwrap();
            tenant.notebooks.insert(open.id(), (open, BTreeSet::new()));
        }
    }

    /// Texts are alike but for the canary, so that all meet in searches.
    async fn add(&mut self, who: usize) {
        let tenant = &mut self.tenants[who];
        let Some(id) = tenant.any_notebook(&mut self.dice) else { return };
        let (open, sources) = tenant.notebooks.get_mut(&id).unwrap();
        if sources.len() < 4 {
            let text = format!(
                "The heron {} waits in the reeds by the pond. It eats frogs at dawn.",
                tenant.canary
            );
            sources.insert(open.add_text(&format!("{}.txt", tenant.canary), &text).await.unwrap());
        }
    }

    async fn ask(&mut self, who: usize) {
        let other = self.dice.below(TENANTS);
        let whose = if self.dice.below(2) == 0 { who } else { other };
        let question = format!("Where does the heron {} wait?", self.tenants[whose].canary);
        let tenant = &self.tenants[who];
        let Some(id) = tenant.any_notebook(&mut self.dice) else { return };
        let (open, sources) = &tenant.notebooks[&id];
        let answer = open.ask(&question).await.unwrap();
        tenant.check("answer", &(&answer.text, &answer.citations));
        assert!(answer.citations.iter().all(|citation| sources.contains(&citation.source)));
        if whose == who && !sources.is_empty() {
            assert!(!answer.citations.is_empty(), "its own is found: {answer:?}");
        }
    }

    async fn search(&mut self, who: usize) {
        let other = self.dice.below(TENANTS);
        let question = format!("heron {} reeds", self.tenants[other].canary);
        let tenant = &self.tenants[who];
        // By another's notebook too.
        let notebook = match self.dice.below(3) {
            0 => self.tenants[other].any_notebook(&mut self.dice),
            _ => tenant.any_notebook(&mut self.dice),
        };
        let Some(notebook) = notebook else { return };
        let own = tenant.notebooks.get(&notebook);
        let request =
            RetrieveRequest { question, notebook, sources: None, limit: 20, deadline: None };
        let found = self.places.retriever.retrieve(&tenant.scope, &request).await.unwrap();
        tenant.check("passages", &found.passages);
        let found: BTreeSet<_> = found.passages.iter().map(|p| p.chunk.key.source).collect();
        let expected = own.map(|(_, sources)| sources.clone()).unwrap_or_default();
        // Texts that are the same are shown once.
        assert!(found.is_subset(&expected) && found.is_empty() == expected.is_empty(), "{found:?}");
        let any = ChunkFilter::default();
        let hits = self.places.keyword.count(&tenant.scope, &any).await.unwrap();
        let rows = self.places.vectors.count(&tenant.scope, &any).await.unwrap();
        let sources = tenant.notebooks.values().map(|(_, sources)| sources.len() as u64).sum();
        assert_eq!((hits, rows), (sources, sources), "one chunk each, whatever others have");
    }

    async fn rename(&mut self, who: usize) {
        let other = self.dice.below(TENANTS);
        let own = self.tenants[who].any_notebook(&mut self.dice);
        let foreign = self.tenants[other].any_notebook(&mut self.dice);
        let tenant = &self.tenants[who];
        if let Some(id) = own {
            let notebook = self.places.store.notebook(&tenant.scope, id).await.unwrap();
            let name = format!("{} again", notebook.name.replace(" again", ""));
            let renamed = Notebook { name, ..notebook };
            self.places.store.update_notebook(&tenant.scope, renamed).await.unwrap();
        }
        if let Some(id) = foreign.filter(|id| !tenant.notebooks.contains_key(id)) {
            let theirs = &self.tenants[other].scope;
            let notebook = self.places.store.notebook(theirs, id).await.unwrap();
            let renamed = Notebook { name: "mine now".into(), ..notebook };
            self.places.store.update_notebook(&tenant.scope, renamed).await.unwrap_err();
        }
    }

    async fn list(&mut self, who: usize) {
        let other = self.dice.below(TENANTS);
        let (tenant, store) = (&self.tenants[who], &self.places.store);
        let listed = store.notebooks(&tenant.scope, true, PageRequest::first(100)).await.unwrap();
        tenant.check("notebooks", &listed);
        let ids: BTreeSet<_> = listed.items.iter().map(|notebook| notebook.id).collect();
        assert_eq!(ids, tenant.notebooks.keys().copied().collect());
        for (id, (_, sources)) in &tenant.notebooks {
            let listed = store.sources(&tenant.scope, *id).await.unwrap();
            tenant.check("sources", &listed);
            let ids: BTreeSet<_> = listed.iter().map(|source| source.id).collect();
            assert_eq!(ids, *sources);
        }
        // What is another's is as what nobody has.
        if other != who {
            for (id, (_, sources)) in &self.tenants[other].notebooks {
                let said = store.notebook(&tenant.scope, *id).await.unwrap_err();
                tenant.check("error", &said);
                for source in sources {
                    let said = store.document(&tenant.scope, *source).await.unwrap_err();
                    let none = store.document(&tenant.scope, SourceId::new()).await.unwrap_err();
                    assert_eq!(said.to_string(), none.to_string());
                }
            }
        }
    }

    async fn remove_source(&mut self, who: usize) {
        let other = self.dice.below(TENANTS);
        let tenant = &mut self.tenants[who];
        let Some(id) = tenant.any_notebook(&mut self.dice) else { return };
        let (_, sources) = tenant.notebooks.get_mut(&id).unwrap();
        if let Some(source) = sources.pop_first() {
            let scope = &tenant.scope;
            self.places.keyword.delete_source(scope, source).await.unwrap();
            self.places.vectors.delete_source(scope, source).await.unwrap();
            self.places.store.delete_source(scope, source).await.unwrap();
            // Of somebody else it deletes nothing.
            let foreign = &self.tenants[other].scope;
            self.places.keyword.delete_source(foreign, source).await.unwrap();
            assert_eq!(self.places.vectors.delete_source(foreign, source).await.unwrap(), 0);
            self.places.store.delete_source(foreign, source).await.unwrap_err();
        }
    }

    async fn remove_notebook(&mut self, who: usize) {
        let tenant = &mut self.tenants[who];
        let Some(id) = tenant.any_notebook(&mut self.dice) else { return };
        let (_, sources) = tenant.notebooks.remove(&id).unwrap();
        for source in sources {
            self.places.keyword.delete_source(&tenant.scope, source).await.unwrap();
            self.places.vectors.delete_source(&tenant.scope, source).await.unwrap();
        }
        self.places.store.delete_notebook(&tenant.scope, id).await.unwrap();
    }

    async fn export(&mut self, who: usize) {
        let (tenant, store) = (&self.tenants[who], &self.places.store);
        let Some(id) = tenant.any_notebook(&mut self.dice) else { return };
        let names = store.sources(&tenant.scope, id).await.unwrap();
        let names: HashMap<_, _> = names
            .into_iter()
            .map(|one| (one.id, Cited { name: one.name, kind: one.kind }))
            .collect();
        for conversation in store.conversations(&tenant.scope, id).await.unwrap() {
            let page = PageRequest::first(1_000);
            let page = store.messages(&tenant.scope, conversation.id, page).await.unwrap();
            // What somebody typed is theirs to see, whatever words it has.
            let mut messages = page.items;
            messages.iter_mut().filter(|m| m.role == Role::User).for_each(|m| m.text.clear());
            tenant.check("messages", &messages);
            let branch = shown(messages, None);
            let untitled =
                notebook_core::model::Conversation { title: String::new(), ..conversation };
            let transcript = Transcript::of(&untitled, &branch, &names, Timestamp::default());
            tenant.check("export", &markdown(&transcript));
        }
    }

    /// T27: the whole tenant goes, and begins anew.
    async fn erase(&mut self, who: usize) {
        let tenant = &mut self.tenants[who];
        while self.places.store.erase(&tenant.scope, 50).await.unwrap() > 0 {}
        self.places.keyword.remove_tenant(&tenant.scope).await.unwrap();
        self.places.vectors.remove_tenant(&tenant.scope).await.unwrap();
        assert!(self.places.store.remains(&tenant.scope).await.unwrap().is_empty());
        tenant.notebooks.clear();
    }
}

async fn walk(places: Places, default: u64) {
    let steps = number("NOTEBOOK_TENANT_STEPS").unwrap_or(default);
    let seed = number("NOTEBOOK_TENANT_SEED").unwrap_or(0x5eed_0fca_11ed_b1d5);
    println!("{steps} steps from NOTEBOOK_TENANT_SEED={seed}");
    let mut walk = Walk::new(places, seed);
    for who in 0..TENANTS {
        walk.make(who).await;
        walk.add(who).await;
    }
    for _ in 0..steps {
        walk.step().await;
    }
    for who in 0..TENANTS {
        walk.list(who).await;
    }
}

/// T3, T4, T5, T22, in memory: the references.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t3_fifty_tenants_in_memory_see_nothing_of_each_other() {
    let vectors = Arc::new(MemoryVectorIndex::new(HashingEmbedder::new().space().clone()));
    let keyword = Arc::new(MemoryKeywordIndex::new());
    walk(Places::new(Arc::new(MemoryStore::new()), keyword, vectors), 3_000).await;
}

/// T3, T4, T5, T22, with everything on a disk: a SQLite file, tantivy and the embedded vector index.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t3_fifty_tenants_on_a_disk_see_nothing_of_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let file = SqliteConfig::new(folder.path().join("notebook.db"));
    let store = Arc::new(SqlStore::sqlite(file).await.unwrap());
    let keyword = KeywordConfig {
        // Fewer than there are tenants: they are closed and opened again.
        open_tenants: 20,
        writer_bytes: 15_000_000,
        writer_idle: std::time::Duration::from_millis(200),
        ..KeywordConfig::in_folder(folder.path().join("keywords"))
    };
    let space = HashingEmbedder::new().space().clone();
    let vectors = EmbeddedIndexConfig {
        open_tenants: 20,
        ..EmbeddedIndexConfig::new(folder.path().join("vectors"), space)
    };
    let keyword = Arc::new(TantivyIndex::new(keyword).unwrap());
    let vectors = Arc::new(EmbeddedIndex::open(vectors).unwrap());
    walk(Places::new(store, keyword, vectors), 400).await;
}
