//! Invariants across accounts, checked after every transaction.

use crate::world::PROGRAMS;
use anchor_lang::{AccountDeserialize, Discriminator};
use chain::market;
use costaking::{Exit, Offer, Position};
use governance::{Ballot, Delegation, PayloadHeader, Proposal};
use jobs::{Audit as SecondRun, Conviction, DemandHeader, DraftHeader, Escrow, Job, Model, Permit, Status};
use litesvm::LiteSVM;
use referee::EvidenceHeader;
use solana_account::ReadableAccount;
use solana_address::Address;
use solana_program_pack::Pack;
use spl_token_interface::state::{Account as TokenAccount, Mint};
use staking::{Device, DeviceKey, Emission, GpuModel, RewardBlock, Slash, Tally};
use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

/// All accounts of our programs and the token program, decoded.
#[derive(Default)]
#[allow(missing_docs)]
pub struct Books {
    pub devices: BTreeMap<Address, Device>,
    pub device_keys: BTreeMap<Address, DeviceKey>,
    pub gpu_models: BTreeMap<Address, GpuModel>,
    pub staking_config: Option<staking::StakingConfig>,
    pub emission: Option<Emission>,
    pub slashes: BTreeMap<Address, Slash>,
    pub blocks: BTreeMap<i64, RewardBlock>,
    pub tallies: BTreeMap<(i64, u8), Tally>,
    pub costaking_config: Option<costaking::Config>,
    pub offers: BTreeMap<Address, Offer>,
    pub positions: BTreeMap<Address, Position>,
    pub exits: BTreeMap<Address, Exit>,
    pub governance_config: Option<governance::Config>,
    pub proposals: BTreeMap<Address, Proposal>,
    pub payloads: BTreeMap<Address, PayloadHeader>,
    pub ballots: BTreeMap<Address, Ballot>,
    pub delegations: BTreeMap<Address, Delegation>,
    pub jobs_config: Option<jobs::Config>,
    pub drafts: BTreeMap<Address, DraftHeader>,
    pub models: BTreeMap<Address, Model>,
    pub escrows: BTreeMap<Address, Escrow>,
    pub jobs: BTreeMap<Address, Job>,
    pub convictions: BTreeMap<Address, Conviction>,
    pub demands: BTreeMap<Address, DemandHeader>,
    pub audits: BTreeMap<Address, SecondRun>,
    pub permits: BTreeMap<Address, Permit>,
    pub evidence: BTreeMap<Address, (EvidenceHeader, Vec<u8>)>,
    pub tokens: BTreeMap<Address, TokenAccount>,
    pub mints: BTreeMap<Address, Mint>,
    lamports: BTreeMap<Address, (u64, u64)>,
}

fn decode<T: AccountDeserialize + Discriminator>(data: &[u8]) -> Option<T> {
    data.starts_with(T::DISCRIMINATOR)
        .then(|| T::try_deserialize(&mut &data[..8 + size_of::<T>()]).expect("the account decodes"))
}

/// Whether a job still has money locked for it and a bond at stake.
fn in_progress(job: &Job) -> bool {
    job.status != Status::Convicted
}

/// `derive(&from)`, computed once per thread: an audit needs the same addresses after every transaction, and finding one takes longer than
/// decoding an account. Results are kept by the type of `derive`, so it must be a function or a closure that captures nothing.
fn derived<T: Copy + Ord + 'static, F: Fn(&T) -> Address + 'static>(from: T, derive: F) -> Address {
    const { assert!(size_of::<F>() == 0, "closures that capture different values have the same type") };
    thread_local!(static KNOWN: RefCell<HashMap<TypeId, Box<dyn Any>>> = RefCell::default());
    KNOWN.with_borrow_mut(|known| {
        let results = known
            .entry(TypeId::of::<F>())
            .or_insert_with(|| Box::new(BTreeMap::<T, Address>::new()));
        let results: &mut BTreeMap<T, Address> = results.downcast_mut().expect("one type for each function");
        *results.entry(from).or_insert_with(|| derive(&from))
    })
}

