//! From a job's outputs to files.

use super::Output;
use crate::{
    context::Context,
    error::{Result, refuse},
    output::Answer,
    photo::{check_writable, write_png},
    record::{Content, JobRecord, Records},
    story::{Step, Story},
};
use engine::Package;
use jobs::{Job, Status};
use protocol::hash::Hash;
use serde::Serialize;
use solana_address::Address;
use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};
use task::Task;

/// How often, and how long apart, a blob is asked for that its worker should have uploaded before revealing.
const TRIES: (u32, Duration) = (10, Duration::from_secs(1));

#[derive(Serialize)]
struct Fetched {
    job: String,
    outputs: String,
    files: Vec<PathBuf>,
}

impl fmt::Display for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.iter().try_for_each(|file| writeln!(f, "wrote {}", file.display()))
    }
}

/// Fetches the output of a job submitted earlier.
pub async fn fetch(context: &Context, address: Address, output: Output) -> Result<Answer> {
    let mut record = Records::open().load(&address)?;
    if let Some(path) = output.path {
        record.output = path;
    }
    check_free(&record, output.force)?;
    let package = Package::load(&record.package)?;
    let outputs = revealed(context, &address).await?;
    let files = deliver(context, &package, &record, &outputs).await?;
    Ok(Answer::new(&Fetched {
        job: address.to_string(),
        outputs: hex::encode(outputs),
        files,
    }))
}

/// Address of a job's outputs, once they are public.
async fn revealed(context: &Context, address: &Address) -> Result<Hash> {
    let convicted = || {
        refuse(format!(
            "the result of job {address} was proved wrong, so nothing is paid for it; submit it again"
        ))
    };
    if let Some(job) = context.chain.try_fetch::<Job>(address).await? {
        return match job.status {
            status if status == Status::Revealed as u8 => Ok(job.outputs),
            status if status == Status::Convicted as u8 => convicted(),
            _ => refuse(format!(
                "the result of job {address} is not public yet; `ionet job show {address}` says how far it is"
            )),
        };
    }
    let story = Story::read(context, address).await?;
    match story.ending() {
        Some(Step::Settled { outputs, .. }) => Ok(blobs::parse_address(outputs)?),
        Some(Step::Awarded { .. }) => convicted(),
        Some(Step::Refunded { .. }) => refuse(format!("job {address} was refunded, so it has no result; submit it again")),
        _ => Err(story.unknown(context, address)),
    }
}

/// Downloads, checks and writes a job's outputs; returns the files.
pub async fn deliver(context: &Context, package: &Package, record: &JobRecord, outputs: &Hash) -> Result<Vec<PathBuf>> {
    let store = context.blobs()?;
    let (tries, pause) = TRIES;
    let mut tried = 0;
    let blob = loop {
        tried += 1;
        // The store checks that the bytes hash to the root the worker committed to.
        match store.get(outputs).await {
            Err(blobs::Error::Missing { .. }) if tried < tries => tokio::time::sleep(pause).await,
            answer => break answer?,
        }
    };
    let units = task::outputs(package, record.units, &blob)?;
    let files = files(record);
    match (Task::of(package)?, &record.content) {
        (Task::Upscale(upscale), Content::Photo(layout)) => write_png(&record.output, &upscale.join(layout, &units)?, layout.alpha)?,
        (Task::Imagine(imagine), Content::Pictures { .. }) => {
            for (file, unit) in files.iter().zip(units) {
                write_png(file, &imagine.picture(unit)?, false)?;
            }
        }
        _ => return refuse(format!("package {} is not the one the job was made for", record.package.display())),
    }
    Ok(files)
}

/// The files a job's output becomes: one for a photo, one for each picture.
fn files(record: &JobRecord) -> Vec<PathBuf> {
    match record.content {
        Content::Pictures { seed } if record.units > 1 => {
            let name = |path: &Path, seed: u64| {
                let stem = path.file_stem().unwrap_or_default().to_string_lossy();
                path.with_file_name(format!("{stem}-{seed}.png"))
            };
            let seeds = (0..u64::from(record.units)).map(|unit| seed.wrapping_add(unit));
            seeds.map(|seed| name(&record.output, seed)).collect()
        }
        _ => vec![record.output.clone()],
    }
}

/// Fails when a file to be written exists or cannot be written, before anything is paid.
pub fn check_free(record: &JobRecord, force: bool) -> Result<()> {
    let output = &record.output;
    if !output.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png")) {
        return refuse(format!(
            "{} would be a PNG, but its name does not say so; end the name given with --out in .png",
            output.display()
        ));
    }
    for file in files(record) {
        if let Err(error) = check_writable(&file) {
            return refuse(format!("{error}, or name another file with --out"));
        }
        if !force && file.exists() {
            return refuse(format!(
                "{} exists already; name another file with --out, or replace it with --force",
                file.display()
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_pictures_are_numbered_by_seed() {
        let mut record = JobRecord {
            package: "models/imagine".into(),
            units: 1,
            content: Content::Pictures { seed: 7 },
            output: "a/b.png".into(),
        };
        assert_eq!(files(&record), [PathBuf::from("a/b.png")]);
        record.units = 2;
        assert_eq!(files(&record), [PathBuf::from("a/b-7.png"), PathBuf::from("a/b-8.png")]);
    }
}
