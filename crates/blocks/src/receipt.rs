//! Receipts: what a source hands out with its items, and takes back when they are done with.
//!
//! ```text
//!             issue(tag) ─▶ Ack ──── ack, nack, drop: any thread, once ────┐
//!   Issuer ◀── room ─── books: a slot for each item that is not committed ◀┘
//!                         └─▶ Clerk: take ─▶ what may be committed, in order or as it comes
//! ```
//!
//! | state of a slot | handles | who may change it |
//! |---|---|---|
//! | free | 0 | the issuer: takes it for the next item |
//! | open | 1 and more | whoever has a handle: may make [another](Ack::another), or settle |
//! | settled | 0 | the clerk: takes the tag out, and frees it |
//!
//! An [`Ack`] is one handle on a slot. It is used up by settling it, and dropping it settles it as
//! [`Nack::Dropped`]: so each is settled once on every path, by the language. An item that becomes
//! several has as many handles on its slot; it is acknowledged when the last is, and refused where
//! one of them was. Several items that become one have a handle of their own, which
//! [settles all](Ack::of_all).
//!
//! * **At most `window` items are open**, and at most `window + deferred` are not committed: what
//!   the clerk [took](Clerk::take) counts until it comes back for more (models
//!   `the_window_is_not_exceeded_whoever_acknowledges`, `what_was_taken_counts_until_it_is_committed`).
//! * **In the order of issue** the clerk is given what lies before the first item that is open or
//!   refused, and nothing behind it (model `a_hole_holds_back_what_is_behind_it`). In the order of
//!   settlement it is given each item with its verdict.
//! * **What waits behind a hole is one slot.** Of items that are acknowledged and side by side, only
//!   the last can ever be told; so they are one (model `neighbours_become_one`). There is no more
//!   than one such run before and behind each item that is open, whatever `deferred` is.
//! * **Nobody waits in vain.** The clerk notes under the lock that it found nothing, and whoever
//!   changes that rings, once, outside of it (models `the_clerk_races_acks`,
//!   `the_last_ack_races_the_end_of_the_issuer`). The issuer is rung, once until it looks, when it
//!   has no room that it knows of and there is some (model `acks_race_the_next_item`); and when there
//!   is room for a quarter of the window more than it knows, so that it asks upstream in time.
//!
//! It is a lock, taken for a few assignments: once to issue, once to settle, once for each batch
//! that is taken. Tags and reasons are foreign values: they are moved under it, and dropped outside.

use std::error::Error;
use std::fmt;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use millstream_core::{Fault, Panic, Undelivered, report_undelivered};
use millstream_sync::{Mutex, lock};

use crate::bell::Bell;

/// Why an item was not acknowledged.
#[derive(Debug, Clone)]
pub enum Nack {
    /// Its envelope was dropped: discarded, lost in a panic, or forgotten.
    Dropped,
    /// Somebody said so, and why.
    Refused(Arc<dyn Error + Send + Sync>),
}

impl Nack {
    /// A refusal, for `reason`.
    pub fn refused(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Nack {
        Nack::Refused(Arc::from(reason.into()))
    }

    /// Whether somebody said so.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self, Nack::Refused(_))
    }
}

impl fmt::Display for Nack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Nack::Dropped => f.write_str("its envelope was dropped"),
            Nack::Refused(reason) => fmt::Display::fmt(reason, f),
        }
    }
}

/// What became of an item.
pub type Verdict = Result<(), Nack>;

/// Whoever hands out items to be acknowledged.
pub trait Acknowledge: Send + Sync + 'static {
    /// Item `id` is done with. Called once for each handle, by any thread; not under any lock of
    /// this library, and maybe in a destructor.
    fn settle(&self, id: u64, verdict: Verdict);

    /// There is one handle more on item `id`, which is then settled once more. `false` where this
    /// does not count handles: then it is done elsewhere, and costs an allocation.
    fn share(&self, id: u64) -> bool {
        let _ = id;
        false
    }

    /// [`settle`](Acknowledge::settle) for each of several.
    fn settle_all(&self, ids: &mut dyn Iterator<Item = u64>, verdict: &Verdict) {
        ids.for_each(|id| self.settle(id, verdict.clone()));
    }
}

/// One handle on an item that is to be acknowledged. Dropping it is a [`Nack::Dropped`].
#[must_use = "dropping it is a nack"]
pub struct Ack {
    to: Option<Arc<dyn Acknowledge>>,
    id: u64,
}

