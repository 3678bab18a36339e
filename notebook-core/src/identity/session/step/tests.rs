//! The rules by their ids, and against the reference.

use proptest::prelude::*;

use super::*;
use crate::{SessionId, TenantId, UserId, identity::Role};

#[path = "../../../../tests/support/session_reference.rs"]
#[allow(unreachable_pub, reason = "other tests include it too")]
mod reference;
use reference::{Model, Settings};

const HOUR: u64 = 3_600;

/// A session under virtual time, with all that was logged of it.
struct Line {
    session: Session,
    standing: Standing,
    now: Timestamp,
    policy: SessionPolicy,
    log: Vec<NewEntry>,
}

impl Line {
    fn new(policy: SessionPolicy) -> Self {
        Self::bound(policy, None)
    }

    fn bound(policy: SessionPolicy, binding: Option<[u8; 32]>) -> Self {
        let new = NewSession {
            id: SessionId::from_u128(1),
            user: UserId::from_u128(2),
            tenant: TenantId::from_u128(3),
            epoch: 5,
            binding,
            key: 0,
            client: String::new(),
            address: String::new(),
        };
        let now = Timestamp::from_millis(1_700_000_000_000);
        let standing = Standing { active: true, epoch: 5, role: Role::Analyst };
        Self { session: first(new, now, &policy), standing, now, policy, log: Vec::new() }
    }

    fn wait(&mut self, seconds: u64) -> &mut Self {
        self.now = self.now.after(Duration::from_secs(seconds));
        self
    }

    fn present(&mut self, generation: u32) -> (Rule, Reply) {
        let binding = self.session.binding;
        self.present_with(generation, binding)
    }

    fn present_with(&mut self, generation: u32, binding: Option<[u8; 32]>) -> (Rule, Reply) {
        let presented = Presented { generation, key: 0, binding };
        let before = self.session.clone();
        let stepped = super::present(&before, &self.standing, &presented, self.now, &self.policy);
        self.session = stepped.session;
        self.log.extend(stepped.entry);
        invariants(&before, &self.session, stepped.rule, stepped.reply);
        (stepped.rule, stepped.reply)
    }

    fn rule(&mut self, generation: u32) -> Rule {
        self.present(generation).0
    }

    /// The access token of a generation is used.
    fn use_access(&mut self, generation: u32) -> &mut Self {
        if let Some(next) = used(&self.session, generation) {
            self.session = next;
        }
        self
    }

    fn alarms(&self) -> usize {
        self.log.iter().filter(|entry| entry.severity == Severity::Alarm).count()
    }
}

/// What holds whatever happens.
fn invariants(before: &Session, after: &Session, rule: Rule, reply: Reply) {
    assert!(after.generation >= before.generation, "a generation fell");
    assert!(after.generation <= before.generation + 1);
    let revived = before.state != SessionState::Active && after.state == SessionState::Active;
    assert!(!revived, "a session came back");
    let ended = before.state == SessionState::Active && after.state == SessionState::Revoked;
    let alarm = rule.severity() == Severity::Alarm;
    assert_eq!(ended, alarm || rule == Rule::Disowned, "an alarm ends its session: {rule:?}");
    if let Reply::Token { generation, .. } = reply {
        assert_eq!(after.state, SessionState::Active);
        assert_eq!(generation, after.generation, "only the newest is given out");
    }
    if rule != Rule::Rotated {
        assert_eq!(after.idle_end, before.idle_end, "only a rotation prolongs");
        assert_eq!(after.rotated_at, before.rotated_at);
    }
    assert_eq!(after.absolute_end, before.absolute_end);
}

fn default() -> Line {
    Line::new(SessionPolicy::default())
}

/// A line whose generation 1 was just made of 0.
fn rotated() -> Line {
    let mut line = default();
    assert_eq!(line.wait(900).rule(0), Rule::Rotated);
    line
}

/// X5
#[test]
fn r1_a_chain_of_fifty() {
    let mut line = default();
    for generation in 0..50 {
        let (rule, reply) = line.wait(900).present(generation);
        assert_eq!(rule, Rule::Rotated);
        assert_eq!(reply, Reply::Token { generation: generation + 1, access_from: line.now });
    }
    assert_eq!(line.log.len(), 50);
    assert_eq!(line.alarms(), 0);
}

