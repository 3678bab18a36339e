use proptest::prelude::*;

use super::*;
use crate::{
    WebhookId,
    webhook::{Event, EventType},
};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + millis)
}

fn webhook() -> Webhook {
    Webhook {
        id: WebhookId::from_u128(1),
        url: "https://example.org/hook".into(),
        description: String::new(),
        events: [EventType::RunCompleted].into(),
        enabled: true,
        disabled: None,
        failing_since: None,
        created_at: at(0),
        updated_at: at(0),
    }
}

fn delivery() -> Delivery {
    Event::ping(webhook().id, at(0)).delivery(webhook().id)
}

fn attempt(millis: i64, status: u16) -> Attempt {
    Attempt { at: at(millis), millis: 5, status: Some(status), error: None, answer: None }
}

fn after_status(webhook: &Webhook, delivery: Delivery, status: u16) -> Attempted {
    attempted(webhook, delivery, attempt(10, status), None, &RetryPolicy::default(), 0)
}

#[test]
fn a_2xx_delivers_and_nothing_else_does() {
    for status in [200, 202, 204, 299] {
        let made = after_status(&webhook(), delivery(), status);
        assert_eq!((made.delivery.state, made.next), (DeliveryState::Delivered, None));
    }
    for status in [100, 199, 300, 301, 302, 307, 308, 400, 404, 429, 500, 503] {
        let made = after_status(&webhook(), delivery(), status);
        assert_eq!(made.delivery.state, DeliveryState::Pending, "{status}");
        assert_eq!(made.next.unwrap().id, made.delivery.job, "{status}");
    }
}

#[test]
fn three_attempts_with_waits_that_grow_and_then_it_has_failed() {
    let (mut delivery, mut waits) = (delivery(), Vec::new());
    let first_job = delivery.job;
    loop {
        let made = after_status(&webhook(), delivery, 500);
        delivery = made.delivery;
        match made.next {
            Some(next) => waits.push(next.delay.as_secs()),
            None => break,
        }
    }
    assert_eq!((waits, delivery.state), (vec![30, 120], DeliveryState::Failed));
    assert_eq!((delivery.tried, delivery.attempts.len()), (3, 3));
    assert_ne!(delivery.job, first_job);
}

#[test]
fn a_receiver_may_ask_to_be_left_alone_but_not_for_ever() {
    let wait = |asked: u64| {
        let asked = Some(Duration::from_secs(asked));
        let policy = RetryPolicy::default();
        let made = attempted(&webhook(), delivery(), attempt(0, 503), asked, &policy, 0);
        made.next.unwrap().delay.as_secs()
    };
    assert_eq!([wait(0), wait(31), wait(100_000)], [30, 31, 3_600]);
}

/// A backlog for a receiver that hangs asks ever more seldom; one for a quick receiver goes on soon.
#[test]
fn who_finds_no_place_waits_longer_each_time_within_bounds() {
    let waits = |took: u64| {
        let wait = |snoozes| crowded(Duration::from_secs(took), snoozes, 0).as_secs();
        [0, 1, 5, 100, u32::MAX].map(wait)
    };
    assert_eq!(waits(0), [2, 2, 2, 2, 2]);
    assert_eq!(waits(10), [10, 20, 60, 300, 300]);
    let spread = crowded(Duration::from_secs(10), 0, u64::MAX);
    assert!((Duration::from_secs(14)..Duration::from_secs(15)).contains(&spread), "{spread:?}");
}

#[test]
fn gone_disables_at_once_and_days_of_failures_do() {
    let made = after_status(&webhook(), delivery(), 410);
    assert_eq!(made.delivery.state, DeliveryState::Failed);
    assert_eq!((made.health, made.next), (Health::Disabled(Disabled::Gone), None));
    let day = 86_400_000;
    let policy = RetryPolicy { attempts: 1, ..RetryPolicy::default() };
    let mut hook = webhook();
    let mut health = Vec::new();
    for (days, status) in [(0, 500), (4, 500), (4, 200), (5, 500), (9, 500), (10, 500)] {
        let attempt = attempt(days * day, status);
        let made = attempted(&hook, delivery(), attempt, None, &policy, 0);
        hook = after(hook, &made);
        health.push(made.health);
    }
    let since = Health::Failing(at(5 * day));
    assert_eq!(
        health,
        [
            Health::Failing(at(0)),
            Health::Unchanged,
            Health::Recovered,
            since,
            Health::Unchanged,
            Health::Disabled(Disabled::Failing),
        ]
    );
    assert_eq!((hook.enabled, hook.disabled), (false, Some(Disabled::Failing)));
    // Its owner enables it, and it begins anew.
    let change = WebhookChange { enabled: Some(true), ..WebhookChange::default() };
    let hook = changed("change", hook, change, at(1)).unwrap();
    assert_eq!((hook.enabled, hook.disabled, hook.failing_since), (true, None, None));
}

