//! Follows the programs' transactions and writes each to the store once, in order.

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
use tokio_util::sync::CancellationToken;

/// Transactions of each program in one round; more if a single slot has more.
const ROUND: usize = 2_000;
/// Concurrent lookups of transactions.
const AT_ONCE: usize = 16;
/// Backoff while waiting for a slot to end, or for the node to have a transaction's details.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(200), AUDIT);
/// Time between rounds while subscriptions stand: a node may lose one without saying so.
const AUDIT: Duration = Duration::from_secs(15);
/// Rounds in a row that found something to take in and took nothing, after which that is logged: about a minute's at [`BACKOFF`].
const FRUITLESS: u32 = 10;
/// Pause after an error.
const RETRY: Duration = Duration::from_secs(2);

/// Name of the event that stands for an instruction whose own events a truncated log may lack. No program emits it. It has the
/// instruction's name, accounts and arguments, and the state of its device, escrow and proposal when it was indexed.
pub(crate) const LOG_CUT: &str = "LogCut";
/// Events of a change of a job's status: every such change emits exactly one, with the account in its field `job`.
const MOVED_ON: [&str; 7] = [
    "JobOpened",
    "JobClaimed",
    "JobCommitted",
    "JobRevealed",
    "JobSettled",
    "JobRefunded",
    "JobConvicted",
];
/// The job program's instructions that change a job's status.
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

/// A transaction with the programs' events.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Its signature.
    pub signature: Signature,
    /// Slot of its block.
    pub slot: u64,
    /// Time of its block, unix seconds, if the node knows it.
    pub time: Option<i64>,
    /// Lamports of its fee.
    pub fee: u64,
    /// Compute units it used.
    pub compute_units: u64,
    /// Events in the order of the log. If the log was truncated, one [`LOG_CUT`] follows for each instruction of the market's programs.
    pub events: Vec<idl::Event>,
}

/// What the node knows of a transaction that it has listed.
enum Lookup {
    /// The transaction failed, and changed nothing.
    Failed { slot: u64 },
    /// The node does not have its details, or not yet.
    Unavailable { slot: u64 },
    /// The transaction with all its events.
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

/// The result of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// Transactions taken in, including those that failed and changed nothing.
    pub taken: usize,
    /// Whether more transactions are waiting: their slot is not over, the node does not know all those before them, the node is behind, or
    /// they are too many for one round.
    pub waiting: bool,
    /// The slot that was current when the round was listed, if all transactions before it have been taken in.
    pub whole_before: Option<u64>,
}

/// Follows the programs' transactions.
pub struct Follower {
    network: Arc<dyn Network>,
    store: Store,
    batch_size: usize,
    audit: Duration,
    /// The slot up to which lists are requested. It is kept until all lists have come, so that even a machine that always lags a little
    /// reaches it.
    asked: Option<u64>,
    /// Whether nothing has been listed yet: what happened before the start may be forgotten by now.
    is_new: bool,
    /// Listed transactions that were too many for one round, or not all of which could be looked up.
    left: Option<Listed>,
    /// Rounds in a row that found something to take in and took nothing.
    fruitless: u32,
}

/// Transactions to take in.
struct Listed {
    /// The current slot when they were listed: all transactions before it are among them.
    slot: u64,
    waiting: Waiting,
    /// What the node has said about them, as far as it was asked.
    lookups: Lookups,
}

type Lookups = HashMap<Signature, Lookup>;

/// For each program, the signatures not taken in yet, oldest first.
type Waiting = BTreeMap<Address, VecDeque<Signature>>;

impl Follower {
    /// Follows the programs from where `store` ends.
    pub fn new(network: Arc<dyn Network>, store: Store) -> Self {
        Self::in_rounds_of(ROUND, network, store)
    }

    /// [`Follower::new`] with `batch_size` transactions of each program in a round.
    pub fn in_rounds_of(batch_size: usize, network: Arc<dyn Network>, store: Store) -> Self {
        let batch_size = batch_size.max(1);
        Self {
            network,
            store,
            batch_size,
            audit: AUDIT,
            asked: None,
            is_new: true,
            left: None,
            fruitless: 0,
        }
    }

    /// Sets the time between rounds while the node pushes news.
    #[must_use]
    pub fn auditing_every(self, audit: Duration) -> Self {
        Self { audit, ..self }
    }

