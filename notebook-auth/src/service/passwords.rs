//! Passwords that are changed, and those that were forgotten.

use std::net::{IpAddr, Ipv4Addr};

use notebook_core::{
    Error, ErrorKind, JobId, Result, Retry, Secret, SessionId, UserId,
    identity::{
        Reset, SetPassword, User,
        session::{NewSession, Session},
    },
};

use super::{Auth, Tokens, accounts::email};
use crate::{password::Checked, reset};

/// Where tries come from that are told apart by something else.
const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

impl Auth {
    /// Changes a password that is known. All sessions end; a new one begins for the caller, like the one given.
    ///
    /// # Errors
    /// `InvalidInput` when the old password is wrong or the new one is refused, and names the field; `RateLimited` after
    /// too many tries; `NotFound` when there is no such session; `Unauthenticated` when the sessions were ended meanwhile,
    /// such as by a reset.
    pub async fn change_password(
        &self,
        session: SessionId,
        old: &Secret,
        new: &Secret,
    ) -> Result<Tokens> {
        const OPERATION: &str = "change password";
        let (current, user) = self.who_knows(OPERATION, session, "old", old).await?;
        let hash = self.passwords.hash(new).await?;
        let change =
            SetPassword { user: user.id, old: user.password, new: hash, ends_sessions: true };
        let changed = self.identity.set_password(change).await?;
        self.live.forget_all();
        let new = NewSession {
            id: SessionId::new(),
            user: changed.id,
            tenant: current.tenant,
            // Of this change: what was ended after it opens nothing.
            epoch: changed.epoch,
            binding: current.binding,
            key: self.refresh.current(),
            client: current.client,
            address: current.address,
        };
        self.open(new).await
    }

    /// The session and its user, if they know their password, which is in this field of what they sent.
    pub(super) async fn who_knows(
        &self,
        operation: &'static str,
        session: SessionId,
        field: &'static str,
        password: &Secret,
    ) -> Result<(Session, User)> {
        let current = self.identity.session(session).await?.session;
        let user = self.identity.user(current.user).await?;
        if user.password.is_none() {
            return Err(Error::new(ErrorKind::Conflict, operation)
                .with("fix", "you have no password: set one first, as one that was forgotten"));
        }
        // By session, and by nothing else: nobody uses up the tries of another.
        let what = format!("session {session}");
        let admitted = self.throttle.lock().admit_alone(&what, NOWHERE, self.clock.now());
        admitted.map_err(|wait| {
            Error::new(ErrorKind::RateLimited, operation).retry(Retry::After(wait))
        })?;
        let checked = self.passwords.check(password, user.password.as_deref()).await?;
        if checked == Checked::Wrong {
            // They are who they say: a client that is told otherwise would sign them out.
            return Err(Error::invalid(operation, field, "give the present password"));
        }
        self.throttle.lock().forgive_alone(&what, NOWHERE);
        Ok((current, user))
    }

    /// Whether mail to set a forgotten password may be asked for `from` an address, and to which address it then goes; none
    /// when nobody can have that. Whether anybody has it is found out by the job that sends it: who asks is told nothing of
    /// it, neither by the answer nor by how long it takes.
    ///
    /// # Errors
    /// `RateLimited` after too many requests `from` an address.
    pub fn admit_reset(&self, address: &str, from: IpAddr) -> Result<Option<String>> {
        const OPERATION: &str = "ask for reset";
        let admitted = self.throttle.lock().admit_alone("reset", from, self.clock.now());
        admitted.map_err(|wait| {
            Error::new(ErrorKind::RateLimited, OPERATION).retry(Retry::After(wait))
        })?;
        Ok(email(OPERATION, address).ok())
    }

    /// A token to set a forgotten password, to be sent to the address; none when nobody has it, or has been sent as many
    /// as may be good at once. The same one for the same job.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn reset_to_send(&self, address: &str, job: JobId) -> Result<Option<(User, Secret)>> {
        let found = self.identity.user_by_email(address).await?;
        let Some(user) = found.filter(|user| user.active) else { return Ok(None) };
        let (token, hash) = reset::of_job(&self.links, job)?;
        match self.identity.reset(hash).await {
            // An earlier try of the job has kept it.
            Ok(_) => return Ok(Some((user, token))),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let kept = self.keep_reset(user.id, hash).await?;
        Ok(kept.then_some((user, token)))
    }

    /// A reset token that is kept; none when as many are good as may be.
    pub(super) async fn make_reset(&self, user: UserId) -> Result<Option<Secret>> {
        let (token, hash) = reset::make()?;
        Ok(self.keep_reset(user, hash).await?.then_some(token))
    }

    async fn keep_reset(&self, user: UserId, hash: [u8; 32]) -> Result<bool> {
        let expires_at = self.identity.now().await?.after(self.reset_life);
        self.identity.put_reset(Reset { hash, user, expires_at }).await
    }

    /// Sets a forgotten password. All sessions end.
    ///
    /// # Errors
    /// `NotFound` when the token is unknown, was used or is too old; `InvalidInput` when the password is refused.
    pub async fn reset_password(&self, token: &str, new: &Secret) -> Result<UserId> {
        let token = reset::hash(token);
        // Before the work: without a good token nobody makes the server hash.
        self.identity.reset(token).await?;
        let hash = self.passwords.hash(new).await?;
        let user = self.identity.use_reset(token, hash).await?;
        self.live.forget_all();
        Ok(user)
    }
}
