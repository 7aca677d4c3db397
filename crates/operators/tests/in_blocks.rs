//! Claims of sources that know how many items are to come: they send them in blocks where enough
//! are asked for, and nobody can tell.

use std::convert::Infallible;
use std::fmt::Debug;
use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use millstream::prelude::*;
use millstream::{ActiveSubscriber, Demand, More, Publisher, Subscriber, Subscription};
use millstream_testkit::{Answer, Behaviour, Event, Faulted, Ledger, Probe, ProbeHandle, Token};

/// Panics without a word on the terminal.
fn ouch() -> ! {
    resume_unwind(Box::new("ouch"))
}

/// What an iterator says of its length.
#[derive(Debug, Clone, Copy)]
enum Claims {
    Exactly,
    Nothing,
    AtLeast(usize),
}

/// Numbered items that are counted as they are taken.
#[derive(Clone)]
struct Minted {
    ledger: Ledger,
    taken: Arc<AtomicI64>,
    numbers: Range<i64>,
    claims: Claims,
    panics_at: Option<i64>,
}

impl Minted {
    fn new(end: i64) -> Minted {
        Minted {
            ledger: Ledger::new(),
            taken: Arc::default(),
            numbers: 0..end,
            claims: Claims::Exactly,
            panics_at: None,
        }
    }

    fn claiming(self, claims: Claims) -> Minted {
        Minted { claims, ..self }
    }

