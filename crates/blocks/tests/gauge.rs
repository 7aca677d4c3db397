//! Models of the gauges: whatever moves meanwhile, what a snapshot shows belongs together, counts
//! every item once, and is exact when nothing moves.

mod oracle;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use millstream_blocks::gauge::{Board, Gauge, Levels, Panel, Queue, Row, Site, State, Watch};
use millstream_blocks::island::join;
use millstream_blocks::lane::lane;
use millstream_blocks::ring::{Popped, Pushed, Writer, ring};
use millstream_blocks::task::task;
use millstream_core::{
    ActiveSubscriber, Cause, Context, Credit, Demand, End, Fault, More, Publisher, Subscriber,
    Subscription, Upstream,
};
use millstream_model::Runner;
use millstream_sync::{AtomicU64, Ordering, model, thread};
use oracle::{Error, Hand, Oracle, Probe, Source, Token};

fn board() -> Board {
    Board::with_clock(8, || Duration::ZERO)
}

/// A context with a board.
fn on(board: &Board) -> Context {
    board.watch().over(Context::default())
}

/// What one snapshot shows of one boundary, which belongs together.
fn row(board: &Board) -> Row {
    let snapshot = board.snapshot();
    let [row] = snapshot.rows() else { panic!("one boundary: {snapshot}") };
    belongs_together(row);
    row.clone()
}

fn belongs_together(row: &Row) {
    assert_eq!(row.received, row.sent + row.discarded + row.fill, "{row:?}");
    assert!(row.fill <= row.high_water && row.high_water <= row.capacity, "{row:?}");
}

fn belong_together(levels: Levels, capacity: u64) {
    let Levels { came, went, most } = levels;
    assert!(went <= came && came - went <= most && most <= capacity, "{levels:?}");
}

fn push_all(mut writer: Writer<u32>, n: u32) -> Writer<u32> {
    for item in 0..n {
        assert!(matches!(writer.push(item), Pushed::Noted | Pushed::Wake));
    }
    writer
}

#[test]
fn a_look_sees_what_belongs_together() {
    model("gauge: a_look_sees_what_belongs_together", || {
        let (mut writer, mut reader) = ring(3);
        let queue = writer.observe();
        let pushing = thread::spawn(move || push_all(writer, 3));
        let looking = thread::spawn(move || {
            let first = queue.levels();
            let second = queue.levels();
            belong_together(first, 3);
            belong_together(second, 3);
            assert!(first.came <= second.came && first.most <= second.most);
            second
        });
        let mut popped = 0;
        for _ in 0..2 {
            popped += u64::from(matches!(reader.pop(), Popped::Item(_)));
        }
        let seen = looking.join().unwrap();
        drop(pushing.join().unwrap());
        assert!(seen.went <= popped, "{seen:?} of {popped}");
    });
}

/// Nothing is taken out, so nothing may seem to be.
#[test]
fn a_look_sees_the_mark_of_the_item() {
    model("gauge: a_look_sees_the_mark_of_the_item", || {
        let (mut writer, reader) = ring(2);
        let queue = writer.observe();
        let pushing = thread::spawn(move || push_all(writer, 2));
        let seen = queue.levels();
        assert_eq!(seen.went, 0, "{seen:?}");
        belong_together(seen, 2);
        drop(pushing.join().unwrap());
        assert_eq!(queue.levels(), Levels { came: 2, went: 0, most: 2 });
        drop(reader);
    });
}

#[test]
fn the_mark_is_the_most_there_was() {
    model("gauge: the_mark_is_the_most_there_was", || {
        let (mut writer, mut reader) = ring(8);
        let queue = writer.observe();
        let mut seen = Vec::new();
        for batch in [1, 1, 3, 2, 3, 5, 1] {
            for item in 0..batch {
                assert!(matches!(writer.push(item), Pushed::Noted));
            }
            seen.push(queue.levels().most);
            for _ in 0..batch {
                assert!(matches!(reader.pop(), Popped::Item(_)));
            }
        }
        assert_eq!(seen, [1, 1, 3, 3, 3, 5, 5]);
        assert_eq!(queue.levels(), Levels { came: 16, went: 16, most: 5 });
    });
}

/// A subscriber with a board.
struct Seen<F>(Probe<F>, Watch);

impl<F: FnMut(u32) -> More + Send + 'static> Subscriber<Token, Error> for Seen<F> {
    type Active = Probe<F>;

    fn on_subscribe(self, subscription: Subscription) -> Probe<F> {
        self.0.on_subscribe(subscription)
    }

    fn context(&self) -> Context {
        self.1.over(Context::default())
    }
}

