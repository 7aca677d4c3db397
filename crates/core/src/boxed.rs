//! Publishers and subscribers behind a pointer: one type whatever is inside.

use std::fmt;

use crate::{
    ActiveSubscriber, Cause, Context, End, Fault, More, Publisher, Rest, Subscriber, Subscription,
};

trait AnyPublisher<T, E>: Send {
    fn subscribe_boxed(self: Box<Self>, subscriber: BoxSubscriber<T, E>);
}

impl<P: Publisher> AnyPublisher<P::Item, P::Error> for P {
    fn subscribe_boxed(self: Box<Self>, subscriber: BoxSubscriber<P::Item, P::Error>) {
        self.subscribe(subscriber);
    }
}

/// A publisher of `T` with errors `E`, whatever it is made of.
///
/// For a pipeline that is stored in a field, returned from a trait method or chosen at run
/// time, and for long chains that compile too slowly. Each item costs one indirect call more.
/// It can be subscribed to once; see [`SharedPublisher`] for one that is `Clone`.
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct BoxPublisher<T, E>(Box<dyn AnyPublisher<T, E>>);

impl<T, E> BoxPublisher<T, E> {
    /// Boxes `publisher`. One allocation.
    pub fn new<P: Publisher<Item = T, Error = E>>(publisher: P) -> BoxPublisher<T, E> {
        BoxPublisher(Box::new(publisher))
    }
}

impl<T: Send + 'static, E: Send + 'static> Publisher for BoxPublisher<T, E> {
    type Item = T;
    type Error = E;

    fn subscribe<S: Subscriber<T, E>>(self, subscriber: S) {
        self.0.subscribe_boxed(BoxSubscriber::new(subscriber));
    }
}

impl<T, E> fmt::Debug for BoxPublisher<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxPublisher")
    }
}

trait AnyClonePublisher<T, E>: AnyPublisher<T, E> {
    fn clone_boxed(&self) -> Box<dyn AnyClonePublisher<T, E>>;
}

impl<P: Publisher + Clone> AnyClonePublisher<P::Item, P::Error> for P {
    fn clone_boxed(&self) -> Box<dyn AnyClonePublisher<P::Item, P::Error>> {
        Box::new(self.clone())
    }
}

/// A [`BoxPublisher`] that can be cloned, each clone a stream of its own.
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct SharedPublisher<T, E>(Box<dyn AnyClonePublisher<T, E>>);

impl<T, E> SharedPublisher<T, E> {
    /// Boxes `publisher`. One allocation, and one for each clone.
    pub fn new<P: Publisher<Item = T, Error = E> + Clone>(publisher: P) -> Self {
        SharedPublisher(Box::new(publisher))
    }
}

impl<T: Send + 'static, E: Send + 'static> Publisher for SharedPublisher<T, E> {
    type Item = T;
    type Error = E;

    fn subscribe<S: Subscriber<T, E>>(self, subscriber: S) {
        self.0.subscribe_boxed(BoxSubscriber::new(subscriber));
    }
}

impl<T, E> Clone for SharedPublisher<T, E> {
    fn clone(&self) -> Self {
        SharedPublisher(self.0.clone_boxed())
    }
}

impl<T, E> fmt::Debug for SharedPublisher<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedPublisher")
    }
}

trait AnySubscriber<T, E>: Send {
    fn on_subscribe_boxed(self: Box<Self>, subscription: Subscription) -> BoxActive<T, E>;
    fn context_boxed(&self) -> Context;
}

impl<T: 'static, E: 'static, S: Subscriber<T, E>> AnySubscriber<T, E> for S {
    fn on_subscribe_boxed(self: Box<Self>, subscription: Subscription) -> BoxActive<T, E> {
        BoxActive(Box::new(self.on_subscribe(subscription)))
    }

    fn context_boxed(&self) -> Context {
        self.context()
    }
}

/// A subscriber to `T` with errors `E`, whatever it is made of.
pub struct BoxSubscriber<T, E>(Box<dyn AnySubscriber<T, E>>);

impl<T: 'static, E: 'static> BoxSubscriber<T, E> {
    /// Boxes `subscriber`. One allocation, and another when it is subscribed.
    pub fn new(subscriber: impl Subscriber<T, E>) -> BoxSubscriber<T, E> {
        BoxSubscriber(Box::new(subscriber))
    }
}

impl<T: 'static, E: 'static> Subscriber<T, E> for BoxSubscriber<T, E> {
    type Active = BoxActive<T, E>;

    fn on_subscribe(self, subscription: Subscription) -> BoxActive<T, E> {
        self.0.on_subscribe_boxed(subscription)
    }

    fn context(&self) -> Context {
        self.0.context_boxed()
    }
}

impl<T, E> fmt::Debug for BoxSubscriber<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxSubscriber")
    }
}

trait AnyActive<T, E>: Send {
    fn next_boxed(&mut self, item: T) -> More;
    fn request_boxed(&mut self, more: More) -> More;
    fn cause_boxed(&self) -> Cause;
    fn end_boxed(self: Box<Self>, end: End<E>) -> Option<Box<dyn Rest>>;
}

impl<T, E, A: ActiveSubscriber<T, E>> AnyActive<T, E> for A {
    fn next_boxed(&mut self, item: T) -> More {
        self.on_next(item)
    }

    fn request_boxed(&mut self, more: More) -> More {
        self.on_request(more)
    }

    fn cause_boxed(&self) -> Cause {
        self.cause()
    }

    fn end_boxed(self: Box<Self>, end: End<E>) -> Option<Box<dyn Rest>> {
        self.on_end(end)
    }
}

/// An active subscriber behind a pointer.
pub struct BoxActive<T, E>(Box<dyn AnyActive<T, E>>);

impl<T: 'static, E: 'static> BoxActive<T, E> {
    fn end(self, end: End<E>) {
        // Only a sender that breaks the contract comes here: it must use `on_end`.
        drop(self.0.end_boxed(end));
    }
}

impl<T: 'static, E: 'static> ActiveSubscriber<T, E> for BoxActive<T, E> {
    #[inline]
    fn on_next(&mut self, item: T) -> More {
        self.0.next_boxed(item)
    }

    fn on_complete(self) {
        self.end(End::Completed);
    }

    fn on_error(self, error: E) {
        self.end(End::Failed(error));
    }

    fn on_fault(self, fault: Fault) {
        self.end(End::Fault(fault));
    }

    fn on_request(&mut self, more: More) -> More {
        self.0.request_boxed(more)
    }

    fn cause(&self) -> Cause {
        self.0.cause_boxed()
    }

    fn on_end(self, end: End<E>) -> Option<Box<dyn Rest>> {
        self.0.end_boxed(end)
    }
}

impl<T, E> fmt::Debug for BoxActive<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxActive")
    }
}
