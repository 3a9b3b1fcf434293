//! Co-stakers: offers, joining them, and leaving them.

use crate::parties::Worker;
use crate::world::World;
use chain::market::costake;
use costaking::OfferTerms;
use protocol::units::IO;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::sync::Arc;

/// Terms of the kit's offers: half of a device's minimum stake, in tickets of 10 $IO, for 40 % of the rewards.
pub const OFFER: OfferTerms = OfferTerms {
    capacity: 200 * IO,
    ticket: 10 * IO,
    share_bps: 4_000,
};

/// A wallet with $IO to co-stake.
#[derive(Clone)]
pub struct CoStaker {
    /// The wallet.
    pub wallet: Arc<Keypair>,
    /// Its $IO account.
    pub tokens: Address,
}

impl CoStaker {
    /// The wallet's address.
    pub fn address(&self) -> Address {
        self.wallet.pubkey()
    }
}

/// A co-staker's position in an offer.
#[derive(Clone)]
pub struct Stake {
    /// The co-staker.
    pub holder: CoStaker,
    /// The offer's device.
    pub device: Address,
    /// The offer.
    pub offer: Address,
    /// The position's account.
    pub position: Address,
}

impl Stake {
    /// Requests an exit of these shares, as the position's exit with this number.
    pub fn leaving(&self, number: u32, shares: u64) -> Instruction {
        costake::request_exit(&self.holder.address(), &self.device, &self.offer, &self.position, number, shares)
    }

    /// Address of the position's exit with this number.
    pub fn exit(&self, number: u32) -> Address {
        costake::exit(&self.position, number)
    }

    /// Starts the cooldown of an exit.
    pub fn cooling(&self, number: u32) -> Instruction {
        costake::cool(&self.device, &self.offer, &self.exit(number))
    }

    /// Pays out an exit, called by the holder.
    pub fn withdrawing(&self, number: u32) -> Instruction {
        self.withdrawing_by(&self.holder.address(), number)
    }

    /// Pays out an exit, called by `caller`.
    pub fn withdrawing_by(&self, caller: &Address, number: u32) -> Instruction {
        let holder = &self.holder;
        costake::withdraw(
            caller,
            &holder.address(),
            &self.device,
            &self.offer,
            &self.exit(number),
            &holder.tokens,
        )
    }

    /// Closes the position, called by `caller`.
    pub fn closing_by(&self, caller: &Address) -> Instruction {
        costake::close_position(caller, &self.holder.address(), &self.offer, &self.position)
    }

    /// Pays the position's rewards.
    pub fn claiming(&self) -> Instruction {
        costake::claim(&self.holder.address(), &self.offer, &self.position, &self.holder.tokens)
    }
}

impl World {
    /// A co-staker with 1,000 $IO.
    pub fn co_staker(&mut self, name: &str) -> CoStaker {
        self.co_staker_with(name, 1_000 * IO)
    }

    /// A co-staker with this many base units of $IO.
    pub fn co_staker_with(&mut self, name: &str, tokens: u64) -> CoStaker {
        let (wallet, io) = (self.wallet(name), self.io);
        let tokens = self.give_tokens(&wallet.pubkey(), &io, tokens);
        CoStaker { wallet, tokens }
    }

    /// The instruction that opens an offer for a device.
    pub fn offering(&self, worker: &Worker, index: u32, terms: OfferTerms) -> Instruction {
        let gpu = self.device(&worker.device).gpu_model.get();
        costake::create(&worker.wallet(), &worker.device, gpu, &self.io, index, terms)
    }

    /// Opens an offer; returns its address.
    #[track_caller]
    pub fn offer(&mut self, worker: &Worker, terms: OfferTerms) -> Address {
        let index = self.books().offers.values().filter(|offer| offer.device == worker.device).count() as u32;
        let create = self.offering(worker, index, terms);
        self.send(create, &[&worker.owner]);
        costake::offer(&worker.device, index)
    }

    /// The instruction by which a co-staker joins an offer on its present terms.
    pub fn joining(&self, holder: &CoStaker, offer: &Address, id: u32, amount: u64) -> Instruction {
        let books = self.books();
        let offer_now = &books.offers[offer];
        let device = offer_now.device;
        let gpu = books.devices[&device].gpu_model.get();
        costake::join(
            &holder.address(),
            &device,
            gpu,
            offer,
            &holder.tokens,
            id,
            amount,
            offer_now.terms(),
        )
    }

    /// Has a co-staker join an offer.
    #[track_caller]
    pub fn join(&mut self, holder: &CoStaker, offer: &Address, id: u32, amount: u64) -> Stake {
        let join = self.joining(holder, offer, id, amount);
        self.send(join, &[&holder.wallet]);
        Stake {
            holder: holder.clone(),
            device: self.books().offers[offer].device,
            offer: *offer,
            position: costake::position(offer, &holder.address(), id),
        }
    }

    /// Settles the positions and exits that their offers' logs affect, as a watchtower does.
    pub fn note_rewards(&mut self) {
        let books = self.books();
        for (address, position) in &books.positions {
            let mut position = *position;
            if position.settle(&books.offers[&position.offer]) {
                self.send(costake::settle_position(&position.offer, address), &[]);
            }
        }
        for (address, mut exit) in books.exits.iter().map(|(address, exit)| (address, *exit)) {
            let changed = exit.settle(&books.offers[&exit.offer]).expect("books that hold");
            if changed && exit.ended.get() {
                self.send(costake::settle_exit(&exit.offer, address), &[]);
            }
        }
    }
}
