//! The market in a browser: the indexer's API, the built web app and a faucet, all at one address.

use crate::faucet::{self, Faucet};
use anyhow::{Context, Result, ensure};
use chain::Chain;
use indexer::{Follower, Store, api};
use serde_json::Value;
use solana_keypair::Keypair;
use std::{
    fs, io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// How often the indexer polls while nothing happens on chain.
const EVERY: Duration = Duration::from_millis(500);

/// How the market is shown in a browser.
#[derive(Clone, Debug)]
pub struct WebOptions {
    /// Port; 0 takes any free one.
    pub port: u16,
    /// Folder that the web app was built into.
    pub app: PathBuf,
}

/// A port to serve at, and the folder of the web app.
pub(crate) struct Place {
    listener: TcpListener,
    app: PathBuf,
}

impl Place {
    /// Binds the port. Fails when it is in use or the web app is not built.
    pub async fn take(options: &WebOptions) -> Result<Self> {
        ensure!(
            options.app.join("index.html").is_file(),
            "the web app is not built into {}; run `cargo xtask build`, or name its folder with --web-dir",
            options.app.display()
        );
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await;
        Ok(Self {
            listener: listener.with_context(|| {
                let port = options.port;
                format!("port {port} for the web app is not available; choose another with --web-port")
            })?,
            app: options.app.clone(),
        })
    }

    /// Indexes the market into a new database in `dir` and serves it, with the web app's `config`; the faucet pays with `key`.
    pub async fn serve(self, dir: &Path, chain: &Chain, key: Keypair, config: &Value) -> Result<Web> {
        let url = format!("http://{}", self.listener.local_addr()?);
        let store = Store::open(&database(dir)?).await?;
        let stop = CancellationToken::new();
        let router = api::router(store.clone(), stop.clone()).merge(faucet::router(Faucet::new(chain.clone(), key)));
        let router = api::site(router, &self.app, config)?;
        let mut follower = Follower::new(chain.network().clone(), store);
        let (following, serving) = (stop.clone(), stop.clone());
        Ok(Web {
            url,
            stop,
            followed: tokio::spawn(async move { follower.run(EVERY, &following).await }),
            served: tokio::spawn(api::serve(self.listener, router, serving)),
        })
    }
}

/// The running web server.
#[derive(Debug)]
pub(crate) struct Web {
    /// Its URL.
    pub url: String,
    stop: CancellationToken,
    followed: JoinHandle<()>,
    served: JoinHandle<()>,
}

impl Web {
    /// Stops it.
    pub async fn stop(self) {
        self.stop.cancel();
        crate::finish(self.served).await;
        crate::finish(self.followed).await;
    }
}

/// URL of the database in `dir`. Removes the database of an earlier chain.
fn database(dir: &Path) -> Result<String> {
    let path = dir.join("history.db");
    for ending in ["", "-wal", "-shm"] {
        let mut file = path.clone().into_os_string();
        file.push(ending);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("{} cannot be replaced; choose another folder with --dir", path.display()));
            }
            _ => {}
        }
    }
    Ok(format!("sqlite://{}", path.display()))
}
