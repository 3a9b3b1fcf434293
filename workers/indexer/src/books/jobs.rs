//! Jobs, escrows, models and disputes.

use super::{Outcome, step::Step};
use sqlx::Row;

/// An unfinished job.
struct Job {
    /// Number of the event that opened it.
    opened: i64,
    opened_at: Option<i64>,
    units: i64,
    /// Whether it counts in the figures. A job paid in a mint other than $IO does not, as anyone can create a mint and be both consumer and
    /// supplier.
    counts: bool,
}

pub async fn apply(step: &mut Step<'_, '_>, name: &str) -> Outcome {
    match name {
        "JobOpened" => opened(step, "terms", step.text("mint"), step.number("foreign_mint")).await,
        "JobClaimed" => claimed(step).await,
        "JobCommitted" => committed(step).await,
        "JobRevealed" => revealed(step).await,
        "DemandAnswered" => window_ends(step, Some(step.number("window_ends"))).await,
        // The agreement ends its challenge window.
        "ReplicaAgreed" => window_ends(step, step.time).await,
        "JobSettled" => settled(step).await,
        "JobRefunded" => match step.text("ending") {
            "Cancelled" => refunded(step, "cancelled").await,
            "Expired" => refunded(step, "expired").await,
            "TimedOut" => refunded(step, "timed out").await,
            _ => refunded(step, "confessed").await,
        },
        "JobConvicted" => convicted(step).await,
        "ConvictionOvertaken" => overtaken(step).await,
        "PermitOpened" => permitted(step).await,
        "ChallengerAwarded" => awarded(step).await,
        "EscrowOpened" => escrow_opened(step).await,
        "EscrowMoved" => escrow_moved(step).await,
        "FeesSwept" => step.add("burned", step.number("burned")).await,
        // A model's address follows from its content, so it is sealed once.
        "ModelSealed" => run!(
            step,
            "INSERT INTO models (id, address, hash, registrar, n_ops, macs, sealed_at, jobs) VALUES ($2, $1, $3, $4, $5, $6, $7, 0)",
            step.text("model"),
            step.id,
            step.text("hash"),
            step.text("registrar"),
            step.number("n_ops"),
            step.number("macs"),
            step.time,
        ),
        _ => Ok(()),
    }
}

async fn escrow_opened(step: &mut Step<'_, '_>) -> Outcome {
    run!(
        step,
        "INSERT INTO escrows (address, owner, mint, free, locked, fees, updated) VALUES ($1, $3, $4, 0, 0, 0, $2) \
         ON CONFLICT (address) DO UPDATE SET owner = excluded.owner, mint = excluded.mint, updated = excluded.updated",
        step.text("escrow"),
        step.id,
        step.text("owner"),
        step.text("mint"),
    )
}

async fn escrow_moved(step: &mut Step<'_, '_>) -> Outcome {
    run!(
        step,
        "INSERT INTO escrows (address, free, locked, fees, updated) VALUES ($1, $3, $4, $5, $2) \
         ON CONFLICT (address) DO UPDATE SET free = excluded.free, locked = excluded.locked, fees = excluded.fees, \
         updated = excluded.updated",
        step.text("escrow"),
        step.id,
        step.number("free"),
        step.number("locked"),
        step.number("fees"),
    )
}

/// Opens a job whose terms are in the field `terms`.
async fn opened(step: &mut Step<'_, '_>, terms: &str, mint: &str, foreign_mint: i64) -> Outcome {
    let job = Job {
        opened: step.id,
        opened_at: step.time,
        units: step.within(terms, "units"),
        counts: foreign_mint == 0,
    };
    run!(
        step,
        "INSERT INTO jobs (opened, address, status, escrow, model, mint, foreign_mint, bounty, units, max_price, inputs, replicas, \
         replica, opened_at, updated) VALUES ($1, $2, 'open', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $1)",
        job.opened,
        step.text("job"),
        step.text("escrow"),
        step.text("model"),
        mint,
        foreign_mint,
        step.number("bounty"),
        job.units,
        step.within(terms, "max_price"),
        step.text_within(terms, "inputs"),
        step.within(terms, "replicas"),
        step.within(terms, "replica"),
        job.opened_at,
    )?;
    if job.counts {
        count(step, &job, [1, 0, 0, 0]).await?;
        step.add("jobs", 1).await?;
        run!(step, "UPDATE models SET jobs = jobs + 1 WHERE address = $1", step.text("model"))?;
    }
    Ok(())
}

