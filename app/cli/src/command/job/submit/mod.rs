//! `ionet job submit`: turns a photo or a prompt into a job, and its result into files.

mod follow;
mod outcome;
mod takers;
mod terms;
mod work;

use super::{Output, deliver::check_free};
use crate::{
    command::model::registered,
    context::{Context, Token},
    effect::Watched,
    error::{Error, Result, refuse},
    output::{Answer, count},
    send::Sent,
    story::Story,
};
use chain::market::job;
use clap::{Args, Subcommand};
use jobs::{Job, JobTerms, state::MAX_REPLICAS};
use outcome::{Replica, Submitted};
use protocol::batch::MAX_UNITS;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_signer::Signer;
use std::path::PathBuf;
use takers::Advice;
use terms::Terms;
use work::Prepared;

#[derive(Debug, Subcommand)]
pub enum What {
    /// Enlarge a photo
    Upscale {
        /// PNG or JPEG of up to about five megapixels
        photo: PathBuf,
        #[command(flatten)]
        order: Order,
    },
    /// Paint pictures from a prompt
    Imagine {
        /// What to paint, such as "a red circle on a blue background"
        prompt: String,
        /// Random seed of the first picture; later pictures take the seeds that follow
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Number of pictures to paint
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_UNITS)))]
        count: u32,
        #[command(flatten)]
        order: Order,
    },
}

/// The terms of a job, and how its result is delivered.
#[derive(Args, Debug)]
pub struct Order {
    #[command(flatten)]
    output: Output,
    /// Do not wait for the result; `ionet job fetch` gets it later
    #[arg(long)]
    detach: bool,
    /// Folder of the model package [default: upscale or imagine in the models folder, ./models]
    #[arg(long, value_name = "DIR")]
    package: Option<PathBuf>,
    #[command(flatten)]
    terms: Terms,
}

impl What {
    pub async fn run(self, context: &Context) -> Result<Answer> {
        let (prepared, order) = match self {
            Self::Upscale { photo, order } => (work::upscale(context, &photo, &order)?, order),
            Self::Imagine {
                prompt,
                seed,
                count,
                order,
            } => (work::imagine(context, &prompt, seed, count, &order)?, order),
        };
        check_free(&prepared.record, prepared.force)?;
        submit(context, &prepared, &order).await
    }
}

async fn submit(context: &Context, prepared: &Prepared, order: &Order) -> Result<Answer> {
    let Prepared { package, blob, record, .. } = prepared;
    let market = context.market().await?;
    let owner = context.wallet()?.pubkey();
    let token = context.token(&market, order.terms.paid_in.mint).await?;
    let io = context.token(&market, None).await?;
    let (model, _) = registered(context, package).await?;
    let inputs = blobs::address(blob).map_err(task::Error::Batch)?;
    let (terms, locked) = order.terms.resolve(context, &market, [&token, &io], inputs, record.units).await?;
    let escrow = funded(context, &owner, &token, locked).await?;
    let advice = Advice::new(context, &market, &io, &terms, token.mint != io.mint).await;
    // A node that does not list devices is no reason not to open the job.
    let Advice { before, if_expired } = advice.unwrap_or_else(|error| Advice::unknown(&error));
    context.note(&before);

    let (id, address) = choose_id(&escrow);
    let replicas = (0..terms.replicas).map(|replica| {
        let id = id.wrapping_add(replica.into());
        let terms = JobTerms { replica, ..terms };
        (job::job(&escrow, id), job::open_job(&owner, &token.mint, &model, id, terms))
    });
    let (addresses, opens): (Vec<Address>, Vec<Instruction>) = replicas.unzip();
    let opened = open(context, prepared, &token, &terms, locked, &addresses, &opens).await?;

    let replica = |job: &Address| Replica {
        job: job.to_string(),
        story: Story::default(),
    };
    let mut submitted = Submitted {
        job: address.to_string(),
        escrow: escrow.to_string(),
        model: model.to_string(),
        inputs: hex::encode(inputs),
        units: record.units,
        locked,
        opened: opened.clone(),
        files: Vec::new(),
        story: Story::default(),
        replicas: addresses.iter().skip(1).map(replica).collect(),
        next: format!("ionet{} job fetch {address}", context.settings.flags),
        unit: token.unit,
    };
    if !order.detach {
        let followed = match terms.replicas {
            1 => follow::follow(context, prepared, address, token.unit, if_expired).await,
            _ => follow::follow_all(context, prepared, &addresses, token.unit).await,
        };
        let (files, stories) = followed.map_err(|error| of_job(address, opened.signature, error))?;
        submitted.add(files, stories);
    }
    Ok(Answer::new(&submitted))
}

