//! The threads that read: each call on a snapshot of its own.

use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{
    SqliteConfig,
    client::{Queued, spawn},
    dialect,
    error::Failure,
};
use crate::Result;

type Calls = Arc<Mutex<mpsc::Receiver<Queued>>>;

/// Opens the connections, says so, and reads until the queue is closed and empty.
pub(super) fn run(
    config: &SqliteConfig,
    calls: mpsc::Receiver<Queued>,
    opened: oneshot::Sender<Result<()>>,
) {
    let calls: Calls = Arc::new(Mutex::new(calls));
    let threads = (0..config.readers).map(|_| {
        let mut connection = dialect::open_reader(config)?;
        let calls = Arc::clone(&calls);
        spawn("notebook-db-reader", move || read(&mut connection, &calls))
    });
    match threads.collect::<Result<Vec<_>>>() {
        Ok(threads) => {
            let _ = opened.send(Ok(()));
            for thread in threads {
                let _ = thread.join();
            }
        }
        Err(error) => {
            let _ = opened.send(Err(error));
        }
    }
}

fn read(connection: &mut Connection, calls: &Calls) {
    loop {
        // The lock is held while waiting: the other idle threads queue up behind it.
        let next = calls.lock().blocking_recv();
        let Some(mut call) = next else { return };
        if !call.is_abandoned() {
            snapshot(connection, &mut call);
        }
        call.reply();
    }
}

fn snapshot(connection: &mut Connection, call: &mut Queued) {
    match execute(connection, dialect::BEGIN_READ) {
        Ok(()) => {
            call.run(connection);
            // Nothing was written, so that there is nothing that could fail to be kept.
            let _ = execute(connection, dialect::COMMIT);
        }
        Err(error) => call.fail(&Failure::of(error)),
    }
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}
