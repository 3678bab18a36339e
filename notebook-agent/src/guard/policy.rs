//! Whether a tool may be called: by what it can do, what the run has read, and where its arguments are from.
//!
//! A model that has read untrusted text may be acting for whoever wrote it, and nothing in its output tells. So the
//! decision asks nothing of the text: only of the tool's class and of provenance. No policy can be written under
//! which a run that has read untrusted text, or an argument that derives from it, reaches outward without a person.
//!
//! ```
//! use notebook_agent::guard::{
//!     policy::{Decision, Policy, Reason, Taint, ToolClass, decide},
//!     provenance::Origin,
//! };
//!
//! let policy = Policy::default();
//! let mut taint = Taint::default();
//! assert_eq!(decide(&policy, ToolClass::Read, &taint, false), Decision::Allowed);
//! assert_eq!(decide(&policy, ToolClass::Outward, &taint, false), Decision::NeedsApproval(Reason::Outward));
//!
//! taint.mark(Origin::tool("search_sources"));
//! assert_eq!(decide(&policy, ToolClass::Read, &taint, true), Decision::Allowed);
//! assert_eq!(decide(&policy, ToolClass::Write, &taint, true), Decision::NeedsApproval(Reason::Derived));
//! assert_eq!(decide(&policy, ToolClass::Outward, &taint, false), Decision::Refused(Reason::Locked));
//! ```

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::provenance::Origin;

/// What a tool can do at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolClass {
    /// Reads what the run's own scope holds: sources, spans, tables; calculates.
    Read,
    /// Changes something within the scope: a note, a source.
    Write,
    /// Reaches something outside: an address, a webhook, another service.
    Outward,
}

/// What untrusted text a run has read. It only grows: what a model has read stays in what it writes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taint {
    tainted: bool,
    /// For people; the first ones.
    origins: BTreeSet<Origin>,
}

/// How many origins a taint names. The taint itself does not depend on it.
const NAMED: usize = 64;

impl Taint {
    /// The run has read text from there.
    pub fn mark(&mut self, origin: Origin) {
        self.tainted = true;
        if self.origins.len() < NAMED {
            self.origins.insert(origin);
        }
    }

    /// Takes what another part of the run has read, as when branches come together.
    pub fn join(&mut self, other: &Self) {
        self.tainted |= other.tainted;
        for origin in &other.origins {
            self.mark(origin.clone());
        }
    }

    /// Whether nothing untrusted was read.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        !self.tainted
    }

    /// Where the text was from; the first 64.
    pub fn origins(&self) -> impl Iterator<Item = &Origin> {
        self.origins.iter()
    }
}

/// Whether a person is asked where nothing untrusted is involved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenClean {
    /// Without asking.
    Allow,
    /// Only when a person agrees to the exact arguments.
    Ask,
}

/// What becomes of outward tools once the run has read untrusted text. There is no third choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutwardWhenTainted {
    /// They are refused until the run's end.
    Lock,
    /// Only when a person agrees to the exact arguments.
    Ask,
}

/// What an operator can choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Writing in a clean run.
    pub write: WhenClean,
    /// Reaching outward in a clean run.
    pub outward: WhenClean,
    /// Reaching outward in a tainted run.
    pub outward_when_tainted: OutwardWhenTainted,
}

impl Default for Policy {
    /// The strictest: a person for every write and every way out; no way out once the run is tainted.
    fn default() -> Self {
        Self {
            write: WhenClean::Ask,
            outward: WhenClean::Ask,
            outward_when_tainted: OutwardWhenTainted::Lock,
        }
    }
}

/// Why a call is not simply made; for the person who is asked, and for the model as an observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The tool changes something.
    Writes,
    /// The tool reaches something outside.
    Outward,
    /// The arguments derive from untrusted text.
    Derived,
    /// The run has read untrusted text.
    Tainted,
    /// The run has read untrusted text, and outward tools are locked from then on.
    Locked,
}

impl Reason {
    /// A sentence.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Writes => "This tool changes something.",
            Self::Outward => "This tool reaches something outside of the notebook.",
            Self::Derived => "The arguments derive from text that is not the user's.",
            Self::Tainted => "This run has read text that is not the user's.",
            Self::Locked => {
                "This run has read text that is not the user's; tools that reach outside are locked from then on."
            }
        }
    }
}

/// What is to be done with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Make it.
    Allowed,
    /// Make it when a person agrees to exactly these arguments.
    NeedsApproval(Reason),
    /// Do not make it, whoever agrees.
    Refused(Reason),
}

/// Whether a tool of this class may be called now, with arguments that derive from untrusted text or do not.
///
/// An argument that derives from untrusted text taints the run, even where `taint` does not know of it.
#[must_use]
pub const fn decide(
    policy: &Policy,
    class: ToolClass,
    taint: &Taint,
    derived_from_untrusted: bool,
) -> Decision {
    let tainted = derived_from_untrusted || !taint.is_clean();
    match class {
        ToolClass::Read => Decision::Allowed,
        ToolClass::Write if derived_from_untrusted => Decision::NeedsApproval(Reason::Derived),
        // The arguments of a model's call are words of a model that has read it all.
        ToolClass::Write if tainted => Decision::NeedsApproval(Reason::Tainted),
        ToolClass::Write => match policy.write {
            WhenClean::Allow => Decision::Allowed,
            WhenClean::Ask => Decision::NeedsApproval(Reason::Writes),
        },
        ToolClass::Outward if tainted => match policy.outward_when_tainted {
            OutwardWhenTainted::Lock => Decision::Refused(Reason::Locked),
            OutwardWhenTainted::Ask if derived_from_untrusted => {
                Decision::NeedsApproval(Reason::Derived)
            }
            OutwardWhenTainted::Ask => Decision::NeedsApproval(Reason::Tainted),
        },
        ToolClass::Outward => match policy.outward {
            WhenClean::Allow => Decision::Allowed,
            WhenClean::Ask => Decision::NeedsApproval(Reason::Outward),
        },
    }
}

#[cfg(test)]
#[path = "tests/policy.rs"]
mod tests;
