//! `stateful_map`: each item with a state, which may give a last item.

use millstream_core::Pulled;

use crate::shape::stage::{Books, Emit, ItemStep};

/// Each item with a state, which may give a last item: [`PublisherExt::stateful_map`](crate::PublisherExt::stateful_map).
///
/// ```text
/// up    --1--2--3--|
/// down  --a--b--c--d--|         d: what `on_complete` makes of the state
/// ```
///
/// `create` is called once per subscription, before the first item, or at the end where there is none.
///
/// # Demand
/// As downstream's. The last item takes a unit of its own: it is held until there is one.
/// # Completion
/// As upstream, after the last item, if `on_complete` gives one.
/// # Errors
/// As upstream; the state is dropped. A panic in any of the functions becomes a fault.
/// # Cancellation
/// As downstream. The state is dropped, without `on_complete`.
/// # Bounds
/// Holds the state, and at most the last item.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// // The difference of each item to the one before, and the sum at the end.
/// let stream = millstream::from_iter([3, 5, 9]).stateful_map(
///     || (0, 0),
///     |(last, sum), n| {
///         *sum += n;
///         n - std::mem::replace(last, n)
///     },
///     |(_, sum)| Some(sum),
/// );
/// assert_eq!(stream.collect::<Vec<_>>().block()?, [3, 2, 4, 17]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct StatefulMap<C, S, F, D> {
    create: Option<C>,
    state: Option<S>,
    f: F,
    on_complete: Option<D>,
}

impl<C, S, F, D> StatefulMap<C, S, F, D> {
    pub(crate) fn new(create: C, f: F, on_complete: D) -> StatefulMap<C, S, F, D> {
        StatefulMap { create: Some(create), state: None, f, on_complete: Some(on_complete) }
    }

    #[inline]
    fn state(&mut self) -> Option<&mut S>
    where
        C: FnOnce() -> S,
    {
        if let Some(create) = self.create.take() {
            self.state = Some(create());
        }
        self.state.as_mut()
    }
}

crate::opaque_debug::opaque_debug!(StatefulMap<C, S, F, D>);

impl<T, U, C, S, F, D> ItemStep<T> for StatefulMap<C, S, F, D>
where
    T: Send + 'static,
    U: Send + 'static,
    S: Send + 'static,
    C: FnOnce() -> S + Send + 'static,
    F: FnMut(&mut S, T) -> U + Send + 'static,
    D: FnOnce(S) -> Option<U> + Send + 'static,
{
    type Item = U;
    type Books<E: Send + 'static> = Books<E>;
    const HOLDS: bool = true;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<U, T, E> {
        self.state();
        match &mut self.state {
            Some(state) => Emit::Item((self.f)(state, item)),
            None => Emit::Stop(item),
        }
    }

    fn complete<E>(&mut self) -> Pulled<U, E> {
        self.state();
        match self.state.take().zip(self.on_complete.take()) {
            Some((state, on_complete)) => on_complete(state).map_or(Pulled::Complete, Pulled::Item),
            None => Pulled::Complete,
        }
    }
}
