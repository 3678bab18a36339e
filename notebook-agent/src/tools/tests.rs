//! The registry and the built-in tools, against a store and an index in memory.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use notebook_core::{
    NotebookId, Result, RunId, SourceId, TenantId, TenantScope,
    document::{DocumentBuilder, SourceKind},
    keyword::MemoryKeywordIndex,
    store::{Store, memory::MemoryStore},
};
use notebook_rag::{
    extractive::ExtractiveModel,
    retrieve::{RetrieveConfig, Retriever},
};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{
    builtin::{
        fetch::{FetchUrl, PageText, Pages},
        note::{Notes, WriteNote},
        table::{QueryTable, TableLimits},
    },
    *,
};
use crate::{
    graph::{CallInfo, Failure, ToolCall, Tools as _},
    library::{Backends, Library, OpenNotebook},
};

/// What is in a process: one store and index for every tenant.
pub(super) struct World {
    pub(super) store: Arc<MemoryStore>,
    keyword: Arc<MemoryKeywordIndex>,
    pub(super) notes: Arc<Desk>,
    pub(super) web: Arc<Web>,
}

/// Keeps notes.
#[derive(Default)]
pub(super) struct Desk(pub(super) Mutex<Vec<(NotebookId, String, String)>>);

#[async_trait]
impl Notes for Desk {
    async fn add(
        &self,
        _: &TenantScope,
        notebook: NotebookId,
        name: &str,
        text: &str,
    ) -> Result<SourceId> {
        self.0.lock().push((notebook, name.to_owned(), text.to_owned()));
        Ok(SourceId::new())
    }
}

/// Counts who asks.
#[derive(Default)]
pub(super) struct Web(pub(super) AtomicUsize);

#[async_trait]
impl Pages for Web {
    async fn read(&self, url: &str) -> Result<PageText> {
        self.0.fetch_add(1, Ordering::SeqCst);
        let text = "A page. ".repeat(5_000);
        Ok(PageText { url: url.to_owned(), title: Some("T".into()), text })
    }
}

pub(super) fn other_tenant() -> TenantScope {
    #[allow(clippy::disallowed_methods, reason = "a second tenant for tests")]
    TenantScope::authenticated(TenantId::new())
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            store: Arc::new(MemoryStore::new()),
            keyword: Arc::new(MemoryKeywordIndex::new()),
            notes: Arc::default(),
            web: Arc::default(),
        }
    }

    pub(super) fn registry(&self) -> Registry {
        let store: Arc<dyn Store> = self.store.clone();
        let config = RetrieveConfig::default();
        let retriever = Retriever::new(self.keyword.clone(), None, store.clone(), config).unwrap();
        builtin::reading(&store, &Arc::new(retriever))
            .unwrap()
            .with(QueryTable::new(store, TableLimits::default()))
            .unwrap()
            .with(WriteNote::new(self.notes.clone()))
            .unwrap()
            .with(FetchUrl::new(self.web.clone()))
            .unwrap()
    }

    pub(super) async fn notebook(&self, scope: &TenantScope, name: &str) -> OpenNotebook {
        let backends = Backends::new(self.store.clone(), self.keyword.clone());
        let library = Library::open(backends, Arc::new(ExtractiveModel::default())).unwrap();
        library.notebook(scope, name).await.unwrap()
    }
}

fn info(scope: &TenantScope) -> CallInfo {
    CallInfo {
        scope: scope.clone(),
        run: RunId::new(),
        node: "make".into(),
        key: "k".into(),
        timeout: Duration::from_secs(60),
        most_bytes: 256 << 10,
    }
}

async fn call(
    tools: &Bound,
    scope: &TenantScope,
    name: &str,
    arguments: Value,
) -> Result<Observation, Failure> {
    let reply = tools.call(&info(scope), ToolCall::new(name, arguments)).await?;
    Ok(serde_json::from_value(reply.output).unwrap())
}

const RIVER: &str = "The Wensum is 78 kilometres long. It joins the Yaré at Whitlingham.";