impl Books {
    /// Reads the whole chain; panics at an account of our programs that is of no known kind.
    pub fn read(svm: &LiteSVM) -> Self {
        let mut books = Self::default();
        for (address, account) in &svm.accounts_db().inner {
            let data = account.data();
            if account.lamports() == 0 || data.is_empty() {
                continue;
            }
            let program = account.owner();
            if PROGRAMS.contains(program) {
                let rent = svm.minimum_balance_for_rent_exemption(data.len());
                books.lamports.insert(*address, (account.lamports(), rent));
            }
            if *program == staking::ID {
                books.read_staking(*address, data);
            } else if *program == costaking::ID {
                books.read_costaking(*address, data);
            } else if *program == governance::ID {
                books.read_governance(*address, data);
            } else if *program == jobs::ID {
                books.read_jobs(*address, data);
            } else if *program == referee::ID {
                let header: EvidenceHeader = decode(data).expect("all accounts of the referee are evidence");
                let tail = &data[8 + size_of::<EvidenceHeader>() + 4..];
                let (written, rest) = tail.split_at(header.written.get() as usize);
                assert!(rest.iter().all(|byte| *byte == 0), "evidence is padded with zeros");
                let written = written.to_vec();
                books.evidence.insert(*address, (header, written));
            } else if *program == spl_token_interface::ID {
                if let Ok(tokens) = TokenAccount::unpack(data) {
                    books.tokens.insert(*address, tokens);
                } else if let Ok(mint) = Mint::unpack(data) {
                    books.mints.insert(*address, mint);
                }
            }
        }
        books
    }

    fn read_staking(&mut self, address: Address, data: &[u8]) {
        if let Some(device) = decode(data) {
            self.devices.insert(address, device);
        } else if let Some(key) = decode(data) {
            self.device_keys.insert(address, key);
        } else if let Some(model) = decode(data) {
            self.gpu_models.insert(address, model);
        } else if let Some(emission) = decode(data) {
            assert_eq!(address, derived((), |()| market::reward::emission()));
            self.emission = Some(emission);
        } else if let Some(slash) = decode::<Slash>(data) {
            self.slashes.insert(address, slash);
        } else if let Some(block) = decode::<RewardBlock>(data) {
            let expected = derived(block.hour.get(), |hour| market::reward::block(*hour));
            assert_eq!(address, expected, "block at a wrong address");
            self.blocks.insert(block.hour.get(), block);
        } else if let Some(tally) = decode::<Tally>(data) {
            let place = (tally.hour.get(), tally.shard);
            let expected = derived(place, |(hour, shard)| market::reward::tally(*hour, *shard));
            assert_eq!(address, expected, "tally at a wrong address");
            self.tallies.insert(place, tally);
        } else if let Some(config) = decode(data) {
            assert!(self.staking_config.replace(config).is_none(), "two staking configs");
            assert_eq!(address, derived((), |()| market::stake::config()));
        } else {
            panic!("{address} of the staking program is of no known kind");
        }
    }

    fn read_governance(&mut self, address: Address, data: &[u8]) {
        if let Some(proposal) = decode(data) {
            self.proposals.insert(address, proposal);
        } else if let Some(payload) = decode(data) {
            self.payloads.insert(address, payload);
        } else if let Some(ballot) = decode(data) {
            self.ballots.insert(address, ballot);
        } else if let Some(delegation) = decode::<Delegation>(data) {
            assert_eq!(address, derived(delegation.owner, market::govern::delegation));
            assert_ne!(delegation.owner, delegation.representative);
            self.delegations.insert(address, delegation);
        } else if let Some(config) = decode::<governance::Config>(data) {
            assert_eq!(address, derived((), |()| market::govern::config()));
            assert!(config.invariant().is_ok(), "the governance config is out of bounds");
            self.governance_config = Some(config);
        } else {
            panic!("{address} of the governance program is of no known kind");
        }
    }

