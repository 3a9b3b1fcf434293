//! The programs' IDLs in `idl/*.json`: generated, committed, and checked to be up to date.

use std::env;
use std::fs;
use std::process::Command;

use anchor_lang_idl::build::IdlBuilder;
use anchor_lang_idl::types::{Idl, IdlAccount, IdlTypeDef};
use anyhow::{Context, Result, bail};

use crate::step;
use crate::workspace::{Program, Workspace, name_libraries_by_hash};

/// Writes the IDLs, or with `check` fails if the committed ones differ.
pub fn run(workspace: &Workspace, check: bool) -> Result<()> {
    let folder = workspace.root.join("idl");
    fs::create_dir_all(&folder)?;
    let generate = |program| Ok((generate(workspace, &program)?, program));
    let all: Vec<(Idl, Program)> = workspace.programs().into_iter().map(generate).collect::<Result<_>>()?;
    let mut stale = Vec::new();
    for (idl, program) in &all {
        let others = all.iter().filter(|(_, other)| program.dependencies.contains(&other.name));
        let others: Vec<&Idl> = others.map(|(idl, _)| idl).collect();
        let mut generated = serde_json::to_string_pretty(&without_accounts_of(idl, &others))?;
        generated.push('\n');
        let path = folder.join(format!("{}.json", program.name));
        if fs::read_to_string(&path).is_ok_and(|committed| committed == generated) {
            continue;
        }
        if check {
            stale.push(format!("idl/{}.json", program.name));
        } else {
            fs::write(&path, generated).with_context(|| format!("cannot write {}", path.display()))?;
            println!("  {}", path.display());
        }
    }
    if !stale.is_empty() {
        bail!(
            "{} does not describe the program as it is now: run `cargo xtask idl` and commit the result",
            stale.join(", ")
        );
    }
    Ok(())
}

/// An IDL without the accounts that other programs' IDLs describe in the same way: Anchor lists every account that an instruction reads.
fn without_accounts_of(idl: &Idl, others: &[&Idl]) -> Idl {
    let described = |idl: &Idl, account: &IdlAccount| -> Option<IdlTypeDef> {
        let is_listed = idl.accounts.contains(account);
        idl.types.iter().find(|kind| is_listed && kind.name == account.name).cloned()
    };
    let (theirs, own): (Vec<IdlAccount>, _) = idl.accounts.iter().cloned().partition(|account| {
        let here = described(idl, account);
        here.is_some() && others.iter().any(|other| described(other, account) == here)
    });
    let mut idl = Idl {
        accounts: own,
        ..idl.clone()
    };
    idl.types.retain(|kind| theirs.iter().all(|account| account.name != kind.name));
    idl
}

/// Anchor generates an IDL by compiling and running a test of the program. It starts its own cargo, so this runs in a child process whose
/// environment is prepared for that; the child's output is the log of the step.
fn generate(workspace: &Workspace, program: &Program) -> Result<Idl> {
    let output = workspace.root.join(format!("target/idl-{}.json", program.name));
    let mut print = Command::new(env::current_exe()?);
    print.arg("write-idl").arg(&program.name).arg(&output);
    let _lock = workspace.take("idl")?;
    // Its flags share no outputs with other builds, so it gets a target directory of its own and need not wait for them.
    print.env("CARGO_TARGET_DIR", workspace.cache.join("idl"));
    // The library would pass it on literally as `+{toolchain}`.
    print.env_remove("RUSTUP_TOOLCHAIN");
    name_libraries_by_hash(&mut print);
    step::run(
        &workspace.root,
        &format!("idl-{}", program.name),
        &format!("generating the IDL of program {}", program.name),
        print,
    )?;
    let text = fs::read(&output).with_context(|| format!("cannot read {}", output.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is not an IDL", output.display()))
}

/// Runs in the prepared child process: writes the IDL of one program to a file.
pub fn write(workspace: &Workspace, name: &str, output: &std::path::Path) -> Result<()> {
    let program = workspace
        .programs()
        .into_iter()
        .find(|program| program.name == name)
        .with_context(|| format!("there is no program {name}"))?;
    let folder = program.manifest.parent().context("the manifest has no parent folder")?;
    let arguments = ["--lib", "--ignore-rust-version", "--profile", "xtask"].map(str::to_owned).to_vec();
    let idl = IdlBuilder::new().program_path(folder.to_owned()).cargo_args(arguments).build()?;
    fs::write(output, serde_json::to_vec(&idl)?).with_context(|| format!("cannot write {}", output.display()))
}

#[cfg(test)]
mod tests {
    use super::{Idl, without_accounts_of};
    use anyhow::Result;
    use serde_json::{Value, json};

    /// A program with these accounts, each with its discriminator and the name of its only field.
    fn idl(accounts: &[(&str, u8, &str)]) -> Result<Idl> {
        let list = |entry: fn(&(&str, u8, &str)) -> Value| accounts.iter().map(entry).collect::<Vec<_>>();
        Ok(serde_json::from_value(json!({
            "address": "", "metadata": { "name": "", "version": "", "spec": "" }, "instructions": [],
            "accounts": list(|(name, mark, _)| json!({ "name": name, "discriminator": [mark] })),
            "types": list(|(name, _, field)| json!({
                "name": name, "type": { "kind": "struct", "fields": [{ "name": field, "type": "u64" }] },
            })),
        }))?)
    }

    #[test]
    fn only_what_another_program_describes_in_the_same_way_is_left_out() -> Result<()> {
        let staking = idl(&[("Config", 1, "base_stake"), ("Device", 2, "stake"), ("Slash", 3, "bps")])?;
        let jobs = idl(&[
            ("Config", 1, "bounty"),
            ("Device", 2, "stake"),
            ("Slash", 4, "bps"),
            ("Job", 5, "price"),
        ])?;
        let own = idl(&[("Config", 1, "bounty"), ("Slash", 4, "bps"), ("Job", 5, "price")])?;
        assert_eq!(without_accounts_of(&jobs, &[&staking]), own);
        assert_eq!(without_accounts_of(&jobs, &[]), jobs);
        Ok(())
    }
}
