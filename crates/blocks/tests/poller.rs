//! Models of a poller: whoever polls is woken for every item and for the end, a poll that is
//! given up loses nothing, and a fault does not wait.

mod oracle;
mod wakers;

use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{self, Poll};

use millstream_blocks::bell::Bell;
use millstream_blocks::lane::{ActiveInlet, Inlet, Outlet, lane};
use millstream_blocks::poller::Poller;
use millstream_core::{
    ActiveSubscriber, Context, End, Fault, InvalidDemand, More, Publisher, Pull, Pulled,
    Subscriber, Subscription, on_undelivered,
};
use millstream_model::Runner;
use millstream_sync::{model, thread};
use oracle::Signal::{Complete, Item};
use oracle::{Alive, Error, Hand, Oracle, Signal, Source, Start, Token, broken};
use wakers::waker;

/// A poller of `source` behind a lane of `capacity`.
fn behind(
    capacity: usize,
    source: impl Publisher<Item = Token, Error = Error>,
) -> Poller<Outlet<Token, Error>> {
    Poller::new(&Context::default(), |bell, context| {
        let capacity = NonZeroUsize::new(capacity).unwrap();
        let (inlet, outlet) = lane(capacity, bell.clone(), context, None);
        source.subscribe(inlet);
        outlet
    })
}

fn by_hand(oracle: &Oracle, capacity: usize) -> (Hand, Poller<Outlet<Token, Error>>) {
    let hand = Hand::default();
    let poller = behind(capacity, Source::Hand(oracle.alive(), hand.clone()));
    (hand, poller)
}

/// A lane whose inlet is in the hands of the model.
fn open(capacity: usize) -> (ActiveInlet<Token, Error>, Poller<Outlet<Token, Error>>) {
    let mut handed = None;
    let poller = Poller::new(&Context::default(), |bell, context| {
        let capacity = NonZeroUsize::new(capacity).unwrap();
        let (inlet, outlet): (Inlet<Token, Error>, _) = lane(capacity, bell.clone(), context, None);
        handed = Some(inlet.on_subscribe(Subscription::new(Arc::new(Idle))));
        outlet
    });
    (handed.unwrap(), poller)
}

struct Idle;

impl millstream_core::Upstream for Idle {
    fn request(&self, _: millstream_core::Demand) {}
    fn cancel(&self) {}
}

fn signal(end: End<Error>) -> Signal {
    match end {
        End::Completed => Complete,
        End::Failed(error) => Signal::Error(error),
        End::Fault(fault) => Signal::Fault(fault.to_string()),
        End::Cancelled(_) => panic!("nobody cancelled"),
    }
}

/// A task that takes what comes, up to the end.
struct Taker<P: Pull> {
    poller: Poller<P>,
    log: Vec<Signal>,
    told: Arc<OnceLock<Vec<Signal>>>,
}

impl<P: Pull<Item = Token, Error = Error>> Future for Taker<P> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            match this.poller.poll(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(item)) => this.log.push(Item(item.0)),
                Poll::Ready(Err(end)) => {
                    this.log.push(signal(end));
                    assert!(this.poller.source().is_none(), "the source outlives its end");
                    this.told.set(std::mem::take(&mut this.log)).unwrap();
                    return Poll::Ready(());
                }
            }
        }
    }
}

/// Polls up to the end: the log.
fn take_all<P: Pull<Item = Token, Error = Error>>(poller: Poller<P>) -> Vec<Signal> {
    let told = Arc::new(OnceLock::new());
    Runner::new(Taker { poller, log: Vec::new(), told: told.clone() }).run();
    told.get().unwrap().clone()
}

fn all(n: u32) -> Vec<Signal> {
    (0..n).map(Item).chain([Complete]).collect()
}

fn beside(oracle: &Oracle, act: impl FnOnce(&Oracle) + Send + 'static) -> thread::JoinHandle<()> {
    let oracle = oracle.clone();
    thread::spawn(move || act(&oracle))
}

fn dropped() -> Signal {
    Signal::Fault(Fault::SourceDropped.to_string())
}

#[test]
fn a_sender_races_the_task() {
    model("poller: a_sender_races_the_task", || {
        let oracle = Oracle::new();
        let (hand, poller) = by_hand(&oracle, 1);
        let other = beside(&oracle, move |oracle| {
            hand.send(Token(0, oracle.alive()));
            hand.send(Token(1, oracle.alive()));
            hand.complete();
        });
        assert_eq!(take_all(poller), all(2));
        other.join().unwrap();
        assert_eq!(oracle.count(), 0);
    });
}

