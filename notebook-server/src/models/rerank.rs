//! The model that has the last word on the order of passages.

use std::sync::Arc;

use notebook_core::{
    Error, ErrorKind, Result,
    rerank::{
        Reranker,
        remote::{Dialect, RemoteRerankConfig, RemoteReranker},
    },
};
use notebook_rag::{
    embed::LocalOptions,
    models::ModelPlaces,
    rerank::{CrossEncoder, MODEL_FILES},
    retrieve::Reranking,
};

use super::layers::Layers;
use crate::config::{Config, Rerank};

/// Values of `rerank.provider`.
pub(crate) const RERANK_PROVIDERS: &[&str] = &["none", "candle", "http"];

/// The model that the configuration names, if it names one. A remote one is not called yet.
///
/// # Errors
/// Those of a model that is missing or damaged, or of a wrong setting.
pub(crate) async fn reranking(config: &Config, layers: &Layers) -> Result<Option<Reranking>> {
    let settings = &config.rerank;
    let model: Arc<dyn Reranker> = match settings.provider.as_str() {
        "none" => return Ok(None),
        "candle" => Arc::new(local(settings).await?),
        _ => layers.around_reranker(settings, Arc::new(remote(settings)?))?,
    };
    Ok(Some(Reranking { model, candidates: settings.candidates }))
}

/// Where it runs, for people.
pub(crate) fn rerank_place(config: &Config) -> &str {
    match config.rerank.provider.as_str() {
        "http" => config.rerank.base_url.as_deref().unwrap_or_default(),
        _ => "on this machine",
    }
}

/// Reading the weights is no work for an async thread.
async fn local(settings: &Rerank) -> Result<CrossEncoder> {
    let folder = settings.folder.as_deref();
    let own = folder.and_then(|folder| folder.file_name()?.to_str());
    let name = settings.model.as_deref().or(own).unwrap_or_default().to_owned();
    let options = LocalOptions { max_tokens: settings.max_tokens, ..LocalOptions::default() };
    let folder = ModelPlaces::from_env().folder(&name, folder, &MODEL_FILES)?;
    let load = move || CrossEncoder::load(&name, &folder, &options);
    tokio::task::spawn_blocking(load)
        .await
        .map_err(|error| Error::new(ErrorKind::Internal, "load model").caused_by(error))?
}

fn remote(settings: &Rerank) -> Result<RemoteReranker> {
    let url = settings.base_url.clone().unwrap_or_default();
    let mut wanted = RemoteRerankConfig::new(url, settings.model.clone().unwrap_or_default());
    wanted.dialect = match settings.dialect.as_str() {
        "texts" => Dialect::Texts,
        _ => Dialect::Documents,
    };
    wanted.api_key.clone_from(&settings.api_key);
    wanted.max_tokens = settings.max_tokens.unwrap_or(wanted.max_tokens);
    RemoteReranker::new(super::http()?, wanted)
}
