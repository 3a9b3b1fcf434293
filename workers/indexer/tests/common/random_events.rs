//! Random events as the programs could emit them: in any order, about few addresses, with numbers up to the largest.

use chain::idl::Event;
use indexer::Taken;
use serde_json::{Map, Value, json};
use solana_address::Address;
use solana_signature::Signature;
use std::sync::LazyLock;

/// The programs' IDLs.
static IDLS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let files = [
        include_str!("../../../../idl/staking.json"),
        include_str!("../../../../idl/costaking.json"),
        include_str!("../../../../idl/jobs.json"),
        include_str!("../../../../idl/governance.json"),
        include_str!("../../../../idl/referee.json"),
    ];
    files.into_iter().map(|file| serde_json::from_str(file).unwrap()).collect()
});

/// Index of the job program's.
const JOBS: usize = 2;

/// More than the supply of $IO.
const AMOUNT: u64 = 100_000_000_000_000_000;
/// Amounts in the mint of an escrow, which may be without limit, as anyone can create a mint.
const OF_ANY_MINT: [&str; 10] = [
    "start_price",
    "max_price",
    "price",
    "free",
    "locked",
    "fees",
    "consumer_pays",
    "supplier_gets",
    "auditor_gets",
    "refund",
];
/// How many addresses there are.
const ADDRESSES: u8 = 4;

/// A generator of transactions with random events.
pub struct RandomEvents {
    rng: fastrand::Rng,
    /// How often each event was emitted that comes only once per address, hour or number.
    once: Map<String, Value>,
    /// Transactions so far.
    transactions: u64,
}

impl RandomEvents {
    pub fn new(seed: u64) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(seed),
            once: Map::new(),
            transactions: 0,
        }
    }

    /// The next `count` transactions, with up to five events each.
    pub fn take(&mut self, count: usize) -> Vec<Taken> {
        (0..count).map(|_| self.taken()).collect()
    }

    fn taken(&mut self) -> Taken {
        self.transactions += 1;
        let mut signature = [9; 64];
        signature[..8].copy_from_slice(&self.transactions.to_be_bytes());
        Taken {
            signature: Signature::from(signature),
            slot: self.transactions,
            time: self.rng.bool().then_some(1_800_000_000 + self.transactions as i64 * 600),
            fee: 5_000,
            compute_units: 1,
            events: (0..self.rng.usize(1..6)).map(|_| self.event()).collect(),
        }
    }

    fn event(&mut self) -> Event {
        // Half of the events are the job program's.
        let idl = &IDLS[self.rng.usize(..2 * IDLS.len()).checked_sub(IDLS.len()).unwrap_or(JOBS)];
        let program = idl["metadata"]["name"].as_str().unwrap();
        if self.rng.u8(..10) == 0 {
            return self.log_cut(idl, program);
        }
        let events = idl["events"].as_array().unwrap();
        let name = events[self.rng.usize(..events.len())]["name"].as_str().unwrap();
        let mut values = self.fields(idl, name);
        // The programs emit these events only once per address, hour or number, so it is a new one each time.
        let only = match name {
            "DeviceRegistered" => Some("device"),
            "ModelSealed" => Some("model"),
            "HourSettled" => Some("hour"),
            "ProposalCreated" => Some("index"),
            _ => None,
        };
        if let Some(field) = only {
            let before = self.once.get(name).and_then(Value::as_u64).unwrap_or(0);
            self.once.insert(name.to_owned(), (before + 1).into());
            let is_address = values[field].is_string();
            let other = if is_address { address(before as u8) } else { before.into() };
            values.insert(field.to_owned(), other);
        }
        Event { program, name, values }
    }

    /// The event for an instruction in a truncated log.
    fn log_cut(&mut self, idl: &'static Value, program: &'static str) -> Event {
        let instructions = idl["instructions"].as_array().unwrap();
        let instruction = &instructions[self.rng.usize(..instructions.len())];
        let accounts = instruction["accounts"].as_array().unwrap();
        let named = accounts
            .iter()
            .map(|place| (place["name"].as_str().unwrap().to_owned(), self.address()));
        let mut values: Map<String, Value> = named.collect();
        for name in ["own_stake", "co_stake", "rewards", "locked_bond", "free", "locked", "fees"] {
            values.insert(name.to_owned(), self.number(AMOUNT));
        }
        values.insert("heard".to_owned(), self.rng.bool().into());
        values.insert("instruction".to_owned(), instruction["name"].clone());
        let terms = json!({ "units": self.number(u32::MAX.into()), "max_price": self.number(u64::MAX), "inputs": "1a" });
        values.insert("arguments".to_owned(), terms);
        values.insert("mint".to_owned(), self.address());
        values.insert("io_mint".to_owned(), self.address());
        for name in ["index", "status", "quorum"] {
            values.insert(name.to_owned(), self.number(7));
        }
        values.insert("votes".to_owned(), json!([1, 2, 3, self.number(AMOUNT)]));
        Event {
            program,
            name: "LogCut",
            values,
        }
    }

    /// Random fields of a struct.
    fn fields(&mut self, idl: &Value, name: &str) -> Map<String, Value> {
        let types = idl["types"].as_array().unwrap();
        let kind = &types.iter().find(|kind| kind["name"] == name).unwrap()["type"];
        let fields = kind["fields"].as_array().unwrap();
        let value = |field: &Value| {
            let name = field["name"].as_str().unwrap();
            let value = match field["type"] == "u64" && OF_ANY_MINT.contains(&name) {
                true => self.number(u64::MAX),
                false => self.value(idl, &field["type"]),
            };
            (name.to_owned(), value)
        };
        fields.iter().map(value).collect()
    }

    fn value(&mut self, idl: &Value, kind: &Value) -> Value {
        match kind.as_str() {
            Some("bool") => self.rng.bool().into(),
            Some("pubkey") => self.address(),
            Some("u8") => self.number(u8::MAX.into()),
            Some("u16") => self.number(u16::MAX.into()),
            Some("u32") => self.number(u32::MAX.into()),
            Some("u64") => self.number(AMOUNT),
            Some("i64") => [i64::MIN, -1, 0, 1_800_000_000, i64::MAX][self.rng.usize(..5)].into(),
            Some(other) => panic!("a value of kind {other}"),
            None if kind["array"][0] == "u8" => "7f".repeat(kind["array"][1].as_u64().unwrap() as usize).into(),
            None if kind["array"].is_array() => {
                let count = kind["array"][1].as_u64().unwrap();
                (0..count).map(|_| self.value(idl, &kind["array"][0])).collect()
            }
            None if !kind["option"].is_null() => match self.rng.bool() {
                true => Value::Null,
                false => self.value(idl, &kind["option"]),
            },
            None => {
                let name = kind["defined"]["name"].as_str().unwrap();
                let types = idl["types"].as_array().unwrap();
                let defined = &types.iter().find(|kind| kind["name"] == name).unwrap()["type"];
                match defined["variants"].as_array() {
                    Some(variants) => variants[self.rng.usize(..variants.len())]["name"].clone(),
                    None => self.fields(idl, name).into(),
                }
            }
        }
    }

    fn number(&mut self, most: u64) -> Value {
        [0, 1, 7, most][self.rng.usize(..4)].into()
    }

    fn address(&mut self) -> Value {
        address(self.rng.u8(..ADDRESSES))
    }
}

fn address(number: u8) -> Value {
    Address::new_from_array([number + 1; 32]).to_string().into()
}
