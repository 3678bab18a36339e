exec(open('/tmp/rr/apply.py').read())
sub('notebook-rag/src/retrieve/request.rs',("    pub cosine: Option<f32>,\n}","    pub cosine: Option<f32>,\n    /// What the reranker said of it, where there is one that was in time.\n    pub reranked: Option<f32>,\n}"))
sub('notebook-rag/src/retrieve/tests.rs',
("use super::{RetrieveConfig, RetrieveRequest, Retriever, StageLimits, StageName, VectorSearch};","use super::{\n    RetrieveConfig, RetrieveRequest, Reranking, Retriever, StageLimits, StageName, VectorSearch,\n};\nuse crate::rerank::Reranker;"))
s=open(R+'notebook-rag/src/retrieve/tests.rs').read()+open('/tmp/rr/retrieve_tests.rs').read()
open(R+'notebook-rag/src/retrieve/tests.rs','w').write(s)
shutil.copy('/tmp/rr/rerank_test.rs',R+'notebook-rag/tests/rerank.rs')
open(R+'notebook-server/src/config/rerank.rs','w').write('''//! Which model has the last word on the order of passages.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;

/// Values of `rerank.provider`.
const PROVIDERS: [&str; 2] = ["none", "candle"];

/// Which model has the last word on the order of passages.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rerank {
    /// `none`, or `candle`: a cross-encoder on this machine.
    pub provider: String,
    /// The model's name, `ORG/NAME` or `NAME`, for `candle`.
    pub model: Option<String>,
    /// Folder with `config.json`, `tokenizer.json` and `model.safetensors`; the usual places when absent.
    pub folder: Option<PathBuf>,
    /// How many passages it judges.
    pub candidates: usize,
    /// How long that may take before the passages stay as the searches ordered them.
    pub millis: u32,
}

impl Default for Rerank {
    fn default() -> Self {
        Self { provider: "none".to_owned(), model: None, folder: None, candidates: 30, millis: 2_000 }
    }
}

impl Rerank {
    pub(super) fn errors(&self) -> Vec<String> {
        let mut errors = Vec::new();
        if !PROVIDERS.contains(&self.provider.as_str()) {
            errors.push(format!(
                "rerank.provider {:?} is unknown; this build has: {}",
                self.provider,
                PROVIDERS.join(", ")
            ));
        }
        if self.provider == "candle" && self.model.is_none() && self.folder.is_none() {
            errors.push("rerank.model or rerank.folder is needed: name a cross-encoder of the BERT family".to_owned());
        }
        if !(1..=100).contains(&self.candidates) {
            errors.push("rerank.candidates must be from 1 to 100".to_owned());
        }
        if !(1..=60_000).contains(&self.millis) {
            errors.push("rerank.millis must be from 1 to 60000".to_owned());
        }
        errors
    }

    pub(crate) fn limit(&self) -> Duration {
        Duration::from_millis(self.millis.into())
    }
}
''')
open(R+'notebook-server/src/models/rerank.rs','w').write('''//! The model that has the last word on the order of passages.

use std::sync::Arc;

use notebook_core::{Error, ErrorKind, Result};
use notebook_rag::{
    embed::LocalOptions,
    models::ModelPlaces,
    rerank::{CrossEncoder, MODEL_FILES},
    retrieve::Reranking,
};

use crate::config::Config;

/// Loads the model that the configuration names; none without one.
///
/// # Errors
/// Those of a model that is missing or damaged.
pub(crate) async fn reranking(config: &Config) -> Result<Option<Reranking>> {
    let settings = &config.rerank;
    if settings.provider == "none" {
        return Ok(None);
    }
    let folder = settings.folder.as_deref();
    let own = folder.and_then(|folder| folder.file_name()).map(|name| name.to_string_lossy());
    let name = settings.model.clone().or(own.map(Into::into)).unwrap_or_default();
    let folder = ModelPlaces::from_env().folder(&name, folder, &MODEL_FILES)?;
    let load = move || CrossEncoder::load(&name, &folder, &LocalOptions::default());
    let model = tokio::task::spawn_blocking(load)
        .await
        .map_err(|error| Error::new(ErrorKind::Internal, "load model").caused_by(error))??;
    Ok(Some(Reranking { model: Arc::new(model), candidates: settings.candidates }))
}
''')
sub('notebook-server/src/models/mod.rs',("mod providers;\n","mod providers;\nmod rerank;\n"),("pub(crate) use transcription::","pub(crate) use rerank::reranking;\npub(crate) use transcription::"))
sub('notebook-server/src/config/mod.rs',("mod rate_limits;\n","mod rate_limits;\nmod rerank;\n"),("pub use resilience::","pub use rerank::Rerank;\npub use resilience::"),
("    /// What writes down recordings.\n","    /// Which model has the last word on the order of passages.\n    pub rerank: Rerank,\n    /// What writes down recordings.\n"),
("            transcription: Transcription::default(),\n","            rerank: Rerank::default(),\n            transcription: Transcription::default(),\n"))
sub('notebook-server/src/config/check.rs',("    errors.extend(config.parse.errors());\n","    errors.extend(config.parse.errors());\n    errors.extend(config.rerank.errors());\n"))
sub('notebook-server/src/compose.rs',("""    let retriever =
        Retriever::new(keyword, search, shared_store.clone(), RetrieveConfig::default())?;
""","""    let mut retrieval = RetrieveConfig::default();
    retrieval.limits.rerank = config.rerank.limit();
    let mut retriever = Retriever::new(keyword, search, shared_store.clone(), retrieval)?;
    if let Some(reranking) = models::reranking(config).await? {
        retriever = retriever.reranking(reranking)?;
    }
"""))
sub('notebook-server/src/cli/doctor.rs',("    match models::embedder(&config.embedding, &config).await {","""    match models::reranking(&config).await {
        Ok(Some(reranking)) => report.good("reranking", reranking.model.model()),
        Ok(None) => {}
        Err(error) => report.bad("reranking", &error.to_string()),
    }
    match models::embedder(&config.embedding, &config).await {"""))
sub('docs/configuration.md',("| `transcription.provider`,","| `rerank.provider`, `.model`, `.folder`, `.candidates`, `.millis` | `none`, none, the usual places, 30, 2000 | a cross-encoder that has the last word on the order of passages: `none`, or `candle` (BERT with one label, such as those of MS MARCO: `config.json`, `tokenizer.json`, `model.safetensors`); how many passages it judges (1 to 100), and how long it may take before they stay as the searches ordered them |\n| `transcription.provider`,"))
sub('docs/features.md',("| B3 | tantivy per tenant, fused by rank, deadlines, timings, partial results | keyword suite; `rag::retrieve` | rerank |","| B3 | tantivy per tenant, fused by rank, deadlines, timings, partial results; a cross-encoder of the BERT family as the last stage, off by default | keyword suite; `rag::retrieve` (`b3_*`); `rag/tests/rerank.rs` (a tiny model, made there) | measured on a real model: no weights are in reach |"))
sub('CHANGELOG.md',("- Sources: images","- Retrieval: passages may be reranked by a cross-encoder on this machine (`rerank.provider`).\n- Sources: images"))
sub('ARCHITECTURE.md',("  retrieve/ eval/              both searches, fused;","  rerank/                      the port of models that judge passages; a cross-encoder (embed/candle/cross.rs)\n  retrieve/ eval/              both searches, fused, perhaps reranked;"))
