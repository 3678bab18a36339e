//! The tools of this server, and where researches stand.

use std::{sync::Arc, time::Duration};

use notebook_agent::{
    chat::Researching,
    mcp::Servers,
    tools::{
        Registry,
        builtin::{
            self,
            fetch::{FetchUrl, WebPages},
            note::{IngestNotes, WriteNote},
            table::{QueryTable, TableLimits},
        },
    },
};
use notebook_core::{
    Clock, Result,
    checkpoint::{Checkpoints, memory::MemoryCheckpoints, sql::SqlCheckpoints, tiered::Tiered},
    http::egress::{Allowed, EgressClient, EgressConfig},
    queue::sql::QueueTime,
    store::{Store, sql::SqlStore},
};
use notebook_rag::{ingest::Ingest, parse::ChildParser, retrieve::Retriever};

use crate::config::Config;

/// How long a page of the web may take.
const PAGE_TIME: Duration = Duration::from_secs(30);
/// How long a store of checkpoints may take before the other one does its work.
const PATIENCE: Duration = Duration::from_secs(5);

/// What researches work with.
pub(crate) struct Bench {
    pub(crate) rows: Arc<SqlStore>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) retriever: Arc<Retriever>,
    pub(crate) ingest: Ingest,
    pub(crate) parser: ChildParser,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) programs: Servers,
}

impl Bench {
    /// Everything for researches by this configuration.
    ///
    /// # Errors
    /// Those of the tools, and of the client for pages of the web.
    pub(crate) fn set_up(self, config: &Config) -> Result<Researching> {
        let hot = Arc::new(MemoryCheckpoints::new(self.clock.clone()));
        let cold = checkpoints(&self.rows);
        let checkpoints = Arc::new(Tiered::new(hot, cold, self.clock.clone(), PATIENCE));
        Ok(Researching {
            checkpoints,
            approvals: self.rows.clone(),
            policy: config.tools.policy(),
            limits: config.tools.limits(),
            budget: config.tools.budget(),
            more: Some(Arc::new(self.programs.clone())),
            tools: self.tools(config)?,
        })
    }

    fn tools(self, config: &Config) -> Result<Registry> {
        let egress = EgressClient::new(EgressConfig {
            allowed: Allowed::new(config.egress.allow.iter().map(String::as_str))?,
            time: PAGE_TIME,
            bytes: config.tools.page_bytes,
            extra_roots: config.egress.extra_roots.clone(),
        })?;
        let pages = Arc::new(WebPages::new(egress, self.parser));
        let notes = Arc::new(IngestNotes { store: self.store.clone(), ingest: self.ingest });
        builtin::reading(&self.store, &self.retriever)?
            .with(QueryTable::new(self.store, TableLimits::default()))?
            .with(WriteNote::new(notes))?
            .with(FetchUrl::new(pages))
    }
}

/// Checkpoints in the store's database.
pub(crate) fn checkpoints(rows: &SqlStore) -> Arc<dyn Checkpoints> {
    Arc::new(SqlCheckpoints::new(rows, QueueTime::Database))
}
