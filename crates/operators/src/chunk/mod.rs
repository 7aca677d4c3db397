//! Several items into one.

mod chunk_by_key;
mod chunk_until;
mod chunk_when;
mod chunk_while;
mod chunks;
mod chunks_skip;
mod chunks_timeout;
mod chunks_weighted;
mod chunks_weighted_timeout;
mod ready_chunks;
mod sliding;
mod window;
mod window_by_key;
mod window_timeout;
mod window_until;
mod window_while;
pub use chunk_by_key::ChunkByKey;
pub use chunk_until::ChunkUntil;
pub use chunk_when::ChunkWhen;
pub use chunk_while::ChunkWhile;
pub use chunks::Chunks;
pub use chunks_skip::ChunksSkip;
pub use chunks_timeout::ChunksTimeout;
pub use chunks_weighted::ChunksWeighted;
pub use chunks_weighted_timeout::ChunksWeightedTimeout;
pub use ready_chunks::ReadyChunks;
pub use sliding::Sliding;
pub use window::Windows;
pub use window_by_key::WindowByKey;
pub use window_timeout::WindowTimeout;
pub use window_until::WindowUntil;
pub use window_while::WindowWhile;

pub use crate::shape::windowing::Window;
