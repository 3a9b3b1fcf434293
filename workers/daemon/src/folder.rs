//! A folder locked by one process, and files that survive a crash.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::Path,
};

/// Extension of a file that is being written.
pub const DRAFT: &str = "new";

/// Locks a folder, which is created if missing, until the returned file is dropped; `None` when another process holds the lock. A folder
/// that was locked before can be locked even if nothing can be written to it any more.
pub fn lock_folder(folder: &Path) -> io::Result<Option<File>> {
    fs::create_dir_all(folder)?;
    let path = folder.join("lock");
    let lock = File::options().write(true).create(true).truncate(false).open(&path);
    let lock = lock.or_else(|error| File::open(&path).map_err(|_| error))?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Writes a file atomically: readers see the old content or the new. Once this returns, a crash does not lose it.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension(DRAFT);
    let write = || {
        let mut file = File::create(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    // What is left of it may take up the last of a full disk.
    write().inspect_err(|_| drop(fs::remove_file(&draft)))?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Flushes a folder to disk: until then a crash can lose its new files, even those that were flushed themselves.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Free bytes on a folder's disk; `None` on systems that do not tell.
#[cfg(unix)]
pub fn free_space(folder: &Path) -> io::Result<Option<u64>> {
    let stats = rustix::fs::statvfs(folder)?;
    Ok(Some(stats.f_bavail.saturating_mul(stats.f_frsize)))
}

/// Free bytes on a folder's disk; `None` on systems that do not tell.
#[cfg(not(unix))]
pub fn free_space(_: &Path) -> io::Result<Option<u64>> {
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_holder_and_its_lock_file_keeps_its_content() -> io::Result<()> {
        let base = tempfile::tempdir()?;
        let folder = base.path().join("a/b");
        let first = lock_folder(&folder)?;
        assert!(first.is_some() && lock_folder(&folder)?.is_none());
        drop(first);
        fs::write(folder.join("lock"), "kept")?;
        assert!(lock_folder(&folder)?.is_some());
        assert_eq!(fs::read_to_string(folder.join("lock"))?, "kept");
        assert!(lock_folder(&folder.join("lock")).is_err());
        // A folder can be opened and not written to, like a file on a disk that takes no writes.
        if cfg!(unix) {
            fs::remove_file(folder.join("lock"))?;
            fs::create_dir(folder.join("lock"))?;
            let first = lock_folder(&folder)?;
            assert!(first.is_some() && lock_folder(&folder)?.is_none());
        }
        Ok(())
    }

    #[test]
    fn a_file_is_replaced_atomically_and_no_draft_is_left() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("case.evidence");
        for content in ["long ago", "now"] {
            write_whole(&path, content.as_bytes())?;
            assert_eq!(fs::read_to_string(&path)?, content);
        }
        assert!(write_whole(&folder.path().join("none/case"), b"").is_err());
        // A file cannot take the place of a folder.
        fs::create_dir(folder.path().join("case"))?;
        assert!(write_whole(&folder.path().join("case"), b"").is_err());
        assert_eq!(fs::read_dir(folder.path())?.count(), 2);
        Ok(())
    }
}
