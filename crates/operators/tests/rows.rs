//! Every operator over every pattern of demand, cancellation, failure and panic, one line each.
//!
//! A line is named as its operator; a name with something behind it is a second look at the
//! same operator. The long runs have 5,000 items on a stack of 64 KiB, where no item may leave
//! as much as 16 bytes behind; `stack.rs` goes a million deep.
//!
//! `bursts` marks those that send several items for one, or after the end of their source: a
//! subscription dropped inside an item is seen after the burst (rule 2.8).

mod eager;

use std::collections::HashSet;
use std::convert::identity;
use std::num::NonZeroU64;
use std::time::Duration;

use millstream::Board;
use millstream::ack::{AckError, Acked, AckedPublisher, OnNack, Settled};
use millstream::chunk::{Boundary, DelimitedError, Truncated};
use millstream::control::Aimd;
use millstream::effect::AtCheckpoint;
use millstream::fan_out::{SlowSubscriber, Stalled};
use millstream::fault::Backoff;
use millstream::lifecycle::{DrainHandle, KillSwitch};
use millstream::limit::{Permits, Permitted};
use millstream::overflow::{Backpressure, Overflow, Valve};
use millstream::prelude::*;
use millstream::timing::{Rate, TokenBucket, Trailing};
use millstream::transform::Signal;
use millstream_testkit::sweep::{Ending, Source, TestError};
use millstream_testkit::{Ledger, Token, rows};

use eager::{Eager, in_haste, timeless};

/// A publisher that can be pulled, for operators that take another one.
fn other(ledger: &Ledger, values: &[i64]) -> Source<true> {
    Source::new(values.to_vec(), Ending::Complete, ledger)
}

/// Another one of the type of `source`.
fn like<const PULLS: bool>(source: &Source<PULLS>, values: &[i64]) -> Source<PULLS> {
    Source::new(values.to_vec(), Ending::Complete, source.ledger())
}

/// Neither an item nor an end.
fn never<T: Send + 'static>() -> impl Publisher<Item = T, Error = TestError> {
    millstream::pending().map_err(|never| match never {})
}

fn different(items: impl IntoIterator<Item = i64>) -> Vec<i64> {
    let mut seen = HashSet::new();
    items.into_iter().filter(|n| seen.insert(*n)).collect()
}

fn running(items: &[i64], seed: i64) -> impl Iterator<Item = i64> {
    items.iter().scan(seed, |sum, n| {
        *sum += n;
        Some(*sum)
    })
}

type Plain = Result<Token, Option<TestError>>;

fn told(signal: Signal<Token, TestError>) -> Plain {
    match signal {
        Signal::Item(item) => Ok(item),
        Signal::Complete => Err(None),
        Signal::Error(error) => Err(Some(error)),
    }
}

fn until_three(item: Token) -> Signal<Token, TestError> {
    if item.value() == 3 { Signal::Complete } else { Signal::Item(item) }
}

fn until_failing_three(item: Token) -> Signal<Token, TestError> {
    if item.value() == 3 { Signal::Error(TestError(3)) } else { Signal::Item(item) }
}

// transform
rows! {
    map: |source| source.map(|n| n.map(|n| n * 2)), |items| items.iter().map(|n| n * 2);
    try_map: |source| source.try_map(|n| Ok::<_, TestError>(n.map(|n| n + 1))),
        |items| items.iter().map(|n| n + 1);
    try_map_that_fails:
        |source| source.try_map(|n| if n.value() == 3 { Err(TestError(3)) } else { Ok(n) }),
        |items| items.into_iter().take_while(|n| *n != 3), |options| options.may_fail();
    filter_map: |source| source.filter_map(|n| (n.value() % 2 == 1).then_some(n)),
        |items| items.into_iter().filter(|n| n % 2 == 1);
    scan: |source| source.scan(0, |sum, n| {
            *sum += n.value();
            Some(*sum)
        }),
        |items| running(&items, 0);
    scan_that_ends: |source| source.scan(0, |count, n| {
            *count += 1;
            (*count < 3).then_some(n)
        }),
        |items| items.into_iter().take(2);
    running_fold: |source| source.running_fold(100, |sum, n| sum + n.value()),
        |items| std::iter::once(100).chain(running(&items, 100)).collect::<Vec<_>>();
    running_fold_of_items: |source| {
            let seed = source.ledger().token(100);
            source.running_fold(seed, |sum, n| sum.map(|sum| sum + n.value()))
        },
        |items| std::iter::once(100).chain(running(&items, 100)).collect::<Vec<_>>();
    enumerate: |source| source.enumerate(), |items| items.into_iter().enumerate().map(|(i, n)| (i as u64, n));
    stateful_map: |source| source.stateful_map(
            || 0,
            |sum, n| {
                *sum += n.value();
                *sum
            },
            |sum| Some(-sum),
        ),
        |items| running(&items, 0).chain([-items.iter().sum::<i64>()]).collect::<Vec<_>>();
    map_with_resource: |source| {
            let resource = source.ledger().token(100);
            source.map_with_resource(|| resource, |r, n| n.map(|n| n + r.value()), Some)
        },
        |items| items.into_iter().map(|n| n + 100).chain([100]);
    materialize: |source| source.materialize().map(told),
        |items| items.into_iter().map(Ok).chain([Err(None)]), |options| options.recovers();
    dematerialize: |source| source.map(Signal::<_, TestError>::Item).dematerialize(), |items| items;
    dematerialize_an_end: |source| source.map(until_three).dematerialize(),
        |items| items.into_iter().take_while(|n| *n != 3);
    dematerialize_an_error: |source| source.map(until_failing_three).dematerialize(),
        |items| items.into_iter().take_while(|n| *n != 3), |options| options.may_fail();
    pairwise: |source| source.pairwise(), |items| items.windows(2).map(|two| (two[0], two[1])).collect::<Vec<_>>();
    map_into: |source| source.map_into::<Option<_>>(), |items| items.into_iter().map(Some);
}

