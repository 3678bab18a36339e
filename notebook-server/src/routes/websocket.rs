//! The chat over a WebSocket: another view of the runs' logs.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{State, WebSocketUpgrade, ws::close_code},
    response::Response,
};
use futures::{
    StreamExt as _,
    stream::{self, BoxStream, SelectAll},
};
use notebook_agent::{
    chat::{Ask, Mode, Question},
    runs::{EventReader, LoggedEvent},
};
use notebook_auth::{Principal, rbac::Permission};
use notebook_core::{
    ConversationId, Error, ErrorKind, MessageId, Result, RunId, TenantScope,
    model::{EventBody, ModelSettings, Run, RunState},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    access::gate::OwnPage,
    app::App,
    extract::Path,
    limit::{Class, Meter},
    problem::Problem,
    stream::socket::{Incoming, Place, Socket, limited},
};

/// No or a bad token.
const UNAUTHENTICATED: u16 = 4001;
/// Signed in, but not for this.
const FORBIDDEN: u16 = 4003;
const NOT_FOUND: u16 = 4004;
const TOO_MANY: u16 = 4008;
/// The most runs that a connection follows at once.
const FOLLOWED: usize = 16;

/// What a client may say.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Said {
    /// Asks a question.
    Ask {
        question: String,
        #[serde(default, deserialize_with = "super::runs::present")]
        parent: Option<Option<MessageId>>,
        #[serde(default)]
        settings: ModelSettings,
        /// `answer` or `research`.
        #[serde(default)]
        mode: Mode,
        /// Makes a repeated message start nothing: the answer that it began is followed again.
        key: Option<String>,
    },
    /// Answers a question again.
    Regenerate {
        question: MessageId,
        #[serde(default)]
        settings: ModelSettings,
        #[serde(default)]
        mode: Mode,
    },
    /// Ends an answer.
    Stop { run: RunId },
    /// Goes on after a break.
    Resume {
        run: RunId,
        #[serde(default)]
        after: u64,
    },
}

impl Said {
    const fn class(&self) -> Class {
        match self {
            Self::Ask { .. } | Self::Regenerate { .. } => Class::Ask,
            Self::Stop { .. } => Class::Write,
            Self::Resume { .. } => Class::Read,
        }
    }
}

/// The chat of a conversation as a WebSocket.
///
/// Messages are JSON texts. The client says `ask {question, parent?, settings?, mode?, key?}`, `regenerate {question,
/// settings?, mode?}`, `stop {run}`, `resume {run, after?}`. The server says `task_queued {run, question, answer}`, then for
/// each event of the run's log `{type, run, seq, ...}`: `chunk {text}` for a delta, `completed {state}` or `error {code,
/// message}` at the end, the others as in the event stream. It pings; it closes with 4001 without sign-in or when the session ends, 4003 without the permission `chat`, 4004 for an
/// unknown conversation, 4008 over five connections.
#[utoipa::path(get, path = "/ws/chat/{conversation}", params(("conversation" = ConversationId, Path)),
    responses((status = 101, description = "The connection becomes a WebSocket"), (status = 400, body = Problem)))]
pub(super) async fn chat(
    State(app): State<App>,
    principal: Option<Extension<Principal>>,
    _: OwnPage,
    meter: Option<Extension<Meter>>,
    Path(conversation): Path<ConversationId>,
    handshake: WebSocketUpgrade,
) -> Response {
    limited(handshake).on_upgrade(move |socket| async move {
        let socket = Socket::new(socket, app.limits.ping());
        let principal = principal.map(|Extension(principal)| principal);
        let meter = meter.map(|Extension(meter)| meter);
        serve(app, principal, meter, conversation, socket).await;
    })
}

