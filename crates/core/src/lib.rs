//! The contract of Millstream: Reactive Streams in Rust's own terms.
//!
//! A [`Publisher`] is a lazy blueprint. [`Publisher::subscribe`] hands it a [`Subscriber`],
//! which receives its [`Subscription`] once and turns into an [`ActiveSubscriber`]: only that
//! can be sent items, and only as many as were asked for.
//!
//! ```text
//!  Publisher ──subscribe──▶ Subscriber::on_subscribe(self, Subscription) -> ActiveSubscriber
//!
//!            ◀──request(n)── Subscription          at most n items follow
//!            ──on_next──▶    ActiveSubscriber      its answer asks for more
//!            ──on_complete / on_error──▶           consumes it: nothing can follow
//! ```
//!
//! The 43 rules of Reactive Streams hold. Many of them are enforced by these types; each of
//! those has an example on its item that must not compile. This crate depends on nothing, holds
//! no unsafe code and is meant to hardly ever change. Users depend on the facade `millstream`.

#![forbid(unsafe_code)]

mod cause;
mod context;
mod demand;
mod fault;
mod publisher;
mod pull;
mod subscriber;
mod subscription;

pub use cause::Cause;
pub use context::{Context, Discards, KeyValue};
pub use demand::{Credit, Demand, IntoDemand, InvalidDemand, More};
pub use fault::{
    Failure, Fault, Panic, Refused, Stall, Undelivered, on_undelivered, report_undelivered,
};
pub use publisher::{Processor, Publisher};
pub use pull::{Handed, Hands, NeverPull, Pull, Pulled, Supply, give};
pub use subscriber::{ActiveSubscriber, End, Progress, Rest, Subscriber};
pub use subscription::{Subscription, Upstream};
