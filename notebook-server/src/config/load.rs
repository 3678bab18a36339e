use std::{fmt, path::Path};

use figment::{
    Figment,
    providers::{Env, Format, Toml},
};

use super::{Config, check};

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

/// Reads the file (if given), then the environment over it, and checks the result.
///
/// # Errors
/// All that is wrong, each with the name of the setting and the fix.
pub fn load(file: Option<&Path>) -> Result<Config, ConfigErrors> {
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
    let config: Config =
        figment.merge(Env::prefixed("NOTEBOOK__").split("__")).extract().map_err(|errors| {
            ConfigErrors(errors.into_iter().map(|error| error.to_string()).collect())
        })?;
    let errors = check::check(&config);
    if errors.is_empty() { Ok(config) } else { Err(ConfigErrors(errors)) }
}
