//! What a withdrawal costs of a device's presence.

use crate::{amount::span, command::reward::presence};
use protocol::emission::{self, BLOCK_SECONDS};
use staking::{Device, GpuModel, StakingConfig};

/// A warning, to end a question with, if an hour that is not checked in to yet would no longer count once `amount` of own stake is
/// withdrawn: stake that came in during an hour does not count for it.
pub fn warning(device: &Device, config: &StakingConfig, gpu: &GpuModel, amount: u64, now: i64) -> String {
    let checks_in = |device: &Device, start: i64| {
        let (hour, minimum) = (emission::number(start), device.minimum(config, gpu, start));
        let checks_in = hour
            .zip(minimum.ok())
            .map(|(hour, minimum)| device.clone().check_in(hour, start, 0, minimum, 0));
        checks_in.is_some_and(|checked_in| checked_in.is_ok())
    };
    let mut after = *device;
    after.own_stake = device.own_stake.get().saturating_sub(amount).into();
    let this = emission::start_of(now);
    let last = this.saturating_sub(BLOCK_SECONDS);
    let lost = [this, last]
        .into_iter()
        .find(|hour| checks_in(device, *hour) && !checks_in(&after, *hour));
    // A device that has missed an hour before these starts over anyway.
    match lost.zip(presence(device, now)) {
        None => String::new(),
        Some((hour, present)) => {
            // Check-ins to an hour end with the next one.
            let harmless = hour.saturating_add(2 * BLOCK_SECONDS);
            format!(
                ", which interrupts its presence of {present} h, since stake that came in lately does not count yet; in {} it costs no hour",
                span(harmless.saturating_sub(now))
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anchor_lang::bytemuck::Zeroable;

    const HOUR: i64 = BLOCK_SECONDS;

    #[test]
    fn a_withdrawal_that_interrupts_presence_says_until_when() {
        let config = StakingConfig {
            base_stake: 200.into(),
            ..StakingConfig::zeroed()
        };
        let gpu = GpuModel {
            multiplier_x100: 100.into(),
            ..GpuModel::zeroed()
        };
        // A co-staker has joined in this hour, number 10.
        let device = Device {
            own_stake: 200.into(),
            co_stake: 100.into(),
            fresh: 100.into(),
            fresh_hour: 10.into(),
            quantity: 1,
            tier: 1,
            last_hour: 9.into(),
            streak_hour: 2.into(),
            ..Device::zeroed()
        };
        let warning = |device: &Device, amount, now| warning(device, &config, &gpu, amount, now);
        let said = warning(&device, 100, 10 * HOUR + 2_400);
        let wanted =
            ", which interrupts its presence of 8 h, since stake that came in lately does not count yet; in 1 h 20 min it costs no hour";
        assert_eq!(said, wanted);
        assert!(
            warning(&device, 100, 11 * HOUR).contains("in 1 h it costs no hour"),
            "the check-in is still to come"
        );

        let harmless = String::new();
        assert_eq!(warning(&device, 100, 12 * HOUR), harmless);
        assert_eq!(warning(&device, 0, 10 * HOUR), harmless);
        let checked_in = Device {
            last_hour: 10.into(),
            ..device
        };
        assert_eq!(warning(&checked_in, 100, 11 * HOUR), harmless);
        let absent = Device {
            last_hour: 7.into(),
            ..device
        };
        assert_eq!(warning(&absent, 100, 10 * HOUR), harmless, "it starts over anyway");
        let rich = Device {
            own_stake: 300.into(),
            ..device
        };
        assert_eq!(warning(&rich, 100, 10 * HOUR), harmless);
        assert!(!warning(&rich, 101, 10 * HOUR).is_empty());
    }
}
