//! What is tried again later: `retry_backoff` and its kin, in virtual time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use millstream::fault::Backoff;
use millstream::prelude::*;
use millstream::source::Restart;
use millstream::time::{Clock, Moment};
use millstream_testkit::{Behaviour, Ledger, VirtualTime, probe};
use proptest::prelude::*;

use crate::schedule::{End, Model, Ports, Stalls, World, pass, same_of};

use crate::support::{Hand, Item, Mint, Probe, Told, next, next_then};

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn steady() -> Backoff {
    Backoff::new(seconds(1)).jitter(0.0)
}

/// `n` items and then an error.
fn failing(n: u32) -> impl Publisher<Item = u32, Error = &'static str> + Clone {
    millstream::range(0..n).map_err(|never| match never {}).chain(millstream::fail("x"))
}

#[test]
fn retry_backoff_keeps_what_is_asked_for_and_asks_nobody_during_a_wait() {
    let time = VirtualTime::new(1);
    let probe = probe(failing(2).retry_backoff(time.clone(), steady(), |_| true), Behaviour::new());
    probe.request(3);
    time.run_until_idle();
    probe.assert_items(&[0, 1]);
    assert_eq!(time.clock().timers(), 1, "it waits");
    probe.request(2);
    time.advance(Duration::from_millis(999));
    probe.assert_items(&[0, 1]);
    time.advance(Duration::from_millis(1));
    probe.assert_items(&[0, 1, 0, 1]);
    time.advance(seconds(2));
    probe.assert_items(&[0, 1, 0, 1, 0]);
    probe.cancel();
    time.run_until_idle();
    assert_eq!(time.clock().timers(), 0);
}

#[test]
fn a_wait_that_is_cancelled_takes_its_timer_with_it() {
    let time = VirtualTime::new(1);
    let probe = probe(failing(0).retry_backoff(time.clone(), steady(), |_| true), Behaviour::new());
    probe.request(1);
    time.run_until_idle();
    assert_eq!(time.clock().timers(), 1);
    probe.cancel();
    time.run_until_idle();
    assert_eq!(time.clock().timers(), 0);
    assert_eq!(time.executor().tasks(), 0);
}

#[test]
fn retry_backoff_gives_the_error_of_the_last_attempt() {
    let time = VirtualTime::new(1);
    let tried = failing(1).retry_backoff(time.clone(), steady().attempts(3), |_| true);
    let probe = probe(tried, Behaviour::new().initially(u64::MAX));
    time.run_until_rest();
    probe.assert_items(&[0, 0, 0, 0]);
    probe.assert_failed(&"x");
    assert_eq!(time.now(), Moment::START + seconds(1 + 2 + 4));
}

#[test]
fn retry_backoff_begins_anew_after_an_item_where_it_is_told_to() {
    let time = VirtualTime::new(1);
    let backoff = steady().attempts(1).reset_after_item();
    let tried = failing(1).retry_backoff(time.clone(), backoff, |_| true).take(5);
    assert_eq!(time.run_until(tried.count()).unwrap(), 5);
    assert_eq!(time.now(), Moment::START + seconds(4), "each wait is the first");
}

#[test]
fn retry_backoff_leaves_errors_that_are_not_worth_it() {
    let time = VirtualTime::new(1);
    let tried = failing(1).retry_backoff(time.clone(), steady(), |error| *error != "x");
    let probe = probe(tried, Behaviour::new().initially(u64::MAX));
    time.run_until_rest();
    probe.assert_failed(&"x");
    assert_eq!(time.now(), Moment::START);
}

#[test]
fn retry_after_tells_how_the_attempt_went() {
    let time = VirtualTime::new(1);
    let (send, told) = std::sync::mpsc::channel();
    let tried = failing(1).retry_after(time.clone(), move |failed| {
        let seen = (*failed.error, failed.attempt, failed.sent_an_item, failed.elapsed.as_secs());
        send.send(seen).unwrap();
        (failed.attempt < 3).then_some(seconds(5))
    });
    let _end = time.run_until(tried.collect::<Vec<_>>());
    let told: Vec<_> = told.try_iter().collect();
    assert_eq!(told, [("x", 1, true, 0), ("x", 2, true, 5), ("x", 3, true, 10)]);
}

#[test]
fn a_signal_is_asked_for_one_item_without_demand_of_downstream() {
    let time = VirtualTime::new(1);
    let (sender, go) = millstream::channel::<()>(1);
    let mut go = Some(go.map_err(|never| match never {}));
    let tried = failing(1).retry_when(move |_| go.take());
    let probe = probe(tried, Behaviour::new().initially(1));
    probe.assert_items(&[0]);
    // Its failure needs no demand, and the signal is there before more is asked for.
    sender.try_send(()).unwrap();
    probe.request(1);
    probe.assert_items(&[0, 0]);
    probe.assert_failed(&"x");
    drop(time);
}

