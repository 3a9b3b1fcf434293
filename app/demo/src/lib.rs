//! Demos on a local chain, run with the binaries that people use; the first takes one real job from photo to payment. Only [`staking`] runs
//! the programs in this process.
//!
//! At the end everything is read back from the chain: balances before and after, and what each transaction cost. The run fails unless the
//! books balance to the base unit.

pub mod books;
pub mod dispute;
pub mod false_proofs;
mod folder;
pub mod governance;
mod hours;
mod market;
mod picture;
pub mod process;
mod report;
pub mod silence;
pub mod staking;
pub mod web;

pub use folder::Folder;
pub use market::{Market, Place};
pub use picture::check as check_photo;
pub use report::Report;

use anyhow::{Result, ensure};
use std::path::PathBuf;
use std::time::Instant;

/// Runs the demo, which enlarges `photo` into `output.png`. The shipped photo is the default, and comes with its original for comparison.
/// `say` is called with each step.
pub async fn run(place: &Place, photo: Option<PathBuf>, say: impl Fn(&str)) -> Result<Report> {
    let started = Instant::now();
    let step = |what: &str| say(&format!("{:>6.1} s  {what}", started.elapsed().as_secs_f64()));
    let (photo, truth) = match photo {
        Some(photo) => (photo, None),
        None => (
            place.root.join("models/upscale/sample.png"),
            Some(place.root.join("models/upscale/sample_truth.png")),
        ),
    };

    let market = Market::start(place)?;
    let before = market.balances().await?;
    step("a local chain is up, the programs deployed at their addresses and migrated");
    market.supply()?;
    step("the supplier registered a device and staked on it");
    market.publish("upscale")?;
    step("the upscale model is registered: every op checked and hashed on chain");
    market.fund()?;
    step("the consumer funded an escrow");
    let services = (market.worker()?, market.cranker()?);
    step("a worker and, as a third party, a crank are running");
    let output = place.dir.join("output.png");
    let job = market.enlarge(&photo, &output, "5s")?;
    step("the job was claimed, computed, committed, revealed and settled by the third party");
    drop(services);
    market.ionet("cranker", &["watch", "crank", "--once", "--sweep"])?;
    step("its fees were swept: half burned, half in the treasury");

    let report = Report {
        seconds: started.elapsed().as_secs_f64(),
        job,
        before,
        after: market.balances().await?,
        transactions: books::transactions(&market.rpc).await?,
        quality: truth.map(|truth| picture::quality(&photo, &output, &truth)).transpose()?,
    };
    ensure!(report.burned()? > 0, "the job was paid, but no fee was burned");
    if let Some(quality) = &report.quality {
        ensure!(
            quality.model_db > quality.bicubic_db,
            "the job's picture is no better than bicubic interpolation"
        );
    }
    Ok(report)
}
