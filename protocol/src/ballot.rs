//! Votes of stakers: how much a vote weighs, and when a proposal passes (rules K1, K4).

use crate::units::{Amount, Bps};

/// Longest time a proposal may take from its opening to the end of its timelock, in seconds: 60 days. A [`History`] remembers each increase
/// of a stake for this long plus [`MIN_AGE`].
pub const MAX_VOTING: u32 = 60 * 86_400;

/// Seconds for which stake must have been there before a vote is opened to count in it: a week. Tokens borrowed for a day have no vote.
pub const MIN_AGE: u32 = 7 * 86_400;

/// The latest moment at which stake may have come in to count in a vote opened at `opened_at`; both in unix seconds.
pub fn since(opened_at: i64) -> i64 {
    opened_at.saturating_sub(MIN_AGE.into())
}

crate::coded! {
    /// A choice in a vote.
    pub enum Choice {
        /// For the proposal.
        Yes = 0,
        /// Against the proposal.
        No = 1,
        /// Neither; counts for the quorum.
        Abstain = 2,
        /// Against the proposal, which should never have been made: when enough votes are vetoes, its deposit is burned.
        Veto = 3,
    }
}

crate::coded! {
    /// How much power a proposal needs, from the least to the most. It is derived from the proposal's instructions, not from what the
    /// proposer claims.
    pub enum Kind {
        /// Names the guardian and its term.
        Guardian = 0,
        /// Changes parameters of the market.
        Parameter = 1,
        /// Moves funds of the treasury.
        Treasury = 2,
        /// Replaces code, authorities or the rules of voting, or calls an unknown instruction, which could do anything.
        Upgrade = 3,
    }
}

/// Number of kinds.
pub const KINDS: usize = 4;

/// What a proposal of some kind needs to pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Votes needed, abstentions included, in base units of stake.
    pub quorum: Amount,
    /// Least share of yes among yes, no and veto.
    pub approval: Bps,
    /// Share of vetoes among all votes at which the proposal is vetoed.
    pub veto: Bps,
}

/// Votes by weight. A sum stays below the supply, since no stake votes twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Votes {
    /// See [`Choice`].
    pub yes: u64,
    /// See [`Choice`].
    pub no: u64,
    /// See [`Choice`].
    pub abstain: u64,
    /// See [`Choice`].
    pub veto: u64,
}

/// The result of a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The quorum is reached, and enough of the votes are yes.
    Passed,
    /// The quorum is missed, or too few of the votes are yes.
    Defeated,
    /// The quorum is reached, and too many of the votes are vetoes.
    Vetoed,
}

impl Votes {
    /// All votes; `None` beyond 64 bits.
    pub fn sum(&self) -> Option<u64> {
        self.yes.checked_add(self.no)?.checked_add(self.abstain)?.checked_add(self.veto)
    }

    fn place(&mut self, choice: Choice) -> &mut u64 {
        match choice {
            Choice::Yes => &mut self.yes,
            Choice::No => &mut self.no,
            Choice::Abstain => &mut self.abstain,
            Choice::Veto => &mut self.veto,
        }
    }

    /// The votes with `weight` added to `choice`; `None` beyond 64 bits.
    pub fn with(mut self, choice: Choice, weight: u64) -> Option<Self> {
        let place = self.place(choice);
        *place = place.checked_add(weight)?;
        self.sum().map(|_| self)
    }

    /// The votes with `weight` taken from `choice`; `None` when there are fewer votes than that.
    pub fn without(mut self, choice: Choice, weight: u64) -> Option<Self> {
        let place = self.place(choice);
        *place = place.checked_sub(weight)?;
        Some(self)
    }

    /// The result of the votes. Even with a quorum of zero nothing passes without a yes.
    pub fn outcome(&self, thresholds: &Thresholds) -> Outcome {
        let all = self.sum().unwrap_or(u64::MAX);
        let decided = all.saturating_sub(self.abstain);
        if self.veto > 0 && self.veto >= Amount(all).share_ceil(thresholds.veto).0 && all >= thresholds.quorum.0 {
            return Outcome::Vetoed;
        }
        let passed = all >= thresholds.quorum.0 && self.yes > 0 && self.yes >= Amount(decided).share_ceil(thresholds.approval).0;
        if passed { Outcome::Passed } else { Outcome::Defeated }
    }
}

