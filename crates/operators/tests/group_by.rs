//! Claims of the operators that divide one stream among several readers.

use std::collections::HashMap;
use std::convert::identity;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::support::{Ending, Hand, Item, Mint, Probe, Told, next, next_then, script};
use millstream::executor::{CurrentThread, Seeded};
use millstream::fan_out::{Group, Stalled};
use millstream::prelude::*;
use millstream::{BoxPublisher, End, Failure, Fault, More};

use Ending::{Complete, Fail, Never};

type Error = &'static str;

/// The key of an item: its tens.
fn tens(item: &Item) -> u32 {
    item.0 / 10
}

/// Reads the groups by probes, which ask for what `ask` says of their key.
#[derive(Clone)]
struct Readers {
    probes: Arc<Mutex<Vec<(u32, Probe)>>>,
    ask: fn(u32) -> More,
}

impl Readers {
    fn new(ask: fn(u32) -> More) -> Readers {
        Readers { probes: Arc::default(), ask }
    }

    /// The stream of the keys of the groups, each of which is read when it comes.
    fn read<P>(&self, groups: P) -> BoxPublisher<u32, Error>
    where
        P: Publisher<Item = Group<u32, Item, Error>, Error = Error>,
    {
        let readers = self.clone();
        let read = move |group: Group<u32, Item, Error>| {
            let key = *group.key();
            let probe = Probe::new().asking((readers.ask)(key));
            readers.probes.lock().unwrap().push((key, probe.clone()));
            probe.on(group);
            key
        };
        groups.map(read).boxed()
    }

    /// The newest group of a key.
    fn of(&self, key: u32) -> Probe {
        let probes = self.probes.lock().unwrap();
        let (_, probe) = probes.iter().rev().find(|(k, _)| *k == key).expect("the group was sent");
        probe.clone()
    }

    fn forget(&self) {
        self.probes.lock().unwrap().clear();
    }
}

fn stalled(told: &[Told]) -> &str {
    match told {
        [.., Told::Fault(fault)] if fault.contains("group_by(") => fault,
        _ => panic!("{told:?}"),
    }
}

#[test]
fn each_key_has_its_group_and_its_items_in_order() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let readers = Readers::new(|_| More::UNBOUNDED);
    let groups = readers.read(source.group_by(4, 8, Stalled::Fail, tens));
    let out = Probe::new().asking(More::UNBOUNDED).on(groups);
    assert_eq!(hand.asked(), [8]);
    for n in [11, 21, 12, 22, 13] {
        hand.send(mint.item(n));
    }
    assert_eq!(out.take(), next([1, 2]));
    assert_eq!(readers.of(1).take(), next([11, 12, 13]));
    assert_eq!(readers.of(2).take(), next([21, 22]));
    assert_eq!(mint.live(), 0);
    hand.end(End::Completed);
    assert_eq!(out.take(), [Told::Complete]);
    assert_eq!(readers.of(1).take(), [Told::Complete]);
    assert_eq!(readers.of(2).take(), [Told::Complete]);
    assert!(!out.is_held() && !readers.of(1).is_held());
}

