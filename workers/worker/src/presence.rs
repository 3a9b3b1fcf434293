//! Presence: answering the beacons that call this device, with the work they ask for, and checking in to every hour, with a part of that
//! work as evidence. After a check-in it collects what earlier hours have earned.
//!
//! Nothing is kept on disk: the chain says which calls were answered and which hour was checked in to, and refuses duplicates. The work is
//! done a second time for the evidence.

use crate::{Error, Result, Worker, market, reserve};
use ::referee::EvidenceHeader;
use chain::market::reward::{self, Asked};
use chain::market::{referee, stake};
use chain::{Receipt, SendOptions};
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
use tokio::sync::Mutex;
use tokio::time::sleep;

/// Longest interval between two looks for calls, which wait for a minute.
const LOOK: Duration = Duration::from_secs(10);

/// Seconds from one beacon to the next.
const BEACON_SECONDS: i64 = BLOCK_SECONDS / BEACONS as i64;

/// Seconds after a beacon in which its calls are usually answered.
const ANSWERED: i64 = 50;

/// Seconds into the next hour for which a check-in waits for jobs that compute: until the calls of its beacon 8 are answered. After that it does
/// its work in parallel with them. No beacon is due for some minutes then, and a third of the hour is left to repeat a refused check-in.
const PATIENCE: i64 = 8 * BEACON_SECONDS + ANSWERED;

/// Seconds to pause after failed work, which would fail again.
const FAILED: i64 = 300;

/// First and last backoff in seconds after a refused check-in, doubled each time: the node may lag, or a tally may be opened late, and a
/// device that misses an hour starts over.
const REFUSED: (i64, i64) = (30, 480);

/// About the length of a slot.
const SLOT: Duration = Duration::from_millis(400);

/// What is remembered between looks, about the last full hour, to which the device may check in now.
#[derive(Default)]
struct Memory {
    /// The hour's number.
    hour: u32,
    /// Whether leftover evidence was closed: of a check-in to an earlier hour, or of an earlier process.
    swept: bool,
    /// Unix time before which nothing is attempted.
    paused_until: i64,
    /// Backoff in seconds after the next refusal.
    backoff: i64,
    /// Evidence of the work, once it is done.
    evidence: Option<Vec<u8>>,
}

/// What calls and check-ins depend on.
struct Seen {
    /// Unix time.
    now: i64,
    gpu: GpuModel,
    device: Device,
    /// The current hour, and its block if that is open.
    current: (i64, Option<RewardBlock>),
    /// The last full hour, likewise.
    last: (i64, Option<RewardBlock>),
}

impl Worker {
    /// Keeps answering calls and checking in, side by side: a check-in takes many transactions, and a call does not wait for them.
    pub(crate) async fn keep_presence(&self) -> Infallible {
        let turn = Mutex::default();
        tokio::join!(self.keep_answering(&turn), self.keep_checking_in(&turn)).0
    }

    async fn keep_answering(&self, turn: &Mutex<()>) -> Infallible {
        loop {
            let looked = {
                let _acting = self.presence.read().await;
                let _turn = turn.lock().await;
                self.look_for_calls().await
            };
            self.note(looked, "could not look for calls or answer them; trying again");
            sleep(LOOK.min(self.settings.scan)).await;
        }
    }

    async fn keep_checking_in(&self, turn: &Mutex<()>) -> Infallible {
        let mut memory = Memory::default();
        loop {
            let looked = {
                let _acting = self.presence.read().await;
                self.look_for_hour(&mut memory, turn).await
            };
            self.note(looked, "could not look for an hour to check in to, or check in; trying again");
            sleep(LOOK.min(self.settings.scan)).await;
        }
    }

    fn note(&self, looked: Result<()>, failed: &str) {
        if let Err(error) = looked {
            self.metrics.errors_total.add(1);
            tracing::warn!(event = "retry", %error, "{failed}");
        }
    }

    /// Reads everything in one request, once the time says which hours that concerns.
    async fn see(&self) -> Result<Seen> {
        let now = self.chain.now().await?.unix;
        let current = emission::start_of(now);
        let last = current.saturating_sub(BLOCK_SECONDS);
        let (gpu_at, current_at, last_at) = (stake::gpu_model(self.gpu), reward::block(current), reward::block(last));
        let addresses = [gpu_at, self.device, current_at, last_at];
        let (_, accounts) = self.chain.network().accounts(&addresses).await?;
        let [gpu, device, now_block, last_block] = accounts.try_into().unwrap_or_default();
        let (gpu, device) = (
            chain::decode_if_any(&gpu_at, gpu.as_ref())?,
            chain::decode_if_any(&self.device, device.as_ref())?,
        );
        Ok(Seen {
            now,
            gpu: gpu.ok_or_else(|| self.chain.missing(&gpu_at))?,
            device: device.ok_or_else(|| self.chain.missing(&self.device))?,
            current: (current, chain::decode_if_any(&current_at, now_block.as_ref())?),
            last: (last, chain::decode_if_any(&last_at, last_block.as_ref())?),
        })
    }

