//! The governance program. Tests are named after the items of the handlers' specifications.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod governance {
    mod admin;
    mod execution;
    mod proposals;
    mod random;
    mod settings;
    mod votes;

    use chain::market::stake;
    use solana_instruction::Instruction;
    use solana_keypair::Keypair;
    use std::sync::Arc;
    use tests::{Proposer, Worker, World};

    pub const DAY: i64 = 86_400;
    pub const YES: u8 = 0;
    pub const NO: u8 = 1;
    pub const ABSTAIN: u8 = 2;
    pub const VETO: u8 = 3;

    /// A world under governance, with three devices of 1,000 $IO each and a proposer. A tenth of what circulates is less than one device's
    /// stake.
    pub struct House {
        pub world: World,
        pub guardian: Arc<Keypair>,
        pub proposer: Proposer,
        pub alice: Worker,
        pub bob: Worker,
        pub carol: Worker,
    }

    impl House {
        pub fn new() -> Self {
            let mut world = World::new();
            let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| world.worker(name));
            let proposer = world.proposer("paul");
            // Stake younger than a week has no vote.
            world.wait(protocol::ballot::MIN_AGE);
            let guardian = world.govern();
            Self {
                world,
                guardian,
                proposer,
                alice,
                bob,
                carol,
            }
        }
    }

    /// An instruction that changes staking's probation, which governance may do.
    pub fn change(probation: u32) -> Instruction {
        let changes = staking::ParameterChanges {
            probation: Some(probation),
            ..Default::default()
        };
        stake::set_parameters(&chain::market::govern::authority(), changes)
    }
}
