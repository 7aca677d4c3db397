//! What models of concurrent stages are made of. It is used as `millstream_testkit::model`, which adds
//! executors; this crate stands alone so that the blocks, too, are judged by it and by nothing that
//! is made of them.
//!
//! A model is a test of a few lines in which two or three threads act on one stream: one asks,
//! another lets the items come, a third cancels. Built with `--cfg millstream_loom` it is run once for
//! each schedule of its threads with at most two preemptions; in an ordinary test run once, on real
//! threads. The guide is `docs/models.md`.
//!
//! | to | use |
//! |---|---|
//! | explore the schedules of a few threads | [`model()`], [`thread`] |
//! | see what comes, ask, cancel, and judge at the end | [`Oracle`], [`Probe`], [`Signal`] |
//! | have items whose lives are counted | [`Token`], [`Oracle::items`] |
//! | let a source begin on another thread | [`Late`], [`Start`] |
//! | be the executor of one task | [`Runner`], [`run`], [`run_and_drop`] |
//! | see that a mistake is caught | [`fails`] |
//! | say which step this is, in an execution that is told | [`tell`] |
//! | write code that can be modelled | the types of [`sync`] |

#![forbid(unsafe_code)]

mod fails;
mod late;
mod oracle;
mod runner;

pub use fails::fails;
pub use late::{Late, Start, late};
pub use millstream_sync as sync;
pub use millstream_sync::{deep_model as model, tell, thread};
pub use oracle::{
    Alive, Error, Handle, Items, Oracle, Probe, Signal, Token, all, begins, broken, items,
};
pub use runner::{Alarm, Runner, run, run_and_drop};
