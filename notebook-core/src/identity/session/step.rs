//! What a presented token means: the one place that decides it, for every adapter.

use std::time::Duration;

use super::{EndReason, LATE, NewSession, Presented, Session, SessionPolicy, SessionState};
use crate::{
    Timestamp,
    identity::{
        Standing,
        audit::{Actor, NewEntry, Severity},
    },
};
use serde_json::json;

/// How long after a crash the next one is believed.
const CRASHES_APART: Duration = Duration::from_secs(24 * 60 * 60);

/// By which rule a token was judged. The first that applies, in this order; of X5 to X11 exactly one does.
///
/// X0 (no genuine token) and X14 (the store did not answer) are decided outside. X6 (another was faster) is no
/// rule of its own: adapters judge one after the other, so the slower one meets what the faster one made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// X1: the session was revoked before.
    Late,
    /// X2: its time is over.
    Expired,
    /// X3: its user, their membership or the workspace is gone or off, or all its user's sessions were ended.
    Disowned,
    /// X4: the client is not the one that it is bound to.
    WrongBinding,
    /// X5: the newest token, old enough: the next generation.
    Rotated,
    /// X5b: the newest token, just made: the same again.
    Coalesced,
    /// X7: the token before, within the grace: the newest again.
    Replayed,
    /// X8: the token before, and the newest was never used: the newest again.
    Recovered,
    /// X8b: the token before, and only the newest's access token was used: the newest again, where allowed.
    CrashRecovered,
    /// X9: the token before, with the newest in other hands.
    Reused,
    /// X10: a token from before that.
    Stale,
    /// X11: a genuine token that was never made: the store was set back, or a key is out.
    Ahead,
    /// X12: the session was ended on request.
    Ended,
    /// X13: the token before, too often.
    TooManyReplays,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 14] = [
        Self::Late,
        Self::Expired,
        Self::Disowned,
        Self::WrongBinding,
        Self::Rotated,
        Self::Coalesced,
        Self::Replayed,
        Self::Recovered,
        Self::CrashRecovered,
        Self::Reused,
        Self::Stale,
        Self::Ahead,
        Self::Ended,
        Self::TooManyReplays,
    ];

    /// The action in the audit log.
    #[must_use]
    pub const fn action(self) -> &'static str {
        match self {
            Self::Late => "session.late_use",
            Self::Expired => "session.expired",
            Self::Disowned => "session.disowned",
            Self::WrongBinding => "session.wrong_binding",
            Self::Rotated => "session.rotated",
            Self::Coalesced => "session.coalesced",
            Self::Replayed => "session.replayed",
            Self::Recovered => "session.recovered",
            Self::CrashRecovered => "session.crash_recovered",
            Self::Reused => "session.reused",
            Self::Stale => "session.stale",
            Self::Ahead => "session.ahead",
            Self::Ended => "session.ended",
            Self::TooManyReplays => "session.too_many_replays",
        }
    }

    /// How much somebody should care. An alarm goes with the end of its session, and with nothing else.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Self::WrongBinding | Self::Reused | Self::Stale | Self::Ahead => Severity::Alarm,
            Self::Late | Self::CrashRecovered | Self::TooManyReplays => Severity::Warning,
            _ => Severity::Info,
        }
    }
}

/// What to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// The token of a generation, and an access token whose life is counted from a moment.
    Token {
        /// The generation.
        generation: u32,
        /// Where the access token's life begins: for a replay with the first one's, so that nothing is prolonged.
        access_from: Timestamp,
    },
    /// No token.
    Refused(Refused),
}

/// Why there is no token, as far as the client is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Sign in again.
    Unauthorized,
    /// Sign in again: it was long.
    Expired,
    /// Not so often.
    TooMany,
}

/// The session after an event, and what follows.
#[derive(Debug, Clone)]
pub struct Stepped {
    /// To be stored, if it is another than before.
    pub session: Session,
    /// By which rule.
    pub rule: Rule,
    /// What to answer.
    pub reply: Reply,
    /// To be stored with it.
    pub entry: Option<NewEntry>,
}

