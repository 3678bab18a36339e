use super::*;
use crate::{Secret, UserId};

fn tenant() -> TenantId {
    TenantId::from_u128(7)
}

fn keys(letter: char, older: &[char]) -> AuditKeys {
    let secret = |letter: char| Secret::new(letter.to_string().repeat(32));
    let older: Vec<_> = older.iter().map(|letter| secret(*letter)).collect();
    AuditKeys::new(&secret(letter), &older).unwrap()
}

fn chain(length: u64) -> Vec<Entry> {
    chain_under(&[(length, None)])
}

/// So many entries under each of these keys, one after the other.
fn chain_under(parts: &[(u64, Option<&AuditKeys>)]) -> Vec<Entry> {
    let mut head = Head::default();
    let mut entries = Vec::new();
    let under = parts.iter().flat_map(|(count, keys)| (0..*count).map(move |_| *keys));
    for (i, keys) in under.enumerate() {
        let what = NewEntry::new(Actor::User(UserId::from_u128(1)), "role.changed").about(i);
        let at = Timestamp::from_millis(i64::try_from(i).unwrap());
        let entry = chained(tenant(), head, at, what, keys);
        head = Head { seq: entry.seq, hash: entry.hash };
        entries.push(entry);
    }
    entries
}

fn check(tenant: TenantId, entries: &[Entry], keys: Option<&AuditKeys>) -> Result<Verified, Break> {
    let mut chain = Follower::new(tenant, keys);
    for entry in entries {
        chain.follow(entry)?;
    }
    Ok(chain.found(None))
}

fn broken(entries: &[Entry]) -> Break {
    check(tenant(), entries, None).unwrap_err()
}

/// What somebody does who may write the tables: entries from a place on are made anew, with what they have.
fn forged(entries: &[Entry], from: usize, keys: Option<&AuditKeys>) -> Vec<Entry> {
    let mut forged = entries[..from].to_vec();
    for entry in &entries[from..] {
        let last = forged.last();
        let head = last.map_or_else(Head::default, |e| Head { seq: e.seq, hash: e.hash });
        let what = NewEntry { target: Some("forged".into()), ..entry.what.clone() };
        forged.push(chained(tenant(), head, entry.at, what, keys));
    }
    forged
}

#[test]
fn a_chain_under_a_key_cannot_be_made_anew_without_it() {
    let (own, other) = (keys('a', &[]), keys('b', &[]));
    let entries = chain_under(&[(9, Some(&own))]);
    let found = check(tenant(), &entries, Some(&own)).unwrap();
    assert_eq!((found.head.seq, found.keyless), (9, 0));
    for forger in [None, Some(&other)] {
        let forged = forged(&entries, 4, forger);
        let broken = check(tenant(), &forged, Some(&own)).unwrap_err();
        assert_eq!(broken, Break { seq: 5, fault: Fault::Altered });
    }
    // Without the key it is not known to hold.
    assert_eq!(broken(&entries), Break { seq: 1, fault: Fault::Altered });
    // Without any key a chain can be made anew: that is what keys and kept heads are for.
    check(tenant(), &forged(&chain(9), 4, None), None).unwrap();
}

#[test]
fn a_chain_gets_a_key_and_another_and_does_not_lose_it() {
    let (first, both) = (keys('a', &[]), keys('b', &['a']));
    let entries = chain_under(&[(3, None), (3, Some(&first)), (3, Some(&both))]);
    let found = check(tenant(), &entries, Some(&both)).unwrap();
    assert_eq!((found.head.seq, found.keyless), (9, 3));
    let older = check(tenant(), &entries, Some(&first)).unwrap_err();
    assert_eq!(older, Break { seq: 7, fault: Fault::Altered });
    let lost = chain_under(&[(3, Some(&first)), (1, None)]);
    let lost = check(tenant(), &lost, Some(&first)).unwrap_err();
    assert_eq!(lost, Break { seq: 4, fault: Fault::Altered });
    // All of it made anew without a key holds, and says so: that many were expected to have one.
    let forged = forged(&entries, 0, None);
    assert_eq!(check(tenant(), &forged, Some(&both)).unwrap().keyless, 9);
    assert!(AuditKeys::new(&Secret::new("x".repeat(31)), &[]).is_err());
    assert!(!format!("{both:?}").contains("bb"));
}

#[test]
fn an_untouched_chain_holds() {
    let entries = chain(20);
    let found = check(tenant(), &entries, None).unwrap();
    let head = Head { seq: 20, hash: entries[19].hash };
    assert_eq!(found, Verified { head, keyless: 20, broken: None });
}

#[test]
fn every_change_of_an_entry_is_found_where_it_is() {
    type Change = fn(&mut Entry);
    let changes: [Change; 8] = [
        |e| e.at = Timestamp::from_millis(99),
        |e| e.what.action.push('x'),
        |e| e.what.target = None,
        |e| e.what.target = Some(String::new()),
        |e| e.what.severity = Severity::Alarm,
        |e| e.what.detail = r#"{"a":1}"#.into(),
        |e| e.what.actor = Actor::User(UserId::from_u128(2)),
        |e| e.what.actor = Actor::System,
    ];
    for change in changes {
        let mut entries = chain(9);
        change(&mut entries[4]);
        assert_eq!(broken(&entries), Break { seq: 5, fault: Fault::Altered });
    }
}

#[test]
fn entries_taken_out_put_in_or_moved_are_found() {
    let mut entries = chain(9);
    entries.remove(3);
    assert_eq!(broken(&entries), Break { seq: 4, fault: Fault::Missing });
    // Numbered anew, it still does not follow.
    for (i, entry) in entries.iter_mut().enumerate() {
        entry.seq = i as u64 + 1;
    }
    assert_eq!(broken(&entries), Break { seq: 4, fault: Fault::Altered });
    let mut entries = chain(9);
    let (a, b) = (entries[5].what.clone(), entries[6].what.clone());
    (entries[5].what, entries[6].what) = (b, a);
    assert_eq!(broken(&entries), Break { seq: 6, fault: Fault::Altered });
    // A chain of another tenant is not this one's.
    let foreign = check(TenantId::from_u128(8), &chain(3), None).unwrap_err();
    assert_eq!(foreign, Break { seq: 1, fault: Fault::Altered });
}

#[test]
fn parts_cannot_be_shifted_into_each_other() {
    let entry = |action: &str, target: &str| {
        let what = NewEntry::new(Actor::System, action).about(target);
        chained(tenant(), Head::default(), Timestamp::from_millis(0), what, None).hash
    };
    assert_ne!(entry("a", "bc"), entry("ab", "c"));
}

#[test]
fn fields_out_of_bounds_are_named() {
    let entry = NewEntry::new(Actor::System, "x");
    entry.clone().checked().unwrap();
    for (field, bad) in [
        ("action", NewEntry { action: String::new(), ..entry.clone() }),
        ("action", NewEntry { action: "Drop table".into(), ..entry.clone() }),
        ("target", NewEntry { target: Some("x".repeat(257)), ..entry.clone() }),
        ("detail", NewEntry { detail: "text".into(), ..entry.clone() }),
        ("detail", NewEntry { detail: format!("{{{}}}", " ".repeat(4096)), ..entry }),
    ] {
        assert_eq!(bad.checked().unwrap_err().context("field"), Some(field));
    }
}
