//! A network in memory, on which a test makes blocks, sets accounts and switches on failures.

use crate::{Chain, Error, Filter, Landed, Lifetime, Network, PriorityFee, Result, SendOptions, Simulation, sysvar::CLOCK};
use anchor_lang::{
    Discriminator, Owner,
    bytemuck::{Pod, bytes_of},
};
use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream, stream::BoxStream};
use parking_lot::{Mutex, MutexGuard};
use solana_account::Account;
use solana_address::Address;
use solana_hash::Hash;
use solana_instruction::{AccountMeta, Instruction};
use solana_signature::Signature;
use solana_signer::Signer;
use solana_transaction::versioned::VersionedTransaction;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};
use tokio::sync::broadcast;

/// Blocks for which a blockhash is valid, as on a real chain.
const LIFETIME: u64 = 150;

/// Decides what happens to a sent transaction.
type OnSend = Box<dyn FnMut(&VersionedTransaction) -> Option<Landed> + Send>;

/// A test double of a Solana node.
pub struct Fake {
    state: Mutex<State>,
    events: broadcast::Sender<Event>,
}

#[derive(Default)]
struct State {
    height: u64,
    /// Last height at which each blockhash is valid.
    blockhashes: Vec<u64>,
    accounts: HashMap<Address, Account>,
    landed: HashMap<Signature, Landed>,
    processed: HashSet<Signature>,
    sent: Vec<VersionedTransaction>,
    lookups: usize,
    looks: usize,
    subscriptions: usize,
    shown: usize,
    simulation: Simulation,
    recent_fees: Vec<u64>,
    on_send: Option<OnSend>,
    deaf: bool,
    processing: bool,
    hanging: bool,
    mute_once_sent: bool,
    without_history: bool,
    forgetful: bool,
    unreachable: bool,
    refusing: bool,
    /// One of so many requests fails.
    fails_every: Option<usize>,
    requests: usize,
    searches: usize,
    behind: Option<Behind>,
}

impl State {
    /// Whether the blockhash of a transaction is one of this node and no longer valid.
    fn is_expired(&self, transaction: &VersionedTransaction) -> bool {
        let bytes = transaction.message.recent_blockhash().to_bytes();
        let number = usize::from_le_bytes(bytes[..8].try_into().unwrap_or_default());
        let last_valid = number.checked_sub(1).and_then(|index| self.blockhashes.get(index));
        last_valid.is_some_and(|last_valid| self.height > *last_valid)
    }
}

/// The state of a machine that has fallen behind.
struct Behind {
    height: u64,
    accounts: HashMap<Address, Account>,
    /// The next read of this account goes to that machine.
    address: Address,
}

#[derive(Clone)]
enum Event {
    /// A transaction is in a block, where it succeeded or failed.
    Processed(Signature, bool),
    Landed(Signature),
    Account(Address, u64, Account),
    /// All subscriptions break.
    Break,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            events: broadcast::channel(1024).0,
        }
    }
}

