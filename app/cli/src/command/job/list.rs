//! Jobs in progress, and the story of one.

use crate::{
    amount::{Unit, span},
    context::{Context, Token},
    error::Result,
    output::{Answer, Table, fields},
    story::{Step, Story, status},
};
use chain::{Filter, market::job};
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
    deadline: i64,
    #[serde(skip)]
    left: i64,
    #[serde(skip)]
    unit: Unit,
}

impl Live {
    fn new(address: &Address, job: &Job, token: &Token, now: i64) -> Self {
        Self {
            job: address.to_string(),
            status: status(job),
            model: job.model.to_string(),
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
            deadline: job.deadline_at.get(),
            left: job.deadline_at.get().saturating_sub(now),
            unit: token.unit,
        }
    }

    fn left(&self) -> String {
        if self.left > 0 {
            format!("{} left", span(self.left))
        } else {
            "overdue".to_owned()
        }
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct List(Vec<Live>);

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return writeln!(f, "no jobs in progress");
        }
        let mut table = Table::new(["job", "status", "time", "units", "locked"]);
        for job in &self.0 {
            let locked = job.unit.show(job.locked);
            table.row([job.job.clone(), job.status.to_owned(), job.left(), job.units.to_string(), locked]);
        }
        write!(f, "{table}")
    }
}

impl Arguments {
    pub async fn run(self, context: &Context) -> Result<Answer> {
        /// The escrow is a job's first field, after the discriminator.
        const ESCROW: usize = 8;
        let market = context.market().await?;
        let filters = if self.all {
            Vec::new()
        } else {
            let mint = self.mint.unwrap_or(market.jobs.mint);
            let escrow = job::escrow(&context.address(self.owner)?, &mint);
            vec![Filter::Bytes(ESCROW, escrow.as_ref().to_vec())]
        };
        let mut found: Vec<(Address, Job)> = context.chain.find(&filters).await?;
        found.sort_by_key(|(_, job)| job.opened_slot.get());
        let now = context.now().await?.unix;
        let mut escrows: Vec<Address> = found.iter().map(|(_, job)| job.escrow).collect();
        escrows.sort_unstable();
        escrows.dedup();
        let (_, accounts) = context.chain.network().accounts(&escrows).await?;
        let escrows: HashMap<_, _> = escrows.iter().zip(accounts).collect();
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
            jobs.push(Live::new(address, job, &token, now));
        }
        Ok(Answer::new(&List(jobs)))
    }
}

#[derive(Serialize)]
struct Shown {
    job: String,
    /// Present while the job is in progress.
    live: Option<Live>,
    story: Story,
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
            Some(live) => lines.extend([
                ("status", format!("{}, {}", live.status, live.left())),
                ("units", live.units.to_string()),
                ("locked", self.unit.show(live.locked)),
                ("bond", self.io.show(live.bond)),
                ("device", live.device.clone().unwrap_or_else(|| "none yet".to_owned())),
            ]),
            None => lines.push(("status", "ended".to_owned())),
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
    let opened = story.0.iter().find_map(|chapter| match &chapter.step {
        Step::Opened { escrow, .. } => escrow.parse::<Address>().ok(),
        _ => None,
    });
    if job.is_none() && story.0.is_empty() {
        return Err(context.unknown_job(&address));
    }
    // A closed escrow, or an opening whose log was truncated, leaves no trace of the mint; $IO is the best guess.
    let escrow: Option<Escrow> = match job.as_ref().map(|job| job.escrow).or(opened) {
        Some(escrow) => context.chain.try_fetch(&escrow).await?,
        None => None,
    };
    let token = context.token(&market, escrow.map(|escrow| escrow.mint)).await?;
    let io = context.token(&market, None).await?.unit;
    let now = context.now().await?.unix;
    Ok(Answer::new(&Shown {
        job: address.to_string(),
        live: job.map(|job| Live::new(&address, &job, &token, now)),
        story,
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
    use chain::fake::{Fake, gift};
    use std::sync::Arc;

    #[tokio::test]
    async fn every_job_is_listed_in_its_own_token() {
        let (folder, fake) = (tempfile::tempdir().unwrap(), Arc::new(Fake::default()));
        let (context, _) = testing::context(&fake, folder.path());
        let (io, other) = (Address::new_unique(), Address::new_unique());
        testing::set_up_market(&fake, &io);
        let [own, foreign] = [(io, 8), (other, 6)].map(|(mint, decimals)| {
            fake.set_account(mint, testing::mint(decimals));
            let (job, escrow) = (Address::new_unique(), Address::new_unique());
            let content = Job {
                escrow,
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
        assert!(line(&own).contains("0.05 $IO"), "{text}");
        assert!(line(&foreign).contains("5 ") && !line(&foreign).contains("$IO"), "{text}");
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
