//! `ionet device`: GPUs offered on the market.

use crate::{
    amount::{Quantity, SOL, Unit, span},
    context::{Context, Market},
    effect::Watched,
    error::{Error, Result, refuse},
    output::{Answer, Table, fields},
    send::Sent,
};
use chain::{Filter, market, market::stake};
use clap::Subcommand;
use serde::Serialize;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;
use staking::{
    Device, GpuModel,
    state::{POOL_ENTERPRISE, STATUS_ACTIVE},
};
use std::{fmt, path::PathBuf};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the GPU models the market knows
    ListModels,
    /// Offer GPUs under a device key of their own
    Register {
        /// GPU model: its id or name, as `ionet device list-models` shows them
        #[arg(long)]
        gpu: String,
        /// GPUs of that model behind the device
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=i64::from(protocol::stake::MAX_QUANTITY)))]
        quantity: u8,
        #[command(flatten)]
        key: Key,
    },
    /// Show a device, or all of the wallet's
    Show {
        /// The device [default: all of the wallet's]
        device: Option<Address>,
        /// Their owner [default: the wallet]
        #[arg(long, conflicts_with = "device")]
        owner: Option<Address>,
    },
    /// Replace the key the worker signs with
    RotateKey {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        key: Key,
    },
    /// Name the wallet that job payments go to
    SetPayout {
        #[command(flatten)]
        which: Which,
        /// The wallet
        payout: Address,
    },
    /// Retire a device; its stake stays until unstaked
    Terminate {
        #[command(flatten)]
        which: Which,
    },
    /// Close a retired, empty device and take its rent back
    Close {
        #[command(flatten)]
        which: Which,
    },
}

/// The key a worker signs with.
#[derive(clap::Args, Clone, Debug)]
pub struct Key {
    /// Keypair file the worker signs with; made if it does not exist
    #[arg(long, value_name = "FILE")]
    device_key: PathBuf,
    #[arg(
        long,
        value_name = "SOL",
        help = format!("SOL to send to the key, which pays for its own transactions [default: {} if it has none]", SOL.number(worker::FUND))
    )]
    fund: Option<Quantity>,
}

/// Which of the wallet's devices is meant.
#[derive(clap::Args, Clone, Debug)]
pub struct Which {
    /// Device address; needed only by owners of several
    #[arg(long)]
    device: Option<Address>,
}

impl Which {
    /// The device meant.
    pub async fn find(&self, context: &Context, owner: &Address) -> Result<(Address, Device)> {
        if let Some(address) = self.device {
            return Ok((address, context.chain.fetch(&address).await?));
        }
        let mut devices = owned(context, owner).await?;
        match (devices.pop(), devices.len()) {
            (Some(device), 0) => Ok(device),
            (None, _) => refuse(format!("{owner} has no device yet; register one with `ionet device register`")),
            (Some(_), others) => Err(Error::Usage(format!(
                "{owner} has {} devices; say which with --device ADDRESS (`ionet device show` lists them)",
                others.saturating_add(1)
            ))),
        }
    }
}

/// Devices of an owner.
async fn owned(context: &Context, owner: &Address) -> Result<Vec<(Address, Device)>> {
    /// The owner is a device's first field, after the discriminator.
    const OWNER: usize = 8;
    Ok(context.chain.find(&[Filter::Bytes(OWNER, owner.as_ref().to_vec())]).await?)
}

#[derive(Serialize)]
struct Gpu {
    id: u16,
    name: String,
    multiplier: f64,
    vram_gb: u16,
    pool: &'static str,
    listed: bool,
    minimum_stake: u64,
}

#[derive(Serialize)]
#[serde(transparent)]
struct Gpus {
    gpus: Vec<Gpu>,
    #[serde(skip)]
    unit: Unit,
}

impl fmt::Display for Gpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(["id", "GPU", "multiplier", "GiB", "pool", "minimum stake", ""]);
        for gpu in &self.gpus {
            table.row([
                gpu.id.to_string(),
                gpu.name.clone(),
                format!("{:.2}", gpu.multiplier),
                gpu.vram_gb.to_string(),
                gpu.pool.to_owned(),
                self.unit.show(gpu.minimum_stake),
                if gpu.listed { "" } else { "not listed" }.to_owned(),
            ]);
        }
        write!(f, "{table}")
    }
}

/// Name of a GPU model.
pub fn gpu_name(gpu: &GpuModel) -> String {
    String::from_utf8_lossy(&gpu.name).trim_end_matches('\0').to_owned()
}

