//! The adapter itself.

use async_trait::async_trait;

use super::{
    OpenAiEmbedConfig,
    wire::{Request, Response},
};
use crate::{
    Result,
    chat::openai::error,
    embed::{
        EmbedKind, Embedder,
        remote::{Dialect, OPERATION, Remote, answer_limit, check_model, in_order},
    },
    http::{BaseUrl, HttpClient, HttpRequest, success},
    vector::VectorSpace,
};

/// An embedding model behind OpenAI's dialect.
pub struct OpenAiEmbedder(Remote<OpenAi>);

struct OpenAi {
    http: HttpClient,
    base: BaseUrl,
    config: OpenAiEmbedConfig,
}

impl OpenAiEmbedder {
    /// An embedder with these settings. Calls the provider only if the dimensions are not given.
    ///
    /// # Errors
    /// `InvalidInput` that names a wrong setting; as [`Embedder::embed`].
    pub async fn connect(http: HttpClient, config: OpenAiEmbedConfig) -> Result<Self> {
        let base = BaseUrl::parse(&config.base_url)?;
        check_model(&config.model)?;
        let (options, name) =
            (config.options.clone(), format!("{}/{}", config.provider, config.model));
        Ok(Self(Remote::connect(OpenAi { http, base, config }, options, name).await?))
    }
}

#[async_trait]
impl Dialect for OpenAi {
    async fn call(&self, _: EmbedKind, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        let config = &self.config;
        let body = Request {
            model: &config.model,
            input: texts,
            encoding_format: "float",
            dimensions: config.options.dimensions.filter(|_| config.send_dimensions),
        };
        let url = self.base.join("embeddings");
        let call = HttpRequest::post_json(OPERATION, url, config.timeouts, &body)?;
        let call = call.bearer(config.api_key.as_ref())?;
        let call = config
            .headers
            .iter()
            .try_fold(call, |call, (name, value)| call.secret_header("headers", name, value))?;
        let response = self.http.send(call).await?;
        let mut response = success(OPERATION, response, |_, body| error::of_body(body)).await?;
        let answer: Response = response.json(answer_limit(texts.len())).await?;
        in_order(answer.data.into_iter().map(|entry| (entry.index, entry.embedding)).collect())
    }
}

#[async_trait]
impl Embedder for OpenAiEmbedder {
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
