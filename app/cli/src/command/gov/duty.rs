//! Proposals made, counted, executed and cleared away.

use super::{
    Done, Pausable,
    draft::{self, Draft},
    setting, show, words,
};
use crate::{
    amount::Unit,
    context::{Context, Token},
    error::{Result, refuse},
    output::{Answer, count},
    progress::Progress,
};
use chain::{Filter, market::govern};
use governance::{Ballot, Proposal, Status};
use protocol::ballot::Outcome;
use serde::Serialize;
use sha2::{Digest, Sha256};
use solana_address::Address;
use solana_instruction::Instruction;
use solana_signer::Signer;
use std::{fmt, path::Path};

/// Ballots and instructions whose rents are returned in one transaction.
const BATCH: usize = 8;

/// What a proposal would do, for people.
#[derive(Serialize)]
struct Plan {
    steps: Vec<words::Words>,
    deposit: u64,
    transactions: usize,
    #[serde(skip)]
    io: Unit,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, words) in (1..).zip(&self.steps) {
            writeln!(f, "step {number}: {words}")?;
        }
        let deposit = self.io.show(self.deposit);
        writeln!(
            f,
            "{}; a deposit of {deposit} is held until it has ended",
            count(self.transactions as u64, "transaction")
        )
    }
}

/// `gov create`.
pub async fn create(context: &Context, token: &Token, now: i64, file: &Path, dry_run: bool) -> Result<Answer> {
    let mut draft = draft::read(context, token, now, file).await?;
    let config = draft::check(context).await?;
    let wallet = context.wallet()?;
    let proposer = wallet.pubkey();
    let begun = begun(context, &proposer, &draft).await?;
    // Its proposer's number for it is the time that it was begun at, from which its times count: what is gone on with comes out the same.
    let id = begun.as_ref().map_or(now.unsigned_abs(), |begun| begun.id.get());
    if let Some(time) = begun_at(id, now) {
        draft = draft::read(context, token, time, file).await?;
    }
    let mut steps = Vec::new();
    for instruction in &draft.steps {
        steps.push(words::say(context, token, now, instruction).await);
    }
    let proposal = govern::proposal(&proposer, id);
    let transactions = unsent(context, token, &proposer, id, &draft, begun.as_ref()).await?;
    let plan = Plan {
        steps,
        deposit: config.deposit.get(),
        transactions: transactions.len(),
        io: token.unit,
    };
    if dry_run {
        return Ok(Answer::new(&plan));
    }
    let tokens = chain::market::token_account(&proposer, &token.mint);
    let account = context.chain.account(&tokens).await?;
    let held = account.as_ref().and_then(crate::context::token_amount).unwrap_or(0);
    if held < plan.deposit {
        return refuse(format!(
            "wallet {proposer} holds {} and a proposal takes a deposit of {}; get more first",
            token.unit.show(held),
            token.unit.show(plan.deposit)
        ));
    }
    let what = "make this proposal";
    context.agree_all(what, &plan, &transactions, &wallet).await?;
    context.blobs()?.put(draft.text.into()).await?;
    Progress::spinner(context)
        .say("cut off, the same command goes on with the proposal; `ionet gov list` tells its number and `ionet gov cancel` takes it back");
    let sent = context.send_all_agreed(what, &transactions, &wallet).await?;
    // It is done, whether or not the node answers once more.
    let made: Option<Proposal> = context.chain.try_fetch(&proposal).await.ok().flatten();
    let index = made.map(|made| made.index.get());
    let number = index.map_or_else(|| "NUMBER`; `ionet gov list` says which".to_owned(), |index| format!("{index}`"));
    Ok(Answer::new(&Done {
        proposal: index,
        status: format!("voting: stakers vote with `ionet gov vote {number}"),
        sent,
    }))
}

