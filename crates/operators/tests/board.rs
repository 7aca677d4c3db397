//! Claims of the boundaries about what they tell of themselves, for each kind of boundary.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use millstream::board::{Input, Row, Side, Snapshot, State, stalls};
use millstream::executor::{CurrentThread, Pool, Seeded};
use millstream::fan_out::{SlowSubscriber, Stalled};
use millstream::prelude::*;
use millstream::{Board, Demand};
use millstream_testkit::{Behaviour, ProbeHandle, ScriptedPublisher, probe};

type Hand<T> = ScriptedPublisher<T, Infallible>;

/// A board whose clock stands until it is moved.
#[derive(Clone)]
struct Watched {
    board: Board,
    seconds: Arc<AtomicU64>,
}

impl Watched {
    fn new() -> Watched {
        let seconds = Arc::new(AtomicU64::new(0));
        let clock = seconds.clone();
        let board =
            Board::with_clock(64, move || Duration::from_secs(clock.load(Ordering::Relaxed)));
        Watched { board, seconds }
    }

    fn at(&self, second: u64) {
        self.seconds.store(second, Ordering::Relaxed);
    }

    /// `publisher`, observed, and asked for by the handle.
    fn over<P: Publisher>(&self, publisher: P) -> ProbeHandle<P::Item, P::Error>
    where
        P::Item: Clone + std::fmt::Debug + PartialEq,
        P::Error: Clone + std::fmt::Debug + PartialEq,
    {
        probe(publisher.observed(&self.board), Behaviour::new())
    }

    fn snapshot(&self) -> Snapshot {
        let snapshot = self.board.snapshot();
        belong_together(&snapshot);
        snapshot
    }

    /// The one row with this label.
    #[track_caller]
    fn row(&self, label: &str) -> Row {
        let snapshot = self.snapshot();
        let mut rows = snapshot.into_iter().filter(|row| row.label() == label);
        let row = rows.next().unwrap_or_else(|| panic!("no {label} in\n{}", self.board.snapshot()));
        assert!(rows.next().is_none(), "one {label} in\n{}", self.board.snapshot());
        row
    }

    fn labels(&self) -> Vec<String> {
        self.snapshot().rows().iter().map(Row::label).collect()
    }
}

fn belong_together(snapshot: &Snapshot) {
    for row in snapshot {
        assert_eq!(row.received, row.sent + row.discarded + row.fill, "{row:?}");
        assert!(row.fill <= row.high_water && row.high_water <= row.capacity, "{row:?}");
        if row.state != State::Running {
            assert_eq!((row.fill, row.demand), (0, None), "{row:?}");
        }
    }
}

/// What came in, went out, is there, was there at most, and was discarded.
fn counts(row: &Row) -> [u64; 5] {
    [row.received, row.sent, row.fill, row.high_water, row.discarded]
}

fn asked(n: u64) -> Option<Demand> {
    Demand::new(n)
}

#[test]
fn a_queue_tells_what_came_what_went_and_what_is_there() {
    let (watched, upstream) = (Watched::new(), Hand::new());
    let handle = watched.over(upstream.clone().prefetch(4).named("read"));
    let row = watched.row("prefetch");
    assert_eq!((row.name.as_deref(), row.kind, row.input), (Some("read"), "prefetch", None));
    assert_eq!((row.capacity, row.state), (4, State::Running));
    assert_eq!((counts(&row), row.demand), ([0, 0, 0, 0, 0], None));

    for n in 0..3 {
        upstream.next(n);
    }
    assert_eq!(counts(&watched.row("prefetch")), [3, 0, 3, 3, 0]);
    handle.request(2);
    let row = watched.row("prefetch");
    assert_eq!((counts(&row), row.demand), ([3, 2, 1, 3, 0], None));
    handle.request(5);
    let row = watched.row("prefetch");
    assert_eq!((counts(&row), row.demand), ([3, 3, 0, 3, 0], asked(4)));
    upstream.next(3);
    let row = watched.row("prefetch");
    assert_eq!((counts(&row), row.demand), ([4, 4, 0, 3, 0], asked(3)), "the mark stays");
    upstream.complete();
    let row = watched.row("prefetch");
    assert_eq!((counts(&row), row.demand), ([4, 4, 0, 3, 0], None));
    assert_eq!(row.state, State::Completed);
}

#[test]
fn unbounded_demand_is_shown_as_such() {
    let (watched, upstream) = (Watched::new(), Hand::<u32>::new());
    let handle = watched.over(upstream.clone().prefetch(4));
    handle.request_unbounded();
    upstream.next(1);
    assert_eq!(watched.row("prefetch").demand, Some(Demand::UNBOUNDED));
}

#[test]
fn what_is_there_at_a_cancellation_is_discarded() {
    let (watched, upstream) = (Watched::new(), Hand::new());
    let handle = watched.over(upstream.clone().prefetch(4));
    handle.request(1);
    for n in 0..3 {
        upstream.next(n);
    }
    handle.cancel();
    let row = watched.row("prefetch");
    assert_eq!((counts(&row), row.state), ([3, 1, 0, 2, 2], State::Cancelled));
}

#[test]
fn a_stage_below_that_has_enough_cancels() {
    let (watched, upstream) = (Watched::new(), Hand::new());
    let handle = watched.over(upstream.clone().prefetch(4).take(1));
    upstream.next(1);
    upstream.next(2);
    handle.request(9);
    let row = watched.row("prefetch");
    assert_eq!((counts(&row), row.state), ([2, 1, 0, 2, 1], State::Cancelled));
}

#[test]
fn a_failure_and_a_fault_are_told_apart() {
    let watched = Watched::new();
    let upstream = ScriptedPublisher::<u32, &str>::new();
    let _handle = watched.over(upstream.clone().prefetch(4));
    upstream.error("so");
    assert_eq!(watched.row("prefetch").state, State::Failed);

    let watched = Watched::new();
    let upstream = Hand::<u32>::new();
    let _handle = watched.over(upstream.clone().prefetch(4));
    upstream.next(1);
    upstream.vanish();
    let row = watched.row("prefetch");
    assert_eq!((counts(&row), row.state), ([1, 0, 0, 1, 1], State::Broken));
}

#[test]
fn starved_and_backpressured_since_tell_how_long() {
    let (watched, upstream) = (Watched::new(), Hand::new());
    let since = || {
        let row = watched.row("prefetch");
        (row.starved_since, row.backpressured_since)
    };
    let handle = watched.over(upstream.clone().prefetch(4));
    assert_eq!(since(), (None, None), "nothing is there, and nothing is asked");
    watched.at(10);
    handle.request(1);
    watched.at(13);
    assert_eq!(since(), (Some(Duration::from_secs(3)), None));
    handle.request(1);
    assert_eq!(since(), (Some(Duration::from_secs(3)), None), "more of the same");
    watched.at(20);
    upstream.next(1);
    watched.at(21);
    assert_eq!(since(), (Some(Duration::from_secs(1)), None), "anew after each item");
    upstream.next(2);
    watched.at(30);
    assert_eq!(since(), (None, None), "nothing is there, and nothing is asked");
    upstream.next(3);
    watched.at(31);
    upstream.next(4);
    watched.at(35);
    assert_eq!(since(), (None, Some(Duration::from_secs(5))));
    handle.request(1);
    watched.at(36);
    assert_eq!(since(), (None, Some(Duration::from_secs(1))), "one went, one waits");
    handle.request(1);
    assert_eq!(since(), (None, None));
}

