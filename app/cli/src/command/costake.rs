//! `ionet costake`: funding a device's stake for a share of its rewards.

use super::device::{Which, gpu_name};
use crate::{
    amount::{Quantity, Unit, percent, share, span},
    context::{Context, Market, Token, token_amount},
    effect::Watched,
    error::{Result, refuse},
    output::{Answer, Table, fields},
    send::Sent,
    week::{Rated, Week},
};
use anchor_lang::bytemuck::Zeroable;
use chain::{
    Filter, market,
    market::{costake, reward, stake},
};
use clap::{Subcommand, ValueEnum};
use costaking::{Exit, Offer, OfferTerms, Position, Status};
use protocol::costake::{part, worth};
use protocol::math;
use protocol::units::{Amount, Bps};
use serde::Serialize;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_signer::Signer;
use staking::{
    Device, Emission, GpuModel, StakingConfig,
    state::{Offering, STATUS_ACTIVE},
};
use std::{collections::BTreeMap, fmt};

/// Where offers, positions and exits keep what they are looked up by, after the discriminator.
const FIRST: usize = 8;
const SECOND: usize = 40;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Offer co-stakers a share of a device's rewards; its terms never change
    Offer {
        /// Most $IO they may stake, up to half of the device's minimum
        capacity: Quantity,
        /// Their share of the rewards when the offer is full, in per cent
        #[arg(long, value_name = "PER CENT", value_parser = share)]
        share: u16,
        /// Least $IO of one co-staker; the whole capacity makes an offer for one [default: a hundredth of it]
        #[arg(long)]
        ticket: Option<Quantity>,
        #[command(flatten)]
        which: Which,
    },
    /// Let nobody join a device's offer any more
    Retract {
        #[command(flatten)]
        which: Which,
    },
    /// End a device's offer that all co-stakers have left
    End {
        #[command(flatten)]
        which: Which,
    },
    /// List offers that can be joined
    #[command(
        after_help = "The list shows for each offer: the room left for co-stake and the capacity, the least co-stake of one co-staker, \
        and the share of the rewards; for its device, the hours it has been present without a gap and its jobs done/missed/wrong; \
        and what 100 $IO earn in a week."
    )]
    List {
        /// Only GPUs whose name contains this
        #[arg(long)]
        gpu: Option<String>,
        /// Only shares of at least this many per cent
        #[arg(long, default_value_t = 0)]
        min_share: u8,
        /// Only offers with room for this much
        #[arg(long)]
        room: Option<Quantity>,
        /// Which offers come first
        #[arg(long, value_enum, default_value_t)]
        sort: Sort,
    },
    /// Stake on a device through its offer
    Join {
        /// The offer, as `ionet costake list` shows it
        offer: Address,
        /// $IO to stake
        amount: Quantity,
    },
    /// Show a wallet's positions in offers, and its exits
    Show {
        /// Their holder [default: the wallet]
        holder: Option<Address>,
    },
    /// Ask for a position back: it stops earning, counts for the device for a while, and can be withdrawn when it has cooled down; as
    /// published 7 and 21 days after
    Exit {
        /// The position, as `ionet costake show` shows it
        position: Address,
        /// $IO to take out [default: all]
        amount: Option<Quantity>,
    },
    /// Take out what has cooled down
    Withdraw {
        /// The exit, as `ionet costake show` shows it
        exit: Address,
    },
    /// Take out the rewards of a position
    Claim {
        /// The position, as `ionet costake show` shows it
        position: Address,
    },
}

/// Order of a list.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Sort {
    /// The largest share of the rewards.
    #[default]
    Share,
    /// The most room.
    Room,
    /// The most jobs done without a fault.
    Record,
    /// The most rewards for a stake.
    Reward,
}

#[derive(Serialize)]
struct Listed {
    offer: String,
    device: String,
    gpu: String,
    quantity: u8,
    capacity: u64,
    room: u64,
    ticket: u64,
    share_bps: u16,
    jobs_done: u32,
    jobs_missed: u32,
    jobs_convicted: u32,
    /// Hours that it has been present without a gap.
    presence_hours: u32,
    /// What 100 $IO bring in a week at the prices of the last seven days; 0 before an hour is settled.
    weekly_per_100: u64,
}