/// The GPU model meant by an id or a name.
pub async fn find_gpu(context: &Context, text: &str) -> Result<GpuModel> {
    let models = gpu_models(context).await?;
    let wanted = text.to_lowercase();
    let exact = models
        .iter()
        .find(|gpu| gpu.id.get().to_string() == wanted || gpu_name(gpu).to_lowercase() == wanted);
    let close: Vec<&GpuModel> = models.iter().filter(|gpu| gpu_name(gpu).to_lowercase().contains(&wanted)).collect();
    match (exact, close.as_slice()) {
        (Some(gpu), _) | (None, &[gpu]) => Ok(*gpu),
        (None, []) => refuse(format!(
            "the market knows no GPU '{text}'; `ionet device list-models` shows those it knows"
        )),
        (None, several) => {
            let names: Vec<String> = several.iter().map(|gpu| gpu_name(gpu)).collect();
            refuse(format!("'{text}' could be {}; give the whole name or the id", names.join(" or ")))
        }
    }
}

async fn gpu_models(context: &Context) -> Result<Vec<GpuModel>> {
    let mut models: Vec<GpuModel> = context.chain.find(&[]).await?.into_iter().map(|(_, gpu)| gpu).collect();
    models.sort_by_key(|gpu| gpu.id.get());
    Ok(models)
}

#[derive(Serialize)]
struct Shown {
    device: String,
    owner: String,
    payout: String,
    key: String,
    gpu_model: u16,
    gpu: String,
    quantity: u8,
    /// retired, on probation or active.
    status: &'static str,
    stake: u64,
    locked_bond: u64,
    open_jobs: u32,
    jobs_done: u32,
    jobs_missed: u32,
    hireable_at: i64,
    #[serde(skip)]
    unit: Unit,
    #[serde(skip)]
    now: i64,
}

impl Shown {
    fn new(address: Address, device: &Device, gpu: Option<&GpuModel>, market: &Market, unit: Unit, now: i64) -> Self {
        let probation = i64::from(market.staking.probation.get());
        let hireable_at = device.registered_at.get().saturating_add(probation);
        Self {
            device: address.to_string(),
            owner: device.owner.to_string(),
            payout: device.payout.to_string(),
            key: device.key.to_string(),
            gpu_model: device.gpu_model.get(),
            quantity: device.quantity,
            gpu: gpu.map(gpu_name).unwrap_or_default(),
            status: match device.status == STATUS_ACTIVE {
                false => "retired",
                true if hireable_at > now => "on probation",
                true => "active",
            },
            stake: device.own_stake.get(),
            locked_bond: device.locked_bond.get(),
            open_jobs: device.open_jobs.get(),
            jobs_done: device.jobs_done.get(),
            jobs_missed: device.jobs_missed.get(),
            hireable_at,
            unit,
            now,
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = match self.status {
            "on probation" => format!("on probation for {}", span(self.hireable_at.saturating_sub(self.now))),
            status => status.to_owned(),
        };
        let lines = [
            ("device", self.device.clone()),
            ("owner", self.owner.clone()),
            ("payout", self.payout.clone()),
            ("key", self.key.clone()),
            ("GPUs", format!("{} × {}", self.quantity, self.gpu)),
            ("status", status),
            (
                "stake",
                format!(
                    "{}, of which {} bonded",
                    self.unit.show(self.stake),
                    self.unit.show(self.locked_bond)
                ),
            ),
            (
                "jobs",
                format!("{} open, {} done, {} missed", self.open_jobs, self.jobs_done, self.jobs_missed),
            ),
        ];
        fields(f, &lines)
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct List(Vec<Shown>);

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return writeln!(f, "no devices; register one with `ionet device register`");
        }
        self.0.iter().try_for_each(|device| writeln!(f, "{device}"))
    }
}

#[derive(Serialize)]
struct Done {
    device: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// What is to be done next.
    #[serde(skip)]
    next: Option<String>,
    #[serde(flatten)]
    sent: Sent,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = vec![("device", self.device.clone())];
        lines.extend(self.key.clone().map(|key| ("key", key)));
        lines.extend(self.next.clone().map(|next| ("next", next)));
        fields(f, &lines)?;
        write!(f, "{}", self.sent)
    }
}

