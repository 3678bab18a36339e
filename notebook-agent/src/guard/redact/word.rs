//! What is secret within one word.

use std::{borrow::Cow, ops::Range, sync::LazyLock};

use super::{
    Rules, path,
    vendors::{SHAPES, Shape, entropy},
};
use crate::guard::{control::is_hidden, words::Words};

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    ApiKey,
    Token,
    Password,
    PrivateKey,
    Path,
    Canary,
}

impl Kind {
    pub(super) const fn replacement(self) -> &'static str {
        match self {
            Self::ApiKey => "[redacted: API key]",
            Self::Token => "[redacted: token]",
            Self::Password => "[redacted: password]",
            Self::PrivateKey => "[redacted: private key]",
            Self::Path => "[redacted: path]",
            Self::Canary => "[redacted]",
        }
    }
}

#[derive(Debug)]
pub(super) struct Found {
    pub(super) range: Range<usize>,
    pub(super) kind: Kind,
}

/// What names a secret, in lower case without `_` and `-`.
const NAMES: [&str; 14] = [
    "password",
    "passwd",
    "passphrase",
    "passwort",
    "contrasena",
    "secret",
    "apikey",
    "accesskey",
    "privatekey",
    "authtoken",
    "accesstoken",
    "secretkey",
    "clientsecret",
    "pwd",
];
/// The same as they are looked for in a text.
const TRIGGERS: [&str; 12] = [
    "pass",
    "contrase",
    "secret",
    "key",
    "token",
    "pwd",
    "bearer",
    "://",
    "-----begin",
    "eyj",
    "/",
    ":\\users",
];

#[allow(clippy::expect_used, reason = "a fixed list; a test builds it")]
static SUSPECT: LazyLock<Words> = LazyLock::new(|| {
    let prefixes = SHAPES.iter().map(|shape| shape.prefix);
    // Paths are looked for by their beginnings: a slash alone would make every address suspect.
    let triggers = TRIGGERS.into_iter().filter(|trigger| *trigger != "/");
    let words = prefixes.chain(triggers).chain(["/home/", "/users/", "/root/", "file:///"]);
    Words::new(words, true).expect("the triggers are an automaton")
});

/// The beginnings of keys in the order of [`SHAPES`], then that of tokens.
#[allow(clippy::expect_used, reason = "a fixed list; a test builds it")]
static BEGINNINGS: LazyLock<Words> = LazyLock::new(|| {
    let beginnings = SHAPES.iter().map(|shape| shape.prefix).chain(["eyJ"]);
    Words::new(beginnings, false).expect("the beginnings are an automaton")
});

/// Whether words of this text must be looked at one by one.
pub(super) fn is_suspect(text: &str, rules: &Rules) -> bool {
    SUSPECT.any(text) || rules.watched.as_ref().is_some_and(|words| words.any(text)) || hides(text)
}

/// Where there is something in a text of which [`is_suspect`] is true because of the words in it, not in order; none where something
/// hides, for that may be anywhere.
pub(super) fn suspects(text: &str, rules: &Rules) -> Option<Vec<usize>> {
    if hides(text) {
        return None;
    }
    let mut places = Vec::new();
    SUSPECT.each(text, |hit| places.push(hit.start));
    if let Some(watched) = &rules.watched {
        watched.each(text, |hit| places.push(hit.start));
    }
    Some(places)
}

/// Whether something stands in words that a reader will not see: hidden characters, and marks of citations.
fn hides(text: &str) -> bool {
    if !text.is_ascii()
        && text.chars().any(|c| is_hidden(c) || matches!(c, '\u{200c}' | '\u{200d}'))
    {
        return true;
    }
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('[') {
        if digits(after).is_some() {
            return true;
        }
        rest = after;
    }
    false
}

/// The length of a citation's mark, such as `[2]`, at the beginning of a text.
fn mark(text: &str) -> Option<usize> {
    digits(text.strip_prefix('[')?).map(|length| length + 2)
}

/// The length of what stands before the bracket that ends a mark.
fn digits(inner: &str) -> Option<usize> {
    let length = run(inner, 0, |byte| byte.is_ascii_digit() || byte == b',');
    (length > 0 && inner.as_bytes().get(length) == Some(&b']')).then_some(length)
}

/// A word as a reader will see it: without hidden characters and marks of citations.
pub(super) fn stripped(word: &str) -> Cow<'_, str> {
    if !hides(word) {
        return Cow::Borrowed(word);
    }
    let mut out = String::with_capacity(word.len());
    let mut rest = word;
    while let Some(c) = rest.chars().next() {
        let length = mark(rest).unwrap_or_else(|| {
            if !is_hidden(c) && !matches!(c, '\u{200c}' | '\u{200d}') {
                out.push(c);
            }
            c.len_utf8()
        });
        rest = rest.get(length..).unwrap_or_default();
    }
    Cow::Owned(out)
}