    /// Answers the calls of the current hour, and the last ones of the hour before, that wait for this device.
    async fn look_for_calls(&self) -> Result<()> {
        let seen = self.see().await?;
        let device = &seen.device;
        for (hour, block) in [&seen.current, &seen.last] {
            let (Some(block), Some(number)) = (block, emission::number(*hour)) else {
                continue;
            };
            for index in (0..BEACONS).filter(|index| block.check_called(*index, &self.device, seen.now).is_ok()) {
                let asked = Asked::by(block, &seen.gpu, device, &self.device, index);
                let Some(asked) = asked.filter(|_| !device.has_answered(number, index)) else {
                    continue;
                };
                if let Err(error) = self.answer_call(*hour, index, asked).await {
                    self.absent(*hour, &error);
                }
            }
        }
        Ok(())
    }

    /// Checks in to the last full hour, if that is due.
    async fn look_for_hour(&self, memory: &mut Memory, turn: &Mutex<()>) -> Result<()> {
        let seen = self.see().await?;
        let number = emission::number(seen.last.0).unwrap_or_default();
        if memory.hour != number {
            *memory = Memory {
                hour: number,
                backoff: REFUSED.0,
                ..Memory::default()
            };
        }
        self.try_check_in(&seen, memory, turn).await?;
        if !memory.swept {
            self.sweep(&self.device).await?;
            memory.swept = true;
        }
        Ok(())
    }

    /// Checks in to the last full hour, if that is possible now and the device has not done it. Pauses after a failure.
    async fn try_check_in(&self, seen: &Seen, memory: &mut Memory, turn: &Mutex<()>) -> Result<()> {
        let Seen { now, gpu, device, .. } = seen;
        let ((next_hour, next), (hour, Some(block))) = (&seen.current, &seen.last) else {
            return Ok(());
        };
        let (now, hour) = (*now, *hour);
        let open = block.check_open(now).is_ok() && device.last_hour.get() < memory.hour;
        if !open || now < memory.paused_until {
            return Ok(());
        }
        // The next hour draws, five minutes in, which part of the work to show. Without a draw in its first half, no evidence is needed.
        let Ok(drawn) = reward::drawn(block, next.as_ref(), gpu, device, &self.device, now) else {
            return Ok(());
        };
        if let Some((asked, draw)) = drawn
            && memory.evidence.is_none()
        {
            // One work at a time. The beacon that draws may also call, and a call cannot wait as long as a check-in.
            let _turn = turn.lock().await;
            self.look_for_calls().await?;
            match self.do_work(asked, Some(draw), now < next_hour.saturating_add(PATIENCE)).await {
                Ok(None) => return Ok(()),
                Ok(Some(done)) => memory.evidence = Some(work::evidence(&done.roots, &draw, &done.openings)),
                Err(error) => {
                    self.absent(hour, &error);
                    memory.paused_until = now.saturating_add(FAILED);
                    return Ok(());
                }
            }
        }
        let evidence = memory.evidence.as_deref().filter(|_| drawn.is_some());
        match self.check_in(hour, block.shard(&self.device), evidence).await {
            // The evidence stays on chain for the next attempt.
            Err(error) if is_refusal(&error) => {
                self.absent(hour, &error);
                memory.paused_until = now.saturating_add(memory.backoff);
                memory.backoff = memory.backoff.saturating_mul(2).min(REFUSED.1);
                Ok(())
            }
            done => done,
        }
    }

    /// Answers a call with its work, or without if the device has a job.
    async fn answer_call(&self, hour: i64, index: u8, asked: Asked) -> Result<()> {
        let hired = async || Ok::<_, Error>(!self.chain.fetch::<Device>(&self.device).await?.open_jobs.is_zero());
        let mut done = None;
        if !hired().await? {
            done = self.do_work(asked, None, true).await?;
            // The work gave way to a job, which excuses the device, or to an audit, which does not.
            if done.is_none() && !hired().await? {
                done = self.do_work(asked, None, false).await?;
            }
        }
        let root = done.map(|done| work::answer(&done.roots));
        let answer = [reward::answer(&self.key.pubkey(), &self.device, hour, index, root)];
        // A call waits for a minute, so there may be no second attempt.
        let receipt = self.chain.send(&answer, &[&self.key], &self.options.within(0)).await?;
        tracing::info!(event = "call answered", hour, index, signature = %receipt.signature);
        Ok(())
    }

