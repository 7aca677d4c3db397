//! Kept stages: upstream is taken as it comes, and one item of it is kept until its time.
//!
//! Upstream is never slowed down: what is not kept is discarded, and what is kept is replaced. An
//! item goes when its time has come *and* it is asked for; until then a [`Keep`] decides between
//! it and what comes.
//!
//! * **What is due goes first.** An item that comes at the very moment at which another is due, or
//!   while the stage is late, does not replace it, where that one is asked for.
//! * **Nothing is looked ahead.** While nobody asks, the stage takes as well, but gives nothing:
//!   what is newest must win until it is asked for.
//! * **Others run as well.** It takes so many at a time, and then
//!   [has itself run again](Alarm::again). An upstream that is synchronous is pulled while
//!   downstream asks, as any is: it is not a thing that comes.

use std::num::NonZeroUsize;

use millstream_blocks::bell::Bell;
use millstream_blocks::gauge::{Gauge, Site};
use millstream_core::{Context, Discards, Publisher, Pull, Pulled, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::{Clock, Moment};

use crate::shape::joined::{Feed, feed_on, gauge, on};
use crate::shape::timed::Alarm;

/// Whether downstream has asked for an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Yes,
    No,
}

/// What becomes of the item that is kept when upstream is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Last {
    /// It goes when it is asked for.
    Goes,
    Discarded,
}

/// Which item is kept, and until when.
pub(crate) trait Keep: Send + 'static {
    /// An item came: which one is kept of it and that in `slot`; the other.
    fn came<T>(&mut self, item: T, slot: &mut Option<T>, now: Moment, asked: Asked) -> Option<T>;

    /// From when on the one that is kept may go.
    fn due(&self) -> Moment;

    /// It goes.
    fn went(&mut self, now: Moment) {
        let _ = now;
    }

    /// Upstream is complete.
    fn last(&self, now: Moment) -> Last {
        let _ = now;
        Last::Goes
    }
}

/// How many items are taken at most before others run.
const LOOKS: usize = 32;

/// Runs a kept stage over `upstream`.
pub(crate) fn keep<P, X, K, S>(
    upstream: P,
    time: &X,
    prefetch: NonZeroUsize,
    site: Site,
    keep: impl FnOnce(Moment) -> K,
    subscriber: S,
) where
    P: Publisher,
    X: Executor + Clock,
    K: Keep,
    S: Subscriber<P::Item, P::Error>,
{
    on(
        time,
        |bell, context| {
            let alarm = Alarm::new(time, bell);
            let keep = keep(alarm.now());
            Kept { of: taking(upstream, prefetch, bell, context, site), keep, alarm }
        },
        subscriber,
    );
}

/// An upstream that is taken as it comes, and the item that is kept of it.
pub(crate) struct Taking<Q: Pull> {
    /// Until it is over.
    feed: Option<Feed<Q>>,
    /// An item that one that is synchronous showed when it was asked for its end: comes next.
    ahead: Option<Q::Item>,
    pub(crate) slot: Option<Q::Item>,
    started: bool,
    discards: Discards,
    /// How many were discarded since the gauge was told.
    discarded: u64,
    gauge: Option<Gauge>,
}

/// What there was to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Nothing any more, for now.
    All,
    /// Nothing any more, ever.
    Over,
    /// There may be more.
    Some,
}

/// Subscribes to `upstream`, unless it can be pulled.
pub(crate) fn taking<P: Publisher>(
    upstream: P,
    prefetch: NonZeroUsize,
    bell: &Bell,
    context: &Context,
    site: Site,
) -> Taking<impl Pull<Item = P::Item, Error = P::Error> + use<P>> {
    let gauge = gauge(upstream.pulls(), bell, context, site, prefetch.get());
    let feed = feed_on(gauge.clone(), upstream, prefetch, bell.clone(), context);
    let discards = context.discards().clone();
    Taking {
        feed: Some(feed),
        ahead: None,
        slot: None,
        started: false,
        discards,
        discarded: 0,
        gauge,
    }
}

impl<Q: Pull> Taking<Q> {
    pub(crate) fn is_over(&self) -> bool {
        self.feed.is_none()
    }

    /// No more of it is wanted: it is cancelled. What is kept stays.
    pub(crate) fn leave(&mut self) {
        self.feed = None;
        let ahead = self.ahead.take();
        self.discard(ahead);
    }

    /// Whether it is synchronous.
    pub(crate) fn is_pulled(&self) -> bool {
        self.feed.as_ref().is_some_and(Feed::is_pulled)
    }

    /// Takes one item, and hands it to `came`, which answers what is discarded of what there is.
    pub(crate) fn take(
        &mut self,
        came: impl FnOnce(Q::Item, &mut Option<Q::Item>) -> Option<Q::Item>,
    ) -> Result<Taken, Q::Error> {
        let Some(feed) = &mut self.feed else { return Ok(Taken::Over) };
        self.started = true;
        let pulled = self.ahead.take().map_or_else(|| feed.pull(), Pulled::Item);
        self.took(pulled, came)
    }

