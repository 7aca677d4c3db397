//! Operators that wait for a time, in virtual time.

use std::convert::Infallible;
use std::time::Duration;

use millstream::chunk::Window;
use millstream::prelude::*;
use millstream::time::{Clock, Moment};
use millstream::timing::TimeoutError;
use millstream::{Fault, MissedTicks};
use millstream_testkit::{Behaviour, Faulted, Token, VirtualTime, probe};

use crate::schedule::{End, Hands, Model, Ports, Signal, Stalls, World, pass, same_both, same_of};

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn at(n: u64) -> Moment {
    Moment::START + seconds(n)
}

// ---- against models -----------------------------------------------------------------------

fn late<E>(error: &TimeoutError<E>) -> bool {
    !matches!(error, TimeoutError::Upstream(_))
}

/// Whether an item is asked for and none is there.
fn is_owed(world: &World) -> bool {
    world.demand > 0 && world.inbox.is_empty()
}

#[test]
fn timeout_is_as_its_model() {
    for (d, prefetch) in [(1, 1), (5, 2), (9, 100)] {
        let model = move || -> Box<dyn FnMut(&mut World)> {
            let mut since = None;
            Box::new(move |world| {
                if let Some(end) = pass(world, |_| since = None) {
                    return world.end(end);
                }
                since = since.or(Some(world.now)).filter(|_| is_owed(world));
                if since.is_some_and(|since| world.now >= since + d) {
                    world.end(End::Own);
                }
            })
        };
        same_both!(
            Stalls::Happen,
            |items, time| items.timeout(time, prefetch, millis(d)),
            model,
            late
        );
    }
}

#[test]
fn timeout_first_is_as_its_model() {
    for (d, prefetch) in [(1, 1), (5, 2), (9, 100)] {
        let model = move || -> Box<dyn FnMut(&mut World)> {
            let (mut since, mut begun) = (None, false);
            Box::new(move |world| {
                if let Some(end) = pass(world, |_| begun = true) {
                    return world.end(end);
                }
                since = since.or(Some(world.now)).filter(|_| is_owed(world));
                if !begun && since.is_some_and(|since| world.now >= since + d) {
                    world.end(End::Own);
                }
            })
        };
        same_both!(
            Stalls::Happen,
            |items, time| items.timeout_first(time, prefetch, millis(d)),
            model,
            late,
        );
    }
}

#[test]
fn timeout_or_is_as_its_model() {
    for (d, prefetch) in [(1, 1), (5, 2), (9, 100)] {
        let model = move || -> Model {
            let (mut since, mut other) = (None, false);
            Box::new(move |worlds| {
                let [up, instead] = worlds else { unreachable!() };
                if !other {
                    instead.untouched = true;
                    if let Some(end) = pass(up, |_| since = None) {
                        return up.end(end);
                    }
                    since = since.or(Some(up.now)).filter(|_| is_owed(up));
                    other = since.is_some_and(|since| up.now >= since + d);
                }
                if other {
                    (up.released, instead.untouched) = (true, false);
                    up.inbox = std::mem::take(&mut instead.inbox);
                    if let Some(end) = pass(up, |_| ()) {
                        up.end(end);
                    }
                    instead.inbox = std::mem::take(&mut up.inbox);
                }
            })
        };
        same_of(
            Ports { upstreams: 2, downstreams: 1, stalls: Stalls::Happen },
            |rig| {
                let (up, other) = (rig.upstream(0), rig.upstream(1));
                vec![up.timeout_or(rig.time.clone(), prefetch, millis(d), other)]
            },
            model,
            |()| false,
        );
    }
}

#[test]
fn idle_timeout_is_as_its_model() {
    for (d, prefetch) in [(1, 1), (5, 2), (9, 100)] {
        let model = move || -> Box<dyn FnMut(&mut World)> {
            let mut since = 0;
            Box::new(move |world| {
                if let Some(end) = pass(world, |world| since = world.now) {
                    return world.end(end);
                }
                if world.now >= since + d {
                    world.discard_all();
                    world.end(End::Own);
                }
            })
        };
        same_both!(
            Stalls::Happen,
            |items, time| items.idle_timeout(time, prefetch, millis(d)),
            model,
            late,
        );
    }
}

