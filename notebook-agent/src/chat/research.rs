//! An answer by research: the model looks for itself, with tools, and what it says is cited and verified like any answer.
//!
//! A research goes on from its checkpoint in whichever worker has the job. Where it waits for people the same job sleeps: an answer makes
//! it due. What comes between the last look and the sleep wakes nobody, so sleeps are short at first, and a minute at most.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::stream;
use notebook_core::{
    Error, ErrorKind, Result, RunId, TenantScope,
    approval::{Approval, ApprovalState, ApprovalStore},
    chat::{CallOptions, ChatEvent, ChatRequest, ChatStream, FinishReason, TokenCount},
    checkpoint::{self, Checkpoints},
    model::{EventBody, Run, RunState, Usage},
};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{
    Inner,
    answering::key,
    flow::{self, Ended},
    hands::{Desk, Hands, marker},
};
use crate::{
    context::{self, ContextInput},
    graph::{self, Budget, BudgetName, End, Watch},
    guard::provenance::Trusted,
    runs::StopReason,
    tools::{
        Asking, MoreTools, Place, Policy, Registry,
        research::{self, Found, Inquiry, Limits, Researched, Researcher, Told, Turn},
    },
};

/// The longest sleep of a research that waits for people, and the first one; each is twice as long as the one before.
const SLEEP: Duration = Duration::from_secs(60);
const FIRST_SLEEP: Duration = Duration::from_millis(250);
/// What a clock may be behind the store's.
const LATE: Duration = Duration::from_millis(50);
/// How many stored events are read at once.
const PAGE: usize = 500;
/// The part of the time of an answer that is kept to write it with: one in so many.
const LAST: u32 = 4;

/// What questions that are asked as research are answered with.
#[derive(Clone)]
pub struct Researching {
    /// The tools that there are. A notebook may name fewer.
    pub tools: Registry,
    /// Tools of other programs, for the notebooks that allow them.
    pub more: Option<Arc<dyn MoreTools>>,
    /// Where researches stand.
    pub checkpoints: Arc<dyn Checkpoints>,
    /// What people are asked.
    pub approvals: Arc<dyn ApprovalStore>,
    /// What tools may do.
    pub policy: Policy,
    /// How far one goes.
    pub limits: Limits,
    /// What one may use; its time, tokens of an answer and sizes are those of the chat.
    pub budget: Budget,
}

impl Researching {
    fn researcher(&self, chat: &Inner, tools: Registry, limits: Limits) -> Result<Researcher> {
        let (store, clock) = (chat.store.clone(), chat.clock.clone());
        let researcher = Researcher::new(tools, store, self.checkpoints.clone(), clock)?;
        Ok(researcher.with_policy(self.policy).with_limits(limits))
    }
}

impl std::fmt::Debug for Researching {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Researching").field("tools", &self.tools).finish_non_exhaustive()
    }
}

impl Inner {
    fn researching(&self) -> Result<&Researching> {
        self.research.get().ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, "research")
                .with("fix", "set up the tools of this program")
        })
    }

    /// How long a research that waits for people may sleep on, after so many sleeps; `None` when there is something to do.
    pub(super) async fn waits(
        &self,
        scope: &TenantScope,
        run: &Run,
        sleeps: u32,
    ) -> Result<Option<Duration>> {
        if run.state != RunState::Running || run.stop_requested {
            return Ok(None);
        }
        let research = self.researching()?;
        let researcher = research.researcher(self, Registry::new(), research.limits.clone())?;
        let Some(questions) = researcher.questions(scope, run.id).await? else { return Ok(None) };
        let asked = research.approvals.approvals(scope, run.id).await?;
        let mut wait = SLEEP.min(FIRST_SLEEP.saturating_mul(1 << sleeps.min(8)));
        for question in questions {
            let open = asked.iter().find(|asked| *asked.call == *question);
            match open.filter(|asked| asked.state == ApprovalState::Pending) {
                Some(asked) => wait = wait.min(asked.expires_at.since(self.clock.now()) + LATE),
                None => return Ok(None),
            }
        }
        Ok(Some(wait))
    }

    /// How long the job of a research sleeps that was just parked: not at all where something came meanwhile.
    pub(super) async fn pause(
        &self,
        scope: &TenantScope,
        run: RunId,
        sleeps: u32,
    ) -> Result<Duration> {
        let run = self.runs.log().run(scope, run).await?;
        Ok(self.waits(scope, &run, sleeps).await?.unwrap_or_default())
    }
}