#[test]
fn upstream_is_taken_from_only_while_somebody_wants_what_there_is_not() {
    let mint = Mint::new();
    let taken = Arc::new(AtomicUsize::new(0));
    let count = taken.clone();
    let source = script(&mint, 10, 40, Never).inspect(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let readers = Readers::new(|_| More::of(2));
    let out = Probe::new().on(readers.read(source.group_by(8, 4, Stalled::Fail, |n| n.0 % 2)));
    assert_eq!(taken.load(Ordering::Relaxed), 0, "nobody asked for a group");
    out.request(1);
    assert_eq!(out.take(), next([1]));
    // Two of the odd ones; what came for the other group waits in it.
    assert_eq!(readers.of(1).take(), next([11, 13]));
    assert_eq!(taken.load(Ordering::Relaxed), 3);
    readers.of(1).request(1);
    assert_eq!(readers.of(1).take(), next([15]));
    assert_eq!(taken.load(Ordering::Relaxed), 5);
    out.request(1);
    assert_eq!(out.take(), next([0]));
    assert_eq!(readers.of(0).take(), next([12, 14]));
    assert_eq!(taken.load(Ordering::Relaxed), 5, "all that is wanted was there");
    out.cancel();
    for key in [0, 1] {
        readers.of(key).cancel();
    }
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_group_that_is_read_slowly_holds_up_the_others_and_nothing_is_lost() {
    for policy in [Stalled::Fail, Stalled::Wait, Stalled::DropNewest, Stalled::DropOldest] {
        let mint = Mint::new();
        let (hand, source) = Hand::new();
        let readers = Readers::new(|key| if key == 1 { More::NONE } else { More::UNBOUNDED });
        let out = Probe::new().asking(More::UNBOUNDED);
        let out = out.on(readers.read(source.group_by(2, 2, policy, tens)));
        for n in [11, 21, 12, 22, 13] {
            hand.send(mint.item(n));
        }
        assert_eq!(out.take(), next([1, 2]));
        assert_eq!(readers.of(2).take(), next([21, 22]));
        hand.send(mint.item(23));
        assert_eq!(readers.of(2).take(), [], "13 has no room, and 23 is behind it");
        readers.of(1).request(1);
        assert_eq!(readers.of(1).take(), next([11]));
        assert_eq!(readers.of(2).take(), next([23]));
        readers.of(1).request(5);
        hand.end(End::Completed);
        assert_eq!(readers.of(1).take(), next_then([12, 13], Told::Complete));
        assert_eq!(out.take(), [Told::Complete]);
        assert_eq!(mint.live(), 0);
    }
}

#[test]
fn downstream_completes_when_it_was_sent_the_last_group() {
    let mint = Mint::new();
    let readers = Readers::new(|_| More::UNBOUNDED);
    let source = millstream::from_iter([11, 21, 12].map(|n| mint.item(n)))
        .map_err(|never| -> Error { match never {} });
    let out = Probe::new().on(readers.read(source.group_by(4, 8, Stalled::Wait, tens)));
    out.request(1);
    assert_eq!(out.take(), next([1]));
    assert_eq!(readers.of(1).take(), next_then([11, 12], Told::Complete));
    out.request(1);
    assert_eq!(out.take(), next_then([2], Told::Complete));
    assert_eq!(readers.of(2).take(), next_then([21], Told::Complete));
    assert_eq!(mint.live(), 0);
}

#[test]
fn an_empty_upstream_completes_without_demand() {
    let mint = Mint::new();
    for (ending, told) in [(Complete, Told::Complete), (Fail("x"), Told::Error("\"x\"".into()))] {
        let readers = Readers::new(|_| More::UNBOUNDED);
        let source = script(&mint, 0, 0, ending).group_by(1, 1, Stalled::Fail, tens);
        assert_eq!(Probe::new().on(readers.read(source)).take(), [told]);
    }
}

/// Row 13: groups that are cut short at their first items, again and again. Each group sends one at
/// least, and each item is sent or discarded, once.
#[test]
fn row_13_no_group_is_abandoned_before_its_first_item() {
    for (take, keys, policy) in
        [(1, 3, Stalled::Fail), (2, 5, Stalled::DropOldest), (3, 2, Stalled::Wait)]
    {
        for ask in [More::UNBOUNDED, More::ONE] {
            let mint = Mint::new();
            let numbers: Vec<u32> =
                (0..200_u32).map(|n| n.wrapping_mul(40_503) >> 4 & 0xff).collect();
            let source: Vec<Item> = numbers.iter().map(|n| mint.item(*n)).collect();
            let (groups, discarded) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(vec![])));
            let firsts = Arc::new(AtomicUsize::new(0));
            let (opened, lost, seen) = (groups.clone(), discarded.clone(), firsts.clone());
            let flattened = millstream::from_iter(source)
                .group_by(keys as usize, 4, policy, move |item| item.0 % keys)
                .flat_map_unordered(keys as usize, 2, move |group| {
                    let (key, seen) = (*group.key(), seen.clone());
                    opened.fetch_add(1, Ordering::Relaxed);
                    group
                        .take(take)
                        .inspect(move |item| assert_eq!(item.0 % keys, key))
                        .inspect_first(move |_| {
                            seen.fetch_add(1, Ordering::Relaxed);
                        })
                })
                .on_discard(move |item: Item| lost.lock().unwrap().push(item.0));
            let probe = Probe::new().asking(ask).answering(move |_, _| More::ONE).on(flattened);
            let told = probe.take();
            let (last, sent) = told.split_last().unwrap();
            assert_eq!(*last, Told::Complete);
            assert_eq!(firsts.load(Ordering::Relaxed), groups.load(Ordering::Relaxed));
            let mut all = std::mem::take(&mut *discarded.lock().unwrap());
            all.extend(sent.iter().map(|told| match told {
                Told::Next(n) => *n,
                other => panic!("{other:?}"),
            }));
            all.sort_unstable();
            let mut numbers = numbers;
            numbers.sort_unstable();
            assert_eq!(all, numbers, "{take} of {keys}");
            assert_eq!(mint.live(), 0);
        }
    }
}

