//! Simulates and signs transactions.

use super::{Chain, Failure, NotConfirmed};
use crate::{
    Error, Lifetime, PriorityFee, Result, Simulation,
    fee::{affordable, lamports, written},
    program_error::explain,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use solana_account::Account;
use solana_address::Address;
use solana_compute_budget_interface::ComputeBudgetInstruction;
use solana_hash::Hash;
use solana_instruction::Instruction;
use solana_message::{VersionedMessage, v0};
use solana_signature::Signature;
use solana_signer::Signer;
use solana_transaction::versioned::VersionedTransaction;
use std::time::Duration;

/// Most compute units a transaction may request.
pub(super) const MAX_COMPUTE_UNITS: u32 = 1_400_000;

/// Largest size of a transaction in bytes: what fits one IPv6 packet.
const MAX_TRANSACTION: usize = 1232;

/// Options for sending a transaction.
#[derive(Clone, Copy, Debug)]
pub struct SendOptions {
    /// Compute units to request; `None` requests what the simulation used plus a fifth.
    pub compute_units: Option<u32>,
    /// Bounds of the priority fee, paid on top of the base fee.
    pub priority_fee: PriorityFee,
    /// Most lamports to pay in fees, besides the base fee and the minimum of `priority_fee`, which are paid in any case. If the price that
    /// others pay takes more, nothing is prepared.
    pub max_fee: Option<u64>,
    /// Longest wait for the outcome; a transaction expires after about a minute anyway.
    pub timeout: Duration,
}

impl Default for SendOptions {
    fn default() -> Self {
        Self {
            compute_units: None,
            priority_fee: PriorityFee::default(),
            max_fee: None,
            timeout: Duration::from_secs(120),
        }
    }
}

impl SendOptions {
    /// These options for what has to land within so many seconds: the last attempt offers the highest price.
    pub fn within(self, seconds: i64) -> Self {
        Self {
            priority_fee: self.priority_fee.within(seconds),
            ..self
        }
    }
}

/// A signed transaction that passed simulation. Its signature is known before it is sent, so that it can be recorded first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// Last block height at which it can land.
    pub last_valid_block_height: u64,
    /// Whether it bids less than was due because of [`SendOptions::max_fee`].
    #[serde(skip)]
    pub(super) capped: bool,
    /// Lamports that it pays in fees once it is in a block.
    #[serde(default)]
    pub(super) fee: u64,
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub(super) transaction: VersionedTransaction,
    pub(super) signature: Signature,
}

impl Prepared {
    /// The signature that identifies the transaction on chain.
    pub fn signature(&self) -> Signature {
        self.signature
    }

    /// Number of instructions, including those of the compute budget.
    #[cfg(any(test, feature = "fake"))]
    pub(crate) fn instructions(&self) -> usize {
        self.transaction.message.instructions().len()
    }
}

/// What goes into a transaction besides its instructions.
#[derive(Clone, Copy)]
pub(super) struct SigningParams {
    payer: Address,
    pub units: u32,
    price: u64,
    /// Whether the price is lower because of [`SendOptions::max_fee`].
    capped: bool,
    pub lifetime: Lifetime,
}

/// The simulated effect of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// Compute units it would use.
    pub compute_units: u64,
    /// Lamports it would pay in fees.
    pub fee: u64,
    /// The watched accounts as they are now, in the order given.
    pub before: Vec<Option<Account>>,
    /// The watched accounts as they would be afterwards.
    pub after: Vec<Option<Account>>,
}

impl Chain {
    /// Options for what has to land by a unix time of the chain; see [`SendOptions::within`]. If the node does not tell the time, as if none
    /// were left.
    pub async fn by(&self, deadline: i64, options: &SendOptions) -> SendOptions {
        let left = self.now().await.map_or(0, |now| deadline.saturating_sub(now.unix));
        options.within(left)
    }

    /// Signs a transaction and simulates it. The first signer pays.
    ///
    /// A transaction that would fail is returned as [`Error::Transaction`], and one that would cost too much as [`Error::TooDear`]: nothing
    /// was sent and nothing paid.
    pub async fn prepare(&self, instructions: &[Instruction], signers: &[&dyn Signer], options: &SendOptions) -> Result<Prepared> {
        let params = self.signing_params(instructions, signers, options).await?;
        self.sign(instructions, signers, &params)
    }

