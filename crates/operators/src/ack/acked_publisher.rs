//! `AckedPublisher`: the operators that see to it that each envelope is settled.

use std::borrow::Cow;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;

use millstream_core::Publisher;
use millstream_executors::Executor;

use crate::PublisherExt;
use crate::ack::commits::Committed;
use crate::ack::{AckError, Acked, Settling};
use crate::board::Board;
use crate::end::{Drain, ForEachConcurrent};
use crate::shape::end::Run;
use crate::transform::FromUpstream;

/// A publisher of [envelopes](Acked), with the operators that see to it that each is settled, in the
/// order of the source where that matters.
///
/// It is no [`Publisher`], so that no other operator is there. What an operator does to the items is
/// what the one of the same name does in [`PublisherExt`], and its demand, ends and bounds are those;
/// the functions see the items, and never the envelopes.
///
/// ```text
///              acked(4, tag)…
/// up           --1--------2--------3---|
///              map_or_nack: the 2 is refused; filter: the 3 is skipped
/// down         --1---------------------|
///              for_each(f)
/// ack            1✓       2✗       3✓
/// ```
///
/// | | what becomes of the envelope |
/// |---|---|
/// | [`map`](AckedPublisher::map), [`map_async`](AckedPublisher::map_async), [`then`](AckedPublisher::then), [`inspect`](AckedPublisher::inspect) | goes on with what the function gave |
/// | [`filter`](AckedPublisher::filter), [`filter_map`](AckedPublisher::filter_map) | acknowledged where the item is skipped |
/// | [`map_or_nack`](AckedPublisher::map_or_nack) | refused where the function says so |
/// | [`try_map`](AckedPublisher::try_map), [`try_for_each`](AckedPublisher::try_for_each) | dropped, where the function fails and the stream with it |
/// | [`chunks`](AckedPublisher::chunks) | one for the whole chunk |
/// | [`concat_map_iter`](AckedPublisher::concat_map_iter) | one for each child; the parent is acknowledged when all are, and refused when one is |
/// | [`take`](AckedPublisher::take), [`take_while`](AckedPublisher::take_while) | dropped, what is not taken |
/// | [`for_each`](AckedPublisher::for_each), [`for_each_concurrent`](AckedPublisher::for_each_concurrent), [`drain`](AckedPublisher::drain) | acknowledged when the function is done |
///
/// An envelope that is dropped, because the stream is cancelled or fails or a function panics, was
/// not acknowledged: its item is delivered again, to whoever begins again from what was committed.
///
/// The ends wait, when the stream is over, until what was acknowledged is committed; they fail where
/// that fails. Dropping one cancels the stream, and waits for nothing.
///
/// # What is not there
/// Operators that would let one item overtake another, as it could then be committed before it:
///
/// ```compile_fail,E0599
/// # use millstream::prelude::*;
/// # use millstream::executor::CurrentThread;
/// # let executor = CurrentThread::new();
/// let acked = millstream::from_iter(1..=3).acked(4, |n| *n).commit_in_order(4, |_| Ok::<_, String>(()));
/// acked.map_async_unordered(executor.handle(), 2, |n| async move { n });
/// ```
///
/// ```compile_fail,E0599
/// # use millstream::prelude::*;
/// let acked = millstream::from_iter(1..=3).acked(4, |n| *n).commit_in_order(4, |_| Ok::<_, String>(()));
/// acked.flat_map_unordered(2, 1, |n| millstream::just(n));
/// ```
///
/// ```compile_fail,E0599
/// # use millstream::prelude::*;
/// let acked = |from| millstream::from_iter(from..).acked(4, |n| *n).commit_in_order(4, |_| Ok::<_, String>(()));
/// acked(1).merge(acked(2), 1);
/// ```
///
/// Operators that drop items as if they had never been there, or keep them:
///
/// ```compile_fail,E0599
/// # use millstream::prelude::*;
/// let acked = millstream::from_iter(1..=3).acked(4, |n| *n).commit_in_order(4, |_| Ok::<_, String>(()));
/// acked.skip(1);
/// ```
///
/// ```compile_fail,E0599
/// # use millstream::prelude::*;
/// let acked = millstream::from_iter(1..=3).acked(4, |n| *n).commit_in_order(4, |_| Ok::<_, String>(()));
/// acked.collect::<Vec<_>>();
/// ```
///
/// And it cannot be subscribed to, which would be all of that at once:
///
/// ```compile_fail,E0277
/// # use millstream::prelude::*;
/// let acked = millstream::from_iter(1..=3).acked(4, |n| *n).commit_in_order(4, |_| Ok::<_, String>(()));
/// fn items(publisher: impl Publisher) {}
/// items(acked);
/// ```
///
/// [`into_unguarded`](AckedPublisher::into_unguarded) is the way out.
///
/// # Examples
/// ```
/// use millstream::executor::Pool;
/// use millstream::prelude::*;
///
/// let pool = Pool::new(2);
/// let (committed, commits) = std::sync::mpsc::channel();
/// millstream::from_iter(1..=1000_u64)
///     .acked(64, |offset| *offset)
///     .commit_in_order(usize::MAX, move |offset| committed.send(offset))
///     .filter(|n| n % 7 != 0)                             // acknowledged, and gone
///     .map_async(pool.handle(), 8, |n| async move { n })  // in order
///     .chunks(10)                                         // acknowledged together
///     .for_each_concurrent(pool.handle(), 4, |_rows| async {}) // in whatever order
///     .block()?;
/// assert_eq!(commits.iter().last(), Some(1000)); // committed in order
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "FlowWithContext", alias = "SourceWithContext")]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct AckedPublisher<P> {
    publisher: P,
    books: Books,
    /// How many items of the source an item here may stand for.
    stands_for: usize,
    /// Whether an item may be acknowledged above, and not arrive here.
    skips: bool,
}

