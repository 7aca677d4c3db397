//! A look at the boundaries of running pipelines.
//!
//! A [`Board`] lists the boundaries above each [`observed`](crate::PublisherExt::observed) that
//! names it, and what they say of themselves; [`Board::snapshot`] is all of that at one time. Two of them tell
//! which pipelines stand still, and where: [`stalls`].

pub use crate::stall::{Side, Stall, stalls};
pub use millstream_blocks::gauge::{Board, Input, Row, Snapshot, State};
