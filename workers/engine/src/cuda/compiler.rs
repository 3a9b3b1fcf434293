//! Finds NVRTC, compiles the kernels for one GPU architecture with it, and caches the result.
#![allow(unsafe_code, reason = "NVRTC is a C library")]

use super::device::{Cores, DeviceError};
use libloading::Library;
use sha2::{Digest, Sha256};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};

/// The kernels' source files, in the order in which they are concatenated into one translation unit. The first one declares the GPU's
/// instructions.
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
const COMMON: [&str; 23] = [
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
    "hash_branches",
    "hash_trees",
    "work_noise",
    "work_blocks",
    "work_tops",
];

/// Kernels for GPUs without tensor cores.
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

/// Kernels for GPUs with tensor cores.
const TENSOR: [&str; 13] = [
    "gemm_128x128_64",
    "gemm_128x128_16",
    "gemm_64x64_16",
    "gemm_64x64_4",
    "gemm_64x64_1",
    "gemm_128x32_16",
    "gemm_128x32_4",
    "gemm_128x32_1",
    "product_128x128_64",
    "product_128x128_16",
    "product_64x64_16",
    "product_64x64_4",
    "product_64x64_1",
];

/// Kernels for GPUs with tensor cores other than Hopper, which has its own versions.
const WARPS: [&str; 2] = ["work_128x128", "work_sums_128x128"];

/// Kernels for Hopper's tensor cores, which are launched with dynamic shared memory.
pub(crate) const GROUPS: [&str; 10] = [
    "gemm_128x256_64",
    "gemm_128x256_16",
    "gemm_256x128_64",
    "gemm_256x128_16",
    "product_128x256_64",
    "product_128x256_16",
    "product_256x128_64",
    "product_256x128_16",
    "work_256x128",
    "work_sums_256x128",
];

/// Names of all kernels for a kind of GPU.
pub fn kernels_of(cores: Cores) -> Vec<&'static str> {
    let own: &[&[&str]] = match cores {
        Cores::None => &[&DOTS],
        Cores::Warp => &[&TENSOR, &WARPS],
        Cores::Group => &[&TENSOR, &GROUPS],
    };
    [COMMON.as_slice(), &own.concat()].concat()
}

/// File names of NVRTC in the system's library folders.
const SYSTEM: [&str; 3] = ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"];

/// Options of the compiler, besides the architecture.
const OPTIONS: [&str; 2] = ["--std=c++17", "--ptxas-options=-v"];

/// NVRTC's error code for an invalid option. Only the architecture can be invalid: the other options are the same for every GPU.
const INVALID_OPTION: c_int = 5;

/// A handle to a program that NVRTC compiles.
type Program = *mut c_void;

/// NVRTC's functions, from the library that was found. (cudarc would load the first library of any known name.) All return 0 on success.
struct Nvrtc {
    version: unsafe extern "C" fn(*mut c_int, *mut c_int) -> c_int,
    create: unsafe extern "C" fn(*mut Program, *const c_char, *const c_char, c_int, *const *const c_char, *const *const c_char) -> c_int,
    compile: unsafe extern "C" fn(Program, c_int, *const *const c_char) -> c_int,
    log_bytes: unsafe extern "C" fn(Program, *mut usize) -> c_int,
    log: unsafe extern "C" fn(Program, *mut c_char) -> c_int,
    image_bytes: unsafe extern "C" fn(Program, *mut usize) -> c_int,
    image: unsafe extern "C" fn(Program, *mut c_char) -> c_int,
    destroy: unsafe extern "C" fn(*mut Program) -> c_int,
    /// Keeps the library loaded, which the functions above belong to.
    _library: Library,
}

