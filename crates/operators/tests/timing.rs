//! Operators that wait for a time, in virtual time.

use std::time::Duration;

use millstream::prelude::*;
use millstream::time::{Clock, Moment};
use millstream::timing::TimeoutError;
use millstream::{Fault, MissedTicks};
use millstream_testkit::{Behaviour, Faulted, VirtualTime, probe};

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn at(n: u64) -> Moment {
    Moment::START + seconds(n)
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
