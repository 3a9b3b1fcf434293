//! Compares the work of a call on a device with the definition or the CPU, bit for bit.

use super::comparison::Comparison;
use engine::Error;
use engine::cuda::{Device, DeviceError};
use engine::work::{Worked, run};
use protocol::hash::Hash;
use protocol::work::{Draw, Size, answer, evidence, is_right, seed, tensor_root, tensors};

const BEACON: Hash = [3; 32];
const DEVICE: Hash = [4; 32];

/// For each width: one line, fewer lines than a tile has, several tiles, several blocks of chunks, and two sets of lines to check.
pub const SMALL: [(u8, u8, u8); 8] = [
    (8, 8, 2),
    (8, 9, 0),
    (8, 11, 1),
    (8, 12, 3),
    (8, 17, 1),
    (8, 19, 0),
    (10, 10, 1),
    (10, 15, 1),
];

/// The longest sums.
pub const WIDEST: (u8, u8, u8) = (12, 13, 0);

/// A tensor with more blocks than `work_tops` combines into one root.
pub const MANY_BLOCKS: (u8, u8, u8) = (8, 25, 0);

/// Tensors of more bytes than this are too slow to compute with the definition.
const MANY: u64 = 1 << 20;

pub fn size((width, bytes, layers): (u8, u8, u8)) -> Size {
    Size::new(width, bytes, layers).unwrap()
}

pub fn work(device: Option<&dyn Device>, size: Size, draw: Option<&Draw>) -> Result<Worked, Error> {
    run(device, size, &seed(&BEACON, &DEVICE, 0), draw, &mut || true)
}

/// Whether the work passes a draw.
pub fn passes(size: Size, draw: &Draw, worked: Worked) -> bool {
    let gpus = [worked.layers];
    let shown = evidence(&gpus, draw, &worked.openings);
    is_right(size, 1, [&BEACON, &DEVICE], &answer(&gpus), draw, &shown)
}

/// The roots of the tensors, from the definition or, if they are too large for it, from the CPU, which other tests compare with the
/// definition.
pub fn expected(size: Size) -> Vec<Hash> {
    if size.bytes() > MANY {
        return work(None, size, None).unwrap().layers;
    }
    let tensors = tensors(size, &seed(&BEACON, &DEVICE, 0));
    tensors.iter().map(|tensor| tensor_root(tensor)).collect()
}

/// A draw for each layer.
pub fn draws(size: Size) -> impl Iterator<Item = Draw> {
    let mut rng = fastrand::Rng::with_seed(size.bytes());
    (0..size.layers()).map(move |layer| Draw {
        gpu: 0,
        layer,
        place: rng.u64(..size.bytes()),
    })
}

impl Comparison {
    /// Compares every layer's root, and one element of each layer.
    pub fn work(&mut self, size: Size) {
        let expected = expected(size);
        for draw in draws(size) {
            let what = format!("work {:?}, {draw:?}", size.logarithms());
            if !self.goes_on() {
                return;
            }
            let watched = self.watched(false);
            match work(Some(&watched), size, Some(&draw)) {
                Ok(worked) => {
                    let layer = worked.layers.iter().zip(&expected).position(|(ours, theirs)| ours != theirs);
                    let difference = match layer {
                        Some(layer) => Some(format!("layer {layer}")),
                        None if worked.layers.len() != expected.len() => Some("layers".to_owned()),
                        None => (!passes(size, &draw, worked)).then(|| "the element drawn".to_owned()),
                    };
                    self.note(&what, &watched, difference);
                }
                Err(error @ Error::Device(DeviceError::Wrong { .. })) => self.note(&what, &watched, Some(error.to_string())),
                Err(error) => self.fail(&what, &watched, &error.to_string()),
            }
        }
    }
}
