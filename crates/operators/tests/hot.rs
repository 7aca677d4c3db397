//! Claims about the sources that others fill: `channel`, `oneshot`, `emitter`, `create`,
//! `from_blocking_iter`; and about `blocking_iter`, which takes what comes.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt::Debug;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use crate::eager::Eager;
use millstream::board::{Board, State};
use millstream::executor::{CurrentThread, Executor, Seeded, Threads};
use millstream::prelude::*;
use millstream::source::{
    DropReason, Emitted, Overflow, SendBlockingError, SendError, TrySendError,
};
use millstream::{Demand, Failure, Fault, More, Publisher, Sender, Subscription};
use millstream_testkit::{
    Answer, Behaviour, Event, Faulted, Ledger, Probe, ProbeHandle, ScriptedPublisher, Token, probe,
};

const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn waker() -> (Arc<Woken>, Waker) {
    let woken = Arc::new(Woken::default());
    (woken.clone(), Waker::from(woken))
}

fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

fn lost<T: Clone + PartialEq + Debug, E: Clone + PartialEq + Debug>(handle: &ProbeHandle<T, E>) {
    handle.assert_faulted(&Faulted::SourceDropped);
    handle.assert_no_violation();
}

/// A probe that is told of discarded items as well.
fn noting<P: Publisher>(publisher: P, behaviour: Behaviour) -> ProbeHandle<P::Item, P::Error>
where
    P::Item: Clone,
{
    let (probe, handle) = Probe::with(behaviour);
    publisher.subscribe(probe.noting_discards());
    handle
}

// ---- channel: room ----------------------------------------------------------------------------

#[test]
fn what_is_sent_waits_for_demand() {
    let (sender, items) = millstream::channel(4);
    let handle = probe(items, Behaviour::new());
    for n in 1..=3 {
        sender.try_send(n).unwrap();
    }
    handle.assert_items(&[]);
    handle.request(2);
    handle.assert_items(&[1, 2]);
    assert_eq!((sender.len(), sender.capacity(), sender.is_empty()), (1, 4, false));
    handle.request(3);
    sender.try_send(4).unwrap();
    handle.assert_items(&[1, 2, 3, 4]);
    sender.complete();
    handle.assert_completed();
}

#[test]
fn an_item_too_many_comes_back() {
    let (sender, items) = millstream::channel(2);
    sender.try_send(1).unwrap();
    sender.try_send(2).unwrap();
    assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)));
    let handle = probe(items, Behaviour::new().initially(1));
    sender.try_send(4).unwrap();
    assert_eq!(sender.try_send(5).unwrap_err().into_inner(), 5);
    handle.request(9);
    handle.assert_items(&[1, 2, 4]);
}

#[test]
fn those_that_wait_for_room_are_woken_in_order_and_once() {
    let (sender, items) = millstream::channel(1);
    let handle = probe(items, Behaviour::new());
    sender.try_send(0).unwrap();
    let mut waiting: Vec<_> = (1..=4)
        .map(|n| {
            let (woken, waker) = waker();
            let mut sending = sender.send(n);
            assert!(poll(&mut sending, &waker).is_pending());
            (sending, woken, waker)
        })
        .collect();
    for taken in 1..=5_u64 {
        handle.request(1);
        let told: Vec<_> =
            waiting.iter().map(|(_, woken, _)| woken.0.load(Ordering::Relaxed)).collect();
        let expected: Vec<_> = (1..=4).map(|n| usize::from(n <= taken)).collect();
        assert_eq!(told, expected, "after {taken} items: one at a time, in order");
        assert_eq!(sender.try_send(99).is_ok(), taken == 5, "nobody is overtaken");
    }
    for (sending, _, waker) in &mut waiting {
        assert_eq!(poll(sending, waker), Poll::Ready(Ok(())));
    }
    handle.assert_items(&[0, 1, 2, 3, 4]);
}

#[test]
fn a_send_that_is_dropped_is_not_sent_and_leaves_the_others_their_turn() {
    let (sender, items) = millstream::channel(1);
    let handle = probe(items, Behaviour::new());
    let ledger = Ledger::new();
    sender.try_send(ledger.token(0)).unwrap();
    let (first, second) = (waker(), waker());
    let mut dropped = sender.send(ledger.token(1));
    let mut kept = sender.send(ledger.token(2));
    assert!(poll(&mut dropped, &first.1).is_pending());
    assert!(poll(&mut kept, &second.1).is_pending());
    drop(dropped);
    assert_eq!(ledger.live(), 2, "its item went with it");
    handle.request(1);
    assert_eq!(first.0.0.load(Ordering::Relaxed), 0);
    assert_eq!(second.0.0.load(Ordering::Relaxed), 1);
    assert_eq!(poll(&mut kept, &second.1), Poll::Ready(Ok(())));
    handle.request(1);
    assert_eq!(handle.items(), [ledger.token(0), ledger.token(2)]);
}

#[test]
fn a_send_that_was_never_polled_is_not_sent() {
    let (sender, items) = millstream::channel(1);
    drop(sender.send(1));
    sender.complete();
    assert_eq!(items.collect::<Vec<i32>>().block().unwrap(), []);
}

// ---- channel: ends ----------------------------------------------------------------------------

#[test]
fn completion_comes_behind_what_is_queued_and_needs_no_demand() {
    let (sender, items) = millstream::channel(2);
    let second = sender.clone();
    let handle = probe(items, Behaviour::new());
    sender.try_send(1).unwrap();
    sender.complete();
    second.try_send(2).unwrap();
    second.complete();
    handle.request(1);
    handle.assert_no_end();
    handle.request(1);
    handle.assert_items(&[1, 2]);
    handle.assert_completed();

    let (sender, items) = millstream::channel::<i32>(1);
    let handle = probe(items, Behaviour::new());
    sender.complete();
    handle.assert_completed();
}

/// Row 75 of the known bugs.
#[test]
fn a_sender_that_is_dropped_without_a_word_is_told_apart_from_the_end() {
    for lost_one in [0, 1] {
        let (sender, items) = millstream::channel(4);
        let handle = probe(items, Behaviour::new());
        let mut senders = [Some(sender.clone()), Some(sender)];
        for (n, sender) in senders.iter().flatten().enumerate() {
            sender.try_send(n).unwrap();
        }
        drop(senders[lost_one].take());
        handle.request(9);
        handle.assert_no_end();
        senders.into_iter().flatten().for_each(Sender::complete);
        handle.assert_items(&[0, 1]);
        lost(&handle);
    }
}