#[test]
fn publish_on_tells_the_same_on_an_executor() {
    let (watched, upstream, executor) = (Watched::new(), Hand::new(), Arc::new(Seeded::new(1)));
    let handle = watched.over(upstream.clone().publish_on(executor.clone(), 4));
    executor.run_until_idle();
    for n in 0..4 {
        upstream.next(n);
    }
    handle.request(1);
    assert_eq!(counts(&watched.row("publish_on")), [4, 0, 4, 4, 0], "its task has not run yet");
    executor.run_until_idle();
    let row = watched.row("publish_on");
    assert_eq!((counts(&row), row.demand), ([4, 1, 3, 4, 0], None));
    assert!(row.backpressured_since.is_some());
    handle.request(7);
    executor.run_until_idle();
    let row = watched.row("publish_on");
    assert_eq!((counts(&row), row.demand), ([4, 4, 0, 4, 0], asked(4)));
    assert!(row.starved_since.is_some());
    handle.cancel();
    executor.run_until_idle();
    assert_eq!(watched.row("publish_on").state, State::Cancelled);
}

/// Then there is no queue, and nothing is ever there.
#[test]
fn a_boundary_that_pulls_its_source_counts_what_passes() {
    let (watched, executor) = (Watched::new(), CurrentThread::new());
    let handle = watched.over(millstream::range(0..5).publish_on(executor.handle(), 4));
    handle.request(2);
    executor.run_until_idle();
    let row = watched.row("publish_on");
    assert_eq!((counts(&row), row.capacity), ([2, 2, 0, 0, 0], 0));
    handle.request(9);
    executor.run_until_idle();
    let row = watched.row("publish_on");
    assert_eq!((counts(&row), row.state), ([5, 5, 0, 0, 0], State::Completed));
}

#[test]
fn an_async_boundary_is_one_boundary() {
    let (watched, executor) = (Watched::new(), CurrentThread::new());
    let numbers = Hand::new();
    let handle = watched.over(numbers.clone().async_boundary(executor.handle(), 4));
    executor.run_until_idle();
    numbers.next(1);
    handle.request(2);
    executor.run_until_idle();
    assert_eq!(watched.labels(), ["async_boundary"]);
    assert_eq!(counts(&watched.row("async_boundary")), [1, 1, 0, 1, 0]);
}

#[test]
fn subscribe_on_and_take_until_hold_nothing_and_pass_the_board_on() {
    let (watched, executor) = (Watched::new(), CurrentThread::new());
    let (numbers, stop) = (Hand::<u32>::new(), Hand::<()>::new());
    let all = numbers
        .prefetch(4)
        .subscribe_on(executor.handle())
        .take_until(stop.clone().prefetch(1))
        .named("through");
    let handle = watched.over(all);
    handle.request(1);
    executor.run_until_idle();
    let mut rows = watched.snapshot().into_iter().map(|row| row.capacity).collect::<Vec<_>>();
    rows.sort_unstable();
    assert_eq!(rows, [1, 4]);
    stop.next(());
    executor.run_until_idle();
    assert!(watched.snapshot().rows().iter().all(|row| row.state != State::Running));
}

#[test]
fn tags_are_for_the_nearest_boundary_above_and_of_each_key_the_nearest_stands() {
    let (watched, upstream) = (Watched::new(), Hand::new());
    let stream = upstream
        .clone()
        .prefetch(2)
        .tag("table", "users")
        .prefetch(4)
        .tag("shard", "7")
        .map(|n: u32| n)
        .tag("side", "left".to_owned())
        .tag("shard", "8");
    let handle = watched.over(stream);
    handle.request(1);
    let snapshot = watched.snapshot();
    let tags = |capacity| {
        let row = snapshot.rows().iter().find(|row| row.capacity == capacity).unwrap();
        row.tags.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>()
    };
    assert_eq!(tags(4), ["shard=7", "side=left"]);
    assert_eq!(tags(2), ["table=users"], "a boundary does not pass them on");
    let found: Vec<_> = snapshot.tagged("side", "left").map(|row| row.capacity).collect();
    assert_eq!(found, [4]);
    assert_eq!(snapshot.tagged("side", "right").count(), 0);
    assert_eq!(snapshot.rows()[0].tag("side"), None);
    assert!(snapshot.to_string().contains("prefetch shard=7 side=left"), "{snapshot}");
    handle.cancel();
}

#[test]
fn each_input_of_merge_is_a_row() {
    let (watched, a, b) = (Watched::new(), Hand::new(), Hand::new());
    let handle = watched.over(a.clone().merge(b.clone(), 4));
    a.next(1);
    a.next(2);
    b.next(3);
    let row = watched.row("merge[0]");
    assert_eq!((row.input, counts(&row)), (Some(Input::Number(0)), [2, 0, 2, 2, 0]));
    assert_eq!(counts(&watched.row("merge[1]")), [1, 0, 1, 1, 0]);
    assert_eq!((watched.snapshot().capacity(), watched.snapshot().fill()), (8, 3));
    handle.request(9);
    b.complete();
    assert_eq!(watched.row("merge[0]").demand, asked(6));
    assert_eq!(watched.row("merge[0]").state, State::Running);
    assert_eq!(watched.row("merge[1]").state, State::Completed);
    assert_eq!(watched.snapshot().capacity(), 4, "of those that run");
}

/// They are held in place where nobody looks, too; then there is nothing to tell.
#[test]
fn inputs_that_are_pulled_count_what_passes() {
    let watched = Watched::new();
    let numbers = || millstream::range(0..3u32);
    let handle = watched.over(numbers().merge(numbers(), 4));
    handle.request_unbounded();
    for label in ["merge[0]", "merge[1]"] {
        let row = watched.row(label);
        assert_eq!((counts(&row), row.state), ([3, 3, 0, 0, 0], State::Completed), "{label}");
    }
    let watched = Watched::new();
    let handle = watched.over(numbers().zip(numbers(), 4));
    handle.request(2);
    for label in ["zip[0]", "zip[1]"] {
        assert_eq!(counts(&watched.row(label)), [2, 2, 0, 0, 0], "{label}");
    }
}

/// Which of the two is slow can be read off.
#[test]
fn the_inputs_of_zip_tell_who_waits_for_whom() {
    let (watched, fast, slow) = (Watched::new(), Hand::new(), Hand::<u32>::new());
    let handle = watched.over(fast.clone().zip(slow.clone(), 4));
    handle.request(5);
    watched.at(1);
    for n in 0..3 {
        fast.next(n);
    }
    watched.at(5);
    let row = watched.row("zip[1]");
    assert_eq!((row.starved_since, row.backpressured_since), (Some(Duration::from_secs(5)), None));
    slow.next(7);
    watched.at(9);
    let (first, second) = (watched.row("zip[0]"), watched.row("zip[1]"));
    assert_eq!(first.backpressured_since, Some(Duration::from_secs(4)));
    assert_eq!(second.starved_since, Some(Duration::from_secs(4)));
    // One of `fast` is with `zip` itself, and waits for its partner.
    assert_eq!((counts(&first), counts(&second)), ([3, 2, 1, 2, 0], [1, 1, 0, 1, 0]));
}

#[test]
fn the_losers_of_a_race_are_cancelled() {
    let (watched, a, b) = (Watched::new(), Hand::<u32>::new(), Hand::<u32>::new());
    let handle = watched.over(millstream::race([a, b.clone()], 4));
    handle.request(1);
    b.next(1);
    assert_eq!(watched.row("race[0]").state, State::Cancelled);
    assert_eq!(watched.row("race[1]").state, State::Running);
}

