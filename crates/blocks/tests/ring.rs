//! Models of the ring: every item comes out once, in order, or comes back; nobody sleeps through
//! one.

use std::num::NonZeroUsize;
use std::sync::Arc;

use millstream_blocks::ring::{Look, Popped, Pushed, Reader, Writer, ring, small_ring};
use millstream_sync::{AtomicUsize, Ordering, model, thread};

/// An item whose life is counted, by an `Arc` that loom does not see.
#[derive(Debug)]
struct Token(u32, #[expect(dead_code, reason = "counted by being there")] Arc<()>);

fn put(writer: &mut Writer<Token>, n: u32, alive: &Arc<()>) -> Pushed<Token> {
    writer.push(Token(n, alive.clone()))
}

/// What is in the queue now.
fn drain(reader: &mut Reader<Token>, out: &mut Vec<u32>) -> Look {
    loop {
        match reader.pop() {
            Popped::Item(item) => out.push(item.0),
            Popped::Empty => return Look::Nothing,
            Popped::Shut => return Look::Over,
        }
    }
}

/// Loom tells of every access to a slot that is not ordered with the one before.
#[test]
fn a_slot_has_one_owner() {
    model("ring: a_slot_has_one_owner", || {
        let alive = Arc::new(());
        let (mut writer, mut reader) = ring(2);
        let theirs = alive.clone();
        let other = thread::spawn(move || {
            assert!(matches!(put(&mut writer, 1, &theirs), Pushed::Noted));
            assert!(matches!(put(&mut writer, 2, &theirs), Pushed::Noted));
            writer
        });
        let mut out = Vec::new();
        drain(&mut reader, &mut out);
        let writer = other.join().unwrap();
        drain(&mut reader, &mut out);
        assert_eq!(out, [1, 2]);
        assert_eq!(Arc::strong_count(&alive), 1, "items are left");
        drop(writer);
    });
}

#[test]
fn a_slot_is_used_again() {
    model("ring: a_slot_is_used_again", || {
        let alive = Arc::new(());
        let (mut writer, mut reader) = ring(1);
        assert!(matches!(put(&mut writer, 1, &alive), Pushed::Noted));
        let theirs = alive.clone();
        let other = thread::spawn(move || {
            let second = put(&mut writer, 2, &theirs);
            let back = match second {
                Pushed::Noted => None,
                Pushed::Full(item) => Some(item.0),
                other => panic!("{other:?}"),
            };
            (writer, back)
        });
        let mut out = Vec::new();
        drain(&mut reader, &mut out);
        let (_writer, back) = other.join().unwrap();
        drain(&mut reader, &mut out);
        out.extend(back);
        assert_eq!(out, [1, 2], "in the queue, or back with the writer");
        assert_eq!(Arc::strong_count(&alive), 1);
    });
}

fn room_for(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).unwrap()
}

/// The one slot of a small ring, as long as each item is taken before the next comes; one that comes
/// too early waits elsewhere, or has no room.
#[test]
fn the_one_slot_is_used_again() {
    for capacity in [1, 2] {
        model("ring: the_one_slot_is_used_again", move || {
            let alive = Arc::new(());
            let first = Some(Token(1, alive.clone()));
            let (mut writer, mut reader) = small_ring(room_for(capacity), first);
            let theirs = alive.clone();
            let other = thread::spawn(move || {
                let back = match put(&mut writer, 2, &theirs) {
                    Pushed::Noted | Pushed::Wake => None,
                    Pushed::Full(item) => Some(item.0),
                    Pushed::Gone(item) => panic!("{item:?}"),
                };
                (writer, back)
            });
            let mut out = Vec::new();
            drain(&mut reader, &mut out);
            let (_writer, back) = other.join().unwrap();
            drain(&mut reader, &mut out);
            assert!(back.is_none() || capacity == 1, "there is room for two");
            out.extend(back);
            assert_eq!(out, [1, 2], "in the queue, or back with the writer");
            assert_eq!(Arc::strong_count(&alive), 1);
        });
    }
}

