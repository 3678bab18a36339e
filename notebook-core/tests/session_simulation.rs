//! R41: browsers with many tabs, slow and lossy networks, and thieves, over the pure rules in virtual time.
//!
//! A browser has one cookie jar and some tabs. When the access token runs out, each tab asks for a new one within a
//! few seconds, with the token that the jar holds then; replies arrive out of order, and some never. A tab that got
//! no reply asks again. `SESSIONS` and `NOTEBOOK_SIMULATED_SESSIONS` say how many browsers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    collections::BinaryHeap,
    time::{Duration, Instant},
};

use notebook_core::{
    SessionId, TenantId, Timestamp, UserId,
    identity::{
        Role, Standing,
        session::{
            NewSession, Presented, Reply, Rule, Session, SessionPolicy, SessionState, first,
            present, used,
        },
    },
};

const SESSIONS: u64 = 10_000;
const ROUNDS: u32 = 20;
const STANDING: Standing = Standing { active: true, epoch: 0, role: Role::Analyst };

/// SplitMix64: enough for dice, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// How the network is.
#[derive(Clone, Copy)]
struct Network {
    /// The most that a request or a reply takes, in milliseconds.
    most_delay: u64,
    /// How many replies of a hundred are lost.
    lost: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Ask,
    Arrive { generation: u32 },
    Answer { generation: u32 },
}

/// Later ones are less, so that the heap gives the earliest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Event(std::cmp::Reverse<(u64, u64, u64)>, What);

struct Browser {
    session: Session,
    policy: SessionPolicy,
    jar: u32,
    dice: Dice,
    events: BinaryHeap<Event>,
    count: u64,
    refreshes: u64,
}

