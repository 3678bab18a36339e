//! Secrets of HashiCorp Vault or OpenBao: the KV engine, version 2, over its HTTP interface.
//!
//! They are read once, at the start. What is kept afterwards is the token: leases that hang on it end with it, and the next
//! start needs it.

mod answer;
mod client;
mod renew;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use notebook_core::{Error, Secret};

pub(crate) use self::renew::Session;
use self::{
    answer::{Fault, Fields},
    client::Client,
};
use crate::config::{Place, Vault};

/// The least and the most time between two tries.
const AGAIN: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// What was read.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// By setting.
    pub(crate) texts: BTreeMap<String, Secret>,
    /// Keeps the token good.
    pub(crate) session: Session,
}

/// Reads all that settings ask for, each path once.
///
/// # Errors
/// What could not be read, as sentences with the setting and the path.
pub(crate) fn fetch(
    settings: &Vault,
    asked: &BTreeMap<String, Place>,
) -> Result<Fetched, Vec<String>> {
    // On a thread of its own, for the configuration is read before there is a runtime, and by tests within one.
    let run = || -> Result<Fetched, Vec<String>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| vec![format!("secrets.vault: {error}")])?;
        runtime.block_on(fetch_all(settings, asked))
    };
    let ended = std::thread::scope(|scope| scope.spawn(run).join());
    ended.unwrap_or_else(|_| Err(vec!["secrets.vault: reading it broke off".to_owned()]))
}

async fn fetch_all(
    settings: &Vault,
    asked: &BTreeMap<String, Place>,
) -> Result<Fetched, Vec<String>> {
    let whole = |error: &Error| vec![format!("secrets.vault: {error}")];
    let client = Client::new(settings).map_err(|error| whole(&error))?;
    let until = Instant::now() + Duration::from_secs(settings.timeout_seconds.into());
    let session = patiently(until, || client.sign_in()).await;
    let session = session.map_err(|fault| vec![format!("secrets.vault: {fault}")])?;
    let paths: BTreeSet<&str> = asked.values().map(|place| place.path.as_str()).collect();
    let mut read: BTreeMap<&str, Result<Fields, Fault>> = BTreeMap::new();
    for path in paths {
        let fields = patiently(until, || client.read(&session.token, path)).await;
        read.insert(path, fields);
    }
    let (mut texts, mut errors) = (BTreeMap::new(), Vec::new());
    for (setting, Place { path, field }) in asked {
        let found = match read.get(path.as_str()) {
            Some(Ok(fields)) => fields.text(field),
            Some(Err(fault)) => Err(fault.to_string()),
            None => continue,
        };
        match found {
            Ok(text) => drop(texts.insert(setting.clone(), text)),
            Err(why) => {
                let mount = &settings.mount;
                errors.push(format!(
                    "{setting} is to be read of vault:{mount}/{path}#{field}: {why}"
                ));
            }
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok(Fetched { texts, session: Session::new(settings.clone(), session) })
}

/// Tries again what may pass, until there is no time left.
async fn patiently<T, F: Future<Output = Result<T, Fault>>>(
    until: Instant,
    mut once: impl FnMut() -> F,
) -> Result<T, Fault> {
    let mut wait = AGAIN.0;
    loop {
        match once().await {
            Err(fault) if fault.may_pass && Instant::now() + wait < until => {
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(AGAIN.1);
            }
            ended => return ended,
        }
    }
}
