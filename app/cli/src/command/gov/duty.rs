//! Makes, counts, executes and closes proposals, and pauses programs.

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
use chain::field;
use chain::market::{costake, govern, job, stake};
use governance::{Ballot, Proposal, Status};
use protocol::ballot::Outcome;
use serde::Serialize;
use sha2::{Digest, Sha256};
use solana_address::Address;
use solana_instruction::Instruction;
use solana_signer::Signer;
use std::{fmt, path::Path};

/// Accounts closed in one transaction.
const BATCH: usize = 8;

/// What a proposal would do, as it is printed.
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
            "{}; a deposit of {deposit} is held until the proposal has ended",
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
    // A draft's id is the time it was begun. Relative times in the file count from then, so that a resumed draft comes out the same.
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
            "wallet {proposer} holds {} and a proposal takes a deposit of {}; get more $IO first",
            token.unit.show(held),
            token.unit.show(plan.deposit)
        ));
    }
    let what = "make this proposal";
    context.agree_all(what, &plan, &transactions, &wallet).await?;
    context.blobs()?.put(draft.text.into()).await?;
    Progress::spinner(context)
        .say("if interrupted, run the same command again to resume; `ionet gov list` shows the draft and `ionet gov cancel` withdraws it");
    let sent = context.send_all_agreed(what, &transactions, &wallet).await?;
    // The transaction is confirmed: a node that fails from here on is no error.
    let made: Option<Proposal> = context.chain.try_fetch(&proposal).await.ok().flatten();
    let index = made.map(|made| made.index.get());
    let number = index.map_or_else(
        || "NUMBER`; `ionet gov list` shows the number".to_owned(),
        |index| format!("{index}`"),
    );
    Ok(Answer::new(&Done::of(
        index,
        format!("voting: stakers vote with `ionet gov vote {number}"),
        sent,
    )))
}

/// The draft with this title and text that an interrupted call has begun.
async fn begun(context: &Context, proposer: &Address, draft: &Draft) -> Result<Option<Proposal>> {
    let text_hash: [u8; 32] = Sha256::digest(&draft.text).into();
    let own: Vec<(Address, Proposal)> = context.chain.find(&[field!(Proposal, proposer, proposer.as_array())]).await?;
    let mut own = own.into_iter().map(|(_, proposal)| proposal);
    let begun = own.find(|proposal| !proposal.has_ended() && (proposal.title, proposal.text_hash) == (draft.title, text_hash));
    match begun {
        Some(proposal) if proposal.status != Status::Draft => {
            let index = proposal.index.get();
            refuse(format!(
                "proposal {index} with this title and text is being voted on or waits to be executed (`ionet gov show {index}`); \
                 to make another, change the title"
            ))
        }
        begun => Ok(begun),
    }
}

/// When a draft was begun, by its id. `None` for a random id, as the web app gives its drafts.
fn begun_at(id: u64, now: i64) -> Option<i64> {
    /// Age in seconds beyond which an id is not taken for a time.
    const LONGEST: i64 = 30 * 86_400;
    let time = i64::try_from(id).ok()?;
    (now.saturating_sub(LONGEST)..now).contains(&time).then_some(time)
}

/// The transactions of a draft that have not been sent yet.
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
            "draft {index} has this title and text but other steps, perhaps because times count from when it was begun; withdraw it \
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
    // The result of the count is known here, so that one call can count and execute.
    if proposal.advance(now).is_ok() {
        transactions.push(vec![govern::advance(&address)]);
    }
    let due = proposal.status == Status::Queued && now >= proposal.eta.get() && proposal.outcome() != Outcome::Vetoed;
    let mut said = String::new();
    if due {
        let instructions = setting::instructions(context, &address, &proposal).await?;
        for (place, instruction) in (0..).zip(instructions).skip(proposal.executed.into()) {
            let Some(instruction) = instruction else {
                return refuse(format!(
                    "step {} of proposal {index} is incomplete or was closed, so the proposal cannot be executed",
                    usize::from(place).saturating_add(1)
                ));
            };
            said.push_str(&format!("{}\n", words::say(context, token, now, &instruction).await));
            transactions.push(vec![govern::execute(&address, place, &instruction)]);
        }
    }
    if transactions.is_empty() {
        return refuse(format!(
            "nothing can be done for proposal {index} now; `ionet gov show {index}` says what happens next"
        ));
    }
    let what = match due {
        true => format!("execute proposal {index}"),
        false => format!("count the votes of proposal {index}"),
    };
    let sent = context.send_all(&what, &said, &transactions, &wallet).await?;
    after(context, index, &address, sent).await
}

