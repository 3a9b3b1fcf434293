//! From a case to a conviction: the evidence is sealed, written piece by piece and used to convict, and its rent returns.
//!
//! The state of a dispute is read from the chain before every step, and every transaction is on disk before it is sent, so a process that
//! is killed at any point resumes without losing or repeating anything. If the disk fails, a step may be repeated after a crash, which the
//! program refuses and which costs a fee. An RPC endpoint may be many machines, some of them behind: the
//! accounts that a step depends on are read together, in a slot no earlier than the newest one known.

use crate::Result;
use ::referee::EvidenceHeader;
use chain::market::job::Proof;
use chain::market::{self, referee};
use chain::sysvar::{CLOCK, moment};
use chain::{Chain, JobEnd, Outcome, Payee, Pending, Receipt, SendOptions};
use jobs::{Conviction, DemandHeader, Escrow, Job, Status};
use protocol::demand::Item;
use protocol::hash::Hash;
use protocol::units::Moment;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::time::Duration;

/// Time to wait for the next slot: evidence may be written only in a slot after its seal, and a machine may be behind.
const NEXT_SLOT: Duration = Duration::from_millis(200);

/// A challenger that brings cases.
pub struct Challenger<'a> {
    /// The chain.
    pub chain: &'a Chain,
    /// Transactions that may be in flight.
    pub pending: &'a Pending,
    /// Signs, pays and receives the rewards.
    pub key: &'a Keypair,
    /// How transactions are sent.
    pub options: &'a SendOptions,
    /// Called when the disk does not take the record of a transaction, which is sent all the same: a liar would be paid meanwhile.
    pub on_unrecorded: &'a dyn Fn(chain::Error),
}

/// A case to bring.
#[derive(Clone, Copy, Debug)]
pub struct Charge<'a> {
    /// The job.
    pub job: &'a Address,
    /// JOB, as the address can be used again for another job.
    pub hash: &'a Hash,
    /// The evidence.
    pub evidence: &'a [u8],
    /// The newest slot known: that of the reveal, then of the latest transaction. Any earlier state is ignored.
    pub since: u64,
}

/// What a transaction of a dispute does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Commits to the evidence by its hash.
    Seal,
    /// Writes a piece of the evidence.
    Write,
    /// Convicts the job.
    Convict,
    /// Takes the reward over from a challenger that convicted with a later seal.
    Overtake,
    /// Closes the evidence, which returns its rent.
    Close,
}

impl Action {
    /// Name of the action, in logs and records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Seal => "seal evidence",
            Self::Write => "write evidence",
            Self::Convict => "convict",
            Self::Overtake => "overtake",
            Self::Close => "close evidence",
        }
    }
}

/// The outcome of one step.
#[derive(Clone, Debug)]
pub enum Step {
    /// An action was done.
    Did(Action, Receipt),
    /// Nothing can be done for this time.
    Wait(Duration),
    /// The dispute is over for this challenger.
    Over(DisputeOutcome),
}

/// How a dispute ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisputeOutcome {
    /// The job was convicted by this evidence.
    Convicted,
    /// The job was convicted by evidence with an earlier seal.
    Beaten,
    /// The job ended in another way.
    TooLate,
}

