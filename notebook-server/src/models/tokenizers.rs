//! The public tokenizers of the configuration.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use notebook_core::{
    Error, ErrorKind, Result,
    chat::{ChatModel, ModelTable},
};
use notebook_rag::{
    chat::tokenizer::{Counted, PublicTokenizer},
    models::ModelPlaces,
};

use crate::config::{Chat, TokenizerFile};

const FILE: &str = "tokenizer.json";

/// Tokenizers by patterns of `provider/model`.
#[derive(Debug, Clone, Default)]
pub(super) struct Tokenizers(ModelTable<Arc<PublicTokenizer>>);

impl Tokenizers {
    /// Reads the files, each once.
    ///
    /// # Errors
    /// Those of a file, with the setting that names it.
    pub(super) async fn load(chat: &Chat) -> Result<Self> {
        let mut read: BTreeMap<PathBuf, Arc<PublicTokenizer>> = BTreeMap::new();
        let mut rows = Vec::new();
        for (pattern, place) in &chat.tokenizers {
            let field = |error: Error| error.with("field", format!("chat.tokenizers.{pattern:?}"));
            let file = file(place).map_err(field)?;
            if !read.contains_key(&file) {
                let path = file.clone();
                let tokenizer = tokio::task::spawn_blocking(move || PublicTokenizer::load(&path))
                    .await
                    .map_err(|error| {
                        Error::new(ErrorKind::Internal, "load tokenizer").caused_by(error)
                    })?
                    .map_err(field)?;
                read.insert(file.clone(), Arc::new(tokenizer));
            }
            rows.extend(read.get(&file).map(|tokenizer| (pattern.clone(), Arc::clone(tokenizer))));
        }
        Ok(Self(ModelTable::new(rows)))
    }

    /// A model with its tokenizer, if there is one.
    pub(super) fn around(&self, model: Arc<dyn ChatModel>) -> Arc<dyn ChatModel> {
        match self.0.get(model.info()) {
            Some(tokenizer) => Arc::new(Counted::new(model, Arc::clone(tokenizer))),
            None => model,
        }
    }
}

/// The file that is meant.
fn file(place: &TokenizerFile) -> Result<PathBuf> {
    let both = || Error::invalid("find tokenizer", "chat.tokenizers", "give either file or hub");
    match (&place.file, &place.hub) {
        (Some(file), None) => Ok(file.clone()),
        (None, Some(name)) => {
            let folder = ModelPlaces::from_env().folder(name, None, &[FILE]).map_err(|error| {
                let command = format!("notebook models fetch {name} --file {FILE}");
                Error::new(error.kind(), "find tokenizer")
                    .with("model", name.clone())
                    .with("fix", format!("run `{command}`, or name a file in its place"))
                    .caused_by(error)
            })?;
            Ok(folder.join(FILE))
        }
        _ => Err(both()),
    }
}
