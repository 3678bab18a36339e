use proptest::prelude::*;

use super::*;

fn keys(numbers: &[u32]) -> RefreshKeys {
    keys_with(*numbers.last().unwrap(), numbers)
}

fn keys_with(current: u32, numbers: &[u32]) -> RefreshKeys {
    let secret = |number: u32| Secret::new(format!("{number:032}"));
    RefreshKeys::new(current, numbers.iter().map(|number| (*number, secret(*number)))).unwrap()
}

fn token(generation: u32) -> RefreshToken {
    RefreshToken { session: SessionId::from_u128(0x1234_5678), generation, key: 1 }
}

fn bytes_of(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text.strip_prefix(MARK).unwrap()).unwrap()
}

/// The text of any bytes, with a checksum that fits.
fn text_of(signed: &[u8]) -> String {
    let mut bytes = signed.to_vec();
    bytes.extend(crc32fast::hash(signed).to_be_bytes());
    format!("{MARK}{}", URL_SAFE_NO_PAD.encode(bytes))
}

#[test]
fn a_token_is_the_same_each_time_and_reads_back() {
    let keys = keys(&[1]);
    for generation in [0, 1, 127, 128, 16_383, 16_384, u32::MAX] {
        let made = keys.make(token(generation)).unwrap();
        assert_eq!(keys.make(token(generation)).unwrap(), made);
        assert_eq!(keys.read(made.expose()), Some(token(generation)));
        assert!(made.expose().len() <= MAX_BYTES);
    }
}

/// R27
#[test]
fn r27_nothing_but_the_token_itself_is_genuine() {
    let keys = keys(&[1]);
    let good = keys.make(token(300)).unwrap();
    let good = good.expose();
    let bytes = bytes_of(good);
    for bit in 0..bytes.len() * 8 {
        let mut other = bytes.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        let plain = format!("{MARK}{}", URL_SAFE_NO_PAD.encode(&other));
        assert_eq!(keys.read(&plain), None, "bit {bit}");
        // And with the checksum put right.
        let signed = &other[..other.len() - SUM_BYTES];
        if signed != &bytes[..signed.len()] {
            assert_eq!(keys.read(&text_of(signed)), None, "bit {bit}");
        }
    }
    for length in 0..good.len() {
        assert_eq!(keys.read(&good[..length]), None);
    }
    let standard = base64::engine::general_purpose::STANDARD.encode(&bytes);
    for other in [
        format!("{good}A"),
        format!("{good}="),
        format!("{good}=="),
        format!(" {good}"),
        format!("{good}\n"),
        good.to_uppercase(),
        good.replacen("nbr_", "nbk_", 1),
        good.replacen("nbr_", "", 1),
        format!("{MARK}{standard}"),
        "x".repeat(1 << 20),
        format!("{MARK}{}", "A".repeat(1 << 20)),
        String::new(),
        MARK.into(),
    ] {
        assert_eq!(keys.read(&other), None, "{other:.100}");
    }
    // The last letter's loose bits.
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let head = &good[..good.len() - 1];
    let read = letters.chars().filter(|letter| keys.read(&format!("{head}{letter}")).is_some());
    assert_eq!(read.count(), 1);
}

/// R27: numbers that are too long, too large, or end in nothing.
#[test]
fn r27_numbers_have_one_form() {
    for bad in [
        &[0x80, 0x00][..],
        &[0xff, 0x80, 0x00],
        &[0x80, 0x80, 0x80, 0x80, 0x10],
        &[0xff, 0xff, 0xff, 0xff, 0x1f],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        &[0x80],
        &[],
    ] {
        assert_eq!(read_number(bad), None, "{bad:x?}");
    }
    assert_eq!(read_number(&[0xff, 0xff, 0xff, 0xff, 0x0f, 9]), Some((u32::MAX, &[9][..])));
    let keys = keys(&[1]);
    let body = body(token(1));
    // Another version, and something after the end, under a MAC that fits.
    let mut later = body.clone();
    later[0] = 2;
    let longer = [&body[..], &[0]].concat();
    for (body, good) in [(body, true), (later, false), (longer, false)] {
        let mac = keys.mac(1, token(1).session, &body).unwrap().finalize().into_bytes();
        assert_eq!(keys.read(&text_of(&[&body[..], &mac].concat())).is_some(), good);
    }
}

/// R37: all servers know a key before one of them begins sessions with it, so each reads what the others made.
#[test]
fn r37_a_key_is_known_before_it_signs() {
    let steps = [keys(&[1]), keys_with(1, &[1, 2]), keys_with(2, &[1, 2]), keys(&[2])];
    assert_eq!(steps.each_ref().map(RefreshKeys::current), [1, 1, 2, 2]);
    for (one, other) in [(0, 1), (1, 2)] {
        for (from, to) in [(one, other), (other, one)] {
            let key = steps[from].current();
            let made = steps[from].make(RefreshToken { key, ..token(0) }).unwrap();
            assert!(steps[to].read(made.expose()).is_some(), "{from} {to}");
        }
    }
}

/// R37
#[test]
fn r37_old_sessions_keep_their_key() {
    let (before, after) = (keys(&[1]), keys(&[1, 2]));
    let old = before.make(token(7)).unwrap();
    assert_eq!(after.read(old.expose()), Some(token(7)));
    assert_eq!(after.make(token(8)).unwrap(), before.make(token(8)).unwrap());
    assert_eq!((before.current(), after.current()), (1, 2));
    let new = after.make(RefreshToken { key: 2, ..token(0) }).unwrap();
    assert_eq!(before.read(new.expose()), None);
    assert_eq!(keys(&[2]).read(old.expose()), None);
    assert!(keys(&[2]).make(token(0)).is_err());
}

#[test]
fn sessions_and_generations_have_their_own_macs() {
    let keys = keys(&[1]);
    let macs: std::collections::BTreeSet<_> = (0..100_u128)
        .flat_map(|session| {
            let session = SessionId::from_u128(session);
            (0..10).map(move |generation| RefreshToken { session, ..token(generation) })
        })
        .map(|token| keys.make(token).unwrap().expose()[40..].to_owned())
        .collect();
    assert_eq!(macs.len(), 1_000);
}

#[test]
fn bad_keys_are_refused() {
    let secret = || Secret::new("s".repeat(32));
    assert!(RefreshKeys::new(1, []).is_err());
    assert!(RefreshKeys::new(1, [(1, Secret::new("s".repeat(31)))]).is_err());
    assert!(RefreshKeys::new(1, [(1, secret()), (1, secret())]).is_err());
    let absent = RefreshKeys::new(2, [(1, secret())]).unwrap_err();
    assert_eq!(absent.context("field"), Some("current"));
    assert!(!format!("{:?}", RefreshKeys::new(1, [(1, secret())]).unwrap()).contains("ss"));
}

proptest! {
    /// R43: anything is read without harm; what is read is what was made.
    #[test]
    fn r43_any_text_is_read_without_harm(text in "\\PC{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..90)) {
        let keys = keys(&[1, 2]);
        prop_assert_eq!(keys.read(&text), None);
        prop_assert_eq!(keys.read(&text_of(&bytes)), None);
    }

    #[test]
    fn r43_tokens_round_trip(session in any::<u128>(), generation in any::<u32>(), key in 1..3_u32) {
        let keys = keys(&[1, 2]);
        let token = RefreshToken { session: SessionId::from_u128(session), generation, key };
        prop_assert_eq!(keys.read(keys.make(token).unwrap().expose()), Some(token));
    }
}
