//! `ionet-blobs`: serves a blob store over HTTP.

use anyhow::Context;
use blobs::{BlobStore, server};
use clap::Parser;
use std::net::SocketAddr;

/// Serve a content-addressed blob store over HTTP.
#[derive(Parser)]
#[command(name = "ionet-blobs", version)]
struct Options {
    /// Where blobs are kept: a folder, or a file://, memory: or s3:// URL
    #[arg(long, env = "IONET_BLOBS", default_value = ".ionet/blobs")]
    store: String,
    /// Address to listen on
    #[arg(long, env = "IONET_BLOBS_LISTEN", default_value = "127.0.0.1:8901")]
    listen: SocketAddr,
    /// Largest upload, in bytes
    #[arg(long, default_value_t = blobs::MAX_BLOB)]
    max_blob: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let store = BlobStore::open(&options.store)?;
    let listener = tokio::net::TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("cannot listen on {}; choose another address with --listen", options.listen))?;
    println!("serving {store} at http://{}/blobs", listener.local_addr()?);
    let limits = server::Limits {
        blob: options.max_blob,
        ..server::Limits::default()
    };
    let stop = daemon::stop_on_signals();
    server::serve(listener, store, limits, stop.cancelled_owned())
        .await
        .context("the blob server stopped")
}
