//! Malformed packages: each is refused with one sentence that names the op and the tensor.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::Draft;
use engine::Package;
use protocol::tensor::Shape;
use safetensors::tensor::Dtype;
use serde_json::{Value, json};

/// A convolution, an add and a table: one op of each form.
fn draft() -> Draft {
    let mut draft = Draft::new(&[Shape::new(6, 6, 3)]);
    draft.i8_tensor("head.weights", &[4, 3, 3, 3], &[1; 108]);
    draft.i32_tensor("head.bias", &[0; 4]);
    draft.i32_tensor("head.multiplier", &[1; 4]);
    draft.i8_tensor("curve", &[256], &[5; 256]);
    draft.ops = vec![
        json!({
            "op": "conv2d", "name": "head", "inputs": ["in0"],
            "weights": "head.weights", "bias": "head.bias", "multiplier": "head.multiplier",
            "stride": [1, 1], "padding": [1, 1, 1, 1], "dilation": [1, 1], "groups": 1, "pad_value": 0,
            "shift": 8, "zero_point": 0, "clamp": [-128, 127],
        }),
        json!({
            "op": "add", "name": "sum", "inputs": ["head", "head"], "a_zero_point": 0, "b_zero_point": 0,
            "a_multiplier": 1, "b_multiplier": 1, "shift": 1, "zero_point": 0, "clamp": [-128, 127],
        }),
        json!({"op": "table8", "name": "out", "inputs": ["sum"], "table": "curve"}),
    ];
    draft
}

/// The message for a package with one thing changed.
fn refusal(change: impl FnOnce(&mut Draft)) -> String {
    let mut draft = draft();
    change(&mut draft);
    draft.package().expect_err("the package is malformed").to_string()
}

fn tensor<'a>(draft: &'a mut Draft, name: &str) -> &'a mut (String, Dtype, Vec<usize>, Vec<u8>) {
    draft.tensors.iter_mut().find(|(tensor, ..)| tensor == name).unwrap()
}

#[test]
fn the_unchanged_package_is_accepted() {
    let package = draft().package().unwrap();
    assert_eq!(package.output_shape(), Shape::new(6, 6, 4));
    assert_eq!(package.facts.max_fan_in, 27);
    assert_eq!(package.facts.macs, 144 * (27 + 2 + 1));
    assert_eq!((package.facts.n_ops, package.output_id()), (3, 3));
    assert_eq!(package.task, json!({"kind": "test"}));
}

#[test]
fn the_model_hash_sees_every_constant() {
    let hash = |change: fn(&mut Draft)| {
        let mut draft = draft();
        change(&mut draft);
        draft.package().unwrap().model
    };
    let base = hash(|_| ());
    assert_ne!(base, hash(|d| tensor(d, "head.weights").3[7] = 2));
    assert_ne!(base, hash(|d| tensor(d, "head.bias").3[0] = 1));
    assert_ne!(base, hash(|d| tensor(d, "head.multiplier").3[0] = 2));
    assert_ne!(base, hash(|d| tensor(d, "curve").3[255] = 6));
    assert_ne!(base, hash(|d| d.ops[0]["shift"] = json!(9)));
    assert_ne!(base, hash(|d| d.ops[1]["b_multiplier"] = json!(-1)));
}