    fn taken(&self) -> i64 {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Iterator for Minted {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let number = self.numbers.next()?;
        if self.panics_at == Some(number) {
            ouch();
        }
        self.taken.fetch_add(1, Ordering::Relaxed);
        Some(self.ledger.token(number))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self.claims {
            Claims::Exactly => self.numbers.size_hint(),
            Claims::Nothing => (0, None),
            Claims::AtLeast(n) => (n, None),
        }
    }
}

type Handle = ProbeHandle<i64, String>;

fn run<P>(publisher: P, behaviour: Behaviour) -> Handle
where
    P: Publisher<Item = Token, Error: Debug>,
{
    let (probe, handle) =
        Probe::recording(behaviour, |token: Token| token.value(), |error| format!("{error:?}"));
    publisher.subscribe(probe);
    assert!(handle.violations().is_empty(), "{:?}\n{}", handle.violations(), handle.log_text());
    handle
}

/// Some blocks, and a part of one.
const ASKED: u64 = 44;

fn first(n: u64) -> Vec<i64> {
    (0..n as i64).collect()
}

#[test]
fn a_cancellation_takes_effect_before_the_next_item_wherever_it_comes() {
    for at in 1..=ASKED {
        for answer in [Answer::CANCEL, Answer::Drop] {
            let source = Minted::new(1000);
            let behaviour = Behaviour::new().initially(ASKED).at(at, answer);
            let handle = run(millstream::from_iter(source.clone()), behaviour.clone());
            assert_eq!(handle.items(), first(at), "{answer:?}");
            assert_eq!(source.taken(), at as i64, "{answer:?} at {at}");
            assert!(handle.is_dropped());
            assert_eq!(source.ledger.live(), 0);

            // Of three, one passes.
            let source = Minted::new(1000);
            let thirds = millstream::from_iter(source.clone()).filter(|n| n.value() % 3 == 2);
            let handle = run(thirds, behaviour);
            assert_eq!(handle.items().len() as u64, at, "{answer:?}");
            assert_eq!(source.taken(), 3 * at as i64, "{answer:?} at {at}");
            assert!(handle.is_dropped());
            assert_eq!(source.ledger.live(), 0);
        }
    }
}

#[test]
fn no_more_is_sent_or_taken_than_was_asked_for() {
    for asked in (1..=ASKED).chain([127, 128, 129, 300]) {
        let source = Minted::new(10_000);
        let handle = run(millstream::from_iter(source.clone()), Behaviour::new().initially(asked));
        assert_eq!(handle.items(), first(asked));
        assert_eq!(source.taken(), asked as i64);
        handle.request(asked);
        assert_eq!(handle.items(), first(2 * asked));
        assert_eq!(source.taken(), 2 * asked as i64);
        handle.cancel();
        assert_eq!(source.ledger.live(), 0);

        let source = Minted::new(10_000);
        let odd = millstream::from_iter(source.clone()).filter(|n| n.value() % 2 == 1);
        let handle = run(odd, Behaviour::new().initially(asked));
        assert_eq!(handle.delivered(), asked);
        assert_eq!(source.taken(), 2 * asked as i64);
    }
}

#[test]
fn what_is_asked_for_inside_of_a_block_is_sent_as_well() {
    let asks = [
        (Answer::ONE, 1),
        (Answer::More(More::of(5)), 5),
        (Answer::More(More::of(70)), 70),
        (Answer::Request(Demand::of(1)), 1),
        (Answer::Request(Demand::of(70)), 70),
    ];
    for at in 1..=ASKED {
        for (answer, more) in asks {
            let source = Minted::new(10_000);
            let behaviour = Behaviour::new().initially(ASKED).at(at, answer).at(at + 3, answer);
            let handle = run(millstream::from_iter(source.clone()), behaviour);
            let expected = match at + 3 > ASKED + more {
                true => ASKED + more,
                false => ASKED + 2 * more,
            };
            assert_eq!(handle.items(), first(expected), "{answer:?} at {at}");
            assert_eq!(source.taken(), expected as i64);
        }
        // For all: to the end.
        let behaviour = Behaviour::new().initially(ASKED).at(at, Answer::More(More::UNBOUNDED));
        let handle = run(millstream::from_iter(Minted::new(100)), behaviour);
        assert_eq!((handle.delivered(), handle.end()), (100, Some(Event::Completed)));
    }
    // Each answer replaces its item: there is always as much.
    let each = Behaviour::new().initially(ASKED).each(Answer::ONE).at(500, Answer::CANCEL);
    assert_eq!(run(millstream::from_iter(Minted::new(10_000)), each).delivered(), 500);
}

fn broke(handle: &Handle, source: &Minted, delivered: u64, case: &str) {
    let log = handle.log_text();
    let end = handle.end();
    assert!(matches!(end, Some(Event::Faulted(Faulted::Panicked(_)))), "{case}\n{log}");
    assert_eq!(handle.items(), first(delivered), "{case}\n{log}");
    assert!(handle.is_dropped(), "{case}");
    assert_eq!(source.ledger.live(), 0, "{case}");
}

#[test]
fn a_panic_inside_of_a_block_is_told_after_what_was_delivered() {
    let asking = || Behaviour::new().initially(ASKED);
    for at in 0..ASKED as i64 {
        let source = Minted { panics_at: Some(at), ..Minted::new(1000) };
        let handle = run(millstream::from_iter(source.clone()), asking());
        broke(&handle, &source, at as u64, "in the iterator");

        let source = Minted::new(1000);
        let chain = millstream::from_iter(source.clone());
        let handle = run(chain.map(move |n| if n.value() == at { ouch() } else { n }), asking());
        broke(&handle, &source, at as u64, "in `map`");
        assert_eq!(source.taken(), at + 1);

        let source = Minted::new(1000);
        let chain = millstream::from_iter(source.clone());
        let handle = run(chain.filter(move |n| n.value() != at || ouch()), asking());
        broke(&handle, &source, at as u64, "in `filter`");

        let source = Minted::new(1000);
        let panics = asking().at(at as u64 + 1, Answer::Panic);
        let handle = run(millstream::from_iter(source.clone()), panics);
        broke(&handle, &source, at as u64 + 1, "in the subscriber");
        assert_eq!(source.taken(), at + 1);
    }
}

#[test]
fn an_error_inside_of_a_block_ends_it() {
    for at in 0..ASKED as i64 {
        let source = Minted::new(1000);
        let chain = millstream::from_iter(source.clone())
            .try_map(move |n| if n.value() == at { Err("no") } else { Ok(n) });
        let handle = run(chain, Behaviour::new().initially(ASKED));
        assert_eq!(handle.items(), first(at as u64));
        assert_eq!(handle.end(), Some(Event::Failed("\"no\"".to_owned())));
        assert_eq!((source.taken(), source.ledger.live()), (at + 1, 0));
    }
}

#[test]
fn an_end_inside_of_a_block_leaves_the_rest_where_it_is() {
    for n in 1..=ASKED {
        let asking = || Behaviour::new().initially(ASKED + 1);
        let source = Minted::new(1000);
        let handle = run(millstream::from_iter(source.clone()).take(n), asking());
        assert_eq!((handle.items(), handle.end()), (first(n), Some(Event::Completed)));
        assert_eq!((source.taken(), source.ledger.live()), (n as i64, 0));

        let source = Minted::new(1000);
        let chain = millstream::from_iter(source.clone());
        let handle = run(chain.take_while(move |item| item.value() < n as i64), asking());
        assert_eq!((handle.items(), handle.end()), (first(n), Some(Event::Completed)));
        assert_eq!((source.taken(), source.ledger.live()), (n as i64 + 1, 0));
    }
}

#[test]
fn a_filter_that_drops_everything_reads_to_the_end_for_any_demand() {
    for asked in [1, 31, 32, ASKED, u64::MAX] {
        let source = Minted::new(10_000);
        let nothing = millstream::from_iter(source.clone()).filter(|_| false);
        let handle = run(nothing, Behaviour::new().initially(asked));
        assert_eq!((handle.delivered(), handle.end()), (0, Some(Event::Completed)));
        assert_eq!((source.taken(), source.ledger.live()), (10_000, 0));
    }
}

#[test]
fn what_is_discarded_and_what_is_delivered_is_what_was_taken() {
    for at in 1..=ASKED {
        for answer in [Answer::NONE, Answer::CANCEL, Answer::Drop, Answer::Panic] {
            let source = Minted::new(100);
            let discarded = Arc::new(AtomicU64::new(0));
            let count = discarded.clone();
            let chain = millstream::from_iter(source.clone())
                .filter(|n| n.value() % 3 != 1)
                .on_discard(move |_: Token| {
                    count.fetch_add(1, Ordering::Relaxed);
                });
            let handle = run(chain, Behaviour::new().initially(ASKED).at(at, answer));
            let accounted = handle.delivered() + discarded.load(Ordering::Relaxed);
            assert_eq!(accounted as i64, source.taken(), "{answer:?} at {at}");
            handle.cancel();
            assert_eq!(source.ledger.live(), 0);
        }
    }
}

#[test]
fn an_iterator_that_is_wrong_about_its_length_ends_where_it_ends() {
    for length in [0, 1, 7, 8, 9, 31, 32, 33, 40, 100] {
        for claims in [
            Claims::Exactly,
            Claims::Nothing,
            Claims::AtLeast(1),
            Claims::AtLeast(8),
            Claims::AtLeast(usize::MAX),
        ] {
            for asked in [1, 8, ASKED, 1000] {
                let source = Minted::new(length).claiming(claims);
                let asking = Behaviour::new().initially(asked);
                let handle = run(millstream::from_iter(source.clone()), asking);
                while !handle.is_ended() {
                    handle.request(asked);
                }
                assert_eq!(handle.items(), first(length as u64), "{claims:?}, {asked}");
                assert_eq!(handle.end(), Some(Event::Completed));
                assert_eq!(source.ledger.live(), 0);
            }
        }
    }
}

/// Asks for as many again when they have come, and lets its handle go.
struct Batches {
    size: u64,
    left: u64,
    seen: Arc<Mutex<Vec<u64>>>,
}

impl Subscriber<u64, Infallible> for Batches {
    type Active = Self;

