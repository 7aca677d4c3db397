//! Claims about the operators that pass some of the items.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use crate::common::{Control, Ended, Mint, Token, Watch, panic_message, scripted, watch};
use futures::channel::oneshot;
use millstream::executor::CurrentThread;
use millstream::lifecycle::KillSwitch;
use millstream::prelude::*;
use millstream::{
    ActiveSubscriber, Context, Demand, Discards, More, Publisher, Subscriber, Subscription,
};

// ---- skip, skip_while, skip_last, step_by -----------------------------------------------------

#[test]
fn skip_asks_for_what_it_discards_on_subscription_and_passes_demand_whole() {
    let (source, control) = scripted::<u32, Infallible>();
    let seen = watch(source.skip(2));
    assert_eq!(control.asked(), [More::of(2)]);
    seen.request(1);
    assert_eq!(control.asked(), [More::ONE]);
    for n in 1..=3 {
        control.next(n);
    }
    assert_eq!((seen.items(), control.asked()), (vec![3], vec![]));
}

#[test]
fn skip_of_nothing_passes_everything() {
    let (source, control) = scripted::<u32, Infallible>();
    let seen = watch(source.skip(0));
    assert_eq!(control.asked(), []);
    seen.request(1);
    control.next(1);
    assert_eq!(seen.items(), [1]);
}

#[test]
fn skip_of_more_than_there_is_completes_empty() {
    let seen = watch(millstream::range(0..3).skip(5));
    assert_eq!((seen.items(), seen.end()), (vec![], Some(Ended::Complete)));
    let seen = watch(millstream::range(0..3).skip(u64::MAX));
    assert_eq!((seen.items(), seen.end()), (vec![], Some(Ended::Complete)));
}

#[test]
fn skip_while_asks_for_another_until_one_fails_the_test_and_then_tests_no_more() {
    let (source, control) = scripted::<u32, &str>();
    let seen = watch(source.skip_while(|n| *n < 3));
    seen.request(2);
    assert_eq!(control.asked(), [More::of(2)]);
    control.next(1);
    assert_eq!(control.asked(), [More::ONE]);
    control.next(3);
    control.next(1);
    assert_eq!((seen.items(), control.asked()), (vec![3, 1], vec![]));
    control.error("no");
    assert_eq!(seen.end(), Some(Ended::Error("no")));
}

#[test]
fn skip_last_asks_for_what_it_keeps_on_subscription_and_passes_demand_whole() {
    let (source, control) = scripted::<u32, Infallible>();
    let seen = watch(source.skip_last(2));
    assert_eq!(control.asked(), [More::of(2)]);
    seen.request(2);
    assert_eq!(control.asked(), [More::of(2)]);
    for n in 1..=4 {
        control.next(n);
    }
    control.complete();
    assert_eq!((seen.items(), seen.end()), (vec![1, 2], Some(Ended::Complete)));
    assert_eq!(control.asked(), []);
}

#[test]
fn skip_last_drops_what_it_keeps_at_an_end_and_at_a_cancellation() {
    let mint = Mint::default();
    let (source, control) = scripted::<Token, &str>();
    let seen = watch(source.skip_last(2));
    seen.request(1);
    control.next(mint.token(1));
    control.next(mint.token(2));
    assert_eq!(mint.alive(), 2);
    control.error("no");
    assert_eq!((seen.end(), mint.alive()), (Some(Ended::Error("no")), 0));

    let (source, control) = scripted::<Token, &str>();
    let seen = watch(source.skip_last(2));
    control.next(mint.token(1));
    seen.cancel();
    assert_eq!((seen.end(), mint.alive()), (Some(Ended::Dropped), 0));
}

#[test]
fn step_by_begins_with_the_first_and_replaces_what_it_drops() {
    let (source, control) = scripted::<u32, Infallible>();
    let seen = watch(source.step_by(3));
    seen.request(2);
    assert_eq!(control.asked(), [More::of(2)]);
    for n in 1..=4 {
        control.next(n);
    }
    assert_eq!((seen.items(), control.asked()), (vec![1, 4], vec![More::ONE, More::ONE]));
}

#[test]
#[should_panic(expected = "a step is at least 1 item")]
fn step_by_refuses_zero() {
    let _ = millstream::range(0..1).step_by(0);
}

// ---- dedup, unique ----------------------------------------------------------------------------

#[test]
fn dedup_drops_neighbours_only_and_replaces_them() {
    let (source, control) = scripted::<u32, Infallible>();
    let seen = watch(source.dedup());
    seen.request(3);
    assert_eq!(control.asked(), [More::of(3)]);
    for n in [1, 1, 2, 1] {
        control.next(n);
    }
    assert_eq!((seen.items(), control.asked()), (vec![1, 2, 1], vec![More::ONE]));
}

