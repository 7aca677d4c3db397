//! Models of `group_by`: items race the requests and the cancellation of a group, and what is
//! done where an item has no place.

use std::sync::{Arc, Mutex};

use millstream_core::{More, Publisher};
use millstream_operators::PublisherExt;
use millstream_operators::fan_out::{Group, Stalled};
use millstream_sync::{deep_model as model, thread};

use crate::oracle::Signal::{Complete, Fault, Item};
use crate::oracle::{Error, Hand, Oracle, Signal, Source, Token};
use crate::placed::Placed;

/// A source by hand, the groups that were sent, and who is sent them.
struct Grouped {
    source: Oracle,
    hand: Hand,
    out: Oracle,
    groups: Arc<Mutex<Vec<Oracle>>>,
}

/// Items by their numbers modulo 2, in groups with room for one item; each group is read by an
/// oracle of its own, which asks for nothing.
fn grouped(max_groups: usize, stalled: Stalled) -> Grouped {
    let (source, hand, out) = (Oracle::new(), Hand::default(), Oracle::new());
    let groups: Arc<Mutex<Vec<Oracle>>> = Arc::default();
    let (read, alive) = (groups.clone(), source.alive());
    Source::Hand(source.alive(), hand.clone())
        .group_by(max_groups, 1, stalled, |item| item.0 % 2)
        .map(move |group: Group<u32, Token, Error>| {
            let (oracle, key) = (Oracle::new(), *group.key());
            read.lock().unwrap().push(oracle.clone());
            group.subscribe(oracle.probe(|_| More::NONE));
            Token(key, alive.clone())
        })
        .subscribe(out.probe(|_| More::NONE));
    Grouped { source, hand, out, groups }
}

impl Grouped {
    fn token(&self, n: u32) -> Token {
        Token(n, self.source.alive())
    }

    fn group(&self, n: usize) -> Oracle {
        self.groups.lock().unwrap()[n].clone()
    }

    /// The logs of downstream and of each group, where all is over.
    fn finish(self) -> (Vec<Signal>, Vec<Vec<Signal>>) {
        let groups = std::mem::take(&mut *self.groups.lock().unwrap());
        let out = self.out.finish();
        let groups = groups.into_iter().map(|group| group.finish()).collect();
        assert_eq!(self.source.count(), 0, "the source or an item is still alive");
        (out, groups)
    }
}

#[test]
fn items_race_a_request_of_their_group() {
    model("group_by: items_race_a_request_of_their_group", || {
        let grouped = grouped(2, Stalled::Fail);
        grouped.out.request(9);
        grouped.hand.send(grouped.token(0));
        let (hand, item) = (grouped.hand.clone(), grouped.token(2));
        let producer = thread::spawn(move || {
            hand.send(item);
            hand.complete();
        });
        grouped.group(0).request(9);
        producer.join().unwrap();
        let (out, groups) = grouped.finish();
        assert_eq!(out, [Item(0), Complete]);
        assert_eq!(groups, [[Item(0), Item(2), Complete]]);
    });
}

/// An item comes in the group that is just being cancelled, or opens another.
#[test]
fn an_item_races_the_cancellation_of_its_group() {
    model("group_by: an_item_races_the_cancellation_of_its_group", || {
        let grouped = grouped(2, Stalled::Fail);
        grouped.out.request(9);
        grouped.hand.send(grouped.token(0));
        grouped.group(0).request(9);
        let (hand, item) = (grouped.hand.clone(), grouped.token(2));
        let producer = thread::spawn(move || hand.send(item));
        grouped.group(0).cancel();
        producer.join().unwrap();
        let (out, groups) = grouped.finish();
        match &groups[..] {
            [one] => {
                assert!(*one == [Item(0)] || *one == [Item(0), Item(2)], "{one:?}");
                assert_eq!(out, [Item(0)]);
            }
            [one, other] => {
                assert_eq!((&one[..], &other[..]), (&[Item(0)][..], &[][..]));
                assert_eq!(out, [Item(0), Item(0)]);
            }
            more => panic!("{more:?}"),
        }
    });
}

/// Row 39 of the known bugs: one group is cancelled with an item in it, while items come for
/// another, which asks for them.
#[test]
fn row_39_items_race_a_request_and_the_cancellation_of_another_group() {
    model("group_by: row_39_items_race_a_request_and_the_cancellation_of_another_group", || {
        let grouped = grouped(2, Stalled::Fail);
        grouped.out.request(9);
        for n in [0, 1] {
            grouped.hand.send(grouped.token(n));
        }
        let (hand, item) = (grouped.hand.clone(), grouped.token(2));
        let producer = thread::spawn(move || {
            hand.send(item);
            hand.complete();
        });
        grouped.group(1).cancel();
        grouped.group(0).request(9);
        producer.join().unwrap();
        let (out, groups) = grouped.finish();
        assert_eq!(out, [Item(0), Item(1), Complete]);
        assert_eq!(groups, [vec![Item(0), Item(2), Complete], vec![]]);
    });
}

