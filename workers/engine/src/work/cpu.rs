//! Work on the CPU, with the kernels for products with weights.
//!
//! The result of each product is transposed, so the operands swap roles: the weights, which are codes too, serve as activations, and the
//! lines are packed as weights. Adjacent lanes are then adjacent elements of the transposed tensor.

use super::{BLOCK, Kept, weights};
use crate::error::Error;
use crate::kernels::{Kernels, Product, Round};
use crate::threads::Threads;
use crate::window::Window;
use protocol::hash::Hash;
use protocol::merkle;
use protocol::requantise::Channel;
use protocol::tensor::{Shape, from_code};
use protocol::work::{self, Size, tensor_root};
use rayon::prelude::*;
use std::path::Path;

/// Lines packed as the weights of one product.
const BAND: usize = 256;

/// Bytes of lines packed at a time.
const PACKED: usize = 4 << 20;

/// Columns per task: a whole number of tiles for every backend.
const COLUMNS: usize = 24;

/// Does the work. Fails if there is too little memory.
pub(super) fn run(
    kernels: &Kernels,
    threads: &Threads,
    size: Size,
    seed: &Hash,
    kept: &mut Kept<'_>,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<(), Error> {
    let needed = 2 * size.bytes() + 4 * (size.width() * size.width()) as u64;
    let free = available();
    let short = || Error::WorkMemory {
        needed,
        free: free.unwrap_or(0),
    };
    // A reservation does not fail on systems that overcommit memory.
    if free.is_some_and(|free| needed > free) {
        return Err(short());
    }
    let tensor = || -> Result<Vec<u8>, Error> {
        let bytes = usize::try_from(size.bytes()).map_err(|_| short())?;
        let mut tensor = Vec::new();
        tensor.try_reserve_exact(bytes).map_err(|_| short())?;
        tensor.resize(bytes, 0);
        Ok(tensor)
    };
    let (mut input, mut output) = (tensor()?, tensor()?);
    let mut root = Hash::default();
    for layer in 0..size.layers() {
        if layer > 0 {
            if !go_on() {
                return Err(Error::Stopped);
            }
            std::mem::swap(&mut input, &mut output);
        }
        let start = work::noise(seed, layer, &root);
        let noise = |(index, codes): (usize, &mut [u8])| work::add_noise(start, (index * BLOCK) as u64, codes);
        threads.run(|| input.par_chunks_mut(BLOCK).enumerate().for_each(noise));
        threads.run(|| product(kernels, size, seed, layer, &input, &mut output))?;
        let roots: Vec<Hash> = threads.run(|| output.par_chunks(BLOCK).map(tensor_root).collect());
        root = merkle::root(&roots);
        kept.tensor(root, |block| {
            let codes = output.chunks(BLOCK).nth(block as usize);
            Ok((codes.unwrap_or(&[]).to_vec(), roots))
        })?;
    }
    Ok(())
}

