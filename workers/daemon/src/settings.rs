//! Settings from a config file, for those given neither by a flag nor by an environment variable, and errors about them.

use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// A setting is missing, unknown or malformed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(pub String);

impl SettingsError {
    /// An error about the value of a setting.
    pub fn wrong(name: &str, reason: impl std::fmt::Display) -> Self {
        Self(format!("`{name}` is wrong: {reason}"))
    }

    /// An error that names every required setting that is not set, given all of them and whether each is.
    pub fn lacking(config: Option<&Path>, set: &[(&str, bool)]) -> Self {
        let source = config.map_or_else(|| "the command line".to_owned(), |path| path.display().to_string());
        let missing: Vec<String> = set
            .iter()
            .filter(|(_, set)| !set)
            .map(|(key, _)| format!("`{key}` (--{key} or IONET_{})", key.to_ascii_uppercase()))
            .collect();
        Self(format!(
            "{source} lacks {}; set what is missing there, or in a config file",
            missing.join(", ")
        ))
    }
}

/// Reads a config file; errors name the line and key.
pub fn read_toml<T: DeserializeOwned>(path: &Path) -> Result<T, SettingsError> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        SettingsError(format!(
            "the config file {shown} cannot be read: {error}; check the path given with --config"
        ))
    })?;
    toml::from_str(&text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let index = before.matches('\n').count();
        let key = text
            .lines()
            .nth(index)
            .and_then(|line| line.split('=').next())
            .unwrap_or_default()
            .trim();
        let line = index.saturating_add(1);
        SettingsError(format!("{shown} line {line}, `{key}`: {}; correct or remove it", error.message()))
    })
}

/// Makes paths, and blob stores that are paths, relative to the folder of the config file they stand in.
pub fn count_from_folder<'a>(config: &Path, paths: impl Iterator<Item = &'a mut PathBuf>, stores: &mut [String]) {
    let folder = config.parent().unwrap_or(Path::new(""));
    for path in paths {
        *path = folder.join(&*path);
    }
    for store in stores {
        if !store.contains(':') {
            *store = folder.join(&*store).display().to_string();
        }
    }
}

/// The first list, or the second if the first is empty.
pub fn either<T>(first: Vec<T>, second: Vec<T>) -> Vec<T> {
    if first.is_empty() { second } else { first }
}