// filter
rows! {
    filter: |source| source.filter(|n| n.value() % 2 == 0), |items| items.into_iter().filter(|n| n % 2 == 0);
    filter_of_all: |source| source.filter(|_| false), |_items| [];
    skip: |source| source.skip(2), |items| items.into_iter().skip(2);
    skip_of_none: |source| source.skip(0), |items| items;
    skip_while: |source| source.skip_while(|n| n.value() < 3), |items| items.into_iter().skip_while(|n| *n < 3);
    skip_last: |source| source.skip_last(2),
        |items| items[..items.len().saturating_sub(2)].iter().copied();
    skip_last_of_none: |source| source.skip_last(0), |items| items;
    step_by: |source| source.step_by(2), |items| items.into_iter().step_by(2);
    dedup: |source| source.map(|n| n.map(|n| n / 2)).dedup(),
        |items| different(items.into_iter().map(|n| n / 2));
    dedup_by_key: |source| source.dedup_by_key(|n| n.value() / 2),
        |items| {
            let mut items = items;
            items.dedup_by_key(|n| *n / 2);
            items
        };
    unique: |source| source.map(|n| n.map(|n| n % 3)).unique(),
        |items| different(items.into_iter().map(|n| n % 3));
    unique_by: |source| source.unique_by(|n| n.value() % 3),
        |items| {
            let mut seen = HashSet::new();
            items.into_iter().filter(|n| seen.insert(*n % 3)).collect::<Vec<_>>()
        };
    unique_within: |source| source.map(|n| n.map(|n| n % 2)).unique_within(2),
        |items| different(items.into_iter().map(|n| n % 2));
    unique_within_that_forgets: |source| source.map(|n| n.map(|n| n % 3)).unique_within(2),
        |items| items.into_iter().map(|n| n % 3);
    ignore_items: |source| source.ignore_items(), |_items| [];
    default_if_empty: |source| {
            let default = source.ledger().token(99);
            source.default_if_empty(default)
        },
        |items| if items.is_empty() { vec![99] } else { items };
}

// limit
rows! {
    take: |source| source.take(2), |items| items.into_iter().take(2);
    take_of_none: |source| source.take(0), |_items| [];
    take_of_many: |source| source.take(100), |items| items.into_iter().take(100);
    take_while: |source| source.take_while(|n| n.value() < 3), |items| items.into_iter().take_while(|n| *n < 3);
    take_through: |source| source.take_through(|n| n.value() == 2),
        |items| {
            let end = items.iter().position(|n| *n == 2).map_or(items.len(), |at| at + 1);
            items[..end].iter().copied()
        };
    take_last: |source| source.take_last(2),
        |items| items[items.len().saturating_sub(2)..].iter().copied(),
        |options| options.bursts();
    into_publisher: |source| source.fold(0, |sum, n: Token| sum + n.value()).into_publisher(),
        |items| [items.iter().sum::<i64>()];
    into_publisher_that_knows: |source| source.nth(2).into_publisher().filter_map(identity),
        |items| items.into_iter().skip(2).take(1);
    take_last_of_none: |source| source.take_last(0), |_items| [];
    limit: |source| source.limit(5), |items| items.into_iter().take(5), |options| options.may_fail();
    limit_that_is_exceeded: |source| source.limit(2), |items| items.into_iter().take(2),
        |options| options.may_fail();
    limit_weighted: |source| source.limit_weighted(6, |n| n.value().unsigned_abs()),
        |items| running(&items, 0).zip(items.clone()).take_while(|(sum, _)| *sum <= 6)
            .map(|(_, n)| n).collect::<Vec<_>>(),
        |options| options.may_fail();
    bulkhead: |source| source.bulkhead(Eager::default(), &Permits::new(2)).map(Permitted::into_inner), |items| items;
    limit_rate: |source| source.limit_rate(3, 1), |items| items;
    limit_rate_to_one: |source| source.limit_rate(1, 0), |items| items;
    map_while: |source| source.map_while(|n| (n.value() < 3).then(|| n.map(|n| n + 1))),
        |items| items.into_iter().map_while(|n| (n < 3).then_some(n + 1));
}

// combine
rows! {
    chain: |source| {
            let other = other(source.ledger(), &[7, 8]);
            source.chain(other)
        },
        |items| [items, vec![7, 8]].concat();
    concat: |source| {
            let (first, last) = (like(&source, &[7]), like(&source, &[8, 9]));
            millstream::concat([first, source, last])
        },
        |items| [vec![7], items, vec![8, 9]].concat();
    concat_of_boxes: |source| {
            let (first, last) = (like(&source, &[7]), like(&source, &[8, 9]));
            millstream::concat([first.boxed(), source.boxed(), last.boxed()])
        },
        |items| [vec![7], items, vec![8, 9]].concat();
    start_with: |source| {
            let first = [source.ledger().token(7), source.ledger().token(8)];
            source.start_with(first)
        },
        |items| [vec![7, 8], items].concat();
    switch_if_empty: |source| {
            let other = other(source.ledger(), &[7, 8]);
            source.switch_if_empty(other)
        },
        |items| if items.is_empty() { vec![7, 8] } else { items };
}

// flatten
rows! {
    concat_map: |source| {
            let ledger = source.ledger().clone();
            source.concat_map(move |n| other(&ledger, &[n.value(), 0]))
        },
        |items| items.into_iter().flat_map(|n| [n, 0]),
        |options| options.bursts();
    concat_map_of_boxes: |source| {
            let ledger = source.ledger().clone();
            source.concat_map(move |n| other(&ledger, &[n.value(), 0]).boxed())
        },
        |items| items.into_iter().flat_map(|n| [n, 0]);
    concat_map_of_many_and_none: |source| {
            let ledger = source.ledger().clone();
            source.concat_map(move |n| other(&ledger, &[9, 8, 7][..n.value() as usize % 4]))
        },
        |items| items.into_iter().flat_map(|n| [9, 8, 7][..n.rem_euclid(4) as usize].to_vec()),
        |options| options.bursts();
    concat_map_delay_error: |source| {
            let ledger = source.ledger().clone();
            source
                .concat_map_delay_error(move |n| other(&ledger, &[n.value(), 0]))
                .map_err(|failures| failures.errors()[0])
        },
        |items| items.into_iter().flat_map(|n| [n, 0]);
    concat_map_delay_error_of_boxes: |source| {
            let ledger = source.ledger().clone();
            source
                .concat_map_delay_error(move |n| other(&ledger, &[n.value(), 0]).boxed())
                .map_err(|failures| failures.errors()[0])
        },
        |items| items.into_iter().flat_map(|n| [n, 0]);
    concat_map_iter: |source| {
            let ledger = source.ledger().clone();
            source.concat_map_iter(move |n| [n, ledger.token(0)])
        },
        |items| items.into_iter().flat_map(|n| [n, 0]),
        |options| options.bursts();
}

fn push(mut batch: Vec<Token>, item: Token) -> Vec<Token> {
    batch.push(item);
    batch
}

