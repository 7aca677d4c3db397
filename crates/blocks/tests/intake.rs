//! Models of an intake whose basin an island empties: what is sent is delivered, spilled or
//! discarded, each once; upstream is asked once; nobody waits for ever, and nothing is left.

mod oracle;

use std::num::NonZeroUsize;
use std::sync::Arc;

use millstream_blocks::basin::{Inflow, Restored, Spill, Spilled, basin};
use millstream_blocks::bell::{Bell, Host};
use millstream_blocks::gauge::Site;
use millstream_blocks::intake::{Filled, Start as Starts, intake};
use millstream_blocks::island::join;
use millstream_core::{
    Context, Demand, Discards, Fault, More, Publisher, Pull, Pulled, Subscriber, Subscription,
    Upstream,
};
use millstream_sync::{Mutex, lock, model, thread};
use oracle::Signal::{Complete, Item};
use oracle::{Error, Hand, Late, Oracle, Signal, Source, Start, Token, begins, broken};

type Numbers = Arc<std::sync::Mutex<Vec<u32>>>;

/// What was dropped: that which spilled, and that which was discarded.
#[derive(Clone, Default)]
struct Dropped(Numbers);

impl Dropped {
    fn note(&self, item: Token) {
        self.0.lock().unwrap().push(item.0);
    }

    /// All that was delivered and dropped, in ascending order.
    fn with(&self, log: &[Signal]) -> Vec<u32> {
        let mut all = self.0.lock().unwrap().clone();
        all.extend(log.iter().filter_map(|signal| match signal {
            Item(n) => Some(*n),
            _ => None,
        }));
        all.sort_unstable();
        all
    }
}

fn put(
    item: Token,
    spill: Spill,
    inflow: &Inflow<Token, Error>,
    dropped: &Dropped,
) -> Filled<Token> {
    match inflow.put(item, spill) {
        Ok(Spilled::Nothing) => {}
        Ok(Spilled::One(item)) => dropped.note(item),
        Ok(Spilled::All(items)) => items.into_iter().for_each(|item| dropped.note(item)),
        Err(item) => return Filled::Refused(item),
    }
    Filled::On
}

/// `source` by an intake into a basin of one, and what comes out to a subscriber that asks for
/// nothing by itself.
fn through(
    oracle: &Oracle,
    ahead: Demand,
    source: impl Publisher<Item = Token, Error = Error>,
    fill: impl FnMut(Token, &Inflow<Token, Error>) -> Filled<Token> + Send + 'static,
) -> Starts {
    let mut starts = None;
    join(
        |bell, context| {
            let (inflow, outflow) = basin(NonZeroUsize::MIN);
            let outflow = outflow.attach(bell, context, Site::here("model"));
            let (intake, stock, start) = intake(inflow, outflow, ahead, fill, context);
            starts = Some(start);
            source.subscribe(intake);
            stock
        },
        oracle.probe(|_| More::NONE),
    );
    starts.unwrap()
}

/// The same, where what does not fit goes as `spill` says.
fn spilling(
    oracle: &Oracle,
    source: impl Publisher<Item = Token, Error = Error>,
    spill: Spill,
) -> (Starts, Dropped) {
    let dropped = Dropped::default();
    let notes = dropped.clone();
    let fill = move |item, inflow: &_| put(item, spill, inflow, &notes);
    (through(oracle, Demand::UNBOUNDED, source, fill), dropped)
}

#[test]
fn items_race_a_request() {
    for spill in [Spill::Newest, Spill::Oldest, Spill::All] {
        model("intake: items_race_a_request", move || {
            let oracle = Oracle::new();
            let hand = Hand::default();
            let source = Source::Hand(oracle.alive(), hand.clone());
            let (start, dropped) = spilling(&oracle, source, spill);
            start.go();
            let alive = oracle.alive();
            let other = thread::spawn(move || {
                hand.send(Token(0, alive.clone()));
                hand.send(Token(1, alive));
                hand.complete();
            });
            oracle.request(1);
            other.join().unwrap();
            oracle.request(1);
            let log = oracle.finish();
            assert_eq!(log.last(), Some(&Complete), "{log:?}");
            assert_eq!(dropped.with(&log), [0, 1], "each once: {log:?}");
            assert!(!log.contains(&Signal::Unasked), "{log:?}");
        });
    }
}

/// Whichever comes second asks; neither knows of the other.
#[test]
fn the_start_races_the_subscription() {
    model("intake: the_start_races_the_subscription", || {
        let oracle = Oracle::new();
        let begin = Start::default();
        let source = Late(begin.clone(), Source::Items(oracle.items(0..1)));
        let (start, dropped) = spilling(&oracle, source, Spill::Newest);
        let other = thread::spawn(move || begin.go());
        start.go();
        other.join().unwrap();
        oracle.request(1);
        assert_eq!(oracle.finish(), [Item(0), Complete]);
        assert_eq!(dropped.with(&[]), []);
    });
}

