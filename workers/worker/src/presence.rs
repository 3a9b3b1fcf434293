//! Presence: answers to the beacons that call this device, with the work they ask for, and its check-in to every hour, with a part of that
//! work.
//!
//! Nothing of it is kept on disk: the chain says which calls were answered and which hour was checked in to, and refuses what comes twice.
//! Work is done again to show a part of it.

use crate::{Error, Result, Worker, market, reserve};
use ::referee::EvidenceHeader;
use chain::market::reward::{self, Asked};
use chain::market::{referee, stake};
use protocol::emission::{self, BLOCK_SECONDS};
use protocol::hash::Hash;
use protocol::presence::BEACONS;
use protocol::work;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_signer::Signer;
use staking::{Device, GpuModel, RewardBlock};
use std::convert::Infallible;
use std::slice::from_ref;
use std::time::Duration;
use tokio::time::sleep;

/// Looks follow each other at least this fast: a call waits for a minute.
const LOOK: Duration = Duration::from_secs(10);

/// Seconds of the next hour in which a check-in waits for the jobs in hand before it does its work beside them; then no beacon is due for
/// some minutes.
const PATIENCE: i64 = 2_450;

/// Seconds to rest after work that failed: it would fail again.
const REST: i64 = 300;

/// Seconds to rest after a check-in that was refused, twice as many after each further one up to the last: a node may be behind, or a tally
/// opened late, and a device that misses an hour begins anew.
const REFUSED: (i64, i64) = (30, 480);

/// About a slot.
const SLOT: Duration = Duration::from_millis(400);

/// What is remembered from look to look of the hour that is over, to which a check-in is open.
#[derive(Default)]
struct Memory {
    /// The hour's number.
    hour: u32,
    /// Whether evidence that stayed behind has been dropped: of a check-in to an earlier hour, or of a worker before this one.
    swept: bool,
    /// No work and no check-in before this time.
    rests_until: i64,
    /// How long to rest after the next refusal.
    rest: i64,
    /// Evidence made of the work.
    made: Option<Vec<u8>>,
}

impl Worker {
    /// Answers calls and checks in for ever.
    pub(crate) async fn be_present(&self) -> Infallible {
        let mut memory = Memory::default();
        loop {
            if let Err(error) = self.look_present(&mut memory).await {
                self.metrics.errors_total.add(1);
                tracing::warn!(event = "retry", %error, "no look for beacons, or no answer; trying again");
            }
            sleep(LOOK.min(self.settings.scan)).await;
        }
    }