#[derive(Serialize)]
#[serde(transparent)]
struct Listing {
    offers: Vec<Listed>,
    #[serde(skip)]
    unit: Unit,
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.offers.is_empty() {
            return writeln!(f, "no offers to join; drop a filter, or look again later");
        }
        let titles = ["offer", "GPU", "room", "of", "ticket", "share", "hours", "jobs", "100 earn"];
        let mut table = Table::new(titles);
        for offer in &self.offers {
            table.row([
                offer.offer.clone(),
                format!("{} × {}", offer.quantity, offer.gpu),
                self.unit.number(offer.room),
                self.unit.number(offer.capacity),
                self.unit.number(offer.ticket),
                percent(offer.share_bps),
                offer.presence_hours.to_string(),
                format!("{}/{}/{}", offer.jobs_done, offer.jobs_missed, offer.jobs_convicted),
                self.unit.number(offer.weekly_per_100),
            ]);
        }
        write!(f, "{table}")
    }
}

#[derive(Serialize)]
struct Held {
    position: String,
    offer: String,
    device: String,
    shares: u64,
    /// What the shares are worth now.
    stake: u64,
    /// What can be claimed.
    rewards: u64,
    /// What it brings in a week at the prices of the last seven days.
    weekly: u64,
}

#[derive(Serialize)]
struct Leaving {
    exit: String,
    offer: String,
    /// What it is worth now.
    stake: u64,
    rewards: u64,
    cooling: bool,
    cools_at: i64,
    ends_at: i64,
}

#[derive(Serialize)]
struct Holdings {
    positions: Vec<Held>,
    exits: Vec<Leaving>,
    #[serde(skip)]
    unit: Unit,
    #[serde(skip)]
    now: i64,
}

impl fmt::Display for Holdings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.positions.is_empty() && self.exits.is_empty() {
            return writeln!(f, "nothing co-staked; `ionet costake list` shows offers");
        }
        let mut table = Table::new(["position", "offer", "$IO", "rewards", "a week"]);
        for held in &self.positions {
            let [stake, rewards, weekly] = [held.stake, held.rewards, held.weekly].map(|amount| self.unit.number(amount));
            table.row([held.position.clone(), held.offer.clone(), stake, rewards, weekly]);
        }
        write!(f, "{table}")?;
        for exit in &self.exits {
            let left = exit.ends_at.saturating_sub(self.now);
            let when = match left {
                ..=0 => "ready: `ionet costake withdraw`".to_owned(),
                left => format!("back in {}", span(left)),
            };
            let (stake, rewards) = (self.unit.show(exit.stake), self.unit.show(exit.rewards));
            writeln!(f, "exit {}: {stake} and {rewards} of rewards, {when}", exit.exit)?;
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Done {
    #[serde(skip_serializing_if = "Option::is_none")]
    offer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit: Option<String>,
    /// Rewards taken out.
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<u64>,
    #[serde(flatten)]
    sent: Sent,
    #[serde(skip)]
    unit: Unit,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [("offer", &self.offer), ("position", &self.position), ("exit", &self.exit)];
        let mut lines: Vec<_> = named.iter().filter_map(|(name, value)| Some((*name, (*value).clone()?))).collect();
        lines.extend(self.amount.map(|amount| ("claimed", self.unit.show(amount))));
        fields(f, &lines)?;
        write!(f, "{}", self.sent)
    }
}

/// A transaction to send, what it makes, and what to show of its effect.
struct Plan {
    question: String,
    instructions: Vec<Instruction>,
    offer: Option<Address>,
    position: Option<Address>,
    exit: Option<Address>,
    /// Rewards to be taken out.
    amount: Option<u64>,
}

impl Plan {
    fn new(question: String, instructions: Vec<Instruction>) -> Self {
        Self {
            question,
            instructions,
            offer: None,
            position: None,
            exit: None,
            amount: None,
        }
    }
}