#[tokio::test]
async fn d3_search_list_and_read() {
    let (world, scope) = (World::new(), notebook_auth::single_user());
    let notebook = world.notebook(&scope, "Rivers").await;
    let river = notebook.add_text("wensum.txt", RIVER).await.unwrap();
    let off = notebook.add_text("thames.txt", "The Thames is long.").await.unwrap();
    let on: BTreeSet<_> = [river].into();
    let place = Place { notebook: notebook.id(), sources: Some(on) };
    let tools = world.registry().at(place);

    let found = call(&tools, &scope, "search_sources", json!({"query": "How long is the Wensum?"}));
    let found = found.await.unwrap();
    assert_eq!(found.findings.len(), 1);
    assert_eq!((found.findings[0].source, found.findings[0].text.as_str()), (river, RIVER));
    let none = call(&tools, &scope, "search_sources", json!({"query": "Thames"})).await.unwrap();
    assert!(none.findings.iter().all(|finding| finding.source != off), "it is switched off");

    let list = call(&tools, &scope, "list_sources", json!({})).await.unwrap().text;
    assert!(list.starts_with("1 sources.") && list.contains(&river.to_string()), "{list}");
    assert!(!list.contains("thames"), "{list}");

    // From the middle of the é to the end, and beyond.
    let middle = RIVER.find('é').unwrap() + 1;
    let read = call(
        &tools,
        &scope,
        "read_span",
        json!({"source": river.to_string(), "start": middle, "end": 5_000}),
    );
    let read = read.await.unwrap();
    assert_eq!(read.findings[0].text, "é at Whitlingham.");
    assert_eq!(read.findings[0].span.of(RIVER), Some("é at Whitlingham."));
    for (start, end) in [(500, 600), (5, 5), (9, 3), (u64::MAX, u64::MAX)] {
        let wrong = json!({"source": river.to_string(), "start": start, "end": end});
        let failure = call(&tools, &scope, "read_span", wrong).await.unwrap_err();
        assert_eq!(failure.code, "bad_arguments");
    }
}

/// P5, T30: what is another tenant's, another notebook's, switched off, or nobody's: the same words.
#[tokio::test]
async fn p5_foreign_sources_are_not_found_as_absent_ones_are() {
    let (world, scope, theirs) = (World::new(), notebook_auth::single_user(), other_tenant());
    let mine = world.notebook(&scope, "Mine").await;
    let own = mine.add_text("own.txt", "My own words.").await.unwrap();
    let switched_off = mine.add_text("off.txt", "Switched off.").await.unwrap();
    let elsewhere = world.notebook(&scope, "Elsewhere").await;
    let elsewhere = elsewhere.add_text("b.txt", "Another notebook's.").await.unwrap();
    let foreign = world.notebook(&theirs, "Theirs").await;
    let foreign = foreign.add_text("c.txt", "The secret is 4711.").await.unwrap();
    let place = Place { notebook: mine.id(), sources: Some([own, foreign, elsewhere].into()) };
    let tools = world.registry().at(place);
    let mut said = BTreeSet::new();
    for name in ["read_span", "query_table"] {
        for id in [
            foreign.to_string(),
            elsewhere.to_string(),
            switched_off.to_string(),
            SourceId::new().to_string(),
            "nonsense".to_owned(),
            foreign.to_string().to_uppercase(),
        ] {
            let failure = call(&tools, &scope, name, json!({"source": id})).await.unwrap_err();
            said.insert(failure.to_string());
        }
    }
    assert_eq!(said.len(), 1, "{said:?}");
    let found =
        call(&tools, &scope, "search_sources", json!({"query": "secret 4711"})).await.unwrap();
    assert!(found.findings.iter().all(|finding| finding.source == own));
    let list = call(&tools, &scope, "list_sources", json!({})).await.unwrap().text;
    assert!(list.starts_with("1 sources."), "{list}");
}

