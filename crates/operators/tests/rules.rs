//! The 43 rules over every operator, as a processor, and every source, as a publisher.

mod eager;

use std::num::NonZeroU64;
use std::task::{Context, Poll};
use std::time::Duration;

use eager::{Eager, in_haste, timeless};
use millstream::ack::{AckError, Acked, AckedPublisher, PolledBatch, PolledClient, Settled};
use millstream::chunk::{Boundary, Truncated};
use millstream::control::Aimd;
use millstream::fan_out::{SlowSubscriber, Stalled};
use millstream::fault::Backoff;
use millstream::lifecycle::{DrainHandle, KillSwitch};
use millstream::limit::{Permits, Permitted};
use millstream::overflow::{Backpressure, Overflow, Valve};
use millstream::prelude::*;
use millstream::source::{Emitter, Restart};
use millstream::timing::{Rate, TokenBucket, Trailing};
use millstream::transform::Signal;
use millstream::{Board, MissedTicks};
use millstream_testkit::sweep::TestError;
use millstream_testkit::{rules, rules_for};

fn of(n: u64) -> impl Iterator<Item = u64> + Clone + Send + 'static {
    1..=n
}

/// Each acknowledged as it comes.
fn settled<P>(acked: AckedPublisher<P>) -> impl Publisher<Item = u64, Error = TestError> + use<P>
where
    P: Publisher<Item = Acked<u64>, Error = AckError<TestError>>,
{
    let errors = |error| match error {
        AckError::Stream(error) => error,
        other => panic!("{other:?}"),
    };
    acked.into_unguarded().map(Acked::ack).map_err(errors)
}

