//! The embedded chain: surfpool, offline, which produces a block every slot even without transactions.
//!
//! It uses surfpool's core rather than its SDK, which chooses the ports itself and profiles every instruction.

use anyhow::{Context, Result, anyhow};
use chain::{Chain, Cluster};
use crossbeam_channel::{Receiver, Sender};
use serde_json::{Value, json};
use solana_address::Address;
use solana_hash::Hash;
use solana_keypair::Keypair;
use solana_rpc_client::nonblocking::rpc_client::RpcClient;
use solana_rpc_client_api::request::RpcRequest;
use std::{
    net::{TcpListener, TcpStream},
    time::Duration,
};
use surfpool_core::{
    runloops::start_local_surfnet_runloop,
    surfnet::{
        GeyserEvent,
        locker::SurfnetSvmLocker,
        svm::{SurfnetSvm, SurfnetSvmConfig},
    },
};
use surfpool_types::{BlockProductionMode, RpcConfig, SimnetCommand, SimnetConfig, SimnetEvent, SurfpoolConfig};
use tokio::sync::oneshot;

const HOST: &str = "127.0.0.1";

/// Longest wait for the chain to start or stop.
const PATIENCE: Duration = Duration::from_secs(20);

/// Ports and slot time of the chain.
#[derive(Clone, Copy, Debug)]
pub struct NodeOptions {
    /// Port of JSON-RPC; 0 picks a free one.
    pub rpc_port: u16,
    /// Port of subscriptions; 0 picks a free one.
    pub ws_port: u16,
    /// Time between blocks.
    pub slot: Duration,
}

/// A running chain. Stops when dropped; [`Node::stop`] also waits until its ports are free.
#[derive(Debug)]
pub struct Node {
    cluster: Cluster,
    genesis: Hash,
    commands: Sender<SimnetCommand>,
    closed: oneshot::Receiver<()>,
}

impl Node {
    /// Starts a chain.
    pub async fn start(options: &NodeOptions) -> Result<Self> {
        let rpc_port = port(options.rpc_port, "JSON-RPC", "--port")?;
        let ws_port = port(options.ws_port, "subscriptions", "--ws-port")?;
        let slot_time = u64::try_from(options.slot.as_millis()).unwrap_or(u64::MAX).max(1);
        // Each run is a new chain, with a genesis hash of its own.
        let genesis = Hash::new_from_array(*Keypair::new().secret_bytes());
        let simnet = SimnetConfig {
            offline_mode: true,
            remote_rpc_url: None,
            slot_time,
            block_production_mode: BlockProductionMode::Clock,
            instruction_profiling_enabled: false,
            genesis_hash: Some(genesis),
            ..SimnetConfig::default()
        };
        let svm = SurfnetSvmConfig {
            surfnet_id: simnet.surfnet_id.clone(),
            slot_time,
            instruction_profiling_enabled: false,
            ..SurfnetSvmConfig::default()
        };
        let config = SurfpoolConfig {
            simnets: vec![simnet],
            rpc: RpcConfig {
                bind_host: HOST.to_owned(),
                bind_port: rpc_port,
                ws_port,
                ..RpcConfig::default()
            },
            ..SurfpoolConfig::default()
        };
        let (svm, events, geyser) = SurfnetSvm::new(svm).map_err(|error| anyhow!("the embedded chain cannot be set up: {error}"))?;
        let (commands, inbox) = crossbeam_channel::unbounded();
        let outbox = commands.clone();
        std::thread::Builder::new()
            .name("localnet-chain".to_owned())
            .spawn(move || run(svm, config, outbox, inbox, geyser))?;

        let (ready, is_ready) = oneshot::channel();
        let (closing, closed) = oneshot::channel();
        // The events must be read, or the chain stalls when their queue is full.
        std::thread::Builder::new()
            .name("localnet-events".to_owned())
            .spawn(move || listen(&events, ready, closing))?;
        let node = Self {
            cluster: Cluster::new(format!("http://{HOST}:{rpc_port}"), format!("ws://{HOST}:{ws_port}")),
            genesis,
            commands,
            closed,
        };
        let up = tokio::time::timeout(PATIENCE, is_ready)
            .await
            .context("the embedded chain did not come up in time")?;
        up.context("the embedded chain stopped while starting")?
            .map_err(|reason| anyhow!("the embedded chain did not start: {reason}"))?;
        Ok(node)
    }

    /// URLs of the chain.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Genesis hash, different for every run.
    pub fn genesis(&self) -> Hash {
        self.genesis
    }

    /// Deploys a program at `program`, upgradeable by `authority`.
    pub async fn deploy(&self, program: &Address, elf: &[u8], authority: &Address) -> Result<()> {
        self.cheat(
            "surfnet_writeProgram",
            json!([program.to_string(), hex::encode(elf), 0, authority.to_string()]),
        )
        .await
    }

