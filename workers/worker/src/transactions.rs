//! Sending transactions so that neither a crash nor an unresponsive node loses or repeats one.

use crate::failpoint::failpoint;
use crate::journal::Step;
use crate::{Error, Result, Worker};
use anchor_lang::prelude::ProgramError;
use chain::{Outcome, Receipt, SendOptions};
use jobs::Job;
use jobs::error::JobsError;
use solana_address::Address;
use solana_instruction::Instruction;

impl Worker {
    /// Sends one transaction for a job that has to land by the job's deadline, so that a crash at any point neither loses it nor sends it
    /// twice.
    pub(crate) async fn send(&self, action: &str, address: &Address, job: &Job, instructions: &[Instruction]) -> Result<Receipt> {
        let options = self.chain.by(job.deadline_at.get(), &self.options).await;
        self.send_recorded(action, address, job, instructions, &options, None).await
    }

    /// Like [`send`](Self::send), with these options. With a `step` to record first, the transaction is not sent unless the disk has taken both records: nothing
    /// is at stake before a claim.
    pub(crate) async fn send_recorded(
        &self,
        action: &str,
        address: &Address,
        job: &Job,
        instructions: &[Instruction],
        options: &SendOptions,
        step: Option<Step>,
    ) -> Result<Receipt> {
        let purpose = format!("{action} {address} {}", hex::encode(job.job_hash));
        for intent in self.pending.unsettled().into_iter().filter(|intent| intent.purpose == purpose) {
            match self
                .chain
                .resolve(&self.pending, &intent.prepared, options)
                .await
                .map_err(Error::from)
            {
                Ok(Outcome::Confirmed(receipt)) => return Ok(receipt),
                Ok(_) => {}
                // The chain was read before this step, and the step is due.
                Err(error) if error.is_disk() => self.note_disk_error(&error),
                Err(error) => return Err(error),
            }
        }
        let prepared = self.chain.prepare(instructions, &[&self.key], options).await?;
        failpoint(action, "prepared", address).await;
        if let Some(step) = step {
            self.journal.record(address, job, step)?;
        }
        match self.pending.record(&purpose, &prepared).map_err(Error::from) {
            Err(error) if step.is_some() => return Err(error),
            // After a crash it may be sent again, which the program refuses and which costs a fee.
            written => self.tolerate_disk_error(written),
        }
        failpoint(action, "recorded", address).await;
        let outcome = self.chain.submit(&prepared, options).await;
        failpoint(action, "landed", address).await;
        if outcome.is_final() {
            self.tolerate_disk_error(self.pending.settle(&prepared.signature()).map_err(Error::from));
        }
        failpoint(action, "settled", address).await;
        Ok(outcome.confirmed()?)
    }
}

/// Whether a transaction failed with this error of the jobs program.
pub(crate) fn failed_with(error: &Error, code: JobsError) -> bool {
    let Error::Chain(error) = error else { return false };
    match (error.failure(), ProgramError::from(code)) {
        (Some(failure), ProgramError::Custom(number)) => failure.explanation.code == Some(number),
        _ => false,
    }
}
