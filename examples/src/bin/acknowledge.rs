//! `acknowledge`: two brokers in memory, and what becomes of the items that they hand out.
//!
//! The first is a queue, that keeps each order until it hears of it, and delivers again what was
//! refused. The second is a log, that knows one position: what lies before it was done with. Either
//! never has more of its items out than the window has room for.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::error::Error;
use std::future::poll_fn;
use std::ops::Range;
use std::sync::mpsc::channel;
use std::task::Poll;

use millstream::ack::Verdict;
use millstream::executor::{CurrentThread, Executor};
use millstream::prelude::*;
use millstream::source::Sender;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const ORDERS: u32 = 12;
const ROWS: u32 = 20;

fn main() -> Result<()> {
    queue()?;
    println!();
    log()
}

/// Takes so many turns, while others go on; or hangs.
async fn work(turns: Option<u32>) {
    let mut left = turns;
    poll_fn(|context| {
        let Some(left) = &mut left else { return Poll::Pending };
        context.waker().wake_by_ref();
        *left = left.saturating_sub(1);
        if *left == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

// ---- a queue --------------------------------------------------------------------------------

/// An order, and how often it was delivered before.
#[derive(Debug, Clone, Copy)]
struct Order {
    number: u32,
    before: u32,
}

/// What the queue saw.
#[derive(Debug, Clone, Default)]
struct Seen {
    acknowledged: u32,
    again: Vec<u32>,
    given_up: Vec<u32>,
}

/// The queue: it keeps each order until it hears of it, and gives up after three deliveries.
struct Queue {
    /// Until there is nothing left to deliver.
    deliver: Option<Sender<Order>>,
    left: u32,
    seen: Seen,
}

impl Queue {
    fn hears(&mut self, order: Order, verdict: &Verdict) {
        match verdict {
            Ok(()) => self.seen.acknowledged += 1,
            Err(_) if order.before < 2 => {
                self.seen.again.push(order.number);
                return self.send(Order { before: order.before + 1, ..order });
            }
            Err(_) => self.seen.given_up.push(order.number),
        }
        self.left -= 1;
        if self.left == 0
            && let Some(deliver) = self.deliver.take()
        {
            deliver.complete();
        }
    }

    fn send(&self, order: Order) {
        if let Some(deliver) = &self.deliver {
            deliver.try_send(order).unwrap_or_else(|_| unreachable!("it has room for all"));
        }
    }
}

fn queue() -> Result<()> {
    let (deliver, orders) = millstream::channel(ORDERS as usize);
    let mut queue = Queue { deliver: Some(deliver), left: ORDERS, seen: Seen::default() };
    (1..=ORDERS).for_each(|number| queue.send(Order { number, before: 0 }));

    let executor = CurrentThread::new();
    let (tells, told) = channel();
    let delivers = tells.clone();
    let end = orders
        .acked(3, |order: &Order| *order)
        .settle_each(move |order, verdict| {
            queue.hears(order, &verdict);
            tells.send(Some(queue.seen.clone()))
        })
        .inspect(move |_| delivers.send(None).unwrap_or_default())
        .map_async(executor.handle(), 3, |order| async move {
            work(Some(1 + order.number % 4)).await;
            match order.number {
                4 if order.before == 0 => Err("busy, try again"),
                9 => Err("nobody can read that"),
                _ => Ok(order),
            }
        })
        .map_or_nack(|done| done)
        .drain();
    executor.run_until(end)?;

    let (mut delivered, mut open, mut most, mut seen) = (0, 0_u32, 0, Seen::default());
    for event in told.try_iter() {
        match event {
            None => (delivered, open) = (delivered + 1, open + 1),
            Some(now) => (open, seen) = (open - 1, now),
        }
        most = most.max(open);
    }
    let Seen { acknowledged, again, given_up } = seen;
    println!("a queue, told of each item: {ORDERS} orders, a window of 3");
    println!("  delivered     {delivered:3}");
    println!("  acknowledged  {acknowledged:3}");
    println!("  refused       {:3}", again.len() + given_up.len());
    println!("  redelivered   {:3}   orders {again:?}", again.len());
    println!("  dropped       {:3}   orders {given_up:?}, refused three times", given_up.len());
    println!("  held at most  {most:3}");
    Ok(())
}

// ---- a log ----------------------------------------------------------------------------------

/// What one run came to.
struct Run {
    done: Vec<u32>,
    committed: u32,
    over: bool,
}

/// Reads rows until it is over, or stands still because one of them hangs: then it is killed.
fn read(rows: Range<u32>, hangs: Option<u32>) -> Result<Run> {
    let executor = CurrentThread::new();
    let (does, done) = channel();
    let (commit, commits) = channel();
    let (ends, ended) = channel();
    let end = millstream::range(rows)
        .acked(4, |row| *row)
        .commit_in_order(2, move |row| commit.send(row))
        .for_each_concurrent(executor.handle(), 3, move |row| {
            let does = does.clone();
            async move {
                work((hangs != Some(row)).then_some(1 + row * 5 % 7)).await;
                does.send(row).unwrap_or_default();
            }
        });
    executor.handle().spawn(Box::pin(async move {
        ends.send(end.await.is_ok()).unwrap_or_default();
    }))?;
    executor.run_until_idle();
    drop(executor);
    let committed = commits.iter().last().ok_or("nothing was committed")?;
    Ok(Run { done: done.iter().collect(), committed, over: ended.try_recv() == Ok(true) })
}

fn log() -> Result<()> {
    println!("a log, committed in order: {ROWS} rows, a window of 4 and 2 that may wait");
    let first = read(0..ROWS, Some(9))?;
    println!("  first run     row 9 hangs, and it is killed: {}", over(&first));
    println!("    done        {:?}", first.done);
    println!("    committed   up to {}", first.committed);
    let second = read(first.committed + 1..ROWS, None)?;
    println!("  second run    from {}: {}", first.committed + 1, over(&second));
    println!("    done        {:?}", second.done);
    println!("    committed   up to {}", second.committed);

    let again: Vec<u32> =
        first.done.iter().filter(|row| second.done.contains(row)).copied().collect();
    let all: BTreeSet<u32> = first.done.into_iter().chain(second.done).collect();
    println!("  redelivered   rows {again:?}; {} of {ROWS} were done", all.len());
    Ok(())
}

fn over(run: &Run) -> &'static str {
    if run.over { "complete" } else { "not complete" }
}
