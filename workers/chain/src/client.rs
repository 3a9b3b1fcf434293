//! Sends transactions and reads accounts.

use crate::{
    AccountWatch, Cluster, Error, Explanation, Filter, Landed, Lifetime, Live, Network, Pending, PriorityFee, ProgramErrors, Result,
    Simulation,
    fee::{Congestion, written},
};
use anchor_lang::{AccountDeserialize, Discriminator, Owner, bytemuck::Pod};
use base64::{Engine, prelude::BASE64_STANDARD};
use futures_util::FutureExt;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use solana_account::Account;
use solana_address::Address;
use solana_compute_budget_interface::ComputeBudgetInstruction;
use solana_hash::Hash;
use solana_instruction::Instruction;
use solana_message::{VersionedMessage, v0};
use solana_signature::Signature;
use solana_signer::Signer;
use solana_transaction::versioned::VersionedTransaction;
use solana_transaction_error::TransactionError;
use std::{fmt, slice::from_ref, sync::Arc, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};

/// Most compute units a transaction may ask for.
const MAX_COMPUTE_UNITS: u32 = 1_400_000;

/// Lamports a transaction pays for each signature.
pub(crate) const BASE_FEE: u64 = 5_000;

/// Most that an account of so many bytes locks as its rent, in lamports: at the 6,960 a byte that clusters started with.
pub const fn rent(bytes: usize) -> u64 {
    // Paid for beside an account's own bytes.
    const OVERHEAD: u64 = 128;
    OVERHEAD.saturating_add(bytes as u64).saturating_mul(6_960)
}

/// Most bytes of a transaction: what fits one IPv6 packet.
const MAX_TRANSACTION: usize = 1232;

/// A transaction is sent again this often until it is confirmed or expired: leaders drop what they have no room for.
const REBROADCAST: Duration = shorter_in_tests(Duration::from_secs(2));

/// The chain is asked this often while the subscription, which is quicker, keeps silent.
const POLL: Duration = shorter_in_tests(Duration::from_secs(1));

/// The chain is asked again this soon after a subscription has announced what a read does not show yet.
const SETTLE: Duration = Duration::from_millis(50);

/// Blocks after its last one before a transaction counts as expired. A hosted node is many machines, some behind others: the one that
/// knows the height may be ahead of the one that does not know the transaction, but not by as much as makes a block final.
const EXPIRY_MARGIN: u64 = 32;

/// A wait that is a twentieth as long in this crate's own tests.
pub(crate) const fn shorter_in_tests(time: Duration) -> Duration {
    Duration::from_millis(time.as_millis() as u64 / if cfg!(test) { 20 } else { 1 })
}

/// How a transaction is to be sent.
#[derive(Clone, Copy, Debug)]
pub struct SendOptions {
    /// Compute units to ask for; `None` asks for what the simulation used and a fifth more.
    pub compute_units: Option<u32>,
    /// Price paid on top of the base fee for a place in the block.
    pub priority_fee: PriorityFee,
    /// Longest wait for an answer; a transaction expires after about a minute anyway.
    pub timeout: Duration,
}

impl Default for SendOptions {
    fn default() -> Self {
        Self {
            compute_units: None,
            priority_fee: PriorityFee::default(),
            timeout: Duration::from_secs(120),
        }
    }
}

/// A signed transaction that simulation has passed. Its signature is known before it is sent, so it can be recorded first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// Last block height at which it can land.
    pub last_valid_block_height: u64,
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    transaction: VersionedTransaction,
    signature: Signature,
}

impl Prepared {
    /// The signature by which the chain knows the transaction.
    pub fn signature(&self) -> Signature {
        self.signature
    }

    /// How many instructions it has, those of the compute budget included.
    #[cfg(any(test, feature = "fake"))]
    pub(crate) fn instructions(&self) -> usize {
        self.transaction.message.instructions().len()
    }
}

/// What a transaction is signed with, beside its instructions.
#[derive(Clone, Copy)]
struct SigningParams {
    payer: Address,
    units: u32,
    price: u64,
    lifetime: Lifetime,
}

/// What a transaction would do, by simulation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// Compute units it would use.
    pub compute_units: u64,
    /// Lamports it would pay in fees.
    pub fee: u64,
    /// The watched accounts now, in the order asked for.
    pub before: Vec<Option<Account>>,
    /// The same after it.
    pub after: Vec<Option<Account>>,
}

/// What it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Signature of the transaction.
    pub signature: Signature,
    /// Slot of its block.
    pub slot: u64,
    /// Compute units used.
    pub compute_units: u64,
    /// Lamports paid in fees.
    pub fee: u64,
    /// Log lines.
    pub logs: Vec<String>,
}

/// A transaction that failed, in simulation or in a block.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Why, in words.
    pub explanation: Explanation,
    /// Why, as the runtime says it.
    pub error: TransactionError,
    /// Log lines.
    pub logs: Vec<String>,
    /// What it cost; `None` when it was never sent.
    pub receipt: Option<Receipt>,
}

