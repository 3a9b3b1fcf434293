//! Questions on the chain: a worker that does not serve a part of its trace is made to show it, because silence costs it the bond.
//!
//! Answers bind the worker that gave them. Their hashes are read from the transactions that carry them, while these arrive, and checked
//! against what the program accepted. There is one demand per item for all challengers: nobody asks what another has asked, and nothing
//! has to be remembered across a crash.

mod budget;

pub(crate) use budget::overhead;
pub use budget::{Purse, Spent};

use crate::Result;
use crate::dispute::silence;
use crate::locate::{Leaves, Page, Spot, WorkerTrace};
use crate::served::Served;
use async_trait::async_trait;
use chain::market::answers::{Answer, Reader};
use chain::market::{self, demand};
use chain::sysvar::{CLOCK, moment};
use chain::{Chain, SendOptions, field};
use daemon::Backoff;
use jobs::{DemandHeader, Job, Status};
use parking_lot::Mutex;
use protocol::demand::{Item, MAX_OPEN, PAGE, chunks_of_head, cost, page_depth, root_of_page};
use protocol::hash::Hash;
use protocol::merkle;
use protocol::units::Moment;
use solana_address::Address;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::sleep;

/// Time between looks at a demand without an answer.
const LOOK: Duration = Duration::from_millis(400);

/// Backoff after a step that failed.
const RETRY: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(8));

/// Shows a worker's trace from its blobs, and asks the worker on the chain for what they lack.
pub struct Questioner<'a> {
    /// The worker's blobs.
    pub served: Served<'a>,
    /// The chain.
    pub chain: &'a Chain,
    /// The challenger's key: pays the fees, and rent that returns.
    pub key: &'a Keypair,
    /// How transactions are sent.
    pub options: &'a SendOptions,
    /// The job's address.
    pub address: Address,
    /// The job as revealed.
    pub job: Job,
    /// Most lamports that demands about the job may cost and lock.
    pub budget: u64,
    /// The key's SOL for demands about all jobs.
    pub purse: &'a Purse,
    /// Whether to convict silence as well, for want of a crank that does.
    pub convicts_silence: bool,
    /// Called at every step.
    pub on_event: &'a (dyn Fn(QuestionEvent<'_>) + Send + Sync),
    /// What the key's demands about this job lock and have cost.
    pub spent: &'a Spent,
    /// Answers read so far. Each is read only once: later its transactions may be buried under too many others.
    pub answers: Mutex<HashMap<Item, Answer>>,
}

