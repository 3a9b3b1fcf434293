//! Evidence on chain: sealed, and written in pieces from the next slot on, as a challenger's client does it.

use crate::world::{Receipt, World};
use chain::market;
use chain::market::referee::PIECE;
use protocol::hash::Hash;
use protocol::referee::{Claim, seal};
use solana_address::Address;
use solana_keypair::Keypair;
use solana_signer::Signer;

/// A claim in the form that the referee takes.
pub fn claim(claim: &Claim) -> referee::Claim {
    referee::Claim {
        graph_root: claim.graph_root,
        inputs: claim.inputs,
        traces: claim.traces,
        outputs: claim.outputs,
        n_ops: claim.n_ops,
        interval: claim.interval,
        shown: claim.shown.map(|shown| referee::Shown {
            unit: shown.unit,
            root: shown.root,
        }),
        units: claim.units,
        n_inputs: claim.n_inputs,
        input_shapes: claim.input_shapes.map(|shape| shape.to_bytes()),
    }
}

impl World {
    /// Seals evidence about a subject; returns the seal.
    #[track_caller]
    pub fn seal(&mut self, challenger: &Keypair, subject: &Address, evidence: &[u8]) -> Hash {
        let seal = seal(evidence, challenger.pubkey().as_array(), subject.as_array());
        let sealing = market::referee::seal_evidence(&challenger.pubkey(), subject, seal, evidence.len() as u32);
        self.send(sealing, &[challenger]);
        seal
    }

    /// Writes sealed evidence from `offset` on; returns the receipt of each piece.
    #[track_caller]
    pub fn write(&mut self, challenger: &Keypair, seal: &Hash, offset: usize, evidence: &[u8]) -> Vec<Receipt> {
        let pieces = evidence[offset..].chunks(PIECE).enumerate();
        pieces
            .map(|(piece, bytes)| {
                let at = (offset + piece * PIECE) as u32;
                let writing = market::referee::write_evidence(&challenger.pubkey(), seal, at, bytes.to_vec());
                self.send(writing, &[challenger])
            })
            .collect()
    }

    /// Seals and writes evidence; returns its address.
    #[track_caller]
    pub fn show(&mut self, challenger: &Keypair, subject: &Address, evidence: &[u8]) -> Address {
        let seal = self.seal(challenger, subject, evidence);
        self.pass(0, 1);
        self.write(challenger, &seal, 0, evidence);
        market::referee::evidence(&challenger.pubkey(), &seal)
    }
}