/// The goal of a dispute in its current state.
enum Act<'a> {
    Convict(&'a Job),
    Overtake(&'a Job),
    Leave(DisputeOutcome),
}

impl Challenger<'_> {
    /// Brings a case to its end, and calls `done` after every transaction.
    pub async fn bring(&self, charge: &mut Charge<'_>, mut done: impl FnMut(Action, &Receipt)) -> Result<DisputeOutcome> {
        let mut convicted = false;
        loop {
            match self.step(charge).await? {
                Step::Did(action, receipt) => {
                    charge.since = charge.since.max(receipt.slot);
                    convicted |= matches!(action, Action::Convict | Action::Overtake);
                    done(action, &receipt);
                }
                Step::Wait(time) => tokio::time::sleep(time).await,
                // The award may close the job before the evidence is closed.
                Step::Over(DisputeOutcome::TooLate) if convicted => return Ok(DisputeOutcome::Convicted),
                Step::Over(ending) => return Ok(ending),
            }
        }
    }

    /// Takes the one step that follows from the state of the chain.
    pub async fn step(&self, charge: &Charge<'_>) -> Result<Step> {
        let Charge {
            job: address, evidence, ..
        } = *charge;
        let challenger = self.key.pubkey();
        let seal = protocol::referee::seal(evidence, challenger.as_array(), address.as_array());
        let (own, first) = (referee::evidence(&challenger, &seal), market::job::conviction(address));
        let (slot, accounts) = self.chain.network().accounts(&[*address, own, first, CLOCK]).await?;
        if slot < charge.since {
            return Ok(Step::Wait(NEXT_SLOT));
        }
        let [job, shown, conviction, clock] = accounts.try_into().unwrap_or_default();
        let now = clock.and_then(|clock| moment(&clock.data));
        let now = now.ok_or_else(|| self.chain.missing(&CLOCK))?;
        let job: Option<Job> = chain::decode_if_any(address, job.as_ref())?;
        let job = job.filter(|job| job.job_hash == *charge.hash);
        let shown: Option<EvidenceHeader> = chain::decode_if_any(&own, shown.as_ref())?;
        let conviction: Option<Conviction> = chain::decode_if_any(&first, conviction.as_ref())?;
        let act = match (&job, conviction) {
            (Some(job), _) if job.status == Status::Revealed => Act::Convict(job),
            (Some(job), Some(first)) if job.status == Status::Convicted => self.after_conviction(job, &first, shown.as_ref(), now),
            // Impossible since the reveal, so the accounts were not read at one moment after all.
            (Some(_), _) => return Ok(Step::Wait(NEXT_SLOT)),
            (None, _) => Act::Leave(DisputeOutcome::TooLate),
        };
        match (act, referee::next(&challenger, address, evidence, shown.as_ref())) {
            (Act::Leave(ending), _) if shown.is_none() => Ok(Step::Over(ending)),
            // The evidence is no longer needed: closing it returns the rent.
            (Act::Leave(_), _) => {
                let closing = referee::close_evidence(&challenger, &seal);
                self.send(Action::Close, charge, &[closing], self.options).await
            }
            (Act::Convict(job) | Act::Overtake(job), Some(next)) => {
                let (action, written) = shown.map_or((Action::Seal, 0), |shown| (Action::Write, shown.written.get() as usize));
                let left = evidence.len().saturating_sub(written).div_ceil(referee::PIECE);
                match self.send(action, charge, &[next], &self.urgent(job, now, left)).await {
                    Err(error) if is_early(&error) => Ok(Step::Wait(NEXT_SLOT)),
                    step => step,
                }
            }
            (Act::Convict(job), None) => {
                let convicting = self.convict(charge, job, &seal).await?;
                self.send(Action::Convict, charge, &convicting, &self.urgent(job, now, 0)).await
            }
            (Act::Overtake(job), None) => {
                let proof = Proof {
                    evidence: own,
                    shown: self.shown(charge, job).await?,
                };
                let overtaking = market::job::overtake(&challenger, address, &job.model, &job.device, proof);
                self.send(Action::Overtake, charge, &[overtaking], &self.urgent(job, now, 0)).await
            }
        }
    }

    /// Options for what has to land before the job's window ends, with so many pieces of evidence after it, a second each.
    fn urgent(&self, job: &Job, now: Moment, pieces: usize) -> SendOptions {
        let left = job.deadline().unix.saturating_sub(now.unix);
        self.options.within(left.saturating_sub_unsigned(pieces as u64))
    }

    /// The goal once somebody has convicted: the earliest seal has the reward.
    fn after_conviction<'a>(&self, job: &'a Job, first: &Conviction, shown: Option<&EvidenceHeader>, now: Moment) -> Act<'a> {
        if first.challenger == self.key.pubkey() {
            return Act::Leave(DisputeOutcome::Convicted);
        }
        let in_time = !now.reached(job.deadline());
        match shown {
            Some(shown) if in_time && shown.sealed_slot.get() < first.sealed_slot.get() => Act::Overtake(job),
            _ => Act::Leave(DisputeOutcome::Beaten),
        }
    }

    /// The demand through which the worker has shown the unit in question, if the referee needs it.
    async fn shown(&self, charge: &Charge<'_>, job: &Job) -> Result<Option<Address>> {
        let Some(unit) = protocol::referee::unit_of(charge.evidence) else {
            return Ok(None);
        };
        let address = market::demand::address(charge.job, Item::ops(unit));
        let demand: Option<DemandHeader> = self.chain.try_fetch(&address).await?;
        Ok(demand.filter(|demand| demand.shown_unit(job).is_ok()).map(|_| address))
    }

    async fn convict(&self, charge: &Charge<'_>, job: &Job, seal: &Hash) -> Result<Vec<Instruction>> {
        let (challenger, address) = (self.key.pubkey(), charge.job);
        let compensated = compensation(self.chain, &challenger, job).await?;
        let proof = Proof {
            evidence: referee::evidence(&challenger, seal),
            shown: self.shown(charge, job).await?,
        };
        let (model, escrow, device) = (&job.model, &job.escrow, &job.device);
        let convict = market::job::convict(&challenger, address, model, escrow, device, proof, &compensated.account);
        Ok(compensated.opening.into_iter().chain([convict]).collect())
    }

    /// Sends a transaction of a charge, so that a crash at any point neither loses it nor repeats it.
    async fn send(&self, action: Action, charge: &Charge<'_>, instructions: &[Instruction], options: &SendOptions) -> Result<Step> {
        let purpose = format!("{} {} {}", action.name(), charge.job, hex::encode(charge.hash));
        for intent in self.pending.unsettled().into_iter().filter(|intent| intent.purpose == purpose) {
            match self.chain.resolve(self.pending, &intent.prepared, options).await {
                Ok(Outcome::Confirmed(receipt)) => return Ok(Step::Did(action, receipt)),
                Ok(_) => {}
                // The chain was read before this step, and the step is due.
                Err(error @ chain::Error::Pending { .. }) => (self.on_unrecorded)(error),
                Err(error) => return Err(error.into()),
            }
        }
        let prepared = self.chain.prepare(instructions, &[self.key as &dyn Signer], options).await?;
        self.pending.record(&purpose, &prepared).unwrap_or_else(self.on_unrecorded);
        let outcome = self.chain.submit(&prepared, options).await;
        if outcome.is_final() {
            self.pending.settle(&prepared.signature()).unwrap_or_else(self.on_unrecorded);
        }
        Ok(Step::Did(action, outcome.confirmed()?))
    }
}