/// Does a research, from its beginning or from where it stands, and makes the answer of what it found.
pub(super) async fn drive(hands: &Hands, watch: &Watch) -> Result<Ended> {
    let Hands { chat, scope, task, desk } = hands;
    let (research, run) = (chat.researching()?, desk.lock().await.run()?);
    let tools = task.tools.clone().unwrap_or_default();
    let since = Instant::now();
    let steps = Arc::new(Steps::of(hands, &run).await?);
    let (told, asked) = (steps.clone(), steps.clone());
    let asking = Asking::new(research.approvals.clone(), key);
    let asking = asking.telling(move |approval| asked.question(approval));
    let limits = Limits {
        prompt_tokens: hands
            .budget_tokens(usize::try_from(research.limits.prompt_tokens).unwrap_or(usize::MAX))
            as u64,
        ..research.limits.clone()
    };
    let registry = research.registry(scope, &task.notebook, &tools).await;
    let is_begun = research.checkpoints.read(scope, run.id).await?.is_some();
    if let (false, Some(away)) = (is_begun, research.away(scope, &task.notebook)) {
        desk.lock().await.warn("mcp_away", away);
    }
    let researcher = research.researcher(chat, registry, limits)?.with_approvals(Arc::new(asking));
    let watch = Watch {
        events: Some(Arc::new(move |event: &graph::Event| told.note(event))),
        ..watch.clone()
    };
    let place = Place {
        notebook: task.notebook.id,
        sources: hands.selected_sources(&task.conversation).await?,
    };
    let (model, fence) = (task.model.clone(), task.fence);
    let turn = Turn { scope, run: run.id, place, model, fence, watch: &watch };
    let doing = async {
        if is_begun {
            for told in researcher.told(scope, run.id).await? {
                steps.step(told);
            }
            researcher.resume(turn).await
        } else {
            researcher.start(turn, inquiry(hands, research).await?).await
        }
    };
    let researched = steps.show(doing, desk).await;
    desk.lock().await.answer.time("research", since);
    match researched {
        Ok(Researched::Parked { .. }) => Ok(Ended::Parked),
        Ok(Researched::Ended(found)) => answer(hands, *found, &watch).await,
        // The store is away: the research has not ended.
        Err(error) if error.is_retryable() => Ok(Ended::Again(error)),
        Err(error) => Err(error),
    }
}

/// How the model is asked.
fn sampling(hands: &Hands) -> research::Asking {
    research::Asking {
        temperature: hands.task.settings.temperature,
        top_p: hands.task.settings.top_p,
        max_tokens: Some(hands.max_tokens()),
    }
}

/// The question with what was said before: no passages yet, the model looks for them.
async fn inquiry(hands: &Hands, research: &Researching) -> Result<Inquiry> {
    let Hands { chat, task, desk, .. } = hands;
    let (history, marker) = (hands.history().await?, marker());
    let budget = hands.budget_tokens(chat.config.context_tokens);
    let input = ContextInput {
        instructions: task.settings.system_prompt.as_deref().map(Trusted::new),
        allow_general_knowledge: task.notebook.settings.allow_general_knowledge,
        history: &history,
        summary: None,
        passages: &[],
        question: &task.question.text,
        budget_tokens: budget,
        marker: &marker,
    };
    let context = context::build(&input, &|text| task.model.count_tokens(text).tokens)?;
    desk.lock().await.tell_context(&context, 0, budget);
    let time = chat.config.run_deadline.max(Duration::from_millis(4));
    let budget = Budget {
        answer_tokens: hands.max_tokens().max(1),
        wall_time: time.saturating_sub(time / LAST),
        call_time: time / 2,
        state_bytes: checkpoint::MOST_BYTES,
        ..research.budget.clone()
    };
    let (messages, asking) = (context.messages, sampling(hands));
    Ok(Inquiry { messages, passages: Vec::new(), marker, asking, budget })
}

/// Makes the answer of what was found: the words of the model, cited and verified; where it has not come to them it is asked once more.
async fn answer(hands: &Hands, found: Found, watch: &Watch) -> Result<Ended> {
    let Hands { chat, task, desk, .. } = hands;
    match &found.end {
        End::Stopped => return Ok(Ended::Stopped(StopReason::Asked)),
        // Nothing more is to be paid for.
        End::Budget { budget: BudgetName::Cost } => {
            let error = Error::new(ErrorKind::TooLarge, "research").with("budget", "cost");
            return Ok(Ended::Broken(error));
        }
        _ => {}
    }
    let mut desk = desk.lock().await;
    let since = Instant::now();
    let said = found.answer.as_deref().filter(|text| !text.trim().is_empty());
    if said.is_none() || found.end != End::Done {
        desk.warn(
            "research_cut",
            "The research came to its limit before the model was done: the answer is made of what was found until then.",
        );
    }
    // What the calls before used, if the rest comes to nothing; what was said last is counted as it is written.
    let last = said.map_or(0, |text| TokenCount::estimate(text).tokens as u64);
    let before = (found.spent.tokens.saturating_sub(last), found.spent.cost_micros);
    desk.answer.early.before = Some(before);
    let writing = async {
        let is_said = said.is_some();
        let stream = match said {
            Some(text) => Ok(whole(text)),
            None => task.model.stream(last_request(hands, &found)).await,
        }?;
        hands.write(stream, &found.passages, since, &mut desk).await?;
        count(&mut desk.answer.usage, &found, is_said);
        Ok(())
    };
    let time = chat.config.run_deadline / LAST;
    match watch.stop.run_until_cancelled(tokio::time::timeout(time, writing)).await {
        Some(Ok(Ok(()))) => Ok(Ended::Whole),
        Some(Ok(Err(error))) => Ok(Ended::Broken(error)),
        Some(Err(_)) => Ok(Ended::Broken(flow::late(chat))),
        None => Ok(Ended::Stopped(StopReason::Asked)),
    }
}