/// Items wait in the one slot and behind it, where the reader finds them in order.
#[test]
fn a_ring_grows_while_it_is_read() {
    model("ring: a_ring_grows_while_it_is_read", || {
        let alive = Arc::new(());
        let first = Some(Token(1, alive.clone()));
        let (mut writer, mut reader) = small_ring(room_for(4), first);
        let theirs = alive.clone();
        let other = thread::spawn(move || {
            for n in [2, 3, 4] {
                assert!(matches!(put(&mut writer, n, &theirs), Pushed::Noted), "nobody sleeps");
            }
            writer
        });
        let mut out = Vec::new();
        drain(&mut reader, &mut out);
        let mut writer = other.join().unwrap();
        drain(&mut reader, &mut out);
        assert_eq!(out, [1, 2, 3, 4]);
        assert!(matches!(put(&mut writer, 5, &alive), Pushed::Noted));
        drain(&mut reader, &mut out);
        assert_eq!(out.pop(), Some(5));
        assert_eq!(Arc::strong_count(&alive), 1, "items are left");
    });
}

/// What waits in the one slot and behind it is discarded, each once.
#[test]
fn a_ring_that_grows_races_the_end_of_its_reader() {
    model("ring: a_ring_that_grows_races_the_end_of_its_reader", || {
        let alive = Arc::new(());
        let first = Some(Token(1, alive.clone()));
        let (mut writer, reader) = small_ring(room_for(4), first);
        let theirs = alive.clone();
        let other = thread::spawn(move || {
            let mut back = Vec::new();
            for n in [2, 3] {
                if let Pushed::Gone(item) = put(&mut writer, n, &theirs) {
                    back.push(item.0);
                }
            }
            back
        });
        let mut discarded = Vec::new();
        reader.close(|item: Token| discarded.push(item.0));
        discarded.extend(other.join().unwrap());
        assert_eq!(discarded, [1, 2, 3], "each once, with the reader or with the writer");
        assert_eq!(Arc::strong_count(&alive), 1, "an item is left in a ring that nobody reads");
    });
}

#[test]
fn push_races_the_end_of_the_reader() {
    model("ring: push_races_the_end_of_the_reader", || {
        let alive = Arc::new(());
        let (mut writer, reader) = ring(4);
        assert!(matches!(put(&mut writer, 1, &alive), Pushed::Noted));
        let theirs = alive.clone();
        let other = thread::spawn(move || {
            let mut back = Vec::new();
            for n in [2, 3] {
                if let Pushed::Gone(item) = put(&mut writer, n, &theirs) {
                    back.push(item.0);
                    assert!(writer.is_gone());
                }
            }
            (writer, back)
        });
        let mut discarded = Vec::new();
        reader.close(|item: Token| discarded.push(item.0));
        let (writer, back) = other.join().unwrap();
        assert!(writer.is_gone());
        discarded.extend(back);
        assert_eq!(discarded, [1, 2, 3], "each once, with the reader or with the writer");
        assert_eq!(Arc::strong_count(&alive), 1, "an item is left in a ring that nobody reads");
    });
}

#[test]
fn a_reader_that_has_taken_all_races_a_push() {
    model("ring: a_reader_that_has_taken_all_races_a_push", || {
        let alive = Arc::new(());
        let (mut writer, mut reader) = ring(2);
        assert!(matches!(put(&mut writer, 1, &alive), Pushed::Noted));
        assert!(matches!(reader.pop(), Popped::Item(Token(1, _))));
        let theirs = alive.clone();
        let other = thread::spawn(move || match put(&mut writer, 2, &theirs) {
            Pushed::Gone(item) => vec![item.0],
            _ => Vec::new(),
        });
        let mut discarded = Vec::new();
        reader.close(|item: Token| discarded.push(item.0));
        discarded.extend(other.join().unwrap());
        assert_eq!(discarded, [2], "once, with the reader or with the writer");
        assert_eq!(Arc::strong_count(&alive), 1, "it is left in a ring that nobody reads");
    });
}

#[test]
fn shut_publishes_the_end() {
    model("ring: shut_publishes_the_end", || {
        let end = Arc::new(AtomicUsize::new(0));
        let (mut writer, mut reader) = ring(2);
        let theirs = end.clone();
        let other = thread::spawn(move || {
            assert!(!matches!(writer.push(1), Pushed::Gone(_) | Pushed::Full(_)));
            theirs.store(7, Ordering::Relaxed);
            let _ = writer.shut();
        });
        let mut out = Vec::new();
        for _ in 0..3 {
            match reader.pop() {
                Popped::Item(item) => out.push(item),
                Popped::Empty => {}
                Popped::Shut => {
                    assert_eq!(end.load(Ordering::Relaxed), 7, "the end before the shutting");
                    assert_eq!(out, [1], "the end behind the item");
                }
            }
        }
        other.join().unwrap();
    });
}

