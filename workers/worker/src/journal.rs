//! What a worker must remember about a job across a crash, in one file per job.
//!
//! Each line is a JSON object, flushed to disk before anything follows from it: before a claim is sent, or a result committed to. A line
//! torn by a crash is dropped. The chain decides where the job stands. The file saves computing the result twice, and keeps the nonce of
//! the commitment, which depends on the hot key at that time. Next to it lie the job's input, output and trace until the job has ended,
//! because answering a demand must not depend on anyone else's store.

use crate::{Error, Result};
use bytes::Bytes;
use daemon::{DRAFT, free_space, sync_folder, write_whole};
use jobs::Job;
use parking_lot::Mutex;
use protocol::hash::Hash;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use solana_address::Address;
use std::{
    collections::BTreeSet,
    fs::OpenOptions,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};
use tokio_util::sync::CancellationToken;

/// A computed result, in the form that is committed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roots {
    /// Batch root of the traces.
    #[serde(serialize_with = "to_hex", deserialize_with = "from_hex")]
    pub traces: Hash,
    /// Batch root of the outputs: the address of their blob.
    #[serde(serialize_with = "to_hex", deserialize_with = "from_hex")]
    pub outputs: Hash,
    /// Nonce of the commitment. `None` for a result read from the chain, where its nonce is public.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<Hash>,
}

/// What is recorded about a job, or an audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Its claim is about to be sent.
    Claiming,
    /// Its result is computed.
    Computed(Roots),
}

#[derive(Serialize, Deserialize)]
struct Line {
    /// Hash of the job (JOB): its address may be reused for another one.
    #[serde(serialize_with = "to_hex", deserialize_with = "from_hex")]
    job: Hash,
    /// Slot in which the job was opened.
    opened: u64,
    step: Step,
}

/// A blob of a job that is kept on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blob {
    /// The inputs of its units.
    Input,
    /// The outputs.
    Output,
    /// The hashes of its trace.
    Trace,
}

impl Blob {
    /// Its name, which is the extension of its file.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
            Self::Trace => "trace",
        }
    }
}

/// Extension of the file with a job's steps.
const STEPS: &str = "jsonl";

/// Bytes that a failed disk has to accept before it is trusted with a job again.
const PROBE: usize = 1 << 20;

/// The folder with the files of all jobs. Only the holder of the data folder's lock may use it.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    /// Held while a job's large files are written or deleted: all drafts of a job share one name.
    drafting: Mutex<()>,
}

