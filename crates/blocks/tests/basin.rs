//! Models of the basin: what is put in comes out, spills or comes back; whoever waits is told.

mod wakers;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::task::Context;

use millstream_blocks::basin::{ActiveMetered, Inflow, Outflow, Restored, Spill, Spilled, basin};
use millstream_blocks::bell::{Bell, Host};
use millstream_blocks::gauge::Site;
use millstream_core::{
    ActiveSubscriber, Context as Surroundings, Demand, Discards, Fault, More, Pull, Pulled,
    Subscriber, Subscription, Upstream,
};
use millstream_sync::{AtomicUsize, Mutex, Ordering, lock, model, thread};
use wakers::{foreign, waker};

type Error = &'static str;

/// An item whose life is counted, by an `Arc` that loom does not see.
#[derive(Debug)]
struct Token(u32, Arc<()>);

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

/// A subscriber that answers what it was asked, and one more for each item.
struct Sink;

impl Subscriber<Token, Error> for Sink {
    type Active = Sink;

    fn on_subscribe(self, subscription: Subscription) -> Sink {
        drop(subscription.into_upstream());
        self
    }
}

impl ActiveSubscriber<Token, Error> for Sink {
    fn on_next(&mut self, _: Token) -> More {
        More::ONE
    }

    fn on_complete(self) {}

    fn on_error(self, _: Error) {}
}

struct Idle;

impl Upstream for Idle {
    fn request(&self, _: Demand) {}

    fn cancel(&self) {}
}

struct Rig {
    inflow: Inflow<Token, Error>,
    outflow: Outflow<Token, Error>,
    sink: ActiveMetered<Sink, Token, Error>,
    rung: Arc<Rung>,
    alive: Arc<()>,
    discarded: Arc<std::sync::Mutex<Vec<u32>>>,
}

fn rig(capacity: usize) -> Rig {
    let (inflow, outflow) = basin(NonZeroUsize::new(capacity).unwrap());
    let rung = Arc::new(Rung::default());
    let discarded = Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = discarded.clone();
    let hook = move |item: Token| told.lock().unwrap().push(item.0);
    let context = Surroundings::default().with_discards(Discards::new(hook, Discards::default()));
    let sink = outflow.metered(Sink).on_subscribe(Subscription::new(Arc::new(Idle)));
    let outflow = outflow.attach(&Bell::new(rung.clone()), &context, Site::here("model"));
    Rig { inflow, outflow, sink, rung, alive: Arc::new(()), discarded }
}

fn put(
    inflow: &Inflow<Token, Error>,
    n: u32,
    alive: &Arc<()>,
    spill: Spill,
) -> Result<Vec<u32>, u32> {
    match inflow.put(Token(n, alive.clone()), spill) {
        Ok(Spilled::Nothing) => Ok(Vec::new()),
        Ok(Spilled::One(item)) => Ok(vec![item.0]),
        Ok(Spilled::All(items)) => Ok(items.iter().map(|item| item.0).collect()),
        Err(item) => Err(item.0),
    }
}

fn drain(outflow: &mut Outflow<Token, Error>, out: &mut Vec<u32>) -> Option<Result<(), Error>> {
    loop {
        match outflow.pull() {
            Pulled::Item(item) => out.push(item.0),
            Pulled::Pending => return None,
            Pulled::Complete => return Some(Ok(())),
            Pulled::Error(error) => return Some(Err(error)),
            Pulled::Skipped => panic!("nothing is skipped"),
        }
    }
}

#[test]
fn no_wake_up_of_the_outflow_is_lost() {
    model("basin: no_wake_up_of_the_outflow_is_lost", || {
        let Rig { inflow, mut outflow, mut sink, rung, alive, .. } = rig(2);
        let _asked = sink.on_request(More::of(9));
        let theirs = alive.clone();
        let other = thread::spawn(move || {
            for n in [1, 2] {
                assert_eq!(put(&inflow, n, &theirs, Spill::Newest), Ok(vec![]));
            }
            inflow
        });
        let mut out = Vec::new();
        drain(&mut outflow, &mut out);
        let _inflow = other.join().unwrap();
        assert_eq!(rung.times(), usize::from(out.len() < 2), "after {out:?}: once, if needed");
        drain(&mut outflow, &mut out);
        assert_eq!((out, Arc::strong_count(&alive)), (vec![1, 2], 1));
    });
}