/// A source by hand into a lane of `capacity` on an island, seen by `board`.
fn by_hand(oracle: &Oracle, board: &Board, capacity: usize) -> Hand {
    let hand = Hand::default();
    let source = Source::Hand(oracle.alive(), hand.clone());
    join(
        |bell, context| {
            let gauge = bell.gauge(context, Site::here("lane"), capacity);
            assert!(gauge.is_some());
            let capacity = NonZeroUsize::new(capacity).unwrap();
            let (inlet, outlet) = lane(capacity, bell.clone(), context, gauge);
            source.subscribe(inlet);
            outlet
        },
        Seen(oracle.probe(|_| More::NONE), board.watch()),
    );
    hand
}

#[test]
fn a_snapshot_races_items_and_requests() {
    model("gauge: a_snapshot_races_items_and_requests", || {
        let (oracle, board) = (Oracle::new(), board());
        let hand = by_hand(&oracle, &board, 2);
        let alive = oracle.alive();
        let sending = thread::spawn(move || {
            hand.send(Token(0, alive.clone()));
            hand.send(Token(1, alive));
            hand
        });
        oracle.request(1);
        row(&board);
        drop(sending.join().unwrap());
        let rests = row(&board);
        assert_eq!((rests.received, rests.sent, rests.fill), (2, 1, 1));
        assert_eq!((rests.demand, rests.state), (None, State::Running));
        assert!(rests.backpressured_since.is_some() && rests.starved_since.is_none());
        oracle.request(3);
        let rests = row(&board);
        assert_eq!((rests.sent, rests.demand), (2, Some(Demand::of(2))));
        assert!(rests.starved_since.is_some() && rests.backpressured_since.is_none());
        oracle.finish();
        assert_eq!(row(&board).state, State::Cancelled);
    });
}

/// The demand that is shown is that of whoever rested last.
#[test]
fn demand_is_shown_before_the_turn_is_left() {
    model("gauge: demand_is_shown_before_the_turn_is_left", || {
        let (oracle, board) = (Oracle::new(), board());
        let hand = by_hand(&oracle, &board, 2);
        let asking = {
            let oracle = oracle.clone();
            thread::spawn(move || oracle.request(1))
        };
        oracle.request(2);
        asking.join().unwrap();
        assert_eq!(row(&board).demand, Some(Demand::of(3)));
        oracle.finish();
        drop(hand);
    });
}

/// An item that comes when the reader goes is discarded by one of the two, and counted once.
#[test]
fn an_item_races_a_cancellation() {
    model("gauge: an_item_races_a_cancellation", || {
        let (oracle, board) = (Oracle::new(), board());
        let hand = by_hand(&oracle, &board, 2);
        hand.send(Token(0, oracle.alive()));
        let alive = oracle.alive();
        let sending = thread::spawn(move || hand.send(Token(1, alive)));
        oracle.cancel();
        sending.join().unwrap();
        let over = row(&board);
        assert!(over.received == 1 || over.received == 2, "{over:?}");
        assert_eq!((over.sent, over.fill, over.discarded), (0, 0, over.received));
        assert_eq!(over.state, State::Cancelled);
        assert_eq!(oracle.count(), 0);
    });
}

struct Nobody;

impl Upstream for Nobody {
    fn request(&self, _: Demand) {}

    fn cancel(&self) {}
}

/// What the writer says after the reader has gone.
#[test]
fn an_item_comes_after_the_reader_has_gone() {
    model("gauge: an_item_comes_after_the_reader_has_gone", || {
        let (oracle, board) = (Oracle::new(), board());
        let mut inlet = None;
        join(
            |bell, context| {
                let gauge = bell.gauge(context, Site::here("lane"), 1);
                let (into, outlet) = lane(NonZeroUsize::MIN, bell.clone(), context, gauge);
                inlet = Some(into.on_subscribe(Subscription::new(Arc::new(Nobody))));
                outlet
            },
            Seen(oracle.probe(|_| More::NONE), board.watch()),
        );
        let mut inlet = inlet.unwrap();
        assert_eq!(inlet.on_next(Token(0, oracle.alive())), More::NONE);
        oracle.cancel();
        assert_eq!(inlet.on_next(Token(1, oracle.alive())), More::CANCEL);
        let over = row(&board);
        assert_eq!((over.received, over.sent, over.discarded), (2, 0, 2));
        drop(inlet);
        oracle.finish();
    });
}

