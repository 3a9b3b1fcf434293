//! Records of the jobs opened on this machine: how to turn their outputs into files. Everything else is on the chain.

use crate::error::{Result, refuse};
use daemon::write_whole;
use serde::{Deserialize, Serialize};
use solana_address::Address;
use std::{
    fs,
    path::{Path, PathBuf},
};
use task::Layout;

/// How to read a job's output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRecord {
    /// Folder of the model package.
    pub package: PathBuf,
    /// Units of work.
    pub units: u32,
    /// What the units are.
    pub content: Content,
    /// Where the user wants the output.
    pub output: PathBuf,
}

/// What a job's units are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Content {
    /// Tiles of a photo.
    Photo(Layout),
    /// One picture each, of consecutive seeds.
    Pictures {
        /// Seed of the first.
        seed: u64,
    },
}

/// The folder of records.
#[derive(Clone, Debug)]
pub struct Records(PathBuf);

impl Records {
    /// The records in the data folder.
    pub fn open(data: &Path) -> Self {
        Self(data.join("jobs"))
    }

    fn path(&self, job: &Address) -> PathBuf {
        self.0.join(job.to_string()).with_extension("json")
    }

    /// Saves a record, before the job is opened, so that a crash does not lose its output.
    pub fn save(&self, job: &Address, record: &JobRecord) -> Result<()> {
        let path = self.path(job);
        let written = serde_json::to_vec_pretty(record)
            .map_err(std::io::Error::other)
            .and_then(|bytes| fs::create_dir_all(&self.0).and_then(|()| write_whole(&path, &bytes)));
        written.or_else(|error| refuse(format!("{} cannot be written ({error}); check its permissions", path.display())))
    }

    /// Removes the record of a job that was not opened after all.
    pub fn forget(&self, job: &Address) {
        // A leftover record is harmless.
        let _ = fs::remove_file(self.path(job));
    }

    /// The record of a job.
    pub fn load(&self, job: &Address) -> Result<JobRecord> {
        let path = self.path(job);
        let read = fs::read(&path).and_then(|bytes| serde_json::from_slice(&bytes).map_err(std::io::Error::other));
        read.or_else(|error| {
            refuse(format!(
                "this machine has no record of job {job} ({}: {error}); fetch it on the machine that submitted it",
                path.display()
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Read;

    #[test]
    fn what_is_saved_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::open(folder.path());
        let job = Address::new_unique();
        for content in [
            Content::Pictures { seed: u64::MAX },
            Content::Photo(Layout {
                width: 3,
                height: 4,
                alpha: true,
            }),
        ] {
            let mut older = fs::File::open(records.path(&job)).ok();
            let record = JobRecord {
                package: "models/x".into(),
                units: 7,
                content,
                output: "out.png".into(),
            };
            records.save(&job, &record).unwrap();
            assert_eq!(records.load(&job).unwrap(), record);
            // A crash halfway leaves the older file whole: it is replaced, not overwritten.
            if let Some(older) = &mut older {
                let mut text = String::new();
                older.read_to_string(&mut text).unwrap();
                assert!(text.contains("pictures"), "{text}");
            }
        }
        records.forget(&job);
        assert!(records.load(&job).unwrap_err().to_string().contains(&job.to_string()));
    }
}
