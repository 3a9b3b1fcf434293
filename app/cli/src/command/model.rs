//! `ionet model`: models registered on the chain.

use crate::{
    amount::SOL,
    context::Context,
    error::{Result, refuse},
    output::{Answer, Table, count, fields},
    progress::Progress,
    send::{Sent, confirm},
};
use chain::market::job;
use chain::rent;
use clap::Subcommand;
use engine::Package;
use jobs::{DraftHeader, Model, state::draft_space};
use protocol::{hash::Hash, tensor::Shape};
use serde::Serialize;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_signer::Signer;
use std::{
    fmt,
    path::{Path, PathBuf},
};
use tokio::task::spawn_blocking;

/// Bytes of op descriptors, each with its length, that one transaction carries.
///
/// A transaction has 1,232 bytes. Around them: one signature (65), four keys (129), header and blockhash (35), the compute budget's
/// instruction (12 with a price, 8 more with a limit) and this one's own frame (17): 978 are left.
const BYTES_PER_TRANSACTION: usize = 960;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Register a model package, or resume an interrupted registration
    Publish {
        /// Folder with model.json and tensors.safetensors
        package: PathBuf,
    },
    /// List registered models
    List,
    /// Show a registered model
    Show {
        /// Name, hash or address of the model, or the folder of its package
        model: String,
    },
}

/// Largest `tensors.safetensors` that is hashed just to print a name.
const MAX_NAMED_BYTES: u64 = 256 << 20;

/// Names of the models whose packages are in the models folder, by the accounts they are registered at. A model's hash covers what it
/// computes, but not its name, so several models may have the same one.
#[derive(Default)]
pub struct Names(Vec<(Address, String)>);

impl Names {
    /// The names in a folder of packages. Packages that cannot be used, or are too large to be hashed for this, have none.
    pub async fn load(models: &Path) -> Self {
        let models = models.to_owned();
        let loading = spawn_blocking(move || {
            let is_small = |folder: &PathBuf| {
                let tensors = folder.join("tensors.safetensors").metadata();
                tensors.is_ok_and(|tensors| tensors.len() <= MAX_NAMED_BYTES)
            };
            let sound = folders(&models).filter(is_small).filter_map(|folder| Package::load(&folder).ok());
            sound.map(|package| (job::model(&package.model), package.name)).collect()
        });
        // A name is a convenience: without one, addresses and hashes are shown.
        Self(loading.await.unwrap_or_default())
    }

    /// Name of the model that is registered at this address.
    pub fn of(&self, model: &Address) -> Option<String> {
        self.0.iter().find(|(address, _)| address == model).map(|(_, name)| name.clone())
    }

    /// Address of the model with this name; fails if there are several.
    fn named(&self, name: &str) -> Result<Option<Address>> {
        let mut named = self.0.iter().filter(|(_, other)| other == name).map(|(address, _)| *address);
        let first = named.next();
        match named.all(|other| Some(other) == first) {
            true => Ok(first),
            false => refuse(format!(
                "several packages are named {name}; give the hash of the model, or the folder of its package"
            )),
        }
    }
}

/// The folders of the packages in a folder.
fn folders(models: &Path) -> impl Iterator<Item = PathBuf> {
    let folders = std::fs::read_dir(models).into_iter().flatten().flatten().map(|entry| entry.path());
    folders.filter(|folder| folder.join("model.json").is_file())
}

/// The packages in a folder, each with its own folder.
pub fn packages(models: &Path) -> impl Iterator<Item = (PathBuf, std::result::Result<Package, engine::Error>)> {
    folders(models).map(|folder| {
        let package = Package::load(&folder);
        (folder, package)
    })
}

#[derive(Serialize)]
struct Shown {
    model: String,
    hash: String,
    registrar: String,
    n_ops: u32,
    /// Ops from one checkpoint of a trace to the next.
    checkpoint_interval: u32,
    macs: u64,
    inputs: Vec<[u16; 3]>,
    output: [u16; 3],
}