/// An item too many is one that came and was discarded.
#[test]
fn an_item_too_many_is_discarded() {
    model("gauge: an_item_too_many_is_discarded", || {
        let (oracle, board) = (Oracle::new(), board());
        let mut inlet = None;
        join(
            |bell, context| {
                let gauge = bell.gauge(context, Site::here("lane"), 1);
                let (into, outlet) = lane(NonZeroUsize::MIN, bell.clone(), context, gauge);
                inlet = Some(into.on_subscribe(Subscription::new(Arc::new(Nobody))));
                outlet
            },
            Seen(oracle.probe(|_| More::NONE), board.watch()),
        );
        let mut inlet = inlet.unwrap();
        let _ = inlet.on_next(Token(0, oracle.alive()));
        assert_eq!(inlet.on_next(Token(1, oracle.alive())), More::CANCEL);
        // It goes with the inlet.
        drop(inlet);
        let over = row(&board);
        assert_eq!((over.received, over.sent, over.discarded, over.fill), (2, 0, 2, 0));
        assert_eq!(over.state, State::Broken);
        assert!(oracle.log().is_some_and(|log| matches!(log[..], [oracle::Signal::Fault(_)])));
        assert_eq!(oracle.count(), 0);
    });
}

/// How upstream ends is how the line does.
#[test]
fn a_line_ends_as_its_upstream() {
    model("gauge: a_line_ends_as_its_upstream", || {
        let ends = [
            (End::Completed, State::Completed),
            (End::Failed("so"), State::Failed),
            (End::Fault(Fault::SourceDropped), State::Broken),
            // Without an end: the source has gone away.
            (End::Cancelled(Cause::NoMoreNeeded), State::Broken),
        ];
        for (end, state) in ends {
            let (oracle, board) = (Oracle::new(), board());
            let mut inlet = None;
            join(
                |bell, context| {
                    let gauge = bell.gauge(context, Site::here("lane"), 1);
                    let (into, outlet) = lane(NonZeroUsize::MIN, bell.clone(), context, gauge);
                    inlet = Some(into.on_subscribe(Subscription::new(Arc::new(Nobody))));
                    outlet
                },
                Seen(oracle.probe(|_| More::NONE), board.watch()),
            );
            assert_eq!(row(&board).state, State::Running);
            drop(inlet.unwrap().on_end(end));
            assert_eq!(row(&board).state, state);
            oracle.finish();
        }
    });
}

/// A counter that stands for a queue that items are put into as upstream is asked.
struct Came(AtomicU64);

impl Queue for Came {
    fn levels(&self) -> Levels {
        Levels { came: self.0.load(Ordering::Relaxed), went: 0, most: 0 }
    }
}

fn held(board: &Board, capacity: usize) -> Gauge {
    let context = on(board);
    Panel::of(&context).unwrap().gauge(&context, Site::here("held"), capacity).held()
}

/// What a stage works on is never more than it may: it is done with one before it asks.
#[test]
fn a_snapshot_races_a_stage_that_is_done() {
    model("gauge: a_snapshot_races_a_stage_that_is_done", || {
        let board = board();
        let gauge = held(&board, 2);
        let came = Arc::new(Came(AtomicU64::new(0)));
        let reading = gauge.read(came.clone());
        came.0.fetch_add(2, Ordering::Relaxed);
        let working = thread::spawn(move || {
            for n in [1, 2] {
                gauge.done(n);
                came.0.fetch_add(n, Ordering::Relaxed);
            }
            gauge
        });
        assert_eq!(row(&board).high_water, 2);
        let gauge = working.join().unwrap();
        let rests = row(&board);
        assert_eq!((rests.received, rests.sent, rests.fill), (5, 3, 2));
        reading.close(Levels { came: 5, went: 5, most: 0 }, Some(State::Completed));
        drop(gauge);
        let over = row(&board);
        assert_eq!((over.received, over.sent, over.discarded), (5, 3, 2));
        assert_eq!(over.state, State::Cancelled);
    });
}

/// The most that a stage worked on is noted before it is done with any of it.
#[test]
fn what_a_stage_held_at_most_is_seen_without_a_snapshot() {
    model("gauge: what_a_stage_held_at_most_is_seen_without_a_snapshot", || {
        let board = board();
        let gauge = held(&board, 4);
        let came = Arc::new(Came(AtomicU64::new(3)));
        let reading = gauge.read(came.clone());
        gauge.done(2);
        came.0.fetch_add(1, Ordering::Relaxed);
        gauge.done(2);
        reading.close(Levels { came: 4, went: 4, most: 0 }, Some(State::Completed));
        drop(gauge);
        let over = row(&board);
        assert_eq!((over.received, over.sent, over.high_water), (4, 4, 3));
        assert_eq!(over.state, State::Completed);
    });
}

