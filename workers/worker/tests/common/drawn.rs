//! A market with a result that is drawn for an audit.

use super::{Market, UNITS, beside};
use chain::market::audit;
use jobs::{AuditStage, JobTerms};
use protocol::batch::BatchHeader;
use protocol::testing::{Rng, Run, honest};
use solana_address::Address;
use solana_signer::Signer;
use std::time::Duration;
use tests::{GPU, Work, Worker};

/// A drawn result of another device.
pub struct Drawn {
    pub market: Market,
    pub other: Worker,
    pub job: Address,
    pub run: Run,
}

impl Drawn {
    /// A result whose input no store has.
    pub fn new(terms: JobTerms) -> Self {
        let market = Market::start();
        let run = Run::new(&tests::tiny_graph(), &Rng::new(7), UNITS, &honest);
        let terms = JobTerms {
            inputs: run.claim.inputs,
            units: UNITS,
            audit_bps: 10_000,
            ..terms
        };
        let (other, job) = market.node.with(|world| {
            let other = world.worker("other");
            let job = world.open(&market.consumer, 1, terms);
            world.claim(&other, &job);
            world.commit_to(&other, &job, Work::of(&run));
            world.pass(0, 9);
            world.send(audit::draw(&job), &[]);
            (other, job)
        });
        market.node.admit(other.key.clone());
        Self { market, other, job, run }
    }

    /// A result whose input is in the store.
    pub async fn uploaded(terms: JobTerms) -> Self {
        let drawn = Self::new(terms);
        drawn.upload().await;
        drawn
    }

    /// A result whose audit the market's worker had sealed when it died.
    pub async fn sealed() -> Self {
        let drawn = Self::uploaded(tests::terms()).await;
        let worker = drawn.market.started().await;
        beside(&worker, drawn.reaches(AuditStage::Sealed)).await;
        drawn
    }

    /// Uploads the input.
    pub async fn upload(&self) {
        let header = BatchHeader::inputs(UNITS, &[tests::tiny_model().0]).unwrap();
        let inputs = self.run.units.iter().map(|unit| unit[0].as_slice());
        let blob = [&header.encode()[..], &inputs.collect::<Vec<_>>().concat()].concat();
        assert_eq!(self.market.store().put(blob.into()).await.unwrap(), self.run.claim.inputs);
    }

    /// Claims the audit for the market's device.
    pub fn claim(&self) {
        let by = &self.market.supplier;
        self.market.node.with(|world| {
            world.open_doors();
            let claim = audit::claim(&by.key.pubkey(), &self.job, &world.job(&self.job), &by.device, GPU);
            world.send(claim, &[&by.key]);
        });
    }

    /// Reveals the result.
    pub fn reveal(&self) {
        let reveal = tests::revealing(&self.other, &self.job, Work::of(&self.run));
        self.market.node.with(|world| world.send(reveal, &[&self.other.key]));
    }

    /// Completes once the audit is in this stage.
    pub async fn reaches(&self, stage: AuditStage) {
        while self.market.job(&self.job).unwrap().audit != stage as u8 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Number of evidence accounts.
    pub fn evidence(&self) -> usize {
        self.market.node.with(|world| world.accounts_of(&referee::ID).len())
    }
}
