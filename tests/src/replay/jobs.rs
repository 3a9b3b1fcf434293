//! Escrows, jobs and what belongs to them.

use super::{Record, compare, view};
use crate::audit::Books;
use anchor_lang::prelude::Address;
use jobs::events::*;
use jobs::{AuditStage, JobTerms, Parameters, Status};
use protocol::units::Moment;
use std::collections::BTreeMap;

type Hash = [u8; 32];

#[derive(Clone, Default)]
pub struct Replay {
    config: Option<(Address, Address, Address, bool)>,
    parameters: Option<Parameters>,
    models: BTreeMap<Address, Model>,
    escrows: BTreeMap<Address, Escrow>,
    jobs: BTreeMap<Address, Job>,
    /// By the address of the audited job.
    audits: BTreeMap<Address, Audit>,
    /// By the address of the job.
    convictions: BTreeMap<Address, Conviction>,
    demands: BTreeMap<Address, Demand>,
    permits: BTreeMap<Address, Permit>,
    /// The last move in an escrow, with the rise of its fees, until an event tells what it was for.
    moved: Option<(Address, EscrowMove, u64, u64)>,
}

#[derive(Clone, Debug, PartialEq)]
struct Model {
    hash: Hash,
    registrar: Address,
    n_ops: u32,
    macs: u64,
}

#[derive(Clone, Debug, PartialEq)]
struct Escrow {
    owner: Address,
    mint: Address,
    free: u64,
    locked: u64,
    fees: u64,
}

#[derive(Clone, Debug, PartialEq)]
struct Job {
    escrow: Address,
    model: Address,
    id: u64,
    bounty: u64,
    foreign_mint: bool,
    units: u32,
    inputs: Hash,
    /// Of which it is one, and its place among them.
    replicas: [u8; 2],
    /// Per unit, at the start and the end of the auction.
    prices: [u64; 2],
    /// Of the auction, the run and the window.
    seconds: [u32; 3],
    /// Memory, multiplier, jobs done and model that a device needs.
    requirements: [u16; 4],
    value_at_risk: u64,
    status: u8,
    device: Address,
    price: u64,
    bond: u64,
    audit: u8,
    commitment: Hash,
    traces: Hash,
    outputs: Hash,
    deadline: i64,
}

#[derive(Clone, Debug, PartialEq)]
struct Audit {
    device: Address,
    commitment: Hash,
    custody: Hash,
    /// Whether the result is the worker's, once it is revealed.
    agrees: Option<bool>,
}

#[derive(Clone, Debug, PartialEq)]
struct Conviction {
    device: Address,
    challenger: Address,
    sealed_slot: u64,
    reward: u64,
    burned: u64,
    /// Fault, unit, op, index, correct and claimed value.
    verdict: [u32; 6],
}

#[derive(Clone, Debug, PartialEq)]
struct Demand {
    job: Address,
    device: Address,
    challenger: Address,
    item: [u32; 4],
    deadline: i64,
    /// Once the answer is complete.
    shown: Option<Hash>,
}

#[derive(Clone, Debug, PartialEq)]
struct Permit {
    seal: Hash,
    rate_bps: u16,
    multiple: u16,
    jackpot: u64,
    opened: bool,
}

impl From<&jobs::Model> for Model {
    fn from(model: &jobs::Model) -> Self {
        Self {
            hash: model.hash,
            registrar: model.registrar,
            n_ops: model.n_ops.get(),
            macs: model.macs.get(),
        }
    }
}

impl From<&jobs::Escrow> for Escrow {
    fn from(escrow: &jobs::Escrow) -> Self {
        Self {
            owner: escrow.owner,
            mint: escrow.mint,
            free: escrow.free.get(),
            locked: escrow.locked.get(),
            fees: escrow.fees.get(),
        }
    }
}

impl From<&jobs::Audit> for Audit {
    fn from(audit: &jobs::Audit) -> Self {
        Self {
            device: audit.device,
            commitment: audit.commitment,
            custody: audit.custody,
            agrees: (!audit.revealed_slot.is_zero()).then_some(audit.agrees.get()),
        }
    }
}

