//! What Millstream costs, beside what it cannot be below and beside its peers.
//!
//! A [`Workload`] is one task, solved by several [`Peer`]s with the same closures on the same
//! items. It is defined once, in [`workloads`], and measured three ways:
//!
//! * `cargo run --release -p millstream-benches --bin compare -- [W1 W9 ...]`: all peers of a
//!   workload by turns in one process, with ratios and whether what is promised is met.
//! * `cargo run --release -p millstream-benches --bin instructions -- [W1 ...]`: instructions per
//!   item under callgrind, which do not wobble.
//! * `cargo bench -p millstream-benches`: the same under criterion, with a group per workload.
//!
//! How it is kept honest: every sink passes each item through `black_box`, or a static chain is
//! folded to a formula, and that is how the promises were made; every peer must give the same result
//! before anything is timed, and has the faster of two forms where it has two; the [`model`] is the
//! one that the promises were made with: it has no errors, no panics to catch and no threads to
//! fear, so it shows what a push
//! chain with demand costs at least, not what a library costs. Where threads are crossed, every
//! peer has the same capacities and as many threads of its own as we have, or more.

pub mod allocations;
pub mod axes;
pub mod channels;
pub mod executors;
pub mod model;
pub mod noise;
pub mod peers;
pub mod records;
pub mod workloads;

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a peer stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The least that the task costs: no protocol at all.
    Limit,
    /// The least that a push chain with demand costs.
    Model,
    /// Millstream.
    Ours,
    /// Another library.
    Library,
    /// For comparison only: not the same task in some respect.
    Other,
}

/// One way to do the task of a workload.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// Its name in reports.
    pub name: &'static str,
    /// What it stands for.
    pub kind: Kind,
    /// Does the task once, and gives the result that all peers must agree on.
    pub run: fn() -> u64,
}

/// What is promised of [`Kind::Ours`]: ratios of time, each at most.
#[derive(Debug, Clone, Copy, Default)]
pub struct Promise {
    /// Times the [`Kind::Limit`].
    pub of_limit: Option<f64>,
    /// Times the [`Kind::Model`].
    pub of_model: Option<f64>,
    /// Times the best [`Kind::Library`].
    pub of_best: Option<f64>,
    /// Times the best library of the JVM.
    pub of_jvm: Option<f64>,
    /// Nanoseconds per item.
    pub nanoseconds: Option<f64>,
    /// Allocations per run.
    pub allocations: Option<u64>,
    /// Allocations per run on top of those of the [`Kind::Limit`].
    pub allocations_above: Option<u64>,
    /// On top of the [`Kind::Limit`], in kilobytes.
    pub above_limit: Option<f64>,
}

impl Promise {
    /// Nothing is promised.
    pub const NONE: Promise = Promise {
        of_limit: None,
        of_model: None,
        of_best: None,
        of_jvm: None,
        nanoseconds: None,
        allocations: None,
        allocations_above: None,
        above_limit: None,
    };
}

/// What is measured of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Time per item, on one thread: its instructions can be counted.
    Alone,
    /// Time per item, across threads.
    Across,
    /// What a run returns: the median of its round trips in nanoseconds.
    RoundTrip,
    /// The most memory that a process had which ran it once, in kilobytes.
    Memory,
}

/// One task and those who do it.
#[derive(Debug)]
pub struct Workload {
    /// Its name: `W1/10`.
    pub name: &'static str,
    /// What the task is.
    pub task: &'static str,
    /// What is measured.
    pub measure: Measure,
    /// The items of one run.
    pub size: fn() -> u64,
    /// Who does it.
    pub peers: Vec<Peer>,
    /// What is promised.
    pub promise: Promise,
}

impl Workload {
    /// The items of one run.
    #[must_use]
    pub fn items(&self) -> u64 {
        (self.size)()
    }

    /// Whether a run takes a time that means something.
    #[must_use]
    pub fn is_timed(&self) -> bool {
        matches!(self.measure, Measure::Alone | Measure::Across)
    }

    /// The result of every peer.
    ///
    /// # Panics
    /// When they do not agree.
    pub fn check(&self) -> u64 {
        let results: Vec<_> = self.peers.iter().map(|peer| (peer.name, (peer.run)())).collect();
        let expected = results[0].1;
        assert!(
            results.iter().all(|&(_, result)| result == expected),
            "{}: the peers do not agree: {results:?}",
            self.name
        );
        expected
    }
}

static ITEMS: AtomicU64 = AtomicU64::new(1_000_000);

/// The items of a workload with many: a million, unless set.
#[inline]
#[must_use]
pub fn items() -> u64 {
    black_box(ITEMS.load(Ordering::Relaxed))
}

/// The items of a workload in which much is paid once, for waking threads or opening groups: ten times
/// [`items`], so that it is no part of the cost of one.
#[must_use]
pub fn many() -> u64 {
    10 * items()
}

/// One: a workload that is over with its first item.
#[must_use]
pub fn one() -> u64 {
    1
}

/// Sets [`items`], to a multiple of 1000.
pub fn set_items(n: u64) {
    ITEMS.store(n, Ordering::Relaxed);
}

/// What every sink does with an item: passes it through [`black_box`], the same for everybody, as
/// where the promises were made.
///
/// It keeps the compiler from folding a static chain to a formula. It also stores the item, and
/// makes the compiler forget what it knows of memory, which is what a real sink, a write or a call,
/// does to any chain.
#[inline]
#[must_use]
pub fn add_up(total: u64, item: u64) -> u64 {
    total.wrapping_add(black_box(item))
}

/// As [`add_up`], by a register that the compiler cannot see into: nothing is stored, and nothing
/// forgotten.
#[inline(always)]
#[must_use]
pub fn add_up_in_a_register(total: u64, mut item: u64) -> u64 {
    // SAFETY: no instruction at all.
    unsafe {
        std::arch::asm!("/* {0} */", inout(reg) item, options(nomem, nostack, preserves_flags));
    }
    total.wrapping_add(item)
}