#[test]
fn a_signal_that_ends_ends_the_stream() {
    let empty = millstream::empty::<()>().map_err(|never| match never {});
    let probe1 =
        probe(failing(0).retry_when(move |_| Some(empty.clone())), Behaviour::new().initially(1));
    probe1.assert_completed();
    let broken = |_: &&str| Some(millstream::fail::<(), _>("signal"));
    let probe2 = probe(failing(0).retry_when(broken), Behaviour::new().initially(1));
    probe2.assert_failed(&"signal");
    let none = probe(
        millstream::just(1)
            .repeat_when(|| None::<millstream::BoxPublisher<(), std::convert::Infallible>>),
        Behaviour::new().initially(9),
    );
    none.assert_items(&[1]);
    none.assert_completed();
}

#[test]
fn restart_makes_nothing_before_it_is_subscribed_to_nor_while_it_waits() {
    let time = VirtualTime::new(1);
    let ledger = Ledger::new();
    let minted = ledger.clone();
    let make = move || millstream::just(minted.token(1));
    let all = millstream::restart_with_backoff(time.clone(), Restart::new(steady()), make);
    assert_eq!(ledger.created(), 0);
    let probe = probe(all, Behaviour::new().initially(u64::MAX));
    time.run_until_idle();
    assert_eq!(ledger.created(), 1);
    time.advance(Duration::from_millis(999));
    assert_eq!(ledger.created(), 1);
    time.advance(Duration::from_millis(1));
    assert_eq!(ledger.created(), 2);
    probe.cancel();
    time.run_until_idle();
    drop(probe);
    ledger.assert_settled();
    assert_eq!(time.clock().timers(), 0);
}

#[test]
fn restart_begins_anew_after_one_that_ran_for_long() {
    let time = VirtualTime::new(1);
    let clock = time.clone();
    let make = move || {
        let runs = clock.clone();
        millstream::pending::<u32>().take_within(runs, 1, seconds(60))
    };
    let restart = Restart::new(steady().attempts(3)).reset_after(seconds(30));
    let all = millstream::restart_with_backoff(time.clone(), restart, make);
    let probe = probe(all, Behaviour::new().initially(1));
    time.advance(seconds(61 * 10));
    probe.assert_no_end();
    assert_eq!(time.now(), Moment::START + seconds(610));
    probe.cancel();
    time.run_until_rest();
}

/// Made 40 s late, one that fails at once has not run for 40 s.
#[test]
fn restart_takes_a_wait_that_ends_late_for_no_run() {
    let time = VirtualTime::new(1);
    let restart = Restart::new(steady().attempts(2)).reset_after(seconds(30));
    let all = millstream::restart_with_backoff(time.clone(), restart, || failing(0));
    let probe = probe(all, Behaviour::new().initially(1));
    for _ in 0..2 {
        time.run_until_idle();
        probe.assert_no_end();
        time.clock().advance(seconds(40));
    }
    time.run_until_idle();
    probe.assert_failed(&"x");
}

#[test]
fn restart_lets_stand_what_it_is_told_to() {
    let time = VirtualTime::new(1);
    let restart = Restart::new(steady()).only_on_failures();
    let once = millstream::restart_with_backoff(time.clone(), restart, || millstream::just(1));
    assert_eq!(time.run_until(once.collect::<Vec<_>>()).unwrap(), [1]);
    let restart = Restart::new(steady()).on(|error| *error != "x");
    let failed = millstream::restart_with_backoff(time.clone(), restart, || failing(1));
    assert_eq!(time.run_until(failed.count()).unwrap_err().into_error(), Some("x"));
    assert_eq!(time.now(), Moment::START);
}

#[test]
#[should_panic(
    expected = "Backoff::max(500ms): the longest wait is not below the first, which is 1s"
)]
fn a_longest_wait_below_the_first_is_refused() {
    let _ = steady().max(Duration::from_millis(500));
}

