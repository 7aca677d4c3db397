//! Polled sources: a future or a stream of somebody else as the source of a task.
//!
//! The waker it is polled with is the bell of the task: a wake-up schedules the task, on its
//! executor, and never polls from inside. It is polled while there is demand, by the task alone,
//! and dropped with it.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use millstream_core::{Pull, Pulled, Subscriber};
use millstream_executors::Executor;

use crate::shape::joined::on;

/// What is polled for items.
pub(crate) trait Polled: Send + 'static {
    type Item: Send + 'static;
    type Error: Send + 'static;

    /// The next item or the end; [`Pulled::Pending`] where `context` is woken for it.
    fn poll(&mut self, context: &mut Context<'_>) -> Pulled<Self::Item, Self::Error>;

    /// As `poll`, without demand: an item that is given is kept, and sent first.
    fn look_ahead(&mut self, _: &mut Context<'_>) -> Pulled<Self::Item, Self::Error> {
        Pulled::Pending
    }
}

/// Runs `polled` on a task of `executor`.
pub(crate) fn polled<P, S>(executor: &impl Executor, polled: P, subscriber: S)
where
    P: Polled,
    S: Subscriber<P::Item, P::Error>,
{
    on(executor, |bell, _| Polling { polled, waker: bell.clone().into_waker() }, subscriber);
}

struct Polling<P> {
    polled: P,
    waker: Waker,
}

impl<P: Polled> Pull for Polling<P> {
    type Item = P::Item;
    type Error = P::Error;

    #[inline]
    fn pull(&mut self) -> Pulled<P::Item, P::Error> {
        self.polled.poll(&mut Context::from_waker(&self.waker))
    }

    #[inline]
    fn look_ahead(&mut self, _: bool) -> Pulled<P::Item, P::Error> {
        self.polled.look_ahead(&mut Context::from_waker(&self.waker))
    }
}

/// A state that goes through a future for each item, and comes back with it: the next future is
/// made where the next item is wanted. They take turns in one place, pinned once.
pub(crate) struct Turns<S, F, Fut> {
    /// Here while no future has it.
    state: Option<S>,
    f: F,
    flight: Pin<Box<Option<Fut>>>,
}

impl<S, F, Fut> Turns<S, F, Fut> {
    pub(crate) fn new(state: S, f: F) -> Turns<S, F, Fut> {
        Turns { state: Some(state), f, flight: Box::pin(None) }
    }
}

impl<S, F, Fut, T, E> Polled for Turns<S, F, Fut>
where
    S: Send + 'static,
    F: FnMut(S) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Option<(T, S)>, E>> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    type Item = T;
    type Error = E;

    #[inline]
    fn poll(&mut self, context: &mut Context<'_>) -> Pulled<T, E> {
        if let Some(state) = self.state.take() {
            self.flight.set(Some((self.f)(state)));
        }
        let Some(flying) = self.flight.as_mut().as_pin_mut() else { return Pulled::Complete };
        let Poll::Ready(landed) = flying.poll(context) else { return Pulled::Pending };
        self.flight.set(None);
        match landed {
            Ok(Some((item, state))) => {
                self.state = Some(state);
                Pulled::Item(item)
            }
            Ok(None) => Pulled::Complete,
            Err(error) => Pulled::Error(error),
        }
    }
}
