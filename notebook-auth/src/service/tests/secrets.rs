use super::*;

/// R39: no token, password or key in the audit log, in debug forms or in errors; and the chain holds.
#[tokio::test(start_paused = true)]
async fn r39_secrets_are_nowhere_to_be_read() {
    let bench = bench().await;
    let tokens = bench.signed_in().await;
    bench.wait(940);
    let next = bench.refreshed(&tokens).await.unwrap();
    let admin = bench.auth.authenticate(next.access.expose()).await.unwrap();
    let made = bench.auth.create_key(&admin, "x", &[Permission::Chat], None).await.unwrap();
    let stale = bench.auth.authenticate(tokens.access.expose()).await.unwrap_err();
    bench.wait(120);
    let fault = bench.refreshed(&tokens).await.unwrap_err();
    let mut seen = format!("{tokens:?} {next:?} {made:?} {stale:?} {fault:?} {:?}", bench.auth);
    for scope in [&admin.scope, &crate::installation()] {
        let log = bench.identity.entries(scope, 0, 100).await.unwrap();
        assert_eq!(verify(&*bench.identity, scope, None, None).await.unwrap().broken, None);
        seen.push_str(&format!("{log:?}"));
    }
    assert!(seen.contains("session.reused"), "the log was looked at");
    let access = next.access.expose().rsplit('.').next().unwrap();
    for secret in
        [tokens.refresh.expose(), next.refresh.expose(), access, made.1.expose(), PASSWORD]
    {
        assert!(!seen.contains(secret));
        assert!(!seen.contains(&secret[8..]), "{seen}");
    }
}
