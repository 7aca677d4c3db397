//! The table of a stage with many upstreams at a time: `merge`, `flat_map_unordered`.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use millstream_blocks::bell::Bell;
use millstream_core::{Handed, Hands, Pull, Pulled};

use crate::shape::joined::Feed;
use crate::shape::roster::Roster;

/// Feeds that come and go, each in a place, and whose turn it is.
pub(crate) struct Table<Q: Pull> {
    places: Vec<Option<Feed<Q>>>,
    free: Vec<usize>,
    roster: Roster,
    /// Feeds that went since this was asked.
    removed: u64,
    started: bool,
}

impl<Q: Pull> Table<Q> {
    /// For up to `size` feeds at a time.
    pub(crate) fn new(size: usize) -> Table<Q> {
        Table {
            places: (0..size).map(|_| None).collect(),
            free: (0..size).rev().collect(),
            roster: Roster::new(size),
            removed: 0,
            started: false,
        }
    }

    /// How many feeds went since this was asked last.
    #[inline]
    pub(crate) fn take_removed(&mut self) -> u64 {
        std::mem::take(&mut self.removed)
    }

    /// Whether there is a place for another feed.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        !self.free.is_empty()
    }

    /// Whether there is no feed.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.free.len() == self.places.len()
    }

    /// Puts a feed into a free place, if there is one. `make` is given its bell, of `bell`'s host.
    #[inline]
    pub(crate) fn add(&mut self, bell: &Bell, make: impl FnOnce(Bell) -> Feed<Q>) {
        if let Some(n) = self.free.pop() {
            // In its place only when it is made: user code may panic in `make`.
            self.places[n] = Some(make(self.roster.bell(bell, n)));
            self.roster.wake(n);
        }
    }

    fn remove(&mut self, n: usize) {
        self.roster.sleep(n);
        self.places[n] = None;
        self.free.push(n);
        self.removed += 1;
    }

    /// An item of the feed whose turn it is, or the failure of one, which is taken out. [`Pulled::Skipped`] where a feed is over, and its
    /// place free; [`Pulled::Complete`] where there is no feed.
    #[inline]
    pub(crate) fn pull(&mut self) -> Pulled<Q::Item, Q::Error> {
        self.started = true;
        while let Some(n) = self.roster.turn() {
            let Some(feed) = &mut self.places[n] else {
                // It rang when it was over already.
                self.roster.sleep(n);
                continue;
            };
            match feed.pull_one_of_many() {
                Pulled::Pending => self.roster.sleep(n),
                Pulled::Complete => {
                    self.remove(n);
                    return Pulled::Skipped;
                }
                Pulled::Error(error) => {
                    self.remove(n);
                    return Pulled::Error(error);
                }
                other => return other,
            }
        }
        self.rest()
    }

    /// As [`pull`](Table::pull), for as many items as one feed gives in its turn, handed to `each`
    /// until that answers `false`. `None` where the turn is over.
    #[inline]
    pub(crate) fn play(
        &mut self,
        mut each: impl FnMut(Q::Item) -> bool,
    ) -> Option<Pulled<Q::Item, Q::Error>> {
        self.started = true;
        while let Some(n) = self.roster.begin() {
            let Some(feed) = &mut self.places[n] else {
                // It rang when it was over already.
                self.roster.sleep(n);
                continue;
            };
            let roster = &mut self.roster;
            let mut stopped = false;
            let pulled = feed.pull_while(|item| {
                stopped = !each(item);
                roster.spend() && !stopped
            });
            match pulled {
                Pulled::Pending => self.roster.sleep(n),
                Pulled::Complete => {
                    self.remove(n);
                    return Some(Pulled::Skipped);
                }
                Pulled::Error(error) => {
                    self.remove(n);
                    return Some(Pulled::Error(error));
                }
                Pulled::Skipped if !stopped && self.roster.is_spent() => return None,
                other => return Some(other),
            }
        }
        Some(self.rest())
    }

    /// What is handed the items of the feeds that are held in place, for `each`.
    #[inline]
    pub(crate) fn receiver<F>(&mut self, each: F) -> Receiver<'_, Q, F> {
        self.started = true;
        Receiver { table: self, each, stopped: None }
    }

    /// As [`pull`](Table::pull), without demand: an end, or an item that had to be taken to find
    /// out.
    pub(crate) fn look_ahead(&mut self) -> Pulled<Q::Item, Q::Error> {
        self.roster.listen();
        let mut from = 0;
        while let Some(n) = self.roster.from(from) {
            from = n + 1;
            let Some(feed) = &mut self.places[n] else {
                self.roster.sleep(n);
                continue;
            };
            match feed.look_ahead(self.started) {
                Pulled::Complete => {
                    self.remove(n);
                    return Pulled::Skipped;
                }
                Pulled::Error(error) => {
                    self.remove(n);
                    return Pulled::Error(error);
                }
                // Items are waiting: the end is not here, whatever the others have.
                Pulled::Pending if feed.holds() => return Pulled::Pending,
                Pulled::Pending => {}
                other => return other,
            }
        }
        self.rest()
    }

    fn rest(&self) -> Pulled<Q::Item, Q::Error> {
        if self.is_empty() { Pulled::Complete } else { Pulled::Pending }
    }
}

