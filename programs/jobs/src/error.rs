//! Errors of the jobs program: codes 8000 and up, append only.

use anchor_lang::prelude::*;

/// What can go wrong, each with the sentence people see.
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
    #[msg("A model has 1 to 4 inputs of 1 to 16,777,216 elements, 1 to 1,024 ops, and a checkpoint interval of 1 or below its ops")]
    InvalidModelHeader,
    #[msg("Only the wallet that started the draft may change it")]
    NotRegistrar,
    #[msg("The op descriptor is malformed")]
    InvalidDescriptor,
    #[msg("An op reads a value that does not exist before it: the graph would be cyclic")]
    InvalidInputId,
    #[msg("An op breaks a rule of its kind: its shapes, parameters, fan-in or shift")]
    InvalidOp,
    #[msg("The draft already holds all its ops")]
    DraftFull,
    #[msg("The draft does not hold all its ops yet")]
    DraftIncomplete,
    #[msg("The ops do not hash to the model's hash")]
    ModelHashMismatch,
    #[msg("Only the owner of the escrow may do this")]
    NotOwner,
    #[msg("The amount is zero")]
    ZeroAmount,
    #[msg("The free balance of the escrow does not cover this: deposit first")]
    InsufficientEscrow,
    #[msg("The escrow is not empty: settle or cancel its jobs, withdraw, and sweep its fees first")]
    EscrowNotEmpty,
    #[msg("A job has 1 to 1,048,576 units")]
    InvalidUnits,
    #[msg("The maximum price is zero or below the starting price, or it overflows with fees")]
    InvalidPrice,
    #[msg("A duration is zero or too long, or the auction lasts longer than the offer")]
    InvalidDuration,
    #[msg("The bond is below the market's minimum")]
    BondTooSmall,
    #[msg("A job has 1 to 3 replicas, each with an index below that number and not above its id; only a single replica may ask for audits")]
    UnsupportedPolicy,
    #[msg("The job's status does not allow this: it may already be taken, committed or revealed")]
    WrongStatus,
    #[msg("The offer of this job has expired")]
    JobExpired,
    #[msg("The seed of the draw is not known yet: it comes with one of the next slots")]
    SeedNotReady,
    #[msg("The device's ticket is not admitted yet: every slot admits more tickets")]
    NotAdmittedYet,
    #[msg("The device does not meet the job's requirements")]
    RequirementsNotMet,
    #[msg("The price is below what the worker asks")]
    PriceTooLow,
    #[msg("Only the device that took the job may do this, with its current key")]
    NotAssignedDevice,
    #[msg("The deadline has passed")]
    DeadlinePassed,
    #[msg("The deadline has not passed yet")]
    DeadlineNotPassed,
    #[msg("The revealed result is not the committed one")]
    CommitmentMismatch,
    #[msg("The payment account must belong to the device's payout wallet and the escrow's mint")]
    WrongPayoutAccount,
    #[msg("The account belongs to another job, escrow or device")]
    AccountMismatch,
    #[msg("The escrow owes no fees")]
    NoFees,
    #[msg("The price or the value at risk is so high that no bond covers it: ask for less at a time")]
    BondTooLarge,
    #[msg("A device's owner and keys cannot challenge its results")]
    WorkerCannotChallenge,
    #[msg("Only the challenger who sealed the evidence may do this")]
    NotChallenger,
    #[msg("The evidence is about another job")]
    EvidenceMismatch,
    #[msg("The evidence shows nothing wrong with the result")]
    NotConvicted,
    #[msg("The referee gave no verdict")]
    NoVerdict,
    #[msg("The compensation must go to a $IO account of the escrow's owner")]
    WrongCompensationAccount,
    #[msg("The reward must go to a $IO account of the challenger")]
    WrongRewardAccount,
    #[msg("The reward belongs to the earliest seal, and this evidence was not sealed in an earlier slot")]
    SealNotEarlier,
    #[msg("A job has at most 8 demands open at a time")]
    TooManyDemands,
    #[msg("The job has demands that are not answered: it is paid when they are, or convicted when their time is up")]
    DemandsOpen,
    #[msg("A result has no such part, or the part above it has not been shown yet")]
    InvalidDemand,
    #[msg("The demand is not of the kind that this instruction takes")]
    WrongDemand,
    #[msg("The demand is answered already")]
    DemandAnswered,
    #[msg("The next piece of an answer starts where the last one ended, or at 0 to start over")]
    AnswerOutOfOrder,
    #[msg("The answer does not lead to what the worker committed to")]
    AnswerMismatch,
    #[msg("The demand still stands: it can be closed once its job has ended or is convicted")]
    DemandStands,
    #[msg("Demands on this job have become more expensive than the maximum offered")]
    DemandTooDear,
    #[msg("A device of the same owner computes another replica of this job")]
    LinkedReplica,
    #[msg("The replicas of a job wait for each other: it cannot be extended")]
    ReplicasNotExtended,
    #[msg("The reveals of these replicas are not called yet: that happens once all of them have committed or ended")]
    RevealsNotCalled,
    #[msg("The reveals of these replicas are called already")]
    RevealsCalled,
    #[msg("The replicas differ: evidence decides which is wrong")]
    ReplicasDiffer,
    #[msg("Windows end early only when every replica is revealed or convicted, and at least two are revealed")]
    TooFewReplicas,
    #[msg("Whether this result is audited has not been drawn yet")]
    AuditNotDrawn,
    #[msg("No draw is due: it was made already, none applies, or its slot hash is not known yet or no longer kept")]
    AuditNotDue,
    #[msg("An audit of this result is under way: the worker's time starts when the auditor has committed or is late")]
    AuditRunning,
    #[msg("The audit's stage does not allow this")]
    WrongAudit,
    #[msg("A device with the worker's owner cannot audit its result")]
    LinkedAuditor,
    #[msg("The proof does not open the drawn chunks in both trees")]
    CustodyMismatch,
    #[msg("The audit still stands: it can be closed once its job has ended or is convicted")]
    AuditStands,
    #[msg("The auditor's payment account must belong to the payout wallet it named and to the escrow's mint")]
    WrongAuditorAccount,
    #[msg("A permit needs a seal, a jackpot and a rate of 1 to 10,000 basis points")]
    InvalidPermit,
    #[msg("This is not the secret that the permit seals, or the permit has been opened already")]
    WrongSecret,
    #[msg("The permit does not excuse this result: its secret did not draw the job or make the commitment's nonce")]
    NotByPermit,
    #[msg("Challengers come first: confess in the second half of the window, later where somebody has asked")]
    TooEarlyToConfess,
    #[msg("Another job has this address now: look again before claiming")]
    TermsChanged,
    #[msg(
        "The device's permit may excuse this error and add a jackpot: the challenger is paid once it is opened, or an hour after the priority"
    )]
    PermitSealed,
    #[msg("A piece of an answer has at least 12 hashes, unless it begins or ends the answer")]
    PieceTooShort,
}
