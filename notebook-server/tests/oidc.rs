//! Signing in at a real OpenID provider, which the test starts: the whole way of a browser, and every way that goes wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
mod openid;

use std::time::{Duration, Instant};

use common::{Server, folder, people::Person};
use openid::{Browser, CLIENT, OpenId, free_port, location, parameter, redirect, replaced, setup};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The cookie of a sign-in that has begun.
const PENDING: &str = "__Host-notebook_oidc";
const ACCESS: &str = "__Host-notebook_access";

struct House {
    _folder: TempDir,
    server: Server,
    provider: OpenId,
}

fn house(settings: Value, more: &str) -> House {
    let (folder, port) = (folder(), free_port());
    let provider = OpenId::start(&redirect(port), settings);
    let server = setup(folder.path(), port, &provider.issuer, more).start_at(port);
    House { _folder: folder, server, provider }
}

async fn json_of(browser: &mut Browser, server: &Server, path: &str) -> Value {
    let reply = browser.by_script(server, Method::GET, path, None).await;
    assert_eq!(reply.status(), 200, "{path}");
    reply.json().await.unwrap()
}

/// G4: what a browser does, to the provider and back, twice.
#[tokio::test]
async fn g4_a_browser_signs_in_at_a_real_provider() {
    let House { server, provider, .. } = &house(json!({}), "");
    let list = server.json("/api/auth/oidc").await;
    assert_eq!(list, json!({ "items": [{ "name": "example", "label": "Example" }] }));

    let mut browser = Browser::new();
    let start = format!("{}/api/auth/oidc/example/start?to=/account/profile%3Fa%3Db", server.url);
    let sent = browser.get(&start).await;
    assert_eq!(sent.status(), 303);
    assert_eq!(sent.headers()["cache-control"], "no-store");
    let cookie = sent.headers()["set-cookie"].to_str().unwrap();
    for part in [PENDING, "HttpOnly", "Secure", "SameSite=Lax", "Path=/;"] {
        assert!(cookie.contains(part), "{part}: {cookie}");
    }
    // Ten minutes, of which some of a second may be over.
    let (_, life) = cookie.split_once("Max-Age=").unwrap();
    assert!((595..=600).contains(&life.parse::<u32>().unwrap()), "{cookie}");
    assert!(!cookie.contains("Domain"), "{cookie}");
    let place = location(&sent).unwrap();
    for (name, expected) in [
        ("response_type", "code"),
        ("code_challenge_method", "S256"),
        ("client_id", CLIENT),
        ("scope", "openid email profile"),
    ] {
        assert_eq!(parameter(&place, name).as_deref(), Some(expected), "{place}");
    }
    for name in ["state", "nonce", "code_challenge"] {
        assert!(parameter(&place, name).unwrap().len() >= 43, "{name} in {place}");
    }
    let back = browser.at_provider(place, &server.url, "ada").await;
    let to = browser.arrive(server, &back).await;
    assert_eq!(to, "/account/profile?a=b");
    assert_eq!(browser.cookie(&server.url, PENDING), None, "of use once");

    let session = browser.session(server).await.unwrap();
    assert_eq!(session["user"]["email"], "ada@example.org");
    assert_eq!(session["user"]["name"], "Ada Lovelace");
    let made = browser
        .by_script(server, Method::POST, "/api/notebooks", Some(json!({ "name": "Mine" })))
        .await;
    assert_eq!(made.status(), 201);
    let identities = json_of(&mut browser, server, "/api/auth/identities").await;
    assert_eq!(identities["items"][0]["provider"], "example");
    assert_eq!(identities["items"][0]["issuer"], provider.issuer.as_str());

    // Another browser of the same person: the same user, and nothing is asked twice of the provider.
    let mut other = Browser::new();
    assert_eq!(other.sign_in(server, "ada").await, "/");
    assert_eq!(other.session(server).await.unwrap()["user"], session["user"]);
    for path in ["/jwks", "/.well-known/openid-configuration"] {
        assert_eq!(provider.count(path).await, 1, "{path}");
    }
    // Somebody else is somebody else.
    let mut bobs = Browser::new();
    bobs.sign_in(server, "bob").await;
    assert_eq!(bobs.session(server).await.unwrap()["user"]["email"], "bob@example.org");
}

