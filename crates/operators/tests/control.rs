//! Claims about the controllers, against simulated services: how soon they settle, how far they
//! overshoot, and where one of them does not work.
//!
//! Nothing here runs: a service is arithmetic, its noise is a seeded sequence, and so each figure is
//! the same each time. Those in the documentation of `control` are asserted here.

use std::collections::VecDeque;
use std::time::Duration;

use millstream::control::{Aimd, Controller, InFlight, Pid, Sample, Unit};

/// A number between -1 and 1, from a seed that it changes.
fn noise(seed: &mut u64) -> f64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// A service that works on so many items at a time, 10 ms each; with more than that they wait for
/// each other.
struct Service {
    capacity: f64,
    /// How much the latency varies, from 0 to 1.
    noisy: f64,
    seed: u64,
    /// Samples on their way to the controller, as many as they are late.
    late: VecDeque<Sample>,
    dead_time: usize,
}

const EACH: Duration = Duration::from_millis(10);

impl Service {
    fn new(capacity: f64) -> Service {
        Service { capacity, noisy: 0.0, seed: 1, late: VecDeque::new(), dead_time: 0 }
    }

    /// A round: as many as the limit allows begin, and all end.
    fn round(&mut self, limit: f64) -> Sample {
        let at_a_time = limit.floor().max(1.0);
        let crowded = (at_a_time / self.capacity).max(1.0);
        let factor = 1.0 + self.noisy * noise(&mut self.seed);
        let latency = EACH.mul_f64(crowded * factor);
        let mut sample = Sample::new(latency, at_a_time as u64);
        sample.latency = latency;
        sample
    }

    /// The limits that a controller answers in so many rounds.
    fn run(&mut self, controller: &mut impl Controller, rounds: usize) -> Vec<f64> {
        let mut limits = Vec::new();
        for _ in 0..rounds {
            let sample = self.round(controller.limit());
            self.late.push_back(sample);
            if self.late.len() > self.dead_time
                && let Some(sample) = self.late.pop_front()
            {
                controller.adjust(&sample);
            }
            limits.push(controller.limit());
        }
        limits
    }
}

/// After how many of them the limits stay between `low` and `high`.
fn settled(limits: &[f64], low: f64, high: f64) -> usize {
    let outside = limits.iter().rposition(|limit| !(low..=high).contains(limit));
    outside.map_or(0, |last| last + 1)
}