/// A session at its beginning, with generation 0.
#[must_use]
pub fn first(new: NewSession, now: Timestamp, policy: &SessionPolicy) -> Session {
    Session {
        id: new.id,
        user: new.user,
        tenant: new.tenant,
        state: SessionState::Active,
        generation: 0,
        rotated_at: now,
        recovered_at: None,
        used: 0,
        presented: 0,
        crash_recovered_at: None,
        replays: 0,
        late: 0,
        binding: new.binding,
        key: new.key,
        epoch: new.epoch,
        created_at: now,
        absolute_end: now.after(policy.absolute),
        idle_end: now.after(policy.idle),
        ended_at: None,
        client: new.client,
        address: new.address,
    }
}

/// Judges a genuine token.
#[must_use]
pub fn present(
    session: &Session,
    standing: &Standing,
    presented: &Presented,
    now: Timestamp,
    policy: &SessionPolicy,
) -> Stepped {
    let rule = judge(session, standing, presented, now, policy);
    let mut next = session.clone();
    let again = |access_from| Reply::Token { generation: session.generation, access_from };
    let refused = Reply::Refused(Refused::Unauthorized);
    let reply = match rule {
        Rule::Late => {
            next.late = LATE.min(session.late.saturating_add(1));
            refused
        }
        Rule::Expired => {
            if session.state == SessionState::Active {
                close(&mut next, SessionState::Expired, now);
            }
            Reply::Refused(Refused::Expired)
        }
        Rule::Disowned
        | Rule::WrongBinding
        | Rule::Reused
        | Rule::Stale
        | Rule::Ahead
        | Rule::Ended => {
            close(&mut next, SessionState::Revoked, now);
            refused
        }
        Rule::Rotated => {
            next.generation = session.generation.saturating_add(1);
            next.rotated_at = now;
            next.recovered_at = None;
            next.replays = 0;
            next.idle_end = session.idle_end.max(now.after(policy.idle)).min(session.absolute_end);
            Reply::Token { generation: next.generation, access_from: now }
        }
        Rule::Coalesced => again(now),
        Rule::Replayed => {
            next.replays = session.replays.saturating_add(1);
            again(made_at(session))
        }
        Rule::Recovered => {
            next.recovered_at = Some(now);
            again(now)
        }
        Rule::CrashRecovered => {
            next.recovered_at = Some(now);
            next.crash_recovered_at = Some(now);
            again(now)
        }
        Rule::TooManyReplays => {
            next.replays = session.replays.max(policy.most_replays.saturating_add(1));
            Reply::Refused(Refused::TooMany)
        }
    };
    if matches!(rule, Rule::Rotated | Rule::Coalesced) {
        next.presented = session.presented.max(presented.generation);
        next.used = session.used.max(presented.generation);
    }
    // What changes nothing is not logged, so that nobody fills the log; a token that is only seen is no event.
    let logged = next != *session && rule != Rule::Coalesced;
    let entry = logged.then(|| entry(session, rule, Some(presented.generation), None));
    Stepped { session: next, rule, reply, entry }
}

fn judge(
    session: &Session,
    standing: &Standing,
    presented: &Presented,
    now: Timestamp,
    policy: &SessionPolicy,
) -> Rule {
    match session.state {
        SessionState::Revoked => return Rule::Late,
        SessionState::Expired => return Rule::Expired,
        SessionState::Active => {}
    }
    if is_over(session, now) {
        return Rule::Expired;
    }
    if !standing.active || session.epoch < standing.epoch {
        return Rule::Disowned;
    }
    if session.binding.is_some() && session.binding != presented.binding {
        return Rule::WrongBinding;
    }
    let behind = match session.generation.checked_sub(presented.generation) {
        None => return Rule::Ahead,
        Some(0) => {
            // A clock that was set back makes a token young, not old.
            let young = now.since(made_at(session)) < policy.coalesce;
            return if young { Rule::Coalesced } else { Rule::Rotated };
        }
        Some(behind) => behind,
    };
    if behind > 1 {
        return Rule::Stale;
    }
    judge_previous(session, now, policy)
}