    fn read_costaking(&mut self, address: Address, data: &[u8]) {
        if let Some(offer) = decode(data) {
            self.offers.insert(address, offer);
        } else if let Some(position) = decode(data) {
            self.positions.insert(address, position);
        } else if let Some(exit) = decode(data) {
            self.exits.insert(address, exit);
        } else if let Some(config) = decode::<costaking::Config>(data) {
            assert_eq!(address, derived((), |()| market::costake::config()));
            assert!(config.invariant().is_ok(), "the costaking config is out of bounds");
            self.costaking_config = Some(config);
        } else {
            panic!("{address} of the costaking program is of no known kind");
        }
    }

    fn read_jobs(&mut self, address: Address, data: &[u8]) {
        if let Some(job) = decode(data) {
            self.jobs.insert(address, job);
        } else if let Some(conviction) = decode(data) {
            self.convictions.insert(address, conviction);
        } else if let Some(audit) = decode(data) {
            self.audits.insert(address, audit);
        } else if let Some(permit) = decode(data) {
            self.permits.insert(address, permit);
        } else if let Some(demand) = decode(data) {
            self.demands.insert(address, demand);
        } else if let Some(escrow) = decode(data) {
            self.escrows.insert(address, escrow);
        } else if let Some(model) = decode(data) {
            self.models.insert(address, model);
        } else if let Some(draft) = decode(data) {
            self.drafts.insert(address, draft);
        } else if let Some(config) = decode(data) {
            assert!(self.jobs_config.replace(config).is_none(), "two jobs configs");
            assert_eq!(address, derived((), |()| market::job::config()));
        } else {
            panic!("{address} of the jobs program is of no known kind");
        }
    }

    /// Each account notes its bump and the version of its layout.
    fn check_layouts(&self) {
        macro_rules! check {
            ($($maps:ident)+; $($options:ident)+) => {
                check!($(self.$maps.values(),)+ $(self.$options.iter(),)+ self.evidence.values().map(|(evidence, _)| evidence));
            };
            ($($accounts:expr),+) => {
                $(for account in $accounts {
                    assert!(account.bump > 0 && account.version == 1, "bump or version in {}", stringify!($accounts));
                })+
            };
        }
        check!(
            devices gpu_models slashes blocks tallies offers positions exits proposals payloads ballots delegations models escrows jobs
            convictions demands audits permits; staking_config emission costaking_config governance_config jobs_config
        );
    }