#[test]
#[should_panic(expected = "Backoff::factor(0.5)")]
fn waits_that_become_shorter_are_refused() {
    let _ = steady().factor(0.5);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Each wait is between the part that is not at random and the whole, and none overflows.
    #[test]
    fn waits_keep_their_bounds(
        min in 0..10_000_u64,
        max in 0..1_000_000_u64,
        factor in 1.0..10.0_f64,
        jitter in 0.0..=1.0_f64,
        seed: u64,
    ) {
        let (min, max) = (Duration::from_millis(min), Duration::from_millis(min + max));
        let backoff = Backoff::new(min).max(max).factor(factor).jitter(jitter).attempts(500).seed(seed);
        let mut waits = backoff.waits();
        let mut longest = min.as_secs_f64();
        for _ in 0..500 {
            let wait = waits.next().unwrap();
            let whole = longest.min(max.as_secs_f64());
            prop_assert!(wait.as_secs_f64() <= whole * 1.000_001 + 1e-8, "{wait:?} of {whole}");
            prop_assert!(wait.as_secs_f64() >= whole * (1.0 - jitter) * 0.999_999 - 1e-8, "{wait:?} of {whole}");
            longest *= factor;
        }
        prop_assert_eq!(waits.next(), None);
    }
}

// ---- against models -----------------------------------------------------------------------

const UPSTREAMS: usize = 6;

/// How an attempt ended.
struct Ended {
    how: End,
    /// From 1.
    attempt: u64,
    sent_an_item: bool,
    /// When its upstream was subscribed to.
    begun: u64,
}

/// One upstream after another; `wait` says how long after the end of one the next is subscribed to,
/// if it is.
fn one_after_another(mut wait: impl FnMut(&mut World, &Ended) -> Option<u64> + 'static) -> Model {
    let (mut n, mut until, mut begun, mut sent_an_item) = (0, Some(0), 0, false);
    let mut go_on = move |worlds: &mut [World]| -> usize {
        loop {
            if let Some(at) = until {
                if worlds[0].now < at {
                    return n;
                }
                worlds[0].note("subscribed");
                (until, begun, sent_an_item) = (None, worlds[0].now, false);
            }
            if n == worlds.len() {
                return n;
            }
            let inbox = std::mem::take(&mut worlds[n].inbox);
            let other = std::mem::replace(&mut worlds[0].inbox, inbox);
            let end = pass(&mut worlds[0], |_| sent_an_item = true);
            worlds[n].inbox = std::mem::replace(&mut worlds[0].inbox, other);
            let Some(how) = end else { return n + 1 };
            worlds[n].inbox.clear();
            n += 1;
            let ended = Ended { how, attempt: n as u64, sent_an_item, begun };
            match wait(&mut worlds[0], &ended) {
                Some(wait) => until = Some(worlds[0].now + wait),
                None => {
                    worlds[0].end(how);
                    return n;
                }
            }
        }
    };
    Box::new(move |worlds| {
        let touched = go_on(worlds);
        worlds.iter_mut().skip(touched).for_each(|world| world.untouched = true);
        worlds.iter_mut().take(touched).for_each(|world| world.untouched = false);
    })
}

fn ports() -> Ports {
    Ports { upstreams: UPSTREAMS, downstreams: 1, stalls: Stalls::Happen }
}

#[test]
fn retry_after_is_as_its_model() {
    let waits = [3, 0, 7, 1];
    same_of(
        ports(),
        |rig| {
            let hands = rig.hands.clone();
            vec![rig.attempts().retry_after(rig.time.clone(), move |failed| {
                let elapsed = failed.elapsed.as_millis();
                hands.note(format!("{}, {}, {elapsed}", failed.attempt, failed.sent_an_item));
                waits.get(failed.attempt as usize - 1).map(|wait| millis(*wait))
            })]
        },
        || {
            one_after_another(move |world, ended| {
                if ended.how == End::Complete {
                    return None;
                }
                world.note(format!("{}, {}, {}", ended.attempt, ended.sent_an_item, world.now));
                waits.get(ended.attempt as usize - 1).copied()
            })
        },
        |()| false,
    );
}

/// The waits of 2, 4, 7, 7 and so on milliseconds, so many of them; after `reset` from the first.
fn waits(most: u32) -> impl FnMut(bool) -> Option<u64> {
    let mut k = 0;
    move |reset| {
        if reset {
            k = 0;
        }
        k += 1;
        (k <= most).then(|| (2 << (k - 1)).min(7))
    }
}

fn to_seven(most: u32) -> Backoff {
    Backoff::new(millis(2)).max(millis(7)).jitter(0.0).attempts(most.into())
}

#[test]
fn retry_backoff_is_as_its_model() {
    for (most, resets, worth) in
        [(4, false, 9), (1, true, 9), (2, true, 3), (4, false, 2), (0, false, 9)]
    {
        let backoff = if resets { to_seven(most).reset_after_item() } else { to_seven(most) };
        same_of(
            ports(),
            |rig| {
                let mut failures = 0;
                vec![rig.attempts().retry_backoff(rig.time.clone(), backoff, move |()| {
                    failures += 1;
                    failures < worth
                })]
            },
            || {
                let mut waits = waits(most);
                one_after_another(move |_, ended| {
                    let again = ended.how == End::Fail && ended.attempt < worth;
                    again.then(|| waits(resets && ended.sent_an_item)).flatten()
                })
            },
            |()| false,
        );
    }
}

