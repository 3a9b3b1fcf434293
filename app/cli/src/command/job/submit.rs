//! `ionet job submit`: from a photo or a prompt to an open job, and from its result to a file.

use super::{
    Output,
    deliver::{Delivery, check_free},
};
use crate::{
    amount::{Quantity, Unit, seconds, span},
    command::{device::find_gpu, escrow::PaidIn, model::registered},
    context::{Context, Market, Token},
    effect::Watched,
    error::{Error, Result, refuse},
    output::{Answer, count, fields},
    photo::open_photo,
    progress::Progress,
    record::{Content, JobRecord},
    send::Sent,
    story::{Follower, State, Step, Story},
};
use anchor_lang::bytemuck::Zeroable;
use chain::market::job;
use clap::{Args, Subcommand};
use engine::Package;
use futures_util::{
    StreamExt,
    future::{OptionFuture, try_join_all},
};
use jobs::{
    Job, JobTerms, Status,
    state::{ANY_GPU, MAX_REPLICAS},
};
use protocol::{
    batch::MAX_UNITS,
    fees,
    hash::Hash,
    units::{Amount, Bps},
};
use serde::Serialize;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_signer::Signer;
use staking::{Device, GpuModel, state::STATUS_ACTIVE};
use std::{
    fmt,
    path::{Path, PathBuf},
    pin::pin,
};
use task::{Layout, Task, inputs_blob};

#[derive(Debug, Subcommand)]
pub enum What {
    /// Enlarge a photo
    Upscale {
        /// PNG or JPEG of up to five megapixels or so
        photo: PathBuf,
        /// How many times longer each side becomes; must be what the model does
        #[arg(long)]
        scale: Option<u32>,
        #[command(flatten)]
        order: Order,
    },
    /// Paint pictures from a prompt
    Imagine {
        /// What to paint, such as "a red circle on a blue background"
        prompt: String,
        /// Decides everything the prompt leaves open; later pictures take the seeds that follow
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Pictures to paint
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_UNITS)))]
        count: u32,
        #[command(flatten)]
        order: Order,
    },
}

/// What is offered for the work, and how it comes back.
#[derive(Args, Debug)]
pub struct Order {
    #[command(flatten)]
    output: Output,
    /// Do not wait; `ionet job fetch` gets the result later
    #[arg(long)]
    detach: bool,
    /// Folder of the model package [default: upscale or imagine in the folder of models, ./models]
    #[arg(long, value_name = "DIR")]
    package: Option<PathBuf>,
    #[command(flatten)]
    terms: Terms,
}

/// The offer.
#[derive(Args, Debug)]
#[command(next_help_heading = "Offer")]
pub struct Terms {
    /// Price per unit at the start of the auction
    #[arg(long, default_value = "0.001")]
    price: Quantity,
    /// Price per unit at its end [default: twice the start]
    #[arg(long)]
    max_price: Option<Quantity>,
    /// Time in which the price rises from start to end
    #[arg(long, default_value = "30s", value_parser = seconds)]
    auction: u32,
    /// Time in which somebody must take the job
    #[arg(long, default_value = "10m", value_parser = seconds)]
    open_for: u32,
    /// Time the worker has to compute it
    #[arg(long, default_value = "10m", value_parser = seconds)]
    run_time: u32,
    /// Time in which the result may be challenged before it is paid
    #[arg(long, default_value = "2m", value_parser = seconds)]
    window: u32,
    /// Suppliers that compute the same, blind: the result is final as soon as they agree, and each is paid
    #[arg(long, default_value_t = 1, value_name = "1-3", value_parser = clap::value_parser!(u8).range(1..=i64::from(MAX_REPLICAS)))]
    replicas: u8,
    /// Least $IO that the worker puts at stake; the chain asks for more where a lie would pay otherwise [default: the market's minimum]
    #[arg(long)]
    bond: Option<Quantity>,
    /// $IO that a wrong result is worth to somebody: raises what the worker puts at stake, and rules out errors made on purpose. Workers decline
    /// a stake out of proportion to the price (unless set otherwise, ten times what the market asks): raise --max-price with it
    #[arg(long, default_value = "0")]
    value_at_risk: Quantity,
    /// Only this GPU model: id or name
    #[arg(long)]
    gpu: Option<String>,
    /// Least memory of one GPU, GiB
    #[arg(long, default_value_t = 0)]
    min_vram: u16,
    /// Least earning multiplier times 100 of one GPU
    #[arg(long, default_value_t = 0, value_name = "X100")]
    min_multiplier: u16,
    /// Jobs the device must have done
    #[arg(long, default_value_t = 0)]
    min_jobs: u16,
    #[command(flatten)]
    paid_in: PaidIn,
}

