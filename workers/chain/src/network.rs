//! The interface to a Solana node.

use crate::Result;
use async_trait::async_trait;
use futures_util::{
    FutureExt, Stream, StreamExt, TryStreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use solana_account::Account;
use solana_address::Address;
use solana_hash::Hash;
use solana_instruction::Instruction;
use solana_signature::Signature;
use solana_transaction::versioned::VersionedTransaction;
use solana_transaction_error::TransactionError;

/// A blockhash and how long it is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// Blockhash for a transaction.
    pub blockhash: Hash,
    /// Last block height at which a transaction with it can land.
    pub last_valid_block_height: u64,
}

/// Result of a simulation.
#[derive(Clone, Debug, Default)]
pub struct Simulation {
    /// Why it would fail, if it would.
    pub error: Option<TransactionError>,
    /// Log lines.
    pub logs: Vec<String>,
    /// Compute units it would use.
    pub compute_units: u64,
    /// The watched accounts as they would be afterwards, in order; `None` for those the node does not return, such as untouched ones.
    pub accounts: Vec<Option<Account>>,
}

/// A transaction that is in a block.
#[derive(Clone, Debug, Default)]
pub struct Landed {
    /// Slot of the block.
    pub slot: u64,
    /// Unix time of the block, if the node knows it.
    pub time: Option<i64>,
    /// Why it failed, if it did; its fee is paid either way.
    pub error: Option<TransactionError>,
    /// Compute units used; 0 if the node does not have the transaction's details, or not yet.
    pub compute_units: u64,
    /// Lamports paid in fees; 0 likewise.
    pub fee: u64,
    /// Log lines; `None` likewise.
    pub logs: Option<Vec<String>>,
}

/// Slots and signatures of all transactions that name an address and did not fail, newest first, as far back as the node remembers, in
/// pages. Each page is requested only when needed: anybody can name an address in useless transactions.
pub fn past<'a>(network: &'a dyn Network, address: &'a Address) -> impl Stream<Item = Result<Vec<(u64, Signature)>>> + Unpin + 'a {
    Box::pin(stream::try_unfold(None, move |before: Option<Signature>| async move {
        let page = network.history(address, before.as_ref(), 0).await?;
        let last = page.last().map(|(_, last)| *last);
        Ok(last.map(|last| (page, Some(last))))
    }))
}

/// Transactions that are requested concurrently.
pub(crate) const AT_ONCE: usize = 16;

/// The result of `ask` for each transaction of [`past`], in order. Transactions of a page are requested concurrently; the next page follows
/// once all of them are answered.
pub fn past_each<'a, Told: 'a, Asked: Future<Output = Result<Told>> + 'a>(
    network: &'a dyn Network,
    address: &'a Address,
    ask: impl Fn(Signature) -> Asked + Copy + 'a,
) -> impl Stream<Item = Result<Told>> + Unpin + 'a {
    let told = past(network, address).map_ok(move |page| stream::iter(page).map(move |(_, signature)| ask(signature)).buffered(AT_ONCE));
    Box::pin(told.try_flatten())
}

/// Each transaction of [`past`] that the node has the details of.
pub fn past_landed<'a>(network: &'a dyn Network, address: &'a Address) -> impl Stream<Item = Result<(Signature, Landed)>> + Unpin + 'a {
    let ask = move |signature| async move { Ok((signature, network.landed(&signature).await?)) };
    let told = past_each(network, address, ask);
    Box::pin(told.try_filter_map(async |(signature, landed)| Ok(landed.map(|landed| (signature, landed)))))
}

/// Selects accounts of a program on the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Accounts with this many bytes of data.
    Size(u64),
    /// Accounts with these bytes at this offset.
    Bytes(usize, Vec<u8>),
}

/// A [`Filter`] for accounts of a type in which a field has these bytes: `field!(Job, device, address)`.
#[macro_export]
macro_rules! field {
    ($account:ty, $field:ident, $bytes:expr) => {
        // Fields begin after the discriminator.
        $crate::Filter::Bytes(8 + ::core::mem::offset_of!($account, $field), $bytes.to_vec())
    };
}

impl Filter {
    /// Whether an account passes, for test doubles of a node.
    pub fn passes(&self, account: &Account) -> bool {
        match self {
            Self::Size(size) => account.data.len() as u64 == *size,
            Self::Bytes(offset, bytes) => account.data.get(*offset..).is_some_and(|data| data.starts_with(bytes)),
        }
    }
}

