//! API keys: `nbk_` and 256 random bits with a checksum. Only the hash is stored.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use notebook_core::{Result, Secret};
use sha2::{Digest as _, Sha256};

const MARK: &str = "nbk_";
/// How much of a key is shown in lists.
const SHOWN: usize = 12;
/// Random bytes, then the checksum of the mark and them.
const BYTES: usize = 32 + 4;

/// A key as it is made, to be shown once.
#[derive(Debug)]
pub struct NewKey {
    /// The key.
    pub key: Secret,
    /// How it begins.
    pub prefix: String,
    /// What is stored of it.
    pub hash: [u8; 32],
}

/// Makes a key.
///
/// # Errors
/// `Unavailable` when the system has no randomness.
pub fn make() -> Result<NewKey> {
    let random: [u8; 32] = crate::random::random()?;
    let mut bytes = random.to_vec();
    bytes.extend(checksum(&random));
    let text = format!("{MARK}{}", URL_SAFE_NO_PAD.encode(bytes));
    let (prefix, hash) = (text.chars().take(SHOWN).collect(), hash(&text));
    Ok(NewKey { key: Secret::new(text), prefix, hash })
}

/// The hash to look a presented key up by; none when it cannot be a key, so that nothing need be looked up.
#[must_use]
pub fn recognise(text: &str) -> Option<[u8; 32]> {
    let body = text.strip_prefix(MARK).filter(|body| body.len() <= 2 * BYTES)?;
    let bytes = URL_SAFE_NO_PAD.decode(body).ok()?;
    let (random, sum) = bytes.split_at_checked(32).filter(|(_, sum)| sum.len() == 4)?;
    (checksum(random) == sum).then(|| hash(text))
}

fn checksum(random: &[u8]) -> [u8; 4] {
    crc32fast::hash(random).to_be_bytes()
}

fn hash(text: &str) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(b"notebook api key 1");
    hasher.update(text);
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_recognised_and_nothing_like_it() {
        let made = make().unwrap();
        let text = made.key.expose();
        assert_eq!(recognise(text), Some(made.hash));
        assert!(text.starts_with(&made.prefix) && made.prefix.len() == SHOWN);
        assert_ne!(make().unwrap().hash, made.hash);
        for i in 0..text.len() {
            let mut other = text.as_bytes().to_vec();
            other[i] = if other[i] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).unwrap();
            assert_eq!(recognise(&other), None, "{i}");
        }
        let long = "a".repeat(1 << 20);
        for other in
            ["", "nbk_", &text[..text.len() - 1], &format!("{text}="), &format!("{MARK}{long}")]
        {
            assert_eq!(recognise(other), None);
        }
    }
}
