//! How well a device is connected, as the market's verifier rates it.

use crate::{
    command::reward::emission,
    context::Context,
    error::{Result, refuse},
    send::{About, Plan},
};
use chain::market::reward;
use solana_address::Address;
use solana_signer::Signer;
use staking::Device;

/// Sets a device's connectivity tier.
pub async fn set_tier(context: &Context, device: Address, tier: u8) -> Result<Plan> {
    let (wallet, verifier) = (context.wallet()?.pubkey(), emission(context).await?.verifier);
    if wallet != verifier {
        return refuse(format!(
            "only the market's verifier, {verifier}, may rate how well a device is connected; wallet {wallet} may not"
        ));
    }
    let before: Device = context.chain.fetch(&device).await?;
    Ok(Plan {
        question: format!("change the connectivity tier of device {device} from {} to {tier}", before.tier),
        instructions: vec![reward::set_tier(&verifier, &device, tier)],
        about: About::new("device", device).fact("tier", tier),
        amount: None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{command::device::Command, testing};
    use anchor_lang::bytemuck::Zeroable;
    use chain::idl;
    use staking::Emission;

    #[tokio::test]
    async fn only_the_verifier_rates_connections() {
        let (_folder, fake, context, wallet, _) = testing::on_market(0);
        let device = Address::new_unique();
        fake.set_account(
            device,
            testing::account(&Device {
                tier: 1,
                ..Device::zeroed()
            }),
        );
        let typed = |tier| testing::try_typed::<Command>(&["set-tier", &device.to_string(), tier]);
        let rate = async |verifier: Address| {
            let emission = Emission {
                verifier,
                ..Emission::zeroed()
            };
            fake.set_account(reward::emission(), testing::account(&emission));
            typed("3").unwrap().run(&context).await.map(|answer| testing::json(&answer))
        };
        let other = Address::new_unique();
        let refused = rate(other).await.unwrap_err().to_string();
        assert!(refused.contains(&format!("only the market's verifier, {other},")), "{refused}");
        assert!(fake.sent().is_empty());
        assert_eq!(rate(wallet.pubkey()).await.unwrap().get("tier"), Some(&3.into()));
        let sent = chain::fake::instructions(fake.sent().first().unwrap());
        let named = sent
            .iter()
            .find_map(|call| Some((idl::decode(call)?.name, idl::account(call, "device")?)));
        assert_eq!(named, Some(("set_tier", device)));
        assert!(typed("5").is_err());
    }
}
