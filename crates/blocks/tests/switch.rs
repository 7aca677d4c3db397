//! Models of the switch: it is thrown once, and whoever listens is told once.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use millstream_blocks::switch::{Listening, Switch};
use millstream_sync::{AtomicUsize, Ordering, model, thread};

/// What is thrown and what listeners hold: counted by an `Arc` of `std`, which loom does not see.
type Alive = Arc<()>;

/// What one listener was told.
#[derive(Clone, Default)]
struct Told(Arc<std::sync::Mutex<Vec<u32>>>);

impl Told {
    fn listens(&self, switch: &Switch<u32>, alive: &Alive) -> Listening<u32> {
        let (place, listening) = switch.place();
        let (told, alive) = (self.0.clone(), alive.clone());
        place.listen(move |what| {
            told.lock().unwrap().push(*what);
            drop(alive);
        });
        listening
    }

    fn what(&self) -> Vec<u32> {
        self.0.lock().unwrap().clone()
    }
}

fn count(alive: &Alive) -> usize {
    Arc::strong_count(alive) - 1
}

#[test]
fn throw_races_throw() {
    model("switch: throw_races_throw", || {
        let (switch, told, alive) = (Switch::new(), Told::default(), Alive::default());
        let listening = told.listens(&switch, &alive);
        let second = switch.clone();
        let other = thread::spawn(move || second.throw(2));
        let first = switch.throw(1);
        let second = other.join().unwrap();
        let winner = match (first, second) {
            (Ok(()), Err(2)) => 1,
            (Err(1), Ok(())) => 2,
            both => panic!("{both:?}"),
        };
        assert_eq!(told.what(), [winner], "told once, of the first");
        assert_eq!(switch.thrown().as_deref(), Some(&winner));
        assert_eq!(count(&alive), 0);
        drop(listening);
    });
}

#[test]
fn throw_races_a_new_listener() {
    model("switch: throw_races_a_new_listener", || {
        let (switch, told, alive) = (Switch::new(), Told::default(), Alive::default());
        let thrower = switch.clone();
        let other = thread::spawn(move || thrower.throw(1));
        let listening = told.listens(&switch, &alive);
        assert!(other.join().unwrap().is_ok());
        assert_eq!(told.what(), [1], "before or after, it is told");
        assert_eq!(count(&alive), 0, "and dropped then");
        drop(listening);
    });
}

#[test]
fn throw_races_letting_go() {
    model("switch: throw_races_letting_go", || {
        let (switch, told, alive) = (Switch::new(), Told::default(), Alive::default());
        let (other_told, listening) = (Told::default(), told.listens(&switch, &alive));
        let stays = other_told.listens(&switch, &alive);
        let thrower = switch.clone();
        let other = thread::spawn(move || thrower.throw(1));
        drop(listening);
        assert!(other.join().unwrap().is_ok());
        assert!(told.what().len() <= 1);
        assert_eq!(other_told.what(), [1], "who stays is told");
        assert_eq!(count(&alive), 0);
        drop(stays);
    });
}

/// The two halves of a place go to two threads.
#[test]
fn letting_go_races_putting_in_and_the_throw() {
    model("switch: letting_go_races_putting_in_and_the_throw", || {
        let (switch, alive) = (Switch::<u32>::new(), Alive::default());
        let (place, listening) = switch.place();
        let lets_go = thread::spawn(move || drop(listening));
        let thrower = switch.clone();
        let throws = thread::spawn(move || thrower.throw(1));
        let held = alive.clone();
        place.listen(move |_| drop(held));
        lets_go.join().unwrap();
        assert!(throws.join().unwrap().is_ok());
        assert_eq!(count(&alive), 0, "a listener that nobody keeps is left");
    });
}

/// Nobody throws it.
#[test]
fn letting_go_races_putting_in() {
    model("switch: letting_go_races_putting_in", || {
        let (switch, alive) = (Switch::<u32>::new(), Alive::default());
        let (place, listening) = switch.place();
        let other = thread::spawn(move || drop(listening));
        let held = alive.clone();
        place.listen(move |_| drop(held));
        other.join().unwrap();
        assert_eq!(count(&alive), 0, "a listener that nobody keeps is left");
        assert!(switch.thrown().is_none());
    });
}

