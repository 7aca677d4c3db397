//! Delays: `delay`, `delay_each`, `delay_subscription` and `after`, in virtual time.

use std::collections::VecDeque;
use std::time::Duration;

use millstream::prelude::*;
use millstream::time::{Clock, Moment};
use millstream_testkit::{Behaviour, VirtualTime, probe};

use crate::schedule::{End, Model, Ports, Signal, Stalls, World, pass, same, same_both, same_of};

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn at(n: u64) -> Moment {
    Moment::START + millis(n)
}

// ---- against models -----------------------------------------------------------------------

#[test]
fn delay_is_as_its_model() {
    for (by, capacity) in [(1, 1), (5, 2), (9, 4), (20, 100)] {
        let model = move || -> Box<dyn FnMut(&mut World)> {
            let mut on_their_way = VecDeque::new();
            Box::new(move |world| {
                loop {
                    while let Some(Signal::Item(item)) = world.inbox.front()
                        && on_their_way.len() < capacity
                    {
                        on_their_way.push_back((*item, world.now + by));
                        world.inbox.pop_front();
                    }
                    match on_their_way.front() {
                        Some((item, due)) if *due <= world.now && world.demand > 0 => {
                            world.send(*item);
                            on_their_way.pop_front();
                        }
                        Some(_) => return,
                        None => match world.inbox.front() {
                            Some(Signal::Complete) => return world.end(End::Complete),
                            Some(Signal::Fail) => return world.end(End::Fail),
                            _ => return,
                        },
                    }
                }
            })
        };
        same(
            Stalls::Happen,
            |items, time| items.delay(time, capacity, millis(by)),
            model,
            |()| false,
        );
    }
}

#[test]
fn delay_each_is_as_its_model() {
    for (gap, prefetch) in [(1, 1), (5, 2), (9, 100)] {
        let model = move || -> Box<dyn FnMut(&mut World)> {
            let mut held = None;
            Box::new(move |world| {
                loop {
                    if let Some((item, due)) = held {
                        if world.now < due {
                            return;
                        }
                        world.send(item);
                        held = None;
                    }
                    match world.inbox.front() {
                        Some(Signal::Item(item)) if world.demand > 0 => {
                            held = Some((*item, world.now + gap));
                            world.inbox.pop_front();
                        }
                        Some(Signal::Complete) => return world.end(End::Complete),
                        Some(Signal::Fail) => return world.end(End::Fail),
                        _ => return,
                    }
                }
            })
        };
        same_both!(
            Stalls::Happen,
            |items, time| items.delay_each(time, prefetch, millis(gap)),
            model,
            |()| false,
        );
    }
}

#[test]
fn delay_subscription_is_as_its_model() {
    for (by, prefetch) in [(1, 1), (5, 2), (30, 100)] {
        let model = move || -> Box<dyn FnMut(&mut World)> {
            let mut begun = false;
            Box::new(move |world| {
                if world.now >= by && !begun {
                    begun = true;
                    world.note("subscribed");
                }
                world.untouched = !begun;
                if begun && let Some(end) = pass(world, |_| ()) {
                    world.end(end);
                }
            })
        };
        same_of(
            Ports { upstreams: 1, downstreams: 1, stalls: Stalls::Happen },
            |rig| vec![rig.attempts().delay_subscription(rig.time.clone(), prefetch, millis(by))],
            || {
                let mut model = model();
                Box::new(move |worlds| model(&mut worlds[0]))
            },
            |()| false,
        );
    }
}

#[test]
fn delay_subscription_until_is_as_its_model() {
    for prefetch in [1, 2, 100] {
        let model = || -> Model {
            let mut begun = false;
            Box::new(move |worlds| {
                let [up, signal] = worlds else { unreachable!() };
                if !begun {
                    match signal.inbox.front() {
                        Some(Signal::Fail) => return up.end(End::Fail),
                        Some(_) => {
                            // The first is of use; what came with it is discarded with the signal.
                            begun = true;
                            signal.released = true;
                            up.note("subscribed");
                            if let Some(Signal::Item(_)) = signal.inbox.pop_front() {
                                for later in std::mem::take(&mut signal.inbox) {
                                    if let Signal::Item(item) = later {
                                        up.discard(item);
                                    }
                                }
                            }
                        }
                        None => {}
                    }
                }
                up.untouched = !begun;
                if begun && let Some(end) = pass(up, |_| ()) {
                    up.end(end);
                }
            })
        };
        same_of(
            Ports { upstreams: 2, downstreams: 1, stalls: Stalls::Never },
            |rig| {
                let signal = rig.signal(1);
                vec![rig.attempts().delay_subscription_until(signal, prefetch)]
            },
            model,
            |()| false,
        );
    }
}

