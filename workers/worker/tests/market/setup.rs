//! Wrong setups, and how the worker and its doctor report them.

use crate::common::{Market, beside, logs};
use crate::log::hear;
use jobs::Status;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::time::{SystemTime, UNIX_EPOCH};
use worker::{Error, Settings};

#[tokio::test]
async fn problems_are_logged_at_the_start() {
    let market = Market::start();
    // Bound, so that nothing else takes the port, but not listening.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let mut settings = market.settings("data");
    settings.blobs = vec![format!("http://{}/blobs", socket.local_addr().unwrap())];
    market.has_lamports(4_000_000);
    let (mut problems, _log) = hear("check");
    let worker = market.worker(settings).await.0.unwrap();
    beside(&worker, async {
        assert_eq!(problems.recv().await.unwrap(), "blob store");
        assert_eq!(problems.recv().await.unwrap(), "SOL");
    })
    .await;
}

/// Otherwise nobody would notice until a demand comes.
#[tokio::test]
async fn a_job_in_hand_whose_model_is_gone_is_reported() {
    let market = Market::start();
    market.revealed(&market.started().await, 1).await;
    let settings = Settings {
        models: vec![concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/upscale").into()],
        ..market.settings("data")
    };
    let (mut problems, _log) = hear("check");
    let worker = market.worker(settings).await.0.unwrap();
    beside(&worker, async { while problems.recv().await.unwrap() != "models" {} }).await;
}

#[tokio::test]
async fn a_second_worker_on_the_same_folder_is_refused() {
    let market = Market::start();
    let first = market.started().await;
    let second = market.worker(market.settings("data")).await.0;
    assert!(matches!(second, Err(Error::Busy { .. })));
    drop(first);
    assert!(market.worker(market.settings("data")).await.0.is_ok());
}

#[tokio::test]
async fn a_wrong_setup_is_one_sentence() {
    let market = Market::start();
    let path = market.folder.path();
    chain::save_keypair(&Keypair::new(), &path.join("stranger.json")).unwrap();
    std::fs::create_dir(path.join("empty")).unwrap();
    std::fs::create_dir(path.join("broken")).unwrap();
    std::fs::write(path.join("broken/model.json"), "{").unwrap();
    std::fs::write(path.join("broken/tensors.safetensors"), "").unwrap();

    let settings = || market.settings("data");
    let stranger = || worker::Settings {
        keypair: path.join("stranger.json"),
        ..settings()
    };
    let cases = [
        (
            stranger(),
            "`ionet device register --gpu MODEL --device-key FILE`, FILE being this `keypair`",
        ),
        (
            worker::Settings {
                device: Some(solana_address::Address::new_unique()),
                ..settings()
            },
            "check `device`",
        ),
        (
            worker::Settings {
                device: Some(market.supplier.device),
                ..stranger()
            },
            "not the hot key",
        ),
        (
            worker::Settings {
                keypair: path.join("none.json"),
                ..settings()
            },
            "none.json",
        ),
        (
            worker::Settings {
                models: vec![path.join("empty")],
                ..settings()
            },
            "no model package",
        ),
        (
            worker::Settings {
                models: vec![path.join("broken")],
                ..settings()
            },
            "broken",
        ),
        (
            worker::Settings {
                blobs: vec!["gopher://x".to_owned()],
                ..settings()
            },
            "gopher",
        ),
    ];
    for (settings, part) in cases {
        let text = market.worker(settings).await.0.map(drop).unwrap_err().to_string();
        assert!(text.contains(part) && !text.contains('\n'), "{text}");
    }
}

#[tokio::test]
async fn the_doctor_names_each_problem() {
    let market = Market::start();
    // Creates the folder of the store, which the doctor does not.
    market.store();
    // The kit's clock does not follow this machine's.
    let here = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    market.node.with(|world| world.pass((here - world.now().unix).max(0) as u32, 1));
    let mut lines = Vec::new();
    worker::doctor::examine(&market.settings("data"), &market.chain(), |line| lines.push(line))
        .await
        .unwrap();
    assert!(lines.iter().all(|line| line.starts_with("ok")), "{lines:#?}");
    pay_to_tokens(&market);
    lines.clear();
    let found = worker::doctor::examine(&market.settings("data"), &market.chain(), |line| lines.push(line)).await;
    assert!(matches!(found, Err(Error::Unwell(1))), "{lines:#?}");
    let said = format!("problem  payout: jobs of device {} are paid to", market.supplier.device);
    assert!(lines.iter().any(|line| line.starts_with(&said)), "{lines:#?}");

    let newcomer = market.node.with(|world| {
        let newcomer = world.newcomer("newcomer");
        world.plant(newcomer.key.pubkey(), Default::default());
        newcomer
    });
    let path = market.folder.path().join("newcomer.json");
    chain::save_keypair(&newcomer.key, &path).unwrap();
    let settings = worker::Settings {
        keypair: path,
        ..market.settings("data")
    };
    let mut lines = Vec::new();
    let problems = worker::doctor::examine(&settings, &market.chain(), |line| lines.push(line)).await;
    assert!(matches!(problems, Err(Error::Unwell(3))), "{lines:#?}");
    for part in ["SOL", "stake", "probation"] {
        assert!(
            lines.iter().any(|line| line.starts_with("problem") && line.contains(part)),
            "{part}: {lines:#?}"
        );
    }

    // What `ionet device register` gives a key is enough; a third of it is too little for a job and a check-in.
    for (lamports, verdict, says, problems) in [
        (worker::FUND, "ok", "8 results", 2),
        (worker::FUND / 3, "problem", "send it 0.15", 3),
    ] {
        let given = solana_account::Account {
            lamports,
            ..Default::default()
        };
        market.node.with(|world| world.plant(newcomer.key.pubkey(), given));
        lines.clear();
        let found = worker::doctor::examine(&settings, &market.chain(), |line| lines.push(line)).await;
        assert!(matches!(found, Err(Error::Unwell(unwell)) if unwell == problems), "{lines:#?}");
        assert!(
            lines.iter().any(|line| line.starts_with(verdict) && line.contains(says)),
            "{lines:#?}"
        );
    }
}

/// Lets jobs be paid to the supplier's token account, as if it were a wallet.
fn pay_to_tokens(market: &Market) {
    let supplier = &market.supplier;
    let set = chain::market::stake::set_payout(&supplier.owner.pubkey(), &supplier.device, &supplier.tokens);
    market.node.with(|world| world.send(set, &[&supplier.owner]));
}

/// The token account of a token account could receive payments, and nobody could move them.
#[tokio::test]
async fn no_job_is_taken_while_payments_would_be_lost() {
    let market = Market::start();
    pay_to_tokens(&market);
    let address = market.order(1).await;
    let (mut events, _log) = hear("event");
    let worker = market.started().await;
    beside(&worker, async { logs(&mut events, "refused", &["claimed"]).await }).await;
    assert_eq!(market.job(&address).unwrap().status, Status::Open);
}