/// The escrow that pays for a job; fails unless it has `locked` free.
async fn funded(context: &Context, owner: &Address, token: &Token, locked: u64) -> Result<Address> {
    let (escrow, balances) = context.escrow(owner, token).await?;
    let free = balances.free.get();
    match locked.saturating_sub(free) {
        0 => Ok(escrow),
        missing => refuse(format!(
            "the escrow has {} free and this job locks up to {}; add the rest with `ionet escrow deposit {}{}`",
            token.unit.show(free),
            token.unit.show(locked),
            token.unit.number(missing),
            token.flag()
        )),
    }
}

/// Asks for confirmation, stores the inputs, records the replicas and opens them.
async fn open(
    context: &Context,
    prepared: &Prepared,
    token: &Token,
    terms: &JobTerms,
    locked: u64,
    addresses: &[Address],
    opens: &[Instruction],
) -> Result<Sent> {
    let Prepared { package, blob, record, .. } = prepared;
    let wallet = context.wallet()?;
    let question = format!(
        "open a job of {} on {}{} at {} to {} a unit, {} at most with fees",
        count(record.units, "unit"),
        package.name,
        match terms.replicas {
            1 => String::new(),
            replicas => format!(", in {replicas} replicas,"),
        },
        token.unit.number(terms.start_price),
        token.unit.show(terms.max_price),
        token.unit.show(locked)
    );
    let watched = Watched::escrow(&wallet.pubkey(), token);
    context.agree("wallet", &question, opens, &wallet, &watched).await?;
    context.blobs()?.put(blob.clone().into()).await?;
    let records = context.records();
    for address in addresses {
        records.save(address, record)?;
    }
    let sent = context.send_agreed(opens, &wallet, &[]).await;
    sent.map_err(|error| match (error.unknown(), addresses) {
        // The job may have been opened.
        (Some(signature), [address, ..]) => of_job(*address, signature, error),
        _ => {
            addresses.iter().for_each(|address| records.forget(address));
            error
        }
    })
}

/// An error that names the job it is about, and the transaction that opened it.
fn of_job(job: Address, signature: String, error: Error) -> Error {
    Error::Job {
        job,
        signature,
        cause: Box::new(error),
    }
}

