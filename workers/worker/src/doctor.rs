//! Checks of a worker's setup that say how to fix each problem: all of them for `ionet-worker doctor`, and the quick ones at every start.

use crate::market::{View, demands_of};
use crate::reserve::in_sol;
use crate::worker::{check_payout, find_device};
use crate::{Error, Models, Result, Settings, Worker, reserve, work};
use blobs::{BlobStore, local_folder};
use chain::{Chain, PriorityFee, market};
use daemon::free_space;
use engine::cuda::{Device, Traits};
use jobs::{DemandHeader, Model};
use protocol::emission;
use protocol::hash::Hash;
use protocol::work::Size;
use solana_address::Address;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::convert::Infallible;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

/// Runs all checks and reports a line for each. Skips checks that need an earlier one to have passed.
pub async fn examine(settings: &Settings, chain: &Chain, mut report: impl FnMut(String)) -> Result<()> {
    let mut problems = 0;
    let mut say = |what: &str, outcome: std::result::Result<String, String>| match outcome {
        Ok(text) => report(format!("ok       {what}: {text}")),
        Err(text) => {
            problems += 1;
            report(format!("problem  {what}: {text}"));
        }
    };

    let models = Models::load(&settings.models, settings.threads);
    say("models", models.as_ref().map(names).map_err(Error::to_string));
    let gpus = check_gpus(settings, models.as_ref().ok(), &mut say);
    for place in &settings.blobs {
        say("blob store", check_place(place).await);
    }
    let kept = settings.max_blob.saturating_mul(3).saturating_mul(settings.parallel_jobs as u64);
    say("data", check_data(&settings.data, kept));
    let key = chain::load_keypair(&settings.keypair).map_err(Error::from);
    say("key", key.as_ref().map(|key| key.pubkey().to_string()).map_err(Error::to_string));

    let url = chain.network().url().to_owned();
    let programs = chain.check(&[staking::ID, jobs::ID]).await;
    say(
        "chain",
        programs
            .as_ref()
            .map(|()| format!("{url} has the market's programs"))
            .map_err(ToString::to_string),
    );
    if programs.is_ok() {
        say("node", check_node(chain).await);
        say("news", check_news(chain).await);
        if let Ok(models) = &models {
            say("registration", check_models(chain, models).await);
        }
        if let Ok(key) = &key {
            say("SOL", check_balance(chain, &key.pubkey(), settings.priority_fee).await);
            let device = settings.device.unwrap_or_else(|| market::stake::device(&key.pubkey()));
            check_device(chain, &device, key, &gpus, &mut say).await;
            say("demands", check_demands(chain, &device).await);
        }
    }
    if problems > 0 { Err(Error::Unwell(problems)) } else { Ok(()) }
}

fn names(models: &Models) -> String {
    let names: Vec<_> = models.iter().map(|(_, model)| model.name.as_str()).collect();
    names.join(", ")
}

/// Says whether the models run on each GPU, or why not: driver, age of the GPU, compiler, memory. Returns the GPUs on which they do.
fn check_gpus(
    settings: &Settings,
    models: Option<&Models>,
    say: &mut impl FnMut(&str, std::result::Result<String, String>),
) -> Vec<Arc<dyn Device>> {
    let opened = match settings.gpu.open() {
        Ok(opened) if opened.is_empty() => {
            say("GPU", Ok("turned off by `gpu`, so models run on the CPU".to_owned()));
            opened
        }
        Ok(opened) => opened,
        Err(error) => {
            let absent = settings.gpu.absent(&error);
            let none = || format!("none, so models run on the CPU: {error}");
            say("GPU", if absent { Ok(none()) } else { Err(error.to_string()) });
            Vec::new()
        }
    };
    let mut sound = Vec::new();
    for (ordinal, device) in opened {
        let outcome = device.map_err(|error| error.to_string()).and_then(|device| {
            let text = check_gpu(&device, models)?;
            sound.push(device);
            Ok(text)
        });
        say(&format!("GPU {ordinal}"), outcome);
    }
    sound
}

