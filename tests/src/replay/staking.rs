//! Devices, their stake and bonds, slashes and rewards.

use super::{Record, compare, view};
use crate::audit::Books;
use protocol::emission;
use solana_address::Address;
use staking::events::*;
use staking::{Parameters, RewardRules, SlashStatus};
use std::collections::BTreeMap;

#[derive(Clone, Default)]
pub struct Replay {
    config: Option<(Address, Address, [Address; 2], bool)>,
    parameters: Option<Parameters>,
    gpu_models: BTreeMap<u16, GpuModel>,
    devices: BTreeMap<Address, Device>,
    /// By the address of the device, and number.
    slashes: BTreeMap<(Address, u32), Slash>,
    emission: Option<Emission>,
    /// By the start of the hour.
    blocks: BTreeMap<i64, Block>,
    /// The last move of stake in this transaction.
    moved: Option<(Address, StakeMove, u64)>,
    /// Whether it was told how the bond of that move was split.
    split: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct GpuModel {
    multipliers_x100: [u16; 2],
    raise_at: i64,
    pool: u8,
    vram_gb: u16,
    listed: bool,
    work: [u8; 3],
    work_since: u32,
}

#[derive(Clone, Debug, PartialEq)]
struct Device {
    owner: Address,
    key: Address,
    payout: Address,
    gpu_model: u16,
    quantity: u8,
    status: u8,
    tier: u8,
    stake: Stake,
    locked_bond: u64,
    open_jobs: u32,
    rewards: u64,
    /// A bit for each beacon answered, by hour, numbered from 1970: the hour of the latest answer and the one before.
    answers: BTreeMap<u32, u16>,
    /// Pool and score of each hour that it has not collected, numbered from 1970.
    pending: BTreeMap<u32, (u8, u64)>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Stake {
    own: u64,
    cooling: u64,
    cooldown_ends: i64,
    co: u64,
    co_cooling: u64,
    aside: u64,
    forfeited: u64,
    owed: u64,
}

#[derive(Clone, Debug, PartialEq)]
struct Slash {
    reason: u8,
    share_bps: u16,
    evidence: [u8; 32],
    status: u8,
    parts: [u64; 3],
    due: u64,
    ends_at: i64,
    answer: [u8; 32],
}

#[derive(Clone, Debug, PartialEq)]
struct Emission {
    verifier: Address,
    next_hour: i64,
    rules: RewardRules,
    owed: u64,
}

#[derive(Clone, Debug, PartialEq)]
struct Block {
    slot: u64,
    beacons: [[u8; 32]; 12],
    /// Once it is settled, for each pool.
    settled: Option<([u64; 2], [u64; 2])>,
}

impl From<&staking::Device> for Device {
    fn from(device: &staking::Device) -> Self {
        let hour = device.answers_hour.get();
        let answers = [(hour, device.answers.get()), (hour.saturating_sub(1), device.answers_before.get())];
        Self {
            owner: device.owner,
            key: device.key,
            payout: device.payout,
            gpu_model: device.gpu_model.get(),
            quantity: device.quantity,
            status: device.status,
            tier: device.tier,
            stake: Stake {
                own: device.own_stake.get(),
                cooling: device.cooling.get(),
                cooldown_ends: device.cooldown_ends.get(),
                co: device.co_stake.get(),
                co_cooling: device.co_cooling.get(),
                aside: device.aside.get(),
                forfeited: device.forfeited.get(),
                owed: device.owed.get(),
            },
            locked_bond: device.locked_bond.get(),
            open_jobs: device.open_jobs.get(),
            rewards: device.rewards.get(),
            answers: answers.into_iter().filter(|(_, answers)| *answers > 0).collect(),
            pending: device.pending().map(|(hour, pool, score)| (hour, (pool, score))).collect(),
        }
    }
}

impl From<&staking::Slash> for Slash {
    fn from(slash: &staking::Slash) -> Self {
        Self {
            reason: slash.reason,
            share_bps: slash.share_bps.get(),
            evidence: slash.evidence,
            status: slash.status,
            parts: slash.parts.map(|part| part.get()),
            due: slash.due.get(),
            ends_at: slash.ends_at.get(),
            answer: slash.answer,
        }
    }
}

impl Stake {
    fn after(event: &StakeMoved) -> Self {
        Self {
            own: event.own_stake,
            cooling: event.cooling,
            cooldown_ends: event.cooldown_ends,
            co: event.co_stake,
            co_cooling: event.co_cooling,
            aside: event.aside,
            forfeited: event.forfeited,
            owed: event.owed,
        }
    }

    /// What is not set aside, forfeited or owed.
    fn free(&self) -> u64 {
        self.own + self.co + self.cooling + self.co_cooling
    }

