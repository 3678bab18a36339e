//! The adapter itself.

use async_trait::async_trait;

use super::{
    GoogleEmbedConfig,
    wire::{Content, Entry, Request, Response, Text},
};
use crate::{
    Result,
    chat::google::{check_model_name, error, with_key},
    embed::{
        EmbedKind, Embedder,
        remote::{Dialect, OPERATION, Remote, answer_limit},
    },
    http::{BaseUrl, HttpClient, HttpRequest, success},
    vector::VectorSpace,
};

/// An embedding model of Google.
pub struct GoogleEmbedder(Remote<Google>);

struct Google {
    http: HttpClient,
    base: BaseUrl,
    config: GoogleEmbedConfig,
}

impl GoogleEmbedder {
    /// An embedder with these settings. Calls the provider only if the dimensions are not given.
    ///
    /// # Errors
    /// `InvalidInput` that names a wrong setting; as [`Embedder::embed`].
    pub async fn connect(http: HttpClient, config: GoogleEmbedConfig) -> Result<Self> {
        let base = BaseUrl::parse(&config.base_url)?;
        check_model_name(&config.model)?;
        let (options, name) = (config.options.clone(), format!("google/{}", config.model));
        Ok(Self(Remote::connect(Google { http, base, config }, options, name).await?))
    }
}

#[async_trait]
impl Dialect for Google {
    async fn call(&self, kind: EmbedKind, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        let config = &self.config;
        let model = format!("models/{}", config.model);
        let task_type = match kind {
            EmbedKind::Query => "RETRIEVAL_QUERY",
            EmbedKind::Passage => "RETRIEVAL_DOCUMENT",
        };
        let entry = |text| Entry {
            model: &model,
            content: Content { parts: [Text { text }] },
            task_type,
            output_dimensionality: config.options.dimensions.filter(|_| config.send_dimensions),
        };
        let body = Request { requests: texts.iter().map(|text| entry(text)).collect() };
        let url = self.base.join(&format!("{model}:batchEmbedContents"));
        let call = HttpRequest::post_json(OPERATION, url, config.timeouts, &body)?;
        let response = self.http.send(with_key(call, config.api_key.as_ref())?).await?;
        let mut response = success(OPERATION, response, |_, body| error::of_body(body)).await?;
        let answer: Response = response.json(answer_limit(texts.len())).await?;
        Ok(answer.embeddings.into_iter().map(|entry| entry.values).collect())
    }
}

#[async_trait]
impl Embedder for GoogleEmbedder {
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