    /// Each account satisfies its invariant and has the address that follows from its content.
    fn check_accounts(&self) {
        let sound = |kind: &str, address: &Address, expected: Address, invariant: anchor_lang::Result<()>| {
            assert_eq!(*address, expected, "{kind} at a wrong address");
            assert!(invariant.is_ok(), "{kind} {address} breaks its invariant: {invariant:?}");
        };
        for (address, device) in &self.devices {
            let expected = derived(device.first_key, market::stake::device);
            sound("device", address, expected, device.invariant());
            let key = self.device_keys.get(&derived(device.key, market::stake::device_key));
            assert_eq!(
                key.map(|key| key.device),
                Some(*address),
                "the hot key of {address} must be marked as used"
            );
        }
        for (address, model) in &self.gpu_models {
            let expected = derived(model.id.get(), |id| market::stake::gpu_model(*id));
            sound("GPU model", address, expected, model.invariant());
        }
        for (address, model) in &self.models {
            sound("model", address, derived(model.hash, market::job::model), model.invariant());
        }
        for (address, draft) in &self.drafts {
            let expected = derived((draft.registrar, draft.model_hash), |(registrar, hash)| {
                market::job::draft(registrar, hash)
            });
            sound("draft", address, expected, draft.invariant());
        }
        for (address, escrow) in &self.escrows {
            let expected = derived((escrow.owner, escrow.mint), |(owner, mint)| market::job::escrow(owner, mint));
            sound("escrow", address, expected, escrow.invariant());
        }
        for (address, job) in &self.jobs {
            let expected = derived((job.escrow, job.id.get()), |(escrow, id)| market::job::job(escrow, *id));
            sound("job", address, expected, job.invariant());
        }
        for (address, conviction) in &self.convictions {
            let expected = derived(conviction.job, market::job::conviction);
            assert_eq!(*address, expected, "conviction at a wrong address");
        }
        for (address, audit) in &self.audits {
            sound("audit", address, derived(audit.job, market::audit::address), audit.invariant());
        }
        for (address, permit) in &self.permits {
            let expected = derived(permit.seal, market::permit::address);
            sound("permit", address, expected, permit.invariant());
        }
        for (address, demand) in &self.demands {
            let item = demand.item().expect("a kind that exists");
            let expected = derived((demand.job, item), |(job, item)| market::demand::address(job, *item));
            sound("demand", address, expected, demand.invariant());
        }
        for (address, slash) in &self.slashes {
            let expected = derived((slash.device, slash.number.get()), |(device, number)| {
                market::slash::address(device, *number)
            });
            sound("slash", address, expected, slash.invariant());
        }
        for (address, (evidence, bytes)) in &self.evidence {
            let from = (evidence.challenger, evidence.seal);
            let expected = derived(from, |(challenger, seal)| market::referee::evidence(challenger, seal));
            sound("evidence", address, expected, evidence.invariant());
            let (challenger, subject) = (evidence.challenger.as_array(), evidence.subject.as_array());
            let whole = bytes.len() == evidence.length.get() as usize;
            let sealed = protocol::referee::seal(bytes, challenger, subject) == evidence.seal;
            assert_eq!(
                evidence.complete.get(),
                whole && sealed,
                "{address} must be complete exactly when its bytes match its seal"
            );
        }
        let configs = [
            self.staking_config.as_ref().map(|config| config.invariant()),
            self.jobs_config.as_ref().map(|config| config.invariant()),
        ];
        assert!(
            configs.into_iter().flatten().all(|invariant| invariant.is_ok()),
            "a config is out of bounds"
        );
        for (address, (lamports, rent)) in &self.lamports {
            let bounty = self.jobs.get(address).map_or(0, |job| u64::from(job.bounty.get()));
            let open = self.demands.get(address).filter(|demand| !demand.answered.get());
            let fee = open.map_or(0, |demand| demand.fee.get());
            assert!(
                *lamports >= rent + bounty + fee,
                "{address} holds too few lamports for rent, bounty and fee"
            );
        }
    }

