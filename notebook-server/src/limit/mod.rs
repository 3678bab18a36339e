//! How often clients may do what: limits by address for those who have not signed in, by user or key and by workspace
//! for all others. Where they are counted, and what counts while that does not answer, stands in
//! [`notebook_core::rate_limit`].

mod address;
mod build;
mod class;
mod headers;

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::Extensions,
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use notebook_auth::Principal;
use notebook_core::{
    Error, ErrorKind, Result, Retry, TenantId,
    rate_limit::{Decision, Key, RateLimits, Subject, Want, fallback::Fallback},
};
use tokio_util::sync::CancellationToken;

pub(crate) use self::{address::Forwarding, class::Class};
use self::{class::class_of, headers::Rule};
use crate::problem::Problem;

/// How often what is not in use any more is forgotten, and how much at once.
const PRUNE: Duration = Duration::from_secs(60);
const TOGETHER: usize = 10_000;

/// The rules of somebody, by class.
type Rules = HashMap<Class, Rule>;

/// What counts requests.
pub(crate) struct Limiter {
    limits: Arc<dyn RateLimits>,
    /// The same, where processes count together.
    shared: Option<Arc<Fallback>>,
    forwarding: Forwarding,
    anonymous: Rules,
    user: Rules,
    /// Those of workspaces that none are named for.
    usual: Arc<Rules>,
    workspaces: HashMap<TenantId, Arc<Rules>>,
}

/// Whose requests are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Stranger(IpAddr),
    /// A user or a key, and the workspace.
    Known(Subject, TenantId),
}

/// A rule, and how somebody stands to it.
struct Standing<'r> {
    rule: &'r Rule,
    decision: Decision,
}

/// Somebody's limits, for what is asked within a connection that stands already.
#[derive(Clone)]
pub(crate) struct Meter {
    limiter: Arc<Limiter>,
    who: Who,
}

impl Meter {
    /// Counts one of a class.
    ///
    /// # Errors
    /// `RateLimited` with the time to wait.
    pub(crate) async fn take(&self, class: Class) -> Result<()> {
        let standings = self.limiter.take(&self.who, class).await?;
        refusal(class, &standings).map_or(Ok(()), Err)
    }
}

impl Limiter {
    /// Whether this process counts alone although there are others.
    pub(crate) fn is_alone(&self) -> Option<bool> {
        self.shared.as_ref().map(|shared| shared.is_alone())
    }

    /// Forgets what is not in use any more, for as long as the server runs.
    pub(crate) async fn keep(self: Arc<Self>, ending: CancellationToken) {
        while ending.run_until_cancelled(tokio::time::sleep(PRUNE)).await.is_some() {
            loop {
                match self.limits.prune(TOGETHER).await {
                    Ok(pruned) if pruned < TOGETHER => break,
                    Ok(_) => {}
                    Err(error) => {
                        tracing::debug!(%error, "rate limits that are over stay for a while");
                        break;
                    }
                }
            }
        }
    }

    /// Who somebody is: authentication has said so, or else their address does.
    fn who(&self, request: &Request) -> Who {
        let extensions: &Extensions = request.extensions();
        if let Some(principal) = extensions.get::<Principal>() {
            let key = principal.key.as_ref().map(|(id, _)| Subject::ApiKey(*id));
            let subject = key.unwrap_or(Subject::User(principal.user));
            return Who::Known(subject, principal.scope.tenant());
        }
        let peer = extensions.get::<ConnectInfo<std::net::SocketAddr>>();
        let peer = peer.map_or(IpAddr::from([0, 0, 0, 0]), |ConnectInfo(peer)| peer.ip());
        Who::Stranger(self.forwarding.client(peer, request.headers()))
    }

    /// The rules for somebody, with whose requests count for each.
    fn rules(&self, who: &Who, class: Class) -> impl Iterator<Item = (Subject, &Rule)> {
        let (own, workspace) = match *who {
            Who::Stranger(address) => ((Subject::Address(address), &self.anonymous), None),
            Who::Known(subject, tenant) => {
                let rules = self.workspaces.get(&tenant).unwrap_or(&self.usual);
                ((subject, &self.user), Some((Subject::Tenant(tenant), &**rules)))
            }
        };
        let rules = std::iter::once(own).chain(workspace);
        rules.filter_map(move |(subject, rules)| Some((subject, rules.get(&class)?)))
    }

    /// Counts a request by all rules for it, until one refuses: the own limit first, so that nobody who is above it uses up
    /// the workspace's.
    async fn take(&self, who: &Who, class: Class) -> Result<Vec<Standing<'_>>> {
        let mut standings = Vec::with_capacity(2);
        for (subject, rule) in self.rules(who, class) {
            let key = Key::new(rule.name, &subject);
            let decision = self.limits.take(key, &rule.policy, Want::of(1)).await?;
            standings.push(Standing { rule, decision });
            if !decision.allowed {
                break;
            }
        }
        Ok(standings)
    }
}

impl std::fmt::Debug for Limiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limiter").field("shared", &self.shared).finish_non_exhaustive()
    }
}

/// The error for somebody who is refused.
fn refusal(class: Class, standings: &[Standing<'_>]) -> Option<Error> {
    let refused = standings.iter().find(|standing| !standing.decision.allowed)?;
    let wait = headers::seconds(refused.decision.retry_after.unwrap_or_default()).max(1);
    let policy = refused.rule.policy;
    let fix = format!(
        "wait {wait} s: the limit {} is {} in {} s",
        refused.rule.name,
        policy.quota(),
        policy.window().as_secs(),
    );
    let error = Error::new(ErrorKind::RateLimited, class.operation()).with("fix", fix);
    Some(error.retry(Retry::After(Duration::from_secs(wait))))
}

/// Counts a request, or refuses it, and says in the reply how the client stands.
pub(crate) async fn limit(
    State(limiter): State<Option<Arc<Limiter>>>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(limiter) = limiter else { return next.run(request).await };
    let who = limiter.who(&request);
    let class = class_of(&request);
    request.extensions_mut().insert(Meter { limiter: Arc::clone(&limiter), who });
    let Some(class) = class else { return next.run(request).await };
    let standings = match limiter.take(&who, class).await {
        Ok(standings) => standings,
        Err(error) => return Problem::from(error).into_response(),
    };
    let mut response = match refusal(class, &standings) {
        None => next.run(request).await,
        Some(error) => {
            tracing::info!(%error, "a request was refused");
            Problem::from(error).into_response()
        }
    };
    headers::write(response.headers_mut(), &standings);
    response
}

#[cfg(test)]
mod tests;