/// The draft of this title and text that an earlier call began and was cut off from.
async fn begun(context: &Context, proposer: &Address, draft: &Draft) -> Result<Option<Proposal>> {
    /// A proposal names its proposer first.
    const PROPOSER: usize = 8;
    let text_hash: [u8; 32] = Sha256::digest(&draft.text).into();
    let own: Vec<(Address, Proposal)> = context.chain.find(&[Filter::Bytes(PROPOSER, proposer.as_ref().to_vec())]).await?;
    let mut own = own.into_iter().map(|(_, proposal)| proposal);
    let begun = own.find(|proposal| !proposal.has_ended() && (proposal.title, proposal.text_hash) == (draft.title, text_hash));
    match begun {
        Some(proposal) if proposal.status != Status::Draft => {
            let index = proposal.index.get();
            refuse(format!(
                "proposal {index} of this title and text is being voted on or waits to be executed (`ionet gov show {index}`); \
                 for another like it change the title"
            ))
        }
        begun => Ok(begun),
    }
}

/// The time before `now` that a draft's number says it was begun at. The web app numbers drafts at random, which says none.
fn begun_at(id: u64, now: i64) -> Option<i64> {
    /// Age in seconds beyond which a number is taken for none.
    const LONGEST: i64 = 30 * 86_400;
    let time = i64::try_from(id).ok()?;
    (now.saturating_sub(LONGEST)..now).contains(&time).then_some(time)
}

/// What is yet to be sent of a draft.
async fn unsent(
    context: &Context,
    token: &Token,
    proposer: &Address,
    id: u64,
    draft: &Draft,
    begun: Option<&Proposal>,
) -> Result<Vec<Vec<Instruction>>> {
    let address = govern::proposal(proposer, id);
    let mut all = Vec::new();
    if begun.is_none() {
        let text_hash = Sha256::digest(&draft.text).into();
        all.push(govern::create(proposer, id, draft.title, text_hash));
    }
    let mut is_other = begun.is_some_and(|proposal| usize::from(proposal.payloads) > draft.steps.len());
    for (place, step) in (0..).zip(&draft.steps) {
        let held = match begun {
            Some(_) => context.chain.account(&govern::payload(&address, place)).await?,
            None => None,
        };
        let rest = match chain::made(held.as_ref()) {
            Some(held) => govern::include_rest(proposer, &address, place, step, &held.data),
            None => govern::include(proposer, &address, place, step),
        };
        is_other |= rest.is_none();
        all.extend(rest.unwrap_or_default());
    }
    if let (true, Some(proposal)) = (is_other, begun) {
        let index = proposal.index.get();
        return refuse(format!(
            "draft {index} has this title and text and other steps, or counts a time from when it was written; take it back \
             (`ionet gov cancel {index}`) or change the title"
        ));
    }
    all.push(govern::submit(proposer, &address, &token.mint));
    Ok(all.into_iter().map(|instruction| vec![instruction]).collect())
}

/// `gov execute`.
pub async fn execute(context: &Context, token: &Token, now: i64, index: u64) -> Result<Answer> {
    setting::config(context).await?;
    let (address, mut proposal) = setting::proposal(context, index).await?;
    let wallet = context.wallet()?;
    let mut transactions = Vec::new();
    // What counting would bring is known here, so that one call does both.
    if proposal.advance(now).is_ok() {
        transactions.push(vec![govern::advance(&address)]);
    }
    let due = proposal.status == Status::Queued && now >= proposal.eta.get() && proposal.outcome() != Outcome::Vetoed;
    let mut said = Vec::new();
    if due {
        let instructions = setting::instructions(context, &address, &proposal).await?;
        for (place, instruction) in (0..).zip(instructions).skip(proposal.executed.into()) {
            let Some(instruction) = instruction else {
                return refuse(format!(
                    "step {} of proposal {index} cannot be read",
                    usize::from(place).saturating_add(1)
                ));
            };
            said.push(words::say(context, token, now, &instruction).await);
            transactions.push(vec![govern::execute(&address, place, &instruction)]);
        }
    }
    if transactions.is_empty() {
        return refuse(format!(
            "nothing is due for proposal {index}; `ionet gov show {index}` says when it is"
        ));
    }
    let what = match due {
        true => format!("execute proposal {index}"),
        false => format!("count the votes of proposal {index}"),
    };
    let plan = Steps(said);
    let sent = context.send_all(&what, &plan, &transactions, &wallet).await?;
    after(context, index, &address, sent).await
}

