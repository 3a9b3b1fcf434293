//! What one process has for itself.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
};

/// Takes the lock file at `path`, for as long as what is returned is kept: `None` when another process has it.
pub fn take(path: &Path) -> io::Result<Option<File>> {
    let file = File::options().write(true).create(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_it_at_a_time_and_what_it_holds_stays() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("lock");
        std::fs::write(&path, "kept")?;
        let first = take(&path)?;
        assert!(first.is_some() && take(&path)?.is_none());
        drop(first);
        assert!(take(&path)?.is_some());
        assert_eq!(std::fs::read_to_string(&path)?, "kept");
        assert!(take(&folder.path().join("none/lock")).is_err());
        Ok(())
    }
}