#[test]
fn dedup_by_key_compares_with_the_last_that_came() {
    let seen = watch(millstream::from_iter([11, 12, 13, 21, 14]).dedup_by_key(|n| n / 10));
    seen.request_all();
    assert_eq!((seen.items(), seen.end()), (vec![11, 21, 14], Some(Ended::Complete)));
}

#[test]
fn unique_drops_every_repetition_and_replaces_it() {
    let (source, control) = scripted::<u32, Infallible>();
    let seen = watch(source.unique());
    seen.request(3);
    assert_eq!(control.asked(), [More::of(3)]);
    for n in [1, 2, 1, 3] {
        control.next(n);
    }
    assert_eq!((seen.items(), control.asked()), (vec![1, 2, 3], vec![More::ONE]));
}

#[test]
fn unique_by_compares_keys() {
    let seen = watch(millstream::from_iter([11, 21, 12, 31]).unique_by(|n| n / 10));
    seen.request_all();
    assert_eq!(seen.items(), [11, 21, 31]);
}

#[test]
fn unique_within_forgets_what_did_not_come_for_longest() {
    let seen = watch(millstream::from_iter([1, 2, 1, 3, 1, 2]).unique_within(2));
    seen.request_all();
    // When 3 comes, 2 is forgotten and not 1, which came again.
    assert_eq!(seen.items(), [1, 2, 3, 2]);
}

#[test]
fn unique_within_never_remembers_more_than_its_capacity() {
    let mint = Arc::new(());
    #[derive(Clone, PartialEq, Eq, Hash)]
    struct Key(u32, Arc<()>);
    let key = mint.clone();
    let stream =
        millstream::range(0..100).map(move |n| Key(n, key.clone())).unique_within(3).map(drop);
    let seen = watch(stream);
    seen.request(50);
    // Two clones of each of three keys, the one for the closure, and ours.
    assert_eq!(Arc::strong_count(&mint), 2 * 3 + 2);
    seen.cancel();
    assert_eq!(Arc::strong_count(&mint), 1);
}

#[test]
#[should_panic(expected = "at least 1 item is remembered")]
fn unique_within_refuses_zero() {
    let _ = millstream::range(0..1).unique_within(0);
}

// ---- ignore_items, default_if_empty -----------------------------------------------------------

#[test]
fn ignore_items_asks_for_everything_once_and_completes_without_demand() {
    let (source, control) = scripted::<u32, Infallible>();
    let seen = watch(source.ignore_items());
    assert_eq!(control.asked(), [More::UNBOUNDED]);
    seen.request(3);
    control.next(1);
    assert_eq!(control.asked(), []);
    control.complete();
    assert_eq!((seen.items(), seen.end()), (vec![], Some(Ended::Complete)));
}

#[test]
fn the_default_is_held_until_there_is_demand() {
    let seen = watch(millstream::empty().default_if_empty(9));
    assert_eq!((seen.items(), seen.end()), (vec![], None));
    seen.request(1);
    assert_eq!((seen.items(), seen.end()), (vec![9], Some(Ended::Complete)));
}

#[test]
fn the_default_is_dropped_with_the_first_item_an_error_or_a_cancellation() {
    let mint = Mint::default();
    let (source, control) = scripted::<Token, &str>();
    let seen = watch(source.default_if_empty(mint.token(9)));
    seen.request(2);
    assert_eq!(control.asked(), [More::of(2)]);
    control.next(mint.token(1));
    assert_eq!(mint.alive(), 1);
    control.complete();
    assert_eq!((seen.items(), seen.end()), (vec![mint.token(1)], Some(Ended::Complete)));
    let failed = millstream::fail(()).default_if_empty(mint.token(9));
    assert_eq!(watch(failed).end(), Some(Ended::Error(())));
    watch(millstream::empty().default_if_empty(mint.token(9))).cancel();
    assert_eq!(mint.alive(), 0);
}

// ---- all --------------------------------------------------------------------------------------

#[test]
fn a_panic_in_any_closure_is_a_fault_at_the_end() {
    fn check<P: Publisher<Error: std::fmt::Debug>>(broken: P) {
        assert_eq!(panic_message(broken.collect::<Vec<_>>().block()), "here");
    }
    #[derive(Clone)]
    struct Odd;
    impl PartialEq for Odd {
        fn eq(&self, _: &Odd) -> bool {
            panic!("here")
        }
    }
    let source = || millstream::range(0..3);
    check(source().skip_while(|_| panic!("here")));
    check(source().dedup_by_key(|_| -> u32 { panic!("here") }));
    check(source().unique_by(|_| -> u32 { panic!("here") }));
    check(source().map(|_| Odd).dedup());
}

/// A subscriber that takes all and counts what was discarded above it.
struct Counting(Arc<Mutex<Vec<u32>>>);

