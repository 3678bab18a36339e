//! Breakers of models, for those who run the installation.

use axum::extract::State;
use notebook_auth::Principal;
use notebook_core::{
    Timestamp,
    breaker_setting::BreakerSetting,
    identity::audit::{Actor, NewEntry},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    app::App,
    extract::{Json, Who},
    models::{Decision, ModelState, Route, Wanted},
    problem::{Problem, Reply},
};

/// How the models of this process stand.
#[derive(Serialize, ToSchema)]
pub(super) struct Breakers {
    items: Vec<BreakerView>,
}

/// How a model stands, and what somebody has decided of it.
#[derive(Serialize, ToSchema)]
pub(super) struct BreakerView {
    #[serde(flatten)]
    state: ModelState,
    /// Where `forced`: by whom, when, and until when.
    decided: Option<DecidedView>,
}

/// Who decided, and for how long.
#[derive(Serialize, ToSchema)]
pub(super) struct DecidedView {
    /// As in the audit log.
    #[schema(value_type = Object)]
    by: Actor,
    at: Timestamp,
    /// None: until somebody decides again.
    until: Option<Timestamp>,
}

/// Which breaker, and how it is to stand.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetBreaker {
    route: Route,
    /// As `GET /api/breakers` calls it.
    model: String,
    state: Wanted,
    /// When that ends: in milliseconds since 1970. Without it when somebody decides again.
    until: Option<Timestamp>,
}

/// How all models stand that were asked for, those of everybody's notebooks too.
#[utoipa::path(get, path = "/api/breakers",
    responses((status = 200, body = Breakers), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn list(State(app): State<App>, Who(principal): Who) -> Reply<Json<Breakers>> {
    app.access.operates(&principal)?;
    let decided = app.breakers.decided().await?;
    let views = app.models.layers().models().into_iter().map(|state| {
        let of_it = |setting: &&BreakerSetting| {
            state.forced && setting.route == state.route.name() && setting.model == state.model
        };
        let decided = decided.iter().find(of_it);
        let decided = decided.map(|BreakerSetting { by, at, until, .. }| DecidedView {
            by: *by,
            at: *at,
            until: *until,
        });
        BreakerView { state, decided }
    });
    Ok(Json(Breakers { items: views.collect() }))
}

/// Opens or closes a model's breaker by hand, or leaves it to itself again: in all processes, those that start later too.
#[utoipa::path(put, path = "/api/breakers", request_body = SetBreaker,
    responses((status = 200, body = ModelState), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem), (status = 501, body = Problem)))]
pub(super) async fn set(
    State(app): State<App>,
    Who(principal): Who,
    Json(body): Json<SetBreaker>,
) -> Reply<Json<ModelState>> {
    let log = app.access.operates(&principal)?;
    app.breakers.breaker(body.route, &body.model)?;
    let entry = entry(&principal, &body);
    let SetBreaker { route, model, state, until } = body;
    let decision = Decision { route, model, state, until, by: principal.actor() };
    app.breakers.check(&decision)?;
    // First: what cannot be written down is not done.
    app.access.identity().append(&log, vec![entry]).await?;
    Ok(Json(app.breakers.set(decision).await?))
}

fn entry(principal: &Principal, body: &SetBreaker) -> NewEntry {
    let SetBreaker { route, model, state, until } = body;
    // A target has up to 256 bytes.
    let target: String = model.chars().take(60).collect();
    let detail = match until {
        Some(until) => json!({ "route": route, "model": model, "state": state, "until": until }),
        None => json!({ "route": route, "model": model, "state": state }),
    };
    NewEntry::new(principal.actor(), "breaker.set").about(target).warning().with(&detail)
}
