use crate::error::StakingError;
use crate::events::GpuModelChanged;
use anchor_lang::prelude::*;
use protocol::work::Size;
use protocol::{emission, stake, text};

/// The enterprise pool, one of the two that an hour's block is divided between.
pub const POOL_ENTERPRISE: u8 = 0;
/// The community pool.
pub const POOL_COMMUNITY: u8 = 1;

protocol::settings! {
    /// A row of the GPU table, as set by the authority.
    pub struct GpuSpec, changed by GpuSpecChanges, kept in GpuModel as spec {
        /// Printable ASCII, padded with zeros.
        pub name: [u8; 32],
        /// Earning multiplier times 100; 0 earns no rewards and takes no jobs.
        pub multiplier_x100: u16,
        /// Memory of one GPU in GiB.
        pub vram_gb: u16,
        /// [`POOL_ENTERPRISE`] or [`POOL_COMMUNITY`].
        pub pool: u8,
        /// Whether new devices may register as this model.
        pub listed: bool,
        /// Elements of a line in the work of a call, as a logarithm to base 2; see `protocol::work::Size`.
        pub work_width: u8,
        /// Bytes of a tensor in that work, as a logarithm to base 2.
        pub work_bytes: u8,
        /// Layers of that work, as a logarithm to base 2.
        pub work_layers: u8,
    }
}

impl GpuSpec {
    fn work(&self) -> [u8; 3] {
        [self.work_width, self.work_bytes, self.work_layers]
    }

    /// Checks that the name is readable, the pool exists and the size of the work is valid.
    pub fn validate(&self) -> Result<()> {
        let sound = text::is_printable(&self.name) && self.pool <= POOL_COMMUNITY && is_size(self.work());
        require!(sound, StakingError::InvalidGpuSpec);
        Ok(())
    }
}

/// Whether the work may have this size; all zeros stand for the least work.
fn is_size([width, bytes, layers]: [u8; 3]) -> bool {
    Size::new(width, bytes, layers).is_some() || [width, bytes, layers] == [0; 3]
}

impl GpuSpecChanges {
    /// Checks that either all three values of the work's size are named or none: separate proposals that each change one value could add up
    /// to a size that nobody voted for.
    pub fn check_whole(&self) -> Result<()> {
        let named = [self.work_width, self.work_bytes, self.work_layers].map(|part| part.is_some());
        require!(named == [true; 3] || named == [false; 3], StakingError::InvalidGpuSpec);
        Ok(())
    }

    /// Checks the named values, independently of the row they change.
    pub fn validate(&self) -> Result<()> {
        const SOUND: GpuSpec = GpuSpec {
            name: [b'x'; 32],
            multiplier_x100: 0,
            vram_gb: 0,
            pool: POOL_COMMUNITY,
            listed: false,
            work_width: 0,
            work_bytes: 0,
            work_layers: 0,
        };
        self.check_whole()?;
        self.over(&SOUND).validate()
    }
}

/// A GPU model. PDA `["gpu", id u16 le]`.
#[account]
pub struct GpuModel {
    /// Printable ASCII, padded with zeros.
    pub name: [u8; 32],
    /// When a raised multiplier raises the minimum stake (C3), unix seconds; 0 if it never changed.
    pub raise_at: PodI64,
    /// Number in the GPU table: seed of the PDA.
    pub id: PodU16,
    /// Earning multiplier times 100; 0 earns no rewards and takes no jobs.
    pub multiplier_x100: PodU16,
    /// The multiplier times 100 before the last change.
    pub previous_x100: PodU16,
    /// Memory of one GPU, in GiB.
    pub vram_gb: PodU16,
    /// [`POOL_ENTERPRISE`] or [`POOL_COMMUNITY`].
    pub pool: u8,
    /// Whether new devices may register as this model.
    pub listed: PodBool,
    /// Bump of this account's PDA.
    pub bump: u8,
    /// Version of this layout: 1.
    pub version: u8,
    /// Elements of a line in the work of a call from hour `work_since` on, as a logarithm to base 2, see [`GpuSpec`]. Three zeros stand for
    /// the least work.
    pub work_width: u8,
    /// Bytes of a tensor in that work, as a logarithm to base 2.
    pub work_bytes: u8,
    /// Layers of that work, as a logarithm to base 2.
    pub work_layers: u8,
    /// The three values before hour `work_since`.
    pub work_before: [u8; 3],
    /// First hour with the new work, numbered from 1970 (unix seconds / 3,600).
    pub work_since: PodU32,
    /// Zeros, for future fields.
    pub reserved: [u8; 22],
}

impl GpuModel {
    /// First seed of the PDA.
    pub const SEED: &'static [u8] = b"gpu";

    /// Writes a new row; its multiplier counts at once.
    pub fn create(&mut self, id: u16, spec: &GpuSpec, bump: u8) -> Result<()> {
        self.id = id.into();
        self.bump = bump;
        self.version = 1;
        self.previous_x100 = spec.multiplier_x100.into();
        self.work_before = spec.work();
        self.write(spec);
        self.invariant()
    }

    /// Changes the row. A raised multiplier raises the minimum stake only after `grace` seconds, and calls ask for the new work from the
    /// next hour on. A second change of the work fails until the first hour with the new work is over: devices may still have to show the
    /// work from before.
    pub fn update(&mut self, spec: &GpuSpec, now: i64, grace: u32) -> Result<()> {
        if spec.multiplier_x100 != self.multiplier_x100.get() {
            // The requirement in force stays: a second raise within the grace period must not bring the first one forward.
            self.previous_x100 = self.required_multiplier(now).into();
            self.raise_at = now.saturating_add(i64::from(grace)).into();
        }
        if spec.work() != self.work() {
            let hour = emission::number_of(now).ok_or(StakingError::BooksBroken)?;
            require!(hour > self.work_since.get(), StakingError::WorkChanging);
            self.work_before = self.work();
            self.work_since = hour.saturating_add(1).into();
        }
        self.write(spec);
        self.invariant()
    }

    /// The multiplier that the minimum stake follows at `now`.
    pub fn required_multiplier(&self, now: i64) -> u16 {
        stake::required(self.multiplier_x100.get(), self.previous_x100.get(), self.raise_at.get(), now)
    }

    fn work(&self) -> [u8; 3] {
        [self.work_width, self.work_bytes, self.work_layers]
    }

    /// The work that calls of hour number `hour` ask of each GPU.
    pub fn work_in(&self, hour: u32) -> Size {
        let [width, bytes, layers] = if hour < self.work_since.get() {
            self.work_before
        } else {
            self.work()
        };
        Size::new(width, bytes, layers).unwrap_or(Size::LEAST)
    }

    /// Emits the row.
    pub fn announce(&self) {
        emit!(GpuModelChanged {
            id: self.id.get(),
            multiplier_x100: self.multiplier_x100.get(),
            previous_x100: self.previous_x100.get(),
            raise_at: self.raise_at.get(),
            pool: self.pool,
            vram_gb: self.vram_gb.get(),
            listed: self.listed.get(),
            work: self.work(),
            work_since: self.work_since.get(),
        });
    }

    /// The name is printable, the pool known, and the size of the work valid.
    pub fn invariant(&self) -> Result<()> {
        require!(is_size(self.work_before), StakingError::InvalidGpuSpec);
        self.spec().validate()
    }
}
