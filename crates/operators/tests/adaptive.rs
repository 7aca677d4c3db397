//! Claims about the stages whose limit a controller decides, in virtual time.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::common::{Control, Ended, Mint, Token, Watch, panic_message, scripted, watch};
use millstream::Board;
use millstream::control::{Aimd, Controller, Pid, Sample, Unit};
use millstream::prelude::*;
use millstream::time::{Clock, Moment, Timer};
use millstream_testkit::VirtualTime;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Ready when its time has come.
struct Sleep {
    time: VirtualTime,
    timer: Option<Box<dyn Timer>>,
    until: Moment,
}

fn sleep(time: &VirtualTime, duration: Duration) -> Sleep {
    Sleep { time: time.clone(), timer: None, until: time.now() + duration }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.time.now() >= self.until {
            return Poll::Ready(());
        }
        let mut timer = self.time.timer(context.waker().clone());
        timer.set(self.until).unwrap();
        self.timer = Some(timer);
        Poll::Pending
    }
}

/// A controller that answers what it is told to, and writes down its samples.
#[derive(Clone)]
struct ByHand(Arc<Mutex<Told>>);

struct Told {
    limit: f64,
    most: f64,
    interval: Duration,
    samples: Vec<Sample>,
}

impl ByHand {
    fn new(limit: f64, most: f64) -> ByHand {
        ByHand(Arc::new(Mutex::new(Told { limit, most, interval: ms(0), samples: Vec::new() })))
    }

    /// From the next sample on.
    fn set(&self, limit: f64) {
        self.0.lock().unwrap().limit = limit;
    }

    fn samples(&self) -> Vec<Sample> {
        std::mem::take(&mut self.0.lock().unwrap().samples)
    }
}

impl Controller for ByHand {
    fn limit(&self) -> f64 {
        self.0.lock().unwrap().limit
    }

    fn most(&self) -> f64 {
        self.0.lock().unwrap().most
    }

    fn adjust(&mut self, sample: &Sample) -> f64 {
        let mut told = self.0.lock().unwrap();
        told.samples.push(*sample);
        told.limit
    }

    fn interval(&self) -> Duration {
        self.0.lock().unwrap().interval
    }
}

/// A stage over a scripted source whose futures take as many milliseconds as their item says.
struct Rig {
    time: VirtualTime,
    control: Control<u64, &'static str>,
    seen: Watch<u64, &'static str>,
    /// Those in flight.
    flying: Arc<Mutex<usize>>,
}

impl Rig {
    fn new(controller: impl Controller, ordered: bool) -> Rig {
        let time = VirtualTime::new(1);
        let (source, control) = scripted();
        let flying = Arc::new(Mutex::new(0));
        let f = {
            let (time, flying) = (time.clone(), flying.clone());
            move |n| {
                let (flying, sleep) = (flying.clone(), sleep(&time, ms(n)));
                *flying.lock().unwrap() += 1;
                async move {
                    sleep.await;
                    *flying.lock().unwrap() -= 1;
                    n
                }
            }
        };
        let seen = match ordered {
            true => watch(source.adaptive_concurrency(time.clone(), controller, f)),
            false => watch(source.adaptive_concurrency_unordered(time.clone(), controller, f)),
        };
        time.run_until_idle();
        Rig { time, control, seen, flying }
    }

    fn send(&self, items: impl IntoIterator<Item = u64>) {
        items.into_iter().for_each(|n| assert!(self.control.next(n)));
        self.time.run_until_idle();
    }

    fn flying(&self) -> usize {
        *self.flying.lock().unwrap()
    }

    /// What upstream was asked for since the last call.
    fn asked(&self) -> u64 {
        self.time.run_until_idle();
        self.control.asked_in_all()
    }
}

// ---- the limit --------------------------------------------------------------------------------

#[test]
fn upstream_is_asked_for_the_limit_and_not_for_the_most() {
    let rig = Rig::new(ByHand::new(3.9, 10.0), true);
    assert_eq!(rig.asked(), 3);
    rig.send([10; 3]);
    assert_eq!(rig.flying(), 3);
    rig.seen.request(9);
    rig.time.advance(ms(10));
    assert_eq!(rig.seen.items(), [10; 3]);
    assert_eq!(rig.asked(), 3);
}

