//! The key a worker signs with.

use crate::{
    amount::{Quantity, SOL},
    context::Context,
    effect::Watched,
    error::{Result, refuse},
    output::Answer,
    send::{About, Done},
};
use chain::market::stake;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::path::PathBuf;

/// The key a worker signs with.
#[derive(clap::Args, Clone, Debug)]
pub struct Key {
    /// Keypair file that the worker signs with; created if it does not exist
    #[arg(long, value_name = "FILE")]
    device_key: PathBuf,
    #[arg(
        long,
        value_name = "SOL",
        help = format!("SOL to send to the key, which pays for the worker [default: {} if it has none]", SOL.number(worker::FUND))
    )]
    fund: Option<Quantity>,
}

/// A device's key, new or from a file.
pub struct HotKey {
    pub pair: Keypair,
    pub path: PathBuf,
    pub is_new: bool,
    pub fund: Option<Quantity>,
}

impl HotKey {
    pub fn open(Key { device_key: path, fund }: Key) -> Result<Self> {
        let is_new = !path.exists();
        let pair = if is_new { Keypair::new() } else { chain::load_keypair(&path)? };
        Ok(Self { pair, path, is_new, fund })
    }

    pub fn address(&self) -> Address {
        self.pair.pubkey()
    }

    /// Sends the instruction that makes this a device's key, and SOL for its fees.
    pub async fn enrol(
        &self,
        context: &Context,
        wallet: &Keypair,
        what: &str,
        device: Address,
        instruction: Instruction,
        next: Vec<(&'static str, String)>,
    ) -> Result<Answer> {
        if context.chain.exists(&stake::device_key(&self.address())).await? {
            return refuse(format!(
                "key {} signs for a device, or once did, and cannot be used again; name another file with --device-key",
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
        let (key, path) = (&self.pair, &self.path);
        let sent = match self.is_new {
            true => context.send_with_new(key, path, &instructions, wallet, &[key]).await?,
            false => context.send_agreed(&instructions, wallet, &[key]).await?,
        };
        Ok(Answer::new(&Done {
            shown: Some(About::new("device", device).and("key", self.address()).with(next)),
            amount: None,
            sent,
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{command::device::Command, testing};
    use anchor_lang::bytemuck::Zeroable;
    use chain::fake::gift;
    use staking::Device;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_new_key_is_kept_unless_its_transaction_did_not_land() {
        let (folder, fake, mut context, ..) = testing::on_market(0);
        let device = Address::new_unique();
        fake.set_account(device, testing::account(&Device::zeroed()));
        let path = folder.path().join("key.json");
        let [named, file] = [device.to_string(), path.display().to_string()];
        let rotate = || testing::typed::<Command>(&["rotate-key", "--device", &named, "--device-key", &file]);
        let expired = testing::expired(&fake, rotate().run(&context)).await;
        assert!(expired.is_err() && !path.exists());
        // The outcome is unknown.
        context.options.timeout = Duration::from_millis(1);
        assert!(rotate().run(&context).await.is_err() && path.exists());
        // Lamports at the address of its record do not make the key a used one.
        let key = chain::load_keypair(&path).unwrap();
        fake.set_account(stake::device_key(&key.pubkey()), gift());
        let error = rotate().run(&context).await.err().unwrap().to_string();
        assert!(!error.contains("cannot be used again"), "{error}");
    }
}