#[test]
fn fan_in_of_all_kinds_has_a_row_for_each_input() {
    let (watched, a, b) = (Watched::new(), Hand::<u32>::new(), Hand::<u32>::new());
    let _handle = watched.over(millstream::combine_latest((a.clone(), b.clone()), 4));
    assert_eq!(watched.labels(), ["combine_latest[0]", "combine_latest[1]"]);

    let (watched, a, b) = (Watched::new(), Hand::<u32>::new(), Hand::<u32>::new());
    let handle = watched.over(a.clone().with_latest_from(b.clone(), 4));
    handle.request(1);
    a.next(1);
    b.next(2);
    assert_eq!(counts(&watched.row("with_latest_from[upstream]")), [1, 1, 0, 1, 0]);
    assert_eq!(counts(&watched.row("with_latest_from[other]")), [1, 1, 0, 1, 0]);

    let (watched, a, b) = (Watched::new(), Hand::<u32>::new(), Hand::<u32>::new());
    let handle = watched.over(a.clone().skip_until(b.clone(), 4));
    handle.request(1);
    a.next(1);
    b.next(2);
    a.next(3);
    assert_eq!(counts(&watched.row("skip_until[upstream]")), [2, 2, 0, 1, 0]);
    assert_eq!(watched.row("skip_until[signal]").state, State::Cancelled);

    let (watched, a, b) = (Watched::new(), Hand::<u32>::new(), Hand::<u32>::new());
    let handle = watched.over(a.clone().chunk_when(b.clone(), 4));
    (1..=3).for_each(|n| a.next(n));
    // What a chunk holds counts until it is sent.
    assert_eq!(counts(&watched.row("chunk_when[upstream]")), [3, 0, 3, 3, 0]);
    b.next(0);
    handle.request(2);
    assert_eq!(counts(&watched.row("chunk_when[upstream]")), [3, 3, 0, 3, 0]);
    assert_eq!(counts(&watched.row("chunk_when[signal]")), [1, 1, 0, 1, 0]);

    let (watched, a) = (Watched::new(), Hand::<u32>::new());
    let handle = watched.over(a.clone().ready_chunks(4));
    (1..=3).for_each(|n| a.next(n));
    assert_eq!(counts(&watched.row("ready_chunks")), [3, 0, 3, 3, 0]);
    handle.request(2);
    assert_eq!(counts(&watched.row("ready_chunks")), [3, 3, 0, 3, 0]);
}

/// An item is there until its publisher is over; the items of those are counted together.
#[test]
fn a_flattening_tells_of_its_items_and_of_their_items() {
    fn check<P>(kind: &str, flatten: impl FnOnce(Hand<usize>, Vec<Hand<u32>>) -> P)
    where
        P: Publisher<Item = u32, Error = Infallible>,
    {
        let (watched, outer) = (Watched::new(), Hand::new());
        let inner = [Hand::new(), Hand::new(), Hand::new()];
        let label = format!("{kind}[inner]");
        let handle = watched.over(flatten(outer.clone(), inner.to_vec()));
        for n in 0..2 {
            outer.next(n);
        }
        inner[0].next(1);
        inner[1].next(2);
        inner[1].next(3);
        let row = watched.row(kind);
        assert_eq!((counts(&row), row.capacity), ([2, 0, 2, 2, 0], 2), "{kind}");
        let row = watched.row(&label);
        assert_eq!((counts(&row), row.capacity), ([3, 0, 3, 3, 0], 8), "{kind}");
        handle.request(9);
        inner[0].complete();
        let row = watched.row(kind);
        assert_eq!((counts(&row), row.demand), ([2, 1, 1, 2, 0], asked(6)), "{kind}");
        assert_eq!(counts(&watched.row(&label)), [3, 3, 0, 3, 0], "{kind}");
        outer.next(2);
        inner[2].next(4);
        inner[1].complete();
        outer.complete();
        assert_eq!(watched.row(kind).state, State::Running, "{kind}: one inner publisher is left");
        inner[2].complete();
        let row = watched.row(kind);
        assert_eq!((counts(&row), row.state), ([3, 3, 0, 2, 0], State::Completed), "{kind}");
        let row = watched.row(&label);
        assert_eq!((row.received, row.sent, row.state), (4, 4, State::Completed), "{kind}");
    }
    check("flat_map_unordered", |outer, inner| {
        outer.flat_map_unordered(2, 4, move |n| inner[n].clone())
    });
    check("flat_map_unordered_delay_error", |outer, inner| {
        outer
            .flat_map_unordered_delay_error(2, 4, move |n| inner[n].clone())
            .map_err(|failures| failures.into_vec().remove(0))
    });
    check("flat_map_ordered", |outer, inner| {
        outer.flat_map_ordered(2, 4, move |n| inner[n].clone())
    });
}

#[test]
fn a_flattening_that_is_cancelled_discards_what_it_works_on() {
    let (watched, outer) = (Watched::new(), Hand::new());
    let inner = Hand::<u32>::new();
    let flat = outer.clone().flat_map_unordered(2, 4, {
        let inner = inner.clone();
        move |_: u32| inner.clone()
    });
    let handle = watched.over(flat);
    outer.next(1);
    inner.next(1);
    handle.cancel();
    let row = watched.row("flat_map_unordered");
    assert_eq!((counts(&row), row.state), ([1, 0, 0, 1, 1], State::Cancelled));
    let row = watched.row("flat_map_unordered[inner]");
    assert_eq!((counts(&row), row.state), ([1, 0, 0, 1, 1], State::Cancelled));
}

/// They have no queue, but what passes is counted.
#[test]
fn inner_publishers_that_are_pulled_count_what_passes() {
    let watched = Watched::new();
    let numbers = millstream::range(0..10u32).flat_map_unordered(3, 4, |n| millstream::range(0..n));
    let handle = watched.over(numbers);
    handle.request_unbounded();
    handle.assert_completed();
    let row = watched.row("flat_map_unordered");
    assert_eq!((row.received, row.sent, row.capacity), (10, 10, 3));
    assert!((1..=3).contains(&row.high_water), "{row:?}");
    let row = watched.row("flat_map_unordered[inner]");
    assert_eq!((counts(&row), row.capacity), ([45, 45, 0, 0, 0], 0));
    assert_eq!(row.state, State::Completed);
}

#[test]
fn switch_map_counts_what_it_leaves_as_discarded() {
    let (watched, outer) = (Watched::new(), Hand::new());
    let inner = [Hand::new(), Hand::new()];
    let each = inner.clone();
    let handle = watched.over(outer.clone().switch_map(4, move |n: usize| each[n].clone()));
    handle.request(1);
    outer.next(0);
    for n in 0..3 {
        inner[0].next(n);
    }
    let row = watched.row("switch_map[inner]");
    assert_eq!((counts(&row), row.capacity), ([3, 1, 2, 2, 0], 4));
    outer.next(1);
    handle.request(1);
    let row = watched.row("switch_map[inner]");
    assert_eq!((counts(&row), row.state), ([3, 1, 0, 2, 2], State::Running));
    inner[1].next(9);
    outer.complete();
    inner[1].complete();
    assert_eq!(watched.row("switch_map").state, State::Completed);
    let row = watched.row("switch_map[inner]");
    assert_eq!((row.received, row.sent, row.state), (4, 2, State::Completed));
}

/// Of those that it finds together the newest counts.
#[test]
fn switch_map_counts_what_is_replaced_at_once_as_discarded() {
    let (watched, (sender, numbers)) = (Watched::new(), millstream::channel(4));
    for n in 0..3_u32 {
        sender.try_send(n).unwrap();
    }
    let handle = watched.over(numbers.switch_map(4, millstream::just));
    let row = watched.row("switch_map");
    assert_eq!((counts(&row), row.capacity), ([3, 1, 0, 3, 2], 4));
    handle.request(9);
    sender.complete();
    assert_eq!(handle.items(), [2]);
    assert_eq!(watched.row("switch_map").state, State::Completed);
    assert_eq!(watched.row("switch_map[inner]").state, State::Completed);
}

