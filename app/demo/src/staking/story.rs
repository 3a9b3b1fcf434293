//! The plot: who does what, and when. It is fixed, except for amounts and times of day, which the seed draws.

use costaking::OfferTerms;
use fastrand::Rng;
use protocol::units::IO;
use std::collections::BTreeMap;

/// Hours of a day.
pub const DAY: u32 = 24;
/// Reasons of slashes, as the staking program numbers them.
const SPOOFING: u8 = 0;
const INADEQUATE_SERVICE: u8 = 2;

/// A supplier at the beginning of the story.
pub struct Supplier {
    /// Its name.
    pub name: Name,
    /// Id in the published GPU table.
    pub gpu: u16,
    /// Number of GPUs.
    pub quantity: u8,
    /// What the owner has, and stakes.
    pub stake: u64,
    /// Whether it arrives later in the story.
    pub late: bool,
}

/// Each with another GPU: H100 PCIe, A100 80GB PCIe and L40S of the enterprise pool, RTX 4080 and RTX 3090 of the community pool.
pub const SUPPLIERS: [Supplier; 5] = [
    Supplier::new("Ada", 4, 2, 4_000),
    Supplier::new("Boris", 5, 1, 1_500),
    Supplier::new("Chen", 13, 2, 1_100),
    Supplier::new("Dana", 17, 1, 600),
    Supplier::new("Emil", 7, 1, 900).late(),
];

impl Supplier {
    const fn new(name: Name, gpu: u16, quantity: u8, stake: u64) -> Self {
        Self {
            name,
            gpu,
            quantity,
            stake: stake * IO,
            late: false,
        }
    }

    const fn late(self) -> Self {
        Self { late: true, ..self }
    }
}

/// Co-stakers, and what they begin with.
pub const CO_STAKERS: [(Name, u64); 5] = [
    ("Fay", 2_000 * IO),
    ("Gus", 1_500 * IO),
    ("Hana", 500 * IO),
    ("Ivo", 500 * IO),
    ("Jun", 1_000 * IO),
];

/// A name; an offer goes by its supplier's.
pub type Name = &'static str;

/// A step of the story.
#[derive(Clone, Copy, Debug)]
pub enum Deed {
    /// A supplier registers its device and stakes.
    Arrive(Name),
    /// A supplier offers co-stakers a share of its rewards, on these terms.
    Offer(Name, OfferTerms),
    /// A co-staker joins a supplier's offer with this much.
    Join(Name, Name, u64),
    /// A co-staker takes all the room left in a supplier's offer.
    Fill(Name, Name),
    /// A co-staker requests an exit with this percentage of its shares.
    Leave(Name, Name, u64),
    /// A co-staker's exit with this number starts to cool down.
    Cool(Name, Name, u32),
    /// A co-staker withdraws that exit, which has cooled down.
    TakeOut(Name, Name, u32),
    /// A supplier unstakes, which takes along everybody in its offer.
    Unstake(Name),
    /// A supplier withdraws its own stake, which has cooled down.
    Withdraw(Name),
    /// A supplier is back with this much.
    StakeAgain(Name, u64),
    /// A supplier closes its device.
    Retire(Name),
    /// A supplier's device answers no call for this many hours.
    Ignore(Name, u32),
    /// A supplier's device is off for this many hours.
    SwitchOff(Name, u32),
    /// The proposer proposes a slash of a supplier's device: reason, and share of the stake in basis points.
    Propose(Name, u8, u16),
    /// The approver approves the slash.
    Approve(Name),
    /// The supplier appeals.
    Appeal(Name),
    /// The authority overturns the slash.
    Overturn(Name),
    /// The appeal period is over.
    Finish(Name),
}

/// Deeds by the hour at whose beginning they are done; deeds enter their own consequences.
#[derive(Default)]
pub struct Agenda(BTreeMap<u32, Vec<Deed>>);

impl Agenda {
    /// The plot, with amounts and times drawn from the seed.
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut about = |amount: u64| amount * IO + rng.u64(0..amount * IO / 5);
        let plot = [
            (1, Deed::Join("Fay", "Ada", about(1_100))),
            (1, Deed::Join("Hana", "Chen", about(250))),
            (1, Deed::Join("Jun", "Dana", about(90))),
            (2, Deed::Join("Ivo", "Chen", about(120))),
            (2, Deed::Fill("Gus", "Ada")),
            (2, Deed::Ignore("Dana", 2)),
            (2, Deed::Propose("Dana", INADEQUATE_SERVICE, 2_500)),
            (3, Deed::Approve("Dana")),
            (3, Deed::Leave("Fay", "Ada", 40)),
            (5, Deed::Appeal("Dana")),
            (9, Deed::Ignore("Dana", 3)),
            (12, Deed::Arrive("Emil")),
            (12, Deed::Fill("Jun", "Ada")),
            (15, Deed::Propose("Boris", SPOOFING, 2_000)),
            (16, Deed::Approve("Boris")),
            (18, Deed::Appeal("Boris")),
            (25, Deed::Overturn("Boris")),
            (27, Deed::SwitchOff("Dana", DAY)),
            (30, Deed::Leave("Gus", "Ada", 100)),
            (35, Deed::Unstake("Chen")),
            (36, Deed::Leave("Hana", "Chen", 100)),
            (39, Deed::Leave("Ivo", "Chen", 100)),
            (40, Deed::Unstake("Emil")),
            (51, Deed::StakeAgain("Chen", 1_100 * IO)),
            (56, Deed::Retire("Emil")),
        ];
        let mut agenda = Self::default();
        for (who, capacity, ticket, share_bps) in [("Ada", 2_000, 100, 4_000), ("Chen", 550, 50, 3_000), ("Dana", 175, 25, 5_000)] {
            let terms = OfferTerms {
                capacity: capacity * IO,
                ticket: ticket * IO,
                share_bps,
            };
            // Before the first paid hour: rewards from before an offer belong to the owner alone and would have to be collected first.
            agenda.enter(2, Deed::Offer(who, terms));
        }
        for (day, deed) in plot {
            agenda.enter((day - 1) * DAY + rng.u32(3..DAY), deed);
        }
        agenda
    }

    /// Enters a deed for an hour.
    pub fn enter(&mut self, hour: u32, deed: Deed) {
        self.0.entry(hour).or_default().push(deed);
    }

    /// Removes and returns the deeds due in an hour.
    pub fn due(&mut self, hour: u32) -> Vec<Deed> {
        self.0.remove(&hour).unwrap_or_default()
    }
}
