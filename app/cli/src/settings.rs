//! Command line, environment, config file and a running local network, resolved into what a command works with.

use crate::{
    command::Global,
    config::{Config, Key},
    error::Result,
    output::Format,
};
use chain::{
    Cluster, PriorityFee,
    localnet::{self, Record},
};
use solana_address::Address;
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// The cluster by default.
const DEFAULT_URL: &str = "localnet";

/// Where a blob server listens by default.
const DEFAULT_BLOBS: &str = blobs::LOCAL_URL;

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
    pub localnet: Option<Record>,
    /// Flags for `ionet` in a command that is suggested: they choose the same cluster, wallet and blob store again. A URL that may hold a key
    /// is a placeholder in them, or missing if the environment gives it.
    pub flags: String,
}

/// A flag for a command that is suggested, quoted so that it can be pasted into a shell.
fn flag(name: &str, value: impl fmt::Display) -> String {
    let value = value.to_string();
    let is_plain = |letter: char| letter.is_alphanumeric() || "/._-:~@%+=,".contains(letter);
    match !value.is_empty() && value.chars().all(is_plain) {
        true => format!(" {name} {value}"),
        false => format!(" {name} '{}'", value.replace('\'', r"'\''")),
    }
}

/// A flag that chooses the same URL again, given like this one or by this variable.
fn flag_again(name: &str, url: &str, is_shown: bool, variable: &str) -> String {
    match is_shown {
        true => flag(name, url),
        false if std::env::var(variable).as_deref() == Ok(url) => String::new(),
        false => flag(name, "URL"),
    }
}

/// Whether the URL of a cluster can be shown: a path or a query may hold a key.
fn can_be_shown(cluster: &Cluster) -> bool {
    cluster.rpc.trim_end_matches('/') == cluster.shown()
}

/// Whether the URL of a store can be shown: the user or the query may be a secret.
fn store_can_be_shown(url: &str) -> bool {
    !url.contains(['@', '?'])
}

impl Settings {
    /// Flags and environment win over the config file, which wins over a local network's record, which wins over defaults.
    pub fn resolve(global: &Global, config: &Config, folder: &Path) -> Result<Self> {
        let kept = |key| config.get(key).map(str::to_owned);
        // An empty variable counts as unset.
        let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        let url = given(&global.url).or(kept(Key::Url)).unwrap_or_else(|| DEFAULT_URL.to_owned());
        let named: Cluster = url.parse()?;
        let wallet = global.keypair.clone().filter(|path| !path.as_os_str().is_empty());
        let flags = [
            given(&global.url).map(|url| flag_again("--url", &url, can_be_shown(&named), "IONET_URL")),
            wallet.as_ref().map(|path| flag("--keypair", path.display())),
            given(&global.blobs).map(|url| flag_again("--blobs", &url, store_can_be_shown(&url), "IONET_BLOBS")),
        ];
        // A local network may be named by its own URL too.
        let localnet = Record::load(&folder.join(localnet::FOLDER)).filter(|record| named.is_local() || named.rpc == record.rpc);
        let cluster = match &localnet {
            Some(record) => Cluster::new(&record.rpc, &record.ws),
            None => named,
        };
        let recorded = localnet.as_ref().map(|record| record.blobs.clone());
        Ok(Self {
            cluster,
            keypair: wallet
                .or(kept(Key::Keypair).map(Into::into))
                .unwrap_or_else(chain::default_keypair_path),
            blobs: given(&global.blobs)
                .or(kept(Key::Blobs))
                .or(recorded)
                .unwrap_or_else(|| DEFAULT_BLOBS.to_owned()),
            format: global.output.or(Format::of(config)).unwrap_or_default(),
            priority_fee: PriorityFee::new(None, global.max_priority_fee),
            yes: global.yes,
            models: config.get(Key::Models).unwrap_or("models").into(),
            data: std::env::home_dir().unwrap_or_default().join(".local/share/ionet"),
            localnet,
            flags: flags.into_iter().flatten().collect(),
        })
    }