#[test]
fn refusals_name_op_and_tensor() {
    type Change = fn(&mut Draft);
    let cases: [(Change, &[&str]); 35] = [
        (|d| d.ops[0]["inputs"] = json!(["sum"]), &["op `head`", "`sum`", "cannot be cyclic"]),
        (
            |d| d.ops[0]["inputs"] = json!(["head"]),
            &["op `head`", "`head`", "cannot be cyclic"],
        ),
        (|d| d.ops[2]["inputs"] = json!(["nothing"]), &["op `out`", "`nothing`"]),
        (|d| d.ops[2]["inputs"] = json!([]), &["op `out`", "reads 0 values"]),
        (|d| d.ops[1]["inputs"] = json!(["head"]), &["op `sum`", "wrong number of values"]),
        (
            |d| d.ops[1]["inputs"] = json!(["head", "in0"]),
            &["op `sum`", "[6, 6, 4] and [6, 6, 3]", "do not go together"],
        ),
        (
            |d| tensor(d, "head.weights").3[7] = 0x80,
            &["op `head`", "`head.weights`", "−128", "element 7"],
        ),
        (
            |d| tensor(d, "head.weights").2 = vec![4, 3, 9, 1],
            &["op `head`", "`head.weights`", "[4, 3, 9, 1]", "[4, 3, 9, 3]"],
        ),
        (
            |d| tensor(d, "head.weights").2 = vec![4, 27],
            &["op `head`", "`head.weights`", "I8 [4, 27]", "4 dimensions"],
        ),
        (
            |d| tensor(d, "head.weights").1 = Dtype::U8,
            &["op `head`", "`head.weights`", "U8", "I8"],
        ),
        (
            |d| tensor(d, "head.bias").2 = vec![2, 2],
            &["op `head`", "`head.bias`", "I32 [2, 2]"],
        ),
        (
            |d| d.ops[0]["multiplier"] = json!("curve"),
            &["op `head`", "`curve`", "I8 [256]", "I32"],
        ),
        (
            |d| d.ops[0]["multiplier"] = json!("head.bias"),
            &["op `head`", "`head.bias`", "already in use"],
        ),
        (
            |d| {
                let other = json!({"op": "table8", "name": "other", "inputs": ["out"], "table": "curve"});
                d.ops.push(other);
            },
            &["op `other`", "`curve`", "already in use"],
        ),
        (|d| d.ops[0]["bias"] = json!("gone"), &["op `head`", "`gone`", "does not have"]),
        (
            |d| tensor(d, "head.bias").3[7] = 0x40,
            &["op `head`", "`head.bias`", "channel 1", "1073741824"],
        ),
        (
            |d| tensor(d, "head.bias").3[7] = 0xc0,
            &["op `head`", "`head.bias`", "channel 1", "-1073741824"],
        ),
        (
            |d| tensor(d, "head.multiplier").3[15] = 0x80,
            &["op `head`", "`head.multiplier`", "channel 3", "negative"],
        ),
        (|d| tensor(d, "curve").2 = vec![16, 16], &["op `out`", "`curve`"]),
        (|d| d.i8_tensor("unused", &[1], &[1]), &["`unused`", "no op uses"]),
        (|d| d.ops[0]["groups"] = json!(2), &["op `head`", "groups"]),
        (|d| d.ops[0]["groups"] = json!(0), &["op `head`", "groups"]),
        (|d| d.ops[0]["shift"] = json!(63), &["op `head`", "[6, 6, 3]", "shift"]),
        (|d| d.ops[0]["clamp"] = json!([1, 0]), &["op `head`", "clamp"]),
        (|d| d.ops[0]["padding"] = json!([256, 0, 0, 0]), &["op 0", "256"]),
        (|d| d.ops[0]["pad_value"] = json!(128), &["op 0", "128"]),
        (|d| d.ops[0]["dilation"] = json!([9, 1]), &["op `head`", "window is larger"]),
        (|d| d.ops[0]["colour"] = json!(1), &["op 0", "unknown field `colour`"]),
        (|d| d.ops[1]["colour"] = json!(1), &["op 1", "unknown field `colour`"]),
        (
            |d| d.ops[1] = json!({"op": "concat", "name": "sum", "inputs": ["head", "head"], "colour": 1}),
            &["op 1", "unknown field `colour`"],
        ),
        (
            |d| drop(d.ops[1].as_object_mut().unwrap().remove("shift")),
            &["op 1", "missing field `shift`"],
        ),
        (|d| d.ops[1]["op"] = json!("softmax"), &["op 1", "softmax"]),
        (|d| d.ops[1]["name"] = json!("head"), &["`head`", "used twice"]),
        (|d| d.ops.clear(), &["1 to 1024 ops", "lists 0"]),
        (|d| d.inputs[0].w = 0, &["input `in0`", "zero side"]),
    ];
    for (index, (change, parts)) in cases.into_iter().enumerate() {
        let text = refusal(change);
        for part in parts {
            assert!(text.contains(part), "case {index}: `{text}` lacks `{part}`");
        }
        assert!(!text.contains('\n'), "case {index} is more than one sentence: {text}");
    }
}

#[test]
fn fan_in_over_the_bound() {
    let text = refusal(|d| widen(d, 1821));
    assert!(text.contains("op `head`") && text.contains("16,384"), "{text}");
    let mut draft = draft();
    widen(&mut draft, 1820);
    assert_eq!(draft.package().unwrap().facts.max_fan_in, 16_380);
}

