//! Puts the parts together for a data folder, and takes them down again.

mod folder;
mod parts;

use std::{fs::File, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use notebook_agent::{
    chat::{Chat, Work},
    mcp::{Begin, Servers},
    runs::Runs,
};
use notebook_core::{
    Clock, Error, Result,
    breaker_setting::sql::SqlBreakerSettings,
    cache::{Cache, sqlite::SqliteCache},
    clock::SystemClock,
    key_usage::sql::SqlKeyUsage,
    queue::{
        Worklist, cron,
        runner::{Runner, RunnerConfig},
        sql::{QueueTime, SqlQueue},
    },
    report::sql::SqlReports,
    run_log::RunLog,
    sqlite::SqliteConfig,
    store::{Store, sql::SqlStore},
    vector::VectorIndex,
    webhook::deliver::Sender,
};
use notebook_rag::{
    archive::ArchiveParts,
    index::{EmbeddedIndex, EmbeddedIndexConfig},
    ingest::{Ingest, IngestConfig, IngestParts, Shared},
    keyword::{KeywordConfig, TantivyIndex},
    retrieve::{RetrieveConfig, Retriever, VectorSearch},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use self::{
    folder::{cannot_use, empty_spool, lock},
    parts::{chat_config, egress, open_blobs, open_store, policy},
};
pub(crate) use self::{
    folder::{is_locked, running_server},
    parts::{open_redis, open_rows, parser},
};
use crate::{
    access::Access,
    app::{App, Parts},
    config::Config,
    deletion::Deletion,
    erasure::Erasure,
    exports::{self, Exports},
    limit::{Forwarding, Limiter},
    mail::{self, Post},
    models::{self, ByHand},
    reconcile::Reconciler,
    research::{self, Bench},
    reserve::Reserve,
    retention::{self, Retention},
    status::{EmbeddingStatus, RerankStatus, Status},
    stream::socket::Sockets,
    usage,
    web::{self, Pages},
};

/// How long answers in the making may take when the server goes down, after its requests have ended.
const RUNS_END: Duration = Duration::from_secs(5);
/// How long jobs may go on; what is not done then goes on at the next start, or elsewhere.
const JOBS_END: Duration = Duration::from_secs(2);
/// How many messages to webhooks are on their way at once.
const SENDERS: usize = 16;
/// An open data folder with everything that works on it.
pub(crate) struct Running {
    pub(crate) app: App,
    runner: Runner,
    store: Arc<SqlStore>,
    embedding_cache: Option<Arc<SqliteCache>>,
    folder: PathBuf,
    /// Held as long as this process uses the folder.
    _lock: File,
}

/// Opens the data folder and starts the workers. Unfinished work of an earlier process is taken up. Other programs whose tools models may be
/// given are begun as `programs` says.
///
/// # Errors
/// `Conflict` when another process uses the folder; those of the parts.
pub(crate) async fn open(
    config: &Config,
    programs: Begin,
    ending: CancellationToken,
) -> Result<Running> {
    let folder = config.data_dir.clone();
    for part in ["index", "spool"] {
        std::fs::create_dir_all(folder.join(part)).map_err(|error| cannot_use(&folder, error))?;
    }
    let lock = lock(&folder)?;
    let reserve = Reserve::new(&folder);
    empty_spool(&folder.join("spool")).map_err(|error| cannot_use(&folder, error))?;

    let clock = Arc::new(SystemClock);
    let redis = open_redis(config).await?;
    let store = Arc::new(open_store(config, redis.clone()).await?);
    let queue = Arc::new(SqlQueue::new(&store, QueueTime::Database, policy(config)));
    let bell = Arc::new(Notify::new());
    let shared_store: Arc<dyn Store> = store.clone();
    let log: Arc<dyn RunLog> = store.clone();
    let blobs = Arc::new(open_blobs(config)?);
    let keyword =
        Arc::new(TantivyIndex::new(KeywordConfig::in_folder(folder.join("index/keywords")))?);

    let usage = Arc::new(SqlKeyUsage::new(&store));
    let layers = models::layers(config, usage, clock.clone()).await?;
    let embedding = models::embedder(config, &layers).await?;
    let vectors = embedding
        .model
        .map(|embedder| {
            let index = EmbeddedIndex::open(EmbeddedIndexConfig::new(
                folder.join("index/vectors"),
                embedder.space().clone(),
            ))?;
            Ok::<_, Error>((Arc::new(index) as Arc<dyn VectorIndex>, embedder))
        })
        .transpose()?;
    let embedding_cache = match config.embedding.cache_bytes {
        bytes if bytes > 0 && vectors.is_some() => {
            let file = SqliteConfig::new(folder.join("embeddings.db"));
            Some(Arc::new(SqliteCache::open(file, bytes).await?))
        }
        _ => None,
    };
    let chat_models = models::chat(config, layers.clone()).await?;

    let pages = web::pages(config)?;
    let ingest = Ingest::new(
        IngestParts {
            store: shared_store.clone(),
            outbox: queue.clone(),
            queue: queue.clone(),
            bell: bell.clone(),
            blobs: blobs.clone(),
            parser: parser(config)?,
            web: Some(Arc::new(Pages(pages.clone()))),
            transcriber: models::transcriber(config)?.model,
            keyword: keyword.clone(),
            vectors: vectors.clone(),
            embedding_cache: embedding_cache.clone().map(|cache| cache as Arc<dyn Cache>),
            shared: config.storage.postgres.is_some().then(|| Shared {
                pubsub: store.pubsub().clone(),
                known: folder.join("index/known"),
            }),
            clock: clock.clone(),
        },
        IngestConfig::default(),
    )?;
    let embedding_status = vectors.as_ref().map(|(index, _)| EmbeddingStatus {
        model: index.space().model.clone(),
        dimensions: index.space().dimensions,
    });
    let embedder = vectors.as_ref().map(|(_, embedder)| embedder.clone());
    let search = vectors.map(|(index, embedder)| VectorSearch { index, embedder });
    let reranking = models::reranking(config, &layers).await?;
    let rerank_status = reranking.as_ref().map(|reranking| RerankStatus {
        model: reranking.model.model().to_owned(),
        place: models::rerank_place(config).to_owned(),
        candidates: reranking.candidates,
    });
    let mut retrieval = RetrieveConfig::default();
    retrieval.limits.rerank = config.rerank.limit();
    let mut retriever = Retriever::new(keyword, search, shared_store.clone(), retrieval)?;
    if let Some(reranking) = reranking {
        retriever = retriever.reranking(reranking)?;
    }
    let retriever = match config.storage.postgres {
        Some(_) => Arc::new(retriever.following(Arc::new(ingest.clone()))),
        None => Arc::new(retriever),
    };
    let patience = Duration::from_secs(config.chat.unwatched_seconds.into());
    let pubsub = store.pubsub().clone();
    let runs = Runs::shared(log, clock.clone(), Some(pubsub), Some(patience));
    let chat = Chat::new(
        shared_store.clone(),
        runs.clone(),
        retriever.clone(),
        chat_models.clone(),
        clock.clone(),
        chat_config(config)?,
        Work::Jobs { outbox: queue.clone(), queue: queue.clone(), bell: bell.clone() },
    );
    let settings = config.mcp.settings(&folder)?;
    let programs = Servers::start(settings, &(clock.clone() as Arc<dyn Clock>), programs)?;
    let bench = Bench {
        rows: store.clone(),
        store: shared_store.clone(),
        retriever: retriever.clone(),
        ingest: ingest.clone(),
        parser: parser(config)?,
        clock: clock.clone(),
        programs: programs.clone(),
    };
    let chat = chat.with_research(bench.set_up(config)?);
    let chat = match config.chat.record_runs {
        true => chat.with_recordings(store.clone()),
        false => chat,
    };

    let access = Access::open(config, &store, clock.clone(), &ending).await?;
    let tenants = access.tenants();
    if config.storage.postgres.is_none() {
        // The folder's lock says that nobody else works on its file.
        let lost = queue.take_back(usize::MAX).await?;
        if lost > 0 {
            tracing::warn!(lost, "jobs that an earlier process left unfinished are taken up");
        }
    }
    let deletion = Deletion {
        store: shared_store.clone(),
        outbox: queue.clone(),
        queue: queue.clone(),
        bell: bell.clone(),
        ingest: ingest.clone(),
        chat: chat.clone(),
        clock: clock.clone(),
        reserve: reserve.clone(),
    };
    let erasure = access.closed_tenants().map(|tenants| Erasure {
        tenants,
        store: shared_store.clone(),
        queue: queue.clone(),
        bell: bell.clone(),
        ingest: ingest.clone(),
        models: chat_models.clone(),
        clock: clock.clone(),
        reserve: reserve.clone(),
    });
    let sender = Sender {
        store: store.clone(),
        outbox: queue.clone(),
        egress: egress(config)?,
        clock: clock.clone(),
        policy: config.webhooks.policy(),
    };
    let egress = sender.egress.clone();
    let reconciler = Reconciler {
        ingest: ingest.clone(),
        chat: chat.clone(),
        deletion: deletion.clone(),
        webhooks: store.clone(),
        models: chat_models.clone(),
        erasure: erasure.clone(),
    };
    reconciler.round(&*tenants).await?;
    let slots = ingest.slots() + chat.slots() + SENDERS + Deletion::slots() + exports::SLOTS;
    let slots = slots + mail::SLOTS + Erasure::slots() + 2;
    let runner = RunnerConfig { slots, ..RunnerConfig::of(&policy(config)) };
    let days = |days: u32| Duration::from_secs(u64::from(days.max(1)) * 86_400);
    let exports = Arc::new(Exports {
        parts: ArchiveParts {
            store: shared_store.clone(),
            log: runs.log().clone(),
            blobs: blobs.clone(),
        },
        ingest: ingest.clone(),
        queue: queue.clone(),
        clock: clock.clone(),
        spool: folder.join("spool"),
        keep: days(config.retention.exports_days),
        limits: exports::limits(&config.limits),
    });
    let nightly = retention::handlers(Retention {
        exports: exports.clone(),
        log: runs.log().clone(),
        webhooks: store.clone(),
        checkpoints: research::checkpoints(&store),
        clock: clock.clone(),
        events: days(config.retention.events_days),
        deliveries: days(config.retention.deliveries_days),
    });
    let handlers = ingest.handlers().and(chat.handlers()).and(deletion.handlers()).and(nightly);
    let handlers = handlers.and(sender.handlers(SENDERS)).and(exports::handlers(&exports));
    let handlers = handlers.and(usage::handlers(store.clone(), clock.clone()));
    let post = Post::open(config, queue.clone(), bell.clone())?;
    let handlers = match (&post, &access) {
        (Some(post), Access::Accounts(accounts)) => handlers.and(post.handlers(accounts)),
        _ => handlers,
    };
    let handlers = match &erasure {
        Some(erasure) => erasure.guard(handlers).and(erasure.handlers()),
        None => handlers,
    };
    let mut runner = Runner::start(queue.clone(), handlers, bell.clone(), runner)?;
    runner.drain_on(ending.clone());
    let (heard, rung) = (queue.clone(), bell.clone());
    until(&ending, async move { heard.listen(&rung).await });
    tokio::spawn(reconciler.go_on(tenants.clone(), ending.clone()));
    let scheduled = cron::run(
        queue.clone(),
        tenants.clone(),
        vec![retention::schedule()?, usage::schedule()?],
        clock.clone(),
        bell.clone(),
    );
    until(&ending, scheduled);
    let (following, of) = (ingest.clone(), tenants.clone());
    until(&ending, async move { following.follow(&*of).await });
    tokio::spawn(reserve.clone().keep(ending.clone()));
    let limiter = Limiter::build(config, &store, redis.as_ref(), access.is_single_user())?;
    if let Some(limiter) = &limiter {
        tokio::spawn(Arc::clone(limiter).keep(ending.clone()));
    }
    let (settings, pubsub) = (SqlBreakerSettings::new(&store), store.pubsub().clone());
    let breakers = ByHand::new(chat_models.clone(), Arc::new(settings), pubsub, clock.clone());
    let breakers = Arc::new(breakers);
    breakers.recall().await?;
    let heard = breakers.clone();
    until(&ending, async move { heard.hear().await });
    let app = App::new(Parts {
        access,
        store: shared_store,
        rows: store.clone(),
        redis,
        queue,
        bell,
        blobs,
        ingest,
        deletion,
        erasure,
        programs,
        retriever,
        embedder,
        chat,
        runs,
        webhooks: store.clone(),
        egress,
        pages,
        usage: store.clone(),
        reports: Arc::new(SqlReports::new(&store)),
        recordings: store.clone(),
        clock,
        limiter,
        forwarding: Forwarding::new(&config.server)
            .map_err(|wrong| Error::invalid("set up server", "server", wrong.join("; ")))?,
        post,
        cors: config.server.cors.clone(),
        limits: config.limits,
        spool: folder.join("spool"),
        reserve,
        status: Status {
            chat: chat_models.status(),
            embedding: embedding_status,
            embedding_reason: embedding.reason,
            rerank: rerank_status,
        },
        models: chat_models,
        breakers,
        sockets: Sockets::new(config.limits.sockets_per_user),
        ending,
    });
    Ok(Running { app, runner, store, embedding_cache, folder, _lock: lock })
}

/// Goes on with something until the server ends.
fn until<T: Send + 'static>(
    ending: &CancellationToken,
    work: impl Future<Output = T> + Send + 'static,
) {
    let ended = ending.clone();
    tokio::spawn(async move { ended.run_until_cancelled(work).await });
}

impl Running {
    /// Writes down where the server listens, for commands that work on the same folder.
    pub(crate) fn announce(&self, address: SocketAddr) -> Result<()> {
        folder::announce(&self.folder, address)
    }

    /// Ends runs and workers, and writes everything down.
    pub(crate) async fn shutdown(self) {
        folder::take_back(&self.folder);
        // No more are begun since the signal; those that are nearly done may end.
        let ended = async {
            while self.app.runs.live() > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(RUNS_END, ended).await.is_err() {
            tracing::warn!(
                "some answers are given back; another process, or the next start, begins them anew"
            );
        }
        self.app.runs.interrupt_all();
        self.runner.shutdown(JOBS_END).await;
        self.app.programs.close().await;
        if let Some(cache) = self.embedding_cache
            && let Err(error) = cache.close().await
        {
            tracing::warn!(%error, "the embedding cache did not close cleanly; what it lost is embedded anew");
        }
        if let Err(error) = self.store.close().await {
            tracing::error!(%error, "the store did not close cleanly; nothing that was confirmed is lost");
        }
    }
}