#[tokio::test]
async fn d3_tables_are_asked_where_they_are_tables() {
    let (world, scope) = (World::new(), notebook_auth::single_user());
    let notebook = world.notebook(&scope, "Tables").await;
    let mut builder = DocumentBuilder::new(1 << 20);
    for row in [["city", "people"], ["Norwich", "144000"], ["Ely", "20000"]] {
        builder.row(row).unwrap();
    }
    let table = notebook.add_document("cities.csv", SourceKind::Csv, builder.finish());
    let table = table.await.unwrap().to_string();
    let text = notebook.add_text("a.txt", "No table.").await.unwrap().to_string();
    let tools = world.registry().at(Place::of(notebook.id()));
    let about = call(&tools, &scope, "query_table", json!({"source": table})).await.unwrap();
    assert!(about.text.contains("\"people\" INTEGER"), "{about:?}");
    for _ in 0..2 {
        let sql = "SELECT sum(people) AS people FROM data";
        let sum = call(&tools, &scope, "query_table", json!({"source": table, "sql": sql}));
        assert_eq!(sum.await.unwrap().text, "people\n164000\n(1 rows)");
    }
    let failure = call(&tools, &scope, "query_table", json!({"source": text})).await.unwrap_err();
    assert_eq!(failure.code, "bad_arguments");
}

/// D3: whatever a model writes as arguments is told to it, and no tool sees what does not fit.
#[tokio::test]
async fn d3_arguments_that_do_not_fit_are_told() {
    let (world, scope) = (World::new(), notebook_auth::single_user());
    let notebook = world.notebook(&scope, "N").await;
    let tools = world.registry().at(Place::of(notebook.id()));
    for (name, arguments) in [
        ("search_sources", json!(null)),
        ("search_sources", json!("not json")),
        ("search_sources", json!([])),
        ("search_sources", json!({})),
        ("search_sources", json!({"query": ""})),
        ("search_sources", json!({"query": 7})),
        ("search_sources", json!({"query": "x", "limit": 0})),
        ("search_sources", json!({"query": "x", "limit": -1})),
        ("search_sources", json!({"query": "x", "limit": 1e300})),
        ("search_sources", json!({"query": "x", "tenant": "another"})),
        ("search_sources", json!({"query": "x".repeat(3_000)})),
        ("read_span", json!({"source": "x", "start": -1})),
        ("write_note", json!({"title": "t"})),
        ("write_note", json!({"title": "  ", "text": "x"})),
        ("fetch_url", json!({"url": 1})),
        ("calculate", json!({"expression": ["1"]})),
    ] {
        let failure = call(&tools, &scope, name, arguments.clone()).await.unwrap_err();
        assert_eq!(failure.code, "bad_arguments", "{name} {arguments}");
        assert!(failure.message.len() < 2_000, "{failure}");
    }
    assert!(world.notes.0.lock().is_empty());
    assert_eq!(world.web.0.load(Ordering::SeqCst), 0);
    let failure = call(&tools, &scope, "rm", json!({})).await.unwrap_err();
    assert_eq!(failure.code, "unknown_tool");
}

struct Odd;

#[async_trait]
impl RawTool for Odd {
    async fn call(&self, _: At<'_>, arguments: Value) -> Result<Observation, Failure> {
        if arguments["hang"] == json!(true) {
            std::future::pending::<()>().await;
        }
        Ok(Observation::text("\u{0}".repeat(1 << 20)))
    }
}

fn odd(name: &str) -> ToolInfo {
    ToolInfo { time: Duration::from_secs(3), bytes: 1 << 30, ..ToolInfo::new(name, "Odd.") }
}

/// D3: a tool that is late is a failure of its own, and what is too long is cut, with a count.
#[tokio::test(start_paused = true)]
async fn d3_late_and_long_answers_are_bounded() {
    let schema = json!({"type": "object"});
    let registry = Registry::new().with_raw(odd("odd"), schema, Arc::new(Odd)).unwrap();
    let (tools, scope) = (registry.at(Place::of(NotebookId::new())), notebook_auth::single_user());
    let since = tokio::time::Instant::now();
    let late = call(&tools, &scope, "odd", json!({"hang": true})).await.unwrap_err();
    assert_eq!((late.code.as_str(), since.elapsed()), ("timeout", Duration::from_secs(3)));
    let reply = tools.call(&info(&scope), ToolCall::new("odd", json!({}))).await.unwrap();
    assert!(serde_json::to_vec(&reply).unwrap().len() < 256 << 10, "the engine takes it");
    let long: Observation = serde_json::from_value(reply.output).unwrap();
    assert_eq!(long.text.len() + long.cut, 1 << 20);
}