/// `gov cancel`.
pub async fn cancel(context: &Context, token: &Token, now: i64, index: u64) -> Result<Answer> {
    setting::config(context).await?;
    let (address, mut proposal) = setting::proposal(context, index).await?;
    let wallet = context.wallet()?;
    let proposer = wallet.pubkey();
    if proposal.proposer != proposer {
        return refuse(format!(
            "only {}, who proposed it, may withdraw proposal {index}",
            proposal.proposer
        ));
    }
    if proposal.cancel(now).is_err() {
        return refuse(format!(
            "proposal {index} can no longer be withdrawn; `ionet gov show {index}` says why"
        ));
    }
    let mut transactions = vec![vec![govern::cancel(&proposer, &address)]];
    transactions.extend(clear(context, token, &address, &proposal).await?);
    let sent = context
        .send_all(&format!("withdraw proposal {index}"), &"", &transactions, &wallet)
        .await?;
    after(context, index, &address, sent).await
}

/// `gov close`.
pub async fn close(context: &Context, token: &Token, index: u64) -> Result<Answer> {
    setting::config(context).await?;
    let (address, proposal) = setting::proposal(context, index).await?;
    if !proposal.has_ended() {
        return refuse(format!("proposal {index} has not ended; `ionet gov show {index}` shows its status"));
    }
    let transactions = clear(context, token, &address, &proposal).await?;
    let wallet = context.wallet()?;
    let sent = context
        .send_all(&format!("close proposal {index}"), &"", &transactions, &wallet)
        .await?;
    after(context, index, &address, sent).await
}

