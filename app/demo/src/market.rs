//! A local market, with a supplier, a consumer and third parties.

use crate::books::{self, Balances, Party};
use crate::process::{Service, Tools};
use anchor_lang::{AccountDeserialize, Owner};
use anyhow::{Context, Result};
use blobs::BlobStore;
use chain::localnet::{KeyRecord, Record};
use chain::market::{job, stake};
use chain::{Chain, Cluster, SendOptions};
use serde_json::{Value, json};
use solana_address::Address;
use solana_commitment_config::CommitmentConfig;
use solana_keypair::Keypair;
use solana_rpc_client::nonblocking::rpc_client::RpcClient;
use solana_rpc_client_api::request::RpcRequest;
use solana_signer::Signer;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// $IO that the supplier stakes: the minimum of one RTX 4090, and more for its bonds.
const STAKE: &str = "300";
/// Longest wait for an account to change.
const PATIENCE: Duration = Duration::from_secs(60);
/// $IO the consumer deposits.
const DEPOSIT: &str = "100";
/// Challenge window of ordered jobs: longer than everything that happens before the chain's clock is moved past it.
pub(crate) const WINDOW: Duration = Duration::from_secs(3_600);

/// The folders of a run.
pub struct Place {
    /// Checkout of this repository.
    pub root: PathBuf,
    /// Built binaries.
    pub bin: PathBuf,
    /// Empty folder for everything the run writes.
    pub dir: PathBuf,
}

/// A local chain with the market on it, which ends when this value is dropped.
pub struct Market {
    /// The binaries, run in the market's folder.
    pub tools: Tools,
    /// The chain.
    pub rpc: RpcClient,
    /// The consumer's escrow.
    pub escrow: Address,
    /// The supplier's device.
    pub device: Address,
    parties: [Party; 4],
    mint: Address,
    net: Record,
    root: PathBuf,
    dir: PathBuf,
    _localnet: Service,
}

impl Market {
    /// Starts a chain on free ports.
    pub fn start(place: &Place) -> Result<Self> {
        Self::with(place, &[])
    }

    /// Starts one whose authorities are held by governance.
    pub fn governed(place: &Place) -> Result<Self> {
        Self::with(place, &["--governed"])
    }

    /// Starts a governed one with the web app.
    pub fn in_browser(place: &Place, options: &crate::web::Options) -> Result<Self> {
        let port = options.port.to_string();
        let web = ["--web", "--web-port", &port, "--web-dir", text(&options.app)?];
        Self::with(place, &[&["--governed"], &web[..]].concat())
    }

    fn with(place: &Place, more: &[&str]) -> Result<Self> {
        let tools = Tools::new(&place.bin, &place.dir);
        let programs = text(&place.root.join("target/deploy"))?.to_owned();
        let arguments = [
            "--programs",
            &programs,
            "--port",
            "0",
            "--blob-port",
            "0",
            "--slot-ms",
            "200",
            "--output",
            "json",
        ];
        let mut localnet = tools.start("ionet-localnet", &[&arguments[..], more].concat())?;
        let net: Record = serde_json::from_value(localnet.first_object()?).context("the local market did not print its record")?;
        let wallet = |name| -> Result<Address> { Ok(key_of(&net, name)?.address.parse()?) };
        let party = |name| wallet(name).map(|wallet| Party { name, wallet });
        let parties = [party("consumer")?, party("supplier")?, party("treasury")?, party("cranker")?];
        let mint = net.mint.parse()?;
        let (consumer, device) = (wallet("consumer")?, wallet("device")?);
        Ok(Self {
            tools,
            rpc: RpcClient::new_with_commitment(net.rpc.clone(), CommitmentConfig::confirmed()),
            escrow: job::escrow(&consumer, &mint),
            device: stake::device(&device),
            parties,
            mint,
            net,
            root: place.root.clone(),
            dir: place.dir.clone(),
            _localnet: localnet,
        })
    }

    /// Sets the time that workers have to answer a demand.
    pub async fn limit_answers(&self, seconds: u32) -> Result<()> {
        let (chain, authority) = (self.client()?, self.keypair("authority")?);
        let changes = jobs::ParameterChanges {
            answer_seconds: Some(seconds),
            ..Default::default()
        };
        let set = job::set_parameters(&authority.pubkey(), changes);
        chain.send(&[set], &[&authority], &SendOptions::default()).await?;
        Ok(())
    }

