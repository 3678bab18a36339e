//! Breakers that somebody sets by hand, in this process and all others.

use std::sync::Arc;

use notebook_core::{
    Error, ErrorKind, Result, WorkerId,
    chat::layers::{Breaker, Forced},
    pubsub::{Heard, PubSub},
};
use serde::{Deserialize, Serialize};
use tracing::warn;
use utoipa::ToSchema;

use super::{
    Models,
    layers::{ModelState, Route, state},
};

/// Under which processes tell each other.
const TOPIC: &str = "breakers";

/// How a breaker is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Wanted {
    /// No call is made.
    Open,
    /// Every call is, whatever comes of it.
    Closed,
    /// By what comes of calls.
    Auto,
}

/// What one process tells the others.
#[derive(Serialize, Deserialize)]
struct Told {
    by: WorkerId,
    route: Route,
    model: String,
    state: Wanted,
}

/// Where breakers are set, and heard to be set elsewhere.
pub(crate) struct ByHand {
    models: Arc<Models>,
    pubsub: Arc<dyn PubSub>,
    /// This process.
    own: WorkerId,
}

impl ByHand {
    pub(crate) fn new(models: Arc<Models>, pubsub: Arc<dyn PubSub>) -> Self {
        Self { models, pubsub, own: WorkerId::new() }
    }

    /// Sets a breaker here, and tells the others, who do the same as soon as they hear of it. A process that starts later
    /// knows nothing of it.
    ///
    /// # Errors
    /// As [`breaker`](Self::breaker); those of telling.
    pub(crate) fn set(&self, route: Route, model: String, state: Wanted) -> Result<ModelState> {
        let set = self.apply(route, &model, state)?;
        let told = serde_json::to_string(&Told { by: self.own, route, model, state });
        let told =
            told.map_err(|error| Error::new(ErrorKind::Internal, "set breaker").caused_by(error))?;
        self.pubsub.publish(TOPIC, &told)?;
        Ok(set)
    }

    /// Whether there is such a breaker.
    ///
    /// # Errors
    /// `NotFound` where there is no such model; `Unsupported` where models of this kind have no breakers.
    pub(crate) fn breaker(&self, route: Route, model: &str) -> Result<Arc<Breaker>> {
        let configured: Vec<String> = self.models.configured().collect();
        self.models.layers().named((route, model), &configured)
    }

    fn apply(&self, route: Route, model: &str, wanted: Wanted) -> Result<ModelState> {
        let breaker = self.breaker(route, model)?;
        breaker.force(match wanted {
            Wanted::Open => Some(Forced::Open),
            Wanted::Closed => Some(Forced::Closed),
            Wanted::Auto => None,
        });
        Ok(state(route, model, &breaker))
    }

    /// Does what other processes say, for ever.
    pub(crate) async fn hear(self: Arc<Self>) {
        let mut told = self.pubsub.subscribe(TOPIC);
        while let Some(heard) = told.next().await {
            let Heard::Message(message) = heard else { continue };
            match serde_json::from_str::<Told>(&message) {
                Ok(told) if told.by == self.own => {}
                Ok(Told { route, model, state, .. }) => {
                    if let Err(error) = self.apply(route, &model, state) {
                        warn!(%error, model, "a breaker that was set elsewhere is not known here");
                    }
                }
                Err(error) => warn!(%error, "a message about breakers is not understood"),
            }
        }
    }
}
