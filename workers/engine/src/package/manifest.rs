//! The format of `model.json`.

use serde::Deserialize;
use serde::de::Error as _;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) format: u32,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) license: String,
    pub(super) description: String,
    pub(super) task: serde_json::Value,
    pub(super) inputs: Vec<ManifestInput>,
    /// Number of ops from one checkpoint of a trace to the next.
    #[serde(default = "every_op")]
    pub(super) checkpoint_interval: u32,
    /// Parsed one by one, so that errors can name the op.
    pub(super) ops: Vec<serde_json::Value>,
}

fn every_op() -> u32 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ManifestInput {
    pub(super) name: String,
    pub(super) dims: [u16; 3],
}

/// An op without its name and inputs.
#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum ManifestOp {
    Conv2d(ManifestConv),
    Matmul(ManifestMatmul),
    MatmulAct {
        a_zero_point: i8,
        b_zero_point: i8,
        multiplier: i32,
        shift: u8,
        zero_point: i8,
        clamp: [i8; 2],
    },
    Add {
        a_zero_point: i8,
        b_zero_point: i8,
        a_multiplier: i32,
        b_multiplier: i32,
        shift: u8,
        zero_point: i8,
        clamp: [i8; 2],
    },
    Mul {
        a_zero_point: i8,
        b_zero_point: i8,
        multiplier: i32,
        shift: u8,
        zero_point: i8,
        clamp: [i8; 2],
    },
    Table8 {
        table: String,
    },
    Concat {},
    Upsample {
        factor: u8,
    },
    DepthToSpace {
        block: u8,
    },
    MaxPool {
        kernel: [u8; 2],
        stride: [u8; 2],
        padding: [u8; 4],
    },
    AvgPool {
        kernel: [u8; 2],
        stride: [u8; 2],
        padding: [u8; 4],
        input_zero_point: i8,
        multiplier: i32,
        shift: u8,
        zero_point: i8,
        clamp: [i8; 2],
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ManifestConv {
    pub(super) weights: String,
    pub(super) bias: String,
    pub(super) multiplier: String,
    pub(super) stride: [u8; 2],
    pub(super) padding: [u8; 4],
    pub(super) dilation: [u8; 2],
    pub(super) groups: u16,
    pub(super) pad_value: i8,
    pub(super) shift: u8,
    pub(super) zero_point: i8,
    pub(super) clamp: [i8; 2],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ManifestMatmul {
    pub(super) weights: String,
    pub(super) bias: String,
    pub(super) multiplier: String,
    pub(super) shift: u8,
    pub(super) zero_point: i8,
    pub(super) clamp: [i8; 2],
}

/// Parses an op into its name, the names of its inputs, and the rest.
pub(super) fn parse_op(op: serde_json::Value) -> serde_json::Result<(String, Vec<String>, ManifestOp)> {
    let mut rest: serde_json::Map<String, serde_json::Value> = serde_json::from_value(op)?;
    let mut take = |key| rest.remove(key).ok_or_else(|| serde_json::Error::missing_field(key));
    let (name, inputs) = (take("name")?, take("inputs")?);
    Ok((
        serde_json::from_value(name)?,
        serde_json::from_value(inputs)?,
        serde_json::from_value(rest.into())?,
    ))
}