#[test]
fn backpressure_timeout_is_as_its_model() {
    for (d, prefetch) in [(1, 1), (5, 2), (9, 100)] {
        let model = move || -> Box<dyn FnMut(&mut World)> {
            let mut since = None;
            Box::new(move |world| {
                if world.demand > 0 {
                    since = None;
                }
                if let Some(end) = pass(world, |world| {
                    since = Some(world.now).filter(|_| world.demand == 0);
                }) {
                    return world.end(end);
                }
                if since.is_some_and(|since| world.now >= since + d) {
                    world.discard_all();
                    world.end(End::Own);
                }
            })
        };
        same_both!(
            Stalls::Happen,
            |items, time| items.backpressure_timeout(time, prefetch, millis(d)),
            model,
            late,
        );
    }
}

/// Ends some time after the subscription, whatever there is.
fn until(d: u64, end: End) -> Box<dyn FnMut(&mut World)> {
    Box::new(move |world| {
        if world.now >= d {
            world.discard_all();
            return world.end(end);
        }
        if let Some(end) = pass(world, |_| ()) {
            world.end(end);
        }
    })
}

#[test]
fn completion_timeout_is_as_its_model() {
    for (d, prefetch) in [(1, 1), (25, 2), (60, 100)] {
        same_both!(
            Stalls::Happen,
            |items, time| items.completion_timeout(time, prefetch, millis(d)),
            || until(d, End::Own),
            late,
        );
    }
}

#[test]
fn take_within_is_as_its_model() {
    for (d, prefetch) in [(1, 1), (25, 2), (60, 100)] {
        same_both!(
            Stalls::Happen,
            |items, time| items.take_within(time, prefetch, millis(d)),
            || until(d, End::Complete),
            |()| false,
        );
    }
}

#[test]
fn keep_alive_is_as_its_model() {
    for (d, prefetch) in [(1, 1), (5, 2), (9, 100)] {
        let model = move || -> Model {
            let mut since = None;
            Box::new(move |worlds| {
                let world = &mut worlds[0];
                if let Some(end) = pass(world, |_| since = None) {
                    return world.end(end);
                }
                since = since.or(Some(world.now)).filter(|_| is_owed(world));
                if since.is_some_and(|since| world.now >= since + d) {
                    world.send(-1);
                    since = Some(world.now).filter(|_| is_owed(world));
                }
            })
        };
        same_of(
            Ports { upstreams: 1, downstreams: 1, stalls: Stalls::Happen },
            |rig| {
                let (items, hands) = (rig.upstream(0), rig.hands.clone());
                vec![
                    items
                        .keep_alive(rig.time.clone(), prefetch, millis(d), move || hands.token(-1)),
                ]
            },
            model,
            |()| false,
        );
    }
}

#[test]
fn interval_is_as_its_models() {
    for period in [1, 4, 9] {
        for missed in [MissedTicks::Skip, MissedTicks::Burst, MissedTicks::Delay] {
            let model = move || -> Model {
                // The number of the next tick, when it comes, and whether somebody waits for it.
                let (mut number, mut due, mut waits) = (0, period, false);
                Box::new(move |worlds| {
                    let world = &mut worlds[0];
                    while world.demand > 0 {
                        let is_missed = !waits && due <= world.now;
                        if is_missed && missed == MissedTicks::Skip {
                            while due <= world.now {
                                (number, due) = (number + 1, due + period);
                            }
                        }
                        waits = true;
                        if due > world.now {
                            return;
                        }
                        world.send(number);
                        let base =
                            if is_missed && missed == MissedTicks::Delay { world.now } else { due };
                        (number, due) = (number + 1, base + period);
                        waits = false;
                    }
                })
            };
            same_of(
                Ports { upstreams: 0, downstreams: 1, stalls: Stalls::Happen },
                |rig| {
                    let ticks = millstream::interval(rig.time.clone(), millis(period), missed);
                    let hands = rig.hands.clone();
                    vec![ticks.map(move |n| hands.token(n as i64))]
                },
                model,
                |_| false,
            );
        }
    }
}

/// Reads a window, up to so many of its items, and notes all that comes.
fn read(window: Window<Token, ()>, number: i64, most: u64, hands: &Hands) {
    let (items, dropped, end) = (hands.clone(), hands.clone(), hands.clone());
    let noted = window
        .map(move |token| {
            items.note(format!("{number}: {}", token.value()));
            items.put_aside(token);
        })
        .on_discard(move |token: Token| dropped.put_aside(token))
        .inspect_end(move |told| end.note(format!("{number}: {told:?}")));
    let reader = probe(noted, Behaviour::new().initially(most));
    hands.at_end(move || reader.cancel());
}

