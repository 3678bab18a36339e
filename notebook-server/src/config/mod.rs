//! The configuration: one typed tree, from defaults, a file, the environment and flags, in this order.
//!
//! Environment variables are `NOTEBOOK__SECTION__KEY`, such as `NOTEBOOK__SERVER__PORT=9000`. Unknown
//! names are errors, and all errors are reported at once.

mod auth;
mod check;
mod cors;
mod guard;
mod load;
mod mail;
mod mcp;
mod oidc;
mod parse;
mod profile;
mod providers;
mod rate_limits;
mod rerank;
mod resilience;
mod secrets;
mod tools;
mod transcription;

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf, time::Duration};

use notebook_core::{Secret, chat::google::GoogleConfig, webhook::rules::RetryPolicy};
use serde::Deserialize;

pub use auth::{Auth, AuthMode, Registration};
pub use cors::Cors;
pub use guard::Guard;
pub use load::{ConfigErrors, Loaded, load, read};
pub use mail::{Language, Mail};
pub use mcp::{Mcp, McpServer};
pub use oidc::OidcProvider;
pub use parse::{Ocr, Parse, Sound};
pub use profile::Profile;
#[cfg(test)]
pub(crate) use providers::preset_names;
pub use providers::{Anthropic, Azure, PresetServer, Price, TokenizerFile};
pub use rate_limits::{Anonymous, Rate, RateLimits, Tier, User};
pub use rerank::Rerank;
pub use resilience::{
    BreakerSettings, CacheSettings, EmbeddingResilience, KeySettings, Resilience,
};
pub(crate) use secrets::Place;
pub use secrets::{Secrets, Vault};
pub use tools::Tools;
pub use transcription::Transcription;

/// The whole configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `dev`, `staging` or `production`, which refuses to start with what is unsafe.
    pub profile: Profile,
    /// Everything that is stored lies here.
    pub data_dir: PathBuf,
    /// Where the server listens.
    pub server: Server,
    /// Who may use it.
    pub auth: Auth,
    /// Where rows are stored.
    pub storage: Storage,
    /// How what is slow is done.
    pub jobs: Jobs,
    /// How long things are kept.
    pub retention: Retention,
    /// Calls to addresses that users give.
    pub egress: Egress,
    /// How events are sent to webhooks.
    pub webhooks: Webhooks,
    /// Limits of what clients may send.
    pub limits: Limits,
    /// How often clients may do what.
    pub rate_limits: RateLimits,
    /// How files become text.
    pub parse: Parse,
    /// Which model answers.
    pub chat: Chat,
    /// Which model makes vectors.
    pub embedding: Embedding,
    /// Which model has the last word on the order of passages.
    pub rerank: Rerank,
    /// What is looked for in questions, and taken out of answers.
    pub guard: Guard,
    /// What writes down recordings.
    pub transcription: Transcription,
    /// What models may do in a research.
    pub tools: Tools,
    /// Other programs whose tools models may be given.
    pub mcp: Mcp,
    /// How mail is sent.
    pub mail: Mail,
    /// Where secrets come from.
    pub secrets: Secrets,
}

/// Where the server listens.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Address. Without accounts there is no login, so only loopback addresses are accepted.
    pub bind: IpAddr,
    /// Port; 0 for any free one.
    pub port: u16,
    /// Networks of proxies in front, such as `10.0.0.0/8`: what they say of a client's address is believed.
    pub trusted_proxies: Vec<String>,
    /// Where they say it: `x-forwarded-for` or `forwarded`. The other one is not read, for a proxy that does not know it
    /// passes on what the client has put there.
    pub client_address_header: String,
    /// Pages of other origins that may call the interface.
    pub cors: Cors,
}

