//! Errors of the jobs program: codes 8000 and up, append only.

use anchor_lang::prelude::*;

/// What can go wrong. Each message is the sentence that tools show to people.
#[error_code(offset = 8000)]
pub enum JobsError {
    #[msg("An internal sum overflowed or fell below zero; the books of this account are wrong")]
    BooksBroken,
    #[msg("Only the config's authority may do this")]
    NotAuthority,
    #[msg("Only the guardian or the authority may pause, and only the authority may resume")]
    NotGuardian,
    #[msg("Only the program's upgrade authority may create the config")]
    NotUpgradeAuthority,
    #[msg("New jobs and claims are paused; jobs in progress, refunds and withdrawals go on")]
    Paused,
    #[msg("A parameter lies outside its bounds")]
    ParameterOutOfBounds,
    #[msg("A model has 1 to 4 inputs of 1 to 16,777,216 elements, 1 to 1,024 ops, and a checkpoint interval of 1 or less than its ops")]
    InvalidModelHeader,
    #[msg("Only the wallet that started the draft may change it")]
    NotRegistrar,
    #[msg("The op descriptor is malformed")]
    InvalidDescriptor,
    #[msg("An op reads a value that does not come before it: the graph would be cyclic")]
    InvalidInputId,
    #[msg("An op breaks a rule of its kind: its shapes, parameters, fan-in or shift")]
    InvalidOp,
    #[msg("The draft already has all its ops")]
    DraftFull,
    #[msg("The draft does not have all its ops yet: append the missing ones first")]
    DraftIncomplete,
    #[msg("The ops do not hash to the model's hash")]
    ModelHashMismatch,
    #[msg("Only the owner of the escrow may do this")]
    NotOwner,
    #[msg("The amount is zero")]
    ZeroAmount,
    #[msg("The escrow's free balance does not cover this: deposit more first")]
    InsufficientEscrow,
    #[msg("The escrow is not empty: settle or cancel its jobs, withdraw, and sweep its fees first")]
    EscrowNotEmpty,
    #[msg("A job has 1 to 1,048,576 units")]
    InvalidUnits,
    #[msg("The maximum price is zero, below the starting price, or too large once fees are added")]
    InvalidPrice,
    #[msg("A duration is zero or too long, or the auction lasts longer than the offer")]
    InvalidDuration,
    #[msg("The bond is below the market's minimum")]
    BondTooSmall,
    #[msg("A job has 1 to 3 replicas, each with an index below that number and not above its id; only a single one may ask for audits")]
    UnsupportedPolicy,
    #[msg("The job's status does not allow this: the job is not that far yet, or is past it already")]
    WrongStatus,
    #[msg("The offer of this job has expired")]
    JobExpired,
    #[msg("The draw's seed is not known yet: try again in a few slots")]
    SeedNotReady,
    #[msg("The device's ticket is not admitted yet: try again, since every slot admits more tickets")]
    NotAdmittedYet,
    #[msg("The device does not meet the job's requirements")]
    RequirementsNotMet,
    #[msg("The auction's price is below the worker's minimum")]
    PriceTooLow,
    #[msg("Only the device that claims or has claimed the job or audit may do this, with its current key")]
    NotAssignedDevice,
    #[msg("The deadline has passed")]
    DeadlinePassed,
    #[msg("The deadline has not passed yet")]
    DeadlineNotPassed,
    #[msg("The revealed result and nonce do not open the commitment")]
    CommitmentMismatch,
    #[msg("The payment account must be the device's payout wallet's and of the escrow's mint")]
    WrongPayoutAccount,
    #[msg("An account is missing, or is not the one that the job, escrow, device or config names")]
    AccountMismatch,
    #[msg("The escrow owes no fees")]
    NoFees,
    #[msg("The price or the value at risk is so high that no bond covers it: split the work into smaller jobs")]
    BondTooLarge,
    #[msg("A device's owner and keys cannot challenge its results")]
    WorkerCannotChallenge,
    #[msg("Only the challenger who sealed the evidence may do this")]
    NotChallenger,
    #[msg("The evidence is about another job")]
    EvidenceMismatch,
    #[msg("The evidence does not show that the result is wrong")]
    NotConvicted,
    #[msg("The referee returned no verdict")]
    NoVerdict,
    #[msg("The compensation must go to a $IO account of the escrow's owner")]
    WrongCompensationAccount,
    #[msg("The reward must go to a $IO account of the challenger")]
    WrongRewardAccount,
    #[msg("The reward belongs to the earliest seal, and this evidence was not sealed in an earlier slot")]
    SealNotEarlier,
    #[msg("A job has at most 8 demands open at a time: wait until one is answered")]
    TooManyDemands,
    #[msg("The job has open demands: wait until the worker has answered them, or is convicted for missing a deadline")]
    DemandsOpen,
    #[msg("The result has no such part, or the part above it has not been shown yet")]
    InvalidDemand,
    #[msg("This instruction does not take a demand of this kind")]
    WrongDemand,
    #[msg("The demand has already been answered")]
    DemandAnswered,
    #[msg("A piece of an answer must start where the last one ended, or at 0 to start over")]
    AnswerOutOfOrder,
    #[msg("The answer does not hash to what the worker committed to")]
    AnswerMismatch,
    #[msg("The demand is still needed: close it once its job has ended, or is convicted and no more evidence can rest on the answer")]
    DemandStands,
    #[msg("The demand costs more than the maximum offered: the price doubles with every eighth demand on a job")]
    DemandTooDear,
    #[msg("A device of the same owner computes another replica of this job")]
    LinkedReplica,
    #[msg("A job with replicas cannot be extended, since its replicas wait for each other")]
    ReplicasNotExtended,
    #[msg("The reveals of these replicas have not been called yet: that happens once all of them have committed or ended")]
    RevealsNotCalled,
    #[msg("The reveals of these replicas have already been called")]
    RevealsCalled,
    #[msg("The replicas differ: evidence decides which is wrong")]
    ReplicasDiffer,
    #[msg("Windows end early only when every replica is revealed or convicted, and at least two are revealed")]
    TooFewReplicas,
    #[msg("It has not been drawn yet whether this result is audited: call draw_audit first")]
    AuditNotDrawn,
    #[msg("No draw is due: it was made before, does not apply here, or its slot hash is no longer kept")]
    AuditNotDue,
    #[msg("An audit of this result is under way: the worker's time to reveal starts once the auditor has committed or is late")]
    AuditRunning,
    #[msg("The audit's stage does not allow this")]
    WrongAudit,
    #[msg("A device of the worker's own owner cannot audit its result")]
    LinkedAuditor,
    #[msg("The proof does not open the drawn chunks in both trees")]
    CustodyMismatch,
    #[msg("The audit is still needed: it can be closed once its job has ended or been convicted")]
    AuditStands,
    #[msg("The auditor's payment account must be the payout wallet's that its audit keeps, and of the escrow's mint")]
    WrongAuditorAccount,
    #[msg("A permit needs a jackpot, a multiple and a rate of 1 to 10,000 basis points")]
    InvalidPermit,
    #[msg("The secret is not the one that this permit seals for the job's device, or the permit has already been opened")]
    WrongSecret,
    #[msg(
        "The permit does not excuse this result: its secret did not draw the job or make the nonce, it does not cover the bond, or one already has"
    )]
    NotByPermit,
    #[msg("Too early to confess: the first half of the window is for challengers, and more of it once a demand was opened")]
    TooEarlyToConfess,
    #[msg("Another job has this address now: read it again before claiming")]
    TermsChanged,
    #[msg("A sealed permit may excuse this error and add a jackpot: open it first, or wait until an hour after the priority period")]
    PermitSealed,
    #[msg("A piece of an answer must have at least 12 hashes, unless it begins or ends the answer")]
    PieceTooShort,
    #[msg("The job has a value at risk: its replicas keep their windows even when they agree")]
    ValueAtRisk,
}