#[test]
fn window_timeout_is_as_its_model() {
    for (size, d, most) in [(1, 3, u64::MAX), (3, 5, u64::MAX), (4, 9, 1), (5, 2, 2)] {
        let model = move || -> Model {
            // The open window, its items, and when it was opened.
            let (mut opened, mut open) = (0, None::<(u64, u64)>);
            let close = move |world: &mut World, number: i64, items: u64, how: &str| {
                if items <= most {
                    world.note(format!("{number}: {how}"));
                }
            };
            Box::new(move |worlds| {
                let world = &mut worlds[0];
                loop {
                    if let Some((items, at)) = open
                        && (items == size || world.now >= at + d)
                    {
                        close(world, opened, items, "Ok(())");
                        open = None;
                    }
                    match world.inbox.front() {
                        Some(Signal::Item(item)) => {
                            let item = *item;
                            let wanted = open.is_some_and(|(items, _)| items < most);
                            if !wanted && world.demand == 0 {
                                return;
                            }
                            world.inbox.pop_front();
                            if open.is_none() {
                                opened += 1;
                                world.send(opened);
                                open = Some((0, world.now));
                            }
                            let (items, _) = open.as_mut().expect("it is open");
                            *items += 1;
                            if *items <= most {
                                world.note(format!("{opened}: {item}"));
                            }
                        }
                        Some(end) => {
                            let (how, end) = match end {
                                Signal::Fail => ("Err(())", End::Fail),
                                _ => ("Ok(())", End::Complete),
                            };
                            if let Some((items, _)) = open.take() {
                                close(world, opened, items, how);
                            }
                            return world.end(end);
                        }
                        None => return,
                    }
                }
            })
        };
        same_of(
            Ports { upstreams: 1, downstreams: 1, stalls: Stalls::Happen },
            |rig| {
                let (items, hands) = (rig.upstream(0), rig.hands.clone());
                let windows = items.window_timeout(rig.time.clone(), size as usize, millis(d));
                let mut opened = 0;
                vec![windows.map(move |window| {
                    opened += 1;
                    read(window, opened, most, &hands);
                    hands.token(opened)
                })]
            },
            model,
            |()| false,
        );
    }
}

// ---- timeout ------------------------------------------------------------------------------

#[test]
fn timeout_counts_from_the_request_or_the_item_before() {
    let time = VirtualTime::new(1);
    let (sender, items) = millstream::channel::<u32>(4);
    let probe = probe(items.timeout(time.clone(), 4, seconds(10)), Behaviour::new());
    // Nothing is owed for long.
    time.advance(seconds(100));
    assert_eq!(time.clock().timers(), 0, "nobody has asked");
    probe.request(2);
    time.advance(seconds(9));
    sender.try_send(1).unwrap();
    time.advance(seconds(9));
    probe.assert_no_end();
    time.advance(seconds(1));
    probe.assert_items(&[1]);
    probe.assert_failed(&TimeoutError::Elapsed { after: seconds(10) });
    assert!(sender.is_closed(), "upstream was cancelled");
    assert_eq!(time.clock().timers(), 0, "no timer is left");
}

#[test]
fn timeout_takes_no_slow_consumer_for_a_slow_producer() {
    let time = VirtualTime::new(1);
    let probe = probe(
        millstream::range(0..3_u32).boxed().timeout(time.clone(), 2, seconds(1)),
        Behaviour::new(),
    );
    for n in 0..3 {
        time.advance(seconds(100));
        probe.request(1);
        time.run_until_idle();
        assert_eq!(probe.items().last(), Some(&n));
    }
    probe.assert_completed();
    assert_eq!(time.now(), at(300), "no timer took any time");
}

/// An item at the deadline and an expired timer: the item is in time.
#[test]
fn timeout_gives_an_item_that_is_there_when_the_time_is_up() {
    let time = VirtualTime::new(1);
    let (sender, items) = millstream::channel::<u32>(4);
    let probe = probe(items.timeout(time.clone(), 4, seconds(10)), Behaviour::new());
    probe.request(2);
    time.run_until_idle();
    // The timer has woken, and the task has not run when the item comes.
    time.clock().advance(seconds(10));
    sender.try_send(1).unwrap();
    time.run_until_idle();
    probe.assert_items(&[1]);
    probe.assert_no_end();
}

