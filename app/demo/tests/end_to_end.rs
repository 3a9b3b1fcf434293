//! The market over RPC, with the real binaries on a real local chain.
//!
//! `cargo xtask test` builds the binaries first; they are looked for in `target/bin`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use chain::SendOptions;
use chain::market::slash;
use demo::process::Tools;
use demo::{Market, Place, books};
use protocol::units::IO;
use rustix::pty::OpenptFlags;
use serde_json::Value;
use solana_signer::Signer;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

fn place(dir: &Path) -> Place {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let bin = root.join("target/bin");
    assert!(
        bin.join("ionet-worker").exists(),
        "the binaries are not built; run `cargo xtask build`"
    );
    Place {
        root,
        bin,
        dir: dir.to_owned(),
    }
}

/// Prints steps, which are shown if a test fails.
fn say(line: &str) {
    println!("{line}");
}

/// Not a unit test: for a moment, a child process also holds the file locks that those take.
#[test]
fn the_error_of_a_process_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let says = ["-c", "echo '{ \"error\": \"no port\" }' >&2"];
    let mut service = Tools::new(Path::new("/bin"), dir.path()).start("sh", &says).unwrap();
    let told = service.first_object().unwrap_err().to_string();
    assert!(told.contains("was ready: no port; its log"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_pays_to_the_base_unit() {
    let dir = tempfile::tempdir().unwrap();
    let report = demo::run(&place(dir.path()), None, say).await.unwrap();
    let change = |what: &str| i128::from(report.after.places[what]) - i128::from(report.before.places[what]);

    // The split, recomputed from the rule: 12 tiles at one price, 0.25 % a side, rounded up; half of the fees burned, rounded up.
    let price = -(change("consumer's wallet") + change("consumer's escrow: free"));
    let supplier = change("supplier's wallet") + change("supplier's stake");
    let (base, fees) = ((price + supplier) / 2, price - supplier);
    let (side, burned) = ((base + 399) / 400, (fees + 1) / 2);
    assert_eq!(base % 12, 0, "twelve tiles at one price");
    assert_eq!((price - base, base - supplier), (side, side));
    assert_eq!(i128::from(report.burned().unwrap()), burned);
    assert_eq!(change("treasury's wallet"), fees - burned);
    assert_eq!(
        (
            report.after.places["consumer's escrow: locked"],
            report.after.places["fees, to treasury and burn"]
        ),
        (0, 0)
    );
}

/// Kills the worker with SIGKILL as soon as it logs a step and starts it again, while the consumer waits and a third party settles: each
/// job must be delivered and paid once. (The worker's own tests kill it between sending a transaction and its confirmation.)
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_neither_loses_a_job_nor_is_paid_twice() {
    const STEPS: [&str; 5] = ["claimed", "computed", "stored", "committed", "revealed"];
    let dir = tempfile::tempdir().unwrap();
    let place = place(dir.path());
    let market = Market::start(&place).unwrap();
    market.supply().unwrap();
    market.publish("upscale").unwrap();
    market.fund().unwrap();
    let _cranker = market.cranker().unwrap();
    let photo = place.root.join("models/upscale/sample.png");

    for step in STEPS {
        let output = dir.path().join(format!("{step}.png"));
        let receipt = std::thread::scope(|scope| {
            let consumer = scope.spawn(|| market.enlarge(&photo, &output, "1s"));
            let mut worker = market.worker().unwrap();
            worker.wait_for(|line| line.contains(&format!("\"event\":\"{step}\""))).unwrap();
            worker.kill().unwrap();
            let _restarted = market.worker().unwrap();
            consumer
                .join()
                .unwrap()
                .unwrap_or_else(|error| panic!("killed when it had {step}: {error}"))
        });
        let last = receipt
            .pointer("/story")
            .and_then(Value::as_array)
            .and_then(|story| story.last())
            .unwrap();
        assert_eq!(
            last.pointer("/step").and_then(Value::as_str),
            Some("settled"),
            "killed when it had {step}"
        );
        assert!(output.exists());
    }

    // Every job ended once: as many claims, commitments, reveals and settlements as jobs, and nothing left locked.
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for transaction in books::transactions(&market.rpc).await.unwrap() {
        for name in transaction.instructions {
            *counts.entry(name).or_default() += 1;
        }
    }
    for name in ["open_job", "claim_job", "commit_result", "reveal_result", "settle_job"] {
        assert_eq!(counts.get(name), Some(&STEPS.len()), "{name} in {counts:?}");
    }
    assert_eq!(counts.get("timeout_job"), None);
    assert_eq!(market.balances().await.unwrap().places["consumer's escrow: locked"], 0);
    // An indexer that reads it all afterwards, from events alone, arrives at the same books as the accounts.
    let said = market.check_history().unwrap();
    assert!(said.contains("the books match the accounts"), "{said}");
}

/// All of `cargo xtask demo dispute`, with its books: 30 % of the bond goes to the challenger, 20 % to the consumer, 50 % is burned.
#[tokio::test(flavor = "multi_thread")]
async fn a_lie_is_convicted_to_the_base_unit_and_the_truth_never() {
    let dir = tempfile::tempdir().unwrap();
    let report = demo::dispute::run(&place(dir.path()), say).await.unwrap();
    let change = |what: &str| i128::from(report.after.places[what]) - i128::from(report.before.places[what]);
    let found = &report.convicted;
    let bond = i128::from(found.bond);
    assert_eq!((found.unit, found.op, found.element), (4, 3, 12_345));
    assert_eq!(found.expected.cast_unsigned() ^ found.claimed.cast_unsigned(), 2, "one bit");
    assert_eq!(change("supplier's stake"), -bond);
    assert_eq!(change("cranker's wallet"), bond * 3 / 10);
    assert_eq!(found.consumer_change, bond / 5);
    assert_eq!(u128::from(report.before.supply - report.after.supply), (bond / 2).unsigned_abs());
    let names = report.transactions.iter().flat_map(|transaction| &transaction.instructions);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    names.for_each(|name| *counts.entry(name).or_default() += 1);
    for once in ["seal_evidence", "convict", "close_evidence", "award"] {
        assert_eq!(counts.get(once), Some(&1), "{once} in {counts:?}");
    }
    let convict = report
        .transactions
        .iter()
        .find(|transaction| transaction.instructions.contains(&"convict".to_owned()));
    assert!(convict.unwrap().compute_units <= 75_000);
    assert_eq!(report.honest.kinds.values().sum::<u32>(), demo::false_proofs::JUDGED);
    assert_eq!(
        (report.honest.convicted, report.honest.on_chain.len()),
        (0, demo::false_proofs::POSTED as usize)
    );
}

/// All of `cargo xtask demo dispute --silent`, with its books: silence costs what a proved lie costs.
#[tokio::test(flavor = "multi_thread")]
async fn silence_costs_the_bond_to_the_base_unit() {
    let dir = tempfile::tempdir().unwrap();
    let report = demo::silence::run(&place(dir.path()), say).await.unwrap();
    let change = |what: &str| i128::from(report.after.places[what]) - i128::from(report.before.places[what]);
    let bond = i128::from(report.bond);
    assert_eq!(change("supplier's stake"), -bond);
    assert_eq!(change("cranker's wallet"), bond * 3 / 10);
    assert_eq!(change("consumer's wallet"), bond / 5);
    assert_eq!(u128::from(report.before.supply - report.after.supply), (bond / 2).unsigned_abs());
}

/// What stakers decide is executed exactly, and no earlier, with files and commands that a person would write.
#[tokio::test(flavor = "multi_thread")]
async fn stakers_govern() {
    let dir = tempfile::tempdir().unwrap();
    let report = demo::governance::run(&place(dir.path()), say).await.unwrap();
    let [unknown, bounds, malformed, long] = report.refused.as_slice() else {
        panic!("four files are refused: {:?}", report.refused)
    };
    assert!(
        unknown.contains("'audit_flor_bps'") && unknown.contains("audit_floor_bps"),
        "{unknown}"
    );
    assert!(bounds.contains("step 1") && bounds.contains("bounds"), "{bounds}");
    assert!(malformed.contains("line 6"), "{malformed}");
    assert!(long.contains("9033 bytes"), "{long}");
    assert_eq!(report.audit_floor, [0, 700]);
    assert_eq!(report.minimum, [250 * IO, 250 * IO, 300 * IO], "a raise waits thirty days");
    let change = |step: usize, what: &str| report.shown.pointer(&format!("/steps/{step}/changes/0/{what}")).cloned();
    assert_eq!(change(0, "before"), Some(0.into()));
    assert_eq!(change(0, "after"), Some(700.into()));
    assert_eq!(change(1, "name"), Some("multiplier_x100".into()));
    assert!(report.paused.contains("Paused"), "{}", report.paused);
    // Both deposits are back; one $IO of stake was withdrawn meanwhile.
    assert_eq!(report.proposer[1], report.proposer[0] + IO);
    let vote = report.costs["vote_stake"];
    assert!(vote.0 >= 2 && vote.1 <= 8_000, "{vote:?}");
}

/// `cargo xtask demo staking` for one day, with `--dir` after the scenario; a folder with other files is left alone.
#[test]
fn the_demo_of_staking_reports_where_it_is_told_to() {
    let dir = tempfile::tempdir().unwrap();
    let Place { root, bin, .. } = place(dir.path());
    let live = |folder: &str| {
        let mut demo = std::process::Command::new(bin.join("demo"));
        demo.current_dir(&root)
            .env("IONET_DEPLOY_DIR", root.join("target/deploy"))
            .args(["staking", "--days", "1", "--output", "json", "--dir"]);
        demo.arg(dir.path().join(folder)).output().unwrap()
    };
    let ended = live("new");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}");
    let report = std::fs::read(dir.path().join("new/report.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&report).unwrap()["hours"], 24);

    let thesis = dir.path().join("other/report.json");
    std::fs::create_dir(dir.path().join("other")).unwrap();
    std::fs::write(&thesis, "years of work").unwrap();
    assert!(!live("other").status.success());
    assert_eq!(std::fs::read(&thesis).unwrap(), b"years of work");
}

/// Runs a command as it is typed.
fn typed(market: &Market, who: &str, command: &str) -> anyhow::Result<Value> {
    let arguments: Vec<&str> = command.split(' ').collect();
    market.ionet(who, &arguments)
}

/// Checks that a command is refused in one sentence that has these words.
fn refused(market: &Market, who: &str, command: &str, words: &str) {
    let said = typed(market, who, command).map(drop).unwrap_err().to_string();
    assert!(
        said.contains(words) && said.lines().count() == 1,
        "{command}: no '{words}' in: {said}"
    );
}

/// Mistakes of suppliers and co-stakers are refused in one sentence that says why, and move nothing.
#[tokio::test(flavor = "multi_thread")]
async fn suppliers_and_co_stakers_are_told_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let place = place(dir.path());
    let market = Market::start(&place).unwrap();
    market.supply().unwrap();
    let device = market.device.to_string();
    let refusal = |arguments: &[&str]| market.ionet("supplier", arguments).unwrap_err().to_string();
    assert!(refusal(&["costake", "offer", "126", "--share", "40"]).contains("may fund 125 $IO"));
    assert!(refusal(&["costake", "offer", "125", "--share", "4"]).contains("at least 5.00 %"));
    assert!(refusal(&["costake", "offer", "10", "--share", "40", "--ticket", "11"]).contains("at most the capacity"));
    let offer = market
        .ionet("supplier", &["costake", "offer", "125", "--share", "40", "--ticket", "10"])
        .unwrap();
    let offer = offer["offer"].as_str().unwrap();
    let joined = market.ionet("consumer", &["costake", "join", offer, "50"]).unwrap();
    let position = joined["position"].as_str().unwrap();
    std::fs::write(dir.path().join("evidence.txt"), "what was seen").unwrap();
    let key = dir.path().join(".ionet/localnet/keys/device.json");
    let key = key.to_str().unwrap();

    let before = market.balances().await.unwrap().places;
    let refused = |who: &str, command: &str, words: &str| refused(&market, who, command, words);
    refused("supplier", "stake add 0", "ZeroAmount");
    refused("supplier", "stake add 99999999", "holds");
    refused("supplier", "stake withdraw-overflow 101", "above its minimum");
    refused("supplier", "stake withdraw", "cools down");
    refused("supplier", "stake unstake", "OfferOpen");
    refused("supplier", "costake offer 125 --share 40", "has an offer already");
    refused("supplier", &format!("costake join {offer} 20"), "cannot co-stake it");
    refused("consumer", &format!("costake join {offer} 76"), "no room");
    refused("consumer", &format!("costake join {offer} 9"), "at least a ticket");
    refused("consumer", &format!("costake join {offer} 0"), "at least a ticket");
    refused("cranker", &format!("costake join {offer} 20"), "holds 0 $IO");
    refused("cranker", &format!("costake exit {position}"), "and not to wallet");
    refused("consumer", &format!("costake exit {position} 51"), "is worth 50 $IO");
    refused("consumer", &format!("costake exit {position} 0"), "is worth 50 $IO");
    refused(
        "consumer",
        &format!("costake claim {position}"),
        "no rewards have come in for position",
    );
    refused("supplier", "costake end", "retract it first");
    refused("supplier", "reward claim", "nothing to claim");
    refused(
        "supplier",
        &format!("slash propose {device} --reason spoofing --share 5 --evidence evidence.txt"),
        "no slash proposer yet",
    );
    refused("cranker", &format!("slash burn {device}"), "has forfeited nothing");
    refused(
        "consumer",
        &format!("device register --device-key {key} --gpu 51"),
        "signs for a device",
    );
    refused("consumer", "escrow close", "has no escrow");
    assert_eq!(market.balances().await.unwrap().places, before, "a refused command moved money");

    let left = market.ionet("consumer", &["costake", "exit", position]).unwrap();
    let exit = left["exit"].as_str().unwrap();
    let early = market.ionet("consumer", &["costake", "withdraw", exit]).unwrap_err().to_string();
    assert!(early.contains("can be withdrawn in 2"), "{early}");
    let twice = market.ionet("consumer", &["costake", "exit", position]).unwrap_err().to_string();
    assert!(twice.contains("no account"), "{twice}");
}

/// docs/AUTHORITIES.md shows what the chain says, except for keys of this market.
#[tokio::test(flavor = "multi_thread")]
async fn the_authorities_are_as_documented() {
    let dir = tempfile::tempdir().unwrap();
    let place = place(dir.path());
    let market = Market::governed(&place).unwrap();
    let mut said = market.tools.text("ionet", &["config", "authorities"]).unwrap();
    for (name, role) in [("authority", "VERIFIER"), ("guardian", "GUARDIAN"), ("faucet", "MINT AUTHORITY")] {
        said = said.replace(&market.keypair(name).unwrap().pubkey().to_string(), role);
    }
    let term = said.find(", for ").unwrap();
    said.replace_range(term..said[term..].find('\n').unwrap() + term, ", for its term");
    let document = std::fs::read_to_string(place.root.join("docs/AUTHORITIES.md")).unwrap();
    assert!(document.contains(said.trim_end()), "docs/AUTHORITIES.md should say:\n{said}");

    // A file for another chain would bind this one to it irrevocably.
    let genesis = market.rpc.get_genesis_hash().await.unwrap().to_string();
    let mint = market.record().mint.clone();
    let authority = market.key("authority").unwrap();
    let migrate = |cluster: &str| {
        let roles = ["mint", "treasury", "verifier", "guardian"]
            .map(|role| format!("{role} = \"{mint}\"\n"))
            .concat();
        let file = format!("{roles}cluster = \"{cluster}\"\nguardian_days = 1\nhand_over = true\n");
        std::fs::write(dir.path().join("deployment.toml"), file).unwrap();
        market.ionet("payer", &["migrate", "deployment.toml", "--authority", authority])
    };
    let refusal = migrate(&mint).unwrap_err().to_string();
    assert!(refusal.contains(&mint) && refusal.contains(&genesis), "{refusal}");
    let plan = migrate(&genesis).unwrap();
    let steps = plan.as_array().unwrap();
    assert!(
        steps.len() == 6 && steps.iter().all(|step| step["transactions"] == serde_json::json!([])),
        "{plan}"
    );
}

/// Runs `ionet` on a terminal and answers its question; returns the exit code and what is on the screen.
fn answered(market: &Market, who: &str, arguments: &[&str], answer: &str) -> (Option<i32>, String) {
    let screen = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    rustix::pty::grantpt(&screen).unwrap();
    rustix::pty::unlockpt(&screen).unwrap();
    let name = rustix::pty::ptsname(&screen, Vec::new()).unwrap();
    let terminal = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let mut screen = File::from(screen);
    screen.write_all(answer.as_bytes()).unwrap();
    let mut command = market.tools.command("ionet");
    command.args(["--keypair", market.key(who).unwrap()]).args(arguments);
    command
        .stdin(terminal.try_clone().unwrap())
        .stdout(terminal.try_clone().unwrap())
        .stderr(terminal);
    let mut child = command.spawn().unwrap();
    // The screen ends when the child, the last holder of the terminal, has ended; on Linux with an error.
    drop(command);
    let mut shown = Vec::new();
    let _ = screen.read_to_end(&mut shown);
    (child.wait().unwrap().code(), String::from_utf8(shown).unwrap())
}

/// `ionet verify` says where a result is wrong, shows it, and convicts if told to; it also recognizes a right one.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_verifies_and_convicts() {
    let dir = tempfile::tempdir().unwrap();
    let place = place(dir.path());
    let market = Market::governed(&place).unwrap();
    market.supply().unwrap();
    market.publish("upscale").unwrap();
    market.fund().unwrap();
    let photo = place.root.join("models/upscale/sample.png");
    let package = place.root.join("models/upscale");
    let package = package.to_str().unwrap();
    let verify = |job: &str, more: &[&str]| {
        let arguments = [&["verify", job, "--package", package], more].concat();
        market.ionet("cranker", &arguments)
    };

    // Before the confirmation nothing is sent, and no photo or text is stored.
    let store = dir.path().join("asked");
    let submit = [
        &["--blobs", store.to_str().unwrap(), "--output", "json", "job", "submit", "upscale"],
        &[photo.to_str().unwrap(), "--package", package, "--detach"][..],
    ];
    let (code, screen) = answered(&market, "consumer", &submit.concat(), "n\n");
    assert!(
        screen.contains("escrow, locked") && screen.contains("cancelled; nothing was sent"),
        "{screen}"
    );
    assert_eq!((code, store.exists()), (Some(1), false), "{screen}");
    let (code, screen) = answered(&market, "consumer", &submit.concat(), "y\n");
    assert_eq!((code, std::fs::read_dir(&store).unwrap().count()), (Some(0), 1), "{screen}");
    std::fs::write(dir.path().join("text.md"), "Audit more.\n").unwrap();
    let proposal = "title = \"Audit 7 %\"\ntext = \"text.md\"\n\n[[step]]\ndo = \"set\"\nwhat = \"jobs.parameters\"\n\
                    values = { audit_floor_bps = \"7 %\" }\n";
    std::fs::write(dir.path().join("proposal.toml"), proposal).unwrap();
    let create = ["--blobs", store.to_str().unwrap(), "gov", "create", "proposal.toml"];
    let (code, asked) = answered(&market, "supplier", &create, "n\n");
    assert!(asked.contains("cancelled; nothing was sent"), "{asked}");
    assert_eq!((code, std::fs::read_dir(&store).unwrap().count()), (Some(1), 1), "{asked}");
    // Progress is shown on a terminal even with JSON output.
    let create = [&["--output", "json"], &create[..]].concat();
    let (code, told) = answered(&market, "supplier", &create, "y\n");
    assert!(code == Some(0) && told.contains("run the same command again to resume"), "{told}");
    let submitted: Value = serde_json::from_str(&screen[screen.find('{').unwrap()..]).unwrap();
    let waiting = submitted["job"].as_str().unwrap().to_owned();
    let refusal = verify(&waiting, &[]).unwrap_err().to_string();
    assert!(refusal.contains("is not public"), "{refusal}");
    market.ionet("consumer", &["job", "cancel", &waiting]).unwrap();
    let refusal = verify(&waiting, &[]).unwrap_err().to_string();
    assert!(refusal.contains("has ended: cancelled"), "{refusal}");

    let liar = market.faulty_worker("2:8:4000:7").unwrap();
    let lie = market.order(&photo).unwrap().to_string();
    liar.wait_for(|line| line.contains("\"event\":\"revealed\"")).unwrap();
    drop(liar);
    let pictures = dir.path().join("pictures.png");
    let found = verify(&lie, &["--pictures", pictures.to_str().unwrap()]).unwrap();
    let read = |pointer: &str| found.pointer(pointer).cloned().unwrap_or_default();
    assert_eq!((read("/result"), read("/wrong/fault")), ("wrong".into(), "element".into()));
    assert_eq!(
        (read("/wrong/unit"), read("/wrong/op"), read("/wrong/element")),
        (2.into(), 8.into(), 4000.into())
    );
    assert_eq!(read("/wrong/op_name"), "pixels");
    let (expected, claimed) = (read("/wrong/expected").as_i64().unwrap(), read("/wrong/claimed").as_i64().unwrap());
    assert_eq!((expected - claimed).abs(), 128, "the highest bit");
    let sheet = image::open(&pictures).unwrap();
    assert_eq!(sheet.width(), 3 * sheet.height() + 16, "three square tiles and two gaps");
    let elsewhere = market.ionet(
        "cranker",
        &["verify", &lie, "--package", place.root.join("models/imagine").to_str().unwrap()],
    );
    assert!(elsewhere.unwrap_err().to_string().contains("is another model"));

    let refusal = verify(&lie, &["--convict", "--pictures", pictures.to_str().unwrap()])
        .unwrap_err()
        .to_string();
    assert!(refusal.contains("exists already"), "{refusal}");

    // A worker that withholds its outputs is convicted nevertheless; only the pictures are missing.
    let shown = market.ionet("consumer", &["job", "show", &lie]).unwrap();
    let steps = shown.pointer("/story").and_then(Value::as_array).unwrap();
    let outputs = steps.iter().find_map(|step| step.get("outputs")?.as_str()).unwrap();
    std::fs::remove_file(dir.path().join(".ionet/localnet/blobs").join(outputs)).unwrap();
    let missing = dir.path().join("missing.png");
    let done = verify(&lie, &["--convict", "--pictures", missing.to_str().unwrap()]).unwrap();
    assert_eq!(done.pointer("/ending"), Some(&"convicted".into()));
    assert_eq!((done.get("pictures"), missing.exists()), (None, false));
    assert!(done.get("pictures_error").is_some_and(Value::is_string), "{done}");
    let fetched = market.ionet("consumer", &["job", "fetch", &lie]).unwrap_err().to_string();
    assert!(fetched.contains("proved wrong"), "{fetched}");
    let deeds: Vec<&str> = done["transactions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|deed| deed["what"].as_str().unwrap())
        .collect();
    assert_eq!(
        (deeds[0], deeds[deeds.len() - 2], deeds[deeds.len() - 1]),
        ("seal evidence", "convict", "close evidence")
    );

    let honest = market.worker().unwrap();
    let truth = market.order(&photo).unwrap().to_string();
    honest.wait_for(|line| line.contains("\"event\":\"revealed\"")).unwrap();
    let right = dir.path().join("right.png");
    let found = verify(&truth, &["--convict", "--pictures", right.to_str().unwrap()]).unwrap();
    assert_eq!(found.pointer("/result"), Some(&"right".into()));
    let sheet = image::open(&right).unwrap().into_rgb8();
    let side = sheet.height();
    let differs = sheet.enumerate_pixels().any(|(x, _, pixel)| x > 2 * side + 16 && pixel.0 != [0; 3]);
    assert_eq!((sheet.width(), differs), (3 * side + 16, false), "right pictures are shown too");
}

/// A slash by two people, typed as commands: of the whole stake of a device with a bond in a job, so that a part is collected later.
#[tokio::test(flavor = "multi_thread")]
async fn two_people_slash_a_device() {
    let dir = tempfile::tempdir().unwrap();
    let place = place(dir.path());
    let market = Market::start(&place).unwrap();
    market.supply().unwrap();
    market.publish("upscale").unwrap();
    market.fund().unwrap();
    let [proposer, authority] = ["guardian", "authority"].map(|name| market.keypair(name).unwrap());
    let approver = &authority;
    let named = slash::set_judges(&authority.pubkey(), &proposer.pubkey(), &approver.pubkey());
    let chain = market.client().unwrap();
    chain.send(&[named], &[&authority], &SendOptions::default()).await.unwrap();
    std::fs::write(dir.path().join("evidence.txt"), "what was seen").unwrap();
    std::fs::write(dir.path().join("answer.txt"), "what it was").unwrap();

    let worker = market.worker().unwrap();
    let job = market.order(&place.root.join("models/upscale/sample.png")).unwrap().to_string();
    worker.wait_for(|line| line.contains("\"event\":\"revealed\"")).unwrap();
    drop(worker);
    let supply = market.balances().await.unwrap().supply;

    let run = |who: &str, command: &str| typed(&market, who, command);
    let refused = |who: &str, command: &str, words: &str| refused(&market, who, command, words);
    let device = market.device;
    let propose = format!("slash propose {device} --reason spoofing --share 100 --evidence evidence.txt");
    refused("authority", &propose, "only the market's slash proposer");
    let slash = run("guardian", &propose).unwrap()["slash"].as_str().unwrap().to_owned();
    let on = |deed: &str| format!("slash {deed} {slash}");
    let read = |pointer: &str| run("cranker", &on("show")).unwrap().pointer(pointer).cloned().unwrap();
    assert_eq!((read("/status"), read("/parts/0")), ("proposed".into(), 0.into()));
    let approve = |share: &str| format!("slash approve {slash} --share {share} --evidence evidence.txt");
    refused("guardian", &approve("100"), "only the market's slash approver");
    refused("authority", &approve("50"), "takes 100.00 % of the stake");
    run("authority", &approve("100")).unwrap();
    let (aside, due) = (read("/parts/0").as_u64().unwrap(), read("/due").as_u64().unwrap());
    let staked = aside + due;
    assert_eq!((read("/status"), staked), ("approved".into(), 30_000_000_000));
    assert!(due > 0, "the job holds a bond");
    let answer = format!("slash appeal {slash} --answer answer.txt");
    refused("cranker", &answer, "NotOwner");
    run("supplier", &answer).unwrap();
    refused("supplier", &on("overturn"), "only the market's authority");
    refused("cranker", &on("finish"), "finish it then");

    // What is due is collected once the bond is released.
    refused("cranker", &on("collect"), "is in the bonds of jobs");
    market.skip(std::time::Duration::from_secs(3_600)).await.unwrap();
    run("cranker", &format!("job settle {job}")).unwrap();
    run("cranker", &on("collect")).unwrap();
    assert_eq!((read("/parts/0"), read("/due")), (staked.into(), 0.into()));
    refused("cranker", &on("collect"), "nothing is due");

    market.skip(std::time::Duration::from_secs(30 * 86_400)).await.unwrap();
    run("cranker", &on("finish")).unwrap();
    refused("cranker", &on("show"), "no account");
    let burned = run("cranker", &format!("slash burn {device}"));
    burned.unwrap();
    refused("cranker", &format!("slash burn {device}"), "has forfeited nothing");
    let after = market.balances().await.unwrap();
    assert_eq!((supply - after.supply, after.places["supplier's stake"]), (staked, 0));
    let said = market.check_history().unwrap();
    assert!(said.contains("the books match the accounts"), "{said}");
}
