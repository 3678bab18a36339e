//! BERT cross-encoders on the CPU: question and passage as one text, judged by the state of its first token.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use futures::future::try_join_all;
use notebook_core::{Error, ErrorKind, Result, embed::EmbedKind};
use tokenizers::{Tokenizer, TruncationParams, TruncationStrategy};

use super::{
    super::local::{
        LocalOptions, batch::batches, config::{OPERATION, Settings}, pool::Pool, read,
    },
    bert::{Bert, Scratch},
    weights::Head,
};
use crate::rerank::Reranker;

/// The files that a model's folder must hold.
pub const MODEL_FILES: [&str; 3] = super::MODEL_FILES;
/// The most tokens of a pair, when neither the folder nor the options say.
const MOST_TOKENS: usize = 512;

/// A reranker in this process: `BertForSequenceClassification` with one label, such as those of MS MARCO.
pub struct CrossEncoder {
    name: String,
    tokenizer: Arc<Tokenizer>,
    judge: Arc<Judge>,
    pool: Pool<Scratch>,
}

struct Judge {
    bert: Bert,
    head: Head,
}

/// Token ids of a pair, and where the second text begins.
struct Pair {
    ids: Vec<u32>,
    second: usize,
}

impl CrossEncoder {
    /// Loads the model in `folder`, calling it `name`. Reads the files and blocks meanwhile.
    ///
    /// # Errors
    /// As [`CandleEmbedder::load`](super::CandleEmbedder); `Unsupported` too for a model that tells more than one label.
    pub fn load(name: &str, folder: &Path, options: &LocalOptions) -> Result<Self> {
        let most = options.max_tokens.or(Some(MOST_TOKENS));
        let settings = Settings::read(folder, most)?;
        let (file, bytes) = read(folder, "tokenizer.json")?;
        let tokenizer = tokenizer(&bytes, settings.max_tokens).map_err(|error| {
            Error::new(ErrorKind::Corrupt, OPERATION)
                .with("file", file.display().to_string())
                .with("reason", error.to_string())
        })?;
        let (file, bytes) = read(folder, "model.safetensors")?;
        let judge = Judge {
            head: Head::parse(&file, &bytes, &settings.bert)?,
            bert: Bert::parse(&settings, &file, &bytes)?,
        };
        Ok(Self {
            name: name.to_owned(),
            tokenizer: Arc::new(tokenizer),
            judge: Arc::new(judge),
            pool: Pool::start(options.threads())?,
        })
    }

    async fn tokenise(&self, question: &str, passages: &[String]) -> Result<Vec<Pair>> {
        let (tokenizer, question) = (Arc::clone(&self.tokenizer), question.to_owned());
        let passages = passages.to_vec();
        let read = move |_: &mut Scratch| {
            passages.into_iter().map(|passage| pair(&tokenizer, &question, passage)).collect()
        };
        self.pool.run(EmbedKind::Query, read).await?
    }
}

fn tokenizer(bytes: &[u8], most: usize) -> tokenizers::Result<Tokenizer> {
    let mut tokenizer = Tokenizer::from_bytes(bytes)?;
    tokenizer.with_padding(None);
    tokenizer.with_truncation(Some(TruncationParams {
        max_length: most,
        strategy: TruncationStrategy::LongestFirst,
        ..TruncationParams::default()
    }))?;
    Ok(tokenizer)
}

fn pair(tokenizer: &Tokenizer, question: &str, passage: String) -> Result<Pair> {
    let encoding = tokenizer.encode_fast((question.to_owned(), passage), true).map_err(|error| {
        Error::new(ErrorKind::InvalidInput, "tokenize text").with("reason", error.to_string())
    })?;
    let second = encoding.get_type_ids().iter().position(|kind| *kind != 0);
    Ok(Pair { ids: encoding.get_ids().to_vec(), second: second.unwrap_or(encoding.len()) })
}

#[async_trait]
impl Reranker for CrossEncoder {
    fn model(&self) -> &str {
        &self.name
    }

    async fn scores(&self, question: &str, passages: &[String]) -> Result<Vec<f32>> {
        let pairs = self.tokenise(question, passages).await?;
        let seconds: Arc<Vec<usize>> = Arc::new(pairs.iter().map(|pair| pair.second).collect());
        let ids = pairs.into_iter().map(|pair| pair.ids).collect();
        let judged = batches(ids, false).into_iter().map(|batch| {
            let (judge, seconds) = (Arc::clone(&self.judge), Arc::clone(&seconds));
            self.pool.run(EmbedKind::Query, move |scratch| {
                let texts: Vec<(&[u32], usize)> = batch
                    .iter()
                    .map(|(place, ids)| (ids.as_slice(), seconds.get(*place).copied().unwrap_or(0)))
                    .collect();
                let first = judge.bert.first_tokens(scratch, &texts)?;
                let scores = first.iter().map(|state| judge.head.score(state));
                Ok::<_, Error>(batch.iter().map(|(place, _)| *place).zip(scores).collect::<Vec<_>>())
            })
        });
        let mut scores = vec![0.0; passages.len()];
        for (place, score) in try_join_all(judged).await?.into_iter().collect::<Result<Vec<_>>>()?.concat() {
            if let Some(slot) = scores.get_mut(place) {
                *slot = score;
            }
        }
        if scores.iter().any(|score| !score.is_finite()) {
            return Err(Error::new(ErrorKind::Corrupt, "rerank passages")
                .with("model", self.name.clone())
                .with("reason", "a score is not finite: the weights are damaged"));
        }
        Ok(scores)
    }
}
