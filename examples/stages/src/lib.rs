//! Stages with threads of their own, as a user writes them outside of the library. They are here for
//! their models, in `tests`; the guide to those is `docs/models.md`.
//!
//! | stage | what is shared |
//! |---|---|
//! | [`gate`] | demand that is kept until another thread opens: a lock |
//! | [`handoff`] | items that go to a task of an executor: an atomic, a place for one item, a waker |

#![forbid(unsafe_code)]

pub mod gate;
pub mod handoff;