impl Journal {
    /// Opens the journal, creating its folder if missing.
    pub fn open(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(|source| disk(folder, source))?;
        Ok(Self {
            folder: folder.to_owned(),
            drafting: Mutex::new(()),
        })
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Records a step of the job at `address`. Once this returns, a crash does not lose it.
    pub fn record(&self, address: &Address, job: &Job, step: Step) -> Result<()> {
        let path = self.path(address);
        let failed = |source| disk(&path, source);
        let line = Line {
            job: job.job_hash,
            opened: job.opened_slot.get(),
            step,
        };
        let line = serde_json::to_string(&line).map_err(|error| failed(error.into()))?;
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        // Nobody else may learn a nonce before the reveal.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path).map_err(failed)?;
        // The leading line break ends a line torn by a crash.
        let written = file.write_all(format!("\n{line}\n").as_bytes()).and_then(|()| file.sync_all());
        written.map_err(failed)?;
        self.sync_folder()
    }

    /// The steps of the job `hash` at `address`, oldest first.
    pub fn steps(&self, address: &Address, hash: &Hash) -> Vec<Step> {
        let of_job = self.lines(address).into_iter().filter(|line| line.job == *hash);
        of_job.map(|line| line.step).collect()
    }

    /// Slot in which the last job with a recorded step at `address` was opened. An older state of the chain proves nothing about it.
    pub fn opened(&self, address: &Address) -> Option<u64> {
        self.lines(address).into_iter().map(|line| line.opened).max()
    }

    fn lines(&self, address: &Address) -> Vec<Line> {
        let bytes = read(&self.path(address)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The results of the job, newest first: it may have been computed again under another hot key.
    pub fn results(&self, address: &Address, hash: &Hash) -> Vec<Roots> {
        let computed = |step| match step {
            Step::Computed(roots) => Some(roots),
            _ => None,
        };
        self.steps(address, hash).into_iter().rev().filter_map(computed).collect()
    }

    /// Keeps blobs of a job, unless that has been given up. Once this returns, a crash does not lose them.
    pub fn keep(&self, address: &Address, blobs: &[(Blob, &[u8])], given_up: &CancellationToken) -> Result<()> {
        let _drafting = self.drafting.lock();
        // The job may have ended meanwhile, and its files may already be deleted.
        if given_up.is_cancelled() {
            return Ok(());
        }
        for (blob, bytes) in blobs {
            let path = self.path(address).with_extension(blob.name());
            write_whole(&path, bytes).map_err(|source| disk(&path, source))?;
        }
        Ok(())
    }

    /// A blob kept for a job at this address, possibly for an earlier one.
    pub fn kept(&self, address: &Address, blob: Blob) -> Option<Bytes> {
        read(&self.path(address).with_extension(blob.name())).map(Bytes::from)
    }

    /// Free bytes on the disk. One that does not tell takes what it has room for, and fails then.
    pub fn free_space(&self) -> Result<u64> {
        let free = free_space(&self.folder).map_err(|source| disk(&self.folder, source))?;
        Ok(free.unwrap_or(u64::MAX))
    }

    /// Fails unless the folder can be listed and accepts a file.
    pub fn probe(&self) -> Result<()> {
        self.jobs()?;
        let path = self.folder.join("probe");
        let probed = write_whole(&path, &[0; PROBE]).and_then(|()| std::fs::remove_file(&path));
        probed.map_err(|source| disk(&path, source))
    }

    /// Deletes the files of a job that has ended.
    pub fn forget(&self, address: &Address) -> Result<()> {
        let path = self.path(address);
        let _drafting = self.drafting.lock();
        let blobs = [Blob::Input, Blob::Output, Blob::Trace].map(Blob::name);
        // The steps last: they tell how new a state of the chain must be to show that the job has ended.
        for extension in [DRAFT].into_iter().chain(blobs).chain([STEPS]) {
            let path = path.with_extension(extension);
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(disk(&path, error)),
                _ => {}
            }
        }
        self.sync_folder()
    }

    /// Every job with a file.
    pub fn jobs(&self) -> Result<BTreeSet<Address>> {
        let failed = |source| disk(&self.folder, source);
        let mut jobs = BTreeSet::new();
        for entry in std::fs::read_dir(&self.folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            jobs.extend(
                path.file_stem()
                    .and_then(|stem| stem.to_str())
                    .and_then(|stem| stem.parse::<Address>().ok()),
            );
        }
        Ok(jobs)
    }

    /// Number of jobs with a file, and of those among them whose result is computed.
    pub fn counts(&self) -> Result<(usize, usize)> {
        let jobs = self.jobs()?;
        let is_computed = |line: &Line| matches!(line.step, Step::Computed(_));
        let computed = jobs.iter().filter(|address| self.lines(address).iter().any(is_computed));
        Ok((jobs.len(), computed.count()))
    }

    fn path(&self, address: &Address) -> PathBuf {
        self.folder.join(format!("{address}.{STEPS}"))
    }

    /// A new file is safely on disk only once its folder is.
    fn sync_folder(&self) -> Result<()> {
        sync_folder(&self.folder).map_err(|source| disk(&self.folder, source))
    }
}

/// Reads a file. An unreadable file counts as lost, because everything in it can be fetched or computed again.
fn read(path: &Path) -> Option<Vec<u8>> {
    let bytes = std::fs::read(path);
    if let Err(error) = bytes.as_ref()
        && error.kind() != ErrorKind::NotFound
    {
        tracing::warn!(event = "unreadable", path = %path.display(), %error, "continuing without this file");
    }
    bytes.ok()
}

pub(crate) fn disk(path: &Path, source: std::io::Error) -> Error {
    Error::Disk {
        path: path.to_owned(),
        source,
    }
}

fn to_hex<S: Serializer>(hash: &Hash, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex::encode(hash))
}

fn from_hex<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Hash, D::Error> {
    let mut hash = Hash::default();
    hex::decode_to_slice(String::deserialize(deserializer)?, &mut hash).map_err(de::Error::custom)?;
    Ok(hash)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use anchor_lang::bytemuck::Zeroable;

    const ROOTS: Roots = Roots {
        traces: [1; 32],
        outputs: [2; 32],
        nonce: Some([3; 32]),
    };

    fn job(hash: Hash) -> Job {
        Job {
            job_hash: hash,
            opened_slot: 7.into(),
            ..Job::zeroed()
        }
    }

    #[test]
    fn a_file_cut_at_any_byte_keeps_its_whole_lines_and_takes_new_ones() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        let (address, hash) = (Address::new_unique(), [7; 32]);
        let other = Step::Computed(Roots { nonce: None, ..ROOTS });
        let all = [Step::Claiming, Step::Computed(ROOTS), other];
        let mut ends = vec![0];
        for step in all {
            journal.record(&address, &job(hash), step).unwrap();
            ends.push(std::fs::metadata(journal.path(&address)).unwrap().len() as usize);
        }
        let written = std::fs::read(journal.path(&address)).unwrap();
        for cut in 0..=written.len() {
            std::fs::write(journal.path(&address), &written[..cut]).unwrap();
            // A line is complete with its last brace, even without the line break after it.
            let whole = ends.iter().skip(1).filter(|end| cut + 1 >= **end).count();
            assert_eq!(journal.steps(&address, &hash), all[..whole], "cut at {cut}");
            journal.record(&address, &job(hash), Step::Claiming).unwrap();
            let expected = [&all[..whole], &[Step::Claiming]].concat();
            assert_eq!(journal.steps(&address, &hash), expected, "cut at {cut}");
        }
    }

