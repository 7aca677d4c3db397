//! What is tried again later: `retry_backoff` and its kin, in virtual time.

use std::time::Duration;

use millstream::fault::Backoff;
use millstream::prelude::*;
use millstream::source::Restart;
use millstream::time::{Clock, Moment};
use millstream_testkit::{Behaviour, Ledger, VirtualTime, probe};
use proptest::prelude::*;

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

    /// Against the model below, whatever is asked for and when.
    #[test]
    fn restart_with_backoff_is_its_model(
        runs in proptest::collection::vec(0..4_u32, 1..6),
        asks in proptest::collection::vec((0..5_u64, 0..3_000_u64), 0..12),
        attempts in 0..6_u32,
        reset: bool,
    ) {
        let time = VirtualTime::new(1);
        let mut backoff = steady().attempts(u64::from(attempts));
        if reset {
            backoff = backoff.reset_after_item();
        }
        let mut script = runs.clone().into_iter();
        let make = move || failing(script.next().unwrap_or(0));
        let restart = Restart::new(backoff).only_on_failures();
        let probe = probe(
            millstream::restart_with_backoff(time.clone(), restart, make),
            Behaviour::new(),
        );
        let mut model = Model::new(runs, attempts, reset);
        for (n, millis) in asks {
            if n > 0 && !probe.is_ended() {
                probe.request(n);
            }
            model.wanted += n;
            time.run_until_idle();
            model.until(time.now().as_nanos() / 1_000_000);
            prop_assert_eq!(probe.items(), model.sent.clone());
            time.advance(Duration::from_millis(millis));
            model.until(time.now().as_nanos() / 1_000_000);
            prop_assert_eq!(probe.items(), model.sent.clone());
            prop_assert_eq!(probe.is_ended(), model.ended);
            prop_assert_eq!(time.clock().timers(), usize::from(model.waits_until.is_some()));
        }
        probe.assert_no_violation();
    }
}

/// Sources that send so many items each and fail, one after another.
struct Model {
    runs: std::vec::IntoIter<u32>,
    attempts: u32,
    reset: bool,
    wanted: u64,
    sent: Vec<u32>,
    /// What the current one has sent, of how many.
    run: (u32, u32),
    /// Waits since the count began.
    waits: u32,
    waits_until: Option<u64>,
    ended: bool,
}

impl Model {
    fn new(runs: Vec<u32>, attempts: u32, reset: bool) -> Model {
        let mut runs = runs.into_iter();
        let run = (0, runs.next().unwrap_or(0));
        let mut model = Model {
            runs,
            attempts,
            reset,
            wanted: 0,
            sent: Vec::new(),
            run,
            waits: 0,
            waits_until: None,
            ended: false,
        };
        model.run_on(0);
        model
    }

    /// Time goes on to `millis`.
    fn until(&mut self, millis: u64) {
        self.run_on(self.waits_until.unwrap_or(millis).min(millis));
        while let Some(at) = self.waits_until.filter(|at| *at <= millis) {
            self.waits_until = None;
            self.run = (0, self.runs.next().unwrap_or(0));
            self.run_on(at);
        }
    }

    fn run_on(&mut self, now: u64) {
        if self.ended || self.waits_until.is_some() {
            return;
        }
        while self.run.0 < self.run.1 && (self.sent.len() as u64) < self.wanted {
            self.sent.push(self.run.0);
            self.run.0 += 1;
        }
        if self.run.0 < self.run.1 {
            return;
        }
        if self.reset && self.run.1 > 0 {
            self.waits = 0;
        }
        if self.waits == self.attempts {
            self.ended = true;
            return;
        }
        self.waits_until = Some(now + (1000 << self.waits));
        self.waits += 1;
    }
}
