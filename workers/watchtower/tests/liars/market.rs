//! A watchtower facing a worker. The chain between them is fake: it opens demands and accepts answers by the program's own rules, and every
//! transaction lands immediately.

use crate::liar::Committed;
use crate::work::Work;
use anchor_lang::bytemuck::Zeroable;
use anchor_lang::wincode::config::deserialize;
use anchor_lang::{BORSH_CONFIG, Discriminator};
use blobs::BlobStore;
use chain::fake::{Fake, account, instructions};
use chain::market::demand::{Answerer, address};
use chain::market::job;
use chain::sysvar::CLOCK;
use chain::{Chain, Landed, Network, SendOptions};
use jobs::instruction::OpenDemand;
use jobs::state::{Demand, Parameters};
use jobs::{Config, DemandHeader, Job, Status};
use protocol::batch::{root_of_blob, unit_leaves};
use protocol::demand::{Item, Kind, MAX_PREIMAGE, PAGE, chunk_page_len, chunks_of_head, leaf_of_chunk, page_of_chunk, traces_of_unit};
use protocol::hash::Hash;
use protocol::merkle;
use protocol::referee::{MAX_EVIDENCE_BYTES, Shown, judge, unit_of};
use protocol::trace::op_leaves;
use protocol::units::{Clocks, Moment};
use solana_account::Account;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signature::Signature;
use solana_signer::Signer;
use solana_transaction::versioned::VersionedTransaction;
use solana_transaction::{Message, Transaction};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock, Mutex};
use tokio::sync::mpsc;
use watchtower::check::{claim, examine};
use watchtower::question::{Purse, QuestionEvent, Questioner, Spent};
use watchtower::settings::Options;
use watchtower::{Finding, Served};

/// The slot in which all transactions land.
const LANDED: u64 = 1 << 32;

/// A watchtower's default budget for demands about a job.
static BUDGET: LazyLock<u64> = LazyLock::new(|| {
    let options = Options {
        keypair: Some("key".into()),
        blobs: vec!["store".to_owned()],
        models: vec!["models".into()],
        ..Options::default()
    };
    options.resolve().unwrap().max_demand_lamports
});

/// How a search ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The result is right.
    Right,
    /// There is evidence, and the referee convicts.
    Convicted,
    /// The worker has no answer that the program accepts.
    Silent,
}

/// The job and its demands, as the program keeps them.
pub struct Market {
    fake: Arc<Fake>,
    address: Address,
    config: Config,
    work: Arc<Work>,
    job: Job,
    /// All demands that were opened.
    pub demands: HashMap<Item, DemandHeader>,
    now: Moment,
    /// Whether the worker answers at the last moment.
    slow: bool,
}

impl Market {
    /// A job revealed with these roots.
    pub fn new(work: &Arc<Work>, (traces, outputs): (Hash, Hash), slow: bool) -> Self {
        let now = Moment { unix: 1_000, slot: 1_000 };
        let deadline = now.after(600);
        let job = Job {
            device: Address::new_unique(),
            inputs: root_of_blob(&work.input).unwrap(),
            traces,
            outputs,
            units: work.n_units().into(),
            replicas: 1,
            status: Status::Revealed as u8,
            deadline_at: deadline.unix.into(),
            deadline_slot: deadline.slot.into(),
            ..Job::zeroed()
        };
        let mut config = Config::zeroed();
        config.apply(&Parameters::PUBLISHED).unwrap();
        let market = Self {
            fake: Arc::default(),
            address: Address::new_unique(),
            config,
            work: work.clone(),
            job,
            demands: HashMap::new(),
            now,
            slow,
        };
        market.fake.advance(LANDED);
        market.fake.set_account_silently(job::config(), account(&market.config));
        market.keep();
        market
    }

    /// Puts the job and the time on the chain.
    fn keep(&self) {
        let (slot, unix) = (self.now.slot.to_le_bytes(), self.now.unix.to_le_bytes());
        let clock = Account {
            data: [slot, [0; 8], [0; 8], [0; 8], unix].concat(),
            ..rich()
        };
        self.fake.set_account_silently(self.address, account(&self.job));
        self.fake.set_account_silently(CLOCK, clock);
    }

