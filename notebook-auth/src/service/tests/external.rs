//! Signing in elsewhere, from where a provider has said who it is.

use notebook_core::identity::{External, audit::INSTALLATION};

use super::*;
use crate::oidc::{Person, Refusal, Refused, Rules, SignUp};

fn person(subject: &str, email: &str) -> Person {
    Person {
        external: External { issuer: "https://id.example.org".into(), subject: subject.into() },
        email: Some(email.into()),
        email_verified: true,
        name: Some(" Ada\u{7} Lovelace ".into()),
    }
}

fn rules(sign_up: SignUp) -> Rules {
    Rules { sign_up, link_verified_email: false, allowed_domains: Vec::new() }
}

fn arrival(person: &Person, rules: Rules) -> ExternalSignIn {
    ExternalSignIn {
        person: person.clone(),
        rules,
        invitation: None,
        address: HOME,
        client: "Firefox\n".into(),
        tenant: None,
    }
}

#[track_caller]
fn refusal<T: std::fmt::Debug>(result: Result<T, Refused>) -> Refusal {
    result.expect_err("it must be refused").refusal
}

/// G4, G8: the first sign-in makes a user, the next ones find them, whatever their address is by then.
#[tokio::test]
async fn g4_who_signs_in_elsewhere_is_one_user_here() {
    let bench = bench().await;
    let ada = person("1", "Ada@Example.org");
    let open = rules(SignUp::Open);
    let (first, made) = bench.auth.sign_in_external(arrival(&ada, open.clone())).await.unwrap();
    assert!(made && bench.is_good(&first).await);
    let user = bench.identity.user(first.user).await.unwrap();
    assert_eq!((user.email.as_str(), user.name.as_str()), ("ada@example.org", "Ada Lovelace"));
    assert_eq!(user.password, None);
    let moved = person("1", "countess@example.com");
    let closed = rules(SignUp::Closed);
    let (second, made) = bench.auth.sign_in_external(arrival(&moved, closed)).await.unwrap();
    assert_eq!((second.user, made), (first.user, false));
    let log = bench.identity.newest(&crate::installation(), None, 10).await.unwrap();
    let actions: Vec<_> = log.iter().map(|entry| entry.what.action.as_str()).collect();
    assert_eq!(
        actions,
        ["sign_in.external", "sign_in.external", "identity.linked", "user.created"]
    );
    assert_eq!(INSTALLATION, crate::installation().tenant());
    // There is no password to guess.
    let typed = bench.auth.sign_in(request("ada@example.org", PASSWORD)).await;
    refused(typed, ErrorKind::Unauthenticated);
    // Another person who has the address by now is another person.
    let heir = person("2", "ada@example.org");
    let refused = bench.auth.sign_in_external(arrival(&heir, open)).await;
    assert_eq!(refusal(refused), Refusal::EmailTaken);
}

#[tokio::test]
async fn an_address_that_somebody_has_is_linked_only_where_that_is_allowed() {
    let bench = bench().await;
    let user = bench.register("ada@example.org").await;
    let ada = person("1", "ada@example.org");
    let open = rules(SignUp::Open);
    let done = bench.auth.sign_in_external(arrival(&ada, open.clone())).await;
    assert_eq!(refusal(done), Refusal::EmailTaken);
    assert_eq!(bench.identity.links(user.id).await.unwrap(), []);
    let linking = Rules { link_verified_email: true, ..open };
    let unverified = Person { email_verified: false, ..ada.clone() };
    let done = bench.auth.sign_in_external(arrival(&unverified, linking.clone())).await;
    assert_eq!(refusal(done), Refusal::EmailUnverified);
    let (tokens, made) = bench.auth.sign_in_external(arrival(&ada, linking)).await.unwrap();
    assert_eq!((tokens.user, made), (user.id, false));
    assert_eq!(bench.identity.links(user.id).await.unwrap().len(), 1);
    // The password goes on to be good.
    bench.auth.sign_in(request("ada@example.org", PASSWORD)).await.unwrap();
}

#[tokio::test]
async fn who_is_signed_in_links_and_unlinks() {
    let bench = bench().await;
    let tokens = bench.signed_in().await;
    let principal = bench.principal(&tokens).await;
    let (ada, open) = (person("1", "other@example.com"), rules(SignUp::Closed));
    let link = async |tokens: &Tokens, person: &Person, rules: &Rules| {
        bench.auth.link_external(tokens.user, tokens.session, person, rules).await
    };
    let linked = link(&tokens, &ada, &open).await.unwrap();
    assert_eq!(bench.auth.links(&principal).await.unwrap(), std::slice::from_ref(&linked));
    let (again, made) = bench.auth.sign_in_external(arrival(&ada, open.clone())).await.unwrap();
    assert_eq!((again.user, made), (tokens.user, false));
    // Another user cannot have the same account.
    bench.register("bob@example.org").await;
    let bob = bench.auth.sign_in(request("bob@example.org", PASSWORD)).await.unwrap();
    assert_eq!(refusal(link(&bob, &ada, &open).await), Refusal::LinkedElsewhere);
    // Nor take the link away.
    let by_bob = bench.principal(&bob).await;
    refused(bench.auth.unlink(&by_bob, linked.id).await, ErrorKind::NotFound);
    let domains = Rules { allowed_domains: vec!["example.org".into()], ..open.clone() };
    assert_eq!(
        refusal(link(&tokens, &person("2", "x@example.com"), &domains).await),
        Refusal::Domain
    );
    // Whoever signed out meanwhile, or is another user, links nothing.
    let third = person("3", "x@example.org");
    let other = bench.auth.link_external(bob.user, tokens.session, &third, &open).await;
    assert_eq!(refusal(other), Refusal::SignedOut);
    bench.auth.unlink(&principal, linked.id).await.unwrap();
    assert_eq!(bench.auth.links(&principal).await.unwrap(), []);
    bench.auth.sign_out(tokens.refresh.expose()).await.unwrap();
    assert_eq!(refusal(link(&tokens, &ada, &open).await), Refusal::SignedOut);
}

