//! The IDL files, and values of their types in bytes.

use serde::Deserialize;
use serde_json::{Number, Value};
use solana_address::Address;
use std::sync::OnceLock;

#[derive(Deserialize)]
pub(crate) struct Idl {
    address: String,
    metadata: Metadata,
    pub(super) instructions: Vec<Method>,
    pub(super) events: Vec<IdlEvent>,
    types: Vec<TypeDef>,
    pub(super) errors: Vec<IdlError>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Deserialize)]
pub(super) struct IdlError {
    pub code: u32,
    pub name: String,
    pub msg: String,
}

#[derive(Deserialize)]
pub(super) struct Method {
    pub name: String,
    pub discriminator: Vec<u8>,
    pub accounts: Vec<Named>,
    pub args: Vec<Field>,
}

#[derive(Deserialize)]
pub(super) struct IdlEvent {
    pub name: String,
    pub discriminator: Vec<u8>,
}

/// Something of which only the name is read.
#[derive(Deserialize)]
pub(super) struct Named {
    pub name: String,
}

#[derive(Deserialize)]
pub(super) struct Field {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: Type,
}

#[derive(Deserialize)]
struct TypeDef {
    name: String,
    #[serde(rename = "type")]
    shape: Shape,
}

/// The shape of a type: named fields, or variants without fields.
#[derive(Deserialize)]
struct Shape {
    #[serde(default)]
    fields: Value,
    #[serde(default)]
    variants: Vec<Named>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Type {
    Bool,
    U8,
    U16,
    U32,
    U64,
    I64,
    Pubkey,
    Array(Box<Type>, usize),
    Vec(Box<Type>),
    Option(Box<Type>),
    Defined { name: String },
}

impl Type {
    /// Size of an integer in bytes, and whether it is signed.
    fn integer(&self) -> Option<(usize, bool)> {
        match self {
            Self::U8 => Some((1, false)),
            Self::U16 => Some((2, false)),
            Self::U32 => Some((4, false)),
            Self::U64 => Some((8, false)),
            Self::I64 => Some((8, true)),
            _ => None,
        }
    }

    /// Describes valid values, for error messages.
    pub(super) fn wanted(&self) -> String {
        match self {
            Self::Bool => "true or false".to_owned(),
            Self::Pubkey => "an address".to_owned(),
            Self::Array(inner, count) if matches!(**inner, Self::U8) => format!("{count} bytes, in hexadecimal or as text"),
            Self::Array(inner, count) => format!("{count} of {}", inner.wanted()),
            Self::Vec(_) => "a list".to_owned(),
            Self::Option(inner) => inner.wanted(),
            Self::Defined { name } => name.clone(),
            _ => match self.integer() {
                Some((bytes, false)) => format!("a whole number up to {}", u64::MAX >> (64 - 8 * bytes)),
                _ => "a whole number".to_owned(),
            },
        }
    }
}

/// IDLs of the programs, in the order of their dependencies.
pub(crate) fn all() -> &'static [Idl] {
    static ALL: OnceLock<Vec<Idl>> = OnceLock::new();
    ALL.get_or_init(|| {
        let files = [
            include_str!("../../../../idl/costaking.json"),
            include_str!("../../../../idl/staking.json"),
            include_str!("../../../../idl/governance.json"),
            include_str!("../../../../idl/jobs.json"),
            include_str!("../../../../idl/referee.json"),
        ];
        // `every_program_is_described` checks that all of them parse.
        files.iter().filter_map(|file| serde_json::from_str(file).ok()).collect()
    })
}

impl Idl {
    pub(crate) fn name(&self) -> &str {
        &self.metadata.name
    }

    pub(crate) fn address(&self) -> Option<Address> {
        self.address.parse().ok()
    }

    /// Name and message of an error code.
    pub(crate) fn error(&self, code: u32) -> Option<(&str, &str)> {
        let error = self.errors.iter().find(|error| error.code == code)?;
        Some((&error.name, &error.msg))
    }

    fn named(&self, name: &str) -> Option<&TypeDef> {
        self.types.iter().find(|named| named.name == name)
    }

    /// Fields of a struct.
    pub(super) fn fields(&self, name: &str) -> Option<Vec<Field>> {
        serde_json::from_value(self.named(name)?.shape.fields.clone()).ok()
    }

