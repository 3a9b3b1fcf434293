//! `ionet permit`: permits that let devices of the treasury err once, and jackpots for the challengers who find the errors.

use crate::{
    amount::{Quantity, Unit},
    context::{Context, Token},
    effect::Watched,
    error::{Result, refuse},
    output::{Answer, Table, fields},
    send::{About, Done, Plan},
};
use chain::market::{self, permit};
use clap::Subcommand;
use jobs::Permit;
use protocol::{
    bond,
    permit::{covers, kept, least_multiple},
    units::{Amount, Bps, IO},
};
use serde::Serialize;
use solana_address::Address;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::{fmt, path::PathBuf};

/// A job price whose bond is the market's, far above the smallest, and so large that rounding does not matter.
const PRICE: Amount = Amount(1_000 * IO);

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Issue a permit: seal a new secret for a device, with a jackpot from the wallet; only the market's authority may
    ///
    /// The permit hides its device, so all jobs are worth checking. Nothing else may show that the device is the treasury's either, such as
    /// where its stake and its SOL come from: whoever recognises it checks only its jobs, or orders jobs from it to win the jackpot. An
    /// owner of many other devices can order jobs too, knowing that those devices are not the treasury's: of a twelfth of the market where
    /// one job in a hundred is wrong, and of a fiftieth where fewer are.
    Issue {
        /// The device; give its worker the secret with `permit = FILE`
        device: Address,
        /// Most $IO for the challenger who finds the error, on top of its share of the bond
        #[arg(long)]
        jackpot: Quantity,
        /// Prices of the wrong job, less the share of such results that is audited, that its challenger gets, as far as the jackpot
        /// reaches [default: the least that makes checking pay]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
        multiple: Option<u16>,
        /// Share of the device's jobs that the secret selects, in basis points
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
        rate_bps: u16,
        /// Share of all jobs of the market that are wrong by permit, in basis points, which the default multiple is for [default: the rate,
        /// as if every device had such a permit]
        #[arg(long, value_name = "BPS", conflicts_with = "multiple", value_parser = clap::value_parser!(u16).range(1..=10_000))]
        overall_bps: Option<u16>,
        /// Where to save the secret, a keypair file; must not exist
        #[arg(long, value_name = "FILE")]
        secret: PathBuf,
    },
    /// Show a permit, or list all
    Show {
        /// The permit
        permit: Option<Address>,
    },
    /// Close a permit and take back what is left of the jackpot; only the market's authority may
    Close {
        /// The permit
        permit: Address,
    },
}

/// What a permit is worth to those who check.
#[derive(Serialize)]
struct Worth {
    /// Share of the device's jobs that are drawn, in basis points.
    rate_bps: u16,
    /// Prices of the job, less the share that is audited, that its challenger gets.
    multiple: u16,
    /// Most that the challenger gets; after that, what is left.
    jackpot: u64,
    /// Highest job price, all units together, for which the jackpot is enough.
    whole_up_to: u64,
    /// Smallest share of all jobs in basis points that must be wrong so that checking pays; none if it never does.
    pays_from_bps: Option<u16>,
    #[serde(skip)]
    unit: Unit,
}

impl Worth {
    fn new(rate_bps: u16, multiple: u16, jackpot: u64, config: &jobs::Config, unit: Unit) -> Self {
        Self {
            rate_bps,
            multiple,
            jackpot,
            whole_up_to: jackpot.checked_div(multiple.into()).unwrap_or(0),
            pays_from_bps: (1..=10_000).find(|bps| least(*bps, config).is_some_and(|least| least <= multiple)),
            unit,
        }
    }

    fn prize(&self) -> String {
        format!(
            "{} prices of the job, less the share that is audited, whole up to a price of {}",
            self.multiple,
            self.unit.show(self.whole_up_to)
        )
    }

    fn pays(&self) -> String {
        match self.pays_from_bps {
            Some(least) => format!("where at least {least} of 10,000 jobs are wrong"),
            None => "never".to_owned(),
        }
    }
}

