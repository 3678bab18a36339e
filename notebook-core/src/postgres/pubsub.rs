//! Publishing by PostgreSQL's notifications.

use std::{sync::Arc, time::Duration};

use sqlx::{PgPool, postgres::PgListener};
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

/// One channel for all topics: a notification is `topic message`.
#[derive(Debug)]
pub(crate) struct PostgresPubSub {
    topics: Arc<Topics>,
    outgoing: mpsc::Sender<String>,
    _tasks: [AbortOnDropHandle<()>; 2],
}

impl PostgresPubSub {
    /// Listens and publishes on `channel`, by two connections of a pool of its own.
    pub(crate) fn start(pool: &PgPool, channel: &str) -> Self {
        let topics = Arc::new(Topics::default());
        let (outgoing, waiting) = mpsc::channel(WAITING);
        let heard = listen(pool.clone(), channel.to_owned(), Arc::clone(&topics));
        let told = tell(pool.clone(), channel.to_owned(), waiting);
        let tasks = [
            AbortOnDropHandle::new(tokio::spawn(heard)),
            AbortOnDropHandle::new(tokio::spawn(told)),
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
async fn tell(pool: PgPool, channel: String, mut waiting: mpsc::Receiver<String>) {
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, TOGETHER).await > 0 {
        let told = sqlx::query("SELECT pg_notify($1, m) FROM unnest($2::text[]) AS t (m)")
            .bind(&channel)
            .bind(&batch)
            .execute(&pool)
            .await;
        if let Err(error) = told {
            debug!(%error, "messages to other processes were lost; they find out by looking");
        }
        batch.clear();
        tokio::time::sleep(PACE).await;
    }
}

async fn listen(pool: PgPool, channel: String, topics: Arc<Topics>) {
    loop {
        let listening = async {
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.listen(&channel).await?;
            Ok::<_, sqlx::Error>(listener)
        };
        match listening.await {
            Ok(mut listener) => {
                // Whatever was said before is lost.
                topics.missed();
                // None: the connection was lost, and is made anew by the next call.
                while let Ok(heard) = listener.try_recv().await {
                    match heard.as_ref().and_then(|heard| heard.payload().split_once(' ')) {
                        Some((topic, message)) => topics.deliver(topic, message),
                        None => topics.missed(),
                    }
                }
                topics.missed();
            }
            Err(error) => {
                warn!(%error, "other processes are not heard; what they do is found by looking");
            }
        }
        tokio::time::sleep(LISTEN_AGAIN).await;
    }
}
