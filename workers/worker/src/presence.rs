//! Being there: answers to the beacons that call this device, with the work they ask for, and its check-in to every hour, with a part of that work.
//!
//! Nothing of it is kept: the chain says which calls were answered and which hour was checked in to, and refuses what comes twice. Work is done again to
//! show a part of it.

use crate::{Result, Worker, market};
use ::referee::EvidenceHeader;
use chain::market::reward::{self, Asked};
use chain::market::{referee, stake};
use protocol::emission::{self, BLOCK_SECONDS};
use protocol::hash::Hash;
use protocol::presence::BEACONS;
use protocol::work::{self, Draw};
use solana_instruction::Instruction;
use solana_signer::Signer;
use staking::{Device, GpuModel, RewardBlock};
use std::convert::Infallible;
use std::time::Duration;
use tokio::time::sleep;

/// Looks follow each other at least this fast: a call waits for a minute.
const LOOK: Duration = Duration::from_secs(10);

/// Seconds of the next hour in which a check-in waits for the jobs in hand before it does its work beside them.
const PATIENCE: i64 = 2_400;

/// About a slot.
const SLOT: Duration = Duration::from_millis(400);

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
        let gpu: GpuModel = self.chain.fetch(&stake::gpu_model(self.gpu)).await?;
        // A call does not wait as long as a check-in does.
        for hour in [on, on.saturating_sub(BLOCK_SECONDS)] {
            let block: Option<RewardBlock> = self.chain.try_fetch(&reward::block(hour)).await?;
            let (Some(block), Some(number)) = (block, emission::number(hour)) else {
                continue;
            };
            for index in (0..BEACONS).filter(|index| block.check_called(*index, &self.device, now).is_ok()) {
                let device: Device = self.chain.fetch(&self.device).await?;
                let asked = Asked::by(&block, &gpu, &device, &self.device, index);
                if let Some(asked) = asked.filter(|_| !device.has_answered(number, index)) {
                    self.answer_call(hour, index, asked).await?;
                }
            }
            let device: Device = self.chain.fetch(&self.device).await?;
            if block.check_open(now).is_ok() && device.last_hour.get() < number && *refused < number {
                let next: Option<RewardBlock> = self.chain.try_fetch(&reward::block(hour.saturating_add(BLOCK_SECONDS))).await?;
                // What has to be shown is drawn five minutes into the next hour.
                let Ok(drawn) = reward::drawn(&block, next.as_ref(), &gpu, &device, &self.device) else {
                    continue;
                };
                let evidence = match drawn {
                    None => Ok(None),
                    Some((asked, draw)) => match self.evidence(asked, draw, now < on.saturating_add(PATIENCE)).await {
                        Ok(None) => continue,
                        evidence => evidence,
                    },
                };
                let counted = match evidence {
                    Ok(evidence) => self.check_in(hour, block.shard(&self.device), evidence.as_deref()).await?,
                    Err(error) => self.absent(hour, &error),
                };
                if !counted {
                    *refused = number;
                }
            }
        }
        Ok(())
    }

    /// Answers a call: with its work, or as a device at work for a job.
    async fn answer_call(&self, hour: i64, index: u8, asked: Asked) -> Result<()> {
        let hired = async || Ok::<_, crate::Error>(!self.chain.fetch::<Device>(&self.device).await?.open_jobs.is_zero());
        let mut done = None;
        if !hired().await? {
            done = self.do_work(asked, None, true).await?;
            // What came in between is a job, which the work would hold up, or an audit, which is no excuse.
            if done.is_none() && !hired().await? {
                done = self.do_work(asked, None, false).await?;
            }
        }
        let root = done.map(|done| work::answer(&done.roots));
        let answer = reward::answer(&self.key.pubkey(), &self.device, hour, index, root);
        self.tell(&[answer], "call answered", hour).await;
        Ok(())
    }

    /// What is to be shown of the work that was asked for; `None` while it has to wait for jobs.
    async fn evidence(&self, asked: Asked, draw: Draw, waits: bool) -> Result<Option<Vec<u8>>> {
        let done = self.do_work(asked, Some(draw), waits).await?;
        Ok(done.map(|done| work::evidence(&done.roots, &draw, &done.openings)))
    }

    /// Checks in, by this evidence; says whether that landed.
    async fn check_in(&self, hour: i64, shard: u8, evidence: Option<&[u8]>) -> Result<bool> {
        let key = self.key.pubkey();
        let seal = evidence.map(|evidence| protocol::referee::seal(evidence, key.as_array(), self.device.as_array()));
        if let (Some(evidence), Some(seal)) = (evidence, &seal) {
            self.show(evidence, seal).await?;
        }
        let account = seal.map(|seal| referee::evidence(&key, &seal));
        let check_in = reward::check_in(&key, &self.device, self.gpu, hour, shard, account);
        // Its rent comes back, whatever became of the check-in.
        let closing = seal.map(|seal| referee::close_evidence(&key, &seal));
        let both: Vec<Instruction> = [check_in].into_iter().chain(closing.clone()).collect();
        if self.tell(&both, "checked in", hour).await {
            return Ok(true);
        }
        if let Some(closing) = closing {
            self.chain.send(&[closing], &[&self.key], &self.options).await?;
        }
        Ok(false)
    }

    /// Puts evidence on chain, or what is missing of it.
    async fn show(&self, evidence: &[u8], seal: &Hash) -> Result<()> {
        let key = self.key.pubkey();
        loop {
            let account: Option<EvidenceHeader> = self.chain.try_fetch(&referee::evidence(&key, seal)).await?;
            let Some(next) = referee::next(&key, &self.device, evidence, account.as_ref()) else {
                return Ok(());
            };
            let sealed = account.map(|account| account.sealed_slot.get());
            while let Some(sealed) = sealed
                && market::now(&self.chain).await?.slot <= sealed
            {
                sleep(SLOT).await;
            }
            self.chain.send(&[next], &[&self.key], &self.options).await?;
        }
    }

    /// Says why an hour may not count; false.
    fn absent(&self, hour: i64, error: &crate::Error) -> bool {
        tracing::warn!(event = "absent", hour, %error, "this hour may not count");
        false
    }

    /// Sends one transaction; says whether it landed.
    async fn tell(&self, instructions: &[Instruction], event: &'static str, hour: i64) -> bool {
        match self.chain.send(instructions, &[&self.key], &self.options).await {
            Ok(receipt) => {
                tracing::info!(event, hour, signature = %receipt.signature);
                true
            }
            Err(error) => self.absent(hour, &error.into()),
        }
    }
}