#[test]
fn timeout_ends_when_its_clock_goes() {
    let time = VirtualTime::new(1);
    let (sender, items) = millstream::channel::<u32>(4);
    let probe = probe(items.timeout(time.clone(), 4, seconds(10)), Behaviour::new());
    probe.request(1);
    time.run_until_idle();
    time.clock().shut_down();
    time.run_until_idle();
    probe.assert_faulted(&Faulted::from(&Fault::ClockGone));
    assert!(sender.is_closed());
}

#[test]
fn timeout_sets_no_timer_for_what_is_there() {
    let time = VirtualTime::new(1);
    let all = millstream::range(0..100_000_u32).timeout(time.clone(), 2, seconds(1)).count();
    assert_eq!(time.run_until(all).unwrap(), 100_000);
    assert_eq!(time.now(), Moment::START);
}

// ---- interval -----------------------------------------------------------------------------

/// One is asked for at the start, three more at 3.5 s: what comes, and at which tenth of a second.
fn asked_late(missed: MissedTicks) -> Vec<(u64, u64)> {
    let time = VirtualTime::new(1);
    let ticks = millstream::interval(time.clone(), seconds(1), missed);
    let probe = probe(ticks, Behaviour::new().initially(1));
    let mut seen = Vec::new();
    for tenth in 1..=80 {
        time.advance(Duration::from_millis(100));
        if tenth == 35 {
            probe.request(3);
            time.run_until_idle();
        }
        let items = probe.items();
        seen.extend(items[seen.len()..].iter().map(|n| (*n, tenth)));
    }
    probe.assert_no_violation();
    seen
}

#[test]
fn interval_skips_the_ticks_that_nobody_asked_for() {
    assert_eq!(asked_late(MissedTicks::Skip), [(0, 10), (3, 40), (4, 50), (5, 60)]);
}

#[test]
fn interval_catches_up_in_a_burst() {
    assert_eq!(asked_late(MissedTicks::Burst), [(0, 10), (1, 35), (2, 35), (3, 40)]);
}

#[test]
fn interval_counts_anew_from_a_late_request() {
    assert_eq!(asked_late(MissedTicks::Delay), [(0, 10), (1, 35), (2, 45), (3, 55)]);
}

#[test]
fn interval_does_not_drift() {
    let time = VirtualTime::new(1);
    let period = Duration::from_nanos(1_000_003);
    let ticks = millstream::interval(time.clone(), period, MissedTicks::Skip).take(100_000);
    assert_eq!(time.run_until(ticks.count()).unwrap(), 100_000);
    assert_eq!(time.now(), Moment::START + 100_000 * period);
    assert_eq!(time.clock().timers(), 0);
}

#[test]
#[should_panic(expected = "interval(time, 0): a period is at least a nanosecond")]
fn interval_refuses_no_period() {
    drop(millstream::interval(VirtualTime::new(1), Duration::ZERO, MissedTicks::Skip));
}

// ---- the kin of timeout -------------------------------------------------------------------

#[test]
fn timeout_first_counts_for_the_first_item_alone() {
    let time = VirtualTime::new(1);
    let (sender, items) = millstream::channel::<u32>(4);
    let first = items.timeout_first(time.clone(), 4, seconds(10));
    let probe = probe(first, Behaviour::new().initially(3));
    time.advance(seconds(9));
    sender.try_send(1).unwrap();
    time.advance(seconds(1000));
    probe.assert_items(&[1]);
    probe.assert_no_end();
    assert_eq!(time.clock().timers(), 0);
}

#[test]
fn timeout_or_carries_what_is_still_wanted_over() {
    let time = VirtualTime::new(1);
    let (sender, items) = millstream::channel::<u32>(4);
    let others = millstream::from_iter(7..);
    let items = items.timeout_or(time.clone(), 4, seconds(10), others);
    let probe = probe(items, Behaviour::new().initially(3));
    sender.try_send(1).unwrap();
    time.advance(seconds(10));
    time.run_until_idle();
    probe.assert_items(&[1, 7, 8]);
    probe.request(1);
    time.run_until_idle();
    probe.assert_items(&[1, 7, 8, 9]);
    assert!(sender.is_closed());
    assert_eq!(time.clock().timers(), 0);
}