/// Row 16: all items come, each once, whatever runs where.
#[test]
fn row_16_what_is_flattened_again_is_what_came() {
    for seed in 0..20 {
        let executor = Seeded::new(seed);
        let (one, other) = (executor.clone(), executor.clone());
        let all = millstream::range(0..500_u32)
            .publish_on(one, 4)
            .group_by(7, 3, Stalled::Wait, |n| n % 7)
            .flat_map_unordered(7, 2, move |group| group.publish_on(other.clone(), 2))
            .collect::<Vec<_>>();
        let mut all = executor.run_until(all).unwrap();
        for k in 0..7 {
            assert!(all.iter().filter(|n| *n % 7 == k).is_sorted(), "seed {seed}");
        }
        all.sort_unstable();
        assert!(all.into_iter().eq(0..500), "seed {seed}");
    }
}

/// Row 38: groups that are cut short leave no debt: upstream is asked for the rest.
#[test]
fn row_38_what_nobody_consumes_is_asked_for_again() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let groups = source.group_by(2, 4, Stalled::Fail, tens);
    let firsts = groups.flat_map_unordered(2, 1, |group| group.take(1));
    let probe = Probe::new().asking(More::UNBOUNDED).on(firsts);
    let mut asked: u64 = hand.asked().iter().sum();
    assert_eq!(asked, 4);
    for n in 0..100 {
        assert!(asked > 0, "it stands still at {n}");
        hand.send(mint.item(n % 2 * 10 + 10));
        asked = asked - 1 + hand.asked().iter().sum::<u64>();
    }
    assert_eq!(probe.take().len(), 100);
    hand.end(End::Completed);
    assert_eq!(probe.take(), [Told::Complete]);
    assert_eq!(mint.live(), 0);
}

/// Row 39: what a cancelled group holds is given up, and its room with it.
#[test]
fn row_39_a_cancelled_group_holds_nobody_up() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let discarded = Arc::new(Mutex::new(Vec::new()));
    let readers = Readers::new(|key| if key == 1 { More::NONE } else { More::UNBOUNDED });
    let out = Probe::new().asking(More::UNBOUNDED);
    let seen = discarded.clone();
    let groups = readers.read(source.group_by(2, 2, Stalled::Fail, tens));
    let out = out.on(groups.on_discard(move |item: Item| seen.lock().unwrap().push(item.0)));
    for n in [11, 21, 12, 13, 22] {
        hand.send(mint.item(n));
    }
    assert_eq!(out.take(), next([1, 2]));
    assert_eq!(readers.of(2).take(), next([21]));
    readers.of(1).cancel();
    assert_eq!(readers.of(2).take(), next([22]), "13 opens another group");
    assert_eq!(out.take(), next([1]));
    let again = readers.of(1);
    assert!(again.is_held());
    again.request(1);
    assert_eq!(again.take(), next([13]));
    assert_eq!(mint.live(), 0, "11 and 12 went with the first");
    // Dropped without being read, or cancelled, it is the same.
    assert!(hand.asked().iter().sum::<u64>() >= 4);
    hand.end(End::Completed);
    assert_eq!(again.take(), [Told::Complete]);
    assert_eq!(out.take(), [Told::Complete]);
}

#[test]
fn a_group_that_is_dropped_unread_discards_and_goes_on_counting() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let discarded = Arc::new(AtomicUsize::new(0));
    let count = discarded.clone();
    let keys = source.group_by(1, 2, Stalled::Fail, tens).map(|group| *group.key()).on_discard(
        move |_: Item| {
            count.fetch_add(1, Ordering::Relaxed);
        },
    );
    let out = Probe::new().asking(More::UNBOUNDED).on(keys);
    let mut asked: u64 = hand.asked().iter().sum();
    for n in 0..20 {
        assert!(asked > 0, "it stands still at {n}");
        hand.send(mint.item(10 + n % 3 * 10));
        asked = asked - 1 + hand.asked().iter().sum::<u64>();
    }
    assert_eq!(out.take().len(), 20, "each item opened a group");
    assert_eq!(discarded.load(Ordering::Relaxed), 20);
    hand.end(End::Completed);
    assert_eq!(out.take(), [Told::Complete]);
    assert_eq!(mint.live(), 0);
}