/// Computes a layer's product.
fn product(kernels: &Kernels, size: Size, seed: &Hash, layer: u8, input: &[u8], output: &mut [u8]) -> Result<(), Error> {
    let width = size.width();
    let lines = input.len() / width;
    let weights = weights(size, seed, layer);
    // |sums| ≤ 2^12 · 2^14.
    let round = Round::new(size.requantise(), 1 << 27);
    let window = |columns: usize| Window::pixels(Shape::new(1, columns as u16, width as u16));
    let pack = |band: &[u8]| {
        let codes: Vec<i8> = band.iter().copied().map(from_code).collect();
        let plain = Channel { bias: 0, multiplier: 1 };
        let channels = vec![plain; band.len() / width];
        Product::new(window(COLUMNS), 1, &codes, &channels, round, kernels)
    };
    for (part, input) in input.chunks(PACKED).enumerate() {
        let bands: Vec<(usize, Product)> = input
            .par_chunks(BAND * width)
            .map(|band| (band.len() / width, pack(band)))
            .collect();
        let tasks = output.par_chunks_mut(COLUMNS * lines).enumerate();
        tasks.try_for_each(|(task, output)| -> Result<(), Error> {
            let (first_column, columns) = (task * COLUMNS, output.len() / lines);
            let mut scratch = Vec::new();
            let weights = weights.get(first_column * width..).unwrap_or(&[]);
            let rows = window(columns).rows(weights, 0, 1, kernels.packing, &mut scratch);
            let mut codes = Vec::new();
            let mut first_line = part * (PACKED / width);
            for (count, band) in &bands {
                codes.resize(columns * count, 0);
                band.rows(&rows, &[], *count, &mut codes, kernels)?;
                for (output, codes) in output.chunks_exact_mut(lines).zip(codes.chunks_exact(*count)) {
                    if let Some(output) = output.get_mut(first_line..first_line + count) {
                        output.copy_from_slice(codes);
                    }
                }
                first_line += count;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Bytes of memory available to this process, if the system reports it: to all programs, or less if a limit of a control group (version 2),
/// such as a container's, says so.
fn available() -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kibibytes = info
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:")?.trim().strip_suffix("kB"));
    let all = kibibytes
        .and_then(|number| number.trim().parse::<u64>().ok())
        .map(|number| number * 1024);
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"));
    let limited = group.and_then(|group| left_by_limits(Path::new("/sys/fs/cgroup"), Path::new(group)));
    all.into_iter().chain(limited).min()
}

/// Bytes that the limits of a control group and of those around it leave. The page cache gives way, so it does not count.
fn left_by_limits(root: &Path, group: &Path) -> Option<u64> {
    let left = |group: &Path| {
        let read = |file| std::fs::read_to_string(root.join(group).join(file)).ok();
        // Without a limit, the file says "max".
        let most: u64 = read("memory.max")?.trim().parse().ok()?;
        let used: u64 = read("memory.current")?.trim().parse().ok()?;
        let figures = read("memory.stat")?;
        let cached = |line: &str| {
            let (name, bytes) = line.split_once(' ')?;
            matches!(name, "active_file" | "inactive_file")
                .then_some(bytes)?
                .parse::<u64>()
                .ok()
        };
        let cache: u64 = figures.lines().filter_map(cached).sum();
        Some(most.saturating_sub(used.saturating_sub(cache)))
    };
    group.ancestors().filter_map(left).min()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::Backend;
    use protocol::work::{Draw, tensors};

    /// Compares every backend of this CPU with the definition, for one line, fewer lines than a vector has lanes, less than a band, and
    /// several bands.
    #[test]
    fn every_backend_computes_the_definition() {
        let threads = Threads::new(2).unwrap();
        for (width, bytes, layers) in [(8, 8, 2), (8, 10, 3), (8, 13, 2), (8, 17, 2), (10, 10, 1), (10, 14, 2), (12, 13, 1)] {
            let size = Size::new(width, bytes, layers).unwrap();
            let seed = [bytes; 32];
            let roots: Vec<Hash> = tensors(size, &seed).iter().map(|tensor| tensor_root(tensor)).collect();
            for backend in Backend::available() {
                let mut pauses = 0;
                let mut kept = Kept::new(size, None);
                run(backend.kernels().unwrap(), &threads, size, &seed, &mut kept, &mut || {
                    pauses += 1;
                    true
                })
                .unwrap();
                assert_eq!(kept.worked().layers, roots, "{backend} at {width}, {bytes}, {layers}");
                assert_eq!(pauses, size.layers() - 1, "between layers only");
            }
        }
    }

    /// Lines that are packed in several parts. The definition is too slow for tensors of this size, so the referee checks single elements.
    #[test]
    fn lines_of_several_parts_pass_the_referee() {
        let size = Size::new(8, 23, 1).unwrap();
        assert!(size.bytes() as usize > PACKED);
        let (beacon, device) = ([1; 32], [2; 32]);
        let seed = work::seed(&beacon, &device, 0);
        let threads = Threads::new(0).unwrap();
        let kernels = Backend::best().kernels().unwrap();
        for place in [0, PACKED as u64 / 256, size.lines() - 1, size.bytes() / 2 + 77, size.bytes() - 1] {
            let draw = Draw { gpu: 0, layer: 1, place };
            let mut kept = Kept::new(size, Some(&draw));
            run(kernels, &threads, size, &seed, &mut kept, &mut || true).unwrap();
            let worked = kept.worked();
            let gpus = [worked.layers];
            let evidence = work::evidence(&gpus, &draw, &worked.openings);
            assert!(work::is_right(size, 1, [&beacon, &device], &work::answer(&gpus), &draw, &evidence));
        }
    }

    #[test]
    fn too_little_memory_is_an_error() {
        let size = Size::new(12, 36, 0).unwrap();
        let threads = Threads::new(1).unwrap();
        let kernels = Backend::best().kernels().unwrap();
        let Some(free) = available().filter(|free| *free < 2 * size.bytes()) else {
            return;
        };
        let error = run(kernels, &threads, size, &[0; 32], &mut Kept::new(size, None), &mut || true).unwrap_err();
        assert!(
            matches!(error, Error::WorkMemory { needed, .. } if needed > 2 * size.bytes()),
            "{error} with {free}"
        );
    }

    #[test]
    fn the_tightest_limit_around_a_process_counts() {
        let root = tempfile::tempdir().unwrap();
        let limit = |group: &str, most: &str, used: u64| {
            let folder = root.path().join(group);
            std::fs::create_dir_all(&folder).unwrap();
            let stat = "anon 5\nfile 999\ninactive_file 20\nactive_file 10\nworkingset_refault_file 7\n";
            for (name, text) in [("memory.max", most), ("memory.current", &used.to_string()), ("memory.stat", stat)] {
                std::fs::write(folder.join(name), format!("{text}\n")).unwrap();
            }
        };
        let left = |group: &str| left_by_limits(root.path(), Path::new(group));
        assert_eq!(left("a/b"), None, "without control groups");
        limit("a/b", "max", 900);
        assert_eq!(left("a/b"), None);
        limit("a", "1000", 900);
        assert_eq!((left("a/b"), left("a"), left("c")), (Some(130), Some(130), None));
        limit("a/b", "500", 450);
        assert_eq!(left("a/b"), Some(80));
        // A container sees its own group as the root.
        limit("", "300", 400);
        assert_eq!((left(""), left("a/b")), (Some(0), Some(0)));
    }
}
