//! Sets up the market on an empty chain.

use crate::{
    KeyName, Keys, Node, NodeOptions, WebOptions,
    web::{Place, Web},
};
use anyhow::{Context, Result, ensure};
use blobs::{BlobStore, server};
use chain::{
    Chain, SendOptions,
    localnet::{FOLDER, Record},
    market,
};
use futures_util::future::{FutureExt, LocalBoxFuture};
use migrations::{Deployment, PROGRAMS};
use protocol::{emission::start_of, units::IO_DECIMALS};
use serde_json::json;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_program_pack::Pack;
use solana_signer::Signer;
use spl_token_interface::{instruction::mint_to, state::Mint};
use std::{
    fs::{self, File},
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

/// Lamports each party starts with: 1,000 SOL.
const LAMPORTS: u64 = 1_000_000_000_000;

/// Lamports the faucet starts with: 1,000,000 SOL, for 10 SOL a request.
const FAUCET_LAMPORTS: u64 = 1_000_000_000_000_000;

/// The $IO mint of every local market. Nobody has its secret key, which is not needed.
pub const fn mint() -> Address {
    Address::from_str_const("ioLoca1Mint11111111111111111111111111111111")
}

/// Term of a local market's guardian in seconds: half a year.
const GUARDIAN_TERM: i64 = 182 * 86_400;

/// Options of a local market.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder for keys, blobs and `localnet.json`.
    pub dir: PathBuf,
    /// Folder with the built programs.
    pub programs: PathBuf,
    /// The chain.
    pub node: NodeOptions,
    /// Port of the blob server; 0 picks a free one.
    pub blob_port: u16,
    /// Parameters of staking.
    pub staking: staking::Parameters,
    /// Parameters of jobs.
    pub jobs: jobs::Parameters,
    /// Whether governance holds all authorities; otherwise [`KeyName::Authority`] does.
    pub governed: bool,
    /// Serves the web app, if set.
    pub web: Option<WebOptions>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dir: FOLDER.into(),
            programs: "target/deploy".into(),
            node: NodeOptions {
                rpc_port: 8899,
                ws_port: 8900,
                slot: Duration::from_millis(400),
            },
            blob_port: blobs::LOCAL_PORT,
            // The published parameters, except that a new device need not wait half a day for its first job.
            staking: staking::Parameters {
                probation: 0,
                ..staking::Parameters::PUBLISHED
            },
            // No audits: there is usually a single worker, which would wait for auditors in vain.
            jobs: jobs::Parameters {
                audit_jobs: 0,
                audit_floor_bps: 0,
                ..jobs::Parameters::PUBLISHED
            },
            governed: false,
            web: None,
        }
    }
}

impl Options {
    /// The same options on free ports, so that several markets can run at once.
    pub fn on_free_ports(mut self) -> Self {
        self.node.rpc_port = 0;
        self.node.ws_port = 0;
        self.blob_port = 0;
        if let Some(web) = &mut self.web {
            web.port = 0;
        }
        self
    }
}

/// A running local market.
#[derive(Debug)]
pub struct Localnet {
    node: Node,
    chain: Chain,
    keys: Keys,
    record: Record,
    dir: PathBuf,
    blobs: JoinHandle<()>,
    stop_blobs: oneshot::Sender<()>,
    web: Option<Web>,
    _lock: File,
}

