//! One answer, from the question to the terminal event.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use notebook_core::{
    Error, ErrorKind, Result, TenantScope,
    chat::{ChatMessage, ChatModel},
    model::{
        AnswerStage, AnswerWarning, Conversation, EventBody, Message, ModelSettings, Notebook,
        Role, StageTiming, Usage, Used,
    },
    queue::{Fence, JobError},
};
use tracing::warn;

use super::{
    Inner, Work,
    early::Early,
    guard,
    hands::{Desk, Hands},
    told, turn,
};
use crate::{
    graph::{BudgetName, Driver, DriverConfig, End, Failure, Outcome, Steps, Watch},
    guard::redact::redacted,
    runs::{Closed, RunWriter, StopReason, interrupted},
};

/// What a run works on.
#[cfg_attr(not(feature = "tools"), allow(dead_code, reason = "only a research has a fence"))]
pub(super) struct Task {
    pub(super) notebook: Notebook,
    pub(super) conversation: Conversation,
    pub(super) question: Message,
    pub(super) settings: ModelSettings,
    /// What was said before, where the client gave it.
    pub(super) history: Option<Vec<ChatMessage>>,
    pub(super) model: Arc<dyn ChatModel>,
    /// What a research may use; none where it is a plain answer.
    pub(super) tools: Option<BTreeSet<String>>,
    /// Of the job that makes it.
    pub(super) fence: Fence,
}

/// What is said when the sources do not.
pub(super) const NOT_SAID: &str = "The sources do not say.";

/// Produces the answer and ends the run, whatever happens on the way.
pub(super) async fn produce(
    chat: &Arc<Inner>,
    scope: &TenantScope,
    task: Task,
    writer: RunWriter,
) -> Produced {
    let stop = writer.stop_signal();
    let watch = chat.watch();
    let (task, tape) = chat.taped(task, &writer);
    let keeping = chat.keeping(scope, writer.run().id, &watch, &tape);
    let hands = Hands::new(chat.clone(), scope.clone(), task, Some(writer), tape);
    let ended = {
        let mut work = std::pin::pin!(work(&hands, &watch));
        tokio::select! {
            biased;
            reason = stop.given() => {
                // The engine ends what is under way. A research that somebody else goes on with has no end: it is left where it is.
                if hands.task.tools.is_none() || is_end(reason) {
                    watch.stop.cancel();
                    let _ = work.await;
                }
                hands.tape.stopped(reason);
                Ended::Stopped(reason)
            }
            ended = &mut work => ended,
        }
    };
    // Whoever still held the desk has been ended, and lets go of it.
    let (writer, mut answer) = hands.desk.lock().await.close();
    let Some(mut writer) = writer else { return Produced::Released };
    let task = &hands.task;
    let terminal = last_event(&ended, task, &answer, writer.can_be_released());
    if let Some(terminal) = &terminal {
        hands.tape.show(terminal);
    }
    // It is kept before anybody hears of the end. A worker that lost the run writes nothing more.
    if let Some(keeping) = keeping
        && !matches!(ended, Ended::Stopped(StopReason::Lost))
    {
        keeping.end().await;
    }
    let Some(terminal) = terminal else {
        if !matches!(ended, Ended::Stopped(StopReason::Lost)) {
            writer.release().await;
        }
        return match ended {
            Ended::Parked => Produced::Parked,
            Ended::Again(error) => Produced::Again(error),
            _ => Produced::Released,
        };
    };
    if let Ended::Broken(error) = &ended {
        // A provider may repeat the key that it refused.
        let (error, model) = (redacted(&error.to_string()), task.model.info().label());
        warn!(error, model, "run failed");
    }
    let partial = !matches!(ended, Ended::Whole);
    if partial && let Some(usage) = answer.count_early(&*task.model) {
        writer.used(Used { model: answer.model_of(task), usage });
    }
    let message = answer.into_message(task, &writer, chat.clock.now(), partial);
    store_end(writer, terminal, message).await
}

