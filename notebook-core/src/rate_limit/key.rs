use std::{fmt, net::IpAddr};

use sha2::{Digest as _, Sha256};

use crate::{ApiKeyId, TenantId, UserId};

/// Whose requests are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// Those from a [`network`].
    Address(IpAddr),
    /// A user's, in whichever session.
    User(UserId),
    /// Those by an API key.
    ApiKey(ApiKeyId),
    /// All of a workspace.
    Tenant(TenantId),
}

/// What is counted: a class of requests, and whose they are.
///
/// A hash, so that all keys are of one size and nobody's address lies in a table. Whoever knows a subject can find
/// its key; that is meant for tidiness, not for secrecy.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key([u8; 16]);

impl Key {
    /// The requests of a class, such as `ask`, of a subject. Addresses count by [`network`].
    #[must_use]
    pub fn new(class: &str, subject: &Subject) -> Self {
        let (tag, bytes) = match *subject {
            Subject::Address(address) => (0_u8, number(network(address)).to_be_bytes()),
            Subject::User(id) => (1, *id.as_bytes()),
            Subject::ApiKey(id) => (2, *id.as_bytes()),
            Subject::Tenant(id) => (3, *id.as_bytes()),
        };
        // What follows the class has always the same length, so no two keys are of the same bytes.
        let hash = Sha256::new().chain_update(class).chain_update([tag]).chain_update(bytes);
        let hash: [u8; 32] = hash.finalize().into();
        let mut short = [0; 16];
        short.copy_from_slice(hash.split_at(16).0);
        Self(short)
    }

    /// The hash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", crate::hex(self.0))
    }
}

/// The addresses that count as one: an address of version 4, or the /64 of one of version 6, since who has one address of it
/// has the other 2^64 too. Addresses of version 4 in version 6's clothes count as what they are.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) >> 64 << 64).into()),
        v4 => v4,
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str) -> Key {
        Key::new("read", &Subject::Address(address.parse().unwrap()))
    }

    #[test]
    fn an_address_counts_by_its_network() {
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:0:0:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_ne!(of("::192.0.2.1"), of("192.0.2.1"));
    }

    #[test]
    fn classes_and_kinds_of_subjects_are_apart() {
        let id = 0x0190_0000_0000_7000_8000_0000_0000_0001;
        let subjects = [
            Subject::User(UserId::from_u128(id)),
            Subject::ApiKey(ApiKeyId::from_u128(id)),
            Subject::Tenant(TenantId::from_u128(id)),
            Subject::Address(IpAddr::V6(id.into())),
        ];
        let mut keys: Vec<_> = subjects
            .iter()
            .flat_map(|subject| ["ask", "read"].map(|class| Key::new(class, subject)))
            .collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 8);
    }
}
