//! Claims of `merge`, `flat_map_unordered` and `zip` where all that they join is synchronous: it is
//! held in place and takes turns; and of groups that are read in place.

use std::collections::BTreeMap;
use std::convert::{Infallible, identity};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::{Ending, Mint, Number, Probe, Told, next, next_then, script};
use millstream::fan_out::Stalled;
use millstream::prelude::*;
use millstream::{Context, More, Publisher, Pull, Pulled, Subscriber};
use millstream_core::Supply;
use millstream_testkit::VirtualTime;

use Ending::{Complete, Fail};

fn all<T: Send + 'static>(publisher: impl Publisher<Item = T, Error = Infallible>) -> Vec<T> {
    publisher.collect::<Vec<_>>().block().expect("it cannot fail")
}

fn counts(items: Vec<u64>) -> BTreeMap<u64, usize> {
    let mut counts = BTreeMap::new();
    for item in items {
        *counts.entry(item).or_default() += 1;
    }
    counts
}

#[test]
fn merged_sources_without_end_all_get_turns_and_equal_shares() {
    let sources = (0..4).map(millstream::repeat_value);
    let items = all(millstream::merge_all(sources, 16).take(4 * 4096));
    assert_eq!(counts(items), (0..4).map(|n| (n, 4096)).collect());
}

#[test]
fn merged_sources_keep_their_order_and_lose_nothing() {
    for sizes in [[0, 0, 0], [1, 0, 700], [255, 256, 257], [1023, 1024, 1025], [3000, 10, 700]] {
        let sources = sizes.map(|size| millstream::from_iter(0..size));
        let items = all(millstream::merge_all(
            sources.into_iter().enumerate().map(|(n, source)| source.map(move |item| (n, item))),
            16,
        ));
        for (n, size) in sizes.into_iter().enumerate() {
            let own: Vec<_> = items.iter().filter(|item| item.0 == n).map(|item| item.1).collect();
            assert_eq!(own, (0..size).collect::<Vec<_>>());
        }
    }
}

#[test]
fn inner_publishers_without_end_do_not_keep_new_ones_from_their_turns() {
    // The first of each limit has no end; the others are over at once.
    let inner = |n: u64| millstream::repeat_value(n).take(if n == 0 { u64::MAX } else { 1 });
    let items = all(millstream::from_iter(0..).flat_map_unordered(2, 16, inner).take(20_000));
    let counts = counts(items);
    let new = counts.len() - 1;
    assert!(new >= 5, "{new} new ones had a turn");
    assert!(counts[&0] > 16_000, "one had {} items", counts[&0]);
}

#[test]
fn new_inner_publishers_do_not_keep_one_that_waits_from_its_turns() {
    let inner = |n: u64| millstream::repeat_value(n).take(if n == 0 { 4000 } else { 3 });
    let items = all(millstream::from_iter(0..2000).flat_map_unordered(8, 16, inner));
    let last = items.iter().rposition(|&item| item == 0).expect("it sent items");
    assert_eq!(items.len(), 4000 + 3 * 1999);
    assert!(last < 4100, "the first is over after {last} items, although it waits for its turns");
}