impl Fake {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    fn reach(&self) -> Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        state.requests += 1;
        if state.unreachable {
            return Err(unreachable("switched off"));
        }
        if state.fails_every.is_some_and(|every| state.requests.is_multiple_of(every)) {
            return Err(unreachable("too many requests"));
        }
        if state.refusing {
            return Err(Error::Refused {
                url: "fake".to_owned(),
                action: "answer",
                reason: "too many requests".to_owned(),
            });
        }
        Ok(state)
    }

    fn announce(&self, event: Event) {
        // It does not matter if nobody listens.
        let _ = self.events.send(event);
    }

    /// Makes empty blocks.
    pub fn advance(&self, blocks: u64) {
        self.state().height += blocks;
    }

    /// Decides what happens to each transaction sent from now on: it lands as returned by `act`, or not yet.
    pub fn on_send(&self, act: impl FnMut(&VersionedTransaction) -> Option<Landed> + Send + 'static) {
        self.state().on_send = Some(Box::new(act));
    }

    /// Notifies subscribers of a confirmed transaction that the machine which is asked about it has not seen.
    pub fn announce_confirmed(&self, signature: Signature) {
        self.announce(Event::Landed(signature));
    }

    /// Puts a transaction into a block.
    pub fn land(&self, signature: Signature, landed: Landed) {
        self.state().landed.insert(signature, landed);
        self.announce(Event::Landed(signature));
    }

    /// Confirms all transactions that have succeeded in a block.
    pub fn confirm(&self) {
        let processed: Vec<_> = self.state().processed.drain().collect();
        for signature in processed {
            self.land(signature, Landed::default());
        }
    }

    /// Sets the result of simulations.
    pub fn set_simulation(&self, simulation: Simulation) {
        self.state().simulation = simulation;
    }

    /// Sets the recent priority fees.
    pub fn set_recent_fees(&self, fees: &[u64]) {
        self.state().recent_fees = fees.to_vec();
    }

    /// Sets an account and notifies subscribers; an account without lamports is removed.
    pub fn set_account(&self, address: Address, account: Account) {
        let slot = self.set_account_silently(address, account.clone());
        self.announce(Event::Account(address, slot, account));
    }

    /// Sets a clock at slot 0 and unix time 0.
    pub fn set_clock(&self) {
        self.set_clock_to(0);
    }

    /// Sets a clock at slot 0 and this unix time.
    pub fn set_clock_to(&self, unix: i64) {
        let clock = Account {
            lamports: 1,
            data: [[0; 32].as_slice(), &unix.to_le_bytes()].concat(),
            ..Account::default()
        };
        self.set_account(CLOCK, clock);
    }

    /// Sets an account without notifying subscribers.
    pub fn set_account_silently(&self, address: Address, account: Account) -> u64 {
        let mut state = self.state();
        state.height += 1;
        if account.lamports == 0 {
            state.accounts.remove(&address);
        } else {
            state.accounts.insert(address, account);
        }
        state.height
    }

    /// Breaks all subscriptions and refuses new ones.
    pub fn set_deaf(&self, deaf: bool) {
        self.state().deaf = deaf;
        if deaf {
            self.announce(Event::Break);
        }
    }

    /// Puts every sent transaction into a block at once, confirmed or not, and notifies subscribers at "processed".
    pub fn set_processing(&self, processing: bool) {
        self.state().processing = processing;
    }

    /// Never answers requests to subscribe.
    pub fn set_hanging(&self, hanging: bool) {
        self.state().hanging = hanging;
    }

    /// Fails to read accounts once a transaction has been sent.
    pub fn set_mute_once_sent(&self, mute: bool) {
        self.state().mute_once_sent = mute;
    }

    /// Refuses to list past transactions.
    pub fn set_without_history(&self, without: bool) {
        self.state().without_history = without;
    }

    /// Lists no past transactions, as if there were none.
    pub fn set_forgetful(&self, forgetful: bool) {
        self.state().forgetful = forgetful;
    }

    /// The next read that includes this account is answered by a machine that stays at the present state.
    pub fn fall_behind(&self, address: Address) {
        let mut state = self.state();
        state.behind = Some(Behind {
            height: state.height,
            accounts: state.accounts.clone(),
            address,
        });
    }

    /// Fails every call.
    pub fn set_unreachable(&self, unreachable: bool) {
        self.state().unreachable = unreachable;
    }

    /// Answers every call with an error.
    pub fn set_refusing(&self, refusing: bool) {
        self.state().refusing = refusing;
    }

    /// Fails one of so many requests.
    pub fn set_failing_every(&self, requests: usize) {
        self.state().fails_every = Some(requests);
    }

    /// Number of calls of [`Network::program_accounts`].
    pub fn searches(&self) -> usize {
        self.state().searches
    }

    /// Every transaction received, including repeats.
    pub fn sent(&self) -> Vec<VersionedTransaction> {
        self.state().sent.clone()
    }

    /// Number of calls of [`Network::landed`].
    pub fn lookups(&self) -> usize {
        self.state().lookups
    }

    /// Number of calls of [`Network::processed`].
    pub fn looks(&self) -> usize {
        self.state().looks
    }

    /// Number of requests to subscribe.
    pub fn subscriptions(&self) -> usize {
        self.state().subscriptions
    }

    /// Number of calls of [`Network::lifetime`].
    pub fn blockhashes(&self) -> usize {
        self.state().blockhashes.len()
    }

    /// Number of calls of [`Network::instructions`].
    pub fn shown(&self) -> usize {
        self.state().shown
    }

    /// Subscribes: what `read` returns for events, until all subscriptions break.
    async fn heard<T: 'static>(&self, read: impl FnMut(Event) -> Option<T> + Send + 'static) -> Result<BoxStream<'static, T>> {
        let (deaf, hanging) = {
            let mut state = self.reach()?;
            state.subscriptions += 1;
            (state.deaf, state.hanging)
        };
        if hanging {
            return std::future::pending().await;
        }
        if deaf {
            return Err(unreachable("no subscriptions"));
        }
        let heard = stream::unfold((self.events.subscribe(), read), |(mut events, mut read)| async move {
            loop {
                match events.recv().await {
                    Ok(Event::Break) | Err(_) => return None,
                    Ok(event) => {
                        if let Some(found) = read(event) {
                            return Some((found, (events, read)));
                        }
                    }
                }
            }
        });
        Ok(heard.boxed())
    }
}

