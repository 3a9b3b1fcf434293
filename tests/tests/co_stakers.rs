//! Random lives of an offer, compared step by step with a slow model in exact fractions: who was in for which hour, and what that is worth.
//!
//! The offer, the positions, the exits and the device are the programs' own types without a chain, so that thousands of steps take a
//! second. The model has no schedules, logs or indices: it stores the first and last hour of every position, and the reward of every hour.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use costaking::state::hour_of;
use costaking::{Config, Exit, Offer, OfferTerms, Parameters, Position, Status};
use num_bigint::BigInt;
use num_rational::Ratio;
use protocol::costake;
use protocol::math;
use protocol::testing::Rng;
use protocol::units::{Amount, Bps, IO};
use solana_address::Address;
use staking::state::Offering;
use staking::{Device, Parts};
use tests::zeroed;

/// Number of steps in a run, over several lives.
const STEPS: usize = 12_000;
const HOUR: i64 = 3_600;
const MINIMUM: u64 = 400 * IO;

type Exact = Ratio<BigInt>;

fn exact(number: u64) -> Exact {
    Exact::from_integer(number.into())
}

/// Shares, the hours in which they earn, and what they have been paid for them.
struct Held {
    shares: u64,
    from: u32,
    until: Option<u32>,
    /// Exact rewards that were earned and not paid.
    open: Exact,
    /// Number of payments so far: each may lose a base unit to rounding.
    payments: u64,
    kind: Kind,
}

enum Kind {
    In(Box<Position>),
    Out(Box<Exit>),
}

struct Life {
    rng: Rng,
    now: i64,
    config: Config,
    device: Device,
    offer: Offer,
    held: Vec<Held>,
    /// Hours that wait to be distributed, with their rewards.
    waiting: Vec<(u32, u64)>,
    /// Base units that came into and left the device's co-stake, and those that final slashes took.
    flows: [u64; 3],
    /// What a slash has set aside and what is due to it, while it is open.
    slash: Option<(Parts, u64)>,
    distributed: u64,
    /// Whether somebody settles rewards in time. If nobody does, a holder who waits for long loses some, but never gets more.
    watched: bool,
}

impl Life {
    fn new(seed: u64) -> Self {
        let mut config: Config = zeroed();
        config.apply(&Parameters::PUBLISHED).unwrap();
        let mut device: Device = zeroed();
        (device.quantity, device.tier) = (1, 1);
        device.own_stake = MINIMUM.into();
        device.set_offering(Offering::Open as u8).unwrap();
        let rng = Rng::new(seed);
        let terms = OfferTerms {
            capacity: rng.within(1, MINIMUM / 2),
            ticket: 1,
            share_bps: rng.within(500, 10_000) as u16,
        };
        let mut offer: Offer = zeroed();
        let parties = (Address::new_from_array([1; 32]), Address::new_from_array([2; 32]));
        offer.create(parties, 0, &terms, Amount(MINIMUM), &config, (0, 0)).unwrap();
        Self {
            rng,
            now: 1_800_000_000,
            config,
            device,
            offer,
            held: Vec::new(),
            waiting: Vec::new(),
            flows: [0; 3],
            slash: None,
            distributed: 0,
            watched: !seed.is_multiple_of(3),
        }
    }