    /// Tallies equal the sums of ballots while voting is open and are no less afterwards; the deposits are in their account.
    fn check_governance(&self, donations: &BTreeMap<Address, u64>) {
        let Some(config) = &self.governance_config else { return };
        let deposits: u64 = self.proposals.values().map(|proposal| proposal.deposit.get()).sum();
        assert_eq!(deposits, config.deposits.get(), "deposits");
        self.check_vault(
            &derived((), |()| market::govern::config()),
            derived((), |()| market::govern::deposits()),
            config.mint,
            deposits,
            donations,
        );
        for (address, proposal) in &self.proposals {
            let from = (proposal.proposer, proposal.id.get());
            let expected = derived(from, |(proposer, id)| market::govern::proposal(proposer, *id));
            assert_eq!(*address, expected, "proposal at a wrong address");
            assert!(proposal.invariant().is_ok(), "proposal {address} breaks its invariant");
            let own: Vec<_> = self.ballots.values().filter(|ballot| ballot.proposal == *address).collect();
            assert_eq!(own.len(), proposal.ballots.get() as usize, "ballots of {address}");
            let mut votes = [0; 4];
            for ballot in own {
                votes[usize::from(ballot.choice)] += ballot.weight.get();
            }
            let counted = [proposal.yes, proposal.no, proposal.abstain, proposal.veto].map(|votes| votes.get());
            match proposal.status == governance::Status::Voting {
                true => assert_eq!(votes, counted, "votes on {address}"),
                // Ballots of a counted proposal may be closed.
                false => assert!(
                    votes.iter().zip(counted).all(|(votes, counted)| *votes <= counted),
                    "votes on {address}"
                ),
            }
            let payloads = self.payloads.values().filter(|payload| payload.proposal == *address);
            assert_eq!(payloads.count(), usize::from(proposal.payloads), "instructions of {address}");
        }
        for (address, ballot) in &self.ballots {
            let from = (ballot.proposal, ballot.source);
            let expected = derived(from, |(proposal, source)| market::govern::ballot(proposal, source));
            assert_eq!(*address, expected, "ballot at a wrong address");
            assert!(ballot.invariant().is_ok(), "ballot {address} breaks its invariant");
            assert!(self.proposals.contains_key(&ballot.proposal), "the proposal of {address} is gone");
        }
    }

    /// Shares add up to those in staking's books, and co-stakers are owed no more rewards than their offers have received.
    fn check_offers(&self, donations: &BTreeMap<Address, u64>) {
        for (address, offer) in &self.offers {
            let expected = derived((offer.device, offer.index.get()), |(device, index)| {
                market::costake::offer(device, *index)
            });
            assert_eq!(*address, expected, "offer at a wrong address");
            assert!(offer.invariant().is_ok(), "offer {address} breaks its invariant");
            let left = offer.received.get() - offer.paid.get();
            self.check_vault(address, derived(*address, market::costake::vault), self.io(), left, donations);
            let positions: Vec<_> = self.positions.values().filter(|position| position.offer == *address).collect();
            let exits: Vec<_> = self.exits.values().filter(|exit| exit.offer == *address).collect();
            assert_eq!(positions.len() + exits.len(), offer.holders.get() as usize, "holders of {address}");
            let waiting = exits.iter().filter(|exit| !exit.cooling.get()).map(|exit| exit.shares.get());
            let shares: u64 = positions.iter().map(|position| position.shares.get()).chain(waiting).sum();
            let expected = match offer.forced_at.is_zero() {
                true => offer.shares.get(),
                false => offer.forced_total.get(),
            };
            assert_eq!(shares, expected, "shares of {address}");
            let claims = positions.iter().map(|position| Position::claim(&mut (**position).clone(), offer));
            let earned = exits.iter().map(|exit| {
                let mut exit = **exit;
                exit.settle(offer).unwrap();
                exit.rewards.get()
            });
            let claims: u64 = claims.chain(earned).sum();
            assert!(claims <= left, "co-stakers of {address} are owed {claims}, but {left} is left");
        }
        for (address, position) in &self.positions {
            let from = (position.offer, position.holder, position.id.get());
            let expected = derived(from, |(offer, holder, id)| market::costake::position(offer, holder, *id));
            assert_eq!(*address, expected, "position at a wrong address");
            assert!(position.invariant().is_ok(), "position {address} breaks its invariant");
            assert!(self.offers.contains_key(&position.offer), "the offer of {address} is gone");
        }
        for (address, exit) in &self.exits {
            assert!(exit.invariant().is_ok(), "exit {address} breaks its invariant");
        }
        for (address, device) in &self.devices {
            let offers: Vec<_> = self.offers.iter().filter(|(_, offer)| offer.device == *address).collect();
            let live: Vec<_> = offers
                .iter()
                .filter(|(_, offer)| offer.status != costaking::Status::Ended)
                .collect();
            assert!(
                live.len() <= 1 && (live.len() == 1) == (device.offering != 0),
                "offers of {address}"
            );
            let shares: u64 = offers.iter().map(|(_, offer)| offer.shares.get()).sum();
            assert!(
                device.co_stake.is_zero() == (shares == 0) || !device.forced_at.is_zero(),
                "co-stake of {address} without a share, or shares of nothing"
            );
            assert!(
                device.co_stake.get() <= shares || !device.forced_at.is_zero(),
                "a share of {address} is worth more than a base unit"
            );
            let cooling = self.exits.values().filter(|exit| exit.cooling.get());
            let own = cooling.filter(|exit| offers.iter().any(|(offer, _)| **offer == exit.offer));
            let taken: u64 = own.map(|exit| exit.cooling_shares.get()).sum();
            let left: u64 = offers.iter().map(|(_, offer)| offer.forced_shares.get()).sum();
            assert_eq!(
                taken + left + device.forced_shares.get(),
                device.co_cooling_shares.get(),
                "shares of what cools down on {address}"
            );
        }
    }

