//! Claims the rewards of a position.

use super::{check_holder, fetch};
use crate::{
    context::{Context, Token},
    error::{Result, refuse},
    send::{About, Plan},
};
use chain::{market, market::costake};
use costaking::{Offer, Position};
use solana_address::Address;

pub async fn claim(context: &Context, token: Token, address: Address) -> Result<Plan> {
    let mut position: Position = fetch(context, &address, "a position", "show").await?;
    check_holder(context, &address, &position.holder)?;
    let offer: Offer = context.chain.fetch(&position.offer).await?;
    let amount = position.claim(&offer);
    if amount == 0 {
        return refuse(format!(
            "no rewards have come in for position {address} yet; they do when the device collects an hour"
        ));
    }
    let receive = market::create_token_account(&position.holder, &position.holder, &token.mint);
    let to = market::token_account(&position.holder, &token.mint);
    let claim = costake::claim(&position.holder, &position.offer, &address, &to);
    let claimed = token.unit.show(amount);
    Ok(Plan {
        question: format!("claim {claimed} of position {address}"),
        instructions: vec![receive, claim],
        about: About::new("position", address).with([("claimed", claimed)]),
        amount: Some(amount),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::{command::costake::Command, output::Format, testing};
    use anchor_lang::bytemuck::Zeroable;
    use costaking::{Offer, Position};
    use solana_address::Address;
    use solana_signer::Signer;

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

    #[tokio::test]
    async fn the_amount_claimed_is_reported() {
        let (_folder, fake, context, wallet, _) = testing::on_market(0);
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
            // One base unit per share.
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
}