/// Whether the run comes to its end with it, and is not given to somebody else.
const fn is_end(reason: StopReason) -> bool {
    matches!(reason, StopReason::Asked | StopReason::Unwatched)
}

/// Ends a run that no model can answer.
pub(super) async fn refuse(writer: RunWriter, error: &Error) -> Produced {
    store_end(writer, told::no_model(error), None).await
}

async fn store_end(writer: RunWriter, terminal: EventBody, message: Option<Message>) -> Produced {
    match writer.close(terminal, message).await {
        Closed::Stored => Produced::Stored,
        Closed::Lost => Produced::Released,
        Closed::NotStored(reason) => Produced::NotStored(reason),
    }
}

/// What became of a run's end.
#[cfg_attr(not(feature = "tools"), allow(dead_code, reason = "only a research waits"))]
pub(super) enum Produced {
    /// It is stored, with its job's.
    Stored,
    /// The store could not take it.
    NotStored(JobError),
    /// There is none: another worker goes on.
    Released,
    /// There is none: it waits for people.
    Parked,
    /// There is none: what it needs is away.
    Again(Error),
}

#[cfg_attr(not(feature = "tools"), allow(dead_code, reason = "only a research waits"))]
pub(super) enum Ended {
    Whole,
    /// It waits for people, and nobody waits with it.
    Parked,
    /// What it needs is away: it goes on from where it stands when that is back.
    Again(Error),
    Stopped(StopReason),
    Broken(Error),
}

/// The answer as it grows; what stands here when a run ends early is kept.
#[derive(Default)]
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) citations: Vec<notebook_core::model::Citation>,
    pub(super) dropped: u32,
    pub(super) abstained: bool,
    pub(super) usage: Usage,
    pub(super) timings: Vec<StageTiming>,
    /// What its reader was told.
    pub(super) warnings: Vec<AnswerWarning>,
    /// The model that answers in place of the one that was asked.
    pub(super) model: Option<String>,
    /// What is known of the usage until then.
    pub(super) early: Early,
}

impl Answer {
    fn model_of(&self, task: &Task) -> String {
        self.model.clone().unwrap_or_else(|| task.model.info().label())
    }

    fn into_message(
        self,
        task: &Task,
        writer: &RunWriter,
        now: notebook_core::Timestamp,
        partial: bool,
    ) -> Option<Message> {
        let model = self.model_of(task);
        (!self.text.is_empty()).then(|| Message {
            id: writer.run().answer,
            conversation: task.conversation.id,
            parent: Some(task.question.id),
            role: Role::Assistant,
            text: self.text,
            citations: self.citations,
            dropped_citations: self.dropped,
            run: Some(writer.run().id),
            model: Some(model),
            usage: Some(self.usage),
            timings: self.timings,
            warnings: self.warnings,
            partial,
            created_at: now,
        })
    }

    /// Keeps what its reader is told beside the text.
    pub(super) fn keep(&mut self, event: &EventBody) {
        if let EventBody::Warning { code, message } = event {
            let (code, message) = (code.clone(), message.clone());
            self.warnings.push(AnswerWarning { code, message });
        }
    }

    pub(super) fn time(&mut self, stage: AnswerStage, since: Instant) {
        let micros = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.timings.push(StageTiming { stage: stage.name().to_owned(), micros, finished: true });
    }
}

/// The event that the run ends with; none where somebody else goes on with it.
pub(super) fn last_event(
    ended: &Ended,
    task: &Task,
    answer: &Answer,
    can_be_released: bool,
) -> Option<EventBody> {
    Some(match ended {
        Ended::Whole => EventBody::Completed {
            usage: answer.usage,
            abstained: answer.abstained,
            dropped_citations: answer.dropped,
            timings: answer.timings.clone(),
        },
        Ended::Stopped(StopReason::Lost) | Ended::Parked | Ended::Again(_) => return None,
        Ended::Stopped(StopReason::Interrupted) if can_be_released => return None,
        Ended::Stopped(StopReason::Interrupted) => interrupted(),
        Ended::Stopped(StopReason::Unwatched) => EventBody::Abandoned,
        Ended::Stopped(StopReason::Asked) => EventBody::Stopped,
        Ended::Broken(error) => told::failed(error, &task.model.info().label(), answer),
    })
}

