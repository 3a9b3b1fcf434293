//! Decodes the market's instructions and events into named values, by the programs' IDLs, and encodes changed arguments.

mod schema;

use schema::{Field, Idl, Method, Type, all};
use serde_json::{Map, Value};
use solana_address::Address;
use solana_instruction::Instruction;

/// Values by name. A struct argument appears as its fields, which people know as parameters.
///
/// Addresses are in base 58 and bytes in hexadecimal; names of GPUs and titles are text.
pub type Values = Map<String, Value>;

/// A decoded instruction.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Name of the program.
    pub program: &'static str,
    /// Name of the instruction.
    pub name: &'static str,
    /// Its arguments.
    pub values: Values,
}

/// A decoded event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Name of the program.
    pub program: &'static str,
    /// Name of the event.
    pub name: &'static str,
    /// Its fields.
    pub values: Values,
}

/// Why an argument cannot be changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// There is no such argument.
    #[error("there is no '{name}'; choose one of {known}")]
    Unknown {
        /// As given.
        name: String,
        /// The existing names.
        known: String,
    },
    /// The argument cannot hold the value.
    #[error("'{name}' cannot be {value}; it is {wanted}")]
    Invalid {
        /// Name of the argument.
        name: String,
        /// As given.
        value: String,
        /// What it can hold.
        wanted: String,
    },
}

/// The IDL of a program.
pub(crate) fn of(program: &Address) -> Option<&'static Idl> {
    all().iter().find(|idl| idl.address() == Some(*program))
}

/// The method that an instruction calls.
fn method(instruction: &Instruction) -> Option<(&'static Idl, &'static Method)> {
    let idl = of(&instruction.program_id)?;
    let method = idl
        .instructions
        .iter()
        .find(|method| instruction.data.starts_with(&method.discriminator))?;
    Some((idl, method))
}

/// The arguments of an instruction; structs are nested.
fn arguments(idl: &Idl, method: &Method, data: &[u8]) -> Option<Vec<Value>> {
    let mut rest = data.get(method.discriminator.len()..)?;
    method.args.iter().map(|arg| idl.read(&arg.name, &arg.kind, &mut rest)).collect()
}

/// Decodes a record that a program logged; `None` if it is not an event of the market's.
pub fn event(program: &Address, record: &[u8]) -> Option<Event> {
    let idl = of(program)?;
    let event = idl.events.iter().find(|event| record.starts_with(&event.discriminator))?;
    let mut rest = record.get(event.discriminator.len()..)?;
    let kind = Type::Defined { name: event.name.clone() };
    match idl.read(&event.name, &kind, &mut rest)? {
        Value::Object(values) => Some(Event {
            program: idl.name(),
            name: &event.name,
            values,
        }),
        _ => None,
    }
}

/// Every event of the market: the names of its program and of the event.
pub fn events() -> impl Iterator<Item = (&'static str, &'static str)> {
    let of = |idl: &'static Idl| idl.events.iter().map(|event| (idl.name(), event.name.as_str()));
    all().iter().flat_map(of)
}

/// Decodes an instruction; `None` if no program of the market has it.
pub fn decode(instruction: &Instruction) -> Option<Call> {
    let (idl, method) = method(instruction)?;
    let mut values = Values::new();
    for (arg, value) in method.args.iter().zip(arguments(idl, method, &instruction.data)?) {
        match value {
            Value::Object(fields) => values.extend(fields),
            value => drop(values.insert(arg.name.clone(), value)),
        }
    }
    Some(Call {
        program: idl.name(),
        name: &method.name,
        values,
    })
}

/// The account with this name in an instruction.
pub fn account(instruction: &Instruction, name: &str) -> Option<Address> {
    let (_, method) = method(instruction)?;
    let place = method.accounts.iter().position(|place| place.name == name)?;
    Some(instruction.accounts.get(place)?.pubkey)
}

/// Addresses of an instruction's accounts by name; none if no program of the market has the instruction.
pub fn accounts(instruction: &Instruction) -> Values {
    let places = method(instruction).map_or(&[][..], |(_, method)| &method.accounts);
    let named = places.iter().zip(&instruction.accounts);
    named
        .map(|(place, meta)| (place.name.clone(), meta.pubkey.to_string().into()))
        .collect()
}