impl From<&jobs::Permit> for Permit {
    fn from(permit: &jobs::Permit) -> Self {
        Self {
            seal: permit.seal,
            rate_bps: permit.rate_bps.get(),
            multiple: permit.multiple.get(),
            jackpot: permit.jackpot.get(),
            opened: permit.opened.get(),
        }
    }
}

impl From<&jobs::Job> for Job {
    fn from(job: &jobs::Job) -> Self {
        Self {
            escrow: job.escrow,
            model: job.model,
            id: job.id.get(),
            bounty: job.bounty.get().into(),
            foreign_mint: job.foreign_mint.get(),
            units: job.units.get(),
            inputs: job.inputs,
            replicas: [job.replicas, job.replica],
            prices: [job.start_price, job.max_price].map(|price| price.get()),
            seconds: [job.auction_seconds, job.run_seconds, job.window_seconds].map(|seconds| seconds.get()),
            requirements: [job.min_vram_gb, job.min_multiplier_x100, job.min_jobs_done, job.gpu_model].map(|least| least.get()),
            value_at_risk: job.value_at_risk.get(),
            status: job.status,
            device: job.device,
            price: job.price.get(),
            bond: job.bond.get(),
            audit: job.audit,
            commitment: job.commitment,
            traces: job.traces,
            outputs: job.outputs,
            deadline: job.deadline_at.get(),
        }
    }
}

impl From<&jobs::Conviction> for Conviction {
    fn from(conviction: &jobs::Conviction) -> Self {
        let place = [conviction.unit, conviction.op, conviction.index].map(|number| number.get());
        Self {
            device: conviction.device,
            challenger: conviction.challenger,
            sealed_slot: conviction.sealed_slot.get(),
            reward: conviction.reward.get(),
            burned: conviction.burned.get(),
            verdict: verdict(conviction.fault, place, [conviction.expected, conviction.claimed]),
        }
    }
}

fn verdict(fault: u8, [unit, op, index]: [u32; 3], [expected, claimed]: [u8; 2]) -> [u32; 6] {
    [fault.into(), unit, op, index, expected.into(), claimed.into()]
}

impl From<&jobs::DemandHeader> for Demand {
    fn from(demand: &jobs::DemandHeader) -> Self {
        Self {
            job: demand.job,
            device: demand.device,
            challenger: demand.challenger,
            item: [demand.kind.into(), demand.unit.get(), demand.op.get(), demand.index.get()],
            deadline: demand.deadline_at.get(),
            shown: demand.answered.get().then_some(demand.shown),
        }
    }
}

impl Escrow {
    fn follow(&mut self, event: &EscrowMoved) {
        let total = self.free + self.locked;
        match event.kind {
            EscrowMove::Deposited => self.free += event.amount,
            EscrowMove::Withdrawn => self.free -= event.amount,
            EscrowMove::Locked => (self.free, self.locked) = (self.free - event.amount, self.locked + event.amount),
            EscrowMove::Refunded => (self.free, self.locked) = (self.free + event.amount, self.locked - event.amount),
            // How much of the lock becomes free again, and how much is fees, only the balances tell.
            EscrowMove::Paid => {
                (self.free, self.locked, self.fees) = (event.free, event.locked, event.fees);
                assert_eq!(self.free + self.locked, total - event.amount, "what a job cost");
            }
            EscrowMove::Swept => self.fees -= event.amount,
        }
        assert_eq!(
            (self.free, self.locked, self.fees),
            (event.free, event.locked, event.fees),
            "a move and the balances after it"
        );
    }
}