/// Work that is ready to be offered.
struct Prepared {
    package: Package,
    blob: Vec<u8>,
    record: JobRecord,
    /// Whether files that exist are replaced.
    force: bool,
}

impl Prepared {
    fn delivery<'a>(&'a self, context: &'a Context, job: Address) -> Delivery<'a> {
        Delivery {
            context,
            package: &self.package,
            record: &self.record,
            force: self.force,
            job,
        }
    }
}

impl What {
    pub async fn run(self, context: &Context) -> Result<Answer> {
        let (prepared, order) = match self {
            Self::Upscale { photo, scale, order } => (upscale(context, &photo, scale, &order)?, order),
            Self::Imagine {
                prompt,
                seed,
                count,
                order,
            } => (imagine(context, &prompt, seed, count, &order)?, order),
        };
        check_free(&prepared.record, prepared.force)?;
        submit(context, &prepared, &order).await
    }
}

/// Loads the package an order names, or the shipped one.
fn package(context: &Context, order: &Order, name: &str) -> Result<(PathBuf, Package)> {
    let models = &context.settings.models;
    let folder = order.package.clone().unwrap_or_else(|| models.join(name));
    if order.package.is_none() && !folder.exists() {
        return refuse(format!(
            "there is no {name} in the folder of models, {}; name its own with --package, or theirs with `ionet config set models FOLDER`",
            models.display()
        ));
    }
    let package = Package::load(&folder)?;
    // Absolute, so that the job can be fetched from any folder.
    let folder = std::path::absolute(&folder).unwrap_or(folder);
    Ok((folder, package))
}

fn wrong_task<T>(folder: &Path, wanted: &str) -> Result<T> {
    refuse(format!(
        "the model in {} does not {wanted}; choose another with --package",
        folder.display()
    ))
}

fn upscale(context: &Context, photo: &Path, scale: Option<u32>, order: &Order) -> Result<Prepared> {
    let (folder, package) = package(context, order, "upscale")?;
    let Task::Upscale(upscale) = Task::of(&package)? else {
        return wrong_task(&folder, "enlarge photos");
    };
    if let Some(scale) = scale.filter(|scale| *scale != upscale.scale) {
        return refuse(format!(
            "model {} enlarges {} times, not {scale}; leave --scale out",
            package.name, upscale.scale
        ));
    }
    let output = order.output.path.clone().unwrap_or_else(|| {
        let stem = photo.file_stem().unwrap_or_default().to_string_lossy();
        format!("{stem}-{}x.png", upscale.scale).into()
    });
    let image = open_photo(photo)?;
    let layout = Layout::of(&image);
    let (units, most) = (upscale.units(&layout), upscale.most_units(blobs::MAX_BLOB));
    if units > most.min(MAX_UNITS.into()) {
        let pixels = most * u64::from(upscale.core).pow(2) / (1 + u64::from(layout.alpha));
        return refuse(format!(
            "{} has {}×{} pixels{} and one job takes about {:.1} megapixels; shrink or cut it first",
            photo.display(),
            layout.width,
            layout.height,
            if layout.alpha { " with transparency" } else { "" },
            pixels as f64 / 1e6
        ));
    }
    // At most 2^20.
    let units = units as u32;
    Ok(Prepared {
        blob: inputs_blob(&package, units, &upscale.cut(&image))?,
        record: JobRecord {
            package: folder,
            units,
            content: Content::Photo(layout),
            output: std::path::absolute(&output).unwrap_or(output),
        },
        force: order.output.force,
        package,
    })
}