impl<E: Send + 'static> Subscriber<u32, E> for Counting {
    type Active = Self;
    fn on_subscribe(self, subscription: Subscription) -> Self {
        subscription.request(Demand::UNBOUNDED);
        subscription.detach();
        self
    }
    fn context(&self) -> Context {
        let counted = self.0.clone();
        Context::default().with_discards(Discards::new(
            move |n: u32| counted.lock().unwrap().push(n),
            Discards::default(),
        ))
    }
}

impl<E: Send + 'static> ActiveSubscriber<u32, E> for Counting {
    fn on_next(&mut self, _: u32) -> More {
        More::NONE
    }
    fn on_complete(self) {}
    fn on_error(self, _: E) {}
}

fn discarded<P: Publisher<Item = u32>>(publisher: P) -> Vec<u32> {
    let counted = Arc::new(Mutex::new(Vec::new()));
    publisher.subscribe(Counting(counted.clone()));
    std::mem::take(&mut counted.lock().unwrap())
}

#[test]
fn every_item_that_is_not_delivered_is_discarded_once() {
    let source = || millstream::range(0..6u32);
    assert_eq!(discarded(source().skip(2)), [0, 1]);
    assert_eq!(discarded(source().skip_while(|n| *n < 2)), [0, 1]);
    assert_eq!(discarded(source().skip_last(2)), [4, 5]);
    assert_eq!(discarded(source().step_by(3)), [1, 2, 4, 5]);
    assert_eq!(discarded(source().map(|n| n / 4).dedup()), [0, 0, 0, 1]);
    assert_eq!(discarded(source().unique_by(|n| n % 2)), [2, 3, 4, 5]);
    assert_eq!(discarded(source().unique_within(9)), []);
    assert_eq!(discarded(source().ignore_items()), [0, 1, 2, 3, 4, 5]);
    assert_eq!(discarded(source().take_while(|n| *n < 2)), [2]);
    assert_eq!(discarded(source().take_last(2)), [0, 1, 2, 3]);
    assert_eq!(discarded(source().limit(2)), [2]);
    assert_eq!(discarded(source().limit_weighted(3, |n| u64::from(*n))), [3]);
    assert_eq!(discarded(millstream::just(1u32).pairwise().map(|(a, b)| a + b)), [1]);
    let sum = |items: Vec<u32>| items.into_iter().sum::<u32>();
    assert_eq!(discarded(source().sliding(1, 3).map(sum)), [1, 2, 4, 5]);
}

#[test]
fn items_that_wait_past_the_end_of_upstream_are_discarded_once_at_a_cancellation() {
    struct Holding(Arc<Mutex<Vec<u32>>>, Arc<Mutex<Option<Subscription>>>);
    impl Subscriber<u32, Infallible> for Holding {
        type Active = Self;
        fn on_subscribe(self, subscription: Subscription) -> Self {
            subscription.request(Demand::ONE);
            *self.1.lock().unwrap() = Some(subscription);
            self
        }
        fn context(&self) -> Context {
            let counted = self.0.clone();
            Context::default().with_discards(Discards::new(
                move |n: u32| counted.lock().unwrap().push(n),
                Discards::default(),
            ))
        }
    }
    impl ActiveSubscriber<u32, Infallible> for Holding {
        fn on_next(&mut self, _: u32) -> More {
            More::NONE
        }
        fn on_complete(self) {}
        fn on_error(self, _: Infallible) {}
    }
    let counted = Arc::new(Mutex::new(Vec::new()));
    let subscription = Arc::new(Mutex::new(None));
    let holding = Holding(counted.clone(), subscription.clone());
    millstream::range(0..6u32).take_last(4).subscribe(holding);
    let subscription = subscription.lock().unwrap().take();
    drop(subscription);
    assert_eq!(*counted.lock().unwrap(), [0, 1, 3, 4, 5]);
}

// ---- filter_async -----------------------------------------------------------------------------

/// Tests of numbers, which are answered by hand.
#[derive(Clone, Default)]
struct Tests(Arc<Mutex<HashMap<u32, oneshot::Sender<bool>>>>);

impl Tests {
    fn of(&self, n: u32) -> impl Future<Output = bool> + Send + use<> {
        let (sender, answer) = oneshot::channel();
        self.0.lock().unwrap().insert(n, sender);
        async move { answer.await.expect("an answer") }
    }

    fn answer(&self, n: u32, passes: bool) {
        let sender = self.0.lock().unwrap().remove(&n).expect("it is tested");
        sender.send(passes).expect("its future is there");
    }

    /// How many were begun and not answered.
    fn open(&self) -> usize {
        self.0.lock().unwrap().values().filter(|sender| !sender.is_canceled()).count()
    }
}

struct FilterAsync {
    executor: CurrentThread,
    tests: Tests,
    control: Control<u32, &'static str>,
    seen: Watch<u32, &'static str>,
    discarded: Arc<Mutex<Vec<u32>>>,
}