    /// Simulates a transaction to find out what goes into it besides its instructions.
    pub(super) async fn signing_params(
        &self,
        instructions: &[Instruction],
        signers: &[&dyn Signer],
        options: &SendOptions,
    ) -> Result<SigningParams> {
        let Some(payer) = signers.first() else {
            return Err(Error::Signing("it has no signer to pay for it".to_owned()));
        };
        let payer = payer.pubkey();
        let (simulation, paid, lifetime) = tokio::try_join!(
            self.simulate(&payer, instructions, &[], options),
            self.recently_paid(&payer, instructions, options),
            self.network.lifetime()
        )?;
        let (units, price, capped) = self.bid(&simulation, &paid, signers.len(), options)?;
        Ok(SigningParams {
            payer,
            units,
            price,
            capped,
            lifetime,
        })
    }

    /// Simulates what a transaction would do to the `watched` accounts and what it would cost. Takes no signatures.
    ///
    /// A transaction that would fail is returned as [`Error::Transaction`].
    pub async fn preview(
        &self,
        payer: &Address,
        instructions: &[Instruction],
        watched: &[Address],
        options: &SendOptions,
    ) -> Result<Preview> {
        let (simulation, paid, (_, before)) = tokio::try_join!(
            self.simulate(payer, instructions, watched, options),
            self.recently_paid(payer, instructions, options),
            self.network.accounts(watched)
        )?;
        let message = compile(payer, instructions, MAX_COMPUTE_UNITS, 0, Hash::default())?;
        let signatures = message.header().num_required_signatures.into();
        let (units, price, _) = self.bid(&simulation, &paid, signatures, options)?;
        let mut after = simulation.accounts;
        after.resize(watched.len(), None);
        Ok(Preview {
            compute_units: simulation.compute_units,
            fee: lamports(signatures, units, price),
            after: after
                .into_iter()
                .zip(&before)
                .map(|(after, before)| after.or_else(|| before.clone()))
                .collect(),
            before,
        })
    }

    async fn simulate(
        &self,
        payer: &Address,
        instructions: &[Instruction],
        watched: &[Address],
        options: &SendOptions,
    ) -> Result<Simulation> {
        let units = options.compute_units.unwrap_or(MAX_COMPUTE_UNITS);
        let trial = compile(payer, instructions, units, 0, Hash::default())?;
        let unsigned = VersionedTransaction {
            signatures: vec![Signature::default(); trial.header().num_required_signatures.into()],
            message: trial,
        };
        let simulation = self.network.simulate(&unsigned, watched).await?;
        if let Some(error) = simulation.error {
            let explanation = explain(&error, &unsigned, &simulation.logs);
            return Err(NotConfirmed::Failed(Failure {
                explanation,
                error,
                logs: simulation.logs,
                receipt: None,
            })
            .into());
        }
        Ok(simulation)
    }

    /// The prices that others have paid, as far as they matter. If the node does not report them, they are assumed to pay nothing.
    async fn recently_paid(&self, payer: &Address, instructions: &[Instruction], options: &SendOptions) -> Result<Vec<u64>> {
        if !options.priority_fee.follows_the_market() {
            return Ok(Vec::new());
        }
        let message = compile(payer, instructions, MAX_COMPUTE_UNITS, 0, Hash::default())?;
        let asked = self.network.recent_fees(&written(&message)).await;
        Ok(asked.unwrap_or_else(|error| {
            tracing::debug!(%error, "cannot read recent fees, assuming none");
            Vec::new()
        }))
    }

    /// The compute units to request, the price of each, and whether `max_fee` has lowered it. Fails if `max_fee` excludes what others pay:
    /// such a transaction would only be followed until it expires.
    fn bid(&self, simulation: &Simulation, paid: &[u64], signatures: usize, options: &SendOptions) -> Result<(u32, u64, bool)> {
        let units = options.compute_units.unwrap_or_else(|| with_reserve(simulation.compute_units));
        let fee = options.priority_fee;
        let [going, wanted] = [0, self.congestion.doublings()].map(|doublings| fee.price(paid.to_vec(), doublings));
        let Some(most) = options.max_fee else {
            return Ok((units, wanted, false));
        };
        let limit = affordable(most, signatures, units).max(fee.least);
        if going > limit {
            let fee = lamports(signatures, units, going);
            return Err(Error::TooDear { fee, most });
        }
        Ok((units, wanted.min(limit), wanted > limit))
    }

