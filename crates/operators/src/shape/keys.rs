//! A table of keys that come and go.
//!
//! A key has a number as long as it is there, by which it is found again without hashing and
//! without a copy of it. What a key leaves behind is an empty place, for the next one: the table
//! is as large as it ever had keys at a time, which is for whoever fills it to bound.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};

const NONE: usize = usize::MAX;

/// Keys with a value each.
pub(crate) struct Keys<K, V, S> {
    hasher: S,
    /// The first place of each chain; a power of two of them, or none.
    chains: Vec<usize>,
    /// What a key is found by, apart from the values: they are looked at for each item, and so fit
    /// into what is near.
    places: Vec<Place<K>>,
    values: Vec<Option<V>>,
    /// The first of the empty places.
    free: usize,
    len: usize,
}

struct Place<K> {
    hash: u64,
    /// The next of the chain, or the next empty one.
    next: usize,
    key: Option<K>,
}

impl<K: Hash + Eq, V, S: BuildHasher> Keys<K, V, S> {
    /// Without a key, and without a place for one.
    pub(crate) fn new(hasher: S) -> Keys<K, V, S> {
        let (chains, places, values) = (Vec::new(), Vec::new(), Vec::new());
        Keys { hasher, chains, places, values, free: NONE, len: 0 }
    }

    /// How many keys there are.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The number of a key; its hash where it is not there, to [`insert`](Keys::insert) it by.
    #[inline(always)]
    pub(crate) fn find<Q>(&self, key: &Q) -> Result<usize, u64>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hasher.hash_one(key);
        let mut n = self.chains.get(self.chain(hash)).copied().unwrap_or(NONE);
        while let Some(place) = self.places.get(n) {
            if place.hash == hash
                && let Some(there) = &place.key
                && there.borrow() == key
            {
                return Ok(n);
            }
            n = place.next;
        }
        Err(hash)
    }

    /// As [`find`](Keys::find), with its value.
    #[inline(always)]
    pub(crate) fn find_mut<Q>(&mut self, key: &Q) -> Result<(usize, &mut V), u64>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let n = self.find(key)?;
        match self.values.get_mut(n) {
            Some(Some(value)) => Ok((n, value)),
            _ => unreachable!("what was found is there"),
        }
    }

    /// The number of the next key that is put in.
    pub(crate) fn next(&self) -> usize {
        if self.free == NONE { self.places.len() } else { self.free }
    }

    /// Puts a key in that is not there, and gives it a number.
    pub(crate) fn insert(&mut self, hash: u64, key: K, value: V) -> usize {
        if self.len == self.chains.len() {
            self.grow();
        }
        let chain = self.chain(hash);
        let place = Place { hash, next: self.chains[chain], key: Some(key) };
        let n = match self.places.get_mut(self.free) {
            Some(empty) => {
                let n = std::mem::replace(&mut self.free, empty.next);
                *empty = place;
                self.values[n] = Some(value);
                n
            }
            None => {
                self.places.push(place);
                self.values.push(Some(value));
                self.places.len() - 1
            }
        };
        self.chains[chain] = n;
        self.len += 1;
        n
    }

    /// Takes a key out; its number goes to another.
    pub(crate) fn remove(&mut self, n: usize) -> Option<(K, V)> {
        let place = self.places.get_mut(n)?;
        let entry = place.key.take()?;
        let next = std::mem::replace(&mut place.next, self.free);
        let chain = self.chain(self.places[n].hash);
        let mut before = self.chains[chain];
        if before == n {
            self.chains[chain] = next;
        } else {
            while self.places[before].next != n {
                before = self.places[before].next;
            }
            self.places[before].next = next;
        }
        self.free = n;
        self.len -= 1;
        self.values[n].take().map(|value| (entry, value))
    }

    /// The key and the value of a number.
    #[inline]
    pub(crate) fn get_mut(&mut self, n: usize) -> Option<(&K, &mut V)> {
        Some((self.places.get(n)?.key.as_ref()?, self.values[n].as_mut()?))
    }

    /// All values.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.values.iter_mut().flatten()
    }

    /// All values.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.values.iter().flatten()
    }

    /// Takes all keys out.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = (K, V)> + use<K, V, S> {
        self.chains.clear();
        self.free = NONE;
        self.len = 0;
        let keys = std::mem::take(&mut self.places).into_iter().map(|place| place.key);
        let values = std::mem::take(&mut self.values);
        keys.zip(values).filter_map(|(key, value)| key.zip(value))
    }

    #[inline]
    fn chain(&self, hash: u64) -> usize {
        hash as usize & self.chains.len().wrapping_sub(1)
    }

    #[cold]
    fn grow(&mut self) {
        let chains = (self.chains.len() * 2).max(8);
        self.chains.clear();
        self.chains.resize(chains, NONE);
        // As long as a key is put in there is no empty place whose chain could be confused.
        for n in 0..self.places.len() {
            if self.places[n].key.is_some() {
                let chain = self.chain(self.places[n].hash);
                self.places[n].next = std::mem::replace(&mut self.chains[chain], n);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::hash::{BuildHasherDefault, RandomState};

    use super::*;

    /// All keys in one chain.
    #[derive(Default)]
    struct Same;

    impl std::hash::Hasher for Same {
        fn finish(&self) -> u64 {
            7
        }

        fn write(&mut self, _: &[u8]) {}
    }

    /// A long row of insertions and removals, beside a map of the standard library.
    fn agrees_with_a_map<S: BuildHasher>(hasher: S) {
        let mut keys = Keys::new(hasher);
        let mut numbers: HashMap<u32, usize> = HashMap::new();
        let mut state = 1_u32;
        for step in 0..20_000_u32 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let key = (state >> 16) % 97;
            match keys.find(&key) {
                Ok(n) => {
                    assert_eq!(numbers.get(&key), Some(&n), "step {step}");
                    assert_eq!(
                        keys.get_mut(n).map(|(key, value)| (*key, *value)),
                        Some((key, key))
                    );
                    if state & 0x800 != 0 {
                        assert_eq!(keys.remove(n), Some((key, key)));
                        assert_eq!(keys.remove(n), None, "once");
                        numbers.remove(&key);
                    }
                }
                Err(hash) => {
                    assert_eq!(numbers.get(&key), None, "step {step}");
                    let next = keys.next();
                    let n = keys.insert(hash, key, key);
                    assert_eq!(n, next);
                    assert!(!numbers.values().any(|other| *other == n), "one number for each");
                    numbers.insert(key, n);
                }
            }
            assert_eq!(keys.len(), numbers.len());
        }
        assert!(keys.places.len() <= 97, "places are used again");
        assert_eq!(keys.take().count(), numbers.len());
        assert!(keys.find(&1).is_err(), "all are out");
        assert_eq!((keys.len(), keys.next()), (0, 0));
    }

    #[test]
    fn keys_come_and_go_as_in_a_map() {
        agrees_with_a_map(RandomState::new());
    }

    #[test]
    fn keys_whose_hashes_are_the_same_are_told_apart() {
        agrees_with_a_map(BuildHasherDefault::<Same>::default());
    }
}
