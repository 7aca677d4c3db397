//! Models of branches that a trunk feeds: every item arrives where it was sent, in order, before
//! the end; nobody waits for ever; nothing is left.

mod oracle;

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use millstream_blocks::bell::{Bell, Marks};
use millstream_blocks::branch::{
    Branch, Desk, Feeder, Root, Seen, Sent, Way, branch, rooted_trunk, trunk,
};
use millstream_blocks::gauge::{Board, Panel, Row, Site, State};
use millstream_blocks::island::join;
use millstream_blocks::lane::{Outlet, lane};
use millstream_core::{
    Context, Fault, Hands, More, Publisher, Pull, Pulled, Subscriber, Subscription, Supply,
};
use millstream_sync::{model, thread};
use oracle::Signal::{Complete, Item};
use oracle::{Error, Hand, Oracle, Probe, Signal, Source, Start, Token, begins, items};

type Reader = Branch<Token, Error>;

/// What the operators do, in the simplest way: an item goes to the branch of its number, modulo
/// how many there are, while one of them is hungry.
struct Router {
    upstream: Option<Outlet<Token, Error>>,
    feeders: Vec<Option<Feeder<Token, Error>>>,
    held: Option<(usize, Token)>,
    desk: Arc<Desk>,
    /// The item that breaks the trunk.
    breaks: u32,
}

impl Router {
    fn give(&mut self, n: usize, item: Token) {
        let Some(feeder) = &mut self.feeders[n] else { return };
        match feeder.send(item) {
            Sent::Taken => {}
            Sent::Full(item) => self.held = Some((n, item)),
            Sent::Gone(_) => self.feeders[n] = None,
        }
    }

    fn hungry(&self) -> bool {
        self.feeders.iter().flatten().any(Feeder::is_hungry)
    }

    fn finish(&mut self, end: Result<(), Error>) {
        self.upstream = None;
        for feeder in self.feeders.drain(..).flatten() {
            feeder.end(end);
        }
    }

    fn rest(&mut self) -> Pulled<Infallible, Infallible> {
        if self.feeders.iter().flatten().count() == 0 {
            return Pulled::Complete;
        }
        self.feeders.iter_mut().flatten().for_each(Feeder::rest);
        Pulled::Pending
    }
}

impl Pull for Router {
    type Item = Infallible;
    type Error = Infallible;

    fn pull(&mut self) -> Pulled<Infallible, Infallible> {
        let feeders = &mut self.feeders;
        self.desk.take(|n| {
            if let Some(feeder) = feeders.get_mut(n)
                && feeder.as_mut().is_some_and(Feeder::attend)
            {
                *feeder = None;
            }
        });
        if let Some((n, item)) = self.held.take() {
            self.give(n, item);
        }
        loop {
            if self.held.is_some() {
                return self.rest();
            }
            if self.desk.has_news() {
                return Pulled::Skipped;
            }
            let hungry = self.hungry();
            let Some(upstream) = &mut self.upstream else { return self.rest() };
            let pulled = if hungry { upstream.pull() } else { upstream.look_ahead(true) };
            match pulled {
                Pulled::Item(item) if item.0 == self.breaks => {
                    self.desk.fail(Fault::BlockedExecutor);
                    return self.rest();
                }
                Pulled::Item(item) => self.give(item.0 as usize % self.feeders.len(), item),
                Pulled::Skipped => return Pulled::Skipped,
                Pulled::Pending => return self.rest(),
                Pulled::Complete => self.finish(Ok(())),
                Pulled::Error(error) => self.finish(Err(error)),
            }
        }
    }
}

/// `source` divided among `readers`, with room for `capacity` items each.
fn divided(
    source: impl Publisher<Item = Token, Error = Error>,
    readers: usize,
    capacity: usize,
    breaks: u32,
) -> Vec<Reader> {
    divided_as(source, readers, capacity, breaks, |_| Seen::Together(None))
}

/// As [`divided`], seen as `seen` says.
fn divided_as(
    source: impl Publisher<Item = Token, Error = Error>,
    readers: usize,
    capacity: usize,
    breaks: u32,
    seen: impl Fn(usize) -> Seen,
) -> Vec<Reader> {
    let capacity = NonZeroUsize::new(capacity).unwrap();
    let mut branches = Vec::new();
    let context = Context::default();
    trunk(readers, |desk| {
        let (inlet, outlet) = lane(NonZeroUsize::MIN, desk.bell().clone(), &context, None);
        let feeders = (0..readers).map(|n| {
            let (feeder, reader) = branch(desk, n, capacity, &context, seen(n), None);
            branches.push(reader);
            Some(feeder)
        });
        let feeders = feeders.collect();
        source.subscribe(inlet);
        Router { upstream: Some(outlet), feeders, held: None, desk: desk.clone(), breaks }
    });
    branches
}

/// Whoever counts the items, and the one branch of their source, which begins when it is told.
fn one(n: u32, capacity: usize) -> (Oracle, Start, Reader) {
    let (source, start) = (Oracle::new(), Start::default());
    let late = Source::Late(source.items(0..n), start.clone());
    let mut readers = divided(late, 1, capacity, u32::MAX);
    (source, start, readers.remove(0))
}

fn read(reader: Reader) -> Oracle {
    let oracle = Oracle::new();
    reader.subscribe(oracle.probe(|_| More::NONE));
    oracle
}

/// Pulled by a host, which is told of news.
fn host(reader: Reader) -> Oracle {
    let oracle = Oracle::new();
    join(
        |bell, context| match reader.into_pull(context.upstream().with_host(bell.clone())) {
            Ok(pull) => pull,
            Err(_) => unreachable!("there is a host, and nobody looks"),
        },
        oracle.probe(|_| More::NONE),
    );
    oracle
}

