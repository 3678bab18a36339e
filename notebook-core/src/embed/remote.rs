//! What the remote embedders share: prefixes, batches, and checks of what comes back.

use async_trait::async_trait;

use super::{
    EmbedKind, Embedder,
    batch::{BatchSize, batches},
};
use crate::{
    Error, Result, cache::CacheKey, chat::TokenCount, http::protocol, vector::VectorSpace,
};

pub(super) const OPERATION: &str = "embed texts";

/// How texts are prepared for a remote model. The same for every provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteEmbedOptions {
    /// The length of the model's vectors; asked from the model when `None`.
    pub dimensions: Option<usize>,
    /// The most tokens that the model reads of a text; longer texts are cut before they are sent.
    pub max_tokens: usize,
    /// Put before every question, such as `query: `, where the model was trained so.
    pub query_prefix: String,
    /// Put before every passage, such as `passage: `.
    pub passage_prefix: String,
    /// The most texts in one call.
    pub batch_texts: usize,
    /// The most bytes of text in one call; a single text may be longer.
    pub batch_bytes: usize,
}

impl RemoteEmbedOptions {
    /// How much one call takes.
    #[must_use]
    pub const fn batch(&self) -> BatchSize {
        BatchSize { texts: self.batch_texts, bytes: self.batch_bytes }
    }
}

impl Default for RemoteEmbedOptions {
    /// 512 tokens a text, no prefixes, calls of 64 texts or 256 KiB.
    fn default() -> Self {
        let batch = BatchSize::default();
        Self {
            dimensions: None,
            max_tokens: 512,
            query_prefix: String::new(),
            passage_prefix: String::new(),
            batch_texts: batch.texts,
            batch_bytes: batch.bytes,
        }
    }
}

/// One provider's call.
#[async_trait]
pub(super) trait Dialect: Send + Sync + 'static {
    /// The vectors of one batch, in order, unchecked.
    async fn call(&self, kind: EmbedKind, texts: &[String]) -> Result<Vec<Vec<f32>>>;
}

/// An embedder over a dialect.
pub(super) struct Remote<D> {
    dialect: D,
    options: RemoteEmbedOptions,
    space: VectorSpace,
}

impl<D: Dialect> Remote<D> {
    /// Checks the options and asks the model for its dimensions, if they are not given. `name` is
    /// the provider and the model.
    pub(super) async fn connect(
        dialect: D,
        options: RemoteEmbedOptions,
        name: String,
    ) -> Result<Self> {
        check_options(&options)?;
        let space = VectorSpace { model: space_name(name, &options), dimensions: 0 };
        let mut remote = Self { dialect, options, space };
        remote.space.dimensions = match remote.options.dimensions {
            Some(dimensions) => dimensions,
            None => remote.ask_dimensions().await?,
        };
        Ok(remote)
    }

    async fn ask_dimensions(&self) -> Result<usize> {
        let vectors = self.dialect.call(EmbedKind::Passage, &["dimensions".to_owned()]).await?;
        let length = vectors.first().map_or(0, Vec::len);
        unit_vectors(vectors, 1, length)?;
        Ok(length)
    }

    fn prepare(&self, kind: EmbedKind, text: &str) -> String {
        let prefix = match kind {
            EmbedKind::Query => &self.options.query_prefix,
            EmbedKind::Passage => &self.options.passage_prefix,
        };
        let room = self.options.max_tokens.saturating_sub(TokenCount::estimate(prefix).tokens);
        format!("{prefix}{}", cut(text, room))
    }
}

#[async_trait]
impl<D: Dialect> Embedder for Remote<D> {
    fn space(&self) -> &VectorSpace {
        &self.space
    }

    fn max_tokens(&self) -> usize {
        self.options.max_tokens
    }

    async fn embed(&self, kind: EmbedKind, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        let prepared: Vec<String> = texts.iter().map(|text| self.prepare(kind, text)).collect();
        let mut all = Vec::with_capacity(texts.len());
        for range in batches(&prepared, self.options.batch()) {
            let batch = prepared.get(range).unwrap_or_default();
            let vectors = self.dialect.call(kind, batch).await?;
            all.extend(unit_vectors(vectors, batch.len(), self.space.dimensions)?);
        }
        Ok(all)
    }

    fn count_tokens(&self, text: &str) -> usize {
        TokenCount::estimate(text).tokens
    }
}

fn check_options(options: &RemoteEmbedOptions) -> Result<()> {
    for (field, value) in [
        ("dimensions", options.dimensions.unwrap_or(1)),
        ("max_tokens", options.max_tokens),
        ("batch_texts", options.batch_texts),
        ("batch_bytes", options.batch_bytes),
    ] {
        if value == 0 {
            return Err(Error::invalid("configure embedder", field, "give a number over 0"));
        }
    }
    let prefix = options.query_prefix.len().max(options.passage_prefix.len());
    if prefix >= options.max_tokens {
        let fix = "give prefixes that are shorter than max_tokens";
        return Err(Error::invalid("configure embedder", "query_prefix", fix));
    }
    Ok(())
}

