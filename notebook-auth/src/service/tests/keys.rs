use super::*;

#[tokio::test(start_paused = true)]
async fn g4_api_keys_can_what_they_are_made_for_and_no_more_than_their_maker() {
    let bench = bench().await;
    let tokens = bench.signed_in().await;
    let admin = bench.auth.authenticate(tokens.access.expose()).await.unwrap();
    let scopes = [Permission::NotebookRead, Permission::Chat];
    let (stored, key) = bench.auth.create_key(&admin, " Build ", &scopes, None).await.unwrap();
    assert!(key.expose().starts_with(&stored.prefix) && stored.name == "Build");
    let program = bench.auth.authenticate_key(key.expose()).await.unwrap();
    assert_eq!((program.user, program.session), (admin.user, None));
    assert_eq!(program.actor(), Actor::Key(stored.id));
    assert!(program.may(Permission::Chat) && !program.may(Permission::SourceWrite));
    for (name, scopes, field) in [
        ("", &scopes[..], "name"),
        ("x", &[][..], "scopes"),
        ("x", &[Permission::Operate][..], "scopes"),
        ("x", &[Permission::ApiKeyCreate][..], "scopes"),
    ] {
        let error = bench.auth.create_key(&admin, name, scopes, None).await.unwrap_err();
        assert_eq!(error.context("field"), Some(field));
    }
    let listed = bench.identity.keys(&admin.scope).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert!(listed[0].last_used_at.is_some());
    assert!(!format!("{listed:?}").contains(key.expose()));
    for wrong in ["", "nbk_", "Bearer x", &key.expose()[..20], tokens.access.expose()] {
        let error = bench.auth.authenticate_key(wrong).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    }
    bench.auth.revoke_key(&admin, stored.id).await.unwrap();
    let revoked = bench.auth.authenticate_key(key.expose()).await.unwrap_err();
    assert_eq!(revoked.kind(), ErrorKind::Unauthenticated);
}

/// A key that could make keys could outlive itself.
#[tokio::test(start_paused = true)]
async fn a_key_makes_no_keys() {
    let bench = bench().await;
    let tokens = bench.signed_in().await;
    let admin = bench.principal(&tokens).await;
    let ends = Some(bench.clock_now().after(Duration::from_secs(60)));
    // As an older version may have stored it.
    let made = crate::api_key::make().unwrap();
    let key = notebook_core::identity::ApiKey {
        id: notebook_core::ApiKeyId::new(),
        user: admin.user,
        name: "x".into(),
        prefix: made.prefix,
        hash: made.hash,
        scopes: vec!["api_key.create".into(), "chat".into()],
        created_at: bench.clock_now(),
        expires_at: ends,
        last_used_at: None,
        revoked_at: None,
    };
    bench.identity.create_key(&admin.scope, admin.actor(), key).await.unwrap();
    let program = bench.auth.authenticate_key(made.key.expose()).await.unwrap();
    assert!(program.may(Permission::ApiKeyCreate));
    let made = bench.auth.create_key(&program, "y", &[Permission::Chat], ends).await;
    refused(made.map(drop), ErrorKind::Forbidden);
    assert_eq!(bench.identity.keys(&admin.scope).await.unwrap().len(), 1);
    let past = Some(bench.clock_now());
    let past = bench.auth.create_key(&admin, "z", &[Permission::Chat], past).await;
    assert_eq!(
        refused(past.map(drop), ErrorKind::InvalidInput).context("field"),
        Some("expires_at")
    );
}

#[tokio::test(start_paused = true)]
async fn the_use_of_a_key_is_written_once_a_minute() {
    let bench = bench().await;
    let tokens = bench.signed_in().await;
    let admin = bench.principal(&tokens).await;
    let made = bench.auth.create_key(&admin, "x", &[Permission::Chat], None).await.unwrap();
    for minute in 1..4 {
        for _ in 0..20 {
            bench.auth.authenticate_key(made.1.expose()).await.unwrap();
            assert_eq!(bench.hooks.calls("key_used"), minute);
            bench.wait(2);
        }
        let used = bench.identity.keys(&admin.scope).await.unwrap()[0].last_used_at.unwrap();
        assert_eq!(bench.clock_now().since(used), Duration::from_secs(40));
        bench.wait(20);
    }
}

/// G4: one's own, or all for who manages them; a key ends itself.
#[tokio::test(start_paused = true)]
async fn g4_keys_are_listed_and_ended_by_whose_they_are() {
    let bench = bench().await;
    let owner = bench.team("owner@example.org").await;
    let ada = bench.register("ada@example.org").await;
    bench.auth.set_role(&owner, ada.id, Some(Role::Analyst)).await.unwrap();
    let ada = bench.in_workspace("ada@example.org", owner.scope.tenant()).await;
    let scopes = [Permission::NotebookRead];
    let make = async |by: &Principal| bench.auth.create_key(by, "x", &scopes, None).await.unwrap();
    let (hers, secret) = make(&ada).await;
    let (owners, _) = make(&owner).await;
    let (second, _) = make(&ada).await;
    let ids = async |by: &Principal| {
        let keys = bench.auth.keys(by).await.unwrap();
        keys.iter().map(|key| key.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(&ada).await, [second.id, hers.id]);
    assert_eq!(ids(&owner).await, [second.id, owners.id, hers.id]);
    let foreign = refused(bench.auth.revoke_key(&ada, owners.id).await, ErrorKind::NotFound);
    let absent = bench.auth.revoke_key(&ada, notebook_core::ApiKeyId::new()).await.unwrap_err();
    assert_eq!(foreign.to_string(), absent.to_string());
    let program = bench.auth.authenticate_key(secret.expose()).await.unwrap();
    refused(bench.auth.revoke_key(&program, second.id).await, ErrorKind::NotFound);
    bench.auth.revoke_key(&program, hers.id).await.unwrap();
    refused(bench.auth.authenticate_key(secret.expose()).await, ErrorKind::Unauthenticated);
    bench.auth.revoke_key(&owner, second.id).await.unwrap();
    let keys = bench.identity.keys(&owner.scope).await.unwrap();
    let revoked = keys.iter().filter(|key| key.revoked_at.is_some()).count();
    assert_eq!((keys.len(), revoked), (3, 2));
}
