//! A stream as a list of steps: what is asked for, what must come.

use std::fmt::{self, Debug};
use std::time::Duration;

use millstream_core::Publisher;

use crate::probe::{Behaviour, Event, Faulted, Probe, ProbeHandle};

/// Checks a publisher step by step, where each step is a method.
///
/// It subscribes at once and asks for nothing by itself. A step that fails panics at its place
/// in the test, and prints the step and all that happened.
///
/// ```
/// use millstream::prelude::*;
/// use millstream_testkit::Verifier;
///
/// Verifier::new(millstream::from_iter(1..=5).take(3))
///     .expect_subscription()
///     .expect_no_event()
///     .then_request(2)
///     .expect_next(1)
///     .expect_next(2)
///     .expect_no_event()
///     .then_request(1)
///     .expect_next(3)
///     .expect_complete();
///
/// Verifier::new(millstream::from_iter(1..))
///     .then_request(1)
///     .expect_next(1)
///     .then_cancel()
///     .expect_dropped();
/// ```
///
/// Time passes between steps, where the publisher was handed a clock that does as it is told:
///
/// ```
/// use std::time::Duration;
///
/// use millstream::MissedTicks;
/// use millstream_testkit::{Verifier, VirtualTime};
///
/// let time = VirtualTime::new(1);
/// Verifier::new(millstream::interval(time.clone(), Duration::from_secs(10), MissedTicks::Skip))
///     .then_request(1)
///     .then(|| time.advance(Duration::from_secs(9)))
///     .expect_no_event()
///     .then(|| time.advance(Duration::from_secs(1)))
///     .expect_next(0);
/// ```
///
/// Items and errors are compared: what is neither `Clone` nor `PartialEq`, as an error that holds one of
/// `std::io`, goes through `map` or `map_err` first, to text for instance.
///
/// ```should_panic
/// use millstream_testkit::Verifier;
///
/// Verifier::new(millstream::from_iter([1])).then_request(1).expect_next(2);
/// ```
#[doc(alias = "StepVerifier")]
pub struct Verifier<T, E> {
    handle: ProbeHandle<T, E>,
    /// How far the log has been looked at.
    seen: usize,
    step: usize,
    patience: Duration,
}

