//! Rates: `throttle` and its kin, and a bucket that streams share, in virtual time.

use std::collections::VecDeque;
use std::time::Duration;

use millstream::Fault;
use millstream::prelude::*;
use millstream::time::{Clock, Moment};
use millstream::timing::{Rate, ThrottleError, TokenBucket};
use millstream_testkit::{Behaviour, Faulted, ProbeHandle, VirtualTime, probe};

use crate::schedule::{End, Model, Ports, Signal, Stalls, World, same_both, same_of};

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn at(n: u64) -> Moment {
    Moment::START + millis(n)
}

// ---- against a model ----------------------------------------------------------------------

/// What becomes of an item that is too early.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Early {
    Waits,
    Fails,
}

/// A bucket of `burst`, into which `tokens` come in `per` milliseconds, drop by drop.
fn bucket(
    (tokens, per): (u64, u64),
    burst: u64,
    early: Early,
    cost: fn(i64) -> u64,
) -> Box<dyn FnMut(&mut World)> {
    let mut queue = VecDeque::new();
    let (mut level, mut waits, mut before) = (burst * per, false, 0);
    Box::new(move |world| {
        level += (world.now - before) * tokens;
        before = world.now;
        if !waits {
            level = level.min(burst * per);
        }
        waits = false;
        queue.append(&mut world.inbox);
        while let Some(signal) = queue.front() {
            match *signal {
                Signal::Item(_) if world.demand == 0 => return,
                Signal::Item(item) => match level.checked_sub(cost(item) * per) {
                    Some(rest) => {
                        level = rest;
                        world.send(item);
                    }
                    None if early == Early::Waits => {
                        waits = true;
                        return;
                    }
                    None => {
                        world.discard(item);
                        queue.drain(..).skip(1).for_each(|signal| {
                            if let Signal::Item(item) = signal {
                                world.discard(item);
                            }
                        });
                        return world.end(End::Own);
                    }
                },
                Signal::Complete => return world.end(End::Complete),
                Signal::Fail => return world.end(End::Fail),
            }
            queue.pop_front();
        }
    })
}

fn rate((tokens, per): (u64, u64), burst: u64) -> Rate {
    Rate::new(tokens, millis(per)).burst(burst)
}

#[test]
fn throttle_is_as_its_model() {
    for (speed, burst, prefetch) in
        [((1, 5), 1, 1), ((3, 7), 2, 4), ((10, 7), 20, 2), ((1, 3), 17, 3)]
    {
        same_both!(
            Stalls::Never,
            |items, time| items.throttle(time, prefetch, rate(speed, burst)),
            || bucket(speed, burst, Early::Waits, |_| 1),
            |()| false,
        );
    }
}

#[test]
fn throttle_weighted_is_as_its_model() {
    for (speed, burst) in [((1, 2), 1), ((3, 7), 2), ((1, 3), 30)] {
        let cost = |item: i64| item as u64 % 5;
        same_both!(
            Stalls::Never,
            |items, time| {
                items.throttle_weighted(time, 2, rate(speed, burst), move |item| cost(item.value()))
            },
            || bucket(speed, burst, Early::Waits, cost),
            |()| false,
        );
    }
}

#[test]
fn throttle_enforcing_is_as_its_model() {
    for (speed, burst) in [((1, 2), 4), ((3, 7), 2), ((1, 3), 30)] {
        same_both!(
            Stalls::Never,
            |items, time| items.throttle_enforcing(time, 100, rate(speed, burst)),
            || bucket(speed, burst, Early::Fails, |_| 1),
            |error| matches!(error, ThrottleError::RateExceeded { .. }),
        );
    }
}

/// Alone at a bucket, a stream is throttled by it.
#[test]
fn rate_limit_is_as_the_model_of_throttle() {
    for (speed, burst) in [((1, 5), 1), ((3, 7), 2), ((1, 3), 17)] {
        same_both!(
            Stalls::Never,
            |items, time| items.rate_limit(time, 2, &TokenBucket::new(rate(speed, burst))),
            || bucket(speed, burst, Early::Waits, |_| 1),
            |()| false,
        );
    }
}