    fn join(&mut self) {
        let most = self.offer.capacity.get().saturating_sub(self.device.co_stake.get());
        if most == 0 || self.offer.status != Status::Open {
            return;
        }
        if self.slash.is_some() {
            assert!(
                self.device.clone().add_co_stake(1, self.now).is_err(),
                "a join at the price of a slash"
            );
            return;
        }
        // Often dust, to test rounding.
        let amount = if self.rng.within(0, 3) == 0 {
            self.rng.within(1, 3.min(most))
        } else {
            self.rng.within(1, most)
        };
        let mut device = self.device;
        if device.add_co_stake(amount, self.now).is_err() {
            let shares = exact(device.co_cooling_shares.get());
            let bought = exact(device.co_stake.get()) * shares.clone() / exact(device.co_cooling.get());
            assert!(
                bought + shares + exact(1) > exact(costake::MOST_SHARES),
                "a join was refused for no reason"
            );
            return;
        }
        let (terms, assets, all) = (self.offer.terms(), self.device.co_stake.get(), self.offer.shares.get());
        let Ok((shares, from)) = self
            .offer
            .join(amount, &terms, &self.device, Amount(MINIMUM), &self.config, self.now)
        else {
            // Shares are too expensive for this amount, or worth nothing after a slash.
            assert!(
                assets < all || amount * all < assets || all == 0,
                "a join was refused for no reason"
            );
            return;
        };
        self.device = device;
        self.flows[0] += amount;
        // The shares are worth no more than was paid for them.
        let worth = exact(shares) * exact(self.device.co_stake.get()) / exact(self.offer.shares.get());
        assert!(worth <= exact(amount), "a join gained");
        let mut position: Position = zeroed();
        position.shares = shares.into();
        position.from_hour = from.into();
        self.held.push(Held {
            shares,
            from,
            until: None,
            open: exact(0),
            payments: 0,
            kind: Kind::In(Box::new(position)),
        });
    }

    fn leave(&mut self) {
        let positions: Vec<usize> = (0..self.held.len())
            .filter(|at| matches!(self.held[*at].kind, Kind::In(_)))
            .collect();
        if positions.is_empty() || !self.device.forced_at.is_zero() {
            return;
        }
        let at = positions[self.rng.within(0, positions.len() as u64 - 1) as usize];
        let held = &mut self.held[at];
        let Kind::In(position) = &mut held.kind else { unreachable!() };
        let shares = if self.rng.within(0, 1) == 0 {
            held.shares
        } else {
            self.rng.within(1, held.shares)
        };
        position.settle(&self.offer);
        position.take(shares).unwrap();
        let mut exit: Exit = zeroed();
        // Sharing stops with the current hour, or with the owner's exit, but not before it began.
        let stops = match self.offer.forced_at.get() {
            0 => self.now,
            at => at,
        };
        let until = u32::try_from(stops / HOUR).unwrap().max(held.from);
        if self.offer.forced_at.is_zero() {
            let said = self.offer.leave(shares, held.from, &self.device, self.now).unwrap();
            exit.request(position, shares, said, (self.now + 7 * 86_400, self.now + 21 * 86_400), 0);
        } else {
            let end = self.offer.forced_at.get() + 14 * 86_400;
            let said = self.offer.leave_forced(held.from).unwrap();
            exit.request(position, shares, said, (0, end), 0);
            exit.cool(self.offer.take_forced(shares).unwrap(), end).unwrap();
        }
        exit.settle(&self.offer).unwrap();
        // The exit takes along what its shares have earned.
        let part = held.open.clone() * exact(shares) / exact(held.shares);
        held.open -= part.clone();
        held.shares -= shares;
        let (from, payments) = (held.from, held.payments);
        if held.shares == 0 {
            self.held.remove(at);
            self.offer.release().unwrap();
        }
        self.held.push(Held {
            shares,
            from,
            until: Some(until),
            open: part,
            payments,
            kind: Kind::Out(Box::new(exit)),
        });
    }

    fn cool(&mut self) {
        for held in &mut self.held {
            let Kind::Out(exit) = &mut held.kind else { continue };
            if exit.cooling.get() || !self.device.forced_at.is_zero() {
                continue;
            }
            if !self.offer.forced_at.is_zero() {
                let cooling = self.offer.take_forced(exit.shares.get()).unwrap();
                exit.cool(cooling, self.offer.forced_at.get() + 14 * 86_400).unwrap();
            } else if !self.device.aside.is_zero() {
                assert!(self.device.clone().cool_co_stake(1).is_err(), "a cooldown at the price of a slash");
            } else if self.now >= exit.cools_at.get() {
                let worth = exact(exit.shares.get()) * exact(self.device.co_stake.get()) / exact(self.offer.shares.get());
                let amount = self.offer.take_out(exit.shares.get(), self.device.co_stake.get()).unwrap();
                assert!(
                    exact(amount) <= worth && exact(amount + 1) > worth,
                    "a leaver got something else than its share"
                );
                let shares = self.device.cool_co_stake(amount).unwrap();
                let bought = exact(shares) * exact(self.device.co_cooling.get()) / exact(self.device.co_cooling_shares.get().max(1));
                assert!(
                    bought <= exact(amount) && bought + exact(1) > exact(amount),
                    "an exit is worth something else in the cooldown"
                );
                exit.cool(shares, i64::MAX).unwrap();
            }
        }
    }

