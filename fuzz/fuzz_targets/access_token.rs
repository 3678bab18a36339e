//! Any text as an access token, and any header and claims under a good signature: they are read without harm, and what is
//! good says all that it must, once and within its time.
#![no_main]

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use libfuzzer_sys::fuzz_target;
use notebook_auth::jwt::{IssuerConfig, JwtIssuer, KeyTimes, SigningKey};
use notebook_core::{Secret, Timestamp, identity::token::TokenIssuer as _};
use serde_json::Value;
use sha2::Sha256;

const SECRET: &str = "a secret of the fuzz target, of 32 bytes and more";
const NOW: u64 = 1_700_000_000;
const LEEWAY: u64 = 30;
const CLAIMS: [&str; 10] =
    ["iss", "aud", "sub", "sid", "gen", "tenant", "role", "iat", "nbf", "exp"];

static ISSUER: LazyLock<JwtIssuer> = LazyLock::new(|| {
    let key = SigningKey::hs256("one", &Secret::new(SECRET), KeyTimes::default()).unwrap();
    JwtIssuer::new(IssuerConfig::new("https://fuzz", "notebook"), vec![key]).unwrap()
});

fuzz_target!(|input: &[u8]| {
    let now = Timestamp::from_millis(NOW as i64 * 1_000);
    // A first line `signed`, the header on the second, and the claims after it: what forgers cannot make, but what the
    // reader must withstand all the same.
    if let Some(rest) = input.strip_prefix(b"signed\n") {
        let cut = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let (header, claims) = rest.split_at(cut);
        let claims = claims.get(1..).unwrap_or_default();
        if ISSUER.verify(&signed(header, claims), now).is_ok() {
            check(claims);
        }
    } else if let Ok(text) = std::str::from_utf8(input) {
        assert!(ISSUER.verify(text, now).is_err(), "forged");
    }
});

fn signed(header: &[u8], claims: &[u8]) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let text = format!("{}.{}", encode(header), encode(claims));
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    let mac = mac.chain_update(&text).finalize().into_bytes();
    format!("{text}.{}", encode(&mac))
}

/// What was taken, read once more by another reader.
fn check(claims: &[u8]) {
    let claims: serde_json::Map<String, Value> = serde_json::from_slice(claims).unwrap();
    assert_eq!(claims.len(), CLAIMS.len());
    assert!(CLAIMS.iter().all(|name| claims.contains_key(*name)));
    assert_eq!((&claims["iss"], &claims["aud"]), (&"https://fuzz".into(), &"notebook".into()));
    let time = |name: &str| claims[name].as_u64().unwrap();
    let (from, before, until) = (time("iat"), time("nbf"), time("exp"));
    assert!(from < until && until - from <= 15 * 60);
    assert!(from <= NOW + LEEWAY && before <= NOW + LEEWAY && NOW < until + LEEWAY);
}