/// Every algorithm that is taken; claims in the ID token, and beside it.
#[tokio::test]
async fn g4_es256_and_eddsa_are_taken_too() {
    for (alg, in_token) in [("ES256", true), ("EdDSA", false)] {
        let House { server, provider, .. } =
            &house(json!({ "alg": alg, "emailInIdToken": in_token }), "");
        let mut browser = Browser::new();
        assert_eq!(browser.sign_in(server, "ada").await, "/", "{alg}");
        assert!(browser.session(server).await.is_some(), "{alg}");
        assert_eq!(provider.count("/me").await, u64::from(!in_token), "{alg}");
    }
}

/// A browser that did not begin, an answer to another question, and one that was taken before.
#[tokio::test]
async fn g4_an_answer_counts_once_and_where_it_was_asked_for() {
    let House { server, provider, .. } = &house(json!({}), "");
    let expired = "/?sign_in=expired&provider=example";
    let mut browser = Browser::new();
    let back = browser.round(server, "ada", "").await;

    // In somebody else's browser, who is to be signed in as another (login CSRF).
    assert_eq!(Browser::new().arrive(server, &back).await, expired);
    let mut began = Browser::new();
    began.round(server, "bob", "").await;
    assert_eq!(began.arrive(server, &back).await, expired);
    assert_eq!(began.session(server).await, None);

    let state = parameter(&back, "state").unwrap();
    for wrong in ["", "0", &state.to_uppercase(), &format!("{state}0")] {
        let place = browser.arrive(server, &replaced(&back, "state", wrong)).await;
        assert_eq!(place, expired, "{wrong}");
    }
    // None of these has spoiled it.
    let kept = browser.cookie(&server.url, PENDING).unwrap().clone();
    assert_eq!(provider.count("/token").await, 0);
    assert_eq!(browser.arrive(server, &back).await, "/");
    assert!(browser.session(server).await.is_some());

    // Again: without the cookie, and with it.
    assert_eq!(browser.arrive(server, &back).await, expired);
    let mut again = Browser::new();
    again.set_cookie(&server.url, PENDING, &kept);
    assert_eq!(again.arrive(server, &back).await, expired);
    assert_eq!(again.session(server).await, None);
    assert_eq!(provider.count("/token").await, 2, "the provider was asked, and refused");

    // A cookie that somebody wrote.
    let mut forger = Browser::new();
    let (body, _) = kept.rsplit_once('.').unwrap();
    forger.set_cookie(&server.url, PENDING, &format!("{body}.AAAA"));
    assert_eq!(forger.arrive(server, &back).await, expired);

    // Another provider's answer (RFC 9207), and one without a code.
    for (name, value) in [("iss", "https://evil.example.org"), ("code", "")] {
        let mut browser = Browser::new();
        let back = browser.round(server, "ada", "").await;
        let place = browser.arrive(server, &replaced(&back, name, value)).await;
        assert_eq!(place, "/?sign_in=invalid&provider=example", "{name}");
        assert_eq!(browser.session(server).await, None);
    }
    assert_eq!(server.get("/api/auth/oidc/other/start").await.status(), 404);
    assert_eq!(server.get("/api/auth/oidc/other/callback").await.status(), 404);
}

/// J7, J11, J12 over the wire: a token that the provider signed, and that is not for this sign-in.
#[tokio::test]
async fn g4_a_token_that_is_not_for_this_sign_in_is_refused() {
    let House { server, provider, .. } = &house(json!({ "emailInIdToken": true }), "");
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let cases = [
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
    ];
    for tampered in cases {
        let mut browser = Browser::new();
        provider.tamper(tampered.clone()).await;
        let place = browser.sign_in(server, "ada").await;
        assert_eq!(place, "/?sign_in=invalid&provider=example", "{tampered}");
        assert_eq!(browser.cookie(&server.url, ACCESS), None, "{tampered}");
        assert_eq!(browser.session(server).await, None, "{tampered}");
    }
    assert_eq!(provider.count("/jwks").await, 1);
    provider.tamper(json!({})).await;
    assert_eq!(Browser::new().sign_in(server, "ada").await, "/");
}

