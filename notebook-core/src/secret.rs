//! API keys and passwords, in a type that does not show them.

use std::fmt;

use serde::Deserialize;

/// A secret text. It has no `Display` and no `Serialize`; `Debug` says `Secret(…)`.
///
/// ```
/// use notebook_core::Secret;
///
/// let key = Secret::new("sk-1234");
/// assert_eq!(format!("{key:?}"), "Secret(…)");
/// assert_eq!(key.expose(), "sk-1234");
/// ```
///
/// It cannot be printed or serialised by mistake:
///
/// ```compile_fail
/// println!("{}", notebook_core::Secret::new("sk-1234"));
/// ```
///
/// ```compile_fail
/// let _ = serde_json::to_string(&notebook_core::Secret::new("sk-1234"));
/// ```
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps a secret text.
    #[must_use]
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that sends or compares it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether the text is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `text` without this secret, should it hold it. Some providers repeat the key in an error.
    ///
    /// ```
    /// use notebook_core::Secret;
    ///
    /// assert_eq!(Secret::new("sk-1234").redact("bad key sk-1234"), "bad key …");
    /// ```
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        if self.is_empty() { text.to_owned() } else { text.replace(&*self.0, "…") }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_a_config_does_not_show_it() {
        #[derive(Debug, Deserialize)]
        struct Config {
            #[allow(dead_code)]
            key: Option<Secret>,
        }
        let config: Config = serde_json::from_str(r#"{"key": "hunter2"}"#).unwrap();
        assert_eq!(format!("{config:?}"), "Config { key: Some(Secret(…)) }");
        assert!(!format!("{config:#?}").contains("hunter2"));
    }

    #[test]
    fn an_empty_secret_redacts_nothing() {
        assert_eq!(Secret::new("").redact("text"), "text");
    }
}
