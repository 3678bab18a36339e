//! The keys of the installation: all are made of one secret, so that there is one thing to keep.

use std::{collections::BTreeMap, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use hkdf::Hkdf;
use notebook_auth::{
    jwt::{IssuerConfig, JwtIssuer, KeyTimes, SigningKey},
    oidc::PendingKeys,
    password::Pepper,
    refresh::RefreshKeys,
};
use notebook_core::{Error, ErrorKind, Result, Secret, Timestamp, identity::audit::AuditKeys};
use sha2::Sha256;

const OPERATION: &str = "set up keys";
/// The file of a secret that the server made itself.
const FILE: &str = "auth-secret";
/// A time that does not come: keys that do not sign yet, or no more.
const NEVER: Timestamp = Timestamp::from_millis(i64::MAX / 4);

/// Secrets by number, and the number of the one in use.
pub(super) struct Secrets {
    pub(super) by_number: BTreeMap<u32, Secret>,
    pub(super) current: u32,
}

impl Secrets {
    /// Those of the configuration, or the one in the data folder, which is made at the first start.
    ///
    /// # Errors
    /// `Unavailable` when the file cannot be read or written; `Corrupt` when it holds something else.
    pub(super) fn open(
        configured: &BTreeMap<u32, Secret>,
        current: Option<u32>,
        folder: &Path,
    ) -> Result<Self> {
        if let Some(newest) = configured.keys().max() {
            return Ok(Self { by_number: configured.clone(), current: current.unwrap_or(*newest) });
        }
        let secret = kept(&folder.join(FILE))?;
        Ok(Self { by_number: BTreeMap::from([(1, secret)]), current: 1 })
    }

    /// The keys of refresh tokens.
    pub(super) fn refresh(&self) -> Result<RefreshKeys> {
        let key = |(number, secret): (&u32, &Secret)| Ok((*number, text(secret, "refresh")?));
        let keys: Result<Vec<_>> = self.by_number.iter().map(key).collect();
        RefreshKeys::new(self.current, keys?)
    }

    /// The keys of sign-ins that have begun elsewhere.
    pub(super) fn pending(&self) -> Result<PendingKeys> {
        let key = |(number, secret): (&u32, &Secret)| Ok((*number, text(secret, "oidc")?));
        let keys: Result<Vec<_>> = self.by_number.iter().map(key).collect();
        PendingKeys::new(self.current, keys?)
    }

    /// Who makes access tokens. All keys are public; one signs.
    pub(super) fn issuer(&self, config: IssuerConfig) -> Result<JwtIssuer> {
        let keys = self.by_number.iter().map(|(number, secret)| {
            let signs_from =
                if *number == self.current { Timestamp::from_millis(0) } else { NEVER };
            let times = KeyTimes { public_from: Timestamp::from_millis(0), signs_from };
            SigningKey::eddsa(format!("k{number}"), &bytes(secret, "access")?, times)
        });
        JwtIssuer::new(config, keys.collect::<Result<_>>()?)
    }

    /// What chains of audit logs are made with.
    pub(super) fn audit(&self) -> Result<AuditKeys> {
        let (mut current, mut older) = (Vec::new(), Vec::new());
        for (number, secret) in &self.by_number {
            let key = text(secret, "audit")?;
            if *number == self.current { current.push(key) } else { older.push(key) }
        }
        let missing = || Error::invalid(OPERATION, "current_secret", "give the number of a secret");
        AuditKeys::new(current.first().ok_or_else(missing)?, &older)
    }

    /// What the tokens of links are made of.
    pub(super) fn links(&self) -> Result<Secret> {
        let missing = || Error::invalid(OPERATION, "current_secret", "give the number of a secret");
        text(self.by_number.get(&self.current).ok_or_else(missing)?, "links")
    }

    /// What is mixed into passwords before they are hashed.
    pub(super) fn peppers(&self) -> Result<Vec<Pepper>> {
        let pepper = |number: u32, secret: &Secret| -> Result<Pepper> {
            Ok(Pepper { id: number.to_string(), secret: text(secret, "password")? })
        };
        let mut peppers = Vec::new();
        if let Some(secret) = self.by_number.get(&self.current) {
            peppers.push(pepper(self.current, secret)?);
        }
        for (number, secret) in self.by_number.iter().filter(|(n, _)| **n != self.current) {
            peppers.push(pepper(*number, secret)?);
        }
        Ok(peppers)
    }
}

fn bytes(secret: &Secret, purpose: &str) -> Result<[u8; 32]> {
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(None, secret.expose().as_bytes())
        .expand(format!("notebook {purpose}").as_bytes(), &mut key)
        .map_err(|_| Error::new(ErrorKind::Internal, OPERATION))?;
    Ok(key)
}

fn text(secret: &Secret, purpose: &str) -> Result<Secret> {
    Ok(Secret::new(notebook_core::hex(bytes(secret, purpose)?)))
}

/// The secret in a file that only its owner reads; made where there is none.
fn kept(file: &Path) -> Result<Secret> {
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::Unavailable, OPERATION)
            .with("file", file.display().to_string())
            .with("fix", "give the server's user the right to read and write it")
            .caused_by(error)
    };
    let mut options = std::fs::OpenOptions::new();
    match options.write(true).create_new(true).mode(0o600).open(file) {
        Ok(mut new) => {
            let mut random = [0; 32];
            getrandom::fill(&mut random)
                .map_err(|error| Error::new(ErrorKind::Unavailable, OPERATION).caused_by(error))?;
            let secret = notebook_core::hex(random);
            // Whole and on the disk before anybody is given a token by it.
            let written = new.write_all(secret.as_bytes()).and_then(|()| new.sync_all());
            if let Err(error) = written {
                let _ = std::fs::remove_file(file);
                return Err(failed(error));
            }
            Ok(Secret::new(secret))
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let text = std::fs::read_to_string(file).map_err(failed)?;
            let text = text.trim();
            if text.len() != 64 || !text.chars().all(|c| c.is_ascii_hexdigit()) {
                return Err(Error::new(ErrorKind::Corrupt, OPERATION)
                    .with("file", file.display().to_string())
                    .with(
                        "fix",
                        "put the backup of this file back, or delete it: all sessions end then",
                    ));
            }
            Ok(Secret::new(text))
        }
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use notebook_core::{SessionId, identity::token::TokenIssuer as _};

    use super::*;

    #[test]
    fn a_secret_is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let first = Secrets::open(&BTreeMap::new(), None, folder.path()).unwrap();
        let second = Secrets::open(&BTreeMap::new(), None, folder.path()).unwrap();
        assert_eq!(first.by_number, second.by_number);
        let mode = std::fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(folder.path().join(FILE), "short").unwrap();
        let refused = Secrets::open(&BTreeMap::new(), None, folder.path()).err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::Corrupt);
    }

    /// R37, J14: tokens of the key before are good while the next one makes them.
    #[test]
    fn keys_take_turns() {
        let secret = |text: &str| Secret::new(text.repeat(8));
        let both = BTreeMap::from([(1, secret("first")), (2, secret("second"))]);
        let folder = Path::new("/nowhere");
        let before = Secrets::open(&both, Some(1), folder).unwrap();
        let after = Secrets::open(&both, Some(2), folder).unwrap();
        let token = notebook_auth::refresh::RefreshToken {
            session: SessionId::new(),
            generation: 0,
            key: 1,
        };
        let made = before.refresh().unwrap().make(token).unwrap();
        assert_eq!(after.refresh().unwrap().read(made.expose()), Some(token));
        assert_eq!(before.refresh().unwrap().current(), 1);
        assert_eq!(after.refresh().unwrap().current(), 2);
        let issuer = |secrets: &Secrets| secrets.issuer(IssuerConfig::new("i", "a")).unwrap();
        assert_eq!(issuer(&before).public_keys(), issuer(&after).public_keys());
        assert_eq!(after.peppers().unwrap().first().unwrap().id, "2");
        assert_eq!(before.peppers().unwrap().len(), 2);
    }
}