    fn on_subscribe(self, subscription: Subscription) -> Self {
        subscription.request(Demand::of(self.size));
        subscription.detach();
        self
    }
}

impl ActiveSubscriber<u64, Infallible> for Batches {
    fn on_next(&mut self, item: u64) -> More {
        assert!(self.left > 0, "an item without demand");
        self.seen.lock().unwrap().push(item);
        self.left -= 1;
        if self.left > 0 {
            return More::NONE;
        }
        self.left = self.size;
        More::of(self.size)
    }

    fn on_complete(self) {
        self.seen.lock().unwrap().push(u64::MAX);
    }

    fn on_error(self, never: Infallible) {
        match never {}
    }
}

/// What stages make of a source, in batches, is what they make of it at once.
#[test]
fn batches_give_what_the_whole_gives_through_stages_that_drop_keep_and_multiply() {
    fn check<P>(build: impl Fn(std::vec::IntoIter<u64>) -> P)
    where
        P: Publisher<Item = u64, Error = Infallible>,
    {
        for length in [0, 1, 8, 31, 32, 33, 100, 1000] {
            let numbers = || (0..length).collect::<Vec<u64>>().into_iter();
            let mut whole = build(numbers()).collect::<Vec<_>>().block().unwrap();
            whole.push(u64::MAX);
            for size in [1, 2, 7, 8, 31, 32, 33, 40, 128] {
                let seen = Arc::default();
                let batches = Batches { size, left: size, seen: Arc::clone(&seen) };
                build(numbers()).subscribe(batches);
                assert_eq!(*seen.lock().unwrap(), whole, "{length} items, {size} at a time");
            }
        }
    }
    check(millstream::from_iter);
    check(|s| millstream::from_iter(s).map(|n| n + 1).filter(|n| n % 2 == 0).map(|n| n * 3));
    check(|s| millstream::from_iter(s).filter(|n| n % 10 == 0));
    check(|s| millstream::from_iter(s).skip(5).step_by(3).take(20));
    check(|s| millstream::from_iter(s).chunks(3).map(|chunk| chunk.into_iter().sum()));
    check(|s| millstream::from_iter(s).start_with([7, 8]).pairwise().map(|(a, b)| a ^ b));
    check(|s| millstream::from_iter(s).concat_map_iter(|n| 0..n % 5));
    check(|s| millstream::from_iter(s).concat_map(|n| millstream::from_iter(0..n % 50)));
    check(|s| millstream::from_iter(s).chain(millstream::from_iter(0..50)).take_last(45));
    check(|s| millstream::from_iter(s).filter(|n| n % 3 > 0).boxed().map(|n| n).boxed());
    // Nothing is between this one and its box, so it sends one by one.
    check(|s| millstream::from_iter(s).boxed().filter(|n| n % 3 > 0).boxed().map(|n| n).boxed());
}