impl Ack {
    /// The one handle on item `id` of `to`. No allocation.
    pub fn new(to: Arc<dyn Acknowledge>, id: u64) -> Ack {
        Ack { to: Some(to), id }
    }

    /// The one handle on an item of which `f` is told what became. One allocation.
    pub fn with(f: impl FnOnce(Verdict) + Send + 'static) -> Ack {
        Ack::new(Arc::new(Once(Mutex::new(Some(f)))), 0)
    }

    /// One handle that settles all of these alike. One allocation, where there are several.
    pub fn of_all(mut acks: Vec<Ack>) -> Ack {
        if acks.len() > 1 {
            return Ack::new(Arc::new(Group::of(acks)), 0);
        }
        acks.pop().unwrap_or(Ack { to: None, id: 0 })
    }

    /// One handle more: the item is acknowledged when all are, and refused when one is.
    pub fn another(&mut self) -> Ack {
        let Some(to) = &self.to else { return Ack { to: None, id: 0 } };
        if to.share(self.id) {
            return Ack { to: Some(to.clone()), id: self.id };
        }
        let one = Ack { to: self.to.take(), id: self.id };
        let group = Arc::new(Group::of(vec![one]));
        group.share(0);
        *self = Ack::new(group.clone(), 0);
        Ack::new(group, 0)
    }

    /// The item is done with.
    #[inline]
    pub fn ack(self) {
        self.settle(Ok(()));
    }

    /// The item is refused, for `reason`.
    pub fn nack(self, reason: impl Into<Box<dyn Error + Send + Sync>>) {
        self.settle(Err(Nack::refused(reason)));
    }

    /// What became of the item.
    #[inline]
    pub fn settle(mut self, verdict: Verdict) {
        if let Some(to) = self.to.take() {
            to.settle(self.id, verdict);
        }
    }
}

impl Drop for Ack {
    #[inline]
    fn drop(&mut self) {
        let Some(to) = self.to.take() else { return };
        let id = self.id;
        // Caught: it may be dropped by a panic, and a second one would abort the process.
        let told = catch_unwind(AssertUnwindSafe(|| to.settle(id, Err(Nack::Dropped))));
        if let Err(payload) = told {
            report_undelivered(&Undelivered::Fault(Fault::Panicked(Panic::new(payload))));
        }
    }
}

impl fmt::Debug for Ack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ack").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A function that is told once.
struct Once<F>(Mutex<Option<F>>);

impl<F: FnOnce(Verdict) + Send + 'static> Acknowledge for Once<F> {
    fn settle(&self, _: u64, verdict: Verdict) {
        let f = lock(&self.0).take();
        if let Some(f) = f {
            f(verdict);
        }
    }
}

/// Several handles on several items: settled alike when the last of its own handles is.
struct Group(Mutex<Held>);

struct Held {
    handles: usize,
    refused: Option<Nack>,
    acks: Vec<Ack>,
}

impl Group {
    fn of(acks: Vec<Ack>) -> Group {
        Group(Mutex::new(Held { handles: 1, refused: None, acks }))
    }
}

impl Acknowledge for Group {
    fn settle(&self, _: u64, verdict: Verdict) {
        let mut held = lock(&self.0);
        let late = note(&mut held.refused, verdict);
        held.handles -= 1;
        let last =
            (held.handles == 0).then(|| (std::mem::take(&mut held.acks), held.refused.take()));
        drop(held);
        drop(late);
        if let Some((acks, refused)) = last {
            settle_all(acks, &refused.map_or(Ok(()), Err));
        }
    }

    fn share(&self, _: u64) -> bool {
        lock(&self.0).handles += 1;
        true
    }
}

/// Settles these alike, those of one maker at once.
fn settle_all(acks: Vec<Ack>, verdict: &Verdict) {
    let mut acks = acks.into_iter().peekable();
    while let Some(mut ack) = acks.next() {
        let Some(to) = ack.to.take() else { continue };
        let one = Arc::as_ptr(&to).cast::<()>();
        let same = |ack: &Ack| ack.to.as_ref().is_some_and(|to| Arc::as_ptr(to).cast() == one);
        let others = std::iter::from_fn(|| {
            let mut ack = acks.next_if(same)?;
            ack.to = None;
            Some(ack.id)
        });
        to.settle_all(&mut std::iter::once(ack.id).chain(others), verdict);
    }
}

