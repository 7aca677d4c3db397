//! A look at what passes, without changing it.

mod checkpoint;
mod finally;
mod inspect;
mod inspect_cancel;
mod inspect_complete;
mod inspect_end;
mod inspect_err;
mod inspect_first;
mod inspect_request;
mod inspect_subscribe;
#[cfg(feature = "tracing")]
mod log;
mod named;
mod observed;
mod on_discard;
mod tag;
mod watch_end;
pub use checkpoint::{AtCheckpoint, Checkpoint};
pub use finally::{Finally, FinallyReason};
pub use inspect::Inspect;
pub use inspect_cancel::InspectCancel;
pub use inspect_complete::InspectComplete;
pub use inspect_end::InspectEnd;
pub use inspect_err::InspectErr;
pub use inspect_first::InspectFirst;
pub use inspect_request::InspectRequest;
pub use inspect_subscribe::InspectSubscribe;
#[cfg(feature = "tracing")]
pub use log::Log;
pub use named::Named;
pub use observed::Observed;
pub use on_discard::OnDiscard;
pub use tag::Tag;
pub use watch_end::{EndWatch, WatchEnd};