/// The transactions that release an ended proposal's deposit and close its ballots, its instructions and itself.
async fn clear(context: &Context, token: &Token, address: &Address, proposal: &Proposal) -> Result<Vec<Vec<Instruction>>> {
    let anyone = context.wallet()?.pubkey();
    let mut all = Vec::new();
    if !proposal.deposit.is_zero() {
        all.push(govern::release_deposit(address, &proposal.proposer, &token.mint));
    }
    let ballots: Vec<(Address, Ballot)> = context.chain.find(&[field!(Ballot, proposal, address.as_array())]).await?;
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
        Ok(None) => "closed".to_owned(),
        // The transaction is confirmed nevertheless.
        Err(_) => format!("unknown, because the node did not answer; `ionet gov show {index}` asks again"),
    };
    Ok(Answer::new(&Done::of(Some(index), status, sent)))
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
    let chain = &context.chain;
    let (name, id, is_paused) = match program {
        Pausable::Staking => (
            "staking program",
            staking::ID,
            chain.fetch::<staking::StakingConfig>(&stake::config()).await?.paused,
        ),
        Pausable::Costaking => (
            "co-staking program",
            costaking::ID,
            chain.fetch::<costaking::Config>(&costake::config()).await?.paused,
        ),
        Pausable::Jobs => ("jobs program", jobs::ID, chain.fetch::<jobs::Config>(&job::config()).await?.paused),
    };
    if is_paused.get() {
        return refuse(format!(
            "the {name} is paused already, and only a proposal can resume it; nothing was sent"
        ));
    }
    let question = format!("pause the {name}, while exits and payments continue");
    let sent = context.send(&question, &[govern::pause(&guardian, id)], &wallet, &[]).await?;
    Ok(Answer::new(&Done::of(
        None,
        format!("the {name} is paused until a proposal resumes it"),
        sent,
    )))
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
    use chain::fake::{Fake, gift};
    use governance::PayloadHeader;
    use solana_account::Account;

    #[tokio::test]
    async fn a_deed_is_reported_though_the_node_then_fails() {
        let (_folder, fake, context, _) = testing::context();
        let sent = Sent {
            signature: "signature".to_owned(),
            slot: 1,
            fee: 5_000,
            compute_units: None,
        };
        let status = async || {
            let shown = testing::json(&after(&context, 7, &Address::default(), sent.clone()).await.unwrap());
            assert_eq!(shown.get("signature"), Some(&"signature".into()));
            shown.get("status").unwrap().as_str().unwrap().to_owned()
        };
        assert_eq!(status().await, "closed");
        fake.set_unreachable(true);
        let said = status().await;
        assert!(said.contains("`ionet gov show 7`"), "{said}");
    }

    /// Governance's config, and staking's with governance as its authority.
    fn set_up_governance(fake: &Fake, guardian: Address) {
        fake.set_account(governance::ID, testing::program());
        let config = governance::Config {
            guardian,
            ..governance::Config::zeroed()
        };
        fake.set_account(govern::config(), testing::account(&config));
        let governed = staking::StakingConfig {
            authority: govern::authority(),
            ..staking::StakingConfig::zeroed()
        };
        fake.set_account(stake::config(), testing::account(&governed));
    }

    #[tokio::test]
    async fn what_is_paused_already_is_not_paused_again() {
        let (_folder, fake, context, wallet, mint) = testing::on_market(0);
        set_up_governance(&fake, wallet.pubkey());
        pause(&context, Pausable::Jobs).await.unwrap();
        assert_eq!(fake.sent().len(), 1);
        let paused = jobs::Config {
            mint,
            paused: true.into(),
            ..jobs::Config::zeroed()
        };
        fake.set_account(job::config(), testing::account(&paused));
        let error = pause(&context, Pausable::Jobs).await.err().unwrap().to_string();
        assert!(error.contains("the jobs program is paused already"), "{error}");
        assert_eq!(fake.sent().len(), 1, "nothing is paid for");
    }

    /// The account of a proposal's step, with the first `length` bytes of its instruction written.
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
    async fn an_interrupted_draft_is_resumed() {
        let (_folder, fake, context, wallet) = testing::context();
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
        // One creates it, three open its steps, six write them (four the second step), one submits it.
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
        // Lamports at the next step's address do not open it.
        fake.set_account(govern::payload(&address, 2), gift());
        assert_eq!(rest(&draft).await.unwrap(), all[1 + 2 + 3..]);

        let other = Draft {
            steps: vec![step(10), step(3 * govern::PIECE), step(20)],
            ..draft.clone()
        };
        let error = rest(&other).await.unwrap_err().to_string();
        assert!(error.contains("`ionet gov cancel 4`"), "{error}");
        // A step that was only opened has its length.
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

        // The last transaction may have landed with its outcome unknown.
        proposal.status = Status::Voting as u8;
        fake.set_account(address, testing::account(&proposal));
        let error = rest(&draft).await.unwrap_err().to_string();
        assert!(error.contains("`ionet gov show 4`"), "{error}");
        proposal.status = Status::Defeated as u8;
        fake.set_account(address, testing::account(&proposal));
        assert_eq!(rest(&draft).await.unwrap().len(), all.len());
    }

    #[tokio::test]
    async fn a_resumed_draft_counts_times_from_when_it_was_begun() {
        let (folder, fake, context, wallet) = testing::context();
        set_up_governance(&fake, Address::default());
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
        assert_eq!(plan["transactions"], 1, "only to submit it: {plan}");

        // The web app gives its drafts random ids, which are no times.
        fake.set_account(address, Account::default());
        let id = i64::MAX.unsigned_abs();
        let random = govern::proposal(&proposal.proposer, id);
        fake.set_account(random, testing::account(&Proposal { id: id.into(), ..proposal }));
        fake.set_account(govern::payload(&random, 0), payload(&draft.steps[0], whole));
        let plan = testing::json(&create(&context, &token, begun.into(), &file, true).await.unwrap());
        assert_eq!(plan["transactions"], 1, "with the same times it is resumed: {plan}");
        let error = create(&context, &token, later, &file, true).await.err().unwrap().to_string();
        assert!(error.contains("times count from when it was begun"), "{error}");
    }
}
