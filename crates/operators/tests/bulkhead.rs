//! Claims of `bulkhead`: no more items than permits, no request without one, and none is lost.

use std::convert::Infallible;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::eager::Eager;
use millstream::executor::{CurrentThread, Pool};
use millstream::limit::{Permit, Permits, Permitted};
use millstream::prelude::*;
use millstream::{More, Publisher};
use millstream_testkit::{Behaviour, Ledger, Probe, ProbeHandle, ScriptedPublisher, Token, probe};

type Hand<T = u32> = ScriptedPublisher<T, Infallible>;

/// Where permits are kept whose items have gone on.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Permit>>>);

impl Kept {
    /// The items of a bulkhead, whose permits are kept here.
    fn of<P, T>(&self, behind: P) -> impl Publisher<Item = T, Error = P::Error> + use<P, T>
    where
        P: Publisher<Item = Permitted<T>>,
        T: Send + 'static,
    {
        let kept = self.0.clone();
        behind.map(move |item| {
            let (item, permit) = item.split();
            kept.lock().unwrap().push(permit);
            item
        })
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Gives the oldest back.
    fn give_back(&self) {
        let permit = self.0.lock().unwrap().remove(0);
        drop(permit);
    }
}

/// A stream that is sent by hand, behind a bulkhead.
fn by_hand(permits: &Permits, kept: &Kept) -> (Hand, ProbeHandle<u32, Infallible>) {
    let upstream = Hand::new();
    let behind = kept.of(upstream.clone().bulkhead(Eager::default(), permits));
    let handle = probe(behind, Behaviour::new());
    (upstream, handle)
}

#[test]
fn streams_together_have_no_more_items_out_than_there_are_permits() {
    let pool = Pool::new(2);
    let permits = Permits::new(4);
    let (at_work, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let stream = |from: u32| {
        let (at_work, most) = (at_work.clone(), most.clone());
        let items = millstream::range(from..from + 500).bulkhead(pool.handle(), &permits);
        items.map_async_unordered(pool.handle(), 8, move |item| {
            let (at_work, most) = (at_work.clone(), most.clone());
            async move {
                most.fetch_max(at_work.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                for _ in 0..item.get() % 3 {
                    let mut woken = false;
                    std::future::poll_fn(|context| {
                        if std::mem::replace(&mut woken, true) {
                            return std::task::Poll::Ready(());
                        }
                        context.waker().wake_by_ref();
                        std::task::Poll::Pending
                    })
                    .await;
                }
                at_work.fetch_sub(1, Ordering::SeqCst);
                item.into_inner()
            }
        })
    };
    let all = millstream::merge_all((0..3).map(|n| stream(500 * n)).collect::<Vec<_>>(), 8);
    let mut all: Vec<_> = all.collect::<Vec<_>>().block().unwrap();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..1_500));
    let most = most.load(Ordering::SeqCst);
    assert!((2..=4).contains(&most), "{most} at a time");
    assert_eq!(permits.free(), 4);
}

#[test]
fn upstream_is_asked_for_nothing_without_demand_and_for_nothing_without_a_permit() {
    let (permits, kept) = (Permits::new(1), Kept::default());
    let elsewhere = permits.try_acquire().unwrap();
    let (upstream, handle) = by_hand(&permits, &kept);
    assert_eq!(upstream.requested(), More::NONE);
    handle.request(3);
    assert_eq!(upstream.requested(), More::NONE, "there is none");
    drop(elsewhere);
    assert_eq!(upstream.requested(), More::ONE);
    upstream.next(1);
    assert_eq!((handle.items(), upstream.requested()), (vec![1], More::ONE), "it is out");
    kept.give_back();
    assert_eq!(upstream.requested(), More::of(2));
    upstream.next(2);
    kept.give_back();
    upstream.next(3);
    kept.give_back();
    assert_eq!((handle.items(), upstream.requested()), (vec![1, 2, 3], More::of(3)));
    assert_eq!(permits.free(), 1);
    handle.assert_no_violation();
}

#[test]
fn who_came_first_is_let_through_first() {
    let (permits, kept) = (Permits::new(1), Kept::default());
    let elsewhere = permits.try_acquire().unwrap();
    let streams: Vec<_> = (0..3)
        .map(|n| {
            let numbers = millstream::from_iter(vec![n; 2]);
            probe(kept.of(numbers.bulkhead(Eager::default(), &permits)), Behaviour::new())
        })
        .collect();
    for n in [1, 0, 2] {
        streams[n].request(2);
    }
    let delivered = || [0, 1, 2].map(|n| streams[n].delivered());
    assert_eq!(delivered(), [0, 0, 0]);
    drop(elsewhere);
    assert_eq!(delivered(), [0, 1, 0]);
    for expected in [[1, 1, 0], [1, 1, 1], [1, 2, 1], [2, 2, 1], [2, 2, 2]] {
        kept.give_back();
        assert_eq!(delivered(), expected, "by turns, in the order in which they came");
    }
    kept.give_back();
    assert_eq!(permits.free(), 1);
}

#[test]
fn a_stream_that_is_quiet_keeps_no_permit_and_its_item_waits_in_the_line() {
    let (permits, kept) = (Permits::new(1), Kept::default());
    let (quiet, a) = by_hand(&permits, &kept);
    a.request(1);
    assert_eq!((quiet.requested(), permits.free()), (More::ONE, 1));
    let (busy, b) = by_hand(&permits, &kept);
    b.request(2);
    busy.next(7);
    assert_eq!((b.items(), permits.free()), (vec![7], 0));
    quiet.next(1);
    assert_eq!(a.items(), []);
    kept.give_back();
    // The other stands before it, since it came again before: it asks, and goes.
    assert_eq!((busy.requested(), a.items()), (More::of(2), vec![1]));
    busy.next(8);
    assert_eq!(b.items(), [7]);
    kept.give_back();
    assert_eq!(b.items(), [7, 8]);
}

#[test]
fn the_end_needs_no_permit() {
    let (permits, kept) = (Permits::new(2), Kept::default());
    let numbers = millstream::from_iter(0..2_u32).bulkhead(Eager::default(), &permits);
    let handle = probe(kept.of(numbers), Behaviour::new().initially(u64::MAX));
    assert_eq!((handle.items(), kept.count()), (vec![0, 1], 2));
    handle.assert_completed();

    let (upstream, handle) = by_hand(&permits, &kept);
    handle.request(1);
    upstream.complete();
    handle.assert_completed();
    assert_eq!(permits.free(), 0);
}

#[test]
fn the_end_comes_after_the_item_that_waits() {
    let (permits, kept) = (Permits::new(1), Kept::default());
    let (upstream, handle) = by_hand(&permits, &kept);
    handle.request(1);
    let elsewhere = permits.try_acquire().unwrap();
    upstream.next(1);
    upstream.complete();
    assert!(!handle.is_ended());
    drop(elsewhere);
    assert_eq!(handle.items(), [1]);
    handle.assert_completed();
}

/// Whether it waits in the queue of an upstream that sends, or was shown by one that is pulled.
#[test]
fn what_waits_is_discarded_at_a_cancellation_and_its_place_given_up() {
    let ledger = Ledger::new();
    let permits = Permits::new(1);
    let upstream = Hand::<Token>::new();
    // Whether an item follows cannot be told without it.
    let numbers = [ledger.token(1), ledger.token(2)].into_iter().filter(|_| true);
    let pulled = millstream::from_iter(numbers);
    let streams = [
        upstream.clone().bulkhead(Eager::default(), &permits).map(Permitted::into_inner).boxed(),
        pulled.bulkhead(Eager::default(), &permits).map(Permitted::into_inner).boxed(),
    ];
    let handles = streams.map(|stream| {
        let (probe, handle) = Probe::with(Behaviour::new());
        stream.subscribe(probe.noting_discards());
        handle
    });
    handles[0].request(1);
    handles[1].request(1);
    assert_eq!(handles[1].delivered(), 1);
    let elsewhere = permits.try_acquire().unwrap();
    upstream.next(ledger.token(7));
    handles[1].request(1);
    assert_eq!((handles[0].delivered(), handles[1].delivered()), (0, 1));
    handles.iter().for_each(ProbeHandle::cancel);
    let values = |items: Vec<Token>| items.iter().map(Token::value).collect::<Vec<_>>();
    assert_eq!(values(handles[0].discarded()), [7]);
    assert_eq!(values(handles[1].discarded()), [2]);
    drop(elsewhere);
    assert_eq!(permits.free(), 1, "nobody stands in the line");
}

#[test]
fn a_filter_before_it_does_not_cost_a_turn_for_each_item_that_it_drops() {
    let (permits, kept) = (Permits::new(1), Kept::default());
    let rare = millstream::range(0..1_000_u32).filter(|n| n % 100 == 99);
    let a = probe(kept.of(rare.bulkhead(Eager::default(), &permits)), Behaviour::new());
    let all = millstream::range(0..1_000_u32);
    let b = probe(kept.of(all.bulkhead(Eager::default(), &permits)), Behaviour::new());
    a.request(10);
    b.request(10);
    for n in 2..10 {
        kept.give_back();
        assert_eq!((a.delivered(), b.delivered()), (n, n - 2));
        kept.give_back();
        assert_eq!((a.delivered(), b.delivered()), (n, n - 1), "by turns");
    }
}

#[test]
fn a_permit_comes_back_where_the_work_fails_breaks_or_is_given_up() {
    let executor = CurrentThread::new();
    let permits = Permits::new(3);
    let items = || millstream::range(0..9_u32).bulkhead(executor.handle(), &permits);
    let fails =
        items().try_map(|item| if *item.get() < 2 { Ok(item.into_inner()) } else { Err(()) });
    assert!(executor.run_until(fails.collect::<Vec<_>>()).is_err());
    assert_eq!(permits.free(), 3);

    let breaks = items().map_async(executor.handle(), 4, |item| async move {
        if *item.get() == 3 {
            resume_unwind(Box::new("ouch"));
        }
        item.into_inner()
    });
    assert!(executor.run_until(breaks.drain()).is_err());
    executor.run_until_idle();
    assert_eq!(permits.free(), 3);

    let stuck = items().map_async(executor.handle(), 4, |item| async move {
        std::future::pending::<()>().await;
        drop(item);
    });
    let handle = probe(stuck, Behaviour::new().initially(u64::MAX));
    executor.run_until_idle();
    assert_eq!(permits.free(), 0);
    handle.cancel();
    executor.run_until_idle();
    assert_eq!(permits.free(), 3);
}

#[test]
fn an_upstream_that_is_asked_ahead_by_a_prefetch_waits_there() {
    let (permits, kept) = (Permits::new(1), Kept::default());
    let upstream = Hand::<u32>::new();
    let ahead = upstream.clone().prefetch(4).bulkhead(Eager::default(), &permits);
    let handle = probe(kept.of(ahead), Behaviour::new().initially(u64::MAX));
    (0..4).for_each(|n| upstream.next(n));
    for n in 1..=4 {
        assert_eq!(handle.delivered(), n);
        kept.give_back();
    }
    upstream.assert_requested(7);
}

/// A permit for a stream as a whole: as long as it runs.
#[test]
fn whole_streams_share_permits_where_each_acquires_one() {
    let executor = CurrentThread::new();
    let permits = Permits::new(1);
    let gates = [(); 2].map(|()| Hand::<u32>::new());
    let handles = gates.clone().map(|gate| {
        let permit = millstream::from_future(executor.handle(), permits.acquire());
        let stream = permit.concat_map(move |permit| gate.clone().finally(move |_| drop(permit)));
        probe(stream, Behaviour::new().initially(u64::MAX))
    });
    executor.run_until_idle();
    assert_eq!(gates.each_ref().map(Hand::is_subscribed), [true, false]);
    gates[0].complete();
    executor.run_until_idle();
    handles[0].assert_completed();
    assert_eq!(gates.each_ref().map(Hand::is_subscribed), [true, true]);
    handles[1].cancel();
    executor.run_until_idle();
    assert_eq!(permits.free(), 1);
}
