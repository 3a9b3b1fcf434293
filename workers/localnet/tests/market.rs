//! The complete market. Needs the built programs: `cargo xtask build`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use blobs::BlobStore;
use chain::localnet::Record;
use chain::market::{costake, govern, job, stake, token_account};
use localnet::{KeyName, Localnet, Options, mint};
use protocol::units::IO;
use protocol::{batch::BatchHeader, tensor::Shape};
use solana_signer::Signer;
use std::{path::Path, time::Duration};

fn options(dir: &Path) -> Options {
    let mut options = Options {
        dir: dir.to_owned(),
        programs: Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/deploy"),
        ..Options::default()
    }
    .on_free_ports();
    options.node.slot = Duration::from_millis(50);
    options
}

/// Tokens in a wallet's associated account: bytes 64 to 72 of it.
async fn tokens(localnet: &Localnet, name: KeyName) -> u64 {
    let account = token_account(&localnet.keys().get(name).pubkey(), &mint());
    let data = localnet.chain().account(&account).await.unwrap().unwrap().data;
    u64::from_le_bytes(data[64..72].try_into().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_market_starts_complete_beside_another_and_stops_cleanly() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let localnet = Localnet::start(&options(one.path())).await.unwrap();
    let other = Localnet::start(&options(two.path())).await.unwrap();
    assert_ne!(localnet.node().genesis(), other.node().genesis());
    other.stop().await.unwrap();

    let chain = localnet.chain();
    chain.check(&[staking::ID, jobs::ID]).await.unwrap();
    let authority = localnet.keys().get(KeyName::Authority).pubkey();
    assert_eq!(
        chain.fetch::<staking::StakingConfig>(&stake::config()).await.unwrap().authority,
        authority
    );
    assert_eq!(chain.fetch::<jobs::Config>(&job::config()).await.unwrap().authority, authority);
    assert_eq!(chain.find::<staking::GpuModel>(&[]).await.unwrap().len(), 51);
    assert_eq!(tokens(&localnet, KeyName::Consumer).await, 10_000 * IO);
    assert_eq!(tokens(&localnet, KeyName::Supplier).await, 1_000_000 * IO);
    assert_eq!(tokens(&localnet, KeyName::Treasury).await, 0);

    let record = Record::load(one.path()).unwrap();
    assert_eq!(&record, localnet.record());
    let consumer = &record.keys["consumer"];
    assert_eq!(chain::load_keypair(&consumer.path).unwrap().pubkey().to_string(), consumer.address);
    let blob = [&BatchHeader::outputs(1, 0, Shape::new(1, 1, 4)).unwrap().encode()[..], b"blob"].concat();
    let hash = BlobStore::open(&record.blobs).unwrap().put(blob.clone().into()).await.unwrap();
    let folder = BlobStore::open(one.path().join("blobs").to_str().unwrap()).unwrap();
    assert_eq!(folder.get(&hash).await.unwrap(), blob);

    localnet.stop().await.unwrap();
    assert_eq!(Record::load(one.path()), None);

    let again = Localnet::start(&options(one.path())).await.unwrap();
    assert_eq!(again.record().keys, record.keys, "keys outlive the chain");
    again.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_locked_by_its_market() {
    let dir = tempfile::tempdir().unwrap();
    let localnet = Localnet::start(&options(dir.path())).await.unwrap();
    let refusal = Localnet::start(&options(dir.path())).await.unwrap_err().to_string();
    assert!(
        refusal.contains("another local market runs in") && refusal.contains("--dir"),
        "{refusal}"
    );
    assert_eq!(
        &Record::load(dir.path()).unwrap(),
        localnet.record(),
        "the record of the first market"
    );
    localnet.stop().await.unwrap();

    let file = dir.path().join("file");
    std::fs::write(&file, "not a folder").unwrap();
    let refusal = Localnet::start(&options(&file)).await.unwrap_err().to_string();
    assert!(refusal.contains("cannot create the folder"), "{refusal}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "not a folder");
}

#[tokio::test(flavor = "multi_thread")]
async fn authorities_are_handed_to_governance_once_and_as_planned() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    let localnet = Localnet::start(&options).await.unwrap();
    let chain = localnet.chain();
    let authorities = async || {
        let staking: staking::StakingConfig = chain.fetch(&stake::config()).await.unwrap();
        let costaking: costaking::Config = chain.fetch(&costake::config()).await.unwrap();
        let jobs: jobs::Config = chain.fetch(&job::config()).await.unwrap();
        let mut all = vec![staking.authority, costaking.authority, jobs.authority, jobs.treasury];
        for (_, program) in migrations::PROGRAMS {
            all.push(chain.upgrade_authority(program).await.unwrap().unwrap());
        }
        let guardians = [staking.guardian, costaking.guardian, jobs.guardian];
        (all, guardians)
    };
    let before = authorities().await;
    options.governed = true;
    let deployment = localnet.deployment(&options).unwrap();
    let plan = migrations::plan(chain, &deployment).await.unwrap();
    let planned: Vec<_> = plan.iter().map(|step| (step.number, step.transactions.len())).collect();
    assert_eq!(planned, [(1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 8)]);
    assert_eq!(plan[5].transactions[0].what, "hand staking to governance");
    assert_eq!(authorities().await, before, "a plan changes nothing");

    migrations::run(chain, &deployment, &chain::SendOptions::default(), |_| {})
        .await
        .unwrap();
    let (all, guardians) = authorities().await;
    assert_eq!(all, [govern::authority(); 9]);
    assert_eq!(guardians, [govern::guardian_authority(); 3]);
    let rest = migrations::plan(chain, &deployment).await.unwrap();
    assert!(rest.iter().all(|step| step.transactions.is_empty()));
    localnet.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_programs_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = Options {
        programs: folder.path().join("deploy"),
        ..options(&folder.path().join("net"))
    };
    let error = format!("{:#}", Localnet::start(&nowhere).await.unwrap_err());
    for part in ["staking.so", "cargo xtask build", "--programs"] {
        assert!(error.contains(part), "{error}");
    }
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_ionet-localnet"));
    program.args(["--output", "json", "--programs"]).arg(&nowhere.programs);
    let output = program.arg("--dir").arg(&nowhere.dir).output().unwrap();
    let said: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!((&said["error"], &said["code"]), (&error.into(), &1.into()), "{said}");
    assert!(!folder.path().join("net").exists(), "nothing was changed");
}