fn imagine(context: &Context, prompt: &str, seed: u64, count: u32, order: &Order) -> Result<Prepared> {
    let (folder, package) = package(context, order, "imagine")?;
    let Task::Imagine(imagine) = Task::of(&package)? else {
        return wrong_task(&folder, "paint pictures");
    };
    let picture = u64::from(package.output_shape().elements().unwrap_or_default()).max(1);
    let most = blobs::MAX_BLOB.saturating_sub(protocol::batch::BatchHeader::BYTES as u64) / picture;
    if u64::from(count) > most {
        return refuse(format!("one job paints at most {most} pictures; submit several jobs with --seed"));
    }
    let seeds = (0..u64::from(count)).map(|unit| seed.wrapping_add(unit));
    let codes = seeds.map(|seed| imagine.encode(prompt, seed)).collect::<task::Result<Vec<_>>>()?;
    let output = order.output.path.clone().unwrap_or_else(|| match count {
        1 => format!("imagine-{seed}.png").into(),
        _ => "imagine.png".into(),
    });
    Ok(Prepared {
        blob: inputs_blob(&package, count, &codes.concat())?,
        record: JobRecord {
            package: folder,
            units: count,
            content: Content::Pictures { seed },
            output: std::path::absolute(&output).unwrap_or(output),
        },
        force: order.output.force,
        package,
    })
}

impl Terms {
    /// The terms on the chain, and the most the job can cost with fees, all replicas together.
    async fn resolve(&self, context: &Context, market: &Market, token: &Token, inputs: Hash, units: u32) -> Result<(JobTerms, u64)> {
        let io = context.token(market, None).await?;
        let start_price = self.price.base_units(token.unit)?;
        let max_price = match &self.max_price {
            Some(price) => price.base_units(token.unit)?,
            None => start_price.saturating_mul(2),
        };
        if max_price == 0 || start_price > max_price {
            return refuse("the price must be above zero and --max-price not below --price");
        }
        let too_much = || Error::Refused("the price times the units is more than can exist; lower --max-price".to_owned());
        let base = Amount(max_price).checked_times(units.into()).ok_or_else(too_much)?;
        let surcharge = if token.mint == io.mint {
            0
        } else {
            market.jobs.surcharge_bps.get()
        };
        let fee = Bps::saturating(market.jobs.fee_bps.get());
        let quote = fees::quote(base, fee, Bps::saturating(surcharge)).ok_or_else(too_much)?;
        let bond = match &self.bond {
            Some(bond) => bond.base_units(io.unit)?,
            None => market.jobs.min_bond.get(),
        };
        let gpu_model = match &self.gpu {
            Some(gpu) => find_gpu(context, gpu).await?.id.get(),
            None => ANY_GPU,
        };
        let terms = JobTerms {
            inputs,
            start_price,
            max_price,
            bond,
            value_at_risk: self.value_at_risk.base_units(io.unit)?,
            units,
            auction_seconds: self.auction.min(self.open_for),
            open_seconds: self.open_for,
            run_seconds: self.run_time,
            window_seconds: self.window,
            min_vram_gb: self.min_vram,
            min_multiplier_x100: self.min_multiplier,
            gpu_model,
            min_jobs_done: self.min_jobs,
            audit_bps: 0,
            replicas: self.replicas,
            replica: 0,
        };
        if terms.validate(&market.jobs).is_err() {
            return refuse(format!(
                "these terms are not allowed: times must lie between 1s and 7d, and the bond must be at least {}",
                io.unit.show(market.jobs.min_bond.get())
            ));
        }
        let locked = Amount(quote.consumer_pays.0)
            .checked_times(self.replicas.into())
            .ok_or_else(too_much)?;
        Ok((terms, locked.0))
    }
}

/// What became of an order.
#[derive(Serialize)]
struct Submitted {
    job: String,
    escrow: String,
    model: String,
    inputs: String,
    units: u32,
    /// Locked in the escrow: the highest cost, fees included.
    locked: u64,
    opened: Sent,
    /// Files written; empty when detached.
    files: Vec<PathBuf>,
    /// Steps of the job's life; empty when detached.
    story: Story,
    /// The others that compute the same, and what became of them; none for a job by itself.
    replicas: Vec<Replica>,
    #[serde(skip)]
    unit: Unit,
}

/// Another replica of a job.
#[derive(Serialize)]
struct Replica {
    job: String,
    /// Steps of its life; empty when detached.
    story: Story,
}

impl Submitted {
    /// The job and the others that compute the same.
    fn all(&self) -> impl Iterator<Item = (&str, &Story)> {
        let others = self.replicas.iter().map(|replica| (replica.job.as_str(), &replica.story));
        std::iter::once((self.job.as_str(), &self.story)).chain(others)
    }