/// The unfinished job that an event is about. `None` if the latest known at its address has ended: then it is an earlier one, whose row
/// stays as it is, and the event's own was opened beyond the reach of the history.
async fn unfinished(step: &mut Step<'_, '_>) -> Result<Option<Job>, sqlx::Error> {
    let found = ask!(
        step,
        "SELECT opened, opened_at, units, foreign_mint FROM jobs WHERE opened = (SELECT MAX(opened) FROM jobs WHERE address = $1) \
         AND status IN ('open', 'claimed', 'committed', 'revealed')",
        step.text("job")
    )?;
    let Some(row) = found else { return Ok(None) };
    Ok(Some(Job {
        opened: row.try_get(0)?,
        opened_at: row.try_get(1)?,
        units: row.try_get(2)?,
        counts: row.try_get::<i64, _>(3)? == 0,
    }))
}

async fn claimed(step: &mut Step<'_, '_>) -> Outcome {
    let Some(job) = unfinished(step).await? else { return Ok(()) };
    let (device, price) = (step.text("device"), step.number("price"));
    let found = ask!(step, "SELECT gpu_model FROM devices WHERE address = $1", device)?;
    // A device registered before the start of the history is unknown.
    let gpu_model: Option<i64> = found.map(|row| row.try_get(0)).transpose()?;
    run!(
        step,
        "UPDATE jobs SET status = 'claimed', device = $3, price = $4, bond = $5, claimed_at = $6, gpu_model = $7, updated = $2 \
         WHERE opened = $1",
        job.opened,
        step.id,
        device,
        price,
        step.number("bond"),
        step.time,
        gpu_model,
    )?;
    let (true, Some(gpu_model), Some(hour)) = (job.counts, gpu_model, step.hour()) else {
        return Ok(());
    };
    run!(
        step,
        "INSERT INTO prices (hour, gpu_model, jobs, units, paid, low, high) VALUES ($1, $2, 1, $3, $4, $5, $5) \
         ON CONFLICT (hour, gpu_model) DO UPDATE SET jobs = prices.jobs + 1, units = prices.units + excluded.units, \
         paid = CASE WHEN prices.paid > 9223372036854775807 - excluded.paid THEN 9223372036854775807 ELSE prices.paid + excluded.paid END, \
         low = CASE WHEN excluded.low < prices.low THEN excluded.low ELSE prices.low END, \
         high = CASE WHEN excluded.high > prices.high THEN excluded.high ELSE prices.high END",
        hour,
        gpu_model,
        job.units,
        price.saturating_mul(job.units),
        price,
    )
}

async fn committed(step: &mut Step<'_, '_>) -> Outcome {
    let Some(job) = unfinished(step).await? else { return Ok(()) };
    run!(
        step,
        "UPDATE jobs SET status = 'committed', committed_at = $3, updated = $2 WHERE opened = $1",
        job.opened,
        step.id,
        step.time,
    )
}

async fn revealed(step: &mut Step<'_, '_>) -> Outcome {
    let Some(job) = unfinished(step).await? else { return Ok(()) };
    let latency = step.time.zip(job.opened_at).map(|(now, then)| now.saturating_sub(then));
    run!(
        step,
        "UPDATE jobs SET status = 'revealed', outputs = $3, window_ends = $4, revealed_at = $5, latency = $6, updated = $2 \
         WHERE opened = $1",
        job.opened,
        step.id,
        step.text("outputs"),
        step.number("window_ends"),
        step.time,
        latency,
    )?;
    let (true, Some(hour), Some(latency)) = (job.counts, step.hour(), latency) else {
        return Ok(());
    };
    // Makes sure that the hour has a row.
    count(step, &job, [0, 0, 0, 0]).await?;
    run!(
        step,
        "INSERT INTO latencies (hour, seconds, jobs) VALUES ($1, $2, 1) \
         ON CONFLICT (hour, seconds) DO UPDATE SET jobs = latencies.jobs + 1",
        hour,
        latency,
    )
}

/// Sets the end of a challenge window, if known.
async fn window_ends(step: &mut Step<'_, '_>, ends: Option<i64>) -> Outcome {
    let (Some(job), Some(ends)) = (unfinished(step).await?, ends) else {
        return Ok(());
    };
    run!(
        step,
        "UPDATE jobs SET window_ends = $3, updated = $2 WHERE opened = $1",
        job.opened,
        step.id,
        ends,
    )
}

