//! Timed stages: what waits for a time, on a task of an executor with a clock.
//!
//! A timed stage is a [`Pull`](millstream_core::Pull) like any [joined](super::joined) one, with an
//! [`Alarm`] beside its feeds. Whenever it rests, that is before it answers
//! [`Pending`](millstream_core::Pulled::Pending) and at the end of each look ahead, it says until
//! when: [`rest_until`](Alarm::rest_until). The alarm rings the bell of the task, which pulls or
//! looks ahead again; what is due by then the stage finds out by [`now`](Alarm::now). So a firing
//! timer runs nothing by itself, and races with nothing.

use std::fmt;
use std::sync::Arc;
use std::task::{Wake, Waker};

use millstream_blocks::bell::Bell;
use millstream_core::Fault;
use millstream_executors::Executor;
use millstream_executors::time::{Clock, Moment, Timer};

/// What wakes a stage at the times that it says. There is one for a stage.
pub(crate) struct Alarm {
    timer: Box<dyn Timer>,
    /// When it rings, if it is set.
    at: Moment,
    bell: Bell,
}

impl Alarm {
    /// Of a stage whose host has this bell.
    pub(crate) fn new(clock: &impl Clock, bell: &Bell) -> Alarm {
        let timer = clock.timer(bell.clone().into_waker());
        Alarm { timer, at: Moment::NEVER, bell: bell.clone() }
    }

    /// Of a stage whose host runs on the thread that rings: a task of `time` rings, one each time
    /// that the alarm does, so that nothing runs on the driver of the clock.
    pub(crate) fn on<X: Executor + Clock>(time: Arc<X>, bell: &Bell) -> Alarm {
        let hop = Hop { executor: time.clone(), bell: bell.clone() };
        Alarm {
            timer: time.timer(Waker::from(Arc::new(hop))),
            at: Moment::NEVER,
            bell: bell.clone(),
        }
    }

    /// The time now.
    #[inline]
    pub(crate) fn now(&self) -> Moment {
        self.timer.now()
    }

    /// Whether `at` has come. Costs next to nothing while a timer is set that is due before: so it
    /// can be asked for each item.
    #[inline]
    pub(crate) fn has_come(&mut self, at: Moment) -> bool {
        if self.at <= at && self.timer.is_set() {
            return false;
        }
        self.look_at_clock(at)
    }

    #[cold]
    fn look_at_clock(&mut self, at: Moment) -> bool {
        let come = self.now() >= at;
        if !come && at != Moment::NEVER {
            self.set(at);
        }
        come
    }

    /// The stage rests until something rings, or `at` has come; [`NEVER`](Moment::NEVER) where it
    /// waits for no time. Where the clock has gone, the stream ends with a fault.
    ///
    /// One that is set for an earlier time is left as it is: the stage is woken once too often,
    /// and that is cheaper than to set a timer for each of many items.
    #[inline]
    pub(crate) fn rest_until(&mut self, at: Moment) {
        if at == Moment::NEVER {
            if self.at != Moment::NEVER {
                self.off();
            }
        } else if at < self.at || !self.timer.is_set() {
            self.set(at);
        }
    }

    /// The stage stops before it is done, so that others run: it is run again, asked or not.
    pub(crate) fn again(&self) {
        self.bell.ring();
    }

    #[cold]
    fn off(&mut self) {
        self.at = Moment::NEVER;
        self.timer.clear();
    }

    fn set(&mut self, at: Moment) {
        self.at = at;
        if self.timer.set(at).is_err() {
            self.bell.fail(Fault::ClockGone);
        }
    }
}

/// Rings by a task.
struct Hop<X> {
    executor: Arc<X>,
    bell: Bell,
}

impl<X: Executor> Wake for Hop<X> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let bell = self.bell.clone();
        if let Err(refused) = self.executor.spawn(Box::pin(async move { bell.ring() })) {
            self.bell.fail(Fault::Refused(refused));
        }
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alarm").field("at", &self.at).finish_non_exhaustive()
    }
}
