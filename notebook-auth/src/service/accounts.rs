//! Becoming a user, and signing in.

use notebook_core::{
    Error, ErrorKind, Result, Retry, SessionId, TenantId, UserId,
    identity::{
        NewUser, SetPassword, User,
        audit::{Actor, NewEntry},
        rules,
        session::NewSession,
    },
};

use super::{Auth, NewAccount, Registration, SignIn, Tokens};
use crate::password::Checked;

const REGISTER: &str = "register";
const SIGN_IN: &str = "sign in";

impl Auth {
    /// Makes a user with a personal workspace.
    ///
    /// # Errors
    /// `InvalidInput` that names the field; `AlreadyExists` when the address is taken.
    pub async fn register(&self, new: Registration) -> Result<User> {
        let Registration { email, name, password } = new;
        let new = NewAccount { email, name, password: Some(password) };
        self.add_user(REGISTER, None, new).await
    }

    /// The same for somebody who was invited, and is a member of that workspace then too.
    ///
    /// # Errors
    /// `NotFound` when there is no such invitation any more, or it names another address; those of
    /// [`register`](Self::register).
    pub async fn register_invited(&self, new: Registration, invitation: &str) -> Result<User> {
        let invited = self.invited(invitation).await?;
        if email(REGISTER, &new.email)? != invited.invitation.email {
            return Err(rules::no_invitation(REGISTER));
        }
        let user = self.register(new).await?;
        self.identity.accept_invitation(user.id, crate::invitation::hash(invitation)).await?;
        Ok(user)
    }

    /// Makes a user, by somebody else or by themselves.
    pub(super) async fn add_user(
        &self,
        operation: &'static str,
        by: Option<Actor>,
        new: NewAccount,
    ) -> Result<User> {
        let email = email(operation, &new.email)?;
        let name = rules::name(operation, &new.name)?;
        let password = match &new.password {
            Some(password) => Some(self.passwords.hash(password).await?),
            None => None,
        };
        let (id, workspace) = (UserId::new(), TenantId::new());
        let by = by.unwrap_or(Actor::User(id));
        self.identity.create_user(NewUser { id, email, name, password, workspace, by }).await
    }

    /// Recognises somebody by address and password, and begins a session.
    ///
    /// - An unknown address, a wrong password, a user who is switched off: one answer, after as much work.
    /// - A hash of an older kind is replaced.
    ///
    /// # Errors
    /// `Unauthenticated`; `RateLimited` with the time to wait, after too many tries.
    pub async fn sign_in(&self, request: SignIn) -> Result<Tokens> {
        // Whatever was typed has a count, not only what may be an address.
        let email = email(SIGN_IN, &request.email).ok();
        let account = email.clone().unwrap_or_else(|| request.email.trim().to_lowercase());
        let now = self.clock.now();
        let admitted = self.throttle.lock().admit(&account, request.address, now);
        admitted.map_err(|wait| {
            Error::new(ErrorKind::RateLimited, SIGN_IN).retry(Retry::After(wait))
        })?;
        let user = match &email {
            Some(email) => self.identity.user_by_email(email).await?,
            None => None,
        };
        let active = user.as_ref().filter(|user| user.active);
        let stored = active.and_then(|user| user.password.as_deref());
        let checked = self.passwords.check(&request.password, stored).await?;
        let (Checked::Right { upgrade }, Some(user)) = (checked, active) else {
            self.sign_in_failed(user.as_ref(), &request).await?;
            return Err(refused());
        };
        self.throttle.lock().succeeded(&account, request.address, now);
        if let Some(new) = upgrade {
            self.upgrade(user, new).await?;
        }
        let tenant = self.place(user.id, request.tenant).await?;
        let new = NewSession {
            id: SessionId::new(),
            user: user.id,
            tenant,
            epoch: user.epoch,
            binding: request.binding,
            key: self.refresh.current(),
            client: shortened(&request.client),
            address: request.address.to_string(),
        };
        self.open(new).await
    }

    /// The workspace to act in: the one asked for, if it is one of the user's, or else the oldest.
    pub(super) async fn place(&self, user: UserId, asked: Option<TenantId>) -> Result<TenantId> {
        let places = self.identity.places(user).await?;
        let mut open = places.iter().filter(|place| place.workspace.active);
        let tenants = |place: &notebook_core::identity::Place| place.workspace.tenant;
        let found = match asked {
            None => open.next().map(tenants),
            Some(asked) => open.map(tenants).find(|tenant| *tenant == asked),
        };
        found.ok_or_else(refused)
    }

    /// Another sign-in may have done it at the same time: then it is done.
    async fn upgrade(&self, user: &User, new: String) -> Result<()> {
        let old = user.password.clone();
        let change = SetPassword { user: user.id, old, new, ends_sessions: false };
        match self.identity.set_password(change).await {
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
            done => done.map(drop),
        }
    }

    async fn sign_in_failed(&self, user: Option<&User>, request: &SignIn) -> Result<()> {
        let detail = serde_json::json!({ "address": request.address });
        let entry = NewEntry::new(Actor::Unknown, "sign_in.failed").warning().with(&detail);
        // What was typed is not logged: it may be a password.
        let entry = user.map_or_else(|| entry.clone(), |user| entry.clone().about(user.id));
        self.identity.log(None, entry).await
    }
}

fn refused() -> Error {
    Error::new(ErrorKind::Unauthenticated, SIGN_IN).with("reason", "address or password is wrong")
}

/// The one form of an address.
pub(crate) fn email(operation: &'static str, text: &str) -> Result<String> {
    normal(text).ok_or_else(|| {
        Error::invalid(operation, "email", "give an address such as ada@example.org")
    })
}

fn normal(text: &str) -> Option<String> {
    use unicode_normalization::UnicodeNormalization as _;
    if text.len() > 1_024 {
        return None;
    }
    let email: String = text.trim().nfc().collect::<String>().to_lowercase();
    let (name, host) = email.rsplit_once('@')?;
    let bad = |c: char| c.is_control() || c.is_whitespace();
    let good = !name.is_empty()
        && host.contains('.')
        && !host.starts_with('.')
        && !host.ends_with('.')
        && email.len() <= 254
        && !email.chars().any(bad);
    good.then_some(email)
}

/// What a client calls itself, as far as a list shows it.
pub(super) fn shortened(client: &str) -> String {
    client.chars().filter(|c| !c.is_control()).take(200).collect()
}
