//! The switch that tells a program which of its mutants is on.

use anyhow::{Context, Result, ensure};

/// What the constant begins with in a built program.
const MARK: &[u8] = b"<<MUTANT";

/// Folder and name of the crate that all programs use, and that gets the switch.
pub const CRATE: &str = "protocol";

/// What is appended to that crate's root.
pub const DECLARATION: &str = "
extern crate self as protocol;
pub mod mutant;
";

/// The variable from which that crate's own tests take their mutant.
pub const VARIABLE: &str = "MUTANT";

/// The module with the switch.
pub const MODULE: &str = r#"//! Which mutant is on.
#![allow(missing_docs, unsafe_code)]
#[used]
static SWITCH: [u8; 10] = *b"<<MUTANT\0\0";
#[inline(always)]
pub fn on(number: u16) -> bool {
    let [low, high] = [8, 9].map(|at| unsafe { core::ptr::read_volatile(SWITCH.as_ptr().add(at)) });
    u16::from_le_bytes([low, high]) == number
}
#[cfg(test)]
pub fn in_tests(number: u16) -> bool {
    static SWITCH: std::sync::LazyLock<u16> = std::sync::LazyLock::new(|| std::env::var("MUTANT").unwrap().parse().unwrap());
    *SWITCH == number
}
#[cfg(not(test))]
#[inline(always)]
pub fn in_tests(_: u16) -> bool {
    false
}
"#;

/// Switches a mutant of a built program on, or all off with 0.
pub fn set(program: &mut [u8], number: u16) -> Result<()> {
    let mut marks = program.windows(MARK.len()).enumerate().filter(|(_, window)| *window == MARK);
    let (at, _) = marks.next().context("the program has no mutants")?;
    ensure!(marks.next().is_none(), "the program has more than one switch");
    let switch = program
        .get_mut(at + MARK.len()..at + MARK.len() + 2)
        .context("the program ends in its switch")?;
    switch.copy_from_slice(&number.to_le_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{MODULE, set};

    #[test]
    fn a_number_is_written_behind_the_mark() -> anyhow::Result<()> {
        let mut program = b"code<<MUTANT\0\0data".to_vec();
        set(&mut program, 0x0201)?;
        assert_eq!(program, b"code<<MUTANT\x01\x02data");
        assert!(set(&mut program.repeat(2), 1).is_err());
        assert!(set(&mut b"code".to_vec(), 1).is_err());
        assert!(MODULE.contains(std::str::from_utf8(super::MARK)?) && MODULE.contains(super::VARIABLE));
        Ok(())
    }
}
