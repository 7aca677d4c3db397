//! Reactive Streams for Rust.

#![forbid(unsafe_code)]

pub use millstream_core::*;
pub use millstream_operators::combine::concat;
pub use millstream_operators::source::*;
pub use millstream_operators::{
    PublisherExt, chunk, combine, effect, end, fault, filter, flatten, limit, shape, source,
    transform,
};

/// What every user of the library wants in scope: traits only.
pub mod prelude {
    pub use millstream_core::{ActiveSubscriber, Publisher, Subscriber};
    pub use millstream_operators::PublisherExt;
}