#[test]
fn a_limit_that_is_raised_asks_for_more_at_once() {
    for ordered in [true, false] {
        let controller = ByHand::new(2.0, 10.0);
        let rig = Rig::new(controller.clone(), ordered);
        assert_eq!(rig.asked(), 2);
        rig.send([10, 20]);
        controller.set(5.0);
        // The first that lands ends the first round. Nobody asked for it: it waits, in the stage.
        rig.time.advance(ms(10));
        assert_eq!(rig.asked(), 3);
        rig.time.advance(ms(10));
        assert_eq!(rig.asked(), 0);
        rig.seen.request(9);
        assert_eq!(rig.asked(), 2, "for the two that were sent");
        rig.send([10; 5]);
        assert_eq!(rig.flying(), 5);
    }
}

#[test]
fn a_limit_that_is_cut_aborts_nothing_and_asks_for_fewer() {
    for ordered in [true, false] {
        let controller = ByHand::new(4.0, 10.0);
        let rig = Rig::new(controller.clone(), ordered);
        rig.seen.request(99);
        assert_eq!(rig.asked(), 4);
        rig.send([10, 10, 10, 10]);
        controller.set(2.0);
        rig.time.advance(ms(10));
        assert_eq!(rig.seen.items().len(), 4, "all that were in flight");
        // Four were sent, and the limit is two less.
        assert_eq!(rig.asked(), 2);
        rig.send([10, 30]);
        controller.set(1.0);
        rig.time.advance(ms(10));
        assert_eq!((rig.flying(), rig.asked()), (1, 0), "the other flies on, and is all there is");
        rig.time.advance(ms(20));
        assert_eq!((rig.flying(), rig.asked()), (0, 1));
        assert_eq!(rig.seen.items(), [10, 30]);
    }
}

#[test]
fn what_was_cut_and_raised_again_before_it_took_effect_is_asked_for_once() {
    let controller = ByHand::new(4.0, 10.0);
    let rig = Rig::new(controller.clone(), false);
    assert_eq!(rig.asked(), 4);
    rig.send([10, 10, 10, 10]);
    controller.set(1.0);
    rig.time.advance(ms(10)); // All four have landed: nobody has asked for them.
    assert_eq!(rig.asked(), 0);
    rig.seen.request(1);
    assert_eq!(rig.asked(), 0, "one of the three too many");
    rig.seen.request(2);
    assert_eq!(rig.asked(), 0, "the others");
    rig.seen.request(1);
    assert_eq!(rig.asked(), 1);
    rig.send([10]);
    controller.set(3.0);
    rig.time.advance(ms(10));
    assert_eq!(rig.asked(), 2);
}

#[test]
fn the_limit_is_never_above_the_most_nor_below_one_whatever_the_controller_answers() {
    for (answer, limit) in [
        (f64::INFINITY, 5),
        (1e300, 5),
        (6.0, 5),
        (f64::NAN, 1),
        (0.0, 1),
        (-3.0, 1),
        (f64::NEG_INFINITY, 1),
        (2.99, 2),
    ] {
        let controller = ByHand::new(1.0, 5.5);
        let rig = Rig::new(controller.clone(), true);
        rig.seen.request(99);
        let mut asked = rig.asked();
        controller.set(answer);
        let mut sent = 0;
        for _ in 0..4 {
            rig.send((sent..asked).map(|_| 10));
            sent = asked;
            assert!(rig.flying() <= 5);
            rig.time.advance(ms(10));
            asked += rig.asked();
        }
        assert_eq!(asked - sent, limit, "{answer}");
    }
}

#[test]
fn results_are_in_the_order_of_the_items_or_as_they_finish() {
    for (ordered, results) in [(true, [30, 10, 20]), (false, [10, 20, 30])] {
        let rig = Rig::new(ByHand::new(3.0, 3.0), ordered);
        rig.seen.request(9);
        rig.send([30, 10, 20]);
        rig.time.advance(ms(30));
        assert_eq!(rig.seen.items(), results);
    }
}

