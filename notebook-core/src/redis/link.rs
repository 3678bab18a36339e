//! A connection that hears and tells.

use std::sync::Arc;

use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo as _, ProtocolVersion,
    PushInfo, PushKind, Value, aio::MultiplexedConnection,
};
use tokio_util::sync::CancellationToken;

use super::{RedisConfig, error::from_redis};
use crate::{Error, Result, pubsub::Topics};

const CONNECT: &str = "connect to Redis";

/// How connections are made: by version 3 of the protocol, whose pushes come between the answers, so that one
/// connection is enough, and what is heard goes to its subscribers without a queue of its own.
pub(super) struct Link {
    client: Client,
    config: RedisConfig,
    topics: Arc<Topics>,
}

/// A connection that hears.
pub(super) struct Session {
    pub(super) connection: MultiplexedConnection,
    /// Cancelled when it breaks.
    pub(super) broken: CancellationToken,
}

impl Link {
    /// # Errors
    /// `InvalidInput` when the URL is none, or the channel.
    pub(super) fn new(config: RedisConfig, topics: Arc<Topics>) -> Result<Self> {
        config.check(CONNECT)?;
        let failed = |error| from_redis(CONNECT, error).with("field", "url");
        let info = config.url.expose().into_connection_info().map_err(failed)?;
        if matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            // Whoever has one installed already keeps it.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let client = Client::open(info.set_redis_settings(settings)).map_err(failed)?;
        Ok(Self { client, config, topics })
    }

    /// Connects and subscribes. What is heard from then on is delivered.
    ///
    /// # Errors
    /// `Unavailable`; `Unauthorized`; `Unsupported` before Redis 6; `Protocol` when it is no Redis.
    pub(super) async fn connect(&self) -> Result<Session> {
        let broken = CancellationToken::new();
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.config.connect_timeout))
            .set_response_timeout(Some(self.config.response_timeout))
            .set_push_sender(self.hear(broken.clone()));
        let connected = async {
            let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
            let mut connection = connecting.await?;
            connection.subscribe(&self.config.channel).await?;
            Ok(connection)
        };
        let connection = connected.await.map_err(|error| from_redis(CONNECT, error))?;
        Ok(Session { connection, broken })
    }

    fn hear(&self, broken: CancellationToken) -> impl Fn(PushInfo) -> Result<(), Error> + use<> {
        let topics = Arc::clone(&self.topics);
        move |push| {
            match push.kind {
                PushKind::Message => match text(&push).and_then(|text| text.split_once(' ')) {
                    Some((topic, message)) => topics.deliver(topic, message),
                    // Whoever published has lost some.
                    None => topics.missed(),
                },
                PushKind::Disconnection => broken.cancel(),
                _ => {}
            }
            Ok(())
        }
    }

    /// The commands that publish these payloads, in their order.
    pub(super) fn publishing(&self, payloads: &[String]) -> redis::Pipeline {
        let mut pipeline = redis::pipe();
        for payload in payloads {
            pipeline.publish(&self.config.channel, payload).ignore();
        }
        pipeline
    }
}

/// What a message says: after its channel, of which there is one.
fn text(push: &PushInfo) -> Option<&str> {
    match push.data.get(1) {
        Some(Value::BulkString(bytes)) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}
