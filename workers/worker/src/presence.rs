//! Being there: answers to the beacons that call this device, and its check-in to every hour.
//!
//! Nothing of it is kept: the chain says which calls were answered and which hour was checked in to, and refuses what comes twice.

use crate::{Result, Worker, market};
use chain::market::reward;
use protocol::emission::{self, BLOCK_SECONDS};
use protocol::presence::BEACONS;
use solana_instruction::Instruction;
use solana_signer::Signer;
use staking::{Device, RewardBlock};
use std::convert::Infallible;
use std::time::Duration;
use tokio::time::sleep;

/// Looks follow each other at least this fast: a call waits for a minute.
const LOOK: Duration = Duration::from_secs(10);

impl Worker {
    /// Answers calls and checks in for ever.
    pub(crate) async fn be_present(&self) -> Infallible {
        // The last hour whose check-in was refused: saying so once is enough.
        let mut refused = 0;
        loop {
            if let Err(error) = self.look_present(&mut refused).await {
                self.metrics.errors_total.add(1);
                tracing::warn!(event = "retry", %error, "beacons cannot be looked for; trying again");
            }
            sleep(LOOK.min(self.settings.scan)).await;
        }
    }

    async fn look_present(&self, refused: &mut u32) -> Result<()> {
        let now = market::now(&self.chain).await?.unix;
        let on = now.saturating_sub(now.rem_euclid(BLOCK_SECONDS));
        for hour in [on.saturating_sub(BLOCK_SECONDS), on] {
            let block: Option<RewardBlock> = self.chain.try_fetch(&reward::block(hour)).await?;
            let (Some(block), Some(number)) = (block, emission::number(hour)) else {
                continue;
            };
            let device: Device = self.chain.fetch(&self.device).await?;
            for index in 0..BEACONS {
                let called = block.check_called(index, &self.device, now).is_ok();
                let root = reward::work_root(&block, &self.device, index);
                if let Some(root) = root.filter(|_| called && !device.has_answered(number, index)) {
                    let answer = reward::answer(&self.key.pubkey(), &self.device, hour, index, root);
                    self.tell(answer, "call answered", hour).await;
                }
            }
            if block.check_open(now).is_ok() && device.last_hour.get() < number && *refused < number {
                let next: Option<RewardBlock> = self.chain.try_fetch(&reward::block(hour.saturating_add(BLOCK_SECONDS))).await?;
                // What has to be shown is drawn five minutes into the next hour.
                let Ok(shown) = reward::shown(&block, next.as_ref(), &device, &self.device) else {
                    continue;
                };
                let shard = block.shard(&self.device);
                let check_in = reward::check_in(&self.key.pubkey(), &self.device, self.gpu, hour, shard, shown);
                if !self.tell(check_in, "checked in", hour).await {
                    *refused = number;
                }
            }
        }
        Ok(())
    }

    /// Sends one transaction; says whether it landed.
    async fn tell(&self, instruction: Instruction, event: &'static str, hour: i64) -> bool {
        match self.chain.send(&[instruction], &[&self.key], &self.options).await {
            Ok(receipt) => {
                tracing::info!(event, hour, signature = %receipt.signature);
                true
            }
            Err(error) => {
                tracing::warn!(event = "absent", hour, %error, "this hour may not count");
                false
            }
        }
    }
}
