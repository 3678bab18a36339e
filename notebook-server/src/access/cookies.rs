//! The two cookies of a session, and the one of a sign-in that has begun elsewhere.
//!
//! The access token's goes with every request and is bound to this host (`__Host-`). The refresh token's goes only to
//! the routes that need it, which `__Host-` does not allow, so it is `__Secure-` with a path. The third one has to come
//! along when another site sends the browser back, so it is `Lax`; it is worth nothing without what the provider says.

use axum::http::{HeaderMap, HeaderValue, header};
use cookie::{Cookie, SameSite, time::Duration};
use notebook_core::{Secret, Timestamp};

/// The access token.
pub(crate) const ACCESS: &str = "__Host-notebook_access";
/// The refresh token.
pub(crate) const REFRESH: &str = "__Secure-notebook_refresh";
/// A sign-in at an OpenID provider that has begun.
pub(crate) const PENDING: &str = "__Host-notebook_oidc";
/// Where the refresh token is sent to.
const REFRESH_PATH: &str = "/api/auth";

/// The cookie of a name; none where two say different things, for then one of them is not ours.
pub(crate) fn get(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut found = lines
        .flat_map(|line| Cookie::split_parse(line.to_owned()).flatten())
        .filter(|cookie| cookie.name() == name)
        .map(|cookie| cookie.value().to_owned());
    let first = found.next()?;
    found.all(|other| other == first).then_some(first)
}

/// Sets the access token's.
pub(crate) fn set_access(headers: &mut HeaderMap, token: &Secret, end: Timestamp, now: Timestamp) {
    let cookie = Cookie::build((ACCESS, token.expose().to_owned()));
    add(headers, cookie.path("/").max_age(life(end, now)).build());
}

/// Sets the refresh token's.
pub(crate) fn set_refresh(headers: &mut HeaderMap, token: &Secret, end: Timestamp, now: Timestamp) {
    let cookie = Cookie::build((REFRESH, token.expose().to_owned()));
    add(headers, cookie.path(REFRESH_PATH).max_age(life(end, now)).build());
}

/// Sets that of a sign-in elsewhere.
pub(crate) fn set_pending(
    headers: &mut HeaderMap,
    sealed: &Secret,
    end: Timestamp,
    now: Timestamp,
) {
    let cookie = Cookie::build((PENDING, sealed.expose().to_owned()));
    let cookie = cookie.path("/").max_age(life(end, now)).build();
    add_as(headers, cookie, SameSite::Lax);
}

/// Takes that one away.
pub(crate) fn clear_pending(headers: &mut HeaderMap) {
    let cookie = Cookie::build((PENDING, "")).path("/").max_age(Duration::ZERO).build();
    add_as(headers, cookie, SameSite::Lax);
}

fn life(end: Timestamp, now: Timestamp) -> Duration {
    Duration::milliseconds((end.as_millis() - now.as_millis()).max(0))
}

/// Takes both away.
pub(crate) fn clear(headers: &mut HeaderMap) {
    add(headers, Cookie::build((ACCESS, "")).path("/").max_age(Duration::ZERO).build());
    add(headers, Cookie::build((REFRESH, "")).path(REFRESH_PATH).max_age(Duration::ZERO).build());
}

fn add(headers: &mut HeaderMap, cookie: Cookie<'_>) {
    add_as(headers, cookie, SameSite::Strict);
}

fn add_as(headers: &mut HeaderMap, mut cookie: Cookie<'_>, same_site: SameSite) {
    cookie.set_secure(true);
    cookie.set_http_only(true);
    cookie.set_same_site(same_site);
    // Tokens are letters of base64url: there is nothing that a header cannot hold.
    if let Ok(value) = HeaderValue::from_str(&cookie.to_string()) {
        headers.append(header::SET_COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_of_a_name() {
        let mut headers = HeaderMap::new();
        let line = format!("a=1; {ACCESS}=x.y.z; {REFRESH}=nbr_1");
        headers.append(header::COOKIE, line.parse().unwrap());
        assert_eq!(get(&headers, ACCESS).as_deref(), Some("x.y.z"));
        assert_eq!(get(&headers, REFRESH).as_deref(), Some("nbr_1"));
        assert_eq!(get(&headers, "b"), None);
        headers.append(header::COOKIE, format!("{ACCESS}=other").parse().unwrap());
        assert_eq!(get(&headers, ACCESS), None, "one of the two is not ours");
        assert_eq!(get(&headers, REFRESH).as_deref(), Some("nbr_1"));
    }

    #[test]
    fn clearing_names_the_same_paths() {
        let mut headers = HeaderMap::new();
        clear(&mut headers);
        let lines: Vec<_> =
            headers.get_all(header::SET_COOKIE).iter().map(|l| l.to_str().unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("__Host-notebook_access=;") && lines[0].contains("Path=/;"));
        assert!(lines[1].contains("Path=/api/auth"));
        for line in lines {
            for part in ["HttpOnly", "Secure", "SameSite=Strict", "Max-Age=0"] {
                assert!(line.contains(part), "{line}");
            }
            assert!(!line.contains("Domain"), "{line}");
        }
    }
}
