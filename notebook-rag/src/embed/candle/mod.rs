//! BERT-family sentence embeddings on the CPU, from a folder of safetensors.
//!
//! Texts are packed end to end without padding, sorted by length into small batches, and run on a
//! few threads that belong to the model. The kernels are chosen at run time (`crate::kernels`).

mod bert;
mod config;
mod pool;
mod tokens;
mod weights;

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
    bert::Scratch,
    config::{Settings, unreadable},
    pool::Pool,
    tokens::Tokens,
    weights::Weights,
};

/// The files that a model's folder must hold.
pub const MODEL_FILES: [&str; 3] = ["config.json", "tokenizer.json", "model.safetensors"];

/// The texts of one call that are tokenised, sorted and held in memory at once.
const WINDOW: usize = 512;
/// The tokens of a batch. More does not make the matrix products faster, and questions wait longer.
const BATCH_TOKENS: usize = 520;

/// How a model is loaded.
#[derive(Debug, Clone, Default)]
pub struct CandleOptions {
    /// The most tokens read of a text; the folder's own limit, else 256, when `None`.
    pub max_tokens: Option<usize>,
    /// Threads for the model; one for each core when `None`.
    pub threads: Option<NonZeroUsize>,
}

/// A BERT-family embedder.
///
/// Its model name is the folder's name and a hash of all that its vectors depend on, such as
/// `all-MiniLM-L6-v2@1f5ab0c2`.
pub struct CandleEmbedder {
    space: VectorSpace,
    model: Arc<Model>,
    pool: Pool<Scratch>,
}

struct Model {
    settings: Settings,
    weights: Weights,
    tokens: Tokens,
}

impl CandleEmbedder {
    /// Loads the model in `folder`, calling it `name`. Reads the files and blocks meanwhile.
    ///
    /// # Errors
    /// `NotFound` when a file is missing, `Corrupt` when one is damaged or disagrees with the
    /// others, `Unsupported` when the model is of another kind; the context names file and field.
    pub fn load(name: &str, folder: &Path, options: &CandleOptions) -> Result<Self> {
        let settings = Settings::read(folder, options.max_tokens)?;
        let mut hash = Sha256::new();
        hash.update(format!("{:?} {}", settings.pooling, settings.max_tokens));
        let (file, bytes) = read(folder, "tokenizer.json")?;
        hash.update(&bytes);
        let tokens = Tokens::parse(&file, &bytes, settings.bert.vocab_size, settings.max_tokens)?;
        let (file, bytes) = read(folder, "model.safetensors")?;
        hash.update(&bytes);
        let weights = Weights::parse(&file, &bytes, &settings.bert)?;
        let hash = notebook_core::hex(hash.finalize());
        let space = VectorSpace {
            model: format!("{name}@{hash:.8}"),
            dimensions: settings.bert.hidden_size,
        };
        let threads = options
            .threads
            .or_else(|| thread::available_parallelism().ok())
            .map_or(1, NonZeroUsize::get);
        Ok(Self {
            space,
            model: Arc::new(Model { settings, weights, tokens }),
            pool: Pool::start(threads)?,
        })
    }

    /// Token ids of `texts`, in their order.
    async fn tokenise(&self, kind: EmbedKind, texts: &[String]) -> Result<Vec<Vec<u32>>> {
        let parts = texts.chunks(32).map(|texts| {
            let (model, texts) = (Arc::clone(&self.model), texts.to_vec());
            self.pool.run(kind, move |_| {
                texts.iter().map(|text| model.tokens.ids(text)).collect::<Result<Vec<_>>>()
            })
        });
        let parts: Vec<_> = try_join_all(parts).await?.into_iter().collect::<Result<_>>()?;
        Ok(parts.into_iter().flatten().collect())
    }

    /// The vectors of a batch, each with the place of its text.
    async fn forward(
        &self,
        kind: EmbedKind,
        batch: Vec<(usize, Vec<u32>)>,
    ) -> Result<Vec<(usize, Vec<f32>)>> {
        let model = Arc::clone(&self.model);
        let vectors = self.pool.run(kind, move |scratch| {
            let texts: Vec<&[u32]> = batch.iter().map(|(_, ids)| ids.as_slice()).collect();
            let vectors = bert::forward(&model.settings, &model.weights, scratch, &texts)?;
            Ok(batch.iter().map(|(place, _)| *place).zip(vectors).collect())
        });
        vectors.await?.map_err(|error: bert::ShapeError| {
            Error::new(ErrorKind::Internal, "run embedding model").caused_by(error)
        })
    }
}

#[async_trait]
impl Embedder for CandleEmbedder {
    fn space(&self) -> &VectorSpace {
        &self.space
    }

    fn max_tokens(&self) -> usize {
        self.model.settings.max_tokens
    }

    async fn embed(&self, kind: EmbedKind, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        let mut vectors = Vec::with_capacity(texts.len());
        for window in texts.chunks(WINDOW) {
            let ids = self.tokenise(kind, window).await?;
            let batches = batches(ids).into_iter().map(|batch| self.forward(kind, batch));
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
        self.model.tokens.count(text)
    }
}

/// Groups texts of like length, longest first, each with its place among the texts.
fn batches(texts: Vec<Vec<u32>>) -> Vec<Vec<(usize, Vec<u32>)>> {
    let mut sorted: Vec<_> = texts.into_iter().enumerate().collect();
    sorted.sort_by_key(|(_, ids)| std::cmp::Reverse(ids.len()));
    let mut batches: Vec<Vec<(usize, Vec<u32>)>> = Vec::new();
    let mut room = 0;
    for text in sorted {
        let tokens = text.1.len();
        match batches.last_mut() {
            Some(batch) if tokens <= room => batch.push(text),
            _ => {
                batches.push(vec![text]);
                room = BATCH_TOKENS;
            }
        }
        room = room.saturating_sub(tokens);
    }
    batches
}

/// A file's path and bytes.
fn read(folder: &Path, name: &str) -> Result<(PathBuf, Vec<u8>)> {
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