/// Row 40: groups are closed because they are too many, and by their readers, in every order; the
/// groups that are open are counted right.
#[test]
fn row_40_groups_that_are_closed_both_ways_are_counted_once() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let readers = Readers::new(|_| More::UNBOUNDED);
    let out = Probe::new().asking(More::UNBOUNDED);
    let out = out.on(readers.read(source.group_by(2, 2, Stalled::DropOldest, tens)));
    let mut open: Vec<u32> = Vec::new();
    let mut state = 7_u32;
    for step in 0..400 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let key = state >> 16 & 3;
        if state >> 20 & 3 == 0 && open.contains(&key) {
            readers.of(key).cancel();
            open.retain(|k| *k != key);
        } else {
            hand.send(mint.item(key * 10));
            if !open.contains(&key) {
                assert_eq!(out.take(), next([key]), "step {step}");
                if open.len() == 2 {
                    let oldest = open.remove(0);
                    assert_eq!(readers.of(oldest).take(), [Told::Complete], "step {step}");
                }
                open.push(key);
            }
            assert_eq!(readers.of(key).take(), next([key * 10]), "step {step}");
        }
        for key in 0..4 {
            let held = readers
                .probes
                .lock()
                .unwrap()
                .iter()
                .filter(|(k, p)| *k == key && p.is_held())
                .count();
            assert_eq!(held, usize::from(open.contains(&key)), "step {step}, key {key}");
        }
    }
    hand.end(End::Completed);
    assert_eq!(out.take(), [Told::Complete]);
    assert_eq!(mint.live(), 0);
}

/// Row 58: 3,000 groups before a flattening of 256.
mod row_58_three_thousand_groups_before_a_flattening_of_256 {
    use super::*;

    const KEYS: u32 = 3_000;

    fn flattened(
        max_groups: usize,
        policy: Stalled,
        discarded: &Arc<AtomicUsize>,
    ) -> impl Publisher<Item = u32, Error = std::convert::Infallible> + use<> {
        let count = discarded.clone();
        millstream::range(0..KEYS * 20)
            .group_by(max_groups, 16, policy, |n| n % KEYS)
            .flat_map_unordered(256, 16, identity)
            .on_discard(move |_: u32| {
                count.fetch_add(1, Ordering::Relaxed);
            })
    }

    #[test]
    fn ends_with_a_diagnosis() {
        let discarded = Arc::default();
        let failure = flattened(3_000, Stalled::Fail, &discarded).count().block().unwrap_err();
        let Failure::Fault(Fault::Stalled(stall)) = failure else { panic!("{failure}") };
        let text = stall.to_string();
        for named in [
            "256 of its 3000 groups",
            "other 2744",
            "full with 16 items",
            "flat_map_unordered(256, ..)",
            "3000",
        ] {
            assert!(text.contains(named), "{text:?} lacks {named:?}");
        }
    }

    #[test]
    fn ends_with_a_diagnosis_where_there_are_too_many() {
        let discarded = Arc::default();
        let failure = flattened(256, Stalled::Fail, &discarded).count().block().unwrap_err();
        let Failure::Fault(Fault::Stalled(stall)) = failure else { panic!("{failure}") };
        assert!(stall.to_string().contains("has 256 groups open"), "{stall}");
    }

    #[test]
    fn runs_through_where_items_may_be_dropped() {
        for policy in [Stalled::DropNewest, Stalled::DropOldest] {
            let discarded = Arc::default();
            let all = flattened(3_000, policy, &discarded).collect::<Vec<_>>().block().unwrap();
            let discarded = discarded.load(Ordering::Relaxed);
            assert_eq!(all.len() + discarded, KEYS as usize * 20, "{policy:?}");
            assert_eq!(discarded, 2_744 * 4, "each group that nobody read has room for 16");
            let kept = if policy == Stalled::DropNewest { 0..16 } else { 4..20 };
            for (nth, key) in [(0, 0), (0, 255), (kept.start, 2_999), (kept.end - 1, 256)] {
                assert!(all.contains(&(nth * KEYS + key)), "{policy:?}");
            }
        }
    }

    #[test]
    fn runs_through_where_the_oldest_group_may_be_closed() {
        let discarded = Arc::default();
        let all = flattened(256, Stalled::DropOldest, &discarded).collect::<Vec<_>>();
        let all = all.block().unwrap();
        assert_eq!(
            discarded.load(Ordering::Relaxed),
            0,
            "each group was read before it was closed"
        );
        assert_eq!(all.len(), KEYS as usize * 20);
    }

