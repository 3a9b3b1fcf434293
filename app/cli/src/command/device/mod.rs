//! `ionet device`: GPUs offered on the market.

mod gpu;
mod key;
mod list;
mod show;
mod tier;

use crate::{
    amount::SOL,
    command::costake::offers_of,
    context::Context,
    error::{Error, Result, refuse},
    output::Answer,
    send::{About, Plan},
};
use chain::{field, market, market::stake};
use clap::Subcommand;
use costaking::{Offer, Status};
pub use gpu::{find_gpu, gpu_name};
use gpu::{gpu_models, list_models, minimum};
use key::{HotKey, Key};
use list::list;
use show::{List, Shown};
use solana_address::Address;
use solana_signer::Signer;
use staking::{
    Device,
    state::{MAX_TIER, Offering},
};
use tier::set_tier;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the market's GPU models
    ListModels,
    /// List the market's devices: their stake, of which free for bonds, jobs done and open, and hours of presence without a gap
    List,
    /// Register GPUs as a device with a key of its own
    Register {
        /// GPU model: its id or name, as `ionet device list-models` shows them
        #[arg(long)]
        gpu: String,
        /// Number of GPUs behind the device
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=i64::from(protocol::stake::MAX_QUANTITY)))]
        quantity: u8,
        #[command(flatten)]
        key: Key,
    },
    /// Show a device, or all of the wallet's
    Show {
        /// The device [default: all of the wallet's]
        device: Option<Address>,
        /// Owner whose devices to show [default: the wallet]
        #[arg(long, conflicts_with = "device")]
        owner: Option<Address>,
    },
    /// Replace the key that the worker signs with
    RotateKey {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        key: Key,
    },
    /// Set the wallet that receives job payments
    SetPayout {
        #[command(flatten)]
        which: Which,
        /// The wallet that receives payments
        payout: Address,
    },
    /// Rate how well a device is connected, which its rewards depend on; only the market's verifier may
    SetTier {
        /// The device
        device: Address,
        /// Its tier: from 1 to 4, the best
        #[arg(value_parser = clap::value_parser!(u8).range(1..=i64::from(MAX_TIER)))]
        tier: u8,
    },
    /// Retire a device for good; its stake stays until it is unstaked
    Terminate {
        #[command(flatten)]
        which: Which,
    },
    /// Close a retired device without stake and reclaim its rent
    Close {
        #[command(flatten)]
        which: Which,
    },
}

/// Selects one of the wallet's devices.
#[derive(clap::Args, Clone, Debug)]
pub struct Which {
    /// Address of the device [default: the wallet's, if it owns exactly one]
    #[arg(long)]
    device: Option<Address>,
}

impl Which {
    /// Finds the device. The wallet is needed only if none is named.
    pub async fn find(&self, context: &Context) -> Result<(Address, Device)> {
        if let Some(address) = self.device {
            return Ok((address, context.chain.fetch(&address).await?));
        }
        let owner = context.address(None)?;
        let mut devices = owned(context, &owner).await?;
        match (devices.pop(), devices.len()) {
            (Some(device), 0) => Ok(device),
            (None, _) => refuse(format!("{owner} has no device yet; register one with `ionet device register`")),
            (Some(_), others) => Err(Error::Usage(format!(
                "{owner} has {} devices; say which with --device ADDRESS (`ionet device show` lists them)",
                others.saturating_add(1)
            ))),
        }
    }

    /// The device's address. If it is named, it need not exist any more.
    pub async fn address(&self, context: &Context) -> Result<Address> {
        match self.device {
            Some(address) => Ok(address),
            None => Ok(self.find(context).await?.0),
        }
    }

    /// The wallet's address, and the device.
    async fn own(&self, context: &Context) -> Result<(Address, Address, Device)> {
        let (address, device) = self.find(context).await?;
        Ok((context.wallet()?.pubkey(), address, device))
    }
}