/// Who enters while others look is listed, and who runs stays so.
#[test]
fn entering_races_a_snapshot() {
    model("gauge: entering_races_a_snapshot", || {
        let board = Board::with_clock(0, || Duration::ZERO);
        let first = held(&board, 1);
        let entering = {
            let board = board.clone();
            thread::spawn(move || held(&board, 2))
        };
        drop(held(&board, 3));
        let seen = board.snapshot();
        assert!(seen.rows().iter().any(|row| row.capacity == 1), "{seen}");
        assert!(seen.rows().iter().all(|row| row.capacity != 3), "{seen}");
        let second = entering.join().unwrap();
        assert_eq!(board.snapshot().capacity(), 3);
        drop((first, second));
        assert_eq!(board.snapshot().rows().len(), 0);
    });
}

/// A host that rests again with nothing changed rests since the first time.
#[test]
fn a_stamp_stays_until_something_moves() {
    model("gauge: a_stamp_stays_until_something_moves", || {
        let clock = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let times = clock.clone();
        let board = Board::with_clock(8, move || {
            Duration::from_secs(times.load(std::sync::atomic::Ordering::Relaxed))
        });
        let at = |second| clock.store(second, std::sync::atomic::Ordering::Relaxed);
        let context = on(&board);
        let panel = Panel::of(&context).unwrap();
        let gauge = panel.gauge(&context, Site::here("queue"), 2);
        let (mut writer, mut reader) = ring(2);
        let reading = gauge.read(writer.observe());
        let mut some = Credit::NONE;
        some.add(More::of(3));
        let seconds = |since: Option<Duration>| since.map(|since| since.as_secs());

        let rested = |demand, second| {
            at(second);
            panel.rest(demand);
            at(second + 100);
            let row = row(&board);
            (seconds(row.starved_since), seconds(row.backpressured_since))
        };
        assert_eq!(rested(Credit::NONE, 1), (None, None), "nothing there, nothing wanted");
        assert_eq!(rested(some, 10), (Some(100), None));
        assert_eq!(rested(some, 20), (Some(110), None), "as before");
        assert!(matches!(writer.push(()), Pushed::Noted));
        assert_eq!(row(&board).starved_since, None, "something is there");
        assert_eq!(rested(Credit::NONE, 30), (None, Some(100)));
        assert!(matches!(writer.push(()), Pushed::Noted));
        assert_eq!(rested(Credit::NONE, 40), (None, Some(110)), "nothing went");
        assert_eq!(reader.pop(), Popped::Item(()));
        assert_eq!(row(&board).backpressured_since, None, "something went");
        assert_eq!(rested(Credit::NONE, 50), (None, Some(100)));
        reading.close(reader.leave(), None);
        drop(gauge);
        assert_eq!(row(&board).backpressured_since, None, "it is over");
    });
}

/// A task shows its demand before it rests, as an island does.
#[test]
fn a_task_shows_its_demand_before_it_rests() {
    model("gauge: a_task_shows_its_demand_before_it_rests", || {
        let (oracle, board) = (Oracle::new(), board());
        let hand = Hand::default();
        let source = Source::Hand(oracle.alive(), hand.clone());
        let task = task(
            |bell, context| {
                let gauge = bell.gauge(context, Site::here("lane"), 2);
                let capacity = NonZeroUsize::new(2).unwrap();
                let (inlet, outlet) = lane(capacity, bell.clone(), context, gauge);
                source.subscribe(inlet);
                outlet
            },
            Seen(oracle.probe(|_| More::NONE), board.watch()),
        );
        let mut runner = Runner::new(task.unwrap());
        let asking = {
            let oracle = oracle.clone();
            thread::spawn(move || oracle.request(3))
        };
        hand.send(Token(0, oracle.alive()));
        assert!(!runner.poll());
        asking.join().unwrap();
        assert!(!runner.poll());
        let rests = row(&board);
        assert_eq!((rests.received, rests.sent, rests.demand), (1, 1, Some(Demand::of(2))));
        assert!(rests.starved_since.is_some());
        oracle.cancel();
        assert!(runner.poll());
        assert_eq!(row(&board).state, State::Cancelled);
        drop((runner, hand));
        oracle.finish();
    });
}
