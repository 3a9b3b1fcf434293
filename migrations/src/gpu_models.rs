//! The GPU table as data.

use crate::Error;
use protocol::work::Size;
use serde::Deserialize;
use staking::state::{GpuSpec, POOL_COMMUNITY, POOL_ENTERPRISE};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    enterprise: Vec<Row>,
    community: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: u16,
    name: String,
    multiplier: f64,
    vram: u16,
    work: [u8; 3],
}

/// The published table: id and specification of each model.
pub fn published() -> Result<Vec<(u16, GpuSpec)>, Error> {
    let table: Table = toml::from_str(include_str!("../gpu_models.toml")).map_err(|error| Error::Table(error.to_string()))?;
    let pools = [(table.enterprise, POOL_ENTERPRISE), (table.community, POOL_COMMUNITY)];
    pools
        .into_iter()
        .flat_map(|(rows, pool)| rows.into_iter().map(move |row| row.spec(pool)))
        .collect()
}

/// The same model, whose calls ask for the least work.
pub fn with_least_work(spec: GpuSpec) -> GpuSpec {
    let [work_width, work_bytes, work_layers] = Size::LEAST.logarithms();
    GpuSpec {
        work_width,
        work_bytes,
        work_layers,
        ..spec
    }
}

impl Row {
    fn spec(self, pool: u8) -> Result<(u16, GpuSpec), Error> {
        let mut name = [0; 32];
        let slot = name
            .get_mut(..self.name.len())
            .ok_or_else(|| Error::Table(format!("the name {:?} exceeds 32 bytes", self.name)))?;
        slot.copy_from_slice(self.name.as_bytes());
        // Two decimals at most, so the product is whole up to the float's error, which rounding removes.
        let multiplier_x100 = (self.multiplier * 100.0).round() as u16;
        let [work_width, work_bytes, work_layers] = self.work;
        Ok((
            self.id,
            GpuSpec {
                name,
                multiplier_x100,
                vram_gb: self.vram,
                pool,
                listed: multiplier_x100 > 0,
                work_width,
                work_bytes,
                work_layers,
            },
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_table_is_complete_and_unambiguous() {
        let table = published().unwrap();
        let ids: HashSet<u16> = table.iter().map(|(id, _)| *id).collect();
        let names: HashSet<[u8; 32]> = table.iter().map(|(_, spec)| spec.name).collect();
        assert_eq!((table.len(), ids.len(), names.len()), (51, 51, 51));
        let by_id = |id| table.iter().find(|row| row.0 == id).unwrap().1;
        // (id, multiplier ×100, pool) at the ends and where the pools meet.
        for (id, multiplier, pool) in [(1, 3000, 0), (2, 1200, 0), (9, 125, 0), (11, 450, 1), (40, 25, 1), (51, 0, 1)] {
            assert_eq!((by_id(id).multiplier_x100, by_id(id).pool), (multiplier, pool), "{id}");
            assert_eq!(by_id(id).listed, multiplier > 0);
        }
    }

    /// A GPU holds two tensors, in half of its memory; a tensor that leaves more free than that of the next size would need proves less than it could.
    #[test]
    fn work_fills_half_of_the_memory_it_is_for() {
        for (id, spec) in published().unwrap() {
            let size = Size::new(spec.work_width, spec.work_bytes, spec.work_layers).unwrap();
            let memory = u64::from(spec.vram_gb) << 30;
            let name = String::from_utf8_lossy(&spec.name);
            if name.starts_with('M') {
                // Apple's have no CUDA: a processor does it in seconds.
                assert_eq!(size, Size::new(10, 24, 4).unwrap(), "{id}");
                continue;
            }
            assert!(2 * size.bytes() <= memory / 2 && memory / 2 < 4 * size.bytes(), "{id}: {name}");
        }
    }
}
