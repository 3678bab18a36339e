//! The publish and subscribe port: how processes tell each other at once what each would find by looking.
//!
//! A message is a hint. It may be lost, and then whoever waits for it looks by itself a little later; the truth is
//! in the store. So a message says *that* something changed, and never carries what must not be lost.
//!
//! Adapters: [`MemoryPubSub`], PostgreSQL's notifications (by `SqlStore::pubsub`, feature `postgres`), `redis::RedisPubSub`
//! (feature `redis`).
//! All are held to the suite in `pubsub::conformance` (feature `conformance`).

#[cfg(feature = "conformance")]
pub mod conformance;

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::broadcast;

use crate::{Error, Result};

/// The most bytes of a topic and a message together.
pub const MAX_BYTES: usize = 4_096;
/// How many messages a subscriber may fall behind before it is told that it missed some.
const BEHIND: usize = 1_024;

/// Tells all processes that share the storage, this one among them.
///
/// # Behaviour
/// - A message reaches every subscription of its topic that stood before it was published, at most once, and those
///   of one publisher in their order.
/// - A message may be lost. A subscription that knows of it hears [`Heard::Missed`].
pub trait PubSub: Send + Sync + 'static {
    /// Publishes, without waiting.
    ///
    /// # Errors
    /// `TooLarge` when topic and message have more than [`MAX_BYTES`]; `InvalidInput` when the topic holds a space or
    /// either holds NUL.
    fn publish(&self, topic: &str, message: &str) -> Result<()>;

    /// Hears what is published from now on.
    fn subscribe(&self, topic: &str) -> Subscription;
}

/// What a subscriber hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A message.
    Message(Arc<str>),
    /// Some may have been lost, as when a connection broke: look for yourself.
    Missed,
}

/// One subscriber's place.
#[derive(Debug)]
pub struct Subscription(broadcast::Receiver<Heard>);

impl Subscription {
    /// The next thing to hear; waits for one. `None` when the adapter is closed. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Heard> {
        match self.0.recv().await {
            Ok(heard) => Some(heard),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Heard::Missed),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// Checks what is to be published, for adapters.
///
/// # Errors
/// As [`PubSub::publish`].
pub fn check(topic: &str, message: &str) -> Result<()> {
    const OPERATION: &str = "publish";
    if topic.is_empty() || topic.contains([' ', '\0']) {
        return Err(Error::invalid(OPERATION, "topic", "use a word"));
    }
    if message.contains('\0') {
        return Err(Error::invalid(OPERATION, "message", "leave NUL out"));
    }
    if topic.len() + message.len() > MAX_BYTES {
        return Err(Error::new(crate::ErrorKind::TooLarge, OPERATION)
            .with("field", "message")
            .with("limit", MAX_BYTES.to_string())
            .with("fix", "say where it is to be found instead"));
    }
    Ok(())
}

/// The subscriptions in this process, by topic: what every adapter hands its messages to.
#[derive(Debug, Default)]
pub struct Topics(Mutex<HashMap<String, broadcast::Sender<Heard>>>);

impl Topics {
    /// Hears what is delivered to a topic from now on.
    pub fn subscribe(&self, topic: &str) -> Subscription {
        let mut topics = self.0.lock();
        // Those that nobody hears any more are forgotten here, so that they do not grow without end.
        topics.retain(|_, sender| sender.receiver_count() > 0);
        let sender = topics.entry(topic.to_owned());
        Subscription(sender.or_insert_with(|| broadcast::Sender::new(BEHIND)).subscribe())
    }

    /// Hands a message to the subscriptions of its topic.
    pub fn deliver(&self, topic: &str, message: &str) {
        let topics = self.0.lock();
        if let Some(sender) = topics.get(topic) {
            // Nobody who hears is no error.
            let _ = sender.send(Heard::Message(message.into()));
        }
    }

    /// Tells every subscription that messages may have been lost.
    pub fn missed(&self) {
        for sender in self.0.lock().values() {
            let _ = sender.send(Heard::Missed);
        }
    }
}

/// Publishes within this process.
#[derive(Debug, Default)]
pub struct MemoryPubSub(Topics);

impl MemoryPubSub {
    /// One without subscribers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl PubSub for MemoryPubSub {
    fn publish(&self, topic: &str, message: &str) -> Result<()> {
        check(topic, message)?;
        self.0.deliver(topic, message);
        Ok(())
    }

    fn subscribe(&self, topic: &str) -> Subscription {
        self.0.subscribe(topic)
    }
}

#[cfg(all(test, feature = "conformance"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn memory_conforms() {
        let pubsub = MemoryPubSub::new();
        conformance::run_all(&pubsub, &pubsub).await;
    }

    #[tokio::test]
    async fn a_subscriber_that_falls_behind_is_told() {
        let pubsub = MemoryPubSub::new();
        let mut slow = pubsub.subscribe("a");
        for number in 0..BEHIND + 5 {
            pubsub.publish("a", &number.to_string()).unwrap();
        }
        assert_eq!(slow.next().await, Some(Heard::Missed));
        assert!(matches!(slow.next().await, Some(Heard::Message(_))));
    }

    #[test]
    fn topics_that_nobody_hears_are_forgotten() {
        let topics = Topics::default();
        for number in 0..1_000 {
            drop(topics.subscribe(&number.to_string()));
        }
        assert!(topics.0.lock().len() <= 1);
    }
}
