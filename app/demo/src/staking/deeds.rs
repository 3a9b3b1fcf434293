//! Carries out the deeds of the story, as transactions.

use super::market::Market;
use super::report::rounded;
use super::story::{DAY, Deed, Name, SUPPLIERS};
use anyhow::{Context, Result};
use chain::market::{self, costake};
use protocol::units::{Amount, Bps};
use staking::Parameters;
use tests::{Stake, Worker};

/// Days of a cooldown.
const COOLDOWN: u32 = Parameters::PUBLISHED.cooldown / 86_400;

impl Market {
    /// Carries out a deed, reports it, and enters its consequences into the agenda.
    pub(crate) fn carry_out(&mut self, deed: Deed) -> Result<()> {
        let told = match deed {
            Deed::Arrive(who) => {
                let supplier = SUPPLIERS.iter().find(|supplier| supplier.name == who);
                let supplier = supplier.with_context(|| format!("the cast has no {who}"))?;
                self.arrive(supplier, self.hour + 1)?;
                let gpus = &self.device(who)?.gpus;
                format!("{who} registers {gpus} and stakes {}", rounded(supplier.stake))
            }
            Deed::Offer(who, terms) => {
                let worker = self.worker(who)?;
                let offer = self.world.offer(&worker, terms);
                self.device(who)?.offer = Some(offer);
                let share = f64::from(terms.share_bps) / 100.0;
                format!(
                    "{who} offers {share} % of its rewards for up to {} of co-stake",
                    rounded(terms.capacity)
                )
            }
            Deed::Join(who, with, amount) => self.join(who, with, amount)?,
            Deed::Fill(who, with) => {
                let device = self.worker(with)?.device;
                let co_stake = self.world.device(&device).co_stake.get();
                let room = self.offer_of(with)?.capacity.get().saturating_sub(co_stake);
                self.join(who, with, room)?
            }
            Deed::Leave(who, with, percent) => self.leave(who, with, percent)?,
            Deed::Cool(who, with, exit) => {
                let stake = self.stake_of(who, with)?;
                self.world.send(stake.cooling(exit), &[]);
                format!("{who}'s exit from {with}'s offer starts to cool down")
            }
            Deed::TakeOut(who, with, exit) => self.take_out(who, with, exit)?,
            Deed::Unstake(who) => self.unstake(who)?,
            Deed::Withdraw(who) => self.withdraw(who)?,
            Deed::StakeAgain(who, amount) => {
                self.stake(who, amount, self.hour + 1)?;
                format!("{who} is back with a stake of {}", rounded(amount))
            }
            Deed::Retire(who) => self.retire(who)?,
            Deed::Ignore(who, hours) => {
                let until = self.hour + hours;
                self.device(who)?.ignores_until = until;
                format!("{who}'s worker hangs: for {hours} hours it answers no call")
            }
            Deed::SwitchOff(who, hours) => {
                let until = self.hour + hours;
                self.device(who)?.off_until = until;
                format!("{who}'s machine is off for {hours} hours")
            }
            Deed::Propose(whose, reason, share_bps) => self.propose(whose, reason, share_bps)?,
            Deed::Approve(whose) => self.approve(whose)?,
            Deed::Appeal(whose) => self.appeal(whose)?,
            Deed::Overturn(whose) => self.overturn(whose)?,
            Deed::Finish(whose) => match self.finish(whose)? {
                Some(told) => told,
                None => return Ok(()),
            },
        };
        self.tell(told);
        Ok(())
    }

    fn join(&mut self, who: Name, with: Name, amount: u64) -> Result<String> {
        let holder = self.co_stakers.get(who).cloned();
        let holder = holder.with_context(|| format!("the cast has no {who}"))?;
        let offer = self.device(with)?.offer.with_context(|| format!("{with} has no offer to join"))?;
        let stake = self.world.join(&holder, &offer, 0, amount);
        self.stakes.insert((who, with), stake);
        self.wallet(who)?.staked += amount;
        let device = self.worker(with)?.device;
        let (all, capacity) = (self.world.device(&device).co_stake.get(), self.offer_of(with)?.capacity.get());
        let filled = if all == capacity { "which is full" } else { "which has room left" };
        Ok(format!("{who} joins {with}'s offer with {}, {filled}", rounded(amount)))
    }

