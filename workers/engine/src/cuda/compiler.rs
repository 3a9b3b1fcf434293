//! NVRTC: finds it, compiles the kernels for one GPU, and keeps the result.
#![allow(unsafe_code, reason = "NVRTC is a C library")]

use super::device::{Cores, DeviceError};
use cudarc::nvrtc::{result, sys};
use sha2::{Digest, Sha256};
use std::ffi::{CStr, CString, c_char, c_int};
use std::path::{Path, PathBuf};

/// The kernels' sources by name, in the order in which they make one translation unit. The first one declares the GPU's instructions.
pub const SOURCES: [(&str, &str); 7] = [
    ("instructions.cu", include_str!("kernels/instructions.cu")),
    ("arithmetic.cu", include_str!("kernels/arithmetic.cu")),
    ("gemm.cu", include_str!("kernels/gemm.cu")),
    ("windows.cu", include_str!("kernels/windows.cu")),
    ("pointwise.cu", include_str!("kernels/pointwise.cu")),
    ("hashing.cu", include_str!("kernels/hashing.cu")),
    ("work.cu", include_str!("kernels/work.cu")),
];

/// Kernels that exist on every GPU.
const COMMON: [&str; 22] = [
    "row_sums",
    "depthwise_4",
    "depthwise_1",
    "max_pool_4",
    "max_pool_1",
    "add",
    "mul",
    "table8",
    "concat_16",
    "concat_4",
    "concat_1",
    "upsample_16",
    "upsample_4",
    "upsample_1",
    "depth_to_space_16",
    "depth_to_space_4",
    "depth_to_space_1",
    "hash_chunks",
    "hash_trees",
    "work_noise",
    "work_blocks",
    "work_tops",
];

/// Those of GPUs without tensor cores.
const DOTS: [&str; 8] = [
    "gemm_dp4a_16",
    "gemm_dp4a_4",
    "gemm_dp4a_1",
    "product_dp4a_16",
    "product_dp4a_4",
    "product_dp4a_1",
    "work_dp4a",
    "work_sums_dp4a",
];

/// Those of GPUs with them.
const TENSOR: [&str; 13] = [
    "gemm_128x128_16",
    "gemm_64x64_16",
    "gemm_64x64_4",
    "gemm_64x64_1",
    "gemm_128x32_16",
    "gemm_128x32_4",
    "gemm_128x32_1",
    "product_128x128_16",
    "product_64x64_16",
    "product_64x64_4",
    "product_64x64_1",
    "work_128x128",
    "work_sums_128x128",
];

/// Those of Hopper's, which are launched with shared memory.
pub(crate) const GROUPS: [&str; 4] = ["gemm_256x128_16", "product_256x128_16", "work_256x128", "work_sums_256x128"];

/// Names of the kernels that there are for GPUs of a kind.
pub fn kernels_of(cores: Cores) -> Vec<&'static str> {
    let own: &[&[&str]] = match cores {
        Cores::None => &[&DOTS],
        Cores::Warp => &[&TENSOR],
        Cores::Group => &[&TENSOR, &GROUPS],
    };
    [COMMON.as_slice(), &own.concat()].concat()
}

/// A loaded NVRTC.
pub struct Compiler {
    version: (i32, i32),
}

impl Compiler {
    /// Loads the library that IONET_NVRTC names, else the one that `cargo xtask setup` put into the cache, else the system's.
    pub fn find() -> Result<Self, DeviceError> {
        let named = std::env::var_os("IONET_NVRTC").map(PathBuf::from);
        let cached = cache()
            .map(|cache| cache.join("nvrtc/nvidia/cuda_nvrtc/lib/libnvrtc.so.12"))
            .filter(|path| path.exists());
        if let Some(path) = named.or(cached) {
            // SAFETY: NVRTC's initialisation has no conditions. It stays loaded for good, and as the loader knows it by its name now,
            // cudarc finds it under that name.
            let library = unsafe { libloading::Library::new(&path) }.map_err(|error| DeviceError::BadCompiler {
                path: path.clone(),
                reason: error.to_string(),
            })?;
            std::mem::forget(library);
        }
        // SAFETY: as above; it only looks.
        if !unsafe { sys::is_culib_present() } {
            return Err(DeviceError::NoCompiler);
        }
        let (mut major, mut minor) = (0, 0);
        // SAFETY: both pointers are good for a write.
        unsafe { sys::nvrtcVersion(&raw mut major, &raw mut minor) };
        Ok(Self { version: (major, minor) })
    }