/// The account for the compensation of a job's consumer.
async fn compensation(chain: &Chain, payer: &Address, job: &Job) -> Result<Payee> {
    let escrow: Escrow = chain.fetch(&job.escrow).await?;
    let config: jobs::Config = chain.fetch(&market::job::config()).await?;
    Ok(chain.payee(payer, &escrow.owner, &config.mint, &job.job_hash).await?)
}

/// The transaction that convicts the worker of a job for silence.
pub(crate) async fn silence(chain: &Chain, payer: &Address, address: &Address, job: &Job, demand: &Address) -> Result<JobEnd> {
    let compensated = compensation(chain, payer, job).await?;
    let rent = compensated.rent();
    let convict = market::demand::convict_silence(payer, address, &job.escrow, &job.device, demand, &compensated.account);
    let instructions = compensated.opening.into_iter().chain([convict]).collect();
    Ok(JobEnd { instructions, rent })
}

/// Whether a piece was refused because it came in the slot of its seal.
fn is_early(error: &crate::Error) -> bool {
    let crate::Error::Chain(error) = error else { return false };
    error.failure().is_some_and(|failure| failure.explanation.name == "TooEarly")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use anchor_lang::bytemuck::Zeroable;
    use chain::Landed;
    use chain::fake::{Fake, account, gift, instructions};
    use solana_account::Account;
    use solana_transaction::versioned::VersionedTransaction;
    use std::sync::Arc;

    const JOB: Address = Address::new_from_array([7; 32]);
    const EVIDENCE: [u8; 100] = [1; 100];
    /// Slot of the reveal, and slot in which all transactions land.
    const REVEALED: u64 = 100;
    const LANDS: u64 = 200;

    /// A dispute on a fake node with many machines; the tests play the programs.
    struct Scene {
        node: Arc<Fake>,
        key: Keypair,
        /// Address of the evidence.
        own: Address,
    }

    impl Scene {
        fn new() -> Self {
            let (node, key) = (Arc::new(Fake::default()), Keypair::new());
            let seal = protocol::referee::seal(&EVIDENCE, key.pubkey().as_array(), JOB.as_array());
            node.set_clock();
            node.on_send(|_| {
                Some(Landed {
                    slot: LANDS,
                    ..Landed::default()
                })
            });
            let own = referee::evidence(&key.pubkey(), &seal);
            Self { node, key, own }
        }

        fn job(&self, hash: u8, status: Status) {
            let job = Job {
                job_hash: [hash; 32],
                status: status as u8,
                since_slot: REVEALED.into(),
                deadline_at: 1.into(),
                deadline_slot: 1.into(),
                ..Job::zeroed()
            };
            self.node.set_account(JOB, account(&job));
        }

        fn evidence(&self, sealed_slot: u64, written: usize) {
            let header = EvidenceHeader {
                sealed_slot: sealed_slot.into(),
                written: (written as u32).into(),
                ..EvidenceHeader::zeroed()
            };
            self.node.set_account(self.own, account(&header));
        }

        fn convicted(&self, challenger: Address, sealed_slot: u64) {
            self.job(1, Status::Convicted);
            let conviction = Conviction {
                challenger,
                sealed_slot: sealed_slot.into(),
                ..Conviction::zeroed()
            };
            self.node.set_account(market::job::conviction(&JOB), account(&conviction));
        }

        async fn challenge<T>(&self, act: impl AsyncFnOnce(Challenger<'_>, Charge<'_>) -> T) -> T {
            let folder = tempfile::tempdir().unwrap();
            let challenger = Challenger {
                chain: &Chain::new(self.node.clone()),
                pending: &Pending::open(&folder.path().join("pending.jsonl")).unwrap(),
                key: &self.key,
                options: &SendOptions::default(),
                on_unrecorded: &|error| panic!("{error}"),
            };
            let charge = Charge {
                job: &JOB,
                hash: &[1; 32],
                evidence: &EVIDENCE,
                since: REVEALED,
            };
            act(challenger, charge).await
        }

        /// Brings the case, and after each action does what the programs would, and `then`. Returns the actions and how the dispute ended.
        async fn bring(&self, mut then: impl FnMut(Action)) -> (Vec<Action>, DisputeOutcome) {
            let mut actions = Vec::new();
            let done = |action, _: &Receipt| {
                actions.push(action);
                match action {
                    Action::Write => self.evidence(REVEALED + 10, EVIDENCE.len()),
                    Action::Overtake => self.convicted(self.key.pubkey(), REVEALED + 10),
                    Action::Close => self.node.set_account(self.own, Account::default()),
                    Action::Seal | Action::Convict => {}
                }
                then(action);
            };
            let ending = self.challenge(async |challenger, mut charge| challenger.bring(&mut charge, done).await);
            let ending = ending.await.unwrap();
            (actions, ending)
        }
    }

    #[tokio::test]
    async fn a_machine_that_is_before_the_reveal_ends_no_dispute() {
        for earlier in [None, Some((1, Status::Committed)), Some((2, Status::Revealed))] {
            let scene = Scene::new();
            if let Some((hash, status)) = earlier {
                scene.job(hash, status);
            }
            scene.node.fall_behind(JOB);
            scene.node.advance(LANDS);
            scene.job(1, Status::Revealed);
            let ended = scene.bring(|action| {
                if action == Action::Seal {
                    scene.evidence(REVEALED + 10, 0);
                    scene.convicted(Address::default(), REVEALED);
                }
            });
            let expected = (vec![Action::Seal, Action::Close], DisputeOutcome::Beaten);
            assert_eq!(ended.await, expected, "{earlier:?}");
        }
    }

    #[tokio::test]
    async fn inconsistent_accounts_are_read_again() {
        for status in [Status::Committed, Status::Convicted] {
            let scene = Scene::new();
            scene.node.advance(LANDS);
            scene.job(1, status);
            let step = scene.challenge(async |challenger, charge| challenger.step(&charge).await);
            assert!(matches!(step.await, Ok(Step::Wait(_))), "{status:?}");
        }
    }

    #[tokio::test]
    async fn a_conviction_is_overtaken_although_a_machine_has_not_seen_it() {
        let scene = Scene::new();
        scene.node.advance(LANDS);
        scene.job(1, Status::Revealed);
        scene.evidence(REVEALED + 10, 0);
        scene.node.fall_behind(market::job::conviction(&JOB));
        scene.convicted(Address::default(), REVEALED + 20);
        let expected = (vec![Action::Write, Action::Overtake, Action::Close], DisputeOutcome::Convicted);
        assert_eq!(scene.bring(|_| ()).await, expected);
    }

    #[tokio::test]
    async fn a_conviction_is_overtaken_although_a_machine_has_not_seen_the_earlier_seal() {
        let scene = Scene::new();
        scene.node.advance(REVEALED);
        scene.job(1, Status::Revealed);
        let ended = scene.bring(|action| {
            if action == Action::Seal {
                scene.node.fall_behind(scene.own);
                scene.node.advance(LANDS);
                scene.evidence(REVEALED + 10, 0);
                scene.convicted(Address::default(), REVEALED + 20);
            }
        });
        let actions = vec![Action::Seal, Action::Write, Action::Overtake, Action::Close];
        assert_eq!(ended.await, (actions, DisputeOutcome::Convicted));
    }

    /// Where only the highest price lands, a case is brought before a short window ends, and before one that its pieces nearly fill.
    #[tokio::test]
    async fn evidence_that_is_nearly_too_late_outbids_others() {
        let scene = Scene::new();
        let job = |deadline: i64| Job {
            job_hash: [1; 32],
            deadline_at: deadline.into(),
            ..Job::zeroed()
        };
        let highest = SendOptions::default().priority_fee.most;
        let fee = async |seconds, pieces| {
            let priced = scene.challenge(async |challenger, _| challenger.urgent(&job(seconds), Moment::default(), pieces).priority_fee);
            priced.await.least
        };
        assert_eq!([fee(60, 0).await, fee(300, 0).await], [highest, 0]);
        assert_eq!([fee(300, 180).await, fee(300, 250).await], [0, highest]);
        scene.node.advance(LANDS);
        scene.node.set_account(Address::default(), account(&Escrow::zeroed()));
        scene.node.set_account(market::job::config(), account(&jobs::Config::zeroed()));
        scene.job(1, Status::Revealed);
        let ended = scene.bring(|action| match action {
            Action::Seal => scene.evidence(REVEALED + 10, 0),
            Action::Convict => scene.convicted(scene.key.pubkey(), REVEALED + 10),
            _ => {}
        });
        let actions = vec![Action::Seal, Action::Write, Action::Convict, Action::Close];
        assert_eq!(ended.await, (actions, DisputeOutcome::Convicted));
        let bids = |transaction: &VersionedTransaction| {
            instructions(transaction)
                .iter()
                .any(|one| one.data.ends_with(&highest.to_le_bytes()))
        };
        let bids: Vec<bool> = scene.node.sent().iter().map(bids).collect();
        assert_eq!(bids, [true, true, true, false], "all but closing the evidence");
    }

    /// Addresses are known before their accounts exist, so a liar can send lamports to them.
    #[tokio::test]
    async fn lamports_sent_in_advance_block_no_dispute() {
        let scene = Scene::new();
        scene.node.advance(LANDS);
        scene.job(1, Status::Revealed);
        let unit = protocol::referee::unit_of(&EVIDENCE).unwrap();
        for address in [
            scene.own,
            market::job::conviction(&JOB),
            market::demand::address(&JOB, Item::ops(unit)),
        ] {
            scene.node.set_account(address, gift());
        }
        let ended = scene.bring(|action| match action {
            Action::Seal => scene.evidence(REVEALED + 10, 0),
            Action::Write => scene.convicted(Address::default(), REVEALED + 20),
            Action::Close => [scene.own, JOB]
                .into_iter()
                .for_each(|address| scene.node.set_account(address, gift())),
            _ => {}
        });
        let actions = vec![Action::Seal, Action::Write, Action::Overtake, Action::Close];
        assert_eq!(ended.await, (actions, DisputeOutcome::Convicted));
    }
}