    pub(super) fn sign(&self, instructions: &[Instruction], signers: &[&dyn Signer], params: &SigningParams) -> Result<Prepared> {
        let SigningParams {
            payer,
            units,
            price,
            capped,
            lifetime,
        } = *params;
        let message = compile(&payer, instructions, units, price, lifetime.blockhash)?;
        let transaction = VersionedTransaction::try_new(message, signers).map_err(|error| Error::Signing(error.to_string()))?;
        let size = encode(&transaction)?.len();
        if size > MAX_TRANSACTION && price > 0 {
            // Without the instruction that sets the price it may fit: better without priority than not at all.
            return self.sign(instructions, signers, &SigningParams { price: 0, ..*params });
        }
        if size > MAX_TRANSACTION {
            return Err(Error::Signing(format!(
                "it has {size} bytes, more than the limit of {MAX_TRANSACTION}; split it into several transactions"
            )));
        }
        let signature = transaction.signatures.first().copied().unwrap_or_default();
        Ok(Prepared {
            last_valid_block_height: lifetime.last_valid_block_height,
            capped,
            fee: lamports(transaction.signatures.len(), units, price),
            transaction,
            signature,
        })
    }
}

fn compile(payer: &Address, instructions: &[Instruction], units: u32, price: u64, blockhash: Hash) -> Result<VersionedMessage> {
    let mut all = vec![ComputeBudgetInstruction::set_compute_unit_limit(units)];
    if price > 0 {
        all.push(ComputeBudgetInstruction::set_compute_unit_price(price));
    }
    all.extend_from_slice(instructions);
    let message = v0::Message::try_compile(payer, &all, &[], blockhash).map_err(|error| Error::Signing(error.to_string()))?;
    Ok(VersionedMessage::V0(message))
}

/// A fifth more than simulated: the cost of address searches and of walking lists varies a little from slot to slot.
fn with_reserve(units: u64) -> u32 {
    let units = u32::try_from(units).unwrap_or(MAX_COMPUTE_UNITS);
    units.saturating_add(units / 5).saturating_add(1_000).min(MAX_COMPUTE_UNITS)
}

fn encode(transaction: &VersionedTransaction) -> Result<Vec<u8>> {
    wincode::serialize(transaction).map_err(|error| Error::Signing(error.to_string()))
}

