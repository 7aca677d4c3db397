//! Every source over every pattern of demand, cancellation and panic, one line each.
//!
//! What a row is given serves for its ledger alone: the items do not depend on it.

use std::io::Cursor;
use std::time::Duration;

use crate::eager::{Eager, in_haste};
use millstream::MissedTicks;
use millstream::executor::Executor;
use millstream::fault::Backoff;
use millstream::prelude::*;
use millstream::source::{Overflow, Restart};
use millstream_testkit::sweep::TestError;
use millstream_testkit::{Behaviour, Token, probe, rows};

rows! {
    from_iter: |source| {
            let ledger = source.ledger().clone();
            millstream::from_iter((1..=3).map(move |n| ledger.token(n)))
        },
        |_items| [1, 2, 3], |options| options.keeps_faults();
    from_iter_of_what_exists: |source| {
            let items: Vec<_> = (1..=3).map(|n| source.ledger().token(n)).collect();
            millstream::from_iter(items)
        },
        |_items| [1, 2, 3], |options| options.keeps_faults();
    from_fn: |source| {
            let (ledger, mut n) = (source.ledger().clone(), 0);
            millstream::from_fn(move || {
                n += 1;
                (n <= 3).then(|| ledger.token(n))
            })
        },
        |_items| [1, 2, 3], |options| options.keeps_faults();
    from_pull: |source| {
            let item = source.ledger().token(1);
            millstream::from_pull(millstream::just(item).into_pull(Default::default()).expect("it can be pulled"))
        },
        |_items| [1], |options| options.keeps_faults();
    from_reader: |_source| millstream::from_reader(Cursor::new(vec![1, 2, 3, 4, 5]), 2),
        |_items| [vec![1, 2], vec![3, 4], vec![5]], |options| options.keeps_faults();
    restart_with_backoff: |source| {
            let (ledger, mut n) = (source.ledger().clone(), 0);
            let make = move || {
                n += 1;
                millstream::just(ledger.token(n))
            };
            let restart = Restart::new(Backoff::new(Duration::from_secs(1)).attempts(2));
            millstream::restart_with_backoff(in_haste(), restart, make)
        }, |_items| [1, 2, 3], |options| options.keeps_faults();
    after: |_source| millstream::after(in_haste(), Duration::from_secs(1)).map(|()| 1),
        |_items| [1], |options| options.keeps_faults();
    interval: |_source| millstream::interval(in_haste(), Duration::from_secs(1), MissedTicks::Skip).take(3),
        |_items| [0, 1, 2], |options| options.keeps_faults();
    lines: |_source| millstream::lines(Cursor::new("one\ntwo\r\nthree")),
        |_items| ["one", "two", "three"].map(str::to_owned), |options| options.keeps_faults();
    generate: |source| {
            let ledger = source.ledger().clone();
            let state = ledger.token(0);
            millstream::generate(state, move |state| {
                *state = ledger.token(state.value() + 1);
                Ok::<_, TestError>((state.value() <= 3).then(|| state.clone()))
            })
        },
        |_items| [1, 2, 3], |options| options.keeps_faults();
    generate_that_fails: |source| {
            let ledger = source.ledger().clone();
            millstream::generate(0, move |n| {
                *n += 1;
                if *n <= 3 { Ok(Some(ledger.token(*n))) } else { Err(TestError(3)) }
            })
        },
        |_items| [1, 2, 3], |options| options.keeps_faults().may_fail();
    unfold: |source| {
            let seed = source.ledger().token(1);
            millstream::unfold(seed, |n| {
                (n.value() <= 3).then(|| (n.clone(), n.map(|n| n + 1)))
            })
        },
        |_items| [1, 2, 3], |options| options.keeps_faults();
    successors: |source| {
            let first = source.ledger().token(1);
            millstream::successors(Some(first), |n| (n.value() < 3).then(|| n.clone().map(|n| n + 1)))
        },
        |_items| [1, 2, 3], |options| options.keeps_faults();
    range: |_source| millstream::range(0..4_i64), |_items| [0, 1, 2, 3], |options| options.keeps_faults();
    repeat_value: |source| {
            let item = source.ledger().token(7);
            millstream::repeat_value(item).take(3)
        },
        |_items| [7, 7, 7], |options| options.keeps_faults();
    cycle: |source| {
            let items = [1, 2].map(|n| source.ledger().token(n));
            millstream::cycle(items).take(3)
        },
        |_items| [1, 2, 1], |options| options.keeps_faults();
    just: |source| {
            let item = source.ledger().token(1);
            millstream::just(item)
        },
        |_items| [1], |options| options.keeps_faults();
    empty: |_source| millstream::empty::<i64>(), |_items| [], |options| options.keeps_faults();
    fail: |_source| millstream::fail::<i64, _>(TestError(0)), |_items| [],
        |options| options.keeps_faults().may_fail();
    // A source of this kit that breaks cannot be pulled, though it says that it can.
    defer: |source| millstream::defer(move || source), |items| items, |options| options.keeps_faults();
    defer_of_a_box: |source| millstream::defer(move || source.boxed()), |items| items;
    lazy: |source| {
            let ledger = source.ledger().clone();
            millstream::lazy(move || millstream::from_iter((1..=3).map(move |n| ledger.token(n))))
        },
        |_items| [1, 2, 3], |options| options.keeps_faults();
    using: |source| {
            let resource = source.ledger().token(0);
            millstream::using(|| Ok(resource), |_| source, drop)
        },
        |items| items;
    using_released_after_the_end: |source| {
            let resource = source.ledger().token(0);
            millstream::using(|| Ok(resource), |_| source, drop).release_after_end()
        },
        |items| items;
    using_that_acquires_nothing: |source| {
            millstream::using(|| Err::<(), _>(TestError(0)), |()| source, drop)
        },
        |_items| [], |options| options.keeps_faults().may_fail();
    using_when: |source| {
            let resource = millstream::just(source.ledger().token(0)).map_err(|never| match never {});
            let clean_up = |resource, _| async move {
                drop(resource);
                Ok(())
            };
            millstream::using_when(Eager::default(), resource, |_| source, clean_up)
        },
        |items| items;
    using_when_that_acquires_nothing: |source| {
            let nothing = millstream::fail::<(), _>(TestError(0));
            millstream::using_when(Eager::default(), nothing, |()| source, |(), _| async { Ok(()) })
        },
        |_items| [], |options| options.keeps_faults().may_fail();
    channel: |source| {
            let (sender, items) = millstream::channel(3);
            for n in 1..=3 {
                sender.try_send(source.ledger().token(n)).expect("there is room");
            }
            sender.complete();
            items
        },
        |_items| [1, 2, 3], |options| options.keeps_faults();
    channel_that_fails: |source| {
            let (sender, items) = millstream::try_channel(2);
            for n in 1..=2 {
                sender.try_send(source.ledger().token(n)).expect("there is room");
            }
            sender.fail(TestError(2)).expect("it goes on");
            items
        },
        |_items| [1, 2], |options| options.keeps_faults().may_fail();
    channel_refilled_by_what_waits: |source| {
            // One item is queued; two wait at the desk, each in a task that goes on by itself.
            let (sender, items) = millstream::channel(1);
            for n in 1..=3 {
                let (sender, item) = (sender.clone(), source.ledger().token(n));
                let task = async move {
                    let _back = sender.send(item).await;
                    sender.complete();
                };
                Eager::default().spawn(Box::pin(task)).expect("it takes all");
            }
            sender.complete();
            items
        },
        |_items| [1, 2, 3], |options| options.keeps_faults();
    oneshot: |source| {
            let (sender, item) = millstream::oneshot();
            sender.send(source.ledger().token(1)).expect("somebody receives");
            item
        },
        |_items| [1], |options| options.keeps_faults();
    emitter: |source| {
            let (emitter, items) = millstream::emitter(2, Overflow::drop_oldest());
            for n in 1..=4 {
                emitter.emit(source.ledger().token(n)).expect("somebody receives");
            }
            emitter.complete();
            items
        },
        |_items| [3, 4], |options| options.keeps_faults();
    emitter_that_overflows: |source| {
            let overflow = Overflow::error(|item: Token| TestError(item.value().unsigned_abs()));
            let (emitter, items) = millstream::try_emitter(1, overflow);
            for n in 1..=2 {
                emitter.emit(source.ledger().token(n)).expect("somebody receives");
            }
            items
        },
        |_items| [1], |options| options.keeps_faults().may_fail();
    create: |source| {
            let ledger = source.ledger().clone();
            millstream::create(3, Overflow::drop_newest(), move |emitter| {
                for n in 1..=3 {
                    let _closed = emitter.emit(ledger.token(n));
                }
                emitter.complete();
            })
        },
        |_items| [1, 2, 3], |options| options.keeps_faults();
    create_that_pulls: |source| {
            let ledger = source.ledger().clone();
            millstream::create(1, Overflow::drop_newest(), move |emitter| {
                let (inside, mut n) = (emitter.clone().complete_on_drop(), 0);
                emitter.on_request(move |demand| {
                    for _ in 0..demand.get() {
                        n += 1;
                        if n > 3 || inside.emit(ledger.token(n)).is_err() {
                            break;
                        }
                    }
                    if n >= 3 {
                        inside.close();
                    }
                });
                emitter.complete();
            })
        },
        |_items| [1, 2, 3], |options| options.keeps_faults();
    from_blocking_iter: |source| {
            let ledger = source.ledger().clone();
            millstream::from_blocking_iter(Eager::default(), 2, (1..=3).map(move |n| ledger.token(n)))
        },
        |_items| [1, 2, 3], |options| options.keeps_faults();
    concat: |source| {
            let ledger = source.ledger().clone();
            let of = move |n| {
                let ledger = ledger.clone();
                millstream::from_iter((0..n).map(move |n| ledger.token(n)))
            };
            millstream::concat((0..4).map(of))
        },
        |_items| [0, 0, 1, 0, 1, 2], |options| options.keeps_faults();
}

#[test]
fn pending() {
    let handle = probe(millstream::pending::<i64>(), Behaviour::new().initially(u64::MAX));
    handle.request(1);
    handle.assert_no_end();
    handle.assert_items(&[]);
    handle.cancel();
    handle.assert_dropped();
    handle.assert_no_violation();
}
