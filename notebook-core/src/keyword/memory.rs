//! The reference: all chunks scored one by one.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use async_trait::async_trait;
use parking_lot::RwLock;

use super::{Bm25, KeywordIndex, KeywordRecord, check_limit};
use crate::{
    NotebookId, Result, SourceId, TenantId, TenantScope,
    model::ChunkKey,
    vector::{ChunkFilter, Hit},
};

/// Words in memory, without stemming: for tests, and as what other adapters are compared with.
///
/// A clone shares the chunks.
#[derive(Debug, Clone, Default)]
pub struct MemoryKeywordIndex {
    tenants: Arc<RwLock<HashMap<TenantId, Tenant>>>,
}

#[derive(Debug, Default)]
struct Tenant {
    visible: BTreeMap<ChunkKey, Entry>,
    added: BTreeMap<ChunkKey, Entry>,
}

#[derive(Debug)]
struct Entry {
    notebook: NotebookId,
    length: usize,
    counts: HashMap<String, usize>,
}

impl MemoryKeywordIndex {
    /// An empty index.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Entry {
    fn new(notebook: NotebookId, record: &KeywordRecord) -> Self {
        let mut counts = HashMap::new();
        let mut length = 0;
        for word in words(&record.headings).into_iter().chain(words(&record.text)) {
            *counts.entry(word).or_default() += 1;
            length += 1;
        }
        Self { notebook, length, counts }
    }
}

impl Tenant {
    fn score(&self, query: &[String]) -> Vec<(ChunkKey, NotebookId, f32)> {
        let chunks = self.visible.len() as u64;
        let total: usize = self.visible.values().map(|entry| entry.length).sum();
        let average = total as f32 / chunks.max(1) as f32;
        let idf = |word: &String| {
            let holding = self.visible.values().filter(|e| e.counts.contains_key(word)).count();
            Bm25::idf(holding as u64, chunks)
        };
        let weighted: Vec<_> = query.iter().map(|word| (word, idf(word))).collect();
        let score = |entry: &Entry| -> f32 {
            let terms = weighted.iter().filter_map(|(word, idf)| {
                let occurrences = *entry.counts.get(*word)? as f32;
                Some(Bm25::default().term(*idf, occurrences, entry.length as f32, average))
            });
            terms.sum()
        };
        let scored = self.visible.iter().map(|(key, entry)| (*key, entry.notebook, score(entry)));
        scored.filter(|(_, _, score)| *score > 0.0).collect()
    }
}

#[async_trait]
impl KeywordIndex for MemoryKeywordIndex {
    async fn add(
        &self,
        scope: &TenantScope,
        notebook: NotebookId,
        source: SourceId,
        records: Vec<KeywordRecord>,
    ) -> Result<()> {
        let mut tenants = self.tenants.write();
        let added = &mut tenants.entry(scope.tenant()).or_default().added;
        for record in records {
            let key = ChunkKey { source, ordinal: record.ordinal };
            added.insert(key, Entry::new(notebook, &record));
        }
        Ok(())
    }

    async fn commit(&self, scope: &TenantScope) -> Result<()> {
        if let Some(Tenant { visible, added }) = self.tenants.write().get_mut(&scope.tenant()) {
            visible.append(added);
        }
        Ok(())
    }

    async fn delete_source(&self, scope: &TenantScope, source: SourceId) -> Result<()> {
        if let Some(tenant) = self.tenants.write().get_mut(&scope.tenant()) {
            tenant.visible.retain(|key, _| key.source != source);
            tenant.added.retain(|key, _| key.source != source);
        }
        Ok(())
    }

    async fn remove_tenant(&self, scope: &TenantScope) -> Result<()> {
        self.tenants.write().remove(&scope.tenant());
        Ok(())
    }

