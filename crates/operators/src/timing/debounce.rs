//! `debounce`: an item once it has been quiet for some time.

use std::num::NonZeroUsize;
use std::time::Duration;

use millstream_blocks::gauge::Site;
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::{Clock, Moment};

use crate::shape::joined::capacity;
use crate::shape::kept::{Asked, Keep, keep};
use crate::timing::some_time;

/// An item once no other has come for some time:
/// [`PublisherExt::debounce`](crate::PublisherExt::debounce).
///
/// ```text
///         debounce(time, 16, 3 s)
/// up    --1-2-3--------4-5|
/// down  ---------3--------5|
/// ```
///
/// What another follows too soon is discarded. An item that comes at the very moment at which it
/// has been quiet for long enough is the next one: the one before goes. One whose time has come and
/// that nobody has asked for is kept until it is asked for, or until another comes.
///
/// # Demand
/// Items are taken as they come, `prefetch` of them asked for ahead. An upstream that is synchronous
/// is pulled while downstream asks.
/// # Completion
/// As upstream. The item that is kept goes before, without waiting for its time.
/// # Errors
/// As upstream, at once: the item that is kept is discarded.
/// # Cancellation
/// On the executor: upstream is cancelled, and what is kept and queued is discarded, when the task
/// runs next.
/// # Bounds
/// One item, and `prefetch` where upstream is not synchronous. One timer, which is set while an item
/// is kept and asked for.
/// # Panics
/// When `prefetch` is zero, or above 2<sup>24</sup>; when the time is zero.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use millstream::prelude::*;
/// use millstream_testkit::{Behaviour, VirtualTime, probe};
///
/// let time = VirtualTime::new(1);
/// let (keys, typed) = millstream::channel(4);
/// let searches = typed.debounce(time.clone(), 4, Duration::from_millis(300));
/// let seen = probe(searches, Behaviour::new().initially(10));
/// for text in ["m", "mi", "mil"] {
///     assert!(keys.try_send(text).is_ok());
///     time.advance(Duration::from_millis(100));
/// }
/// time.advance(Duration::from_millis(200));
/// seen.assert_items(&["mil"]);
/// # seen.cancel();
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Debounce<P, X> {
    upstream: P,
    time: X,
    prefetch: NonZeroUsize,
    quiet: Duration,
    site: Site,
}

impl<P, X> Debounce<P, X> {
    #[track_caller]
    pub(crate) fn new(upstream: P, time: X, prefetch: usize, quiet: Duration) -> Debounce<P, X> {
        let prefetch = capacity("debounce(time, 0, quiet)", prefetch);
        some_time("debounce(time, prefetch, 0): every item is followed by some quiet", quiet);
        Debounce { upstream, time, prefetch, quiet, site: Site::here("debounce") }
    }
}

crate::opaque_debug::opaque_debug!(Debounce<P, X>, prefetch, quiet);

impl<P: Publisher, X: Executor + Clock> Publisher for Debounce<P, X> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let Debounce { upstream, time, prefetch, quiet, site } = self;
        let keeps = |_| Quiet { quiet, due: Moment::NEVER };
        keep(upstream, &time, prefetch, site, keeps, subscriber);
    }
}

/// The newest, until nothing has come after it for some time.
struct Quiet {
    quiet: Duration,
    due: Moment,
}

impl Keep for Quiet {
    fn came<T>(&mut self, item: T, slot: &mut Option<T>, now: Moment, _: Asked) -> Option<T> {
        self.due = now + self.quiet;
        slot.replace(item)
    }

    fn due(&self) -> Moment {
        self.due
    }
}