impl FilterAsync {
    /// With that limit, when its task has run.
    fn new(limit: usize) -> FilterAsync {
        let (executor, tests, discarded) =
            (CurrentThread::new(), Tests::default(), Arc::<Mutex<Vec<u32>>>::default());
        let (source, control) = scripted();
        let (begins, hears) = (tests.clone(), discarded.clone());
        let seen = watch(
            source
                .filter_async(executor.handle(), limit, move |n| begins.of(*n))
                .on_discard(move |n: u32| hears.lock().unwrap().push(n)),
        );
        executor.run_until_idle();
        FilterAsync { executor, tests, control, seen, discarded }
    }

    fn next(&self, items: impl IntoIterator<Item = u32>) {
        for n in items {
            assert!(self.control.next(n), "it was asked for");
        }
        self.executor.run_until_idle();
    }

    fn answer(&self, n: u32, passes: bool) {
        self.tests.answer(n, passes);
        self.executor.run_until_idle();
    }

    fn request(&self, n: u64) {
        self.seen.request(n);
        self.executor.run_until_idle();
    }

    fn discarded(&self) -> Vec<u32> {
        std::mem::take(&mut self.discarded.lock().unwrap())
    }
}

#[test]
fn filter_async_tests_as_many_at_a_time_as_its_limit_and_keeps_the_order() {
    let it = FilterAsync::new(3);
    assert_eq!(it.control.asked(), [More::of(3)]);
    it.request(9);
    it.next(1..=3);
    assert_eq!(it.tests.open(), 3);
    it.answer(3, true);
    it.answer(2, false);
    assert_eq!((it.seen.items(), it.discarded()), (vec![], vec![2]), "discarded at once");
    assert_eq!(it.control.asked(), [], "its place is behind the first");
    it.answer(1, true);
    assert_eq!(it.seen.items(), [1, 3]);
    assert_eq!(it.control.asked_in_all(), 3);
    it.control.complete();
    it.executor.run_until_idle();
    assert_eq!((it.seen.end(), it.discarded()), (Some(Ended::Complete), vec![]));
}

#[test]
fn filter_async_asks_for_another_in_place_of_one_that_did_not_pass_and_holds_no_more_without_demand()
 {
    let it = FilterAsync::new(2);
    assert_eq!(it.control.asked(), [More::of(2)]);
    it.next(1..=2);
    it.answer(1, false);
    assert_eq!(it.control.asked(), [More::ONE], "nobody has asked for anything");
    it.next([3]);
    it.answer(2, true);
    it.answer(3, true);
    assert_eq!((it.control.asked(), it.seen.items()), (vec![], vec![]), "two that passed wait");
    it.request(1);
    assert_eq!((it.control.asked(), it.seen.items()), (vec![More::ONE], vec![2]));
}

#[test]
fn filter_async_completes_without_demand_where_nothing_more_passes() {
    let it = FilterAsync::new(2);
    it.next(1..=2);
    it.control.complete();
    it.answer(2, false);
    assert_eq!(it.seen.end(), None, "the first may pass");
    it.answer(1, false);
    assert_eq!((it.seen.end(), it.discarded()), (Some(Ended::Complete), vec![2, 1]));
}

#[test]
fn filter_async_fails_after_what_passed_before() {
    let it = FilterAsync::new(2);
    it.next(1..=2);
    it.control.error("broken");
    it.answer(2, true);
    it.answer(1, false);
    assert_eq!(it.seen.end(), None, "an item waits for demand");
    it.request(1);
    assert_eq!((it.seen.items(), it.seen.end()), (vec![2], Some(Ended::Error("broken"))));
}

#[test]
fn filter_async_discards_what_is_tested_and_what_waits_when_it_is_cancelled() {
    let it = FilterAsync::new(3);
    it.next(1..=3);
    it.answer(2, true);
    it.answer(3, false);
    assert_eq!(it.discarded(), [3]);
    it.seen.cancel();
    it.executor.run_until_idle();
    let mut discarded = it.discarded();
    discarded.sort_unstable();
    assert_eq!((discarded, it.tests.open()), (vec![1, 2], 0));
    assert!(it.control.is_cancelled());
}

#[test]
fn filter_async_of_items_without_end_that_never_pass_can_be_stopped() {
    let executor = CurrentThread::new();
    let switch = KillSwitch::<Infallible>::new();
    let stops = switch.clone();
    let none = millstream::from_iter(0..).filter_async(executor.handle(), 2, move |n: &u64| {
        if *n == 10_000 {
            assert!(stops.shutdown());
        }
        async { false }
    });
    let items = executor.run_until(none.stopped_by(&switch).collect::<Vec<_>>());
    assert_eq!(items.expect("no failure"), []);
}
