//! Where a browser may be sent after a sign-in.

use reqwest::Url;

/// The longest path that is carried along.
const LONGEST: usize = 1_024;
/// Any origin: what is asked is whether a path stays in it.
const BASE: &str = "http://notebook.invalid";

/// A path of the page with its query, in its one form; none for what leads anywhere else, whoever reads it: to another
/// server, or into the interface.
pub(super) fn local_path(text: &str) -> Option<String> {
    let plain = text.starts_with('/')
        && text.len() <= LONGEST
        && !text.contains('\\')
        && !text.chars().any(char::is_control);
    if !plain {
        return None;
    }
    let base = Url::parse(BASE).ok()?;
    let url = base.join(text).ok()?;
    let path = url.path();
    let inside = url.origin() == base.origin()
        && url.username().is_empty()
        && url.password().is_none()
        && !path.starts_with("//")
        && !["/api", "/ws"].iter().any(|part| {
            path.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
    inside.then(|| match url.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_the_page_stays_what_it_is() {
        for path in ["/", "/n/0190?tab=sources", "/account/profile", "/a%20b?c=//d", "/apis"] {
            assert_eq!(local_path(path).as_deref(), Some(path));
        }
        assert_eq!(local_path("/a/../b#c").as_deref(), Some("/b"));
        assert_eq!(local_path("/ü?x= y").as_deref(), Some("/%C3%BC?x=%20y"));
    }

    #[test]
    fn nothing_leads_elsewhere() {
        for path in [
            "",
            "a",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/.//evil.example",
            "/a/..//evil.example",
            "/%2e//evil.example",
            "/\t/evil.example",
            "\n//evil.example",
            " //evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/api/auth/logout",
            "/api",
            "/a/../api/keys",
            "/ws/chat",
        ] {
            assert_eq!(local_path(path), None, "{path:?}");
        }
        assert_eq!(local_path(&format!("/{}", "a".repeat(1_024))), None);
    }
}