/// Notes a refusal: the first that somebody pronounced, else the first. The other is given back,
/// to be dropped outside of the lock.
fn note(refused: &mut Option<Nack>, verdict: Verdict) -> Option<Nack> {
    match (&refused, verdict) {
        (_, Ok(())) => None,
        (None, Err(nack)) => refused.replace(nack),
        (Some(Nack::Dropped), Err(nack)) if nack.is_refused() => refused.replace(nack),
        (Some(_), Err(nack)) => Some(nack),
    }
}

/// What becomes of a stream whose items are committed in order, when one is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnNack {
    /// It fails, and nothing is committed from that item on.
    #[default]
    Stop,
    /// The item counts as done with. One that was merely dropped does not: the stream fails.
    Skip,
}

/// In which order items are given to the clerk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As they were issued, up to the first that is not acknowledged.
    Issued(OnNack),
    /// As they were settled, each with its verdict.
    Settled,
}

/// Why no more items may be issued.
#[derive(Debug, Clone)]
pub enum Stop {
    /// An item was refused, and what is behind it cannot be committed.
    Refused {
        /// Which item, from 0.
        position: u64,
        /// Why.
        nack: Nack,
    },
    /// What was acknowledged could not be committed.
    Failed(Arc<dyn Error + Send + Sync>),
}

/// Opens the books. `issuer` and `clerk` are rung when there is news for them. At most `window` items
/// are open, and at most `window + deferred` are not committed.
pub fn receipts<K: Send + 'static>(
    window: NonZeroUsize,
    deferred: usize,
    order: Order,
    issuer: Bell,
    clerk: Bell,
) -> (Issuer<K>, Clerk<K>) {
    // Each item that is open or refused, and what was acknowledged before, between and behind them.
    let places = 2 * window.get() + 1;
    let books = Books {
        slots: (0..places).map(|_| Slot::empty()).collect(),
        free: (0..places).rev().collect(),
        first: None,
        last: None,
        issued: 0,
        settled: 0,
        released: 0,
        taken: 0,
        passed: 0,
        issuer_rung: false,
        clerk_waits: false,
        closed: false,
        stop: None,
        refused: None,
    };
    let window = window.get() as u64;
    let rules = Rules { order, window, most: window.saturating_add(deferred as u64) };
    let ledger = Arc::new(Ledger { books: Mutex::new(books), rules, issuer, clerk });
    (Issuer { ledger: ledger.clone() }, Clerk { ledger })
}

struct Ledger<K> {
    books: Mutex<Books<K>>,
    rules: Rules,
    issuer: Bell,
    clerk: Bell,
}

#[derive(Clone, Copy)]
struct Rules {
    order: Order,
    /// How many items may be open.
    window: u64,
    /// How many may not be committed.
    most: u64,
}

struct Books<K> {
    slots: Vec<Slot<K>>,
    free: Vec<usize>,
    /// A list, by order: of all that were issued and not taken, or that were settled and not taken.
    first: Option<usize>,
    last: Option<usize>,
    issued: u64,
    settled: u64,
    released: u64,
    /// Taken by the clerk, and not released yet.
    taken: u64,
    /// How many items the issuer knows that it may have issued in all.
    passed: u64,
    /// The issuer was rung, and has not looked since.
    issuer_rung: bool,
    clerk_waits: bool,
    /// No more will be issued.
    closed: bool,
    /// For the issuer.
    stop: Option<Stop>,
    /// For the clerk, at the end.
    refused: Option<Stop>,
}

struct Slot<K> {
    tag: Option<K>,
    position: u64,
    handles: u64,
    /// How many items it stands for.
    items: u64,
    refused: Option<Nack>,
    before: Option<usize>,
    behind: Option<usize>,
}

impl<K> Slot<K> {
    fn empty() -> Slot<K> {
        Slot {
            tag: None,
            position: 0,
            handles: 0,
            items: 0,
            refused: None,
            before: None,
            behind: None,
        }
    }

    fn is_acknowledged(&self) -> bool {
        self.handles == 0 && self.refused.is_none()
    }
}

/// What is to be dropped outside of the lock. Never filled where nothing is refused, and tags have no
/// destructor.
struct Late<K> {
    nacks: Vec<Nack>,
    tags: Vec<K>,
}

/// Who is to be told, once the lock is free.
#[derive(Default)]
#[must_use]
struct Rings {
    issuer: bool,
    clerk: bool,
}

impl<K> Books<K> {
    /// How many items may have been issued in all.
    fn granted(&self, rules: Rules) -> u64 {
        (self.settled + rules.window).min(self.released.saturating_add(rules.most))
    }

