//! An instruction of a proposal in words: what it changes, from what to what.

use super::{setting::Setting, units};
use crate::{
    amount::Unit,
    context::{Context, Token},
    error::Result,
};
use chain::{
    idl::{self, Values},
    market::{self, LOADER},
};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use solana_address::Address;
use solana_instruction::Instruction;
use spl_token_interface::instruction::TokenInstruction;
use std::fmt;

/// One value that changes, or that is given.
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
    #[serde(skip)]
    io: Unit,
    #[serde(skip)]
    now: i64,
}

impl Words {
    /// Of what was done: from what is no longer there to see.
    pub fn done(mut self) -> Self {
        self.changes.iter_mut().for_each(|change| change.before = None);
        self
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        for Change { name, before, after } in &self.changes {
            let show = |value| units::show(name, value, self.io, self.now);
            match before {
                Some(before) if before == after => write!(f, "\n    {name}: {}, as it is already", show(after))?,
                Some(before) => write!(f, "\n    {name}: {} → {}", show(before), show(after))?,
                None => write!(f, "\n    {name}: {}", show(after))?,
            }
        }
        Ok(())
    }
}

/// Says what an instruction does, now that things are as they are.
pub async fn say(context: &Context, token: &Token, now: i64, instruction: &Instruction) -> Result<Words> {
    let words = |what: String, changes| Words {
        what,
        changes,
        io: token.unit,
        now,
    };
    let Some(call) = idl::decode(instruction) else {
        return Ok(words(foreign(context, token, instruction).await?, Vec::new()));
    };
    let given = |(name, after): (&String, &Value)| Change {
        name: name.clone(),
        before: None,
        after: after.clone(),
    };
    let Some(setting) = Setting::of(call.program, call.name) else {
        let what = format!("call {} of {}", call.name, call.program);
        let mut changes: Vec<Change> = call.values.iter().map(given).collect();
        if call.program == "jobs" && !moves_treasury(token, instruction) {
            // Escrows are of any token, and their calls do not name it.
            let amounts = changes.iter_mut().filter(|change| change.name == "amount");
            amounts.for_each(|change| change.name.push_str(" in base units of the escrow's token"));
        }
        // They decide who is paid, and who is judged.
        let named = idl::accounts(instruction);
        changes.extend(named.iter().map(given));
        let unnamed = (1usize..).zip(&instruction.accounts).skip(named.len());
        changes.extend(unnamed.map(|(place, meta)| given((&format!("account {place}"), &meta.pubkey.to_string().into()))));
        return Ok(words(what, changes));
    };
    let row = idl::account(instruction, "gpu_model").unwrap_or_default();
    let current = setting.current(context, &row).await?;
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
        // There is no such row, or not yet.
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
    Ok(words(what, changes))
}

/// Whether $IO leave the treasury or come into it.
fn moves_treasury(token: &Token, instruction: &Instruction) -> bool {
    ["from", "to"]
        .iter()
        .any(|name| idl::account(instruction, name) == Some(treasury(token)))
}

/// Lists with a name for each place: a change names some of them.
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

/// An instruction of a program that is not the market's.
async fn foreign(context: &Context, token: &Token, instruction: &Instruction) -> Result<String> {
    let account = |index: usize| instruction.accounts.get(index).map(|meta| meta.pubkey).unwrap_or_default();
    if instruction.program_id == spl_token_interface::ID {
        let moved = match TokenInstruction::unpack(&instruction.data) {
            Ok(TokenInstruction::Transfer { amount }) => Some((amount, account(1))),
            Ok(TokenInstruction::TransferChecked { amount, .. }) if account(1) == token.mint => Some((amount, account(2))),
            _ => None,
        };
        if let Some((amount, to)) = moved.filter(|_| account(0) == treasury(token)) {
            let holder = context.chain.account(&to).await?.and_then(|account| holder(&account.data));
            let to = holder.map_or_else(|| format!("token account {to}"), |holder| holder.to_string());
            return Ok(format!("pay {} out of the treasury to {to}", token.unit.show(amount)));
        }
    }
    if instruction.program_id == LOADER && instruction.data == [3, 0, 0, 0] {
        let (program, buffer) = (account(1), account(2));
        let code = context
            .chain
            .account(&buffer)
            .await?
            .and_then(|account| code(&account.data).map(Sha256::digest));
        let code = code.map_or_else(|| "which is gone".to_owned(), |hash| format!("SHA-256 {hash:x}"));
        return Ok(format!("replace the code of {} by that of buffer {buffer}, {code}", name(&program)));
    }
    let (program, accounts) = (name(&instruction.program_id), instruction.accounts.len());
    let data = hex::encode(&instruction.data);
    Ok(format!(
        "call {program}, which this program cannot read, with {accounts} accounts and the data {data}"
    ))
}

/// The treasury's $IO.
pub fn treasury(token: &Token) -> Address {
    market::token_account(&market::govern::authority(), &token.mint)
}

fn holder(token_account: &[u8]) -> Option<Address> {
    Address::try_from(token_account.get(32..64)?).ok()
}

/// The code in a buffer of the loader's.
pub fn code(buffer: &[u8]) -> Option<&[u8]> {
    const BUFFER: [u8; 4] = [1, 0, 0, 0];
    buffer.starts_with(&BUFFER).then(|| buffer.get(37..))?
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
    use crate::{amount::UnitName, command::Global, config::Config, settings::Settings};
    use solana_instruction::AccountMeta;
    use std::path::Path;

    /// What is said of an instruction that no question to the chain is needed for.
    async fn said(token: &Token, instruction: &Instruction) -> String {
        let settings = Settings::resolve(&Global::default(), Config::default(), Path::new("/nowhere")).unwrap();
        let words = say(&Context::new(settings), token, 0, instruction).await.unwrap();
        words.to_string()
    }

    #[tokio::test]
    async fn a_call_says_whom_it_pays() {
        let unit = Unit {
            name: UnitName::Io,
            decimals: 8,
        };
        let token = Token {
            mint: Address::new_unique(),
            unit,
        };
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
}
