//! The CPU instruction sets that the engine can use. All produce the same bits; they differ only in speed.

use crate::kernels::{self, Kernels};

/// An instruction set with kernels of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Plain Rust, on any CPU.
    Portable,
    /// x86-64 with AVX2.
    Avx2,
    /// x86-64 with AVX2 and AVX-VNNI.
    AvxVnni,
    /// x86-64 with AVX-512 and its VNNI extension.
    Avx512Vnni,
}

impl Backend {
    /// All backends, slowest first.
    pub const ALL: [Self; 4] = [Self::Portable, Self::Avx2, Self::AvxVnni, Self::Avx512Vnni];

    /// The backends this CPU can run, slowest first.
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|backend| backend.kernels().is_some()).collect()
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
        f.write_str(match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::AvxVnni => "avx-vnni",
            Self::Avx512Vnni => "avx512-vnni",
        })
    }
}

/// The error for an unknown backend name.
#[derive(Clone, Debug, thiserror::Error)]
#[error("there is no backend `{0}`; choose one of portable, avx2, avx-vnni and avx512-vnni")]
pub struct UnknownBackend(String);

impl std::str::FromStr for Backend {
    type Err = UnknownBackend;

    fn from_str(name: &str) -> Result<Self, UnknownBackend> {
        Self::ALL
            .into_iter()
            .find(|backend| backend.to_string() == name)
            .ok_or_else(|| UnknownBackend(name.to_owned()))
    }
}