#[test]
fn exhaust_map_counts_what_comes_in_vain_as_discarded() {
    let (watched, outer) = (Watched::new(), Hand::new());
    let inner = [Hand::new(), Hand::new()];
    let each = inner.clone();
    let handle = watched.over(outer.clone().exhaust_map(4, move |n: usize| each[n / 9].clone()));
    for n in 0..3 {
        outer.next(n);
    }
    let row = watched.row("exhaust_map");
    assert_eq!((counts(&row), row.capacity), ([3, 1, 0, 1, 2], 4));
    for n in 0..3 {
        inner[0].next(n);
    }
    handle.request(2);
    let row = watched.row("exhaust_map[inner]");
    assert_eq!((counts(&row), row.capacity, row.demand), ([3, 2, 1, 3, 0], 4, None));
    inner[0].complete();
    handle.request(2);
    outer.next(9);
    inner[1].next(9);
    let row = watched.row("exhaust_map[inner]");
    assert_eq!((row.received, row.sent, row.demand), (4, 4, None));
    inner[1].next(10);
    handle.cancel();
    let row = watched.row("exhaust_map[inner]");
    assert_eq!((row.received, row.sent, row.discarded), (5, 4, 1));
    assert_eq!(row.state, State::Cancelled);
    let row = watched.row("exhaust_map");
    assert_eq!((counts(&row), row.state), ([4, 2, 0, 1, 2], State::Cancelled));
}

/// Items that wait, are in flight, or have landed and wait for demand are there.
#[test]
fn map_async_holds_an_item_until_its_result_is_sent() {
    let (watched, executor) = (Watched::new(), CurrentThread::new());
    let upstream = Hand::new();
    let mut replies = Vec::new();
    let mut waits = Vec::new();
    for _ in 0..4 {
        let (reply, wait) = futures::channel::oneshot::channel::<u32>();
        replies.push(reply);
        waits.push(Some(wait));
    }
    let all = upstream.clone().map_async(executor.handle(), 3, move |n: usize| {
        let wait = waits[n].take();
        async move { wait.unwrap().await.unwrap() }
    });
    let handle = watched.over(all);
    executor.run_until_idle();
    for n in 0..3 {
        upstream.next(n);
    }
    let row = watched.row("map_async");
    assert_eq!((counts(&row), row.capacity), ([3, 0, 3, 3, 0], 3), "they wait for the task");
    handle.request(1);
    executor.run_until_idle();
    let row = watched.row("map_async");
    assert_eq!((counts(&row), row.demand), ([3, 0, 3, 3, 0], asked(1)), "they are in flight");
    assert_eq!((row.starved_since, row.backpressured_since), (None, None), "it is at work");
    let mut replies = replies.into_iter();
    for n in 0..2 {
        replies.next().unwrap().send(n).unwrap();
    }
    executor.run_until_idle();
    let row = watched.row("map_async");
    assert_eq!((counts(&row), row.demand), ([3, 1, 2, 3, 0], None), "one was asked for");
    assert!(row.backpressured_since.is_some());
    upstream.assert_requested(4);
    handle.cancel();
    executor.run_until_idle();
    let row = watched.row("map_async");
    assert_eq!((counts(&row), row.state), ([3, 1, 0, 3, 2], State::Cancelled));
}

#[test]
fn then_holds_one_item_and_is_sent_none_before_it_is_wanted() {
    let (watched, executor, upstream) = (Watched::new(), CurrentThread::new(), Hand::new());
    let handle = watched.over(upstream.clone().then(executor.handle(), |n: u32| async move { n }));
    executor.run_until_idle();
    upstream.assert_requested(0);
    handle.request(2);
    executor.run_until_idle();
    upstream.next(1);
    let row = watched.row("then");
    assert_eq!((counts(&row), row.capacity), ([1, 0, 1, 1, 0], 1), "it waits for the task");
    executor.run_until_idle();
    assert_eq!(counts(&watched.row("then")), [1, 1, 0, 1, 0]);
    upstream.assert_requested(2);
    upstream.next(2);
    executor.run_until_idle();
    assert_eq!(counts(&watched.row("then")), [2, 2, 0, 1, 0]);
    upstream.assert_requested(2);
    handle.request(1);
    executor.run_until_idle();
    upstream.assert_requested(3);
    handle.cancel();
    executor.run_until_idle();
    let row = watched.row("then");
    assert_eq!((counts(&row), row.state), ([2, 2, 0, 1, 0], State::Cancelled));
}

#[test]
fn the_kin_of_map_async_tell_the_same() {
    fn check<P>(kind: &str, stage: impl FnOnce(Hand<u32>, &CurrentThread) -> P)
    where
        P: Publisher<Item: Clone + std::fmt::Debug + PartialEq, Error = Infallible>,
    {
        let (watched, executor, upstream) = (Watched::new(), CurrentThread::new(), Hand::new());
        let handle = watched.over(stage(upstream.clone(), &executor));
        handle.request(2);
        executor.run_until_idle();
        for n in 0..3 {
            upstream.next(n);
        }
        executor.run_until_idle();
        let row = watched.row(kind);
        assert_eq!((counts(&row), row.capacity), ([3, 2, 1, 3, 0], 4), "{kind}");
        upstream.complete();
        handle.request(1);
        executor.run_until_idle();
        let row = watched.row(kind);
        assert_eq!((counts(&row), row.state), ([3, 3, 0, 3, 0], State::Completed), "{kind}");
    }
    check("map_async", |up, on| up.map_async(on.handle(), 4, |n| async move { n }));
    check("map_async_unordered", |up, on| {
        up.map_async_unordered(on.handle(), 4, |n| async move { n })
    });
    check("map_async_partitioned", |up, on| {
        up.map_async_partitioned(on.handle(), 4, |n| n % 2, |n| async move { n })
    });
    check("map_async_partitioned_unordered", |up, on| {
        up.map_async_partitioned_unordered(on.handle(), 4, |n| n % 2, |n| async move { n })
    });
}

/// A stage with many downstreams has a boundary above it.
#[test]
fn group_by_tells_of_the_items_before_the_groups() {
    let (watched, upstream) = (Watched::new(), Hand::new());
    let groups = upstream.clone().group_by(2, 4, millstream::fan_out::Stalled::Wait, |n| n % 2);
    let handle =
        probe(groups.map(|_| ()).named("groups").observed(&watched.board), Behaviour::new());
    for n in 0..3u32 {
        upstream.next(n);
    }
    let row = watched.row("group_by");
    assert_eq!((row.name.as_deref(), row.received), (Some("groups"), 3));
    handle.cancel();
    assert_eq!(watched.row("group_by").state, State::Cancelled);
}

