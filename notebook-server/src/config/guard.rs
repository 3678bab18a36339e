//! What is looked for in questions, and taken out of answers.

use std::{collections::BTreeSet, path::Path};

use notebook_agent::{
    chat::GuardConfig,
    guard::{pattern::Family, redact::RedactConfig, screen::ScreenPolicy},
};
use notebook_core::{Error, Result};
use serde::Deserialize;

/// What is looked for in questions, and taken out of answers.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Guard {
    /// Questions with labels of these families are refused. None by default: labels go to the log, and are no wall.
    pub refuse: Vec<String>,
    /// Whether the one who asks is told of labels.
    pub warn: bool,
    /// Words that must not be seen in an answer, of at least 8 bytes without white space: one that stands in a system
    /// prompt tells that it leaked.
    pub canaries: Vec<String>,
}

impl Guard {
    fn families(&self) -> std::result::Result<BTreeSet<Family>, String> {
        let family = |name: &String| Family::named(name).ok_or_else(|| name.clone());
        self.refuse.iter().map(family).collect()
    }

    pub(super) fn errors(&self) -> Vec<String> {
        let mut errors = Vec::new();
        if let Err(name) = self.families() {
            let known = Family::ALL.map(Family::name).join(", ");
            errors.push(format!("guard.refuse names \"{name}\"; the families are: {known}"));
        }
        if let Err(error) = RedactConfig::default().canaries(self.canaries.clone()) {
            let fix = error.context("fix").unwrap_or_default();
            errors.push(format!("guard.canaries: {fix}"));
        }
        errors
    }

    /// For the chat of a server whose files lie in this folder.
    ///
    /// # Errors
    /// `InvalidInput` for a family or a canary that is none.
    pub(crate) fn chat(&self, folder: &Path) -> Result<GuardConfig> {
        let refuse = self.families().map_err(|name| {
            Error::invalid("set up guard", "guard.refuse", format!("`{name}` is no family"))
        })?;
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let folders = [folder.to_string_lossy().into_owned()];
        let redaction = RedactConfig::default().canaries(self.canaries.clone())?.folders(folders);
        Ok(GuardConfig { screening: ScreenPolicy { refuse, warn: self.warn }, redaction })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d6_what_the_guard_is_told_is_checked() {
        let wrong = Guard {
            refuse: vec!["override".into(), "everything".into()],
            canaries: vec!["short".into()],
            ..Guard::default()
        };
        let errors = wrong.errors().join("\n");
        assert!(errors.contains("\"everything\"") && errors.contains("extraction"), "{errors}");
        assert!(errors.contains("guard.canaries: use at least 8 bytes"), "{errors}");
        assert!(wrong.chat(Path::new("/")).is_err());
        let right = Guard { refuse: vec!["override".into()], ..Guard::default() };
        assert_eq!(right.errors(), Vec::<String>::new());
        let made = right.chat(Path::new("/srv/data")).unwrap();
        assert_eq!(made.screening.refuse, [Family::Override].into());
    }
}