    async fn search(
        &self,
        scope: &TenantScope,
        text: &str,
        limit: usize,
        filter: &ChunkFilter,
    ) -> Result<Vec<Hit>> {
        check_limit(limit)?;
        let tenants = self.tenants.read();
        let Some(tenant) = tenants.get(&scope.tenant()) else { return Ok(Vec::new()) };
        let scored = tenant.score(&words(text)).into_iter();
        let passing = scored.filter(|(key, notebook, _)| filter.matches(*notebook, key.source));
        let mut hits: Vec<_> = passing.map(|(key, _, score)| Hit { key, score }).collect();
        // Entries come in the order of their keys, and the sort is stable.
        hits.sort_by(|a, b| b.score.total_cmp(&a.score));
        hits.truncate(limit);
        Ok(hits)
    }

    async fn count(&self, scope: &TenantScope, filter: &ChunkFilter) -> Result<u64> {
        let tenants = self.tenants.read();
        let Some(tenant) = tenants.get(&scope.tenant()) else { return Ok(0) };
        let passing =
            tenant.visible.iter().filter(|(key, entry)| filter.matches(entry.notebook, key.source));
        Ok(passing.count() as u64)
    }
}

/// Runs of letters and digits in lower case; runs of Chinese, Japanese and Korean characters as
/// overlapping pairs.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for run in text.split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty()) {
        let characters: Vec<char> = run.chars().flat_map(char::to_lowercase).collect();
        for part in characters.chunk_by(|a, b| is_dense(*a) == is_dense(*b)) {
            if part.first().is_some_and(|c| is_dense(*c)) && part.len() > 1 {
                words.extend(part.windows(2).map(|pair| pair.iter().collect::<String>()));
            } else {
                words.push(part.iter().collect());
            }
        }
    }
    words
}

fn is_dense(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}')
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::FutureExt;

    use super::*;
    use crate::keyword::conformance;

    #[tokio::test]
    async fn memory_conforms() {
        let base = MemoryKeywordIndex::new();
        let open = || {
            let index: Arc<dyn KeywordIndex> = Arc::new(base.clone());
            async move { Ok(index) }.boxed()
        };
        assert_eq!(conformance::run_all(&open).await, Vec::<String>::new());
    }

    /// A suite that passes everything would be worth nothing.
    #[tokio::test]
    async fn conformance_finds_an_index_that_ignores_tenants_commits_filters_and_deletes() {
        struct Broken(MemoryKeywordIndex);
        fn shared() -> TenantScope {
            #[allow(clippy::disallowed_methods, reason = "a test")]
            TenantScope::authenticated(TenantId::from_u128(1))
        }
        #[async_trait]
        impl KeywordIndex for Broken {
            async fn add(
                &self,
                _: &TenantScope,
                notebook: NotebookId,
                source: SourceId,
                records: Vec<KeywordRecord>,
            ) -> Result<()> {
                self.0.add(&shared(), notebook, source, records).await?;
                self.0.commit(&shared()).await
            }
            async fn commit(&self, _: &TenantScope) -> Result<()> {
                Ok(())
            }
            async fn delete_source(&self, _: &TenantScope, _: SourceId) -> Result<()> {
                Ok(())
            }
            async fn remove_tenant(&self, _: &TenantScope) -> Result<()> {
                Ok(())
            }
            async fn search(
                &self,
                _: &TenantScope,
                text: &str,
                limit: usize,
                _: &ChunkFilter,
            ) -> Result<Vec<Hit>> {
                self.0.search(&shared(), text, limit, &ChunkFilter::default()).await
            }
            async fn count(&self, _: &TenantScope, _: &ChunkFilter) -> Result<u64> {
                self.0.count(&shared(), &ChunkFilter::default()).await
            }
        }
        let base = MemoryKeywordIndex::new();
        let open = || {
            let index: Arc<dyn KeywordIndex> = Arc::new(Broken(base.clone()));
            async move { Ok(index) }.boxed()
        };
        let failures = conformance::run_all(&open).await.join("\n");
        for name in [
            "tenants_do_not_see_each_other",
            "adds_are_visible_after_commit",
            "filters",
            "a_delete_is_visible_at_once",
            "a_removed_tenant_leaves_nothing",
        ] {
            assert!(failures.contains(name), "{name} missed: {failures}");
        }
    }

    #[test]
    fn words_are_folded_to_lower_case_and_pairs() {
        assert_eq!(words("The BEE's 東京都 x1"), ["the", "bee", "s", "東京", "京都", "x1"]);
    }
}
