//! Whether a request comes from our own page, as far as a browser says.

use axum::http::{HeaderMap, Method, header};

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// From our own page.
    Ours,
    /// From another site, or another origin of this one.
    Foreign,
    /// Typed, a bookmark, a link that was opened from another program.
    Person,
    /// It is not said: no browser, or a very old one.
    Unsaid,
}

/// Reads `Sec-Fetch-Site`, which no page can set, or else `Origin`. `ours` is the page's origin; by `Host` when absent,
/// which names what the browser was told to open.
pub(crate) fn of(headers: &HeaderMap, ours: Option<&str>) -> Origin {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = text("origin").map(|origin| match (ours, text(header::HOST.as_str())) {
        (Some(ours), _) => origin == ours,
        (None, Some(host)) => {
            origin == format!("http://{host}") || origin == format!("https://{host}")
        }
        (None, None) => false,
    });
    match (text("sec-fetch-site"), origin) {
        (_, Some(false)) => Origin::Foreign,
        (Some("same-origin"), _) | (None, Some(true)) => Origin::Ours,
        (Some("none"), _) => Origin::Person,
        (Some(_), _) => Origin::Foreign,
        (None, None) => Origin::Unsaid,
    }
}

/// Whether a request that is recognised by a cookie may be done: the browser adds cookies whoever caused it.
///
/// - What changes something must come from our page.
/// - What only reads may also be opened by a person, and from where nothing is said.
pub(crate) fn may_use_cookies(origin: Origin, method: &Method) -> bool {
    match origin {
        Origin::Ours => true,
        Origin::Foreign => false,
        Origin::Person | Origin::Unsaid => *method == Method::GET || *method == Method::HEAD,
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
        let ours = Some("https://notebook.example.org");
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
            assert_eq!(of(&headers(&pairs), ours), expected, "{pairs:?}");
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
        assert_eq!(of(&headers(&[host, ("origin", "http://localhost:8080")]), None), Origin::Ours);
        assert_eq!(
            of(&headers(&[host, ("origin", "http://localhost:3000")]), None),
            Origin::Foreign
        );
        assert_eq!(of(&headers(&[("origin", "http://localhost")]), None), Origin::Foreign);
    }

    fn leak(text: &str) -> &'static str {
        Box::leak(text.to_owned().into_boxed_str())
    }
}
