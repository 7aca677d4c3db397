//! Where a pipeline crosses threads.

mod adaptive_prefetch;
mod async_boundary;
mod prefetch;
mod publish_on;
mod subscribe_on;
pub use adaptive_prefetch::AdaptivePrefetch;
pub use async_boundary::AsyncBoundary;
pub use prefetch::Prefetch;
pub use publish_on::PublishOn;
pub use subscribe_on::SubscribeOn;