fn all(n: u32) -> Vec<Signal> {
    (0..n).map(Item).chain([Complete]).collect()
}

fn board() -> Board {
    Board::with_clock(8, || Duration::ZERO)
}

/// What one snapshot shows of one boundary, which belongs together.
fn row(board: &Board) -> Row {
    let snapshot = board.snapshot();
    let [row] = snapshot.rows() else { panic!("one boundary: {snapshot}") };
    assert_eq!(row.received, row.sent + row.discarded + row.fill, "{row:?}");
    assert!(row.fill <= row.high_water && row.high_water <= row.capacity, "{row:?}");
    row.clone()
}

/// A subscriber with surroundings.
struct Within<F>(Probe<F>, Context);

impl<F: FnMut(u32) -> More + Send + 'static> Subscriber<Token, Error> for Within<F> {
    type Active = Probe<F>;

    fn on_subscribe(self, subscription: Subscription) -> Probe<F> {
        self.0.on_subscribe(subscription)
    }

    fn context(&self) -> Context {
        self.1.clone()
    }
}

#[test]
fn the_kept_turn_excludes() {
    model("branch: the_kept_turn_excludes", || {
        let (source, start, reader) = one(2, 1);
        let oracle = read(reader);
        oracle.request(1);
        let producer = thread::spawn(move || start.go());
        oracle.request(1);
        producer.join().unwrap();
        assert_eq!(oracle.finish(), all(2));
        assert_eq!(source.count(), 0);
    });
}

#[test]
fn items_race_hunger() {
    model("branch: items_race_hunger", || {
        let (source, start, reader) = one(2, 1);
        let oracle = read(reader);
        let producer = thread::spawn(move || start.go());
        oracle.request(2);
        producer.join().unwrap();
        assert_eq!(oracle.finish(), all(2));
        assert_eq!(source.count(), 0);
    });
}

/// The trunk finds the ring full while the reader takes what is in it.
#[test]
fn room_races_the_trunk_that_waits_for_it() {
    model("branch: room_races_the_trunk_that_waits_for_it", || {
        let source = Oracle::new();
        let start = Start::default();
        let late = Source::Late(source.items(0..4), start.clone());
        // Two are for the first branch, which has room for one; the second wants its two.
        let mut readers = divided(late, 2, 1, u32::MAX);
        let (other, oracle) = (read(readers.remove(1)), read(readers.remove(0)));
        other.request(9);
        let producer = thread::spawn(move || start.go());
        oracle.request(1);
        producer.join().unwrap();
        assert_eq!(other.log().unwrap(), [Item(1), Item(3), Complete], "it was not held up");
        oracle.request(1);
        assert_eq!(oracle.finish(), [Item(0), Item(2), Complete]);
        assert_eq!(other.finish(), [Item(1), Item(3), Complete]);
        assert_eq!(source.count(), 0);
    });
}

#[test]
fn items_race_the_subscription() {
    model("branch: items_race_the_subscription", || {
        let source = Oracle::new();
        let start = Start::default();
        let late = Source::Late(source.items(0..3), start.clone());
        let mut readers = divided(late, 2, 1, u32::MAX);
        let other = read(readers.remove(1));
        other.request(9);
        let reader = readers.remove(0);
        let producer = thread::spawn(move || start.go());
        let oracle = read(reader);
        oracle.request(9);
        producer.join().unwrap();
        assert_eq!(oracle.finish(), [Item(0), Item(2), Complete]);
        assert_eq!(other.finish(), [Item(1), Complete]);
        assert_eq!(source.count(), 0);
    });
}

/// The trunk makes room in a branch that nobody reads, while somebody subscribes: each item is taken
/// out or read, once.
#[test]
fn the_oldest_is_taken_out_or_read() {
    for capacity in [1, 2] {
        model("branch: the_oldest_is_taken_out_or_read", move || {
            let source = Oracle::new();
            let begins = Arc::new(std::sync::Mutex::new(false));
            let (reader, bell) = displacing(source.items(0..4), capacity, begins.clone());
            let taking = thread::spawn(move || {
                *begins.lock().unwrap() = true;
                bell.ring();
            });
            let oracle = read(reader);
            oracle.request(9);
            taking.join().unwrap();
            let log = oracle.finish();
            // In order, to the end, and none but the oldest are missing.
            let first = 4 - (log.len() as u32 - 1);
            assert_eq!(log, (first..4).map(Item).chain([Complete]).collect::<Vec<_>>());
            assert!(log.len() > capacity, "as many as there is room for are kept: {log:?}");
            assert_eq!(source.count(), 0);
        });
    }
}

/// Gives its items when it is told to begin, and makes room for the newest where nobody reads.
struct Displacing {
    items: oracle::Items,
    held: Option<Token>,
    feeder: Option<Feeder<Token, Error>>,
    desk: Arc<Desk>,
    begins: Arc<std::sync::Mutex<bool>>,
}

fn displacing(
    items: oracle::Items,
    capacity: usize,
    begins: Arc<std::sync::Mutex<bool>>,
) -> (Reader, Bell) {
    let mut made = None;
    trunk(1, |desk| {
        let capacity = NonZeroUsize::new(capacity).unwrap();
        let seen = Seen::Together(None);
        let (feeder, branch) = branch(desk, 0, capacity, &Context::default(), seen, None);
        made = Some((branch, desk.bell().clone()));
        Displacing { items, held: None, feeder: Some(feeder), desk: desk.clone(), begins }
    });
    made.expect("the trunk was made")
}

impl Pull for Displacing {
    type Item = Infallible;
    type Error = Infallible;