/// A new permit.
#[derive(Serialize)]
struct Issued<'a> {
    #[serde(flatten)]
    about: About,
    #[serde(flatten)]
    worth: &'a Worth,
}

impl fmt::Display for Issued<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.about.fmt(f)
    }
}

#[derive(Serialize)]
struct Shown {
    permit: String,
    /// Whether the secret is still sealed.
    sealed: bool,
    #[serde(flatten)]
    worth: Worth,
}

impl Shown {
    fn new(address: &Address, permit: &Permit, config: &jobs::Config, unit: Unit) -> Self {
        Self {
            permit: address.to_string(),
            sealed: !permit.opened.get(),
            worth: Worth::new(permit.rate_bps.get(), permit.multiple.get(), permit.jackpot.get(), config, unit),
        }
    }

    fn status(&self) -> &'static str {
        if self.sealed { "sealed" } else { "opened" }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = match self.sealed {
            true => "sealed: a device may err once",
            false => "opened: its device has erred; take back what is left with `ionet permit close`",
        };
        fields(
            f,
            &[
                ("permit", self.permit.clone()),
                ("status", status.to_owned()),
                ("draws", format!("{} of 10,000 jobs of the device", self.worth.rate_bps)),
                ("jackpot", self.worth.unit.show(self.worth.jackpot)),
                ("an error earns", self.worth.prize()),
                ("checking pays", self.worth.pays()),
            ],
        )
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct List(Vec<Shown>);

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return writeln!(f, "no permits");
        }
        let mut table = Table::new(["permit", "status", "rate (bps)", "prices", "jackpot"]);
        for shown in &self.0 {
            let worth = &shown.worth;
            table.row([
                shown.permit.clone(),
                shown.status().to_owned(),
                worth.rate_bps.to_string(),
                worth.multiple.to_string(),
                worth.unit.show(worth.jackpot),
            ]);
        }
        write!(f, "{table}")
    }
}

/// The market's bond for a job of [`PRICE`].
fn market_bond(config: &jobs::Config) -> Option<Amount> {
    bond::of_job(PRICE, Amount::ZERO, Bps::saturating(config.watch_bps.get()), 1)
}

/// The share of results that is audited even of devices with a long record.
fn audits(config: &jobs::Config) -> Bps {
    Bps::saturating(config.audit_floor_bps.get())
}

/// Least multiple with which checking pays on this market where a share of all jobs is wrong.
fn least(bps: u16, config: &jobs::Config) -> Option<u16> {
    let multiple = least_multiple(Bps::saturating(bps), PRICE, audits(config), market_bond(config)?)?;
    Some(multiple.max(1))
}

/// The multiple to issue a permit with; refuses one that would excuse no error in an ordinary job.
fn chosen(multiple: Option<u16>, wrong_bps: u16, config: &jobs::Config) -> Result<u16> {
    let chosen = multiple.or_else(|| least(wrong_bps, config)).unwrap_or(u16::MAX);
    match market_bond(config).is_some_and(|bond| covers(kept(PRICE, audits(config)), chosen, bond)) {
        true => Ok(chosen),
        false => refuse(format!(
            "{chosen} prices, less audits, are less than three times the market's bond, so no error would be excused; give a larger \
             --multiple, or let fewer jobs be wrong"
        )),
    }
}