fn to_base64<S: Serializer>(transaction: &VersionedTransaction, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    let bytes = encode(transaction).map_err(ser::Error::custom)?;
    serializer.serialize_str(&BASE64_STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<VersionedTransaction, D::Error> {
    let bytes = BASE64_STANDARD
        .decode(String::deserialize(deserializer)?)
        .map_err(de::Error::custom)?;
    wincode::deserialize(&bytes).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
    use super::*;
    use crate::client::{
        send::EXPIRY_MARGIN,
        tests::{OPTIONS, chain, custom, landed, transfer},
    };
    use solana_keypair::Keypair;

    #[tokio::test]
    async fn simulation_refuses_before_anything_is_sent() {
        let (fake, chain) = chain();
        fake.set_simulation(Simulation {
            error: Some(custom(1)),
            ..Simulation::default()
        });
        let payer = Keypair::new();
        let error = chain.send(&transfer(&payer), &[&payer], &OPTIONS).await.unwrap_err();
        assert!(error.to_string().contains("too little SOL"), "{error}");
        let Error::Transaction(cause) = error else { panic!("{error}") };
        assert!(matches!(*cause, NotConfirmed::Failed(Failure { receipt: None, .. })));
        assert!(fake.sent().is_empty());
    }

    #[tokio::test]
    async fn requests_what_simulation_used_plus_a_reserve() {
        let (fake, chain) = chain();
        fake.set_simulation(Simulation {
            compute_units: 5_000,
            ..Simulation::default()
        });
        fake.on_send(|_| Some(landed(None)));
        let payer = Keypair::new();
        chain.send(&transfer(&payer), &[&payer], &OPTIONS).await.unwrap();
        let sent = fake.sent().remove(0);
        let data: Vec<_> = sent.message.instructions().iter().map(|instruction| &instruction.data).collect();
        assert_eq!(data[0], &ComputeBudgetInstruction::set_compute_unit_limit(7_000).data);
        assert_eq!(data.len(), 2, "only the limit where nobody pays a priority fee");
    }

    #[tokio::test]
    async fn pays_what_others_pay_and_more_after_each_expiry() {
        let (fake, chain) = chain();
        fake.set_simulation(Simulation {
            compute_units: 5_000,
            ..Simulation::default()
        });
        fake.set_recent_fees(&[0, 70_000, 70_000]);
        let payer = Keypair::new();
        let price = |prepared: &Prepared| {
            let data = &prepared.transaction.message.instructions()[1].data;
            let [3, price @ ..] = data.as_slice() else { panic!("{data:?}") };
            u64::from_le_bytes(price.try_into().unwrap())
        };
        let prepare = async || chain.prepare(&transfer(&payer), &[&payer], &OPTIONS).await;
        let lost = prepare().await.unwrap();
        assert_eq!(price(&lost), 70_000);
        let preview = chain.preview(&payer.pubkey(), &transfer(&payer), &[], &OPTIONS).await.unwrap();
        assert_eq!(preview.fee, 5_000 + 490, "7,000 units at 0.07 lamports");

        fake.advance(151 + EXPIRY_MARGIN);
        assert!(chain.submit(&lost, &OPTIONS).await.is_final());
        let second = prepare().await.unwrap();
        assert_eq!(price(&second), 140_000);

        fake.land(second.signature(), landed(None));
        chain.submit(&second, &OPTIONS).await.confirmed().unwrap();
        assert_eq!(price(&prepare().await.unwrap()), 70_000);

        let fixed = SendOptions {
            priority_fee: PriorityFee { least: 9, most: 9 },
            ..OPTIONS
        };
        let fixed = chain.prepare(&transfer(&payer), &[&payer], &fixed).await.unwrap();
        assert_eq!(price(&fixed), 9);
    }

    #[tokio::test]
    async fn what_may_be_paid_caps_the_bid_but_does_not_go_below_what_others_pay() {
        let (fake, chain) = chain();
        fake.set_simulation(Simulation {
            compute_units: 5_000,
            ..Simulation::default()
        });
        fake.set_recent_fees(&[70_000]);
        let payer = Keypair::new();
        let price = |prepared: &Prepared| {
            let data = &prepared.transaction.message.instructions()[1].data;
            let [3, price @ ..] = data.as_slice() else { panic!("{data:?}") };
            u64::from_le_bytes(price.try_into().unwrap())
        };
        let thrifty = |most, least| SendOptions {
            max_fee: Some(most),
            priority_fee: PriorityFee { least, most: 1_000_000 },
            ..OPTIONS
        };
        let prepare = async |options| chain.prepare(&transfer(&payer), &[&payer], &options).await;
        let refusal = prepare(thrifty(5_489, 0)).await.unwrap_err();
        assert!(matches!(refusal, Error::TooDear { fee: 5_490, most: 5_489 }), "{refusal}");
        let enough = prepare(thrifty(5_490, 0)).await.unwrap();
        assert_eq!((price(&enough), enough.capped), (70_000, false));
        assert_eq!(price(&prepare(thrifty(0, 80_000)).await.unwrap()), 80_000, "the minimum");

        fake.advance(151 + EXPIRY_MARGIN);
        assert!(chain.submit(&enough, &thrifty(5_490, 0)).await.is_final());
        let capped = prepare(thrifty(5_700, 0)).await.unwrap();
        assert_eq!((price(&capped), capped.capped), (100_000, true));
        fake.advance(151 + EXPIRY_MARGIN);
        assert!(chain.submit(&capped, &thrifty(5_700, 0)).await.is_final());
        let uncapped = prepare(OPTIONS).await.unwrap();
        assert_eq!(price(&uncapped), 140_000, "a capped bid that expires says nothing about congestion");
    }

    #[tokio::test]
    async fn too_large_and_unsigned_transactions_are_refused() {
        let (_, chain) = chain();
        let payer = Keypair::new();
        let large = Instruction::new_with_bytes(Address::new_unique(), &[0; 1200], vec![]);
        let error = chain.prepare(&[large], &[&payer], &OPTIONS).await.unwrap_err();
        assert!(matches!(&error, Error::Signing(text) if text.contains("1232")), "{error}");
        assert!(matches!(
            chain.prepare(&transfer(&payer), &[], &OPTIONS).await,
            Err(Error::Signing(_))
        ));
        let other = transfer(&Keypair::new());
        assert!(
            matches!(chain.prepare(&other, &[&payer], &OPTIONS).await, Err(Error::Signing(_))),
            "a signature is missing"
        );
    }
}