/// Whoever pushes rings when told to; a bell is a store that the reader may look at.
#[test]
fn no_wake_up_is_lost() {
    model("ring: no_wake_up_is_lost", || {
        let (mut writer, mut reader) = ring(2);
        let other = thread::spawn(move || {
            let mut bells = 0;
            for n in [1, 2] {
                match writer.push(n) {
                    Pushed::Wake => bells += 1,
                    Pushed::Noted => {}
                    other => panic!("{other:?}"),
                }
            }
            (writer, bells)
        });
        let mut out = Vec::new();
        let mut slept = false;
        for _ in 0..2 {
            match reader.pop() {
                Popped::Item(item) => out.push(item),
                Popped::Empty if reader.sleep() => {
                    slept = true;
                    break;
                }
                _ => {}
            }
        }
        let (_writer, bells) = other.join().unwrap();
        if slept {
            let all_were_there = out.len() == 2;
            assert_eq!(bells, usize::from(!all_were_there), "{out:?}: once, if there was news");
        } else {
            assert_eq!(bells, 0, "nobody slept");
        }
        while let Popped::Item(item) = reader.pop() {
            out.push(item);
        }
        assert_eq!(out, [1, 2]);
    });
}

#[test]
fn shut_races_sleep() {
    model("ring: shut_races_sleep", || {
        let (writer, mut reader) = ring::<u32>(1);
        let other = thread::spawn(move || writer.shut());
        let slept = reader.look() == Look::Nothing && reader.sleep();
        let rang = other.join().unwrap();
        assert_eq!(rang, slept, "rung if and only if the reader sleeps");
        assert_eq!(reader.pop(), Popped::Shut);
    });
}

#[cfg(not(millstream_loom))]
mod on_one_thread {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn one_too_many_comes_back() {
        for (capacity, small) in [1, 2, 3, 5].into_iter().flat_map(|n| [(n, false), (n, true)]) {
            let (mut writer, mut reader) =
                if small { small_ring(room_for(capacity), None) } else { ring(capacity) };
            assert_eq!(writer.capacity(), capacity);
            // Through the one slot of a small ring.
            for n in 0..3 {
                assert!(matches!(writer.push(n), Pushed::Noted), "{capacity} {n}");
                assert_eq!(reader.pop(), Popped::Item(n));
            }
            for round in 0..3 {
                for n in 0..capacity {
                    assert!(matches!(writer.push(n), Pushed::Noted), "{capacity} {round} {n}");
                }
                assert!(matches!(writer.push(99), Pushed::Full(99)), "{capacity} {round}");
                assert_eq!(reader.len(), capacity);
                for n in 0..capacity {
                    assert_eq!(reader.pop(), Popped::Item(n));
                }
                assert_eq!(reader.pop(), Popped::Empty);
            }
        }
    }

    #[test]
    fn a_sleeper_is_told_once() {
        let (mut writer, mut reader) = ring(4);
        assert_eq!(reader.look(), Look::Nothing);
        assert!(reader.sleep());
        assert!(reader.sleep(), "again, when woken for nothing");
        assert!(matches!(writer.push(1), Pushed::Wake));
        assert!(matches!(writer.push(2), Pushed::Noted));
        assert_eq!(reader.pop(), Popped::Item(1));
        assert_eq!(reader.pop(), Popped::Item(2));
        assert_eq!(reader.pop(), Popped::Empty);
        assert!(reader.sleep());
        assert!(writer.shut());
        assert_eq!(reader.pop(), Popped::Shut);
    }

    struct Bomb(u32, #[expect(dead_code, reason = "counted by being there")] Arc<()>);

    impl Drop for Bomb {
        fn drop(&mut self) {
            assert_ne!(self.0, 0, "a destructor that panics");
        }
    }

    /// Row 11 of the known bugs.
    #[test]
    fn a_destructor_that_panics_does_not_keep_the_others() {
        let alive = Arc::new(());
        let (mut writer, reader) = ring(4);
        for n in 0..3 {
            assert!(matches!(writer.push(Bomb(n, alive.clone())), Pushed::Noted));
        }
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(reader)));
        assert!(dropped.is_err(), "the panic is raised again");
        assert_eq!(Arc::strong_count(&alive), 1, "all three are gone");
    }

    #[test]
    #[should_panic(expected = "room for one item")]
    fn a_ring_without_room_is_refused() {
        drop(ring::<u32>(0));
    }
}
