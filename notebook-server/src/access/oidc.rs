//! The OpenID providers of the configuration.

use std::sync::Arc;

use notebook_auth::oidc::{PendingKeys, Provider, ProviderConfig, Rules, SignUp};
use notebook_core::{
    Clock, Result,
    http::{HttpClient, HttpConfig},
};

use crate::config::{Config, OidcProvider, Registration};

/// Where people may sign in elsewhere.
pub(crate) struct Oidc {
    /// In the order of the configuration.
    pub(crate) providers: Vec<Entry>,
    /// What browsers keep is sealed by these.
    pub(crate) keys: PendingKeys,
}

/// A provider, and what goes for its people.
pub(crate) struct Entry {
    /// The provider.
    pub(crate) provider: Provider,
    /// What people call it.
    pub(crate) label: String,
    /// Its issuer.
    pub(crate) issuer: String,
    /// Who may come by it.
    pub(crate) rules: Rules,
}

impl Oidc {
    /// Those of the configuration. Nothing is asked of them yet.
    ///
    /// # Errors
    /// `InvalidInput` when a setting is wrong.
    pub(super) fn open(config: &Config, keys: PendingKeys, clock: &Arc<dyn Clock>) -> Result<Self> {
        // They are the operator's, so they may be private; the certificates of a company's own authority go for all.
        let extra_roots = config.egress.extra_roots.clone();
        let http = HttpClient::new(&HttpConfig { extra_roots, ..HttpConfig::default() })?;
        let origin = config.auth.origin().unwrap_or_default();
        let entry = |(name, provider): (&String, &OidcProvider)| {
            entry(
                name,
                provider,
                &origin,
                config.auth.registration,
                http.clone(),
                Arc::clone(clock),
            )
        };
        let providers = config.auth.oidc.iter().map(entry).collect::<Result<_>>()?;
        Ok(Self { providers, keys })
    }

    /// The provider of a name.
    pub(crate) fn named(&self, name: &str) -> Option<&Entry> {
        self.providers.iter().find(|entry| entry.provider.name() == name)
    }
}

fn entry(
    name: &str,
    config: &OidcProvider,
    origin: &str,
    registration: Registration,
    http: HttpClient,
    clock: Arc<dyn Clock>,
) -> Result<Entry> {
    let sign_up = match config.registration.unwrap_or(registration) {
        Registration::Open => SignUp::Open,
        Registration::Invited => SignUp::Invited,
        Registration::Closed => SignUp::Closed,
    };
    let rules = Rules {
        sign_up,
        link_verified_email: config.link_verified_email,
        allowed_domains: config.allowed_domains.clone(),
    };
    let provider = ProviderConfig {
        name: name.to_owned(),
        issuer: config.issuer.clone(),
        client_id: config.client_id.clone(),
        client_secret: config.client_secret.clone(),
        scopes: config.scopes.clone(),
        redirect: format!("{origin}/api/auth/oidc/{name}/callback"),
    };
    Ok(Entry {
        provider: Provider::new(provider, http, clock)?,
        label: config.label.clone().unwrap_or_else(|| name.to_owned()),
        issuer: config.issuer.clone(),
        rules,
    })
}