rules_for! {
    map: rules::processor(|source| source.map(|n| n + 1));
    try_map: rules::processor(|source| source.try_map(Ok::<_, TestError>));
    filter_map: rules::processor(|source| source.filter_map(|n| (n % 2 == 0).then_some(n))).gives(|n| n / 2);
    scan: rules::processor(|source| source.scan(0, |sum, n| {
        *sum += n;
        Some(*sum)
    }));
    running_fold: rules::processor(|source| source.running_fold(0, |sum, n| sum + n)).gives(|n| n + 1);
    enumerate: rules::processor(|source| source.enumerate());
    stateful_map: rules::processor(|source| source.stateful_map(|| 0, |_, n| n, |_| Some(0))).gives(|n| n + 1);
    map_with_resource: rules::processor(|source| source.map_with_resource(|| 1, |r, n| n + *r, Some))
        .gives(|n| n + 1);
    materialize: rules::processor(|source| source.materialize()).gives(|n| n + 1).recovers();
    dematerialize: rules::processor(|source| source.map(Signal::<_, TestError>::Item).dematerialize());
    pairwise: rules::processor(|source| source.pairwise()).gives(|n| n.saturating_sub(1));
    map_into: rules::processor(|source| source.map_into::<u128>());

    filter: rules::processor(|source| source.filter(|n| n % 2 == 0)).gives(|n| n / 2);
    skip: rules::processor(|source| source.skip(2)).gives(|n| n.saturating_sub(2));
    skip_while: rules::processor(|source| source.skip_while(|n| *n < 3)).gives(|n| n.saturating_sub(2));
    skip_last: rules::processor(|source| source.skip_last(2)).gives(|n| n.saturating_sub(2));
    step_by: rules::processor(|source| source.step_by(2)).gives(|n| n.div_ceil(2));
    dedup: rules::processor(|source| source.dedup());
    dedup_by_key: rules::processor(|source| source.dedup_by_key(|n| n / 2)).gives(|n| if n == 0 { 0 } else { n / 2 + 1 });
    unique: rules::processor(|source| source.unique());
    unique_by: rules::processor(|source| source.unique_by(|n| n / 2)).gives(|n| if n == 0 { 0 } else { n / 2 + 1 });
    unique_within: rules::processor(|source| source.unique_within(3));
    ignore_items: rules::processor(|source| source.ignore_items()).gives(|_| 0);
    default_if_empty: rules::processor(|source| source.default_if_empty(9)).gives(|n| n.max(1));

    take: rules::processor(|source| source.take(2)).gives(|n| n.min(2));
    take_while: rules::processor(|source| source.take_while(|n| *n < 3)).gives(|n| n.min(2));
    take_through: rules::processor(|source| source.take_through(|n| *n == 2)).gives(|n| n.min(2));
    // More would come in a burst after the end, which rule 2.8 allows and the kit does not.
    take_last: rules::processor(|source| source.take_last(1)).gives(|n| n.min(1));
    into_publisher: rules::processor(|source| source.count().into_publisher()).gives(|_| 1);
    into_publisher_that_knows: rules::processor(|source| source.first().into_publisher()).gives(|_| 1);
    limit: rules::processor(|source| source.limit(1_000_000));
    limit_weighted: rules::processor(|source| source.limit_weighted(u64::MAX, |n| *n));
    bulkhead: rules::processor(|source| {
        source.bulkhead(Eager::default(), &Permits::new(2)).map(Permitted::into_inner)
    });
    limit_rate: rules::processor(|source| source.limit_rate(4, 1));
    map_while: rules::processor(|source| source.map_while(|n| (n < 3).then_some(n))).gives(|n| n.min(2));

    chain: rules::processor(|source| source.chain(numbers(2))).gives(|n| n + 2);
    chain_delay_error: rules::processor(|source| {
        source.chain_delay_error(numbers(2)).map_err(|failures| failures.errors()[0])
    }).gives(|n| n + 2);
    concat: rules::processor(|source| {
        millstream::concat([numbers(1).boxed(), source.boxed(), numbers(1).boxed()])
    }).gives(|n| n + 2);
    concat_delay_error: rules::processor(|source| {
        millstream::concat_delay_error([numbers(1).boxed(), source.boxed(), numbers(1).boxed()])
            .map_err(|failures| failures.errors()[0])
    }).gives(|n| n + 2);
    start_with: rules::processor(|source| source.start_with([7, 8])).gives(|n| n + 2);
    switch_if_empty: rules::processor(|source| source.switch_if_empty(numbers(2)))
        .gives(|n| if n == 0 { 2 } else { n });

    concat_map: rules::processor(|source| source.concat_map(|_| numbers(2))).gives(|n| 2 * n);
    concat_map_of_boxes: rules::processor(|source| source.concat_map(|_| numbers(2).boxed())).gives(|n| 2 * n);
    concat_map_delay_error: rules::processor(|source| {
        source.concat_map_delay_error(|_| numbers(2)).map_err(|failures| failures.errors()[0])
    }).gives(|n| 2 * n);
    concat_map_iter: rules::processor(|source| source.concat_map_iter(|n| [n, n])).gives(|n| 2 * n);

    merge: rules::processor(|source| millstream::merge_all([numbers(2).boxed(), source.boxed()], 2))
        .gives(|n| n + 2);
    merge_delay_error: rules::processor(|source| {
        millstream::merge_all_delay_error([numbers(2).boxed(), source.boxed()], 2)
            .map_err(|failures| failures.errors()[0])
    }).gives(|n| n + 2);
    merge_preferred: rules::processor(|source| source.merge_preferred(numbers(2), 2)).gives(|n| n + 2);
    merge_prioritized: rules::processor(|source| source.merge_prioritized(numbers(2), [3, 1], 2))
        .gives(|n| n + 2);
    merge_sorted: rules::processor(|source| source.merge_sorted(numbers(2), 2, Ord::cmp)).gives(|n| n + 2);
    interleave: rules::processor(|source| source.interleave(numbers(2), 2)).gives(|n| n + 2);
    zip: rules::processor(|source| source.zip(numbers(1_000_000), 2));
    zip_of_a_number: rules::processor(|source| {
        millstream::zip(vec![source.boxed(), numbers(1_000_000).boxed()], 2)
    });
    combine_latest_of_a_number: rules::processor(|source| {
        millstream::combine_latest(vec![source.boxed(), numbers(1).boxed()], 2)
    });
    combine_latest: rules::processor(|source| millstream::combine_latest((source, numbers(1)), 2));
    combine_latest_conflated: rules::processor(|source| {
        millstream::combine_latest_conflated((source.take(1), numbers(1)), 2)
    }).gives(|n| n.min(1));
    with_latest_from: rules::processor(|source| source.with_latest_from(numbers(1), 2));
    race: rules::processor(|source| millstream::race([source.boxed(), never().boxed()], 2));
    take_until: rules::processor(|source| source.take_until(never()));
    kill_switch: rules::processor(|source| source.kill_switch().0);
    watch_end: rules::processor(|source| source.watch_end().0);
    received_by: rules::processor(|source| source.received_by(&DrainHandle::new()));
    delivered_by: rules::processor(|source| source.delivered_by(&DrainHandle::new()));
    stopped_by: rules::processor(|source| source.stopped_by(&KillSwitch::new()));
    skip_until: rules::processor(|source| source.skip_until(numbers(1), 2));
    flat_map_unordered: rules::processor(|source| source.flat_map_unordered(2, 2, |_| numbers(2)))
        .gives(|n| 2 * n);
    flat_map_unordered_of_boxes:
        rules::processor(|source| source.flat_map_unordered(2, 2, |_| numbers(2).boxed())).gives(|n| 2 * n);
    flat_map_unordered_delay_error: rules::processor(|source| {
        source
            .flat_map_unordered_delay_error(2, 2, |_| numbers(2))
            .map_err(|failures| failures.errors()[0])
    }).gives(|n| 2 * n);
    flat_map_ordered: rules::processor(|source| source.flat_map_ordered(2, 2, |_| numbers(2)))
        .gives(|n| 2 * n);
    switch_map: rules::processor(|source| source.take(1).switch_map(2, |_| numbers(2)))
        .gives(|n| 2 * n.min(1));
    exhaust_map: rules::processor(|source| source.take(1).exhaust_map(2, |_| numbers(2)))
        .gives(|n| 2 * n.min(1));

    broadcast: rules::processor(|source| {
        let [a, gone] = source.broadcast::<2>(2);
        drop(gone);
        a
    });
    broadcast_and_zip: rules::processor(|source| {
        let [a, b] = source.broadcast::<2>(2);
        a.zip(b, 2)
    });
    share: rules::processor(|source| source.publish(2).again().ref_count(1));
    publish: rules::processor(|source| source.publish(2).ref_count(1));
    publish_dropping_oldest: rules::processor(|source| {
        source.publish(2).slow_subscriber(SlowSubscriber::DropOldest).ref_count(1)
    });
    replay: rules::processor(|source| source.replay(2, 2));
    also_to: rules::processor(|source| {
        source.also_to(2, |side| side.subscribe_with(drop, drop, || {}).unbounded().detach())
    });
    wire_tap: rules::processor(|source| {
        source.wire_tap(|side| side.subscribe_with(drop, drop, || {}).batch(2).detach())
    });
    acked: rules::processor(|source| {
        settled(source.acked(2, |_| ()).commit_in_order(0, |()| Ok::<_, TestError>(())))
    });
    commit_in_order: rules::processor(|source| {
        settled(source.acked(2, |_| ()).commit_in_order(usize::MAX, |()| Ok::<_, TestError>(())))
    });
    commit_in_order_async: rules::processor(|source| {
        let commit = |()| async { Ok::<_, TestError>(()) };
        settled(source.acked(2, |_| ()).commit_in_order_async(1, Eager::default(), commit))
    });
    settle_each: rules::processor(|source| {
        settled(source.acked(2, |_| ()).settle_each(|(), _| Ok::<_, TestError>(())))
    });
    settle_batches: rules::processor(|source| {
        let settle = |_: Vec<Settled<()>>| async { Ok::<_, TestError>(()) };
        settled(source.acked(2, |_| ()).settle_batches(Eager::default(), settle))
    });
    prefetch: rules::processor(|source| source.prefetch(2));
    adaptive_prefetch: rules::processor(|source| source.adaptive_prefetch(1, 4));
    timeout_first: rules::processor(|source| source.timeout_first(timeless(), 2, Duration::from_secs(1)));
    timeout_or: rules::processor(|source| source.timeout_or(timeless(), 2, Duration::from_secs(1), numbers(1)));
    idle_timeout: rules::processor(|source| source.idle_timeout(timeless(), 2, Duration::from_secs(1)));
    backpressure_timeout:
        rules::processor(|source| source.backpressure_timeout(timeless(), 2, Duration::from_secs(1)));
    completion_timeout: rules::processor(|source| source.completion_timeout(timeless(), 2, Duration::from_secs(1)));
    take_within: rules::processor(|source| source.take_within(timeless(), 2, Duration::from_secs(1)));
    debounce: rules::processor(|source| source.take(1).debounce(timeless(), 2, Duration::from_secs(1)))
        .gives(|n| n.min(1));
    sample: rules::processor(|source| source.take(1).sample(timeless(), 2, Duration::from_secs(1)))
        .gives(|n| n.min(1));
    sample_on: rules::processor(|source| {
        source.take(1).sample_on(millstream::pending::<()>().map_err(|never| match never {}), 2)
    }).gives(|n| n.min(1));
    throttle_first: rules::processor(|source| {
        source.filter(|_| false).throttle_first(timeless(), 2, Duration::from_secs(1))
    }).gives(|_| 0);
    throttle_latest: rules::processor(|source| {
        source.take(1).throttle_latest(timeless(), 2, Duration::from_secs(1), Trailing::Send)
    }).gives(|n| n.min(1));
    delay: rules::processor(|source| source.delay(in_haste(), 2, Duration::from_secs(1)));
    delay_each: rules::processor(|source| source.delay_each(in_haste(), 2, Duration::from_secs(1)));
    delay_subscription: rules::processor(|source| source.delay_subscription(timeless(), 2, Duration::ZERO));
    delay_subscription_until: rules::processor(|source| source.delay_subscription_until(numbers(1), 2));
    throttle: rules::processor(|source| source.throttle(in_haste(), 2, Rate::per_second(10)));
    throttle_weighted:
        rules::processor(|source| source.throttle_weighted(in_haste(), 2, Rate::per_second(10), |n| n % 3));
    throttle_enforcing: rules::processor(|source| {
        source.throttle_enforcing(timeless(), 2, Rate::per_second(10).burst(u64::MAX))
    });
    throttle_adaptive: rules::processor(|source| {
        let rates = Aimd::new(10.0..=20.0).interval(Duration::from_millis(150));
        source.throttle_adaptive(in_haste(), 2, rates)
    });
    rate_limit: rules::processor(|source| source.rate_limit(in_haste(), 2, &TokenBucket::new(Rate::per_second(10))));
    rate_limit_weighted: rules::processor(|source| {
        source.rate_limit_weighted(in_haste(), 2, &TokenBucket::new(Rate::per_second(10)), |n| n % 3)
    });
    timestamp: rules::processor(|source| source.timestamp(timeless()));
    elapsed: rules::processor(|source| source.elapsed(timeless()));
    keep_alive: rules::processor(|source| source.keep_alive(timeless(), 2, Duration::from_secs(1), || 0));
    chunks_timeout: rules::processor(|source| source.chunks_timeout(timeless(), 2, 2, Duration::from_secs(1)))
        .gives(|n| n.div_ceil(2));
    chunks_weighted_timeout: rules::processor(|source| {
        source.chunks_weighted_timeout(timeless(), 2, 2, Duration::from_secs(1), |_| 1)
    }).gives(|n| n.div_ceil(2));
    aggregate_with_boundary: rules::processor(|source| {
        source.aggregate_with_boundary(timeless(), 2, || 0, |sum, n| {
            *sum += n;
            Boundary::Here
        }, |sum| sum)
    });
    timeout: rules::processor(|source| source.timeout(timeless(), 2, Duration::from_secs(1)));
    publish_on: rules::processor(|source| source.publish_on(Eager::default(), 2));
    subscribe_on: rules::processor(|source| source.subscribe_on(Eager::default()));
    async_boundary: rules::processor(|source| source.async_boundary(Eager::default(), 2));
    map_async: rules::processor(|source| source.map_async(Eager::default(), 2, |n| async move { n + 1 }));
    adaptive_concurrency: rules::processor(|source| {
        source.adaptive_concurrency(timeless(), Aimd::new(1.0..=4.0).start(2.0), |n| async move { n + 1 })
    });
    adaptive_concurrency_unordered: rules::processor(|source| {
        source.adaptive_concurrency_unordered(timeless(), Aimd::new(1.0..=4.0), |n| async move { n + 1 })
    });
    retry_item: rules::processor(|source| {
        let backoff = Backoff::new(Duration::ZERO);
        let mut calls = 0;
        source.retry_item(timeless(), backoff, |_| true, move |n: &u64| {
            calls += 1;
            let (n, fails) = (*n, calls % 2 == 1);
            async move { if fails { Err(TestError(9)) } else { Ok(n) } }
        })
    });
    scan_async: rules::processor(|source| {
        source.scan_async(Eager::default(), 0, |count, n| async move { Some((n, count + 1)) })
    });
    filter_async: rules::processor(|source| source.filter_async(Eager::default(), 2, |_| async { true }));
    map_async_unordered:
        rules::processor(|source| source.map_async_unordered(Eager::default(), 2, |n| async move { n + 1 }));
    try_map_async: rules::processor(|source| {
        source.try_map_async(Eager::default(), 2, |n| async move { Ok::<_, TestError>(n) })
    });
    try_map_async_unordered: rules::processor(|source| {
        source.try_map_async_unordered(Eager::default(), 2, |n| async move { Ok::<_, TestError>(n) })
    });
    group_by: rules::processor(|source| {
        source.group_by(1, 2, Stalled::Fail, |_| ()).flat_map_unordered(1, 2, |group| group)
    });
    partition: rules::processor(|source| {
        let [all] = source.partition::<1, _>(2, |_| 0);
        all
    });
    balance: rules::processor(|source| {
        let [all] = source.balance::<1>();
        all
    });
    map_async_partitioned: rules::processor(|source| {
        source.map_async_partitioned(Eager::default(), 3, |n| n % 2, |n| async move { n })
    });
    map_async_partitioned_unordered: rules::processor(|source| {
        source.map_async_partitioned_unordered(Eager::default(), 3, |n| n % 2, |n| async move { n })
    });
    try_map_async_partitioned: rules::processor(|source| {
        source.try_map_async_partitioned(Eager::default(), 3, |n| n % 2, |n| async move { Ok::<_, TestError>(n) })
    });
    try_map_async_partitioned_unordered: rules::processor(|source| {
        source.try_map_async_partitioned_unordered(
            Eager::default(),
            3,
            |n| n % 2,
            |n| async move { Ok::<_, TestError>(n) },
        )
    });
    then: rules::processor(|source| source.then(Eager::default(), |n| async move { n }));

    buffered_queue: rules::processor(|source| source.buffered_queue(2, Backpressure));
    buffered_queue_that_overflows:
        rules::processor(|source| source.buffered_queue(1_000, Overflow::drop_oldest()));
    latest: rules::processor(|source| source.take(1).latest()).gives(|n| n.min(1));
    drop_unwanted: rules::processor(|source| source.ignore_items().drop_unwanted(drop)).gives(|_| 0);
    error_on_overflow:
        rules::processor(|source| source.ignore_items().error_on_overflow(TestError)).gives(|_| 0);
    conflate: rules::processor(|source| source.take(1).conflate(|a, b| a + b)).gives(|n| n.min(1));
    conflate_with: rules::processor(|source| source.take(1).conflate_with(|n| n, |a, b| a + b))
        .gives(|n| n.min(1));
    batch: rules::processor(|source| source.batch(1, |n| n, |a, b| a + b));
    batch_weighted: rules::processor(|source| source.batch_weighted(1, |n| *n, |n| n, |a, b| a + b));
    expand_last: rules::processor(|source| source.expand_last(|_| None));
    detach: rules::processor(|source| source.detach());
    pausable: rules::processor(|source| source.pausable(&Valve::new(), 2));
    cap_demand: rules::processor(|source| source.cap_demand(|_| NonZeroU64::MIN));

    chunks: rules::processor(|source| source.chunks(2)).gives(|n| n.div_ceil(2));
    chunks_skip: rules::processor(|source| source.chunks_skip(1, 2)).gives(|n| n.div_ceil(2));
    chunk_until: rules::processor(|source| source.chunk_until(9, |n| n % 2 == 0)).gives(|n| n.div_ceil(2));
    chunk_while: rules::processor(|source| source.chunk_while(9, |n| n % 2 == 1)).gives(|n| n.div_ceil(2));
    chunk_by_key: rules::processor(|source| source.chunk_by_key(9, |n| n / 2)).gives(|n| n / 2 + n.min(1));
    delimited: rules::processor(|source| {
        source.map(|n| format!("{n}\n")).delimited(b'\n', 99, Truncated::Pass)
    });
    chunks_weighted: rules::processor(|source| source.chunks_weighted(2, |n| 1 + 2 * (n % 2)));
    window: rules::processor(|source| source.window(2).concat_map(|window| window));
    window_timeout: rules::processor(|source| {
        source.window_timeout(timeless(), 2, Duration::from_secs(1)).concat_map(|window| window)
    });
    window_skip: rules::processor(|source| {
        source.window_skip(1, 2).concat_map(|window| window)
    }).gives(|n| n.div_ceil(2));
    window_sliding: rules::processor(|source| {
        source.window_sliding(2, 1).concat_map(|window| window)
    }).gives(|n| (2 * n).saturating_sub(1));
    window_until: rules::processor(|source| {
        source.window_until(2, |n| n % 2 == 0).flat_map_unordered(1, 2, |window| window)
    });
    window_while: rules::processor(|source| {
        source.window_while(2, |n| n % 2 == 1).concat_map(|window| window)
    }).gives(|n| n.div_ceil(2));
    window_by_key: rules::processor(|source| {
        source.window_by_key(2, |n| n / 2).concat_map(|window| window)
    });
    chunk_when: rules::processor(|source| source.chunk_when(never(), 1));
    ready_chunks: rules::processor(|source| source.ready_chunks(1));
    sliding: rules::processor(|source| source.sliding(3, 1));
    sliding_with_gaps: rules::processor(|source| source.sliding(1, 2)).gives(|n| n.div_ceil(2));

    catch_unwind: rules::processor(|source| source.catch_unwind(|_| TestError(9)));
    map_err: rules::processor(|source| source.map_err(|error| error.to_string()));
    fallible: rules::processor(|source| source.materialize().fallible::<TestError>().dematerialize());
    on_error_return: rules::processor(|source| source.on_error_return(0)).recovers();
    skip_errors: rules::processor(|source| source.map(|n| if n % 2 == 0 { Ok(n) } else { Err(n) }).skip_errors(drop))
        .gives(|n| n / 2);
    on_error_complete: rules::processor(|source| source.on_error_complete(|_| true)).recovers();
    on_error_resume: rules::processor(|source| source.on_error_resume(|_| numbers(0))).recovers();

    inspect: rules::processor(|source| source.inspect(|_| ()));
    inspect_first: rules::processor(|source| source.inspect_first(|_| ()));
    inspect_err: rules::processor(|source| source.inspect_err(|_| ()));
    inspect_complete: rules::processor(|source| source.inspect_complete(|| ()));
    inspect_end: rules::processor(|source| source.inspect_end(|_| ()));
    inspect_cancel: rules::processor(|source| source.inspect_cancel(drop));
    inspect_request: rules::processor(|source| source.inspect_request(|_| ()));
    inspect_subscribe: rules::processor(|source| source.inspect_subscribe(|| ()));
    finally: rules::processor(|source| source.finally(drop));
    on_discard: rules::processor(|source| source.on_discard(|_: u64| ()));
    named: rules::processor(|source| source.named("stage"));
    tag: rules::processor(|source| source.tag("key", "value"));
    observed: rules::processor(|source| source.prefetch(4).observed(&Board::new(1)));
    checkpoint: rules::processor(|source| source.checkpoint("here"));
    boxed: rules::processor(|source| source.boxed());
    #[cfg(feature = "tracing")]
    log: rules::processor(|source| source.log("rules"));
}

