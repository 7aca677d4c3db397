//! Claims of the ends.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use crate::support::{Ending, Hand, Item, Mint, Probe, Script, on_a_small_stack, script};
use futures::executor::block_on;
use millstream::end::{SingleError, TooMany};
use millstream::prelude::*;
use millstream::{Demand, End, Failure, Fault, More, Undelivered};

use Ending::{Complete, Fail, Never};

fn numbers(
    mint: &Mint,
    n: u32,
    ending: Ending,
) -> impl Publisher<Item = u32, Error = &'static str> {
    let token = mint.token();
    script(mint, 0, n, ending).map(move |item: Item| {
        let _ = &token;
        item.0
    })
}

/// The result of an end that is awaited, and of one that is waited for.
macro_rules! both {
    ($ending:expr) => {{
        // Written out once: in each place its functions would be other types.
        let ending = || $ending;
        let awaited = block_on(ending());
        let waited = ending().block();
        assert_eq!(format!("{awaited:?}"), format!("{waited:?}"));
        waited
    }};
}

#[test]
fn ends_give_what_they_say() {
    let m = Mint::new();
    assert_eq!(both!(numbers(&m, 4, Complete).fold(1, |a, n| a * n)).unwrap(), 24);
    assert_eq!(both!(numbers(&m, 3, Complete).reduce(|a, b| a * 10 + b)).unwrap(), Some(123));
    assert_eq!(both!(numbers(&m, 0, Complete).reduce(|a, b| a + b)).unwrap(), None);
    assert_eq!(both!(numbers(&m, 3, Complete).try_fold(0, |a, n| Ok(a + n))).unwrap(), 6);
    assert_eq!(both!(numbers(&m, 3, Complete).count()).unwrap(), 3);
    assert_eq!(both!(numbers(&m, 3, Complete).min()).unwrap(), Some(1));
    assert_eq!(both!(numbers(&m, 3, Complete).max()).unwrap(), Some(3));
    assert_eq!(both!(numbers(&m, 0, Complete).max()).unwrap(), None);
    assert_eq!(both!(numbers(&m, 3, Complete).last()).unwrap(), Some(3));
    assert_eq!(both!(numbers(&m, 3, Complete).first()).unwrap(), Some(1));
    assert_eq!(both!(numbers(&m, 0, Complete).first()).unwrap(), None);
    assert_eq!(both!(numbers(&m, 3, Complete).nth(2)).unwrap(), Some(3));
    assert_eq!(both!(numbers(&m, 3, Complete).nth(3)).unwrap(), None);
    assert!(both!(numbers(&m, 3, Complete).all(|n| n < 4)).unwrap());
    assert!(!both!(numbers(&m, 9, Never).all(|n| n < 4)).unwrap());
    assert!(both!(numbers(&m, 0, Complete).all(|_| false)).unwrap());
    assert!(both!(numbers(&m, 9, Never).any(|n| n == 4)).unwrap());
    assert!(!both!(numbers(&m, 3, Complete).any(|n| n == 4)).unwrap());
    assert!(!both!(numbers(&m, 3, Complete).is_empty()).unwrap());
    assert!(both!(numbers(&m, 0, Complete).is_empty()).unwrap());
    both!(numbers(&m, 3, Complete).drain()).unwrap();
    assert_eq!(both!(numbers(&m, 3, Complete).collect_max::<Vec<_>>(3)).unwrap(), [1, 2, 3]);
    assert_eq!(both!(numbers(&m, 1, Complete).single()).unwrap(), 1);
    assert_eq!(both!(numbers(&m, 1, Complete).single_or_none()).unwrap(), Some(1));
    assert_eq!(both!(numbers(&m, 0, Complete).single_or_none()).unwrap(), None);
    let (sender, seen) = channel();
    numbers(&m, 3, Complete).for_each(move |n| sender.send(n).unwrap()).block().unwrap();
    assert_eq!(seen.iter().collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(m.live(), 0);
}

#[test]
fn among_equal_items_the_first_is_smallest_and_the_last_greatest() {
    #[derive(Debug, Clone, Copy, Eq)]
    struct Keyed(u32, char);
    impl PartialEq for Keyed {
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }
    impl PartialOrd for Keyed {
        fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
            Some(self.cmp(other))
        }
    }
    impl Ord for Keyed {
        fn cmp(&self, other: &Self) -> std::cmp::Ordering {
            self.0.cmp(&other.0)
        }
    }
    let items = [Keyed(1, 'a'), Keyed(1, 'b')];
    let of = || millstream::from_iter(items);
    assert_eq!(of().min().block().unwrap().unwrap().1, items.iter().min().unwrap().1);
    assert_eq!(of().max().block().unwrap().unwrap().1, items.iter().max().unwrap().1);
}