    #[test]
    fn a_job_at_an_address_used_before_starts_empty() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        let address = Address::new_unique();
        journal.record(&address, &job([1; 32]), Step::Computed(ROOTS)).unwrap();
        assert_eq!(journal.results(&address, &[1; 32]), [ROOTS]);
        assert_eq!(journal.opened(&address), Some(7));
        assert_eq!(journal.results(&address, &[2; 32]), []);
        assert_eq!(journal.jobs().unwrap(), BTreeSet::from([address]));
        let token = CancellationToken::new();
        let blobs: [(Blob, &[u8]); 3] = [(Blob::Input, b"in"), (Blob::Output, b"out"), (Blob::Trace, b"trace")];
        journal.keep(&address, &blobs, &token).unwrap();
        assert_eq!(journal.jobs().unwrap(), BTreeSet::from([address]));
        for (blob, bytes) in blobs {
            assert_eq!(journal.kept(&address, blob).as_deref(), Some(bytes));
        }
        journal.forget(&address).unwrap();
        journal.forget(&address).unwrap();
        assert!(journal.jobs().unwrap().is_empty());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_write_that_was_given_up_leaves_no_files() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        let (address, token) = (Address::new_unique(), CancellationToken::new());
        token.cancel();
        journal.keep(&address, &[(Blob::Input, b"in")], &token).unwrap();
        assert!(journal.jobs().unwrap().is_empty());
    }

    #[test]
    fn files_of_a_job_may_be_written_at_the_same_time() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        let (address, token) = (Address::new_unique(), CancellationToken::new());
        let blobs: [(Blob, &[u8]); 2] = [(Blob::Input, &[1; 5_000]), (Blob::Output, &[2; 5_000])];
        let write = |blob| (0..50).for_each(|_| journal.keep(&address, &[blob], &token).unwrap());
        std::thread::scope(|scope| {
            for blob in blobs {
                scope.spawn(move || write(blob));
            }
        });
        for (blob, bytes) in blobs {
            assert_eq!(journal.kept(&address, blob).as_deref(), Some(bytes));
        }
    }

    #[test]
    fn unreadable_files_count_as_lost() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        let address = Address::new_unique();
        for extension in [STEPS, "input"] {
            std::fs::create_dir(journal.path(&address).with_extension(extension)).unwrap();
        }
        assert_eq!(journal.results(&address, &[1; 32]), []);
        assert_eq!(journal.kept(&address, Blob::Input), None);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_reads_nonces() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        let address = Address::new_unique();
        journal.record(&address, &job([1; 32]), Step::Computed(ROOTS)).unwrap();
        let permissions = std::fs::metadata(journal.path(&address)).unwrap().permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&permissions) & 0o777, 0o600);
    }
}