impl Replay {
    pub fn apply(&mut self, record: &Record, now: Moment) {
        if let Some(event) = record.is::<ConfigChanged>() {
            self.config = Some((event.authority, event.guardian, event.treasury, event.paused));
        } else if let Some(event) = record.is::<ParametersChanged>() {
            assert_eq!(event.before, self.parameters, "the parameters before the change");
            self.parameters = Some(event.after);
        } else if let Some(event) = record.is::<ModelSealed>() {
            let model = Model {
                hash: event.hash,
                registrar: event.registrar,
                n_ops: event.n_ops,
                macs: event.macs,
            };
            self.models.insert(event.model, model);
        } else if let Some(event) = record.is::<EscrowOpened>() {
            let escrow = Escrow {
                owner: event.owner,
                mint: event.mint,
                free: 0,
                locked: 0,
                fees: 0,
            };
            self.escrows.insert(event.escrow, escrow);
        } else if let Some(event) = record.is::<EscrowMoved>() {
            let escrow = self.escrows.get_mut(&event.escrow).expect("an escrow that was opened");
            let fees = event.fees.saturating_sub(escrow.fees);
            escrow.follow(&event);
            assert_eq!(self.moved, None, "what the move before was for");
            if !matches!(event.kind, EscrowMove::Deposited | EscrowMove::Withdrawn) {
                self.moved = Some((event.escrow, event.kind, event.amount, fees));
            }
        } else if let Some(event) = record.is::<FeesSwept>() {
            let (fees, _) = self.moved(event.escrow, EscrowMove::Swept);
            assert_eq!(event.to_treasury + event.burned, fees, "where the fees went");
        } else if let Some(event) = record.is::<PermitIssued>() {
            let permit = Permit {
                seal: event.seal,
                rate_bps: event.rate_bps,
                multiple: event.multiple,
                jackpot: event.jackpot,
                opened: false,
            };
            self.permits.insert(event.permit, permit);
        } else if let Some(event) = record.is::<PermitClosed>() {
            let permit = self.permits.remove(&event.permit).expect("a permit that was issued");
            assert!(event.returned >= permit.jackpot, "what was left of a jackpot");
        } else {
            let known = self.apply_to_job(record, now) || self.apply_to_audit(record) || self.apply_to_dispute(record);
            assert!(known, "an unknown event of the jobs program");
        }
    }

    /// Amount of the move that an event explains, and how much the fees rose with it.
    fn moved(&mut self, escrow: Address, kind: EscrowMove) -> (u64, u64) {
        let moved = self.moved.take().expect("the escrow's move is told first");
        assert_eq!((moved.0, moved.1), (escrow, kind), "the move that an event explains");
        (moved.2, moved.3)
    }

    fn job(&mut self, address: Address) -> &mut Job {
        self.jobs.get_mut(&address).expect("a job that was opened")
    }

    fn apply_to_job(&mut self, record: &Record, now: Moment) -> bool {
        if let Some(event) = record.is::<JobOpened>() {
            let terms: &JobTerms = &event.terms;
            let job = Job {
                escrow: event.escrow,
                model: event.model,
                id: event.id,
                bounty: event.bounty,
                foreign_mint: event.foreign_mint,
                units: terms.units,
                inputs: terms.inputs,
                replicas: [terms.replicas, terms.replica],
                prices: [terms.start_price, terms.max_price],
                seconds: [terms.auction_seconds, terms.run_seconds, terms.window_seconds],
                requirements: [terms.min_vram_gb, terms.min_multiplier_x100, terms.min_jobs_done, terms.gpu_model],
                value_at_risk: terms.value_at_risk,
                status: Status::Open as u8,
                device: Address::default(),
                price: 0,
                bond: terms.bond,
                audit: AuditStage::Undrawn as u8,
                commitment: [0; 32],
                traces: [0; 32],
                outputs: [0; 32],
                deadline: now.unix + i64::from(terms.open_seconds),
            };
            self.moved(event.escrow, EscrowMove::Locked);
            assert_eq!(event.mint, self.escrows[&event.escrow].mint);
            assert!(self.jobs.insert(event.job, job).is_none(), "a job where another is");
        } else if let Some(event) = record.is::<JobClaimed>() {
            let job = self.job(event.job);
            (job.status, job.device, job.deadline) = (Status::Assigned as u8, event.device, event.deadline);
            (job.price, job.bond) = (event.price, event.bond);
        } else if let Some(event) = record.is::<JobExtended>() {
            self.job(event.job).deadline = event.deadline;
        } else if let Some(event) = record.is::<JobCommitted>() {
            let job = self.job(event.job);
            (job.status, job.commitment, job.deadline) = (Status::Committed as u8, event.commitment, event.deadline);
        } else if let Some(event) = record.is::<RevealsCalled>() {
            self.job(event.job).deadline = event.deadline;
        } else if let Some(event) = record.is::<JobRevealed>() {
            let job = self.job(event.job);
            (job.status, job.deadline) = (Status::Revealed as u8, event.window_ends);
            (job.traces, job.outputs) = (event.traces, event.outputs);
        } else if let Some(event) = record.is::<ReplicaAgreed>() {
            self.job(event.job).deadline = now.unix;
        } else if let Some(event) = record.is::<JobSettled>() {
            let job = self.jobs.remove(&event.job).expect("a job that was opened");
            assert_eq!((event.device, event.outputs), (job.device, job.outputs), "what was paid for");
            let paid = self.moved(job.escrow, EscrowMove::Paid);
            assert_eq!((event.consumer_pays, event.fees), paid, "what it cost");
            assert_eq!(event.consumer_pays, event.supplier_gets + event.fees, "who got what was paid");
        } else if let Some(event) = record.is::<PermitConfessed>() {
            assert!(self.jobs.contains_key(&event.job), "a job that was opened");
            self.permits.get_mut(&event.permit).expect("a permit to confess to").opened = true;
        } else if let Some(event) = record.is::<JobRefunded>() {
            let job = self.jobs.remove(&event.job).expect("a job that was opened");
            assert_eq!(event.refund, self.moved(job.escrow, EscrowMove::Refunded).0, "the refund");
        } else {
            return false;
        }
        true
    }