/// Retrieve, build the context, generate, cite: the engine's, within its budget.
async fn work(hands: &Hands, watch: &Watch) -> Ended {
    let chat = &hands.chat;
    let _turn = match chat.work {
        Work::Tasks => {
            let turn = watch.stop.run_until_cancelled(chat.working.acquire());
            match tokio::time::timeout(chat.config.run_deadline, turn).await {
                Ok(turn) => turn.and_then(std::result::Result::ok),
                Err(_) => return broken(hands, late(chat)),
            }
        }
        // The runner takes no more jobs than it has slots.
        Work::Jobs { .. } => None,
    };
    drive(hands, watch).await.unwrap_or_else(|error| broken(hands, error))
}

/// By something that is outside of what the engine does.
fn broken(hands: &Hands, error: Error) -> Ended {
    hands.tape.broke(&error);
    Ended::Broken(error)
}

/// Says who answers, and what there is to say of the question.
pub(super) fn open(chat: &Inner, task: &Task, answer: notebook_core::MessageId, desk: &mut Desk) {
    desk.emit(EventBody::Started { answer, model: task.model.info().label() });
    if let Some(warning) = guard::warning(&chat.config.guard, &task.question.text) {
        desk.emit(warning);
    }
}

async fn drive(hands: &Hands, watch: &Watch) -> Result<Ended> {
    let Hands { chat, scope, task, desk, .. } = hands;
    let run = desk.lock().await.run()?;
    chat.runs.log().start(scope, run.id).await?;
    open(chat, task, run.answer, &mut *desk.lock().await);
    #[cfg(feature = "tools")]
    if task.tools.is_some() {
        return Box::pin(super::research::drive(hands, watch)).await;
    }
    let new = turn::begin(&chat.config, task, run.id, hands.max_tokens());
    let own = Arc::new(hands.clone());
    // Checkpoints stay in memory: who comes after a lost worker begins anew, for what this one has shown is taken back.
    let config = DriverConfig { steps: Steps::Task, ..DriverConfig::default() };
    let driver = Driver::new(own.clone(), own).with_clock(chat.clock.clone()).with_config(config);
    let outcome = driver.start(scope, &turn::graph()?, new, Fence(0), watch).await?;
    let Outcome::Ended(ended) = outcome else {
        return Err(Error::new(ErrorKind::Internal, "answer").with("reason", "it waits for people"));
    };
    Ok(ended_by(chat, &ended.end, ended.state.as_ref(), &mut *desk.lock().await))
}

/// What the engine's end means for the answer.
pub(super) fn ended_by(
    chat: &Inner,
    end: &End,
    state: Option<&turn::Turn>,
    desk: &mut Desk,
) -> Ended {
    match end {
        End::Done => {
            if state.is_some_and(turn::Turn::abstains) {
                desk.abstain();
            }
            Ended::Whole
        }
        End::Stopped => Ended::Stopped(StopReason::Asked),
        End::Budget { budget: BudgetName::WallTime } => Ended::Broken(late(chat)),
        End::Budget { budget } => {
            let error = Error::new(ErrorKind::TooLarge, "answer");
            Ended::Broken(error.with("budget", format!("{budget:?}")))
        }
        End::Failed { failure, .. } if failure.code == "timeout" && desk.error.is_none() => {
            Ended::Broken(late(chat))
        }
        End::Failed { failure, .. } => {
            Ended::Broken(desk.error.take().unwrap_or_else(|| unknown(failure)))
        }
    }
}

pub(super) fn late(chat: &Inner) -> Error {
    let limit = format!("{} s", chat.config.run_deadline.as_secs());
    Error::new(ErrorKind::Timeout, "answer").with("limit", limit)
}

fn unknown(failure: &Failure) -> Error {
    Error::new(ErrorKind::Internal, "answer").with("reason", failure.to_string())
}
