//! Command line, environment, config file and a running local network, resolved into what a command works with.

use crate::{command::Global, config::Config, error::Result, output::Format};
use chain::{Cluster, PriorityFee};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Path of `ionet-localnet`'s record, relative to the folder it was started in.
const LOCALNET: &str = ".ionet/localnet/localnet.json";

/// Where a blob server listens by default.
const DEFAULT_BLOBS: &str = "http://127.0.0.1:8901/blobs";

/// The record that a running local network keeps.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Localnet {
    rpc: String,
    ws: String,
    blobs: String,
    keys: BTreeMap<String, LocalKey>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct LocalKey {
    path: PathBuf,
}

impl Localnet {
    /// The record of the local network started in `folder`, if one runs.
    fn find(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(folder.join(LOCALNET)).ok()?).ok()
    }

    /// Keypair file of one of its parties.
    pub fn key(&self, name: &str) -> Option<&Path> {
        self.keys.get(name).map(|key| key.path.as_path())
    }
}

/// What a command works with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The chain.
    pub cluster: Cluster,
    /// Keypair file that signs and pays.
    pub keypair: PathBuf,
    /// Blob store.
    pub blobs: String,
    /// How to print.
    pub format: Format,
    /// The priority fee.
    pub priority_fee: PriorityFee,
    /// Send without asking.
    pub yes: bool,
    /// Folder with model packages.
    pub models: PathBuf,
    /// Folder of this machine's records: how to read outputs, and which transactions are in flight.
    pub data: PathBuf,
    /// The running local network that `cluster` points at, if any.
    pub localnet: Option<Localnet>,
}

impl Settings {
    /// Flags and environment win over the config file, which wins over a local network's record, which wins over defaults.
    pub fn resolve(global: &Global, config: Config, folder: &Path) -> Result<Self> {
        let format = Format::of(&config);
        // An empty variable counts as unset.
        let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        let url = given(&global.url).or(config.url).unwrap_or_else(|| "localnet".to_owned());
        let named: Cluster = url.parse()?;
        let local: Cluster = "localnet".parse()?;
        // A local network may be named by its own URL too.
        let localnet = Localnet::find(folder).filter(|record| named == local || named.rpc == record.rpc);
        let cluster = match &localnet {
            Some(record) => Cluster::new(&record.rpc, &record.ws),
            None => named,
        };
        let recorded = localnet.as_ref().map(|record| record.blobs.clone());
        Ok(Self {
            cluster,
            keypair: global
                .keypair
                .clone()
                .filter(|path| !path.as_os_str().is_empty())
                .or(config.keypair.map(Into::into))
                .unwrap_or_else(chain::default_keypair_path),
            blobs: given(&global.blobs)
                .or(config.blobs)
                .or(recorded)
                .unwrap_or_else(|| DEFAULT_BLOBS.to_owned()),
            format: global.output.or(format).unwrap_or_default(),
            priority_fee: PriorityFee::new(None, global.max_priority_fee),
            yes: global.yes,
            models: config.models.map_or_else(|| "models".into(), Into::into),
            data: std::env::home_dir().unwrap_or_default().join(".local/share/ionet"),
            localnet,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn record(folder: &Path) {
        let path = folder.join(LOCALNET);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let json = r#"{"rpc":"http://127.0.0.1:1111","ws":"ws://127.0.0.1:2222","blobs":"http://127.0.0.1:3333/blobs","mint":"x",
            "programs":{},"keys":{"faucet":{"address":"y","path":"keys/faucet.json"}}}"#;
        std::fs::write(path, json).unwrap();
    }

    #[test]
    fn a_running_local_network_gives_the_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let resolve = |url: Option<&str>| {
            let global = Global {
                url: url.map(str::to_owned),
                ..Global::default()
            };
            Settings::resolve(&global, Config::default(), folder.path()).unwrap()
        };
        let before = resolve(None);
        assert_eq!(
            (before.cluster.rpc.as_str(), before.blobs.as_str()),
            ("http://127.0.0.1:8899", DEFAULT_BLOBS)
        );
        record(folder.path());
        for url in [None, Some("localnet"), Some("l"), Some("http://127.0.0.1:1111")] {
            let after = resolve(url);
            assert_eq!(after.cluster, Cluster::new("http://127.0.0.1:1111", "ws://127.0.0.1:2222"));
            assert_eq!(after.blobs, "http://127.0.0.1:3333/blobs");
            assert_eq!(after.localnet.unwrap().key("faucet"), Some(Path::new("keys/faucet.json")));
        }
        let devnet = resolve(Some("devnet"));
        assert_eq!((devnet.localnet, devnet.blobs.as_str()), (None, DEFAULT_BLOBS));
    }

    #[test]
    fn flags_win_over_the_file() {
        let config = Config {
            url: Some("devnet".to_owned()),
            blobs: Some("from-file".to_owned()),
            output: Some("json".to_owned()),
            ..Config::default()
        };
        let global = Global {
            blobs: Some("from-flag".to_owned()),
            ..Global::default()
        };
        let settings = Settings::resolve(&global, config, Path::new("/nowhere")).unwrap();
        assert_eq!(settings.cluster, "devnet".parse().unwrap());
        assert_eq!((settings.blobs.as_str(), settings.format), ("from-flag", Format::Json));
    }
}