    /// Reads a value off the front of `bytes`.
    pub(super) fn read(&self, name: &str, kind: &Type, bytes: &mut &[u8]) -> Option<Value> {
        let mut take = |count: usize| {
            let (taken, rest) = bytes.split_at_checked(count)?;
            *bytes = rest;
            Some(taken)
        };
        Some(match kind {
            Type::Bool => Value::Bool(take(1)?.first() == Some(&1)),
            Type::Pubkey => Value::String(Address::try_from(take(32)?).ok()?.to_string()),
            Type::Array(inner, count) if matches!(**inner, Type::U8) => bytes_value(name, take(*count)?),
            Type::Array(inner, count) => (0..*count).map(|_| self.read(name, inner, bytes)).collect::<Option<_>>()?,
            Type::Vec(inner) => {
                let count = u32::from_le_bytes(take(4)?.try_into().ok()?);
                match **inner {
                    Type::U8 => bytes_value(name, take(count as usize)?),
                    _ => (0..count).map(|_| self.read(name, inner, bytes)).collect::<Option<_>>()?,
                }
            }
            Type::Option(inner) => match take(1)? {
                [0] => Value::Null,
                _ => self.read(name, inner, bytes)?,
            },
            Type::Defined { name } if !self.named(name)?.shape.variants.is_empty() => {
                let variant = usize::from(*take(1)?.first()?);
                Value::String(self.named(name)?.shape.variants.get(variant)?.name.clone())
            }
            Type::Defined { name } => {
                let fields = self.fields(name)?;
                let read = |field: &Field| Some((field.name.clone(), self.read(&field.name, &field.kind, bytes)?));
                Value::Object(fields.iter().map(read).collect::<Option<_>>()?)
            }
            _ => {
                let (count, signed) = kind.integer()?;
                let mut wide = [0; 8];
                wide.get_mut(..count)?.copy_from_slice(take(count)?);
                match signed {
                    true => Value::from(i64::from_le_bytes(wide)),
                    false => Value::from(u64::from_le_bytes(wide)),
                }
            }
        })
    }

    /// Writes a value; `None` if it is not of this type.
    pub(super) fn write(&self, kind: &Type, value: &Value, bytes: &mut Vec<u8>) -> Option<()> {
        match kind {
            Type::Bool => bytes.push(value.as_bool()?.into()),
            Type::Pubkey => bytes.extend(value.as_str()?.parse::<Address>().ok()?.as_ref()),
            Type::Array(inner, count) if matches!(**inner, Type::U8) => {
                let text = value.as_str()?;
                let mut field = hex::decode(text)
                    .ok()
                    .filter(|bytes| bytes.len() == *count)
                    .unwrap_or_else(|| text.as_bytes().to_vec());
                let fits = field.len() <= *count;
                field.resize(*count, 0);
                bytes.extend(fits.then_some(field)?);
            }
            Type::Array(inner, count) => {
                let list = value.as_array().filter(|list| list.len() == *count)?;
                list.iter().try_for_each(|value| self.write(inner, value, bytes))?;
            }
            Type::Vec(_) => return None,
            Type::Option(inner) => {
                bytes.push((!value.is_null()).into());
                if !value.is_null() {
                    self.write(inner, value, bytes)?;
                }
            }
            Type::Defined { name } => {
                let object = value.as_object()?;
                for field in self.fields(name)? {
                    self.write(&field.kind, object.get(&field.name)?, bytes)?;
                }
            }
            _ => {
                let (count, signed) = kind.integer()?;
                let number: &Number = value.as_number()?;
                let wide = match signed {
                    true => number.as_i64()?.to_le_bytes(),
                    false => number.as_u64()?.to_le_bytes(),
                };
                let (low, high) = wide.split_at(count);
                high.iter().all(|byte| *byte == 0).then(|| bytes.extend(low))?;
            }
        }
        Some(())
    }
}

/// Bytes in hexadecimal, or as text where they are a name or title.
fn bytes_value(name: &str, bytes: &[u8]) -> Value {
    let text = ["name", "title"].contains(&name).then(|| std::str::from_utf8(bytes).ok()).flatten();
    let text = text.map(|text| text.trim_end_matches('\0'));
    // Printable ASCII only: control characters could hide from people what they decide on.
    let text = text.filter(|text| text.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    Value::String(text.map_or_else(|| hex::encode(bytes), str::to_owned))
}
