//! The shapes an operator can take. An operator picks one; it does not invent another.
//!
//! | shape | for | an operator writes |
//! |---|---|---|
//! | [`stage`] | at most one item out for each item in: `map`, `filter`, `take`, `chunks` | an [`ItemStep`](stage::ItemStep), or a [`Step`](stage::Step) where failures matter |
//! | [`chunked`] | items in groups that a rule cuts: `chunk_until`, `chunks_weighted` | a [`Cut`](chunked::Cut) |
//! | [`pump`] | many items out for one in: `concat_map`, `concat_map_iter` | an [`Expand`](pump::Expand) |
//! | [`end`] | the end of a stream: `collect`, `fold`, `for_each` | a [`Gather`](end::Gather) |
//! | `joined` | several upstreams, or one that runs elsewhere: `publish_on`, `merge`, `zip` | a `Pull` over its feeds |
//! | `hurried` | an upstream that is not slowed down: `buffered_queue`, `conflate` | a function that fills a place |
//! | [`delivery`] | an end that hands the items to something asynchronous: `into_target`, `forward` | an [`AsyncTarget`](crate::edge::AsyncTarget) |
//! | `timed` | what waits for a time: `timeout`, `interval` | a `Pull` with an `Alarm` |
//! | `timed_chunks` | what items are put into until that is complete, or its time has come: `chunks_timeout`, `aggregate_with_boundary` | a [`Cut`](chunked::Cut), or a `Fill` |
//! | `paced` | what may not go faster than a rate: `throttle`, `rate_limit` | where tokens come from, what items cost |
//! | `governed`, `steered` | a limit, or a rate, that a controller decides: `adaptive_concurrency`, `throttle_adaptive` | what says how it goes |
//! | `kept` | what takes all, and keeps one item until its time: `debounce`, `sample` | a `Keep` |
//! | `hub` and `share` in `millstream-blocks` | several downstreams that each get all: `broadcast`, `share` | a `Plan` |
//! | `gathering` | items in groups that something else completes: `chunk_when`, `ready_chunks` | an `Outside` |
//! | `windowing` | a publisher for each stretch of items: `window`, `window_until` | a [`Cut`](chunked::Cut) |
//! | `polled` | a source that is polled: `from_future`, `from_stream` | a `Polled` |
//! | `divided` | one upstream, and several readers of whom each item goes to one: `partition`, `balance` | a `Choose` |
//! | `trunk`, and `branch` in `millstream-blocks` | one upstream, and branches that come and go: `group_by`, `divided`, `window_sliding` | a `Divide` |
//! | `halted` | a stream that is ended from outside: `stopped_by` | a switch, and what end it means |
//! | `relay` in `millstream-blocks` | one source after another: `chain`, `retry` | a `Sequence` |
//! | `failing` | errors of several upstreams, which end the stream at once or when all are over: `merge_delay_error` | whether they wait |
//!
//! The shapes carry demand, ends, cancellation, discarded items and faults. None of them, and no
//! operator, holds an atomic, a lock or unsafe code.

pub(crate) mod attempts;
pub(crate) mod awaited;
pub mod chunked;
pub mod delivery;
pub(crate) mod divided;
pub mod end;
pub(crate) mod failing;
pub(crate) mod flights;
pub(crate) mod gathering;
pub(crate) mod governed;
pub(crate) mod halted;
pub(crate) mod head;
pub(crate) mod hunger;
pub(crate) mod hurried;
pub(crate) mod joined;
pub(crate) mod kept;
pub(crate) mod keys;
pub(crate) mod one_then_other;
pub(crate) mod paced;
pub(crate) mod pause;
pub(crate) mod polled;
pub mod pump;
pub(crate) mod roster;
pub(crate) mod rounds;
pub mod stage;
pub(crate) mod steered;
pub(crate) mod table;
pub(crate) mod timed;
pub(crate) mod timed_chunks;
pub(crate) mod trunk;
pub(crate) mod turns;
pub(crate) mod windowing;
