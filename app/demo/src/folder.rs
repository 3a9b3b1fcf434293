//! The folder that a run writes to, which is emptied first.

use anyhow::{Context, Result, bail, ensure};
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Marks a folder as made by the demo, which empties no other.
const MARKER: &str = ".ionet-demo";

/// A folder that belongs to one run until this value is dropped.
pub struct Folder {
    _lock: File,
}

impl Folder {
    /// Creates `dir`, or empties it of what an earlier run left. Fails, and changes nothing, if another run is still using it or it was not
    /// made by the demo.
    pub fn take(dir: &Path) -> Result<Self> {
        let marker = dir.join(MARKER);
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        ensure!(
            marker.is_file() || entries(dir)?.is_empty(),
            "{} has files that are not the demo's, which would empty it; name another folder with --dir, or remove this one",
            dir.display()
        );
        let mut lock = File::options()
            .create(true)
            .append(true)
            .open(&marker)
            .with_context(|| format!("cannot write {}", marker.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!("another demo runs in {}; stop it, or name another folder with --dir", dir.display()),
            Err(TryLockError::Error(error)) => return Err(error).with_context(|| format!("cannot lock {}", marker.display())),
        }
        // Every run starts on an empty chain, where keys and blobs of the last one would only confuse.
        for entry in entries(dir)?.into_iter().filter(|entry| *entry != marker) {
            let removed = if entry.is_dir() {
                // Of a link, this removes only the link itself.
                fs::remove_dir_all(&entry)
            } else {
                fs::remove_file(&entry)
            };
            removed.with_context(|| format!("cannot remove {}", entry.display()))?;
        }
        if lock.metadata().is_ok_and(|marker| marker.len() == 0) {
            writeln!(lock, "`cargo xtask demo` made this folder, and empties it before using it again.")
                .with_context(|| format!("cannot write {}", marker.display()))?;
        }
        Ok(Self { _lock: lock })
    }
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    entries.with_context(|| format!("cannot read {}", dir.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_with_other_files_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let thesis = dir.path().join("thesis.txt");
        fs::write(&thesis, "years of work").unwrap();
        let refusal = Folder::take(dir.path()).err().unwrap().to_string();
        assert!(refusal.contains("not the demo's") && refusal.contains("--dir"), "{refusal}");
        assert_eq!(fs::read_to_string(&thesis).unwrap(), "years of work");
        assert_eq!(entries(dir.path()).unwrap(), [thesis], "nothing is added either");
    }

    #[test]
    fn its_own_folder_is_emptied_again_and_again() {
        let base = tempfile::tempdir().unwrap();
        let dir = base.path().join("a/demo");
        for _ in 0..3 {
            let _folder = Folder::take(&dir).unwrap();
            assert_eq!(entries(&dir).unwrap(), [dir.join(MARKER)]);
            fs::write(dir.join("output.png"), "a picture").unwrap();
            fs::create_dir_all(dir.join("keys/more")).unwrap();
        }
        let marker = fs::read_to_string(dir.join(MARKER)).unwrap();
        assert_eq!(marker.lines().count(), 1, "{marker}");
    }

    #[cfg(unix)]
    #[test]
    fn the_target_of_a_link_is_left_alone() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let kept = other.path().join("kept");
        fs::write(&kept, "").unwrap();
        drop(Folder::take(dir.path()).unwrap());
        std::os::unix::fs::symlink(other.path(), dir.path().join("link")).unwrap();
        drop(Folder::take(dir.path()).unwrap());
        assert!(kept.exists() && !dir.path().join("link").exists());
    }

    #[test]
    fn a_running_demo_keeps_its_files() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::take(dir.path()).unwrap();
        let log = dir.path().join("worker.log");
        fs::write(&log, "").unwrap();
        let refusal = Folder::take(dir.path()).err().unwrap().to_string();
        assert!(refusal.contains("another demo runs"), "{refusal}");
        assert!(log.exists());
        drop(folder);
        Folder::take(dir.path()).unwrap();
        assert!(!log.exists());
    }
}
