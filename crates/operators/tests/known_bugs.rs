//! What broke in other libraries, on operators with queues, futures or several upstreams. A test
//! is named by its row in `docs/known-bugs.md`, which says what went wrong there.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::support::{Ending, Hand, Item, Mint, Probe, Told, next, next_then, script};
use millstream::chunk::{Boundary, ChunksTimeout};
use millstream::executor::Seeded;
use millstream::prelude::*;
use millstream::timing::{Rate, TimeoutError};
use millstream::{BoxPublisher, Demand, End, Failure, Fault, More, Subscription, Upstream};
use millstream_testkit::{self as testkit, Behaviour, VirtualTime};
use proptest::prelude::*;

use crate::eager::Eager;
use Ending::{Complete, Fail, Never};

type Boxed = BoxPublisher<Item, &'static str>;

fn never<T: Send + 'static>() -> impl Publisher<Item = T, Error = &'static str> {
    millstream::pending().map_err(|never| match never {})
}

/// Publishers by hand, as they are subscribed to.
#[derive(Clone, Default)]
struct Hands(Arc<Mutex<Vec<Hand>>>);

impl Hands {
    fn make(&self) -> Boxed {
        let (hand, source) = Hand::new();
        self.0.lock().unwrap().push(hand);
        source
    }

    fn with<R>(&self, n: usize, f: impl FnOnce(&Hand) -> R) -> R {
        f(&self.0.lock().unwrap()[n])
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

#[test]
fn row_12_what_is_queued_is_dropped_where_the_consumer_panics() {
    for at in 1..=3 {
        let mint = Mint::new();
        let (hand, source) = Hand::new();
        let executor = Seeded::new(0);
        let end = source.publish_on(executor.clone(), 8).for_each(move |item| {
            if item.0 == at {
                std::panic::resume_unwind(Box::new("ouch"));
            }
        });
        let mut end = Box::pin(end);
        let mut context = Context::from_waker(Waker::noop());
        assert!(end.as_mut().poll(&mut context).is_pending());
        executor.run_until_idle();
        for n in 1..=5 {
            hand.send(mint.item(n));
        }
        assert_eq!(mint.live(), 5, "in the queue");
        executor.run_until_idle();
        let Poll::Ready(Err(Failure::Fault(Fault::Panicked(_)))) = end.as_mut().poll(&mut context)
        else {
            panic!("the panic is told to whoever awaits the end")
        };
        assert!(hand.is_cancelled());
        assert_eq!(mint.live(), 0, "at {at}");
    }
}

#[test]
fn row_14_an_inner_publisher_of_more_items_than_its_queue_loses_none() {
    for prefetch in 1..=5 {
        let mint = Mint::new();
        let own = mint.clone();
        // What is over a box is not pulled: it fills the queue of its place.
        let inner = move |item: Item| script(&own, item.0 * 10, 9, Complete).boxed().boxed();
        let probe = Probe::new()
            .asking(More::UNBOUNDED)
            .on(script(&mint, 0, 3, Complete).flat_map_ordered(2, prefetch, inner));
        let all = (1..=3).flat_map(|n| (1..=9).map(move |i| n * 10 + i));
        assert_eq!(probe.take(), next_then(all, Told::Complete), "prefetch {prefetch}");
        assert_eq!(mint.live(), 0);
    }
}

#[test]
fn row_16_an_item_that_finds_others_queued_waits_behind_them() {
    let mint = Mint::new();
    let hands = Hands::default();
    let own = hands.clone();
    let probe =
        Probe::new()
            .on(script(&mint, 0, 2, Complete).flat_map_unordered(2, 4, move |_| own.make()));
    hands.with(0, |hand| hand.send(mint.item(1)));
    hands.with(1, |hand| hand.send(mint.item(2)));
    assert_eq!(probe.take(), [], "no item without demand");
    probe.request(1);
    hands.with(0, |hand| hand.send(mint.item(3)));
    hands.with(0, |hand| hand.end(End::Completed));
    hands.with(1, |hand| hand.end(End::Completed));
    probe.request(9);
    let mut told = probe.take();
    assert_eq!(told.pop(), Some(Told::Complete));
    told.sort_by_key(|told| format!("{told:?}"));
    assert_eq!(told, next([1, 2, 3]));
    assert_eq!(mint.live(), 0);
}

#[test]
fn row_34_items_that_come_too_early_are_asked_for_again() {
    type Build = fn((Boxed, Boxed)) -> Boxed;
    // And what arrives: the last of those that came too early stands until the next.
    let combined: [(Build, &[u32]); 3] = [
        (|(a, b)| a.with_latest_from(b, 2).map(|(item, _)| item).boxed(), &[7, 8]),
        (|both| millstream::combine_latest(both, 2).map(|(item, _)| item).boxed(), &[6, 7]),
        (
            |both| millstream::combine_latest_conflated(both, 2).map(|(item, _)| item).boxed(),
            &[6, 7],
        ),
    ];
    for (n, (build, told)) in combined.into_iter().enumerate() {
        let mint = Mint::new();
        let ((hand, source), (other_hand, other)) = (Hand::new(), Hand::new());
        let probe = Probe::new().asking(More::of(2)).on(build((source, other)));
        let mut asked: u64 = hand.asked().iter().sum();
        let mut send = |n| {
            assert!(asked > 0, "item {n} has no demand");
            asked -= 1;
            hand.send(mint.item(n));
            asked += hand.asked().iter().sum::<u64>();
        };
        (1..=6).for_each(&mut send);
        assert_eq!(probe.take(), [], "{n}: dropped before the other has sent");
        other_hand.send(mint.item(100));
        (7..=8).for_each(&mut send);
        assert_eq!(probe.take(), next(told.iter().copied()), "{n}");
        probe.cancel();
        assert_eq!(mint.live(), 0, "{n}");
    }
}

#[test]
fn row_42_a_queue_asks_for_its_capacity_and_then_for_three_quarters_of_it() {
    for (capacity, low) in [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (8, 6), (16, 12)] {
        let mint = Mint::new();
        let (hand, source) = Hand::new();
        let probe = Probe::new().on(source.publish_on(Eager::default(), capacity as usize));
        assert_eq!(hand.asked(), [capacity]);
        let mut asked = Vec::new();
        for n in 1..=32 {
            hand.send(mint.item(n));
            probe.request(1);
            asked.append(&mut hand.asked());
        }
        assert_eq!(asked, vec![low; 32 / low as usize], "capacity {capacity}");
        probe.cancel();
        assert_eq!(mint.live(), 0);
    }
}

#[test]
fn row_46_the_error_of_one_source_is_told_although_the_other_is_complete() {
    type Both = fn(Boxed, Boxed) -> BoxPublisher<u32, &'static str>;
    let operators: [(&str, Both); 3] = [
        ("merge", |a, b| millstream::merge_all([a, b], 2).map(|item| item.0).boxed()),
        ("zip", |a, b| a.zip(b, 2).map(|(a, _)| a.0).boxed()),
        ("combine_latest", |a, b| millstream::combine_latest((a, b), 2).map(|(a, _)| a.0).boxed()),
    ];
    for (name, both) in operators {
        let mint = Mint::new();
        let ((first, a), (second, b)) = (Hand::new(), Hand::new());
        let probe = Probe::new().asking(More::UNBOUNDED).on(both(a, b));
        first.send(mint.item(1));
        second.end(End::Failed("broken"));
        first.end(End::Completed);
        let told = probe.take();
        assert_eq!(told.last(), Some(&Told::Error("\"broken\"".into())), "{name}");
        assert_eq!(mint.live(), 0, "{name}");
    }
}

#[test]
fn row_48_an_error_arrives_as_it_was_sent() {
    #[derive(Debug)]
    struct Own(Arc<()>);
    let identity = Arc::new(());
    let fail = || {
        let identity = identity.clone();
        millstream::fail::<u32, _>(Own(identity))
    };
    // What is over a box is not pulled: it fills the queue of the stage.
    let through: [(&str, BoxPublisher<u32, Own>); 6] = [
        ("publish_on", fail().boxed().boxed().publish_on(Eager::default(), 1).boxed()),
        ("subscribe_on", fail().subscribe_on(Eager::default()).boxed()),
        ("merge", millstream::merge_all([fail().boxed().boxed()], 1).boxed()),
        (
            "map_async",
            fail().boxed().boxed().map_async(Eager::default(), 1, |n| async move { n }).boxed(),
        ),
        ("flat_map_unordered", fail().flat_map_unordered(1, 1, |_| fail_never()).boxed()),
        ("prefetch", fail().boxed().boxed().prefetch(1).boxed()),
    ];
    fn fail_never() -> BoxPublisher<u32, Own> {
        millstream::pending().map_err(|never| match never {}).boxed()
    }
    for (name, publisher) in through {
        match publisher.drain().block() {
            Err(Failure::Error(Own(told))) => assert!(Arc::ptr_eq(&told, &identity), "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    assert_eq!(Arc::strong_count(&identity), 1);
}

#[test]
fn row_51_a_failing_future_among_others_is_the_one_end() {
    for seed in 0..64 {
        let mint = Mint::new();
        let executor = Seeded::new(seed);
        let probe = Probe::new().asking(More::UNBOUNDED).on(script(&mint, 0, 6, Complete)
            .try_map_async_unordered(executor.clone(), 3, |item: Item| async move {
                Yield(item.0 as usize % 3).await;
                if item.0 == 4 { Err("broken") } else { Ok(item) }
            }));
        executor.run_until_idle();
        let ends = |told: &Told| !matches!(told, Told::Next(_));
        let told = probe.take();
        assert_eq!(told.iter().filter(|told| ends(told)).count(), 1, "seed {seed}: {told:?}");
        assert_eq!(told.last(), Some(&Told::Error("\"broken\"".into())), "seed {seed}");
        assert_eq!((mint.live(), executor.tasks()), (0, 0), "seed {seed}");
    }
}

/// Pending so many times, each of which wakes.
struct Yield(usize);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0 == 0 {
            return Poll::Ready(());
        }
        self.0 -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

#[test]
fn row_59_a_publisher_beyond_the_limit_waits_and_no_item_is_asked_for_it() {
    let mint = Mint::new();
    let hands = Hands::default();
    let (own, (outer, source)) = (hands.clone(), Hand::new());
    let probe =
        Probe::new()
            .asking(More::UNBOUNDED)
            .on(source.flat_map_unordered(2, 1, move |_| own.make()));
    assert_eq!(outer.asked(), [2], "as many as there are places");
    outer.send(mint.item(1));
    outer.send(mint.item(2));
    assert_eq!((hands.count(), outer.asked()), (2, vec![]));
    hands.with(0, |hand| hand.end(End::Completed));
    assert_eq!(outer.asked(), [1], "one for each that is over");
    outer.send(mint.item(3));
    assert_eq!(hands.count(), 3);
    probe.cancel();
    assert_eq!(mint.live(), 0);
}

/// The message of the panic of `build`.
fn refused<P>(build: impl FnOnce() -> P) -> String {
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(build())));
    let payload = panicked.expect_err("a capacity of zero");
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => (*payload.downcast::<&str>().expect("a message")).to_owned(),
    }
}

#[test]
fn row_61_a_capacity_of_zero_is_refused_where_the_pipeline_is_assembled() {
    let s = || never::<u32>();
    let on = Eager::default;
    let inner = |_| millstream::just(1).map_err(|never| match never {});
    let told = [
        refused(|| s().publish_on(on(), 0)),
        refused(|| s().async_boundary(on(), 0)),
        refused(|| s().prefetch(0)),
        refused(|| s().map_async(on(), 0, |n| async move { n })),
        refused(|| s().filter_async(on(), 0, |_| async { true })),
        refused(|| s().map_async_unordered(on(), 0, |n| async move { n })),
        refused(|| s().try_map_async(on(), 0, |n| async move { Ok::<_, &str>(n) })),
        refused(|| s().try_map_async_unordered(on(), 0, |n| async move { Ok::<_, &str>(n) })),
        refused(|| s().flat_map_unordered(0, 1, inner)),
        refused(|| s().flat_map_unordered(1, 0, inner)),
        refused(|| s().flat_map_unordered_delay_error(0, 1, inner)),
        refused(|| s().flat_map_unordered_delay_error(1, 0, inner)),
        refused(|| s().flat_map_ordered(0, 1, inner)),
        refused(|| s().flat_map_ordered(1, 0, inner)),
        refused(|| s().switch_map(0, inner)),
        refused(|| s().merge(s(), 0)),
        refused(|| s().interleave(s(), 0)),
        refused(|| s().zip(s(), 0)),
        refused(|| millstream::combine_latest((s(), s()), 0)),
        refused(|| millstream::combine_latest_conflated((s(), s()), 0)),
        refused(|| s().sequence_equal(s(), 0, |_, _| true)),
        refused(|| s().with_latest_from(s(), 0)),
        refused(|| millstream::race([s()], 0)),
        refused(|| s().skip_until(s(), 0)),
        refused(|| s().chunks(0)),
        refused(|| s().chunks_skip(0, 1)),
        refused(|| s().chunk_when(s(), 0)),
        refused(|| s().ready_chunks(0)),
        refused(|| s().window(0)),
        refused(|| s().window_until(0, |_| true)),
        refused(|| s().window_while(0, |_| true)),
        refused(|| s().window_by_key(0, |n| *n)),
        refused(|| s().chunk_until(0, |_| true)),
        refused(|| s().chunk_while(0, |_| true)),
        refused(|| s().chunk_by_key(0, |n| *n)),
        refused(|| s().chunks_weighted(0, |_| 1)),
    ];
    for message in told {
        assert!(message.contains("at least 1") || message.contains("at least one"), "{message}");
        assert!(message.contains('0'), "{message}");
    }
}

#[test]
fn a_part_of_another_operator_is_refused_by_the_name_that_was_called() {
    let message = refused(|| never::<u32>().async_boundary(Eager::default(), 0));
    assert!(message.starts_with("async_boundary(executor, 0)"), "{message}");
}

/// The bound, the value, and the operator and the line of whoever called it.
#[test]
fn a_joined_operator_is_refused_by_the_name_that_was_called_and_where_it_was() {
    fn check(call: &str, assemble: impl FnOnce() + std::panic::UnwindSafe) {
        type Seen = Arc<Mutex<Option<(String, String)>>>;
        thread_local!(static SEEN: Seen = Seen::default());
        static HOOK: std::sync::Once = std::sync::Once::new();
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                let place = info.location().map_or("", std::panic::Location::file);
                let message = info.payload_as_str().unwrap_or_default();
                SEEN.with(|seen| {
                    *seen.lock().unwrap() = Some((message.to_owned(), place.to_owned()));
                });
                before(info);
            }));
        });
        assert!(std::panic::catch_unwind(assemble).is_err(), "{call}");
        let (message, place) = SEEN.with(|seen| seen.lock().unwrap().take()).expect("a panic");
        assert!(message.starts_with(&format!("{call}: ")), "{message}");
        assert!(message.contains("at least 1") && message.contains('0'), "{message}");
        assert_eq!(place, file!(), "{call}");
    }
    let s = || never::<u32>();
    let order = Ord::cmp;
    check("merge(other, 0)", || drop(s().merge(s(), 0)));
    check("merge_all(sources, 0)", || drop(millstream::merge_all([s()], 0)));
    check("interleave(other, 0)", || drop(s().interleave(s(), 0)));
    check("interleave_all(sources, 0)", || drop(millstream::interleave_all([s()], 0)));
    check("merge_delay_error(other, 0)", || drop(s().merge_delay_error(s(), 0)));
    check("merge_preferred(other, 0)", || drop(s().merge_preferred(s(), 0)));
    check("merge_prioritized(other, weights, 0)", || {
        drop(s().merge_prioritized(s(), [1, 1], 0));
    });
    check("merge_prioritized", || drop(s().merge_prioritized(s(), [1, 0], 1)));
    check("merge_all_prioritized", || drop(millstream::merge_all_prioritized([(s(), 0)], 1)));
    check("merge_sorted(other, 0, compare)", || drop(s().merge_sorted(s(), 0, order)));
    check("zip(other, 0)", || drop(s().zip(s(), 0)));
}

