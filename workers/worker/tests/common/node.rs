//! The node of the market: the programs in LiteSVM, and everything that can go wrong between them and a worker.

use super::SLOT;
use anchor_lang::Discriminator;
use async_trait::async_trait;
use chain::{Filter, Landed, Lifetime, Network, Simulation};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt, stream};
use jobs::Status;
use solana_account::Account;
use solana_address::Address;
use solana_instruction::error::InstructionError;
use solana_instruction::{AccountMeta, Instruction};
use solana_signature::Signature;
use solana_signer::Signer;
use solana_transaction::TransactionError;
use solana_transaction::versioned::VersionedTransaction;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use tests::World;
use tokio::sync::broadcast;
use worker::market::jobs_on;

/// A node with its chain in memory.
pub struct Node {
    state: Mutex<State>,
    news: broadcast::Sender<(Address, Account)>,
}

struct State {
    world: World,
    /// Keys that may sign.
    keys: Vec<Arc<solana_keypair::Keypair>>,
    landed: HashMap<Signature, Landed>,
    /// Announces each transaction in a block, and whether it succeeded.
    processed: broadcast::Sender<(Signature, bool)>,
    /// The same transactions, oldest first.
    order: Vec<VersionedTransaction>,
    blockhashes: u64,
    /// Successful instructions of our programs, by discriminator.
    effects: HashMap<[u8; 8], usize>,
    failures: usize,
    /// Number of reads of each account.
    reads: HashMap<Address, usize>,
    /// Transactions in flight, while they are held back.
    held: Option<VecDeque<VersionedTransaction>>,
    /// Transactions that never land.
    lost: Vec<VersionedTransaction>,
    /// See [`Node::keep_out`].
    kept_out: Option<(&'static [u8], u64)>,
    /// Discriminator of accounts that no search finds.
    unfindable: Option<&'static [u8]>,
    /// See [`Node::stumble`]: how many more transactions succeed.
    stumbling: Option<(usize, Behind)>,
    behind: Option<Behind>,
    /// The discriminators of what is searched for in vain, once all searches hang.
    hanging: Option<HashSet<Vec<u8>>>,
    /// See [`Node::stop_news`].
    mute: Option<Mute>,
    /// Number of subscriptions refused.
    refused: usize,
    /// Number of searches for open jobs on the market's model.
    searches: usize,
    /// Accounts that are misreported: how, and how many times more.
    wrong: HashMap<Address, (Wrong, usize)>,
}

/// The state that a lagging node shows.
struct Behind {
    world: World,
    /// Account that it is shown for.
    address: Address,
    /// Number of reads that it is shown to.
    reads: usize,
}

/// How a node misreports an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Reading it fails.
    Unreachable,
    /// It does not exist, in a state from this many slots ago.
    Absent(u64),
    /// It is missing among the accounts of its program.
    Unlisted,
    /// Both, in a state from before it was created.
    Behind,
}

/// How a node comes to push no changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mute {
    /// Subscriptions are refused.
    Refuses,
    /// Subscriptions hang.
    Hangs,
    /// Subscriptions are accepted, and nothing comes.
    Silent,
}

impl Node {
    /// A node over this world, with the keys that may sign.
    pub fn new(world: World, keys: Vec<Arc<solana_keypair::Keypair>>) -> Self {
        let state = State {
            world,
            keys,
            landed: HashMap::new(),
            processed: broadcast::channel(1_024).0,
            order: Vec::new(),
            blockhashes: 0,
            effects: HashMap::new(),
            failures: 0,
            reads: HashMap::new(),
            held: None,
            lost: Vec::new(),
            kept_out: None,
            unfindable: None,
            stumbling: None,
            behind: None,
            hanging: None,
            mute: None,
            refused: 0,
            searches: 0,
            wrong: HashMap::new(),
        };
        Self {
            state: Mutex::new(state),
            news: broadcast::channel(16).0,
        }
    }

    /// Pushes an account to subscribers, if there are any.
    pub fn push(&self, address: Address, account: Account) {
        let _ = self.news.send((address, account));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Accesses the world.
    pub fn with<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        act(&mut self.state().world)
    }

    /// Holds transactions in flight until they are released.
    pub fn hold(&self) {
        self.state().held = Some(VecDeque::new());
    }

