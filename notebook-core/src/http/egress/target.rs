//! What may be called, as far as the address itself says.

use std::net::IpAddr;

use reqwest::Url;

use super::{
    Allowed,
    address::{is_forbidden, is_public},
};
use crate::{Error, Result};

const OPERATION: &str = "call address";
/// The ports of the web: elsewhere, a request may mean something to a service that speaks another protocol.
const PORTS: [u16; 2] = [80, 443];

/// An address that was checked. Its host may still be a name: that is looked at when it is resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target(Url);

impl Target {
    /// Checks an address that came from outside.
    ///
    /// # Errors
    /// `InvalidInput` that names what to change.
    pub(super) fn parse(text: &str, allowed: &Allowed) -> Result<Self> {
        // Parsers differ in what they make of these, so nobody gets to choose.
        if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
            return Err(invalid("take blanks, line ends and backslashes out of the address"));
        }
        let url = Url::parse(text).map_err(|error| {
            invalid("give a whole address, such as https://example.org/page").caused_by(error)
        })?;
        Self::check(url, allowed)
    }

    /// Where an answer redirects to.
    pub(super) fn redirect(&self, location: &str, allowed: &Allowed) -> Result<Self> {
        if location.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
            return Err(invalid("the address redirects to one that cannot be read"));
        }
        let url = self.0.join(location).map_err(|error| {
            invalid("the address redirects to one that cannot be read").caused_by(error)
        })?;
        if self.0.scheme() == "https" && url.scheme() != "https" {
            return Err(invalid("the address redirects from https to something else"));
        }
        Self::check(url, allowed)
    }

    fn check(mut url: Url, allowed: &Allowed) -> Result<Self> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid("begin the address with http:// or https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("take the user and password out of the address"));
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        let name = host.trim_end_matches('.');
        if name.is_empty() {
            return Err(invalid("name a host in the address"));
        }
        url.set_fragment(None);
        let port = url.port_or_known_default().unwrap_or_default();
        // The parser has made numbers of all their forms: 127.1, 0x7f.1, 2130706433.
        let literal = name.trim_matches(['[', ']']).parse::<IpAddr>();
        if literal.as_ref().is_ok_and(|address| is_forbidden(*address)) {
            return Err(not_public());
        }
        if !allowed.contains(name, port) {
            // A name that leads inside is called at the port that was allowed, and at no other.
            if literal.is_ok_and(|address| !is_public(address)) || allowed.names(name) {
                return Err(not_public());
            }
            if !PORTS.contains(&port) {
                return Err(invalid("leave the port out of the address, or use 80 or 443"));
            }
        }
        if name != host {
            url.set_host(Some(name)).map_err(|error| invalid("name a host").caused_by(error))?;
        }
        Ok(Self(url))
    }

    pub(super) fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

fn invalid(fix: &str) -> Error {
    Error::invalid(OPERATION, "url", fix)
}

/// Says nothing of what is there instead.
pub(super) fn not_public() -> Error {
    invalid("give an address on the public internet")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn parse(text: &str) -> Result<Target> {
        Target::parse(text, &Allowed::default())
    }

    #[test]
    fn u41_u45_addresses_that_are_refused_as_they_are() {
        for text in [
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://0/",
            "http://0.0.0.0:80/",
            "http://[::]/",
            "http://[::1]:8080/",
            "http://[::ffff:169.254.169.254]/",
            "http://[64:ff9b::a9fe:a9fe]/",
            "http://[2002:7f00:1::]/",
            "http://[fd00:ec2::254]/",
            "http://[fe80::1%25eth0]/",
            "http://100.64.1.1/",
            "http://198.18.0.1/",
            "http://192.0.0.192/",
            "http://224.0.0.1/",
            "http://127.0.0.1./",
            "http://127。0。0。1/",
            "http://１２７.0.0.1/",
            "http://①②⑦.0.0.1/",
            "http://127%2e0%2e0%2e1/",
            "http://user@example.org/",
            "http://user:password@example.org/",
            "http://example.org\\@127.0.0.1/",
            "http:\\\\127.0.0.1\\",
            "http://exa\tmple.org/",
            "http://example.org/\n",
            " http://example.org/",
            "http://example.org /",
            "file:///etc/passwd",
            "gopher://example.org/",
            "ftp://example.org/",
            "data:text/html,x",
            "javascript:alert(1)",
            "unix:/run/docker.sock",
            "//example.org/",
            "example.org",
            "http://example.org:8080/",
            "https://example.org:22/",
            "http://8.8.8.8:25/",
            "http://example.org:0/",
            "http://",
            "http:///",
            "https://#@127.0.0.1/",
            "",
        ] {
            let error = parse(text).expect_err(text);
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
            assert_eq!(error.context("field"), Some("url"), "{text}");
        }
    }

    #[test]
    fn what_is_left_is_called_as_written() {
        for (text, as_called) in [
            ("https://example.org", "https://example.org/"),
            ("http://example.org:443/a?b=c#d", "http://example.org:443/a?b=c"),
            ("https://example.org./", "https://example.org/"),
            ("http://8.8.8.8/", "http://8.8.8.8/"),
            ("https://bücher.example/", "https://xn--bcher-kva.example/"),
            ("http://example.org/@127.0.0.1/", "http://example.org/@127.0.0.1/"),
        ] {
            assert_eq!(parse(text).unwrap().as_str(), as_called);
        }
    }

    #[test]
    fn u44_redirects_are_checked_as_the_first_address_was() {
        let first = parse("https://example.org/a/b").unwrap();
        let to = |location: &str| first.redirect(location, &Allowed::default());
        assert_eq!(to("../c").unwrap().as_str(), "https://example.org/c");
        assert_eq!(to("https://8.8.8.8/").unwrap().as_str(), "https://8.8.8.8/");
        for bad in [
            "http://example.org/",
            "https://example.org:8443/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "//127.1/",
            "file:///etc/passwd",
            "gopher://x/",
            "ftp://x/",
            "data:,x",
            "https://a:b@example.org/",
            "https://2852039166/",
            "\\\\127.0.0.1\\",
        ] {
            assert!(to(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_an_operator_allows_is_allowed_by_host_and_port() {
        let list =
            ["127.0.0.1:9000", "hooks.internal:443", "169.254.169.254:80", "example.org:8080"];
        let allowed = Allowed::new(list).unwrap();
        let parse = |text: &str| Target::parse(text, &allowed);
        assert!(parse("http://127.0.0.1:9000/x").is_ok());
        assert!(parse("http://example.org:8080/x").is_ok());
        assert!(parse("http://169.254.169.254/x").is_err(), "nobody can allow it");
        assert!(parse("http://127.0.0.1:9001/x").is_err());
        assert!(parse("http://127.0.0.2:9000/x").is_err());
        assert!(parse("https://hooks.internal/x").is_ok());
        assert!(parse("https://HOOKS.internal.:443/x").is_ok());
        for other in ["http://hooks.internal/x", "https://hooks.internal:22/", "http://127.0.0.1./"]
        {
            assert!(parse(other).is_err(), "{other}");
        }
        assert!(Allowed::new(["hooks.internal"]).is_err());
    }
}