#[test]
fn a_capacity_that_nothing_could_hold_is_refused_where_the_pipeline_is_assembled() {
    let s = || never::<u32>();
    let on = Eager::default;
    let inner = |_| millstream::just(1).map_err(|never| match never {});
    let told = [
        refused(|| s().publish_on(on(), usize::MAX)),
        refused(|| s().async_boundary(on(), usize::MAX)),
        refused(|| s().prefetch(usize::MAX)),
        refused(|| s().map_async(on(), usize::MAX, |n| async move { n })),
        refused(|| s().flat_map_unordered(usize::MAX, 1, inner)),
        refused(|| s().flat_map_ordered(1, usize::MAX, inner)),
        refused(|| s().merge(s(), usize::MAX)),
        refused(|| s().broadcast::<2>(usize::MAX)),
        refused(|| millstream::channel::<u32>(usize::MAX)),
    ];
    for message in told {
        assert!(message.contains("16777216 at most"), "{message}");
        assert!(message.contains(&usize::MAX.to_string()), "{message}");
    }
}

#[test]
fn row_62_flattening_inside_flattening_runs_to_its_end() {
    for (limit, prefetch) in [(1, 1), (2, 1), (3, 2)] {
        let mint = Mint::new();
        let own = mint.clone();
        let inner = move |item: Item| {
            let leaf = own.clone();
            script(&own, item.0 * 10, 3, Complete)
                .boxed()
                .publish_on(Eager::default(), 1)
                .flat_map_unordered(limit, prefetch, move |item: Item| {
                    script(&leaf, item.0 * 10, 3, Complete).boxed().publish_on(Eager::default(), 2)
                })
        };
        let probe = Probe::new();
        let probe =
            probe.on(script(&mint, 0, 3, Complete).flat_map_unordered(limit, prefetch, inner));
        let mut items = Vec::new();
        for _ in 0..27 {
            probe.request(1);
            items.extend(probe.take());
        }
        assert_eq!(items.pop(), Some(Told::Complete), "limit {limit}, prefetch {prefetch}");
        items.sort_by_key(|told| format!("{told:?}"));
        let digits = |n: u32| (1..=3).map(move |i| n * 10 + i);
        let all = (1..=3).flat_map(digits).flat_map(digits);
        assert_eq!(items, next(all), "limit {limit}, prefetch {prefetch}");
        assert_eq!(mint.live(), 0);
    }
}

