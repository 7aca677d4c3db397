//! Where streams meet other asynchronous code: futures, streams and sinks, channels, readers and
//! writers, sources and targets of the user's own.

#[cfg(feature = "futures")]
mod async_lines;
#[cfg(any(feature = "futures", feature = "tokio"))]
mod bytes;
#[cfg(feature = "futures")]
mod forward;
#[cfg(feature = "futures")]
mod from_async_reader;
#[cfg(feature = "tokio-sync")]
mod from_broadcast;
mod from_future;
#[cfg(feature = "tokio-sync")]
mod from_mpsc;
mod from_source;
#[cfg(feature = "futures")]
mod from_stream;
#[cfg(feature = "tokio")]
mod from_tokio_reader;
mod from_try_future;
#[cfg(feature = "futures")]
mod from_try_stream;
#[cfg(feature = "tokio-sync")]
mod from_watch;
#[cfg(feature = "futures")]
mod into_sink;
#[cfg(feature = "futures")]
mod into_stream;
mod into_target;
mod send_to;
#[cfg(feature = "tokio")]
mod tokio_lines;
#[doc(hidden)]
pub mod transport;
mod try_unfold_async;
mod unfold_async;
#[cfg(feature = "futures")]
mod write_to;
#[cfg(feature = "tokio")]
mod write_to_tokio;

#[cfg(feature = "futures")]
pub use async_lines::{AsyncLines, async_lines};
#[cfg(any(feature = "futures", feature = "tokio"))]
pub use bytes::WriteError;
#[cfg(feature = "futures")]
pub use forward::{Forward, SinkTarget};
#[cfg(feature = "futures")]
pub use from_async_reader::{FromAsyncReader, from_async_reader};
#[cfg(feature = "tokio-sync")]
pub use from_broadcast::{FromBroadcast, Lagged, from_broadcast};
pub use from_future::{FromFuture, from_future};
#[cfg(feature = "tokio-sync")]
pub use from_mpsc::{FromMpsc, MpscReceiver, from_mpsc};
pub use from_source::{
    AsyncSource, BoxAsyncSource, DynAsyncSource, FromSource, NextBoxed, from_source,
};
#[cfg(feature = "futures")]
pub use from_stream::{FromStream, from_stream};
#[cfg(feature = "tokio")]
pub use from_tokio_reader::{FromTokioReader, from_tokio_reader};
pub use from_try_future::{FromTryFuture, from_try_future};
#[cfg(feature = "futures")]
pub use from_try_stream::{FromTryStream, from_try_stream};
#[cfg(feature = "tokio-sync")]
pub use from_watch::{FromWatch, from_watch};
#[cfg(feature = "futures")]
pub use into_sink::ChannelSink;
#[cfg(feature = "futures")]
pub use into_stream::{IntoStream, OrPanic};
pub use into_target::{
    AsyncTarget, BoxAsyncTarget, Boxed, DeliveryError, DynAsyncTarget, IntoTarget,
};
#[cfg(feature = "tokio-sync")]
pub use send_to::MpscTarget;
pub use send_to::{ChannelTarget, IntoAsyncTarget, SendTo};
#[cfg(feature = "tokio")]
pub use tokio_lines::{TokioLines, tokio_lines};
pub use try_unfold_async::{TryUnfoldAsync, try_unfold_async};
pub use unfold_async::{UnfoldAsync, unfold_async};
#[cfg(feature = "futures")]
pub use write_to::{WriteTarget, WriteTo};
#[cfg(feature = "tokio")]
pub use write_to_tokio::{TokioWriteTarget, WriteToTokio};