#[test]
fn restart_with_backoff_is_as_its_model() {
    for (most, on_failures, after_item, after) in [
        (4, false, false, None),
        (2, true, false, None),
        (1, false, true, None),
        (2, false, false, Some(5)),
        (1, true, true, Some(9)),
        (0, false, false, None),
    ] {
        let backoff = if after_item { to_seven(most).reset_after_item() } else { to_seven(most) };
        let mut restart = Restart::new(backoff);
        if on_failures {
            restart = restart.only_on_failures();
        }
        if let Some(run) = after {
            restart = restart.reset_after(millis(run));
        }
        same_of(
            ports(),
            |rig| {
                let attempts = rig.attempts();
                let make = move || attempts.next();
                vec![millstream::restart_with_backoff(rig.time.clone(), restart, make)]
            },
            || {
                let mut waits = waits(most);
                one_after_another(move |world, ended| {
                    if on_failures && ended.how == End::Complete {
                        return None;
                    }
                    let ran = world.now - ended.begun;
                    let item = after_item && ended.sent_an_item;
                    waits(item || after.is_some_and(|after| ran >= after))
                })
            },
            |()| false,
        );
    }
}

// ---- retry_item -------------------------------------------------------------------------------

type Tried = Arc<Mutex<Vec<(u32, u64)>>>;

/// Fails as often as the item says before it gives that, and writes down which item was tried when.
fn stubborn(
    time: &VirtualTime,
) -> (Tried, impl FnMut(&Item) -> BoxedAttempt + Send + Clone + 'static) {
    let tried = Tried::default();
    let (log, time) = (tried.clone(), time.clone());
    let mut failures = 0;
    let attempt = move |item: &Item| -> BoxedAttempt {
        let at = time.now().since(Moment::START).as_secs();
        log.lock().unwrap().push((item.0, at));
        let fails = failures < item.0;
        failures = if fails { failures + 1 } else { 0 };
        let item = item.clone();
        Box::pin(async move { if fails { Err("busy") } else { Ok(item) } })
    };
    (tried, attempt)
}

type BoxedAttempt =
    std::pin::Pin<Box<dyn Future<Output = Result<Item, &'static str>> + Send + 'static>>;

fn taken(tried: &Tried) -> Vec<(u32, u64)> {
    std::mem::take(&mut *tried.lock().unwrap())
}

/// A hand's items, each tried until it succeeds, on a task that has begun, and what is seen of them.
struct Trying {
    time: VirtualTime,
    mint: Mint,
    hand: Hand,
    tried: Tried,
    probe: Probe,
    discarded: std::sync::mpsc::Receiver<u32>,
}

/// As `backoff` says, where errors are `worth` another attempt.
fn trying(backoff: Backoff, worth: bool) -> Trying {
    let (time, mint) = (VirtualTime::new(1), Mint::new());
    let (hand, source) = Hand::new();
    let (tried, attempt) = stubborn(&time);
    let (send, discarded) = std::sync::mpsc::channel();
    let items = source
        .retry_item(time.clone(), backoff, move |_| worth, attempt)
        .on_discard(move |item: Item| send.send(item.0).unwrap());
    let probe = Probe::new().on(items);
    time.run_until_idle();
    Trying { time, mint, hand, tried, probe, discarded }
}

impl Trying {
    /// The task runs as far as it can.
    fn send(&self, n: u32) {
        self.hand.send(self.mint.item(n));
        self.time.run_until_idle();
    }

    fn end(&self, end: millstream::End<&'static str>) {
        self.hand.end(end);
        self.time.run_until_idle();
    }

    fn request(&self, n: u64) {
        self.probe.request(n);
        self.time.run_until_idle();
    }

    fn cancel(&self) {
        self.probe.cancel();
        self.time.run_until_idle();
    }

    /// How many items and timers there are.
    fn left(&self) -> (usize, usize) {
        (self.mint.live(), self.time.clock().timers())
    }
}

