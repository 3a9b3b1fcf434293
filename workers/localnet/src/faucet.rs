//! A faucet: `POST /faucet` with `{"address": "…"}` gives a wallet 10 SOL and 10,000 $IO.
//!
//! Pages of other origins cannot use it: sending JSON takes a CORS preflight, which is never granted.

use crate::mint;
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State, rejection::JsonRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use chain::{Chain, SendOptions, market};
use serde::Deserialize;
use serde_json::{Value, json};
use solana_address::Address;
use solana_keypair::Keypair;
use solana_signer::Signer;
use solana_system_interface::instruction::transfer;
use spl_token_interface::instruction::mint_to;
use std::{sync::Arc, time::Duration};
use tokio::{runtime::Handle, sync::Mutex, task::spawn_blocking, time::Instant};

/// Lamports per request: 10 SOL.
const LAMPORTS: u64 = 10_000_000_000;
/// Base units of $IO per request: 10,000 $IO.
const IO: u64 = 10_000 * protocol::units::IO;
/// Most requests served in a second.
const A_SECOND: u32 = 4;
/// Longest request in bytes.
const LONGEST: usize = 1_024;

/// Hands out SOL and $IO.
pub(crate) struct Faucet {
    chain: Chain,
    /// Holds the SOL and mints the $IO.
    key: Keypair,
    /// When the current second began, and how many requests came in it.
    asked: Mutex<(Instant, u32)>,
}

impl Faucet {
    pub fn new(chain: Chain, key: Keypair) -> Self {
        Self {
            chain,
            key,
            asked: Mutex::new((Instant::now(), 0)),
        }
    }

    /// Whether this second has room for another request.
    async fn admits(&self) -> bool {
        let mut asked = self.asked.lock().await;
        if asked.0.elapsed() >= Duration::from_secs(1) {
            *asked = (Instant::now(), 0);
        }
        asked.1 = asked.1.saturating_add(1);
        asked.1 <= A_SECOND
    }

    async fn give(&self, to: &Address) -> anyhow::Result<String> {
        let payer = self.key.pubkey();
        let account = market::token_account(to, &mint());
        let instructions = [
            transfer(&payer, to, LAMPORTS),
            market::create_token_account(&payer, to, &mint()),
            mint_to(&spl_token_interface::ID, &mint(), &account, &payer, &[], IO)?,
        ];
        let receipt = self.chain.send(&instructions, &[&self.key], &SendOptions::default()).await?;
        Ok(receipt.signature.to_string())
    }
}

/// Serves the faucet.
pub(crate) fn router(faucet: Faucet) -> Router {
    Router::new()
        .route("/faucet", post(hand_out))
        .layer(DefaultBodyLimit::max(LONGEST))
        .with_state(Arc::new(faucet))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    address: String,
}

async fn hand_out(State(faucet): State<Arc<Faucet>>, wanted: Result<Json<Wanted>, JsonRejection>) -> Result<Json<Value>, Refusal> {
    let Json(Wanted { address }) = wanted.map_err(|error| {
        let sentence = format!("the request is not JSON like {{\"address\": \"…\"}}: {}", error.body_text());
        Refusal(error.status(), sentence)
    })?;
    let to = address.parse().map_err(|_| {
        let sentence = format!("{address:?} is not an address; give a wallet's, 32 bytes in base58");
        Refusal(StatusCode::BAD_REQUEST, sentence)
    })?;
    if !faucet.admits().await {
        let sentence = "the faucet is busy; try again in a second".to_owned();
        return Err(Refusal(StatusCode::TOO_MANY_REQUESTS, sentence));
    }
    // Futures that hold a signer are not `Send`, so this one stays on its thread.
    let runtime = Handle::current();
    let giving = spawn_blocking(move || runtime.block_on(faucet.give(&to)));
    let given = giving.await.map_err(anyhow::Error::from).flatten();
    let signature = given.map_err(|error| {
        let sentence = format!("the faucet could not pay {to}: {error:#}");
        Refusal(StatusCode::BAD_GATEWAY, sentence)
    })?;
    Ok(Json(json!({ "signature": signature, "lamports": LAMPORTS, "io": IO })))
}

/// A refusal: HTTP status and message.
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, sentence) = self;
        let mut response = (status, Json(json!({ "error": sentence }))).into_response();
        if status == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use chain::Cluster;

    #[tokio::test(start_paused = true)]
    async fn requests_beyond_the_limit_are_told_to_retry() {
        let nowhere = Cluster::new("http://127.0.0.1:9", "ws://127.0.0.1:9");
        let faucet = Arc::new(Faucet::new(Chain::connect(&nowhere), Keypair::new()));
        for _ in 0..2 {
            for _ in 0..A_SECOND {
                assert!(faucet.admits().await);
            }
            tokio::time::advance(Duration::from_millis(999)).await;
            assert!(!faucet.admits().await);
            let address = Address::new_unique().to_string();
            let refused = hand_out(State(faucet.clone()), Ok(Json(Wanted { address })))
                .await
                .unwrap_err()
                .into_response();
            assert_eq!(
                (refused.status(), &refused.headers()[header::RETRY_AFTER]),
                (StatusCode::TOO_MANY_REQUESTS, &"1".parse().unwrap())
            );
            tokio::time::advance(Duration::from_millis(1)).await;
        }
    }
}