/// The mark that is left while nothing is asked for.
#[test]
fn look_ahead_sleeps_too() {
    model("basin: look_ahead_sleeps_too", || {
        let Rig { mut inflow, mut outflow, rung, .. } = rig(1);
        let other = thread::spawn(move || {
            inflow.done();
            drop(inflow);
        });
        match outflow.look_ahead(false) {
            Pulled::Pending => {
                other.join().unwrap();
                assert_eq!(rung.times(), 1, "it would sleep for ever");
                assert!(matches!(outflow.look_ahead(false), Pulled::Complete));
            }
            Pulled::Complete => other.join().unwrap(),
            more => panic!("{more:?}"),
        }
    });
}

#[test]
fn what_spills_is_handed_back() {
    for spill in [Spill::Newest, Spill::Oldest, Spill::All] {
        model("basin: what_spills_is_handed_back", move || {
            let Rig { inflow, mut outflow, mut sink, alive, .. } = rig(2);
            let _asked = sink.on_request(More::of(9));
            assert_eq!(put(&inflow, 1, &alive, spill), Ok(vec![]));
            assert_eq!(put(&inflow, 2, &alive, spill), Ok(vec![]));
            let (second, theirs) = (inflow.clone(), alive.clone());
            let other = thread::spawn(move || (put(&second, 3, &theirs, spill).unwrap(), second));
            let mut out = Vec::new();
            if let Pulled::Item(item) = outflow.pull() {
                out.push(item.0);
            }
            let (spilled, _second) = other.join().unwrap();
            drain(&mut outflow, &mut out);
            let room = out.len() + spilled.len() == 3 && spilled.is_empty();
            let expected: (&[u32], &[u32]) = match spill {
                _ if room => (&[1, 2, 3], &[]),
                Spill::Newest => (&[1, 2], &[3]),
                Spill::Oldest => (&[2, 3], &[1]),
                Spill::All => (&[3], &[1, 2]),
            };
            assert_eq!((&out[..], &spilled[..]), expected);
            // Without a race: two fit, and no more.
            for n in [4, 5] {
                assert_eq!(put(&inflow, n, &alive, spill), Ok(vec![]));
            }
            assert_eq!(put(&inflow, 6, &alive, spill).map(|spilled| spilled.is_empty()), Ok(false));
            drop(outflow);
            assert_eq!(Arc::strong_count(&alive), 1);
        });
    }
}

#[test]
fn a_put_races_the_end_of_the_outflow() {
    // The last two where the queue is full: row 91 of the known bugs.
    for (capacity, spill) in [(2, Spill::Newest), (1, Spill::Oldest), (1, Spill::All)] {
        model("basin: a_put_races_the_end_of_the_outflow", move || {
            let Rig { inflow, outflow, alive, discarded, sink, .. } = rig(capacity);
            assert_eq!(put(&inflow, 1, &alive, spill), Ok(vec![]));
            let theirs = alive.clone();
            let other = thread::spawn(move || match put(&inflow, 2, &theirs, spill) {
                Ok(spilled) => spilled,
                Err(back) => {
                    assert!(inflow.is_closed());
                    vec![back]
                }
            });
            drop((outflow, sink));
            let mut all = other.join().unwrap();
            all.extend(discarded.lock().unwrap().iter());
            all.sort_unstable();
            assert_eq!(all, [1, 2], "each once");
            assert_eq!(Arc::strong_count(&alive), 1);
        });
    }
}

/// Merges an item with the newest, where there is no room: the digits of both, in the order in
/// which they are merged. It comes back where nothing more is taken in.
fn merge(inflow: &Inflow<Token, Error>, item: Token) -> Result<(), u32> {
    let join = |a: Token, b: Token| Token(10 * a.0 + b.0, a.1);
    let Some((newest, mut place)) = inflow.withdraw() else {
        return match inflow.put(item, Spill::Newest) {
            Ok(Spilled::Nothing) => Ok(()),
            Ok(Spilled::One(item)) => merge(inflow, item),
            Ok(Spilled::All(_)) => panic!("one at most"),
            Err(item) => Err(item.0),
        };
    };
    let mut merged = join(newest, item);
    loop {
        match place.restore(merged) {
            Restored::Queued => return Ok(()),
            Restored::Gone(item) => return Err(item.0),
            Restored::Filled(item, newer, again) => {
                merged = join(item, newer);
                place = again;
            }
        }
    }
}

