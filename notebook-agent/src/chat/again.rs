//! Recorded answers, done again from what was recorded alone.
//!
//! First the engine's steps are done again, as they were. Then the answer itself is: the calls that the engine makes are made, by the code that makes
//! them of any answer ([`Hands`]), on a tape that plays back what came from outside. Nobody is waited for: a call either has all that it asks for, or was
//! ended where its tape ends.

#[cfg(feature = "tools")]
use std::time::Instant;
use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc};

use futures::FutureExt;
use notebook_core::{
    Error, ErrorKind, Result, TenantId, TenantScope, clock::SystemClock,
    keyword::MemoryKeywordIndex, model::EventBody, queue::Fence, store::memory::MemoryStore,
};
use notebook_rag::retrieve::{RetrieveConfig, Retriever};
use serde::Serialize;
use serde_json::Value;

use super::{
    Chat, Inner, Work, flow,
    flow::{Ended, Task},
    hands::Hands,
    piece::Piece,
    tape::{Facts, Played, Tape, VERSION},
    turn,
};
use crate::{
    graph::{
        Answer, Call, CallInfo, Effect, Event, Failure, Graph, Input, Models, Moment, Recording,
        ReplayError, Reply, Request, State, Tools, panicked,
    },
    runs::Runs,
};

#[cfg(feature = "tools")]
use super::{
    research,
    steps::{Asked, Steps},
    tape::Ask,
};

const REPLAY: &str = "replay run";

/// A part of a recorded answer that was done again, with the same outcome.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Again {
    /// The steps that were done.
    pub steps: usize,
    /// All that the engine told of them.
    pub events: Vec<Event>,
    /// A hash of all that came out: the same for the same inputs.
    pub trace: String,
    /// Whether it was recorded to the end of the work. A worker that is killed leaves what it had stored until then.
    pub whole: bool,
    /// What the page was shown; `None` where that was not recorded, by an older program.
    pub page: Option<Shown>,
}

/// What the page was shown of an answer that was done again: the same as recorded, but for how long the stages of an answer took, which is measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shown {
    /// The events, as they were recorded.
    pub events: Vec<EventBody>,
    /// Whether the rest was left out of the recording, because it was too much to keep.
    pub cut: bool,
}

/// Does a part of a recorded answer again, from what was recorded alone: no model, no tool, no clock and no network.
///
/// # Errors
/// [`ReplayError::Differs`] with the first step from which something else came out of the engine than was recorded; [`ReplayError::ShowsOther`] with the
/// first event of the page that differs; [`ReplayError::Unreadable`] when it is not a recording of an answer, or the engine's part was cut.
pub fn replay(body: &[u8]) -> Result<Again, ReplayError> {
    let unreadable = ReplayError::Unreadable;
    let piece = Piece::read(body).map_err(unreadable)?;
    let engine = piece.engine();
    let page = piece.page.filter(|page| page.facts.is_some());
    // It broke before the engine began.
    let began = !engine.begin.is_null() || page.is_none();
    let done = if began { Some(steps(&engine)?) } else { None };
    let page = match page {
        Some(page) => {
            let is_whole = piece.whole && !page.cut;
            Some(Shown { cut: page.cut, events: shown(page, &engine, is_whole)? })
        }
        None => None,
    };
    let (events, trace) = done.unwrap_or_default();
    Ok(Again { steps: engine.entries.len(), events, trace, whole: piece.whole, page })
}

/// The engine's part.
fn steps(engine: &Recording) -> Result<(Vec<Event>, String), ReplayError> {
    let unreadable = ReplayError::Unreadable;
    match engine.begin.get("graph").and_then(Value::as_str) {
        Some(turn::NAME) => steps_of(&*turn::graph().map_err(unreadable)?, engine),
        #[cfg(feature = "tools")]
        Some(crate::tools::research::NAME) => {
            steps_of(&crate::tools::research::graph().map_err(unreadable)?, engine)
        }
        other => Err(unreadable(
            Error::new(ErrorKind::Unsupported, REPLAY)
                .with("graph", other.unwrap_or("none"))
                .with("fix", "give a recording of an answer, as the server keeps it"),
        )),
    }
}

fn steps_of<S: State>(
    graph: &Graph<S>,
    engine: &Recording,
) -> Result<(Vec<Event>, String), ReplayError> {
    let replayed = graph.replay(engine).map_err(|error| match error {
        // What is known of an answer changes with the program; a recording is not brought up to date.
        ReplayError::Unreadable(error) if error.kind() == ErrorKind::Unsupported => {
            let other = Error::new(ErrorKind::Unsupported, REPLAY)
                .with("fix", "replay it with the version of the program that recorded it");
            ReplayError::Unreadable(other.caused_by(error))
        }
        error => error,
    })?;
    Ok((replayed.events, replayed.trace))
}

