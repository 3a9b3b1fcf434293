//! Describes an instruction of a proposal: what it changes, from which value to which.

use super::{buffer::Buffer, setting::Setting, units};
use crate::{
    amount::Unit,
    context::{Context, Token},
};
use chain::{
    idl::{self, Values},
    market,
};
use serde::Serialize;
use serde_json::Value;
use solana_account::Account;
use solana_address::Address;
use solana_instruction::Instruction;
use spl_token_interface::instruction::TokenInstruction;
use std::{fmt, ops::Range};

/// A value that changes, or an argument.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Value>,
    after: Value,
}

/// An instruction in words.
#[derive(Clone, Debug, Serialize)]
pub struct Words {
    what: String,
    changes: Vec<Change>,
    /// Whether it could be executed now, where that depends on more than the programs' settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    standing: Option<String>,
    #[serde(skip)]
    io: Unit,
    #[serde(skip)]
    now: i64,
}

impl Words {
    /// For a step that was executed: the values before it are no longer known.
    pub fn done(mut self) -> Self {
        self.changes.iter_mut().for_each(|change| change.before = None);
        self.standing = None;
        self
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        for Change { name, before, after } in &self.changes {
            let show = |value| units::show(name, value, self.io, self.now);
            match before {
                Some(before) if before == after => write!(f, "\n    {name}: {}, unchanged", show(after))?,
                Some(before) => write!(f, "\n    {name}: {} → {}", show(before), show(after))?,
                None => write!(f, "\n    {name}: {}", show(after))?,
            }
        }
        self.standing.iter().try_for_each(|standing| write!(f, "\n    {standing}"))
    }
}

/// Says what an instruction would do now. If an account it names cannot be read, the rest of it and the other steps are still described.
pub async fn say(context: &Context, token: &Token, now: i64, instruction: &Instruction) -> Words {
    let words = |what: String, changes| Words {
        what,
        changes,
        standing: None,
        io: token.unit,
        now,
    };
    let given = |(name, after): (&String, &Value)| Change {
        name: name.clone(),
        before: None,
        after: after.clone(),
    };
    let placed = |named: usize| {
        let rest = (1usize..).zip(&instruction.accounts).skip(named);
        rest.map(|(place, meta)| given((&format!("account {place}"), &meta.pubkey.to_string().into())))
            .collect::<Vec<Change>>()
    };
    let Some(call) = idl::decode(instruction) else {
        if let Some((what, standing)) = payment(context, token, instruction).await {
            return Words {
                standing,
                ..words(what, Vec::new())
            };
        }
        let what = format!("call {} with data that this program cannot read", name(&instruction.program_id));
        let data = given((&"data".to_owned(), &hex::encode(&instruction.data).into()));
        return words(what, [placed(0), vec![data]].concat());
    };
    if let Some((program, buffer, sha256)) = upgrade(instruction, &call) {
        let changes = [("sha256", sha256.clone()), ("buffer", buffer.to_string())];
        let changes = changes.map(|(name, value)| given((&name.to_owned(), &value.into())));
        let standing = match context.chain.account(&buffer).await {
            Ok(account) => standing(account.as_ref(), &sha256),
            Err(error) => unread("the buffer", &error),
        };
        return Words {
            standing: Some(standing),
            ..words(format!("replace the code of {}", name(&program)), changes.to_vec())
        };
    }
    let Some(setting) = Setting::of(call.program, call.name) else {
        let what = format!("call {} of {}", call.name, call.program);
        let mut changes: Vec<Change> = call.values.iter().map(given).collect();
        if call.program == "jobs" && !moves_treasury(token, instruction) {
            // Escrows may hold any token, and their instructions do not name it.
            let amounts = changes.iter_mut().filter(|change| change.name == "amount");
            amounts.for_each(|change| change.name.push_str(" in base units of the escrow's token"));
        }
        // The accounts decide who is paid, and who is judged.
        let named = idl::accounts(instruction);
        changes.extend(named.iter().map(given));
        changes.extend(placed(named.len()));
        return words(what, changes);
    };
    let row = idl::account(instruction, "gpu_model").unwrap_or_default();
    let (current, standing) = match setting.current(context, &row).await {
        Ok(current) => (current, None),
        Err(error) => (None, Some(unread("the current values", &error))),
    };
    let current = current.and_then(|current| idl::decode(&current)).map(|call| call.values);
    let now = places(&current.clone().unwrap_or_default());
    let changes: Vec<Change> = places(&call.values)
        .iter()
        .filter(|(_, after)| !after.is_null())
        .map(|(name, after)| Change {
            before: now.get(name).cloned(),
            ..given((name, after))
        })
        .collect();
    let of = match &current {
        Some(current) => current.get("name").and_then(Value::as_str).map(str::to_owned),
        // There is no such row, or none yet.
        None => Some(row.to_string()),
    };
    let of = of
        .filter(|_| setting.is_gpu())
        .map(|name| format!(" of {name}"))
        .unwrap_or_default();
    let what = match changes.is_empty() {
        true => format!("set {}{of}, which changes nothing", setting.name),
        false => format!("set {}{of}", setting.name),
    };
    Words {
        standing,
        ..words(what, changes)
    }
}

