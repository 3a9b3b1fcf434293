//! Reads a proposal from its file.

use super::{
    PROGRAMS,
    buffer::Buffer,
    setting::{self, Setting},
    units,
    words::treasury,
};
use crate::{
    amount::{Quantity, span},
    command::device::find_gpu,
    context::{Context, Token},
    error::{Result, refuse},
    file,
};
use chain::{
    idl::{self, Values},
    market::{self, govern, stake},
};
use governance::error::GovernanceError;
use protocol::loader::is_upgrade_authority;
use serde::Deserialize;
use serde_json::Value;
use solana_address::Address;
use solana_instruction::{AccountMeta, Instruction};
use std::path::{Path, PathBuf};

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    title: String,
    /// File with the text that explains the proposal; its SHA-256 goes on the chain, the text into the blob store.
    text: PathBuf,
    step: Vec<Step>,
}

/// What a proposal does.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase", deny_unknown_fields)]
enum Step {
    /// Changes settings; those left out stay.
    Set {
        what: String,
        gpu: Option<String>,
        values: toml::Table,
    },
    /// Pays out of the treasury.
    Pay { to: String, amount: String },
    /// Replaces a program's code with that in a buffer.
    Upgrade { program: String, buffer: String },
    /// Calls any instruction.
    Call {
        program: String,
        accounts: Vec<Meta>,
        /// Hexadecimal digits.
        data: String,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Meta {
    address: String,
    #[serde(default)]
    writable: bool,
    #[serde(default)]
    signer: bool,
}

/// A proposal that is ready to be made.
#[derive(Clone)]
pub struct Draft {
    pub title: [u8; 64],
    pub text: String,
    pub steps: Vec<Instruction>,
}

/// Reads the text that explains a proposal.
fn explanation(path: &Path) -> Result<String> {
    let text = file::text(path)?;
    match text.len() {
        1..=blobs::MAX_TEXT => Ok(text),
        length => refuse(format!(
            "{} has {length} bytes and must have 1 to {}; write a text of that length",
            path.display(),
            blobs::MAX_TEXT
        )),
    }
}

/// Reads a proposal, and refuses whatever the programs would refuse later.
pub async fn read(context: &Context, token: &Token, now: i64, path: &Path) -> Result<Draft> {
    let shown = path.display();
    let written: Written = file::toml(path)?;
    let mut title = [0; 64];
    let printable = written.title.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && !written.title.is_empty();
    match title.get_mut(..written.title.len()).filter(|_| printable) {
        Some(place) => place.copy_from_slice(written.title.as_bytes()),
        None => {
            return refuse(format!(
                "{shown}: a title has 1 to 64 printable ASCII characters; shorten or respell it"
            ));
        }
    }
    let steps = written.step.len();
    if !(1..=usize::from(governance::state::MAX_INSTRUCTIONS)).contains(&steps) {
        return refuse(format!(
            "{shown}: a proposal has 1 to {} steps, not {steps}",
            governance::state::MAX_INSTRUCTIONS
        ));
    }
    let mut draft = Draft {
        title,
        text: explanation(&path.parent().unwrap_or(Path::new("")).join(&written.text))?,
        steps: Vec::new(),
    };
    for (number, step) in (1..).zip(written.step) {
        let at = |reason: String| refuse(format!("{shown}, step {number}: {reason}"));
        let instruction = match step.instruction(context, token, now).await {
            Ok(instruction) => instruction,
            Err(crate::error::Error::Refused(reason)) => return at(reason),
            Err(error) => return Err(error),
        };
        // The program would refuse it too, but only once the proposal exists.
        if let Err(error) = governance::kind::of(&instruction) {
            let reason = match error == GovernanceError::CodeNotNamed.into() {
                true => "called like this, the loader takes whatever the buffer holds by then; write do = \"upgrade\" instead",
                false => "its data is malformed, or sets a value outside its fixed bounds, which the program's README.md lists",
            };
            return at(reason.to_owned());
        }
        let length = governance::state::encode(&instruction).map_or(usize::MAX, |bytes| bytes.len());
        if length > governance::state::MAX_BYTES as usize {
            return at(format!(
                "it has {length} bytes and may have {} at most; split it into several steps",
                governance::state::MAX_BYTES
            ));
        }
        draft.steps.push(instruction);
    }
    Ok(draft)
}

impl Step {
    async fn instruction(self, context: &Context, token: &Token, now: i64) -> Result<Instruction> {
        match self {
            Self::Set { what, gpu, values } => set(context, token, now, &what, gpu, &values).await,
            Self::Pay { to, amount } => pay(context, token, &to, &amount).await,
            Self::Upgrade { program, buffer } => upgrade(context, &program, &buffer).await,
            Self::Call { program, accounts, data } => {
                let accounts = accounts.into_iter().map(|meta| {
                    Ok(AccountMeta {
                        pubkey: address(&meta.address)?,
                        is_signer: meta.signer,
                        is_writable: meta.writable,
                    })
                });
                Ok(Instruction {
                    program_id: program_id(&program)?,
                    accounts: accounts.collect::<Result<_>>()?,
                    data: hex::decode(&data).or_else(|_| refuse("data must be hexadecimal digits, two per byte"))?,
                })
            }
        }
    }
}

async fn set(context: &Context, token: &Token, now: i64, what: &str, gpu: Option<String>, values: &toml::Table) -> Result<Instruction> {
    let setting = Setting::named(what)?;
    let row = match (setting.is_gpu(), gpu) {
        (true, Some(gpu)) => stake::gpu_model(find_gpu(context, &gpu).await?.id.get()),
        (true, None) => return refuse(format!("{what} has a row for each GPU model; name one with gpu = \"…\"")),
        (false, Some(_)) => return refuse(format!("{what} is not a row of the GPU table; omit gpu")),
        (false, None) => Address::default(),
    };
    let mut changes = Values::new();
    for (name, written) in values {
        match units::parse(name, written, token.unit, now) {
            Some(value) => drop(changes.insert(name.clone(), value)),
            None => return refuse(format!("{name} cannot be {written}; give {}", units::form(name))),
        }
    }
    let Some(current) = setting.current(context, &row).await? else {
        return refuse("rewards have not been started here, and the step that starts them sets their rules");
    };
    let held = idl::decode(&current).map(|call| call.values).unwrap_or_default();
    let together = setting.together();
    if together.iter().any(|name| changes.contains_key(*name)) {
        let named = together.iter().filter_map(|name| held.get_key_value(*name));
        let missing: Values = named.filter(|(name, _)| !changes.contains_key(*name)).map(copied).collect();
        changes.extend(missing);
    }
    let replaced = |changes: &Values| idl::replace(&current, changes).or_else(|error| refuse(format!("{what}: {error}")));
    let proposed = replaced(&changes)?;
    if !idl::decode(&proposed).is_some_and(|call| call.values.values().any(is_named)) {
        return refuse(format!(
            "{what}: nothing would change; give values that differ from the current ones"
        ));
    }
    for name in changes.keys() {
        let is_with = |other: &str| other == name || [name.as_str(), other].iter().all(|name| together.contains(name));
        let alone: Values = changes.iter().filter(|(other, _)| is_with(other)).map(copied).collect();
        let change = replaced(&alone)?;
        if governance::kind::of(&change).is_err() {
            let shown = alone
                .iter()
                .map(|(name, value)| format!("{name} {}", units::show(name, value, token.unit, now)));
            let shown = shown.collect::<Vec<_>>().join(", ");
            return refuse(format!(
                "{shown} lies outside its fixed bounds, which the program's README.md lists"
            ));
        }
    }
    let value = |name: &str| changes.get(name).or_else(|| held.get(name));
    if value("proposer").is_some() && value("proposer") == value("approver") {
        return refuse("one key cannot both propose and approve slashes; name two");
    }
    let longest = now.saturating_add(governance::state::MAX_TERM);
    if value("until").and_then(Value::as_i64).is_some_and(|until| until > longest) {
        let longest = span(governance::state::MAX_TERM);
        return refuse(format!("a guardian's term is {longest} at most; give a shorter one"));
    }
    Ok(proposed)
}

fn copied((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

/// Whether a change sets this value, or an element of this list.
fn is_named(value: &Value) -> bool {
    match value {
        Value::Array(places) => places.iter().any(|place| !place.is_null()),
        value => !value.is_null(),
    }
}

async fn pay(context: &Context, token: &Token, to: &str, amount: &str) -> Result<Instruction> {
    let quantity: Quantity = amount.parse().or_else(|reason| refuse(format!("amount '{amount}': {reason}")))?;
    let account = market::token_account(&address(to)?, &token.mint);
    if !context.chain.exists(&account).await? {
        return refuse(format!(
            "{to} has no account for $IO yet; send it some $IO, or have its owner create the account first"
        ));
    }
    let (from, authority) = (treasury(token), govern::authority());
    let transfer = spl_token_interface::instruction::transfer_checked(
        &spl_token_interface::ID,
        &from,
        &token.mint,
        &account,
        &authority,
        &[],
        quantity.base_units(token.unit)?,
        token.unit.decimals,
    );
    transfer.or_else(|error| refuse(format!("such a payment cannot be made ({error})")))
}

async fn upgrade(context: &Context, program: &str, buffer: &str) -> Result<Instruction> {
    let (id, address) = (program_id(program)?, address(buffer)?);
    let authority = *govern::authority().as_array();
    let record = context.chain.account(&market::program_data(id)).await?;
    let Some(record) = record.filter(|record| is_upgrade_authority(&record.data, &authority)) else {
        return refuse(format!(
            "governance cannot upgrade {program}, because it is not its upgrade authority"
        ));
    };
    let account = context.chain.account(&address).await?;
    let Some(held) = account.as_ref().and_then(Buffer::read) else {
        return refuse(format!(
            "{buffer} is not a buffer with code; make one with `ionet gov upload FILE.so`"
        ));
    };
    if !held.is_governances() {
        return refuse(format!(
            "buffer {buffer} could still be changed; set its authority to that of governance, {}",
            govern::authority()
        ));
    }
    // A program data account has 45 bytes before the code.
    let (room, needed) = (record.data.len().saturating_sub(45), held.code.len());
    if needed > room {
        return refuse(format!(
            "the new code takes {needed} bytes and {program} has room for {room}; extend the program first (`solana program extend`)"
        ));
    }
    Ok(govern::upgrade(&id, &address, held.sha256()))
}

fn address(text: &str) -> Result<Address> {
    text.parse().or_else(|_| refuse(format!("'{text}' is not an address")))
}

fn program_id(text: &str) -> Result<Address> {
    let known = PROGRAMS.iter().find(|(name, _)| *name == text);
    known.map_or_else(|| address(text), |(_, id)| Ok(*id))
}

/// Fails on a chain where governance does not hold the authorities.
pub async fn check(context: &Context) -> Result<governance::Config> {
    let config = setting::config(context).await?;
    let holder = setting::holder(context).await?;
    if holder != govern::authority() {
        return refuse(format!(
            "governance does not govern here yet: {holder} still holds the authorities; the last migration hands them over, \
             and `ionet localnet --governed` starts a local market that is governed"
        ));
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{amount::SOL, testing};
    use chain::fake::gift;
    use solana_signer::Signer;

    #[tokio::test]
    async fn a_payment_needs_a_token_account_and_not_just_lamports() {
        let (_folder, fake, context, wallet) = testing::context();
        let (mint, to) = (Address::new_unique(), Address::new_unique());
        testing::set_up_wallet(&fake, &wallet.pubkey(), &mint, 0);
        let token = Token { mint, unit: SOL };
        fake.set_account(market::token_account(&to, &mint), gift());
        let refused = pay(&context, &token, &to.to_string(), "1").await.unwrap_err().to_string();
        assert!(refused.contains("has no account for $IO yet"), "{refused}");
        testing::set_up_wallet(&fake, &to, &mint, 0);
        pay(&context, &token, &to.to_string(), "1").await.unwrap();
    }
}