#[test]
fn the_end_races_the_task() {
    model("poller: the_end_races_the_task", || {
        let oracle = Oracle::new();
        let (hand, poller) = by_hand(&oracle, 1);
        let other = beside(&oracle, move |_| hand.complete());
        assert_eq!(take_all(poller), [Complete]);
        other.join().unwrap();
        assert_eq!(oracle.count(), 0);
    });
}

#[test]
fn a_source_gone_races_the_task() {
    model("poller: a_source_gone_races_the_task", || {
        let oracle = Oracle::new();
        let forget = Start::default();
        let poller = behind(1, Source::Deaf(oracle.alive(), forget.clone()));
        let other = thread::spawn(move || forget.forget());
        assert_eq!(take_all(poller), [dropped()]);
        other.join().unwrap();
        assert_eq!(oracle.count(), 0);
    });
}

/// The fault comes while the items before it are taken: nothing comes after it.
#[test]
fn a_fault_races_items() {
    model("poller: a_fault_races_items", || {
        let oracle = Oracle::new();
        let (mut inlet, poller) = open(2);
        let other = beside(&oracle, move |oracle| {
            assert_eq!(inlet.on_next(Token(0, oracle.alive())), More::NONE);
            inlet.on_fault(Fault::InvalidDemand(InvalidDemand(0)));
        });
        let log = take_all(poller);
        other.join().unwrap();
        assert!(log == [broken()] || log == [Item(0), broken()], "{log:?}");
        assert_eq!(oracle.count(), 0);
    });
}

#[test]
fn a_fault_does_not_wait_behind_items() {
    model("poller: a_fault_does_not_wait_behind_items", || {
        let oracle = Oracle::new();
        let (mut inlet, poller) = open(2);
        assert_eq!(inlet.on_next(Token(0, oracle.alive())), More::NONE);
        drop(inlet);
        assert_eq!(take_all(poller), [dropped()]);
        assert_eq!(oracle.count(), 0);
    });
}

#[test]
fn a_fault_is_seen_without_a_look_at_the_items() {
    model("poller: a_fault_is_seen_without_a_look_at_the_items", || {
        let oracle = Oracle::new();
        let (mut inlet, mut poller) = open(2);
        let (woken, waker) = waker();
        let mut context = task::Context::from_waker(&waker);
        assert!(poller.poll_fault(&mut context).is_pending());
        let other = beside(&oracle, move |oracle| {
            assert_eq!(inlet.on_next(Token(0, oracle.alive())), More::NONE);
            drop(inlet);
        });
        other.join().unwrap();
        assert_eq!(woken.count(), 1, "the fault rings, the item does not");
        let Poll::Ready(fault) = poller.poll_fault(&mut context) else { panic!("no fault") };
        assert_eq!(Signal::Fault(fault.to_string()), dropped());
        assert_eq!(oracle.count(), 0, "nothing is kept after the end");
        assert!(matches!(poller.poll(&mut context), Poll::Ready(Err(End::Completed))));
        assert!(poller.poll_fault(&mut context).is_pending(), "it is told once");
    });
}

/// Whoever has no room for an item is told the end, and loses no item.
struct Full {
    poller: Poller<Outlet<Token, Error>>,
    told: Arc<OnceLock<Signal>>,
}

impl Future for Full {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        let Poll::Ready(end) = self.poller.poll_end(cx) else { return Poll::Pending };
        self.told.set(signal(end)).unwrap();
        Poll::Ready(())
    }
}

#[test]
fn the_end_races_whoever_has_no_room() {
    model("poller: the_end_races_whoever_has_no_room", || {
        let oracle = Oracle::new();
        let (hand, poller) = by_hand(&oracle, 1);
        let other = beside(&oracle, move |_| hand.complete());
        let told = Arc::new(OnceLock::new());
        Runner::new(Full { poller, told: told.clone() }).run();
        other.join().unwrap();
        assert_eq!(told.get(), Some(&Complete));
        assert_eq!(oracle.count(), 0);
    });
}

