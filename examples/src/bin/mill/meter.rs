//! What each stage holds, and what crosses the edges between stages.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use millstream::shape::stage::{Books, Emit, Stage, Step};
use millstream::{Demand, More, Publisher, Pulled};

use crate::stages::{Line, Record};

/// The counters of one stage. They are written by the threads of the pipeline and read for the
/// report; none of them orders anything, so all accesses are relaxed.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    pub(crate) name: &'static str,
    /// The most items it may hold; none where nothing bounds it.
    pub(crate) capacity: Option<u64>,
    received: AtomicU64,
    sent: AtomicU64,
    dropped: AtomicU64,
    asked: AtomicU64,
    held: AtomicU64,
    most_held: AtomicU64,
}

impl Gauge {
    pub(crate) fn new(name: &'static str, capacity: Option<u64>) -> Arc<Gauge> {
        Arc::new(Gauge { name, capacity, ..Gauge::default() })
    }

    fn take_in(&self) {
        let held = self.held.fetch_add(1, Relaxed) + 1;
        self.most_held.fetch_max(held, Relaxed);
    }

    pub(crate) fn received_one(&self) {
        self.received.fetch_add(1, Relaxed);
    }

    pub(crate) fn sent_one(&self) {
        self.sent.fetch_add(1, Relaxed);
    }

    /// Signals that came: lines, records, or for the sink chunks.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    /// Signals that went downstream.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    /// Items whose way ended in this stage.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// What downstream asked of it.
    pub(crate) fn asked(&self) -> Option<Demand> {
        Demand::new(self.asked.load(Relaxed))
    }

    /// The most items it held at one time.
    pub(crate) fn most_held(&self) -> u64 {
        self.most_held.load(Relaxed)
    }
}

/// Goes with an item from the source to its end, and counts it where it is. However the item
/// ends, dropping the ticket takes it off: what the gauges say is held, is held.
#[derive(Debug)]
pub(crate) struct Ticket {
    place: Arc<Gauge>,
    total: Arc<Gauge>,
}

impl Ticket {
    pub(crate) fn new(place: Arc<Gauge>, total: Arc<Gauge>) -> Ticket {
        place.take_in();
        total.take_in();
        Ticket { place, total }
    }

    pub(crate) fn move_to(&mut self, place: &Arc<Gauge>) {
        self.place.held.fetch_sub(1, Relaxed);
        place.take_in();
        self.place = place.clone();
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.place.held.fetch_sub(1, Relaxed);
        self.place.dropped.fetch_add(1, Relaxed);
        self.total.held.fetch_sub(1, Relaxed);
    }
}

/// An item that carries tickets.
pub(crate) trait Ticketed: Send + 'static {
    fn move_to(&mut self, place: &Arc<Gauge>);
}

impl Ticketed for Line {
    fn move_to(&mut self, place: &Arc<Gauge>) {
        self.ticket.move_to(place);
    }
}

impl Ticketed for Record {
    fn move_to(&mut self, place: &Arc<Gauge>) {
        self.ticket.move_to(place);
    }
}

impl Ticketed for Vec<Record> {
    fn move_to(&mut self, place: &Arc<Gauge>) {
        for record in self {
            record.move_to(place);
        }
    }
}

/// A stage that changes nothing and counts what crosses the edge between two others.
#[derive(Debug)]
pub(crate) struct Meter {
    above: Arc<Gauge>,
    below: Arc<Gauge>,
}

impl<T: Ticketed, E: Send + 'static> Step<T, E> for Meter {
    type Item = T;
    type Error = E;
    type Books = Books<E>;

    fn next(&mut self, mut item: T) -> Emit<T, T, E> {
        item.move_to(&self.below);
        self.above.sent_one();
        self.below.received_one();
        Emit::Item(item)
    }

    fn demand(&mut self, more: More) -> More {
        if let Some(demand) = more.demand() {
            let sum = |asked| Some(demand.plus(Demand::new(asked)?).get());
            let asked = self.above.asked.load(Relaxed);
            // Demand travels serially: nobody else writes here.
            self.above.asked.store(sum(asked).unwrap_or(demand.get()), Relaxed);
        }
        more
    }

    fn error(&mut self, error: E) -> Pulled<T, E> {
        Pulled::Error(error)
    }
}

/// `metered` for every publisher of items with tickets.
pub(crate) trait MeterExt: Publisher<Item: Ticketed> {
    /// Counts what crosses the edge from the stage `above` to the stage `below`.
    fn metered(self, above: &Arc<Gauge>, below: &Arc<Gauge>) -> Stage<Self, Meter> {
        Stage::new(self, Meter { above: above.clone(), below: below.clone() })
    }
}

impl<P: Publisher<Item: Ticketed>> MeterExt for P {}