/// A transaction without an answer.
#[derive(Clone, Debug)]
pub struct Uncertain {
    /// Signature of the transaction.
    pub signature: Signature,
    /// True when it is in no confirmed block and can no longer get into one: sending it anew is safe.
    pub expired: bool,
    /// The last thing that went wrong on the way, if anything did.
    pub last_error: Option<String>,
}

/// What became of a transaction.
#[derive(Clone, Debug)]
#[must_use = "a transaction that was sent has not necessarily done anything"]
pub enum Outcome {
    /// It is in a confirmed block and did what it says.
    Confirmed(Receipt),
    /// It did nothing but pay its fee.
    Failed(Failure),
    /// Nobody said.
    Unknown(Uncertain),
}

impl Outcome {
    /// The receipt, or an error that says why there is none.
    pub fn confirmed(self) -> Result<Receipt> {
        match self {
            Self::Confirmed(receipt) => Ok(receipt),
            Self::Failed(failure) => Err(NotConfirmed::Failed(failure).into()),
            Self::Unknown(uncertain) => Err(NotConfirmed::Unknown(uncertain).into()),
        }
    }

    /// True when the transaction has landed or never can.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Unknown(Uncertain { expired: false, .. }))
    }
}

/// Why there is no receipt.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotConfirmed {
    /// It failed.
    #[error("{}", .0.explanation)]
    Failed(Failure),
    /// Nobody said what became of it.
    #[error("{0}")]
    Unknown(Uncertain),
}

impl fmt::Display for Uncertain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            signature,
            expired,
            last_error,
        } = self;
        if *expired {
            write!(
                f,
                "transaction {signature} expired before any block took it and did nothing; send it again"
            )?;
        } else {
            write!(
                f,
                "nobody said in time whether transaction {signature} landed; look it up before sending it again"
            )?;
        }
        last_error.iter().try_for_each(|last_error| write!(f, " ({last_error})"))
    }
}

impl From<NotConfirmed> for Error {
    fn from(not_confirmed: NotConfirmed) -> Self {
        Self::Transaction(Box::new(not_confirmed))
    }
}

/// A client of one cluster. Cheap to clone.
#[derive(Clone)]
pub struct Chain {
    network: Arc<dyn Network>,
    errors: Arc<ProgramErrors>,
    congestion: Arc<Congestion>,
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("url", &self.network.url()).finish_non_exhaustive()
    }
}

impl Chain {
    /// A client of a live cluster. Nothing is sent yet.
    pub fn connect(cluster: &Cluster, errors: ProgramErrors) -> Self {
        Self::new(Arc::new(Live::new(cluster)), errors)
    }

    /// A client of any network.
    pub fn new(network: Arc<dyn Network>, errors: ProgramErrors) -> Self {
        Self {
            network,
            errors: Arc::new(errors),
            congestion: Arc::default(),
        }
    }

    /// The network underneath.
    pub fn network(&self) -> &Arc<dyn Network> {
        &self.network
    }

    /// Checks that the node answers and that these programs are deployed there.
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

    /// Signs a transaction and simulates it. The first signer pays.
    ///
    /// A transaction that would fail comes back as [`Error::Transaction`]: nothing was sent and nothing paid.
    pub async fn prepare(&self, instructions: &[Instruction], signers: &[&dyn Signer], options: &SendOptions) -> Result<Prepared> {
        let params = self.signing_params(instructions, signers, options).await?;
        self.sign(instructions, signers, &params)
    }

    /// What a transaction needs beside its instructions, by simulation.
    async fn signing_params(&self, instructions: &[Instruction], signers: &[&dyn Signer], options: &SendOptions) -> Result<SigningParams> {
        let Some(payer) = signers.first() else {
            return Err(Error::Signing("nobody signs it, so nobody pays for it".to_owned()));
        };
        let payer = payer.pubkey();
        let (simulation, price, lifetime) = tokio::try_join!(
            self.simulate(&payer, instructions, &[], options),
            self.price(&payer, instructions, options),
            self.network.lifetime()
        )?;
        Ok(SigningParams {
            payer,
            units: options.compute_units.unwrap_or_else(|| with_reserve(simulation.compute_units)),
            price,
            lifetime,
        })
    }

    /// What a transaction would do to the `watched` accounts and what it would cost, without any signature.
    ///
    /// A transaction that would fail comes back as [`Error::Transaction`].
    pub async fn preview(
        &self,
        payer: &Address,
        instructions: &[Instruction],
        watched: &[Address],
        options: &SendOptions,
    ) -> Result<Preview> {
        let (simulation, price, before) = tokio::try_join!(
            self.simulate(payer, instructions, watched, options),
            self.price(payer, instructions, options),
            self.network.accounts(watched)
        )?;
        let message = compile(payer, instructions, MAX_COMPUTE_UNITS, price, Hash::default())?;
        let units = options.compute_units.unwrap_or_else(|| with_reserve(simulation.compute_units));
        let priority = u64::from(units).saturating_mul(price).div_ceil(1_000_000);
        let (_, before) = before;
        let mut after = simulation.accounts;
        after.resize(watched.len(), None);
        Ok(Preview {
            compute_units: simulation.compute_units,
            fee: BASE_FEE
                .saturating_mul(message.header().num_required_signatures.into())
                .saturating_add(priority),
            after: after
                .into_iter()
                .zip(&before)
                .map(|(after, before)| after.or_else(|| before.clone()))
                .collect(),
            before,
        })
    }