    fn pull(&mut self) -> Pulled<Infallible, Infallible> {
        let Displacing { items, held, feeder: place, desk, begins } = self;
        let Some(feeder) = place else { return Pulled::Complete };
        desk.take(|_| assert!(!feeder.attend(), "it does not go"));
        if !*begins.lock().unwrap() {
            return Pulled::Pending;
        }
        while let Pulled::Item(item) = held.take().map_or_else(|| items.pull(), Pulled::Item) {
            match feeder.send(item) {
                Sent::Taken => {}
                Sent::Full(item) => {
                    *held = Some(item);
                    if feeder.take_oldest().is_none() {
                        feeder.rest();
                        return Pulled::Pending;
                    }
                }
                Sent::Gone(_) => unreachable!("it does not go"),
            }
        }
        if let Some(feeder) = place.take() {
            feeder.end(Ok(()));
        }
        Pulled::Complete
    }
}

#[test]
fn items_race_dropping_a_branch_unread() {
    model("branch: items_race_dropping_a_branch_unread", || {
        let source = Oracle::new();
        let start = Start::default();
        let late = Source::Late(source.items(0..4), start.clone());
        let mut readers = divided(late, 2, 1, u32::MAX);
        let other = read(readers.remove(1));
        other.request(9);
        let reader = readers.remove(0);
        let producer = thread::spawn(move || start.go());
        drop(reader);
        producer.join().unwrap();
        assert_eq!(other.finish(), [Item(1), Item(3), Complete]);
        assert_eq!(source.count(), 0);
    });
}

#[test]
fn cancel_races_items() {
    model("branch: cancel_races_items", || {
        let (source, start, reader) = one(3, 1);
        let oracle = read(reader);
        oracle.request(2);
        let producer = thread::spawn(move || start.go());
        oracle.cancel();
        producer.join().unwrap();
        assert!(begins(&all(3), &oracle.finish()));
        assert_eq!(source.count(), 0, "upstream of nobody is cancelled");
    });
}

/// A turn that is kept while nothing comes does not keep a cancelled subscriber.
#[test]
fn cancel_races_a_trunk_that_rests() {
    model("branch: cancel_races_a_trunk_that_rests", || {
        let (source, hand) = (Oracle::new(), Hand::default());
        let by_hand = Source::Hand(source.alive(), hand.clone());
        let oracle = read(divided(by_hand, 1, 1, u32::MAX).remove(0));
        oracle.request(9);
        let token = Token(0, source.alive());
        let producer = thread::spawn(move || hand.send(token));
        oracle.cancel();
        producer.join().unwrap();
        let log = oracle.log().expect("it is dropped");
        assert!(log.is_empty() || log == [Item(0)], "{log:?}");
        assert_eq!(source.count(), 0);
        assert_eq!(oracle.finish(), log);
    });
}

/// Its turn is kept, and the trunk is busy with others.
#[test]
fn a_cancelled_branch_is_let_go_before_the_next_item() {
    model("branch: a_cancelled_branch_is_let_go_before_the_next_item", || {
        let source = Oracle::new();
        let mut readers = divided(Source::Items(source.items(0..6)), 3, 1, u32::MAX);
        let first = read(readers.remove(0));
        let (second, third) = (Oracle::new(), Oracle::new());
        let (cancelled, looked) = (first.clone(), first.clone());
        readers.remove(0).subscribe(second.probe(move |n| {
            if n == 2 {
                cancelled.cancel();
            }
            More::NONE
        }));
        let seen = Arc::new(std::sync::Mutex::new(None));
        let sees = seen.clone();
        readers.remove(0).subscribe(third.probe(move |_| {
            *sees.lock().unwrap() = looked.log();
            More::NONE
        }));
        second.request(9);
        third.request(9);
        // Item 3 comes directly, and the turn is kept; 4 cancels; 5 looks.
        first.request(9);
        assert_eq!(seen.lock().unwrap().take(), Some(vec![Item(0), Item(3)]));
        assert_eq!(second.finish(), [Item(1), Item(4), Complete]);
        assert_eq!(third.finish(), [Item(2), Item(5), Complete]);
        assert_eq!(first.finish(), [Item(0), Item(3)]);
        assert_eq!(source.count(), 0);
    });
}

/// A branch that is just being cancelled is no orphan: nothing of it is kept while the others live.
#[test]
fn a_cancelled_branch_leaves_nothing_behind() {
    model("branch: a_cancelled_branch_leaves_nothing_behind", || {
        let (source, hand) = (Oracle::new(), Hand::default());
        let by_hand = Source::Hand(source.alive(), hand.clone());
        let mut readers = divided(by_hand, 2, 1, u32::MAX);
        let (other, oracle, kept) = (read(readers.remove(1)), Oracle::new(), Oracle::new());
        let context = Context::default().with_board(kept.alive());
        readers.remove(0).subscribe(Within(oracle.probe(|_| More::NONE), context));
        oracle.request(9);
        let token = Token(0, source.alive());
        let producer = thread::spawn(move || hand.send(token));
        oracle.cancel();
        producer.join().unwrap();
        let log = oracle.finish();
        assert!(log.is_empty() || log == [Item(0)], "{log:?}");
        drop(oracle);
        assert_eq!(kept.count(), 0, "what it was read with");
        assert_eq!(other.finish(), []);
        assert_eq!(source.count(), 0);
    });
}

/// A cancelled branch does not hold up the other.
#[test]
fn cancel_races_the_items_of_another() {
    model("branch: cancel_races_the_items_of_another", || {
        let source = Oracle::new();
        let start = Start::default();
        let late = Source::Late(source.items(0..4), start.clone());
        let mut readers = divided(late, 2, 1, u32::MAX);
        let (other, oracle) = (read(readers.remove(1)), read(readers.remove(0)));
        other.request(9);
        let producer = thread::spawn(move || start.go());
        oracle.cancel();
        producer.join().unwrap();
        assert_eq!(other.finish(), [Item(1), Item(3), Complete]);
        assert_eq!(oracle.finish(), []);
        assert_eq!(source.count(), 0);
    });
}

