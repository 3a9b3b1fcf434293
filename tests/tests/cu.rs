//! The cost of every instruction: compute units against their budgets, and lamports by wallet.
//!
//! The test fails above a budget, or if the committed table, `bench/cu.md`, is off by more than 5 %.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod cu {
    mod costaking;
    mod disputes;
    mod governance;
    mod jobs;
    mod staking;
}

use chain::market;
use chain::market::costake;
use protocol::units::Moment;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::collections::BTreeMap;
use std::fmt::Write;
use tests::{CLUSTER, World, ending, golden_within, key, terms, thousands};

const BUDGETS: &str = include_str!("../../bench/cu.toml");

/// Limit on the SOL that a job binds, at the rent of 6,960 lamports a byte that clusters started with; the rate has fallen since.
const JOB_RENT_LIMIT: u64 = 4_000_000;
const HIGHEST_RENT: u64 = 6_960;

struct Row {
    name: String,
    units: u64,
    /// Lamports gained (+) or lost (−) by each wallet, without fees.
    flows: Vec<(&'static str, i64)>,
}

/// A world that records what each instruction costs.
struct Bench {
    world: World,
    wallets: Vec<(&'static str, Address)>,
    rows: Vec<Row>,
}

impl Bench {
    fn new(world: World) -> Self {
        let wallets = ["consumer", "supplier", "challenger", "cranker", "registrar", "admin", "payer"]
            .map(|name| (name, key(name).pubkey()))
            .into();
        let mut bench = Self {
            world,
            wallets,
            rows: Vec::new(),
        };
        bench.world.wallet("cranker");
        bench
    }

    fn measure(&mut self, name: &str, instruction: Instruction, signers: &[&Keypair]) {
        let before: Vec<u64> = self.wallets.iter().map(|(_, wallet)| self.world.lamports(wallet)).collect();
        let receipt = self.world.send(instruction, signers);
        let flows = self.wallets.iter().zip(before).filter_map(|((name, wallet), before)| {
            let fee = if *name == "payer" { receipt.fee } else { 0 };
            let flow = self.world.lamports(wallet) as i64 + fee as i64 - before as i64;
            (flow != 0).then_some((*name, flow))
        });
        let flows = flows.collect();
        self.rows.push(Row {
            name: name.to_owned(),
            units: receipt.units,
            flows,
        });
    }

    fn initialize(&mut self) {
        let (payer, admin) = (self.world.payer.clone(), self.world.admin.clone());
        let (payer, authority, io) = (payer.pubkey(), admin.pubkey(), self.world.io);
        self.measure(
            "staking initialize",
            market::stake::initialize(&payer, &authority, &io, staking::Parameters::PUBLISHED),
            &[&admin],
        );
        let initialize = market::job::initialize(
            &payer,
            &authority,
            &io,
            CLUSTER,
            &self.world.treasury.clone(),
            jobs::Parameters::PUBLISHED,
        );
        self.measure("jobs initialize", initialize, &[&admin]);
        let initialize = costake::initialize(&payer, &authority, &io, costaking::Parameters::PUBLISHED);
        self.measure("costaking initialize", initialize, &[&admin]);
    }

