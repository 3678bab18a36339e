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
    Error, ErrorKind, Result, RunId, SourceId, TenantScope,
    approval::{ApprovalState, ApprovalStore},
    chat::{CallOptions, ChatEvent, ChatRequest, ChatStream, FinishReason, TokenCount},
    checkpoint::{self, Checkpoints},
    model::{AnswerStage, Run, RunState, Usage},
};

use super::{
    Inner,
    answering::key,
    flow::{self, Ended},
    hands::{Hands, marker},
    steps::Steps,
    tape::Ask,
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
    let Hands { chat, scope, task, desk, .. } = hands;
    let (research, run) = (chat.researching()?, desk.lock().await.run()?);
    let tools = task.tools.clone().unwrap_or_default();
    let since = Instant::now();
    // Programs that are being begun are waited for, before it is said which are away.
    let registry = research.registry(scope, &task.notebook, &tools).await;
    let Before { steps, is_begun, sources } = before(hands, run.id, Some(research)).await?;
    let (told, asked) = (steps.clone(), steps.clone());
    let asking = Asking::new(research.approvals.clone(), key);
    let asking = asking.telling(move |approval| asked.question(approval.into()));
    let limits = Limits {
        prompt_tokens: hands
            .budget_tokens(usize::try_from(research.limits.prompt_tokens).unwrap_or(usize::MAX))
            as u64,
        ..research.limits.clone()
    };
    let researcher = research.researcher(chat, registry, limits)?.with_approvals(Arc::new(asking));
    let watch = Watch {
        events: Some(Arc::new(move |event: &graph::Event| told.note(event))),
        ..watch.clone()
    };
    // What it says on the way is an input of the engine, and is recorded as that.
    let (model, fence) = (hands.tape.unwritten(&task.model), task.fence);
    let place = Place { notebook: task.notebook.id, sources };
    let turn = Turn { scope, run: run.id, place, model, fence, watch: &watch };
    let doing = async {
        if is_begun {
            tell_before(hands, &steps, || researcher.told(scope, run.id)).await?;
            researcher.resume(turn).await
        } else {
            researcher.start(turn, inquiry(hands, &research.budget).await?).await
        }
    };
    let researched = steps.show(doing, desk).await;
    match researched {
        Ok(Researched::Parked { .. }) => Ok(Ended::Parked),
        Ok(Researched::Ended(found)) => answer(hands, *found, since, &watch).await,
        // The store is away: the research has not ended.
        Err(error) if error.is_retryable() => {
            hands.tape.away(&error);
            Ok(Ended::Again(error))
        }
        Err(error) => Err(error),
    }
}

/// What a research goes on with.
pub(super) struct Before {
    pub(super) steps: Arc<Steps>,
    /// Whether it goes on from a checkpoint.
    pub(super) is_begun: bool,
    /// Those that the conversation leaves on; `None` for all.
    sources: Option<BTreeSet<SourceId>>,
}

/// Looks where a research stands, and says what it cannot use. What is played back needs nothing to ask.
pub(super) async fn before(
    hands: &Hands,
    run: RunId,
    research: Option<&Researching>,
) -> Result<Before> {
    let Hands { scope, task, desk, tape, .. } = hands;
    let nothing = || Error::new(ErrorKind::Internal, "research");
    let steps = Arc::new(Steps::of(hands, run).await?);
    let read = || async {
        let checkpoints = &research.ok_or_else(nothing)?.checkpoints;
        Ok(checkpoints.read(scope, run).await?.is_some())
    };
    let is_begun = tape.take(|| Ask::Begun, read).await?;
    let look = || async { Ok(research.ok_or_else(nothing)?.away(scope, &task.notebook)) };
    if !is_begun && let Some(away) = tape.take(|| Ask::Away, look).await? {
        desk.lock().await.warn("mcp_away", away);
    }
    let sources = hands.selected_sources(&task.conversation).await?;
    Ok(Before { steps, is_begun, sources })
}

