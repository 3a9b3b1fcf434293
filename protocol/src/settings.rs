//! Settings, and partial changes to them.

/// Declares a struct of settings and a struct of changes to them, with an `Option` for each field, so that two pending changes conflict
/// only in the fields that both of them name. The account that stores the settings has a field of the same name for each.
///
/// Anchor's prelude has to be in scope: both structs are instruction arguments.
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

        /// New values of some settings; `None` leaves a setting unchanged.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
        pub struct $changes {
            $( $(#[$field_about])* pub $field: Option<$kind>, )*
        }

        impl $changes {
            /// The settings that applying these changes to `now` results in.
            pub fn over(&self, now: &$settings) -> $settings {
                $settings { $( $field: self.$field.unwrap_or(now.$field), )* }
            }
        }

        impl From<$settings> for $changes {
            /// Changes every setting.
            fn from(all: $settings) -> Self {
                Self { $( $field: Some(all.$field), )* }
            }
        }

        impl $account {
            /// The settings in force.
            pub fn $getter(&self) -> $settings {
                $settings { $( $field: self.$field.into(), )* }
            }

            /// Stores the settings without checking them.
            fn write(&mut self, settings: &$settings) {
                $( self.$field = settings.$field.into(); )*
            }
        }
    };
}
