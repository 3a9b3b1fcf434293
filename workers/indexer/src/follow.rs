//! Takes transactions in, in order and once.

use crate::{Error, PROGRAMS, Result, Store, check, news::News};
use chain::{Network, idl, sysvar};
use daemon::Backoff;
use futures_util::future::{BoxFuture, FutureExt};
use serde_json::Value;
use solana_address::Address;
use solana_signature::Signature;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// Transactions of each program taken in at once, unless a slot alone has more.
const ROUND: usize = 2_000;
/// Transactions asked for at a time.
const AT_ONCE: usize = 16;
/// Waits until a slot may be over, or the node has a transaction's details.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(200), AUDIT);
/// Pause while the node tells of what happens: nodes lose subscriptions without saying so.
const AUDIT: Duration = Duration::from_secs(15);
/// Pause after an error.
const RETRY: Duration = Duration::from_secs(2);

/// Name of the event that stands for those that a cut log may lack. No program says it: it has the name of an instruction, its accounts by
/// name, its arguments, the balances of its device and its escrow, and its proposal, as they were when it was taken in.
pub(crate) const LOG_CUT: &str = "LogCut";
/// What moves a job on says one of these, once, of the account that it names as `job`.
const MOVED_ON: [&str; 7] = [
    "JobOpened",
    "JobClaimed",
    "JobCommitted",
    "JobRevealed",
    "JobSettled",
    "JobRefunded",
    "JobConvicted",
];
/// The job program's instructions that do.
const MOVES_ON: [&str; 11] = [
    "open_job",
    "claim_job",
    "commit_result",
    "reveal_result",
    "settle_job",
    "cancel_job",
    "expire_job",
    "timeout_job",
    "confess",
    "convict",
    "convict_silence",
];

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

/// What the node tells of a transaction that it has listed.
enum Lookup {
    /// It failed, and changed nothing.
    Failed { slot: u64 },
    /// The node does not tell what it did, or not yet.
    Unavailable { slot: u64 },
    /// What it did.
    Complete(Taken),
}

impl Lookup {
    fn slot(&self) -> u64 {
        match self {
            Self::Failed { slot } | Self::Unavailable { slot } => *slot,
            Self::Complete(taken) => taken.slot,
        }
    }
}

/// What a round came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// Transactions taken in, those among them that failed and changed nothing.
    pub taken: usize,
    /// Whether there are more that may not be taken yet: their slot is not over, the node does not tell of all before them or has not got
    /// there, or they were too many for one round.
    pub waiting: bool,
    /// Slot before which all has been taken in that happened: the one that was on when it was listed. None when some of it waits.
    pub whole_before: Option<u64>,
}

/// Follows the programs' transactions.
pub struct Follower {
    network: Arc<dyn Network>,
    store: Store,
    batch_size: usize,
    audit: Duration,
    begun: Mutex<Begun>,
}

/// What a round has begun and another goes on with.
#[derive(Default)]
struct Begun {
    /// The slot up to which lists are asked for. It stays until all have come: a machine that is always a little behind gets to it.
    slot: Option<u64>,
    /// What was listed and was too much for one round.
    left: Option<Listed>,
}

/// What there was to take in.
struct Listed {
    /// The slot that was on: all that happened before it is listed.
    slot: u64,
    waiting: Waiting,
}

/// Signatures of a program that were not taken in yet, the oldest first.
type Waiting = BTreeMap<Address, VecDeque<Signature>>;

impl Follower {
    /// Goes on where `store` ends.
    pub fn new(network: Arc<dyn Network>, store: Store) -> Self {
        Self::in_rounds_of(ROUND, network, store)
    }

    /// [`Follower::new`] with that many transactions of each program taken in at once.
    pub fn in_rounds_of(batch_size: usize, network: Arc<dyn Network>, store: Store) -> Self {
        let batch_size = batch_size.max(1);
        Self {
            network,
            store,
            batch_size,
            audit: AUDIT,
            begun: Mutex::default(),
        }
    }