/// J14: a provider with new keys is believed after one look at them, and a token of a key that is nobody's costs nothing.
#[tokio::test]
async fn j14_new_keys_cost_one_look() {
    let House { server, provider, _folder } = house(json!({}), "");
    assert_eq!(Browser::new().sign_in(&server, "ada").await, "/");
    let (provider, began) = (provider.restarted(), Instant::now());
    let all = (0..4).map(async |_| Browser::new().sign_in(&server, "ada").await);
    for place in futures::future::join_all(all).await {
        assert_eq!(place, "/");
    }
    assert_eq!(provider.count("/jwks").await, 1);
    assert_eq!(provider.count("/.well-known/openid-configuration").await, 0);
    // Once more within the minute: it is not looked again.
    let provider = provider.restarted();
    let mut places = Vec::new();
    for _ in 0..3 {
        places.push(Browser::new().sign_in(&server, "ada").await);
    }
    let (looks, minutes) = (provider.count("/jwks").await, began.elapsed().as_secs() / 60);
    assert!(looks <= minutes, "{looks} in {minutes} minutes");
    if looks == 0 {
        assert_eq!(places, ["/?sign_in=invalid&provider=example"; 3]);
    }
}

/// The provider holds us to PKCE: a code is worth nothing to who has only the code and the client's secret.
#[tokio::test]
async fn g4_a_code_without_its_verifier_is_worth_nothing() {
    let House { server, provider, .. } = &house(json!({}), "");
    let redirect = format!("{}/api/auth/oidc/example/callback", server.url);
    for verifier in [None, Some("a-verifier-of-somebody-else-0123456789-0123456789")] {
        let back = Browser::new().round(server, "ada", "").await;
        let code = parameter(&back, "code").unwrap();
        let said = provider.exchange(&code, &redirect, verifier).await;
        assert_eq!(said["error"], "invalid_grant", "{said}");
    }
}

/// The provider says no, is away, or does not answer: the person is told, and nothing waits for long.
#[tokio::test]
async fn g4_a_provider_that_says_no_or_nothing_is_no_riddle() {
    let House { server, mut provider, _folder } = house(json!({}), "");
    for (error, reason) in [
        ("access_denied", "denied"),
        ("temporarily_unavailable", "unavailable"),
        ("invalid_scope", "misconfigured"),
    ] {
        let mut browser = Browser::new();
        let back = browser.round(&server, "ada", "").await;
        let state = parameter(&back, "state").unwrap();
        let no = format!(
            "{}/api/auth/oidc/example/callback?error={error}&state={state}&error_description=x",
            server.url
        );
        let place = browser.arrive(&server, &no).await;
        assert_eq!(place, format!("/?sign_in={reason}&provider=example"));
    }
    // Away, between the going and the coming.
    let mut browser = Browser::new();
    let back = browser.round(&server, "ada", "").await;
    provider.stop();
    let place = browser.arrive(&server, &back).await;
    assert_eq!(place, "/?sign_in=unavailable&provider=example");
    // The passwords go on.
    Person::register(&server, "grace").await;
}

/// A provider that was never there, and one that takes connections and says nothing.
#[tokio::test]
async fn g4_a_provider_that_does_not_answer_is_given_up() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", silent.local_addr().unwrap());
    let (folder, port) = (folder(), free_port());
    let server = setup(folder.path(), port, &issuer, "").start_at(port);
    let start = format!("{}/api/auth/oidc/example/start", server.url);
    let began = Instant::now();
    // Many wait for one.
    let all = (0..5).map(async |_| Browser::new().get(&start).await);
    for reply in futures::future::join_all(all).await {
        let place = location(&reply).unwrap();
        assert_eq!(place, format!("{}/?sign_in=unavailable&provider=example", server.url));
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    drop(silent);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let path = "/api/auth/oidc/example/start";
    let reply = Browser::new().by_script(&server, Method::POST, path, Some(json!({}))).await;
    assert_eq!(reply.status(), 503);
    let problem: Value = reply.json().await.unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("provider"), "{problem}");
}