impl Command {
    pub async fn run(self, context: &Context) -> Result<Answer> {
        context.chain.check(&[costaking::ID]).await?;
        let market = context.market().await?;
        let token = context.token(&market, None).await?;
        let plan = match self {
            Self::List {
                gpu,
                min_share,
                room,
                sort,
            } => return list(context, &market, token, (gpu, min_share, room), sort).await,
            Self::Show { holder } => return show(context, token, context.address(holder)?).await,
            Self::Offer {
                capacity,
                share,
                ticket,
                which,
            } => offer(context, &market, token, capacity, share, ticket, &which).await?,
            Self::Retract { which } => change(context, &which, false).await?,
            Self::End { which } => change(context, &which, true).await?,
            Self::Join { offer, amount } => join(context, &market, token, offer, amount).await?,
            Self::Exit { position, amount } => leave(context, token, position, amount).await?,
            Self::Withdraw { exit } => withdraw(context, token, exit).await?,
            Self::Claim { position } => claim(context, token, position).await?,
        };
        let wallet = context.wallet()?;
        let watched = [Watched::tokens("wallet", &wallet.pubkey(), &token)];
        let sent = context.send(&plan.question, &plan.instructions, &wallet, &[], &watched).await?;
        let name = |address: Option<Address>| address.map(|address| address.to_string());
        Ok(Answer::new(&Done {
            offer: name(plan.offer),
            position: name(plan.position),
            exit: name(plan.exit),
            amount: plan.amount,
            sent,
            unit: token.unit,
        }))
    }
}

/// What stake in offers brings in a week, at the prices of the last one.
struct Outlook {
    week: Week,
    gpus: BTreeMap<u16, GpuModel>,
    min_uptime: u32,
}

impl Outlook {
    async fn load(context: &Context, now: i64) -> Result<Self> {
        let gpus: Vec<(Address, GpuModel)> = context.chain.find(&[]).await?;
        let emission: Option<Emission> = context.chain.try_fetch(&reward::emission()).await?;
        Ok(Self {
            week: Week::load(context, now).await?,
            gpus: gpus.into_iter().map(|(_, gpu)| (gpu.id.get(), gpu)).collect(),
            min_uptime: emission.map_or(0, |emission| emission.min_uptime.get()),
        })
    }

    /// What so much stake in an offer brings: a full offer gets its whole share, one that is half full half of it, so a stake brings the
    /// same in both.
    fn weekly(&self, stake: Amount, offer: &Offer, device: &Device) -> u64 {
        let Some(gpu) = self.gpus.get(&device.gpu_model.get()) else {
            return 0;
        };
        let all = Amount(self.week.reward(&Rated::of(device, gpu, self.min_uptime)));
        part(all, Bps::saturating(offer.share_bps.get()), stake, Amount(offer.capacity.get())).0
    }
}

/// Offers of a device, ended ones too.
async fn offers_of(context: &Context, device: &Address) -> Result<Vec<(Address, Offer)>> {
    Ok(context.chain.find(&[Filter::Bytes(FIRST, device.as_ref().to_vec())]).await?)
}

/// The same for a device whose model is not at hand.
async fn most_of(context: &Context, market: &Market, device: &Device, config: &costaking::Config) -> Result<(Amount, Amount)> {
    let gpu: GpuModel = context.chain.fetch(&stake::gpu_model(device.gpu_model.get())).await?;
    most(&market.staking, device, &gpu, config, context.now().await?.unix)
}

/// A device's minimum stake now, and the most of it that co-stakers may fund.
fn most(staking: &StakingConfig, device: &Device, gpu: &GpuModel, config: &costaking::Config, now: i64) -> Result<(Amount, Amount)> {
    let minimum = device.minimum(staking, gpu, now);
    let minimum = minimum.or_else(|_| refuse("the stake that this device needs cannot be computed; update this program"))?;
    Ok((minimum, minimum.share_floor(Bps::saturating(config.capacity_bps.get()))))
}

