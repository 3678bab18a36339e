//! The thread that generates, one request after another.

use std::{sync::Arc, thread};

use notebook_core::{
    Error, ErrorKind, Result,
    chat::{ChatEvent, FinishReason},
    model::Usage,
};
use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::mpsc;

use super::{Loaded, llama::State, sample::Sampler, text::TextOut};

/// Tokens of the prompt that are read at once: between two parts the worker looks whether anybody
/// still waits for the answer.
const PROMPT_PART: usize = 128;

/// A request that has been checked.
pub(super) struct Job {
    pub(super) prompt: Vec<u32>,
    pub(super) most: usize,
    pub(super) sampler: Sampler,
    pub(super) text: TextOut,
    /// Has room for everything that the job can send, so that a slow reader holds nobody up.
    pub(super) events: mpsc::Sender<Result<ChatEvent>>,
}

/// Starts the thread; it ends when the sender is dropped and the queue is empty.
pub(super) fn start(
    model: Arc<Loaded>,
    threads: usize,
    waiting: usize,
) -> Result<mpsc::Sender<Job>> {
    let failed = |reason: String| {
        Error::new(ErrorKind::Unavailable, "start chat model").with("reason", reason)
    };
    let pool = ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("chat-{index}"))
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let (sender, mut queue) = mpsc::channel::<Job>(waiting);
    let run = move || {
        while let Some(job) = queue.blocking_recv() {
            work(&model, &pool, job);
        }
    };
    thread::Builder::new()
        .name("chat".into())
        .spawn(run)
        .map_err(|error| failed(error.to_string()))?;
    Ok(sender)
}

/// Runs one job. A panic drops the sender, which the reader reports as an error.
fn work(model: &Loaded, pool: &ThreadPool, job: Job) {
    let run = std::panic::AssertUnwindSafe(|| pool.install(|| generate(model, job)));
    if std::panic::catch_unwind(run).is_err() {
        tracing::error!("the chat model's thread panicked; the answer is lost");
    }
}

fn generate(model: &Loaded, mut job: Job) {
    let mut generated = 0;
    let end = answer(model, &mut job, &mut generated);
    let usage = Usage {
        prompt_tokens: job.prompt.len() as u64,
        completion_tokens: generated,
        exact: true,
        cost_micros: None,
    };
    // A failed send means that nobody reads any more.
    match end {
        Ok(None) => {}
        Ok(Some(reason)) => {
            let _ = job.events.blocking_send(Ok(ChatEvent::Usage(usage)));
            let _ = job.events.blocking_send(Ok(ChatEvent::Finish(reason)));
        }
        Err(error) => {
            let _ = job.events.blocking_send(Err(error));
        }
    }
}

/// Generates until the end, whose reason it returns; `None` when nobody reads any more.
fn answer(model: &Loaded, job: &mut Job, generated: &mut u64) -> Result<Option<FinishReason>> {
    let failed = |error| Error::new(ErrorKind::Internal, "run chat model").caused_by(error);
    let (mut state, mut logits) = (State::default(), Vec::new());
    for part in job.prompt.chunks(PROMPT_PART) {
        if job.events.is_closed() {
            return Ok(None);
        }
        model.llama.read(&mut state, part, &mut logits).map_err(failed)?;
    }
    loop {
        let choice = job.sampler.choose(&logits);
        let token = u32::try_from(choice).unwrap_or(u32::MAX);
        *generated += 1;
        if model.tokens.ends(token) {
            return Ok(send_rest(job).then_some(FinishReason::Stop));
        }
        let delta = job.text.push(model.tokens.bytes(token));
        if !delta.is_empty() && job.events.blocking_send(Ok(ChatEvent::Delta(delta))).is_err()
            || job.events.is_closed()
        {
            return Ok(None);
        }
        if job.text.stopped() {
            return Ok(Some(FinishReason::Stop));
        }
        if usize::try_from(*generated).is_ok_and(|done| done >= job.most) {
            return Ok(send_rest(job).then_some(FinishReason::Length));
        }
        debug_assert!(state.tokens() < model.llama.sizes.context);
        model.llama.read(&mut state, &[token], &mut logits).map_err(failed)?;
    }
}

/// Sends what is still held back. False when nobody reads any more.
fn send_rest(job: &mut Job) -> bool {
    let rest = job.text.finish();
    rest.is_empty() || job.events.blocking_send(Ok(ChatEvent::Delta(rest))).is_ok()
}
