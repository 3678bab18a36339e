//! Calls to addresses that users give, webhooks' among them.

use std::{path::PathBuf, time::Duration};

use notebook_core::webhook::rules::RetryPolicy;
use serde::Deserialize;

/// Calls to addresses that users give.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Egress {
    /// What may be called although it is not on the public internet: a list of `host:port`.
    pub allow: Vec<String>,
    /// Files with more certificate authorities to trust, as PEM.
    pub extra_roots: Vec<PathBuf>,
}

/// How events are sent to webhooks.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Webhooks {
    /// How often a message is sent that is not taken.
    pub attempts: u32,
    /// The least seconds between the first attempt and the second; four times as long after each further one.
    pub backoff_seconds: u32,
    /// How many seconds a receiver may take to answer.
    pub timeout_seconds: u32,
    /// After how many days in which nothing arrived a webhook is disabled.
    pub disable_after_days: u32,
}

impl Default for Webhooks {
    fn default() -> Self {
        Self { attempts: 3, backoff_seconds: 30, timeout_seconds: 15, disable_after_days: 5 }
    }
}

impl Webhooks {
    pub(crate) fn policy(&self) -> RetryPolicy {
        RetryPolicy {
            attempts: self.attempts,
            backoff: Duration::from_secs(self.backoff_seconds.into()),
            disable_after: Duration::from_secs(u64::from(self.disable_after_days) * 86_400),
            ..RetryPolicy::default()
        }
    }
}
