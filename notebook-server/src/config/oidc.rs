//! OpenID providers that people may sign in at.

use notebook_auth::oidc::checked_issuer;
use notebook_core::Secret;
use serde::Deserialize;

use super::{Auth, AuthMode, Registration};

/// The most providers: each is a button.
const MOST: usize = 10;

/// An OpenID provider, under the name that it has in addresses, such as `example`. That is part of the address which is
/// registered at the provider: `<auth.public_url>/api/auth/oidc/<name>/callback`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcProvider {
    /// What people read on its button; the name when absent.
    #[serde(default)]
    pub label: Option<String>,
    /// What the provider calls itself, such as `https://accounts.example.org`, to the letter.
    pub issuer: String,
    /// Who we are there.
    pub client_id: String,
    /// How we prove it; for a public client there is none.
    #[serde(default)]
    pub client_secret: Option<Secret>,
    /// What is asked for beside `openid`.
    #[serde(default = "scopes")]
    pub scopes: Vec<String>,
    /// The domains of addresses that may sign in; all when empty.
    #[serde(default)]
    pub allowed_domains: Vec<String>,
    /// Whether an address that the provider says is verified is enough to be the user who has it here.
    #[serde(default)]
    pub link_verified_email: bool,
    /// Who becomes a user by it; as `auth.registration` says when absent.
    #[serde(default)]
    pub registration: Option<Registration>,
}

fn scopes() -> Vec<String> {
    ["email", "profile"].map(str::to_owned).into()
}

/// What is wrong with the providers.
pub(super) fn errors(auth: &Auth) -> Vec<String> {
    let mut errors = Vec::new();
    if auth.oidc.is_empty() {
        return errors;
    }
    if auth.mode != AuthMode::Accounts {
        errors.push("auth.oidc needs accounts: set auth.mode to \"accounts\"".to_owned());
    }
    if auth.public_url.is_none() {
        errors.push(
            "auth.public_url is needed with auth.oidc: providers send people back to it".to_owned(),
        );
    }
    if auth.oidc.len() > MOST {
        errors.push(format!("auth.oidc has more than {MOST} providers"));
    }
    for (name, provider) in &auth.oidc {
        if !is_name(name) {
            errors.push(format!("auth.oidc.{name}: a name must be 1 to 40 of a-z, 0-9 and -"));
        }
        let found = provider.errors(auth.registration);
        errors.extend(found.into_iter().map(|error| format!("auth.oidc.{name}.{error}")));
    }
    errors
}

impl OidcProvider {
    fn errors(&self, registration: Registration) -> Vec<String> {
        let mut errors = Vec::new();
        let mut need = |good: bool, error: &str| {
            if !good {
                errors.push(error.to_owned());
            }
        };
        let label = self.label.as_deref();
        need(
            label.is_none_or(|label| (1..=60).contains(&label.trim().chars().count())),
            "label must be 1 to 60 characters",
        );
        if let Err(fix) = checked_issuer(&self.issuer) {
            need(false, &format!("issuer {fix}"));
        }
        need(!self.client_id.trim().is_empty(), "client_id must not be empty");
        need(
            self.client_secret.as_ref().is_none_or(|secret| !secret.is_empty()),
            "client_secret must not be empty: leave it out for a public client",
        );
        let word =
            |scope: &String| !scope.is_empty() && scope.bytes().all(|byte| byte.is_ascii_graphic());
        need(self.scopes.iter().all(word), "scopes must be words without spaces");
        need(
            self.allowed_domains.iter().all(|domain| is_domain(domain)),
            "allowed_domains must be domains such as example.org, in lower case",
        );
        let open = self.registration.unwrap_or(registration) == Registration::Open
            || registration == Registration::Open;
        need(
            !(self.link_verified_email && open),
            "link_verified_email needs a registration that is not open: anyone could register another's address, and \
             would share the account with its owner",
        );
        errors
    }
}

fn is_name(name: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=40).contains(&name.len()) && name.bytes().all(good)
}

fn is_domain(domain: &str) -> bool {
    let good = |c: char| !c.is_control() && !c.is_whitespace() && !c.is_uppercase() && c != '@';
    domain.contains('.')
        && !domain.starts_with('.')
        && !domain.ends_with('.')
        && domain.chars().all(good)
}