#[test]
fn the_end_races_a_request() {
    model("branch: the_end_races_a_request", || {
        let (source, start, reader) = one(1, 2);
        let oracle = read(reader);
        oracle.request(1);
        let producer = thread::spawn(move || start.go());
        oracle.request(1);
        producer.join().unwrap();
        assert_eq!(oracle.log().unwrap(), all(1));
        assert_eq!(oracle.finish(), all(1));
        assert_eq!(source.count(), 0);
    });
}

/// The end comes behind an item that waits for demand, and needs none itself.
#[test]
fn the_end_waits_behind_the_items() {
    model("branch: the_end_waits_behind_the_items", || {
        let source = Oracle::new();
        let mut readers = divided(Source::Items(source.items(0..2)), 2, 1, u32::MAX);
        let (other, oracle) = (read(readers.remove(1)), read(readers.remove(0)));
        other.request(1);
        assert_eq!(other.log().unwrap(), [Item(1), Complete]);
        assert_eq!(oracle.log(), None);
        oracle.request(1);
        assert_eq!(oracle.finish(), [Item(0), Complete]);
        assert_eq!(other.finish(), [Item(1), Complete]);
        assert_eq!(source.count(), 0);
    });
}

#[test]
fn two_requests_race_items() {
    model("branch: two_requests_race_items", || {
        let source = Oracle::new();
        let mut readers = divided(Source::Items(source.items(0..3)), 2, 2, u32::MAX);
        let (other, oracle) = (read(readers.remove(1)), read(readers.remove(0)));
        let asked = other.clone();
        let asking = thread::spawn(move || asked.request(9));
        oracle.request(9);
        asking.join().unwrap();
        assert_eq!(oracle.finish(), [Item(0), Item(2), Complete]);
        assert_eq!(other.finish(), [Item(1), Complete]);
        assert_eq!(source.count(), 0);
    });
}

/// What breaks the trunk reaches each branch: one that is kept, one that rests, and one that nobody
/// had subscribed to.
#[test]
fn a_fault_of_the_trunk_races_a_request() {
    model("branch: a_fault_of_the_trunk_races_a_request", || {
        let fault = Signal::Fault(Fault::BlockedExecutor.to_string());
        let source = Oracle::new();
        let mut readers = divided(Source::Items(source.items(0..9)), 3, 1, 3);
        let (last, other) = (readers.remove(2), read(readers.remove(1)));
        let oracle = read(readers.remove(0));
        let asked = other.clone();
        let asking = thread::spawn(move || asked.request(9));
        oracle.request(9);
        asking.join().unwrap();
        let told = other.finish();
        assert!(told == [Item(1), fault.clone()] || told == [fault.clone()], "{told:?}");
        // A fault does not wait for what is queued.
        let told = oracle.finish();
        assert!(told == [Item(0), fault.clone()] || told == [fault.clone()], "{told:?}");
        assert_eq!(read(last).finish(), [fault]);
        assert_eq!(source.count(), 0);
    });
}

/// A trunk that is dropped without an end leaves no reader waiting.
#[test]
fn a_source_that_goes_away_is_told() {
    model("branch: a_source_that_goes_away_is_told", || {
        let (source, start, reader) = one(2, 1);
        let oracle = read(reader);
        oracle.request(1);
        start.forget();
        assert_eq!(oracle.finish(), [Signal::Fault(Fault::SourceDropped.to_string())]);
        assert_eq!(source.count(), 0);
    });
}

#[test]
fn a_panic_of_a_reader_is_its_own() {
    model("branch: a_panic_of_a_reader_is_its_own", || {
        let source = Oracle::new();
        let mut readers = divided(Source::Items(source.items(0..4)), 2, 1, u32::MAX);
        let (other, oracle) = (read(readers.remove(1)), Oracle::new());
        other.request(9);
        readers.remove(0).subscribe(oracle.probe(|n| {
            if n == 1 {
                std::panic::resume_unwind(Box::new("ouch"));
            }
            More::NONE
        }));
        oracle.request(9);
        assert_eq!(other.finish(), [Item(1), Item(3), Complete]);
        assert!(matches!(&oracle.finish()[..], [Item(0), Signal::Fault(_)]));
        assert_eq!(source.count(), 0);
    });
}

/// Downstream lets go of its handle: without demand nobody could ever ask.
#[test]
fn detach_races_items() {
    model("branch: detach_races_items", || {
        let (source, start, reader) = one(3, 1);
        let oracle = read(reader);
        oracle.request(1);
        let producer = thread::spawn(move || start.go());
        oracle.detach();
        producer.join().unwrap();
        assert_eq!(items(&oracle.log().expect("starved and let go")), [0]);
        assert_eq!(source.count(), 0);
    });
}

/// Where somebody looks, each item is counted once, and what is seen of it belongs together.
#[test]
fn a_look_races_the_items() {
    model("branch: a_look_races_the_items", || {
        let (board, source, start) = (board(), Oracle::new(), Start::default());
        let late = Source::Late(source.items(0..3), start.clone());
        let seen = |n| Seen::Alone(Site::here("branch").number(n));
        let mut readers = divided_as(late, 1, 1, u32::MAX, seen);
        let oracle = Oracle::new();
        let watched = board.watch().over(Context::default());
        readers.remove(0).subscribe(Within(oracle.probe(|_| More::NONE), watched));
        oracle.request(2);
        let producer = thread::spawn(move || start.go());
        let (first, second) = (row(&board), row(&board));
        assert!(first.received <= second.received && first.sent <= second.sent);
        oracle.request(1);
        producer.join().unwrap();
        let last = row(&board);
        assert_eq!((last.received, last.sent, last.high_water), (3, 3, 1));
        assert_eq!(last.state, State::Completed);
        assert_eq!(oracle.finish(), all(3));
        assert_eq!(source.count(), 0);
    });
}

