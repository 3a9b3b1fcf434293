//! Takes transactions in, in order and once.

use crate::{Error, PROGRAMS, Result, Store, check, news::News};
use chain::{Network, idl, past};
use futures_util::{
    TryStreamExt,
    future::{BoxFuture, FutureExt},
};
use solana_address::Address;
use solana_signature::Signature;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// Most transactions taken in at once.
const ROUND: usize = 2_000;
/// Transactions asked for at a time.
const AT_ONCE: usize = 16;
/// First pause until a slot may be over, or the node has a transaction's details; each is twice as long as the one before, up to [`AUDIT`].
const SLOT: Duration = Duration::from_millis(200);
/// Pause while the node tells of what happens: nodes lose subscriptions without saying so.
const AUDIT: Duration = Duration::from_secs(15);
/// Pause after an error.
const RETRY: Duration = Duration::from_secs(2);
/// Any account: its slot is that of the node.
const CLOCK: Address = Address::from_str_const("SysvarC1ock11111111111111111111111111111111");

/// Name of the event that stands for those that a cut log may lack. No program says it: it has the name of an instruction, its accounts by
/// name, and the balances of its device and its escrow as they were when it was taken in.
pub(crate) const LOG_CUT: &str = "LogCut";

/// A transaction with what the programs said in it.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Its signature.
    pub signature: Signature,
    /// Slot of its block.
    pub slot: u64,
    /// When that was made, unix seconds, as far as the node knows.
    pub time: Option<i64>,
    /// Lamports of its fee.
    pub fee: u64,
    /// Compute units it used.
    pub compute_units: u64,
    /// Events, in the order of the log; where that was cut, one [`LOG_CUT`] for each instruction of the market's follows them.
    pub events: Vec<idl::Event>,
}

/// What a round came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// Transactions taken in.
    pub taken: usize,
    /// Whether there are more that may not be taken yet: their slot is not over.
    pub waiting: bool,
}

/// Follows the programs' transactions.
pub struct Follower {
    network: Arc<dyn Network>,
    store: Store,
}

/// Signatures of a program that were not taken in yet, the oldest first.
type Waiting = BTreeMap<Address, VecDeque<Signature>>;

impl Follower {
    /// Goes on where `store` ends.
    pub fn new(network: Arc<dyn Network>, store: Store) -> Self {
        Self { network, store }
    }

    /// Takes in what comes until `stop`: at once when the node pushes news, and every `every` when it does not.
    ///
    /// News only wake it. What there is to take in is asked for, from where the last round ended, so that no lost connection loses
    /// anything.
    // Boxed, like the other: what it does is compiled once, here, and not in every program that follows a chain.
    pub fn run<'a>(&'a self, every: Duration, stop: &'a CancellationToken) -> BoxFuture<'a, ()> {
        self.follow(every, stop).boxed()
    }