    /// The balances after a move. Where the kind of a move leaves open what else moves, they are as `told`.
    fn moved(&self, kind: StakeMove, amount: u64, told: &Self) -> Self {
        let mut stake = self.clone();
        match kind {
            StakeMove::Staked => stake.own += amount,
            StakeMove::OverflowWithdrawn => stake.own -= amount,
            StakeMove::Unstaked => {
                (stake.own, stake.cooling) = (stake.own - amount, stake.cooling + amount);
                (stake.co, stake.co_cooling) = (told.co, self.co + self.co_cooling - told.co);
            }
            StakeMove::Withdrawn => stake.cooling -= amount,
            StakeMove::Slashed => (stake.own, stake.forfeited) = (stake.own - amount, stake.forfeited + amount),
            StakeMove::Burned => stake.forfeited -= amount,
            StakeMove::Convicted => (stake.own, stake.owed) = (stake.own - amount, told.owed),
            StakeMove::Rewarded => {
                stake.owed = told.owed;
                stake.forfeited = self.owed + self.forfeited - amount - told.owed;
            }
            StakeMove::Pardoned => {
                (stake.cooling, stake.owed) = (told.cooling, told.owed);
                stake.own = self.own + self.cooling + amount - told.cooling;
            }
            StakeMove::CoStaked => stake.co += amount,
            StakeMove::CoCooled => (stake.co, stake.co_cooling) = (stake.co - amount, stake.co_cooling + amount),
            StakeMove::CoWithdrawn => stake.co_cooling -= amount,
            StakeMove::SetAside => {
                stake.aside += amount;
                (stake.co, stake.cooling, stake.co_cooling) = (told.co, told.cooling, told.co_cooling);
                stake.own = self.free() - amount - told.co - told.cooling - told.co_cooling;
            }
            StakeMove::Returned => {
                stake.aside -= amount;
                (stake.co, stake.cooling, stake.co_cooling) = (told.co, told.cooling, told.co_cooling);
                stake.forfeited = told.forfeited;
                let free = self.free() + amount + self.forfeited - told.forfeited;
                stake.own = free - told.co - told.cooling - told.co_cooling;
            }
            StakeMove::Upheld => (stake.aside, stake.forfeited) = (stake.aside - amount, stake.forfeited + amount),
        }
        stake.cooldown_ends = told.cooldown_ends;
        stake
    }
}

impl Replay {
    pub fn apply(&mut self, record: &Record) {
        if let Some(event) = record.is::<ConfigChanged>() {
            let judges = [event.slash_proposer, event.slash_approver];
            self.config = Some((event.authority, event.guardian, judges, event.paused));
        } else if let Some(event) = record.is::<ParametersChanged>() {
            assert_eq!(event.before, self.parameters, "the parameters before the change");
            self.parameters = Some(event.after);
        } else if let Some(event) = record.is::<GpuModelChanged>() {
            let model = GpuModel {
                multipliers_x100: [event.multiplier_x100, event.previous_x100],
                raise_at: event.raise_at,
                pool: event.pool,
                vram_gb: event.vram_gb,
                listed: event.listed,
                work: event.work,
                work_since: event.work_since,
            };
            self.gpu_models.insert(event.id, model);
        } else {
            let known = self.apply_to_device(record) || self.apply_to_slash(record) || self.apply_to_rewards(record);
            assert!(known, "an unknown event of the staking program");
        }
    }

    /// A part of what is owed went to the co-stakers, as their program tells.
    pub fn shared(&mut self, part: u64) {
        self.emission.as_mut().expect("an emission that started").owed -= part;
    }

    fn device(&mut self, address: Address) -> &mut Device {
        self.devices.get_mut(&address).expect("a device that was registered")
    }