#[test]
fn tools_that_are_none_are_refused() {
    let add = |info: ToolInfo, schema: Value| {
        Registry::new().with_raw(info, schema, Arc::new(Odd)).map(|registry| registry.names())
    };
    let object = || json!({"type": "object"});
    assert!(add(odd("a-b_9"), object()).is_ok());
    let long = "x".repeat(65);
    for name in ["", "a b", "a.b", "ä", long.as_str()] {
        assert_eq!(add(odd(name), object()).unwrap_err().context("field"), Some("name"));
    }
    for schema in [
        json!(true),
        json!({}),
        json!({"type": "string"}),
        json!({"type": "object", "properties": {"a": {"type": "nonsense"}}}),
        json!({"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:1/s"}}}),
        json!({"type": "object", "properties": {"a": {"$ref": "file:///etc/passwd"}}}),
        json!({"type": "object", "description": "x".repeat(40_000)}),
    ] {
        let error = add(odd("a"), schema.clone()).unwrap_err();
        assert_eq!(error.context("field"), Some("parameters"), "{schema:.80}");
    }
    let twice = Registry::new().with_raw(odd("a"), object(), Arc::new(Odd)).unwrap();
    assert!(twice.with_raw(odd("a"), object(), Arc::new(Odd)).is_err());
}

/// What models are offered can be read by every provider: no references, no definitions.
#[test]
fn specs_are_plain() {
    let specs = World::new().registry().specs();
    let names: Vec<_> = specs.iter().map(|spec| spec.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "calculate",
            "fetch_url",
            "list_sources",
            "query_table",
            "read_span",
            "search_sources",
            "write_note"
        ]
    );
    for spec in specs {
        let text = spec.parameters.to_string();
        assert!(!text.contains("$ref") && !text.contains("$schema"), "{text}");
        assert_eq!(spec.parameters["type"], "object");
        assert_eq!(spec.parameters["additionalProperties"], false, "{}", spec.name);
        assert!(spec.parameters.get("title").is_none());
        assert!(spec.description.len() > 20);
    }
}

/// D3: a note that is written again after a crash is there once.
#[tokio::test]
async fn d3_a_note_is_a_source_and_there_once() {
    use super::builtin::note::IngestNotes;
    use notebook_core::{
        clock::SystemClock,
        queue::{QueuePolicy, memory::MemoryQueue, outbox::MemoryOutbox},
        store::SourceStore as _,
    };
    use notebook_rag::{
        ingest::{Ingest, IngestConfig, IngestParts},
        parse::ChildParser,
    };

    let (world, scope) = (World::new(), notebook_auth::single_user());
    let notebook = world.notebook(&scope, "Notes").await;
    let clock = Arc::new(SystemClock);
    let queue = Arc::new(MemoryQueue::new(clock.clone(), QueuePolicy::default()));
    let parts = IngestParts {
        store: world.store.clone(),
        blobs: Arc::new(object_store::memory::InMemory::new()),
        outbox: Arc::new(MemoryOutbox::new(world.store.clone(), queue.clone())),
        queue,
        bell: Arc::default(),
        parser: ChildParser::new("nothing is parsed here", ["parse"]),
        web: None,
        transcriber: None,
        keyword: world.keyword.clone(),
        vectors: None,
        embedding_cache: None,
        shared: None,
        clock,
    };
    let ingest = Ingest::new(parts, IngestConfig::default()).unwrap();
    let notes = Arc::new(IngestNotes { store: world.store.clone(), ingest });
    let registry = Registry::new().with(WriteNote::new(notes)).unwrap();
    let tools = registry.at(Place::of(notebook.id()));
    let note = json!({"title": "The  Wensum", "text": "78 km"});
    let first = call(&tools, &scope, "write_note", note.clone()).await.unwrap();
    assert_eq!(call(&tools, &scope, "write_note", note).await.unwrap(), first);
    let other = json!({"title": "The Wensum", "text": "79 km"});
    assert_ne!(call(&tools, &scope, "write_note", other).await.unwrap(), first);
    let sources = world.store.sources(&scope, notebook.id()).await.unwrap();
    let names: Vec<_> = sources.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(names, ["Note: The Wensum"; 2]);
}