    /// Completes once so many different transactions are in flight.
    pub async fn in_flight(&self, count: usize) {
        while self.state().held.as_ref().map_or(0, VecDeque::len) < count {
            tokio::time::sleep(SLOT).await;
        }
    }

    /// Lets the transactions in flight land.
    pub fn release(&self) {
        let mut state = self.state();
        for transaction in state.held.take().unwrap_or_default() {
            state.land(&transaction);
        }
    }

    /// Loses the transactions in flight, even if they are sent again, and stops holding others.
    pub fn lose(&self) {
        let mut state = self.state();
        let held = state.held.take().unwrap_or_default();
        state.lost.extend(held);
    }

    /// Forgets the transactions in flight, which land if they are sent again, and stops holding others.
    pub fn forget(&self) {
        self.state().held = None;
    }

    /// Keeps out transactions with this instruction that offer less than `price` micro-lamports per compute unit. From now on, transactions
    /// expire as they do on a real chain.
    pub fn keep_out<I: Discriminator>(&self, price: u64) {
        self.state().kept_out = Some((I::DISCRIMINATOR, price));
    }

    /// Fails every search for accounts of this type.
    pub fn fail_searches<T: Discriminator>(&self) {
        self.state().unfindable = Some(T::DISCRIMINATOR);
    }

    /// Lets `count` more transactions succeed and the next one fail. After that the node lags: to the next three reads it shows the account
    /// at `address` as it is now.
    pub fn stumble(&self, count: usize, address: Address) {
        let mut state = self.state();
        let world = state.world.clone();
        let reads = 3;
        state.stumbling = Some((count, Behind { world, address, reads }));
    }

    /// Shows the account at `address` as it is in this world, to so many reads.
    pub fn falls_behind(&self, world: World, address: Address, reads: usize) {
        self.state().behind = Some(Behind { world, address, reads });
    }

    /// Whether some of those reads are left.
    pub fn is_behind(&self) -> bool {
        self.state().behind.as_ref().is_some_and(|behind| behind.reads > 0)
    }

    /// Makes all searches hang.
    pub fn stop_searches(&self) {
        self.state().hanging = Some(HashSet::new());
    }

    /// Completes once a search for accounts of this type hangs.
    pub async fn search_hangs<T: Discriminator>(&self) {
        let hangs = |hanging: &HashSet<Vec<u8>>| hanging.contains(T::DISCRIMINATOR);
        while !self.state().hanging.as_ref().is_some_and(hangs) {
            tokio::time::sleep(SLOT).await;
        }
    }

    /// Pushes no changes to those who subscribe from now on.
    pub fn stop_news(&self, mute: Mute) {
        self.state().mute = Some(mute);
    }

    /// Completes once so many subscriptions have been refused.
    pub async fn refused(&self, times: usize) {
        while self.state().refused < times {
            tokio::time::sleep(SLOT).await;
        }
    }

    /// Pushes changes again.
    pub fn resume_news(&self) {
        self.state().mute = None;
    }

    /// Number of searches for open jobs on the market's model.
    pub fn searches(&self) -> usize {
        self.state().searches
    }

    /// Completes once there were so many searches.
    pub async fn searched(&self, times: usize) {
        while self.searches() < times {
            tokio::time::sleep(SLOT).await;
        }
    }

    /// Misreports an account so many times.
    pub fn errs(&self, address: &Address, wrong: Wrong, times: usize) {
        self.state().wrong.insert(*address, (wrong, times));
    }

    /// How many more times it is misreported.
    pub fn will_err(&self, address: &Address) -> usize {
        self.state().wrong.get(address).map_or(0, |(_, times)| *times)
    }

    /// Most compute units that a transaction with this instruction requested.
    pub fn most_units_asked<I: Discriminator>(&self) -> u32 {
        let asked = |transaction: &VersionedTransaction| {
            let data: Vec<&[u8]> = transaction.message.instructions().iter().map(|one| one.data.as_slice()).collect();
            data.iter().find(|data| data.starts_with(I::DISCRIMINATOR))?;
            // SetComputeUnitLimit of the compute budget program.
            let limit = data.iter().find(|data| data.len() == 5 && data[0] == 2)?;
            Some(u32::from_le_bytes(limit[1..].try_into().unwrap()))
        };
        self.state().order.iter().filter_map(asked).max().unwrap_or(0)
    }

