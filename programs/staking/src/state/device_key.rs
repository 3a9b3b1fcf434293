use anchor_lang::prelude::*;

/// Marks a hot key as used, permanently: no key ever belongs to two devices (B9). PDA `["key", key]`.
#[account]
pub struct DeviceKey {
    /// The device the key was registered for.
    pub device: Address,
}

impl DeviceKey {
    /// First seed of the PDA.
    pub const SEED: &'static [u8] = b"key";
}