    /// Takes in transactions until `stop`: as soon as the node pushes news, or every `every` if it pushes none.
    ///
    /// News only wake the follower. It then requests everything since its last round, so a lost connection loses nothing.
    // Boxed, so that the code is compiled here once and not in every program that follows a chain.
    pub fn run<'a>(&'a mut self, every: Duration, stop: &'a CancellationToken) -> BoxFuture<'a, ()> {
        self.follow(every, stop).boxed()
    }

    async fn follow(&mut self, every: Duration, stop: &CancellationToken) {
        let mut news = News::of(self.network.clone(), stop.child_token());
        let mut backoff = BACKOFF;
        while !stop.is_cancelled() {
            let round = self.round().await;
            if let Ok(Round {
                taken: 0, waiting: true, ..
            }) = round
            {
                // No news will come for what it waits for. Every round lists everything anew, so it is repeated less and less often.
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

    /// Takes in all that has happened until now. Waits for the current slot to end and for details that the node does not have yet.
    pub fn catch_up(&mut self) -> BoxFuture<'_, Result<()>> {
        self.take_past().boxed()
    }

    async fn take_past(&mut self) -> Result<()> {
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

    /// Takes in the next transactions. Call it again if there were any, or once something has changed.
    ///
    /// A slot is taken in only if it was over when it was listed, every program's list of it is complete and all its transactions are
    /// known. This makes the order independent of the size of the rounds.
    pub fn round(&mut self) -> BoxFuture<'_, Result<Round>> {
        async {
            let round = match self.take_round().await {
                // The endpoint may be many machines, and one that lags has answered.
                Err(Error::Chain(chain::Error::Behind { .. })) => Round {
                    taken: 0,
                    waiting: true,
                    whole_before: None,
                },
                round => round?,
            };
            self.note(&round);
            Ok(round)
        }
        .boxed()
    }

    /// Logs when the node keeps the follower waiting for long, and when that is over.
    fn note(&mut self, round: &Round) {
        if round.taken == 0 && round.waiting {
            self.fruitless = self.fruitless.saturating_add(1);
            if self.fruitless == FRUITLESS {
                tracing::warn!("the node is behind, or lists transactions that it does not have; waiting for it");
            }
        } else if std::mem::take(&mut self.fruitless) >= FRUITLESS {
            tracing::info!("the node has what it lists; going on");
        }
    }

    async fn take_round(&mut self) -> Result<Round> {
        let mut listed = match self.left.take() {
            Some(listed) => listed,
            None => self.list().await?,
        };
        if let Err(error) = self.fetch(&mut listed).await {
            // Far behind, a node is asked thousands of times: the next round goes on from here.
            self.left = Some(listed);
            return Err(error);
        }
        let Listed {
            slot,
            mut waiting,
            mut lookups,
        } = listed;
        let is_long = waiting.values().any(|list| list.len() > self.batch_size);
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
        // If this fails, the next round lists everything anew.
        if !cursors.is_empty() {
            self.store.write(&round, &cursors).await?;
        }
        if whole_before.is_some() {
            self.store.catch_up();
        }
        // If the round took nothing, it waits for the node, whose lists may differ by then.
        if is_long && is_waiting && !order.is_empty() {
            self.left = Some(Listed { slot, waiting, lookups });
        }
        Ok(Round {
            taken: order.len(),
            waiting: is_waiting,
            whole_before,
        })
    }

    /// Lists the transactions to take in: up to the current slot, or the slot asked for in an earlier round whose lists did not come.
    async fn list(&mut self) -> Result<Listed> {
        let slot = match self.asked {
            Some(slot) => slot,
            None => self.current_slot().await?,
        };
        self.asked = Some(slot);
        let mut waiting = Waiting::new();
        for program in PROGRAMS {
            waiting.insert(program, self.since_cursor(&program, slot).await?);
        }
        self.asked = None;
        self.is_new = false;
        Ok(Listed {
            slot,
            waiting,
            lookups: Lookups::new(),
        })
    }

    /// The node's current slot.
    async fn current_slot(&self) -> Result<u64> {
        // Any account will do: the answer names the slot in which it was read.
        let (slot, _) = self.network.accounts(&[sysvar::CLOCK]).await?;
        Ok(slot)
    }

    /// A program's transactions after its cursor, listed by a machine that has reached `slot`.
    async fn since_cursor(&self, program: &Address, mut slot: u64) -> Result<VecDeque<Signature>> {
        let cursor = self.store.cursor(program).await?;
        let (mut all, mut before) = (VecDeque::new(), None);
        // If the node no longer knows the cursor, all that it lists is taken, and the store skips what it has.
        loop {
            let page = self.network.history(program, before.as_ref(), slot).await?;
            let Some((of_last, last)) = page.last().copied() else {
                // Later, the program has merely been quiet for longer than the node remembers.
                if self.is_new && cursor.is_some() && !all.is_empty() {
                    tracing::warn!(%program, "the node has forgotten the newest indexed transaction; if later ones too, they are missing");
                }
                return Ok(all);
            };
            for (_, signature) in page {
                if Some(signature) == cursor {
                    return Ok(all);
                }
                all.push_front(signature);
            }
            // A machine that does not know the last signature would list nothing before it, so it must have reached its slot.
            (before, slot) = (Some(last), slot.max(of_last));
        }
    }

    /// Looks up the oldest waiting transactions of each program. One that the node does not know yet gets no entry.
    async fn fetch(&self, listed: &mut Listed) -> Result<()> {
        use futures_util::{StreamExt, stream};
        let Listed { waiting, lookups, .. } = listed;
        // The node may have their details by now.
        lookups.retain(|_, lookup| !matches!(lookup, Lookup::Unavailable { .. }));
        let mut batch_size = self.batch_size;
        loop {
            let oldest: BTreeSet<Signature> = waiting.values().flat_map(|list| list.iter().take(batch_size)).copied().collect();
            let unknown: Vec<Signature> = oldest.into_iter().filter(|signature| !lookups.contains_key(signature)).collect();
            let mut answers = stream::iter(unknown)
                .map(async |signature| (signature, self.look_up(signature).await))
                .buffer_unordered(AT_ONCE);
            while let Some((signature, answer)) = answers.next().await {
                lookups.extend(answer?.map(|lookup| (signature, lookup)));
            }
            // A slot is taken in whole or not at all: if one has more transactions of a program than the batch, the batch grows.
            let is_one_slot = |list: &VecDeque<Signature>| {
                let slot = |place| Some(lookups.get(list.get(place)?)?.slot());
                list.len() > batch_size && slot(0).is_some() && slot(0) == slot(batch_size.saturating_sub(1))
            };
            if !waiting.values().any(is_one_slot) {
                return Ok(());
            }
            batch_size = batch_size.saturating_mul(2);
        }
    }

    /// Looks up a transaction; `None` if the node does not know it yet.
    async fn look_up(&self, signature: Signature) -> Result<Option<Lookup>> {
        let Some(landed) = self.network.landed(&signature).await? else {
            return Ok(None);
        };
        let slot = landed.slot;
        if landed.error.is_some() {
            return Ok(Some(Lookup::Failed { slot }));
        }
        // An empty log is a log: anybody can name the programs in a transaction that calls none of them. A missing log is not.
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

    /// The instructions of a transaction in `slot` whose log was truncated after the events `heard`, each as a [`LOG_CUT`]; `None` if the
    /// node does not have them.
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
                // The log is in order, so the events heard of a job are those of its first moves.
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
            tracing::warn!(%signature, "the log of a transaction was truncated; reading its instructions and accounts instead");
        }
        Ok(Some(events))
    }
}

/// How many changes of each job's status are among these events.
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

/// The slot before which everything on a program's list is known.
fn known_until(list: &VecDeque<Signature>, lookups: &Lookups) -> u64 {
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

/// Takes the transactions before the slot `end` off the programs' lists and merges them into one order: by slot, and within a slot in an
/// order that respects each program's own. Also returns each program's new cursor.
fn merge(waiting: &mut Waiting, lookups: &Lookups, end: u64) -> (Vec<Signature>, Vec<(Address, Signature)>) {
    let slot = |signature: &Signature| match lookups.get(signature).filter(|lookup| lookup.slot() < end)? {
        Lookup::Complete(taken) => Some(taken.slot),
        // A failed transaction changes nothing, so its place does not matter.
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
        // A transaction may be next if it heads every list that it is on.
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
