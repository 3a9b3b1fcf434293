//! `ionet verify`: recomputes a job, explains what it finds, and convicts if asked to.

mod pictures;
mod question;
mod report;

use crate::{
    command::model::packages,
    context::Context,
    error::{Result, refuse},
    output::Answer,
    photo::{check_free, check_name},
    send::{check_terminal, confirm},
    story,
};
use chain::{Pending, market};
use clap::Args;
use jobs::{Job, Status};
use pictures::{makes_pictures, side_by_side};
use question::Questioned;
use report::{Deed, Report, Wrong};
use solana_address::Address;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use watchtower::{
    Case, Finding, Opinion, Served,
    check::check,
    dispute::{Challenger, Charge, DisputeOutcome},
};
use worker::Model;

/// The flag that names the file of pictures.
const PICTURES: &str = "--pictures";

#[derive(Args, Debug)]
pub struct Arguments {
    /// Address of the job, whose result must be revealed
    job: Address,
    /// Folder of the job's model package [default: the job's model, found in the models folder]
    #[arg(long, value_name = "FOLDER")]
    package: Option<PathBuf>,
    /// File for the right picture, the worker's, and where they differ, side by side [default: none is written]
    #[arg(long, value_name = "FILE")]
    pictures: Option<PathBuf>,
    /// Replace an existing file
    #[arg(long, requires = "pictures")]
    force: bool,
    /// If the result is wrong, post the evidence and have the worker's bond slashed; what its blobs lack is demanded on the chain
    #[arg(long)]
    convict: bool,
    /// Most lamports to spend and lock on demands
    #[arg(long, value_name = "N", default_value_t = 500_000_000)]
    max_demand_lamports: u64,
}

impl Arguments {
    pub async fn run(self, context: &Context) -> Result<Answer> {
        let address = self.job;
        if self.convict && !context.settings.yes {
            // Before the work, whose finding would be lost.
            check_terminal("convict the job if its result is wrong")?;
        }
        let job = revealed(context, &address).await?;
        let model = self.model(context, &job)?;
        self.check_pictures(&model)?;
        let stores = [context.blobs()?];
        let inputs = model.fetch(&stores, &job).await?;
        let package = model.engine().package();
        let served = Served::new(&stores, &job, package.checkpoints());
        let Opinion { finding, computed } = check(&model, &address, &job, inputs, &served).await?;
        let mut report = Report::new(&address, &job, &model.name, &finding);
        let mut transactions = Vec::new();
        let mut agreed = context.settings.yes;
        let finding = match finding {
            Finding::Hidden(_) if self.convict => {
                let inputs = model.fetch(&stores, &job).await?;
                let asked = Questioned {
                    model: &model,
                    address: &address,
                    job: &job,
                    served,
                    budget: self.max_demand_lamports,
                };
                let (finding, ending) = asked.examine(context, inputs, &computed, &mut transactions).await?;
                report.ending = ending;
                agreed = true;
                finding
            }
            finding => finding,
        };
        let case = match finding {
            Finding::Right => None,
            Finding::Hidden(missing) => {
                report.missing = Some(missing.to_string());
                None
            }
            Finding::Wrong(case) => {
                let wrong = Wrong::new(package, &case.verdict, case.evidence.len());
                if self.convict && !agreed {
                    context.note(&format!("the result is wrong. {wrong}"));
                }
                report.wrong = Some(wrong);
                Some(case)
            }
        };
        if let Some(case) = case.filter(|_| self.convict) {
            let (convicting, ending) = convict(context, &address, &job, &case, agreed).await?;
            transactions.extend(convicting);
            report.ending = Some(match ending {
                DisputeOutcome::Convicted => "convicted",
                DisputeOutcome::Beaten => "beaten",
                DisputeOutcome::TooLate => "too_late",
            });
        }
        report.transactions = transactions;
        // Last, because the challenge window is passing: a worker that serves no outputs is convicted nevertheless.
        if let Some(path) = self.pictures {
            let [store] = &stores;
            let written = match store.get(&job.outputs).await {
                Ok(delivered) => side_by_side(package, job.units.get(), &computed.outputs, &delivered, &path, self.force),
                Err(error) => Err(error.into()),
            };
            report.add_pictures(path, written);
        }
        Ok(report.answer())
    }

    /// Loads the job's model.
    fn model(&self, context: &Context, job: &Job) -> Result<Arc<Model>> {
        let folder = match &self.package {
            Some(folder) => folder.clone(),
            None => find_package(&context.settings.models, &job.model)?,
        };
        let model = Model::load(&folder, 0)?;
        if market::job::model(&model.hash) == job.model {
            return Ok(Arc::new(model));
        }
        refuse(format!(
            "{} is another model than that of job {}, which is registered at {}; name the folder of that one with --package",
            folder.display(),
            self.job,
            job.model
        ))
    }