async fn offer(
    context: &Context,
    market: &Market,
    token: Token,
    capacity: Quantity,
    share_bps: u16,
    ticket: Option<Quantity>,
    which: &Which,
) -> Result<Plan> {
    let owner = context.wallet()?.pubkey();
    let (address, device) = which.find(context, &owner).await?;
    let capacity = capacity.base_units(token.unit)?;
    let ticket = ticket.map_or(Ok((capacity / 100).max(1)), |ticket| ticket.base_units(token.unit))?;
    if device.offering != Offering::Nothing {
        return refuse(format!(
            "device {address} has an offer already; end it first with `ionet costake retract` and `ionet costake end`"
        ));
    }
    let config: costaking::Config = context.chain.fetch(&costake::config()).await?;
    let (minimum, most) = most_of(context, market, &device, &config).await?;
    let shown = |amount| token.unit.show(amount);
    if capacity > most.0 {
        return refuse(format!(
            "co-stakers may fund {} of device {address}; offer that or less",
            shown(most.0)
        ));
    }
    if !(1..=capacity).contains(&ticket) {
        return refuse(format!("a ticket is above 0 and at most the capacity of {}", shown(capacity)));
    }
    if share_bps < config.min_share_bps.get() {
        return refuse(format!(
            "co-stakers get at least {} of the rewards; raise --share",
            percent(config.min_share_bps.get())
        ));
    }
    if device.own_stake.get() < minimum.0 {
        return refuse(format!(
            "device {address} has {} of its own staked and needs {} before it can offer a part; stake the rest with `ionet stake add`",
            shown(device.own_stake.get()),
            shown(minimum.0)
        ));
    }
    let terms = OfferTerms {
        capacity,
        ticket,
        share_bps,
    };
    let used = offers_of(context, &address).await?.iter().map(|(_, offer)| offer.index.get()).max();
    let index = used.map_or(0, |index| index.saturating_add(1));
    let create = costake::create(&owner, &address, device.gpu_model.get(), &token.mint, index, terms);
    let question = format!(
        "offer {} of device {address}'s rewards for a co-stake of up to {}",
        percent(share_bps),
        token.unit.show(capacity)
    );
    Ok(Plan {
        offer: Some(costake::offer(&address, index)),
        ..Plan::new(question, vec![create])
    })
}

/// Retracts a device's offer, or ends it.
async fn change(context: &Context, which: &Which, ends: bool) -> Result<Plan> {
    let owner = context.wallet()?.pubkey();
    let (device, books) = which.find(context, &owner).await?;
    let offers = offers_of(context, &device).await?;
    let live = offers.into_iter().find(|(_, offer)| offer.status != Status::Ended);
    let Some((offer, state)) = live else {
        return refuse(format!("device {device} has no offer; make one with `ionet costake offer`"));
    };
    let is_open = state.status == Status::Open;
    let mut instructions = noting(&state, &offer, &books);
    match ends {
        false if !is_open => {
            return refuse(format!("offer {offer} is retracted already; `ionet costake end` ends it"));
        }
        true if is_open => {
            return refuse(format!(
                "offer {offer} can still be joined; retract it first with `ionet costake retract`"
            ));
        }
        // Recording the owner's exit takes them out.
        true if !state.shares.is_zero() && instructions.is_empty() => {
            return refuse(format!("co-stakers are in offer {offer}; it can end when they have left"));
        }
        _ => {}
    }
    let (what, make): (_, fn(&Address, &Address, &Address) -> Instruction) = match ends {
        true => ("end sharing by", costake::end),
        false => ("let nobody join", costake::retract),
    };
    instructions.push(make(&owner, &device, &offer));
    Ok(Plan {
        offer: Some(offer),
        ..Plan::new(format!("{what} offer {offer}"), instructions)
    })
}

async fn join(context: &Context, market: &Market, token: Token, address: Address, amount: Quantity) -> Result<Plan> {
    let holder = context.wallet()?.pubkey();
    let offer: Offer = context.chain.fetch(&address).await?;
    let device: Device = context.chain.fetch(&offer.device).await?;
    let amount = amount.base_units(token.unit)?;
    let from = market::token_account(&holder, &token.mint);
    if offer.status != Status::Open {
        return refuse(format!(
            "nobody can join offer {address} any more; `ionet costake list` shows those that can be joined"
        ));
    }
    if holder == device.owner || holder == device.payout {
        return refuse(format!(
            "{holder} owns device {} or is paid for it, and cannot co-stake it; stake with `ionet stake add`",
            offer.device
        ));
    }
    let config: costaking::Config = context.chain.fetch(&costake::config()).await?;
    let (_, most) = most_of(context, market, &device, &config).await?;
    let room = most.0.min(offer.capacity.get()).saturating_sub(device.co_stake.get());
    let shown = |amount| token.unit.show(amount);
    if amount > room {
        return refuse(format!(
            "offer {address} has no room for {}, only for {}",
            shown(amount),
            shown(room)
        ));
    }
    if amount == 0 || (amount < offer.ticket.get() && amount != room) {
        return refuse(format!(
            "a co-stake is at least a ticket, here {}, or all the room there is, {}",
            shown(offer.ticket.get()),
            shown(room)
        ));
    }
    let account = context.chain.account(&from).await?;
    let held = account.as_ref().and_then(token_amount).unwrap_or(0);
    if held < amount {
        return refuse(format!(
            "wallet {holder} holds {} and cannot stake {}; get more first or stake less",
            shown(held),
            shown(amount)
        ));
    }
    // An id of its own for ever: exits of a position that was closed keep theirs.
    let id = (context.now().await?.slot & u64::from(u32::MAX)) as u32;
    let join = costake::join(
        &holder,
        &offer.device,
        device.gpu_model.get(),
        &address,
        &from,
        id,
        amount,
        offer.terms(),
    );
    let share = percent(offer.share_bps.get());
    let question = format!(
        "stake {} on device {} for a part of {share} of its rewards; it is back {} after you ask for it",
        token.unit.show(amount),
        offer.device,
        span(i64::from(config.wait.get()).saturating_add(market.staking.cooldown.get().into()))
    );
    Ok(Plan {
        position: Some(costake::position(&address, &holder, id)),
        ..Plan::new(question, vec![join])
    })
}

