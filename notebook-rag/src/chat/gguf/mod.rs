//! Llama-family chat models from a GGUF file, on the CPU.
//!
//! The weights stay in the mapped file; the tokenizer and the chat template come out of it. A
//! thread of the model's own generates one answer at a time; others wait in their order.

mod file;
mod llama;
mod sample;
mod sizes;
mod template;
#[cfg(test)]
mod tests;
mod text;
mod tokens;
mod weights;
mod worker;

use std::{num::NonZeroUsize, path::Path, sync::Arc, thread};

use async_trait::async_trait;
use futures::stream;
use notebook_core::{
    Error, ErrorKind, Result,
    chat::{
        ChatEvent, ChatModel, ChatModelInfo, ChatRequest, ChatStream, TokenCount, check_request,
    },
};
use tokio::{sync::mpsc, task::spawn_blocking};

use self::{
    file::{Gguf, OPERATION},
    llama::Llama,
    sample::Sampler,
    template::Template,
    text::TextOut,
    tokens::Tokens,
    worker::Job,
};

/// Tokens generated when a request does not say.
const DEFAULT_MAX_TOKENS: usize = 1024;

/// How a model is loaded.
#[derive(Debug, Clone)]
pub struct GgufOptions {
    /// The most tokens of prompt and answer; the file's own limit when `None` or larger.
    pub context_tokens: Option<NonZeroUsize>,
    /// Threads for the model; one for each core when `None`.
    pub threads: Option<NonZeroUsize>,
    /// Requests that may wait while one is answered; further ones wait for a place.
    pub waiting: NonZeroUsize,
}

impl Default for GgufOptions {
    fn default() -> Self {
        Self { context_tokens: None, threads: None, waiting: NonZeroUsize::MIN.saturating_add(7) }
    }
}

/// What a request needs of the file.
struct Loaded {
    llama: Llama,
    tokens: Tokens,
    template: Template,
}

/// A chat model from a GGUF file.
///
/// Without a temperature it is greedy: small models answer best so, and the same each time.
/// Texts of control tokens within messages are taken apart, so that no message can end itself.
pub struct GgufModel {
    info: ChatModelInfo,
    context: usize,
    model: Arc<Loaded>,
    queue: mpsc::Sender<Job>,
}

impl GgufModel {
    /// Loads the model in the file `path`. Reads the file and blocks meanwhile.
    ///
    /// # Errors
    /// `NotFound` when there is no such file, `Corrupt` when it is damaged, `Unsupported` when the
    /// model is of another kind; the context names the file and the setting or tensor.
    pub fn load(path: &Path, options: &GgufOptions) -> Result<Self> {
        let map =
            Arc::new(crate::models::mapped::map(path).map_err(|error| unreadable(path, error))?);
        let gguf = Gguf::parse(&path.display().to_string(), &map)?;
        let (template, tokens) = (Template::load(&gguf)?, Tokens::load(&gguf)?);
        let llama = Llama::load(&gguf, &map)?;
        let limit = options.context_tokens.map_or(usize::MAX, NonZeroUsize::get);
        let context = llama.sizes.context.min(limit);
        let threads = options
            .threads
            .or_else(|| thread::available_parallelism().ok())
            .map_or(1, NonZeroUsize::get);
        let model = Arc::new(Loaded { llama, tokens, template });
        let info = ChatModelInfo {
            provider: "gguf".into(),
            model: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            context_tokens: u32::try_from(context).ok(),
            local: true,
            tools: false,
        };
        let queue = worker::start(Arc::clone(&model), threads, options.waiting.get())?;
        Ok(Self { info, context, model, queue })
    }

    fn too_long(&self, tokens: usize) -> Error {
        Error::new(ErrorKind::ContextTooLong, "start chat")
            .with("prompt_tokens", tokens.to_string())
            .with("context_tokens", self.context.to_string())
            .with("fix", "shorten the messages or leave passages out")
    }

    /// The tokens of the prompt, made on a thread that may block.
    async fn prompt(&self, request: &ChatRequest) -> Result<Vec<u32>> {
        let bytes = request.messages.iter().map(|message| message.content.len()).sum();
        let least = self.model.tokens.least(bytes);
        if least >= self.context {
            return Err(self.too_long(least));
        }
        let (model, messages) = (Arc::clone(&self.model), request.messages.clone());
        let work = spawn_blocking(move || {
            let text = model.template.render(&model.tokens, &messages)?;
            let ids = model.tokens.ids(&text)?;
            Ok(match model.tokens.bos {
                Some((bos, _)) if ids.first() != Some(&bos) => [vec![bos], ids].concat(),
                _ => ids,
            })
        });
        work.await
            .map_err(|error| Error::new(ErrorKind::Internal, "render prompt").caused_by(error))?
    }
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::NotFound => ErrorKind::NotFound,
        // An empty file cannot be mapped.
        std::io::ErrorKind::InvalidInput => ErrorKind::Corrupt,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, OPERATION)
        .with("file", path.display().to_string())
        .with("reason", error.to_string())
        .with("fix", "fetch the file again, or name another in the configuration")
        .caused_by(error)
}

/// The events as a stream that always ends in `Finish` or an error.
fn read(events: mpsc::Receiver<Result<ChatEvent>>) -> ChatStream {
    Box::pin(stream::unfold(Some(events), |events| async {
        let mut events = events?;
        Some(match events.recv().await {
            Some(event @ (Ok(ChatEvent::Finish(_)) | Err(_))) => (event, None),
            Some(event) => (event, Some(events)),
            None => {
                let error = Error::new(ErrorKind::Internal, "run chat model")
                    .with("reason", "its thread gave up");
                (Err(error), None)
            }
        })
    }))
}

#[async_trait]
impl ChatModel for GgufModel {
    fn info(&self) -> &ChatModelInfo {
        &self.info
    }

    async fn stream(&self, request: ChatRequest) -> Result<ChatStream> {
        check_request(&self.info, &request)?;
        let sampler = Sampler::new(
            request.temperature.unwrap_or(0.0),
            request.top_p.unwrap_or(1.0),
            request.seed,
        );
        let prompt = self.prompt(&request).await?;
        let room = self.context.saturating_sub(prompt.len());
        if room == 0 || prompt.is_empty() {
            return Err(self.too_long(prompt.len()));
        }
        let asked = request
            .max_tokens
            .and_then(|most| usize::try_from(most).ok())
            .unwrap_or(DEFAULT_MAX_TOKENS);
        let most = asked.min(room);
        // A delta for each token, and usage, the rest of the text, and the end.
        let (events, receiver) = mpsc::channel(most + 3);
        let job = Job { prompt, most, sampler, text: TextOut::new(&request.stop), events };
        self.queue.send(job).await.map_err(|_| {
            Error::new(ErrorKind::Unavailable, "start chat")
                .with("reason", "the model's thread has ended")
        })?;
        Ok(read(receiver))
    }

    fn count_tokens(&self, text: &str) -> TokenCount {
        self.model.tokens.count(text)
    }

    async fn check(&self) -> Result<()> {
        if self.queue.is_closed() {
            return Err(Error::new(ErrorKind::Unavailable, "check chat model")
                .with("reason", "its thread has ended"));
        }
        Ok(())
    }
}
