//! Settings: flags over environment over a TOML file over defaults.

use crate::Result;
use chain::{Cluster, PriorityFee};
use clap::Args;
use daemon::LogFormat;
use daemon::settings::{SettingsError, count_from_folder, either, read_toml};
use serde::Deserialize;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// All settings, as given. Each has one definition for its flag, its environment variable and its key in the file.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// TOML file with any of the settings below, written with underscores (create_payouts = true)
    #[arg(long, env = "IONET_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Solana cluster: localnet, devnet, testnet, mainnet-beta or an RPC URL [default: localnet]
    #[arg(long, env = "IONET_CLUSTER", value_name = "URL", hide_env_values = true)]
    pub cluster: Option<String>,
    /// WebSocket URL, if it does not follow from the RPC URL
    #[arg(long, env = "IONET_WS", value_name = "URL", hide_env_values = true)]
    pub ws: Option<String>,
    /// Key of the challenger: pays fees and the rent of evidence, earns rewards and bounties
    #[arg(long, env = "IONET_KEYPAIR", value_name = "FILE")]
    pub keypair: Option<PathBuf>,
    /// Blob stores: folders or URLs, asked in this order [default, on localnet only: http://127.0.0.1:8901/blobs]
    #[arg(long, env = "IONET_BLOBS", value_name = "STORE", value_delimiter = ',', hide_env_values = true)]
    pub blobs: Vec<String>,
    /// Model packages, or folders that contain them: jobs on these models are checked
    #[arg(long, env = "IONET_MODELS", value_name = "FOLDER", value_delimiter = ',')]
    pub models: Vec<PathBuf>,
    /// Folder for cases and sent transactions [default: ~/.local/share/ionet-watchtower]
    #[arg(long, env = "IONET_DATA", value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// Threads to compute on; 0 means one per core [default: 0]
    #[arg(long, env = "IONET_THREADS", value_name = "N")]
    pub threads: Option<usize>,
    /// Largest blob to fetch, in MiB [default: 64]
    #[arg(long, env = "IONET_MAX_BLOB_MIB", value_name = "MIB")]
    pub max_blob_mib: Option<u64>,
    /// Check only jobs with at least this much at stake, price and bond together, in base units [default: 0]
    #[arg(long, env = "IONET_MIN_VALUE", value_name = "N")]
    pub min_value: Option<u64>,
    /// Ask workers on the chain for what their blobs do not show of a wrong result [default: true]
    #[arg(long, env = "IONET_DEMANDS", value_name = "BOOL")]
    pub demands: Option<bool>,
    /// Ask only about jobs with at least this bond, in base units: the reward is a share of it and has to be worth the fees [default: 0]
    #[arg(long, env = "IONET_MIN_DEMAND_BOND", value_name = "N")]
    pub min_demand_bond: Option<u64>,
    /// Most lamports that demands about one job may cost and lock [default: 500000000]
    #[arg(long, env = "IONET_MAX_DEMAND_LAMPORTS", value_name = "N")]
    pub max_demand_lamports: Option<u64>,
    /// Minimum priority fee, in micro-lamports per compute unit; the watchtower pays more if others do, but no more for a crank than the
    /// bounty, if that is all it earns [default: 0]
    #[arg(long, env = "IONET_PRIORITY_FEE", value_name = "N")]
    pub priority_fee: Option<u64>,
    /// Maximum priority fee, which is offered as a deadline comes near [default: 1000000]
    #[arg(long, env = "IONET_MAX_PRIORITY_FEE", value_name = "N")]
    pub max_priority_fee: Option<u64>,
    /// Seconds between full searches for revealed jobs; in between, the node pushes new ones [default: 30]
    #[arg(long, env = "IONET_SCAN_SECONDS", value_name = "S")]
    pub scan_seconds: Option<u64>,
    /// End overdue jobs for their bounty [default: true]
    #[arg(long, env = "IONET_CRANK", value_name = "BOOL")]
    pub crank: Option<bool>,
    /// Seconds between passes over overdue jobs [default: 5]
    #[arg(long, env = "IONET_CRANK_SECONDS", value_name = "S")]
    pub crank_seconds: Option<u64>,
    /// Also do what earns nothing: sweep fees, burn forfeited stake, keep the hours of rewards going [default: false]
    #[arg(long, env = "IONET_SWEEP", value_name = "BOOL")]
    pub sweep: Option<bool>,
    /// Also pay suppliers without a token account, creating one at this key's expense [default: false]
    #[arg(long, env = "IONET_CREATE_PAYOUTS", value_name = "BOOL")]
    pub create_payouts: Option<bool>,
    /// Serve Prometheus metrics at http://ADDRESS/metrics
    #[arg(long, env = "IONET_METRICS", value_name = "ADDRESS")]
    pub metrics: Option<SocketAddr>,
    /// Log format, on standard error; RUST_LOG sets the filter [default: human]
    #[arg(long, env = "IONET_LOG", value_name = "FORMAT")]
    pub log: Option<LogFormat>,
}

