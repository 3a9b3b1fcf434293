//! Compares the shipped models with the golden vectors from their numpy reference.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use engine::{Backend, Engine, Package};
use protocol::tensor::from_code;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::Arc;

fn sha256(codes: &[u8]) -> String {
    // The golden hashes are over two's complement bytes.
    let plain: Vec<u8> = codes.iter().map(|code| from_code(*code) as u8).collect();
    Sha256::digest(plain).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check(model: &str) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models").join(model);
    let package = Arc::new(Package::load(&folder).unwrap());
    let golden: Value = serde_json::from_slice(&std::fs::read(folder.join("golden.json")).unwrap()).unwrap();
    let vectors = golden["vectors"].as_array().unwrap();
    assert!(!vectors.is_empty());
    let engines: Vec<Engine> = Backend::available()
        .into_iter()
        .map(|backend| Engine::with_backend(package.clone(), 2, backend).unwrap())
        .collect();
    for vector in vectors {
        // Element i of all inputs taken together is ((i + case·1000003)·2654435761 mod 2^32) >> 24, minus 128.
        let mut index = vector["case"].as_u64().unwrap() * 1_000_003;
        let mut next = || {
            let code = (index.wrapping_mul(2_654_435_761) as u32 >> 24) as u8;
            index += 1;
            code
        };
        let inputs: Vec<Vec<u8>> = package
            .input_shapes()
            .iter()
            .map(|shape| (0..shape.elements().unwrap()).map(|_| next()).collect())
            .collect();
        for (input, wanted) in inputs.iter().zip(vector["input_sha256"].as_array().unwrap()) {
            assert_eq!(
                sha256(input),
                wanted.as_str().unwrap(),
                "{model}: the test makes other inputs than the reference"
            );
        }
        let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
        let shape = package.output_shape();
        assert_eq!(vector["output_dims"], serde_json::json!([shape.h, shape.w, shape.c]));
        for engine in &engines {
            let output = engine.run(&inputs).unwrap();
            assert_eq!(
                sha256(&output),
                vector["output_sha256"].as_str().unwrap(),
                "{model}, case {} on {}",
                vector["case"],
                engine.backend()
            );
        }
    }
}

#[test]
fn upscale() {
    check("upscale");
}

#[test]
fn imagine() {
    check("imagine");
}
