//! Keypair files of the `solana` CLI.

use crate::{Error, Result};
use solana_keypair::Keypair;
use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

/// Path of the default keypair of the `solana` CLI.
pub fn default_keypair_path() -> PathBuf {
    let home = std::env::home_dir().unwrap_or_default();
    home.join(".config/solana/id.json")
}

/// Reads a keypair file of the `solana` CLI: a JSON array of 64 bytes.
pub fn load_keypair(path: &Path) -> Result<Keypair> {
    let refuse = |reason: String| Error::Keypair {
        path: path.to_owned(),
        reason,
    };
    let not_a_keypair = || refuse("it is not a JSON array of 64 bytes".to_owned());
    let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::NoKeypair { path: path.to_owned() },
        // The file is not UTF-8.
        ErrorKind::InvalidData => not_a_keypair(),
        _ => refuse(error.to_string()),
    })?;
    let bytes: Vec<u8> = serde_json::from_str(&text).map_err(|_| not_a_keypair())?;
    // Also checks that the public key belongs to the secret key.
    Keypair::try_from(bytes.as_slice()).map_err(|_| not_a_keypair())
}

/// Writes a keypair file that only its owner can read. Never replaces an existing file, which may hold the only copy of a key.
pub fn save_keypair(keypair: &Keypair, path: &Path) -> Result<()> {
    let refuse = |reason: String| Error::KeypairUnwritten {
        path: path.to_owned(),
        reason,
    };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder).map_err(|error| refuse(error.to_string()))?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let text = serde_json::to_string(&keypair.to_bytes().to_vec()).map_err(|error| refuse(error.to_string()))?;
    let mut file = options.open(path).map_err(|error| refuse(error.to_string()))?;
    let mut write = || {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        // Until its folder is on disk too, a crash can lose the file.
        if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
    };
    write().map_err(|error| {
        // A part of it would be in the way of the next attempt.
        let _ = std::fs::remove_file(path);
        refuse(error.to_string())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use solana_signer::Signer;

    #[test]
    fn a_saved_keypair_loads_is_private_and_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/id.json");
        let keypair = Keypair::new();
        save_keypair(&keypair, &path).unwrap();
        assert_eq!(load_keypair(&path).unwrap().pubkey(), keypair.pubkey());
        #[cfg(unix)]
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions()) & 0o777,
            0o600
        );
        let error = save_keypair(&Keypair::new(), &path).unwrap_err();
        assert!(matches!(error, Error::KeypairUnwritten { .. }), "{error}");
        assert_eq!(load_keypair(&path).unwrap().pubkey(), keypair.pubkey());
    }

    #[test]
    fn bad_keypair_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("id.json");
        let mut swapped = Keypair::new().to_bytes().to_vec();
        swapped.rotate_left(1);
        for text in ["", "hello", "[1,2,3]", "{\"a\":1}", &serde_json::to_string(&swapped).unwrap()] {
            std::fs::write(&path, text).unwrap();
            let error = load_keypair(&path).unwrap_err();
            assert!(matches!(error, Error::Keypair { .. }), "{error}");
            assert!(error.to_string().contains("id.json"), "{error}");
        }
        std::fs::write(&path, [0xff; 64]).unwrap();
        for unusable in [path.as_path(), folder.path()] {
            let error = load_keypair(unusable).unwrap_err();
            assert!(matches!(error, Error::Keypair { .. }), "{error}");
        }
        let none = folder.path().join("none.json");
        let error = load_keypair(&none).unwrap_err();
        let advice = format!("create one with `ionet wallet new -o {}`", none.display());
        assert!(
            matches!(error, Error::NoKeypair { .. }) && error.to_string().ends_with(&advice),
            "{error}"
        );
        let error = save_keypair(&Keypair::new(), &path.join("below.json")).unwrap_err();
        assert!(matches!(error, Error::KeypairUnwritten { .. }), "{error}");
    }
}
