//! Claims of what stands between a stream and the world: edges, and acknowledgement.

mod common;
mod eager;

mod ack;
mod edge;