    fn apply_to_device(&mut self, record: &Record) -> bool {
        if let Some(event) = record.is::<DeviceRegistered>() {
            let device = Device {
                owner: event.owner,
                key: event.key,
                payout: event.owner,
                gpu_model: event.gpu_model,
                quantity: event.quantity,
                status: staking::state::STATUS_ACTIVE,
                tier: 1,
                stake: Stake::default(),
                locked_bond: 0,
                open_jobs: 0,
                rewards: 0,
                answers: BTreeMap::new(),
                pending: BTreeMap::new(),
            };
            self.devices.insert(event.device, device);
        } else if let Some(event) = record.is::<DeviceChanged>() {
            let device = self.device(event.device);
            (device.key, device.payout) = (event.key, event.payout);
        } else if let Some(event) = record.is::<DeviceTerminated>() {
            self.device(event.device).status = staking::state::STATUS_TERMINATED;
        } else if let Some(event) = record.is::<TierSet>() {
            self.device(event.device).tier = event.tier;
        } else if let Some(event) = record.is::<StakeMoved>() {
            let device = self.device(event.device);
            let after = Stake::after(&event);
            let expected = device.stake.moved(event.kind, event.amount, &after);
            assert_eq!(expected, after, "{:?} and the balances after it", event.kind);
            device.stake = after;
            self.moved = Some((event.device, event.kind, event.amount));
        } else if let Some(event) = record.is::<BondConvicted>() {
            let moved = (event.device, StakeMove::Convicted, event.bond);
            assert_eq!(self.moved, Some(moved), "the bond that was taken");
            assert!(event.compensation <= event.bond, "the consumer's part of a bond");
            self.split = true;
        } else if let Some(event) = record.is::<BondMoved>() {
            let lost = match self.moved.take() {
                Some((device, StakeMove::Slashed, amount)) if device == event.device => amount,
                Some((device, StakeMove::Convicted, amount)) if device == event.device => {
                    assert!(std::mem::take(&mut self.split), "how the bond was split");
                    amount
                }
                _ => 0,
            };
            let device = self.device(event.device);
            let (bonds, jobs) = match event.locked {
                true => (device.locked_bond + event.bond, device.open_jobs + 1),
                false => (device.locked_bond - event.bond, device.open_jobs - 1),
            };
            assert_eq!((event.locked_bond, event.open_jobs), (bonds, jobs), "a bond and the bonds after it");
            assert_eq!(event.penalty, lost, "what the bond lost");
            (device.locked_bond, device.open_jobs) = (bonds, jobs);
        } else {
            return false;
        }
        true
    }

    fn apply_to_slash(&mut self, record: &Record) -> bool {
        if let Some(event) = record.is::<SlashProposed>() {
            let slash = Slash {
                reason: event.reason,
                share_bps: event.share_bps,
                evidence: event.evidence,
                status: SlashStatus::Proposed as u8,
                parts: [0; 3],
                due: 0,
                ends_at: 0,
                answer: [0; 32],
            };
            self.slashes.insert((event.device, event.number), slash);
        } else if let Some(event) = record.is::<SlashApproved>() {
            let slash = self.slash(event.device, event.number);
            (slash.status, slash.parts, slash.ends_at) = (SlashStatus::Approved as u8, event.parts, event.ends_at);
        } else if let Some(event) = record.is::<SlashDue>() {
            let slash = self.slash(event.device, event.number);
            slash.parts[0] += event.collected;
            slash.due = event.due;
        } else if let Some(event) = record.is::<SlashAppealed>() {
            let slash = self.slash(event.device, event.number);
            (slash.status, slash.answer) = (SlashStatus::Appealed as u8, event.answer);
        } else if let Some(event) = record.is::<SlashEnded>() {
            let slash = self.slashes.remove(&(event.device, event.number));
            assert!(slash.is_some(), "a slash that was proposed");
            let upheld = matches!(self.moved, Some((device, StakeMove::Upheld, _)) if device == event.device);
            assert_eq!(event.upheld, upheld, "how a slash ended");
        } else {
            return false;
        }
        true
    }

    fn slash(&mut self, device: Address, number: u32) -> &mut Slash {
        self.slashes.get_mut(&(device, number)).expect("a slash that was proposed")
    }

