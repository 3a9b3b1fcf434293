//! Checks on this machine that each model computes what its package says it must.

use crate::{Error, Models, Result};
use serde::Deserialize;
use std::path::Path;

/// First input of case `n` is number `n · STRIDE` of the rule's sequence.
const STRIDE: u64 = 1_000_003;

#[derive(Deserialize)]
struct Golden {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    case: u64,
    output_sha256: String,
}

/// Runs the golden vectors of every model; one line each goes to `report`.
pub fn selftest(models: &Models, mut report: impl FnMut(String)) -> Result<()> {
    let mut failed = 0;
    for (_, model) in models.iter() {
        let path = model.folder.join("golden.json");
        let vectors = match std::fs::read(&path) {
            Ok(text) => parse(&path, &text)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                report(format!("{}: no golden.json, nothing to compare with", model.name));
                continue;
            }
            Err(error) => {
                return Err(Error::Golden {
                    path,
                    reason: error.to_string(),
                });
            }
        };
        let mut same = 0;
        for vector in &vectors {
            let inputs = inputs(model.engine().package(), vector.case);
            let slices: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
            let output = model.engine().run(&slices).map_err(|source| Error::Model {
                folder: model.folder.clone(),
                source,
            })?;
            // The vectors are over two's complement; codes have the sign bit flipped.
            let signed: Vec<u8> = output.iter().map(|code| code ^ 0x80).collect();
            if hex::encode(solana_sha256_hasher::hash(&signed).to_bytes()) == vector.output_sha256 {
                same += 1;
            } else {
                failed += 1;
            }
        }
        report(format!("{}: {same} of {} golden vectors match", model.name, vectors.len()));
    }
    if failed > 0 { Err(Error::Selftest { failed }) } else { Ok(()) }
}

fn parse(path: &Path, text: &[u8]) -> Result<Vec<Vector>> {
    let golden: Golden = serde_json::from_slice(text).map_err(|error| Error::Golden {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    Ok(golden.vectors)
}

/// Inputs by the rule in golden.json: element i of all inputs together is the top byte of `(i + case·1000003)·2654435761 mod 2^32`,
/// which is a code already.
fn inputs(package: &engine::Package, case: u64) -> Vec<Vec<u8>> {
    let mut next = case.wrapping_mul(STRIDE);
    let mut fill = |count: u32| {
        let numbers = next..next.wrapping_add(count.into());
        next = numbers.end;
        numbers.map(|i| (i.wrapping_mul(2_654_435_761) as u32 >> 24) as u8).collect()
    };
    package
        .input_shapes()
        .iter()
        .map(|shape| fill(shape.elements().unwrap_or(0)))
        .collect()
}