/// A step of questioning a worker.
#[derive(Clone, Debug)]
pub enum QuestionEvent<'a> {
    /// The worker was asked for this item.
    Asked(Item, &'a chain::Receipt),
    /// It has shown this item.
    Shown(Item),
    /// It has not answered in time. A late answer still counts until somebody convicts the worker.
    Silent(Item),
    /// It was convicted for its silence about this item.
    Convicted(Item, &'a chain::Receipt),
    /// The next question would exceed the budget.
    TooDear(Item),
    /// The key has too little SOL for the question, which is asked once there is more, as long as the window lasts.
    Poor(Item),
    /// A step failed and will be retried.
    Failed(&'a crate::Error),
}

/// Where a demand stands.
enum Standing {
    /// Look again after this time.
    Waits(Duration),
    /// The worker has missed the deadline.
    Silent,
    /// The key has too little SOL.
    Poor,
    /// There will be no answer.
    Never,
}

/// Why a job takes no question now, if it takes none. While any demand is open, its answer will extend the window, so a friend of the liar
/// who fills all places does not shut the others out.
fn closed(job: &Job, now: Moment) -> Option<Standing> {
    match (now.reached(job.deadline()), job.open_demands) {
        (true, 0) => Some(Standing::Never),
        (true, _) | (false, MAX_OPEN) => Some(Standing::Waits(LOOK)),
        (false, _) => None,
    }
}

/// A demand as it was seen: the slot, its header and its account's data.
type Look = (u64, DemandHeader, Vec<u8>);

impl Questioner<'_> {
    /// The answer to the demand for this item, which is opened if it does not exist; `None` when no answer will come.
    async fn answer(&self, item: Item) -> Option<Answer> {
        if let Some(answer) = self.answers.lock().get(&item) {
            return Some(answer.clone());
        }
        self.show_above(item).await?;
        let (saw, looks) = mpsc::unbounded_channel();
        let answer = tokio::select! {
            answer = self.read(item, looks) => answer,
            () = self.ask(item, &saw) => return None,
        };
        (self.on_event)(QuestionEvent::Shown(item));
        self.answers.lock().insert(item, answer.clone());
        Some(answer)
    }

    /// Has the worker show the items above this one, which the program requires first. Their answers are not read: the contents came from a
    /// blob, and the transactions may be buried long since.
    async fn show_above(&self, item: Item) -> Option<()> {
        let Some(above) = item.above() else { return Some(()) };
        // An item with an answer below it has been shown too.
        let is_shown = |answered: &Item| *answered == above || answered.above() == Some(above);
        if self.answers.lock().keys().any(is_shown) {
            return Some(());
        }
        Box::pin(self.show_above(above)).await?;
        let (saw, mut looks) = mpsc::unbounded_channel::<Look>();
        let shown = async {
            while let Some((_, header, _)) = looks.recv().await {
                if header.answered.get() {
                    return;
                }
            }
        };
        tokio::select! {
            () = shown => (self.on_event)(QuestionEvent::Shown(above)),
            () = self.ask(above, &saw) => return None,
        }
        Some(())
    }

    /// Reads an answer while it arrives: afterwards its transactions may be buried under too many others.
    async fn read(&self, item: Item, mut looks: mpsc::UnboundedReceiver<Look>) -> Answer {
        let mut reader = Reader::new(&**self.chain.network(), demand::address(&self.address, item));
        let (mut came, mut retry) = (Vec::new(), RETRY);
        loop {
            looks.recv_many(&mut came, usize::MAX).await;
            for (slot, header, data) in came.drain(..) {
                reader.look(slot, header, &data);
            }
            match reader.read().await {
                Ok(Some(answer)) => return answer,
                Ok(None) => retry.reset(),
                Err(error) => {
                    (self.on_event)(QuestionEvent::Failed(&error.into()));
                    retry.wait().await;
                }
            }
        }
    }

    /// Opens the demand if it does not exist and follows it; returns when no answer will come.
    async fn ask(&self, item: Item, saw: &mpsc::UnboundedSender<Look>) {
        let (mut retry, mut silent, mut poor) = (RETRY, false, false);
        let mut since = self.job.since_slot.get();
        loop {
            let mut step = self.step(item, saw, &mut since).await;
            if let Ok(Standing::Silent) = step {
                if !silent {
                    (self.on_event)(QuestionEvent::Silent(item));
                }
                silent = true;
                if self.convicts_silence {
                    // The worker may have answered at the last moment, or somebody else been faster: the next look will tell.
                    step = self.convict(item, &mut since).await;
                }
            }
            match step {
                Ok(Standing::Never) => return,
                Ok(Standing::Waits(time)) => {
                    retry.reset();
                    sleep(time).await;
                }
                Ok(Standing::Silent) => sleep(LOOK).await,
                Ok(Standing::Poor) => {
                    if !poor {
                        (self.on_event)(QuestionEvent::Poor(item));
                    }
                    poor = true;
                    retry.wait().await;
                }
                Err(error) => {
                    (self.on_event)(QuestionEvent::Failed(&error));
                    retry.wait().await;
                }
            }
        }
    }

    /// Takes the one step that follows from the state of the chain, which must be at least as new as slot `since`: that of the reveal, then
    /// of the latest transaction. An RPC endpoint may be many machines, some of them behind.
    async fn step(&self, item: Item, saw: &mpsc::UnboundedSender<Look>, since: &mut u64) -> Result<Standing> {
        let (address, challenger) = (demand::address(&self.address, item), self.key.pubkey());
        let (slot, accounts) = self.chain.network().accounts(&[self.address, address, CLOCK]).await?;
        if slot < *since {
            return Ok(Standing::Waits(LOOK));
        }
        let [job, account, clock] = accounts.as_slice() else {
            return Ok(Standing::Never);
        };
        let job: Option<Job> = chain::decode_if_any(&self.address, job.as_ref())?;
        let is_revealed = |job: &Job| job.job_hash == self.job.job_hash && job.status == Status::Revealed;
        let Some(job) = job.filter(is_revealed) else {
            return Ok(Standing::Never);
        };
        let clock = clock.as_ref().and_then(|clock| moment(&clock.data));
        let now = clock.ok_or_else(|| self.chain.missing(&CLOCK))?;
        let Some(account) = chain::made(account.as_ref()) else {
            return self.open(&job, item, &challenger, now, since).await;
        };
        self.purse.release(&self.address);
        let header: DemandHeader = chain::decode(&address, account)?;
        if header.job_hash != job.job_hash {
            // It belongs to an earlier job at this address, and is in the way until it is closed.
            let closing = demand::close(&header.challenger, &self.address, &address);
            *since = self.chain.send(&[closing], &[self.key], self.options).await?.slot;
            return Ok(Standing::Waits(Duration::ZERO));
        }
        // The receiver lives as long as this future.
        let _ = saw.send((slot, header, account.data.clone()));
        if !header.answered.get() && now.reached(header.deadline()) {
            return Ok(Standing::Silent);
        }
        Ok(Standing::Waits(LOOK))
    }

    async fn convict(&self, item: Item, since: &mut u64) -> Result<Standing> {
        let demand = demand::address(&self.address, item);
        let convicting = silence(self.chain, &self.key.pubkey(), &self.address, &self.job, &demand).await?;
        let receipt = self.chain.send(&convicting.instructions, &[self.key], self.options).await?;
        *since = receipt.slot;
        (self.on_event)(QuestionEvent::Convicted(item, &receipt));
        Ok(Standing::Waits(Duration::ZERO))
    }

    async fn open(&self, job: &Job, item: Item, challenger: &Address, now: Moment, since: &mut u64) -> Result<Standing> {
        if let Some(standing) = closed(job, now) {
            return Ok(standing);
        }
        let config: jobs::Config = self.chain.fetch(&market::job::config()).await?;
        let most = cost(config.demand_fee.get().into(), job.demanded).unwrap_or(u64::MAX);
        let takes = most.saturating_add(overhead(item.kind, self.served.checkpoints, &self.options.priority_fee));
        self.find_spent().await?;
        if self.spent.except(item).saturating_add(takes) > self.budget {
            (self.on_event)(QuestionEvent::TooDear(item));
            return Ok(Standing::Never);
        }
        let has = self.chain.account(challenger).await?.map_or(0, |key| key.lamports);
        if !self.purse.promise(&self.address, job.bond.get(), has, takes) {
            return Ok(Standing::Poor);
        }
        let opening = demand::open(challenger, &self.address, job, &config.treasury, item, most);
        // Noted before it is sent: if the job makes way for another meanwhile, the transaction may still land.
        let before = self.spent.note(item, Some(takes));
        let options = self.options.within(job.deadline().unix.saturating_sub(now.unix));
        let sent = self.chain.send(&[opening], &[self.key], &options).await;
        self.purse.release(&self.address);
        let may_land = |error: &chain::Error| error.uncertain().is_some_and(|uncertain| !uncertain.expired);
        if sent.as_ref().is_err_and(|error| !may_land(error)) {
            self.spent.note(item, before);
        }
        let receipt = sent?;
        *since = receipt.slot;
        (self.on_event)(QuestionEvent::Asked(item, &receipt));
        Ok(Standing::Waits(LOOK))
    }

    /// Counts the key's demands about the job, whichever run opened them: all demands stay on the chain for as long as the result stands.
    async fn find_spent(&self) -> Result<()> {
        let about_it = [field!(DemandHeader, job, self.address.as_array())];
        let found = self.chain.find::<DemandHeader>(&about_it).await?;
        let is_own = |demand: &DemandHeader| demand.challenger == self.key.pubkey();
        let mut demands: Vec<_> = found.into_iter().map(|(_, demand)| demand).collect();
        demands.retain(|demand| demand.job_hash == self.job.job_hash);
        // The price follows from the number of earlier demands. Of one slot, others' may have been earlier.
        demands.sort_by_key(|demand| (demand.opened_slot.get(), is_own(demand)));
        for (earlier, demand) in demands.iter().enumerate().filter(|(_, demand)| is_own(demand)) {
            if let Some(item) = demand.item() {
                let price = cost(demand.fee.get(), u8::try_from(earlier).unwrap_or(u8::MAX)).unwrap_or(u64::MAX);
                let overhead = overhead(item.kind, demand.checkpoints(), &self.options.priority_fee);
                self.spent.found(item, price.saturating_add(overhead));
            }
        }
        Ok(())
    }

    /// A page of units.
    async fn page(&self, item: Item) -> Option<Page> {
        let Answer { hashes, end, .. } = self.answer(item).await?;
        Some(Page {
            first: item.index.saturating_mul(PAGE),
            hashes,
            above: end?.above,
        })
    }
}

#[async_trait(?Send)]
impl WorkerTrace for Questioner<'_> {
    async fn traces(&self, page: u32) -> Option<Page> {
        match self.served.traces(page).await {
            Some(traces) => Some(traces),
            // The TRACE of a single unit follows from its ops, which would be asked for next anyway.
            None if self.job.units.get() == 1 => {
                let (ops, checkpoints) = (self.ops(0).await?, self.served.checkpoints);
                let committed: Vec<Hash> = checkpoints.of(&ops).copied().collect();
                Some(Page::of_all(vec![checkpoints.trace(&committed)]))
            }
            None => self.page(Item::traces(page)).await,
        }
    }

    async fn ops(&self, unit: u32) -> Option<Vec<Hash>> {
        if let Some(ops) = self.served.ops(unit).await {
            return Some(ops);
        }
        Some(self.answer(Item::ops(unit)).await?.hashes)
    }

    async fn leaves(&self, spot: &Spot) -> Option<Leaves> {
        if let Some(leaves) = self.served.leaves(spot).await {
            return Some(leaves);
        }
        let (unit, op) = (spot.unit, spot.op);
        let page = |index| Item::page(unit, op, index);
        let first = self.answer(page(0)).await?;
        let end = first.end?;
        let (total, mut chunks) = (chunks_of_head(&end.head), first.hashes);
        let layout = spot.shape.layout();
        if end.head != layout.head(layout.chunks()?) {
            // The head alone convicts, and the first page leads to the root that belongs to it.
            let page_root = merkle::padded_root(&chunks, page_depth(total));
            return Some(Leaves {
                head: end.head,
                root: root_of_page(total, 0, &page_root, &end.above)?,
                chunks: Vec::new(),
            });
        }
        for index in 1..total.div_ceil(PAGE) {
            chunks.extend(self.answer(page(index)).await?.hashes);
        }
        Some(Leaves {
            head: end.head,
            root: merkle::root(&chunks),
            chunks,
        })
    }

    async fn chunk(&self, spot: &Spot, index: u32) -> Option<Vec<u8>> {
        if let Some(chunk) = self.served.chunk(spot, index).await {
            return Some(chunk);
        }
        let answer = self.answer(Item::chunk(spot.unit, spot.op, index)).await?;
        Some(answer.bytes)
    }

    async fn delivered(&self, page: u32) -> Option<Page> {
        match self.served.delivered(page).await {
            Some(outputs) => Some(outputs),
            None => self.page(Item::outputs(page)).await,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use anchor_lang::bytemuck::Zeroable;
    use chain::Landed;
    use chain::fake::{Fake, account, gift};
    use protocol::demand::Kind;
    use protocol::trace::Checkpoints;
    use solana_account::Account;
    use solana_transaction_error::TransactionError;
    use std::sync::Arc;
    use tokio::sync::Notify;

    #[test]
    fn a_question_waits_while_an_answer_may_open_the_window_again() {
        let now = Moment { unix: 1_000, slot: 5_000 };
        let left = |seconds: u32, open: u8| {
            let mut job: Job = Job::zeroed();
            let deadline = now.after(seconds);
            (job.deadline_at, job.deadline_slot) = (deadline.unix.into(), deadline.slot.into());
            job.open_demands = open;
            closed(&job, now)
        };
        assert!(left(1, MAX_OPEN - 1).is_none());
        assert!(matches!(left(1, MAX_OPEN), Some(Standing::Waits(_))));
        assert!(matches!(left(0, 1), Some(Standing::Waits(_))));
        assert!(matches!(left(0, 0), Some(Standing::Never)));
    }

    const JOB: Address = Address::new_from_array([7; 32]);

    /// A challenger that asks about a job revealed in slot 100, on a fake node.
    struct Scene {
        node: Arc<Fake>,
        chain: Chain,
        key: Keypair,
        job: Job,
        budget: u64,
        purse: Purse,
        spent: Spent,
    }

    impl Scene {
        fn new() -> Self {
            let (node, key) = (Arc::new(Fake::default()), Keypair::new());
            let wallet = Account {
                lamports: 1_000_000_000,
                ..Account::default()
            };
            node.set_clock();
            node.set_account(key.pubkey(), wallet);
            node.set_account(market::job::config(), account(&jobs::Config::zeroed()));
            node.on_send(|_| Some(landed(None)));
            let job = Job {
                job_hash: [1; 32],
                status: Status::Revealed as u8,
                since_slot: 100.into(),
                deadline_at: 1.into(),
                deadline_slot: 1.into(),
                ..Job::zeroed()
            };
            Self {
                chain: Chain::new(node.clone()),
                node,
                key,
                job,
                budget: u64::MAX,
                purse: Purse::default(),
                spent: Spent::default(),
            }
        }

        async fn step(&self, item: Item, saw: &mpsc::UnboundedSender<Look>, since: &mut u64) -> Result<Standing> {
            let questioner = Questioner {
                served: Served::new(&[], &self.job, Checkpoints::all(1)),
                chain: &self.chain,
                key: &self.key,
                options: &SendOptions::default(),
                address: JOB,
                job: self.job,
                budget: self.budget,
                purse: &self.purse,
                convicts_silence: false,
                on_event: &|_| (),
                spent: &self.spent,
                answers: Default::default(),
            };
            questioner.step(item, saw, since).await
        }
    }

    fn landed(error: Option<TransactionError>) -> Landed {
        Landed {
            slot: 200,
            error,
            ..Landed::default()
        }
    }

    #[tokio::test]
    async fn a_machine_that_is_behind_ends_no_question() {
        let scene = Scene::new();
        let (node, job) = (&scene.node, scene.job);
        let (item, (saw, _looks)) = (Item::traces(0), mpsc::unbounded_channel());
        let mut since = job.since_slot.get();
        let committed = Job {
            status: Status::Committed as u8,
            ..job
        };
        node.set_account(JOB, account(&committed));
        node.fall_behind(JOB);
        node.advance(100);
        node.set_account(JOB, account(&job));
        let standing = scene.step(item, &saw, &mut since).await.unwrap();
        assert!(matches!(standing, Standing::Waits(_)), "it may be revealed");
        assert!(node.sent().is_empty());
        scene.step(item, &saw, &mut since).await.unwrap();
        assert_eq!(node.sent().len(), 1, "it is asked");
        let demand = demand::address(&JOB, item);
        node.fall_behind(demand);
        node.advance(100);
        let asked = DemandHeader {
            job_hash: job.job_hash,
            ..DemandHeader::zeroed()
        };
        node.set_account(demand, account(&asked));
        let standing = scene.step(item, &saw, &mut since).await.unwrap();
        assert!(matches!(standing, Standing::Waits(_)), "the first demand may have landed");
        let standing = scene.step(item, &saw, &mut since).await.unwrap();
        assert!(matches!(standing, Standing::Silent), "the deadline has passed");
    }

    /// Addresses are known before their accounts exist, so a liar can send lamports to them.
    #[tokio::test]
    async fn lamports_sent_in_advance_block_no_question() {
        let (scene, item, (saw, _looks)) = (Scene::new(), Item::traces(0), mpsc::unbounded_channel());
        scene.node.advance(200);
        scene.node.set_account(JOB, account(&scene.job));
        scene.node.set_account(demand::address(&JOB, item), gift());
        scene.step(item, &saw, &mut 0).await.unwrap();
        assert_eq!(scene.node.sent().len(), 1, "it is asked");
        scene.node.set_account(JOB, gift());
        let standing = scene.step(item, &saw, &mut 0).await.unwrap();
        assert!(matches!(standing, Standing::Never), "the job has ended");
    }

    #[tokio::test]
    async fn demands_of_an_earlier_run_count_towards_the_budget() {
        let (mut scene, (saw, _looks)) = (Scene::new(), mpsc::unbounded_channel());
        scene.node.advance(200);
        scene.node.set_account(JOB, account(&scene.job));
        scene.budget = overhead(Kind::Ops, Checkpoints::all(1), &SendOptions::default().priority_fee);
        let own = DemandHeader {
            job: JOB,
            job_hash: scene.job.job_hash,
            challenger: scene.key.pubkey(),
            fee: 1.into(),
            n_ops: 1.into(),
            ..DemandHeader::zeroed()
        };
        let place = demand::address(&JOB, Item::traces(0));
        scene.node.set_account(place, account(&own));
        let standing = scene.step(Item::ops(0), &saw, &mut 0).await.unwrap();
        assert!(matches!(standing, Standing::Never), "both exceed the budget");
        scene.spent = Spent::default();
        let others = [
            DemandHeader {
                challenger: Address::default(),
                ..own
            },
            DemandHeader { job_hash: [2; 32], ..own },
        ];
        for (sent, other) in others.iter().enumerate() {
            assert_eq!(scene.node.sent().len(), sent);
            scene.node.set_account(place, account(other));
            scene.step(Item::ops(0), &saw, &mut 0).await.unwrap();
        }
        assert_eq!(scene.node.sent().len(), 2, "neither another's nor an earlier job's demand counts");

        scene.spent = Spent::default();
        for unit in 0..8 {
            let earlier = DemandHeader {
                challenger: Address::default(),
                kind: Kind::Ops as u8,
                unit: (1 + unit).into(),
                ..own
            };
            scene
                .node
                .set_account(demand::address(&JOB, earlier.item().unwrap()), account(&earlier));
        }
        scene.node.set_account(place, account(&own));
        scene.step(Item::ops(0), &saw, &mut 0).await.unwrap();
        let overhead = overhead(Kind::Traces, Checkpoints::all(1), &SendOptions::default().priority_fee);
        assert_eq!(
            scene.spent.except(Item::ops(0)),
            2 + overhead,
            "the ninth demand cost twice the fee"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_demand_in_flight_counts_as_spent() {
        let (scene, item, (saw, _looks)) = (Scene::new(), Item::traces(0), mpsc::unbounded_channel());
        let mut since = 0;
        scene.node.advance(200);
        scene.node.set_account(JOB, account(&scene.job));
        let spent = || scene.spent.except(Item::traces(1));
        scene.node.on_send(|_| Some(landed(Some(TransactionError::AccountInUse))));
        assert!(scene.step(item, &saw, &mut since).await.is_err());
        assert_eq!(spent(), 0, "the transaction failed");
        let on_its_way = || {
            let sent = Arc::new(Notify::new());
            let told = sent.clone();
            scene.node.on_send(move |_| {
                told.notify_one();
                None
            });
            sent
        };
        let sent = on_its_way();
        let expire = async {
            sent.notified().await;
            scene.node.advance(1_000);
        };
        assert!(tokio::join!(scene.step(item, &saw, &mut since), expire).0.is_err());
        assert_eq!(spent(), 0, "the transaction has expired");
        let sent = on_its_way();
        tokio::select! {
            _ = scene.step(item, &saw, &mut since) => unreachable!("nobody says what became of it"),
            () = sent.notified() => {}
        }
        let once = spent();
        assert!(once > 0, "the job made way for another meanwhile");
        let sent = on_its_way();
        tokio::select! {
            _ = scene.step(item, &saw, &mut since) => unreachable!("nobody says what became of it"),
            () = sent.notified() => {}
        }
        assert_eq!(spent(), once, "there can be only one demand for an item");
    }
}
