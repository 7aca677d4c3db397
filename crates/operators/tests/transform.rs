//! Claims about the operators that turn one item into another.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use crate::common::{Ended, Mint, Token, panic_message, scripted, watch, watch_until};
use futures::channel::oneshot;
use millstream::executor::CurrentThread;
use millstream::prelude::*;
use millstream::transform::Signal;
use millstream::{Failure, FromIter, More, Pull, Pulled, SharedPublisher};

// ---- try_map, filter_map, scan ----------------------------------------------------------------

#[test]
fn try_map_cancels_upstream_and_fails_at_the_first_error() {
    let (source, control) = scripted::<u32, &str>();
    let seen = watch(source.try_map(|n| if n < 2 { Ok(n * 10) } else { Err("two") }));
    seen.request(3);
    assert_eq!(control.asked(), [More::of(3)]);
    control.next(1);
    assert_eq!((seen.items(), seen.end()), (vec![10], None));
    control.next(2);
    assert_eq!((seen.items(), seen.end()), (vec![], Some(Ended::Error("two"))));
    assert!(control.is_cancelled());
}

#[test]
fn try_map_passes_an_error_of_the_same_type() {
    let (source, control) = scripted::<u32, &str>();
    let seen = watch(source.try_map(Ok::<u32, &str>));
    control.error("upstream");
    assert_eq!(seen.end(), Some(Ended::Error("upstream")));
}

#[test]
fn filter_map_asks_for_another_item_in_place_of_a_dropped_one() {
    let (source, control) = scripted::<u32, Infallible>();
    let seen = watch(source.filter_map(|n| (n % 2 == 0).then_some(n * 10)));
    seen.request(2);
    assert_eq!(control.asked(), [More::of(2)]);
    control.next(1);
    assert_eq!(control.asked(), [More::ONE]);
    control.next(2);
    assert_eq!((control.asked(), seen.items()), (vec![], vec![20]));
}

#[test]
fn scan_ends_where_its_function_gives_nothing() {
    let (source, control) = scripted::<u32, Infallible>();
    let seen = watch(source.scan(0, |sum, n| {
        *sum += n;
        (*sum < 5).then_some(*sum)
    }));
    seen.request_all();
    for n in 1..=3 {
        control.next(n);
    }
    assert_eq!((seen.items(), seen.end()), (vec![1, 3], Some(Ended::Complete)));
    assert!(control.is_cancelled());
}

#[test]
fn scan_drops_its_state_with_the_stream() {
    let mint = Mint::default();
    let seen = watch(millstream::range(0..9).scan(mint.token(0), |_, n| Some(n)));
    seen.request(1);
    assert_eq!(mint.alive(), 1);
    seen.cancel();
    assert_eq!(mint.alive(), 0);
}

// ---- scan_async -------------------------------------------------------------------------------

/// A future for each item, which takes the state and is made ready by hand.
#[derive(Clone, Default)]
struct Sums(Arc<Mutex<Option<oneshot::Sender<bool>>>>);

impl Sums {
    fn add(
        &self,
        mut sum: Token,
        n: u32,
    ) -> impl Future<Output = Option<(u32, Token)>> + Send + use<> {
        let (sender, goes_on) = oneshot::channel();
        let earlier = self.0.lock().unwrap().replace(sender);
        assert!(earlier.is_none(), "one at a time");
        async move {
            sum.0 += n;
            goes_on.await.expect("an answer").then_some((sum.0, sum))
        }
    }

    fn ready(&self, goes_on: bool) {
        let sender = self.0.lock().unwrap().take().expect("a future is in flight");
        sender.send(goes_on).expect("it is there");
    }
}