#[test]
fn a_fault_races_whoever_has_no_room() {
    model("poller: a_fault_races_whoever_has_no_room", || {
        let oracle = Oracle::new();
        let (mut inlet, poller) = open(2);
        let other = beside(&oracle, move |oracle| {
            assert_eq!(inlet.on_next(Token(0, oracle.alive())), More::NONE);
            drop(inlet);
        });
        let told = Arc::new(OnceLock::new());
        Runner::new(Full { poller, told: told.clone() }).run();
        other.join().unwrap();
        assert_eq!(told.get(), Some(&dropped()));
        assert_eq!(oracle.count(), 0);
    });
}

#[test]
fn a_look_for_the_end_loses_no_item() {
    model("poller: a_look_for_the_end_loses_no_item", || {
        let oracle = Oracle::new();
        let source = Ahead(oracle.items(0..2));
        let mut poller = Poller::new(&Context::default(), move |_, _| source);
        let (_, waker) = waker();
        let mut context = task::Context::from_waker(&waker);
        for n in 0..2 {
            // It holds the item that it saw, however often it is asked.
            assert!(poller.poll_end(&mut context).is_pending());
            assert!(poller.poll_end(&mut context).is_pending());
            let Poll::Ready(Ok(item)) = poller.poll(&mut context) else { panic!("no item") };
            assert_eq!(item.0, n);
        }
        assert!(matches!(poller.poll_end(&mut context), Poll::Ready(End::Completed)));
        assert_eq!(oracle.count(), 0);
        // One that is held when the poller goes, goes with it.
        let source = Ahead(oracle.items(0..2));
        let mut poller = Poller::new(&Context::default(), move |_, _| source);
        assert!(poller.poll_end(&mut context).is_pending());
        assert_eq!(oracle.count(), 2, "the source and the item");
        drop(poller);
        assert_eq!(oracle.count(), 0);
    });
}

/// Takes an item to find out whether it is over.
struct Ahead(oracle::Items);

impl Pull for Ahead {
    type Item = Token;
    type Error = Error;

    fn pull(&mut self) -> Pulled<Token, Error> {
        self.0.pull()
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<Token, Error> {
        self.0.pull()
    }
}

/// Somebody polls and gives up; another takes over while the item comes.
#[test]
fn a_poll_given_up_loses_nothing() {
    model("poller: a_poll_given_up_loses_nothing", || {
        let oracle = Oracle::new();
        let (hand, mut poller) = by_hand(&oracle, 1);
        let (_, first) = waker();
        assert!(poller.poll(&mut task::Context::from_waker(&first)).is_pending());
        let other = beside(&oracle, move |oracle| {
            hand.send(Token(0, oracle.alive()));
            hand.complete();
        });
        assert_eq!(take_all(poller), all(1));
        other.join().unwrap();
        assert_eq!(oracle.count(), 0);
    });
}

#[test]
fn dropping_races_a_sender() {
    model("poller: dropping_races_a_sender", || {
        let oracle = Oracle::new();
        let (hand, mut poller) = by_hand(&oracle, 2);
        let (_, waker) = waker();
        assert!(poller.poll(&mut task::Context::from_waker(&waker)).is_pending());
        let other = beside(&oracle, move |oracle| {
            hand.send(Token(0, oracle.alive()));
            hand.send(Token(1, oracle.alive()));
        });
        drop(poller);
        other.join().unwrap();
        assert_eq!(oracle.count(), 0);
    });
}

#[test]
fn the_first_fault_stands() {
    model("poller: the_first_fault_stands", || {
        let mut bells = None;
        let poller = Poller::new(&Context::default(), |bell, _| {
            bells = Some(bell.clone());
            Never
        });
        let bell: Bell = bells.unwrap();
        bell.fail(Fault::SourceDropped);
        bell.fail(Fault::ExecutorGone);
        assert_eq!(take_all(poller), [dropped()]);
    });
}

/// Two things break at once: one of them is told.
#[test]
fn a_fault_races_a_fault() {
    model("poller: a_fault_races_a_fault", || {
        let mut bells = None;
        let poller = Poller::new(&Context::default(), |bell, _| {
            bells = Some(bell.clone());
            Never
        });
        let bell: Bell = bells.unwrap();
        let other = thread::spawn({
            let bell = bell.clone();
            move || bell.fail(Fault::SourceDropped)
        });
        bell.fail(Fault::ExecutorGone);
        let log = take_all(poller);
        other.join().unwrap();
        let gone = Signal::Fault(Fault::ExecutorGone.to_string());
        assert!(log == [dropped()] || log == [gone], "{log:?}");
    });
}

/// What is reported while `run` runs. The hook is that of all tests of this file, so it is asked
/// for texts that no other test has.
fn reported(run: impl Fn() + Send + Sync + 'static, name: &'static str) -> Vec<String> {
    let texts = Arc::new(std::sync::Mutex::new(Vec::new()));
    let hook = texts.clone();
    on_undelivered(move |undelivered| {
        hook.lock().unwrap().push(format!("{undelivered:?}"));
    });
    model(name, run);
    on_undelivered(|_| {});
    let texts = texts.lock().unwrap();
    texts.iter().filter(|text| text.contains("Overflow")).cloned().collect()
}

fn overflow(capacity: u64) -> Fault {
    Fault::Overflow { capacity }
}

/// A fault is told, or reported: before a poll, after the end, and when nobody polls any more.
#[test]
fn no_fault_is_swallowed() {
    let run = || {
        let mut bells = None;
        let make = |bell: &Bell, _: &Context| {
            bells = Some(bell.clone());
            Never
        };
        let poller = Poller::new(&Context::default(), make);
        let bell: Bell = bells.unwrap();
        bell.fail(Fault::SourceDropped);
        bell.fail(overflow(1));
        assert_eq!(take_all(poller), [dropped()]);
        bell.fail(overflow(2));
        let mut bells = None;
        let make = |bell: &Bell, _: &Context| {
            bells = Some(bell.clone());
            Never
        };
        let poller = Poller::new(&Context::default(), make);
        let bell: Bell = bells.unwrap();
        let other = thread::spawn({
            let bell = bell.clone();
            move || bell.fail(overflow(3))
        });
        drop(poller);
        other.join().unwrap();
        bell.fail(overflow(4));
    };
    let texts = reported(run, "poller: no_fault_is_swallowed");
    for capacity in 1..=4 {
        let text = format!("capacity: {capacity} ");
        let times = texts.iter().filter(|one| one.contains(&text)).count();
        assert_eq!(times, texts.len() / 4, "{capacity} in {texts:?}");
    }
    assert!(!texts.is_empty(), "nothing was reported");
}

struct Never;

impl Pull for Never {
    type Item = Token;
    type Error = Error;