/// Numbers with the error of the kit.
fn numbers(n: u64) -> impl Publisher<Item = u64, Error = TestError> + Clone {
    millstream::generate(0, move |sent| {
        *sent += 1;
        Ok((*sent <= n).then_some(*sent))
    })
}

/// Neither an item nor an end.
fn never() -> impl Publisher<Item = u64, Error = TestError> {
    millstream::pending().map_err(|never| match never {})
}

/// As `numbers`, failing after them.
/// What a publisher gives that needs a resource, in a way.
fn used_when<P: Publisher<Error = TestError>>(
    use_: impl FnOnce() -> P + Send + 'static,
) -> impl Publisher<Item = P::Item, Error = TestError> {
    let resource = millstream::just(()).map_err(|never| match never {});
    let ends = |(), _| async { Ok(()) };
    millstream::using_when(Eager::default(), resource, |()| use_(), ends)
}

fn failing(n: u64) -> impl Publisher<Item = u64, Error = TestError> + Clone {
    millstream::generate(0, move |sent| {
        *sent += 1;
        if *sent <= n { Ok(Some(*sent)) } else { Err(TestError(n)) }
    })
}

/// A channel that holds `n` numbers and its end.
fn sent(n: u64, error: Option<TestError>) -> impl Publisher<Item = u64, Error = TestError> {
    let (sender, items) = millstream::try_channel(n.max(1) as usize);
    of(n).for_each(|n| sender.try_send(n).expect("there is room"));
    match error {
        Some(error) => sender.fail(error).expect("somebody receives"),
        None => sender.complete(),
    }
    items
}

