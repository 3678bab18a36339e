use super::*;

fn account(email: &str, password: Option<&str>) -> NewAccount {
    NewAccount { email: email.into(), name: "Ada".into(), password: password.map(Secret::new) }
}

#[tokio::test(start_paused = true)]
async fn an_operator_makes_users_who_set_their_own_password() {
    let bench = bench().await;
    let operator = Operator::console();
    let user = bench.auth.create_user(&operator, account("Ada@example.org", None)).await.unwrap();
    assert_eq!((user.email.as_str(), user.password.as_ref()), ("ada@example.org", None));
    let log = bench.identity.newest(&crate::installation(), None, 1).await.unwrap();
    assert_eq!((log[0].what.action.as_str(), log[0].what.actor), ("user.created", Actor::System));
    assert_eq!(log[0].what.target, Some(user.id.to_string()));
    refused(
        bench.auth.sign_in(request("ada@example.org", PASSWORD)).await,
        ErrorKind::Unauthenticated,
    );
    let (found, token) = bench.auth.reset_for(&operator, " ADA@example.org").await.unwrap();
    assert_eq!(found.id, user.id);
    bench.auth.reset_password(token.expose(), &Secret::new(PASSWORD)).await.unwrap();
    bench.auth.sign_in(request("ada@example.org", PASSWORD)).await.unwrap();
    let taken = bench.auth.create_user(&operator, account("ada@example.org", None)).await;
    refused(taken, ErrorKind::AlreadyExists);
    let short = bench.auth.create_user(&operator, account("bob@example.org", Some("x"))).await;
    assert_eq!(refused(short, ErrorKind::InvalidInput).context("field"), Some("password"));
    let absent = bench.auth.reset_for(&operator, "nobody@example.org").await.map(drop);
    refused(absent, ErrorKind::NotFound);
    for _ in 0..notebook_core::identity::rules::MOST_RESETS {
        bench.auth.reset_for(&operator, "ada@example.org").await.unwrap();
    }
    let more = bench.auth.reset_for(&operator, "ada@example.org").await.map(drop);
    refused(more, ErrorKind::RateLimited);
    // Who comes by themselves is logged as themselves.
    let bob = bench.register("bob@example.org").await;
    let log = bench.identity.newest(&crate::installation(), None, 1).await.unwrap();
    assert_eq!(log[0].what.actor, Actor::User(bob.id));
}

#[tokio::test(start_paused = true)]
async fn an_operator_switches_users_and_workspaces_off() {
    let bench = bench().await;
    let operator = Operator::console();
    let tokens = bench.signed_in().await;
    let ada = bench.principal(&tokens).await;
    let (_, key) = bench.auth.create_key(&ada, "x", &[Permission::Chat], None).await.unwrap();
    bench.auth.set_user_active(&operator, ada.user, false).await.unwrap();
    assert!(!bench.is_good(&tokens).await, "at once");
    refused(bench.auth.authenticate_key(key.expose()).await, ErrorKind::Unauthenticated);
    refused(
        bench.auth.sign_in(request("ada@example.org", PASSWORD)).await,
        ErrorKind::Unauthenticated,
    );
    refused(
        bench.auth.reset_for(&operator, "ada@example.org").await.map(drop),
        ErrorKind::NotFound,
    );
    bench.auth.set_user_active(&operator, ada.user, true).await.unwrap();
    assert!(bench.is_good(&tokens).await);
    bench.auth.set_workspace_active(&operator, tokens.tenant, false).await.unwrap();
    assert!(!bench.is_good(&tokens).await);
    assert_eq!(bench.auth.places(ada.user).await.unwrap(), []);
    bench.auth.set_workspace_active(&operator, tokens.tenant, true).await.unwrap();
    assert_eq!(bench.auth.end_sessions_of(&operator, ada.user).await.unwrap(), 1);
    assert!(!bench.is_good(&tokens).await);
    let bob = bench.register("bob@example.org").await;
    let users = bench.auth.users(&operator, Some(ada.user), 10).await.unwrap();
    assert_eq!(users.iter().map(|user| user.id).collect::<Vec<_>>(), [bob.id]);
    // No member of any workspace is one.
    refused(ada.operator().map(drop), ErrorKind::Forbidden);
}
