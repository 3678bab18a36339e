//! The chain of hashes.

use sha2::{Digest as _, Sha256};

use super::{Actor, AuditLog, Entry, Head, NewEntry, Severity};
use crate::{Result, TenantId, TenantScope, Timestamp};

/// How many entries are read at once.
const PAGE: usize = 500;

/// An entry that follows a head: its hash covers the tenant, its place, its time, all its fields and the hash before
/// it. Each part stands after its length, so that no two entries have one text.
#[must_use]
pub fn chained(tenant: TenantId, head: Head, at: Timestamp, what: NewEntry) -> Entry {
    let seq = head.seq.saturating_add(1);
    let hash = hash(tenant, &head.hash, seq, at, &what);
    Entry { seq, at, what, hash }
}

fn hash(tenant: TenantId, before: &[u8; 32], seq: u64, at: Timestamp, what: &NewEntry) -> [u8; 32] {
    let (kind, id): (&[u8], [u8; 16]) = match &what.actor {
        Actor::Unknown => (b"unknown", [0; 16]),
        Actor::System => (b"system", [0; 16]),
        Actor::User(id) => (b"user", *id.as_bytes()),
        Actor::Key(id) => (b"key", *id.as_bytes()),
    };
    let severity: &[u8] = match what.severity {
        Severity::Info => b"info",
        Severity::Warning => b"warning",
        Severity::Alarm => b"alarm",
    };
    let target = what.target.as_deref();
    let parts: [&[u8]; 12] = [
        b"notebook audit 1",
        tenant.as_bytes(),
        before,
        &seq.to_be_bytes(),
        &at.as_millis().to_be_bytes(),
        kind,
        &id,
        what.action.as_bytes(),
        if target.is_some() { b"target" } else { b"" },
        target.unwrap_or_default().as_bytes(),
        severity,
        what.detail.as_bytes(),
    ];
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// What is wrong at the first place where something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Break {
    /// The place, from 1.
    pub seq: u64,
    /// What is wrong.
    pub fault: Fault,
}

/// What can be wrong with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// There is none in this place.
    Missing,
    /// It is not what was logged, or not after what stands before it.
    Altered,
    /// The head says another hash or an earlier end.
    Head,
    /// The hash that was kept elsewhere is another one.
    Kept,
}

/// What [`verify`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// How far the chain holds; all of it without a break.
    pub head: Head,
    /// The first place where it does not.
    pub broken: Option<Break>,
}

/// Follows a chain over further entries, in order.
///
/// # Errors
/// The first break.
pub fn check(tenant: TenantId, mut head: Head, entries: &[Entry]) -> Result<Head, Break> {
    for entry in entries {
        let seq = head.seq.saturating_add(1);
        if entry.seq != seq {
            return Err(Break { seq, fault: Fault::Missing });
        }
        if hash(tenant, &head.hash, seq, entry.at, &entry.what) != entry.hash {
            return Err(Break { seq, fault: Fault::Altered });
        }
        head = Head { seq, hash: entry.hash };
    }
    Ok(head)
}

/// Reads a tenant's whole chain and names the first entry that is not what was logged. `kept` is a head that was kept
/// elsewhere: the chain must have gone through it. What is added meanwhile is left out.
///
/// # Errors
/// Only those of the storage itself; a break is a result.
pub async fn verify(
    log: &dyn AuditLog,
    scope: &TenantScope,
    kept: Option<Head>,
) -> Result<Verified> {
    let tenant = scope.tenant();
    let end = log.head(scope).await?;
    let mut head = Head::default();
    let broken = |head, seq, fault| Ok(Verified { head, broken: Some(Break { seq, fault }) });
    while head.seq < end.seq {
        let page = log.entries(scope, head.seq, PAGE).await?;
        if page.is_empty() {
            return broken(head, head.seq.saturating_add(1), Fault::Missing);
        }
        for entry in page {
            head = match check(tenant, head, std::slice::from_ref(&entry)) {
                Ok(next) => next,
                Err(Break { seq, fault }) => return broken(head, seq, fault),
            };
            if kept.is_some_and(|kept| kept.seq == head.seq && kept.hash != head.hash) {
                return broken(head, head.seq, Fault::Kept);
            }
            if head.seq == end.seq {
                break;
            }
        }
    }
    if head != end {
        return broken(head, head.seq, Fault::Head);
    }
    // Entries that the head does not know of: it was set back, unless somebody has just added them.
    if !log.entries(scope, end.seq, 1).await?.is_empty() && log.head(scope).await? == end {
        return broken(head, end.seq.saturating_add(1), Fault::Head);
    }
    match kept {
        Some(kept) if kept.seq > head.seq => {
            broken(head, head.seq.saturating_add(1), Fault::Missing)
        }
        _ => Ok(Verified { head, broken: None }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UserId;

    fn tenant() -> TenantId {
        TenantId::from_u128(7)
    }

    fn chain(length: u64) -> Vec<Entry> {
        let mut head = Head::default();
        let mut entries = Vec::new();
        for i in 0..length {
            let what = NewEntry::new(Actor::User(UserId::from_u128(1)), "role.changed").about(i);
            let at = Timestamp::from_millis(i64::try_from(i).unwrap());
            let entry = chained(tenant(), head, at, what);
            head = Head { seq: entry.seq, hash: entry.hash };
            entries.push(entry);
        }
        entries
    }

    fn broken(entries: &[Entry]) -> Break {
        check(tenant(), Head::default(), entries).unwrap_err()
    }

    #[test]
    fn an_untouched_chain_holds() {
        let entries = chain(20);
        let head = check(tenant(), Head::default(), &entries).unwrap();
        assert_eq!(head, Head { seq: 20, hash: entries[19].hash });
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
        let foreign = check(TenantId::from_u128(8), Head::default(), &chain(3)).unwrap_err();
        assert_eq!(foreign, Break { seq: 1, fault: Fault::Altered });
    }

    #[test]
    fn parts_cannot_be_shifted_into_each_other() {
        let entry = |action: &str, target: &str| {
            let what = NewEntry::new(Actor::System, action).about(target);
            chained(tenant(), Head::default(), Timestamp::from_millis(0), what).hash
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
}