    async fn follow(&self, every: Duration, stop: &CancellationToken) {
        let news = News::of(self.network.clone(), stop.child_token());
        let mut slot = SLOT;
        while !stop.is_cancelled() {
            let round = self.round().await;
            if let Ok(Round { taken: 0, waiting: true }) = round {
                // Its news have come. Each look asks for all there is since: what is long in coming is asked for less often.
                let _ = stop.run_until_cancelled(tokio::time::sleep(slot)).await;
                slot = slot.saturating_mul(2).min(AUDIT);
                continue;
            }
            slot = SLOT;
            let pause = match round {
                Ok(Round { taken: 1.., .. }) => continue,
                Ok(_) if news.stand() => AUDIT,
                Ok(_) => every,
                Err(error) => {
                    tracing::warn!(%error, "the chain or the database does not answer; trying again");
                    RETRY
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = news.come() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Takes in what has come since. Call it again when that was much, or something has changed.
    ///
    /// Only slots that were over when the round began are taken in: of those, every program's list is whole.
    pub fn round(&self) -> BoxFuture<'_, Result<Round>> {
        self.take_round().boxed()
    }

    async fn take_round(&self) -> Result<Round> {
        let (over, _) = self.network.accounts(&[CLOCK]).await?;
        let mut waiting = Waiting::new();
        for program in PROGRAMS {
            waiting.insert(program, self.since_cursor(&program).await?);
        }
        let mut taken = self.fetch(&waiting).await?;
        taken.retain(|_, taken| taken.as_ref().is_none_or(|taken| taken.slot < over));
        let all: BTreeSet<Signature> = waiting.values().flatten().copied().collect();
        let (order, cursors) = merge(waiting, &taken);
        let round: Vec<Taken> = order.iter().filter_map(|signature| taken.remove(signature).flatten()).collect();
        if !cursors.is_empty() {
            self.store.write(&round, &cursors).await?;
        }
        if round.is_empty() {
            self.store.catch_up();
        }
        Ok(Round {
            taken: round.len(),
            waiting: order.len() < all.len(),
        })
    }

    /// A program's transactions after the newest that was taken in.
    async fn since_cursor(&self, program: &Address) -> Result<VecDeque<Signature>> {
        let cursor = self.store.cursor(program).await?;
        let mut all = VecDeque::new();
        let mut past = past(&*self.network, program);
        // Where the node does not remember the cursor, what it does remember is taken, and what is known is skipped.
        while let Some(page) = past.try_next().await? {
            for signature in page {
                if Some(signature) == cursor {
                    return Ok(all);
                }
                all.push_front(signature);
            }
        }
        Ok(all)
    }

    /// What these transactions did, the oldest of each program; nothing of one that failed, and no entry for one the node does not tell of
    /// yet.
    async fn fetch(&self, waiting: &Waiting) -> Result<HashMap<Signature, Option<Taken>>> {
        use futures_util::{StreamExt, TryStreamExt, stream};
        let oldest: BTreeSet<Signature> = waiting.values().flat_map(|list| list.iter().take(ROUND)).copied().collect();
        let found = stream::iter(oldest)
            .map(async |signature| Ok::<_, Error>((signature, self.look(signature).await?)))
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<_>>()
            .await?;
        Ok(found.into_iter().filter_map(|(signature, told)| Some((signature, told?))).collect())
    }

    /// What a transaction did: `Some(None)` if it failed, `None` if the node does not tell yet.
    async fn look(&self, signature: Signature) -> Result<Option<Option<Taken>>> {
        let Some(landed) = self.network.landed(&signature).await? else {
            return Ok(None);
        };
        if landed.error.is_some() {
            return Ok(Some(None));
        }
        // Anybody can name the programs in a transaction that says nothing: a log without lines is one, none is not.
        let Some(logs) = landed.logs else { return Ok(None) };
        let logged = chain::logged(&logs);
        let records = logged.records.iter();
        let mut events: Vec<_> = records.filter_map(|(program, record)| idl::event(program, record)).collect();
        if logged.cut {
            events.extend(self.unheard(&signature).await?);
        }
        Ok(Some(Some(Taken {
            signature,
            slot: landed.slot,
            time: landed.time,
            fee: landed.fee,
            compute_units: landed.compute_units,
            events,
        })))
    }

    /// The instructions of a transaction whose log was cut, each as a [`LOG_CUT`].
    async fn unheard(&self, signature: &Signature) -> Result<Vec<idl::Event>> {
        let instructions = self.network.instructions(signature).await?.unwrap_or_default();
        let mut events = Vec::new();
        for instruction in &instructions {
            let Some(call) = idl::decode(instruction) else { continue };
            let mut values = idl::accounts(instruction);
            values.extend(check::balances(&*self.network, &values).await?);
            values.insert("instruction".to_owned(), call.name.into());
            events.push(idl::Event {
                program: call.program,
                name: LOG_CUT,
                values,
            });
        }
        if !events.is_empty() {
            tracing::warn!(%signature, "the log of a transaction was cut; what it may lack is read from its instructions and accounts");
        }
        Ok(events)
    }
}

/// Brings the programs' lists into one order: by slot, and within a slot so that each program's own order holds. Stops each list at the
/// first transaction that is not to be taken yet. Also returns where each list got to.
fn merge(mut waiting: Waiting, taken: &HashMap<Signature, Option<Taken>>) -> (Vec<Signature>, Vec<(Address, Signature)>) {
    let slot = |signature: &Signature| match taken.get(signature) {
        Some(Some(taken)) => Some(taken.slot),
        // One that failed changes nothing: it may go at once.
        Some(None) => Some(0),
        None => None,
    };
    let mut lists: HashMap<Signature, usize> = HashMap::new();
    for signature in waiting.values().flatten() {
        let count = lists.entry(*signature).or_default();
        *count = count.saturating_add(1);
    }
    let (mut order, mut cursors) = (Vec::new(), BTreeMap::new());
    loop {
        // A transaction is next when it is the head of every list that it is in.
        let heads: Vec<Signature> = waiting.values().filter_map(|list| list.front()).copied().collect();
        let is_free = |head: &Signature| heads.iter().filter(|other| *other == head).count() == lists.get(head).copied().unwrap_or(0);
        let free = heads
            .iter()
            .filter(|head| is_free(head))
            .filter_map(|head| Some((slot(head)?, *head)));
        let Some((_, next)) = free.min() else { break };
        for (program, list) in &mut waiting {
            if list.front() == Some(&next) {
                list.pop_front();
                cursors.insert(*program, next);
            }
        }
        order.push(next);
    }
    (order, cursors.into_iter().collect())
}
