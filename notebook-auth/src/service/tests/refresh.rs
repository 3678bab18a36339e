use super::*;

/// R2, R5, R33: tabs at once get the same bytes; those that come too often keep what they have.
#[tokio::test(start_paused = true)]
async fn r5_and_r33_the_same_child_and_no_cleared_cookie() {
    let policy = SessionPolicy { most_replays: 5, ..SessionPolicy::default() };
    let bench = bench_with(policy, clock()).await;
    let tokens = bench.signed_in().await;
    bench.wait(900);
    let child = bench.refreshed(&tokens).await.unwrap();
    bench.wait(1);
    for _ in 0..5 {
        let again = bench.refreshed(&tokens).await.unwrap();
        assert_eq!((&again.refresh, &again.access), (&child.refresh, &child.access));
        assert_eq!(again.access_expires_at, child.access_expires_at);
    }
    let fault = bench.refreshed(&tokens).await.unwrap_err();
    assert!(matches!(fault, RefreshFault::TooMany { .. }), "{fault:?}");
    assert!(!fault.clears_cookie());
    assert!(bench.is_good(&child).await);
    // R46: the new one itself is not rotated yet, and gives a younger access token.
    bench.wait(2);
    let same = bench.refreshed(&child).await.unwrap();
    assert_eq!(same.refresh, child.refresh);
    assert!(same.access_expires_at > child.access_expires_at);
}

/// R27, X0: what is not genuine is not looked up, and takes nobody's cookie.
#[tokio::test(start_paused = true)]
async fn r27_what_is_not_genuine_changes_nothing() {
    let bench = bench().await;
    let tokens = bench.signed_in().await;
    let before = bench.identity.session(tokens.session).await.unwrap().session;
    let mut forged = tokens.refresh.expose().to_owned();
    forged.replace_range(30..31, if &forged[30..31] == "A" { "B" } else { "A" });
    for token in [forged.as_str(), "", "nbr_", tokens.access.expose(), &"x".repeat(1 << 20)] {
        let fault = bench.auth.refresh(token, None, None).await.unwrap_err();
        assert!(matches!(fault, RefreshFault::Unauthorized { clear: false }), "{fault:?}");
    }
    assert_eq!(bench.identity.session(tokens.session).await.unwrap().session, before);
}

/// R28, T13
#[tokio::test(start_paused = true)]
async fn r28_another_workspaces_host_refuses_and_changes_nothing() {
    let bench = bench().await;
    let tokens = bench.signed_in().await;
    bench.wait(900);
    let token = tokens.refresh.expose();
    let fault = bench.auth.refresh(token, None, Some(TenantId::new())).await.unwrap_err();
    assert!(matches!(fault, RefreshFault::Unauthorized { clear: false }));
    let unknown = bench.auth.refresh("nbr_x", None, Some(TenantId::new())).await.unwrap_err();
    assert_eq!(fault.to_string(), unknown.to_string(), "no hint that it exists");
    bench.auth.refresh(token, None, Some(tokens.tenant)).await.unwrap();
}

/// R29
#[tokio::test(start_paused = true)]
async fn r29_a_bound_session_wants_its_proof() {
    let bench = bench().await;
    bench.register("ada@example.org").await;
    let bound = SignIn { binding: Some([1; 32]), ..request("ada@example.org", PASSWORD) };
    let tokens = bench.auth.sign_in(bound).await.unwrap();
    bench.wait(900);
    let token = tokens.refresh.expose();
    let next = bench.auth.refresh(token, Some([1; 32]), None).await.unwrap();
    let fault = bench.auth.refresh(next.refresh.expose(), Some([2; 32]), None).await.unwrap_err();
    assert!(matches!(fault, RefreshFault::Unauthorized { .. }));
    let session = bench.identity.session(tokens.session).await.unwrap().session;
    assert_eq!(session.state, SessionState::Revoked);
}

/// R22, R24, X14: a store that does not answer costs nobody their session.
#[tokio::test]
async fn r22_a_store_that_is_away_keeps_everybody_signed_in() {
    let folder = tempfile::tempdir().unwrap();
    let clock = clock();
    let open = async || {
        let file = SqliteConfig::new(folder.path().join("a.db"));
        let store = SqlStore::sqlite(file).await.unwrap();
        let time = QueueTime::Clock(clock.clone());
        let identity = SqlIdentity::new(&store, time, SessionPolicy::default());
        let auth = auth_of(Arc::new(identity), clock.clone(), SessionPolicy::default()).await;
        (store, auth)
    };
    let (store, auth) = open().await;
    auth.register(registration("ada@example.org")).await.unwrap();
    let tokens = auth.sign_in(request("ada@example.org", PASSWORD)).await.unwrap();
    clock.advance(Duration::from_secs(900));
    store.close().await.unwrap();
    let fault = auth.refresh(tokens.refresh.expose(), None, None).await.unwrap_err();
    assert!(matches!(fault, RefreshFault::Unavailable { .. }), "{fault:?}");
    assert!(!fault.clears_cookie());
    let (_store, auth) = open().await;
    let next = auth.refresh(tokens.refresh.expose(), None, None).await.unwrap();
    assert_ne!(next.refresh, tokens.refresh);
    auth.authenticate(next.access.expose()).await.unwrap();
}