/// One that was sent items before it was subscribed to, and is cancelled.
#[test]
fn a_look_races_a_cancellation_of_one_of_those_seen_together() {
    model("branch: a_look_races_a_cancellation_of_one_of_those_seen_together", || {
        let (board, source) = (board(), Oracle::new());
        let panel = Panel::of(&board.watch().over(Context::default())).unwrap();
        let gauge = panel.gauge(&board.watch().over(Context::default()), Site::here("all"), 4);
        let seen = |_| Seen::Together(Some(gauge.clone()));
        let five = Source::Items(source.items(0..5));
        let mut readers = divided_as(five, 2, 2, u32::MAX, seen);
        drop(gauge);
        let other = read(readers.remove(1));
        other.request(1);
        // One is sent, one waits for whoever subscribes, and the next has no room yet or is there.
        assert_eq!(row(&board).sent, 1);
        let oracle = read(readers.remove(0));
        let cancelling = thread::spawn({
            let oracle = oracle.clone();
            move || oracle.cancel()
        });
        let seen = row(&board);
        oracle.request(1);
        cancelling.join().unwrap();
        let sent = items(&oracle.finish()).len() as u64;
        let seen_later = row(&board);
        assert!(seen.received <= seen_later.received && seen_later.sent == 1 + sent);
        other.request(9);
        assert_eq!(other.finish(), [Item(1), Item(3), Complete]);
        let last = row(&board);
        assert_eq!((last.fill, last.sent, last.state), (0, 2 + sent, State::Completed));
        assert_eq!(source.count(), 0);
    });
}

#[test]
fn items_race_a_request_of_a_host() {
    model("branch: items_race_a_request_of_a_host", || {
        let (source, start, reader) = one(3, 2);
        let oracle = host(reader);
        oracle.request(1);
        let producer = thread::spawn(move || start.go());
        oracle.request(9);
        producer.join().unwrap();
        assert_eq!(oracle.finish(), all(3));
        assert_eq!(source.count(), 0);
    });
}

/// The trunk finds the ring of a hosted branch full while its host takes what is in it.
#[test]
fn room_made_by_a_host_races_the_trunk_that_waits_for_it() {
    model("branch: room_made_by_a_host_races_the_trunk_that_waits_for_it", || {
        let source = Oracle::new();
        let start = Start::default();
        let late = Source::Late(source.items(0..4), start.clone());
        let mut readers = divided(late, 2, 1, u32::MAX);
        let (other, oracle) = (host(readers.remove(1)), host(readers.remove(0)));
        other.request(9);
        let producer = thread::spawn(move || start.go());
        oracle.request(1);
        producer.join().unwrap();
        oracle.request(1);
        assert_eq!(oracle.finish(), [Item(0), Item(2), Complete]);
        assert_eq!(other.finish(), [Item(1), Item(3), Complete]);
        assert_eq!(source.count(), 0);
    });
}

/// Items are in the ring, and more come, when a host takes it over.
#[test]
fn items_race_a_host_that_takes_the_branch() {
    model("branch: items_race_a_host_that_takes_the_branch", || {
        let source = Oracle::new();
        let start = Start::default();
        let late = Source::Late(source.items(0..3), start.clone());
        let mut readers = divided(late, 2, 1, u32::MAX);
        let other = read(readers.remove(1));
        other.request(9);
        let reader = readers.remove(0);
        let producer = thread::spawn(move || start.go());
        let oracle = host(reader);
        oracle.request(9);
        producer.join().unwrap();
        assert_eq!(oracle.finish(), [Item(0), Item(2), Complete]);
        assert_eq!(other.finish(), [Item(1), Complete]);
        assert_eq!(source.count(), 0);
    });
}

/// What it holds goes with it, what comes for it goes back, and the other is not held up.
#[test]
fn cancel_of_a_host_races_the_items() {
    model("branch: cancel_of_a_host_races_the_items", || {
        let source = Oracle::new();
        let start = Start::default();
        let late = Source::Late(source.items(0..4), start.clone());
        let mut readers = divided(late, 2, 1, u32::MAX);
        let (other, oracle) = (read(readers.remove(1)), host(readers.remove(0)));
        other.request(9);
        let producer = thread::spawn(move || start.go());
        oracle.cancel();
        producer.join().unwrap();
        assert_eq!(other.finish(), [Item(1), Item(3), Complete]);
        assert_eq!(oracle.finish(), []);
        assert_eq!(source.count(), 0);
    });
}

/// The end comes behind an item that waits, to a host that does not ask.
#[test]
fn the_end_races_a_request_of_a_host() {
    model("branch: the_end_races_a_request_of_a_host", || {
        let (source, start, reader) = one(1, 2);
        let oracle = host(reader);
        let producer = thread::spawn(move || start.go());
        oracle.request(1);
        producer.join().unwrap();
        assert_eq!(oracle.log().unwrap(), all(1), "the end needs no demand");
        assert_eq!(oracle.finish(), all(1));
        assert_eq!(source.count(), 0);
    });
}