#[test]
fn no_more_inner_publishers_are_taken_on_than_the_limit() {
    let items = all(millstream::from_iter(0..100)
        .flat_map_unordered(3, 16, millstream::repeat_value)
        .take(10_000));
    assert_eq!(counts(items).into_keys().collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn inner_publishers_without_items_leave_room_for_a_cancellation() {
    let (send, receive) = std::sync::mpsc::channel();
    let probe = Probe::new().asking(More::UNBOUNDED);
    let stop = probe.clone();
    let mut looked = 0;
    let empty = millstream::from_iter(0..).flat_map_unordered(4, 16, move |n: u64| {
        looked += 1;
        if n == 100 {
            stop.cancel();
        }
        send.send(looked).expect("the test is there");
        millstream::from_iter(0..0)
    });
    let probe = probe.on(empty);
    assert_eq!(probe.take(), []);
    assert_eq!(receive.iter().last(), Some(101), "it went on after the cancellation");
}

#[test]
fn an_end_in_place_needs_no_demand() {
    let none = millstream::from_iter(0..0);
    let probe = Probe::new().on(millstream::merge_all([none.clone(), none.clone()], 1));
    assert_eq!(probe.take(), [Told::Complete]);
    let probe = Probe::new()
        .on(millstream::from_iter(0..3).flat_map_unordered(2, 1, |_| millstream::from_iter(0..0)));
    assert_eq!(probe.take(), [Told::Complete]);
    let probe = Probe::new().on(millstream::from_iter(0..3).zip(none, 1).map(|(first, _)| first));
    assert_eq!(probe.take(), [Told::Complete]);
}

#[test]
fn a_failure_in_place_comes_after_what_that_source_sent() {
    let mint = Mint::new();
    let probe = Probe::new().asking(More::UNBOUNDED).on(millstream::merge_all(
        [script(&mint, 0, 2, Fail("x")), script(&mint, 10, 2, Complete)],
        1,
    ));
    assert_eq!(probe.take(), next_then([1, 2], Told::Error("\"x\"".into())));
    drop(probe);
    assert_eq!(mint.live(), 0);
}

#[test]
fn items_that_wait_for_a_partner_in_place_are_discarded_once() {
    // The second source skips while the first waits, and is over first.
    let mint = Mint::new();
    let few = script(&mint, 10, 5, Complete).filter(|item| item.0 == 12);
    let probe = Probe::new()
        .asking(More::UNBOUNDED)
        .on(script(&mint, 0, 5, Complete).zip(few, 1).map(|(first, _)| first));
    assert_eq!(probe.take(), next_then([1], Told::Complete));
    drop(probe);
    assert_eq!(mint.live(), 0);
}

#[test]
fn eight_in_place_come_abreast() {
    let from = |n: u64| millstream::from_iter(n..);
    let rows = millstream::zip(
        (from(0), from(1), from(2), from(3), from(4), from(5), from(6), from(7).take(2)),
        1,
    );
    assert_eq!(all(rows), [(0, 1, 2, 3, 4, 5, 6, 7), (1, 2, 3, 4, 5, 6, 7, 8)]);
}

#[test]
fn demand_of_one_at_a_time_takes_turns_as_well() {
    let sources = [millstream::from_iter(0..2), millstream::from_iter(10..12)];
    let probe = Probe::new().on(millstream::merge_all(sources, 1));
    for expected in [0, 1, 10, 11] {
        probe.request(1);
        let got = probe.take();
        assert_eq!(got[0], next([expected])[0]);
    }
}

/// A chain of stages gives the same whether it is pushed or pulled in place, whole or in part.
#[test]
fn a_chain_in_place_gives_what_it_gives_when_it_is_pushed() {
    fn same<P>(name: &str, chain: impl Fn() -> P)
    where
        P: Publisher<Item = u64, Error = Infallible>,
    {
        let pulled = || millstream::merge_all([chain().boxed()], 1).boxed();
        by_demand(name, all(chain().boxed()), &pulled);
    }
    /// The same where the chain is in one piece with what pulls it.
    fn same_in_one_piece<P>(name: &str, chain: impl Fn() -> P)
    where
        P: Publisher<Item = u64, Error = Infallible>,
    {
        by_demand(name, all(chain()), &|| millstream::merge_all([chain()], 1).boxed());
    }
    /// What pulls, or subscribes, is compiled once for all that is in boxes.
    fn by_demand(
        name: &str,
        pushed: Vec<u64>,
        pulled: &dyn Fn() -> millstream::BoxPublisher<u64, Infallible>,
    ) {
        assert_eq!(all(pulled()), pushed, "{name}, whole");
        for n in 0..=pushed.len() {
            let part = all(pulled().take(n as u64));
            assert_eq!(part, pushed[..n], "{name}, the first {n}");
        }
        let probe = Probe::new().on(pulled().map(|item| item as u32));
        let mut told = Vec::new();
        for _ in 0..=pushed.len() {
            probe.request(1);
            told.extend(probe.take());
        }
        let items = pushed.iter().map(|&item| item as u32);
        assert_eq!(told, next_then(items, Told::Complete), "{name}, one by one");
    }
    let source = || millstream::from_iter(0..20u64);
    same("map", || source().map(|n| n * 2));
    same("filter", || source().filter(|n| n % 3 == 1));
    same("filter all", || source().filter(|_| false));
    same("take", || source().take(7).map(|n| n + 1));
    same("take none", || source().take(0));
    same("take_while", || source().take_while(|n| *n < 9));
    same("take_through", || source().take_through(|n| *n == 9));
    same("skip", || source().skip(5).skip_last(3));
    same("start_with", || source().start_with([100, 101]).filter(|n| n % 2 == 1));
    same("default", || source().filter(|_| false).default_if_empty(3));
    same("take_last", || source().take_last(4).map(|n| n + 1));
    same("scan", || source().scan(0, |sum, n| Some(*sum + n)).step_by(3));
    same("chunks", || source().chunks(3).map(|chunk| chunk.len() as u64));
    same_in_one_piece("one", || source().take_last(4).map(|n| n + 1));
    same_in_one_piece("all", || {
        source().skip(1).filter(|n| n % 2 == 0).map(|n| n * 3).take(5).step_by(2)
    });
}

/// Items that come past the queues of their groups keep the order of upstream; through the queues,
/// several of a group come at a time.
#[test]
fn groups_in_place_are_handed_their_items_in_the_order_of_upstream() {
    let items = all(millstream::from_iter(0..5000_u64)
        .group_by(8, 64, Stalled::Fail, |n| n % 8)
        .flat_map_unordered(8, 16, |group| group.map(|n| n)));
    // Groups are on their way to the reader while the first items come.
    let first = items.iter().rposition(|&n| n < 16).expect("all came");
    assert!(first < 200, "{first} items until all groups were in place");
    let rest = &items[first + 1..];
    assert!(rest.is_sorted(), "some went through a queue: {:?}", unsorted(rest));
}

/// Where two neighbours are in the wrong order.
fn unsorted(items: &[u64]) -> Option<&[u64]> {
    items.windows(2).find(|pair| pair[0] > pair[1])
}

#[test]
fn a_group_in_place_that_had_enough_makes_room_at_once() {
    // One group at a time: each is over with its third item, and the next waits for its place.
    let groups = millstream::from_iter(0..3000_u64)
        .group_by(1, 4, Stalled::Wait, |n| n / 3)
        .flat_map_unordered(1, 16, |group| group.take(3).map(|n| n as u32));
    let probe = Probe::new().asking(More::UNBOUNDED).on(groups);
    assert_eq!(probe.take(), next_then(0..3000, Told::Complete));
}

/// Counts what comes from a publisher in place past its queue.
struct Counted<P> {
    inner: P,
    handed: Arc<AtomicUsize>,
}

impl<P: Publisher> Publisher for Counted<P> {
    type Item = P::Item;
    type Error = P::Error;
    const HOSTED: bool = P::HOSTED;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        self.inner.subscribe(subscriber);
    }

    fn into_pull(
        self,
        context: Context,
    ) -> Result<impl Pull<Item = P::Item, Error = P::Error>, Self> {
        let Counted { inner, handed } = self;
        match inner.into_pull(context) {
            Ok(inner) => Ok(Counted { inner, handed }),
            Err(inner) => Err(Counted { inner, handed }),
        }
    }
}

impl<P: Pull> Pull for Counted<P> {
    type Item = P::Item;
    type Error = P::Error;

    fn pull(&mut self) -> Pulled<P::Item, P::Error> {
        self.inner.pull()
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<P::Item, P::Error> {
        self.inner.look_ahead(started)
    }

    fn pull_handed(
        &mut self,
        to: usize,
        supply: &mut impl Supply,
        mut each: impl FnMut(P::Item) -> bool,
    ) -> Pulled<P::Item, P::Error> {
        let Counted { inner, handed } = self;
        inner.pull_handed(to, supply, |item| {
            handed.fetch_add(1, Ordering::Relaxed);
            each(item)
        })
    }
}

/// 10,000 items, by a pipeline that is given what counts how many of them come past a queue: those.
fn handed<P: Publisher<Item = u64>>(pipeline: impl FnOnce(Arc<AtomicUsize>) -> P) -> usize
where
    P::Error: std::fmt::Debug,
{
    let handed = Arc::default();
    let mut items = pipeline(Arc::clone(&handed)).collect::<Vec<_>>().block().unwrap();
    items.sort_unstable();
    assert_eq!(items, (0..10_000).collect::<Vec<_>>());
    handed.load(Ordering::Relaxed)
}

/// What counts inner publishers.
fn counting<P>(handed: Arc<AtomicUsize>) -> impl FnMut(P) -> Counted<P> {
    move |inner| Counted { inner, handed: handed.clone() }
}

#[test]
fn windows_in_place_are_handed_all_but_their_first_items() {
    let source = || millstream::from_iter(0..10_000_u64);
    let one_by_one = handed(|handed| source().window(100).concat_map(counting(handed)));
    assert_eq!(one_by_one, 10_000 - 100);
    let several = handed(|handed| source().window(100).flat_map_unordered(4, 16, counting(handed)));
    assert_eq!(several, 10_000 - 100);
    let until =
        handed(|handed| source().window_until(1000, |n| n % 10 == 9).concat_map(counting(handed)));
    assert_eq!(until, 10_000 - 1000);
    let of_a_key =
        handed(|handed| source().window_by_key(1000, |n| n / 10).concat_map(counting(handed)));
    assert_eq!(of_a_key, 10_000 - 1000);
    let while_true =
        handed(|handed| source().window_while(50, |_| true).concat_map(counting(handed)));
    assert_eq!(while_true, 10_000 - 200);
}

/// The time comes while the host is busy with items, and is looked at after each.
#[test]
fn windows_in_place_that_a_time_completes_are_handed_their_items() {
    let time = VirtualTime::new(1);
    let clock = time.clone();
    let source = millstream::from_iter(0..10_000_u64)
        .inspect(move |_| clock.clock().advance(Duration::from_millis(1)));
    let within = Duration::from_millis(9);
    // The first of each, and what comes in nine milliseconds more.
    let handed = handed(|handed| {
        source.window_timeout(time.clone(), 100, within).concat_map(counting(handed))
    });
    assert_eq!(handed, 10_000 - 1000);
    assert_eq!(time.clock().timers(), 0);
}

/// A run of items goes on where a stage below gives none.
#[test]
fn windows_in_place_are_filtered_in_runs() {
    let windows = millstream::from_iter(0..10_000_u64).window(100);
    let handed = Arc::new(AtomicUsize::new(0));
    let mut counted = counting(handed.clone());
    let some = all(windows.concat_map(move |window| counted(window).filter(|n| n % 7 == 0)));
    assert_eq!(some, (0..10_000).filter(|n| n % 7 == 0).collect::<Vec<_>>());
    assert_eq!(handed.load(Ordering::Relaxed), 10_000 - 100);
}

#[test]
fn a_panic_below_a_window_in_place_is_no_affair_of_upstream() {
    let mint = Mint::new();
    let windows = script(&mint, 0, 1000, Complete)
        .window(10)
        .concat_map(|window| window.inspect(|item| assert_ne!(item.number(), 15, "ouch")));
    let probe = Probe::new().on(windows);
    probe.request(99);
    let told = probe.take();
    assert_eq!(told[..14], next(1..15));
    assert!(matches!(told[14..], [Told::Fault(_)]), "{:?}", &told[14..]);
    assert!(!probe.is_held());
    assert_eq!(mint.live(), 0);
}

#[test]
fn groups_in_place_are_handed_all_but_what_came_while_they_were_opened() {
    let groups = millstream::from_iter(0..10_000_u64).group_by(64, 16, Stalled::Fail, |n| n % 64);
    let handed = handed(|handed| groups.flat_map_unordered(64, 16, counting(handed)));
    assert!(handed > 9_800, "{handed} were handed");
}

/// Who looks counts what is in queues: nothing goes past them.
#[test]
fn nothing_is_handed_where_somebody_looks() {
    let board = millstream::Board::new(16);
    let windows = millstream::from_iter(0..10_000_u64).window(100);
    let handed =
        handed(|handed| windows.flat_map_unordered(2, 16, counting(handed)).observed(&board));
    assert_eq!(handed, 0);
}

#[test]
fn a_window_in_place_that_is_left_early_is_counted_on() {
    let items =
        all(millstream::from_iter(0..1000_u64).window(100).concat_map(|window| window.take(2)));
    assert_eq!(items, (0..10).flat_map(|n| [n * 100, n * 100 + 1]).collect::<Vec<_>>());
}

#[test]
fn windows_in_place_take_no_more_of_upstream_than_is_asked_for() {
    let mint = Mint::new();
    let taken = Arc::new(AtomicUsize::new(0));
    let seen = taken.clone();
    let windows = script(&mint, 0, 1000, Complete)
        .inspect(move |_| {
            let _ = seen.fetch_add(1, Ordering::Relaxed);
        })
        .window(10)
        .concat_map(identity);
    let probe = Probe::new().on(windows);
    for asked in 1..=35 {
        probe.request(1);
        assert_eq!(probe.take(), next([asked]));
        assert_eq!(taken.load(Ordering::Relaxed), asked as usize);
    }
    probe.cancel();
    assert!(!probe.is_held());
    assert_eq!(mint.live(), 0);
}

/// What each of the requests for `step` items brought, until all is told or nothing comes any more.
fn told_by<P>(step: u64, publisher: P) -> Vec<Vec<Told>>
where
    P: Publisher<Item = u32, Error: std::fmt::Debug>,
{
    let probe = Probe::new().on(publisher);
    let mut told = Vec::new();
    loop {
        probe.request(step);
        let brought = probe.take();
        let goes_on = matches!(brought.last(), Some(Told::Next(_)));
        told.push(brought);
        if !goes_on {
            break;
        }
    }
    probe.cancel();
    assert!(!probe.is_held());
    told
}

/// The demands under which what is handed is compared with what comes by the queue, where somebody
/// looks: each request brings as many items, and the end comes with the same one. All in all they are
/// the same items. Those are given, in order.
fn as_by_the_queue<P>(name: &str, pipeline: impl Fn() -> P) -> Vec<u32>
where
    P: Publisher<Item = u32, Error = Infallible>,
{
    // It is in one piece above the box, and compiled once for whoever is below.
    compared(name, &|| pipeline().boxed())
}

fn compared(
    name: &str,
    pipeline: &dyn Fn() -> millstream::BoxPublisher<u32, Infallible>,
) -> Vec<u32> {
    let mut items = Vec::new();
    for step in [1, 2, 3, 7, u64::MAX] {
        let handed = told_by(step, pipeline());
        let queued = told_by(step, pipeline().observed(&millstream::Board::new(64)));
        let (mut those, mut others) = (items_of(&handed), items_of(&queued));
        those.sort_unstable();
        others.sort_unstable();
        assert_eq!(those, others, "{name}, {step} at a time");
        assert_eq!(lengths(&handed), lengths(&queued), "{name}, {step} at a time");
        assert_eq!(
            handed.last().unwrap().last(),
            Some(&Told::Complete),
            "{name}, {step} at a time"
        );
        items = those;
    }
    items
}

fn items_of(told: &[Vec<Told>]) -> Vec<u32> {
    let item = |told: &Told| if let Told::Next(item) = told { Some(*item) } else { None };
    told.iter().flatten().filter_map(item).collect()
}

/// How many items each request brought, and whether the end came with them.
fn lengths(told: &[Vec<Told>]) -> Vec<(usize, bool)> {
    let ends = |told: &Told| !matches!(told, Told::Next(_));
    told.iter().map(|told| (told.len(), told.last().is_some_and(ends))).collect()
}

/// The place of a group that is over with the item that uses the demand up is free for another:
/// nothing comes for that group any more.
#[test]
fn groups_in_place_that_have_enough_with_the_last_that_was_asked_for_make_room() {
    for size in 1..=6 {
        for places in [1, 2, 3] {
            let name = format!("{size} in {places} places");
            let items = as_by_the_queue(&name, || {
                millstream::from_iter(0..60_u32)
                    .group_by(4, 6, Stalled::Wait, move |n| n / size)
                    .flat_map_unordered(places, 4, move |group| group.take(u64::from(size)))
            });
            assert_eq!(items, (0..60).collect::<Vec<_>>(), "{name}");
        }
    }
}

/// Nothing is behind the last item that is wanted: else its end would take one more of upstream.
#[test]
fn windows_in_place_that_have_enough_with_the_last_that_was_asked_for_make_room() {
    for size in [1, 2, 3, 10] {
        for enough in 1..=size.min(4) {
            let name = format!("{enough} of {size}");
            let windows = move || millstream::from_iter(0..5 * size + enough).window(size as usize);
            let expected: Vec<_> = (0..5 * size + enough).filter(|n| n % size < enough).collect();
            let enough = u64::from(enough);
            let one = || windows().concat_map(move |window| window.take(enough));
            assert_eq!(as_by_the_queue(&name, one), expected, "{name}");
            let name = format!("{name} in two places");
            let two = || windows().flat_map_unordered(2, 4, move |window| window.take(enough));
            assert_eq!(as_by_the_queue(&name, two), expected, "{name}");
        }
    }
}

/// One after another they are on their way to the host, which takes one at a time.
#[test]
fn windows_of_one_item_come_to_several_places() {
    for places in 1..=4 {
        let windows = || millstream::from_iter(0..50_u32).window(1);
        let ones = || windows().flat_map_unordered(places, 4, |window| window.map(|n| n));
        let items = as_by_the_queue(&format!("{places} places"), ones);
        assert_eq!(items, (0..50).collect::<Vec<_>>());
        let cut = || millstream::from_iter(0..50_u32).window_until(4, |n| n % 3 > 0);
        let cut = || cut().flat_map_unordered(places, 4, |window| window.map(|n| n));
        let items = as_by_the_queue(&format!("{places} places, cut"), cut);
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }
}

/// What is left of a group that is over.
#[test]
fn all_that_is_left_at_the_end_of_what_is_in_place_is_given() {
    let groups = || millstream::from_iter(0..60_u32).group_by(4, 4, Stalled::Wait, |n| n / 5);
    let windows = || millstream::from_iter(0..60_u32).window(10);
    let last = as_by_the_queue("groups", || {
        groups().flat_map_unordered(2, 4, |group| group.take(5).take_last(3))
    });
    assert_eq!(last, (0..60).filter(|n| n % 5 > 1).collect::<Vec<_>>());
    let last =
        as_by_the_queue("windows", || windows().concat_map(|window| window.take(5).take_last(3)));
    assert_eq!(last, (0..60).filter(|n| (2..5).contains(&(n % 10))).collect::<Vec<_>>());
    let chunks = as_by_the_queue("chunks of groups", || {
        groups().flat_map_unordered(2, 4, |group| group.take(5).chunks(2).map(|chunk| chunk[0]))
    });
    assert_eq!(chunks, (0..60).filter(|n| [0, 2, 4].contains(&(n % 5))).collect::<Vec<_>>());
    let chunks = as_by_the_queue("chunks of windows", || {
        windows().concat_map(|window| window.take(3).chunks(2).map(|chunk| chunk[0]))
    });
    assert_eq!(chunks, (0..60).filter(|n| [0, 2].contains(&(n % 10))).collect::<Vec<_>>());
}

#[test]
fn chunks_of_what_is_in_place_come_as_by_the_queue() {
    let groups = || millstream::from_iter(0..200_u32).group_by(8, 8, Stalled::Wait, |n| n % 5);
    let windows = || millstream::from_iter(0..200_u32).window(10);
    let weight = |n: &u32| if n % 4 == 3 { 10 } else { 3 };
    let sums = |chunk: Vec<u32>| chunk.into_iter().sum::<u32>();
    as_by_the_queue("weighted, of groups", || {
        groups().flat_map_unordered(5, 4, move |group| group.chunks_weighted(10, weight).map(sums))
    });
    as_by_the_queue("weighted, of windows", || {
        windows().concat_map(move |window| window.chunks_weighted(10, weight).map(sums))
    });
    as_by_the_queue("until, of groups", || {
        groups()
            .flat_map_unordered(5, 4, move |group| group.chunk_until(3, |n| n % 3 == 0).map(sums))
    });
    as_by_the_queue("by key, of windows", || {
        windows().concat_map(move |window| window.chunk_by_key(3, |n| n / 4).map(sums))
    });
}

/// An item that is a chunk of its own completes the one before it as well: both come at once, although
/// no other comes for that group.
#[test]
fn both_chunks_that_an_item_completes_are_given_before_upstream_goes_on() {
    for step in [1, 2, 3, u64::MAX] {
        let taken = Arc::new(AtomicUsize::new(0));
        let (counts, seen) = (taken.clone(), taken);
        // The first group has the items until 30 that are even.
        let groups = millstream::from_iter(0..2000_u32)
            .inspect(move |_| {
                counts.fetch_add(1, Ordering::Relaxed);
            })
            .group_by(2, 16, Stalled::Wait, |n| *n < 30 && n % 2 == 0);
        let chunks = groups.flat_map_unordered(2, 4, move |group| {
            let seen = seen.clone();
            group.chunks_weighted(10, |n| if *n == 28 { 10 } else { 1 }).map(move |chunk| {
                let late = seen.load(Ordering::Relaxed) - 1 - chunk[chunk.len() - 1] as usize;
                if chunk[0] % 2 == 0 && chunk[0] < 30 { late as u32 } else { 0 }
            })
        });
        let late = items_of(&told_by(step, chunks));
        assert!(late.iter().all(|late| *late <= 16), "{step} at a time: {late:?}");
    }
}

/// A publisher by hand around another: it cannot be pulled.
struct Pushing<P>(P);

impl<P: Publisher> Publisher for Pushing<P> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        self.0.subscribe(subscriber);
    }
}