// overflow: what comes out depends on the demand, unless there is room for all
rows! {
    buffered_queue: |source| source.buffered_queue(2, Backpressure), |items| items;
    buffered_queue_with_room_for_all: |source| source.buffered_queue(20_000, Overflow::drop_oldest()),
        |items| items;
    buffered_queue_that_fails: |source| source.buffered_queue(2, Overflow::error(|_| TestError(3))),
        |items| items, |options| options.may_fail();
    latest: |source| source.take(1).latest(), |items| items.into_iter().take(1);
    drop_unwanted: |source| source.filter(|_| false).drop_unwanted(drop), |_items| [];
    error_on_overflow: |source| source.error_on_overflow(|_| TestError(3)), |items| items,
        |options| options.may_fail();
    conflate: |source| source.take(1).conflate(|a, b| a.map(|a| a + b.value())),
        |items| items.into_iter().take(1);
    conflate_with: |source| {
            source.conflate_with(|n| vec![n], push).concat_map_iter(|batch| batch)
        },
        |items| items,
        |options| options.bursts();
    batch: |source| source.batch(3, |n| vec![n], push).concat_map_iter(|batch| batch),
        |items| items,
        |options| options.bursts();
    batch_weighted: |source| {
            let weight = |n: &Token| n.value().unsigned_abs();
            source.batch_weighted(4, weight, |n| vec![n], push).concat_map_iter(|batch| batch)
        },
        |items| items,
        |options| options.bursts();
    expand_last: |source| source.expand_last(|_| None), |items| items;
    detach: |source| source.detach(), |items| items;
    pausable: |source| source.pausable(&Valve::new(), 2), |items| items;
    cap_demand: |source| source.cap_demand(|_| NonZeroU64::MIN), |items| items;
    cap_demand_to_all: |source| source.cap_demand(|n| NonZeroU64::new(n.get()).unwrap()), |items| items;
}

// several upstreams at a time
rows! {
    combine_latest: |source| {
            let other = other(source.ledger(), &[7]).map(|n| n.value());
            millstream::combine_latest((source.map(|n| n.value()), other), 2)
        },
        |items| items.into_iter().map(|n| (n, 7)),
        |options| options.bursts();
    combine_latest_of_a_number: |source| {
            let other = other(source.ledger(), &[7]).map(|n| n.value());
            millstream::combine_latest(vec![source.map(|n| n.value()).boxed(), other.boxed()], 2)
        },
        |items| items.into_iter().map(|n| vec![n, 7]),
        |options| options.bursts();
    combine_latest_conflated: |source| {
            let other = other(source.ledger(), &[7]).map(|n| n.value());
            let one = source.take(1).map(|n| n.value());
            millstream::combine_latest_conflated((one, other), 2)
        },
        |items| items.into_iter().take(1).map(|n| (n, 7));
    with_latest_from: |source| {
            let other = other(source.ledger(), &[7]).map(|n| n.value());
            source.with_latest_from(other, 2)
        },
        |items| items.into_iter().map(|n| (n, 7));
    race: |source| millstream::race([source], 2), |items| items;
    race_with_one_that_never_comes: |source| {
            millstream::race([never().boxed(), source.boxed()], 3)
        },
        |items| items;
    take_until: |source| source.take_until(never::<()>()), |items| items;
    kill_switch: |source| source.kill_switch().0, |items| items;
    watch_end: |source| source.watch_end().0, |items| items;
    received_by: |source| source.received_by(&DrainHandle::new()), |items| items;
    received_by_one_that_was_stopped: |source| {
            let drain = DrainHandle::new();
            drain.stop();
            source.received_by(&drain)
        },
        |_items| Vec::<i64>::new();
    delivered_by: |source| source.delivered_by(&DrainHandle::new()), |items| items;
    stopped_by: |source| source.stopped_by(&KillSwitch::new()), |items| items;
    stopped_by_a_switch_that_was_shut_down: |source| {
            let switch = KillSwitch::new();
            switch.shutdown();
            source.stopped_by(&switch)
        },
        |_items| Vec::<i64>::new();
    stopped_by_a_switch_that_was_aborted: |source| {
            let switch = KillSwitch::new();
            switch.abort_with(|| TestError(9));
            source.stopped_by(&switch)
        },
        |_items| Vec::<i64>::new(), |options| options.may_fail();
    take_until_that_comes_at_once: |source| {
            source.take_until(millstream::just(()).map_err(|never| match never {}))
        },
        |_items| Vec::<i64>::new();
    skip_until: |source| {
            source.skip_until(millstream::just(()).map_err(|never| match never {}), 2)
        },
        |items| items;
    skip_until_that_never_comes: |source| source.skip_until(never::<()>(), 2),
        |_items| Vec::<i64>::new();
    flat_map_ordered: |source| {
            let ledger = source.ledger().clone();
            source.flat_map_ordered(2, 2, move |n| other(&ledger, &[n.value(), 0]))
        },
        |items| items.into_iter().flat_map(|n| [n, 0]);
    flat_map_ordered_of_boxes: |source| {
            let ledger = source.ledger().clone();
            source.flat_map_ordered(3, 1, move |n| other(&ledger, &[n.value(), 0]).boxed())
        },
        |items| items.into_iter().flat_map(|n| [n, 0]);
    switch_map: |source| {
            let ledger = source.ledger().clone();
            source.take(1).switch_map(2, move |n| other(&ledger, &[n.value(), 0]))
        },
        |items| items.into_iter().take(1).flat_map(|n| [n, 0]);
    switch_map_of_boxes: |source| {
            let ledger = source.ledger().clone();
            source.take(1).switch_map(1, move |n| other(&ledger, &[n.value(), 0]).boxed())
        },
        |items| items.into_iter().take(1).flat_map(|n| [n, 0]);
    exhaust_map: |source| {
            let ledger = source.ledger().clone();
            source.take(1).exhaust_map(2, move |n| other(&ledger, &[n.value(), 0]))
        },
        |items| items.into_iter().take(1).flat_map(|n| [n, 0]);
    exhaust_map_of_boxes: |source| {
            let ledger = source.ledger().clone();
            source.take(1).exhaust_map(1, move |n| other(&ledger, &[n.value(), 0]).boxed())
        },
        |items| items.into_iter().take(1).flat_map(|n| [n, 0]);
}

