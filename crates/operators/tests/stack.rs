//! The depth of the stack does not grow with the number of items, of sources or of attempts.
//!
//! Everything runs on a stack of 256 KiB: a hundred thousand return addresses are three times that.

mod eager;

use std::cell::Cell;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use millstream::ack::{AckError, Acked, AckedPublisher, Settled, Verdict};
use millstream::chunk::Truncated;
use millstream::control::Aimd;
use millstream::fan_out::Stalled;
use millstream::fault::Backoff;
use millstream::lifecycle::KillSwitch;
use millstream::limit::{Permits, Permitted};
use millstream::overflow::{Backpressure, Overflow, Valve};
use millstream::prelude::*;
use millstream::source::Restart;
use millstream::timing::{Rate, TokenBucket, Trailing};
use millstream::{Board, BoxPublisher, Demand, MissedTicks, More, Subscription, Upstream};

use eager::{Eager, in_haste, timeless};

thread_local! {
    static DEEP: Cell<u64> = const { Cell::new(0) };
}

/// How many items, sources or attempts there are in the run that is under way.
fn deep() -> u64 {
    DEEP.get()
}

fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    let small = std::thread::Builder::new().stack_size(256 << 10);
    let running = small.spawn(work).expect("a thread can be started");
    if let Err(payload) = running.join() {
        std::panic::resume_unwind(payload);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// One by the answer.
    Answer,
    /// One by a request from inside the item.
    Request,
}

#[derive(Default)]
struct Heard {
    items: AtomicU64,
    ended: AtomicU64,
}

struct OneByOne {
    how: How,
    heard: Arc<Heard>,
}

struct Asking {
    how: How,
    heard: Arc<Heard>,
    upstream: Arc<dyn Upstream>,
}

impl<T: Send + 'static, E: Send + 'static> Subscriber<T, E> for OneByOne {
    type Active = Asking;

    fn on_subscribe(self, subscription: Subscription) -> Asking {
        let upstream = subscription.into_upstream();
        upstream.request(Demand::ONE);
        Asking { how: self.how, heard: self.heard, upstream }
    }
}

impl<T: Send + 'static, E: Send + 'static> ActiveSubscriber<T, E> for Asking {
    fn on_next(&mut self, _: T) -> More {
        self.heard.items.fetch_add(1, Ordering::Relaxed);
        match self.how {
            How::Answer => More::ONE,
            How::Request => {
                self.upstream.request(Demand::ONE);
                More::NONE
            }
        }
    }

    fn on_complete(self) {
        self.heard.ended.fetch_add(1, Ordering::Relaxed);
    }

    fn on_error(self, _: E) {
        self.heard.ended.fetch_add(1, Ordering::Relaxed);
    }
}

fn gives<P: Publisher>(
    items: impl Fn() -> u64 + Send + 'static,
    build: impl Fn() -> P + Send + 'static,
) {
    on_a_small_stack(move || {
        // A request from inside of an item is what may recurse.
        for (how, deep) in [(How::Answer, MANY), (How::Request, 1_000_000)] {
            DEEP.set(deep);
            let heard = Arc::new(Heard::default());
            build().subscribe(OneByOne { how, heard: heard.clone() });
            assert_eq!(heard.items.load(Ordering::Relaxed), items(), "{how:?}");
            assert_eq!(heard.ended.load(Ordering::Relaxed), 1, "{how:?}");
            assert_eq!(Arc::strong_count(&heard), 1, "{how:?}: the subscriber is kept");
        }
    });
}

fn numbers() -> impl Publisher<Item = u64, Error = std::convert::Infallible> + Clone {
    millstream::from_iter(0..deep())
}

/// The same, of which nobody knows that it could be pulled: it fills the queue of whoever has one.
fn pushed() -> BoxPublisher<u64, std::convert::Infallible> {
    numbers().boxed().boxed()
}