/// Prefixes change the vectors, so they are part of the name.
fn space_name(name: String, options: &RemoteEmbedOptions) -> String {
    let prefixes = [&options.query_prefix, &options.passage_prefix];
    if prefixes.iter().all(|prefix| prefix.is_empty()) {
        return name;
    }
    let key = CacheKey::of(&prefixes.map(|prefix| prefix.as_bytes()));
    let hash = crate::hex(key.as_bytes());
    format!("{name}+prefix-{hash:.8}")
}

/// The beginning of a text of at most so many tokens by the estimate. An empty text becomes a
/// space, for most providers refuse an empty one.
pub(crate) fn cut(text: &str, max_tokens: usize) -> &str {
    if text.is_empty() {
        return " ";
    }
    let (mut ascii, mut other) = (0_usize, 0_usize);
    for (at, c) in text.char_indices() {
        if c.is_ascii() {
            ascii += 1
        } else {
            other += 1
        }
        if ascii.div_ceil(3) + other > max_tokens {
            return text.get(..at).filter(|text| !text.is_empty()).unwrap_or(" ");
        }
    }
    text
}

/// Checks number, length and values, and scales to unit length.
fn unit_vectors(
    mut vectors: Vec<Vec<f32>>,
    count: usize,
    dimensions: usize,
) -> Result<Vec<Vec<f32>>> {
    let wrong = |what: &str, expected: usize, got: usize| {
        protocol(OPERATION, &format!("returned another {what} than was asked for"))
            .with("expected", expected.to_string())
            .with("got", got.to_string())
    };
    if vectors.len() != count {
        return Err(wrong("number of vectors", count, vectors.len()));
    }
    for vector in &mut vectors {
        if vector.len() != dimensions || vector.is_empty() {
            return Err(wrong("length of vectors", dimensions, vector.len()));
        }
        let norm = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
        if !norm.is_finite() || norm < 1e-12 {
            let problem = "returned a vector of zeros or of numbers that are not finite";
            return Err(protocol(OPERATION, problem));
        }
        vector.iter_mut().for_each(|x| *x = (f64::from(*x) / norm) as f32);
    }
    Ok(vectors)
}

/// Puts vectors that carry their index in order.
#[cfg(feature = "openai")]
pub(super) fn in_order(indexed: Vec<(usize, Vec<f32>)>) -> Result<Vec<Vec<f32>>> {
    let count = indexed.len();
    let mut slots: Vec<Option<Vec<f32>>> = vec![None; count];
    for (index, vector) in indexed {
        match slots.get_mut(index) {
            Some(slot @ None) => *slot = Some(vector),
            _ => {
                let problem = "returned an index twice, or one that is out of range";
                return Err(protocol(OPERATION, problem).with("index", index.to_string()));
            }
        }
    }
    Ok(slots.into_iter().flatten().collect())
}

/// The longest answer to a call of so many texts: vectors of 8,192 numbers of 24 characters.
pub(super) const fn answer_limit(texts: usize) -> usize {
    crate::http::MAX_MESSAGE_BYTES + texts * 8192 * 24
}

/// A model name that is not given.
#[cfg(any(feature = "openai", feature = "ollama"))]
pub(super) fn check_model(model: &str) -> Result<()> {
    if model.trim().is_empty() {
        let fix = "name the embedding model to use";
        return Err(Error::invalid("configure embedder", "model", fix));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn texts_are_cut_on_a_character() {
        assert_eq!(cut("abcdefgh", 2), "abcdef");
        assert_eq!(cut("日本語", 2), "日本");
        assert_eq!((cut("", 9), cut("日", 0)), (" ", " "));
        assert_eq!(cut("short", 100), "short");
    }

    #[test]
    fn wrong_vectors_are_protocol_errors() {
        let error = |vectors: Vec<Vec<f32>>| unit_vectors(vectors, 1, 2).unwrap_err().kind();
        for wrong in [
            vec![],
            vec![vec![1.0, 0.0], vec![1.0, 0.0]],
            vec![vec![1.0]],
            vec![vec![f32::NAN, 1.0]],
            vec![vec![f32::INFINITY, 1.0]],
            vec![vec![0.0, 0.0]],
        ] {
            assert_eq!(error(wrong), ErrorKind::Protocol);
        }
        assert_eq!(unit_vectors(vec![vec![3.0, 4.0]], 1, 2).unwrap(), [[0.6, 0.8]]);
    }

    #[test]
    fn prefixes_change_the_name() {
        let plain = RemoteEmbedOptions::default();
        let query = RemoteEmbedOptions { query_prefix: "q: ".into(), ..plain.clone() };
        let passage = RemoteEmbedOptions { passage_prefix: "q: ".into(), ..plain.clone() };
        let names = [&plain, &query, &passage].map(|options| space_name("p/m".into(), options));
        assert_eq!(names[0], "p/m");
        assert!(names[1].starts_with("p/m+prefix-") && names[1] != names[2]);
    }
}