rows! {
    merge: |source| {
            let none = like(&source, &[]);
            source.merge(none, 2)
        },
        |items| items;
    chain_delay_error: |source| {
            let other = other(source.ledger(), &[7]);
            source.chain_delay_error(other).map_err(|failures| failures.errors()[0])
        },
        |items| [items, vec![7]].concat(), |options| options.may_fail();
    concat_delay_error: |source| {
            let none = like(&source, &[]);
            millstream::concat_delay_error([none, source]).map_err(|failures| failures.errors()[0])
        },
        |items| items;
    merge_delay_error: |source| {
            let none = like(&source, &[]);
            source.merge_delay_error(none, 2).map_err(|failures| failures.errors()[0])
        },
        |items| items;
    merge_preferred: |source| {
            let none = like(&source, &[]);
            source.merge_preferred(none, 2)
        },
        |items| items;
    merge_preferring_another: |source| {
            let none = like(&source, &[]);
            none.merge_preferred(source, 2)
        },
        |items| items;
    merge_prioritized: |source| {
            let none = like(&source, &[]);
            source.merge_prioritized(none, [3, 1], 2)
        },
        |items| items;
    merge_sorted: |source| {
            let others = like(&source, &[2, 4]);
            source.merge_sorted(others, 2, |a, b| a.value().cmp(&b.value()))
        },
        |items| {
            let mut items = [items, vec![2, 4]].concat();
            items.sort_unstable();
            items
        },
        |options| options.may_fail();
    interleave: |source| {
            let none = like(&source, &[]);
            source.interleave(none, 2)
        },
        |items| items;
    interleave_with_another: |source| {
            let others = like(&source, &[7, 8, 9]);
            source.interleave(others, 2)
        },
        |items| {
            let (mut items, mut others) = (items.into_iter().peekable(), [7, 8, 9].into_iter());
            let mut both = Vec::new();
            while items.peek().is_some() || !others.as_slice().is_empty() {
                both.extend(items.by_ref().take(2));
                both.extend(others.by_ref().take(2));
            }
            both
        },
        |options| options.may_fail();
    interleave_shortest: |source| {
            let others = like(&source, &[7, 8, 9]);
            others.interleave(source, 1).shortest()
        },
        |items| {
            let mut items = items.into_iter();
            let mut both = Vec::new();
            for other in [7, 8, 9] {
                both.push(other);
                let Some(item) = items.next() else { break };
                both.push(item);
            }
            both
        },
        |options| options.may_fail();
    merge_all_of_boxes: |source| {
            let none = like(&source, &[]);
            millstream::merge_all([none.boxed(), source.boxed()], 3)
        },
        |items| items;
    zip: |source| {
            let other = other(source.ledger(), &[7, 8, 9]);
            source.zip(other, 2)
        },
        |items| items.into_iter().zip([7, 8, 9]).collect::<Vec<_>>();
    zip_of_a_number: |source| {
            let other = other(source.ledger(), &[7, 8, 9]);
            millstream::zip(vec![source.boxed(), other.boxed()], 2)
                .map(|row| match <[_; 2]>::try_from(row) {
                    Ok([a, b]) => (a, b),
                    Err(row) => panic!("{} in a row of two", row.len()),
                })
        },
        |items| items.into_iter().zip([7, 8, 9]).collect::<Vec<(i64, i64)>>();
    zip_with_one_that_has_no_end: |source| source.zip(millstream::from_iter(1..).map_err(|never| match never {}), 2),
        |items| items.into_iter().zip(1..).collect::<Vec<_>>();
    flat_map_unordered: |source| {
            let ledger = source.ledger().clone();
            source.flat_map_unordered(1, 2, move |n| other(&ledger, &[n.value(), 0]))
        },
        |items| items.into_iter().flat_map(|n| [n, 0]);
    flat_map_unordered_of_boxes: |source| {
            let ledger = source.ledger().clone();
            source.flat_map_unordered(1, 1, move |n| other(&ledger, &[n.value(), 0]).boxed())
        },
        |items| items.into_iter().flat_map(|n| [n, 0]);
    flat_map_unordered_delay_error: |source| {
            let ledger = source.ledger().clone();
            source
                .flat_map_unordered_delay_error(1, 2, move |n| other(&ledger, &[n.value(), 0]))
                .map_err(|failures| failures.errors()[0])
        },
        |items| items.into_iter().flat_map(|n| [n, 0]);
    flat_map_unordered_delay_error_of_boxes: |source| {
            let ledger = source.ledger().clone();
            source
                .flat_map_unordered_delay_error(1, 1, move |n| other(&ledger, &[n.value(), 0]).boxed())
                .map_err(|failures| failures.errors()[0])
        },
        |items| items.into_iter().flat_map(|n| [n, 0]);
}

// fan_out
rows! {
    broadcast: |source| {
            let [a, gone] = source.broadcast::<2>(2);
            drop(gone);
            a
        },
        |items| items;
    broadcast_of_one: |source| {
            let [only] = source.broadcast::<1>(1);
            only
        },
        |items| items;
    broadcast_and_zip: |source| {
            let [a, b] = source.broadcast::<2>(2);
            a.zip(b, 3).map(|(a, _)| a)
        },
        |items| items;
    share: |source| source.share(2), |items| items;
    publish: |source| source.publish(1).ref_count(1), |items| items;
    publish_dropping_oldest: |source| {
            source.publish(2).slow_subscriber(SlowSubscriber::DropOldest).auto_connect(1)
        },
        |items| items;
    publish_disconnecting: |source| {
            source.publish(2).slow_subscriber(SlowSubscriber::Disconnect).auto_connect(1)
        },
        |items| items;
    replay: |source| source.replay(2, 2), |items| items;
    also_to: |source| source.also_to(2, |side| side.subscribe_with(drop, drop, || {}).unbounded().detach()),
        |items| items;
    also_to_one_that_left: |source| source.also_to(2, drop).side_may_leave(), |items| items;
    wire_tap: |source| source.wire_tap(|side| side.subscribe_with(drop, drop, || {}).batch(2).detach()),
        |items| items;
    wire_tap_of_one_that_left: |source| source.wire_tap(drop), |items| items;
}

/// Items that are to be acknowledged, at most three at a time.
fn guarded<P: Publisher<Error = TestError>>(
    source: P,
) -> AckedPublisher<impl Publisher<Item = Acked<P::Item>, Error = AckError<TestError>>> {
    source.acked(3, |_| ()).commit_in_order(usize::MAX, |()| Ok::<_, TestError>(()))
}

/// Each acknowledged as it comes.
fn settled<P, T>(
    acked: AckedPublisher<P>,
) -> impl Publisher<Item = T, Error = TestError> + use<P, T>
where
    P: Publisher<Item = Acked<T>, Error = AckError<TestError>>,
    T: Send + 'static,
{
    let errors = |error| match error {
        AckError::Stream(error) => error,
        other => panic!("{other:?}"),
    };
    acked.into_unguarded().map(Acked::ack).map_err(errors)
}

