use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use notebook_core::{Secret, SessionId, TenantId, UserId, identity::Role};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn config() -> IssuerConfig {
    IssuerConfig::new("https://notebook.example.org", "notebook")
}

fn ed(id: &str, byte: u8) -> SigningKey {
    SigningKey::eddsa(id, &[byte; 32], KeyTimes::default()).unwrap()
}

fn hs(id: &str, secret: impl Into<String>) -> SigningKey {
    SigningKey::hs256(id, &Secret::new(secret.into()), KeyTimes::default()).unwrap()
}

fn issuer() -> JwtIssuer {
    JwtIssuer::new(config(), vec![ed("one", 1)]).unwrap()
}

fn issuers() -> [JwtIssuer; 2] {
    [issuer(), JwtIssuer::new(config(), vec![hs("one", "s".repeat(32))]).unwrap()]
}

fn claims() -> AccessClaims {
    AccessClaims {
        user: UserId::from_u128(1),
        tenant: TenantId::from_u128(2),
        session: SessionId::from_u128(3),
        generation: 4,
        role: Role::Analyst,
        issued_at: NOW,
        expires_at: NOW.after(Duration::from_secs(900)),
    }
}

fn json_claims() -> Value {
    json!({
        "iss": "https://notebook.example.org", "aud": "notebook",
        "sub": UserId::from_u128(1), "sid": SessionId::from_u128(3), "gen": 4,
        "tenant": TenantId::from_u128(2), "role": "analyst",
        "iat": 1_700_000_000, "nbf": 1_700_000_000, "exp": 1_700_000_900,
    })
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token of any header and claims, signed with the key that the issuer has.
fn forged(issuer: &JwtIssuer, header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", encode(header), encode(claims));
    let signature = issuer.keys["one"].sign(signed.as_bytes());
    format!("{signed}.{}", encode(signature))
}

fn header(issuer: &JwtIssuer) -> String {
    format!(r#"{{"alg":"{}","typ":"at+jwt","kid":"one"}}"#, issuer.algorithm.name())
}

fn with(issuer: &JwtIssuer, claims: &Value) -> Result<AccessClaims, TokenFault> {
    issuer.verify(&forged(issuer, &header(issuer), &claims.to_string()), NOW)
}

#[test]
fn what_is_issued_is_verified() {
    for issuer in issuers() {
        let token = issuer.issue(&claims()).unwrap();
        assert!(token.len() < 600, "{}", token.len());
        assert_eq!(issuer.verify(&token, NOW).unwrap(), claims());
        assert_eq!(with(&issuer, &json_claims()).unwrap(), claims());
    }
}

/// J1, J2: the algorithm is the issuer's, whatever a token says; and each key does one thing.
#[test]
fn j1_and_j2_the_algorithm_is_not_the_tokens_to_choose() {
    let [ed, hs] = issuers();
    let body = json_claims().to_string();
    for alg in
        ["none", "None", "NONE", "nOnE", "", "eddsa", "EDDSA", "ES256", "RS256", "HS512", "Ed25519"]
    {
        let head = format!(r#"{{"alg":"{alg}","typ":"at+jwt","kid":"one"}}"#);
        for issuer in [&ed, &hs] {
            let token = forged(issuer, &head, &body);
            assert_eq!(issuer.verify(&token, NOW), Err(TokenFault::Header), "{alg}");
            let unsigned = format!("{}.", token.rsplit_once('.').unwrap().0);
            assert_eq!(issuer.verify(&unsigned, NOW), Err(TokenFault::Header));
        }
    }
    // HS256 with the public key as the secret, in the forms in which it is published.
    let public = ed.public_keys()["keys"][0].clone();
    let x = public["x"].as_str().unwrap().to_owned();
    for secret in [x, public.to_string()] {
        let forger = JwtIssuer::new(config(), vec![self::hs("one", secret)]).unwrap();
        let token = forger.issue(&claims()).unwrap();
        assert_eq!(ed.verify(&token, NOW), Err(TokenFault::Header));
        let renamed = token.replacen(token.split('.').next().unwrap(), &encode(header(&ed)), 1);
        assert_eq!(ed.verify(&renamed, NOW), Err(TokenFault::Signature));
    }
    // A token of the one kind at an issuer of the other.
    assert_eq!(hs.verify(&ed.issue(&claims()).unwrap(), NOW), Err(TokenFault::Header));
}

/// J3: a key's name is a name and nothing else.
#[test]
fn j3_names_of_keys_are_looked_up_as_they_are() {
    let issuer = issuer();
    let long = "k".repeat(2_000);
    for kid in [
        "../../dev/null",
        "one'--",
        "https://evil.example/key",
        "ONE",
        "one ",
        "",
        "one\\u0000",
        &long,
    ] {
        let head = format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{kid}"}}"#);
        let token = forged(&issuer, &head, &json_claims().to_string());
        assert_eq!(issuer.verify(&token, NOW), Err(TokenFault::UnknownKey), "{kid}");
    }
    let head = format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{}"}}"#, "k".repeat(10 << 10));
    let token = forged(&issuer, &head, &json_claims().to_string());
    assert_eq!(issuer.verify(&token, NOW), Err(TokenFault::TooLong));
}

/// J4
#[test]
fn j4_keys_in_tokens_are_not_looked_at() {
    let issuer = issuer();
    for extra in [
        r#""jku":"https://evil.example/keys""#,
        r#""jwk":{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
        r#""x5u":"https://evil.example""#,
        r#""x5c":["MIIB"]"#,
        r#""crit":["exp"]"#,
        r#""b64":false"#,
        r#""zip":"DEF""#,
        r#""cty":"JWT""#,
        r#""kid":"one""#,
    ] {
        let head = format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"one",{extra}}}"#);
        let token = forged(&issuer, &head, &json_claims().to_string());
        assert_eq!(issuer.verify(&token, NOW), Err(TokenFault::Header), "{extra}");
    }
}

/// J5, J7: each claim in each wrong form, and left out.
#[test]
fn j5_and_j7_claims_of_other_types() {
    for issuer in issuers() {
        let times = ["iat", "nbf", "exp"];
        let names = ["iss", "aud", "sub", "sid", "gen", "tenant", "role", "iat", "nbf", "exp"];
        for name in names {
            let mut without = json_claims();
            without.as_object_mut().unwrap().remove(name);
            assert_eq!(with(&issuer, &without), Err(TokenFault::Claims), "{name}");
            let wrong = [
                json!(null),
                json!(true),
                json!([]),
                json!([json_claims()[name]]),
                json!({}),
                json!(-1),
                json!(1.5),
                json!(u64::MAX),
                json!(1_u64 << 63),
            ];
            for value in wrong {
                let mut bad = json_claims();
                bad[name] = value.clone();
                assert_eq!(with(&issuer, &bad), Err(TokenFault::Claims), "{name}: {value}");
            }
        }
        for name in times {
            for text in ["1700000000.0", "1.7e9", "\"1700000000\"", "01700000000", "1700000000 "] {
                let good = json_claims().to_string();
                let mark = format!("\"{name}\":{}", json_claims()[name]);
                let bad = good.replace(&mark, &format!("\"{name}\":{text}"));
                assert_ne!(good, bad);
                let found = issuer.verify(&forged(&issuer, &header(&issuer), &bad), NOW);
                let spaced = text.ends_with(' ') && name != "exp" && name != "iat";
                if !spaced && !text.ends_with(' ') {
                    assert_eq!(found, Err(TokenFault::Claims), "{name}: {text}");
                }
            }
        }
        let mut extra = json_claims();
        extra["admin"] = json!(true);
        assert_eq!(with(&issuer, &extra), Err(TokenFault::Claims));
    }
}

/// J6
#[test]
fn j6_claims_that_are_there_twice() {
    for issuer in issuers() {
        let good = json_claims().to_string();
        for (name, value) in json_claims().as_object().unwrap() {
            let twice = good.replacen('{', &format!("{{\"{name}\":{value},"), 1);
            let token = forged(&issuer, &header(&issuer), &twice);
            assert_eq!(issuer.verify(&token, NOW), Err(TokenFault::Claims), "{name}");
        }
        let head = header(&issuer).replacen('{', r#"{"alg":"none","#, 1);
        assert_eq!(issuer.verify(&forged(&issuer, &head, &good), NOW), Err(TokenFault::Header));
    }
}

/// J7, J15: other audiences, issuers, environments.
#[test]
fn j7_and_j15_tokens_for_others_and_of_others() {
    for issuer in issuers() {
        for (name, value, fault) in [
            ("aud", "", TokenFault::Audience),
            ("aud", "Notebook", TokenFault::Audience),
            ("aud", "notebook ", TokenFault::Audience),
            ("iss", "https://staging.notebook.example.org", TokenFault::Issuer),
            ("iss", "https://notebook.example.org/", TokenFault::Issuer),
        ] {
            let mut other = json_claims();
            other[name] = json!(value);
            assert_eq!(with(&issuer, &other), Err(fault), "{name}: {value}");
        }
        let staging = IssuerConfig { issuer: "https://staging.example.org".into(), ..config() };
        let key = if issuer.algorithm == Algorithm::EdDsa {
            ed("one", 1)
        } else {
            hs("one", "s".repeat(32))
        };
        let other = JwtIssuer::new(staging, vec![key]).unwrap();
        let token = other.issue(&claims()).unwrap();
        assert_eq!(issuer.verify(&token, NOW), Err(TokenFault::Issuer));
    }
}

/// J8
#[test]
fn j8_other_kinds_of_tokens_are_no_access_tokens() {
    let issuer = issuer();
    for typ in
        ["JWT", "jwt", "id_token", "AT+JWT", "application/at+jwt", "webhook+jwt", "dpop+jwt", ""]
    {
        let head = format!(r#"{{"alg":"EdDSA","typ":"{typ}","kid":"one"}}"#);
        let token = forged(&issuer, &head, &json_claims().to_string());
        assert_eq!(issuer.verify(&token, NOW), Err(TokenFault::Header), "{typ}");
    }
    let token = forged(&issuer, r#"{"alg":"EdDSA","kid":"one"}"#, &json_claims().to_string());
    assert_eq!(issuer.verify(&token, NOW), Err(TokenFault::Header));
}

/// J9
#[test]
fn j9_other_ways_to_write_a_token() {
    for issuer in issuers() {
        let token = issuer.issue(&claims()).unwrap();
        let parts: Vec<_> = token.split('.').collect();
        let body = json_claims().to_string();
        let others = [
            format!("{token}."),
            format!(".{token}"),
            format!("{token}.{}", parts[2]),
            format!("{token} "),
            format!(" {token}"),
            format!("{token}\n"),
            format!("{token}="),
            format!("{token}\0"),
            format!("{}.{}", parts[0], parts[1]),
            format!("{}..{}", parts[0], parts[2]),
            format!("Bearer {token}"),
            token.replace('-', "+").replace('_', "/") + "+",
            String::new(),
            ".".into(),
            "..".into(),
            "\u{e9}.\u{e9}.\u{e9}".into(),
        ];
        for other in others {
            assert!(issuer.verify(&other, NOW).is_err(), "{other}");
        }
        // The last letter of a part has bits that say nothing: only zeros are written there.
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut loose = 0;
        for letter in letters {
            let mut other = token.clone();
            other.pop();
            other.push(char::from(*letter));
            loose += usize::from(issuer.verify(&other, NOW).is_ok());
        }
        assert_eq!(loose, 1);
        for junk in
            [format!("{body}x"), format!("{body}{body}"), format!("[{body}]"), "null".into()]
        {
            let token = forged(&issuer, &header(&issuer), &junk);
            assert_eq!(issuer.verify(&token, NOW), Err(TokenFault::Claims), "{junk}");
        }
        let long = format!("{}.{}.{}", parts[0], "A".repeat(1 << 20), parts[2]);
        assert_eq!(issuer.verify(&long, NOW), Err(TokenFault::TooLong));
    }
}

/// J10: the other signature of the same message, zeros, and points of small order.
#[test]
fn j10_malleable_signatures() {
    let issuer = issuer();
    let token = issuer.issue(&claims()).unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    // The order of the group, little-endian: s and s + L are the same to those who do not look.
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut other = bytes.clone();
    let mut carry = 0_u16;
    for i in 0..32 {
        let sum = u16::from(other[32 + i]) + u16::from(order[i]) + carry;
        other[32 + i] = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    let mut one = [0; 64];
    one[0] = 1;
    for forged in [
        other,
        vec![0; 64],
        one.to_vec(),
        bytes[..63].to_vec(),
        [bytes.clone(), vec![0]].concat(),
        vec![],
    ] {
        let token = format!("{signed}.{}", encode(&forged));
        assert_eq!(issuer.verify(&token, NOW), Err(TokenFault::Signature), "{forged:?}");
    }
}

/// J11, J12: to the second.
#[test]
fn j11_and_j12_times_and_their_leeway() {
    for issuer in issuers() {
        let token = issuer.issue(&claims()).unwrap();
        let at = |seconds: i64| Timestamp::from_millis(NOW.as_millis() + seconds * 1_000);
        assert!(issuer.verify(&token, at(929)).is_ok());
        assert_eq!(issuer.verify(&token, at(930)), Err(TokenFault::Expired));
        assert_eq!(issuer.verify(&token, at(931)), Err(TokenFault::Expired));
        assert!(issuer.verify(&token, at(-29)).is_ok());
        assert!(issuer.verify(&token, at(-30)).is_ok());
        assert_eq!(issuer.verify(&token, at(-31)), Err(TokenFault::NotYet));
        let mut later = json_claims();
        later["nbf"] = json!(1_700_000_031);
        assert_eq!(with(&issuer, &later), Err(TokenFault::NotYet));
        later["nbf"] = json!(1_700_000_030);
        assert!(with(&issuer, &later).is_ok());
        for (iat, exp) in [(1_700_000_000, 1_700_000_901), (1_700_000_000, 1_700_000_000)] {
            let mut odd = json_claims();
            (odd["iat"], odd["exp"]) = (json!(iat), json!(exp));
            assert_eq!(with(&issuer, &odd), Err(TokenFault::Claims), "longer than tokens live");
        }
    }
    for wrong in [NOW, NOW.before(Duration::from_secs(1)), NOW.after(Duration::from_secs(901))] {
        assert!(issuer().issue(&AccessClaims { expires_at: wrong, ..claims() }).is_err());
    }
    let ancient = Timestamp::from_millis(-1_000);
    assert!(issuer().issue(&AccessClaims { issued_at: ancient, ..claims() }).is_err());
}

/// J13: keys take turns, and at no moment is a good token refused.
#[test]
fn j13_keys_take_turns_without_a_gap() {
    let at = |seconds: u64| NOW.after(Duration::from_secs(seconds));
    let keys = |count: u64| {
        let key = |i: u64| {
            let signs_from = at(i * 3_600);
            let times =
                KeyTimes { public_from: signs_from.before(Duration::from_secs(600)), signs_from };
            SigningKey::eddsa(format!("k{i}"), &[i as u8 + 1; 32], times).unwrap()
        };
        JwtIssuer::new(config(), (0..count).map(key).collect()).unwrap()
    };
    // One server has the new key already, the other has not; both sign and verify for each other while none is used.
    let (old, new) = (keys(2), keys(3));
    let mut kids = std::collections::BTreeSet::new();
    for second in (0..3 * 3_600).step_by(7) {
        let now = at(second);
        let claims = AccessClaims {
            issued_at: now,
            expires_at: now.after(Duration::from_secs(900)),
            ..claims()
        };
        let token = new.issue(&claims).unwrap();
        let head = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
        kids.insert(serde_json::from_slice::<Value>(&head).unwrap()["kid"].to_string());
        for later in [0, 450, 929] {
            new.verify(&token, at(second + later)).unwrap();
        }
        if second < 2 * 3_600 {
            new.verify(&old.issue(&claims).unwrap(), now).unwrap();
            old.verify(&token, now).unwrap();
        }
    }
    assert_eq!(kids.len(), 3);
    // An old key is good for no longer than its tokens.
    let token = new.issue(&claims()).unwrap();
    let stolen = new.keys["k0"].sign(token.rsplit_once('.').unwrap().0.as_bytes());
    assert_eq!(encode(stolen), token.rsplit_once('.').unwrap().1);
    let late = at(3_600 + 930);
    let mut fresh = json_claims();
    (fresh["iat"], fresh["nbf"], fresh["exp"]) =
        (json!(1_700_004_500), json!(1_700_004_500), json!(1_700_005_000));
    let signed = format!(
        "{}.{}",
        encode(r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k0"}"#),
        encode(fresh.to_string())
    );
    let token = format!("{signed}.{}", encode(new.keys["k0"].sign(signed.as_bytes())));
    assert_eq!(new.verify(&token, late), Err(TokenFault::UnknownKey));
    // All that may meet somebody are published.
    assert_eq!(new.public_keys()["keys"].as_array().unwrap().len(), 3);
    let soon = KeyTimes { public_from: NOW, signs_from: NOW.after(Duration::from_secs(599)) };
    let hasty = SigningKey::eddsa("new", &[9; 32], soon).unwrap();
    let error = JwtIssuer::new(config(), vec![ed("one", 1), hasty]).unwrap_err();
    assert_eq!(error.context("field"), Some("signs_from"));
}

#[test]
fn secrets_are_not_published() {
    let issuer = JwtIssuer::new(config(), vec![hs("one", "s".repeat(32))]).unwrap();
    assert_eq!(issuer.public_keys(), json!({ "keys": [] }));
    let public = self::issuer().public_keys().to_string();
    assert!(!public.contains(&encode([1; 32])) && !public.contains("\"d\""), "{public}");
}

#[test]
fn keys_that_do_not_go_together_are_refused() {
    for keys in [vec![], vec![ed("a", 1), ed("a", 2)], vec![ed("a", 1), hs("b", "s".repeat(32))]] {
        assert!(JwtIssuer::new(config(), keys).is_err());
    }
    for bad in [
        IssuerConfig { issuer: String::new(), ..config() },
        IssuerConfig { audience: String::new(), ..config() },
        IssuerConfig { leeway: Duration::from_secs(121), ..config() },
    ] {
        assert!(JwtIssuer::new(bad, vec![ed("a", 1)]).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(4_000), ..ProptestConfig::default() })]

    /// J17: a token that was changed anywhere is refused; `PROPTEST_CASES` makes it more.
    #[test]
    fn j17_changed_tokens_are_refused(
        place in any::<prop::sample::Index>(),
        letter in prop::sample::select(b"ABCzyx019-_.=+/ \0".to_vec()),
        cut in 0..4_usize,
    ) {
        let issuer = JwtIssuer::new(config(), vec![hs("one", "s".repeat(32))]).unwrap();
        let token = issuer.issue(&claims()).unwrap();
        let mut bytes = token.clone().into_bytes();
        let at = place.index(bytes.len());
        match cut {
            0 => { bytes.remove(at); }
            1 => bytes.insert(at, letter),
            2 => bytes.truncate(at),
            _ => bytes[at] = letter,
        }
        let changed = String::from_utf8(bytes).unwrap();
        prop_assert_eq!(issuer.verify(&changed, NOW).is_ok(), changed == token);
    }

    /// J17: anything at all.
    #[test]
    fn j17_anything_at_all_is_refused(text in "\\PC{0,300}") {
        prop_assert!(issuer().verify(&text, NOW).is_err());
    }
}
