//! What an error does to a stage with several upstreams: it is the end at once, or it waits until all
//! are over.

use millstream_core::{Pull, Pulled};

use crate::combine::Failures;

/// What becomes of the errors of upstreams.
pub(crate) trait Failing<E>: Send + 'static {
    /// How the stage fails.
    type Error: Send + 'static;

    /// The end of the stage by an error that does not wait; else that error.
    fn at_once(error: E) -> Result<Self::Error, E>;

    /// An upstream has failed: the end of the stage, where that does not wait.
    fn failed(&mut self, error: E) -> Option<Self::Error>;

    /// All upstreams are over: how the stage fails, where it does.
    fn over(&mut self) -> Option<Self::Error>;
}

/// The first error is the end.
pub(crate) struct AtFirst;

impl<E: Send + 'static> Failing<E> for AtFirst {
    type Error = E;

    #[inline]
    fn at_once(error: E) -> Result<E, E> {
        Ok(error)
    }

    #[inline]
    fn failed(&mut self, error: E) -> Option<E> {
        Some(error)
    }

    #[inline]
    fn over(&mut self) -> Option<E> {
        None
    }
}

/// All errors wait until all upstreams are over.
pub(crate) struct AtLast<E>(Vec<E>);

impl<E> AtLast<E> {
    pub(crate) fn new() -> AtLast<E> {
        AtLast(Vec::new())
    }
}

impl<E: Send + 'static> Failing<E> for AtLast<E> {
    type Error = Failures<E>;

    fn at_once(error: E) -> Result<Failures<E>, E> {
        Err(error)
    }

    fn failed(&mut self, error: E) -> Option<Failures<E>> {
        self.0.push(error);
        None
    }

    fn over(&mut self) -> Option<Failures<E>> {
        let failures = std::mem::take(&mut self.0);
        (!failures.is_empty()).then(|| Failures(failures))
    }
}

/// A stage that goes on after an error: its errors wait until it is complete.
pub(crate) struct Delaying<Q: Pull> {
    stage: Q,
    failures: AtLast<Q::Error>,
}

impl<Q: Pull> Delaying<Q> {
    pub(crate) fn new(stage: Q) -> Delaying<Q> {
        Delaying { stage, failures: AtLast::new() }
    }

    #[inline]
    fn delay(&mut self, pulled: Pulled<Q::Item, Q::Error>) -> Pulled<Q::Item, Failures<Q::Error>> {
        match pulled {
            Pulled::Item(item) => Pulled::Item(item),
            Pulled::Skipped => Pulled::Skipped,
            Pulled::Pending => Pulled::Pending,
            Pulled::Error(error) => {
                self.failures.failed(error).map_or(Pulled::Skipped, Pulled::Error)
            }
            Pulled::Complete => self.failures.over().map_or(Pulled::Complete, Pulled::Error),
        }
    }
}

impl<Q: Pull> Pull for Delaying<Q> {
    type Item = Q::Item;
    type Error = Failures<Q::Error>;

    #[inline]
    fn pull(&mut self) -> Pulled<Q::Item, Failures<Q::Error>> {
        let pulled = self.stage.pull();
        self.delay(pulled)
    }

    #[inline]
    fn pull_while(
        &mut self,
        each: impl FnMut(Q::Item) -> bool,
    ) -> Pulled<Q::Item, Failures<Q::Error>> {
        let pulled = self.stage.pull_while(each);
        self.delay(pulled)
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<Q::Item, Failures<Q::Error>> {
        let pulled = self.stage.look_ahead(started);
        self.delay(pulled)
    }
}