#[test]
fn an_item_is_kept_and_tried_again_and_upstream_asked_for_none_meanwhile() {
    let all = trying(steady(), true);
    let Trying { time, hand, tried, probe, .. } = &all;
    assert_eq!(hand.asked(), [1], "one");
    all.send(2);
    assert_eq!(taken(tried), [(2, 0)]);
    assert_eq!(all.left(), (1, 1), "it is kept");
    time.advance(Duration::from_millis(999));
    assert_eq!(taken(tried), []);
    time.advance(millis(1));
    assert_eq!(taken(tried), [(2, 1)]);
    time.advance(seconds(2));
    assert_eq!(taken(tried), [(2, 3)]);
    assert_eq!((probe.take(), hand.asked()), (vec![], vec![]), "nobody asked, it waits");
    all.request(2);
    assert_eq!((probe.take(), hand.asked()), (next([2]), vec![1]));
    assert_eq!(all.left(), (0, 0));
    all.send(1);
    time.advance(seconds(1));
    assert_eq!(taken(tried), [(1, 3), (1, 4)], "each item begins with the first wait");
    all.end(millstream::End::Completed);
    assert_eq!(probe.take(), next_then([1], Told::Complete));
    assert_eq!(all.left(), (0, 0));
}

#[test]
fn an_item_that_is_given_up_ends_the_stream_and_is_discarded() {
    for worth in [false, true] {
        let all = trying(steady().attempts(2), worth);
        all.send(9);
        all.time.advance(seconds(1));
        all.time.advance(seconds(2));
        let times: &[_] = if worth { &[(9, 0), (9, 1), (9, 3)] } else { &[(9, 0)] };
        assert_eq!(taken(&all.tried), times);
        assert_eq!(all.probe.take(), [Told::Error("\"busy\"".into())], "without demand");
        assert!(all.hand.is_cancelled());
        assert_eq!(all.discarded.try_iter().collect::<Vec<_>>(), [9]);
        assert_eq!((all.left(), all.time.executor().tasks()), ((0, 0), 0));
    }
}

#[test]
fn a_failure_of_upstream_waits_for_the_item_that_is_tried() {
    let all = trying(steady(), true);
    all.send(1);
    all.end(millstream::End::Failed("up"));
    assert_eq!(all.probe.take(), []);
    all.time.advance(seconds(1));
    assert_eq!(all.probe.take(), [], "the item waits for demand");
    all.request(1);
    assert_eq!(all.probe.take(), next_then([1], Told::Error("\"up\"".into())));
    assert_eq!(all.left(), (0, 0));
}

#[test]
fn a_wait_for_another_attempt_that_is_cancelled_takes_its_timer_and_its_item_with_it() {
    let all = trying(steady(), true);
    all.send(1);
    assert_eq!(all.left(), (1, 1));
    all.cancel();
    assert!(all.hand.is_cancelled());
    assert_eq!(all.discarded.try_iter().collect::<Vec<_>>(), [1]);
    assert_eq!((all.left(), all.time.executor().tasks()), ((0, 0), 0));
    assert_eq!(all.probe.take(), []);
}

#[test]
fn attempts_without_a_wait_let_others_run_between_them() {
    let time = VirtualTime::new(1);
    let busy = millstream::just(1).retry_item(
        time.clone(),
        Backoff::new(Duration::ZERO),
        |()| true,
        |_: &i32| std::future::ready(Err::<u32, _>(())),
    );
    let (probe, handle) = (Probe::new(), time.clone());
    let probe = probe.on(busy.map(|_| Mint::new().item(0)).map_err(|()| "x"));
    // The end of another task, while the first goes on for ever.
    let other = millstream::just(2).publish_on(handle, 1).collect::<Vec<_>>();
    assert_eq!(time.run_until(other).unwrap(), [2]);
    probe.cancel();
    time.run_until_idle();
    assert_eq!(time.executor().tasks(), 0);
}

#[test]
fn a_clock_that_goes_is_a_fault_where_there_is_something_to_wait_for() {
    for failures in [0, 1] {
        let all = trying(steady(), true);
        all.request(1);
        all.time.clock().shut_down();
        all.send(failures);
        if failures > 0 {
            assert!(matches!(all.probe.take()[..], [Told::Fault(_)]));
            assert!(all.hand.is_cancelled());
        } else {
            assert_eq!(all.probe.take(), next([0]));
            all.cancel();
        }
        assert_eq!(all.left(), (0, 0));
    }
}

#[test]
fn the_clock_that_goes_during_a_wait_is_a_fault() {
    let all = trying(steady(), true);
    all.send(1);
    assert_eq!(all.probe.take(), []);
    all.time.clock().shut_down();
    all.time.run_until_idle();
    assert!(matches!(all.probe.take()[..], [Told::Fault(_)]));
    assert!(all.hand.is_cancelled());
    assert_eq!(all.left(), (0, 0));
}
