//! Any bytes as the life of a session, judged by the real rules and by the reference: for the fuzz target, and for the
//! test that plays random bytes.
//!
//! Each byte's low three bits say what happens, the others how much of it.

use std::time::Duration;

use notebook_core::{
    SessionId, TenantId, Timestamp, UserId,
    identity::{
        Role, Standing,
        session::{
            EndReason, NewSession, Presented, Rule, SessionPolicy, end, first, present, used,
        },
    },
};

use crate::reference::{Model, Settings};

const RIGHT: [u8; 32] = [1; 32];
const WRONG: [u8; 32] = [2; 32];

/// Panics if the rules and the reference differ on `input`.
pub fn check(input: &[u8]) {
    let Some((&head, ops)) = input.split_first() else { return };
    let policy = SessionPolicy {
        recover_crashed: head & 1 == 1,
        most_replays: u32::from(head >> 1) % 4 + 1,
        idle: Duration::from_secs(200_000),
        absolute: Duration::from_secs(500_000),
        ..SessionPolicy::default()
    };
    let settings = Settings {
        grace: 30,
        coalesce: 60,
        recovery: 86_400,
        crashed: policy.recover_crashed,
        cap: policy.most_replays,
        idle: 200_000,
        absolute: 500_000,
    };
    let mut now = 0_i64;
    let moment = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
    let new = NewSession {
        id: SessionId::from_u128(1),
        user: UserId::from_u128(1),
        tenant: TenantId::from_u128(1),
        epoch: 0,
        binding: Some(RIGHT),
        key: 0,
        client: String::new(),
        address: String::new(),
    };
    let mut session = first(new, moment(now), &policy);
    let mut standing = Standing { active: true, epoch: 0, role: Role::Viewer };
    let mut model = Model::new(now, &settings);
    for &op in ops.iter().take(2_000) {
        let much = i64::from(op >> 3);
        match op & 7 {
            0 | 1 | 6 => {
                let newest = i64::from(session.generation);
                let behind = if op & 7 == 6 { much % 5 - 2 } else { i64::from(op & 7) };
                let generation = u32::try_from((newest - behind).max(0)).unwrap_or(0);
                let right = op & 7 != 6 || much < 24;
                let binding = Some(if right { RIGHT } else { WRONG });
                let presented = Presented { generation, key: 0, binding };
                let stepped = present(&session, &standing, &presented, moment(now), &policy);
                let expected = model.present(generation, right, now, &settings);
                assert_eq!(name(stepped.rule), expected, "{session:?} {presented:?}");
                session = stepped.session;
            }
            2 => {
                let generation = session.generation.saturating_sub(u32::from(much > 20));
                model.use_access(generation);
                if let Some(next) = used(&session, generation) {
                    session = next;
                }
            }
            3 => now += much,
            4 => now += much * 60,
            5 => now += much * 6_000,
            _ if much < 20 => now += 60,
            _ if much < 24 => {
                standing.active = !standing.active;
                model.user_is_off = !standing.active;
            }
            _ if much < 28 => {
                standing.epoch = 1;
                model.signed_out_everywhere = true;
            }
            _ => {
                if let Some(ended) = end(&session, EndReason::SignedOut, moment(now)) {
                    session = ended.session;
                    model.dead = true;
                }
            }
        }
        assert_eq!(session.generation, model.newest);
    }
}

fn name(rule: Rule) -> &'static str {
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