/// Tells what a research has told up to its checkpoint: who told it may have been lost before all of it was.
pub(super) async fn tell_before<F: Future<Output = Result<Vec<Told>>> + Send>(
    hands: &Hands,
    steps: &Steps,
    told: impl FnOnce() -> F + Send,
) -> Result<()> {
    for told in hands.tape.take(|| Ask::Steps, told).await? {
        steps.step(told);
    }
    Ok(())
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
pub(super) async fn inquiry(hands: &Hands, budget: &Budget) -> Result<Inquiry> {
    let Hands { chat, task, desk, .. } = hands;
    let (history, marker) = (hands.history(None).await?, hands.tape.word(marker));
    let tokens = hands.budget_tokens(chat.config.context_tokens);
    let input = ContextInput {
        instructions: task.settings.system_prompt.as_deref().map(Trusted::new),
        allow_general_knowledge: task.notebook.settings.allow_general_knowledge,
        history: &history,
        summary: None,
        passages: &[],
        question: &task.question.text,
        budget_tokens: tokens,
        marker: &marker,
    };
    let context = context::build(&input, &|text| task.model.count_tokens(text).tokens)?;
    desk.lock().await.tell_context(&context, 0, tokens);
    let time = chat.config.run_deadline.max(Duration::from_millis(4));
    let budget = Budget {
        answer_tokens: hands.max_tokens().max(1),
        wall_time: time.saturating_sub(time / LAST),
        call_time: time / 2,
        state_bytes: checkpoint::MOST_BYTES,
        ..budget.clone()
    };
    let (messages, asking) = (context.messages, sampling(hands));
    Ok(Inquiry { messages, passages: Vec::new(), marker, asking, budget })
}

/// Makes the answer of what was found, in the time that is left for it.
async fn answer(hands: &Hands, mut found: Found, began: Instant, watch: &Watch) -> Result<Ended> {
    let passages = std::mem::take(&mut found.passages);
    found.passages = hands.tape.take(|| Ask::Read, || async { Ok(passages) }).await?;
    let spent = (found.spent.tokens, found.spent.cost_micros);
    hands.desk.lock().await.answer.early.before = Some(spent).filter(|(tokens, _)| *tokens > 0);
    if let Some(ended) = without_answer(&found) {
        return Ok(ended);
    }
    let chat = &hands.chat;
    let time = chat.config.run_deadline / LAST;
    let writing = tokio::time::timeout(time, write(hands, &found, began));
    match watch.stop.run_until_cancelled(writing).await {
        Some(Ok(ended)) => Ok(ended),
        Some(Err(_)) => {
            let late = flow::late(chat);
            hands.tape.broke(&late);
            Ok(Ended::Broken(late))
        }
        None => Ok(Ended::Stopped(StopReason::Asked)),
    }
}

/// How it ends where there is no answer to be made.
pub(super) fn without_answer(found: &Found) -> Option<Ended> {
    match &found.end {
        End::Stopped => Some(Ended::Stopped(StopReason::Asked)),
        // Nothing more is to be paid for.
        End::Budget { budget: BudgetName::Cost } => {
            let error = Error::new(ErrorKind::TooLarge, "research").with("budget", "cost");
            Some(Ended::Broken(error))
        }
        _ => None,
    }
}

/// The words of the model, cited and verified; where it has not come to them it is asked once more.
pub(super) async fn write(hands: &Hands, found: &Found, began: Instant) -> Ended {
    let mut desk = hands.desk.lock().await;
    desk.answer.time(AnswerStage::Research, began);
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
    let stream = match said {
        Some(text) => Ok(whole(text)),
        None => hands.task.model.stream(last_request(hands, found)).await,
    };
    let written = match stream {
        Ok(stream) => hands.write(stream, &found.passages, since, &mut desk).await,
        Err(error) => Err(error),
    };
    match written {
        Ok(_) => {
            count(&mut desk.answer.usage, found, said.is_some());
            Ended::Whole
        }
        Err(error) => Ended::Broken(error),
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
