//! The staking program, instruction by instruction. Tests are named after the items of the handlers' specifications.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod staking {
    mod add_gpu_model;
    mod answer_call;
    mod bonds;
    mod burn_forfeited;
    mod check_in;
    mod close_device;
    mod co_stake;
    mod convictions;
    mod dues;
    mod emission;
    mod hours;
    mod initialize;
    mod register_device;
    mod rewards;
    mod rotate_device_key;
    mod set_authorities;
    mod set_parameters;
    mod set_paused;
    mod set_payout;
    mod slashes;
    mod stake;
    mod terminate_device;
    mod unstake;
    mod update_gpu_model;
    mod withdraw;
    mod withdraw_overflow;
}
