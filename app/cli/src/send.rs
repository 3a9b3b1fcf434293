//! Sending transactions: simulate and show the effect, ask for confirmation, send.

use crate::{
    amount::SOL,
    context::Context,
    effect::{Effect, Watched},
    error::{Error, Result, refuse},
    output::{Answer, count, fields},
    progress::Progress,
};
use chain::Receipt;
use serde::Serialize;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::{
    collections::BTreeMap,
    fmt,
    io::{BufRead, IsTerminal, Write},
    path::Path,
};

/// A confirmed transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// Signature, by which explorers find it.
    pub signature: String,
    /// Slot of its block.
    pub slot: u64,
    /// Lamports paid.
    pub fee: u64,
    /// Compute units used, if the node told them in time.
    pub compute_units: Option<u64>,
}

impl From<Receipt> for Sent {
    fn from(receipt: Receipt) -> Self {
        Self {
            signature: receipt.signature.to_string(),
            slot: receipt.slot,
            fee: receipt.fee,
            compute_units: receipt.compute_units,
        }
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fee {}, ", SOL.show(self.fee))?;
        if let Some(units) = self.compute_units {
            write!(f, "{units} compute units, ")?;
        }
        write!(f, "transaction\n{}", self.signature)
    }
}

/// A confirmed transaction about an account, and how the account stands after it.
#[derive(Serialize)]
pub struct Done<T> {
    /// The account; `None` if it is gone or the node has failed since.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(flatten)]
    pub shown: Option<T>,
    /// The amount that moved, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<u64>,
    /// The transaction.
    #[serde(flatten)]
    pub sent: Sent,
}

impl<T: fmt::Display> fmt::Display for Done<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown.iter().try_for_each(|shown| write!(f, "{shown}"))?;
        write!(f, "{}", self.sent)
    }
}

/// What a transaction is about: addresses and files in the order of their names, facts for programs, and lines for people.
#[derive(Default, Serialize)]
pub struct About {
    #[serde(flatten)]
    named: BTreeMap<&'static str, String>,
    #[serde(flatten)]
    facts: BTreeMap<&'static str, serde_json::Value>,
    #[serde(skip)]
    lines: Vec<(&'static str, String)>,
}

impl About {
    /// About this.
    pub fn new(name: &'static str, what: impl ToString) -> Self {
        Self::default().and(name, what)
    }

    /// Also about this.
    pub fn and(mut self, name: &'static str, what: impl ToString) -> Self {
        self.named.insert(name, what.to_string());
        self
    }

    /// With a fact for programs, which people read in the question or in a line.
    pub fn fact(mut self, name: &'static str, value: impl Into<serde_json::Value>) -> Self {
        self.facts.insert(name, value.into());
        self
    }

    /// With these lines, each under its label.
    pub fn with(mut self, lines: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        self.lines.extend(lines);
        self
    }
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self.named.iter().map(|(name, what)| (*name, what.clone()));
        let lines: Vec<_> = named.chain(self.lines.iter().cloned()).collect();
        fields(f, &lines)
    }
}

/// A transaction to send, and what to report once it is confirmed.
pub struct Plan {
    /// What follows "About to" in the question.
    pub question: String,
    /// Its instructions.
    pub instructions: Vec<Instruction>,
    /// What it is about.
    pub about: About,
    /// The amount that moves, if it is worth reporting.
    pub amount: Option<u64>,
}

impl Context {
    /// Sends a transaction that the wallet pays for, once its effect is confirmed. `what` follows "About to" in the question.
    pub async fn send(&self, what: &str, instructions: &[Instruction], wallet: &Keypair, watched: &[Watched]) -> Result<Sent> {
        self.agree("wallet", what, instructions, wallet, watched).await?;
        self.send_agreed(instructions, wallet, &[]).await
    }

    /// Sends a planned transaction like [`Self::send`], and reports what was planned to be.
    pub async fn carry_out(&self, plan: Plan, watched: &[Watched]) -> Result<Answer> {
        let sent = self.send(&plan.question, &plan.instructions, &self.wallet()?, watched).await?;
        Ok(Answer::new(&Done {
            shown: Some(plan.about),
            amount: plan.amount,
            sent,
        }))
    }

    /// Asks for confirmation of the effect of a transaction whose payer is shown as `who`. What must happen after the confirmation and before
    /// the transaction goes between this and [`Self::send_agreed`].
    pub async fn agree(&self, who: &str, what: &str, instructions: &[Instruction], payer: &Keypair, watched: &[Watched]) -> Result<()> {
        let payer = payer.pubkey();
        if self.chain.account(&payer).await?.is_none() {
            return refuse(format!(
                "{who} {payer} has no SOL at {} to pay fees with; send it some (`ionet wallet airdrop` on a local network)",
                self.settings.cluster
            ));
        }
        if self.settings.yes {
            return Ok(());
        }
        let mut all = vec![Watched::sol(who, &payer)];
        all.extend_from_slice(watched);
        let addresses: Vec<_> = all.iter().map(Watched::address).collect();
        let preview = self.chain.preview(&payer, instructions, &addresses, &self.options).await?;
        confirm(what, &Effect::new(&all, &preview))
    }

    /// Sends a transaction that was confirmed.
    pub async fn send_agreed(&self, instructions: &[Instruction], wallet: &Keypair, others: &[&Keypair]) -> Result<Sent> {
        let mut signers: Vec<&dyn Signer> = vec![wallet];
        signers.extend(others.iter().map(|signer| *signer as &dyn Signer));
        Ok(self.chain.send(instructions, &signers, &self.options).await?.into())
    }