    fn apply_to_audit(&mut self, record: &Record) -> bool {
        let (address, stage, deadline) = if let Some(event) = record.is::<AuditDrawn>() {
            let stage = if event.drawn { AuditStage::Drawn } else { AuditStage::Cleared };
            (event.job, stage, event.deadline)
        } else if let Some(event) = record.is::<AuditTaken>() {
            let audit = Audit {
                device: event.device,
                commitment: [0; 32],
                custody: [0; 32],
                agrees: None,
            };
            self.audits.insert(event.job, audit);
            (event.job, AuditStage::Taken, event.deadline)
        } else if let Some(event) = record.is::<AuditCommitted>() {
            let audit = self.audits.get_mut(&event.job).expect("an audit that was taken");
            (audit.commitment, audit.custody) = (event.commitment, event.custody);
            (event.job, AuditStage::Sealed, event.deadline)
        } else if let Some(event) = record.is::<AuditSkipped>() {
            // An audit of an earlier job at the address may still be there.
            if self.jobs[&event.job].audit == AuditStage::Taken as u8 {
                self.audits.remove(&event.job);
            }
            (event.job, AuditStage::Cleared, event.deadline)
        } else if let Some(event) = record.is::<AuditProven>() {
            assert_eq!(event.device, self.audits[&event.job].device, "whose proof it is");
            (event.job, AuditStage::Proven, self.jobs[&event.job].deadline)
        } else if let Some(event) = record.is::<AuditRevealed>() {
            let job = &self.jobs[&event.job];
            assert_eq!(
                event.agrees,
                (event.traces, event.outputs) == (job.traces, job.outputs),
                "whether it agrees"
            );
            self.audits.get_mut(&event.job).expect("an audit that was taken").agrees = Some(event.agrees);
            return true;
        } else if let Some(event) = record.is::<AuditClosed>() {
            let audit = self.audits.remove(&event.job).expect("an audit that was taken");
            assert_eq!(event.device, audit.device, "whose audit it was");
            return true;
        } else {
            return false;
        };
        let job = self.job(address);
        (job.audit, job.deadline) = (stage as u8, deadline);
        true
    }