    /// Moves the chain's clock forward.
    pub async fn skip(&self, time: Duration) -> Result<()> {
        let now = self.client()?.now().await?;
        let target = Duration::from_secs(now.unix.unsigned_abs()).saturating_add(time);
        let target = u64::try_from(target.as_millis()).context("the chain's clock cannot go that far")?;
        let method = "surfnet_timeTravel";
        let request = RpcRequest::Custom { method };
        let moved = self.rpc.send::<Value>(request, json!([{ "absoluteTimestamp": target }])).await;
        moved.map(drop).context("the chain's clock does not move")
    }

    /// Runs `ionet` as `who`: consumer, supplier, cranker, guardian.
    pub fn ionet(&self, who: &str, arguments: &[&str]) -> Result<Value> {
        self.tools.ionet(self.key(who)?, arguments)
    }

    /// Creates a wallet under this name and funds it from the faucet.
    pub fn newcomer(&mut self, name: &str) -> Result<Address> {
        let path = self.dir.join("keys").join(name).with_extension("json");
        let path = text(&path)?;
        let made = self.tools.ionet(path, &["wallet", "new"])?;
        let wallet = address(&made, "/address")?;
        let key = KeyRecord {
            address: wallet.to_string(),
            path: path.into(),
        };
        self.net.keys.insert(name.to_owned(), key);
        self.ionet(name, &["wallet", "airdrop"])?;
        Ok(wallet)
    }

    /// The supplier registers a device and stakes on it.
    pub fn supply(&self) -> Result<()> {
        self.ionet(
            "supplier",
            &["device", "register", "--gpu", "RTX 4090", "--device-key", self.key("device")?],
        )?;
        self.ionet("supplier", &["stake", "add", STAKE, "--device", &self.device.to_string()])?;
        Ok(())
    }

    /// Registers a shipped model.
    pub fn publish(&self, model: &str) -> Result<()> {
        self.ionet("supplier", &["model", "publish", text(&self.root.join("models").join(model))?])?;
        Ok(())
    }

    /// The consumer funds its escrow.
    pub fn fund(&self) -> Result<()> {
        self.ionet("consumer", &["escrow", "deposit", DEPOSIT])?;
        Ok(())
    }

    /// Starts the supplier's worker.
    pub fn worker(&self) -> Result<Service> {
        self.worker_of("device", "worker")
    }

    /// Starts a worker of the device with this key, with a data folder of its own.
    pub fn worker_of(&self, key: &str, data: &str) -> Result<Service> {
        self.daemon("ionet-worker", key, &["--data", data, "--crank", "false", "--scan-seconds", "1"])
    }

    /// Starts a worker on the same device that flips a bit in every job (`UNIT:OP:ELEMENT:BIT`) and shows its whole trace.
    pub fn faulty_worker(&self, flip: &str) -> Result<Service> {
        let arguments = ["--data", "faulty-worker", "--crank", "false", "--trace", "full", "--flip", flip];
        self.daemon("demo-faulty-worker", "device", &arguments)
    }

    /// Starts a worker on the same device that lies in every job, withholds the result and answers no demands.
    pub fn silent_worker(&self, flip: &str) -> Result<Service> {
        let arguments = ["--data", "silent-worker", "--crank", "false", "--flip", flip, "--silent"];
        self.daemon("demo-faulty-worker", "device", &arguments)
    }

    /// Starts a third party that checks every result and ends overdue jobs.
    pub fn watchtower(&self) -> Result<Service> {
        let arguments = [
            "--data",
            "watchtower",
            "--scan-seconds",
            "1",
            "--crank-seconds",
            "1",
            "--sweep",
            "true",
        ];
        self.daemon("ionet-watchtower", "cranker", &arguments)
    }

    fn daemon(&self, name: &str, key: &str, arguments: &[&str]) -> Result<Service> {
        let models = self.root.join("models");
        let common = [
            ["--cluster", &self.net.rpc],
            ["--ws", &self.net.ws],
            ["--keypair", self.key(key)?],
            ["--blobs", &self.net.blobs],
            ["--models", text(&models)?],
            ["--log", "json"],
        ];
        self.tools.start(name, &[common.as_flattened(), arguments].concat())
    }

    /// Starts a third party that ends overdue jobs for their bounty.
    pub fn cranker(&self) -> Result<Service> {
        self.tools.start(
            "ionet",
            &["--yes", "--keypair", self.key("cranker")?, "watch", "crank", "--every", "1s"],
        )
    }