    /// Sends a transaction that was confirmed and needs a new key, which is saved before, so that it is never lost. If the transaction does not
    /// land, the key is of no use and removed.
    pub async fn send_with_new(
        &self,
        key: &Keypair,
        path: &Path,
        instructions: &[Instruction],
        wallet: &Keypair,
        others: &[&Keypair],
    ) -> Result<Sent> {
        chain::save_keypair(key, path)?;
        let sent = self.send_agreed(instructions, wallet, others).await;
        sent.inspect_err(|error| {
            if error.unknown().is_none() {
                let _ = std::fs::remove_file(path);
            }
        })
    }

    /// Sends several transactions in order, paid for by the wallet, once `effect` is confirmed; returns the last one, with the fees of all.
    pub async fn send_all(
        &self,
        what: &str,
        effect: &dyn fmt::Display,
        transactions: &[Vec<Instruction>],
        wallet: &Keypair,
    ) -> Result<Sent> {
        self.agree_all(what, effect, transactions, wallet).await?;
        self.send_all_agreed(what, transactions, wallet).await
    }

    /// Asks for confirmation of several transactions, as [`Self::agree`] does of one.
    pub async fn agree_all(
        &self,
        what: &str,
        effect: &dyn fmt::Display,
        transactions: &[Vec<Instruction>],
        wallet: &Keypair,
    ) -> Result<()> {
        match transactions.first() {
            Some(first) if !self.settings.yes => {
                let fees = self.fees(&wallet.pubkey(), first, transactions.len()).await?;
                confirm(what, &format!("{effect}{fees}"))
            }
            _ => Ok(()),
        }
    }

    /// An estimate, in words, of the fees of several transactions that `payer` alone signs. Only the first is simulated, since the others
    /// build on it; each counts as much.
    pub async fn fees(&self, payer: &Address, first: &[Instruction], transactions: usize) -> Result<String> {
        let preview = self.chain.preview(payer, first, &[], &self.options).await?;
        let lamports = preview.fee.saturating_mul(transactions as u64);
        Ok(format!(
            "fees of about {} for {}",
            SOL.show(lamports),
            count(transactions as u64, "transaction")
        ))
    }

    /// Sends transactions that were confirmed.
    pub async fn send_all_agreed(&self, what: &str, transactions: &[Vec<Instruction>], wallet: &Keypair) -> Result<Sent> {
        let progress = Progress::steps(self, transactions.len() as u64);
        let all = count(transactions.len() as u64, "transaction");
        progress.wait(format!("sending {all} to {what}"));
        let (mut last, mut fees) = (None, 0u64);
        for instructions in transactions {
            let sent = self.send_agreed(instructions, wallet, &[]).await?;
            fees = fees.saturating_add(sent.fee);
            last = Some(sent);
            progress.step();
        }
        last.map(|sent| Sent { fee: fees, ..sent })
            .map_or_else(|| refuse("there is nothing to do"), Ok)
    }
}

/// Fails when there is no terminal to ask on whether to do `what`.
pub fn check_terminal(what: &str) -> Result<()> {
    if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "nothing was sent: there is no terminal to ask whether to {what}; pass --yes to send without asking"
    )))
}

/// Shows what would happen and asks for confirmation.
pub fn confirm(what: &str, effect: &dyn fmt::Display) -> Result<()> {
    check_terminal(what)?;
    let (input, mut screen) = (std::io::stdin(), std::io::stderr());
    let mut answer = String::new();
    write!(screen, "{effect}\nAbout to {what}. Go ahead? [y/N] ")
        .and_then(|()| screen.flush())
        .and_then(|()| input.lock().read_line(&mut answer).map(drop))
        .or_else(|error| {
            refuse(format!(
                "nothing was sent: the terminal cannot be read ({error}); pass --yes to send without asking"
            ))
        })?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => refuse("cancelled; nothing was sent"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing;
    use chain::Simulation;

    #[test]
    fn an_answer_names_what_it_is_about() {
        let done = Done {
            shown: Some(About::new("device", "D").fact("tier", 4).with([("then", "wait".to_owned())])),
            amount: None,
            sent: Sent {
                signature: "S".to_owned(),
                slot: 1,
                fee: 2,
                compute_units: Some(3),
            },
        };
        let wanted = serde_json::json!({ "device": "D", "tier": 4, "signature": "S", "slot": 1, "fee": 2, "compute_units": 3 });
        assert_eq!(serde_json::to_value(&done).unwrap(), wanted);
        let shown = done.to_string();
        assert!(
            shown.starts_with("device  D\nthen    wait\nfee ") && shown.ends_with(", 3 compute units, transaction\nS"),
            "{shown}"
        );
        let sent = Sent {
            compute_units: None,
            ..done.sent
        };
        assert_eq!(sent.to_string(), "fee 0.000000002 SOL, transaction\nS");
    }

    #[tokio::test]
    async fn estimated_fees_include_the_priority_fee() {
        let (_folder, fake, context, wallet) = testing::context();
        fake.set_simulation(Simulation {
            compute_units: 100_000,
            ..Simulation::default()
        });
        let first = Instruction::new_with_bytes(jobs::ID, &[], Vec::new());
        let fees = async || context.fees(&wallet.pubkey(), std::slice::from_ref(&first), 3).await.unwrap();
        assert_eq!(fees().await, "fees of about 0.000015 SOL for 3 transactions");
        // Half a lamport for each unit requested: a fifth more than the first uses, plus a thousand.
        fake.set_recent_fees(&[500_000]);
        assert_eq!(fees().await, "fees of about 0.0001965 SOL for 3 transactions");
    }
}
