//! Open cases on disk: a file of evidence for each, until it is closed, so that a crash loses none.

use crate::Result;
use crate::error::disk;
use daemon::write_whole;
use protocol::hash::Hash;
use solana_address::Address;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// An open case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenCase {
    pub job: Address,
    /// JOB, as the address can be used again for another job.
    pub hash: Hash,
    /// Slot of the job's reveal.
    pub since: u64,
    pub evidence: Vec<u8>,
}

/// The folder of open cases, which only the holder of the data folder's lock may use.
pub(crate) struct Cases {
    folder: PathBuf,
}

impl Cases {
    /// Opens the folder, creating it if missing.
    pub fn open(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).map_err(|source| disk(folder, source))?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Saves a case. Once this returns, a crash does not lose it.
    pub fn save(&self, case: &OpenCase) -> Result<()> {
        let path = self.path(case);
        write_whole(&path, &case.evidence).map_err(|source| disk(&path, source))
    }

    /// All open cases, of earlier runs too.
    pub fn all(&self) -> Result<Vec<OpenCase>> {
        let failed = |source| disk(&self.folder, source);
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if let Some((job, hash, since)) = parse(&path) {
                let evidence = fs::read(&path).map_err(|source| disk(&path, source))?;
                found.push(OpenCase {
                    job,
                    hash,
                    since,
                    evidence,
                });
            }
        }
        Ok(found)
    }

    /// Removes a case that is closed, if the disk had room for it.
    pub fn remove(&self, case: &OpenCase) -> Result<()> {
        let path = self.path(case);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != ErrorKind::NotFound => Err(disk(&path, source)),
            _ => Ok(()),
        }
    }

    fn path(&self, case: &OpenCase) -> PathBuf {
        let OpenCase { job, hash, since, .. } = case;
        self.folder.join(format!("{job}-{}-{since}.evidence", hex::encode(hash)))
    }
}

/// The job, the hash and the slot in the name of a file of evidence.
fn parse(path: &Path) -> Option<(Address, Hash, u64)> {
    let name = path.file_name()?.to_str()?.strip_suffix(".evidence")?;
    let (job, rest) = name.split_once('-')?;
    let (hash, since) = rest.split_once('-')?;
    let mut bytes = Hash::default();
    hex::decode_to_slice(hash, &mut bytes).ok()?;
    Some((job.parse().ok()?, bytes, since.parse().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_case_is_kept_until_it_is_closed_and_drafts_are_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let cases = Cases::open(&folder.path().join("cases")).unwrap();
        let case = OpenCase {
            job: Address::new_from_array([1; 32]),
            hash: [2; 32],
            since: 5,
            evidence: vec![3; 100],
        };
        cases.save(&case).unwrap();
        // A draft that a crash left behind.
        fs::write(
            cases
                .path(&OpenCase {
                    hash: [4; 32],
                    ..case.clone()
                })
                .with_extension(daemon::DRAFT),
            "half",
        )
        .unwrap();
        assert_eq!(cases.all().unwrap(), std::slice::from_ref(&case));
        cases.remove(&case).unwrap();
        assert_eq!(cases.all().unwrap(), []);
    }
}