// ack
rows! {
    acked: |source| settled(guarded(source)), |items| items;
    commit_in_order: |source| {
            settled(source.acked(1, |_| ()).commit_in_order(0, |()| Ok::<_, TestError>(())))
        },
        |items| items;
    commit_in_order_async: |source| {
            let commit = |()| async { Ok::<_, TestError>(()) };
            settled(source.acked(2, |_| ()).commit_in_order_async(1, Eager::default(), commit))
        },
        |items| items;
    settle_each: |source| settled(source.acked(2, |_| ()).settle_each(|(), _| Ok::<_, TestError>(()))),
        |items| items;
    settle_batches: |source| {
            let settle = |_: Vec<Settled<()>>| async { Ok::<_, TestError>(()) };
            settled(source.acked(2, |_| ()).settle_batches(Eager::default(), settle))
        },
        |items| items;
    acked_map: |source| settled(guarded(source).map(|n| n.map(|n| n + 1))), |items| items.into_iter().map(|n| n + 1);
    acked_filter: |source| settled(guarded(source).filter(|n| n.value() % 2 == 0)),
        |items| items.into_iter().filter(|n| n % 2 == 0);
    acked_map_or_nack: |source| {
            let acked = source.acked(2, |_| ()).on_nack(OnNack::Skip);
            let acked = acked.commit_in_order(0, |()| Ok::<_, TestError>(()));
            settled(acked.map_or_nack(|n| if n.value() % 3 == 0 { Err("three") } else { Ok(n) }))
        },
        |items| items.into_iter().filter(|n| n % 3 != 0);
    acked_chunks: |source| {
            settled(guarded(source).chunks(2).map(|chunk| {
                let mut chunk = chunk.into_iter();
                let first = chunk.next().unwrap();
                chunk.fold(first, |sum, n| sum.map(|sum| sum + n.value()))
            }))
        },
        |items| items.chunks(2).map(|chunk| chunk.iter().sum::<i64>()).collect::<Vec<_>>(),
        |options| options.bursts();
    acked_concat_map_iter: |source| settled(guarded(source).concat_map_iter(|n| [n.clone(), n])),
        |items| items.into_iter().flat_map(|n| [n, n]), |options| options.bursts();
    acked_map_async: |source| settled(guarded(source).map_async(Eager::default(), 2, |n| async move { n })),
        |items| items;
    acked_publish_on: |source| settled(guarded(source).publish_on(Eager::default(), 2)),
        |items| items;
    acked_take: |source| settled(guarded(source).take(2)), |items| items.into_iter().take(2);
}

