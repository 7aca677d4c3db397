//! `rate_limit`: twelve requests that are all there at once, to a service that takes ten a second.
//!
//! Three go at once, since the bucket is full; then one every tenth of a second. None is lost: those
//! that are early wait, and their producer with them. With `throttle_latest` in place of `throttle`
//! it would not, and only the newest would go.

#![forbid(unsafe_code)]

use std::time::Instant;

use millstream::executor::{Executor, Pool};
use millstream::prelude::*;
use millstream::time::SystemClock;
use millstream::timing::Rate;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (pool, clock, start) = (Pool::new(1), SystemClock::new(), Instant::now());
    let time = pool.handle().with_clock(clock.handle());

    let requests = millstream::range(1..13).map(move |n| (n, start.elapsed().as_millis()));
    let paced = requests.throttle(time, 4, Rate::per_second(10).burst(3));
    let sent = paced.for_each(move |(n, made)| {
        let now = start.elapsed().as_millis();
        println!("request {n:2}  made at {made:4} ms, sent at {now:4} ms");
    });
    sent.block()?;
    println!("12 sent, none dropped, in {} ms", start.elapsed().as_millis());
    Ok(())
}