/// What an [`AckedPublisher`] knows of the books of its source.
pub(crate) struct Books {
    pub(crate) committed: Option<Committed>,
    /// How many items may be open.
    pub(crate) window: usize,
    /// How many may be acknowledged behind one that is open.
    pub(crate) max_deferred: usize,
}

impl<P> fmt::Debug for AckedPublisher<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AckedPublisher")
            .field("window", &self.books.window)
            .field("max_deferred", &self.books.max_deferred)
            .finish_non_exhaustive()
    }
}

impl<P> AckedPublisher<P> {
    pub(crate) fn with(publisher: P, books: Books) -> AckedPublisher<P> {
        AckedPublisher { publisher, books, stands_for: 1, skips: false }
    }

    #[track_caller]
    fn over<Q>(self, operator: impl FnOnce(P) -> Q) -> AckedPublisher<Q> {
        let AckedPublisher { publisher, books, stands_for, skips } = self;
        AckedPublisher { publisher: operator(publisher), books, stands_for, skips }
    }

    /// By an operator that may acknowledge an item.
    fn skipping<Q>(self, operator: impl FnOnce(P) -> Q) -> AckedPublisher<Q> {
        AckedPublisher { skips: true, ..self.over(operator) }
    }
}

impl<P, T, E> AckedPublisher<P>
where
    P: Publisher<Item = Acked<T>, Error = AckError<E>>,
    T: Send + 'static,
    E: Send + 'static,
{
    /// The envelopes of somebody else, in the order in which they are to be acknowledged: a source that
    /// has a window of its own.
    ///
    /// ```
    /// use millstream::ack::{Ack, AckError, Acked, AckedPublisher};
    /// use millstream::prelude::*;
    ///
    /// let (told, hears) = std::sync::mpsc::channel();
    /// let envelopes = millstream::from_iter(1..=3_u32).map(move |n| {
    ///     let told = told.clone();
    ///     Acked::new(n, Ack::with(move |verdict| told.send((n, verdict.is_ok())).unwrap()))
    /// });
    /// let acked = AckedPublisher::from_envelopes(envelopes.map_err(AckError::Stream));
    /// acked.take(2).for_each(|n| println!("{n}")).block()?;
    /// assert_eq!(hears.iter().collect::<Vec<_>>(), [(1, true), (2, true)]);
    /// # Ok::<(), millstream::Failure<AckError<std::convert::Infallible>>>(())
    /// ```
    pub fn from_envelopes(publisher: P) -> AckedPublisher<P> {
        let (window, max_deferred) = (usize::MAX, usize::MAX);
        AckedPublisher::with(publisher, Books { committed: None, window, max_deferred })
    }

    /// The envelopes as an ordinary publisher, on which every operator is there: nothing keeps their
    /// order any more, nothing sees to it that each is settled, and no end waits for the last commit.
    ///
    /// An envelope that is dropped is refused, and one that is kept keeps its place in the window.
    ///
    /// ```
    /// use millstream::prelude::*;
    ///
    /// let (told, hears) = std::sync::mpsc::channel();
    /// let acked = millstream::from_iter(1..=4_u32)
    ///     .acked(4, |n| *n)
    ///     .settle_each(move |n, verdict| told.send((n, verdict.is_ok())));
    /// let last = acked.into_unguarded().take_last(2).map(|envelope| envelope.ack());
    /// assert_eq!(last.collect::<Vec<_>>().block()?, [3, 4]);
    /// assert_eq!(hears.iter().collect::<Vec<_>>(), [(1, false), (2, false), (3, true), (4, true)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "asSource", alias = "asFlow", alias = "into_inner")]
    pub fn into_unguarded(self) -> P {
        self.publisher
    }

    /// Each item through a function.
    pub fn map<U, F>(
        self,
        mut f: F,
    ) -> AckedPublisher<impl Publisher<Item = Acked<U>, Error = AckError<E>> + use<P, T, E, U, F>>
    where
        U: Send + 'static,
        F: FnMut(T) -> U + Send + 'static,
    {
        self.over(|publisher| publisher.map(move |envelope: Acked<T>| envelope.map(&mut f)))
    }

    /// Each item through a function that can fail, and the stream with it.
    #[doc(alias = "map_ok", alias = "and_then")]
    pub fn try_map<U, G, F, How>(
        self,
        mut f: F,
    ) -> AckedPublisher<
        impl Publisher<Item = Acked<U>, Error = AckError<G>> + use<P, T, E, U, G, F, How>,
    >
    where
        U: Send + 'static,
        G: FromUpstream<E, How> + Send + 'static,
        F: FnMut(T) -> Result<U, G> + Send + 'static,
        How: 'static,
    {
        self.over(|publisher| {
            publisher.map_err(|error| error.map(G::from_upstream)).try_map(
                move |envelope: Acked<T>| {
                    let (item, ack) = envelope.split();
                    Ok(Acked::new(f(item).map_err(AckError::Stream)?, ack))
                },
            )
        })
    }

    /// Each item through a function that may refuse it, for a reason: it is not acknowledged, and the
    /// source says what follows from that.
    ///
    /// What an asynchronous function refuses comes out of [`map_async`](AckedPublisher::map_async) as a
    /// `Result`, and goes through `map_or_nack(|result| result)`.
    #[doc(alias = "handle")]
    pub fn map_or_nack<U, R, F>(
        self,
        mut f: F,
    ) -> AckedPublisher<impl Publisher<Item = Acked<U>, Error = AckError<E>> + use<P, T, E, U, R, F>>
    where
        U: Send + 'static,
        R: Into<Box<dyn Error + Send + Sync>> + 'static,
        F: FnMut(T) -> Result<U, R> + Send + 'static,
    {
        self.skipping(|publisher| {
            publisher.filter_map(move |envelope: Acked<T>| {
                let (item, ack) = envelope.split();
                match f(item) {
                    Ok(item) => Some(Acked::new(item, ack)),
                    Err(reason) => {
                        ack.nack(reason);
                        None
                    }
                }
            })
        })
    }

    /// The items that pass a test. The others are acknowledged.
    pub fn filter<F>(
        self,
        mut f: F,
    ) -> AckedPublisher<impl Publisher<Item = Acked<T>, Error = AckError<E>> + use<P, T, E, F>>
    where
        F: FnMut(&T) -> bool + Send + 'static,
    {
        self.skipping(|publisher| {
            publisher.filter_map(move |envelope: Acked<T>| {
                if f(envelope.get()) {
                    return Some(envelope);
                }
                drop(envelope.ack());
                None
            })
        })
    }

    /// Each item through a function that may drop it. One that it drops is acknowledged.
    #[doc(alias = "mapNotNull", alias = "collect")]
    pub fn filter_map<U, F>(
        self,
        mut f: F,
    ) -> AckedPublisher<impl Publisher<Item = Acked<U>, Error = AckError<E>> + use<P, T, E, U, F>>
    where
        U: Send + 'static,
        F: FnMut(T) -> Option<U> + Send + 'static,
    {
        self.skipping(|publisher| {
            publisher.filter_map(move |envelope: Acked<T>| {
                let (item, ack) = envelope.split();
                let Some(item) = f(item) else {
                    ack.ack();
                    return None;
                };
                Some(Acked::new(item, ack))
            })
        })
    }

    /// A function sees each item.
    #[doc(alias = "doOnNext", alias = "wireTap")]
    pub fn inspect<F>(
        self,
        mut f: F,
    ) -> AckedPublisher<impl Publisher<Item = Acked<T>, Error = AckError<E>> + use<P, T, E, F>>
    where
        F: FnMut(&T) + Send + 'static,
    {
        self.over(|publisher| publisher.inspect(move |envelope: &Acked<T>| f(envelope.get())))
    }

    /// The first `n` items. What came behind them is not acknowledged.
    #[doc(alias = "limit")]
    pub fn take(
        self,
        n: u64,
    ) -> AckedPublisher<impl Publisher<Item = Acked<T>, Error = AckError<E>> + use<P, T, E>> {
        self.over(|publisher| publisher.take(n))
    }

    /// The items up to the first that fails a test. That one is not acknowledged.
    pub fn take_while<F>(
        self,
        mut f: F,
    ) -> AckedPublisher<impl Publisher<Item = Acked<T>, Error = AckError<E>> + use<P, T, E, F>>
    where
        F: FnMut(&T) -> bool + Send + 'static,
    {
        self.over(|publisher| publisher.take_while(move |envelope: &Acked<T>| f(envelope.get())))
    }

    /// Items in groups of `size`, acknowledged and refused together. Two allocations for each group.
    ///
    /// A chunk is full when upstream has sent enough, and until then its items are open.
    ///
    /// # Panics
    /// When `size` is zero; and where a chunk might never be full, and the stream stand still: when the
    /// window has no room for a whole one; and behind an operator that acknowledges what it skips, when
    /// what is skipped behind the first item of a chunk is bounded, by `max_deferred`.
    #[doc(alias = "buffer", alias = "grouped")]
    #[track_caller]
    pub fn chunks(
        self,
        size: usize,
    ) -> AckedPublisher<impl Publisher<Item = Acked<Vec<T>>, Error = AckError<E>> + use<P, T, E>>
    {
        let whole = self.stands_for.saturating_mul(size);
        let Books { window, max_deferred, .. } = self.books;
        assert!(
            whole <= window,
            "chunks({size}): a chunk stands for up to {whole} items of the source, and at most \
             {window} may be open; use acked({whole}, tag)",
        );
        assert!(
            whole == 1 || !self.skips || max_deferred == usize::MAX,
            "chunks({size}): while a chunk is not full, what is skipped behind its first item is not \
             committed, and at most {max_deferred} may be: it might never be full; use \
             commit_in_order(usize::MAX, commit), or skip items behind it",
        );
        let chunks = self.over(|publisher| publisher.chunks(size).map(Acked::all));
        AckedPublisher { stands_for: whole, ..chunks }
    }

    /// Each item becomes the items of an iterator. It is acknowledged when all of these are, and at
    /// once where there are none. No allocation.
    #[doc(alias = "mapConcat", alias = "flatMapIterable", alias = "flat_map_iter")]
    pub fn concat_map_iter<I, F>(
        self,
        mut f: F,
    ) -> AckedPublisher<
        impl Publisher<Item = Acked<I::Item>, Error = AckError<E>> + use<P, T, E, I, F>,
    >
    where
        I: IntoIterator<IntoIter: Send + 'static, Item: Send + 'static>,
        F: FnMut(T) -> I + Send + 'static,
    {
        self.skipping(|publisher| {
            publisher.concat_map_iter(move |envelope: Acked<T>| {
                envelope.map(|item| f(item).into_iter()).each()
            })
        })
    }

    /// Each item through a future, `limit` at a time, in order. See
    /// [`MapAsync`](crate::flatten::MapAsync).
    ///
    /// # Panics
    /// When `limit` is zero, or above 2<sup>24</sup>.
    #[doc(alias = "mapAsync", alias = "buffered", alias = "flatMapSequential")]
    #[track_caller]
    pub fn map_async<X, U, Fut, F>(
        self,
        executor: X,
        limit: usize,
        mut f: F,
    ) -> AckedPublisher<
        impl Publisher<Item = Acked<U>, Error = AckError<E>> + use<P, T, E, X, U, Fut, F>,
    >
    where
        X: Executor,
        U: Send + 'static,
        F: FnMut(T) -> Fut + Send + 'static,
        Fut: Future<Output = U> + Send + 'static,
    {
        let AckedPublisher { publisher, books, stands_for, skips } = self;
        AckedPublisher {
            publisher: publisher
                .map_async(executor, limit, move |envelope| in_envelope(envelope, &mut f)),
            books,
            stands_for,
            skips,
        }
    }

    /// Each item through a future, one at a time, as downstream asks. See
    /// [`Then`](crate::flatten::Then).
    #[doc(alias = "concatMap")]
    #[track_caller]
    pub fn then<X, U, Fut, F>(
        self,
        executor: X,
        mut f: F,
    ) -> AckedPublisher<
        impl Publisher<Item = Acked<U>, Error = AckError<E>> + use<P, T, E, X, U, Fut, F>,
    >
    where
        X: Executor,
        U: Send + 'static,
        F: FnMut(T) -> Fut + Send + 'static,
        Fut: Future<Output = U> + Send + 'static,
    {
        let AckedPublisher { publisher, books, stands_for, skips } = self;
        AckedPublisher {
            publisher: publisher.then(executor, move |envelope| in_envelope(envelope, &mut f)),
            books,
            stands_for,
            skips,
        }
    }

    /// What follows runs on an executor, behind a queue. See
    /// [`PublishOn`](crate::boundary::PublishOn). What is in the queue is open.
    ///
    /// # Panics
    /// When `capacity` is zero, or above 2<sup>24</sup>.
    #[doc(alias = "observeOn", alias = "publishOn")]
    #[track_caller]
    pub fn publish_on<X: Executor>(
        self,
        executor: X,
        capacity: usize,
    ) -> AckedPublisher<impl Publisher<Item = Acked<T>, Error = AckError<E>> + use<P, T, E, X>>
    {
        let AckedPublisher { publisher, books, stands_for, skips } = self;
        AckedPublisher {
            publisher: publisher.publish_on(executor, capacity),
            books,
            stands_for,
            skips,
        }
    }

    /// What comes before is subscribed to and asked on an executor. See
    /// [`SubscribeOn`](crate::boundary::SubscribeOn).
    #[doc(alias = "subscribeOn")]
    pub fn subscribe_on<X: Executor>(
        self,
        executor: X,
    ) -> AckedPublisher<impl Publisher<Item = Acked<T>, Error = AckError<E>> + use<P, T, E, X>>
    {
        self.over(|publisher| publisher.subscribe_on(executor))
    }

    /// The nearest boundary above has a name. See [`Named`](crate::effect::Named).
    pub fn named<N>(
        self,
        name: N,
    ) -> AckedPublisher<impl Publisher<Item = Acked<T>, Error = AckError<E>> + use<P, T, E, N>>
    where
        N: Into<Cow<'static, str>>,
    {
        let name = name.into();
        self.over(|publisher| publisher.named(name))
    }

    /// The boundaries above are listed on a board. See [`Observed`](crate::effect::Observed).
    pub fn observed(
        self,
        board: &Board,
    ) -> AckedPublisher<impl Publisher<Item = Acked<T>, Error = AckError<E>> + use<P, T, E>> {
        self.over(|publisher| publisher.observed(board))
    }

    /// A function for each item, which is acknowledged when it has returned.
    #[doc(alias = "runForeach", alias = "subscribe")]
    #[track_caller]
    pub fn for_each<F>(
        self,
        mut f: F,
    ) -> Run<
        Settling<impl Publisher<Item = Infallible, Error = AckError<E>> + use<P, T, E, F>>,
        Drain,
        (),
        AckError<E>,
    >
    where
        F: FnMut(T) + Send + 'static,
    {
        let settled = self.publisher.filter_map(move |envelope: Acked<T>| {
            let (item, ack) = envelope.split();
            f(item);
            ack.ack();
            None
        });
        Run::new(Settling::new(settled, self.books.committed), Drain::default())
    }

    /// A function for each item, up to its first failure. An item is acknowledged when it has returned
    /// without one.
    #[track_caller]
    pub fn try_for_each<F>(
        self,
        mut f: F,
    ) -> Run<
        Settling<impl Publisher<Item = Infallible, Error = AckError<E>> + use<P, T, E, F>>,
        Drain,
        (),
        AckError<E>,
    >
    where
        F: FnMut(T) -> Result<(), E> + Send + 'static,
    {
        let settled = self.publisher.try_map(move |envelope: Acked<T>| {
            let (item, ack) = envelope.split();
            f(item).map_err(AckError::Stream)?;
            ack.ack();
            Ok(())
        });
        let settled = settled.filter_map(|()| None);
        Run::new(Settling::new(settled, self.books.committed), Drain::default())
    }

    /// An asynchronous function for each item, `limit` at a time: an item is acknowledged when its
    /// future is done. They are committed in order, whichever is done first. See
    /// [`ForEachConcurrent`](crate::end::ForEachConcurrent).
    ///
    /// # Panics
    /// When `limit` is zero, or above 2<sup>24</sup>.
    #[doc(alias = "for_each_async", alias = "foreachAsync")]
    #[track_caller]
    pub fn for_each_concurrent<X, Fut, F>(
        self,
        executor: X,
        limit: usize,
        mut f: F,
    ) -> Run<
        Settling<impl Publisher<Item = Infallible, Error = AckError<E>> + use<P, T, E, X, Fut, F>>,
        Drain,
        (),
        AckError<E>,
    >
    where
        X: Executor,
        F: FnMut(T) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let f = move |envelope: Acked<T>| {
            let (item, ack) = envelope.split();
            let future = f(item);
            async move {
                future.await;
                ack.ack();
            }
        };
        let settled = ForEachConcurrent::new(self.publisher, executor, limit, f);
        let settled = settled.filter_map(|()| None);
        Run::new(Settling::new(settled, self.books.committed), Drain::default())
    }

    /// Acknowledges all that comes: what is above has done with it.
    #[doc(alias = "run", alias = "then")]
    #[track_caller]
    pub fn drain(
        self,
    ) -> Run<
        Settling<impl Publisher<Item = Infallible, Error = AckError<E>> + use<P, T, E>>,
        Drain,
        (),
        AckError<E>,
    > {
        let settled = self.publisher.filter_map(|envelope: Acked<T>| {
            drop(envelope.ack());
            None
        });
        Run::new(Settling::new(settled, self.books.committed), Drain::default())
    }
}

/// What comes of the item of an envelope, in the same.
fn in_envelope<T, Fut: Future, F: FnMut(T) -> Fut>(
    envelope: Acked<T>,
    f: &mut F,
) -> impl Future<Output = Acked<Fut::Output>> + use<T, Fut, F> {
    let (item, ack) = envelope.split();
    let future = f(item);
    async move { Acked::new(future.await, ack) }
}
