//! What a production server must not be started with.

use std::{net::IpAddr, os::unix::fs::PermissionsExt as _, path::Path};

use ipnet::IpNet;
use notebook_core::Secret;
use reqwest::Url;
use serde::Deserialize;

use super::{AuthMode, Config, providers, secrets::Found};

/// What a server is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// To try it: whatever works.
    #[default]
    Dev,
    /// As production, but what is unsafe is told and not refused.
    Staging,
    /// For people: refuses to start with what is unsafe.
    Production,
}

impl Profile {
    /// The name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}

/// Words of secrets that were copied from an example.
const EXAMPLES: &[&str] = &[
    "change-me",
    "changeme",
    "change_me",
    "example",
    "default",
    "password",
    "replace",
    "your-",
    "your_",
    "insecure",
];
/// Networks with fewer bits than this are no operator's own: `10.0.0.0/8` and `fc00::/7` are.
const OWN_NETWORK: u8 = 7;

/// Everything that is unsafe, each with the name of the setting and the fix.
pub(super) fn unsafe_settings(config: &Config, file: Option<&Path>, found: &Found) -> Vec<String> {
    let mut list = List::default();
    if config.auth.mode == AuthMode::Accounts {
        accounts(config, &mut list);
    }
    proxies(config, &mut list);
    calls(config, &mut list);
    stores(config, &mut list);
    if let Some(file) = file {
        readable(file, found, &mut list);
    }
    list.0
}

#[derive(Default)]
struct List(Vec<String>);

impl List {
    fn refuse(&mut self, bad: bool, sentence: impl Into<String>) {
        if bad {
            self.0.push(sentence.into());
        }
    }
}

fn accounts(config: &Config, list: &mut List) {
    let auth = &config.auth;
    list.refuse(
        auth.secrets.is_empty(),
        "auth.secrets is missing, and keys made in the data folder are lost with it: set auth.secrets.1 to the output of \
         `openssl rand -hex 32`",
    );
    for (number, secret) in &auth.secrets {
        let text = secret.expose().to_lowercase();
        list.refuse(
            EXAMPLES.iter().any(|word| text.contains(word)),
            format!("auth.secrets.{number} is of an example: set it to the output of `openssl rand -hex 32`"),
        );
    }
    match auth.public_url.as_deref() {
        None => list.refuse(
            true,
            "auth.public_url is missing, so that the origin of the page is what each request says: set it to what people type, \
             such as https://notebook.example.org",
        ),
        Some(url) => list.refuse(
            !url.starts_with("https://"),
            "auth.public_url is without encryption: put a proxy with TLS in front (deploy/nginx.conf) and begin it with https://",
        ),
    }
    list.refuse(
        !config.rate_limits.is_on(false),
        "rate_limits.enabled is false, so that passwords can be guessed at any speed: leave it out, or raise the rates",
    );
    list.refuse(
        config.server.trusted_proxies.is_empty(),
        "server.trusted_proxies is empty, so that everybody counts as the one address of the proxy with TLS: name its network, \
         such as [\"127.0.0.1\"]",
    );
    list.refuse(
        auth.password_reset && config.mail.url.is_none(),
        "auth.password_reset is on, but mail.url is missing: set mail.url and mail.from, or auth.password_reset to false",
    );
}

fn proxies(config: &Config, list: &mut List) {
    for text in &config.server.trusted_proxies {
        let wide = text.parse::<IpNet>().is_ok_and(|net| net.prefix_len() < OWN_NETWORK);
        list.refuse(
            wide,
            format!("server.trusted_proxies has {text}, so that anybody can claim any address: name the proxies' own networks"),
        );
    }
    let cors = &config.server.cors;
    list.refuse(
        cors.is_any(),
        "server.cors.origins is \"*\", so that any page can use tokens it gets hold of: name the origins",
    );
    for origin in &cors.origins {
        list.refuse(
            origin.starts_with("http://"),
            format!("server.cors.origins has {origin}, a page that anybody on the way can change: use https://"),
        );
    }
}

/// What is called in the clear with a secret.
fn calls(config: &Config, list: &mut List) {
    let has = |secret: &Option<Secret>| secret.is_some();
    let openai = &config.chat.openai;
    let vault = &config.secrets.vault;
    let google = &config.chat.google;
    let mut calls = vec![
        (
            "chat.openai.base_url".to_owned(),
            Some(openai.base_url.as_str()),
            has(&openai.api_key) || !openai.api_keys.is_empty() || !openai.headers.is_empty(),
        ),
        (
            "chat.google.base_url".to_owned(),
            Some(google.base_url.as_str()),
            has(&google.api_key) || !google.api_keys.is_empty(),
        ),
        ("secrets.vault.address".to_owned(), vault.address.as_deref(), true),
    ];
    calls.extend(providers::secret_calls(&config.chat));
    calls.push(config.rerank.secret_call());
    calls.extend(config.mcp.secret_calls());
    for (setting, url, with_secret) in calls {
        let url = url.and_then(|url| Url::parse(url).ok());
        let bad = url.is_some_and(|url| {
            with_secret && url.scheme() == "http" && !is_here(url.host_str().unwrap_or_default())
        });
        list.refuse(
            bad,
            format!("{setting} is called with a secret and without encryption: use https://"),
        );
    }
    list.refuse(
        config.mail.is_in_the_clear(),
        "mail.url sends mail without encryption, and links to set passwords with it: use smtps://, or smtp:// without tls=none",
    );
}

fn stores(config: &Config, list: &mut List) {
    let parsed = |secret: &Option<Secret>| Url::parse(secret.as_ref()?.expose()).ok();
    if let Some(url) = parsed(&config.storage.postgres) {
        let mode = url.query_pairs().find(|(name, _)| name == "sslmode" || name == "ssl-mode");
        let mode = mode.map(|(_, value)| value.into_owned()).unwrap_or_default();
        let decided = matches!(mode.as_str(), "require" | "verify-ca" | "verify-full" | "disable");
        let host = url.host_str().unwrap_or_default();
        // A socket's folder stands in a parameter, and is here.
        list.refuse(
            !decided && !host.is_empty() && !is_here(host),
            "storage.postgres goes on without encryption when the database has none: add ?sslmode=verify-full (or require), or \
             ?sslmode=disable where the network between is your own",
        );
    }
    if let Some(url) = parsed(&config.storage.redis) {
        list.refuse(
            url.scheme() == "redis"
                && url.password().is_some()
                && !is_here(url.host_str().unwrap_or_default()),
            "storage.redis sends its password without encryption: use rediss://",
        );
    }
}

fn readable(file: &Path, found: &Found, list: &mut List) {
    let Ok(facts) = std::fs::metadata(file) else { return };
    let mode = facts.permissions().mode() & 0o777;
    list.refuse(
        mode & 0o007 != 0 && !found.in_file.is_empty(),
        format!(
            "{} holds {} and is open to everybody on this machine (mode {mode:o}): `chmod o-rwx` it, or give {{ file = \"PATH\" }}",
            file.display(),
            found.in_file.join(", ")
        ),
    );
}

/// Whether a host is this machine itself.
pub(super) fn is_here(host: &str) -> bool {
    let bare = host.trim_matches(['[', ']']);
    bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
