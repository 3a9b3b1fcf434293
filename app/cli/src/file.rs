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
        // A key that the file lacks is in no line: its place is given as an empty span at the start.
        let span = error.span().filter(|span| span.end > 0);
        let line = span
            .and_then(|span| text.get(..span.start))
            .map(|before| format!(", line {}", before.matches('\n').count().saturating_add(1)));
        let reason = error.message().trim().replace('\n', " ");
        refuse(format!("{}{}: {reason}; correct it", path.display(), line.unwrap_or_default()))
    })
}

fn read<T>(path: &Path, read: io::Result<T>) -> Result<T> {
    read.or_else(|error| refuse(format!("{} cannot be read ({error}); check the path", path.display())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde::Deserialize;

    #[test]
    fn a_wrong_value_has_a_line_and_a_missing_one_has_none() {
        #[derive(Debug, Deserialize)]
        #[allow(dead_code, reason = "only its parsing is tested")]
        struct Written {
            mint: String,
            days: u16,
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        let said = |text: &str| {
            fs::write(&path, text).unwrap();
            let said = toml::<Written>(&path).unwrap_err().to_string();
            said.strip_prefix(&path.display().to_string()).unwrap().to_owned()
        };
        for text in ["mint = \"a\"\ndays = -1\n", "# the mint\nmint = a"] {
            assert!(said(text).starts_with(", line 2: "), "{text:?}: {}", said(text));
        }
        for text in ["", "# nothing\n", "# the mint\nmint = \"a\"\n\n"] {
            assert!(said(text).starts_with(": missing field"), "{text:?}: {}", said(text));
        }
    }
}
