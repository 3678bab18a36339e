//! Signing in elsewhere.

use std::net::IpAddr;

use notebook_core::{
    Error, ErrorKind, LinkId, Result, SessionId, TenantId, UserId,
    identity::{
        Invited, Link, NewUser, User,
        audit::{Actor, NewEntry},
        rules,
        session::NewSession,
    },
};

use super::{Auth, Principal, Tokens, accounts::shortened, sessions::is_missing};
use crate::oidc::{self, Admission, Person, Refusal, Refused, Rules};

const OPERATION: &str = "sign in";

/// Somebody whom a provider knows, and who signs in here.
#[derive(Debug, Clone)]
pub struct ExternalSignIn {
    /// Who.
    pub person: Person,
    /// What goes for the people of that provider.
    pub rules: Rules,
    /// The token of an invitation, which makes them a member if they become a user by it.
    pub invitation: Option<String>,
    /// Where the request came from.
    pub address: IpAddr,
    /// What the client calls itself.
    pub client: String,
    /// The workspace; else the oldest that they may act in.
    pub tenant: Option<TenantId>,
}

impl Auth {
    /// Begins a session for somebody whom a provider knows, who is made a user or linked to one first where the rules say
    /// so. Says whether they were made a user.
    ///
    /// # Errors
    /// Why not.
    pub async fn sign_in_external(
        &self,
        request: ExternalSignIn,
    ) -> Result<(Tokens, bool), Refused> {
        let invited = match &request.invitation {
            Some(token) => self.invited(token).await.map(Some).or_else(none_if_missing)?,
            None => None,
        };
        let (user, made) = match self.admit(&request, invited.as_ref()).await {
            // The store knows more than when it was asked: they were faster in another tab.
            Err(Refused {
                refusal: Refusal::LinkedElsewhere | Refusal::EmailTaken,
                cause: Some(_),
            }) => self.admit(&request, invited.as_ref()).await?,
            done => done?,
        };
        let joined = match (&request.invitation, made, &invited) {
            (Some(token), true, Some(_)) => self.join(&user, token).await?,
            _ => None,
        };
        let tokens = self.open_external(&user, &request, joined).await?;
        Ok((tokens, made))
    }

    /// The user, and whether they were made now.
    async fn admit(
        &self,
        request: &ExternalSignIn,
        invited: Option<&Invited>,
    ) -> Result<(User, bool), Refused> {
        let person = &request.person;
        let linked = self.identity.linked_user(&person.external).await?;
        let namesake = match oidc::verified_email(person) {
            Ok(email) if linked.is_none() => self.identity.user_by_email(&email).await?,
            _ => None,
        };
        let invited = invited.map(|invited| invited.invitation.email.as_str());
        let admission =
            oidc::admission(person, linked.as_ref(), namesake.as_ref(), invited, &request.rules)?;
        match admission {
            Admission::SignIn(id) => Ok((self.identity.user(id).await?, false)),
            Admission::Link(id) => {
                let by = Actor::User(id);
                let linked = self.identity.link(by, id, person.external.clone()).await;
                linked.map_err(link_refused)?;
                Ok((self.identity.user(id).await?, false))
            }
            Admission::Create { email } => Ok((self.make_external(person, email).await?, true)),
        }
    }

    async fn make_external(&self, person: &Person, email: String) -> Result<User, Refused> {
        let (id, workspace) = (UserId::new(), TenantId::new());
        let name = called(person, &email);
        let by = Actor::User(id);
        let new = NewUser { id, email, name, password: None, workspace, by };
        let made = self.identity.create_linked_user(new, person.external.clone()).await;
        made.map_err(|error| match error.context("field") {
            Some("email") => Refused::because(Refusal::EmailTaken, error),
            _ => link_refused(error),
        })
    }

    /// Makes a new user a member by an invitation to their address.
    async fn join(&self, user: &User, token: &str) -> Result<Option<TenantId>, Refused> {
        let joined = self.identity.accept_invitation(user.id, crate::invitation::hash(token)).await;
        let joined = joined.map(Some).or_else(none_if_missing)?;
        Ok(joined.map(|place| place.workspace.tenant))
    }

