//! A stream between two processes, with its demand.
//!
//! One process [serves](serve()) a publisher, another [connects](connect()) and has a publisher as any
//! other. What is asked for there is asked for here: a consumer that takes its time makes a producer
//! wait that is at the other end of a socket, and a `take(3)` there makes three items here.
//!
//! ```text
//!   this process                                     another
//!   publisher ─▶ serve ── NEXT, COMPLETE, ERROR ──▶ connect ─▶ map ─▶ for_each
//!             ◀──       ◀── REQUEST, CANCEL, DONE ──         ◀──── request(n)
//! ```
//!
//! Any connection will do that keeps bytes in order: see [`Link`]. What an item is as bytes is said by
//! [a closure, or a type](Encode); with serde it is a line.
//!
//! ```
//! use millstream::executor::Threads;
//! use millstream::prelude::*;
//! use millstream_wire::{Ended, Link, connect, serve};
//! use std::net::{TcpListener, TcpStream};
//!
//! let threads = Threads::new(8); // two for each end, one for the receiver, one for its farewell
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//!
//! // One process: numbers without end, at most 16 ahead of the connection.
//! let there = threads.handle();
//! let served = std::thread::spawn(move || {
//!     let link = Link::from_socket(&there, listener.accept()?.0, 1024)?;
//!     let numbers = millstream::from_iter(0_u64..);
//!     let to_json = |n: &u64, into: &mut Vec<u8>| serde_json::to_writer(into, n);
//!     Ok::<_, std::io::Error>(serve(numbers, link, to_json, 16).block())
//! });
//!
//! // Another: at most 64 on their way.
//! let link = Link::from_socket(&threads.handle(), TcpStream::connect(address)?, 1024)?;
//! let numbers = connect(threads.handle(), link, |n: &[u8]| serde_json::from_slice::<u64>(n), 64);
//! assert_eq!(numbers.take(3).collect::<Vec<_>>().block()?, [0, 1, 2]);
//!
//! let report = served.join().unwrap()?;
//! assert_eq!((report.asked, report.sent), (3, 3));
//! assert!(matches!(report.end, Ended::Cancelled(_)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Demand, and what is in memory
//! `connect` asks for what its downstream asks, at most `window` items ahead of those that have come; it
//! has no queue, because the wire is one. `serve` asks its upstream for what the peer asked, at most
//! `ahead` items before they are sent, and these are its queue. So the producer is never asked for more
//! than `window` items beyond what the consumer was sent, and neither side holds more than its numbers
//! say: `ahead` items, and for each direction 16 KiB of bytes and one frame. Tests:
//! `a_source_is_asked_for_no_more_than_a_window_beyond_what_was_consumed`, and
//! `row_44_a_consumer_over_tcp_that_takes_its_time_holds_the_producer_back`.
//!
//! A consumer that asks for one item at a time waits for the other side each time. `prefetch(n)` behind
//! `connect` asks ahead, for what it has room for.
//!
//! # Ends
//! | what happens | whoever receives | whoever serves |
//! |---|---|---|
//! | upstream completes | completion | [`Ended::Completed`], when that was confirmed |
//! | upstream fails | [`WireError::Failed`] | [`Ended::Failed`] |
//! | upstream breaks | [`WireError::Fault`], in words | [`Ended::Fault`] |
//! | downstream cancels, and why | | [`Ended::Cancelled`]: upstream is told why |
//! | the connection is lost | [`WireError::Lost`] | [`Ended::Lost`]: upstream is told so |
//! | an item cannot be encoded | [`WireError::Fault`] | [`Ended::Unencodable`] |
//! | an item cannot be decoded | [`WireError::Undecodable`] | [`Ended::Cancelled`], and why |
//! | the peer breaks the protocol | [`WireError::Broken`], what, bound and value | [`Ended::Broken`] |
//!
//! A connection that is lost in silence, as when a machine goes, is known when the transport says so:
//! give it a time-out, or keep it alive. Nothing here has a clock. What was sent and not received is lost
//! with the connection; the [report](Report) says how many items are known to have arrived.
//!
//! # What it costs
//! Numbers of 8 bytes, 21 with their frame, from one thread to another, on two cores of a small virtual
//! machine (`cargo run --release -p millstream-wire --all-features --example throughput`; the median of
//! five runs, `ahead` as the window):
//!
//! | window | in memory, by tokio's duplex | a Unix socket, by blocking threads | TCP on loopback, so too |
//! |--:|--:|--:|--:|
//! | 1024 | 75 ns an item | 127 ns | 129 ns |
//! | 64 | 127 ns | 978 ns | 927 ns |
//! | 1 | 4.7 µs | 45 µs | 44 µs |
//!
//! A window of 1 is a round trip for each item, and by blocking threads each way is several wake-ups. What
//! is ready is written together, up to 16 KiB, and flushed when nothing more is: ten thousand items are at
//! most 40 writes (test `what_comes_in_bursts_is_written_in_bursts_and_is_asked_for_in_few_words`). With a
//! write for each item the first figure was 536 ns.
//!
//! # The protocol
//! For a peer in another language. Numbers are unsigned and big-endian. A frame is a length of 4 bytes,
//! which counts what follows; a kind of one byte; and the body.
//!
//! | kind | frame | body | from |
//! |---|---|---|---|
//! | `01` | HELLO | `MLST`; version, one byte: 1; side, one byte: 0 serves, 1 receives; the longest frame that is taken, 4 bytes; features | both |
//! | `02` | REQUEST | 8 bytes: how many items were asked for, in all; 8 bytes: how many have come | the receiver |
//! | `03` | NEXT | 8 bytes: the number of the item, from 0; the item | the server |
//! | `04` | COMPLETE | 8 bytes: how many items there were | the server |
//! | `05` | ERROR | so too; the error | the server |
//! | `06` | FAULT | so too; what broke, in UTF-8 | the server |
//! | `07` | CANCEL | 8 bytes: how many items have come; one byte: 0 no more is needed, 1 downstream failed, 2 for what follows; why, in UTF-8 | the receiver |
//! | `08` | DONE | 8 bytes: how many items have come | the receiver |
//!
//! * Each side says HELLO at once, and nothing before it. Neither waits for the other's.
//! * An item may be sent when its number is less than the largest sum that was asked for. So a REQUEST that
//!   comes twice, or late, changes nothing, and no number wraps: a sum of 2<sup>64</sup> - 1 is all there
//!   is.
//! * Items have the numbers 0, 1, 2 and so on. An end has the number of the next.
//! * COMPLETE, ERROR and FAULT are the last of the server, which then waits for DONE. CANCEL or DONE is the
//!   last of the receiver, which closes its direction, and reads on until the other is closed.
//! * No frame is longer than the other side takes, the four bytes of the length not counted. That is 64 at
//!   least; a HELLO, and what is said before the other's came, is no longer than that.
//! * A connection that ends before the stream is lost, and so is one that ends in a frame.
//! * What is not of this list is refused, by FAULT or by CANCEL, whose text says why. But kinds from `80` on
//!   are passed over, and so are features: each is a number of 2 bytes, a length of 2 bytes, and as many
//!   bytes. What both sides offer both may use. None is defined yet; the first is to be a session that
//!   survives its connection, for which the numbers are there: REQUEST says what has arrived, and NEXT
//!   which item it is.
//!
//! # Features
//! * `futures`: links over the readers and writers of the `futures` crates.
//! * `tokio`: links over those of tokio.
//!
//! Without either there are links over the sockets of `std`, and over whatever reads and writes and
//! blocks, by two threads each.

#![forbid(unsafe_code)]

mod blocking;
mod codec;
mod connect;
mod frame;
mod io;
mod link;
mod serve;
mod tide;

pub use blocking::Socket;
pub use codec::{Bytes, CodecError, Decode, Encode, Text};
pub use connect::{Connect, Farewell, WireError, connect};
pub use frame::{LEAST_FRAME, Role, VERSION, Violation};
pub use link::Link;
pub use serve::{Ended, Report, Serve, serve};