async fn settled(step: &mut Step<'_, '_>) -> Outcome {
    let Some(job) = done(step).await? else { return Ok(()) };
    run!(
        step,
        "UPDATE jobs SET consumer_pays = $2, supplier_gets = $3, fees = $4 WHERE opened = $1",
        job.opened,
        step.number("consumer_pays"),
        step.number("supplier_gets"),
        step.number("fees"),
    )
}

/// A job is settled, which counts for its device.
async fn done(step: &mut Step<'_, '_>) -> Result<Option<Job>, sqlx::Error> {
    run!(
        step,
        "UPDATE devices SET jobs_done = jobs_done + 1, updated = $2 WHERE address = $1",
        step.text("device"),
        step.id
    )?;
    let job = end(step, "settled", [0, 1, 0, 0]).await?;
    if job.as_ref().is_some_and(|job| job.counts) {
        step.add("jobs_settled", 1).await?;
        step.add("paid_to_suppliers", step.number("supplier_gets")).await?;
    }
    Ok(job)
}

async fn refunded(step: &mut Step<'_, '_>, status: &str) -> Outcome {
    if end(step, status, [0, 0, 1, 0]).await?.is_some_and(|job| job.counts) {
        step.add("jobs_refunded", 1).await?;
    }
    Ok(())
}

/// A job is convicted, which counts against its device.
async fn proved_wrong(step: &mut Step<'_, '_>) -> Result<Option<Job>, sqlx::Error> {
    run!(
        step,
        "UPDATE devices SET jobs_convicted = jobs_convicted + 1, updated = $2 WHERE address = $1",
        step.text("device"),
        step.id,
    )?;
    let job = end(step, "convicted", [0, 0, 0, 1]).await?;
    if job.as_ref().is_some_and(|job| job.counts) {
        step.add("jobs_convicted", 1).await?;
    }
    Ok(job)
}

async fn convicted(step: &mut Step<'_, '_>) -> Outcome {
    let challenger = step.text("challenger");
    if let Some(job) = proved_wrong(step).await? {
        run!(step, "UPDATE jobs SET challenger = $2 WHERE opened = $1", job.opened, challenger)?;
    }
    run!(
        step,
        "INSERT INTO disputes (id, address, device, challenger, fault, unit, op, element, expected, claimed, refund, reward, \
         compensation, burned, sealed_slot, convicted_at, signature) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        step.id,
        step.text("job"),
        step.text("device"),
        challenger,
        step.number("fault"),
        step.number("unit"),
        step.number("op"),
        step.number("index"),
        step.number("expected"),
        step.number("claimed"),
        step.number("refund"),
        step.number("reward"),
        step.number("compensation"),
        step.number("burned"),
        step.number("sealed_slot"),
        step.time,
        step.signature,
    )
}

/// The effects of an instruction whose events a truncated log may lack: the balances of its escrow and, unless its event was heard, the
/// status of its job. Amounts of the job other than its terms stay unknown.
pub async fn unheard(step: &mut Step<'_, '_>) -> Outcome {
    if step.text("instruction") == "open_escrow" {
        escrow_opened(step).await?;
    }
    if step.has("free") {
        escrow_moved(step).await?;
        run!(
            step,
            "UPDATE escrows SET mint = $2 WHERE address = $1",
            step.text("escrow"),
            step.text("mint")
        )?;
    }
    // Older events lack `heard`: their instructions count if the job is unfinished.
    let unknown = !step.has("heard") && unfinished(step).await?.is_none();
    if unknown || step.number("heard") == 1 {
        return Ok(());
    }
    match step.text("instruction") {
        // Older events lack the arguments, and so the terms.
        "open_job" if step.has("arguments") => opened_unheard(step).await,
        "claim_job" => stands(step, "claimed").await,
        "commit_result" => stands(step, "committed").await,
        "reveal_result" => stands(step, "revealed").await,
        "settle_job" => done(step).await.map(drop),
        "cancel_job" => refunded(step, "cancelled").await,
        "expire_job" => refunded(step, "expired").await,
        "timeout_job" => refunded(step, "timed out").await,
        "confess" => refunded(step, "confessed").await,
        "convict" | "convict_silence" => proved_wrong(step).await.map(drop),
        _ => Ok(()),
    }
}

