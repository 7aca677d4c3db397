//! Where upstream and downstream do not keep pace: what is kept, dropped, merged or made up.

mod batch;
mod batch_weighted;
mod buffered_queue;
mod cap_demand;
mod conflate;
mod conflate_with;
mod detach;
mod drop_unwanted;
mod error_on_overflow;
mod expand_last;
mod latest;
mod policy;
pub use batch::Batch;
pub use batch_weighted::BatchWeighted;
pub use buffered_queue::BufferedQueue;
pub use cap_demand::CapDemand;
pub use conflate::Conflate;
pub use conflate_with::ConflateWith;
pub use detach::Detach;
pub use drop_unwanted::DropUnwanted;
pub use error_on_overflow::ErrorOnOverflow;
pub use expand_last::ExpandLast;
pub use latest::Latest;
pub(crate) use policy::Put;
pub use policy::{Backpressure, DropReason, Overflow, WhenFull};
