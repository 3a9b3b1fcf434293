//! The jobs program, instruction by instruction. Tests are named after the items of the handlers' specifications.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod jobs {
    mod agree_replicas;
    mod answer_chunk;
    mod answer_ops;
    mod answer_page;
    mod answer_units;
    mod append_ops;
    mod audits;
    mod award;
    mod bonds;
    mod call_reveals;
    mod cancel_job;
    mod checkpoints;
    mod claim_audit;
    mod claim_job;
    mod claim_replica;
    mod close_demand;
    mod close_escrow;
    mod commit_audit;
    mod commit_result;
    mod convict;
    mod convict_silence;
    mod create_draft;
    mod demands;
    mod deposit;
    mod discard_draft;
    mod draw_audit;
    mod end_audit;
    mod expire_job;
    mod extend_job;
    mod initialize;
    mod open_demand;
    mod open_escrow;
    mod open_job;
    mod overtake;
    mod permits;
    mod prove_custody;
    mod replicas;
    mod restart;
    mod reveal_audit;
    mod reveal_result;
    mod seal_model;
    mod set_authorities;
    mod set_parameters;
    mod set_paused;
    mod settle_job;
    mod sweep_fees;
    mod timeout_job;
    mod withdraw;
}