    /// Claims rewards first, since an exit is paid only once it has cooled down.
    fn leave(&mut self, who: Name, with: Name, percent: u64) -> Result<String> {
        self.claim_shared(who, with)?;
        let stake = self.stake_of(who, with)?;
        let books = self.world.books();
        let position = books.positions.get(&stake.position).context("a position is gone")?;
        let (number, all) = (position.exits.get(), position.shares.get());
        let shares = Amount(all).share_floor(Bps::saturating(u16::try_from(percent * 100)?)).0;
        self.world.send(stake.leaving(number, shares), &[&stake.holder.wallet]);
        let books = self.world.books();
        let exit = books.exits.get(&stake.exit(number)).context("an exit is missing")?;
        let out = self.hour_from(exit.ends_at.get())?;
        let told = if exit.cooling.get() {
            format!("{who}'s stake with {with} cools down already, because the owner has unstaked")
        } else {
            let wait = self.hour_from(exit.cools_at.get())?;
            self.agenda.enter(wait, Deed::Cool(who, with, number));
            let (wait, cooldown) = ((wait - self.hour) / DAY, (out - wait) / DAY);
            format!(
                "{who} requests an exit of {percent} % from {with}'s offer: it backs the device for {wait} days, then cools down for {cooldown}"
            )
        };
        self.agenda.enter(out, Deed::TakeOut(who, with, number));
        Ok(told)
    }

    fn take_out(&mut self, who: Name, with: Name, exit: u32) -> Result<String> {
        let stake = self.stake_of(who, with)?;
        let paid = self.offer_of(with)?.paid.get();
        let came = self.received(&stake.holder.tokens, stake.withdrawing(exit), &stake.holder.wallet)?;
        let rewards = self.offer_of(with)?.paid.get() - paid;
        let returned = came.checked_sub(rewards).context("an exit paid less than its rewards")?;
        self.reward(who, rewards)?;
        self.wallet(who)?.returned += returned;
        Ok(format!(
            "{who} withdraws {} of stake and {} of rewards from {with}'s offer",
            rounded(returned),
            rounded(rewards)
        ))
    }

    /// Retracts the supplier's offer, if it has one, and has the offer record the exit at once.
    fn unstake(&mut self, who: Name) -> Result<String> {
        let worker = self.worker(who)?;
        let offer = self.device(who)?.offer;
        let retract = offer.map(|offer| costake::retract(&worker.wallet(), &worker.device, &offer));
        let unstake = market::stake::unstake(&worker.wallet(), &worker.device);
        let force = offer.map(|offer| costake::force(&worker.device, &offer));
        let all: Vec<_> = retract.into_iter().chain([unstake]).chain(force).collect();
        self.world.send_all(&all, &[&worker.owner]);
        self.device(who)?.since = None;
        self.agenda.enter(self.hour + COOLDOWN * DAY, Deed::Withdraw(who));
        let device = self.world.device(&worker.device);
        let (own, with_it) = (device.cooling.get(), device.co_cooling.get());
        Ok(match with_it {
            0 => format!("{who} unstakes {}: it cools down for {COOLDOWN} days", rounded(own)),
            _ => format!(
                "{who} unstakes {}, which takes all co-stakers along: {} of co-stake cool down",
                rounded(own),
                rounded(with_it)
            ),
        })
    }

    fn withdraw(&mut self, who: Name) -> Result<String> {
        let worker = self.worker(who)?;
        let withdraw = market::stake::withdraw(&worker.wallet(), &worker.device, &worker.tokens);
        let returned = self.received(&worker.tokens, withdraw, &worker.owner)?;
        self.wallet(who)?.returned += returned;
        if let Some(offer) = self.device(who)?.offer {
            self.world
                .send(costake::end(&worker.wallet(), &worker.device, &offer), &[&worker.owner]);
        }
        Ok(format!("{who} withdraws {} that have cooled down", rounded(returned)))
    }

    fn retire(&mut self, who: Name) -> Result<String> {
        self.claim_rewards(who)?;
        let worker = self.worker(who)?;
        let close = [
            market::stake::terminate_device(&worker.wallet(), &worker.device),
            market::stake::close_device(&worker.wallet(), &worker.device, &worker.tokens),
        ];
        self.world.send_all(&close, &[&worker.owner]);
        self.device(who)?.closed = true;
        Ok(format!("{who} retires its device and closes its account"))
    }

    pub(crate) fn worker(&mut self, who: Name) -> Result<Worker> {
        Ok(self.device(who)?.worker.clone())
    }

    fn stake_of(&self, who: Name, with: Name) -> Result<Stake> {
        let stake = self.stakes.get(&(who, with)).cloned();
        stake.with_context(|| format!("{who} has nothing with {with}; the plot needs it to join earlier"))
    }

    fn offer_of(&mut self, who: Name) -> Result<costaking::Offer> {
        let address = self.device(who)?.offer.with_context(|| format!("{who} has no offer"))?;
        self.world.books().offers.get(&address).copied().context("an offer is gone")
    }
}
