//! A chain's accounts as text, with which another version of the programs can continue.

use crate::world::World;
use protocol::units::Moment;
use solana_account::Account;
use solana_address::Address;
use solana_program_pack::Pack;
use spl_token_interface::state::Mint;
use std::fmt::Write;

const SYSTEM: Address = Address::from_str_const("11111111111111111111111111111111");

impl World {
    /// The clock, then one line for every account of the market's programs, of the token program and of wallets: address, owner, lamports
    /// and bytes.
    pub fn dump(&self) -> String {
        let Moment { unix, slot } = self.now();
        let mut text = format!("{unix} {slot}\n");
        let owners = [
            staking::ID,
            costaking::ID,
            governance::ID,
            jobs::ID,
            referee::ID,
            spl_token_interface::ID,
            SYSTEM,
        ];
        for owner in owners {
            let mut accounts = self.accounts_of(&owner);
            accounts.sort_by_key(|(address, _)| *address);
            for (address, account) in accounts {
                write!(text, "{address} {owner} {} ", account.lamports).unwrap();
                account.data.iter().for_each(|byte| write!(text, "{byte:02x}").unwrap());
                text.push('\n');
            }
        }
        text
    }

    /// A chain with the present programs and the accounts of a dump.
    pub fn restore(dump: &str) -> Self {
        let mut world = Self::new();
        let mut lines = dump.lines();
        let number = |text: &str| text.parse::<u64>().expect("a dump holds numbers");
        let (unix, slot) = lines
            .next()
            .and_then(|line| line.split_once(' '))
            .expect("a dump begins with its clock");
        world.go_to(Moment {
            unix: number(unix) as i64,
            slot: number(slot),
        });
        for line in lines {
            let [address, owner, lamports, data] = line.split(' ').collect::<Vec<_>>().try_into().expect("four columns");
            let byte = |at: usize| u8::from_str_radix(&data[at..at + 2], 16).expect("bytes are hexadecimal");
            let account = Account {
                lamports: number(lamports),
                data: (0..data.len()).step_by(2).map(byte).collect(),
                owner: owner.parse().expect("an owner is an address"),
                executable: false,
                rent_epoch: u64::MAX,
            };
            let address = address.parse().expect("an account has an address");
            if account.owner == spl_token_interface::ID && account.data.len() == Mint::LEN {
                let mint = Mint::unpack(&account.data).expect("a mint");
                world.supply_is(&address, mint.supply);
            }
            world.plant(address, account);
        }
        world
    }
}
