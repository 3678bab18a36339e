//! One provider: what it says of itself, where browsers are sent to, and who comes back.

use std::{sync::Arc, time::Duration};

use notebook_core::{
    Clock, Error, ErrorKind, Result, Secret, http::HttpClient, identity::External,
};
use openidconnect::{
    AccessToken, AuthType, AuthorizationCode, ClientId, ClientSecret, CsrfToken, DiscoveryError,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, IssuerUrl, Nonce, OAuth2TokenResponse as _,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, SubjectIdentifier,
    TokenResponse as _,
    core::{
        CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreErrorResponseType,
        CoreIdTokenClaims, CoreJsonWebKeySet, CoreProviderMetadata, CoreTokenResponse,
        CoreUserInfoClaims,
    },
};
use tokio::sync::Mutex;

use super::{
    Pending, Person, Purpose, Refusal, Refused,
    cache::{Cache, Step},
    outgoing::Outgoing,
    verify::{Expected, Unproved, verify},
};
use crate::random::random;

/// How long a person may take at the provider.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// How a provider is reached, and as whom.
#[derive(Debug, Clone)]
pub struct ProviderConfig {
    /// What it is called here.
    pub name: String,
    /// What it calls itself; where it is described is said by it.
    pub issuer: String,
    /// Who we are there.
    pub client_id: String,
    /// How we prove it; none for a client that is told by PKCE alone.
    pub client_secret: Option<Secret>,
    /// What is asked for beside `openid`.
    pub scopes: Vec<String>,
    /// Where browsers come back to, as it is registered there.
    pub redirect: String,
}

/// What a browser brings back.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The code.
    pub code: String,
    /// Who the answer is from (RFC 9207), if it says so.
    pub issuer: Option<String>,
}

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// What a provider says of itself, with its keys.
type Described = Arc<(CoreProviderMetadata, CoreJsonWebKeySet)>;

/// One provider. Nothing is asked of it until somebody signs in.
pub struct Provider {
    config: ProviderConfig,
    issuer: IssuerUrl,
    redirect: RedirectUrl,
    http: Outgoing,
    clock: Arc<dyn Clock>,
    /// Held while the provider is asked, so that one asks for all.
    cache: Mutex<Cache<Described>>,
}

/// The address of an issuer: over HTTPS, or of this machine.
///
/// # Errors
/// What to change, as the end of a sentence.
pub fn checked_issuer(issuer: &str) -> Result<IssuerUrl, &'static str> {
    let url = IssuerUrl::new(issuer.to_owned());
    let url = url.map_err(|_| "must be a URL such as https://accounts.example.org")?;
    let parsed = url.url();
    let local = matches!(parsed.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    let encrypted = parsed.scheme() == "https" || (parsed.scheme() == "http" && local);
    if !encrypted {
        return Err("must begin with https://; http:// only with localhost, to try it");
    }
    if parsed.query().is_some() || parsed.fragment().is_some() || !parsed.username().is_empty() {
        return Err("must be the provider's address alone, without a user, ? or #");
    }
    Ok(url)
}

impl Provider {
    /// Makes ready.
    ///
    /// # Errors
    /// `InvalidInput` when an address is none.
    pub fn new(config: ProviderConfig, http: HttpClient, clock: Arc<dyn Clock>) -> Result<Self> {
        const OPERATION: &str = "set up OpenID provider";
        let issuer = checked_issuer(&config.issuer);
        let issuer = issuer.map_err(|fix| Error::invalid(OPERATION, "issuer", fix))?;
        let redirect = RedirectUrl::new(config.redirect.clone());
        let redirect = redirect.map_err(|error| {
            Error::invalid(OPERATION, "redirect", "give a URL").caused_by(error)
        })?;
        let (http, cache) = (Outgoing(http), Mutex::new(Cache::new()));
        Ok(Self { config, issuer, redirect, http, clock, cache })
    }

