use futures::FutureExt as _;

use super::*;

/// J20, G1: a hash of an older system is replaced at the next sign-in, once.
#[tokio::test(start_paused = true)]
async fn j20_hashes_of_an_older_system_are_replaced() {
    let bench = bench().await;
    let old = bcrypt::hash_with_salt(PASSWORD, 4, [3; 16]).unwrap().to_string();
    let id = UserId::new();
    let new = NewUser {
        id,
        email: "ada@example.org".into(),
        name: "Ada".into(),
        password: Some(old.clone()),
        workspace: TenantId::new(),
        by: Actor::User(id),
    };
    bench.identity.create_user(new).await.unwrap();
    let stored = async || bench.identity.user(id).await.unwrap();
    bench.auth.sign_in(request("ada@example.org", "wrong horse")).await.unwrap_err();
    assert_eq!(stored().await.password, Some(old));
    let first = bench.auth.sign_in(request("ada@example.org", PASSWORD)).await.unwrap();
    let upgraded = stored().await;
    assert!(upgraded.password.as_ref().unwrap().starts_with("$argon2id$"));
    assert_eq!(upgraded.epoch, 0, "nobody is signed out by it");
    assert!(bench.is_good(&first).await);
    bench.auth.sign_in(request("ada@example.org", PASSWORD)).await.unwrap();
    assert_eq!(stored().await.password, upgraded.password);
}

