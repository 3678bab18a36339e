//! Who may use the server.

use std::collections::BTreeMap;

use notebook_core::{Secret, UserId};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use utoipa::ToSchema;

use super::OidcProvider;

/// Who may use the server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// `single_user`: no login, loopback only. `accounts`: people sign in.
    pub mode: AuthMode,
    /// What people type to reach the server, such as `https://notebook.example.org`. Requests by cookie are taken from
    /// its origin only.
    pub public_url: Option<String>,
    /// Who may become a user.
    pub registration: Registration,
    /// Secrets of at least 32 characters by number; all keys are made of them. One is made in the data folder when
    /// there is none.
    #[serde(deserialize_with = "numbered")]
    pub secrets: BTreeMap<u32, Secret>,
    /// The number of the secret in use; the highest when absent. Another becomes the one in use when all servers know
    /// it, and is kept for as long as sessions live.
    pub current_secret: Option<u32>,
    /// How many minutes an access token lives.
    pub access_minutes: u32,
    /// After how many days without a refresh a session ends.
    pub idle_days: u32,
    /// After how many days it ends whatever happens.
    pub session_days: u32,
    /// Each refresh makes a new token, and one that is used again ends the session (RFC 9700 to the letter). It signs out
    /// browsers with several tabs.
    pub strict_refresh: bool,
    /// OpenID providers that people may sign in at, by name.
    pub oidc: BTreeMap<String, OidcProvider>,
    /// Whether people may ask for mail by which they set a forgotten password; only where mail is sent.
    pub password_reset: bool,
    /// The ids of users who run the installation: by ids, for an address is anybody's until it is confirmed.
    pub operators: Vec<UserId>,
}

/// How people reach the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthMode {
    /// Everyone who can reach it is the one user.
    SingleUser,
    /// People sign in.
    Accounts,
}

/// Who may become a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Registration {
    /// Anyone.
    Open,
    /// Who has an invitation to a workspace.
    Invited,
    /// Whom the operator makes one.
    Closed,
}

/// Names in a configuration are texts, whichever file they come from.
fn numbered<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<u32, Secret>, D::Error> {
    let named = BTreeMap::<String, Secret>::deserialize(from)?;
    let number = |(name, secret): (String, Secret)| match name.parse() {
        Ok(number) => Ok((number, secret)),
        Err(_) => Err(D::Error::custom(format!(
            "auth.secrets are named by numbers, such as auth.secrets.1, and not by {name:?}"
        ))),
    };
    named.into_iter().map(number).collect()
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            mode: AuthMode::SingleUser,
            public_url: None,
            registration: Registration::Invited,
            secrets: BTreeMap::new(),
            current_secret: None,
            access_minutes: 15,
            idle_days: 30,
            session_days: 90,
            strict_refresh: false,
            oidc: BTreeMap::new(),
            password_reset: true,
            operators: Vec::new(),
        }
    }
}

impl Auth {
    /// The origin of [`Auth::public_url`].
    pub(crate) fn origin(&self) -> Option<String> {
        let url = reqwest::Url::parse(self.public_url.as_deref()?).ok()?;
        Some(url.origin().ascii_serialization())
    }

    /// What is wrong with it. `shared`: several servers may work on the same rows.
    pub(super) fn errors(&self, shared: bool) -> Vec<String> {
        let mut errors = Vec::new();
        let mut need = |good: bool, error: String| {
            if !good {
                errors.push(error);
            }
        };
        for (name, value, range) in [
            ("access_minutes", self.access_minutes, 5..=60),
            ("idle_days", self.idle_days, 1..=365),
            ("session_days", self.session_days, 1..=3_650),
        ] {
            let (from, to) = (range.start(), range.end());
            need(range.contains(&value), format!("auth.{name} must be from {from} to {to}"));
        }
        need(
            self.idle_days <= self.session_days,
            "auth.idle_days must be at most auth.session_days".to_owned(),
        );
        for (number, secret) in &self.secrets {
            let text = secret.expose();
            let mut letters: Vec<char> = text.chars().collect();
            letters.sort_unstable();
            letters.dedup();
            need(
                text.len() >= 32 && letters.len() >= 10,
                format!(
                    "auth.secrets.{number} is too easy to guess: give at least 32 random characters, such as those of \
                     `openssl rand -hex 32`"
                ),
            );
        }
        need(
            self.current_secret.is_none_or(|number| self.secrets.contains_key(&number)),
            "auth.current_secret must be the number of one of auth.secrets".to_owned(),
        );
        if self.mode == AuthMode::Accounts {
            self.accounts_errors(shared, &mut need);
        }
        errors.extend(super::oidc::errors(self));
        errors
    }

    fn accounts_errors(&self, shared: bool, need: &mut impl FnMut(bool, String)) {
        need(
            !shared || !self.secrets.is_empty(),
            "auth.secrets is needed with storage.postgres, for all servers must have the same: set \
             auth.secrets.1 to 32 random characters or more"
                .to_owned(),
        );
        let url = self.public_url.as_deref().map(reqwest::Url::parse);
        match url {
            None => {}
            Some(Err(_)) => need(
                false,
                "auth.public_url must be a URL such as https://notebook.example.org".to_owned(),
            ),
            Some(Ok(url)) => {
                let host = url.host_str().unwrap_or_default();
                let local = host == "localhost" || host == "127.0.0.1" || host == "[::1]";
                need(
                    url.scheme() == "https" || (url.scheme() == "http" && local),
                    "auth.public_url must begin with https://: browsers keep the cookies of a session on nothing less; \
                     http:// only with localhost, to try it"
                        .to_owned(),
                );
                need(
                    url.path() == "/" && url.query().is_none() && url.fragment().is_none(),
                    "auth.public_url must end with the host or port".to_owned(),
                );
            }
        }
    }
}