/// Number of increases of a stake that a [`History`] keeps apart.
pub const RAISES: usize = 4;

/// When a stake grew (unix seconds), and how large it was before (base units), oldest first; unused places are zero. Increases too old to
/// matter in any open vote are dropped. When there are too many, the two newest are merged into one increase at the later time, from the
/// smaller size. For a stake that grows often, anything that came in within 74 days before a vote may then weigh nothing, while older stake
/// weighs in full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History(pub [(i64, u64); RAISES]);

impl History {
    /// Records that the stake grows from `stake` at `now`.
    #[must_use]
    pub fn raised(&self, stake: u64, now: i64) -> Self {
        let remembered = i64::from(MAX_VOTING).saturating_add(MIN_AGE.into());
        let recent = |at: i64| at != 0 && now.saturating_sub(at) <= remembered;
        let mut kept = [(0, 0); RAISES];
        let mut count = 0usize;
        for raise in self.0.iter().copied().filter(|(at, _)| recent(*at)) {
            if let Some(place) = kept.get_mut(count) {
                *place = raise;
                count = count.saturating_add(1);
            }
        }
        match kept.get_mut(count) {
            Some(place) => *place = (now, stake),
            None => {
                // Merging older increases would keep the size before all of them for as long as the stake keeps growing.
                let [.., (at, before)] = &mut kept;
                (*at, *before) = (now, stake.min(*before));
            }
        }
        Self(kept)
    }