type Shared = Arc<Mutex<Option<Arc<dyn Upstream>>>>;

/// What the destructor of an item does to the stream that it travels in.
type Deed = fn(&dyn Upstream);

/// An item whose destructor reaches the stream that it travels in.
struct Meddler {
    stream: Shared,
    deed: Deed,
    live: Arc<()>,
}

impl Drop for Meddler {
    fn drop(&mut self) {
        let stream = self.stream.lock().unwrap().clone();
        if let Some(stream) = stream {
            (self.deed)(&*stream);
        }
        let _ = &self.live;
    }
}

struct Meddled(Shared);

impl Subscriber<Meddler, std::convert::Infallible> for Meddled {
    type Active = Self;

    fn on_subscribe(self, subscription: Subscription) -> Self {
        *self.0.lock().unwrap() = Some(subscription.into_upstream());
        self
    }
}

impl ActiveSubscriber<Meddler, std::convert::Infallible> for Meddled {
    fn on_next(&mut self, item: Meddler) -> More {
        drop(item);
        More::NONE
    }

    fn on_complete(self) {}

    fn on_error(self, never: std::convert::Infallible) {
        match never {}
    }
}

#[test]
fn row_66_a_destructor_may_ask_or_cancel_the_stream_that_its_item_is_in() {
    type Items = BoxPublisher<Meddler, std::convert::Infallible>;
    type Build = fn(Items) -> Items;
    let deeds: [Deed; 3] = [
        |stream| stream.request(Demand::ONE),
        |stream| stream.cancel(),
        |stream| stream.fail(Fault::SourceDropped),
    ];
    let operators: [(&str, Build); 9] = [
        ("filter", |s| s.filter(|_| false).boxed()),
        ("take_last", |s| s.take_last(2).boxed()),
        ("prefetch", |s| s.prefetch(3).boxed()),
        ("publish_on", |s| s.publish_on(Eager::default(), 3).boxed()),
        ("async_boundary", |s| s.async_boundary(Eager::default(), 3).boxed()),
        ("merge", |s| s.merge(millstream::empty(), 3).boxed()),
        ("map_async", |s| s.map_async(Eager::default(), 2, |n| async move { n }).boxed()),
        ("switch_map", |s| s.switch_map(3, millstream::just).boxed()),
        ("flat_map_unordered", |s| s.flat_map_unordered(2, 2, millstream::just).boxed()),
    ];
    for (name, build) in operators {
        for (did, deed) in deeds.into_iter().enumerate() {
            for cancelled_at in 0..4 {
                let live = Arc::new(());
                let stream = Shared::default();
                let (there, own) = (Arc::clone(&stream), live.clone());
                let items = millstream::from_iter(0..4).map(move |_| Meddler {
                    stream: there.clone(),
                    deed,
                    live: own.clone(),
                });
                build(items.boxed().boxed()).subscribe(Meddled(stream.clone()));
                let there = stream.lock().unwrap().clone().expect("it was subscribed to");
                (0..cancelled_at).for_each(|_| there.request(Demand::ONE));
                // What it drops can reach it while it is cancelled.
                there.cancel();
                drop(there);
                let there = stream.lock().unwrap().take();
                drop(there);
                assert_eq!(Arc::strong_count(&live), 1, "{name}, {did}, {cancelled_at}");
            }
        }
    }
}

