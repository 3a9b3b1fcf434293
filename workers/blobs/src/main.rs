//! `ionet-blobs`: serves a blob store over HTTP.

use anyhow::anyhow;
use blobs::{BlobStore, server};
use clap::Parser;
use daemon::{LogFormat, log_to_stderr, run, stop_on_signals};
use std::{
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
};
use tokio::net::TcpListener;

/// Serves a content-addressed blob store over HTTP
///
/// Exit codes: 0 stopped by a signal, 1 failed, 2 wrong settings, 130 ended by a second signal.
#[derive(Parser)]
#[command(name = "ionet-blobs", version)]
struct Options {
    /// Where to keep blobs: a folder, or a file://, memory: or s3:// URL
    #[arg(long, env = "IONET_BLOBS_STORE", default_value = ".ionet/blobs", value_parser = not_a_server)]
    store: String,
    /// Address to listen on
    #[arg(long, env = "IONET_BLOBS_LISTEN", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, blobs::LOCAL_PORT)))]
    listen: SocketAddr,
    /// Largest upload, in bytes
    #[arg(long, default_value_t = blobs::MAX_BLOB)]
    max_blob: u64,
    /// Most requests in flight
    #[arg(long, default_value_t = server::Limits::default().requests)]
    requests: usize,
    /// Most requests in flight from one IP address. Behind a proxy all requests share its address: raise this and limit peers in the proxy
    #[arg(long, default_value_t = server::Limits::default().peer_requests)]
    peer_requests: usize,
    /// Most uploads in flight from one IP address. Behind a proxy all uploads share its address: raise this and limit peers in the proxy
    #[arg(long, default_value_t = server::Limits::default().peer_uploads)]
    peer_uploads: usize,
    /// Most bytes that one IP address may upload in an hour. Behind a proxy all uploads share its address: raise this
    #[arg(long, default_value_t = server::Limits::default().peer_bytes)]
    peer_bytes: u64,
    /// Bytes that uploads leave free on the disk of a folder; beyond that they are refused, and downloads go on
    #[arg(long, default_value_t = server::Limits::default().min_free)]
    min_free: u64,
    /// Log format, on standard error; RUST_LOG sets the filter
    #[arg(long, env = "IONET_LOG", value_name = "FORMAT", default_value = "human")]
    log: LogFormat,
}

/// Refuses another server as the store: it could be this very server, which would then forward each missing blob to itself without end.
fn not_a_server(location: &str) -> Result<String, &'static str> {
    let scheme = location.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("http" | "https") => {
            Err("a blob server cannot use another server as its store: name a folder, or a file://, memory: or s3:// URL")
        }
        _ => Ok(location.to_owned()),
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    log_to_stderr(options.log, "warn,blobs=info,ionet_blobs=info");
    let code = |error: &anyhow::Error| if error.is::<blobs::Error>() { 2 } else { 1 };
    run(act(options), code)
}

async fn act(options: Options) -> anyhow::Result<()> {
    let store = BlobStore::open(&options.store)?;
    let listener = TcpListener::bind(options.listen).await.map_err(|error| {
        anyhow!(
            "cannot listen on {} ({error}); choose another address with --listen",
            options.listen
        )
    })?;
    tracing::info!(url = %format_args!("http://{}/blobs", listener.local_addr()?), %store, "serving");
    let limits = server::Limits {
        blob: options.max_blob,
        requests: options.requests,
        peer_requests: options.peer_requests,
        peer_uploads: options.peer_uploads,
        peer_bytes: options.peer_bytes,
        min_free: options.min_free,
        ..server::Limits::default()
    };
    let stop = stop_on_signals();
    server::serve(listener, store, limits, stop.cancelled_owned()).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn clients_find_a_server_at_its_default_address() {
        let options = Options::try_parse_from(["ionet-blobs"]).unwrap();
        assert_eq!(format!("http://{}/blobs", options.listen), blobs::LOCAL_URL);
    }

    #[test]
    fn a_server_does_not_serve_a_server() {
        let parse = |store| Options::try_parse_from(["ionet-blobs", "--store", store]);
        for store in ["http://127.0.0.1:8901/blobs", "HTTPS://blobs.example"] {
            let refusal = parse(store).err().unwrap().to_string();
            assert!(refusal.contains("name a folder"), "{refusal}");
        }
        assert_eq!(parse("s3://bucket/blobs").unwrap().store, "s3://bucket/blobs");
        // `IONET_BLOBS` is the server's URL, for its clients.
        let command = Options::command();
        let store = command.get_arguments().find(|argument| argument.get_id() == "store").unwrap();
        assert_eq!(store.get_env().unwrap(), "IONET_BLOBS_STORE");
    }
}