impl Localnet {
    /// Starts a market.
    // Boxed, so that the future is compiled once, here, and not in every program that starts a market.
    pub fn start(options: &Options) -> LocalBoxFuture<'_, Result<Self>> {
        Self::begin(options).boxed_local()
    }

    async fn begin(options: &Options) -> Result<Self> {
        let code = |(name, program)| Ok((program, elf(&options.programs, name)?));
        let programs = PROGRAMS.into_iter().map(code).collect::<Result<Vec<_>>>()?;
        let place = match &options.web {
            Some(web) => Some(Place::take(web).await?),
            None => None,
        };
        let lock = lock(&options.dir)?;
        let keys = Keys::open(&options.dir.join("keys"))?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.blob_port)).await.with_context(|| {
            let port = options.blob_port;
            format!("port {port} for the blob server is not available; choose another with --blob-port")
        })?;
        let blobs_url = format!("http://{}/blobs", listener.local_addr()?);
        let store = BlobStore::open(&options.dir.join("blobs").to_string_lossy())?;

        let node = Node::start(&options.node).await?;
        let chain = Chain::connect(node.cluster());
        populate(&node, &chain, &keys, &programs, options).await?;

        let (stop_blobs, stopped) = oneshot::channel::<()>();
        let blobs = tokio::spawn(server::serve(listener, store, server::Limits::default(), async {
            let _ = stopped.await;
        }));
        let (rpc, ws) = (&node.cluster().rpc, &node.cluster().ws);
        let web = match place {
            Some(place) => {
                let faucet = chain::load_keypair(&keys.path(KeyName::Faucet))?;
                let config = json!({
                    "cluster": "localnet",
                    "chain": "solana:localnet",
                    "rpc": rpc,
                    "ws": ws,
                    "blobs": blobs_url,
                    "mint": mint().to_string(),
                    "genesis": node.genesis().to_string(),
                    "faucet": true,
                });
                Some(place.serve(&options.dir, &chain, faucet, &config).await?)
            }
            None => None,
        };
        let record = Record {
            rpc: rpc.clone(),
            ws: ws.clone(),
            web: web.as_ref().map(|web| web.url.clone()),
            blobs: blobs_url,
            mint: mint().to_string(),
            programs: PROGRAMS.map(|(name, address)| (name.to_owned(), address.to_string())).into(),
            keys: keys.records(),
        };
        save(&record, &options.dir)?;
        Ok(Self {
            node,
            chain,
            keys,
            record,
            dir: options.dir.clone(),
            blobs,
            stop_blobs,
            web,
            _lock: lock,
        })
    }

    /// The chain underneath, for moving its clock and setting accounts.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// What the migrations are given, with `options`.
    pub fn deployment(&self, options: &Options) -> Result<Deployment<'_>> {
        deployment(&self.node, &self.keys, options)
    }

    /// A client of the chain.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The keys of all parties.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// URLs, addresses and key files.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Stops the market and frees its ports. Keys and blobs stay; the next start begins with an empty chain.
    pub async fn stop(self) -> Result<()> {
        let _ = fs::remove_file(Record::path(&self.dir));
        let _ = self.stop_blobs.send(());
        crate::finish(self.blobs).await;
        if let Some(web) = self.web {
            web.stop().await;
        }
        self.node.stop().await
    }
}

/// Writes the record atomically: readers see the old one or the new one.
fn save(record: &Record, folder: &Path) -> Result<()> {
    let path = Record::path(folder);
    daemon::write_whole(&path, &serde_json::to_vec_pretty(record)?)
        .with_context(|| format!("cannot write {}; choose another folder with --dir", path.display()))
}

/// Locks the folder: keys, history and record belong to one market at a time.
fn lock(folder: &Path) -> Result<File> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create the folder {}; choose another with --dir", folder.display()))?;
    let taken = daemon::lock_folder(folder);
    let taken = taken.with_context(|| format!("cannot write {}; choose another folder with --dir", folder.display()))?;
    taken.with_context(|| {
        let folder = folder.display();
        format!("another local market runs in {folder}; stop it, or give this one a folder of its own with --dir")
    })
}

fn elf(folder: &Path, name: &str) -> Result<Vec<u8>> {
    let path = folder.join(name).with_extension("so");
    let next = "run `cargo xtask build`, or name the folder of the built programs with --programs";
    let bytes = fs::read(&path).with_context(|| format!("the program {} cannot be read; {next}", path.display()))?;
    ensure!(bytes.starts_with(b"\x7fELF"), "{} is not a program; {next}", path.display());
    Ok(bytes)
}

