//! From the model's marks to verified citations.

use std::collections::{HashMap, HashSet, hash_map::Entry};

use notebook_core::{
    Result, SourceId, TenantScope,
    document::{Page, Span},
    model::{Chunk, Citation},
    store::Store,
};
use notebook_rag::cite::{align, is_quote, sentences};

use super::tape::{Ask, Tape};
use crate::answer::CiteRequest;

/// Without any mark of the model, a sentence is attributed when a passage covers this much of it.
const ATTRIBUTE_FROM: f32 = 0.6;

/// Makes the citations of one answer.
pub(super) struct Citer<'a> {
    store: &'a dyn Store,
    scope: &'a TenantScope,
    tape: &'a Tape,
    passages: &'a [Chunk],
    numbers: HashMap<usize, u32>,
    pages: HashMap<SourceId, Vec<Page>>,
    seen: HashSet<(usize, Span)>,
    pub(super) dropped: u32,
}

impl<'a> Citer<'a> {
    pub(super) fn new(
        store: &'a dyn Store,
        scope: &'a TenantScope,
        tape: &'a Tape,
        passages: &'a [Chunk],
    ) -> Self {
        Self {
            store,
            scope,
            tape,
            passages,
            numbers: HashMap::new(),
            pages: HashMap::new(),
            seen: HashSet::new(),
            dropped: 0,
        }
    }

    /// The verified citation for a mark; `None` when it is dropped (and counted) or already given at this place.
    pub(super) async fn cite(
        &mut self,
        answer: &str,
        request: &CiteRequest,
    ) -> Result<Option<Citation>> {
        let index = (request.passage as usize).wrapping_sub(1);
        let support = self.passages.get(index).and_then(|passage| {
            align(&request.claim, &passage.text).map(|support| (passage, support))
        });
        let Some((passage, support)) = support else {
            self.dropped += 1;
            return Ok(None);
        };
        let span = Span {
            start: passage.span.start + support.range.start,
            end: passage.span.start + support.range.end,
        };
        let quote = passage.text.get(support.range).unwrap_or_default().to_owned();
        if self.seen.contains(&(request.at, span)) {
            return Ok(None);
        }
        let source = passage.key.source;
        let text = || self.store.text(self.scope, source, span);
        if !is_quote(self.tape.take(|| Ask::Text(source, span), text).await, &quote)? {
            self.dropped += 1;
            return Ok(None);
        }
        self.seen.insert((request.at, span));
        let page = self.page(passage, span).await?;
        let next = self.numbers.len() as u32 + 1;
        let number = *self.numbers.entry(index).or_insert(next);
        Ok(Some(Citation {
            number,
            at: request.at,
            at_utf16: answer.get(..request.at).unwrap_or(answer).encode_utf16().count(),
            source: passage.key.source,
            page,
            span,
            quote,
        }))
    }

    /// The page that the words start on. A chunk knows the page that it starts on itself; its quote may
    /// stand on the next one.
    async fn page(&mut self, passage: &Chunk, span: Span) -> Result<Option<u32>> {
        if passage.page.is_none() {
            return Ok(None);
        }
        let source = passage.key.source;
        if let Entry::Vacant(entry) = self.pages.entry(source) {
            let pages = || async { Ok(self.store.layout(self.scope, source).await?.pages) };
            entry.insert(self.tape.take(|| Ask::Pages(source), pages).await?);
        }
        let pages = self.pages.get(&source).map(Vec::as_slice).unwrap_or_default();
        let after = pages.partition_point(|page| page.span.start <= span.start);
        Ok(after.checked_sub(1).and_then(|index| pages.get(index)).map(|page| page.number))
    }

    /// For an answer without a single mark, as small models write: the sentences that a passage
    /// covers for the most part, with that passage.
    pub(super) fn attribute(&self, answer: &str) -> Vec<CiteRequest> {
        sentences(answer)
            .into_iter()
            .filter_map(|range| {
                let claim = answer.get(range.clone())?;
                let best = self
                    .passages
                    .iter()
                    .enumerate()
                    .filter_map(|(index, passage)| {
                        Some((align(claim, &passage.text)?.score, index))
                    })
                    .filter(|(score, _)| *score >= ATTRIBUTE_FROM)
                    // The first of equals: it is the passage ranked highest.
                    .reduce(|best, next| if next.0 > best.0 { next } else { best })?;
                Some(CiteRequest {
                    passage: best.1 as u32 + 1,
                    at: range.end,
                    claim: claim.to_owned(),
                })
            })
            .collect()
    }
}