#[test]
fn errors_of_the_stream_are_errors_of_the_end() {
    let m = Mint::new();
    assert!(matches!(both!(numbers(&m, 2, Fail("x")).count()), Err(Failure::Error("x"))));
    assert!(matches!(both!(numbers(&m, 2, Fail("x")).fold(0, |a, _| a)), Err(Failure::Error("x"))));
    assert!(matches!(both!(numbers(&m, 0, Fail("x")).first()), Err(Failure::Error("x"))));
    assert!(matches!(
        both!(numbers(&m, 1, Fail("x")).single()),
        Err(Failure::Error(SingleError::Upstream("x")))
    ));
    assert!(matches!(
        both!(numbers(&m, 0, Complete).single()),
        Err(Failure::Error(SingleError::Empty))
    ));
    assert!(matches!(
        both!(numbers(&m, 9, Never).single()),
        Err(Failure::Error(SingleError::Many))
    ));
    assert!(matches!(
        both!(numbers(&m, 9, Never).single_or_none()),
        Err(Failure::Error(SingleError::Many))
    ));
    assert!(matches!(
        both!(numbers(&m, 9, Never).collect_max::<Vec<_>>(3)),
        Err(Failure::Error(TooMany::Exceeded(3)))
    ));
    assert_eq!(m.live(), 0);
}

#[test]
fn the_first_failure_of_a_function_cancels_upstream() {
    let m = Mint::new();
    let end =
        numbers(&m, 9, Never).try_fold(0, |a, n| if n < 3 { Ok(a + n) } else { Err("three") });
    assert!(matches!(end.block(), Err(Failure::Error("three"))));
    let end = numbers(&m, 9, Never).try_for_each(|n| if n < 3 { Ok(()) } else { Err("three") });
    assert!(matches!(end.block(), Err(Failure::Error("three"))));
    assert_eq!(m.live(), 0);
}

#[test]
fn ends_ask_for_exactly_what_they_need() {
    fn asked<G>(end: impl FnOnce(Hands) -> G) -> u64
    where
        G: Future + Unpin,
    {
        let (hand, publisher) = Hand::new();
        let mut end = end(publisher);
        assert_eq!(hand.asked(), [], "nothing before it is polled");
        let mut context = Context::from_waker(Waker::noop());
        assert!(std::pin::Pin::new(&mut end).poll(&mut context).is_pending());
        let asked = hand.asked().iter().sum();
        drop(end);
        assert!(hand.is_cancelled(), "dropping the end cancels");
        asked
    }
    type Hands = millstream::BoxPublisher<Item, &'static str>;
    let unbounded = More::UNBOUNDED.count();
    assert_eq!(asked(|p| p.first()), 1);
    assert_eq!(asked(|p| p.nth(4)), 5);
    assert_eq!(asked(|p| p.nth(u64::MAX)), unbounded);
    assert_eq!(asked(|p| p.single()), 2);
    assert_eq!(asked(|p| p.single_or_none()), 2);
    assert_eq!(asked(|p| p.is_empty()), 1);
    assert_eq!(asked(|p| p.collect_max::<Vec<_>>(7)), 8);
    assert_eq!(asked(|p| p.count()), unbounded);
    assert_eq!(asked(|p| p.any(|_| true)), unbounded);
}