#[test]
fn a_withdrawal_races_the_outflow() {
    model("basin: a_withdrawal_races_the_outflow", || {
        let Rig { inflow, mut outflow, mut sink, rung, alive, .. } = rig(1);
        let _asked = sink.on_request(More::of(9));
        assert_eq!(merge(&inflow, Token(1, alive.clone())), Ok(()));
        let theirs = alive.clone();
        let other = thread::spawn(move || {
            assert_eq!(merge(&inflow, Token(2, theirs)), Ok(()));
            inflow
        });
        let mut out = Vec::new();
        drain(&mut outflow, &mut out);
        let inflow = other.join().unwrap();
        let all = |out: &[u32]| out == [1, 2] || out == [12];
        assert_eq!(rung.times(), usize::from(!all(&out)), "after {out:?}: once, if needed");
        drain(&mut outflow, &mut out);
        assert!(all(&out), "{out:?}");
        assert_eq!((inflow.len(), Arc::strong_count(&alive)), (0, 1));
    });
}

#[test]
fn the_end_waits_for_what_is_withdrawn() {
    model("basin: the_end_waits_for_what_is_withdrawn", || {
        let Rig { inflow, mut outflow, mut sink, rung, alive, .. } = rig(1);
        let _asked = sink.on_request(More::of(9));
        assert_eq!(merge(&inflow, Token(1, alive.clone())), Ok(()));
        let second = inflow.clone();
        let item = Token(2, alive.clone());
        let other = thread::spawn(move || (merge(&second, item), second));
        assert!(inflow.complete());
        let mut out = Vec::new();
        let mut end = drain(&mut outflow, &mut out);
        let (merged, _second) = other.join().unwrap();
        if end.is_none() {
            assert_eq!(rung.times(), 1, "it would wait for ever");
            end = drain(&mut outflow, &mut out);
        }
        assert_eq!(end, Some(Ok(())));
        match merged {
            Ok(()) => assert_eq!(out, [12]),
            Err(back) => assert_eq!((back, &out[..]), (2, &[1][..])),
        }
        drop(outflow);
        assert_eq!(Arc::strong_count(&alive), 1);
    });
}

/// Whoever merges panics.
#[test]
fn what_is_given_up_keeps_no_end() {
    model("basin: what_is_given_up_keeps_no_end", || {
        let Rig { inflow, mut outflow, mut sink, rung, alive, .. } = rig(1);
        let _asked = sink.on_request(More::of(9));
        assert_eq!(merge(&inflow, Token(1, alive.clone())), Ok(()));
        let second = inflow.clone();
        let other = thread::spawn(move || {
            let gives_up = second.withdraw().map(drop).is_some();
            (gives_up, second)
        });
        assert!(inflow.complete());
        let mut out = Vec::new();
        let mut end = drain(&mut outflow, &mut out);
        let (gave_up, _second) = other.join().unwrap();
        if end.is_none() {
            assert_eq!(rung.times(), 1, "it would wait for ever");
            end = drain(&mut outflow, &mut out);
        }
        assert_eq!(end, Some(Ok(())));
        assert_eq!(out.len(), usize::from(!gave_up));
        drop(outflow);
        assert_eq!(Arc::strong_count(&alive), 1);
    });
}

#[test]
fn a_restoration_races_the_end_of_the_outflow() {
    model("basin: a_restoration_races_the_end_of_the_outflow", || {
        let Rig { inflow, outflow, alive, discarded, sink, .. } = rig(1);
        assert_eq!(merge(&inflow, Token(1, alive.clone())), Ok(()));
        let theirs = alive.clone();
        let other = thread::spawn(move || merge(&inflow, Token(2, theirs)));
        drop((outflow, sink));
        let merged = other.join().unwrap();
        let discarded = discarded.lock().unwrap().clone();
        match merged {
            Ok(()) => assert_eq!(discarded, [12]),
            Err(12) => assert_eq!(discarded, []),
            Err(back) => assert_eq!((back, &discarded[..]), (2, &[1][..])),
        }
        assert_eq!(Arc::strong_count(&alive), 1);
    });
}

