//! What a [hub](crate::hub) may ask upstream for, so that there is room for all of it in each
//! outlet that is there. Plain data, under the lock of the hub.

use millstream_core::Demand;

/// What becomes of an outlet that is slower than the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Slow {
    /// The others wait for it.
    #[default]
    Wait,
    /// When its queue is full the oldest item in it is discarded.
    DropOldest,
    /// When its queue is full it is ended with [`Fault::TooSlow`](millstream_core::Fault::TooSlow).
    Disconnect,
}

/// Where an outlet sits. Never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) index: usize,
    stamp: u64,
}

impl Place {
    /// The place of nobody.
    pub(crate) const NOWHERE: Place = Place { index: 0, stamp: 0 };

    /// Whether it was opened before the other.
    pub(crate) fn is_before(self, other: Place) -> bool {
        self.stamp < other.stamp
    }
}

/// How many items upstream may be asked for. Each outlet has room up to some item, counted from the
/// first that upstream ever sent, and what it takes moves that on.
pub(crate) struct Accounts {
    pub(crate) capacity: u64,
    slow: Slow,
    /// How many items upstream was asked for.
    asked: u64,
    table: Vec<Account>,
    free: Vec<usize>,
    pub(crate) live: usize,
    /// The room that counts, and how many have it.
    edge: u64,
    at_edge: usize,
    stamps: u64,
}

struct Account {
    /// Of the place; 0 where it is free.
    stamp: u64,
    room: u64,
}

impl Accounts {
    pub(crate) fn new(capacity: u64, slow: Slow) -> Accounts {
        Accounts {
            capacity,
            slow,
            asked: 0,
            table: Vec::new(),
            free: Vec::new(),
            live: 0,
            edge: 0,
            at_edge: 0,
            stamps: 0,
        }
    }

    /// A place for an outlet that begins at item `from`.
    pub(crate) fn open(&mut self, from: u64) -> Place {
        let room = from.saturating_add(self.capacity);
        self.stamps += 1;
        let stamp = self.stamps;
        let index = self.free.pop().unwrap_or(self.table.len());
        if index == self.table.len() {
            self.table.push(Account { stamp, room });
        } else {
            self.table[index] = Account { stamp, room };
        }
        self.live += 1;
        if self.live == 1 || self.counts_more(room) {
            (self.edge, self.at_edge) = (room, 1);
        } else if room == self.edge {
            self.at_edge += 1;
        }
        Place { index, stamp }
    }

    /// Whether an outlet with `room` counts more than those at the edge.
    fn counts_more(&self, room: u64) -> bool {
        match self.slow {
            Slow::Wait => room < self.edge,
            Slow::DropOldest | Slow::Disconnect => room > self.edge,
        }
    }

    fn find(&mut self, place: Place) -> Option<&mut Account> {
        let account = self.table.get_mut(place.index)?;
        (account.stamp == place.stamp && place != Place::NOWHERE).then_some(account)
    }

    pub(crate) fn is_open(&mut self, place: Place) -> bool {
        self.find(place).is_some()
    }

    /// `false` where it is closed already.
    pub(crate) fn close(&mut self, place: Place) -> bool {
        let Some(account) = self.find(place) else { return false };
        account.stamp = 0;
        let room = account.room;
        self.free.push(place.index);
        self.live -= 1;
        self.moved(room, None);
        true
    }

    /// An outlet has taken `n` more.
    pub(crate) fn credit(&mut self, place: Place, n: u64) {
        let Some(account) = self.find(place) else { return };
        let before = account.room;
        account.room = before.saturating_add(n);
        let now = account.room;
        self.moved(before, Some(now));
    }