#[test]
fn scan_async_runs_a_future_at_a_time_with_the_state_that_the_one_before_gave_back() {
    let (executor, sums, mint) = (CurrentThread::new(), Sums::default(), Mint::default());
    let (source, control) = scripted::<u32, Infallible>();
    let adds = sums.clone();
    let seen =
        watch(source.scan_async(executor.handle(), mint.token(0), move |sum, n| adds.add(sum, n)));
    executor.run_until_idle();
    assert_eq!(control.asked(), [More::ONE]);
    control.next(1);
    executor.run_until_idle();
    sums.ready(true);
    executor.run_until_idle();
    assert_eq!((control.asked(), seen.items()), (vec![], vec![]), "a result waits for demand");
    seen.request(9);
    executor.run_until_idle();
    assert_eq!((control.asked(), seen.items()), (vec![More::ONE], vec![1]));
    for (n, sum) in [(2, 3), (3, 6)] {
        control.next(n);
        executor.run_until_idle();
        sums.ready(true);
        executor.run_until_idle();
        assert_eq!((control.asked(), seen.items()), (vec![More::ONE], vec![sum]));
    }
    control.complete();
    executor.run_until_idle();
    assert_eq!((seen.end(), mint.alive()), (Some(Ended::Complete), 0));
}

#[test]
fn scan_async_completes_without_demand_where_a_future_gives_nothing() {
    let (executor, sums, mint) = (CurrentThread::new(), Sums::default(), Mint::default());
    let (source, control) = scripted::<u32, Infallible>();
    let adds = sums.clone();
    let seen =
        watch(source.scan_async(executor.handle(), mint.token(0), move |sum, n| adds.add(sum, n)));
    executor.run_until_idle();
    control.next(1);
    executor.run_until_idle();
    assert_eq!(seen.end(), None);
    sums.ready(false);
    executor.run_until_idle();
    assert_eq!((seen.items(), seen.end()), (vec![], Some(Ended::Complete)));
    assert_eq!((control.is_cancelled(), mint.alive()), (true, 0));
}

#[test]
fn scan_async_cancels_upstream_before_it_completes_by_itself() {
    let executor = CurrentThread::new();
    let (source, control) = scripted::<u32, Infallible>();
    let (looks, cancelled) = channel();
    let control = Arc::new(control);
    let asks = control.clone();
    let none = source.scan_async(executor.handle(), (), |(), _| async { None::<(u32, ())> });
    let seen = watch(none.inspect_complete(move || looks.send(asks.is_cancelled()).unwrap()));
    executor.run_until_idle();
    control.next(1);
    executor.run_until_idle();
    assert_eq!((seen.end(), cancelled.try_recv()), (Some(Ended::Complete), Ok(true)));
}

#[test]
fn scan_async_fails_after_what_the_item_before_gave() {
    let (executor, sums, mint) = (CurrentThread::new(), Sums::default(), Mint::default());
    let (source, control) = scripted::<u32, &str>();
    let adds = sums.clone();
    let seen =
        watch(source.scan_async(executor.handle(), mint.token(0), move |sum, n| adds.add(sum, n)));
    executor.run_until_idle();
    control.next(1);
    control.error("broken");
    executor.run_until_idle();
    sums.ready(true);
    executor.run_until_idle();
    assert_eq!(seen.end(), None, "a result waits for demand");
    seen.request(1);
    executor.run_until_idle();
    assert_eq!((seen.items(), seen.end()), (vec![1], Some(Ended::Error("broken"))));
    assert_eq!(mint.alive(), 0);
}

#[test]
fn scan_async_drops_its_state_with_the_stream_whether_or_not_a_future_has_it() {
    for flies in [false, true] {
        let (executor, sums, mint) = (CurrentThread::new(), Sums::default(), Mint::default());
        let (source, control) = scripted::<u32, Infallible>();
        let seen = watch(
            source.scan_async(executor.handle(), mint.token(0), move |sum, n| sums.add(sum, n)),
        );
        executor.run_until_idle();
        if flies {
            control.next(1);
            executor.run_until_idle();
        }
        assert_eq!((seen.items(), mint.alive()), (vec![], 1));
        seen.cancel();
        executor.run_until_idle();
        assert_eq!((mint.alive(), control.is_cancelled()), (0, true), "{flies}");
    }
}

// ---- running_fold -----------------------------------------------------------------------------

#[test]
fn running_fold_sends_its_seed_for_the_first_unit_and_asks_for_the_rest() {
    let (source, control) = scripted::<u32, Infallible>();
    let seen = watch(source.running_fold(0, |sum, n| sum + n));
    assert_eq!((control.asked(), seen.items()), (vec![], vec![]));
    seen.request(1);
    assert_eq!((control.asked(), seen.items()), (vec![], vec![0]));
    seen.request(2);
    assert_eq!(control.asked(), [More::of(2)]);
    control.next(5);
    control.next(6);
    assert_eq!(seen.items(), [5, 11]);
}