struct Counted(AtomicUsize);

impl Wake for Counted {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn row_85_no_waker_is_kept_when_the_end_or_the_cursor_was_dropped() {
    let waker = || Arc::new(Counted(AtomicUsize::new(0)));
    let (hand, source) = Hand::new();
    let woken = waker();
    let of = Waker::from(woken.clone());
    let mut end = Box::pin(source.publish_on(Eager::default(), 2).count());
    assert!(end.as_mut().poll(&mut Context::from_waker(&of)).is_pending());
    drop((end, of));
    assert_eq!(Arc::strong_count(&woken), 1, "of an end");
    drop(hand);

    let (hand, source) = Hand::new();
    let woken = waker();
    let of = Waker::from(woken.clone());
    let mut cursor = source.publish_on(Eager::default(), 2).cursor();
    let mut next = Box::pin(cursor.next());
    assert!(next.as_mut().poll(&mut Context::from_waker(&of)).is_pending());
    drop(next);
    drop((cursor, of));
    assert_eq!(Arc::strong_count(&woken), 1, "of a cursor");
    assert!(hand.is_cancelled());

    // The waker of a place in flight is the stage's own, and does not keep it.
    let executor = Seeded::new(0);
    let token = Arc::new(());
    let own = token.clone();
    let source = millstream::from_iter(0..3).map_async(executor.clone(), 2, move |_| {
        let token = own.clone();
        async move {
            std::future::pending::<()>().await;
            drop(token);
        }
    });
    let mut end = Box::pin(source.drain());
    assert!(end.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    executor.run_until_idle();
    assert_eq!(Arc::strong_count(&token), 4, "two futures, the function and this test");
    drop(end);
    executor.run_until_idle();
    assert_eq!(Arc::strong_count(&token), 1, "of futures in flight");
}

#[test]
fn row_89_the_older_inner_publisher_is_cancelled() {
    let mint = Mint::new();
    let hands = Hands::default();
    let (own, (outer, source)) = (hands.clone(), Hand::new());
    let probe = Probe::new().asking(More::UNBOUNDED).on(source.switch_map(2, move |_| own.make()));
    outer.send(mint.item(1));
    hands.with(0, |hand| hand.send(mint.item(10)));
    outer.send(mint.item(2));
    assert!(hands.with(0, Hand::is_cancelled), "as soon as the newer is there");
    hands.with(0, |hand| hand.send(mint.item(11)));
    hands.with(1, |hand| hand.send(mint.item(20)));
    assert_eq!(probe.take(), next([10, 20]));
    probe.cancel();
    assert!(hands.with(1, Hand::is_cancelled), "by cancellation");
    assert!(outer.is_cancelled());
    assert_eq!(mint.live(), 0);
}

thread_local!(static PANICKED: Cell<bool> = const { Cell::new(false) });

/// A future that is never ready; the first one panics when it is dropped.
struct Sore(Item);

impl Future for Sore {
    type Output = Item;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Item> {
        Poll::Pending
    }
}

impl Drop for Sore {
    fn drop(&mut self) {
        if self.0.0 == 1 && !PANICKED.replace(true) {
            std::panic::resume_unwind(Box::new("ouch"));
        }
    }
}

#[test]
fn row_90_a_future_that_panics_when_it_is_dropped_leaves_the_others_dropped_once() {
    for ending in [Never, Fail("broken")] {
        let mint = Mint::new();
        let probe = Probe::new().asking(More::UNBOUNDED).on(script(&mint, 0, 3, ending).map_async(
            Eager::default(),
            3,
            Sore,
        ));
        assert!(mint.live() >= 3, "in flight");
        PANICKED.set(false);
        probe.cancel();
        assert!(PANICKED.get(), "it was dropped");
        assert_eq!(mint.live(), 0);
        assert!(!probe.is_held());
    }
}

/// The same stream, which cannot be held in place.
#[derive(Clone)]
struct Pushed<P>(P);

impl<P: Publisher> Publisher for Pushed<P> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        self.0.subscribe(subscriber);
    }
}

