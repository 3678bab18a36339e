//! What cuts a server off that says too much: around whatever carries its messages.

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
};

use parking_lot::Mutex;
use rmcp::{
    RoleClient,
    model::{JsonRpcMessage, NumberOrString, RequestId},
    service::{RxJsonRpcMessage, TxJsonRpcMessage},
    transport::Transport,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::flood::{Excess, Flood, LONGEST_ID};

/// What one connection may use up, and whether it has.
pub(super) struct Leash {
    since: Instant,
    flood: Mutex<Flood>,
    why: OnceLock<Cow<'static, str>>,
    cut: CancellationToken,
}

impl Leash {
    /// That of a connection which begins now.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            since: Instant::now(),
            flood: Mutex::new(Flood::new()),
            why: OnceLock::new(),
            cut: CancellationToken::new(),
        })
    }

    /// Cuts the connection; the first reason is what is told.
    pub(super) fn cut(&self, why: impl Into<Cow<'static, str>>) {
        let _ = self.why.set(why.into());
        self.cut.cancel();
    }

    /// Why it was cut, if it was.
    pub(super) fn why(&self) -> Option<String> {
        self.why.get().map(|why| why.clone().into_owned())
    }

    /// Waits until it is cut, and says why.
    pub(super) async fn until_cut(&self) -> String {
        self.cut.cancelled().await;
        self.why().unwrap_or_default()
    }

    fn hold(&self, result: Result<(), Excess>) -> Result<(), &'static str> {
        result.map_err(|excess| {
            self.cut(excess.told());
            excess.told()
        })
    }

    /// So many messages and bytes came.
    ///
    /// # Errors
    /// Why it is cut off.
    pub(super) fn said(&self, messages: usize, bytes: usize) -> Result<(), &'static str> {
        self.hold(self.flood.lock().said(messages, bytes, self.since.elapsed()))
    }

    /// A line came beside.
    ///
    /// # Errors
    /// Why it is cut off.
    pub(super) fn logged(&self, bytes: usize) -> Result<(), &'static str> {
        self.hold(self.flood.lock().logged(bytes, self.since.elapsed()))
    }

    /// A question came, whose answer repeats its id.
    fn asked(&self, id: &RequestId) {
        if matches!(id, NumberOrString::String(id) if id.len() > LONGEST_ID) {
            self.cut("it was cut off: it asks under an id of more than 1024 bytes");
        }
    }
}

/// An answer on its way to a server.
struct Answering(Arc<Leash>);

impl Answering {
    fn new(leash: &Arc<Leash>) -> Self {
        // The connection ends where there are too many.
        let _ = leash.hold(leash.flood.lock().answering());
        Self(Arc::clone(leash))
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.flood.lock().answered();
    }
}

/// What carries messages, and keeps no more answers for a server than it takes.
pub(super) struct Leashed<T> {
    pub(super) inner: T,
    pub(super) leash: Arc<Leash>,
}

impl<T: Transport<RoleClient>> Transport<RoleClient> for Leashed<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleClient>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let is_answer = matches!(item, JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_));
        let answering = is_answer.then(|| Answering::new(&self.leash));
        let sent = self.inner.send(item);
        async move {
            let sent = sent.await;
            drop(answering);
            sent
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleClient>> {
        let message = self.inner.receive().await?;
        if let JsonRpcMessage::Request(request) = &message {
            self.leash.asked(&request.id);
        }
        self.leash.why().is_none().then_some(message)
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.inner.close().await
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, io};

    use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
    use serde_json::json;

    use super::*;

    /// Brings these messages, and takes answers or never does.
    struct Played {
        messages: VecDeque<ServerJsonRpcMessage>,
        takes: bool,
    }

    impl Transport<RoleClient> for Played {
        type Error = io::Error;

        fn send(
            &mut self,
            _: ClientJsonRpcMessage,
        ) -> impl Future<Output = Result<(), io::Error>> + Send + 'static {
            let takes = self.takes;
            async move { if takes { Ok(()) } else { std::future::pending().await } }
        }

        async fn receive(&mut self) -> Option<ServerJsonRpcMessage> {
            self.messages.pop_front()
        }

        async fn close(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// How many of a hundred questions are let through.
    async fn through(takes: bool, id: &str) -> (usize, Option<String>) {
        let question = json!({ "jsonrpc": "2.0", "id": id, "method": "ping" });
        let question: ServerJsonRpcMessage = serde_json::from_value(question).unwrap();
        let answer: ClientJsonRpcMessage =
            serde_json::from_value(json!({ "jsonrpc": "2.0", "id": id, "result": {} })).unwrap();
        let inner = Played { messages: vec![question; 100].into(), takes };
        let mut leashed = Leashed { inner, leash: Leash::new() };
        let (mut through, mut sending) = (0, Vec::new());
        while leashed.receive().await.is_some() {
            through += 1;
            let mut sent = Box::pin(leashed.send(answer.clone()));
            // As far as it comes at once.
            let _ = futures::poll!(&mut sent);
            sending.push(sent);
        }
        (through, leashed.leash.why())
    }

    #[tokio::test]
    async fn d4_who_asks_and_takes_no_answer_is_cut_off() {
        assert_eq!(through(true, "a").await, (100, None));
        let (seen, why) = through(false, "a").await;
        assert!(seen == 65 && why.as_ref().unwrap().contains("does not take"), "{seen} {why:?}");
        let (seen, why) = through(true, &"i".repeat(LONGEST_ID + 1)).await;
        assert!(seen == 0 && why.as_ref().unwrap().contains("id of more"), "{seen} {why:?}");
        assert_eq!(through(true, &"i".repeat(LONGEST_ID)).await.0, 100);
    }

    #[tokio::test]
    async fn d4_the_first_reason_is_told() {
        let leash = Leash::new();
        assert_eq!(leash.why(), None);
        assert_eq!(leash.said(2_001, 0), Err(Excess::Messages.told()));
        assert_eq!(leash.logged(100 << 20), Err(Excess::Log.told()));
        assert_eq!(leash.until_cut().await, Excess::Messages.told());
    }
}
