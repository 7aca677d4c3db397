//! One run: a random pipeline, its consumer, and what must hold of it.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use millstream::executor::Pool;
use millstream::fan_out::Stalled;
use millstream::fault::Backoff;
use millstream::overflow::{Backpressure, Overflow};
use millstream::prelude::*;
use millstream::timing::{Rate, TimeoutError};
use millstream::{BoxPublisher, DropReason};

use crate::consumer::{Consumer, End};
use crate::trouble::{Chance, Place, Token, World};

type Stream = BoxPublisher<Token, String>;

/// A pipeline under construction, and what may be expected of it.
struct Draft {
    stream: Stream,
    /// Items come in the order in which they are made.
    ordered: bool,
    /// All that is made is delivered.
    lossless: bool,
    text: String,
}

impl Draft {
    fn then(mut self, name: &str, stage: impl FnOnce(Stream) -> Stream) -> Draft {
        self.text.push_str(" · ");
        self.text.push_str(name);
        Draft { stream: stage(self.stream), ..self }
    }
}

/// The errors of stages that add their own.
fn flat(error: TimeoutError<String>) -> String {
    match error {
        TimeoutError::Upstream(error) => error,
        other => other.to_string(),
    }
}

fn never<T>(never: std::convert::Infallible) -> T {
    match never {}
}

/// Yields to whoever else is ready, a few times.
async fn yields(times: u64) {
    for _ in 0..times {
        let mut yielded = false;
        std::future::poll_fn(|context| {
            if std::mem::replace(&mut yielded, true) {
                return std::task::Poll::Ready(());
            }
            context.waker().wake_by_ref();
            std::task::Poll::Pending
        })
        .await;
    }
}