#[test]
fn boxed_sources_take_turns_as_what_is_inside_does() {
    for sizes in [[0, 0, 0], [1, 0, 700], [1023, 1024, 1025], [3000, 10, 700]] {
        let source = |size: u64| millstream::from_iter(0..size).map(|n| n + 1);
        let plain = all(millstream::merge_all(sizes.map(source), 16));
        let boxed = sizes.map(|size| source(size).boxed());
        assert_eq!(all(millstream::merge_all(boxed, 16)), plain, "{sizes:?}");
        let cloned = sizes.map(|size| source(size).boxed_clone().clone());
        assert_eq!(all(millstream::merge_all(cloned, 16)), plain, "{sizes:?}");
        let stages = sizes.map(|size| source(size).boxed().map(|n| n));
        assert_eq!(all(millstream::merge_all(stages, 16)), plain, "{sizes:?}");
    }
}

#[test]
fn boxes_of_which_one_can_only_push_keep_their_order_and_lose_nothing() {
    for pushes in 0..3 {
        let source = move |n: u64| {
            let source = millstream::from_iter(0..700 * n + 5).map(move |item| (n, item));
            if n == pushes { Pushing(source).boxed() } else { source.boxed() }
        };
        let items = all(millstream::merge_all((0..3).map(source), 16));
        let inner = all(millstream::from_iter(0..3_u64).flat_map_unordered(2, 16, source));
        let switched = all(millstream::just(0).switch_map(16, move |_: u64| source(2)));
        let zipped = all(millstream::zip((source(1), source(2), source(0)), 16));
        assert_eq!(items.len(), 15 + 700 + 1400);
        for n in 0..3 {
            let own = |items: &[(u64, u64)]| -> Vec<u64> {
                items.iter().filter(|item| item.0 == n).map(|item| item.1).collect()
            };
            assert_eq!(own(&items), (0..700 * n + 5).collect::<Vec<_>>(), "merged, {pushes}");
            assert_eq!(own(&inner), (0..700 * n + 5).collect::<Vec<_>>(), "flattened, {pushes}");
        }
        assert_eq!(switched, (0..1405).map(|item| (2, item)).collect::<Vec<_>>());
        assert_eq!(zipped, (0..5).map(|n| ((1, n), (2, n), (0, n))).collect::<Vec<_>>());
    }
}

