//! What asking may cost: a budget for each job, and one purse for all of them.

use chain::PriorityFee;
use jobs::state::demand_space;
use parking_lot::Mutex;
use protocol::demand::{Item, Kind};
use protocol::trace::Checkpoints;
use solana_address::Address;
use std::collections::{BTreeMap, HashMap};

/// What the demands about a job that were opened here hold and have cost, in lamports. Each counts once, however often it was sent: there
/// can be but one.
#[derive(Debug, Default)]
pub struct Spent(Mutex<BTreeMap<Item, u64>>);

impl Spent {
    /// On all but this one.
    pub(super) fn beside(&self, item: Item) -> u64 {
        let demands = self.0.lock();
        let others = demands.iter().filter(|(other, _)| **other != item);
        others.fold(0, |sum, (_, takes)| sum.saturating_add(*takes))
    }

    /// Notes what one takes, if it may be there; returns what was noted before.
    pub(crate) fn note(&self, item: Item, takes: Option<u64>) -> Option<u64> {
        match takes {
            Some(takes) => self.0.lock().insert(item, takes),
            None => self.0.lock().remove(&item),
        }
    }
}

/// What a key has for asking about several jobs at a time.
#[derive(Debug, Default)]
pub struct Purse {
    reserve: u64,
    claims: Mutex<HashMap<Address, Claim>>,
}

/// A job's claim to what is in a purse.
#[derive(Clone, Copy, Debug)]
struct Claim {
    bond: u64,
    /// Lamports of a demand that is on its way; none while the job waits for SOL.
    promised: u64,
}

impl Purse {
    /// That of a key that keeps so many lamports back: each answer earns its worker a fee, so that a liar which lets itself be asked about
    /// small jobs could leave a key without the rent of evidence about large ones.
    pub fn new(reserve: u64) -> Self {
        Self {
            reserve,
            claims: Mutex::default(),
        }
    }

    /// Promises a job the lamports that a demand takes out of what the key `has`. Of jobs that wait the largest bond comes first.
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

    /// Gives up a job's claim: its demand is there, or never will be.
    pub(crate) fn release(&self, job: &Address) {
        self.claims.lock().remove(job);
    }
}

/// Most lamports that a demand takes beside its price: rent, which returns, and fees of the transaction that opens it.
pub(crate) fn beside_price(kind: Kind, checkpoints: Checkpoints, fee: &PriorityFee) -> u64 {
    /// Compute units that the transaction asks for.
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
        assert!(!purse.promise(&small, 10, 109, 10), "it would take of the reserve");
        assert!(purse.promise(&small, 10, 110, 10));
        assert!(!purse.promise(&other, 10, 119, 10), "the first demand may not have landed yet");
        purse.release(&small);
        assert!(!purse.promise(&large, 30, 119, 20));
        assert!(!purse.promise(&small, 10, 119, 10), "the large one waits");
        assert!(purse.promise(&large, 30, 120, 20));
        assert!(purse.promise(&small, 10, 130, 10), "it waits no more");
        purse.release(&large);
        assert!(purse.promise(&other, 10, 120, 10));
    }
}