/// What breaks the trunk reaches a host that pulls, and one that comes later.
#[test]
fn a_fault_of_the_trunk_races_a_host() {
    model("branch: a_fault_of_the_trunk_races_a_host", || {
        let fault = Signal::Fault(Fault::BlockedExecutor.to_string());
        let source = Oracle::new();
        let start = Start::default();
        let late = Source::Late(source.items(0..3), start.clone());
        let mut readers = divided(late, 2, 1, 2);
        let (oracle, last) = (host(readers.remove(0)), readers.remove(0));
        oracle.request(9);
        let producer = thread::spawn(move || start.go());
        let late = host(last);
        producer.join().unwrap();
        let told = oracle.finish();
        assert!(told == [Item(0), fault.clone()] || told == [fault.clone()], "{told:?}");
        assert_eq!(late.finish(), [fault]);
        assert_eq!(source.count(), 0);
    });
}

/// The trunk asks whether a host has nothing left, while it takes the last: it sees that, or is told.
#[test]
fn asking_who_starves_races_the_last_item() {
    model("branch: asking_who_starves_races_the_last_item", || {
        let source = Oracle::new();
        let starved = Arc::new(std::sync::Mutex::new(false));
        let sees = starved.clone();
        let item = Token(0, source.alive());
        let mut readers = Vec::new();
        let (asks, mut bell) = (Arc::new(std::sync::Mutex::new(false)), None);
        let asked = asks.clone();
        // A trunk that is given one item, and asks from when it is told to.
        trunk(1, |desk| {
            let (feeder, reader) = branch(
                desk,
                0,
                NonZeroUsize::new(2).unwrap(),
                &Context::default(),
                Seen::Together(None),
                None,
            );
            readers.push(reader);
            bell = Some(desk.bell().clone());
            Asking { feeder: Some(feeder), item: Some(item), sees, asked, desk: desk.clone() }
        });
        let oracle = host(readers.remove(0));
        // Asked once, from elsewhere, and looked for again only if there is news.
        let bell = bell.take().expect("the trunk was made");
        let asking = thread::spawn(move || {
            *asks.lock().unwrap() = true;
            bell.ring();
        });
        oracle.request(2);
        asking.join().unwrap();
        assert!(*starved.lock().unwrap(), "it was seen, or told");
        oracle.cancel();
        assert_eq!(oracle.finish(), [Item(0)]);
        assert_eq!(source.count(), 0);
    });
}

/// Gives one item, and asks whether its branch starves, once it is told to, whenever there is news.
struct Asking {
    feeder: Option<Feeder<Token, Error>>,
    item: Option<Token>,
    sees: Arc<std::sync::Mutex<bool>>,
    asked: Arc<std::sync::Mutex<bool>>,
    desk: Arc<Desk>,
}

impl Pull for Asking {
    type Item = Infallible;
    type Error = Infallible;

    fn pull(&mut self) -> Pulled<Infallible, Infallible> {
        let mut gone = false;
        let Asking { feeder, item, sees, asked, desk } = self;
        let Some(feeder) = feeder else { return Pulled::Complete };
        desk.take(|_| gone = feeder.attend());
        if gone {
            self.feeder = None;
            return Pulled::Complete;
        }
        if feeder.is_hungry()
            && let Some(item) = item.take()
        {
            assert!(feeder.push(item).is_ok(), "there is room");
        }
        if *asked.lock().unwrap() && feeder.starves() {
            *sees.lock().unwrap() = true;
        }
        Pulled::Pending
    }
}

/// A trunk that the host of its first branch may run: items by their numbers modulo 2, to that
/// branch in place, or to the other, which is read elsewhere.
struct Dealer {
    items: oracle::Items,
    feeders: Vec<Option<Feeder<Token, Error>>>,
    held: Option<Token>,
    desk: Arc<Desk>,
    starved: bool,
    /// The item that breaks the trunk.
    breaks: u32,
}

impl Dealer {
    fn listen(&mut self) {
        let feeders = &mut self.feeders;
        self.desk.take(|n| {
            if feeders[n].as_mut().is_some_and(Feeder::attend) {
                feeders[n] = None;
            }
        });
        if let Some(item) = self.held.take() {
            self.give(item);
        }
    }

    fn give(&mut self, item: Token) {
        let n = item.0 as usize % 2;
        let Some(feeder) = &mut self.feeders[n] else { return };
        match feeder.send(item) {
            Sent::Taken => {}
            Sent::Full(item) => self.held = Some(item),
            Sent::Gone(_) => self.feeders[n] = None,
        }
    }

    fn hungry(&self, n: usize) -> bool {
        self.feeders[n].as_ref().is_some_and(Feeder::is_hungry)
    }

    /// The next item; all is over where there is none.
    fn next(&mut self) -> Option<Token> {
        let item = match self.items.pull() {
            Pulled::Item(item) => Some(item),
            _ => None,
        };
        if item.as_ref().is_some_and(|item| item.0 == self.breaks) {
            std::panic::resume_unwind(Box::new("ouch"));
        }
        if item.is_none() {
            self.end();
        }
        item
    }

    fn end(&mut self) {
        self.feeders.iter_mut().filter_map(Option::take).for_each(|feeder| feeder.end(Ok(())));
    }

    fn is_over(&self) -> bool {
        self.feeders.iter().all(Option::is_none)
    }

    /// In the turn of the host.
    fn deal(&mut self, hands: &mut impl Hands) -> bool {
        self.starved = false;
        self.listen();
        let mut goes_on = false;
        while self.held.is_none() && (self.hungry(0) || self.hungry(1)) && !self.desk.has_news() {
            goes_on = true;
            let Some(item) = self.next() else { break };
            match &mut self.feeders[item.0 as usize % 2] {
                Some(feeder) if item.0 % 2 == 0 => {
                    match feeder.way().unwrap_or(Way::NONE).hand(item, hands) {
                        Ok(true) => {}
                        Ok(false) => break,
                        Err(item) => self.give(item),
                    }
                }
                _ => self.give(item),
            }
        }
        self.feeders.iter_mut().flatten().for_each(Feeder::rest);
        if self.is_over() {
            self.desk.bell().ring();
        }
        self.starved = !goes_on;
        goes_on
    }
}

