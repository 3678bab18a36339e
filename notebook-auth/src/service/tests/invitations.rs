use super::*;

const WEEK: u64 = 7 * 24 * 3_600;

#[tokio::test(start_paused = true)]
async fn g3_who_is_invited_accepts() {
    let bench = bench().await;
    let owner = bench.team("owner@example.org").await;
    bench.register("bob@example.org").await;
    let invite = bench.auth.invite(&owner, "Bob@example.org ", Role::DataScientist).await;
    let (invitation, token) = invite.unwrap();
    assert_eq!(invitation.invited_by, Some(owner.user));
    assert_eq!(bench.auth.invitations(&owner).await.unwrap(), [invitation]);
    assert_eq!(bench.auth.invited(token.expose()).await.unwrap().workspace, "Team");
    assert_eq!(bench.logged(&owner.scope).await, "invitation.created");
    let request = request("bob@example.org", PASSWORD);
    let bob = bench.principal(&bench.auth.sign_in(request).await.unwrap()).await;
    let place = bench.auth.accept_invitation(&bob, token.expose()).await.unwrap();
    assert_eq!((place.workspace.tenant, place.role), (owner.scope.tenant(), Role::DataScientist));
    refused(bench.auth.accept_invitation(&bob, token.expose()).await, ErrorKind::NotFound);
    let there = bench.in_workspace("bob@example.org", place.workspace.tenant).await;
    assert!(there.may(Permission::SourceWrite));
    let again = bench.auth.invite(&owner, "bob@example.org", Role::Admin).await;
    refused(again.map(drop), ErrorKind::AlreadyExists);
    assert!(
        !format!("{:?}", bench.identity.entries(&owner.scope, 0, 100).await.unwrap())
            .contains(token.expose())
    );
}

/// T16: a link is good for the address that it was sent to, in the workspace that it is of, for a week.
#[tokio::test(start_paused = true)]
async fn t16_a_link_is_no_others() {
    let bench = bench().await;
    let (owner, other) =
        (bench.team("owner@example.org").await, bench.team("other@example.org").await);
    bench.register("bob@example.org").await;
    let sign_in = async |email| {
        bench.principal(&bench.auth.sign_in(request(email, PASSWORD)).await.unwrap()).await
    };
    let bob = sign_in("bob@example.org").await;
    let invite = bench.auth.invite(&owner, "bob@example.org", Role::Viewer).await;
    let (invitation, token) = invite.unwrap();
    let mut answers = Vec::new();
    for (who, token) in
        [(&other, token.expose()), (&other, "nonsense"), (&bob, "nonsense"), (&bob, "")]
    {
        let error = bench.auth.accept_invitation(who, token).await;
        answers.push(refused(error, ErrorKind::NotFound).to_string());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(bench.auth.invitations(&other).await.unwrap(), []);
    refused(bench.auth.revoke_invitation(&other, invitation.id).await, ErrorKind::NotFound);
    // A token for another purpose is none.
    bench.request_reset("bob@example.org", HOME).await.unwrap().unwrap();
    refused(
        bench.auth.reset_password(token.expose(), &Secret::new("battery staple")).await,
        ErrorKind::NotFound,
    );
    let key = Principal {
        session: None,
        key: Some((notebook_core::ApiKeyId::new(), vec![])),
        ..bob.clone()
    };
    refused(bench.auth.accept_invitation(&key, token.expose()).await, ErrorKind::Forbidden);
    bench.wait(WEEK - 1);
    bench.auth.invited(token.expose()).await.unwrap();
    bench.wait(1);
    refused(bench.auth.accept_invitation(&bob, token.expose()).await, ErrorKind::NotFound);
    let (invitation, token) =
        bench.auth.invite(&owner, "bob@example.org", Role::Viewer).await.unwrap();
    bench.auth.revoke_invitation(&owner, invitation.id).await.unwrap();
    refused(bench.auth.accept_invitation(&bob, token.expose()).await, ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn g3_only_who_manages_members_invites() {
    let bench = bench().await;
    let owner = bench.team("owner@example.org").await;
    let ada = bench.register("ada@example.org").await;
    bench.auth.set_role(&owner, ada.id, Some(Role::DataScientist)).await.unwrap();
    let ada = bench.in_workspace("ada@example.org", owner.scope.tenant()).await;
    let (invitation, _) = bench.auth.invite(&owner, "a@example.org", Role::Viewer).await.unwrap();
    let invited = bench.auth.invite(&ada, "b@example.org", Role::Viewer).await;
    refused(invited.map(drop), ErrorKind::Forbidden);
    refused(bench.auth.invitations(&ada).await, ErrorKind::Forbidden);
    refused(bench.auth.revoke_invitation(&ada, invitation.id).await, ErrorKind::Forbidden);
    let system = bench.auth.invite(&owner, "b@example.org", Role::System).await;
    refused(system.map(drop), ErrorKind::Forbidden);
    for address in ["", "b", "b@host"] {
        let error = bench.auth.invite(&owner, address, Role::Viewer).await.map(drop);
        assert_eq!(refused(error, ErrorKind::InvalidInput).context("field"), Some("email"));
    }
    let own = bench.auth.sign_in(request("owner@example.org", PASSWORD)).await.unwrap();
    let personal = bench.principal(&own).await;
    let invited = bench.auth.invite(&personal, "b@example.org", Role::Viewer).await;
    refused(invited.map(drop), ErrorKind::Conflict);
}

/// What is mailed is the token that the inviter was shown, for as long as the invitation is open, and in its workspace.
#[tokio::test(start_paused = true)]
async fn an_invitation_is_sent_with_its_token_while_it_is_open() {
    let bench = bench().await;
    let (owner, other) =
        (bench.team("owner@example.org").await, bench.team("other@example.org").await);
    let (invitation, token) =
        bench.auth.invite(&owner, "bob@example.org", Role::Viewer).await.unwrap();
    let sent = bench.auth.invitation_to_send(&owner.scope, invitation.id).await.unwrap().unwrap();
    assert_eq!((sent.0.invitation.email.as_str(), sent.1), ("bob@example.org", token));
    let foreign = bench.auth.invitation_to_send(&other.scope, invitation.id).await.unwrap();
    assert!(foreign.is_none());
    bench.auth.revoke_invitation(&owner, invitation.id).await.unwrap();
    assert!(bench.auth.invitation_to_send(&owner.scope, invitation.id).await.unwrap().is_none());
}
