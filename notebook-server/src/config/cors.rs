//! Pages of other origins that may call the interface.

use reqwest::Url;
use serde::Deserialize;

/// Pages of other origins that may call the interface.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cors {
    /// Exact origins, such as `https://app.example.org`; or `*` alone for any, who then have bearer tokens only.
    pub origins: Vec<String>,
    /// Whether they may use the cookies of a session too, and not only bearer tokens. Browsers send these cookies to
    /// origins of the same site only.
    pub cookies: bool,
    /// For how many seconds browsers remember what they were told.
    pub max_age_seconds: u32,
}

impl Default for Cors {
    fn default() -> Self {
        Self { origins: Vec::new(), cookies: false, max_age_seconds: 600 }
    }
}

impl Cors {
    /// Whether any origin may.
    pub(crate) fn is_any(&self) -> bool {
        self.origins.iter().any(|origin| origin == "*")
    }

    /// What is wrong, as sentences.
    pub(super) fn errors(&self, accounts: bool) -> Vec<String> {
        let mut errors = Vec::new();
        let mut need = |good: bool, error: String| {
            if !good {
                errors.push(error);
            }
        };
        need(
            self.origins.is_empty() || accounts,
            "server.cors.origins is for servers with accounts: in single-user mode any of these pages could read everything. \
             Set auth.mode to \"accounts\""
                .to_owned(),
        );
        need(
            !(self.is_any() && self.cookies),
            "server.cors.cookies cannot go together with the origin \"*\": name the origins that may use cookies".to_owned(),
        );
        need(
            !self.is_any() || self.origins.len() == 1,
            "server.cors.origins has \"*\" beside others: leave one or the other".to_owned(),
        );
        for origin in self.origins.iter().filter(|origin| *origin != "*") {
            need(
                is_origin(origin),
                format!(
                    "server.cors.origins has {origin:?}, which is no origin: give scheme, host and port as browsers send it, such \
                     as \"https://app.example.org\", in lower case and without a slash at the end"
                ),
            );
        }
        need(
            self.max_age_seconds <= 86_400,
            "server.cors.max_age_seconds must be at most 86400".to_owned(),
        );
        errors
    }
}

/// Whether a browser would write it so.
fn is_origin(text: &str) -> bool {
    // A star stands for nothing here, though the name of a host may have one.
    let plain = !text.contains('*');
    Url::parse(text).is_ok_and(|url| {
        plain
            && matches!(url.scheme(), "http" | "https")
            && url.origin().ascii_serialization() == text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(origins: &[&str], cookies: bool) -> Vec<String> {
        let origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
        Cors { origins, cookies, ..Cors::default() }.errors(true)
    }

    /// G7: what is no origin is refused, and cookies are never for anybody.
    #[test]
    fn g7_origins_are_exact_and_cookies_not_for_all() {
        assert_eq!(of(&["https://app.example.org", "http://localhost:3000"], true), [""; 0]);
        assert_eq!(of(&["*"], false), [""; 0]);
        for wrong in [
            "null",
            "https://app.example.org/",
            "https://App.example.org",
            "https://app.example.org:443",
            "https://*.example.org",
            "app.example.org",
            "file://",
            "https://user@app.example.org",
        ] {
            assert_eq!(of(&[wrong], false).len(), 1, "{wrong}");
        }
        assert!(of(&["*"], true)[0].contains("server.cors.cookies"));
        assert!(of(&["*", "https://a.example"], false)[0].contains("beside"));
        let alone = Cors { origins: vec!["https://a.example".to_owned()], ..Cors::default() };
        assert!(alone.errors(false)[0].contains("auth.mode"));
    }
}
