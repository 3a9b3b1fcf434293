//! `ionet permit`: permits that let devices of the treasury err once, and jackpots for the challengers who find the errors.

use crate::{
    amount::{Quantity, Unit},
    context::{Context, Token},
    effect::Watched,
    error::{Result, refuse},
    output::{Answer, fields},
    send::{About, Done, Plan},
};
use chain::market::{self, permit};
use clap::Subcommand;
use jobs::Permit;
use protocol::{
    bond,
    permit::least_jackpot,
    units::{Amount, Bps},
};
use serde::Serialize;
use solana_address::Address;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::{fmt, path::PathBuf};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Issue a permit: seal a new secret for a device, with a jackpot from the wallet; only the market's authority may
    Issue {
        /// The device; give its worker the secret with `permit = FILE`
        device: Address,
        /// $IO for the challenger who finds the error, on top of its share of the bond
        #[arg(long)]
        jackpot: Quantity,
        /// Share of the device's jobs that the secret selects, in basis points
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
        rate_bps: u16,
        /// Where to save the secret, a keypair file; must not exist
        #[arg(long, value_name = "FILE")]
        secret: PathBuf,
    },
    /// Show a device's permit
    Show {
        /// The device
        device: Address,
    },
    /// Close a permit and take back the jackpot unless it was won; only the market's authority may
    Close {
        /// The device
        device: Address,
    },
}

#[derive(Serialize)]
struct Shown {
    device: String,
    /// Whether the secret is still sealed.
    sealed: bool,
    rate_bps: u16,
    jackpot: u64,
    /// Highest job price, all units together, at which recomputing the job pays.
    pays_up_to: u64,
    #[serde(skip)]
    unit: Unit,
}