/// Several streams at one bucket: at no moment is more than one of them due, so that what they
/// reserve has one order.
#[test]
fn rate_limit_of_several_streams_is_as_its_model() {
    for (streams, gap, burst, prefetch) in [(2, 1, 1, 1), (2, 3, 2, 2), (3, 5, 4, 100)] {
        let model = move || -> Model {
            // What is there, and is not there yet, where it is below zero; in milliseconds of it.
            let (mut level, mut before) = ((burst * gap) as i64, 0);
            // The item that waits, until when, and which reservation it was.
            let mut waits: Vec<Option<(i64, u64, u64)>> = vec![None; streams];
            let mut last = 0;
            Box::new(move |worlds| {
                let now = worlds[0].now;
                level = (level + (now - before) as i64).min((burst * gap) as i64);
                before = now;
                // What was reserved by one that has gone is given back, if it was the last.
                for (world, waits) in worlds.iter().zip(&mut waits) {
                    if world.cancelled
                        && let Some((.., number)) = waits.take()
                        && number == last
                    {
                        level += gap as i64;
                    }
                }
                for (world, waits) in worlds.iter_mut().zip(&mut waits) {
                    if world.is_over() {
                        continue;
                    }
                    loop {
                        if let Some((item, due, _)) = *waits {
                            if now < due {
                                break;
                            }
                            *waits = None;
                            world.send(item);
                        }
                        match world.inbox.front() {
                            Some(Signal::Item(item)) if world.demand > 0 => {
                                level -= gap as i64;
                                last += 1;
                                *waits = Some((*item, now + (-level).max(0) as u64, last));
                                world.inbox.pop_front();
                            }
                            Some(Signal::Complete) => break world.end(End::Complete),
                            Some(Signal::Fail) => break world.end(End::Fail),
                            _ => break,
                        }
                    }
                }
            })
        };
        same_of(
            Ports { upstreams: streams, downstreams: streams, stalls: Stalls::Never },
            |rig| {
                let bucket = TokenBucket::new(rate((1, gap), burst));
                let limited = (0..streams)
                    .map(|n| rig.upstream(n).rate_limit(rig.time.clone(), prefetch, &bucket));
                limited.collect()
            },
            model,
            |()| false,
        );
    }
}

// ---- throttle -----------------------------------------------------------------------------

#[test]
fn throttle_holds_the_rate_to_the_nanosecond() {
    let time = VirtualTime::new(1);
    let paced =
        millstream::range(0..100_001_u32).throttle(time.clone(), 1, Rate::new(3, millis(7)));
    assert_eq!(time.run_until(paced.count()).unwrap(), 100_001);
    let exact = (100_000 * 7_000_000_u64).div_ceil(3);
    assert_eq!(time.now(), Moment::START + Duration::from_nanos(exact));
    assert_eq!(time.clock().timers(), 0);
}

/// Woken 20 ms late each time, it sends what has come due meanwhile, and waits for the next.
#[test]
fn throttle_makes_up_for_late_timers() {
    let time = VirtualTime::new(1);
    let paced = millstream::range(0..u64::MAX).throttle(time.clone(), 1, Rate::per_second(1000));
    let probe = probe(paced, Behaviour::new().initially(u64::MAX));
    time.run_until_idle();
    assert_eq!(probe.delivered(), 1);
    for n in 1..=50 {
        time.clock().advance(millis(20));
        time.run_until_idle();
        assert_eq!(probe.delivered(), 1 + 20 * n, "at {}", time.now());
    }
    probe.cancel();
    time.run_until_idle();
    assert_eq!(time.clock().timers(), 0);
}

#[test]
fn throttle_gives_a_slow_consumer_no_more_than_the_burst() {
    let time = VirtualTime::new(1);
    let paced =
        millstream::range(0..u64::MAX).throttle(time.clone(), 1, Rate::per_second(1000).burst(5));
    let probe = probe(paced, Behaviour::new());
    for _ in 0..100 {
        probe.request(1);
        time.advance(millis(50));
    }
    assert_eq!(probe.delivered(), 100);
    probe.request_unbounded();
    time.run_until_idle();
    assert_eq!(probe.delivered(), 105);
    time.advance(millis(1000));
    assert_eq!(probe.delivered(), 1105);
    probe.cancel();
    time.run_until_idle();
}

