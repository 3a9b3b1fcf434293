//! Jobs in progress, and the story of one.

use crate::{
    amount::{Unit, span},
    command::model::Names,
    context::{Context, Token},
    error::{Error, Result, refuse},
    output::{Answer, Table, fields},
    story::{Step, Story, status},
};
use chain::{field, market::job};
use clap::Args;
use jobs::{Escrow, Job};
use serde::Serialize;
use solana_address::Address;
use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
};

#[derive(Args, Debug)]
pub struct Arguments {
    /// Consumer who submitted them [default: the wallet]
    owner: Option<Address>,
    /// List the jobs of all consumers
    #[arg(long, conflicts_with = "owner")]
    all: bool,
    /// Token that they are paid in [default: $IO, or any with --all]
    #[arg(long)]
    mint: Option<Address>,
}

#[derive(Serialize)]
struct Live {
    job: String,
    status: &'static str,
    model: String,
    /// Name of the model, if its package is in the models folder.
    model_name: Option<String>,
    units: u32,
    start_price: u64,
    max_price: u64,
    /// Token of the prices and of what is locked.
    mint: String,
    /// Price per unit once claimed.
    price: u64,
    locked: u64,
    bond: u64,
    device: Option<String>,
    inputs: String,
    outputs: Option<String>,
    /// Which of its replicas it is, from 0, and how many there are.
    replica: u8,
    replicas: u8,
    /// Addresses of the others.
    siblings: Vec<String>,
    /// None yet while it waits for the other replicas.
    deadline: Option<i64>,
    #[serde(skip)]
    now: i64,
    #[serde(skip)]
    unit: Unit,
}

impl Live {
    fn new(address: &Address, job: &Job, token: &Token, names: &Names, now: i64) -> Self {
        let siblings = job::replicas_of(job);
        Self {
            job: address.to_string(),
            status: status(job),
            model: job.model.to_string(),
            model_name: names.of(&job.model),
            units: job.units.get(),
            start_price: job.start_price.get(),
            max_price: job.max_price.get(),
            mint: token.mint.to_string(),
            price: job.price.get(),
            locked: job.locked.get(),
            bond: job.bond.get(),
            device: (job.device != Address::default()).then(|| job.device.to_string()),
            inputs: hex::encode(job.inputs),
            outputs: (job.outputs != [0; 32]).then(|| hex::encode(job.outputs)),
            replica: job.replica,
            replicas: job.replicas,
            siblings: siblings
                .iter()
                .filter(|sibling| *sibling != address)
                .map(Address::to_string)
                .collect(),
            deadline: (!job.awaits_siblings()).then(|| job.deadline_at.get()),
            now,
            unit: token.unit,
        }
    }

    fn left(&self) -> String {
        match self.deadline.map(|deadline| deadline.saturating_sub(self.now)) {
            None => "waits for the other replicas".to_owned(),
            Some(left @ 1..) => format!("{} left", span(left)),
            Some(_) => "overdue".to_owned(),
        }
    }

    /// Which of several replicas it is.
    fn place(&self) -> Option<String> {
        (self.replicas > 1).then(|| format!("{} of {}", self.replica.saturating_add(1), self.replicas))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct List {
    jobs: Vec<Live>,
    /// Whether these are the jobs of all consumers.
    #[serde(skip)]
    all: bool,
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.jobs.is_empty() {
            return match self.all {
                true => writeln!(f, "no jobs in progress"),
                false => writeln!(f, "no jobs of this consumer in progress; --all lists those of all consumers"),
            };
        }
        let mut table = Table::new(["job", "status", "time", "model", "units", "locked"]);
        for job in &self.jobs {
            table.row([
                job.job.clone(),
                match job.place() {
                    Some(place) => format!("{}, replica {place}", job.status),
                    None => job.status.to_owned(),
                },
                job.left(),
                job.model_name.clone().unwrap_or_else(|| short(&job.model)),
                job.units.to_string(),
                job.unit.show(job.locked),
            ]);
        }
        write!(f, "{table}")
    }
}

/// The beginning of an address, for a table.
fn short(address: &str) -> String {
    format!("{}…", address.chars().take(8).collect::<String>())
}

impl Arguments {
    /// The escrow whose jobs to list.
    fn escrow(&self, context: &Context, mint: &Address) -> Result<Address> {
        match context.address(self.owner) {
            Ok(owner) => Ok(job::escrow(&owner, mint)),
            Err(error @ Error::Chain(chain::Error::NoKeypair { .. })) => refuse(format!(
                "{error}, or give the address of a consumer, or --all for the jobs of all consumers"
            )),
            Err(error) => Err(error),
        }
    }