struct Steps(Vec<words::Words>);

impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|words| writeln!(f, "{words}"))
    }
}

/// `gov cancel`.
pub async fn cancel(context: &Context, token: &Token, now: i64, index: u64) -> Result<Answer> {
    setting::config(context).await?;
    let (address, mut proposal) = setting::proposal(context, index).await?;
    let wallet = context.wallet()?;
    let proposer = wallet.pubkey();
    if proposal.proposer != proposer {
        return refuse(format!(
            "proposal {index} may be withdrawn only by {}, who proposed it",
            proposal.proposer
        ));
    }
    if proposal.cancel(now).is_err() {
        return refuse(format!(
            "proposal {index} cannot be taken back any more; `ionet gov show {index}` says why"
        ));
    }
    let mut transactions = vec![vec![govern::cancel(&proposer, &address)]];
    transactions.extend(clear(context, token, &address, &proposal).await?);
    let sent = context
        .send_all(&format!("take proposal {index} back"), &"", &transactions, &wallet)
        .await?;
    after(context, index, &address, sent).await
}

/// `gov close`.
pub async fn close(context: &Context, token: &Token, index: u64) -> Result<Answer> {
    setting::config(context).await?;
    let (address, proposal) = setting::proposal(context, index).await?;
    if !proposal.has_ended() {
        return refuse(format!(
            "proposal {index} has not ended; `ionet gov show {index}` says where it stands"
        ));
    }
    let transactions = clear(context, token, &address, &proposal).await?;
    let wallet = context.wallet()?;
    let sent = context
        .send_all(&format!("clear proposal {index} away"), &"", &transactions, &wallet)
        .await?;
    after(context, index, &address, sent).await
}

/// Everything that is left of an ended proposal: its deposit, its ballots, its instructions, itself.
async fn clear(context: &Context, token: &Token, address: &Address, proposal: &Proposal) -> Result<Vec<Vec<Instruction>>> {
    /// A ballot names its proposal first.
    const PROPOSAL: usize = 8;
    let anyone = context.wallet()?.pubkey();
    let mut all = Vec::new();
    if !proposal.deposit.is_zero() {
        all.push(govern::release_deposit(address, &proposal.proposer, &token.mint));
    }
    let ballots: Vec<(Address, Ballot)> = context.chain.find(&[Filter::Bytes(PROPOSAL, address.as_ref().to_vec())]).await?;
    all.extend(
        ballots
            .iter()
            .map(|(_, ballot)| govern::close_ballot(&anyone, address, &ballot.source, &ballot.payer, None)),
    );
    for place in 0..governance::state::MAX_INSTRUCTIONS {
        if context.chain.exists(&govern::payload(address, place)).await? {
            all.push(govern::close_payload(address, &proposal.proposer, place));
        }
    }
    all.push(govern::close(address, &proposal.proposer));
    Ok(all.chunks(BATCH).map(<[Instruction]>::to_vec).collect())
}

/// What became of a proposal.
async fn after(context: &Context, index: u64, address: &Address, sent: crate::send::Sent) -> Result<Answer> {
    let status = match context.chain.try_fetch::<Proposal>(address).await {
        Ok(Some(proposal)) => show::status(&proposal).to_owned(),
        Ok(None) => "cleared away".to_owned(),
        // It is done all the same.
        Err(_) => format!("not told by the node; `ionet gov show {index}` asks again"),
    };
    Ok(Answer::new(&Done {
        proposal: Some(index),
        status,
        sent,
    }))
}

