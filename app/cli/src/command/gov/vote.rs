//! Votes with everything that a wallet has at stake.

use super::{Choice, Done, power::sources, setting};
use crate::{
    context::{Context, Token},
    error::{Error, Result, refuse},
    output::{Answer, Table, count},
};
use chain::{field, market::govern};
use governance::{Ballot, Delegation};
use solana_address::Address;
use solana_instruction::Instruction;
use solana_signer::Signer;

/// Votes that fit in a transaction of 1,232 bytes.
const BATCH: usize = 4;

/// A vote to cast or change.
struct Vote {
    source: String,
    weight: u64,
    before: Option<u8>,
    instruction: Instruction,
}

/// `gov vote`.
pub async fn vote(context: &Context, token: &Token, now: i64, index: u64, choice: Choice, owner: Option<Address>) -> Result<Answer> {
    setting::config(context).await?;
    let (proposal, state) = setting::proposal(context, index).await?;
    let late = choice == Choice::Veto && state.status == governance::Status::Queued && now < state.eta.get();
    if !state.is_voting(now) && !late {
        return refuse(format!(
            "the vote on proposal {index} is not open; `ionet gov show {index}` shows its status"
        ));
    }
    let wallet = context.wallet()?;
    let voter = wallet.pubkey();
    let whose = owner.unwrap_or(voter);
    let represented = owner.filter(|owner| *owner != voter);
    if let Some(owner) = &represented {
        let delegation: Option<Delegation> = context.chain.try_fetch(&govern::delegation(owner)).await?;
        if delegation.is_none_or(|delegation| delegation.representative != voter) {
            return refuse(format!(
                "{voter} is not the representative of {owner}, who can appoint it with `ionet gov delegate {voter}`"
            ));
        }
    }
    let (mut votes, mut said, mut kept) = (Vec::new(), false, false);
    let opened_at = state.opened_at.get();
    let motion = (&proposal, state.index.get());
    for source in sources(context, &whose).await? {
        let (address, weight) = (source.address, source.weight(opened_at));
        let ballot: Option<Ballot> = context.chain.try_fetch(&govern::ballot(&proposal, &address)).await?;
        match ballot {
            Some(ballot) if ballot.choice == choice as u8 => said = true,
            // A vote by the owner takes precedence.
            Some(ballot) if represented.is_some() && ballot.by_owner.get() => kept = true,
            Some(ballot) => votes.push(Vote {
                source: source.name(),
                weight: ballot.weight.get(),
                before: Some(ballot.choice),
                instruction: govern::change_vote(&voter, motion, &address, represented.as_ref(), choice as u8),
            }),
            None if weight == 0 => {}
            None => votes.push(Vote {
                source: source.name(),
                weight,
                before: None,
                instruction: source.vote(&voter, motion, represented.as_ref(), choice as u8),
            }),
        }
    }
    if votes.is_empty() {
        return refuse(match said {
            _ if kept => format!("{whose} has voted on proposal {index} itself, and a representative cannot change that"),
            true => format!("all stake of {whose} has already voted like that on proposal {index}"),
            false => {
                format!("{whose} has nothing to vote with on proposal {index}: only stake that was a week old when the vote opened counts")
            }
        });
    }
    let question = format!("vote {} on proposal {index}", Choice::of(choice as u8));
    let batches: Vec<Vec<Instruction>> = votes
        .chunks(BATCH)
        .map(|votes| votes.iter().map(|vote| vote.instruction.clone()).collect())
        .collect();
    let io = token.unit;
    let mut shown = Table::new(["stake", "weight", "before", "now"]);
    for vote in &votes {
        let (before, now) = (vote.before.map_or("–", Choice::of), Choice::of(choice as u8));
        shown.row([vote.source.clone(), io.show(vote.weight), before.to_owned(), now.to_owned()]);
    }
    let sent = context.send_all(&question, &shown, &batches, &wallet).await?;
    let weight = votes.iter().fold(0u64, |sum, vote| sum.saturating_add(vote.weight));
    let status = format!("{} voted {}", io.show(weight), Choice::of(choice as u8));
    Ok(Answer::new(&Done {
        weight: Some(weight),
        ..Done::of(Some(index), status, sent)
    }))
}

