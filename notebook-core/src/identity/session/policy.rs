//! How long tokens live and how far an old one is forgiven.

use std::time::Duration;

use crate::{Error, Result};

/// The times and numbers that decide what a presented refresh token means.
///
/// **Delay budget.** An honest browser with several tabs is never signed out as long as a request and its reply
/// together take less than `grace`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionPolicy {
    /// How long the token before the newest gets the newest again. 0 to 60 seconds; default 30.
    pub grace: Duration,
    /// How long a new token is given again to those who present it: no less than `grace`. Default 60 seconds.
    ///
    /// In this the letter of RFC 9700 is left, which asks for a new token at each use: tabs of one browser that
    /// refresh one after the other would each rotate again, and replies that cross would sign an honest user out.
    pub coalesce: Duration,
    /// How long the token before the newest is still taken when the newest was never used, so that its reply was
    /// lost. Default 24 hours; 0 never.
    pub recovery: Duration,
    /// Whether a client that used the newest access token, and never the newest refresh token, may recover once a
    /// day: what a browser that crashed looks like, and a thief at their first use. Default no.
    pub recover_crashed: bool,
    /// How often the token before the newest gets the newest again. Default 50.
    pub most_replays: u32,
    /// How long an access token lives: at least five times `coalesce`. Default 15 minutes.
    pub access: Duration,
    /// How long a session lives without a refresh. Default 30 days.
    pub idle: Duration,
    /// How long a session lives at most. Default 90 days.
    pub absolute: Duration,
    /// How many sessions a user has; the oldest gives way. Default 50.
    pub most_sessions: usize,
}

impl Default for SessionPolicy {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            grace: Duration::from_secs(30),
            coalesce: Duration::from_secs(60),
            recovery: DAY,
            recover_crashed: false,
            most_replays: 50,
            access: Duration::from_secs(15 * 60),
            idle: 30 * DAY,
            absolute: 90 * DAY,
            most_sessions: 50,
        }
    }
}

impl SessionPolicy {
    /// RFC 9700 to the letter: each use rotates, and a token that is used again ends the session. Only for clients
    /// that never send two refreshes at once and never lose a reply.
    #[must_use]
    pub fn strict() -> Self {
        let none = Duration::ZERO;
        Self { grace: none, coalesce: none, recovery: none, ..Self::default() }
    }

    /// The policy, if its parts go together.
    ///
    /// # Errors
    /// `InvalidInput` that names the first setting that does not.
    pub fn checked(self) -> Result<Self> {
        let wrong =
            |field: &str, fix: &str| Err(Error::invalid("check session policy", field, fix));
        if self.grace > Duration::from_secs(60) {
            return wrong("grace", "give 0 to 60 seconds");
        }
        if self.coalesce < self.grace {
            return wrong("coalesce", "give at least `grace`");
        }
        if self.access < 5 * self.coalesce || self.access < Duration::from_secs(1) {
            return wrong("access", "give at least five times `coalesce`, and at least a second");
        }
        if self.recovery > Duration::ZERO && self.recovery < self.grace {
            return wrong("recovery", "give 0, or at least `grace`");
        }
        if self.idle < self.access {
            return wrong("idle", "give at least `access`");
        }
        if self.absolute < self.idle {
            return wrong("absolute", "give at least `idle`");
        }
        if self.most_sessions == 0 {
            return wrong("most_sessions", "give at least 1");
        }
        if self.most_replays == 0 && self.grace > Duration::ZERO {
            return wrong("most_replays", "give at least 1, or set `grace` to 0");
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r49_settings_that_do_not_go_together_are_refused() {
        let seconds = Duration::from_secs;
        let good = SessionPolicy::default();
        assert_eq!(good.checked().unwrap(), good);
        SessionPolicy::strict().checked().unwrap();
        for (field, bad) in [
            ("grace", SessionPolicy { grace: seconds(61), coalesce: seconds(61), ..good }),
            ("coalesce", SessionPolicy { coalesce: seconds(29), ..good }),
            ("access", SessionPolicy { access: seconds(299), ..good }),
            ("access", SessionPolicy { access: Duration::ZERO, ..SessionPolicy::strict() }),
            ("recovery", SessionPolicy { recovery: seconds(29), ..good }),
            ("idle", SessionPolicy { idle: seconds(899), ..good }),
            ("absolute", SessionPolicy { absolute: seconds(3_600), ..good }),
            ("most_sessions", SessionPolicy { most_sessions: 0, ..good }),
            ("most_replays", SessionPolicy { most_replays: 0, ..good }),
        ] {
            let error = bad.checked().unwrap_err();
            assert_eq!(error.context("field"), Some(field), "{bad:?}");
        }
    }
}