#[test]
fn a_synchronous_upstream_is_pulled_as_the_limit_has_room() {
    let (time, controller) = (VirtualTime::new(1), ByHand::new(2.0, 8.0));
    let pulled = Arc::new(Mutex::new(0));
    let (counts, sleeps) = (pulled.clone(), time.clone());
    let source = millstream::from_iter(0..100).map(move |n: u64| {
        *counts.lock().unwrap() += 1;
        n
    });
    let seen = watch(source.adaptive_concurrency(time.clone(), controller.clone(), move |n| {
        let sleep = sleep(&sleeps, ms(10));
        async move {
            sleep.await;
            n
        }
    }));
    seen.request_all();
    time.run_until_idle();
    assert_eq!(*pulled.lock().unwrap(), 2);
    controller.set(6.0);
    time.advance(ms(10));
    assert_eq!(*pulled.lock().unwrap(), 8);
    controller.set(1.0);
    time.advance(ms(10));
    assert_eq!(*pulled.lock().unwrap(), 9);
    time.run_until_rest();
    assert_eq!((seen.items().len(), seen.end()), (100, Some(Ended::Complete)));
}

// ---- the samples ------------------------------------------------------------------------------

#[test]
fn a_sample_tells_of_a_round() {
    let controller = ByHand::new(3.0, 3.0);
    let rig = Rig::new(controller.clone(), false);
    rig.seen.request(99);
    rig.time.advance(ms(5));
    rig.send([10, 20, 30]);
    // The first round begins before anything is in flight: one that lands is enough.
    rig.time.advance(ms(10));
    let [first] = controller.samples()[..] else { panic!("one sample") };
    assert_eq!((first.elapsed, first.processed), (ms(15), 1));
    assert_eq!((first.busy, first.latency, first.delay), (ms(10), ms(10), ms(0)));
    assert!(first.limited && !first.overloaded);
    // The second, of the two that are left.
    rig.time.advance(ms(20));
    let [second] = controller.samples()[..] else { panic!("one sample") };
    assert_eq!((second.elapsed, second.processed), (ms(20), 2));
    assert_eq!((second.busy, second.latency), (ms(20), ms(25)));
    assert!(!second.limited, "two in flight, and room for a third");
    // Nothing to do for a while.
    rig.time.advance(ms(100));
    rig.send([10]);
    rig.time.advance(ms(10));
    let [third] = controller.samples()[..] else { panic!("one sample") };
    assert_eq!((third.elapsed, third.processed), (ms(110), 1));
    assert_eq!((third.busy, third.latency, third.limited), (ms(10), ms(10), false));
}

#[test]
fn a_limit_counts_as_reached_only_where_downstream_wants_more() {
    let controller = ByHand::new(2.0, 2.0);
    let rig = Rig::new(controller.clone(), false);
    rig.send([10, 10]);
    rig.time.advance(ms(10));
    assert!(controller.samples().iter().all(|sample| !sample.limited));
    rig.seen.request(9);
    rig.time.run_until_idle();
    rig.send([10, 10]);
    rig.time.advance(ms(10));
    assert!(controller.samples().iter().any(|sample| sample.limited));
}

#[test]
fn a_sample_is_about_an_interval_at_least() {
    let controller = ByHand::new(1.0, 1.0);
    controller.0.lock().unwrap().interval = ms(45);
    let rig = Rig::new(controller.clone(), true);
    rig.seen.request(99);
    for _ in 0..10 {
        rig.send([10]);
        rig.time.advance(ms(10));
    }
    let samples = controller.samples();
    assert_eq!(samples.iter().map(|sample| sample.processed).collect::<Vec<_>>(), [5, 5]);
    assert!(samples.iter().all(|sample| sample.elapsed == ms(50)));
}