    fn pull(&mut self) -> Pulled<Token, Error> {
        Pulled::Pending
    }
}

#[test]
fn a_panic_in_the_source_is_the_end() {
    model("poller: a_panic_in_the_source_is_the_end", || {
        let oracle = Oracle::new();
        let source = Panics { left: 1, alive: oracle.alive() };
        let log = take_all(Poller::new(&Context::default(), move |_, _| source));
        assert_eq!(log[..1], [Item(1)]);
        assert!(matches!(&log[1..], [Signal::Fault(fault)] if fault.contains("ouch")), "{log:?}");
        assert_eq!(oracle.count(), 0);
    });
}

#[test]
fn a_panic_at_the_beginning_is_the_end() {
    model("poller: a_panic_at_the_beginning_is_the_end", || {
        let log = take_all(Poller::<Never>::new(&Context::default(), |_, _| {
            std::panic::resume_unwind(Box::new("ouch"))
        }));
        assert!(matches!(&log[..], [Signal::Fault(fault)] if fault.contains("ouch")), "{log:?}");
    });
}

struct Panics {
    left: u32,
    alive: Alive,
}

impl Pull for Panics {
    type Item = Token;
    type Error = Error;

    fn pull(&mut self) -> Pulled<Token, Error> {
        if self.left == 0 {
            std::panic::resume_unwind(Box::new("ouch"));
        }
        self.left -= 1;
        Pulled::Item(Token(1, self.alive.clone()))
    }
}

/// A source that skips without end lets others run, and asks to be polled again.
#[test]
fn a_source_that_skips_lets_others_run() {
    model("poller: a_source_that_skips_lets_others_run", || {
        let mut poller = Poller::new(&Context::default(), |_, _| Skips);
        let (woken, waker) = waker();
        assert!(poller.poll(&mut task::Context::from_waker(&waker)).is_pending());
        assert_eq!(woken.count(), 1);
    });
}

struct Skips;

impl Pull for Skips {
    type Item = Token;
    type Error = Error;

    fn pull(&mut self) -> Pulled<Token, Error> {
        Pulled::Skipped
    }
}