/// Afterwards the browser goes to a path of the page and nowhere else.
#[tokio::test]
async fn g4_a_sign_in_leads_to_no_other_site() {
    let House { server, .. } = &house(json!({}), "");
    for to in [
        "https://evil.example",
        "//evil.example",
        "/%5Cevil.example",
        "/.//evil.example",
        "/api/keys",
    ] {
        let path = format!("/api/auth/oidc/example/start?to={to}");
        let reply = Browser::new().get(&format!("{}{path}", server.url)).await;
        assert_eq!(reply.status(), 422, "{to}");
        let problem: Value = reply.json().await.unwrap();
        assert_eq!(problem["field"], "to");
    }
    // Another page cannot begin it as if it were ours, to link an account or with an invitation.
    let path = "/api/auth/oidc/example/start";
    let headers = [("sec-fetch-site", "cross-site".to_owned())];
    let body = Some(("application/json", "{}".to_owned()));
    let url = format!("{}{path}", server.url);
    let reply = Browser::new().send(Method::POST, &url, &headers, body).await;
    assert_eq!(reply.status(), 403);
    let reply =
        Browser::new().by_script(server, Method::POST, path, Some(json!({ "link": true }))).await;
    assert_eq!(reply.status(), 401);
}

/// An address alone is nobody: who has an account signs in to it and links it.
#[tokio::test]
async fn g4_an_account_is_linked_by_who_is_signed_in() {
    let House { server, provider, .. } = &house(json!({}), "");
    Person::register(server, "ada").await;
    let mut browser = Browser::new();
    let place = browser.sign_in(server, "ada").await;
    assert_eq!(place, "/?sign_in=email_taken&provider=example");
    assert_eq!(browser.session(server).await, None);
    for (name, reason) in [("eve", "email_unverified"), ("nobody", "email_missing")] {
        let place = Browser::new().sign_in(server, name).await;
        assert_eq!(place, format!("/?sign_in={reason}&provider=example"));
    }

    let login = json!({ "email": "ada@example.org", "password": common::people::PASSWORD });
    let signed = browser.by_script(server, Method::POST, "/api/auth/login", Some(login)).await;
    assert_eq!(signed.status(), 200);
    let link = async |browser: &mut Browser| {
        let body = json!({ "link": true, "to": "/account/profile" });
        let path = "/api/auth/oidc/example/start";
        let begun = browser.by_script(server, Method::POST, path, Some(body)).await;
        assert_eq!(begun.status(), 200);
        let begun: Value = begun.json().await.unwrap();
        let place = begun["location"].as_str().unwrap().to_owned();
        browser.at_provider(place, &server.url, "ada").await
    };
    let back = link(&mut browser).await;
    assert_eq!(browser.arrive(server, &back).await, "/account/profile");
    let mut other = Browser::new();
    assert_eq!(other.sign_in(server, "ada").await, "/");
    let mine = other.session(server).await.unwrap();
    assert_eq!(mine["user"]["email"], "ada@example.org");

    // Another user cannot have it too, and who signed out meanwhile links nothing.
    let mut bobs = Browser::new();
    assert_eq!(bobs.sign_in(server, "bob").await, "/");
    bobs.forget(&provider.issuer);
    let back = link(&mut bobs).await;
    let place = bobs.arrive(server, &back).await;
    assert_eq!(place, "/account/profile?link=linked_elsewhere&provider=example");
    let back = link(&mut bobs).await;
    bobs.by_script(server, Method::POST, "/api/auth/logout", None).await;
    let place = bobs.arrive(server, &back).await;
    assert_eq!(place, "/account/profile?link=signed_out&provider=example");

    // Unlinked it is nobody's again; the last way in stays.
    let identities = json_of(&mut browser, server, "/api/auth/identities").await;
    let path = format!("/api/auth/identities/{}", identities["items"][0]["id"].as_str().unwrap());
    let mut bobs = Browser::new();
    bobs.sign_in(server, "bob").await;
    assert_eq!(bobs.by_script(server, Method::DELETE, &path, None).await.status(), 404);
    let only = json_of(&mut bobs, server, "/api/auth/identities").await;
    let last = format!("/api/auth/identities/{}", only["items"][0]["id"].as_str().unwrap());
    assert_eq!(bobs.by_script(server, Method::DELETE, &last, None).await.status(), 409);
    assert_eq!(browser.by_script(server, Method::DELETE, &path, None).await.status(), 204);
    let place = Browser::new().sign_in(server, "ada").await;
    assert_eq!(place, "/?sign_in=email_taken&provider=example");
}

