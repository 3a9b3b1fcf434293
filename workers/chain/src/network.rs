//! The node as the rest of this crate sees it.

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

/// A blockhash and how long it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// Goes into the transaction.
    pub blockhash: Hash,
    /// Last block height at which a transaction with it can land.
    pub last_valid_block_height: u64,
}

/// What a transaction would do.
#[derive(Clone, Debug, Default)]
pub struct Simulation {
    /// Why it would fail, if it would.
    pub error: Option<TransactionError>,
    /// Log lines.
    pub logs: Vec<String>,
    /// Compute units it would use.
    pub compute_units: u64,
    /// The accounts asked for as they would be after it, in order; `None` when the node does not say, as for untouched ones.
    pub accounts: Vec<Option<Account>>,
}

/// A transaction that is in a block.
#[derive(Clone, Debug)]
pub struct Landed {
    /// Slot of the block.
    pub slot: u64,
    /// When the block was made, unix seconds, as far as the node knows.
    pub time: Option<i64>,
    /// Why it failed, if it did; its fee is paid all the same.
    pub error: Option<TransactionError>,
    /// Compute units used.
    pub compute_units: u64,
    /// Lamports paid in fees.
    pub fee: u64,
    /// Log lines; `None` while the node has not got the transaction's details, or where it keeps none.
    pub logs: Option<Vec<String>>,
}

/// Slots and signatures of all transactions that name an address and did not fail, newest first, as far back as the node remembers, in
/// pages. The next page is asked for when it is needed: anybody can name an address in useless ones.
pub fn past<'a>(network: &'a dyn Network, address: &'a Address) -> impl Stream<Item = Result<Vec<(u64, Signature)>>> + Unpin + 'a {
    Box::pin(stream::try_unfold(None, move |before: Option<Signature>| async move {
        let page = network.history(address, before.as_ref(), 0).await?;
        let last = page.last().map(|(_, last)| *last);
        Ok(last.map(|last| (page, Some(last))))
    }))
}

/// Transactions that are asked about at once.
pub(crate) const AT_ONCE: usize = 16;

/// What `ask` tells of each transaction of [`past`], in their order. Those of a page are asked about side by side, and the next page's not
/// before all of them are told.
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

/// Selects accounts of a program on the node's side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Accounts of this many bytes.
    Size(u64),
    /// Accounts with these bytes at this offset.
    Bytes(usize, Vec<u8>),
}

impl Filter {
    /// Whether an account passes, for stand-ins of a node.
    pub fn passes(&self, account: &Account) -> bool {
        match self {
            Self::Size(size) => account.data.len() as u64 == *size,
            Self::Bytes(offset, bytes) => account.data.get(*offset..).is_some_and(|data| data.starts_with(bytes)),
        }
    }
}

/// A Solana node, or a stand-in.
///
/// All reads are at "confirmed": seen by two thirds of the stake, which has never been rolled back.
#[async_trait]
pub trait Network: Send + Sync + 'static {
    /// Address of the node as it may be shown.
    fn url(&self) -> &str;

    /// A fresh blockhash.
    async fn lifetime(&self) -> Result<Lifetime>;

    /// Height of the newest confirmed block.
    async fn block_height(&self) -> Result<u64>;

    /// Runs a transaction without sending it and reports the state of the `watched` accounts after it; neither signatures nor the
    /// blockhash need be valid.
    async fn simulate(&self, transaction: &VersionedTransaction, watched: &[Address]) -> Result<Simulation>;

    /// What those paid, in millionths of a lamport per compute unit, who paid least for a place in each recent block while they wrote all of
    /// these accounts; blocks without any count as 0.
    async fn recent_fees(&self, written: &[Address]) -> Result<Vec<u64>>;

    /// Hands a transaction to the node as it is, without simulation. Sending the same one again is harmless.
    async fn send(&self, transaction: &VersionedTransaction) -> Result<()>;

    /// What became of a transaction, as far as back the node remembers; `None` if it is not in a confirmed block.
    async fn landed(&self, signature: &Signature) -> Result<Option<Landed>>;

    /// Slots and signatures of the newest transactions that name an address and did not fail, or of those before one of them, newest first,
    /// at most a thousand; none when there are no more. Whoever answers has got to `slot`: a node may be many machines, some of them behind
    /// the one that answered before.
    ///
    /// # Errors
    /// [`crate::Error::Behind`] from a machine that has not got there yet.
    async fn history(&self, address: &Address, before: Option<&Signature>, slot: u64) -> Result<Vec<(u64, Signature)>>;

    /// What a transaction did: its instructions, each followed by those that programs called in it. `None` when it failed or is not remembered.
    async fn instructions(&self, signature: &Signature) -> Result<Option<Vec<Instruction>>>;

    /// Subscribes to a transaction. When this returns the subscription stands; the future it returns completes when the transaction
    /// is confirmed, or with `false` when the subscription breaks.
    async fn signature_seen(&self, signature: &Signature) -> Result<BoxFuture<'static, bool>>;

    /// The same before the transaction is confirmed: the future completes when the node has seen it succeed in a block, which may still be
    /// dropped, or with `false` when it failed there or the node does not tell. A stand-in need not.
    async fn signature_processed(&self, _signature: &Signature) -> Result<BoxFuture<'static, bool>> {
        Ok(std::future::ready(false).boxed())
    }

    /// Accounts at these addresses, in order, with the slot at which they were read.
    async fn accounts(&self, addresses: &[Address]) -> Result<(u64, Vec<Option<Account>>)>;

    /// Like [`Self::accounts`], with only the first `limit` bytes of each account's data.
    async fn account_prefixes(&self, addresses: &[Address], limit: usize) -> Result<(u64, Vec<Option<Account>>)> {
        let (slot, mut accounts) = self.accounts(addresses).await?;
        accounts.iter_mut().flatten().for_each(|account| account.data.truncate(limit));
        Ok((slot, accounts))
    }

    /// Accounts of a program that pass all filters.
    async fn program_accounts(&self, program: &Address, filters: &[Filter]) -> Result<Vec<(Address, Account)>>;

    /// Subscribes to an account. When this returns the subscription stands; the stream ends when it breaks.
    async fn account_changes(&self, address: &Address) -> Result<BoxStream<'static, (u64, Account)>>;

    /// Subscribes to the accounts of a program that pass all filters. When this returns the subscription stands; the stream ends when it
    /// breaks.
    async fn program_changes(&self, program: &Address, filters: &[Filter]) -> Result<BoxStream<'static, (Address, Account)>>;
}
