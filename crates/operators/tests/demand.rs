//! What an operator asks of its upstream, to the number: operators that give one item for one ask
//! for what they are asked for, and unbounded stays unbounded.

use std::sync::{Arc, Mutex};

use crate::support::{Ending, Hand, Item, Mint, Probe, Told, next, next_then, script};
use millstream::prelude::*;
use millstream::{Board, BoxPublisher, Demand, End, More};

use crate::eager::{Eager, timeless};

type Upstream = BoxPublisher<Item, &'static str>;

/// What reaches the source where downstream asks for 3, then for 2, then for all.
fn asked<P>(build: impl FnOnce(Upstream) -> P) -> Vec<u64>
where
    P: Publisher<Error: Send + std::fmt::Debug>,
{
    let (hand, source) = Hand::new();
    let probe = Probe::new().on(build(source).map(|_| Mint::new().item(0)).map_err(|_| "failed"));
    let mut asked = hand.asked();
    for n in [3, 2] {
        probe.request(n);
        asked.append(&mut hand.asked());
    }
    probe.request(u64::MAX);
    asked.append(&mut hand.asked());
    probe.cancel();
    assert!(hand.is_cancelled());
    asked
}

const ALL: u64 = More::UNBOUNDED.count();

macro_rules! transparent {
    ($($name:ident: |$source:ident| $build:expr;)*) => {$(
        #[test]
        fn $name() {
            assert_eq!(asked(|$source| $build), [3, 2, ALL], stringify!($name));
        }
    )*};
}

/// One item for one, or none: row 35 of `docs/known-bugs.md`.
mod transparent {
    use super::*;

