//! Packages that someone tampered with. Whatever the two files hold, loading them ends in a package or an error, without a panic and with
//! little memory; and whatever is accepted computes what the specification says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, unsafe_code)]

mod common;

use common::{Draft, codes, random_graph, random_inputs, reference};
use engine::{Engine, Package};
use protocol::tensor::Shape;
use serde_json::{Value, json};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

thread_local! {
    /// Bytes that this thread has requested so far.
    static REQUESTED: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: the system's allocator does the work.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        REQUESTED.set(REQUESTED.get() + layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        REQUESTED.set(REQUESTED.get() + layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        unsafe { System.dealloc(memory, layout) };
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Most bytes that loading may request, all requests taken together: this many, and that many per byte of the files.
const MOST: (usize, usize) = (1 << 20, 100);

/// Most work and elements of an accepted package that is compared with the reference, which is slow.
const SMALL: (u64, u32) = (200_000, 1 << 16);

/// Numbers at the limits of types, shapes and kernels.
const NUMBERS: [u64; 22] = [
    0,
    1,
    2,
    3,
    16,
    62,
    63,
    127,
    128,
    255,
    256,
    1_024,
    16_384,
    65_535,
    65_536,
    1 << 24,
    1 << 31,
    1 << 32,
    1 << 61,
    (1 << 63) - 1,
    1 << 63,
    u64::MAX,
];

/// The files of a package, with the parts of the second one apart.
#[derive(Clone)]
struct Files {
    manifest: Value,
    header: Value,
    data: Vec<u8>,
}

impl Files {
    fn new(draft: &Draft) -> Self {
        let file = draft.safetensors();
        let (length, rest) = file.split_first_chunk().unwrap();
        let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
        Self {
            manifest: draft.manifest(),
            header: serde_json::from_slice(header).unwrap(),
            data: data.to_vec(),
        }
    }

    fn bytes(&self) -> (Vec<u8>, Vec<u8>) {
        let header = serde_json::to_vec(&self.header).unwrap();
        let length = (header.len() as u64).to_le_bytes();
        (
            serde_json::to_vec(&self.manifest).unwrap(),
            [&length[..], &header, &self.data].concat(),
        )
    }
}

/// Something that a file may hold in place of something else. `names` are names that occur in it.
fn anything(rng: &mut fastrand::Rng, names: &[String]) -> Value {
    match rng.u8(0..10) {
        0..=4 => json!(*rng.choice(&NUMBERS).unwrap()),
        5 => json!(-i64::from(rng.u32(..) >> rng.u8(0..32))),
        6 | 7 => json!(rng.choice(names)),
        8 => json!((0..rng.usize(0..5)).map(|_| *rng.choice(&NUMBERS).unwrap()).collect::<Vec<_>>()),
        _ => rng.choice([json!(null), json!(true), json!(1.5), json!(""), json!({})]).unwrap(),
    }
}

/// All strings in a value, and all names of its fields.
fn names(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(names).collect(),
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| [vec![name.clone()], names(value)].concat())
            .collect(),
        _ => Vec::new(),
    }
}

/// Changes one thing somewhere in a value.
fn tamper(value: &mut Value, rng: &mut fastrand::Rng, names: &[String]) {
    // Mostly go on to something inside it.
    let inside = rng.u8(0..8) > 0;
    match value {
        Value::Array(items) if inside && !items.is_empty() => {
            let at = rng.usize(0..items.len());
            tamper(&mut items[at], rng, names);
        }
        Value::Object(fields) if inside && !fields.is_empty() => {
            let at = rng.usize(0..fields.len());
            tamper(fields.values_mut().nth(at).unwrap(), rng, names);
        }
        Value::Array(items) if !items.is_empty() => {
            let [one, other] = [(); 2].map(|()| rng.usize(0..items.len()));
            match rng.u8(0..4) {
                0 => drop(items.remove(one)),
                1 => items.push(items[one].clone()),
                2 => items.swap(one, other),
                _ => items.push(anything(rng, names)),
            }
        }
        Value::Object(fields) if !fields.is_empty() => {
            let name = fields.keys().nth(rng.usize(0..fields.len())).unwrap().clone();
            let old = fields.remove(&name).unwrap();
            if rng.bool() {
                fields.insert(rng.choice(names).unwrap().clone(), old);
            }
        }
        other => *other = anything(rng, names),
    }
}