    /// Major and minor version.
    pub fn version(&self) -> (i32, i32) {
        self.version
    }

    /// What it can make use of on an architecture. Products of unsigned by signed bytes on Hopper's own tensor cores came with CUDA 12.4.
    pub fn cores(&self, arch: u32) -> Cores {
        match arch {
            ..75 => Cores::None,
            90 if self.version >= (12, 4) => Cores::Group,
            _ => Cores::Warp,
        }
    }

    /// The kernels for `arch` as an image for the driver, from the cache if they have been compiled before.
    pub fn kernels(&self, arch: u32) -> Result<Vec<u8>, DeviceError> {
        let source = Self::source();
        let mut key = Sha256::new();
        key.update(format!("{:?} sm_{arch}\n{source}", self.version));
        let name: String = key.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let path = cache().map(|cache| cache.join("kernels").join(format!("{name}.cubin")));
        if let Some(image) = path.as_ref().and_then(|path| std::fs::read(path).ok()) {
            return Ok(image);
        }
        let (image, _) = self.compile(&source, arch)?;
        // A cache that cannot be written costs ten seconds at the next start, no more.
        if let Some(path) = path {
            _ = keep(&path, &image);
        }
        Ok(image)
    }

    /// All kernels as one translation unit.
    pub fn source() -> String {
        SOURCES.map(|(name, text)| format!("#line 1 \"{name}\"\n{text}")).concat()
    }

    /// Compiles one translation unit for `arch`; the image, and what the compiler said.
    pub fn compile(&self, source: &str, arch: u32) -> Result<(Vec<u8>, String), DeviceError> {
        let failed = |log: String| DeviceError::Compile { arch, log };
        let source = CString::new(source).map_err(|error| failed(error.to_string()))?;
        let options = [
            // What an architecture alone has, NVRTC compiles for its name with an "a".
            format!(
                "--gpu-architecture=sm_{arch}{}",
                if self.cores(arch) == Cores::Group { "a" } else { "" }
            ),
            "--std=c++17".into(),
            "--ptxas-options=-v".into(),
        ];
        let options: Vec<CString> = options.into_iter().filter_map(|option| CString::new(option).ok()).collect();
        let pointers: Vec<*const c_char> = options.iter().map(|option| option.as_ptr()).collect();
        let program = result::create_program(&source, Some(c"kernels.cu")).map_err(|error| failed(error.to_string()))?;
        // SAFETY: the program exists until it is destroyed below, the options until this returns, and each buffer is as long as NVRTC
        // says that what it writes there is.
        unsafe {
            let outcome = sys::nvrtcCompileProgram(program, pointers.len() as c_int, pointers.as_ptr()).result();
            let log = result::get_program_log(program).unwrap_or_default();
            let log: Vec<u8> = log.iter().map(|byte| *byte as u8).collect();
            let log = CStr::from_bytes_until_nul(&log).map_or_else(|_| String::new(), |log| log.to_string_lossy().into_owned());
            let image = outcome.and_then(|()| {
                let mut bytes = 0;
                sys::nvrtcGetCUBINSize(program, &raw mut bytes).result()?;
                let mut image = vec![0u8; bytes];
                sys::nvrtcGetCUBIN(program, image.as_mut_ptr().cast()).result()?;
                Ok(image)
            });
            _ = result::destroy_program(program);
            match image {
                Ok(image) => Ok((image, log)),
                Err(error) => Err(failed(if log.is_empty() { error.to_string() } else { log })),
            }
        }
    }
}

/// The folder of what can be made again, which the project's tools share: IONET_CACHE, or `.cache/ionet` at home.
fn cache() -> Option<PathBuf> {
    let named = std::env::var_os("IONET_CACHE").map(PathBuf::from);
    named.or_else(|| Some(std::env::home_dir()?.join(".cache/ionet")))
}

/// Writes a file so that nobody ever sees half of it.
fn keep(path: &Path, image: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder)?;
    let draft = path.with_extension(std::process::id().to_string());
    std::fs::write(&draft, image)?;
    std::fs::rename(draft, path)
}