    pub async fn run(self, context: &Context) -> Result<Answer> {
        let market = context.market().await?;
        let filters = if self.all {
            Vec::new()
        } else {
            let mint = self.mint.unwrap_or(market.jobs.mint);
            let escrow = self.escrow(context, &mint)?;
            vec![field!(Job, escrow, escrow.as_array())]
        };
        let mut found: Vec<(Address, Job)> = context.chain.find(&filters).await?;
        // The replicas of a job have consecutive ids, and were opened in one transaction.
        found.sort_by_key(|(_, job)| (job.opened_slot.get(), job.escrow, job.id.get()));
        let now = context.now().await?.unix;
        let mut escrows: Vec<Address> = found.iter().map(|(_, job)| job.escrow).collect();
        escrows.sort_unstable();
        escrows.dedup();
        let (_, accounts) = context.chain.network().accounts(&escrows).await?;
        let escrows: HashMap<_, _> = escrows.iter().zip(accounts).collect();
        let names = match found.is_empty() {
            true => Names::default(),
            false => Names::load(&context.settings.models).await,
        };
        let (mut tokens, mut jobs) = (HashMap::new(), Vec::new());
        for (address, job) in &found {
            // A job without an escrow has ended since it was found.
            let escrow = escrows.get(&job.escrow).and_then(Option::as_ref);
            let Some(Escrow { mint, .. }) = chain::decode_if_any(&job.escrow, escrow)? else {
                continue;
            };
            if self.mint.is_some_and(|wanted| wanted != mint) {
                continue;
            }
            let token = match tokens.entry(mint) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => *new.insert(context.token(&market, Some(mint)).await?),
            };
            jobs.push(Live::new(address, job, &token, &names, now));
        }
        Ok(Answer::new(&List { jobs, all: self.all }))
    }
}

#[derive(Serialize)]
struct Shown {
    job: String,
    /// Its state, or how it ended.
    status: &'static str,
    /// When it ended, unix seconds, if it has and the node knows it.
    ended_at: Option<i64>,
    /// What the consumer paid, once it is settled.
    paid: Option<u64>,
    /// What was returned to the escrow of a job that was not paid.
    refunded: Option<u64>,
    /// Present while the job is in progress.
    live: Option<Live>,
    story: Story,
    #[serde(skip)]
    now: i64,
    #[serde(skip)]
    unit: Unit,
    /// Unit of the bond.
    #[serde(skip)]
    io: Unit,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = vec![("job", self.job.clone())];
        match &self.live {
            Some(live) => {
                lines.push(("status", format!("{}, {}", live.status, live.left())));
                lines.extend(
                    live.place()
                        .map(|place| ("replica", format!("{place}, with {}", live.siblings.join(" and ")))),
                );
                lines.extend([
                    ("model", live.model_name.clone().unwrap_or_else(|| live.model.clone())),
                    ("units", live.units.to_string()),
                    ("locked", self.unit.show(live.locked)),
                    ("bond", self.io.show(live.bond)),
                    ("device", live.device.clone().unwrap_or_else(|| "none yet".to_owned())),
                ]);
            }
            None => lines.push((
                "status",
                self.story
                    .ended(self.now)
                    .unwrap_or_else(|| "ended, and it is unknown how".to_owned()),
            )),
        }
        if let Some([consumer_pays, supplier_gets, fees]) = self.story.paid() {
            let [supplier_gets, fees] = [supplier_gets, fees].map(|amount| self.unit.show(amount));
            lines.push((
                "paid",
                format!(
                    "{}, of which {supplier_gets} to the supplier and {fees} in fees",
                    self.unit.show(consumer_pays)
                ),
            ));
        }
        if let Some([refund, compensation]) = self.story.refunded() {
            lines.push(("refunded", self.unit.show(refund)));
            lines.extend((compensation > 0).then(|| ("compensation", self.io.show(compensation))));
        }
        fields(f, &lines)?;
        write!(f, "\n{}", self.story.tell(self.unit))
    }
}

