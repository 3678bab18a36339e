//! What the embedders and rerankers of this process share: a model's folder, its tokenizer, batches, and threads.
//!
//! A backend is a [`Forward`]: token ids in, unit vectors out. Everything else is here, once.

pub(crate) mod batch;
pub(crate) mod config;
#[cfg(feature = "candle")]
pub(crate) mod pairs;
pub(crate) mod pool;
pub(super) mod pooling;
pub(crate) mod tokens;

use std::{
    fs, io,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use async_trait::async_trait;
use futures::future::try_join_all;
use notebook_core::{
    Error, ErrorKind, Result,
    embed::{EmbedKind, Embedder},
    vector::VectorSpace,
};
use sha2::{Digest, Sha256};

use self::{
    batch::{Batch, batches},
    config::{Settings, unreadable},
    pool::Pool,
    tokens::Tokens,
};

/// The texts of one call that are tokenised, sorted and held in memory at once.
const WINDOW: usize = 512;

/// How a model is loaded.
#[derive(Debug, Clone, Default)]
pub struct LocalOptions {
    /// The most tokens read of a text; the folder's own limit, else 256, when `None`. Of a pair of texts 512.
    pub max_tokens: Option<usize>,
    /// Threads for the model; one for each core when `None`.
    pub threads: Option<NonZeroUsize>,
}

impl LocalOptions {
    pub(crate) fn threads(&self) -> usize {
        self.threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
    }
}

/// The forward pass of a model. Blocks; runs on the threads of a [`Pool`].
pub trait Forward: Send + Sync + 'static {
    /// The buffers of a thread, kept between batches.
    type Scratch: Default + 'static;

    /// Whether the texts of a batch are filled up to the length of its longest.
    const PADDED: bool;

    /// Unit vectors of `texts` (token ids with special tokens, at least one each), in their order.
    ///
    /// # Errors
    /// `Internal` or `Corrupt` when the model fails.
    fn forward(&self, scratch: &mut Self::Scratch, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>>;
}

/// A BERT-family embedder in this process, by the backend `M`.
///
/// Its model name is the folder's name and a hash of all that its vectors depend on, such as
/// `all-MiniLM-L6-v2@1f5ab0c2`.
pub struct LocalEmbedder<M: Forward> {
    space: VectorSpace,
    max_tokens: usize,
    tokens: Arc<Tokens>,
    model: Arc<M>,
    pool: Pool<M::Scratch>,
}

/// A model's folder, all but its weights.
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) settings: Settings,
    tokens: Tokens,
    hash: Sha256,
}

impl Folder {
    /// Reads and checks everything but the weights.
    pub(super) fn open(path: &Path, options: &LocalOptions) -> Result<Self> {
        let settings = Settings::read(path, options.max_tokens)?;
        let mut hash = Sha256::new();
        hash.update(format!("{:?} {}", settings.pooling, settings.max_tokens));
        let (file, bytes) = read(path, "tokenizer.json")?;
        hash.update(&bytes);
        let tokens = Tokens::parse(&file, &bytes, settings.bert.vocab_size, settings.max_tokens)?;
        Ok(Self { path: path.to_path_buf(), settings, tokens, hash })
    }

    /// The path and the bytes of the file with the weights, which become part of the model's name.
    pub(super) fn weights(&mut self, name: &str) -> Result<(PathBuf, Vec<u8>)> {
        let (file, bytes) = read(&self.path, name)?;
        self.hash.update(&bytes);
        Ok((file, bytes))
    }
}

impl<M: Forward> LocalEmbedder<M> {
    /// Puts the parts together. `threads` run the model, each on its own batch.
    pub(super) fn new(name: &str, folder: Folder, model: M, threads: usize) -> Result<Self> {
        let hash = notebook_core::hex(folder.hash.finalize());
        let space = VectorSpace {
            model: format!("{name}@{hash:.8}"),
            dimensions: folder.settings.bert.hidden_size,
        };
        Ok(Self {
            space,
            max_tokens: folder.settings.max_tokens,
            tokens: Arc::new(folder.tokens),
            model: Arc::new(model),
            pool: Pool::start(threads)?,
        })
    }

    /// Token ids of `texts`, in their order.
    async fn tokenise(&self, kind: EmbedKind, texts: &[String]) -> Result<Vec<Vec<u32>>> {
        let parts = texts.chunks(32).map(|texts| {
            let (tokens, texts) = (Arc::clone(&self.tokens), texts.to_vec());
            self.pool.run(kind, move |_| {
                texts.iter().map(|text| tokens.ids(text)).collect::<Result<Vec<_>>>()
            })
        });
        let parts: Vec<_> = try_join_all(parts).await?.into_iter().collect::<Result<_>>()?;
        Ok(parts.into_iter().flatten().collect())
    }

    /// The vectors of a batch, each with the place of its text.
    async fn forward(&self, kind: EmbedKind, batch: Batch) -> Result<Vec<(usize, Vec<f32>)>> {
        let model = Arc::clone(&self.model);
        let vectors = self.pool.run(kind, move |scratch| {
            let texts: Vec<&[u32]> = batch.iter().map(|(_, ids)| ids.as_slice()).collect();
            let vectors = model.forward(scratch, &texts)?;
            Ok(batch.iter().map(|(place, _)| *place).zip(vectors).collect())
        });
        vectors.await?
    }
}

#[async_trait]
impl<M: Forward> Embedder for LocalEmbedder<M> {
    fn space(&self) -> &VectorSpace {
        &self.space
    }

    fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    async fn embed(&self, kind: EmbedKind, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        let mut vectors = Vec::with_capacity(texts.len());
        for window in texts.chunks(WINDOW) {
            let ids = self.tokenise(kind, window).await?;
            let batches =
                batches(ids, M::PADDED).into_iter().map(|batch| self.forward(kind, batch));
            let mut found: Vec<_> = try_join_all(batches).await?.into_iter().flatten().collect();
            found.sort_unstable_by_key(|(place, _)| *place);
            vectors.extend(found.into_iter().map(|(_, vector)| vector));
        }
        if vectors.iter().flatten().any(|value| !value.is_finite()) {
            return Err(Error::new(ErrorKind::Corrupt, "run embedding model")
                .with("model", self.space.model.clone())
                .with("reason", "a vector is not finite: the weights are damaged"));
        }
        Ok(vectors)
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.tokens.count(text)
    }
}

/// A file's path and bytes.
pub(crate) fn read(folder: &Path, name: &str) -> Result<(PathBuf, Vec<u8>)> {
    let file = folder.join(name);
    match fs::read(&file) {
        Ok(bytes) if bytes.is_empty() => {
            let error = io::Error::new(io::ErrorKind::UnexpectedEof, "the file is empty");
            Err(unreadable(&file, error))
        }
        Ok(bytes) => Ok((file, bytes)),
        Err(error) => Err(unreadable(&file, error)),
    }
}
