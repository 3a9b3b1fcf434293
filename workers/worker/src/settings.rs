//! Settings: a flag overrides the environment, which overrides the TOML file, which overrides the default.

use crate::Result;
use crate::gpu::Gpus;
use chain::{Cluster, PriorityFee};
use clap::{Args, ValueEnum};
use daemon::LogFormat;
use daemon::settings::{SettingsError, count_from_folder, either, read_toml};
use serde::Deserialize;
use solana_address::Address;
use std::{
    mem::take,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

/// All settings, as given. Each field defines its flag, its environment variable and its key in the file.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// TOML file with any of the settings below, written with underscores (parallel_jobs = 2)
    #[arg(long, global = true, env = "IONET_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Solana cluster: localnet, devnet, testnet, mainnet-beta or an RPC URL [default: localnet]
    #[arg(long, global = true, env = "IONET_CLUSTER", value_name = "URL", hide_env_values = true)]
    pub cluster: Option<String>,
    /// WebSocket URL, if it does not follow from the RPC URL
    #[arg(long, global = true, env = "IONET_WS", value_name = "URL", hide_env_values = true)]
    pub ws: Option<String>,
    /// Hot key of the device; it pays for transactions and cannot move stake
    #[arg(long, global = true, env = "IONET_KEYPAIR", value_name = "FILE")]
    pub keypair: Option<PathBuf>,
    /// Address of the device [default: the one registered with the hot key]
    #[arg(long, global = true, env = "IONET_DEVICE", value_name = "ADDRESS")]
    pub device: Option<String>,
    /// Blob stores: folders or URLs. Inputs are read from the first store that has them, outputs go to the first one [default, on localnet
    /// only: http://127.0.0.1:8901/blobs]
    #[arg(
        long,
        global = true,
        env = "IONET_BLOBS",
        value_name = "STORE",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub blobs: Vec<String>,
    /// Model packages, or folders that contain them
    #[arg(long, global = true, env = "IONET_MODELS", value_name = "FOLDER", value_delimiter = ',')]
    pub models: Vec<PathBuf>,
    /// Accepted mints and the minimum price per unit of work in base units, as MINT:PRICE; `io` is the market's own mint [default: io:1]
    #[arg(long, global = true, env = "IONET_ACCEPT", value_name = "MINT:PRICE", value_delimiter = ',')]
    pub accept: Vec<String>,
    /// Folder for the journal [default: ~/.local/share/ionet-worker]
    #[arg(long, global = true, env = "IONET_DATA", value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// Threads to compute on; 0 means one per core [default: 0]
    #[arg(long, global = true, env = "IONET_THREADS", value_name = "N")]
    pub threads: Option<usize>,
    /// GPUs to compute on: numbers such as 0,2, or `auto` for all, or `none` [default: auto]
    #[arg(long, global = true, env = "IONET_GPU", value_name = "GPUS")]
    pub gpu: Option<String>,
    /// Number of jobs to fetch, compute and commit at the same time [default: 2]
    #[arg(long, global = true, env = "IONET_PARALLEL_JOBS", value_name = "N")]
    pub parallel_jobs: Option<usize>,
    /// Largest input, output or trace to accept, in MiB [default: 64]
    #[arg(long, global = true, env = "IONET_MAX_BLOB_MIB", value_name = "MIB")]
    pub max_blob_mib: Option<u64>,
    /// Longest time in seconds that a bond may stay locked after the worker has done its part: the challenge window, and before it the time
    /// that other replicas or an auditor may take [default: 3600]
    #[arg(long, global = true, env = "IONET_MAX_WINDOW_SECONDS", value_name = "S")]
    pub max_window_seconds: Option<u32>,
    /// Largest bond to accept, as a multiple of what the market asks for a job of the same price [default: 10]
    #[arg(long, global = true, env = "IONET_MAX_BOND", value_name = "TIMES")]
    pub max_bond: Option<u32>,
    /// Minimum priority fee, in micro-lamports per compute unit; the worker pays more if others do [default: 0]
    #[arg(long, global = true, env = "IONET_PRIORITY_FEE", value_name = "N")]
    pub priority_fee: Option<u64>,
    /// Maximum priority fee, which is offered as a deadline comes near [default: 1000000]
    #[arg(long, global = true, env = "IONET_MAX_PRIORITY_FEE", value_name = "N")]
    pub max_priority_fee: Option<u64>,
    /// Milliseconds between reads of the chain's clock while waiting to claim a job [default: 400]
    #[arg(long, global = true, env = "IONET_POLL_MS", value_name = "MS")]
    pub poll_ms: Option<u64>,
    /// Seconds between full searches for jobs; in between, the node pushes new ones [default: 30]
    #[arg(long, global = true, env = "IONET_SCAN_SECONDS", value_name = "S")]
    pub scan_seconds: Option<u64>,
    /// Settle own jobs if nobody else does it for the bounty [default: true]
    #[arg(long, global = true, env = "IONET_CRANK", value_name = "BOOL")]
    pub crank: Option<bool>,
    /// Seconds to leave that to others after the challenge window [default: 30]
    #[arg(long, global = true, env = "IONET_CRANK_GRACE_SECONDS", value_name = "S")]
    pub crank_grace_seconds: Option<u64>,
    /// What to upload besides the outputs: `roots`, the hashes that the traces commit to, or `full`, every op's output as well, which saves
    /// questions on chain and takes many times the space [default: roots]
    #[arg(long, global = true, env = "IONET_TRACE", value_name = "WHAT", hide_possible_values = true)]
    pub trace: Option<TraceMode>,
    /// Keypair file with the secret of the device's permit to err; only for devices of the treasury, see `ionet permit`
    #[arg(long, global = true, env = "IONET_PERMIT", value_name = "FILE")]
    pub permit: Option<PathBuf>,
    /// Seconds to go on revealing jobs and answering demands after a stop is requested; what is left continues at the next start
    /// [default: 60]
    #[arg(long, global = true, env = "IONET_DRAIN_SECONDS", value_name = "S")]
    pub drain_seconds: Option<u64>,
    /// Serve Prometheus metrics at http://ADDRESS/metrics
    #[arg(long, global = true, env = "IONET_METRICS", value_name = "ADDRESS")]
    pub metrics: Option<SocketAddr>,
    /// Log format, on standard error; RUST_LOG sets the filter [default: human]
    #[arg(long, global = true, env = "IONET_LOG", value_name = "FORMAT")]
    pub log: Option<LogFormat>,
}