/// What is in a box is asked for no item more than is wanted, whatever the queue would hold.
#[test]
fn nothing_is_taken_ahead_from_a_box() {
    type Inner = millstream::BoxPublisher<u32, Infallible>;
    fn check<P>(name: &str, each: usize, stage: impl FnOnce(Box<dyn Fn() -> Inner + Send>) -> P)
    where
        P: Publisher<Item = u32, Error = Infallible>,
    {
        let taken = Arc::new(AtomicUsize::new(0));
        let counts = taken.clone();
        let probe = Probe::new().on(stage(Box::new(move || {
            let counts = counts.clone();
            let count = move |n| {
                counts.fetch_add(1, Ordering::Relaxed);
                n
            };
            millstream::from_iter(0..100_u32).map(count).boxed()
        })));
        assert_eq!(taken.load(Ordering::Relaxed), 0, "{name}");
        probe.request(3);
        assert_eq!(probe.take().len(), 3, "{name}");
        assert_eq!(taken.load(Ordering::Relaxed), 3 * each, "{name}");
        probe.cancel();
    }
    check("merge", 1, |boxed| millstream::merge_all([boxed(), boxed()], 16));
    check("merge of two kinds", 1, |boxed| boxed().merge(millstream::from_iter(0..3), 16));
    check("zip", 2, |boxed| boxed().zip(boxed(), 16).map(|(n, _)| n));
    check("merge_sorted", 1, |boxed| {
        boxed().merge_sorted(millstream::from_iter(1000..1001), 16, Ord::cmp)
    });
    check("interleave", 1, |boxed| boxed().interleave(millstream::from_iter(1000..1003), 9));
    check("flat_map_unordered", 1, |boxed| {
        millstream::just(()).flat_map_unordered(2, 16, move |()| boxed())
    });
    check("flat_map_unordered_delay_error", 1, |boxed| {
        millstream::just(())
            .flat_map_unordered_delay_error(2, 16, move |()| boxed())
            .map_err(|failures| match failures.into_vec()[0] {})
    });
    check("flat_map_ordered", 1, |boxed| {
        millstream::just(()).flat_map_ordered(2, 16, move |()| boxed())
    });
    check("switch_map", 1, |boxed| millstream::just(()).switch_map(16, move |()| boxed()));
    check("concat_map", 1, |boxed| millstream::just(()).concat_map(move |()| boxed()));
}