    fn withdraw(&mut self) {
        for at in (0..self.held.len()).rev() {
            if self.held[at].open_hours(&self.waiting) {
                continue;
            }
            let Kind::Out(exit) = &mut self.held[at].kind else { continue };
            if exit.check_over(self.now).is_err() {
                continue;
            }
            exit.settle(&self.offer).unwrap();
            let (shares, all) = (exit.cooling_shares.get(), self.device.co_cooling_shares.get());
            let worth = match all {
                0 => exact(0),
                all => exact(shares) * exact(self.device.co_cooling.get()) / exact(all),
            };
            let rewards = exit.rewards.get();
            let amount = self.device.withdraw_co_stake(shares).unwrap();
            let last = all == shares;
            assert!(exact(amount) <= worth || last, "a leaver got more than its share");
            self.flows[1] += amount;
            let held = self.held.remove(at);
            self.check_paid(&held, rewards);
            self.offer.pay(rewards).unwrap();
            self.offer.release().unwrap();
        }
    }

    fn claim(&mut self) {
        for at in 0..self.held.len() {
            if self.rng.within(0, 2) > 0 {
                continue;
            }
            let Kind::In(position) = &mut self.held[at].kind else { continue };
            let rewards = position.claim(&self.offer);
            self.check_paid(&self.held[at], rewards);
            self.offer.pay(rewards).unwrap();
            let held = &mut self.held[at];
            held.open -= exact(rewards);
            held.payments += 1;
        }
    }

    /// A payment is never above the exact fraction, and below it by at most one base unit for every payment, split and hour.
    fn check_paid(&self, held: &Held, rewards: u64) {
        assert!(exact(rewards) <= held.open, "somebody was paid {rewards} of {}", held.open);
        if !self.watched {
            return;
        }
        let slack = exact(held.payments + 6) + Exact::new(self.distributed.into(), 1_000.into());
        assert!(exact(rewards) + slack >= held.open, "somebody was paid {rewards} of {}", held.open);
    }

    /// An hour passes, and the device mostly checks in.
    fn tick(&mut self) {
        let hours = if self.rng.within(0, 59) == 0 {
            self.rng.within(1, 400) as i64
        } else {
            1
        };
        self.now += hours * HOUR;
        let over = hour_of(self.now).unwrap() - 1;
        if !self.device.cooling.is_zero() && self.now >= self.device.cooldown_ends.get() {
            // The owner is back, while some of its co-stakers have done nothing.
            self.device.withdraw(self.now).unwrap();
            self.device.own_stake = MINIMUM.into();
        }
        if self.device.has_room() && over > self.device.last_hour.get() && self.rng.within(0, 9) > 0 && !self.device.own_stake.is_zero() {
            self.device.last_hour = over.into();
            let score = 1;
            self.device.expect_reward(over, 1, score).unwrap();
            self.waiting.push((over, self.rng.within(0, 50 * IO)));
        }
    }

