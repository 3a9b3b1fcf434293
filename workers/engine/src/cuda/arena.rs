//! Assigns every value of a pass a place in one arena, ahead of time, so that nothing is allocated during a pass.

/// Alignment of values, and of the units within a value: enough for vector loads of any width.
pub(crate) const ALIGN: u64 = 256;

/// Rounds up to a multiple of [`ALIGN`].
pub(crate) const fn aligned(bytes: u64) -> u64 {
    bytes.next_multiple_of(ALIGN)
}

/// Bytes that are in use from step `first` to step `last`, inclusive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Region {
    pub bytes: u64,
    pub first: usize,
    pub last: usize,
}

/// The offset of each region, and the total size. Places the largest regions first, each as low as the regions in use at the same time
/// allow.
pub(crate) fn place(regions: &[Region]) -> (Vec<u64>, u64) {
    let mut order: Vec<(usize, &Region)> = regions.iter().enumerate().collect();
    order.sort_by_key(|(_, region)| std::cmp::Reverse(region.bytes));
    let mut placed: Vec<(u64, Region)> = Vec::with_capacity(regions.len());
    let mut offsets = vec![0; regions.len()];
    for (index, region) in order {
        let mut at = 0;
        // `placed` is sorted by offset, so the first gap that is wide enough is the lowest.
        for (offset, other) in &placed {
            if region.first > other.last || other.first > region.last {
                continue;
            }
            if at + aligned(region.bytes) <= *offset {
                break;
            }
            at = at.max(offset + aligned(other.bytes));
        }
        if let Some(offset) = offsets.get_mut(index) {
            *offset = at;
        }
        let position = placed.partition_point(|(offset, _)| *offset <= at);
        placed.insert(position, (at, *region));
    }
    let total = placed
        .iter()
        .map(|(offset, region)| offset + aligned(region.bytes))
        .max()
        .unwrap_or(0);
    (offsets, total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_needed_at_once_never_overlap() {
        let mut rng = fastrand::Rng::with_seed(1);
        for _ in 0..200 {
            let regions: Vec<Region> = (0..rng.usize(1..40))
                .map(|_| {
                    let (a, b) = (rng.usize(0..12), rng.usize(0..12));
                    Region {
                        bytes: rng.u64(1..5000),
                        first: a.min(b),
                        last: a.max(b),
                    }
                })
                .collect();
            let (offsets, total) = place(&regions);
            for (i, (a, at)) in regions.iter().zip(&offsets).enumerate() {
                assert!(at.is_multiple_of(ALIGN) && at + a.bytes <= total);
                for (b, other) in regions.iter().zip(&offsets).skip(i + 1) {
                    let together = a.first <= b.last && b.first <= a.last;
                    assert!(
                        !together || at + a.bytes <= *other || other + b.bytes <= *at,
                        "{a:?} at {at}, {b:?} at {other}"
                    );
                }
            }
        }
    }

    #[test]
    fn memory_is_used_again() {
        // A chain of values, each read by the next step only: two are alive at a time.
        let chain: Vec<Region> = (0..10)
            .map(|step| Region {
                bytes: 1000,
                first: step,
                last: step + 1,
            })
            .collect();
        assert_eq!(place(&chain).1, 2 * aligned(1000));
    }
}