    async fn look_present(&self, memory: &mut Memory) -> Result<()> {
        let now = self.chain.now().await?.unix;
        let on = emission::start_of(now);
        let over = emission::number(on.saturating_sub(BLOCK_SECONDS)).unwrap_or_default();
        if memory.hour != over {
            *memory = Memory {
                hour: over,
                rest: REFUSED.0,
                ..Memory::default()
            };
        }
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
                let Some(asked) = asked.filter(|_| !device.has_answered(number, index)) else {
                    continue;
                };
                if let Err(error) = self.answer_call(hour, index, asked).await {
                    self.absent(hour, &error);
                }
            }
            let device: Device = self.chain.fetch(&self.device).await?;
            let open = block.check_open(now).is_ok() && device.last_hour.get() < number;
            if open && now >= memory.rests_until {
                let next: Option<RewardBlock> = self.chain.try_fetch(&reward::block(hour.saturating_add(BLOCK_SECONDS))).await?;
                // What has to be shown is drawn five minutes into the next hour; without a draw in its first half presence alone counts.
                let Ok(drawn) = reward::drawn(&block, next.as_ref(), &gpu, &device, &self.device, now) else {
                    continue;
                };
                if let Some((asked, draw)) = drawn
                    && memory.made.is_none()
                {
                    match self.do_work(asked, Some(draw), now < on.saturating_add(PATIENCE)).await {
                        Ok(None) => continue,
                        Ok(Some(done)) => memory.made = Some(work::evidence(&done.roots, &draw, &done.openings)),
                        Err(error) => {
                            self.absent(hour, &error);
                            memory.rests_until = now.saturating_add(REST);
                            continue;
                        }
                    }
                }
                let evidence = memory.made.as_deref().filter(|_| drawn.is_some());
                match self.check_in(hour, block.shard(&self.device), evidence).await {
                    // What was shown stays for the next try.
                    Err(error) if is_refusal(&error) => {
                        self.absent(hour, &error);
                        memory.rests_until = now.saturating_add(memory.rest);
                        memory.rest = memory.rest.saturating_mul(2).min(REFUSED.1);
                    }
                    done => done?,
                }
            }
        }
        // No call waits for it.
        if !memory.swept {
            self.sweep(&self.device).await?;
            memory.swept = true;
        }
        Ok(())
    }

    /// Answers a call: with its work, or as a device at work for a job.
    async fn answer_call(&self, hour: i64, index: u8, asked: Asked) -> Result<()> {
        let hired = async || Ok::<_, Error>(!self.chain.fetch::<Device>(&self.device).await?.open_jobs.is_zero());
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
        let receipt = self.chain.send(&[answer], &[&self.key], &self.options).await?;
        tracing::info!(event = "call answered", hour, index, signature = %receipt.signature);
        Ok(())
    }

    /// Checks in, by this evidence, whose rent comes back.
    async fn check_in(&self, hour: i64, shard: u8, evidence: Option<&[u8]>) -> Result<()> {
        let key = self.key.pubkey();
        let seal = evidence.map(|evidence| protocol::referee::seal(evidence, key.as_array(), self.device.as_array()));
        let account = seal.map(|seal| referee::evidence(&key, &seal));
        *self.evidence.lock() = account;
        if let (Some(evidence), Some(seal)) = (evidence, &seal) {
            self.show(evidence, seal).await?;
        }
        let check_in = reward::check_in(&key, &self.device, self.gpu, hour, shard, account);
        let closing = seal.map(|seal| referee::close_evidence(&key, &seal));
        let both: Vec<Instruction> = [check_in].into_iter().chain(closing).collect();
        let receipt = self.chain.send(&both, &[&self.key], &self.options).await?;
        tracing::info!(event = "checked in", hour, signature = %receipt.signature);
        Ok(())
    }

    /// Puts evidence on chain, or what is missing of it.
    async fn show(&self, evidence: &[u8], seal: &Hash) -> Result<()> {
        let key = self.key.pubkey();
        let mut slot = 0;
        loop {
            let account: Option<EvidenceHeader> = self.account_since(&referee::evidence(&key, seal), slot).await?;
            let Some(next) = referee::next(&key, &self.device, evidence, account.as_ref()) else {
                return Ok(());
            };
            if account.is_none() {
                self.check_rent(&next).await?;
            }
            let sealed = account.map(|account| account.sealed_slot.get());
            while let Some(sealed) = sealed
                && self.chain.now().await?.slot <= sealed
            {
                sleep(SLOT).await;
            }
            slot = self.chain.send(&[next], &[&self.key], &self.options).await?.slot;
        }
    }

    /// Whether sealing evidence, which locks its rent, leaves what answers to demands may take.
    async fn check_rent(&self, sealing: &Instruction) -> Result<()> {
        let key = self.key.pubkey();
        let preview = self.chain.preview(&key, from_ref(sealing), &[key], &self.options).await?;
        let left = preview.after.into_iter().flatten().next().map_or(0, |account| account.lamports);
        let needed = reserve::for_tasks(&self.tasks(), self.settings.priority_fee);
        if left < needed {
            return Err(Error::Poor { key, left, needed });
        }
        Ok(())
    }

    /// Drops evidence about a subject that nothing took: its rent comes back.
    pub(crate) async fn sweep(&self, subject: &Address) -> Result<()> {
        let key = self.key.pubkey();
        for (_, left) in self.chain.find::<EvidenceHeader>(&market::evidence_by(&key, subject)).await? {
            let closing = referee::close_evidence(&key, &left.seal);
            let receipt = self.chain.send(&[closing], &[&self.key], &self.options).await?;
            tracing::info!(event = "evidence dropped", signature = %receipt.signature);
        }
        Ok(())
    }

    /// Says why an hour may not count.
    fn absent(&self, hour: i64, error: &Error) {
        tracing::warn!(event = "absent", hour, %error, "this hour may not count");
    }
}

/// Whether a check-in failed for a reason that takes time to pass.
fn is_refusal(error: &Error) -> bool {
    match error {
        Error::Chain(error) => error.is_failure(),
        error => matches!(error, Error::Poor { .. }),
    }
}