/// X13
#[test]
fn r2_above_the_cap_replays_are_refused_and_nothing_is_revoked() {
    let mut line = rotated();
    let made = line.now;
    for _ in 0..50 {
        let again = Reply::Token { generation: 1, access_from: made };
        assert_eq!(line.present(0), (Rule::Replayed, again));
    }
    for _ in 0..949 {
        assert_eq!(line.present(0), (Rule::TooManyReplays, Reply::Refused(Refused::TooMany)));
    }
    assert_eq!(line.session.state, SessionState::Active);
    // The rotation, the replays, and one line for all that were too many.
    assert_eq!(line.log.len(), 1 + 50 + 1);
    assert_eq!(line.wait(120).rule(1), Rule::Rotated);
}

/// X7
#[test]
fn r5_a_lost_reply_is_repeated_within_the_grace() {
    let mut line = rotated();
    let made = line.now;
    let again = Reply::Token { generation: 1, access_from: made };
    assert_eq!(line.wait(1).present(0), (Rule::Replayed, again));
    assert_eq!(line.wait(29).present(0), (Rule::Replayed, again));
    assert_eq!(line.wait(1).rule(0), Rule::Recovered);
}

#[test]
fn r6_a_lost_reply_is_recovered_after_an_hour() {
    let mut line = rotated();
    let (rule, reply) = line.wait(HOUR).present(0);
    assert_eq!(rule, Rule::Recovered);
    assert_eq!(reply, Reply::Token { generation: 1, access_from: line.now });
    // And not after the time for it.
    let mut line = rotated();
    assert_eq!(line.wait(24 * HOUR).rule(0), Rule::Recovered);
    assert_eq!(line.wait(31).rule(0), Rule::Reused);
}

/// X9, and then X1: with the session over, every token of it is late.
#[test]
fn r7_a_used_child_makes_the_old_token_a_theft() {
    let mut line = rotated();
    line.use_access(1);
    let refused = Reply::Refused(Refused::Unauthorized);
    assert_eq!(line.wait(HOUR).present(0), (Rule::Reused, refused));
    assert_eq!((line.session.state, line.alarms()), (SessionState::Revoked, 1));
    assert_eq!(line.rule(1), Rule::Late);
    // A refresh token that was seen is a use too, though it was only given out again.
    let mut line = rotated();
    assert_eq!(line.wait(10).rule(1), Rule::Coalesced);
    assert_eq!(line.wait(HOUR).rule(0), Rule::Reused);
}

#[test]
fn r8_two_lost_replies_in_a_row() {
    let mut line = rotated();
    assert_eq!(line.wait(HOUR).rule(0), Rule::Recovered);
    assert_eq!(line.wait(HOUR).rule(0), Rule::Recovered);
    assert_eq!(line.wait(HOUR).rule(1), Rule::Rotated);
    assert_eq!(line.alarms(), 0);
}

/// Thief and victim both have token 0 and use, in turn, what they got last. The turn at which it ends.
fn alternate(policy: SessionPolicy) -> usize {
    let mut line = Line::new(policy);
    let mut has = [0_u32, 0];
    for turn in 0..20 {
        line.wait(HOUR);
        match line.present(has[turn % 2]).1 {
            Reply::Token { generation, .. } => {
                has[turn % 2] = generation;
                line.use_access(generation);
            }
            Reply::Refused(_) => {
                assert_eq!(line.session.state, SessionState::Revoked);
                assert_eq!(line.alarms(), 1);
                return turn + 1;
            }
        }
    }
    panic!("never found out");
}

#[test]
fn r9_thief_and_victim_in_turns_are_found_out() {
    assert_eq!(alternate(SessionPolicy::default()), 2);
    let crashes = SessionPolicy { recover_crashed: true, ..SessionPolicy::default() };
    assert_eq!(alternate(crashes), 4);
    assert_eq!(alternate(SessionPolicy::strict()), 2);
}

#[test]
fn r10_a_busy_thief_is_found_out_when_the_victim_comes() {
    let mut line = default();
    let (mut thief, victim) = (0, 0);
    for _ in 0..128 {
        if let Reply::Token { generation, .. } = line.wait(7).present(thief).1 {
            thief = generation;
        }
    }
    assert!(thief > 1);
    assert_eq!(line.wait(4).rule(victim), Rule::Stale);
    assert_eq!(line.rule(thief), Rule::Late);
}