    /// What it is called here.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// Where a browser is sent to, and what it keeps until it comes back to go on at `to`.
    ///
    /// # Errors
    /// `Unavailable` or `Misconfigured`.
    pub async fn begin(&self, purpose: Purpose, to: String) -> Result<(String, Pending), Refused> {
        let (described, _) = self.described().await?;
        let word = || random::<32>().map(notebook_core::hex);
        let (state, nonce, verifier) = (word()?, word()?, word()?);
        let pkce = PkceCodeVerifier::new(verifier.clone());
        let (csrf, once) = (CsrfToken::new(state.clone()), Nonce::new(nonce.clone()));
        let client = self.client(&described);
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        let request = client.authorize_url(flow, move || csrf, move || once);
        let scopes = self.config.scopes.iter().map(|scope| Scope::new(scope.clone()));
        let (url, _, _) = request
            .add_scopes(scopes)
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&pkce))
            .url();
        let expires_at = self.clock.now().after(PATIENCE);
        let provider = self.config.name.clone();
        let pending = Pending { provider, state, nonce, verifier, purpose, to, expires_at };
        Ok((url.into(), pending))
    }

    /// Who it is that comes back.
    ///
    /// # Errors
    /// Why that is not known.
    pub async fn identify(&self, arrival: Arrival, pending: &Pending) -> Result<Person, Refused> {
        if arrival.issuer.is_some_and(|issuer| issuer != *self.issuer.as_str()) {
            return Err(invalid("the answer is another provider's"));
        }
        let (described, number) = self.described().await?;
        let client = self.client(&described);
        let code = AuthorizationCode::new(arrival.code);
        let request = client.exchange_code(code).map_err(|error| {
            Refused::because(
                Refusal::Misconfigured,
                protocol("has no token endpoint").caused_by(error),
            )
        })?;
        let request = request.set_pkce_verifier(PkceCodeVerifier::new(pending.verifier.clone()));
        let tokens = request.request_async(&self.http).await.map_err(exchange_refused)?;
        let claims = self.claims(&tokens, pending, &described, number).await?;
        let mut person = person(&self.issuer, &claims);
        if person.email.is_none() && described.0.userinfo_endpoint().is_some() {
            let subject = claims.subject().clone();
            add(&mut person, &self.user_info(&client, tokens.access_token(), subject).await?);
        }
        Ok(person)
    }

    /// What the ID token says, once it is found good; with newer keys, if it names one that was not there.
    async fn claims(
        &self,
        tokens: &CoreTokenResponse,
        pending: &Pending,
        described: &Described,
        number: u64,
    ) -> Result<CoreIdTokenClaims, Refused> {
        let token = tokens.id_token().ok_or_else(|| invalid("there is no ID token"))?;
        let client = ClientId::new(self.config.client_id.clone());
        let nonce = Nonce::new(pending.nonce.clone());
        let now = self.clock.now();
        let expected = Expected { issuer: &self.issuer, client: &client, nonce: &nonce, now };
        let look = |described: &Described| {
            verify(token, tokens.access_token(), &described.1, &expected).cloned()
        };
        let wrong = |unproved| match unproved {
            Unproved::UnknownKey => invalid("the token names a key that the provider has not"),
            Unproved::Wrong(cause) => Refused::because(Refusal::Invalid, cause),
        };
        match look(described) {
            Err(Unproved::UnknownKey) => {
                let renewed = self.renewed(described, number).await?;
                look(&renewed).map_err(wrong)
            }
            done => done.map_err(wrong),
        }
    }

    async fn user_info(
        &self,
        client: &Client,
        access: &AccessToken,
        subject: SubjectIdentifier,
    ) -> Result<CoreUserInfoClaims, Refused> {
        // It becomes a header.
        if !access.secret().bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(invalid("the access token is none"));
        }
        let unavailable = |cause| Refused::because(Refusal::Unavailable, cause);
        let failed = || protocol("does not say who it is");
        let request = client.user_info(access.clone(), Some(subject));
        let request = request.map_err(|error| unavailable(failed().caused_by(error)))?;
        let asked = request.request_async(&self.http).await;
        asked.map_err(|error| match error {
            openidconnect::UserInfoError::Request(cause) => unavailable(cause),
            error => Refused::because(Refusal::Invalid, failed().caused_by(error)),
        })
    }

    /// What the provider says of itself: as it was said of late, or asked for now.
    async fn described(&self) -> Result<(Described, u64), Refused> {
        let mut cache = self.cache.lock().await;
        match cache.step(self.clock.now()) {
            Step::Use(described, number) => return Ok((described, number)),
            Step::GiveUp => return Err(Refusal::Unavailable.into()),
            Step::Ask => {}
        }
        match self.discover().await {
            Ok(described) => {
                let number = cache.keep(Arc::clone(&described), self.clock.now());
                Ok((described, number))
            }
            Err(refused) => {
                cache.failed(self.clock.now());
                Err(refused)
            }
        }
    }

    async fn discover(&self) -> Result<Described, Refused> {
        let found = CoreProviderMetadata::discover_async(self.issuer.clone(), &self.http).await;
        let metadata = found.map_err(discovery_refused)?;
        let encrypted = |url: &openidconnect::url::Url| {
            url.scheme() == "https" || url.scheme() == self.issuer.url().scheme()
        };
        let good = encrypted(metadata.authorization_endpoint().url())
            && encrypted(metadata.jwks_uri().url())
            && metadata.token_endpoint().is_some_and(|url| encrypted(url.url()))
            && metadata.userinfo_endpoint().is_none_or(|url| encrypted(url.url()));
        if !good {
            let cause = protocol("names an address without encryption, or no token endpoint");
            return Err(Refused::because(Refusal::Misconfigured, cause));
        }
        let keys = metadata.jwks().clone();
        Ok(Arc::new((metadata, keys)))
    }

    /// The same with keys that are newer than those of `number`, if they may be asked for.
    async fn renewed(&self, described: &Described, number: u64) -> Result<Described, Refused> {
        let mut cache = self.cache.lock().await;
        match cache.renew(number, self.clock.now()) {
            Step::Use(newer, _) => return Ok(newer),
            Step::GiveUp => return Err(invalid("the token names a key that the provider has not")),
            Step::Ask => {}
        }
        let url = described.0.jwks_uri();
        let keys = CoreJsonWebKeySet::fetch_async(url, &self.http).await;
        let keys = keys.map_err(discovery_refused)?;
        let renewed = Arc::new((described.0.clone(), keys));
        cache.keep(Arc::clone(&renewed), self.clock.now());
        Ok(renewed)
    }

    fn client(&self, described: &Described) -> Client {
        let secret = self.config.client_secret.as_ref();
        let secret = secret.map(|secret| ClientSecret::new(secret.expose().to_owned()));
        let id = ClientId::new(self.config.client_id.clone());
        let client = CoreClient::from_provider_metadata(described.0.clone(), id, secret)
            .set_redirect_uri(self.redirect.clone());
        let methods = described.0.token_endpoint_auth_methods_supported();
        let knows = |method| methods.is_some_and(|methods| methods.contains(&method));
        // What all must know when they say nothing is the header.
        if knows(CoreClientAuthMethod::ClientSecretPost)
            && !knows(CoreClientAuthMethod::ClientSecretBasic)
        {
            return client.set_auth_type(AuthType::RequestBody);
        }
        client
    }
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provider").field("config", &self.config).finish_non_exhaustive()
    }
}

