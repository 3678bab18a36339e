//! Sign-ins that have begun, kept by the browsers that began them.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use notebook_core::{Error, ErrorKind, Result, Secret, SessionId, TenantId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::{Refusal, Refused};

/// The longest that is read: what a browser keeps as one cookie.
const LONGEST: usize = 4_096;

/// What is needed when the browser comes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pending {
    /// The provider's name here.
    pub provider: String,
    /// What the provider must repeat.
    pub state: String,
    /// What the ID token must say.
    pub nonce: String,
    /// Proves to the provider that who began exchanges the code.
    pub verifier: String,
    /// What for.
    pub purpose: Purpose,
    /// Where the browser goes afterwards: a path of this server.
    pub to: String,
    /// When it is too late.
    pub expires_at: Timestamp,
}

/// What somebody went to a provider for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To sign in.
    SignIn {
        /// The workspace to begin in.
        workspace: Option<TenantId>,
        /// The token of an invitation that they brought.
        invitation: Option<String>,
    },
    /// To link their account there to their user here.
    Link {
        /// Who they are.
        user: UserId,
        /// The session in which they said so.
        session: SessionId,
    },
}

impl Pending {
    /// Whether the browser comes back from where it was sent, in time.
    ///
    /// # Errors
    /// [`Refusal::Expired`].
    pub fn check(&self, provider: &str, state: &str, now: Timestamp) -> Result<(), Refusal> {
        // Of equal length or not, states are random: how far two agree says nothing that could be used.
        let ours = self.provider == provider && self.state == state && now < self.expires_at;
        if ours { Ok(()) } else { Err(Refusal::Expired) }
    }
}

/// Seals what browsers keep: they can neither make nor change one.
#[derive(Debug, Clone)]
pub struct PendingKeys {
    current: u32,
    keys: BTreeMap<u32, Secret>,
}

impl PendingKeys {
    /// Keys by number, and the number of the one that seals.
    ///
    /// # Errors
    /// `InvalidInput` when there is no key of that number, or one is shorter than 32 bytes.
    pub fn new(current: u32, keys: impl IntoIterator<Item = (u32, Secret)>) -> Result<Self> {
        let keys: BTreeMap<_, _> = keys.into_iter().collect();
        let good = keys.contains_key(&current) && keys.values().all(|key| key.expose().len() >= 32);
        if good {
            return Ok(Self { current, keys });
        }
        Err(Error::invalid("set up sign-in", "keys", "give keys of 32 bytes or more"))
    }

    /// One that a browser may keep.
    ///
    /// # Errors
    /// `Internal` when it cannot be written as JSON; `TooLarge` when it is longer than a cookie may be.
    pub fn seal(&self, pending: &Pending) -> Result<Secret> {
        const OPERATION: &str = "keep sign-in";
        let internal = || Error::new(ErrorKind::Internal, OPERATION);
        let json = serde_json::to_vec(pending).map_err(|error| internal().caused_by(error))?;
        let body = format!("{}.{}", self.current, URL_SAFE_NO_PAD.encode(json));
        let mac = self.mac(self.current, &body).ok_or_else(internal)?;
        let mac = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        let sealed = format!("{body}.{mac}");
        if sealed.len() > LONGEST - 64 {
            return Err(Error::new(ErrorKind::TooLarge, OPERATION).with("field", "to"));
        }
        Ok(Secret::new(sealed))
    }

    /// What was sealed by one of the keys.
    ///
    /// # Errors
    /// [`Refusal::Expired`], whatever is wrong with it.
    pub fn open(&self, sealed: &str) -> Result<Pending, Refused> {
        self.read(sealed).ok_or_else(|| Refusal::Expired.into())
    }

    fn read(&self, sealed: &str) -> Option<Pending> {
        if sealed.len() > LONGEST {
            return None;
        }
        let (body, mac) = sealed.rsplit_once('.')?;
        let (number, json) = body.split_once('.')?;
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        self.mac(number.parse().ok()?, body)?.verify_slice(&mac).ok()?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(json).ok()?).ok()
    }

    fn mac(&self, number: u32, body: &str) -> Option<Hmac<Sha256>> {
        let key = self.keys.get(&number)?;
        let mac = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()).ok()?;
        Some(mac.chain_update(b"notebook oidc 1").chain_update(body))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn key(text: &str) -> Secret {
        Secret::new(text.repeat(32))
    }

    fn pending() -> Pending {
        Pending {
            provider: "example".into(),
            state: "s".into(),
            nonce: "n".into(),
            verifier: "v".into(),
            purpose: Purpose::SignIn { workspace: None, invitation: Some("i".into()) },
            to: "/notebooks".into(),
            expires_at: Timestamp::from_millis(1_000),
        }
    }

    #[test]
    fn what_was_sealed_opens_and_nothing_else() {
        let keys = PendingKeys::new(1, [(1, key("a")), (2, key("b"))]).unwrap();
        let sealed = keys.seal(&pending()).unwrap();
        let sealed = sealed.expose();
        assert_eq!(keys.open(sealed).unwrap(), pending());
        // Another key seals by now; the one of before still opens.
        let later = PendingKeys::new(2, [(1, key("a")), (2, key("b"))]).unwrap();
        assert_eq!(later.open(sealed).unwrap(), pending());
        let others = PendingKeys::new(1, [(1, key("c"))]).unwrap();
        assert_eq!(others.open(sealed).unwrap_err().refusal, Refusal::Expired);
        for at in 0..sealed.len() {
            let mut bytes = sealed.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(keys.open(&changed).is_err(), "{at}");
            assert!(keys.open(&sealed[..at]).is_err(), "{at}");
        }
        for wrong in ["", ".", "..", "1..", &"1".repeat(10_000)] {
            assert!(keys.open(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_browser_keeps_no_more_than_a_cookie() {
        let keys = PendingKeys::new(1, [(1, key("a"))]).unwrap();
        let long = Pending { to: format!("/{}", "a".repeat(3_000)), ..pending() };
        assert_eq!(keys.seal(&long).unwrap_err().kind(), ErrorKind::TooLarge);
        let most = Pending { to: format!("/{}", "a".repeat(2_000)), ..pending() };
        assert_eq!(keys.open(keys.seal(&most).unwrap().expose()).unwrap(), most);
        assert!(PendingKeys::new(2, [(1, key("a"))]).is_err());
        assert!(PendingKeys::new(1, [(1, Secret::new("short"))]).is_err());
    }

    #[test]
    fn it_is_good_for_its_provider_state_and_time() {
        let (pending, at) = (pending(), |ms| Timestamp::from_millis(ms));
        assert_eq!(pending.check("example", "s", at(999)), Ok(()));
        for (provider, state, now) in [
            ("other", "s", at(0)),
            ("example", "S", at(0)),
            ("example", "", at(0)),
            ("example", "s", at(1_000)),
            ("example", "s", at(1_000).after(Duration::from_secs(1))),
        ] {
            assert_eq!(
                pending.check(provider, state, now),
                Err(Refusal::Expired),
                "{provider} {state}"
            );
        }
    }
}
