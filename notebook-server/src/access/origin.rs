//! Whether a request comes from our own page, as far as a browser says.

use axum::http::{HeaderMap, Method, header};

use crate::config::Config;

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// From our own page.
    Ours,
    /// From another origin that was allowed to call the interface.
    Allowed,
    /// From another site, or another origin of this one.
    Foreign,
    /// Typed, a bookmark, a link that was opened from another program.
    Person,
    /// It is not said: no browser, or a very old one.
    Unsaid,
}

/// Whose pages may do what.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origins {
    /// The origin of our page, such as `https://notebook.example.org`; that of each request's `Host` when absent, which
    /// names what the browser was told to open.
    ours: Option<String>,
    /// Other origins whose pages may call the interface.
    allowed: Vec<String>,
    /// All others may too, with tokens.
    any: bool,
    /// Whether those that are named may use the cookies of a session.
    cookies: bool,
}

impl Origins {
    pub(crate) fn new(config: &Config) -> Self {
        let cors = &config.server.cors;
        Self {
            ours: config.auth.origin(),
            allowed: cors.origins.clone(),
            any: cors.is_any(),
            cookies: cors.cookies,
        }
    }

    /// The origin of our page, if it is configured.
    pub(crate) fn ours(&self) -> Option<&str> {
        self.ours.as_deref()
    }

    /// Whether the origins that are allowed may use cookies.
    pub(crate) const fn share_cookies(&self) -> bool {
        self.cookies
    }

    /// Reads `Sec-Fetch-Site`, which no page can set, or else `Origin`.
    pub(crate) fn of(&self, headers: &HeaderMap) -> Origin {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let named = text("origin");
        let origin = named.map(|origin| match (&self.ours, text(header::HOST.as_str())) {
            (Some(ours), _) => origin == ours,
            (None, Some(host)) => {
                origin == format!("http://{host}") || origin == format!("https://{host}")
            }
            (None, None) => false,
        });
        match (text("sec-fetch-site"), origin) {
            (_, Some(false)) if named.is_some_and(|origin| self.allows(origin)) => Origin::Allowed,
            (_, Some(false)) => Origin::Foreign,
            (Some("same-origin"), _) | (None, Some(true)) => Origin::Ours,
            (Some("none"), _) => Origin::Person,
            (Some(_), _) => Origin::Foreign,
            (None, None) => Origin::Unsaid,
        }
    }

    fn allows(&self, origin: &str) -> bool {
        self.any || self.allowed.iter().any(|allowed| allowed == origin)
    }

    /// Whether a request that is recognised by a cookie may be done: the browser adds cookies whoever caused it.
    ///
    /// - What changes something must come from our page, or from one that was allowed to use cookies.
    /// - What only reads may also be opened by a person, and from where nothing is said.
    pub(crate) fn may_use_cookies(&self, origin: Origin, method: &Method) -> bool {
        match origin {
            Origin::Ours => true,
            Origin::Allowed => self.cookies && !self.any,
            Origin::Foreign => false,
            Origin::Person | Origin::Unsaid => *method == Method::GET || *method == Method::HEAD,
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let one = |(name, value): &(&'static str, &'static str)| {
            (name.parse().unwrap(), HeaderValue::from_static(value))
        };
        pairs.iter().map(one).collect()
    }

    #[test]
    fn r31_only_our_page_changes_things_by_cookie() {
        let origins =
            Origins { ours: Some("https://notebook.example.org".to_owned()), ..Origins::default() };
        let may_use_cookies = |origin, method: &Method| origins.may_use_cookies(origin, method);
        let host = ("host", "notebook.example.org");
        let cases: [(&[(&str, &str)], Origin); 11] = [
            (&[host], Origin::Unsaid),
            (&[host, ("origin", "https://notebook.example.org")], Origin::Ours),
            (&[host, ("sec-fetch-site", "same-origin")], Origin::Ours),
            (&[host, ("sec-fetch-site", "none")], Origin::Person),
            (&[host, ("sec-fetch-site", "cross-site")], Origin::Foreign),
            (&[host, ("sec-fetch-site", "same-site")], Origin::Foreign),
            (&[host, ("origin", "null")], Origin::Foreign),
            (&[host, ("origin", "http://notebook.example.org")], Origin::Foreign),
            (&[host, ("origin", "https://notebook.example.org.evil.example")], Origin::Foreign),
            // A page cannot set `Sec-Fetch-Site`; where the two differ the stricter counts.
            (
                &[host, ("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
                Origin::Foreign,
            ),
            (&[host, ("sec-fetch-site", "same-origin"), ("origin", "null")], Origin::Foreign),
        ];
        for (pairs, expected) in cases {
            let pairs: Vec<_> = pairs.iter().map(|(a, b)| (leak(a), leak(b))).collect();
            assert_eq!(origins.of(&headers(&pairs)), expected, "{pairs:?}");
        }
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            assert!(may_use_cookies(Origin::Ours, &method));
            for origin in [Origin::Foreign, Origin::Person, Origin::Unsaid] {
                assert!(!may_use_cookies(origin, &method), "{origin:?} {method}");
            }
        }
        assert!(!may_use_cookies(Origin::Foreign, &Method::GET));
        assert!(may_use_cookies(Origin::Person, &Method::GET));
    }

    #[test]
    fn without_a_setting_the_host_says_which_origin_is_ours() {
        let host = ("host", "localhost:8080");
        let of = |pairs: &[(&'static str, &'static str)]| Origins::default().of(&headers(pairs));
        assert_eq!(of(&[host, ("origin", "http://localhost:8080")]), Origin::Ours);
        assert_eq!(of(&[host, ("origin", "http://localhost:3000")]), Origin::Foreign);
        assert_eq!(of(&[("origin", "http://localhost")]), Origin::Foreign);
    }

    /// G7: who is allowed is allowed to the letter, and has cookies only where that was said.
    #[test]
    fn g7_other_origins_are_exact_and_have_no_cookies() {
        let mut origins = Origins {
            ours: Some("https://notebook.example.org".to_owned()),
            allowed: vec!["https://app.example".to_owned()],
            any: false,
            cookies: false,
        };
        let of = |origins: &Origins, origin: &'static str| {
            origins.of(&headers(&[("origin", origin), ("sec-fetch-site", "cross-site")]))
        };
        assert_eq!(of(&origins, "https://app.example"), Origin::Allowed);
        for foreign in [
            "null",
            "http://app.example",
            "https://app.example:8443",
            "https://app.example.evil",
            "https://evil-app.example",
            "https://APP.example",
            "https://app.example/",
        ] {
            assert_eq!(of(&origins, foreign), Origin::Foreign, "{foreign}");
        }
        assert!(!origins.may_use_cookies(Origin::Allowed, &Method::GET));
        origins.cookies = true;
        assert!(origins.may_use_cookies(Origin::Allowed, &Method::POST));
        assert!(!origins.may_use_cookies(Origin::Foreign, &Method::GET));
        origins.any = true;
        assert_eq!(of(&origins, "null"), Origin::Allowed);
        assert!(!origins.may_use_cookies(Origin::Allowed, &Method::GET), "never for all");
    }

    fn leak(text: &str) -> &'static str {
        Box::leak(text.to_owned().into_boxed_str())
    }
}