/// Sources that are held in place are a shortcut: what is delayed must be delayed by it as well.
#[test]
fn row_53_errors_wait_for_the_items_of_others_whether_these_are_in_place_or_pushed() {
    fn ends<P: Publisher<Item = u32, Error = &'static str>>(sources: [P; 3]) -> (Vec<u32>, String) {
        let merged = millstream::merge_all_delay_error(sources, 2);
        let probe = testkit::probe(merged, Behaviour::new().initially(100));
        let mut items = probe.items();
        items.sort_unstable();
        (items, format!("{:?}", probe.end()))
    }
    let numbers = |from: u32, fails_at: u32| {
        millstream::range(from..from + 3)
            .try_map(move |n| if n == fails_at { Err("broken") } else { Ok(n) })
    };
    let sources = [numbers(0, 1), numbers(10, 10), numbers(20, 99)];
    let in_place = ends(sources.clone());
    assert_eq!(in_place, ends(sources.map(Pushed)));
    let failures = "Some(Failed(Failures([\"broken\", \"broken\"])))";
    assert_eq!(in_place, (vec![0, 20, 21, 22], failures.to_owned()));
}

#[test]
fn row_57_zip_is_complete_once_and_not_before_its_last_row() {
    let mint = Mint::new();
    let ((first, a), (second, b)) = (Hand::new(), Hand::new());
    let probe = Probe::new().on(a.zip(b, 2).map(|(a, _)| a));
    first.send(mint.item(1));
    first.end(End::Completed);
    second.send(mint.item(2));
    second.send(mint.item(3));
    assert_eq!(probe.take(), [], "a row waits for demand");
    probe.request(1);
    assert_eq!(probe.take(), next_then([1], Told::Complete));
    assert!(second.is_cancelled());
    second.end(End::Completed);
    assert_eq!(probe.take(), []);
    assert_eq!(mint.live(), 0);

    // An item that was taken to find out whether its source is over is one of the last row.
    type Both = fn(Boxed, Boxed) -> Boxed;
    let places: [Both; 2] = [
        |in_place, pushed| in_place.zip(pushed, 2).map(|(item, _)| item).boxed(),
        |in_place, pushed| pushed.zip(in_place, 2).map(|(_, item)| item).boxed(),
    ];
    for (n, both) in places.into_iter().enumerate() {
        let mint = Mint::new();
        let (hand, source) = Hand::new();
        let own = mint.clone();
        // Filtered: nobody knows whether there is one more without taking it.
        let in_place = millstream::from_iter((1..=2).map(move |n| own.item(n)).filter(|_| true));
        let probe = Probe::new().on(both(in_place.map_err(|never| match never {}).boxed(), source));
        probe.request(1);
        hand.send(mint.item(10));
        assert_eq!(probe.take(), next([1]), "{n}");
        hand.send(mint.item(20));
        hand.end(End::Completed);
        assert_eq!(probe.take(), [], "{n}: the last row waits for demand");
        probe.request(1);
        assert_eq!(probe.take(), next_then([2], Told::Complete), "{n}");
        assert_eq!(mint.live(), 0, "{n}");
    }
}

