//! A stream across a connection: in memory, over sockets, cut, and with peers that do not keep to the
//! protocol.

mod board;
mod common;
mod demand;
#[path = "../../operators/tests/eager/mod.rs"]
mod eager;
mod ends;
mod lost;
mod peers;
mod random;
mod rows;
mod sockets;