/// What a worker uploads besides the outputs. The chain holds the root of the trace either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TraceMode {
    /// The TENSORs of all checkpoints of all units, in one blob.
    #[default]
    Roots,
    /// Every op's output as well, each as a blob at its TENSOR.
    Full,
}

/// A mint that is accepted as payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accept {
    /// The mint; `None` is the market's own, $IO.
    pub mint: Option<Address>,
    /// Minimum price of a unit of work, in base units.
    pub min_price: u64,
}

impl FromStr for Accept {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let refuse = || format!("`accept` holds '{text}', which is not MINT:PRICE, such as io:1000");
        let (mint, price) = text.split_once(':').ok_or_else(refuse)?;
        let mint = match mint {
            "io" => None,
            address => Some(address.parse().map_err(|_| refuse())?),
        };
        let min_price = price.parse().map_err(|_| refuse())?;
        Ok(Self { mint, min_price })
    }
}

/// The settings needed to compute without a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compute {
    /// Model packages, or folders that contain them.
    pub models: Vec<PathBuf>,
    /// Threads to compute on; 0 means one per core.
    pub threads: usize,
    /// GPUs to compute on.
    pub gpu: Gpus,
}

/// The settings in force.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The chain.
    pub cluster: Cluster,
    /// File of the device's hot key.
    pub keypair: PathBuf,
    /// The device, if it is not the one registered with that key.
    pub device: Option<Address>,
    /// Blob stores.
    pub blobs: Vec<String>,
    /// Model packages, or folders that contain them.
    pub models: Vec<PathBuf>,
    /// Accepted mints and minimum prices.
    pub accept: Vec<Accept>,
    /// Folder for the journal.
    pub data: PathBuf,
    /// Threads to compute on; 0 means one per core.
    pub threads: usize,
    /// GPUs to compute on.
    pub gpu: Gpus,
    /// Number of jobs to fetch, compute and commit at the same time.
    pub parallel_jobs: usize,
    /// Largest blob, in bytes.
    pub max_blob: u64,
    /// Longest time that a bond may stay locked after the worker has done its part, in seconds.
    pub max_window: u32,
    /// Largest bond, as a multiple of what the market asks for a job of the same price.
    pub max_bond: u32,
    /// Bounds of the priority fee.
    pub priority_fee: PriorityFee,
    /// Time between reads of the chain's clock.
    pub poll: Duration,
    /// Time between full searches.
    pub scan: Duration,
    /// How long after the challenge window to settle own jobs. `None` leaves it to others.
    pub crank_after: Option<Duration>,
    /// What to upload besides the outputs.
    pub trace: TraceMode,
    /// Keypair file with the secret of the device's permit to err.
    pub permit: Option<PathBuf>,
    /// Time for jobs in hand and demands after a stop is requested.
    pub drain: Duration,
    /// Where to serve metrics.
    pub metrics: Option<SocketAddr>,
}