    /// Moves the rows so far under the heading of their program.
    fn take(&mut self) -> Vec<Row> {
        std::mem::take(&mut self.rows)
    }
}

/// Runs every instruction of the programs once.
fn measure_all() -> [(&'static str, Vec<Row>); 5] {
    let mut bench = Bench::new(World::bare());
    bench.initialize();
    let mut first = bench.take();
    let mut co_staking = first.split_off(2);
    let jobs_first = first.split_off(1);
    first[0].name = "initialize".to_owned();
    co_staking[0].name = "initialize".to_owned();

    bench.staking_admin();
    tests::add_gpu_table(&mut bench.world);
    let worker = bench.staking_supplier();
    bench.rewards(&worker);
    let mut staking = first;
    staking.extend(bench.take());

    bench.co_staking();
    co_staking.extend(bench.take());

    bench.jobs_admin();
    bench.registrar();
    let (consumer, cranker) = (bench.consumer(), key("cranker"));
    bench.paid_job(&consumer, &worker, &cranker);
    bench.unpaid_jobs(&consumer, &worker, &cranker);
    bench.convicted_jobs(&consumer, &worker, &cranker);
    bench.forced_errors(&consumer, &worker, &cranker);
    bench.replicated_jobs(&consumer, &worker, &cranker);
    bench.audited_jobs(&consumer, &worker, &cranker);
    bench.demanded_jobs(&consumer, &worker, &cranker);
    bench.close_escrow(&consumer);
    let mut jobs = jobs_first;
    jobs[0].name = "initialize".to_owned();
    jobs.extend(bench.take());

    bench.slashes(&worker);
    bench.staking_exit(&worker);
    staking.extend(bench.take());
    bench.referee();
    let referee = bench.take();
    let mut governed = Bench::new(World::new());
    governed.governing();
    [
        ("staking", staking),
        ("costaking", co_staking),
        ("jobs", jobs),
        ("referee", referee),
        ("governance", governed.take()),
    ]
}

fn render(programs: &[(&str, Vec<Row>)], budgets: &BTreeMap<String, BTreeMap<String, u64>>) -> String {
    let mut text = String::from(
        "# What every instruction costs\n\n\
         Measured in LiteSVM with fixed keys by `tests/tests/cu.rs`, which fails if an instruction exceeds its budget (`cu.toml`) by more \
         than 5 %, or if this table is off by more than 5 %. Written by `cargo xtask bench cu`. Lamports are rent and bounty, by wallet; \
         the fee of 5,000 per signature comes on top. Where an account is created, deriving its address costs more or less depending on \
         the keys, in steps of 1,500 compute units.\n",
    );
    for (program, rows) in programs {
        write!(
            text,
            "\n## {program}\n\n| instruction | compute units | budget | lamports |\n|---|--:|--:|---|\n"
        )
        .unwrap();
        for row in rows {
            let flows: Vec<String> = row
                .flows
                .iter()
                .map(|(wallet, flow)| {
                    let sign = if *flow < 0 { '−' } else { '+' };
                    format!("{wallet} {sign}{}", thousands(flow.unsigned_abs()))
                })
                .collect();
            let (units, budget) = (thousands(row.units), thousands(budget(&budgets[*program], &row.name)));
            writeln!(text, "| `{}` | {units} | {budget} | {} |", row.name, flows.join(", ")).unwrap();
        }
    }
    text
}

/// The budget of a row: its own, or that of its instruction, whose name is the row's without the remark in parentheses.
fn budget(budgets: &BTreeMap<String, u64>, name: &str) -> u64 {
    let instruction = name.split(' ').next().unwrap();
    *budgets.get(name).unwrap_or_else(|| &budgets[instruction])
}

#[test]
fn every_instruction_keeps_its_budget_and_the_committed_table_is_true() {
    let budgets: BTreeMap<String, BTreeMap<String, u64>> = toml::from_str(BUDGETS).unwrap();
    let programs = measure_all();
    let text = render(&programs, &budgets);
    for (program, rows) in &programs {
        for row in rows {
            let budget = budget(&budgets[*program], &row.name);
            assert!(
                row.units * 100 <= budget * 105,
                "{program} {}: {} CU, budget {budget}\n{text}",
                row.name,
                row.units
            );
        }
    }
    golden_within("bench/cu.md", &text, 2, 5);
}

#[test]
fn a_job_binds_little_sol_and_returns_it_when_it_ends() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("supplier"), world.consumer("consumer"));
    let before = world.lamports(&consumer.wallet());
    let job = world.open(&consumer, 1, terms());
    let bound = before - world.lamports(&consumer.wallet());
    let bounty = u64::from(jobs::Parameters::PUBLISHED.bounty);
    assert_eq!(bound, world.rent(size_of::<jobs::Job>() + 8) + bounty);
    let bytes = size_of::<jobs::Job>() as u64 + 8 + 128;
    assert!(bytes * HIGHEST_RENT <= JOB_RENT_LIMIT, "{bytes} bytes");
    world.work(&worker, &job);
    let Moment { unix, slot } = world.deadline(&job);
    world.go_to(Moment { unix, slot });
    let settle = market::job::settle_job(&consumer.wallet(), &ending(&consumer, &worker, &job), &worker.tokens);
    world.send(settle, &[&consumer.owner]);
    assert_eq!(
        world.lamports(&consumer.wallet()),
        before,
        "a consumer who settles itself gets everything back"
    );
}