    /// Scores that devices have not collected are in the tallies, and rewards that devices can claim are in the vault.
    fn check_rewards(&self) {
        let Some(emission) = &self.emission else { return };
        let (address, vault) = (
            derived((), |()| market::reward::emission()),
            derived((), |()| market::reward::vault()),
        );
        assert!(emission.invariant().is_ok(), "the emission breaks its invariant");
        let tokens = self.tokens.get(&vault).expect("the emission has a vault");
        assert_eq!((tokens.owner, tokens.mint), (address, self.io()), "the emission's vault");
        assert!(tokens.delegate.is_none() && tokens.close_authority.is_none());
        assert!(tokens.amount >= emission.owed.get(), "more is owed than there is");
        let mut promised = 0;
        for (address, device) in &self.devices {
            promised += device.rewards.get();
            for (hour, pool, score) in device.pending() {
                let block = self.blocks.get(&(i64::from(hour) * 3_600));
                let block = block.unwrap_or_else(|| panic!("the block that {address} waits for is gone"));
                if block.settled.get() {
                    promised += block.reward(pool, score).unwrap();
                }
            }
        }
        assert!(promised <= emission.owed.get(), "devices can claim more than is owed");
        for (hour, block) in &self.blocks {
            assert!(block.invariant().is_ok(), "the block of {hour} breaks its invariant");
            assert_eq!(block.settled.get(), *hour < emission.next_hour.get(), "blocks are settled in order");
            let tallies: Vec<_> = self.tallies.range((*hour, 0)..=(*hour, u8::MAX)).collect();
            assert_eq!(usize::from(block.open_tallies), tallies.len(), "tallies of {hour}");
            for ((_, shard), tally) in tallies {
                assert!(tally.invariant().is_ok(), "tally {shard} of {hour} breaks its invariant");
                let of_shard = self.devices.iter().filter(|(address, _)| block.shard(address) == *shard);
                let of_hour = of_shard
                    .flat_map(|(_, device)| device.pending())
                    .filter(|(of, _, _)| i64::from(*of) * 3_600 == *hour);
                let waiting: Vec<_> = of_hour.collect();
                assert_eq!(
                    waiting.len() as u32,
                    tally.checked_in.get() - tally.collected.get(),
                    "devices that wait in tally {shard} of {hour}"
                );
                for pool in 0..2u8 {
                    let sum: u64 = waiting.iter().filter(|(_, of, _)| *of == pool).map(|(_, _, score)| score).sum();
                    let tallied = tally.scores[usize::from(pool)].get();
                    assert!(
                        sum == tallied || (!tally.collected.is_zero() && sum < tallied),
                        "scores in tally {shard} of {hour}"
                    );
                }
            }
        }
    }