/// By how many percent of `best` the highest of the limits is above it.
fn overshoot(limits: &[f64], best: f64) -> f64 {
    let most = limits.iter().copied().fold(f64::MIN, f64::max);
    (100.0 * (most / best - 1.0)).max(0.0)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn aimd() -> Aimd {
    Aimd::new(1.0..=100.0).latency(Duration::from_millis(15))
}

fn pid() -> InFlight<Pid> {
    let latency = Duration::from_millis(12);
    Pid::new(EACH, 80.0..=8400.0).start(84.0).in_flight(latency)
}

/// What the table in the documentation says of one controller.
#[derive(Debug, PartialEq)]
struct Figures {
    up: usize,
    step: usize,
    down: usize,
    /// In percent, whole ones.
    over: u32,
    noise: u32,
    late: u32,
}

/// The limits of a controller whose service works on 20 at a time, then on 40, then on 10.
fn steps(mut service: Service, controller: &mut impl Controller) -> [Vec<f64>; 3] {
    [20.0, 40.0, 10.0].map(|capacity| {
        service.capacity = capacity;
        service.run(controller, 400)
    })
}

/// `best` is the limit where the controller should come to rest, as a multiple of what the service
/// works on at a time; it stays between `low` and `high` such multiples.
fn figures<C: Controller + Clone>(
    controller: &C,
    patient: &C,
    (low, best, high): (f64, f64, f64),
) -> Figures {
    let clean = steps(Service::new(1.0), &mut controller.clone());
    let noisy = steps(Service { noisy: 0.2, ..Service::new(1.0) }, &mut controller.clone());
    let late = steps(Service { dead_time: 5, ..Service::new(1.0) }, &mut patient.clone());
    let settle = |limits: &[f64], n: f64| settled(limits, low * n, high * n);
    // A step down begins too high, which is no overshoot.
    let over = |runs: &[Vec<f64>; 3]| {
        let up = overshoot(&runs[0], 20.0 * best).max(overshoot(&runs[1], 40.0 * best));
        up.ceil() as u32
    };
    Figures {
        up: settle(&clean[0], 20.0),
        step: settle(&clean[1], 40.0),
        down: settle(&clean[2], 10.0),
        over: over(&clean),
        noise: over(&noisy),
        late: over(&late),
    }
}

// ---- how they do, as the documentation says ---------------------------------------------------

/// It stays between what the service can do and the limit at which items take too long.
#[test]
fn an_aimd_settles_above_what_the_service_can_do_and_below_what_is_too_much() {
    let patient = aimd().pause(Duration::from_millis(100));
    let figures = figures(&aimd(), &patient, (1.0, 1.5, 1.7));
    let Figures { up, step, down, over, noise, late } = figures;
    assert_eq!((up, step, down), (18, 13, 9), "rounds");
    assert_eq!((over, noise, late), (7, 9, 23), "percent");
}

#[test]
fn a_pid_settles_where_items_take_as_long_as_they_should() {
    let figures = figures(&pid(), &pid(), (1.1, 1.2, 1.3));
    let Figures { up, step, down, over, noise, late } = figures;
    assert_eq!((up, step, down), (17, 3, 7), "rounds");
    assert_eq!((over, noise, late), (2, 31, 153), "percent");
}

#[test]
fn an_aimd_leaves_no_service_idle_once_it_has_settled() {
    for (capacity, limits) in
        [20.0, 40.0, 10.0].into_iter().zip(steps(Service::new(1.0), &mut aimd()))
    {
        let limits = &limits[100..];
        assert!(limits.iter().all(|limit| limit.floor() >= capacity), "{capacity}: {limits:?}");
        let used = mean(limits) / capacity;
        assert!((1.0..1.5).contains(&used), "{capacity}: {used}");
    }
}

/// Two of them on one service: whoever has more loses more, and both gain the same.
#[test]
fn two_aimds_end_up_with_equal_shares() {
    let service = |at_a_time: f64| EACH.mul_f64((at_a_time / 20.0).max(1.0));
    let (mut rich, mut poor) = (aimd().start(25.0), aimd().start(1.0));
    let mut gaps = Vec::new();
    for _ in 0..400 {
        let latency = service(rich.limit().floor() + poor.limit().floor());
        for aimd in [&mut rich, &mut poor] {
            let mut sample = Sample::new(latency, aimd.limit() as u64);
            sample.latency = latency;
            aimd.adjust(&sample);
        }
        gaps.push((rich.limit() - poor.limit()).abs());
    }
    assert!(gaps[0] > 20.0 && gaps[399] < 1.0, "{gaps:?}");
}

/// Told late, it cuts once for each sample that is old, unless it is told to wait.
#[test]
fn an_aimd_that_pauses_for_the_dead_time_cuts_once_for_one_overload() {
    let cuts_in_a_row = |mut aimd: Aimd| {
        let mut service = Service { dead_time: 5, ..Service::new(20.0) };
        let limits = service.run(&mut aimd, 400);
        let mut longest = 0;
        let mut run = 0;
        for pair in limits.windows(2) {
            run = match pair[1].total_cmp(&pair[0]) {
                std::cmp::Ordering::Less => run + 1,
                std::cmp::Ordering::Equal => run,
                std::cmp::Ordering::Greater => 0,
            };
            longest = longest.max(run);
        }
        longest
    };
    assert_eq!(cuts_in_a_row(aimd()), 3);
    assert_eq!(cuts_in_a_row(aimd().pause(Duration::from_millis(100))), 1);
}

// ---- a service with a queue -------------------------------------------------------------------

const INTERVAL: Duration = Duration::from_secs(1);

/// A service that is sent items at a rate, and has a queue.
struct Queued {
    waiting: f64,
    /// How much its speed varies, from 0 to 1.
    noisy: f64,
    seed: u64,
    late: VecDeque<Sample>,
    dead_time: usize,
}

impl Queued {
    fn new(dead_time: usize) -> Queued {
        Queued { waiting: 0.0, noisy: 0.0, seed: 1, late: VecDeque::new(), dead_time }
    }

    /// An interval: items come at the rate, and are worked on at the speed that `speed` gives, after
    /// what an interval costs.
    fn interval(
        &mut self,
        controller: &mut impl Controller,
        speed: impl Fn(f64) -> f64,
        cost: Duration,
    ) -> f64 {
        let rate = controller.limit();
        let speed = speed(rate) * (1.0 + self.noisy * noise(&mut self.seed));
        let delay = Duration::from_secs_f64(self.waiting / speed);
        self.waiting += rate * INTERVAL.as_secs_f64();
        let time = INTERVAL.saturating_sub(cost).as_secs_f64();
        // What an interval costs it costs; something is always finished.
        let done = self.waiting.min((speed * time).max(1.0));
        self.waiting -= done;
        let mut sample = Sample::new(INTERVAL, done as u64);
        sample.busy = cost + Duration::from_secs_f64(done / speed);
        sample.delay = delay;
        sample.latency = delay + sample.busy;
        sample.overloaded = self.waiting > speed;
        self.late.push_back(sample);
        if self.late.len() > self.dead_time
            && let Some(sample) = self.late.pop_front()
        {
            controller.adjust(&sample);
        }
        controller.limit()
    }

    fn run(
        &mut self,
        controller: &mut impl Controller,
        speed: impl Fn(f64) -> f64 + Copy,
        cost: Duration,
        intervals: usize,
    ) -> Vec<f64> {
        (0..intervals).map(|_| self.interval(controller, speed, cost)).collect()
    }
}

fn rates() -> Pid {
    Pid::new(INTERVAL, 10.0..=10_000.0).start(1000.0)
}

/// The lowest and the highest.
fn band(limits: &[f64]) -> (f64, f64) {
    limits.iter().fold((f64::MAX, f64::MIN), |(low, high), rate| (low.min(*rate), high.max(*rate)))
}

// ---- as a rate --------------------------------------------------------------------------------

/// The rates of a controller whose service can do 1000 in a second, then 2000, then 500.
fn rate_steps(mut service: Queued, controller: &mut impl Controller) -> [Vec<f64>; 3] {
    [1000.0, 2000.0, 500.0].map(|speed| service.run(controller, |_| speed, Duration::ZERO, 400))
}

/// As [`figures`]: after how many intervals it stays between `low` and `high` times what the service
/// can do, and how far it is above that at most.
fn rate_figures<C: Controller + Clone>(
    controller: &C,
    patient: &C,
    (low, high): (f64, f64),
) -> Figures {
    let clean = rate_steps(Queued::new(0), &mut controller.clone());
    let noisy = rate_steps(Queued { noisy: 0.2, ..Queued::new(0) }, &mut controller.clone());
    let late = rate_steps(Queued::new(5), &mut patient.clone());
    let settle = |rates: &[f64], n: f64| settled(rates, low * n, high * n);
    let over = |runs: &[Vec<f64>; 3]| {
        overshoot(&runs[0], 1000.0).max(overshoot(&runs[1], 2000.0)).ceil() as u32
    };
    Figures {
        up: settle(&clean[0], 1000.0),
        step: settle(&clean[1], 2000.0),
        down: settle(&clean[2], 500.0),
        over: over(&clean),
        noise: over(&noisy),
        late: over(&late),
    }
}

/// Told what a throttle is told: that too many wait, but not how long an item takes by that.
#[derive(Clone)]
struct Above<C>(C);

impl<C: Controller> Controller for Above<C> {
    fn limit(&self) -> f64 {
        self.0.limit()
    }

    fn most(&self) -> f64 {
        self.0.most()
    }

    fn adjust(&mut self, sample: &Sample) -> f64 {
        let mut told = *sample;
        told.latency = Duration::ZERO;
        self.0.adjust(&told)
    }
}

/// One that looks away for so many intervals after a cut.
fn aimd_of_rates(intervals: u32) -> Above<Aimd> {
    let aimd = Aimd::new(10.0..=10_000.0).start(100.0).increase(20.0);
    Above(aimd.interval(INTERVAL).pause(intervals * INTERVAL))
}

#[test]
fn a_pid_settles_at_the_rate_that_a_service_can_do() {
    let pid = || rates().start(100.0);
    let figures = rate_figures(&pid(), &pid(), (0.95, 1.05));
    let Figures { up, step, down, over, noise, late } = figures;
    assert_eq!((up, step, down), (1, 0, 11), "intervals");
    assert_eq!((over, noise, late), (0, 20, 0), "percent");
}

#[test]
fn an_aimd_settles_around_the_rate_that_a_service_can_do() {
    let figures = rate_figures(&aimd_of_rates(1), &aimd_of_rates(6), (0.6, 1.3));
    let Figures { up, step, down, over, noise, late } = figures;
    assert_eq!((up, step, down), (24, 11, 29), "intervals");
    assert_eq!((over, noise, late), (21, 24, 31), "percent");
}

#[test]
fn an_aimd_of_rates_keeps_a_service_at_work_and_its_queue_short() {
    let (mut aimd, mut service) = (aimd_of_rates(1), Queued::new(0));
    for speed in [1000.0, 2000.0, 500.0] {
        service.run(&mut aimd, |_| speed, Duration::ZERO, 100);
        let (mut longest, mut done) = (0.0_f64, 0.0);
        for _ in 0..400 {
            let came = service.waiting + aimd.limit();
            service.interval(&mut aimd, |_| speed, Duration::ZERO);
            done += came - service.waiting;
            longest = longest.max(service.waiting / speed);
        }
        assert!(longest < 1.3, "{speed}: what {longest} intervals take waits");
        let used = done / 400.0 / speed;
        assert!(used > 0.95, "{speed}: {used}");
    }
}

/// How long items wait at most, in multiples of what an [`Aimd`] wants: its rate goes up by 20 in each
/// interval, the service does 1000 in one, and what is told is how long those waited that were done in it.
fn longest_wait(bound: u32) -> f64 {
    let mut aimd =
        Aimd::new(10.0..=100_000.0).start(500.0).increase(20.0).latency(bound * INTERVAL);
    // Which interval they came in, and how many.
    let mut queue = VecDeque::new();
    let mut longest = 0.0_f64;
    for now in 0..4000_u32 {
        queue.push_back((now, aimd.limit()));
        let (mut done, mut waited) = (0.0_f64, 0.0_f64);
        while let Some((came, items)) = queue.front_mut()
            && done < 1000.0
        {
            let taken = items.min(1000.0 - done);
            waited += taken * (f64::from(now - *came) + done / 1000.0);
            done += taken;
            *items -= taken;
            if *items <= 0.0 {
                queue.pop_front();
            }
        }
        let mut sample = Sample::new(INTERVAL, done as u64);
        sample.latency = Duration::from_secs_f64(waited / done + 0.001);
        sample.limited = true;
        aimd.adjust(&sample);
        // From when on it has settled.
        if now >= 2000 {
            longest = longest.max(sample.latency.as_secs_f64());
        }
    }
    longest / f64::from(bound)
}

#[test]
fn an_aimd_that_is_told_of_a_wait_when_it_is_over_exceeds_a_long_bound_by_more() {
    let waits = [1, 5, 20].map(longest_wait);
    assert!((1.4..1.6).contains(&waits[0]), "{waits:?}");
    assert!((1.6..2.0).contains(&waits[1]), "{waits:?}");
    assert!((2.7..3.2).contains(&waits[2]), "{waits:?}");
}

// ---- where a Pid does not work ----------------------------------------------------------------

#[test]
fn a_pid_is_there_after_two_samples_where_speed_does_not_depend_on_the_rate() {
    let rates = Queued::new(0).run(&mut rates(), |_| 1000.0, Duration::ZERO, 100);
    assert!(rates[2..].iter().all(|rate| (950.0..=1050.0).contains(rate)), "{rates:?}");
}

/// Twice the rate, a quarter of the speed.
fn thrashing(rate: f64) -> f64 {
    (1000.0 * (1000.0 / rate).powi(2)).min(2000.0)
}

#[test]
fn a_pid_never_rests_where_speed_falls_with_the_rate() {
    let rates = Queued::new(0).run(&mut rates().start(900.0), thrashing, Duration::ZERO, 1000);
    let (low, high) = band(&rates[500..]);
    assert!(low < 350.0 && high > 1700.0, "{low}..{high}");
    // Half of the way in each step, and it rests.
    let mut slow = Pid::proportional(self::rates().start(900.0), 0.5).integral(0.0);
    let rates = Queued::new(0).run(&mut slow, thrashing, Duration::ZERO, 1000);
    let (low, high) = band(&rates[500..]);
    assert!(low > 990.0 && high < 1010.0, "{low}..{high}");
    // The other rests in a band around the best there is.
    let mut aimd = Aimd::new(10.0..=10_000.0).increase(20.0).start(500.0).interval(INTERVAL);
    let limits = Queued::new(0).run(&mut aimd, thrashing, Duration::ZERO, 1000);
    let (low, high) = band(&limits[500..]);
    assert!(low > 300.0 && high < 1200.0, "{low}..{high}");
}

#[test]
fn a_pid_ends_at_the_least_rate_where_an_interval_costs_more_than_it_lasts() {
    let cost = INTERVAL.mul_f64(1.1);
    let rates = Queued::new(0).run(&mut rates(), |_| 1000.0, cost, 400);
    println!("cost: {:?}", &rates[..8]);
    assert!(rates[300..].iter().all(|rate| *rate == 10.0), "{rates:?}");
}

/// The service gets half as fast.
#[test]
fn a_pid_that_is_told_late_goes_on_cutting_when_nothing_waits_any_more() {
    let idle = |dead_time| {
        let (mut pid, mut service) = (rates(), Queued::new(dead_time));
        service.run(&mut pid, |_| 1000.0, Duration::ZERO, 50);
        let mut idle = 0;
        for _ in 0..100 {
            service.interval(&mut pid, |_| 500.0, Duration::ZERO);
            idle += usize::from(service.waiting == 0.0 && pid.limit() < 250.0);
        }
        (idle, pid.limit())
    };
    assert_eq!(idle(0), (0, 500.0));
    assert_eq!(idle(3), (1, 500.0));
    assert_eq!(idle(10), (8, 500.0));
}

// ---- what all of them do ----------------------------------------------------------------------

fn all() -> Vec<Box<dyn Controller>> {
    vec![Box::new(aimd()), Box::new(pid()), Box::new(rates()), Box::new(Aimd::new(1.0..=1.0))]
}

#[test]
fn a_limit_stays_in_its_bounds_whatever_the_samples_say() {
    let mut seed = 7;
    for mut controller in all() {
        let most = controller.most();
        let least = if most > 1000.0 { 10.0 } else { 0.9 };
        for _ in 0..10_000 {
            let any = |seed: &mut u64| Duration::from_secs_f64((noise(seed) + 1.0).powi(9));
            let processed = (noise(&mut seed) * 1e6) as u64;
            let mut sample = Sample::new(any(&mut seed), processed);
            sample.busy = any(&mut seed);
            sample.latency = any(&mut seed);
            sample.delay = any(&mut seed);
            sample.limited = noise(&mut seed) > 0.0;
            sample.overloaded = noise(&mut seed) > 0.5;
            let limit = controller.adjust(&sample);
            assert!((least..=most).contains(&limit), "{limit}");
            assert_eq!(limit, controller.limit());
        }
    }
}

#[test]
fn a_sample_of_nothing_changes_nothing() {
    for mut controller in all() {
        let limit = controller.limit();
        for elapsed in [Duration::ZERO, Duration::from_secs(1), Duration::MAX] {
            assert_eq!(controller.adjust(&Sample::new(elapsed, 0)), limit);
        }
    }
}

#[test]
fn a_limit_that_was_not_reached_is_not_raised() {
    let mut sample = Sample::new(Duration::from_secs(1), 10);
    sample.latency = Duration::from_millis(1);
    sample.limited = false;
    let (mut aimd, mut pid) = (aimd(), pid());
    for _ in 0..10 {
        assert_eq!(aimd.adjust(&sample), 1.0);
        assert!(pid.adjust(&sample) < 1.01);
    }
}

#[test]
fn an_overload_cuts_at_once_even_where_nothing_was_finished() {
    let mut aimd = aimd().start(10.0);
    let mut sample = Sample::new(Duration::from_secs(1), 0);
    sample.overloaded = true;
    assert_eq!(aimd.adjust(&sample), 7.0);
}

/// The numbers of the tests of Spark's own estimator, whose intervals are 20 ms.
#[test]
fn a_pid_gives_what_the_estimator_of_spark_gives() {
    let interval = Duration::from_millis(20);
    let estimator = |least| Pid::new(interval, least..=1e9);
    let sample = |elapsed: u64, processed, busy: u64, delay: u64| {
        let mut sample = Sample::new(Duration::from_millis(elapsed), processed);
        sample.busy = Duration::from_millis(busy);
        sample.delay = Duration::from_millis(delay);
        sample
    };
    // "the first bound is none": it begins with what it was told to begin with.
    let mut first = estimator(20.0);
    assert_eq!(first.adjust(&sample(1, 10, 10, 0)), 1e9);
    // "the second bound is rate"
    assert_eq!(first.adjust(&sample(10, 10, 10, 0)), 1000.0);
    // "works even with no time between updates"
    assert_eq!(first.adjust(&sample(0, 10, 1, 0)), 1000.0);
    // "bound is never less than min rate"
    let mut slow = estimator(5.0);
    for _ in 0..50 {
        slow.adjust(&sample(20, 1, 20, 1_000_000));
    }
    assert_eq!(slow.limit(), 5.0);
    // "with no accumulated or positive error, |I| > 0, follow the processing speed"
    let mut follows = estimator(10.0);
    for n in 1..50 {
        let limit = follows.adjust(&sample(20, n, 20, 0));
        if n > 1 {
            assert!((limit - 50.0 * n as f64).abs() < 1e-6, "{n}: {limit}");
        }
    }
    // "with no accumulated but some positive error, |I| > 0, follow the processing speed" is the
    // same; "with some accumulated and some positive error, |I| > 0, stay below it"
    let mut below = estimator(10.0);
    for n in 1..50_u64 {
        let limit = below.adjust(&sample(20, 51 - n, 20, 20));
        if n > 1 {
            let speed = 50.0 * (51 - n) as f64;
            assert!((limit - (0.8 * speed).max(10.0)).abs() < 1e-6, "{n}: {limit}");
        }
    }
}

#[test]
fn a_derivative_answers_the_change_of_the_error() {
    let mut pid = rates().proportional(0.5).integral(0.0).derivative(0.1);
    pid.adjust(&Sample::new(INTERVAL, 1000));
    // The error was 0 and is 200: half of it, and a tenth of the change.
    let limit = pid.adjust(&Sample::new(INTERVAL, 800));
    assert!((limit - (1000.0 - 100.0 - 20.0)).abs() < 1e-6, "{limit}");
}

// ---- what they refuse -------------------------------------------------------------------------

/// What the panic says.
fn refusal(f: impl FnOnce()) -> String {
    let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).unwrap_err();
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => (*payload.downcast::<&str>().unwrap()).to_owned(),
    }
}