/// The page's part.
fn shown(
    page: super::tape::Page,
    engine: &Recording,
    is_whole: bool,
) -> Result<Vec<EventBody>, ReplayError> {
    let unreadable = ReplayError::Unreadable;
    let super::tape::Page { version, facts, lines, .. } = page;
    let Some(facts) = facts.filter(|_| version == VERSION) else {
        let error = Error::new(ErrorKind::Unsupported, REPLAY)
            .with("version", version.to_string())
            .with("fix", "replay it with the program that recorded it, or a newer one");
        return Err(unreadable(error));
    };
    let tape = Arc::new(Played::new(lines, is_whole));
    let mut work = Repeat::new(*facts, Arc::clone(&tape)).map_err(unreadable)?;
    let ended = work.answer(engine)?;
    if let Some(ended) = ended {
        work.end(&ended);
    }
    tape.end().map_err(ReplayError::ShowsOther)
}

/// An answer that is done again.
struct Repeat {
    facts: Facts,
    hands: Hands,
    tape: Arc<Played>,
    /// The calls that were made: what came of them; `None` where they were ended before.
    calls: HashMap<Arc<str>, Option<Answer>>,
}

impl Repeat {
    fn new(facts: Facts, tape: Arc<Played>) -> Result<Self> {
        let model = tape.model(facts.model.clone());
        let task = Task {
            notebook: facts.notebook.clone(),
            conversation: facts.conversation.clone(),
            question: facts.question.clone(),
            settings: facts.settings.clone(),
            history: facts.history.clone(),
            model: Arc::clone(&model),
            tools: facts.tools.clone(),
            fence: Fence(0),
        };
        let chat = nowhere(&facts, model)?;
        let hands = Hands::new(chat, nobody(), task, None, Tape::Plays(Arc::clone(&tape)));
        Ok(Self { facts, hands, tape, calls: HashMap::new() })
    }

    /// How the work ended; `None` where its recording ends before.
    fn answer(&mut self, engine: &Recording) -> Result<Option<Ended>, ReplayError> {
        if let Some(ended) = self.outside_end() {
            return Ok(Some(ended));
        }
        self.open();
        if let Some(ended) = self.outside_end() {
            return Ok(Some(ended));
        }
        #[cfg(feature = "tools")]
        if self.facts.tools.is_some() {
            return self.research(engine);
        }
        if engine.begin.is_null() {
            return Ok(None);
        }
        let graph = turn::graph().map_err(ReplayError::Unreadable)?;
        let run = graph
            .replay_with(engine, &mut |moment| match moment {
                Moment::Input(Input::Answer { key, answer }) => self.compare(key, answer),
                Moment::Effect(Effect::Call(request)) => self.call(request),
                Moment::Input(_) | Moment::Effect(_) => {}
            })?
            .run;
        let Some(end) = run.end().cloned() else {
            return Ok(self.outside_end());
        };
        let state = run.into_state();
        let Some(mut desk) = self.hands.desk.try_lock().ok() else { return Ok(None) };
        let ended = flow::ended_by(&self.hands.chat, &end, state.as_ref(), &mut desk);
        drop(desk);
        Ok(Some(self.outside_end().unwrap_or(ended)))
    }

    /// What ended the work here, where it was something outside. A stop is worth more than what broke by it.
    fn outside_end(&self) -> Option<Ended> {
        let broke = self.tape.broke().map(Ended::Broken);
        let away = self.tape.away().map(Ended::Again);
        self.tape.stop().map(Ended::Stopped).or(broke).or(away)
    }

    fn open(&self) {
        let Hands { chat, task, desk, .. } = &self.hands;
        if let Ok(mut desk) = desk.try_lock() {
            flow::open(chat, task, self.facts.answer, &mut desk);
        }
    }

    /// Makes a call.
    fn call(&mut self, request: &Request) {
        let Request { run, key, node, call, timeout, most_bytes } = request.clone();
        let scope = self.hands.scope.clone();
        let info = CallInfo { scope, run, node, key: Arc::clone(&key), timeout, most_bytes };
        let hands = self.hands.clone();
        let answer = called(async move {
            match call {
                Call::Model(call) => Models::call(&hands, &info, call).await.map(Reply::Model),
                Call::Tool(call) => Tools::call(&hands, &info, call).await.map(Reply::Tool),
                Call::Approval(_) => Err(Failure::new("no_approvals", "there is nobody to ask")),
            }
        });
        self.calls.insert(key, answer);
    }

    /// Whether what came of a call is what was recorded of it.
    fn compare(&mut self, key: &str, recorded: &Answer) {
        match self.calls.remove(key).flatten() {
            Some(replayed) if replayed != *recorded => self.tape.differs(recorded, replayed),
            // One that was late, or was ended, fails without having come to its end.
            None if recorded.is_ok() && self.tape.is_whole() => {
                self.tape.differs(recorded, Value::Null);
            }
            _ => {}
        }
    }