    #[test]
    fn waits_where_that_was_chosen_and_can_be_cancelled() {
        let mint = Mint::new();
        let m = mint.clone();
        let probe = Probe::new().asking(More::UNBOUNDED).on(millstream::range(0..KEYS * 20)
            .map(move |n| m.item(n))
            .group_by(3_000, 16, Stalled::Wait, |n| n.0 % KEYS)
            .flat_map_unordered(256, 16, identity));
        let told = probe.take();
        assert_eq!(told.len(), 16 * 256 + 256, "up to the first that has no place");
        assert!(!told.contains(&Told::Complete));
        probe.cancel();
        assert!(!probe.is_held());
        assert_eq!(mint.live(), 0);
    }

    #[test]
    fn runs_through_where_the_groups_end_in_time() {
        let sums = millstream::range(0..KEYS * 20)
            .group_by(256, 16, Stalled::Wait, |n| n / 20)
            .flat_map_unordered(256, 16, |group| group.take(20));
        assert_eq!(sums.count().block().unwrap(), u64::from(KEYS) * 20);
    }
}

/// Row 59: a flattening that never comes to the next group, because those before it do not end.
#[test]
fn row_59_a_group_that_is_never_reached_is_told() {
    let mint = Mint::new();
    let source = script(&mint, 10, 20, Never).group_by(9, 4, Stalled::Fail, |n| n.0 % 2);
    let probe = Probe::new().asking(More::UNBOUNDED).on(source.concat_map(identity));
    let told = probe.take();
    assert!(stalled(&told).contains("1 of its 2 groups"), "{told:?}");
    assert_eq!(told[..told.len() - 1], next([11, 13, 15, 17, 19]));
    assert!(!probe.is_held());
    assert_eq!(mint.live(), 0);
}

/// Row 68: a failure goes to every group and to downstream, a fault likewise; one below a group
/// stays there.
#[test]
fn row_68_a_failure_reaches_all_and_a_panic_of_a_reader_nobody_else() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let readers = Readers::new(|_| More::UNBOUNDED);
    let groups = readers.read(source.group_by(3, 2, Stalled::Fail, tens));
    let out = Probe::new().asking(More::UNBOUNDED).on(groups);
    for n in [11, 21] {
        hand.send(mint.item(n));
    }
    hand.end(End::Failed("x"));
    let failed = Told::Error("\"x\"".into());
    assert_eq!(out.take(), next_then([1, 2], failed.clone()));
    assert_eq!(readers.of(1).take(), next_then([11], failed.clone()));
    assert_eq!(readers.of(2).take(), next_then([21], failed));

    let (hand, source) = Hand::new();
    let readers = Readers::new(|_| More::UNBOUNDED);
    let key = |item: &Item| if item.0 == 99 { panic!("ouch") } else { tens(item) };
    let groups = readers.read(source.group_by(3, 2, Stalled::Fail, key));
    let out = Probe::new().asking(More::UNBOUNDED).on(groups);
    for n in [11, 21, 99] {
        hand.send(mint.item(n));
    }
    assert!(hand.is_cancelled());
    for probe in [out, readers.of(1), readers.of(2)] {
        let told = probe.take();
        assert!(matches!(&told[told.len() - 1], Told::Fault(f) if f.contains("ouch")), "{told:?}");
        assert!(!probe.is_held());
    }

    let (hand, source) = Hand::new();
    let ended = Arc::new(Mutex::new(Vec::new()));
    let ends = ended.clone();
    let probes = source.group_by(3, 2, Stalled::Fail, tens).map(move |group| {
        let key = *group.key();
        let ends = ends.clone();
        let probe = Probe::new().asking(More::UNBOUNDED);
        probe.on(group
            .map(|item| if item.0 == 12 { panic!("ouch") } else { item })
            .finally(move |end| ends.lock().unwrap().push((key, format!("{end:?}")))));
        key
    });
    let out = Probe::new().asking(More::UNBOUNDED).on(probes);
    for n in [11, 21, 12, 22] {
        hand.send(mint.item(n));
    }
    assert!(!hand.is_cancelled());
    assert_eq!(out.take(), next([1, 2]));
    assert_eq!(ended.lock().unwrap().len(), 1);
    hand.send(mint.item(13));
    assert_eq!(out.take(), next([1]), "a later item opens another group");
    hand.end(End::Completed);
    assert_eq!(ended.lock().unwrap().len(), 3);
    assert_eq!(mint.live(), 0);
}

