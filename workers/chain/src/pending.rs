//! Records on disk which transactions are in flight.
//!
//! One JSON object a line, appended and flushed to disk before the transaction is sent. A line torn by a crash is always the last one and
//! belongs to a transaction that was never sent, so it is dropped. Losing the file costs a fee, and not going on may cost a bond: a damaged
//! file is set aside, and one that cannot be used is tried again.

use crate::{Error, Prepared, Result};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use solana_signature::Signature;
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

/// A transaction that may have been sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// What the transaction is for, in the words of the sender.
    pub purpose: String,
    /// The transaction, ready to be sent again.
    pub prepared: Prepared,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Sent(Box<Intent>),
    Settled(String),
}

/// The record of transactions whose outcome is unknown. Only one process at a time may hold it.
#[derive(Debug)]
pub struct Pending {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// `None` while it cannot be used.
    file: Option<File>,
    unsettled: Vec<Intent>,
}

impl Pending {
    /// Opens the record at `path`, creating it if missing. Fails only if another process holds it; see [`check`](Self::check) for a file that
    /// cannot be used.
    pub fn open(path: &Path) -> Result<Self> {
        let pending = Self {
            path: path.to_owned(),
            state: Mutex::new(State {
                file: None,
                unsettled: Vec::new(),
            }),
        };
        match pending.state.lock().file(path) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(pending.refuse("another process holds it")),
            _ => {}
        }
        Ok(pending)
    }

    /// Fails if nothing can be recorded now.
    pub fn check(&self) -> Result<()> {
        self.with(|state| state.file(&self.path).map(drop))
    }

    /// Transactions recorded and not settled, oldest first.
    pub fn unsettled(&self) -> Vec<Intent> {
        self.state.lock().unsettled.clone()
    }

    /// Records that `prepared` is about to be sent. Once this returns, a crash does not lose it.
    pub fn record(&self, purpose: &str, prepared: &Prepared) -> Result<()> {
        let intent = Intent {
            purpose: purpose.to_owned(),
            prepared: prepared.clone(),
        };
        self.with(|state| {
            state.append(&self.path, &Line::Sent(Box::new(intent.clone())))?;
            state.unsettled.push(intent);
            Ok(())
        })
    }

    /// Records that the outcome of a transaction is known.
    pub fn settle(&self, signature: &Signature) -> Result<()> {
        self.with(|state| {
            state.unsettled.retain(|intent| intent.prepared.signature() != *signature);
            if state.unsettled.is_empty() {
                shorten(state.file(&self.path)?, true)
            } else {
                state.append(&self.path, &Line::Settled(signature.to_string()))
            }
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> io::Result<T>) -> Result<T> {
        let mut state = self.state.lock();
        act(&mut state).map_err(|error| self.refuse(error))
    }

    fn refuse(&self, reason: impl ToString) -> Error {
        Error::Pending {
            path: self.path.clone(),
            reason: reason.to_string(),
        }
    }
}

impl State {
    /// The file at `path`, which is taken up if that has not succeeded yet.
    fn file(&mut self, path: &Path) -> io::Result<&mut File> {
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                let (file, unsettled) = take_up(path)?;
                self.unsettled = unsettled;
                file
            }
        };
        Ok(self.file.insert(file))
    }

    fn append(&mut self, path: &Path, line: &Line) -> io::Result<()> {
        append(self.file(path)?, line)
    }
}

/// Opens the file at `path` and reads what an earlier process left unsettled.
fn take_up(path: &Path) -> io::Result<(File, Vec<Intent>)> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = open(path)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let (unsettled, is_sound) = replay(&bytes);
    if is_sound {
        shorten(&mut file, unsettled.is_empty())?;
        return Ok((file, unsettled));
    }
    let aside = path.with_extension("damaged");
    fs::rename(path, &aside)?;
    tracing::error!(
        event = "disk",
        file = %aside.display(),
        "the record of sent transactions is damaged and was moved here: a step whose line is lost may be sent again, for a fee"
    );
    let mut file = open(path)?;
    for intent in &unsettled {
        append(&mut file, &Line::Sent(Box::new(intent.clone())))?;
    }
    Ok((file, unsettled))
}

/// Opens a file and locks it.
fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ErrorKind::WouldBlock.into()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn append(file: &mut File, line: &Line) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    let end = file.stream_position()?;
    let written = file.write_all(&bytes).and_then(|()| file.sync_data());
    if written.is_err() {
        // A full disk may have taken part of the line; the next line must not follow on from it.
        file.set_len(end)?;
        file.seek(SeekFrom::Start(end))?;
    }
    written
}

/// Empties the file if nothing is unsettled, and drops a torn last line otherwise. Settled lines stay until then: truncating is safe in a
/// crash, rewriting is not.
fn shorten(file: &mut File, settled: bool) -> io::Result<()> {
    if settled {
        file.set_len(0)?;
        file.rewind()?;
        return file.sync_all();
    }
    let mut text = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut text)?;
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end.saturating_add(1));
    file.set_len(whole as u64)?;
    file.seek(SeekFrom::End(0))?;
    file.sync_all()
}