    /// What the clerk would be given.
    fn ready(&self, order: Order) -> Option<usize> {
        let first = self.first?;
        (order == Order::Settled || self.slots[first].is_acknowledged()).then_some(first)
    }

    fn push(&mut self, n: usize) {
        let last = self.last.replace(n);
        self.slots[n].before = last;
        match last {
            Some(last) => self.slots[last].behind = Some(n),
            None => self.first = Some(n),
        }
    }

    /// Takes slot `n` out of the list: how many items it stood for, and its tag.
    fn free(&mut self, n: usize) -> (u64, Option<K>) {
        let slot = &mut self.slots[n];
        let (before, behind) = (slot.before.take(), slot.behind.take());
        let (items, tag) = (slot.items, slot.tag.take());
        match before {
            Some(before) => self.slots[before].behind = behind,
            None => self.first = behind,
        }
        match behind {
            Some(behind) => self.slots[behind].before = before,
            None => self.last = before,
        }
        self.free.push(n);
        (items, tag)
    }

    /// Slot `n` was acknowledged: where the one before it was too, that is nobody's business any
    /// more.
    fn join(&mut self, n: usize, late: &mut Late<K>) {
        let Some(before) = self.slots[n].before else { return };
        if !self.slots[before].is_acknowledged() {
            return;
        }
        let (items, tag) = self.free(before);
        self.slots[n].items += items;
        if std::mem::needs_drop::<K>() {
            late.tags.extend(tag);
        }
    }

    /// Whether nothing is open, nor will be.
    fn is_over(&self) -> bool {
        self.closed && self.settled == self.issued
    }

    fn rings(&mut self, rules: Rules) -> Rings {
        let more = self.granted(rules) - self.passed;
        let enough = if self.passed == self.issued { 1 } else { rules.window.div_ceil(4) };
        let issuer = !self.issuer_rung && !self.closed && more >= enough;
        let ready = self.ready(rules.order).is_some();
        let clerk = self.clerk_waits && (ready || self.is_over());
        self.issuer_rung |= issuer;
        self.clerk_waits &= !clerk;
        Rings { issuer, clerk }
    }

    /// One handle less on slot `n`; whether that stops the issuer. What is put into `late` is dropped
    /// outside of the lock.
    fn settle(&mut self, n: usize, verdict: Verdict, order: Order, late: &mut Late<K>) -> bool {
        let slot = &mut self.slots[n];
        late.nacks.extend(note(&mut slot.refused, verdict));
        slot.handles -= 1;
        if slot.handles > 0 {
            return false;
        }
        self.settled += 1;
        let Order::Issued(policy) = order else {
            self.push(n);
            return false;
        };
        let refused = slot.refused.take_if(|nack| policy == OnNack::Skip && nack.is_refused());
        late.nacks.extend(refused);
        if let Some(nack) = &slot.refused {
            let stop = Stop::Refused { position: slot.position, nack: nack.clone() };
            // What is dropped after the last item is not news: somebody wanted no more.
            if self.refused.is_none() && nack.is_refused() {
                self.refused = Some(stop.clone());
            }
            return self.stop(stop).is_none();
        }
        self.join(n, late);
        if let Some(behind) = self.slots[n].behind.filter(|&n| self.slots[n].is_acknowledged()) {
            self.join(behind, late);
        }
        false
    }

    /// Stops the issuer, unless that was done: then it is given back.
    fn stop(&mut self, stop: Stop) -> Option<Stop> {
        if self.stop.is_some() || self.closed {
            return Some(stop);
        }
        self.stop = Some(stop);
        None
    }
}

impl<K> Ledger<K> {
    fn settle_ids(&self, ids: &mut (impl Iterator<Item = u64> + ?Sized), verdict: &Verdict) {
        let rules = self.rules;
        let mut late = Late { nacks: Vec::new(), tags: Vec::new() };
        let mut books = lock(&self.books);
        let mut stopped = false;
        // These are clones of what the caller holds: none is the last.
        ids.for_each(|id| {
            stopped |= books.settle(id as usize, verdict.clone(), rules.order, &mut late)
        });
        let mut rings = books.rings(rules);
        rings.issuer |= stopped;
        drop(books);
        drop(late);
        self.ring(rings);
    }

    fn ring(&self, rings: Rings) {
        if rings.clerk {
            self.clerk.ring();
        }
        if rings.issuer {
            self.issuer.ring();
        }
    }
}

