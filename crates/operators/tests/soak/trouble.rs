//! Chance, what is counted, and what goes wrong on purpose.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Waker;
use std::time::Duration;

use millstream::executor::{Executor, Pool, PoolHandle, Refused, Task};
use millstream::time::{Clock, ClockGone, Moment, SystemClock, SystemClockHandle, Timer};

/// Numbers that a seed decides, by splitmix64 (Steele, Lea and Flood, 2014).
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// Once in `n` times.
    pub(crate) fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// Another, which goes its own way.
    pub(crate) fn split(&mut self) -> Chance {
        Chance::new(self.next())
    }
}

/// What happened, in all runs together.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) runs: AtomicU64,
    pub(crate) completed: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) broken: AtomicU64,
    pub(crate) cancelled: AtomicU64,
    pub(crate) made: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) delivered: AtomicU64,
    pub(crate) pauses: AtomicU64,
    pub(crate) panics: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) late: AtomicU64,
    pub(crate) pools_dropped: AtomicU64,
    timers: AtomicU64,
}

impl Counts {
    pub(crate) fn timers(&self) -> u64 {
        self.timers.load(Relaxed)
    }

    pub(crate) fn live(&self) -> u64 {
        self.made.load(Relaxed) - self.dropped.load(Relaxed)
    }

    pub(crate) fn runs(&self) -> u64 {
        self.runs.load(Relaxed)
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = |count: &AtomicU64| count.load(Relaxed);
        write!(
            f,
            "{} pipelines ({} completed, {} failed, {} broke, {} cancelled), {} items made, {} \
             delivered; {} pauses, {} panics, {} tasks refused, {} timers late, {} pools dropped",
            n(&self.runs),
            n(&self.completed),
            n(&self.failed),
            n(&self.broken),
            n(&self.cancelled),
            n(&self.made),
            n(&self.delivered),
            n(&self.pauses),
            n(&self.panics),
            n(&self.refused),
            n(&self.late),
            n(&self.pools_dropped),
        )
    }
}

/// What all runs share.
pub(crate) struct World {
    pool: Pool,
    clock: SystemClock,
    pub(crate) counts: Arc<Counts>,
}

impl World {
    pub(crate) fn new(counts: Arc<Counts>) -> World {
        World { pool: Pool::new(2), clock: SystemClock::new(), counts }
    }

    /// The shared pool, and the clock, both with their moods.
    pub(crate) fn place(&self, chance: &mut Chance) -> Place {
        self.place_on(self.pool.handle(), chance)
    }

    /// As [`place`](World::place), on a pool of one's own.
    pub(crate) fn place_on(&self, pool: PoolHandle, chance: &mut Chance) -> Place {
        Place {
            pool,
            clock: self.clock.handle(),
            chance: Arc::new(AtomicU64::new(chance.next())),
            counts: self.counts.clone(),
        }
    }
}

/// An executor that refuses a task now and then, and a clock whose timers are late now and then.
#[derive(Clone)]
pub(crate) struct Place {
    pool: PoolHandle,
    clock: SystemClockHandle,
    chance: Arc<AtomicU64>,
    counts: Arc<Counts>,
}

impl Place {
    pub(crate) fn counts(&self) -> Arc<Counts> {
        self.counts.clone()
    }

    fn draw(&self) -> Chance {
        Chance::new(self.chance.fetch_add(0x9e37_79b9, Relaxed))
    }
}

impl Executor for Place {
    fn spawn(&self, task: Task) -> Result<(), Refused> {
        if self.draw().once_in(1000) {
            self.counts.refused.fetch_add(1, Relaxed);
            drop(task);
            return Err(Refused::new("the soak", "it refuses one in a thousand"));
        }
        self.pool.spawn(task)
    }
}

impl Clock for Place {
    fn now(&self) -> Moment {
        self.clock.now()
    }

    fn timer(&self, waker: Waker) -> Box<dyn Timer> {
        self.counts.timers.fetch_add(1, Relaxed);
        Box::new(Late { timer: self.clock.timer(waker), place: self.clone() })
    }
}

/// A timer that is late now and then.
struct Late {
    timer: Box<dyn Timer>,
    place: Place,
}

impl Timer for Late {
    fn set(&mut self, at: Moment) -> Result<(), ClockGone> {
        let mut chance = self.place.draw();
        let mut at = at;
        if chance.once_in(10) && at != Moment::NEVER {
            self.place.counts.late.fetch_add(1, Relaxed);
            at += Duration::from_millis(chance.below(30));
        }
        self.timer.set(at)
    }

    fn clear(&mut self) {
        self.timer.clear();
    }

    fn is_set(&self) -> bool {
        self.timer.is_set()
    }

    fn now(&self) -> Moment {
        self.timer.now()
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        self.place.counts.timers.fetch_sub(1, Relaxed);
    }
}

/// An item, counted in its run and in all.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) n: u64,
    run: Arc<AtomicU64>,
    counts: Arc<Counts>,
}

impl Token {
    /// `run` counts what is alive of one run.
    pub(crate) fn new(n: u64, run: &Arc<AtomicU64>, counts: &Arc<Counts>) -> Token {
        run.fetch_add(1, Relaxed);
        counts.made.fetch_add(1, Relaxed);
        Token { n, run: run.clone(), counts: counts.clone() }
    }
}

impl Clone for Token {
    fn clone(&self) -> Token {
        Token::new(self.n, &self.run, &self.counts)
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.run.fetch_sub(1, Relaxed);
        self.counts.dropped.fetch_add(1, Relaxed);
    }
}
