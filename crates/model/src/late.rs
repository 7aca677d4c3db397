//! Publishers that begin when another thread says so.

use std::fmt;
use std::sync::{Arc, Mutex};

use millstream_core::{Publisher, Subscriber};

/// Begins a [`Late`] publisher, from any thread.
#[derive(Clone, Default)]
pub struct Start(Arc<Mutex<Option<Starting>>>);

type Starting = Box<dyn FnOnce() + Send>;

impl Start {
    /// Begins it, if it was subscribed to by now and has not begun.
    pub fn go(&self) {
        let start = self.take();
        if let Some(start) = start {
            start();
        }
    }

    /// What is done when it begins.
    pub fn set(&self, start: impl FnOnce() + Send + 'static) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(Box::new(start));
    }

    /// Drops the subscriber without ever subscribing it.
    pub fn forget(&self) {
        drop(self.take());
    }

    fn take(&self) -> Option<Starting> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
    }
}

impl fmt::Debug for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Start")
    }
}

/// A publisher, and what begins it: until then who subscribed hears nothing.
///
/// So a thread of the model can be the source's, and its items race whatever the others do.
///
/// ```
/// use millstream::prelude::*;
/// use millstream_testkit::model::{Oracle, all, late, thread};
///
/// let oracle = Oracle::new();
/// let (source, start) = late(millstream::from_pull(oracle.items(0..2)));
/// source.take(5).subscribe(oracle.probe(|_| millstream::More::ONE));
/// let producer = thread::spawn(move || start.go());
/// producer.join().unwrap();
/// oracle.request(1);
/// assert_eq!(oracle.finish(), all(0..2));
/// ```
pub fn late<P: Publisher>(publisher: P) -> (Late<P>, Start) {
    let start = Start::default();
    (Late(start.clone(), publisher), start)
}

/// Subscribes to another publisher when its [`Start`] says so; see [`late`].
#[derive(Debug, Clone)]
pub struct Late<P>(pub Start, pub P);

impl<P: Publisher> Publisher for Late<P> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let Late(start, publisher) = self;
        start.set(move || publisher.subscribe(subscriber));
    }
}