impl Command {
    pub async fn run(self, context: &Context) -> Result<Answer> {
        let market = context.market().await?;
        let token = context.token(&market, None).await?;
        let next = matches!(self, Self::Terminate { .. })
            .then(|| "ionet stake unstake, ionet stake withdraw when it has cooled down, then ionet device close".to_owned());
        let (what, which, key, make): (_, _, _, fn(&Address, &Address, &Address) -> _) = match self {
            Self::ListModels => return list_models(context, &market, token.unit).await,
            Self::Show { device, owner } => {
                let now = context.now().await?.unix;
                let devices = match device {
                    Some(address) => vec![(address, context.chain.fetch(&address).await?)],
                    None => owned(context, &context.address(owner)?).await?,
                };
                let gpus = gpu_models(context).await?;
                let shown = devices.iter().map(|(address, device)| {
                    let gpu = gpus.iter().find(|gpu| gpu.id == device.gpu_model);
                    Shown::new(*address, device, gpu, &market, token.unit, now)
                });
                return Ok(Answer::new(&List(shown.collect())));
            }
            Self::Register { gpu, quantity, key } => {
                let wallet = context.wallet()?;
                let gpu = find_gpu(context, &gpu).await?;
                let now = context.now().await?.unix;
                let least = minimum(&market, &gpu, quantity, now);
                let key = HotKey::open(key)?;
                let next = format!(
                    "ionet stake add {} or more, then ionet-worker --keypair {}",
                    token.unit.number(least),
                    key.path.display()
                );
                let what = format!("register {quantity} × {} with device key {}", gpu_name(&gpu), key.address());
                let register = stake::register_device(&wallet.pubkey(), &key.address(), &token.mint, gpu.id.get(), quantity);
                let device = stake::device(&key.address());
                return key.enrol(context, &wallet, &what, device, register, Some(next)).await;
            }
            Self::RotateKey { which, key } => {
                let wallet = context.wallet()?;
                let (device, _) = which.find(context, &wallet.pubkey()).await?;
                let key = HotKey::open(key)?;
                let what = format!("let {} sign for device {device}", key.address());
                let rotate = stake::rotate_device_key(&wallet.pubkey(), &device, &key.address());
                return key.enrol(context, &wallet, &what, device, rotate, None).await;
            }
            Self::SetPayout { which, payout } => {
                let what = format!("send payments to {payout} for");
                (what, which, payout, |owner, device, payout| {
                    vec![stake::set_payout(owner, device, payout)]
                })
            }
            Self::Terminate { which } => ("retire".to_owned(), which, token.mint, |owner, device, _| {
                vec![stake::terminate_device(owner, device)]
            }),
            Self::Close { which } => ("close".to_owned(), which, token.mint, |owner, device, mint| {
                let to = market::token_account(owner, mint);
                vec![
                    market::create_token_account(owner, owner, mint),
                    stake::close_device(owner, device, &to),
                ]
            }),
        };
        let wallet = context.wallet()?;
        let (device, _) = which.find(context, &wallet.pubkey()).await?;
        let instructions = make(&wallet.pubkey(), &device, &key);
        let sent = context
            .send(&format!("{what} device {device}"), &instructions, &wallet, &[], &[])
            .await?;
        Ok(Answer::new(&Done {
            device: device.to_string(),
            key: None,
            next,
            sent,
        }))
    }
}

async fn list_models(context: &Context, market: &Market, unit: Unit) -> Result<Answer> {
    let now = context.now().await?.unix;
    let gpus = gpu_models(context).await?;
    let gpus = gpus.iter().map(|gpu| Gpu {
        id: gpu.id.get(),
        name: gpu_name(gpu),
        multiplier: f64::from(gpu.multiplier_x100.get()) / 100.0,
        vram_gb: gpu.vram_gb.get(),
        pool: if gpu.pool == POOL_ENTERPRISE { "enterprise" } else { "community" },
        listed: gpu.listed.get(),
        minimum_stake: minimum(market, gpu, 1, now),
    });
    Ok(Answer::new(&Gpus {
        gpus: gpus.collect(),
        unit,
    }))
}

/// What has to be staked on so many GPUs of a model, in base units.
fn minimum(market: &Market, gpu: &GpuModel, quantity: u8, now: i64) -> u64 {
    let minimum = protocol::stake::minimum(market.staking.required_base(now), gpu.required_multiplier(now), quantity);
    minimum.map_or(0, |minimum| minimum.0)
}

/// A device's key, new or from a file.
struct HotKey {
    pair: Keypair,
    path: PathBuf,
    is_new: bool,
    fund: Option<Quantity>,
}