fn stage(draft: Draft, place: &Place, chance: &mut Chance) -> Draft {
    let x = place.clone();
    let k = 1 + chance.below(40) as usize;
    let millis = Duration::from_millis(1 + chance.below(8));
    let mut own = chance.split();
    match chance.below(36) {
        0 => draft.then("publish_on", |s| s.publish_on(x, k).boxed()),
        1 => draft.then("subscribe_on", |s| s.subscribe_on(x).boxed()),
        2 => draft.then("async_boundary", |s| s.async_boundary(x, k).boxed()),
        3 => draft.then("prefetch", |s| s.prefetch(k).boxed()),
        4 => draft.then("map_async", |s| {
            s.map_async(x, k, move |token| {
                let times = own.below(4);
                async move {
                    yields(times).await;
                    token
                }
            })
            .boxed()
        }),
        5 => Draft { ordered: false, ..draft }.then("map_async_unordered", |s| {
            s.map_async_unordered(x, k, move |token| {
                let times = own.below(4);
                async move {
                    yields(times).await;
                    token
                }
            })
            .boxed()
        }),
        6 => draft.then("buffered_queue", |s| s.buffered_queue(k, Backpressure).boxed()),
        7 => draft.then("detach", |s| s.detach().boxed()),
        8 => draft.then("chunks_timeout", |s| {
            s.chunks_timeout(x, k, 7, millis).concat_map_iter(|chunk| chunk).boxed()
        }),
        9 => draft.then("throttle", |s| {
            s.throttle(x, k, Rate::per_second(20_000).burst(1 + own.below(100))).boxed()
        }),
        10 => draft
            .then("timeout", |s| s.timeout(x, k, Duration::from_secs(50)).map_err(flat).boxed()),
        11 => draft.then("chunks_weighted_timeout", |s| {
            let cost = |token: &Token| 1 + token.n % 3;
            s.chunks_weighted_timeout(x, k, 9, millis, cost).concat_map_iter(|chunk| chunk).boxed()
        }),
        12 => draft.then("chunks", |s| s.chunks(k).concat_map_iter(|chunk| chunk).boxed()),
        13 => Draft { ordered: false, ..draft }.then("group_by", |s| {
            s.group_by(4, k, Stalled::Fail, |token| token.n % 4)
                .flat_map_unordered(4, k, |group| group)
                .boxed()
        }),
        14 => Draft { ordered: false, ..draft }.then("balance", |s| {
            let [a, b] = s.balance::<2>();
            a.merge(b, k).boxed()
        }),
        15 => Draft { ordered: false, ..draft }.then("partition", |s| {
            let [a, b] = s.partition::<2, _>(k, |token| (token.n % 2) as usize);
            a.merge(b, k).boxed()
        }),
        16 => draft.then("broadcast, zip", |s| {
            let [a, b] = s.broadcast::<2>(k);
            a.zip(b, k).map(|(a, _)| a).boxed()
        }),
        17 => Draft { ordered: false, ..draft }.then("flat_map_unordered", |s| {
            s.flat_map_unordered(k, 2, |token| millstream::just(token).map_err(never).boxed())
                .boxed()
        }),
        18 => draft.then("flat_map_ordered", |s| {
            s.flat_map_ordered(k, 2, |token| millstream::just(token).map_err(never).boxed()).boxed()
        }),
        19 => draft.then("concat_map", |s| {
            s.concat_map(|token| millstream::just(token).map_err(never).boxed()).boxed()
        }),
        20 => draft.then("delay", |s| s.delay(x, k, millis).boxed()),
        21 => draft.then("delay_subscription", |s| s.delay_subscription(x, k, millis).boxed()),
        22 => draft.then("publish", |s| s.publish(k).ref_count(1).boxed()),
        23 => draft.then("limit_rate", |s| s.limit_rate(k as u64, k as u64 / 2).boxed()),
        24 => draft.then("idle_timeout", |s| {
            s.idle_timeout(x, k, Duration::from_secs(50)).map_err(flat).boxed()
        }),
        // What drops by a policy.
        25 => Draft { lossless: false, ..draft }.then("latest", |s| s.latest().boxed()),
        26 => Draft { lossless: false, ..draft }
            .then("debounce", |s| s.debounce(x, k, millis).boxed()),
        27 => Draft { lossless: false, ..draft }.then("sample", |s| s.sample(x, k, millis).boxed()),
        28 => Draft { lossless: false, ..draft }
            .then("throttle_first", |s| s.throttle_first(x, k, millis).boxed()),
        29 => Draft { lossless: false, ..draft }.then("drop_oldest", |s| {
            let policy = Overflow::drop_oldest().on_drop(|token: Token, _: DropReason| drop(token));
            s.buffered_queue(k, policy).boxed()
        }),
        30 => Draft { lossless: false, ..draft }
            .then("take_within", |s| s.take_within(x, k, 5 * millis).boxed()),
        31 => Draft { lossless: false, ..draft }
            .then("conflate", |s| s.conflate(|_, newest| newest).boxed()),
        32 => Draft { lossless: false, ..draft }
            .then("filter", |s| s.filter(|token| token.n % 3 != 0).boxed()),
        33 => Draft { lossless: false, ..draft }.then("take", |s| s.take(own.below(2000)).boxed()),
        _ => {
            let counts = place.counts();
            draft.then("map that may panic", |s| {
                s.map(move |token| {
                    if own.once_in(10_000) {
                        counts.panics.fetch_add(1, Relaxed);
                        resume_unwind(Box::new("by chance"));
                    }
                    token
                })
                .boxed()
            })
        }
    }
}

/// The source: numbers that are made as they are asked for, sent by a thread of its own, or made by
/// attempts that fail now and then.
fn source(
    world: &World,
    n: u64,
    live: &Arc<AtomicU64>,
    place: &Place,
    chance: &mut Chance,
) -> Draft {
    let (counts, live) = (world.counts.clone(), live.clone());
    let draft =
        |stream, text: &str| Draft { stream, ordered: true, lossless: true, text: text.to_owned() };
    match chance.below(4) {
        0 => {
            let (sender, items) = millstream::channel(1 + chance.below(64) as usize);
            let feeder = move || {
                for n in 0..n {
                    if sender.send_blocking(Token::new(n, &live, &counts)).is_err() {
                        return;
                    }
                }
                sender.complete();
            };
            std::thread::Builder::new().spawn(feeder).expect("a thread can be started");
            draft(items.map_err(never).boxed(), "channel")
        }
        1 => {
            // Each attempt goes on where the one before failed.
            let sent = Arc::new(AtomicU64::new(0));
            let attempts = millstream::defer(move || {
                let (sent, live, counts) = (sent.clone(), live.clone(), counts.clone());
                let left = n - sent.load(Relaxed);
                millstream::from_iter(0..left).map_err(never::<String>).try_map(move |_| {
                    let n = sent.fetch_add(1, Relaxed);
                    if n % 997 == 996 {
                        // It is not sent, and does not count.
                        return Err("by plan".to_owned());
                    }
                    Ok(Token::new(n, &live, &counts))
                })
            });
            let backoff = Backoff::new(Duration::from_millis(1)).max(Duration::from_millis(4));
            let patient = attempts.retry_backoff(place.clone(), backoff, |_| true);
            Draft { lossless: false, ..draft(patient.boxed(), "retry_backoff") }
        }
        _ => {
            let numbers = millstream::from_iter(0..n).map(move |n| Token::new(n, &live, &counts));
            draft(numbers.map_err(never).boxed(), "range")
        }
    }
}

