//! `cargo xtask demo`.

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Parser, Subcommand, ValueEnum};
use demo::{Place, web};
use serde::Serialize;
use std::ffi::OsString;
use std::fmt::Display;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use worker::process::stop_on_signals;

/// Run the main job on a local chain: a photo goes in, a worker enlarges it exactly, the chain pays
#[derive(Parser)]
#[command(name = "cargo xtask demo", version)]
struct Arguments {
    /// Folder for everything the demo writes; emptied first
    #[arg(long, default_value = "target/demo")]
    dir: PathBuf,
    /// Photo to enlarge; the shipped one comes with its original in full size, to measure against
    #[arg(long)]
    photo: Option<PathBuf>,
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
    /// How to print where everything is
    #[arg(long, requires = "web", value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Output {
    Text,
    Json,
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
    #[command(disable_help_flag = true)]
    Staking {
        /// Passed on; `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let root = std::env::current_dir().context("the current folder cannot be read")?;
    let me = std::env::current_exe().context("cannot tell where this binary is")?;
    let place = Place {
        bin: me.parent().context("this binary has no folder")?.to_owned(),
        dir: root.join(arguments.dir),
        root,
    };
    // Each run starts on an empty chain; keys and blobs of the last one would only confuse.
    if place.dir.exists() {
        std::fs::remove_dir_all(&place.dir).with_context(|| format!("cannot empty {}", place.dir.display()))?;
    }
    std::fs::create_dir_all(&place.dir).with_context(|| format!("cannot create {}", place.dir.display()))?;
    let photo = arguments.photo.map(|photo| place.root.join(photo));

    match arguments.scenario {
        Some(_) if arguments.browser.web => bail!("--web shows a market of its own; leave the scenario away"),
        None if arguments.browser.web => show_in_browser(&place, arguments.browser).await?,
        None => {
            let report = demo::run(&place, photo).await?;
            show(&place, &report)?;
            println!("{}", place.dir.join("output.png").display());
        }
        Some(Scenario::Dispute { silent: true }) => show(&place, &demo::silence::run(&place).await?)?,
        Some(Scenario::Dispute { silent: false }) => show(&place, &demo::dispute::run(&place).await?)?,
        Some(Scenario::Governance) => show(&place, &demo::governance::run(&place).await?)?,
        Some(Scenario::Staking { arguments }) => staking(&place, &arguments)?,
    }
    Ok(())
}

/// Shows a market until Ctrl-C or SIGTERM, which also ends it while it is being made.
async fn show_in_browser(place: &Place, browser: Browser) -> Result<()> {
    let options = web::Options {
        port: browser.port,
        app: place.root.join(browser.web_dir),
    };
    let stop = stop_on_signals();
    let say = |line: &str| match browser.output {
        Output::Json => eprintln!("{line}"),
        Output::Text => println!("{line}"),
    };
    let web = tokio::select! {
        biased;
        () = stop.cancelled() => return Ok(()),
        started = web::start(place, &options, say) => started?,
    };
    match browser.output {
        Output::Json => println!("{}", serde_json::to_string(&web.record)?),
        Output::Text => println!(
            "\n{}\nKeys and logs are in {}. Ctrl-C stops it.",
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
    // Who has no browser there reads the address.
    let _ = command.spawn();
}

/// Has the binary with the warped chain run, which shares nothing with the processes on a local node.
fn staking(place: &Place, arguments: &[OsString]) -> Result<()> {
    let status = Command::new(place.bin.join(format!("demo-staking{}", std::env::consts::EXE_SUFFIX)))
        .env("IONET_DEPLOY_DIR", place.root.join("target/deploy"))
        .arg("--dir")
        .arg(&place.dir)
        .args(arguments)
        .status()
        .context("cannot start demo-staking; run `cargo xtask build`")?;
    ensure!(status.success(), "the demo of staking ended with {status}; what it said is above");
    Ok(())
}

/// Prints a report and writes it down.
fn show(place: &Place, report: &(impl Display + Serialize)) -> Result<()> {
    println!("\n{report}");
    let path = place.dir.join("report.json");
    std::fs::write(&path, serde_json::to_vec_pretty(report)?).with_context(|| format!("cannot write {}", path.display()))?;
    println!("{}", path.display());
    Ok(())
}