#[test]
fn what_is_an_overload_is_said_by_a_function() {
    let (time, controller) = (VirtualTime::new(1), ByHand::new(1.0, 1.0));
    let (source, control) = scripted::<Result<u32, &str>, Infallible>();
    let sleeps = time.clone();
    let stage = source
        .adaptive_concurrency_unordered(time.clone(), controller.clone(), move |reply| {
            let sleep = sleep(&sleeps, ms(10));
            async move {
                sleep.await;
                reply
            }
        })
        .overload_when(Result::is_err);
    let seen = watch(stage);
    seen.request(9);
    time.run_until_idle();
    for reply in [Ok(1), Err("turned away"), Ok(3)] {
        control.next(reply);
        time.advance(ms(10));
    }
    assert_eq!(seen.items(), [Ok(1), Err("turned away"), Ok(3)], "it goes downstream as any other");
    let told = controller.samples().iter().map(|sample| sample.overloaded).collect::<Vec<_>>();
    assert_eq!(told, [false, true, false]);
}

#[test]
fn the_decisions_are_on_the_board() {
    let (time, controller) = (VirtualTime::new(1), ByHand::new(1.0, 4.0));
    let board = Board::new(4);
    let (source, control) = scripted::<u64, Infallible>();
    let sleeps = time.clone();
    let stage = source.adaptive_concurrency(time.clone(), controller.clone(), move |n| {
        let sleep = sleep(&sleeps, ms(n));
        async move {
            sleep.await;
            n
        }
    });
    let seen = watch(stage.named("call").observed(&board));
    seen.request(9);
    time.run_until_idle();
    let decisions = || board.snapshot().named("call").unwrap().decisions.unwrap();
    let begins = decisions();
    assert_eq!((begins.limit, begins.raises, begins.cuts, begins.last), (1.0, 0, 0, None));
    for limit in [2.5, 4.0, 9.0, 3.0] {
        controller.set(limit);
        control.next(10);
        time.advance(ms(10));
    }
    let now = decisions();
    assert_eq!((now.limit, now.raises, now.cuts), (3.0, 2, 1), "9 is above the most");
    assert_eq!(now.last, controller.samples().last().copied());
    let snapshot = board.snapshot();
    let row = snapshot.named("call").unwrap();
    assert_eq!((row.kind, row.capacity, row.received, row.sent), ("adaptive_concurrency", 4, 4, 4));
    assert!(snapshot.to_string().contains("limit 3.0"), "{snapshot}");
}

// ---- with controllers -------------------------------------------------------------------------

/// A service that works on so many at a time, 10 ms each; more wait for each other. Gives the highest
/// number that were with it at a time, in each of ten parts of the run, and how long that took.
fn through_a_service(controller: impl Controller, capacity: usize) -> (Vec<usize>, Duration) {
    let time = VirtualTime::new(1);
    let here = Arc::new(Mutex::new((0_usize, vec![0; 10])));
    let (sleeps, counts) = (time.clone(), here.clone());
    let stage = millstream::from_iter(0..4000_usize).adaptive_concurrency_unordered(
        time.clone(),
        controller,
        move |n| {
            let mut counted = counts.lock().unwrap();
            counted.0 += 1;
            let at_a_time = counted.0;
            let most = &mut counted.1[n / 400];
            *most = at_a_time.max(*most);
            let crowded = (at_a_time as f64 / capacity as f64).max(1.0);
            let (sleep, counts) = (sleep(&sleeps, ms(10).mul_f64(crowded)), counts.clone());
            async move {
                sleep.await;
                counts.lock().unwrap().0 -= 1;
            }
        },
    );
    assert_eq!(time.run_until(stage.count()).unwrap(), 4000);
    let counted = here.lock().unwrap().1.clone();
    (counted, time.now().since(Moment::START))
}

#[test]
fn an_aimd_finds_what_a_service_can_do() {
    let aimd = Aimd::new(1.0..=100.0).latency(ms(15));
    let (at_a_time, took) = through_a_service(aimd, 20);
    // 15 ms is half as many again as it works on.
    assert!(at_a_time[2..].iter().all(|most| (25..=38).contains(most)), "{at_a_time:?}");
    // 4000 items at 2000 per second, and the time to find out.
    assert!((ms(2000)..ms(2300)).contains(&took), "{took:?}");
    let (one_at_a_time, slow) = through_a_service(Aimd::new(1.0..=1.0), 20);
    assert!(one_at_a_time.iter().all(|most| *most == 1) && slow == ms(40_000));
}