    /// Fails if pictures are wanted that cannot be made or written.
    fn check_pictures(&self, model: &Model) -> Result<()> {
        let Some(path) = &self.pictures else {
            return Ok(());
        };
        if !makes_pictures(model.engine().package()) {
            return refuse(format!("model {} makes no pictures; omit --pictures", model.name));
        }
        check_name(path, PICTURES)?;
        check_free(path, PICTURES, self.force)
    }
}

/// The job, whose result must be public.
async fn revealed(context: &Context, address: &Address) -> Result<Job> {
    let job = context.live(address).await?;
    match Status::from_code(job.status) {
        Some(Status::Revealed) => Ok(job),
        Some(Status::Convicted) => refuse(format!(
            "the result of job {address} was proved wrong already; `ionet job show {address}` says where"
        )),
        _ => refuse(format!(
            "the result of job {address} is not public, because the job is {}; verify it once it is revealed, within its challenge window",
            story::status(&job)
        )),
    }
}

/// The journal of this wallet's transactions in flight.
fn pending(context: &Context, wallet: &Keypair) -> Result<Pending> {
    let name = format!("verify-{}.jsonl", wallet.pubkey());
    Ok(Pending::open(&context.settings.data.join(name))?)
}

/// Finds the package in `models` that is registered at `model`.
fn find_package(models: &Path, model: &Address) -> Result<PathBuf> {
    let mut unsound = None;
    for (folder, package) in packages(models) {
        match package {
            Ok(package) if market::job::model(&package.model) == *model => return Ok(folder),
            Ok(_) => {}
            Err(error) => unsound = unsound.or(Some(error)),
        }
    }
    let unsound = unsound
        .map(|error| format!("; a package there is not sound: {error}"))
        .unwrap_or_default();
    refuse(format!(
        "no package in {} is the model registered at {model}{unsound}; download it and name its folder with --package",
        models.display()
    ))
}

/// Convicts the job, once that is confirmed; returns the transactions.
async fn convict(context: &Context, address: &Address, job: &Job, case: &Case, agreed: bool) -> Result<(Vec<Deed>, DisputeOutcome)> {
    let wallet = context.wallet()?;
    if !agreed {
        let effect = format!(
            "wallet {} posts {} bytes of evidence, whose rent returns, and earns the reward",
            wallet.pubkey(),
            case.evidence.len()
        );
        confirm(&format!("convict job {address}"), &effect)?;
    }
    let pending = pending(context, &wallet)?;
    let challenger = Challenger {
        chain: &context.chain,
        pending: &pending,
        key: &wallet,
        options: &context.options,
        on_unrecorded: &|error| context.note(&error.to_string()),
    };
    let mut charge = Charge {
        job: address,
        hash: &job.job_hash,
        evidence: &case.evidence,
        since: job.since_slot.get(),
    };
    let mut transactions = Vec::new();
    let ending = challenger
        .bring(&mut charge, |action, receipt| {
            transactions.push(Deed {
                what: action.name(),
                sent: receipt.clone().into(),
            });
        })
        .await?;
    Ok((transactions, ending))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing;
    use anchor_lang::bytemuck::Zeroable;

    #[test]
    fn an_unsound_package_hides_no_other() {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/imagine");
        let models = tempfile::tempdir().unwrap();
        let [unsound, sound] = ["a", "b"].map(|name| models.path().join(name));
        for folder in [&unsound, &sound] {
            std::fs::create_dir(folder).unwrap();
            for file in ["model.json", "tensors.safetensors"] {
                std::fs::copy(shipped.join(file), folder.join(file)).unwrap();
            }
        }
        std::fs::write(unsound.join("tensors.safetensors"), "broken").unwrap();
        let model = market::job::model(&engine::Package::load(&sound).unwrap().model);
        assert_eq!(find_package(models.path(), &model).unwrap(), sound);
        let error = find_package(models.path(), &Address::new_unique()).unwrap_err().to_string();
        assert!(
            error.contains("; a package there is not sound: ") && error.ends_with("--package"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_convicted_job_is_refused() {
        let (_folder, fake, context, _) = testing::context();
        let job = Address::new_unique();
        let convicted = Job {
            status: Status::Convicted as u8,
            ..Job::zeroed()
        };
        fake.set_account(job, testing::account(&convicted));
        let arguments = Arguments {
            job,
            package: None,
            pictures: None,
            force: false,
            convict: false,
            max_demand_lamports: 0,
        };
        let refusal = arguments.run(&context).await.unwrap_err().to_string();
        assert!(
            refusal.contains("was proved wrong") && refusal.contains("ionet job show"),
            "{refusal}"
        );
    }
}
