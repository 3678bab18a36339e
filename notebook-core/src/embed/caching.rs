//! A layer that embeds a text once: vectors are cached by the hash of what they depend on.

use std::sync::Arc;

use async_trait::async_trait;

use super::{EmbedKind, Embedder};
use crate::{
    Error, ErrorKind, Result, TenantScope,
    cache::{Cache, CacheKey},
    vector::VectorSpace,
};

/// An embedder and a cache. A cache belongs to a tenant, so embedding goes through
/// [`for_scope`](Self::for_scope).
///
/// ```
/// use std::sync::Arc;
/// use notebook_core::embed::{CachingEmbedder, EmbedKind, Embedder, HashingEmbedder};
/// # use notebook_core::{Result, TenantScope, cache::Cache};
/// async fn embed(cache: Arc<dyn Cache>, scope: &TenantScope, texts: &[String]) -> Result<Vec<Vec<f32>>> {
///     let caching = CachingEmbedder::new(Arc::new(HashingEmbedder::new()), cache);
///     caching.for_scope(scope).embed(EmbedKind::Passage, texts).await
/// }
/// ```
#[derive(Clone)]
pub struct CachingEmbedder {
    inner: Arc<dyn Embedder>,
    cache: Arc<dyn Cache>,
}

/// A [`CachingEmbedder`] for one tenant.
///
/// The key of a vector holds the model, the dimensions, the kind and the text. A cache that fails
/// is gone without, with a warning in the log; a cached value that is no vector of the space is
/// embedded anew.
pub struct ScopedEmbedder {
    caching: CachingEmbedder,
    scope: TenantScope,
}

impl CachingEmbedder {
    /// A layer over an embedder.
    #[must_use]
    pub const fn new(inner: Arc<dyn Embedder>, cache: Arc<dyn Cache>) -> Self {
        Self { inner, cache }
    }

    /// The embedder for one tenant.
    #[must_use]
    pub fn for_scope(&self, scope: &TenantScope) -> ScopedEmbedder {
        ScopedEmbedder { caching: self.clone(), scope: scope.clone() }
    }
}

fn key(space: &VectorSpace, kind: EmbedKind, text: &str) -> CacheKey {
    let kind: &[u8] = match kind {
        EmbedKind::Query => b"query",
        EmbedKind::Passage => b"passage",
    };
    let dimensions = (space.dimensions as u64).to_le_bytes();
    CacheKey::of(&[b"embedding 1", space.model.as_bytes(), &dimensions, kind, text.as_bytes()])
}