/// What is sent and asked for each second, and how the stream ends when nothing is done any more.
fn seconds_of(
    time: &VirtualTime,
    sender: &millstream::Sender<u32>,
    probe: &millstream_testkit::ProbeHandle<u32, TimeoutError<Infallible>>,
    script: &[(u32, u64)],
) {
    for &(send, ask) in script {
        for n in 0..send {
            sender.try_send(n).unwrap();
        }
        if ask > 0 {
            probe.request(ask);
        }
        time.advance(seconds(1));
    }
}

#[test]
fn idle_timeout_counts_whoever_is_slow() {
    let after = seconds(3);
    for (script, passed) in [
        // Nobody asks: an item waits and none passes.
        (&[(1, 0), (0, 0), (0, 0)][..], 0),
        // Nobody sends.
        (&[(0, 1), (0, 0), (0, 0)], 0),
        // Counted anew from the item.
        (&[(0, 1), (0, 0), (1, 0), (0, 0), (0, 0)], 1),
    ] {
        let time = VirtualTime::new(1);
        let (sender, items) = millstream::channel::<u32>(4);
        let probe = probe(items.idle_timeout(time.clone(), 4, after), Behaviour::new());
        seconds_of(&time, &sender, &probe, script);
        assert_eq!(probe.items().len(), passed, "{script:?}");
        probe.assert_failed(&TimeoutError::Elapsed { after });
        assert_eq!(time.clock().timers(), 0);
    }
}

#[test]
fn idle_timeout_counts_over_a_source_that_is_held_in_place() {
    let time = VirtualTime::new(1);
    let items = millstream::range(0..9_u32).idle_timeout(time.clone(), 4, seconds(3));
    let probe = probe(items, Behaviour::new().initially(2));
    time.run_until_rest();
    probe.assert_items(&[0, 1]);
    probe.assert_failed(&TimeoutError::Elapsed { after: seconds(3) });
    assert_eq!(time.now(), at(3));
}

#[test]
fn backpressure_timeout_counts_the_consumer_alone() {
    let after = seconds(3);
    let time = VirtualTime::new(1);
    let (sender, items) = millstream::channel::<u32>(4);
    let probe = probe(items.backpressure_timeout(time.clone(), 4, after), Behaviour::new());
    // Before the first item nothing is counted, nor while an item is asked for and none is there.
    let script = [(1, 0), (0, 0), (0, 0), (0, 0), (0, 2), (0, 0), (0, 0), (0, 0), (1, 0), (0, 0)];
    seconds_of(&time, &sender, &probe, &script);
    probe.assert_items(&[0, 0]);
    probe.assert_no_end();
    seconds_of(&time, &sender, &probe, &[(0, 0)]);
    probe.assert_failed(&TimeoutError::Unasked { after });
    assert!(sender.is_closed());
    assert_eq!(time.clock().timers(), 0);
}

/// The second is taken to look for the end, and nobody asks for it.
#[test]
fn an_item_that_was_looked_at_for_the_end_is_discarded_in_the_end() {
    let time = VirtualTime::new(1);
    let (told, discards) = std::sync::mpsc::channel();
    let numbers = || millstream::from_iter((0..9_u32).filter(|_| true));
    let discard = move |n: u32| told.send(n).unwrap();
    let idle = numbers().idle_timeout(time.clone(), 4, seconds(3)).on_discard(discard.clone());
    let idle = probe(idle, Behaviour::new().initially(1));
    let within = numbers().take_within(time.clone(), 4, seconds(3)).on_discard(discard);
    let within = probe(within, Behaviour::new().initially(1));
    time.run_until_rest();
    assert_eq!((idle.items(), within.items()), (vec![0], vec![0]));
    assert_eq!(discards.try_iter().collect::<Vec<_>>(), [1, 1]);
}

/// Numbers without end, each of which takes a second.
fn one_a_second(time: &VirtualTime) -> impl Publisher<Item = u32, Error = Infallible> + use<> {
    let clock = time.clock().clone();
    millstream::from_iter(0..).map(move |n| {
        clock.advance(seconds(1));
        n
    })
}

#[test]
fn take_within_ends_a_stream_that_always_has_an_item() {
    let time = VirtualTime::new(1);
    let some = one_a_second(&time).take_within(time.clone(), 4, seconds(5));
    assert_eq!(time.run_until(some.collect::<Vec<_>>()).unwrap(), [0, 1, 2, 3, 4]);
    assert_eq!(time.clock().timers(), 0);
}

