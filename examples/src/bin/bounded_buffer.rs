//! `bounded_buffer`: a buffer of five between a producer and a consumer that is ten times slower.
//!
//! The producer runs on a thread of its own and could make all its items at once. It makes five,
//! and then one each time that the consumer takes one: it waits, and nobody had to say so. With
//! `Overflow::drop_oldest()` in place of `Backpressure` it would not wait, and lose items.

#![forbid(unsafe_code)]

use std::thread::sleep;
use std::time::{Duration, Instant};

use millstream::executor::Threads;
use millstream::overflow::Backpressure;
use millstream::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (threads, start) = (Threads::new(1), Instant::now());
    let say = move |what| println!("{:4} ms  {what}", start.elapsed().as_millis());

    let producer = millstream::range(1..13).map(move |n| {
        sleep(Duration::from_millis(2));
        say(format!("made {n}"));
        n
    });
    let mut buffer =
        producer.subscribe_on(threads.handle()).buffered_queue(5, Backpressure).cursor();
    while let Some(n) = buffer.block_next()? {
        say(format!("                took {n}"));
        sleep(Duration::from_millis(20));
    }
    Ok(())
}
