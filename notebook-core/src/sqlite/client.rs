use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use futures::FutureExt as _;
use parking_lot::RwLock;
use rusqlite::Connection;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use super::{
    SqliteConfig,
    error::{Failure, closed},
    readers, writer,
};
use crate::{
    Error, ErrorKind, Result,
    sql::{Migration, Tx, Work},
};

/// A call on its way to a database thread and back.
pub(super) trait Call: Send {
    /// Runs the call and keeps its result; says whether it succeeded. May be run again when the
    /// transaction around it was lost.
    fn run(&mut self, connection: &mut Connection) -> bool;
    /// Replaces the result by the failure of the transaction around it.
    fn fail(&mut self, failure: &Failure);
    /// Whether nobody waits for the result any more.
    fn is_abandoned(&self) -> bool;
    /// Sends the result.
    fn reply(self: Box<Self>);
}

/// What travels to a database thread.
pub(super) type Queued = Box<dyn Call>;

struct Pending<I, T, W> {
    operation: &'static str,
    input: I,
    work: W,
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<I, T, W> Call for Pending<I, T, W>
where
    I: Send,
    T: Send,
    W: Work<I, T>,
{
    fn run(&mut self, connection: &mut Connection) -> bool {
        let failed =
            |reason| Err(Error::new(ErrorKind::Internal, self.operation).with("reason", reason));
        let mut tx = Tx::sqlite(connection, self.operation);
        // Nothing in it waits but for statements, and those are done when they return.
        let work = AssertUnwindSafe(|| (self.work)(&mut tx, &self.input).now_or_never());
        let result = match catch_unwind(work) {
            Ok(Some(result)) => result,
            Ok(None) => failed("it waited for something else than the database"),
            Err(_) => failed("it panicked"),
        };
        self.result.insert(result).is_ok()
    }

    fn fail(&mut self, failure: &Failure) {
        self.result = Some(Err(failure.in_operation(self.operation)));
    }

    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn reply(self: Box<Self>) {
        let result = self.result.unwrap_or_else(|| Err(closed(self.operation)));
        // The caller may have gone; what was done stays done.
        let _ = self.reply.send(result);
    }
}

/// A queue to one or more threads, until it is closed.
struct Lane {
    sender: RwLock<Option<mpsc::Sender<Queued>>>,
}

impl Lane {
    async fn call<I: Send + 'static, T: Send + 'static>(
        &self,
        operation: &'static str,
        input: I,
        work: impl Work<I, T>,
    ) -> Result<T> {
        let sender = self.sender.read().clone().ok_or_else(|| closed(operation))?;
        let (reply, answer) = oneshot::channel();
        let call: Queued = Box::new(Pending { operation, input, work, result: None, reply });
        sender.send(call).await.map_err(|_| closed(operation))?;
        drop(sender);
        answer.await.unwrap_or_else(|_| Err(closed(operation)))
    }

    fn statistics(&self) -> QueueStatistics {
        let sender = self.sender.read();
        let of = |sender: &mpsc::Sender<Queued>| QueueStatistics {
            most: sender.max_capacity(),
            waiting: sender.max_capacity().saturating_sub(sender.capacity()),
        };
        sender.as_ref().map(of).unwrap_or_default()
    }

    /// Queues a call that nobody waits for; without room for it, it does not happen.
    fn offer<I: Send + 'static>(&self, operation: &'static str, input: I, work: impl Work<I, ()>) {
        if let Some(sender) = self.sender.read().as_ref() {
            let (reply, _) = oneshot::channel();
            let call = Pending { operation, input, work, result: None, reply };
            let _ = sender.try_send(Box::new(call));
        }
    }
}

/// Calls on their way to a database thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct QueueStatistics {
    /// How many may wait; further ones wait outside. 0 when the database is closed.
    pub most: usize,
    /// How many wait.
    pub waiting: usize,
}

/// A handle to the database threads. They end when it is closed or dropped, after what is queued.
pub(crate) struct Client {
    writer: Lane,
    readers: Lane,
    ended: parking_lot::Mutex<Option<Ended>>,
}

/// What is told when the threads have ended.
struct Ended {
    readers: oneshot::Receiver<()>,
    writer: oneshot::Receiver<Result<()>>,
}

impl Client {
    /// Opens the file, brings its schema up to date and starts the threads.
    pub(crate) async fn open(config: SqliteConfig, steps: &'static [Migration]) -> Result<Self> {
        const OPEN: &str = "open database";
        if config.readers == 0 || config.queue == 0 {
            return Err(Error::invalid(OPEN, "readers, queue", "give at least 1"));
        }
        let (to_writer, calls) = mpsc::channel(config.queue);
        let (opened, is_open) = oneshot::channel();
        let (writer_ended, writer) = oneshot::channel();
        let writer_config = config.clone();
        spawn("notebook-db-writer", move || {
            let result = writer::run(&writer_config, steps, calls, opened);
            let _ = writer_ended.send(result);
        })?;
        is_open.await.map_err(|_| closed(OPEN))??;

        let (to_readers, calls) = mpsc::channel(config.queue);
        let (readers_ended, readers) = oneshot::channel();
        let (opened, is_open) = oneshot::channel();
        spawn("notebook-db-readers", move || {
            readers::run(&config, calls, opened);
            let _ = readers_ended.send(());
        })?;
        is_open.await.map_err(|_| closed(OPEN))??;
        Ok(Self {
            writer: Lane { sender: RwLock::new(Some(to_writer)) },
            readers: Lane { sender: RwLock::new(Some(to_readers)) },
            ended: parking_lot::Mutex::new(Some(Ended { readers, writer })),
        })
    }

    /// Runs `work` in a transaction; `Ok` when it is committed. An error undoes all of it.
    pub(crate) async fn write<I: Send + 'static, T: Send + 'static>(
        &self,
        operation: &'static str,
        input: I,
        work: impl Work<I, T>,
    ) -> Result<T> {
        self.writer.call(operation, input, work).await
    }

    /// Queues a write that may be forgotten: for what is worth doing, but not worth waiting for.
    pub(crate) fn offer<I: Send + 'static>(
        &self,
        operation: &'static str,
        input: I,
        work: impl Work<I, ()>,
    ) {
        self.writer.offer(operation, input, work);
    }

    /// Runs `work` on one snapshot.
    pub(crate) async fn read<I: Send + 'static, T: Send + 'static>(
        &self,
        operation: &'static str,
        input: I,
        work: impl Work<I, T>,
    ) -> Result<T> {
        self.readers.call(operation, input, work).await
    }

    /// What waits for the thread that writes, and for those that read.
    pub(crate) fn statistics(&self) -> [QueueStatistics; 2] {
        [self.writer.statistics(), self.readers.statistics()]
    }

    /// Runs what is queued, then closes the file. Later calls fail; a second close does nothing.
    pub(crate) async fn close(&self) -> Result<()> {
        self.readers.sender.write().take();
        self.writer.sender.write().take();
        let Some(ended) = self.ended.lock().take() else { return Ok(()) };
        let _ = ended.readers.await;
        ended.writer.await.unwrap_or_else(|_| Err(closed("close database")))
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// Starts a thread that may outlive the caller.
pub(super) fn spawn(
    name: &str,
    run: impl FnOnce() + Send + 'static,
) -> Result<thread::JoinHandle<()>> {
    thread::Builder::new().name(name.into()).spawn(run).map_err(|error| {
        Error::new(ErrorKind::Unavailable, "start database thread").caused_by(error)
    })
}
