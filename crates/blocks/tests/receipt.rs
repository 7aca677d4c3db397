//! Models of receipts: each is settled once, whoever settles it and wherever; the window is never
//! exceeded; nothing behind a hole is given out; and nobody waits in vain.
//!
//! What was told is a log behind a lock of `std`, which loom does not see, so it hides no edge.

use std::error::Error;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use millstream_blocks::bell::{Bell, Host};
use millstream_blocks::receipt::{
    Ack, Clerk, Issuer, Nack, OnNack, Order, Stop, Taken, Verdict, receipts,
};
use millstream_core::Fault;
use millstream_sync::{model, thread};

/// Counts how often its bell rings.
#[derive(Clone, Default)]
struct Rung(Arc<AtomicUsize>);

impl Rung {
    fn bell(&self) -> Bell {
        Bell::new(Arc::new(self.clone()))
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Host for Rung {
    fn ring(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn fail(&self, fault: Fault) {
        panic!("receipts break nothing: {fault}");
    }
}

/// The two ends of the books, and how often each was rung.
struct Books {
    issuer: Issuer<u32>,
    clerk: Clerk<u32>,
    room: u64,
    issuer_rung: Rung,
    clerk_rung: Rung,
}

impl Books {
    fn open(window: usize, deferred: usize, order: Order) -> Books {
        let (issuer_rung, clerk_rung) = (Rung::default(), Rung::default());
        let window = NonZeroUsize::new(window).unwrap();
        let (issuer, clerk) =
            receipts(window, deferred, order, issuer_rung.bell(), clerk_rung.bell());
        Books { issuer, clerk, room: 0, issuer_rung, clerk_rung }
    }

    /// Receipts for the items from 0.
    fn issue(&mut self, n: u32) -> Vec<Ack> {
        self.room += self.issuer.look().unwrap();
        assert!(self.room >= u64::from(n), "there is no room");
        self.room -= u64::from(n);
        (0..n).map(|tag| self.issuer.issue(tag).unwrap()).collect()
    }
}

impl Books {
    fn issue_one(&mut self) -> Ack {
        self.issue(1).remove(0)
    }
}

const IN_ORDER: Order = Order::Issued(OnNack::Stop);

/// What the clerk is given, until there is nothing.
fn taken(clerk: &mut Clerk<u32>) -> (Vec<(u32, bool)>, Taken) {
    let (mut all, mut batch) = (Vec::new(), Vec::new());
    loop {
        match clerk.take(&mut batch) {
            Taken::Some => all.extend(batch.drain(..).map(|(tag, verdict)| (tag, verdict.is_ok()))),
            end => return (all, end),
        }
    }
}

fn tags(clerk: &mut Clerk<u32>) -> Vec<u32> {
    taken(clerk).0.into_iter().map(|(tag, _)| tag).collect()
}

/// What an `Ack` of somebody else was told.
#[derive(Clone, Default)]
struct Told(Arc<std::sync::Mutex<Vec<String>>>);

impl Told {
    fn ack(&self) -> Ack {
        let told = self.clone();
        Ack::with(move |verdict: Verdict| {
            let verdict = verdict.map_or_else(|nack| nack.to_string(), |()| "ack".to_owned());
            told.0.lock().unwrap().push(verdict);
        })
    }

    fn log(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

#[test]
fn acks_race_the_next_item() {
    model("receipt: acks_race_the_next_item", || {
        let mut books = Books::open(1, 2, IN_ORDER);
        for rung in 1..=2 {
            let ack = books.issue_one();
            let other = thread::spawn(move || ack.ack());
            let room = books.issuer.look().unwrap();
            other.join().unwrap();
            assert!(room <= 1, "one item at a time is open");
            assert_eq!(books.issuer_rung.count(), rung, "there is room, told once");
            assert_eq!(room + books.issuer.look().unwrap(), 1, "for one");
            books.room = 1;
        }
        drop(books.issue_one());
        let again = books.issuer.look();
        assert!(matches!(again, Err(Stop::Refused { position: 2, nack: Nack::Dropped })));
    });
}

#[test]
fn an_ack_races_the_look_of_one_that_was_rung() {
    model("receipt: an_ack_races_the_look_of_one_that_was_rung", || {
        let mut books = Books::open(2, 2, IN_ORDER);
        let mut acks = books.issue(2);
        let second = acks.remove(1);
        acks.remove(0).ack();
        assert_eq!(books.issuer_rung.count(), 1);
        let other = thread::spawn(move || second.ack());
        let room = books.issuer.look().unwrap();
        other.join().unwrap();
        let rung = if room == 2 { 1 } else { 2 };
        assert_eq!(books.issuer_rung.count(), rung, "told of what it did not see");
        assert_eq!(room + books.issuer.look().unwrap(), 2);
    });
}

#[test]
fn the_window_is_not_exceeded_whoever_acknowledges() {
    model("receipt: the_window_is_not_exceeded_whoever_acknowledges", || {
        let mut books = Books::open(2, 0, Order::Settled);
        let mut acks = books.issue(2);
        let (first, second) = (acks.remove(0), acks.remove(0));
        let one = thread::spawn(move || first.ack());
        let two = thread::spawn(move || second.nack("broken"));
        let before = books.issuer.look().unwrap();
        let given = tags(&mut books.clerk);
        let room = books.issuer.look().unwrap();
        assert_eq!(before, 0, "what is settled is not committed");
        assert!(room as usize <= given.len(), "{room} beside {given:?}");
        one.join().unwrap();
        two.join().unwrap();
        let rest = tags(&mut books.clerk);
        let then = books.issuer.look().unwrap();
        assert_eq!((given.len() + rest.len(), room + then), (2, 2));
    });
}

#[test]
fn the_clerk_races_acks() {
    model("receipt: the_clerk_races_acks", || {
        let mut books = Books::open(2, 0, IN_ORDER);
        let mut acks = books.issue(2);
        let (first, second) = (acks.remove(0), acks.remove(0));
        let one = thread::spawn(move || first.ack());
        let two = thread::spawn(move || second.ack());
        let before = tags(&mut books.clerk);
        one.join().unwrap();
        two.join().unwrap();
        let rung = books.clerk_rung.count();
        let after = tags(&mut books.clerk);
        let all = [before.clone(), after.clone()].concat();
        assert!([vec![0, 1], vec![1]].contains(&all), "{all:?}: in order, and the last of a run");
        // It rings for what was not there when it looked, and for what follows it once more only
        // where it has looked again.
        assert_eq!(rung, usize::from(!after.is_empty()), "{before:?}, then {after:?}");
    });
}

#[test]
fn a_hole_holds_back_what_is_behind_it() {
    model("receipt: a_hole_holds_back_what_is_behind_it", || {
        let mut books = Books::open(16, 0, IN_ORDER);
        let mut acks = books.issue(3);
        let (first, second, third) = (acks.remove(0), acks.remove(0), acks.remove(0));
        first.ack();
        let one = thread::spawn(move || third.ack());
        let two = thread::spawn(move || second.nack("broken"));
        let before = tags(&mut books.clerk);
        one.join().unwrap();
        two.join().unwrap();
        let after = tags(&mut books.clerk);
        assert_eq!([before, after].concat(), [0], "nothing from the hole on");
        assert_eq!(books.issuer_rung.count(), 1, "whoever issues is told");
        let stop = books.issuer.issue(3);
        let Err((3, Stop::Refused { position: 1, nack: Nack::Refused(_) })) = stop else {
            panic!("{stop:?}")
        };
        drop(books.issuer);
        let (rest, end) = taken(&mut books.clerk);
        assert!(rest.is_empty());
        assert!(matches!(end, Taken::Over(Some(Stop::Refused { position: 1, .. }))), "{end:?}");
    });
}

#[test]
fn neighbours_become_one() {
    model("receipt: neighbours_become_one", || {
        let mut books = Books::open(2, 6, IN_ORDER);
        let hole = books.issue_one();
        // More than there is room for, one by one.
        for tag in 1..=6 {
            books.room += books.issuer.look().unwrap();
            books.room -= 1;
            books.issuer.issue(tag).unwrap().ack();
        }
        let mut last = books.issue_one();
        let other = thread::spawn(move || hole.ack());
        let early = last.another();
        early.ack();
        let before = tags(&mut books.clerk);
        other.join().unwrap();
        last.ack();
        let all = [before, tags(&mut books.clerk)].concat();
        assert!([vec![6, 0], vec![0]].contains(&all), "{all:?}: only the last of them is told");
        assert_eq!(books.room + books.issuer.look().unwrap(), 2, "each of them was counted");
        drop(books.issuer);
        assert!(matches!(taken(&mut books.clerk).1, Taken::Over(None)));
    });
}

#[test]
fn a_refused_item_is_skipped_where_that_is_the_policy() {
    model("receipt: a_refused_item_is_skipped_where_that_is_the_policy", || {
        let mut books = Books::open(3, 0, Order::Issued(OnNack::Skip));
        let mut acks = books.issue(3);
        let (first, second, third) = (acks.remove(0), acks.remove(0), acks.remove(0));
        let one = thread::spawn(move || first.nack("broken"));
        let two = thread::spawn(move || drop(third));
        second.ack();
        one.join().unwrap();
        two.join().unwrap();
        assert_eq!(tags(&mut books.clerk), [1], "the one that was dropped is not skipped");
        let stop = books.issuer.look();
        assert!(matches!(stop, Err(Stop::Refused { position: 2, nack: Nack::Dropped })));
    });
}

#[test]
fn what_was_taken_counts_until_it_is_committed() {
    model("receipt: what_was_taken_counts_until_it_is_committed", || {
        let mut books = Books::open(1, 0, IN_ORDER);
        let ack = books.issue(1).remove(0);
        ack.ack();
        let mut clerk = books.clerk;
        let other = thread::spawn(move || {
            let mut batch = Vec::new();
            assert!(matches!(clerk.take(&mut batch), Taken::Some));
            (clerk, batch)
        });
        let room = books.issuer.look().unwrap();
        let (mut clerk, mut batch) = other.join().unwrap();
        assert_eq!(room + books.issuer.look().unwrap(), 0, "it is being committed");
        assert!(matches!(clerk.take(&mut batch), Taken::Nothing));
        assert_eq!((books.issuer_rung.count(), batch.len()), (1, 1));
        assert_eq!(books.issuer.look().unwrap(), 1);
    });
}

#[test]
fn the_last_ack_races_the_end_of_the_issuer() {
    model("receipt: the_last_ack_races_the_end_of_the_issuer", || {
        let mut books = Books::open(1, 0, IN_ORDER);
        let ack = books.issue(1).remove(0);
        let before = taken(&mut books.clerk);
        assert!(matches!(before.1, Taken::Nothing));
        let one = thread::spawn(move || ack.ack());
        let issuer = books.issuer;
        let two = thread::spawn(move || drop(issuer));
        let (mut tags, end) = taken(&mut books.clerk);
        one.join().unwrap();
        two.join().unwrap();
        if matches!(end, Taken::Nothing) {
            assert!(books.clerk_rung.count() > 0, "who found nothing is told");
            let (rest, end) = taken(&mut books.clerk);
            assert!(matches!(end, Taken::Over(None)), "{end:?}");
            tags.extend(rest);
        }
        assert_eq!(tags, [(0, true)], "it is not over before");
    });
}

#[test]
fn the_end_is_told_where_nothing_is_open() {
    model("receipt: the_end_is_told_where_nothing_is_open", || {
        let mut books = Books::open(1, 0, IN_ORDER);
        let issuer = books.issuer;
        let other = thread::spawn(move || drop(issuer));
        let before = taken(&mut books.clerk).1;
        other.join().unwrap();
        let rung = matches!(before, Taken::Nothing);
        assert_eq!(books.clerk_rung.count(), usize::from(rung), "{before:?}");
        assert!(matches!(taken(&mut books.clerk).1, Taken::Over(None)));
    });
}

#[test]
fn dropped_after_the_last_item_is_not_a_failure() {
    model("receipt: dropped_after_the_last_item_is_not_a_failure", || {
        let mut books = Books::open(2, 0, IN_ORDER);
        let mut acks = books.issue(2);
        let (first, second) = (acks.remove(0), acks.remove(0));
        let issuer = books.issuer;
        let one = thread::spawn(move || drop(second));
        let two = thread::spawn(move || drop(issuer));
        first.ack();
        one.join().unwrap();
        two.join().unwrap();
        let (tags, end) = taken(&mut books.clerk);
        assert_eq!(tags, [(0, true)]);
        assert!(matches!(end, Taken::Over(None)), "{end:?}");
    });
}

#[test]
fn an_item_of_several_handles_is_settled_by_the_last() {
    model("receipt: an_item_of_several_handles_is_settled_by_the_last", || {
        let mut books = Books::open(1, 0, Order::Settled);
        let mut ack = books.issue(1).remove(0);
        let (second, third) = (ack.another(), ack.another());
        let one = thread::spawn(move || ack.ack());
        let two = thread::spawn(move || second.nack("broken"));
        assert!(tags(&mut books.clerk).is_empty(), "one handle is still here");
        drop(third);
        one.join().unwrap();
        two.join().unwrap();
        assert_eq!(books.clerk_rung.count(), 1, "settled once");
        let mut batch = Vec::new();
        assert!(matches!(books.clerk.take(&mut batch), Taken::Some));
        let [(0, Err(nack))] = &batch[..] else { panic!("{batch:?}") };
        assert_eq!(nack.to_string(), "broken", "what was said outweighs what was dropped");
    });
}

#[test]
fn a_handle_on_several_settles_all_of_them_once() {
    model("receipt: a_handle_on_several_settles_all_of_them_once", || {
        let (told, other_told) = (Told::default(), Told::default());
        let mut all = Ack::of_all(vec![told.ack(), other_told.ack()]);
        let one = all.another();
        let other = thread::spawn(move || one.ack());
        all.ack();
        other.join().unwrap();
        assert_eq!(
            (told.log(), other_told.log()),
            (vec!["ack".to_owned()], vec!["ack".to_owned()])
        );
    });
}

#[test]
fn several_are_settled_at_once() {
    model("receipt: several_are_settled_at_once", || {
        let mut books = Books::open(3, 0, IN_ORDER);
        let mut acks = books.issue(3);
        let rest = acks.split_off(1);
        assert!(tags(&mut books.clerk).is_empty());
        let told = Told::default();
        let all = Ack::of_all(acks.into_iter().chain([told.ack()]).chain(rest).collect());
        let other = thread::spawn(move || all.ack());
        let before = tags(&mut books.clerk);
        other.join().unwrap();
        assert_eq!(told.log(), ["ack"]);
        let all = [before, tags(&mut books.clerk)].concat();
        assert!([vec![0, 2], vec![2]].contains(&all), "{all:?}: two of them come together");
    });
}

#[test]
fn handles_that_are_not_counted_elsewhere_are_counted() {
    model("receipt: handles_that_are_not_counted_elsewhere_are_counted", || {
        let told = Told::default();
        let mut ack = told.ack();
        let one = ack.another();
        let other = thread::spawn(move || drop(one));
        ack.ack();
        other.join().unwrap();
        assert_eq!(told.log(), ["its envelope was dropped"]);
    });
}

#[test]
fn a_commit_that_fails_races_the_next_item() {
    model("receipt: a_commit_that_fails_races_the_next_item", || {
        let Books { mut issuer, mut clerk, issuer_rung, .. } = Books::open(1, 0, IN_ORDER);
        let other = thread::spawn(move || {
            clerk.fail(Arc::from(Box::<dyn Error + Send + Sync>::from("full")))
        });
        let before = issuer.look();
        other.join().unwrap();
        assert_eq!(issuer_rung.count(), 1);
        let failed = |look: &Result<u64, Stop>| matches!(look, Err(Stop::Failed(_)));
        assert!(failed(&before) ^ failed(&issuer.look()), "told once");
    });
}

/// A reason that settles another item when it is dropped.
struct Foreign(std::sync::Mutex<Option<Ack>>);

impl fmt::Debug for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Foreign")
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("foreign")
    }
}

impl Error for Foreign {}

impl Drop for Foreign {
    fn drop(&mut self) {
        let ack = self.0.lock().unwrap().take();
        if let Some(ack) = ack {
            ack.ack();
        }
    }
}

fn foreign(ack: Ack) -> Foreign {
    Foreign(std::sync::Mutex::new(Some(ack)))
}

#[test]
fn reasons_are_dropped_outside_of_the_lock() {
    model("receipt: reasons_are_dropped_outside_of_the_lock", || {
        let mut books = Books::open(3, 0, Order::Issued(OnNack::Skip));
        let mut acks = books.issue(3);
        let (mut first, second, third) = (acks.remove(0), acks.remove(0), acks.remove(0));
        let another = first.another();
        first.nack(foreign(second));
        another.nack(foreign(third));
        assert_eq!(tags(&mut books.clerk), [2]);
        let told = Told::default();
        let mut group = Ack::of_all(vec![told.ack(), told.ack()]);
        let (one, two, three) = (group.another(), group.another(), group.another());
        one.nack("broken");
        two.nack(foreign(three));
        group.ack();
        assert_eq!(told.log(), ["broken", "broken"]);
    });
}

/// A tag that settles another item when it is dropped.
struct Tag(Arc<std::sync::Mutex<Option<Ack>>>);

impl Drop for Tag {
    fn drop(&mut self) {
        let ack = self.0.lock().unwrap().take();
        if let Some(ack) = ack {
            ack.ack();
        }
    }
}

#[test]
fn tags_are_dropped_outside_of_the_lock() {
    model("receipt: tags_are_dropped_outside_of_the_lock", || {
        let (rung, window) = (Rung::default(), NonZeroUsize::new(4).unwrap());
        let (mut issuer, mut clerk) = receipts(window, 0, IN_ORDER, rung.bell(), rung.bell());
        assert_eq!(issuer.look().unwrap(), 4);
        let cells: Vec<Arc<std::sync::Mutex<Option<Ack>>>> =
            (0..4).map(|_| Arc::default()).collect();
        let mut issue = |n: usize| issuer.issue(Tag(cells[n].clone())).map_err(|_| ()).unwrap();
        let (first, second, third, fourth) = (issue(0), issue(1), issue(2), issue(3));
        *cells[1].lock().unwrap() = Some(fourth);
        second.ack();
        third.ack();
        first.ack();
        let mut batch = Vec::new();
        assert!(matches!(clerk.take(&mut batch), Taken::Some));
        assert!(Arc::ptr_eq(&batch[0].0.0, &cells[3]), "all four");
    });
}
