//! API keys: programs that act for their maker.

use notebook_core::{
    ApiKeyId, Error, Result, Secret, Timestamp,
    identity::{ApiKey, rules},
};

use super::{Auth, Principal, sessions::unauthorized};
use crate::{api_key, rbac::Permission, scope_of};

impl Auth {
    /// Who an API key stands for.
    ///
    /// # Errors
    /// `Unauthenticated`, whatever is wrong with it.
    pub async fn authenticate_key(&self, key: &str) -> Result<Principal> {
        let hash = api_key::recognise(key).ok_or_else(unauthorized)?;
        let holder = self.identity.key_holder(hash).await?;
        let holder = holder.filter(|holder| holder.standing.active).ok_or_else(unauthorized)?;
        self.clock.align(holder.now);
        // One write a minute, by all servers together.
        if rules::key_use_is_due(&holder.key, holder.now) {
            self.identity.key_used(holder.tenant, holder.key.id).await?;
        }
        // A name that is no permission any more permits nothing.
        let named = |name: &String| Permission::named(name);
        let scopes = holder.key.scopes.iter().filter_map(named).collect();
        Ok(Principal {
            user: holder.key.user,
            scope: scope_of(holder.tenant),
            role: holder.standing.role,
            session: None,
            key: Some((holder.key.id, scopes)),
            expires_at: None,
        })
    }

    /// Makes an API key that may do `scopes`, of what its maker may do. The key is shown this once.
    ///
    /// - Keys make no keys: so a key that is revoked or runs out is the end of all that was done with it.
    ///
    /// # Errors
    /// `Forbidden` when its maker may not, or is a key; `InvalidInput` when the name is empty or too long, a scope is
    /// beyond what its maker may, or `expires_at` is past.
    pub async fn create_key(
        &self,
        by: &Principal,
        name: &str,
        scopes: &[Permission],
        expires_at: Option<Timestamp>,
    ) -> Result<(ApiKey, Secret)> {
        const OPERATION: &str = "create API key";
        by.require(Permission::ApiKeyCreate)?;
        by.signed_in()?;
        let name = rules::name(OPERATION, name)?;
        if let Some(beyond) = scopes.iter().find(|scope| !by.may(**scope)) {
            let fix = format!("leave out {}, which you may not do yourself", beyond.name());
            return Err(Error::invalid(OPERATION, "scopes", fix));
        }
        if scopes.is_empty() {
            return Err(Error::invalid(OPERATION, "scopes", "name at least one"));
        }
        if scopes.contains(&Permission::ApiKeyCreate) {
            let fix = format!("leave out {}: keys make no keys", Permission::ApiKeyCreate.name());
            return Err(Error::invalid(OPERATION, "scopes", fix));
        }
        let now = self.identity.now().await?;
        if expires_at.is_some_and(|end| end <= now) {
            return Err(Error::invalid(OPERATION, "expires_at", "give a time to come"));
        }
        let made = api_key::make()?;
        let key = ApiKey {
            id: notebook_core::ApiKeyId::new(),
            user: by.user,
            name,
            prefix: made.prefix,
            hash: made.hash,
            scopes: scopes.iter().map(|scope| scope.name().to_owned()).collect(),
            created_at: now,
            expires_at,
            last_used_at: None,
            revoked_at: None,
        };
        self.identity.create_key(&by.scope, by.actor(), key.clone()).await?;
        Ok((key, made.key))
    }

    /// The workspace's keys, newest first: all of them for who manages them, and else one's own.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn keys(&self, by: &Principal) -> Result<Vec<ApiKey>> {
        let mut keys = self.identity.keys(&by.scope).await?;
        if !by.may(Permission::ApiKeyManage) {
            keys.retain(|key| key.user == by.user);
        }
        Ok(keys)
    }

    /// Ends a key: one's own, or any for who manages them. A key can end itself, and others only where it manages them.
    /// Repeated: does nothing.
    ///
    /// # Errors
    /// `NotFound` when there is none, or it is another's.
    pub async fn revoke_key(&self, by: &Principal, id: ApiKeyId) -> Result<()> {
        let keys = self.identity.keys(&by.scope).await?;
        let found = keys.iter().find(|key| key.id == id).filter(|key| {
            let own = match &by.key {
                Some((own, _)) => *own == key.id,
                None => key.user == by.user,
            };
            own || by.may(Permission::ApiKeyManage)
        });
        if found.is_none() {
            return Err(Error::not_found("revoke API key", "API key"));
        }
        self.identity.revoke_key(&by.scope, by.actor(), id).await
    }

    pub(super) async fn key_still_good(&self, principal: &Principal, id: ApiKeyId) -> Result<bool> {
        let keys = self.identity.keys(&principal.scope).await?;
        let now = self.clock.now();
        let good = keys.iter().any(|key| key.id == id && rules::key_is_good(key, now));
        let tenant = principal.scope.tenant();
        let standing = self.identity.standing(principal.user, tenant).await?;
        Ok(good && standing.active && standing.role >= principal.role)
    }
}
