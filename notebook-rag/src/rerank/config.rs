//! Whether a folder holds a model that judges pairs: what `config.json` says of it.

use std::{collections::BTreeMap, path::Path};

use notebook_core::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::embed::local::config::{OPERATION, json, missing};

/// The one kind of model that is read here.
const KIND: &str = "BertForSequenceClassification";
const FIX: &str = "use a cross-encoder on BERT with one label, such as cross-encoder/ms-marco-MiniLM-L-6-v2; for other \
                   models run a server with /rerank";

/// `config.json`, as far as it tells what the model is for.
#[derive(Debug, Deserialize)]
struct Purpose {
    #[serde(default)]
    architectures: Vec<String>,
    #[serde(default)]
    id2label: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    num_labels: Option<usize>,
    #[serde(default)]
    type_vocab_size: Option<usize>,
}

/// Refuses models of another kind, before their weights are looked for.
pub(super) fn check(folder: &Path) -> Result<()> {
    let file = folder.join("config.json");
    let purpose: Purpose = json(&file)?.ok_or_else(|| missing(&file))?;
    let wrong = |field: &'static str, value: String| {
        Err(Error::new(ErrorKind::Unsupported, OPERATION)
            .with("file", file.display().to_string())
            .with("field", field)
            .with("value", value)
            .with("fix", FIX))
    };
    if !purpose.architectures.iter().any(|kind| kind == KIND) {
        return wrong("architectures", purpose.architectures.join(", "));
    }
    let labels = purpose.id2label.map(|labels| labels.len()).or(purpose.num_labels);
    if let Some(labels) = labels.filter(|labels| *labels != 1) {
        return wrong("id2label", format!("{labels} labels"));
    }
    match purpose.type_vocab_size {
        // Such a model cannot tell a question from a passage.
        Some(types) if types < 2 => wrong("type_vocab_size", types.to_string()),
        _ => Ok(()),
    }
}