/// Opens a job with the instruction's terms and the escrow's mint. If the mint is unknown the job counts in no figure, as the mint might be
/// worthless.
async fn opened_unheard(step: &mut Step<'_, '_>) -> Outcome {
    let found = ask!(step, "SELECT mint FROM escrows WHERE address = $1", step.text("escrow"))?;
    let mint: Option<String> = found.map(|row| row.try_get(0)).transpose()?.flatten();
    let mint = mint.unwrap_or_default();
    let is_io = !mint.is_empty() && mint == step.text("io_mint");
    opened(step, "arguments", &mint, i64::from(!is_io)).await
}

/// A device has brought its job to this status.
async fn stands(step: &mut Step<'_, '_>, status: &str) -> Outcome {
    let Some(job) = unfinished(step).await? else { return Ok(()) };
    run!(
        step,
        "UPDATE jobs SET status = $3, device = $4, updated = $2 WHERE opened = $1",
        job.opened,
        step.id,
        status,
        step.text("device"),
    )
}

async fn overtaken(step: &mut Step<'_, '_>) -> Outcome {
    let (job, challenger) = (step.text("job"), step.text("challenger"));
    run!(
        step,
        "UPDATE jobs SET challenger = $3, updated = $2 \
         WHERE opened = (SELECT MAX(opened) FROM jobs WHERE address = $1) AND status = 'convicted'",
        job,
        step.id,
        challenger,
    )?;
    let Some(dispute) = dispute(step).await? else { return Ok(()) };
    run!(
        step,
        "UPDATE disputes SET challenger = $2, sealed_slot = $3, fault = $4, unit = $5, op = $6, element = $7, expected = $8, claimed = $9 \
         WHERE id = $1",
        dispute,
        challenger,
        step.number("sealed_slot"),
        step.number("fault"),
        step.number("unit"),
        step.number("op"),
        step.number("index"),
        step.number("expected"),
        step.number("claimed"),
    )
}

/// The conviction that an event is about. `None` if it was in a truncated log: then the latest known at its address is an earlier job's.
async fn dispute(step: &mut Step<'_, '_>) -> Result<Option<i64>, sqlx::Error> {
    let found = ask!(
        step,
        "SELECT MAX(id) FROM disputes WHERE address = $1 AND id > (SELECT COALESCE(MAX(opened), 0) FROM jobs WHERE address = $1)",
        step.text("job")
    )?;
    Ok(found.map(|row| row.try_get(0)).transpose()?.flatten())
}

async fn permitted(step: &mut Step<'_, '_>) -> Outcome {
    let Some(dispute) = dispute(step).await? else { return Ok(()) };
    run!(
        step,
        "UPDATE disputes SET burned = burned - $2, jackpot = $3 WHERE id = $1",
        dispute,
        step.number("returned"),
        step.number("jackpot"),
    )
}

async fn awarded(step: &mut Step<'_, '_>) -> Outcome {
    step.add("challengers_paid", step.number("reward")).await?;
    let Some(dispute) = dispute(step).await? else { return Ok(()) };
    run!(
        step,
        "UPDATE disputes SET awarded_to = $2, awarded_at = $3 WHERE id = $1",
        dispute,
        step.text("challenger"),
        step.time,
    )
}

/// Ends a job with this status, and counts it in the hour.
async fn end(step: &mut Step<'_, '_>, status: &str, counted: [i64; 4]) -> Result<Option<Job>, sqlx::Error> {
    let Some(job) = unfinished(step).await? else { return Ok(None) };
    run!(
        step,
        "UPDATE jobs SET status = $3, ended_at = $4, updated = $2 WHERE opened = $1",
        job.opened,
        step.id,
        status,
        step.time,
    )?;
    if job.counts {
        count(step, &job, counted).await?;
    }
    Ok(Some(job))
}

/// Counts a job in the hour as opened, settled, refunded or convicted. The units of settled jobs are counted too.
async fn count(step: &mut Step<'_, '_>, job: &Job, [opened, settled, refunded, convicted]: [i64; 4]) -> Outcome {
    let Some(hour) = step.hour() else { return Ok(()) };
    run!(
        step,
        "INSERT INTO throughput (hour, opened, settled, refunded, convicted, units) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (hour) DO UPDATE SET opened = throughput.opened + excluded.opened, settled = throughput.settled + excluded.settled, \
         refunded = throughput.refunded + excluded.refunded, convicted = throughput.convicted + excluded.convicted, \
         units = throughput.units + excluded.units",
        hour,
        opened,
        settled,
        refunded,
        convicted,
        settled.saturating_mul(job.units),
    )
}