// ---- time, which is virtual ----------------------------------------------------------------

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn row_06_what_a_time_out_leaves_is_discarded_once_and_what_comes_after_it_too() {
    let mint = Mint::new();
    let time = VirtualTime::new(6);
    let (hand, source) = Hand::new();
    let discarded: Arc<Mutex<Vec<u32>>> = Arc::default();
    let told = discarded.clone();
    let timed = source
        .idle_timeout(time.clone(), 4, SECOND)
        .on_discard(move |item: Item| told.lock().unwrap().push(item.0));
    let handle = testkit::probe(timed, Behaviour::new());
    time.run_until_idle();
    hand.send(mint.item(1));
    hand.send(mint.item(2));
    // The timer fires, and before the task runs there is one more.
    time.run_until_idle();
    time.clock().advance(SECOND);
    hand.send(mint.item(3));
    time.run_until_idle();
    handle.assert_failed(&TimeoutError::Elapsed { after: SECOND });
    assert!(handle.items().is_empty());
    assert_eq!(*discarded.lock().unwrap(), [1, 2, 3]);
    assert!(hand.is_cancelled());
    hand.send(mint.item(4));
    assert_eq!(mint.live(), 0);
    assert_eq!(time.clock().timers(), 0);
}

/// Chunks of four that are cancelled where so many signals are wanted and at most so many items
/// were sent: the items that came, those that were discarded, and how many were sent.
fn cancelled<P: Publisher<Error = &'static str>>(
    (wanted, most, seed): (u64, u32, u64),
    items: fn(P::Item) -> Vec<u32>,
    stage: impl FnOnce(ChunksTimeout<Boxed, VirtualTime>) -> P,
) -> (Vec<u32>, Vec<u32>, u32) {
    let (mint, time) = (Mint::new(), VirtualTime::new(seed));
    let (hand, source) = Hand::new();
    let discarded: Arc<Mutex<Vec<u32>>> = Arc::default();
    let told = discarded.clone();
    let stream = stage(source.chunks_timeout(time.clone(), 3, 4, SECOND))
        .on_discard(move |item: Item| told.lock().unwrap().push(item.0));
    let (probe, handle) =
        testkit::Probe::recording(Behaviour::new().initially(wanted), items, |error| error);
    stream.subscribe(probe);
    time.run_until_idle();
    let (mut asked, mut sent) = (0, 0);
    loop {
        asked += hand.asked().iter().sum::<u64>();
        if u64::from(sent) == asked || sent == most {
            break;
        }
        hand.send(mint.item(sent));
        sent += 1;
        // Some chunks are complete by time.
        time.advance(if sent % 5 == 2 { SECOND } else { Duration::ZERO });
    }
    handle.cancel();
    time.run_until_idle();
    assert!(handle.delivered() <= wanted && hand.is_cancelled());
    assert_eq!((mint.live(), time.clock().timers()), (0, 0));
    let mut told = discarded.lock().unwrap().clone();
    told.sort_unstable();
    (handle.items().concat(), told, sent)
}

#[test]
fn row_07_chunks_are_discarded_wherever_they_are_at_a_cancellation() {
    let (mut open, mut apart) = (0, 0);
    let cases = (0..12).flat_map(|wanted| (0..20).map(move |most| (wanted, most)));
    for case in cases.map(|(wanted, most)| (wanted, most, u64::from(most) * wanted)) {
        let chunk = |chunk: Vec<Item>| chunk.iter().map(|item| item.0).collect();
        let (mut all, mut told, sent) = cancelled(case, chunk, |chunks| chunks);
        open += told.len();
        all.append(&mut told);
        assert_eq!(all, (0..sent).collect::<Vec<_>>(), "{case:?}");
        // Those of a chunk that is taken apart go with its iterator, and all others are told.
        let item = |item: Item| vec![item.0];
        let (came, told, sent) =
            cancelled(case, item, |chunks| chunks.concat_map_iter(|chunk| chunk));
        let first = told.first().copied().unwrap_or(sent) as usize;
        assert_eq!(came, (0..sent).take(came.len()).collect::<Vec<_>>(), "{case:?}");
        assert_eq!(told, (0..sent).skip(first).collect::<Vec<_>>(), "{case:?}");
        assert!(first - came.len() < 4, "{case:?}: {came:?} came, {told:?} were told");
        apart += first - came.len();
    }
    assert!(open > 0 && apart > 0, "chunks are cancelled while open, and while taken apart");
}