impl Shown {
    fn new(address: &Address, model: &Model) -> Self {
        let dims = |bytes: &[u8; Shape::BYTES]| {
            let Shape { h, w, c } = Shape::from_bytes(*bytes);
            [h, w, c]
        };
        Self {
            model: address.to_string(),
            hash: hex::encode(model.hash),
            registrar: model.registrar.to_string(),
            n_ops: model.n_ops.get(),
            checkpoint_interval: model.checkpoints().interval(),
            macs: model.macs.get(),
            inputs: model.inputs.iter().take(model.n_inputs.into()).map(dims).collect(),
            output: dims(&model.output),
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checkpoints = match self.checkpoint_interval {
            1 => "every op's output".to_owned(),
            interval => format!("the output of one op in {interval}, and of the last; the others are shown on demand"),
        };
        let lines = [
            ("model", self.model.clone()),
            ("hash", self.hash.clone()),
            ("registrar", self.registrar.clone()),
            ("ops", self.n_ops.to_string()),
            ("traces hold", checkpoints),
            ("MACs a unit", self.macs.to_string()),
            ("inputs", format!("{:?}", self.inputs)),
            ("output", format!("{:?}", self.output)),
        ];
        fields(f, &lines)
    }
}

/// A model with its name, if its package is in the models folder.
#[derive(Serialize)]
struct Named {
    name: Option<String>,
    #[serde(flatten)]
    shown: Shown,
}

impl Named {
    fn new(address: &Address, model: &Model, names: &Names) -> Self {
        Self {
            name: names.of(address),
            shown: Shown::new(address, model),
        }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.iter().try_for_each(|name| writeln!(f, "{name}"))?;
        write!(f, "{}", self.shown)
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct List(Vec<Named>);

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return writeln!(f, "no models; register one with `ionet model publish`");
        }
        let mut table = Table::new(["hash", "name", "ops", "MACs a unit", "output"]);
        for Named { name, shown: model } in &self.0 {
            table.row([
                model.hash.clone(),
                name.clone().unwrap_or_else(|| "–".to_owned()),
                model.n_ops.to_string(),
                model.macs.to_string(),
                format!("{:?}", model.output),
            ]);
        }
        write!(f, "{table}")
    }
}

#[derive(Serialize)]
struct Published {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(flatten)]
    shown: Option<Shown>,
    already_registered: bool,
    transactions: Vec<Sent>,
}

impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match (self.already_registered, self.transactions.len()) {
            (true, _) => "already registered, nothing to do".to_owned(),
            (false, sent) => format!("registered in {}", count(sent as u64, "transaction")),
        };
        writeln!(f, "{}: {how}", self.name)?;
        self.shown.iter().try_for_each(|shown| writeln!(f, "{shown}"))
    }
}

impl Command {
    pub async fn run(self, context: &Context) -> Result<Answer> {
        match self {
            Self::Publish { package } => {
                // Read and checked before the chain is asked anything.
                let package = Package::load(&package)?;
                context.market().await?;
                publish(context, &package).await
            }
            Self::List => {
                let mut models: Vec<(Address, Model)> = context.chain.find(&[]).await?;
                models.sort_by_key(|(_, model)| model.hash);
                let names = match models.is_empty() {
                    true => Names::default(),
                    false => Names::load(&context.settings.models).await,
                };
                let named = models.iter().map(|(address, model)| Named::new(address, model, &names));
                Ok(Answer::new(&List(named.collect())))
            }
            Self::Show { model } => {
                let names = Names::load(&context.settings.models).await;
                let (address, model) = find(context, &names, &model).await?;
                Ok(Answer::new(&Named::new(&address, &model, &names)))
            }
        }
    }
}

/// Finds a model by name, hash, address or package folder.
async fn find(context: &Context, names: &Names, text: &str) -> Result<(Address, Model)> {
    let mut hash = Hash::default();
    let address = match hex::decode_to_slice(text, &mut hash) {
        Ok(()) => Some(job::model(&hash)),
        Err(_) => match text.parse() {
            Ok(address) => Some(address),
            Err(_) => names.named(text)?,
        },
    };
    let model: Option<Model> = match &address {
        Some(address) => context.chain.try_fetch(address).await?,
        None if Path::new(text).exists() => return registered(context, &Package::load(text.as_ref())?).await,
        None => None,
    };
    match address.zip(model) {
        Some(found) => Ok(found),
        None => refuse(format!(
            "{} has no model {text}; `ionet model list` shows registered models",
            context.settings.cluster
        )),
    }
}