    fn apply_to_rewards(&mut self, record: &Record) -> bool {
        if let Some(event) = record.is::<RewardRulesChanged>() {
            assert_eq!(
                event.before,
                self.emission.as_ref().map(|emission| emission.rules),
                "the rules before the change"
            );
            self.emission = Some(Emission {
                verifier: event.verifier,
                next_hour: event.next_hour,
                rules: event.after,
                owed: self.emission.as_ref().map_or(0, |emission| emission.owed),
            });
        } else if let Some(event) = record.is::<BlockOpened>() {
            let block = Block {
                slot: event.slot,
                beacons: [[0; 32]; 12],
                settled: None,
            };
            self.blocks.insert(event.hour, block);
        } else if let Some(event) = record.is::<BeaconRecorded>() {
            let block = self.blocks.get_mut(&event.hour).expect("a block that was opened");
            block.beacons[usize::from(event.index)] = event.beacon;
        } else if let Some(event) = record.is::<CheckedIn>() {
            if event.score > 0 {
                let hour = emission::number(event.hour).expect("an hour that has a number");
                self.device(event.device).pending.insert(hour, (event.pool, event.score));
            }
        } else if let Some(event) = record.is::<HourSettled>() {
            let emission = self.emission.as_mut().expect("an emission that started");
            assert_eq!(event.hour, emission.next_hour, "hours are settled in order");
            assert!(event.pools.iter().sum::<u64>() <= event.block, "pools are parts of a block");
            assert_eq!(
                event.owed,
                emission.owed + event.pools.iter().sum::<u64>(),
                "an hour and what is owed after it"
            );
            (emission.next_hour, emission.owed) = (event.hour + emission::BLOCK_SECONDS, event.owed);
            if let Some(block) = self.blocks.get_mut(&event.hour) {
                block.settled = Some((event.pools, event.scores));
            }
        } else if let Some(event) = record.is::<RewardCollected>() {
            let hour = emission::number(event.hour).expect("an hour that has a number");
            let device = self.device(event.device);
            device.pending.remove(&hour).expect("an hour that the device checked in to");
            assert_eq!(event.rewards, device.rewards + event.reward, "a reward and all rewards after it");
            device.rewards = event.rewards;
        } else if let Some(event) = record.is::<RewardsClaimed>() {
            let device = self.device(event.device);
            assert_eq!(event.amount, device.rewards, "a claim is of all rewards");
            device.rewards = 0;
            let emission = self.emission.as_mut().expect("an emission that started");
            assert_eq!(event.owed, emission.owed - event.amount, "a claim and what is owed after it");
            emission.owed = event.owed;
        } else if let Some(event) = record.is::<CallAnswered>() {
            let hour = emission::number(event.hour).expect("an hour that has a number");
            let answers = &mut self.device(event.device).answers;
            *answers.entry(hour).or_default() |= 1 << event.index;
            let latest = answers.keys().max().copied().unwrap_or(hour);
            answers.retain(|hour, _| hour + 1 >= latest);
        } else {
            return false;
        }
        true
    }

    /// What the accounts say.
    pub fn read(books: &Books) -> Self {
        let config = books.staking_config.as_ref();
        Self {
            config: config.map(|config| {
                let judges = [config.slash_proposer, config.slash_approver];
                (config.authority, config.guardian, judges, config.paused.get())
            }),
            parameters: config.map(|config| config.parameters()),
            gpu_models: view(&books.gpu_models, |_, model| {
                let told = GpuModel {
                    multipliers_x100: [model.multiplier_x100.get(), model.previous_x100.get()],
                    raise_at: model.raise_at.get(),
                    pool: model.pool,
                    vram_gb: model.vram_gb.get(),
                    listed: model.listed.get(),
                    work: [model.work_width, model.work_bytes, model.work_layers],
                    work_since: model.work_since.get(),
                };
                (model.id.get(), told)
            }),
            devices: view(&books.devices, |address, device| (*address, device.into())),
            slashes: view(&books.slashes, |_, slash| ((slash.device, slash.number.get()), slash.into())),
            emission: books.emission.as_ref().map(|emission| Emission {
                verifier: emission.verifier,
                next_hour: emission.next_hour.get(),
                rules: emission.rules(),
                owed: emission.owed.get(),
            }),
            blocks: view(&books.blocks, |hour, block| {
                let sums = (block.pools.map(|pool| pool.get()), block.scores.map(|score| score.get()));
                let told = Block {
                    slot: block.opened_slot.get(),
                    beacons: block.beacons,
                    settled: block.settled.get().then_some(sums),
                };
                (*hour, told)
            }),
            moved: None,
            split: false,
        }
    }

    /// Compares what the events say with what the accounts say.
    pub fn check(&mut self, books: &Books) {
        // No event tells that an account was closed: a device is retired and has nothing then, and a block is settled.
        let empty = |device: &Device| {
            let cooled = Stake {
                cooldown_ends: device.stake.cooldown_ends,
                ..Stake::default()
            };
            let idle = device.open_jobs == 0 && device.rewards == 0 && device.pending.is_empty();
            device.status == staking::state::STATUS_TERMINATED && device.stake == cooled && idle
        };
        self.devices
            .retain(|address, device| books.devices.contains_key(address) || !empty(device));
        self.blocks
            .retain(|hour, block| books.blocks.contains_key(hour) || block.settled.is_none());
        let accounts = Self::read(books);
        // No event tells which slash had its parts upheld while more is due to it.
        for (place, slash) in self.slashes.iter_mut().filter(|(_, slash)| slash.due > 0) {
            if accounts.slashes.get(place).is_some_and(|account| account.parts == [0; 3]) {
                slash.parts = [0; 3];
            }
        }
        self.moved = None;
        assert_eq!(self.config, accounts.config, "the staking config");
        assert_eq!(self.parameters, accounts.parameters, "parameters of staking");
        assert_eq!(self.emission, accounts.emission, "the emission");
        compare("GPU models", &self.gpu_models, &accounts.gpu_models);
        compare("devices", &self.devices, &accounts.devices);
        compare("slashes", &self.slashes, &accounts.slashes);
        compare("blocks", &self.blocks, &accounts.blocks);
    }
}
