//! `ionet-localnet`: a complete market on this machine until Ctrl-C.

use anyhow::Result;
use clap::{Parser, ValueEnum};
use daemon::LogFormat;
use localnet::{Localnet, NodeOptions, Options, WebOptions};
use std::{io::Write, path::PathBuf, process::ExitCode, time::Duration};

/// Run a complete market on this machine: chain, programs, mint, funded keys and blob server.
#[derive(Parser)]
#[command(name = "ionet-localnet", version)]
struct Arguments {
    /// Folder for keys, blobs and localnet.json
    #[arg(long, default_value = chain::localnet::FOLDER)]
    dir: PathBuf,
    /// Folder with the built programs
    #[arg(long, default_value = "target/deploy")]
    programs: PathBuf,
    /// Port of JSON-RPC; 0 picks a free one
    #[arg(long, default_value_t = 8899)]
    port: u16,
    /// Port of subscriptions [default: the one after --port]
    #[arg(long)]
    ws_port: Option<u16>,
    /// Port of the blob server; 0 picks a free one
    #[arg(long, default_value_t = blobs::LOCAL_PORT)]
    blob_port: u16,
    /// Milliseconds between blocks
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    slot_ms: u64,
    /// Hand every authority to governance, so that changes take a proposal
    #[arg(long)]
    governed: bool,
    /// Also serve the web app, the indexer's API and a faucet
    #[arg(long)]
    web: bool,
    /// Port of the web app; 0 picks a free one
    #[arg(long, requires = "web", default_value_t = 8902)]
    web_port: u16,
    /// Folder with the built web app
    #[arg(long, requires = "web", default_value = "app/web/dist")]
    web_dir: PathBuf,
    /// Format in which to print the addresses and keys
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Text,
    Json,
}

#[tokio::main]
async fn main() -> ExitCode {
    daemon::log_to_stderr(LogFormat::Human, "warn");
    let arguments = Arguments::parse();
    let output = arguments.output;
    let Err(error) = run(arguments).await else {
        return ExitCode::SUCCESS;
    };
    // In the format of `ionet`, which starts this. The reader may be gone, so a failed write is ignored.
    let message = format!("{error:#}");
    let _ = match output {
        Output::Json => writeln!(
            std::io::stderr(),
            "{:#}",
            serde_json::json!({ "error": message, "code": 1, "program_error": null })
        ),
        Output::Text => writeln!(std::io::stderr(), "error: {message}"),
    };
    ExitCode::FAILURE
}

async fn run(arguments: Arguments) -> Result<()> {
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
    // Registered first, so that a signal during startup is not lost.
    let stop = daemon::stop_on_signals();
    let localnet = tokio::select! {
        () = stop.cancelled() => return Ok(()),
        started = Localnet::start(&options) => started?,
    };
    match arguments.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(localnet.record())?),
        Output::Text => println!(
            "{}\nCtrl-C stops it. The next start keeps the keys and begins with an empty chain.",
            localnet.record()
        ),
    }
    stop.cancelled().await;
    localnet.stop().await
}
