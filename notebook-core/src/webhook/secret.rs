use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::{DeliveryId, Error, ErrorKind, Result, Secret, Timestamp};

/// What a secret's text begins with.
const PREFIX: &str = "whsec_";
/// How many bytes a secret may have.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The secret that a webhook's messages are signed with. It neither prints nor serialises.
///
/// ```
/// use notebook_core::webhook::SigningSecret;
///
/// let secret = SigningSecret::generate()?;
/// assert!(secret.expose().starts_with("whsec_"));
/// assert_eq!(format!("{secret:?}"), "SigningSecret(…)");
/// # Ok::<(), notebook_core::Error>(())
/// ```
///
/// ```compile_fail
/// let secret = notebook_core::webhook::SigningSecret::generate().unwrap();
/// let _ = serde_json::to_string(&secret);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret {
    text: Secret,
    key: Box<[u8]>,
}

impl SigningSecret {
    /// A new one of 32 random bytes.
    ///
    /// # Errors
    /// `Internal` when the machine gives no random bytes.
    pub fn generate() -> Result<Self> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| {
            Error::new(ErrorKind::Internal, "make secret").caused_by(std::io::Error::from(error))
        })?;
        let text = Secret::new(format!("{PREFIX}{}", STANDARD.encode(key)));
        Ok(Self { text, key: key.into() })
    }

    /// One that is given as a text: `whsec_` and the base64 of 24 to 64 bytes.
    ///
    /// # Errors
    /// `InvalidInput` naming `secret` when it is not of this form.
    pub fn parse(text: Secret) -> Result<Self> {
        let key = text.expose().strip_prefix(PREFIX).and_then(|rest| STANDARD.decode(rest).ok());
        match key.filter(|key| BYTES.contains(&key.len())) {
            Some(key) => Ok(Self { text, key: key.into() }),
            None => Err(Error::invalid(
                "read secret",
                "secret",
                "give `whsec_` and the base64 of 24 to 64 random bytes, or leave it out",
            )),
        }
    }

    /// The text itself, for its owner and for the store.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.text.expose()
    }

    fn sign(&self, signed: &str) -> Result<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key)
            .map_err(|error| Error::new(ErrorKind::Internal, "sign message").caused_by(error))?;
        mac.update(signed.as_bytes());
        Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(…)")
    }
}

/// The secrets of a webhook: two while one replaces the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningSecrets {
    /// The one that holds.
    pub current: SigningSecret,
    /// The one before.
    pub previous: Option<Previous>,
}

/// A secret that was replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Previous {
    /// The secret.
    pub secret: SigningSecret,
    /// Until when it signs too.
    pub until: Timestamp,
}

impl SigningSecrets {
    /// The headers of a message that is sent `now`: its id, the time in seconds, and a signature by each secret that
    /// counts, over `id.time.body`.
    ///
    /// # Errors
    /// `Internal` when the key cannot be used.
    pub fn headers(
        &self,
        id: DeliveryId,
        now: Timestamp,
        body: &str,
    ) -> Result<[(&'static str, String); 3]> {
        let (id, time) = (id.to_string(), now.as_millis().div_euclid(1_000).to_string());
        let signed = format!("{id}.{time}.{body}");
        let previous = self.previous.as_ref().filter(|previous| now < previous.until);
        let secrets = std::iter::once(&self.current).chain(previous.map(|old| &old.secret));
        let signatures = secrets.map(|secret| secret.sign(&signed)).collect::<Result<Vec<_>>>()?;
        Ok([
            ("webhook-id", id),
            ("webhook-timestamp", time),
            ("webhook-signature", signatures.join(" ")),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(bytes: &[u8]) -> Secret {
        Secret::new(format!("{PREFIX}{}", STANDARD.encode(bytes)))
    }

    #[test]
    fn a_secret_has_24_to_64_bytes_in_base64() {
        for good in [24, 32, 64] {
            let text = secret(&vec![7; good]);
            assert_eq!(SigningSecret::parse(text.clone()).unwrap().expose(), text.expose());
        }
        let bad = [secret(&[7; 23]), secret(&[7; 65]), Secret::new("whsec_"), Secret::new("")];
        let unprefixed = Secret::new(STANDARD.encode([7; 32]));
        let url_safe = Secret::new(format!("{PREFIX}{}", "-_".repeat(16)));
        for text in bad.into_iter().chain([unprefixed, url_safe]) {
            let error = SigningSecret::parse(text).unwrap_err();
            assert_eq!(error.context("field"), Some("secret"));
        }
        assert_ne!(SigningSecret::generate().unwrap(), SigningSecret::generate().unwrap());
    }

    /// The values are those of Python's `hmac` module.
    #[test]
    fn a_signature_is_over_id_time_and_body() {
        let current = SigningSecret::parse(secret(&[1; 32])).unwrap();
        let old = SigningSecret::parse(secret(&[2; 24])).unwrap();
        let until = Timestamp::from_millis(2_000_000);
        let previous = Some(Previous { secret: old, until });
        let secrets = SigningSecrets { current, previous };
        let id = DeliveryId::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0001);
        let [sent, time, signed] =
            secrets.headers(id, Timestamp::from_millis(1_999_999), "{\"a\":1}").unwrap();
        assert_eq!(sent, ("webhook-id", id.to_string()));
        assert_eq!(time, ("webhook-timestamp", "1999".to_owned()));
        let (first, second) = signed.1.split_once(' ').unwrap();
        assert_eq!(first, "v1,oK8bobwmX70LSEo7jw2OXcc5guD9dzYOyQxK6Ck2zqQ=");
        assert_eq!(second, "v1,2IwTZbhZqASh89CM1pcTU3ToopOPWTI1G18YbAhiuaY=");
        // From its end on the old one signs no more.
        let [_, _, signed] = secrets.headers(id, until, "{\"a\":1}").unwrap();
        assert!(!signed.1.contains(' '), "{signed:?}");
        let shown = format!("{secrets:?}");
        assert!(!shown.contains("whsec") && !shown.contains('['), "{shown}");
    }
}