macro_rules! a_million_deep {
    ($($(#[$meta:meta])* $name:ident: $items:expr, $build:expr;)*) => {$(
        $(#[$meta])*
        #[test]
        fn $name() {
            gives(|| $items, || $build);
        }
    )*};
}

// One operator of each shape, and of each way to handle demand.
a_million_deep! {
    from_iter: deep(), numbers();
    map: deep(), numbers().map(|n| n + 1);
    filter: 1, numbers().filter(|n| *n == deep() - 1);
    skip: 1, numbers().skip(deep() - 1);
    skip_last: deep() - 2, numbers().skip_last(2);
    take: deep() - 1, numbers().take(deep() - 1);
    take_last: 1000, numbers().take_last(1000);
    into_publisher: 1, numbers().count().into_publisher();
    buffered_queue: deep(), numbers().buffered_queue(4, Backpressure);
    buffered_queue_that_overflows: deep(), numbers().buffered_queue(1, Overflow::drop_oldest());
    latest: deep(), numbers().latest();
    conflate: deep(), numbers().conflate(|a, b| a + b);
    drop_unwanted: deep(), numbers().drop_unwanted(drop);
    batch: deep(), numbers().batch(1, |n| n, |a, b| a + b);
    expand_last: deep(), numbers().expand_last(|_| None);
    detach: deep(), numbers().detach();
    pausable: deep(), numbers().pausable(&Valve::new(), 1);
    cap_demand: deep(), numbers().cap_demand(|_| NonZeroU64::MIN);
    scan: deep(), numbers().scan(0, |sum, n| { *sum += n; Some(*sum) });
    running_fold: deep() + 1, numbers().running_fold(0, |sum, n| sum + n);
    pairwise: deep() - 1, numbers().pairwise();
    dedup: 1, numbers().map(|_| 1).dedup();
    step_by: 2, numbers().step_by(deep() / 2);
    ignore_items: 0, numbers().ignore_items();
    chunks: deep() / 10, numbers().chunks(10);
    chunk_until: deep() / 10, numbers().chunk_until(100, |n| n % 10 == 9);
    chunk_until_a_million: 1, numbers().chunk_until(deep() as usize, |_| false);
    chunk_while_of_none: 0, numbers().chunk_while(9, |_| false);
    chunk_by_key: deep() / 10, numbers().chunk_by_key(100, |n| n / 10);
    delimited: deep() + 1, numbers().map(|_| "a\nb").delimited(b'\n', 2, Truncated::Pass);
    delimited_of_one: deep() / 10, millstream::just(vec![b'\n'; deep() as usize / 10])
        .delimited(b'\n', 1, Truncated::Pass);
    chunks_weighted: deep(), numbers().chunks_weighted(2, |n| 1 + 2 * (n % 2));
    window: deep(), numbers().window(10).concat_map(|window| window);
    window_of_one: deep() / 10,
        pushed().take(deep() / 10).window(1).flat_map_unordered(1, 1, |window| window);
    windows_that_are_dropped: deep() / 10, numbers().window(10).map(drop);
    window_while_of_none: 0, numbers().window_while(9, |_| false).concat_map(|window| window);
    chunk_when: deep() / 10, numbers().chunk_when(millstream::pending::<()>(), 10);
    ready_chunks: deep() / 10, numbers().ready_chunks(10);
    chunks_skip: deep() / 10, numbers().chunks_skip(2, 10);
    one_chunk_of_a_million: 1, numbers().chunks(deep() as usize);
    sliding: deep(), numbers().sliding(2, 1);
    named: deep(), numbers().named("stage");
    tag: deep(), numbers().tag("key", "value");
    observed: deep(), numbers().prefetch(16).observed(&Board::new(1));
    inspect: deep(), numbers().inspect(|_| ());
    on_discard: deep(), numbers().on_discard(|_: u64| ());
    materialize: deep() + 1, numbers().materialize();
    boxed: deep(), numbers().boxed();
    boxed_clone: deep(), numbers().boxed_clone();
    boxed_in_boxed: deep(), numbers().boxed().map(|n| n).boxed();
    start_with: deep() + 1, numbers().start_with([1]);
    chain: 2 * deep(), numbers().chain(numbers());
    switch_if_empty: deep(), numbers().ignore_items().switch_if_empty(numbers());
    concat_map_iter: deep(), numbers().concat_map_iter(|n| [n]);
    concat_map_iter_of_nothing: 0, numbers().concat_map_iter(|_| [0_u64; 0]);
    concat_map_iter_of_a_million: deep(), millstream::just(1).concat_map_iter(|_| 0..deep());
    concat_map: deep(), numbers().concat_map(millstream::just);
    concat_map_of_nothing: 0, numbers().concat_map(|_| millstream::empty::<u64>());
    on_error_resume: deep(), millstream::fail::<u64, _>(()).on_error_resume(|()| numbers());
    generate: deep(), millstream::generate(0, |n| {
        *n += 1;
        Ok::<_, ()>((*n <= deep()).then_some(*n))
    });
    unfold: deep(), millstream::unfold(0, |n| (n < deep()).then_some((n, n + 1)));
    using: deep(), millstream::using(|| Ok(()), |()| numbers(), drop);
    defer: deep(), millstream::defer(numbers);
    lazy: deep(), millstream::lazy(numbers);
}

// Several upstreams, and stages on an executor that runs a task on the thread that wakes it.
a_million_deep! {
    merge: 2 * deep(), numbers().merge(numbers(), 16);
    merge_sorted: 2 * deep(), numbers().merge_sorted(pushed(), 16, Ord::cmp);
    interleave: 2 * deep(), numbers().interleave(numbers(), 3);
    interleave_of_those_that_push: 2 * deep(), pushed().interleave(pushed(), 3);
    merge_preferred: 2 * deep(), numbers().merge_preferred(numbers().boxed(), 16);
    merge_prioritized: 2 * deep(), numbers().boxed().merge_prioritized(numbers(), [3, 1], 16);
    merge_of_boxes: 2 * deep(), numbers().boxed().merge(numbers().boxed(), 16);
    merge_of_those_that_push: 2 * deep(), pushed().merge(pushed(), 16);
    zip: deep(), numbers().zip(numbers(), 16);
    zip_of_boxes: deep(), numbers().boxed().zip(numbers().boxed(), 16);
    zip_of_those_that_push: deep(), pushed().zip(pushed(), 16);
    zip_of_a_number: deep(), millstream::zip(vec![numbers(), numbers()], 16);
    combine_latest_of_a_number: deep(), millstream::combine_latest(vec![numbers().boxed(), numbers().take(1).boxed()], 16);
    combine_latest: deep(), millstream::combine_latest((numbers(), millstream::just(1)), 16);
    combine_latest_conflated: deep(), millstream::combine_latest_conflated((numbers(), millstream::just(1)), 16);
    combine_latest_conflated_of_one_that_pushes: 1, {
        let rows = millstream::combine_latest_conflated((pushed(), millstream::just(1)), 16);
        rows.filter(|(n, _)| *n == deep() - 1)
    };
    with_latest_from: deep(), numbers().with_latest_from(millstream::just(1), 16);
    using_when: deep(), {
        let resource = millstream::just(()).map_err(|never| match never {});
        millstream::using_when(Eager::default(), resource, |()| numbers(), |(), _| async { Ok(()) })
    };
    take_until: deep(), numbers().take_until(millstream::pending::<()>());
    kill_switch: deep(), numbers().kill_switch().0;
    received_by: deep(), {
        let drain = millstream::lifecycle::DrainHandle::new();
        numbers().received_by(&drain).delivered_by(&drain)
    };
    skip_until: deep(), numbers().skip_until(millstream::just(()), 16);
    flat_map_unordered: deep(), numbers().flat_map_unordered(4, 4, millstream::just);
    flat_map_unordered_of_boxes: deep(), numbers().flat_map_unordered(4, 4, |n| millstream::just(n).boxed());
    flat_map_unordered_of_nothing: 0, numbers().flat_map_unordered(4, 4, |_| millstream::empty::<u64>());
    flat_map_unordered_delay_error: deep(), numbers().flat_map_unordered_delay_error(4, 4, millstream::just);
    flat_map_unordered_delay_error_of_nothing: 0,
        numbers().flat_map_unordered_delay_error(4, 4, |_| millstream::empty::<u64>().boxed());
    flat_map_ordered: deep(), numbers().flat_map_ordered(4, 4, |n| millstream::just(n).boxed());
    flat_map_ordered_of_nothing: 0, numbers().flat_map_ordered(4, 4, |_| millstream::empty::<u64>().boxed());
    switch_map_of_nothing: 0, numbers().switch_map(4, |_| millstream::empty::<u64>().boxed());
    exhaust_map: deep(), numbers().exhaust_map(4, millstream::just);
    exhaust_map_of_boxes: deep(), numbers().exhaust_map(4, |n| millstream::just(n).boxed());
    from_blocking_iter: deep(), millstream::from_blocking_iter(Eager::default(), 16, 0..deep());
    also_to: deep(), numbers().also_to(16, |side| {
        side.subscribe_with(drop, |never| match never {}, || {}).unbounded().detach();
    });
    wire_tap: deep(), numbers().wire_tap(|side| {
        side.subscribe_with(drop, |never| match never {}, || {}).unbounded().detach();
    });
    broadcast: deep(), {
        let [a, b] = numbers().broadcast::<2>(16);
        a.zip(b, 16)
    };
    share: deep(), numbers().share(16);
    share_of_one: deep(), numbers().share(1);
    replay: deep(), numbers().replay(2, 16);
    prefetch: deep(), numbers().prefetch(16);
    catch_unwind: deep(), numbers().catch_unwind(|panic| panic.resume());
    adaptive_prefetch: deep(), numbers().adaptive_prefetch(1, 16);
    bulkhead: deep(), numbers().bulkhead(Eager::default(), &Permits::new(1)).map(Permitted::into_inner);
    bulkhead_of_one_that_pushes: deep(), pushed().bulkhead(Eager::default(), &Permits::new(1)).map(Permitted::into_inner);
    unfold_async: deep(), millstream::unfold_async(Eager::default(), 0, |n| async move { (n < deep()).then_some((n, n + 1)) });
    #[cfg(feature = "futures")]
    from_stream: deep(), millstream::from_stream(Eager::default(), futures::stream::iter(0..deep()));
    #[cfg(feature = "futures")]
    from_stream_of_into_stream:
        deep(), millstream::from_stream(Eager::default(), pushed().into_stream(16).or_panic());
    idle_timeout: deep(), numbers().idle_timeout(timeless(), 16, Duration::from_secs(1));
    completion_timeout: deep(), numbers().completion_timeout(timeless(), 16, Duration::from_secs(1));
    take_within: deep(), numbers().take_within(timeless(), 16, Duration::from_secs(1));
    timestamp: deep(), numbers().timestamp(timeless()).map(|(_, n)| n);
    elapsed: deep(), numbers().elapsed(timeless()).map(|(_, n)| n);
    keep_alive: deep(), numbers().take(0).keep_alive(timeless(), 16, Duration::from_secs(1), || 0).chain(numbers());
    debounce: 1, numbers().debounce(timeless(), 16, Duration::from_secs(1));
    debounce_of_one_that_pushes: 1, pushed().debounce(timeless(), 16, Duration::from_secs(1));
    throttle_latest: 2, numbers().throttle_latest(timeless(), 16, Duration::from_secs(1), Trailing::Send);
    delay: deep(), numbers().delay(in_haste(), 16, Duration::from_secs(1));
    delay_each: deep(), numbers().delay_each(in_haste(), 16, Duration::from_secs(1));
    delay_subscription: deep(), numbers().delay_subscription(in_haste(), 16, Duration::from_secs(1));
    delay_subscription_until: deep(), numbers().delay_subscription_until(millstream::just(1), 16);
    throttle: deep(), numbers().throttle(in_haste(), 16, Rate::per_second(10));
    throttle_that_does_not_bind: deep(), pushed().throttle(timeless(), 16, Rate::per_second(10).burst(deep()));
    throttle_adaptive: deep(),
        numbers().throttle_adaptive(in_haste(), 16, Aimd::new(10.0..=20.0).interval(Duration::from_secs(1)));
    rate_limit: deep(), numbers().rate_limit(in_haste(), 16, &TokenBucket::new(Rate::per_second(10)));
    chunks_timeout: deep(), numbers().chunks_timeout(timeless(), 16, 1, Duration::from_secs(1));
    chunks_timeout_of_one_that_pushes: deep(), pushed().chunks_timeout(timeless(), 16, 1, Duration::from_secs(1));
    timeout: deep(), numbers().timeout(timeless(), 16, Duration::from_secs(1));
    interval: deep(), millstream::interval(in_haste(), Duration::from_secs(1), MissedTicks::Skip).take(deep());
    publish_on: deep(), numbers().publish_on(Eager::default(), 16);
    publish_on_of_one_that_pushes: deep(), pushed().publish_on(Eager::default(), 16);
    subscribe_on: deep(), numbers().subscribe_on(Eager::default());
    async_boundary: deep(), numbers().async_boundary(Eager::default(), 16);
    map_async: deep(), numbers().map_async(Eager::default(), 16, |n| async move { n });
    then: deep(), numbers().then(Eager::default(), |n| async move { n });
    retry_item: deep(), numbers().retry_item(in_haste(), Backoff::new(Duration::from_secs(1)), |()| true, |n| {
        let n = *n;
        async move { Ok::<_, ()>(n) }
    });
    scan_async: deep(), numbers().scan_async(Eager::default(), 0, |sum, n| async move { Some((n, sum + n)) });
    filter_async: deep(), numbers().filter_async(Eager::default(), 16, |_| async { true });
    filter_async_of_none: 0, numbers().filter_async(Eager::default(), 16, |_| async { false });
    adaptive_concurrency: deep(),
        pushed().adaptive_concurrency(eager::timeless(), Aimd::new(16.0..=16.0), |n| async move { n });
    group_by: deep(), numbers().group_by(7, 4, Stalled::Fail, |n| n % 7).flat_map_unordered(7, 2, |group| group);
    group_by_of_groups_of_one: deep() / 10,
        pushed().take(deep() / 10).group_by(4, 4, Stalled::Wait, |n| *n)
            .flat_map_unordered(4, 2, |group| group.take(1));
    partition: deep() / 2, {
        let [even, odd] = numbers().partition::<2, _>(4, |n| (n % 2) as usize);
        drop(odd);
        even
    };
    map_async_partitioned: deep(), numbers().map_async_partitioned(Eager::default(), 16, |n| n % 7, |n| async move { n });
    map_async_partitioned_by_one_key: deep(),
        pushed().map_async_partitioned_unordered(Eager::default(), 16, |_| (), |n| async move { n });
    map_async_unordered: deep(), pushed().map_async_unordered(Eager::default(), 16, |n| async move { n });
}

// A hundred thousand deep is as good, where each item takes long.
const MANY: u64 = 100_000;

fn many() -> impl Publisher<Item = u64, Error = std::convert::Infallible> + Clone {
    millstream::from_iter(0..MANY)
}

fn settled<P, E>(
    acked: AckedPublisher<P>,
) -> impl Publisher<Item = u64, Error = AckError<E>> + use<P, E>
where
    P: Publisher<Item = Acked<u64>, Error = AckError<E>>,
    E: Send + 'static,
{
    acked.into_unguarded().map(Acked::ack)
}

fn done(_: (), _: Verdict) -> Result<(), std::convert::Infallible> {
    Ok(())
}

a_million_deep! {
    concat_map_of_boxes: MANY, many().concat_map(|n| millstream::just(n).boxed());
    concat_map_of_empty_boxes: 0, many().concat_map(|_| millstream::empty::<u64>().boxed());
    concat_map_delay_error: MANY, many().concat_map_delay_error(millstream::just);
    concat_map_delay_error_of_nothing: 0, many().concat_map_delay_error(|_| millstream::empty::<u64>());
    flat_map_unordered_of_those_that_push: MANY,
        many().flat_map_unordered(4, 4, |n| millstream::just(n).boxed().boxed());
    acked: MANY, settled(many().acked(4, |_| ()).commit_in_order(4, |()| Ok::<_, String>(())));
    acked_of_one_that_pushes: MANY, settled(many().boxed().acked(4, |_| ()).settle_each(done));
    acked_and_skipped: 0, settled(many().acked(4, |_| ()).settle_each(done).filter(|_| false));
    commit_in_order: MANY, settled(many().boxed().acked(1, |_| ()).commit_in_order(0, |()| Ok::<_, String>(())));
    commit_in_order_async: MANY, {
        let commit = |()| async { Ok::<_, String>(()) };
        settled(many().boxed().acked(4, |_| ()).commit_in_order_async(1, Eager::default(), commit))
    };
    settle_each: MANY, settled(many().acked(1, |_| ()).settle_each(done));
    settle_batches: MANY, {
        let settle = |_: Vec<Settled<()>>| async { Ok::<_, String>(()) };
        settled(many().boxed().acked(4, |_| ()).settle_batches(Eager::default(), settle))
    };
    window_timeout: MANY, many().window_timeout(timeless(), 10, Duration::from_secs(1)).concat_map(|window| window);
    window_timeout_of_one_that_pushes: MANY,
        many().boxed().window_timeout(timeless(), 1, Duration::from_secs(1)).concat_map(|window| window);
    window_sliding: 2 * MANY - 1, many().window_sliding(2, 1).concat_map(|window| window);
    sample_on: 1, many().sample_on(millstream::pending::<()>(), 16);
    throttle_first: 1, many().boxed().throttle_first(timeless(), 16, Duration::from_secs(1));
    timeout_or: MANY, many().boxed().timeout_or(timeless(), 16, Duration::from_secs(1), many());
    throttle_enforcing: MANY, many().boxed().throttle_enforcing(timeless(), 16, Rate::per_second(1).burst(MANY));
    retry_after_of_an_immediate_error: 0, {
        let mut left = MANY;
        millstream::fail::<u64, _>(()).retry_after(in_haste(), move |_| {
            left -= 1;
            (left > 0).then_some(Duration::from_secs(1))
        })
    };
    restart_with_backoff_of_nothing: 0, {
        let restart = Restart::new(Backoff::new(Duration::from_secs(1)).max(Duration::from_secs(9)).attempts(MANY));
        millstream::restart_with_backoff(in_haste(), restart, millstream::empty::<u64>)
    };
    stopped_by: MANY, many().stopped_by(&KillSwitch::new());
    balance: MANY, {
        let [all] = many().balance::<1>();
        all
    };
    publish: MANY, many().publish(16).ref_count(1);
    race: MANY, millstream::race([many().boxed(), millstream::pending().boxed()], 16);
    conflate_with: MANY, many().conflate_with(|n| n, |_, n| n);
    error_on_overflow: MANY, many().error_on_overflow(|_| ());
    try_map_async: MANY, many().boxed().try_map_async(Eager::default(), 16, |n| async move { Ok::<_, String>(n) });
    adaptive_concurrency_unordered: MANY,
        many().boxed().adaptive_concurrency_unordered(timeless(), Aimd::new(16.0..=16.0), |n| async move { n });
    limit_rate: MANY, many().limit_rate(4, 1);
    unique_within: MANY, many().unique_within(3);
    map_with_resource: MANY, many().map_with_resource(|| (), |(), n| n, |()| None);
    dematerialize: MANY, many().map_err(|never| -> () { match never {} }).materialize().dematerialize();
    skip_errors: 2, numbers().map(|n| if n % (deep() / 2) == 0 { Ok(n) } else { Err(n) }).skip_errors(drop);
    on_error_return: MANY + 1, many().map_err(|never| -> () { match never {} }).chain(millstream::fail(())).on_error_return(1);
    finally: MANY, many().finally(|_| ());
    watch_end: MANY, many().watch_end().0;
    merge_delay_error: 2 * MANY, millstream::merge_all_delay_error([many().boxed(), many().boxed()], 16);
    channel: MANY, {
        let (sender, items) = millstream::channel(MANY as usize);
        (0..MANY).for_each(|n| sender.try_send(n).expect("there is room"));
        sender.complete();
        items
    };
    emitter: MANY, {
        let (emitter, items) = millstream::emitter(MANY as usize, Overflow::drop_newest());
        (0..MANY).for_each(|n| assert!(emitter.emit(n).is_ok()));
        emitter.complete();
        items
    };
    cycle: MANY, millstream::cycle([1, 2]).take(MANY);
    lines: MANY, millstream::lines(std::io::Cursor::new("1\n".repeat(MANY as usize)));
}

// Sources one after another, and attempts.
a_million_deep! {
    concat_of_a_hundred_thousand: 100_000, millstream::concat((0..100_000_u64).map(millstream::just));
    concat_delay_error_of_a_hundred_thousand: 100_000,
        millstream::concat_delay_error((0..100_000_u64).map(millstream::just));
    concat_of_a_million_empty_ones: 0,
        millstream::concat((0..deep()).map(|_| millstream::empty::<u64>()));
    concat_of_a_hundred_thousand_boxes: 100_000,
        millstream::concat((0..100_000_u64).map(|n| millstream::just(n).boxed()));
    retry_backoff_of_an_immediate_error: 0, millstream::fail::<u64, _>(())
            .retry_backoff(in_haste(), Backoff::new(Duration::from_secs(1)).max(Duration::from_secs(9)).attempts(100_000), |_| true);
    retry_when_of_an_immediate_error: 0, {
            let mut left = 100_000;
            millstream::fail::<u64, _>(()).retry_when(move |_| {
                left -= 1;
                (left > 0).then(|| millstream::just(()).map_err(|never| match never {}))
            })
        };
    repeat_when_of_nothing: 0, {
            let mut left = 100_000;
            millstream::empty::<u64>().repeat_when(move || {
                left -= 1;
                (left > 0).then(|| millstream::just(()))
            })
        };
    retry_a_million_times_of_an_immediate_error: 0, millstream::fail::<u64, _>(()).retry(deep());
    retry_a_million_times_of_an_item_and_an_error: 100_001,
        millstream::just(1).map_err(|never| -> () { match never {} }).chain(millstream::fail(()))
            .retry(100_000);
    retry_of_a_box_that_fails: 0, millstream::fail::<u64, _>(()).boxed_clone().retry(100_000);
    repeat_a_million_times: deep(), millstream::just(1).repeat(deep() - 1);
    repeat_nothing_a_million_times: 0, millstream::empty::<u64>().repeat(deep());
    repeat_in_repeat: 100_000, millstream::just(1).repeat(99).repeat(999);
}

#[test]
fn a_hundred_boxes_around_each_other() {
    let boxed = || {
        let mut publisher = millstream::from_iter(0..1_000_u64).boxed();
        for _ in 0..100 {
            publisher = publisher.boxed();
        }
        publisher
    };
    gives(|| 1_000, boxed);
}

#[test]
fn long_structures_are_dropped_and_cancelled() {
    on_a_small_stack(|| {
        // Sources that were never reached, a long buffer, a long group.
        let sources: Vec<_> = (0..100_000_u64).map(|n| millstream::just(n).boxed()).collect();
        let item = Arc::new(());
        drop(millstream::concat(sources).take(1).collect::<Vec<_>>().block());
        let of = |item: &Arc<()>| {
            let item = item.clone();
            millstream::from_iter(0..1_000_000).map(move |_| item.clone())
        };
        let kept = of(&item).take_last(100_000).first().block();
        assert!(matches!(kept, Ok(Some(_))));
        drop(kept);
        assert_eq!(Arc::strong_count(&item), 1);
        let begun = of(&item).take(100_000).chain(millstream::pending()).chunks(200_000);
        let mut cursor = begun.cursor();
        let mut next = Box::pin(cursor.next());
        let waker = std::task::Waker::noop();
        assert!(next.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
        assert!(Arc::strong_count(&item) > 100_000, "the group was begun");
        drop(next);
        drop(cursor);
        assert_eq!(Arc::strong_count(&item), 1);
    });
}
