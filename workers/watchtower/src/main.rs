//! `ionet-watchtower`: checks results that others deliver.

use chain::Chain;
use clap::Parser;
use daemon::{log_to_stderr, run, stop_on_signals};
use std::process::ExitCode;
use watchtower::settings::Options;
use watchtower::{Error, Result, Watchtower};

/// Recomputes revealed jobs of the GPU market, convicts wrong results by a single element, and turns the market's cranks
///
/// Every setting is a flag, an environment variable or a line of the config file, in this order of precedence.
/// Exit codes: 0 stopped by a signal, 1 failed, 2 wrong settings, 3 chain unreachable or the wrong one, 130 ended by a second signal.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    options: Options,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr(
        cli.options.log_format(),
        "warn,chain=info,worker=info,watchtower=info,ionet_watchtower=info",
    );
    run(act(cli), Error::exit_code)
}

async fn act(cli: Cli) -> Result<()> {
    let settings = cli.options.resolve()?;
    let stop = stop_on_signals();
    let chain = Chain::connect(&settings.cluster);
    Watchtower::start(settings, chain, stop).await?.run().await
}