#[test]
fn running_fold_takes_one_off_a_larger_first_request_and_nothing_off_an_unbounded_one() {
    let (source, control) = scripted::<u32, Infallible>();
    let seen = watch(source.running_fold(0, |sum, n| sum + n));
    seen.request(3);
    assert_eq!((control.asked(), seen.items()), (vec![More::of(2)], vec![0]));
    let (source, control) = scripted::<u32, Infallible>();
    watch(source.running_fold(0, |sum, n| sum + n)).request_all();
    assert_eq!(control.asked(), [More::UNBOUNDED]);
}

#[test]
fn running_fold_holds_its_seed_past_the_end_of_an_empty_upstream() {
    let seen = watch(millstream::empty::<u32>().running_fold(7, |sum, n| sum + n));
    assert_eq!((seen.items(), seen.end()), (vec![], None));
    seen.request(1);
    assert_eq!((seen.items(), seen.end()), (vec![7], Some(Ended::Complete)));
}

#[test]
fn running_fold_fails_at_once_and_drops_its_seed() {
    let mint = Mint::default();
    let failed = millstream::fail::<u32, _>("no").running_fold(mint.token(0), |state, _| state);
    assert_eq!(watch(failed).end(), Some(Ended::Error("no")));
    assert_eq!(mint.alive(), 0);
}

// ---- enumerate, map_into, pairwise ------------------------------------------------------------

#[test]
fn enumerate_counts_from_zero() {
    let seen = watch(millstream::from_iter(["a", "b"]).enumerate());
    seen.request(2);
    assert_eq!((seen.items(), seen.end()), (vec![(0, "a"), (1, "b")], Some(Ended::Complete)));
}

#[test]
fn map_into_passes_demand_and_errors() {
    let (source, control) = scripted::<u8, &str>();
    let seen = watch(source.map_into::<u64>());
    seen.request(4);
    assert_eq!(control.asked(), [More::of(4)]);
    control.next(3);
    control.error("no");
    assert_eq!((seen.items(), seen.end()), (vec![3u64], Some(Ended::Error("no"))));
}

#[test]
fn pairwise_asks_for_one_more_with_the_first_request_only() {
    let (source, control) = scripted::<u32, Infallible>();
    let seen = watch(source.pairwise());
    assert_eq!(control.asked(), []);
    seen.request(2);
    assert_eq!(control.asked(), [More::of(3)]);
    for n in 1..=3 {
        control.next(n);
    }
    assert_eq!((seen.items(), control.asked()), (vec![(1, 2), (2, 3)], vec![]));
    seen.request(2);
    assert_eq!(control.asked(), [More::of(2)]);
}

#[test]
fn pairwise_of_one_item_is_empty_and_keeps_nothing() {
    let mint = Mint::default();
    let seen = watch(millstream::just(mint.token(1)).pairwise());
    seen.request(1);
    assert_eq!((seen.items(), seen.end()), (vec![], Some(Ended::Complete)));
    assert_eq!(mint.alive(), 0);
}

// ---- stateful_map, map_with_resource ----------------------------------------------------------

#[test]
fn stateful_map_holds_its_last_item_until_there_is_demand() {
    let stream = millstream::from_iter([1, 2]).stateful_map(
        || 0,
        |sum, n| {
            *sum += n;
            n
        },
        |sum| Some(sum * 100),
    );
    let seen = watch(stream);
    seen.request(2);
    assert_eq!((seen.items(), seen.end()), (vec![1, 2], None));
    seen.request(1);
    assert_eq!((seen.items(), seen.end()), (vec![300], Some(Ended::Complete)));
}

#[test]
fn stateful_map_without_a_last_item_completes_with_upstream() {
    let seen = watch(millstream::just(1).stateful_map(|| 0, |_, n| n, |_| None));
    seen.request(1);
    assert_eq!((seen.items(), seen.end()), (vec![1], Some(Ended::Complete)));
}