    /// Shows the end.
    fn end(&self, ended: &Ended) {
        let Ok(mut desk) = self.hands.desk.try_lock() else { return };
        let (_, answer) = desk.close();
        let can_be_released = self.facts.can_be_released;
        if let Some(last) = flow::last_event(ended, &self.hands.task, &answer, can_be_released) {
            self.hands.tape.show(&last);
        }
    }
}

/// What comes of a call without waiting for anything; `None` where it waits.
fn called(work: impl Future<Output = Answer>) -> Option<Answer> {
    let work = AssertUnwindSafe(work).catch_unwind();
    Some(at_once(work)?.unwrap_or_else(|panic| Err(panicked(&*panic))))
}

/// The same of anything.
fn at_once<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::task::unconstrained(work).now_or_never()
}

#[cfg(feature = "tools")]
impl Repeat {
    /// A research: what its graph tells is shown again, what people were asked comes from the tape, and the answer is made of what was found.
    fn research(&mut self, engine: &Recording) -> Result<Option<Ended>, ReplayError> {
        let Some(steps) = self.before() else { return Ok(self.outside_end()) };
        if engine.begin.is_null() {
            return Ok(self.outside_end());
        }
        let graph = crate::tools::research::graph().map_err(ReplayError::Unreadable)?;
        let run = graph
            .replay_with(engine, &mut |moment| match moment {
                Moment::Effect(Effect::Emit(event)) => {
                    self.hear(&steps);
                    steps.note(event);
                    self.flush(&steps);
                }
                Moment::Input(_) | Moment::Effect(_) => self.hear(&steps),
            })?
            .run;
        self.hear(&steps);
        let Some(end) = run.end().cloned() else { return Ok(self.outside_end()) };
        let spent = run.spent().clone();
        if let Some(ended) = self.outside_end() {
            return Ok(Some(ended));
        }
        let read = Tape::Plays(Arc::clone(&self.tape));
        let nothing = || async { Ok(Vec::new()) };
        let Some(Ok(passages)) = at_once(read.take(|| Ask::Read, nothing)) else {
            return Ok(self.outside_end());
        };
        let ended = crate::graph::Ended { end, spent, state: run.into_state() };
        let found = crate::tools::research::Found::of(ended, passages);
        let ended = research::without_answer(&found)
            .or_else(|| at_once(research::write(&self.hands, &found, Instant::now())));
        Ok(self.outside_end().or(ended))
    }

    /// What comes before the engine; `None` where it came to no end.
    fn before(&self) -> Option<Arc<Steps>> {
        let hands = &self.hands;
        let research::Before { steps, is_begun, .. } =
            at_once(research::before(hands, self.facts.run, None))?.ok()?;
        if is_begun {
            let nothing = || async { Ok(Vec::new()) };
            at_once(research::tell_before(hands, &steps, nothing))?.ok()?;
        } else {
            at_once(research::inquiry(hands, &crate::graph::Budget::default()))?.ok()?;
        }
        self.flush(&steps);
        Some(steps)
    }

    /// Tells what people were asked here.
    fn hear(&self, steps: &Steps) {
        while let Some(asked) = self.tape.hear::<Asked>() {
            steps.question(asked);
            self.flush(steps);
        }
    }

    fn flush(&self, steps: &Steps) {
        if let Ok(mut desk) = self.hands.desk.try_lock() {
            steps.flush(&mut desk);
        }
    }
}

/// A chat with nothing behind it, set up as the one that was recorded.
fn nowhere(facts: &Facts, model: Arc<dyn notebook_core::chat::ChatModel>) -> Result<Arc<Inner>> {
    struct One(Arc<dyn notebook_core::chat::ChatModel>);
    impl super::ModelSource for One {
        fn model(
            &self,
            _: &TenantScope,
            _: &notebook_core::model::ModelSettings,
        ) -> Result<Arc<dyn notebook_core::chat::ChatModel>> {
            Ok(Arc::clone(&self.0))
        }
    }
    let (store, clock) = (Arc::new(MemoryStore::new()), Arc::new(SystemClock));
    let keyword = Arc::new(MemoryKeywordIndex::default());
    let retriever = Retriever::new(keyword, None, store.clone(), RetrieveConfig::default())?;
    let runs = Runs::new(store.clone(), clock.clone());
    let (retriever, models) = (Arc::new(retriever), Arc::new(One(model)));
    let config = facts.config.clone();
    Ok(Chat::new(store, runs, retriever, models, clock, config, Work::Tasks).0)
}

#[allow(clippy::disallowed_methods, reason = "a tenant of its own, who has nothing")]
fn nobody() -> TenantScope {
    TenantScope::authenticated(TenantId::new())
}
