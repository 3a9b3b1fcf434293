//! A folder that one process has for itself, and files in it that a crash spares.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::Path,
};

/// Extension of a file that is being written.
pub const DRAFT: &str = "new";

/// Takes a folder, which is created if missing, for as long as what is returned is kept: `None` when another process has it.
pub fn lock_folder(folder: &Path) -> io::Result<Option<File>> {
    fs::create_dir_all(folder)?;
    let lock = File::options().write(true).create(true).truncate(false).open(folder.join("lock"))?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Writes a file of a folder, whole or not at all; once this returns, a crash does not lose it.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension(DRAFT);
    let mut file = File::create(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Flushes a folder to the disk: only then are its new files there, whatever they hold.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_it_at_a_time_and_what_its_lock_holds_stays() -> io::Result<()> {
        let base = tempfile::tempdir()?;
        let folder = base.path().join("a/b");
        let first = lock_folder(&folder)?;
        assert!(first.is_some() && lock_folder(&folder)?.is_none());
        drop(first);
        fs::write(folder.join("lock"), "kept")?;
        assert!(lock_folder(&folder)?.is_some());
        assert_eq!(fs::read_to_string(folder.join("lock"))?, "kept");
        assert!(lock_folder(&folder.join("lock")).is_err());
        Ok(())
    }

    #[test]
    fn a_file_is_replaced_whole_and_no_draft_stays() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("case.evidence");
        for content in ["long ago", "now"] {
            write_whole(&path, content.as_bytes())?;
            assert_eq!(fs::read_to_string(&path)?, content);
        }
        assert_eq!(fs::read_dir(folder.path())?.count(), 1);
        assert!(write_whole(&folder.path().join("none/case"), b"").is_err());
        Ok(())
    }
}
