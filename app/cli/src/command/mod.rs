//! The command line: what can be typed, and which file runs it.

mod authorities;
mod config;
mod costake;
mod device;
mod escrow;
mod gov;
mod job;
mod localnet;
mod migrate;
mod model;
mod permit;
mod reward;
mod slash;
mod stake;
mod verify;
mod wallet;
mod watch;

use crate::{
    config::Config,
    context::Context,
    error::{Result, refuse},
    output::{Answer, Format},
    settings::Settings,
};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Buy and sell GPU work on Solana whose results are proven before they are paid
#[derive(Debug, Parser)]
#[command(
    name = "ionet",
    version,
    arg_required_else_help = true,
    after_help = "Before it sends anything, a command shows the simulated effect and asks; --yes skips the question.\n\n\
        Exit codes:\n\
        \u{20} 0  done\n\
        \u{20} 1  refused: the input is wrong, or the state on the chain does not allow it\n\
        \u{20} 2  wrong usage, or there is no terminal to ask for confirmation on\n\
        \u{20} 3  a program on the chain rejected the transaction\n\
        \u{20} 4  a transaction expired, or its outcome is unknown\n\
        \u{20} 5  the node or blob server does not answer, or belongs to another cluster\n\
        \u{20} 6  verify: the result is wrong"
)]
pub struct Options {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Cluster: localnet, devnet, testnet, mainnet-beta or an RPC URL [default: localnet]
    #[arg(long, short, global = true, env = "IONET_URL", hide_env_values = true)]
    pub url: Option<String>,
    /// Keypair file that signs and pays [default: ~/.config/solana/id.json]
    #[arg(long, short, global = true, env = "IONET_KEYPAIR", value_name = "FILE")]
    pub keypair: Option<PathBuf>,
    /// Blob store for inputs and outputs: URL or folder [default: the local network's, or http://127.0.0.1:8901/blobs]
    #[arg(long, global = true, env = "IONET_BLOBS", hide_env_values = true, value_name = "URL")]
    pub blobs: Option<String>,
    /// Output format: text, or json with amounts in base units [default: text]
    #[arg(long, global = true, env = "IONET_OUTPUT", hide_possible_values = true)]
    pub output: Option<Format>,
    /// Highest priority fee in micro-lamports per compute unit; the fee paid follows recent ones up to this [default: 1000000]
    #[arg(long, global = true, env = "IONET_MAX_PRIORITY_FEE", value_name = "N")]
    pub max_priority_fee: Option<u64>,
    /// Send without asking for confirmation
    #[arg(long, short, global = true)]
    pub yes: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a complete market on this machine
    Localnet(localnet::Arguments),
    /// Keys and balances
    #[command(subcommand)]
    Wallet(wallet::Command),
    /// Devices: GPUs offered on the market
    #[command(subcommand)]
    Device(device::Command),
    /// Stake on your own devices
    #[command(subcommand)]
    Stake(stake::Command),
    /// Stake on other people's devices, for a share of their rewards
    #[command(subcommand)]
    Costake(costake::Command),
    /// Hourly rewards for keeping devices present
    #[command(subcommand)]
    Reward(reward::Command),
    /// Slashes for misconduct that people judge: proposed, approved, open to appeal
    #[command(subcommand)]
    Slash(slash::Command),
    /// Governance by stakers: proposals, votes, execution
    #[command(subcommand)]
    Gov(gov::Command),
    /// Models registered on the chain
    #[command(subcommand)]
    Model(model::Command),
    /// Funds set aside to pay for jobs
    #[command(subcommand)]
    Escrow(escrow::Command),
    /// Buy work and follow it to its end
    #[command(subcommand)]
    Job(job::Command),
    /// Permits for deliberate errors, whose jackpots make checking worthwhile
    #[command(subcommand)]
    Permit(permit::Command),
    /// Recompute a job and report whether its result is right, and if not, where it is wrong
    Verify(verify::Arguments),
    /// Keeper duties that anyone may do for a bounty
    #[command(subcommand)]
    Watch(watch::Command),
    /// Bring a cluster's on-chain configs and tables up to this version
    Migrate(migrate::Arguments),
    /// Defaults in ~/.config/ionet/config.toml, and who holds the market's authorities
    #[command(subcommand)]
    Config(config::Command),
}

impl Options {
    /// The output format, from the command line or the config file.
    pub(crate) fn format(&self) -> Format {
        self.global.output.or_else(Format::configured).unwrap_or_default()
    }
}

/// Runs a command; `None` when it has printed its output already.
pub(crate) async fn run(options: Options) -> Result<Option<Answer>> {
    let format = options.format();
    let Options { global, command } = options;
    let context = || -> Result<Context> {
        let folder = std::env::current_dir();
        let folder = folder.or_else(|error| refuse(format!("the current folder cannot be read ({error}); change to another")))?;
        let config = Config::load(&crate::config::default_path())?;
        Ok(Context::new(Settings::resolve(&global, &config, &folder)?))
    };
    match command {
        Command::Localnet(arguments) => arguments.run(format),
        Command::Config(command) => command.run(context).await.map(Some),
        Command::Wallet(command) => command.run(&context()?).await.map(Some),
        Command::Device(command) => command.run(&context()?).await.map(Some),
        Command::Stake(command) => command.run(&context()?).await.map(Some),
        Command::Costake(command) => command.run(&context()?).await.map(Some),
        Command::Reward(command) => command.run(&context()?).await.map(Some),
        Command::Slash(command) => command.run(&context()?).await.map(Some),
        Command::Gov(command) => command.run(&context()?).await.map(Some),
        Command::Migrate(arguments) => arguments.run(&context()?).await.map(Some),
        Command::Model(command) => command.run(&context()?).await.map(Some),
        Command::Escrow(command) => command.run(&context()?).await.map(Some),
        Command::Job(command) => command.run(&context()?).await.map(Some),
        Command::Permit(command) => command.run(&context()?).await.map(Some),
        Command::Verify(arguments) => arguments.run(&context()?).await.map(Some),
        Command::Watch(command) => command.run(&context()?).await,
    }
}
