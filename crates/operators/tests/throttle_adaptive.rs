//! Claims about `throttle_adaptive`, in virtual time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millstream::control::{Aimd, Controller, Pid, Sample, Unit};
use millstream::prelude::*;
use millstream::time::{Clock, Moment};
use millstream::{Board, Fault};
use millstream_testkit::{Behaviour, Faulted, ProbeHandle, VirtualTime, probe};

use crate::schedule::{End, Signal, Stalls, World, same};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A controller that answers what it is told to, every ten milliseconds, and writes down its samples.
#[derive(Clone)]
struct ByHand(Arc<Mutex<Told>>);

struct Told {
    rate: f64,
    most: f64,
    interval: Duration,
    unit: Unit,
    samples: Vec<Sample>,
}

impl ByHand {
    fn new(rate: f64) -> ByHand {
        let (most, interval, unit, samples) = (1000.0, ms(10), Unit::PerSecond, Vec::new());
        ByHand(Arc::new(Mutex::new(Told { rate, most, interval, unit, samples })))
    }

    fn with(self, change: impl FnOnce(&mut Told)) -> ByHand {
        change(&mut self.0.lock().unwrap());
        self
    }

    /// From the next sample on.
    fn set(&self, rate: f64) {
        self.0.lock().unwrap().rate = rate;
    }

    fn samples(&self) -> Vec<Sample> {
        std::mem::take(&mut self.0.lock().unwrap().samples)
    }
}

impl Controller for ByHand {
    fn limit(&self) -> f64 {
        self.0.lock().unwrap().rate
    }

    fn most(&self) -> f64 {
        self.0.lock().unwrap().most
    }

    fn adjust(&mut self, sample: &Sample) -> f64 {
        let mut told = self.0.lock().unwrap();
        told.samples.push(*sample);
        told.rate
    }

    fn interval(&self) -> Duration {
        self.0.lock().unwrap().interval
    }

    fn unit(&self) -> Unit {
        self.0.lock().unwrap().unit
    }
}

type Numbers = ProbeHandle<u64, std::convert::Infallible>;

/// All that are asked for, at the rate of a controller.
fn numbers(time: &VirtualTime, controller: ByHand) -> Numbers {
    let paced = millstream::range(0..u64::MAX).throttle_adaptive(time.clone(), 1, controller);
    let probe = probe(paced.burst(1), Behaviour::new().initially(u64::MAX));
    time.run_until_idle();
    probe
}

fn stop(time: &VirtualTime, probe: &Numbers) {
    probe.cancel();
    time.run_until_idle();
    assert_eq!(time.clock().timers(), 0);
}

// ---- against a model --------------------------------------------------------------------------

/// Items per second at a millisecond.
fn rate_at(rates: &[u64], now: u64) -> u64 {
    rates[(now / 9) as usize % rates.len()]
}

