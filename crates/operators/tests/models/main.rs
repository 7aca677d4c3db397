//! Models of operators, one of each family, and of a pipeline of three stages: what the blocks
//! hold each for itself holds for what is made of them.
//!
//! Under `--cfg millstream_loom` each model explores its schedules at preemption bound 2; in an
//! ordinary test run it runs once, on real threads. The oracle is that of the blocks: one log of
//! items and end in order, demand that is never exceeded, and the count of what is alive. The
//! executor is a [`Desk`](millstream_testkit::model::Desk): a task lies there until a thread of the model takes and runs it.

#[path = "../../../blocks/tests/oracle/mod.rs"]
mod oracle;

mod acked;
mod adaptive_concurrency;
mod aggregate_with_boundary;
mod also_to;
mod bulkhead;
mod channel;
mod chunks_timeout;
mod clock;
mod combine_latest_conflated;
mod divided;
mod drain;
mod edge;
mod exhaust_map;
mod flat_map_unordered;
mod group_by;
mod map_async;
mod merge;
mod merge_preferred;
mod pipeline;
mod placed;
mod publish_on;
mod retry_backoff;
mod retry_item;
mod share;
mod stopped_by;
mod switch_map;
mod take_until;
mod throttle;
mod throttle_adaptive;
mod timeout;
mod using_when;
mod window;
mod window_sliding;
mod window_timeout;
mod wire_tap;
mod zip;

use millstream_core::Publisher;
use millstream_operators::PublisherExt as _;
use millstream_sync::thread;
use oracle::Signal::{self, Item};
use oracle::{Error, Oracle, Start, Token, all};

/// The numbers of the items, which must be all that is in the log but for its end.
fn split(log: &[Signal]) -> (Vec<u32>, Option<&Signal>) {
    match log.split_last() {
        Some((Item(_), _)) | None => (oracle::items(log), None),
        Some((end, before)) => (oracle::items(before), Some(end)),
    }
}

/// A source of items that another thread starts, and what starts it.
fn late(oracle: &Oracle, numbers: std::ops::Range<u32>) -> (oracle::Source, Start) {
    let start = Start::default();
    (oracle::Source::Late(oracle.items(numbers), start.clone()), start)
}

/// Numbered items that can be pulled, of an oracle that counts those which are alive.
fn pulled(
    oracle: &Oracle,
    numbers: std::ops::Range<u32>,
) -> impl Publisher<Item = Token, Error = Error> + use<> {
    let alive = oracle.alive();
    millstream_operators::source::from_iter(numbers)
        .map(move |n| Token(n, alive.clone()))
        .map_err(|never| match never {})
}

/// Asks for so many here, and for so many on another thread at the same time.
fn two_ask(oracle: &Oracle, here: u64, there: u64) {
    let other = oracle.clone();
    let asking = thread::spawn(move || other.request(there));
    oracle.request(here);
    asking.join().unwrap();
}

/// A stage that fails with `error` in place of item `n`.
fn fails_at(n: u32, error: Error) -> impl FnMut(Token) -> Result<Token, Error> + Send + 'static {
    move |item| if item.0 == n { Err(error) } else { Ok(item) }
}
