//! From a job's outputs to files.

use super::Output;
use crate::{
    context::Context,
    error::{Error, Result, refuse},
    output::Answer,
    photo::{self, check_name, unwritten, write_png},
    progress::Progress,
    record::{Content, JobRecord},
    story::{Step, Story},
};
use engine::Package;
use image::RgbaImage;
use jobs::{Job, Status};
use protocol::hash::Hash;
use serde::Serialize;
use solana_address::Address;
use std::{
    fmt,
    io::ErrorKind,
    path::{Path, PathBuf},
    time::Duration,
};
use task::Task;

/// How often, and how far apart, to ask for a blob that the worker should have uploaded before revealing.
const TRIES: (u32, Duration) = (10, Duration::from_millis(if cfg!(test) { 1 } else { 1_000 }));

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
    let mut record = context.records().load(&address)?;
    if let Some(path) = output.path {
        record.output = path;
    }
    check_free(&record, output.force)?;
    let package = Package::load(&record.package)?;
    let outputs = revealed(context, &address).await?;
    let delivery = Delivery {
        context,
        package: &package,
        record: &record,
        force: output.force,
        job: address,
    };
    let files = delivery.make(&outputs).await?;
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
            "the result of job {address} was proved wrong, so nothing was paid for it; submit it again"
        ))
    };
    if let Some(job) = context.chain.try_fetch::<Job>(address).await? {
        return match Status::from_code(job.status) {
            Some(Status::Revealed) => Ok(job.outputs),
            Some(Status::Convicted) => convicted(),
            _ => refuse(format!(
                "the result of job {address} is not public yet; `ionet job show {address}` shows its progress"
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

/// A job whose outputs become files.
pub struct Delivery<'a> {
    pub context: &'a Context,
    pub package: &'a Package,
    pub record: &'a JobRecord,
    /// Whether to replace existing files.
    pub force: bool,
    pub job: Address,
}

impl Delivery<'_> {
    /// Downloads, checks and writes the outputs; returns the files.
    pub async fn make(&self, outputs: &Hash) -> Result<Vec<PathBuf>> {
        let made = self.attempt(outputs).await;
        made.or_else(|error| match error {
            Error::Blobs(error @ blobs::Error::Missing { .. }) => refuse(self.doubted(&error)),
            Error::Task(error @ task::Error::Output(_)) => refuse(self.doubted(&error)),
            error => Err(error),
        })
    }

    /// Like [`Self::make`], but asks a store that fails again until the caller stops waiting, and reports the first failure. Never returns
    /// when the outputs do not fit the job: asking again would not help, and the caller still has to see the job end.
    pub async fn make_when_served(&self, outputs: &Hash, progress: &Progress<'_>) -> Result<Vec<PathBuf>> {
        let mut is_told = false;
        loop {
            match self.attempt(outputs).await {
                Err(Error::Blobs(error)) if !is_told => progress.say(&format!("trying again: {}", self.unserved(&error))),
                Err(Error::Blobs(_)) => {}
                Err(Error::Task(error @ task::Error::Output(_))) => {
                    progress.say(&self.doubted(&error));
                    std::future::pending().await
                }
                made => return made,
            }
            is_told = true;
            let (_, pause) = TRIES;
            tokio::time::sleep(pause).await;
        }
    }

    /// Why the outputs cannot be had, and what a consumer can do about a worker that withholds them.
    fn unserved(&self, error: &blobs::Error) -> String {
        match error {
            blobs::Error::Missing { .. } => self.doubted(error),
            error => error.to_string(),
        }
    }

    /// What is wrong with the outputs, and what a consumer can do about it.
    fn doubted(&self, error: &dyn std::error::Error) -> String {
        format!(
            "{error}; check the result before its challenge window ends: `ionet verify {} --convict`",
            self.job
        )
    }

    async fn attempt(&self, outputs: &Hash) -> Result<Vec<PathBuf>> {
        let Self { package, record, .. } = self;
        let store = self.context.blobs()?;
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
            (Task::Upscale(upscale), Content::Photo(layout)) => {
                self.write(&record.output, &upscale.join(layout, &units)?, layout.alpha)?;
            }
            (Task::Imagine(imagine), Content::Pictures { .. }) => {
                for (file, unit) in files.iter().zip(units) {
                    self.write(file, &imagine.picture(unit)?, false)?;
                }
            }
            _ => {
                return refuse(format!(
                    "package {} is not the one this job was submitted with; restore that and fetch again",
                    record.package.display()
                ));
            }
        }
        Ok(files)
    }

    fn write(&self, file: &Path, picture: &RgbaImage, alpha: bool) -> Result<()> {
        write_png(file, picture, alpha, self.force).or_else(|error| match error.kind() {
            ErrorKind::AlreadyExists => refuse(format!(
                "{} was created meanwhile and has been left alone; `ionet{} job fetch {} -o FILE` writes the result elsewhere",
                file.display(),
                self.context.settings.flags,
                self.job
            )),
            _ => refuse(unwritten(file, &error)),
        })
    }
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
    /// The flag that names outputs.
    const OPTION: &str = "--out";
    check_name(&record.output, OPTION)?;
    files(record).iter().try_for_each(|file| photo::check_free(file, OPTION, force))
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