impl Nvrtc {
    fn load(path: &Path) -> Result<Self, libloading::Error> {
        // SAFETY: loading NVRTC has no preconditions, and the types are those of its header, which has not changed them since CUDA 11.
        unsafe {
            let library = Library::new(path)?;
            Ok(Self {
                version: *library.get(b"nvrtcVersion\0")?,
                create: *library.get(b"nvrtcCreateProgram\0")?,
                compile: *library.get(b"nvrtcCompileProgram\0")?,
                log_bytes: *library.get(b"nvrtcGetProgramLogSize\0")?,
                log: *library.get(b"nvrtcGetProgramLog\0")?,
                image_bytes: *library.get(b"nvrtcGetCUBINSize\0")?,
                image: *library.get(b"nvrtcGetCUBIN\0")?,
                destroy: *library.get(b"nvrtcDestroyProgram\0")?,
                _library: library,
            })
        }
    }
}

/// The compiled kernels for one architecture.
pub(crate) struct Image {
    /// The machine code, for the driver to load.
    pub code: Vec<u8>,
    /// The tensor cores that the kernels use.
    pub cores: Cores,
    /// Major and minor version of the NVRTC that compiled them.
    pub compiler: (i32, i32),
}

impl Image {
    /// The kernels for `arch`, for a driver that supports CUDA up to major version `newest`: those in the cache, from whichever NVRTC. They
    /// are compiled with the installed one only if there are none, or if that makes them use more of the GPU.
    pub fn find(arch: u32, newest: i32) -> Result<Self, DeviceError> {
        Self::best(Compiler::find_for(newest), kernels().as_deref(), arch, newest)
    }

    /// [`Image::find`] for a given compiler and cache folder.
    fn best(compiler: Result<Compiler, DeviceError>, folder: Option<&Path>, arch: u32, newest: i32) -> Result<Self, DeviceError> {
        let kept = || Self::kept(folder?, arch, newest);
        let made = |compiler: Compiler| {
            let cores = compiler.cores(arch);
            let foreign = compiler.version.0 > newest;
            let enough = kept().filter(|kept| foreign || cores != Cores::Group || kept.cores == cores);
            enough.map_or_else(|| compiler.image(arch, folder), Ok)
        };
        compiler.and_then(made).or_else(|error| kept().ok_or(error))
    }

    /// The cached kernels from the newest compiler that the driver supports.
    fn kept(folder: &Path, arch: u32, newest: i32) -> Option<Self> {
        let start = format!("{}-sm_{arch}-", Compiler::digest());
        let version = |path: &Path| {
            let name = path.file_name()?.to_str()?;
            let (major, minor) = name.strip_prefix(&start)?.strip_suffix(".cubin")?.split_once('.')?;
            Some((major.parse().ok()?, minor.parse().ok()?))
        };
        let files = std::fs::read_dir(folder).ok()?.filter_map(|file| Some(file.ok()?.path()));
        let versions = files.filter_map(|path| Some((version(&path)?, path)));
        let mut versions: Vec<_> = versions.filter(|((major, _), _)| *major <= newest).collect();
        versions.sort_unstable();
        versions.into_iter().rev().find_map(|(compiler, path)| {
            Some(Self {
                code: whole(&path)?,
                cores: cores(compiler, arch),
                compiler,
            })
        })
    }
}

/// The cache folder for compiled kernels.
fn kernels() -> Option<PathBuf> {
    Some(cache()?.join("kernels"))
}

/// The tensor cores that a compiler can use on an architecture. CUDA 12.4 added products of unsigned by signed bytes on Hopper's tensor
/// cores.
fn cores(compiler: (i32, i32), arch: u32) -> Cores {
    match arch {
        ..75 => Cores::None,
        90 if compiler >= (12, 4) => Cores::Group,
        _ => Cores::Warp,
    }
}

/// A loaded NVRTC.
pub struct Compiler {
    nvrtc: Nvrtc,
    version: (i32, i32),
    /// Keeps a library loaded that NVRTC opens by name when it compiles.
    _builtins: Option<Library>,
}

impl Compiler {
    /// Loads the library named by IONET_NVRTC, or else the one that `cargo xtask setup` put into the cache, or else the system's newest.
    pub fn find() -> Result<Self, DeviceError> {
        Self::find_for(i32::MAX)
    }