    /// Opens a demand and lets the worker answer; returns whether it could.
    pub async fn ask(&mut self, worker: &Committed, item: Item) -> bool {
        let at = |now| Clocks { now, restart: 0 };
        let opened = self.now;
        let deadline = self.job.demand(&self.config, at(opened)).unwrap();
        let above = item.above().map(|above| &self.demands[&above]);
        let (mut demand, checkpoints, challenger) = (DemandHeader::zeroed(), self.work.checkpoints(), Address::default());
        let times = (opened, deadline);
        demand
            .open(self.address, &self.job, checkpoints, item, above, challenger, times, 0, 0)
            .unwrap();
        let said = say(&mut demand, worker, item, &self.address);
        self.demands.insert(item, demand);
        let Some((answer, bytes)) = said else {
            demand.check_silent(&self.job, at(deadline)).unwrap();
            return false;
        };
        if self.slow {
            (self.now.unix, self.now.slot) = (deadline.unix - 1, deadline.slot - 1);
        }
        let question = self.config.question_seconds.get();
        self.job.answered(opened, question, at(self.now)).unwrap();
        self.keep();
        let count = (bytes.len() as u32).to_le_bytes();
        let mut kept = account(&demand);
        kept.data.extend(count);
        kept.data.resize(Demand::space_for(0), 0);
        kept.data.extend(bytes);
        self.fake.set_account_silently(address(&self.address, item), kept);
        if let Some(answer) = answer {
            let message = Message::new(&[answer], None);
            let mut transaction = VersionedTransaction::from(Transaction::new_unsigned(message));
            transaction.signatures = vec![Signature::from([self.demands.len() as u8; 64])];
            self.fake.send(&transaction).await.unwrap();
        }
        true
    }

    /// Lets a watchtower examine the job.
    pub async fn search(&mut self, worker: &Committed, serves: [bool; 3]) -> End {
        let (work, address, job) = (self.work.clone(), self.address, self.job);
        let examining = async |questioner: &Questioner<'_>| {
            let finding = examine(&work.model, &address, &job, work.input.clone(), &work.computed, questioner);
            finding.await.unwrap()
        };
        match self.asking(worker, serves, examining).await {
            None => End::Silent,
            Some(Finding::Right) => End::Right,
            Some(Finding::Wrong(case)) => {
                self.judge(&case.evidence);
                End::Convicted
            }
            Some(Finding::Hidden(missing)) => panic!("{missing} should convict by silence"),
        }
    }

    /// Runs `act` with a questioner that the worker answers; `None` once the worker has no answer.
    pub async fn asking<T>(&mut self, worker: &Committed, serves: [bool; 3], act: impl AsyncFnOnce(&Questioner<'_>) -> T) -> Option<T> {
        let (asks, mut asked) = mpsc::unbounded_channel();
        self.fake.on_send(move |transaction| {
            for instruction in instructions(transaction) {
                if let Some(arguments) = instruction.data.strip_prefix(OpenDemand::DISCRIMINATOR) {
                    let item: jobs::Item = deserialize(arguments, BORSH_CONFIG).unwrap();
                    // The receiver is gone once the search is over.
                    let _ = asks.send(item);
                }
            }
            Some(Landed {
                slot: LANDED,
                ..Landed::default()
            })
        });
        let (key, store) = (Keypair::new(), BlobStore::open("memory:///").unwrap());
        self.fake.set_account_silently(key.pubkey(), rich());
        worker.serve(&store, serves).await;
        let shown = Mutex::new(HashSet::new());
        let on_event = |event: QuestionEvent<'_>| match event {
            QuestionEvent::Asked(..) => {}
            QuestionEvent::Shown(item) => assert!(shown.lock().unwrap().insert(item), "{item:?} was reported twice"),
            event => panic!("{event:?}"),
        };
        let chain = Chain::new(self.fake.clone());
        let questioner = Questioner {
            served: Served::new(std::slice::from_ref(&store), &self.job, self.work.checkpoints()),
            chain: &chain,
            key: &key,
            options: &SendOptions::default(),
            address: self.address,
            job: self.job,
            budget: *BUDGET,
            purse: &Purse::default(),
            convicts_silence: false,
            on_event: &on_event,
            spent: &Spent::default(),
            answers: Default::default(),
        };
        let silence = async {
            loop {
                let item = asked.recv().await.unwrap();
                if !self.ask(worker, item.try_into().ok().unwrap()).await {
                    return;
                }
            }
        };
        let done = tokio::select! {
            () = silence => return None,
            done = act(&questioner) => done,
        };
        // Each answer takes one transaction, except for the bytes of a chunk, which are in the account.
        let answers = self.demands.keys().filter(|item| item.kind != Kind::Chunk).count();
        assert!(self.read() <= answers, "an answer was read twice");
        Some(done)
    }

    /// Number of transactions read.
    pub fn read(&self) -> usize {
        self.fake.shown()
    }

    /// Asserts that the evidence convicts this worker, judged against the program's claim, and does not convict an honest one.
    fn judge(&self, evidence: &[u8]) {
        let (work, package) = (&self.work, self.work.model.engine().package());
        assert!(evidence.len() <= MAX_EVIDENCE_BYTES);
        let unit = unit_of(evidence).unwrap();
        let demand = self.demands.get(&Item::ops(unit));
        let shown = demand.and_then(|demand| demand.shown_unit(&self.job).ok());
        let shown = shown.map(|shown| Shown { unit, root: shown.root });
        let verdict = judge(&claim(package, &self.job, shown), evidence);
        assert!(verdict.is_ok_and(|verdict| verdict.convicted), "{verdict:?}");

        let (traces, outputs) = work.roots();
        let right = Job {
            traces,
            outputs,
            ..self.job
        };
        let root = merkle::root(&op_leaves(&work.all_tensors(unit)));
        let shown = Some(Shown { unit, root }).filter(|_| !work.checkpoints().are_all());
        let verdict = judge(&claim(package, &right, shown), evidence);
        assert!(!verdict.is_ok_and(|verdict| verdict.convicted), "{verdict:?}");
    }
}