/// Answers what the rate is at the time.
struct Timetable(VirtualTime, &'static [u64], Duration);

impl Controller for Timetable {
    fn limit(&self) -> f64 {
        let now = self.0.now().since(Moment::START).as_millis() as u64;
        rate_at(self.1, now) as f64
    }

    fn most(&self) -> f64 {
        2000.0
    }

    fn adjust(&mut self, _: &Sample) -> f64 {
        self.limit()
    }

    fn interval(&self) -> Duration {
        self.2
    }
}

/// So many drops are a token, and a rate is drops in a nanosecond.
const TOKEN: u64 = 1_000_000_000;

/// A bucket that is filled drop by drop, at the rate that was answered last.
struct Bucket {
    rates: &'static [u64],
    burst: u64,
    interval: u64,
    queue: VecDeque<Signal>,
    /// In nanoseconds.
    now: u64,
    until: u64,
    level: u64,
    rate: u64,
    waits: bool,
    demand: u64,
}

impl Bucket {
    fn new(rates: &'static [u64], burst: u64, interval: u64) -> Bucket {
        let until = interval * 1_000_000;
        let (queue, rate) = (VecDeque::new(), rate_at(rates, 0));
        let (now, level, waits, demand) = (0, burst * TOKEN, false, 0);
        Bucket { rates, burst, interval, queue, now, until, level, rate, waits, demand }
    }

    /// When the item that waits has its token.
    fn due(&self) -> u64 {
        let missing = TOKEN.saturating_sub(self.level);
        if self.rate == 0 { u64::MAX } else { self.now + missing.div_ceil(self.rate) }
    }

    fn pass(&mut self, to: u64) {
        self.level += (to - self.now) * self.rate;
        self.now = to;
        if !self.waits {
            self.level = self.level.min(self.burst * TOKEN);
        }
    }

    /// What it does when it is run.
    fn act(&mut self, world: &mut World) {
        self.waits = false;
        loop {
            // It is asked for an item.
            if world.demand > 0 && self.now >= self.until {
                self.rate = rate_at(self.rates, self.now / 1_000_000);
                self.until = self.now + self.interval * 1_000_000;
            }
            match self.queue.front() {
                Some(Signal::Item(_)) if world.demand == 0 => return,
                Some(Signal::Item(_)) if self.level < TOKEN => {
                    self.waits = true;
                    return;
                }
                Some(Signal::Item(item)) => {
                    world.send(*item);
                    self.level -= TOKEN;
                }
                Some(Signal::Complete) => return world.end(End::Complete),
                Some(Signal::Fail) => return world.end(End::Fail),
                None => return,
            }
            self.queue.pop_front();
        }
    }

    fn run(&mut self, world: &mut World) {
        let to = world.now * 1_000_000;
        while self.waits && self.due().min(self.until) <= to {
            self.pass(self.due().min(self.until));
            self.act(world);
        }
        self.pass(to);
        if world.demand > self.demand || !world.inbox.is_empty() {
            self.queue.append(&mut world.inbox);
            self.act(world);
        }
        self.demand = world.demand;
    }
}

fn bucket(rates: &'static [u64], burst: u64, interval: u64) -> Box<dyn FnMut(&mut World)> {
    let mut bucket = Bucket::new(rates, burst, interval);
    Box::new(move |world| bucket.run(world))
}

#[test]
fn throttle_adaptive_is_as_its_model() {
    let timetables: [&[u64]; 4] =
        [&[250], &[500, 100, 0, 1000], &[1000, 333, 77], &[0, 2000, 0, 125]];
    for (rates, burst, interval) in [(0, 2, 5), (1, 1, 1), (1, 3, 4), (2, 1, 7), (3, 2, 3)]
        .map(|(n, b, i)| (timetables[n], b, i))
    {
        same(
            Stalls::Never,
            |items, time| {
                let controller = Timetable(time.clone(), rates, ms(interval));
                items.throttle_adaptive(time, 3, controller).burst(burst)
            },
            || bucket(rates, burst, interval),
            |()| false,
        );
    }
}

/// At a rate that is another in each of its intervals, for as long as it runs.
#[test]
fn what_is_sent_in_all_is_the_burst_and_the_integral_of_the_rate() {
    let time = VirtualTime::new(1);
    let controller = ByHand::new(700.0);
    let probe = numbers(&time, controller.clone());
    // In thousandths of a token.
    let (mut integral, mut rate) = (0_u64, 700);
    for n in 0..1000_u64 {
        let next = [0, 1, 333, 999, 50, 1000][n as usize % 6];
        controller.set(next as f64);
        for _ in 0..10 {
            time.advance(ms(1));
            integral += rate;
            assert_eq!(probe.delivered(), 1 + integral / 1000, "{n}");
        }
        rate = next;
    }
    assert!(probe.delivered() > 3_000);
    stop(&time, &probe);
}

// ---- the rate ---------------------------------------------------------------------------------

#[test]
fn the_item_that_waits_goes_earlier_where_the_rate_is_raised_and_later_where_it_is_cut() {
    for (rate, due) in [(1000.0, 11), (10.0, 110), (50.0, 30), (0.0, 10_010)] {
        let (time, controller) = (VirtualTime::new(1), ByHand::new(50.0));
        let probe = numbers(&time, controller.clone());
        assert_eq!(probe.delivered(), 1);
        // After 10 ms half of the next token is there, and 1 / 2 is to come at the new rate.
        controller.set(rate);
        time.advance(ms(10));
        let due = match rate {
            1000.0 => Duration::from_micros(10_500),
            10.0 => ms(60),
            50.0 => ms(20),
            _ => ms(due),
        };
        time.advance(due - ms(10) - Duration::from_nanos(1));
        assert_eq!(probe.delivered(), 1, "{rate}");
        time.advance(Duration::from_nanos(1));
        assert_eq!(probe.delivered(), if rate == 0.0 { 1 } else { 2 }, "{rate}");
        stop(&time, &probe);
    }
}

#[test]
fn a_rate_of_zero_lets_none_go_until_there_is_another() {
    let (time, controller) = (VirtualTime::new(1), ByHand::new(0.0));
    let probe = numbers(&time, controller.clone());
    time.advance(ms(10_000));
    assert_eq!(probe.delivered(), 1, "what the bucket is full of at the beginning");
    assert_eq!(controller.samples().len(), 1000);
    controller.set(1000.0);
    time.advance(ms(10));
    assert_eq!(probe.delivered(), 1);
    time.advance(ms(10));
    assert_eq!(probe.delivered(), 11);
    stop(&time, &probe);
}

#[test]
fn the_rate_is_never_above_the_most_whatever_the_controller_answers() {
    for (answer, sent) in [
        (f64::INFINITY, 1000),
        (1e300, 1000),
        (1001.0, 1000),
        (f64::NAN, 0),
        (-1.0, 0),
        (f64::NEG_INFINITY, 0),
        (1e-320, 0),
    ] {
        let (time, controller) = (VirtualTime::new(1), ByHand::new(100.0));
        let probe = numbers(&time, controller.clone());
        controller.set(answer);
        time.advance(ms(10));
        let before = probe.delivered();
        time.advance(ms(1000));
        assert_eq!(probe.delivered() - before, sent, "{answer}");
        stop(&time, &probe);
    }
}

#[test]
fn a_slow_consumer_gets_no_more_than_the_burst_at_once_at_any_rate() {
    let (time, controller) = (VirtualTime::new(1), ByHand::new(1000.0));
    let paced =
        millstream::range(0..u64::MAX).throttle_adaptive(time.clone(), 1, controller.clone());
    let probe = probe(paced.burst(5), Behaviour::new());
    for n in 0..100 {
        controller.set([1000.0, 500.0, 200.0][n % 3]);
        probe.request(1);
        time.advance(ms(50));
    }
    assert_eq!(probe.delivered(), 100);
    probe.request_unbounded();
    time.run_until_idle();
    assert_eq!(probe.delivered(), 105);
    stop(&time, &probe);
}

/// As `throttle` does: woken 20 ms late each time, it sends what has come due meanwhile.
#[test]
fn late_timers_are_made_up_for() {
    let time = VirtualTime::new(1);
    let probe = numbers(&time, ByHand::new(1000.0));
    for n in 1..=50 {
        time.clock().advance(ms(20));
        time.run_until_idle();
        assert_eq!(probe.delivered(), 1 + 20 * n, "at {}", time.now());
    }
    stop(&time, &probe);
}

#[test]
fn the_burst_is_what_accrues_in_a_millisecond_at_the_highest_rate_unless_it_is_told() {
    for (most, sent) in [(10.0, 1), (1000.0, 1), (7900.0, 7)] {
        let time = VirtualTime::new(1);
        let controller = ByHand::new(1.0).with(|told| told.most = most);
        let paced = millstream::range(0..u64::MAX).throttle_adaptive(time.clone(), 1, controller);
        let probe = probe(paced, Behaviour::new().initially(u64::MAX));
        time.run_until_idle();
        assert_eq!(probe.delivered(), sent);
        stop(&time, &probe);
    }
}

// ---- demand and timers ------------------------------------------------------------------------

#[test]
fn nothing_is_sent_or_decided_without_demand() {
    let (time, controller) = (VirtualTime::new(1), ByHand::new(1000.0));
    let (sender, items) = millstream::channel::<u32>(10);
    let paced = items.throttle_adaptive(time.clone(), 2, controller.clone());
    let probe = probe(paced, Behaviour::new());
    (0..10).for_each(|n| sender.try_send(n).unwrap());
    time.advance(ms(60_000));
    assert_eq!((probe.delivered(), sender.len()), (0, 8), "two are in its queue");
    assert_eq!(time.clock().timers(), 0, "nothing waits");
    assert_eq!(controller.samples(), []);
    probe.request(1);
    time.run_until_idle();
    probe.assert_items(&[0]);
    // One look after the pause, and none after that: nobody asks.
    assert_eq!(controller.samples().len(), 1);
    time.advance(ms(60_000));
    assert_eq!((controller.samples().len(), time.clock().timers()), (0, 0));
    probe.cancel();
    time.run_until_idle();
}

#[test]
fn the_end_comes_after_the_item_that_waits() {
    let (time, controller) = (VirtualTime::new(1), ByHand::new(1.0));
    let paced = millstream::from_iter([1, 2]).throttle_adaptive(time.clone(), 2, controller);
    let probe = probe(paced, Behaviour::new().initially(9));
    time.advance(ms(999));
    probe.assert_items(&[1]);
    probe.assert_no_end();
    time.advance(ms(1));
    probe.assert_items(&[1, 2]);
    probe.assert_completed();
    assert_eq!(time.clock().timers(), 0);
}

#[test]
fn it_ends_when_its_clock_goes() {
    let time = VirtualTime::new(1);
    let probe = numbers(&time, ByHand::new(1.0));
    time.clock().shut_down();
    time.run_until_idle();
    probe.assert_items(&[0]);
    probe.assert_faulted(&Faulted::from(&Fault::ClockGone));
}

// ---- what the controller is told --------------------------------------------------------------

#[test]
fn a_sample_tells_how_long_downstream_took() {
    let time = VirtualTime::new(1);
    let controller = ByHand::new(1000.0).with(|told| told.interval = ms(14));
    let paced =
        millstream::range(0..u64::MAX).throttle_adaptive(time.clone(), 1, controller.clone());
    let probe = probe(paced.burst(3), Behaviour::new());
    // Three requests, 4 ms each, and 2 ms in which it was not at work: nothing was sent then.
    time.advance(ms(2));
    for _ in 0..3 {
        probe.request(1);
        time.advance(ms(4));
    }
    probe.request(2);
    time.run_until_idle();
    let [first] = controller.samples()[..] else { panic!("one sample") };
    assert_eq!((first.elapsed, first.processed), (ms(14), 3));
    assert_eq!((first.busy, first.latency, first.delay), (ms(12), ms(4), ms(0)));
    assert!(!first.limited && !first.overloaded);
    assert_eq!(first.speed(), Some(250.0));
    // Five at once, of whom three are there: the limit is reached.
    probe.request(3);
    time.advance(ms(2));
    probe.request(1);
    time.advance(ms(18));
    probe.request(1);
    time.run_until_idle();
    let [second] = controller.samples()[..] else { panic!("one sample") };
    assert_eq!((second.elapsed, second.processed, second.limited), (ms(20), 6, true));
    assert_eq!(second.busy, ms(17), "the last one had to wait for a millisecond");
    stop(&time, &probe);
}

/// The time that it takes inside of an item counts.
#[test]
fn a_consumer_that_blocks_is_at_work() {
    let (time, controller) = (VirtualTime::new(1), ByHand::new(1000.0));
    let clock = time.clock().clone();
    let blocks = move |_: &u64| clock.advance(ms(5));
    let paced = millstream::range(0..10).throttle_adaptive(time.clone(), 1, controller.clone());
    assert_eq!(time.run_until(paced.inspect(blocks).count()).unwrap(), 10);
    let samples = controller.samples();
    assert_eq!(samples.len(), 5);
    for sample in samples {
        assert_eq!((sample.processed, sample.busy, sample.latency), (2, ms(10), ms(5)));
        assert_eq!(sample.speed(), Some(200.0));
    }
}

#[test]
fn what_the_stage_does_not_see_is_told_by_a_function() {
    let (time, controller) = (VirtualTime::new(1), ByHand::new(1000.0));
    let tell = |sample: &mut Sample| {
        sample.overloaded = sample.processed > 5;
        sample.delay = ms(3);
        sample.latency = ms(7);
    };
    let paced = millstream::range(0..u64::MAX)
        .throttle_adaptive(time.clone(), 1, controller.clone())
        .told_by(tell);
    let probe = probe(paced, Behaviour::new().initially(u64::MAX));
    time.advance(ms(10));
    let [sample] = controller.samples()[..] else { panic!("one sample") };
    assert_eq!((sample.processed, sample.overloaded), (10, true));
    assert_eq!((sample.delay, sample.latency), (ms(3), ms(7)));
    stop(&time, &probe);
}

#[test]
fn the_decisions_are_on_the_board() {
    let (time, controller) = (VirtualTime::new(1), ByHand::new(100.0));
    let board = Board::new(4);
    let (sender, items) = millstream::channel::<u32>(100);
    let paced = items.throttle_adaptive(time.clone(), 4, controller.clone());
    let probe = probe(paced.named("calls").observed(&board), Behaviour::new().initially(u64::MAX));
    (0..100).for_each(|n| sender.try_send(n).unwrap());
    time.run_until_idle();
    let decisions = || board.snapshot().named("calls").unwrap().decisions.unwrap();
    let begins = decisions();
    assert_eq!((begins.limit, begins.raises, begins.cuts, begins.last), (100.0, 0, 0, None));
    for rate in [250.0, 400.0, 9000.0, 300.0] {
        controller.set(rate);
        time.advance(ms(10));
    }
    let now = decisions();
    assert_eq!((now.limit, now.raises, now.cuts), (300.0, 3, 1), "9000 is above the most");
    assert_eq!(now.last, controller.samples().last().copied());
    let snapshot = board.snapshot();
    let row = snapshot.named("calls").unwrap();
    assert_eq!((row.kind, row.capacity), ("throttle_adaptive", 4));
    assert_eq!(row.sent, probe.delivered() + 1, "one waits outside of the queue");
    assert!(snapshot.to_string().contains("limit 300.0"), "{snapshot}");
    probe.cancel();
    time.run_until_idle();
}

/// A source that is pulled has a line as well.
#[test]
fn the_decisions_over_a_synchronous_upstream_are_on_the_board() {
    let (time, board) = (VirtualTime::new(1), Board::new(4));
    let paced = millstream::range(0..9_u64).throttle_adaptive(time.clone(), 4, ByHand::new(100.0));
    assert_eq!(time.run_until(paced.observed(&board).count()).unwrap(), 9);
    let snapshot = board.snapshot();
    let [row] = snapshot.rows() else { panic!("{snapshot}") };
    assert_eq!((row.kind, row.capacity, row.sent), ("throttle_adaptive", 0, 9));
    assert_eq!(row.decisions.unwrap().limit, 100.0);
}

// ---- with controllers -------------------------------------------------------------------------

/// A consumer that works on one item after another, so many in a second, which is another number
/// in each of three parts of the run. How many it was sent in each fifth of a part, of which the
/// first is that of the change.
fn through_a_worker(controller: impl Controller) -> Vec<[u64; 5]> {
    let time = VirtualTime::new(1);
    let paced = millstream::range(0..u64::MAX).throttle_adaptive(time.clone(), 1, controller);
    let probe = probe(paced.burst(1), Behaviour::new());
    let mut sent = Vec::new();
    for each in [1000, 500, 2000].map(Duration::from_micros) {
        let mut fifths = [0; 5];
        for fifth in &mut fifths {
            let (begins, before) = (time.now(), probe.delivered());
            while time.now() < begins + ms(400) {
                probe.request(1);
                let asked = probe.delivered();
                while probe.delivered() == asked && time.now() < begins + ms(400) {
                    time.advance(Duration::from_micros(100));
                }
                time.advance(each);
            }
            *fifth = probe.delivered() - before;
        }
        sent.push(fifths);
    }
    stop(&time, &probe);
    sent
}

#[test]
fn a_pid_follows_a_consumer_that_gets_faster_and_slower() {
    let pid = Pid::new(ms(40), 10.0..=10_000.0).start(100.0);
    let sent = through_a_worker(pid);
    for (fifths, best) in sent.iter().zip([400, 800, 200]) {
        // In a fifth at the latest it keeps the worker at work.
        for fifth in &fifths[1..] {
            assert!((best * 8 / 10..=best).contains(fifth), "{sent:?}");
        }
    }
}

/// A service that takes what comes, works on so many in a second, and has a queue. How many items
/// wait at most, and the share of its time in which it has something to do, in each of three parts
/// of the run after its first half.
fn through_a_queue(controller: impl Controller) -> Vec<(f64, f64)> {
    let time = VirtualTime::new(1);
    let waits = Arc::new(Mutex::new(0.0));
    let tells = waits.clone();
    let paced = millstream::range(0..u64::MAX)
        .throttle_adaptive(time.clone(), 1, controller)
        .burst(1)
        .told_by(move |sample| sample.overloaded = *tells.lock().unwrap() > 20.0);
    let probe = probe(paced, Behaviour::new().initially(u64::MAX));
    let (mut parts, mut came) = (Vec::new(), 0);
    for speed in [1.0, 2.0, 0.5] {
        let (mut most, mut busy) = (0.0_f64, 0.0);
        for n in 0..20_000 {
            time.advance(ms(1));
            let mut waits = waits.lock().unwrap();
            *waits += (probe.delivered() - came) as f64;
            came = probe.delivered();
            let done = waits.min(speed);
            *waits -= done;
            if n >= 10_000 {
                most = most.max(*waits);
                busy += done / speed;
            }
        }
        parts.push((most, busy / 10_000.0));
    }
    stop(&time, &probe);
    parts
}

#[test]
fn an_aimd_finds_the_rate_of_a_service_with_a_queue() {
    let aimd = Aimd::new(10.0..=10_000.0).increase(10.0).interval(ms(50)).pause(ms(100));
    let parts = through_a_queue(aimd);
    for (most, busy) in &parts {
        assert!(*most < 80.0 && *busy > 0.75, "{parts:?}");
    }
}

// ---- what it refuses --------------------------------------------------------------------------

fn assemble(prefetch: usize, change: impl FnOnce(&mut Told), burst: u64) {
    let controller = ByHand::new(1.0).with(change);
    let items = millstream::empty::<u32>();
    drop(items.throttle_adaptive(VirtualTime::new(1), prefetch, controller).burst(burst));
}

#[test]
#[should_panic(expected = "throttle_adaptive(time, 0, controller): a queue holds at least 1 item")]
fn a_queue_of_nothing_is_refused() {
    assemble(0, |_| (), 1);
}

#[test]
#[should_panic(expected = "throttle_adaptive(..).burst(0): a bucket has room for 1 token at least")]
fn a_burst_of_nothing_is_refused() {
    assemble(1, |_| (), 0);
}

#[test]
#[should_panic(expected = "the controller answers items at a time, and not items per second")]
fn a_controller_of_items_at_a_time_is_refused() {
    assemble(1, |told| told.unit = Unit::InFlight, 1);
}

#[test]
#[should_panic(expected = "the interval of the controller is 0: `Aimd::interval` sets that")]
fn a_controller_without_an_interval_is_refused() {
    assemble(1, |told| told.interval = Duration::ZERO, 1);
}

#[test]
#[should_panic(
    expected = "above 0 and below 2^32 items per second, and that of the controller is 4294967296"
)]
fn a_rate_that_cannot_be_counted_is_refused() {
    assemble(1, |told| told.most = 4_294_967_296.0, 1);
}

#[test]
#[should_panic(
    expected = "above 0 and below 2^32 items per second, and that of the controller is NaN"
)]
fn a_rate_that_is_no_number_is_refused() {
    assemble(1, |told| told.most = f64::NAN, 1);
}
