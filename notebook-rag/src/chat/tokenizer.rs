//! Exact token counts for models of other machines whose tokenizer is public: a layer around the adapter.
//!
//! Makers publish it as `tokenizer.json`: those of Llama, Qwen, Mistral, DeepSeek, Gemma and many others.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
    sync::Arc,
};

use async_trait::async_trait;
use notebook_core::{
    Error, ErrorKind, Result,
    chat::{ChatModel, ChatModelInfo, ChatRequest, ChatStream, TokenCount},
};
use tokenizers::Tokenizer;

use super::counts::count;

const OPERATION: &str = "load tokenizer";

/// The largest file that is read: twice the largest that is known (Gemma's, of 262,144 tokens).
const MOST_BYTES: u64 = 64 << 20;

/// A tokenizer as its maker published it.
#[derive(Debug)]
pub struct PublicTokenizer(Tokenizer);

impl PublicTokenizer {
    /// Reads a `tokenizer.json`. Blocks meanwhile: up to a second for the largest.
    ///
    /// # Errors
    /// `NotFound` when there is no such file, `TooLarge` above 64 MiB, `Corrupt` when it is not a tokenizer;
    /// `Unavailable` when it cannot be read. The context names the file and what to do.
    pub fn load(file: &Path) -> Result<Self> {
        let wrong = |kind, reason: String, fix: &str| {
            Error::new(kind, OPERATION)
                .with("file", file.display().to_string())
                .with("reason", reason)
                .with("fix", fix)
        };
        let bytes = read(file).map_err(|error| {
            let kind = match error.kind() {
                io::ErrorKind::NotFound => ErrorKind::NotFound,
                io::ErrorKind::FileTooLarge => ErrorKind::TooLarge,
                io::ErrorKind::IsADirectory => ErrorKind::InvalidInput,
                _ => ErrorKind::Unavailable,
            };
            let fix = "name the tokenizer.json that the model's maker published";
            wrong(kind, error.to_string(), fix).caused_by(error)
        })?;
        let fix = "fetch the file again; it must be a tokenizer.json of the library `tokenizers`";
        let corrupt = |reason: String| wrong(ErrorKind::Corrupt, reason, fix);
        let mut tokenizer =
            Tokenizer::from_bytes(&bytes).map_err(|error| corrupt(error.to_string()))?;
        // Many files say how texts are to be cut or filled up, for embeddings: that would be counted.
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|error| corrupt(error.to_string()))?;
        match tokenizer.encode_fast("a word", false) {
            Ok(encoding) if !encoding.is_empty() => Ok(Self(tokenizer)),
            Ok(_) => Err(corrupt("it makes no tokens of a text".into())),
            Err(error) => Err(corrupt(error.to_string())),
        }
    }

    /// How many tokens a text is, without those that begin or end a message. Texts over 256 KiB are estimated.
    #[must_use]
    pub fn count(&self, text: &str) -> TokenCount {
        count(&self.0, text)
    }
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let opened = File::open(file)?;
    if opened.metadata()?.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
    }
    let mut bytes = Vec::new();
    opened.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        let reason = format!("it is larger than {} MiB", MOST_BYTES >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
    }
    Ok(bytes)
}

/// A model whose tokens are counted by a public tokenizer.
pub struct Counted {
    inner: Arc<dyn ChatModel>,
    tokenizer: Arc<PublicTokenizer>,
}

impl Counted {
    /// A model with its tokenizer.
    #[must_use]
    pub fn new(inner: Arc<dyn ChatModel>, tokenizer: Arc<PublicTokenizer>) -> Self {
        Self { inner, tokenizer }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ChatModel for Counted {
    fn info(&self) -> &ChatModelInfo {
        self.inner.info()
    }

    async fn stream(&self, request: ChatRequest) -> Result<ChatStream> {
        self.inner.stream(request).await
    }

    fn count_tokens(&self, text: &str) -> TokenCount {
        self.tokenizer.count(text)
    }

    async fn check(&self) -> Result<()> {
        self.inner.check().await
    }
}