#[test]
fn a_pid_finds_what_a_service_can_do() {
    let pid = Pid::new(ms(10), 80.0..=8400.0).start(84.0).in_flight(ms(12));
    let (at_a_time, took) = through_a_service(pid, 20);
    assert!(at_a_time[2..].iter().all(|most| (20..=31).contains(most)), "{at_a_time:?}");
    assert!((ms(2000)..ms(2300)).contains(&took), "{took:?}");
}

// ---- ends -------------------------------------------------------------------------------------

#[test]
fn a_failure_of_upstream_comes_after_the_results_of_what_it_sent() {
    let rig = Rig::new(ByHand::new(4.0, 4.0), true);
    rig.seen.request(9);
    rig.send([10, 20]);
    rig.control.error("no more");
    rig.time.run_until_idle();
    assert_eq!(rig.seen.end(), None);
    rig.time.advance(ms(20));
    assert_eq!((rig.seen.items(), rig.seen.end()), (vec![10, 20], Some(Ended::Error("no more"))));
}

#[test]
fn a_cancellation_drops_the_futures_and_all_that_waits() {
    let (time, mint) = (VirtualTime::new(1), Mint::default());
    let (source, control) = scripted::<Token, Infallible>();
    let sleeps = time.clone();
    let controller = ByHand::new(4.0, 4.0);
    let seen = watch(source.adaptive_concurrency(time.clone(), controller, move |item: Token| {
        let sleep = sleep(&sleeps, ms(u64::from(item.0)));
        async move {
            sleep.await;
            item
        }
    }));
    time.run_until_idle();
    (1..4).for_each(|n| assert!(control.next(mint.token(10 * n))));
    time.advance(ms(10));
    assert_eq!(mint.alive(), 3);
    seen.cancel();
    time.run_until_idle();
    assert!(control.is_cancelled());
    assert_eq!((mint.alive(), time.clock().timers()), (0, 0));
}

#[test]
fn a_panic_in_the_controller_or_the_judge_ends_the_stream() {
    struct Panics;
    impl Controller for Panics {
        fn limit(&self) -> f64 {
            1.0
        }
        fn most(&self) -> f64 {
            1.0
        }
        fn adjust(&mut self, _: &Sample) -> f64 {
            panic!("in the controller")
        }
    }
    let time = VirtualTime::new(1);
    let sleeps = time.clone();
    let stage = millstream::range(0..3).adaptive_concurrency(time.clone(), Panics, move |n| {
        let sleep = sleep(&sleeps, ms(1));
        async move {
            sleep.await;
            n
        }
    });
    assert_eq!(panic_message(time.run_until(stage.count())), "in the controller");
    let time = VirtualTime::new(1);
    let stage = millstream::range(0..3)
        .adaptive_concurrency(time.clone(), ByHand::new(1.0, 1.0), |n| async move { n })
        .overload_when(|n| if *n == 1 { panic!("in the judge") } else { false });
    assert_eq!(panic_message(time.run_until(stage.count())), "in the judge");
}

// ---- what it refuses --------------------------------------------------------------------------

#[test]
fn a_controller_that_makes_no_sense_is_refused() {
    let refusal = |controller: Box<dyn Controller>| {
        let stage = move || {
            let time = VirtualTime::new(1);
            drop(millstream::just(1).adaptive_concurrency(time, controller, |n| async move { n }));
        };
        let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(stage)).unwrap_err();
        match payload.downcast::<String>() {
            Ok(message) => *message,
            Err(payload) => (*payload.downcast::<&str>().unwrap()).to_owned(),
        }
    };
    let pid = Pid::new(ms(100), 1.0..=100.0);
    assert_eq!(pid.unit(), Unit::PerSecond);
    let says = refusal(Box::new(pid));
    assert!(says.contains("items per second, and not items at a time: `Pid::in_flight`"), "{says}");
    let says = refusal(Box::new(ByHand::new(0.1, 0.5)));
    assert!(says.contains("the highest limit of the controller is 0.5"), "{says}");
    let says = refusal(Box::new(ByHand::new(1.0, f64::NAN)));
    assert!(says.contains("the highest limit of the controller is NaN"), "{says}");
    let says = refusal(Box::new(ByHand::new(1.0, 1e9)));
    assert!(says.contains("with 1000000000 for the 0"), "{says}");
}
