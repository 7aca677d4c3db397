//! What takes all and keeps one item: `debounce`, `sample`, `throttle_first`, `throttle_latest`, in
//! virtual time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use millstream::Board;
use millstream::prelude::*;
use millstream::timing::Trailing;
use millstream_testkit::{Behaviour, VirtualTime, probe};

use crate::schedule::{End, Model, Ports, Signal, Stalls, World, same, same_of};

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

// ---- against models -----------------------------------------------------------------------

/// Keeps the newest item that came, with when it came and when the first came that it replaces;
/// `due` says of these two, of when the last went and of now whether it goes.
fn newest(
    due: impl Fn(u64, u64, Option<u64>, u64) -> bool + 'static,
    trailing: Trailing,
) -> Box<dyn FnMut(&mut World)> {
    let (mut slot, mut went, mut complete) = (None::<(i64, u64, u64)>, None, false);
    Box::new(move |world| {
        loop {
            let goes = |(_, came, first): (i64, u64, u64)| due(came, first, went, world.now);
            if let Some((item, ..)) = slot
                && world.demand > 0
                && (complete || slot.is_some_and(goes))
            {
                slot = None;
                went = Some(world.now);
                world.send(item);
                continue;
            }
            match world.inbox.pop_front() {
                Some(Signal::Item(item)) => {
                    if let Some((older, ..)) = slot {
                        world.discard(older);
                    }
                    let first = slot.map_or(world.now, |(_, _, first)| first);
                    slot = Some((item, world.now, first));
                }
                Some(Signal::Complete) => {
                    complete = true;
                    if trailing == Trailing::Discard && !slot.is_some_and(goes) {
                        slot.take().into_iter().for_each(|(item, ..)| world.discard(item));
                    }
                }
                Some(Signal::Fail) => {
                    slot.take().into_iter().for_each(|(item, ..)| world.discard(item));
                    return world.end(End::Fail);
                }
                None if complete && slot.is_none() => return world.end(End::Complete),
                None => return,
            }
        }
    })
}

#[test]
fn debounce_is_as_its_model() {
    for (quiet, prefetch) in [(1, 1), (5, 2), (9, 100)] {
        same(
            Stalls::Happen,
            |items, time| items.debounce(time, prefetch, millis(quiet)),
            || newest(move |came, _, _, now| now >= came + quiet, Trailing::Send),
            |()| false,
        );
    }
}

#[test]
fn sample_is_as_its_model() {
    for (period, prefetch) in [(1, 1), (5, 2), (9, 100)] {
        same(
            Stalls::Happen,
            |items, time| items.sample(time, prefetch, millis(period)),
            || newest(move |_, first, _, now| now / period > first / period, Trailing::Send),
            |()| false,
        );
    }
}

#[test]
fn throttle_latest_is_as_its_model() {
    for (gap, prefetch) in [(1, 1), (5, 2), (9, 100)] {
        for trailing in [Trailing::Send, Trailing::Discard] {
            same(
                Stalls::Happen,
                |items, time| items.throttle_latest(time, prefetch, millis(gap), trailing),
                || newest(move |_, _, went, now| went.is_none_or(|at| now >= at + gap), trailing),
                |()| false,
            );
        }
    }
}

#[test]
fn throttle_first_is_as_its_model() {
    for (gap, prefetch) in [(1, 1), (5, 2), (9, 100)] {
        let model = move || -> Box<dyn FnMut(&mut World)> {
            let mut went = None::<u64>;
            Box::new(move |world| {
                while let Some(signal) = world.inbox.pop_front() {
                    match signal {
                        Signal::Item(item) => {
                            let open = went.is_none_or(|at| world.now >= at + gap);
                            if open && world.demand > 0 {
                                went = Some(world.now);
                                world.send(item);
                            } else {
                                world.discard(item);
                            }
                        }
                        Signal::Complete => return world.end(End::Complete),
                        Signal::Fail => return world.end(End::Fail),
                    }
                }
            })
        };
        same(
            Stalls::Happen,
            |items, time| items.throttle_first(time, prefetch, millis(gap)),
            model,
            |()| false,
        );
    }
}

#[test]
fn sample_on_is_as_its_model() {
    for prefetch in [1, 2, 100] {
        let model = || -> Model {
            let (mut slot, mut due, mut complete) = (None::<i64>, false, false);
            Box::new(move |worlds| {
                let [up, signal] = worlds else { unreachable!() };
                if complete {
                    // Both are let go.
                    up.inbox.clear();
                    signal.inbox.clear();
                }
                // What comes at a time comes from one of them, so the order does not matter.
                while let Some(told) = up.inbox.pop_front() {
                    match told {
                        Signal::Item(item) => {
                            slot.replace(item).into_iter().for_each(|older| up.discard(older));
                        }
                        Signal::Complete => complete = true,
                        Signal::Fail => {
                            slot.take().into_iter().for_each(|item| up.discard(item));
                            return up.end(End::Fail);
                        }
                    }
                }
                while let Some(told) = signal.inbox.pop_front() {
                    match told {
                        Signal::Item(_) => due |= slot.is_some(),
                        Signal::Complete => complete = true,
                        Signal::Fail => {
                            slot.take().into_iter().for_each(|item| up.discard(item));
                            return up.end(End::Fail);
                        }
                    }
                }
                (up.released, signal.released) = (complete, complete);
                if up.demand > 0
                    && (due || complete)
                    && let Some(item) = slot.take()
                {
                    due = false;
                    up.send(item);
                }
                if complete && slot.is_none() {
                    up.end(End::Complete);
                }
            })
        };
        same_of(
            Ports { upstreams: 2, downstreams: 1, stalls: Stalls::Never },
            |rig| {
                let signal = rig.signal(1);
                vec![rig.upstream(0).sample_on(signal, prefetch)]
            },
            model,
            |()| false,
        );
    }
}