    /// Checks in with this evidence, whose rent returns, and collects what earlier hours have earned.
    async fn check_in(&self, hour: i64, shard: u8, evidence: Option<&[u8]>) -> Result<()> {
        let key = self.key.pubkey();
        let seal = evidence.map(|evidence| protocol::referee::seal(evidence, key.as_array(), self.device.as_array()));
        let account = seal.map(|seal| referee::evidence(&key, &seal));
        *self.evidence.lock() = account;
        let closes = hour.saturating_add(2 * BLOCK_SECONDS);
        if let (Some(evidence), Some(seal)) = (evidence, &seal) {
            self.write_evidence(evidence, seal, closes).await?;
        }
        let check_in = reward::check_in(&key, &self.device, self.gpu, hour, shard, account);
        let closing = seal.map(|seal| referee::close_evidence(&key, &seal));
        let check_in: Vec<Instruction> = [check_in].into_iter().chain(closing).collect();
        let device: Device = self.chain.fetch(&self.device).await?;
        // Without a free place for another reward, the hour pays nothing unless one becomes free first.
        let freed = match device.has_room() {
            true => Ok(None),
            false => {
                let options = self.chain.by(closes, &self.options).await;
                self.collect(&device, &check_in, &options).await
            }
        };
        let receipt = match &freed {
            Ok(Some(receipt)) => receipt.clone(),
            // Nothing that concerns other accounts may cost the hour.
            Ok(None) | Err(_) => {
                let options = self.chain.by(closes, &self.options).await;
                self.chain.send(&check_in, &[&self.key], &options).await?
            }
        };
        tracing::info!(event = "checked in", hour, signature = %receipt.signature);
        if device.has_room() {
            if let Err(error) = self.collect(&device, &[], &self.options).await {
                tracing::debug!(hour, %error, "could not collect; the next check-in tries again");
            }
            return Ok(());
        }
        let reason = match freed {
            // The same transaction has made room for it.
            Ok(Some(_)) => return Ok(()),
            Ok(None) => "they are not settled yet; somebody has to keep hours going (`ionet watch crank --sweep`)".to_owned(),
            Err(error) => error.to_string(),
        };
        // Somebody else may have collected.
        let device: Option<Device> = self.account_since(&self.device, receipt.slot).await?;
        if !device.is_some_and(|device| device.pending().any(|(number, ..)| emission::number(hour) == Some(number))) {
            tracing::warn!(
                event = "unpaid",
                hour,
                reason,
                "this hour pays nothing, since four earlier ones are not collected"
            );
        }
        Ok(())
    }

    /// Collects what earlier hours have earned and does what is to be done `then`, in one transaction. `None` if there is nothing to
    /// collect.
    async fn collect(&self, device: &Device, then: &[Instruction], options: &SendOptions) -> Result<Option<Receipt>> {
        let now = self.chain.now().await?.unix;
        let collecting = self.chain.collection(&self.device, device, now).await?.instructions();
        if collecting.is_empty() {
            return Ok(None);
        }
        let all = [collecting.as_slice(), then].concat();
        Ok(Some(self.chain.send(&all, &[&self.key], options).await?))
    }

    /// Writes the evidence, or what is missing of it, on chain.
    async fn write_evidence(&self, evidence: &[u8], seal: &Hash, deadline: i64) -> Result<()> {
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
            let options = self.chain.by(deadline, &self.options).await;
            slot = self.chain.send(&[next], &[&self.key], &options).await?.slot;
        }
    }

    /// Fails if the rent of the evidence would use up lamports that answers to demands may need.
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

    /// Closes leftover evidence about a subject, whose rent returns.
    pub(crate) async fn sweep(&self, subject: &Address) -> Result<()> {
        let key = self.key.pubkey();
        for (_, left) in self.chain.find::<EvidenceHeader>(&market::evidence_by(&key, subject)).await? {
            let closing = referee::close_evidence(&key, &left.seal);
            let receipt = self.chain.send(&[closing], &[&self.key], &self.options).await?;
            tracing::info!(event = "evidence dropped", signature = %receipt.signature);
        }
        Ok(())
    }

    /// Logs why an hour may not count.
    fn absent(&self, hour: i64, error: &Error) {
        tracing::warn!(event = "absent", hour, %error, "this hour may not count");
    }
}

/// Whether a check-in was refused, which may take time to change.
fn is_refusal(error: &Error) -> bool {
    match error {
        Error::Chain(error) => error.failure().is_some(),
        error => matches!(error, Error::Poor { .. }),
    }
}
