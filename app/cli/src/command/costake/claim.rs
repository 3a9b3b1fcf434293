//! Claims the rewards of a position.

use super::{check_holder, exit::device_of, fetch};
use crate::{
    context::{Context, Token},
    error::{Result, refuse},
    send::{About, Plan},
};
use chain::{Collection, market, market::costake};
use costaking::{Offer, Position, Status};
use solana_address::Address;
use staking::Device;

/// What a device has to share with an offer's co-stakers that nobody has shared yet. An ended offer gets nothing any more.
pub async fn due(context: &Context, offer: &Offer, device: &Device, now: i64) -> Result<Collection> {
    match offer.status == Status::Ended {
        true => Ok(Collection::default()),
        false => Ok(context.chain.collection(&offer.device, device, now).await?),
    }
}

pub async fn claim(context: &Context, token: Token, address: Address) -> Result<Plan> {
    let mut position: Position = fetch(context, &address, "a position", "show").await?;
    check_holder(context, &address, &position.holder)?;
    let offer: Offer = context.chain.fetch(&position.offer).await?;
    let device = device_of(context, &offer).await?;
    let due = due(context, &offer, &device, context.now().await?.unix).await?;
    let amount = position.claim(due.offer.as_ref().map_or(&offer, |(_, shared)| shared));
    if amount == 0 {
        return refuse(format!(
            "no rewards have come in for position {address} yet; they do once an hour of its device is settled"
        ));
    }
    let receive = market::create_token_account(&position.holder, &position.holder, &token.mint);
    let to = market::token_account(&position.holder, &token.mint);
    let claim = costake::claim(&position.holder, &position.offer, &address, &to);
    let claimed = token.unit.show(amount);
    Ok(Plan {
        question: format!("claim {claimed} of position {address}"),
        instructions: due.instructions().into_iter().chain([receive, claim]).collect(),
        about: About::new("position", address).with([("claimed", claimed)]),
        amount: Some(amount),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use crate::{command::costake::Command, output::Format, testing};
    use anchor_lang::{InstructionData, bytemuck::Zeroable};
    use chain::market::reward;
    use costaking::{Offer, Position};
    use solana_address::Address;
    use solana_signer::Signer;
    use staking::{Device, RewardBlock, state::Offering};

    #[tokio::test]
    async fn an_offer_is_not_taken_for_a_position() {
        let (_folder, fake, context, ..) = testing::on_market(0);
        fake.set_account(costaking::ID, testing::program());
        let offer = Address::new_unique();
        fake.set_account(offer, testing::account(&Offer::zeroed()));
        for (command, what) in [("exit", "a position"), ("claim", "a position"), ("withdraw", "an exit")] {
            let typed: Command = testing::typed(&[command, &offer.to_string()]);
            let error = typed.run(&context).await.unwrap_err().to_string();
            assert!(error.contains(&format!("{offer} is not {what}; `ionet costake show`")), "{error}");
        }
    }

    /// Half of a settled hour's reward is the co-stakers', and nobody has shared it yet.
    #[tokio::test]
    async fn a_claim_shares_what_is_settled_and_reports_the_amount() {
        let (_folder, fake, context, wallet, _) = testing::on_market(0);
        fake.set_account(costaking::ID, testing::program());
        let (at, of, on) = (Address::new_unique(), Address::new_unique(), Address::new_unique());
        let position = Position {
            holder: wallet.pubkey(),
            offer: of,
            shares: 70_000_000.into(),
            settled: true.into(),
            ..Position::zeroed()
        };
        let offer = Offer {
            device: on,
            // One base unit per share.
            reward_index: (1_u128 << 63).into(),
            shares: 70_000_000.into(),
            base: 70_000_000.into(),
            capacity: 70_000_000.into(),
            ticket: 1.into(),
            share_bps: 5_000.into(),
            ..Offer::zeroed()
        };
        let device = Device {
            co_stake: 70_000_000.into(),
            offering: Offering::Open as u8,
            pending_hours: [98.into(); 4],
            pending_scores: [1.into(), 0.into(), 0.into(), 0.into()],
            ..Device::zeroed()
        };
        let block = RewardBlock {
            hour: (98 * 3_600).into(),
            settled: true.into(),
            scores: [1.into(), 0.into()],
            pools: [140_000_000.into(), 0.into()],
            ..RewardBlock::zeroed()
        };
        fake.set_account(at, testing::account(&position));
        fake.set_account(of, testing::account(&offer));
        fake.set_account(on, testing::account(&device));
        fake.set_account(reward::block(98 * 3_600), testing::account(&block));
        let shown = testing::typed::<Command>(&["show"]).run(&context).await.unwrap();
        assert_eq!(testing::json(&shown)["positions"][0]["rewards"], 140_000_000);
        let claim: Command = testing::typed(&["claim", &at.to_string()]);
        let answer = claim.run(&context).await.unwrap();
        assert_eq!(testing::json(&answer).get("amount"), Some(&140_000_000.into()));
        assert!(
            answer.show(Format::Text).contains("claimed   1.4 $IO"),
            "{}",
            answer.show(Format::Text)
        );
        let sent = fake.sent();
        let shares = sent[0].message.instructions().iter();
        let shares = shares.filter(|one| one.data == costaking::instruction::Distribute {}.data());
        assert_eq!(shares.count(), 1);
    }
}
