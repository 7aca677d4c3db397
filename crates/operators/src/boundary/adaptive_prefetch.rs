//! `adaptive_prefetch`: ask upstream before downstream asks, for as much as is used.

use std::num::NonZeroUsize;

use millstream_blocks::gauge::{Decisions, Gauge, Site};
use millstream_blocks::island::join;
use millstream_blocks::lane::{Outlet, lane};
use millstream_core::{Publisher, Pull, Pulled, Subscriber};

use crate::shape::joined::capacity;

/// As [`prefetch`](crate::PublisherExt::prefetch), for as many items as downstream turns out to need
/// ahead: [`PublisherExt::adaptive_prefetch`](crate::PublisherExt::adaptive_prefetch).
///
/// ```text
///           adaptive_prefetch(2, 8)
/// up    --1-2----------3-4-5-6----   asked for 2 at first
/// down  --------1-2----3-4-5-6----   asks for 6 when two are there, and then there are none:
///                                    from here on 4 are asked for ahead
/// ```
///
/// How many is the *size*: so many items are queued, or asked for and not there yet. It begins as
/// `min`, and never goes below that, or above `max`.
///
/// * It is **doubled** when the queue runs empty while downstream asks for an item, if upstream was
///   ready: at some time since the queue was empty last it had sent all that it was asked for. Both
///   sides have waited for the other then, and more room between them spares that.
/// * It is **halved** when the queue stayed more than three quarters full: each time that upstream was
///   asked for more it owed less than a quarter of the size, until a whole size was asked for so.
///   What is there beyond it is used up before upstream is asked again.
///
/// So it follows what downstream takes at once: one that takes twelve items in a gulp finds twelve,
/// one that takes them singly of an upstream that is as fast finds `min`. An upstream that still owes
/// items when the queue is empty is the slower side, and would be so at any size; that changes nothing.
///
/// No thread is crossed: what follows runs on the thread that sends, or on the one that asks. Where a
/// board [looks](crate::PublisherExt::observed), the size is the limit of its line.
///
/// # Demand
/// `min` when it is subscribed to; after that a quarter of the size, at least 1, each time as many
/// items have left the queue. What is missing to the new size, when it is doubled.
/// # Completion
/// After what is queued; it needs no demand of its own.
/// # Errors
/// After what is queued. A fault does not wait.
/// # Cancellation
/// As downstream's; what is queued is discarded.
/// # Bounds
/// `max` items, for which there is room from the beginning; as many as the size is are held. Four
/// allocations per subscription; none per item.
/// # Panics
/// When `min` is zero or above `max`, or `max` is above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let items = millstream::from_iter(1..=5).adaptive_prefetch(1, 256);
/// assert_eq!(items.collect::<Vec<_>>().block()?, [1, 2, 3, 4, 5]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct AdaptivePrefetch<P> {
    upstream: P,
    min: NonZeroUsize,
    max: NonZeroUsize,
    site: Site,
}

impl<P> AdaptivePrefetch<P> {
    #[track_caller]
    pub(crate) fn new(upstream: P, min: usize, max: usize) -> AdaptivePrefetch<P> {
        let low = capacity("adaptive_prefetch(0, max)", min);
        let high = capacity("adaptive_prefetch(min, 0)", max);
        assert!(
            low <= high,
            "adaptive_prefetch({min}, {max}): the first is the least that is asked for ahead, and \
             must not be above the second, which is the most"
        );
        let site = Site::here("adaptive_prefetch");
        AdaptivePrefetch { upstream, min: low, max: high, site }
    }
}

crate::opaque_debug::opaque_debug!(AdaptivePrefetch<P>, min, max);

impl<P: Publisher> Publisher for AdaptivePrefetch<P> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        join(
            |bell, context| {
                let gauge = bell.gauge(context, self.site, self.max.get());
                let (inlet, outlet) = lane(self.max, bell.clone(), context, gauge.clone());
                self.upstream.subscribe(inlet.asking(self.min));
                let size = Size::new(self.min.get() as u64, self.max.get() as u64);
                let shown = gauge.map(|gauge| Shown::new(gauge, size.now));
                Adapting { outlet: outlet.granting(), size, shown }
            },
            subscriber,
        );
    }
}

struct Adapting<T: 'static, E> {
    outlet: Outlet<T, E>,
    size: Size,
    /// Where somebody looks. After the outlet: its line ends when the queue was closed.
    shown: Option<Box<Shown>>,
}

impl<T: Send + 'static, E: Send + 'static> Adapting<T, E> {
    /// Asks upstream for so many more, if for any.
    #[cold]
    #[inline(never)]
    fn ask(&mut self, more: u64) {
        if let Some(shown) = &mut self.shown {
            shown.show(self.size.now);
        }
        if more > 0 {
            self.outlet.grant(more);
        }
    }
}

impl<T: Send + 'static, E: Send + 'static> Pull for Adapting<T, E> {
    type Item = T;
    type Error = E;

    #[inline]
    fn pull(&mut self) -> Pulled<T, E> {
        loop {
            match self.outlet.pull() {
                Pulled::Item(item) => {
                    if self.size.took() {
                        let more = self.size.refill(self.outlet.len() as u64);
                        self.ask(more);
                    }
                    return Pulled::Item(item);
                }
                Pulled::Pending => match self.size.ran_empty() {
                    0 => return Pulled::Pending,
                    more => self.ask(more),
                },
                other => return other,
            }
        }
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<T, E> {
        self.outlet.look_ahead(started)
    }
}

/// How many items are asked for ahead.
#[derive(Debug)]
struct Size {
    min: u64,
    max: u64,
    now: u64,
    /// Items that are queued, or owed by upstream.
    ahead: u64,
    /// More is asked for when so many are ahead, or fewer.
    low: u64,
    /// Upstream has sent all that it was asked for, at some time since the queue was empty.
    ready: bool,
    /// How many were asked for since the queue was not as full.
    full_for: u64,
}

impl Size {
    fn new(min: u64, max: u64) -> Size {
        let mut size = Size { min, max, now: min, ahead: min, low: 0, ready: false, full_for: 0 };
        size.set(min);
        size
    }

