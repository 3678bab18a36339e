//! `list_sources`: what there is in the notebook.

use std::{fmt::Write as _, sync::Arc};

use async_trait::async_trait;
use notebook_core::{document::SourceKind, model::Stage, store::Store};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{brief, visible};
use crate::{
    graph::Failure,
    shown_name,
    tools::{At, Observation, Tool, ToolInfo},
};

/// How many are told at a time.
const PAGE: usize = 50;

/// Tells which sources there are.
#[derive(Clone)]
pub struct ListSources(Arc<dyn Store>);

impl ListSources {
    /// Those of this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }
}

impl std::fmt::Debug for ListSources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ListSources")
    }
}

/// Which part of the list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// How many sources to pass over: 0 for the beginning of the list.
    #[serde(default)]
    skip: u32,
}

#[async_trait]
impl Tool for ListSources {
    type Arguments = Arguments;

    fn info(&self) -> ToolInfo {
        ToolInfo::new(
            "list_sources",
            "Lists the user's sources, oldest first, 50 at a time: id, name, kind, length of the text in bytes, pages, and whether it is a \
             table that can be queried.",
        )
    }

    async fn call(&self, at: At<'_>, arguments: Arguments) -> Result<Observation, Failure> {
        let sources = self.0.sources(at.scope(), at.place.notebook).await?;
        let sources: Vec<_> = sources.iter().filter(|source| visible(at, source)).collect();
        let skip = arguments.skip as usize;
        let mut text = format!("{} sources.\n", sources.len());
        for source in sources.iter().skip(skip).take(PAGE) {
            let name = brief(shown_name(source), 300).replace(['\n', '\r'], " ");
            let _ = write!(
                text,
                "{} | {name} | {} | {} bytes",
                source.id, source.kind, source.text_bytes
            );
            if let Some(pages) = source.pages {
                let _ = write!(text, " | {pages} pages");
            }
            if matches!(source.kind, SourceKind::Csv | SourceKind::Xlsx) {
                text.push_str(" | table");
            }
            match source.stage {
                Stage::Ready => {}
                Stage::Failed => text.push_str(" | could not be read whole"),
                _ => text.push_str(" | still being read"),
            }
            text.push('\n');
        }
        let told = skip.saturating_add(PAGE);
        if told < sources.len() {
            let _ = write!(text, "There are more: go on with skip {told}.");
        }
        Ok(Observation::text(text))
    }
}