    /// A vault belongs only to its account and holds what the books say, plus donations.
    fn check_vault(&self, holder: &Address, vault: Address, mint: Address, total: u64, donations: &BTreeMap<Address, u64>) {
        let tokens = self.tokens.get(&vault).unwrap_or_else(|| panic!("{holder} has no vault"));
        assert_eq!((tokens.owner, tokens.mint), (*holder, mint), "vault of {holder}");
        assert!(
            tokens.delegate.is_none() && tokens.close_authority.is_none(),
            "somebody else can move tokens of the vault of {holder}"
        );
        let donated = donations.get(&vault).copied().unwrap_or(0);
        assert_eq!(
            tokens.amount,
            total + donated,
            "the vault of {holder} does not hold what its books say"
        );
    }

    /// A device's stake is in its vault, and its slashes, bonds and debts add up to what its account says.
    fn check_devices(&self, donations: &BTreeMap<Address, u64>) {
        for (address, device) in &self.devices {
            self.check_vault(
                address,
                derived(*address, market::stake::vault),
                self.io(),
                device.total().unwrap(),
                donations,
            );
            self.check_slashes(address, device);
            if self
                .staking_config
                .as_ref()
                .is_some_and(|config| config.jobs_authority != derived((), |()| market::job::authority()))
            {
                // The test locks bonds itself, without jobs.
                continue;
            }
            let taken = self.jobs.values().filter(|job| job.device == *address && in_progress(job));
            let audits = self.audits.values().filter(|audit| audit.device == *address);
            let bonds = taken.map(|job| job.bond.get()).chain(audits.map(|audit| audit.bond.get()));
            let (bonds, count) = bonds.fold((0, 0), |(sum, count), bond| (sum + bond, count + 1));
            assert_eq!(
                (bonds, count),
                (device.locked_bond.get(), device.open_jobs.get()),
                "bonds of {address}"
            );
            let convictions = self.convictions.values().filter(|conviction| conviction.device == *address);
            let owed: u64 = convictions
                .map(|conviction| conviction.reward.get() + conviction.burned.get())
                .sum();
            assert_eq!(owed, device.owed.get(), "owed by {address}");
        }
    }

    fn check_slashes(&self, address: &Address, device: &Device) {
        let aside = self.slashes.values().filter(|slash| slash.device == *address);
        let waiting = aside.clone().filter(|slash| !slash.due.is_zero()).count();
        let part = |part: usize| aside.clone().map(|slash| slash.amounts()[part]).sum::<u64>();
        let [own, active, cooling] = [0, 1, 2].map(part);
        let cooled = aside.clone().filter(|slash| slash.of_cooling.get());
        let of_cooling = cooled.map(|slash| slash.amounts()[0]).sum::<u64>();
        let booked = [device.own_aside, device.co_aside, device.aside].map(|amount| amount.get());
        assert_eq!([own - of_cooling, active, own + active + cooling], booked, "set aside of {address}");
        assert_eq!(waiting, usize::from(device.dues), "slashes that wait for bonds of {address}");
    }

    /// Jackpots are in their vaults, and the config counts the sealed permits.
    fn check_permits(&self, donations: &BTreeMap<Address, u64>) {
        let counted = self.jobs_config.as_ref().map_or(0, |config| config.permits.get());
        let sealed = self.permits.values().filter(|permit| !permit.opened.get()).count();
        assert_eq!(sealed, counted as usize, "sealed permits");
        for (address, permit) in &self.permits {
            let vault = derived(*address, market::permit::vault);
            self.check_vault(address, vault, self.io(), permit.jackpot.get(), donations);
        }
    }

    /// A consumer's money is in its vault, and locked exactly for its jobs in progress.
    fn check_escrows(&self, donations: &BTreeMap<Address, u64>) {
        for (address, escrow) in &self.escrows {
            self.check_vault(
                address,
                derived(*address, market::job::vault),
                escrow.mint,
                escrow.total().unwrap(),
                donations,
            );
            let opened = self.jobs.values().filter(|job| job.escrow == *address && in_progress(job));
            let (locks, count) = opened.fold((0, 0), |(sum, count), job| (sum + job.locked.get(), count + 1));
            assert_eq!((locks, count), (escrow.locked.get(), escrow.open_jobs.get()), "locks of {address}");
        }
    }

