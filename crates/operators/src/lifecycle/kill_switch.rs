//! `kill_switch`: a handle that ends a stream from outside.

use std::convert::Infallible;
use std::fmt;

use millstream_blocks::switch::Switch;
use millstream_core::{Cause, End, Publisher, Subscriber};

use crate::shape::halted::Halted;

/// Ends streams from outside, all that are [stopped by](crate::PublisherExt::stopped_by) it. One
/// stream gets its own by [`PublisherExt::kill_switch`](crate::PublisherExt::kill_switch).
///
/// ```text
/// switch ----------shutdown()              ----------abort(x)
/// up     --1--2--3-----4--                 --1--2--3-----4--
/// down   --1--2--3-|                       --1--2--3-x
/// ```
///
/// It may be thrown from any thread, from inside a signal, and before anybody subscribes. The first
/// call counts, and it counts for good: a stream that is subscribed to later ends at once, and its
/// upstream is not subscribed to. Where upstream is not at
/// work elsewhere, it is dropped and downstream is told the end on that thread. Where upstream is at
/// work it ends before its next item, and where it has yet to hand out a subscription, when it does.
///
/// A switch is a handle, and its clones are the same switch. To drop the last is not to throw it.
/// To stop the *sources* and let what they have sent run out, see
/// [`DrainHandle`](crate::lifecycle::DrainHandle).
///
/// # Demand
/// As downstream's. Nothing is asked for after it was thrown.
/// # Completion
/// As upstream; and by [`shutdown`](KillSwitch::shutdown), at once and without demand. What upstream
/// holds is discarded, what stages downstream hold is sent.
/// # Errors
/// As upstream; and by [`abort`](KillSwitch::abort), at once and without demand. All streams of a
/// switch fail with errors of one type: [`map_err`](crate::PublisherExt::map_err) comes before. A
/// panic where the error is made becomes a fault.
/// # Cancellation
/// As downstream's. Throwing it cancels upstream: for no more being needed, for a failure where it was
/// [aborted](KillSwitch::abort), or for what [was given](KillSwitch::shutdown_because).
/// # Bounds
/// Holds nothing. A stream that is over has no place in the switch. Three allocations per
/// subscription.
///
/// # Examples
/// One switch for several streams:
///
/// ```
/// use millstream::lifecycle::KillSwitch;
/// use millstream::prelude::*;
/// use millstream::Failure;
///
/// let switch = KillSwitch::new();
/// let ticks = millstream::pending::<u32>().fallible().stopped_by(&switch);
/// let numbers = millstream::from_iter(0..).fallible().stopped_by(&switch);
///
/// // Throw it from inside a signal: whoever comes first.
/// let thrower = switch.clone();
/// let some = numbers.inspect(move |n| if *n == 2 { thrower.abort("enough"); });
/// assert!(matches!(some.count().block(), Err(Failure::Error("enough"))));
/// assert!(matches!(ticks.count().block(), Err(Failure::Error("enough"))));
/// assert!(!switch.shutdown(), "it was thrown before");
/// ```
///
/// One for one stream:
///
/// ```
/// use millstream::prelude::*;
///
/// let (numbers, switch) = millstream::from_iter(0..).kill_switch();
/// let some = numbers.inspect(move |n| if *n == 2 { switch.shutdown(); });
/// assert_eq!(some.collect::<Vec<_>>().block()?, [0, 1, 2]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[doc(alias = "KillSwitches", alias = "SharedKillSwitch", alias = "UniqueKillSwitch")]
#[doc(alias = "CancellationToken", alias = "AbortHandle", alias = "Disposable")]
pub struct KillSwitch<E = Infallible>(Switch<Kill<E>>);

/// How it was thrown.
enum Kill<E> {
    Shutdown(Cause),
    Abort(Box<dyn Fn() -> E + Send + Sync>),
}

impl<E: 'static> KillSwitch<E> {
    /// A switch that is not thrown.
    #[must_use]
    pub fn new() -> KillSwitch<E> {
        KillSwitch(Switch::new())
    }

    /// Cancels upstream and completes downstream, in each of its streams. Whether it was the first to
    /// throw the switch.
    #[doc(alias = "cancel", alias = "dispose")]
    pub fn shutdown(&self) -> bool {
        self.shutdown_because(Cause::NoMoreNeeded)
    }

    /// As [`shutdown`](KillSwitch::shutdown), and upstream is told why.
    ///
    /// ```
    /// use millstream::prelude::*;
    /// use millstream::{Cause, effect::FinallyReason, executor::CurrentThread};
    ///
    /// let (numbers, end) = millstream::from_iter(0..).watch_end();
    /// let (numbers, switch) = numbers.kill_switch();
    /// let cause = Cause::given("maintenance");
    /// let why = cause.clone();
    /// let some = numbers.inspect(move |n| if *n == 2 { switch.shutdown_because(why.clone()); });
    /// assert_eq!(some.collect::<Vec<_>>().block()?, [0, 1, 2]);
    /// assert_eq!(CurrentThread::new().run_until(end), FinallyReason::Cancelled(cause));
    /// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
    /// ```
    pub fn shutdown_because(&self, cause: Cause) -> bool {
        self.0.throw(Kill::Shutdown(cause)).is_ok()
    }

    /// Cancels upstream and fails downstream with a clone of `error`, in each of its streams. Whether
    /// it was the first to throw the switch.
    pub fn abort(&self, error: E) -> bool
    where
        E: Clone + Send + Sync,
    {
        self.abort_with(move || error.clone())
    }

    /// As [`abort`](KillSwitch::abort), for errors that cannot be cloned: `error` makes one for each
    /// stream.
    ///
    /// ```
    /// use std::io;
    /// use millstream::prelude::*;
    ///
    /// let (lines, switch) = millstream::lines(io::Cursor::new("a\nb")).kill_switch();
    /// assert!(switch.abort_with(|| io::Error::other("told to stop")));
    /// let failure = lines.count().block().unwrap_err();
    /// assert_eq!(failure.to_string(), "told to stop");
    /// ```
    pub fn abort_with(&self, error: impl Fn() -> E + Send + Sync + 'static) -> bool {
        self.0.throw(Kill::Abort(Box::new(error))).is_ok()
    }

    /// Whether it was thrown.
    #[must_use]
    pub fn is_thrown(&self) -> bool {
        self.0.thrown().is_some()
    }

    /// Subscribes `subscriber` to `upstream`, until the switch is thrown.
    pub(crate) fn halts<P, S>(&self, upstream: P, subscriber: S)
    where
        P: Publisher<Error = E>,
        S: Subscriber<P::Item, E>,
    {
        let end = |kill: &Kill<E>| match kill {
            Kill::Shutdown(cause) => (End::Completed, cause.clone()),
            Kill::Abort(error) => (End::Failed(error()), Cause::Failed),
        };
        Halted { upstream, switch: self.0.clone(), end }.subscribe(subscriber);
    }
}

impl<E: 'static> Default for KillSwitch<E> {
    fn default() -> KillSwitch<E> {
        KillSwitch::new()
    }
}

impl<E> Clone for KillSwitch<E> {
    fn clone(&self) -> KillSwitch<E> {
        KillSwitch(self.0.clone())
    }
}

impl<E> fmt::Debug for KillSwitch<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KillSwitch").field(&self.0).finish()
    }
}