/// The feeds of a table, which are handed items: see [`Pull::hand_out`].
pub(crate) struct Receiver<'a, Q: Pull, F> {
    table: &'a mut Table<Q>,
    each: F,
    /// Why it takes nothing more.
    stopped: Option<Stopped<Q::Error>>,
}

enum Stopped<E> {
    Enough,
    Failed(E),
    Panicked(Box<dyn Any + Send>),
}

/// Takes nothing: for a host without demand.
pub(crate) struct NoHands;

impl Hands for NoHands {
    fn room(&self) -> Option<usize> {
        None
    }

    fn hand<T: Send + 'static>(&mut self, _: usize, handed: Handed<T>) -> Result<bool, T> {
        handed.into_item().map_or(Ok(false), Err)
    }
}

impl<Q: Pull, F> Receiver<'_, Q, F> {
    /// The failure of a feed, which was taken out. A panic is raised again only here: it is no affair
    /// of upstream's.
    #[inline]
    pub(crate) fn finish(self) -> Result<(), Q::Error> {
        match self.stopped {
            None | Some(Stopped::Enough) => Ok(()),
            Some(Stopped::Failed(error)) => Err(error),
            Some(Stopped::Panicked(payload)) => resume_unwind(payload),
        }
    }
}

impl<Q: Pull, F: FnMut(Q::Item) -> bool> Hands for Receiver<'_, Q, F> {
    fn room(&self) -> Option<usize> {
        Some(self.table.free.len())
    }

    #[inline]
    fn hand<T: Send + 'static>(&mut self, place: usize, handed: Handed<T>) -> Result<bool, T> {
        let mut handed = handed;
        let mut goes_on = true;
        if self.stopped.is_none()
            && let Some(Some(feed)) = self.table.places.get_mut(place)
        {
            let each = &mut self.each;
            let pulled = catch_unwind(AssertUnwindSafe(|| {
                feed.pull_handed(&mut handed, |item| {
                    goes_on = each(item);
                    goes_on
                })
            }));
            match pulled {
                Ok(Pulled::Pending | Pulled::Skipped) => {}
                pulled => {
                    self.stopped = self.settle(place, pulled);
                    goes_on = self.stopped.is_none();
                }
            }
        }
        match handed.into_item() {
            Some(item) => Err(item),
            None => Ok(goes_on),
        }
    }
}

impl<Q: Pull, F: FnMut(Q::Item) -> bool> Receiver<'_, Q, F> {
    #[cold]
    fn settle(
        &mut self,
        place: usize,
        pulled: std::thread::Result<Pulled<Q::Item, Q::Error>>,
    ) -> Option<Stopped<Q::Error>> {
        let settled = pulled.and_then(|pulled| {
            catch_unwind(AssertUnwindSafe(|| match pulled {
                Pulled::Item(item) => Ok((self.each)(item)),
                Pulled::Complete => {
                    self.table.remove(place);
                    Ok(true)
                }
                Pulled::Error(error) => {
                    self.table.remove(place);
                    Err(error)
                }
                Pulled::Pending | Pulled::Skipped => Ok(true),
            }))
        });
        match settled {
            Ok(Ok(true)) => None,
            Ok(Ok(false)) => Some(Stopped::Enough),
            Ok(Err(error)) => Some(Stopped::Failed(error)),
            Err(payload) => Some(Stopped::Panicked(payload)),
        }
    }
}
