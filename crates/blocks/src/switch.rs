//! A switch that is thrown once, and all who listen to it are told.
//!
//! | state | throw | listen |
//! |---|---|---|
//! | `Set`, with those who listen | tells them all, and is `Thrown` | takes the place |
//! | `Thrown`, for good | comes back | is told at once |
//!
//! Whoever wants to listen takes a [place](Switch::place) first: its two halves go to two owners. With
//! one the listener is [put in](Place::listen), the other [keeps](Listening) it: when that is
//! dropped, the listener is let go, or never put in. So the owner of the second half need not
//! exist yet when the first is used, nor the other way round.
//!
//! * **A listener is told once**, with what the switch was thrown with first, whether it came before
//!   or after. One that is let go while the switch is thrown may be told nevertheless.
//! * **What came before the throw is visible to whoever is told**: a listener is called by the thread
//!   that throws, or after that thread has left the lock.
//! * **Nothing is kept.** A listener is dropped when it was told or let go. A switch that nobody
//!   throws keeps those alone who still listen.
//! * **No user code under the lock**: listeners are called, and dropped, outside of it. They may
//!   throw, listen and let go themselves. One that panics does not keep the others from being told;
//!   the first panic is raised again then.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use millstream_sync::{Mutex, lock};

use crate::ending::Contained;

/// See the [module](self). A handle: clones are the same switch.
pub struct Switch<W>(Arc<Mutex<State<W>>>);

enum State<W> {
    Set { places: BTreeMap<u64, Option<Listener<W>>>, next: u64 },
    Thrown(Arc<W>),
}

type Listener<W> = Box<dyn FnOnce(&W) + Send>;

impl<W: Send + Sync + 'static> Default for Switch<W> {
    fn default() -> Switch<W> {
        Switch::new()
    }
}

impl<W: Send + Sync + 'static> Switch<W> {
    /// A switch that is not thrown.
    #[must_use]
    pub fn new() -> Switch<W> {
        Switch(Arc::new(Mutex::new(State::Set { places: BTreeMap::new(), next: 0 })))
    }

    /// Throws it, and tells all who listen.
    ///
    /// # Errors
    /// It was thrown before.
    pub fn throw(&self, what: W) -> Result<(), W> {
        let what = Arc::new(what);
        let mut state = lock(&self.0);
        let State::Set { places, .. } = &mut *state else {
            drop(state);
            return Err(Arc::into_inner(what).unwrap_or_else(|| unreachable!("nobody has seen it")));
        };
        let places = std::mem::take(places);
        *state = State::Thrown(what.clone());
        drop(state);
        let mut contained = Contained::default();
        for listener in places.into_values().flatten() {
            contained.run(|| listener(&what));
        }
        contained.done();
        Ok(())
    }

    /// What it was thrown with.
    #[must_use]
    pub fn thrown(&self) -> Option<Arc<W>> {
        match &*lock(&self.0) {
            State::Set { .. } => None,
            State::Thrown(what) => Some(what.clone()),
        }
    }

    /// A place for a listener.
    pub fn place(&self) -> (Place<W>, Listening<W>) {
        let mut state = lock(&self.0);
        let number = match &mut *state {
            // Nobody has a place any more.
            State::Thrown(_) => u64::MAX,
            State::Set { places, next } => {
                let number = *next;
                *next += 1;
                places.insert(number, None);
                number
            }
        };
        drop(state);
        let place = Place { switch: self.clone(), number };
        (place, Listening { switch: self.clone(), number })
    }
}

impl<W> Clone for Switch<W> {
    fn clone(&self) -> Switch<W> {
        Switch(self.0.clone())
    }
}

impl<W> fmt::Debug for Switch<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &*lock(&self.0) {
            State::Set { .. } => "Switch(set)",
            State::Thrown(_) => "Switch(thrown)",
        })
    }
}

/// Where a listener is put in.
pub struct Place<W> {
    switch: Switch<W>,
    number: u64,
}

impl<W> Place<W> {
    /// Puts a listener in. Where the switch was thrown meanwhile it is told at once, and where nobody
    /// keeps it any more it is dropped.
    pub fn listen(self, listener: impl FnOnce(&W) + Send + 'static) {
        let mut listener: Option<Listener<W>> = Some(Box::new(listener));
        let mut state = lock(&self.switch.0);
        let thrown = match &mut *state {
            State::Thrown(what) => Some(what.clone()),
            State::Set { places, .. } => {
                if let Some(place) = places.get_mut(&self.number) {
                    *place = listener.take();
                }
                None
            }
        };
        drop(state);
        if let (Some(what), Some(listener)) = (thrown, listener) {
            listener(&what);
        }
    }
}

impl<W> fmt::Debug for Place<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place")
    }
}

/// Keeps a listener. When this is dropped, it is let go.
#[must_use = "dropped, the listener is let go"]
pub struct Listening<W> {
    switch: Switch<W>,
    number: u64,
}

impl<W> Listening<W> {
    /// Whether the switch was thrown: the listener was told, or is about to be.
    #[must_use]
    pub fn is_thrown(&self) -> bool {
        matches!(&*lock(&self.switch.0), State::Thrown(_))
    }
}

impl<W> Drop for Listening<W> {
    fn drop(&mut self) {
        let mut state = lock(&self.switch.0);
        let listener = match &mut *state {
            State::Set { places, .. } => places.remove(&self.number),
            State::Thrown(_) => None,
        };
        drop(state);
        // A listener is foreign code: dropped after the lock.
        drop(listener);
    }
}

impl<W> fmt::Debug for Listening<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listening")
    }
}
