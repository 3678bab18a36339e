//! The table of patterns: one file a family.
//!
//! Expressions see the normal form of a text: lower case, no accents, one space or line break for each run of white
//! space. Each has `anchors`, words one of which is in every match: where none of them is, the expression is not run.
//! Each has examples that it must match and twins, harmless texts with the same words, that it must not.

mod authority;
mod delimiter;
mod encoding;
mod exfiltration;
mod extraction;
mod indirect;
mod language;
mod manipulation;
mod override_;
mod role;
mod shots;
mod tool;

use std::fmt;

use serde::{Deserialize, Serialize};

/// What an attack is after, or how it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Puts other instructions in place of ours.
    Override,
    /// Gives the model another role.
    Role,
    /// Asks for the system prompt.
    Extraction,
    /// Imitates the marks that a prompt is made of.
    Delimiter,
    /// Sends what was read somewhere.
    Exfiltration,
    /// Calls tools or runs commands.
    Tool,
    /// Forbids to refuse.
    Manipulation,
    /// Claims to be somebody who may.
    Authority,
    /// Is meant for a model that reads it by chance.
    Indirect,
    /// Hides what it says.
    Encoding,
    /// The same in languages other than English.
    Language,
    /// Shows a model examples of obeying.
    Shots,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Override,
        Self::Role,
        Self::Extraction,
        Self::Delimiter,
        Self::Exfiltration,
        Self::Tool,
        Self::Manipulation,
        Self::Authority,
        Self::Indirect,
        Self::Encoding,
        Self::Language,
        Self::Shots,
    ];

    /// Its name in configurations and labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Override => "override",
            Self::Role => "role",
            Self::Extraction => "extraction",
            Self::Delimiter => "delimiter",
            Self::Exfiltration => "exfiltration",
            Self::Tool => "tool",
            Self::Manipulation => "manipulation",
            Self::Authority => "authority",
            Self::Indirect => "indirect",
            Self::Encoding => "encoding",
            Self::Language => "language",
            Self::Shots => "shots",
        }
    }

    /// The family of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.name() == name)
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A named pattern.
#[derive(Debug, Clone, Copy)]
pub struct Pattern {
    /// Its name in labels.
    pub name: &'static str,
    /// Its family.
    pub family: Family,
    pub(super) anchors: &'static [&'static str],
    pub(super) expression: &'static str,
    /// Texts that it matches.
    pub attacks: &'static [&'static str],
    /// Harmless texts with the same words, which it does not match.
    pub twins: &'static [&'static str],
}

/// All patterns.
#[must_use]
pub fn patterns() -> Vec<Pattern> {
    [
        override_::PATTERNS,
        role::PATTERNS,
        extraction::PATTERNS,
        delimiter::PATTERNS,
        exfiltration::PATTERNS,
        tool::PATTERNS,
        manipulation::PATTERNS,
        authority::PATTERNS,
        indirect::PATTERNS,
        encoding::PATTERNS,
        language::PATTERNS,
        shots::PATTERNS,
    ]
    .concat()
}
