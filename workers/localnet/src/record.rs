//! What a client needs to know to use a running local market.

use crate::{KeyName, Keys};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use solana_signer::Signer;
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

/// A key and where its file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// Its address.
    pub address: String,
    /// Its keypair file.
    pub path: PathBuf,
}

/// Where everything is. Written to `localnet.json` while the market runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// JSON-RPC of the chain.
    pub rpc: String,
    /// Subscriptions of the chain.
    pub ws: String,
    /// Blob server.
    pub blobs: String,
    /// The web app and the market's history, where they are served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web: Option<String>,
    /// The $IO mint.
    pub mint: String,
    /// Program addresses by name.
    pub programs: BTreeMap<String, String>,
    /// Keys by name.
    pub keys: BTreeMap<String, KeyRecord>,
}

impl Record {
    /// Reads the record of the market that runs in `folder`.
    pub fn load(folder: &Path) -> Result<Self> {
        let path = Self::path(folder);
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("no local market runs in {}; start one with `ionet-localnet`", folder.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is damaged; stop the local market and start it again", path.display()))
    }

    pub(crate) fn path(folder: &Path) -> PathBuf {
        folder.join("localnet.json")
    }

    /// Writes the record atomically: readers see the old one or the new one.
    pub(crate) fn save(&self, folder: &Path) -> Result<()> {
        let path = Self::path(folder);
        daemon::write_whole(&path, &serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("cannot write {}; choose another folder with --dir", path.display()))
    }

    pub(crate) fn keys(keys: &Keys) -> BTreeMap<String, KeyRecord> {
        let record = |name: KeyName| KeyRecord {
            address: keys.get(name).pubkey().to_string(),
            path: keys.path(name),
        };
        KeyName::ALL
            .into_iter()
            .map(|name| (name.as_str().to_owned(), record(name)))
            .collect()
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, url) in [
            ("RPC", &self.rpc),
            ("WebSocket", &self.ws),
            ("Blobs", &self.blobs),
            ("$IO mint", &self.mint),
        ] {
            writeln!(f, "{what:<10} {url}")?;
        }
        if let Some(web) = &self.web {
            writeln!(f, "{:<10} {web}", "Web app")?;
        }
        for (name, address) in &self.programs {
            writeln!(f, "{name:<10} {address}")?;
        }
        for (name, key) in &self.keys {
            writeln!(f, "{name:<10} {:<44} {}", key.address, key.path.display())?;
        }
        Ok(())
    }
}