/// The token before the newest.
fn judge_previous(session: &Session, now: Timestamp, policy: &SessionPolicy) -> Rule {
    if policy.grace > Duration::ZERO && now.since(made_at(session)) <= policy.grace {
        let spent = session.replays >= policy.most_replays;
        return if spent { Rule::TooManyReplays } else { Rule::Replayed };
    }
    let in_time =
        policy.recovery > Duration::ZERO && now.since(session.rotated_at) <= policy.recovery;
    if in_time && session.used < session.generation {
        return Rule::Recovered;
    }
    let long_ago = session.crash_recovered_at.is_none_or(|last| now.since(last) >= CRASHES_APART);
    if in_time && policy.recover_crashed && session.presented < session.generation && long_ago {
        return Rule::CrashRecovered;
    }
    Rule::Reused
}

/// When the newest generation was made, or last given out for a reply that was lost.
fn made_at(session: &Session) -> Timestamp {
    session.recovered_at.map_or(session.rotated_at, |at| at.max(session.rotated_at))
}

/// Whether a session's time is over, whatever its state.
#[must_use]
pub fn is_over(session: &Session, now: Timestamp) -> bool {
    now >= session.absolute_end || now >= session.idle_end
}

/// The session after it was seen, without a token, that it goes on no more: its time is over, or its user's sessions of
/// its epoch were ended. None when it goes on, or was closed before.
#[must_use]
pub fn lapsed(session: &Session, epoch: u32, now: Timestamp) -> Option<Stepped> {
    let (rule, state, refused) = match session.state {
        SessionState::Active if is_over(session, now) => {
            (Rule::Expired, SessionState::Expired, Refused::Expired)
        }
        SessionState::Active if session.epoch < epoch => {
            (Rule::Disowned, SessionState::Revoked, Refused::Unauthorized)
        }
        _ => return None,
    };
    let mut next = session.clone();
    close(&mut next, state, now);
    let entry = Some(entry(session, rule, None, None));
    Some(Stepped { session: next, rule, reply: Reply::Refused(refused), entry })
}

/// The session after an access token of a generation was seen; none when that says nothing new.
#[must_use]
pub fn used(session: &Session, generation: u32) -> Option<Session> {
    let news = session.state == SessionState::Active
        && generation > session.used
        && generation <= session.generation;
    news.then(|| Session { used: generation, ..session.clone() })
}

/// The session after somebody asked for its end; none when it has ended.
#[must_use]
pub fn end(session: &Session, reason: EndReason, now: Timestamp) -> Option<Stepped> {
    if session.state != SessionState::Active {
        return None;
    }
    let mut next = session.clone();
    close(&mut next, SessionState::Revoked, now);
    let entry = Some(entry(session, Rule::Ended, None, Some(reason)));
    let reply = Reply::Refused(Refused::Unauthorized);
    Some(Stepped { session: next, rule: Rule::Ended, reply, entry })
}

fn close(session: &mut Session, state: SessionState, now: Timestamp) {
    session.state = state;
    session.ended_at = Some(now);
}

fn entry(
    session: &Session,
    rule: Rule,
    generation: Option<u32>,
    reason: Option<EndReason>,
) -> NewEntry {
    let newest = session.generation;
    let detail = match (generation, reason) {
        (Some(presented), _) => json!({ "newest": newest, "presented": presented }),
        (None, reason) => json!({ "newest": newest, "reason": reason }),
    };
    NewEntry {
        actor: Actor::User(session.user),
        action: rule.action().to_owned(),
        target: Some(session.id.to_string()),
        severity: rule.severity(),
        detail: detail.to_string(),
    }
}

#[cfg(test)]
mod tests;