#[test]
fn r11_a_waiting_thief_is_found_out_when_the_two_part() {
    let mut line = default();
    let mut victim = 0;
    let stolen = victim;
    for _ in 0..5 {
        if let Reply::Token { generation, .. } = line.wait(900).present(victim).1 {
            victim = generation;
            line.use_access(generation);
        }
    }
    assert_eq!(line.wait(900).rule(stolen), Rule::Stale);
    assert_eq!(line.session.state, SessionState::Revoked);
    // The thief has the child and does nothing with it until the victim has gone on.
    let mut line = rotated();
    let stolen = 1;
    line.use_access(1);
    assert_eq!(line.wait(900).rule(1), Rule::Rotated);
    line.use_access(2);
    assert_eq!(line.wait(900).rule(stolen), Rule::Reused);
}

/// X10
#[test]
fn r12_and_r13_older_tokens_are_theft() {
    for behind in [2, 3, 9] {
        let mut line = default();
        for generation in 0..9 {
            assert_eq!(line.wait(900).rule(generation), Rule::Rotated);
        }
        assert_eq!(line.rule(9 - behind), Rule::Stale, "also at once");
        assert_eq!(line.alarms(), 1);
    }
}

#[test]
fn r14_replays_do_not_move_the_window() {
    let policy = SessionPolicy { most_replays: 1_000, ..SessionPolicy::default() };
    let mut line = Line::new(policy);
    assert_eq!(line.wait(900).rule(0), Rule::Rotated);
    line.use_access(1);
    for _ in 0..100 {
        line.now = line.now.after(Duration::from_millis(300));
        assert_eq!(line.rule(0), Rule::Replayed);
    }
    line.now = line.now.after(Duration::from_millis(1));
    assert_eq!(line.rule(0), Rule::Reused);
}

#[test]
fn r15_replays_do_not_prolong_a_session() {
    let mut line = rotated();
    let ends = line.session.idle_end;
    line.wait(20);
    for _ in 0..10 {
        assert_eq!(line.rule(0), Rule::Replayed);
    }
    assert_eq!(line.session.idle_end, ends);
    // Nor does a rotation go past the end of all.
    let mut line = default();
    for generation in 0..80 {
        line.wait(27 * HOUR).rule(generation);
        assert!(line.session.idle_end <= line.session.absolute_end);
    }
    assert_eq!(line.wait(HOUR).rule(80), Rule::Expired);
}

/// X2
#[test]
fn r16_an_expired_session_is_refused_even_within_the_grace() {
    let policy = SessionPolicy {
        idle: Duration::from_secs(900),
        absolute: Duration::from_secs(1_800),
        ..SessionPolicy::default()
    };
    let mut line = Line::new(policy);
    assert_eq!(line.wait(899).rule(0), Rule::Rotated);
    assert_eq!(line.wait(890).rule(1), Rule::Rotated);
    let expired = Reply::Refused(Refused::Expired);
    assert_eq!(line.wait(11).present(1), (Rule::Expired, expired));
    assert_eq!((line.session.state, line.alarms()), (SessionState::Expired, 0));
    let logged = line.log.len();
    assert_eq!(line.present(0), (Rule::Expired, expired));
    assert_eq!(line.log.len(), logged, "it is logged once");
}

/// X1, X3, X12
#[test]
fn r17_and_r18_nothing_wins_against_an_end() {
    let mut line = rotated();
    let ended = end(&line.session, EndReason::SignedOut, line.now).unwrap();
    line.session = ended.session;
    assert!(end(&line.session, EndReason::SignedOut, line.now).is_none(), "X12 twice");
    for generation in [0, 1, 2] {
        assert_eq!(line.rule(generation), Rule::Late);
    }
    let mut line = rotated();
    line.standing.epoch += 1;
    assert_eq!(line.rule(1), Rule::Disowned);
    let mut line = rotated();
    line.standing.active = false;
    assert_eq!(line.rule(0), Rule::Disowned);
    assert_eq!(line.alarms(), 0);
}

/// X11
#[test]
fn r23_tokens_from_after_a_restored_backup() {
    let mut line = rotated();
    let backup = line.session.clone();
    assert_eq!(line.wait(900).rule(1), Rule::Rotated);
    line.session = backup;
    assert_eq!(line.wait(900).rule(2), Rule::Ahead);
    assert_eq!(line.alarms(), 1);
}

#[test]
fn r26_a_clock_that_is_set_back_rotates_nothing_twice() {
    let mut line = rotated();
    line.now = line.now.before(Duration::from_secs(5));
    assert_eq!(line.rule(1), Rule::Coalesced);
    assert_eq!(line.rule(0), Rule::Replayed);
    assert_eq!(line.session.generation, 1);
    assert_eq!(line.alarms(), 0);
}