    fn distribute(&mut self) {
        if self.waiting.is_empty() || !self.device.forced_at.is_zero() || self.offer.status == Status::Ended {
            return;
        }
        let (hour, reward) = self.waiting.remove(0);
        let (shares, earning) = self.offer.earning(hour, &self.device);
        let naive: u64 = self.held.iter().filter(|held| held.earns(hour)).map(|held| held.shares).sum();
        assert_eq!(shares, naive, "shares of hour {hour}");
        let part = self.offer.part(reward, earning);
        let share = exact(u64::from(self.offer.share_bps.get())) / exact(10_000);
        let full = exact(reward) * share * exact(earning.0.min(self.offer.capacity.get())) / exact(self.offer.capacity.get());
        assert!(
            exact(part) <= full && exact(part + 2) > full,
            "co-stakers got something else than their part"
        );
        let before = self.offer.reward_index.get();
        self.offer.distribute(hour, part, shares).unwrap();
        assert!(self.offer.reward_index.get() >= before, "the index fell");
        self.device.collect_reward(hour, |_, _| Ok(reward - part)).unwrap();
        self.distributed += 1;
        for held in self.held.iter_mut().filter(|held| held.earns(hour)) {
            held.open += exact(part) * exact(held.shares) / exact(shares);
        }
    }

    /// Settles positions and exits from the log.
    fn settle(&mut self) {
        for held in self.held.iter_mut().filter(|_| self.watched) {
            match &mut held.kind {
                Kind::In(position) => position.settle(&self.offer),
                Kind::Out(exit) => exit.settle(&self.offer).unwrap(),
            };
        }
    }

    /// A slash is approved, or decided: everybody in loses the same share at once, and may get it back.
    fn slash(&mut self) {
        if self.slash.is_some() {
            if self.rng.within(0, 2) == 0 {
                self.decide();
            }
        } else if self.rng.within(0, 9) == 0 {
            // The owner's stake is taken first, and it is most of the stake.
            let share = self.rng.within(6_000, 11_000).min(10_000);
            self.slash = self.device.set_aside(Bps::new(share as u16).unwrap()).ok();
        }
    }

    fn decide(&mut self) {
        let Some((parts, due)) = self.slash.take() else {
            return;
        };
        let co = |device: &Device| device.co_stake.get() + device.co_cooling.get();
        let (before, aside) = (co(&self.device), parts.co + parts.co_cooling);
        if due == 0 && self.rng.within(0, 2) == 0 {
            self.device.uphold(&parts).unwrap();
        } else {
            self.device.return_aside(&parts, due, self.now, 14 * 86_400).unwrap();
        }
        self.flows[2] += before + aside - co(&self.device);
        if self.device.own_stake.is_zero() && self.device.cooling.is_zero() {
            self.device.own_stake = MINIMUM.into();
        }
    }

    /// The owner's stake, or a part of it, is locked for a job, or the job ends.
    fn work(&mut self) {
        let own = self.device.own_stake.get();
        if !self.device.open_jobs.is_zero() {
            self.device.release_bond(self.device.locked_bond.get()).unwrap();
            if let Some((parts, due)) = self.slash.as_mut().filter(|(_, due)| *due > 0) {
                let (taken, left) = self.device.set_aside_due(*due).unwrap();
                assert_eq!((taken, left), (*due, 0), "what was due is not there");
                (parts.own, *due) = (parts.own + taken, left);
            }
        } else if own > 0 && self.device.dues == 0 {
            (self.device.locked_bond, self.device.open_jobs) = (self.rng.within(1, own).into(), 1.into());
        }
    }

    /// The owner exits, and the offer records it.
    fn force(&mut self) {
        let free = self.slash.is_none() && self.device.open_jobs.is_zero();
        if !free || self.offer.status != Status::Open || self.rng.within(0, 100) > 0 {
            return;
        }
        self.offer.status = Status::Closed as u8;
        self.device.set_offering(Offering::Closed as u8).unwrap();
        self.device.unstake(self.now, 14 * 86_400).unwrap();
        if !self.device.forced_at.is_zero() {
            self.offer.force(&self.device, self.now).unwrap();
            self.device.take_forced().unwrap();
            let at = hour_of(self.offer.forced_at.get()).unwrap();
            for held in &mut self.held {
                held.until = Some(held.until.unwrap_or(u32::MAX).min(at.max(held.from)));
            }
        }
    }