#[test]
fn what_came_before_the_throw_is_visible_to_whoever_is_told() {
    model("switch: what_came_before_the_throw_is_visible_to_whoever_is_told", || {
        let switch = Switch::new();
        let written = Arc::new(AtomicUsize::new(0));
        let (writes, thrower) = (written.clone(), switch.clone());
        let other = thread::spawn(move || {
            writes.store(1, Ordering::Relaxed);
            assert!(thrower.throw(()).is_ok());
        });
        let seen = Arc::new(std::sync::Mutex::new(None));
        let (sees, (place, listening)) = (seen.clone(), switch.place());
        place.listen(move |()| {
            *sees.lock().unwrap() = Some(written.load(Ordering::Relaxed));
        });
        other.join().unwrap();
        assert_eq!(*seen.lock().unwrap(), Some(1));
        drop(listening);
    });
}

/// What a listener does to the switch that tells it.
#[test]
fn a_listener_may_throw_and_listen_and_let_go() {
    model("switch: a_listener_may_throw_and_listen_and_let_go", || {
        let (switch, alive) = (Switch::<u32>::new(), Alive::default());
        let (inner, other) = (Told::default(), Told::default());
        let (place, listening) = switch.place();
        let lets_go = other.listens(&switch, &alive);
        let (again, told, held) = (switch.clone(), inner.clone(), alive.clone());
        place.listen(move |_| {
            assert_eq!(again.throw(2), Err(2));
            drop(lets_go);
            drop(told.listens(&again, &held));
        });
        let thrower = switch.clone();
        let thread = thread::spawn(move || thrower.throw(1));
        let by_itself = switch.throw(3).is_ok();
        let by_other = thread.join().unwrap().is_ok();
        assert!(by_itself != by_other);
        let winner = if by_itself { 3 } else { 1 };
        assert_eq!(inner.what(), [winner], "who listens inside is told at once");
        assert_eq!(other.what(), [winner], "it was on its way");
        assert_eq!(count(&alive), 0);
        drop(listening);
    });
}

/// A destructor of a listener that uses the switch.
#[test]
fn a_listener_is_dropped_outside_of_the_lock() {
    struct Looks(Switch<u32>);
    impl Drop for Looks {
        fn drop(&mut self) {
            assert!(self.0.thrown().is_none());
        }
    }
    model("switch: a_listener_is_dropped_outside_of_the_lock", || {
        let switch = Switch::<u32>::new();
        let (place, listening) = switch.place();
        let looks = Looks(switch.clone());
        place.listen(move |_| drop(looks));
        let other = switch.clone();
        let looking = thread::spawn(move || other.thrown().is_none());
        drop(listening);
        assert!(looking.join().unwrap());
    });
}

#[test]
fn a_listener_that_panics_does_not_keep_the_others_from_being_told() {
    model("switch: a_listener_that_panics_does_not_keep_the_others_from_being_told", || {
        let (switch, told, alive) = (Switch::<u32>::new(), Told::default(), Alive::default());
        let (place, panics) = switch.place();
        // Not a panic of its own: it would print in every schedule.
        place.listen(|_| resume_unwind(Box::new("ouch")));
        let listening = told.listens(&switch, &alive);
        let thrown = catch_unwind(AssertUnwindSafe(|| switch.throw(1)));
        assert_eq!(*thrown.unwrap_err().downcast::<&str>().unwrap(), "ouch");
        assert_eq!(told.what(), [1]);
        assert_eq!(switch.thrown().as_deref(), Some(&1));
        assert_eq!(count(&alive), 0);
        drop((panics, listening));
    });
}

// Two clones of a handle are no race: nothing to explore.
#[cfg(not(millstream_loom))]
#[test]
fn a_switch_that_is_not_thrown_keeps_nobody() {
    let (switch, told, alive) = (Switch::<u32>::new(), Told::default(), Alive::default());
    for _ in 0..10_000 {
        drop(told.listens(&switch, &alive));
    }
    assert_eq!(count(&alive), 0);
    assert!(told.what().is_empty());
    assert_eq!(format!("{switch:?}"), "Switch(set)");
    let listening = told.listens(&switch, &alive);
    drop(switch);
    assert_eq!(count(&alive), 1, "who listens is kept by itself");
    drop(listening);
    assert_eq!(count(&alive), 0);
}