    /// [`Compiler::find`] for a driver that supports CUDA up to major version `newest`.
    fn find_for(newest: i32) -> Result<Self, DeviceError> {
        let named = std::env::var_os("IONET_NVRTC").map(PathBuf::from);
        let cached = cache()
            .map(|cache| cache.join("nvrtc/nvidia/cuda_nvrtc/lib/libnvrtc.so.12"))
            .filter(|path| path.exists());
        match named.or(cached) {
            Some(path) => Self::load(&path),
            None => Self::newest(SYSTEM.iter().map(Path::new), newest).ok_or(DeviceError::NoCompiler),
        }
    }

    /// Of the libraries that load, the newest one that a driver for CUDA `newest` supports; if there is none, the newest of all.
    pub fn newest<'a>(libraries: impl Iterator<Item = &'a Path>, newest: i32) -> Option<Self> {
        let loaded = libraries.filter_map(|path| Self::load(path).ok());
        loaded.max_by_key(|compiler| (compiler.version.0 <= newest, compiler.version))
    }

    /// Loads NVRTC from a path. A name without a folder is searched for in the system's library folders.
    pub fn load(path: &Path) -> Result<Self, DeviceError> {
        let nvrtc = Nvrtc::load(path).map_err(|error| DeviceError::BadCompiler {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        let (mut major, mut minor) = (0, 0);
        // SAFETY: both pointers are valid for writes.
        unsafe { (nvrtc.version)(&raw mut major, &raw mut minor) };
        // Python packages put the builtins next to NVRTC, where NVRTC 13 does not look. It finds them if they are loaded already.
        let builtins = path.with_file_name(format!("libnvrtc-builtins.so.{major}.{minor}"));
        // SAFETY: loading the builtins has no preconditions.
        let builtins = unsafe { Library::new(builtins) };
        Ok(Self {
            nvrtc,
            version: (major, minor),
            _builtins: builtins.ok(),
        })
    }

    /// Major and minor version.
    pub fn version(&self) -> (i32, i32) {
        self.version
    }

    /// The tensor cores that this compiler can use on an architecture.
    pub fn cores(&self, arch: u32) -> Cores {
        cores(self.version, arch)
    }

    /// The machine code of the kernels for `arch`, from the cache if they have been compiled before.
    pub fn kernels(&self, arch: u32) -> Result<Vec<u8>, DeviceError> {
        Ok(self.image(arch, kernels().as_deref())?.code)
    }

    /// [`Compiler::kernels`] with a given cache folder.
    fn image(&self, arch: u32, folder: Option<&Path>) -> Result<Image, DeviceError> {
        let (major, minor) = self.version;
        let path = folder.map(|folder| folder.join(format!("{}-sm_{arch}-{major}.{minor}.cubin", Compiler::digest())));
        let image = |code| Image {
            code,
            cores: self.cores(arch),
            compiler: self.version,
        };
        if let Some(code) = path.as_deref().and_then(whole) {
            return Ok(image(code));
        }
        let (code, _) = self.compile(&Self::source(), arch)?;
        // If the cache cannot be written, the next start merely takes ten seconds longer.
        if let Some(path) = path {
            _ = keep(&path, &code);
        }
        Ok(image(code))
    }

    /// All kernels as one translation unit.
    pub fn source() -> String {
        SOURCES.map(|(name, text)| format!("#line 1 \"{name}\"\n{text}")).concat()
    }

    /// The digest of the compiler's options and the kernels' source, which is part of the names of cached files.
    pub fn digest() -> String {
        let digest = Sha256::digest(OPTIONS.join(" ") + "\n" + &Self::source());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Compiles one translation unit for `arch`. Returns the image and the compiler's log.
    pub fn compile(&self, source: &str, arch: u32) -> Result<(Vec<u8>, String), DeviceError> {
        let failed = |log: String| DeviceError::Compile { arch, log };
        let source = CString::new(source).map_err(|error| failed(error.to_string()))?;
        // The suffix "a" enables the instructions that only this architecture has.
        let suffix = if self.cores(arch) == Cores::Group { "a" } else { "" };
        let options = [format!("--gpu-architecture=sm_{arch}{suffix}")]
            .into_iter()
            .chain(OPTIONS.map(str::to_owned));
        let options: Vec<CString> = options.filter_map(|option| CString::new(option).ok()).collect();
        let pointers: Vec<*const c_char> = options.iter().map(|option| option.as_ptr()).collect();
        let mut program = null_mut();
        // SAFETY: source and name are valid strings until the call returns, and there are no headers.
        let code = unsafe { (self.nvrtc.create)(&raw mut program, source.as_ptr(), c"kernels.cu".as_ptr(), 0, null(), null()) };
        if code != 0 {
            return Err(failed(format!("NVRTC cannot create a program (error {code})")));
        }
        // SAFETY: the program exists until it is destroyed, and the options until the call returns.
        let code = unsafe { (self.nvrtc.compile)(program, pointers.len() as c_int, pointers.as_ptr()) };
        let log = self.written(program, self.nvrtc.log_bytes, self.nvrtc.log).unwrap_or_default();
        let image = self.written(program, self.nvrtc.image_bytes, self.nvrtc.image);
        // SAFETY: the program is destroyed once, and not used afterwards.
        unsafe { (self.nvrtc.destroy)(&raw mut program) };
        let log = CStr::from_bytes_until_nul(&log).map_or_else(|_| String::new(), |log| log.to_string_lossy().into_owned());
        match image {
            _ if code == INVALID_OPTION => Err(DeviceError::CompilerForOthers {
                arch,
                version: self.version,
            }),
            Some(image) if code == 0 => Ok((image, log)),
            _ if log.is_empty() => Err(failed(format!("NVRTC failed with error {code}"))),
            _ => Err(failed(log)),
        }
    }

    /// Calls a function of NVRTC that writes a buffer, after asking another one for the buffer's size.
    fn written(
        &self,
        program: Program,
        bytes: unsafe extern "C" fn(Program, *mut usize) -> c_int,
        write: unsafe extern "C" fn(Program, *mut c_char) -> c_int,
    ) -> Option<Vec<u8>> {
        let mut length = 0;
        // SAFETY: the program exists, and the buffer has the size that NVRTC reports.
        unsafe {
            if bytes(program, &raw mut length) != 0 {
                return None;
            }
            let mut buffer = vec![0u8; length];
            (write(program, buffer.as_mut_ptr().cast()) == 0).then_some(buffer)
        }
    }
}

/// The cache folder that the project's tools share: IONET_CACHE, or else `.cache/ionet` in the home folder.
fn cache() -> Option<PathBuf> {
    let named = std::env::var_os("IONET_CACHE").map(PathBuf::from);
    named.or_else(|| Some(std::env::home_dir()?.join(".cache/ionet")))
}

/// Writes an image and its hash to a file atomically.
fn keep(path: &Path, image: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder)?;
    let draft = path.with_extension(std::process::id().to_string());
    std::fs::write(&draft, [image, &Sha256::digest(image)].concat())?;
    std::fs::rename(draft, path)
}

/// Reads an image from a file. `None` if it is damaged, as after a power failure: the driver is not told an image's length, and would read
/// past the end of a truncated one.
fn whole(path: &Path) -> Option<Vec<u8>> {
    let kept = std::fs::read(path).ok()?;
    let (image, hash) = kept.split_last_chunk::<32>()?;
    (Sha256::digest(image)[..] == hash[..]).then(|| image.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_compiler_the_newest_cached_kernels_that_the_driver_supports_are_used() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let source = Compiler::digest();
        for name in [
            format!("{source}-sm_90-12.3.cubin"),
            format!("{source}-sm_90-12.10.cubin"),
            format!("{source}-sm_90-12.9.cubin"),
            format!("{source}-sm_90-13.0.cubin"),
            format!("{source}-sm_89-14.0.cubin"),
            format!("{source}-sm_90-14.0.cubin.part"),
            "another source-sm_90-14.0.cubin".to_owned(),
        ] {
            keep(&folder.path().join(&name), name.as_bytes())?;
        }
        // Files that were not written completely, or never reached the disk.
        std::fs::write(folder.path().join(format!("{source}-sm_90-12.11.cubin")), "")?;
        std::fs::write(folder.path().join(format!("{source}-sm_90-12.12.cubin")), [0; 4096])?;
        let found = |arch, newest| Image::kept(folder.path(), arch, newest).map(|image| (image.compiler, image.cores));
        assert_eq!(found(90, 12), Some(((12, 10), Cores::Group)));
        assert_eq!(found(90, 13), Some(((13, 0), Cores::Group)));
        assert_eq!((found(90, 11), found(80, 13)), (None, None));
        let code = Image::kept(folder.path(), 89, 14).map(|image| image.code);
        assert_eq!(code, Some(format!("{source}-sm_89-14.0.cubin").into_bytes()));
        Ok(())
    }

    #[test]
    fn cached_kernels_are_preferred_unless_the_compiler_can_use_more_of_the_gpu() -> Result<(), Box<dyn std::error::Error>> {
        const NVRTC: &str = r#"
            #include <string.h>
            int nvrtcVersion(int *major, int *minor) { return *major = MAJOR, *minor = MINOR, 0; }
            int nvrtcCreateProgram(void) { return 0; }
            int nvrtcCompileProgram(void) { return 0; }
            int nvrtcGetProgramLogSize(void *program, unsigned long *bytes) { return *bytes = 0, 0; }
            int nvrtcGetProgramLog(void) { return 0; }
            int nvrtcGetCUBINSize(void *program, unsigned long *bytes) { return *bytes = 4, 0; }
            int nvrtcGetCUBIN(void *program, char *to) { return memcpy(to, "made", 4), 0; }
            int nvrtcDestroyProgram(void) { return 0; }
        "#;
        let folder = tempfile::tempdir()?;
        let source = folder.path().join("nvrtc.c");
        std::fs::write(&source, NVRTC)?;
        let [old, new] = [["12", "3"], ["13", "0"]].map(|[major, minor]| -> std::io::Result<PathBuf> {
            let library = folder.path().join(major).with_extension("so");
            let mut cc = std::process::Command::new("cc");
            cc.args([format!("-DMAJOR={major}"), format!("-DMINOR={minor}")])
                .args(["-shared", "-fPIC", "-o"]);
            assert!(cc.args([&library, &source]).status()?.success());
            Ok(library)
        });
        let found = |library: &Path, arch, driver| {
            let image = Image::best(Compiler::load(library), Some(folder.path()), arch, driver)?;
            Ok::<_, DeviceError>((image.code, image.cores))
        };
        let (old, new) = (old?, new?);
        let path = |arch: u32, version: &str| folder.path().join(format!("{}-sm_{arch}-{version}.cubin", Compiler::digest()));
        let keep = |arch, version| keep(&path(arch, version), version.as_bytes());
        keep(90, "13.0")?;
        assert_eq!(
            found(&old, 90, 12)?,
            (b"made".to_vec(), Cores::Warp),
            "the driver does not support the cached kernels"
        );
        std::fs::remove_file(path(90, "13.0"))?;
        assert_eq!(
            found(&new, 90, 13)?,
            (b"made".to_vec(), Cores::Group),
            "the cached kernels use less of the GPU"
        );
        keep(90, "12.9")?;
        assert_eq!(found(&old, 90, 12)?, (b"12.9".to_vec(), Cores::Group));
        keep(80, "12.9")?;
        assert_eq!(found(&old, 80, 12)?, (b"12.9".to_vec(), Cores::Warp));
        assert_eq!(found(&new, 80, 13)?, (b"12.9".to_vec(), Cores::Warp));
        // The driver supports no kernels of a newer compiler, and damaged files are ignored.
        assert_eq!(found(&new, 90, 12)?, (b"12.9".to_vec(), Cores::Group));
        assert_eq!(found(&new, 80, 12)?, (b"12.9".to_vec(), Cores::Warp));
        std::fs::write(path(80, "12.9"), "ma")?;
        assert_eq!(
            found(&old, 80, 12)?,
            (b"made".to_vec(), Cores::Warp),
            "the cached kernels are truncated"
        );
        Ok(())
    }
}