fn check_gpu(device: &Arc<dyn Device>, models: Option<&Models>) -> std::result::Result<String, String> {
    let mut used = 0;
    for (_, model) in models.into_iter().flat_map(Models::iter) {
        model
            .engine()
            .attach(device.clone())
            .map_err(|error| format!("{} does not run on it: {error}", model.name))?;
        // The last resident is this GPU.
        used += model.engine().residents().last().map_or(0, |gpu| gpu.bytes);
    }
    let free = device.free_memory().map_err(|error| error.to_string())?;
    Ok(describe(device.traits(), used, free))
}

/// One line about a GPU, the bytes of its memory that the models use, and those that are free.
fn describe(traits: &Traits, used: u64, free: u64) -> String {
    let older = if traits.wants_newer_compiler() {
        "; with NVRTC from CUDA 12.4 or later they would use its newer tensor cores"
    } else {
        ""
    };
    format!(
        "{} (sm_{}): the models use {} MiB of its memory, {} MiB are free{older}",
        traits.name,
        traits.arch,
        used >> 20,
        free >> 20
    )
}

/// Whether this machine can do the work that calls ask for.
fn check_work(size: Size, quantity: u8, gpus: &[Arc<dyn Device>]) -> std::result::Result<String, String> {
    work::check(size, quantity, gpus)?;
    for device in gpus {
        let (needed, free) = (
            engine::work::gpu_memory(size),
            device.free_memory().map_err(|error| error.to_string())?,
        );
        if free < needed {
            return Err(format!(
                "calls ask for work that needs {} MiB of memory on GPU {}, but the models leave only {} MiB; close other programs or serve fewer models",
                needed >> 20,
                device.traits().ordinal,
                free >> 20
            ));
        }
    }
    Ok(format!("calls ask for 2^{} products of each GPU", size.products().ilog2()))
}

/// Whether a blob store answers. Does not create a missing folder, because its name may be mistyped.
async fn check_place(place: &str) -> std::result::Result<String, String> {
    if let Some(folder) = local_folder(place).filter(|folder| !folder.is_dir()) {
        let folder = folder.display();
        return Err(format!("there is no folder {folder}; create it, or correct `blobs`"));
    }
    check_store(&BlobStore::open(place).map_err(|error| error.to_string())?).await
}

/// Whether a blob store answers, or why not.
pub async fn check_store(store: &BlobStore) -> std::result::Result<String, String> {
    // No blob has this address, and a working store says so.
    match store.contains(&Hash::default()).await {
        Ok(_) => Ok(format!("{store} answers")),
        Err(blobs::Error::Store { place, reason, .. }) => Err(format!(
            "{place} does not answer ({reason}); start it, or use another one in `blobs`"
        )),
        Err(error) => Err(error.to_string()),
    }
}

/// Whether the data folder exists or can be created, with room for so many bytes.
fn check_data(folder: &Path, kept: u64) -> std::result::Result<String, String> {
    let near = folder.ancestors().find(|place| place.exists()).unwrap_or(Path::new("."));
    let probe = near.join(format!(".ionet-doctor-{}", std::process::id()));
    let written = File::create_new(&probe).and_then(|_| fs::remove_file(&probe));
    written.map_err(|error| {
        format!(
            "{} cannot be written to ({error}); make it writable, or move `data`",
            near.display()
        )
    })?;
    let free = free_space(near).map_err(|error| format!("the free space of {} is unknown ({error}); see to the disk", near.display()))?;
    let (free, kept) = (free.unwrap_or(u64::MAX) >> 20, kept >> 20);
    let folder = folder.display();
    if free < kept {
        return Err(format!(
            "{folder} has {free} MiB left, and the largest jobs need {kept}; free space, move `data`, or lower `max_blob_mib`"
        ));
    }
    Ok(format!("{folder} can be written to, and has {free} MiB left"))
}

/// Whether the node keeps up with its cluster.
async fn check_node(chain: &Chain) -> std::result::Result<String, String> {
    let now = chain.now().await.map_err(|error| error.to_string())?;
    let lag = chain::lag(now);
    match chain::lag_problem(lag) {
        Some(problem) => Err(problem),
        None => Ok(format!("its clock is {lag} seconds behind this machine's")),
    }
}