impl Pull for Dealer {
    type Item = Infallible;
    type Error = Infallible;

    /// Elsewhere: only for the branch that is read there.
    fn pull(&mut self) -> Pulled<Infallible, Infallible> {
        self.listen();
        while self.held.is_none() && self.hungry(1) && !self.desk.has_news() {
            let Some(item) = self.next() else { break };
            self.give(item);
        }
        if self.held.is_none() && matches!(self.items.look_ahead(true), Pulled::Complete) {
            self.end();
        }
        if self.is_over() {
            return Pulled::Complete;
        }
        if self.desk.has_news() {
            return Pulled::Skipped;
        }
        if std::mem::take(&mut self.starved) {
            self.desk.call_host();
        }
        self.feeders.iter_mut().flatten().for_each(Feeder::rest);
        Pulled::Pending
    }
}

/// What the host runs: the branch in place, and its trunk where that has nothing.
struct Hosting<L> {
    limb: L,
    root: Root<Dealer>,
}

/// Takes one item at a time.
struct OneHand<'a, L: Pull>(&'a mut L, Option<L::Item>);

impl<L: Pull> Hands for OneHand<'_, L> {
    fn room(&self) -> Option<usize> {
        Some(0)
    }

    fn hand(&mut self, place: usize, to: usize, supply: &mut impl Supply) -> bool {
        if place == usize::MAX {
            return false;
        }
        assert_eq!(place, 3, "where it is held");
        let OneHand(limb, taken) = self;
        let pulled = limb.pull_handed(to, supply, |item| {
            assert!(taken.replace(item).is_none(), "one at a time");
            false
        });
        assert!(matches!(pulled, Pulled::Skipped | Pulled::Pending));
        false
    }
}

impl<L: Pull<Item = Token, Error = Error>> Pull for Hosting<L> {
    type Item = Token;
    type Error = Error;

    fn pull(&mut self) -> Pulled<Token, Error> {
        match self.limb.pull() {
            Pulled::Pending => {}
            other => return other,
        }
        let mut hand = OneHand(&mut self.limb, None);
        let goes_on = self.root.visit(|trunk| trunk.deal(&mut hand));
        match hand.1 {
            Some(item) => Pulled::Item(item),
            None if goes_on => Pulled::Skipped,
            None => Pulled::Pending,
        }
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<Token, Error> {
        self.root.ring();
        self.limb.look_ahead(started)
    }
}

/// `n` items dealt: whoever counts them, who has the branch in place, and who reads the other.
fn dealt(n: u32, capacity: usize, breaks: u32) -> (Oracle, Oracle, Oracle) {
    dealt_from(0..n, capacity, breaks)
}

fn dealt_from(
    numbers: std::ops::Range<u32>,
    capacity: usize,
    breaks: u32,
) -> (Oracle, Oracle, Oracle) {
    let (source, hosting) = (Oracle::new(), Oracle::new());
    let items = source.items(numbers);
    let capacity = NonZeroUsize::new(capacity).unwrap();
    let mut other = None;
    join(
        |bell, context| {
            let mut readers = Vec::new();
            let root = rooted_trunk(2, bell, |desk| {
                let feeders = (0..2).map(|n| {
                    let context = Context::default();
                    let seen = Seen::Together(None);
                    let (feeder, reader) = branch(desk, n, capacity, &context, seen, None);
                    readers.push(reader);
                    Some(feeder)
                });
                let feeders = feeders.collect();
                Dealer { items, feeders, held: None, desk: desk.clone(), starved: false, breaks }
            });
            other = readers.pop();
            // A bell for many places, and the one that is meant.
            let marked = bell.marked(&Marks::new(4), 0);
            match readers.remove(0).into_pull(context.upstream().with_host(marked).at(3)) {
                Ok(limb) => Hosting { limb, root },
                Err(_) => unreachable!("there is a host, and nobody looks"),
            }
        },
        hosting.probe(|_| More::NONE),
    );
    (source, hosting, read(other.expect("two were made")))
}

/// What a visit puts into a queue is seen by the host, which is not rung, whatever the trunk says.
#[test]
fn what_a_visit_leaves_in_a_queue_is_seen() {
    model("branch: what_a_visit_leaves_in_a_queue_is_seen", || {
        let (source, host, marks) = (Oracle::new(), Oracle::new(), Marks::new(4));
        let last = Token(7, source.alive());
        join(
            |bell, context| {
                let mut reader = None;
                let root = rooted_trunk(1, bell, |desk| {
                    let seen = Seen::Together(None);
                    let (feeder, branch) = branch(desk, 0, NonZeroUsize::MIN, context, seen, None);
                    reader = Some(branch);
                    Leaving { feeder: Some(feeder), last: Some(last), desk: desk.clone() }
                });
                let reader = reader.expect("the trunk was made");
                let marked = bell.marked(&marks, 0);
                match reader.into_pull(context.upstream().with_host(marked).at(2)) {
                    Ok(limb) => Visiting { limb, root },
                    Err(_) => unreachable!("there is a host, and nobody looks"),
                }
            },
            host.probe(|_| More::NONE),
        );
        host.request(9);
        assert_eq!(host.finish(), [Item(7), Complete]);
        let mut marked = Vec::new();
        marks.take(|mark| marked.push(mark));
        assert_eq!(marked, [2], "where it is held");
        assert_eq!(source.count(), 0);
    });
}

/// Puts its item into the queue, and then the end, when it is visited; it has nothing more, it says. Over
/// when it runs next.
struct Leaving {
    feeder: Option<Feeder<Token, Error>>,
    last: Option<Token>,
    desk: Arc<Desk>,
}

impl Pull for Leaving {
    type Item = Infallible;
    type Error = Infallible;

