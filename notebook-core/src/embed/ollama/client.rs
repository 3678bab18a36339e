//! The adapter itself.

use async_trait::async_trait;

use super::{
    OllamaEmbedConfig,
    wire::{Request, Response},
};
use crate::{
    Result,
    chat::ollama::error,
    embed::{
        EmbedKind, Embedder,
        remote::{Dialect, OPERATION, Remote, answer_limit, check_model},
    },
    http::{BaseUrl, HttpClient, HttpRequest, success},
    vector::VectorSpace,
};

/// An embedding model at Ollama.
pub struct OllamaEmbedder(Remote<Ollama>);

struct Ollama {
    http: HttpClient,
    base: BaseUrl,
    config: OllamaEmbedConfig,
}

impl OllamaEmbedder {
    /// An embedder with these settings. Calls the provider only if the dimensions are not given.
    ///
    /// # Errors
    /// `InvalidInput` that names a wrong setting; as [`Embedder::embed`].
    pub async fn connect(http: HttpClient, config: OllamaEmbedConfig) -> Result<Self> {
        let base = BaseUrl::parse(&config.base_url)?;
        check_model(&config.model)?;
        let (options, name) = (config.options.clone(), format!("ollama/{}", config.model));
        Ok(Self(Remote::connect(Ollama { http, base, config }, options, name).await?))
    }
}

#[async_trait]
impl Dialect for Ollama {
    async fn call(&self, _: EmbedKind, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        let config = &self.config;
        let keep_alive = config.keep_alive.as_deref();
        let body = Request { model: &config.model, input: texts, keep_alive };
        let url = self.base.join("api/embed");
        let call = HttpRequest::post_json(OPERATION, url, config.timeouts, &body)?;
        let response = self.http.send(call.bearer(config.api_key.as_ref())?).await?;
        let mut response = success(OPERATION, response, |_, body| error::of_body(body)).await?;
        let answer: Response = response.json(answer_limit(texts.len())).await?;
        Ok(answer.embeddings)
    }
}

#[async_trait]
impl Embedder for OllamaEmbedder {
    fn space(&self) -> &VectorSpace {
        self.0.space()
    }

    fn max_tokens(&self) -> usize {
        self.0.max_tokens()
    }

    async fn embed(&self, kind: EmbedKind, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        self.0.embed(kind, texts).await
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.0.count_tokens(text)
    }
}
