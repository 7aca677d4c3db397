//! A stage that passes what it is given, and fails where that takes too long.
//!
//! What is counted is the one difference between `timeout` and its kin: see [`Counts`].

use std::num::NonZeroUsize;
use std::time::Duration;

use millstream_blocks::gauge::Site;
use millstream_core::{Discards, Publisher, Pull, Pulled, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::{Clock, Moment};

use crate::shape::joined::{Feed, feed, on};
use crate::shape::timed::Alarm;
use crate::timing::TimeoutError;

/// Which time is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counts {
    /// While an item is owed: each.
    Owed,
    /// While an item is owed: the first.
    First,
    /// Since an item passed, or the stage was subscribed to.
    Idle,
    /// Since the stage was subscribed to.
    Whole,
    /// Since an item passed, while none is asked for.
    Unasked,
}

/// Runs the stage on a task.
pub(crate) fn awaited<P, X, S>(
    upstream: P,
    time: &X,
    prefetch: NonZeroUsize,
    within: Duration,
    counts: Counts,
    site: Site,
    subscriber: S,
) where
    P: Publisher,
    X: Executor + Clock,
    S: Subscriber<P::Item, TimeoutError<P::Error>>,
{
    on(
        time,
        |bell, context| {
            let feed = feed(upstream, prefetch, bell.clone(), context, site);
            let alarm = Alarm::new(time, bell);
            let until = match counts {
                Counts::Idle | Counts::Whole => alarm.now() + within,
                Counts::Owed | Counts::First | Counts::Unasked => Moment::NEVER,
            };
            let discards = context.discards().clone();
            Awaited { feed, within, counts, until, passed: false, ahead: None, alarm, discards }
        },
        subscriber,
    );
}

struct Awaited<Q: Pull> {
    feed: Feed<Q>,
    within: Duration,
    counts: Counts,
    /// [`NEVER`](Moment::NEVER) while nothing is counted.
    until: Moment,
    /// Whether an item has passed since it rested.
    passed: bool,
    /// An item that was taken to find out whether upstream is over.
    ahead: Option<Q::Item>,
    alarm: Alarm,
    discards: Discards,
}

type Told<Q> = Pulled<<Q as Pull>::Item, TimeoutError<<Q as Pull>::Error>>;

impl<Q: Pull> Awaited<Q> {
    fn told(pulled: Pulled<Q::Item, Q::Error>) -> Told<Q> {
        match pulled {
            Pulled::Item(item) => Pulled::Item(item),
            Pulled::Skipped => Pulled::Skipped,
            Pulled::Pending => Pulled::Pending,
            Pulled::Complete => Pulled::Complete,
            Pulled::Error(error) => Pulled::Error(TimeoutError::Upstream(error)),
        }
    }

    /// Nothing is to be sent now; `owes` says whether an item is asked for.
    #[cold]
    fn rests(&mut self, owes: bool) -> Told<Q> {
        let now = self.alarm.now();
        let passed = std::mem::take(&mut self.passed);
        if passed && self.counts == Counts::First {
            // It has come; no other is counted.
            self.within = Duration::MAX;
        }
        let begins = match self.counts {
            Counts::Whole => false,
            Counts::Idle => passed,
            Counts::Owed | Counts::First => owes && (passed || self.until == Moment::NEVER),
            Counts::Unasked => !owes && passed,
        };
        let ends = match self.counts {
            Counts::Whole | Counts::Idle => false,
            Counts::Owed | Counts::First => !owes,
            Counts::Unasked => owes,
        };
        if begins {
            self.until = now + self.within;
        } else if ends {
            self.until = Moment::NEVER;
        }
        if self.until <= now {
            return self.elapsed();
        }
        self.alarm.rest_until(self.until);
        Pulled::Pending
    }

    fn elapsed(&self) -> Told<Q> {
        let after = self.within;
        Pulled::Error(match self.counts {
            Counts::Owed | Counts::First | Counts::Idle => TimeoutError::Elapsed { after },
            Counts::Whole => TimeoutError::Unfinished { after },
            Counts::Unasked => TimeoutError::Unasked { after },
        })
    }
}

impl<Q: Pull> Pull for Awaited<Q> {
    type Item = Q::Item;
    type Error = TimeoutError<Q::Error>;

    #[inline]
    fn pull(&mut self) -> Told<Q> {
        if self.counts == Counts::Whole && self.alarm.has_come(self.until) {
            return self.elapsed();
        }
        let pulled = match self.ahead.take() {
            Some(item) => Pulled::Item(item),
            None => self.feed.pull(),
        };
        match pulled {
            Pulled::Item(_) => self.passed = true,
            Pulled::Pending => return self.rests(true),
            _ => {}
        }
        Self::told(pulled)
    }

    #[inline]
    fn pull_while(&mut self, mut each: impl FnMut(Q::Item) -> bool) -> Told<Q> {
        // What must be looked at for each item is not in the loop of the others.
        if self.counts == Counts::Whole || self.ahead.is_some() {
            return match self.pull() {
                Pulled::Item(item) => {
                    each(item);
                    Pulled::Skipped
                }
                other => other,
            };
        }
        let mut passed = self.passed;
        let pulled = self.feed.pull_while(|item| {
            passed = true;
            each(item)
        });
        self.passed = passed;
        if matches!(pulled, Pulled::Pending) { self.rests(true) } else { Self::told(pulled) }
    }

    fn look_ahead(&mut self, started: bool) -> Told<Q> {
        if self.counts == Counts::Whole && self.alarm.has_come(self.until) {
            return self.elapsed();
        }
        // Not given to the host, which would not look again, and so not see the time.
        if self.ahead.is_none() {
            match self.feed.look_ahead(started) {
                Pulled::Item(item) => self.ahead = Some(item),
                Pulled::Pending => {}
                other => return Self::told(other),
            }
        }
        self.rests(false)
    }
}

impl<Q: Pull> Drop for Awaited<Q> {
    fn drop(&mut self) {
        if let Some(item) = self.ahead.take() {
            self.discards.discard(item);
        }
    }
}
