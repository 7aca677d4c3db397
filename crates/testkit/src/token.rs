//! Items that are counted: none may be lost, kept or dropped twice.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex};

use crate::lock::lock;

/// Keeps account of the [`Counted`] items that it hands out.
///
/// Clones keep the same account.
///
/// ```
/// use millstream_testkit::Ledger;
///
/// let ledger = Ledger::new();
/// let one = ledger.token(1);
/// let copy = one.clone();
/// assert_eq!((ledger.live(), ledger.created(), ledger.cloned()), (2, 1, 1));
/// drop((one, copy));
/// ledger.assert_settled();
/// ```
#[derive(Clone, Default)]
pub struct Ledger(Arc<Mutex<Account>>);

#[derive(Default)]
struct Account {
    next: u64,
    live: BTreeMap<u64, String>,
    created: u64,
    cloned: u64,
    dropped: u64,
    dropped_twice: Vec<String>,
}

impl Ledger {
    /// An account without items.
    #[must_use]
    pub fn new() -> Ledger {
        Ledger::default()
    }

    /// An item with a number.
    #[must_use]
    pub fn token(&self, value: i64) -> Token {
        self.counted(value)
    }

    /// An item with a value.
    pub fn counted<T: fmt::Debug>(&self, value: T) -> Counted<T> {
        let mut account = lock(&self.0);
        account.created += 1;
        let entry = account.enter(format!("{value:?}"));
        Counted { value, entry: Entry { id: entry, ledger: self.clone() } }
    }

    /// How many items there are now.
    #[must_use]
    pub fn live(&self) -> u64 {
        lock(&self.0).live.len() as u64
    }

    /// How many were handed out, without clones.
    #[must_use]
    pub fn created(&self) -> u64 {
        lock(&self.0).created
    }

    /// How many clones were made.
    #[must_use]
    pub fn cloned(&self) -> u64 {
        lock(&self.0).cloned
    }

    /// How many were dropped, clones included.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        lock(&self.0).dropped
    }

    /// What is not in order, if anything.
    pub(crate) fn unsettled(&self) -> Option<String> {
        let account = lock(&self.0);
        if !account.dropped_twice.is_empty() {
            return Some(format!("items were dropped twice: {}", account.dropped_twice.join(", ")));
        }
        if account.live.is_empty() {
            return None;
        }
        let some: Vec<_> = account.live.values().take(10).map(String::as_str).collect();
        Some(format!(
            "{} of {} items are still held: {}{}",
            account.live.len(),
            account.created + account.cloned,
            some.join(", "),
            if account.live.len() > some.len() { ", .." } else { "" },
        ))
    }

    /// Every item was dropped, exactly once.
    ///
    /// # Panics
    /// Where that is not so, with the values of the items.
    #[track_caller]
    pub fn assert_settled(&self) {
        if let Some(what) = self.unsettled() {
            panic!("{what}");
        }
    }
}

impl Account {
    fn enter(&mut self, value: String) -> u64 {
        let id = self.next;
        self.next += 1;
        self.live.insert(id, value);
        id
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let account = lock(&self.0);
        f.debug_struct("Ledger")
            .field("live", &account.live.len())
            .field("created", &account.created)
            .field("cloned", &account.cloned)
            .field("dropped", &account.dropped)
            .finish()
    }
}

/// A counted number: what the tests of this workspace send.
pub type Token = Counted<i64>;

/// A value that its [`Ledger`] keeps account of.
///
/// It compares, hashes and prints as its value.
pub struct Counted<T> {
    value: T,
    entry: Entry,
}

struct Entry {
    id: u64,
    ledger: Ledger,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut account = lock(&self.ledger.0);
        account.dropped += 1;
        if account.live.remove(&self.id).is_none() {
            let id = self.id;
            account.dropped_twice.push(format!("item {id}"));
        }
    }
}

impl<T> Counted<T> {
    /// The value.
    pub fn get(&self) -> &T {
        &self.value
    }

    /// The same item with another value: the account does not change.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Counted<U> {
        Counted { value: f(self.value), entry: self.entry }
    }
}

impl<T: Copy> Counted<T> {
    /// The value.
    pub fn value(&self) -> T {
        self.value
    }
}

impl<T: Clone + fmt::Debug> Clone for Counted<T> {
    fn clone(&self) -> Self {
        let mut account = lock(&self.entry.ledger.0);
        account.cloned += 1;
        let id = account.enter(format!("{:?}", self.value));
        drop(account);
        Counted {
            value: self.value.clone(),
            entry: Entry { id, ledger: self.entry.ledger.clone() },
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Counted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T: PartialEq> PartialEq for Counted<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Counted<T> {}

impl<T: PartialOrd> PartialOrd for Counted<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.value.partial_cmp(&other.value)
    }
}

impl<T: Ord> Ord for Counted<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.value.cmp(&other.value)
    }
}

impl<T: Hash> Hash for Counted<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}
