//! Whose turn it is to fly: for a stage whose items go through futures (`flights`).

use std::hash::{Hash, RandomState};

use crate::shape::keys::Keys;

const NONE: usize = usize::MAX;

/// Which items may fly, and which wait for another to land.
pub(crate) trait Turns<T>: Send + 'static {
    /// What tells whose turn is over when a future lands.
    type Lane: Copy + Send + 'static;

    /// An item arrives: it comes back where it may fly now, and waits otherwise.
    fn arrived(&mut self, item: T, ticket: u64) -> Option<(T, Self::Lane)>;

    /// A future of this lane landed: the item whose turn it is now.
    fn landed(&mut self, lane: Self::Lane) -> Option<(T, u64)>;

    /// Items that wait.
    fn waiting(&self) -> usize;

    /// Hands out the items that wait.
    fn drain(&mut self, discard: &mut dyn FnMut(T));
}

/// All may fly.
pub(crate) struct AtOnce;

impl<T> Turns<T> for AtOnce {
    type Lane = ();

    #[inline]
    fn arrived(&mut self, item: T, _: u64) -> Option<(T, ())> {
        Some((item, ()))
    }

    #[inline]
    fn landed(&mut self, (): ()) -> Option<(T, u64)> {
        None
    }

    #[inline]
    fn waiting(&self) -> usize {
        0
    }

    fn drain(&mut self, _: &mut dyn FnMut(T)) {}
}

/// One at a time for each key, in the order of arrival.
pub(crate) struct OnePerKey<T, K, F> {
    key: F,
    /// The keys in flight.
    keys: Keys<K, (), Line, RandomState>,
    /// Items that wait, and empty places.
    places: Vec<Place<T>>,
    /// The first of the empty places.
    free: usize,
    waiting: usize,
}

/// The places of the items that wait for a key: the first and the last of a chain.
struct Line {
    first: usize,
    last: usize,
}

struct Place<T> {
    item: Option<T>,
    ticket: u64,
    next: usize,
}

impl<T, K: Hash + Eq, F> OnePerKey<T, K, F> {
    pub(crate) fn new(key: F) -> OnePerKey<T, K, F> {
        OnePerKey {
            key,
            keys: Keys::new(RandomState::new()),
            places: Vec::new(),
            free: NONE,
            waiting: 0,
        }
    }

    fn park(&mut self, lane: usize, item: T, ticket: u64) {
        let place = Place { item: Some(item), ticket, next: NONE };
        let n = match self.places.get_mut(self.free) {
            Some(empty) => {
                let n = std::mem::replace(&mut self.free, empty.next);
                *empty = place;
                n
            }
            None => {
                self.places.push(place);
                self.places.len() - 1
            }
        };
        if let Some((_, line)) = self.keys.get_mut(lane) {
            let last = std::mem::replace(&mut line.last, n);
            match self.places.get_mut(last) {
                Some(last) => last.next = n,
                None => line.first = n,
            }
        }
        self.waiting += 1;
    }
}

impl<T, K, F> Turns<T> for OnePerKey<T, K, F>
where
    T: Send + 'static,
    K: Hash + Eq + Send + 'static,
    F: FnMut(&T) -> K + Send + 'static,
{
    type Lane = usize;

    fn arrived(&mut self, item: T, ticket: u64) -> Option<(T, usize)> {
        let key = (self.key)(&item);
        match self.keys.find(&key) {
            Ok(lane) => {
                self.park(lane, item, ticket);
                None
            }
            Err(hash) => {
                let lane = self.keys.insert(hash, key, (), Line { first: NONE, last: NONE });
                Some((item, lane))
            }
        }
    }

    fn landed(&mut self, lane: usize) -> Option<(T, u64)> {
        let (_, line) = self.keys.get_mut(lane)?;
        let n = line.first;
        let Some(place) = self.places.get_mut(n) else {
            // Nobody waits: the key is forgotten.
            drop(self.keys.remove(lane));
            return None;
        };
        line.first = std::mem::replace(&mut place.next, self.free);
        if line.first == NONE {
            line.last = NONE;
        }
        self.free = n;
        self.waiting -= 1;
        place.item.take().map(|item| (item, place.ticket))
    }

    fn waiting(&self) -> usize {
        self.waiting
    }

    fn drain(&mut self, discard: &mut dyn FnMut(T)) {
        self.places.drain(..).filter_map(|place| place.item).for_each(discard);
    }
}