fn last_request(hands: &Hands, found: &Found) -> ChatRequest {
    let time = hands.chat.config.run_deadline / LAST;
    ChatRequest { call: CallOptions::ending_in(time), ..found.request(&sampling(hands)) }
}

/// What the model has said, as a stream of one piece: it came whole.
fn whole(text: &str) -> ChatStream {
    let events = [ChatEvent::Delta(text.to_owned()), ChatEvent::Finish(FinishReason::Stop)];
    Box::pin(stream::iter(events.map(Ok)))
}

/// What the calls before used; what was said last is among it, or came after.
fn count(usage: &mut Usage, found: &Found, is_said: bool) {
    let spent = &found.spent;
    let said = found.answer.as_deref().filter(|_| is_said);
    let last = said.map_or(0, |text| TokenCount::estimate(text).tokens as u64);
    if is_said {
        *usage = Usage { completion_tokens: last, ..Usage::default() };
    }
    usage.prompt_tokens += spent.tokens.saturating_sub(last);
    usage.exact = false;
    if spent.cost_micros > 0 || usage.cost_micros.is_some() {
        usage.cost_micros = Some(usage.cost_micros.unwrap_or_default() + spent.cost_micros);
    }
}

/// What a research tells, on its way into the run's log: each thing once, however often it is done again.
struct Steps {
    told: Mutex<BTreeSet<String>>,
    waiting: Mutex<Vec<EventBody>>,
    bell: Notify,
}

impl Steps {
    /// With what the log has already.
    async fn of(hands: &Hands, run: &Run) -> Result<Self> {
        let (log, mut told, mut last) = (hands.chat.runs.log(), BTreeSet::new(), 0);
        loop {
            let events = log.events(&hands.scope, run.id, last, PAGE).await?;
            let Some(newest) = events.last() else { break };
            last = newest.seq;
            told.extend(events.iter().filter_map(|event| once(&event.body)));
        }
        Ok(Self { told: Mutex::new(told), waiting: Mutex::default(), bell: Notify::new() })
    }

    fn note(&self, event: &graph::Event) {
        let graph::EventBody::Note { value, .. } = &event.body else { return };
        if let Ok(told) = serde_json::from_value(value.clone()) {
            self.step(told);
        }
    }

    fn step(&self, told: Told) {
        self.tell(match told {
            Told::Called { call, tool, arguments } => {
                EventBody::ToolCalled { call, tool, arguments }
            }
            Told::Answered { call, tool, passages, failure } => {
                EventBody::ToolAnswered { call, tool, passages, failure }
            }
        });
    }

    fn question(&self, asked: &Approval) {
        let (approval, tool) = (asked.id, asked.tool.clone());
        let (reason, expires_at) = (asked.reason.clone(), asked.expires_at);
        self.tell(EventBody::ApprovalRequested {
            approval,
            tool: tool.clone(),
            reason,
            expires_at,
        });
        if asked.state != ApprovalState::Pending {
            self.tell(EventBody::ApprovalDecided { approval, tool, state: asked.state });
        }
    }

    fn tell(&self, body: EventBody) {
        if once(&body).is_some_and(|key| self.told.lock().insert(key)) {
            self.waiting.lock().push(body);
            self.bell.notify_one();
        }
    }

    /// Does the work and writes down what it tells, as it tells it.
    async fn show<T>(
        &self,
        work: impl Future<Output = Result<T>>,
        desk: &tokio::sync::Mutex<Desk>,
    ) -> Result<T> {
        let mut work = std::pin::pin!(work);
        let done = loop {
            tokio::select! {
                done = &mut work => break done,
                () = self.bell.notified() => self.flush(desk).await,
            }
        };
        self.flush(desk).await;
        done
    }

    async fn flush(&self, desk: &tokio::sync::Mutex<Desk>) {
        let waiting = std::mem::take(&mut *self.waiting.lock());
        let mut desk = desk.lock().await;
        for body in waiting {
            desk.emit(body);
        }
    }
}

/// What stands for an event that is told once.
fn once(body: &EventBody) -> Option<String> {
    match body {
        EventBody::ToolCalled { call, .. } => Some(format!("called {call}")),
        EventBody::ToolAnswered { call, .. } => Some(format!("answered {call}")),
        EventBody::ApprovalRequested { approval, .. } => Some(format!("asked {approval}")),
        EventBody::ApprovalDecided { approval, .. } => Some(format!("decided {approval}")),
        _ => None,
    }
}
