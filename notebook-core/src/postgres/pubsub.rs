//! Publishing by PostgreSQL's notifications.

use std::{sync::Arc, time::Duration};

use sqlx::{Executor as _, PgPool, postgres::PgListener};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, warn};

use crate::{
    Result,
    pubsub::{PubSub, Subscription, Topics, check},
};

/// The least time between two statements that publish: what is published meanwhile goes together.
const PACE: Duration = Duration::from_millis(1);
/// How many messages wait to be published; further ones are lost.
const WAITING: usize = 8_192;
/// How many go together.
const TOGETHER: usize = 512;
/// How long to wait before a listener that failed is made anew.
const LISTEN_AGAIN: Duration = Duration::from_secs(2);
/// A listener that has heard nothing for this many times the patience with a silent database is asked whether it lives.
const QUIET: u32 = 3;

/// One channel for all topics: a notification is `topic message`.
#[derive(Debug)]
pub(crate) struct PostgresPubSub {
    topics: Arc<Topics>,
    outgoing: mpsc::Sender<String>,
    _tasks: [AbortOnDropHandle<()>; 2],
}

impl PostgresPubSub {
    /// Publishes on `channel` by a connection of `telling`, and listens by one of a pool that `hear` makes anew for
    /// each: a pool does not get a connection back that is dead without a word. Ends when `telling` is closed.
    pub(crate) fn start(
        telling: &PgPool,
        hear: impl Fn() -> PgPool + Send + 'static,
        channel: &str,
        patience: Duration,
    ) -> Self {
        let topics = Arc::new(Topics::default());
        let (outgoing, waiting) = mpsc::channel(WAITING);
        let (heard, mut closed) = (Arc::clone(&topics), telling.close_event());
        let (pool, name) = (telling.clone(), channel.to_owned());
        let channel = channel.to_owned();
        let tasks = [
            AbortOnDropHandle::new(tokio::spawn(async move {
                let _ = closed.do_until(listen(hear, channel, heard, patience)).await;
            })),
            AbortOnDropHandle::new(tokio::spawn(tell(pool, name, waiting, patience))),
        ];
        Self { topics, outgoing, _tasks: tasks }
    }
}

impl PubSub for PostgresPubSub {
    fn publish(&self, topic: &str, message: &str) -> Result<()> {
        check(topic, message)?;
        if self.outgoing.try_send(format!("{topic} {message}")).is_err() {
            debug!(topic, "a message to other processes was lost; they find out by looking");
        }
        Ok(())
    }

    fn subscribe(&self, topic: &str) -> Subscription {
        self.topics.subscribe(topic)
    }
}

/// Publishes after the fact and not within transactions: a notification makes commits wait for each other.
async fn tell(
    pool: PgPool,
    channel: String,
    mut waiting: mpsc::Receiver<String>,
    patience: Duration,
) {
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, TOGETHER).await > 0 {
        if let Err(error) = tell_once(&pool, &channel, &batch, patience).await {
            debug!(%error, "messages to other processes were lost; they find out by looking");
        }
        batch.clear();
        tokio::time::sleep(PACE).await;
    }
}

async fn tell_once(
    pool: &PgPool,
    channel: &str,
    batch: &[String],
    patience: Duration,
) -> Result<(), sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let told = sqlx::query("SELECT pg_notify($1, m) FROM unnest($2::text[]) AS t (m)")
        .bind(channel)
        .bind(batch)
        .execute(&mut *connection);
    let Ok(told) = tokio::time::timeout(patience, told).await else {
        connection.close_on_drop();
        return Err(silent());
    };
    // The pool itself would wait for ever for a sign of life. Dropped before its end, the connection is closed.
    tokio::spawn(tokio::time::timeout(patience, connection.return_to_pool()));
    told.map(drop)
}

async fn listen(
    hear: impl Fn() -> PgPool,
    channel: String,
    topics: Arc<Topics>,
    patience: Duration,
) {
    loop {
        let pool = hear();
        match begin(&pool, &channel, patience).await {
            Ok(listener) => {
                // Whatever was said before is lost.
                topics.missed();
                deliver(listener, &topics, patience).await;
                topics.missed();
            }
            Err(error) => {
                warn!(%error, "other processes are not heard; what they do is found by looking");
            }
        }
        tokio::time::sleep(LISTEN_AGAIN).await;
    }
}

async fn begin(
    pool: &PgPool,
    channel: &str,
    patience: Duration,
) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    let listening = tokio::time::timeout(patience, listener.listen(channel));
    listening.await.unwrap_or_else(|_| Err(silent()))?;
    Ok(listener)
}

/// Delivers until the connection is lost, and not made anew, or is silent for too long.
async fn deliver(mut listener: PgListener, topics: &Topics, patience: Duration) {
    loop {
        match tokio::time::timeout(patience * QUIET, listener.try_recv()).await {
            Ok(Ok(heard)) => {
                match heard.as_ref().and_then(|heard| heard.payload().split_once(' ')) {
                    Some((topic, message)) => topics.deliver(topic, message),
                    // The connection was lost, and has been made anew.
                    None => topics.missed(),
                }
            }
            Ok(Err(_)) => return,
            Err(_) => {
                let answer = tokio::time::timeout(patience, listener.execute("SELECT 1")).await;
                if !answer.is_ok_and(|answer| answer.is_ok()) {
                    warn!("the database says nothing; other processes are listened to anew");
                    return;
                }
            }
        }
    }
}

fn silent() -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())
}
