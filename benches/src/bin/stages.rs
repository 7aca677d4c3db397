//! A chain of many stages, each with a closure of its own: what it takes to compile it, and how
//! large the program is, as `cargo xtask compare --programs` finds out.
//!
//! `cargo rustc --bin stages -- --cfg 'stages="50"' --cfg 'of="millstream"'`: 10, 50 or 100 stages,
//! 10 unless said, of `millstream`, `boxed`, `iterator` or `futures`.

#![recursion_limit = "1024"]
#![expect(unexpected_cfgs, reason = "whoever measures sets them, for this program alone")]

use std::hint::black_box;

#[cfg(not(of = "boxed"))]
macro_rules! stages {
    ($chain:expr; $($n:literal)*) => { $chain$(.map(|item: u64| item.wrapping_mul(3) ^ $n))* };
}

#[cfg(of = "boxed")]
macro_rules! stages {
    ($chain:expr; $($n:literal)*) => {
        $chain$(.map(|item: u64| item.wrapping_mul(3) ^ $n).boxed())*
    };
}

#[cfg(not(any(stages = "50", stages = "100")))]
macro_rules! chain {
    ($chain:expr) => { stages!($chain; 1 2 3 4 5 6 7 8 9 10) };
}

#[cfg(stages = "50")]
macro_rules! chain {
    ($chain:expr) => {
        stages!($chain;
            1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25
            26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50)
    };
}

#[cfg(stages = "100")]
macro_rules! chain {
    ($chain:expr) => {
        stages!($chain;
            1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25
            26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50
            51 52 53 54 55 56 57 58 59 60 61 62 63 64 65 66 67 68 69 70 71 72 73 74 75
            76 77 78 79 80 81 82 83 84 85 86 87 88 89 90 91 92 93 94 95 96 97 98 99 100)
    };
}

#[cfg(not(any(of = "iterator", of = "futures")))]
fn last() -> Option<u64> {
    use millstream::prelude::*;
    let chain = chain!(millstream::from_iter(0..black_box(1000)));
    chain.collect::<Vec<_>>().block().expect("it cannot fail").last().copied()
}

#[cfg(of = "iterator")]
fn last() -> Option<u64> {
    chain!(0..black_box(1000)).collect::<Vec<_>>().last().copied()
}

#[cfg(of = "futures")]
fn last() -> Option<u64> {
    use futures::StreamExt;
    let chain = chain!(futures::stream::iter(0..black_box(1000)));
    futures::executor::block_on(chain.collect::<Vec<_>>()).last().copied()
}

fn main() {
    println!("{:?}", last());
}