    /// The same with that pause between looks at a node that pushes news.
    #[must_use]
    pub fn auditing_every(self, audit: Duration) -> Self {
        Self { audit, ..self }
    }

    /// Takes in what comes until `stop`: at once when the node pushes news, and every `every` when it does not.
    ///
    /// News only wake it. What there is to take in is asked for, from where the last round ended, so that no lost connection loses
    /// anything.
    // Boxed, so that what it does is compiled once, here, and not in every program that follows a chain.
    pub fn run<'a>(&'a self, every: Duration, stop: &'a CancellationToken) -> BoxFuture<'a, ()> {
        self.follow(every, stop).boxed()
    }

    async fn follow(&self, every: Duration, stop: &CancellationToken) {
        let news = News::of(self.network.clone(), stop.child_token());
        let mut backoff = BACKOFF;
        while !stop.is_cancelled() {
            let round = self.round().await;
            if let Ok(Round {
                taken: 0, waiting: true, ..
            }) = round
            {
                // Its news have come. Each look asks for all there is since: what is long in coming is asked for less often.
                let _ = stop.run_until_cancelled(backoff.wait()).await;
                continue;
            }
            backoff.reset();
            let pause = match round {
                Ok(Round { taken: 1.., .. }) => continue,
                Ok(_) if news.stand() => self.audit,
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

    /// Takes in all that has happened until now, and waits for what of it cannot be taken in yet: the slot that is on, and what the node
    /// has yet to tell of.
    pub fn catch_up(&self) -> BoxFuture<'_, Result<()>> {
        self.take_past().boxed()
    }

    async fn take_past(&self) -> Result<()> {
        let now = self.current_slot().await?;
        let mut backoff = BACKOFF;
        loop {
            let round = self.round().await?;
            if round.whole_before.is_some_and(|slot| slot > now) {
                return Ok(());
            }
            match round.taken {
                0 => backoff.wait().await,
                _ => backoff.reset(),
            }
        }
    }

    /// Takes in what has come since. Call it again when that was much, or something has changed.
    ///
    /// Only slots that were over when they were listed are taken in, of which every program's list is whole, and only as far as everything
    /// in them is known: so the order is the same however much is taken in at a time.
    pub fn round(&self) -> BoxFuture<'_, Result<Round>> {
        let round = self.take_round().map(|round| match round {
            // Of the machines that a node may be, one that is behind has answered: it has nothing to tell yet.
            Err(Error::Chain(chain::Error::Behind { .. })) => Ok(Round {
                taken: 0,
                waiting: true,
                whole_before: None,
            }),
            round => round,
        });
        round.boxed()
    }

    async fn take_round(&self) -> Result<Round> {
        let mut begun = self.begun.lock().await;
        // Where the round ends in an error all is listed anew.
        let Listed { slot, mut waiting } = match begun.left.take() {
            Some(listed) => listed,
            None => self.list(&mut begun.slot).await?,
        };
        let is_long = waiting.values().any(|list| list.len() > self.batch_size);
        let mut lookups = self.fetch(&waiting).await?;
        let end = waiting.values().map(|list| known_until(list, &lookups)).fold(slot, u64::min);
        let (order, cursors) = merge(&mut waiting, &lookups, end);
        let is_news = |signature: &Signature| lookups.get(signature).is_some_and(|lookup| lookup.slot() >= slot);
        let whole_before = waiting.values().flatten().all(is_news).then_some(slot);
        let is_waiting = waiting.values().any(|list| !list.is_empty());
        let whole = order.iter().filter_map(|signature| match lookups.remove(signature) {
            Some(Lookup::Complete(taken)) => Some(taken),
            _ => None,
        });
        let round: Vec<Taken> = whole.collect();
        if !cursors.is_empty() {
            self.store.write(&round, &cursors).await?;
        }
        if whole_before.is_some() {
            self.store.catch_up();
        }
        // What waits for something else may be listed otherwise once that has come.
        if is_long && is_waiting && !order.is_empty() {
            begun.left = Some(Listed { slot, waiting });
        }
        Ok(Round {
            taken: order.len(),
            waiting: is_waiting,
            whole_before,
        })
    }

    /// What there is to take in: up to the slot that is on, or that was when lists were `asked` for in vain.
    async fn list(&self, asked: &mut Option<u64>) -> Result<Listed> {
        let slot = match *asked {
            Some(slot) => slot,
            None => *asked.insert(self.current_slot().await?),
        };
        let mut waiting = Waiting::new();
        for program in PROGRAMS {
            waiting.insert(program, self.since_cursor(&program, slot).await?);
        }
        *asked = None;
        Ok(Listed { slot, waiting })
    }

    /// The slot that is on at the node.
    async fn current_slot(&self) -> Result<u64> {
        // Any account would do: it is answered with the slot in which it was read.
        let (slot, _) = self.network.accounts(&[sysvar::CLOCK]).await?;
        Ok(slot)
    }

    /// A program's transactions after the newest that was taken in, as a machine lists them that has got to this slot.
    async fn since_cursor(&self, program: &Address, mut slot: u64) -> Result<VecDeque<Signature>> {
        let cursor = self.store.cursor(program).await?;
        let (mut all, mut before) = (VecDeque::new(), None);
        // Where the node does not remember the cursor, what it does remember is taken, and what is known is skipped.
        loop {
            let page = self.network.history(program, before.as_ref(), slot).await?;
            let Some((of_last, last)) = page.last().copied() else {
                return Ok(all);
            };
            for (_, signature) in page {
                if Some(signature) == cursor {
                    return Ok(all);
                }
                all.push_front(signature);
            }
            // To one that does not know it there is nothing before it.
            (before, slot) = (Some(last), slot.max(of_last));
        }
    }

    /// What is known of these transactions, the oldest of each program; no entry for one that the node does not know yet.
    async fn fetch(&self, waiting: &Waiting) -> Result<HashMap<Signature, Lookup>> {
        use futures_util::{StreamExt, TryStreamExt, stream};
        let (mut lookups, mut batch_size) = (HashMap::new(), self.batch_size);
        loop {
            let oldest: BTreeSet<Signature> = waiting.values().flat_map(|list| list.iter().take(batch_size)).copied().collect();
            let unknown: Vec<Signature> = oldest.into_iter().filter(|signature| !lookups.contains_key(signature)).collect();
            let found = stream::iter(unknown)
                .map(async |signature| Ok::<_, Error>((signature, self.look_up(signature).await?)))
                .buffer_unordered(AT_ONCE)
                .try_collect::<Vec<_>>()
                .await?;
            lookups.extend(found.into_iter().filter_map(|(signature, lookup)| Some((signature, lookup?))));
            // A slot is taken in whole or not at all: where more of a program's are in one than were asked for, more are.
            let is_one_slot = |list: &VecDeque<Signature>| {
                let slot = |place| Some(lookups.get(list.get(place)?)?.slot());
                list.len() > batch_size && slot(0).is_some() && slot(0) == slot(batch_size.saturating_sub(1))
            };
            if !waiting.values().any(is_one_slot) {
                return Ok(lookups);
            }
            batch_size = batch_size.saturating_mul(2);
        }
    }

    /// What is known of a transaction; nothing if the node does not know it yet.
    async fn look_up(&self, signature: Signature) -> Result<Option<Lookup>> {
        let Some(landed) = self.network.landed(&signature).await? else {
            return Ok(None);
        };
        let slot = landed.slot;
        if landed.error.is_some() {
            return Ok(Some(Lookup::Failed { slot }));
        }
        // Anybody can name the programs in a transaction that says nothing: a log without lines is one, none is not.
        let Some(logs) = landed.logs else {
            return Ok(Some(Lookup::Unavailable { slot }));
        };
        let logged = chain::logged(&logs);
        let records = logged.records.iter();
        let mut events: Vec<_> = records.filter_map(|(program, record)| idl::event(program, record)).collect();
        if logged.cut {
            match self.unheard(&signature, slot, &events).await {
                Ok(Some(unheard)) => events.extend(unheard),
                Ok(None) | Err(Error::Chain(chain::Error::Behind { .. })) => return Ok(Some(Lookup::Unavailable { slot })),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(Lookup::Complete(Taken {
            signature,
            slot,
            time: landed.time,
            fee: landed.fee,
            compute_units: landed.compute_units,
            events,
        })))
    }

    /// The instructions of a transaction of this slot whose log was cut after these events, each as a [`LOG_CUT`]; nothing if the node does
    /// not tell them.
    async fn unheard(&self, signature: &Signature, slot: u64, heard: &[idl::Event]) -> Result<Option<Vec<idl::Event>>> {
        let Some(instructions) = self.network.instructions(signature).await? else {
            return Ok(None);
        };
        let mut moves = moves_heard(heard);
        let mut events = Vec::new();
        for instruction in &instructions {
            let Some(call) = idl::decode(instruction) else { continue };
            let mut values = idl::accounts(instruction);
            values.extend(check::standing(&*self.network, &values, slot).await?);
            if call.program == "jobs" && MOVES_ON.contains(&call.name) {
                let job = values.get("job").and_then(Value::as_str).unwrap_or_default();
                // The log has its lines in order: what was heard of a job are its first moves.
                let is_heard = match moves.get_mut(job) {
                    Some(left @ 1..) => {
                        *left = left.saturating_sub(1);
                        true
                    }
                    _ => false,
                };
                values.insert("heard".to_owned(), is_heard.into());
            }
            values.insert("instruction".to_owned(), call.name.into());
            values.insert("arguments".to_owned(), call.values.into());
            events.push(idl::Event {
                program: call.program,
                name: LOG_CUT,
                values,
            });
        }
        if !events.is_empty() {
            tracing::warn!(%signature, "the log of a transaction was cut; what it may lack is read from its instructions and accounts");
        }
        Ok(Some(events))
    }
}

/// How many moves of each job these events tell of.
fn moves_heard(events: &[idl::Event]) -> HashMap<&str, usize> {
    let mut moves = HashMap::new();
    let moved = events
        .iter()
        .filter(|event| event.program == "jobs" && MOVED_ON.contains(&event.name));
    for job in moved.filter_map(|event| event.values.get("job")?.as_str()) {
        let count: &mut usize = moves.entry(job).or_default();
        *count = count.saturating_add(1);
    }
    moves
}

/// The slot until which all of a program's list is known: what is not known of it happened then or later.
fn known_until(list: &VecDeque<Signature>, lookups: &HashMap<Signature, Lookup>) -> u64 {
    let mut last = 0;
    for signature in list {
        match lookups.get(signature) {
            Some(Lookup::Unavailable { slot }) => return *slot,
            Some(lookup) => last = lookup.slot(),
            None => return last,
        }
    }
    u64::MAX
}

/// Takes what may be taken off the programs' lists, in one order: by slot, and within a slot so that each program's own order holds. Ends
/// before the slot `end`. Also returns where each list got to.
fn merge(waiting: &mut Waiting, lookups: &HashMap<Signature, Lookup>, end: u64) -> (Vec<Signature>, Vec<(Address, Signature)>) {
    let slot = |signature: &Signature| match lookups.get(signature).filter(|lookup| lookup.slot() < end)? {
        Lookup::Complete(taken) => Some(taken.slot),
        // One that failed changes nothing: it may go at once.
        Lookup::Failed { .. } => Some(0),
        Lookup::Unavailable { .. } => None,
    };
    let mut lists: HashMap<Signature, usize> = HashMap::new();
    for signature in waiting.values().flatten().filter(|signature| lookups.contains_key(signature)) {
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
        for (program, list) in waiting.iter_mut() {
            if list.front() == Some(&next) {
                list.pop_front();
                cursors.insert(*program, next);
            }
        }
        order.push(next);
    }
    (order, cursors.into_iter().collect())
}