impl<K: Send + 'static> Acknowledge for Ledger<K> {
    fn settle(&self, id: u64, verdict: Verdict) {
        self.settle_ids(&mut std::iter::once(id), &verdict);
    }

    fn settle_all(&self, ids: &mut dyn Iterator<Item = u64>, verdict: &Verdict) {
        self.settle_ids(ids, verdict);
    }

    fn share(&self, id: u64) -> bool {
        lock(&self.books).slots[id as usize].handles += 1;
        true
    }
}

/// The one who issues receipts. Dropped, it issues no more.
pub struct Issuer<K: Send + 'static> {
    ledger: Arc<Ledger<K>>,
}

impl<K: Send + 'static> Issuer<K> {
    /// How many more items it may issue than it knew. Its bell rings when there is more.
    ///
    /// # Errors
    /// Where it must not issue any more: told once.
    pub fn look(&mut self) -> Result<u64, Stop> {
        let rules = self.ledger.rules;
        let mut books = lock(&self.ledger.books);
        if let Some(stop) = books.stop.take() {
            books.closed = true;
            let rings = books.rings(rules);
            drop(books);
            self.ledger.ring(rings);
            return Err(stop);
        }
        let granted = books.granted(rules);
        books.issuer_rung = false;
        Ok(granted - std::mem::replace(&mut books.passed, granted))
    }

    /// A receipt for the next item, of which the clerk will be told `tag`. The caller knows that it
    /// may, by [`look`](Issuer::look).
    ///
    /// # Errors
    /// Where it must not issue any more: told once, and the tag comes back.
    pub fn issue(&mut self, tag: K) -> Result<Ack, (K, Stop)> {
        let mut books = lock(&self.ledger.books);
        if books.stop.is_some() {
            drop(books);
            return match self.look() {
                Err(stop) => Err((tag, stop)),
                Ok(_) => unreachable!("a stop stays until it is told"),
            };
        }
        debug_assert!(books.issued < books.passed, "a receipt too many");
        let Some(n) = books.free.pop() else { unreachable!("there is a slot for each receipt") };
        let position = books.issued;
        books.issued += 1;
        books.slots[n] = Slot { tag: Some(tag), position, handles: 1, items: 1, ..Slot::empty() };
        if self.ledger.rules.order != Order::Settled {
            books.push(n);
        }
        drop(books);
        Ok(Ack::new(self.ledger.clone(), n as u64))
    }
}

impl<K: Send + 'static> Drop for Issuer<K> {
    fn drop(&mut self) {
        let mut books = lock(&self.ledger.books);
        books.closed = true;
        let stop = books.stop.take();
        let rings = books.rings(self.ledger.rules);
        drop(books);
        drop(stop);
        self.ledger.ring(rings);
    }
}

impl<K: Send + 'static> fmt::Debug for Issuer<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Issuer")
    }
}

/// What the clerk was given.
#[derive(Debug)]
pub enum Taken {
    /// Something.
    Some,
    /// Nothing for now: its bell rings when that changes.
    Nothing,
    /// Nothing, for ever; and why not all was acknowledged, where somebody refused an item.
    Over(Option<Stop>),
}

/// The one who sees to it that what is settled is committed.
pub struct Clerk<K: Send + 'static> {
    ledger: Arc<Ledger<K>>,
}

impl<K: Send + 'static> Clerk<K> {
    /// What was taken before is committed. Puts what may be committed now into `batch`.
    pub fn take(&mut self, batch: &mut Vec<(K, Verdict)>) -> Taken {
        let rules = self.ledger.rules;
        let mut books = lock(&self.ledger.books);
        books.released += std::mem::take(&mut books.taken);
        while let Some(n) = books.ready(rules.order) {
            let verdict = books.slots[n].refused.take().map_or(Ok(()), Err);
            let (items, tag) = books.free(n);
            batch.extend(tag.map(|tag| (tag, verdict)));
            books.taken += items;
        }
        let taken = match books.taken {
            0 if books.is_over() => Taken::Over(books.refused.take()),
            0 => Taken::Nothing,
            _ => Taken::Some,
        };
        books.clerk_waits = matches!(taken, Taken::Nothing);
        let rings = books.rings(rules);
        drop(books);
        self.ledger.ring(rings);
        taken
    }

    /// What it took could not be committed: no more is issued.
    pub fn fail(&mut self, error: Arc<dyn Error + Send + Sync>) {
        let late = lock(&self.ledger.books).stop(Stop::Failed(error));
        if late.is_none() {
            self.ledger.issuer.ring();
        }
        drop(late);
    }
}

impl<K: Send + 'static> fmt::Debug for Clerk<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clerk")
    }
}