/// An emitter of `n` numbers and its end.
fn emitted(n: u64, error: Option<TestError>) -> impl Publisher<Item = u64, Error = TestError> {
    let (emitter, items) = millstream::try_emitter(n.max(1) as usize, Overflow::drop_newest());
    emit(emitter, n, error);
    items
}

/// As `emitted`, made by each subscription.
fn created(n: u64, error: Option<TestError>) -> impl Publisher<Item = u64, Error = TestError> {
    millstream::try_create(n.max(1) as usize, Overflow::drop_newest(), move |emitter| {
        emit(emitter, n, error);
    })
}

fn emit(emitter: Emitter<u64, TestError>, n: u64, error: Option<TestError>) {
    for n in of(n) {
        let _closed = emitter.emit(n);
    }
    match error {
        Some(error) => {
            let _closed = emitter.fail(error);
        }
        None => emitter.complete(),
    }
}

// Those that subscribe to their source again, and publishers that are cloned.
rules_for! {
    retry_backoff: rules::publisher(|n| numbers(n).retry_backoff(timeless(), Backoff::new(Duration::from_secs(1)), |_| true))
        .failing(|n| failing(n).retry_backoff(timeless(), Backoff::new(Duration::from_secs(1)).attempts(0), |_| true));
    retry_after: rules::publisher(|n| numbers(n).retry_after(timeless(), |_| None))
        .failing(|n| failing(n).retry_after(timeless(), |_| None));
    retry_when: rules::publisher(|n| numbers(n).retry_when(|_| Some(numbers(1))))
        .failing(|n| failing(n).retry_when(|_| None::<millstream::BoxPublisher<u64, _>>));
    repeat_when: rules::publisher(|n| {
        let mut left = 2;
        numbers(n).repeat_when(move || {
            left -= 1;
            (left > 0).then(|| numbers(1))
        })
    }).gives(|n| 2 * n).failing(|n| failing(n).repeat_when(|| Some(numbers(1))));
    after: rules::publisher(|_| millstream::after(in_haste(), Duration::from_secs(1))).gives(|_| 1);
    interval: rules::publisher(|n| {
        millstream::interval(in_haste(), Duration::from_secs(1), MissedTicks::Skip).take(n)
    });
    restart_with_backoff: rules::publisher(|n| {
        let restart = Restart::new(Backoff::new(Duration::from_secs(1)).attempts(1));
        millstream::restart_with_backoff(in_haste(), restart, move || numbers(n))
    }).gives(|n| 2 * n);
    retry: rules::publisher(|n| numbers(n).retry(2)).failing(|n| failing(n).retry(0));
    repeat: rules::publisher(|n| numbers(n).repeat(1)).gives(|n| 2 * n).failing(|n| failing(n).repeat(1));
    repeat_while: rules::publisher(|n| numbers(n).repeat_while(|| false))
        .failing(|n| failing(n).repeat_while(|| false));
    boxed_clone: rules::publisher(|n| numbers(n).boxed_clone().clone())
        .failing(|n| failing(n).boxed_clone());
}