    fn apply_to_dispute(&mut self, record: &Record) -> bool {
        if let Some(event) = record.is::<DemandOpened>() {
            let demand = Demand {
                job: event.job,
                device: event.device,
                challenger: event.challenger,
                item: [event.item.kind.into(), event.item.unit, event.item.op, event.item.index],
                deadline: event.deadline,
                shown: None,
            };
            self.demands.insert(event.demand, demand);
        } else if let Some(event) = record.is::<DemandAnswered>() {
            self.job(event.job).deadline = event.window_ends;
            self.demands.get_mut(&event.demand).expect("a demand that was opened").shown = Some(event.shown);
        } else if let Some(event) = record.is::<DemandClosed>() {
            let demand = self.demands.remove(&event.demand).expect("a demand that was opened");
            assert_eq!(
                (event.job, event.challenger),
                (demand.job, demand.challenger),
                "whose demand it was"
            );
        } else if let Some(event) = record.is::<JobConvicted>() {
            let escrow = self.job(event.job).escrow;
            assert_eq!(event.refund, self.moved(escrow, EscrowMove::Refunded).0, "the refund");
            let job = self.job(event.job);
            assert_eq!(event.device, job.device, "who was convicted");
            assert_eq!(event.reward + event.compensation + event.burned, job.bond, "where the bond went");
            (job.status, job.deadline) = (Status::Convicted as u8, event.priority_ends);
            let place = [event.unit, event.op, event.index];
            let conviction = Conviction {
                device: event.device,
                challenger: event.challenger,
                sealed_slot: event.sealed_slot,
                reward: event.reward,
                burned: event.burned,
                verdict: verdict(event.fault, place, [event.expected, event.claimed]),
            };
            self.convictions.insert(event.job, conviction);
        } else if let Some(event) = record.is::<ConvictionOvertaken>() {
            let conviction = self.convictions.get_mut(&event.job).expect("a job that was convicted");
            (conviction.challenger, conviction.sealed_slot) = (event.challenger, event.sealed_slot);
            let place = [event.unit, event.op, event.index];
            conviction.verdict = verdict(event.fault, place, [event.expected, event.claimed]);
        } else if let Some(event) = record.is::<PermitOpened>() {
            let conviction = self.convictions.get_mut(&event.job).expect("a job that was convicted");
            assert_eq!(
                (event.device, event.returned),
                (conviction.device, conviction.burned),
                "what is the device's again"
            );
            (conviction.reward, conviction.burned) = (conviction.reward + event.jackpot, 0);
            let permit = self.permits.get_mut(&event.permit).expect("a permit that was issued");
            permit.opened = true;
            permit.jackpot = permit.jackpot.checked_sub(event.jackpot).expect("a jackpot that is as large");
        } else if let Some(event) = record.is::<ChallengerAwarded>() {
            let conviction = self.convictions.remove(&event.job).expect("a job that was convicted");
            let told = (conviction.device, conviction.challenger, conviction.reward);
            assert_eq!((event.device, event.challenger, event.reward), told, "who was paid");
            self.jobs.remove(&event.job);
        } else {
            return false;
        }
        true
    }

    /// What the accounts say.
    pub fn read(books: &Books) -> Self {
        let config = books.jobs_config.as_ref();
        Self {
            config: config.map(|config| (config.authority, config.guardian, config.treasury, config.paused.get())),
            parameters: config.map(|config| config.parameters()),
            models: view(&books.models, |address, model| (*address, model.into())),
            escrows: view(&books.escrows, |address, escrow| (*address, escrow.into())),
            jobs: view(&books.jobs, |address, job| (*address, job.into())),
            audits: view(&books.audits, |_, audit| (audit.job, audit.into())),
            convictions: view(&books.convictions, |_, conviction| (conviction.job, conviction.into())),
            demands: view(&books.demands, |address, demand| (*address, demand.into())),
            permits: view(&books.permits, |address, permit| (*address, permit.into())),
            moved: None,
        }
    }

    /// Compares what the events say with what the accounts say.
    pub fn check(&mut self, books: &Books) {
        // No event tells that an escrow was closed: it is empty then.
        let empty = |escrow: &Escrow| (escrow.free, escrow.locked, escrow.fees) == (0, 0, 0);
        self.escrows
            .retain(|address, escrow| books.escrows.contains_key(address) || !empty(escrow));
        let accounts = Self::read(books);
        assert_eq!(self.config, accounts.config, "the jobs config");
        assert_eq!(self.parameters, accounts.parameters, "parameters of jobs");
        assert_eq!(self.moved, None, "what an escrow's move was for");
        compare("models", &self.models, &accounts.models);
        compare("escrows", &self.escrows, &accounts.escrows);
        compare("jobs", &self.jobs, &accounts.jobs);
        compare("audits", &self.audits, &accounts.audits);
        compare("convictions", &self.convictions, &accounts.convictions);
        compare("demands", &self.demands, &accounts.demands);
        compare("permits", &self.permits, &accounts.permits);
    }
}
