//! Errors of the governance program: codes 10000 and up, append only.

use anchor_lang::prelude::*;

/// What can go wrong, each with the sentence people see.
#[error_code(offset = 10000)]
pub enum GovernanceError {
    #[msg("An internal sum overflowed or fell below zero; the books of this account are wrong")]
    BooksBroken,
    #[msg("Only governance itself may do this, by a proposal that passed")]
    NotGovernance,
    #[msg("Only the program's upgrade authority may create the config")]
    NotUpgradeAuthority,
    #[msg("A rule lies outside its bounds")]
    RuleOutOfBounds,
    #[msg("Only who made the proposal may do this")]
    NotProposer,
    #[msg("This account belongs to another proposal, offer, device or voter")]
    AccountMismatch,
    #[msg("The proposal is not in the state this needs")]
    WrongStatus,
    #[msg("A title is 1 to 64 printable characters of ASCII")]
    InvalidTitle,
    #[msg("A proposal has 1 to 16 instructions")]
    InvalidCount,
    #[msg("An instruction takes 33 to 9,000 bytes, and accounts it names lie within them")]
    InvalidInstruction,
    #[msg("Bytes of an instruction are written once, in order, up to the announced length")]
    OutOfOrder,
    #[msg("A parameter in this instruction lies outside its bounds, or cannot be read: it would fail when it is executed")]
    ParameterOutOfBounds,
    #[msg("An instruction is incomplete: write the rest first")]
    Incomplete,
    #[msg("There is no such choice: yes, no, abstain and veto are 0 to 3")]
    InvalidChoice,
    #[msg("Voting is over; until the timelock ends, vetoes may still be cast")]
    VotingOver,
    #[msg("Nothing here may vote: the stake is younger than the proposal, on its way out, or none")]
    NoWeight,
    #[msg("Only the owner of the stake, or who it has delegated to, may vote with it")]
    NotVoter,
    #[msg("The owner has voted itself: its representative cannot change that")]
    OwnerVoted,
    #[msg("The vote still counts: it can be closed when the proposal has ended, or its timelock")]
    StillCounted,
    #[msg("Nothing is due: voting goes on, or the proposal waits to be executed")]
    NothingDue,
    #[msg("The timelock is not over")]
    Timelocked,
    #[msg("The time to execute it is over")]
    ProposalExpired,
    #[msg("Instructions are executed in their order, each once")]
    WrongInstruction,
    #[msg("The accounts are not those that were voted on")]
    AccountsChanged,
    #[msg("So many vetoes have come in that this cannot be executed any more")]
    Vetoed,
    #[msg("The deposit was returned or burned already")]
    NoDeposit,
    #[msg("Votes or instructions of the proposal are still there")]
    ProposalInUse,
    #[msg("Only the guardian may do this, and only until its term ends")]
    NotGuardian,
    #[msg("The guardian pauses staking, co-staking and jobs, and nothing else")]
    NotPausable,
    #[msg("Nobody is its own representative")]
    OwnRepresentative,
    #[msg("An upgrade since has made this instruction a matter of a stricter kind: propose it again")]
    StricterNow,
    #[msg("Another proposal has taken this address since: look again before voting")]
    ProposalChanged,
}
