//! False proofs against an honest result, none of which may convict.

use anyhow::{Context, Result, bail, ensure};
use async_trait::async_trait;
use blobs::BlobStore;
use bytes::Bytes;
use chain::{Chain, NotConfirmed, Pending, SendOptions, market};
use jobs::Job;
use protocol::batch::{BatchHeader, unit_leaves};
use protocol::hash::Hash;
use protocol::merkle;
use protocol::referee::{judge, seal};
use serde::Serialize;
use solana_address::Address;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use watchtower::Finding;
use watchtower::check::{Docket, check, claim};
use watchtower::dispute::{Challenger, Charge};
use watchtower::locate::{Found, Leaves, Page, Place, Spot, WorkerTrace};
use worker::Model;

/// Number of proofs judged by the referee's code on this machine.
pub const JUDGED: u32 = 1_000;

/// Number of proofs posted on the chain.
pub const POSTED: u32 = 4;

/// The outcomes of the proofs.
#[derive(Debug, Default, Serialize)]
pub struct Tally {
    /// Number of proofs by what was done to them.
    pub kinds: BTreeMap<&'static str, u32>,
    /// Proofs that are no evidence about this result.
    pub turned_down: u32,
    /// Proofs that are sound evidence but show nothing wrong.
    pub nothing_wrong: u32,
    /// Proofs that convict; must be 0.
    pub convicted: u32,
    /// Errors with which the chain rejected the posted ones.
    pub on_chain: Vec<String>,
}

/// An honest job, and what is needed to accuse it.
pub struct Target<'a> {
    /// The chain of the job.
    pub chain: &'a Chain,
    /// The store of its blobs.
    pub store: &'a BlobStore,
    /// Its model.
    pub model: Arc<Model>,
    /// Its address.
    pub address: Address,
    /// Its account.
    pub job: Job,
}

/// A false result, with its full trace.
struct Lie {
    /// TENSOR of every op's output of every unit.
    tensors: Vec<Vec<Hash>>,
    outputs: Vec<Hash>,
    values: BTreeMap<(u32, usize), Vec<u8>>,
    model: Arc<Model>,
}

impl Lie {
    /// TRACE of every unit.
    fn units(&self) -> Vec<Hash> {
        let checkpoints = self.model.engine().package().checkpoints();
        self.tensors.iter().map(|unit| checkpoints.trace(unit)).collect()
    }

    fn codes(&self, spot: &Spot) -> Option<&[u8]> {
        self.values.get(&(spot.unit, spot.op as usize)).map(Vec::as_slice)
    }
}

#[async_trait(?Send)]
impl WorkerTrace for Lie {
    async fn traces(&self, _: u32) -> Option<Page> {
        Some(Page::of_all(self.units()))
    }

    async fn ops(&self, unit: u32) -> Option<Vec<Hash>> {
        self.tensors.get(unit as usize).cloned()
    }

    async fn leaves(&self, spot: &Spot) -> Option<Leaves> {
        let (value_id, shape) = self.model.op_output(spot.op as usize);
        Some(Leaves::of(value_id, shape, self.codes(spot)?))
    }

    async fn chunk(&self, spot: &Spot, index: u32) -> Option<Vec<u8>> {
        let (value_id, shape) = self.model.op_output(spot.op as usize);
        shape.layout().preimage(value_id, index, self.codes(spot)?)
    }

    async fn delivered(&self, _: u32) -> Option<Page> {
        Some(Page::of_all(self.outputs.clone()))
    }
}

