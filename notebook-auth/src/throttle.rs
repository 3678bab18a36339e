//! How often somebody may try a password: by address, and by account and address together, so that nobody locks
//! another out. An account that is tried from many addresses lets new addresses try less, and never none.

use std::{collections::HashMap, hash::Hash, net::IpAddr, time::Duration};

use notebook_core::Timestamp;
use sha2::{Digest as _, Sha256};

/// The limits.
#[derive(Debug, Clone, Copy)]
pub struct ThrottlePolicy {
    /// The time that tries are counted in. Default 15 minutes.
    pub window: Duration,
    /// Failed tries of one account from one address. Default 10.
    pub pair: u32,
    /// The same while the account is under attack, where the address has never signed in to it. Default 3.
    pub pair_under_attack: u32,
    /// Failed tries of one account from all such addresses, from which on it counts as under attack. Default 50.
    pub account: u32,
    /// Failed tries from one address of accounts that it has never signed in to. Default 100.
    pub address: u32,
    /// How long an address stays known to an account after a sign-in. Default 30 days.
    pub known: Duration,
    /// How many accounts and addresses are remembered. Default 100,000 of each.
    pub most: usize,
}

impl Default for ThrottlePolicy {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(15 * 60),
            pair: 10,
            pair_under_attack: 3,
            account: 50,
            address: 100,
            known: Duration::from_secs(30 * 24 * 60 * 60),
            most: 100_000,
        }
    }
}

/// An account, as a hash: what people type is not kept.
type Account = [u8; 16];

/// The tries of late. A plain state: the time is given.
#[derive(Debug)]
pub struct Throttle {
    policy: ThrottlePolicy,
    pairs: Counts<(Account, IpAddr)>,
    accounts: Counts<Account>,
    addresses: Counts<IpAddr>,
    known: Bounded<(Account, IpAddr)>,
}

impl Throttle {
    /// Without tries.
    #[must_use]
    pub fn new(policy: ThrottlePolicy) -> Self {
        let counts = || Bounded { entries: HashMap::new(), most: policy.most.max(1) };
        Self {
            policy,
            pairs: Counts(counts_of(policy)),
            accounts: Counts(counts_of(policy)),
            addresses: Counts(counts_of(policy)),
            known: counts(),
        }
    }

    /// Counts a try before it is known how it ends.
    ///
    /// # Errors
    /// How long to wait, when there were too many.
    pub fn admit(
        &mut self,
        account: &str,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<(), Duration> {
        let (account, address) = (digest(account), network(address));
        let (policy, pair) = (self.policy, (account, address));
        let known = self.known.get(&pair).is_some_and(|entry| now.since(entry.at) < policy.known);
        let attacked =
            !known && self.accounts.count(&account, now, policy.window) >= policy.account;
        let most = if attacked { policy.pair_under_attack } else { policy.pair };
        self.pairs.check(&pair, most, now, policy.window)?;
        // Others behind the same address must not lock out who is known there.
        if !known {
            self.addresses.check(&address, policy.address, now, policy.window)?;
        }
        self.pairs.add(pair, now, policy.window);
        self.addresses.add(address, now, policy.window);
        if !known {
            self.accounts.add(account, now, policy.window);
        }
        Ok(())
    }

    /// The same for what is tried under a name that is nobody's account: only the tries from this address count.
    ///
    /// # Errors
    /// How long to wait, when there were too many.
    pub fn admit_alone(
        &mut self,
        what: &str,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<(), Duration> {
        let pair = (digest(what), network(address));
        self.pairs.check(&pair, self.policy.pair, now, self.policy.window)?;
        self.pairs.add(pair, now, self.policy.window);
        Ok(())
    }

    /// Takes tries back that [`admit_alone`](Self::admit_alone) has counted.
    pub fn forgive_alone(&mut self, what: &str, address: IpAddr) {
        self.pairs.0.entries.remove(&(digest(what), network(address)));
    }

    /// Takes a try back that was right, and knows the address from now on.
    pub fn succeeded(&mut self, account: &str, address: IpAddr, now: Timestamp) {
        let (account, address) = (digest(account), network(address));
        let pair = (account, address);
        self.pairs.0.entries.remove(&pair);
        self.addresses.take_back(&address);
        self.accounts.take_back(&account);
        self.known.put(pair, Entry { at: now, count: 0 });
    }

    /// How many entries are remembered in all.
    #[must_use]
    pub fn remembered(&self) -> usize {
        [self.pairs.0.entries.len(), self.accounts.0.entries.len()].iter().sum::<usize>()
            + self.addresses.0.entries.len()
            + self.known.entries.len()
    }
}

fn counts_of<K>(policy: ThrottlePolicy) -> Bounded<K> {
    Bounded { entries: HashMap::new(), most: policy.most.max(1) }
}

fn digest(account: &str) -> Account {
    let hash: [u8; 32] = Sha256::digest(account).into();
    let mut short = [0; 16];
    short.copy_from_slice(hash.split_at(16).0);
    short
}

/// Who has one address of version 6 has the other 2^64 beside it too.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) >> 64 << 64).into()),
        v4 => v4,
    }
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    at: Timestamp,
    count: u32,
}

/// A map that forgets what is oldest when it is full.
#[derive(Debug)]
struct Bounded<K> {
    entries: HashMap<K, Entry>,
    most: usize,
}

impl<K: Eq + Hash + Copy> Bounded<K> {
    fn get(&self, key: &K) -> Option<&Entry> {
        self.entries.get(key)
    }

    fn put(&mut self, key: K, entry: Entry) {
        if self.entries.len() >= self.most && !self.entries.contains_key(&key) {
            // An eighth at once, so that this is seldom.
            let mut ages: Vec<_> = self.entries.values().map(|entry| entry.at).collect();
            let at = (self.most / 8).min(ages.len().saturating_sub(1));
            let oldest = *ages.select_nth_unstable(at).1;
            let (mut left, older) = (at + 1, |entry: &Entry| entry.at <= oldest);
            self.entries.retain(|_, entry| {
                let goes = left > 0 && older(entry);
                left -= usize::from(goes);
                !goes
            });
        }
        self.entries.insert(key, entry);
    }
}

/// Tries since the first in a window.
#[derive(Debug)]
struct Counts<K>(Bounded<K>);

impl<K: Eq + Hash + Copy> Counts<K> {
    fn count(&self, key: &K, now: Timestamp, window: Duration) -> u32 {
        let current = self.0.get(key).filter(|entry| now.since(entry.at) < window);
        current.map_or(0, |entry| entry.count)
    }

    fn check(&self, key: &K, most: u32, now: Timestamp, window: Duration) -> Result<(), Duration> {
        if self.count(key, now, window) < most {
            return Ok(());
        }
        let since = self.0.get(key).map_or(Duration::ZERO, |entry| now.since(entry.at));
        Err(window.saturating_sub(since))
    }

    fn add(&mut self, key: K, now: Timestamp, window: Duration) {
        let count = self.count(&key, now, window);
        let at = if count == 0 { now } else { self.0.get(&key).map_or(now, |entry| entry.at) };
        self.0.put(key, Entry { at, count: count.saturating_add(1) });
    }

    fn take_back(&mut self, key: &K) {
        if let Some(entry) = self.0.entries.get_mut(key) {
            entry.count = entry.count.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests;