/// Whether no secret can have begun in what there is of a word, whatever comes after: keys and tokens begin at its
/// beginning or behind a sign, passwords behind one, paths at one or at a drive's letter.
pub(super) fn is_plain_so_far(word: &str, canaries: &[String]) -> bool {
    let first = word.bytes().next();
    let begins = |secret: &str| {
        secret.bytes().next() == first && (secret.starts_with(word) || word.starts_with(secret))
    };
    word.len() > 1
        && word.chars().all(char::is_alphanumeric)
        && !begins("eyJ")
        && !SHAPES.iter().any(|shape| begins(shape.prefix))
        && !canaries.iter().any(|canary| may_begin(word.as_bytes(), canary.as_bytes()))
}

/// Whether a canary, or the beginning of one, stands in a word up to its end.
fn may_begin(word: &[u8], canary: &[u8]) -> bool {
    (0..word.len()).any(|at| {
        let end = word.get(at..).unwrap_or_default();
        let both = end.len().min(canary.len());
        end.iter().zip(canary).take(both).all(|(a, b)| a.eq_ignore_ascii_case(b))
    })
}

/// The secrets in a word, in order, none over another.
pub(super) fn find(word: &str, before: Option<char>, rules: &Rules) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let mut add = |range: Range<usize>, kind| found.push(Found { range, kind });
    if let Some(canaries) = &rules.canaries {
        canaries.find_iter(word).for_each(|hit| add(hit.range(), Kind::Canary));
    }
    if SUSPECT.any(word) || rules.watched.as_ref().is_some_and(|watched| watched.any(word)) {
        BEGINNINGS.each(word, |hit| match SHAPES.get(hit.word) {
            Some(shape) => {
                if let Some(range) = key(word, hit.start, before, shape) {
                    add(range, Kind::ApiKey);
                }
            }
            None => {
                if let Some(range) = token(word, hit.start, before) {
                    add(range, Kind::Token);
                }
            }
        });
        address_passwords(word).for_each(|range| add(range, Kind::Password));
        assigned(word).for_each(|range| add(range, Kind::Password));
        for range in path::find(word, before, &rules.folders) {
            if word.get(range.clone()).is_some_and(|path| !rules.said.contains(path)) {
                add(range, Kind::Path);
            }
        }
    }
    found.sort_by_key(|found| (found.range.start, std::cmp::Reverse(found.range.end)));
    let mut end = 0;
    found.retain(|found| {
        let apart = found.range.start >= end;
        end = end.max(found.range.end);
        apart
    });
    found
}

/// Characters that tokens are made of.
pub(super) fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+' | '/' | '=' | '.' | '%')
}

fn run(word: &str, from: usize, has: impl Fn(u8) -> bool) -> usize {
    let rest = word.as_bytes().get(from..).unwrap_or_default();
    from + rest.iter().take_while(|byte| has(**byte)).count()
}

fn stands_alone(word: &str, at: usize, before: Option<char>) -> bool {
    let previous = word.get(..at).and_then(|text| text.chars().next_back()).or(before);
    !previous.is_some_and(|c| c.is_alphanumeric() || c == '_')
}

/// A key of a shape whose beginning stands at a place.
fn key(word: &str, at: usize, before: Option<char>, shape: &Shape) -> Option<Range<usize>> {
    let from = at + shape.prefix.len();
    let end = run(word, from, |byte| shape.alphabet.has(byte));
    let body = word.get(from..end)?;
    let fits = body.len() >= shape.least && stands_alone(word, at, before) && is_random(body);
    fits.then_some(at..end)
}

/// Whether somebody rolled dice for it: letters and digits, in a mixture that words do not have.
fn is_random(body: &str) -> bool {
    let digits = body.bytes().filter(u8::is_ascii_digit).count();
    let letters = body.bytes().filter(u8::is_ascii_alphabetic).count();
    // `sk-` begins names of things too; their parts are short.
    let longest = body.split(['-', '_', '.']).map(str::len).max().unwrap_or_default();
    digits > 0 && letters > 0 && longest >= 10 && entropy(body) >= 2.5
}

/// A JSON web token that begins at a place.
fn token(word: &str, at: usize, before: Option<char>) -> Option<Range<usize>> {
    let url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'=');
    let head = run(word, at, url);
    let body = word.get(head..)?.strip_prefix('.').map(|_| head + 1)?;
    let end = run(word, body, url);
    let long = head - at >= 10 && end - body >= 10;
    let sealed = word.get(end..)?.starts_with('.');
    let end = if sealed { run(word, end + 1, url) } else { end };
    (long && stands_alone(word, at, before)).then_some(at..end)
}

/// Passwords in addresses: `scheme://name:password@host`.
fn address_passwords(word: &str) -> impl Iterator<Item = Range<usize>> {
    word.match_indices("://").filter_map(move |(at, _)| {
        let from = at + 3;
        let rest = word.get(from..)?;
        let authority =
            rest.get(..rest.find(['/', '?', '#', '"', '\'', '<', '>']).unwrap_or(rest.len()))?;
        let host = authority.rfind('@')?;
        let colon = authority.get(..host)?.find(':')?;
        let password = authority.get(colon + 1..host)?;
        (!password.is_empty() && !is_placeholder(password)).then_some(from + colon + 1..from + host)
    })
}

