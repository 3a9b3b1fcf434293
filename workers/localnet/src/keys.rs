//! The parties of a local market.

use anyhow::Result;
use chain::localnet::KeyRecord;
use protocol::units::IO;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

/// The party that a key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyName {
    /// Pays for setting the market up.
    Payer,
    /// Upgrades the programs and governs their configs.
    Authority,
    /// May pause staking, co-staking and jobs where governance holds the authorities.
    Guardian,
    /// Mints $IO.
    Faucet,
    /// Collects the market's fees.
    Treasury,
    /// Opens jobs.
    Consumer,
    /// Owns devices and stakes on them.
    Supplier,
    /// Signs for the supplier's device.
    Device,
    /// Runs the permissionless cranks.
    Cranker,
}

impl KeyName {
    /// All parties.
    pub const ALL: [Self; 9] = [
        Self::Payer,
        Self::Authority,
        Self::Guardian,
        Self::Faucet,
        Self::Treasury,
        Self::Consumer,
        Self::Supplier,
        Self::Device,
        Self::Cranker,
    ];

    /// Name of the key and of its file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Payer => "payer",
            Self::Authority => "authority",
            Self::Guardian => "guardian",
            Self::Faucet => "faucet",
            Self::Treasury => "treasury",
            Self::Consumer => "consumer",
            Self::Supplier => "supplier",
            Self::Device => "device",
            Self::Cranker => "cranker",
        }
    }

    /// Base units of $IO the key starts with.
    pub(crate) fn io(self) -> u64 {
        let whole = match self {
            Self::Consumer => 10_000,
            Self::Supplier => 1_000_000,
            _ => 0,
        };
        whole * IO
    }
}

/// The keypairs of all parties, stored as `solana` CLI files so that every tool can use them.
#[derive(Debug)]
pub struct Keys {
    folder: PathBuf,
    all: HashMap<KeyName, Keypair>,
}

impl Keys {
    /// Loads the keys in `folder` and creates those that are missing.
    pub fn open(folder: &Path) -> Result<Self> {
        let open = |name| {
            let path = path(folder, name);
            if !path.exists() {
                chain::save_keypair(&Keypair::new(), &path)?;
            }
            Ok((name, chain::load_keypair(&path)?))
        };
        Ok(Self {
            folder: folder.to_owned(),
            all: KeyName::ALL.into_iter().map(open).collect::<chain::Result<_>>()?,
        })
    }

    /// The key of `name`.
    #[allow(clippy::indexing_slicing, reason = "all keys are opened together")]
    pub fn get(&self, name: KeyName) -> &Keypair {
        &self.all[&name]
    }

    /// The keypair file of `name`.
    pub fn path(&self, name: KeyName) -> PathBuf {
        path(&self.folder, name)
    }

    /// Addresses and files by name.
    pub(crate) fn records(&self) -> BTreeMap<String, KeyRecord> {
        let record = |name: KeyName| KeyRecord {
            address: self.get(name).pubkey().to_string(),
            path: self.path(name),
        };
        KeyName::ALL
            .into_iter()
            .map(|name| (name.as_str().to_owned(), record(name)))
            .collect()
    }
}

fn path(folder: &Path, name: KeyName) -> PathBuf {
    folder.join(name.as_str()).with_extension("json")
}
