//! How often clients may do what.

use std::{collections::BTreeMap, time::Duration};

use notebook_core::{Result, TenantId, rate_limit::Policy};
use serde::Deserialize;

const MINUTE: u32 = 60;
const HOUR: u32 = 3_600;
const DAY: u32 = 86_400;

/// The stores that can be named.
const STORES: &[&str] = &["auto", "memory", "database", "redis"];

/// How often clients may do what.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateLimits {
    /// Whether there are limits; when absent, not in single-user mode.
    pub enabled: Option<bool>,
    /// Where it is counted: `memory` (each process for itself), `database`, `redis`, or `auto`: by Redis where there is one,
    /// else in PostgreSQL where servers share one, else in memory.
    pub store: String,
    /// For how many milliseconds the store is waited for before a process counts for itself.
    pub patience_millis: u32,
    /// Clients who have not signed in, by address.
    pub anonymous: Anonymous,
    /// Each user, and each API key.
    pub user: User,
    /// The tier of a workspace that none is named for.
    pub tier: String,
    /// What all of a workspace may do together, by the name of its tier; `free`, `pro` and `enterprise` are there.
    pub tiers: BTreeMap<String, Tier>,
    /// The tiers of workspaces, by id.
    pub workspaces: BTreeMap<String, String>,
}

/// So many in so many seconds, evenly, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// How many.
    pub quota: u32,
    /// In how many seconds.
    pub seconds: u32,
    /// How many at once; as many as the quota when absent.
    pub burst: Option<u32>,
}

impl Rate {
    const fn new(quota: u32, seconds: u32) -> Self {
        Self { quota, seconds, burst: None }
    }

    /// # Errors
    /// `InvalidInput` that names the field.
    pub(crate) fn policy(&self) -> Result<Policy> {
        Policy::new(self.quota, Duration::from_secs(self.seconds.into()), self.burst)
    }
}

/// A structure of rates by class; each is off when absent and has no default.
macro_rules! rates {
    ($(#[$doc:meta])* $name:ident { $($class:ident: $default:expr),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            /// Reading anything.
            pub read: Option<Rate>,
            /// Changing anything that has no class of its own.
            pub write: Option<Rate>,
            /// Questions.
            pub ask: Option<Rate>,
            /// Uploads, pasted texts and imports.
            pub upload: Option<Rate>,
            /// New notebooks.
            pub notebooks: Option<Rate>,
            /// Registering, signing in, resetting passwords.
            pub sign_in: Option<Rate>,
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($class: $default),* }
            }
        }

        impl $name {
            /// All of them with their names.
            pub(crate) const fn named(&self) -> [(&'static str, Option<Rate>); 6] {
                [
                    ("read", self.read),
                    ("write", self.write),
                    ("ask", self.ask),
                    ("upload", self.upload),
                    ("notebooks", self.notebooks),
                    ("sign_in", self.sign_in),
                ]
            }
        }
    };
}

rates! {
    /// What a client may do who has not signed in.
    Anonymous {
        read: Some(Rate::new(300, MINUTE)),
        write: Some(Rate::new(60, MINUTE)),
        ask: Some(Rate::new(20, HOUR)),
        upload: Some(Rate::new(20, HOUR)),
        notebooks: Some(Rate::new(10, HOUR)),
        sign_in: Some(Rate { quota: 60, seconds: HOUR, burst: Some(20) }),
    }
}

rates! {
    /// What a user may do, or somebody with an API key.
    User {
        read: Some(Rate::new(1_200, MINUTE)),
        write: Some(Rate::new(300, MINUTE)),
        ask: Some(Rate::new(60, MINUTE)),
        upload: Some(Rate::new(50, HOUR)),
        notebooks: Some(Rate::new(10, HOUR)),
        sign_in: Some(Rate::new(60, HOUR)),
    }
}

rates! {
    /// What all of a workspace may do together.
    Tier {
        read: None,
        write: None,
        ask: None,
        upload: None,
        notebooks: None,
        sign_in: None,
    }
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            enabled: None,
            store: "auto".to_owned(),
            patience_millis: 500,
            anonymous: Anonymous::default(),
            user: User::default(),
            tier: "free".to_owned(),
            tiers: BTreeMap::new(),
            workspaces: BTreeMap::new(),
        }
    }
}

impl RateLimits {
    /// Whether there are limits, in single-user mode or not.
    #[must_use]
    pub fn is_on(&self, single_user: bool) -> bool {
        self.enabled.unwrap_or(!single_user)
    }

    /// All tiers: those that are there, changed or added to by what was set.
    pub(crate) fn all_tiers(&self) -> BTreeMap<String, Tier> {
        let of = |ask| Tier { ask: Some(Rate::new(ask, HOUR)), ..Tier::default() };
        let mut tiers: BTreeMap<_, _> = [("free", 100), ("pro", 1_000), ("enterprise", 10_000)]
            .map(|(name, ask)| (name.to_owned(), of(ask)))
            .into();
        tiers.extend(self.tiers.iter().map(|(name, tier)| (name.clone(), *tier)));
        tiers
    }

    /// What is wrong, as sentences.
    pub(super) fn check(&self) -> Vec<String> {
        let mut errors = Vec::new();
        if !STORES.contains(&self.store.as_str()) {
            let known = STORES.join(", ");
            errors.push(format!("rate_limits.store is {:?}; use one of {known}", self.store));
        }
        if !(10..=10_000).contains(&self.patience_millis) {
            errors.push("rate_limits.patience_millis must be from 10 to 10000".to_owned());
        }
        let tiers = self.all_tiers();
        let mut rates = vec![
            ("anonymous".to_owned(), self.anonymous.named()),
            ("user".to_owned(), self.user.named()),
        ];
        rates.extend(tiers.iter().map(|(name, tier)| (format!("tiers.{name}"), tier.named())));
        for (whose, rates) in rates {
            for (class, rate) in rates {
                if let Some(error) = rate.and_then(|rate| wrong(&rate)) {
                    errors.push(format!("rate_limits.{whose}.{class}{error}"));
                }
            }
        }
        let known: Vec<_> = tiers.keys().map(String::as_str).collect();
        let mut tier = |setting: String, name: &String| {
            if !tiers.contains_key(name) {
                let known = known.join(", ");
                errors.push(format!("{setting} is {name:?}; known are: {known}"));
            }
        };
        tier("rate_limits.tier".to_owned(), &self.tier);
        for (workspace, name) in &self.workspaces {
            tier(format!("rate_limits.workspaces.{workspace}"), name);
        }
        for workspace in self.workspaces.keys() {
            if workspace.parse::<TenantId>().is_err() {
                errors.push(format!(
                    "rate_limits.workspaces.{workspace} must be named by the workspace's id, a lower-case UUID"
                ));
            }
        }
        errors
    }
}

/// What is wrong with a rate: the field, and the fix.
fn wrong(rate: &Rate) -> Option<String> {
    if rate.seconds == 0 || rate.seconds > 31 * DAY {
        return Some(".seconds must be from 1 to 2678400 (31 days)".to_owned());
    }
    let error = rate.policy().err()?;
    let get = |name| error.context(name).unwrap_or_default();
    Some(format!(".{}: {}", get("field"), get("fix")))
}
