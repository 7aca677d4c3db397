//! Models of the funnel: every item comes out once, or comes back; nobody sleeps through one;
//! whoever waits for room has its turn.

mod wakers;

use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use millstream_blocks::bell::{Bell, Host};
use millstream_blocks::funnel::{Reader, Refused, Writer, funnel};
use millstream_blocks::gauge::{Levels, Site};
use millstream_core::{Context as Surroundings, Discards, Fault, Pull, Pulled};
use millstream_sync::{AtomicUsize, Mutex, Ordering, lock, model, thread};
use wakers::{foreign, waker};

type Error = &'static str;

/// An item whose life is counted, by an `Arc` that loom does not see.
#[derive(Debug)]
struct Token(u32, #[expect(dead_code, reason = "counted by being there")] Arc<()>);

/// Counts how often it was rung, and keeps what it was told.
#[derive(Default)]
struct Rung {
    times: AtomicUsize,
    fault: Mutex<Option<String>>,
}

impl Rung {
    fn times(&self) -> usize {
        self.times.load(Ordering::Relaxed)
    }
}

impl Host for Rung {
    fn ring(&self) {
        self.times.fetch_add(1, Ordering::Relaxed);
    }

    fn fail(&self, fault: Fault) {
        *lock(&self.fault) = Some(fault.to_string());
    }
}

/// What the discards hook was given.
type Discarded = Arc<std::sync::Mutex<Vec<u32>>>;

struct Rig {
    writer: Writer<Token, Error>,
    reader: Reader<Token, Error>,
    rung: Arc<Rung>,
    alive: Arc<()>,
    discarded: Discarded,
}

fn rig(capacity: usize) -> Rig {
    let (writer, reader) = funnel(NonZeroUsize::new(capacity).unwrap());
    let rung = Arc::new(Rung::default());
    let discarded = Discarded::default();
    let told = discarded.clone();
    let hook = move |item: Token| told.lock().unwrap().push(item.0);
    let context = Surroundings::default().with_discards(Discards::new(hook, Discards::default()));
    let reader = reader.attach(&Bell::new(rung.clone()), &context, Site::here("model"));
    Rig { writer, reader, rung, alive: Arc::new(()), discarded }
}

fn put(writer: &Writer<Token, Error>, n: u32, alive: &Arc<()>) -> Result<(), Refused<u32>> {
    writer.push(Token(n, alive.clone())).map_err(|refused| match refused {
        Refused::Full(item) => Refused::Full(item.0),
        Refused::Closed(item) => Refused::Closed(item.0),
    })
}

/// Pulls what is there; the end, if that is there.
fn drain(reader: &mut Reader<Token, Error>, out: &mut Vec<u32>) -> Option<Result<(), Error>> {
    loop {
        match reader.pull() {
            Pulled::Item(item) => out.push(item.0),
            Pulled::Pending => return None,
            Pulled::Complete => return Some(Ok(())),
            Pulled::Error(error) => return Some(Err(error)),
            Pulled::Skipped => panic!("nothing is skipped"),
        }
    }
}

/// A send that owns its writer.
type Sent = Pin<Box<dyn Future<Output = Result<(), u32>> + Send>>;

fn send(writer: Writer<Token, Error>, n: u32, alive: &Arc<()>) -> Sent {
    let item = Token(n, alive.clone());
    Box::pin(async move {
        let mut writer = writer;
        let sent = writer.send(item).await.map_err(|item| item.0);
        writer.done();
        sent
    })
}

fn poll(sent: &mut Sent, waker: &Waker) -> Poll<Result<(), u32>> {
    sent.as_mut().poll(&mut Context::from_waker(waker))
}

/// Loom tells of every access to a slot that is not ordered with the one before.
#[test]
fn two_writers_race_the_reader() {
    model("funnel: two_writers_race_the_reader", || {
        let Rig { writer, mut reader, alive, .. } = rig(2);
        let others = [1, 2].map(|n| {
            let (writer, alive) = (writer.clone(), alive.clone());
            thread::spawn(move || {
                assert_eq!(put(&writer, n, &alive), Ok(()));
                writer
            })
        });
        let mut out = Vec::new();
        drain(&mut reader, &mut out);
        let writers = others.map(|other| other.join().unwrap());
        drain(&mut reader, &mut out);
        assert!(out == [1, 2] || out == [2, 1], "{out:?}");
        assert_eq!(Arc::strong_count(&alive), 1, "items are left");
        drop(writers);
    });
}

#[test]
fn one_writer_is_kept_in_order() {
    model("funnel: one_writer_is_kept_in_order", || {
        let Rig { writer, mut reader, alive, .. } = rig(2);
        let theirs = alive.clone();
        let other = thread::spawn(move || {
            for n in [1, 2] {
                assert_eq!(put(&writer, n, &theirs), Ok(()));
            }
            writer
        });
        let mut out = Vec::new();
        drain(&mut reader, &mut out);
        let _writer = other.join().unwrap();
        drain(&mut reader, &mut out);
        assert_eq!(out, [1, 2]);
    });
}

/// At the edge of the slots, too: two have been used when the race begins.
#[test]
fn a_slot_is_used_again() {
    for (capacity, before) in [(1, 0), (2, 1), (3, 5)] {
        model("funnel: a_slot_is_used_again", move || {
            let Rig { writer, mut reader, alive, .. } = rig(capacity);
            let mut out = Vec::new();
            for _ in 0..before {
                assert_eq!(put(&writer, 0, &alive), Ok(()));
                assert!(matches!(reader.pull(), Pulled::Item(_)));
            }
            for n in 0..capacity as u32 {
                assert_eq!(put(&writer, n, &alive), Ok(()));
            }
            let theirs = alive.clone();
            let other = thread::spawn(move || {
                let last = put(&writer, 9, &theirs);
                (writer, last)
            });
            assert!(matches!(reader.pull(), Pulled::Item(Token(0, _))));
            let (writer, last) = other.join().unwrap();
            assert!(writer.len() <= capacity, "{} of {capacity}", writer.len());
            drain(&mut reader, &mut out);
            match last {
                Ok(()) => assert_eq!(out.pop(), Some(9)),
                Err(refused) => assert_eq!(refused, Refused::Full(9)),
            }
            assert_eq!(out, (1..capacity as u32).collect::<Vec<_>>());
            assert_eq!(Arc::strong_count(&alive), 1);
        });
    }
}

#[test]
fn two_writers_race_for_one_place() {
    model("funnel: two_writers_race_for_one_place", || {
        let Rig { writer, mut reader, alive, .. } = rig(1);
        let (second, theirs) = (writer.clone(), alive.clone());
        let other = thread::spawn(move || (put(&second, 1, &theirs), second));
        let here = put(&writer, 2, &alive);
        let (there, _second) = other.join().unwrap();
        let mut out = Vec::new();
        drain(&mut reader, &mut out);
        match (there, here) {
            (Ok(()), Err(Refused::Full(2))) => assert_eq!(out, [1]),
            (Err(Refused::Full(1)), Ok(())) => assert_eq!(out, [2]),
            both => panic!("{both:?}: one place, one item"),
        }
        assert_eq!(Arc::strong_count(&alive), 1);
    });
}

/// A look never sees an item taken that was not sent, or not taken yet.
#[test]
fn a_look_sees_no_more_than_there_was() {
    for pulls in [false, true] {
        model("funnel: a_look_sees_no_more_than_there_was", move || {
            let Rig { writer, mut reader, alive, .. } = rig(2);
            let queue = reader.observe();
            assert_eq!(put(&writer, 0, &alive), Ok(()));
            let theirs = alive.clone();
            let pushes = thread::spawn(move || {
                let taken = put(&writer, 1, &theirs).is_ok();
                (writer, 1 + u64::from(taken))
            });
            let looks = thread::spawn(move || {
                let levels = queue.levels();
                (queue, levels)
            });
            let mut out = Vec::new();
            if pulls {
                drain(&mut reader, &mut out);
            }
            let (queue, Levels { came, went, most }) = looks.join().unwrap();
            assert!(went <= came && came <= went + most && most <= 2, "{came} {went} {most}");
            assert!(came >= 1 && (pulls || went == 0), "{came} {went} {most}");
            let (_writer, pushed) = pushes.join().unwrap();
            let levels = queue.levels();
            assert_eq!((levels.came, levels.went), (pushed, out.len() as u64));
            assert!(levels.most <= pushed && levels.most >= 1);
        });
    }
}

/// Whoever fills the slot that the reader waits for rings.
#[test]
fn no_wake_up_of_the_reader_is_lost() {
    model("funnel: no_wake_up_of_the_reader_is_lost", || {
        let Rig { writer, mut reader, rung, alive, .. } = rig(2);
        let others = [1, 2].map(|n| {
            let (writer, alive) = (writer.clone(), alive.clone());
            thread::spawn(move || {
                assert_eq!(put(&writer, n, &alive), Ok(()));
                writer
            })
        });
        let mut out = Vec::new();
        drain(&mut reader, &mut out);
        let _writers = others.map(|other| other.join().unwrap());
        let expected = usize::from(out.len() < 2);
        assert_eq!(rung.times(), expected, "after {out:?}: once, if there was news");
        drain(&mut reader, &mut out);
        assert_eq!(out.len(), 2);
    });
}

/// The mark that is left while nothing is asked for, to be told of the end.
#[test]
fn look_ahead_sleeps_too() {
    model("funnel: look_ahead_sleeps_too", || {
        let Rig { writer, mut reader, rung, alive, .. } = rig(2);
        let theirs = alive.clone();
        let other = thread::spawn(move || {
            assert_eq!(put(&writer, 1, &theirs), Ok(()));
            writer
        });
        assert!(matches!(reader.look_ahead(false), Pulled::Pending));
        let mut writer = other.join().unwrap();
        assert!(rung.times() <= 1);
        let mut out = Vec::new();
        assert_eq!(drain(&mut reader, &mut out), None);
        assert_eq!(out, [1]);
        let rung_before = rung.times();
        writer.done();
        drop(writer);
        assert_eq!(rung.times(), rung_before + 1, "the end rings for one that sleeps");
        assert!(matches!(reader.look_ahead(true), Pulled::Complete));
    });
}

#[test]
fn pushes_race_the_end_of_the_reader() {
    model("funnel: pushes_race_the_end_of_the_reader", || {
        let Rig { writer, reader, alive, discarded, .. } = rig(4);
        assert_eq!(put(&writer, 1, &alive), Ok(()));
        let others = [2, 3].map(|n| {
            let (writer, alive) = (writer.clone(), alive.clone());
            thread::spawn(move || match put(&writer, n, &alive) {
                Ok(()) => None,
                Err(Refused::Closed(item)) => {
                    assert!(writer.is_closed());
                    Some(item)
                }
                Err(full) => panic!("{full:?}"),
            })
        });
        drop(reader);
        let back = others.map(|other| other.join().unwrap());
        let mut all = discarded.lock().unwrap().clone();
        all.extend(back.into_iter().flatten());
        all.sort_unstable();
        assert_eq!(all, [1, 2, 3], "each once, with the reader or with its writer");
        assert_eq!(Arc::strong_count(&alive), 1, "an item is left in a queue that nobody reads");
    });
}

/// As [`put`], by a thread that looks for room.
fn put_soon(writer: &Writer<Token, Error>, n: u32, alive: &Arc<()>) -> Result<(), Refused<u32>> {
    writer.push_soon(Token(n, alive.clone()), 2).map_err(|refused| match refused {
        Refused::Full(item) => Refused::Full(item.0),
        Refused::Closed(item) => Refused::Closed(item.0),
    })
}

/// It gets the room that is made meanwhile, or its item back.
#[test]
fn a_sender_that_looks_for_room_races_the_reader() {
    model("funnel: a_sender_that_looks_for_room_races_the_reader", || {
        let Rig { writer, mut reader, alive, .. } = rig(1);
        assert_eq!(put_soon(&writer, 1, &alive), Ok(()));
        let theirs = alive.clone();
        let other = thread::spawn(move || (put_soon(&writer, 2, &theirs), writer));
        assert!(matches!(reader.pull(), Pulled::Item(Token(1, _))));
        let (last, writer) = other.join().unwrap();
        let mut out = Vec::new();
        drain(&mut reader, &mut out);
        match last {
            Ok(()) => assert_eq!(out, [2]),
            Err(refused) => assert_eq!((refused, out), (Refused::Full(2), vec![])),
        }
        assert_eq!(put_soon(&writer, 3, &alive), Ok(()), "there is room");
        drop((writer, reader));
        assert_eq!(Arc::strong_count(&alive), 1);
    });
}

/// Its turn is after theirs: the place that the reader makes belongs to the desk.
#[test]
fn who_looks_for_room_overtakes_nobody_at_the_desk() {
    model("funnel: who_looks_for_room_overtakes_nobody_at_the_desk", || {
        let Rig { writer, mut reader, alive, .. } = rig(1);
        assert_eq!(put(&writer, 1, &alive), Ok(()));
        let mut sent = send(writer.clone(), 2, &alive);
        assert!(poll(&mut sent, Waker::noop()).is_pending());
        let theirs = alive.clone();
        let other = thread::spawn(move || (put_soon(&writer, 3, &theirs), writer));
        assert!(matches!(reader.pull(), Pulled::Item(Token(1, _))));
        let (last, writer) = other.join().unwrap();
        assert_eq!(last, Err(Refused::Full(3)));
        let mut out = Vec::new();
        drain(&mut reader, &mut out);
        assert_eq!(out, [2]);
        assert_eq!(poll(&mut sent, Waker::noop()), Poll::Ready(Ok(())));
        drop((writer, sent, reader));
        assert_eq!(Arc::strong_count(&alive), 1);
    });
}

/// Nobody looks for room that will not come.
#[test]
fn the_end_of_the_reader_races_a_sender_that_looks_for_room() {
    model("funnel: the_end_of_the_reader_races_a_sender_that_looks_for_room", || {
        let Rig { writer, reader, alive, discarded, .. } = rig(1);
        assert_eq!(put(&writer, 1, &alive), Ok(()));
        let theirs = alive.clone();
        let other = thread::spawn(move || (put_soon(&writer, 2, &theirs), writer));
        drop(reader);
        let (last, writer) = other.join().unwrap();
        assert!(matches!(last, Err(Refused::Full(2) | Refused::Closed(2))), "{last:?}");
        assert_eq!(put_soon(&writer, 3, &alive), Err(Refused::Closed(3)));
        assert_eq!(*discarded.lock().unwrap(), [1]);
        assert_eq!(Arc::strong_count(&alive), 1);
    });
}

#[test]
fn a_sender_that_waits_has_its_turn() {
    model("funnel: a_sender_that_waits_has_its_turn", || {
        let Rig { writer, mut reader, alive, .. } = rig(1);
        assert_eq!(put(&writer, 1, &alive), Ok(()));
        let mut sent = send(writer.clone(), 2, &alive);
        let other = thread::spawn(move || {
            let (woken, waker) = waker();
            let polled = poll(&mut sent, &waker);
            (sent, polled, woken)
        });
        assert!(matches!(reader.pull(), Pulled::Item(Token(1, _))));
        let (mut sent, polled, woken) = other.join().unwrap();
        if polled.is_pending() {
            assert_eq!(woken.count(), 1, "there is room");
            let again = poll(&mut sent, Waker::noop());
            assert_eq!(again, Poll::Ready(Ok(())), "woken for nothing");
        } else {
            assert_eq!((polled, woken.count()), (Poll::Ready(Ok(())), 0));
        }
        let mut out = Vec::new();
        drain(&mut reader, &mut out);
        assert_eq!(out, [2]);
        assert_eq!(put(&writer, 3, &alive), Ok(()), "nobody waits any more");
        drain(&mut reader, &mut out);
        drop((sent, writer));
        assert_eq!((out, Arc::strong_count(&alive)), (vec![2, 3], 1));
    });
}

#[test]
fn two_senders_race_for_their_turns() {
    model("funnel: two_senders_race_for_their_turns", || {
        let Rig { writer, mut reader, alive, .. } = rig(1);
        assert_eq!(put(&writer, 1, &alive), Ok(()));
        let others = [2, 3].map(|n| {
            let mut sent = send(writer.clone(), n, &alive);
            thread::spawn(move || {
                let (woken, waker) = waker();
                let polled = poll(&mut sent, &waker);
                (sent, polled, woken)
            })
        });
        let mut out = Vec::new();
        drain(&mut reader, &mut out);
        let others = others.map(|other| other.join().unwrap());
        drain(&mut reader, &mut out);
        for (mut sent, polled, woken) in others {
            assert_eq!(woken.count(), usize::from(polled.is_pending()), "each that waits, once");
            if polled.is_pending() {
                assert_eq!(poll(&mut sent, Waker::noop()), Poll::Ready(Ok(())));
            }
        }
        assert!(out == [1, 2, 3] || out == [1, 3, 2], "{out:?}");
        assert_eq!(Arc::strong_count(&alive), 1);
    });
}

/// Whoever comes while another waits stands behind; nobody is told twice.
#[test]
fn nobody_overtakes_at_the_desk() {
    model("funnel: nobody_overtakes_at_the_desk", || {
        let Rig { writer, mut reader, alive, .. } = rig(1);
        assert_eq!(put(&writer, 1, &alive), Ok(()));
        let (woken, waker) = waker();
        let mut sent = send(writer.clone(), 2, &alive);
        assert!(poll(&mut sent, &waker).is_pending());
        let (second, theirs) = (writer.clone(), alive.clone());
        let other = thread::spawn(move || (put(&second, 3, &theirs), second));
        assert!(matches!(reader.pull(), Pulled::Item(Token(1, _))));
        let (pushed, _second) = other.join().unwrap();
        assert_eq!(pushed, Err(Refused::Full(3)), "the free place belongs to the one that waits");
        assert_eq!((poll(&mut sent, &waker), woken.count()), (Poll::Ready(Ok(())), 1));
        let mut out = Vec::new();
        drain(&mut reader, &mut out);
        assert_eq!(out, [2]);
    });
}

/// Row 64 of the known bugs, and the wake-up of one that was dropped.
#[test]
fn a_dropped_sender_takes_nothing_with_it() {
    model("funnel: a_dropped_sender_takes_nothing_with_it", || {
        let Rig { writer, mut reader, alive, .. } = rig(1);
        assert_eq!(put(&writer, 1, &alive), Ok(()));
        let mut first = send(writer.clone(), 2, &alive);
        let mut second = send(writer.clone(), 3, &alive);
        let (told_first, waker_first) = waker();
        let (told, waker) = waker();
        assert!(poll(&mut first, &waker_first).is_pending());
        assert!(poll(&mut second, &waker).is_pending());
        let other = thread::spawn(move || drop(first));
        let mut out = Vec::new();
        assert!(matches!(reader.pull(), Pulled::Item(Token(1, _))));
        other.join().unwrap();
        drain(&mut reader, &mut out);
        assert!(out == [3] || out == [2, 3], "{out:?}");
        assert_eq!(told_first.count(), usize::from(out.len() == 2), "told if it was its turn");
        assert_eq!(told.count(), 1, "once");
        assert_eq!(poll(&mut second, &waker), Poll::Ready(Ok(())));
        assert_eq!(put(&writer, 4, &alive), Ok(()), "the gate is open");
        drain(&mut reader, &mut out);
        // Without a race: it has not been sent.
        assert_eq!(put(&writer, 5, &alive), Ok(()));
        let mut third = send(writer.clone(), 6, &alive);
        assert!(poll(&mut third, &waker).is_pending());
        drop(third);
        drain(&mut reader, &mut out);
        drop(second);
        assert_eq!((out.last(), Arc::strong_count(&alive)), (Some(&5), 1));
    });
}

#[test]
fn a_sender_that_waits_learns_of_the_end_of_the_reader() {
    model("funnel: a_sender_that_waits_learns_of_the_end_of_the_reader", || {
        let Rig { writer, reader, alive, discarded, .. } = rig(1);
        assert_eq!(put(&writer, 1, &alive), Ok(()));
        let mut sent = send(writer.clone(), 2, &alive);
        let other = thread::spawn(move || {
            let (woken, waker) = waker();
            let polled = poll(&mut sent, &waker);
            (sent, polled, woken)
        });
        drop(reader);
        let (mut sent, mut polled, woken) = other.join().unwrap();
        if polled.is_pending() {
            assert_eq!(woken.count(), 1, "it would wait for ever");
            polled = poll(&mut sent, Waker::noop());
        }
        assert_eq!(polled, Poll::Ready(Err(2)), "the item comes back");
        drop(sent);
        assert_eq!(*discarded.lock().unwrap(), [1]);
        assert_eq!(Arc::strong_count(&alive), 1);
    });
}

#[test]
fn a_sender_that_waits_learns_of_the_end_of_the_items() {
    model("funnel: a_sender_that_waits_learns_of_the_end_of_the_items", || {
        let Rig { writer, mut reader, alive, .. } = rig(1);
        assert_eq!(put(&writer, 1, &alive), Ok(()));
        let (woken, waker) = waker();
        let mut sent = send(writer.clone(), 2, &alive);
        assert!(poll(&mut sent, &waker).is_pending());
        let other = thread::spawn(move || {
            assert_eq!(writer.fail("over"), Ok(()));
            writer
        });
        let mut out = Vec::new();
        let early = drain(&mut reader, &mut out);
        let writer = other.join().unwrap();
        let end = early.or_else(|| drain(&mut reader, &mut out));
        assert_eq!(end, Some(Err("over")));
        assert_eq!(woken.count(), 1, "once, by the reader or by the end");
        match poll(&mut sent, &waker) {
            Poll::Ready(Ok(())) => assert_eq!(out, [1, 2]),
            Poll::Ready(Err(2)) => assert_eq!(out, [1]),
            other => panic!("{other:?}"),
        }
        drop((sent, writer));
        assert_eq!(Arc::strong_count(&alive), 1);
    });
}

#[test]
fn the_end_comes_behind_the_items() {
    model("funnel: the_end_comes_behind_the_items", || {
        let Rig { mut writer, mut reader, alive, .. } = rig(2);
        let before = Arc::new(AtomicUsize::new(0));
        let (theirs, alive_there) = (before.clone(), alive.clone());
        let other = thread::spawn(move || {
            assert_eq!(put(&writer, 1, &alive_there), Ok(()));
            theirs.store(7, Ordering::Relaxed);
            writer.done();
        });
        let mut out = Vec::new();
        for _ in 0..2 {
            if let Some(end) = drain(&mut reader, &mut out) {
                assert_eq!(end, Ok(()));
                assert_eq!(before.load(Ordering::Relaxed), 7, "what came before the end");
                assert_eq!(out, [1], "the end behind the item");
                break;
            }
        }
        other.join().unwrap();
        assert_eq!(Arc::strong_count(&alive), 1 + usize::from(out.is_empty()));
    });
}

#[test]
fn the_end_races_sleep() {
    model("funnel: the_end_races_sleep", || {
        let Rig { mut writer, mut reader, rung, .. } = rig(1);
        let other = thread::spawn(move || {
            writer.done();
            drop(writer);
        });
        let early = drain(&mut reader, &mut Vec::new());
        other.join().unwrap();
        match early {
            None => {
                assert_eq!(rung.times(), 1, "the reader would sleep for ever");
                assert_eq!(drain(&mut reader, &mut Vec::new()), Some(Ok(())));
            }
            Some(end) => assert_eq!(end, Ok(())),
        }
    });
}

/// A push that has its ticket is waited for, and one that comes later comes back.
#[test]
fn a_push_races_the_end() {
    model("funnel: a_push_races_the_end", || {
        let Rig { writer, mut reader, rung, alive, .. } = rig(2);
        let (second, theirs) = (writer.clone(), alive.clone());
        let pushes = thread::spawn(move || (put(&second, 1, &theirs), second));
        let ends = thread::spawn(move || {
            assert!(writer.complete());
            writer
        });
        let mut out = Vec::new();
        let early = drain(&mut reader, &mut out);
        let (pushed, _second) = pushes.join().unwrap();
        let _first = ends.join().unwrap();
        if early.is_none() {
            assert!(rung.times() > 0, "the reader would sleep for ever");
        }
        let end = early.or_else(|| drain(&mut reader, &mut out));
        assert_eq!(end, Some(Ok(())), "{out:?}");
        match pushed {
            Ok(()) => assert_eq!(out, [1]),
            Err(refused) => assert_eq!((refused, out.len()), (Refused::Closed(1), 0)),
        }
        assert_eq!(Arc::strong_count(&alive), 1);
    });
}

#[test]
fn of_two_ends_the_first_stands() {
    model("funnel: of_two_ends_the_first_stands", || {
        let Rig { writer, mut reader, .. } = rig(1);
        let second = writer.clone();
        let other = thread::spawn(move || (second.fail("broken"), second));
        let completed = writer.complete();
        let (failed, _second) = other.join().unwrap();
        let end = drain(&mut reader, &mut Vec::new());
        match (completed, failed) {
            (true, Err("broken")) => assert_eq!(end, Some(Ok(()))),
            (false, Ok(())) => assert_eq!(end, Some(Err("broken"))),
            both => panic!("{both:?}"),
        }
    });
}

/// Row 75 of the known bugs: whoever went without a word is told apart from the end.
#[test]
fn the_last_writer_ends_and_a_lost_one_is_told() {
    for lost in [false, true] {
        model("funnel: the_last_writer_ends_and_a_lost_one_is_told", move || {
            let Rig { mut writer, mut reader, rung, alive, .. } = rig(2);
            assert_eq!(put(&writer, 1, &alive), Ok(()));
            let mut second = writer.clone();
            let other = thread::spawn(move || {
                if !lost {
                    second.done();
                }
                drop(second);
            });
            writer.done();
            drop(writer);
            other.join().unwrap();
            let mut out = Vec::new();
            let end = drain(&mut reader, &mut out);
            assert_eq!(out, [1], "what was sent before is delivered");
            let fault = lock(&rung.fault).take();
            if lost {
                assert_eq!((end, fault), (None, Some(Fault::SourceDropped.to_string())));
            } else {
                assert_eq!((end, fault), (Some(Ok(())), None));
            }
        });
    }
}

#[test]
fn whoever_watches_is_told_of_the_end() {
    model("funnel: whoever_watches_is_told_of_the_end", || {
        let Rig { writer, reader, .. } = rig(1);
        let other = thread::spawn(move || {
            let (woken, waker) = waker();
            let mut closed = Box::pin(async move {
                writer.closed().await;
                writer
            });
            let early = closed.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
            (closed, early, woken)
        });
        drop(reader);
        let (mut closed, early, woken) = other.join().unwrap();
        if !early {
            assert_eq!(woken.count(), 1);
            let again = closed.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(again.is_ready());
        }
    });
}

#[test]
fn the_last_waker_counts() {
    model("funnel: the_last_waker_counts", || {
        let Rig { writer, mut reader, alive, .. } = rig(1);
        assert_eq!(put(&writer, 1, &alive), Ok(()));
        let (old, new) = (waker(), waker());
        let mut sent = send(writer.clone(), 2, &alive);
        assert!(poll(&mut sent, &old.1).is_pending());
        let other = thread::spawn(move || {
            let polled = poll(&mut sent, &new.1);
            (sent, polled, new)
        });
        assert!(matches!(reader.pull(), Pulled::Item(Token(1, _))));
        let (_sent, polled, new) = other.join().unwrap();
        match polled {
            Poll::Pending => assert_eq!((old.0.count(), new.0.count()), (0, 1)),
            ready => assert_eq!((ready, new.0.count()), (Poll::Ready(Ok(())), 0)),
        }
    });
}

/// A waker that looks at the queue whenever it is cloned or dropped.
#[test]
fn wakers_are_cloned_and_dropped_outside_of_the_lock() {
    model("funnel: wakers_are_cloned_and_dropped_outside_of_the_lock", || {
        let Rig { writer, mut reader, alive, .. } = rig(1);
        assert_eq!(put(&writer, 1, &alive), Ok(()));
        let looks = || {
            let writer = writer.clone();
            foreign(move || drop(writer.clone()))
        };
        let mut sent = send(writer.clone(), 2, &alive);
        // Left there, replaced, and given up when its turn has come.
        assert!(poll(&mut sent, &looks()).is_pending());
        assert!(poll(&mut sent, &looks()).is_pending());
        assert!(matches!(reader.pull(), Pulled::Item(_)));
        assert!(poll(&mut sent, &looks()).is_ready());
        // Left there and dropped with the send.
        let mut third = send(writer.clone(), 3, &alive);
        assert!(poll(&mut third, &looks()).is_pending());
        drop(third);
        let watcher = writer.clone();
        let mut watch = Box::pin(async move { watcher.closed().await });
        for _ in 0..2 {
            assert!(watch.as_mut().poll(&mut Context::from_waker(&looks())).is_pending());
        }
        drop(watch);
        // Woken by the end.
        let mut last = send(writer.clone(), 4, &alive);
        assert!(poll(&mut last, &looks()).is_pending());
        drop(reader);
        assert_eq!(poll(&mut last, &looks()), Poll::Ready(Err(4)));
    });
}

struct Panics;

impl std::task::Wake for Panics {
    fn wake(self: Arc<Self>) {
        std::panic::resume_unwind(Box::new("a waker that panics"));
    }
}

#[test]
fn a_waker_that_panics_keeps_no_item_from_the_reader() {
    model("funnel: a_waker_that_panics_keeps_no_item_from_the_reader", || {
        let Rig { writer, mut reader, alive, .. } = rig(1);
        assert_eq!(put(&writer, 1, &alive), Ok(()));
        let (mut second, mut third) = (send(writer.clone(), 2, &alive), send(writer, 3, &alive));
        assert!(poll(&mut second, &Waker::from(Arc::new(Panics))).is_pending());
        let (woken, waker) = waker();
        assert!(poll(&mut third, &waker).is_pending());
        for n in 1..=3 {
            assert!(matches!(reader.pull(), Pulled::Item(Token(m, _)) if m == n), "{n}");
        }
        assert_eq!(woken.count(), 1);
        assert_eq!(poll(&mut second, &waker), Poll::Ready(Ok(())));
        assert_eq!(poll(&mut third, &waker), Poll::Ready(Ok(())));
    });
}

#[cfg(not(millstream_loom))]
mod on_one_thread {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    /// Row 73 of the known bugs: the figures at the edges of capacity and slots.
    #[test]
    fn one_too_many_comes_back() {
        for capacity in [1, 2, 3, 5] {
            let Rig { writer, mut reader, alive, .. } = rig(capacity);
            for round in 0..4 {
                for n in 0..capacity {
                    assert_eq!((writer.len(), reader.len()), (n, n), "{capacity} {round}");
                    assert_eq!(writer.is_empty(), n == 0);
                    assert_eq!(put(&writer, n as u32, &alive), Ok(()), "{capacity} {round} {n}");
                }
                assert_eq!(put(&writer, 99, &alive), Err(Refused::Full(99)));
                for n in 0..capacity {
                    assert_eq!(reader.len(), capacity - n);
                    assert!(matches!(reader.pull(), Pulled::Item(Token(m, _)) if m == n as u32));
                }
                assert!(matches!(reader.pull(), Pulled::Pending));
                assert!(reader.is_empty());
            }
        }
    }

    #[test]
    fn a_sleeper_is_told_once() {
        let Rig { writer, mut reader, rung, alive, .. } = rig(4);
        assert!(matches!(reader.pull(), Pulled::Pending));
        assert!(matches!(reader.pull(), Pulled::Pending), "again, when woken for nothing");
        assert_eq!(put(&writer, 1, &alive), Ok(()));
        assert_eq!(put(&writer, 2, &alive), Ok(()));
        assert_eq!(rung.times(), 1);
        let mut out = Vec::new();
        drain(&mut reader, &mut out);
        assert_eq!(put(&writer, 3, &alive), Ok(()));
        assert_eq!((out, rung.times()), (vec![1, 2], 2));
    }

    #[test]
    fn those_that_wait_have_their_turn_in_order_and_one_wake_up_each() {
        let Rig { writer, mut reader, alive, .. } = rig(2);
        for n in [1, 2] {
            assert_eq!(put(&writer, n, &alive), Ok(()));
        }
        let mut waiting: Vec<_> = (3..8)
            .map(|n| {
                let (woken, waker) = waker();
                let mut sent = send(writer.clone(), n, &alive);
                assert!(poll(&mut sent, &waker).is_pending());
                (sent, woken, waker)
            })
            .collect();
        for n in 1..8 {
            assert!(matches!(reader.pull(), Pulled::Item(Token(m, _)) if m == n));
            let told: Vec<_> = waiting.iter().map(|(_, woken, _)| woken.count()).collect();
            let expected: Vec<_> = (0..5).map(|i| usize::from(i < n as usize)).collect();
            assert_eq!(told, expected, "after item {n}: one more, in order");
        }
        for (sent, _, waker) in &mut waiting {
            assert_eq!(poll(sent, waker), Poll::Ready(Ok(())));
        }
    }

    struct Bomb(u32, #[expect(dead_code, reason = "counted by being there")] Arc<()>);

    impl Drop for Bomb {
        fn drop(&mut self) {
            assert_ne!(self.0, 0, "a destructor that panics");
        }
    }

    /// Row 11 of the known bugs, and whoever waits learns of the end nevertheless.
    #[test]
    fn a_destructor_that_panics_does_not_keep_the_others() {
        let alive = Arc::new(());
        let (writer, reader) = funnel::<_, Error>(NonZeroUsize::new(3).unwrap());
        for n in 0..3 {
            assert!(writer.push(Bomb(n, alive.clone())).is_ok());
        }
        let (woken, waker) = waker();
        let mut sent = Box::pin(writer.send(Bomb(4, alive.clone())));
        let mut context = Context::from_waker(&waker);
        assert!(sent.as_mut().poll(&mut context).is_pending());
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(reader)));
        assert!(dropped.is_err(), "the panic is raised again");
        assert_eq!(Arc::strong_count(&alive), 2, "all three are gone");
        assert_eq!(woken.count(), 1);
        assert!(matches!(sent.as_mut().poll(&mut context), Poll::Ready(Err(Bomb(4, _)))));
    }

    /// An item that sends on the queue that it is discarded from.
    struct Echo(Option<Writer<Echo, Error>>, Arc<AtomicUsize>);

    impl Drop for Echo {
        fn drop(&mut self) {
            if let Some(writer) = self.0.take() {
                let refused = writer.push(Echo(None, self.1.clone()));
                assert!(matches!(refused, Err(Refused::Closed(_))));
                self.1.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Row 66 of the known bugs.
    #[test]
    fn an_item_may_send_where_it_is_discarded() {
        let (writer, reader) = funnel(NonZeroUsize::new(2).unwrap());
        let echoes = Arc::new(AtomicUsize::new(0));
        for _ in 0..2 {
            assert!(writer.push(Echo(Some(writer.clone()), echoes.clone())).is_ok());
        }
        drop(reader);
        assert_eq!(echoes.load(Ordering::Relaxed), 2);
    }
}