    /// The command that starts the worker of the device with this key, as far as it can be shown.
    pub fn worker(&self, key: &Path) -> String {
        let is_default = DEFAULT_URL.parse::<Cluster>().is_ok_and(|local| local.rpc == self.cluster.rpc);
        let cluster = (!is_default && can_be_shown(&self.cluster)).then(|| flag("--cluster", &self.cluster.rpc));
        let blobs = store_can_be_shown(&self.blobs).then(|| flag("--blobs", &self.blobs));
        let [key, models] = [("--keypair", key), ("--models", self.models.as_path())].map(|(name, path)| flag(name, path.display()));
        let flags = [cluster, Some(key), blobs, Some(models)];
        format!("ionet-worker{}", flags.into_iter().flatten().collect::<String>())
    }

    /// The command of Solana's own tools that sends all SOL of the key in FILE to a wallet, as far as it can be shown.
    pub fn sweep(&self, wallet: &Address) -> String {
        let url = if can_be_shown(&self.cluster) { &self.cluster.rpc } else { "URL" };
        format!("solana transfer {wallet} ALL --keypair FILE{}", flag("--url", url))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn record(folder: &Path) {
        let folder = folder.join(localnet::FOLDER);
        std::fs::create_dir_all(&folder).unwrap();
        let json = r#"{"rpc":"http://127.0.0.1:1111","ws":"ws://127.0.0.1:2222","blobs":"http://127.0.0.1:3333/blobs","mint":"x",
            "programs":{},"keys":{"faucet":{"address":"y","path":"keys/faucet.json"}}}"#;
        std::fs::write(Record::path(&folder), json).unwrap();
    }

    #[test]
    fn a_running_local_network_gives_the_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let resolve = |url: Option<&str>| {
            let global = Global {
                url: url.map(str::to_owned),
                ..Global::default()
            };
            Settings::resolve(&global, &Config::default(), folder.path()).unwrap()
        };
        let before = resolve(None);
        assert_eq!(
            (before.cluster.rpc.as_str(), before.blobs.as_str()),
            ("http://127.0.0.1:8899", DEFAULT_BLOBS)
        );
        record(folder.path());
        for url in [None, Some("localnet"), Some("http://localhost:8899"), Some("http://127.0.0.1:1111")] {
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
        let kept = [(Key::Url, "devnet"), (Key::Blobs, "from-file"), (Key::Output, "json")];
        let config = Config(kept.map(|(key, value)| (key, value.to_owned())).into());
        let global = Global {
            blobs: Some("from-flag".to_owned()),
            ..Global::default()
        };
        let settings = Settings::resolve(&global, &config, Path::new("/nowhere")).unwrap();
        assert_eq!(settings.cluster, "devnet".parse().unwrap());
        assert_eq!((settings.blobs.as_str(), settings.format), ("from-flag", Format::Json));
    }

    #[test]
    fn commands_are_suggested_with_the_flags_given() {
        let suggested = |url: Option<&str>, keypair: Option<&str>, blobs: &str| {
            let global = Global {
                url: url.map(str::to_owned),
                keypair: keypair.map(PathBuf::from),
                blobs: Some(blobs.to_owned()),
                ..Global::default()
            };
            let settings = Settings::resolve(&global, &Config::default(), Path::new("/nowhere")).unwrap();
            [format!("ionet{}", settings.flags), settings.worker(Path::new("a device's.json"))]
        };
        let worker = r"--keypair 'a device'\''s.json' --blobs store --models models";
        assert_eq!(
            suggested(None, None, "store"),
            ["ionet --blobs store".to_owned(), format!("ionet-worker {worker}")]
        );
        assert_eq!(
            suggested(Some("devnet"), Some("my key.json"), "store"),
            [
                "ionet --url devnet --keypair 'my key.json' --blobs store".to_owned(),
                format!("ionet-worker --cluster https://api.devnet.solana.com {worker}")
            ]
        );
        for (url, blobs) in [
            ("https://rpc.example/?api-key=SECRET", "https://blobs.example/?token=SECRET"),
            ("https://rpc.example/SECRET", "https://SECRET@blobs.example"),
        ] {
            let said = suggested(Some(url), None, blobs);
            assert_eq!(said[0], "ionet --url URL --blobs URL");
            assert!(!said[1].contains("SECRET"), "{}", said[1]);
        }
    }
}
