//! Settings of daemons, of which a file may hold those that neither a flag nor a variable gives, and what is said of mistakes in them.

use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// A setting is missing, unknown or malformed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(pub String);

impl SettingsError {
    /// What is wrong with a setting.
    pub fn wrong(name: &str, reason: impl std::fmt::Display) -> Self {
        Self(format!("`{name}` is wrong: {reason}"))
    }

    /// Settings that nothing stands in for, by name and whether they are set: all that are not are named at once.
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

/// Reads a file of settings; a mistake in it is reported with its line and key.
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

/// Makes paths, and blob stores that are paths, count from the folder of the config file they stand in.
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

/// The first list, or the second where that is empty.
pub fn either<T>(first: Vec<T>, second: Vec<T>) -> Vec<T> {
    if first.is_empty() { second } else { first }
}
