//! `ionet-indexer`: keeps and serves the market's history.

use chain::{Cluster, Live, Network};
use clap::{Parser, Subcommand};
use indexer::{Error, Follower, Result, Store, api, check};
use std::{net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};
use worker::process::{log_to_stderr, run, stop_on_signals};
use worker::settings::LogFormat;

/// Keeps the market's history in a database, from the programs' events alone, and serves it over HTTP
///
/// Every setting is a flag or an environment variable. Exit codes: 0 stopped in order, 1 failed, 2 wrong settings, 3 chain out of reach.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Solana cluster: localnet, devnet, testnet, mainnet-beta or an RPC URL
    #[arg(
        long,
        env = "IONET_CLUSTER",
        value_name = "URL",
        default_value = "localnet",
        hide_env_values = true
    )]
    cluster: String,
    /// WebSocket URL, when it does not follow from the RPC URL
    #[arg(long, env = "IONET_WS", value_name = "URL", hide_env_values = true)]
    ws: Option<String>,
    /// Database: sqlite://FILE or postgres://USER@HOST/NAME
    #[arg(
        long,
        env = "IONET_DATABASE",
        value_name = "URL",
        default_value = "sqlite://ionet-indexer.db",
        hide_env_values = true
    )]
    database: String,
    /// Where to serve
    #[arg(long, env = "IONET_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8902")]
    listen: SocketAddr,
    /// Milliseconds between looks at a chain on which nothing happens
    #[arg(long, env = "IONET_EVERY", value_name = "MS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    every: u64,
    /// How to log, to standard error; RUST_LOG filters
    #[arg(long, env = "IONET_LOG", value_name = "FORMAT", default_value = "human")]
    log: LogFormat,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Take in what there is, compare the books with the accounts, and end; fails when they differ
    Check,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr(cli.log, "warn,indexer=info,ionet_indexer=info");
    run(act(cli), Error::exit_code)
}

async fn act(cli: Cli) -> Result<()> {
    let mut cluster: Cluster = cli.cluster.parse()?;
    if let Some(ws) = &cli.ws {
        cluster.ws.clone_from(ws);
    }
    let network: Arc<dyn Network> = Arc::new(Live::new(&cluster));
    let store = Store::open(&cli.database).await?;
    let follower = Follower::new(network.clone(), store.clone());
    match cli.command {
        Some(Command::Check) => {
            while follower.round().await? > 0 {}
            let differences = check::check(&*network, &store).await?;
            for difference in &differences {
                println!("{difference}");
            }
            match differences.len() {
                0 => println!("the books are what the accounts say"),
                count => return Err(Error::Differences { count }),
            }
            Ok(())
        }
        None => serve(cli, follower, store).await,
    }
}

async fn serve(cli: Cli, follower: Follower, store: Store) -> Result<()> {
    let stop = stop_on_signals();
    let served = tokio::spawn(api::serve(cli.listen, store, stop.clone()));
    tracing::info!(address = %cli.listen, database = %cli.database, "serving");
    while !stop.is_cancelled() {
        let pause = match follower.round().await {
            Ok(0) => Duration::from_millis(cli.every),
            Ok(count) => {
                tracing::debug!(count, "taken in");
                continue;
            }
            Err(error) => {
                tracing::warn!(%error, "the chain or the database does not answer; trying again");
                Duration::from_secs(2)
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    served.await.unwrap_or(Ok(()))
}