#[test]
fn a_panic_in_the_function_of_an_end_is_a_fault() {
    fn fault<T: std::fmt::Debug, E: std::fmt::Debug>(result: Result<T, Failure<E>>) {
        assert!(
            matches!(&result, Err(Failure::Fault(Fault::Panicked(p))) if p.message() == Some("ouch")),
            "{result:?}"
        );
    }
    let m = Mint::new();
    fault(both!(numbers(&m, 3, Complete).fold(0, |_, _| panic!("ouch"))));
    fault(both!(numbers(&m, 3, Complete).reduce(|_, _| panic!("ouch"))));
    fault(both!(numbers(&m, 3, Complete).try_fold(0, |_, _| panic!("ouch"))));
    fault(both!(numbers(&m, 3, Complete).for_each(|_| panic!("ouch"))));
    fault(both!(numbers(&m, 3, Complete).try_for_each(|_| panic!("ouch"))));
    fault(both!(numbers(&m, 3, Complete).all(|_| panic!("ouch"))));
    fault(both!(numbers(&m, 3, Complete).any(|_| panic!("ouch"))));
    assert_eq!(m.live(), 0);
}

#[test]
fn a_source_that_goes_away_is_not_completion() {
    let (hand, publisher) = Hand::new();
    let mut end = publisher.count();
    let mut context = Context::from_waker(Waker::noop());
    assert!(std::pin::Pin::new(&mut end).poll(&mut context).is_pending());
    hand.go_away();
    assert!(matches!(block_on(end), Err(Failure::Fault(Fault::SourceDropped))));
}

#[test]
fn an_end_that_is_awaited_cannot_be_blocked_inside() {
    let (sender, seen) = channel();
    let outer = millstream::from_iter(0..1).map(move |_| {
        sender.send(millstream::from_iter(0..3).count().block()).unwrap();
        sender.send(millstream::from_iter(0..3).cursor().block_next().map(|_| 0)).unwrap();
    });
    block_on(outer.drain()).unwrap();
    let results: Vec<_> = seen.iter().collect();
    assert_eq!(results.len(), 2);
    for result in results {
        assert!(matches!(result, Err(Failure::Fault(Fault::BlockedExecutor))), "{result:?}");
    }
}

#[test]
fn an_end_that_is_waited_for_can_be_blocked_inside() {
    let inner = |_| millstream::from_iter(0..3).count().block().unwrap();
    let all = millstream::from_iter(0..2).map(inner).collect::<Vec<_>>().block();
    assert_eq!(all.unwrap(), [3, 3]);
}

#[cfg(feature = "tokio")]
#[test]
fn blocking_is_refused_inside_a_tokio_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let end = runtime.block_on(async { millstream::from_iter(0..3).count().block() });
    assert!(matches!(end, Err(Failure::Fault(Fault::BlockedExecutor))));
    let end = runtime.block_on(async { millstream::from_iter(0..3).cursor().block_next() });
    assert!(matches!(end, Err(Failure::Fault(Fault::BlockedExecutor))));
}

#[test]
fn a_cursor_gives_items_and_then_none_for_ever() {
    let m = Mint::new();
    let mut cursor = numbers(&m, 2, Complete).cursor();
    assert_eq!(block_on(cursor.next()).unwrap(), Some(1));
    assert_eq!(cursor.block_next().unwrap(), Some(2));
    assert_eq!(block_on(cursor.next()).unwrap(), None);
    assert_eq!(block_on(cursor.next()).unwrap(), None);
    assert_eq!(cursor.block_next().unwrap(), None);
    assert_eq!(m.live(), 0);
}