/// Both find it full, or one of them finds the place of the other.
#[test]
fn two_merges_race() {
    model("basin: two_merges_race", || {
        let Rig { inflow, mut outflow, mut sink, alive, .. } = rig(1);
        let _asked = sink.on_request(More::of(9));
        assert_eq!(merge(&inflow, Token(1, alive.clone())), Ok(()));
        let (second, theirs) = (inflow.clone(), alive.clone());
        let other = thread::spawn(move || {
            assert_eq!(merge(&second, Token(2, theirs)), Ok(()));
            second
        });
        assert_eq!(merge(&inflow, Token(3, alive.clone())), Ok(()));
        let _second = other.join().unwrap();
        assert_eq!(inflow.len(), 1, "there is room for one");
        let mut out = Vec::new();
        drain(&mut outflow, &mut out);
        assert!(matches!(out[..], [123 | 132]), "the first is before both: {out:?}");
        assert_eq!((inflow.counts().taken, Arc::strong_count(&alive)), (3, 1));
    });
}

#[test]
fn whoever_waits_for_demand_is_told() {
    model("basin: whoever_waits_for_demand_is_told", || {
        let Rig { inflow, outflow: _outflow, mut sink, .. } = rig(1);
        let other = thread::spawn(move || {
            let (woken, waker) = waker();
            let mut ready = Box::pin(async move {
                inflow.ready().await;
                inflow.wanted()
            });
            let early = ready.as_mut().poll(&mut Context::from_waker(&waker));
            (ready, early, woken, waker)
        });
        let _asked = sink.on_request(More::ONE);
        let (mut ready, early, woken, waker) = other.join().unwrap();
        if early.is_pending() {
            assert_eq!(woken.count(), 1, "it would wait for ever");
            let again = ready.as_mut().poll(&mut Context::from_waker(&waker));
            assert_eq!(again, std::task::Poll::Ready(1));
        }
    });
}

