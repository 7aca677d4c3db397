//! What a clock owes: [`check`] tells it claim by claim.
//!
//! The clock is judged by its timers alone, in its own time: none of the claims waits for longer
//! than it takes the timers that are set. A claim that is not kept panics and says which.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use millstream_executors::time::{Clock, Moment, Timer};

use crate::lock::lock;

/// Longer than any timer here is set for.
const PATIENCE: Duration = Duration::from_secs(25);
/// What timers are set for.
const SOON: Duration = Duration::from_millis(3);
const LATER: Duration = Duration::from_secs(24 * 60 * 60);

/// What is promised, and what sees that it is kept.
type Claim<C> = (&'static str, fn(&C));

/// Checks what [`Clock`] and [`Timer`] promise.
///
/// `make` gives a clock that goes by itself, and what shuts it down.
///
/// ```
/// use millstream_executors::time::SystemClock;
///
/// millstream_testkit::clock::check(|| {
///     let clock = SystemClock::new();
///     (clock.handle(), move || drop(clock))
/// });
/// ```
///
/// # Panics
/// When the clock breaks a claim; the message says which.
#[track_caller]
pub fn check<C: Clock, D: FnOnce()>(make: impl Fn() -> (C, D)) {
    let claims: [Claim<C>; 9] = [
        ("time never goes back", never_goes_back),
        ("a timer wakes once, and not before its time", wakes_once),
        ("a time that has come wakes at once", wakes_at_once),
        ("a timer that is set again wakes at the new time", moves),
        ("a timer that is cleared wakes nobody", cleared),
        ("a timer that is dropped lets go of its waker", dropped),
        ("timers wake in the order of their times", in_order),
        ("a thousand timers are driven at once", a_thousand),
        ("never does not come", never),
    ];
    for (claim, keeps) in claims {
        let (clock, shut_down) = make();
        let kept = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| keeps(&clock)));
        shut_down();
        assert!(kept.is_ok(), "the clock breaks a claim: {claim}");
    }
    let (clock, shut_down) = make();
    let bell = Bell::new();
    let mut timer = clock.timer(bell.waker());
    assert!(timer.set(clock.now() + LATER).is_ok(), "the clock runs");
    shut_down();
    bell.wait(1);
    assert!(!timer.is_set(), "a clock that has gone has woken");
    assert!(timer.set(clock.now() + LATER).is_err(), "whoever sets again is told that it has gone");
    drop(timer);
    bell.is_released();
}

/// Counts how often it was rung.
#[derive(Default)]
struct Bell(Mutex<u32>, Condvar);

impl Bell {
    fn new() -> Arc<Bell> {
        Arc::default()
    }

    fn waker(self: &Arc<Bell>) -> Waker {
        Waker::from(self.clone())
    }

    /// Waits until it was rung `n` times in all.
    #[track_caller]
    fn wait(&self, n: u32) {
        let rung = lock(&self.0);
        let (rung, _) = self
            .1
            .wait_timeout_while(rung, PATIENCE, |rung| *rung < n)
            .unwrap_or_else(PoisonError::into_inner);
        assert_eq!(*rung, n, "how often it has woken");
    }

    /// Nobody holds a waker of it any more.
    #[track_caller]
    fn is_released(self: Arc<Bell>) {
        let until = Instant::now() + PATIENCE;
        // Whoever has just called it may be about to let go.
        while Arc::strong_count(&self) > 1 {
            assert!(Instant::now() < until, "somebody keeps a waker");
            std::thread::yield_now();
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        *lock(&self.0) += 1;
        self.1.notify_all();
    }
}

#[track_caller]
fn set(timer: &mut dyn Timer, at: Moment) {
    assert!(timer.set(at).is_ok(), "the clock runs");
}

fn never_goes_back(clock: &impl Clock) {
    let mut before = clock.now();
    for _ in 0..10_000 {
        let now = clock.now();
        assert!(now >= before);
        before = now;
    }
}

fn wakes_once(clock: &impl Clock) {
    let bell = Bell::new();
    let mut timer = clock.timer(bell.waker());
    assert!(!timer.is_set(), "nobody has set it");
    for n in 1..=10 {
        let at = clock.now() + SOON;
        set(&mut *timer, at);
        bell.wait(n);
        assert!(timer.now() >= at, "it has woken before its time");
        assert!(!timer.is_set(), "it has woken");
    }
    drop(timer);
    bell.is_released();
}

fn wakes_at_once(clock: &impl Clock) {
    let bell = Bell::new();
    let mut timer = clock.timer(bell.waker());
    set(&mut *timer, Moment::START);
    bell.wait(1);
    set(&mut *timer, clock.now());
    bell.wait(2);
    assert!(!timer.is_set());
}

fn moves(clock: &impl Clock) {
    let bell = Bell::new();
    let mut timer = clock.timer(bell.waker());
    set(&mut *timer, clock.now() + LATER);
    assert!(timer.is_set());
    // Earlier.
    set(&mut *timer, clock.now() + SOON);
    bell.wait(1);
    // Later.
    set(&mut *timer, clock.now() + SOON);
    let at = clock.now() + 3 * SOON;
    set(&mut *timer, at);
    bell.wait(2);
    assert!(clock.now() >= at, "it has woken at the time before");
}

fn cleared(clock: &impl Clock) {
    let (bell, other) = (Bell::new(), Bell::new());
    let mut timer = clock.timer(bell.waker());
    set(&mut *timer, clock.now() + SOON);
    timer.clear();
    assert!(!timer.is_set());
    let mut after = clock.timer(other.waker());
    set(&mut *after, clock.now() + 2 * SOON);
    other.wait(1);
    bell.wait(0);
    // It can be set again.
    set(&mut *timer, clock.now() + SOON);
    bell.wait(1);
}

fn dropped(clock: &impl Clock) {
    for _ in 0..1000 {
        let bell = Bell::new();
        let mut timer = clock.timer(bell.waker());
        set(&mut *timer, clock.now() + LATER);
        drop(timer);
        bell.is_released();
    }
}

fn in_order(clock: &impl Clock) {
    let (first, second) = (Bell::new(), Bell::new());
    let mut late = clock.timer(second.waker());
    let mut early = clock.timer(first.waker());
    let now = clock.now();
    set(&mut *late, now + 20 * SOON);
    set(&mut *early, now + SOON);
    first.wait(1);
    assert!(late.is_set() || clock.now() >= now + 20 * SOON, "the later one came first");
    second.wait(1);
}

fn a_thousand(clock: &impl Clock) {
    let bell = Bell::new();
    let mut timers: Vec<_> = (0..1000).map(|_| clock.timer(bell.waker())).collect();
    let now = clock.now();
    for (timer, n) in timers.iter_mut().zip(0_u32..) {
        set(&mut **timer, now + SOON + Duration::from_micros(u64::from(n % 7) * 500));
    }
    bell.wait(1000);
    drop(timers);
    bell.is_released();
}

fn never(clock: &impl Clock) {
    let bell = Bell::new();
    let mut timer = clock.timer(bell.waker());
    set(&mut *timer, Moment::NEVER);
    assert!(!timer.is_set(), "nobody waits for it");
    bell.wait(0);
}