/// R25: a machine whose clock is wrong makes and takes good tokens.
#[tokio::test(start_paused = true)]
async fn r25_a_wrong_clock_changes_nothing() {
    for minutes in [-10_i64, 10] {
        let local = Timestamp::from_millis(1_700_000_000_000 + minutes * 60_000);
        let bench = bench_with(SessionPolicy::default(), Arc::new(ManualClock::at(local))).await;
        let mut tokens = bench.signed_in().await;
        for _ in 0..5 {
            assert!(bench.is_good(&tokens).await);
            bench.wait(840);
            assert!(bench.is_good(&tokens).await);
            bench.wait(90);
            assert!(!bench.is_good(&tokens).await);
            tokens = bench.refreshed(&tokens).await.unwrap();
        }
    }
}

/// R7 by the bytes: the access token of the child counts as its use.
#[tokio::test(start_paused = true)]
async fn r7_a_used_access_token_makes_the_old_refresh_token_a_theft() {
    let bench = bench().await;
    let tokens = bench.signed_in().await;
    bench.wait(900);
    let child = bench.refreshed(&tokens).await.unwrap();
    bench.wait(120);
    assert!(bench.is_good(&child).await);
    let fault = bench.refreshed(&tokens).await.unwrap_err();
    assert!(matches!(fault, RefreshFault::Unauthorized { .. }), "{fault:?}");
    assert!(!bench.is_good(&child).await, "and at once nothing of the session is good");
    // Without the use, it is a reply that was lost.
    let tokens = bench.auth.sign_in(request("ada@example.org", PASSWORD)).await.unwrap();
    bench.wait(900);
    let child = bench.refreshed(&tokens).await.unwrap();
    bench.wait(120);
    assert_eq!(bench.refreshed(&tokens).await.unwrap().refresh, child.refresh);
}

/// R33: a tab whose request was sent with a token that has meanwhile become worthless must not take the cookie that
/// another tab was given when its user signed in anew. Only what ended long ago is cleared.
#[tokio::test(start_paused = true)]
async fn r33_a_late_refusal_takes_no_cookie_that_is_new() {
    let bench = bench().await;
    let old = bench.signed_in().await;
    bench.auth.sign_out(old.refresh.expose()).await.unwrap();
    let new = bench.auth.sign_in(request("ada@example.org", PASSWORD)).await.unwrap();
    for _ in 0..3 {
        let fault = bench.refreshed(&old).await.unwrap_err();
        assert!(matches!(fault, RefreshFault::Unauthorized { clear: false }), "{fault:?}");
        bench.wait(19);
    }
    bench.wait(3);
    let fault = bench.refreshed(&old).await.unwrap_err();
    assert!(matches!(fault, RefreshFault::Unauthorized { clear: true }), "{fault:?}");
    assert!(bench.is_good(&new).await);
    // A theft that is found now: the browser's other tab may be the thief's victim with a new sign-in.
    bench.wait(900);
    let next = bench.refreshed(&new).await.unwrap();
    bench.wait(120);
    assert!(bench.is_good(&next).await);
    assert!(!bench.refreshed(&new).await.unwrap_err().clears_cookie());
    bench.wait(60);
    assert!(bench.refreshed(&new).await.unwrap_err().clears_cookie());
    // What is over by time is.
    let idle = bench.auth.sign_in(request("ada@example.org", PASSWORD)).await.unwrap();
    bench.wait(31 * 24 * 3_600);
    let fault = bench.refreshed(&idle).await.unwrap_err();
    assert!(matches!(fault, RefreshFault::Expired) && fault.clears_cookie());
    // What the store does not know, perhaps since it was set back, is left alone.
    let elsewhere = self::bench().await;
    let fault = elsewhere.refreshed(&idle).await.unwrap_err();
    assert!(matches!(fault, RefreshFault::Unauthorized { clear: false }));
}

/// X14: that something is not found is said of sessions only where a session is what is missing.
#[tokio::test(start_paused = true)]
async fn x14_a_store_without_its_tables_signs_nobody_out() {
    let bench = bench().await;
    let tokens = bench.signed_in().await;
    assert!(bench.is_good(&tokens).await);
    let fault = || notebook_core::Error::not_found("open database", "table");
    for method in ["present", "session"] {
        bench.hooks.fail(method, fault);
    }
    let fault = bench.refreshed(&tokens).await.unwrap_err();
    assert!(matches!(fault, RefreshFault::Unavailable { .. }), "{fault:?}");
    let hosted = bench.auth.refresh(tokens.refresh.expose(), None, Some(tokens.tenant)).await;
    assert!(matches!(hosted.unwrap_err(), RefreshFault::Unavailable { .. }));
    tokio::time::advance(Duration::from_millis(5_001)).await;
    refused(bench.auth.authenticate(tokens.access.expose()).await, ErrorKind::NotFound);
    let ended = bench.auth.end_session(tokens.user, tokens.session).await.unwrap_err();
    assert_eq!(ended.context("what"), Some("table"));
}
