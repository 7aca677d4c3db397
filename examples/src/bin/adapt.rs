//! `adapt`: as many requests at a time as a service bears, which nobody told us.
//!
//! The service answers six at a time and turns more away. The limit starts at one, goes up by one
//! while all is well, and is cut in half when a request is turned away: it feels its way along the
//! edge, as TCP does.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use millstream::Board;
use millstream::control::Aimd;
use millstream::executor::{Executor, Pool};
use millstream::prelude::*;
use millstream::time::{Clock, SystemClock, sleep};

/// Answers in five milliseconds, so many requests at a time.
async fn service<C: Clock>(clock: C, busy: Arc<AtomicUsize>) -> Result<(), &'static str> {
    const PLACES: usize = 6;
    if busy.fetch_add(1, SeqCst) >= PLACES {
        busy.fetch_sub(1, SeqCst);
        return Err("turned away");
    }
    let slept = sleep(clock, Duration::from_millis(5)).await;
    busy.fetch_sub(1, SeqCst);
    slept.map_err(|_| "the clock has gone")
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (pool, clock, board) = (Pool::new(1), SystemClock::new(), Board::new(1));
    let time = pool.handle().with_clock(clock.handle());
    let busy = Arc::new(AtomicUsize::new(0));

    let (looks, ticking) = (board.clone(), clock.handle());
    let replies = millstream::range(0..600)
        .adaptive_concurrency(time, Aimd::new(1.0..=64.0), move |_| {
            service(ticking.clone(), busy.clone())
        })
        .overload_when(|reply| reply.is_err())
        .observed(&board);
    let (mut answered, mut turned_away) = (0, 0);
    let done = replies.for_each(move |reply| {
        if reply.is_ok() {
            answered += 1
        } else {
            turned_away += 1
        }
        if (answered + turned_away) % 50 == 0 {
            let limit = looks.snapshot().rows()[0].decisions.map_or(0.0, |made| made.limit);
            println!("limit {limit:4.1}   answered {answered:3}   turned away {turned_away:2}");
        }
    });
    done.block()?;
    Ok(())
}