    async fn simulate(
        &self,
        payer: &Address,
        instructions: &[Instruction],
        watched: &[Address],
        options: &SendOptions,
    ) -> Result<Simulation> {
        let units = options.compute_units.unwrap_or(MAX_COMPUTE_UNITS);
        let trial = compile(payer, instructions, units, 0, Hash::default())?;
        let unsigned = VersionedTransaction {
            signatures: vec![Signature::default(); trial.header().num_required_signatures.into()],
            message: trial,
        };
        let simulation = self.network.simulate(&unsigned, watched).await?;
        if let Some(error) = simulation.error {
            let explanation = self.errors.explain(&error, &unsigned, &simulation.logs);
            return Err(NotConfirmed::Failed(Failure {
                explanation,
                error,
                logs: simulation.logs,
                receipt: None,
            })
            .into());
        }
        Ok(simulation)
    }

    /// The price per compute unit. A node that does not tell what others pay is no reason not to send.
    async fn price(&self, payer: &Address, instructions: &[Instruction], options: &SendOptions) -> Result<u64> {
        let fee = options.priority_fee;
        let mut paid = Vec::new();
        if fee.follows_the_market() {
            let message = compile(payer, instructions, MAX_COMPUTE_UNITS, 0, Hash::default())?;
            let asked = self.network.recent_fees(&written(&message)).await;
            paid = asked.unwrap_or_else(|error| {
                tracing::debug!(%error, "no recent fees, so none are outbid");
                Vec::new()
            });
        }
        Ok(fee.price(paid, self.congestion.doublings()))
    }

    fn sign(&self, instructions: &[Instruction], signers: &[&dyn Signer], params: &SigningParams) -> Result<Prepared> {
        let SigningParams {
            payer,
            units,
            price,
            lifetime,
        } = *params;
        let message = compile(&payer, instructions, units, price, lifetime.blockhash)?;
        let transaction = VersionedTransaction::try_new(message, signers).map_err(|error| Error::Signing(error.to_string()))?;
        let size = encode(&transaction)?.len();
        if size > MAX_TRANSACTION && price > 0 {
            // A place that is not paid for is better than none.
            return self.sign(instructions, signers, &SigningParams { price: 0, ..*params });
        }
        if size > MAX_TRANSACTION {
            return Err(Error::Signing(format!(
                "it has {size} bytes and {MAX_TRANSACTION} fit; do less in one transaction"
            )));
        }
        let signature = transaction.signatures.first().copied().unwrap_or_default();
        Ok(Prepared {
            last_valid_block_height: lifetime.last_valid_block_height,
            transaction,
            signature,
        })
    }

    /// Sends a prepared transaction until it is confirmed, has failed or has expired.
    ///
    /// Sending the same one twice, even after a restart, lands it at most once.
    pub async fn submit(&self, prepared: &Prepared, options: &SendOptions) -> Outcome {
        let (mut last_error, doublings) = (None, self.congestion.doublings());
        let outcome = tokio::time::timeout(options.timeout, self.follow(prepared, &mut last_error)).await;
        match &outcome {
            Ok(Outcome::Confirmed(_) | Outcome::Failed(_)) => self.congestion.landed(),
            // A node that did not take the transaction says nothing about the blocks.
            Ok(Outcome::Unknown(_)) if last_error.is_none() => self.congestion.expired(doublings),
            _ => {}
        }
        outcome.unwrap_or_else(|_| {
            Outcome::Unknown(Uncertain {
                signature: prepared.signature,
                expired: false,
                last_error: last_error.map(|error| error.to_string()),
            })
        })
    }