/// The same instruction with other values for some of its arguments.
///
/// Optional arguments that do not change are left out, and so are optional elements of lists.
pub fn replace(instruction: &Instruction, changes: &Values) -> Result<Instruction, ValueError> {
    let known = decode(instruction).map(|call| call.values).unwrap_or_default();
    if let Some(name) = changes.keys().find(|name| !known.contains_key(*name)) {
        return Err(ValueError::Unknown {
            name: name.clone(),
            known: known.keys().cloned().collect::<Vec<_>>().join(", "),
        });
    }
    let mut replaced = instruction.clone();
    let Some((idl, method)) = method(instruction) else {
        return Ok(replaced);
    };
    replaced.data.truncate(method.discriminator.len());
    let mut put = |field: &Field| {
        let (before, after) = (known.get(&field.name), changes.get(&field.name));
        let value = match &field.kind {
            Type::Option(_) => after.cloned().unwrap_or_default(),
            Type::Array(inner, count) if matches!(**inner, Type::Option(_)) => places(*count, before, after),
            _ => after.or(before).cloned().unwrap_or_default(),
        };
        idl.write(&field.kind, &value, &mut replaced.data)
            .ok_or_else(|| ValueError::Invalid {
                name: field.name.clone(),
                value: value.to_string(),
                wanted: field.kind.wanted(),
            })
    };
    for arg in &method.args {
        match &arg.kind {
            Type::Defined { name } => idl.fields(name).unwrap_or_default().iter().try_for_each(&mut put)?,
            _ => put(arg)?,
        }
    }
    Ok(replaced)
}

