//! Our side of a sign-in, against a real OpenID provider that the test starts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../notebook-server/tests/openid/provider.rs"]
mod provider;

use std::{sync::Arc, time::Duration};

use notebook_auth::oidc::{
    Arrival, Pending, Person, Provider, ProviderConfig, Purpose, Refusal, Refused,
};
use notebook_core::{
    Clock, Secret, Timestamp,
    clock::{ManualClock, SystemClock},
    http::{HttpClient, HttpConfig},
};
use provider::{Browser, CLIENT, OpenId, SECRET, parameter};
use serde_json::{Value, json};

/// Where nobody listens: the browser stops here.
const BACK: &str = "http://127.0.0.1:9/callback";

fn start(settings: Value) -> OpenId {
    OpenId::start(BACK, settings)
}

fn client(issuer: &str, secret: &str, clock: Arc<dyn Clock>) -> Provider {
    let config = ProviderConfig {
        name: "example".into(),
        issuer: issuer.into(),
        client_id: CLIENT.into(),
        client_secret: Some(Secret::new(secret)),
        scopes: vec!["email".into(), "profile".into()],
        redirect: BACK.into(),
    };
    Provider::new(config, HttpClient::new(&HttpConfig::default()).unwrap(), clock).unwrap()
}

fn of(openid: &OpenId) -> Provider {
    client(&openid.issuer, SECRET, Arc::new(SystemClock))
}

fn seconds() -> u64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

fn purpose() -> Purpose {
    Purpose::SignIn { workspace: None, invitation: None }
}

/// To the provider and back.
async fn round(provider: &Provider, name: &str) -> (Arrival, Pending) {
    let (place, pending) = provider.begin(purpose(), "/".into()).await.unwrap();
    let back = Browser::new().at_provider(place, BACK, name).await;
    assert_eq!(parameter(&back, "state").unwrap(), pending.state);
    let (code, issuer) = (parameter(&back, "code").unwrap(), parameter(&back, "iss"));
    (Arrival { code, issuer }, pending)
}

async fn sign_in(provider: &Provider, name: &str) -> Result<Person, Refused> {
    let (arrival, pending) = round(provider, name).await;
    provider.identify(arrival, &pending).await
}

#[track_caller]
fn refusal(result: Result<Person, Refused>) -> Refusal {
    result.expect_err("it must be refused").refusal
}

/// G4: each algorithm that is taken; claims in the ID token, and beside it.
#[tokio::test]
async fn g4_a_real_provider_says_who_it_is() {
    for (alg, in_token) in [("RS256", true), ("ES256", true), ("EdDSA", false)] {
        let openid = start(json!({ "alg": alg, "emailInIdToken": in_token }));
        let provider = of(&openid);
        let ada = sign_in(&provider, "ada").await.unwrap();
        let external = (&ada.external.issuer, ada.external.subject.as_str());
        assert_eq!(external, (&openid.issuer, "ada"));
        assert_eq!(ada.email.as_deref(), Some("ada@example.org"), "{alg}");
        assert_eq!((ada.email_verified, ada.name.as_deref()), (true, Some("Ada Lovelace")));
        let eve = sign_in(&provider, "eve").await.unwrap();
        assert_eq!((eve.email.as_deref(), eve.email_verified), (Some("eve@example.com"), false));
        assert_eq!(sign_in(&provider, "nobody").await.unwrap().email, None);
        assert_eq!(openid.count("/me").await, if in_token { 1 } else { 3 }, "{alg}");
        for path in ["/jwks", "/.well-known/openid-configuration"] {
            assert_eq!(openid.count(path).await, 1, "{alg} {path}");
        }
    }
}

/// J7, J11, J12 over the wire: a token that the provider signed, and that is not for this sign-in.
#[tokio::test]
async fn g4_a_token_that_is_not_for_this_sign_in_is_refused() {
    let openid = start(json!({ "emailInIdToken": true }));
    let (provider, now) = (of(&openid), seconds());
    for tampered in [
        json!({ "nonce": "of-another-sign-in" }),
        json!({ "nonce": null }),
        json!({ "aud": "another-client" }),
        json!({ "aud": [CLIENT, "another-client"], "azp": CLIENT }),
        json!({ "azp": "another-client" }),
        json!({ "iss": "https://evil.example.org" }),
        json!({ "exp": now - 60 }),
        json!({ "iat": now + 3_600, "exp": now + 7_200 }),
        json!({ "iat": now - 3_600 }),
        json!({ "at_hash": "AAAAAAAAAAAAAAAAAAAAAA" }),
    ] {
        openid.tamper(tampered.clone()).await;
        assert_eq!(refusal(sign_in(&provider, "ada").await), Refusal::Invalid, "{tampered}");
    }
    assert_eq!(openid.count("/jwks").await, 1);
    openid.tamper(json!({})).await;
    sign_in(&provider, "ada").await.unwrap();
}