#[test]
fn stateful_map_creates_its_state_once_even_for_an_empty_upstream() {
    let created = Arc::new(AtomicUsize::new(0));
    let count = created.clone();
    let create = move || count.fetch_add(1, Ordering::Relaxed);
    let stream = millstream::empty::<usize>().stateful_map(create, |_, n| n, |_| None);
    assert_eq!(watch(stream.clone()).end(), Some(Ended::Complete));
    assert_eq!(watch(stream).end(), Some(Ended::Complete));
    assert_eq!(created.load(Ordering::Relaxed), 2);
}

#[test]
fn stateful_map_drops_its_state_without_on_complete_when_it_fails() {
    let mint = Mint::default();
    let state = mint.token(0);
    let (source, control) = scripted::<u32, &str>();
    let seen =
        watch(source.stateful_map(|| state, |_, n| n, |_| -> Option<u32> { unreachable!() }));
    seen.request(2);
    control.next(1);
    control.error("no");
    assert_eq!((seen.end(), mint.alive()), (Some(Ended::Error("no")), 0));
}

type Closed = Arc<Mutex<Vec<u32>>>;

fn with_resource<P: Publisher<Item = u32>>(
    upstream: P,
    closed: &Closed,
) -> impl Publisher<Item = u32, Error = P::Error> {
    let closed = closed.clone();
    upstream.map_with_resource(
        || 0,
        |sum, n| {
            assert!(n < 100, "too large");
            *sum += n;
            n
        },
        move |sum| {
            closed.lock().unwrap().push(sum);
            Some(sum * 10)
        },
    )
}

#[test]
fn map_with_resource_closes_once_at_completion_and_sends_what_that_gives() {
    let closed = Closed::default();
    let seen = watch(with_resource(millstream::from_iter([1, 2]), &closed));
    seen.request(2);
    assert_eq!((seen.items(), seen.end()), (vec![1, 2], None));
    assert_eq!(*closed.lock().unwrap(), [3]);
    seen.request(1);
    assert_eq!((seen.items(), seen.end()), (vec![30], Some(Ended::Complete)));
    assert_eq!(*closed.lock().unwrap(), [3]);
}

#[test]
fn map_with_resource_closes_once_at_an_error_a_cancellation_and_a_panic() {
    let closed = Closed::default();
    let (source, control) = scripted::<u32, &str>();
    let seen = watch(with_resource(source, &closed));
    seen.request(5);
    control.next(1);
    control.error("no");
    assert_eq!((seen.items(), seen.end()), (vec![1], Some(Ended::Error("no"))));
    assert_eq!(*closed.lock().unwrap(), [1]);

    let seen = watch(with_resource(millstream::from_iter([2, 3]), &closed));
    seen.request(1);
    seen.cancel();
    assert_eq!(*closed.lock().unwrap(), [1, 2]);

    let seen = watch_until(with_resource(millstream::from_iter([3, 3]), &closed), Some(1));
    seen.request(2);
    assert_eq!(*closed.lock().unwrap(), [1, 2, 3]);

    let broken = with_resource(millstream::from_iter([4, 100]), &closed);
    assert_eq!(panic_message(broken.collect::<Vec<_>>().block()), "too large");
    assert_eq!(*closed.lock().unwrap(), [1, 2, 3, 4]);
}

#[test]
fn a_panic_while_opening_or_closing_a_resource_is_a_fault() {
    let broken = millstream::just(1).map_with_resource(|| panic!("open"), |(), n| n, |()| None);
    assert_eq!(panic_message(broken.collect::<Vec<_>>().block()), "open");
    let broken = millstream::just(1).map_with_resource(|| (), |(), n| n, |()| panic!("close"));
    assert_eq!(panic_message(broken.collect::<Vec<_>>().block()), "close");
}

// ---- materialize, dematerialize ---------------------------------------------------------------

#[test]
fn materialize_holds_the_end_until_there_is_demand_for_it() {
    let seen = watch(millstream::range(0..2).materialize());
    seen.request(2);
    assert_eq!((seen.items(), seen.end()), (vec![Signal::Item(0), Signal::Item(1)], None));
    seen.request(1);
    assert_eq!((seen.items(), seen.end()), (vec![Signal::Complete], Some(Ended::Complete)));
}

