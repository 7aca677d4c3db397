//! Each item becomes many.

mod concat_map;
mod concat_map_iter;
pub use concat_map::ConcatMap;
pub use concat_map_iter::ConcatMapIter;
