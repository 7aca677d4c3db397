//! A table of keys that come and go.
//!
//! A key has a number as long as it is there, by which it is found again without hashing and
//! without a copy of it. What a key leaves behind is an empty place, for the next one: the table
//! is as large as it ever had keys at a time, which is for whoever fills it to bound.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};

/// No place.
const NONE: u32 = u32::MAX;

/// How many chains there are for each key at least. Nearly all keys are the first of their chain then,
/// and a processor that guesses so is right. Where it is not, the next items, which it has begun, wait
/// until the hash is known: one in sixteen, with eight for each, makes W7 slower by three in a hundred.
const CHAINS: usize = 32;

/// The same, where there are as many chains as [`MANY`]: what is far takes longer than a wrong guess,
/// and the chains should not outweigh the keys.
const CHAINS_OF_MANY: usize = 8;

/// As many chains as are near: 64 kB.
const MANY: usize = 1 << 14;

/// Keys with a value each, and with what is kept near to the key.
pub(crate) struct Keys<K, N, V, S> {
    hasher: S,
    /// The first place of each chain; a power of two of them, or none.
    chains: Vec<u32>,
    /// What is looked at for each item, apart from the rest: so it fits into what is near.
    places: Vec<Place<K, N>>,
    rest: Vec<Rest<V>>,
    /// The first of the empty places.
    free: u32,
    len: usize,
}

pub(crate) struct Place<K, N> {
    key: Option<K>,
    near: N,
    /// The next of the chain, or the next empty one.
    next: u32,
}

struct Rest<V> {
    hash: u64,
    value: Option<V>,
}

impl<K: Hash + Eq, N, V, S: BuildHasher> Keys<K, N, V, S> {
    /// Without a key, and without a place for one.
    pub(crate) fn new(hasher: S) -> Keys<K, N, V, S> {
        let (chains, places, rest) = (Vec::new(), Vec::new(), Vec::new());
        Keys { hasher, chains, places, rest, free: NONE, len: 0 }
    }

    /// How many keys there are.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The number of a key; its hash where it is not there, to [`insert`](Keys::insert) it by.
    #[inline]
    pub(crate) fn find<Q>(&self, key: &Q) -> Result<usize, u64>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hasher.hash_one(key);
        let first = first(&self.chains, hash);
        if place_of(&self.places, first, key).is_some() {
            return Ok(first as usize);
        }
        follow(&self.places, first, key).map(|n| n as usize).ok_or(hash)
    }

    /// What [`find_in`] needs.
    #[inline]
    pub(crate) fn parts(&self) -> Parts<'_, K, N, S> {
        (&self.hasher, &self.chains, &self.places)
    }

    /// The number of the next key that is put in.
    pub(crate) fn next(&self) -> usize {
        if self.free == NONE { self.places.len() } else { self.free as usize }
    }

    /// Puts a key in that is not there, and gives it a number.
    pub(crate) fn insert(&mut self, hash: u64, key: K, near: N, value: V) -> usize {
        let each = if self.chains.len() < MANY { CHAINS } else { CHAINS_OF_MANY };
        if self.len * each >= self.chains.len() {
            self.grow();
        }
        let n = self.next();
        let Ok(number) = u32::try_from(n) else {
            unreachable!("there are no more keys than a bound allows, which is far below")
        };
        let chain = self.chain(hash);
        let next = std::mem::replace(&mut self.chains[chain], number);
        let place = Place { key: Some(key), near, next };
        let rest = Rest { hash, value: Some(value) };
        match self.places.get_mut(n) {
            Some(empty) => {
                self.free = empty.next;
                *empty = place;
                self.rest[n] = rest;
            }
            None => {
                self.places.push(place);
                self.rest.push(rest);
            }
        }
        self.len += 1;
        n
    }

    /// Takes a key out; its number goes to another.
    pub(crate) fn remove(&mut self, n: usize) -> Option<(K, V)> {
        let place = self.places.get_mut(n)?;
        let key = place.key.take()?;
        let next = std::mem::replace(&mut place.next, self.free);
        let chain = self.chain(self.rest[n].hash);
        let mut before = self.chains[chain] as usize;
        if before == n {
            self.chains[chain] = next;
        } else {
            while self.places[before].next as usize != n {
                before = self.places[before].next as usize;
            }
            self.places[before].next = next;
        }
        self.free = n as u32;
        self.len -= 1;
        self.rest[n].value.take().map(|value| (key, value))
    }

    /// What is near to the key of a number, and its value.
    #[inline]
    pub(crate) fn get_mut(&mut self, n: usize) -> Option<(&mut N, &mut V)> {
        let value = self.rest.get_mut(n)?.value.as_mut()?;
        Some((&mut self.places[n].near, value))
    }

    /// All values.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.rest.iter_mut().filter_map(|rest| rest.value.as_mut())
    }

    /// All values.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.rest.iter().filter_map(|rest| rest.value.as_ref())
    }

    /// Takes all keys out.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = (K, V)> + use<K, N, V, S> {
        self.chains.clear();
        self.free = NONE;
        self.len = 0;
        let keys = std::mem::take(&mut self.places).into_iter().map(|place| place.key);
        let values = std::mem::take(&mut self.rest).into_iter().map(|rest| rest.value);
        keys.zip(values).filter_map(|(key, value)| key.zip(value))
    }

    #[inline]
    fn chain(&self, hash: u64) -> usize {
        chain(&self.chains, hash)
    }

    #[cold]
    fn grow(&mut self) {
        let chains = (self.chains.len() * 2).max(4 * CHAINS);
        self.chains = vec![NONE; chains];
        // As long as a key is put in there is no empty place whose chain could be confused.
        for n in 0..self.places.len() {
            if self.places[n].key.is_some() {
                let chain = self.chain(self.rest[n].hash);
                self.places[n].next = std::mem::replace(&mut self.chains[chain], n as u32);
            }
        }
    }
}

