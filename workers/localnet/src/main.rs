//! `ionet-localnet`: a whole market on this machine until Ctrl-C.

use anyhow::Result;
use clap::{Parser, ValueEnum};
use localnet::{Localnet, NodeOptions, Options, WebOptions};
use std::{io::IsTerminal, path::PathBuf, time::Duration};

/// Run a whole market on this machine: chain, programs, mint, funded keys and blob server.
#[derive(Parser)]
#[command(name = "ionet-localnet", version)]
struct Arguments {
    /// Folder for keys, blobs and localnet.json
    #[arg(long, default_value = ".ionet/localnet")]
    dir: PathBuf,
    /// Folder with the built programs
    #[arg(long, default_value = "target/deploy")]
    programs: PathBuf,
    /// Port of JSON-RPC; 0 takes any free one
    #[arg(long, default_value_t = 8899)]
    port: u16,
    /// Port of subscriptions [default: the one after --port]
    #[arg(long)]
    ws_port: Option<u16>,
    /// Port of the blob server; 0 takes any free one
    #[arg(long, default_value_t = 8901)]
    blob_port: u16,
    /// Milliseconds between blocks
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    slot_ms: u64,
    /// Let stakers govern: nobody's key holds an authority, and changes take a proposal
    #[arg(long)]
    governed: bool,
    /// Also serve the web app, the market's history and a faucet
    #[arg(long)]
    web: bool,
    /// Port of the web app; 0 takes any free one
    #[arg(long, requires = "web", default_value_t = 8902)]
    web_port: u16,
    /// Folder that the web app was built into
    #[arg(long, requires = "web", default_value = "app/web/dist")]
    web_dir: PathBuf,
    /// How to print where everything is
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Text,
    Json,
}

#[tokio::main]
async fn main() -> Result<()> {
    let log = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into()))
        .with_writer(std::io::stderr);
    // Otherwise NO_COLOR decides.
    let log = if std::io::stderr().is_terminal() {
        log
    } else {
        log.with_ansi(false)
    };
    log.init();
    let arguments = Arguments::parse();
    let ws_port = arguments
        .ws_port
        .unwrap_or(if arguments.port == 0 { 0 } else { arguments.port.saturating_add(1) });
    let options = Options {
        dir: arguments.dir,
        programs: arguments.programs,
        node: NodeOptions {
            rpc_port: arguments.port,
            ws_port,
            slot: Duration::from_millis(arguments.slot_ms),
        },
        blob_port: arguments.blob_port,
        governed: arguments.governed,
        web: arguments.web.then_some(WebOptions {
            port: arguments.web_port,
            app: arguments.web_dir,
        }),
        ..Options::default()
    };
    // Registered first, so that a signal while starting is not lost.
    let stopped = stopped();
    tokio::pin!(stopped);
    let localnet = tokio::select! {
        () = &mut stopped => return Ok(()),
        started = Localnet::start(&options) => started?,
    };
    match arguments.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(localnet.record())?),
        Output::Text => println!("{}\nCtrl-C stops it.", localnet.record()),
    }
    stopped.await;
    localnet.stop().await
}

/// Completes on Ctrl-C or, on Unix, SIGTERM.
async fn stopped() {
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        return;
    }
    let _ = tokio::signal::ctrl_c().await;
}