async fn leave(context: &Context, token: Token, address: Address, amount: Option<Quantity>) -> Result<Plan> {
    let position: Position = context.chain.fetch(&address).await?;
    check_holder(context, &address, &position.holder)?;
    let offer: Offer = context.chain.fetch(&position.offer).await?;
    let device: Device = context.chain.fetch(&offer.device).await?;
    let held = position.shares.get();
    let shares = match amount.map(|amount| amount.base_units(token.unit)).transpose()? {
        None => held,
        Some(_) if is_forced(&offer, &device) => {
            return refuse(format!(
                "the owner's exit has taken all of position {address} along; omit the amount to take all of it out"
            ));
        }
        Some(amount) => match shares_worth(amount, held, offer.shares.get(), Amount(device.co_stake.get())) {
            Some(shares) => shares,
            None => {
                let stake = stake_of(held, &offer, &device);
                return refuse(format!(
                    "position {address} is worth {}; take out a part of that, or omit the amount to take all",
                    token.unit.show(stake.0)
                ));
            }
        },
    };
    let number = position.exits.get();
    let mut instructions = noting(&offer, &position.offer, &device);
    instructions.push(costake::request_exit(
        &position.holder,
        &offer.device,
        &position.offer,
        &address,
        number,
        shares,
    ));
    if shares == held {
        instructions.push(costake::close_position(
            &position.holder,
            &position.holder,
            &position.offer,
            &address,
        ));
    }
    let stake = stake_of(shares, &offer, &device);
    let question = format!("take {} out; this cannot be called back", token.unit.show(stake.0));
    Ok(Plan {
        exit: Some(costake::exit(&address, number)),
        ..Plan::new(question, instructions)
    })
}

/// The fewest of the shares `held` that are worth `amount`, all of them when it is all they are worth; `None` for nothing and for more than
/// that.
fn shares_worth(amount: u64, held: u64, shares: u64, assets: Amount) -> Option<u64> {
    let stake = worth(held, shares, assets).0;
    match amount {
        0 => None,
        amount if amount > stake => None,
        amount if amount == stake => Some(held),
        amount => math::mul_div_ceil(amount, shares, assets.0),
    }
}

/// Fails unless the wallet holds the position or exit.
fn check_holder(context: &Context, what: &Address, holder: &Address) -> Result<()> {
    let wallet = context.wallet()?.pubkey();
    match wallet == *holder {
        true => Ok(()),
        false => refuse(format!("{what} is {holder}'s, and not wallet {wallet}'s")),
    }
}

/// Whether an offer has to record its owner's exit before anything else.
fn must_note(offer: &Offer, device: &Device) -> bool {
    !device.forced_at.is_zero() && offer.status == Status::Closed
}

/// Whether the owner's exit has taken all of an offer's stake along.
fn is_forced(offer: &Offer, device: &Device) -> bool {
    !offer.forced_at.is_zero() || must_note(offer, device)
}

/// What shares of an offer are worth: of the device's co-stake, or of what cools down since its owner left.
fn stake_of(shares: u64, offer: &Offer, device: &Device) -> Amount {
    let cooling = |all, of| {
        let shares = worth(shares, all, Amount(of)).0;
        worth(shares, device.co_cooling_shares.get(), Amount(device.co_cooling.get()))
    };
    match (offer.forced_at.is_zero(), must_note(offer, device)) {
        (false, _) => cooling(offer.forced_total.get(), offer.forced_shares.get()),
        (true, true) => cooling(offer.shares.get(), device.forced_shares.get()),
        (true, false) => worth(shares, offer.shares.get(), Amount(device.co_stake.get())),
    }
}

