//! `ionet device`: GPUs offered on the market.

mod gpu;
mod key;
mod show;

use crate::{
    context::Context,
    error::{Error, Result, refuse},
    output::{Answer, fields},
    send::Sent,
};
use chain::{Filter, market, market::stake};
use clap::Subcommand;
pub use gpu::{find_gpu, gpu_name};
use gpu::{gpu_models, list_models, minimum};
use key::{HotKey, Key};
use serde::Serialize;
use show::{List, Shown};
use solana_address::Address;
use solana_signer::Signer;
use staking::Device;
use std::fmt;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the market's GPU models
    ListModels,
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
    /// Retire a device; its stake stays until it is unstaked
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
    /// Address of the device; needed only if the wallet owns several
    #[arg(long)]
    device: Option<Address>,
}

impl Which {
    /// Finds the device.
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
struct Done {
    device: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// What to do next.
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
            .then(|| "ionet stake unstake, ionet stake withdraw once it has cooled down, then ionet device close".to_owned());
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{output::Format, testing};
    use anchor_lang::bytemuck::Zeroable;
    use chain::fake::Fake;
    use protocol::units::IO;
    use staking::GpuModel;
    use std::sync::Arc;

    #[tokio::test]
    async fn registering_says_what_to_stake() {
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
