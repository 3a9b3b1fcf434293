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
    after_help = "Nothing is sent without --yes or a yes to the simulated effect.\n\n\
        Exit codes:\n\
        \u{20} 0  done\n\
        \u{20} 1  refused: the input or the state of things does not allow it\n\
        \u{20} 2  wrong usage, or a yes is needed and there is no terminal to ask\n\
        \u{20} 3  a program on the chain said no\n\
        \u{20} 4  nobody said what became of a transaction, or it expired\n\
        \u{20} 5  the node or blob server does not answer, or is of another cluster\n\
        \u{20} 6  verify: the result is wrong"
)]
pub struct Options {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Everywhere")]
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
    /// How to print: text, or json with amounts in base units [default: text]
    #[arg(long, global = true, env = "IONET_OUTPUT", hide_possible_values = true)]
    pub output: Option<Format>,
    /// Most to pay for a place in a block, in millionths of a lamport per compute unit: up to it goes what others pay [default: 1000000]
    #[arg(long, global = true, env = "IONET_MAX_PRIORITY_FEE", value_name = "N")]
    pub max_priority_fee: Option<u64>,
    /// Send without asking
    #[arg(long, short, global = true)]
    pub yes: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a whole market on this machine
    Localnet(localnet::Arguments),
    /// Keys and balances
    #[command(subcommand)]
    Wallet(wallet::Command),
    /// Devices: GPUs offered on the market
    #[command(subcommand)]
    Device(device::Command),
    /// Stake behind devices
    #[command(subcommand)]
    Stake(stake::Command),
    /// Stake on other people's devices, for a share of their rewards
    #[command(subcommand)]
    Costake(costake::Command),
    /// Hourly rewards of devices for being present
    #[command(subcommand)]
    Reward(reward::Command),
    /// Slashes that people decide: two keys, an appeal, an end
    #[command(subcommand)]
    Slash(slash::Command),
    /// Governance by stakers: proposals, votes, execution
    #[command(subcommand)]
    Gov(gov::Command),
    /// Models registered on the chain
    #[command(subcommand)]
    Model(model::Command),
    /// Money set aside for jobs
    #[command(subcommand)]
    Escrow(escrow::Command),
    /// Work bought on the market
    #[command(subcommand)]
    Job(job::Command),
    /// Permits for forced errors, which make checking right results pay
    #[command(subcommand)]
    Permit(permit::Command),
    /// Recompute a job and say whether its result is right, and if not, where
    Verify(verify::Arguments),
    /// Duties anyone may do for their bounty
    #[command(subcommand)]
    Watch(watch::Command),
    /// Bring a cluster's configs and tables to what this version expects
    Migrate(migrate::Arguments),
    /// Defaults kept in ~/.config/ionet/config.toml, and who governs
    #[command(subcommand)]
    Config(config::Command),
}

impl Options {
    /// How to print, as far as the command line alone says.
    pub(crate) fn format(&self) -> Format {
        self.global.output.or_else(Format::configured).unwrap_or_default()
    }
}

/// Runs a command; `None` when it has printed all there is to say.
pub(crate) async fn run(Options { global, command }: Options) -> Result<Option<Answer>> {
    let context = || -> Result<Context> {
        let folder = std::env::current_dir();
        let folder = folder.or_else(|error| refuse(format!("the current folder cannot be read ({error}); change to another")))?;
        let config = Config::load(&crate::config::default_path())?;
        Ok(Context::new(Settings::resolve(&global, config, &folder)?))
    };
    match command {
        Command::Localnet(arguments) => arguments.run(global.output),
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