/// Where rows are stored.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Storage {
    /// A PostgreSQL URL, such as `postgres://user:password@host/database`; a file in the data folder when absent.
    pub postgres: Option<Secret>,
    /// The schema in PostgreSQL that holds the tables.
    pub schema: String,
    /// The role in PostgreSQL that the tables are used by, which is neither their owner nor exempt from row security;
    /// `<schema>_app` when absent, where that can be made or taken on.
    pub role: Option<String>,
    /// The most connections to PostgreSQL for tenants' calls; what works for all tenants has a quarter as many more.
    pub connections: u32,
    /// The most bytes of PostgreSQL's tables that are copied before they are brought up to date; 0 for none.
    pub copied_bytes: u64,
    /// A Redis URL, such as `redis://user:password@host:6379`: servers that share a PostgreSQL tell each other by it
    /// instead of by PostgreSQL's notifications.
    pub redis: Option<Secret>,
    /// The channel in Redis, one for each deployment.
    pub redis_channel: String,
    /// How long a statement may take in PostgreSQL, in seconds. A transaction that takes twice as long has met a
    /// database that is gone without a word: its connection is given up.
    pub statement_seconds: u32,
    /// Folder for originals; in the data folder when absent. Several servers on one PostgreSQL need one that they share.
    pub blobs: Option<PathBuf>,
}

/// How what is slow is done.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Jobs {
    /// After how many seconds without a sign of life a worker is thought dead, and another takes its jobs.
    pub lease_seconds: u32,
}

/// How long things are kept.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// For how many days the events of an ended answer are kept, for readers who come back; the answer itself stays.
    pub events_days: u32,
    /// For how many days what was sent to webhooks is kept, after it arrived or failed.
    pub deliveries_days: u32,
    /// For how many days exported files are kept, and uploaded archives of which nothing became.
    pub exports_days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { events_days: 30, deliveries_days: 30, exports_days: 7 }
    }
}

/// Calls to addresses that users give.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Egress {
    /// What may be called although it is not on the public internet: a list of `host:port`.
    pub allow: Vec<String>,
    /// Files with more certificate authorities to trust, as PEM.
    pub extra_roots: Vec<PathBuf>,
}

/// How events are sent to webhooks.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Webhooks {
    /// How often a message is sent that is not taken.
    pub attempts: u32,
    /// The least seconds between the first attempt and the second; four times as long after each further one.
    pub backoff_seconds: u32,
    /// How many seconds a receiver may take to answer.
    pub timeout_seconds: u32,
    /// After how many days in which nothing arrived a webhook is disabled.
    pub disable_after_days: u32,
}

impl Default for Webhooks {
    fn default() -> Self {
        Self { attempts: 3, backoff_seconds: 30, timeout_seconds: 15, disable_after_days: 5 }
    }
}

impl Webhooks {
    pub(crate) fn policy(&self) -> RetryPolicy {
        RetryPolicy {
            attempts: self.attempts,
            backoff: Duration::from_secs(self.backoff_seconds.into()),
            disable_after: Duration::from_secs(u64::from(self.disable_after_days) * 86_400),
            ..RetryPolicy::default()
        }
    }
}

/// Limits of what clients may send.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The most bytes of an uploaded document.
    pub document_bytes: u64,
    /// The most bytes of an uploaded image.
    pub image_bytes: u64,
    /// The most bytes of an uploaded recording.
    pub audio_bytes: u64,
    /// The most bytes of what is fetched from an address on the web.
    pub page_bytes: usize,
    /// How many seconds that may take, redirects included.
    pub page_seconds: u32,
    /// The most bytes of an uploaded archive of a notebook.
    pub archive_bytes: u64,
    /// The most bytes of a question.
    pub question_bytes: usize,
    /// The most bytes of a JSON body, pasted text included.
    pub body_bytes: usize,
    /// How many seconds the head of a request may take, and a connection wait for its next request.
    pub head_seconds: u32,
    /// For how many seconds a client may send nothing of a body that it has begun.
    pub body_stall_seconds: u32,
    /// How often a WebSocket is pinged, in seconds; one that says nothing for twice as long is closed.
    pub ping_seconds: u32,
    /// The most WebSockets of a user.
    pub sockets_per_user: usize,
}

