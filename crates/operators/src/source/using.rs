//! `using`: a resource that lives as long as a stream.

use std::panic::{AssertUnwindSafe, catch_unwind};

use millstream_core::{Cause, Fault, Publisher, Pulled, Subscriber};

use crate::guard::Guard;
use crate::shape::stage::{Emit, NoBooks, Stage, Step};
use crate::source::broken::broken;
use crate::source::fail;

/// A stream made from a resource, which is acquired for it and released after it.
///
/// ```text
/// acquire → r                  release(r)
/// use_(&mut r) → 1 2           ╷
/// down       ^--r1-1---r1-2----|
/// ```
///
/// `acquire` is called on subscription. `use_` makes a publisher from the resource; it is given
/// the resource for the time of the call, so what the publisher needs of it is a handle or a
/// clone. `release` is called exactly once if `acquire` succeeded, however the stream ends.
///
/// # Demand
/// As the publisher; the resource is acquired before any demand.
/// # Completion
/// As the publisher. The resource is released before downstream is told, or after that where
/// [`release_after_end`](Using::release_after_end) is set.
/// # Errors
/// As the publisher, released as at completion; and what `acquire` fails with. A panic in
/// `acquire` or `use_` becomes a fault. So does a panic in `release` before the end; after it,
/// it is [reported](millstream_core::on_undelivered).
/// # Cancellation
/// The publisher is cancelled and dropped, and then the resource is released, on the thread that
/// drops the stream. Where a stage further down ends the stream by itself (`take`), release and
/// that end are in the same order as at completion.
/// # Bounds
/// Holds the resource, and allocates nothing of its own.
///
/// # Examples
/// ```
/// use std::sync::{Arc, Mutex};
/// use millstream::prelude::*;
///
/// let log = Arc::new(Mutex::new(Vec::new()));
/// let (opened, closed) = (log.clone(), log.clone());
/// let stream = millstream::using(
///     move || {
///         opened.lock().unwrap().push("open");
///         Ok(vec![1, 2, 3])
///     },
///     |numbers| millstream::from_iter(numbers.clone()),
///     move |_numbers| closed.lock().unwrap().push("close"),
/// );
/// assert_eq!(stream.take(2).collect::<Vec<_>>().block()?, [1, 2]);
/// assert_eq!(*log.lock().unwrap(), ["open", "close"]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[doc(alias = "unfoldResource", alias = "bracket")]
pub fn using<R, P, A, U, D>(acquire: A, use_: U, release: D) -> Using<A, U, D>
where
    R: Send + 'static,
    P: Publisher,
    A: FnOnce() -> Result<R, P::Error> + Send + 'static,
    U: FnOnce(&mut R) -> P + Send + 'static,
    D: FnOnce(R) + Send + 'static,
{
    Using { acquire, use_, release, when: When::BeforeEnd }
}

/// The publisher of [`using`].
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Using<A, U, D> {
    acquire: A,
    use_: U,
    release: D,
    when: When,
}

crate::opaque_debug::opaque_debug!(Using<A, U, D>, when);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    BeforeEnd,
    AfterEnd,
}

impl<A, U, D> Using<A, U, D> {
    /// Releases the resource after downstream was told the end, instead of before.
    #[doc(alias = "eager")]
    pub fn release_after_end(mut self) -> Self {
        self.when = When::AfterEnd;
        self
    }
}

impl<R, P, A, U, D> Publisher for Using<A, U, D>
where
    R: Send + 'static,
    P: Publisher,
    A: FnOnce() -> Result<R, P::Error> + Send + 'static,
    U: FnOnce(&mut R) -> P + Send + 'static,
    D: FnOnce(R) + Send + 'static,
{
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let Using { acquire, use_, release, when } = self;
        let made = catch_unwind(AssertUnwindSafe(|| {
            // Guarded before it is lent, so that a panic in `use_` releases it.
            let mut guard = Guard::new(acquire()?, release);
            let publisher = guard.get().map(use_);
            Ok((publisher, guard))
        }));
        match made {
            Ok(Ok((Some(publisher), guard))) => {
                Stage::new(publisher, Release { guard, when }).subscribe(subscriber);
            }
            Ok(Ok((None, _))) => unreachable!("a new guard holds its resource"),
            Ok(Err(error)) => fail(error).subscribe(subscriber),
            Err(payload) => broken(payload, subscriber),
        }
    }
}

/// Passes everything, and releases at the end.
struct Release<R, D: FnOnce(R)> {
    guard: Guard<R, (), D>,
    when: When,
}

impl<R, D: FnOnce(R)> Release<R, D> {
    fn at_end(&mut self) {
        if self.when == When::BeforeEnd {
            self.guard.release();
        }
    }
}

impl<T, E, R, D> Step<T, E> for Release<R, D>
where
    T: Send + 'static,
    E: Send + 'static,
    R: Send + 'static,
    D: FnOnce(R) + Send + 'static,
{
    type Item = T;
    type Error = E;
    type Books = NoBooks;

    #[inline]
    fn next(&mut self, item: T) -> Emit<T, T, E> {
        Emit::Item(item)
    }

    fn complete(&mut self) -> Pulled<T, E> {
        self.at_end();
        Pulled::Complete
    }

    fn error(&mut self, error: E) -> Pulled<T, E> {
        self.at_end();
        Pulled::Error(error)
    }

    fn cancelled(&mut self, _: &Cause) {
        self.at_end();
    }

    fn fault(&mut self, fault: Fault) -> Fault {
        self.at_end();
        fault
    }
}
