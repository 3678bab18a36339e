//! What models may do in a research.

use std::time::Duration;

use notebook_agent::{
    graph::Budget,
    guard::policy::{OutwardWhenTainted, Policy, WhenClean},
    tools::research::Limits,
};
use serde::Deserialize;

/// What models may do in a research. No value lets a run that has read untrusted text write or reach out without a person.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tools {
    /// Tools that write, in a run that has read nothing yet: `ask` or `allow`.
    pub write: WhenClean,
    /// Tools that reach out, in such a run: `ask` or `allow`.
    pub outward: WhenClean,
    /// Tools that reach out, once untrusted text was read: `lock` or `ask`.
    pub outward_when_tainted: OutwardWhenTainted,
    /// How long a person has to answer: 1 to 604,800.
    pub approval_seconds: u32,
    /// How often a model may ask for tools: 1 to 100.
    pub rounds: u32,
    /// The most calls of a run.
    pub calls: u32,
    /// The most tokens of a run, prompts and answers together.
    pub tokens: u64,
    /// The most that a run may cost, in millionths of a US dollar, where prices are known.
    pub cost_micros: u64,
    /// The most bytes of a page that `fetch_url` reads.
    pub page_bytes: usize,
}

impl Default for Tools {
    fn default() -> Self {
        let (policy, limits, budget) = (Policy::default(), Limits::default(), Budget::default());
        Self {
            write: policy.write,
            outward: policy.outward,
            outward_when_tainted: policy.outward_when_tainted,
            approval_seconds: 86_400,
            rounds: limits.rounds,
            calls: budget.tool_calls,
            tokens: budget.tokens,
            cost_micros: budget.cost_micros,
            page_bytes: 4 << 20,
        }
    }
}

impl Tools {
    pub(super) fn errors(&self) -> Vec<String> {
        let numbers = [
            ("approval_seconds", u64::from(self.approval_seconds), 604_800),
            ("rounds", u64::from(self.rounds), 100),
            ("calls", u64::from(self.calls), 1_000),
            ("tokens", self.tokens, 100_000_000),
            ("page_bytes", self.page_bytes as u64, 64 << 20),
        ];
        let wrong = |(name, number, most): &(&str, u64, u64)| {
            (!(1..=*most).contains(number))
                .then(|| format!("tools.{name} is {number}: give 1 to {most}"))
        };
        numbers.iter().filter_map(wrong).collect()
    }

    pub(crate) const fn policy(&self) -> Policy {
        Policy {
            write: self.write,
            outward: self.outward,
            outward_when_tainted: self.outward_when_tainted,
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits { rounds: self.rounds, ..Limits::default() }
    }

    pub(crate) fn budget(&self) -> Budget {
        Budget {
            tool_calls: self.calls,
            tokens: self.tokens,
            cost_micros: self.cost_micros,
            approval_time: Duration::from_secs(self.approval_seconds.into()),
            ..Budget::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d5_what_tools_are_told_is_checked() {
        assert_eq!(Tools::default().errors(), Vec::<String>::new());
        assert_eq!(Tools::default().policy(), Policy::default());
        let wrong = Tools { approval_seconds: 0, rounds: 1_000, ..Tools::default() };
        let errors = wrong.errors().join("\n");
        assert!(errors.contains("tools.approval_seconds is 0"), "{errors}");
        assert!(errors.contains("tools.rounds is 1000: give 1 to 100"), "{errors}");
    }
}
