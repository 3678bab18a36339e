//! Any text as a refresh token: none is genuine but what was made, and that reads back.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use notebook_auth::refresh::{RefreshKeys, RefreshToken};
use notebook_core::{Secret, SessionId};

static KEYS: LazyLock<RefreshKeys> = LazyLock::new(|| {
    RefreshKeys::new(2, [(1, Secret::new("k".repeat(32))), (2, Secret::new("l".repeat(32)))]).unwrap()
});

fuzz_target!(|input: &[u8]| {
    if let Ok(text) = std::str::from_utf8(input)
        && let Some(token) = KEYS.read(text)
    {
        // Genuine: then it is letter for letter what is made of what it says.
        assert_eq!(KEYS.make(token).unwrap().expose(), text);
    }
    if let Some((session, rest)) = input.split_first_chunk::<16>()
        && let Some((generation, _)) = rest.split_first_chunk::<4>()
    {
        let session = SessionId::from_u128(u128::from_be_bytes(*session));
        let token = RefreshToken { session, generation: u32::from_be_bytes(*generation), key: 2 };
        let made = KEYS.make(token).unwrap();
        assert_eq!(KEYS.read(made.expose()), Some(token));
    }
});
