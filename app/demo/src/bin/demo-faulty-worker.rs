//! `demo-faulty-worker`: an `ionet-worker` that errs on purpose, so that the demo has something to convict. It loses its bonds.

use chain::Chain;
use clap::Parser;
use daemon::{log_to_stderr, run, stop_on_signals};
use std::process::ExitCode;
use std::str::FromStr;
use worker::settings::Options;
use worker::{Error, Fault, Result, Worker};

/// A worker that flips one bit of one element of one op's output in every job, and continues from there
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Which bit to flip: unit, op, element and bit
    #[arg(long, value_name = "UNIT:OP:ELEMENT:BIT")]
    flip: Flip,
    /// Also withhold the result: upload nothing and answer no demands
    #[arg(long)]
    silent: bool,
    #[command(flatten)]
    options: Options,
}

#[derive(Clone, Copy)]
struct Flip(Fault);

impl FromStr for Flip {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        let mut numbers = text.split(':').map(str::parse::<u32>);
        match (numbers.next(), numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(unit)), Some(Ok(op)), Some(Ok(element)), Some(Ok(bit)), None) => Ok(Self(Fault {
                unit,
                op: op as usize,
                element: element as usize,
                bit: (bit % 8) as u8,
            })),
            _ => Err("give four numbers, as in 3:5:1000:2"),
        }
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr(cli.options.log_format(), "warn,worker=info");
    run(act(cli), Error::exit_code)
}

async fn act(cli: Cli) -> Result<()> {
    let settings = cli.options.resolve()?;
    let stop = stop_on_signals();
    let chain = Chain::connect(&settings.cluster);
    let Flip(fault) = cli.flip;
    let worker = Worker::start(settings, chain, stop).await?.with_fault(fault);
    let worker = if cli.silent { worker.silenced() } else { worker };
    worker.run().await
}
