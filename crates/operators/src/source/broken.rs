//! The publisher that stands in for one that panicked before it could be subscribed to.

use std::any::Any;
use std::marker::PhantomData;
use std::panic::resume_unwind;

use millstream_blocks::island::emit;
use millstream_core::{Pull, Pulled, Subscriber};

struct Broken<T, E> {
    payload: Option<Box<dyn Any + Send>>,
    marker: PhantomData<fn() -> (T, E)>,
}

/// Gives `subscriber` a subscription and then the panic, as a fault.
pub(crate) fn broken<T, E, S>(payload: Box<dyn Any + Send>, subscriber: S)
where
    T: Send + 'static,
    E: Send + 'static,
    S: Subscriber<T, E>,
{
    emit(Broken { payload: Some(payload), marker: PhantomData }, subscriber);
}

impl<T: Send + 'static, E: Send + 'static> Pull for Broken<T, E> {
    type Item = T;
    type Error = E;

    fn pull(&mut self) -> Pulled<T, E> {
        match self.payload.take() {
            // The island catches it, and tells the whole chain.
            Some(payload) => resume_unwind(payload),
            None => Pulled::Complete,
        }
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<T, E> {
        self.pull()
    }
}
