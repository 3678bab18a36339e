//! One run, driven.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use notebook_core::{
    Error, ErrorKind, Result, TenantScope, Timestamp, checkpoint::Checkpoint, queue::Fence,
};
use tokio::time::Instant;

use super::{Driver, Ended, Outcome, Steps, Watch, calls::Calls, silent};
use crate::graph::{Effect, Graph, Input, Run, State, Stepped, step::Seen};

pub(super) struct Drive<'d, S> {
    driver: &'d Driver,
    scope: &'d TenantScope,
    graph: &'d Arc<Graph<S>>,
    fence: Fence,
    watch: &'d Watch,
    calls: Calls,
    /// Questions that nobody waits with.
    parked: BTreeSet<Arc<str>>,
    began: (Timestamp, Instant),
    /// The run as it was before the step that is being done.
    body: Vec<u8>,
}

impl<'d, S: State> Drive<'d, S> {
    pub(super) fn new(
        driver: &'d Driver,
        scope: &'d TenantScope,
        graph: &'d Arc<Graph<S>>,
        fence: Fence,
        watch: &'d Watch,
        body: Vec<u8>,
    ) -> Self {
        if let Some(recorder) = &watch.recorder {
            recorder.begin(&body);
        }
        let began = (driver.clock.now(), Instant::now());
        let (calls, parked) = (Calls::default(), BTreeSet::new());
        Self { driver, scope, graph, fence, watch, calls, parked, began, body }
    }

    /// The moment: by the clock at the beginning, and as the runtime's timers go since. So it never goes back, and a deadline that
    /// a timer has kept is over.
    fn now(&self) -> Timestamp {
        self.began.0.after(self.began.1.elapsed())
    }

    pub(super) async fn drive(mut self, mut run: Run<S>, first: Input) -> Result<Outcome<S>> {
        let mut input = first;
        loop {
            run = self.step(run, input).await?;
            if let Some(end) = run.end() {
                let (end, spent) = (end.clone(), run.spent().clone());
                return Ok(Outcome::Ended(Ended { end, spent, state: run.into_state() }));
            }
            let Some(next) = self.next(&run).await else {
                return Ok(Outcome::Parked { expires: self.tick(&run) });
            };
            input = next;
        }
    }

    fn tick(&self, run: &Run<S>) -> Duration {
        run.next_tick().saturating_sub(self.now().since(run.at))
    }

    /// What happens next; `None`: nothing before somebody has answered.
    async fn next(&mut self, run: &Run<S>) -> Option<Input> {
        loop {
            if self.watch.stop.is_cancelled() {
                return Some(Input::Stop);
            }
            if run.is_ready() {
                return Some(Input::Continue);
            }
            if self.calls.is_empty() && !self.parked.is_empty() && !self.tick(run).is_zero() {
                return None;
            }
            let tick = tokio::time::sleep(self.tick(run));
            let done = tokio::select! {
                biased;
                () = self.watch.stop.cancelled() => return Some(Input::Stop),
                Some(done) = self.calls.next() => done,
                () = tick => return Some(Input::Tick),
            };
            match done.answer {
                Some(answer) => return Some(Input::Answer { key: done.key, answer }),
                None => {
                    self.parked.insert(done.key);
                }
            }
        }
    }

    /// Does a step and what it asks for.
    async fn step(&mut self, run: Run<S>, input: Input) -> Result<Run<S>> {
        let (stepped, input, now) = self.work(run, input).await?;
        if let Some(recorder) = &self.watch.recorder {
            recorder.add(now, input, &stepped);
        }
        for effect in stepped.effects {
            match effect {
                Effect::Cancel(key) => {
                    self.parked.remove(&key);
                    self.calls.cancel(&key);
                }
                Effect::Checkpoint { version, schema, body } => {
                    let run = stepped.run.id();
                    self.save(Checkpoint { run, fence: self.fence, version, schema, body }).await?;
                }
                Effect::Emit(event) => {
                    if let Some(tell) = &self.watch.events {
                        tell(&event);
                    }
                }
                Effect::Call(request) => {
                    self.calls.start(&self.driver.hands, self.scope, request);
                }
            }
        }
        Ok(stepped.run)
    }

    async fn save(&mut self, checkpoint: Checkpoint) -> Result<()> {
        let saved = self.driver.checkpoints.save(self.scope, &checkpoint);
        let saved = tokio::time::timeout(self.driver.config.store_time, saved).await;
        saved.unwrap_or_else(|_| Err(silent()))?;
        self.body = checkpoint.body;
        Ok(())
    }

    /// The step itself, with its input, if that is recorded, and its moment.
    async fn work(&self, run: Run<S>, input: Input) -> Result<(Stepped<S>, Input, Timestamp)> {
        match self.driver.config.steps {
            Steps::Threads => self.work_in_thread(run, input).await,
            Steps::Task => {
                // A run that only computes lets others have the thread now and then, and hears that it is to stop.
                tokio::task::consume_budget().await;
                let (now, kept) = (self.now(), self.kept(&input));
                Ok((self.graph.step(run, input, now), kept, now))
            }
        }
    }

    /// A copy of an input for the recorder, where there is one.
    fn kept(&self, input: &Input) -> Input {
        self.watch.recorder.as_ref().map_or(Input::Continue, |_| input.clone())
    }

    /// In a thread for what blocks: a node's function may not come back.
    async fn work_in_thread(
        &self,
        run: Run<S>,
        input: Input,
    ) -> Result<(Stepped<S>, Input, Timestamp)> {
        let closed = |_| Error::new(ErrorKind::Cancelled, "do step");
        let turn = self.driver.turns.acquire().await.map_err(closed)?;
        let now = self.now();
        let (graph, seen) = (Arc::clone(self.graph), Arc::new(Seen::default()));
        let watched = Arc::clone(&seen);
        let most = self.driver.config.step_time.min(run.time_left());
        let kept = self.kept(&input);
        let work = tokio::task::spawn_blocking(move || graph.step_seen(run, input, now, &watched));
        let stepped = tokio::time::timeout(most.max(Duration::from_millis(1)), work).await;
        drop(turn);
        match stepped {
            Ok(Ok(stepped)) => Ok((stepped, kept, now)),
            Ok(Err(error)) => Err(Error::new(ErrorKind::Internal, "do step").caused_by(error)),
            Err(_) => {
                let (node, now) = (seen.0.lock().clone(), self.now());
                let input = Input::Hung { node };
                let before = self.graph.decode(&self.body)?;
                Ok((self.graph.step(before, input.clone(), now), input, now))
            }
        }
    }
}
