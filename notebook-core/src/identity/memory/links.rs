use async_trait::async_trait;

use super::{MemoryIdentity, State, accounts::create_user};
use crate::{
    Error, LinkId, Result, Timestamp, UserId,
    identity::{
        External, Link, Links, NewUser, User,
        audit::{Actor, INSTALLATION},
        rules,
    },
};

#[async_trait]
impl Links for MemoryIdentity {
    async fn create_linked_user(&self, new: NewUser, external: External) -> Result<User> {
        const OPERATION: &str = "create user";
        rules::external(OPERATION, &external)?;
        self.with(|state, now| {
            if state.linked(&external).is_some() {
                return Err(rules::linked_already(OPERATION));
            }
            let by = new.by;
            let user = create_user(state, now, new)?;
            state.add_link(now, by, user.id, external);
            Ok(user)
        })
    }

    async fn linked_user(&self, external: &External) -> Result<Option<User>> {
        self.with(|state, _| {
            let user = state.linked(external).map(|link| link.user);
            Ok(user.and_then(|user| state.users.get(&user)).cloned())
        })
    }

    async fn link(&self, by: Actor, user: UserId, external: External) -> Result<Link> {
        const OPERATION: &str = "link account";
        rules::external(OPERATION, &external)?;
        self.with(|state, now| {
            let found = state.user(OPERATION, user)?.clone();
            match state.linked(&external) {
                Some(link) if link.user == user && found.active => return Ok(link.clone()),
                Some(link) if link.user != user => return Err(rules::linked_already(OPERATION)),
                _ => {}
            }
            rules::may_link(OPERATION, &found, state.links_of(user).count())?;
            Ok(state.add_link(now, by, user, external))
        })
    }

    async fn links(&self, user: UserId) -> Result<Vec<Link>> {
        self.with(|state, _| Ok(state.links_of(user).cloned().collect()))
    }

    async fn unlink(&self, by: Actor, user: UserId, id: LinkId) -> Result<()> {
        const OPERATION: &str = "unlink account";
        self.with(|state, now| {
            let found = state.links.get(&id).filter(|link| link.user == user).cloned();
            let link = found.ok_or_else(|| Error::not_found(OPERATION, "linked account"))?;
            let links = state.links_of(user).count();
            rules::may_unlink(OPERATION, state.user(OPERATION, user)?, links)?;
            state.links.remove(&id);
            state.log(INSTALLATION, now, rules::link_entry(by, "identity.unlinked", &link));
            Ok(())
        })
    }
}

impl State {
    fn linked(&self, external: &External) -> Option<&Link> {
        self.links.values().find(|link| link.external == *external)
    }

    fn links_of(&self, user: UserId) -> impl Iterator<Item = &Link> {
        self.links.values().filter(move |link| link.user == user)
    }

    fn add_link(&mut self, now: Timestamp, by: Actor, user: UserId, external: External) -> Link {
        let link = Link { id: LinkId::new(), user, external, created_at: now };
        self.links.insert(link.id, link.clone());
        self.log(INSTALLATION, now, rules::link_entry(by, "identity.linked", &link));
        link
    }
}
