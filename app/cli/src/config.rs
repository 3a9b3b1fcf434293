//! The config file: defaults for flags.

use crate::{
    error::{Result, refuse},
    output::Format,
};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// A setting the file may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Key {
    /// Cluster: a moniker or an RPC URL
    Url,
    /// Keypair file that signs and pays
    Keypair,
    /// Blob store: URL or folder
    Blobs,
    /// Output format: text or json
    Output,
    /// Folder with model packages
    Models,
}

/// Contents of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// See [`Key::Url`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// See [`Key::Keypair`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keypair: Option<String>,
    /// See [`Key::Blobs`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blobs: Option<String>,
    /// See [`Key::Output`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// See [`Key::Models`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<String>,
}

/// Where the file is.
pub fn default_path() -> PathBuf {
    std::env::home_dir().unwrap_or_default().join(".config/ionet/config.toml")
}

impl Config {
    /// Reads the file; one that does not exist is empty.
    pub fn load(path: &Path) -> Result<Self> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => {
                return refuse(format!(
                    "config file {} cannot be read ({error}); check its permissions",
                    path.display()
                ));
            }
        };
        let config: Self = toml::from_str(&text).or_else(|error| {
            let reason = error.message().trim().replace('\n', " ");
            refuse(format!(
                "config file {} is not valid: {reason}; correct or remove that line",
                path.display()
            ))
        })?;
        if let Some(output) = &config.output {
            Key::Output.check(output)?;
        }
        Ok(config)
    }

    /// Writes the file, in one step; only its owner can read it, since the URL of a node or a store may hold a key.
    pub fn save(&self, path: &Path) -> Result<()> {
        let text = toml::to_string(self).or_else(|error| refuse(format!("the config cannot be written: {error}")))?;
        let draft = path.with_extension("toml.new");
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
        folder
            .and_then(|()| options.open(&draft)?.write_all(text.as_bytes()))
            .and_then(|()| fs::rename(&draft, path))
            .or_else(|error| {
                refuse(format!(
                    "config file {} cannot be written ({error}); check its permissions",
                    path.display()
                ))
            })
    }

    /// The value of a setting.
    pub fn slot(&mut self, key: Key) -> &mut Option<String> {
        match key {
            Key::Url => &mut self.url,
            Key::Keypair => &mut self.keypair,
            Key::Blobs => &mut self.blobs,
            Key::Output => &mut self.output,
            Key::Models => &mut self.models,
        }
    }
}

impl Key {
    /// Every setting.
    pub const ALL: [Self; 5] = [Self::Url, Self::Keypair, Self::Blobs, Self::Output, Self::Models];

    /// Name of the setting.
    pub fn name(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Keypair => "keypair",
            Self::Blobs => "blobs",
            Self::Output => "output",
            Self::Models => "models",
        }
    }

    /// Checks a value, and makes a path absolute so that it means the same from every folder.
    pub fn anywhere(self, value: String) -> Result<String> {
        self.check(&value)?;
        let path = match self {
            Self::Url | Self::Output => return Ok(value),
            Self::Blobs => match blobs::local_folder(&value) {
                Some(folder) => folder,
                None => return Ok(value),
            },
            Self::Keypair | Self::Models => value.into(),
        };
        let path = std::path::absolute(&path).map(|path| path.into_os_string().into_string());
        match path {
            Ok(Ok(path)) => Ok(path),
            Ok(Err(path)) => refuse(format!("{} is not valid Unicode; use another path", path.display())),
            Err(error) => refuse(format!("{} cannot be set ({error}); give a path", self.name())),
        }
    }

    /// Fails when the setting cannot have this value.
    fn check(self, value: &str) -> Result<()> {
        match self {
            Self::Url => value.parse::<chain::Cluster>().map(drop).map_err(Into::into),
            Self::Output => Format::from_str(value, false)
                .map(drop)
                .or_else(|_| refuse(format!("'{value}' is not an output format: give text or json"))),
            Self::Keypair => Ok(chain::load_keypair(Path::new(value)).map(drop)?),
            Self::Blobs | Self::Models => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_saved_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/config.toml");
        assert_eq!(Config::load(&path).unwrap(), Config::default());
        let mut config = Config::default();
        for key in Key::ALL {
            *config.slot(key) = Some(if key == Key::Output {
                "json".to_owned()
            } else {
                key.name().to_owned()
            });
        }
        config.save(&path).unwrap();
        assert_eq!(Config::load(&path).unwrap(), config);
        #[cfg(unix)]
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions()) & 0o777,
            0o600
        );
    }

    #[test]
    fn a_wrong_file_is_refused_in_one_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        for (text, named) in [
            ("urll = \"x\"", "urll"),
            ("url = 3", "string"),
            ("url", "config.toml"),
            ("output = \"xml\"", "xml"),
        ] {
            fs::write(&path, text).unwrap();
            let error = Config::load(&path).unwrap_err().to_string();
            assert!(error.contains(named) && !error.contains('\n'), "{error}");
        }
    }
}