#[test]
fn nonsense_is_refused_with_the_bound_and_the_value() {
    let second = INTERVAL;
    type Refused = (&'static str, Box<dyn Fn()>);
    let refused: [Refused; 14] = [
        ("0..=5 was given", Box::new(|| drop(Aimd::new(0.0..=5.0)))),
        ("inf was given", Box::new(|| drop(Aimd::new(1.0..=f64::INFINITY)))),
        ("NaN..=1 was given", Box::new(|| drop(Aimd::new(f64::NAN..=1.0)))),
        ("2..=1 was given", Box::new(|| drop(Aimd::new(2.0..=1.0)))),
        (
            "the limits are 1..=5, and 6 was given",
            Box::new(|| drop(Aimd::new(1.0..=5.0).start(6.0))),
        ),
        ("above 0, and -1 was given", Box::new(|| drop(Aimd::new(1.0..=5.0).increase(-1.0)))),
        ("0 and 1, and 1 was given", Box::new(|| drop(Aimd::new(1.0..=5.0).decrease(1.0)))),
        ("Aimd::latency(0)", Box::new(|| drop(Aimd::new(1.0..=5.0).latency(Duration::ZERO)))),
        ("Pid::new(0, rates)", Box::new(|| drop(Pid::new(Duration::ZERO, 1.0..=5.0)))),
        ("-1..=5 was given", Box::new(move || drop(Pid::new(second, -1.0..=5.0)))),
        ("above 0, and 0 was given", Box::new(|| drop(rates().proportional(0.0)))),
        ("from 0 on, and -0.1 was given", Box::new(|| drop(rates().integral(-0.1)))),
        ("from 0 on, and NaN was given", Box::new(|| drop(rates().derivative(f64::NAN)))),
        ("one is the least", Box::new(|| drop(rates().in_flight(Duration::from_micros(1))))),
    ];
    for (says, f) in refused {
        let message = refusal(f);
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn a_limit_of_items_at_a_time_is_not_made_of_another() {
    let at_a_time = || rates().in_flight(Duration::from_millis(10));
    let twice = refusal(move || drop(InFlight::new(at_a_time(), INTERVAL)));
    assert!(twice.contains("answers items at a time already"), "{twice}");
    assert_eq!(at_a_time().unit(), Unit::InFlight);
    assert_eq!((rates().unit(), aimd().unit()), (Unit::PerSecond, Unit::Any));
}
