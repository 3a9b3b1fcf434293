//! Compares the books with the accounts.

use crate::{Result, Store};
use anchor_lang::{AccountDeserialize, Discriminator};
use chain::{Filter, Network, idl::Values};
use governance::Proposal;
use jobs::{Config, Escrow, Job};
use serde_json::{Value, json};
use solana_address::Address;
use sqlx::{AssertSqlSafe, Row};
use staking::Device;
use std::{collections::BTreeMap, fmt};

/// A number that the books and the chain disagree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The account.
    pub address: Address,
    /// Name of the number.
    pub what: &'static str,
    /// The number in the books, if they have it.
    pub books: Option<i64>,
    /// The number on the chain, if the account exists.
    pub chain: Option<i64>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |number: Option<i64>| number.map_or_else(|| "nothing".to_owned(), |number| number.to_string());
        let (books, chain) = (number(self.books), number(self.chain));
        write!(f, "{} of {}: {books} in the books, {chain} on the chain", self.what, self.address)
    }
}

/// Columns by account.
type Columns = BTreeMap<Address, Vec<i64>>;

/// Columns of a device that are compared.
const DEVICE: [&str; 10] = [
    "own_stake",
    "co_stake",
    "cooling",
    "cooldown_ends",
    "co_cooling",
    "aside",
    "forfeited",
    "locked_bond",
    "open_jobs",
    "rewards",
];
/// Columns of an escrow that are compared.
const ESCROW: [&str; 3] = ["free", "locked", "fees"];

fn of_device(device: &Device) -> [u64; DEVICE.len()] {
    [
        device.own_stake.get(),
        device.co_stake.get(),
        device.cooling.get(),
        device.cooldown_ends.get().unsigned_abs(),
        device.co_cooling.get(),
        device.aside.get(),
        device.forfeited.get(),
        device.locked_bond.get(),
        device.open_jobs.get().into(),
        device.rewards.get(),
    ]
}

fn of_escrow(escrow: &Escrow) -> [u64; ESCROW.len()] {
    [escrow.free, escrow.locked, escrow.fees].map(|amount| amount.get())
}

/// The current state of the accounts that an instruction names, as far as they exist: the columns above of its `device` and `escrow`, the
/// escrow's mint, the $IO mint from the job program's `config`, and the fields of its `proposal` that events have.
///
/// # Errors
/// The chain; [`chain::Error::Behind`] from a machine that has not reached `slot`.
pub(crate) async fn standing(network: &dyn Network, named: &Values, slot: u64) -> Result<Values> {
    let address = |name| named.get(name).and_then(Value::as_str).and_then(|text| text.parse().ok());
    let mut all = Values::new();
    if let Some(device) = account::<Device>(network, address("device"), slot).await? {
        all.extend(DEVICE.into_iter().zip(of_device(&device)).map(column));
    }
    if let Some(escrow) = account::<Escrow>(network, address("escrow"), slot).await? {
        all.extend(ESCROW.into_iter().zip(of_escrow(&escrow)).map(column));
        all.insert("mint".to_owned(), escrow.mint.to_string().into());
    }
    if let Some(config) = account::<Config>(network, address("config"), slot).await? {
        all.insert("io_mint".to_owned(), config.mint.to_string().into());
    }
    if let Some(proposal) = account::<Proposal>(network, address("proposal"), slot).await? {
        all.extend(of_proposal(&proposal));
    }
    Ok(all)
}