/// Counts what is asked, and lets go of its subscriber when it is cancelled.
struct Asked(Arc<std::sync::Mutex<Vec<u64>>>);

impl Upstream for Asked {
    fn request(&self, demand: Demand) {
        self.0.lock().unwrap().push(demand.get());
    }

    fn cancel(&self) {
        self.0.lock().unwrap().push(0);
    }
}

#[test]
fn upstream_is_asked_once() {
    model("intake: upstream_is_asked_once", || {
        let oracle = Oracle::new();
        let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
        let (begin, forget) = (Start::default(), Start::default());
        let source = Counting(asked.clone(), forget.clone());
        let fill = |_, _: &Inflow<_, _>| Filled::On;
        let start = through(&oracle, Demand::of(7), Late(begin.clone(), source), fill);
        let other = thread::spawn(move || begin.go());
        assert_eq!(asked.lock().unwrap().iter().sum::<u64>(), 0, "nothing before it starts");
        start.go();
        other.join().unwrap();
        assert_eq!(*asked.lock().unwrap(), [7]);
        oracle.cancel();
        assert_eq!(*asked.lock().unwrap(), [7, 0], "and cancelled once");
        forget.forget();
    });
}

/// Subscribes at once, and sends nothing.
struct Counting(Arc<std::sync::Mutex<Vec<u64>>>, Start);

impl Publisher for Counting {
    type Item = Token;
    type Error = Error;

    fn subscribe<S: Subscriber<Token, Error>>(self, subscriber: S) {
        let active = subscriber.on_subscribe(Subscription::new(Arc::new(Asked(self.0))));
        self.1.set(move || drop(active));
    }
}

#[test]
fn cancel_races_items() {
    for spill in [Spill::Newest, Spill::Oldest, Spill::All] {
        model("intake: cancel_races_items", move || {
            let oracle = Oracle::new();
            let discarded = Dropped::default();
            let hand = Hand::default();
            let notes = discarded.clone();
            let hook = move |item: Token| notes.note(item);
            let context =
                Context::default().with_discards(Discards::new(hook, Discards::default()));
            let (told, came) = (discarded.clone(), Numbers::default());
            let comes = came.clone();
            let fill = move |item: Token, inflow: &_| {
                comes.lock().unwrap().push(item.0);
                put(item, spill, inflow, &told)
            };
            let mut start = None;
            let probe = Surrounded(oracle.probe(|_| More::NONE), context);
            join(
                |bell, context| {
                    let (inflow, outflow) = basin(NonZeroUsize::MIN);
                    let outflow = outflow.attach(bell, context, Site::here("model"));
                    let (intake, stock, starts) =
                        intake(inflow, outflow, Demand::UNBOUNDED, fill, context);
                    start = Some(starts);
                    Source::Hand(oracle.alive(), hand.clone()).subscribe(intake);
                    stock
                },
                probe,
            );
            start.unwrap().go();
            let alive = oracle.alive();
            hand.send(Token(0, alive.clone()));
            let other = thread::spawn(move || hand.send(Token(1, alive)));
            oracle.cancel();
            other.join().unwrap();
            let log = oracle.finish();
            assert_eq!(log, []);
            // What upstream did not send any more is its own.
            assert_eq!(discarded.with(&log), *came.lock().unwrap(), "each once");
        });
    }
}

/// A subscriber with surroundings.
struct Surrounded<S>(S, Context);

impl<S: Subscriber<Token, Error>> Subscriber<Token, Error> for Surrounded<S> {
    type Active = S::Active;

    fn on_subscribe(self, subscription: Subscription) -> S::Active {
        self.0.on_subscribe(subscription)
    }

    fn context(&self) -> Context {
        self.1.clone()
    }
}

#[test]
fn cancel_races_a_subscription() {
    model("intake: cancel_races_a_subscription", || {
        let oracle = Oracle::new();
        let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
        let (begin, forget) = (Start::default(), Start::default());
        let source = Counting(asked.clone(), forget.clone());
        let (start, _) = spilling(&oracle, Late(begin.clone(), source), Spill::Newest);
        let other = thread::spawn(move || begin.go());
        oracle.cancel();
        start.go();
        other.join().unwrap();
        assert_eq!(*asked.lock().unwrap(), [0], "cancelled once, and asked for nothing");
        forget.forget();
        assert_eq!(oracle.finish(), []);
    });
}