    /// Asks one that is synchronous for its end.
    pub(crate) fn look(&mut self) -> Result<Taken, Q::Error> {
        let Some(feed) = &mut self.feed else { return Ok(Taken::Over) };
        if self.ahead.is_some() {
            return Ok(Taken::All);
        }
        match feed.look_ahead(self.started) {
            Pulled::Item(item) => {
                self.ahead = Some(item);
                Ok(Taken::All)
            }
            other => self.took(other, |item, _| Some(item)),
        }
    }

    fn took(
        &mut self,
        pulled: Pulled<Q::Item, Q::Error>,
        came: impl FnOnce(Q::Item, &mut Option<Q::Item>) -> Option<Q::Item>,
    ) -> Result<Taken, Q::Error> {
        match pulled {
            Pulled::Item(item) => {
                let rest = came(item, &mut self.slot);
                self.discard(rest);
                Ok(Taken::Some)
            }
            Pulled::Skipped => Ok(Taken::Some),
            Pulled::Pending => Ok(Taken::All),
            Pulled::Complete => {
                self.feed = None;
                Ok(Taken::Over)
            }
            Pulled::Error(error) => {
                let kept = self.slot.take();
                self.discard(kept);
                self.feed = None;
                Err(error)
            }
        }
    }

    pub(crate) fn discard(&mut self, item: Option<Q::Item>) {
        if let Some(item) = item {
            self.discarded += 1;
            self.discards.discard(item);
        }
    }

    /// Tells the gauge.
    pub(crate) fn rest(&mut self) {
        let discarded = std::mem::take(&mut self.discarded);
        if discarded > 0
            && let Some(gauge) = &self.gauge
        {
            gauge.discarded(discarded);
        }
    }
}

impl<Q: Pull> Drop for Taking<Q> {
    fn drop(&mut self) {
        for left in [self.slot.take(), self.ahead.take()] {
            self.discard(left);
        }
        self.rest();
    }
}

struct Kept<Q: Pull, K> {
    of: Taking<Q>,
    keep: K,
    alarm: Alarm,
}

impl<Q: Pull, K: Keep> Kept<Q, K> {
    fn run(&mut self, asked: Asked) -> Pulled<Q::Item, Q::Error> {
        let now = self.alarm.now();
        for _ in 0..LOOKS {
            let due = self.of.is_over() || self.keep.due() <= now;
            if asked == Asked::Yes
                && due
                && let Some(item) = self.of.slot.take()
            {
                self.keep.went(now);
                return Pulled::Item(item);
            }
            let Kept { of, keep, .. } = self;
            match of.take(|item, slot| keep.came(item, slot, now, asked)) {
                Ok(Taken::Some) => {}
                Ok(Taken::All) => {
                    self.rest(asked);
                    return Pulled::Pending;
                }
                Ok(Taken::Over) => match self.over(now, asked) {
                    Some(pulled) => return pulled,
                    None => continue,
                },
                Err(error) => return Pulled::Error(error),
            }
        }
        self.of.rest();
        Pulled::Skipped
    }

    /// Upstream is complete; `None` where there is an item to be sent.
    fn over(&mut self, now: Moment, asked: Asked) -> Option<Pulled<Q::Item, Q::Error>> {
        if self.of.slot.is_some() && self.keep.last(now) == Last::Discarded {
            let kept = self.of.slot.take();
            self.of.discard(kept);
        }
        match (&self.of.slot, asked) {
            (None, _) => Some(Pulled::Complete),
            (Some(_), Asked::Yes) => None,
            (Some(_), Asked::No) => {
                self.rest(asked);
                Some(Pulled::Pending)
            }
        }
    }

    /// Only for what is kept and asked for is there a time to wait for.
    fn rest(&mut self, asked: Asked) {
        let waits = asked == Asked::Yes && self.of.slot.is_some();
        self.alarm.rest_until(if waits { self.keep.due() } else { Moment::NEVER });
        self.of.rest();
    }
}

impl<Q: Pull, K: Keep> Pull for Kept<Q, K> {
    type Item = Q::Item;
    type Error = Q::Error;

    fn pull(&mut self) -> Pulled<Q::Item, Q::Error> {
        self.run(Asked::Yes)
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<Q::Item, Q::Error> {
        if self.of.is_pulled() {
            match self.of.look() {
                Ok(Taken::Over) => {}
                Ok(Taken::Some) => return Pulled::Skipped,
                Ok(Taken::All) => {
                    self.rest(Asked::No);
                    return Pulled::Pending;
                }
                Err(error) => return Pulled::Error(error),
            }
        }
        match self.run(Asked::No) {
            Pulled::Skipped => {
                self.alarm.again();
                Pulled::Pending
            }
            other => other,
        }
    }
}
