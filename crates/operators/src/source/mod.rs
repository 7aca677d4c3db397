//! Where streams begin.

mod after;
pub(crate) mod broken;
mod channel;
mod create;
mod cycle;
mod defer;
mod emitter;
mod empty;
mod fail;
mod from_blocking_iter;
mod from_fn;
mod from_iter;
mod from_pull;
mod from_reader;
mod generate;
mod interval;
mod just;
mod late;
mod lazy;
mod lines;
mod oneshot;
mod pending;
mod range;
mod repeat_value;
mod restart_with_backoff;
mod successors;
mod unfold;
mod using;
mod using_when;
pub use after::{After, after};
pub use channel::{
    Channel, SendBlockingError, SendError, Sender, Sending, TrySendError, channel, try_channel,
};
pub use create::{Create, create, try_create};
pub use cycle::cycle;
pub use defer::{Defer, defer};
pub use emitter::{Emissions, Emitted, Emitter, emitter, try_emitter};
pub use empty::{Empty, empty};
pub use fail::{Fail, fail};
pub use from_blocking_iter::{FromBlockingIter, from_blocking_iter};
pub use from_fn::{FromFn, from_fn};
pub(crate) use from_iter::PullIter;
pub use from_iter::{FromIter, from_iter};
pub use from_pull::{FromPull, from_pull};
#[cfg(any(feature = "futures", feature = "tokio"))]
pub(crate) use from_reader::chunk_size_of;
pub use from_reader::{FromReader, from_reader};
pub use generate::{Generate, generate};
pub use interval::{Interval, MissedTicks, interval};
pub use just::{Just, just};
pub use lazy::{Lazy, lazy};
#[cfg(any(feature = "futures", feature = "tokio"))]
pub(crate) use lines::LineBuffer;
pub use lines::{Lines, NotUtf8, lines};
pub use oneshot::{Oneshot, OneshotSender, oneshot, try_oneshot};
pub use pending::{Pending, pending};
pub use range::range;
pub use repeat_value::repeat_value;
pub use restart_with_backoff::{Restart, RestartWithBackoff, restart_with_backoff};
pub use successors::successors;
pub use unfold::{Unfold, unfold};
pub use using::{Using, using};
pub use using_when::{UseEnd, UsingWhen, using_when};

pub use crate::overflow::{DropReason, Overflow};