#[test]
fn the_groups_of_group_by_are_a_boundary_together() {
    let (watched, upstream) = (Watched::new(), Hand::new());
    let readers = Arc::new(Mutex::new(Vec::new()));
    let read = readers.clone();
    let groups = upstream.clone().group_by(2, 4, Stalled::Wait, |n: &u32| n % 2);
    let groups = groups.map(move |group| {
        let reader = probe(group, Behaviour::new());
        read.lock().unwrap().push(reader);
    });
    let handle = probe(groups.named("groups").observed(&watched.board), Behaviour::new());
    assert_eq!(watched.labels(), ["group_by", "group_by[group]"]);
    handle.request(9);
    for n in 0..5 {
        upstream.next(n);
    }
    let [evens, odds] = [0, 1].map(|n| readers.lock().unwrap()[n].clone());
    let row = watched.row("group_by[group]");
    assert_eq!((row.name.as_deref(), row.capacity), (Some("groups"), 8));
    assert_eq!((counts(&row), row.demand), ([5, 0, 5, 5, 0], asked(1)), "one asks for groups");
    evens.request(2);
    assert_eq!(counts(&watched.row("group_by[group]")), [5, 2, 3, 5, 0]);
    odds.cancel();
    assert_eq!(counts(&watched.row("group_by[group]")), [5, 2, 1, 5, 2]);
    evens.request(9);
    assert_eq!(counts(&watched.row("group_by[group]")), [5, 3, 0, 5, 2]);
    upstream.next(6);
    let row = watched.row("group_by[group]");
    assert_eq!((counts(&row), row.demand), ([6, 4, 0, 5, 2], asked(2)), "two wait for items");
    upstream.complete();
    let row = watched.row("group_by[group]");
    assert_eq!((counts(&row), row.state), ([6, 4, 0, 5, 2], State::Completed));
    assert_eq!(watched.row("group_by").state, State::Completed);
    assert_eq!(evens.items(), [0, 2, 4, 6]);
}

/// Groups that are never sent, and a fault.
#[test]
fn groups_that_nobody_has_read_are_counted_and_discarded() {
    let (watched, upstream) = (Watched::new(), Hand::new());
    let groups = upstream.clone().group_by(2, 1, Stalled::Fail, |n: &u32| n % 2);
    let mut readers = Vec::new();
    let read = move |group| readers.push(probe(group, Behaviour::new().initially(9)));
    let handle = watched.over(groups.map(read));
    handle.request(1);
    for n in 0..2 {
        upstream.next(n);
    }
    assert_eq!(counts(&watched.row("group_by[group]")), [2, 1, 1, 2, 0]);
    upstream.next(3);
    let row = watched.row("group_by[group]");
    assert_eq!((counts(&row), row.state), ([2, 1, 0, 2, 1], State::Broken), "it stands still");
}

#[test]
fn each_reader_of_a_partition_is_a_boundary_and_what_is_above_is_on_the_first_board() {
    let (one, other, upstream) = (Watched::new(), Watched::new(), Hand::new());
    let here = line!() + 1;
    let [even, odd] = upstream.clone().partition::<2, _>(4, |n: &u32| (n % 2) as usize);
    let even = one.over(even.named("even"));
    assert_eq!(one.labels(), ["partition[0]"], "upstream waits for the other");
    let odd = other.over(odd);
    assert_eq!(one.labels(), ["partition", "partition[0]"]);
    assert_eq!(other.labels(), ["partition[1]"]);
    even.request(2);
    for n in 0..5 {
        upstream.next(n);
    }
    let row = one.row("partition[0]");
    assert_eq!((row.name.as_deref(), row.capacity, row.location.line()), (Some("even"), 4, here));
    assert_eq!((counts(&row), row.demand), ([2, 2, 0, 1, 0], None));
    let row = other.row("partition[1]");
    assert_eq!((counts(&row), row.name), ([1, 0, 1, 1, 0], None));
    assert_eq!(counts(&one.row("partition"))[..3], [5, 3, 2]);
    odd.request(9);
    let row = other.row("partition[1]");
    assert_eq!((counts(&row), row.demand), ([2, 2, 0, 1, 0], asked(7)));
    assert_eq!(counts(&one.row("partition[0]")), [3, 2, 1, 1, 0]);
    even.cancel();
    let row = one.row("partition[0]");
    assert_eq!((counts(&row), row.state), ([3, 2, 0, 1, 1], State::Cancelled));
    upstream.complete();
    assert_eq!(other.row("partition[1]").state, State::Completed);
    assert_eq!(one.row("partition").state, State::Completed);
}

#[test]
fn of_the_readers_of_a_balance_those_are_seen_who_have_a_board() {
    let (watched, upstream) = (Watched::new(), Hand::<u32>::new());
    let [one, other] = upstream.clone().balance::<2>();
    let (one, other) = (probe(one, Behaviour::new()), watched.over(other));
    assert_eq!(watched.labels(), ["balance", "balance[1]"]);
    one.request(1);
    other.request(1);
    for n in 0..4 {
        upstream.next(n);
    }
    let row = watched.row("balance[1]");
    assert_eq!((counts(&row), row.capacity), ([1, 1, 0, 1, 0], 1));
    assert_eq!(one.items().len(), 1);
    let row = watched.row("balance");
    assert_eq!((counts(&row)[..3].to_vec(), row.demand), (vec![4, 2, 2], None));
    one.request(9);
    assert_eq!(counts(&watched.row("balance"))[..3], [4, 4, 0]);
    upstream.vanish();
    let row = watched.row("balance[1]");
    assert_eq!((counts(&row), row.state), ([1, 1, 0, 1, 0], State::Broken));
}

/// A boundary has the name that is nearest to it, and the next one upstream has its own or none.
#[test]
fn each_branch_of_a_broadcast_is_a_boundary_and_what_is_above_is_on_the_first_board() {
    let (fast, slow, upstream) = (Watched::new(), Watched::new(), Hand::new());
    let here = line!() + 1;
    let [a, b] = upstream.clone().prefetch(1).broadcast::<2>(4);
    let a = fast.over(a.named("fast"));
    let b = slow.over(b);
    assert_eq!(fast.labels(), ["prefetch", "broadcast"]);
    assert_eq!(slow.labels(), ["broadcast"]);
    a.request(9);
    b.request(1);
    for n in 0..3 {
        upstream.next(n);
    }
    let row = fast.row("broadcast");
    assert_eq!((row.name.as_deref(), row.capacity, row.location.line()), (Some("fast"), 4, here));
    assert_eq!((counts(&row)[..3].to_vec(), row.demand), (vec![3, 3, 0], asked(6)));
    let row = slow.row("broadcast");
    assert_eq!((counts(&row)[..3].to_vec(), row.demand), (vec![3, 1, 2], None));
    b.cancel();
    let row = slow.row("broadcast");
    assert_eq!((row.discarded, row.state), (2, State::Cancelled));
    upstream.complete();
    assert_eq!(fast.row("broadcast").state, State::Completed);
}

/// A side on a board of its own, which is asked by the handle that comes out.
fn on_a_side<P: Publisher<Item = u32, Error = Infallible>>(
    watched: &Watched,
) -> (impl FnOnce(P) + Send + 'static, mpsc::Receiver<ProbeHandle<u32, Infallible>>) {
    let (board, (send, side)) = (watched.board.clone(), mpsc::channel());
    (move |on: P| send.send(probe(on.observed(&board), Behaviour::new())).unwrap(), side)
}

#[test]
fn the_side_of_a_wire_tap_is_a_boundary_for_whoever_looks_at_it() {
    let (main, watched, upstream) = (Watched::new(), Watched::new(), Hand::new());
    let (tap, side) = on_a_side(&watched);
    let here = line!() + 1;
    let handle = main.over(upstream.clone().prefetch(4).wire_tap(tap));
    let side = side.recv().unwrap();
    assert_eq!(main.labels(), ["prefetch"], "it is no boundary of the main stream");
    handle.request(4);
    for n in 0..3 {
        upstream.next(n);
    }
    let row = watched.row("wire_tap");
    assert_eq!((row.capacity, row.location.line()), (1, here));
    assert_eq!((counts(&row), row.demand), ([3, 0, 1, 1, 2], None));
    side.request(2);
    assert_eq!((side.items(), watched.row("wire_tap").demand), (vec![2], asked(1)));
    upstream.next(3);
    assert_eq!(counts(&watched.row("wire_tap")), [4, 2, 0, 1, 2]);
    handle.request(1);
    upstream.next(4);
    upstream.complete();
    let row = watched.row("wire_tap");
    assert_eq!((counts(&row), row.state), ([5, 2, 1, 1, 2], State::Running), "one waits");
    side.request(1);
    let row = watched.row("wire_tap");
    assert_eq!((counts(&row), row.state), ([5, 3, 0, 1, 2], State::Completed));
}