    /// Has the consumer enlarge `photo` into `output`; returns when the job has ended.
    pub fn enlarge(&self, photo: &Path, output: &Path, window: &str) -> Result<Value> {
        let package = self.root.join("models/upscale");
        let arguments = [
            ["job", "submit"],
            ["upscale", text(photo)?],
            ["--package", text(&package)?],
            ["-o", text(output)?],
            ["--window", window],
        ];
        self.ionet("consumer", arguments.as_flattened())
    }

    /// Has the consumer order `photo` enlarged, without waiting for the result; returns the job.
    pub fn order(&self, photo: &Path) -> Result<Address> {
        self.submit("upscale", text(photo)?)
    }

    /// Has the consumer order a picture of `prompt`, without waiting for the result; returns the job.
    pub fn paint(&self, prompt: &str) -> Result<Address> {
        self.submit("imagine", prompt)
    }

    fn submit(&self, model: &str, input: &str) -> Result<Address> {
        let package = self.root.join("models").join(model);
        let window = format!("{}s", WINDOW.as_secs());
        let arguments = [
            "job",
            "submit",
            model,
            input,
            "--package",
            text(&package)?,
            "-o",
            "ordered.png",
            "--force",
            "--window",
            &window,
            "--detach",
        ];
        let submitted = self.ionet("consumer", &arguments)?;
        address(&submitted, "/job")
    }

    /// A client of the chain, as the daemons use it.
    pub fn client(&self) -> Result<Chain> {
        let cluster = Cluster::new(&self.net.rpc, &self.net.ws);
        Ok(Chain::connect(&cluster))
    }

    /// The blob store.
    pub fn store(&self) -> Result<BlobStore> {
        Ok(BlobStore::open(&self.net.blobs)?)
    }

    /// Somebody's key.
    pub fn keypair(&self, name: &str) -> Result<Keypair> {
        Ok(chain::load_keypair(&self.dir.join(self.key(name)?))?)
    }

    /// Where every $IO base unit is.
    pub async fn balances(&self) -> Result<Balances> {
        books::balances(&self.client()?, &self.parties, &self.mint, &self.escrow, &self.device).await
    }

    /// Has an indexer read the whole history and compare its books with the accounts.
    pub fn check_history(&self) -> Result<String> {
        let arguments = ["--cluster", &self.net.rpc, "--database", "sqlite://history.db", "check"];
        self.tools.text("ionet-indexer", &arguments)
    }

    /// Somebody's wallet.
    pub fn address(&self, name: &str) -> Result<String> {
        Ok(key_of(&self.net, name)?.address.clone())
    }

    /// Where everything is; paths are relative to the run's folder.
    pub fn record(&self) -> &Record {
        &self.net
    }

    /// Everybody's addresses and keypair files by name.
    pub fn keys(&self) -> BTreeMap<String, KeyRecord> {
        let mut keys = self.net.keys.clone();
        for key in keys.values_mut() {
            key.path = self.dir.join(&key.path);
        }
        keys
    }

    /// Somebody's keypair file.
    pub fn key(&self, name: &str) -> Result<&str> {
        text(&key_of(&self.net, name)?.path)
    }
}

fn key_of<'a>(net: &'a Record, name: &str) -> Result<&'a KeyRecord> {
    net.keys
        .get(name)
        .with_context(|| format!("the local market has no key of the {name}"))
}

/// Waits until an account is as `wanted`, where `None` stands for a missing one; returns it. Fails after a minute, saying what was waited
/// for.
pub(crate) async fn until<T: AccountDeserialize + Owner>(
    chain: &Chain,
    address: Address,
    what: &str,
    wanted: impl Fn(Option<&T>) -> bool,
) -> Result<Option<T>> {
    let mut watch = chain.watch(address);
    let waiting = async {
        loop {
            let seen = watch.next().await.context("the chain is gone")?;
            let account = chain::decode_if_any(&address, seen.account.as_ref())?;
            if wanted(account.as_ref()) {
                return Ok(account);
            }
        }
    };
    let found = tokio::time::timeout(PATIENCE, waiting).await;
    found.with_context(|| format!("waited for a minute until {what}; the logs are in the demo's folder"))?
}

/// An address in what `ionet` printed.
fn address(value: &Value, pointer: &str) -> Result<Address> {
    let address = value.pointer(pointer).and_then(Value::as_str);
    Ok(address.with_context(|| format!("ionet did not print its {pointer}"))?.parse()?)
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not valid Unicode", path.display()))
}