/// Changes some bytes of a file.
fn damage(file: &mut Vec<u8>, rng: &mut fastrand::Rng) {
    if file.is_empty() {
        return;
    }
    let at = rng.usize(0..file.len());
    match rng.u8(0..4) {
        0 => file[at] ^= 1 << rng.u8(0..8),
        1 => file.truncate(at),
        2 => file.insert(at, rng.u8(..)),
        // The first bytes are the length of the header.
        _ => file[at.min(7)] = rng.u8(..),
    }
}

/// Loads the files, and runs what they hold. Returns whether they are a package.
fn try_out(manifest: &[u8], tensors: &[u8], rng: &mut fastrand::Rng) -> bool {
    let before = REQUESTED.get();
    let loaded = Package::from_bytes(manifest, tensors);
    let (fixed, each) = MOST;
    let (requested, most) = (REQUESTED.get() - before, fixed + each * (manifest.len() + tensors.len()));
    assert!(
        requested <= most,
        "{requested} bytes for {most}: {}",
        String::from_utf8_lossy(manifest)
    );
    let Ok(package) = loaded else { return false };
    let (macs, elements) = SMALL;
    let shapes: Vec<Shape> = package
        .ops
        .iter()
        .map(|op| op.descriptor.output)
        .chain(package.input_shapes())
        .collect();
    if package.facts.macs > macs || shapes.iter().any(|shape| shape.elements().unwrap() > elements) {
        return true;
    }
    let inputs = random_inputs(rng, &package.input_shapes());
    let (values, hashes) = reference(&package, &inputs);
    let inputs: Vec<Vec<u8>> = inputs.iter().map(|input| codes(input)).collect();
    let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
    let checkpoints = package.checkpoints();
    let kept = (0..).zip(hashes).filter(|(op, _)| checkpoints.contains(*op)).map(|(_, hash)| hash);
    let (output, trace) = Engine::new(Arc::new(package), 1).unwrap().run_traced(&inputs).unwrap();
    assert_eq!(output, codes(values.last().unwrap()), "{}", String::from_utf8_lossy(manifest));
    assert!(trace.tensors.into_iter().eq(kept), "{}", String::from_utf8_lossy(manifest));
    true
}

#[test]
fn tampered_files_are_refused_or_computed_as_the_specification_says() {
    let mut rng = fastrand::Rng::with_seed(1);
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..1_500 {
        let whole = Files::new(&random_graph(&mut rng, 5, 20_000).of_checkpoints(&mut rng));
        let known = [names(&whole.manifest), names(&whole.header)].concat();
        for _ in 0..20 {
            let mut files = whole.clone();
            for _ in 0..rng.u8(1..3) {
                match rng.u8(0..8) {
                    0 => damage(&mut files.data, &mut rng),
                    1 | 2 => tamper(&mut files.header, &mut rng, &known),
                    _ => tamper(&mut files.manifest, &mut rng, &known),
                }
            }
            let (mut manifest, mut tensors) = files.bytes();
            if rng.u8(0..4) == 0 {
                damage(if rng.bool() { &mut manifest } else { &mut tensors }, &mut rng);
            }
            if try_out(&manifest, &tensors, &mut rng) {
                accepted += 1;
            } else {
                refused += 1;
            }
        }
    }
    println!("{accepted} accepted, {refused} refused");
    assert!(accepted > 1_000 && refused > 1_000, "{accepted} accepted, {refused} refused");
}

/// Tensors that overlap, leave a gap, or end beyond the file, if need be at 2^64 − 1.
#[test]
fn tensors_that_do_not_fill_the_file_are_refused() {
    let largest = u64::MAX / 8;
    let adjacent = (0..9).map(|tensor: u64| (tensor * largest, (tensor + 1).saturating_mul(largest)));
    for places in [
        vec![(0, 4), (2, 6)],
        vec![(0, 4), (6, 10)],
        vec![(0, 4), (4, 1 << 40)],
        vec![(4, 0)],
        adjacent.collect(),
    ] {
        let mut files = Files::new(&random_graph(&mut fastrand::Rng::with_seed(1), 1, 20_000));
        let tensor = |(start, end): &(u64, u64)| json!({"dtype": "I8", "shape": [end.abs_diff(*start)], "data_offsets": [start, end]});
        let named = places.iter().enumerate().map(|(name, place)| (name.to_string(), tensor(place)));
        files.header = Value::Object(named.collect());
        let (manifest, tensors) = files.bytes();
        let said = Package::from_bytes(&manifest, &tensors).unwrap_err().to_string();
        assert!(said.contains("tensors.safetensors is damaged"), "{places:?}: {said}");
    }
}