impl Browser {
    fn new(seed: u64, policy: SessionPolicy) -> Self {
        let new = NewSession {
            id: SessionId::from_u128(seed.into()),
            user: UserId::from_u128(1),
            tenant: TenantId::from_u128(1),
            epoch: 0,
            binding: None,
            key: 0,
            client: String::new(),
            address: String::new(),
        };
        let session = first(new, Timestamp::from_millis(0), &policy);
        let dice = Dice(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        Self { session, policy, jar: 0, dice, events: BinaryHeap::new(), count: 0, refreshes: 0 }
    }

    fn at(&mut self, at: u64, tab: u64, what: What) {
        self.count += 1;
        self.events.push(Event(std::cmp::Reverse((at, self.count, tab)), what));
    }

    fn present(&mut self, generation: u32, at: u64) -> (Rule, Reply) {
        let presented = Presented { generation, key: 0, binding: None };
        let now = Timestamp::from_millis(i64::try_from(at).unwrap());
        let stepped = present(&self.session, &STANDING, &presented, now, &self.policy);
        self.session = stepped.session;
        self.refreshes += 1;
        (stepped.rule, stepped.reply)
    }

    fn use_access(&mut self, generation: u32) {
        if let Some(next) = used(&self.session, generation) {
            self.session = next;
        }
    }

    /// All tabs refresh, from `start` on, until each has a reply. Whether the session lives.
    fn burst(&mut self, start: u64, tabs: u64, network: Network) -> bool {
        for tab in 0..tabs {
            let at = start + self.dice.below(3_000);
            self.at(at, tab, What::Ask);
        }
        let mut waiting = vec![true; usize::try_from(tabs).unwrap()];
        while let Some(Event(std::cmp::Reverse((at, _, tab)), what)) = self.events.pop() {
            let delay = 1 + self.dice.below(network.most_delay);
            match what {
                What::Ask if waiting[usize::try_from(tab).unwrap()] => {
                    let generation = self.jar;
                    self.at(at + delay, tab, What::Arrive { generation });
                    // Nothing heard: again, and not sooner than a reply can take.
                    self.at(at + 2 * network.most_delay + 1_000, tab, What::Ask);
                }
                What::Ask => {}
                What::Arrive { generation } => match self.present(generation, at).1 {
                    Reply::Token { generation, .. } if !self.dice.percent(network.lost) => {
                        self.at(at + delay, tab, What::Answer { generation });
                    }
                    Reply::Token { .. } => {}
                    Reply::Refused(_) => {
                        self.events.clear();
                        return self.session.state == SessionState::Active;
                    }
                },
                What::Answer { generation } => {
                    // The browser keeps what it was told last, older or newer.
                    self.jar = generation;
                    self.use_access(generation);
                    waiting[usize::try_from(tab).unwrap()] = false;
                }
            }
        }
        true
    }
}

/// How many of `sessions` honest browsers are signed out, and how many refreshes there were.
fn false_revocations(sessions: u64, policy: SessionPolicy, network: Network) -> (u64, u64) {
    let (mut out, mut refreshes) = (0, 0);
    for seed in 1..=sessions {
        let mut browser = Browser::new(seed, policy);
        let tabs = 1 + browser.dice.below(8);
        let lives =
            (1..=u64::from(ROUNDS)).all(|round| browser.burst(round * 900_000, tabs, network));
        out += u64::from(!lives);
        refreshes += browser.refreshes;
    }
    (out, refreshes)
}

fn sessions() -> u64 {
    std::env::var("NOTEBOOK_SIMULATED_SESSIONS").map_or(SESSIONS, |text| text.parse().unwrap())
}

/// R41: nobody honest is signed out at the default settings.
#[test]
fn r41_honest_browsers_stay_signed_in() {
    let started = Instant::now();
    let network = Network { most_delay: 12_000, lost: 5 };
    let (out, refreshes) = false_revocations(sessions(), SessionPolicy::default(), network);
    eprintln!(
        "{} sessions, {refreshes} refreshes, {out} signed out, {:?}",
        sessions(),
        started.elapsed()
    );
    assert_eq!(out, 0);
    assert!(refreshes > sessions() * u64::from(ROUNDS));
}

/// The model can fail: without coalescing, and with a grace shorter than the delays, browsers are signed out.
#[test]
fn r41_without_the_allowances_browsers_are_signed_out() {
    let hasty = SessionPolicy {
        grace: Duration::from_secs(10),
        coalesce: Duration::from_secs(10),
        ..SessionPolicy::default()
    };
    let network = Network { most_delay: 12_000, lost: 5 };
    let (short, _) = false_revocations(1_000, hasty, network);
    let (strict, _) = false_revocations(1_000, SessionPolicy::strict(), network);
    let slow = Network { most_delay: 30_000, lost: 5 };
    let (beyond, _) = false_revocations(1_000, SessionPolicy::default(), slow);
    eprintln!("of 1,000: grace 10 s {short}, strict {strict}, delays of 30 s {beyond}");
    assert!(short > 0 && strict > short && beyond > 0);
}

/// What a thief does with a token that was copied from the jar.
#[derive(Debug, Clone, Copy)]
enum Thief {
    /// R9: refreshes each hour, as the victim does.
    Hourly,
    /// R10: every seven seconds.
    Busy,
    /// R11: waits some rounds and then comes once.
    Waiting,
}

/// Plays a theft; whether the session was ended, and by whose first turn after the grace.
fn theft(seed: u64, thief: Thief) -> bool {
    let policy = SessionPolicy::default();
    let mut browser = Browser::new(seed, policy);
    let network = Network { most_delay: 2_000, lost: 0 };
    let tabs = 1 + browser.dice.below(8);
    let before = 1 + browser.dice.below(5);
    for round in 1..=before {
        assert!(browser.burst(round * 900_000, tabs, network));
    }
    let mut stolen = browser.jar;
    let mut now = before * 900_000 + 120_000;
    let take = |browser: &mut Browser, stolen: &mut u32, now: u64| {
        if let Reply::Token { generation, .. } = browser.present(*stolen, now).1 {
            *stolen = generation;
            browser.use_access(generation);
        }
        browser.session.state == SessionState::Active
    };
    match thief {
        Thief::Hourly => {
            // Turn 1 is one's, turn 2 the other's.
            take(&mut browser, &mut stolen, now + 1_800_000);
            !browser.burst(now + 3_600_000, tabs, network)
        }
        Thief::Busy => {
            while now < (before + 1) * 900_000 {
                now += 7_000;
                assert!(take(&mut browser, &mut stolen, now));
            }
            !browser.burst(now + 31_000, tabs, network)
        }
        Thief::Waiting => {
            let rounds = 1 + browser.dice.below(6);
            for round in before + 1..=before + rounds {
                assert!(browser.burst(round * 900_000, tabs, network));
            }
            !take(&mut browser, &mut stolen, (before + rounds) * 900_000 + 400_000)
        }
    }
}

/// R9, R10, R11: every thief is found out at the second holder's first use.
#[test]
fn r41_every_thief_is_found_out() {
    for thief in [Thief::Hourly, Thief::Busy, Thief::Waiting] {
        let caught = (1..=1_000).filter(|seed| theft(*seed, thief)).count();
        assert_eq!(caught, 1_000, "{thief:?}");
    }
}