/// Devices of an owner.
async fn owned(context: &Context, owner: &Address) -> Result<Vec<(Address, Device)>> {
    Ok(context.chain.find(&[field!(Device, owner, owner.as_array())]).await?)
}

impl Command {
    pub async fn run(self, context: &Context) -> Result<Answer> {
        let market = context.market().await?;
        let token = context.token(&market, None).await?;
        let plan = match self {
            Self::ListModels => return list_models(context, &market, token.unit).await,
            Self::List => return list(context, &market, token.unit).await,
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
                let device = stake::device(&key.address());
                let flags = &context.settings.flags;
                let next = vec![
                    (
                        "next",
                        format!("ionet{flags} stake add {} --device {device}", token.unit.number(least)),
                    ),
                    ("then", context.settings.worker(&key.path)),
                ];
                let what = format!("register {quantity} × {} with device key {}", gpu_name(&gpu), key.address());
                let register = stake::register_device(&wallet.pubkey(), &key.address(), &token.mint, gpu.id.get(), quantity);
                return key.enrol(context, &wallet, &what, device, register, next).await;
            }
            Self::RotateKey { which, key } => {
                let wallet = context.wallet()?;
                let (device, state) = which.find(context).await?;
                let key = HotKey::open(key)?;
                let what = format!("let {} sign for device {device}", key.address());
                let rotate = stake::rotate_device_key(&wallet.pubkey(), &device, &key.address());
                // The worker derives the device from the first key.
                let worker = format!("{} --device {device}", context.settings.worker(&key.path));
                let left = left_on(context, "old key", &state.key, &wallet.pubkey()).await?;
                let next = [("next", worker)].into_iter().chain(left).collect();
                return key.enrol(context, &wallet, &what, device, rotate, next).await;
            }
            Self::SetPayout { which, payout } => {
                let (owner, device, _) = which.own(context).await?;
                set_payout(context, &owner, device, payout).await?
            }
            Self::SetTier { device, tier } => set_tier(context, device, tier).await?,
            Self::Terminate { which } => {
                let (owner, device, state) = which.own(context).await?;
                // A node that does not list offers is no reason not to retire.
                let offers = offers_of(context, &device).await.unwrap_or_default();
                Plan {
                    question: format!("retire for good device {device}"),
                    instructions: vec![stake::terminate_device(&owner, &device)],
                    about: About::new("device", device)
                        .with(to_close(context, &device, &state, &offers))
                        .with(left_on(context, "key", &state.key, &owner).await?),
                    amount: None,
                }
            }
            Self::Close { which } => {
                let (owner, device, state) = which.own(context).await?;
                let receive = market::create_token_account(&owner, &owner, &token.mint);
                let to = market::token_account(&owner, &token.mint);
                Plan {
                    question: format!("close device {device}"),
                    instructions: vec![receive, stake::close_device(&owner, &device, &to)],
                    about: About::new("device", device).with(left_on(context, "key", &state.key, &owner).await?),
                    amount: None,
                }
            }
        };
        context.carry_out(plan, &[]).await
    }
}

/// Names the wallet that receives job payments.
async fn set_payout(context: &Context, owner: &Address, device: Address, payout: Address) -> Result<Plan> {
    if context.chain.is_token_account(&payout).await? {
        return refuse(format!(
            "{payout} is a token account or a mint, and payments to it would be lost; give the address of the wallet that owns the tokens"
        ));
    }
    let mut plan = Plan {
        question: format!("send payments to {payout} for device {device}"),
        instructions: vec![stake::set_payout(owner, &device, &payout)],
        about: About::new("device", device),
        amount: None,
    };
    if !context.is_wallet(&payout).await? {
        let warning = "this is not a wallet but an account of a program, and unless that program can move tokens, the payments are lost";
        plan.question = format!("{} ({warning})", plan.question);
        plan.about = plan.about.and("warning", warning);
    }
    Ok(plan)
}