/// What is unsettled by the lines that can be read, and whether those are all whole lines.
fn replay(bytes: &[u8]) -> (Vec<Intent>, bool) {
    let (mut unsettled, mut is_sound): (Vec<Intent>, _) = (Vec::new(), true);
    let whole = bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    for line in whole {
        match serde_json::from_slice(line) {
            Ok(Line::Sent(intent)) => unsettled.push(*intent),
            Ok(Line::Settled(signature)) => unsettled.retain(|intent| intent.prepared.signature().to_string() != signature),
            Err(_) => is_sound = false,
        }
    }
    (unsettled, is_sound)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::{Chain, SendOptions, fake::Fake};
    use solana_keypair::Keypair;
    use solana_signer::Signer;
    use std::sync::Arc;

    async fn prepared() -> Prepared {
        let payer = Keypair::new();
        let chain = Chain::new(Arc::new(Fake::default()));
        let transfer = solana_system_interface::instruction::transfer(&payer.pubkey(), &payer.pubkey(), 1);
        chain.prepare(&[transfer], &[&payer], &SendOptions::default()).await.unwrap()
    }

    #[tokio::test]
    async fn survives_a_crash_after_any_byte() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pending.jsonl");
        let (first, second) = (prepared().await, prepared().await);
        let record = Pending::open(&path).unwrap();
        record.record("open", &first).unwrap();
        let one = std::fs::metadata(&path).unwrap().len() as usize;
        record.record("claim", &second).unwrap();
        let two = std::fs::metadata(&path).unwrap().len() as usize;
        record.settle(&first.signature()).unwrap();
        drop(record);
        let written = std::fs::read(&path).unwrap();

        // Cuts at every byte near the ends of lines and some in between: each costs several flushes to disk.
        let near = |cut: usize| [0, one, two, written.len()].iter().any(|end| cut.abs_diff(*end) <= 2);
        for cut in (0..=written.len()).filter(|cut| near(*cut) || cut % 97 == 0) {
            std::fs::write(&path, &written[..cut]).unwrap();
            let record = Pending::open(&path).unwrap();
            let purposes: Vec<_> = record.unsettled().into_iter().map(|intent| intent.purpose).collect();
            let expected: &[&str] = match cut {
                cut if cut < one => &[],
                cut if cut < two => &["open"],
                cut if cut < written.len() => &["open", "claim"],
                _ => &["claim"],
            };
            assert_eq!(purposes, expected, "cut at {cut}");
            // The next record must start on a line of its own.
            record.record("commit", &first).unwrap();
            drop(record);
            let again = Pending::open(&path).unwrap().unsettled();
            assert_eq!(
                again.last().unwrap(),
                &Intent {
                    purpose: "commit".to_owned(),
                    prepared: first.clone()
                }
            );
        }
    }

    #[tokio::test]
    async fn empties_when_all_is_settled_and_has_one_holder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pending.jsonl");
        let record = Pending::open(&path).unwrap();
        assert!(Pending::open(&path).unwrap_err().to_string().contains("another process"));
        let prepared = prepared().await;
        record.record("open", &prepared).unwrap();
        record.settle(&prepared.signature()).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
    }

    #[tokio::test]
    async fn a_damaged_file_is_set_aside_and_the_rest_of_it_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pending.jsonl");
        let record = Pending::open(&path).unwrap();
        for purpose in ["open", "claim", "commit"] {
            record.record(purpose, &prepared().await).unwrap();
        }
        let known = record.unsettled();
        drop(record);
        let mut damaged = std::fs::read(&path).unwrap();
        let line = damaged.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        damaged[line..line + 9].fill(0xFF);
        std::fs::write(&path, &damaged).unwrap();
        for _ in 0..2 {
            let record = Pending::open(&path).unwrap();
            assert_eq!(record.unsettled(), [known[0].clone(), known[2].clone()]);
            record.check().unwrap();
        }
        assert_eq!(std::fs::read(folder.path().join("pending.damaged")).unwrap(), damaged);
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_used_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pending.jsonl");
        std::fs::create_dir(&path).unwrap();
        let record = Pending::open(&path).unwrap();
        let prepared = prepared().await;
        for error in [record.check(), record.record("open", &prepared)] {
            let text = error.unwrap_err().to_string();
            assert!(text.contains("pending.jsonl") && text.contains("writable"), "{text}");
        }
        assert_eq!(record.unsettled(), []);
        std::fs::remove_dir(&path).unwrap();
        record.record("open", &prepared).unwrap();
        assert_eq!(record.unsettled().len(), 1);
        drop(record);
        assert_eq!(Pending::open(&path).unwrap().unsettled().len(), 1);
    }
}