/// Whether the node pushes changes.
async fn check_news(chain: &Chain) -> std::result::Result<String, String> {
    let filters = demands_of(&Address::default());
    let subscribed = chain.network().program_changes(&jobs::ID, &filters).await;
    let text = |error| format!("{error}; set `ws`, or use another node in `cluster`: otherwise jobs and demands are found late");
    subscribed.map(|_| "the node pushes new jobs and demands".to_owned()).map_err(text)
}

async fn check_models(chain: &Chain, models: &Models) -> std::result::Result<String, String> {
    let (mut here, mut absent) = (Vec::new(), Vec::new());
    for (address, model) in models.iter() {
        let registered = chain.try_fetch::<Model>(address).await.map_err(|error| error.to_string())?;
        if registered.is_some() { &mut here } else { &mut absent }.push(model.name.as_str());
    }
    match (here.join(", "), absent.join(", ")) {
        (_, absent) if here.is_empty() => Err(format!(
            "nobody can order {absent} on this cluster, because the model is not published; publish it with `ionet model publish`, or get packages of published models"
        )),
        (here, absent) if absent.is_empty() => Ok(here),
        (here, absent) => Ok(format!("{here}; not published on this cluster, so not used: {absent}")),
    }
}

async fn check_balance(chain: &Chain, key: &Address, fee: PriorityFee) -> std::result::Result<String, String> {
    let account = chain.account(key).await.map_err(|error| error.to_string())?;
    let lamports = account.map_or(0, |account| account.lamports);
    let (answers, evidence) = (reserve::for_answers(fee), reserve::EVIDENCE_LAMPORTS);
    let [has, each, shown, fund] = [lamports, answers, evidence, reserve::FUND].map(in_sol);
    let results = lamports.saturating_sub(evidence).checked_div(answers).unwrap_or_default();
    if results == 0 {
        return Err(format!(
            "{key} has {has} SOL, too little for any job: answers to demands about one result may cost {each} at the highest fees, and a check-in locks up to {shown} for a short time; send it {fund}"
        ));
    }
    Ok(format!(
        "{key} has {has} SOL, enough for {results} results at a time and a check-in"
    ))
}

async fn check_demands(chain: &Chain, device: &Address) -> std::result::Result<String, String> {
    let open: Vec<(Address, DemandHeader)> = chain.find(&demands_of(device)).await.map_err(|error| error.to_string())?;
    let now = chain.now().await.map_err(|error| error.to_string())?.unix;
    let left = open.iter().map(|(_, demand)| demand.deadline_at.get().saturating_sub(now)).min();
    match left {
        None => Ok("none is waiting for an answer".to_owned()),
        Some(left) => Err(format!(
            "{} are waiting for an answer, the first for {left} more seconds, and silence costs the bond; start the worker at once",
            open.len()
        )),
    }
}

async fn check_device(
    chain: &Chain,
    device: &Address,
    key: &Keypair,
    gpus: &[Arc<dyn Device>],
    say: &mut impl FnMut(&str, std::result::Result<String, String>),
) {
    let account = match find_device(chain, device, key).await {
        Ok(account) => account,
        Err(error) => return say("device", Err(error.to_string())),
    };
    let view = match View::read(chain, device, &key.pubkey(), account.gpu_model.get(), None).await {
        Ok(view) => view,
        Err(error) => return say("device", Err(error.to_string())),
    };
    say(
        "device",
        if account.status == 0 {
            Ok(format!("{device} is registered"))
        } else {
            Err(format!("{device} is retired; register another one"))
        },
    );
    say(
        "payout",
        match check_payout(chain, device, &account).await {
            Ok(()) => Ok(format!("jobs are paid to {}", account.payout)),
            Err(error) => Err(error.to_string()),
        },
    );

    let hour = emission::number_of(view.now.unix).unwrap_or_default();
    say("work", check_work(view.gpu.work_in(hour), account.quantity, gpus));
    say("stake", check_stake(&account, &view));

    let left = account
        .registered_at
        .get()
        .saturating_add(view.staking.probation.get().into())
        .saturating_sub(view.now.unix);
    say(
        "probation",
        if left > 0 {
            Err(format!("the device may take jobs in {left} seconds; leave the worker running"))
        } else {
            Ok("over".to_owned())
        },
    );
    say(
        "market",
        if view.jobs.paused.get() {
            Err("paused: no jobs can be claimed; jobs in progress continue".to_owned())
        } else {
            Ok("open".to_owned())
        },
    );
}