#[test]
fn a_wire_tap_that_leaves_or_breaks_says_so() {
    for breaks in [false, true] {
        let (watched, upstream) = (Watched::new(), Hand::new());
        let (tap, side) = on_a_side(&watched);
        let tapped = upstream.clone().prefetch(4).wire_tap(tap);
        let main = probe(tapped, Behaviour::new().initially(u64::MAX));
        upstream.next(0);
        upstream.next(1);
        let side = side.recv().unwrap();
        if breaks {
            upstream.vanish()
        } else {
            side.cancel()
        }
        let state = if breaks { State::Broken } else { State::Cancelled };
        let row = watched.row("wire_tap");
        assert_eq!((counts(&row), row.state), ([2, 0, 0, 1, 2], state));
        assert_eq!(main.is_ended(), breaks, "the main stream goes on without a tap");
    }
}

/// They are the two of a broadcast.
#[test]
fn the_main_stream_of_also_to_and_its_side_are_boundaries() {
    let (main, watched, upstream) = (Watched::new(), Watched::new(), Hand::new());
    let (also, side) = on_a_side(&watched);
    let here = line!() + 1;
    let handle = main.over(upstream.clone().also_to(4, also).named("main"));
    let side = side.recv().unwrap();
    handle.request(9);
    side.request(1);
    for n in 0..3 {
        upstream.next(n);
    }
    let row = main.row("also_to");
    assert_eq!((row.name.as_deref(), row.capacity, row.location.line()), (Some("main"), 4, here));
    assert_eq!((counts(&row), row.demand), ([3, 3, 0, 1, 0], asked(6)));
    let row = watched.row("also_to");
    assert_eq!((row.name.as_deref(), row.capacity, row.location.line()), (None, 4, here));
    assert_eq!((counts(&row), row.demand), ([3, 1, 2, 2, 0], None));
    side.cancel();
    let row = watched.row("also_to");
    assert_eq!((counts(&row), row.state), ([3, 1, 0, 2, 2], State::Cancelled));
    assert_eq!(main.row("also_to").state, State::Completed, "they end together");
    handle.assert_completed();
}

#[test]
fn what_is_above_several_streams_is_on_the_board_of_the_first() {
    let (first, second) = (Watched::new(), Watched::new());
    let [a, b] = Hand::<u32>::new().prefetch(2).broadcast::<2>(4);
    let _second = second.over(b);
    let _first = first.over(a);
    assert_eq!(first.labels(), ["prefetch", "broadcast"]);
    assert_eq!(second.labels(), ["broadcast"]);
}

#[test]
fn what_is_above_a_share_is_on_the_board_of_whoever_came_first() {
    let (first, second) = (Watched::new(), Watched::new());
    let shared = Hand::<u32>::new().prefetch(2).share(4);
    let _first = first.over(shared.clone());
    let _second = second.over(shared);
    assert_eq!(first.labels(), ["prefetch", "share"]);
    assert_eq!(second.labels(), ["share"]);
}

/// It is the first of the two, though the side subscribes before it.
#[test]
fn what_is_above_also_to_is_on_the_board_of_the_main_stream() {
    let (main, watched) = (Watched::new(), Watched::new());
    let (also, side) = on_a_side(&watched);
    let _handle = main.over(Hand::<u32>::new().prefetch(2).also_to(4, also));
    let _side = side.recv().unwrap();
    assert_eq!(main.labels(), ["prefetch", "also_to"]);
    assert_eq!(watched.labels(), ["also_to"]);
}

#[test]
fn a_subscriber_that_loses_items_shows_them_as_discarded() {
    let (watched, upstream) = (Watched::new(), Hand::new());
    let shared = upstream.clone().publish(2).slow_subscriber(SlowSubscriber::DropOldest);
    let shared = shared.ref_count(2);
    let quick = probe(shared.clone(), Behaviour::new().initially(u64::MAX));
    let slow = watched.over(shared.clone());
    for n in 0..5 {
        upstream.next(n);
    }
    assert_eq!(counts(&watched.row("publish")), [5, 0, 2, 2, 3]);
    slow.request(1);
    assert_eq!(counts(&watched.row("publish")), [5, 1, 1, 2, 3]);
    upstream.complete();
    slow.request(1);
    let row = watched.row("publish");
    assert_eq!((counts(&row), row.state), ([5, 2, 0, 2, 3], State::Completed));
    assert!(quick.is_ended());
}

#[test]
fn a_subscriber_that_is_too_slow_shows_that_something_broke() {
    let (watched, upstream) = (Watched::new(), Hand::new());
    let shared = upstream.clone().publish(2).slow_subscriber(SlowSubscriber::Disconnect);
    let shared = shared.ref_count(2);
    let _quick = probe(shared.clone(), Behaviour::new().initially(u64::MAX));
    let _slow = watched.over(shared);
    for n in 0..3 {
        upstream.next(n);
    }
    let row = watched.row("publish");
    assert_eq!((counts(&row), row.state), ([3, 0, 0, 2, 3], State::Broken));
}

#[test]
fn what_is_replayed_counts_and_what_is_left_to_the_next_does_not() {
    let (watched, upstream) = (Watched::new(), Hand::new());
    let shared = upstream.clone().replay(2, 2);
    let _first = probe(shared.clone(), Behaviour::new().initially(u64::MAX));
    for n in 0..4 {
        upstream.next(n);
    }
    let late = watched.over(shared);
    late.request(9);
    upstream.next(4);
    assert_eq!(counts(&watched.row("replay"))[..3], [3, 3, 0]);
    upstream.complete();
    assert_eq!(watched.row("replay").state, State::Completed);

    let (watched, upstream) = (Watched::new(), Hand::new());
    let shared = upstream.clone().publish(4).auto_connect(1);
    let first = watched.over(shared.clone());
    first.request(1);
    for n in 0..3 {
        upstream.next(n);
    }
    first.cancel();
    let row = watched.row("publish");
    assert_eq!((counts(&row), row.state), ([1, 1, 0, 2, 0], State::Cancelled));
    let next = probe(shared, Behaviour::new().initially(u64::MAX));
    assert_eq!(next.items(), [1, 2]);
}

#[test]
fn a_name_is_for_the_nearest_boundary_above() {
    let watched = Watched::new();
    let _handle = watched.over(
        Hand::<u32>::new()
            .prefetch(1)
            .prefetch(2)
            .map(|n| n + 1)
            .named("inside")
            .filter(|n| n % 2 == 0)
            .named("outside")
            .prefetch(3),
    );
    let names = watched.snapshot().into_iter().map(|row| (row.capacity, row.name));
    let names = names.map(|(capacity, name)| (capacity, name.as_deref().map(str::to_owned)));
    // Upstream first.
    assert_eq!(names.collect::<Vec<_>>(), [(1, None), (2, Some("inside".to_owned())), (3, None)]);
}