rules_for! {
    from_iter: rules::publisher(|n| millstream::from_iter(of(n)));
    from_fn: rules::publisher(|n| {
        let mut items = of(n);
        millstream::from_fn(move || items.next())
    });
    from_pull: rules::publisher(|n| millstream::from_pull(millstream::just(n).into_pull(Default::default()).expect("it pulls")))
        .gives(|_| 1);
    from_reader: rules::publisher(|n| millstream::from_reader(std::io::Cursor::new(vec![0; n as usize]), 1));
    lines: rules::publisher(|n| millstream::lines(std::io::Cursor::new("line\n".repeat(n as usize))));
    generate: rules::publisher(numbers).failing(failing);
    unfold: rules::publisher(|n| millstream::unfold(0, move |sent| (sent < n).then_some((sent, sent + 1))));
    successors: rules::publisher(|n| millstream::successors((n > 0).then_some(1), move |i| (*i < n).then_some(i + 1)));
    range: rules::publisher(|n| millstream::range(0..n));
    repeat_value: rules::publisher(|n| millstream::repeat_value(7).take(n));
    cycle: rules::publisher(|n| millstream::cycle([1, 2]).take(n));
    just: rules::publisher(millstream::just).gives(|_| 1);
    empty: rules::publisher(|_| millstream::empty::<u64>()).gives(|_| 0);
    fail: rules::publisher(numbers).failing(|n| numbers(n).chain(millstream::fail(TestError(n))));
    pending: rules::publisher(|n| numbers(n).chain(millstream::pending().map_err(|never| match never {})).take(n));
    channel: rules::publisher(|n| sent(n, None)).failing(|n| sent(n, Some(TestError(n))));
    oneshot: rules::publisher(|n| {
        let (sender, item) = millstream::oneshot();
        sender.send(n).expect("somebody receives");
        item
    }).gives(|_| 1);
    emitter: rules::publisher(|n| emitted(n, None)).failing(|n| emitted(n, Some(TestError(n))));
    create: rules::publisher(|n| created(n, None)).failing(|n| created(n, Some(TestError(n))));
    from_blocking_iter: rules::publisher(|n| millstream::from_blocking_iter(Eager::default(), 2, of(n)));
    defer: rules::publisher(|n| millstream::defer(move || numbers(n)))
        .failing(|n| millstream::defer(move || failing(n)));
    lazy: rules::publisher(|n| millstream::lazy(move || numbers(n)))
        .failing(|n| millstream::lazy(move || failing(n)));
    using: rules::publisher(|n| millstream::using(|| Ok(()), move |()| numbers(n), drop))
        .failing(|n| millstream::using(|| Ok(()), move |()| failing(n), drop));
    using_released_after_the_end:
        rules::publisher(|n| millstream::using(|| Ok(()), move |()| numbers(n), drop).release_after_end())
        .failing(|n| millstream::using(|| Ok(()), move |()| failing(n), drop).release_after_end());
    using_when: rules::publisher(|n| used_when(move || numbers(n))).failing(|n| used_when(move || failing(n)));
    concat_of_sources: rules::publisher(|n| millstream::concat([numbers(n), numbers(1)])).gives(|n| n + 1)
        .failing(|n| millstream::concat([failing(n).boxed(), numbers(1).boxed()]));
}