fn unreachable(reason: &str) -> Error {
    Error::Unreachable {
        url: "fake".to_owned(),
        reason: reason.to_owned(),
    }
}

/// An account that a program owns, with this content.
pub fn account<T: Discriminator + Owner + Pod>(content: &T) -> Account {
    Account {
        lamports: 1,
        data: [T::DISCRIMINATOR, bytes_of(content)].concat(),
        owner: T::OWNER,
        ..Account::default()
    }
}

/// Nothing but lamports, which anybody can send to any address: the minimum for an account without data.
pub fn gift() -> Account {
    Account {
        lamports: 890_880,
        ..Account::default()
    }
}

/// The instructions of a transaction.
pub fn instructions(transaction: &VersionedTransaction) -> Vec<Instruction> {
    let message = &transaction.message;
    let key = |index: u8| message.static_account_keys().get(usize::from(index)).copied().unwrap_or_default();
    let all = message.instructions().iter().map(|instruction| Instruction {
        program_id: key(instruction.program_id_index),
        accounts: instruction
            .accounts
            .iter()
            .map(|index| AccountMeta::new_readonly(key(*index), false))
            .collect(),
        data: instruction.data.clone(),
    });
    all.collect()
}

/// Whether a transaction of these instructions has room for the instruction that sets its priority fee.
pub async fn pays_for_its_place(instructions: &[Instruction], signers: &[&dyn Signer]) -> bool {
    let chain = Chain::new(Arc::new(Fake::default()));
    let priced = SendOptions {
        priority_fee: PriorityFee { least: 1, most: 1 },
        ..SendOptions::default()
    };
    let free = SendOptions {
        priority_fee: PriorityFee { least: 0, most: 0 },
        ..priced
    };
    let (priced, free) = (
        chain.prepare(instructions, signers, &priced).await,
        chain.prepare(instructions, signers, &free).await,
    );
    matches!((priced, free), (Ok(priced), Ok(free)) if priced.instructions() > free.instructions())
}

#[async_trait]
impl Network for Fake {
    fn url(&self) -> &str {
        "fake"
    }

    async fn lifetime(&self) -> Result<Lifetime> {
        let mut state = self.reach()?;
        let last_valid_block_height = state.height + LIFETIME;
        state.blockhashes.push(last_valid_block_height);
        let mut blockhash = [0; 32];
        blockhash[..8].copy_from_slice(&state.blockhashes.len().to_le_bytes());
        Ok(Lifetime {
            blockhash: Hash::new_from_array(blockhash),
            last_valid_block_height,
        })
    }

    async fn block_height(&self) -> Result<u64> {
        Ok(self.reach()?.height)
    }

    async fn simulate(&self, _: &VersionedTransaction, _: &[Address]) -> Result<Simulation> {
        Ok(self.reach()?.simulation.clone())
    }

    async fn recent_fees(&self, _: &[Address]) -> Result<Vec<u64>> {
        Ok(self.reach()?.recent_fees.clone())
    }

    async fn send(&self, transaction: &VersionedTransaction) -> Result<()> {
        let (landed, processing) = {
            let mut state = self.reach()?;
            state.sent.push(transaction.clone());
            if state.is_expired(transaction) {
                return Ok(());
            }
            (state.on_send.as_mut().and_then(|act| act(transaction)), state.processing)
        };
        let signature = transaction.signatures.first().copied().unwrap_or_default();
        if processing {
            let succeeded = landed.as_ref().is_none_or(|landed| landed.error.is_none());
            if succeeded {
                self.state().processed.insert(signature);
            }
            self.announce(Event::Processed(signature, succeeded));
        }
        if let Some(landed) = landed {
            self.land(signature, landed);
        }
        Ok(())
    }