/// `gov unvote`.
pub async fn unvote(context: &Context, now: i64, index: u64) -> Result<Answer> {
    setting::config(context).await?;
    let (proposal, state) = setting::proposal(context, index).await?;
    if !state.is_voting(now) {
        return refuse(format!("the vote on proposal {index} is not open, so votes cannot be withdrawn"));
    }
    let wallet = context.wallet()?;
    let voter = wallet.pubkey();
    let filters = [
        field!(Ballot, proposal, proposal.as_array()),
        field!(Ballot, owner, voter.as_array()),
    ];
    let ballots: Vec<(Address, Ballot)> = context.chain.find(&filters).await?;
    if ballots.is_empty() {
        return refuse(format!("wallet {voter} has not voted on proposal {index}"));
    }
    let take_back = |(_, ballot): &(Address, Ballot)| govern::close_ballot(&voter, &proposal, &ballot.source, &ballot.payer, None);
    let batches: Vec<Vec<Instruction>> = ballots
        .chunks(BATCH)
        .map(|ballots| ballots.iter().map(take_back).collect())
        .collect();
    let question = format!("withdraw {} on proposal {index}", count(ballots.len() as u64, "vote"));
    let sent = context.send_all(&question, &"", &batches, &wallet).await?;
    Ok(Answer::new(&Done::of(Some(index), "withdrawn", sent)))
}

/// `gov delegate` and `gov undelegate`.
pub async fn delegate(context: &Context, representative: Option<Address>) -> Result<Answer> {
    setting::config(context).await?;
    let wallet = context.wallet()?;
    let owner = wallet.pubkey();
    let mut warning = None;
    let (question, instruction) = match representative {
        Some(representative) if representative == owner => {
            return Err(Error::Usage(
                "a wallet needs no representative to vote itself; name another wallet".to_owned(),
            ));
        }
        Some(representative) => {
            if !context.is_wallet(&representative).await? {
                let said = format!(
                    "{representative} is not a wallet but an account of a program; unless that program votes, nobody votes for this wallet"
                );
                context.note(&format!("warning: {said}"));
                warning = Some(said);
            }
            (
                format!("let {representative} vote for {owner}"),
                govern::set_delegate(&owner, representative),
            )
        }
        None => {
            if !context.chain.exists(&govern::delegation(&owner)).await? {
                return refuse(format!("{owner} has no representative to remove"));
            }
            (format!("remove the representative of {owner}"), govern::clear_delegate(&owner))
        }
    };
    let sent = context.send(&question, &[instruction], &wallet, &[]).await?;
    let status = representative.map_or_else(
        || "this wallet has no representative".to_owned(),
        |representative| format!("{representative} votes for this wallet, unless it votes itself"),
    );
    Ok(Answer::new(&Done {
        warning,
        ..Done::of(None, status, sent)
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing;
    use anchor_lang::bytemuck::Zeroable;
    use chain::fake::gift;
    use solana_keypair::Keypair;

    #[tokio::test]
    async fn a_representative_that_may_never_vote_is_warned_about_in_the_answer() {
        let (_folder, fake, context, ..) = testing::on_market(0);
        fake.set_account(governance::ID, testing::program());
        fake.set_account(govern::config(), testing::account(&governance::Config::zeroed()));
        let warning = async |representative| {
            let answer = delegate(&context, Some(representative)).await.unwrap();
            testing::json(&answer).get("warning").cloned()
        };
        assert_eq!(warning(Keypair::new().pubkey()).await, None);
        let said = warning(govern::authority()).await.unwrap();
        assert!(said.as_str().unwrap().contains("is not a wallet"), "{said}");
    }

    #[tokio::test]
    async fn lamports_alone_do_not_make_a_representative() {
        let (_folder, fake, context, wallet) = testing::context();
        fake.set_account(governance::ID, testing::program());
        fake.set_account(govern::config(), testing::account(&governance::Config::zeroed()));
        fake.set_account(govern::delegation(&wallet.pubkey()), gift());
        let error = delegate(&context, None).await.err().unwrap().to_string();
        assert!(error.contains("no representative"), "{error}");
    }
}