/// Numbers by a future for each.
fn by_futures(n: u64, fails: bool) -> impl Publisher<Item = u64, Error = TestError> {
    millstream::try_unfold_async(Eager::default(), 0, move |sent| async move {
        if sent < n {
            return Ok(Some((sent, sent + 1)));
        }
        if fails { Err(TestError(n)) } else { Ok(None) }
    })
}

/// Numbers of an asynchronous source.
struct Count(u64);

impl millstream::edge::AsyncSource for Count {
    type Item = u64;
    type Error = TestError;

    async fn next(&mut self) -> Result<Option<u64>, TestError> {
        let Some(less) = self.0.checked_sub(1) else { return Ok(None) };
        Ok(Some(std::mem::replace(&mut self.0, less)))
    }
}

/// Numbers, three at a time.
struct Client {
    next: u64,
    end: u64,
    paused: bool,
}

impl PolledClient for Client {
    type Item = u64;
    type Error = TestError;

    fn poll(&mut self, _: &mut Context<'_>) -> PolledBatch<u64, TestError> {
        if self.paused {
            return Poll::Pending;
        }
        let batch: Vec<u64> = (self.next..self.end).take(3).collect();
        self.next += batch.len() as u64;
        Poll::Ready(Ok((!batch.is_empty()).then_some(batch)))
    }