/// Deploys the programs, funds the parties and sets the market up.
async fn populate(node: &Node, chain: &Chain, keys: &Keys, programs: &[(Address, Vec<u8>)], options: &Options) -> Result<()> {
    let authority = keys.get(KeyName::Authority).pubkey();
    for (address, elf) in programs {
        node.deploy(address, elf, &authority).await?;
    }
    for name in KeyName::ALL {
        let lamports = if name == KeyName::Faucet { FAUCET_LAMPORTS } else { LAMPORTS };
        node.fund(&keys.get(name).pubkey(), lamports).await?;
    }
    create_mint(node, keys).await?;
    hand_out(chain, keys).await?;
    migrate(chain, node, keys, options).await?;
    fund_rewards(chain, keys).await
}

/// Creates the mint at its fixed address, with the faucet as its authority.
async fn create_mint(node: &Node, keys: &Keys) -> Result<()> {
    let state = Mint {
        mint_authority: Some(keys.get(KeyName::Faucet).pubkey()).into(),
        supply: 0,
        decimals: IO_DECIMALS,
        is_initialized: true,
        freeze_authority: None.into(),
    };
    let mut data = [0; Mint::LEN];
    Mint::pack(state, &mut data).context("the mint cannot be written")?;
    node.set_account(&mint(), LAMPORTS, &data, &spl_token_interface::ID).await
}

/// Gives each party a token account and its $IO.
async fn hand_out(chain: &Chain, keys: &Keys) -> Result<()> {
    let (payer, faucet) = (keys.get(KeyName::Payer), keys.get(KeyName::Faucet));
    let mut instructions: Vec<Instruction> = Vec::new();
    for name in KeyName::ALL {
        let wallet = keys.get(name).pubkey();
        instructions.push(market::create_token_account(&payer.pubkey(), &wallet, &mint()));
        if name.io() > 0 {
            let account = market::token_account(&wallet, &mint());
            instructions.push(mint_to(
                &spl_token_interface::ID,
                &mint(),
                &account,
                &faucet.pubkey(),
                &[],
                name.io(),
            )?);
        }
    }
    chain
        .send(&instructions, &[payer, faucet], &SendOptions::default())
        .await
        .context("handing out $IO failed")?;
    Ok(())
}

/// Start of the current hour.
fn hour() -> Result<i64> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("the system clock is before 1970")?;
    Ok(start_of(i64::try_from(now.as_secs())?))
}

/// Mints the whole emission into the rewards vault.
async fn fund_rewards(chain: &Chain, keys: &Keys) -> Result<()> {
    let (payer, faucet) = (keys.get(KeyName::Payer), keys.get(KeyName::Faucet));
    let all: u64 = protocol::emission::MONTHLY.iter().sum();
    let vault = market::reward::vault();
    let fund = mint_to(&spl_token_interface::ID, &mint(), &vault, &faucet.pubkey(), &[], all)?;
    chain
        .send(&[fund], &[payer, faucet], &SendOptions::default())
        .await
        .context("funding the rewards failed")?;
    Ok(())
}

/// The deployment that the migrations are given.
fn deployment<'a>(node: &Node, keys: &'a Keys, options: &Options) -> Result<Deployment<'a>> {
    let genesis = hour()?;
    Ok(Deployment {
        payer: keys.get(KeyName::Payer),
        authority: keys.get(KeyName::Authority),
        mint: mint(),
        treasury: keys.get(KeyName::Treasury).pubkey(),
        cluster: node.genesis().to_bytes(),
        staking: options.staking,
        jobs: options.jobs,
        costaking: costaking::Parameters::PUBLISHED,
        rewards: staking::RewardRules::PUBLISHED,
        verifier: keys.get(KeyName::Authority).pubkey(),
        genesis,
        guardian: (keys.get(KeyName::Guardian).pubkey(), genesis.saturating_add(GUARDIAN_TERM)),
        least_work: true,
        hands_over: options.governed,
    })
}

/// Brings configs and tables to what this version expects.
async fn migrate(chain: &Chain, node: &Node, keys: &Keys, options: &Options) -> Result<()> {
    let log = |step: &migrations::Step| {
        let transactions = step.transactions.len();
        tracing::info!(step = step.number, name = step.name, transactions, "migrated");
    };
    migrations::run(chain, &deployment(node, keys, options)?, &SendOptions::default(), log)
        .await
        .context("migrating the programs failed")
}
