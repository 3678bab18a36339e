//! `search_sources`: the passages that have to do with a question.

use std::{collections::HashMap, collections::hash_map::Entry, sync::Arc, time::Duration};

use async_trait::async_trait;
use notebook_core::{SourceId, store::Store};
use notebook_rag::retrieve::{RetrieveRequest, Retriever};
use schemars::JsonSchema;
use serde::Deserialize;

use super::brief;
use crate::{
    graph::Failure,
    shown_name,
    tools::{At, Finding, Observation, Tool, ToolInfo},
};

/// Passages where the model does not say how many.
const USUAL: usize = 6;
const MOST: u32 = 20;
/// How long retrieval may take.
const TIME: Duration = Duration::from_secs(10);
/// The most characters of a heading.
const HEADING: usize = 200;

/// Finds passages in the notebook's sources.
#[derive(Clone)]
pub struct SearchSources {
    store: Arc<dyn Store>,
    retriever: Arc<Retriever>,
}

impl SearchSources {
    /// By this retriever.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, retriever: Arc<Retriever>) -> Self {
        Self { store, retriever }
    }

    async fn name(&self, at: At<'_>, id: SourceId) -> Result<String, Failure> {
        let source = self.store.source(at.scope(), id).await?;
        Ok(brief(shown_name(&source), 300))
    }
}

impl std::fmt::Debug for SearchSources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SearchSources")
    }
}

/// What to look for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// The question, or the words to look for. No query language.
    #[schemars(length(min = 1, max = 2000))]
    query: String,
    /// How many passages, from 1 to 20; 6 if you do not say.
    #[serde(default)]
    #[schemars(range(min = 1, max = 20))]
    limit: Option<u32>,
}

#[async_trait]
impl Tool for SearchSources {
    type Arguments = Arguments;

    fn info(&self) -> ToolInfo {
        ToolInfo::new(
            "search_sources",
            "Searches the user's sources by meaning and by words, and returns the passages that have most to do with the query, \
             numbered so that you can cite them. Search again with other words when the passages do not say what you need.",
        )
    }

    async fn call(&self, at: At<'_>, arguments: Arguments) -> Result<Observation, Failure> {
        let limit = arguments.limit.map_or(USUAL, |limit| limit.clamp(1, MOST) as usize);
        let request = RetrieveRequest {
            question: arguments.query,
            notebook: at.place.notebook,
            sources: at.place.sources.clone(),
            limit,
            deadline: Some(TIME),
        };
        let found = self.retriever.retrieve(at.scope(), &request).await?;
        let mut names: HashMap<SourceId, String> = HashMap::new();
        let mut findings = Vec::with_capacity(found.passages.len());
        for passage in found.passages {
            let chunk = passage.chunk;
            let source = chunk.key.source;
            if let Entry::Vacant(entry) = names.entry(source) {
                entry.insert(self.name(at, source).await?);
            }
            findings.push(Finding {
                source,
                name: names.get(&source).cloned().unwrap_or_default(),
                span: chunk.span,
                page: chunk.page,
                headings: chunk.headings.iter().map(|heading| brief(heading, HEADING)).collect(),
                text: chunk.text,
            });
        }
        let text = match (findings.is_empty(), found.partial) {
            (true, false) => "No passage has to do with this.",
            (true, true) => "Nothing was found in time; a part of the search is missing.",
            (false, true) => "A part of the search is missing.",
            (false, false) => "",
        };
        Ok(Observation { text: text.to_owned(), findings, cut: 0 })
    }
}
