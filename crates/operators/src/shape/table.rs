//! The table of a stage with many upstreams at a time: `merge`, `flat_map_unordered`.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use millstream_blocks::bell::Bell;
use millstream_core::{Hands, Pull, Pulled, Supply};

use crate::shape::joined::Feed;
use crate::shape::roster::{Order, Roster};

/// Feeds that come and go, each in a place, and whose turn it is.
pub(crate) struct Table<Q: Pull> {
    places: Vec<Option<Feed<Q>>>,
    seats: Seats,
    /// Feeds were added that may have to [begin](Feed::begin).
    fresh: bool,
    started: bool,
}

/// What is known of the places.
struct Seats {
    free: Vec<usize>,
    roster: Roster,
    /// Feeds that went since this was asked.
    removed: u64,
}

/// Takes the feed out of a place.
fn remove<Q: Pull>(places: &mut [Option<Feed<Q>>], seats: &mut Seats, n: usize) {
    seats.roster.sleep(n);
    places[n] = None;
    seats.free.push(n);
    seats.removed += 1;
}

impl<Q: Pull> Table<Q> {
    /// For up to `size` feeds at a time.
    pub(crate) fn new(size: usize) -> Table<Q> {
        Table::ordered(size, Order::Round)
    }

    /// As [`new`](Table::new), in another order.
    pub(crate) fn ordered(size: usize, order: Order) -> Table<Q> {
        Table {
            places: (0..size).map(|_| None).collect(),
            seats: Seats {
                free: (0..size).rev().collect(),
                roster: Roster::new(size, order),
                removed: 0,
            },
            fresh: false,
            started: false,
        }
    }

    /// How many feeds went since this was asked last.
    #[inline]
    pub(crate) fn take_removed(&mut self) -> u64 {
        std::mem::take(&mut self.seats.removed)
    }