/// Row 40 of the known bugs: the oldest group has to go, and its reader cancels it.
#[test]
fn row_40_closing_the_oldest_group_races_its_cancellation() {
    model("group_by: row_40_closing_the_oldest_group_races_its_cancellation", || {
        let grouped = grouped(1, Stalled::DropOldest);
        grouped.out.request(9);
        grouped.hand.send(grouped.token(0));
        grouped.group(0).request(9);
        let (hand, item) = (grouped.hand.clone(), grouped.token(1));
        let producer = thread::spawn(move || hand.send(item));
        grouped.group(0).cancel();
        producer.join().unwrap();
        grouped.hand.complete();
        grouped.group(1).request(9);
        let (out, groups) = grouped.finish();
        assert_eq!(out, [Item(0), Item(1), Complete]);
        assert!(groups[0] == [Item(0)] || groups[0] == [Item(0), Complete], "{groups:?}");
        assert_eq!(groups[1], [Item(1), Complete]);
    });
}

/// Row 58 of the known bugs: the group that nobody reads is full, and is just being asked for.
#[test]
fn row_58_a_stall_races_the_request_that_ends_it() {
    model("group_by: row_58_a_stall_races_the_request_that_ends_it", || {
        let grouped = grouped(2, Stalled::Fail);
        grouped.out.request(1);
        grouped.hand.send(grouped.token(0));
        grouped.group(0).request(9);
        grouped.hand.send(grouped.token(1));
        let (hand, item) = (grouped.hand.clone(), grouped.token(3));
        let producer = thread::spawn(move || hand.send(item));
        grouped.out.request(1);
        producer.join().unwrap();
        let stalled = matches!(grouped.group(0).log().as_deref(), Some([Item(0), Fault(_)]));
        if !stalled {
            grouped.group(1).request(9);
            grouped.hand.complete();
        }
        let (out, groups) = grouped.finish();
        if stalled {
            assert!(matches!(out.last(), Some(Fault(_))), "{out:?}");
            assert!(groups.iter().all(|group| matches!(group.last(), Some(Fault(_)))));
        } else {
            assert_eq!(out, [Item(0), Item(1), Complete]);
            assert_eq!(groups, [vec![Item(0), Complete], vec![Item(1), Item(3), Complete]]);
        }
    });
}

/// `n` items by their numbers modulo 2: even ones in place, each of which `each` sees; odd ones are
/// read elsewhere, by whoever asks for two at the beginning.
fn in_place(n: u32, each: fn(u32)) -> (Oracle, Oracle, Oracle) {
    let (source, out, other) = (Oracle::new(), Oracle::new(), Oracle::new());
    let read = other.clone();
    crate::pulled(&source, 0..n)
        .group_by(2, 1, Stalled::Fail, |item| item.0 % 2)
        .flat_map_unordered(2, 1, move |group| match group.key() {
            0 => Placed::Here(group),
            _ => {
                group.subscribe(read.probe(|_| More::NONE));
                Placed::Elsewhere
            }
        })
        .inspect(move |item: &Token| each(item.0))
        .subscribe(out.probe(|_| More::NONE));
    (source, out, other)
}

/// Who runs `group_by` for its own groups, and who asks for one that is elsewhere.
#[test]
fn a_group_in_place_races_a_request_of_one_elsewhere() {
    model("group_by: a_group_in_place_races_a_request_of_one_elsewhere", || {
        let (source, out, other) = in_place(5, |_| {});
        out.request(1);
        assert_eq!(out.log(), None);
        let asking = thread::spawn({
            let out = out.clone();
            move || out.request(9)
        });
        other.request(2);
        asking.join().unwrap();
        assert_eq!(out.finish(), [Item(0), Item(2), Item(4), Complete]);
        assert_eq!(other.finish(), [Item(1), Item(3), Complete]);
        assert_eq!(source.count(), 0);
    });
}

/// A panic below those in place is no affair of the group that is elsewhere.
#[test]
fn a_panic_below_a_group_in_place_races_a_request_of_one_elsewhere() {
    model("group_by: a_panic_below_a_group_in_place_races_a_request_of_one_elsewhere", || {
        let (source, out, other) = in_place(5, |n| {
            if n == 4 {
                std::panic::resume_unwind(Box::new("ouch"));
            }
        });
        out.request(1);
        let asking = thread::spawn({
            let out = out.clone();
            move || out.request(9)
        });
        other.request(9);
        asking.join().unwrap();
        assert!(matches!(&out.finish()[..], [Item(0), Item(2), Fault(_)]));
        assert_eq!(other.finish(), [Item(1), Item(3), Complete]);
        assert_eq!(source.count(), 0);
    });
}

