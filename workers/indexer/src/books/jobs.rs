//! Jobs, escrows, models and disputes.

use super::{Outcome, step::Step};
use sqlx::Row;

pub async fn apply(step: &mut Step<'_, '_>, name: &str) -> Outcome {
    match name {
        "JobOpened" => opened(step).await,
        "JobClaimed" => claimed(step).await,
        "JobCommitted" => run!(
            step,
            "UPDATE jobs SET status = 'committed', committed_at = $3, updated = $2 WHERE opened = (SELECT MAX(opened) FROM jobs WHERE address = $1)",
            step.text("job"),
            step.id,
            step.time,
        ),
        "JobRevealed" => revealed(step).await,
        "DemandAnswered" => run!(
            step,
            "UPDATE jobs SET window_ends = $3, updated = $2 WHERE opened = (SELECT MAX(opened) FROM jobs WHERE address = $1)",
            step.text("job"),
            step.id,
            step.number("window_ends"),
        ),
        "JobSettled" => settled(step).await,
        "JobRefunded" => match step.text("ending") {
            "Cancelled" => refunded(step, "cancelled").await,
            "Expired" => refunded(step, "expired").await,
            "TimedOut" => refunded(step, "timed out").await,
            _ => refunded(step, "confessed").await,
        },
        "JobConvicted" => convicted(step).await,
        "ConvictionOvertaken" => overtaken(step).await,
        "PermitOpened" => run!(
            step,
            "UPDATE disputes SET burned = burned - $2, jackpot = $3 WHERE id = (SELECT MAX(id) FROM disputes WHERE address = $1)",
            step.text("job"),
            step.number("returned"),
            step.number("jackpot"),
        ),
        "ChallengerAwarded" => awarded(step).await,
        "EscrowOpened" => run!(
            step,
            "INSERT INTO escrows (address, owner, mint, free, locked, fees, updated) VALUES ($1, $3, $4, 0, 0, 0, $2) \
             ON CONFLICT (address) DO UPDATE SET owner = excluded.owner, mint = excluded.mint, updated = excluded.updated",
            step.text("escrow"),
            step.id,
            step.text("owner"),
            step.text("mint"),
        ),
        "EscrowMoved" => escrow_moved(step).await,
        "FeesSwept" => step.add("burned", step.number("burned")).await,
        // A model's address follows from what it is: it is sealed once.
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

async fn escrow_moved(step: &mut Step<'_, '_>) -> Outcome {
    run!(
        step,
        "INSERT INTO escrows (address, free, locked, fees, updated) VALUES ($1, $3, $4, $5, $2) \
         ON CONFLICT (address) DO UPDATE SET free = excluded.free, locked = excluded.locked, fees = excluded.fees, updated = excluded.updated",
        step.text("escrow"),
        step.id,
        step.number("free"),
        step.number("locked"),
        step.number("fees"),
    )
}

async fn opened(step: &mut Step<'_, '_>) -> Outcome {
    run!(
        step,
        "INSERT INTO jobs (opened, address, status, escrow, model, mint, foreign_mint, bounty, units, max_price, inputs, replicas, replica, \
         opened_at, updated) VALUES ($1, $2, 'open', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $1)",
        step.id,
        step.text("job"),
        step.text("escrow"),
        step.text("model"),
        step.text("mint"),
        step.number("foreign_mint"),
        step.number("bounty"),
        step.within("terms", "units"),
        step.within("terms", "max_price"),
        step.text_within("terms", "inputs"),
        step.within("terms", "replicas"),
        step.within("terms", "replica"),
        step.time,
    )?;
    if count(step, [1, 0, 0, 0]).await? {
        step.add("jobs", 1).await?;
        run!(step, "UPDATE models SET jobs = jobs + 1 WHERE address = $1", step.text("model"))?;
    }
    Ok(())
}

async fn claimed(step: &mut Step<'_, '_>) -> Outcome {
    let (job, price) = (step.text("job"), step.number("price"));
    run!(
        step,
        "UPDATE jobs SET status = 'claimed', device = $3, price = $4, bond = $5, claimed_at = $6, \
         gpu_model = (SELECT gpu_model FROM devices WHERE address = $3), updated = $2 \
         WHERE opened = (SELECT MAX(opened) FROM jobs WHERE address = $1)",
        job,
        step.id,
        step.text("device"),
        price,
        step.number("bond"),
        step.time,
    )?;
    let found = ask!(
        step,
        "SELECT units, gpu_model FROM jobs WHERE opened = (SELECT MAX(opened) FROM jobs WHERE address = $1) AND foreign_mint = 0",
        job
    )?;
    let (Some(row), Some(hour)) = (found, step.hour()) else {
        return Ok(());
    };
    let (units, model): (i64, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
    // Of a device that was registered before the history begins nothing is known.
    let Some(model) = model else { return Ok(()) };
    run!(
        step,
        "INSERT INTO prices (hour, gpu_model, jobs, units, paid, low, high) VALUES ($1, $2, 1, $3, $4, $5, $5) \
         ON CONFLICT (hour, gpu_model) DO UPDATE SET jobs = prices.jobs + 1, units = prices.units + excluded.units, \
         paid = CASE WHEN prices.paid > 9223372036854775807 - excluded.paid THEN 9223372036854775807 ELSE prices.paid + excluded.paid END, \
         low = CASE WHEN excluded.low < prices.low THEN excluded.low ELSE prices.low END, \
         high = CASE WHEN excluded.high > prices.high THEN excluded.high ELSE prices.high END",
        hour,
        model,
        units,
        price.saturating_mul(units),
        price,
    )
}

async fn revealed(step: &mut Step<'_, '_>) -> Outcome {
    let job = step.text("job");
    let found = ask!(
        step,
        "SELECT opened_at FROM jobs WHERE address = $1 ORDER BY opened DESC LIMIT 1",
        job
    )?;
    let opened_at: Option<i64> = found.map(|row| row.try_get(0)).transpose()?.flatten();
    let latency = step.time.zip(opened_at).map(|(now, then)| now.saturating_sub(then));
    run!(
        step,
        "UPDATE jobs SET status = 'revealed', outputs = $3, window_ends = $4, revealed_at = $5, latency = $6, updated = $2 \
         WHERE opened = (SELECT MAX(opened) FROM jobs WHERE address = $1)",
        job,
        step.id,
        step.text("outputs"),
        step.number("window_ends"),
        step.time,
        latency,
    )?;
    let Some((hour, latency)) = step.hour().zip(latency) else {
        return Ok(());
    };
    // The hour has a row, whatever else happened in it.
    if !count(step, [0, 0, 0, 0]).await? {
        return Ok(());
    }
    run!(
        step,
        "INSERT INTO latencies (hour, seconds, jobs) VALUES ($1, $2, 1) ON CONFLICT (hour, seconds) DO UPDATE SET jobs = latencies.jobs + 1",
        hour,
        latency,
    )
}

async fn settled(step: &mut Step<'_, '_>) -> Outcome {
    run!(
        step,
        "UPDATE jobs SET status = 'settled', consumer_pays = $3, supplier_gets = $4, fees = $5, ended_at = $6, updated = $2 \
         WHERE opened = (SELECT MAX(opened) FROM jobs WHERE address = $1)",
        step.text("job"),
        step.id,
        step.number("consumer_pays"),
        step.number("supplier_gets"),
        step.number("fees"),
        step.time,
    )?;
    done(step).await
}

/// A device has done a job.
async fn done(step: &mut Step<'_, '_>) -> Outcome {
    run!(
        step,
        "UPDATE devices SET jobs_done = jobs_done + 1, updated = $2 WHERE address = $1",
        step.text("device"),
        step.id
    )?;
    if count(step, [0, 1, 0, 0]).await? {
        step.add("jobs_settled", 1).await?;
        step.add("paid_to_suppliers", step.number("supplier_gets")).await?;
    }
    Ok(())
}

async fn refunded(step: &mut Step<'_, '_>, status: &str) -> Outcome {
    end(step, status).await?;
    if count(step, [0, 0, 1, 0]).await? {
        step.add("jobs_refunded", 1).await?;
    }
    Ok(())
}

/// A device has been proved wrong.
async fn proved_wrong(step: &mut Step<'_, '_>) -> Outcome {
    end(step, "convicted").await?;
    run!(
        step,
        "UPDATE devices SET jobs_convicted = jobs_convicted + 1, updated = $2 WHERE address = $1",
        step.text("device"),
        step.id,
    )?;
    if count(step, [0, 0, 0, 1]).await? {
        step.add("jobs_convicted", 1).await?;
    }
    Ok(())
}

async fn convicted(step: &mut Step<'_, '_>) -> Outcome {
    proved_wrong(step).await?;
    let (job, device, challenger) = (step.text("job"), step.text("device"), step.text("challenger"));
    run!(
        step,
        "UPDATE jobs SET challenger = $2 WHERE opened = (SELECT MAX(opened) FROM jobs WHERE address = $1)",
        job,
        challenger,
    )?;
    run!(
        step,
        "INSERT INTO disputes (id, address, device, challenger, fault, unit, op, element, expected, claimed, refund, reward, compensation, burned, \
         sealed_slot, convicted_at, signature) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        step.id,
        job,
        device,
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

/// What an instruction did whose events a cut log may lack: the balances of its escrow, and where its job stands as far as nothing was
/// heard of it. Amounts of the job stay unknown.
pub async fn unheard(step: &mut Step<'_, '_>) -> Outcome {
    if step.has("free") {
        escrow_moved(step).await?;
    }
    let goes_on = "SELECT opened FROM jobs WHERE opened = (SELECT MAX(opened) FROM jobs WHERE address = $1) \
                   AND status IN ('open', 'claimed', 'committed', 'revealed')";
    if ask!(step, goes_on, step.text("job"))?.is_none() {
        return Ok(());
    }
    match step.text("instruction") {
        "claim_job" => stands(step, "claimed").await,
        "commit_result" => stands(step, "committed").await,
        "reveal_result" => stands(step, "revealed").await,
        "settle_job" => {
            end(step, "settled").await?;
            done(step).await
        }
        "cancel_job" => refunded(step, "cancelled").await,
        "expire_job" => refunded(step, "expired").await,
        "timeout_job" => refunded(step, "timed out").await,
        "confess" => refunded(step, "confessed").await,
        "convict" | "convict_silence" => proved_wrong(step).await,
        _ => Ok(()),
    }
}

/// A device has a job, and has got so far with it.
async fn stands(step: &mut Step<'_, '_>, status: &str) -> Outcome {
    run!(
        step,
        "UPDATE jobs SET status = $3, device = $4, updated = $2 WHERE opened = (SELECT MAX(opened) FROM jobs WHERE address = $1)",
        step.text("job"),
        step.id,
        status,
        step.text("device"),
    )
}

async fn overtaken(step: &mut Step<'_, '_>) -> Outcome {
    let (job, challenger) = (step.text("job"), step.text("challenger"));
    run!(
        step,
        "UPDATE jobs SET challenger = $3, updated = $2 WHERE opened = (SELECT MAX(opened) FROM jobs WHERE address = $1)",
        job,
        step.id,
        challenger,
    )?;
    run!(
        step,
        "UPDATE disputes SET challenger = $2, sealed_slot = $3 WHERE id = (SELECT MAX(id) FROM disputes WHERE address = $1)",
        job,
        challenger,
        step.number("sealed_slot"),
    )
}

async fn awarded(step: &mut Step<'_, '_>) -> Outcome {
    step.add("challengers_paid", step.number("reward")).await?;
    run!(
        step,
        "UPDATE disputes SET awarded_to = $2, awarded_at = $3 WHERE id = (SELECT MAX(id) FROM disputes WHERE address = $1)",
        step.text("job"),
        step.text("challenger"),
        step.time,
    )
}

/// A job has ended otherwise than paid.
async fn end(step: &mut Step<'_, '_>, status: &str) -> Outcome {
    run!(
        step,
        "UPDATE jobs SET status = $3, ended_at = $4, updated = $2 WHERE opened = (SELECT MAX(opened) FROM jobs WHERE address = $1)",
        step.text("job"),
        step.id,
        status,
        step.time,
    )
}

/// Counts a job in its hour: opened, settled, refunded or convicted. Of the settled their units count, too. Says whether the job counts at
/// all: one paid in another mint than $IO does not, as anyone can make a mint and be its own consumer and supplier.
async fn count(step: &mut Step<'_, '_>, [opened, settled, refunded, convicted]: [i64; 4]) -> Result<bool, sqlx::Error> {
    let found = ask!(
        step,
        "SELECT units FROM jobs WHERE opened = (SELECT MAX(opened) FROM jobs WHERE address = $1) AND foreign_mint = 0",
        step.text("job")
    )?;
    let Some(units) = found.map(|row| row.try_get::<i64, _>(0)).transpose()? else {
        return Ok(false);
    };
    if let Some(hour) = step.hour() {
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
            settled.saturating_mul(units),
        )?;
    }
    Ok(true)
}