#[test]
fn completion_timeout_ends_a_stream_that_always_has_an_item() {
    let time = VirtualTime::new(1);
    let all = one_a_second(&time).completion_timeout(time.clone(), 4, seconds(5));
    let failure = time.run_until(all.collect::<Vec<_>>()).unwrap_err().into_error();
    assert_eq!(failure, Some(TimeoutError::Unfinished { after: seconds(5) }));
    assert_eq!(time.now(), at(5));
    assert_eq!(time.clock().timers(), 0);
}

#[test]
fn take_within_ends_without_demand() {
    let time = VirtualTime::new(1);
    for held_in_place in [false, true] {
        let numbers = millstream::range(0..9_u32);
        let probe = if held_in_place {
            probe(numbers.take_within(time.clone(), 4, seconds(5)), Behaviour::new())
        } else {
            probe(numbers.boxed().take_within(time.clone(), 4, seconds(5)), Behaviour::new())
        };
        time.advance(seconds(5));
        probe.assert_completed();
        assert_eq!(probe.items(), []);
    }
}

#[test]
fn keep_alive_gives_nothing_that_nobody_asked_for() {
    let time = VirtualTime::new(1);
    let (sender, items) = millstream::channel::<u32>(4);
    let kept = items.keep_alive(time.clone(), 4, seconds(3), || 0);
    let probe = probe(kept, Behaviour::new());
    time.advance(seconds(100));
    assert_eq!(probe.items(), []);
    probe.request(3);
    time.advance(seconds(2));
    sender.try_send(1).unwrap();
    time.advance(seconds(2));
    probe.assert_items(&[1]);
    time.advance(seconds(1));
    probe.assert_items(&[1, 0]);
    time.advance(seconds(3));
    probe.assert_items(&[1, 0, 0]);
    time.advance(seconds(100));
    probe.assert_items(&[1, 0, 0]);
    sender.complete();
    time.run_until_idle();
    probe.assert_completed();
    assert_eq!(time.clock().timers(), 0);
}

// ---- timestamp, elapsed -------------------------------------------------------------------

#[test]
fn timestamp_is_the_time_at_which_an_item_passes() {
    let time = VirtualTime::new(1);
    let (sender, items) = millstream::channel::<u32>(9);
    let probe = probe(items.timestamp(time.clone()), Behaviour::new());
    probe.request(2);
    time.advance(seconds(1));
    sender.try_send(1).unwrap();
    time.advance(seconds(2));
    sender.try_send(2).unwrap();
    sender.try_send(3).unwrap();
    time.advance(seconds(4));
    probe.assert_items(&[(at(1), 1), (at(3), 2)]);
    probe.request(1);
    assert_eq!(probe.items().last(), Some(&(at(7), 3)), "it passes when it is asked for");
    assert_eq!(time.clock().timers(), 0);
    sender.complete();
    time.run_until_idle();
    probe.assert_completed();
}

#[test]
fn elapsed_is_the_time_since_the_item_before_and_first_since_the_subscription() {
    let time = VirtualTime::new(1);
    time.advance(seconds(10));
    let (sender, items) = millstream::channel::<u32>(9);
    let timed = items.elapsed(time.clone());
    time.advance(seconds(10));
    let probe = probe(timed, Behaviour::new());
    time.advance(seconds(1));
    probe.request(3);
    time.advance(seconds(2));
    sender.try_send(1).unwrap();
    sender.try_send(2).unwrap();
    time.advance(seconds(5));
    sender.try_send(3).unwrap();
    sender.try_send(4).unwrap();
    time.advance(seconds(7));
    probe.request(1);
    probe.assert_items(&[(seconds(3), 1), (seconds(0), 2), (seconds(5), 3), (seconds(7), 4)]);
    assert_eq!(time.clock().timers(), 0);
    sender.complete();
    time.run_until_idle();
    probe.assert_completed();
}

#[test]
fn elapsed_is_not_pulled_later_than_it_is_subscribed_to() {
    let time = VirtualTime::new(1);
    let timed = millstream::range(0..3_u32).elapsed(time.clone());
    let probe = probe(timed.publish_on(time.clone(), 4), Behaviour::new());
    time.advance(seconds(4));
    probe.request(1);
    time.advance(seconds(1));
    probe.request(2);
    time.run_until_idle();
    let at_once = seconds(0);
    probe.assert_items(&[(at_once, 0), (at_once, 1), (at_once, 2)]);
    probe.assert_completed();
}