#[test]
fn a_cursor_gives_an_error_once_and_then_none() {
    let m = Mint::new();
    let mut cursor = numbers(&m, 1, Fail("x")).cursor();
    assert_eq!(block_on(cursor.next()).unwrap(), Some(1));
    assert!(matches!(block_on(cursor.next()), Err(Failure::Error("x"))));
    assert_eq!(block_on(cursor.next()).unwrap(), None);
    assert_eq!(m.live(), 0);
}

#[test]
fn a_panic_reaches_the_cursor() {
    let mut cursor = millstream::from_iter([1, 0]).map(|n: u32| 1 / n).cursor();
    assert_eq!(block_on(cursor.next()).unwrap(), Some(1));
    assert!(matches!(block_on(cursor.next()), Err(Failure::Fault(Fault::Panicked(_)))));
    assert_eq!(block_on(cursor.next()).unwrap(), None);
}

#[test]
fn a_cursor_asks_for_one_item_for_each_next_and_loses_none() {
    let m = Mint::new();
    let (hand, publisher) = Hand::new();
    let mut cursor = publisher.cursor();
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(hand.asked(), []);
    let mut poll = |cursor: &mut millstream::end::Cursor<_>| {
        let mut next = cursor.next();
        std::pin::Pin::new(&mut next).poll(&mut context).map(|item| {
            let item: Option<Item> = item.unwrap();
            item.map(|item| item.0)
        })
    };
    assert!(poll(&mut cursor).is_pending());
    assert_eq!(hand.asked(), [1]);
    // The future is dropped: the demand stands, and is not repeated.
    assert!(poll(&mut cursor).is_pending());
    assert_eq!(hand.asked(), []);
    hand.send(m.item(1));
    assert_eq!(hand.asked(), [], "the item is parked");
    assert_eq!(m.live(), 1);
    assert_eq!(poll(&mut cursor), Poll::Ready(Some(1)));
    assert_eq!(hand.asked(), []);
    assert!(poll(&mut cursor).is_pending());
    assert_eq!(hand.asked(), [1]);
    hand.send(m.item(2));
    hand.end(End::Completed);
    assert_eq!(poll(&mut cursor), Poll::Ready(Some(2)), "the parked item comes before the end");
    assert_eq!(poll(&mut cursor), Poll::Ready(None));
    assert_eq!(m.live(), 0);
}

#[test]
fn dropping_a_cursor_cancels_and_drops_the_parked_item() {
    let m = Mint::new();
    let (hand, publisher) = Hand::new();
    let mut cursor = publisher.cursor();
    let mut context = Context::from_waker(Waker::noop());
    assert!(std::pin::Pin::new(&mut cursor.next()).poll(&mut context).is_pending());
    hand.send(m.item(1));
    drop(cursor);
    assert!(hand.is_cancelled());
    assert_eq!(m.live(), 0);
}

#[test]
fn a_cursor_is_woken_from_another_thread() {
    let m = Mint::new();
    let (hand, publisher) = Hand::new();
    let mut cursor = publisher.cursor();
    let sender = {
        let item = m.item(5);
        std::thread::spawn(move || {
            while hand.asked().is_empty() {
                std::thread::yield_now();
            }
            hand.send(item);
            hand
        })
    };
    assert_eq!(block_on(cursor.next()).unwrap().map(|item| item.0), Some(5));
    let hand = sender.join().unwrap();
    let sender = {
        let item = m.item(6);
        std::thread::spawn(move || {
            while hand.asked().is_empty() {
                std::thread::yield_now();
            }
            hand.send(item);
        })
    };
    assert_eq!(cursor.block_next().unwrap().map(|item| item.0), Some(6));
    sender.join().unwrap();
    drop(cursor);
    assert_eq!(m.live(), 0);
}

type Heard = Arc<Mutex<Vec<String>>>;