fn to_bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// The vector of a cached value; `None` if it is none of unit length in this space.
fn from_bytes(bytes: &[u8], dimensions: usize) -> Option<Vec<f32>> {
    let (chunks, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() || chunks.len() != dimensions {
        return None;
    }
    let vector: Vec<f32> = chunks.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect();
    let norm: f32 = vector.iter().map(|x| x * x).sum();
    // A NaN fails the comparison too.
    ((norm - 1.0).abs() < 1e-3).then_some(vector)
}

impl ScopedEmbedder {
    /// Removes the vectors of texts, so that nothing is left of what was deleted. Where another text
    /// is the same, it is embedded anew when it is needed.
    ///
    /// # Errors
    /// Those of the cache.
    pub async fn forget(&self, kind: EmbedKind, texts: &[String]) -> Result<()> {
        let keys: Vec<CacheKey> = texts.iter().map(|text| key(self.space(), kind, text)).collect();
        self.caching.cache.remove(&self.scope, &keys).await
    }

    async fn cached(&self, keys: &[CacheKey]) -> Vec<Option<Vec<f32>>> {
        let dimensions = self.space().dimensions;
        match self.caching.cache.get(&self.scope, keys).await {
            Ok(values) if values.len() == keys.len() => values
                .into_iter()
                .map(|value| value.and_then(|bytes| from_bytes(&bytes, dimensions)))
                .collect(),
            Ok(_) => {
                tracing::warn!("the embedding cache returned another number of values");
                vec![None; keys.len()]
            }
            Err(error) => {
                tracing::warn!(%error, "the embedding cache cannot be read; embedding without it");
                vec![None; keys.len()]
            }
        }
    }

    async fn remember(&self, entries: Vec<(CacheKey, Vec<u8>)>) {
        if let Err(error) = self.caching.cache.put(&self.scope, entries).await {
            tracing::warn!(%error, "the embedding cache cannot be written; going on without it");
        }
    }
}

/// The texts to embed, each once, and for each place that has no vector yet which of them it is.
fn missing(
    keys: &[CacheKey],
    found: &[Option<Vec<f32>>],
    texts: &[String],
) -> (Vec<CacheKey>, Vec<String>) {
    let mut seen = std::collections::BTreeSet::new();
    keys.iter()
        .zip(found)
        .zip(texts)
        .filter(|((key, vector), _)| vector.is_none() && seen.insert(**key))
        .map(|((key, _), text)| (*key, text.clone()))
        .unzip()
}

#[async_trait]
impl Embedder for ScopedEmbedder {
    fn space(&self) -> &VectorSpace {
        self.caching.inner.space()
    }

    fn max_tokens(&self) -> usize {
        self.caching.inner.max_tokens()
    }

    async fn embed(&self, kind: EmbedKind, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<CacheKey> = texts.iter().map(|text| key(self.space(), kind, text)).collect();
        let mut found = self.cached(&keys).await;
        let (new_keys, new_texts) = missing(&keys, &found, texts);
        if !new_texts.is_empty() {
            let vectors = self.caching.inner.embed(kind, &new_texts).await?;
            let new: std::collections::BTreeMap<_, _> = new_keys.iter().zip(&vectors).collect();
            for (slot, key) in found.iter_mut().zip(&keys).filter(|(slot, _)| slot.is_none()) {
                *slot = new.get(key).map(|vector| (*vector).clone());
            }
            let entries = new_keys.iter().zip(&vectors);
            self.remember(entries.map(|(key, vector)| (*key, to_bytes(vector))).collect()).await;
        }
        let count = found.len();
        let vectors: Vec<Vec<f32>> = found.into_iter().flatten().collect();
        if vectors.len() == count {
            return Ok(vectors);
        }
        Err(Error::new(ErrorKind::Protocol, "embed texts")
            .with("problem", "the embedder returned another number of vectors than was asked for"))
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.caching.inner.count_tokens(text)
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::{TenantId, cache::memory::MemoryCache, embed::HashingEmbedder};

    /// Counts what reaches the embedder.
    #[derive(Default)]
    struct Counting {
        inner: HashingEmbedder,
        seen: Mutex<Vec<Vec<String>>>,
    }

    #[async_trait]
    impl Embedder for Counting {
        fn space(&self) -> &VectorSpace {
            self.inner.space()
        }

        fn max_tokens(&self) -> usize {
            self.inner.max_tokens()
        }

        async fn embed(&self, kind: EmbedKind, texts: &[String]) -> Result<Vec<Vec<f32>>> {
            self.seen.lock().push(texts.to_vec());
            self.inner.embed(kind, texts).await
        }

        fn count_tokens(&self, text: &str) -> usize {
            self.inner.count_tokens(text)
        }
    }

    /// A cache that fails, or holds garbage under every key.
    struct Broken {
        garbage: Option<Vec<u8>>,
    }

    #[async_trait]
    impl Cache for Broken {
        async fn get(&self, _: &TenantScope, keys: &[CacheKey]) -> Result<Vec<Option<Vec<u8>>>> {
            match &self.garbage {
                Some(bytes) => Ok(vec![Some(bytes.clone()); keys.len()]),
                None => Err(Error::new(ErrorKind::Unavailable, "get")),
            }
        }

        async fn put(&self, _: &TenantScope, _: Vec<(CacheKey, Vec<u8>)>) -> Result<()> {
            Err(Error::new(ErrorKind::Unavailable, "put"))
        }

        async fn remove(&self, _: &TenantScope, _: &[CacheKey]) -> Result<()> {
            Err(Error::new(ErrorKind::Unavailable, "remove"))
        }

        async fn clear(&self, _: &TenantScope) -> Result<()> {
            Ok(())
        }
    }

    #[allow(clippy::disallowed_methods)] // Tests make their own tenants.
    fn scope() -> TenantScope {
        TenantScope::authenticated(TenantId::new())
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[tokio::test]
    async fn a_text_is_embedded_once_for_each_tenant_and_kind() {
        let counting = Arc::new(Counting::default());
        let caching = CachingEmbedder::new(counting.clone(), Arc::new(MemoryCache::new(1 << 20)));
        let (ours, theirs) = (scope(), scope());
        let plain = HashingEmbedder::new();
        let first = texts(&["a", "b", "a"]);
        let second = texts(&["c", "b"]);
        for asked in [&first, &second] {
            let vectors = caching.for_scope(&ours).embed(EmbedKind::Passage, asked).await.unwrap();
            assert_eq!(vectors, plain.embed(EmbedKind::Passage, asked).await.unwrap());
        }
        caching.for_scope(&ours).embed(EmbedKind::Query, &texts(&["b"])).await.unwrap();
        caching.for_scope(&theirs).embed(EmbedKind::Passage, &texts(&["b"])).await.unwrap();
        let seen = counting.seen.lock().clone();
        assert_eq!(seen, [texts(&["a", "b"]), texts(&["c"]), texts(&["b"]), texts(&["b"])]);
    }

    #[tokio::test]
    async fn a_broken_cache_costs_only_time() {
        let nan = to_bytes(&[f32::NAN; 256]);
        for garbage in [None, Some(Vec::new()), Some(vec![0; 1024]), Some(vec![7; 3]), Some(nan)] {
            let cache = Arc::new(Broken { garbage });
            let caching = CachingEmbedder::new(Arc::new(HashingEmbedder::new()), cache);
            let asked = texts(&["bees", "honey"]);
            let vectors =
                caching.for_scope(&scope()).embed(EmbedKind::Query, &asked).await.unwrap();
            let plain = HashingEmbedder::new().embed(EmbedKind::Query, &asked).await.unwrap();
            assert_eq!(vectors, plain);
        }
    }
}