    transparent! {
        map: |s| s.map(|n| n);
        try_map: |s| s.try_map(Ok::<_, &'static str>);
        filter_map: |s| s.filter_map(Some);
        map_into: |s| s.map_into::<Option<Item>>();
        scan: |s| s.scan((), |(), n| Some(n));
        stateful_map: |s| s.stateful_map(|| (), |(), n| n, |()| None);
        map_with_resource: |s| s.map_with_resource(|| (), |(), n| n, |()| None);
        enumerate: |s| s.enumerate();
        timestamp: |s| s.timestamp(timeless());
        elapsed: |s| s.elapsed(timeless());
        materialize: |s| s.materialize();
        filter: |s| s.filter(|_| true);
        skip_of_none: |s| s.skip(0);
        skip_while: |s| s.skip_while(|_| false);
        step_by: |s| s.step_by(1);
        dedup_by_key: |s| s.dedup_by_key(|n| n.0);
        unique_by: |s| s.unique_by(|n| n.0);
        take_while: |s| s.take_while(|_| true);
        take_through: |s| s.take_through(|_| false);
        map_while: |s| s.map_while(Some);
        limit: |s| s.limit(9);
        limit_weighted: |s| s.limit_weighted(9, |_| 1);
        take_until: |s| s.take_until(millstream::pending::<()>().map_err(|never| match never {}));
        kill_switch: |s| s.kill_switch().0;
        map_err: |s| s.map_err(|error| error);
        fallible: |s| s.materialize().fallible::<&str>().dematerialize();
        skip_errors: |s| s.map(Ok::<_, Item>).skip_errors(drop);
        on_error_complete: |s| s.on_error_complete(|_| true);
        on_error_resume: |s| s.on_error_resume(|_: &str| millstream::empty::<Item>());
        switch_if_empty: |s| s.switch_if_empty(millstream::empty::<Item>().map_err(|never| match never {}));
        chain: |s| s.chain(millstream::empty::<Item>().map_err(|never| match never {}));
        inspect: |s| s.inspect(|_| ());
        inspect_first: |s| s.inspect_first(|_| ());
        inspect_err: |s| s.inspect_err(|_| ());
        inspect_complete: |s| s.inspect_complete(|| ());
        inspect_end: |s| s.inspect_end(|_| ());
        inspect_cancel: |s| s.inspect_cancel(drop);
        inspect_request: |s| s.inspect_request(|_| ());
        inspect_subscribe: |s| s.inspect_subscribe(|| ());
        finally: |s| s.finally(drop);
        on_discard: |s| s.on_discard(|_: Item| ());
        named: |s| s.named("stage");
        observed: |s| s.observed(&Board::new(1));
        checkpoint: |s| s.checkpoint("here");
        boxed: |s| s.boxed();
        subscribe_on: |s| s.subscribe_on(Eager::default());
    }
}

/// Row 23: one less than unbounded is unbounded.
#[test]
fn the_seed_takes_one_of_what_is_asked_for_and_none_of_unbounded() {
    assert_eq!(asked(|s| s.running_fold(0, |n, _| n + 1)), [2, 2, ALL]);
    assert_eq!(asked(|s| s.start_with([Mint::new().item(7)])), [2, 2, ALL]);
    assert_eq!(asked(|s| s.pairwise()), [4, 2, ALL]);
    assert_eq!(asked(|s| s.chunks(4)), [12, 8, ALL]);
    assert_eq!(asked(|s| s.take_last(2)), [ALL]);
    assert_eq!(asked(|s| s.count().into_publisher()), [ALL]);
    assert_eq!(asked(|s| s.nth(4).into_publisher()), [5]);
    // The first that is asked for, of which the seed takes one, is all.
    assert_eq!(asked_for_all(|s| s.running_fold(0, |n, _| n + 1)), [ALL]);
    assert_eq!(asked_for_all(|s| s.start_with([Mint::new().item(7)])), [ALL]);
    assert_eq!(asked_for_all(|s| s.pairwise()), [ALL]);
    assert_eq!(asked_for_all(|s| s.chunks(4)), [ALL]);
}

/// What reaches the source where downstream asks for all at first.
fn asked_for_all<P>(build: impl FnOnce(Upstream) -> P) -> Vec<u64>
where
    P: Publisher<Error: Send + std::fmt::Debug>,
{
    let (hand, source) = Hand::new();
    let stage = build(source).map(|_| Mint::new().item(0)).map_err(|_| "failed");
    let probe = Probe::new().asking(More::UNBOUNDED).on(stage);
    let asked = hand.asked();
    probe.cancel();
    asked
}

#[test]
fn concat_map_behind_a_prefetch_asks_ahead_and_three_quarters_at_a_time() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let inners = Arc::new(Mutex::new(Vec::<(u32, Arc<Hand>)>::new()));
    let made = inners.clone();
    let inner = move |item: Item| {
        let (hand, source) = Hand::new();
        made.lock().unwrap().push((item.0, Arc::new(hand)));
        source
    };
    let probe = Probe::new().on(source.prefetch(4).concat_map(inner));
    assert_eq!(hand.asked(), [4], "before downstream asks");
    (1..=4).for_each(|n| hand.send(mint.item(n)));
    let runs = || inners.lock().unwrap().iter().map(|(n, _)| *n).collect::<Vec<_>>();
    let last = || inners.lock().unwrap().last().unwrap().1.clone();
    assert_eq!(runs(), [], "nobody asked");
    probe.request(1);
    for n in 1..=3 {
        assert_eq!(runs(), (1..=n).collect::<Vec<_>>(), "one at a time");
        assert_eq!(hand.asked(), if n == 3 { vec![3] } else { vec![] });
        last().end(End::Completed);
    }
    assert_eq!(runs(), [1, 2, 3, 4]);
    hand.send(mint.item(5));
    hand.end(End::Failed("x"));
    assert_eq!(probe.take(), [], "an item is queued before the error");
    last().end(End::Completed);
    assert_eq!(runs(), [1, 2, 3, 4, 5]);
    assert_eq!(probe.take(), [Told::Error("\"x\"".into())], "the last item has left the queue");
    assert!(last().is_cancelled());
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_cancelled_concat_map_behind_a_prefetch_cancels_both_and_drops_what_is_queued() {
    let mint = Mint::new();
    let ((hand, source), (inner, within)) = (Hand::new(), Hand::new());
    let mut within = Some(within);
    let inner_of = move |_: Item| within.take().expect("one item is taken");
    let probe = Probe::new().asking(More::ONE).on(source.prefetch(4).concat_map(inner_of));
    (1..=3).for_each(|n| hand.send(mint.item(n)));
    assert_eq!(mint.live(), 2, "queued behind the one that is taken");
    probe.cancel();
    assert!(hand.is_cancelled() && inner.is_cancelled());
    assert_eq!(mint.live(), 0);
}

#[test]
fn an_item_that_waits_for_a_publisher_of_its_own_is_asked_for_alone() {
    let mint = Mint::new();
    let ((hand, source), (first, gate)) = (Hand::new(), Hand::new());
    let mut gates = vec![gate];
    let waiting = move |item: Item| {
        let gate = gates.pop().expect("one item is taken");
        gate.filter_map(|_: Item| None)
            .chain(millstream::just(item).map_err(|never| match never {}))
    };
    let probe = Probe::new().on(source.concat_map(waiting));
    assert_eq!(hand.asked(), []);
    probe.request(2);
    assert_eq!(hand.asked(), [1]);
    hand.send(mint.item(1));
    first.send(mint.item(7));
    assert_eq!((probe.take(), hand.asked()), (vec![], vec![]), "it waits for the end");
    first.end(End::Completed);
    assert_eq!((probe.take(), hand.asked()), (next([1]), vec![1]));
    probe.cancel();
    assert_eq!(mint.live(), 0);
}

/// Row 52: an inner publisher that is complete is not cancelled.
#[test]
fn an_inner_publisher_that_is_complete_is_not_cancelled() {
    type Hands = Arc<Mutex<Vec<Hand>>>;
    type Build = fn(BoxPublisher<u32, &'static str>, Hands) -> BoxPublisher<Item, &'static str>;
    fn inner(hands: &Hands) -> Upstream {
        let (hand, source) = Hand::new();
        hands.lock().unwrap().push(hand);
        source
    }
    let builds: [(&str, Build); 5] = [
        ("concat_map", |outer, hands| outer.concat_map(move |_| inner(&hands)).boxed()),
        ("flat_map_unordered", |outer, hands| {
            outer.flat_map_unordered(1, 1, move |_| inner(&hands)).boxed()
        }),
        ("flat_map_ordered", |outer, hands| {
            outer.flat_map_ordered(1, 1, move |_| inner(&hands)).boxed()
        }),
        ("switch_map", |outer, hands| outer.switch_map(1, move |_| inner(&hands)).boxed()),
        ("exhaust_map", |outer, hands| outer.exhaust_map(1, move |_| inner(&hands)).boxed()),
    ];
    for (name, build) in builds {
        let mint = Mint::new();
        let hands = Hands::default();
        let outer = millstream::just(1).map_err(|never| match never {}).boxed();
        let probe = Probe::new().asking(More::UNBOUNDED).on(build(outer, hands.clone()));
        let hand = hands.lock().unwrap().pop().expect("an inner publisher");
        hand.send(mint.item(1));
        hand.end(End::Completed);
        assert_eq!(probe.take(), next_then([1], Told::Complete), "{name}");
        assert!(!hand.is_cancelled(), "{name}");
        assert_eq!(mint.live(), 0, "{name}");
    }
}

/// Row 54: a request inside the very item that an inner publisher begins with gives one more.
#[test]
fn a_request_while_an_inner_publisher_begins_is_served_once() {
    type Inner = fn(crate::support::Script) -> Upstream;
    // What is over a box is not pulled, but subscribed to by a relay.
    let inners: [Inner; 2] = [|script| script.boxed(), |script| script.boxed().boxed()];
    for (n, inner) in inners.into_iter().enumerate() {
        let mint = Mint::new();
        let probe = Probe::new().asking(More::ONE).answering(|probe, _| {
            probe.request(1);
            More::NONE
        });
        let own = mint.clone();
        let inner = move |item: Item| inner(script(&own, item.0, 1, Ending::Complete));
        let probe = probe.on(script(&mint, 0, 3, Ending::Complete).concat_map(inner));
        assert_eq!(probe.take(), next_then([2, 3, 4], Told::Complete), "{n}");
        assert_eq!(mint.live(), 0);
    }
    // What is asked for while one is on its way goes to it, and to nobody else.
    let mint = Mint::new();
    let ((outer, source), (inner, late)) = (Hand::new(), Hand::new());
    let asks = Arc::new(Mutex::new(None::<Arc<Probe>>));
    let late = Late { publisher: late, asks: asks.clone() };
    let mut late = Some(late);
    let probe = Probe::new().on(source.concat_map(move |_| late.take().expect("one")));
    let probe = Arc::new(probe);
    *asks.lock().unwrap() = Some(probe.clone());
    probe.request(1);
    probe.request(1);
    assert_eq!(outer.asked(), [1], "one for one inner publisher");
    outer.send(mint.item(0));
    assert_eq!(inner.asked().iter().sum::<u64>(), 2 + 3);
    assert_eq!(outer.asked(), []);
    probe.cancel();
    assert_eq!(mint.live(), 0);
}

/// Downstream asks for 3 more while this is subscribed to.
struct Late {
    publisher: Upstream,
    asks: Arc<Mutex<Option<Arc<Probe>>>>,
}

impl Publisher for Late {
    type Item = Item;
    type Error = &'static str;

    fn subscribe<S: millstream::Subscriber<Item, &'static str>>(self, subscriber: S) {
        let probe = self.asks.lock().unwrap().take();
        probe.expect("a probe").request(3);
        self.publisher.subscribe(subscriber);
    }
}

/// Row 4: what comes after an end was dropped is dropped too.
#[test]
fn an_item_after_the_end_was_dropped_is_not_kept() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let mut end = Box::pin(source.collect::<Vec<_>>());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(end.as_mut().poll(&mut context).is_pending());
    hand.send(mint.item(1));
    assert_eq!(mint.live(), 1);
    drop(end);
    assert_eq!(mint.live(), 0);
    hand.send(mint.item(2));
    assert_eq!(mint.live(), 0);
    assert!(hand.is_cancelled());
}