    /// A job's conviction, audit and demands exist when its own account says so, and so do the accounts that it needs.
    fn check_jobs(&self) {
        for (address, job) in &self.jobs {
            let conviction = self.convictions.get(&derived(*address, market::job::conviction));
            assert_eq!(
                conviction.is_some(),
                !in_progress(job),
                "{address} must be convicted exactly while it has a conviction"
            );
            assert!(
                conviction.is_none_or(|conviction| (conviction.job, conviction.device) == (*address, job.device)),
                "the conviction of {address} is of another job"
            );
            // A consumer is settled with the conviction and may close its escrow.
            assert!(
                !in_progress(job) || self.escrows.contains_key(&job.escrow),
                "the escrow of {address} is gone"
            );
            assert!(self.models.contains_key(&job.model), "the model of {address} is gone");
            let second = self.audits.values().find(|audit| audit.job_hash == job.job_hash);
            assert!(
                second.is_some() == (job.audit >= jobs::AuditStage::Taken) || !in_progress(job),
                "{address} must have an audit exactly when its stage says so"
            );
            let about = |demand: &&DemandHeader| demand.job == *address && demand.job_hash == job.job_hash;
            let open = self.demands.values().filter(about).filter(|demand| !demand.answered.get()).count();
            assert!(
                usize::from(job.open_demands) == open || job.status != Status::Revealed,
                "demands on {address}"
            );
            let taken = job.status != Status::Open;
            assert!(!taken || self.devices.contains_key(&job.device), "the device of {address} is gone");
        }
        for (address, conviction) in &self.convictions {
            assert!(self.jobs.contains_key(&conviction.job), "the job of {address} is gone");
        }
    }

    /// All tokens of a mint are in token accounts.
    fn check_supplies(&self) {
        for (address, mint) in &self.mints {
            let held: u64 = self
                .tokens
                .values()
                .filter(|account| account.mint == *address)
                .map(|account| account.amount)
                .sum();
            assert_eq!(held, mint.supply, "token accounts of {address} do not add up to its supply");
        }
    }

    fn io(&self) -> Address {
        self.staking_config.as_ref().expect("a config").mint
    }
}

/// The kit's record of what no account tells: tokens minted, burned and donated.
#[derive(Clone, Default)]
pub struct Audit {
    minted: BTreeMap<Address, u64>,
    burned: BTreeMap<Address, u64>,
    donations: BTreeMap<Address, u64>,
}

impl Audit {
    pub fn minted(&mut self, mint: &Address, amount: u64) {
        *self.minted.entry(*mint).or_default() += amount;
    }

    pub fn donated(&mut self, vault: &Address, amount: u64) {
        *self.donations.entry(*vault).or_default() += amount;
    }

    /// Checks everything. `burned` is what the transaction burned: supplies must fall by exactly that.
    pub fn check(&mut self, books: &Books, burned: u64) {
        books.check_layouts();
        books.check_accounts();
        // A closed vault has paid out its donations.
        self.donations.retain(|vault, _| books.tokens.contains_key(vault));
        books.check_devices(&self.donations);
        books.check_permits(&self.donations);
        books.check_escrows(&self.donations);
        books.check_jobs();
        books.check_supplies();
        books.check_rewards();
        books.check_offers(&self.donations);
        books.check_governance(&self.donations);
        let mut fallen = 0;
        for (address, mint) in &books.mints {
            let minted = self.minted.get(address).copied().unwrap_or(0);
            let gone = minted.checked_sub(mint.supply).expect("only the kit mints");
            fallen += gone - self.burned.insert(*address, gone).unwrap_or(0);
        }
        assert_eq!(fallen, burned, "supplies fell by more or less than was burned");
    }
}