#[test]
fn materialize_turns_an_error_into_an_item() {
    let seen = watch(millstream::fail::<u32, _>("no").materialize());
    assert_eq!(seen.end(), None);
    seen.request(1);
    assert_eq!((seen.items(), seen.end()), (vec![Signal::Error("no")], Some(Ended::Complete)));
}

#[test]
fn materialize_leaves_a_fault_a_fault() {
    let broken = millstream::just(1).map(|_| -> u32 { panic!("above") }).materialize();
    assert_eq!(panic_message(broken.collect::<Vec<_>>().block()), "above");
}

#[test]
fn dematerialize_stops_and_cancels_at_an_item_that_is_an_end() {
    for (signal, end) in
        [(Signal::Complete, Ended::Complete), (Signal::Error("no"), Ended::Error("no"))]
    {
        let (source, control) = scripted::<Signal<u32, &str>, Infallible>();
        let seen = watch(source.dematerialize());
        seen.request(2);
        assert_eq!(control.asked(), [More::of(2)]);
        control.next(Signal::Item(1));
        control.next(signal);
        assert_eq!((seen.items(), seen.end()), (vec![1], Some(end)));
        assert!(control.is_cancelled());
    }
}

// ---- all --------------------------------------------------------------------------------------

#[test]
fn a_panic_in_any_closure_is_a_fault_at_the_end() {
    fn check<P: Publisher<Error: std::fmt::Debug>>(broken: P) {
        assert_eq!(panic_message(broken.collect::<Vec<_>>().block()), "here");
    }
    let source = || millstream::range(0..3);
    check(source().try_map(|_| -> Result<u32, &str> { panic!("here") }));
    check(source().filter_map(|_| -> Option<u32> { panic!("here") }));
    check(source().scan(0, |_, _| -> Option<u32> { panic!("here") }));
    check(source().running_fold(0, |_, _| panic!("here")));
    check(source().stateful_map(|| -> u32 { panic!("here") }, |_, n| n, |_| None));
    check(source().stateful_map(|| 0, |_, _| -> u32 { panic!("here") }, |_| None));
    check(source().stateful_map(|| 0, |_, n| n, |_| panic!("here")));
}

/// What a publisher gives when it is pulled.
fn pulled<P: Publisher<Error: std::fmt::Debug>>(publisher: P) -> Vec<P::Item> {
    let Ok(mut pull) = publisher.into_pull(Default::default()) else {
        panic!("it says that it pulls")
    };
    let mut items = Vec::new();
    loop {
        match pull.pull() {
            Pulled::Item(item) => items.push(item),
            Pulled::Skipped => {}
            Pulled::Complete => return items,
            other => panic!("neither an item nor the end: {other:?}", other = kind(&other)),
        }
    }
}

fn kind<T, E>(pulled: &Pulled<T, E>) -> &'static str {
    match pulled {
        Pulled::Pending => "pending",
        Pulled::Error(_) => "an error",
        _ => "something else",
    }
}