    async fn follow(&self, prepared: &Prepared, last_error: &mut Option<Error>) -> Outcome {
        let signature = prepared.signature;
        // Nothing waits for the subscription: it may be long in coming, or hang.
        let mut seen = async {
            let confirmed = match self.network.signature_seen(&signature).await {
                Ok(seen) => seen.await,
                Err(error) => {
                    tracing::debug!(%signature, %error, "no subscription, polling instead");
                    false
                }
            };
            if !confirmed {
                std::future::pending::<()>().await;
            }
        }
        .boxed();
        let mut broadcast = interval(REBROADCAST);
        broadcast.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut poll = interval_at(Instant::now() + POLL, POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut announced = false;
        loop {
            tokio::select! {
                // The subscription is asked for before the transaction is sent, where that takes no time.
                biased;
                () = &mut seen => {
                    seen = std::future::pending().boxed();
                    announced = true;
                }
                _ = poll.tick() => {}
                _ = broadcast.tick() => {
                    // What the node takes again makes up for what it did not take or tell before.
                    *last_error = self.network.send(&prepared.transaction).await.err();
                    if let Some(error) = last_error {
                        tracing::debug!(%signature, %error, "send failed, trying again");
                    }
                    continue;
                }
            }
            match self.look(prepared).await {
                Ok(Some(outcome)) => return outcome,
                Ok(None) if announced => poll.reset_after(SETTLE),
                Ok(None) => {}
                Err(error) => *last_error = Some(error),
            }
        }
    }

    /// What is known of a transaction now; `None` while it may still land.
    async fn look(&self, prepared: &Prepared) -> Result<Option<Outcome>> {
        // The height first: a transaction that is in no block at or below its last height is in none.
        let height = self.network.block_height().await?;
        if let Some(landed) = self.network.landed(&prepared.signature).await? {
            return Ok(Some(self.outcome(prepared, landed)));
        }
        let expired = height > prepared.last_valid_block_height.saturating_add(EXPIRY_MARGIN);
        Ok(expired.then_some(Outcome::Unknown(Uncertain {
            signature: prepared.signature,
            expired,
            last_error: None,
        })))
    }

    fn outcome(&self, prepared: &Prepared, landed: Landed) -> Outcome {
        let Landed {
            slot,
            error,
            compute_units,
            fee,
            logs,
            ..
        } = landed;
        let receipt = Receipt {
            signature: prepared.signature,
            slot,
            compute_units,
            fee,
            logs: logs.unwrap_or_default(),
        };
        match error {
            None => Outcome::Confirmed(receipt),
            Some(error) => {
                let explanation = self.errors.explain(&error, &prepared.transaction, &receipt.logs);
                Outcome::Failed(Failure {
                    explanation,
                    error,
                    logs: receipt.logs.clone(),
                    receipt: Some(receipt),
                })
            }
        }
    }

    /// Prepares and sends a transaction whose loss in a crash does not matter.
    pub async fn send(&self, instructions: &[Instruction], signers: &[&dyn Signer], options: &SendOptions) -> Result<Receipt> {
        let prepared = self.prepare(instructions, signers, options).await?;
        self.submit(&prepared, options).await.confirmed()
    }

    /// Sends transactions of one instruction each that build on each other. Each goes out as soon as the one before has succeeded in a block,
    /// without waiting for the votes that confirm it. Returns the receipt of the last, which is confirmed only if all are.
    ///
    /// Simulations are of the confirmed state, so only the first is simulated; the others ask for one and a half times its compute units. A
    /// failure ends it, and when a block is dropped, what builds on it fails.
    pub async fn send_in_order(&self, steps: &[Instruction], signers: &[&dyn Signer], options: &SendOptions) -> Result<Receipt> {
        let Some((last, before)) = steps.split_last() else {
            return Err(Error::Signing("there is nothing to send".to_owned()));
        };
        let first = from_ref(before.first().unwrap_or(last));
        let mut params = self.signing_params(first, signers, options).await?;
        let more = params.units.saturating_add(params.units / 2).min(MAX_COMPUTE_UNITS);
        for step in before {
            let prepared = self.sign(from_ref(step), signers, &params)?;
            self.submit_to_block(&prepared, options).await?;
            params.units = options.compute_units.unwrap_or(more);
        }
        let prepared = self.sign(from_ref(last), signers, &params)?;
        self.submit(&prepared, options).await.confirmed()
    }

    /// Sends a prepared transaction until it has succeeded in a block, which may still be dropped.
    async fn submit_to_block(&self, prepared: &Prepared, options: &SendOptions) -> Result<()> {
        let processed = async {
            match self.network.signature_processed(&prepared.signature).await {
                Ok(processed) => processed.await,
                Err(_) => false,
            }
        };
        tokio::select! {
            // As in `follow`, the subscription is asked for first.
            biased;
            true = processed => Ok(()),
            outcome = self.submit(prepared, options) => outcome.confirmed().map(drop),
        }
    }

    /// Prepares a transaction, records on disk that it is about to be sent for `purpose`, sends it and records the end.
    ///
    /// After a crash at any point, [`Pending::unsettled`] has it exactly if it may have been sent; [`Chain::resolve`] then tells.
    pub async fn send_recorded(
        &self,
        pending: &Pending,
        purpose: &str,
        instructions: &[Instruction],
        signers: &[&dyn Signer],
        options: &SendOptions,
    ) -> Result<Outcome> {
        let prepared = self.prepare(instructions, signers, options).await?;
        pending.record(purpose, &prepared)?;
        let outcome = self.submit(&prepared, options).await;
        if outcome.is_final() {
            pending.settle(&prepared.signature)?;
        }
        Ok(outcome)
    }

    /// Finds out what became of a transaction recorded before a crash, sending it again if it can still land.
    pub async fn resolve(&self, pending: &Pending, prepared: &Prepared, options: &SendOptions) -> Result<Outcome> {
        let outcome = match self.look(prepared).await? {
            Some(outcome) => outcome,
            None => self.submit(prepared, options).await,
        };
        if outcome.is_final() {
            pending.settle(&prepared.signature)?;
        }
        Ok(outcome)
    }

    /// The account at `address`, if it has any lamports; see [`made`] for whether they are all it has.
    pub async fn account(&self, address: &Address) -> Result<Option<Account>> {
        let (_, accounts) = self.network.accounts(&[*address]).await?;
        Ok(accounts.into_iter().next().flatten())
    }

    /// Like [`Self::account`], with only the first `limit` bytes of its data: an account that a stranger has named may have 10 MiB.
    pub async fn account_prefix(&self, address: &Address, limit: usize) -> Result<Option<Account>> {
        let (_, accounts) = self.network.account_prefixes(&[*address], limit).await?;
        Ok(accounts.into_iter().next().flatten())
    }

    /// Whether somebody has [`made`] an account at `address`.
    pub async fn exists(&self, address: &Address) -> Result<bool> {
        Ok(made(self.account_prefix(address, 1).await?.as_ref()).is_some())
    }

    /// The typed account at `address`, if there is one.
    pub async fn try_fetch<T: AccountDeserialize + Discriminator + Owner + Pod>(&self, address: &Address) -> Result<Option<T>> {
        // What follows a `Pod` value in its account is not read.
        let limit = T::DISCRIMINATOR.len().saturating_add(size_of::<T>());
        decode_if_any(address, self.account_prefix(address, limit).await?.as_ref())
    }

    /// The typed account at `address`.
    pub async fn fetch<T: AccountDeserialize + Discriminator + Owner + Pod>(&self, address: &Address) -> Result<T> {
        self.try_fetch(address).await?.ok_or_else(|| self.missing(address))
    }

    /// The error that there is no account at `address`.
    pub fn missing(&self, address: &Address) -> Error {
        Error::NoAccount {
            url: self.network.url().to_owned(),
            address: *address,
        }
    }

    /// All accounts of a type that pass the filters; offsets count from the start of the account, discriminator included.
    pub async fn find<T: AccountDeserialize + Discriminator + Owner>(&self, filters: &[Filter]) -> Result<Vec<(Address, T)>> {
        let mut all = vec![Filter::Bytes(0, T::DISCRIMINATOR.to_vec())];
        all.extend_from_slice(filters);
        let accounts = self.network.program_accounts(&T::OWNER, &all).await?;
        accounts
            .into_iter()
            .map(|(address, account)| Ok((address, decode(&address, &account)?)))
            .collect()
    }

    /// Follows the account at `address`.
    pub fn watch(&self, address: Address) -> AccountWatch {
        AccountWatch::new(self.network.clone(), address)
    }
}

/// An account that somebody has made. Lamports alone are none: anybody can send some to any address, also to one where a program has yet to
/// make its account, or has closed it.
pub fn made(account: Option<&Account>) -> Option<&Account> {
    account.filter(|account| account.owner != solana_system_interface::program::ID || !account.data.is_empty())
}

/// Reads as [`decode`] does what may be at an address; `None` where no account was [`made`].
pub fn decode_if_any<T: AccountDeserialize + Owner>(address: &Address, account: Option<&Account>) -> Result<Option<T>> {
    made(account).map(|account| decode(address, account)).transpose()
}

/// Reads an account's bytes as `T`, checking its owner and discriminator.
pub fn decode<T: AccountDeserialize + Owner>(address: &Address, account: &Account) -> Result<T> {
    let refuse = |reason| Error::AccountKind { address: *address, reason };
    if account.owner != T::OWNER {
        return Err(refuse(format!("it belongs to program {}, not to {}", account.owner, T::OWNER)));
    }
    T::try_deserialize(&mut account.data.as_slice()).map_err(|_| refuse("its type or size differs".to_owned()))
}

fn compile(payer: &Address, instructions: &[Instruction], units: u32, price: u64, blockhash: Hash) -> Result<VersionedMessage> {
    let mut all = vec![ComputeBudgetInstruction::set_compute_unit_limit(units)];
    if price > 0 {
        all.push(ComputeBudgetInstruction::set_compute_unit_price(price));
    }
    all.extend_from_slice(instructions);
    let message = v0::Message::try_compile(payer, &all, &[], blockhash).map_err(|error| Error::Signing(error.to_string()))?;
    Ok(VersionedMessage::V0(message))
}

/// A fifth more than simulated: searches for addresses and lists vary a little from slot to slot.
fn with_reserve(units: u64) -> u32 {
    let units = u32::try_from(units).unwrap_or(MAX_COMPUTE_UNITS);
    units.saturating_add(units / 5).saturating_add(1_000).min(MAX_COMPUTE_UNITS)
}

fn encode(transaction: &VersionedTransaction) -> Result<Vec<u8>> {
    wincode::serialize(transaction).map_err(|error| Error::Signing(error.to_string()))
}

fn to_base64<S: Serializer>(transaction: &VersionedTransaction, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    let bytes = encode(transaction).map_err(ser::Error::custom)?;
    serializer.serialize_str(&BASE64_STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<VersionedTransaction, D::Error> {
    let bytes = BASE64_STANDARD
        .decode(String::deserialize(deserializer)?)
        .map_err(de::Error::custom)?;
    wincode::deserialize(&bytes).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
    use super::*;
    use crate::{
        Simulation,
        fake::{Fake, gift},
    };
    use solana_instruction::error::InstructionError;
    use solana_keypair::Keypair;
    use std::sync::atomic::{AtomicU64, Ordering};

    const OPTIONS: SendOptions = SendOptions {
        compute_units: None,
        priority_fee: PriorityFee { least: 0, most: 1_000_000 },
        timeout: Duration::from_secs(120),
    };

    fn chain() -> (Arc<Fake>, Chain) {
        let fake = Arc::new(Fake::default());
        (fake.clone(), Chain::new(fake, ProgramErrors::default()))
    }

    fn landed(error: Option<TransactionError>) -> Landed {
        Landed {
            slot: 7,
            time: None,
            error,
            compute_units: 150,
            fee: 5_000,
            logs: Some(vec!["done".to_owned()]),
        }
    }

    fn transfer(payer: &Keypair) -> Vec<Instruction> {
        vec![solana_system_interface::instruction::transfer(
            &payer.pubkey(),
            &Address::new_unique(),
            1,
        )]
    }

    /// Fails instruction 1, the first after the compute budget's.
    fn custom(code: u32) -> TransactionError {
        TransactionError::InstructionError(1, InstructionError::Custom(code))
    }

    #[tokio::test]
    async fn confirmed_by_subscription_at_once() {
        let (fake, chain) = chain();
        fake.on_send(|_| Some(landed(None)));
        let payer = Keypair::new();
        let receipt = chain.send(&transfer(&payer), &[&payer], &OPTIONS).await.unwrap();
        assert_eq!((receipt.slot, receipt.compute_units, receipt.fee), (7, 150, 5_000));
        assert_eq!(fake.lookups(), 1, "asked once, when told");
        assert_eq!(fake.sent().len(), 1);
    }

    #[tokio::test]
    async fn confirmed_by_polling_without_subscriptions() {
        let (fake, chain) = chain();
        fake.set_deaf(true);
        fake.on_send(|_| Some(landed(None)));
        let payer = Keypair::new();
        chain.send(&transfer(&payer), &[&payer], &OPTIONS).await.unwrap();
    }

    #[tokio::test]
    async fn sent_while_the_subscription_hangs() {
        let (fake, chain) = chain();
        fake.set_hanging(true);
        fake.on_send(|_| Some(landed(None)));
        let payer = Keypair::new();
        chain.send(&transfer(&payer), &[&payer], &OPTIONS).await.unwrap();
    }

    /// The compute units that each transaction sent asks for, and the lamports that it moves.
    fn asked_and_moved(fake: &Fake) -> Vec<(u32, u64)> {
        let number = |data: &[u8]| u64::from_le_bytes(data[data.len() - 8..].try_into().unwrap());
        let read = |transaction: &VersionedTransaction| {
            let [limit, transfer] = transaction.message.instructions() else {
                panic!("{transaction:?}")
            };
            let limit = u32::from_le_bytes(limit.data[1..].try_into().unwrap());
            (limit, number(&transfer.data))
        };
        fake.sent().iter().map(read).collect()
    }

    /// Transfers of one lamport, two and so on.
    fn transfers(payer: &Keypair, count: u64) -> Vec<Instruction> {
        let transfer = |lamports| solana_system_interface::instruction::transfer(&payer.pubkey(), &payer.pubkey(), lamports);
        (1..=count).map(transfer).collect()
    }

    #[tokio::test]
    async fn what_builds_on_each_other_waits_for_blocks_and_not_for_votes() {
        let (fake, chain) = chain();
        fake.set_processing(true);
        fake.set_simulation(Simulation {
            compute_units: 1_000,
            ..Simulation::default()
        });
        let mut sent = 0;
        fake.on_send(move |_| {
            sent += 1;
            (sent == 3).then(|| landed(None))
        });
        let payer = Keypair::new();
        let receipt = chain.send_in_order(&transfers(&payer, 3), &[&payer], &OPTIONS).await.unwrap();
        assert_eq!(receipt.signature, fake.sent()[2].signatures[0]);
        assert_eq!(asked_and_moved(&fake), [(2_200, 1), (3_300, 2), (3_300, 3)]);
    }

    #[tokio::test]
    async fn what_builds_on_each_other_is_confirmed_one_by_one_when_nobody_tells_of_blocks() {
        let (fake, chain) = chain();
        fake.set_deaf(true);
        fake.on_send(|_| Some(landed(None)));
        let payer = Keypair::new();
        chain.send_in_order(&transfers(&payer, 2), &[&payer], &OPTIONS).await.unwrap();
        assert_eq!(asked_and_moved(&fake).len(), 2);
    }

    #[tokio::test]
    async fn nothing_goes_out_after_what_failed() {
        let (fake, chain) = chain();
        fake.set_processing(true);
        fake.on_send(|_| Some(landed(Some(custom(5)))));
        let payer = Keypair::new();
        let error = chain.send_in_order(&transfers(&payer, 2), &[&payer], &OPTIONS).await.unwrap_err();
        assert!(error.is_failure());
        assert_eq!(fake.sent().len(), 1);
    }

    #[tokio::test]
    async fn sent_again_until_a_leader_takes_it() {
        let (fake, chain) = chain();
        let mut refusals = 3;
        fake.on_send(move |_| {
            refusals -= 1;
            (refusals < 0).then(|| landed(None))
        });
        let payer = Keypair::new();
        chain.send(&transfer(&payer), &[&payer], &OPTIONS).await.unwrap();
        let sent = fake.sent();
        assert_eq!(sent.len(), 4);
        assert!(
            sent.iter().all(|transaction| *transaction == sent[0]),
            "the very same transaction each time"
        );
    }

    #[tokio::test]
    async fn a_broken_subscription_falls_back_to_polling() {
        let (fake, chain) = chain();
        let payer = Keypair::new();
        let prepared = chain.prepare(&transfer(&payer), &[&payer], &OPTIONS).await.unwrap();
        let waiting = tokio::spawn({
            let prepared = prepared.clone();
            async move { chain.submit(&prepared, &OPTIONS).await }
        });
        while fake.sent().is_empty() {
            tokio::task::yield_now().await;
        }
        fake.set_deaf(true);
        fake.land(prepared.signature(), landed(None));
        assert!(matches!(waiting.await.unwrap(), Outcome::Confirmed(_)));
    }

    #[tokio::test]
    async fn simulation_refuses_before_anything_is_sent() {
        let (fake, chain) = chain();
        fake.set_simulation(Simulation {
            error: Some(custom(1)),
            ..Simulation::default()
        });
        let payer = Keypair::new();
        let error = chain.send(&transfer(&payer), &[&payer], &OPTIONS).await.unwrap_err();
        assert!(error.to_string().contains("too little SOL"), "{error}");
        let Error::Transaction(cause) = error else { panic!("{error}") };
        assert!(matches!(*cause, NotConfirmed::Failed(Failure { receipt: None, .. })));
        assert!(fake.sent().is_empty());
    }

    #[tokio::test]
    async fn failure_in_a_block_has_its_cost() {
        let (fake, chain) = chain();
        fake.on_send(|_| Some(landed(Some(custom(1)))));
        let payer = Keypair::new();
        let prepared = chain.prepare(&transfer(&payer), &[&payer], &OPTIONS).await.unwrap();
        let outcome = chain.submit(&prepared, &OPTIONS).await;
        assert!(outcome.is_final());
        let Outcome::Failed(failure) = outcome else { panic!("{outcome:?}") };
        assert_eq!(failure.receipt.unwrap().fee, 5_000);
        assert_eq!(failure.explanation.name, "ResultWithNegativeLamports");
    }

    #[tokio::test]
    async fn expiry_is_certain_and_silence_is_not() {
        let (fake, chain) = chain();
        let payer = Keypair::new();
        let prepared = chain.prepare(&transfer(&payer), &[&payer], &OPTIONS).await.unwrap();
        let short = SendOptions {
            timeout: POLL * 5,
            ..OPTIONS
        };
        let silent = chain.submit(&prepared, &short).await;
        assert!(matches!(silent, Outcome::Unknown(Uncertain { expired: false, .. })) && !silent.is_final());

        fake.advance(150 + EXPIRY_MARGIN);
        let silent = chain.submit(&prepared, &short).await;
        assert!(!silent.is_final(), "a node may lag");
        fake.advance(1);
        let expired = chain.submit(&prepared, &OPTIONS).await;
        assert!(matches!(expired, Outcome::Unknown(Uncertain { expired: true, .. })) && expired.is_final());

        fake.set_unreachable(true);
        let cut_off = chain.submit(&prepared, &short).await;
        let Outcome::Unknown(uncertain) = &cut_off else {
            panic!("{cut_off:?}")
        };
        assert!(!uncertain.expired && uncertain.last_error.as_ref().unwrap().contains("no Solana node answers"));
    }

    #[tokio::test]
    async fn asks_for_what_simulation_used_and_a_reserve() {
        let (fake, chain) = chain();
        fake.set_simulation(Simulation {
            compute_units: 5_000,
            ..Simulation::default()
        });
        fake.on_send(|_| Some(landed(None)));
        let payer = Keypair::new();
        chain.send(&transfer(&payer), &[&payer], &OPTIONS).await.unwrap();
        let sent = fake.sent().remove(0);
        let data: Vec<_> = sent.message.instructions().iter().map(|instruction| &instruction.data).collect();
        assert_eq!(data[0], &ComputeBudgetInstruction::set_compute_unit_limit(7_000).data);
        assert_eq!(data.len(), 2, "where nobody pays for a place, no more than the limit");
    }

    #[tokio::test]
    async fn pays_what_others_pay_and_more_after_each_expiry() {
        let (fake, chain) = chain();
        fake.set_simulation(Simulation {
            compute_units: 5_000,
            ..Simulation::default()
        });
        fake.set_recent_fees(&[0, 70_000, 70_000]);
        let payer = Keypair::new();
        let price = |prepared: &Prepared| {
            let data = &prepared.transaction.message.instructions()[1].data;
            let [3, price @ ..] = data.as_slice() else { panic!("{data:?}") };
            u64::from_le_bytes(price.try_into().unwrap())
        };
        let prepare = async || chain.prepare(&transfer(&payer), &[&payer], &OPTIONS).await;
        let lost = prepare().await.unwrap();
        assert_eq!(price(&lost), 70_000);
        let preview = chain.preview(&payer.pubkey(), &transfer(&payer), &[], &OPTIONS).await.unwrap();
        assert_eq!(preview.fee, 5_000 + 490, "7,000 units at 0.07 lamports");

        fake.advance(151 + EXPIRY_MARGIN);
        assert!(chain.submit(&lost, &OPTIONS).await.is_final());
        let second = prepare().await.unwrap();
        assert_eq!(price(&second), 140_000);

        fake.land(second.signature(), landed(None));
        chain.submit(&second, &OPTIONS).await.confirmed().unwrap();
        assert_eq!(price(&prepare().await.unwrap()), 70_000);

        let fixed = SendOptions {
            priority_fee: PriorityFee { least: 9, most: 9 },
            ..OPTIONS
        };
        let fixed = chain.prepare(&transfer(&payer), &[&payer], &fixed).await.unwrap();
        assert_eq!(price(&fixed), 9);
    }

    /// A node that was away for a moment, and took the transaction again and again afterwards, says of its expiry what any other says.
    #[tokio::test(start_paused = true)]
    async fn a_moment_without_the_node_hides_no_expiry() {
        let (fake, chain) = chain();
        let payer = Keypair::new();
        let lost = chain.prepare(&transfer(&payer), &[&payer], &OPTIONS).await.unwrap();
        fake.set_unreachable(true);
        let passing = async {
            tokio::time::sleep(2 * POLL).await;
            fake.set_unreachable(false);
            tokio::time::sleep(2 * REBROADCAST).await;
            fake.advance(151 + EXPIRY_MARGIN);
        };
        let (outcome, ()) = tokio::join!(chain.submit(&lost, &OPTIONS), passing);
        assert!(matches!(outcome, Outcome::Unknown(Uncertain { expired: true, .. })));
        assert_eq!(chain.congestion.doublings(), 1);
    }

    #[tokio::test]
    async fn too_large_and_unsigned_are_refused() {
        let (_, chain) = chain();
        let payer = Keypair::new();
        let large = Instruction::new_with_bytes(Address::new_unique(), &[0; 1200], vec![]);
        let error = chain.prepare(&[large], &[&payer], &OPTIONS).await.unwrap_err();
        assert!(matches!(&error, Error::Signing(text) if text.contains("1232")), "{error}");
        assert!(matches!(
            chain.prepare(&transfer(&payer), &[], &OPTIONS).await,
            Err(Error::Signing(_))
        ));
        let other = transfer(&Keypair::new());
        assert!(
            matches!(chain.prepare(&other, &[&payer], &OPTIONS).await, Err(Error::Signing(_))),
            "a signature is missing"
        );
    }

    /// Kills the sender at each step; the chain must see the transaction at most once, and a restart must learn its fate.
    #[tokio::test]
    async fn a_crash_neither_loses_nor_repeats_a_transaction() {
        let folder = tempfile::tempdir().unwrap();
        let payer = Keypair::new();
        for (case, crash_after_landing) in [("before", false), ("after", true)] {
            let path = folder.path().join(case);
            let (fake, chain) = chain();
            let times = Arc::new(AtomicU64::new(0));
            let counter = times.clone();
            let sent = {
                let pending = Pending::open(&path).unwrap();
                // Nothing answers while the process dies, whether or not the transaction got through.
                let options = SendOptions {
                    timeout: Duration::ZERO,
                    ..OPTIONS
                };
                let outcome = chain
                    .send_recorded(&pending, "open", &transfer(&payer), &[&payer], &options)
                    .await
                    .unwrap();
                assert!(!outcome.is_final());
                pending.unsettled().remove(0)
            };
            assert_eq!(sent.purpose, "open");
            if crash_after_landing {
                times.fetch_add(1, Ordering::Relaxed);
                fake.land(sent.prepared.signature(), landed(None));
            }
            fake.on_send(move |_| {
                counter.fetch_add(1, Ordering::Relaxed);
                Some(landed(None))
            });

            let pending = Pending::open(&path).unwrap();
            assert_eq!(pending.unsettled(), std::slice::from_ref(&sent));
            let outcome = chain.resolve(&pending, &sent.prepared, &OPTIONS).await.unwrap();
            assert!(matches!(outcome, Outcome::Confirmed(_)), "{case}: {outcome:?}");
            assert!(pending.unsettled().is_empty());
            assert_eq!(times.load(Ordering::Relaxed), 1, "{case}: landed exactly once");
        }
    }

    #[tokio::test]
    async fn missing_programs_and_accounts_are_named() {
        let (_, chain) = chain();
        let program = Address::new_unique();
        let error = chain.check(&[program]).await.unwrap_err();
        assert!(matches!(error, Error::WrongCluster { program: named, .. } if named == program));
    }

    #[tokio::test]
    async fn lamports_alone_are_no_account() {
        let (fake, chain) = chain();
        let address = Address::new_unique();
        fake.set_account(address, gift());
        assert!(chain.try_fetch::<jobs::Config>(&address).await.unwrap().is_none());
        assert!(matches!(chain.fetch::<jobs::Config>(&address).await, Err(Error::NoAccount { .. })));
        for other in [
            Account {
                data: vec![0; 80],
                ..gift()
            },
            Account { owner: jobs::ID, ..gift() },
        ] {
            fake.set_account(address, other);
            assert!(matches!(
                chain.try_fetch::<jobs::Config>(&address).await,
                Err(Error::AccountKind { .. })
            ));
        }
    }
}