/// Values of assignments: `password=…`, `"api_key":"…"`, `?token=…`.
fn assigned(word: &str) -> impl Iterator<Item = Range<usize>> {
    word.match_indices(['=', ':']).filter_map(move |(at, separator)| {
        let name = word.get(..at)?.trim_end_matches(['"', '\'', '`', '*', ':']);
        let start = name
            .rfind(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.')))
            .map_or(0, |at| at + 1);
        // After what is not one byte long the place is within a character.
        let name = name.get(name.ceil_char_boundary(start)..)?;
        if !is_name(name) {
            return None;
        }
        let quoted = word.get(at + 1..)?;
        let from = at + 1 + quoted.len()
            - quoted.trim_start_matches(['"', '\'', '`', '=', '>', '*']).len();
        let value = word.get(from..)?;
        let end = from
            + value
                .find(['"', '\'', '`', '&', ',', ';', ')', '}', '<', '*'])
                .unwrap_or(value.len());
        let value = word.get(from..end)?.trim_end_matches(['.', '!', '?']);
        let fits = if separator == "=" { is_value(value, 6) } else { is_spoken(value) };
        fits.then_some(from..from + value.len())
    })
}

fn is_name(text: &str) -> bool {
    let plain: String =
        text.chars().filter(|c| !matches!(c, '_' | '-' | '.')).collect::<String>().to_lowercase();
    plain.len() <= 64
        && (NAMES.iter().any(|name| plain.ends_with(name)) || plain == "token" || plain == "key")
}

fn is_value(value: &str, least: usize) -> bool {
    value.len() >= least && !is_placeholder(value)
}

/// In prose, a value must look like one: letters with digits or signs.
fn is_spoken(value: &str) -> bool {
    let digit = value.bytes().any(|byte| byte.is_ascii_digit());
    let letter = value.bytes().any(|byte| byte.is_ascii_alphabetic());
    let sign = value.bytes().any(|byte| {
        byte.is_ascii_punctuation() && !matches!(byte, b'-' | b'.' | b'/' | b':' | b'_')
    });
    letter && (digit || sign) && is_value(value, 8) && !value.contains("://")
}

fn is_placeholder(value: &str) -> bool {
    let lower = value.to_lowercase();
    let first = lower.chars().next().unwrap_or(' ');
    value.contains("[redacted")
        || matches!(first, '<' | '{' | '[' | '$' | '%' | '(' | '…')
        || value.chars().all(|c| c == first || c == '.')
        || [
            "your",
            "example",
            "changeme",
            "password",
            "placeholder",
            "redacted",
            "string",
            "secret",
            "undefined",
            "process.env",
            "os.environ",
            "env.",
        ]
        .iter()
        .any(|word| lower.starts_with(word))
}

/// What a word says of the one after it.
pub(super) enum Names {
    Secret,
    SecretWithSeparator,
    Bearer,
}

pub(super) fn names(word: &str) -> Option<Names> {
    if word.len() > 80 {
        return None;
    }
    let marks = ['"', '\'', '`', '*', '(', ',', '{', '-', '['];
    let word = stripped(word);
    let word = word.trim_matches(marks);
    let bare = word.trim_end_matches([':', '=']).trim_end_matches(marks);
    if bare.eq_ignore_ascii_case("bearer") {
        return Some(Names::Bearer);
    }
    let name = bare.rsplit(['"', '\'', '?', '&']).next().unwrap_or(bare);
    is_name(name).then_some(if bare.len() < word.len() {
        Names::SecretWithSeparator
    } else {
        Names::Secret
    })
}

pub(super) fn is_separator(word: &str) -> bool {
    matches!(
        word,
        "=" | ":" | ":=" | "=>" | "->" | "is" | "ist" | "est" | "es" | "==" | "\":" | "was"
    )
}

/// The value in a word after a secret's name.
pub(super) fn spoken_value(word: &str) -> Option<Range<usize>> {
    within(word, is_spoken)
}

pub(super) fn bearer_value(word: &str) -> Option<Range<usize>> {
    within(word, |value| {
        value.len() >= 16
            && value.chars().all(is_token)
            && value.bytes().any(|byte| byte.is_ascii_digit())
    })
}

fn within(word: &str, fits: impl Fn(&str) -> bool) -> Option<Range<usize>> {
    let opening = ['"', '\'', '`', '*', '(', '“', '«'];
    let closing = ['"', '\'', '`', '*', ')', '”', '»', ',', ';', '.', '!', '?'];
    let start = word.len() - word.trim_start_matches(opening).len();
    let end = word.trim_end_matches(closing).len();
    let value = word.get(start..end)?;
    fits(&stripped(value)).then_some(start..end)
}