#[test]
fn what_is_pulled_is_what_is_pushed() {
    fn agree<P>(publisher: P)
    where
        P: Publisher<Item: PartialEq + std::fmt::Debug, Error: std::fmt::Debug> + Clone + Sync,
    {
        const { assert!(P::PULLS) }
        all_agree(publisher.boxed_clone());
    }
    /// Of a box the inside is pulled, or subscribed to: all else is compiled once for each item.
    fn all_agree<T, E>(publisher: SharedPublisher<T, E>)
    where
        T: PartialEq + std::fmt::Debug + Send + 'static,
        E: std::fmt::Debug + Send + 'static,
    {
        let pushed: Vec<_> = publisher.clone().collect().block().unwrap();
        assert_eq!(pulled(publisher.clone()), pushed);
        for stride in 1..=3 {
            let seen = watch(publisher.clone());
            let mut by_strides = Vec::new();
            for asked in (0..=pushed.len() as u64).map(|n| n * stride) {
                by_strides.extend(seen.items());
                assert!(by_strides.len() as u64 <= asked, "rule 1.1: more than was asked for");
                seen.request(stride);
            }
            by_strides.extend(seen.items());
            assert_eq!(by_strides, pushed);
            assert_eq!(seen.end().map(|end| matches!(end, Ended::Complete)), Some(true));
        }
    }
    for n in [0, 1, 2, 7] {
        let numbers = || millstream::range(0..n).map(|n| n / 2);
        agree(numbers().try_map(Ok::<_, &str>));
        agree(numbers().filter_map(|n| (n > 0).then_some(n)));
        agree(numbers().scan(0, |sum, n| (n < 3).then(|| (*sum).max(n))));
        agree(numbers().running_fold(1, |sum, n| sum + n));
        agree(numbers().enumerate());
        agree(numbers().stateful_map(|| 0, |_, n| n, Some));
        agree(numbers().map_with_resource(|| 5, |_, n| n, Some));
        agree(numbers().materialize());
        agree(numbers().pairwise());
        agree(numbers().map_into::<i64>());
        agree(numbers().skip(2));
        agree(numbers().skip_while(|n| *n < 1));
        agree(numbers().skip_last(2));
        agree(numbers().step_by(2));
        agree(numbers().dedup());
        agree(numbers().dedup_by_key(|n| n % 2));
        agree(numbers().unique());
        agree(numbers().unique_by(|n| n % 2));
        agree(numbers().unique_within(1));
        agree(numbers().ignore_items());
        agree(numbers().default_if_empty(9));
        agree(numbers().take_while(|n| *n < 2));
        agree(numbers().take_through(|n| *n == 1));
        agree(numbers().take_last(3));
        agree(numbers().limit(7));
        agree(numbers().limit_weighted(100, |n| *n as u64));
        agree(numbers().map_while(|n| (n < 2).then_some(n)));
        agree(numbers().take(2).running_fold(1, |sum, n| sum + n).take(2));
        agree(numbers().chunks(3));
        agree(numbers().sliding(3, 1));
        agree(numbers().sliding(1, 3));
        agree(numbers().sliding(3, 2).take_last(2).chunks(2));
    }
}

#[test]
fn an_error_that_is_pulled_is_the_error_that_is_pushed() {
    let failing =
        || millstream::range(0..3).try_map(|n| if n == 2 { Err("no") } else { Ok(n) }).take_last(1);
    let pushed = failing().collect::<Vec<_>>().block().unwrap_err();
    assert!(matches!(pushed, Failure::Error("no")));
    let Ok(mut pull) = failing().into_pull(Default::default()) else {
        panic!("it says that it pulls")
    };
    let pulled = loop {
        match pull.pull() {
            Pulled::Skipped => {}
            other => break other,
        }
    };
    assert_eq!(pulled, Pulled::Error("no"));
}

#[test]
fn a_cancellation_at_any_point_drops_every_item() {
    fn check<P: Publisher>(stage: impl Fn(FromIter<std::vec::IntoIter<Token>>) -> P) {
        for requests in 0..8 {
            let mint = Mint::default();
            let tokens: Vec<_> = (0..5).map(|n| mint.token(n)).collect();
            let seen = watch(stage(millstream::from_iter(tokens)));
            for _ in 0..requests {
                seen.request(1);
            }
            seen.cancel();
            drop(seen);
            assert_eq!(mint.alive(), 0, "after {requests} requests");
        }
    }
    check(|source| source.try_map(|n| if n.0 < 4 { Ok(n) } else { Err(n) }));
    check(|source| source.filter_map(|n| (n.0 % 2 == 0).then_some(n)));
    check(|source| source.scan(None, |last, n| Some(last.replace(n))));
    check(|source| source.running_fold(vec![], |all, n| [all, vec![n]].concat()));
    check(|source| source.enumerate());
    check(|source| source.stateful_map(|| None, |last, n| last.replace(n), Some));
    check(|source| source.map_with_resource(|| None, |last, n| last.replace(n), Some));
    check(|source| source.materialize());
    check(|source| source.materialize().take(3));
    check(|source| source.pairwise());
    check(|source| source.skip(2));
    check(|source| source.skip_last(2));
    check(|source| source.step_by(2));
    check(|source| source.dedup());
    check(|source| source.default_if_empty(Mint::default().token(9)));
    check(|source| source.take_last(3));
    check(|source| source.limit(3));
    check(|source| source.chunks(2));
    check(|source| source.sliding(3, 1));
    check(|source| source.sliding(3, 1).take_last(2).chunks(2));
    check(|source| source.sliding(1, 3));
}
