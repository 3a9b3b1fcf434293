//! Jobs in progress, and the life of one.

use crate::{
    amount::{Unit, span},
    command::escrow::PaidIn,
    context::Context,
    error::Result,
    output::{Answer, Table, fields},
    story::{Step, Story, status},
};
use chain::{Filter, market};
use clap::Args;
use jobs::{Escrow, Job};
use serde::Serialize;
use solana_address::Address;
use std::fmt;

#[derive(Args, Debug)]
pub struct Arguments {
    /// Their consumer [default: the wallet]
    owner: Option<Address>,
    /// Jobs of all consumers
    #[arg(long, conflicts_with = "owner")]
    all: bool,
    #[command(flatten)]
    paid_in: PaidIn,
}

#[derive(Serialize)]
struct Live {
    job: String,
    status: &'static str,
    model: String,
    units: u32,
    start_price: u64,
    max_price: u64,
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
}

impl Live {
    fn new(address: &Address, job: &Job, now: i64) -> Self {
        Self {
            job: address.to_string(),
            status: status(job),
            model: job.model.to_string(),
            units: job.units.get(),
            start_price: job.start_price.get(),
            max_price: job.max_price.get(),
            price: job.price.get(),
            locked: job.locked.get(),
            bond: job.bond.get(),
            device: (job.device != Address::default()).then(|| job.device.to_string()),
            inputs: hex::encode(job.inputs),
            outputs: (job.outputs != [0; 32]).then(|| hex::encode(job.outputs)),
            deadline: job.deadline_at.get(),
            left: job.deadline_at.get().saturating_sub(now),
        }
    }

    fn left(&self) -> String {
        if self.left > 0 {
            format!("for {} more", span(self.left))
        } else {
            "overdue".to_owned()
        }
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct List {
    jobs: Vec<Live>,
    #[serde(skip)]
    unit: Unit,
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.jobs.is_empty() {
            return writeln!(f, "no jobs in progress");
        }
        let mut table = Table::new(["job", "status", "", "units", "locked"]);
        for job in &self.jobs {
            let locked = self.unit.show(job.locked);
            table.row([job.job.clone(), job.status.to_owned(), job.left(), job.units.to_string(), locked]);
        }
        write!(f, "{table}")
    }
}

impl Arguments {
    pub async fn run(self, context: &Context) -> Result<Answer> {
        /// The escrow is a job's first field, after the discriminator.
        const ESCROW: usize = 8;
        let token = context.token(&context.market().await?, self.paid_in.mint).await?;
        let filters = if self.all {
            Vec::new()
        } else {
            let escrow = market::job::escrow(&context.address(self.owner)?, &token.mint);
            vec![Filter::Bytes(ESCROW, escrow.as_ref().to_vec())]
        };
        let mut found: Vec<(Address, Job)> = context.chain.find(&filters).await?;
        found.sort_by_key(|(_, job)| job.opened_slot.get());
        let now = context.now().await?.unix;
        Ok(Answer::new(&List {
            jobs: found.iter().map(|(address, job)| Live::new(address, job, now)).collect(),
            unit: token.unit,
        }))
    }
}

#[derive(Serialize)]
struct Shown {
    job: String,
    /// Present while the job goes on.
    live: Option<Live>,
    story: Story,
    #[serde(skip)]
    unit: Unit,
    /// Of the bond.
    #[serde(skip)]
    io: Unit,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = vec![("job", self.job.clone())];
        match &self.live {
            Some(live) => lines.extend([
                ("status", format!("{} {}", live.status, live.left())),
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

/// Shows one job, from its account and from the transactions of its life.
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
    // A closed escrow leaves no trace of its mint, nor does an opening whose log was cut; $IO is the likely one.
    let escrow: Option<Escrow> = match job.as_ref().map(|job| job.escrow).or(opened) {
        Some(escrow) => context.chain.try_fetch(&escrow).await?,
        None => None,
    };
    let token = context.token(&market, escrow.map(|escrow| escrow.mint)).await?;
    let io = context.token(&market, None).await?.unit;
    let now = context.now().await?.unix;
    Ok(Answer::new(&Shown {
        job: address.to_string(),
        live: job.map(|job| Live::new(&address, &job, now)),
        story,
        unit: token.unit,
        io,
    }))
}