#[test]
fn cancelling_downstream_leaves_the_groups_that_are_read() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let readers = Readers::new(|_| More::UNBOUNDED);
    let out = Probe::new().asking(More::ONE);
    let out = out.on(readers.read(source.group_by(4, 2, Stalled::Fail, tens)));
    for n in [11, 21] {
        hand.send(mint.item(n));
    }
    assert_eq!(mint.live(), 1, "21 waits in its group, which nobody asked for");
    out.cancel();
    assert_eq!(mint.live(), 0);
    assert!(!hand.is_cancelled());
    for n in [12, 22, 31, 13] {
        hand.send(mint.item(n));
    }
    assert_eq!(readers.of(1).take(), next([11, 12, 13]));
    assert_eq!(mint.live(), 0);
    readers.of(1).cancel();
    assert!(hand.is_cancelled(), "nobody is left");
}

#[test]
fn a_downstream_that_takes_some_groups_reads_them_to_the_end() {
    let sums = millstream::range(0..30_u32)
        .group_by(9, 2, Stalled::Fail, |n| n % 3)
        .take(2)
        .flat_map_unordered(2, 2, identity);
    let mut all = sums.collect::<Vec<_>>().block().unwrap();
    all.sort_unstable();
    assert!(all.into_iter().eq((0..30).filter(|n| n % 3 < 2)));
}

#[test]
fn nothing_is_subscribed_for_a_downstream_that_is_gone() {
    let (hand, source) = Hand::new();
    let groups = Readers::new(|_| More::NONE).read(source.group_by(4, 2, Stalled::Fail, tens));
    let probe = Probe::new().on(groups.take(0));
    assert_eq!(probe.take(), [Told::Complete]);
    assert_eq!(hand.asked(), []);
}

#[test]
fn groups_are_read_on_threads_of_their_own() {
    let (send, receive) = std::sync::mpsc::channel();
    let groups = millstream::range(0..20_000_u64).group_by(8, 16, Stalled::Wait, |n| n % 8);
    let end = groups.for_each(move |group| {
        let send = send.clone();
        std::thread::spawn(move || send.send((*group.key(), group.collect::<Vec<_>>().block())));
    });
    end.block().unwrap();
    let groups: HashMap<u64, Vec<u64>> =
        receive.into_iter().map(|(k, v)| (k, v.unwrap())).collect();
    assert_eq!(groups.len(), 8);
    for (key, items) in groups {
        assert!(items.into_iter().eq((0..20_000).filter(|n| n % 8 == key)));
    }
}

#[test]
fn a_key_can_be_kept_and_another_hasher_chosen() {
    type Fast = std::hash::BuildHasherDefault<std::collections::hash_map::DefaultHasher>;
    let groups = millstream::from_iter(['a', 'b', 'a'])
        .group_by(2, 2, Stalled::Fail, |letter| letter.to_string())
        .with_hasher(Fast::default());
    let executor = CurrentThread::new();
    let counts = groups.map_async(executor.handle(), 2, |group| {
        let key = group.key().clone();
        async move { (key, group.count().await.unwrap()) }
    });
    let counts = executor.run_until(counts.collect::<Vec<_>>()).unwrap();
    assert_eq!(counts, [("a".into(), 2), ("b".into(), 1)]);
}

#[test]
#[should_panic(expected = "group_by(0, capacity, stalled, key)")]
fn group_by_refuses_to_have_no_groups() {
    drop(millstream::range(0..1).group_by(0, 1, Stalled::Fail, |n| *n));
}

mod fixed {
    use super::*;

    #[test]
    fn each_item_goes_where_the_function_says_and_no_reader_is_passed_over() {
        let mint = Mint::new();
        let (hand, source) = Hand::new();
        let [zero, one] = source.partition::<2, _>(2, |item| tens(item) as usize);
        assert_eq!(hand.asked(), [], "nothing runs before all are there");
        let zero = Probe::new().on(zero);
        zero.request(9);
        assert_eq!(hand.asked(), []);
        let one = Probe::new().on(one);
        assert_eq!(hand.asked(), [2]);
        for n in [1, 11, 2, 12, 13, 3] {
            hand.send(mint.item(n));
        }
        assert_eq!(zero.take(), next([1, 2]), "13 has no room, and 3 is behind it");
        one.request(1);
        assert_eq!(one.take(), next([11]));
        assert_eq!(zero.take(), next([3]));
        one.cancel();
        assert_eq!(mint.live(), 0);
        hand.send(mint.item(14));
        hand.send(mint.item(4));
        assert_eq!(zero.take(), next([4]));
        hand.end(End::Failed("x"));
        assert_eq!(zero.take(), [Told::Error("\"x\"".into())]);
        assert_eq!(mint.live(), 0);
    }