#[test]
fn whoever_completes_on_drop_does_so_but_not_while_its_thread_unwinds() {
    let (sender, items) = millstream::channel(4);
    let sender = sender.complete_on_drop();
    let clone = sender.clone();
    let handle = probe(items, Behaviour::new().initially(9));
    drop(sender);
    handle.assert_no_end();
    clone.try_send(1).unwrap();
    drop(clone);
    handle.assert_items(&[1]);
    handle.assert_completed();

    let (sender, items) = millstream::channel::<i32>(4);
    let sender = sender.complete_on_drop();
    let handle = probe(items, Behaviour::new().initially(9));
    let unwound = catch_unwind(AssertUnwindSafe(move || {
        let _sender = sender;
        resume_unwind(Box::new("ouch"))
    }));
    assert!(unwound.is_err());
    lost(&handle);
}

#[test]
fn a_failure_comes_behind_what_is_queued_and_other_senders_get_their_items_back() {
    let (sender, items) = millstream::try_channel(1);
    let second = sender.clone();
    let handle = probe(items, Behaviour::new());
    second.try_send(1).unwrap();
    let (woken, waker) = waker();
    let mut waiting = second.send(2);
    assert!(poll(&mut waiting, &waker).is_pending());
    sender.fail("no").unwrap();
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    assert_eq!(poll(&mut waiting, &waker), Poll::Ready(Err(SendError(2))));
    drop(waiting);
    assert_eq!(second.try_send(3), Err(TrySendError::Closed(3)));
    assert!(second.is_closed());
    handle.assert_no_end();
    handle.request(1);
    handle.assert_items(&[1]);
    handle.assert_failed(&"no");
    assert_eq!(second.fail("later"), Err("later"), "nobody is to be told");
}

#[test]
fn close_completes_for_all() {
    let (sender, items) = millstream::channel(2);
    let second = sender.clone();
    let handle = probe(items, Behaviour::new().initially(9));
    second.try_send(1).unwrap();
    assert!(sender.close());
    assert!(!second.close(), "it was over");
    assert_eq!(second.try_send(2), Err(TrySendError::Closed(2)));
    handle.assert_items(&[1]);
    handle.assert_completed();
    drop((sender, second));
    handle.assert_completed();
}

// ---- channel: cancellation --------------------------------------------------------------------

#[test]
fn cancelling_discards_what_is_queued_and_gives_back_what_waits() {
    let ledger = Ledger::new();
    let (sender, items) = millstream::channel(2);
    let handle = noting(items, Behaviour::new());
    for n in 1..=2 {
        sender.try_send(ledger.token(n)).unwrap();
    }
    let (woken, waker) = waker();
    let mut waiting = sender.send(ledger.token(3));
    let mut closed = pin!(sender.closed());
    assert!(poll(&mut waiting, &waker).is_pending());
    assert!(poll(&mut closed, &waker).is_pending());
    handle.cancel();
    assert_eq!(woken.0.load(Ordering::Relaxed), 2, "both are told");
    assert!(poll(&mut closed, &waker).is_ready());
    let Poll::Ready(Err(SendError(back))) = poll(&mut waiting, &waker) else { panic!("no item") };
    assert_eq!(back.value(), 3);
    assert_eq!(handle.discarded(), [ledger.token(1), ledger.token(2)]);
    handle.assert_dropped();
    assert!(sender.is_closed());
}

#[test]
fn a_publisher_that_nobody_subscribed_to_closes_when_it_is_dropped() {
    let ledger = Ledger::new();
    let (sender, items) = millstream::channel(2);
    sender.try_send(ledger.token(1)).unwrap();
    drop(items);
    let back = sender.try_send(ledger.token(2)).unwrap_err();
    assert!(matches!(back, TrySendError::Closed(_)));
    drop(back);
    ledger.assert_settled();
}

#[test]
fn a_subscription_dropped_inside_of_an_item_ends_it_there() {
    let ledger = Ledger::new();
    let (sender, items) = millstream::channel(4);
    let handle = noting(items, Behaviour::new().at(2, Answer::Drop));
    for n in 1..=4 {
        sender.try_send(ledger.token(n)).unwrap();
    }
    handle.request(9);
    assert_eq!(handle.items().len(), 2);
    assert_eq!(handle.discarded().len(), 2);
    assert!(matches!(sender.try_send(ledger.token(5)), Err(TrySendError::Closed(_))));
    handle.assert_dropped();
}

/// Row 66 of the known bugs: an item that sends on the channel that discards it.
#[test]
fn an_item_whose_drop_sends_on_the_same_channel_gets_it_back() {
    struct Echo(Option<Sender<Echo>>, Arc<AtomicUsize>);

    impl Drop for Echo {
        fn drop(&mut self) {
            if let Some(sender) = self.0.take() {
                let back = sender.try_send(Echo(None, self.1.clone()));
                if matches!(back, Err(TrySendError::Closed(_))) {
                    self.1.fetch_add(1, Ordering::Relaxed);
                }
                sender.complete();
            }
        }
    }

    let refused = Arc::new(AtomicUsize::new(0));
    for subscribed in [false, true] {
        let (sender, items) = millstream::channel(2);
        for _ in 0..2 {
            let echo = Echo(Some(sender.clone()), refused.clone());
            assert!(sender.try_send(echo).is_ok());
        }
        if subscribed {
            let mut all = pin!(items.take(1).count());
            assert!(poll(&mut all, Waker::noop()).is_ready());
        } else {
            drop(items);
        }
    }
    assert!(refused.load(Ordering::Relaxed) >= 2);
}

// ---- channel: re-entrance ---------------------------------------------------------------------

/// Rows 76 to 80 of the known bugs: an item sent from inside a signal follows when that is over.
#[test]
fn an_item_sent_from_inside_a_signal_follows_it() {
    let (sender, items) = millstream::channel(4);
    let log = Arc::new(Mutex::new(Vec::new()));
    let (inside, own) = (sender.clone().complete_on_drop(), log.clone());
    let end = items.for_each(move |n: u32| {
        own.lock().unwrap().push(("begin", n));
        if n < 3 {
            inside.try_send(n + 1).unwrap();
        } else {
            inside.close();
        }
        own.lock().unwrap().push(("end", n));
    });
    let (mut end, mut context) = (Box::pin(end), Context::from_waker(Waker::noop()));
    assert!(end.as_mut().poll(&mut context).is_pending(), "it waits, and whoever sends runs it");
    sender.try_send(1).unwrap();
    assert!(matches!(end.as_mut().poll(&mut context), Poll::Ready(Ok(()))));
    let log = log.lock().unwrap().clone();
    assert_eq!(log, [("begin", 1), ("end", 1), ("begin", 2), ("end", 2), ("begin", 3), ("end", 3)]);
}

