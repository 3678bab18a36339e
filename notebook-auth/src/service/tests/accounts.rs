use super::*;

#[tokio::test(start_paused = true)]
async fn g1_from_registering_to_signing_out() {
    let bench = bench().await;
    let user = bench.register(" Ada@Example.ORG ").await;
    assert_eq!(user.email, "ada@example.org");
    let tokens = bench.auth.sign_in(request("ADA@example.org", PASSWORD)).await.unwrap();
    let principal = bench.auth.authenticate(tokens.access.expose()).await.unwrap();
    assert_eq!((principal.user, principal.role), (user.id, Role::Admin));
    assert_eq!(principal.scope.tenant(), tokens.tenant);
    assert_eq!(principal.session, Some(tokens.session));
    let life = tokens.access_expires_at.since(bench.clock_now());
    assert!(life <= Duration::from_secs(900) && life >= Duration::from_secs(855), "{life:?}");
    let listed = bench.auth.sessions(user.id).await.unwrap();
    assert_eq!((listed.len(), listed[0].client.as_str()), (1, "Firefox"));
    bench.wait(600);
    let next = bench.refreshed(&tokens).await.unwrap();
    assert_ne!(next.refresh, tokens.refresh);
    assert!(bench.is_good(&next).await && bench.is_good(&tokens).await);
    bench.wait(400);
    assert!(!bench.is_good(&tokens).await, "its time is over");
    assert!(bench.is_good(&next).await);
    for _ in 0..2 {
        bench.auth.sign_out(next.refresh.expose()).await.unwrap();
        assert!(!bench.is_good(&next).await, "at once");
        let fault = bench.refreshed(&next).await.unwrap_err();
        assert!(matches!(fault, RefreshFault::Unauthorized { .. }), "{fault:?}");
    }
    bench.auth.sign_out("nonsense").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn bad_registrations_name_the_field() {
    let bench = bench().await;
    bench.register("ada@example.org").await;
    let new = |email: &str, name: &str, password: &str| Registration {
        email: email.into(),
        name: name.into(),
        password: Secret::new(password),
    };
    let long = format!("{}@example.org", "a".repeat(250));
    for email in
        ["", "ada", "@example.org", "ada@", "ada@host", "a b@example.org", "a\0@b.c", &long]
    {
        let error = bench.auth.register(new(email, "Ada", PASSWORD)).await.unwrap_err();
        assert_eq!(error.context("field"), Some("email"), "{email}");
    }
    for name in ["", "  ", "a\0b", &"x".repeat(101)] {
        let error = bench.auth.register(new("bob@example.org", name, PASSWORD)).await.unwrap_err();
        assert_eq!(error.context("field"), Some("name"));
    }
    let error = bench.auth.register(new("bob@example.org", "Bob", "short")).await.unwrap_err();
    assert_eq!(error.context("field"), Some("password"));
    let error = bench.auth.register(new("ADA@example.org", "Bob", PASSWORD)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
}

/// J22: who is not there, who is switched off, and whose password is wrong are answered alike.
#[tokio::test(start_paused = true)]
async fn j22_failed_sign_ins_are_alike() {
    let bench = bench().await;
    bench.register("ada@example.org").await;
    let off = bench.register("off@example.org").await;
    bench.identity.set_user_active(Actor::System, off.id, false).await.unwrap();
    let mut errors = Vec::new();
    for (email, password) in [
        ("ada@example.org", "wrong horse"),
        ("off@example.org", PASSWORD),
        ("nobody@example.org", PASSWORD),
        ("not an address", PASSWORD),
        ("ada@example.org", ""),
    ] {
        let error = bench.auth.sign_in(request(email, password)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
        errors.push(error.to_string());
    }
    errors.dedup();
    assert_eq!(errors.len(), 1, "{errors:?}");
    // G8: each is logged, without what was typed.
    let log = bench.identity.newest(&crate::installation(), None, 10).await.unwrap();
    assert_eq!(log.iter().filter(|entry| entry.what.action == "sign_in.failed").count(), 5);
    assert!(log.iter().all(|entry| !format!("{entry:?}").contains("horse")));
}

/// J26 through the door.
#[tokio::test(start_paused = true)]
async fn j26_many_tries_are_told_to_wait() {
    let bench = bench().await;
    bench.register("ada@example.org").await;
    for _ in 0..10 {
        let error =
            bench.auth.sign_in(request("ada@example.org", "wrong horse")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    }
    let error = bench.auth.sign_in(request(" ADA@example.org", PASSWORD)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert!(matches!(error.retry_status(), Retry::After(wait) if wait > Duration::ZERO));
    let elsewhere = SignIn {
        address: Ipv4Addr::new(192, 0, 2, 2).into(),
        ..request("ada@example.org", PASSWORD)
    };
    bench.auth.sign_in(elsewhere).await.unwrap();
    bench.wait(900);
    bench.auth.sign_in(request("ada@example.org", PASSWORD)).await.unwrap();
}

/// J22: a pepper that is missing, a hash that is none: as if there was nobody.
#[tokio::test(start_paused = true)]
async fn j22_a_hash_that_cannot_be_checked_is_told_to_nobody() {
    let bench = bench().await;
    let pepper =
        vec![crate::password::Pepper { id: "a".into(), secret: Secret::new("p".repeat(32)) }];
    let cost = Cost { memory: 19 * 1024, passes: 1 };
    let config = PasswordConfig { cost, peppers: pepper, ..PasswordConfig::default() };
    let peppered = Passwords::new(config).unwrap().hash(&Secret::new(PASSWORD)).await.unwrap();
    for (email, hash) in [("pepper@example.org", peppered.as_str()), ("none@example.org", "x")] {
        let id = UserId::new();
        let new = NewUser {
            id,
            email: email.into(),
            name: "Ada".into(),
            password: Some(hash.into()),
            workspace: TenantId::new(),
            by: Actor::User(id),
        };
        bench.identity.create_user(new).await.unwrap();
    }
    let mut errors = Vec::new();
    for email in ["pepper@example.org", "none@example.org", "nobody@example.org"] {
        let error = bench.auth.sign_in(request(email, PASSWORD)).await.unwrap_err();
        errors.push(error.to_string());
    }
    errors.dedup();
    assert_eq!(errors.len(), 1, "{errors:?}");
}

/// Who was invited may become a user, with the address that was invited, and is a member then.
#[tokio::test(start_paused = true)]
async fn who_is_invited_registers_and_is_a_member() {
    let bench = bench().await;
    let owner = bench.team("owner@example.org").await;
    let invite = bench.auth.invite(&owner, " Bob@Example.org", Role::Analyst).await;
    let (invitation, token) = invite.unwrap();
    assert_eq!(invitation.email, "bob@example.org");
    let other = bench.auth.register_invited(registration("eve@example.org"), token.expose()).await;
    let other = refused(other, ErrorKind::NotFound);
    let unknown = bench.auth.register_invited(registration("eve@example.org"), "x").await;
    assert_eq!(refused(unknown, ErrorKind::NotFound).context("what"), other.context("what"));
    assert_eq!(bench.identity.user_by_email("eve@example.org").await.unwrap(), None);
    let new = registration("BOB@example.org");
    let bob = bench.auth.register_invited(new, token.expose()).await.unwrap();
    let standing = bench.identity.standing(bob.id, owner.scope.tenant()).await.unwrap();
    assert_eq!((standing.active, standing.role), (true, Role::Analyst));
    assert_eq!(bench.auth.places(bob.id).await.unwrap().len(), 2);
    refused(bench.auth.invited(token.expose()).await, ErrorKind::NotFound);
}