    fn check(&self) {
        let [came, went, slashed] = self.flows;
        let aside = self.slash.map_or(0, |(parts, _)| parts.co + parts.co_cooling);
        let held = self.device.co_stake.get() + self.device.co_cooling.get() + aside;
        assert_eq!(came, went + slashed + held, "co-stake appeared or vanished");
        self.device.invariant().unwrap();
        self.offer.invariant().unwrap();
        let [set_aside, waits] = [
            self.slash.map_or(0, |(parts, _)| parts.sum().unwrap()),
            self.slash.map_or(0, |(_, due)| due),
        ];
        assert_eq!(self.device.aside.get(), set_aside, "set aside for no slash");
        assert_eq!(self.device.dues, u8::from(waits > 0), "waits for no slash");
        assert!(
            self.device.co_stake <= self.offer.shares || !self.offer.forced_at.is_zero(),
            "a share is worth more than a base unit"
        );
        let claims: u64 = self
            .held
            .iter()
            .map(|held| match &held.kind {
                Kind::In(position) => Position::claim(&mut (**position).clone(), &self.offer),
                Kind::Out(exit) => {
                    let mut exit = **exit;
                    exit.settle(&self.offer).unwrap();
                    exit.rewards.get()
                }
            })
            .sum();
        assert!(
            claims <= self.offer.received.get() - self.offer.paid.get(),
            "more is promised than there is"
        );
    }

    fn step(&mut self) {
        match self.rng.within(0, 13) {
            0 | 1 => self.join(),
            2 => self.leave(),
            3 => self.cool(),
            4 => self.withdraw(),
            5 => self.claim(),
            6 => self.settle(),
            7..=10 => {
                self.tick();
                self.distribute();
            }
            11 => self.distribute(),
            12 => self.work(),
            _ => {
                self.slash();
                self.force();
            }
        }
        self.check();
    }

    /// Everybody leaves: nobody can be kept in, and only dust is left.
    fn end(&mut self) {
        self.decide();
        while !self.waiting.is_empty() {
            self.distribute();
        }
        while self.held.iter().any(|held| matches!(held.kind, Kind::In(_))) {
            self.leave();
        }
        for _ in 0..3 {
            self.now += 21 * 86_400;
            self.cool();
            self.withdraw();
        }
        self.check();
        assert_eq!((self.held.len(), self.offer.holders.get()), (0, 0), "somebody was kept");
        assert_eq!(
            (self.device.co_stake.get(), self.device.co_cooling.get()),
            (0, 0),
            "stake was left behind"
        );
    }
}

impl Held {
    fn earns(&self, hour: u32) -> bool {
        self.from <= hour && self.until.is_none_or(|until| hour < until)
    }

    /// Whether an hour in which it earned still waits, so that it will be owed more than it could be paid now.
    fn open_hours(&self, waiting: &[(u32, u64)]) -> bool {
        waiting.iter().any(|(hour, _)| self.earns(*hour))
    }
}

#[test]
fn an_offer_matches_exact_fractions() {
    let (mut steps, mut seed) = (0, 20_261_125);
    while steps < STEPS {
        println!("seed {seed}");
        let mut life = Life::new(seed);
        for _ in 0..600 {
            life.step();
            steps += 1;
        }
        life.end();
        seed += 1;
    }
}

