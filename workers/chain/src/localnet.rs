//! The record by which clients find a local market that runs on this machine.

use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

/// Where a local market keeps its files by default, relative to the folder it is started in.
pub const FOLDER: &str = ".ionet/localnet";

/// A key and where its file is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// Its address.
    pub address: String,
    /// Its keypair file.
    pub path: PathBuf,
}

/// Where everything is. Written to `localnet.json` while the market runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The file of the market whose folder this is.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join("localnet.json")
    }

    /// The record of the market whose folder this is, if one runs.
    pub fn load(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(Self::path(folder)).ok()?).ok()
    }

    /// Keypair file of one of its parties.
    pub fn key(&self, name: &str) -> Option<&Path> {
        self.keys.get(name).map(|key| key.path.as_path())
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
