//! The chain of hashes.

use super::{Actor, AuditKeys, AuditLog, Entry, Head, NewEntry, Severity, keys::keyless};
use crate::{Result, TenantId, TenantScope, Timestamp};

/// How many entries are read at once.
const PAGE: usize = 500;

/// An entry that follows a head: its hash covers the tenant, its place, its time, all its fields and the hash before
/// it. Each part stands after its length, so that no two entries have one text. With keys it is made with the current
/// one.
#[must_use]
pub fn chained(
    tenant: TenantId,
    head: Head,
    at: Timestamp,
    what: NewEntry,
    keys: Option<&AuditKeys>,
) -> Entry {
    let seq = head.seq.saturating_add(1);
    let text = text(tenant, &head.hash, seq, at, &what);
    let hash = keys.map_or_else(|| keyless(&text), |keys| keys.hash(&text));
    Entry { seq, at, what, hash }
}

/// What a hash is made of.
fn text(tenant: TenantId, before: &[u8; 32], seq: u64, at: Timestamp, what: &NewEntry) -> Vec<u8> {
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
    let mut text = Vec::with_capacity(256);
    for part in parts {
        text.extend(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        text.extend(part);
    }
    text
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
    /// It is not what was logged, not after what stands before it, or not made with a key that is known.
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
    /// How many entries at its beginning are made without a key: all of them where no keys were given. Whoever may write
    /// the tables can have made those.
    pub keyless: u64,
    /// The first place where it does not hold.
    pub broken: Option<Break>,
}

/// Follows a chain entry by entry.
#[derive(Debug, Clone)]
pub struct Follower<'k> {
    tenant: TenantId,
    keys: Option<&'k AuditKeys>,
    head: Head,
    keyless: u64,
}

impl<'k> Follower<'k> {
    /// At the beginning of a tenant's chain.
    #[must_use]
    pub fn new(tenant: TenantId, keys: Option<&'k AuditKeys>) -> Self {
        Self { tenant, keys, head: Head::default(), keyless: 0 }
    }

    /// Goes on over an entry. One without a key is taken only where no key was used before: a chain gets a key, and does
    /// not lose it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn follow(&mut self, entry: &Entry) -> Result<(), Break> {
        let seq = self.head.seq.saturating_add(1);
        if entry.seq != seq {
            return Err(Break { seq, fault: Fault::Missing });
        }
        let text = text(self.tenant, &self.head.hash, seq, entry.at, &entry.what);
        if !self.keys.is_some_and(|keys| keys.made(&text, &entry.hash)) {
            if self.keyless != self.head.seq || keyless(&text) != entry.hash {
                return Err(Break { seq, fault: Fault::Altered });
            }
            self.keyless = seq;
        }
        self.head = Head { seq, hash: entry.hash };
        Ok(())
    }

    /// How far it was followed.
    #[must_use]
    pub const fn head(&self) -> Head {
        self.head
    }

    fn found(&self, broken: Option<Break>) -> Verified {
        Verified { head: self.head, keyless: self.keyless, broken }
    }

    fn broken(&self, seq: u64, fault: Fault) -> Verified {
        self.found(Some(Break { seq, fault }))
    }
}

/// Reads a tenant's whole chain and names the first entry that is not what was logged. `kept` is a head that was kept
/// elsewhere: the chain must have gone through it. `keys` are those that its entries may be made with. What is added
/// meanwhile is left out.
///
/// # Errors
/// Only those of the storage itself; a break is a result.
pub async fn verify(
    log: &dyn AuditLog,
    scope: &TenantScope,
    kept: Option<Head>,
    keys: Option<&AuditKeys>,
) -> Result<Verified> {
    let end = log.head(scope).await?;
    let mut chain = Follower::new(scope.tenant(), keys);
    while chain.head.seq < end.seq {
        let page = log.entries(scope, chain.head.seq, PAGE).await?;
        if page.is_empty() {
            return Ok(chain.broken(chain.head.seq.saturating_add(1), Fault::Missing));
        }
        for entry in page {
            if let Err(broken) = chain.follow(&entry) {
                return Ok(chain.found(Some(broken)));
            }
            let head = chain.head;
            if kept.is_some_and(|kept| kept.seq == head.seq && kept.hash != head.hash) {
                return Ok(chain.broken(head.seq, Fault::Kept));
            }
            if head.seq == end.seq {
                break;
            }
        }
    }
    if chain.head != end {
        return Ok(chain.broken(chain.head.seq, Fault::Head));
    }
    // Entries that the head does not know of: it was set back, unless somebody has just added them.
    let next = end.seq.saturating_add(1);
    if !log.entries(scope, end.seq, 1).await?.is_empty() && log.head(scope).await? == end {
        return Ok(chain.broken(next, Fault::Head));
    }
    match kept {
        Some(kept) if kept.seq > end.seq => Ok(chain.broken(next, Fault::Missing)),
        _ => Ok(chain.found(None)),
    }
}

#[cfg(test)]
mod tests;
