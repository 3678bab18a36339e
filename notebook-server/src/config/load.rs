use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::Path,
};

use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
};
use notebook_core::Secret;

use super::{
    Config, Profile, Vault, check,
    profile::unsafe_settings,
    secrets::{self, Found},
};
use crate::vault;

/// Everything that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<String>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the configuration is wrong:")?;
        self.0.iter().try_for_each(|error| writeln!(f, "  - {error}"))
    }
}

impl std::error::Error for ConfigErrors {}

/// A configuration that was read, and what is to be said of it.
#[derive(Debug)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// What is wrong with them.
    pub errors: Vec<String>,
    /// What is unsafe, whatever the profile.
    pub unsafe_settings: Vec<String>,
    /// What keeps the token of Vault good, where secrets came from there.
    pub(crate) session: Option<vault::Session>,
}

impl Loaded {
    /// What keeps it from being used: what is wrong, and in production what is unsafe.
    ///
    /// # Errors
    /// All of it, each with the name of the setting and the fix.
    pub fn accepted(&self) -> Result<(), ConfigErrors> {
        let mut errors = self.errors.clone();
        if self.config.profile == Profile::Production {
            errors.extend(self.unsafe_settings.iter().cloned());
        }
        if errors.is_empty() { Ok(()) } else { Err(ConfigErrors(errors)) }
    }
}

/// Reads the file (if given), then the environment over it, fetches the secrets that lie elsewhere, and checks the result.
///
/// # Errors
/// All that is wrong, and in production all that is unsafe, each with the name of the setting and the fix.
pub fn load(file: Option<&Path>) -> Result<Config, ConfigErrors> {
    let loaded = read(file)?;
    loaded.accepted()?;
    Ok(loaded.config)
}

/// The same, for who wants to know more than whether it can be used.
///
/// # Errors
/// What keeps it from being read at all.
pub fn read(file: Option<&Path>) -> Result<Loaded, ConfigErrors> {
    let mut figment = Figment::new();
    if let Some(file) = file {
        if !file.is_file() {
            return Err(ConfigErrors(vec![format!(
                "there is no configuration file {}",
                file.display()
            )]));
        }
        figment = figment.merge(Toml::file_exact(file));
    }
    let figment = figment.merge(Env::prefixed("NOTEBOOK__").split("__"));
    let found = secrets::find(&figment);
    let figment = lay_over(figment, &found.read);
    let mut errors: Vec<String> = found.errors.values().cloned().collect();
    let mut session = None;
    let mut texts = BTreeMap::new();
    match from_vault(&figment, &found) {
        Ok(None) => {}
        Ok(Some(fetched)) => {
            texts = fetched.texts;
            session = Some(fetched.session);
        }
        Err(wrong) => errors.extend(wrong),
    }
    // What could not be had is filled in, so that all else that is wrong is told too.
    let named = found.asked.keys().chain(found.errors.keys());
    let missing: BTreeSet<&String> =
        named.filter(|setting| !texts.contains_key(*setting)).collect();
    texts.extend(missing.iter().map(|setting| ((*setting).clone(), Secret::new("missing"))));
    let config: Config = lay_over(figment, &texts).extract().map_err(|wrong| {
        errors.extend(wrong.into_iter().map(|error| error.to_string()));
        ConfigErrors(std::mem::take(&mut errors))
    })?;
    let others = check::check(&config);
    errors.extend(others.into_iter().filter(|error| !is_about(error, &missing)));
    let mut unsafe_settings = unsafe_settings(&config, file, &found);
    unsafe_settings.retain(|sentence| !is_about(sentence, &missing));
    Ok(Loaded { config, errors, unsafe_settings, session })
}

fn is_about(sentence: &str, settings: &BTreeSet<&String>) -> bool {
    let longer = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let about = |setting: &&String| {
        sentence.strip_prefix(setting.as_str()).is_some_and(|rest| !rest.starts_with(longer))
    };
    settings.iter().any(about)
}

fn lay_over(figment: Figment, texts: &BTreeMap<String, Secret>) -> Figment {
    figment.merge(Serialized::defaults(secrets::tree(texts)))
}

/// What Vault has, where it is asked for anything.
fn from_vault(figment: &Figment, found: &Found) -> Result<Option<vault::Fetched>, Vec<String>> {
    if found.asked.is_empty() {
        return Ok(None);
    }
    let settings: Vault = match figment.find_value("secrets.vault") {
        // What is wrong with their shape is told with all other shapes.
        Ok(_) => figment.extract_inner("secrets.vault").map_err(|_| Vec::new())?,
        Err(_) => Vault::default(),
    };
    if settings.address.is_none() {
        let settings: Vec<_> = found.asked.keys().map(String::as_str).collect();
        return Err(vec![format!(
            "secrets.vault.address is missing, and {} come from Vault: set it to such as https://vault.internal:8200",
            settings.join(", ")
        )]);
    }
    // Told by the check of the whole.
    if !settings.errors().is_empty() {
        return Err(Vec::new());
    }
    vault::fetch(&settings, &found.asked).map(Some)
}
