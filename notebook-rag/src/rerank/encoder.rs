//! BERT cross-encoders on the CPU: question and passage as one text, judged by the state of its first token.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use futures::future::try_join_all;
use notebook_core::{Error, ErrorKind, Result, embed::EmbedKind, rerank::Reranker};

use super::config;
use crate::embed::{
    LocalOptions,
    candle::{
        self,
        bert::{Bert, Scratch, Text},
        head::Head,
    },
    local::{
        batch::{Batch, batches},
        config::Settings,
        pairs::Pair,
        pool::Pool,
        read,
        tokens::Tokens,
    },
};

/// The files that a model's folder must hold.
pub const MODEL_FILES: [&str; 3] = candle::MODEL_FILES;
/// The passages of one call that are tokenised and held in memory at once.
const WINDOW: usize = 128;
/// The passages that one task tokenises.
const PART: usize = 16;

/// A reranker in this process: `BertForSequenceClassification` with one label, such as those trained on MS MARCO.
///
/// Its numbers are what the classifier says, without the sigmoid that some put behind it: the order is the same.
pub struct CrossEncoder {
    name: String,
    tokens: Arc<Tokens>,
    judge: Arc<Judge>,
    pool: Pool<Scratch>,
}

struct Judge {
    bert: Bert,
    head: Head,
}

impl CrossEncoder {
    /// Loads the model in `folder`, calling it `name`. Reads the files and blocks meanwhile.
    ///
    /// # Errors
    /// `NotFound` when a file is missing, `Corrupt` when one is damaged or disagrees with the others, `Unsupported` when
    /// the model is of another kind or has more than one label; the context names file and field, or tensor.
    /// `InvalidInput` when the options' `max_tokens` do not fit the model.
    pub fn load(name: &str, folder: &Path, options: &LocalOptions) -> Result<Self> {
        config::check(folder)?;
        let settings = Settings::of_pairs(folder, options.max_tokens)?;
        let (file, bytes) = read(folder, "tokenizer.json")?;
        let tokens = Tokens::parse(&file, &bytes, settings.bert.vocab_size, settings.max_tokens)?;
        let tokens = tokens.for_pairs(&file)?;
        let (file, bytes) = read(folder, "model.safetensors")?;
        let head = Head::parse(&file, &bytes, &settings.bert)?;
        let bert = Bert::parse(&settings, &file, &bytes)?;
        drop(bytes);
        Ok(Self {
            name: name.to_owned(),
            tokens: Arc::new(tokens),
            judge: Arc::new(Judge { bert, head }),
            pool: Pool::start(options.threads())?,
        })
    }

    /// The scores of a few passages, in their order.
    async fn window(&self, question: &Arc<str>, passages: &[String]) -> Result<Vec<f32>> {
        let pairs = self.tokenise(question, passages).await?;
        let seconds: Arc<[usize]> = pairs.iter().map(|pair| pair.second).collect();
        let ids = pairs.into_iter().map(|pair| pair.ids).collect();
        let judged = batches(ids, false).into_iter().map(|batch| self.judge(batch, &seconds));
        let mut found: Vec<_> = try_join_all(judged).await?.into_iter().flatten().collect();
        found.sort_unstable_by_key(|(place, _)| *place);
        Ok(found.into_iter().map(|(_, score)| score).collect())
    }

    /// The pairs of the question with each passage, in their order.
    async fn tokenise(&self, question: &Arc<str>, passages: &[String]) -> Result<Vec<Pair>> {
        let parts = passages.chunks(PART).map(|passages| {
            let (tokens, question) = (Arc::clone(&self.tokens), Arc::clone(question));
            let passages = passages.to_vec();
            self.pool.run(EmbedKind::Query, move |_| {
                let pairs = tokens.pairs(&question)?;
                passages.iter().map(|passage| pairs.with(passage)).collect::<Result<Vec<_>>>()
            })
        });
        let parts: Vec<_> = try_join_all(parts).await?.into_iter().collect::<Result<_>>()?;
        Ok(parts.into_iter().flatten().collect())
    }

    /// The scores of a batch, each with the place of its passage.
    async fn judge(&self, batch: Batch, seconds: &Arc<[usize]>) -> Result<Vec<(usize, f32)>> {
        let (judge, seconds) = (Arc::clone(&self.judge), Arc::clone(seconds));
        let scores = self.pool.run(EmbedKind::Query, move |scratch| {
            let texts: Vec<Text<'_>> = batch
                .iter()
                .map(|(place, ids)| Text {
                    ids,
                    second: seconds.get(*place).copied().unwrap_or(usize::MAX),
                })
                .collect();
            let states = judge.bert.first_tokens(scratch, &texts)?;
            let scores = states.iter().map(|state| judge.head.score(state));
            Ok(batch.iter().map(|(place, _)| *place).zip(scores).collect())
        });
        scores.await?
    }
}

#[async_trait]
impl Reranker for CrossEncoder {
    fn model(&self) -> &str {
        &self.name
    }

    async fn scores(&self, question: &str, passages: &[String]) -> Result<Vec<f32>> {
        let question: Arc<str> = question.into();
        let mut scores = Vec::with_capacity(passages.len());
        for window in passages.chunks(WINDOW) {
            scores.extend(self.window(&question, window).await?);
        }
        if scores.iter().any(|score| !score.is_finite()) {
            return Err(Error::new(ErrorKind::Corrupt, "rerank passages")
                .with("model", self.name.clone())
                .with("reason", "a score is not finite: the weights are damaged"));
        }
        Ok(scores)
    }
}