#[test]
fn the_end_races_a_request() {
    model("intake: the_end_races_a_request", || {
        let oracle = Oracle::new();
        let hand = Hand::default();
        let source = Source::Hand(oracle.alive(), hand.clone());
        let (start, _) = spilling(&oracle, source, Spill::Newest);
        start.go();
        hand.send(Token(0, oracle.alive()));
        let other = thread::spawn(move || hand.complete());
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(oracle.finish(), [Item(0), Complete]);
    });
}

#[test]
fn a_source_gone_races_a_request() {
    model("intake: a_source_gone_races_a_request", || {
        let oracle = Oracle::new();
        let forget = Start::default();
        let source = Source::Deaf(oracle.alive(), forget.clone());
        let (start, _) = spilling(&oracle, source, Spill::Newest);
        start.go();
        let other = thread::spawn(move || forget.go());
        oracle.request(1);
        other.join().unwrap();
        let dropped = Signal::Fault(Fault::SourceDropped.to_string());
        assert_eq!(oracle.finish(), [dropped]);
    });
}

#[test]
fn a_fault_races_items() {
    model("intake: a_fault_races_items", || {
        let oracle = Oracle::new();
        let begin = Start::default();
        let source = Source::Late(oracle.items(0..2), begin.clone());
        let (start, _) = spilling(&oracle, source, Spill::Newest);
        start.go();
        oracle.request(9);
        let other = thread::spawn(move || begin.go());
        oracle.fail();
        other.join().unwrap();
        let log = oracle.finish();
        let (last, before) = log.split_last().unwrap();
        assert!(begins(&[Item(0), Item(1)], before), "{log:?}");
        assert!(*last == broken() || (*last == Complete && before.len() == 2), "{log:?}");
    });
}

/// The newest that is kept and the one that comes become one: the digits of both.
fn merging(item: Token, inflow: &Inflow<Token, Error>) -> Filled<Token> {
    let Some((kept, place)) = inflow.withdraw() else {
        return put(item, Spill::Newest, inflow, &Dropped::default());
    };
    let merged = Token(10 * kept.0 + item.0, item.1);
    match place.restore(merged) {
        Restored::Queued => Filled::On,
        Restored::Gone(item) => Filled::Refused(item),
        Restored::Filled(..) => panic!("nobody else fills it"),
    }
}

#[test]
fn a_merge_races_a_request() {
    model("intake: a_merge_races_a_request", || {
        let oracle = Oracle::new();
        let hand = Hand::default();
        let source = Source::Hand(oracle.alive(), hand.clone());
        let start = through(&oracle, Demand::UNBOUNDED, source, merging);
        start.go();
        hand.send(Token(1, oracle.alive()));
        let alive = oracle.alive();
        let other = thread::spawn(move || {
            hand.send(Token(2, alive));
            hand.complete();
        });
        oracle.request(1);
        other.join().unwrap();
        oracle.request(1);
        let log = oracle.finish();
        let apart: &[Signal] = &[Item(1), Item(2), Complete];
        assert!(log == apart || log == [Item(12), Complete], "{log:?}");
    });
}

#[test]
fn cancel_races_a_merge() {
    model("intake: cancel_races_a_merge", || {
        let oracle = Oracle::new();
        let hand = Hand::default();
        let source = Source::Hand(oracle.alive(), hand.clone());
        let start = through(&oracle, Demand::UNBOUNDED, source, merging);
        start.go();
        hand.send(Token(1, oracle.alive()));
        let alive = oracle.alive();
        let other = thread::spawn(move || hand.send(Token(2, alive)));
        oracle.cancel();
        other.join().unwrap();
        assert_eq!(oracle.finish(), []);
    });
}

/// An upstream without end that sends where it is asked stops, and goes on as items leave.
#[test]
fn a_synchronous_upstream_keeps_up_with_what_leaves() {
    model("intake: a_synchronous_upstream_keeps_up_with_what_leaves", || {
        let oracle = Oracle::new();
        let dropped = Dropped::default();
        let notes = dropped.clone();
        let fill = move |item, inflow: &_| put(item, Spill::Newest, inflow, &notes);
        let begin = Start::default();
        let source = Source::Late(oracle.items(0..9), begin.clone());
        let start = through(&oracle, Demand::of(2), source, fill);
        start.go();
        let other = thread::spawn(move || begin.go());
        oracle.request(1);
        other.join().unwrap();
        // One has left, or will: three were asked for then.
        oracle.cancel();
        let log = oracle.finish();
        let all = dropped.with(&log);
        assert_eq!(log.len(), 1, "{log:?}");
        // What is queued at the cancellation is in neither.
        assert!(all == [0, 1] || all == [0, 2], "three came: {log:?}, {all:?}");
    });
}

