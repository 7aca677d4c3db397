//! One item into another.

mod dematerialize;
mod enumerate;
mod filter_map;
mod from_upstream;
mod map;
mod map_into;
mod map_with_resource;
mod materialize;
mod pairwise;
mod running_fold;
mod scan;
mod stateful_map;
mod try_map;
pub use dematerialize::Dematerialize;
pub use enumerate::Enumerate;
pub use filter_map::FilterMap;
pub use from_upstream::{FromUpstream, Never, Same};
pub use map::Map;
pub use map_into::MapInto;
pub use map_with_resource::MapWithResource;
pub use materialize::{Materialize, Signal};
pub use pairwise::Pairwise;
pub use running_fold::RunningFold;
pub use scan::Scan;
pub use stateful_map::StatefulMap;
pub use try_map::TryMap;