impl Target<'_> {
    /// Judges [`JUDGED`] proofs here and posts [`POSTED`] as `challenger`.
    pub async fn accuse(&self, challenger: &Keypair, dir: &Path, seed: u64) -> Result<Tally> {
        let mut rng = fastrand::Rng::with_seed(seed);
        let inputs = self.model.fetch(std::slice::from_ref(self.store), &self.job).await?;
        let proofs = self.proofs(&inputs, &mut rng).await?;
        let claim = claim(self.model.engine().package(), &self.job, None);
        let mut tally = Tally::default();
        for _ in 0..JUDGED {
            let (kind, proof) = tamper(&proofs, &mut rng).context("no proofs to start from")?;
            *tally.kinds.entry(kind).or_default() += 1;
            match judge(&claim, &proof) {
                Err(_) => tally.turned_down += 1,
                Ok(verdict) if verdict.convicted => tally.convicted += 1,
                Ok(_) => tally.nothing_wrong += 1,
            }
        }
        ensure!(tally.convicted == 0, "an honest result was convicted by {} proofs", tally.convicted);
        for proof in (0..POSTED).filter_map(|_| rng.choice(&proofs)) {
            tally.on_chain.push(self.post(challenger, dir, proof).await?);
        }
        Ok(tally)
    }

    /// Proofs to start from: honest openings of random elements, which show nothing wrong, and valid proofs against lies about the same job
    /// with one bit flipped somewhere.
    async fn proofs(&self, inputs: &Bytes, rng: &mut fastrand::Rng) -> Result<Vec<Vec<u8>>> {
        let mut proofs = Vec::new();
        let (header, units) = BatchHeader::parse(inputs)?;
        ensure!(units.iter().count() == header.units() as usize, "the inputs blob is incomplete");
        let honest = self.run(inputs, |_, _, _| ()).await?;
        let package = self.model.engine().package();
        let elements = |op: usize| package.ops.get(op).and_then(|op| op.descriptor.output.elements()).unwrap_or(1);
        let (n_units, n_ops) = (self.job.units.get(), package.ops.len());
        let leaves = unit_leaves(0, &honest.units());
        let found = Found::at(Place::Nowhere);
        let mut docket = Docket::open(self.model.clone(), &self.address, &self.job, inputs.clone(), found)?;
        for _ in 0..8 {
            let (unit, op) = (rng.u32(0..n_units), rng.usize(0..n_ops));
            docket.about(
                merkle::path(&leaves, unit),
                honest.tensors.get(unit as usize).cloned().unwrap_or_default(),
            );
            proofs.push(docket.element(unit, op as u32, rng.u32(0..elements(op))).await?);
        }
        for _ in 0..4 {
            let (unit, op, bit) = (rng.u32(0..n_units), rng.usize(0..n_ops), rng.u8(0..8));
            let element = rng.u32(0..elements(op)) as usize;
            let lie = self
                .run(inputs, move |u, o, codes| {
                    if (u, o) == (unit, op)
                        && let Some(code) = codes.get_mut(element)
                    {
                        *code ^= 1 << bit;
                    }
                })
                .await?;
            let mut job = self.job;
            job.traces = protocol::batch::batch_root(&lie.units());
            job.outputs = protocol::batch::batch_root(&lie.outputs);
            match check(&self.model, &self.address, &job, inputs.clone(), &lie).await?.finding {
                Finding::Wrong(case) => proofs.push(case.evidence),
                other => bail!("a lie was not found: {other:?}"),
            }
        }
        Ok(proofs)
    }

    async fn run(&self, inputs: &Bytes, alter: impl Fn(u32, usize, &mut [u8]) + Send + Sync + 'static) -> Result<Lie> {
        let (model, inputs) = (self.model.clone(), inputs.clone());
        let computed = tokio::task::spawn_blocking(move || {
            let values = Mutex::new(BTreeMap::new());
            let see = |unit: u32, op: usize, codes: &mut [u8]| {
                alter(unit, op, codes);
                if let Ok(mut values) = values.lock() {
                    values.insert((unit, op), codes.to_vec());
                }
            };
            let (batch, _) = model.run_seen(&inputs, || true, see)?;
            Ok::<_, engine::Error>((batch, values.into_inner().unwrap_or_default()))
        });
        let (batch, values) = computed.await??;
        let n_ops = self.model.engine().package().ops.len();
        let outputs = batch.tensors.chunks_exact(n_ops).filter_map(|unit| unit.last().copied());
        Ok(Lie {
            outputs: outputs.collect(),
            tensors: batch.tensors.chunks_exact(n_ops).map(<[Hash]>::to_vec).collect(),
            values,
            model: self.model.clone(),
        })
    }

    /// Seals and posts a proof and tries to convict with it; returns the error with which the chain rejects it.
    async fn post(&self, challenger: &Keypair, dir: &Path, proof: &[u8]) -> Result<String> {
        let pending = Pending::open(&dir.join("false-proofs.jsonl"))?;
        let options = SendOptions::default();
        let accuser = Challenger {
            chain: self.chain,
            pending: &pending,
            key: challenger,
            options: &options,
            on_unrecorded: &|_| (),
        };
        let mut charge = Charge {
            job: &self.address,
            hash: &self.job.job_hash,
            evidence: proof,
            since: self.job.since_slot.get(),
        };
        let refusal = match accuser.bring(&mut charge, |_, _| ()).await {
            Err(watchtower::Error::Chain(chain::Error::Transaction(cause))) => match *cause {
                NotConfirmed::Failed(failure) => failure.explanation.to_string(),
                other => bail!("the outcome of a false proof is unknown: {other}"),
            },
            Ok(ending) => bail!("a false proof ended with {ending:?}"),
            Err(error) => return Err(error.into()),
        };
        let seal = seal(proof, challenger.pubkey().as_array(), self.address.as_array());
        let close = market::referee::close_evidence(&challenger.pubkey(), &seal);
        self.chain.send(&[close], &[challenger], &options).await?;
        Ok(refusal)
    }
}

/// A random proof, tampered with or not, and what was done to it.
fn tamper(proofs: &[Vec<u8>], rng: &mut fastrand::Rng) -> Option<(&'static str, Vec<u8>)> {
    let mut proof = rng.choice(proofs)?.clone();
    let at = rng.usize(0..proof.len().max(1));
    let kind = match rng.u8(0..9) {
        0 => "as it is",
        1 => {
            *proof.get_mut(at)? ^= 1 << rng.u8(0..8);
            "one bit flipped"
        }
        2 => {
            // Unit, op and index follow version and kind.
            *proof.get_mut(3 + at % 12)? = rng.u8(..);
            "about another element"
        }
        3 => {
            proof.truncate(at);
            "truncated"
        }
        4 => {
            proof.extend((0..rng.usize(1..64)).map(|_| rng.u8(..)));
            "padded"
        }
        5 => {
            let other = rng.choice(proofs)?;
            proof.truncate(at);
            proof.extend(other.get(at..).unwrap_or_default());
            "the end of another"
        }
        6 => {
            *proof.get_mut(rng.usize(0..3))? = rng.u8(..);
            "another version or kind"
        }
        7 => {
            let from = rng.usize(0..proof.len().max(1));
            let piece = proof.get(from..proof.len().min(from + 32))?.to_vec();
            proof.iter_mut().skip(at).zip(piece).for_each(|(to, from)| *to = from);
            "a hash in another's place"
        }
        _ => {
            proof.iter_mut().skip(at).take(64).for_each(|byte| *byte = rng.u8(..));
            "64 random bytes"
        }
    };
    Some((kind, proof))
}