/// What is left for its owner to do until a retired device can be closed, with all its `offers`. Co-stakers may have to withdraw besides,
/// and slashes to end.
fn to_close(context: &Context, address: &Address, device: &Device, offers: &[(Address, Offer)]) -> Vec<(&'static str, String)> {
    // Without holders, an offer is closed when it ends.
    let outlives = |offer: &Offer| offer.status == Status::Ended || !offer.holders.is_zero();
    let is_staked = !device.own_stake.is_zero();
    let is_pending = device.pending().next().is_some();
    let steps = [
        (device.offering == Offering::Open, None, "costake retract"),
        // Takes all co-stake along, so that the offer can end.
        (is_staked, None, "stake unstake"),
        (
            device.offering != Offering::Nothing,
            is_pending.then_some("once pending rewards are collected"),
            "costake end",
        ),
        (
            is_pending || !device.rewards.is_zero(),
            is_pending.then_some("once pending rewards are collected"),
            "reward claim",
        ),
        (
            is_staked || !device.cooling.is_zero(),
            Some("once it has cooled down"),
            "stake withdraw",
        ),
        (
            offers.iter().any(|(_, offer)| outlives(offer)),
            Some("once all co-stakers have withdrawn"),
            "costake close",
        ),
        (true, None, "device close"),
    ];
    let left = steps.into_iter().filter(|(is_left, ..)| *is_left);
    left.enumerate()
        .map(|(number, (_, when, what))| {
            let when = when.unwrap_or(if number == 0 { "next" } else { "then" });
            (when, format!("ionet{} {what} --device {address}", context.settings.flags))
        })
        .collect()
}

