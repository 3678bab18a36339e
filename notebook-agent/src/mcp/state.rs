//! Where a connection stands: pure.

use std::time::Duration;

use notebook_core::Timestamp;
use serde::Serialize;

/// The first pause before a server is begun anew; each is twice as long as the one before.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(300);
/// However much it is wanted, a server that failed is left alone for so long.
const SHORTEST: Duration = Duration::from_secs(5);
/// A connection that held so long was a good one: what comes next is the first failure again.
const GOOD: Duration = Duration::from_secs(60);
/// The most characters of a reason.
const REASON: usize = 300;

/// Where a server stands, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It answers.
    Connected,
    /// It was not begun yet, is being begun, or this program goes down.
    Disconnected,
    /// It could not be reached, or was lost; it is begun anew after a while.
    Error,
}

/// Where a connection stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// What it is doing.
    pub phase: Phase,
    /// Since when.
    pub since: Timestamp,
    /// How often it failed, one after the other.
    pub failures: u32,
}

/// What a connection is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Nothing yet.
    New,
    /// It is being made.
    Connecting,
    /// It stands.
    Connected,
    /// It failed; it is made anew then.
    Failed {
        /// Why, for a person.
        reason: String,
        /// When it is tried again.
        until: Timestamp,
    },
    /// It was ended.
    Closed,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It is to be made.
    Begin,
    /// Somebody wants to use it now: a pause that has lasted for a while is cut short.
    Wanted,
    /// It stands.
    Up,
    /// It failed or was lost.
    Down(String),
    /// It is not to be made any more.
    Close,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Make it.
    Connect,
    /// Wait so long, then it is to be [begun](Event::Begin).
    Wait(Duration),
    /// Nothing more than what is being done.
    Go,
    /// End.
    Stop,
}

impl Connection {
    /// One that nothing was done for.
    #[must_use]
    pub const fn new(now: Timestamp) -> Self {
        Self { phase: Phase::New, since: now, failures: 0 }
    }

    /// What becomes of it, and what is to be done.
    #[must_use]
    pub fn step(self, event: Event, now: Timestamp) -> (Self, Act) {
        let failures = self.failures;
        let to = |phase, failures, act| (Self { phase, since: now, failures }, act);
        match (self.phase.clone(), event) {
            (Phase::Closed, _) => (self, Act::Stop),
            (_, Event::Close) => to(Phase::Closed, failures, Act::Stop),
            (Phase::New | Phase::Failed { .. }, Event::Begin) => {
                to(Phase::Connecting, failures, Act::Connect)
            }
            (Phase::Failed { until, .. }, Event::Wanted) => {
                if now.since(self.since) >= SHORTEST {
                    to(Phase::Connecting, failures, Act::Connect)
                } else {
                    (self, Act::Wait(until.since(now)))
                }
            }
            (Phase::New | Phase::Connecting | Phase::Connected, Event::Begin | Event::Wanted)
            | (Phase::Connected, Event::Up) => (self, Act::Go),
            (Phase::New | Phase::Connecting | Phase::Failed { .. }, Event::Up) => {
                to(Phase::Connected, failures, Act::Go)
            }
            (phase, Event::Down(reason)) => {
                let was_good = phase == Phase::Connected && now.since(self.since) >= GOOD;
                let failures = if was_good { 1 } else { failures.saturating_add(1) };
                let wait = FIRST.saturating_mul(1 << (failures - 1).min(16)).min(LONGEST);
                let reason = reason.chars().take(REASON).collect();
                let failed = Phase::Failed { reason, until: now.after(wait) };
                to(failed, failures, Act::Wait(wait))
            }
        }
    }

    /// For people.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self.phase {
            Phase::Connected => Status::Connected,
            Phase::New | Phase::Connecting | Phase::Closed => Status::Disconnected,
            Phase::Failed { .. } => Status::Error,
        }
    }

    /// Whether it is not known yet what becomes of it.
    #[must_use]
    pub const fn is_beginning(&self) -> bool {
        matches!(self.phase, Phase::New | Phase::Connecting) && self.failures == 0
    }

    /// Why it failed.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match &self.phase {
            Phase::Failed { reason, .. } => Some(reason),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn d4_a_server_that_dies_is_begun_anew_after_longer_and_longer() {
        let (mut state, act) = Connection::new(at(0)).step(Event::Begin, at(0));
        assert_eq!((act, state.status()), (Act::Connect, Status::Disconnected));
        let mut waits = Vec::new();
        for _ in 0..12 {
            let (failed, act) = state.step(Event::Down("it died".into()), at(1));
            assert_eq!((failed.status(), failed.reason()), (Status::Error, Some("it died")));
            let Act::Wait(wait) = act else { panic!("{act:?}") };
            waits.push(wait.as_secs());
            state = failed.step(Event::Begin, at(1)).0;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        // One that held for a minute was good: what comes is the first failure again.
        let (up, _) = state.step(Event::Up, at(2));
        assert_eq!((up.status(), up.since), (Status::Connected, at(2)));
        let (_, act) = up.clone().step(Event::Down(String::new()), at(61));
        assert_eq!(act, Act::Wait(LONGEST));
        let (_, act) = up.step(Event::Down(String::new()), at(62));
        assert_eq!(act, Act::Wait(FIRST));
    }

    #[test]
    fn d4_who_wants_it_now_cuts_a_long_pause_short_and_no_short_one() {
        let mut state = Connection::new(at(0));
        for _ in 0..9 {
            state = state.step(Event::Begin, at(0)).0.step(Event::Down("x".into()), at(0)).0;
        }
        assert_eq!(
            state.clone().step(Event::Wanted, at(4)),
            (state.clone(), Act::Wait(Duration::from_secs(252)))
        );
        let (begun, act) = state.step(Event::Wanted, at(5));
        assert_eq!((act, begun.failures), (Act::Connect, 9));
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            4 => Just(Event::Begin),
            2 => Just(Event::Wanted),
            4 => Just(Event::Up),
            4 => ".{0,400}".prop_map(Event::Down),
            1 => Just(Event::Close),
        ]
    }

    proptest! {
        /// Whatever happens: what is closed stays closed, a pause is never longer than the longest, and only a failure has a reason.
        #[test]
        fn d4_no_order_of_events_leads_astray(events in prop::collection::vec((event(), 0..90_i64), 0..40)) {
            let (mut state, mut now, mut closed) = (Connection::new(at(0)), 0, false);
            for (event, later) in events {
                now += later;
                closed |= event == Event::Close;
                let (next, act) = state.clone().step(event.clone(), at(now));
                prop_assert_eq!(next.phase == Phase::Closed, closed);
                prop_assert_eq!(act == Act::Stop, closed);
                match act {
                    Act::Wait(wait) => {
                        prop_assert!(wait <= LONGEST);
                        let Phase::Failed { until, .. } = next.phase else { panic!("{next:?}") };
                        prop_assert_eq!(wait, until.since(at(now)));
                    }
                    Act::Connect => prop_assert_eq!(&next.phase, &Phase::Connecting),
                    Act::Go => prop_assert_eq!(next.status() == Status::Error, false),
                    Act::Stop => {}
                }
                prop_assert!(next.reason().is_none_or(|reason| reason.chars().count() <= REASON));
                state = next;
            }
        }
    }
}
