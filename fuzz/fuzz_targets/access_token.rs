//! Any text as an access token: it is read without harm, and what is good says all that it must.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use notebook_auth::jwt::{IssuerConfig, JwtIssuer, KeyTimes, SigningKey};
use notebook_core::{Timestamp, identity::token::TokenIssuer as _};

static ISSUER: LazyLock<JwtIssuer> = LazyLock::new(|| {
    let key = SigningKey::eddsa("one", &[1; 32], KeyTimes::default()).unwrap();
    JwtIssuer::new(IssuerConfig::new("https://fuzz", "notebook"), vec![key]).unwrap()
});

fuzz_target!(|input: &[u8]| {
    let now = Timestamp::from_millis(1_700_000_000_000);
    if let Ok(text) = std::str::from_utf8(input)
        && let Ok(claims) = ISSUER.verify(text, now)
    {
        assert!(claims.issued_at < claims.expires_at);
        assert!(ISSUER.verify(&ISSUER.issue(&claims).unwrap(), now).is_ok());
    }
});