// ---- at the very moment -------------------------------------------------------------------

/// Sends 1, and 2 at the moment at which 1 is due, before the task has run. The timer has fired
/// before.
fn at_the_deadline<P: Publisher<Item = u32, Error = std::convert::Infallible>>(
    operator: impl FnOnce(millstream::source::Channel<u32>, VirtualTime) -> P,
) -> Vec<u32> {
    let time = VirtualTime::new(1);
    let (sender, items) = millstream::channel(4);
    let probe = probe(operator(items, time.clone()), Behaviour::new().initially(10));
    sender.try_send(1).unwrap();
    time.run_until_idle();
    time.clock().advance(millis(10));
    sender.try_send(2).unwrap();
    time.run_until_idle();
    let items = probe.items();
    probe.cancel();
    time.run_until_idle();
    assert_eq!(time.clock().timers(), 0);
    items
}

#[test]
fn an_item_at_the_deadline_does_not_replace_the_one_that_is_due() {
    assert_eq!(at_the_deadline(|items, time| items.debounce(time, 4, millis(10))), [1]);
    assert_eq!(at_the_deadline(|items, time| items.sample(time, 4, millis(10))), [1]);
}

#[test]
fn an_item_at_the_moment_at_which_the_gap_is_over_goes() {
    assert_eq!(at_the_deadline(|items, time| items.throttle_first(time, 4, millis(10))), [1, 2]);
    let latest = |items: millstream::source::Channel<u32>, time| {
        items.throttle_latest(time, 4, millis(10), Trailing::Send)
    };
    assert_eq!(at_the_deadline(latest), [1, 2]);
}

// ---- many, and no end ---------------------------------------------------------------------

/// More come at once than are taken at a time, and nobody asks: all are taken, without a request
/// or a timer to run the task again.
#[test]
fn all_are_taken_although_nobody_asks() {
    let time = VirtualTime::new(1);
    let (sender, items) = millstream::channel(10_000);
    let board = Board::new(4);
    let gone = Arc::new(Mutex::new(0));
    let count = gone.clone();
    let kept = items
        .sample(time.clone(), 10_000, millis(10))
        .on_discard(move |_: u32| *count.lock().unwrap() += 1)
        .observed(&board);
    let probe = probe(kept, Behaviour::new());
    (0..10_000_u32).for_each(|n| sender.try_send(n).unwrap());
    time.run_until_idle();
    assert_eq!(*gone.lock().unwrap(), 9_999);
    let snapshot = board.snapshot();
    let row = snapshot.rows().iter().find(|row| row.kind == "sample").unwrap();
    assert_eq!((row.received, row.sent, row.discarded), (10_000, 1, 9_999));
    time.advance(millis(10));
    probe.request(1);
    time.run_until_idle();
    probe.assert_items(&[9_999]);
    probe.cancel();
    time.run_until_idle();
}

/// A synchronous upstream without an end: the task lets others run, and sees that it is cancelled.
#[test]
fn an_endless_upstream_does_not_hold_the_task() {
    let time = VirtualTime::new(1);
    let endless = || millstream::repeat_value(1_u32);
    let all: [_; 4] = [
        probe(endless().debounce(time.clone(), 1, millis(2)), Behaviour::new().initially(u64::MAX)),
        probe(endless().sample(time.clone(), 1, millis(1)), Behaviour::new().initially(u64::MAX)),
        probe(
            endless().throttle_first(time.clone(), 1, millis(1)),
            Behaviour::new().initially(u64::MAX),
        ),
        probe(
            endless().throttle_latest(time.clone(), 1, millis(1), Trailing::Send),
            Behaviour::new().initially(u64::MAX),
        ),
    ];
    for n in 0..1000 {
        assert!(time.executor().step(), "all are ready");
        if n % 100 == 0 {
            time.clock().advance(millis(1));
        }
    }
    assert_eq!(all.each_ref().map(|probe| probe.delivered() > 1), [false, true, true, true]);
    all.iter().for_each(|probe| probe.cancel());
    time.run_until_idle();
    assert!(all.iter().all(|probe| probe.is_dropped()));
}

#[test]
fn debounce_sets_one_timer_for_many_items() {
    let time = VirtualTime::new(1);
    let (sender, items) = millstream::channel(4);
    let probe = probe(items.debounce(time.clone(), 4, millis(10)), Behaviour::new().initially(1));
    for n in 0..100 {
        sender.try_send(n).unwrap();
        time.advance(millis(9));
        assert_eq!((time.clock().timers(), probe.delivered()), (1, 0));
    }
    time.advance(millis(1));
    probe.assert_items(&[99]);
    assert_eq!(time.clock().timers(), 0);
    drop(sender);
    time.run_until_idle();
}