impl Shown {
    fn new(permit: &Permit, config: &jobs::Config, unit: Unit) -> Self {
        Self {
            pays_up_to: covered(permit.jackpot.get(), permit.rate_bps.get(), config),
            device: permit.device.to_string(),
            sealed: permit.seal != [0; 32],
            rate_bps: permit.rate_bps.get(),
            jackpot: permit.jackpot.get(),
            unit,
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = match (self.sealed, self.jackpot) {
            (true, _) => "sealed: the device may err once",
            (false, 0) => "opened: the error was found and the jackpot won; close it with `ionet permit close`",
            (false, _) => "opened: the device confessed an error that nobody found; close it with `ionet permit close`",
        };
        fields(
            f,
            &[
                ("device", self.device.clone()),
                ("permit", status.to_owned()),
                ("draws", format!("{} of 10,000 jobs", self.rate_bps)),
                ("jackpot", self.unit.show(self.jackpot)),
                ("checking pays", format!("for jobs of up to {}", self.unit.show(self.pays_up_to))),
            ],
        )
    }
}

/// Highest job price on this market at which recomputing the job pays.
fn covered(jackpot: u64, rate_bps: u16, config: &jobs::Config) -> u64 {
    let [rate, watch] = [rate_bps, config.watch_bps.get()].map(Bps::saturating);
    pays_up_to(Amount(jackpot), rate, watch, Amount(config.min_bond.get()))
}

/// Highest job price at which recomputing the job, at four fifths of that price, pays for a challenger who gets this jackpot and the reward
/// out of the bond.
fn pays_up_to(jackpot: Amount, rate: Bps, watch: Bps, min_bond: Amount) -> u64 {
    let pays = |price: u64| {
        let bond = bond::of_job(Amount(price), Amount::ZERO, watch, 1)?;
        let cost = Amount(price.div_ceil(5).saturating_mul(4));
        least_jackpot(cost, rate, bond.max(min_bond))
    };
    let (mut most, mut too_dear) = (0_u64, u64::MAX);
    while most.saturating_add(1) < too_dear {
        let middle = most.midpoint(too_dear);
        if pays(middle).is_some_and(|least| least <= jackpot) {
            most = middle;
        } else {
            too_dear = middle;
        }
    }
    most
}

/// Seals a new secret.
async fn issue(
    context: &Context,
    config: &jobs::Config,
    token: &Token,
    device: Address,
    terms: (Quantity, u16),
    secret: PathBuf,
) -> Result<Answer> {
    // The device must exist, or the permit would be of no use to anyone.
    let _: staking::Device = context.chain.fetch(&device).await?;
    let (jackpot, rate_bps) = (terms.0.base_units(token.unit)?, terms.1);
    let wallet = context.wallet()?;
    let authority = wallet.pubkey();
    let tokens = market::token_account(&authority, &token.mint);
    let pair = Keypair::new();
    let seal = protocol::permit::seal(device.as_array(), pair.secret_bytes());
    let question = format!(
        "permit device {device} to err once, for a jackpot of {}, which makes checking pay for jobs of up to {}",
        token.unit.show(jackpot),
        token.unit.show(covered(jackpot, rate_bps, config))
    );
    let issue = [permit::issue(
        &authority,
        &authority,
        &device,
        &token.mint,
        &tokens,
        seal,
        rate_bps,
        jackpot,
    )];
    let watched = [Watched::tokens("wallet", &authority, token)];
    context.agree("wallet", &question, &issue, &wallet, &watched).await?;
    let sent = context.send_with_new(&pair, &secret, &issue, &wallet, &[]).await?;
    let about = About::new("device", device).and("secret", secret.display());
    Ok(Answer::new(&Done {
        shown: Some(about.with([("next", "give the secret to the device's worker, and to nobody else".to_owned())])),
        amount: None,
        sent,
    }))
}

async fn close(context: &Context, token: &Token, permit: &Permit) -> Result<Answer> {
    let (authority, device) = (context.wallet()?.pubkey(), permit.device);
    let tokens = market::token_account(&authority, &token.mint);
    let receive = market::create_token_account(&authority, &authority, &token.mint);
    let close = permit::close(&authority, &permit.payer, &device, &tokens);
    let plan = Plan {
        question: format!("close the permit of device {device}"),
        instructions: vec![receive, close],
        about: About::new("device", device),
        amount: None,
    };
    context.carry_out(plan, &[Watched::tokens("wallet", &authority, token)]).await
}

/// Fails unless the wallet is the market's authority.
fn check_authority(context: &Context, config: &jobs::Config) -> Result<()> {
    let wallet = context.wallet()?.pubkey();
    match wallet == config.authority {
        true => Ok(()),
        false => refuse(format!(
            "only the market's authority, {}, may issue and close permits; wallet {wallet} may not",
            config.authority
        )),
    }
}

impl Command {
    pub async fn run(self, context: &Context) -> Result<Answer> {
        let market = context.market().await?;
        let token = context.token(&market, None).await?;
        let (Self::Issue { device, .. } | Self::Show { device } | Self::Close { device }) = &self;
        let device = *device;
        let found: Option<Permit> = context.chain.try_fetch(&permit::address(&device)).await?;
        match (self, found) {
            (Self::Issue { .. }, Some(_)) => refuse(format!(
                "device {device} has a permit already; close it first with `ionet permit close {device}`"
            )),
            (
                Self::Issue {
                    jackpot, rate_bps, secret, ..
                },
                None,
            ) => {
                check_authority(context, &market.jobs)?;
                issue(context, &market.jobs, &token, device, (jackpot, rate_bps), secret).await
            }
            (Self::Show { .. }, Some(permit)) => Ok(Answer::new(&Shown::new(&permit, &market.jobs, token.unit))),
            (Self::Close { .. }, Some(permit)) => {
                check_authority(context, &market.jobs)?;
                close(context, &token, &permit).await
            }
            (Self::Show { .. } | Self::Close { .. }, None) => refuse(format!("device {device} has no permit")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing;
    use anchor_lang::bytemuck::Zeroable;
    use chain::market::job;
    use protocol::units::IO;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_secret_is_kept_unless_its_transaction_did_not_land() {
        let (folder, fake, mut context, wallet, mint) = testing::on_market(IO);
        let device = Address::new_unique();
        let config = jobs::Config {
            mint,
            authority: wallet.pubkey(),
            ..jobs::Config::zeroed()
        };
        fake.set_account(job::config(), testing::account(&config));
        fake.set_account(device, testing::account(&staking::Device::zeroed()));
        let path = folder.path().join("secret.json");
        let [named, file] = [device.to_string(), path.display().to_string()];
        let issue = || testing::typed::<Command>(&["issue", &named, "--jackpot", "1", "--secret", &file]);
        let expired = testing::expired(&fake, issue().run(&context)).await;
        assert!(expired.is_err() && !path.exists());
        // The outcome is unknown.
        context.options.timeout = Duration::from_millis(1);
        assert!(issue().run(&context).await.is_err() && path.exists());
    }

    #[test]
    fn a_larger_jackpot_covers_dearer_jobs() {
        let [one, five] = [100, 500].map(Bps::saturating);
        let up_to = |jackpot, rate, min_bond| pays_up_to(Amount(jackpot), rate, five, Amount(min_bond));
        // One job in a hundred is wrong: 80 times the price to check them, less 6.5 of the bond of 21.7.
        let jackpot = 73_502_164_501;
        assert!(up_to(jackpot, one, 0).abs_diff(10 * IO) < 10, "{}", up_to(jackpot, one, 0));
        assert!(up_to(10 * jackpot, one, 0).abs_diff(100 * IO) < 100);
        // A reward of 3,000 $IO covers a price of an eightieth of that without a jackpot.
        assert!(up_to(0, one, 10_000 * IO).abs_diff(3_000 * IO / 80) < 10);
        assert_eq!(up_to(IO, Bps::default(), 0), 0, "nothing is ever wrong");
    }
}