/// When an exit's stake is back: no later than what its owner's exit took along.
fn back_at(exit: &Exit, offer: &Offer, device: &Device) -> i64 {
    let forced = match (offer.forced_at.is_zero(), must_note(offer, device)) {
        (false, _) => offer.forced_ends_at.get(),
        (true, true) => device.forced_at.get().saturating_add(device.forced_cooldown.get().into()),
        (true, false) => i64::MAX,
    };
    match exit.cooling.get() {
        true => exit.ends_at.get(),
        false => exit.ends_at.get().min(forced),
    }
}

/// Has an offer record its owner's exit first, if it has to.
fn noting(offer: &Offer, address: &Address, device: &Device) -> Vec<Instruction> {
    let note = must_note(offer, device).then(|| costake::force(&offer.device, address));
    note.into_iter().collect()
}

async fn withdraw(context: &Context, token: Token, address: Address) -> Result<Plan> {
    let exit: Exit = context.chain.fetch(&address).await?;
    let offer: Offer = context.chain.fetch(&exit.offer).await?;
    // What is left in an offer that has ended anyone pays out to its holder.
    if offer.status != Status::Ended {
        check_holder(context, &address, &exit.holder)?;
    }
    let caller = context.wallet()?.pubkey();
    let device = device_of_exit(context, &offer).await?;
    let left = back_at(&exit, &offer, &device).saturating_sub(context.now().await?.unix);
    if left > 0 {
        return refuse(format!("this stake is back in {}; withdraw it then", span(left)));
    }
    let mut instructions = noting(&offer, &exit.offer, &device);
    if !exit.cooling.get() {
        if instructions.is_empty() && offer.forced_at.is_zero() && !device.escrowed.is_zero() {
            return refuse("a slash has set stake of the device aside; withdraw this when that has ended");
        }
        instructions.push(costake::cool(&offer.device, &exit.offer, &address));
    }
    instructions.push(market::create_token_account(&caller, &exit.holder, &token.mint));
    let to = market::token_account(&exit.holder, &token.mint);
    instructions.push(costake::withdraw(&caller, &exit.holder, &offer.device, &exit.offer, &address, &to));
    Ok(Plan::new(format!("withdraw exit {address}"), instructions))
}

/// The device of an exit's offer; one with nothing where an exit worth nothing has outlived it.
async fn device_of_exit(context: &Context, offer: &Offer) -> Result<Device> {
    let device = context.chain.try_fetch(&offer.device).await?;
    Ok(device.unwrap_or_else(Device::zeroed))
}

async fn claim(context: &Context, token: Token, address: Address) -> Result<Plan> {
    let mut position: Position = context.chain.fetch(&address).await?;
    check_holder(context, &address, &position.holder)?;
    let offer: Offer = context.chain.fetch(&position.offer).await?;
    let amount = position.claim(&offer);
    if amount == 0 {
        return refuse(format!(
            "no rewards have come in for position {address}; they do when an hour that it was in is shared"
        ));
    }
    let receive = market::create_token_account(&position.holder, &position.holder, &token.mint);
    let to = market::token_account(&position.holder, &token.mint);
    let claim = costake::claim(&position.holder, &position.offer, &address, &to);
    let question = format!("claim {} of position {address}", token.unit.show(amount));
    Ok(Plan {
        position: Some(address),
        amount: Some(amount),
        ..Plan::new(question, vec![receive, claim])
    })
}

/// Positions of a holder.
async fn positions(context: &Context, holder: &Address) -> Result<Vec<(Address, Position)>> {
    Ok(context.chain.find(&[Filter::Bytes(SECOND, holder.as_ref().to_vec())]).await?)
}