/// Downstream goes, and with it all that is in place; the group elsewhere goes on.
#[test]
fn a_cancellation_of_those_in_place_races_a_request_of_one_elsewhere() {
    model("group_by: a_cancellation_of_those_in_place_races_a_request_of_one_elsewhere", || {
        let (source, out, other) = in_place(5, |_| {});
        out.request(2);
        let cancelling = thread::spawn({
            let out = out.clone();
            move || out.cancel()
        });
        other.request(9);
        cancelling.join().unwrap();
        assert_eq!(out.finish(), [Item(0), Item(2)]);
        assert_eq!(other.finish(), [Item(1), Item(3), Complete]);
        assert_eq!(source.count(), 0);
    });
}

/// A group that goes while others are handed their items makes room for a new one.
#[test]
fn a_group_that_goes_in_a_run_makes_room() {
    model("group_by: a_group_that_goes_in_a_run_makes_room", || {
        let (source, out, other) = (Oracle::new(), Oracle::new(), Oracle::new());
        let (read, gone) = (other.clone(), other.clone());
        crate::pulled(&source, 0..6)
            .group_by(2, 4, Stalled::Fail, |item| [0, 1, 0, 0, 2, 2][item.0 as usize])
            .flat_map_unordered(2, 1, move |group| match group.key() {
                1 => {
                    group.subscribe(read.probe(|_| More::NONE));
                    Placed::Elsewhere
                }
                _ => Placed::Here(group),
            })
            .inspect(move |item: &Token| {
                if item.0 == 3 {
                    gone.cancel();
                }
            })
            .subscribe(out.probe(|_| More::NONE));
        crate::two_ask(&out, 9, 2);
        assert_eq!(out.finish(), [Item(0), Item(2), Item(3), Item(4), Item(5), Complete]);
        assert_eq!(other.finish(), []);
        assert_eq!(source.count(), 0);
    });
}

/// One group is in place, and there is no room for the other, which is full before it is sent.
#[test]
fn a_stall_of_groups_in_place_is_told() {
    model("group_by: a_stall_of_groups_in_place_is_told", || {
        let (source, out) = (Oracle::new(), Oracle::new());
        crate::pulled(&source, 0..5)
            .group_by(2, 1, Stalled::Fail, |item| item.0 % 2)
            .flat_map_unordered(1, 1, |group: Group<u32, Token, Error>| group)
            .subscribe(out.probe(|_| More::NONE));
        crate::two_ask(&out, 9, 2);
        assert!(matches!(&out.finish()[..], [Item(0), Item(2), Fault(_)]));
        assert_eq!(source.count(), 0);
    });
}

/// There is one place. A group is over with the item that uses the demand up, and no other comes for
/// it.
#[test]
fn a_group_that_has_enough_with_the_last_that_was_asked_for_makes_room() {
    let name = "group_by: a_group_that_has_enough_with_the_last_that_was_asked_for_makes_room";
    model(name, || {
        let (source, out) = (Oracle::new(), Oracle::new());
        crate::pulled(&source, 0..4)
            .group_by(1, 2, Stalled::Wait, |item| item.0 / 2)
            .flat_map_unordered(1, 1, |group: Group<u32, Token, Error>| group.take(2))
            .subscribe(out.probe(|_| More::NONE));
        let asking = thread::spawn({
            let out = out.clone();
            move || out.request(2)
        });
        out.request(1);
        out.request(1);
        asking.join().unwrap();
        assert_eq!(out.finish(), [Item(0), Item(1), Item(2), Item(3), Complete]);
        assert_eq!(source.count(), 0);
    });
}

/// Who asks for the group elsewhere puts items for the one in place into its queue, while the host of
/// that is about to be handed the next.
#[test]
fn what_is_queued_goes_before_what_is_handed() {
    model("group_by: what_is_queued_goes_before_what_is_handed", || {
        let (source, out, other) = (Oracle::new(), Oracle::new(), Oracle::new());
        let read = other.clone();
        crate::pulled(&source, 0..8)
            .group_by(2, 4, Stalled::Fail, |item| [0, 1, 0, 0, 0, 1, 0, 0][item.0 as usize])
            .flat_map_unordered(2, 1, move |group| match group.key() {
                0 => Placed::Here(group),
                _ => {
                    group.subscribe(read.probe(|_| More::NONE));
                    Placed::Elsewhere
                }
            })
            .subscribe(out.probe(|_| More::NONE));
        out.request(2);
        let asking = thread::spawn({
            let out = out.clone();
            move || out.request(9)
        });
        other.request(2);
        asking.join().unwrap();
        let in_order = [Item(0), Item(2), Item(3), Item(4), Item(6), Item(7), Complete];
        assert_eq!(out.finish(), in_order);
        assert_eq!(other.finish(), [Item(1), Item(5), Complete]);
        assert_eq!(source.count(), 0);
    });
}