    fn pause(&mut self) -> Result<(), TestError> {
        self.paused = true;
        Ok(())
    }

    fn resume(&mut self) -> Result<(), TestError> {
        self.paused = false;
        Ok(())
    }
}

// Sources that are polled by a task.
rules_for! {
    from_future: rules::publisher(|n| millstream::from_future(Eager::default(), async move { n })).gives(|_| 1);
    from_try_future: rules::publisher(|n| {
            millstream::from_try_future(Eager::default(), async move { Ok::<_, TestError>(n) })
        })
        .gives(|_| 1);
    unfold_async: rules::publisher(|n| {
        millstream::unfold_async(Eager::default(), 0, move |sent| async move {
            (sent < n).then_some((sent, sent + 1))
        })
    });
    try_unfold_async: rules::publisher(|n| by_futures(n, false)).failing(|n| by_futures(n, true));
    from_source: rules::publisher(|n| millstream::from_source(Eager::default(), Count(n)));
    from_polled_client: rules::publisher(|n| millstream::from_polled_client(
        Eager::default(),
        Client { next: 0, end: n, paused: false },
    ));
    #[cfg(feature = "futures")]
    from_stream: rules::publisher(|n| {
        millstream::from_stream(Eager::default(), futures::stream::iter(of(n)))
    });
    #[cfg(feature = "futures")]
    from_try_stream: rules::publisher(|n| {
            let items = futures::stream::iter(of(n).map(Ok::<_, TestError>));
            millstream::from_try_stream(Eager::default(), items)
        })
        .failing(|n| {
            let items = of(n).map(Ok).chain([Err(TestError(n))]);
            millstream::from_try_stream(Eager::default(), futures::stream::iter(items))
        });
    #[cfg(feature = "futures")]
    async_lines: rules::publisher(|n| {
        let text = futures::io::Cursor::new("line\n".repeat(n as usize));
        millstream::async_lines(Eager::default(), text)
    });
    #[cfg(feature = "futures")]
    from_async_reader: rules::publisher(|n| {
        let bytes = futures::io::Cursor::new(vec![0; n as usize]);
        millstream::from_async_reader(Eager::default(), bytes, 1)
    });
    #[cfg(feature = "tokio-sync")]
    from_mpsc: rules::publisher(|n| {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        of(n).for_each(|n| sender.send(n).unwrap());
        millstream::from_mpsc(Eager::default(), receiver)
    });
    #[cfg(feature = "tokio-sync")]
    from_broadcast: rules::publisher(|n| {
        let (sender, receiver) = tokio::sync::broadcast::channel(1 << 10);
        of(n).for_each(|n| assert!(sender.send(n).is_ok()));
        millstream::from_broadcast(Eager::default(), receiver)
    });
    #[cfg(feature = "tokio-sync")]
    from_watch: rules::publisher(|n| {
            let (_, receiver) = tokio::sync::watch::channel(n);
            millstream::from_watch(Eager::default(), receiver)
        })
        .gives(|_| 1);
}
