//! Sends transactions and reads accounts.

mod account;
mod outcome;
mod prepare;
mod send;

pub use account::{decode, decode_if_any, made, rent};
pub use outcome::{Failure, NotConfirmed, Outcome, Receipt, Uncertain};
pub use prepare::{Prepared, Preview, SendOptions};

use crate::{AccountWatch, Cluster, Error, Live, Network, Result, fee::Congestion};
use solana_address::Address;
use std::{fmt, sync::Arc, time::Duration};

/// Shortens a wait to a twentieth in this crate's own tests.
pub(crate) const fn shorter_in_tests(time: Duration) -> Duration {
    Duration::from_millis(time.as_millis() as u64 / if cfg!(test) { 20 } else { 1 })
}

/// A client of one cluster. Cheap to clone.
#[derive(Clone)]
pub struct Chain {
    network: Arc<dyn Network>,
    congestion: Arc<Congestion>,
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("url", &self.network.url()).finish_non_exhaustive()
    }
}

impl Chain {
    /// A client of a live cluster. Does not connect yet.
    pub fn connect(cluster: &Cluster) -> Self {
        Self::new(Arc::new(Live::new(cluster)))
    }

    /// A client of any network.
    pub fn new(network: Arc<dyn Network>) -> Self {
        Self {
            network,
            congestion: Arc::default(),
        }
    }

    /// The network underneath.
    pub fn network(&self) -> &Arc<dyn Network> {
        &self.network
    }

    /// Checks that the node answers and that these programs are deployed on its cluster.
    pub async fn check(&self, programs: &[Address]) -> Result<()> {
        let (_, accounts) = self.network.account_prefixes(programs, 0).await?;
        let missing = programs
            .iter()
            .zip(&accounts)
            .find(|(_, account)| !account.as_ref().is_some_and(|account| account.executable));
        match missing {
            Some((program, _)) => Err(Error::WrongCluster {
                url: self.network.url().to_owned(),
                program: *program,
            }),
            None => Ok(()),
        }
    }

    /// Follows the account at `address`.
    pub fn watch(&self, address: Address) -> AccountWatch {
        AccountWatch::new(self.network.clone(), address)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Landed, PriorityFee, fake::Fake};
    use solana_instruction::{Instruction, error::InstructionError};
    use solana_keypair::Keypair;
    use solana_signer::Signer;
    use solana_transaction_error::TransactionError;

    pub const OPTIONS: SendOptions = SendOptions {
        compute_units: None,
        priority_fee: PriorityFee { least: 0, most: 1_000_000 },
        max_fee: None,
        timeout: Duration::from_secs(120),
    };

    pub fn chain() -> (Arc<Fake>, Chain) {
        let fake = Arc::new(Fake::default());
        (fake.clone(), Chain::new(fake))
    }

    pub fn landed(error: Option<TransactionError>) -> Landed {
        Landed {
            slot: 7,
            error,
            compute_units: 150,
            fee: 5_000,
            ..Landed::default()
        }
    }

    pub fn transfer(payer: &Keypair) -> Vec<Instruction> {
        vec![solana_system_interface::instruction::transfer(
            &payer.pubkey(),
            &Address::new_unique(),
            1,
        )]
    }

    /// A failure of instruction 1, the first after that of the compute budget.
    pub fn custom(code: u32) -> TransactionError {
        TransactionError::InstructionError(1, InstructionError::Custom(code))
    }

    #[tokio::test]
    async fn missing_programs_are_named() {
        let (_, chain) = chain();
        let program = Address::new_unique();
        let error = chain.check(&[program]).await.unwrap_err();
        assert!(matches!(error, Error::WrongCluster { program: named, .. } if named == program));
    }
}
