//! `on_discard`: what becomes of items that are never delivered.

use std::marker::PhantomData;
use std::sync::Arc;

use millstream_core::{Context, Discards};

use crate::shape::stage::{Emit, ItemStep, NoBooks};

/// Hands over the items of a type that stages upstream of here take and never deliver:
/// [`PublisherExt::on_discard`](crate::PublisherExt::on_discard).
///
/// ```text
/// filter(even)
/// up    --1--2--3--4--|
/// f       1     3
/// down  -----2-----4--|
/// ```
///
/// # Demand
/// As downstream's.
/// # Completion
/// As upstream.
/// # Errors
/// As upstream. A panic in the function becomes a fault where the stream still runs.
/// # Cancellation
/// As downstream; items that stages upstream hold are handed over too.
/// # Bounds
/// Holds nothing. The one item that a source gave to find out whether it was over is its own, and
/// dropped without a report. A function that panics while another panic unwinds aborts the
/// process, as any destructor does.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// use std::sync::mpsc::channel;
///
/// let (sender, seen) = channel();
/// let numbers = millstream::from_iter(1..=3).filter(|n| n % 2 == 0).on_discard(move |n: i32| sender.send(n).unwrap());
/// numbers.collect::<Vec<_>>().block()?;
/// assert_eq!(seen.iter().collect::<Vec<_>>(), [1, 3]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
pub struct OnDiscard<D, F> {
    f: Arc<F>,
    discarded: PhantomData<fn(D)>,
}

impl<D, F> OnDiscard<D, F> {
    pub(crate) fn new(f: F) -> OnDiscard<D, F> {
        OnDiscard { f: Arc::new(f), discarded: PhantomData }
    }
}

impl<D, F> Clone for OnDiscard<D, F> {
    fn clone(&self) -> Self {
        OnDiscard { f: self.f.clone(), discarded: PhantomData }
    }
}

crate::opaque_debug::opaque_debug!(OnDiscard<D, F>);

impl<T, D, F> ItemStep<T> for OnDiscard<D, F>
where
    T: Send + 'static,
    D: 'static,
    F: Fn(D) + Send + Sync + 'static,
{
    type Item = T;
    type Books<E: Send + 'static> = NoBooks;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<T, T, E> {
        Emit::Item(item)
    }

    fn context(&self, downstream: Context) -> Context {
        let f = self.f.clone();
        let discards = Discards::new(move |item: D| f(item), downstream.discards().clone());
        downstream.with_discards(discards)
    }
}