    /// Outputs of those that were paid.
    fn results(&self) -> Vec<&str> {
        let paid = self.all().filter_map(|(_, story)| match story.ending() {
            Some(Step::Settled { outputs, .. }) => Some(outputs.as_str()),
            _ => None,
        });
        paid.collect()
    }

    /// What is known from comparing the replicas' results; `None` of a job by itself, and before any is paid.
    fn compared(&self) -> Option<String> {
        let all = self.all().count();
        let results = self.results();
        match (all, results.as_slice()) {
            (1, _) | (_, []) => None,
            (_, [_]) => Some(format!("only 1 of {all} computed it: nothing was compared")),
            (_, [first, others @ ..]) if others.iter().all(|other| other == first) => {
                Some(format!("{} of {all} computed it, and they agree", results.len()))
            }
            _ => Some("they differ, and nobody proved one wrong: `ionet verify` would have, within the window".to_owned()),
        }
    }

    /// What the replicas cost, to their suppliers and in fees; `None` before any is paid.
    fn paid(&self) -> Option<[u64; 3]> {
        let paid = self.all().filter_map(|(_, story)| match story.ending() {
            Some(Step::Settled {
                consumer_pays,
                supplier_gets,
                fees,
                ..
            }) => Some([*consumer_pays, *supplier_gets, *fees]),
            _ => None,
        });
        paid.reduce(|[a, b, c], [x, y, z]| [a.saturating_add(x), b.saturating_add(y), c.saturating_add(z)])
    }
}

impl fmt::Display for Submitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.iter().try_for_each(|file| writeln!(f, "wrote {}", file.display()))?;
        let mut lines = vec![("job", self.job.clone()), ("units", self.units.to_string())];
        if !self.replicas.is_empty() {
            lines.extend(self.all().map(|(job, story)| {
                let ending = story.ending().map(|step| format!(": {}", step.describe(self.unit)));
                ("replica", format!("{job}{}", ending.unwrap_or_default()))
            }));
        }
        lines.extend(self.compared().map(|compared| ("compared", compared)));
        match self.paid() {
            Some([consumer_pays, suppliers_get, fees]) => lines.extend([
                ("you paid", self.unit.show(consumer_pays)),
                (
                    if self.replicas.is_empty() {
                        "supplier got"
                    } else {
                        "suppliers got"
                    },
                    self.unit.show(suppliers_get),
                ),
                ("fees", self.unit.show(fees)),
            ]),
            _ => lines.extend([
                ("locked", self.unit.show(self.locked)),
                ("next", format!("ionet job fetch {}", self.job)),
            ]),
        }
        fields(f, &lines)?;
        // Of replicas, the one whose result was written.
        let told = self.all().find(|(_, story)| matches!(story.ending(), Some(Step::Settled { .. })));
        match told {
            Some((_, story)) => write!(f, "\n{}", story.tell(self.unit)),
            None => write!(f, "{}", self.opened),
        }
    }
}