    fn pull(&mut self) -> Pulled<Infallible, Infallible> {
        if self.feeder.is_some() { Pulled::Pending } else { Pulled::Complete }
    }
}

impl Leaving {
    fn leave(&mut self) {
        if let Some(feeder) = &mut self.feeder {
            self.desk.take(|_| assert!(!feeder.attend(), "it does not go"));
        }
        match (self.last.take(), self.feeder.take()) {
            (Some(item), Some(mut feeder)) => {
                assert!(matches!(feeder.send(item), Sent::Taken), "there is room");
                self.feeder = Some(feeder);
            }
            (None, Some(feeder)) => {
                feeder.end(Ok(()));
                self.desk.bell().ring();
            }
            _ => {}
        }
    }
}

struct Visiting<L> {
    limb: L,
    root: Root<Leaving>,
}

impl<L: Pull<Item = Token, Error = Error>> Pull for Visiting<L> {
    type Item = Token;
    type Error = Error;

    fn pull(&mut self) -> Pulled<Token, Error> {
        match self.limb.pull() {
            Pulled::Pending => {}
            other => return other,
        }
        let goes_on = self.root.visit(|trunk| {
            trunk.leave();
            false
        });
        if goes_on { Pulled::Skipped } else { Pulled::Pending }
    }
}

/// Who has the branch in place finds the trunk busy, or the other does.
#[test]
fn a_visit_races_a_request_of_another_branch() {
    model("branch: a_visit_races_a_request_of_another_branch", || {
        let (source, host, other) = dealt(4, 1, u32::MAX);
        let asking = thread::spawn({
            let other = other.clone();
            move || other.request(2)
        });
        host.request(2);
        asking.join().unwrap();
        assert_eq!(host.finish(), [Item(0), Item(2), Complete]);
        assert_eq!(other.finish(), [Item(1), Item(3), Complete]);
        assert_eq!(source.count(), 0);
    });
}

/// The trunk is run for the other, who has enough before it is the host's turn.
#[test]
fn a_host_that_finds_its_trunk_busy_is_called() {
    model("branch: a_host_that_finds_its_trunk_busy_is_called", || {
        let (source, host, other) = dealt_from(1..3, 1, u32::MAX);
        let asking = thread::spawn({
            let other = other.clone();
            move || other.request(1)
        });
        host.request(1);
        asking.join().unwrap();
        assert_eq!(host.log().as_deref(), Some(&[Item(2), Complete][..]), "it was called");
        assert_eq!(host.finish(), [Item(2), Complete]);
        assert_eq!(other.finish(), [Item(1), Complete]);
        assert_eq!(source.count(), 0);
    });
}

/// What was put into the ring for one who did not ask comes before what is handed.
#[test]
fn what_is_in_the_ring_goes_before_what_is_handed() {
    model("branch: what_is_in_the_ring_goes_before_what_is_handed", || {
        let (source, host, other) = dealt(6, 4, u32::MAX);
        other.request(1);
        let asking = thread::spawn({
            let other = other.clone();
            move || other.request(1)
        });
        host.request(9);
        asking.join().unwrap();
        other.request(9);
        assert_eq!(host.finish(), [Item(0), Item(2), Item(4), Complete]);
        assert_eq!(other.finish(), [Item(1), Item(3), Item(5), Complete]);
        assert_eq!(source.count(), 0);
    });
}

#[test]
fn a_visit_races_the_cancellation_of_another_branch() {
    model("branch: a_visit_races_the_cancellation_of_another_branch", || {
        let (source, host, other) = dealt(4, 1, u32::MAX);
        other.request(1);
        let cancelling = thread::spawn({
            let other = other.clone();
            move || other.cancel()
        });
        host.request(9);
        cancelling.join().unwrap();
        assert_eq!(host.finish(), [Item(0), Item(2), Complete]);
        let log = other.finish();
        assert!(log.is_empty() || log == [Item(1)], "{log:?}");
        assert_eq!(source.count(), 0);
    });
}

/// The host goes while another has the trunk run for it: that one is not held up.
#[test]
fn a_host_that_goes_races_a_request_of_another_branch() {
    model("branch: a_host_that_goes_races_a_request_of_another_branch", || {
        let (source, host, other) = dealt(4, 1, u32::MAX);
        host.request(1);
        let cancelling = thread::spawn({
            let host = host.clone();
            move || host.cancel()
        });
        other.request(9);
        cancelling.join().unwrap();
        assert_eq!(other.finish(), [Item(1), Item(3), Complete]);
        assert_eq!(host.finish(), [Item(0)]);
        assert_eq!(source.count(), 0);
    });
}

/// A trunk that breaks in the turn of its host is told to both.
#[test]
fn a_trunk_that_breaks_in_a_visit_is_told_to_all() {
    model("branch: a_trunk_that_breaks_in_a_visit_is_told_to_all", || {
        let (source, host, other) = dealt(4, 1, 2);
        let asking = thread::spawn({
            let other = other.clone();
            move || other.request(1)
        });
        host.request(9);
        asking.join().unwrap();
        other.request(9);
        let log = host.finish();
        assert!(matches!(&log[..], [Item(0), Signal::Fault(_)] | [Signal::Fault(_)]), "{log:?}");
        let log = other.finish();
        assert!(matches!(&log[..], [Item(1), Signal::Fault(_)] | [Signal::Fault(_)]), "{log:?}");
        assert_eq!(source.count(), 0);
    });
}
