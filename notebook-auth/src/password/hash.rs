//! Hashes as they are stored: argon2id in the PHC string format, or bcrypt's own from an older system.

use argon2::{
    Algorithm, Argon2, KeyId, Params, ParamsBuilder, PasswordHasher as _, PasswordVerifier as _,
    Version, password_hash::phc::PasswordHash,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use notebook_core::{Error, ErrorKind, Result, Secret};
use sha2::Sha256;

const SET_UP: &str = "set up passwords";
const HASH: &str = "hash password";
const VERIFY: &str = "check password";

/// The most memory that a stored hash may ask for, in KiB: it must not be a way to fill the machine.
const MOST_MEMORY: u32 = 256 * 1024;
/// The most passes that a stored hash may ask for.
const MOST_PASSES: u32 = 16;
/// The highest cost of bcrypt's hashes that are still verified: each step doubles the time.
const MOST_BCRYPT: u32 = 14;

/// How much work one hash is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB: 19 MiB at least. Default 46 MiB.
    pub memory: u32,
    /// Passes over it. Default 2.
    pub passes: u32,
}

impl Default for Cost {
    fn default() -> Self {
        Self { memory: 46 * 1024, passes: 2 }
    }
}

/// A secret that is mixed into hashes and kept away from them, so that a stolen table alone is of no use.
#[derive(Debug, Clone)]
pub struct Pepper {
    /// Its name in stored hashes: 1 to 8 letters, digits or `-`.
    pub id: String,
    /// 32 bytes at least.
    pub secret: Secret,
}

/// What a stored hash says about a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is another one's.
    Wrong,
    /// It is this one's.
    Right,
    /// It is this one's, and was made with less work, another pepper or an older function than today's.
    Outdated,
}

/// Makes and checks hashes. Each call is about 100 ms of work for one processor.
#[derive(Debug)]
pub struct Hasher {
    params: Params,
    peppers: Vec<Pepper>,
}

impl Hasher {
    /// A hasher with a cost and peppers, the one in use first.
    ///
    /// # Errors
    /// `InvalidInput` when the cost is out of its bounds, or a pepper is too short or has no good name.
    pub fn new(cost: Cost, peppers: Vec<Pepper>) -> Result<Self> {
        if !(19 * 1024..=MOST_MEMORY).contains(&cost.memory) {
            return Err(Error::invalid(SET_UP, "memory", "give 19456 to 262144 KiB"));
        }
        if !(1..=MOST_PASSES).contains(&cost.passes) {
            return Err(Error::invalid(SET_UP, "passes", "give 1 to 16"));
        }
        for (i, pepper) in peppers.iter().enumerate() {
            let plain = pepper.id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
            let twice = peppers.iter().take(i).any(|other| other.id == pepper.id);
            if pepper.id.is_empty() || pepper.id.len() > 8 || !plain || twice {
                let fix = "give each a name of its own: 1 to 8 letters, digits or -";
                return Err(Error::invalid(SET_UP, "pepper id", fix));
            }
            if pepper.secret.expose().len() < 32 {
                return Err(Error::invalid(SET_UP, "pepper secret", "give at least 32 bytes"));
            }
        }
        let params = params(cost, peppers.first())
            .map_err(|_| Error::invalid(SET_UP, "cost", "give other numbers"))?;
        Ok(Self { params, peppers })
    }

    /// The hash of a password that was normalised.
    ///
    /// # Errors
    /// `Unavailable` when there is no memory or randomness.
    pub fn hash(&self, password: &Secret) -> Result<String> {
        self.hash_bytes(password.expose().as_bytes())
    }

    /// The same for any bytes.
    pub(super) fn hash_bytes(&self, password: &[u8]) -> Result<String> {
        let salt: [u8; 16] = crate::random::random()?;
        let input = mixed(password, self.peppers.first());
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone());
        let hash = argon2.hash_password_with_salt(&input, &salt);
        let hash = hash.map_err(|error| {
            Error::new(ErrorKind::Unavailable, HASH).with("reason", error.to_string())
        })?;
        Ok(hash.to_string())
    }

    /// Compares a password that was normalised with a stored hash.
    ///
    /// # Errors
    /// `Corrupt` when the stored text is no hash that is known here, or asks for too much work.
    pub fn verify(&self, password: &Secret, stored: &str) -> Result<Verdict> {
        if stored.starts_with("$2") {
            return verify_bcrypt(password, stored);
        }
        let hash = PasswordHash::new(stored).map_err(|_| malformed("it is no PHC string"))?;
        let algorithm = Algorithm::try_from(hash.algorithm.as_str())
            .map_err(|_| malformed("its function is not known"))?;
        let params = Params::try_from(&hash).map_err(|_| malformed("its numbers are not known"))?;
        if params.m_cost() > MOST_MEMORY || params.t_cost() > MOST_PASSES || params.p_cost() > 16 {
            return Err(malformed("it asks for too much work"));
        }
        if hash.hash.is_none() || hash.salt.is_none() {
            return Err(malformed("it has no salt or no hash"));
        }
        let id = params.keyid();
        let pepper = self.peppers.iter().find(|pepper| pepper.id.as_bytes() == id);
        if !id.is_empty() && pepper.is_none() {
            return Err(malformed("its pepper is not among those given"));
        }
        let input = mixed(password.expose().as_bytes(), pepper);
        match Argon2::default().verify_password(&input, &hash) {
            Ok(()) => {}
            Err(argon2::password_hash::Error::PasswordInvalid) => return Ok(Verdict::Wrong),
            Err(_) => return Err(malformed("it cannot be computed")),
        }
        let current = algorithm == Algorithm::Argon2id
            && hash.version == Some(Version::V0x13.into())
            && params.m_cost() == self.params.m_cost()
            && params.t_cost() == self.params.t_cost()
            && params.p_cost() == self.params.p_cost()
            && params.keyid() == self.params.keyid();
        Ok(if current { Verdict::Right } else { Verdict::Outdated })
    }
}

/// bcrypt looks at the first 72 bytes alone: so did the system that made the hash.
fn verify_bcrypt(password: &Secret, stored: &str) -> Result<Verdict> {
    let parts: bcrypt::HashParts =
        stored.parse().map_err(|_| malformed("it is no hash of bcrypt"))?;
    if parts.get_cost() > MOST_BCRYPT {
        return Err(malformed("it asks for too much work"));
    }
    let right = bcrypt::verify(password.expose(), stored)
        .map_err(|_| malformed("it is no hash of bcrypt"))?;
    Ok(if right { Verdict::Outdated } else { Verdict::Wrong })
}

fn params(cost: Cost, pepper: Option<&Pepper>) -> argon2::Result<Params> {
    let mut builder = ParamsBuilder::new();
    builder.m_cost(cost.memory).t_cost(cost.passes).p_cost(1).output_len(32);
    if let Some(pepper) = pepper {
        builder.keyid(KeyId::new(pepper.id.as_bytes())?);
    }
    builder.build()
}

fn mixed(password: &[u8], pepper: Option<&Pepper>) -> Vec<u8> {
    let Some(pepper) = pepper else { return password.to_vec() };
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(pepper.secret.expose().as_bytes()) else {
        return Vec::new();
    };
    mac.update(password);
    mac.finalize().into_bytes().to_vec()
}

fn malformed(reason: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, VERIFY)
        .with("what", "stored password hash")
        .with("reason", reason)
        .with("fix", "let the user set a new password")
}
