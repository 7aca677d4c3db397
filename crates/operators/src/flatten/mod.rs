//! Each item becomes many, or something that takes its time.

mod concat_map;
mod concat_map_iter;
mod flat_map_ordered;
mod flat_map_unordered;
mod map_async;
mod map_async_partitioned;
mod map_async_partitioned_unordered;
mod map_async_unordered;
mod switch_map;
mod try_map_async;
mod try_map_async_partitioned;
mod try_map_async_partitioned_unordered;
mod try_map_async_unordered;
pub use concat_map::ConcatMap;
pub use concat_map_iter::ConcatMapIter;
pub use flat_map_ordered::FlatMapOrdered;
pub use flat_map_unordered::FlatMapUnordered;
pub use map_async::MapAsync;
pub use map_async_partitioned::MapAsyncPartitioned;
pub use map_async_partitioned_unordered::MapAsyncPartitionedUnordered;
pub use map_async_unordered::MapAsyncUnordered;
pub use switch_map::SwitchMap;
pub use try_map_async::TryMapAsync;
pub use try_map_async_partitioned::TryMapAsyncPartitioned;
pub use try_map_async_partitioned_unordered::TryMapAsyncPartitionedUnordered;
pub use try_map_async_unordered::TryMapAsyncUnordered;