    fn set(&mut self, now: u64) {
        self.now = now;
        self.low = now - (now / 4).max(1);
        self.full_for = 0;
    }

    /// An item has left the queue: whether it is time to [refill](Size::refill) it.
    #[inline]
    fn took(&mut self) -> bool {
        self.ahead = self.ahead.saturating_sub(1);
        self.ahead <= self.low
    }

    /// So many are still queued: how many to ask for.
    fn refill(&mut self, queued: u64) -> u64 {
        let owed = self.ahead.saturating_sub(queued);
        self.ready |= owed == 0;
        let more = self.now - self.ahead;
        self.full_for = if 4 * owed < self.now { self.full_for + more } else { 0 };
        if self.full_for >= self.now && self.now > self.min {
            self.set((self.now / 2).max(self.min));
        }
        self.fill()
    }

    /// The queue is empty, and downstream waits: how many to ask for besides.
    #[cold]
    fn ran_empty(&mut self) -> u64 {
        self.full_for = 0;
        if !std::mem::take(&mut self.ready) || self.now == self.max {
            return 0;
        }
        self.set((2 * self.now).min(self.max));
        self.fill()
    }

    fn fill(&mut self) -> u64 {
        let more = self.now.saturating_sub(self.ahead);
        self.ahead += more;
        more
    }
}

/// The size, on the line of the stage.
struct Shown {
    decisions: Decisions,
    gauge: Gauge,
}

impl Shown {
    fn new(gauge: Gauge, size: u64) -> Box<Shown> {
        let shown = Shown { decisions: Decisions::new(size as f64), gauge };
        shown.gauge.decided(shown.decisions);
        Box::new(shown)
    }

    fn show(&mut self, size: u64) {
        let (before, now) = (self.decisions.limit, size as f64);
        if before != now {
            self.decisions.limit = now;
            self.decisions.raises += u64::from(now > before);
            self.decisions.cuts += u64::from(now < before);
            self.gauge.decided(self.decisions);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever downstream takes and upstream sends, no more than the size is ahead where it was asked
    /// for, and the size stays within its bounds.
    #[test]
    fn the_size_stays_within_its_bounds_and_so_does_what_is_ahead() {
        for (min, max) in [(1, 1), (1, 2), (1, 100), (3, 10), (7, 7), (8, 256)] {
            let mut size = Size::new(min, max);
            let mut queued = 0;
            let mut state = 12_345_u64 + max;
            for _ in 0..100_000 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let (takes, n) = (state >> 62 < 2, (state >> 40) % (2 * max));
                for _ in 0..n {
                    let owed = size.ahead - queued;
                    match (takes, queued, owed) {
                        (false, _, 0) => break,
                        (false, ..) => queued += 1,
                        (true, 0, _) => {
                            size.ran_empty();
                            break;
                        }
                        (true, ..) => {
                            queued -= 1;
                            if size.took() {
                                let before = size.ahead;
                                let more = size.refill(queued);
                                assert_eq!(size.ahead, before + more);
                                assert!(more == 0 || size.ahead == size.now);
                            }
                        }
                    }
                    assert!((min..=max).contains(&size.now), "{size:?}");
                    assert!(size.ahead <= max, "{size:?}");
                    assert!(size.ahead > 0, "upstream is never left without a request: {size:?}");
                }
            }
        }
    }

    /// Downstream takes `gulp` at a time for a while, and what upstream owes comes at once, or, where it
    /// is slow, one by one as downstream waits for it: how often the queue ran empty in the end.
    fn taken_in_gulps(size: &mut Size, gulp: u64, slow: bool) -> u64 {
        let (mut queued, mut empty) = (0, 0);
        for n in 0..1_000 {
            if !slow {
                queued = size.ahead;
            }
            for _ in 0..gulp {
                if queued == 0 {
                    empty += u64::from(n >= 900);
                    size.ran_empty();
                    queued = if slow { 1 } else { size.ahead };
                }
                queued -= 1;
                if size.took() {
                    size.refill(queued);
                }
            }
        }
        empty
    }

    #[test]
    fn it_becomes_as_large_as_what_downstream_takes_at_once_and_small_again() {
        let mut size = Size::new(2, 256);
        for (gulp, becomes) in [(12, 16), (100, 128), (12, 32), (1, 2), (12, 16)] {
            assert_eq!(taken_in_gulps(&mut size, gulp, false), 0, "none waits in the end");
            assert_eq!(size.now, becomes, "by {gulp} at a time");
        }
    }

    #[test]
    fn it_does_not_grow_above_the_most() {
        let mut size = Size::new(3, 20);
        taken_in_gulps(&mut size, 1_000, false);
        assert_eq!(size.now, 20);
    }

    #[test]
    fn a_slow_upstream_is_asked_for_no_more_than_at_first() {
        let mut size = Size::new(2, 256);
        assert_ne!(taken_in_gulps(&mut size, 12, true), 0);
        assert_eq!(size.now, 2);
    }
}
