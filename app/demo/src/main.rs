//! `cargo xtask demo`.

use anyhow::{Context, Result};
use clap::Parser;
use demo::Place;
use std::path::PathBuf;

/// Run the main job on a local chain: a photo goes in, a worker enlarges it exactly, the chain pays
#[derive(Parser)]
#[command(name = "cargo xtask demo", version)]
struct Arguments {
    /// Folder for everything the demo writes; emptied first
    #[arg(long, default_value = "target/demo")]
    dir: PathBuf,
    /// Photo to enlarge; the shipped one comes with its original in full size, to measure against
    #[arg(long)]
    photo: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let root = std::env::current_dir().context("the current folder cannot be read")?;
    let me = std::env::current_exe().context("cannot tell where this binary is")?;
    let place = Place {
        bin: me.parent().context("this binary has no folder")?.to_owned(),
        dir: root.join(arguments.dir),
        root,
    };
    // Each run starts on an empty chain; keys and blobs of the last one would only confuse.
    if place.dir.exists() {
        std::fs::remove_dir_all(&place.dir).with_context(|| format!("cannot empty {}", place.dir.display()))?;
    }
    std::fs::create_dir_all(&place.dir).with_context(|| format!("cannot create {}", place.dir.display()))?;
    let photo = arguments.photo.map(|photo| place.root.join(photo));

    let report = demo::run(&place, photo).await?;
    println!("\n{report}");
    let path = place.dir.join("report.json");
    std::fs::write(&path, serde_json::to_vec_pretty(&report)?).with_context(|| format!("cannot write {}", path.display()))?;
    println!("{}\n{}", place.dir.join("output.png").display(), path.display());
    Ok(())
}
