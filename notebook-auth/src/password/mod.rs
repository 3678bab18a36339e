//! Passwords.

mod hash;
mod policy;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use notebook_core::{Error, ErrorKind, Result, Retry, Secret};
use tokio::sync::Semaphore;

pub use hash::{Cost, Hasher, Pepper, Verdict};
pub use policy::{MAX_BYTES, MIN_BYTES, acceptable, normal};

/// How passwords are hashed.
#[derive(Debug, Clone)]
pub struct PasswordConfig {
    /// How much work one is.
    pub cost: Cost,
    /// Secrets that are mixed in, the one in use first. A stored hash names the one that it was made with.
    pub peppers: Vec<Pepper>,
    /// How much memory all hashing together may take, in KiB. Default 1 GiB.
    pub most_memory: u32,
    /// How many may be hashed at once, whatever the memory. Default the number of processors.
    pub most_at_once: usize,
    /// How many may wait. Default 1,024.
    pub most_waiting: usize,
}

impl Default for PasswordConfig {
    fn default() -> Self {
        Self {
            cost: Cost::default(),
            peppers: Vec::new(),
            most_memory: 1 << 20,
            most_at_once: std::thread::available_parallelism().map_or(1, usize::from),
            most_waiting: 1_024,
        }
    }
}

/// What a check of a password found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// It is not the password.
    Wrong,
    /// It is the password; and the hash to store in place of an outdated one.
    Right {
        /// None when the stored one is up to date.
        upgrade: Option<String>,
    },
}

/// Hashes passwords in threads for blocking work, a few at once; others wait in line.
#[derive(Debug, Clone)]
pub struct Passwords {
    hasher: Arc<Hasher>,
    /// Verified where there is no user, so that it takes as long as where there is one.
    decoy: Arc<str>,
    places: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    most_waiting: usize,
}

impl Passwords {
    /// Makes ready.
    ///
    /// # Errors
    /// `InvalidInput` when a setting is out of its bounds, or one hash needs more memory than all may take;
    /// `Unavailable` when the system has no randomness.
    pub fn new(config: PasswordConfig) -> Result<Self> {
        let wrong = |field: &str, fix: &str| Err(Error::invalid("set up passwords", field, fix));
        let by_memory = config.most_memory / config.cost.memory.max(1);
        if by_memory == 0 {
            return wrong("most_memory", "give at least what one hash takes");
        }
        if config.most_at_once == 0 {
            return wrong("most_at_once", "give at least 1");
        }
        let places = config.most_at_once.min(usize::try_from(by_memory).unwrap_or(usize::MAX));
        let hasher = Hasher::new(config.cost, config.peppers)?;
        let decoy = hasher.hash_bytes(&crate::random::random::<32>()?)?;
        Ok(Self {
            hasher: Arc::new(hasher),
            decoy: decoy.into(),
            places: Arc::new(Semaphore::new(places)),
            waiting: Arc::default(),
            most_waiting: config.most_waiting,
        })
    }

    /// The hash of a new password.
    ///
    /// # Errors
    /// `InvalidInput` when it is too short or too long; `RateLimited` when too many wait.
    pub async fn hash(&self, password: &Secret) -> Result<String> {
        let password = acceptable(password)?;
        self.run("hash password", move |hasher, _| hasher.hash(&password)).await
    }

    /// Whether a password is the one of a stored hash. Without a hash it is not, after as much work; nor where nothing
    /// can be said, because the stored text is no hash that is known here or its pepper is not given: who asks must not
    /// see that there is somebody, and the log says it.
    ///
    /// # Errors
    /// `RateLimited` when too many wait.
    pub async fn check(&self, password: &Secret, stored: Option<&str>) -> Result<Checked> {
        let Some(password) = normal(password) else {
            // Nobody has such a password, and how long it is says nothing about a user.
            return Ok(Checked::Wrong);
        };
        let stored = stored.map(str::to_owned);
        self.run("check password", move |hasher, decoy| {
            let verdict = match stored.as_deref().map(|stored| hasher.verify(&password, stored)) {
                Some(Err(error)) if error.kind() == ErrorKind::Corrupt => {
                    tracing::error!(?error, "somebody cannot sign in");
                    None
                }
                verdict => verdict.transpose()?,
            };
            Ok(match verdict {
                None => {
                    hasher.verify(&password, decoy)?;
                    Checked::Wrong
                }
                Some(Verdict::Wrong) => Checked::Wrong,
                Some(Verdict::Right) => Checked::Right { upgrade: None },
                Some(Verdict::Outdated) => {
                    Checked::Right { upgrade: Some(hasher.hash(&password)?) }
                }
            })
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Hasher, &str) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let _waiting = Waiting::enter(&self.waiting, self.most_waiting, operation)?;
        let closed = |_| Error::new(ErrorKind::Internal, operation).with("reason", "closed");
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(closed)?;
        let (hasher, decoy) = (Arc::clone(&self.hasher), Arc::clone(&self.decoy));
        let task = tokio::task::spawn_blocking(move || {
            // The place is given back when the work is done, even if nobody waits for it any more.
            let _place = place;
            work(&hasher, &decoy)
        });
        task.await.unwrap_or_else(|error| {
            Err(Error::new(ErrorKind::Internal, operation).caused_by(error))
        })
    }
}

/// Somebody who waits or whose password is being hashed.
struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    fn enter(count: &Arc<AtomicUsize>, most: usize, operation: &'static str) -> Result<Self> {
        let entered = Self(Arc::clone(count));
        if count.fetch_add(1, Ordering::Relaxed) < most {
            return Ok(entered);
        }
        Err(Error::new(ErrorKind::RateLimited, operation)
            .retry(Retry::After(std::time::Duration::from_secs(2)))
            .with("reason", "too many sign in at once"))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
