//! Where a pipeline crosses threads.

mod async_boundary;
mod prefetch;
mod publish_on;
mod subscribe_on;
pub use async_boundary::AsyncBoundary;
pub use prefetch::Prefetch;
pub use publish_on::PublishOn;
pub use subscribe_on::SubscribeOn;
