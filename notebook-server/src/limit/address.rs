//! Who is at the other end, behind proxies.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

use crate::config::Server;

/// The most proxies in a row.
const HOPS: usize = 20;

/// Which proxies are believed what they say of a client's address, and where they say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Forwarding {
    trusted: Vec<IpNet>,
    header: Header,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Header {
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
}

impl Forwarding {
    /// # Errors
    /// What is wrong with the settings, as sentences.
    pub(crate) fn new(config: &Server) -> Result<Self, Vec<String>> {
        let mut errors = Vec::new();
        let header = match config.client_address_header.to_ascii_lowercase().as_str() {
            "forwarded" => Header::Forwarded,
            "x-forwarded-for" => Header::XForwardedFor,
            other => {
                errors.push(format!(
                    "server.client_address_header is {other:?}; use \"x-forwarded-for\" or \"forwarded\""
                ));
                Header::XForwardedFor
            }
        };
        let mut trusted = Vec::new();
        for text in &config.trusted_proxies {
            let address = || text.parse::<IpAddr>().map(IpNet::from);
            match text.parse::<IpNet>().or_else(|_| address()) {
                Ok(network) => trusted.push(network),
                Err(_) => errors.push(format!(
                    "server.trusted_proxies has {text:?}, which is no network: give such as \"10.0.0.0/8\" or \"::1\""
                )),
            }
        }
        if errors.is_empty() { Ok(Self { trusted, header }) } else { Err(errors) }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }

    /// The client's address: the last one, from the client's side, that no trusted proxy has. Each proxy adds whom it was
    /// called by on the right, so what stands left of that is the client's own invention. Where a proxy says nothing that
    /// can be read, it counts as the client itself.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut at = peer.to_canonical();
        let name = match self.header {
            Header::XForwardedFor => "x-forwarded-for",
            Header::Forwarded => "forwarded",
        };
        // Several headers are one, in their order. One that is no text is a hop that cannot be read.
        let lines = headers.get_all(name).iter().rev();
        let hops = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
        for hop in hops.take(HOPS) {
            if !self.trusts(at) {
                return at;
            }
            let said = match self.header {
                Header::XForwardedFor => address(hop.trim()),
                Header::Forwarded => forwarded_for(hop),
            };
            let Some(said) = said else { return at };
            at = said;
        }
        at
    }
}

/// Whom an element of `Forwarded` was sent for.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut found = None;
    for pair in element.split(';') {
        let Some((name, value)) = pair.split_once('=') else { continue };
        if !name.trim().eq_ignore_ascii_case("for") {
            continue;
        }
        if found.is_some() {
            return None;
        }
        let value = value.trim();
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        found = Some(address(quoted.unwrap_or(value))?);
    }
    found
}