/// Attempts side by side decide on what they read; what was stored meanwhile counts.
#[test]
fn health_is_not_undone_by_an_attempt_that_began_before() {
    let failing = Webhook { failing_since: Some(at(1)), ..webhook() };
    let made = |health| Attempted { health, ..after_status(&webhook(), delivery(), 500) };
    assert_eq!(after(failing.clone(), &made(Health::Failing(at(2)))), failing);
    let late = made(Health::Disabled(Disabled::Failing));
    assert_eq!(after(webhook(), &late), webhook(), "it recovered");
    assert!(!after(failing, &late).enabled);
    assert!(!after(webhook(), &made(Health::Disabled(Disabled::Gone))).enabled);
}

/// An answer that comes after the address was changed is that of the old one.
#[test]
fn what_an_old_address_says_is_not_held_against_the_new_one() {
    let elsewhere = Webhook { url: "https://example.org/new".into(), ..webhook() };
    let failing = Webhook { failing_since: Some(at(1)), ..elsewhere.clone() };
    for status in [410, 500, 200] {
        let made = attempted(
            &Webhook { failing_since: Some(at(-1_000_000_000)), ..webhook() },
            delivery(),
            attempt(10, status),
            None,
            &RetryPolicy { attempts: 1, ..RetryPolicy::default() },
            0,
        );
        assert_ne!(made.health, Health::Unchanged, "{status}");
        assert_eq!(after(elsewhere.clone(), &made), elsewhere, "{status}");
        assert_eq!(after(failing.clone(), &made), failing, "{status}");
    }
}

#[test]
fn only_what_has_ended_is_replayed_and_keeps_its_id() {
    let error = replayed("replay", &webhook(), delivery(), at(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let ended = after_status(&webhook(), delivery(), 200).delivery;
    let again = replayed("replay", &webhook(), ended.clone(), at(1)).unwrap();
    assert_eq!((again.id, &again.body, again.tried), (ended.id, &ended.body, 0));
    assert_eq!(again.attempts, ended.attempts, "what was before is still told");
    let off = Webhook { enabled: false, ..webhook() };
    assert_eq!(replayed("replay", &off, ended, at(1)).unwrap_err().kind(), ErrorKind::Conflict);
    let unsent = unsent(delivery(), at(3));
    assert_eq!((unsent.delivery.state, unsent.next), (DeliveryState::Failed, None));
}

#[test]
fn bad_fields_are_named() {
    let bad = [
        ("url", Webhook { url: String::new(), ..webhook() }),
        ("url", Webhook { url: "x".repeat(2_049), ..webhook() }),
        ("description", Webhook { description: "ü".repeat(501), ..webhook() }),
        ("events", Webhook { events: [].into(), ..webhook() }),
        ("events", Webhook { events: [EventType::Ping].into(), ..webhook() }),
    ];
    for (field, webhook) in bad {
        assert_eq!(check("check", &webhook).unwrap_err().context("field"), Some(field));
    }
    assert!(check("check", &webhook()).is_ok());
    assert!(check_count("create", 19).is_ok() && check_count("create", 20).is_err());
}

proptest! {
    /// Whatever comes, a delivery ends after its attempts, waits within bounds, and keeps a bounded record.
    #[test]
    fn attempts_are_counted_and_waits_bounded(
        attempts in 1..60_u32,
        backoff in 0..100_000_u64,
        random in any::<u64>(),
        asked in prop::option::of(0..10_000_000_u64),
    ) {
        let backoff = Duration::from_secs(backoff);
        let policy = RetryPolicy { attempts, backoff, ..RetryPolicy::default() };
        let asked = asked.map(Duration::from_secs);
        let (mut delivery, mut made) = (delivery(), 0);
        while delivery.state == DeliveryState::Pending {
            let next = attempted(&webhook(), delivery, attempt(1, 500), asked, &policy, random);
            if let Some(job) = next.next {
                prop_assert!(job.delay <= policy.most_backoff.mul_f64(1.5).max(policy.most_asked));
                prop_assert!(job.delay >= policy.backoff.min(policy.most_backoff));
            }
            delivery = next.delivery;
            made += 1;
        }
        prop_assert_eq!(made, attempts);
        prop_assert!(delivery.attempts.len() <= MOST_ATTEMPTS);
    }
}