    #[test]
    fn a_reader_that_is_dropped_is_not_waited_for_and_the_last_cancels() {
        let mint = Mint::new();
        let (hand, source) = Hand::new();
        let [zero, one, two] = source.partition::<3, _>(2, |item| tens(item) as usize);
        drop(two);
        let one = Probe::new().asking(More::UNBOUNDED).on(one);
        drop(zero);
        assert_eq!(hand.asked(), [2]);
        for n in [1, 11, 21, 91] {
            hand.send(mint.item(n));
        }
        assert_eq!(one.take(), next([11]));
        assert_eq!(mint.live(), 0);
        one.cancel();
        assert!(hand.is_cancelled());
    }

    #[test]
    fn nothing_is_subscribed_where_all_readers_are_dropped() {
        let (hand, source) = Hand::new();
        drop(source.partition::<3, _>(2, |_| 0));
        assert_eq!(hand.asked(), []);
        let (hand, source) = Hand::new();
        drop(source.balance::<3>());
        assert_eq!(hand.asked(), []);
    }

    #[test]
    fn balance_gives_an_item_to_whoever_asked() {
        let mint = Mint::new();
        let (hand, source) = Hand::new();
        let [one, other] = source.balance::<2>();
        let (one, other) = (Probe::new().on(one), Probe::new().on(other));
        assert_eq!(hand.asked(), [2]);
        one.request(1);
        for n in [1, 2] {
            hand.send(mint.item(n));
        }
        assert_eq!((one.take(), other.take()), (next([1]), vec![]));
        other.request(1);
        assert_eq!((one.take(), other.take()), (vec![], next([2])));
        one.request(4);
        other.request(4);
        assert!(hand.asked().iter().sum::<u64>() >= 2);
        for n in 3..7 {
            hand.send(mint.item(n));
        }
        let (ones, others) = (one.take(), other.take());
        assert_eq!((ones.len(), others.len()), (2, 2), "by turns: {ones:?}, {others:?}");
        other.cancel();
        for n in 7..9 {
            hand.send(mint.item(n));
        }
        assert_eq!(one.take(), next([7, 8]));
        hand.end(End::Completed);
        assert_eq!(one.take(), [Told::Complete]);
        assert_eq!(mint.live(), 0);
    }

