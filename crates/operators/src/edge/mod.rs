//! Where streams meet other asynchronous code: futures, streams and sinks, sources and targets of
//! the user's own.

mod from_future;
mod from_source;
#[cfg(feature = "futures")]
mod from_stream;
mod from_try_future;
#[cfg(feature = "futures")]
mod from_try_stream;
mod try_unfold_async;
mod unfold_async;
pub use from_future::{FromFuture, from_future};
pub use from_source::{
    AsyncSource, BoxAsyncSource, DynAsyncSource, FromSource, NextBoxed, from_source,
};
#[cfg(feature = "futures")]
pub use from_stream::{FromStream, from_stream};
pub use from_try_future::{FromTryFuture, from_try_future};
#[cfg(feature = "futures")]
pub use from_try_stream::{FromTryStream, from_try_stream};
pub use try_unfold_async::{TryUnfoldAsync, try_unfold_async};
pub use unfold_async::{UnfoldAsync, unfold_async};