/// Nobody who has joined is kept from the cooldown, however often slashes cut what is in it, and whichever of them are overturned, in any
/// order, even with amounts chosen for their rounding. Nor does an exit lose more to the others than the rounding of each slash.
#[test]
fn whoever_has_joined_can_cool_down() {
    let rng = Rng::new(20_261_129);
    let mut refused = 0;
    for _ in 0..1_000 {
        let (mut device, mut open, mut slashes) = (offering(), Vec::new(), 0);
        for _ in 0..60 {
            let small = |most: u64| rng.within(1, (most >> rng.within(0, 56)).max(1));
            match rng.within(0, 6) {
                0 => {
                    let (mut joined, amount) = (device, rng.within(1, 1 << rng.within(0, 56)));
                    match joined.add_co_stake(amount, 0) {
                        Ok(()) => device = joined,
                        Err(_) => refused += 1,
                    }
                }
                1 if !device.co_stake.is_zero() && open.is_empty() => {
                    let amount = small(device.co_stake.get());
                    cool(&mut device, amount, slashes);
                }
                2 if !device.co_cooling_shares.is_zero() => {
                    device.withdraw_co_stake(small(device.co_cooling_shares.get())).unwrap();
                }
                3 | 4 => {
                    let share = Bps::new(rng.within(1, 10_000) as u16).unwrap();
                    let share = if rng.within(0, 1) == 0 { share } else { Bps::new(10_000).unwrap() };
                    let Ok((parts, _)) = device.set_aside(share) else { continue };
                    open.push(parts);
                    slashes += 1;
                }
                _ if !open.is_empty() => {
                    let parts = open.swap_remove(rng.within(0, open.len() as u64 - 1) as usize);
                    match rng.within(0, 1) {
                        0 => device.return_aside(&parts, 0, 0, 0).unwrap(),
                        _ => drop(device.uphold(&parts).unwrap()),
                    }
                }
                _ => {}
            }
            device.invariant().unwrap();
            if open.is_empty() {
                let mut all = device;
                cool(&mut all, device.co_stake.get(), slashes);
            }
        }
    }
    assert!(refused > 100, "slashes were never deep enough to matter: {refused}");
}

/// Slashes too small to take a base unit of the cooling pool are open together with one of everything, and are overturned: the active pool
/// is restored, but next to nothing is left in the cooling pool. Then all active stake would buy more shares than 64 bits hold.
#[test]
fn what_rounding_takes_of_slashes_that_are_open_at_once_keeps_nobody() {
    let rng = Rng::new(20_261_130);
    let mut scarce = 0;
    for _ in 0..1_000 {
        let mut device = offering();
        let (active, pool) = (rng.within(1 << 20, 1 << 56), rng.within(10, 2_000));
        // As many slashes as may be open when the last co-staker joins.
        let shares = math::mul_div_floor(costake::MOST_SHARES - 1, pool, active + pool).unwrap();
        (device.co_stake, device.co_cooling, device.co_cooling_shares) = (active.into(), pool.into(), shares.into());
        let mut slash = |bps| device.set_aside(Bps::new(bps as u16).unwrap()).unwrap().0;
        let small: Vec<_> = (0..rng.within(1, 20)).map(|_| slash(10_000 / pool)).collect();
        let all = slash(10_000);
        device.uphold(&all).unwrap();
        for parts in &small {
            device.return_aside(parts, 0, 0, 0).unwrap();
        }
        let (stake, left) = (device.co_stake.get(), device.co_cooling.get());
        let wanted = exact(stake) * exact(shares) / exact(left) + exact(shares);
        scarce += usize::from(wanted > exact(u64::MAX));
        while !device.co_stake.is_zero() {
            let amount = rng.within(1, device.co_stake.get());
            cool(&mut device, amount, small.len() as u64);
        }
    }
    assert!(scarce > 500, "there were shares enough: {scarce}");
}

/// A device of one GPU whose offer is open.
fn offering() -> Device {
    let mut device: Device = zeroed();
    (device.quantity, device.tier) = (1, 1);
    device.set_offering(Offering::Open as u8).unwrap();
    device
}

/// Starts an exit's cooldown and checks that it keeps its worth, less at most one base unit for each of `slashes`, and one more.
fn cool(device: &mut Device, amount: u64, slashes: u64) {
    let shares = device.cool_co_stake(amount).expect("somebody is kept");
    let worth = costake::worth(shares, device.co_cooling_shares.get(), Amount(device.co_cooling.get())).0;
    assert!(worth + slashes + 1 >= amount, "{amount} were worth {worth} in the cooldown");
}
