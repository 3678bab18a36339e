//! What a tool does to the world, what a run has read, and what follows from both (pure).

use serde::{Deserialize, Serialize};

/// What a tool does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolClass {
    /// It reads what the run's own scope may read, and changes nothing.
    ReadInScope,
    /// It changes something in the notebook.
    Write,
    /// It reaches out of this installation.
    Outward,
}

/// Where text comes from that nobody of this installation answers for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Untrusted {
    /// A source of the notebook: its text, its title or its name.
    Source,
    /// A tool that is not of this program.
    Tool,
    /// A page of the web.
    Web,
}

/// Which untrusted text a run has read. It only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Taint {
    /// Text of a source.
    pub source: bool,
    /// Text of a tool that is not of this program.
    pub tool: bool,
    /// Text of the web.
    pub web: bool,
}

impl Taint {
    /// Whether there was any.
    #[must_use]
    pub const fn is_tainted(&self) -> bool {
        self.source || self.tool || self.web
    }

    /// The same after reading more.
    #[must_use]
    pub const fn and(mut self, read: Untrusted) -> Self {
        match read {
            Untrusted::Source => self.source = true,
            Untrusted::Tool => self.tool = true,
            Untrusted::Web => self.web = true,
        }
        self
    }
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It is made.
    Allow,
    /// A person is shown it with its exact arguments first.
    Approve,
    /// It is not made.
    Refuse,
}

/// What an installation allows. Whatever it says, a tool that writes is never called without a person, nor is one that reaches out once
/// the run has read untrusted text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// For tools that write: `Allow` counts as `Approve`.
    pub write: Decision,
    /// For tools that reach out, while nothing untrusted was read.
    pub outward: Decision,
    /// For them afterwards: `Allow` counts as `Approve`.
    pub outward_after_reading: Decision,
}

impl Default for Policy {
    /// People are asked.
    fn default() -> Self {
        let asked = Decision::Approve;
        Self { write: asked, outward: asked, outward_after_reading: asked }
    }
}

/// What becomes of a call of a tool of this class, in a run that has read this, with arguments that may be made of it.
#[must_use]
pub fn decide(
    policy: &Policy,
    class: ToolClass,
    taint: &Taint,
    derived_from_untrusted: bool,
) -> Decision {
    let untrusted = taint.is_tainted() || derived_from_untrusted;
    match class {
        ToolClass::ReadInScope => Decision::Allow,
        ToolClass::Write => policy.write.max(Decision::Approve),
        ToolClass::Outward if untrusted => policy.outward_after_reading.max(Decision::Approve),
        ToolClass::Outward => policy.outward,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECISIONS: [Decision; 3] = [Decision::Allow, Decision::Approve, Decision::Refuse];

    fn every_taint() -> impl Iterator<Item = Taint> {
        (0..8_u8).map(|bits| Taint { source: bits & 1 > 0, tool: bits & 2 > 0, web: bits & 4 > 0 })
    }

    /// P16: every policy, class and taint there is: no way from untrusted text outward or to a write without a person.
    #[test]
    fn p16_untrusted_text_moves_nothing_without_a_person() {
        let mut allowed = 0;
        for write in DECISIONS {
            for outward in DECISIONS {
                for outward_after_reading in DECISIONS {
                    let policy = Policy { write, outward, outward_after_reading };
                    for taint in every_taint() {
                        for derived in [false, true] {
                            let asked = |class| decide(&policy, class, &taint, derived);
                            assert_eq!(asked(ToolClass::ReadInScope), Decision::Allow);
                            assert_ne!(asked(ToolClass::Write), Decision::Allow);
                            let untrusted = derived || taint.is_tainted();
                            let reached = asked(ToolClass::Outward) == Decision::Allow;
                            assert!(!(untrusted && reached), "{policy:?} {taint:?}");
                            allowed += u32::from(reached);
                        }
                    }
                }
            }
        }
        assert!(allowed > 0, "a policy may let a clean run reach out");
    }

    #[test]
    fn taint_only_grows() {
        for taint in every_taint() {
            for read in [Untrusted::Source, Untrusted::Tool, Untrusted::Web] {
                let after = taint.and(read);
                assert!(after.is_tainted());
                assert!(!taint.source || after.source);
                assert!(!taint.tool || after.tool);
                assert!(!taint.web || after.web);
            }
        }
    }
}
