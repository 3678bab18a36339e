//! Breakers that somebody sets by hand, in this process and all others, those that start later too.

use std::{collections::BTreeMap, sync::Arc};

use notebook_core::{
    Clock, Error, ErrorKind, Result, Timestamp, WorkerId,
    breaker_setting::{BreakerSetting, BreakerSettings},
    chat::layers::{Breaker, Forced},
    identity::audit::Actor,
    pubsub::PubSub,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tracing::warn;
use utoipa::ToSchema;

use super::{
    Models,
    state::{ModelState, Route, state},
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

impl Wanted {
    const fn forced(self) -> Option<Forced> {
        match self {
            Self::Open => Some(Forced::Open),
            Self::Closed => Some(Forced::Closed),
            Self::Auto => None,
        }
    }
}

/// What one process tells the others: what it is stands in the store.
#[derive(Serialize, Deserialize)]
struct Told {
    by: WorkerId,
    route: Route,
    model: String,
    state: Wanted,
}

/// What somebody decides.
pub(crate) struct Decision {
    pub(crate) route: Route,
    pub(crate) model: String,
    pub(crate) state: Wanted,
    pub(crate) by: Actor,
    pub(crate) until: Option<Timestamp>,
}

/// Where breakers are set, and heard to be set elsewhere.
pub(crate) struct ByHand {
    models: Arc<Models>,
    settings: Arc<dyn BreakerSettings>,
    pubsub: Arc<dyn PubSub>,
    clock: Arc<dyn Clock>,
    /// This process.
    own: WorkerId,
    /// What the breakers of this process were set to last. One after the other does so.
    done: Mutex<BTreeMap<(Route, String), BreakerSetting>>,
}

impl ByHand {
    pub(crate) fn new(
        models: Arc<Models>,
        settings: Arc<dyn BreakerSettings>,
        pubsub: Arc<dyn PubSub>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { models, settings, pubsub, clock, own: WorkerId::new(), done: Mutex::default() }
    }

    /// Stores a decision, sets the breaker here, and tells the others, who do the same as soon as they hear of it.
    ///
    /// # Errors
    /// As [`breaker`](Self::breaker); `InvalidInput` for an end that is not to come, or of nothing; those of the store, and
    /// of telling.
    pub(crate) async fn set(&self, decision: Decision) -> Result<ModelState> {
        let Decision { route, model, state, .. } = &decision;
        let breaker = self.breaker(*route, model)?;
        self.check(&decision)?;
        let mut done = self.done.lock().await;
        let key = (*route, model.clone());
        match state.forced() {
            Some(forced) => {
                let setting = BreakerSetting {
                    route: route.name().to_owned(),
                    model: model.clone(),
                    state: forced,
                    by: decision.by,
                    at: self.clock.now(),
                    until: decision.until,
                };
                self.settings.set(&setting).await?;
                self.force(&breaker, &setting);
                done.insert(key, setting);
            }
            None => {
                self.settings.clear(route.name(), model).await?;
                breaker.force(None);
                done.remove(&key);
            }
        }
        let set = self::state(*route, model, &breaker);
        let told = Told { by: self.own, route: *route, model: model.clone(), state: *state };
        let told = serde_json::to_string(&told)
            .map_err(|error| Error::new(ErrorKind::Internal, "set breaker").caused_by(error))?;
        self.pubsub.publish(TOPIC, &told)?;
        Ok(set)
    }

    /// Whether a decision can be made.
    ///
    /// # Errors
    /// `InvalidInput` that names `until`.
    pub(crate) fn check(&self, decision: &Decision) -> Result<()> {
        let Some(until) = decision.until else { return Ok(()) };
        if decision.state == Wanted::Auto {
            return Err(Error::invalid("set breaker", "until", "leave it out: auto has no end"));
        }
        if until <= self.clock.now() {
            let fix = "give a moment that is still to come, in milliseconds since 1970";
            return Err(Error::invalid("set breaker", "until", fix));
        }
        Ok(())
    }

    /// Whether there is such a breaker.
    ///
    /// # Errors
    /// `NotFound` where there is no such model; `Unsupported` where models of this kind have no breakers.
    pub(crate) fn breaker(&self, route: Route, model: &str) -> Result<Arc<Breaker>> {
        let configured: Vec<String> = self.models.configured().collect();
        self.models.layers().named((route, model), &configured)
    }

    /// What was decided, and holds.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn decided(&self) -> Result<Vec<BreakerSetting>> {
        self.settings.all(self.clock.now()).await
    }

    fn force(&self, breaker: &Breaker, setting: &BreakerSetting) {
        match setting.until {
            None => breaker.force(Some(setting.state)),
            Some(until) => breaker.force_for(setting.state, until.since(self.clock.now())),
        }
    }

    /// Sets the breakers of this process as is stored.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn recall(&self) -> Result<()> {
        let mut done = self.done.lock().await;
        let (now, layers) = (self.clock.now(), self.models.layers());
        let mut stored = BTreeMap::new();
        for setting in self.settings.all(now).await? {
            // Another version of this program may know more.
            if let Some(route) = Route::named(&setting.route) {
                stored.insert((route, setting.model.clone()), setting);
            }
        }
        for ((route, model), before) in done.iter() {
            // What is over ended by itself.
            if before.holds(now)
                && !stored.contains_key(&(*route, model.clone()))
                && let Some(breaker) = layers.decided(*route, model)?
            {
                breaker.force(None);
            }
        }
        for (key, setting) in &stored {
            if done.get(key) != Some(setting)
                && let Some(breaker) = layers.decided(key.0, &key.1)?
            {
                self.force(&breaker, setting);
            }
        }
        *done = stored;
        Ok(())
    }

    /// Does what other processes say, for ever.
    pub(crate) async fn hear(self: Arc<Self>) {
        let mut told = self.pubsub.subscribe(TOPIC);
        // What was decided between the start and now.
        self.recall_or_warn().await;
        while let Some(heard) = told.next().await {
            // Whatever is heard, or missed: it is stored.
            let own = matches!(&heard, notebook_core::pubsub::Heard::Message(message)
                if serde_json::from_str::<Told>(message).is_ok_and(|told| told.by == self.own));
            if !own {
                self.recall_or_warn().await;
            }
        }
    }

    async fn recall_or_warn(&self) {
        if let Err(error) = self.recall().await {
            warn!(%error, "breakers that were set elsewhere are not known here");
        }
    }
}
