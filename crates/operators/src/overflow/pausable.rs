//! `pausable`: a stream that is stopped and started from outside.

use std::num::NonZeroU64;

use millstream_blocks::valve::{Valve, valved};
use millstream_core::{Publisher, Subscriber};

/// A stream that is stopped and started from outside, by a [`Valve`]:
/// [`PublisherExt::pausable`](crate::PublisherExt::pausable).
///
/// ```text
///           pausable(&valve, 1)
/// valve ------pause----resume
/// up    --1-2----------3-4-|
/// down  ^r∞-1-2--------3-4-|
/// ```
///
/// While it is paused upstream is asked for nothing, and what downstream asks for is kept; nothing
/// is dropped. What upstream was asked for before still comes, which is `ahead` items at most. Who
/// resumes asks for what was kept, and what is sent for it is sent on that thread, unless upstream
/// sends elsewhere. One valve may stop many streams. When its last handle is dropped it opens; a
/// publisher that was not subscribed to holds one.
///
/// # Demand
/// As downstream's, `ahead` at a time at most; nothing while it is paused.
/// # Completion
/// As upstream.
/// # Errors
/// As upstream.
/// # Cancellation
/// As downstream, paused or not.
/// # Bounds
/// Two counts.
/// # Panics
/// When `ahead` is zero.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
/// use millstream::overflow::Valve;
///
/// let valve = Valve::new();
/// let shuts = valve.clone();
/// let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
/// let sees = seen.clone();
/// let items = millstream::range(1..6).pausable(&valve, 1).inspect(move |n| {
///     sees.lock().unwrap().push(*n);
///     if *n == 3 {
///         shuts.pause();
///     }
/// });
/// let handle = items.subscribe_with(drop, |never| match never {}, || ()).unbounded();
/// assert_eq!(*seen.lock().unwrap(), [1, 2, 3]);
/// valve.resume();
/// assert_eq!(*seen.lock().unwrap(), [1, 2, 3, 4, 5]);
/// # drop(handle);
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Pausable<P> {
    upstream: P,
    valve: Valve,
    ahead: NonZeroU64,
}

impl<P> Pausable<P> {
    #[track_caller]
    pub(crate) fn new(upstream: P, valve: Valve, ahead: usize) -> Pausable<P> {
        let Some(ahead) = NonZeroU64::new(ahead as u64) else {
            panic!(
                "pausable(&valve, 0): upstream is asked for at least 1 item at a time, and 0 was asked for"
            )
        };
        Pausable { upstream, valve, ahead }
    }
}

crate::opaque_debug::opaque_debug!(Pausable<P>, valve, ahead);

impl<P: Publisher> Publisher for Pausable<P> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let Pausable { upstream, valve, ahead } = self;
        upstream.subscribe(valved(subscriber, &valve, ahead));
    }
}