/// The parts of a table in which keys are looked for, by [`find_in`].
pub(crate) type Parts<'a, K, N, S> = (&'a S, &'a [u32], &'a [Place<K, N>]);

/// The number of a key, and what is near to it. For a loop that is given each of the parts by an argument
/// of its own: the compiler knows then that nothing which is run in it changes them.
#[inline(always)]
pub(crate) fn find_in<'a, K, N, S, Q>(
    (hasher, chains, places): Parts<'a, K, N, S>,
    key: &Q,
) -> Option<(usize, &'a N)>
where
    K: Borrow<Q>,
    Q: Hash + Eq + ?Sized,
    S: BuildHasher,
{
    let first = first(chains, hasher.hash_one(key));
    if let Some(place) = place_of(places, first, key) {
        return Some((first as usize, &place.near));
    }
    let n = follow(places, first, key)? as usize;
    places.get(n).map(|place| (n, &place.near))
}

#[inline]
fn chain(chains: &[u32], hash: u64) -> usize {
    hash as usize & chains.len().wrapping_sub(1)
}

/// The first place of the chain of a hash.
#[inline]
fn first(chains: &[u32], hash: u64) -> u32 {
    chains.get(chain(chains, hash)).copied().unwrap_or(NONE)
}

/// The place of that number, if the key is there.
#[inline]
fn place_of<'a, K, N, Q>(places: &'a [Place<K, N>], n: u32, key: &Q) -> Option<&'a Place<K, N>>
where
    K: Borrow<Q>,
    Q: Eq + ?Sized,
{
    let place = places.get(n as usize)?;
    place.key.as_ref().is_some_and(|there| there.borrow() == key).then_some(place)
}

/// The number of a key in what is left of a chain.
#[inline(never)]
fn follow<K: Borrow<Q>, N, Q: Eq + ?Sized>(
    places: &[Place<K, N>],
    mut n: u32,
    key: &Q,
) -> Option<u32> {
    loop {
        n = places.get(n as usize)?.next;
        if place_of(places, n, key).is_some() {
            return Some(n);
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
                    let found = keys.get_mut(n).map(|(near, value)| (*near, *value));
                    assert_eq!(found, Some((key + 1, key)));
                    assert_eq!(find_in(keys.parts(), &key), Some((n, &(key + 1))));
                    if state & 0x800 != 0 {
                        assert_eq!(keys.remove(n), Some((key, key)));
                        assert_eq!(keys.remove(n), None, "once");
                        numbers.remove(&key);
                    }
                }
                Err(hash) => {
                    assert_eq!(numbers.get(&key), None, "step {step}");
                    assert_eq!(find_in(keys.parts(), &key), None);
                    let next = keys.next();
                    let n = keys.insert(hash, key, key + 1, key);
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
