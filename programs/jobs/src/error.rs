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
    #[msg("A model has 1 to 4 inputs of 1 to 16,777,216 elements and 1 to 1,024 ops")]
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
    #[msg("The ops do not hash to the model's name")]
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
    #[msg("The price is zero, falls over the auction, or overflows with fees")]
    InvalidPrice,
    #[msg("A duration is zero, too long, or the auction outlasts the offer")]
    InvalidDuration,
    #[msg("The bond is below the market's minimum")]
    BondTooSmall,
    #[msg("A job has one to three replicas, each with an index below their number and an id not below its index; replicas are not audited")]
    UnsupportedPolicy,
    #[msg("The job is not in the state this needs: it may be taken, committed or revealed already")]
    WrongStatus,
    #[msg("The offer of this job has expired")]
    JobExpired,
    #[msg("The job opened in this very slot: its seed comes with the next one")]
    SeedNotReady,
    #[msg("The device's ticket is not admitted yet: the door opens wider every slot")]
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
    #[msg("The evidence is about something else than this job")]
    EvidenceMismatch,
    #[msg("The evidence shows nothing wrong with the result")]
    NotConvicted,
    #[msg("The referee gave no verdict")]
    NoVerdict,
    #[msg("The compensation goes to a $IO account of the escrow's owner")]
    WrongCompensationAccount,
    #[msg("The reward goes to a $IO account of the challenger")]
    WrongRewardAccount,
    #[msg("The reward belongs to who sealed first, and this evidence was not sealed in an earlier slot")]
    SealNotEarlier,
    #[msg("A job has at most 8 demands open at a time")]
    TooManyDemands,
    #[msg("The job has demands that are not answered: it is paid when they are, or convicted when their time is up")]
    DemandsOpen,
    #[msg("A result has no such part, or the part above it has not been shown yet")]
    InvalidDemand,
    #[msg("The demand asks for something else than this answers")]
    WrongDemand,
    #[msg("The demand is answered already")]
    DemandAnswered,
    #[msg("The next piece of an answer starts where the last one ended, or at 0 to start over")]
    AnswerOutOfOrder,
    #[msg("The answer does not lead to what the worker committed to")]
    AnswerMismatch,
    #[msg("The demand still stands: it closes when its job is gone or convicted")]
    DemandStands,
    #[msg("So much has been demanded of this job that the next demand costs more than offered")]
    DemandTooDear,
    #[msg("A device of the same owner computes another replica of this job")]
    LinkedReplica,
    #[msg("The replicas of a job wait for each other: it cannot be extended")]
    ReplicasNotExtended,
    #[msg("The replicas of this job are blind: reveals are called when all of them have committed or ended")]
    RevealsNotCalled,
    #[msg("The reveals of these replicas are called already")]
    RevealsCalled,
    #[msg("The replicas differ: evidence decides which is wrong")]
    ReplicasDiffer,
    #[msg("Windows end early only when every replica is revealed or convicted, and at least two are revealed")]
    TooFewReplicas,
    #[msg("Whether this result is audited has not been drawn yet")]
    AuditNotDrawn,
    #[msg("An audit is drawn from a slot eight slots after the commitment, once, and only where one may be drawn")]
    AuditNotDue,
    #[msg("An audit of this result is on its way: the worker's time runs when the auditor has committed or is late")]
    AuditRunning,
    #[msg("The audit is not in the state this needs")]
    WrongAudit,
    #[msg("A device of the worker's owner cannot audit it")]
    LinkedAuditor,
    #[msg("The proof does not open the chunks that were drawn in both trees")]
    CustodyMismatch,
    #[msg("The audit still stands: it closes when its job is gone or convicted")]
    AuditStands,
    #[msg("The auditor's payment account must belong to the payout wallet it named and to the escrow's mint")]
    WrongAuditorAccount,
    #[msg("A permit needs a seal, a jackpot and a rate of 1 to 10,000 basis points")]
    InvalidPermit,
    #[msg("This is not the secret that the permit seals, or the permit has been opened")]
    WrongSecret,
    #[msg("This result was not committed to as an error by that permit")]
    NotByPermit,
    #[msg("The first half of the window belongs to who looks: confess in the second")]
    TooEarlyToConfess,
    #[msg("The job at this address is not the one decided on: its terms have changed, look again before claiming")]
    TermsChanged,
    #[msg(
        "The device's permit may excuse this error and add a jackpot: until it is opened, its challenger is paid an hour after the priority"
    )]
    PermitSealed,
}