    /// Whether there is a place for another feed.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        !self.seats.free.is_empty()
    }

    /// Whether there is no feed.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.seats.free.len() == self.places.len()
    }

    /// Puts a feed into a free place, if there is one. `make` is given its bell, of `bell`'s host.
    #[inline]
    pub(crate) fn add(&mut self, bell: &Bell, make: impl FnOnce(Bell) -> Feed<Q>) {
        if let Some(n) = self.seats.free.pop() {
            // In its place only when it is made: user code may panic in `make`.
            self.places[n] = Some(make(self.seats.roster.bell(bell, n)));
            self.seats.roster.wake(n);
            self.fresh = true;
        }
    }

    fn remove(&mut self, n: usize) {
        remove(&mut self.places, &mut self.seats, n);
    }

    /// An item of the feed whose turn it is, or the failure of one, which is taken out. [`Pulled::Skipped`] where a feed is over, and its
    /// place free; [`Pulled::Complete`] where there is no feed.
    #[inline]
    pub(crate) fn pull(&mut self) -> Pulled<Q::Item, Q::Error> {
        self.started = true;
        while let Some(n) = self.seats.roster.turn() {
            let Some(feed) = &mut self.places[n] else {
                // It rang when it was over already.
                self.seats.roster.sleep(n);
                continue;
            };
            match feed.pull_one_of_many() {
                Pulled::Pending => self.seats.roster.sleep(n),
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
        each: &mut impl FnMut(Q::Item) -> bool,
    ) -> Option<Pulled<Q::Item, Q::Error>> {
        self.started = true;
        while let Some(n) = self.begin() {
            let Some(feed) = &mut self.places[n] else {
                // It rang when it was over already.
                self.seats.roster.sleep(n);
                continue;
            };
            match feed.pull_turn(self.seats.roster.turn_left(), each) {
                None => return None,
                Some(Pulled::Pending) => self.seats.roster.sleep(n),
                Some(Pulled::Complete) => {
                    self.remove(n);
                    return Some(Pulled::Skipped);
                }
                Some(Pulled::Error(error)) => {
                    self.remove(n);
                    return Some(Pulled::Error(error));
                }
                other => return other,
            }
        }
        Some(self.rest())
    }

    /// The place whose turn it is. Out of line: it is asked once in a turn, and what surrounds it keeps
    /// its registers.
    #[inline(never)]
    fn begin(&mut self) -> Option<usize> {
        let places = &self.places;
        self.seats.roster.begin(|n| matches!(places.get(n), Some(Some(feed)) if feed.is_prompt()))
    }

    /// What is handed the items of the feeds that are held in place, for `each`.
    #[inline]
    pub(crate) fn receiver<F>(&mut self, each: F) -> Receiver<'_, Q, F> {
        self.started = true;
        Receiver { places: &mut self.places, seats: &mut self.seats, each, stopped: None }
    }

    /// As [`pull`](Table::pull), without demand: an end, or an item that had to be taken to find
    /// out.
    pub(crate) fn look_ahead(&mut self) -> Pulled<Q::Item, Q::Error> {
        self.seats.roster.listen();
        if std::mem::take(&mut self.fresh) {
            self.places.iter_mut().flatten().for_each(Feed::begin);
        }
        let mut from = 0;
        while let Some(n) = self.seats.roster.from(from) {
            from = n + 1;
            let Some(feed) = &mut self.places[n] else {
                self.seats.roster.sleep(n);
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
    // Not behind the table: a loop that hands items looks at both for each of them.
    places: &'a mut [Option<Feed<Q>>],
    seats: &'a mut Seats,
    each: F,
    /// Why it takes nothing more.
    stopped: Option<Stopped<Q::Item, Q::Error>>,
}

enum Stopped<T, E> {
    /// The feed in that place said so.
    Told(usize, Pulled<T, E>),
    Panicked(Box<dyn Any + Send>),
}

/// A supply whose receiver may panic, which is no affair of whoever gives the items.
struct Caught<'a, S> {
    supply: &'a mut S,
    panicked: Option<Box<dyn Any + Send>>,
}

impl<S: Supply> Supply for Caught<'_, S> {
    type Item = S::Item;

    #[inline]
    fn give(&mut self, mut each: impl FnMut(S::Item) -> bool) {
        let Caught { supply, panicked } = self;
        supply.give(|item| match catch_unwind(AssertUnwindSafe(|| each(item))) {
            Ok(goes_on) => goes_on,
            Err(payload) => {
                *panicked = Some(payload);
                false
            }
        });
    }
}

/// Takes nothing: for a host without demand.
pub(crate) struct NoHands;

impl Hands for NoHands {
    fn room(&self) -> Option<usize> {
        None
    }

    fn hand(&mut self, _: usize, _: usize, _: &mut impl Supply) -> bool {
        false
    }
}

impl<Q: Pull, F: FnMut(Q::Item) -> bool> Receiver<'_, Q, F> {
    /// What the feed said that stopped it; the failure of one, which is taken out. That, and a panic,
    /// is no affair of upstream's: it has given its turn up by now. Whether a feed is to be looked at,
    /// or its place is free: nobody else tells.
    #[inline]
    pub(crate) fn finish(mut self) -> Result<bool, Q::Error> {
        match self.stopped {
            None => return Ok(false),
            Some(Stopped::Told(place, Pulled::Pending | Pulled::Skipped)) => {
                self.seats.roster.wake(place);
            }
            Some(Stopped::Told(place, Pulled::Item(item))) => {
                // Others may come behind it, or the end.
                self.seats.roster.wake(place);
                (self.each)(item);
            }
            Some(Stopped::Told(place, Pulled::Complete)) => remove(self.places, self.seats, place),
            Some(Stopped::Told(place, Pulled::Error(error))) => {
                remove(self.places, self.seats, place);
                return Err(error);
            }
            Some(Stopped::Panicked(payload)) => resume_unwind(payload),
        }
        Ok(true)
    }
}

impl<Q: Pull, F: FnMut(Q::Item) -> bool> Hands for Receiver<'_, Q, F> {
    fn room(&self) -> Option<usize> {
        Some(self.seats.free.len())
    }

    #[inline]
    fn hand(&mut self, place: usize, to: usize, supply: &mut impl Supply) -> bool {
        let (None, Some(Some(feed))) = (&self.stopped, self.places.get_mut(place)) else {
            return false;
        };
        let each = &mut self.each;
        let mut goes_on = true;
        let mut supply = Caught { supply, panicked: None };
        let pulled = feed.pull_handed(to, &mut supply, |item| {
            goes_on = each(item);
            goes_on
        });
        self.stopped = match (supply.panicked, pulled) {
            (None, Pulled::Pending) => return goes_on,
            (None, pulled) => Some(Stopped::Told(place, pulled)),
            (Some(payload), _) => Some(Stopped::Panicked(payload)),
        };
        false
    }
}