/// The cluster and the blob stores in force. The cluster defaults to a local network, and the stores to that network's own; other clusters
/// have no default store.
pub fn network(
    cluster: Option<&str>,
    ws: Option<String>,
    mut stores: Vec<String>,
) -> std::result::Result<(Cluster, Vec<String>), SettingsError> {
    let parse = |text: &str| text.parse::<Cluster>().map_err(|error| SettingsError::wrong("cluster", error));
    let mut cluster = parse(cluster.unwrap_or("localnet"))?;
    if stores.is_empty() && cluster.is_local() {
        stores.push(blobs::LOCAL_URL.to_owned());
    }
    if let Some(ws) = ws {
        cluster.ws = ws;
    }
    Ok((cluster, stores))
}

impl Options {
    /// The settings in force: from the flags and the environment, else from the file, else the defaults.
    pub fn resolve(self) -> Result<Settings> {
        let mut options = self.over_file()?;
        let (cluster, blobs) = network(options.cluster.as_deref(), options.ws.take(), take(&mut options.blobs))?;
        let set = [
            ("keypair", options.keypair.is_some()),
            ("blobs", !blobs.is_empty()),
            ("models", !options.models.is_empty()),
        ];
        let (Some(keypair), [.., (_, true), (_, true)]) = (options.keypair.clone(), set) else {
            return Err(SettingsError::lacking(options.config.as_deref(), &set).into());
        };
        let Compute { models, threads, gpu } = options.to_compute()?;

        let device = options.device.map(|text| {
            let refuse = |_| SettingsError::wrong("device", format!("'{text}' is not an address"));
            text.parse().map_err(refuse)
        });
        let accept = either(options.accept, vec!["io:1".to_owned()]);
        let accept = accept.iter().map(|text| text.parse().map_err(SettingsError));
        let parallel_jobs = options.parallel_jobs.unwrap_or(2);
        if parallel_jobs == 0 {
            return Err(SettingsError::wrong("parallel_jobs", "a worker needs at least 1").into());
        }
        let max_bond = options.max_bond.unwrap_or(10);
        if max_bond == 0 {
            let reason = "every job has at least the bond that the market asks for, so give at least 1";
            return Err(SettingsError::wrong("max_bond", reason).into());
        }
        let crank = options.crank.unwrap_or(true);
        let grace = options.crank_grace_seconds.unwrap_or(30);
        let home = std::env::home_dir().unwrap_or_default();
        Ok(Settings {
            cluster,
            keypair,
            device: device.transpose()?,
            blobs,
            models,
            accept: accept.collect::<std::result::Result<_, _>>()?,
            data: options.data.unwrap_or_else(|| home.join(".local/share/ionet-worker")),
            threads,
            gpu,
            parallel_jobs,
            max_blob: options.max_blob_mib.unwrap_or(64).saturating_mul(1 << 20),
            max_window: options.max_window_seconds.unwrap_or(3_600),
            max_bond,
            priority_fee: PriorityFee::new(options.priority_fee, options.max_priority_fee),
            poll: Duration::from_millis(options.poll_ms.unwrap_or(400).max(10)),
            scan: Duration::from_secs(options.scan_seconds.unwrap_or(30).max(1)),
            crank_after: crank.then_some(Duration::from_secs(grace)),
            trace: options.trace.unwrap_or_default(),
            permit: options.permit,
            drain: Duration::from_secs(options.drain_seconds.unwrap_or(60)),
            metrics: options.metrics,
        })
    }

