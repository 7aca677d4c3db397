//! The operators of Millstream.
//!
//! An operator is a file of its own, in a folder per family, and takes one of the
//! [shapes](shape). [`PublisherExt`] is their table of contents. None holds an atomic, a lock or
//! unsafe code. Users depend on the facade `millstream`.

#![forbid(unsafe_code)]

pub mod ack;
pub mod board;
pub mod boundary;
pub mod chunk;
pub mod combine;
pub mod control;
pub mod edge;
pub mod effect;
mod either;
pub mod end;
mod ext;
pub mod fan_out;
pub mod fault;
pub mod filter;
pub mod flatten;
mod guard;
pub mod lifecycle;
pub mod limit;
mod opaque_debug;
pub mod overflow;
pub mod shape;
pub mod source;
mod stall;
pub mod timing;
#[cfg(feature = "tracing")]
mod trace;
pub mod transform;

pub use ext::PublisherExt;
pub use millstream_blocks::boxed::{BoxActive, BoxPublisher, BoxSubscriber, SharedPublisher};
#[cfg(feature = "tracing")]
pub use trace::trace_undelivered;
