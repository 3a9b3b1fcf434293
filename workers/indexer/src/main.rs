//! `ionet-indexer`: keeps and serves the market's history.

use chain::{Chain, Cluster, Live, Network, market};
use clap::{Parser, Subcommand};
use daemon::{LogFormat, log_to_stderr, run, stop_on_signals};
use indexer::{Error, Follower, PROGRAMS, Result, Store, api, check, webhooks};
use reqwest::Url;
use serde_json::{Value, json};
use std::{
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};
use tokio::net::TcpListener;

/// Keeps the market's history in a database, from the programs' events alone, and serves it over HTTP
///
/// Every setting is a flag or an environment variable. Exit codes: 0 stopped by a signal, 1 failed, 2 wrong settings, 3 wrong chain, or
/// chain unreachable at the start, 130 ended by a second signal.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Solana cluster: localnet, devnet, testnet, mainnet-beta or an RPC URL
    #[arg(
        long,
        env = "IONET_CLUSTER",
        value_name = "URL",
        default_value = "localnet",
        hide_env_values = true,
        global = true
    )]
    cluster: String,
    /// WebSocket URL, if it does not follow from the RPC URL
    #[arg(long, env = "IONET_WS", value_name = "URL", hide_env_values = true, global = true)]
    ws: Option<String>,
    /// Database: sqlite://FILE or postgres://USER@HOST/NAME
    #[arg(
        long,
        env = "IONET_DATABASE",
        value_name = "URL",
        default_value = "sqlite://ionet-indexer.db",
        hide_env_values = true,
        global = true
    )]
    database: String,
    /// Address to serve on
    #[arg(long, env = "IONET_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8903")]
    listen: SocketAddr,
    /// Folder of a built web app to serve next to the API
    #[arg(long, env = "IONET_WEB", value_name = "FOLDER", requires = "blobs")]
    web: Option<PathBuf>,
    /// Blob store that the web app uses
    #[arg(long, env = "IONET_BLOBS", value_name = "URL")]
    blobs: Option<String>,
    /// Cluster for the web app, if it is to use another: visible to everybody
    #[arg(long, env = "IONET_WEB_CLUSTER", value_name = "URL", requires = "web")]
    web_cluster: Option<String>,
    /// Webhooks: a TOML file with [[webhook]] tables of url and secret, and of programs, names and addresses as filters
    #[arg(long, env = "IONET_WEBHOOKS", value_name = "FILE")]
    webhooks: Option<PathBuf>,
    /// Milliseconds between polls of a node that pushes nothing
    #[arg(long, env = "IONET_EVERY", value_name = "MS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    every: u64,
    /// Log format, on standard error; RUST_LOG sets the filter
    #[arg(long, env = "IONET_LOG", value_name = "FORMAT", default_value = "human", global = true)]
    log: LogFormat,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Index everything until now, compare the books with the accounts, and exit; fails if they differ
    ///
    /// On a live chain, a difference may have arisen during the comparison: check again. One that remains is an error in the books.
    Check,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr(cli.log, "warn,chain=info,indexer=info,ionet_indexer=info");
    run(act(cli), Error::exit_code)
}

async fn act(cli: Cli) -> Result<()> {
    let mut cluster: Cluster = cli.cluster.parse()?;
    if let Some(ws) = &cli.ws {
        cluster.ws.clone_from(ws);
    }
    // First, so that a port in use is reported before the chain is asked.
    let listener = match cli.command {
        Some(Command::Check) => None,
        None => Some(api::listen(cli.listen).await?),
    };
    let node = Arc::new(Live::new(&cluster));
    let network: Arc<dyn Network> = node.clone();
    Chain::new(network.clone()).check(&PROGRAMS).await?;
    let genesis = node.genesis().await?.to_string();
    let store = Store::open(&cli.database).await?;
    store.belong_to(&genesis).await?;
    let mut follower = Follower::new(network.clone(), store.clone());
    if let Some(listener) = listener {
        return serve(&cli, &cluster, &genesis, network, follower, store, listener).await;
    }
    follower.catch_up().await?;
    let differences = check::check(&*network, &store).await?;
    let print = |line: String| {
        // If standard output is closed, the exit code still tells the result.
        let _ = writeln!(io::stdout(), "{line}");
    };
    for difference in &differences {
        print(difference.to_string());
    }
    match differences.len() {
        0 => print("the books match the accounts".to_owned()),
        count => return Err(Error::Differences { count }),
    }
    Ok(())
}