impl Limits {
    pub(crate) fn head(&self) -> Duration {
        Duration::from_secs(self.head_seconds.into())
    }

    pub(crate) fn ping(&self) -> std::time::Duration {
        std::time::Duration::from_secs(self.ping_seconds.max(1).into())
    }
}

/// Which model answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Chat {
    /// `auto`, or one of the providers compiled in.
    pub provider: String,
    /// The most tokens of a prompt.
    pub context_tokens: usize,
    /// Whether the messages that the prompt has no room for are summed up by the model, which costs a call more.
    pub summaries: bool,
    /// The most tokens of an answer.
    pub answer_tokens: u32,
    /// 0 to 2.
    pub temperature: Option<f32>,
    /// After how many seconds without anybody who watches it an answer is ended; 0: as soon as nobody does.
    pub unwatched_seconds: u32,
    /// Whether what came into an answer is kept with it, so that `notebook replay` can do it again.
    pub record_runs: bool,
    /// Any server that speaks OpenAI's Chat Completions.
    pub openai: OpenAi,
    /// Ollama.
    pub ollama: Ollama,
    /// Google Gemini.
    pub google: Google,
    /// Anthropic.
    pub anthropic: Anthropic,
    /// Azure OpenAI.
    pub azure: Azure,
    /// Known providers that speak OpenAI's dialect, by name.
    pub presets: BTreeMap<String, PresetServer>,
    /// A model file on this machine.
    pub gguf: Gguf,
    /// What models cost, by patterns of `provider/model`.
    pub prices: BTreeMap<String, Price>,
    /// The public tokenizers of models, by patterns of `provider/model`.
    pub tokenizers: BTreeMap<String, TokenizerFile>,
    /// The models that answer when the one that is asked cannot, in this order: `provider/model`, or a provider.
    pub fallback: Vec<String>,
    /// What stands around models of other machines.
    pub resilience: Resilience,
}

/// Which model makes vectors.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Embedding {
    /// `auto`, `none`, or one of the providers compiled in.
    pub provider: String,
    /// Model name for remote providers, or the name of a folder of model files for `candle` and `ort`.
    pub model: Option<String>,
    /// Folder with `tokenizer.json`, `config.json`, and `model.safetensors` for `candle` or `model.onnx`
    /// for `ort`.
    pub folder: Option<PathBuf>,
    /// onnxruntime's library, for `ort`; the usual places when absent.
    pub onnxruntime: Option<PathBuf>,
    /// Length of the vectors, for remote providers; asked from the provider when absent.
    pub dimensions: Option<usize>,
    /// The most bytes of vectors that are kept by the hash of their texts; 0 for none.
    pub cache_bytes: usize,
    /// What stands around models of other machines.
    pub resilience: EmbeddingResilience,
}

/// A server that speaks OpenAI's dialect.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OpenAi {
    /// Up to and including `/v1`.
    pub base_url: String,
    /// Not needed by most local servers.
    pub api_key: Option<Secret>,
    /// Several keys by names of your own, used in the order of the names; in place of the one.
    pub api_keys: BTreeMap<String, Secret>,
    /// How they are used.
    pub keys: KeySettings,
    /// Model name.
    pub model: Option<String>,
    /// Further headers.
    pub headers: BTreeMap<String, Secret>,
    /// What the model can read, when the provider does not say.
    pub context_tokens: Option<u32>,
    /// Whether the model can use tools.
    pub tools: bool,
}

/// Ollama.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ollama {
    /// Without a path.
    pub base_url: String,
    /// Model name; the first installed one when absent.
    pub model: Option<String>,
}

/// Google Gemini.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Google {
    /// Up to and including `/v1beta`.
    pub base_url: String,
    /// From Google AI Studio.
    pub api_key: Option<Secret>,
    /// Several keys by names of your own, used in the order of the names; in place of the one.
    pub api_keys: BTreeMap<String, Secret>,
    /// How they are used.
    pub keys: KeySettings,
    /// Model name.
    pub model: String,
}