/// A random job id whose address has the highest bump, which is the cheapest to derive on the chain.
fn choose_id(escrow: &Address) -> (u64, Address) {
    loop {
        // Replicas take the ids that follow.
        let id = fastrand::u64(..u64::MAX - u64::from(MAX_REPLICAS));
        let (address, bump) = Address::find_program_address(&[Job::SEED, escrow.as_ref(), &id.to_le_bytes()], &jobs::ID);
        if bump == u8::MAX {
            return (id, address);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::{error::code, output::Format, settings::Settings, testing};
    use anchor_lang::bytemuck::Zeroable;
    use chain::fake::Fake;
    use engine::Package;
    use jobs::{Escrow, Model};
    use std::{path::Path, sync::Arc, time::Duration};
    use tempfile::TempDir;

    /// A consumer who orders a picture, with a funded escrow, on an in-memory node.
    pub fn consumer() -> (TempDir, Arc<Fake>, Context, What) {
        let (folder, fake, context) = market();
        let what = picture(&folder, &[]).unwrap();
        (folder, fake, context, what)
    }

    /// An order of a picture, with these words at its end.
    fn picture(folder: &TempDir, more: &[&str]) -> clap::error::Result<What> {
        let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/imagine");
        let output = folder.path().join("picture.png");
        let [package, output] = [&package, &output].map(|path| path.to_str().unwrap());
        let words = ["imagine", "a red circle", "--package", package, "--out", output];
        testing::try_typed(&[&words, more].concat())
    }

    /// A consumer with a funded escrow, where the model is registered.
    fn market() -> (TempDir, Arc<Fake>, Context) {
        let (folder, fake, context, wallet, mint) = testing::on_market(0);
        let owner = wallet.pubkey();
        let escrow = Escrow {
            free: u64::MAX.into(),
            ..Escrow::zeroed()
        };
        fake.set_account(job::escrow(&owner, &mint), testing::account(&escrow));
        let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/imagine");
        let model = Package::load(&package).unwrap().model;
        fake.set_account(job::model(&model), testing::account(&Model::zeroed()));
        (folder, fake, context)
    }

    #[tokio::test]
    async fn audits_are_ordered_in_per_cent_and_of_one_replica_only() {
        let (folder, fake, context) = market();
        let order = picture(&folder, &["--detach", "--audit", "10"]).unwrap();
        order.run(&context).await.unwrap();
        let opened = chain::fake::instructions(fake.sent().first().unwrap());
        let opened = opened.iter().find_map(chain::idl::decode).unwrap();
        assert_eq!((opened.name, &opened.values["audit_bps"]), ("open_job", &1_000.into()));
        let both = picture(&folder, &["--audit", "10", "--replicas", "2"]).unwrap_err();
        assert_eq!(both.kind(), clap::error::ErrorKind::ArgumentConflict);
    }

    #[tokio::test]
    async fn another_token_is_named_wherever_it_matters() {
        let (folder, fake, context) = market();
        let mint = Address::new_unique();
        fake.set_account(mint, testing::mint(6));
        let poor = Escrow {
            free: 1_000_000.into(),
            ..Escrow::zeroed()
        };
        let owner = context.wallet().unwrap().pubkey();
        fake.set_account(job::escrow(&owner, &mint), testing::account(&poor));
        let named = mint.to_string();
        let priced = picture(&folder, &["--mint", &named, "--price", "2"]).unwrap();
        let said = priced.run(&context).await.unwrap_err().to_string();
        assert!(said.ends_with(&format!("`ionet escrow deposit 3 --mint {mint}`")), "{said}");
        let unpriced = picture(&folder, &["--mint", &named]).unwrap_err();
        assert_eq!(unpriced.kind(), clap::error::ErrorKind::MissingRequiredArgument);
    }

    #[tokio::test]
    async fn a_missing_models_folder_is_refused_with_the_ways_to_name_one() {
        let (folder, _, mut context, _) = consumer();
        context.settings.models = folder.path().to_owned();
        let what: What = testing::typed(&["imagine", "a red circle"]);
        let error = what.run(&context).await.unwrap_err().to_string();
        assert!(
            error.contains("--package") && error.contains("`ionet config set models FOLDER`"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn how_to_fetch_a_detached_job_can_be_pasted() {
        let (_folder, _, context, mut what) = consumer();
        if let What::Imagine { order, .. } = &mut what {
            order.detach = true;
        }
        let answer = what.run(&context).await.unwrap();
        let Settings { keypair, blobs, .. } = &context.settings;
        let job = testing::json(&answer)["job"].as_str().unwrap().to_owned();
        let next = format!("next    ionet --keypair {} --blobs {blobs} job fetch {job}\n", keypair.display());
        let said = answer.show(Format::Text);
        assert!(said.contains(&next), "{said}");
    }

    #[tokio::test]
    async fn an_error_after_opening_names_the_job() {
        for lands in [false, true] {
            let (_folder, fake, mut context, what) = consumer();
            if !lands {
                fake.on_send(|_| None);
                context.options.timeout = Duration::from_millis(1);
            }
            // Even if it lands, this node has no job account.
            let error = what.run(&context).await.unwrap_err();
            assert_eq!(error.code(), if lands { code::REFUSED } else { code::UNKNOWN }, "{error}");
            let (job, signature) = error.job().unwrap();
            assert_eq!(signature, fake.sent().first().unwrap().signatures.first().unwrap().to_string());
            context.records().load(job).unwrap();
            let said = error.to_string();
            assert!(said.contains(&job.to_string()) && said.contains(signature), "{said}");
            let failure: serde_json::Value = serde_json::from_str(&crate::failure(&said, error.code(), Some(&error))).unwrap();
            assert_eq!(failure.get("job"), Some(&job.to_string().into()));
            assert_eq!(failure.get("signature"), Some(&signature.into()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_whose_opening_expired_is_not_named() {
        let (_folder, fake, context, what) = consumer();
        let error = testing::expired(&fake, what.run(&context)).await.unwrap_err();
        assert!(error.to_string().contains("send it again") && error.job().is_none(), "{error}");
        let records = std::fs::read_dir(context.settings.data.join("jobs")).into_iter().flatten();
        assert_eq!(records.count(), 0, "no record is kept");
    }
}