    #[test]
    fn balanced_work_is_done_once_whoever_does_it() {
        for seed in 0..20 {
            let executor = Seeded::new(seed);
            let mut ends = Vec::new();
            for reader in millstream::range(0..300_u32).balance::<3>() {
                ends.push(reader.publish_on(executor.clone(), 2).collect::<Vec<_>>());
            }
            let ends = futures::future::join_all(ends);
            let mut all: Vec<u32> =
                executor.run_until(ends).into_iter().flat_map(Result::unwrap).collect();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..300), "seed {seed}");
        }
    }

    /// A reader that tells what it is told of discarded items.
    fn telling<P>(reader: P) -> (BoxPublisher<Item, Error>, Arc<Mutex<Vec<u32>>>)
    where
        P: Publisher<Item = Item, Error = Error>,
    {
        let told = Arc::new(Mutex::new(Vec::new()));
        let hears = told.clone();
        let reader = reader.on_discard(move |item: Item| hears.lock().unwrap().push(item.0));
        (reader.boxed(), told)
    }

    fn take(told: &Mutex<Vec<u32>>) -> Vec<u32> {
        std::mem::take(&mut told.lock().unwrap())
    }

    #[test]
    fn what_partition_drops_is_told_to_the_reader_that_it_was_for() {
        let mint = Mint::new();
        let (hand, source) = Hand::new();
        let [zero, one] = source.partition::<2, _>(2, |item| tens(item) as usize);
        let ((zero, zeros), (one, ones)) = (telling(zero), telling(one));
        let (zero, one) = (Probe::new().asking(More::UNBOUNDED).on(zero), Probe::new().on(one));
        for n in [1, 11, 12, 13] {
            hand.send(mint.item(n));
        }
        assert_eq!(zero.take(), next([1]));
        one.cancel();
        // In its queue, then the one that had no room.
        assert_eq!((take(&zeros), take(&ones)), (vec![], vec![11, 12, 13]));
        hand.send(mint.item(14));
        assert_eq!((take(&zeros), take(&ones)), (vec![], vec![14]), "what comes for it later");
        hand.send(mint.item(91));
        assert_eq!((take(&zeros), take(&ones)), (vec![91], vec![]), "nobody's: the first is told");
        hand.send(mint.item(2));
        assert_eq!(zero.take(), next([2]));
        zero.cancel();
        assert!(hand.is_cancelled());
        assert_eq!(mint.live(), 0);
    }

    #[test]
    fn what_waits_in_partition_when_the_last_reader_goes_is_told() {
        let mint = Mint::new();
        let (hand, source) = Hand::new();
        let [zero, one] = source.partition::<2, _>(1, |item| tens(item) as usize);
        drop(zero);
        let (one, ones) = telling(one);
        let one = Probe::new().asking(More::of(1)).on(one);
        for n in [1, 11, 12] {
            hand.send(mint.item(n));
        }
        assert_eq!(one.take(), next([11]));
        assert_eq!(take(&ones), [1], "nobody is there who it was for");
        one.cancel();
        assert_eq!(take(&ones), [12], "it waits before the partition");
        assert_eq!(mint.live(), 0);

        // A look for the end took it out.
        let items = [11, 12].map(|n| mint.item(n));
        let source = millstream::from_iter(items.into_iter().filter(|_| true));
        let [one] = source.partition::<1, _>(1, |_| 0);
        let (one, ones) = telling(one.map_err(|never| -> Error { match never {} }));
        let one = Probe::new().asking(More::of(1)).on(one);
        assert_eq!(one.take(), next([11]));
        one.cancel();
        assert_eq!(take(&ones), [12]);
        assert_eq!(mint.live(), 0);
    }

    #[test]
    fn what_balance_drops_is_told() {
        let mint = Mint::new();
        let (hand, source) = Hand::new();
        let [one, other] = source.balance::<2>();
        let ((one, ones), (other, others)) = (telling(one), telling(other));
        let (one, other) = (Probe::new().on(one), Probe::new().on(other));
        for n in [1, 2] {
            hand.send(mint.item(n));
        }
        one.cancel();
        assert_eq!((take(&ones), take(&others)), (vec![], vec![]), "the other may want them");
        other.request(1);
        assert_eq!(other.take(), next([1]));
        other.cancel();
        assert_eq!((take(&ones), take(&others)), (vec![2], vec![]), "nobody's: the first is told");
        assert!(hand.is_cancelled());
        assert_eq!(mint.live(), 0);
    }

    #[test]
    fn each_item_of_a_divided_stream_is_delivered_or_told_once() {
        for seed in 0..40_u64 {
            let executor = Seeded::new(seed);
            let told = Arc::new(Mutex::new(Vec::new()));
            let (hears, all) = (told.clone(), millstream::range(0..200_u32));
            let readers: [BoxPublisher<u32, std::convert::Infallible>; 3] = if seed % 2 == 0 {
                all.partition::<3, _>(2, |n| (n % 4) as usize).map(PublisherExt::boxed)
            } else {
                all.balance::<3>().map(PublisherExt::boxed)
            };
            let mut ends = Vec::new();
            for (n, reader) in (0..).zip(readers) {
                let hears = hears.clone();
                let reader = reader
                    .publish_on(executor.clone(), 2)
                    .take(20 + seed % 30 + 40 * n)
                    .on_discard(move |n: u32| hears.lock().unwrap().push(n));
                ends.push(reader.collect::<Vec<_>>());
            }
            let ends = executor.run_until(futures::future::join_all(ends));
            let mut all: Vec<u32> = ends.into_iter().flat_map(Result::unwrap).collect();
            executor.run_until_idle();
            all.append(&mut told.lock().unwrap());
            all.sort_unstable();
            let most = all.last().copied().unwrap();
            assert!(all.into_iter().eq(0..=most), "seed {seed}");
        }
    }

    #[test]
    fn parts_that_are_zipped_again_fit_within_their_capacity() {
        let source = millstream::range(0..1_000_u32);
        let [even, odd] = source.partition::<2, _>(4, |n| (n % 2) as usize);
        let pairs = even.zip(odd, 4).map(|(a, b)| b - a).collect::<Vec<_>>().block().unwrap();
        assert!(pairs.len() == 500 && pairs.into_iter().all(|n| n == 1));
    }
}

#[test]
fn a_hanging_reader_is_forgotten_with_its_groups() {
    let mint = Mint::new();
    let (hand, source) = Hand::new();
    let readers = Readers::new(|_| More::NONE);
    let out = Probe::new().asking(More::UNBOUNDED);
    let out = out.on(readers.read(source.group_by(4, 2, Stalled::Fail, tens)));
    for n in [11, 12] {
        hand.send(mint.item(n));
    }
    readers.of(1).detach();
    readers.forget();
    assert_eq!(mint.live(), 0, "nobody can ask for them any more");
    out.detach();
    drop(out);
    hand.end(End::Completed);
    assert_eq!(mint.live(), 0);
}
