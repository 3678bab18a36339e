//! A few threads of their own for the model, with a bounded queue in which questions go first.

use std::{collections::VecDeque, panic, sync::Arc, thread};

use notebook_core::{Error, ErrorKind, Result, embed::EmbedKind};
use parking_lot::{Condvar, Mutex};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// The tasks that may wait or run for each thread, and each kind.
const TASKS_PER_THREAD: usize = 4;

/// What a task does, with the buffers `S` of the thread that runs it.
type Work<S> = Box<dyn FnOnce(&mut S) -> bool + Send>;

struct Task<S> {
    work: Work<S>,
    /// Given back when the task is done or dropped.
    _place: OwnedSemaphorePermit,
}

struct Queue<S> {
    questions: VecDeque<Task<S>>,
    passages: VecDeque<Task<S>>,
    closed: bool,
}

struct Shared<S> {
    queue: Mutex<Queue<S>>,
    arrived: Condvar,
}

/// Runs tasks on `threads` threads, each with its own `S`.
///
/// Dropping the pool ends the threads after the task that each is at.
pub(crate) struct Pool<S> {
    shared: Arc<Shared<S>>,
    question_places: Arc<Semaphore>,
    passage_places: Arc<Semaphore>,
}

impl<S: Default + 'static> Pool<S> {
    /// Starts the threads.
    pub(crate) fn start(threads: usize) -> Result<Self> {
        let queue = Queue { questions: VecDeque::new(), passages: VecDeque::new(), closed: false };
        let shared = Arc::new(Shared { queue: Mutex::new(queue), arrived: Condvar::new() });
        let places = threads * TASKS_PER_THREAD;
        let pool = Self {
            shared,
            question_places: Arc::new(Semaphore::new(places)),
            passage_places: Arc::new(Semaphore::new(places)),
        };
        for index in 0..threads {
            let shared = Arc::clone(&pool.shared);
            thread::Builder::new()
                .name(format!("model-{index}"))
                .spawn(move || work_off(&shared))
                .map_err(|error| {
                    Error::new(ErrorKind::Unavailable, "start model's thread").caused_by(error)
                })?;
        }
        Ok(pool)
    }

    /// Runs `work` on one of the threads. Waits without blocking for a place in the queue, then for
    /// the result. When the future is dropped before a thread takes the work, it is not done.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        kind: EmbedKind,
        work: impl FnOnce(&mut S) -> T + Send + 'static,
    ) -> Result<T> {
        let places = match kind {
            EmbedKind::Query => &self.question_places,
            EmbedKind::Passage => &self.passage_places,
        };
        let place = Arc::clone(places).acquire_owned().await.map_err(|_| ended())?;
        let (reply, answer) = oneshot::channel();
        let work: Work<S> = Box::new(move |buffers| {
            if reply.is_closed() {
                return false;
            }
            let _ = reply.send(work(buffers));
            true
        });
        self.enqueue(kind, Task { work, _place: place });
        answer.await.map_err(|_| ended())
    }

    fn enqueue(&self, kind: EmbedKind, task: Task<S>) {
        let mut queue = self.shared.queue.lock();
        match kind {
            EmbedKind::Query => queue.questions.push_back(task),
            EmbedKind::Passage => queue.passages.push_back(task),
        }
        drop(queue);
        self.shared.arrived.notify_one();
    }
}

impl<S> Drop for Pool<S> {
    fn drop(&mut self) {
        let mut queue = self.shared.queue.lock();
        queue.closed = true;
        queue.questions.clear();
        queue.passages.clear();
        drop(queue);
        self.shared.arrived.notify_all();
    }
}

fn ended() -> Error {
    Error::new(ErrorKind::Internal, "run model")
        .with("reason", "the model's thread gave the task up")
}

fn work_off<S: Default>(shared: &Shared<S>) {
    let mut buffers = S::default();
    while let Some(task) = next(shared) {
        let run = panic::AssertUnwindSafe(|| (task.work)(&mut buffers));
        // After a panic the buffers may be half-written; the caller sees its reply dropped.
        if panic::catch_unwind(run).is_err() {
            buffers = S::default();
        }
    }
}

fn next<S>(shared: &Shared<S>) -> Option<Task<S>> {
    let mut queue = shared.queue.lock();
    loop {
        if queue.closed {
            return None;
        }
        let first = queue.questions.pop_front();
        if let Some(task) = first.or_else(|| queue.passages.pop_front()) {
            return Some(task);
        }
        shared.arrived.wait(&mut queue);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A pool of one thread that is held until the sender is dropped.
    async fn held() -> (Arc<Pool<Vec<u8>>>, mpsc::SyncSender<()>) {
        let pool = Arc::new(Pool::start(1).unwrap());
        let (hold, held) = mpsc::sync_channel::<()>(0);
        let (started, start) = oneshot::channel();
        let runner = Arc::clone(&pool);
        tokio::spawn(async move {
            runner
                .run(EmbedKind::Passage, move |_| {
                    started.send(()).unwrap();
                    let _ = held.recv();
                })
                .await
        });
        start.await.unwrap();
        (pool, hold)
    }

    #[tokio::test]
    async fn questions_go_before_passages_that_came_earlier() {
        let (pool, hold) = held().await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let task = |kind, name: &'static str| {
            let (pool, order) = (Arc::clone(&pool), Arc::clone(&order));
            async move { pool.run(kind, move |_| order.lock().push(name)).await.unwrap() }
        };
        let release = async move { drop(hold) };
        tokio::join!(
            task(EmbedKind::Passage, "first passage"),
            task(EmbedKind::Passage, "second passage"),
            task(EmbedKind::Query, "question"),
            release,
        );
        assert_eq!(*order.lock(), ["question", "first passage", "second passage"]);
    }

    #[tokio::test]
    async fn dropped_work_is_not_done_and_gives_its_place_back() {
        let (pool, hold) = held().await;
        let done = Arc::new(Mutex::new(0));
        for _ in 0..100 {
            let done = Arc::clone(&done);
            let mut run = Box::pin(pool.run(EmbedKind::Passage, move |_| *done.lock() += 1));
            // Polled once, so that it is queued or waits for a place; then dropped.
            assert!(futures::poll!(&mut run).is_pending());
        }
        assert!(pool.shared.queue.lock().passages.len() <= TASKS_PER_THREAD);
        drop(hold);
        pool.run(EmbedKind::Passage, |_| ()).await.unwrap();
        assert_eq!(*done.lock(), 0);
    }

    #[tokio::test]
    async fn a_panic_fails_its_own_task_only() {
        let pool: Pool<Vec<u8>> = Pool::start(1).unwrap();
        let error =
            pool.run(EmbedKind::Query, |_| -> u8 { panic!("on purpose") }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
        assert_eq!(pool.run(EmbedKind::Query, |_| 7).await.unwrap(), 7);
    }
}