/// How long the chunk of three items is that is complete by time.
fn chunk_of_three<P: Publisher<Item = Vec<Item>, Error = &'static str>>(
    chunks: impl FnOnce(Boxed, VirtualTime) -> P,
) -> usize {
    let (mint, time) = (Mint::new(), VirtualTime::new(25));
    let (hand, source) = Hand::new();
    let chunks = chunks(source, time.clone()).map(|chunk: Vec<Item>| chunk.len());
    let handle = testkit::probe(chunks, Behaviour::new().initially(1));
    time.run_until_idle();
    assert_eq!(hand.asked(), [2], "its queue");
    for n in 0..3 {
        hand.send(mint.item(n));
        time.run_until_idle();
    }
    time.advance(SECOND);
    let lengths = handle.items();
    assert_eq!(lengths.len(), 1);
    handle.cancel();
    time.run_until_idle();
    assert_eq!(mint.live(), 0);
    lengths[0]
}

#[test]
fn row_25_chunks_of_any_size_ask_for_what_their_queue_takes() {
    for size in [usize::MAX, usize::MAX - 1, usize::MAX / 2 + 1, usize::MAX / 4 + 1, 1 << 31] {
        let by_count = chunk_of_three(|source, time| source.chunks_timeout(time, 2, size, SECOND));
        let by_cost = chunk_of_three(|source, time| {
            source.chunks_weighted_timeout(time, 2, size as u64, SECOND, |_| 1)
        });
        assert_eq!((by_count, by_cost), (3, 3), "{size} at a time");
    }
    // A cost beyond which nothing can be counted.
    let heavy = chunk_of_three(|source, time| {
        source.chunks_weighted_timeout(time, 2, u64::MAX, SECOND, |_| u64::MAX / 4)
    });
    assert_eq!(heavy, 3);
}

/// What is sent by somebody who keeps to what was asked for, wanted, and waited for.
#[derive(Debug, Clone, Copy)]
enum Act {
    Send(u64),
    Want(u64),
    Wait(u64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        (1_u64..5).prop_map(Act::Send),
        (1_u64..3).prop_map(Act::Want),
        (1_u64..4).prop_map(Act::Wait),
    ];
    prop::collection::vec(act, 0..60)
}

/// No request is of nothing, nothing comes that was not asked for, and no more is asked for than
/// what came down and `most` items.
fn demand_is_kept<P: Publisher<Item = usize, Error = &'static str>>(
    acts: &[Act],
    seed: u64,
    most: u64,
    operator: impl FnOnce(Boxed, VirtualTime) -> P,
) -> Result<(), TestCaseError> {
    let (mint, time) = (Mint::new(), VirtualTime::new(seed));
    let (hand, source) = Hand::new();
    let handle = testkit::probe(operator(source, time.clone()), Behaviour::new());
    time.run_until_idle();
    let (mut asked, mut sent, mut wanted) = (0, 0, 0);
    for act in acts {
        let grants = hand.asked();
        prop_assert!(!grants.contains(&0), "a request of nothing");
        asked += grants.iter().sum::<u64>();
        match *act {
            Act::Send(n) => {
                for _ in 0..n.min(asked - sent) {
                    hand.send(mint.item(0));
                    sent += 1;
                }
                time.run_until_idle();
            }
            Act::Want(n) => {
                wanted += n;
                handle.request(n);
                time.run_until_idle();
            }
            Act::Wait(seconds) => {
                time.advance(SECOND * u32::try_from(seconds).expect("a few"));
            }
        }
        asked += hand.asked().iter().sum::<u64>();
        prop_assert!(handle.delivered() <= wanted, "not asked for");
        let came: usize = handle.items().iter().sum();
        prop_assert!(asked <= came as u64 + most, "{asked} asked for, and {came} came");
        prop_assert!(handle.violations().is_empty());
    }
    handle.cancel();
    time.run_until_idle();
    prop_assert_eq!((mint.live(), time.clock().timers()), (0, 0));
    Ok(())
}

proptest! {
    #[test]
    fn row_26_to_29_no_time_sends_or_asks_for_what_nobody_wants(
        acts in acts(), seed: u64, prefetch in 1_usize..4, size in 1_usize..5,
    ) {
        let queue = prefetch as u64;
        demand_is_kept(&acts, seed, queue + size as u64, |source, time| {
            source.chunks_timeout(time, prefetch, size, SECOND * 2).map(|chunk| chunk.len())
        })?;
        demand_is_kept(&acts, seed, queue + size as u64 + 1, |source, time| {
            let chunks =
                source.chunks_weighted_timeout(time, prefetch, size as u64, SECOND * 2, |_| 1);
            chunks.map(|chunk| chunk.len())
        })?;
        demand_is_kept(&acts, seed, queue + 1, |source, time| {
            source.throttle(time, prefetch, Rate::per_second(1)).map(|_| 1)
        })?;
        demand_is_kept(&acts, seed, queue + 1, |source, time| {
            source.delay_each(time, prefetch, SECOND).map(|_| 1)
        })?;
        demand_is_kept(&acts, seed, queue, |source, time| {
            source.delay(time, prefetch, SECOND).map(|_| 1)
        })?;
        // Its own queue and the open window have the same size.
        demand_is_kept(&acts, seed, 2 * size as u64, |source, time| {
            source.window_timeout(time, size, SECOND * 2).concat_map(|window| window).map(|_| 1)
        })?;
    }
}

fn no_error(never: std::convert::Infallible) -> &'static str {
    match never {}
}