/// A proposal's fields under the names that its events use.
fn of_proposal(proposal: &Proposal) -> Values {
    let votes = proposal.votes();
    let fields = [
        ("index", proposal.index.get().into()),
        ("proposer", proposal.proposer.to_string().into()),
        ("title", String::from_utf8_lossy(&proposal.title).trim_end_matches('\0').into()),
        ("text_hash", hex::encode(proposal.text_hash).into()),
        ("kind", proposal.kind.into()),
        ("instructions", proposal.instructions.into()),
        ("quorum", proposal.quorum.get().into()),
        ("voting_ends", proposal.voting_ends.get().into()),
        ("eta", proposal.eta.get().into()),
        ("expires_at", proposal.expires_at.get().into()),
        ("status", proposal.status.into()),
        ("votes", json!([votes.yes, votes.no, votes.abstain, votes.veto])),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn column((name, number): (&str, u64)) -> (String, Value) {
    (name.to_owned(), number.into())
}

/// Compares every device, escrow and job on the chain with the books.
///
/// Run [`crate::Follower::catch_up`] first, as anything not indexed yet shows as a difference. On a live chain a difference may have arisen
/// during the comparison; one that remains when the check is repeated is an error in the books.
pub async fn check(network: &dyn Network, store: &Store) -> Result<Vec<Difference>> {
    let mut differences = Vec::new();
    let devices = accounts(network, |device: &Device| of_device(device).to_vec()).await?;
    // Devices and escrows that were closed are in the books only.
    compare(&mut differences, &DEVICE, &devices, &rows(store, "devices", &DEVICE).await?);
    let escrows = accounts(network, |escrow: &Escrow| of_escrow(escrow).to_vec()).await?;
    compare(&mut differences, &ESCROW, &escrows, &rows(store, "escrows", &ESCROW).await?);

    let jobs = accounts(network, |job: &Job| vec![u64::from(job.units.get())]).await?;
    compare(&mut differences, &["units"], &jobs, &rows(store, "jobs", &["units"]).await?);
    let unfinished = "SELECT address FROM jobs WHERE opened IN (SELECT MAX(opened) FROM jobs GROUP BY address) \
                AND status IN ('open', 'claimed', 'committed', 'revealed')";
    for row in store.all_rows(sqlx::query(unfinished)).await? {
        let Ok(address) = row.get::<String, _>(0).parse() else { continue };
        if !jobs.contains_key(&address) {
            differences.push(Difference {
                address,
                what: "unfinished job",
                books: Some(1),
                chain: None,
            });
        }
    }
    Ok(differences)
}

/// An account of a type, if it exists, as of `slot` or later.
async fn account<T: AccountDeserialize>(network: &dyn Network, address: Option<Address>, slot: u64) -> Result<Option<T>> {
    let Some(address) = address else { return Ok(None) };
    let (read_in, found) = network.accounts(&[address]).await?;
    if read_in < slot {
        let url = network.url().to_owned();
        return Err(chain::Error::Behind { url, slot }.into());
    }
    let found = found.into_iter().next().flatten();
    Ok(found.and_then(|account| T::try_deserialize(&mut account.data.as_slice()).ok()))
}

/// Numbers of every account of a type.
async fn accounts<T: AccountDeserialize + Discriminator + anchor_lang::Owner>(
    network: &dyn Network,
    read: impl Fn(&T) -> Vec<u64>,
) -> Result<Columns> {
    let kind = Filter::Bytes(0, T::DISCRIMINATOR.to_vec());
    let found = network.program_accounts(&T::OWNER, &[kind]).await?;
    let numbers = found.into_iter().map(|(address, account)| {
        let typed = chain::decode(&address, &account)?;
        Ok((address, read(&typed).into_iter().map(crate::store::count).collect()))
    });
    numbers.collect()
}

/// The same numbers in the books; for jobs, of the latest job at each address.
async fn rows(store: &Store, table: &str, columns: &[&str]) -> Result<Columns> {
    let order = if table == "jobs" { "opened" } else { "address" };
    let sql = format!("SELECT address, {} FROM {table} ORDER BY {order}", columns.join(", "));
    let found = store.all_rows(sqlx::query(AssertSqlSafe(sql))).await?.into_iter();
    let numbers = found.filter_map(|row| {
        let address = row.get::<String, _>(0).parse().ok()?;
        Some((address, (1..=columns.len()).map(|column| row.get(column)).collect()))
    });
    Ok(numbers.collect())
}

fn compare(differences: &mut Vec<Difference>, names: &[&'static str], chain: &Columns, books: &Columns) {
    for (address, numbers) in chain {
        let known = books.get(address);
        for (index, (what, number)) in names.iter().zip(numbers).enumerate() {
            let in_books = known.and_then(|known| known.get(index)).copied();
            if in_books != Some(*number) {
                differences.push(Difference {
                    address: *address,
                    what,
                    books: in_books,
                    chain: Some(*number),
                });
            }
        }
    }
}
