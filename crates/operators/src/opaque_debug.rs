//! `Debug` for types that hold a closure.

/// Implements `Debug` for a type with parameters that need not implement it: its name, and the
/// fields that are named.
macro_rules! opaque_debug {
    ($name:ident < $($parameter:ident),* > $(, $field:ident)*) => {
        impl<$($parameter),*> std::fmt::Debug for $name<$($parameter),*> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name))
                    $(.field(stringify!($field), &self.$field))*
                    .finish_non_exhaustive()
            }
        }
    };
}

pub(crate) use opaque_debug;
