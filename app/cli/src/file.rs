//! Files that commands are given to read.

use crate::error::{Result, refuse};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::{fs, io, path::Path};

/// The contents of a file.
pub fn bytes(path: &Path) -> Result<Vec<u8>> {
    read(path, fs::read(path))
}

/// SHA-256 of a file, as `sha256sum` prints it.
pub fn digest(path: &Path) -> Result<[u8; 32]> {
    Ok(Sha256::digest(bytes(path)?).into())
}

/// The text of a file.
pub fn text(path: &Path) -> Result<String> {
    read(path, fs::read_to_string(path))
}

/// The values in a TOML file.
pub fn toml<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = text(path)?;
    toml::from_str(&text).or_else(|error| {
        let line = error
            .span()
            .and_then(|span| text.get(..span.start))
            .map_or(1, |before| before.matches('\n').count().saturating_add(1));
        let reason = error.message().trim().replace('\n', " ");
        refuse(format!("{}, line {line}: {reason}; correct it", path.display()))
    })
}

fn read<T>(path: &Path, read: io::Result<T>) -> Result<T> {
    read.or_else(|error| refuse(format!("{} cannot be read ({error}); check the path", path.display())))
}