/// Whether the device has the stake to bond for a job.
fn check_stake(account: &staking::Device, view: &View) -> std::result::Result<String, String> {
    let io = |amount: u64| amount as f64 / protocol::units::IO as f64;
    let staked = account.own_stake.get().saturating_add(account.co_stake.get());
    let minimum = account
        .minimum(&view.staking, &view.gpu, view.now.unix)
        .map_or(u64::MAX, |minimum| minimum.0);
    let free = account.own_stake.get().saturating_sub(account.locked_bond.get());
    if view.gpu.multiplier_x100 == 0 {
        Err("the GPU model of this device takes no jobs and earns no rewards; `ionet device list-models` lists those that do".to_owned())
    } else if account.dues > 0 {
        Err("a slash will take stake that is or was locked in bonds: no new jobs until it has, once all jobs have ended and challengers are paid".to_owned())
    } else if staked < minimum {
        Err(format!(
            "{} $IO of the required {}; add the rest with `ionet stake add`",
            io(staked),
            io(minimum)
        ))
    } else if free < view.jobs.min_bond.get() {
        Err(format!(
            "{} $IO are free, less than the smallest bond of {}; wait for jobs in progress to end, or stake more",
            io(free),
            io(view.jobs.min_bond.get())
        ))
    } else {
        Ok(format!("{} $IO, {} of them free for bonds", io(staked), io(free)))
    }
}

impl Worker {
    /// Logs problems that keep this worker from being paid and are quick to check. Never completes.
    pub(crate) async fn warn_of_problems(&self) -> Infallible {
        let mut say = |check: &str, outcome: std::result::Result<String, String>| {
            if let Err(problem) = outcome {
                tracing::warn!(event = "problem", check, "{problem}");
            }
        };
        for store in &self.stores {
            say("blob store", check_store(store).await);
        }
        say(
            "SOL",
            check_balance(&self.chain, &self.key.pubkey(), self.settings.priority_fee).await,
        );
        check_device(&self.chain, &self.device, &self.key, &self.gpus, &mut say).await;
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use engine::cuda::Cores;

    #[test]
    fn a_gpu_held_back_by_an_old_compiler_is_reported() {
        let gpu = |arch, cores| {
            let traits = Traits {
                ordinal: 0,
                name: "X".to_owned(),
                memory: 1 << 34,
                arch,
                cores,
                processors: 1,
            };
            describe(&traits, 3 << 20, 5 << 20)
        };
        let plain = "X (sm_90): the models use 3 MiB of its memory, 5 MiB are free";
        assert_eq!(gpu(90, Cores::Group), plain);
        assert!(gpu(90, Cores::Warp).strip_prefix(plain).is_some_and(|more| more.contains("12.4")));
        assert_eq!(gpu(89, Cores::Warp), plain.replace("90", "89"));
    }

    #[tokio::test]
    async fn a_mistyped_folder_is_reported_and_not_created() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("blosb");
        for place in [folder.display().to_string(), format!("file://{}", folder.display())] {
            let problem = check_place(&place).await.unwrap_err();
            assert!(problem.contains("there is no folder") && problem.contains("`blobs`"), "{problem}");
        }
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
        check_place(&base.path().display().to_string()).await.unwrap();
    }

    #[test]
    fn an_impossible_data_folder_is_reported_and_not_created() {
        let base = tempfile::tempdir().unwrap();
        check_data(&base.path().join("a/b"), 0).unwrap();
        check_data(base.path(), 0).unwrap();
        let full = check_data(base.path(), u64::MAX).unwrap_err();
        assert!(full.contains("MiB left"), "{full}");
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
        let file = base.path().join("file");
        fs::write(&file, "").unwrap();
        for place in [file.join("data"), "/proc/none/data".into()] {
            let problem = check_data(&place, 0).unwrap_err();
            assert!(problem.contains("cannot be written to") && problem.contains("`data`"), "{problem}");
        }
    }
}
