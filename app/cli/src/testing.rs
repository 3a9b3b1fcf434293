//! Fixtures of unit tests: a context over an in-memory node, and accounts on it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use crate::{
    amount::{Unit, UnitName},
    command::Global,
    config::Config,
    context::Context,
    output::{Answer, Format},
    settings::Settings,
};
use anchor_lang::{Event, bytemuck::Zeroable};
use base64::{Engine, prelude::BASE64_STANDARD};
pub use chain::fake::account;
use chain::{Chain, Landed, SendOptions, fake::Fake, market};
use clap::Subcommand;
use protocol::units::IO_DECIMALS;
use solana_account::Account;
use solana_address::Address;
use solana_instruction::{AccountMeta, Instruction};
use solana_keypair::Keypair;
use solana_program_pack::Pack;
use solana_signer::Signer;
use spl_token_interface::state::{Account as TokenAccount, AccountState, Mint};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::Notify;

/// A folder that is removed with this value, a node in memory, a context with JSON output and no questions, and its wallet, which is a file
/// in the folder.
pub fn context() -> (TempDir, Arc<Fake>, Context, Keypair) {
    let (home, fake) = (tempfile::tempdir().unwrap(), Arc::new(Fake::default()));
    let folder = home.path();
    let path = folder.join("wallet.json");
    let wallet = Keypair::new();
    chain::save_keypair(&wallet, &path).unwrap();
    let global = Global {
        keypair: Some(path),
        blobs: Some(folder.join("blobs").display().to_string()),
        output: Some(Format::Json),
        yes: true,
        ..Global::default()
    };
    let settings = Settings {
        data: folder.join("data"),
        ..Settings::resolve(&global, &Config::default(), folder).unwrap()
    };
    let context = Context {
        chain: Chain::new(fake.clone()),
        ..Context::new(settings)
    };
    (home, fake, context, wallet)
}

/// A deployed program.
pub fn program() -> Account {
    Account {
        lamports: 1,
        executable: true,
        ..Account::default()
    }
}

/// $IO.
pub const IO: Unit = Unit {
    name: UnitName::Io,
    decimals: IO_DECIMALS,
};

/// A mint of the token program.
pub fn mint(decimals: u8) -> Account {
    packed(Mint {
        decimals,
        is_initialized: true,
        ..Mint::default()
    })
}

/// An account of the token program.
pub fn packed<T: Pack>(content: T) -> Account {
    let mut data = vec![0; T::LEN];
    content.pack_into_slice(&mut data);
    Account {
        lamports: 1,
        data,
        owner: spl_token_interface::ID,
        ..Account::default()
    }
}

/// A market whose token is `mint`, on a chain whose clock is at 0.
pub fn set_up_market(fake: &Fake, mint: &Address) {
    for id in [staking::ID, jobs::ID] {
        fake.set_account(id, program());
    }
    let config = jobs::Config {
        mint: *mint,
        ..jobs::Config::zeroed()
    };
    fake.set_account(market::job::config(), account(&config));
    fake.set_account(market::stake::config(), account(&staking::StakingConfig::zeroed()));
    fake.set_clock();
}

/// A [`context`] on such a market, its wallet with SOL and `amount` of the token, and the mint.
pub fn on_market(amount: u64) -> (TempDir, Arc<Fake>, Context, Keypair, Address) {
    let (folder, fake, context, wallet) = context();
    let mint = Address::new_unique();
    set_up_market(&fake, &mint);
    set_up_wallet(&fake, &wallet.pubkey(), &mint, amount);
    (folder, fake, context, wallet, mint)
}

/// The mint, and a wallet with SOL and `amount` of the token; every transaction sent from now on lands.
pub fn set_up_wallet(fake: &Fake, wallet: &Address, mint: &Address, amount: u64) {
    fake.set_account(*mint, self::mint(IO.decimals));
    let tokens = TokenAccount {
        mint: *mint,
        owner: *wallet,
        amount,
        state: AccountState::Initialized,
        ..TokenAccount::default()
    };
    fake.set_account(market::token_account(wallet, mint), packed(tokens));
    let sol = Account {
        lamports: 1,
        ..Account::default()
    };
    fake.set_account(*wallet, sol);
    fake.on_send(|_| Some(landed(&[])));
}

/// A transaction that succeeded in a block and logged these lines.
pub fn landed(logs: &[String]) -> Landed {
    Landed {
        slot: 1,
        time: None,
        error: None,
        compute_units: 0,
        fee: 5_000,
        logs: Some(logs.to_vec()),
    }
}

/// The result of `sending` a transaction that expires before it lands.
pub async fn expired<T>(fake: &Fake, sending: impl Future<Output = T>) -> T {
    let sent = Arc::new(Notify::new());
    let told = sent.clone();
    fake.on_send(move |_| {
        told.notify_one();
        None
    });
    let pass = async {
        sent.notified().await;
        fake.advance(1_000);
    };
    tokio::join!(sending, pass).0
}

/// Lands a transaction that names `job` or another account, at this time.
pub async fn happened(fake: &Fake, context: &Context, job: &Address, logs: impl Into<Vec<String>>, time: Option<i64>) {
    let logs = logs.into();
    fake.on_send(move |_| Some(Landed { time, ..landed(&logs) }));
    let names = Instruction::new_with_bytes(jobs::ID, &[], vec![AccountMeta::new(*job, false)]);
    let options = SendOptions::default();
    context.chain.send(&[names], &[&Keypair::new()], &options).await.unwrap();
}

/// The log of a transaction in which the jobs program emits this event.
pub fn said(event: &impl Event) -> [String; 2] {
    said_by(&jobs::ID, event)
}

/// The log of a transaction in which a program emits this event.
pub fn said_by(program: &Address, event: &impl Event) -> [String; 2] {
    let data = BASE64_STANDARD.encode(event.data());
    [format!("Program {program} invoke [1]"), format!("Program data: {data}")]
}

/// A command, parsed from what is typed.
pub fn typed<T: Subcommand>(words: &[&str]) -> T {
    try_typed(words).unwrap()
}

/// A command, if what is typed can be parsed.
pub fn try_typed<T: Subcommand>(words: &[&str]) -> clap::error::Result<T> {
    let line = T::augment_subcommands(clap::Command::new("ionet").no_binary_name(true));
    T::from_arg_matches(&line.try_get_matches_from(words)?)
}

/// The JSON form of an answer.
pub fn json(answer: &Answer) -> serde_json::Value {
    serde_json::from_str(&answer.show(Format::Json)).unwrap()
}