// ---- sample_on ----------------------------------------------------------------------------

#[test]
fn sample_on_gives_the_newest_at_each_signal() {
    let (sender, items) = millstream::channel::<u32>(4);
    let (ask, signal) = millstream::channel::<()>(4);
    let probe = probe(items.sample_on(signal, 2), Behaviour::new().initially(2));
    ask.try_send(()).unwrap();
    assert_eq!(probe.delivered(), 0, "there was nothing");
    (1..4).for_each(|n| sender.try_send(n).unwrap());
    assert_eq!(probe.delivered(), 0);
    ask.try_send(()).unwrap();
    ask.try_send(()).unwrap();
    probe.assert_items(&[3]);
    sender.try_send(4).unwrap();
    ask.try_send(()).unwrap();
    probe.assert_items(&[3, 4]);
    // Nobody asks: the newest at the time of the request.
    sender.try_send(5).unwrap();
    ask.try_send(()).unwrap();
    sender.try_send(6).unwrap();
    probe.request(1);
    probe.assert_items(&[3, 4, 6]);
    sender.try_send(7).unwrap();
    sender.complete();
    probe.assert_no_end();
    probe.request(1);
    probe.assert_items(&[3, 4, 6, 7]);
    probe.assert_completed();
    assert!(ask.is_closed());
}

#[test]
fn sample_on_ends_with_its_signal() {
    let (sender, items) = millstream::try_channel::<u32, &str>(4);
    let (ask, signal) = millstream::try_channel::<(), &str>(4);
    let first = probe(items.sample_on(signal, 2), Behaviour::new().initially(2));
    sender.try_send(1).unwrap();
    ask.complete();
    first.assert_items(&[1]);
    first.assert_completed();
    assert!(sender.is_closed());

    let (sender, items) = millstream::try_channel::<u32, &str>(4);
    let (ask, signal) = millstream::try_channel::<(), &str>(4);
    let second = probe(items.sample_on(signal, 2), Behaviour::new().initially(2));
    sender.try_send(1).unwrap();
    ask.fail("no").unwrap();
    second.assert_failed(&"no");
    second.assert_items(&[]);
    assert!(sender.is_closed());
}

/// What is kept waits to be asked for, and needs neither of the two any more.
#[test]
fn sample_on_cancels_the_other_as_soon_as_one_is_over() {
    let (sender, items) = millstream::channel::<u32>(4);
    let (ask, signal) = millstream::channel::<()>(4);
    let first = probe(items.sample_on(signal, 2), Behaviour::new());
    sender.try_send(1).unwrap();
    sender.complete();
    assert!(ask.is_closed(), "upstream is over");
    first.assert_no_end();
    first.request(1);
    first.assert_items(&[1]);
    first.assert_completed();

    let (sender, items) = millstream::channel::<u32>(4);
    let (ask, signal) = millstream::channel::<()>(4);
    let second = probe(items.sample_on(signal, 2), Behaviour::new());
    sender.try_send(1).unwrap();
    ask.complete();
    assert!(sender.is_closed(), "the signal is over");
    second.assert_no_end();
    second.request(1);
    second.assert_items(&[1]);
    second.assert_completed();
}

#[test]
fn sample_on_takes_all_although_nobody_asks() {
    let (sender, items) = millstream::channel::<u32>(1000);
    let (ask, signal) = millstream::channel::<()>(1000);
    (0..1000).for_each(|n| {
        sender.try_send(n).unwrap();
        ask.try_send(()).unwrap();
    });
    let probe = probe(items.sample_on(signal, 1000), Behaviour::new());
    assert_eq!((sender.len(), ask.len()), (0, 0));
    probe.request(1);
    probe.assert_items(&[999]);
}

// ---- what is refused ----------------------------------------------------------------------

#[test]
#[should_panic(expected = "debounce(time, prefetch, 0): every item is followed by some quiet")]
fn debounce_refuses_no_time() {
    drop(millstream::just(1).debounce(VirtualTime::new(1), 1, Duration::ZERO));
}

#[test]
#[should_panic(expected = "sample(time, prefetch, 0): a period is at least a nanosecond")]
fn sample_refuses_no_period() {
    drop(millstream::just(1).sample(VirtualTime::new(1), 1, Duration::ZERO));
}

#[test]
#[should_panic(expected = "throttle_first(time, prefetch, 0): without a gap all items pass")]
fn throttle_first_refuses_no_gap() {
    drop(millstream::just(1).throttle_first(VirtualTime::new(1), 1, Duration::ZERO));
}

#[test]
#[should_panic(
    expected = "throttle_latest(time, prefetch, 0, trailing): without a gap all items pass"
)]
fn throttle_latest_refuses_no_gap() {
    let time = VirtualTime::new(1);
    drop(millstream::just(1).throttle_latest(time, 1, Duration::ZERO, Trailing::Send));
}
