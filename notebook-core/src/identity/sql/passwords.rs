//! Passwords and reset tokens as rows.

use super::{
    Now,
    accounts::{locked_user, log, update},
    statement,
};
use crate::{
    Result, UserId,
    identity::{
        Reset, SetPassword, User,
        audit::{Actor, INSTALLATION, NewEntry},
        rules,
    },
    sql::{Lock, Row, Tx, values},
};

pub(super) async fn set_password(
    tx: &mut Tx<'_>,
    change: &SetPassword,
    now: Now<'_>,
) -> Result<User> {
    let mut user = locked_user(tx, change.user).await?;
    rules::change_password(tx.operation, &user, change.old.as_deref())?;
    user.password = Some(change.new.clone());
    user.epoch += u32::from(change.ends_sessions);
    update(tx, &user).await?;
    if change.ends_sessions {
        tx.execute(statement::DELETE_RESETS, values![user.id.as_bytes()]).await?;
        let what = NewEntry::new(Actor::User(user.id), "password.changed").about(user.id);
        log(tx, INSTALLATION, now, what).await?;
    }
    Ok(user)
}

pub(super) async fn put_reset(tx: &mut Tx<'_>, reset: &Reset, now: Now<'_>) -> Result<bool> {
    let user = locked_user(tx, reset.user).await?.id;
    let old = values![user.as_bytes(), now.at.as_millis()];
    tx.execute(statement::FORGET_RESETS, old).await?;
    let of = values![user.as_bytes()];
    let good = tx.one(statement::COUNT_RESETS, of, |row| row.get::<usize>(0)).await?;
    if good.unwrap_or(0) >= rules::MOST_RESETS {
        return Ok(false);
    }
    let values = values![user.as_bytes(), reset.hash, reset.expires_at.as_millis()];
    tx.execute(statement::INSERT_RESET, values).await?;
    let what = NewEntry::new(Actor::Unknown, "password.reset_requested").about(user);
    log(tx, INSTALLATION, now, what).await?;
    Ok(true)
}

pub(super) async fn use_reset(
    tx: &mut Tx<'_>,
    hash: &[u8; 32],
    new_password: &str,
    now: Now<'_>,
) -> Result<UserId> {
    // First the user's row, as everywhere, and then what hangs on it: another may have used the token meanwhile.
    let seen = tx.one(statement::RESET, values![hash], read_reset).await?;
    let Some(seen) = seen else { return Err(rules::no_reset(tx.operation)) };
    let mut user = locked_user(tx, seen.user).await?;
    let found = tx.one_locked(Lock::Change, statement::RESET, values![hash], read_reset).await?;
    if found.is_none_or(|reset| now.at >= reset.expires_at) {
        return Err(rules::no_reset(tx.operation));
    }
    user.password = Some(new_password.to_owned());
    user.epoch += 1;
    update(tx, &user).await?;
    tx.execute(statement::DELETE_RESETS, values![user.id.as_bytes()]).await?;
    let what = NewEntry::new(Actor::User(user.id), "password.reset").about(user.id);
    log(tx, INSTALLATION, now, what).await?;
    Ok(user.id)
}

pub(super) fn read_reset(row: &Row<'_>) -> Result<Reset> {
    Ok(Reset { user: row.id(0, UserId::from_u128)?, expires_at: row.get(1)?, hash: row.get(2)? })
}