/// Closed with this code, for this reason.
struct Refused(u16, &'static str);

async fn serve(
    app: App,
    principal: Option<Principal>,
    meter: Option<Meter>,
    conversation: ConversationId,
    mut socket: Socket,
) {
    match Box::pin(admit(&app, principal, conversation)).await {
        Ok((principal, place)) => {
            let following = SelectAll::new();
            let ending = app.access.ending(&principal, &app.ending);
            let scope = principal.scope;
            let chat =
                Chat { app, scope, meter, conversation, socket, following, ending, _place: place };
            chat.run().await;
        }
        Err(Refused(code, reason)) => socket.close(code, reason).await,
    }
}

async fn admit(
    app: &App,
    principal: Option<Principal>,
    conversation: ConversationId,
) -> std::result::Result<(Principal, Place), Refused> {
    let principal = principal.ok_or(Refused(UNAUTHENTICATED, "sign in first"))?;
    if !principal.may(Permission::Chat) {
        return Err(Refused(FORBIDDEN, "this needs the permission `chat`"));
    }
    let place = app.sockets.take(principal.user);
    let place = place.ok_or(Refused(TOO_MANY, "too many connections: close another one"))?;
    match app.store.conversation(&principal.scope, conversation).await {
        Ok(_) => Ok((principal, place)),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(Refused(NOT_FOUND, "there is no such conversation"))
        }
        Err(error) => {
            tracing::warn!(%error, "a WebSocket could not be served");
            Err(Refused(close_code::AGAIN, "try again"))
        }
    }
}

type Followed = (RunId, Result<Vec<Arc<LoggedEvent>>>);

struct Chat {
    app: App,
    scope: TenantScope,
    /// Counts what is said; each message is a request of its own.
    meter: Option<Meter>,
    conversation: ConversationId,
    socket: Socket,
    following: SelectAll<BoxStream<'static, Followed>>,
    ending: CancellationToken,
    _place: Place,
}

impl Chat {
    async fn run(mut self) {
        let ending = self.ending.clone();
        loop {
            let open = tokio::select! {
                incoming = self.socket.next() => match incoming {
                    // Boxed, here and below: what a message needs is not kept while the connection waits.
                    Incoming::Text(text) => Box::pin(self.hear(&text)).await,
                    Incoming::Binary(_) => {
                        Box::pin(self.socket.close(close_code::UNSUPPORTED, "send texts")).await;
                        false
                    }
                    Incoming::Closed => false,
                },
                Some((run, events)) = self.following.next(), if !self.following.is_empty() => {
                    Box::pin(self.tell(run, events)).await
                }
                () = ending.cancelled() => {
                    let (code, reason) = if self.app.ending.is_cancelled() {
                        (close_code::AWAY, "the server goes down: come back")
                    } else {
                        (UNAUTHENTICATED, "the session is over: sign in again")
                    };
                    Box::pin(self.socket.close(code, reason)).await;
                    false
                }
            };
            if !open {
                return;
            }
        }
    }

    /// Does what the client says; whether the connection stands.
    async fn hear(&mut self, text: &str) -> bool {
        let said = serde_json::from_str(text)
            .map_err(|error| Error::invalid("read message", "message", error.to_string()));
        let done = match said {
            Ok(said) => self.act(said).await,
            Err(error) => Err(error),
        };
        match done {
            Ok(Some(reply)) => self.socket.send(reply.to_string()).await,
            Ok(None) => true,
            Err(error) => {
                let problem = serde_json::to_value(Problem::from(error)).unwrap_or_default();
                let get = |name: &str| problem.get(name).cloned().unwrap_or(Value::Null);
                let reply = json!({ "type": "error", "code": get("code"), "message": get("detail"),
                    "field": get("field") });
                self.socket.send(reply.to_string()).await
            }
        }
    }

    async fn act(&mut self, said: Said) -> Result<Option<Value>> {
        if let Some(meter) = &self.meter {
            meter.take(said.class()).await?;
        }
        match said {
            Said::Ask { question, parent, settings, mode, key } => {
                let parent = super::runs::parent(parent);
                self.ask(Question::New { text: question, parent }, settings, mode, key).await
            }
            Said::Regenerate { question, settings, mode } => {
                self.ask(Question::Again(question), settings, mode, None).await
            }
            Said::Stop { run } => {
                self.own(run).await?;
                self.app.chat.stop(&self.scope, run).await.map(|_| None)
            }
            Said::Resume { run, after } => {
                let run = self.own(run).await?;
                self.follow(run.id, after).await.map(|()| None)
            }
        }
    }

