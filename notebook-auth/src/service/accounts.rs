//! Becoming a user, signing in, passwords.

use notebook_core::{
    Error, ErrorKind, Result, Retry, Secret, SessionId, TenantId, UserId,
    identity::{
        NewUser, Reset, SetPassword, User,
        audit::{Actor, NewEntry},
        session::NewSession,
    },
};

use super::{Auth, Registration, SignIn, Tokens};
use crate::{password::Checked, reset};

const SIGN_IN: &str = "sign in";

impl Auth {
    /// Makes a user with a personal workspace.
    ///
    /// # Errors
    /// `InvalidInput` that names the field; `AlreadyExists` when the address is taken.
    pub async fn register(&self, new: Registration) -> Result<User> {
        const OPERATION: &str = "register";
        let email = email(&new.email).ok_or_else(|| {
            Error::invalid(OPERATION, "email", "give an address such as ada@example.org")
        })?;
        let name = new.name.trim();
        if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
            let fix = "give 1 to 100 characters, none of them a control character";
            return Err(Error::invalid(OPERATION, "name", fix));
        }
        let password = Some(self.passwords.hash(&new.password).await?);
        let (id, workspace) = (UserId::new(), TenantId::new());
        self.identity
            .create_user(NewUser { id, email, name: name.to_owned(), password, workspace })
            .await
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
        let email = email(&request.email);
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

    /// Changes a password that is known. All sessions end; a new one begins for the caller, like the one given.
    ///
    /// # Errors
    /// `InvalidInput` when the old password is wrong or the new one is refused, and names the field; `RateLimited` after
    /// too many tries; `NotFound` when there is no such session.
    pub async fn change_password(
        &self,
        session: SessionId,
        old: &Secret,
        new: &Secret,
    ) -> Result<Tokens> {
        const OPERATION: &str = "change password";
        let current = self.identity.session(session).await?.session;
        let user = self.identity.user(current.user).await?;
        // By session: nobody else can use it up.
        let now = self.clock.now();
        let address = std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
        let account = format!("session {session}");
        let admitted = self.throttle.lock().admit(&account, address, now);
        admitted.map_err(|wait| {
            Error::new(ErrorKind::RateLimited, OPERATION).retry(Retry::After(wait))
        })?;
        let checked = self.passwords.check(old, user.password.as_deref()).await?;
        if checked == Checked::Wrong {
            // They are who they say: a client that is told otherwise would sign them out.
            return Err(Error::invalid(OPERATION, "old", "give the present password"));
        }
        self.throttle.lock().succeeded(&account, address, now);
        let hash = self.passwords.hash(new).await?;
        let (user, old) = (user.id, user.password);
        self.identity
            .set_password(SetPassword { user, old, new: hash, ends_sessions: true })
            .await?;
        self.live.forget_all();
        let epoch = self.identity.standing(user, current.tenant).await?.epoch;
        let new = NewSession {
            id: SessionId::new(),
            user,
            tenant: current.tenant,
            epoch,
            binding: current.binding,
            key: self.refresh.current(),
            client: current.client,
            address: current.address,
        };
        self.open(new).await
    }

    /// A token to set a forgotten password, to be sent to the address; none when nobody has it. What the one who asks
    /// is told must be the same for both.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn request_reset(&self, address: &str) -> Result<Option<(User, Secret)>> {
        // Made in any case, so that both take the same way.
        let (token, hash) = reset::make()?;
        let Some(email) = email(address) else { return Ok(None) };
        let found = self.identity.user_by_email(&email).await?;
        let Some(user) = found.filter(|user| user.active) else { return Ok(None) };
        let expires_at = self.identity.now().await?.after(self.reset_life);
        self.identity.put_reset(Reset { hash, user: user.id, expires_at }).await?;
        Ok(Some((user, token)))
    }

    /// Sets a forgotten password. All sessions end.
    ///
    /// # Errors
    /// `InvalidInput` when the password is refused; `NotFound` when the token is unknown, was used or is too old.
    pub async fn reset_password(&self, token: &str, new: &Secret) -> Result<UserId> {
        let hash = self.passwords.hash(new).await?;
        let user = self.identity.use_reset(reset::hash(token), hash).await?;
        self.live.forget_all();
        Ok(user)
    }

    /// The workspace to act in: the one asked for, if it is one of the user's, or else the oldest.
    async fn place(&self, user: UserId, asked: Option<TenantId>) -> Result<TenantId> {
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
            done => done,
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

/// The one form of an address: none when it cannot be one.
fn email(text: &str) -> Option<String> {
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
fn shortened(client: &str) -> String {
    client.chars().filter(|c| !c.is_control()).take(200).collect()
}
