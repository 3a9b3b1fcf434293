//! The CPU instruction sets that the engine can use. All produce the same bits; they differ only in speed.

use crate::kernels::{self, Kernels};
use clap::ValueEnum;

/// An instruction set with kernels of its own. Slower ones come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// Plain Rust, on any CPU
    Portable,
    /// x86-64 with AVX2
    Avx2,
    /// x86-64 with AVX2 and AVX-VNNI
    AvxVnni,
    /// x86-64 with AVX-512 and its VNNI extension
    Avx512Vnni,
}

impl Backend {
    /// The backends this CPU can run, slowest first.
    pub fn available() -> Vec<Self> {
        Self::value_variants()
            .iter()
            .copied()
            .filter(|backend| backend.kernels().is_some())
            .collect()
    }

    /// The fastest backend this CPU can run.
    pub fn best() -> Self {
        Self::available().last().copied().unwrap_or(Self::Portable)
    }

    /// The backend's kernels, if this CPU can run them.
    pub(crate) fn kernels(self) -> Option<&'static Kernels> {
        match self {
            Self::Portable => Some(&kernels::portable::KERNELS),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2").then_some(&kernels::x86::AVX2),
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni => (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("avxvnni")).then_some(&kernels::x86::AVX_VNNI),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => (is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vnni"))
            .then_some(&kernels::x86::AVX512_VNNI),
            #[cfg(not(target_arch = "x86_64"))]
            _ => None,
        }
    }
}

impl std::fmt::Display for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.to_possible_value().map_or(Ok(()), |value| f.write_str(value.get_name()))
    }
}
