//! `map_with_resource`: each item through a function that uses a resource.

use millstream_core::{Cause, Fault, More, Pulled};

use crate::guard::Guard;
use crate::shape::stage::{Books, Emit, Step};

/// Each item through a function that uses a resource, which is closed at the end: [`PublisherExt::map_with_resource`](crate::PublisherExt::map_with_resource).
///
/// ```text
///       open                close
///       ╷                   ╷
/// up    --1--2--3-----------|
/// down  --a--b--c-----------d--|   d: what `close` may give
/// ```
///
/// `open` is called once per subscription, before upstream sends anything; `close` exactly once
/// after that, however the stream ends: before downstream is told that it is complete, failed or
/// broken, and when the stream is dropped otherwise.
///
/// # Demand
/// As downstream's. The last item takes a unit of its own: it is held until there is one.
/// # Completion
/// As upstream, after the last item, if `close` gives one.
/// # Errors
/// As upstream. A panic in any of the functions becomes a fault; one in `close` after the end, or
/// at a cancellation, is [reported](millstream_core::on_undelivered).
/// # Cancellation
/// As downstream. The resource is closed, and what `close` gives is dropped.
/// # Bounds
/// Holds the resource, and at most the last item.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let stream = millstream::from_iter([1, 2]).map_with_resource(
///     || vec![0],
///     |seen, n| {
///         seen.push(n);
///         seen.len()
///     },
///     |seen| Some(seen.iter().sum()),
/// );
/// assert_eq!(stream.collect::<Vec<_>>().block()?, [2, 3, 3]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
pub struct MapWithResource<O, R, U, F, C: FnOnce(R) -> Option<U>> {
    unopened: Option<(O, C)>,
    open: Option<Guard<R, Option<U>, C>>,
    f: F,
}

impl<O, R, U, F, C: FnOnce(R) -> Option<U>> MapWithResource<O, R, U, F, C> {
    pub(crate) fn new(open: O, f: F, close: C) -> MapWithResource<O, R, U, F, C> {
        MapWithResource { unopened: Some((open, close)), open: None, f }
    }

    fn close(&mut self) -> Option<U> {
        self.open.take().and_then(|mut guard| guard.release()).flatten()
    }
}

impl<O, R, U, F, C> Clone for MapWithResource<O, R, U, F, C>
where
    O: Clone,
    F: Clone,
    C: FnOnce(R) -> Option<U> + Clone,
{
    fn clone(&self) -> Self {
        // Only a publisher is cloned, and a publisher has not opened anything.
        MapWithResource { unopened: self.unopened.clone(), open: None, f: self.f.clone() }
    }
}

impl<O, R, U, F, C: FnOnce(R) -> Option<U>> std::fmt::Debug for MapWithResource<O, R, U, F, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MapWithResource")
    }
}

impl<T, E, U, R, O, F, C> Step<T, E> for MapWithResource<O, R, U, F, C>
where
    T: Send + 'static,
    E: Send + 'static,
    U: Send + 'static,
    R: Send + 'static,
    O: FnOnce() -> R + Send + 'static,
    F: FnMut(&mut R, T) -> U + Send + 'static,
    C: FnOnce(R) -> Option<U> + Send + 'static,
{
    type Item = U;
    type Error = E;
    type Books = Books<E>;
    const HOLDS: bool = true;

    #[inline]
    fn next(&mut self, item: T) -> Emit<U, T, E> {
        match self.open.as_mut().and_then(Guard::get) {
            Some(resource) => Emit::Item((self.f)(resource, item)),
            None => Emit::Stop(item),
        }
    }

    #[inline]
    fn demand(&mut self, more: More) -> More {
        if let Some((open, close)) = self.unopened.take() {
            self.open = Some(Guard::new(open(), close));
        }
        more
    }

    fn complete(&mut self) -> Pulled<U, E> {
        self.close().map_or(Pulled::Complete, Pulled::Item)
    }

    fn error(&mut self, error: E) -> Pulled<U, E> {
        self.close();
        Pulled::Error(error)
    }

    fn cancelled(&mut self, _: &Cause) {
        self.close();
    }

    fn fault(&mut self, fault: Fault) -> Fault {
        self.close();
        fault
    }
}