// boundary, and what else runs on an executor
rows! {
    prefetch: |source| source.prefetch(2), |items| items;
    adaptive_prefetch: |source| source.adaptive_prefetch(1, 4), |items| items;
    prefetch_of_one: |source| source.prefetch(1), |items| items;
    observed_below_a_prefetch: |source| source.prefetch(2).observed(&Board::new(1)), |items| items;
    timeout_first: |source| source.timeout_first(timeless(), 2, Duration::from_secs(1)), |items| items;
    timeout_or: |source| {
            let other = like(&source, &[]);
            source.timeout_or(timeless(), 2, Duration::from_secs(1), other)
        }, |items| items;
    idle_timeout: |source| source.idle_timeout(timeless(), 2, Duration::from_secs(1)), |items| items;
    backpressure_timeout: |source| source.backpressure_timeout(timeless(), 2, Duration::from_secs(1)), |items| items;
    completion_timeout: |source| source.completion_timeout(timeless(), 2, Duration::from_secs(1)), |items| items;
    take_within: |source| source.take_within(timeless(), 2, Duration::from_secs(1)), |items| items;
    debounce: |source| source.take(1).debounce(in_haste(), 2, Duration::from_secs(1)), |items| items.into_iter().take(1);
    debounce_whose_time_does_not_come: |source| source.take(1).debounce(timeless(), 2, Duration::from_secs(1)),
        |items| items.into_iter().take(1);
    sample: |source| source.take(1).sample(in_haste(), 2, Duration::from_secs(1)), |items| items.into_iter().take(1);
    sample_whose_time_does_not_come: |source| source.take(1).sample(timeless(), 2, Duration::from_secs(1)),
        |items| items.into_iter().take(1);
    sample_on: |source| {
        source.take(1).sample_on(never::<()>(), 2)
    }, |items| items.into_iter().take(1);
    throttle_first: |source| source.filter(|_| false).throttle_first(timeless(), 2, Duration::from_secs(1)),
        |_items| [];
    throttle_latest: |source| {
        source.take(1).throttle_latest(timeless(), 2, Duration::from_secs(1), Trailing::Send)
    }, |items| items.into_iter().take(1);
    throttle_latest_that_discards: |source| {
        source.take(1).throttle_latest(timeless(), 2, Duration::from_secs(1), Trailing::Discard)
    }, |items| items.into_iter().take(1);
    delay: |source| source.delay(in_haste(), 2, Duration::from_secs(1)), |items| items;
    delay_of_many: |source| source.delay(in_haste(), 100, Duration::from_secs(1)), |items| items;
    delay_each: |source| source.delay_each(in_haste(), 2, Duration::from_secs(1)), |items| items;
    delay_subscription: |source| source.delay_subscription(in_haste(), 2, Duration::from_secs(1)), |items| items;
    delay_subscription_by_nothing: |source| source.delay_subscription(timeless(), 2, Duration::ZERO), |items| items;
    delay_subscription_until: |source| {
        let signal = other(source.ledger(), &[7]);
        source.delay_subscription_until(signal, 2)
    }, |items| items;
    throttle: |source| source.throttle(in_haste(), 2, Rate::per_second(10)), |items| items;
    throttle_with_a_burst: |source| source.throttle(in_haste(), 1, Rate::per_second(10).burst(64)), |items| items;
    throttle_weighted: |source| {
        source.throttle_weighted(in_haste(), 2, Rate::per_second(10).burst(3), |n| n.value() as u64 % 5)
    }, |items| items;
    throttle_enforcing: |source| source.throttle_enforcing(timeless(), 2, Rate::per_second(10).burst(u64::MAX)),
        |items| items;
    throttle_enforcing_that_fails: |source| source.throttle_enforcing(timeless(), 2, Rate::per_second(10).burst(3)),
        |items| items.into_iter().take(3), |options| options.may_fail();
    throttle_adaptive: |source| {
            let rates = Aimd::new(10.0..=20.0).interval(Duration::from_millis(1));
            source.throttle_adaptive(in_haste(), 2, rates).told_by(|sample| sample.overloaded = sample.processed > 0)
        },
        |items| items;
    throttle_adaptive_that_does_not_bind: |source| {
            let rates = Aimd::new(10.0..=20.0).interval(Duration::from_secs(1));
            source.throttle_adaptive(timeless(), 2, rates).burst(u64::MAX)
        },
        |items| items;
    rate_limit: |source| source.rate_limit(in_haste(), 2, &TokenBucket::new(Rate::per_second(10))), |items| items;
    rate_limit_weighted: |source| {
        let bucket = TokenBucket::new(Rate::per_second(10).burst(3));
        source.rate_limit_weighted(in_haste(), 2, &bucket, |n| n.value() as u64 % 5)
    }, |items| items;
    timestamp: |source| source.timestamp(timeless()).map(|(_, n)| n), |items| items;
    elapsed: |source| source.elapsed(timeless()).map(|(_, n)| n), |items| items;
    keep_alive: |source| {
            let ledger = source.ledger().clone();
            source.keep_alive(timeless(), 2, Duration::from_secs(1), move || ledger.token(0))
        }, |items| items;
    chunks_timeout: |source| source.chunks_timeout(timeless(), 2, 2, Duration::from_secs(1)),
        |items| items.chunks(2).map(<[i64]>::to_vec);
    chunks_weighted_timeout:
        |source| source.chunks_weighted_timeout(timeless(), 2, 2, Duration::from_secs(1), |_| 1),
        |items| items.chunks(2).map(<[i64]>::to_vec);
    aggregate_with_boundary: |source| source.aggregate_with_boundary(
            timeless(),
            2,
            Vec::new,
            |two: &mut Vec<Token>, n| {
                two.push(n);
                if two.len() == 2 { Boundary::Here } else { Boundary::Within(Duration::from_secs(1)) }
            },
            |two| two,
        ),
        |items| items.chunks(2).map(<[i64]>::to_vec);
    timeout: |source| source.timeout(timeless(), 2, Duration::from_secs(1)), |items| items;
    publish_on: |source| source.publish_on(Eager::default(), 2), |items| items;
    publish_on_twice: |source| source.publish_on(Eager::default(), 1).map(|n| n).publish_on(Eager::default(), 3),
        |items| items;
    subscribe_on: |source| source.subscribe_on(Eager::default()), |items| items;
    async_boundary: |source| source.async_boundary(Eager::default(), 2), |items| items;
    adaptive_concurrency: |source| source.adaptive_concurrency(
            timeless(),
            Aimd::new(1.0..=4.0).start(2.0),
            |n| async move { n.map(|n| n + 1) },
        ),
        |items| items.iter().map(|n| n + 1);
    adaptive_concurrency_whose_limit_moves: |source| source
            .adaptive_concurrency(in_haste(), Aimd::new(1.0..=4.0), |n| async move { n })
            .overload_when(|n| n.value() % 3 == 0),
        |items| items;
    adaptive_concurrency_unordered: |source| source.adaptive_concurrency_unordered(
            timeless(),
            Aimd::new(1.0..=4.0).start(2.0),
            |n| async move { n.map(|n| n + 1) },
        ),
        |items| items.iter().map(|n| n + 1);
    map_async: |source| source.map_async(Eager::default(), 2, |n| async move { n.map(|n| n + 1) }),
        |items| items.into_iter().map(|n| n + 1);
    scan_async: |source| source.scan_async(Eager::default(), 0, |sum, n: Token| async move {
            let sum = sum + n.value();
            Some((n.map(|_| sum), sum))
        }),
        |items| running(&items, 0);
    scan_async_that_ends: |source| source.scan_async(Eager::default(), 0, |count, n| async move {
            (count < 2).then_some((n, count + 1))
        }),
        |items| items.into_iter().take(2);
    filter_async: |source| source.filter_async(Eager::default(), 2, |n| {
            let passes = n.value() % 3 != 0;
            async move { passes }
        }),
        |items| items.into_iter().filter(|n| n % 3 != 0);
    filter_async_of_none: |source| source.filter_async(Eager::default(), 2, |_| async { false }),
        |items| items.into_iter().filter(|_| false);
    map_async_unordered: |source| source.map_async_unordered(Eager::default(), 2, |n| async move { n.map(|n| n + 1) }),
        |items| items.into_iter().map(|n| n + 1);
    try_map_async: |source| source.try_map_async(Eager::default(), 2, |n| async move { Ok::<_, TestError>(n) }),
        |items| items;
    try_map_async_that_fails: |source| source.try_map_async(
            Eager::default(),
            1,
            |n| async move { if n.value() == 3 { Err(TestError(3)) } else { Ok(n) } },
        ),
        |items| items.into_iter().take_while(|n| *n != 3), |options| options.may_fail();
    try_map_async_unordered: |source| source.try_map_async_unordered(
            Eager::default(),
            2,
            |n| async move { Ok::<_, TestError>(n) },
        ),
        |items| items;
    map_async_partitioned: |source| source.map_async_partitioned(
            Eager::default(),
            3,
            |n| n.value() % 2,
            |n| async move { n.map(|n| n + 1) },
        ),
        |items| items.into_iter().map(|n| n + 1);
    map_async_partitioned_unordered: |source| source.map_async_partitioned_unordered(
            Eager::default(),
            3,
            |n| n.value() % 2,
            |n| async move { n.map(|n| n + 1) },
        ),
        |items| items.into_iter().map(|n| n + 1);
    try_map_async_partitioned: |source| source.try_map_async_partitioned(
            Eager::default(),
            1,
            |_| (),
            |n| async move { if n.value() == 3 { Err(TestError(3)) } else { Ok(n) } },
        ),
        |items| items.into_iter().take_while(|n| *n != 3), |options| options.may_fail();
    try_map_async_partitioned_unordered: |source| source.try_map_async_partitioned_unordered(
            Eager::default(),
            3,
            |n| n.value(),
            |n| async move { Ok::<_, TestError>(n) },
        ),
        |items| items;
    then: |source| source.then(Eager::default(), |n| async move { n }), |items| items;
}

// fan_out, one reader of each, or all of them joined again
rows! {
    group_by: |source| source.group_by(1, 2, Stalled::Fail, |_| ()).flat_map_unordered(1, 2, identity),
        |items| items, |options| options.may_fail();
    group_by_in_turn: |source| source.group_by(1, 1, Stalled::Wait, |_| ()).concat_map(identity),
        |items| items, |options| options.may_fail();
    partition: |source| {
            let [all] = source.partition::<1, _>(2, |_| 0);
            all
        },
        |items| items;
    partition_of_two: |source| {
            let [even, odd] = source.partition::<2, _>(1, |n| usize::from(n.value() % 2 != 0));
            drop(odd);
            even
        },
        |items| items.into_iter().filter(|n| n % 2 == 0);
    balance: |source| {
            let [all] = source.balance::<1>();
            all
        },
        |items| items;
    balance_of_two: |source| {
            let [all, other] = source.balance::<2>();
            drop(other);
            all
        },
        |items| items;
}

