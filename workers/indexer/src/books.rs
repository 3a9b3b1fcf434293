//! What follows from an event.

use chain::idl::{Event, Values};
use serde_json::Value;
use sqlx::{Any, Transaction};

type Outcome = Result<(), sqlx::Error>;

/// Addresses that an event names, at its top.
pub fn addresses(values: &Values) -> Vec<&str> {
    let mut all: Vec<&str> = values
        .values()
        .filter_map(Value::as_str)
        .filter(|text| (32..=44).contains(&text.len()) && text.parse::<solana_address::Address>().is_ok())
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// An event's fields as columns.
struct Fields<'a>(&'a Values);

impl<'a> Fields<'a> {
    fn text(&self, name: &str) -> &'a str {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// Numbers of events fit: amounts stay below the supply.
    fn number(&self, name: &str) -> i64 {
        number(self.0.get(name))
    }

    fn within(&self, name: &str, inner: &str) -> i64 {
        number(self.0.get(name).and_then(|value| value.get(inner)))
    }

    fn at(&self, name: &str, index: usize) -> i64 {
        number(self.0.get(name).and_then(|value| value.get(index)))
    }
}

fn number(value: Option<&Value>) -> i64 {
    let value = value.unwrap_or(&Value::Null);
    value
        .as_i64()
        .or_else(|| value.as_bool().map(i64::from))
        .unwrap_or(i64::from(value.is_u64()) * i64::MAX)
}

/// Something to bind.
enum Bound<'a> {
    Number(i64),
    Text(&'a str),
}

impl From<i64> for Bound<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl<'a> From<&'a str> for Bound<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

macro_rules! run {
    ($work:expr, $sql:expr, $($value:expr),* $(,)?) => {
        execute($work, $sql, &[$(Bound::from($value)),*]).await
    };
}

