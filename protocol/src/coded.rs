//! Enums that accounts, events and instructions store as one byte.

/// Declares an enum that is stored as the byte of its discriminant. The stored byte compares directly with the variants, as in
/// `job.status == Status::Open`. A byte that is no variant's code equals none of them, and is ordered by its value.
#[macro_export]
macro_rules! coded {
    (
        $(#[$about:meta])*
        pub enum $name:ident {
            $( $(#[$variant_about:meta])* $variant:ident = $code:literal, )*
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name {
            $( $(#[$variant_about])* $variant = $code, )*
        }

        impl $name {
            /// The variant with this code.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code {
                    $( $code => Some(Self::$variant), )*
                    _ => None,
                }
            }
        }

        impl PartialEq<$name> for u8 {
            fn eq(&self, other: &$name) -> bool {
                *self == *other as u8
            }
        }

        impl PartialOrd<$name> for u8 {
            fn partial_cmp(&self, other: &$name) -> Option<core::cmp::Ordering> {
                self.partial_cmp(&(*other as u8))
            }
        }
    };
}

#[cfg(test)]
mod tests {
    coded! {
        /// Stored as a byte.
        pub enum Stage {
            /// First.
            Early = 0,
            /// Second, with a gap before it.
            Late = 2,
        }
    }

    #[test]
    fn codes_are_variants_and_bytes_compare_with_them() {
        for code in 0..=u8::MAX {
            let known = match code {
                0 => Some(Stage::Early),
                2 => Some(Stage::Late),
                _ => None,
            };
            assert_eq!(Stage::from_code(code), known);
            for stage in [Stage::Early, Stage::Late] {
                assert_eq!(code == stage, known == Some(stage));
                assert_eq!(code.partial_cmp(&stage), Some(code.cmp(&(stage as u8))));
            }
        }
    }
}