// chunk
rows! {
    chunks: |source| source.chunks(2), |items| items.chunks(2).map(<[i64]>::to_vec).collect::<Vec<_>>();
    chunks_of_one: |source| source.chunks(1), |items| items.chunks(1).map(<[i64]>::to_vec).collect::<Vec<_>>();
    chunks_skip: |source| source.chunks_skip(2, 3), |items| groups(&items, 2, 3);
    chunks_skip_of_none: |source| source.chunks_skip(2, 2), |items| groups(&items, 2, 2);
    chunk_until: |source| source.chunk_until(9, |n| n.value() % 2 == 0),
        |items| items.split_inclusive(|n| n % 2 == 0).map(<[i64]>::to_vec).collect::<Vec<_>>();
    chunk_until_full: |source| source.chunk_until(2, |_| false),
        |items| items.chunks(2).map(<[i64]>::to_vec).collect::<Vec<_>>();
    chunk_while: |source| source.chunk_while(9, |n| n.value() % 2 != 0),
        |items| items
            .split(|n| n % 2 == 0)
            .filter(|chunk| !chunk.is_empty())
            .map(<[i64]>::to_vec)
            .collect::<Vec<_>>();
    delimited: |source| source.map(|n| format!("{0}\n{0}", n.value()))
            .delimited(b'\n', 99, Truncated::Pass)
            .map_err(|error| match error {
                DelimitedError::Upstream(error) => error,
                other => unreachable!("{other}"),
            }),
        |items| {
            let text: String = items.iter().map(|n| format!("{n}\n{n}")).collect();
            text.lines().map(|line| line.as_bytes().to_vec()).collect::<Vec<_>>()
        },
        |options| options.bursts();
    chunk_by_key: |source| source.chunk_by_key(9, |n| n.value() / 2),
        |items| items.chunk_by(|a, b| a / 2 == b / 2).map(<[i64]>::to_vec).collect::<Vec<_>>();
    chunk_when: |source| source.chunk_when(never::<()>(), 2),
        |items| items.chunks(2).map(<[i64]>::to_vec).collect::<Vec<_>>();
    // What comes one by one is a chunk each; what is pulled is there.
    chunk_when_always: |source| {
            let signal = millstream::repeat_value(()).map_err(|never| match never {});
            source.chunk_when(signal, 1)
        },
        |items| items.into_iter().map(|n| vec![n]);
    ready_chunks: |source| source.ready_chunks(2).map(|chunk| chunk.len()).ignore_items(), |_items| Vec::<usize>::new();
    ready_chunks_of_one: |source| source.ready_chunks(1), |items| items.into_iter().map(|n| vec![n]);
    ready_chunks_and_back: |source| source.ready_chunks(3).concat_map_iter(|chunk| chunk), |items| items,
        |options| options.bursts();
    // What weighs 3 is too heavy: it completes the chunk before it, and is one on its own.
    chunks_weighted: |source| source.chunks_weighted(2, |n| if n.value() % 2 == 0 { 3 } else { 1 }),
        |items| items.iter().map(|n| vec![*n]).collect::<Vec<_>>(), |options| options.bursts();
    chunks_weighted_together: |source| source.chunks_weighted(4, |n| n.value() as u64),
        |items| items.chunk_by(|a, b| a + b <= 4).map(<[i64]>::to_vec).collect::<Vec<_>>(),
        |options| options.bursts();
}

// windows, all of them joined again
rows! {
    window: |source| source.window(2).concat_map(identity), |items| items, |options| options.may_fail();
    window_of_one: |source| source.window(1).concat_map(identity), |items| items,
        |options| options.may_fail();
    window_side_by_side: |source| source.window(2).flat_map_unordered(1, 2, identity), |items| items,
        |options| options.may_fail();
    window_timeout: |source| source.window_timeout(timeless(), 2, Duration::from_secs(1)).concat_map(identity),
        |items| items, |options| options.may_fail();
    window_skip: |source| source.window_skip(2, 3).concat_map(identity),
        |items| groups(&items, 2, 3).concat(), |options| options.may_fail();
    window_sliding: |source| source.window_sliding(3, 2).concat_map(identity),
        |items| groups(&items, 3, 2).concat(), |options| options.may_fail();
    window_until: |source| source.window_until(9, |n| n.value() % 2 == 0).concat_map(identity),
        |items| items, |options| options.may_fail();
    window_while: |source| source.window_while(9, |n| n.value() % 2 == 0).concat_map(identity),
        |items| items.into_iter().filter(|n| n % 2 == 0), |options| options.may_fail();
    window_by_key: |source| source.window_by_key(9, |n| n.value() / 2).concat_map(identity),
        |items| items, |options| options.may_fail();
}

// fault
rows! {
    catch_unwind: |source| source.catch_unwind(|_| TestError(9)), |items| items;
    map_err: |source| source.map_err(|error| error.to_string()), |items| items;
    fallible: |source| source.materialize().fallible::<TestError>().dematerialize(), |items| items;
    on_error_return: |source| {
            let item = source.ledger().token(99);
            source.on_error_return(item)
        },
        |items| items, |options| options.recovers();
    skip_errors: |source| source.map(|n| if n.value() % 3 == 0 { Err(n) } else { Ok(n) }).skip_errors(drop),
        |items| items.into_iter().filter(|n| n % 3 != 0);
    on_error_complete: |source| source.on_error_complete(|error| error.0 % 2 == 0),
        |items| items, |options| options.recovers();
    on_error_resume: |source| {
            let other = other(source.ledger(), &[7, 8]);
            source.on_error_resume(|_| other)
        },
        |items| items, |options| options.recovers();
    retry_item: |source| {
            let backoff = Backoff::new(Duration::from_secs(1));
            let mut calls = 0;
            source.retry_item(in_haste(), backoff, |_| true, move |n: &Token| {
                calls += 1;
                let (n, fails) = (n.clone(), calls % 2 == 1);
                async move { if fails { Err(TestError(9)) } else { Ok(n) } }
            })
        },
        |items| items;
    retry_item_that_gives_up: |source| {
            let backoff = Backoff::new(Duration::from_secs(1)).attempts(2);
            source.retry_item(in_haste(), backoff, |_| true, |n: &Token| {
                let n = n.clone();
                async move { if n.value() == 3 { Err(TestError(3)) } else { Ok(n) } }
            })
        },
        |items| items.into_iter().take_while(|n| *n != 3), |options| options.may_fail();
    retry_backoff: |source| source.retry_backoff(in_haste(), Backoff::new(Duration::from_secs(1)).attempts(2), |_| true),
        |items| items, |options| options.recovers();
    retry_after: |source| source.retry_after(in_haste(), |failed| {
            (failed.attempt < 3).then_some(Duration::from_secs(failed.attempt))
        }), |items| items, |options| options.recovers();
    retry_when: |source| {
            let (mut left, signal) = (3, like(&source, &[7]));
            source.retry_when(move |_| {
                left -= 1;
                (left > 0).then(|| signal.clone())
            })
        }, |items| items, |options| options.recovers();
    repeat_when: |source| {
            let (mut left, signal) = (3, like(&source, &[7]));
            source.repeat_when(move || {
                left -= 1;
                (left > 0).then(|| signal.clone())
            })
        }, |items| items.repeat(3);
    retry: |source| source.retry(2), |items| items, |options| options.recovers();
    repeat: |source| source.repeat(2), |items| items.repeat(3);
    repeat_while: |source| {
            let mut left = 2;
            source.repeat_while(move || {
                left -= 1;
                left >= 0
            })
        },
        |items| items.repeat(3);
}

