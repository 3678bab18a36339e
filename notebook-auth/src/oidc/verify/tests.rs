//! Tokens made by hand: a right one, and one wrong thing at a time.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256, Sha512};

use super::*;

const NOW: i64 = 1_700_000_000;
const ACCESS: &str = "access-1";

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn keys(kid: &str) -> CoreJsonWebKeySet {
    let x = URL_SAFE_NO_PAD.encode(key().verifying_key().as_bytes());
    let key = json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": kid, "x": x });
    serde_json::from_value(json!({ "keys": [key] })).unwrap()
}

fn claims() -> Value {
    json!({ "iss": "https://id.example.org", "aud": "client-1", "sub": "ada-1", "nonce": "nonce-1",
        "iat": NOW - 5, "exp": NOW + 3_600 })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

/// Header and claims, signed by whatever `sign` does.
fn made(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let body = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(body.as_bytes()));
    format!("{body}.{signature}")
}

fn signed(claims: &Value) -> String {
    made(&json!({ "alg": "EdDSA", "kid": "k1" }), claims, |body| {
        key().sign(body).to_bytes().to_vec()
    })
}

/// What becomes of a token: its subject, or why not.
fn read_with(token: &str, keys: &CoreJsonWebKeySet, now: i64) -> Result<String, String> {
    let token: CoreIdToken = token.parse().map_err(|_| "no token".to_owned())?;
    let expected = Expected {
        issuer: &IssuerUrl::new("https://id.example.org".into()).unwrap(),
        client: &ClientId::new("client-1".into()),
        nonce: &Nonce::new("nonce-1".into()),
        now: Timestamp::from_millis(now * 1_000),
    };
    let access = AccessToken::new(ACCESS.into());
    match verify(&token, &access, keys, &expected) {
        Ok(claims) => Ok(claims.subject().to_string()),
        Err(Unproved::UnknownKey) => Err("unknown key".into()),
        Err(Unproved::Wrong(error)) => Err(format!("{error:?}")),
    }
}

fn read(token: &str) -> Result<String, String> {
    read_with(token, &keys("k1"), NOW)
}

#[track_caller]
fn refused(token: &str) -> String {
    read(token).expect_err("the token must be refused")
}

#[test]
fn a_right_token_says_who_it_is() {
    assert_eq!(read(&signed(&claims())), Ok("ada-1".into()));
    assert_eq!(read(&signed(&with("aud", json!(["client-1"])))), Ok("ada-1".into()));
    assert_eq!(read(&signed(&with("azp", json!("client-1")))), Ok("ada-1".into()));
}

/// J5, J7: every claim that is wrong or not there.
#[test]
fn j5_j7_a_claim_that_is_wrong_or_missing_refuses_the_token() {
    for (name, value) in [
        ("iss", json!("https://id.example.org/")),
        ("iss", json!("https://evil.example.org")),
        ("aud", json!("client-2")),
        ("aud", json!([])),
        ("aud", json!(["client-2"])),
        // Another audience could show the token as its own.
        ("aud", json!(["client-1", "client-2"])),
        ("azp", json!("client-2")),
        ("nonce", json!("nonce-2")),
        ("nonce", json!("")),
        ("exp", json!("soon")),
        ("exp", json!(null)),
        ("exp", json!(-1)),
        ("iat", json!(null)),
        ("iat", json!([])),
    ] {
        let token = signed(&with(name, value.clone()));
        assert!(read(&token).is_err(), "{name} {value}");
    }
    for name in ["iss", "aud", "sub", "nonce", "iat", "exp"] {
        assert!(read(&signed(&without(name))).is_err(), "without {name}");
    }
}

/// J11, J12: half a minute of leeway, to the second.
#[test]
fn j12_clocks_may_be_half_a_minute_apart() {
    let at = |name: &str, second: i64| read(&signed(&with(name, json!(second))));
    assert!(at("exp", NOW - 29).is_ok());
    assert!(at("exp", NOW - 30).is_err());
    assert!(at("iat", NOW + 30).is_ok());
    assert!(at("iat", NOW + 31).is_err());
    // Made for a sign-in that began long ago.
    assert!(at("iat", NOW - 630).is_ok());
    assert!(at("iat", NOW - 631).is_err());
}

/// J1, J2: only what the provider alone can sign with.
#[test]
fn j1_j2_other_algorithms_are_refused() {
    for alg in ["none", "None", "NONE"] {
        let token = made(&json!({ "alg": alg, "kid": "k1" }), &claims(), |_| Vec::new());
        refused(&token);
    }
    let public = key().verifying_key().to_bytes();
    for secret in [&public[..], b"client-secret"] {
        let token = made(&json!({ "alg": "HS256", "kid": "k1" }), &claims(), |body| {
            let mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
            mac.chain_update(body).finalize().into_bytes().to_vec()
        });
        assert!(refused(&token).contains("Disallowed"), "{token}");
    }
    for alg in ["RS256", "ES256"] {
        let header = json!({ "alg": alg, "kid": "k1" });
        let token = made(&header, &claims(), |body| key().sign(body).to_bytes().to_vec());
        // No key of this kind is there.
        assert_eq!(refused(&token), "unknown key");
    }
}

#[test]
fn a_signature_counts_for_its_bytes_and_its_key() {
    let token = signed(&claims());
    let (body, signature) = token.rsplit_once('.').unwrap();
    let other = signed(&with("sub", json!("eve-1")));
    let forged = format!("{}.{signature}", other.rsplit_once('.').unwrap().0);
    assert!(refused(&forged).contains("Signature"), "{forged}");
    refused(&format!("{body}."));
    let stranger = SigningKey::from_bytes(&[8; 32]);
    let header = json!({ "alg": "EdDSA", "kid": "k1" });
    let theirs = made(&header, &claims(), |body| stranger.sign(body).to_bytes().to_vec());
    assert!(refused(&theirs).contains("Signature"));
    // J14: a key that is not there is told from a signature that is wrong.
    assert_eq!(read_with(&token, &keys("k2"), NOW), Err("unknown key".into()));
    // J4: keys in the header are not looked at.
    let x = URL_SAFE_NO_PAD.encode(stranger.verifying_key().as_bytes());
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x });
    let header = json!({ "alg": "EdDSA", "kid": "k1", "jwk": jwk });
    refused(&made(&header, &claims(), |body| stranger.sign(body).to_bytes().to_vec()));
    let header = json!({ "alg": "EdDSA", "kid": "k1", "crit": ["exp"] });
    refused(&made(&header, &claims(), |body| key().sign(body).to_bytes().to_vec()));
}

/// J8 the other way round: an access token that is a JWT of the same keys is no ID token.
#[test]
fn j8_an_access_token_is_no_id_token() {
    let header = json!({ "alg": "EdDSA", "kid": "k1", "typ": "at+jwt" });
    refused(&made(&header, &claims(), |body| key().sign(body).to_bytes().to_vec()));
    let header = json!({ "alg": "EdDSA", "kid": "k1", "typ": "JWT" });
    let token = made(&header, &claims(), |body| key().sign(body).to_bytes().to_vec());
    assert!(read(&token).is_ok());
}

#[test]
fn the_hash_of_the_access_token_counts_where_it_is() {
    let hash = |token: &str| URL_SAFE_NO_PAD.encode(&Sha512::digest(token)[..32]);
    assert!(read(&signed(&with("at_hash", json!(hash(ACCESS))))).is_ok());
    for wrong in [hash("access-2"), String::new()] {
        refused(&signed(&with("at_hash", json!(wrong))));
    }
}
