//! What a password may be: long enough, not endless, and always the same bytes for the same letters.

use notebook_core::{Error, Result, Secret};
use unicode_normalization::UnicodeNormalization as _;

/// The least length in bytes, after normalisation.
pub const MIN_BYTES: usize = 8;
/// The greatest length in bytes, after normalisation.
pub const MAX_BYTES: usize = 256;

/// The bytes of a password in the normalisation form C; none when there are more than [`MAX_BYTES`] of them. One letter
/// may be typed as several characters, and which ones depends on the keyboard.
#[must_use]
pub fn normal(password: &Secret) -> Option<Secret> {
    // Composing never makes a text three times shorter: what is longer is not worth the work.
    if password.expose().len() > 4 * MAX_BYTES {
        return None;
    }
    let text: String = password.expose().nfc().collect();
    (text.len() <= MAX_BYTES).then(|| Secret::new(text))
}

/// A password that may be set, normalised.
///
/// # Errors
/// `InvalidInput` when it is shorter than [`MIN_BYTES`] or longer than [`MAX_BYTES`], or one of those that are
/// tried first.
pub fn acceptable(password: &Secret) -> Result<Secret> {
    let wrong = |fix: &str| Err(Error::invalid("set password", "password", fix));
    let Some(password) = normal(password) else {
        return wrong("give at most 256 bytes");
    };
    let text = password.expose();
    if text.len() < MIN_BYTES {
        return wrong("give at least 8 bytes");
    }
    let mut letters = text.chars();
    let first = letters.next();
    if letters.all(|letter| Some(letter) == first) || COMMON.contains(&&*text.to_lowercase()) {
        return wrong("choose one that is not among those that are tried first");
    }
    Ok(password)
}

/// Of the lists of what people choose most: those of eight letters and more. It is not to be complete: the throttle
/// stands behind it.
const COMMON: [&str; 24] = [
    "12345678",
    "123456789",
    "1234567890",
    "password",
    "password1",
    "password123",
    "passw0rd",
    "qwertyuiop",
    "qwerty123",
    "1q2w3e4r",
    "iloveyou",
    "sunshine",
    "princess",
    "football",
    "baseball",
    "superman",
    "trustno1",
    "welcome1",
    "letmein1",
    "changeme",
    "administrator",
    "abcd1234",
    "q1w2e3r4",
    "11223344",
];
