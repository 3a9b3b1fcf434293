//! Offers, the shares of co-stakers, and their rewards.

use super::{Record, compare, view};
use crate::audit::Books;
use costaking::events::*;
use costaking::{OfferTerms, Parameters, Status};
use solana_address::Address;
use std::collections::BTreeMap;

#[derive(Clone, Default)]
pub struct Replay {
    config: Option<(Address, Address, bool)>,
    parameters: Option<Parameters>,
    offers: BTreeMap<Address, Offer>,
    positions: BTreeMap<Address, Position>,
    exits: BTreeMap<Address, Exit>,
}

#[derive(Clone, Debug, PartialEq)]
struct Offer {
    device: Address,
    owner: Address,
    terms: OfferTerms,
    status: u8,
    shares: u64,
    received: u64,
    paid: u64,
}

#[derive(Clone, Debug, PartialEq)]
struct Position {
    offer: Address,
    holder: Address,
    shares: u64,
    from_hour: u32,
}

#[derive(Clone, Debug, PartialEq)]
struct Exit {
    offer: Address,
    shares: u64,
    cools_at: i64,
    ends_at: i64,
    /// Once it cools down.
    cooling_shares: Option<u64>,
}

impl From<&costaking::Offer> for Offer {
    fn from(offer: &costaking::Offer) -> Self {
        Self {
            device: offer.device,
            owner: offer.owner,
            terms: offer.terms(),
            status: offer.status,
            shares: offer.shares.get(),
            received: offer.received.get(),
            paid: offer.paid.get(),
        }
    }
}

impl From<&costaking::Position> for Position {
    fn from(position: &costaking::Position) -> Self {
        Self {
            offer: position.offer,
            holder: position.holder,
            shares: position.shares.get(),
            from_hour: position.from_hour.get(),
        }
    }
}

impl From<&costaking::Exit> for Exit {
    fn from(exit: &costaking::Exit) -> Self {
        Self {
            offer: exit.offer,
            shares: exit.shares.get(),
            cools_at: exit.cools_at.get(),
            ends_at: exit.ends_at.get(),
            cooling_shares: exit.cooling.get().then_some(exit.cooling_shares.get()),
        }
    }
}

impl Replay {
    /// Applies an event; returns what left the emission by it.
    pub fn apply(&mut self, record: &Record) -> Option<u64> {
        if let Some(event) = record.is::<ConfigChanged>() {
            self.config = Some((event.authority, event.guardian, event.paused));
        } else if let Some(event) = record.is::<ParametersChanged>() {
            assert_eq!(event.before, self.parameters, "the parameters before the change");
            self.parameters = Some(event.after);
        } else if let Some(event) = record.is::<OfferCreated>() {
            let offer = Offer {
                device: event.device,
                owner: event.owner,
                terms: event.terms,
                status: Status::Open as u8,
                shares: 0,
                received: 0,
                paid: 0,
            };
            self.offers.insert(event.offer, offer);
        } else if let Some(event) = record.is::<OfferChanged>() {
            let offer = self.offer(event.offer);
            offer.status = event.status;
            if offer.status == Status::Forced as u8 {
                // All of them cool down.
                offer.shares = 0;
            }
        } else if let Some(event) = record.is::<OfferClosed>() {
            let offer = self.offers.remove(&event.offer).expect("an offer that was created");
            assert!(event.dust >= offer.received - offer.paid, "what was left of the rewards");
        } else if let Some(event) = record.is::<OfferJoined>() {
            let position = Position {
                offer: event.offer,
                holder: event.holder,
                shares: event.shares,
                from_hour: event.from_hour,
            };
            self.positions.insert(event.position, position);
            let offer = self.offer(event.offer);
            assert_eq!(event.total, offer.shares + event.shares, "shares and all shares after the join");
            offer.shares = event.total;
        } else if let Some(event) = record.is::<ExitRequested>() {
            let exit = Exit {
                offer: event.offer,
                shares: event.shares,
                cools_at: event.cools_at,
                ends_at: event.ends_at,
                cooling_shares: None,
            };
            self.exits.insert(event.exit, exit);
            let position = self.positions.get_mut(&event.position).expect("a position of somebody who joined");
            position.shares -= event.shares;
        } else if let Some(event) = record.is::<ExitCooled>() {
            let exit = self.exits.get_mut(&event.exit).expect("an exit that was requested");
            (exit.cooling_shares, exit.ends_at) = (Some(event.cooling_shares), event.ends_at);
            self.offer(event.offer).shares = event.total;
        } else if let Some(event) = record.is::<ExitWithdrawn>() {
            self.exits.remove(&event.exit).expect("an exit that was requested");
            self.offer(event.offer).paid += event.rewards;
        } else if let Some(event) = record.is::<RewardShared>() {
            assert!(event.part <= event.reward, "the co-stakers' part of a reward");
            self.offer(event.offer).received += event.part;
            return Some(event.part);
        } else if let Some(event) = record.is::<RewardsClaimed>() {
            assert_eq!(event.holder, self.positions[&event.position].holder, "who was paid");
            self.offer(event.offer).paid += event.amount;
        } else {
            panic!("an unknown event of the costaking program");
        }
        None
    }

    fn offer(&mut self, address: Address) -> &mut Offer {
        self.offers.get_mut(&address).expect("an offer that was created")
    }

    /// What the accounts say.
    pub fn read(books: &Books) -> Self {
        let config = books.costaking_config.as_ref();
        Self {
            config: config.map(|config| (config.authority, config.guardian, config.paused.get())),
            parameters: config.map(|config| config.parameters()),
            offers: view(&books.offers, |address, offer| (*address, offer.into())),
            positions: view(&books.positions, |address, position| (*address, position.into())),
            exits: view(&books.exits, |address, exit| (*address, exit.into())),
        }
    }

    /// Compares what the events say with what the accounts say.
    pub fn check(&mut self, books: &Books) {
        // No event tells that a position was closed: it has no shares then.
        self.positions
            .retain(|address, position| books.positions.contains_key(address) || position.shares > 0);
        let accounts = Self::read(books);
        assert_eq!(self.config, accounts.config, "the costaking config");
        assert_eq!(self.parameters, accounts.parameters, "parameters of costaking");
        compare("offers", &self.offers, &accounts.offers);
        compare("positions", &self.positions, &accounts.positions);
        compare("exits", &self.exits, &accounts.exits);
    }
}