/// A code is good once, with its own verifier and nonce, from who asked for it.
#[tokio::test]
async fn g4_a_code_is_good_once_and_for_who_asked() {
    let openid = start(json!({}));
    let provider = of(&openid);
    let (arrival, pending) = round(&provider, "ada").await;
    provider.identify(arrival.clone(), &pending).await.unwrap();
    assert_eq!(refusal(provider.identify(arrival, &pending).await), Refusal::Expired);
    // A code of one sign-in in another one: the provider refuses it for its verifier.
    let (arrival, _) = round(&provider, "ada").await;
    let (_, another) = round(&provider, "ada").await;
    assert_eq!(refusal(provider.identify(arrival, &another).await), Refusal::Expired);
    // With the right verifier and the nonce of another.
    let (arrival, pending) = round(&provider, "ada").await;
    let swapped = Pending { nonce: another.nonce.clone(), ..pending };
    assert_eq!(refusal(provider.identify(arrival, &swapped).await), Refusal::Invalid);
    // Of another provider (RFC 9207).
    let (arrival, pending) = round(&provider, "ada").await;
    let other = Arrival { issuer: Some("https://evil.example.org".into()), ..arrival };
    assert_eq!(refusal(provider.identify(other, &pending).await), Refusal::Invalid);
    // Without a verifier, at the provider itself.
    for verifier in [None, Some("a-verifier-of-somebody-else-0123456789-0123456789")] {
        let (arrival, _) = round(&provider, "ada").await;
        let said = openid.exchange(&arrival.code, BACK, verifier).await;
        assert_eq!(said["error"], "invalid_grant", "{said}");
    }
    let wrong = client(&openid.issuer, "not-the-secret", Arc::new(SystemClock));
    assert_eq!(refusal(sign_in(&wrong, "ada").await), Refusal::Misconfigured);
}

/// J14: new keys cost one look; within the next minute there is no other.
#[tokio::test]
async fn j14_new_keys_cost_one_look() {
    // Ahead, as far as a slow machine may take: it stands still, and the provider's does not.
    let now = i64::try_from(seconds() + 60).unwrap() * 1_000;
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(now)));
    let openid = start(json!({}));
    let provider = client(&openid.issuer, SECRET, clock.clone());
    sign_in(&provider, "ada").await.unwrap();
    clock.advance(Duration::from_secs(60));
    let openid = openid.restarted();
    let all = (0..4).map(|_| sign_in(&provider, "ada"));
    for person in futures::future::join_all(all).await {
        person.unwrap();
    }
    assert_eq!(openid.count("/jwks").await, 1);
    assert_eq!(openid.count("/.well-known/openid-configuration").await, 0);
    let openid = openid.restarted();
    for _ in 0..3 {
        assert_eq!(refusal(sign_in(&provider, "ada").await), Refusal::Invalid);
    }
    assert_eq!(openid.count("/jwks").await, 0);
    clock.advance(Duration::from_secs(60));
    sign_in(&provider, "ada").await.unwrap();
    assert_eq!(openid.count("/jwks").await, 1);
}

/// Away, and silent.
#[tokio::test]
async fn g4_a_provider_that_does_not_answer_is_given_up() {
    let mut openid = start(json!({}));
    let provider = of(&openid);
    let (arrival, pending) = round(&provider, "ada").await;
    openid.stop();
    assert_eq!(refusal(provider.identify(arrival, &pending).await), Refusal::Unavailable);
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", silent.local_addr().unwrap());
    let provider = client(&issuer, SECRET, Arc::new(SystemClock));
    let began = std::time::Instant::now();
    let all = (0..5).map(|_| provider.begin(purpose(), "/".into()));
    for begun in futures::future::join_all(all).await {
        assert_eq!(begun.unwrap_err().refusal, Refusal::Unavailable);
    }
    // Many wait for one, and not one after the other.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}