#[test]
fn after_is_as_its_model() {
    for wait in [0, 1, 30] {
        let model = move || -> Model {
            Box::new(move |worlds| {
                let world = &mut worlds[0];
                if world.now >= wait && world.demand > 0 {
                    world.send(0);
                    world.end(End::Complete);
                }
            })
        };
        same_of(
            Ports { upstreams: 0, downstreams: 1, stalls: Stalls::Happen },
            |rig| {
                let hands = rig.hands.clone();
                let tick = millstream::after(rig.time.clone(), millis(wait));
                vec![tick.map(move |()| hands.token(0))]
            },
            model,
            |_| false,
        );
    }
}

// ---- delay --------------------------------------------------------------------------------

#[test]
fn delay_keeps_no_more_on_their_way_than_fit_and_sets_one_timer() {
    let time = VirtualTime::new(1);
    let (sender, items) = millstream::channel(100);
    let probe = probe(items.delay(time.clone(), 3, millis(10)), Behaviour::new().initially(100));
    (0..10).for_each(|n| sender.try_send(n).unwrap());
    time.run_until_idle();
    assert_eq!((sender.len(), time.clock().timers()), (7, 1));
    time.advance(millis(10));
    probe.assert_items(&[0, 1, 2]);
    time.advance(millis(9));
    assert_eq!(probe.delivered(), 3);
    time.advance(millis(1));
    probe.assert_items(&[0, 1, 2, 3, 4, 5]);
    probe.cancel();
    time.run_until_idle();
    assert_eq!(time.clock().timers(), 0);
}

#[test]
fn delay_of_a_synchronous_upstream_without_end_holds_nobody() {
    let time = VirtualTime::new(1);
    let endless = millstream::repeat_value(7).delay(time.clone(), 1000, millis(10));
    let probe = probe(endless, Behaviour::new().initially(5));
    time.advance(millis(9));
    assert_eq!(probe.delivered(), 0);
    time.advance(millis(1));
    assert_eq!(probe.delivered(), 5);
    probe.cancel();
    time.run_until_idle();
}

#[test]
fn delay_tells_an_end_without_items_at_once() {
    let time = VirtualTime::new(1);
    let probe = probe(
        millstream::empty::<u32>().boxed().delay(time.clone(), 1, millis(10)),
        Behaviour::new(),
    );
    time.run_until_idle();
    probe.assert_completed();
}

// ---- delay_each ---------------------------------------------------------------------------

#[test]
fn delay_each_waits_before_the_first_as_well() {
    let time = VirtualTime::new(1);
    let probe = probe(
        millstream::range(0..3_u32).delay_each(time.clone(), 1, millis(10)),
        Behaviour::new().initially(100),
    );
    for n in 0..3 {
        time.advance(millis(9));
        assert_eq!(probe.delivered(), n);
        time.advance(millis(1));
        assert_eq!(probe.delivered(), n + 1);
    }
    probe.assert_completed();
    assert_eq!(time.clock().timers(), 0);
}

/// The second is taken to look for the end, before it is asked for.
#[test]
fn delay_each_counts_no_time_before_an_item_is_asked_for() {
    let time = VirtualTime::new(1);
    let numbers = millstream::from_iter((0..2).filter(|_| true));
    let probe = probe(numbers.delay_each(time.clone(), 1, millis(10)), Behaviour::new());
    probe.request(1);
    time.advance(millis(100));
    probe.assert_items(&[0]);
    probe.request(1);
    time.advance(millis(9));
    probe.assert_items(&[0]);
    time.advance(millis(1));
    probe.assert_items(&[0, 1]);
}

// ---- delay_subscription -------------------------------------------------------------------