/// X4
#[test]
fn r29_another_binding_ends_the_session() {
    let policy = SessionPolicy::default();
    for wrong in [None, Some([2; 32])] {
        let mut line = Line::bound(policy, Some([1; 32]));
        assert_eq!(line.wait(900).rule(0), Rule::Rotated);
        assert_eq!(line.present_with(1, wrong).0, Rule::WrongBinding);
        assert_eq!((line.session.state, line.alarms()), (SessionState::Revoked, 1));
    }
}

/// X5b
#[test]
fn r45_and_r46_a_burst_rotates_once() {
    let mut line = default();
    line.wait(900);
    let mut jar = 0;
    for _tab in 0..8 {
        if let Reply::Token { generation, .. } = line.wait(1).present(jar).1 {
            jar = generation;
        }
    }
    assert_eq!((line.session.generation, jar), (1, 1));
    assert_eq!(line.wait(2).rule(1), Rule::Coalesced);
    assert_eq!(line.session.presented, 1);
}

#[test]
fn r47_a_recovered_burst_raises_no_alarm() {
    let mut line = rotated();
    line.wait(HOUR);
    assert_eq!(line.rule(0), Rule::Recovered);
    // The first tab has the child and uses it; the other seven still come with the old one.
    line.use_access(1);
    for _ in 0..7 {
        assert_eq!(line.wait(2).rule(0), Rule::Replayed);
    }
    assert_eq!(line.wait(1).rule(1), Rule::Coalesced);
    assert_eq!(line.alarms(), 0);
}

/// X8b
#[test]
fn r48_a_crashed_browser_by_policy() {
    let crashed = |policy| {
        let mut line = Line::new(policy);
        assert_eq!(line.wait(900).rule(0), Rule::Rotated);
        line.use_access(1);
        line.wait(HOUR);
        line
    };
    assert_eq!(crashed(SessionPolicy::default()).rule(0), Rule::Reused);
    let policy = SessionPolicy { recover_crashed: true, ..SessionPolicy::default() };
    let mut line = crashed(policy);
    assert_eq!(line.rule(0), Rule::CrashRecovered);
    assert_eq!(line.wait(HOUR).rule(0), Rule::Reused, "once a day");
}

#[test]
fn r50_two_programs_with_one_stored_token() {
    let mut line = default();
    line.wait(900);
    let Reply::Token { generation: first, .. } = line.present(0).1 else { panic!() };
    let Reply::Token { generation: second, .. } = line.wait(25).present(0).1 else { panic!() };
    assert_eq!(first, second);
    assert_eq!(line.wait(900).rule(first), Rule::Rotated);
}

#[test]
fn strict_rotates_at_every_use_and_forgives_nothing() {
    let mut line = Line::new(SessionPolicy::strict());
    assert_eq!(line.rule(0), Rule::Rotated);
    assert_eq!(line.rule(1), Rule::Rotated);
    assert_eq!(line.rule(1), Rule::Reused);
}

#[test]
fn late_uses_are_logged_up_to_a_number() {
    let mut line = rotated();
    line.session = end(&line.session, EndReason::Operator, line.now).unwrap().session;
    line.log.clear();
    for _ in 0..100 {
        assert_eq!(line.rule(1), Rule::Late);
    }
    assert_eq!(line.log.len(), LATE as usize);
}

fn settings(policy: &SessionPolicy) -> Settings {
    let seconds = |d: Duration| i64::try_from(d.as_secs()).unwrap();
    Settings {
        grace: seconds(policy.grace),
        coalesce: seconds(policy.coalesce),
        recovery: seconds(policy.recovery),
        crashed: policy.recover_crashed,
        cap: policy.most_replays,
        idle: seconds(policy.idle),
        absolute: seconds(policy.absolute),
    }
}

fn id(rule: Rule) -> &'static str {
    match rule {
        Rule::Late => "X1",
        Rule::Expired => "X2",
        Rule::Disowned => "X3",
        Rule::WrongBinding => "X4",
        Rule::Rotated => "X5",
        Rule::Coalesced => "X5b",
        Rule::Replayed => "X7",
        Rule::Recovered => "X8",
        Rule::CrashRecovered => "X8b",
        Rule::Reused => "X9",
        Rule::Stale => "X10",
        Rule::Ahead => "X11",
        Rule::Ended => "X12",
        Rule::TooManyReplays => "X13",
    }
}

