//! The building blocks of Millstream: the protocol, once.
//!
//! | block | in one sentence |
//! |---|---|
//! | [`word`] | one atomic word: demand, the right to emit, closed |
//! | [`turn`] | state that only the holder of the right to emit can touch |
//! | [`emission`] | the loop that sends items while there is demand |
//! | [`island`] | a synchronous source and its chain of stages, in one allocation |
//! | [`relay`] | a late-bound, switchable upstream that carries unspent demand over |
//! | [`outcome`] | an end that comes once, awaited or waited for |
//! | [`slot`] | one item at a time, asked for by whoever awaits it |
//!
//! Each is a file with its states, who may touch what and why each ordering is what it is; each
//! has models under `tests/` that explore its schedules, and seeded faults that the models must
//! catch. Operators are made of the shapes in `millstream-operators` and never touch these
//! directly, nor any atomic, lock or unsafe code of their own.

pub mod emission;
pub mod island;
pub mod outcome;
pub mod relay;
pub mod slot;
pub mod turn;
pub mod word;