/// A Solana node, or a test double.
///
/// All reads but [`Network::processed`] are at commitment "confirmed": voted for by two thirds of the stake, which has never been rolled
/// back.
#[async_trait]
pub trait Network: Send + Sync + 'static {
    /// URL of the node without credentials.
    fn url(&self) -> &str;

    /// A fresh blockhash.
    async fn lifetime(&self) -> Result<Lifetime>;

    /// Height of the newest confirmed block.
    async fn block_height(&self) -> Result<u64>;

    /// Simulates a transaction and returns the `watched` accounts as they would be afterwards. Neither the signatures nor the blockhash
    /// need be valid.
    async fn simulate(&self, transaction: &VersionedTransaction, watched: &[Address]) -> Result<Simulation>;

    /// For each recent block, the lowest price in micro-lamports per compute unit among its transactions that wrote these accounts; 0 for
    /// blocks without such transactions.
    async fn recent_fees(&self, written: &[Address]) -> Result<Vec<u64>>;

    /// Sends a transaction without simulating it. Sending the same transaction again is harmless.
    async fn send(&self, transaction: &VersionedTransaction) -> Result<()>;

    /// A transaction in a confirmed block, with its details if the node has them, as far back as it remembers; `None` if it is in none.
    async fn landed(&self, signature: &Signature) -> Result<Option<Landed>>;

    /// Like [`Self::landed`], for those who wait for the outcome: without time, costs and log unless the node has them at once. Optional for
    /// test doubles.
    async fn outcome(&self, signature: &Signature) -> Result<Option<Landed>> {
        self.landed(signature).await
    }

    /// Whether a recent transaction has succeeded in a block, which may still be dropped. Optional for test doubles.
    async fn processed(&self, _signature: &Signature) -> Result<bool> {
        Ok(false)
    }

    /// Slots and signatures of at most a thousand transactions that name an address and did not fail, newest first, starting from the
    /// newest or after `before`; none when there are no more. Only a machine that has reached `slot` answers: a node may be many machines,
    /// some of them behind the one that answered last time.
    ///
    /// # Errors
    /// [`crate::Error::Behind`] from a machine that has not reached `slot`.
    async fn history(&self, address: &Address, before: Option<&Signature>, slot: u64) -> Result<Vec<(u64, Signature)>>;

    /// The instructions of a transaction, each followed by those it called. `None` if it failed or the node does not remember it.
    async fn instructions(&self, signature: &Signature) -> Result<Option<Vec<Instruction>>>;

    /// Subscribes to a transaction. The subscription is active when this returns; the returned future completes with `true` when the
    /// transaction is confirmed, and with `false` if the subscription breaks.
    async fn signature_seen(&self, signature: &Signature) -> Result<BoxFuture<'static, bool>>;

    /// Like [`Self::signature_seen`], but at commitment "processed": completes with `true` when the transaction has succeeded in a block,
    /// which may still be dropped, and with `false` if it failed there or the subscription breaks. Optional for test doubles.
    async fn signature_processed(&self, _signature: &Signature) -> Result<BoxFuture<'static, bool>> {
        Ok(std::future::ready(false).boxed())
    }

    /// The accounts at these addresses, in order, and the slot at which they were read.
    async fn accounts(&self, addresses: &[Address]) -> Result<(u64, Vec<Option<Account>>)>;

    /// Like [`Self::accounts`], with only the first `limit` bytes of each account's data.
    async fn account_prefixes(&self, addresses: &[Address], limit: usize) -> Result<(u64, Vec<Option<Account>>)> {
        let (slot, mut accounts) = self.accounts(addresses).await?;
        accounts.iter_mut().flatten().for_each(|account| account.data.truncate(limit));
        Ok((slot, accounts))
    }

    /// The accounts of a program that pass all filters.
    async fn program_accounts(&self, program: &Address, filters: &[Filter]) -> Result<Vec<(Address, Account)>>;

    /// Subscribes to an account. The subscription is active when this returns; the stream ends when it breaks.
    async fn account_changes(&self, address: &Address) -> Result<BoxStream<'static, (u64, Account)>>;

    /// Subscribes to the accounts of a program that pass all filters. The subscription is active when this returns; the stream ends when it
    /// breaks.
    async fn program_changes(&self, program: &Address, filters: &[Filter]) -> Result<BoxStream<'static, (Address, Account)>>;
}