fn listening(
    publisher: Script,
    heard: &Heard,
) -> millstream::end::SubscribeWith<
    Script,
    impl FnMut(Item) + Send + 'static,
    impl FnOnce(&'static str) + Send + 'static,
    impl FnOnce() + Send + 'static,
> {
    let (a, b, c) = (heard.clone(), heard.clone(), heard.clone());
    publisher.subscribe_with(
        move |item| a.lock().unwrap().push(item.0.to_string()),
        move |error| b.lock().unwrap().push(format!("error {error}")),
        move || c.lock().unwrap().push("complete".to_owned()),
    )
}

fn heard(heard: &Heard) -> Vec<String> {
    std::mem::take(&mut *heard.lock().unwrap())
}

#[test]
fn functions_run_with_the_demand_that_is_named() {
    let m = Mint::new();
    let ear = Heard::default();
    let handle = listening(script(&m, 0, 2, Complete), &ear).unbounded();
    assert_eq!(heard(&ear), ["1", "2", "complete"]);
    drop(handle);
    let handle = listening(script(&m, 0, 1, Fail("x")), &ear).batch(1);
    assert_eq!(heard(&ear), ["1", "error x"]);
    drop(handle);
    let handle = listening(script(&m, 0, 3, Complete), &ear).manual();
    assert_eq!(heard(&ear), [] as [&str; 0]);
    handle.request(Demand::of(2));
    assert_eq!(heard(&ear), ["1", "2"]);
    handle.request(Demand::ONE);
    assert_eq!(heard(&ear), ["3", "complete"]);
    handle.request(Demand::ONE);
    handle.cancel();
    assert_eq!(heard(&ear), [] as [&str; 0]);
    assert_eq!(m.live(), 0);
}

#[test]
fn a_batch_is_asked_for_when_the_one_before_has_come() {
    let m = Mint::new();
    let (hand, publisher) = Hand::new();
    let handle = publisher.subscribe_with(drop, |_| {}, || {}).batch(2);
    assert_eq!(hand.asked(), [2]);
    hand.send(m.item(1));
    assert_eq!(hand.asked(), []);
    hand.send(m.item(2));
    assert_eq!(hand.asked(), [2]);
    drop(handle);
    assert!(hand.is_cancelled());
    assert_eq!(m.live(), 0);
}

#[test]
#[should_panic(expected = "batch(0): a batch holds at least 1 item")]
fn a_batch_of_nothing_is_refused() {
    drop(millstream::from_iter(0..1).subscribe_with(drop, |_: Infallible| {}, || {}).batch(0));
}

#[test]
fn dropping_the_handle_cancels_and_detaching_does_not() {
    let m = Mint::new();
    let ear = Heard::default();
    let handle = listening(script(&m, 0, 5, Complete), &ear).manual();
    handle.request(Demand::of(2));
    drop(handle);
    assert_eq!(heard(&ear), ["1", "2"]);
    assert_eq!(m.live(), 0);

    let (hand, publisher) = Hand::new();
    let (sender, seen) = channel();
    publisher
        .subscribe_with(move |i: Item| sender.send(i.0).unwrap(), |_| {}, || {})
        .batch(2)
        .detach();
    hand.send(m.item(7));
    assert!(!hand.is_cancelled());
    assert_eq!(seen.try_iter().collect::<Vec<_>>(), [7]);
    hand.end(End::Completed);
    assert_eq!(m.live(), 0);
}

#[test]
fn a_handle_that_is_awaited_gives_the_end() {
    let m = Mint::new();
    let (hand, publisher) = Hand::new();
    let mut handle = publisher.subscribe_with(drop, |_: &str| {}, || {}).batch(2);
    let mut context = Context::from_waker(Waker::noop());
    assert!(std::pin::Pin::new(&mut handle).poll(&mut context).is_pending());
    assert_eq!(hand.asked(), [2], "awaiting asks for nothing");
    hand.send(m.item(1));
    assert!(std::pin::Pin::new(&mut handle).poll(&mut context).is_pending());
    hand.end(End::Completed);
    assert!(block_on(handle).is_ok());
    let failed = script(&m, 0, 1, Fail("x")).subscribe_with(drop, |_| {}, || {}).unbounded();
    assert!(failed.block().is_ok(), "the error was told to its function");
    let (hand, publisher) = Hand::new();
    let handle = publisher.subscribe_with(drop::<Item>, |_: &str| {}, || {}).batch(2);
    hand.end(End::Fault(Fault::SourceDropped));
    assert!(matches!(block_on(handle), Err(Fault::SourceDropped)));
    assert_eq!(m.live(), 0);
}

#[test]
fn a_fault_that_nobody_awaits_goes_to_the_hook() {
    let _alone = crate::hook_alone();
    let (sender, told) = channel();
    let sender = Mutex::new(sender);
    millstream::on_undelivered(move |what| {
        if let Undelivered::Fault(Fault::InvalidDemand(_)) = what {
            sender.lock().unwrap().send(()).unwrap();
        }
    });
    let fault = || End::Fault(Fault::InvalidDemand(Demand::from_raw(0).unwrap_err()));
    let functions = |publisher: millstream::BoxPublisher<Item, &'static str>| {
        publisher.subscribe_with(drop::<Item>, |_: &str| {}, || {}).batch(2)
    };
    let (hand, publisher) = Hand::new();
    functions(publisher).detach();
    hand.end(fault());
    assert_eq!(told.try_iter().count(), 1, "let go");
    let (hand, publisher) = Hand::new();
    let handle = functions(publisher);
    hand.end(fault());
    assert_eq!(told.try_iter().count(), 0, "somebody may still await it");
    drop(handle);
    assert_eq!(told.try_iter().count(), 1, "dropped");
}