impl<T, E> Verifier<T, E>
where
    T: Clone + PartialEq + Debug + Send + 'static,
    E: Clone + PartialEq + Debug + Send + 'static,
{
    /// Subscribes to `publisher`.
    pub fn new(publisher: impl Publisher<Item = T, Error = E>) -> Verifier<T, E> {
        let (probe, handle) = Probe::with(Behaviour::new());
        publisher.subscribe(probe.noting_discards());
        Verifier { handle, seen: 0, step: 0, patience: Duration::ZERO }
    }

    /// Waits for each step at most so long, for publishers on other threads. A step that expects
    /// nothing always takes it.
    pub fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The signals of the log from where it was left, with their places.
    fn fresh(&self) -> Vec<(usize, Event<T, E>)> {
        let log = self.handle.log().into_iter().enumerate().skip(self.seen);
        let own = |event: &Event<T, E>| {
            matches!(
                event,
                Event::Requested(_)
                    | Event::RequestedRaw(_)
                    | Event::Answered(_)
                    | Event::Cancelled
            )
        };
        log.filter(|(_, event)| !own(event)).collect()
    }

    #[track_caller]
    fn next_is(mut self, expected: &dyn Debug, fits: impl Fn(&Event<T, E>) -> bool) -> Self {
        self.step += 1;
        self.handle.wait_until(self.patience, |_| !self.fresh().is_empty());
        let fresh = self.fresh();
        match fresh.first() {
            Some((place, event)) if fits(event) => self.seen = place + 1,
            Some((_, event)) => self.fail(&format!("expected {expected:?}, got {event:?}")),
            None => self.fail(&format!("expected {expected:?}, got nothing")),
        }
        self.no_violation()
    }

    #[track_caller]
    fn no_violation(self) -> Self {
        if let Some(violation) = self.handle.violations().first() {
            self.fail(&format!("the protocol was broken: {violation}"));
        }
        self
    }

    #[track_caller]
    fn fail(&self, what: &str) -> ! {
        panic!("step {}: {what}\nlog:\n{}", self.step, self.handle.log_text())
    }

    /// The subscription came.
    #[track_caller]
    pub fn expect_subscription(self) -> Self {
        self.next_is(&Event::<T, E>::Subscribed, |event| *event == Event::Subscribed)
    }

    #[track_caller]
    fn subscribed(self) -> Self {
        match self.fresh().first() {
            Some((_, Event::Subscribed)) => self.expect_subscription(),
            _ => self,
        }
    }

    /// The next signal is this item.
    #[track_caller]
    pub fn expect_next(self, item: T) -> Self {
        let expected = Event::<T, E>::Next(item);
        self.subscribed().next_is(&expected, |event| *event == expected)
    }

    /// The next signals are these items.
    #[track_caller]
    pub fn expect_items(mut self, items: impl IntoIterator<Item = T>) -> Self {
        for item in items {
            self = self.expect_next(item);
        }
        self
    }

    /// The next signal is completion.
    #[track_caller]
    pub fn expect_complete(self) -> Self {
        let expected = Event::<T, E>::Completed;
        self.subscribed().next_is(&expected, |event| *event == expected)
    }

    /// The next signal is this error.
    #[track_caller]
    pub fn expect_error(self, error: E) -> Self {
        let expected = Event::<T, E>::Failed(error);
        self.subscribed().next_is(&expected, |event| *event == expected)
    }

    /// The next signal is this fault.
    #[track_caller]
    pub fn expect_fault(self, fault: Faulted) -> Self {
        let expected = Event::<T, E>::Faulted(fault);
        self.subscribed().next_is(&expected, |event| *event == expected)
    }

    /// The subscriber is dropped without an end.
    #[track_caller]
    pub fn expect_dropped(self) -> Self {
        let expected = Event::<T, E>::Dropped;
        self.subscribed().next_is(&expected, |event| *event == expected)
    }

    /// Nothing comes.
    #[track_caller]
    pub fn expect_no_event(self) -> Self {
        let mut this = self.subscribed();
        this.step += 1;
        if !this.patience.is_zero() {
            this.handle.wait_until(this.patience, |_| !this.fresh().is_empty());
        }
        if let Some((_, event)) = this.fresh().first() {
            this.fail(&format!("expected nothing, got {event:?}"));
        }
        this.no_violation()
    }

    /// Stages upstream discarded exactly these items so far.
    #[track_caller]
    pub fn expect_discarded(mut self, items: &[T]) -> Self {
        self.step += 1;
        self.handle.wait_until(self.patience, |handle| handle.discarded() == items);
        let discarded = self.handle.discarded();
        if discarded != items {
            self.fail(&format!("expected {items:?} to be discarded, got {discarded:?}"));
        }
        self
    }

    /// Asks for `n` more.
    #[track_caller]
    pub fn then_request(mut self, n: u64) -> Self {
        self.step += 1;
        self.handle.request(n);
        self
    }

    /// Asks for all there is.
    pub fn then_request_unbounded(mut self) -> Self {
        self.step += 1;
        self.handle.request_unbounded();
        self
    }

    /// Asks for a raw number.
    pub fn then_request_raw(mut self, n: i64) -> Self {
        self.step += 1;
        self.handle.request_raw(n);
        self
    }

    /// Cancels.
    pub fn then_cancel(mut self) -> Self {
        self.step += 1;
        self.handle.cancel();
        self
    }

    /// Does something else: sends from a scripted publisher, moves a clock.
    pub fn then(mut self, act: impl FnOnce()) -> Self {
        self.step += 1;
        act();
        self
    }
}

impl<T, E> fmt::Debug for Verifier<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("step", &self.step)
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}