async fn show(context: &Context, token: Token, holder: Address) -> Result<Answer> {
    let by_holder = [Filter::Bytes(SECOND, holder.as_ref().to_vec())];
    let exits: Vec<(Address, Exit)> = context.chain.find(&by_holder).await?;
    let own = positions(context, &holder).await?;
    let mut holdings = Holdings {
        positions: Vec::new(),
        exits: Vec::new(),
        unit: token.unit,
        now: context.now().await?.unix,
    };
    let outlook = Outlook::load(context, holdings.now).await?;
    for (address, mut position) in own {
        let offer: Offer = context.chain.fetch(&position.offer).await?;
        let device: Device = context.chain.fetch(&offer.device).await?;
        let shares = position.shares.get();
        // What cools down earns no more; what a slash has set aside does until it stands.
        let counted = worth(shares, offer.shares.get(), Amount(device.whole_co_stake()));
        let stake = stake_of(shares, &offer, &device);
        holdings.positions.push(Held {
            position: address.to_string(),
            offer: position.offer.to_string(),
            device: offer.device.to_string(),
            shares,
            stake: stake.0,
            weekly: outlook.weekly(counted, &offer, &device),
            rewards: position.claim(&offer),
        });
    }
    for (address, mut exit) in exits {
        let offer: Offer = context.chain.fetch(&exit.offer).await?;
        // Broken books fail here: then what was recorded is shown.
        exit.settle(&offer).ok();
        let device = device_of_exit(context, &offer).await?;
        let stake = match exit.cooling.get() {
            true => worth(
                exit.cooling_shares.get(),
                device.co_cooling_shares.get(),
                Amount(device.co_cooling.get()),
            ),
            false => stake_of(exit.shares.get(), &offer, &device),
        };
        holdings.exits.push(Leaving {
            exit: address.to_string(),
            offer: exit.offer.to_string(),
            stake: stake.0,
            rewards: exit.rewards.get(),
            cooling: exit.cooling.get(),
            cools_at: exit.cools_at.get(),
            ends_at: back_at(&exit, &offer, &device),
        });
    }
    Ok(Answer::new(&holdings))
}