/// The resolved settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The chain.
    pub cluster: Cluster,
    /// File of the challenger's key.
    pub keypair: PathBuf,
    /// Blob stores.
    pub blobs: Vec<String>,
    /// Model packages, or folders that contain them.
    pub models: Vec<PathBuf>,
    /// Folder for cases and sent transactions.
    pub data: PathBuf,
    /// Threads to compute on.
    pub threads: usize,
    /// Largest blob to fetch, in bytes.
    pub max_blob: u64,
    /// Least that must be at stake in a job, in base units.
    pub min_value: u64,
    /// Whether to ask workers on the chain for what their blobs do not show.
    pub demands: bool,
    /// Least bond of a job to ask about, in base units.
    pub min_demand_bond: u64,
    /// Most lamports that demands about one job may cost and lock.
    pub max_demand_lamports: u64,
    /// Bounds of the priority fee.
    pub priority_fee: PriorityFee,
    /// Time between full searches.
    pub scan: Duration,
    /// Longest time between passes over overdue jobs, which come sooner if a deadline is near; `None` leaves cranks to others.
    pub crank: Option<Duration>,
    /// Whether to sweep fees, burn forfeited stake, and keep the hours of rewards going.
    pub sweep: bool,
    /// Whether to create missing token accounts of suppliers.
    pub create_payouts: bool,
    /// Address to serve metrics at.
    pub metrics: Option<SocketAddr>,
}

impl Options {
    /// Resolves the settings: flags and environment variables, else the file, else the defaults.
    pub fn resolve(self) -> Result<Settings> {
        let options = self.over_file()?;
        let (cluster, blobs) = worker::settings::network(options.cluster.as_deref(), options.ws, options.blobs)?;
        let set = [
            ("keypair", options.keypair.is_some()),
            ("blobs", !blobs.is_empty()),
            ("models", !options.models.is_empty()),
        ];
        let (Some(keypair), [.., (_, true), (_, true)]) = (options.keypair, set) else {
            return Err(SettingsError::lacking(options.config.as_deref(), &set).into());
        };
        let crank = options.crank.unwrap_or(true);
        let every = options.crank_seconds.unwrap_or(5).max(1);
        let home = std::env::home_dir().unwrap_or_default();
        Ok(Settings {
            cluster,
            keypair,
            blobs,
            models: options.models,
            data: options.data.unwrap_or_else(|| home.join(".local/share/ionet-watchtower")),
            threads: options.threads.unwrap_or(0),
            max_blob: options.max_blob_mib.unwrap_or(64).saturating_mul(1 << 20),
            min_value: options.min_value.unwrap_or(0),
            demands: options.demands.unwrap_or(true),
            min_demand_bond: options.min_demand_bond.unwrap_or(0),
            max_demand_lamports: options.max_demand_lamports.unwrap_or(500_000_000),
            priority_fee: PriorityFee::new(options.priority_fee, options.max_priority_fee),
            scan: Duration::from_secs(options.scan_seconds.unwrap_or(30).max(1)),
            crank: crank.then_some(Duration::from_secs(every)),
            sweep: options.sweep.unwrap_or(false),
            create_payouts: options.create_payouts.unwrap_or(false),
            metrics: options.metrics,
        })
    }

    /// These settings, completed from the file, if there is one.
    fn over_file(self) -> Result<Self> {
        let file = self.config.as_deref().map(read).transpose()?.unwrap_or_default();
        Ok(Self {
            config: self.config,
            cluster: self.cluster.or(file.cluster),
            ws: self.ws.or(file.ws),
            keypair: self.keypair.or(file.keypair),
            blobs: either(self.blobs, file.blobs),
            models: either(self.models, file.models),
            data: self.data.or(file.data),
            threads: self.threads.or(file.threads),
            max_blob_mib: self.max_blob_mib.or(file.max_blob_mib),
            min_value: self.min_value.or(file.min_value),
            demands: self.demands.or(file.demands),
            min_demand_bond: self.min_demand_bond.or(file.min_demand_bond),
            max_demand_lamports: self.max_demand_lamports.or(file.max_demand_lamports),
            priority_fee: self.priority_fee.or(file.priority_fee),
            max_priority_fee: self.max_priority_fee.or(file.max_priority_fee),
            scan_seconds: self.scan_seconds.or(file.scan_seconds),
            crank: self.crank.or(file.crank),
            crank_seconds: self.crank_seconds.or(file.crank_seconds),
            sweep: self.sweep.or(file.sweep),
            create_payouts: self.create_payouts.or(file.create_payouts),
            metrics: self.metrics.or(file.metrics),
            log: self.log.or(file.log),
        })
    }

    /// The log format, which is needed to report errors in the other settings.
    pub fn log_format(&self) -> LogFormat {
        let file = || read(self.config.as_deref()?).ok()?.log;
        self.log.or_else(file).unwrap_or_default()
    }
}