    /// Adds a key that may sign.
    pub fn admit(&self, key: Arc<solana_keypair::Keypair>) {
        self.state().keys.push(key);
    }

    /// How often this instruction of our programs took effect.
    pub fn effective<I: Discriminator>(&self) -> usize {
        let discriminator: [u8; 8] = I::DISCRIMINATOR.try_into().unwrap();
        self.state().effects.get(&discriminator).copied().unwrap_or(0)
    }

    /// Transactions that took effect.
    pub fn effects(&self) -> usize {
        self.state().effects.values().sum()
    }

    /// How often an account has been read.
    pub fn reads(&self, address: &Address) -> usize {
        self.state().reads.get(address).copied().unwrap_or(0)
    }

    /// Completes once an account has been read so many more times.
    pub async fn read_again(&self, address: &Address, times: usize) {
        let enough = self.reads(address) + times;
        while self.reads(address) < enough {
            tokio::time::sleep(SLOT).await;
        }
    }

    /// Transactions that failed and still cost a fee.
    pub fn failures(&self) -> usize {
        self.state().failures
    }
}

impl State {
    fn run(world: &mut World, keys: &[Arc<solana_keypair::Keypair>], transaction: &VersionedTransaction) -> Landed {
        let instructions = instructions(transaction);
        // The fee payer need not sign here, because the kit pays the fee.
        let signers = instructions.iter().flat_map(|instruction| &instruction.accounts);
        let signs = |key: &Address| signers.clone().any(|meta| meta.is_signer && meta.pubkey == *key);
        let signing: Vec<_> = keys.iter().filter(|key| signs(&key.pubkey())).map(Arc::as_ref).collect();
        let outcome = world.attempt(&instructions, &signing);
        let slot = world.now().slot;
        match outcome {
            Ok(receipt) => Landed {
                slot,
                time: None,
                error: None,
                compute_units: receipt.units,
                fee: receipt.fee,
                logs: Some(receipt.logs),
            },
            Err((error, logs)) => Landed {
                slot,
                time: None,
                error: Some(error),
                compute_units: 0,
                fee: 0,
                logs: Some(logs),
            },
        }
    }

    /// Whether a transaction offers too little to land.
    fn keeps_out(&self, transaction: &VersionedTransaction) -> bool {
        let data: Vec<&[u8]> = transaction.message.instructions().iter().map(|one| one.data.as_slice()).collect();
        // SetComputeUnitPrice of the compute budget program.
        let price = data.iter().find(|data| data.len() == 9 && data[0] == 3);
        let price = price.map_or(0, |data| u64::from_le_bytes(data[1..].try_into().unwrap()));
        self.kept_out
            .is_some_and(|(kept, least)| price < least && data.iter().any(|data| data.starts_with(kept)))
    }

    /// Whether this transaction is the one that should fail.
    fn stumbles(&mut self) -> bool {
        match self.stumbling.take() {
            Some((0, behind)) => {
                self.behind = Some(behind);
                true
            }
            Some((count, behind)) => {
                self.stumbling = Some((count - 1, behind));
                false
            }
            None => false,
        }
    }

    /// The state that the node shows for these accounts.
    fn shown(&mut self, addresses: &[Address]) -> &World {
        match &mut self.behind {
            Some(behind) if behind.reads > 0 && addresses.contains(&behind.address) => {
                behind.reads -= 1;
                &behind.world
            }
            _ => &self.world,
        }
    }

    /// How to misreport an account, if in a way of this kind.
    fn wrong(&mut self, address: &Address, kind: impl Fn(Wrong) -> bool) -> Option<Wrong> {
        let (wrong, times) = self.wrong.get_mut(address).filter(|(wrong, times)| kind(*wrong) && *times > 0)?;
        *times -= 1;
        Some(*wrong)
    }

    fn land(&mut self, transaction: &VersionedTransaction) {
        let signature = transaction.signatures[0];
        if self.landed.contains_key(&signature) {
            return;
        }
        let landed = match self.stumbles() {
            true => Landed {
                slot: self.world.now().slot,
                time: None,
                error: Some(TransactionError::InstructionError(0, InstructionError::ComputationalBudgetExceeded)),
                compute_units: 0,
                fee: 0,
                logs: Some(Vec::new()),
            },
            false => Self::run(&mut self.world, &self.keys, transaction),
        };
        if landed.error.is_some() {
            self.failures += 1;
        } else {
            for instruction in instructions(transaction)
                .iter()
                .filter(|instruction| [jobs::ID, referee::ID].contains(&instruction.program_id))
            {
                *self.effects.entry(instruction.data[..8].try_into().unwrap()).or_default() += 1;
            }
        }
        let _ = self.processed.send((signature, landed.error.is_none()));
        self.landed.insert(signature, landed);
        self.order.push(transaction.clone());
    }
}