#[test]
fn each_subscription_to_elapsed_counts_for_itself() {
    let time = VirtualTime::new(1);
    let timed = millstream::range(0..1_u32).elapsed(time.clone());
    let first = probe(timed.clone(), Behaviour::new());
    time.advance(seconds(2));
    let second = probe(timed, Behaviour::new());
    time.advance(seconds(3));
    first.request(1);
    second.request(1);
    first.assert_items(&[(seconds(5), 0)]);
    second.assert_items(&[(seconds(3), 0)]);
}

#[test]
fn an_error_passes_what_only_looks_at_a_clock_without_demand() {
    let time = VirtualTime::new(1);
    let stamped = millstream::fail::<u32, _>("x").timestamp(time.clone());
    probe(stamped, Behaviour::new()).assert_failed(&"x");
    let timed = millstream::fail::<u32, _>("x").elapsed(time.clone());
    probe(timed, Behaviour::new()).assert_failed(&"x");
}

/// A clock of somebody else's that panics.
struct Broken;

impl Clock for Broken {
    fn now(&self) -> Moment {
        panic!("no time")
    }

    fn timer(&self, _: std::task::Waker) -> Box<dyn millstream::time::Timer> {
        unreachable!("nobody waits")
    }
}

#[test]
fn a_clock_that_panics_is_a_fault() {
    let broken = Faulted::Panicked(Some("no time".to_owned()));
    let numbers = || millstream::range(0..3_u32);
    let stamped = probe(numbers().timestamp(Broken), Behaviour::new().initially(1));
    let timed = probe(numbers().elapsed(Broken), Behaviour::new().initially(1));
    stamped.assert_faulted(&broken);
    timed.assert_faulted(&broken);
    assert!(stamped.items().is_empty() && timed.items().is_empty());
}

// ---- window_timeout -----------------------------------------------------------------------

#[test]
fn window_timeout_completes_the_open_window_when_its_time_has_come() {
    let time = VirtualTime::new(1);
    let (sender, items) = millstream::channel::<u32>(9);
    let chunks =
        items.window_timeout(time.clone(), 3, seconds(5)).concat_map(|window| window.chunks(9));
    let probe = probe(chunks, Behaviour::new().initially(u64::MAX));
    for n in 0..4 {
        sender.try_send(n).unwrap();
    }
    time.advance(Duration::from_millis(4_999));
    probe.assert_items(&[vec![0, 1, 2]]);
    time.advance(Duration::from_millis(1));
    probe.assert_items(&[vec![0, 1, 2], vec![3]]);
    assert_eq!(time.clock().timers(), 0, "no window is open");
    // The next is opened by an item, and its time is its own.
    time.advance(seconds(100));
    sender.try_send(4).unwrap();
    time.advance(seconds(4));
    sender.try_send(5).unwrap();
    time.advance(seconds(1));
    probe.assert_items(&[vec![0, 1, 2], vec![3], vec![4, 5]]);
    sender.complete();
    time.run_until_idle();
    probe.assert_completed();
    assert_eq!(time.clock().timers(), 0);
    assert_eq!(time.executor().tasks(), 0);
}

#[test]
fn window_timeout_ends_all_when_its_clock_goes() {
    let time = VirtualTime::new(1);
    let (sender, items) = millstream::channel::<u32>(9);
    let all = items.window_timeout(time.clone(), 3, seconds(5)).concat_map(|window| window);
    let probe = probe(all, Behaviour::new().initially(u64::MAX));
    sender.try_send(1).unwrap();
    time.run_until_idle();
    time.clock().shut_down();
    time.run_until_rest();
    probe.assert_items(&[1]);
    probe.assert_faulted(&Faulted::from(&Fault::ClockGone));
    assert!(sender.is_closed());
}

#[test]
fn a_window_whose_time_comes_unread_keeps_its_items() {
    let time = VirtualTime::new(1);
    let (sender, items) = millstream::channel::<u32>(9);
    let windows = items.window_timeout(time.clone(), 3, seconds(5));
    let probe = probe(windows.concat_map(|window| window), Behaviour::new());
    probe.request(1);
    for n in 0..2 {
        sender.try_send(n).unwrap();
    }
    time.advance(seconds(50));
    probe.assert_items(&[0]);
    probe.request(1);
    time.run_until_idle();
    probe.assert_items(&[0, 1]);
}
