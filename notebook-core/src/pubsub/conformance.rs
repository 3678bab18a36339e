//! The suite that every adapter of the port is held to.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a suite speaks by panicking"
)]

use std::time::Duration;

use super::{Heard, MAX_BYTES, PubSub, Subscription};
use crate::ErrorKind;

/// Runs every scenario, with two handles such as two processes have; for an adapter within one process the same twice.
///
/// # Panics
/// When the adapter breaks a promise.
pub async fn run_all(here: &dyn PubSub, there: &dyn PubSub) {
    messages_reach_every_subscription_of_their_topic(here, there).await;
    messages_of_one_publisher_keep_their_order(here, there).await;
    what_cannot_be_published_is_refused(here).await;
}

/// The next message that says something.
async fn message(subscription: &mut Subscription) -> String {
    let next = async {
        loop {
            match subscription.next().await.expect("the adapter is open") {
                Heard::Message(message) => return message.to_string(),
                Heard::Missed => {}
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), next).await.expect("a message comes")
}

/// A topic that no other test uses.
fn topic() -> String {
    format!("t{}", uuid::Uuid::new_v4().simple())
}

/// Publishes until the subscription hears: an adapter may need a moment to stand.
async fn connect(from: &dyn PubSub, to: &dyn PubSub) {
    let topic = topic();
    let mut heard = to.subscribe(&topic);
    for _ in 0..200 {
        from.publish(&topic, "ready").unwrap();
        let soon = tokio::time::timeout(Duration::from_millis(50), heard.next()).await;
        if matches!(soon, Ok(Some(Heard::Message(_)))) {
            return;
        }
    }
    panic!("nothing is heard");
}

async fn messages_reach_every_subscription_of_their_topic(here: &dyn PubSub, there: &dyn PubSub) {
    connect(here, there).await;
    connect(there, here).await;
    let (one, other) = (topic(), topic());
    let mut hear = [here.subscribe(&one), there.subscribe(&one), here.subscribe(&one)];
    let mut elsewhere = there.subscribe(&other);
    here.publish(&one, "first, with spaces and 'quotes' 🐝\n").unwrap();
    for subscription in &mut hear {
        assert_eq!(message(subscription).await, "first, with spaces and 'quotes' 🐝\n");
    }
    // Nothing of one topic is heard in another, and nothing twice.
    here.publish(&other, "").unwrap();
    assert_eq!(message(&mut elsewhere).await, "");
    there.publish(&one, "second").unwrap();
    for subscription in &mut hear {
        assert_eq!(message(subscription).await, "second");
    }
    let longest = "x".repeat(MAX_BYTES - one.len());
    here.publish(&one, &longest).unwrap();
    for subscription in &mut hear {
        assert_eq!(message(subscription).await, longest);
    }
}

async fn messages_of_one_publisher_keep_their_order(here: &dyn PubSub, there: &dyn PubSub) {
    let topic = topic();
    let mut heard = there.subscribe(&topic);
    for number in 0..300 {
        here.publish(&topic, &number.to_string()).unwrap();
    }
    for number in 0..300 {
        assert_eq!(message(&mut heard).await, number.to_string());
    }
}

async fn what_cannot_be_published_is_refused(here: &dyn PubSub) {
    let refused = |topic: &str, message: &str| here.publish(topic, message).unwrap_err();
    assert_eq!(refused("a", &"x".repeat(MAX_BYTES)).kind(), ErrorKind::TooLarge);
    for (topic, message, field) in
        [("", "x", "topic"), ("a b", "x", "topic"), ("a\0", "x", "topic"), ("a", "\0", "message")]
    {
        let error = refused(topic, message);
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(error.context("field"), Some(field));
    }
}