/// The instructions of a transaction, except those about the compute budget.
fn instructions(transaction: &VersionedTransaction) -> Vec<Instruction> {
    let message = &transaction.message;
    let keys = message.static_account_keys();
    let meta = |index: &u8| {
        let index = usize::from(*index);
        let signer = message.is_signer(index);
        let key = keys[index];
        if message.is_maybe_writable_with_reserved_addresses(index, None::<&HashSet<Address>>) {
            AccountMeta::new(key, signer)
        } else {
            AccountMeta::new_readonly(key, signer)
        }
    };
    let budget = "ComputeBudget111111111111111111111111111111".parse::<Address>().unwrap();
    let all = message.instructions().iter().map(|instruction| Instruction {
        program_id: keys[usize::from(instruction.program_id_index)],
        accounts: instruction.accounts.iter().map(meta).collect(),
        data: instruction.data.clone(),
    });
    all.filter(|instruction| instruction.program_id != budget).collect()
}

#[async_trait]
impl Network for Node {
    fn url(&self) -> &str {
        "a chain in memory"
    }

    async fn lifetime(&self) -> chain::Result<Lifetime> {
        let mut state = self.state();
        state.blockhashes += 1;
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&state.blockhashes.to_le_bytes());
        Ok(Lifetime {
            blockhash: solana_hash::Hash::new_from_array(hash),
            last_valid_block_height: state.world.now().slot + if state.kept_out.is_some() { 150 } else { 100_000 },
        })
    }

    async fn block_height(&self) -> chain::Result<u64> {
        Ok(self.state().world.now().slot)
    }

    async fn simulate(&self, transaction: &VersionedTransaction, watched: &[Address]) -> chain::Result<Simulation> {
        let (mut world, keys) = {
            let state = self.state();
            (state.world.clone(), state.keys.clone())
        };
        let landed = State::run(&mut world, &keys, transaction);
        let accounts = watched.iter().map(|address| world.account(address)).collect();
        Ok(Simulation {
            error: landed.error,
            logs: landed.logs.unwrap_or_default(),
            compute_units: landed.compute_units,
            accounts,
        })
    }

    async fn recent_fees(&self, _: &[Address]) -> chain::Result<Vec<u64>> {
        Ok(Vec::new())
    }

    async fn send(&self, transaction: &VersionedTransaction) -> chain::Result<()> {
        let mut state = self.state();
        if state.lost.contains(transaction) || state.keeps_out(transaction) {
            return Ok(());
        }
        match &mut state.held {
            Some(held) if !held.contains(transaction) => held.push_back(transaction.clone()),
            Some(_) => {}
            None => state.land(transaction),
        }
        Ok(())
    }

    async fn landed(&self, signature: &Signature) -> chain::Result<Option<Landed>> {
        Ok(self.state().landed.get(signature).cloned())
    }

    async fn history(&self, address: &Address, before: Option<&Signature>, _: u64) -> chain::Result<Vec<(u64, Signature)>> {
        if before.is_some() {
            // The whole history fits one page.
            return Ok(Vec::new());
        }
        let state = self.state();
        let names = |transaction: &&VersionedTransaction| transaction.message.static_account_keys().contains(address);
        Ok(state
            .order
            .iter()
            .rev()
            .filter(names)
            .map(|transaction| (state.landed[&transaction.signatures[0]].slot, transaction.signatures[0]))
            .collect())
    }

    async fn instructions(&self, signature: &Signature) -> chain::Result<Option<Vec<Instruction>>> {
        let state = self.state();
        let took_effect = state.landed.get(signature).is_some_and(|landed| landed.error.is_none());
        let found = state.order.iter().find(|transaction| transaction.signatures[0] == *signature);
        Ok(found.filter(|_| took_effect).map(instructions))
    }

    async fn signature_seen(&self, _: &Signature) -> chain::Result<BoxFuture<'static, bool>> {
        // Fires when the transaction may have landed; the client checks.
        Ok(tokio::time::sleep(SLOT).map(|()| true).boxed())
    }

    async fn signature_processed(&self, signature: &Signature) -> chain::Result<BoxFuture<'static, bool>> {
        let (signature, mut processed) = (*signature, self.state().processed.subscribe());
        let pushed = async move {
            loop {
                match processed.recv().await {
                    Ok((landed, succeeded)) if landed == signature => return succeeded,
                    Ok(_) => {}
                    Err(_) => return false,
                }
            }
        };
        Ok(pushed.boxed())
    }

    async fn accounts(&self, addresses: &[Address]) -> chain::Result<(u64, Vec<Option<Account>>)> {
        let mut state = self.state();
        for address in addresses {
            *state.reads.entry(*address).or_default() += 1;
        }
        let wrong: Vec<_> = addresses
            .iter()
            .map(|address| state.wrong(address, |wrong| wrong != Wrong::Unlisted))
            .collect();
        if wrong.contains(&Some(Wrong::Unreachable)) {
            return Err(chain::Error::Unreachable {
                url: self.url().to_owned(),
                reason: "502".to_owned(),
            });
        }
        let ago = wrong.iter().map(|wrong| match wrong {
            Some(Wrong::Absent(ago)) => *ago,
            Some(Wrong::Behind) => u64::MAX,
            _ => 0,
        });
        let world = state.shown(addresses);
        let account = |(address, wrong): (&Address, &Option<Wrong>)| wrong.map_or_else(|| world.account(address), |_| None);
        Ok((
            world.now().slot.saturating_sub(ago.max().unwrap_or(0)),
            addresses.iter().zip(&wrong).map(account).collect(),
        ))
    }

    async fn program_accounts(&self, program: &Address, filters: &[Filter]) -> chain::Result<Vec<(Address, Account)>> {
        let hangs = {
            let mut state = self.state();
            let kinds = filters.iter().filter_map(|filter| match filter {
                Filter::Bytes(0, discriminator) => Some(discriminator.clone()),
                _ => None,
            });
            if let Some(unfindable) = state.unfindable
                && kinds.clone().any(|kind| kind == unfindable)
            {
                return Err(chain::Error::Unreachable {
                    url: self.url().to_owned(),
                    reason: "no answer".to_owned(),
                });
            }
            if let Some(hanging) = state.hanging.as_mut() {
                hanging.extend(kinds);
            }
            state.hanging.is_some()
        };
        if hangs {
            return std::future::pending().await;
        }
        let mut state = self.state();
        if filters.ends_with(&jobs_on(&state.world.model, Status::Open)) {
            state.searches += 1;
        }
        let mut accounts = state.world.accounts_of(program);
        accounts.retain(|(_, account)| filters.iter().all(|filter| filter.passes(account)));
        accounts.retain(|(address, _)| {
            state
                .wrong(address, |wrong| matches!(wrong, Wrong::Unlisted | Wrong::Behind))
                .is_none()
        });
        Ok(accounts)
    }

    async fn account_changes(&self, _: &Address) -> chain::Result<BoxStream<'static, (u64, Account)>> {
        Err(chain::Error::Unreachable {
            url: self.url().to_owned(),
            reason: "no subscriptions".to_owned(),
        })
    }

    async fn program_changes(&self, _: &Address, filters: &[Filter]) -> chain::Result<BoxStream<'static, (Address, Account)>> {
        let mute = self.state().mute;
        match mute {
            Some(Mute::Hangs) => return std::future::pending().await,
            Some(Mute::Silent) => return Ok(stream::pending().boxed()),
            Some(Mute::Refuses) => {
                self.state().refused += 1;
                return Err(chain::Error::Unreachable {
                    url: self.url().to_owned(),
                    reason: "no subscriptions".to_owned(),
                });
            }
            None => {}
        }
        let (news, filters) = (self.news.subscribe(), filters.to_vec());
        let changes = stream::unfold((news, filters), |(mut news, filters)| async move {
            loop {
                let (address, account) = news.recv().await.ok()?;
                if filters.iter().all(|filter| filter.passes(&account)) {
                    return Some(((address, account), (news, filters)));
                }
            }
        });
        Ok(changes.boxed())
    }
}