/// The warning about something that voters need and that could not be read.
fn unread(what: &str, error: &dyn std::error::Error) -> String {
    format!("do not vote for what you cannot read: {what} could not be read: {error}")
}

/// Whether an instruction moves $IO out of the treasury or into it.
fn moves_treasury(token: &Token, instruction: &Instruction) -> bool {
    ["from", "to"]
        .iter()
        .any(|name| idl::account(instruction, name) == Some(treasury(token)))
}

/// Names each element of lists on its own, since a change may set some of them only.
fn places(values: &Values) -> Values {
    let each = |(name, value): (&String, &Value)| match value {
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(place, value)| (format!("{name}.{place}"), value.clone()))
            .collect(),
        value => vec![(name.clone(), value.clone())],
    };
    values.iter().flat_map(each).collect()
}

/// Describes a payment of $IO out of the treasury, if the instruction is one, with a warning if the payee could not be read.
async fn payment(context: &Context, token: &Token, instruction: &Instruction) -> Option<(String, Option<String>)> {
    if instruction.program_id != spl_token_interface::ID {
        return None;
    }
    let account = |index: usize| instruction.accounts.get(index).map(|meta| meta.pubkey).unwrap_or_default();
    let moved = match TokenInstruction::unpack(&instruction.data) {
        Ok(TokenInstruction::Transfer { amount }) => Some((amount, account(1))),
        Ok(TokenInstruction::TransferChecked { amount, .. }) if account(1) == token.mint => Some((amount, account(2))),
        _ => None,
    };
    let (amount, to) = moved.filter(|_| account(0) == treasury(token))?;
    // The proposer chooses the account, and may choose a long one.
    let (account, standing) = match context.chain.account_prefix(&to, OWNER.end).await {
        Ok(account) => (account, None),
        Err(error) => (None, Some(unread("the owner of the account this is paid to", &error))),
    };
    let holder = account.and_then(|account| holder(token, &to, &account));
    let to = holder.map_or_else(
        || format!("token account {to}, whose owner may change before it is paid"),
        |holder| holder.to_string(),
    );
    Some((format!("pay {} out of the treasury to {to}", token.unit.show(amount)), standing))
}

/// The treasury's token account.
pub fn treasury(token: &Token) -> Address {
    market::token_account(&market::govern::authority(), &token.mint)
}

/// Place of the owner in a token account.
const OWNER: Range<usize> = 32..64;

/// The owner of an associated $IO account. Any other token account may change hands before it is paid.
fn holder(token: &Token, address: &Address, account: &Account) -> Option<Address> {
    let owner = Address::try_from(account.data.get(OWNER)?).ok()?;
    let is_associated = account.owner == spl_token_interface::ID && market::token_account(&owner, &token.mint) == *address;
    is_associated.then_some(owner)
}

/// Program, buffer and SHA-256 of the new code, if the call replaces a program's code.
fn upgrade(instruction: &Instruction, call: &idl::Call) -> Option<(Address, Address, String)> {
    let is_upgrade = (call.program, call.name) == ("governance", "upgrade_program");
    let sha256 = call.values.get("sha256").filter(|_| is_upgrade)?;
    let [program, buffer] = ["program", "buffer"].map(|name| idl::account(instruction, name));
    Some((program?, buffer?, sha256.as_str()?.to_owned()))
}