#[test]
fn who_looks_sees_no_queue_before_a_box_that_is_pulled() {
    let boxes = |pushes: bool| {
        let source = millstream::from_iter(0..5_u32);
        let source = if pushes { Pushing(source).boxed() } else { source.boxed() };
        let board = millstream::Board::new(16);
        let merged = millstream::merge_all([source], 16).observed(&board);
        assert_eq!(all(merged), [0, 1, 2, 3, 4]);
        let rows: Vec<_> = board.snapshot().into_iter().collect();
        assert_eq!((rows[0].received, rows[0].sent), (5, 5));
        rows[0].capacity
    };
    assert_eq!((boxes(false), boxes(true)), (0, 16));
}

/// Cancelled after each item, failing and panicking at each, in place or in a queue.
#[test]
fn boxes_in_place_are_dropped_once_wherever_the_stream_ends() {
    type Items = millstream::BoxPublisher<crate::support::Item, &'static str>;
    type Stage = fn(Items, Items) -> Items;
    let stages: [(&str, Stage); 7] = [
        ("merge", |a, b| millstream::merge_all([a, b], 2).boxed()),
        ("zip", |a, b| a.zip(b, 2).map(|(a, _)| a).boxed()),
        ("merge_sorted", |a, b| a.merge_sorted(b, 2, |a, b| a.0.cmp(&b.0)).boxed()),
        ("interleave", |a, b| a.interleave(b, 2).boxed()),
        ("flat_map_unordered", |a, b| {
            let inner = millstream::from_iter([a, b]).map_err(|never| match never {});
            inner.flat_map_unordered(2, 2, |inner| inner).boxed()
        }),
        ("switch_map", |a, b| {
            let inner = millstream::from_iter([a, b]).map_err(|never| match never {});
            inner.switch_map(2, |inner| inner).boxed()
        }),
        ("concat_map", |a, b| {
            let inner = millstream::from_iter([a, b]).map_err(|never| match never {});
            inner.concat_map(|inner| inner).boxed()
        }),
    ];
    for (name, stage) in stages {
        for pushes in [false, true] {
            for at in 0..=6 {
                let case = format!("{name}, pushes: {pushes}, at {at}");
                let source = |mint: &Mint, base, ending| {
                    let source = script(mint, base, 5, ending);
                    if pushes { Pushing(source).boxed() } else { source.map(|n| n).boxed() }
                };
                let mint = Mint::new();
                let probe =
                    Probe::new().on(stage(source(&mint, 0, Complete), source(&mint, 10, Complete)));
                (0..at).for_each(|_| probe.request(1));
                probe.cancel();
                drop(probe);
                assert_eq!(mint.live(), 0, "cancelled: {case}");

                let probe = Probe::new().asking(More::UNBOUNDED);
                let broken = script(&mint, 0, 5, Fail("x")).map(move |item| {
                    assert!(item.0 != at, "on purpose");
                    item
                });
                let broken = if pushes { Pushing(broken).boxed() } else { broken.boxed() };
                let probe = probe.on(stage(broken, source(&mint, 10, Complete)));
                let told = probe.take();
                let ends = told.iter().filter(|told| !matches!(told, Told::Next(_))).count();
                assert_eq!(ends, 1, "broken: {case}: {told:?}");
                if name != "switch_map" {
                    let breaks = matches!(told.last(), Some(Told::Fault(_)));
                    assert_eq!(breaks, (1..=5).contains(&at), "broken: {case}: {told:?}");
                }
                drop(probe);
                assert_eq!(mint.live(), 0, "broken: {case}");
            }
        }
    }
}

/// One that is not slowed down is asked for no more than a synchronous source is, which what is in the
/// box may be.
#[test]
fn a_box_without_end_does_not_hold_the_thread_that_asks() {
    let probe = Probe::new().on(millstream::from_iter(0_u32..).boxed().drop_unwanted(drop));
    probe.request(2);
    assert_eq!(probe.take().len(), 2);
    probe.cancel();
    let probe = Probe::new().on(millstream::from_iter(0_u32..).boxed().conflate(|_, n| n));
    probe.request(1);
    assert_eq!(probe.take().len(), 1);
    probe.cancel();
}