/// It does not rest, and takes its time inside of each item.
#[test]
fn throttle_gives_a_consumer_that_blocks_no_more_than_the_burst() {
    let time = VirtualTime::new(1);
    let clock = time.clock().clone();
    let blocks = move |n: &u64| {
        if *n < 1000 {
            clock.advance(millis(10));
        }
    };
    let rate = Rate::per_second(1000).burst(80);
    let paced = millstream::range(0..u64::MAX).throttle(time.clone(), 1, rate).inspect(blocks);
    let probe = probe(paced, Behaviour::new().initially(u64::MAX));
    time.run_until_idle();
    let at_once = probe.delivered() - 1000;
    assert!((70..=80).contains(&at_once), "{at_once}");
    probe.cancel();
    time.run_until_idle();
}

#[test]
fn throttle_sends_nothing_without_demand_and_reads_no_further() {
    let time = VirtualTime::new(1);
    let (sender, items) = millstream::channel::<u32>(10);
    let paced = items.throttle(time.clone(), 2, Rate::per_second(1));
    let probe = probe(paced, Behaviour::new());
    (0..10).for_each(|n| sender.try_send(n).unwrap());
    time.advance(millis(60_000));
    assert_eq!((probe.delivered(), sender.len()), (0, 8), "two are in its queue");
    assert_eq!(time.clock().timers(), 0, "nothing waits");
    probe.request(3);
    time.run_until_idle();
    probe.assert_items(&[0]);
    time.advance(millis(1_000));
    probe.assert_items(&[0, 1]);
    sender.complete();
    time.advance(millis(1_000));
    probe.assert_items(&[0, 1, 2]);
    probe.assert_no_end();
}

#[test]
fn throttle_sets_no_timer_where_it_does_not_bind() {
    let time = VirtualTime::new(1);
    let paced = millstream::range(0..100_000_u32).throttle(
        time.clone(),
        1,
        Rate::per_second(1).burst(100_000),
    );
    assert_eq!(time.run_until(paced.count()).unwrap(), 100_000);
    assert_eq!(time.now(), Moment::START);
}

#[test]
fn throttle_ends_when_its_clock_goes() {
    let time = VirtualTime::new(1);
    let paced = millstream::range(0..9_u32).throttle(time.clone(), 1, Rate::per_second(1));
    let probe = probe(paced, Behaviour::new().initially(u64::MAX));
    time.run_until_idle();
    time.clock().shut_down();
    time.run_until_idle();
    probe.assert_items(&[0]);
    probe.assert_faulted(&Faulted::from(&Fault::ClockGone));
}

#[test]
fn throttle_weighted_waits_longer_for_what_costs_more_than_the_burst() {
    let time = VirtualTime::new(1);
    let rate = Rate::per_second(1000).burst(10);
    let costs =
        millstream::from_iter([30, 10, 0, 1]).throttle_weighted(time.clone(), 1, rate, |n| *n);
    let probe = probe(costs, Behaviour::new().initially(u64::MAX));
    time.advance(millis(19));
    probe.assert_items(&[]);
    time.advance(millis(1));
    probe.assert_items(&[30]);
    time.advance(millis(9));
    probe.assert_items(&[30]);
    time.advance(millis(1));
    probe.assert_items(&[30, 10, 0]);
    time.advance(millis(1));
    probe.assert_items(&[30, 10, 0, 1]);
    probe.assert_completed();
}

#[test]
fn throttle_enforcing_says_how_much_too_early() {
    let time = VirtualTime::new(1);
    let (sender, items) = millstream::channel::<u32>(10);
    let strict = items.throttle_enforcing(time.clone(), 4, Rate::new(1, millis(10)));
    let probe = probe(strict, Behaviour::new().initially(u64::MAX));
    sender.try_send(1).unwrap();
    time.advance(millis(10));
    sender.try_send(2).unwrap();
    time.advance(millis(6));
    sender.try_send(3).unwrap();
    time.run_until_idle();
    probe.assert_items(&[1, 2]);
    probe.assert_failed(&ThrottleError::RateExceeded { early: millis(4) });
    assert!(sender.is_closed());
    let text = ThrottleError::<()>::RateExceeded { early: millis(4) }.to_string();
    assert_eq!(text, "an item came 4ms earlier than the rate allows");
}

// ---- rate_limit ---------------------------------------------------------------------------

fn limited(time: &VirtualTime, bucket: &TokenBucket) -> ProbeHandle<u32, std::convert::Infallible> {
    let items = millstream::range(0..u32::MAX).rate_limit(time.clone(), 1, bucket);
    probe(items, Behaviour::new().initially(u64::MAX))
}

