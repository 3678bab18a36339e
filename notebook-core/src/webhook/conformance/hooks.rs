//! Scenarios of webhooks and their secrets.

use super::*;

/// Every scenario of this file.
#[must_use]
pub fn scenarios<'a>() -> Vec<Scenario<Parts<'a>>> {
    crate::scenarios![
        Parts<'a>;
        a_webhook_reads_back_as_written,
        a_webhook_is_changed_in_what_is_given,
        bad_webhooks_are_refused,
        another_tenants_webhooks_are_absent,
        a_secret_is_replaced_and_goes_on_for_a_while,
        deleting_a_webhook_takes_its_deliveries,
    ]
}

pub async fn a_webhook_reads_back_as_written(parts: &Parts<'_>) {
    let scope = tenant();
    let store = parts.webhooks;
    let first = create(parts, &scope, &[]).await;
    let bare = Webhook {
        description: String::new(),
        enabled: false,
        disabled: Some(Disabled::Gone),
        failing_since: Some(at(5)),
        ..webhook(&[EventType::RunFailed])
    };
    let secret = SigningSecret::generate().unwrap();
    store.create_webhook(&scope, bare.clone(), secret.clone()).await.unwrap();
    assert_eq!(store.webhook(&scope, bare.id).await.unwrap(), bare);
    assert_eq!(store.webhooks(&scope).await.unwrap(), [first, bare.clone()]);
    let secrets = store.secrets(&scope, bare.id).await.unwrap();
    assert_eq!((secrets.current, secrets.previous), (secret.clone(), None));
    refused(store.create_webhook(&scope, bare, secret).await, ErrorKind::AlreadyExists);
}

pub async fn a_webhook_is_changed_in_what_is_given(parts: &Parts<'_>) {
    let scope = tenant();
    let old = create(parts, &scope, &[]).await;
    let off = WebhookChange { enabled: Some(false), ..WebhookChange::default() };
    let changed = parts.webhooks.change_webhook(&scope, old.id, off, at(9)).await.unwrap();
    assert_eq!(changed, Webhook { enabled: false, updated_at: at(9), ..old.clone() });
    let all = WebhookChange {
        url: Some("https://example.com/".into()),
        description: Some("x".into()),
        events: Some([EventType::SourceFailed].into()),
        enabled: Some(true),
    };
    parts.webhooks.change_webhook(&scope, old.id, all, at(10)).await.unwrap();
    let whole = Webhook {
        url: "https://example.com/".into(),
        description: "x".into(),
        events: [EventType::SourceFailed].into(),
        updated_at: at(10),
        ..old.clone()
    };
    assert_eq!(parts.webhooks.webhook(&scope, old.id).await.unwrap(), whole);
    let bad = WebhookChange { url: Some(String::new()), ..WebhookChange::default() };
    let refusal = parts.webhooks.change_webhook(&scope, old.id, bad, at(11)).await;
    refused(refusal, ErrorKind::InvalidInput);
    assert_eq!(parts.webhooks.webhook(&scope, old.id).await.unwrap(), whole);
}

pub async fn bad_webhooks_are_refused(parts: &Parts<'_>) {
    let scope = tenant();
    let secret = || SigningSecret::generate().unwrap();
    let none = Webhook { events: BTreeSet::new(), ..webhook(&[]) };
    let refusal = parts.webhooks.create_webhook(&scope, none, secret()).await;
    refused(refusal, ErrorKind::InvalidInput);
    for _ in 0..rules::MOST_WEBHOOKS {
        create(parts, &scope, &[]).await;
    }
    let refusal = parts.webhooks.create_webhook(&scope, webhook(&[]), secret()).await;
    refused(refusal, ErrorKind::Conflict);
}

