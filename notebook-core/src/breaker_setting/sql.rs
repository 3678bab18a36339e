//! Decisions in the store's database: an SQLite file, or PostgreSQL for many processes.

use async_trait::async_trait;

use super::{BreakerSetting, BreakerSettings};
use crate::{
    Result, Timestamp,
    sql::{
        Database, Reach, Row, Tx,
        codec::{json, name},
        values,
    },
    store::sql::SqlStore,
};

const FORGET: &str = "DELETE FROM breakers_by_hand WHERE until <= $1";
const SET: &str = "INSERT INTO breakers_by_hand (route, model, state, set_by, set_at, until)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (route, model) DO UPDATE SET state = excluded.state, set_by = excluded.set_by,
        set_at = excluded.set_at, until = excluded.until";
const CLEAR: &str = "DELETE FROM breakers_by_hand WHERE route = $1 AND model = $2";
const ALL: &str = "SELECT route, model, state, set_by, set_at, until FROM breakers_by_hand
    WHERE until IS NULL OR until > $1 ORDER BY route, model";

/// [`BreakerSettings`] in a database.
#[derive(Debug, Clone)]
pub struct SqlBreakerSettings(Database);

impl SqlBreakerSettings {
    /// The decisions that lie beside a store's tables.
    #[must_use]
    pub fn new(store: &SqlStore) -> Self {
        Self(store.database().clone())
    }
}

fn setting(row: &Row<'_>) -> Result<BreakerSetting> {
    Ok(BreakerSetting {
        route: row.get(0)?,
        model: row.get(1)?,
        state: row.name(2)?,
        by: row.json(3)?,
        at: row.get(4)?,
        until: row.get(5)?,
    })
}

async fn set(tx: &mut Tx<'_>, setting: &BreakerSetting) -> Result<()> {
    let (state, by) = (name(tx.operation, setting.state)?, json(tx.operation, &setting.by)?);
    tx.execute(FORGET, values![setting.at.as_millis()]).await?;
    let until = setting.until.map(Timestamp::as_millis);
    let (route, model) = (setting.route.as_str(), setting.model.as_str());
    tx.execute(SET, values![route, model, state, by, setting.at.as_millis(), until]).await.map(drop)
}

#[async_trait]
impl BreakerSettings for SqlBreakerSettings {
    async fn set(&self, setting: &BreakerSetting) -> Result<()> {
        self.0
            .write_singly("set breaker", setting.clone(), |tx, setting| {
                Box::pin(self::set(tx, setting))
            })
            .await
    }

    async fn clear(&self, route: &str, model: &str) -> Result<bool> {
        let input = (route.to_owned(), model.to_owned());
        self.0
            .write_singly("clear breaker", input, |tx, (route, model)| {
                Box::pin(async move {
                    let gone = tx.execute(CLEAR, values![route.as_str(), model.as_str()]).await?;
                    Ok(gone > 0)
                })
            })
            .await
    }

    async fn all(&self, now: Timestamp) -> Result<Vec<BreakerSetting>> {
        self.0
            .read(Reach::Installation, "list breakers", now.as_millis(), |tx, now| {
                Box::pin(async move { tx.all(ALL, values![*now], setting).await })
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn statements_number_their_parameters_in_order() {
        crate::sql::check_statements(&[super::FORGET, super::SET, super::CLEAR, super::ALL]);
    }
}