/// A basin that is given up is told nothing: what upstream drops when it is cancelled is not a
/// source gone away.
#[test]
fn cancel_is_not_a_source_gone() {
    model("intake: cancel_is_not_a_source_gone", || {
        let told = Arc::new(Mutex::new(Vec::new()));
        let oracle = Oracle::new();
        let bell = Bell::new(Arc::new(Listening(told.clone())));
        let (inflow, outflow) = basin::<Token, Error>(NonZeroUsize::MIN);
        let outflow = outflow.attach(&bell, &Context::default(), Site::here("model"));
        let fill = |item, inflow: &_| put(item, Spill::Newest, inflow, &Dropped::default());
        let (intake, mut stock, start) =
            intake(inflow, outflow, Demand::ONE, fill, &Context::default());
        let hand = Hand::default();
        Source::Hand(oracle.alive(), hand.clone()).subscribe(intake);
        start.go();
        let alive = oracle.alive();
        let other = thread::spawn(move || hand.send(Token(0, alive)));
        if let Pulled::Item(item) = stock.pull() {
            assert_eq!(item.0, 0);
        }
        drop(stock);
        other.join().unwrap();
        assert_eq!(*lock(&told), Vec::<String>::new(), "nobody was told of a fault");
        assert_eq!(oracle.count(), 0);
    });
}

/// Keeps the faults that it is told of.
struct Listening(Arc<Mutex<Vec<String>>>);

impl Host for Listening {
    fn ring(&self) {}

    fn fail(&self, fault: Fault) {
        lock(&self.0).push(fault.to_string());
    }
}

#[cfg(not(any(millstream_loom, millstream_shuttle)))]
mod on_one_thread {
    use millstream_core::{ActiveSubscriber, End};
    use oracle::Alive;

    use super::*;

    /// Sends two items and an end, whatever it is told.
    struct Both(Alive, End<Error>, Arc<std::sync::Mutex<Vec<u64>>>);

    impl Publisher for Both {
        type Item = Token;
        type Error = Error;

        fn subscribe<S: Subscriber<Token, Error>>(self, subscriber: S) {
            let mut active =
                subscriber.on_subscribe(Subscription::new(Arc::new(Asked(self.2.clone()))));
            for n in 0..2 {
                if active.on_next(Token(n, self.0.clone())).is_cancel() {
                    self.2.lock().unwrap().push(0);
                    return;
                }
            }
            drop(active.on_end(self.1));
        }
    }

    fn sent(
        end: End<Error>,
        fill: fn(Token, &Inflow<Token, Error>) -> Filled<Token>,
    ) -> (Vec<Signal>, Vec<u64>) {
        let oracle = Oracle::new();
        let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
        let source = Both(oracle.alive(), end, asked.clone());
        through(&oracle, Demand::ONE, source, fill).go();
        oracle.request(9);
        let asked = asked.lock().unwrap().clone();
        (oracle.finish(), asked)
    }

    fn first(item: Token, inflow: &Inflow<Token, Error>) -> Filled<Token> {
        put(item, Spill::Newest, inflow, &Dropped::default())
    }

    #[test]
    fn the_end_comes_behind_what_is_queued_and_an_upstream_that_is_over_is_left_alone() {
        assert_eq!(sent(End::Completed, first), (vec![Item(0), Complete], vec![]));
        assert_eq!(sent(End::Failed("no"), first), (vec![Item(0), Signal::Error("no")], vec![]));
    }

    #[test]
    fn a_fault_does_not_wait() {
        let (log, asked) = sent(End::Fault(Fault::ExecutorGone), first);
        assert_eq!((log, asked), (vec![Signal::Fault(Fault::ExecutorGone.to_string())], vec![]));
    }

    #[test]
    fn a_panic_in_fill_breaks_the_stream_and_cancels_upstream() {
        let ouch = |_, _: &Inflow<_, _>| std::panic::resume_unwind(Box::new("ouch"));
        let (log, asked) = sent(End::Completed, ouch);
        assert_eq!(log, [Signal::Fault("user code panicked: ouch".to_owned())]);
        assert_eq!(asked.first(), Some(&0), "by its answer");
    }

    #[test]
    fn enough_cancels_upstream_and_delivers_what_is_queued() {
        let (log, asked) = sent(End::Completed, |item, inflow| {
            let last = item.0 == 1;
            if last {
                assert!(inflow.fail("enough").is_ok());
                return Filled::Failed;
            }
            first(item, inflow)
        });
        assert_eq!(log, [Item(0), Signal::Error("enough")]);
        assert_eq!(asked.first(), Some(&0), "by its answer");
    }
}
