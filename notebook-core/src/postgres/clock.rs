//! The database's time, without a question each time.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sqlx::PgConnection;

use super::error::from_postgres;
use crate::{Result, Timestamp};

/// How long an answer is good for: two clocks drift apart by less than a millisecond in this time.
const FRESH: Duration = Duration::from_secs(5);

/// Asks the database for its time now and then, and counts on by this machine's steady clock, which nobody sets. So it
/// follows a database whose clock is set within seconds, and is not led astray by an answer that was long on its way.
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
        let asked = Instant::now();
        let now =
            sqlx::query_scalar("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint");
        let now = now.fetch_one(connection).await.map_err(|e| from_postgres(operation, e))?;
        let mut last = self.0.lock();
        let expected = last.map(|(asked, answer)| answer.after(asked.elapsed()));
        let now = settled(Timestamp::from_millis(now), asked.elapsed(), expected);
        *last = Some((Instant::now(), now));
        Ok(now)
    }
}

/// What time it is when an answer has arrived. It was given at some moment of the way there and back, so it is that time
/// or up to so much later: what is `expected` by the answers before it is good as long as it lies between.
fn settled(answer: Timestamp, way: Duration, expected: Option<Timestamp>) -> Timestamp {
    expected.map_or(answer, |expected| expected.clamp(answer, answer.after(way)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q13_an_answer_counts_as_exactly_as_it_can_be() {
        let at = Timestamp::from_millis;
        let settled = |answer, way, expected: Option<i64>| {
            settled(at(answer), Duration::from_millis(way), expected.map(at)).as_millis()
        };
        assert_eq!(settled(1_000, 20, None), 1_000);
        // It says what was expected, within its time on the way.
        assert_eq!(settled(1_000, 20, Some(1_012)), 1_012);
        // One that was long on its way moves nothing back.
        assert_eq!(settled(1_000, 20_000, Some(20_990)), 20_990);
        // The database's clock was set, or this machine's counts wrong.
        assert_eq!(settled(1_000, 2, Some(31_000)), 1_002);
        assert_eq!(settled(31_000, 2, Some(1_000)), 31_000);
    }
}
