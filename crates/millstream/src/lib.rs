//! Reactive Streams for Rust: explicit demand, bounded memory.
//!
//! A [`Publisher`] is a lazy blueprint of a stream. A [`Subscriber`] says how many items it can
//! take, and no more are sent: a producer a thousand times faster than its consumer waits, and
//! holds no more than the stages between them have room for.
//!
//! ```
//! use millstream::prelude::*;
//!
//! let even_squares = millstream::from_iter(1..)
//!     .map(|n| n * n)
//!     .filter(|n| n % 2 == 0)
//!     .take(3);
//! assert_eq!(even_squares.collect::<Vec<u64>>().block()?, [4, 16, 36]);
//! # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
//! ```
//!
//! | to | look at |
//! |---|---|
//! | begin a stream | the functions of this page: [`from_iter`], [`from_fn`], [`lines`], [`just`] … |
//! | begin one that others fill | [`channel`], [`oneshot`], [`emitter`], [`create`], [`from_blocking_iter`] |
//! | put operators on it | [`PublisherExt`], in scope by `use millstream::prelude::*` |
//! | know what an operator asks, holds and tells | the type that its method names: [`chunk::Chunks`], [`flatten::ConcatMap`] … |
//! | end it | an end of [`PublisherExt`], awaited or [blocked on](shape::end::Run::block) |
//! | take items at your own pace | [`Subscriber`] and [`ActiveSubscriber`], or [`PublisherExt::cursor`] |
//! | say what goes where upstream is too fast | [`PublisherExt::buffered_queue`] and [`overflow::Overflow`] |
//! | keep to a rate | [`PublisherExt::throttle`]; many streams together, [`PublisherExt::rate_limit`] |
//! | give up after a time, or try again later | [`PublisherExt::timeout`], [`PublisherExt::retry_backoff`] |
//! | stop a pipeline from outside | [`PublisherExt::kill_switch`]; without loss, [`lifecycle::DrainHandle`] |
//! | let the load decide how much at a time | [`PublisherExt::adaptive_concurrency`] and [`control`] |
//! | hear of failures that reach nobody | [`on_undelivered`] |
//! | look at a pipeline while it runs | [`PublisherExt::observed`] and [`Board`] |
//! | consume a broker, and acknowledge | [`PublisherExt::acked`], and the guide `docs/acknowledgement.md` |
//! | write a source | [`Pull`] and [`from_pull`] |
//! | meet a future, a `Stream`, a channel, a reader | the sources and ends of [`edge`] |
//! | cut bytes into lines or frames | [`lines`]; of chunks, within a bound, [`PublisherExt::delimited`] |
//! | write an asynchronous source or target | [`AsyncSource`], [`AsyncTarget`] |
//! | wait for a time | [`time`] |
//! | run a stage elsewhere | [`executor`], and the guide `docs/executors.md` |
//! | write an operator | the [shapes](shape) |
//! | store a stream in a field | [`BoxPublisher`], [`SharedPublisher`] |
//!
//! A chain of operators is one function after inlining, in one allocation, without a lock or an
//! atomic operation per item. Everything is `Send + 'static`: a request may come from any thread,
//! and is served there.
//!
//! # Publishers in types and signatures
//! A function returns `impl Publisher`. A field holds a box: a [`BoxPublisher`] for one run, and for many a
//! [`SharedPublisher`], which is `Clone` and `Sync`. So does what a trait returns that is to be `dyn`.
//!
//! ```
//! use std::convert::Infallible;
//! use std::io;
//! use std::sync::Arc;
//!
//! use millstream::prelude::*;
//! use millstream::{BoxPublisher, SharedPublisher};
//!
//! trait Repository: Send + Sync {
//!     fn rows(&self, table: &str) -> BoxPublisher<String, io::Error>;
//! }
//!
//! struct Memory;
//!
//! impl Repository for Memory {
//!     fn rows(&self, table: &str) -> BoxPublisher<String, io::Error> {
//!         match table {
//!             "names" => millstream::from_iter(["ann", "bob"]).map(String::from).fallible().boxed(),
//!             _ => millstream::fail(io::ErrorKind::NotFound.into()).boxed(),
//!         }
//!     }
//! }
//!
//! #[derive(Clone)]
//! struct Service {
//!     repository: Arc<dyn Repository>,
//!     ids: SharedPublisher<u32, Infallible>,
//! }
//!
//! impl Service {
//!     // `use<>`: what comes back borrows nothing. Publishers never do, but nobody else knows.
//!     fn even(&self) -> impl Publisher<Item = u32, Error = Infallible> + use<> {
//!         self.ids.clone().filter(|id| id % 2 == 0)
//!     }
//! }
//!
//! let ids = millstream::range(0..9).boxed_clone();
//! let service = Service { repository: Arc::new(Memory), ids };
//! assert_eq!(service.even().count().block().unwrap(), 5);
//! assert_eq!(service.repository.rows("names").count().block().unwrap(), 2);
//! ```
//!
//! # Features
//! `clock` and `pool` are on by default.
//!
//! * `clock`: `time::SystemClock`, timers for programs without a runtime.
//! * `pool`: `executor::Pool`, worker threads for programs without a runtime.
//! * `futures`: bridges to `Stream`, `Sink` and the readers and writers of the `futures` crates, of
//!   which it needs the small ones with the traits alone.
//! * `tracing`: the operator `log`, and `trace_undelivered`.
//! * `tokio`: `executor::Tokio`, which is a clock as well, and `TokioBlocking`; a blocking end also
//!   refuses to run inside a tokio runtime; readers and writers of tokio.
//! * `tokio-sync`: also its channels.

#![forbid(unsafe_code)]

pub use millstream_core::*;
pub use millstream_executors as executor;
pub use millstream_executors::time;
pub use millstream_operators::ack::from_polled_client;
pub use millstream_operators::board::Board;
pub use millstream_operators::combine::{
    combine_latest, combine_latest_conflated, concat, concat_delay_error, interleave_all,
    merge_all, merge_all_delay_error, merge_all_preferred, merge_all_prioritized, merge_all_sorted,
    race, zip,
};
pub use millstream_operators::edge::*;
pub use millstream_operators::source::*;
#[cfg(feature = "tracing")]
pub use millstream_operators::trace_undelivered;
pub use millstream_operators::{
    BoxActive, BoxPublisher, BoxSubscriber, PublisherExt, SharedPublisher, ack, board, boundary,
    chunk, combine, control, edge, effect, end, fan_out, fault, filter, flatten, lifecycle, limit,
    overflow, shape, source, timing, transform,
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
    #[doc = include_str!("../../../docs/acknowledgement.md")]
    struct Acknowledgement;
    #[doc = include_str!("../../../docs/demand.md")]
    struct Demand;
    #[doc = include_str!("../../../docs/design.md")]
    struct Design;
    #[doc = include_str!("../../../docs/executors.md")]
    struct Executors;
    #[doc = include_str!("../../../docs/models.md")]
    struct Models;
    #[doc = include_str!("../../../docs/observe.md")]
    struct Observe;
    #[doc = include_str!("../../../docs/porting.md")]
    struct Porting;
}
