//! The programs' IDLs in `idl/*.json`: generated, committed, and checked to be up to date.

use std::env;
use std::fs;
use std::process::Command;

use anchor_lang_idl::build::IdlBuilder;
use anyhow::{Context, Result, bail};

use crate::step;
use crate::workspace::{Program, Workspace, name_libraries_by_hash};

/// Writes the IDLs, or with `check` fails if the committed ones differ.
pub fn run(workspace: &Workspace, check: bool) -> Result<()> {
    let folder = workspace.root.join("idl");
    fs::create_dir_all(&folder)?;
    let mut stale = Vec::new();
    for program in workspace.programs() {
        let generated = generate(workspace, &program)?;
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

/// Anchor generates an IDL by compiling and running a test of the program. It starts its own cargo, so this runs in a child process whose
/// environment is prepared for that; the child's output is the log of the step.
fn generate(workspace: &Workspace, program: &Program) -> Result<String> {
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
    fs::read_to_string(&output).with_context(|| format!("cannot read {}", output.display()))
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
    let mut text = serde_json::to_string_pretty(&idl)?;
    text.push('\n');
    fs::write(output, text).with_context(|| format!("cannot write {}", output.display()))
}
