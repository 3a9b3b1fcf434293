//! The GPU table, and how a GPU is matched to its row.

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

/// The same model with the least work for its calls.
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
        // Multipliers have at most two decimals, so rounding removes only the floating-point error.
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

/// Words in a driver's name of a GPU that the table leaves out: vendor and brands.
const BRANDS: [&str; 5] = ["NVIDIA", "TESLA", "GEFORCE", "QUADRO", "GENERATION"];

/// Words that tell variants of a model apart; a row without any of them covers all variants.
const BUILDS: [&str; 5] = ["PCIE", "SXM2", "SXM3", "SXM4", "SXM5"];

/// Why a GPU matches no row of the table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRow {
    /// The model is not in the table.
    #[error("no row of the table is a {0}, so it cannot be registered; ask governance to add it")]
    Unknown(String),
    /// The row with its name is for GPUs with more memory.
    #[error("the row `{row}` is for GPUs of {wanted} GiB, but this one has {found}; no row fits")]
    Memory {
        /// The row's name.
        row: String,
        /// Memory of the row in GiB.
        wanted: u16,
        /// Memory of the GPU in GiB, rounded down.
        found: u64,
    },
    /// Its row takes no new devices.
    #[error("the row `{0}` has multiplier 0: such a GPU neither earns nor takes jobs and cannot be registered")]
    Dropped(String),
}

/// The row of `table` for a GPU, given the name and the bytes of memory that its driver reports.
///
/// The names must be equal except for the brand, and for variant and memory if the row names none: a laptop or SUPER GPU does not match the
/// row of the plain model. The memory may exceed that of the row, and may be up to a tenth smaller, as drivers reserve some for themselves
/// and for error correction.
pub fn row_of<'a>(table: &'a [(u16, GpuSpec)], name: &str, memory: u64) -> Result<&'a (u16, GpuSpec), NoRow> {
    let given = words(name);
    let rest = |row: &[String]| given.strip_prefix(row).filter(|rest| rest.iter().all(|word| is_build(word)));
    let fitting = table.iter().filter_map(|row| {
        let words = words(&row_name(&row.1));
        rest(&words).map(|_| (words.len(), row))
    });
    // An `RTX 4090 D` is not an `RTX 4090`: the row with the longest name wins.
    let (_, row) = fitting
        .max_by_key(|(length, _)| *length)
        .ok_or_else(|| NoRow::Unknown(name.to_owned()))?;
    let spec = &row.1;
    if memory < (u64::from(spec.vram_gb) << 30) / 10 * 9 {
        return Err(NoRow::Memory {
            row: row_name(spec),
            wanted: spec.vram_gb,
            found: memory >> 30,
        });
    }
    if !spec.listed {
        return Err(NoRow::Dropped(row_name(spec)));
    }
    Ok(row)
}

/// Name of a row.
pub fn row_name(spec: &GpuSpec) -> String {
    String::from_utf8_lossy(&spec.name).trim_end_matches('\0').to_owned()
}

/// The words of a GPU's name in upper case, without the brand.
fn words(name: &str) -> Vec<String> {
    name.to_uppercase()
        .split([' ', '-'])
        .filter(|word| !word.is_empty() && !BRANDS.contains(word))
        .map(str::to_owned)
        .collect()
}

/// Whether a word names a variant, or an amount of memory such as `16GB`.
fn is_build(word: &str) -> bool {
    let amount = word.strip_suffix("GB").is_some_and(|number| number.parse::<u16>().is_ok());
    amount || BUILDS.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// Names and MiB as reported by drivers.
    #[test]
    fn a_gpu_matches_the_row_of_its_model() {
        let table = published().unwrap();
        let rows = [
            ("NVIDIA B200", 183_359, 1),
            ("NVIDIA H200", 143_771, 2),
            ("NVIDIA H100 80GB HBM3", 81_559, 3),
            ("NVIDIA H100 PCIe", 81_559, 4),
            ("NVIDIA A100 80GB PCIe", 81_920, 5),
            ("NVIDIA A100-SXM4-80GB", 81_920, 6),
            ("NVIDIA L40S", 46_068, 7),
            ("NVIDIA A100-PCIE-40GB", 40_960, 8),
            ("NVIDIA GeForce RTX 4090", 24_564, 9),
            ("NVIDIA GeForce RTX 4090 D", 24_564, 10),
            ("NVIDIA RTX 6000 Ada Generation", 49_140, 11),
            ("NVIDIA GeForce RTX 4070 Ti", 12_282, 14),
            ("NVIDIA GeForce RTX 4070", 12_282, 20),
            ("Quadro RTX 5000", 16_384, 21),
            ("NVIDIA RTX 5000 Ada Generation", 32_760, 12),
            ("NVIDIA GeForce RTX 4060 Ti", 16_380, 31),
            ("NVIDIA RTX 4000 SFF Ada Generation", 20_475, 32),
            ("Tesla V100-SXM2-32GB", 32_768, 38),
            ("Tesla V100-PCIE-16GB", 16_384, 38),
            ("Tesla T4", 15_360, 39),
            ("NVIDIA L4", 23_034, 40),
        ];
        for (name, mib, id) in rows {
            assert_eq!(row_of(&table, name, mib << 20).map(|row| row.0), Ok(id), "{name}");
        }
    }

    #[test]
    fn a_gpu_that_is_not_in_the_table_matches_no_row() {
        let table = published().unwrap();
        let strangers = [
            "NVIDIA GeForce RTX 4090 Laptop GPU",
            "NVIDIA GeForce RTX 4080 SUPER",
            "NVIDIA GeForce RTX 4070 Ti SUPER",
            "NVIDIA GeForce RTX 5090",
            "NVIDIA RTX 4000 Ada Generation",
            "NVIDIA A100-SXM4-40GB",
            "NVIDIA A100-SXM4-80GB MIG 1g.10gb",
            "NVIDIA H100 NVL",
            "NVIDIA H200 NVL",
            "NVIDIA GH200 480GB",
            "NVIDIA",
            "",
        ];
        for name in strangers {
            assert_eq!(row_of(&table, name, 1 << 40), Err(NoRow::Unknown(name.to_owned())), "{name}");
        }
        let dropped = row_of(&table, "NVIDIA A10G", 24 << 30);
        assert_eq!(dropped, Err(NoRow::Dropped("A10G".to_owned())));
        // Exactly a tenth less than the row's 24 GiB.
        let least = (24u64 << 30) / 10 * 9;
        assert!(row_of(&table, "NVIDIA GeForce RTX 4090", least).is_ok());
        let short = row_of(&table, "NVIDIA GeForce RTX 4090", least - 1);
        assert_eq!(
            short,
            Err(NoRow::Memory {
                row: "RTX 4090".to_owned(),
                wanted: 24,
                found: 21
            })
        );
    }

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

    /// A GPU keeps two tensors in half of its memory. If the next size of tensor fitted too, the work would prove less memory than it
    /// could.
    #[test]
    fn work_fills_half_of_the_memory_it_is_for() {
        for (id, spec) in published().unwrap() {
            let size = Size::new(spec.work_width, spec.work_bytes, spec.work_layers).unwrap();
            let memory = u64::from(spec.vram_gb) << 30;
            let name = String::from_utf8_lossy(&spec.name);
            if name.starts_with('M') {
                // Apple's GPUs have no CUDA: this is work that a CPU does in seconds.
                assert_eq!(size, Size::new(10, 24, 4).unwrap(), "{id}");
                continue;
            }
            assert!(2 * size.bytes() <= memory / 2 && memory / 2 < 4 * size.bytes(), "{id}: {name}");
        }
    }
}