/// A list in which elements that do not change are null. A value that is not a list is returned as it is, to be refused later.
fn places(count: usize, before: Option<&Value>, after: Option<&Value>) -> Value {
    let Some(after) = after else {
        return Value::Array(vec![Value::Null; count]);
    };
    match (before.and_then(Value::as_array), after.as_array()) {
        (Some(before), Some(list)) if before.len() == list.len() => {
            let changed = before
                .iter()
                .zip(list)
                .map(|(before, after)| (before != after).then(|| after.clone()));
            Value::Array(changed.map(Option::unwrap_or_default).collect())
        }
        _ => after.clone(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::market::{govern, job, reward, stake};
    use serde_json::json;

    fn someone(byte: u8) -> Address {
        Address::new_from_array([byte; 32])
    }

    #[test]
    fn every_program_is_described() {
        let addresses: Vec<_> = all().iter().map(|idl| idl.address().unwrap()).collect();
        assert_eq!(addresses, [costaking::ID, staking::ID, governance::ID, jobs::ID, referee::ID]);
    }

    #[test]
    fn every_code_has_a_sentence() {
        for idl in all() {
            let first = idl.errors.first().unwrap().code;
            for (code, error) in (first..).zip(&idl.errors) {
                assert_eq!(error.code, code, "{}", error.name);
                assert!(error.msg.len() > 10, "{}", error.name);
            }
        }
    }

    #[test]
    fn parameters_are_read_and_written_by_name() {
        let authority = someone(1);
        let now = job::set_parameters(&authority, jobs::Parameters::PUBLISHED);
        let call = decode(&now).unwrap();
        assert_eq!((call.program, call.name), ("jobs", "set_parameters"));
        assert_eq!(call.values["audit_floor_bps"], jobs::Parameters::PUBLISHED.audit_floor_bps);
        let changes = json!({ "audit_floor_bps": 700, "bounty": 9 });
        let changed = replace(&now, changes.as_object().unwrap()).unwrap();
        let wanted = jobs::ParameterChanges {
            audit_floor_bps: Some(700),
            bounty: Some(9),
            ..Default::default()
        };
        assert_eq!(changed, job::set_parameters(&authority, wanted));
        let said = decode(&changed).unwrap().values;
        assert_eq!((&said["bounty"], &said["fee_bps"]), (&json!(9), &Value::Null));
    }

    #[test]
    fn unchanged_elements_of_lists_are_left_out() {
        let now = govern::set_rules(governance::Rules::PUBLISHED);
        let changed = |changes: Value| replace(&now, changes.as_object().unwrap());
        let longer = changed(json!({ "timelock": [0, 172_800, 259_200, 1_209_600] })).unwrap();
        let wanted = governance::RuleChanges {
            timelock: [None, None, Some(259_200), None],
            ..Default::default()
        };
        assert_eq!(longer, govern::set_rules(wanted));
        for wrong in [json!([0, 1, 2]), json!(7), json!([0, 172_800, "long", 0])] {
            let refused = changed(json!({ "timelock": wrong })).unwrap_err().to_string();
            assert!(refused.ends_with("it is 4 of a whole number up to 4294967295"), "{refused}");
        }
    }

    #[test]
    fn every_kind_of_value_comes_back() {
        let spec = staking::state::GpuSpec {
            name: *b"RTX 4090\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            multiplier_x100: 125,
            vram_gb: 24,
            pool: 0,
            listed: true,
            work_width: 12,
            work_bytes: 32,
            work_layers: 6,
        };
        let all = [
            stake::update_gpu_model(&someone(1), 7, spec),
            stake::set_authorities(&someone(1), &someone(2), &someone(3)),
            reward::set_rules(&someone(1), staking::RewardRules::PUBLISHED, Some(someone(4))),
            govern::set_rules(governance::Rules::PUBLISHED),
            govern::set_guardian(someone(5), -1),
        ];
        for instruction in all {
            let mut call = decode(&instruction).unwrap();
            // Unchanged lists would be left out.
            call.values.retain(|_, value| !value.is_array());
            let written = replace(&instruction, &call.values).unwrap();
            let again = decode(&written).unwrap();
            assert!(call.values.iter().all(|(name, value)| again.values[name] == *value), "{again:?}");
        }
        let update = stake::update_gpu_model(&someone(1), 7, spec);
        assert_eq!(account(&update, "gpu_model"), Some(stake::gpu_model(7)));
        let [config, gpu_model] = [stake::config(), stake::gpu_model(7)].map(|address| address.to_string());
        let named = json!({ "authority": someone(1).to_string(), "config": config, "gpu_model": gpu_model });
        assert_eq!(Value::Object(accounts(&update)), named);
    }

    #[test]
    fn control_characters_are_not_shown_as_text() {
        let mut name = [0; 32];
        name[..7].copy_from_slice(b"\x1b[9F\x1b[J");
        let changes = staking::GpuSpecChanges {
            name: Some(name),
            ..Default::default()
        };
        let call = decode(&stake::update_gpu_model(&someone(1), 7, changes)).unwrap();
        let shown = call.values["name"].as_str().unwrap();
        assert!(shown.starts_with("1b5b39461b5b4a00") && shown.len() == 64, "{shown:?}");
    }

    #[test]
    fn events_are_read_by_name() {
        use anchor_lang::Event as _;
        use jobs::events::{Ending, JobRefunded};
        let event = JobRefunded {
            job: someone(3),
            ending: Ending::TimedOut,
            refund: 7,
            penalty: 3,
        };
        let read = super::event(&jobs::ID, &event.data()).unwrap();
        assert_eq!((read.program, read.name), ("jobs", "JobRefunded"));
        let wanted = json!({ "job": someone(3).to_string(), "ending": "TimedOut", "refund": 7, "penalty": 3 });
        assert_eq!(Value::Object(read.values), wanted);
        assert_eq!(super::event(&staking::ID, &event.data()), None, "another program's");
        // Every event can be read.
        for idl in all() {
            for event in &idl.events {
                assert!(idl.fields(&event.name).is_some(), "{}", event.name);
            }
        }
    }

    #[test]
    fn values_that_do_not_fit_are_named() {
        let now = stake::set_parameters(&someone(1), staking::Parameters::PUBLISHED);
        let refused = |changes: Value| replace(&now, changes.as_object().unwrap()).unwrap_err().to_string();
        assert_eq!(
            refused(json!({ "cool_down": 1 })),
            "there is no 'cool_down'; choose one of appeal, base_stake, cooldown, probation, raise_grace"
        );
        let too_large = refused(json!({ "cooldown": 4_294_967_296_u64 }));
        assert_eq!(too_large, "'cooldown' cannot be 4294967296; it is a whole number up to 4294967295");
        assert!(refused(json!({ "cooldown": "1d" })).contains("whole number"));
        assert!(refused(json!({ "cooldown": -1 })).contains("whole number"));
        let paused = stake::set_authorities(&someone(1), &someone(2), &someone(3));
        assert!(
            replace(&paused, json!({ "guardian": "x" }).as_object().unwrap())
                .unwrap_err()
                .to_string()
                .contains("address")
        );
    }

    #[test]
    fn truncated_and_foreign_instructions_are_not_decoded() {
        let mut now = stake::set_parameters(&someone(1), staking::Parameters::PUBLISHED);
        now.data.pop();
        assert_eq!(decode(&now), None);
        now.program_id = someone(9);
        assert_eq!(decode(&now), None);
    }
}