// ---- channel: threads -------------------------------------------------------------------------

/// Whoever sends runs what follows, one at a time; each sender's order is kept.
#[test]
fn many_threads_send_and_the_signals_do_not_overlap() {
    const SENDERS: u64 = 4;
    const EACH: u64 = 2_000;
    let (sender, items) = millstream::channel(3);
    let handle = probe(items, Behaviour::new().initially(u64::MAX));
    thread::scope(|scope| {
        for who in 0..SENDERS {
            let sender = sender.clone();
            scope.spawn(move || {
                for n in 0..EACH {
                    sender.send_blocking((who, n)).unwrap();
                }
                sender.complete();
            });
        }
        sender.complete();
    });
    assert!(handle.wait_until(PATIENCE, ProbeHandle::is_ended));
    handle.assert_completed();
    handle.assert_no_violation();
    let items = handle.items();
    for who in 0..SENDERS {
        let of = items.iter().filter(|item| item.0 == who).map(|item| item.1);
        assert!(of.eq(0..EACH), "the order of sender {who}");
    }
}

/// The capacity, an item for each sender that waits, one in the signal: no more, ever.
#[test]
fn a_slow_receiver_bounds_the_memory() {
    const SENDERS: i64 = 4;
    const EACH: i64 = 2_500;
    let ledger = Ledger::new();
    let (sender, items) = millstream::channel(8);
    let executor = CurrentThread::new();
    thread::scope(|scope| {
        for _ in 0..SENDERS {
            let (sender, ledger) = (sender.clone(), ledger.clone());
            scope.spawn(move || {
                for n in 0..EACH {
                    sender.send_blocking(ledger.token(n)).unwrap();
                }
                sender.complete();
            });
        }
        sender.complete();
        let (watched, most) = (ledger.clone(), Arc::new(AtomicU64::new(0)));
        let seen = most.clone();
        let all = items.publish_on(executor.handle(), 1).for_each(move |item: Token| {
            seen.fetch_max(watched.live(), Ordering::Relaxed);
            drop(item);
        });
        executor.run_until(all).unwrap();
        // 8 queued, 1 behind `publish_on`, 1 in the signal, 1 with each sender, 1 under way.
        let most = most.load(Ordering::Relaxed);
        assert!(most <= 8 + 1 + 1 + SENDERS.unsigned_abs() + 1, "{most} at one time");
    });
    assert_eq!(ledger.created(), (SENDERS * EACH).unsigned_abs());
    ledger.assert_settled();
}

