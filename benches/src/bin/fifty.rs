//! A chain of fifty stages, each with a closure of its own: what `compile_time.sh` compiles.

use std::hint::black_box;

use millstream::prelude::*;

macro_rules! maps {
    ($chain:expr; $($n:literal)*) => { $chain$(.map(|item: u64| item.wrapping_mul(3) ^ $n))* };
}

fn main() {
    let chain = maps!(
        millstream::from_iter(0..black_box(1000));
        1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25
        26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50
    );
    let all = chain.collect::<Vec<_>>().block().expect("it cannot fail");
    println!("{:?}", all.last());
}
