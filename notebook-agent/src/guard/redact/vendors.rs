//! The shapes of vendors' keys.

use Alphabet::{Alphanumeric, Dotted, Hex, Upper, Url};

/// What the characters after a prefix may be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Alphabet {
    /// Letters and digits.
    Alphanumeric,
    /// Capital letters and digits.
    Upper,
    /// Hexadecimal digits.
    Hex,
    /// Letters, digits, `_` and `-`.
    Url,
    /// Those and dots.
    Dotted,
}

impl Alphabet {
    pub(super) const fn has(self, byte: u8) -> bool {
        match self {
            Self::Alphanumeric => byte.is_ascii_alphanumeric(),
            Self::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Self::Hex => byte.is_ascii_hexdigit(),
            Self::Url => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Self::Dotted => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'),
        }
    }
}

/// A kind of key: what it begins with, and how long it is at least after that.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) prefix: &'static str,
    pub(super) least: usize,
    pub(super) alphabet: Alphabet,
}

const fn shape(prefix: &'static str, least: usize, alphabet: Alphabet) -> Shape {
    Shape { prefix, least, alphabet }
}

/// Longer prefixes first.
pub(super) const SHAPES: [Shape; 53] = [
    // Models.
    shape("sk-ant-", 20, Url),
    shape("sk-proj-", 20, Url),
    shape("sk-or-v1-", 32, Hex),
    shape("sk-", 20, Url),
    shape("gsk_", 30, Alphanumeric),
    shape("nvapi-", 30, Url),
    shape("hf_", 30, Alphanumeric),
    shape("xai-", 40, Alphanumeric),
    shape("pplx-", 32, Alphanumeric),
    shape("r8_", 36, Alphanumeric),
    shape("AIza", 35, Url),
    shape("ya29.", 20, Url),
    shape("GOCSPX-", 20, Url),
    // Clouds.
    shape("AKIA", 16, Upper),
    shape("ASIA", 16, Upper),
    shape("dop_v1_", 64, Hex),
    shape("LTAI", 16, Alphanumeric),
    shape("EAAA", 40, Alphanumeric),
    shape("dapi", 32, Hex),
    shape("hvs.", 24, Url),
    shape("hvb.", 24, Url),
    shape("tskey-", 20, Url),
    shape("pul-", 40, Hex),
    shape("rnd_", 20, Alphanumeric),
    // Code.
    shape("github_pat_", 22, Url),
    shape("ghp_", 30, Alphanumeric),
    shape("gho_", 30, Alphanumeric),
    shape("ghu_", 30, Alphanumeric),
    shape("ghs_", 30, Alphanumeric),
    shape("ghr_", 30, Alphanumeric),
    shape("glpat-", 20, Url),
    shape("npm_", 36, Alphanumeric),
    shape("pypi-", 40, Url),
    shape("dckr_pat_", 20, Url),
    shape("cio", 32, Alphanumeric),
    shape("ATATT3", 40, Url),
    shape("lin_api_", 32, Alphanumeric),
    shape("nbk_", 32, Url),
    // Messages and money.
    shape("xoxb-", 20, Url),
    shape("xoxp-", 20, Url),
    shape("xoxa-", 20, Url),
    shape("xoxr-", 20, Url),
    shape("xoxs-", 20, Url),
    shape("xapp-", 20, Url),
    shape("SG.", 40, Dotted),
    shape("sk_live_", 16, Alphanumeric),
    shape("sk_test_", 16, Alphanumeric),
    shape("rk_live_", 16, Alphanumeric),
    shape("whsec_", 24, Alphanumeric),
    shape("shpat_", 32, Hex),
    shape("sq0csp-", 40, Url),
    shape("glsa_", 32, Url),
    shape("sntrys_", 40, Url),
];

/// Bits a character, by how often each occurs.
pub(super) fn entropy(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in text.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let all = text.len() as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / all)
        .map(|share| -share * share.log2())
        .sum()
}
