//! `/rerank` as llama.cpp's server, vLLM, Jina and Cohere have it, and as text-embeddings-inference has it.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::Reranker;
use crate::{
    Error, Result, Secret,
    chat::{TokenCount, openai::error},
    embed::cut,
    http::{BaseUrl, HttpClient, HttpRequest, MAX_MESSAGE_BYTES, Timeouts, protocol, success},
};

const OPERATION: &str = "rerank passages";
/// The most bytes of an answer beside the passages, which some servers repeat.
const ANSWER: usize = MAX_MESSAGE_BYTES;
/// Bytes of an answer for each of a passage: escaped, a byte becomes six.
const ESCAPED: usize = 6;

/// How a server wants to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// `{model, query, documents, top_n}`: llama.cpp's server, vLLM, Jina, Cohere.
    #[default]
    Documents,
    /// `{query, texts}`: text-embeddings-inference, whose server has one model.
    Texts,
}

/// Which model to call, and where.
#[derive(Debug, Clone)]
pub struct RemoteRerankConfig {
    /// The address that `/rerank` is appended to, such as `http://127.0.0.1:8080/v1` or `https://api.cohere.com/v2`.
    pub base_url: String,
    /// The model's name at the provider.
    pub model: String,
    /// How it is asked.
    pub dialect: Dialect,
    /// Sent as `Authorization: Bearer`; local servers often need none.
    pub api_key: Option<Secret>,
    /// The most tokens of question and passage together, by the estimate: what of a passage is longer is not sent.
    pub max_tokens: usize,
    /// How long to wait. The whole has a limit of the caller's.
    pub timeouts: Timeouts,
}

impl RemoteRerankConfig {
    /// Settings without a key, of 512 tokens, and half a minute.
    #[must_use]
    pub fn new(base_url: impl Into<String>, model: impl Into<String>) -> Self {
        let wait = Duration::from_secs(30);
        Self {
            base_url: base_url.into(),
            model: model.into(),
            dialect: Dialect::default(),
            api_key: None,
            max_tokens: 512,
            timeouts: Timeouts { first_byte: wait, idle: wait },
        }
    }
}

/// A reranker on another machine, or another process of this one.
pub struct RemoteReranker {
    http: HttpClient,
    base: BaseUrl,
    config: RemoteRerankConfig,
}

impl RemoteReranker {
    /// A reranker with these settings. Calls nobody yet.
    ///
    /// # Errors
    /// `InvalidInput` that names a wrong setting.
    pub fn new(http: HttpClient, config: RemoteRerankConfig) -> Result<Self> {
        let base = BaseUrl::parse(&config.base_url)?;
        let invalid = |field, fix| Err(Error::invalid("configure reranker", field, fix));
        if config.model.trim().is_empty() {
            return invalid("model", "name the reranking model to use");
        }
        if config.max_tokens < 16 {
            return invalid("max_tokens", "give 16 or more");
        }
        Ok(Self { http, base, config })
    }

    /// What is sent of question and passages: the question has half of the tokens at most, a passage what is left.
    fn cut<'a>(&self, question: &'a str, passages: &'a [String]) -> (&'a str, Vec<&'a str>) {
        let most = self.config.max_tokens;
        let question = cut(question, most / 2);
        let room = most.saturating_sub(TokenCount::estimate(question).tokens);
        (question, passages.iter().map(|passage| cut(passage, room)).collect())
    }

    fn request(&self, question: &str, passages: &[&str]) -> Result<HttpRequest> {
        let config = &self.config;
        let (model, top_n) = (&config.model, passages.len());
        let body = match config.dialect {
            Dialect::Documents => {
                Body::Documents { model, query: question, documents: passages, top_n }
            }
            Dialect::Texts => Body::Texts { query: question, texts: passages, truncate: true },
        };
        let url = self.base.join("rerank");
        let call = HttpRequest::post_json(OPERATION, url, config.timeouts, &body)?;
        call.bearer(config.api_key.as_ref())
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Body<'a> {
    Documents { model: &'a str, query: &'a str, documents: &'a [&'a str], top_n: usize },
    Texts { query: &'a str, texts: &'a [&'a str], truncate: bool },
}

/// Servers name the same things differently.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Named {
        #[serde(alias = "data")]
        results: Vec<Entry>,
    },
    Bare(Vec<Entry>),
}

#[derive(Deserialize)]
struct Entry {
    index: usize,
    #[serde(alias = "score")]
    relevance_score: f64,
}

#[async_trait]
impl Reranker for RemoteReranker {
    fn model(&self) -> &str {
        &self.config.model
    }

    async fn scores(&self, question: &str, passages: &[String]) -> Result<Vec<f32>> {
        if passages.is_empty() {
            return Ok(Vec::new());
        }
        let (question, sent) = self.cut(question, passages);
        let bytes: usize = sent.iter().map(|passage| passage.len()).sum();
        let response = self.http.send(self.request(question, &sent)?).await?;
        let mut response = success(OPERATION, response, |_, body| error::of_body(body)).await?;
        let answer: Answer = response.json(ANSWER + ESCAPED * bytes).await?;
        let (Answer::Named { results } | Answer::Bare(results)) = answer;
        in_order(results, passages.len())
    }
}

/// The numbers at the places of their passages: each has one.
fn in_order(results: Vec<Entry>, passages: usize) -> Result<Vec<f32>> {
    if results.len() != passages {
        return Err(protocol(OPERATION, "returned another number of scores than of passages")
            .with("expected", passages.to_string())
            .with("got", results.len().to_string()));
    }
    let mut slots: Vec<Option<f32>> = vec![None; passages];
    for Entry { index, relevance_score } in results {
        #[expect(clippy::cast_possible_truncation, reason = "what becomes infinite is refused")]
        let score = relevance_score as f32;
        if !score.is_finite() {
            let problem = "returned a score that is not finite";
            return Err(protocol(OPERATION, problem).with("index", index.to_string()));
        }
        match slots.get_mut(index) {
            Some(slot @ None) => *slot = Some(score),
            _ => {
                let problem = "returned an index twice, or one that is out of range";
                return Err(protocol(OPERATION, problem).with("index", index.to_string()));
            }
        }
    }
    Ok(slots.into_iter().flatten().collect())
}