/// `gov pause`.
pub async fn pause(context: &Context, program: Pausable) -> Result<Answer> {
    let config = draft::check(context).await?;
    let wallet = context.wallet()?;
    let guardian = wallet.pubkey();
    if guardian != config.guardian {
        return refuse(format!(
            "only the guardian, {}, may pause; wallet {guardian} may not",
            config.guardian
        ));
    }
    let (name, id) = match program {
        Pausable::Staking => ("staking", staking::ID),
        Pausable::Costaking => ("co-staking", costaking::ID),
        Pausable::Jobs => ("jobs", jobs::ID),
    };
    let question = format!("pause {name}; exits and payments go on");
    let sent = context.send(&question, &[govern::pause(&guardian, id)], &wallet, &[], &[]).await?;
    Ok(Answer::new(&Done {
        proposal: None,
        status: format!("{name} is paused until a proposal resumes it"),
        sent,
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::{amount::SOL, send::Sent, testing};
    use anchor_lang::{
        Discriminator,
        bytemuck::{self, Zeroable},
    };
    use chain::{
        fake::{Fake, gift},
        market::stake,
    };
    use governance::PayloadHeader;
    use solana_account::Account;
    use std::sync::Arc;

    #[tokio::test]
    async fn what_was_done_is_told_of_by_a_node_that_answers_no_more() {
        let (folder, fake) = (tempfile::tempdir().unwrap(), Arc::new(Fake::default()));
        let (context, _) = testing::context(&fake, folder.path());
        let sent = Sent {
            signature: "signature".to_owned(),
            slot: 1,
            fee: 5_000,
            compute_units: 0,
        };
        let status = async || {
            let shown = testing::json(&after(&context, 7, &Address::default(), sent.clone()).await.unwrap());
            assert_eq!(shown.get("signature"), Some(&"signature".into()));
            shown.get("status").unwrap().as_str().unwrap().to_owned()
        };
        assert_eq!(status().await, "cleared away");
        fake.set_unreachable(true);
        let said = status().await;
        assert!(said.contains("`ionet gov show 7`"), "{said}");
    }
    /// An account of a proposal's that holds so many bytes of an instruction.
    fn payload(step: &Instruction, length: usize) -> Account {
        let bytes = governance::state::encode(step).unwrap();
        let header = PayloadHeader {
            length: (bytes.len() as u32).into(),
            ..PayloadHeader::zeroed()
        };
        let count = (length as u32).to_le_bytes();
        Account {
            lamports: 1,
            data: [PayloadHeader::DISCRIMINATOR, bytemuck::bytes_of(&header), &count, &bytes[..length]].concat(),
            owner: governance::ID,
            ..Account::default()
        }
    }

    #[tokio::test]
    async fn a_draft_that_was_cut_off_is_gone_on_with() {
        let (folder, fake) = (tempfile::tempdir().unwrap(), Arc::new(Fake::default()));
        let (context, wallet) = testing::context(&fake, folder.path());
        fake.set_clock();
        let (token, proposer) = (
            Token {
                mint: Address::new_unique(),
                unit: SOL,
            },
            wallet.pubkey(),
        );
        let step = |length: usize| Instruction::new_with_bytes(Address::new_unique(), &vec![7; length], Vec::new());
        let draft = Draft {
            title: [b'a'; 64],
            text: "why".to_owned(),
            steps: vec![step(10), step(3 * govern::PIECE), step(20)],
        };
        let address = govern::proposal(&proposer, 9);
        let rest = async |draft: &Draft| {
            let begun = begun(&context, &proposer, draft).await?;
            unsent(&context, &token, &proposer, 9, draft, begun.as_ref()).await
        };
        let all = rest(&draft).await.unwrap();
        // To create it, three to announce, six pieces of which the second step has four, to submit it.
        assert_eq!(all.len(), 1 + 3 + 6 + 1);

        let mut proposal = Proposal {
            proposer,
            title: draft.title,
            text_hash: Sha256::digest(&draft.text).into(),
            index: 4.into(),
            payloads: 2,
            ..Proposal::zeroed()
        };
        fake.set_account(address, testing::account(&proposal));
        let whole = governance::state::encode(&draft.steps[0]).unwrap().len();
        fake.set_account(govern::payload(&address, 0), payload(&draft.steps[0], whole));
        fake.set_account(govern::payload(&address, 1), payload(&draft.steps[1], 2 * govern::PIECE));
        // Lamports where the next is to be are none.
        fake.set_account(govern::payload(&address, 2), gift());
        assert_eq!(rest(&draft).await.unwrap(), all[1 + 2 + 3..]);

        let other = Draft {
            steps: vec![step(10), step(3 * govern::PIECE), step(20)],
            ..draft.clone()
        };
        let error = rest(&other).await.unwrap_err().to_string();
        assert!(error.contains("`ionet gov cancel 4`"), "{error}");
        // One that was only announced is of its length.
        let third = govern::payload(&address, 2);
        fake.set_account(third, payload(&draft.steps[2], 0));
        assert_eq!(
            rest(&draft).await.unwrap(),
            [&all[1 + 2 + 3..1 + 2 + 5], &all[1 + 2 + 6..]].concat()
        );
        fake.set_account(third, payload(&step(21), 0));
        assert!(rest(&draft).await.is_err());
        fake.set_account(third, gift());
        let left = clear(&context, &token, &address, &proposal).await.unwrap();
        assert_eq!(left.concat().len(), 2 + 1, "two payloads and the proposal are closed");
        let fewer = Draft {
            steps: draft.steps[..1].to_vec(),
            ..draft.clone()
        };
        assert!(rest(&fewer).await.is_err());

        // What became of the last transaction may not have been told.
        proposal.status = Status::Voting as u8;
        fake.set_account(address, testing::account(&proposal));
        let error = rest(&draft).await.unwrap_err().to_string();
        assert!(error.contains("`ionet gov show 4`"), "{error}");
        proposal.status = Status::Defeated as u8;
        fake.set_account(address, testing::account(&proposal));
        assert_eq!(rest(&draft).await.unwrap().len(), all.len());
    }

    #[tokio::test]
    async fn what_is_gone_on_with_counts_its_times_from_when_it_was_begun() {
        let (folder, fake) = (tempfile::tempdir().unwrap(), Arc::new(Fake::default()));
        let (context, wallet) = testing::context(&fake, folder.path());
        fake.set_account(governance::ID, testing::program());
        fake.set_account(govern::config(), testing::account(&governance::Config::zeroed()));
        let governed = staking::StakingConfig {
            authority: govern::authority(),
            ..staking::StakingConfig::zeroed()
        };
        fake.set_account(stake::config(), testing::account(&governed));
        let token = Token {
            mint: Address::new_unique(),
            unit: SOL,
        };
        let file = folder.path().join("guardian.toml");
        let written = "title = 'A guardian'\ntext = 'guardian.toml'\n[[step]]\ndo = 'set'\nwhat = 'governance.guardian'\n\
                       values = { until = '10d' }\n";
        std::fs::write(&file, written).unwrap();

        let (begun, later) = (1_000_u32, 1_060);
        let draft = draft::read(&context, &token, begun.into(), &file).await.unwrap();
        let address = govern::proposal(&wallet.pubkey(), begun.into());
        let whole = governance::state::encode(&draft.steps[0]).unwrap().len();
        fake.set_account(govern::payload(&address, 0), payload(&draft.steps[0], whole));
        let proposal = Proposal {
            proposer: wallet.pubkey(),
            title: draft.title,
            text_hash: Sha256::digest(&draft.text).into(),
            id: u64::from(begun).into(),
            payloads: 1,
            ..Proposal::zeroed()
        };
        fake.set_account(address, testing::account(&proposal));
        let plan = testing::json(&create(&context, &token, later, &file, true).await.unwrap());
        assert_eq!(plan["transactions"], 1, "to submit it: {plan}");

        // The web app numbers its drafts at random: that is no time.
        fake.set_account(address, Account::default());
        let id = i64::MAX.unsigned_abs();
        let random = govern::proposal(&proposal.proposer, id);
        fake.set_account(random, testing::account(&Proposal { id: id.into(), ..proposal }));
        fake.set_account(govern::payload(&random, 0), payload(&draft.steps[0], whole));
        let plan = testing::json(&create(&context, &token, begun.into(), &file, true).await.unwrap());
        assert_eq!(plan["transactions"], 1, "of the same times it is gone on with: {plan}");
        let error = create(&context, &token, later, &file, true).await.err().unwrap().to_string();
        assert!(error.contains("counts a time from when it was written"), "{error}");
    }
}