#[test]
fn padding_over_the_bound() {
    // The widest input whose 511 padded rows have at most 2^26 elements.
    const WIDEST: u16 = 43_266;
    let spread = |d: &mut Draft, width: u16| {
        d.inputs[0].w = width;
        d.ops[0]["padding"] = json!([255, 255, 255, 255]);
        d.ops[0]["dilation"] = json!([255, 1]);
    };
    let text = refusal(|d| spread(d, WIDEST + 1));
    assert!(text.contains("op `head`") && text.contains("67108864"), "{text}");
    let mut draft = draft();
    spread(&mut draft, WIDEST);
    assert!(draft.package().is_ok());
}

#[test]
fn an_op_no_dispute_could_check() {
    // Only 121 terms, but each in its own chunk.
    let text = refusal(|d| {
        d.inputs[0] = Shape::new(16, 16, 1_024);
        d.ops[0] = json!({
            "op": "max_pool", "name": "head", "inputs": ["in0"], "kernel": [11, 11], "stride": [1, 1], "padding": [5, 5, 5, 5]
        });
    });
    assert!(
        text.contains("op `head`") && text.contains("a dispute could not check it"),
        "{text}"
    );
}

/// Gives the first convolution an input with `channels` channels.
fn widen(draft: &mut Draft, channels: u16) {
    draft.inputs[0].c = channels;
    let weights = vec![1; 4 * 9 * usize::from(channels)];
    draft.tensors[0] = ("head.weights".into(), Dtype::I8, vec![4, 3, 3, channels.into()], weights);
}

#[test]
fn checkpoints_leave_another_before_the_last_op() {
    let mut draft = draft();
    for (interval, checkpoints) in [(1, 3), (2, 2)] {
        draft.interval = interval;
        assert_eq!(draft.package().unwrap().checkpoints().count(), checkpoints, "every {interval}");
    }
    for interval in [0, 3, 4] {
        draft.interval = interval;
        let said = draft.package().expect_err("refused").to_string();
        assert!(
            said.contains(&format!("is {interval};")) && said.contains("less than the graph's 3 ops"),
            "{said}"
        );
    }
}

#[test]
fn files_that_are_no_package() {
    let load = |manifest: &[u8], tensors: &[u8]| Package::from_bytes(manifest, tensors).expect_err("malformed").to_string();
    let tensors = draft().safetensors();
    let good = draft().manifest();
    let changed = |key: &str, value: Value| {
        let mut manifest = good.clone();
        manifest[key] = value;
        load(&serde_json::to_vec(&manifest).unwrap(), &tensors)
    };
    assert!(load(b"{", &tensors).contains("model.json"));
    assert!(changed("format", json!(2)).contains("format 2"));
    assert!(changed("colour", json!(2)).contains("unknown field `colour`"));
    assert!(changed("inputs", json!([])).contains("lists 0"));
    assert!(changed("inputs", json!([{"name": "in0", "dims": [65536, 1, 1]}])).contains("65536"));
    let good = serde_json::to_vec(&good).unwrap();
    assert!(load(&good, &tensors[..tensors.len() - 1]).contains("tensors.safetensors is damaged"));
    assert!(load(&good, b"").contains("tensors.safetensors is damaged"));

    let folder = tempfile::tempdir().unwrap();
    let text = Package::load(folder.path()).expect_err("an empty folder").to_string();
    assert!(
        text.contains("model.json") && text.contains("a model package is a folder"),
        "{text}"
    );
    std::fs::write(folder.path().join("model.json"), &good).unwrap();
    std::fs::write(folder.path().join("tensors.safetensors"), &tensors).unwrap();
    assert_eq!(Package::load(folder.path()).unwrap().name, "draft");
    let too_large = || Package::load(folder.path()).expect_err("too large").to_string();
    let manifest = folder.path().join("model.json");
    let file = std::fs::File::create(&manifest).unwrap();
    file.set_len(engine::MAX_MANIFEST_BYTES + 1).unwrap();
    assert!(too_large().contains("has more than 4194304 bytes"));
    // A file of no size, in which there is always more to read.
    std::fs::remove_file(&manifest).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &manifest).unwrap();
    assert!(too_large().contains("has more than 4194304 bytes"));
}