    /// How much of `stake` counts in a vote opened at `opened_at`: as much as had been there for [`MIN_AGE`] by then.
    pub fn weight(&self, stake: u64, opened_at: i64) -> u64 {
        let younger = self.0.iter().filter(|(at, _)| *at != 0 && *at >= since(opened_at));
        younger.fold(stake, |weight, (_, before)| weight.min(*before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    const THRESHOLDS: Thresholds = Thresholds {
        quorum: Amount(100),
        approval: Bps::saturating(5_000),
        veto: Bps::saturating(3_334),
    };

    fn votes(yes: u64, no: u64, abstain: u64, veto: u64) -> Votes {
        Votes { yes, no, abstain, veto }
    }

    #[test]
    fn thresholds_are_exact_to_the_vote() {
        let cases = [
            (votes(50, 49, 0, 0), Outcome::Defeated),
            (votes(50, 50, 0, 0), Outcome::Passed),
            (votes(49, 50, 1, 0), Outcome::Defeated),
            // Abstentions count for the quorum and nothing else.
            (votes(1, 0, 99, 0), Outcome::Passed),
            (votes(1, 0, 98, 0), Outcome::Defeated),
            (votes(0, 0, 100, 0), Outcome::Defeated),
            // Vetoes count as votes against, and a third of all votes is a veto.
            (votes(67, 0, 0, 33), Outcome::Passed),
            (votes(66, 0, 0, 34), Outcome::Vetoed),
            (votes(40, 20, 20, 20), Outcome::Passed),
            (votes(39, 20, 21, 20), Outcome::Defeated),
            // Without a quorum no deposit burns.
            (votes(0, 0, 0, 99), Outcome::Defeated),
            (votes(0, 0, 0, 0), Outcome::Defeated),
        ];
        for (votes, outcome) in cases {
            assert_eq!(votes.outcome(&THRESHOLDS), outcome, "{votes:?}");
        }
        let free = Thresholds {
            quorum: Amount(0),
            ..THRESHOLDS
        };
        assert_eq!(Votes::default().outcome(&free), Outcome::Defeated);
        assert_eq!(Choice::from_code(3), Some(Choice::Veto));
        assert_eq!(Choice::from_code(4), None);
    }

    #[test]
    fn the_size_before_each_increase_is_remembered() {
        let day = |days: i64| days * 86_400;
        let mut history = History::default().raised(0, day(100));
        history = history.raised(50, day(101)).raised(60, day(102));
        // Votes opened a week after the first increase, between the two, and a week after the last.
        let weights = [day(107), day(107) + 1, day(109), day(109) + 1].map(|opened| history.weight(80, opened));
        assert_eq!(weights, [0, 50, 60, 80]);
        // Stake that has left since does not count.
        assert_eq!(history.weight(55, day(109)), 55);
        // After two months and a week the increases are forgotten: no open vote is that old.
        assert_eq!(history.raised(80, day(170)).0, [(day(170), 80), (0, 0), (0, 0), (0, 0)]);
        // A fifth increase merges the two newest.
        let crowded = history.raised(80, day(103)).raised(90, day(104));
        assert_eq!(crowded.0, [(day(100), 0), (day(101), 50), (day(102), 60), (day(104), 80)]);
    }

    /// A supplier who stakes its rewards every day votes with all but the latest of them.
    #[test]
    fn a_stake_that_grows_every_day_keeps_its_vote() {
        let day = |days: i64| days * 86_400;
        let (mut history, mut stake) = (History::default().raised(0, day(100)), 1_000);
        for days in 101..466 {
            history = history.raised(stake, day(days));
            stake += 1;
        }
        assert!(history.weight(stake, day(465) + 1) > stake - 74);
    }

    /// The history of a stake: (seconds later, change).
    fn steps() -> impl Strategy<Value = Vec<(u32, i64)>> {
        prop::collection::vec((0u32..MAX_VOTING / 2, -1_000i64..1_000), 1..60)
    }

    proptest! {
        /// For any proposal that is still open, weight never exceeds the least stake since a week before the proposal was opened.
        #[test]
        fn younger_stake_weighs_nothing(steps in steps(), back in 0i64..=MAX_VOTING as i64) {
            let (mut now, mut stake, mut raises, mut raised_at) = (1_000_000_000i64, 0u64, History::default(), 0i64);
            let mut history = Vec::from([(now, 0u64)]);
            for (later, change) in steps {
                now += i64::from(later);
                if change > 0 {
                    raises = raises.raised(stake, now);
                    raised_at = now;
                    stake += change as u64;
                } else {
                    stake -= stake.min(change.unsigned_abs());
                }
                history.push((now, stake));
                let opened_at = now - back;
                let from = opened_at - i64::from(MIN_AGE);
                let before = history.iter().rev().find(|(at, _)| *at < from).map_or(0, |(_, stake)| *stake);
                let least = history.iter().filter(|(at, _)| *at >= from).map(|(_, stake)| *stake).min().unwrap_or(stake);
                let weighs = raises.weight(stake, opened_at);
                prop_assert!(weighs <= before.min(least), "{weighs} of {before} and {least}");
                // Stake older than 74 days weighs in full, however often more came in.
                let old = from - i64::from(MAX_VOTING + MIN_AGE);
                let kept = history.iter().rev().find(|(at, _)| *at < old).map_or(0, |(_, stake)| *stake);
                let kept = history.iter().filter(|(at, _)| *at >= old).map(|(_, stake)| *stake).fold(kept, u64::min);
                prop_assert!(weighs >= kept, "{weighs} of {kept}");
                // A stake that has not grown since weighs in full.
                if raised_at < from {
                    prop_assert_eq!(weighs, stake);
                }
            }
        }

        #[test]
        fn votes_come_and_go_without_a_trace(start: (u32, u32, u32, u32), choice in 0u8..4, weight: u32) {
            let before = votes(start.0.into(), start.1.into(), start.2.into(), start.3.into());
            let choice = Choice::from_code(choice).unwrap();
            let with = before.with(choice, weight.into()).unwrap();
            prop_assert_eq!(with.sum(), before.sum().map(|sum| sum + u64::from(weight)));
            prop_assert_eq!(with.without(choice, weight.into()), Some(before));
            // A yes never defeats, a no never passes.
            let rank = |votes: Votes| matches!(votes.outcome(&THRESHOLDS), Outcome::Passed);
            if choice == Choice::No {
                prop_assert!(!rank(with) || rank(before) || before.sum() < Some(100));
            }
        }
    }

    #[test]
    fn sums_beyond_64_bits_are_refused() {
        assert_eq!(votes(u64::MAX, 0, 0, 0).with(Choice::No, 1), None);
        assert_eq!(votes(0, 0, 0, 0).without(Choice::Yes, 1), None);
    }
}