/// The account of a registered model; fails with what to do if it is not registered.
pub async fn registered(context: &Context, package: &Package) -> Result<(Address, Model)> {
    let address = job::model(&package.model);
    match context.chain.try_fetch(&address).await? {
        Some(model) => Ok((address, model)),
        None => refuse(format!(
            "model {} {} is not registered at {}; publish its folder with `ionet model publish`",
            package.name, package.version, context.settings.cluster
        )),
    }
}

async fn publish(context: &Context, package: &Package) -> Result<Answer> {
    let wallet = context.wallet()?;
    let (hash, address) = (package.model, job::model(&package.model));
    let mut model: Option<Model> = context.chain.try_fetch(&address).await?;
    let already_registered = model.is_some();
    let mut transactions = Vec::new();
    if !already_registered {
        let registrar = wallet.pubkey();
        let done = appended(context, &registrar, &hash).await?;
        let create = done
            .is_none()
            .then(|| job::create_draft(&registrar, hash, package.facts.n_ops, &package.input_shapes()));
        let append = batches(package, done.unwrap_or(0)).into_iter();
        let append = append.map(|batch| job::append_ops(&registrar, &hash, batch));
        let seal = job::seal_model(&registrar, &hash, package.facts.interval);
        let steps: Vec<Instruction> = create.into_iter().chain(append).chain([seal]).collect();
        if !context.settings.yes {
            let action = if done.is_some() { "resume registering" } else { "register" };
            confirm(
                &format!(
                    "{action} model {} {} in {}",
                    package.name,
                    package.version,
                    count(steps.len() as u64, "transaction")
                ),
                &format!(
                    "model {} with {}\n{}\nrent of {} for the model, and of {} for a draft, which is returned",
                    hex::encode(hash),
                    count(package.ops.len() as u64, "op"),
                    context.fees(&registrar, steps.get(..1).unwrap_or_default(), steps.len()).await?,
                    SOL.show(rent(8 + size_of::<Model>())),
                    SOL.show(rent(draft_space(package.facts.n_ops)))
                ),
            )?;
        }
        let progress = Progress::steps(context, steps.len() as u64);
        progress.wait(format!("registering {}", package.name));
        for step in steps {
            transactions.push(context.send_agreed(&[step], &wallet, &[]).await?);
            progress.step();
        }
        // The transaction is confirmed: a node that fails from here on is no error.
        model = context.chain.try_fetch(&address).await.ok().flatten();
    }
    Ok(Answer::new(&Published {
        name: package.name.clone(),
        shown: model.map(|model| Shown::new(&address, &model)),
        already_registered,
        transactions,
    }))
}

/// Number of ops that an interrupted registration has appended; `None` if there was none.
async fn appended(context: &Context, registrar: &Address, hash: &Hash) -> Result<Option<usize>> {
    let address = job::draft(registrar, hash);
    let account = context.chain.account(&address).await?;
    let Some(account) = chain::made(account.as_ref()) else {
        return Ok(None);
    };
    /// The header follows the discriminator.
    const HEADER: std::ops::Range<usize> = 8..8 + size_of::<DraftHeader>();
    let header = account
        .data
        .get(HEADER)
        .map(anchor_lang::bytemuck::pod_read_unaligned::<DraftHeader>);
    match header.filter(|header| account.owner == jobs::ID && header.model_hash == *hash) {
        Some(header) => Ok(Some(header.appended.get() as usize)),
        None => refuse(format!(
            "draft {address} is not one that this program can resume; update this program"
        )),
    }
}

