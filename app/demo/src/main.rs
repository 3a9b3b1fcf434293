//! `cargo xtask demo`.

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand, ValueEnum};
use daemon::stop_on_signals;
use demo::{Folder, Place, check_photo, web};
use serde::Serialize;
use std::fmt::Display;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Run the main job on a local chain: a photo goes in, a worker enlarges it exactly, the chain pays
#[derive(Parser)]
#[command(name = "cargo xtask demo", version)]
struct Arguments {
    /// Folder for everything the demo writes: a new one, or an earlier run's, which is emptied first [default: target/demo, or
    /// target/demo-SCENARIO]
    #[arg(long, global = true)]
    dir: Option<PathBuf>,
    /// Photo to enlarge; the shipped one comes with its original in full size, to measure against
    #[arg(long)]
    photo: Option<PathBuf>,
    /// What to print: with json, what happens goes to standard error
    #[arg(long, global = true, value_enum, default_value_t = Output::Text)]
    output: Output,
    #[command(flatten)]
    browser: Browser,
    #[command(subcommand)]
    scenario: Option<Scenario>,
}

/// A market to look at instead.
#[derive(Args)]
struct Browser {
    /// Show a market with something of everything in it in the browser, until Ctrl-C
    #[arg(long, conflicts_with = "photo")]
    web: bool,
    /// Do not open the browser
    #[arg(long, requires = "web")]
    no_open: bool,
    /// Port of the web app; 0 takes any free one
    #[arg(long, requires = "web", default_value_t = 8902)]
    port: u16,
    /// Folder that the web app was built into
    #[arg(long, requires = "web", default_value = "app/web/dist")]
    web_dir: PathBuf,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Output {
    /// What happens, and the report; with --web, where everything is
    Text,
    /// The same report as JSON
    Json,
}

impl Output {
    /// Tells what has happened.
    fn say(self, line: &str) {
        match self {
            Self::Text => println!("{line}"),
            Self::Json => eprintln!("{line}"),
        }
    }
}

#[derive(Subcommand)]
enum Scenario {
    /// A worker lies by one bit, a watchtower finds it and the chain convicts; nothing convicts an honest one
    Dispute {
        /// The worker shows nothing and answers nobody: a watchtower asks, and silence convicts
        #[arg(long)]
        silent: bool,
    },
    /// Stakers change two parameters, lift a guardian's pause and replace a program's code, all by vote
    Governance,
    /// Two months of hours on a time-warped chain: suppliers, co-stakers and slashes; the books must balance
    Staking {
        /// Seed of amounts and times of day; the same seed gives the same story
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Days to simulate, 90 at most, when the emission has been paid out; the story itself ends after 60
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=90))]
        days: u32,
    },
}

impl Scenario {
    fn name(&self) -> &'static str {
        match self {
            Self::Dispute { .. } => "dispute",
            Self::Governance => "governance",
            Self::Staking { .. } => "staking",
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if arguments.scenario.is_some() {
        ensure!(!arguments.browser.web, "--web shows a market of its own; omit the scenario");
        ensure!(arguments.photo.is_none(), "--photo is for the main job; omit the scenario");
    }
    let root = std::env::current_dir().context("the current folder cannot be read")?;
    let me = std::env::current_exe().context("cannot tell where this binary is")?;
    // Each has a folder of its own, so that none takes away what another has made.
    let other = match &arguments.scenario {
        Some(scenario) => Some(scenario.name()),
        None => arguments.browser.web.then_some("web"),
    };
    let own = || other.map_or_else(|| "target/demo".into(), |other| format!("target/demo-{other}").into());
    let place = Place {
        bin: me.parent().context("this binary has no folder")?.to_owned(),
        dir: root.join(arguments.dir.unwrap_or_else(own)),
        root,
    };
    let photo = arguments.photo.map(|photo| place.root.join(photo));
    if let Some(photo) = &photo {
        check_photo(photo, &place.dir)?;
    }
    let _folder = Folder::take(&place.dir)?;
    let output = arguments.output;
    let say = |line: &str| output.say(line);
    match arguments.scenario {
        None if arguments.browser.web => show_in_browser(&place, arguments.browser, output).await,
        None => {
            show(&place, output, &demo::run(&place, photo, say).await?)?;
            say(&place.dir.join("output.png").display().to_string());
            Ok(())
        }
        Some(Scenario::Dispute { silent: true }) => show(&place, output, &demo::silence::run(&place, say).await?),
        Some(Scenario::Dispute { silent: false }) => show(&place, output, &demo::dispute::run(&place, say).await?),
        Some(Scenario::Governance) => show(&place, output, &demo::governance::run(&place, say).await?),
        Some(Scenario::Staking { seed, days }) => staking(&place, output, seed, days),
    }
}

/// Shows a market until Ctrl-C or SIGTERM, which also ends it while it is being made.
async fn show_in_browser(place: &Place, browser: Browser, output: Output) -> Result<()> {
    let options = web::Options {
        port: browser.port,
        app: place.root.join(browser.web_dir),
    };
    let stop = stop_on_signals();
    let web = tokio::select! {
        biased;
        () = stop.cancelled() => return Ok(()),
        started = web::start(place, &options, |line| output.say(line)) => started?,
    };
    match output {
        Output::Json => println!("{}", serde_json::to_string(&web.record)?),
        Output::Text => println!(
            "\n{}\nKeys and logs are in {}; `ionet` run there uses this market. Ctrl-C stops it.",
            web.record.web,
            place.dir.display()
        ),
    }
    if !browser.no_open {
        open(&web.record.web);
    }
    stop.cancelled().await;
    Ok(())
}

/// Opens the system's browser, where there is a display.
fn open(url: &str) {
    let (program, arguments): (_, &[&str]) = match std::env::consts::OS {
        "macos" => ("open", &[url]),
        "windows" => ("cmd", &["/C", "start", url]),
        _ if ["DISPLAY", "WAYLAND_DISPLAY"].iter().all(|name| std::env::var_os(name).is_none()) => return,
        _ => ("xdg-open", &[url]),
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // Without a browser on this machine, the address that is printed has to do.
    let _ = command.spawn();
}

/// Has the binary with the warped chain run, which shares nothing with the processes on a local node and writes a report alone.
fn staking(place: &Place, output: Output, seed: u64, days: u32) -> Result<()> {
    let mut command = Command::new(place.bin.join(format!("demo-staking{}", std::env::consts::EXE_SUFFIX)));
    command
        .env("IONET_DEPLOY_DIR", place.root.join("target/deploy"))
        .args(["--seed", &seed.to_string(), "--days", &days.to_string(), "--dir"])
        .arg(&place.dir);
    if output == Output::Json {
        command.args(["--output", "json"]);
    }
    let status = command.status().context("cannot start demo-staking; run `cargo xtask build`")?;
    ensure!(status.success(), "the demo of staking ended with {status}; what it said is above");
    Ok(())
}

/// Prints a report and writes it down.
fn show(place: &Place, output: Output, report: &(impl Display + Serialize)) -> Result<()> {
    let json = serde_json::to_string_pretty(report)?;
    match output {
        Output::Text => println!("\n{report}"),
        Output::Json => println!("{json}"),
    }
    let path = place.dir.join("report.json");
    std::fs::write(&path, json).with_context(|| format!("cannot write {}", path.display()))?;
    output.say(&path.display().to_string());
    Ok(())
}
