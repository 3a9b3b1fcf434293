//! The config file: defaults for flags.

use crate::{
    error::{Error, Result, refuse},
    output::Format,
};
use clap::ValueEnum;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// A setting the file may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Config(pub BTreeMap<Key, String>);

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
        let wrong = |reason: &str| {
            let path = path.display();
            Error::Refused(format!("config file {path} is not valid: {reason}; correct or remove that line"))
        };
        let values: BTreeMap<String, String> = toml::from_str(&text).map_err(|error| wrong(&error.message().trim().replace('\n', " ")))?;
        let known = |(name, value): (String, String)| match Key::from_str(&name, false) {
            Ok(key) => Ok((key, value)),
            Err(_) => Err(wrong(&format!("there is no setting '{name}'"))),
        };
        let config = Self(values.into_iter().map(known).collect::<Result<_>>()?);
        config.get(Key::Output).map_or(Ok(()), |output| Key::Output.check(output))?;
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
    pub fn get(&self, key: Key) -> Option<&str> {
        self.0.get(&key).map(String::as_str)
    }
}

impl Key {
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
        let value = |key| if key == Key::Output { "json" } else { Key::name(key) };
        let all = Key::value_variants().iter().map(|key| (*key, value(*key).to_owned()));
        let config = Config(all.collect());
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