    async fn ask(
        &mut self,
        question: Question,
        settings: ModelSettings,
        mode: Mode,
        idempotency_key: Option<String>,
    ) -> Result<Option<Value>> {
        self.room()?;
        let conversation = self.conversation;
        let ask = Ask { conversation, question, settings, mode, history: None, idempotency_key };
        let run = self.app.chat.ask(&self.scope, ask).await?.run().clone();
        self.follow(run.id, 0).await?;
        let Run { id, question, answer, .. } = run;
        Ok(Some(
            json!({ "type": "task_queued", "run": id, "question": question, "answer": answer }),
        ))
    }

    /// A run of this conversation.
    async fn own(&mut self, run: RunId) -> Result<Run> {
        let run = self.app.runs.log().run(&self.scope, run).await?;
        if run.conversation == self.conversation {
            return Ok(run);
        }
        Err(Error::not_found("follow run", "run"))
    }

    fn room(&self) -> Result<()> {
        if self.following.len() < FOLLOWED {
            return Ok(());
        }
        Err(Error::new(ErrorKind::RateLimited, "follow run")
            .with("reason", "the connection follows as many answers as it may"))
    }

    async fn follow(&mut self, run: RunId, after: u64) -> Result<()> {
        self.room()?;
        let reader = self.app.runs.reader(&self.scope, run, after).await?;
        self.following.push(events(run, reader));
        Ok(())
    }

    /// Passes events on; whether the connection stands.
    async fn tell(&mut self, run: RunId, events: Result<Vec<Arc<LoggedEvent>>>) -> bool {
        match events {
            Ok(events) => {
                for event in events {
                    if !self.socket.send(message(run, &event)).await {
                        return false;
                    }
                }
                true
            }
            Err(error) => {
                tracing::warn!(%run, %error, "reading events failed");
                // The client comes back and resumes where it was.
                self.socket.close(close_code::AGAIN, "try again").await;
                false
            }
        }
    }
}

fn events(run: RunId, reader: EventReader) -> BoxStream<'static, Followed> {
    let read = move |reader: Option<EventReader>| async move {
        let mut reader = reader?;
        match reader.next().await {
            Ok(Some(events)) => Some(((run, Ok(events)), Some(reader))),
            Ok(None) => None,
            Err(error) => Some(((run, Err(error)), None)),
        }
    };
    stream::unfold(Some(reader), read).boxed()
}

/// An event as the WebSocket has it.
fn message(run: RunId, event: &LoggedEvent) -> String {
    let seq = event.seq;
    let end =
        |state: RunState| json!({ "type": "completed", "run": run, "seq": seq, "state": state });
    match &event.body {
        EventBody::Delta { text } => {
            json!({ "type": "chunk", "run": run, "seq": seq, "text": text }).to_string()
        }
        EventBody::Completed { usage, abstained, dropped_citations, .. } => {
            json!({ "type": "completed", "run": run, "seq": seq, "state": RunState::Completed,
                "usage": usage, "abstained": abstained, "dropped_citations": dropped_citations })
            .to_string()
        }
        EventBody::Stopped => end(RunState::Stopped).to_string(),
        EventBody::Abandoned => end(RunState::Abandoned).to_string(),
        EventBody::Failed { code, message, retryable, detail } => json!({ "type": "error", "run": run,
            "seq": seq, "code": code, "message": message, "retryable": retryable, "detail": detail })
        .to_string(),
        // As in the event stream, with the run: the JSON is an object that is not empty.
        _ => format!("{{\"run\":\"{run}\",{}", event.json().get(1..).unwrap_or("}")),
    }
}