/// Seals a new secret. The node is told nothing of the device.
async fn issue(context: &Context, token: &Token, device: Address, worth: &Worth, secret: PathBuf) -> Result<Answer> {
    let wallet = context.wallet()?;
    let authority = wallet.pubkey();
    let tokens = market::token_account(&authority, &token.mint);
    let pair = Keypair::new();
    let seal = protocol::permit::seal(device.as_array(), pair.secret_bytes());
    let question = format!(
        "permit device {device} to err once, in {} of 10,000 of its jobs, for a jackpot of {}: {}; checking pays {}",
        worth.rate_bps,
        token.unit.show(worth.jackpot),
        worth.prize(),
        worth.pays()
    );
    let issue = [permit::issue(
        &authority,
        &authority,
        &token.mint,
        &tokens,
        seal,
        worth.rate_bps,
        worth.multiple,
        worth.jackpot,
    )];
    let watched = [Watched::tokens("wallet", &authority, token)];
    context.agree("wallet", &question, &issue, &wallet, &watched).await?;
    let sent = context.send_with_new(&pair, &secret, &issue, &wallet, &[]).await?;
    let about = About::new("permit", permit::address(&seal)).and("secret", secret.display());
    let about = about.with([
        ("an error earns", worth.prize()),
        ("checking pays", worth.pays()),
        ("next", "give the secret to the device's worker, and to nobody else".to_owned()),
        ("beware", "nothing may show that the device is the treasury's".to_owned()),
    ]);
    Ok(Answer::new(&Done {
        shown: Some(Issued { about, worth }),
        amount: None,
        sent,
    }))
}