#[test]
fn row_69_a_signal_of_many_items_begins_one_attempt_and_never_two_at_a_time() {
    const ROUNDS: usize = 5;
    for seed in 0..200_usize {
        let executor = Seeded::new(seed as u64);
        let begun = Arc::new(AtomicUsize::new(0));
        let running = Arc::new(AtomicUsize::new(0));
        // Every other attempt fails.
        let upstream = {
            let (begun, executor) = (begun.clone(), executor.clone());
            millstream::defer(move || {
                let fails = begun.fetch_add(1, Ordering::SeqCst) % 2 == 1;
                assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0, "two at a time");
                let values = (0..if fails { 3 } else { 2 }).collect::<Vec<u32>>();
                millstream::from_iter(values)
                    .map_err(no_error)
                    .try_map(|n| if n == 2 { Err("x") } else { Ok(n) })
                    .publish_on(executor, 1)
                    .inspect_end(move |_| {
                        running.fetch_sub(1, Ordering::SeqCst);
                    })
            })
        };
        // Each signal has three items, and sends them on a task of its own.
        let signal = {
            let executor = executor.clone();
            move || {
                let items = millstream::range(0..3_u32).map_err(no_error);
                items.publish_on(executor.clone(), 2)
            }
        };
        let (mut left, again) = (ROUNDS, signal.clone());
        let attempts = upstream.retry_when(move |_: &&str| Some(signal())).repeat_when(move || {
            left = left.checked_sub(1)?;
            Some(again())
        });
        let handle = testkit::probe(attempts, Behaviour::new());
        for step in 0..1_000 {
            handle.request(1);
            let _ = (0..(seed + step) % 4).all(|_| executor.step());
        }
        executor.run_until_idle();
        handle.assert_completed();
        assert_eq!(handle.items(), [0, 1].repeat(1 + 2 * ROUNDS));
        assert_eq!(begun.load(Ordering::SeqCst), 1 + 2 * ROUNDS);
        assert_eq!(executor.tasks(), 0);
    }
}

/// How the stream of [`leaves_no_timer`] ends.
#[derive(Debug, Clone, Copy)]
enum Over {
    Completes,
    Fails,
    Cancelled,
    /// Time passes until nothing is set any more, and then it is cancelled.
    Late,
}

fn leaves_no_timer<P: Publisher>(name: &str, operator: impl Fn(Boxed, VirtualTime) -> P) {
    let mut set = 0;
    for over in [Over::Completes, Over::Fails, Over::Cancelled, Over::Late] {
        for items in 0..3 {
            for wanted in 0..3 {
                let (mint, time) = (Mint::new(), VirtualTime::new(86));
                let (hand, source) = Hand::new();
                let stream = operator(source, time.clone()).map(drop).map_err(drop);
                let handle = testkit::probe(stream, Behaviour::new().initially(wanted));
                time.run_until_idle();
                (0..items).for_each(|n| hand.send(mint.item(n)));
                time.run_until_idle();
                set = set.max(time.clock().timers());
                if hand.asked().is_empty() {
                    // It is subscribed to later.
                    time.advance(SECOND);
                }
                match over {
                    Over::Completes => hand.end(End::Completed),
                    Over::Fails => hand.end(End::Failed("x")),
                    Over::Cancelled => handle.cancel(),
                    Over::Late => {
                        time.advance(SECOND * 100);
                        handle.cancel();
                    }
                }
                time.run_until_idle();
                // What is held is asked for, or waits for its time.
                handle.request(9);
                time.advance(SECOND * 100);
                let seen = (time.clock().timers(), time.executor().tasks(), mint.live());
                assert_eq!(seen, (0, 0, 0), "{name}, {over:?}, {items} items, {wanted} wanted");
            }
        }
    }
    assert!(set > 0, "{name} sets no timer");
    assert!(set < 3, "{name} sets {set} timers");
}

#[test]
fn row_86_no_timer_outlives_its_stream() {
    macro_rules! operators {
        ($($name:ident($($rest:expr),*),)*) => {
            $(leaves_no_timer(stringify!($name), |source, time| source.$name(time, $($rest),*));)*
        };
    }
    operators! {
        timeout(2, SECOND),
        timeout_first(2, SECOND),
        idle_timeout(2, SECOND),
        completion_timeout(2, SECOND),
        backpressure_timeout(2, SECOND),
        take_within(2, SECOND),
        debounce(2, SECOND),
        sample(2, SECOND),
        throttle(2, Rate::per_second(1)),
        delay(2, SECOND),
        delay_each(2, SECOND),
        delay_subscription(2, SECOND),
        chunks_timeout(2, 2, SECOND),
        chunks_weighted_timeout(2, 2, SECOND, |_| 1),
        window_timeout(2, SECOND),
        aggregate_with_boundary(
            2,
            || 0_u32,
            |count, _| {
                *count += 1;
                Boundary::Within(SECOND)
            },
            |count| count
        ),
    }
}

#[test]
fn row_86_a_hundred_thousand_waits_set_one_timer_at_a_time() {
    let time = VirtualTime::new(86);
    let (sender, items) = millstream::channel::<u32>(1);
    let handle = testkit::Probe::recording(
        Behaviour::new().initially(u64::MAX),
        |_: u32| (),
        |error: TimeoutError<std::convert::Infallible>| error,
    );
    let (probe, handle) = handle;
    items.timeout(time.clone(), 1, SECOND).subscribe(probe);
    time.run_until_idle();
    for n in 0..100_000 {
        assert_eq!(time.clock().timers(), 1);
        sender.try_send(n).expect("it is empty");
        time.run_until_idle();
    }
    assert_eq!(handle.delivered(), 100_000);
    drop(sender);
    time.run_until_idle();
    assert!(handle.is_ended());
    assert_eq!((time.clock().timers(), time.executor().tasks()), (0, 0));
}