    async fn open_external(
        &self,
        user: &User,
        request: &ExternalSignIn,
        joined: Option<TenantId>,
    ) -> Result<Tokens, Refused> {
        let disabled = |error: Error| match error.kind() {
            ErrorKind::Unauthenticated => Refused::because(Refusal::Disabled, error),
            _ => error.into(),
        };
        // A workspace that was asked for and is not theirs is no reason to stay out.
        let asked = joined.or(request.tenant);
        let asked = self.place(user.id, asked).await;
        let tenant = match asked {
            Err(error) if error.kind() == ErrorKind::Unauthenticated => {
                self.place(user.id, None).await.map_err(disabled)?
            }
            found => found?,
        };
        let detail = serde_json::json!({
            "issuer": request.person.external.issuer, "address": request.address });
        let entry = NewEntry::new(Actor::User(user.id), "sign_in.external").about(user.id);
        self.identity.log(None, entry.with(&detail)).await?;
        let new = NewSession {
            id: SessionId::new(),
            user: user.id,
            tenant,
            epoch: user.epoch,
            binding: None,
            key: self.refresh.current(),
            client: shortened(&request.client),
            address: request.address.to_string(),
        };
        self.open(new).await.map_err(disabled)
    }

    /// Links an account at a provider to the user who wanted it, if they are still signed in.
    ///
    /// # Errors
    /// Why not.
    pub async fn link_external(
        &self,
        user: UserId,
        session: SessionId,
        person: &Person,
        rules: &Rules,
    ) -> Result<Link, Refused> {
        let email = oidc::verified_email(person);
        oidc::may_sign_in(email.as_deref(), rules)?;
        let live = match self.identity.session(session).await {
            Err(error) if is_missing(&error, "session") => return Err(Refusal::SignedOut.into()),
            found => found?,
        };
        if !live.is_active() || live.session.user != user {
            return Err(Refusal::SignedOut.into());
        }
        let by = Actor::User(user);
        self.identity.link(by, user, person.external.clone()).await.map_err(link_refused)
    }

    /// Notes that somebody was not let in.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn external_refused(
        &self,
        provider: &str,
        refusal: Refusal,
        address: IpAddr,
    ) -> Result<()> {
        let detail = serde_json::json!({
            "provider": provider, "reason": refusal.code(), "address": address });
        let entry = NewEntry::new(Actor::Unknown, "sign_in.failed").warning().with(&detail);
        self.identity.log(None, entry).await
    }

    /// Who somebody is elsewhere, oldest first.
    ///
    /// # Errors
    /// `Forbidden` for API keys.
    pub async fn links(&self, by: &Principal) -> Result<Vec<Link>> {
        by.signed_in()?;
        self.identity.links(by.user).await
    }

    /// Takes a link of one's own away.
    ///
    /// # Errors
    /// `Forbidden` for API keys; those of [`Links::unlink`](notebook_core::identity::Links::unlink).
    pub async fn unlink(&self, by: &Principal, id: LinkId) -> Result<()> {
        by.signed_in()?;
        self.identity.unlink(by.actor(), by.user, id).await
    }
}

/// What to call somebody: as the provider does, or by what stands before the @ of their address.
fn called(person: &Person, email: &str) -> String {
    let shorten = |name: &str| -> String {
        let name: String = name.chars().filter(|c| !c.is_control()).collect();
        name.trim().chars().take(rules::LONGEST_NAME).collect()
    };
    let given = person.name.as_deref().map(shorten);
    let given = given.and_then(|name| rules::name(OPERATION, &name).ok());
    given.unwrap_or_else(|| shorten(email.split('@').next().unwrap_or(email)))
}

fn link_refused(error: Error) -> Refused {
    let refusal = match error.kind() {
        ErrorKind::AlreadyExists => Refusal::LinkedElsewhere,
        ErrorKind::Conflict => Refusal::TooManyLinks,
        ErrorKind::NotFound => Refusal::Disabled,
        ErrorKind::InvalidInput => Refusal::Invalid,
        _ => Refusal::Failed,
    };
    Refused::because(refusal, error)
}

/// An invitation that is good no more is none.
fn none_if_missing<T>(error: Error) -> Result<Option<T>> {
    if is_missing(&error, "invitation") { Ok(None) } else { Err(error) }
}