#[test]
fn a_hook_that_panics_comes_out_of_no_cancellation() {
    let _alone = crate::hook_alone();
    millstream::on_undelivered(|_| panic!("the hook"));
    let m = Mint::new();
    let probe = Probe::new().on(script(&m, 0, 5, Complete).inspect_cancel(|_| panic!("a look")));
    probe.request(1);
    probe.cancel();
    millstream::on_undelivered(|_| {});
    assert!(!probe.is_held());
    assert_eq!(m.live(), 0);
}

#[test]
fn a_detached_stream_without_demand_is_dropped() {
    let m = Mint::new();
    let ear = Heard::default();
    let handle = listening(script(&m, 0, 5, Complete), &ear).manual();
    handle.request(Demand::of(2));
    handle.detach();
    assert_eq!(m.live(), 0);
    assert_eq!(Arc::strong_count(&ear), 1, "its functions are gone");
}

#[test]
fn a_hundred_thousand_items_through_a_cursor_use_constant_stack() {
    on_a_small_stack(|| {
        let mut cursor = millstream::from_iter(0..100_000u32).cursor();
        let mut sum = 0u64;
        while let Some(n) = cursor.block_next().unwrap() {
            sum += u64::from(n);
        }
        assert_eq!(sum, 99_999 * 100_000 / 2);
    });
}

/// The answer of an end that may fail, and does not break.
fn answer(result: Result<bool, Failure<&'static str>>) -> Result<bool, &'static str> {
    result.map_err(|failure| match failure {
        Failure::Error(error) => error,
        Failure::Fault(fault) => panic!("{fault}"),
    })
}

/// The answer of an end, where it is known.
fn known<R>(end: &mut R) -> Poll<Result<bool, &'static str>>
where
    R: Future<Output = Result<bool, Failure<&'static str>>> + Unpin,
{
    Pin::new(end).poll(&mut Context::from_waker(Waker::noop())).map(answer)
}

/// What is over a box of a box is not pulled.
fn placed(
    items: impl Publisher<Item = u32, Error = &'static str>,
    pushed: bool,
) -> millstream::BoxPublisher<u32, &'static str> {
    if pushed { items.boxed().boxed() } else { items.boxed() }
}

