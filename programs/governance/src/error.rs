//! Errors of the governance program: codes 10000 and up, append only.

use anchor_lang::prelude::*;

/// What can go wrong. Each message is the sentence that tools show to people.
#[error_code(offset = 10000)]
pub enum GovernanceError {
    #[msg("An internal sum overflowed or fell below zero; the books of this account are wrong")]
    BooksBroken,
    #[msg("Only a proposal that passed may do this")]
    NotGovernance,
    #[msg("Only the program's upgrade authority may create the config")]
    NotUpgradeAuthority,
    #[msg("A rule lies outside its bounds")]
    RuleOutOfBounds,
    #[msg("Only the proposal's proposer may do this")]
    NotProposer,
    #[msg("This account belongs to another proposal, offer, device or voter")]
    AccountMismatch,
    #[msg("The proposal's status does not allow this")]
    WrongStatus,
    #[msg("A title has 1 to 64 printable ASCII characters")]
    InvalidTitle,
    #[msg("A proposal has 1 to 16 instructions")]
    InvalidCount,
    #[msg("An instruction has 33 to 9,000 bytes, which must hold as many accounts as it says")]
    InvalidInstruction,
    #[msg("An instruction's bytes are written in order, each once, up to the announced length")]
    OutOfOrder,
    #[msg("A parameter in this instruction lies outside its bounds, or cannot be read: the instruction would fail when executed")]
    ParameterOutOfBounds,
    #[msg("An instruction is incomplete: write the rest of it first")]
    Incomplete,
    #[msg("There is no such choice: 0 is yes, 1 no, 2 abstain, 3 veto")]
    InvalidChoice,
    #[msg("Voting is over; only vetoes may still be cast, until the timelock ends")]
    VotingOver,
    #[msg("This stake has no vote: it is zero, is on its way out, or was added less than a week before the vote opened")]
    NoWeight,
    #[msg("Only the owner of the stake or its representative may vote with it")]
    NotVoter,
    #[msg("The owner has cast this vote itself, so its representative cannot change it")]
    OwnerVoted,
    #[msg("The vote still counts: its ballot can be closed once the proposal or its timelock has ended")]
    StillCounted,
    #[msg("Nothing is due: voting is still open, or the proposal waits to be executed")]
    NothingDue,
    #[msg("The timelock has not ended yet")]
    Timelocked,
    #[msg("The time to execute the proposal is over")]
    ProposalExpired,
    #[msg("Instructions are executed in order, each once: pass the proposal's next one")]
    WrongInstruction,
    #[msg("The accounts are not the ones that were voted on")]
    AccountsChanged,
    #[msg("The proposal has too many vetoes: it can be neither executed nor withdrawn")]
    Vetoed,
    #[msg("The deposit has already been returned or burned")]
    NoDeposit,
    #[msg("The proposal has not ended, or still has ballots, instructions or its deposit: close and release those first")]
    ProposalInUse,
    #[msg("Only the guardian may do this, and only until its term ends")]
    NotGuardian,
    #[msg("The guardian can pause only staking, co-staking and jobs")]
    NotPausable,
    #[msg("An owner cannot be its own representative")]
    OwnRepresentative,
    #[msg("An upgrade has made this instruction one of a stricter kind than was voted on: propose it again")]
    StricterNow,
    #[msg("Another proposal has this address now: read it again before voting")]
    ProposalChanged,
    #[msg("Only governance's authority and purse may sign an instruction: another signer could choose when it is executed")]
    ForeignSigner,
    #[msg("The loader would install whatever the buffer holds by then: propose upgrade_program, which names the code's hash")]
    CodeNotNamed,
    #[msg("The buffer does not hold the code that was voted on: its SHA-256 differs")]
    CodeChanged,
}
