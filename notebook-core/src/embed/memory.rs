//! An embedder without a model: words hashed into a vector.

use async_trait::async_trait;

use super::{EmbedKind, Embedder};
use crate::{Result, vector::VectorSpace};

const DIMENSIONS: usize = 256;
/// Texts are read whole, and this is what that means in tokens.
const MAX_TOKENS: usize = 1 << 20;

/// Hashes words and pairs of neighbouring words into 256 signed counts of unit length.
///
/// It is deterministic, needs no model, and finds texts that **share words** with the question. It
/// knows nothing of meaning: "car" and "automobile" are as far apart as any two words. It serves
/// tests and programs without a model; a keyword index serves people better.
///
/// ```
/// use notebook_core::embed::{EmbedKind, Embedder, HashingEmbedder};
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let texts = ["the honey of bees", "bees make honey", "stocks fell"].map(str::to_owned);
/// let v = HashingEmbedder::new().embed(EmbedKind::Passage, &texts).await?;
/// let near = |a: &[f32], b: &[f32]| -> f32 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
/// assert!(near(&v[0], &v[1]) > near(&v[0], &v[2]));
/// # Ok::<(), notebook_core::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct HashingEmbedder {
    space: VectorSpace,
}

impl HashingEmbedder {
    /// The embedder; its space is called `hashing-256`.
    #[must_use]
    pub fn new() -> Self {
        Self { space: VectorSpace { model: "hashing-256".into(), dimensions: DIMENSIONS } }
    }
}

impl Default for HashingEmbedder {
    fn default() -> Self {
        Self::new()
    }
}

/// The words of a text in lower case, each with letters or digits only.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

/// FNV-1a over the parts with a separator, then mixed, for FNV's high bits are poor.
fn hash(parts: &[&str]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        for byte in part.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

fn add(counts: &mut [f32], feature: u64, weight: f32) {
    let slot = (feature % DIMENSIONS as u64) as usize;
    let sign = if feature >> 63 == 0 { weight } else { -weight };
    if let Some(count) = counts.get_mut(slot) {
        *count += sign;
    }
}

fn embed(text: &str) -> Vec<f32> {
    let mut counts = vec![0.0_f32; DIMENSIONS];
    let mut previous: Option<String> = None;
    for word in words(text) {
        add(&mut counts, hash(&[&word]), 1.0);
        if let Some(previous) = previous {
            add(&mut counts, hash(&[&previous, &word]), 0.5);
        }
        previous = Some(word);
    }
    if counts.iter().all(|count| *count == 0.0) {
        // Every text has a direction, one without words too.
        add(&mut counts, hash(&[]), 1.0);
    }
    // The root keeps a word that is often repeated from hiding the others.
    counts.iter_mut().for_each(|count| *count = count.signum() * count.abs().sqrt());
    let norm = counts.iter().map(|count| count * count).sum::<f32>().sqrt();
    counts.iter_mut().for_each(|count| *count /= norm);
    counts
}

#[async_trait]
impl Embedder for HashingEmbedder {
    fn space(&self) -> &VectorSpace {
        &self.space
    }

    fn max_tokens(&self) -> usize {
        MAX_TOKENS
    }

    async fn embed(&self, _: EmbedKind, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        Ok(texts.iter().map(|text| embed(text)).collect())
    }

    /// Words, counted like a usual model's tokens: one for every four letters begun.
    fn count_tokens(&self, text: &str) -> usize {
        words(text).map(|word| word.len().div_ceil(4)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stored vectors depend on it: a change needs another name of the space.
    #[test]
    fn the_hash_never_changes() {
        assert_eq!(hash(&["bees"]), 0x789c_5b8d_db2e_1f50);
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
    }

    #[test]
    fn case_and_punctuation_do_not_count() {
        assert_eq!(embed("Bees, make HONEY!"), embed("bees make honey"));
        assert_ne!(embed("bees make honey"), embed("honey make bees"));
    }

    #[test]
    fn a_text_without_words_has_unit_length() {
        for text in ["", " ", "…!"] {
            let norm: f32 = embed(text).iter().map(|x| x * x).sum();
            assert!((norm - 1.0).abs() < 1e-6, "{text:?}");
        }
    }
}
