//! `cargo xtask demo`.

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand, ValueEnum};
use daemon::stop_on_signals;
use demo::{Folder, Place, check_photo, staking, web};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::fmt::Display;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Run one job on a local chain: a worker enlarges a photo, and the chain pays for it
#[derive(Parser)]
#[command(name = "cargo xtask demo", version)]
struct Arguments {
    /// Folder for everything the demo writes: a new one, or that of an earlier run, which is emptied first [default: target/demo,
    /// or target/demo-SCENARIO]
    #[arg(long, global = true)]
    dir: Option<PathBuf>,
    /// Photo to enlarge [default: the shipped one, whose result is compared with its full-size original]
    #[arg(long)]
    photo: Option<PathBuf>,
    /// Output format; with json, progress goes to standard error
    #[arg(long, global = true, value_enum, default_value_t = Output::Text)]
    output: Output,
    #[command(flatten)]
    browser: Browser,
    #[command(subcommand)]
    scenario: Option<Scenario>,
}

/// A market in the browser.
#[derive(Args)]
struct Browser {
    /// Instead show a market in the browser, with jobs, rewards, offers and proposals, until Ctrl-C
    #[arg(long, conflicts_with = "photo")]
    web: bool,
    /// Do not open the browser
    #[arg(long, requires = "web")]
    no_open: bool,
    /// Port of the web app; 0 takes any free one
    #[arg(long, requires = "web", default_value_t = 8902)]
    web_port: u16,
    /// Folder that the web app was built into
    #[arg(long, requires = "web", default_value = "app/web/dist")]
    web_dir: PathBuf,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Output {
    /// Progress and the report; with --web, the addresses
    Text,
    /// The same report as JSON
    Json,
}

impl Output {
    /// Prints a line of progress.
    fn say(self, line: &str) {
        match self {
            Self::Text => println!("{line}"),
            Self::Json => eprintln!("{line}"),
        }
    }
}

#[derive(Subcommand)]
enum Scenario {
    /// A worker lies by one bit, a watchtower finds it and the chain convicts; false proofs convict no honest worker
    Dispute {
        /// The worker withholds its result: a watchtower demands it, and silence convicts
        #[arg(long)]
        silent: bool,
    },
    /// Stakers change two parameters, lift a guardian's pause and replace a program's code, all by vote
    Governance,
    /// Two months on a time-warped chain: suppliers, co-stakers and slashes; the books must balance
    Staking {
        /// Random seed of amounts and times of day; the same seed gives the same story
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Days to simulate; the story ends after 60, and the emission has been paid out after 90
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
        ensure!(!arguments.browser.web, "--web starts a market of its own; omit the scenario");
        ensure!(arguments.photo.is_none(), "--photo is for the demo of one job; omit the scenario");
    }
    let root = std::env::current_dir().context("the current folder cannot be read")?;
    let me = std::env::current_exe().context("cannot tell where this binary is")?;
    // Each scenario has its own folder, so that none deletes what another has made.
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
        Some(Scenario::Staking { seed, days }) => {
            let report = live(seed, days * 24, output)?;
            show(&place, output, &report)?;
            // Checked after printing, so that a wrong report shows where it is wrong.
            report.books.prove()
        }
    }
}

/// Shows a market until Ctrl-C or SIGTERM, which also end it while it starts.
async fn show_in_browser(place: &Place, browser: Browser, output: Output) -> Result<()> {
    let options = web::Options {
        port: browser.web_port,
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
    // If there is no browser, the printed address has to do.
    let _ = command.spawn();
}

/// Plays the hours of the staking demo, with a progress bar where there is a terminal.
fn live(seed: u64, hours: u32, output: Output) -> Result<staking::Report> {
    let bar = ProgressBar::new(hours.into());
    bar.set_style(ProgressStyle::with_template("{bar:30} hour {pos} of {len}, {eta} left")?);
    let report = staking::run(seed, hours, |news| {
        bar.suspend(|| news.iter().for_each(|event| output.say(&event.to_string())));
        bar.inc(1);
    })?;
    bar.finish_and_clear();
    Ok(report)
}

/// Prints a report and writes it to `report.json`.
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