    /// The settings needed to compute; ignores all others.
    pub fn compute(self) -> Result<Compute> {
        self.over_file()?.to_compute()
    }

    fn to_compute(&self) -> Result<Compute> {
        if self.models.is_empty() {
            return Err(SettingsError::lacking(self.config.as_deref(), &[("models", false)]).into());
        }
        let gpu = self
            .gpu
            .as_deref()
            .map(|text| text.parse().map_err(|error: String| SettingsError::wrong("gpu", error)));
        Ok(Compute {
            models: self.models.clone(),
            threads: self.threads.unwrap_or(0),
            gpu: gpu.transpose()?.unwrap_or_default(),
        })
    }

    /// These settings, completed from the file if there is one.
    fn over_file(self) -> Result<Self> {
        let file = self.config.as_deref().map(read).transpose()?.unwrap_or_default();
        Ok(Self {
            config: self.config,
            cluster: self.cluster.or(file.cluster),
            ws: self.ws.or(file.ws),
            keypair: self.keypair.or(file.keypair),
            device: self.device.or(file.device),
            blobs: either(self.blobs, file.blobs),
            models: either(self.models, file.models),
            accept: either(self.accept, file.accept),
            data: self.data.or(file.data),
            threads: self.threads.or(file.threads),
            gpu: self.gpu.or(file.gpu),
            parallel_jobs: self.parallel_jobs.or(file.parallel_jobs),
            max_blob_mib: self.max_blob_mib.or(file.max_blob_mib),
            max_window_seconds: self.max_window_seconds.or(file.max_window_seconds),
            max_bond: self.max_bond.or(file.max_bond),
            priority_fee: self.priority_fee.or(file.priority_fee),
            max_priority_fee: self.max_priority_fee.or(file.max_priority_fee),
            poll_ms: self.poll_ms.or(file.poll_ms),
            scan_seconds: self.scan_seconds.or(file.scan_seconds),
            crank: self.crank.or(file.crank),
            crank_grace_seconds: self.crank_grace_seconds.or(file.crank_grace_seconds),
            trace: self.trace.or(file.trace),
            permit: self.permit.or(file.permit),
            drain_seconds: self.drain_seconds.or(file.drain_seconds),
            metrics: self.metrics.or(file.metrics),
            log: self.log.or(file.log),
        })
    }

    /// The log format, which is needed before the other settings to report what is wrong with them.
    pub fn log_format(&self) -> LogFormat {
        let file = || read(self.config.as_deref()?).ok()?.log;
        self.log.or_else(file).unwrap_or_default()
    }
}

