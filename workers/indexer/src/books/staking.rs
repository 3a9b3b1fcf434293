//! Devices and their rewards.

use super::{Outcome, step::Step};

pub async fn apply(step: &mut Step<'_, '_>, name: &str) -> Outcome {
    let device = step.text("device");
    match name {
        // A device's address follows from its first key, and no key is ever registered twice.
        "DeviceRegistered" => run!(
            step,
            "INSERT INTO devices (address, owner, gpu_model, quantity, active, own_stake, co_stake, cooling, cooldown_ends, co_cooling, \
             aside, forfeited, locked_bond, open_jobs, rewards, jobs_done, jobs_convicted, updated) \
             VALUES ($1, $3, $4, $5, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, $2)",
            device,
            step.id,
            step.text("owner"),
            step.number("gpu_model"),
            step.number("quantity"),
        ),
        "DeviceTerminated" => run!(
            step,
            "UPDATE devices SET active = 0, updated = $2 WHERE address = $1",
            device,
            step.id
        ),
        "StakeMoved" => moved(step).await,
        "BondMoved" => bond_moved(step).await,
        "CheckedIn" => run!(
            step,
            "UPDATE devices SET checked_in = $3, updated = $2 WHERE address = $1",
            device,
            step.id,
            step.number("hour"),
        ),
        "RewardCollected" => collected(step).await,
        "RewardsClaimed" => claimed(step).await,
        // Hours are settled in order, each once.
        "HourSettled" => run!(
            step,
            "INSERT INTO hours (hour, block, enterprise, community, enterprise_score, community_score) VALUES ($1, $2, $3, $4, $5, $6)",
            step.number("hour"),
            step.number("block"),
            step.at("pools", 0),
            step.at("pools", 1),
            step.at("scores", 0),
            step.at("scores", 1),
        ),
        _ => Ok(()),
    }
}

async fn moved(step: &mut Step<'_, '_>) -> Outcome {
    if step.text("kind") == "Burned" {
        step.add("burned", step.number("amount")).await?;
    }
    run!(
        step,
        "UPDATE devices SET own_stake = $3, co_stake = $4, cooling = $5, cooldown_ends = $6, co_cooling = $7, aside = $8, \
         forfeited = $9, updated = $2 WHERE address = $1",
        step.text("device"),
        step.id,
        step.number("own_stake"),
        step.number("co_stake"),
        step.number("cooling"),
        step.number("cooldown_ends"),
        step.number("co_cooling"),
        step.number("aside"),
        step.number("forfeited"),
    )
}

async fn bond_moved(step: &mut Step<'_, '_>) -> Outcome {
    run!(
        step,
        "UPDATE devices SET locked_bond = $3, open_jobs = $4, updated = $2 WHERE address = $1",
        step.text("device"),
        step.id,
        step.number("locked_bond"),
        step.number("open_jobs"),
    )
}

/// The balances of a device after an instruction whose events a truncated log may lack.
pub async fn unheard(step: &mut Step<'_, '_>) -> Outcome {
    if !step.has("own_stake") {
        return Ok(());
    }
    moved(step).await?;
    bond_moved(step).await?;
    run!(
        step,
        "UPDATE devices SET rewards = $2 WHERE address = $1",
        step.text("device"),
        step.number("rewards"),
    )
}

async fn collected(step: &mut Step<'_, '_>) -> Outcome {
    let device = step.text("device");
    run!(
        step,
        "UPDATE devices SET rewards = $3, updated = $2 WHERE address = $1",
        device,
        step.id,
        step.number("rewards"),
    )?;
    run!(
        step,
        "INSERT INTO rewards (id, device, hour, reward, time) VALUES ($1, $2, $3, $4, $5)",
        step.id,
        device,
        step.number("hour"),
        step.number("reward"),
        step.time,
    )
}

async fn claimed(step: &mut Step<'_, '_>) -> Outcome {
    let device = step.text("device");
    run!(
        step,
        "UPDATE devices SET rewards = 0, updated = $2 WHERE address = $1",
        device,
        step.id
    )?;
    run!(
        step,
        "INSERT INTO claims (id, device, holder, amount, time, signature) \
         VALUES ($1, $2, (SELECT owner FROM devices WHERE address = $2), $3, $4, $5)",
        step.id,
        device,
        step.number("amount"),
        step.time,
        step.signature,
    )
}