#[test]
fn a_row_tells_where_its_operator_was_put() {
    let (watched, executor) = (Watched::new(), CurrentThread::new());
    let here = line!();
    let all = Hand::<u32>::new()
        .prefetch(1)
        .publish_on(executor.handle(), 1)
        .async_boundary(executor.handle(), 1)
        .map_async(executor.handle(), 1, |n| async move { n })
        .flat_map_unordered(1, 1, |_| Hand::<u32>::new())
        .flat_map_ordered(1, 1, |_| Hand::<u32>::new())
        .switch_map(1, |_| Hand::<u32>::new())
        .skip_until(Hand::<()>::new(), 1)
        .with_latest_from(Hand::<u32>::new(), 1)
        .map(|(n, _)| n)
        .zip(Hand::<u32>::new(), 1)
        .map(|(n, _)| n)
        .merge(Hand::<u32>::new(), 1)
        .chunk_when(Hand::<()>::new(), 1)
        .ready_chunks(1);
    let handle = watched.over(all);
    handle.request(1);
    executor.run_until_idle();
    let lines = [
        ("prefetch", 2),
        ("publish_on", 3),
        ("async_boundary", 4),
        ("map_async", 5),
        ("flat_map_unordered", 6),
        ("flat_map_unordered[inner]", 6),
        ("flat_map_ordered", 7),
        ("switch_map", 8),
        ("switch_map[inner]", 8),
        ("skip_until[upstream]", 9),
        ("skip_until[signal]", 9),
        ("with_latest_from[other]", 10),
        ("zip[0]", 12),
        ("zip[1]", 12),
        ("merge[0]", 14),
        ("merge[1]", 14),
        ("chunk_when[upstream]", 15),
        ("chunk_when[signal]", 15),
        ("ready_chunks", 16),
    ];
    for (label, line) in lines {
        let row = watched.row(label);
        assert_eq!((row.location.file(), row.location.line()), (file!(), here + line), "{label}");
    }
}

#[test]
fn what_is_not_above_is_not_listed() {
    let watched = Watched::new();
    let numbers = Hand::<u32>::new();
    let handle =
        probe(numbers.clone().prefetch(2).observed(&watched.board).prefetch(3), Behaviour::new());
    handle.request(1);
    assert_eq!(watched.row("prefetch").capacity, 2);
}

#[test]
fn the_board_is_reached_through_stages_boxes_and_relays() {
    let watched = Watched::new();
    let (first, second) = (Hand::<u32>::new(), Hand::<u32>::new());
    let all = first.clone().prefetch(1).boxed().chain(second.clone().prefetch(2)).chunks(2).boxed();
    let handle = watched.over(all);
    handle.request(9);
    first.complete();
    assert_eq!(watched.snapshot().rows().iter().map(|row| row.capacity).sum::<u64>(), 3);
    assert_eq!(watched.snapshot().capacity(), 2, "the first is over");
}

/// Each subscription is a stream of its own.
#[test]
fn rows_of_a_subscription_stand_together() {
    let watched = Watched::new();
    let numbers = Hand::<u32>::new();
    let other = Hand::<u32>::new();
    let _first = watched.over(numbers.prefetch(1).prefetch(2));
    let _second = watched.over(other.prefetch(3).prefetch(4));
    let rows = watched.snapshot();
    let rows = rows.rows().iter().map(|row| (row.stream, row.capacity)).collect::<Vec<_>>();
    assert_eq!(rows, [(0, 1), (0, 2), (1, 3), (1, 4)]);

    let watched = Watched::new();
    let both = millstream::range(0..3).prefetch(1).observed(&watched.board);
    let handles = [both.clone(), both].map(|each| probe(each, Behaviour::new()));
    let streams = watched.snapshot().into_iter().map(|row| row.stream).collect::<Vec<_>>();
    assert_eq!(streams.len(), 2);
    assert_ne!(streams[0], streams[1]);
    drop(handles);
}

#[test]
fn each_attempt_of_a_retry_is_listed() {
    let watched = Watched::new();
    let failing = millstream::fail::<u32, &str>("so").prefetch(2).retry(2);
    let handle = watched.over(failing);
    handle.request(1);
    handle.assert_failed(&"so");
    let states = watched.snapshot().into_iter().map(|row| row.state).collect::<Vec<_>>();
    assert_eq!(states, [State::Failed; 3]);
}

#[test]
fn so_many_that_ended_stay_listed_and_all_that_run() {
    let board = Board::new(2);
    let running = Hand::<u32>::new();
    let handle = probe(running.clone().prefetch(9).observed(&board), Behaviour::new());
    for n in 1..=100 {
        let end = millstream::range(0..n).prefetch(4).named("job").observed(&board);
        assert_eq!(end.count().block().unwrap(), n);
    }
    let snapshot = board.snapshot();
    let rows = snapshot.rows().iter().map(|row| (row.capacity, row.received)).collect::<Vec<_>>();
    assert_eq!(rows, [(9, 0), (4, 99), (4, 100)], "the last two");
    drop(handle);
    let board = Board::new(0);
    let end = millstream::range(0..9).prefetch(4).observed(&board);
    assert_eq!(end.count().block().unwrap(), 9);
    assert_eq!(board.snapshot().rows().len(), 0);
}

#[test]
fn the_table_can_be_read() {
    let (watched, upstream) = (Watched::new(), Hand::new());
    let (a, b) = (Hand::<u32>::new(), Hand::<u32>::new());
    let handle = watched.over(upstream.clone().prefetch(4).named("read"));
    upstream.next(1);
    upstream.next(2);
    handle.request(1);
    let waiting = watched.over(a.clone().merge(b.clone(), 16));
    waiting.request_unbounded();
    a.next(1);
    b.complete();
    watched.at(3);
    let table = watched.board.snapshot().to_string();
    let file = file!();
    let table = table.lines().map(|line| {
        let line = line.replace(file, "");
        line.split_whitespace().filter(|word| !word.starts_with(':')).collect::<Vec<_>>().join(" ")
    });
    assert_eq!(
        table.collect::<Vec<_>>(),
        [
            "stream boundary at in out dropped asked there most capacity state",
            "0 read (prefetch) 2 1 0 - 1 2 4 backpressured 3s",
            "1 merge[0] 1 1 0 unbounded 0 1 16 starved 3s",
            "1 merge[1] 0 0 0 - 0 0 16 completed",
            "in all 1 20",
        ]
    );
    let widths = watched.board.snapshot().to_string();
    let widths = widths.lines().map(|line| line.find("capacity").unwrap_or(0)).max();
    assert!(widths.is_some_and(|width| width < 120), "it is narrow");
}

