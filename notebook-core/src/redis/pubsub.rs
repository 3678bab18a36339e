//! Publishing and hearing by one connection, which is made anew whenever it breaks.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, info, warn};

use super::{
    RedisConfig,
    error::from_redis,
    link::{Link, Session},
};
use crate::{
    Error, ErrorKind, Result, Retry,
    pubsub::{PubSub, Subscription, Topics, check},
};

/// How many messages wait to be published; further ones are lost.
const WAITING: usize = 8_192;
/// How many go together.
const TOGETHER: usize = 512;
/// How often a quiet connection is tried: a peer that is gone says nothing.
const PING: Duration = Duration::from_secs(5);
/// Pauses between attempts to connect, which double.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Says, for want of a space, that whoever publishes has lost some.
const LOST: &str = "lost";
const PUBLISH: &str = "publish by Redis";

/// [`PubSub`] by Redis: one channel for all topics, whose payloads are `topic message`.
///
/// While Redis is away, messages are lost, and every subscription hears [`Missed`](crate::pubsub::Heard::Missed) at
/// each attempt to connect (at most 5 seconds apart) and when it is back. When a publisher has lost some, others are
/// told as soon as it can. What a subscriber has not read yet is bounded, and so is what waits to be published.
pub struct RedisPubSub {
    shared: Arc<Shared>,
    outgoing: mpsc::Sender<String>,
    _task: AbortOnDropHandle<()>,
}

impl std::fmt::Debug for RedisPubSub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisPubSub")
            .field("up", &self.shared.up(PUBLISH).is_ok())
            .finish_non_exhaustive()
    }
}

struct Shared {
    /// The deployment's name in this Redis.
    channel: String,
    topics: Arc<Topics>,
    state: Mutex<State>,
    /// Whether messages were lost that others have not been told of.
    lost: AtomicBool,
}

enum State {
    Up(MultiplexedConnection),
    /// With what the last attempt met.
    Away(ErrorKind, String),
}

impl Shared {
    fn up(&self, operation: &'static str) -> Result<MultiplexedConnection> {
        match &*self.state.lock() {
            State::Up(connection) => Ok(connection.clone()),
            State::Away(kind, reason) => Err(Error::new(*kind, operation)
                .retry(Retry::Backoff)
                .with("fix", "see that Redis runs and can be reached; it is tried again and again")
                .with("reason", reason)),
        }
    }

    /// Notes why there is no connection, and tells the subscribers that they miss something.
    fn away(&self, error: &Error) {
        *self.state.lock() = State::Away(error.kind(), error.to_string());
        self.topics.missed();
    }
}

impl RedisPubSub {
    /// Connects. When Redis is away it is tried again in the background for as long as this value lives.
    ///
    /// # Errors
    /// What time does not mend: `InvalidInput` when the URL or channel is none; `Unauthorized`; `Unsupported` before
    /// Redis 6.
    pub async fn start(config: RedisConfig) -> Result<Self> {
        let topics = Arc::new(Topics::default());
        let channel = config.channel.clone();
        let link = Link::new(config, Arc::clone(&topics))?;
        let first = match link.connect().await {
            Err(error) if !error.is_retryable() => return Err(error),
            first => first,
        };
        let state = Mutex::new(match &first {
            Ok(session) => State::Up(session.connection.clone()),
            Err(error) => State::Away(error.kind(), error.to_string()),
        });
        let shared = Arc::new(Shared { channel, topics, state, lost: AtomicBool::new(false) });
        let (outgoing, waiting) = mpsc::channel(WAITING);
        let task = tokio::spawn(work(link, first, Arc::clone(&shared), waiting));
        Ok(Self { shared, outgoing, _task: AbortOnDropHandle::new(task) })
    }

    /// Asks Redis for a sign of life.
    ///
    /// # Errors
    /// `Unavailable` when it is away, with the reason; what the last attempt to connect met.
    pub async fn check(&self) -> Result<()> {
        let mut connection = self.shared.up(PUBLISH)?;
        redis::cmd("PING")
            .exec_async(&mut connection)
            .await
            .map_err(|e| from_redis("ping Redis", e))
    }
}

impl RedisPubSub {
    /// The connection, for other commands.
    ///
    /// # Errors
    /// `Unavailable` when Redis is away; what the last attempt to connect met.
    pub(crate) fn connection(&self, operation: &'static str) -> Result<MultiplexedConnection> {
        self.shared.up(operation)
    }

    /// The deployment's name in this Redis.
    pub(crate) fn channel(&self) -> &str {
        &self.shared.channel
    }
}

impl PubSub for RedisPubSub {
    fn publish(&self, topic: &str, message: &str) -> Result<()> {
        check(topic, message)?;
        if self.outgoing.try_send(format!("{topic} {message}")).is_err() {
            self.shared.lost.store(true, Ordering::SeqCst);
            debug!(topic, "a message to other processes was lost; they find out by looking");
        }
        Ok(())
    }

    fn subscribe(&self, topic: &str) -> Subscription {
        self.shared.topics.subscribe(topic)
    }
}

/// Keeps a connection, until nobody publishes any more.
async fn work(
    link: Link,
    first: Result<Session>,
    shared: Arc<Shared>,
    mut waiting: mpsc::Receiver<String>,
) {
    let (mut next, mut pause, mut told) = (first, FIRST_PAUSE, false);
    loop {
        match next {
            Ok(session) => {
                if told {
                    info!("Redis is back; processes tell each other at once again");
                }
                let since = Instant::now();
                let Err(error) = serve(&link, &shared, session, &mut waiting).await else { return };
                warn!(%error, "Redis is away; processes find out by looking until it is back");
                told = true;
                shared.away(&error);
                if since.elapsed() > LONGEST_PAUSE {
                    pause = FIRST_PAUSE;
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut told, true) {
                    warn!(%error, "Redis is away; processes find out by looking until it is there");
                }
                shared.away(&error);
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        // Late hints help nobody: whoever hears of the loss looks.
        while waiting.try_recv().is_ok() {
            shared.lost.store(true, Ordering::SeqCst);
        }
        next = link.connect().await;
    }
}

/// Publishes by a connection until it breaks; `Ok` when nobody publishes any more.
async fn serve(
    link: &Link,
    shared: &Shared,
    session: Session,
    waiting: &mut mpsc::Receiver<String>,
) -> Result<()> {
    let Session { mut connection, broken } = session;
    *shared.state.lock() = State::Up(connection.clone());
    // Whatever was said before is lost.
    shared.topics.missed();
    let mut batch = Vec::new();
    loop {
        if shared.lost.swap(false, Ordering::SeqCst) {
            batch.push(LOST.to_owned());
        }
        if batch.is_empty() {
            tokio::select! {
                () = broken.cancelled() => {
                    return Err(Error::new(ErrorKind::Unavailable, PUBLISH)
                        .retry(Retry::Backoff)
                        .with("reason", "the connection was lost"));
                }
                some = waiting.recv_many(&mut batch, TOGETHER) => if some == 0 { return Ok(()) },
                () = tokio::time::sleep(PING) => {}
            }
        }
        let done = match batch.as_slice() {
            [] => redis::cmd("PING").exec_async(&mut connection).await,
            some => link.publishing(some).exec_async(&mut connection).await,
        };
        if let Err(error) = done {
            shared.lost.fetch_or(!batch.is_empty(), Ordering::SeqCst);
            return Err(from_redis(PUBLISH, error));
        }
        batch.clear();
    }
}