#[test]
fn sequences_are_equal_where_all_pairs_are_and_the_length() {
    let m = Mint::new();
    for (one, other) in (0..=9_u32).flat_map(|one| (0..=9_u32).map(move |other| (one, other))) {
        for (prefetch, first, second) in [
            (1, true, true),
            (2, true, false),
            (7, false, true),
            (3, false, false),
            (1, true, true),
        ] {
            for differs in [None, Some(1), Some(2), Some(8)] {
                let a = placed(numbers(&m, one, Complete), first);
                let b = numbers(&m, other, Complete);
                let b = placed(b.map(move |n| if differs == Some(n) { 99 } else { n }), second);
                let equal = a.sequence_equal(b, prefetch, PartialEq::eq).block().unwrap();
                let shortest = one.min(other);
                let expected = one == other && differs.is_none_or(|n| n > shortest);
                assert_eq!(equal, expected, "{one}, {other}, {differs:?}, {prefetch}");
            }
        }
    }
    let texts = millstream::from_iter(["1", "2", "3"]).map_err(|never| match never {});
    let same = |n: &u32, text: &&str| n.to_string() == *text;
    assert!(both!(numbers(&m, 3, Complete).sequence_equal(texts.clone(), 4, same)).unwrap());
    assert_eq!(m.live(), 0);
}

#[test]
fn a_pair_that_differs_or_one_that_is_longer_is_known_at_once_and_cancels_both() {
    let m = Mint::new();
    let begin = || {
        let ((a, one), (b, other)) = (Hand::new(), Hand::new());
        let mut end = one.sequence_equal(other, 2, |a, b| a.0 == b.0);
        assert!(known(&mut end).is_pending());
        assert_eq!((a.asked(), b.asked()), (vec![2], vec![2]));
        (a, b, end)
    };
    let (a, b, mut end) = begin();
    a.send(m.item(1));
    a.send(m.item(2));
    b.send(m.item(1));
    assert!(known(&mut end).is_pending());
    b.send(m.item(3));
    assert!(a.is_cancelled() && b.is_cancelled());
    assert_eq!(known(&mut end), Poll::Ready(Ok(false)));
    let (a, b, mut end) = begin();
    a.send(m.item(1));
    b.end(End::Completed);
    assert!(a.is_cancelled());
    assert_eq!(known(&mut end), Poll::Ready(Ok(false)));
    let (a, b, mut end) = begin();
    b.end(End::Completed);
    assert!(known(&mut end).is_pending(), "the other may be over as well");
    a.end(End::Completed);
    assert_eq!(known(&mut end), Poll::Ready(Ok(true)));
    let (a, b, end) = begin();
    a.send(m.item(1));
    drop(end);
    assert!(a.is_cancelled() && b.is_cancelled());
    assert_eq!(m.live(), 0);
}

#[test]
fn what_fails_before_sequences_differ_is_a_failure() {
    let m = Mint::new();
    for (first, second) in [(false, false), (false, true), (true, false), (true, true)] {
        let compare = |one, other| {
            let (one, other) = (placed(one, first), placed(other, second));
            answer(one.sequence_equal(other, 2, PartialEq::eq).block())
        };
        let fails = || numbers(&m, 3, Fail("x")).boxed();
        let longer = || numbers(&m, 5, Complete).boxed();
        let others = || numbers(&m, 5, Complete).map(|n| n + n / 3).boxed();
        assert_eq!(compare(fails(), longer()), Err("x"));
        assert_eq!(compare(longer(), fails()), Err("x"));
        assert_eq!(compare(fails(), others()), Ok(false));
    }
    let (hand, silent) = Hand::new();
    let end = script(&m, 0, 0, Fail("y")).sequence_equal(silent, 2, |_, _| true);
    assert_eq!(answer(end.block()), Err("y"), "the other is not waited for");
    assert!(hand.is_cancelled());
    assert_eq!(m.live(), 0);
}