// effect
rows! {
    inspect: |source| source.inspect(|n| assert!(n.value() != 0)), |items| items;
    inspect_first: |source| source.inspect_first(|n| assert_eq!(n.value(), 1)), |items| items;
    inspect_err: |source| source.inspect_err(|_| ()), |items| items;
    inspect_complete: |source| source.inspect_complete(|| ()), |items| items;
    inspect_end: |source| source.inspect_end(|_| ()), |items| items;
    inspect_cancel: |source| source.inspect_cancel(drop), |items| items;
    inspect_request: |source| source.inspect_request(|_| ()), |items| items;
    inspect_subscribe: |source| source.inspect_subscribe(|| ()), |items| items;
    finally: |source| {
            let token = source.ledger().token(0);
            source.finally(move |_| drop(token))
        },
        |items| items;
    on_discard: |source| source.on_discard(|_: Token| ()), |items| items;
    on_discard_below_a_buffer: |source| source.take_last(2).on_discard(|_: Token| ()),
        |items| items[items.len().saturating_sub(2)..].iter().copied(),
        |options| options.bursts();
    named: |source| source.named("stage"), |items| items;
    tag: |source| source.tag("key", "value"), |items| items;
    observed: |source| source.observed(&Board::new(1)), |items| items;
    checkpoint: |source| source.checkpoint("here").map_err(|error: AtCheckpoint<TestError>| error.error),
        |items| items;
    #[cfg(feature = "tracing")]
    log: |source| source.log("rows"), |items| items;
}

// box
rows! {
    boxed: |source| source.boxed(), |items| items;
    boxed_twice: |source| source.boxed().map(|n| n).boxed(), |items| items;
    boxed_clone: |source| source.boxed_clone().clone(), |items| items;
    boxed_clone_retried: |source| source.boxed_clone().retry(1), |items| items, |options| options.recovers();
}

// What one stage does to another: each pair of the ways a stage handles demand.
rows! {
    take_below_skip: |source| source.skip(1).take(2), |items| items.into_iter().skip(1).take(2);
    skip_below_take: |source| source.take(3).skip(1), |items| items.into_iter().take(3).skip(1);
    take_below_chunks: |source| source.chunks(2).take(1), |items| items.chunks(2).take(1).map(<[i64]>::to_vec).collect::<Vec<_>>();
    chunks_below_take: |source| source.take(3).chunks(2),
        |items| items[..items.len().min(3)].chunks(2).map(<[i64]>::to_vec).collect::<Vec<_>>();
    take_last_below_take: |source| source.take(3).take_last(2),
        |items| {
            let items = &items[..items.len().min(3)];
            items[items.len().saturating_sub(2)..].to_vec()
        },
        |options| options.bursts();
    take_below_take_last: |source| source.take_last(3).take(2),
        |items| items[items.len().saturating_sub(3)..].iter().copied().take(2).collect::<Vec<_>>(),
        |options| options.bursts();
    chunks_below_take_last: |source| source.take_last(3).chunks(2),
        |items| items[items.len().saturating_sub(3)..].chunks(2).map(<[i64]>::to_vec).collect::<Vec<_>>(),
        |options| options.bursts();
    running_fold_below_take_last: |source| source.take_last(2).running_fold(0, |sum, n| sum + n.value()),
        |items| std::iter::once(0)
            .chain(running(&items[items.len().saturating_sub(2)..], 0))
            .collect::<Vec<_>>(),
        |options| options.bursts();
    pairwise_below_running_fold: |source| source.running_fold(0, |sum, n| sum + n.value()).pairwise(),
        |items| {
            let sums: Vec<_> = std::iter::once(0).chain(running(&items, 0)).collect();
            sums.windows(2).map(|two| (two[0], two[1])).collect::<Vec<_>>()
        };
    take_below_concat_map: |source| {
            let ledger = source.ledger().clone();
            source.concat_map(move |n| other(&ledger, &[n.value(), 0]).boxed()).take(3)
        },
        |items| items.into_iter().flat_map(|n| [n, 0]).take(3);
    take_below_concat_map_iter: |source| {
            let ledger = source.ledger().clone();
            source.concat_map_iter(move |n| [n, ledger.token(0)]).take(3)
        },
        |items| items.into_iter().flat_map(|n| [n, 0]).take(3),
        |options| options.bursts();
    repeat_of_take: |source| source.take(2).repeat(1), |items| items[..items.len().min(2)].repeat(2);
    take_of_repeat: |source| source.repeat(3).take(3),
        |items| items.repeat(4).into_iter().take(3);
    chain_below_chain: |source| {
            let (one, two) = (other(source.ledger(), &[7]), other(source.ledger(), &[8]));
            source.chain(one).chain(two)
        },
        |items| [items, vec![7, 8]].concat();
    default_if_empty_below_filter: |source| {
            let default = source.ledger().token(99);
            source.filter(|_| false).default_if_empty(default)
        },
        |_items| [99];
    materialize_and_back: |source| source.materialize().dematerialize(),
        |items| items;
}

/// Groups that begin at each step, those that the end cuts off included.
fn groups(items: &[i64], size: usize, step: usize) -> Vec<Vec<i64>> {
    let starts = (0..items.len()).step_by(step);
    starts.map(|at| items[at..items.len().min(at + size)].to_vec()).collect()
}

rows! {
    sliding: |source| source.sliding(3, 1), |items| groups(&items, 3, 1),
        |options| options.bursts();
    sliding_by_two: |source| source.sliding(3, 2), |items| groups(&items, 3, 2);
    sliding_with_gaps: |source| source.sliding(1, 2), |items| groups(&items, 1, 2);
}
