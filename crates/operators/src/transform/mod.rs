//! One item into another.

mod map;
pub use map::Map;
