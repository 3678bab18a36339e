use std::{collections::BTreeSet, time::Duration};

use axum::{
    extract::State,
    http::{HeaderName, HeaderValue, StatusCode, header},
};
use notebook_core::{
    DeliveryId, Secret, Timestamp, WebhookId,
    model::{Page, PageRequest},
    webhook::{Delivery, Event, EventType, SigningSecret, SigningSecrets, Webhook, WebhookChange},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::conversations::Items;
use crate::{
    app::App,
    extract::{Json, Path, Query, Scope, need},
    problem::{Problem, Reply},
};

/// For how long a secret that was replaced still signs.
const ROTATION: Duration = Duration::from_secs(86_400);

/// A reply that holds a secret is kept by nobody on the way.
type Private<T> = ([(HeaderName, HeaderValue); 1], Json<T>);

fn private<T>(body: T) -> Private<T> {
    ([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(body))
}

/// Webhooks, oldest first; without their secrets.
#[utoipa::path(get, path = "/api/webhooks", responses((status = 200, body = Items<Webhook>)))]
pub(super) async fn list(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::WorkspaceManage>,
) -> Reply<Json<Items<Webhook>>> {
    Ok(Json(Items { items: app.webhooks.webhooks(&scope).await? }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateWebhook {
    /// Where messages are sent: an address on the public internet, of at most 2,048 bytes.
    url: String,
    /// At most 500 characters.
    #[serde(default)]
    description: String,
    /// One or more.
    events: BTreeSet<EventType>,
    /// Made by the server when absent; else `whsec_` and the base64 of 24 to 64 random bytes.
    #[schema(value_type = Option<String>)]
    secret: Option<Secret>,
}

/// A webhook with its secret: it is not shown again unless it is asked for.
#[derive(Serialize, ToSchema)]
pub(super) struct CreatedWebhook {
    #[serde(flatten)]
    webhook: Webhook,
    /// What the receiver verifies messages with.
    secret: String,
}

/// Creates a webhook. At most 20 in all.
#[utoipa::path(post, path = "/api/webhooks", request_body = CreateWebhook,
    responses((status = 201, body = CreatedWebhook), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn create(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::WorkspaceManage>,
    Json(body): Json<CreateWebhook>,
) -> Reply<(StatusCode, Private<CreatedWebhook>)> {
    app.egress.check(&body.url)?;
    let now = app.clock.now();
    let secret = body.secret.map_or_else(SigningSecret::generate, SigningSecret::parse)?;
    let webhook = Webhook {
        id: WebhookId::new(),
        url: body.url,
        description: body.description,
        events: body.events,
        enabled: true,
        disabled: None,
        failing_since: None,
        created_at: now,
        updated_at: now,
    };
    app.webhooks.create_webhook(&scope, webhook.clone(), secret.clone()).await?;
    let secret = secret.expose().to_owned();
    Ok((StatusCode::CREATED, private(CreatedWebhook { webhook, secret })))
}

/// One webhook, without its secret.
#[utoipa::path(get, path = "/api/webhooks/{id}", params(("id" = WebhookId, Path)),
    responses((status = 200, body = Webhook), (status = 404, body = Problem)))]
pub(super) async fn get(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::WorkspaceManage>,
    Path(id): Path<WebhookId>,
) -> Reply<Json<Webhook>> {
    Ok(Json(app.webhooks.webhook(&scope, id).await?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateWebhook {
    url: Option<String>,
    description: Option<String>,
    events: Option<BTreeSet<EventType>>,
    /// Enabling forgets why the server disabled it.
    enabled: Option<bool>,
}

/// Changes what the body names.
#[utoipa::path(patch, path = "/api/webhooks/{id}", params(("id" = WebhookId, Path)),
    request_body = UpdateWebhook,
    responses((status = 200, body = Webhook), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn update(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::WorkspaceManage>,
    Path(id): Path<WebhookId>,
    Json(body): Json<UpdateWebhook>,
) -> Reply<Json<Webhook>> {
    let UpdateWebhook { url, description, events, enabled } = body;
    url.as_deref().map_or(Ok(()), |url| app.egress.check(url))?;
    let change = WebhookChange { url, description, events, enabled };
    Ok(Json(app.webhooks.change_webhook(&scope, id, change, app.clock.now()).await?))
}

/// Deletes a webhook with its deliveries.
#[utoipa::path(delete, path = "/api/webhooks/{id}", params(("id" = WebhookId, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub(super) async fn delete(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::WorkspaceManage>,
    Path(id): Path<WebhookId>,
) -> Reply<StatusCode> {
    app.webhooks.delete_webhook(&scope, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What messages are signed with.
#[derive(Serialize, ToSchema)]
pub(super) struct ShownSecret {
    /// The secret that holds.
    secret: String,
    /// Until when the one before signs beside it.
    previous_until: Option<Timestamp>,
}

impl ShownSecret {
    fn of(secrets: &SigningSecrets, now: Timestamp) -> Self {
        let until = secrets.previous.as_ref().map(|previous| previous.until);
        Self {
            secret: secrets.current.expose().to_owned(),
            previous_until: until.filter(|until| now < *until),
        }
    }
}

/// Shows a webhook's secret. A POST, so that it lies in no cache and no history.
#[utoipa::path(post, path = "/api/webhooks/{id}/secret/reveal", params(("id" = WebhookId, Path)),
    responses((status = 200, body = ShownSecret), (status = 404, body = Problem)))]
pub(super) async fn reveal(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::WorkspaceManage>,
    Path(id): Path<WebhookId>,
) -> Reply<Private<ShownSecret>> {
    let secrets = app.webhooks.secrets(&scope, id).await?;
    Ok(private(ShownSecret::of(&secrets, app.clock.now())))
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RotateSecret {
    /// Made by the server when absent.
    #[schema(value_type = Option<String>)]
    secret: Option<Secret>,
}

/// Puts a new secret in place of the present one, which signs beside it for 24 hours more.
#[utoipa::path(post, path = "/api/webhooks/{id}/secret/rotate", params(("id" = WebhookId, Path)),
    request_body = RotateSecret,
    responses((status = 200, body = ShownSecret), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn rotate(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::WorkspaceManage>,
    Path(id): Path<WebhookId>,
    Json(body): Json<RotateSecret>,
) -> Reply<Private<ShownSecret>> {
    let secret = body.secret.map_or_else(SigningSecret::generate, SigningSecret::parse)?;
    let now = app.clock.now();
    let until = now.after(ROTATION);
    let secrets = app.webhooks.rotate_secret(&scope, id, secret, now, until).await?;
    tracing::info!(webhook = %id, tenant = %scope.tenant(), "a webhook's secret was replaced");
    Ok(private(ShownSecret::of(&secrets, now)))
}

/// Sends the event `webhook.ping`.
#[utoipa::path(post, path = "/api/webhooks/{id}/test", params(("id" = WebhookId, Path)),
    responses((status = 202, body = Delivery), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn test(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::WorkspaceManage>,
    Path(id): Path<WebhookId>,
) -> Reply<(StatusCode, Json<Delivery>)> {
    let event = Event::ping(id, app.clock.now());
    let delivery = app.webhooks.send(&scope, id, event).await?;
    app.bell.notify_one();
    Ok((StatusCode::ACCEPTED, Json(delivery)))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// `next` of the page before.
    after: Option<String>,
    /// 1 to 1,000; 50 when absent.
    limit: Option<usize>,
}

/// What was and is to be sent to a webhook, newest first.
#[utoipa::path(get, path = "/api/webhooks/{id}/deliveries", params(("id" = WebhookId, Path), ListQuery),
    responses((status = 200, body = Page<Delivery>), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn deliveries(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::WorkspaceManage>,
    Path(id): Path<WebhookId>,
    Query(query): Query<ListQuery>,
) -> Reply<Json<Page<Delivery>>> {
    let page = PageRequest { after: query.after, limit: query.limit.unwrap_or(50) };
    Ok(Json(app.webhooks.deliveries(&scope, id, page).await?))
}

/// One delivery, with its attempts.
#[utoipa::path(get, path = "/api/webhooks/{id}/deliveries/{delivery}",
    params(("id" = WebhookId, Path), ("delivery" = DeliveryId, Path)),
    responses((status = 200, body = Delivery), (status = 404, body = Problem)))]
pub(super) async fn delivery(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::WorkspaceManage>,
    Path((id, delivery)): Path<(WebhookId, DeliveryId)>,
) -> Reply<Json<Delivery>> {
    Ok(Json(app.webhooks.delivery(&scope, id, delivery).await?))
}

/// Sends a delivery that has ended once more, under the same `webhook-id`.
#[utoipa::path(post, path = "/api/webhooks/{id}/deliveries/{delivery}/replay",
    params(("id" = WebhookId, Path), ("delivery" = DeliveryId, Path)),
    responses((status = 202, body = Delivery), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn replay(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::WorkspaceManage>,
    Path((id, delivery)): Path<(WebhookId, DeliveryId)>,
) -> Reply<(StatusCode, Json<Delivery>)> {
    let delivery = app.webhooks.replay(&scope, id, delivery, app.clock.now()).await?;
    app.bell.notify_one();
    Ok((StatusCode::ACCEPTED, Json(delivery)))
}