#[test]
fn demand_from_outside_and_from_answers_adds_up() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let probe = Probe::new().asking(More::of(2)).answering(|_, _| More::ONE).on(source.map(|n| n));
    assert_eq!(hand.asked(), [2]);
    hand.send(mint.item(1));
    assert_eq!(hand.asked(), [1]);
    probe.request(Demand::of(4).get());
    assert_eq!(hand.asked(), [4]);
    assert_eq!(probe.take(), next([1]));
    probe.cancel();
    assert_eq!(mint.live(), 0);
}

/// The requests that reach the source of a `then` whose futures are answered by hand, while its items
/// come and downstream asks.
struct OneByOne {
    mint: Mint,
    hand: Hand,
    probe: Probe,
    answers: Arc<Mutex<Vec<futures::channel::oneshot::Sender<()>>>>,
}

impl OneByOne {
    fn new() -> OneByOne {
        let (hand, source) = Hand::new();
        let answers = Arc::new(Mutex::new(Vec::new()));
        let launched = answers.clone();
        let one_by_one = source.then(Eager::default(), move |item| {
            let (answer, answered) = futures::channel::oneshot::channel();
            launched.lock().unwrap().push(answer);
            async move {
                answered.await.expect("an answer");
                item
            }
        });
        OneByOne { mint: Mint::new(), hand, probe: Probe::new().on(one_by_one), answers }
    }

