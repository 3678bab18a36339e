//! Breakers of models, for those who run the installation.

use axum::extract::State;
use notebook_auth::Principal;
use notebook_core::identity::audit::NewEntry;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    app::App,
    extract::{Json, Who},
    models::{ModelState, Route, Wanted},
    problem::{Problem, Reply},
};

/// How the models of this process stand.
#[derive(Serialize, ToSchema)]
pub(super) struct Breakers {
    items: Vec<ModelState>,
}

/// Which breaker, and how it is to stand.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetBreaker {
    route: Route,
    /// As `GET /api/breakers` calls it.
    model: String,
    state: Wanted,
}

/// How all models stand that were asked for, those of everybody's notebooks too.
#[utoipa::path(get, path = "/api/breakers",
    responses((status = 200, body = Breakers), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn list(State(app): State<App>, Who(principal): Who) -> Reply<Json<Breakers>> {
    app.access.operates(&principal)?;
    Ok(Json(Breakers { items: app.models.layers().models() }))
}

/// Opens or closes a model's breaker by hand, or leaves it to itself again, in all processes that run now.
#[utoipa::path(put, path = "/api/breakers", request_body = SetBreaker,
    responses((status = 200, body = ModelState), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem), (status = 501, body = Problem)))]
pub(super) async fn set(
    State(app): State<App>,
    Who(principal): Who,
    Json(body): Json<SetBreaker>,
) -> Reply<Json<ModelState>> {
    let log = app.access.operates(&principal)?;
    app.breakers.breaker(body.route, &body.model)?;
    // First: what cannot be written down is not done.
    app.access.identity().append(&log, vec![entry(&principal, &body)]).await?;
    Ok(Json(app.breakers.set(body.route, body.model, body.state)?))
}

fn entry(principal: &Principal, body: &SetBreaker) -> NewEntry {
    let SetBreaker { route, model, state } = body;
    // A target has up to 256 bytes.
    let target: String = model.chars().take(60).collect();
    let detail = json!({ "route": route, "model": model, "state": state });
    NewEntry::new(principal.actor(), "breaker.set").about(target).warning().with(&detail)
}