    /// Sets an account.
    pub async fn set_account(&self, address: &Address, lamports: u64, data: &[u8], owner: &Address) -> Result<()> {
        let account = json!({ "lamports": lamports, "data": hex::encode(data), "owner": owner.to_string() });
        self.cheat("surfnet_setAccount", json!([address.to_string(), account])).await
    }

    /// Sets a wallet's balance.
    pub async fn fund(&self, address: &Address, lamports: u64) -> Result<()> {
        self.cheat("surfnet_setAccount", json!([address.to_string(), { "lamports": lamports }]))
            .await
    }

    /// Moves the chain's clock forward, and its slot accordingly; the skipped slots stay empty.
    pub async fn skip(&self, time: Duration) -> Result<()> {
        let chain = Chain::connect(&self.cluster);
        let now = chain.now().await.context("the embedded chain has no clock")?;
        let target = Duration::from_secs(now.unix.unsigned_abs()).saturating_add(time).as_millis();
        let target = u64::try_from(target).context("the chain's clock cannot go that far")?;
        self.cheat("surfnet_timeTravel", json!([{ "absoluteTimestamp": target }])).await
    }

    async fn cheat(&self, method: &'static str, params: Value) -> Result<()> {
        let client = RpcClient::new(self.cluster.rpc.clone());
        let answer = client.send::<Value>(RpcRequest::Custom { method }, params).await;
        answer.map(drop).with_context(|| format!("the embedded chain refused {method}"))
    }

    /// Stops the chain and waits until its ports are free.
    pub async fn stop(mut self) -> Result<()> {
        self.terminate();
        let closed = tokio::time::timeout(PATIENCE, &mut self.closed).await;
        closed
            .context("the embedded chain did not stop in time")?
            .context("the embedded chain stopped without closing its ports")
    }

    fn terminate(&self) {
        // Fails only when the chain has stopped already.
        let _ = self.commands.send(SimnetCommand::Terminate(None));
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.terminate();
    }
}

/// Runs the chain until it is told to stop.
fn run(
    svm: SurfnetSvm,
    config: SurfpoolConfig,
    outbox: Sender<SimnetCommand>,
    inbox: Receiver<SimnetCommand>,
    geyser: Receiver<GeyserEvent>,
) {
    // The chain blocks threads while it executes, so it gets a runtime of its own.
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("localnet-chain")
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return tracing::error!(%error, "cannot start the threads of the embedded chain"),
    };
    let running = start_local_surfnet_runloop(SurfnetSvmLocker::new(svm), config, outbox, inbox, geyser);
    if let Err(error) = runtime.block_on(running) {
        tracing::error!(%error, "the embedded chain failed");
    }
}

/// Handles the events of the chain until it stops.
fn listen(events: &Receiver<SimnetEvent>, ready: oneshot::Sender<std::result::Result<(), String>>, closing: oneshot::Sender<()>) {
    let (mut ready, mut closing) = (Some(ready), Some(closing));
    let mut servers = 2;
    for event in events {
        match event {
            SimnetEvent::CoreStarted(_) => drop(ready.take().map(|ready| ready.send(Ok(())))),
            SimnetEvent::Aborted(reason) => drop(ready.take().map(|ready| ready.send(Err(reason)))),
            // Each of the two servers sends this when its port is free.
            SimnetEvent::Shutdown if servers > 1 => servers -= 1,
            SimnetEvent::Shutdown => drop(closing.take().map(|closing| closing.send(()))),
            SimnetEvent::ErrorLog(_, text) => tracing::warn!(target: "surfpool", "{text}"),
            SimnetEvent::WarnLog(_, text) | SimnetEvent::InfoLog(_, text) => tracing::debug!(target: "surfpool", "{text}"),
            _ => {}
        }
    }
}

/// The port to use for `what`: `wanted` if it is free, any free port for 0. The error names `flag`, which sets the port.
fn port(wanted: u16, what: &str, flag: &str) -> Result<u16> {
    let listener = TcpListener::bind((HOST, wanted)).with_context(|| {
        format!(
            "port {wanted} for {what} is not available, perhaps because of another local chain; stop that one, or choose another with {flag}"
        )
    })?;
    let address = listener.local_addr()?;
    if wanted == 0 {
        // The chain binds its ports only later. A connection that the server closed first leaves the port in TIME_WAIT: until the chain
        // binds it by number, the system gives it to nobody who asks for any free port.
        let guest = TcpStream::connect(address)?;
        drop(listener.accept()?);
        drop(guest);
    }
    Ok(address.port())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_free_port_is_chosen_once_and_can_be_bound() {
        // Of some 28,000 ports, a thousand independent draws would contain repeats.
        let chosen: Vec<u16> = (0..1000).map(|_| port(0, "a test", "--port").unwrap()).collect();
        assert_eq!(chosen.iter().collect::<HashSet<_>>().len(), chosen.len());
        port(chosen[0], "a test", "--port").unwrap();
    }
}
