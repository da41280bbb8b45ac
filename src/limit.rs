//! What a row of the table of limits is, and how constants become the table.
//!
//! A constant and its row are written once, so that neither is without the other.

/// One row of the table of limits.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// The constant's name.
    pub name: &'static str,
    /// Its value, in `unit`.
    pub value: u64,
    /// The unit: bytes, ms, count, per second.
    pub unit: &'static str,
    /// What it bounds.
    pub meaning: &'static str,
    /// The test that keeps it.
    pub test: &'static str,
}

macro_rules! limits {
    ($( #[doc = $meaning:literal] $name:ident: $ty:ty = $value:expr, $unit:literal, $test:literal; )*) => {
        $( #[doc = $meaning] pub const $name: $ty = $value; )*
        /// Those of this file, in the order of the way of a request.
        pub(crate) const ROWS: &[Limit] = &[ $( Limit {
            name: stringify!($name),
            value: $value as u64,
            unit: $unit,
            meaning: $meaning,
            test: $test,
        }, )* ];
    };
}
