//! Refresh tokens as texts. What a token means is decided by
//! [`notebook_core::identity::session::present`]; here it is only made, and found genuine or not.
//!
//! `nbr_` and, in base64url: version, number of the master key, session, generation, MAC, checksum. The MAC is under a
//! key of the session's own, made of the master key; it is the same for each generation each time, so that a token can be
//! given out again without being stored. Whether a token is genuine is seen without the store.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use notebook_core::{Error, Result, Secret, SessionId};
use sha2::Sha256;

const MARK: &str = "nbr_";
const VERSION: u8 = 1;
/// The longest token that is looked at, in bytes.
const MAX_BYTES: usize = 128;
const MAC_BYTES: usize = 32;
const SUM_BYTES: usize = 4;
const SET_UP: &str = "set up refresh tokens";

/// What a genuine token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshToken {
    /// Its session.
    pub session: SessionId,
    /// Its generation.
    pub generation: u32,
    /// The number of the master key.
    pub key: u32,
}

/// The master keys, by numbers: one for new sessions, older ones for as long as their sessions live, and the next one,
/// which all servers must know before the first of them begins sessions with it.
pub struct RefreshKeys {
    current: u32,
    keys: BTreeMap<u32, Hmac<Sha256>>,
}

impl RefreshKeys {
    /// Keys of which the one with the number `current` is for new sessions.
    ///
    /// # Errors
    /// `InvalidInput` when `current` is not among them, two share a number, or one has less than 32 bytes.
    pub fn new(current: u32, keys: impl IntoIterator<Item = (u32, Secret)>) -> Result<Self> {
        let mut by_number = BTreeMap::new();
        for (number, secret) in keys {
            let bytes = secret.expose().as_bytes();
            if bytes.len() < 32 {
                return Err(Error::invalid(SET_UP, "secret", "give at least 32 bytes"));
            }
            let mac = Hmac::new_from_slice(bytes)
                .map_err(|_| Error::invalid(SET_UP, "secret", "give another one"))?;
            if by_number.insert(number, mac).is_some() {
                return Err(Error::invalid(SET_UP, "number", "give each key a number of its own"));
            }
        }
        if !by_number.contains_key(&current) {
            let fix = "give the number of one of the keys";
            return Err(Error::invalid(SET_UP, "current", fix));
        }
        Ok(Self { current, keys: by_number })
    }

    /// The number of the key for new sessions.
    #[must_use]
    pub const fn current(&self) -> u32 {
        self.current
    }

    /// The token of a session's generation: the same each time.
    ///
    /// # Errors
    /// `InvalidInput` when there is no key of the session's number any more.
    pub fn make(&self, token: RefreshToken) -> Result<Secret> {
        let mut bytes = body(token);
        let mac = self.mac(token.key, token.session, &bytes);
        let mac = mac.ok_or_else(|| {
            let fix = "keep each key as long as its sessions live";
            Error::invalid("make refresh token", "keys", fix)
        })?;
        bytes.extend(mac.finalize().into_bytes());
        bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
        Ok(Secret::new(format!("{MARK}{}", URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// What a token says, if it is genuine.
    ///
    /// - Each token has one form: padding, other alphabets, loose bits and long numbers are none.
    #[must_use]
    pub fn read(&self, text: &str) -> Option<RefreshToken> {
        let encoded = text.strip_prefix(MARK).filter(|_| text.len() <= MAX_BYTES)?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?;
        let (signed, sum) = bytes.split_at_checked(bytes.len().checked_sub(SUM_BYTES)?)?;
        if crc32fast::hash(signed).to_be_bytes() != sum {
            return None;
        }
        let (body, mac) = signed.split_at_checked(signed.len().checked_sub(MAC_BYTES)?)?;
        let token = parse(body)?;
        // In constant time.
        self.mac(token.key, token.session, body)?.verify_slice(mac).ok()?;
        Some(token)
    }

    /// The MAC of a token's first part under the session's own key.
    fn mac(&self, key: u32, session: SessionId, body: &[u8]) -> Option<Hmac<Sha256>> {
        let master = self.keys.get(&key)?.clone();
        let own = master.chain_update(b"notebook refresh 1").chain_update(session.as_bytes());
        let mac: Hmac<Sha256> = Hmac::new_from_slice(&own.finalize().into_bytes()).ok()?;
        Some(mac.chain_update(body))
    }
}

impl std::fmt::Debug for RefreshKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RefreshKeys").field("current", &self.current).finish_non_exhaustive()
    }
}

fn body(token: RefreshToken) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    write_number(&mut bytes, token.key);
    bytes.extend(token.session.as_bytes());
    write_number(&mut bytes, token.generation);
    bytes
}

fn parse(body: &[u8]) -> Option<RefreshToken> {
    let (&version, rest) = body.split_first()?;
    if version != VERSION {
        return None;
    }
    let (key, rest) = read_number(rest)?;
    let (session, rest) = rest.split_at_checked(16)?;
    let session = SessionId::from_u128(u128::from_be_bytes(session.try_into().ok()?));
    let (generation, rest) = read_number(rest)?;
    rest.is_empty().then_some(RefreshToken { session, generation, key })
}

/// Seven bits a byte, the low ones first.
fn write_number(bytes: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

fn read_number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut number = 0_u64;
    for (i, byte) in bytes.iter().enumerate().take(5) {
        number |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            // A zero at the end would be another way to write the same number.
            let shortest = i == 0 || *byte != 0;
            let number = u32::try_from(number).ok().filter(|_| shortest)?;
            return Some((number, bytes.get(i + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests;
