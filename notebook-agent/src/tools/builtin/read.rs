//! `read_span`: the words of a source at a place.

use std::sync::Arc;

use async_trait::async_trait;
use notebook_core::{ErrorKind, SourceId, document::Span, store::Store};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{brief, source};
use crate::{
    graph::Failure,
    shown_name,
    tools::{At, Finding, Observation, Tool, ToolInfo},
};

/// What is read where the model does not say how far.
const USUAL: u64 = 4_000;
/// The most that is read at once.
const MOST: u64 = 12_000;
/// The bytes of the longest character.
const CHARACTER: usize = 4;

/// Reads the text of a source.
#[derive(Clone)]
pub struct ReadSpan(Arc<dyn Store>);

impl ReadSpan {
    /// Of sources in this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }

    /// The text from about `start` to about `end`, on the boundaries of characters.
    async fn text(
        &self,
        at: At<'_>,
        id: SourceId,
        start: usize,
        end: usize,
        length: usize,
    ) -> Result<(Span, String), Failure> {
        for start in (start.saturating_sub(CHARACTER - 1)..=start).rev() {
            for end in end..=(end + CHARACTER - 1).min(length) {
                let span = Span::new(start, end);
                match self.0.text(at.scope(), id, span).await {
                    Ok(text) => return Ok((span, text)),
                    Err(error) if error.kind() == ErrorKind::InvalidInput => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Err(Failure::new("bad_arguments", "there is no text there"))
    }
}

impl std::fmt::Debug for ReadSpan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReadSpan")
    }
}

/// Where to read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// The source's id.
    #[schemars(length(min = 1, max = 64))]
    source: String,
    /// The first byte of the text to read; 0 is the beginning.
    #[serde(default)]
    start: u64,
    /// One past the last byte. At most 12,000 bytes are read at once; 4,000 if you do not say.
    #[serde(default)]
    end: Option<u64>,
}

#[async_trait]
impl Tool for ReadSpan {
    type Arguments = Arguments;

    fn info(&self) -> ToolInfo {
        ToolInfo::new(
            "read_span",
            "Reads the text of one of the user's sources from one byte to another, and returns it as a numbered passage that you can cite. \
             Use it to see what stands around a passage, or to read a source from its beginning.",
        )
    }

    async fn call(&self, at: At<'_>, arguments: Arguments) -> Result<Observation, Failure> {
        let found = source(&*self.0, at, &arguments.source).await?;
        let length = found.text_bytes;
        if length == 0 {
            return Err(Failure::new("not_ready", "this source has no text yet"));
        }
        let start = arguments.start;
        let end = arguments.end.unwrap_or_else(|| start.saturating_add(USUAL));
        if start >= length || end <= start {
            let message = format!(
                "the text is {length} bytes long: give a start before that, and an end after the start"
            );
            return Err(Failure::new("bad_arguments", message));
        }
        let end = end.min(start.saturating_add(MOST)).min(length);
        let bytes = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        let (span, text) = self.text(at, found.id, bytes(start), bytes(end), bytes(length)).await?;
        let layout = self.0.layout(at.scope(), found.id).await?;
        let page = layout.pages.partition_point(|page| page.span.start <= span.start);
        let page = page.checked_sub(1).and_then(|index| layout.pages.get(index));
        let finding = Finding {
            source: found.id,
            name: brief(shown_name(&found), 300),
            span,
            page: page.map(|page| page.number),
            headings: Vec::new(),
            text,
        };
        let text = format!("Bytes {} to {} of {length}.", span.start, span.end);
        Ok(Observation { text, findings: vec![finding], cut: 0 })
    }
}