/// R18
#[tokio::test(start_paused = true)]
async fn a_changed_password_ends_all_sessions_but_the_new_one() {
    let bench = bench().await;
    let one = bench.signed_in().await;
    let other = bench.auth.sign_in(request("ada@example.org", PASSWORD)).await.unwrap();
    let (old, new) = (Secret::new(PASSWORD), Secret::new("battery staple"));
    let wrong = bench.auth.change_password(one.session, &new, &old).await.unwrap_err();
    assert_eq!((wrong.kind(), wrong.context("field")), (ErrorKind::InvalidInput, Some("old")));
    let short = bench.auth.change_password(one.session, &old, &Secret::new("x")).await;
    assert_eq!(short.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(bench.is_good(&one).await);
    let tokens = bench.auth.change_password(one.session, &old, &new).await.unwrap();
    for ended in [&one, &other] {
        assert!(!bench.is_good(ended).await);
        let fault = bench.refreshed(ended).await.unwrap_err();
        assert!(matches!(fault, RefreshFault::Unauthorized { .. }), "{fault:?}");
    }
    assert!(bench.is_good(&tokens).await);
    bench.auth.sign_in(request("ada@example.org", PASSWORD)).await.unwrap_err();
    bench.auth.sign_in(request("ada@example.org", "battery staple")).await.unwrap();
}

/// J25
#[tokio::test(start_paused = true)]
async fn j25_a_forgotten_password_is_set_once() {
    let bench = bench().await;
    let tokens = bench.signed_in().await;
    assert!(bench.request_reset("nobody@example.org", HOME).await.unwrap().is_none());
    assert!(bench.request_reset("nonsense", HOME).await.unwrap().is_none());
    let (user, token) = bench.request_reset(" ADA@example.org", HOME).await.unwrap().unwrap();
    assert_eq!(user.id, tokens.user);
    let new = Secret::new("battery staple");
    let tries = (0..10).map(|_| bench.auth.reset_password(token.expose(), &new));
    let done = futures::future::join_all(tries).await;
    assert_eq!(done.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(!bench.is_good(&tokens).await);
    bench.auth.sign_in(request("ada@example.org", "battery staple")).await.unwrap();
    let (_, late) = bench.request_reset("ada@example.org", HOME).await.unwrap().unwrap();
    bench.wait(900);
    let error = bench.auth.reset_password(late.expose(), &new).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(format!("{late:?}"), "Secret(…)");
}

/// One who tries passwords in their own session uses up nobody else's tries.
#[tokio::test(start_paused = true)]
async fn tries_of_one_session_are_no_other_sessions() {
    let bench = bench().await;
    let right = bench.signed_in().await;
    let (wrong, new) = (Secret::new("wrong horse"), Secret::new("battery staple"));
    for i in 0..12 {
        let email = format!("user{i}@example.org");
        bench.register(&email).await;
        let tokens = bench.auth.sign_in(request(&email, PASSWORD)).await.unwrap();
        for _ in 0..10 {
            let error = bench.auth.change_password(tokens.session, &wrong, &new).await;
            assert_eq!(refused(error, ErrorKind::InvalidInput).context("field"), Some("old"));
        }
        let error = bench.auth.change_password(tokens.session, &wrong, &new).await;
        refused(error, ErrorKind::RateLimited);
    }
    bench.auth.change_password(right.session, &Secret::new(PASSWORD), &new).await.unwrap();
    // Nor those who sign in.
    bench.auth.sign_in(request("user1@example.org", PASSWORD)).await.unwrap();
}

/// R18: a reset that comes between the change and the new session ends that session too.
#[tokio::test(start_paused = true)]
async fn r18_a_reset_right_after_a_change_is_outlived_by_nothing() {
    let bench = bench().await;
    let tokens = bench.signed_in().await;
    let (user, reset) = bench.request_reset("ada@example.org", HOME).await.unwrap().unwrap();
    let store = Arc::clone(&bench.identity);
    let hash = crate::reset::hash(reset.expose());
    // The change voids what was sent before it: the reset is one that was asked for since.
    bench.hooks.then(
        "set_password",
        Box::new(move || {
            async move {
                let expires_at = store.now().await.unwrap().after(Duration::from_secs(60));
                let reset = notebook_core::identity::Reset { hash, user: user.id, expires_at };
                assert!(store.put_reset(reset).await.unwrap());
                store.use_reset(hash, "another".into()).await.unwrap();
            }
            .boxed()
        }),
    );
    let (old, new) = (Secret::new(PASSWORD), Secret::new("battery staple"));
    let changed = bench.auth.change_password(tokens.session, &old, &new).await;
    refused(changed, ErrorKind::Unauthenticated);
    assert_eq!(bench.auth.sessions(tokens.user).await.unwrap(), []);
}

/// J26: nobody fills another's mailbox, or takes from them what they were sent; and each address asks only so often.
#[tokio::test(start_paused = true)]
async fn j26_resets_are_asked_for_so_often() {
    let bench = bench().await;
    bench.register("ada@example.org").await;
    let from = |i: u8| IpAddr::V4(Ipv4Addr::new(198, 51, 100, i));
    let ask = async |i| bench.request_reset("ada@example.org", from(i)).await.unwrap();
    let (_, first) = ask(1).await.unwrap();
    let mut sent = 1;
    for i in 0..50 {
        sent += usize::from(ask(i).await.is_some());
    }
    assert_eq!(sent, notebook_core::identity::rules::MOST_RESETS);
    let new = Secret::new("battery staple");
    bench.auth.reset_password(first.expose(), &new).await.unwrap();
    // Whoever is asked about.
    for i in 0..10 {
        let address = format!("nobody{i}@example.org");
        assert!(bench.request_reset(&address, from(99)).await.unwrap().is_none());
    }
    let error = bench.request_reset("ada@example.org", from(99)).await;
    let error = refused(error.map(|sent| sent.is_some()), ErrorKind::RateLimited);
    assert!(matches!(error.retry_status(), Retry::After(wait) if wait > Duration::ZERO));
    bench.wait(900);
    assert!(bench.request_reset("ada@example.org", from(99)).await.unwrap().is_some());
}

/// Only who has a good token makes the server hash: with none, what is wrong with the password is not even looked at.
#[tokio::test(start_paused = true)]
async fn a_token_that_is_not_good_costs_no_hashing() {
    let bench = bench().await;
    bench.register("ada@example.org").await;
    let (_, good) = bench.request_reset("ada@example.org", HOME).await.unwrap().unwrap();
    let short = Secret::new("x");
    refused(bench.auth.reset_password("nonsense", &short).await, ErrorKind::NotFound);
    refused(bench.auth.reset_password(good.expose(), &short).await, ErrorKind::InvalidInput);
    let new = Secret::new("battery staple");
    bench.auth.reset_password(good.expose(), &new).await.unwrap();
    refused(bench.auth.reset_password(good.expose(), &short).await, ErrorKind::NotFound);
}

/// A job that is tried again sends the same link, which takes the place of no other, and another job another.
#[tokio::test(start_paused = true)]
async fn a_job_sends_one_link_however_often_it_is_tried() {
    let bench = bench().await;
    bench.register("ada@example.org").await;
    let send = async |job| {
        bench.auth.reset_to_send("ada@example.org", job).await.unwrap().map(|(_, token)| token)
    };
    let (first, other) = (notebook_core::JobId::new(), notebook_core::JobId::new());
    let token = send(first).await.unwrap();
    for _ in 0..2 * notebook_core::identity::rules::MOST_RESETS {
        assert_eq!(send(first).await.as_ref(), Some(&token));
    }
    assert_ne!(send(other).await.unwrap(), token);
    let new = Secret::new("battery staple");
    bench.auth.reset_password(token.expose(), &new).await.unwrap();
    refused(bench.auth.reset_password(token.expose(), &new).await, ErrorKind::NotFound);
}