/// Who becomes a user is said by the registration, by the provider's own where it has one, and by domains.
#[tokio::test]
async fn g4_who_becomes_a_user_is_said_by_the_settings() {
    let more =
        ", registration=\"invited\", link_verified_email=false, allowed_domains=[\"example.org\"]";
    let House { server, .. } = &house(json!({}), more);
    let ada = Browser::new().sign_in(server, "ada").await;
    assert_eq!(ada, "/?sign_in=not_invited&provider=example");
    let eve = Browser::new().sign_in(server, "eve").await;
    assert_eq!(eve, "/?sign_in=email_unverified&provider=example");

    let owner = Person::register(server, "owner").await;
    let team = owner.made("/api/workspaces", json!({ "name": "Team" })).await;
    let there = json!({ "email": "owner@example.org", "password": common::people::PASSWORD,
        "workspace": team["id"], "transport": "bearer" });
    let there = owner.post("/api/auth/login", there).await.json::<Value>().await.unwrap();
    let owner = Person::of(server, there);
    let invited = owner
        .made("/api/invitations", json!({ "email": "ada@example.org", "role": "analyst" }))
        .await;
    let mut browser = Browser::new();
    let body = json!({ "invitation": invited["token"] });
    let path = "/api/auth/oidc/example/start";
    let begun = browser.by_script(server, Method::POST, path, Some(body)).await;
    let begun: Value = begun.json().await.unwrap();
    let place = begun["location"].as_str().unwrap().to_owned();
    assert!(!place.contains(invited["token"].as_str().unwrap()));
    let back = browser.at_provider(place, &server.url, "ada").await;
    assert_eq!(browser.arrive(server, &back).await, "/");
    let session = browser.session(server).await.unwrap();
    assert_eq!(session["workspace"]["id"], team["id"]);
    assert_eq!(session["workspace"]["role"], "analyst");
}

/// G6: as often as a password may be tried.
#[tokio::test]
async fn g6_sign_ins_elsewhere_are_counted_too() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", silent.local_addr().unwrap());
    drop(silent);
    let (folder, port) = (folder(), free_port());
    let server = setup(folder.path(), port, &issuer, "")
        .with("NOTEBOOK__RATE_LIMITS__ENABLED", "true")
        .start_at(port);
    let mut seen = Vec::new();
    for _ in 0..40 {
        let url = format!("{}/api/auth/oidc/example/callback?state=a&code=b", server.url);
        seen.push(Browser::new().get(&url).await.status().as_u16());
    }
    assert_eq!((seen[0], *seen.last().unwrap()), (303, 429), "{seen:?}");
}

/// G4, H7: the page in Chromium, with the provider's own pages in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g4_h7_the_page_signs_in_links_and_tells_why_not() {
    let house = house(json!({}), "");
    let url = house.server.url.clone();
    let output = tokio::task::spawn_blocking(move || {
        std::process::Command::new("node")
            .arg("e2e/openid-sign-in.mjs")
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/web"))
            .env("URL", url)
            .output()
            .unwrap()
    });
    let output = output.await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