fn person(issuer: &IssuerUrl, claims: &CoreIdTokenClaims) -> Person {
    let name = claims.name().and_then(|name| name.get(None)).map(|name| name.to_string());
    Person {
        external: External {
            issuer: issuer.as_str().to_owned(),
            subject: claims.subject().as_str().to_owned(),
        },
        email: claims.email().map(|email| email.to_string()),
        email_verified: claims.email_verified().unwrap_or(false),
        name,
    }
}

/// Adds what is said elsewhere. Address and proof come from one place.
fn add(person: &mut Person, claims: &CoreUserInfoClaims) {
    person.email = claims.email().map(|email| email.to_string());
    person.email_verified = claims.email_verified().unwrap_or(false);
    let name = claims.name().and_then(|name| name.get(None)).map(|name| name.to_string());
    person.name = person.name.take().or(name);
}

fn protocol(what: &'static str) -> Error {
    Error::new(ErrorKind::Protocol, "ask OpenID provider")
        .with("reason", format!("the provider {what}"))
}

fn invalid(reason: &'static str) -> Refused {
    let cause = Error::new(ErrorKind::Protocol, "sign in").with("reason", reason);
    Refused::because(Refusal::Invalid, cause)
}

fn discovery_refused(error: DiscoveryError<Error>) -> Refused {
    match error {
        DiscoveryError::Request(cause) => Refused::because(Refusal::Unavailable, cause),
        error => {
            let cause = protocol("does not describe itself as OpenID Connect Discovery says");
            Refused::because(Refusal::Misconfigured, cause.caused_by(error))
        }
    }
}

type ExchangeError =
    RequestTokenError<Error, openidconnect::StandardErrorResponse<CoreErrorResponseType>>;

fn exchange_refused(error: ExchangeError) -> Refused {
    let refusal = match &error {
        RequestTokenError::Request(_) => Refusal::Unavailable,
        RequestTokenError::ServerResponse(said) => match said.error() {
            // The code was used, is too old, or was another's.
            CoreErrorResponseType::InvalidGrant => Refusal::Expired,
            _ => Refusal::Misconfigured,
        },
        _ => Refusal::Invalid,
    };
    match error {
        RequestTokenError::Request(cause) => Refused::because(refusal, cause),
        error => Refused::because(refusal, protocol("gives no tokens").caused_by(error)),
    }
}
