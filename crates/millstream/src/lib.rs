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

/// The examples in the guides at the top of the repository are compiled and run as tests.
#[cfg(doctest)]
mod guides {
    #[doc = include_str!("../../../README.md")]
    struct Readme;
    #[doc = include_str!("../../../CONTRIBUTING.md")]
    struct Contributing;
    #[doc = include_str!("../../../docs/demand.md")]
    struct Demand;
    #[doc = include_str!("../../../docs/design.md")]
    struct Design;
    #[doc = include_str!("../../../docs/porting.md")]
    struct Porting;
}
