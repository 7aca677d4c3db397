//! Several items into one.

mod chunks;
mod sliding;
pub use chunks::Chunks;
pub use sliding::Sliding;
