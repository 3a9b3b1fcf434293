//! Short texts in accounts.

/// Whether this is printable ASCII, at least one character, padded with zeros.
pub fn is_printable(bytes: &[u8]) -> bool {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let parts = bytes.split_at_checked(end);
    parts.is_some_and(|(text, padding)| {
        !text.is_empty() && text.iter().all(|byte| (b' '..=b'~').contains(byte)) && padding.iter().all(|byte| *byte == 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_is_printable_and_nothing_follows_the_padding() {
        for text in [&b"x"[..], b" ~", b"x\0", b"x y\0\0"] {
            assert!(is_printable(text), "{text:?}");
        }
        for text in [&b""[..], b"\0", b"\0x", b"x\0y", b"x\x1f", b"x\x7f", b"\xc3\xa4"] {
            assert!(!is_printable(text), "{text:?}");
        }
    }
}