async fn submit(context: &Context, prepared: &Prepared, order: &Order) -> Result<Answer> {
    let Prepared { package, blob, record, .. } = prepared;
    let market = context.market().await?;
    let wallet = context.wallet()?;
    let owner = wallet.pubkey();
    let token = context.token(&market, order.terms.paid_in.mint).await?;
    let (model, _) = registered(context, package).await?;
    let inputs = blobs::address(blob).map_err(task::Error::Batch)?;
    let (terms, locked) = order.terms.resolve(context, &market, &token, inputs, record.units).await?;
    let (escrow, balances) = context.escrow(&owner, &token).await?;
    let missing = locked.saturating_sub(balances.free.get());
    if missing > 0 {
        return refuse(format!(
            "the escrow has {} free and this job locks up to {}; add {} with `ionet escrow deposit`",
            token.unit.show(balances.free.get()),
            token.unit.show(locked),
            token.unit.show(missing)
        ));
    }

    let if_expired = if devices_meet(context, &terms).await? {
        "offer more with --max-price, or wait longer with --open-for"
    } else {
        context.note("no device on the market has what these terms ask for: nobody may take the job");
        "no device had what it asked for: ask less with --gpu, --min-vram, --min-multiplier or --min-jobs"
    };
    let (id, address) = choose_id(&escrow);
    let replicas = (0..terms.replicas).map(|replica| {
        let id = id.wrapping_add(replica.into());
        let terms = JobTerms { replica, ..terms };
        (job::job(&escrow, id), job::open_job(&owner, &token.mint, &model, id, terms))
    });
    let (addresses, opens): (Vec<Address>, Vec<Instruction>) = replicas.unzip();
    let what = format!(
        "open a job of {}{} on {} for {} to {} each, {} with fees at most",
        count(record.units, "unit"),
        match terms.replicas {
            1 => String::new(),
            replicas => format!(", {replicas} times over,"),
        },
        package.name,
        token.unit.number(terms.start_price),
        token.unit.show(terms.max_price),
        token.unit.show(locked)
    );
    let watched = Watched::escrow(&owner, &token);
    context.agree("wallet", &what, &opens, &wallet, &watched).await?;
    context.blobs()?.put(blob.clone().into()).await?;
    let records = context.records();
    for address in &addresses {
        records.save(address, record)?;
    }
    let of_job = |signature: String, error| Error::Job {
        job: address,
        signature,
        cause: Box::new(error),
    };
    let opened = match context.send_agreed(&opens, &wallet, &[]).await {
        Ok(sent) => sent,
        Err(error) => {
            return Err(match error.unknown() {
                // It may have been opened all the same.
                Some(signature) => of_job(signature, error),
                None => {
                    addresses.iter().for_each(|address| records.forget(address));
                    error
                }
            });
        }
    };
    let of_opened = |error| of_job(opened.signature.clone(), error);

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
        replicas: addresses
            .iter()
            .skip(1)
            .map(|job| Replica {
                job: job.to_string(),
                story: Story::default(),
            })
            .collect(),
        unit: token.unit,
    };
    if !order.detach && submitted.replicas.is_empty() {
        let followed = follow(context, prepared, address, token.unit, if_expired).await;
        (submitted.files, submitted.story) = followed.map_err(of_opened)?;
    } else if !order.detach {
        let followed = follow_all(context, prepared, &addresses, token.unit).await;
        let (files, stories) = followed.map_err(of_opened)?;
        submitted.files = files;
        let mut stories = stories.into_iter();
        submitted.story = stories.next().unwrap_or_default();
        for (replica, story) in submitted.replicas.iter_mut().zip(stories) {
            replica.story = story;
        }
    }
    Ok(Answer::new(&submitted))
}

/// Whether a device on the market has what the terms ask of it; they do, without being looked at, when nothing is asked.
async fn devices_meet(context: &Context, terms: &JobTerms) -> Result<bool> {
    let least = [terms.min_vram_gb, terms.min_multiplier_x100, terms.min_jobs_done];
    if terms.gpu_model == ANY_GPU && least == [0; 3] {
        return Ok(true);
    }
    let mut asked = Job::zeroed();
    asked.gpu_model = terms.gpu_model.into();
    asked.min_vram_gb = terms.min_vram_gb.into();
    asked.min_multiplier_x100 = terms.min_multiplier_x100.into();
    asked.min_jobs_done = terms.min_jobs_done.into();
    let (gpus, devices) = tokio::try_join!(context.chain.find::<GpuModel>(&[]), context.chain.find::<Device>(&[]))?;
    Ok(devices
        .iter()
        .filter(|(_, device)| device.status == STATUS_ACTIVE)
        .any(|(_, device)| {
            let gpu = gpus.iter().find(|(_, gpu)| gpu.id == device.gpu_model);
            gpu.is_some_and(|(_, gpu)| asked.check_requirements(device, gpu).is_ok())
        }))
}

/// A random job id whose address is found at the first try, which is cheapest on the chain.
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