async fn list(
    context: &Context,
    market: &Market,
    token: Token,
    (gpu, min_share, room): (Option<String>, u8, Option<Quantity>),
    sort: Sort,
) -> Result<Answer> {
    let offers: Vec<(Address, Offer)> = context.chain.find(&[]).await?;
    let devices: Vec<(Address, Device)> = context.chain.find(&[]).await?;
    let devices: BTreeMap<Address, Device> = devices.into_iter().collect();
    let now = context.now().await?.unix;
    let outlook = Outlook::load(context, now).await?;
    let least = room.map_or(Ok(1), |room| room.base_units(token.unit))?;
    let wanted = gpu.unwrap_or_default().to_lowercase();
    let mut listing = Listing {
        offers: Vec::new(),
        unit: token.unit,
    };
    let config: costaking::Config = context.chain.fetch(&costake::config()).await?;
    let hundred = Amount(100u64.saturating_mul(10u64.saturating_pow(u32::from(token.unit.decimals))));
    for (address, offer) in offers.iter().filter(|(_, offer)| offer.status == Status::Open) {
        let Some(device) = devices.get(&offer.device) else { continue };
        let Some(gpu) = outlook.gpus.get(&device.gpu_model.get()) else {
            continue;
        };
        // Nobody joins a device that is retired, or while a slash has set stake of it aside or has some to collect.
        if device.status != STATUS_ACTIVE || !device.escrowed.is_zero() || device.dues != 0 {
            continue;
        }
        let most = most(&market.staking, device, gpu, &config, now)?.1;
        let gpu = gpu_name(gpu);
        let room = most.0.min(offer.capacity.get()).saturating_sub(device.co_stake.get());
        let shown = room >= least && offer.share_bps.get() >= u16::from(min_share).saturating_mul(100);
        if !shown || !gpu.to_lowercase().contains(&wanted) {
            continue;
        }
        listing.offers.push(Listed {
            offer: address.to_string(),
            device: offer.device.to_string(),
            gpu,
            quantity: device.quantity,
            capacity: offer.capacity.get(),
            room,
            ticket: offer.ticket.get(),
            share_bps: offer.share_bps.get(),
            jobs_done: device.jobs_done.get(),
            jobs_missed: device.jobs_missed.get(),
            jobs_convicted: device.jobs_convicted.get(),
            presence_hours: device.last_hour.get().saturating_sub(device.streak_hour.get()),
            weekly_per_100: outlook.weekly(hundred, offer, device),
        });
    }
    listing.offers.sort_by_key(|offer| {
        std::cmp::Reverse(match sort {
            Sort::Share => u64::from(offer.share_bps),
            Sort::Room => offer.room,
            Sort::Record => u64::from(offer.jobs_done),
            Sort::Reward => offer.weekly_per_100,
        })
    });
    Ok(Answer::new(&listing))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{amount::SOL, output::Format, testing};
    use chain::fake::Fake;
    use std::sync::Arc;

    #[tokio::test]
    async fn an_exit_worth_nothing_is_withdrawn_without_the_device() {
        let (folder, fake) = (tempfile::tempdir().unwrap(), Arc::new(Fake::default()));
        let (context, wallet) = testing::context(&fake, folder.path());
        fake.set_clock();
        let token = Token {
            mint: Address::new_unique(),
            unit: SOL,
        };
        let (at, of) = (Address::new_unique(), Address::new_unique());
        let exit = Exit {
            holder: wallet.pubkey(),
            offer: of,
            shares: 1.into(),
            cooling: true.into(),
            ..Exit::zeroed()
        };
        let offer = Offer {
            device: Address::new_unique(),
            status: Status::Ended as u8,
            ..Offer::zeroed()
        };
        fake.set_account(at, testing::account(&exit));
        fake.set_account(of, testing::account(&offer));
        let plan = withdraw(&context, token, at).await.unwrap();
        assert_eq!(plan.instructions.len(), 2, "an account for the rewards, and the exit");
    }

    #[tokio::test]
    async fn what_was_claimed_is_told() {
        let (folder, fake) = (tempfile::tempdir().unwrap(), Arc::new(Fake::default()));
        let (context, wallet, _) = testing::on_market(&fake, folder.path(), 0);
        fake.set_account(costaking::ID, testing::program());
        let (at, of) = (Address::new_unique(), Address::new_unique());
        let position = Position {
            holder: wallet.pubkey(),
            offer: of,
            shares: 70_000_000.into(),
            settled: true.into(),
            ..Position::zeroed()
        };
        let offer = Offer {
            // A base unit a share.
            reward_index: (1_u128 << 63).into(),
            ..Offer::zeroed()
        };
        fake.set_account(at, testing::account(&position));
        fake.set_account(of, testing::account(&offer));
        let claim: Command = testing::typed(&["claim", &at.to_string()]);
        let answer = claim.run(&context).await.unwrap();
        assert_eq!(testing::json(&answer).get("amount"), Some(&70_000_000.into()));
        assert!(
            answer.show(Format::Text).contains("claimed   0.7 $IO"),
            "{}",
            answer.show(Format::Text)
        );
    }

    #[test]
    fn an_exit_takes_the_amount_named() {
        // 300 base units in 200 shares, of which 100 are held.
        let shares = |amount| shares_worth(amount, 100, 200, Amount(300));
        assert_eq!(shares(0), None);
        assert_eq!(shares(1), Some(1), "a share is worth more, a part of one cannot be taken");
        assert_eq!(shares(75), Some(50));
        assert_eq!(shares(150), Some(100));
        assert_eq!(shares(151), None);
        assert_eq!(shares_worth(99, 100, 200, Amount(199)), Some(100), "no dust is left behind");
        assert_eq!(shares_worth(1, 100, 200, Amount(0)), None, "nothing left");
    }

    /// 200 shares, of which 50 are meant, of 300 base units: before the owner leaves, before the offer records it, and after.
    #[test]
    fn shares_are_worth_what_they_have_become() {
        let (mut offer, mut device) = (Offer::zeroed(), Device::zeroed());
        (offer.status, offer.shares, device.co_stake) = (Status::Closed as u8, 200.into(), 300.into());
        // Others' exits cool down beside.
        (device.co_cooling, device.co_cooling_shares) = (1_000.into(), 500.into());
        // What a slash has set aside is nobody's to take out.
        device.co_escrowed = 100.into();
        assert_eq!((stake_of(50, &offer, &device), is_forced(&offer, &device)), (Amount(75), false));

        (device.forced_at, device.forced_shares, device.co_stake) = (9.into(), 150.into(), 0.into());
        (device.co_cooling, device.co_cooling_shares) = (1_300.into(), 650.into());
        assert_eq!((stake_of(50, &offer, &device), is_forced(&offer, &device)), (Amount(74), true));

        (offer.forced_at, offer.forced_total, offer.forced_shares) = (device.forced_at, offer.shares, device.forced_shares);
        (offer.status, offer.shares, device.forced_at) = (Status::Forced as u8, 0.into(), 0.into());
        assert_eq!((stake_of(50, &offer, &device), is_forced(&offer, &device)), (Amount(74), true));
    }
}