    async fn landed(&self, signature: &Signature) -> Result<Option<Landed>> {
        let mut state = self.reach()?;
        state.lookups += 1;
        Ok(state.landed.get(signature).cloned())
    }

    async fn processed(&self, signature: &Signature) -> Result<bool> {
        let mut state = self.reach()?;
        state.looks += 1;
        let succeeded = state.landed.get(signature).is_some_and(|landed| landed.error.is_none());
        Ok(succeeded || state.processed.contains(signature))
    }

    async fn instructions(&self, signature: &Signature) -> Result<Option<Vec<Instruction>>> {
        let mut state = self.reach()?;
        state.shown += 1;
        let took_effect = state.landed.get(signature).is_some_and(|landed| landed.error.is_none());
        let found = state
            .sent
            .iter()
            .find(|transaction| transaction.signatures.first() == Some(signature));
        Ok(found.filter(|_| took_effect).map(instructions))
    }

    async fn history(&self, address: &Address, before: Option<&Signature>, _: u64) -> Result<Vec<(u64, Signature)>> {
        let state = self.reach()?;
        if state.without_history {
            return Err(Error::Refused {
                url: "fake".to_owned(),
                action: "list transactions",
                reason: "this node keeps no history".to_owned(),
            });
        }
        if state.forgetful {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        let newer = |transaction: &&VersionedTransaction| before.is_some() && transaction.signatures.first() != before;
        let older = state.sent.iter().rev().skip_while(newer).skip(usize::from(before.is_some()));
        for transaction in older {
            let named = transaction.message.static_account_keys().contains(address);
            let landed = transaction
                .signatures
                .first()
                .and_then(|signature| Some((state.landed.get(signature)?.slot, *signature)));
            found.extend(landed.filter(|entry| named && !found.contains(entry)));
        }
        Ok(found)
    }

    async fn signature_seen(&self, signature: &Signature) -> Result<BoxFuture<'static, bool>> {
        let signature = *signature;
        let heard = self.heard(move |event| matches!(event, Event::Landed(landed) if landed == signature).then_some(()));
        let mut seen = heard.await?;
        Ok(async move { seen.next().await.is_some() }.boxed())
    }

    async fn signature_processed(&self, signature: &Signature) -> Result<BoxFuture<'static, bool>> {
        let signature = *signature;
        let heard = self.heard(move |event| match event {
            Event::Processed(processed, succeeded) if processed == signature => Some(succeeded),
            _ => None,
        });
        let mut seen = heard.await?;
        Ok(async move { seen.next().await == Some(true) }.boxed())
    }

    async fn accounts(&self, addresses: &[Address]) -> Result<(u64, Vec<Option<Account>>)> {
        let mut state = self.reach()?;
        if state.mute_once_sent && !state.sent.is_empty() {
            return Err(unreachable("too many requests"));
        }
        let behind = state.behind.take_if(|behind| addresses.contains(&behind.address));
        let (height, accounts) = match &behind {
            Some(behind) => (behind.height, &behind.accounts),
            None => (state.height, &state.accounts),
        };
        Ok((height, addresses.iter().map(|address| accounts.get(address).cloned()).collect()))
    }

    async fn program_accounts(&self, program: &Address, filters: &[Filter]) -> Result<Vec<(Address, Account)>> {
        let mut state = self.reach()?;
        state.searches += 1;
        let accounts = state
            .accounts
            .iter()
            .filter(|(_, account)| account.owner == *program && filters.iter().all(|filter| filter.passes(account)));
        Ok(accounts.map(|(address, account)| (*address, account.clone())).collect())
    }

    async fn account_changes(&self, address: &Address) -> Result<BoxStream<'static, (u64, Account)>> {
        let wanted = *address;
        self.heard(move |event| match event {
            Event::Account(address, slot, account) if address == wanted => Some((slot, account)),
            _ => None,
        })
        .await
    }

    async fn program_changes(&self, program: &Address, filters: &[Filter]) -> Result<BoxStream<'static, (Address, Account)>> {
        let (program, filters) = (*program, filters.to_vec());
        self.heard(move |event| match event {
            Event::Account(address, _, account) => {
                let passes = account.owner == program && filters.iter().all(|filter| filter.passes(&account));
                passes.then_some((address, account))
            }
            _ => None,
        })
        .await
    }
}