/// The encoded ops from `first` on, in batches that fit a transaction.
fn batches(package: &Package, first: usize) -> Vec<Vec<Vec<u8>>> {
    /// Each descriptor is preceded by its length.
    const PREFIX: usize = 4;
    let mut batches: Vec<Vec<Vec<u8>>> = Vec::new();
    let mut room = 0;
    for op in package.ops.iter().skip(first) {
        let bytes = op.descriptor.to_bytes().to_vec();
        let size = bytes.len() + PREFIX;
        match batches.last_mut().filter(|_| size <= room) {
            Some(batch) => batch.push(bytes),
            None => {
                batches.push(vec![bytes]);
                room = BYTES_PER_TRANSACTION;
            }
        }
        room = room.saturating_sub(size);
    }
    batches
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::{output::Format, testing};
    use anchor_lang::bytemuck::Zeroable;
    use chain::fake::gift;

    #[tokio::test]
    async fn a_registration_is_reported_though_the_node_then_fails() {
        let (_folder, fake, context, wallet, _) = testing::on_market(0);
        let package = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/imagine");
        // Lamports at the draft's address do not make a draft.
        let hash = Package::load(package.as_ref()).unwrap().model;
        fake.set_account(job::draft(&wallet.pubkey(), &hash), gift());
        fake.set_mute_once_sent(true);
        let publish = testing::typed::<Command>(&["publish", package]);
        let shown = testing::json(&publish.run(&context).await.unwrap());
        let sent = shown.get("transactions").and_then(|all| all.as_array()).unwrap();
        assert_eq!((sent.len(), shown.get("hash")), (fake.sent().len(), None));
    }

    #[tokio::test]
    async fn a_name_stands_for_what_the_package_hashes_to() {
        let (_folder, fake, mut context, ..) = testing::on_market(0);
        context.settings.models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
        let hash = Package::load(&context.settings.models.join("upscale")).unwrap().model;
        let other = [7; 32];
        for hash in [hash, other] {
            let model = Model { hash, ..Model::zeroed() };
            fake.set_account(job::model(&hash), testing::account(&model));
        }
        let run = async |words: &[&str]| testing::typed::<Command>(words).run(&context).await.unwrap();
        let list = run(&["list"]).await;
        let name = |hash: &[u8; 32]| {
            let all = testing::json(&list);
            let found = all
                .as_array()
                .unwrap()
                .iter()
                .find(|model| model["hash"] == hex::encode(hash))
                .cloned();
            found.unwrap()["name"].clone()
        };
        assert_eq!((name(&hash), name(&other)), ("upscale".into(), serde_json::Value::Null));
        for known in ["upscale", &hex::encode(hash), &job::model(&hash).to_string()] {
            let shown = run(&["show", known]).await;
            assert_eq!(testing::json(&shown)["hash"], hex::encode(hash), "{known}");
            assert!(shown.show(Format::Text).starts_with("upscale\n"), "{known}");
        }
        let typo = testing::typed::<Command>(&["show", "upscael"]).run(&context).await;
        assert!(typo.unwrap_err().to_string().contains("has no model upscael"));
    }

    #[test]
    fn a_name_of_several_models_is_refused() {
        let [one, other] = [(); 2].map(|()| Address::new_unique());
        let names = |all: &[Address]| Names(all.iter().map(|address| (*address, "upscale".to_owned())).collect());
        assert_eq!(names(&[]).named("upscale").unwrap(), None);
        assert_eq!(names(&[one, one]).named("upscale").unwrap(), Some(one));
        let error = names(&[one, other]).named("upscale").unwrap_err().to_string();
        assert!(error.contains("several packages are named upscale"), "{error}");
    }

    #[test]
    fn every_op_goes_into_one_transaction_that_has_room() {
        for name in ["upscale", "imagine"] {
            let package = Package::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models").join(name)).unwrap();
            let all: Vec<Vec<u8>> = package.ops.iter().map(|op| op.descriptor.to_bytes().to_vec()).collect();
            for first in 0..=all.len() {
                let batches = batches(&package, first);
                assert_eq!(batches.concat(), all.get(first..).unwrap());
                for batch in &batches {
                    assert!(!batch.is_empty() && batch.iter().map(|bytes| bytes.len() + 4).sum::<usize>() <= BYTES_PER_TRANSACTION);
                }
            }
        }
    }
}
