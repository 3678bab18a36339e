//! The thread that writes: what has arrived runs in one transaction, each call in a savepoint
//! of its own, and is answered after the commit (group commit).

use std::{
    thread,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{SqliteConfig, client::Queued, dialect, error::Failure, migrate::migrate};
use crate::{Result, sql::Migration};

/// The most calls in one transaction.
const MOST_CALLS: usize = 512;
/// The time after which a transaction takes no more calls, so that the first need not wait long.
const MOST_TIME: Duration = Duration::from_millis(20);
/// The longest wait for callers that are expected back.
const MOST_PATIENCE: Duration = Duration::from_micros(500);

/// Opens the file, says so, and writes until the queue is closed and empty.
pub(super) fn run(
    config: &SqliteConfig,
    steps: &[Migration],
    calls: mpsc::Receiver<Queued>,
    opened: oneshot::Sender<Result<()>>,
) -> Result<()> {
    let connection = match open(config, steps) {
        Ok(connection) => connection,
        Err(error) => {
            let _ = opened.send(Err(error));
            return Ok(());
        }
    };
    let _ = opened.send(Ok(()));
    let mut writer = Writer { connection, calls, expected: 0, patience: Duration::ZERO };
    while let Some(first) = writer.calls.blocking_recv() {
        writer.group(first);
    }
    dialect::close_writer(writer.connection)
}

fn open(config: &SqliteConfig, steps: &[Migration]) -> Result<Connection> {
    let connection = dialect::open_writer(config)?;
    migrate(&connection, &config.path, steps)?;
    Ok(connection)
}

struct Writer {
    connection: Connection,
    calls: mpsc::Receiver<Queued>,
    /// How many calls the last transaction held: their callers are likely to be back soon.
    expected: usize,
    /// How long to wait for them: a part of what the last commit took.
    patience: Duration,
}

impl Writer {
    /// Runs `first` and what has arrived beside it in one transaction, then answers them all.
    fn group(&mut self, mut first: Queued) {
        if let Err(error) = self.execute(dialect::BEGIN_WRITE) {
            first.fail(&Failure::of(error));
            return first.reply();
        }
        let mut calls = vec![first];
        let committed = self.run_all(&mut calls).and_then(|()| self.commit());
        self.roll_back_if_open();
        if committed.is_err() {
            // One of them may be the reason: alone, the others succeed.
            return calls.into_iter().for_each(|call| self.alone(call));
        }
        self.expected = calls.len();
        calls.into_iter().for_each(|call| call.reply());
    }

    /// Runs one call in a transaction of its own and answers it.
    fn alone(&mut self, mut call: Queued) {
        let done = self.execute(dialect::BEGIN_WRITE).and_then(|()| {
            if call.run(&mut self.connection) { self.execute(dialect::COMMIT) } else { Ok(()) }
        });
        self.roll_back_if_open();
        if let Err(error) = done {
            call.fail(&Failure::of(error));
        }
        call.reply();
    }

    fn commit(&mut self) -> rusqlite::Result<()> {
        let started = Instant::now();
        self.execute(dialect::COMMIT)?;
        self.patience = (started.elapsed() / 2).min(MOST_PATIENCE);
        Ok(())
    }

    /// Runs the calls given and those that arrive meanwhile.
    fn run_all(&mut self, calls: &mut Vec<Queued>) -> rusqlite::Result<()> {
        let started = Instant::now();
        let mut done = 0;
        // For the whole group: calls that trickle in must not hold up those that are done.
        let mut patience = self.patience;
        loop {
            for call in calls.iter_mut().skip(done) {
                self.in_savepoint(call)?;
                done += 1;
            }
            if done >= MOST_CALLS || started.elapsed() >= MOST_TIME {
                return Ok(());
            }
            let Some(next) = self.next(done, &mut patience) else { return Ok(()) };
            calls.push(next);
        }
    }

    /// The next call, if it is there or can be expected at once.
    fn next(&mut self, done: usize, patience: &mut Duration) -> Option<Queued> {
        if let Ok(call) = self.calls.try_recv() {
            return Some(call);
        }
        let started = Instant::now();
        while done < self.expected && started.elapsed() < *patience {
            if let Ok(call) = self.calls.try_recv() {
                *patience = patience.saturating_sub(started.elapsed());
                return Some(call);
            }
            thread::yield_now();
        }
        None
    }

    /// Runs a call so that its failure undoes what it did and nothing else. Fails when SQLite
    /// gave up the whole transaction, as it may when the disk is full.
    fn in_savepoint(&mut self, call: &mut Queued) -> rusqlite::Result<()> {
        self.execute(dialect::SAVEPOINT)?;
        if !call.run(&mut self.connection) {
            self.execute(dialect::ROLLBACK_TO)?;
        }
        self.execute(dialect::RELEASE)
    }

    fn roll_back_if_open(&self) {
        if !self.connection.is_autocommit() {
            // It fails only when SQLite has rolled back by itself.
            let _ = self.execute(dialect::ROLLBACK);
        }
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }
}
