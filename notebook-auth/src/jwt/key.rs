//! Keys that sign and verify.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, Signer as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use notebook_core::{Error, Result, Secret, Timestamp};
use sha2::Sha256;

/// How an issuer signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519 (RFC 8037). Others can verify by the public key.
    EdDsa,
    /// HMAC with SHA-256: one secret for both sides.
    Hs256,
}

impl Algorithm {
    /// The value of `alg`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Hs256 => "HS256",
        }
    }
}

/// When a key is public, and when it begins to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyTimes {
    /// From when on others can learn it.
    pub public_from: Timestamp,
    /// From when on it signs, until another does.
    pub signs_from: Timestamp,
}

/// A key with its name.
pub struct SigningKey {
    pub(super) id: String,
    pub(super) times: KeyTimes,
    material: Material,
}

enum Material {
    EdDsa(Box<ed25519_dalek::SigningKey>),
    Hs256(Hmac<Sha256>),
}

impl SigningKey {
    /// A key of Ed25519 from its 32 secret bytes.
    ///
    /// # Errors
    /// `InvalidInput` when the name is empty or longer than 64 bytes.
    pub fn eddsa(id: impl Into<String>, secret: &[u8; 32], times: KeyTimes) -> Result<Self> {
        let material = ed25519_dalek::SigningKey::from_bytes(secret);
        Self::make(id.into(), times, Material::EdDsa(Box::new(material)))
    }

    /// A key of HMAC.
    ///
    /// # Errors
    /// `InvalidInput` when the secret has less than 32 bytes, or the name is empty or longer than 64 bytes.
    pub fn hs256(id: impl Into<String>, secret: &Secret, times: KeyTimes) -> Result<Self> {
        let bytes = secret.expose().as_bytes();
        if bytes.len() < 32 {
            return Err(Error::invalid(super::SET_UP, "secret", "give at least 32 bytes"));
        }
        let mac = Hmac::new_from_slice(bytes)
            .map_err(|_| Error::invalid(super::SET_UP, "secret", "give another one"))?;
        Self::make(id.into(), times, Material::Hs256(mac))
    }

    fn make(id: String, times: KeyTimes, material: Material) -> Result<Self> {
        if id.is_empty() || id.len() > 64 {
            return Err(Error::invalid(super::SET_UP, "key id", "give 1 to 64 bytes"));
        }
        Ok(Self { id, times, material })
    }

    /// How it signs.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self.material {
            Material::EdDsa(_) => Algorithm::EdDsa,
            Material::Hs256(_) => Algorithm::Hs256,
        }
    }

    pub(super) fn sign(&self, text: &[u8]) -> Vec<u8> {
        match &self.material {
            Material::EdDsa(key) => key.sign(text).to_bytes().to_vec(),
            Material::Hs256(mac) => mac.clone().chain_update(text).finalize().into_bytes().to_vec(),
        }
    }

    /// Strict: of all signatures that some would take, only the one form.
    pub(super) fn verifies(&self, text: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::EdDsa(key) => Signature::from_slice(signature)
                .is_ok_and(|signature| key.verifying_key().verify_strict(text, &signature).is_ok()),
            // In constant time, and of the whole length.
            Material::Hs256(mac) => mac.clone().chain_update(text).verify_slice(signature).is_ok(),
        }
    }

    /// The public half as a JSON Web Key (RFC 8037, 2); none where there is no such half.
    pub(super) fn public(&self) -> Option<serde_json::Value> {
        let Material::EdDsa(key) = &self.material else { return None };
        let x = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
        Some(serde_json::json!({
            "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": self.id, "x": x,
        }))
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm())
            .field("times", &self.times)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times() -> KeyTimes {
        KeyTimes::default()
    }

    /// J18, J10: the public vectors of Wycheproof, among them signatures that are malleable, cut off or of zeros.
    #[test]
    fn j18_signatures_of_wycheproof() {
        use ed25519_dalek::VerifyingKey;
        let set = wycheproof::eddsa::TestSet::load(wycheproof::eddsa::TestName::Ed25519).unwrap();
        let mut count = 0;
        for group in set.test_groups {
            let key = VerifyingKey::from_bytes(group.key.pk.as_ref().try_into().unwrap()).unwrap();
            for test in group.tests {
                let good = Signature::from_slice(&test.sig)
                    .is_ok_and(|signature| key.verify_strict(&test.msg, &signature).is_ok());
                assert_eq!(good, test.result == wycheproof::TestResult::Valid, "{}", test.tc_id);
                count += 1;
            }
        }
        assert!(count > 100, "{count}");
    }

    #[test]
    fn j18_macs_of_wycheproof() {
        let set = wycheproof::mac::TestSet::load(wycheproof::mac::TestName::HmacSha256).unwrap();
        let mut count = 0;
        for group in set.test_groups.into_iter().filter(|group| group.tag_size == 256) {
            for test in group.tests {
                let mac = Hmac::new_from_slice(&test.key).unwrap();
                let key = SigningKey::make("a".into(), times(), Material::Hs256(mac)).unwrap();
                let valid = test.result == wycheproof::TestResult::Valid;
                assert_eq!(key.verifies(&test.msg, &test.tag), valid, "{}", test.tc_id);
                count += 1;
            }
        }
        assert!(count > 50, "{count}");
    }

    /// RFC 8037, appendix A.4.
    #[test]
    fn the_signature_of_the_standard() {
        let secret = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let key = SigningKey::eddsa("a", &secret.try_into().unwrap(), times()).unwrap();
        let text = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let known = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        assert_eq!(URL_SAFE_NO_PAD.encode(key.sign(text)), known);
        let x = key.public().unwrap();
        assert_eq!(x["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    }

    #[test]
    fn short_secrets_and_bad_names_are_refused() {
        assert!(SigningKey::hs256("a", &Secret::new("x".repeat(31)), times()).is_err());
        assert!(SigningKey::eddsa("", &[1; 32], times()).is_err());
        assert!(SigningKey::eddsa("x".repeat(65), &[1; 32], times()).is_err());
        let key = SigningKey::hs256("a", &Secret::new("s3cret".repeat(6)), times()).unwrap();
        assert!(!format!("{key:?}").contains("s3cret"));
    }
}