    fn answer(&self) {
        let answer = self.answers.lock().unwrap().pop().expect("a future in flight");
        answer.send(()).expect("somebody waits");
    }

    fn is_in_flight(&self) -> bool {
        !self.answers.lock().unwrap().is_empty()
    }
}

#[test]
fn then_asks_for_one_when_the_one_before_was_sent_and_another_is_wanted() {
    let one = OneByOne::new();
    assert_eq!(one.hand.asked(), [], "nobody asked");
    one.probe.request(2);
    assert_eq!(one.hand.asked(), [1]);
    one.hand.send(one.mint.item(1));
    assert!(one.is_in_flight());
    assert_eq!(one.hand.asked(), [], "its future runs");
    one.answer();
    assert_eq!((one.probe.take(), one.hand.asked()), (next([1]), vec![1]));
    one.hand.send(one.mint.item(2));
    one.answer();
    assert_eq!((one.probe.take(), one.hand.asked()), (next([2]), vec![]), "none is wanted");
    one.probe.request(u64::MAX);
    for n in 3..=100 {
        assert_eq!(one.hand.asked(), [1], "also where all are wanted");
        one.hand.send(one.mint.item(n));
        one.answer();
        assert_eq!(one.probe.take(), next([n]));
    }
    assert_eq!(one.hand.asked(), [1]);
    one.hand.end(End::Completed);
    assert_eq!(one.probe.take(), [Told::Complete]);
    assert_eq!(one.mint.live(), 0);
}