/// Demand that there is no room for is none, until there is.
#[test]
fn whoever_waits_for_room_is_told() {
    model("basin: whoever_waits_for_room_is_told", || {
        let Rig { inflow, mut outflow, mut sink, alive, .. } = rig(1);
        let _asked = sink.on_request(More::of(2));
        assert_eq!(put(&inflow, 1, &alive, Spill::Newest), Ok(vec![]));
        assert_eq!(inflow.wanted(), 0);
        let other = thread::spawn(move || {
            let (woken, waker) = waker();
            let mut ready = Box::pin(async move { inflow.ready().await });
            let early = ready.as_mut().poll(&mut Context::from_waker(&waker));
            (ready, early, woken, waker)
        });
        assert!(matches!(outflow.pull(), Pulled::Item(_)));
        let (mut ready, early, woken, waker) = other.join().unwrap();
        if early.is_pending() {
            assert_eq!(woken.count(), 1, "it would wait for ever");
            assert!(ready.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
        }
    });
}

#[test]
fn whoever_waits_for_demand_learns_of_the_end() {
    model("basin: whoever_waits_for_demand_learns_of_the_end", || {
        let Rig { inflow, outflow, sink, .. } = rig(1);
        let second = inflow.clone();
        let other = thread::spawn(move || {
            let (woken, waker) = waker();
            let mut context = Context::from_waker(&waker);
            let mut ready = Box::pin(async move { inflow.ready().await });
            let mut closed = Box::pin(async move { second.closed().await });
            let early = [
                ready.as_mut().poll(&mut context).is_ready(),
                closed.as_mut().poll(&mut context).is_ready(),
            ];
            (ready, closed, early, woken)
        });
        drop((outflow, sink));
        let (_ready, _closed, early, woken) = other.join().unwrap();
        let waiting = early.iter().filter(|early| !**early).count();
        assert_eq!(woken.count(), waiting, "each that waits, once");
    });
}

#[test]
fn demand_is_credit_that_no_item_stands_for() {
    model("basin: demand_is_credit_that_no_item_stands_for", || {
        let Rig { inflow, mut outflow, mut sink, alive, .. } = rig(4);
        assert_eq!(put(&inflow, 1, &alive, Spill::Newest), Ok(vec![]));
        assert_eq!(inflow.wanted(), 0);
        let _asked = sink.on_request(More::of(3));
        assert_eq!(inflow.wanted(), 2);
        let theirs = alive.clone();
        let other = thread::spawn(move || {
            assert_eq!(put(&inflow, 2, &theirs, Spill::Newest), Ok(vec![]));
            let wanted = inflow.wanted();
            assert!(wanted == 1 || wanted == 2, "{wanted}");
            inflow
        });
        let Pulled::Item(item) = outflow.pull() else { panic!("an item is there") };
        let _answer = sink.on_next(item);
        let inflow = other.join().unwrap();
        assert_eq!(inflow.wanted(), 2, "3 asked, 1 more for the item, 1 sent, 1 queued");
        let _asked = sink.on_request(More::UNBOUNDED);
        assert_eq!(inflow.wanted(), 3, "as far as there is room");
        drain(&mut outflow, &mut Vec::new());
        assert_eq!(inflow.wanted(), 4);
    });
}

/// Loom tells of a second thread inside of the observer.
#[test]
fn the_observer_is_told_of_all_serially() {
    model("basin: the_observer_is_told_of_all_serially", || {
        let Rig { inflow, mut outflow, mut sink, .. } = rig(8);
        let told = Arc::new(Told(millstream_sync::UnsafeCell::new(0)));
        let tells = told.clone();
        let other = thread::spawn(move || {
            inflow.on_request(move |demand| tells.add(demand));
            inflow
        });
        for more in [2, 3] {
            let _asked = sink.on_request(More::of(more));
            assert!(matches!(outflow.pull(), Pulled::Pending));
        }
        let _inflow = other.join().unwrap();
        assert_eq!(told.get(), 5);
    });
}

struct Told(millstream_sync::UnsafeCell<u64>);

// SAFETY: the basin runs one observer on one thread at a time, which is what the model checks:
// loom tells of two accesses that are not ordered.
unsafe impl Sync for Told {}

impl Told {
    fn add(&self, demand: Demand) {
        // SAFETY: as above.
        self.0.with_mut(|sum| unsafe { *sum += demand.get() });
    }

    fn get(&self) -> u64 {
        // SAFETY: the other thread has been joined.
        self.0.with_mut(|sum| unsafe { *sum })
    }
}

#[test]
fn a_farewell_is_called_once() {
    model("basin: a_farewell_is_called_once", || {
        let Rig { inflow, outflow, sink, .. } = rig(1);
        let called = Arc::new(AtomicUsize::new(0));
        let theirs = called.clone();
        let other = thread::spawn(move || {
            inflow.on_close(move || {
                theirs.fetch_add(1, Ordering::Relaxed);
            });
            inflow
        });
        drop((outflow, sink));
        let _inflow = other.join().unwrap();
        assert_eq!(called.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn the_end_comes_behind_the_items_and_stands() {
    model("basin: the_end_comes_behind_the_items_and_stands", || {
        let Rig { inflow, mut outflow, mut sink, alive, .. } = rig(2);
        let _asked = sink.on_request(More::of(9));
        assert_eq!(put(&inflow, 1, &alive, Spill::Newest), Ok(vec![]));
        let second = inflow.clone();
        let other = thread::spawn(move || (second.fail("broken"), second));
        let completed = inflow.complete();
        let (failed, _second) = other.join().unwrap();
        assert_eq!(put(&inflow, 2, &alive, Spill::Oldest), Err(2));
        let mut out = Vec::new();
        let end = drain(&mut outflow, &mut out);
        assert_eq!(out, [1]);
        match (completed, failed) {
            (true, Err("broken")) => assert_eq!(end, Some(Ok(()))),
            (false, Ok(())) => assert_eq!(end, Some(Err("broken"))),
            both => panic!("{both:?}"),
        }
    });
}

#[test]
fn a_lost_inflow_is_told() {
    for lost in [false, true] {
        model("basin: a_lost_inflow_is_told", move || {
            let Rig { mut inflow, mut outflow, mut sink, rung, alive, .. } = rig(2);
            let _asked = sink.on_request(More::of(9));
            assert_eq!(put(&inflow, 1, &alive, Spill::Newest), Ok(vec![]));
            let mut second = inflow.clone();
            let other = thread::spawn(move || {
                if !lost {
                    second.done();
                }
            });
            inflow.done();
            drop(inflow);
            other.join().unwrap();
            let mut out = Vec::new();
            let end = drain(&mut outflow, &mut out);
            let fault = lock(&rung.fault).take();
            assert_eq!(out, [1]);
            if lost {
                assert_eq!((end, fault), (None, Some(Fault::SourceDropped.to_string())));
            } else {
                assert_eq!((end, fault), (Some(Ok(())), None));
            }
        });
    }
}

/// Wakers, observers, farewells and items that look at the basin.
#[test]
fn foreign_code_runs_outside_of_the_lock() {
    model("basin: foreign_code_runs_outside_of_the_lock", || {
        let Rig { inflow, mut outflow, mut sink, alive, .. } = rig(1);
        let looks = || {
            let inflow = inflow.clone();
            move || assert!(inflow.len() <= 1)
        };
        let mut ready = Box::pin({
            let inflow = inflow.clone();
            async move { inflow.ready().await }
        });
        for _ in 0..2 {
            let waker = foreign(looks());
            assert!(ready.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        let observed = looks();
        inflow.on_request(move |_| observed());
        let observed = looks();
        inflow.on_request(move |_| observed());
        inflow.on_close(looks());
        let _asked = sink.on_request(More::ONE);
        assert!(matches!(outflow.pull(), Pulled::Pending));
        assert_eq!(put(&inflow, 1, &alive, Spill::Newest), Ok(vec![]));
        drop(ready);
        drop((outflow, sink));
        inflow.on_close(looks());
    });
}

#[cfg(not(millstream_loom))]
mod on_one_thread {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn a_panic_of_the_observer_breaks_the_stream_off() {
        let Rig { inflow, mut outflow, mut sink, rung, .. } = rig(1);
        inflow.on_request(|_| panic!("no"));
        let _asked = sink.on_request(More::ONE);
        assert!(matches!(outflow.pull(), Pulled::Pending));
        let fault = lock(&rung.fault).take();
        assert_eq!(fault.as_deref(), Some("user code panicked: no"));
        assert!(matches!(outflow.pull(), Pulled::Pending));
        assert_eq!(lock(&rung.fault).take(), None, "it is not told again");
    }

    #[test]
    fn whoever_puts_in_what_it_is_told_of_never_spills() {
        for capacity in [1, 2, 5] {
            let Rig { inflow, mut outflow, mut sink, alive, .. } = rig(capacity);
            let (own, tokens) = (inflow.clone(), alive.clone());
            let told = Arc::new(AtomicUsize::new(0));
            let sum = told.clone();
            inflow.on_request(move |demand| {
                for n in 0..demand.get() {
                    assert_eq!(put(&own, n as u32, &tokens, Spill::Newest), Ok(vec![]));
                }
                sum.fetch_add(demand.get() as usize, Ordering::Relaxed);
            });
            let _asked = sink.on_request(More::of(7));
            let mut out = Vec::new();
            drain(&mut outflow, &mut out);
            assert_eq!((out.len(), told.load(Ordering::Relaxed)), (7, 7), "of {capacity}");
            let _asked = sink.on_request(More::UNBOUNDED);
            for _ in 0..20 {
                assert!(matches!(outflow.pull(), Pulled::Item(_)));
            }
            let counts = inflow.counts();
            assert_eq!(counts.spilled, 0);
            assert!(counts.taken <= 27 + capacity as u64);
        }
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
        let (inflow, outflow) = basin::<_, Error>(NonZeroUsize::new(3).unwrap());
        for n in 0..3 {
            assert!(inflow.put(Bomb(n, alive.clone()), Spill::Newest).is_ok());
        }
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(outflow)));
        assert!(dropped.is_err(), "the panic is raised again");
        assert_eq!(Arc::strong_count(&alive), 1, "all three are gone");
    }
}