impl HotKey {
    fn open(Key { device_key: path, fund }: Key) -> Result<Self> {
        let is_new = !path.exists();
        let pair = if is_new { Keypair::new() } else { chain::load_keypair(&path)? };
        Ok(Self { pair, path, is_new, fund })
    }

    fn address(&self) -> Address {
        self.pair.pubkey()
    }

    /// Sends the instruction that makes it a device's key, and SOL for its fees.
    async fn enrol(
        &self,
        context: &Context,
        wallet: &Keypair,
        what: &str,
        device: Address,
        instruction: Instruction,
        next: Option<String>,
    ) -> Result<Answer> {
        if context.chain.exists(&stake::device_key(&self.address())).await? {
            return refuse(format!(
                "key {} signs for a device, or did; a key serves one once, so name another file with --device-key",
                self.address()
            ));
        }
        let lamports = match &self.fund {
            Some(sol) => sol.base_units(SOL)?,
            None if context.chain.account(&self.address()).await?.is_some() => 0,
            None => worker::FUND,
        };
        let fund = solana_system_interface::instruction::transfer(&wallet.pubkey(), &self.address(), lamports);
        let instructions: Vec<_> = [instruction].into_iter().chain((lamports > 0).then_some(fund)).collect();
        let watched = [Watched::sol("device key", &self.address())];
        context.agree("wallet", what, &instructions, wallet, &watched).await?;
        if self.is_new {
            // Kept before the chain learns of it.
            chain::save_keypair(&self.pair, &self.path)?;
        }
        let sent = context.send_agreed(&instructions, wallet, &[&self.pair]).await;
        if let Err(error) = &sent
            && self.is_new
            && error.unknown().is_none()
        {
            // The chain never learned of it, so nothing is lost with it.
            let _ = std::fs::remove_file(&self.path);
        }
        let sent = sent?;
        Ok(Answer::new(&Done {
            device: device.to_string(),
            key: Some(self.address().to_string()),
            next,
            sent,
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{output::Format, testing};
    use anchor_lang::bytemuck::Zeroable;
    use chain::fake::{Fake, gift};
    use protocol::units::IO;
    use std::{sync::Arc, time::Duration};

    #[tokio::test(start_paused = true)]
    async fn a_new_key_is_kept_unless_the_chain_never_learned_of_it() {
        let (folder, fake) = (tempfile::tempdir().unwrap(), Arc::new(Fake::default()));
        let (mut context, ..) = testing::on_market(&fake, folder.path(), 0);
        let device = Address::new_unique();
        fake.set_account(device, testing::account(&Device::zeroed()));
        let path = folder.path().join("key.json");
        let [named, file] = [device.to_string(), path.display().to_string()];
        let rotate = || testing::typed::<Command>(&["rotate-key", "--device", &named, "--device-key", &file]);
        let expired = testing::expired(&fake, rotate().run(&context)).await;
        assert!(expired.is_err() && !path.exists());
        // Nobody says what became of it.
        context.options.timeout = Duration::from_millis(1);
        assert!(rotate().run(&context).await.is_err() && path.exists());
        // Lamports where its record is to be do not use it up.
        let key = chain::load_keypair(&path).unwrap();
        fake.set_account(stake::device_key(&key.pubkey()), gift());
        let error = rotate().run(&context).await.err().unwrap().to_string();
        assert!(!error.contains("a key serves one once"), "{error}");
    }

    #[tokio::test]
    async fn who_has_registered_is_told_what_to_stake() {
        let (folder, fake) = (tempfile::tempdir().unwrap(), Arc::new(Fake::default()));
        let (context, ..) = testing::on_market(&fake, folder.path(), 0);
        let config = staking::StakingConfig {
            base_stake: (200 * IO).into(),
            ..staking::StakingConfig::zeroed()
        };
        fake.set_account(stake::config(), testing::account(&config));
        let gpu = GpuModel {
            id: 9.into(),
            multiplier_x100: 125.into(),
            ..GpuModel::zeroed()
        };
        fake.set_account(stake::gpu_model(9), testing::account(&gpu));
        let path = folder.path().join("key.json");
        let file = path.to_str().unwrap();
        let register: Command = testing::typed(&["register", "--gpu", "9", "--quantity", "2", "--device-key", file]);
        let said = register.run(&context).await.unwrap().show(Format::Text);
        let next = format!("ionet stake add 500 or more, then ionet-worker --keypair {file}");
        assert!(said.contains(&next), "{said}");
    }
}