/// Whether a buffer holds the code that is voted on, and who controls it.
fn standing(account: Option<&Account>, sha256: &str) -> String {
    let Some(buffer) = account.and_then(Buffer::read) else {
        return "cannot be executed now: the buffer is gone".to_owned();
    };
    let held = hex::encode(buffer.sha256());
    let (is_same, is_ours) = (held == sha256, buffer.is_governances());
    let code = if is_same {
        "this code".to_owned()
    } else {
        format!("other code, with SHA-256 {held},")
    };
    let whose = if is_ours {
        "governance's".to_owned()
    } else {
        format!("{}'s, who may change it", buffer.authority)
    };
    let obstacle = if is_same && is_ours { "" } else { "cannot be executed now: " };
    format!("{obstacle}the buffer holds {code} and is {whose}")
}

/// A program's name, if it is the market's.
pub fn name(program: &Address) -> String {
    let known = super::PROGRAMS.iter().find(|(_, id)| id == program);
    known.map_or_else(|| program.to_string(), |(name, _)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{command::Global, config::Config, settings::Settings, testing};
    use anchor_lang::bytemuck::Zeroable;
    use chain::market::{LOADER, govern};
    use sha2::{Digest, Sha256};
    use solana_instruction::AccountMeta;
    use std::path::Path;

    fn token() -> Token {
        Token {
            mint: Address::new_unique(),
            unit: testing::IO,
        }
    }

    /// The description of an instruction for which the chain is not asked.
    async fn said(token: &Token, instruction: &Instruction) -> String {
        let settings = Settings::resolve(&Global::default(), &Config::default(), Path::new("/nowhere")).unwrap();
        let words = say(&Context::new(settings), token, 0, instruction).await;
        words.to_string()
    }

    #[tokio::test]
    async fn a_call_names_whom_it_pays() {
        let token = token();
        let [escrow, extra, other] = [(); 3].map(|()| Address::new_unique());
        let deposit = |from: &Address| market::job::deposit(&market::govern::authority(), &escrow, from, 150_000_000);
        let mut ours = deposit(&treasury(&token));
        ours.accounts.push(AccountMeta::new(extra, false));
        let words = said(&token, &ours).await;
        for line in [
            "call deposit of jobs",
            "amount: 1.5 $IO",
            &format!("escrow: {escrow}"),
            &format!("account 6: {extra}"),
        ] {
            assert!(words.lines().any(|said| said.trim() == line), "{line} in {words}");
        }
        let words = said(&token, &deposit(&other)).await;
        assert!(words.contains("amount in base units of the escrow's token: 150000000"), "{words}");
    }

    /// The accounts alone tell handing a program to another governance from handing it to somebody's key.
    #[tokio::test]
    async fn a_call_that_cannot_be_read_names_every_account() {
        let (code, key) = (market::program_data(staking::ID), Address::new_unique());
        let accounts = [code, govern::authority(), key].map(|address| AccountMeta::new_readonly(address, false));
        let hand_over = Instruction::new_with_bytes(LOADER, &4u32.to_le_bytes(), accounts.to_vec());
        let words = said(&token(), &hand_over).await;
        for line in [&format!("account 1: {code}"), &format!("account 3: {key}"), "data: 04000000"] {
            assert!(words.lines().any(|said| said.trim() == line), "{line} in {words}");
        }
    }

    /// An account with forged contents must not let its maker be paid under another's name.
    #[tokio::test]
    async fn a_payment_names_only_an_owner_who_cannot_change() {
        let (_folder, fake, context, _) = testing::context();
        let (token, foundation) = (token(), Address::new_unique());
        let theirs = market::token_account(&foundation, &token.mint);
        let [program, elsewhere, nothing] = [(); 3].map(|()| Address::new_unique());
        let set = |address, owner, holder: &Address| {
            let account = Account {
                lamports: 1,
                data: [token.mint.as_ref(), holder.as_ref(), &[0; 101]].concat(),
                owner,
                ..Account::default()
            };
            fake.set_account(address, account);
        };
        set(theirs, spl_token_interface::ID, &foundation);
        set(program, Address::new_unique(), &foundation);
        set(elsewhere, spl_token_interface::ID, &foundation);
        let paid = async |to: Address| {
            let pay = spl_token_interface::instruction::transfer(
                &spl_token_interface::ID,
                &treasury(&token),
                &to,
                &govern::authority(),
                &[],
                150_000_000,
            );
            let words = say(&context, &token, 0, &pay.unwrap()).await;
            words.to_string()
        };
        assert_eq!(paid(theirs).await, format!("pay 1.5 $IO out of the treasury to {foundation}"));
        for to in [program, elsewhere, nothing] {
            assert_eq!(
                paid(to).await,
                format!("pay 1.5 $IO out of the treasury to token account {to}, whose owner may change before it is paid")
            );
        }
        // An account that was given away, or is owned by another program.
        for (owner, holder) in [(spl_token_interface::ID, Address::new_unique()), (LOADER, foundation)] {
            set(theirs, owner, &holder);
            assert!(paid(theirs).await.contains("whose owner may change"));
        }
        fake.set_unreachable(true);
        let words = paid(theirs).await;
        assert!(words.starts_with("pay 1.5 $IO out of the treasury to token account"), "{words}");
        assert!(
            words.contains("the owner of the account this is paid to could not be read"),
            "{words}"
        );
    }

    /// The vote is on the hash of the code; the buffer only has to hold that code in the end.
    #[tokio::test]
    async fn an_upgrade_says_which_code_is_voted_on_and_whether_the_buffer_holds_it() {
        let (_folder, fake, context, _) = testing::context();
        let (token, buffer, proposer) = (token(), Address::new_unique(), Address::new_unique());
        let [code, other] = [b"code", b"evil"];
        let [sha256, changed] = [code, other].map(Sha256::digest);
        let upgrade = govern::upgrade(&referee::ID, &buffer, sha256.into());
        let said = async || say(&context, &token, 0, &upgrade).await;
        let set = |owner: Address, authority: &Address, code: &[u8]| {
            let account = Account {
                lamports: 1,
                data: [&[1, 0, 0, 0, 1], authority.as_ref(), code].concat(),
                owner,
                ..Account::default()
            };
            fake.set_account(buffer, account);
        };
        let begin = format!("replace the code of referee\n    sha256: {sha256:x}\n    buffer: {buffer}");
        let obstacle = "cannot be executed now: the buffer";
        assert_eq!(said().await.to_string(), format!("{begin}\n    {obstacle} is gone"));
        let authority = govern::authority();
        for (owner, authority, code, standing) in [
            (LOADER, authority, code, "the buffer holds this code and is governance's".to_owned()),
            (
                LOADER,
                proposer,
                code,
                format!("{obstacle} holds this code and is {proposer}'s, who may change it"),
            ),
            (
                LOADER,
                authority,
                other,
                format!("{obstacle} holds other code, with SHA-256 {changed:x}, and is governance's"),
            ),
            // It only looks like a buffer.
            (proposer, authority, code, format!("{obstacle} is gone")),
        ] {
            set(owner, &authority, code);
            assert_eq!(said().await.to_string(), format!("{begin}\n    {standing}"));
        }
        assert_eq!(said().await.done().to_string(), begin);
        fake.set_unreachable(true);
        let words = said().await.to_string();
        let warning = format!("{begin}\n    do not vote for what you cannot read: the buffer could not be read: ");
        assert!(words.starts_with(&warning), "{words}");
    }

    /// The proposer chooses the account that is named as the row.
    #[tokio::test]
    async fn a_false_row_hides_no_value() {
        let (_folder, fake, context, _) = testing::context();
        let (token, row) = (token(), Address::new_unique());
        testing::set_up_market(&fake, &token.mint);
        let mut update = market::stake::update_gpu_model(&govern::authority(), 3, staking::GpuModel::zeroed().spec());
        update.accounts.get_mut(2).unwrap().pubkey = row;
        fake.set_account(row, testing::mint(testing::IO.decimals));
        let words = say(&context, &token, 0, &update).await.to_string();
        assert!(words.starts_with(&format!("set staking.gpu_model of {row}\n    ")), "{words}");
        for line in [
            "vram_gb: 0",
            "do not vote for what you cannot read: the current values could not be read",
        ] {
            assert!(words.contains(line), "{line} in {words}");
        }
    }
}
