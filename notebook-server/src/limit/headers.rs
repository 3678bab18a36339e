//! `RateLimit` and `RateLimit-Policy`, as `draft-ietf-httpapi-ratelimit-headers-10` has them.

use std::{fmt::Write as _, time::Duration};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use notebook_core::rate_limit::Policy;

use super::Standing;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// A limit, as replies name it.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: &'static str,
    pub(super) policy: Policy,
    /// As it stands in the header.
    text: String,
}

impl Rule {
    pub(super) fn new(name: &'static str, policy: Policy) -> Self {
        let mut text =
            format!("\"{name}\";q={};w={}", policy.quota(), policy.window().as_secs().max(1));
        if policy.burst() != policy.quota() {
            // Writing to a text does not fail.
            let _ = write!(text, ";notebook-burst={}", policy.burst());
        }
        Self { name, policy, text }
    }
}

/// Whole seconds, so that who waits for them has waited long enough.
pub(super) const fn seconds(time: Duration) -> u64 {
    if time.subsec_nanos() > 0 { time.as_secs() + 1 } else { time.as_secs() }
}

/// Says which limits there are, what is left of each, and when there is more.
pub(super) fn write(headers: &mut HeaderMap, standings: &[Standing<'_>]) {
    let (mut policy, mut limit) = (String::new(), String::new());
    for Standing { rule, decision } in standings {
        if !policy.is_empty() {
            policy.push_str(", ");
            limit.push_str(", ");
        }
        policy.push_str(&rule.text);
        let _ = write!(limit, "\"{}\";r={}", rule.name, decision.remaining);
        if !decision.refill_after.is_zero() {
            let _ = write!(limit, ";t={}", seconds(decision.refill_after));
        }
    }
    for (name, text) in [(POLICY, policy), (LIMIT, limit)] {
        if let Ok(value) = HeaderValue::try_from(text)
            && !value.is_empty()
        {
            headers.insert(name, value);
        }
    }
}