#[test]
fn delay_subscription_subscribes_at_its_time_asked_or_not() {
    let time = VirtualTime::new(1);
    let (sender, items) = millstream::channel(4);
    let probe = probe(items.delay_subscription(time.clone(), 2, millis(10)), Behaviour::new());
    (0..4).for_each(|n| sender.try_send(n).unwrap());
    time.advance(millis(9));
    assert_eq!((sender.len(), time.clock().timers()), (4, 1), "nobody has subscribed");
    time.advance(millis(1));
    assert_eq!((sender.len(), time.clock().timers()), (2, 0), "two are asked for ahead");
    probe.request(3);
    time.run_until_idle();
    probe.assert_items(&[0, 1, 2]);
    sender.complete();
    probe.request(1);
    time.run_until_idle();
    probe.assert_completed();
}

#[test]
fn delay_subscription_keeps_what_was_asked_for_before() {
    let time = VirtualTime::new(1);
    let later = millstream::range(0..9_u32).boxed().delay_subscription(time.clone(), 4, millis(10));
    let probe = probe(later, Behaviour::new().initially(2));
    probe.request(3);
    time.advance(millis(9));
    assert_eq!(probe.delivered(), 0);
    time.advance(millis(1));
    probe.assert_items(&[0, 1, 2, 3, 4]);
    probe.cancel();
    time.run_until_idle();
}

#[test]
fn delay_subscription_that_is_cancelled_before_never_subscribes() {
    let time = VirtualTime::new(1);
    let (sender, items) = millstream::channel::<u32>(4);
    let probe = probe(items.delay_subscription(time.clone(), 2, millis(10)), Behaviour::new());
    time.advance(millis(5));
    probe.cancel();
    time.run_until_idle();
    assert!(sender.is_closed());
    assert_eq!((time.clock().timers(), probe.is_dropped()), (0, true));
}

#[test]
fn delay_subscription_until_waits_for_the_signal() {
    let (go, signal) = millstream::channel::<()>(1);
    let (sender, items) = millstream::channel::<u32>(4);
    let probe = probe(items.delay_subscription_until(signal, 2), Behaviour::new().initially(10));
    sender.try_send(1).unwrap();
    assert_eq!((probe.delivered(), sender.len()), (0, 1));
    go.try_send(()).unwrap();
    probe.assert_items(&[1]);
    assert!(go.is_closed(), "it was cancelled when it came");
    sender.complete();
    probe.assert_completed();
}

#[test]
fn delay_subscription_until_fails_as_the_signal() {
    let (go, signal) = millstream::try_channel::<(), &str>(1);
    let (sender, items) = millstream::try_channel::<u32, &str>(4);
    let probe = probe(items.delay_subscription_until(signal, 2), Behaviour::new());
    go.fail("no").unwrap();
    probe.assert_failed(&"no");
    assert!(sender.is_closed());
}

// ---- after --------------------------------------------------------------------------------

#[test]
fn after_waits_for_its_time_and_for_demand() {
    let time = VirtualTime::new(1);
    let probe = probe(millstream::after(time.clone(), millis(10)), Behaviour::new());
    time.advance(millis(20));
    assert_eq!((probe.delivered(), time.clock().timers()), (0, 0));
    probe.request(1);
    time.run_until_idle();
    probe.assert_items(&[()]);
    probe.assert_completed();

    let probe = millstream_testkit::probe(
        millstream::after(time.clone(), millis(10)),
        Behaviour::new().initially(1),
    );
    time.advance(millis(9));
    assert_eq!((probe.delivered(), time.clock().timers()), (0, 1));
    time.advance(millis(1));
    probe.assert_completed();
    assert_eq!((time.now(), time.clock().timers()), (at(30), 0));
}

#[test]
fn after_no_time_sets_no_timer() {
    let time = VirtualTime::new(1);
    assert_eq!(time.run_until(millstream::after(time.clone(), Duration::ZERO).count()).unwrap(), 1);
    assert_eq!(time.now(), Moment::START);
}

// ---- what is refused ----------------------------------------------------------------------

#[test]
#[should_panic(expected = "delay(time, 0, by): a queue holds at least 1 item")]
fn delay_refuses_no_capacity() {
    drop(millstream::just(1).delay(VirtualTime::new(1), 0, millis(1)));
}

#[test]
#[should_panic(expected = "delay(time, capacity, 0): by no time nothing is delayed")]
fn delay_refuses_no_time() {
    drop(millstream::just(1).delay(VirtualTime::new(1), 1, Duration::ZERO));
}

#[test]
#[should_panic(expected = "delay_each(time, prefetch, 0): without a gap nothing is delayed")]
fn delay_each_refuses_no_gap() {
    drop(millstream::just(1).delay_each(VirtualTime::new(1), 1, Duration::ZERO));
}