/// The SOL that a key still holds once its device needs it no longer, and how its owner gets it back.
async fn left_on(context: &Context, what: &'static str, key: &Address, owner: &Address) -> Result<Option<(&'static str, String)>> {
    let lamports = context.chain.account(key).await?.map_or(0, |account| account.lamports);
    let sweep = context.settings.sweep(owner);
    Ok((lamports > 0).then(|| (what, format!("holds {}; to get that back: {sweep}", SOL.show(lamports)))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{output::Format, testing};
    use anchor_lang::bytemuck::Zeroable;
    use protocol::units::IO;
    use spl_token_interface::state::Multisig;
    use staking::GpuModel;

    #[tokio::test]
    async fn registering_says_what_to_stake() {
        let (folder, fake, context, ..) = testing::on_market(0);
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
        // Both lines can be pasted into a shell.
        let (wallet, blobs) = (&context.settings.keypair, &context.settings.blobs);
        let device = stake::device(&chain::load_keypair(&path).unwrap().pubkey());
        let [stake, worker] = [
            format!(
                "ionet --keypair {} --blobs {blobs} stake add 500 --device {device}",
                wallet.display()
            ),
            format!("ionet-worker --keypair {file} --blobs {blobs} --models models"),
        ];
        assert!(said.contains(&format!("next    {stake}\nthen    {worker}\n")), "{said}");
    }

    #[tokio::test]
    async fn a_new_key_says_how_to_start_the_worker_and_what_the_old_one_holds() {
        let (folder, fake, context, wallet, _) = testing::on_market(0);
        let [device, old] = [(); 2].map(|()| Address::new_unique());
        let registered = Device {
            owner: wallet.pubkey(),
            key: old,
            ..Device::zeroed()
        };
        fake.set_account(device, testing::account(&registered));
        let sol = solana_account::Account {
            lamports: 120_000_000,
            ..Default::default()
        };
        fake.set_account(old, sol);
        let path = folder.path().join("key.json");
        let rotate: Command = testing::typed(&["rotate-key", "--device-key", path.to_str().unwrap()]);
        let said = rotate.run(&context).await.unwrap().show(Format::Text);
        let worker = format!("next     {} --device {device}\n", context.settings.worker(&path));
        assert!(said.contains(&worker), "{said}");
        let (owner, url) = (wallet.pubkey(), &context.settings.cluster.rpc);
        let left = format!("old key  holds 0.12 SOL; to get that back: solana transfer {owner} ALL --keypair FILE --url {url}\n");
        assert!(said.contains(&left), "{said}");
        let retire: Command = testing::typed(&["terminate"]);
        let said = retire.run(&context).await.unwrap().show(Format::Text);
        assert!(said.contains("holds 0.12 SOL; to get that back: solana transfer"), "{said}");
    }

    #[tokio::test]
    async fn payments_go_to_no_token_account() {
        let (_folder, fake, context, wallet, mint) = testing::on_market(5);
        let (owner, device) = (wallet.pubkey(), Address::new_unique());
        fake.set_account(device, testing::account(&Device { owner, ..Device::zeroed() }));
        let told = async |payout: Address| {
            let plan = set_payout(&context, &owner, device, payout).await;
            plan.map(|plan| plan.question).unwrap_or_else(|error| error.to_string())
        };
        for lost in [market::token_account(&owner, &mint), mint] {
            let said = told(lost).await;
            assert!(said.contains("would be lost; give the address of the wallet"), "{said}");
        }
        let multisig = Address::new_unique();
        fake.set_account(multisig, testing::packed(Multisig::default()));
        for of_program in [multisig, chain::market::govern::authority()] {
            let said = told(of_program).await;
            assert!(said.contains("(this is not a wallet"), "{said}");
        }
        let other = solana_keypair::Keypair::new().pubkey();
        assert_eq!(told(other).await, format!("send payments to {other} for device {device}"));
    }

    #[tokio::test]
    async fn retiring_says_how_to_close() {
        let (_folder, fake, context, wallet, _) = testing::on_market(0);
        let (address, owner) = (Address::new_unique(), wallet.pubkey());
        let told = async |device: Device| {
            let device = Device { owner, ..device };
            fake.set_account(address, testing::account(&device));
            let retire: Command = testing::typed(&["terminate"]);
            let said = retire.run(&context).await.unwrap().show(Format::Text);
            let flags = &context.settings.flags;
            let commands = said.lines().filter_map(|line| Some(line.split_once("  ionet")?.1.to_owned()));
            let commands = commands.map(|command| {
                command
                    .trim_start_matches(flags.as_str())
                    .trim_end_matches(&format!(" --device {address}"))
                    .to_owned()
            });
            commands.collect::<Vec<_>>()
        };
        let empty = Device::zeroed();
        let staked = Device {
            own_stake: 5.into(),
            ..empty
        };
        assert_eq!(told(staked).await, [" stake unstake", " stake withdraw", " device close"]);
        let cooling = Device {
            cooling: 5.into(),
            ..empty
        };
        assert_eq!(told(cooling).await, [" stake withdraw", " device close"]);
        assert_eq!(told(empty).await, [" device close"]);
        let shared = Device {
            offering: Offering::Open as u8,
            rewards: 5.into(),
            ..staked
        };
        let (before, after) = ([" costake retract", " stake unstake"], [" stake withdraw", " device close"]);
        let rewarded = [" costake end", " reward claim"];
        assert_eq!(told(shared).await, [before, rewarded, after].concat());
        let offer = Offer {
            device: address,
            holders: 1.into(),
            ..Offer::zeroed()
        };
        let at = Address::new_unique();
        fake.set_account(at, testing::account(&offer));
        let closes = [" stake withdraw", " costake close", " device close"];
        assert_eq!(told(shared).await, [&before[..], &rewarded, &closes].concat());
        fake.set_account(at, solana_account::Account::default());
        let pending = Device {
            pending_scores: [1.into(), 0.into(), 0.into(), 0.into()],
            ..empty
        };
        assert_eq!(told(pending).await, [" reward claim", " device close"]);
    }
}
