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
/// Where the very item or error is not known, or cannot be compared, as one of `std::io`, a function
/// looks at it:
///
/// ```
/// use std::io::{Error, ErrorKind};
///
/// use millstream_testkit::{Script, ScriptedPublisher, Verifier};
///
/// let script = Script::items([3, 5]).then_error(Error::from(ErrorKind::BrokenPipe));
/// Verifier::new(ScriptedPublisher::playing(script))
///     .then_request(2)
///     .expect_next_matching(|n| n % 2 == 1)
///     .expect_next_matching(|n| *n > 3)
///     .expect_error_matching(|error| error.kind() == ErrorKind::BrokenPipe);
/// ```
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
    T: Debug + Send + 'static,
    E: Debug + Send + 'static,
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

    /// What `look` makes of the next signal of the log, which has this place there.
    fn next<R>(&self, look: impl FnOnce(Option<(usize, &Event<T, E>)>) -> R) -> R {
        let own = |event: &Event<T, E>| {
            matches!(
                event,
                Event::Requested(_)
                    | Event::RequestedRaw(_)
                    | Event::Answered(_)
                    | Event::Cancelled
            )
        };
        self.handle.with_log(|log| {
            look(log.iter().enumerate().skip(self.seen).find(|(_, event)| !own(event)))
        })
    }

    #[track_caller]
    fn next_is(mut self, expected: &str, fits: impl Fn(&Event<T, E>) -> bool) -> Self {
        self.step += 1;
        self.handle.wait_until(self.patience, |_| self.next(|next| next.is_some()));
        let found = self.next(|next| match next {
            Some((place, event)) if fits(event) => Ok(place),
            Some((_, event)) => Err(format!("{event:?}")),
            None => Err("nothing".to_owned()),
        });
        match found {
            Ok(place) => self.seen = place + 1,
            Err(got) => self.fail(&format!("expected {expected}, got {got}")),
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
        self.next_is("Subscribed", |event| matches!(event, Event::Subscribed))
    }

    #[track_caller]
    fn subscribed(self) -> Self {
        match self.next(|next| matches!(next, Some((_, Event::Subscribed)))) {
            true => self.expect_subscription(),
            false => self,
        }
    }

    /// The next signal is this item.
    #[track_caller]
    pub fn expect_next(self, item: T) -> Self
    where
        T: PartialEq,
    {
        let expected = format!("Next({item:?})");
        self.subscribed()
            .next_is(&expected, |event| matches!(event, Event::Next(next) if *next == item))
    }

    /// The next signal is an item of which `fits` says so.
    #[doc(alias = "expectNextMatches")]
    #[track_caller]
    pub fn expect_next_matching(self, fits: impl Fn(&T) -> bool) -> Self {
        self.subscribed().next_is(
            "an item that matches",
            |event| matches!(event, Event::Next(next) if fits(next)),
        )
    }

    /// The next signals are these items.
    #[track_caller]
    pub fn expect_items(mut self, items: impl IntoIterator<Item = T>) -> Self
    where
        T: PartialEq,
    {
        for item in items {
            self = self.expect_next(item);
        }
        self
    }

    /// The next signal is completion.
    #[track_caller]
    pub fn expect_complete(self) -> Self {
        self.subscribed().next_is("Completed", |event| matches!(event, Event::Completed))
    }

    /// The next signal is this error.
    #[track_caller]
    pub fn expect_error(self, error: E) -> Self
    where
        E: PartialEq,
    {
        let expected = format!("Failed({error:?})");
        self.subscribed()
            .next_is(&expected, |event| matches!(event, Event::Failed(failed) if *failed == error))
    }

    /// The next signal is an error of which `fits` says so.
    #[doc(alias = "expectErrorMatches")]
    #[track_caller]
    pub fn expect_error_matching(self, fits: impl Fn(&E) -> bool) -> Self {
        self.subscribed().next_is(
            "an error that matches",
            |event| matches!(event, Event::Failed(failed) if fits(failed)),
        )
    }

    /// The next signal is this fault.
    #[track_caller]
    pub fn expect_fault(self, fault: Faulted) -> Self {
        let expected = format!("Faulted({fault:?})");
        self.subscribed().next_is(
            &expected,
            |event| matches!(event, Event::Faulted(faulted) if *faulted == fault),
        )
    }

    /// The subscriber is dropped without an end.
    #[track_caller]
    pub fn expect_dropped(self) -> Self {
        self.subscribed().next_is("Dropped", |event| matches!(event, Event::Dropped))
    }

    /// Nothing comes.
    #[track_caller]
    pub fn expect_no_event(self) -> Self {
        let mut this = self.subscribed();
        this.step += 1;
        if !this.patience.is_zero() {
            this.handle.wait_until(this.patience, |_| this.next(|next| next.is_some()));
        }
        if let Some(event) = this.next(|next| next.map(|(_, event)| format!("{event:?}"))) {
            this.fail(&format!("expected nothing, got {event}"));
        }
        this.no_violation()
    }

    /// Stages upstream discarded exactly these items so far.
    #[track_caller]
    pub fn expect_discarded(mut self, items: &[T]) -> Self
    where
        T: PartialEq,
    {
        self.step += 1;
        let fits = |handle: &ProbeHandle<T, E>| handle.with_discarded(|all| all == items);
        if !self.handle.wait_until(self.patience, fits) {
            let discarded = self.handle.with_discarded(|all| format!("{all:?}"));
            self.fail(&format!("expected {items:?} to be discarded, got {discarded}"));
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