#[derive(Debug, Clone)]
enum Op {
    Present { behind: i8, right_binding: bool },
    Use { behind: u8 },
    Wait(u32),
    SignOut,
    SwitchOff,
    EndAll,
    Restore,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        20 => (prop_oneof![12 => Just(0_i8), 8 => Just(1), 1 => Just(2), 1 => -2..5_i8], 0..200_u8)
            .prop_map(|(behind, n)| Op::Present { behind, right_binding: n > 0 }),
        6 => (0..2_u8).prop_map(|behind| Op::Use { behind }),
        14 => prop_oneof![
            6 => 0..29_u32,
            4 => 29..65_u32,
            6 => 600..1_000_u32,
            2 => 80_000..90_000_u32,
            1 => 0..3_000_000_u32,
        ].prop_map(Op::Wait),
        1 => prop_oneof![
            Just(Op::SignOut), Just(Op::SwitchOff), Just(Op::EndAll), Just(Op::Restore)
        ],
    ]
}

fn policies() -> impl Strategy<Value = SessionPolicy> {
    let normal = SessionPolicy { most_replays: 3, ..SessionPolicy::default() };
    prop_oneof![
        Just(normal),
        Just(SessionPolicy { recover_crashed: true, ..normal }),
        Just(SessionPolicy::strict()),
        Just(SessionPolicy {
            idle: Duration::from_secs(2_000),
            absolute: Duration::from_secs(5_000),
            ..normal
        }),
    ]
}

/// R41, R43: the same rules, whatever happens; and every rule is met.
#[test]
fn r41_random_sequences_are_judged_like_the_reference() {
    let mut met = std::collections::BTreeSet::new();
    let config = ProptestConfig { cases: 3_000, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(
            proptest::test_runner::RngAlgorithm::ChaCha,
        ),
    );
    let met_cell = std::cell::RefCell::new(&mut met);
    runner
        .run(&(policies(), prop::collection::vec(op(), 1..60)), |(policy, ops)| {
            for rule in play(policy, ops) {
                met_cell.borrow_mut().insert(rule);
            }
            Ok(())
        })
        .unwrap();
    for rule in Rule::ALL {
        assert!(met.contains(id(rule)), "{rule:?} was never met");
    }
}

fn play(policy: SessionPolicy, ops: Vec<Op>) -> Vec<&'static str> {
    let s = settings(&policy);
    let mut line = Line::bound(policy, Some([1; 32]));
    let mut clock = 0_i64;
    let mut model = Model::new(clock, &s);
    let mut backup = (line.session.clone(), model.clone());
    let mut met = Vec::new();
    for op in ops {
        match op {
            Op::Present { behind, right_binding } => {
                let newest = i64::from(line.session.generation);
                let generation = u32::try_from((newest - i64::from(behind)).max(0)).unwrap();
                let binding = if right_binding { [1; 32] } else { [2; 32] };
                let logged = line.log.len();
                let before = line.session.clone();
                let rule = line.present_with(generation, Some(binding)).0;
                let expected = model.present(generation, right_binding, clock, &s);
                assert_eq!(id(rule), expected, "{before:?}\n{model:?}");
                // R38: what changed is logged, and nothing else.
                let changed = before != line.session && rule != Rule::Coalesced;
                assert_eq!(line.log.len() - logged, usize::from(changed));
                met.push(expected);
            }
            Op::Use { behind } => {
                let generation = line.session.generation.saturating_sub(behind.into());
                line.use_access(generation);
                model.use_access(generation);
            }
            Op::Wait(seconds) => {
                line.wait(seconds.into());
                clock += i64::from(seconds);
            }
            Op::SignOut => {
                if let Some(ended) = end(&line.session, EndReason::SignedOut, line.now) {
                    line.session = ended.session;
                    model.dead = true;
                    met.push("X12");
                }
            }
            Op::SwitchOff => {
                line.standing.active = !line.standing.active;
                model.user_is_off = !line.standing.active;
                backup = (line.session.clone(), model.clone());
            }
            Op::EndAll => {
                line.standing.epoch += 1;
                model.signed_out_everywhere = true;
            }
            Op::Restore => {
                // What the users are is not part of it.
                let (session, mut restored) = backup.clone();
                restored.user_is_off = model.user_is_off;
                restored.signed_out_everywhere = model.signed_out_everywhere;
                line.session = session;
                model = restored;
            }
        }
        assert_eq!(line.session.generation, model.newest);
    }
    met
}