async fn close(context: &Context, token: &Token, address: Address, permit: &Permit) -> Result<Answer> {
    let authority = context.wallet()?.pubkey();
    let tokens = market::token_account(&authority, &token.mint);
    let receive = market::create_token_account(&authority, &authority, &token.mint);
    let close = permit::close(&authority, &permit.payer, &address, &tokens);
    let plan = Plan {
        question: format!("close permit {address}"),
        instructions: vec![receive, close],
        about: About::new("permit", address),
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
        let (config, unit) = (&market.jobs, token.unit);
        let find = async |address: &Address| match context.chain.try_fetch::<Permit>(address).await? {
            Some(permit) => Ok(permit),
            None => refuse(format!("there is no permit {address}; `ionet permit show` lists them")),
        };
        match self {
            Self::Issue {
                device,
                jackpot,
                multiple,
                rate_bps,
                overall_bps,
                secret,
            } => {
                check_authority(context, config)?;
                let multiple = chosen(multiple, overall_bps.unwrap_or(rate_bps), config)?;
                let worth = Worth::new(rate_bps, multiple, jackpot.base_units(unit)?, config, unit);
                issue(context, &token, device, &worth, secret).await
            }
            Self::Show { permit: Some(address) } => Ok(Answer::new(&Shown::new(&address, &find(&address).await?, config, unit))),
            Self::Show { permit: None } => {
                let mut permits: Vec<(Address, Permit)> = context.chain.find(&[]).await?;
                permits.sort_by_key(|(address, _)| *address);
                let shown = permits.iter().map(|(address, permit)| Shown::new(address, permit, config, unit));
                Ok(Answer::new(&List(shown.collect())))
            }
            Self::Close { permit: address } => {
                check_authority(context, config)?;
                close(context, &token, address, &find(&address).await?).await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::testing;
    use anchor_lang::bytemuck::Zeroable;
    use chain::market::job;
    use std::time::Duration;

    /// A market whose authority is this wallet.
    fn market(fake: &chain::fake::Fake, mint: Address, wallet: &Keypair) -> jobs::Config {
        let config = jobs::Config {
            mint,
            authority: wallet.pubkey(),
            watch_bps: 500.into(),
            ..jobs::Config::zeroed()
        };
        fake.set_account(job::config(), testing::account(&config));
        config
    }

    #[tokio::test(start_paused = true)]
    async fn a_secret_is_kept_unless_its_transaction_did_not_land() {
        let (folder, fake, mut context, wallet, mint) = testing::on_market(IO);
        market(&fake, mint, &wallet);
        let path = folder.path().join("secret.json");
        let [named, file] = [Address::new_unique().to_string(), path.display().to_string()];
        let issue = || testing::typed::<Command>(&["issue", &named, "--jackpot", "1", "--secret", &file]);
        let expired = testing::expired(&fake, issue().run(&context)).await;
        assert!(expired.is_err() && !path.exists());
        // The outcome is unknown.
        context.options.timeout = Duration::from_millis(1);
        assert!(issue().run(&context).await.is_err() && path.exists());
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_that_is_sent_names_the_device() {
        let (folder, fake, context, wallet, mint) = testing::on_market(IO);
        market(&fake, mint, &wallet);
        let (path, device) = (folder.path().join("secret.json"), Address::new_unique());
        let [named, file] = [device.to_string(), path.display().to_string()];
        let issue = testing::typed::<Command>(&["issue", &named, "--jackpot", "1", "--secret", &file]);
        let answer = testing::json(&issue.run(&context).await.unwrap());
        let secret = chain::load_keypair(&path).unwrap();
        let seal = protocol::permit::seal(device.as_array(), secret.secret_bytes());
        assert_eq!(answer["permit"], permit::address(&seal).to_string());
        assert_eq!(
            (&answer["multiple"], &answer["rate_bps"]),
            (&74.into(), &100.into()),
            "the defaults"
        );
        let sent = fake.sent();
        let bytes: Vec<u8> = sent.iter().flat_map(|sent| sent.message.serialize()).collect();
        let holds = |part: &[u8]| bytes.windows(32).any(|bytes| bytes == part);
        assert!(holds(&seal) && !holds(device.as_ref()) && !holds(secret.secret_bytes()));
    }

    #[tokio::test]
    async fn permits_are_shown_by_their_addresses() {
        let (_folder, fake, context, wallet, mint) = testing::on_market(IO);
        market(&fake, mint, &wallet);
        let show = |words: &[&str]| testing::typed::<Command>(words).run(&context);
        assert_eq!(testing::json(&show(&["show"]).await.unwrap()), serde_json::json!([]));
        let mut known: Vec<String> = Vec::new();
        for seal in [[1; 32], [2; 32]] {
            let address = permit::address(&seal);
            let permit = Permit {
                seal,
                jackpot: (74 * IO).into(),
                multiple: 74.into(),
                rate_bps: 100.into(),
                opened: (seal == [2; 32]).into(),
                ..Permit::zeroed()
            };
            fake.set_account(address, testing::account(&permit));
            let shown = testing::json(&show(&["show", &address.to_string()]).await.unwrap());
            assert_eq!(shown["sealed"], seal == [1; 32]);
            assert_eq!((&shown["whole_up_to"], &shown["pays_from_bps"]), (&IO.into(), &100.into()));
            known.push(address.to_string());
        }
        known.sort();
        let all = testing::json(&show(&["show"]).await.unwrap());
        let mut listed: Vec<_> = all
            .as_array()
            .unwrap()
            .iter()
            .map(|shown| shown["permit"].as_str().unwrap())
            .collect();
        listed.sort_unstable();
        assert_eq!(listed, known);
        assert!(show(&["show", &wallet.pubkey().to_string()]).await.is_err());
    }

    #[test]
    fn the_default_multiple_makes_checking_pay_and_excuses_errors() {
        let config = jobs::Config {
            watch_bps: 500.into(),
            audit_floor_bps: 500.into(),
            ..jobs::Config::zeroed()
        };
        // One job in a hundred is wrong: 80 times the price to check them, less 6.5 of the bond of 21.7, out of 0.95 prices each.
        assert_eq!(chosen(None, 100, &config).unwrap(), 78);
        assert_eq!(chosen(None, 10, &config).unwrap(), 836);
        assert_eq!(chosen(Some(69), 10, &config).unwrap(), 69);
        // Fewer than 68.4 times 0.95 prices are less than three times the bond.
        assert!(chosen(Some(68), 100, &config).is_err() && chosen(None, 200, &config).is_err());
        let unit = crate::amount::Unit {
            name: crate::amount::UnitName::Io,
            decimals: 8,
        };
        let worth = |multiple| Worth::new(100, multiple, 0, &config, unit).pays_from_bps;
        assert_eq!([78, 77, 836].map(worth), [Some(100), Some(101), Some(10)]);
    }
}