/// A model file on this machine.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gguf {
    /// The file; the model cache is searched when absent.
    pub path: Option<PathBuf>,
    /// The most tokens of prompt and answer: a small machine reads long prompts slowly.
    pub context_tokens: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            profile: Profile::default(),
            data_dir: PathBuf::from("data"),
            server: Server::default(),
            auth: Auth::default(),
            storage: Storage::default(),
            jobs: Jobs::default(),
            retention: Retention::default(),
            egress: Egress::default(),
            webhooks: Webhooks::default(),
            limits: Limits::default(),
            rate_limits: RateLimits::default(),
            parse: Parse::default(),
            chat: Chat::default(),
            embedding: Embedding::default(),
            rerank: Rerank::default(),
            guard: Guard::default(),
            transcription: Transcription::default(),
            tools: Tools::default(),
            mcp: Mcp::default(),
            mail: Mail::default(),
            secrets: Secrets::default(),
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            bind: IpAddr::from([127, 0, 0, 1]),
            port: 8080,
            trusted_proxies: Vec::new(),
            client_address_header: "x-forwarded-for".to_owned(),
            cors: Cors::default(),
        }
    }
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            postgres: None,
            schema: "notebook".to_owned(),
            role: None,
            connections: 16,
            copied_bytes: 1 << 30,
            redis: None,
            redis_channel: "notebook".to_owned(),
            statement_seconds: 30,
            blobs: None,
        }
    }
}

impl Default for Jobs {
    fn default() -> Self {
        Self { lease_seconds: 60 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document_bytes: 100 << 20,
            image_bytes: 10 << 20,
            audio_bytes: 25 << 20,
            page_bytes: 20 << 20,
            page_seconds: 30,
            archive_bytes: 4 << 30,
            question_bytes: 32 << 10,
            body_bytes: 4 << 20,
            // Longer than proxies keep a connection.
            head_seconds: 75,
            body_stall_seconds: 60,
            ping_seconds: 30,
            sockets_per_user: 5,
        }
    }
}

impl Default for Chat {
    fn default() -> Self {
        Self {
            provider: "auto".to_owned(),
            context_tokens: 8_000,
            summaries: false,
            answer_tokens: 1_024,
            temperature: None,
            unwatched_seconds: 60,
            record_runs: false,
            openai: OpenAi::default(),
            ollama: Ollama::default(),
            google: Google::default(),
            anthropic: Anthropic::default(),
            azure: Azure::default(),
            presets: BTreeMap::new(),
            gguf: Gguf::default(),
            prices: BTreeMap::new(),
            tokenizers: BTreeMap::new(),
            fallback: Vec::new(),
            resilience: Resilience::default(),
        }
    }
}

impl Default for Embedding {
    fn default() -> Self {
        Self {
            provider: "auto".to_owned(),
            model: None,
            folder: None,
            dimensions: None,
            cache_bytes: 256 << 20,
            onnxruntime: None,
            resilience: EmbeddingResilience::default(),
        }
    }
}

impl Default for OpenAi {
    fn default() -> Self {
        Self {
            base_url: "https://api.openai.com/v1".to_owned(),
            api_key: None,
            api_keys: BTreeMap::new(),
            keys: KeySettings::default(),
            model: None,
            headers: BTreeMap::new(),
            context_tokens: None,
            tools: true,
        }
    }
}

impl Default for Ollama {
    fn default() -> Self {
        Self { base_url: "http://127.0.0.1:11434".to_owned(), model: None }
    }
}

impl Default for Google {
    fn default() -> Self {
        Self {
            base_url: GoogleConfig::DEFAULT_BASE_URL.to_owned(),
            api_key: None,
            api_keys: BTreeMap::new(),
            keys: KeySettings::default(),
            model: "gemini-2.5-flash".to_owned(),
        }
    }
}

impl Default for Gguf {
    fn default() -> Self {
        Self { path: None, context_tokens: 2_048 }
    }
}

#[cfg(test)]
mod tests;
