//! Settings, and changes that name some of them.

/// Declares a struct of settings and, beside it, the changes to them: an `Option` in each field's place. Two changes that wait at the same
/// time then undo each other only in what both of them name. The account that keeps them has a field of the same name for each.
///
/// Anchor's prelude has to be in scope: both structs are arguments of instructions.
#[macro_export]
macro_rules! settings {
    (
        $(#[$about:meta])*
        pub struct $settings:ident, changed by $changes:ident, kept in $account:ident as $getter:ident {
            $( $(#[$field_about:meta])* pub $field:ident: $kind:tt, )*
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
        pub struct $settings {
            $( $(#[$field_about])* pub $field: $kind, )*
        }

        /// Which of the settings beside it change, and to what: `None` leaves one as it is.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
        pub struct $changes {
            $( $(#[$field_about])* pub $field: Option<$kind>, )*
        }

        impl $changes {
            /// The settings after these changes to `now`.
            pub fn over(&self, now: &$settings) -> $settings {
                $settings { $( $field: self.$field.unwrap_or(now.$field), )* }
            }
        }

        impl From<$settings> for $changes {
            /// All of them.
            fn from(all: $settings) -> Self {
                Self { $( $field: Some(all.$field), )* }
            }
        }

        impl $account {
            /// The settings in force.
            pub fn $getter(&self) -> $settings {
                $settings { $( $field: self.$field.into(), )* }
            }

            /// Takes all of them over as they are.
            fn write(&mut self, settings: &$settings) {
                $( self.$field = settings.$field.into(); )*
            }
        }
    };
}