#[test]
fn rate_limit_is_fair_by_arrival() {
    let time = VirtualTime::new(3);
    let bucket = TokenBucket::new(Rate::per_second(1000));
    let streams: Vec<_> = (0..10).map(|_| limited(&time, &bucket)).collect();
    time.advance(millis(9_999));
    let shares: Vec<_> = streams.iter().map(ProbeHandle::delivered).collect();
    assert_eq!(shares.iter().sum::<u64>(), 10_000);
    assert!(shares.iter().all(|n| (999..=1_001).contains(n)), "each has its share: {shares:?}");
    streams.iter().for_each(ProbeHandle::cancel);
    time.run_until_idle();
    assert_eq!(time.clock().timers(), 0);
}

#[test]
fn rate_limit_sets_a_timer_for_each_stream_and_wakes_nobody_for_another() {
    let time = VirtualTime::new(3);
    let bucket = TokenBucket::new(Rate::per_second(1000));
    let streams: Vec<_> = (0..10).map(|_| limited(&time, &bucket)).collect();
    time.run_until_idle();
    assert_eq!(time.clock().timers(), 10);
    assert_eq!(time.clock().next(), Some(at(1)));
    streams.iter().for_each(ProbeHandle::cancel);
    time.run_until_idle();
    assert_eq!(time.clock().timers(), 0);
}

/// Woken late by more than the others need, it does not take what was theirs.
#[test]
fn rate_limit_holds_the_rate_although_timers_are_late() {
    let time = VirtualTime::new(3);
    let bucket = TokenBucket::new(Rate::per_second(1000));
    let streams: Vec<_> = (0..3).map(|_| limited(&time, &bucket)).collect();
    time.run_until_idle();
    for _ in 0..50 {
        time.clock().advance(millis(20));
        time.run_until_idle();
        let sent: u64 = streams.iter().map(ProbeHandle::delivered).sum();
        let most = 1 + time.now().since(Moment::START).as_millis() as u64;
        assert!((most - 3..=most).contains(&sent), "{sent} of {most}");
    }
    streams.iter().for_each(ProbeHandle::cancel);
    time.run_until_idle();
}

#[test]
fn rate_limit_gives_back_what_waits_at_a_cancellation() {
    let time = VirtualTime::new(3);
    let bucket = TokenBucket::new(Rate::new(1, millis(1_000)));
    let one = limited(&time, &bucket);
    time.run_until_idle();
    let other = limited(&time, &bucket);
    time.run_until_idle();
    // One waits for 1 s, the other for 2 s, which goes back.
    other.cancel();
    time.run_until_idle();
    let third = limited(&time, &bucket);
    time.advance(millis(2_000));
    assert_eq!((one.delivered(), other.delivered(), third.delivered()), (2, 0, 1));
    // What somebody has reserved after is lost, and too much never goes.
    one.cancel();
    time.run_until_idle();
    time.advance(millis(2_000));
    assert_eq!(third.delivered(), 2);
    third.cancel();
    time.run_until_idle();
    assert_eq!(time.clock().timers(), 0);
}

// ---- what is refused ----------------------------------------------------------------------

#[test]
#[should_panic(expected = "Rate::new(0, 1s): at a rate of zero nothing ever comes")]
fn a_rate_of_nothing_is_refused() {
    let _rate = Rate::new(0, Duration::from_secs(1));
}

#[test]
#[should_panic(expected = "Rate::new(5, 0): a rate is so many in some time")]
fn a_rate_in_no_time_is_refused() {
    let _rate = Rate::new(5, Duration::ZERO);
}

#[test]
#[should_panic(expected = "the time is at most 2^64 nanoseconds, 584 years")]
fn a_rate_in_more_than_all_time_is_refused() {
    let _rate = Rate::new(5, Duration::MAX);
}

#[test]
#[should_panic(expected = "Rate::per_second(0): at a rate of zero nothing ever comes")]
fn none_per_second_is_refused() {
    let _rate = Rate::per_second(0);
}

#[test]
#[should_panic(expected = "Rate::burst(0): a bucket has room for 1 token at least")]
fn a_burst_of_nothing_is_refused() {
    let _rate = Rate::per_second(1).burst(0);
}

#[test]
#[should_panic(expected = "throttle(time, 0, rate): a queue holds at least 1 item")]
fn throttle_refuses_a_queue_of_nothing() {
    drop(millstream::empty::<u32>().throttle(VirtualTime::new(1), 0, Rate::per_second(1)));
}