/// Reads the file. Relative paths in it count from its folder.
fn read(path: &Path) -> Result<Options> {
    let mut options: Options = read_toml(path)?;
    let paths = options
        .keypair
        .iter_mut()
        .chain(&mut options.data)
        .chain(&mut options.permit)
        .chain(&mut options.models);
    count_from_folder(path, paths, &mut options.blobs);
    Ok(options)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        options: Options,
    }

    fn resolve(file: &str, flags: &[&str]) -> Result<Settings> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("worker.toml");
        std::fs::write(&path, file).unwrap();
        let path = path.display().to_string();
        let arguments = ["worker", "--config", &path].into_iter().chain(flags.iter().copied());
        Cli::try_parse_from(arguments).unwrap().options.resolve()
    }

    const WHOLE: &str = "keypair = 'key.json'\nblobs = ['store', 'http://host/']\nmodels = ['m']\n";

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let file = format!("{WHOLE}threads = 3\nparallel_jobs = 4\naccept = ['io:7']\ncrank = false\n");
        let settings = resolve(&file, &["--threads", "1", "--models", "a,b"]).unwrap();
        assert_eq!((settings.threads, settings.parallel_jobs), (1, 4));
        assert_eq!(settings.models, [PathBuf::from("a"), PathBuf::from("b")]);
        assert_eq!(settings.accept, [Accept { mint: None, min_price: 7 }]);
        assert_eq!(settings.crank_after, None);
        assert_eq!(settings.max_blob, 64 << 20);
        assert_eq!((settings.max_window, settings.max_bond), (3_600, 10));
        assert_eq!(settings.cluster, "localnet".parse().unwrap());
    }

    #[test]
    fn computing_needs_only_models() {
        let parse = |flags: &[&str]| Cli::try_parse_from(["worker"].iter().chain(flags)).unwrap().options.compute();
        let given = Compute {
            models: vec![PathBuf::from("m")],
            threads: 0,
            gpu: Gpus::Numbers(vec![0, 2]),
        };
        assert_eq!(parse(&["--models", "m", "--gpu", "0,2"]).unwrap(), given);
        let error = parse(&[]).unwrap_err().to_string();
        assert!(error.starts_with("the command line lacks `models`"), "{error}");
    }

    #[test]
    fn all_missing_settings_are_named_at_once() {
        let error = resolve("blobs = ['b']\n", &[]).unwrap_err();
        let wanted = "worker.toml lacks `keypair` (--keypair or IONET_KEYPAIR), `models` (--models or IONET_MODELS); set";
        assert!(error.to_string().contains(wanted), "{error}");
        let none = Cli::try_parse_from(["worker", "--cluster", "devnet"]).unwrap();
        let none = none.options.resolve().unwrap_err().to_string();
        assert!(none.starts_with("the command line lacks"), "{none}");
        assert!(["`keypair`", "`blobs`", "`models`"].iter().all(|key| none.contains(key)), "{none}");
    }

    #[test]
    fn a_local_network_has_a_blob_store() {
        let file = "keypair = 'k'\nmodels = ['m']\n";
        for local in [&[][..], &["--cluster", "http://localhost:8899", "--ws", "ws://127.0.0.1:1"]] {
            assert_eq!(resolve(file, local).unwrap().blobs, [blobs::LOCAL_URL]);
        }
        assert_eq!(resolve(file, &["--blobs", "b"]).unwrap().blobs, ["b"]);
    }

    #[test]
    fn the_example_is_valid_and_shows_every_setting() {
        let text = include_str!("../worker.example.toml");
        assert!(toml::from_str::<Options>(text).is_ok());
        let error = toml::from_str::<Options>("x = 1").unwrap_err().to_string();
        let keys: Vec<_> = error
            .split('`')
            .filter(|key| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
            .collect();
        assert!(keys.len() > 15);
        for key in keys.into_iter().filter(|key| *key != "x") {
            assert!(text.contains(&format!("{key} = ")), "{key}");
        }
    }

    #[test]
    fn paths_in_the_file_count_from_its_folder() {
        let settings = resolve(WHOLE, &[]).unwrap();
        assert!(settings.keypair.is_absolute() && settings.models.iter().all(|path| path.is_absolute()));
        assert!(settings.blobs.iter().any(|store| store.ends_with("/store")));
        assert!(settings.blobs.iter().any(|store| store == "http://host/"));
    }

    #[test]
    fn mistakes_are_one_sentence_that_names_key_and_place() {
        let cases: [(&str, &[&str]); 10] = [
            ("treads = 3\n", &["worker.toml line 1", "`treads`"]),
            ("threads = 1\nthreads = 2\n", &["worker.toml line 2", "duplicate key"]),
            ("threads = 'many'\n", &["worker.toml line 1", "threads"]),
            ("blobs = ['x']\nmodels = ['m']\n", &["worker.toml", "`keypair`", "IONET_KEYPAIR"]),
            ("keypair = 'k'\nmodels = ['m']\ncluster = 'devnet'\n", &["worker.toml", "`blobs`"]),
            (
                "keypair = 'k'\nblobs = ['b']\nmodels = ['m']\naccept = ['gold']\n",
                &["`accept`", "gold"],
            ),
            (
                "keypair = 'k'\nblobs = ['b']\nmodels = ['m']\ncluster = 'mars'\n",
                &["`cluster`", "mars"],
            ),
            ("keypair = 'k'\nblobs = ['b']\nmodels = ['m']\ngpu = 'fast'\n", &["`gpu`", "fast"]),
            (
                "keypair = 'k'\nblobs = ['b']\nmodels = ['m']\nparallel_jobs = 0\n",
                &["`parallel_jobs`"],
            ),
            ("keypair = 'k'\nblobs = ['b']\nmodels = ['m']\nmax_bond = 0\n", &["`max_bond`"]),
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
