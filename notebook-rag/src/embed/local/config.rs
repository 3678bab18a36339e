//! The settings of a BERT model, read from its folder and checked.

use std::{fs, path::Path};

use notebook_core::{Error, ErrorKind, Result};
use serde::{Deserialize, de::DeserializeOwned};

pub(crate) const OPERATION: &str = "load model";
/// The most tokens of a pair, where nothing else is set: what such models are trained with.
#[cfg(feature = "candle")]
const PAIR_TOKENS: usize = 512;
/// Three special ones, and room for a little of both.
#[cfg(feature = "candle")]
const LEAST_PAIR: usize = 8;

/// `config.json`, as far as it matters here.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct BertConfig {
    model_type: String,
    hidden_act: String,
    #[serde(default = "absolute")]
    position_embedding_type: String,
    pub(crate) hidden_size: usize,
    pub(crate) num_hidden_layers: usize,
    pub(crate) num_attention_heads: usize,
    pub(crate) intermediate_size: usize,
    pub(crate) max_position_embeddings: usize,
    pub(crate) vocab_size: usize,
    #[serde(default = "two")]
    pub(crate) type_vocab_size: usize,
    #[cfg_attr(
        not(feature = "candle"),
        expect(dead_code, reason = "the other runtime has it in its graph")
    )]
    pub(crate) layer_norm_eps: f64,
}

fn absolute() -> String {
    "absolute".into()
}

const fn two() -> usize {
    2
}

/// How the vectors of the tokens become the vector of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pooling {
    Mean,
    FirstToken,
}

/// `1_Pooling/config.json` of sentence-transformers.
#[derive(Debug, Deserialize)]
struct PoolingFile {
    #[serde(default)]
    pooling_mode_cls_token: bool,
    #[serde(default)]
    pooling_mode_mean_tokens: bool,
}

/// `sentence_bert_config.json` of sentence-transformers.
#[derive(Debug, Deserialize)]
struct SentenceFile {
    max_seq_length: Option<usize>,
}

/// Everything about a model but its weights and its tokenizer.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) bert: BertConfig,
    pub(crate) pooling: Pooling,
    pub(crate) max_tokens: usize,
}

impl Settings {
    /// Reads the folder; `max_tokens` overrides the folder's own limit.
    pub(crate) fn read(folder: &Path, max_tokens: Option<usize>) -> Result<Self> {
        let bert = BertConfig::read(folder)?;
        let pooling = pooling(&folder.join("1_Pooling").join("config.json"))?;
        let own: Option<SentenceFile> = json(&folder.join("sentence_bert_config.json"))?;
        let limit = max_tokens.or(own.and_then(|own| own.max_seq_length)).unwrap_or(256);
        bert.check_limit(3, limit, max_tokens)?;
        Ok(Self { max_tokens: limit.min(bert.max_position_embeddings), bert, pooling })
    }

    /// The same for a model that reads pairs of texts and judges them by their first token.
    #[cfg(feature = "candle")]
    pub(crate) fn of_pairs(folder: &Path, max_tokens: Option<usize>) -> Result<Self> {
        let bert = BertConfig::read(folder)?;
        let limit = max_tokens.unwrap_or(PAIR_TOKENS);
        bert.check_limit(LEAST_PAIR, limit, max_tokens)?;
        let max_tokens = limit.min(bert.max_position_embeddings);
        Ok(Self { max_tokens, bert, pooling: Pooling::FirstToken })
    }
}

impl BertConfig {
    fn read(folder: &Path) -> Result<Self> {
        let file = folder.join("config.json");
        let bert: Self = json(&file)?.ok_or_else(|| missing(&file))?;
        bert.check(&file)?;
        Ok(bert)
    }

    /// A limit that was set must fit; one that was not is lowered to what fits.
    fn check_limit(&self, least: usize, limit: usize, set: Option<usize>) -> Result<()> {
        let most = self.max_position_embeddings;
        if limit.min(most) < least || (set.is_some() && limit > most) {
            let fix = format!("set it between {least} and {most}, the positions of this model");
            return Err(Error::invalid(OPERATION, "max_tokens", fix));
        }
        Ok(())
    }

    fn check(&self, file: &Path) -> Result<()> {
        let wrong = |field: &'static str, value: &str, expected: &str| {
            Err(Error::new(ErrorKind::Unsupported, OPERATION)
                .with("file", file.display().to_string())
                .with("field", field)
                .with("value", value)
                .with("fix", format!("use a model whose {field} is {expected}")))
        };
        if self.model_type != "bert" {
            return wrong("model_type", &self.model_type, "bert");
        }
        if self.hidden_act != "gelu" {
            return wrong("hidden_act", &self.hidden_act, "gelu");
        }
        if self.position_embedding_type != "absolute" {
            return wrong("position_embedding_type", &self.position_embedding_type, "absolute");
        }
        let sizes = [
            ("hidden_size", self.hidden_size, 1 << 14),
            ("num_hidden_layers", self.num_hidden_layers, 256),
            ("num_attention_heads", self.num_attention_heads, 1 << 10),
            ("intermediate_size", self.intermediate_size, 1 << 16),
            ("max_position_embeddings", self.max_position_embeddings, 1 << 16),
            ("vocab_size", self.vocab_size, 1 << 22),
            ("type_vocab_size", self.type_vocab_size, 1 << 10),
        ];
        for (field, value, most) in sizes {
            if value == 0 || value > most {
                return wrong(field, &value.to_string(), &format!("between 1 and {most}"));
            }
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            return wrong(
                "num_attention_heads",
                &self.num_attention_heads.to_string(),
                "a divisor of hidden_size",
            );
        }
        Ok(())
    }
}

fn pooling(file: &Path) -> Result<Pooling> {
    let Some(read): Option<PoolingFile> = json(file)? else { return Ok(Pooling::Mean) };
    match (read.pooling_mode_mean_tokens, read.pooling_mode_cls_token) {
        (true, false) => Ok(Pooling::Mean),
        (false, true) => Ok(Pooling::FirstToken),
        _ => Err(Error::new(ErrorKind::Unsupported, OPERATION)
            .with("file", file.display().to_string())
            .with("field", "pooling_mode")
            .with(
                "fix",
                "use a model that pools either the mean of its tokens or its first token",
            )),
    }
}

/// The file's contents, or `None` when there is no such file.
pub(crate) fn json<T: DeserializeOwned>(file: &Path) -> Result<Option<T>> {
    let text = match fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(file, error)),
    };
    // serde's message names the field, the line and the column.
    serde_json::from_slice(&text).map(Some).map_err(|error| {
        Error::new(ErrorKind::Corrupt, OPERATION)
            .with("file", file.display().to_string())
            .with("reason", error.to_string())
            .caused_by(error)
    })
}

pub(crate) fn missing(file: &Path) -> Error {
    Error::new(ErrorKind::NotFound, OPERATION)
        .with("file", file.display().to_string())
        .with("fix", "fetch the model again, or name the folder that holds it in the configuration")
}

pub(crate) fn unreadable(file: &Path, error: std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::NotFound {
        return missing(file);
    }
    Error::new(ErrorKind::Unavailable, OPERATION)
        .with("file", file.display().to_string())
        .with("reason", error.to_string())
        .caused_by(error)
}
