//! What demands may cost: a budget for each job, and one purse for all jobs.

use chain::PriorityFee;
use jobs::state::demand_space;
use parking_lot::Mutex;
use protocol::demand::{Item, Kind};
use protocol::trace::Checkpoints;
use solana_address::Address;
use std::collections::{BTreeMap, HashMap};

/// Lamports that a key's demands about one job lock and have cost. A demand counts once, however often it was sent, since its address
/// follows from the job and the item.
#[derive(Debug, Default)]
pub struct Spent(Mutex<BTreeMap<Item, u64>>);

impl Spent {
    /// The sum over all demands but the one for `item`.
    pub(super) fn except(&self, item: Item) -> u64 {
        let demands = self.0.lock();
        let others = demands.iter().filter(|(other, _)| **other != item);
        others.fold(0, |sum, (_, takes)| sum.saturating_add(*takes))
    }

    /// Counts a demand found on the chain, unless it is counted already.
    pub(super) fn found(&self, item: Item, takes: u64) {
        self.0.lock().entry(item).or_insert(takes);
    }

    /// Sets what one demand takes, `None` if it cannot exist. Returns the previous entry.
    pub(crate) fn note(&self, item: Item, takes: Option<u64>) -> Option<u64> {
        match takes {
            Some(takes) => self.0.lock().insert(item, takes),
            None => self.0.lock().remove(&item),
        }
    }
}

/// The SOL that a key has for demands about all jobs.
#[derive(Debug, Default)]
pub struct Purse {
    reserve: u64,
    claims: Mutex<HashMap<Address, Claim>>,
}

/// A job's claim on a purse.
#[derive(Clone, Copy, Debug)]
struct Claim {
    bond: u64,
    /// Lamports of a demand in flight; 0 while the job waits for SOL.
    promised: u64,
}

impl Purse {
    /// A purse that keeps `reserve` lamports. Each answer earns its worker a fee, so without a reserve a liar could use small jobs to drain
    /// a key of the rent for evidence about large ones.
    pub fn new(reserve: u64) -> Self {
        Self {
            reserve,
            claims: Mutex::default(),
        }
    }

    /// Promises a job the lamports that a demand takes, if the key, which `has` so many, can spare them. Among waiting jobs, the one with
    /// the largest bond comes first.
    pub(super) fn promise(&self, job: &Address, bond: u64, has: u64, takes: u64) -> bool {
        let mut claims = self.claims.lock();
        claims.remove(job);
        let promised = claims.values().fold(0, |sum: u64, claim| sum.saturating_add(claim.promised));
        let is_first = claims.values().all(|claim| claim.promised > 0 || claim.bond <= bond);
        let enough = has >= self.reserve.saturating_add(promised).saturating_add(takes);
        let promised = if enough && is_first { takes } else { 0 };
        claims.insert(*job, Claim { bond, promised });
        promised > 0
    }

    /// Drops a job's claim, once its demand exists or never will.
    pub(crate) fn release(&self, job: &Address) {
        self.claims.lock().remove(job);
    }
}

/// Most lamports that a demand takes on top of its price: rent, which returns, and the fees of the transaction that opens it.
pub(crate) fn overhead(kind: Kind, checkpoints: Checkpoints, fee: &PriorityFee) -> u64 {
    /// Compute units that the transaction requests.
    const UNITS: u32 = 20_000;
    chain::rent(demand_space(kind as u8, checkpoints)).saturating_add(fee.most_for(UNITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purse_keeps_its_reserve_and_gives_to_the_largest_bond_first() {
        let purse = Purse::new(100);
        let [small, other, large] = [1, 2, 3].map(|at| Address::new_from_array([at; 32]));
        assert!(!purse.promise(&small, 10, 109, 10), "it would dip into the reserve");
        assert!(purse.promise(&small, 10, 110, 10));
        assert!(!purse.promise(&other, 10, 119, 10), "the first demand may not have landed yet");
        purse.release(&small);
        assert!(!purse.promise(&large, 30, 119, 20));
        assert!(!purse.promise(&small, 10, 119, 10), "the large one waits");
        assert!(purse.promise(&large, 30, 120, 20));
        assert!(purse.promise(&small, 10, 130, 10), "the large one waits no more");
        purse.release(&large);
        assert!(purse.promise(&other, 10, 120, 10));
    }
}