async fn execute(work: &mut Transaction<'_, Any>, sql: &'static str, values: &[Bound<'_>]) -> Outcome {
    let mut query = sqlx::query(sql);
    for value in values {
        query = match value {
            Bound::Number(number) => query.bind(*number),
            Bound::Text(text) => query.bind((*text).to_owned()),
        };
    }
    query.execute(&mut **work).await.map(drop)
}

/// Brings the books to what they are after an event, the one with this number.
pub async fn apply(work: &mut Transaction<'_, Any>, id: i64, event: &Event) -> Outcome {
    let of = Fields(&event.values);
    match event.program {
        "jobs" => job(work, id, event.name, &of).await,
        "staking" => stake(work, id, event.name, &of).await,
        "costaking" => co_stake(work, id, event.name, &of).await,
        "governance" => govern(work, id, event.name, &of).await,
        _ => Ok(()),
    }
}

async fn job(work: &mut Transaction<'_, Any>, id: i64, name: &str, of: &Fields<'_>) -> Outcome {
    let job = of.text("job");
    match name {
        "JobOpened" => {
            add(work, "jobs", 1).await?;
            run!(
                work,
                "INSERT INTO jobs (opened, address, status, escrow, model, units, max_price, updated) VALUES ($1, $2, 'open', $3, $4, $5, $6, $1)",
                id,
                job,
                of.text("escrow"),
                of.text("model"),
                of.within("terms", "units"),
                of.within("terms", "max_price"),
            )
        }
        "JobClaimed" => run!(
            work,
            "UPDATE jobs SET status = 'claimed', device = $3, price = $4, bond = $5, updated = $2 \
             WHERE opened = (SELECT MAX(opened) FROM jobs WHERE address = $1)",
            job,
            id,
            of.text("device"),
            of.number("price"),
            of.number("bond"),
        ),
        "JobCommitted" => status(work, job, id, "committed").await,
        "JobRevealed" => run!(
            work,
            "UPDATE jobs SET status = 'revealed', outputs = $3, updated = $2 WHERE opened = (SELECT MAX(opened) FROM jobs WHERE address = $1)",
            job,
            id,
            of.text("outputs"),
        ),
        "JobSettled" => {
            add(work, "jobs_settled", 1).await?;
            add(work, "paid_to_suppliers", of.number("supplier_gets")).await?;
            run!(
                work,
                "UPDATE jobs SET status = 'settled', consumer_pays = $3, supplier_gets = $4, fees = $5, updated = $2 \
                 WHERE opened = (SELECT MAX(opened) FROM jobs WHERE address = $1)",
                job,
                id,
                of.number("consumer_pays"),
                of.number("supplier_gets"),
                of.number("fees"),
            )?;
            run!(
                work,
                "UPDATE devices SET jobs_done = jobs_done + 1, updated = $2 WHERE address = $1",
                of.text("device"),
                id
            )
        }
        "JobRefunded" => {
            let ending = match of.text("ending") {
                "Cancelled" => "cancelled",
                "Expired" => "expired",
                "TimedOut" => "timed out",
                _ => "confessed",
            };
            status(work, job, id, ending).await
        }
        "JobConvicted" => {
            add(work, "jobs_convicted", 1).await?;
            run!(
                work,
                "UPDATE jobs SET status = 'convicted', challenger = $3, updated = $2 WHERE opened = (SELECT MAX(opened) FROM jobs WHERE address = $1)",
                job,
                id,
                of.text("challenger"),
            )?;
            let device = of.text("device");
            run!(
                work,
                "UPDATE devices SET jobs_convicted = jobs_convicted + 1, updated = $2 WHERE address = $1",
                device,
                id
            )
        }
        "ConvictionOvertaken" => run!(
            work,
            "UPDATE jobs SET challenger = $3, updated = $2 WHERE opened = (SELECT MAX(opened) FROM jobs WHERE address = $1)",
            job,
            id,
            of.text("challenger"),
        ),
        "EscrowMoved" => run!(
            work,
            "INSERT INTO escrows (address, free, locked, fees, updated) VALUES ($1, $3, $4, $5, $2) \
             ON CONFLICT (address) DO UPDATE SET free = excluded.free, locked = excluded.locked, fees = excluded.fees, updated = excluded.updated",
            of.text("escrow"),
            id,
            of.number("free"),
            of.number("locked"),
            of.number("fees"),
        ),
        _ => Ok(()),
    }
}

/// Counts on.
async fn add(work: &mut Transaction<'_, Any>, name: &str, by: i64) -> Outcome {
    run!(
        work,
        "INSERT INTO counters (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = counters.value + excluded.value",
        name,
        by,
    )
}

async fn status(work: &mut Transaction<'_, Any>, job: &str, id: i64, status: &str) -> Outcome {
    run!(
        work,
        "UPDATE jobs SET status = $3, updated = $2 WHERE opened = (SELECT MAX(opened) FROM jobs WHERE address = $1)",
        job,
        id,
        status,
    )
}

async fn stake(work: &mut Transaction<'_, Any>, id: i64, name: &str, of: &Fields<'_>) -> Outcome {
    let device = of.text("device");
    match name {
        // A device's address is never used again.
        "DeviceRegistered" => run!(
            work,
            "INSERT INTO devices (address, owner, gpu_model, quantity, active, own_stake, co_stake, cooling, cooldown_ends, co_cooling, escrowed, forfeited, \
             locked_bond, open_jobs, rewards, jobs_done, jobs_convicted, updated) VALUES ($1, $3, $4, $5, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, $2)",
            device,
            id,
            of.text("owner"),
            of.number("gpu_model"),
            of.number("quantity"),
        ),
        "DeviceTerminated" => run!(work, "UPDATE devices SET active = 0, updated = $2 WHERE address = $1", device, id),
        "StakeMoved" => run!(
            work,
            "UPDATE devices SET own_stake = $3, co_stake = $4, cooling = $5, cooldown_ends = $6, co_cooling = $7, escrowed = $8, forfeited = $9, updated = $2 \
             WHERE address = $1",
            device,
            id,
            of.number("own_stake"),
            of.number("co_stake"),
            of.number("cooling"),
            of.number("cooldown_ends"),
            of.number("co_cooling"),
            of.number("escrowed"),
            of.number("forfeited"),
        ),
        "BondMoved" => run!(
            work,
            "UPDATE devices SET locked_bond = $3, open_jobs = $4, updated = $2 WHERE address = $1",
            device,
            id,
            of.number("locked_bond"),
            of.number("open_jobs"),
        ),
        "RewardCollected" => run!(
            work,
            "UPDATE devices SET rewards = $3, updated = $2 WHERE address = $1",
            device,
            id,
            of.number("rewards"),
        ),
        "RewardsClaimed" => run!(work, "UPDATE devices SET rewards = 0, updated = $2 WHERE address = $1", device, id),
        "HourSettled" => run!(
            work,
            "INSERT INTO hours (hour, block, enterprise, community, enterprise_score, community_score) VALUES ($1, $2, $3, $4, $5, $6)",
            of.number("hour"),
            of.number("block"),
            of.at("pools", 0),
            of.at("pools", 1),
            of.at("scores", 0),
            of.at("scores", 1),
        ),
        _ => Ok(()),
    }
}

async fn co_stake(work: &mut Transaction<'_, Any>, id: i64, name: &str, of: &Fields<'_>) -> Outcome {
    let offer = of.text("offer");
    match name {
        "OfferCreated" => run!(
            work,
            "INSERT INTO offers (address, device, owner, status, capacity, ticket, share_bps, joined, rewards, updated) \
             VALUES ($1, $3, $4, 0, $5, $6, $7, 0, 0, $2)",
            offer,
            id,
            of.text("device"),
            of.text("owner"),
            of.within("terms", "capacity"),
            of.within("terms", "ticket"),
            of.within("terms", "share_bps"),
        ),
        "OfferChanged" => run!(
            work,
            "UPDATE offers SET status = $3, updated = $2 WHERE address = $1",
            offer,
            id,
            of.number("status"),
        ),
        "OfferJoined" => run!(
            work,
            "UPDATE offers SET joined = joined + $3, updated = $2 WHERE address = $1",
            offer,
            id,
            of.number("amount"),
        ),
        "RewardShared" => run!(
            work,
            "UPDATE offers SET rewards = rewards + $3, updated = $2 WHERE address = $1",
            offer,
            id,
            of.number("part"),
        ),
        _ => Ok(()),
    }
}

async fn govern(work: &mut Transaction<'_, Any>, id: i64, name: &str, of: &Fields<'_>) -> Outcome {
    let proposal = of.text("proposal");
    match name {
        "ProposalCreated" => run!(
            work,
            "INSERT INTO proposals (number, address, proposer, title, kind, status, yes, no, abstain, veto, quorum, voting_ends, eta, expires_at, updated) \
             VALUES ($3, $1, $4, $5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, $2)",
            proposal,
            id,
            of.number("index"),
            of.text("proposer"),
            of.text("title"),
        ),
        "ProposalOpened" => run!(
            work,
            "UPDATE proposals SET kind = $3, status = 1, quorum = $4, voting_ends = $5, eta = $6, expires_at = $7, updated = $2 WHERE address = $1",
            proposal,
            id,
            of.number("kind"),
            of.number("quorum"),
            of.number("voting_ends"),
            of.number("eta"),
            of.number("expires_at"),
        ),
        "ProposalMoved" => run!(
            work,
            "UPDATE proposals SET status = $3, updated = $2 WHERE address = $1",
            proposal,
            id,
            of.number("status"),
        ),
        "VoteCast" => run!(
            work,
            "UPDATE proposals SET yes = $3, no = $4, abstain = $5, veto = $6, updated = $2 WHERE address = $1",
            proposal,
            id,
            of.at("votes", 0),
            of.at("votes", 1),
            of.at("votes", 2),
            of.at("votes", 3),
        ),
        _ => Ok(()),
    }
}
