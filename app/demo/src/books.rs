//! The books: where every base unit is, and what each transaction cost.

use anyhow::{Context, Result, ensure};
use chain::Chain;
use chain::market::{self, job, reward, stake};
use serde::Serialize;
use solana_address::Address;
use solana_commitment_config::CommitmentConfig;
use solana_rpc_client::nonblocking::rpc_client::RpcClient;
use solana_rpc_client_api::config::RpcTransactionConfig;
use solana_signature::Signature;
use solana_transaction_status_client_types::option_serializer::OptionSerializer;
use solana_transaction_status_client_types::{UiTransactionEncoding, UiTransactionStatusMeta};
use std::collections::BTreeMap;
use std::str::FromStr;

/// A party with a wallet.
#[derive(Clone, Debug)]
pub struct Party {
    /// Its name.
    pub name: &'static str,
    /// The wallet.
    pub wallet: Address,
}

/// Where every $IO base unit is.
#[derive(Debug, Serialize)]
pub struct Balances {
    /// Base units by place.
    pub places: BTreeMap<String, u64>,
    /// The supply of the mint, which equals the sum over the places.
    pub supply: u64,
}

/// Reads where every $IO base unit is: wallets, the consumer's escrow, the device's stake, the vault of rewards.
pub async fn balances(chain: &Chain, parties: &[Party], mint: &Address, escrow: &Address, device: &Address) -> Result<Balances> {
    let mut places = BTreeMap::new();
    for party in parties {
        let amount = token_amount(chain, &market::token_account(&party.wallet, mint)).await?;
        places.insert(format!("{}'s wallet", party.name), amount);
    }
    let vaulted = token_amount(chain, &job::vault(escrow)).await?;
    let held: Option<jobs::Escrow> = chain.try_fetch(escrow).await?;
    let [free, locked, fees] = held.map_or([0; 3], |held| [held.free.get(), held.locked.get(), held.fees.get()]);
    ensure!(
        vaulted == free + locked + fees,
        "the escrow's vault holds {vaulted}, but its account says {}",
        free + locked + fees
    );
    places.insert("consumer's escrow: free".into(), free);
    places.insert("consumer's escrow: locked".into(), locked);
    places.insert("fees, to treasury and burn".into(), fees);
    places.insert("supplier's stake".into(), token_amount(chain, &stake::vault(device)).await?);
    places.insert("rewards to come".into(), token_amount(chain, &reward::vault()).await?);
    let mint = chain.account(mint).await?.context("the mint does not exist")?;
    let supply = amount_at(&mint.data, 36)?;
    let sum: u64 = places.values().sum();
    ensure!(sum == supply, "{sum} base units were found, but {supply} were issued");
    Ok(Balances { places, supply })
}

/// A little-endian amount within a token program's account.
fn amount_at(data: &[u8], offset: usize) -> Result<u64> {
    let bytes = data
        .get(offset..offset + 8)
        .and_then(|bytes| bytes.try_into().ok())
        .context("a token program's account is too short")?;
    Ok(u64::from_le_bytes(bytes))
}

/// Amount in a token account; 0 if it does not exist.
async fn token_amount(chain: &Chain, address: &Address) -> Result<u64> {
    let account = chain.account(address).await?;
    account.map_or(Ok(0), |account| amount_at(&account.data, 64))
}

/// One transaction of the demo.
#[derive(Debug, Serialize)]
pub struct Transaction {
    /// Names of its instructions, as the programs log them.
    pub instructions: Vec<String>,
    /// Its signature.
    pub signature: String,
    /// Slot of its block.
    pub slot: u64,
    /// Compute units it used.
    pub compute_units: u64,
    /// Lamports of its fee.
    pub fee: u64,
    /// By how much the fee payer's lamports changed: fee, rent paid and returned, bounty earned.
    pub lamports: i64,
}

/// Every transaction that touched the market since it was deployed, oldest first.
pub async fn transactions(rpc: &RpcClient) -> Result<Vec<Transaction>> {
    let mut seen = BTreeMap::new();
    for program in [staking::ID, costaking::ID, governance::ID, jobs::ID, referee::ID] {
        for status in rpc
            .get_signatures_for_address(&program)
            .await
            .context("the chain keeps no history")?
        {
            seen.insert(status.signature, status.slot);
        }
    }
    let mut transactions = Vec::new();
    for (signature, slot) in seen {
        let config = RpcTransactionConfig {
            encoding: Some(UiTransactionEncoding::Base64),
            commitment: Some(CommitmentConfig::confirmed()),
            max_supported_transaction_version: Some(0),
        };
        let found = rpc.get_transaction_with_config(&Signature::from_str(&signature)?, config).await?;
        let meta = found.transaction.meta.context("a transaction has no record of its effects")?;
        ensure!(meta.err.is_none(), "transaction {signature} failed");
        let change = |balances: &[u64]| balances.first().copied().unwrap_or(0);
        transactions.push(Transaction {
            slot,
            instructions: instruction_names(&meta),
            compute_units: Option::from(meta.compute_units_consumed.clone()).unwrap_or(0),
            fee: meta.fee,
            lamports: change(&meta.post_balances) as i64 - change(&meta.pre_balances) as i64,
            signature,
        });
    }
    transactions.sort_by_key(|transaction| transaction.slot);
    Ok(transactions)
}

/// Anchor logs the name of each instruction it runs.
fn instruction_names(meta: &UiTransactionStatusMeta) -> Vec<String> {
    let OptionSerializer::Some(logs) = &meta.log_messages else {
        return Vec::new();
    };
    logs.iter()
        .filter_map(|line| line.strip_prefix("Program log: Instruction: ").map(str::to_owned))
        .collect()
}