/// An account with more than enough lamports.
fn rich() -> Account {
    Account {
        lamports: 1 << 50,
        ..Account::default()
    }
}

/// Answers a demand as the worker would. Returns the instruction with the hashes, or the bytes of the chunk; `None` if the program does not
/// accept the answer.
fn say(demand: &mut DemandHeader, worker: &Committed, item: Item, job: &Address) -> Option<(Option<Instruction>, Vec<u8>)> {
    let by = Answerer {
        key: Address::default(),
        device: Address::default(),
        payout: Address::default(),
    };
    let answer = match item.kind {
        Kind::Traces | Kind::Outputs => {
            let batch = if item.kind == Kind::Traces {
                &worker.traces
            } else {
                &worker.outputs
            };
            let (hashes, above) = worker.units(batch, item.index);
            demand.stream(0, unit_leaves(item.index * PAGE, &hashes).into_iter(), PAGE).ok()?;
            demand.show_units(&item, &above).ok()?;
            by.units(job, item, 0, hashes, Some(above))
        }
        Kind::Page => {
            let (opened, (all, end)) = (*demand, worker.page(item)?);
            let counted = chunk_page_len(chunks_of_head(&end.head), item.index) as usize;
            // As many hashes as there are, or as many as the value claims.
            let shown = [all.len(), counted.min(all.len())].into_iter().find(|shown| {
                *demand = opened;
                let streamed = demand.stream(0, all[..*shown].iter().copied(), PAGE);
                streamed.is_ok() && demand.show_page(&item, &end).is_ok()
            });
            by.page(job, item, 0, all[..shown?].to_vec(), Some(end))
        }
        // For these two the program keeps more than the header, so its checks are repeated here.
        Kind::Ops => {
            let (tensors, path) = worker.ops(item.unit)?;
            let (checkpoints, leaves) = (demand.checkpoints(), op_leaves(&tensors));
            demand.stream(0, leaves.iter().copied(), demand.n_ops.get()).ok()?;
            let committed: Vec<Hash> = checkpoints.of(&leaves).copied().collect();
            let traces = traces_of_unit(demand.units.get(), item.unit, checkpoints, &merkle::root(&committed), &path);
            traces.filter(|traces| *traces == demand.above && demand.streamed == demand.n_ops)?;
            (demand.shown, demand.answered) = (merkle::root(&leaves), true.into());
            by.ops(job, item, 0, tensors, Some(path))
        }
        Kind::Chunk => {
            let (preimage, path) = worker.chunk(item)?;
            let leaf = leaf_of_chunk(&preimage);
            let page = page_of_chunk(&item, demand.n_chunks.get(), &leaf, &path);
            page.filter(|page| *page == demand.above && preimage.len() <= MAX_PREIMAGE)?;
            (demand.shown, demand.answered) = (leaf, true.into());
            return Some((None, preimage));
        }
    };
    Some((Some(answer), Vec::new()))
}
