//! A real Solana node: JSON-RPC for requests, WebSocket for subscriptions.

mod sender;
mod subscribe;

use self::{
    sender::{Sender, is_too_many},
    subscribe::Socket,
};
use crate::{Cluster, Error, Filter, Landed, Lifetime, Network, Result, Simulation, client::shorter_in_tests};
use async_trait::async_trait;
use futures_util::{FutureExt, future::BoxFuture, stream::BoxStream};
use serde_json::json;
use solana_account::Account;
use solana_account_decoder_client_types::{UiAccount, UiAccountEncoding, UiDataSliceConfig};
use solana_address::Address;
use solana_commitment_config::CommitmentConfig;
use solana_hash::Hash;
use solana_instruction::{AccountMeta, Instruction};
use solana_rpc_client::{nonblocking::rpc_client::RpcClient, rpc_client::RpcClientConfig};
use solana_rpc_client_api::{
    client_error::{Error as ClientError, ErrorKind},
    config::{
        RpcAccountInfoConfig, RpcProgramAccountsConfig, RpcSendTransactionConfig, RpcSignaturesForAddressConfig,
        RpcSimulateTransactionAccountsConfig, RpcSimulateTransactionConfig, RpcTransactionConfig,
    },
    custom_error::JSON_RPC_SERVER_ERROR_MIN_CONTEXT_SLOT_NOT_REACHED as BEHIND,
    filter::{Memcmp, RpcFilterType},
    request::{RpcError, RpcRequest},
    response::{RpcConfirmedTransactionStatusWithSignature, RpcPrioritizationFee},
};
use solana_signature::Signature;
use solana_transaction::versioned::VersionedTransaction;
use solana_transaction_status_client_types::{
    UiInstruction, UiTransactionEncoding, UiTransactionStatusMeta, option_serializer::OptionSerializer,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// The commitment level of all reads.
const COMMITMENT: CommitmentConfig = CommitmentConfig::confirmed();

/// Longest wait for a response.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Longest wait for a response to a request that the node refuses at first because there are too many.
const PATIENCE: Duration = Duration::from_secs(25);

/// Most addresses in one request.
const MAX_ADDRESSES: usize = 100;

/// Accepts transactions of any version: one that the node withheld would block whoever waits for its effects.
const ANY_VERSION: RpcTransactionConfig = RpcTransactionConfig {
    encoding: Some(UiTransactionEncoding::Base64),
    commitment: Some(COMMITMENT),
    max_supported_transaction_version: Some(u8::MAX),
};

/// Attempts to fetch a confirmed transaction's details, and the pause between them, before going on without: nodes index them late.
const DETAILS: (usize, Duration) = (5, Duration::from_millis(200));

/// Blocks for which nodes remember the lowest price paid.
const REMEMBERED: usize = 150;

/// Longest wait for the details of a transaction of which only the outcome matters.
const SOON: Duration = Duration::from_millis(500);

/// Attempts to simulate on a machine that has seen the latest transaction, and the pause between them.
const CATCH_UP: (usize, Duration) = (10, shorter_in_tests(Duration::from_millis(200)));

/// A client of a live node.
pub struct Live {
    shown: String,
    ws: String,
    rpc: RpcClient,
    /// Newest slot in which a transaction has landed: what is simulated next may depend on it.
    newest: AtomicU64,
    /// One connection for all subscriptions, made when first needed and replaced when it breaks.
    pubsub: Mutex<Socket>,
}

impl Live {
    /// A client of `cluster`. Connects when first used.
    pub fn new(cluster: &Cluster) -> Self {
        Self::with_patience(cluster, PATIENCE)
    }

    fn with_patience(cluster: &Cluster, patience: Duration) -> Self {
        let sender = Sender::new(&cluster.rpc, cluster.shown(), TIMEOUT, patience);
        Self {
            shown: cluster.shown(),
            ws: cluster.ws.clone(),
            rpc: RpcClient::new_sender(sender, RpcClientConfig::with_commitment(COMMITMENT)),
            newest: AtomicU64::default(),
            pubsub: Mutex::default(),
        }
    }

    /// Genesis hash of the chain.
    pub async fn genesis(&self) -> Result<Hash> {
        let asked = self.rpc.get_genesis_hash().await;
        asked.map_err(self.failed("return its genesis hash"))
    }

    fn failed(&self, action: &'static str) -> impl FnOnce(ClientError) -> Error {
        let url = self.shown.clone();
        move |error| match *error.kind {
            _ if is_too_many(&error) => Error::Unreachable {
                url,
                reason: "it takes no more requests for now (429); try again later, or use a node with a higher limit".to_owned(),
            },
            ErrorKind::RpcError(RpcError::RpcResponseError { message, .. }) => Error::Refused {
                url,
                action,
                reason: message,
            },
            // The transport's message contains the URL, including any API key.
            ErrorKind::Reqwest(error) => Error::Unreachable {
                url,
                reason: root_cause(&error.without_url()),
            },
            ErrorKind::SerdeJson(_) | ErrorKind::RpcError(RpcError::ParseError(_)) => not_a_node(url),
            ErrorKind::Middleware(error) => Error::Unreachable {
                url,
                reason: root_cause(error.as_ref()),
            },
            other => Error::Refused {
                url,
                action,
                reason: other.to_string(),
            },
        }
    }

    /// Reads accounts: whole, or at most the first `limit` bytes of each account's data.
    async fn read(&self, addresses: &[Address], limit: Option<usize>) -> Result<(u64, Vec<Option<Account>>)> {
        let config = RpcAccountInfoConfig {
            encoding: Some(UiAccountEncoding::Base64Zstd),
            data_slice: limit.map(|length| UiDataSliceConfig { offset: 0, length }),
            ..account_config()
        };
        let (mut slot, mut accounts) = (u64::MAX, Vec::with_capacity(addresses.len()));
        for part in addresses.chunks(MAX_ADDRESSES) {
            let answer = self.rpc.get_multiple_ui_accounts_with_config(part, config.clone()).await;
            let answer = answer.map_err(self.failed("read accounts"))?;
            slot = slot.min(answer.context.slot);
            for account in answer.value {
                let readable = |account: UiAccount| account.to_account().ok_or_else(|| not_a_node(self.shown.clone()));
                accounts.push(account.map(readable).transpose()?);
            }
        }
        Ok((slot, accounts))
    }

    /// A transaction in a confirmed block, without its details.
    async fn status(&self, signature: &Signature) -> Result<Option<Landed>> {
        let answer = self.rpc.get_signature_statuses_with_history(&[*signature]).await;
        let statuses = answer.map_err(self.failed("look up a transaction"))?.value;
        let status = statuses.into_iter().next().flatten();
        let Some(status) = status.filter(|status| status.satisfies_commitment(COMMITMENT)) else {
            return Ok(None);
        };
        self.newest.fetch_max(status.slot, Ordering::Relaxed);
        Ok(Some(Landed {
            slot: status.slot,
            error: status.err,
            ..Landed::default()
        }))
    }

    /// Adds the details of a transaction, if the node has them. Fails if it does not answer, which says nothing about that.
    async fn add_details(&self, signature: &Signature, landed: &mut Landed) -> Result<()> {
        let (tries, pause) = DETAILS;
        for _ in 0..tries {
            let meta = match self.rpc.get_transaction_with_config(signature, ANY_VERSION).await {
                Ok(found) => {
                    landed.time = found.block_time;
                    found.transaction.meta
                }
                Err(error) if is_too_many(&error) || matches!(*error.kind, ErrorKind::Reqwest(_)) => {
                    return Err(self.failed("return a transaction")(error));
                }
                Err(_) => None,
            };
            if let Some(meta) = meta {
                landed.fee = meta.fee;
                if let OptionSerializer::Some(units) = meta.compute_units_consumed {
                    landed.compute_units = units;
                }
                landed.logs = meta.log_messages.into();
                break;
            }
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }
}

fn not_a_node(url: String) -> Error {
    Error::Unreachable {
        url,
        reason: "its response is not that of a Solana node".to_owned(),
    }
}

/// Every instruction of a transaction, each followed by those it called.
fn all_instructions(transaction: &VersionedTransaction, meta: &UiTransactionStatusMeta) -> Vec<Instruction> {
    let loaded = match &meta.loaded_addresses {
        OptionSerializer::Some(loaded) => loaded
            .writable
            .iter()
            .chain(&loaded.readonly)
            .filter_map(|address| address.parse().ok())
            .collect(),
        _ => Vec::new(),
    };
    let keys: Vec<Address> = transaction.message.static_account_keys().iter().copied().chain(loaded).collect();
    let key = |index: &u8| keys.get(usize::from(*index)).copied().unwrap_or_default();
    let instruction = |program: &u8, accounts: &[u8], data: Vec<u8>| Instruction {
        program_id: key(program),
        accounts: accounts.iter().map(|index| AccountMeta::new_readonly(key(index), false)).collect(),
        data,
    };
    let called = match &meta.inner_instructions {
        OptionSerializer::Some(called) => called.as_slice(),
        _ => &[],
    };
    let mut all = Vec::new();
    for (index, outer) in transaction.message.instructions().iter().enumerate() {
        all.push(instruction(&outer.program_id_index, &outer.accounts, outer.data.clone()));
        for inner in called
            .iter()
            .filter(|called| usize::from(called.index) == index)
            .flat_map(|called| &called.instructions)
        {
            if let UiInstruction::Compiled(inner) = inner
                && let Ok(data) = bs58::decode(&inner.data).into_vec()
            {
                all.push(instruction(&inner.program_id_index, &inner.accounts, data));
            }
        }
    }
    all
}

/// Whether the machine that answered has not reached the requested slot.
fn is_behind(error: &ClientError) -> bool {
    matches!(*error.kind, ErrorKind::RpcError(RpcError::RpcResponseError { code, .. }) if code == BEHIND)
}

/// The root cause of an error, which says most.
fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .last()
        .unwrap_or(error)
        .to_string()
}

fn account_config() -> RpcAccountInfoConfig {
    RpcAccountInfoConfig {
        encoding: Some(UiAccountEncoding::Base64),
        commitment: Some(COMMITMENT),
        ..RpcAccountInfoConfig::default()
    }
}

fn program_config(filters: &[Filter]) -> RpcProgramAccountsConfig {
    let filters = filters.iter().map(|filter| match filter {
        Filter::Size(size) => RpcFilterType::DataSize(*size),
        Filter::Bytes(offset, bytes) => RpcFilterType::Memcmp(Memcmp::new_base58_encoded(*offset, bytes)),
    });
    RpcProgramAccountsConfig {
        filters: Some(filters.collect()),
        account_config: account_config(),
        ..RpcProgramAccountsConfig::default()
    }
}

#[async_trait]
impl Network for Live {
    fn url(&self) -> &str {
        &self.shown
    }

    async fn lifetime(&self) -> Result<Lifetime> {
        let answer = self.rpc.get_latest_blockhash_with_commitment(COMMITMENT).await;
        let (blockhash, last_valid_block_height) = answer.map_err(self.failed("return a blockhash"))?;
        Ok(Lifetime {
            blockhash,
            last_valid_block_height,
        })
    }

    async fn block_height(&self) -> Result<u64> {
        self.rpc
            .get_block_height_with_commitment(COMMITMENT)
            .await
            .map_err(self.failed("return its block height"))
    }

    async fn simulate(&self, transaction: &VersionedTransaction, watched: &[Address]) -> Result<Simulation> {
        let accounts = RpcSimulateTransactionAccountsConfig {
            encoding: Some(UiAccountEncoding::Base64),
            addresses: watched.iter().map(Address::to_string).collect(),
        };
        let mut config = RpcSimulateTransactionConfig {
            sig_verify: false,
            replace_recent_blockhash: true,
            commitment: Some(COMMITMENT),
            encoding: Some(UiTransactionEncoding::Base64),
            accounts: (!watched.is_empty()).then_some(accounts),
            min_context_slot: Some(self.newest.load(Ordering::Relaxed)),
            ..RpcSimulateTransactionConfig::default()
        };
        let (mut tries, pause) = CATCH_UP;
        let answer = loop {
            let answer = self.rpc.simulate_transaction_with_config(transaction, config.clone()).await;
            let Some(least) = config.min_context_slot.filter(|_| answer.as_ref().is_err_and(is_behind)) else {
                break answer;
            };
            tokio::time::sleep(pause).await;
            tries = tries.saturating_sub(1);
            if tries == 0 {
                // The chain may have been reset, unless a transaction has landed meanwhile.
                let _ = self.newest.compare_exchange(least, 0, Ordering::Relaxed, Ordering::Relaxed);
                config.min_context_slot = None;
            }
        };
        let result = answer.map_err(self.failed("simulate a transaction"))?.value;
        Ok(Simulation {
            error: result.err.map(Into::into),
            logs: result.logs.unwrap_or_default(),
            compute_units: result.units_consumed.unwrap_or_default(),
            accounts: result
                .accounts
                .unwrap_or_default()
                .into_iter()
                .map(|account| account?.to_account())
                .collect(),
        })
    }

    async fn recent_fees(&self, written: &[Address]) -> Result<Vec<u64>> {
        let answer = self.rpc.get_recent_prioritization_fees(written).await;
        let fees = answer.map_err(self.failed("return recent fees"))?;
        let mut lowest = BTreeMap::new();
        for RpcPrioritizationFee { slot, prioritization_fee } in fees {
            let paid = lowest.entry(slot).or_insert(prioritization_fee);
            *paid = prioritization_fee.min(*paid);
        }
        // A cluster's node lists every block, a local one the transactions that offered something: elsewhere nothing had to be paid. One's
        // own last offer would otherwise look like the going price.
        let mut paid: Vec<u64> = lowest.into_values().collect();
        paid.resize(REMEMBERED.max(paid.len()), 0);
        Ok(paid)
    }

    async fn send(&self, transaction: &VersionedTransaction) -> Result<()> {
        // The caller has simulated it and will send it again.
        let config = RpcSendTransactionConfig {
            skip_preflight: true,
            max_retries: Some(0),
            ..RpcSendTransactionConfig::default()
        };
        let answer = self.rpc.send_transaction_with_config(transaction, config).await;
        answer.map(drop).map_err(self.failed("accept a transaction"))
    }

    async fn landed(&self, signature: &Signature) -> Result<Option<Landed>> {
        let Some(mut landed) = self.status(signature).await? else {
            return Ok(None);
        };
        self.add_details(signature, &mut landed).await?;
        if landed.logs.is_none() {
            tracing::warn!(%signature, "the node does not have the details of a transaction; its log is unknown");
        }
        Ok(Some(landed))
    }

    async fn outcome(&self, signature: &Signature) -> Result<Option<Landed>> {
        let Some(mut landed) = self.status(signature).await? else {
            return Ok(None);
        };
        // The next step waits for a success, while a failure needs its log to be explained.
        let patience = if landed.error.is_none() { SOON } else { SOON.saturating_mul(4) };
        if let Err(_) | Ok(Err(_)) = timeout(patience, self.add_details(signature, &mut landed)).await {
            tracing::debug!(%signature, "going on without the details of a transaction");
        }
        Ok(Some(landed))
    }

    async fn processed(&self, signature: &Signature) -> Result<bool> {
        let answer = self.rpc.get_signature_statuses(&[*signature]).await;
        let statuses = answer.map_err(self.failed("look up a transaction"))?.value;
        Ok(statuses.into_iter().flatten().any(|status| status.err.is_none()))
    }

    async fn instructions(&self, signature: &Signature) -> Result<Option<Vec<Instruction>>> {
        let answer = self.rpc.get_transaction_with_config(signature, ANY_VERSION).await;
        let found = answer.map_err(self.failed("return a transaction"))?.transaction;
        let (Some(transaction), Some(meta)) = (found.transaction.decode(), found.meta) else {
            return Ok(None);
        };
        Ok(meta.err.is_none().then(|| all_instructions(&transaction, &meta)))
    }

    async fn history(&self, address: &Address, before: Option<&Signature>, slot: u64) -> Result<Vec<(u64, Signature)>> {
        let (mut before, mut least) = (before.copied(), slot);
        loop {
            let config = RpcSignaturesForAddressConfig {
                before: before.map(|signature| signature.to_string()),
                commitment: Some(COMMITMENT),
                min_context_slot: (slot > 0).then_some(least),
                ..RpcSignaturesForAddressConfig::default()
            };
            // The client's own method does not take a minimum slot.
            let params = json!([address.to_string(), config]);
            let answer = self.rpc.send(RpcRequest::GetSignaturesForAddress, params).await;
            let found: Vec<RpcConfirmedTransactionStatusWithSignature> = answer.map_err(|error| match is_behind(&error) {
                true => Error::Behind {
                    url: self.shown.clone(),
                    slot: least,
                },
                false => self.failed("list the transactions of an account")(error),
            })?;
            let Some(last) = found.last() else { return Ok(Vec::new()) };
            before = last.signature.parse().ok();
            // A machine that does not know this transaction would list none before it.
            least = least.max(last.slot);
            // Anybody can name the account in thousands of failing transactions.
            let effective = found.iter().filter(|entry| entry.err.is_none());
            let effective: Vec<_> = effective
                .filter_map(|entry| Some((entry.slot, entry.signature.parse().ok()?)))
                .collect();
            if !effective.is_empty() || before.is_none() {
                return Ok(effective);
            }
        }
    }

    async fn signature_seen(&self, signature: &Signature) -> Result<BoxFuture<'static, bool>> {
        Ok(self.reached(signature, COMMITMENT).await?.map(|failed| failed.is_some()).boxed())
    }

    async fn signature_processed(&self, signature: &Signature) -> Result<BoxFuture<'static, bool>> {
        let reached = self.reached(signature, CommitmentConfig::processed()).await?;
        Ok(reached.map(|failed| failed == Some(false)).boxed())
    }

    async fn accounts(&self, addresses: &[Address]) -> Result<(u64, Vec<Option<Account>>)> {
        self.read(addresses, None).await
    }

    async fn account_prefixes(&self, addresses: &[Address], limit: usize) -> Result<(u64, Vec<Option<Account>>)> {
        self.read(addresses, Some(limit)).await
    }

    async fn program_accounts(&self, program: &Address, filters: &[Filter]) -> Result<Vec<(Address, Account)>> {
        let answer = self.rpc.get_program_ui_accounts_with_config(program, program_config(filters)).await;
        let accounts = answer.map_err(self.failed("list accounts"))?;
        Ok(accounts
            .into_iter()
            .filter_map(|(address, account)| Some((address, account.to_account()?)))
            .collect())
    }

    async fn account_changes(&self, address: &Address) -> Result<BoxStream<'static, (u64, Account)>> {
        let address = *address;
        self.forward(
            16,
            move |client| Box::pin(async move { client.account_subscribe(&address, Some(account_config())).await }),
            |change| Some((change.context.slot, change.value.to_account()?)),
        )
        .await
    }

    async fn program_changes(&self, program: &Address, filters: &[Filter]) -> Result<BoxStream<'static, (Address, Account)>> {
        let (program, config) = (*program, program_config(filters));
        self.forward(
            64,
            move |client| {
                let config = config.clone();
                Box::pin(async move { client.program_subscribe(&program, Some(config)).await })
            },
            |change| Some((change.value.pubkey.parse().ok()?, change.value.account.to_account()?)),
        )
        .await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::{Chain, past, subscriptions::tests::Lines};
    use axum::{
        Json, Router,
        http::{StatusCode, header::RETRY_AFTER},
        response::IntoResponse,
        routing::post,
    };
    use futures_util::TryStreamExt;
    use serde_json::Value;
    use std::{
        net::Ipv4Addr,
        sync::{Arc, atomic::AtomicUsize},
    };

    fn signature(number: u8) -> Signature {
        Signature::from([number; 64])
    }

    /// A node that lists the transactions 1, 2, 3… of an account, newest first, in pages of two. `succeeded` says which ones did.
    async fn node(succeeded: &'static [bool]) -> Live {
        let answer = async move |Json(question): Json<Value>| {
            assert_eq!(question["method"], "getSignaturesForAddress");
            let before = &question["params"][1]["before"];
            let first = (1..=succeeded.len())
                .find(|number| *before == signature(*number as u8).to_string())
                .unwrap_or(0);
            let page = succeeded.iter().enumerate().skip(first).take(2).map(|(index, succeeded)| {
                let error = if *succeeded { Value::Null } else { json!("AccountInUse") };
                json!({ "signature": signature(index as u8 + 1).to_string(), "slot": 9, "err": error, "memo": null, "blockTime": null })
            });
            Json(json!({ "jsonrpc": "2.0", "id": question["id"], "result": page.collect::<Vec<_>>() }))
        };
        live(Router::new().route("/", post(answer))).await
    }

    /// Serves `router`.
    async fn served(router: Router) -> Cluster {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let cluster = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        cluster
    }

    /// Serves `router` and returns a client of it.
    async fn live(router: Router) -> Live {
        Live::new(&served(router).await)
    }

    /// A node that asks every caller to wait a minute.
    #[tokio::test]
    async fn a_node_that_takes_no_more_requests_ends_them_in_time_and_is_reported_once() {
        let lines = Arc::<AtomicUsize>::default();
        let _heard = tracing::subscriber::set_default(Lines(lines.clone()));
        let asked = Arc::<AtomicUsize>::default();
        let heard = asked.clone();
        let refuse = async move || {
            heard.fetch_add(1, Ordering::Relaxed);
            (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "60")])
        };
        let cluster = served(Router::new().route("/", post(refuse))).await;
        let live = Live::with_patience(&cluster, Duration::from_millis(100));
        for _ in 0..2 {
            let refusal = live.block_height().await.unwrap_err();
            assert!(
                matches!(&refusal, Error::Unreachable { reason, .. } if reason.contains("429")),
                "{refusal}"
            );
        }
        assert!(asked.load(Ordering::Relaxed) <= 2, "not tried again in between");
        assert_eq!(lines.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_transaction_in_a_block_has_succeeded_before_any_votes() {
        let statuses = [
            (Value::Null, false),
            (
                json!({ "slot": 9, "confirmations": 0, "err": null, "status": { "Ok": null }, "confirmationStatus": "processed" }),
                true,
            ),
            (
                json!({ "slot": 9, "confirmations": 0, "err": "AccountInUse", "status": { "Err": "AccountInUse" } }),
                false,
            ),
        ];
        for (status, succeeded) in statuses {
            let answer = async move |Json(question): Json<Value>| {
                let result = json!({ "context": { "slot": 9 }, "value": [status] });
                Json(json!({ "jsonrpc": "2.0", "id": question["id"], "result": result }))
            };
            let live = live(Router::new().route("/", post(answer))).await;
            assert_eq!(live.processed(&signature(1)).await.unwrap(), succeeded);
        }
    }

    #[tokio::test]
    async fn failed_transactions_neither_fill_nor_end_a_history() {
        let address = Address::default();
        let live = node(&[false, false, false, true, true, false, true]).await;
        let pages: Vec<_> = past(&live, &address).try_collect().await.unwrap();
        assert_eq!(pages, [4, 5, 7].map(|number| vec![(9, signature(number))]));
        assert_eq!(node(&[false; 5]).await.history(&address, None, 0).await.unwrap(), []);
    }

    /// A node of two machines: the first lists a failure in slot 12; the second, which is asked for more, has only reached slot 9.
    #[tokio::test]
    async fn a_machine_that_lags_lists_nothing() {
        let answer = async move |Json(question): Json<Value>| {
            let asked = &question["params"][1];
            let failure =
                json!({ "signature": signature(1).to_string(), "slot": 12, "err": "AccountInUse", "memo": null, "blockTime": null });
            let answer = match asked["before"].is_string() {
                false => ("result", json!([failure])),
                true if asked["minContextSlot"].as_u64() > Some(9) => ("error", json!({ "code": -32_016, "message": "not reached" })),
                true => ("result", json!([])),
            };
            Json(json!({ "jsonrpc": "2.0", "id": question["id"], answer.0: answer.1 }))
        };
        let live = live(Router::new().route("/", post(answer))).await;
        let refusal = live.history(&Address::default(), None, 8).await.unwrap_err();
        assert!(matches!(refusal, Error::Behind { slot: 12, .. }), "{refusal}");
        // Without a minimum slot, any machine may answer.
        assert_eq!(live.history(&Address::default(), None, 0).await.unwrap(), []);
    }

    /// A node that knows what became of a transaction and takes no requests for its details.
    #[tokio::test]
    async fn an_outcome_does_not_wait_for_details() {
        let asked = Arc::<AtomicUsize>::default();
        let heard = asked.clone();
        let answer = async move |Json(question): Json<Value>| match question["method"].as_str().unwrap() {
            "getSignatureStatuses" => Json(json!({ "jsonrpc": "2.0", "id": question["id"], "result": succeeded() })).into_response(),
            _ => {
                heard.fetch_add(1, Ordering::Relaxed);
                (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "60")]).into_response()
            }
        };
        let cluster = served(Router::new().route("/", post(answer))).await;
        let live = Live::with_patience(&cluster, Duration::from_millis(100));
        let landed = live.outcome(&signature(1)).await.unwrap().unwrap();
        assert_eq!((landed.slot, landed.error, landed.logs), (9, None, None));
        assert_eq!(asked.load(Ordering::Relaxed), 1, "not tried again");
        // Whoever needs the details learns why they are missing.
        let refusal = live.landed(&signature(1)).await.unwrap_err();
        assert!(
            matches!(&refusal, Error::Unreachable { reason, .. } if reason.contains("429")),
            "{refusal}"
        );
    }

    /// A local node lists transactions, not blocks, and only those that offered a price.
    #[tokio::test]
    async fn blocks_that_are_not_listed_cost_nothing() {
        let listed = [(7, 90), (7, 30), (8, 50)].map(|(slot, price)| json!({ "slot": slot, "prioritizationFee": price }));
        let answer = async move |Json(question): Json<Value>| Json(json!({ "jsonrpc": "2.0", "id": question["id"], "result": listed }));
        let cluster = served(Router::new().route("/", post(answer))).await;
        let paid = Live::with_patience(&cluster, Duration::from_secs(9))
            .recent_fees(&[])
            .await
            .unwrap();
        assert_eq!(paid[..2], [30, 50]);
        assert_eq!(paid[2..], [0; REMEMBERED - 2]);
    }

    /// The status of a transaction that has succeeded in slot 9.
    fn succeeded() -> Value {
        let status = json!({ "slot": 9, "confirmations": null, "err": null, "status": { "Ok": null } });
        json!({ "context": { "slot": 9 }, "value": [status] })
    }

    /// Its details, with this log.
    fn details(log: Value) -> Value {
        json!({
            "slot": 9, "version": 2, "blockTime": 7, "transaction": ["AA==", "base64"],
            "meta": {
                "err": null, "status": { "Ok": null }, "fee": 5_000, "preBalances": [], "postBalances": [],
                "innerInstructions": [], "logMessages": log,
            },
        })
    }

    /// A node of two machines: a transaction has landed in slot 9 of one, and the other, which is asked to simulate, catches up or never does.
    #[tokio::test]
    async fn a_simulation_waits_for_a_machine_that_has_seen_the_latest_transaction() {
        for catches_up in [true, false] {
            let asked = Arc::<Mutex<Vec<Option<u64>>>>::default();
            let heard = asked.clone();
            let answer = async move |Json(question): Json<Value>| {
                let answer = match question["method"].as_str().unwrap() {
                    "getSignatureStatuses" => ("result", succeeded()),
                    "getTransaction" => ("result", details(json!([]))),
                    _ => {
                        let least = question["params"][1]["minContextSlot"].as_u64();
                        let mut heard = heard.lock().await;
                        heard.push(least);
                        match least {
                            Some(9) if !catches_up || heard.len() < 4 => ("error", json!({ "code": -32_016, "message": "not reached" })),
                            _ => {
                                let effect = json!({ "err": null, "logs": [], "unitsConsumed": 5 });
                                ("result", json!({ "context": { "slot": 9 }, "value": effect }))
                            }
                        }
                    }
                };
                Json(json!({ "jsonrpc": "2.0", "id": question["id"], answer.0: answer.1 }))
            };
            let live = live(Router::new().route("/", post(answer))).await;
            let transaction = VersionedTransaction::default();
            live.landed(&signature(1)).await.unwrap().unwrap();
            assert_eq!(live.simulate(&transaction, &[]).await.unwrap().compute_units, 5);
            let wanted = match catches_up {
                true => vec![Some(9); 4],
                false => [vec![Some(9); CATCH_UP.0], vec![None]].concat(),
            };
            assert_eq!(*asked.lock().await, wanted);
        }
    }

    /// A node that never reaches any slot ends no wait, and a slot seen during it is kept.
    #[tokio::test]
    async fn a_simulation_ends_even_if_every_machine_is_behind() {
        let asked = Arc::<AtomicU64>::default();
        let heard = asked.clone();
        let answer = async move |Json(question): Json<Value>| {
            heard.fetch_add(1, Ordering::Relaxed);
            Json(json!({ "jsonrpc": "2.0", "id": question["id"], "error": { "code": -32_016, "message": "not reached" } }))
        };
        let live = live(Router::new().route("/", post(answer))).await;
        live.newest.store(9, Ordering::Relaxed);
        let landing = async {
            while asked.load(Ordering::Relaxed) == 0 {
                tokio::task::yield_now().await;
            }
            live.newest.store(12, Ordering::Relaxed);
        };
        let transaction = VersionedTransaction::default();
        let (refusal, ()) = tokio::join!(live.simulate(&transaction, &[]), landing);
        assert!(matches!(refusal, Err(Error::Refused { .. })), "{refusal:?}");
        assert_eq!(asked.load(Ordering::Relaxed), 1 + CATCH_UP.0 as u64);
        assert_eq!(live.newest.load(Ordering::Relaxed), 12);
    }

    /// A node that returns this data for every account. Records the requested lengths, `None` for whole accounts.
    async fn node_with(data: &'static str) -> (Live, Arc<Mutex<Vec<Option<u64>>>>) {
        let lengths = Arc::<Mutex<Vec<_>>>::default();
        let asked = lengths.clone();
        let answer = async move |Json(question): Json<Value>| {
            asked.lock().await.push(question["params"][1]["dataSlice"]["length"].as_u64());
            let account = json!({
                "lamports": 1, "data": [data, "base64"], "owner": jobs::ID.to_string(),
                "executable": false, "rentEpoch": 0, "space": 3,
            });
            let result = json!({ "context": { "slot": 9 }, "value": [account] });
            Json(json!({ "jsonrpc": "2.0", "id": question["id"], "result": result }))
        };
        (live(Router::new().route("/", post(answer))).await, lengths)
    }

    #[tokio::test]
    async fn only_the_needed_part_of_an_account_is_requested() {
        let (live, lengths) = node_with("AQID").await;
        let (chain, address) = (Chain::new(Arc::new(live)), Address::default());
        assert_eq!(chain.account(&address).await.unwrap().unwrap().data, [1, 2, 3]);
        chain.account_prefix(&address, 2).await.unwrap();
        assert!(chain.exists(&address).await.unwrap());
        assert!(chain.fetch::<jobs::Config>(&address).await.is_err());
        let config = 8 + size_of::<jobs::Config>() as u64;
        assert_eq!(*lengths.lock().await, [None, Some(2), Some(1), Some(config)]);
    }

    #[tokio::test]
    async fn undecodable_data_is_an_error() {
        let (live, _) = node_with("?").await;
        let refusal = live.accounts(&[Address::default()]).await.unwrap_err();
        assert!(matches!(refusal, Error::Unreachable { .. }), "{refusal}");
    }

    /// A transaction of a future version, whose log the node has kept or not.
    #[tokio::test]
    async fn an_empty_log_differs_from_a_missing_one() {
        for logs in [json!([]), Value::Null] {
            let has = logs.is_array();
            let answer = async move |Json(question): Json<Value>| {
                let result = match question["method"].as_str().unwrap() {
                    "getSignatureStatuses" => succeeded(),
                    _ if question["params"][1]["maxSupportedTransactionVersion"].as_u64() < Some(2) => Value::Null,
                    _ => details(logs),
                };
                Json(json!({ "jsonrpc": "2.0", "id": question["id"], "result": result }))
            };
            let live = live(Router::new().route("/", post(answer))).await;
            let landed = live.landed(&signature(1)).await.unwrap().unwrap();
            assert_eq!((landed.time, landed.fee, landed.logs), (Some(7), 5_000, has.then(Vec::new)));
        }
    }
}