#[test]
fn the_end_of_a_then_needs_no_demand_and_comes_after_its_result() {
    type Case = (fn() -> End<&'static str>, Told);
    let ends: [Case; 2] =
        [(|| End::Completed, Told::Complete), (|| End::Failed("x"), Told::Error("\"x\"".into()))];
    for (end, told) in ends {
        let one = OneByOne::new();
        one.hand.end(end());
        assert_eq!(one.probe.take(), vec![told.clone()], "before anything is asked for");
        assert_eq!(one.hand.asked(), []);

        let one = OneByOne::new();
        one.probe.request(1);
        one.hand.send(one.mint.item(1));
        one.hand.end(end());
        assert_eq!(one.probe.take(), [], "its future runs");
        one.answer();
        assert_eq!(one.probe.take(), next_then([1], told));
        assert_eq!((one.hand.asked(), one.mint.live()), (vec![1], 0));
    }
}

#[test]
fn a_then_that_is_cancelled_drops_its_future_and_asks_for_nothing() {
    for sent in [0, 1] {
        let one = OneByOne::new();
        one.probe.request(2);
        (0..sent).for_each(|n| one.hand.send(one.mint.item(n)));
        assert_eq!(one.mint.live(), sent as usize);
        one.probe.cancel();
        assert!(one.hand.is_cancelled());
        assert_eq!((one.hand.asked(), one.mint.live()), (vec![1], 0));
    }
}

/// A synchronous upstream is looked at for its end: what is found there waits, and is no future yet.
#[test]
fn then_makes_no_future_of_what_nobody_wants() {
    let (mint, launched) = (Mint::new(), Arc::new(Mutex::new(Vec::new())));
    let seen = launched.clone();
    let items = script(&mint, 0, 3, Ending::Complete);
    let probe = Probe::new().on(items.then(Eager::default(), move |item| {
        seen.lock().unwrap().push(item.0);
        async move { item }
    }));
    for n in 1..=3 {
        assert_eq!(launched.lock().unwrap().len(), n as usize - 1, "nobody wants the next");
        probe.request(1);
        let told = if n == 3 { next_then([n], Told::Complete) } else { next([n]) };
        assert_eq!(probe.take(), told, "the end needs no demand");
    }
    assert_eq!(mint.live(), 0);

    let probe = Probe::new()
        .on(script(&mint, 0, 3, Ending::Complete)
            .then(Eager::default(), |item| async move { item }));
    probe.request(1);
    probe.cancel();
    assert_eq!((probe.take(), mint.live()), (next([1]), 0), "what was found is dropped");
}
