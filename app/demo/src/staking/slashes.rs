//! Slashes of the story: proposed, approved, appealed against, overturned or finished.

use super::market::Market;
use super::report::rounded;
use super::story::{DAY, Deed, Name};
use anyhow::{Context, Result};
use chain::market::{slash, stake};
use solana_signer::Signer;
use staking::Parameters;

/// Number of every slash: a device has only one in the story.
const SLASH: u32 = 1;
/// Stands for documents that are kept elsewhere: the chain has their hashes.
const EVIDENCE: [u8; 32] = [0xE7; 32];
/// Days of an appeal.
const APPEAL: u32 = Parameters::PUBLISHED.appeal / 86_400;

impl Market {
    pub(crate) fn propose(&mut self, whose: Name, reason: u8, share_bps: u16) -> Result<String> {
        let (device, [proposer, _]) = (self.worker(whose)?.device, self.judges.clone());
        let propose = slash::propose(&proposer.pubkey(), &device, SLASH, reason, share_bps, EVIDENCE);
        self.world.send(propose, &[&proposer]);
        let share = f64::from(share_bps) / 100.0;
        Ok(format!(
            "a slash of {share} % of the stake on {whose}'s device is proposed, which takes nothing yet"
        ))
    }

    pub(crate) fn approve(&mut self, whose: Name) -> Result<String> {
        let (device, [_, approver]) = (self.worker(whose)?.device, self.judges.clone());
        let books = self.world.books();
        let proposed = books.slashes.values().find(|slash| slash.device == device);
        let share_bps = proposed.context("no slash is proposed")?.share_bps.get();
        let approve = slash::approve(&approver.pubkey(), &device, SLASH, share_bps, EVIDENCE);
        self.world.send(approve, &[&approver]);
        self.agenda.enter(self.hour + APPEAL * DAY, Deed::Finish(whose));
        let aside = self.world.device(&device).aside.get();
        Ok(format!(
            "another key approves it: {} of {whose}'s stake are set aside for {APPEAL} days",
            rounded(aside)
        ))
    }

    pub(crate) fn appeal(&mut self, whose: Name) -> Result<String> {
        let worker = self.worker(whose)?;
        let appeal = slash::appeal(&worker.wallet(), &worker.device, SLASH, EVIDENCE);
        self.world.send(appeal, &[&worker.owner]);
        Ok(format!("{whose} appeals"))
    }

    pub(crate) fn overturn(&mut self, whose: Name) -> Result<String> {
        let (device, [proposer, _]) = (self.worker(whose)?.device, self.judges.clone());
        let (admin, aside) = (self.world.admin.clone(), self.world.device(&device).aside.get());
        let overturn = slash::overturn(&admin.pubkey(), &proposer.pubkey(), &device, SLASH);
        self.world.send(overturn, &[&admin]);
        Ok(format!("{whose}'s slash is overturned: {} return to its stake", rounded(aside)))
    }

    /// Finishes a slash whose appeal period is over, and burns what it forfeits; `None` if it was overturned.
    pub(crate) fn finish(&mut self, whose: Name) -> Result<Option<String>> {
        let (device, [proposer, _]) = (self.worker(whose)?.device, self.judges.clone());
        if !self.world.books().slashes.contains_key(&slash::address(&device, SLASH)) {
            return Ok(None);
        }
        let mint = self.world.io;
        self.world.send(slash::finish(&proposer.pubkey(), &device, SLASH), &[]);
        let forfeited = self.world.device(&device).forfeited.get();
        self.world.send(stake::burn_forfeited(&device, &mint), &[]);
        self.burned += forfeited;
        Ok(Some(format!(
            "{whose}'s slash was not overturned in time: {} are burned",
            rounded(forfeited)
        )))
    }
}
