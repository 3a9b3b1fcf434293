//! Records on disk which transactions are in flight.
//!
//! One JSON object a line, appended and flushed to disk before the transaction is sent. A line torn by a crash is always the last one and
//! belongs to a transaction that was never sent, so it is dropped.

use crate::{Error, Prepared, Result};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use solana_signature::Signature;
use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
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
    file: File,
    unsettled: Vec<Intent>,
}

impl Pending {
    /// Opens the record at `path`, creating it if missing.
    pub fn open(path: &Path) -> Result<Self> {
        let refuse = |reason: String| Error::Pending {
            path: path.to_owned(),
            reason,
        };
        let broken = |error: std::io::Error| refuse(error.to_string());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(broken)?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(broken)?;
        file.try_lock().map_err(|_| refuse("another process holds it".to_owned()))?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(broken)?;
        let unsettled = replay(&text).map_err(refuse)?;
        let pending = Self {
            path: path.to_owned(),
            state: Mutex::new(State { file, unsettled }),
        };
        pending.with(|state| state.shorten())?;
        Ok(pending)
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
            state.append(&Line::Sent(Box::new(intent.clone())))?;
            state.unsettled.push(intent);
            Ok(())
        })
    }

    /// Records that the outcome of a transaction is known.
    pub fn settle(&self, signature: &Signature) -> Result<()> {
        self.with(|state| {
            state.unsettled.retain(|intent| intent.prepared.signature() != *signature);
            if state.unsettled.is_empty() {
                state.shorten()
            } else {
                state.append(&Line::Settled(signature.to_string()))
            }
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> std::io::Result<T>) -> Result<T> {
        let mut state = self.state.lock();
        act(&mut state).map_err(|error| Error::Pending {
            path: self.path.clone(),
            reason: error.to_string(),
        })
    }
}

impl State {
    fn append(&mut self, line: &Line) -> std::io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        let end = self.file.stream_position()?;
        let written = self.file.write_all(&bytes).and_then(|()| self.file.sync_data());
        if written.is_err() {
            // A full disk may have taken part of the line; the next line must not follow on from it.
            self.file.set_len(end)?;
            self.file.seek(SeekFrom::Start(end))?;
        }
        written
    }

    /// Empties the file if nothing is unsettled, and drops a torn last line otherwise. Settled lines stay until then: truncating is safe in
    /// a crash, rewriting is not.
    fn shorten(&mut self) -> std::io::Result<()> {
        if self.unsettled.is_empty() {
            self.file.set_len(0)?;
            self.file.rewind()?;
            return self.file.sync_all();
        }
        let mut text = Vec::new();
        self.file.rewind()?;
        self.file.read_to_end(&mut text)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end.saturating_add(1));
        self.file.set_len(whole as u64)?;
        self.file.seek(SeekFrom::End(0))?;
        self.file.sync_all()
    }
}

fn replay(text: &str) -> std::result::Result<Vec<Intent>, String> {
    let mut unsettled: Vec<Intent> = Vec::new();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _torn)| whole);
    for (number, line) in whole.lines().enumerate() {
        match serde_json::from_str(line) {
            Ok(Line::Sent(intent)) => unsettled.push(*intent),
            Ok(Line::Settled(signature)) => unsettled.retain(|intent| intent.prepared.signature().to_string() != signature),
            Err(error) => {
                return Err(format!(
                    "line {} was not written by this software: {error}",
                    number.saturating_add(1)
                ));
            }
        }
    }
    Ok(unsettled)
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

    #[test]
    fn damage_is_reported_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pending.jsonl");
        std::fs::write(&path, "{}\n").unwrap();
        let text = Pending::open(&path).unwrap_err().to_string();
        assert!(text.contains("line 1") && text.contains("pending.jsonl"), "{text}");
    }
}