/// Reads the file. Relative paths in it count from its folder.
fn read(path: &Path) -> Result<Options> {
    let mut options: Options = read_toml(path)?;
    let paths = options.keypair.iter_mut().chain(&mut options.data).chain(&mut options.models);
    count_from_folder(path, paths, &mut options.blobs);
    Ok(options)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::question::overhead;
    use clap::Parser;
    use protocol::batch::MAX_UNITS;
    use protocol::demand::{Kind, MAX_CHUNKS, PAGE, cost};
    use protocol::graph::MAX_OPS;
    use protocol::merkle;
    use protocol::trace::Checkpoints;
    use std::iter::repeat_n;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        options: Options,
    }

    fn resolve(file: &str, flags: &[&str]) -> Result<Settings> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watchtower.toml");
        std::fs::write(&path, file).unwrap();
        let path = path.display().to_string();
        let arguments = ["watchtower", "--config", &path].into_iter().chain(flags.iter().copied());
        Cli::try_parse_from(arguments).unwrap().options.resolve()
    }

    const WHOLE: &str = "keypair = 'key.json'\nblobs = ['store', 'http://host/']\nmodels = ['m']\n";

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let file = format!("{WHOLE}threads = 3\nmin_value = 7\ncrank = false\n");
        let settings = resolve(&file, &["--threads", "1", "--models", "a,b"]).unwrap();
        assert_eq!((settings.threads, settings.min_value, settings.crank), (1, 7, None));
        assert_eq!(settings.models, [PathBuf::from("a"), PathBuf::from("b")]);
        assert_eq!((settings.max_blob, settings.sweep), (64 << 20, false));
        assert!(settings.keypair.is_absolute(), "paths in the file count from its folder");
        assert_eq!(resolve(WHOLE, &[]).unwrap().crank, Some(Duration::from_secs(5)));
    }

    /// A dispute about the largest possible value, in a job with the most units, at the published price, if nobody else asks.
    #[test]
    fn the_default_pays_for_the_longest_dispute() {
        let settings = resolve(WHOLE, &[]).unwrap();
        let kinds = [
            (Kind::Traces, 1 + merkle::depth(MAX_UNITS.div_ceil(PAGE))),
            (Kind::Ops, 1),
            (Kind::Page, MAX_CHUNKS.div_ceil(PAGE)),
            (Kind::Chunk, 1),
        ];
        let asked = kinds.into_iter().flat_map(|(kind, count)| repeat_n(kind, count as usize));
        let overhead = |kind| overhead(kind, Checkpoints::new(MAX_OPS, 2), &settings.priority_fee);
        let takes = |(before, kind)| cost(3_000_000, before).unwrap() + overhead(kind);
        let taken: Vec<u64> = (0..).zip(asked).map(takes).collect();
        assert_eq!(taken.len(), 29);
        assert!(taken.iter().sum::<u64>() <= settings.max_demand_lamports, "{taken:?}");
    }

    #[test]
    fn the_example_is_valid_and_shows_every_setting() {
        let text = include_str!("../watchtower.example.toml");
        assert!(toml::from_str::<Options>(text).is_ok());
        let error = toml::from_str::<Options>("x = 1").unwrap_err().to_string();
        let keys: Vec<_> = error
            .split('`')
            .filter(|key| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
            .collect();
        assert!(keys.len() > 14);
        for key in keys.into_iter().filter(|key| *key != "x") {
            assert!(text.contains(&format!("{key} = ")), "{key}");
        }
    }

    #[test]
    fn a_local_network_has_a_blob_store() {
        assert_eq!(resolve("keypair = 'k'\nmodels = ['m']\n", &[]).unwrap().blobs, [blobs::LOCAL_URL]);
    }

    #[test]
    fn mistakes_are_one_sentence_that_names_key_and_place() {
        let cases: [(&str, &[&str]); 5] = [
            ("treads = 3\n", &["watchtower.toml line 1", "`treads`"]),
            (
                "blobs = ['x']\nmodels = ['m']\n",
                &["watchtower.toml", "`keypair`", "IONET_KEYPAIR"],
            ),
            (
                "keypair = 'k'\nmodels = ['m']\ncluster = 'devnet'\n",
                &["watchtower.toml", "`blobs`"],
            ),
            ("cluster = 'devnet'", &["watchtower.toml", "`keypair`", "`blobs`", "`models`"]),
            (
                "keypair = 'k'\nblobs = ['b']\nmodels = ['m']\ncluster = 'mars'\n",
                &["`cluster`", "mars"],
            ),
        ];
        for (file, parts) in cases {
            let error = resolve(file, &[]).unwrap_err();
            let text = error.to_string();
            assert!(parts.iter().all(|part| text.contains(part)), "{file}: {text}");
            assert!(!text.contains('\n'), "{text}");
            assert_eq!(error.exit_code(), 2);
        }
    }
}
