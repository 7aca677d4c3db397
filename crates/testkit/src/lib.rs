//! What tests of Reactive Streams need: a subscriber and a publisher that are driven by hand, a
//! verifier of steps, items that are counted, a kit for the 43 rules, and sweeps that run an
//! operator over every pattern of demand, cancellation, failure and panic.
//!
//! | to | use |
//! |---|---|
//! | look at what a publisher sends, and ask by hand | [`Probe`], [`probe()`] |
//! | drive a subscriber or an operator by hand, or badly | [`ScriptedPublisher`], [`Breach`] |
//! | write down a stream as steps | [`Verifier`] |
//! | see that no item is lost or kept | [`Ledger`], [`Token`] |
//! | see that the 43 rules hold | [`rules_for!`], [`rules`] |
//! | test an operator in one line | [`rows!`], [`sweep`] |
//! | let time pass | [`VirtualTime`], [`VirtualClock`] |
//! | test an executor, a clock | [`executor::check`], [`clock::check`] |
//! | explore the schedules of a stage with threads of its own | [`model`] |
//!
//! It depends on the contracts and their boxed forms alone, so it judges publishers and subscribers of anybody.

#![forbid(unsafe_code)]

pub mod clock;
pub mod executor;
mod lock;
pub mod model;
mod order;
mod probe;
mod reaper;
pub mod rules;
mod scripted;
pub mod sweep;
mod time;
mod token;
mod verifier;

pub use probe::{
    ActiveProbe, Answer, Behaviour, Event, Faulted, Place, Probe, ProbeHandle, Violation, probe,
};
pub use scripted::{Breach, Script, ScriptedPublisher};
pub use time::{VirtualClock, VirtualTime};
pub use token::{Counted, Ledger, Token};
pub use verifier::Verifier;
