//! Co-staking.

use crate::Bench;
use chain::market;
use chain::market::{costake, reward};
use protocol::units::IO;
use solana_signer::Signer;
use tests::OFFER;

impl Bench {
    /// An offer from its start to its end, with one co-staker, one shared hour and an owner that exits.
    pub fn co_staking(&mut self) {
        let admin = self.world.admin.clone();
        let authority = admin.pubkey();
        let published = costaking::Parameters::PUBLISHED;
        self.measure("set_parameters", costake::set_parameters(&authority, published), &[&admin]);
        self.measure(
            "set_authorities",
            costake::set_authorities(&authority, &authority, &authority),
            &[&admin],
        );
        self.measure("set_paused", costake::set_paused(&authority, false), &[&admin]);
        let alice = self.world.worker("an owner");
        let carol = self.world.co_staker("a co-staker");
        self.wallets.push(("owner", alice.wallet()));
        self.wallets.push(("co-staker", carol.address()));
        self.world.wait((3_600 - self.world.now().unix % 3_600) as u32);
        // The hours in which no device was present.
        while self.world.books().emission.unwrap().next_hour.get() < self.world.hour() {
            let hour = self.world.books().emission.unwrap().next_hour.get();
            self.world.send(reward::skip(hour), &[]);
        }
        let (offer, wallet) = (costake::offer(&alice.device, 0), carol.wallet.clone());
        self.measure("create_offer", self.world.offering(&alice, 0, OFFER), &[&alice.owner]);
        self.measure("join_offer", self.world.joining(&carol, &offer, 0, 100 * IO), &[&wallet]);
        let stake = self.world.join(&carol, &offer, 1, 100 * IO);
        self.world.live(&[&alice]);
        let hour = self.world.live(&[&alice]);
        self.world.draw(hour);
        self.world.settle_and_collect(&[&alice], hour - 3_600);
        self.world.check_in(&alice, hour);
        self.world.go_to_second(hour, 7_200);
        self.world.send(reward::settle(hour, [0]), &[]);
        self.world.send(stake.leaving(0, 10 * IO), &[&wallet]);
        self.measure("distribute", costake::distribute(&alice.device, &offer, hour, 0), &[]);
        self.measure("settle_position", costake::settle_position(&offer, &stake.position), &[]);
        self.measure("settle_exit", costake::settle_exit(&offer, &stake.exit(0)), &[]);
        self.measure("claim_position", stake.claiming(), &[&wallet]);
        self.measure("request_exit", stake.leaving(1, 90 * IO), &[&wallet]);
        self.world.wait(7 * 86_400);
        self.world.send(stake.cooling(0), &[]);
        self.measure("cool_exit", stake.cooling(1), &[]);
        self.world.wait(14 * 86_400);
        self.measure("withdraw_exit", stake.withdrawing(0), &[&wallet]);
        self.world.send(stake.withdrawing(1), &[&wallet]);
        let close = stake.closing_by(&carol.address());
        self.measure("close_position", close, &[&wallet]);
        let (owner, device) = (alice.wallet(), alice.device);
        self.measure("retract_offer", costake::retract(&owner, &device, &offer), &[&alice.owner]);
        self.world.send(market::stake::unstake(&owner, &device), &[&alice.owner]);
        self.measure("force_exit", costake::force(&device, &offer), &[]);
        self.measure("end_offer", costake::end(&owner, &device, &offer), &[&alice.owner]);
        let first = tests::Stake {
            position: costake::position(&offer, &carol.address(), 0),
            ..stake
        };
        self.world.send(first.leaving(0, 100 * IO), &[&wallet]);
        self.world.wait(14 * 86_400);
        self.world.send(first.withdrawing(0), &[&wallet]);
        let close = first.closing_by(&carol.address());
        self.world.send(close, &[&wallet]);
        self.measure("close_offer", costake::close(&owner, &offer, &alice.tokens), &[]);
    }
}