/// Read from outside while it runs: whatever the threads do, the figures belong together.
/// It runs until it was seen in so many states. Whoever looks waits for the next, so how long that
/// takes is up to the pipeline, which works for nothing when nobody can look.
#[test]
fn a_pipeline_of_three_stages_is_read_while_it_runs() {
    const STATES: u64 = 2_000;
    let board = Board::new(16);
    let pool = Pool::new(2);
    let (over, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let lines = {
        let (over, made) = (over.clone(), made.clone());
        millstream::range(0..u64::MAX).take_while(move |_| {
            made.fetch_add(1, Ordering::Relaxed);
            !over.load(Ordering::Acquire)
        })
    };
    let lines = lines
        .async_boundary(pool.handle(), 64)
        .named("read")
        .map(|n| n + 1)
        .publish_on(pool.handle(), 32)
        .named("parse")
        .map_async_unordered(pool.handle(), 8, |n| async move { n })
        .named("call")
        .publish_on(pool.handle(), 16)
        .named("write")
        .observed(&board);
    let looking = {
        let board = board.clone();
        std::thread::spawn(move || {
            // Whatever is found: nothing else ends the pipeline.
            let _over = Sets(over);
            let mut before: Vec<Row> = Vec::new();
            for _ in 0..STATES {
                let snapshot = another(&board, &before);
                belong_together(&snapshot);
                for row in &snapshot {
                    let older = before.iter().find(|older| older.name == row.name);
                    if let Some(older) = older {
                        assert!(older.received <= row.received && older.sent <= row.sent);
                        assert!(older.high_water <= row.high_water);
                    }
                }
                if let (Some(read), Some(write)) = (snapshot.named("read"), snapshot.named("write"))
                {
                    // Upstream is read first, so downstream may be ahead, but not of the source.
                    assert!(write.sent <= made.load(Ordering::Relaxed));
                    assert!(read.sent <= read.received);
                }
                assert!(snapshot.fill() <= 64 + 32 + 8 + 16);
                before = snapshot.into_iter().collect();
            }
        })
    };
    let (items, sum) = lines.fold((0, 0), |(items, sum), n| (items + 1, sum + n)).block().unwrap();
    looking.join().unwrap();
    assert_eq!(sum, items * (items + 1) / 2);

    let snapshot = board.snapshot();
    belong_together(&snapshot);
    let names = snapshot.rows().iter().map(|row| row.name.as_deref().unwrap());
    assert_eq!(names.collect::<Vec<_>>(), ["read", "parse", "call", "write"], "upstream first");
    for row in &snapshot {
        assert_eq!((row.received, row.sent, row.discarded), (items, items, 0), "{snapshot}");
        assert_eq!(row.state, State::Completed, "{snapshot}");
        assert!(row.high_water >= 1, "{snapshot}");
    }
}

/// Set when this is dropped, by a panic too.
struct Sets(Arc<AtomicBool>);

impl Drop for Sets {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// The next snapshot in which another number of items went in or out.
fn another(board: &Board, before: &[Row]) -> Snapshot {
    loop {
        let snapshot = board.snapshot();
        let passed = |row: &Row| (row.received, row.sent);
        if !snapshot.rows().iter().map(passed).eq(before.iter().map(passed)) {
            return snapshot;
        }
        std::thread::yield_now();
    }
}

// ---- what stands still ------------------------------------------------------------------------

/// The label and the side of each stall between two looks with nothing in between.
fn standing(watched: &Watched) -> Vec<(String, Side)> {
    told(&watched.snapshot(), &watched.snapshot())
}

fn told(earlier: &Snapshot, later: &Snapshot) -> Vec<(String, Side)> {
    stalls(earlier, later).into_iter().map(|stall| (stall.row.label(), stall.side)).collect()
}

fn one(label: &str, side: Side) -> Vec<(String, Side)> {
    vec![(label.to_owned(), side)]
}

#[test]
fn a_source_that_sends_nothing_is_waited_for_by_the_first_boundary_that_was_asked() {
    let (watched, upstream) = (Watched::new(), Hand::<u32>::new());
    let handle = watched.over(upstream.clone().prefetch(4));
    assert_eq!(standing(&watched), one("prefetch", Side::Below), "nobody has asked");
    handle.request(1);
    assert_eq!(standing(&watched), one("prefetch", Side::Above));
    drop(handle);
    let watched = Watched::new();
    let _handle = watched.over(Hand::<u32>::new().prefetch(4).prefetch(2).detach());
    assert_eq!(standing(&watched), one("prefetch", Side::Above), "each asks the one above it");
    let verdict = stalls(&watched.snapshot(), &watched.snapshot()).remove(0);
    assert_eq!(verdict.row.capacity, 4, "the first of them");
    assert!(verdict.to_string().ends_with("waits for an item: look above it"), "{verdict}");
}

#[test]
fn a_downstream_that_asks_for_nothing_is_below_the_last_boundary_that_holds_items() {
    let (watched, upstream) = (Watched::new(), Hand::new());
    let handle = watched.over(upstream.clone().prefetch(4).named("read").map(|n| n).prefetch(2));
    (0..4).for_each(|n| upstream.next(n));
    let verdict = stalls(&watched.snapshot(), &watched.snapshot()).remove(0);
    assert_eq!((verdict.row.capacity, verdict.side), (2, Side::Below), "{verdict}");
    assert!(verdict.to_string().ends_with("holds 2 that nobody asks for: look below it"));
    let earlier = watched.snapshot();
    handle.request(1);
    assert_eq!(told(&earlier, &watched.snapshot()), [], "it moved");
    assert_eq!(told(&watched.snapshot(), &earlier), [], "whichever way one looks");
}

#[test]
fn a_stage_between_two_boundaries_that_asks_for_nothing_is_below_the_first() {
    let (watched, upstream) = (Watched::new(), Hand::new());
    let stopped = millstream::overflow::Valve::new();
    stopped.pause();
    let stages = upstream.clone().prefetch(4).pausable(&stopped, 4).detach();
    let handle = watched.over(stages);
    handle.request(3);
    upstream.next(1);
    assert_eq!(standing(&watched), one("prefetch", Side::Below));
    stopped.resume();
    assert_eq!(handle.items(), [1]);
    assert_eq!(standing(&watched), one("prefetch", Side::Above), "now it waits for the source");
}

#[test]
fn a_future_that_does_not_end_is_within_its_boundary() {
    let (watched, upstream) = (Watched::new(), Hand::new());
    let executor = CurrentThread::new();
    let never = |_: u32| std::future::pending::<u32>();
    let stages = upstream.clone().prefetch(4).map_async(executor.handle(), 1, never);
    let handle = watched.over(stages.prefetch(2));
    handle.request(1);
    executor.run_until_idle();
    upstream.next(1);
    upstream.next(2);
    executor.run_until_idle();
    assert_eq!(standing(&watched), one("map_async", Side::Within));
    let verdict = stalls(&watched.snapshot(), &watched.snapshot()).remove(0);
    assert!(verdict.to_string().ends_with("holds 1 that were asked for: look at it"), "{verdict}");
}

#[test]
fn an_input_that_is_empty_keeps_the_others_waiting() {
    let (watched, a, b) = (Watched::new(), Hand::new(), Hand::<u32>::new());
    let handle = watched.over(b.clone().zip(a.clone(), 2));
    handle.request(1);
    a.next(1);
    assert_eq!(standing(&watched), one("zip[0]", Side::Above));
    let earlier = watched.snapshot();
    b.next(1);
    assert_eq!(told(&earlier, &watched.snapshot()), []);
    a.next(2);
    assert_eq!(standing(&watched), one("zip[1]", Side::Below), "and now nobody asks");
}

#[test]
fn inner_publishers_that_send_nothing_keep_a_flattening_waiting() {
    let (watched, outer, inner) = (Watched::new(), Hand::new(), Hand::<u32>::new());
    let made = inner.clone();
    let flat = outer.clone().flat_map_unordered(1, 4, move |_: u32| made.clone());
    let handle = watched.over(flat);
    handle.request(1);
    outer.next(1);
    assert_eq!(standing(&watched), one("flat_map_unordered[inner]", Side::Above));
}

#[test]
fn pipelines_are_told_of_one_by_one_and_those_that_came_or_ended_are_not() {
    let (watched, first, second) = (Watched::new(), Hand::<u32>::new(), Hand::new());
    let earlier = watched.snapshot();
    let one_of_two = watched.over(first.clone().prefetch(1));
    let other = watched.over(second.clone().prefetch(1));
    assert_eq!(told(&earlier, &watched.snapshot()), [], "they came");
    one_of_two.request(1);
    second.next(7_u32);
    let sides = standing(&watched).into_iter().map(|(_, side)| side).collect::<Vec<_>>();
    assert_eq!(sides, [Side::Above, Side::Below]);
    let earlier = watched.snapshot();
    one_of_two.cancel();
    assert_eq!(told(&earlier, &watched.snapshot()), one("prefetch", Side::Below), "one has ended");
    drop(other);
}
