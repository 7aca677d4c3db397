//! What time costs: the rate that `throttle` holds, what it costs where it does not bind, a chain
//! with a time-out over one without, chunks that have a time over those that have none, and timers
//! that are set and cleared.
//!
//! Each figure is the median of its rounds; what is compared runs by turns. At the end comes what
//! is promised. These are figures of real time: they mean something on a machine that is quiet.

use std::hint::black_box;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use millstream::executor::Executor;
use millstream::prelude::*;
use millstream::time::{Clock, SystemClock, Timed};
use millstream::timing::{Rate, TokenBucket};
use millstream_benches::executors::POOL;

const ROUNDS: usize = 9;
const ITEMS: u64 = 1_000_000;
const SECOND: Duration = Duration::from_secs(1);

type Time = Timed<millstream::executor::PoolHandle, millstream::time::SystemClockHandle>;

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Items in a second, in percent of a million, for as long as `second` says.
fn held<P: Publisher<Item = u64, Error = std::convert::Infallible>>(paced: P) -> f64 {
    let begun = Instant::now();
    let in_time = paced.take_while(move |_| begun.elapsed() < SECOND);
    let sent = in_time.count().block().expect("it does not fail");
    sent as f64 / begun.elapsed().as_secs_f64() / 1e4
}

/// Nanoseconds for each item.
fn per_item<P: Publisher<Item = u64, Error: std::fmt::Debug>>(items: P) -> f64 {
    let begun = Instant::now();
    let sum = items.fold(0, |sum: u64, item| sum.wrapping_add(black_box(item))).block();
    let taken = begun.elapsed();
    black_box(sum.expect("it does not fail"));
    taken.as_nanos() as f64 / ITEMS as f64
}

/// Nanoseconds for each item of the chunks.
fn per_chunked_item<P>(chunks: P) -> f64
where
    P: Publisher<Item = Vec<u64>, Error = std::convert::Infallible>,
{
    let begun = Instant::now();
    let count = chunks.fold(0, |count: usize, chunk| count + black_box(chunk).len()).block();
    let taken = begun.elapsed();
    assert_eq!(count.expect("it does not fail") as u64, ITEMS);
    taken.as_nanos() as f64 / ITEMS as f64
}

/// Of a million items that are pulled by a task, and of as many that come through its queue.
fn pulled() -> impl Publisher<Item = u64, Error = std::convert::Infallible> {
    millstream::from_iter(0..black_box(ITEMS)).map(|n| n.wrapping_mul(3))
}

fn queued() -> impl Publisher<Item = u64, Error = std::convert::Infallible> {
    pulled().publish_on(POOL.handle(), 256)
}

/// By turns: the medians of `with` and `without`, and of how they differ and how they compare.
fn against(with: impl Fn() -> f64, without: impl Fn() -> f64) -> [f64; 4] {
    let rounds: Vec<_> = (0..ROUNDS).map(|_| (with(), without())).collect();
    let of = |f: fn(&(f64, f64)) -> f64| median(rounds.iter().map(f).collect());
    [of(|r| r.0), of(|r| r.1), of(|r| r.0 - r.1), of(|r| r.0 / r.1)]
}

struct Nobody;

impl Wake for Nobody {
    fn wake(self: Arc<Self>) {}
}

/// How many timers are made, set and dropped in a second.
fn timers(time: &Time) -> f64 {
    let waker = Waker::from(Arc::new(Nobody));
    let at = time.now() + Duration::from_secs(60);
    let begun = Instant::now();
    for _ in 0..100_000 {
        let mut timer = time.timer(waker.clone());
        timer.set(at).expect("the clock is there");
        black_box(&timer);
    }
    100_000.0 / begun.elapsed().as_secs_f64()
}

fn main() {
    let clock = SystemClock::new();
    let time = POOL.handle().with_clock(clock.handle());
    let million = Rate::per_second(1_000_000);
    let endless = || millstream::from_iter(0..u64::MAX);

    let mut kept = true;
    let mut promise = |what: &str, is: f64, within: std::ops::RangeInclusive<f64>| {
        let good = within.contains(&is);
        kept &= good;
        let verdict = if good { "kept" } else { "NOT KEPT" };
        println!("{what:<60} {is:>12.2}   {:?}   {verdict}", within);
    };
    let percent = |rate| {
        let paced = || endless().throttle(time.clone(), 256, rate);
        median((0..3).map(|_| held(paced())).collect())
    };
    promise("throttle at 1,000,000/s: % held", percent(million), 99.0..=101.0);
    // Without anything saved up each item asks for the time, and what else runs here shows.
    println!("the same, nothing saved up: {:.2} % held", percent(million.burst(1)));
    let shared = held(endless().rate_limit(time.clone(), 256, &TokenBucket::new(million)));
    println!("rate_limit at 1,000,000/s: {shared:.2} % held");

    let loose = Rate::per_second(1_000_000_000).burst(ITEMS * 16);
    let [with, without, more, _] = against(
        || per_item(pulled().throttle(time.clone(), 256, loose)),
        || per_item(pulled().publish_on(time.clone(), 256)),
    );
    println!("throttle that does not bind, pulled: {with:.2} ns, {without:.2} without");
    promise("throttle that does not bind, pulled: ns more", more, -100.0..=100.0);
    let strict = Rate::per_second(1_000_000_000).burst(1);
    let [with, without, ..] = against(
        || per_item(pulled().throttle(time.clone(), 256, strict)),
        || per_item(pulled().publish_on(time.clone(), 256)),
    );
    println!("the same, nothing saved up: {with:.2} ns, {without:.2} without");

    let [with, without, _, ratio] = against(
        || per_item(queued().timeout(time.clone(), 256, SECOND)),
        || per_item(queued().publish_on(time.clone(), 256)),
    );
    println!("a chain with timeout: {with:.2} ns, {without:.2} without");
    promise("a chain with timeout: times the chain without", ratio, 0.0..=1.5);

    let [with, without, _, ratio] = against(
        || per_chunked_item(pulled().chunks_timeout(time.clone(), 256, 100, SECOND)),
        || per_chunked_item(pulled().chunks(100).publish_on(time.clone(), 256)),
    );
    println!("chunks_timeout of 100, pulled: {with:.2} ns, {without:.2} by chunks");
    promise("chunks_timeout of 100, pulled: times chunks", ratio, 0.0..=2.0);
    let [with, without, _, ratio] = against(
        || per_chunked_item(queued().chunks_timeout(time.clone(), 256, 100, SECOND)),
        // As many crossings for each item: the stage that waits has a queue before it.
        || per_chunked_item(queued().publish_on(time.clone(), 256).chunks(100)),
    );
    println!("chunks_timeout of 100, queued: {with:.2} ns, {without:.2} by chunks");
    promise("chunks_timeout of 100, queued: times chunks", ratio, 0.0..=2.0);

    let each = median((0..ROUNDS).map(|_| timers(&time)).collect());
    promise("timers made, set and dropped in a second", each, 100_000.0..=f64::MAX);
    std::process::exit(i32::from(!kept));
}