/// Shows one job, from its account and its transactions.
pub async fn show(context: &Context, address: Address) -> Result<Answer> {
    let market = context.market().await?;
    let (job, story) = (
        context.chain.try_fetch::<Job>(&address).await?,
        Story::read(context, &address).await?,
    );
    if job.is_none() && story.0.is_empty() {
        return Err(context.unknown_job(&address));
    }
    let opened = story.0.iter().find_map(|chapter| match &chapter.step {
        Step::Opened { mint, .. } => mint.parse::<Address>().ok(),
        _ => None,
    });
    // An opening whose log was truncated leaves no trace of the mint but the escrow's, and without a job not even that; $IO is the best
    // guess.
    let mint = match (opened, &job) {
        (None, Some(job)) => context.chain.try_fetch(&job.escrow).await?.map(|escrow: Escrow| escrow.mint),
        (opened, _) => opened,
    };
    let token = context.token(&market, mint).await?;
    let io = context.token(&market, None).await?.unit;
    let now = context.now().await?.unix;
    let names = match job {
        Some(_) => Names::load(&context.settings.models).await,
        None => Names::default(),
    };
    let ended = story.ending().and_then(Step::outcome).unwrap_or("unknown");
    Ok(Answer::new(&Shown {
        job: address.to_string(),
        status: job.as_ref().map_or(ended, status),
        ended_at: story.end().and_then(|end| end.time),
        paid: story.paid().map(|[paid, ..]| paid),
        refunded: story.refunded().map(|[refund, _]| refund),
        live: job.map(|job| Live::new(&address, &job, &token, &names, now)),
        story,
        now,
        unit: token.unit,
        io,
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::{output::Format, testing};
    use anchor_lang::bytemuck::Zeroable;
    use chain::fake::gift;
    use jobs::events::{Ending, JobCommitted, JobConvicted, JobRefunded, JobSettled};
    use std::path::Path;

    const HOUR: i64 = 3_600;

    #[tokio::test]
    async fn an_ended_job_says_how_and_when_and_what_was_paid() {
        let (_folder, fake, context, ..) = testing::on_market(0);
        // The clock is at 0.
        let [settled, expired, convicted] = [(); 3].map(|()| Address::new_unique());
        let event = JobSettled {
            job: settled,
            device: Address::default(),
            consumer_pays: 300_000_000,
            supplier_gets: 290_000_000,
            fees: 10_000_000,
            auditor_gets: 0,
            outputs: [1; 32],
        };
        testing::happened(&fake, &context, &settled, testing::said(&event), Some(-2 * HOUR)).await;
        let event = JobRefunded {
            job: expired,
            ending: Ending::TimedOut,
            refund: 500_000_000,
            penalty: 0,
        };
        testing::happened(&fake, &context, &expired, testing::said(&event), None).await;
        let event = JobConvicted {
            job: convicted,
            device: Address::default(),
            challenger: Address::default(),
            sealed_slot: 0,
            refund: 500_000_000,
            reward: 0,
            compensation: 200_000_000,
            burned: 0,
            fault: 0,
            unit: 0,
            op: 0,
            index: 0,
            expected: 0,
            claimed: 0,
            priority_ends: 0,
        };
        testing::happened(&fake, &context, &convicted, testing::said(&event), Some(-HOUR)).await;

        let shown = async |job| show(&context, job).await.unwrap();
        let (text, json) = (shown(settled).await.show(Format::Text), testing::json(&shown(settled).await));
        let lines = [
            "status  settled 2 h ago",
            "paid    3 $IO, of which 2.9 $IO to the supplier and 0.1 $IO in fees",
        ];
        assert!(lines.iter().all(|line| text.lines().any(|said| said == *line)), "{text}");
        assert_eq!((&json["status"], &json["ended_at"]), (&"settled".into(), &(-2 * HOUR).into()));
        assert_eq!((&json["paid"], &json["refunded"]), (&300_000_000.into(), &serde_json::Value::Null));

        let text = shown(expired).await.show(Format::Text);
        let lines = ["status    timed out", "refunded  5 $IO"];
        assert!(lines.iter().all(|line| text.lines().any(|said| said == *line)), "{text}");
        let (text, json) = (shown(convicted).await.show(Format::Text), testing::json(&shown(convicted).await));
        assert!(text.contains("refunded      5 $IO\ncompensation  2 $IO\n"), "{text}");
        assert_eq!(json["refunded"], 500_000_000);

        // Whatever needs a job in progress says the same.
        let refused = async |job: Address| context.live(&job).await.err().unwrap().to_string();
        let said = refused(settled).await;
        assert!(said.contains("has ended: settled 2 h ago; `ionet job show"), "{said}");
        let said = refused(expired).await;
        assert!(said.contains("has ended: timed out; "), "{said}");
        let said = refused(Address::new_unique()).await;
        assert!(said.contains("no trace of job"), "{said}");
        // The node knows the job, but not its end.
        let committed = Address::new_unique();
        let event = JobCommitted {
            job: committed,
            commitment: [1; 32],
            deadline: 0,
        };
        testing::happened(&fake, &context, &committed, testing::said(&event), None).await;
        let said = refused(committed).await;
        assert!(said.contains("has ended; the node does not tell yet how"), "{said}");
    }

    #[tokio::test]
    async fn without_a_wallet_the_list_says_what_to_give() {
        let (folder, _, mut context, ..) = testing::on_market(0);
        let own = || Arguments {
            owner: None,
            all: false,
            mint: None,
        };
        let none = own().run(&context).await.unwrap().show(Format::Text);
        assert!(none.contains("--all"), "{none}");
        context.settings.keypair = folder.path().join("none.json");
        let error = own().run(&context).await.unwrap_err().to_string();
        assert!(error.contains("none.json") && error.contains("--all"), "{error}");
    }

    #[tokio::test]
    async fn every_job_is_listed_in_its_own_token() {
        let (_folder, fake, mut context, _) = testing::context();
        context.settings.models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
        let models = [
            engine::Package::load(&context.settings.models.join("upscale")).unwrap().model,
            [7; 32],
        ];
        let [known, unknown] = models.map(|hash| chain::market::job::model(&hash));
        let (io, other) = (Address::new_unique(), Address::new_unique());
        testing::set_up_market(&fake, &io);
        let [own, foreign] = [(io, testing::IO.decimals, known), (other, 6, unknown)].map(|(mint, decimals, model)| {
            fake.set_account(mint, testing::mint(decimals));
            let (job, escrow) = (Address::new_unique(), Address::new_unique());
            let content = Job {
                escrow,
                model,
                locked: 5_000_000.into(),
                ..Job::zeroed()
            };
            fake.set_account(job, testing::account(&content));
            fake.set_account(escrow, testing::account(&Escrow { mint, ..Escrow::zeroed() }));
            job.to_string()
        });
        // A job that ended in between, to whose escrow somebody has sent lamports.
        let (ended, closed) = (Address::new_unique(), Address::new_unique());
        let content = Job {
            escrow: closed,
            ..Job::zeroed()
        };
        fake.set_account(ended, testing::account(&content));
        fake.set_account(closed, gift());
        let list = async |mint| {
            let all = Arguments {
                owner: None,
                all: true,
                mint,
            };
            all.run(&context).await.unwrap()
        };
        let all = list(None).await;
        let text = all.show(Format::Text);
        let line = |job: &str| text.lines().skip_while(|line| !line.contains(job)).take(2).collect::<String>();
        assert!(line(&own).contains("0.05 $IO") && line(&own).contains(" upscale "), "{text}");
        assert!(line(&foreign).contains("5 ") && !line(&foreign).contains("$IO"), "{text}");
        assert!(line(&foreign).contains(&format!(" {} ", short(&unknown.to_string()))), "{text}");
        let mints = |answer: &Answer| {
            let text = |job: &serde_json::Value, name: &str| job[name].as_str().unwrap().to_owned();
            let jobs = testing::json(answer).as_array().unwrap().clone();
            jobs.iter()
                .map(|job| (text(job, "job"), text(job, "mint")))
                .collect::<HashMap<_, _>>()
        };
        let pair = |job: &String, mint: Address| (job.clone(), mint.to_string());
        assert_eq!(mints(&all), HashMap::from([pair(&own, io), pair(&foreign, other)]));
        assert_eq!(mints(&list(Some(other)).await), HashMap::from([pair(&foreign, other)]));
    }
}
