//! Stores sealed evidence and judges, from it alone, whether a claim about a computation is false. See this crate's `README.md`.
#![cfg_attr(not(feature = "idl-build"), no_std)]
// Anchor generates undocumented items; README.md lists accounts and instructions.
#![allow(missing_docs)]

extern crate alloc;

use anchor_lang::prelude::*;

pub mod error;
pub mod events;
pub mod instructions;
pub mod state;

use instructions::*;
pub use state::{Claim, Evidence, EvidenceHeader, Shown, Word};

declare_id!("BZz1bGq6rfjv5LKUG34anbqWtv6Jmw8ayAd4U8PApMzh");

/// This program, as an account another program's instruction asks for: `Program<Referee>`.
pub struct Referee;

impl Id for Referee {
    fn id() -> Address {
        crate::ID
    }
}

#[cfg(not(feature = "no-entrypoint"))]
solana_security_txt::security_txt! {
    name: "ionet referee",
    project_url: "https://github.com/ionet-market/ionet",
    contacts: "link:https://github.com/ionet-market/ionet/security/advisories/new",
    policy: "https://github.com/ionet-market/ionet/blob/main/SECURITY.md",
    source_code: "https://github.com/ionet-market/ionet"
}

#[program]
pub mod referee_program {
    use super::*;

    // --- challenger: anyone who has found something wrong -----------------------------------------------------------------------------

    /// Seals evidence: announces it by a hash that hides its content.
    pub fn seal_evidence(ctx: &mut Context<SealEvidence>, seal: [u8; 32], subject: Address, length: u32) -> Result<()> {
        instructions::seal_evidence(ctx, seal, subject, length)
    }

    /// Appends bytes to evidence that was sealed in an earlier slot; with the last piece, the whole must match the seal.
    pub fn write_evidence(ctx: &mut Context<WriteEvidence>, offset: u32, bytes: alloc::vec::Vec<u8>) -> Result<()> {
        instructions::write_evidence(ctx, offset, bytes)
    }

    /// Closes evidence and returns its rent.
    pub fn close_evidence(ctx: &mut Context<CloseEvidence>) -> Result<()> {
        instructions::close_evidence(ctx)
    }

    // --- anyone: usually another program ----------------------------------------------------------------------------------------------

    /// Judges a claim by complete evidence and returns the verdict as return data.
    pub fn judge(ctx: &mut Context<Judge>, claim: Claim) -> Result<()> {
        instructions::judge(ctx, claim)
    }
}
