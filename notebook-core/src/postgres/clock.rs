//! The database's time, without a question each time.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sqlx::PgConnection;

use super::error::from_postgres;
use crate::{Result, Timestamp};

/// How long an answer is good for: two clocks drift apart by less than a millisecond in this time.
const FRESH: Duration = Duration::from_secs(5);

/// Asks the database for its time now and then, and counts on by this machine's steady clock, which nobody sets. So it
/// is late by the time that the answer took to arrive, and follows a database whose clock is set within seconds.
#[derive(Debug, Default)]
pub(crate) struct DatabaseClock(Mutex<Option<(Instant, Timestamp)>>);

impl DatabaseClock {
    pub(crate) async fn now(
        &self,
        connection: &mut PgConnection,
        operation: &'static str,
    ) -> Result<Timestamp> {
        let last = *self.0.lock();
        if let Some((asked, answer)) = last
            && asked.elapsed() < FRESH
        {
            return Ok(answer.after(asked.elapsed()));
        }
        let now =
            sqlx::query_scalar("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint");
        let now = now.fetch_one(connection).await.map_err(|e| from_postgres(operation, e))?;
        let now = Timestamp::from_millis(now);
        *self.0.lock() = Some((Instant::now(), now));
        Ok(now)
    }
}