    /// Keeps the edge. All are looked at only when the last has gone from it.
    fn moved(&mut self, before: u64, now: Option<u64>) {
        if before == self.edge {
            self.at_edge -= 1;
        }
        if let Some(now) = now {
            if self.counts_more(now) {
                (self.edge, self.at_edge) = (now, 1);
                return;
            }
            if now == self.edge {
                self.at_edge += 1;
            }
        }
        if self.at_edge > 0 {
            return;
        }
        let rooms = self.table.iter().filter(|account| account.stamp != 0);
        let rooms = rooms.map(|account| account.room);
        let edge = match self.slow {
            Slow::Wait => rooms.clone().min(),
            Slow::DropOldest | Slow::Disconnect => rooms.clone().max(),
        };
        if let Some(edge) = edge {
            (self.edge, self.at_edge) = (edge, rooms.filter(|room| *room == edge).count());
        }
    }

    /// What upstream may be asked for beyond what it was: it is on its way from here on.
    pub(crate) fn due(&mut self) -> Option<Demand> {
        self.due_up_to(self.edge)
    }

    pub(crate) fn due_up_to(&mut self, item: u64) -> Option<Demand> {
        let more = item.saturating_sub(self.asked);
        self.asked += more;
        Demand::new(more)
    }

    /// The first of as many items before the last that was asked for as an outlet has room for.
    pub(crate) fn overdue(&self) -> u64 {
        self.asked.saturating_sub(self.capacity)
    }
}

#[cfg(all(test, not(millstream_loom)))]
mod tests {
    use super::*;

    fn due(accounts: &mut Accounts) -> u64 {
        accounts.due().map_or(0, Demand::get)
    }

    #[test]
    fn the_slowest_counts_and_one_that_comes_later_has_room_for_what_is_on_its_way() {
        let mut accounts = Accounts::new(4, Slow::Wait);
        let (a, b) = (accounts.open(0), accounts.open(0));
        assert_eq!(due(&mut accounts), 4);
        accounts.credit(a, 3);
        assert_eq!(due(&mut accounts), 0, "b has taken nothing");
        accounts.credit(b, 2);
        assert_eq!(due(&mut accounts), 2);
        let c = accounts.open(4);
        accounts.credit(b, 2);
        assert_eq!(due(&mut accounts), 1, "a has taken 3");
        assert!(accounts.close(a));
        assert_eq!(due(&mut accounts), 1);
        assert!(accounts.close(b) && !accounts.close(b));
        accounts.credit(c, 1);
        assert_eq!(due(&mut accounts), 1);
    }

    #[test]
    fn the_fastest_counts_where_the_slow_lose() {
        let mut accounts = Accounts::new(4, Slow::Disconnect);
        let (a, b) = (accounts.open(0), accounts.open(0));
        assert_eq!(due(&mut accounts), 4);
        accounts.credit(a, 3);
        assert_eq!(due(&mut accounts), 3);
        assert!(accounts.close(a));
        accounts.credit(b, 3);
        assert_eq!(due(&mut accounts), 0, "what the fastest was to have is still on its way");
        accounts.credit(b, 1);
        assert_eq!(due(&mut accounts), 1);
    }

    #[test]
    fn a_capacity_without_bound_does_not_wrap() {
        let mut accounts = Accounts::new(u64::MAX, Slow::DropOldest);
        let (a, b) = (accounts.open(0), accounts.open(7));
        assert!(due(&mut accounts) > 1 << 60);
        accounts.credit(b, 9);
        assert!(accounts.close(a));
        assert!(accounts.close(b));
        accounts.open(8);
        assert_eq!(due(&mut accounts), 0, "all was asked for");
    }

    #[test]
    fn a_place_is_never_used_again() {
        let mut accounts = Accounts::new(1, Slow::Wait);
        let before = accounts.open(0);
        assert!(accounts.close(before));
        let after = accounts.open(0);
        assert_eq!(before.index, after.index);
        accounts.credit(before, 7);
        assert_eq!(due(&mut accounts), 1);
        assert!(!accounts.close(before) && !accounts.close(Place::NOWHERE));
        assert!(accounts.close(after));
    }
}