pub async fn another_tenants_webhooks_are_absent(parts: &Parts<'_>) {
    let (owner, other) = (tenant(), tenant());
    let store = parts.webhooks;
    let theirs = create(parts, &owner, &[]).await;
    let sent = ping(parts, &owner, &theirs, 1).await;
    let (id, absent) = (theirs.id, WebhookId::new());
    same_not_found(store.webhook(&other, id).await, store.webhook(&other, absent).await);
    same_not_found(store.secrets(&other, id).await, store.secrets(&other, absent).await);
    same_not_found(
        store.delete_webhook(&other, id).await,
        store.delete_webhook(&other, absent).await,
    );
    let change = || WebhookChange { enabled: Some(false), ..WebhookChange::default() };
    same_not_found(
        store.change_webhook(&other, id, change(), at(1)).await,
        store.change_webhook(&other, absent, change(), at(1)).await,
    );
    let secret = || SigningSecret::generate().unwrap();
    same_not_found(
        store.rotate_secret(&other, id, secret(), at(1), at(2)).await,
        store.rotate_secret(&other, absent, secret(), at(1), at(2)).await,
    );
    let page = || PageRequest::first(5);
    same_not_found(
        store.deliveries(&other, id, page()).await,
        store.deliveries(&other, absent, page()).await,
    );
    same_not_found(
        store.delivery(&other, id, sent.id).await,
        store.delivery(&other, id, DeliveryId::new()).await,
    );
    same_not_found(
        store.replay(&other, id, sent.id, at(3)).await,
        store.replay(&other, absent, sent.id, at(3)).await,
    );
    same_not_found(
        store.send(&other, id, Event::ping(id, at(3))).await,
        store.send(&other, absent, Event::ping(absent, at(3))).await,
    );
    assert_eq!(store.webhooks(&other).await.unwrap(), []);
    assert_eq!(store.resume(&other, 10).await.unwrap(), 0);
    // Nor are they told of what happens here.
    let here = source(parts, &other).await;
    let ready = in_stage(&here, Stage::Ready, 0);
    parts.shared.store.update_source(&other, ready).await.unwrap();
    assert_eq!(deliveries(parts, &owner, &theirs).await, [sent]);
}

pub async fn a_secret_is_replaced_and_goes_on_for_a_while(parts: &Parts<'_>) {
    let scope = tenant();
    let hook = create(parts, &scope, &[]).await;
    let first = parts.webhooks.secrets(&scope, hook.id).await.unwrap().current;
    let [second, third] = [SigningSecret::generate().unwrap(), SigningSecret::generate().unwrap()];
    let rotate = |secret, now: i64| {
        parts.webhooks.rotate_secret(&scope, hook.id, secret, at(now), at(now + 100))
    };
    let secrets = rotate(second.clone(), 10).await.unwrap();
    let previous = secrets.previous.clone().unwrap();
    assert_eq!((&secrets.current, previous.secret, previous.until), (&second, first, at(110)));
    assert_eq!(parts.webhooks.secrets(&scope, hook.id).await.unwrap(), secrets);
    let secrets = rotate(third.clone(), 20).await.unwrap();
    let previous = secrets.previous.unwrap();
    assert_eq!((secrets.current, previous.secret, previous.until), (third, second, at(120)));
}

pub async fn deleting_a_webhook_takes_its_deliveries(parts: &Parts<'_>) {
    let scope = tenant();
    let [gone, kept] = [create(parts, &scope, &[]).await, create(parts, &scope, &[]).await];
    let sent = ping(parts, &scope, &gone, 1).await;
    let stays = ping(parts, &scope, &kept, 1).await;
    parts.webhooks.delete_webhook(&scope, gone.id).await.unwrap();
    refused(parts.webhooks.delete_webhook(&scope, gone.id).await, ErrorKind::NotFound);
    refused(parts.webhooks.delivery(&scope, gone.id, sent.id).await, ErrorKind::NotFound);
    assert_eq!(parts.webhooks.webhooks(&scope).await.unwrap(), std::slice::from_ref(&kept));
    assert_eq!(deliveries(parts, &scope, &kept).await, [stays]);
}