/// Waits for a job's end; writes its output as soon as it is public.
async fn follow(context: &Context, prepared: &Prepared, address: Address, unit: Unit, if_expired: &str) -> Result<(Vec<PathBuf>, Story)> {
    let delivery = &prepared.delivery(context, address);
    let progress = &Progress::spinner(context);
    progress.say(&format!("job {address} is open"));
    progress.say(&format!("if this ends early: ionet job fetch {address}"));
    let mut states = pin!(Follower::new(context, address).states());
    let (mut files, mut delivering) = (Vec::new(), None);
    let story = loop {
        let state = tokio::select! {
            Some(state) = states.next() => state?,
            Some(delivered) = OptionFuture::from(delivering.as_mut()) => {
                files = delivered?;
                delivering = None;
                continue;
            }
        };
        match state {
            State::Live(job) if job.status == Status::Convicted => {
                return refuse(format!(
                    "the result of job {address} was proved wrong, so nothing is paid for it and the money is free again; {} \
                     (`ionet job show {address}` says what was wrong)",
                    again(&files)
                ));
            }
            State::Live(job) => {
                if job.status == Status::Revealed && files.is_empty() && delivering.is_none() {
                    let (outputs, window) = (job.outputs, span(job.window_seconds.get().into()));
                    delivering = Some(Box::pin(async move {
                        let files = delivery.make_when_served(&outputs, progress).await?;
                        progress.say(&format!(
                            "revealed: the result is written, and paid when its window of {window} has passed"
                        ));
                        progress.say(&format!("anyone may then: ionet job settle {address}"));
                        Ok::<_, Error>(files)
                    }));
                }
                progress.wait(waiting(&job, unit));
            }
            State::Silent(reason) => progress.wait(silent(&reason)),
            State::Ended(story) => break story,
        }
    };
    match story.ending() {
        Some(Step::Settled { outputs, .. }) if files.is_empty() => {
            files = delivery.make(&blobs::parse_address(outputs)?).await?;
        }
        Some(Step::Awarded { .. }) => {
            return refuse(format!(
                "the result of job {address} was proved wrong, so nothing was paid for it; {}",
                again(&files)
            ));
        }
        Some(step @ Step::Refunded { reason, .. }) => {
            let next = match *reason {
                "expired" => if_expired,
                _ => "submit it again",
            };
            return refuse(format!("job {address} {}; {next}", step.describe(unit)));
        }
        _ => {}
    }
    Ok((files, story))
}

/// Waits for the end of all replicas of a job, or for a conviction; writes the output of one that was paid.
async fn follow_all(context: &Context, prepared: &Prepared, addresses: &[Address], unit: Unit) -> Result<(Vec<PathBuf>, Vec<Story>)> {
    let progress = Progress::spinner(context);
    for (number, address) in (1..).zip(addresses) {
        progress.say(&format!("replica {number} is job {address}"));
    }
    progress.say("should this end early, `ionet job fetch` with any of them gets the result");
    let following = (1..).zip(addresses).map(|(number, address)| {
        let progress = &progress;
        async move {
            let mut follower = Follower::new(context, *address);
            loop {
                match follower.next().await? {
                    State::Live(job) if job.status == Status::Convicted => {
                        progress.say(&format!("replica {number}: its result was proved wrong; nothing is paid for it"));
                        return Story::read(context, address).await;
                    }
                    State::Live(job) => progress.say(&format!("replica {number}: {}", waiting(&job, unit))),
                    State::Silent(reason) => progress.say(&format!("replica {number}: {}", silent(&reason))),
                    State::Ended(story) => return Ok(story),
                }
            }
        }
    });
    let stories = try_join_all(following).await?;
    let paid = addresses.iter().zip(&stories).find_map(|(job, story)| match story.ending() {
        Some(Step::Settled { outputs, .. }) => Some((*job, outputs)),
        _ => None,
    });
    let Some((job, outputs)) = paid else {
        return refuse("none of the replicas was paid, so there is no result, and the money is free again; submit it again");
    };
    let files = prepared.delivery(context, job).make(&blobs::parse_address(outputs)?).await?;
    Ok((files, stories))
}

/// What to do after a wrong result, of which `files` were written before it was proved wrong.
fn again(files: &[PathBuf]) -> String {
    match files.split_first() {
        None => "submit it again".to_owned(),
        Some((file, [])) => format!("submit it again with --force, as {} holds the wrong result", file.display()),
        Some((file, _)) => format!(
            "submit it again with --force, as {} and those beside it hold the wrong result",
            file.display()
        ),
    }
}

/// What there is to say of a node that does not answer.
fn silent(reason: &str) -> String {
    format!("trying again: {reason}")
}

