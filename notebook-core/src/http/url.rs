//! The address that a provider's paths are appended to.

use std::fmt;

use crate::{Error, Result};

/// An `http` or `https` address with an optional path, without user, query or fragment.
///
/// ```
/// use notebook_core::http::BaseUrl;
///
/// let base = BaseUrl::parse("http://127.0.0.1:8080/v1/")?;
/// assert_eq!(base.join("models"), "http://127.0.0.1:8080/v1/models");
/// assert!(BaseUrl::parse("https://user:password@example.org").is_err());
/// # Ok::<(), notebook_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(reqwest::Url);

impl BaseUrl {
    /// Checks and wraps an address.
    ///
    /// # Errors
    /// `InvalidInput` that names what to change.
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = |fix: &str| Error::invalid("read provider address", "base_url", fix);
        let url = reqwest::Url::parse(text.trim()).map_err(|error| {
            invalid("give a whole address, such as http://127.0.0.1:8080/v1").caused_by(error)
        })?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(invalid("begin the address with http:// or https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("take the user and password out of the address; use the API key"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(invalid("take what follows ? or # out of the address"));
        }
        Ok(Self(url))
    }

    /// The address with a path appended.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        format!("{}/{path}", self.0.as_str().trim_end_matches('/'))
    }

    /// Whether `url` is of the same scheme, host and port, so that it may see the same secrets.
    #[must_use]
    pub fn has_origin_of(&self, url: &str) -> bool {
        reqwest::Url::parse(url).is_ok_and(|url| url.origin() == self.0.origin())
    }

    /// The host as written.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Whether the host is this machine itself.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.host().trim_matches(['[', ']']);
        host == "localhost"
            || host.ends_with(".localhost")
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn refuses_what_is_no_base_address() {
        for text in [
            "",
            "127.0.0.1:8080",
            "ftp://host/",
            "http://a:b@host",
            "http://h/?key=1",
            "http://h/#x",
        ] {
            let error = BaseUrl::parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
            assert_eq!(error.context("field"), Some("base_url"), "{text}");
        }
    }

    #[test]
    fn knows_its_origin() {
        let base = BaseUrl::parse("https://hub.example/api").unwrap();
        for (url, same) in [
            ("https://hub.example/x?y=1", true),
            ("https://hub.example:443/", true),
            ("http://hub.example/", false),
            ("https://hub.example:444/", false),
            ("https://hub.example.org/", false),
            ("/x", false),
        ] {
            assert_eq!(base.has_origin_of(url), same, "{url}");
        }
    }

    #[test]
    fn knows_this_machine() {
        for (text, local) in [
            ("http://localhost:11434", true),
            ("http://127.8.0.1/v1", true),
            ("http://[::1]:80", true),
            ("http://192.168.0.2", false),
            ("https://localhost.example.org", false),
        ] {
            assert_eq!(BaseUrl::parse(text).unwrap().is_loopback(), local, "{text}");
        }
    }
}