/// An address with or without a port; of version 6 with or without brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>();
    let address = address.or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn forwarding(header: &str, trusted: &[&str]) -> Forwarding {
        let trusted_proxies = trusted.iter().map(|&text| text.to_owned()).collect();
        let client_address_header = header.to_owned();
        Forwarding::new(&Server { trusted_proxies, client_address_header, ..Server::default() })
            .unwrap()
    }

    fn client(forwarding: &Forwarding, peer: &str, lines: &[(&'static str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            headers.append(*name, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        forwarding.client(peer.parse().unwrap(), &headers).to_string()
    }

    const X: &str = "x-forwarded-for";
    const F: &str = "forwarded";

    #[test]
    fn g6_an_address_is_believed_from_trusted_proxies_only() {
        let by = forwarding(X, &["10.0.0.0/8", "2001:db8:ffff::/48", "127.0.0.1"]);
        type Case<'c> = (&'c str, &'c [(&'static str, &'c str)], &'c str);
        let cases: &[Case<'_>] = &[
            // Nobody in front.
            ("192.0.2.1", &[], "192.0.2.1"),
            ("192.0.2.1", &[(X, "198.51.100.7")], "192.0.2.1"),
            // A proxy that says something, and one that says nothing.
            ("10.0.0.1", &[(X, "198.51.100.7")], "198.51.100.7"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("127.0.0.1", &[(X, " 198.51.100.7 ")], "198.51.100.7"),
            ("::ffff:10.0.0.1", &[(X, "::ffff:198.51.100.7")], "198.51.100.7"),
            ("2001:db8:ffff::1", &[(X, "2001:db8::5")], "2001:db8::5"),
            ("10.0.0.1", &[(X, "198.51.100.7:4711")], "198.51.100.7"),
            ("10.0.0.1", &[(X, "[2001:db8::5]:4711")], "2001:db8::5"),
            ("10.0.0.1", &[(X, "[2001:db8::5]")], "2001:db8::5"),
            // What the client has put there stands left of what proxies add.
            ("10.0.0.1", &[(X, "203.0.113.9, 198.51.100.7")], "198.51.100.7"),
            ("10.0.0.1", &[(X, "10.0.0.5, 198.51.100.7")], "198.51.100.7"),
            ("10.0.0.1", &[(X, "203.0.113.9, 198.51.100.7, 10.0.0.2")], "198.51.100.7"),
            ("10.0.0.1", &[(X, "203.0.113.9"), (X, "198.51.100.7")], "198.51.100.7"),
            (
                "10.0.0.1",
                &[(X, "203.0.113.9"), (X, "198.51.100.7"), (X, "10.9.9.9")],
                "198.51.100.7",
            ),
            // Only proxies.
            ("10.0.0.1", &[(X, "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
            // What cannot be read ends the way.
            ("10.0.0.1", &[(X, "203.0.113.9, unknown")], "10.0.0.1"),
            ("10.0.0.1", &[(X, "203.0.113.9, unknown, 10.0.0.2")], "10.0.0.2"),
            ("10.0.0.1", &[(X, "203.0.113.9,")], "10.0.0.1"),
            ("10.0.0.1", &[(X, "203.0.113.9"), (X, "\u{e9}")], "10.0.0.1"),
            ("10.0.0.1", &[(X, "")], "10.0.0.1"),
            // The header that the proxies do not write is the client's.
            ("10.0.0.1", &[(F, "for=203.0.113.9")], "10.0.0.1"),
            ("10.0.0.1", &[(F, "for=203.0.113.9"), (X, "198.51.100.7")], "198.51.100.7"),
        ];
        for (peer, lines, expected) in cases {
            assert_eq!(client(&by, peer, lines), *expected, "{peer} {lines:?}");
        }
        let long = vec!["10.0.0.2"; 1_000].join(",");
        assert_eq!(client(&by, "10.0.0.1", &[(X, &format!("203.0.113.9,{long}"))]), "10.0.0.2");
    }

    #[test]
    fn g6_forwarded_is_read_where_proxies_write_it() {
        let by = forwarding("Forwarded", &["10.0.0.0/8"]);
        for (line, expected) in [
            ("for=198.51.100.7", "198.51.100.7"),
            ("For=\"198.51.100.7:4711\";proto=https;by=10.0.0.1", "198.51.100.7"),
            ("proto=https; FOR=\"[2001:db8::5]:4711\"", "2001:db8::5"),
            ("for=203.0.113.9, for=198.51.100.7", "198.51.100.7"),
            ("for=203.0.113.9, for=198.51.100.7;by=x, for=10.0.0.2", "198.51.100.7"),
            // Hidden on purpose, without, twice, or broken.
            ("for=203.0.113.9, for=_hidden", "10.0.0.1"),
            ("for=203.0.113.9, proto=https", "10.0.0.1"),
            ("for=203.0.113.9;for=198.51.100.7", "10.0.0.1"),
            ("for=\"203.0.113.9", "10.0.0.1"),
            ("for=\"203.0.113.9, for=198.51.100.7\"", "10.0.0.1"),
        ] {
            assert_eq!(client(&by, "10.0.0.1", &[(F, line)]), expected, "{line}");
        }
        assert_eq!(client(&by, "10.0.0.1", &[(X, "203.0.113.9")]), "10.0.0.1");
    }

    proptest! {
        /// Whatever a client sends: behind one honest proxy it is whom the proxy was called by.
        #[test]
        fn g6_nobody_is_another(lines in prop::collection::vec("[ -~]{0,60}", 0..4)) {
            for (header, added) in [(X, "198.51.100.7"), (F, "for=198.51.100.7")] {
                let by = forwarding(header, &["10.0.0.0/8"]);
                let mut sent: Vec<_> = lines.iter().map(|line| (header, line.as_str())).collect();
                let last = sent.pop().map_or("", |(_, line)| line);
                // As nginx does it, and as those that add a line of their own.
                let joined = format!("{last}, {added}");
                let mut appended = sent.clone();
                appended.push((header, &joined));
                prop_assert_eq!(client(&by, "10.0.0.1", &appended), "198.51.100.7");
                sent.extend([(header, last), (header, added)]);
                prop_assert_eq!(client(&by, "10.0.0.1", &sent), "198.51.100.7");
            }
        }
    }
}