/// What a job waits for.
fn waiting(job: &Job, unit: Unit) -> String {
    let price = || unit.show(job.price.get());
    match Status::from_code(job.status) {
        Some(Status::Open) => "open: waiting for a device to claim it".to_owned(),
        Some(Status::Assigned) => format!("claimed by device {} at {} a unit: it is computing", job.device, price()),
        _ if job.awaits_siblings() => "committed: waiting for the other replicas".to_owned(),
        _ if job.awaits_auditor() => "committed: drawn for an audit, waiting for an auditor".to_owned(),
        Some(Status::Committed) => "committed: waiting for the result to be revealed".to_owned(),
        _ => "revealed: waiting for its window to pass, and for anyone who settles it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{amount::SOL, error::code, story::Chapter, testing};
    use chain::fake::Fake;
    use jobs::{Escrow, Model, events::JobSettled};
    use protocol::batch::BatchHeader;
    use solana_account::Account;
    use solana_instruction::AccountMeta;
    use std::{
        io::{BufRead, BufReader, Write},
        net::TcpListener,
        sync::Arc,
        time::Duration,
    };

    /// Somebody who orders a picture, whose escrow pays for it, on a node in memory.
    fn consumer(folder: &Path) -> (Arc<Fake>, Context, What) {
        let fake = Arc::new(Fake::default());
        let (context, wallet, mint) = testing::on_market(&fake, folder, 0);
        let owner = wallet.pubkey();
        let escrow = Escrow {
            free: u64::MAX.into(),
            ..Escrow::zeroed()
        };
        fake.set_account(job::escrow(&owner, &mint), testing::account(&escrow));
        let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/imagine");
        let model = Package::load(&package).unwrap().model;
        fake.set_account(job::model(&model), testing::account(&Model::zeroed()));
        let output = folder.join("picture.png");
        let [package, output] = [&package, &output].map(|path| path.to_str().unwrap());
        let what = testing::typed(&["imagine", "a red circle", "--package", package, "--out", output]);
        (fake, context, what)
    }

    #[tokio::test]
    async fn who_has_no_models_here_is_told_how_to_name_them() {
        let folder = tempfile::tempdir().unwrap();
        let (_, mut context, _) = consumer(folder.path());
        context.settings.models = folder.path().to_owned();
        let what: What = testing::typed(&["imagine", "a red circle"]);
        let error = what.run(&context).await.unwrap_err().to_string();
        assert!(
            error.contains("--package") && error.contains("`ionet config set models FOLDER`"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn an_error_after_opening_names_the_job() {
        for lands in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let (fake, mut context, what) = consumer(folder.path());
            if !lands {
                fake.on_send(|_| None);
                context.options.timeout = Duration::from_millis(1);
            }
            // Where it lands, the node knows no job all the same.
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
        let folder = tempfile::tempdir().unwrap();
        let (fake, context, what) = consumer(folder.path());
        let error = testing::expired(&fake, what.run(&context)).await.unwrap_err();
        assert!(error.to_string().contains("send it again") && error.job().is_none(), "{error}");
        let records = std::fs::read_dir(context.settings.data.join("jobs")).into_iter().flatten();
        assert_eq!(records.count(), 0, "nothing is kept of it");
    }

    /// A store that refuses at first, then has nothing for longer than anybody asks at once, and then has `blob` and says so.
    fn late_store(blob: Vec<u8>, served: impl Fn() + Send + 'static) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/blobs", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                let lines = BufReader::new(&stream).lines();
                lines
                    .map_while(std::result::Result::ok)
                    .take_while(|line| !line.is_empty())
                    .for_each(drop);
                let (status, body) = match number {
                    0 => ("403 Forbidden", &[][..]),
                    1..20 => ("404 Not Found", &[][..]),
                    _ => ("200 OK", blob.as_slice()),
                };
                write!(
                    stream,
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                )
                .unwrap();
                stream.write_all(body).unwrap();
                if !body.is_empty() {
                    served();
                }
            }
        });
        url
    }

    /// Follows a job of one picture that is settled once the store has served its result, of so many pictures.
    async fn followed(folder: &Path, pictures: u32) -> (Result<(Vec<PathBuf>, Story)>, Context, Prepared, Address, protocol::hash::Hash) {
        let (fake, mut context, what) = consumer(folder);
        let What::Imagine { prompt, order, .. } = what else {
            unreachable!("a picture was ordered")
        };
        let prepared = imagine(&context, &prompt, 0, 1, &order).unwrap();
        let (package, address) = (&prepared.package, Address::new_unique());
        let header = BatchHeader::outputs(pictures, package.output_id(), package.output_shape()).unwrap();
        let mut blob = header.encode().to_vec();
        blob.resize(header.blob_bytes() as usize, 128);
        let outputs = blobs::address(&blob).unwrap();
        let paid = JobSettled {
            job: address,
            device: Address::default(),
            consumer_pays: 3,
            supplier_gets: 2,
            fees: 1,
            auditor_gets: 0,
            outputs,
        };
        fake.on_send(move |_| Some(testing::landed(&testing::said(&paid))));
        let names = Instruction::new_with_bytes(jobs::ID, &[], vec![AccountMeta::new(address, false)]);
        let wallet = context.wallet().unwrap();
        context.chain.send(&[names], &[&wallet], &context.options).await.unwrap();

        let revealed = Job {
            status: Status::Revealed as u8,
            outputs,
            ..Job::zeroed()
        };
        fake.set_account(address, testing::account(&revealed));
        let ending = fake.clone();
        context.settings.blobs = late_store(blob, move || ending.set_account(address, Account::default()));
        let followed = follow(&context, &prepared, address, SOL, "").await;
        (followed, context, prepared, address, outputs)
    }

    #[tokio::test]
    async fn a_result_that_is_served_late_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let (followed, context, prepared, address, outputs) = followed(folder.path(), 1).await;
        let (files, story) = followed.unwrap();
        assert_eq!(files.as_slice(), std::slice::from_ref(&prepared.record.output));
        assert!(crate::photo::open_photo(&prepared.record.output).is_ok());
        assert!(matches!(story.ending(), Some(Step::Settled { .. })));

        // What has come to be where it was to be written stays, and the sentence says what to do.
        let clash = prepared.delivery(&context, address).make(&outputs).await.unwrap_err().to_string();
        assert!(clash.contains(&format!("`ionet job fetch {address} -o FILE`")), "{clash}");
    }

    #[tokio::test]
    async fn a_result_of_another_shape_is_for_the_chain_to_judge() {
        let folder = tempfile::tempdir().unwrap();
        // It is waited for the job's end all the same: the store serves the result again then.
        let (followed, _, _, address, _) = followed(folder.path(), 2).await;
        let error = followed.unwrap_err().to_string();
        assert!(error.contains(&format!("`ionet verify {address} --convict`")), "{error}");
        assert!(!error.contains("job fetch"), "{error}");
    }

    fn story(step: Step) -> Story {
        Story(vec![Chapter {
            step,
            signature: String::new(),
            slot: 0,
            fee: 0,
            compute_units: 0,
        }])
    }

    fn settled(outputs: &str) -> Story {
        story(Step::Settled {
            consumer_pays: 3,
            supplier_gets: 2,
            fees: 1,
            outputs: outputs.to_owned(),
        })
    }

    fn expired() -> Story {
        story(Step::Refunded {
            reason: "expired",
            refund: 3,
            penalty: 0,
        })
    }

    fn submitted(stories: Vec<Story>) -> Submitted {
        let mut stories = stories.into_iter();
        Submitted {
            job: "first".to_owned(),
            escrow: String::new(),
            model: String::new(),
            inputs: String::new(),
            units: 1,
            locked: 9,
            opened: Sent {
                signature: String::new(),
                slot: 0,
                fee: 0,
                compute_units: 0,
            },
            files: Vec::new(),
            story: stories.next().unwrap(),
            replicas: stories
                .map(|story| Replica {
                    job: "other".to_owned(),
                    story,
                })
                .collect(),
            unit: SOL,
        }
    }

    #[test]
    fn what_replicas_show_is_said() {
        let cases = [
            (vec![settled("a")], None),
            (vec![expired(), expired()], None),
            (vec![expired(), settled("a")], Some("only 1 of 2")),
            (
                vec![settled("a"), expired(), settled("a")],
                Some("2 of 3 computed it, and they agree"),
            ),
            (vec![settled("a"), settled("b")], Some("differ")),
        ];
        for (stories, words) in cases {
            let said = submitted(stories).compared();
            assert_eq!(said.is_some(), words.is_some(), "{said:?}");
            assert!(words.is_none_or(|words| said.as_ref().unwrap().contains(words)), "{said:?}");
        }
    }

    #[test]
    fn the_story_told_is_that_of_the_result() {
        let said = submitted(vec![expired(), settled("a")]).to_string();
        let (facts, told) = said.split_once("\n\n").unwrap();
        assert!(facts.contains("first: expired") && facts.contains("other: settled"), "{said}");
        assert!(told.starts_with("settled"), "{said}");
    }
}