/// Runs the pipeline that `seed` decides, to its end.
pub(crate) fn run(world: &World, seed: u64) {
    let mut chance = Chance::new(seed);
    let counts = &world.counts;
    let live = Arc::new(AtomicU64::new(0));
    let mut own_pool = chance.once_in(40).then(|| Pool::new(1));
    let place = match &own_pool {
        Some(pool) => world.place_on(pool.handle(), &mut chance),
        None => world.place(&mut chance),
    };
    let n = chance.below(5_000);
    let mut draft = source(world, n, &live, &place, &mut chance);
    for _ in 0..1 + chance.below(6) {
        draft = stage(draft, &place, &mut chance);
    }
    let Draft { stream, ordered, lossless, text } = draft;
    let fails = |what: &str| -> ! { panic!("seed {seed}, {n} items, {text}: {what}") };

    let consumer = Consumer::new(ordered);
    stream.subscribe(consumer.subscriber());
    let cancels_after = chance.once_in(4).then(|| chance.below(n + 1));
    let drops_pool_after = own_pool.is_some().then(|| chance.below(n + 1));
    let mut ended = None;
    while ended.is_none() {
        let delivered = consumer.delivered();
        if cancels_after.is_some_and(|after| delivered >= after) {
            consumer.cancel();
            break;
        }
        if drops_pool_after.is_some_and(|after| delivered >= after)
            && let Some(pool) = own_pool.take()
        {
            counts.pools_dropped.fetch_add(1, Relaxed);
            drop(pool);
        }
        if chance.once_in(300) {
            counts.pauses.fetch_add(1, Relaxed);
            std::thread::sleep(Duration::from_millis(1 + chance.below(20)));
        }
        let asks = [1, 1, 2, 16, 64, 256][chance.below(6) as usize];
        consumer.request(asks);
        // Some of it may still be on its way when more is asked for.
        let left = if chance.once_in(3) { asks / 2 } else { 0 };
        ended = consumer.wait(left).unwrap_or_else(|wrong| fails(&wrong));
    }
    let cancelled = ended.is_none();
    let end =
        ended.map_or_else(|| consumer.wait_for_end(), Ok).unwrap_or_else(|wrong| fails(&wrong));
    drop(own_pool);

    let delivered = consumer.delivered();
    match &end {
        End::Completed if lossless && !cancelled && delivered != n => {
            fails(&format!("{delivered} items came before the completion"))
        }
        End::Completed => counts.completed.fetch_add(1, Relaxed),
        End::Failed(_) => counts.failed.fetch_add(1, Relaxed),
        End::Broken(_) => counts.broken.fetch_add(1, Relaxed),
        End::Dropped if cancelled => counts.cancelled.fetch_add(1, Relaxed),
        End::Dropped => fails("it was dropped without an end"),
    };
    // Tasks that were cancelled drop what they hold when they run next.
    let patience = Instant::now() + Duration::from_secs(60);
    while live.load(Relaxed) > 0 {
        if Instant::now() > patience {
            fails(&format!("{} items are alive after {end:?}", live.load(Relaxed)));
        }
        std::thread::yield_now();
    }
    counts.delivered.fetch_add(delivered, Relaxed);
    counts.runs.fetch_add(1, Relaxed);
}
