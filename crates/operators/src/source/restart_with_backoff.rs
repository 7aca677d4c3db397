//! `restart_with_backoff`: a publisher made anew whenever it ends.

use std::convert::Infallible;
use std::fmt;
use std::time::Duration;

use millstream_blocks::relay::SourceEnd;
use millstream_core::{Publisher, Subscriber};
use millstream_executors::Executor;
use millstream_executors::time::{Clock, Moment};

use crate::fault::{Backoff, Waits};
use crate::shape::attempts::{Again, attempts};
use crate::shape::pause::Pause;

/// A publisher made anew whenever it ends, later each time: [`restart_with_backoff`].
///
/// ```text
///         restart_with_backoff(time, Restart::new(Backoff::new(1 s).jitter(0.0)), make)
/// make  --1-x
/// make         --2--|
/// make                      --3--
/// down  --1------2------------3--
///            1 s     2 s
/// ```
///
/// # Demand
/// Downstream's; what one has not used up waits, and is carried over to the next.
/// # Completion
/// When one is complete and not to be made again.
/// # Errors
/// When one fails and is not to be made again: its failure, as it is. Faults pass at once. A panic
/// in a function becomes a fault.
/// # Cancellation
/// What runs is cancelled, or the wait: its timer is gone when its task runs next.
/// # Bounds
/// Holds no items. None is made before the subscription, nor during a wait. A few allocations for
/// each.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use millstream::fault::Backoff;
/// use millstream::prelude::*;
/// use millstream::source::Restart;
/// use millstream_testkit::VirtualTime;
///
/// let time = VirtualTime::new(1);
/// let mut made = 0;
/// let connect = move || {
///     made += 1;
///     millstream::just(made)
/// };
/// let restart = Restart::new(Backoff::new(Duration::from_secs(1)));
/// let all = millstream::restart_with_backoff(time.clone(), restart, connect).take(3);
/// assert_eq!(time.run_until(all.collect::<Vec<_>>())?, [1, 2, 3]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct RestartWithBackoff<X, E, M> {
    time: X,
    restart: Restart<E>,
    make: M,
}

/// When a publisher is made anew, and how long after its end: [`restart_with_backoff`].
pub struct Restart<E> {
    backoff: Backoff,
    only_on_failures: bool,
    reset_after: Option<Duration>,
    worth: fn(&E) -> bool,
}

impl<E> Restart<E> {
    /// Whenever it ends, as long after it as `backoff` says, which also bounds how often.
    #[must_use]
    pub const fn new(backoff: Backoff) -> Restart<E> {
        Restart { backoff, only_on_failures: false, reset_after: None, worth: |_| true }
    }

    /// Lets its completion stand.
    #[must_use]
    pub const fn only_on_failures(self) -> Restart<E> {
        Restart { only_on_failures: true, ..self }
    }

    /// Begins anew, with the first wait and all attempts, after one that ran for so long.
    #[must_use]
    pub const fn reset_after(self, run: Duration) -> Restart<E> {
        Restart { reset_after: Some(run), ..self }
    }

    /// Lets a failure stand that fails this test.
    #[must_use]
    pub const fn on(self, worth: fn(&E) -> bool) -> Restart<E> {
        Restart { worth, ..self }
    }
}

impl<E> Clone for Restart<E> {
    fn clone(&self) -> Restart<E> {
        *self
    }
}

impl<E> Copy for Restart<E> {}

impl<E> fmt::Debug for Restart<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Restart")
            .field("backoff", &self.backoff)
            .field("only_on_failures", &self.only_on_failures)
            .field("reset_after", &self.reset_after)
            .finish_non_exhaustive()
    }
}

/// A publisher made anew whenever it ends, later each time. See [`RestartWithBackoff`].
#[doc(alias = "RestartSource.withBackoff", alias = "retryWhen", alias = "repeatWhen")]
pub fn restart_with_backoff<X, P, M>(
    time: X,
    restart: Restart<P::Error>,
    make: M,
) -> RestartWithBackoff<X, P::Error, M>
where
    X: Executor + Clock + Clone,
    P: Publisher,
    M: FnMut() -> P + Send + 'static,
{
    RestartWithBackoff { time, restart, make }
}

crate::opaque_debug::opaque_debug!(RestartWithBackoff<X, E, M>, restart);

impl<X, P, M> Publisher for RestartWithBackoff<X, P::Error, M>
where
    X: Executor + Clock + Clone,
    P: Publisher,
    M: FnMut() -> P + Send + 'static,
{
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let RestartWithBackoff { time, restart, make } = self;
        let again = Later { begun: Moment::START, waits: restart.backoff.waits(), time, restart };
        attempts(make, again, subscriber);
    }
}

struct Later<X, E> {
    time: X,
    restart: Restart<E>,
    waits: Waits,
    /// When the one that runs was made, where it is of interest. Not when it was due: a wait that
    /// ends late is no part of the run.
    begun: Moment,
}

impl<X, P> Again<P> for Later<X, P::Error>
where
    X: Executor + Clock + Clone,
    P: Publisher,
{
    type Between = Pause<X, P::Item>;

    fn begins(&mut self) {
        if self.restart.reset_after.is_some() {
            self.begun = self.time.now();
        }
    }

    fn again(&mut self, end: &SourceEnd<P::Error>, sent_an_item: bool) -> Option<Self::Between> {
        let stands = match end {
            SourceEnd::Completed => self.restart.only_on_failures,
            SourceEnd::Failed(error) => !(self.restart.worth)(error),
        };
        if stands {
            return None;
        }
        if self.restart.reset_after.is_some_and(|run| self.time.now().since(self.begun) >= run) {
            self.waits.reset();
        }
        self.waits.attempt_ended(sent_an_item);
        Some(Pause::new(self.time.clone(), self.waits.next()?))
    }

    fn broken(&mut self, error: Infallible) -> Result<(), P::Error> {
        match error {}
    }
}