#[tokio::test]
async fn the_only_way_in_is_kept_until_there_is_a_password() {
    let bench = bench().await;
    let ada = person("1", "ada@example.org");
    let open = rules(SignUp::Open);
    let (tokens, _) = bench.auth.sign_in_external(arrival(&ada, open.clone())).await.unwrap();
    let principal = bench.principal(&tokens).await;
    let link = bench.auth.links(&principal).await.unwrap()[0].id;
    refused(bench.auth.unlink(&principal, link).await, ErrorKind::Conflict);
    // A password that is not there cannot be changed; one is set by a reset token only.
    let (old, new) = (Secret::new(""), Secret::new(PASSWORD));
    let changed = bench.auth.change_password(tokens.session, &old, &new).await;
    refused(changed, ErrorKind::InvalidInput);
    let (_, token) = bench.auth.request_reset("ada@example.org", HOME).await.unwrap().unwrap();
    bench.auth.reset_password(token.expose(), &new).await.unwrap();
    assert!(!bench.is_good(&tokens).await, "all sessions of before have ended");
    let typed = bench.auth.sign_in(request("ada@example.org", PASSWORD)).await.unwrap();
    let principal = bench.principal(&typed).await;
    bench.auth.unlink(&principal, link).await.unwrap();
    let closed = rules(SignUp::Closed);
    let done = bench.auth.sign_in_external(arrival(&ada, closed)).await;
    assert_eq!(refusal(done), Refusal::EmailTaken);
}

#[tokio::test]
async fn an_invitation_brings_its_address_in() {
    let bench = bench().await;
    let owner = bench.team("owner@example.org").await;
    let invite = async |email: &str| {
        bench.auth.invite(&owner, email, Role::Analyst).await.unwrap().1.expose().to_owned()
    };
    let by_invitation = rules(SignUp::Invited);
    let come = async |person: &Person, invitation: Option<String>| {
        let request = ExternalSignIn { invitation, ..arrival(person, by_invitation.clone()) };
        bench.auth.sign_in_external(request).await
    };
    let ada = person("1", "ada@example.org");
    assert_eq!(refusal(come(&ada, None).await), Refusal::NotInvited);
    assert_eq!(refusal(come(&ada, Some("unknown".into())).await), Refusal::NotInvited);
    let of_bob = invite("bob@example.org").await;
    assert_eq!(refusal(come(&ada, Some(of_bob)).await), Refusal::NotInvited);
    let token = invite("ada@example.org").await;
    let unverified = Person { email_verified: false, ..ada.clone() };
    assert_eq!(refusal(come(&unverified, Some(token.clone())).await), Refusal::EmailUnverified);
    let (tokens, made) = come(&ada, Some(token)).await.unwrap();
    assert!(made);
    assert_eq!((tokens.tenant, tokens.role), (owner.scope.tenant(), Role::Analyst));
    assert_eq!(bench.auth.places(tokens.user).await.unwrap().len(), 2);
}

#[tokio::test]
async fn who_is_switched_off_does_not_come_in_elsewhere() {
    let bench = bench().await;
    let (ada, open) = (person("1", "ada@example.org"), rules(SignUp::Open));
    let (tokens, _) = bench.auth.sign_in_external(arrival(&ada, open.clone())).await.unwrap();
    bench.identity.set_user_active(Actor::System, tokens.user, false).await.unwrap();
    let done = bench.auth.sign_in_external(arrival(&ada, open)).await;
    assert_eq!(refusal(done), Refusal::Disabled);
    bench.auth.external_refused("example", Refusal::Disabled, HOME).await.unwrap();
    assert_eq!(bench.logged(&crate::installation()).await, "sign_in.failed");
}

/// Two tabs that finish at once: one user, and both are in.
#[tokio::test]
async fn who_comes_twice_at_once_is_made_once() {
    let bench = bench().await;
    let (ada, open) = (person("1", "ada@example.org"), rules(SignUp::Open));
    let (identity, first) = (Arc::clone(&bench.identity), ada.clone());
    // The other tab is done after this one has looked, and before it writes.
    bench.hooks.then(
        "user_by_email",
        Box::new(move || {
            Box::pin(async move {
                let new = NewUser {
                    id: UserId::new(),
                    email: "ada@example.org".into(),
                    name: "Ada".into(),
                    password: None,
                    workspace: TenantId::new(),
                    by: Actor::System,
                };
                identity.create_linked_user(new, first.external).await.unwrap();
            })
        }),
    );
    let (tokens, made) = bench.auth.sign_in_external(arrival(&ada, open)).await.unwrap();
    assert!(!made);
    let linked = bench.identity.linked_user(&ada.external).await.unwrap().unwrap();
    assert_eq!(tokens.user, linked.id);
    assert_eq!(bench.identity.users(None, 10).await.unwrap().len(), 1);
}