/// Of many senders against a full channel none hangs when its receiver goes, and each gets its
/// item back or knows it delivered or discarded.
#[test]
fn many_senders_against_a_full_channel_whose_receiver_is_dropped() {
    const SENDERS: i64 = 12;
    for round in 0..40 {
        let ledger = Ledger::new();
        let (sender, items) = millstream::channel(2);
        let handle = noting(items, Behaviour::new());
        let start = Barrier::new(SENDERS as usize + 1);
        let sent = AtomicU64::new(0);
        thread::scope(|scope| {
            for n in 0..SENDERS {
                let (sender, item) = (sender.clone(), ledger.token(n));
                let (start, sent) = (&start, &sent);
                scope.spawn(move || {
                    start.wait();
                    match sender.send_blocking(item) {
                        Ok(()) => {
                            sent.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(SendBlockingError::Closed(back)) => assert_eq!(back.value(), n),
                        Err(other) => panic!("{other:?}"),
                    }
                });
            }
            start.wait();
            handle.request(round % 4 + 1);
            handle.cancel();
        });
        let seen = handle.items().len() + handle.discarded().len();
        assert_eq!(seen as u64, sent.load(Ordering::Relaxed), "each that was sent");
        assert!(handle.is_dropped());
        drop((sender, handle));
        ledger.assert_settled();
    }
}

/// The same in every order that 300 seeds come to.
#[test]
fn many_tasks_against_a_full_channel_whose_receiver_is_dropped() {
    for seed in 0..300 {
        let executor = Seeded::new(seed);
        let ledger = Ledger::new();
        let (sender, items) = millstream::channel(2);
        let handle = noting(items, Behaviour::new());
        let (returned, sent) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        for n in 0..8 {
            let (sender, item) = (sender.clone(), ledger.token(n));
            let (returned, sent) = (returned.clone(), sent.clone());
            let task = async move {
                match sender.send(item).await {
                    Ok(()) => {
                        sent.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(SendError(back)) => assert_eq!(back.value(), n),
                }
                returned.fetch_add(1, Ordering::Relaxed);
            };
            executor.spawn(Box::pin(task)).unwrap();
        }
        for _ in 0..seed % 11 {
            let _ran = executor.step();
            handle.request(seed % 2 + 1);
        }
        handle.cancel();
        executor.run_until_idle();
        assert_eq!(returned.load(Ordering::Relaxed), 8, "seed {seed}: a sender hangs");
        let seen = handle.items().len() + handle.discarded().len();
        assert_eq!(seen as u64, sent.load(Ordering::Relaxed), "seed {seed}");
        drop((sender, handle));
        ledger.assert_settled();
    }
}

#[test]
fn tasks_that_are_dropped_while_they_send_leave_nothing_and_are_told() {
    for seed in 0..100 {
        let executor = Seeded::new(seed);
        let ledger = Ledger::new();
        let (sender, items) = millstream::channel(1);
        let handle = noting(items, Behaviour::new());
        for n in 0..5 {
            let (sender, item) = (sender.clone(), ledger.token(n));
            executor
                .spawn(Box::pin(async move {
                    let _back = sender.send(item).await;
                    sender.complete();
                }))
                .unwrap();
        }
        for _ in 0..seed % 7 {
            let _ran = executor.step();
        }
        executor.drop_all();
        assert_eq!(executor.tasks(), 0);
        let last = ledger.token(9);
        handle.request(9);
        sender.try_send(last).unwrap();
        sender.complete();
        assert_eq!(handle.items().last().map(Token::value), Some(9), "seed {seed}: room is left");
        lost(&handle);
        drop(handle);
        ledger.assert_settled();
    }
}

#[test]
fn sends_race_the_end_and_each_is_delivered_or_comes_back() {
    for round in 0..60 {
        let ledger = Ledger::new();
        let (sender, items) = millstream::try_channel(4);
        let handle = probe(items, Behaviour::new().initially(u64::MAX));
        let start = Barrier::new(4);
        let sent = AtomicU64::new(0);
        thread::scope(|scope| {
            for who in 0..3 {
                let (sender, ledger) = (sender.clone(), ledger.clone());
                let (start, sent) = (&start, &sent);
                scope.spawn(move || {
                    start.wait();
                    for n in 0..20 {
                        match sender.send_blocking(ledger.token(who * 100 + n)) {
                            Ok(()) => {
                                sent.fetch_add(1, Ordering::Relaxed);
                            }
                            Err(refused) => assert_eq!(refused.into_inner().value(), who * 100 + n),
                        }
                    }
                });
            }
            start.wait();
            if round % 2 == 0 {
                sender.fail("over").unwrap();
            } else {
                assert!(sender.close());
                drop(sender);
            }
        });
        assert!(handle.wait_until(PATIENCE, ProbeHandle::is_ended));
        if round % 2 == 0 {
            handle.assert_failed(&"over")
        } else {
            handle.assert_completed()
        }
        assert_eq!(handle.delivered(), sent.load(Ordering::Relaxed), "sent and delivered");
        handle.assert_no_violation();
        drop(handle);
        ledger.assert_settled();
    }
}

#[test]
fn a_thread_that_runs_an_executor_does_not_wait_and_gets_its_item_back() {
    let (sender, _items) = millstream::channel(1);
    let executor = CurrentThread::new();
    let refused = executor.run_until(async { sender.send_blocking(7) });
    assert_eq!(refused, Err(SendBlockingError::OnExecutor(7)));
    assert_eq!(sender.len(), 0, "nothing was sent");
    assert!(refused.unwrap_err().to_string().contains("await the send"));
    assert_eq!(sender.send_blocking(8), Ok(()));
}

/// A send that is awaited runs what follows, which must not block there either.
#[test]
fn what_follows_a_send_cannot_block() {
    let (sender, items) = millstream::channel(1);
    let answers = items.map(|()| millstream::just(1).count().block());
    let mut first = pin!(answers.first());
    assert!(poll(&mut first, Waker::noop()).is_pending());
    assert!(poll(&mut sender.send(()), Waker::noop()).is_ready());
    let Poll::Ready(Ok(Some(answer))) = poll(&mut first, Waker::noop()) else { panic!("none") };
    assert!(matches!(answer, Err(Failure::Fault(Fault::BlockedExecutor))), "{answer:?}");
}

#[test]
#[should_panic(expected = "channel(0): a queue holds at least 1 item, and 0 was asked for")]
fn a_channel_without_room_is_refused() {
    let _ = millstream::channel::<u8>(0);
}

// ---- what a board sees of them ----------------------------------------------------------------

/// `received = sent + discarded + fill`, and the others: of the one boundary on the board.
#[track_caller]
fn row(board: &Board, kind: &str) -> (u64, u64, u64, u64, u64, State) {
    let snapshot = board.snapshot();
    let [row] = snapshot.rows() else { panic!("one boundary:\n{snapshot}") };
    assert_eq!(row.kind, kind);
    assert!(row.location.file().ends_with("hot.rs"));
    assert_eq!(row.received, row.sent + row.discarded + row.fill);
    (row.sent, row.discarded, row.fill, row.high_water, row.capacity, row.state)
}

#[test]
fn a_board_sees_a_channel() {
    let board = Board::new(8);
    let (sender, items) = millstream::channel(4);
    sender.try_send(1).unwrap();
    sender.try_send(2).unwrap();
    let handle = probe(items.observed(&board), Behaviour::new());
    assert_eq!(row(&board, "channel"), (0, 0, 2, 2, 4, State::Running));
    assert!(board.snapshot().rows()[0].backpressured_since.is_some());
    handle.request(3);
    sender.try_send(3).unwrap();
    sender.try_send(4).unwrap();
    assert_eq!(row(&board, "channel"), (3, 0, 1, 2, 4, State::Running));
    handle.cancel();
    assert!(sender.try_send(5).is_err());
    assert_eq!(row(&board, "channel"), (3, 1, 0, 2, 4, State::Cancelled));

    for (word, state) in [(true, State::Completed), (false, State::Broken)] {
        let board = Board::new(8);
        let (sender, items) = millstream::channel(1);
        let _handle = probe(items.observed(&board), Behaviour::new().initially(1));
        assert!(board.snapshot().rows()[0].starved_since.is_some());
        sender.try_send(1).unwrap();
        if word {
            sender.complete()
        } else {
            drop(sender)
        }
        assert_eq!(row(&board, "channel"), (1, 0, 0, 1, 1, state));
    }
    let board = Board::new(8);
    let (sender, item) = millstream::try_oneshot::<u8, _>();
    let _handle = probe(item.observed(&board), Behaviour::new());
    sender.fail("no").unwrap();
    assert_eq!(row(&board, "oneshot"), (0, 0, 0, 0, 1, State::Failed));
}

#[test]
fn a_board_sees_what_an_emitter_drops() {
    for overflow in [Overflow::drop_newest(), Overflow::drop_oldest(), Overflow::latest()] {
        let board = Board::new(8);
        let (emitter, items) = millstream::emitter(2, overflow);
        let handle = probe(items.observed(&board), Behaviour::new());
        for n in 1..=5 {
            emitter.emit(n).unwrap();
        }
        let held = emitter.len() as u64;
        assert_eq!(row(&board, "emitter"), (0, 5 - held, held, 2, 2, State::Running));
        handle.request(1);
        handle.cancel();
        assert_eq!(row(&board, "emitter"), (1, 4, 0, 2, 2, State::Cancelled));
    }
    let board = Board::new(8);
    let numbers = millstream::create(2, Overflow::drop_newest(), |emitter| {
        emitter.emit(1).unwrap();
        emitter.complete();
    });
    let handle = probe(numbers.observed(&board), Behaviour::new());
    assert_eq!(row(&board, "create"), (0, 0, 1, 1, 2, State::Running));
    handle.request(1);
    assert_eq!(row(&board, "create"), (1, 0, 0, 1, 2, State::Completed));
}

// ---- oneshot ----------------------------------------------------------------------------------

#[test]
fn the_one_item_is_kept_until_it_is_asked_for() {
    let (sender, answer) = millstream::oneshot();
    let handle = probe(answer, Behaviour::new());
    assert!(!sender.is_closed());
    sender.send(1).unwrap();
    handle.assert_no_end();
    handle.request(1);
    handle.assert_log(&[
        Event::Subscribed,
        Event::Requested(Demand::ONE),
        Event::Next(1),
        Event::Completed,
    ]);

    let (sender, answer) = millstream::oneshot();
    sender.send(2).unwrap();
    assert_eq!(answer.collect::<Vec<_>>().block().unwrap(), [2], "before it is subscribed to");
}

#[test]
fn the_other_ends_of_a_oneshot() {
    let (sender, answer) = millstream::oneshot::<i32>();
    let handle = probe(answer, Behaviour::new());
    sender.complete();
    handle.assert_completed();

    let (sender, answer) = millstream::try_oneshot::<i32, _>();
    let handle = probe(answer, Behaviour::new());
    sender.fail("no").unwrap();
    handle.assert_failed(&"no");

    let (sender, answer) = millstream::oneshot::<i32>();
    let handle = probe(answer, Behaviour::new());
    drop(sender);
    lost(&handle);
}

#[test]
fn without_a_receiver_the_one_item_comes_back() {
    let ledger = Ledger::new();
    for subscribed in [false, true] {
        let (sender, answer) = millstream::oneshot();
        let (woken, waker) = waker();
        {
            let mut closed = pin!(sender.closed());
            assert!(poll(&mut closed, &waker).is_pending());
            if subscribed {
                probe(answer, Behaviour::new()).cancel();
            } else {
                drop(answer);
            }
            assert_eq!(woken.0.load(Ordering::Relaxed), 1);
            assert!(poll(&mut closed, &waker).is_ready());
        }
        assert!(sender.is_closed());
        assert_eq!(sender.send(ledger.token(1)).unwrap_err().into_inner().value(), 1);
    }
    let (sender, answer) = millstream::oneshot();
    let handle = noting(answer, Behaviour::new());
    sender.send(ledger.token(2)).unwrap();
    handle.cancel();
    assert_eq!(handle.discarded(), [ledger.token(2)]);
    drop(handle);
    ledger.assert_settled();
}

// ---- emitter ----------------------------------------------------------------------------------

type Dropping = Arc<Mutex<Vec<(i64, DropReason)>>>;

fn telling(overflow: Overflow<Token>) -> (Overflow<Token>, Dropping) {
    let dropping = Dropping::default();
    let told = dropping.clone();
    let overflow =
        overflow.on_drop(move |item: Token, why| told.lock().unwrap().push((item.value(), why)));
    (overflow, dropping)
}

#[test]
fn each_overflow_drops_what_it_says_and_tells() {
    use DropReason::{Newest, Oldest, Superseded};
    let cases = [
        (Overflow::drop_newest(), vec![1, 2], vec![(3, Newest), (4, Newest)], 2, 2),
        (Overflow::drop_oldest(), vec![3, 4], vec![(1, Oldest), (2, Oldest)], 4, 2),
        (Overflow::latest(), vec![3, 4], vec![(1, Superseded), (2, Superseded)], 4, 2),
    ];
    for (overflow, kept, told, emitted, dropped) in cases {
        let ledger = Ledger::new();
        let (overflow, dropping) = telling(overflow);
        let case = format!("{overflow:?}");
        let (emitter, items) = millstream::emitter(2, overflow);
        let handle = probe(items, Behaviour::new());
        for n in 1..=4 {
            let became = emitter.emit(ledger.token(n)).unwrap();
            let expected = match n {
                1 | 2 => Emitted::Taken,
                // The latest alone is queued then, and there is room for one more.
                4 if case.contains("latest") => Emitted::Taken,
                _ => Emitted::Overflowed,
            };
            assert_eq!(became, expected, "{case}: item {n}");
        }
        assert_eq!((emitter.emitted(), emitter.dropped()), (emitted, dropped), "{case}");
        assert_eq!((emitter.len(), emitter.capacity()), (2, 2));
        handle.request(9);
        emitter.complete();
        let items: Vec<_> = handle.items().iter().map(Token::value).collect();
        assert_eq!((items, dropping.lock().unwrap().clone()), (kept, told), "{case}");
        handle.assert_completed();
        handle.assert_no_violation();
        drop(handle);
        ledger.assert_settled();
    }
}

#[test]
fn what_nobody_else_is_told_of_goes_to_the_hook_downstream() {
    for overflow in [Overflow::drop_newest(), Overflow::drop_oldest(), Overflow::latest()] {
        let ledger = Ledger::new();
        let (emitter, items) = millstream::emitter(1, overflow);
        let handle = noting(items, Behaviour::new());
        for n in 1..=3 {
            emitter.emit(ledger.token(n)).unwrap();
        }
        assert_eq!(handle.discarded().len(), 2);
        handle.cancel();
        assert_eq!(handle.discarded().len(), 3, "and what is queued when it is cancelled");
        assert_eq!(emitter.emit(ledger.token(4)).unwrap_err().into_inner().value(), 4);
        drop(handle);
        ledger.assert_settled();
    }
}

#[test]
fn an_overflow_that_fails_does_so_behind_what_is_queued() {
    let overflow = Overflow::error(|n: u32| format!("no room for {n}"));
    let (emitter, items) = millstream::try_emitter(2, overflow);
    let handle = probe(items, Behaviour::new());
    for n in 1..=3 {
        emitter.emit(n).unwrap();
    }
    assert_eq!(emitter.emit(4), Err(SendError(4)), "it is over");
    assert_eq!((emitter.emitted(), emitter.dropped()), (2, 1));
    handle.request(2);
    handle.assert_items(&[1, 2]);
    handle.assert_failed(&"no room for 3".to_owned());
}

#[test]
fn with_demand_nothing_overflows() {
    let (emitter, items) = millstream::emitter(1, Overflow::drop_newest());
    let handle = probe(items, Behaviour::new().initially(3));
    for n in 1..=3 {
        assert_eq!(emitter.emit(n), Ok(Emitted::Taken));
    }
    handle.assert_items(&[1, 2, 3]);
    assert_eq!((emitter.requested(), emitter.dropped(), emitter.is_empty()), (0, 0, true));
}

#[test]
fn demand_is_there_to_see_and_to_wait_for() {
    let (emitter, items) = millstream::emitter(4, Overflow::drop_newest());
    let handle = probe(items, Behaviour::new().at(3, Answer::More(More::of(2))));
    assert_eq!(emitter.requested(), 0);
    let (woken, waker) = waker();
    let mut ready = Box::pin(emitter.ready());
    assert!(poll(&mut ready, &waker).is_pending());
    handle.request(2);
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    assert_eq!(poll(&mut ready, &waker), Poll::Ready(true));
    drop(ready);
    assert_eq!(emitter.requested(), 2);
    emitter.emit(1).unwrap();
    emitter.emit(2).unwrap();
    emitter.emit(3).unwrap();
    assert_eq!((emitter.requested(), emitter.len()), (0, 1), "one is queued");
    handle.request(2);
    assert_eq!(emitter.requested(), 3, "2 asked, 1 of them for what was queued, 2 answered to it");
    handle.request_unbounded();
    assert_eq!(emitter.requested(), 4, "as far as there is room");
    let mut closed = Box::pin(emitter.closed());
    assert!(poll(&mut closed, &waker).is_pending());
    handle.cancel();
    assert!(poll(&mut closed, &waker).is_ready());
    assert_eq!(poll(&mut Box::pin(emitter.ready()), &waker), Poll::Ready(false));
}

/// Push and pull in one: what is asked for is emitted from inside the call that tells of it.
#[test]
fn whoever_is_told_of_demand_may_emit_there() {
    let numbers = millstream::create(1, Overflow::drop_newest(), |emitter| {
        let emits = emitter.clone().complete_on_drop();
        let mut n = 0;
        emitter.on_request(move |demand| {
            for _ in 0..demand.get() {
                n += 1;
                assert_eq!(emits.emit(n), Ok(Emitted::Taken), "item {n}");
            }
        });
        emitter.complete();
    });
    let handle = probe(numbers, Behaviour::new());
    handle.request(1);
    handle.assert_items(&[1]);
    handle.request(1);
    handle.request(5);
    handle.assert_items(&[1, 2, 3, 4, 5, 6, 7]);
    handle.cancel();
    handle.assert_dropped();
}

#[test]
fn a_farewell_is_said_once_at_each_end() {
    for end in ["complete", "cancel", "fail", "before"] {
        let (emitter, items) = millstream::try_emitter(1, Overflow::<u32, _>::drop_newest());
        let said = Arc::new(AtomicUsize::new(0));
        let says = || {
            let said = said.clone();
            move || {
                said.fetch_add(1, Ordering::Relaxed);
            }
        };
        if end == "before" {
            drop(items);
            emitter.on_close(says());
        } else {
            let handle = probe(items, Behaviour::new());
            emitter.on_close(says());
            assert_eq!(said.load(Ordering::Relaxed), 0);
            match end {
                "complete" => assert!(emitter.close()),
                "cancel" => handle.cancel(),
                _ => emitter.clone().fail(()).unwrap(),
            }
        }
        assert_eq!(said.load(Ordering::Relaxed), 1, "{end}");
        assert!(emitter.is_closed());
    }
}

#[test]
fn a_farewell_that_panics_keeps_nothing_from_whoever_brings_the_end() {
    for end in ["complete", "close", "gone", "cancel", "dropped", "before"] {
        let (emitter, items) = millstream::emitter(1, Overflow::<u32>::drop_newest());
        let said = Arc::new(AtomicUsize::new(0));
        let saying = said.clone();
        let says = move || {
            saying.fetch_add(1, Ordering::Relaxed);
        };
        if end == "before" || end == "dropped" {
            if end == "before" {
                drop(items);
                emitter.on_close(|| panic!("the farewell"));
                emitter.on_close(says);
            } else {
                emitter.on_close(|| panic!("the farewell"));
                emitter.on_close(says);
                drop(items);
            }
        } else {
            let handle = probe(items, Behaviour::new());
            emitter.on_close(|| panic!("the farewell"));
            emitter.on_close(says);
            match end {
                "complete" => emitter.complete(),
                "close" => assert!(emitter.close()),
                "gone" => drop(emitter),
                _ => handle.cancel(),
            }
            match end {
                "cancel" => handle.assert_dropped(),
                "gone" => handle.assert_faulted(&Faulted::SourceDropped),
                _ => handle.assert_completed(),
            }
        }
        assert_eq!(said.load(Ordering::Relaxed), 1, "{end}");
    }
}

/// Row 77 of the known bugs: a limit with a loop through its own source.
#[test]
fn a_limit_holds_when_its_items_make_the_source_emit() {
    for (name, limit) in [("take", 0), ("take_while", 1), ("take_through", 2), ("first", 3)] {
        let (emitter, items) = millstream::emitter(8, Overflow::drop_newest());
        let inside = emitter.clone();
        let items = items.map(move |n: u32| {
            let _closed = inside.emit(n + 1);
            n
        });
        let items = match limit {
            0 => items.take(2).boxed(),
            1 => items.take_while(|n| *n < 3).boxed(),
            2 => items.take_through(|n| *n == 2).boxed(),
            _ => items.take(1).chain(millstream::just(2)).boxed(),
        };
        let handle = probe(items, Behaviour::new().initially(u64::MAX));
        emitter.emit(1).unwrap();
        handle.assert_items(&[1, 2]);
        handle.assert_completed();
        handle.assert_no_violation();
        assert!(emitter.is_closed(), "{name}");
    }
}

/// Rows 76 and 79 of the known bugs, on a stack of 256 KiB.
#[test]
fn a_million_items_emitted_from_inside_the_one_before_use_no_stack() {
    let small = thread::Builder::new().stack_size(256 << 10).spawn(|| {
        let (emitter, items) = millstream::emitter(1, Overflow::drop_newest());
        let inside = emitter.clone();
        let run = items.for_each(move |n: u32| {
            if n < 1_000_000 {
                inside.emit(n + 1).unwrap();
            } else {
                inside.close();
            }
        });
        let mut run = pin!(run);
        assert!(poll(&mut run, Waker::noop()).is_pending());
        emitter.emit(1).unwrap();
        assert!(matches!(poll(&mut run, Waker::noop()), Poll::Ready(Ok(()))));
        assert_eq!((emitter.emitted(), emitter.dropped()), (1_000_000, 0));
    });
    small.unwrap().join().unwrap();
}

#[test]
fn many_threads_emit_and_all_is_accounted_for() {
    for overflow in [Overflow::drop_newest(), Overflow::drop_oldest(), Overflow::latest()] {
        let ledger = Ledger::new();
        let (overflow, dropping) = telling(overflow);
        let (emitter, items) = millstream::emitter(4, overflow);
        let handle = probe(items, Behaviour::new());
        thread::scope(|scope| {
            for _ in 0..3 {
                let (emitter, ledger) = (emitter.clone(), ledger.clone());
                scope.spawn(move || {
                    for n in 0..300 {
                        emitter.emit(ledger.token(n)).unwrap();
                    }
                    emitter.complete();
                });
            }
            for _ in 0..100 {
                handle.request(2);
            }
        });
        let (emitted, dropped) = (emitter.emitted(), emitter.dropped());
        emitter.complete();
        handle.request(900);
        handle.assert_completed();
        handle.assert_no_violation();
        let told = dropping.lock().unwrap().len() as u64;
        assert_eq!(told, dropped);
        assert_eq!(handle.delivered() + told, 900);
        assert!(emitted >= handle.delivered());
        drop(handle);
        ledger.assert_settled();
    }
}

#[test]
fn a_panic_in_a_function_of_the_overflow_is_a_fault_and_not_the_emitters() {
    let dropping = Overflow::drop_newest().on_drop(|_: u32, _| resume_unwind(Box::new("ouch")));
    let failing = Overflow::error(|_: u32| -> Infallible { resume_unwind(Box::new("ouch")) });
    for overflow in [dropping, failing] {
        let (emitter, items) = millstream::try_emitter(1, overflow);
        let handle = probe(items, Behaviour::new());
        emitter.emit(1).unwrap();
        assert_eq!(emitter.emit(2), Ok(Emitted::Overflowed));
        handle.assert_faulted(&Faulted::Panicked(Some("ouch".into())));
        assert!(emitter.is_closed());
    }
}

#[test]
fn an_emitter_that_is_dropped_without_a_word_is_told_apart_from_the_end() {
    let (emitter, items) = millstream::emitter(1, Overflow::drop_newest());
    let handle = probe(items, Behaviour::new().initially(1));
    emitter.emit(1).unwrap();
    drop(emitter);
    handle.assert_items(&[1]);
    lost(&handle);
}

// ---- create -----------------------------------------------------------------------------------

#[test]
fn create_calls_its_function_for_each_subscription_when_demand_can_be_seen() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    let numbers = millstream::create(2, Overflow::drop_newest(), move |emitter| {
        count.fetch_add(1, Ordering::Relaxed);
        let asked = emitter.requested();
        for _ in 0..5 {
            emitter.emit(asked).unwrap();
        }
        emitter.complete();
    });
    assert_eq!(calls.load(Ordering::Relaxed), 0, "lazy");
    let handle = probe(numbers.clone(), Behaviour::new().initially(2));
    handle.request(9);
    handle.assert_items(&[2; 4]);
    handle.assert_completed();
    let all = numbers.collect::<Vec<_>>().block().unwrap();
    assert_eq!(all, [2; 5], "sent at once, one by one");
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[test]
fn a_panic_in_the_function_of_create_is_the_end() {
    let numbers = millstream::create(4, Overflow::drop_newest(), |emitter| {
        emitter.emit(1).unwrap();
        resume_unwind(Box::new("ouch"))
    });
    let handle = probe(numbers, Behaviour::new().initially(9));
    handle.assert_items(&[1]);
    handle.assert_faulted(&Faulted::Panicked(Some("ouch".into())));
}

#[test]
fn a_function_that_forgets_its_emitter_is_told() {
    let handle =
        probe(millstream::create(1, Overflow::<u8>::drop_newest(), drop), Behaviour::new());
    lost(&handle);
}

#[test]
fn create_is_retried() {
    let tries = Arc::new(AtomicUsize::new(0));
    let count = tries.clone();
    let numbers = millstream::try_create(1, Overflow::drop_newest(), move |emitter| {
        emitter.emit(count.fetch_add(1, Ordering::Relaxed)).unwrap();
        emitter.fail("again").unwrap();
    });
    let handle = probe(numbers.retry(2), Behaviour::new().initially(9));
    handle.assert_items(&[0, 1, 2]);
    handle.assert_failed(&"again");
}

#[test]
fn a_subscriber_that_has_gone_calls_nothing() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    let numbers = millstream::create(1, Overflow::<u8>::drop_newest(), move |emitter| {
        count.fetch_add(1, Ordering::Relaxed);
        emitter.complete();
    });
    probe(numbers, Behaviour::new().cancels_at_once()).assert_dropped();
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}

// ---- blocking_iter ----------------------------------------------------------------------------

#[test]
fn a_blocking_iterator_asks_ahead_and_again_at_its_low_tide() {
    let upstream = ScriptedPublisher::<u32, &str>::new();
    let mut items = upstream.clone().blocking_iter(4);
    assert!(!upstream.is_subscribed(), "it is lazy");
    let feeds = upstream.clone();
    let feeder = thread::spawn(move || {
        while feeds.outstanding() == More::NONE {
            thread::yield_now();
        }
        assert_eq!(feeds.requested().count(), 4);
        for n in 1..=4 {
            feeds.next(n);
        }
        feeds
    });
    assert_eq!(items.next().unwrap().unwrap(), 1);
    feeder.join().unwrap();
    assert_eq!(items.next().unwrap().unwrap(), 2);
    assert_eq!(upstream.requested().count(), 4);
    assert_eq!(items.next().unwrap().unwrap(), 3);
    assert_eq!(upstream.requested().count(), 7, "three quarters have left");
    upstream.error("no");
    assert_eq!(items.next().unwrap().unwrap(), 4, "what is queued comes before");
    assert!(matches!(items.next(), Some(Err(Failure::Error("no")))));
    assert!(items.next().is_none() && items.next().is_none(), "it stays over");
}

#[test]
fn dropping_a_blocking_iterator_cancels_and_discards() {
    let (ledger, upstream) = (Ledger::new(), ScriptedPublisher::<Token, Infallible>::new());
    let (feeds, tokens) = (upstream.clone(), ledger.clone());
    let feeder = thread::spawn(move || {
        while feeds.outstanding() == More::NONE {
            thread::yield_now();
        }
        for n in 1..=2 {
            feeds.next(tokens.token(n));
        }
    });
    let mut items = upstream.clone().blocking_iter(4);
    assert_eq!(items.next().unwrap().unwrap().value(), 1);
    feeder.join().unwrap();
    assert!(!upstream.is_cancelled());
    drop(items);
    upstream.assert_cancelled();
    ledger.assert_settled();
}

#[test]
fn a_fault_reaches_the_thread_that_waits() {
    let upstream = ScriptedPublisher::<u32, Infallible>::new();
    let mut items = upstream.clone().blocking_iter(2);
    let feeder = thread::spawn(move || {
        while upstream.outstanding() == More::NONE {
            thread::yield_now();
        }
        upstream.vanish();
    });
    let told = items.next();
    assert!(matches!(told, Some(Err(Failure::Fault(Fault::SourceDropped)))), "{told:?}");
    assert!(items.next().is_none());
    feeder.join().unwrap();

    let mut broken = millstream::from_iter(1..4)
        .map(|n| if n == 2 { resume_unwind(Box::new("ouch")) } else { n })
        .blocking_iter(1);
    assert_eq!(broken.next().unwrap().unwrap(), 1);
    let told = broken.next();
    assert!(matches!(told, Some(Err(Failure::Fault(Fault::Panicked(_))))), "{told:?}");
}

#[test]
fn a_blocking_iterator_is_refused_on_a_thread_that_runs_an_executor() {
    let upstream = ScriptedPublisher::<u32, Infallible>::new();
    let mut items = upstream.clone().blocking_iter(1);
    let executor = CurrentThread::new();
    let told = executor.run_until(poll_fn(|_| Poll::Ready(items.next())));
    assert!(matches!(told, Some(Err(Failure::Fault(Fault::BlockedExecutor)))), "{told:?}");
    assert!(!upstream.is_subscribed(), "nothing ran");
    assert!(items.next().is_none());
}

#[test]
fn a_million_items_of_other_threads_come_through_a_blocking_iterator() {
    let (sender, items) = millstream::channel(64);
    thread::scope(|scope| {
        for half in 0..2 {
            let sender = sender.clone();
            scope.spawn(move || {
                for n in 0..100_000_u64 {
                    sender.send_blocking(n * 2 + half).unwrap();
                }
                sender.complete();
            });
        }
        sender.complete();
        let sum: u64 = items.blocking_iter(16).map(Result::unwrap).sum();
        assert_eq!(sum, (0..200_000).sum());
    });
}

#[test]
#[should_panic(expected = "blocking_iter(0): a queue holds at least 1 item")]
fn a_blocking_iterator_without_room_is_refused() {
    let _ = millstream::just(1).blocking_iter(0);
}

// ---- from_blocking_iter -----------------------------------------------------------------------

#[test]
fn a_blocking_source_runs_ahead_up_to_its_capacity_on_its_executor() {
    let executor = Seeded::new(7);
    let taken = Arc::new(AtomicUsize::new(0));
    let count = taken.clone();
    let numbers = std::iter::from_fn(move || Some(count.fetch_add(1, Ordering::Relaxed)));
    let handle =
        probe(millstream::from_blocking_iter(executor.clone(), 4, numbers), Behaviour::new());
    assert_eq!(taken.load(Ordering::Relaxed), 0, "nothing runs on the thread that subscribes");
    executor.run_until_idle();
    assert_eq!(taken.load(Ordering::Relaxed), 5, "four, and whether there is a fifth");
    handle.assert_items(&[]);
    handle.request(2);
    executor.run_until_idle();
    assert_eq!(taken.load(Ordering::Relaxed), 5);
    handle.request(1);
    executor.run_until_idle();
    handle.assert_items(&[0, 1, 2]);
    assert_eq!(taken.load(Ordering::Relaxed), 8, "three have left");
    handle.cancel();
    executor.run_until_idle();
    handle.assert_dropped();
    assert_eq!((executor.tasks(), Arc::strong_count(&taken)), (0, 1), "the iterator is gone");
}

#[test]
fn a_blocking_source_that_panics_or_is_refused_is_a_fault() {
    let executor = Seeded::new(1);
    let bad = (0..).map(|n| if n == 2 { resume_unwind(Box::new("ouch")) } else { n });
    let handle = probe(
        millstream::from_blocking_iter(executor.clone(), 1, bad),
        Behaviour::new().initially(9),
    );
    executor.run_until_idle();
    handle.assert_faulted(&Faulted::Panicked(Some("ouch".into())));
    executor.refuse_after(0);
    let handle = probe(millstream::from_blocking_iter(executor, 1, 0..3), Behaviour::new());
    assert!(handle.is_ended(), "{}", handle.log_text());
    handle.assert_no_violation();
}

/// Both ways at once, on threads of their own: a pipeline inside of the iterator of another.
#[test]
fn what_runs_on_threads_for_blocking_work_may_block() {
    let threads = Threads::new(2);
    let (sender, receiver) = mpsc::sync_channel(1);
    let inner = millstream::from_blocking_iter(threads.handle(), 2, receiver).map(|n: u64| n * 2);
    let items = inner.blocking_iter(2).map(Result::unwrap);
    let outer = millstream::from_blocking_iter(threads.handle(), 2, items);
    let feeder = thread::spawn(move || (0..500).for_each(|n| sender.send(n).unwrap()));
    let all = outer.collect::<BTreeSet<_>>().block().unwrap();
    feeder.join().unwrap();
    assert!(all.into_iter().eq((0..500).map(|n| n * 2)));
}

#[test]
fn a_blocking_source_on_the_eager_executor_completes() {
    let numbers = millstream::from_blocking_iter(Eager::default(), 2, 0..5);
    assert_eq!(numbers.collect::<Vec<_>>().block().unwrap(), [0, 1, 2, 3, 4]);
}

/// What a subscriber keeps of its subscription, dropped by the item itself.
#[test]
fn an_item_that_drops_the_subscription_in_its_own_destructor_ends_the_stream() {
    struct Holder(Arc<Mutex<Option<Subscription>>>);

    impl Drop for Holder {
        fn drop(&mut self) {
            let subscription = self.0.lock().unwrap().take();
            drop(subscription);
        }
    }

    struct Keeps(Arc<Mutex<Option<Subscription>>>);

    impl millstream::Subscriber<Holder, Infallible> for Keeps {
        type Active = Counts;

        fn on_subscribe(self, subscription: Subscription) -> Counts {
            subscription.request(Demand::of(9));
            *self.0.lock().unwrap() = Some(subscription);
            Counts(0)
        }
    }

    struct Counts(u32);

    impl millstream::ActiveSubscriber<Holder, Infallible> for Counts {
        fn on_next(&mut self, item: Holder) -> More {
            self.0 += 1;
            assert_eq!(self.0, 1, "rule 1.8: nothing after it was cancelled");
            drop(item);
            More::NONE
        }

        fn on_complete(self) {
            unreachable!("it was cancelled");
        }

        fn on_error(self, never: Infallible) {
            match never {}
        }
    }

    let (sender, items) = millstream::channel(4);
    let kept = Arc::new(Mutex::new(None));
    items.subscribe(Keeps(kept.clone()));
    assert!(sender.try_send(Holder(kept.clone())).is_ok());
    assert!(sender.try_send(Holder(kept)).is_err());
}