async fn serve(
    cli: &Cli,
    cluster: &Cluster,
    genesis: &str,
    network: Arc<dyn Network>,
    mut follower: Follower,
    store: Store,
    listener: TcpListener,
) -> Result<()> {
    let hooks = cli.webhooks.as_deref().map(webhooks::read).transpose()?.unwrap_or_default();
    let stop = stop_on_signals();
    let mut router = api::router(store.clone(), stop.clone());
    if let Some(folder) = &cli.web {
        router = api::site(router, folder, &web_config(cli, cluster, genesis, network).await?)?;
    }
    let address = listener.local_addr().unwrap_or(cli.listen);
    let served = tokio::spawn(api::serve(listener, router, stop.clone()));
    tracing::info!(%address, database = store.url(), "serving");
    for hook in hooks {
        tokio::spawn(hook.deliver(store.clone(), webhooks::RETRY, stop.clone()));
    }
    follower.run(Duration::from_millis(cli.every), &stop).await;
    let _ = served.await;
    Ok(())
}

/// The web app's configuration: where the chain and the blobs are, and which chain it is.
async fn web_config(cli: &Cli, cluster: &Cluster, genesis: &str, network: Arc<dyn Network>) -> Result<Value> {
    let shown = public(cli, cluster)?;
    let name = ["localnet", "devnet", "testnet", "mainnet-beta"]
        .into_iter()
        .find(|name| name.parse::<Cluster>().is_ok_and(|known| known.rpc == shown.rpc));
    let chain = Chain::new(network);
    let staking: staking::StakingConfig = chain.fetch(&market::stake::config()).await?;
    Ok(json!({
        "cluster": name.unwrap_or("custom"),
        "chain": api::chain_of(genesis),
        "rpc": shown.rpc,
        "ws": shown.ws,
        "blobs": cli.blobs,
        "mint": staking.mint.to_string(),
        "genesis": genesis,
    }))
}

/// The cluster that the web app is told of.
fn public(cli: &Cli, cluster: &Cluster) -> Result<Cluster> {
    // The parts of a URL after the host may contain a provider's key.
    let is_bare = |url: &str| Url::parse(url).is_ok_and(|parsed| url.trim_end_matches('/') == parsed.origin().ascii_serialization());
    if cli.blobs.as_ref().is_some_and(|url| url.contains(['@', '?'])) {
        return Err(Error::Secret {
            whose: "blob store",
            flag: "--blobs",
        });
    }
    match &cli.web_cluster {
        Some(web) => Ok(web.parse()?),
        None if is_bare(&cluster.rpc) && is_bare(&cluster.ws) => Ok(cluster.clone()),
        None => Err(Error::Secret {
            whose: "cluster",
            flag: "--web-cluster",
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_web_app_is_not_told_of_urls_with_keys() {
        let told = |rpc: &str, ws: &str, flags: &[&str]| {
            let always = ["ionet-indexer", "--web", "dist", "--blobs", "https://blobs.example/blobs"];
            let cli = Cli::try_parse_from(always.iter().chain(flags)).unwrap();
            public(&cli, &Cluster::new(rpc, ws))
                .map(|cluster| cluster.rpc)
                .map_err(|error| error.to_string())
        };
        let (host, bare, elsewhere) = ("https://node.example", "wss://node.example/", ["--web-cluster", "devnet"]);
        assert_eq!(told(host, bare, &[]).unwrap(), host);
        for (rpc, ws) in [("https://node.example/?key=1", bare), (host, "wss://node.example/key")] {
            assert!(told(rpc, ws, &[]).unwrap_err().contains("--web-cluster"), "{rpc} {ws}");
            assert_eq!(told(rpc, ws, &elsewhere).unwrap(), "https://api.devnet.solana.com");
        }
        for blobs in ["https://user:key@blobs.example", "https://blobs.example/?sig=key"] {
            let cli = Cli::try_parse_from(["ionet-indexer", "--web", "dist", "--blobs", blobs]).unwrap();
            let refusal = public(&cli, &Cluster::new(host, bare)).unwrap_err().to_string();
            assert!(refusal.contains("--blobs") && !refusal.contains("example"), "{refusal}");
        }
    }

    #[test]
    fn settings_of_a_check_may_follow_it() {
        let flags = [
            "--cluster",
            "devnet",
            "--ws",
            "ws://host",
            "--database",
            "sqlite://x.db",
            "--log",
            "json",
        ];
        let after = ["ionet-indexer", "check"].into_iter().chain(flags);
        let before = ["ionet-indexer"].into_iter().chain(flags).chain(["check"]);
        for cli in [Cli::try_parse_from(after).unwrap(), Cli::try_parse_from(before).unwrap()] {
            let given = (cli.cluster.as_str(), cli.ws.as_deref(), cli.database.as_str(), cli.log);
            assert_eq!(given, ("devnet", Some("ws://host"), "sqlite://x.db", LogFormat::Json));
        }
    }
}
