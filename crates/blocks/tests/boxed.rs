//! Models of what is behind a pointer: the same signals and answers as without, and what is inside
//! is dropped once, whatever becomes of it.

mod oracle;

use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use millstream_blocks::boxed::{BoxActive, BoxPublisher, BoxSubscriber, SharedPublisher};
use millstream_blocks::island::emit;
use millstream_core::{
    ActiveSubscriber, Cause, Context, Demand, Discards, End, Fault, InvalidDemand, More, Publisher,
    Pull, Pulled, Rest, Subscriber, Subscription, Upstream,
};
use millstream_sync::{model, thread};
use oracle::Signal::{Complete, Item};
use oracle::{Alive, Error, Items, Oracle, Signal, Source, Token, begins, broken};

/// A subscription on nothing.
struct Nowhere;

impl Upstream for Nowhere {
    fn request(&self, _: Demand) {}

    fn cancel(&self) {}
}

fn subscription() -> Subscription {
    Subscription::new(Arc::new(Nowhere))
}

/// A stage that is larger before it is active than after, has a name, and asks for so many times as
/// much as downstream.
struct Times<S> {
    downstream: S,
    factor: NonZeroU64,
    _larger: [u64; 9],
    alive: Alive,
}

struct ActiveTimes<A> {
    downstream: A,
    factor: NonZeroU64,
    _alive: Alive,
}

impl<S: Subscriber<Token, Error>> Subscriber<Token, Error> for Times<S> {
    type Active = ActiveTimes<S::Active>;

    fn on_subscribe(self, subscription: Subscription) -> Self::Active {
        let downstream = self.downstream.on_subscribe(subscription);
        ActiveTimes { downstream, factor: self.factor, _alive: self.alive }
    }

    fn context(&self) -> Context {
        self.downstream.context().with_name("times")
    }
}

impl<A: ActiveSubscriber<Token, Error>> ActiveSubscriber<Token, Error> for ActiveTimes<A> {
    fn on_next(&mut self, item: Token) -> More {
        self.downstream.on_next(item)
    }

    fn on_complete(self) {
        drop(self.on_end(End::Completed));
    }

    fn on_error(self, error: Error) {
        drop(self.on_end(End::Failed(error)));
    }

    fn on_fault(self, fault: Fault) {
        drop(self.on_end(End::Fault(fault)));
    }

    fn on_request(&mut self, more: More) -> More {
        self.downstream.on_request(more).times(self.factor)
    }

    fn cause(&self) -> Cause {
        self.downstream.cause()
    }

    fn on_end(self, end: End<Error>) -> Option<Box<dyn Rest>> {
        self.downstream.on_end(end)
    }
}

/// The probe of `oracle` behind a pointer, behind a stage, behind a pointer.
fn boxed_times(
    factor: u64,
    oracle: &Oracle,
    react: impl FnMut(u32) -> More + Send + 'static,
) -> BoxSubscriber<Token, Error> {
    let downstream = BoxSubscriber::new(oracle.probe(react));
    let factor = NonZeroU64::new(factor).unwrap();
    BoxSubscriber::new(Times { downstream, factor, _larger: [7; 9], alive: oracle.alive() })
}

fn boxed(oracle: &Oracle) -> BoxSubscriber<Token, Error> {
    boxed_times(1, oracle, |_| More::NONE)
}

fn active(oracle: &Oracle) -> BoxActive<Token, Error> {
    boxed(oracle).on_subscribe(subscription())
}

/// Several items, sent by hand.
fn send(oracle: &Oracle, active: &mut BoxActive<Token, Error>, numbers: std::ops::Range<u32>) {
    for n in numbers {
        oracle.asks(More::ONE);
        assert_eq!(active.on_next(Token(n, oracle.alive())), More::NONE);
    }
}

/// The name that the SAFETY comments of the block refer to: a boxed chain goes from thread to thread,
/// is sent items on one and dropped on another.
#[test]
fn a_cancellation_races_a_boxed_chain() {
    model("boxed: a_cancellation_races_a_boxed_chain", || {
        let oracle = Oracle::new();
        emit(oracle.items(0..3), boxed(&oracle));
        let other = {
            let oracle = oracle.clone();
            thread::spawn(move || oracle.request(u64::MAX))
        };
        oracle.cancel();
        other.join().unwrap();
        assert_eq!(oracle.count(), 0, "somebody dropped it all");
        let log = oracle.finish();
        assert!(begins(&[Item(0), Item(1), Item(2), Complete], &log), "{log:?}");
    });
}

#[test]
fn two_requests_race_in_a_boxed_chain() {
    model("boxed: two_requests_race_in_a_boxed_chain", || {
        let oracle = Oracle::new();
        emit(oracle.items(0..2), boxed(&oracle));
        let other = {
            let oracle = oracle.clone();
            thread::spawn(move || oracle.request(1))
        };
        oracle.request(1);
        other.join().unwrap();
        assert_eq!(oracle.count(), 0, "the end frees it all");
        assert_eq!(oracle.finish(), [Item(0), Item(1), Complete]);
    });
}

#[test]
fn what_is_inside_is_dropped_once() {
    model("boxed: what_is_inside_is_dropped_once", || {
        let invalid = || Fault::InvalidDemand(InvalidDemand(0));
        let ends: [(Option<End<Error>>, Option<Signal>); 5] = [
            (Some(End::Completed), Some(Complete)),
            (Some(End::Failed("ouch")), Some(Signal::Error("ouch"))),
            (Some(End::Fault(invalid())), Some(broken())),
            (Some(End::Cancelled(Cause::NoMoreNeeded)), None),
            // Dropped, as one is whose stream is cancelled.
            (None, None),
        ];
        for (end, told) in ends {
            let oracle = Oracle::new();
            let mut active = active(&oracle);
            send(&oracle, &mut active, 0..2);
            assert!(oracle.log().is_none() && oracle.count() > 0, "it is there");
            match end {
                Some(end) => assert!(active.on_end(end).is_none()),
                None => drop(active),
            }
            let log: Vec<_> = [Some(Item(0)), Some(Item(1)), told].into_iter().flatten().collect();
            assert_eq!(oracle.log(), Some(log));
            assert_eq!(oracle.count(), 0);
        }
    });
}

#[test]
fn ends_that_are_told_one_by_one_pass() {
    model("boxed: ends_that_are_told_one_by_one_pass", || {
        type Tell = fn(BoxActive<Token, Error>);
        let ends: [(Tell, Signal); 3] = [
            (BoxActive::on_complete, Complete),
            (|active| active.on_error("ouch"), Signal::Error("ouch")),
            (|active| active.on_fault(Fault::InvalidDemand(InvalidDemand(0))), broken()),
        ];
        for (tell, told) in ends {
            let oracle = Oracle::new();
            tell(active(&oracle));
            assert_eq!((oracle.log(), oracle.count()), (Some(vec![told]), 0));
        }
    });
}

#[test]
fn what_waits_is_dropped_once() {
    model("boxed: what_waits_is_dropped_once", || {
        let oracle = Oracle::new();
        let waits = boxed(&oracle);
        assert_eq!(waits.context().name(), Some("times"), "it can be asked");
        assert!(oracle.log().is_none() && oracle.count() > 0, "it is there");
        drop(waits);
        assert_eq!((oracle.log(), oracle.count()), (Some(vec![]), 0));
    });
}

#[test]
fn demand_and_answers_pass() {
    model("boxed: demand_and_answers_pass", || {
        let oracle = Oracle::new();
        let answers = |seen| More::of(u64::from(seen));
        let mut active = boxed_times(2, &oracle, answers).on_subscribe(subscription());
        assert_eq!(active.on_request(More::of(2)), More::of(4));
        oracle.asks(More::ONE);
        assert_eq!(active.on_next(Token(0, oracle.alive())), More::ONE);
        assert_eq!(active.on_request(More::CANCEL), More::CANCEL);
        drop(active);
        assert_eq!(oracle.count(), 0);
    });
}

/// A chain that is long enough for milestones, in which each box does nothing.
#[test]
fn all_passes_a_milestone() {
    model("boxed: all_passes_a_milestone", || {
        for ends in [true, false] {
            let oracle = Oracle::new();
            let mut chain = BoxSubscriber::new(oracle.probe(|seen| More::of(u64::from(seen))));
            for _ in 0..35 {
                chain = BoxSubscriber::new(chain);
            }
            let mut active = chain.on_subscribe(subscription());
            assert_eq!(active.on_request(More::of(2)), More::of(2));
            for n in 0..2 {
                oracle.asks(More::ONE);
                let answer = active.on_next(Token(n, oracle.alive()));
                assert_eq!(answer, More::of(u64::from(n) + 1));
            }
            if ends {
                assert!(active.on_end(End::Completed).is_none());
            } else {
                drop(active);
            }
            let log = [Item(0), Item(1), Complete];
            assert_eq!(oracle.log(), Some(log[..if ends { 3 } else { 2 }].to_vec()));
            assert_eq!(oracle.count(), 0);
        }
    });
}

/// Wants no more, because it failed.
struct Failing;

impl Subscriber<Token, Error> for Failing {
    type Active = Failing;

    fn on_subscribe(self, _: Subscription) -> Failing {
        self
    }
}

impl ActiveSubscriber<Token, Error> for Failing {
    fn on_next(&mut self, _: Token) -> More {
        More::CANCEL
    }

    fn on_complete(self) {}

    fn on_error(self, _: Error) {}

    fn on_fault(self, _: Fault) {}

    fn cause(&self) -> Cause {
        Cause::Failed
    }
}

#[test]
fn the_cause_passes() {
    model("boxed: the_cause_passes", || {
        let active = BoxSubscriber::new(BoxSubscriber::new(Failing)).on_subscribe(subscription());
        assert!(matches!(active.cause(), Cause::Failed));
    });
}

/// A panic that no hook is told of.
fn on_purpose() -> ! {
    resume_unwind(Box::new("on purpose"))
}

/// Panics where it says so, and is counted.
struct Panics {
    subscribed: bool,
    _alive: Alive,
    /// A value that only its alignment is for.
    _aligned: Aligned,
}

#[repr(align(64))]
struct Aligned;

impl Subscriber<Token, Error> for Panics {
    type Active = Self;

    fn on_subscribe(self, subscription: Subscription) -> Self {
        if self.subscribed {
            on_purpose();
        }
        subscription.detach();
        self
    }
}

impl ActiveSubscriber<Token, Error> for Panics {
    fn on_next(&mut self, item: Token) -> More {
        if item.0 == 0 {
            on_purpose();
        }
        More::of(std::ptr::from_ref(self).addr() as u64 % 64)
    }

    fn on_complete(self) {
        on_purpose();
    }

    fn on_error(self, _: Error) {}
}

fn panics(oracle: &Oracle, subscribed: bool) -> BoxSubscriber<Token, Error> {
    BoxSubscriber::new(Panics { subscribed, _alive: oracle.alive(), _aligned: Aligned })
}

#[test]
fn a_panic_on_its_way_in_drops_it_once() {
    model("boxed: a_panic_on_its_way_in_drops_it_once", || {
        let oracle = Oracle::new();
        let waits = panics(&oracle, true);
        assert_eq!(oracle.count(), 1);
        assert!(catch_unwind(AssertUnwindSafe(|| waits.on_subscribe(subscription()))).is_err());
        assert_eq!(oracle.count(), 0);
    });
}

#[test]
fn a_panic_in_a_signal_leaves_it_where_it_is() {
    model("boxed: a_panic_in_a_signal_leaves_it_where_it_is", || {
        let oracle = Oracle::new();
        let mut active = panics(&oracle, false).on_subscribe(subscription());
        let zero = Token(0, oracle.alive());
        assert!(catch_unwind(AssertUnwindSafe(|| active.on_next(zero))).is_err());
        assert_eq!(oracle.count(), 1);
        // It answers how far it is from where it must be.
        assert_eq!(active.on_next(Token(1, oracle.alive())), More::NONE);
        assert_eq!(oracle.count(), 1);
        let ended = catch_unwind(AssertUnwindSafe(|| active.on_end(End::Completed).is_some()));
        assert!(ended.is_err());
        assert_eq!(oracle.count(), 0);
    });
}

/// The items of an island, as often as they are subscribed to.
#[derive(Clone)]
struct Cold(Oracle);

impl Publisher for Cold {
    type Item = Token;
    type Error = Error;

    fn subscribe<S: Subscriber<Token, Error>>(self, subscriber: S) {
        emit(self.0.items(0..1), subscriber);
    }
}

#[test]
fn a_publisher_behind_a_pointer_is_subscribed_to_once_or_cloned() {
    model("boxed: a_publisher_behind_a_pointer_is_subscribed_to_once_or_cloned", || {
        let (first, second) = (Oracle::new(), Oracle::new());
        let source = Oracle::new();
        let shared = SharedPublisher::new(Cold(source.clone()));
        BoxPublisher::new(shared.clone()).subscribe(first.probe(|_| More::NONE));
        first.request(1);
        shared.subscribe(second.probe(|_| More::NONE));
        second.request(1);
        assert_eq!(first.finish(), [Item(0), Complete]);
        assert_eq!(second.finish(), [Item(0), Complete]);
        assert_eq!(source.count(), 0);

        // The memory of a publisher goes when it is subscribed to, and what is in it with its stream.
        let oracle = Oracle::new();
        let never: Items = oracle.items(0..1);
        drop(BoxPublisher::new(Source::Items(never)));
        assert_eq!(oracle.count(), 0);
    });
}

/// A publisher of numbers.
#[derive(Clone)]
struct Held<const PULLS: bool> {
    oracle: Oracle,
    script: Vec<Pulled<u32, Error>>,
}

/// What it is pulled from: tells whether it was started where it is looked at, tells the context of
/// each item, and panics on an item too many.
struct HeldPull {
    oracle: Oracle,
    context: Context,
    script: std::vec::IntoIter<Pulled<u32, Error>>,
    _alive: Alive,
}

impl Pull for HeldPull {
    type Item = Token;
    type Error = Error;

    fn pull(&mut self) -> Pulled<Token, Error> {
        match self.script.next() {
            Some(Pulled::Item(n)) => {
                self.context.discards().discard(n);
                Pulled::Item(Token(n, self.oracle.alive()))
            }
            Some(Pulled::Skipped) => Pulled::Skipped,
            Some(Pulled::Pending) => Pulled::Pending,
            Some(Pulled::Complete) => Pulled::Complete,
            Some(Pulled::Error(error)) => Pulled::Error(error),
            None => on_purpose(),
        }
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<Token, Error> {
        if started { self.pull() } else { Pulled::Error("not started") }
    }
}

impl<const PULLS: bool> Publisher for Held<PULLS> {
    type Item = Token;
    type Error = Error;
    const PULLS: bool = PULLS;

    fn subscribe<S: Subscriber<Token, Error>>(self, subscriber: S) {
        emit(self.oracle.items(0..2), subscriber);
    }

    fn into_pull(self, context: Context) -> Result<impl Pull<Item = Token, Error = Error>, Self> {
        if !PULLS {
            return Err(self);
        }
        assert_eq!(context.host::<u32>(), None, "nobody behind a pointer is told of news");
        let Held { oracle, script, .. } = self;
        let alive = oracle.alive();
        Ok(HeldPull { oracle, context, script: script.into_iter(), _alive: alive })
    }
}

fn held(oracle: &Oracle, script: &[Pulled<u32, Error>]) -> Held<true> {
    Held { oracle: oracle.clone(), script: script.to_vec() }
}

fn pulled<P: Publisher>(publisher: P) -> impl Pull<Item = P::Item, Error = P::Error> {
    assert!(publisher.pulls());
    match publisher.into_pull(Context::default()) {
        Ok(pull) => pull,
        Err(_) => panic!("it says that it pulls"),
    }
}

/// What one pull gave, without the item's account.
fn plain(pulled: Pulled<Token, Error>) -> Pulled<u32, Error> {
    match pulled {
        Pulled::Item(token) => Pulled::Item(token.0),
        Pulled::Skipped => Pulled::Skipped,
        Pulled::Pending => Pulled::Pending,
        Pulled::Complete => Pulled::Complete,
        Pulled::Error(error) => Pulled::Error(error),
    }
}

const ONE_OF_EACH: [Pulled<u32, Error>; 5] =
    [Pulled::Item(7), Pulled::Skipped, Pulled::Pending, Pulled::Complete, Pulled::Error("ouch")];

#[test]
fn what_is_pulled_passes() {
    model("boxed: what_is_pulled_passes", || {
        let oracle = Oracle::new();
        let mut pull = pulled(BoxPublisher::new(held(&oracle, &ONE_OF_EACH)));
        assert_eq!(plain(pull.look_ahead(false)), Pulled::Error("not started"));
        let given: Vec<_> = ONE_OF_EACH.iter().map(|_| plain(pull.pull())).collect();
        assert_eq!(given, ONE_OF_EACH);
        drop(pull);
        let mut pull = pulled(SharedPublisher::new(held(&oracle, &ONE_OF_EACH)));
        let given: Vec<_> = ONE_OF_EACH.iter().map(|_| plain(pull.look_ahead(true))).collect();
        assert_eq!(given, ONE_OF_EACH);
        drop(pull);
        assert_eq!(oracle.count(), 0);
    });
}

#[test]
fn a_loop_inside_ends_where_it_is_told_to() {
    model("boxed: a_loop_inside_ends_where_it_is_told_to", || {
        let oracle = Oracle::new();
        let mut script: Vec<_> = (0..5).map(Pulled::Item).collect();
        script.insert(4, Pulled::Skipped);
        script.push(Pulled::Error("ouch"));
        let mut pull = pulled(BoxPublisher::new(held(&oracle, &script)));
        let mut items = Vec::new();
        let mut some = |most: u32| {
            let mut left = most;
            let stopped = pull.pull_while(|token| {
                items.push(token.0);
                left -= 1;
                left > 0
            });
            (plain(stopped), most - left)
        };
        assert_eq!(some(1), (Pulled::Skipped, 1));
        assert_eq!(some(2), (Pulled::Skipped, 2));
        assert_eq!(some(9), (Pulled::Skipped, 1), "it skipped one");
        assert_eq!(some(9), (Pulled::Error("ouch"), 1));
        assert_eq!(items, [0, 1, 2, 3, 4]);
        drop(pull);
        assert_eq!(oracle.count(), 0);
    });
}

#[test]
fn one_that_can_only_push_is_given_back() {
    model("boxed: one_that_can_only_push_is_given_back", || {
        fn check<P: Publisher<Item = Token, Error = Error>>(publisher: P) {
            assert!(P::MAY_PULL && !P::PULLS, "the compiler does not know");
            assert!(!publisher.pulls());
            let Err(publisher) = publisher.into_pull(Context::default()) else {
                panic!("it cannot be pulled")
            };
            let oracle = Oracle::new();
            publisher.subscribe(oracle.probe(|_| More::NONE));
            oracle.request(3);
            assert_eq!(oracle.finish(), [Item(0), Item(1), Complete]);
        }
        let oracle = Oracle::new();
        let pushes = Held::<false> { oracle: oracle.clone(), script: Vec::new() };
        check(BoxPublisher::new(pushes.clone()));
        check(SharedPublisher::new(pushes));
        // What is over a box that could be.
        check(BoxPublisher::new(BoxPublisher::new(held(&oracle, &[]))));
        assert_eq!(oracle.count(), 0);
    });
}

#[test]
fn who_pulls_is_known_inside_but_for_its_host() {
    model("boxed: who_pulls_is_known_inside_but_for_its_host", || {
        let oracle = Oracle::new();
        let told = Arc::new(std::sync::Mutex::new(Vec::new()));
        let tell = {
            let told = told.clone();
            move |n: u32| told.lock().unwrap().push(n)
        };
        let context = Context::default()
            .with_discards(Discards::new(tell, Discards::default()))
            .with_host(3_u32);
        let publisher = BoxPublisher::new(held(&oracle, &[Pulled::Item(7)]));
        let Ok(mut pull) = publisher.into_pull(context) else { panic!("it says that it pulls") };
        assert_eq!(plain(pull.pull()), Pulled::Item(7));
        assert_eq!(*told.lock().unwrap(), [7]);
    });
}

#[test]
fn what_is_pulled_is_dropped_once() {
    model("boxed: what_is_pulled_is_dropped_once", || {
        let oracle = Oracle::new();
        let shared = SharedPublisher::new(held(&oracle, &[Pulled::Item(0), Pulled::Item(1)]));
        let mut first = pulled(shared.clone());
        assert_eq!(plain(first.pull()), Pulled::Item(0));
        // Each clone is a stream of its own.
        let mut second = pulled(shared);
        assert_eq!(oracle.count(), 2);
        assert_eq!(plain(first.pull()), Pulled::Item(1));
        assert_eq!(plain(second.pull()), Pulled::Item(0));
        // A panic inside goes to whoever pulls, and what is inside stays where it is.
        let one_too_many = AssertUnwindSafe(|| first.pull_while(|_| true));
        assert!(catch_unwind(one_too_many).is_err());
        let inside_the_loop = AssertUnwindSafe(|| second.pull_while(|_| on_purpose()));
        assert!(catch_unwind(inside_the_loop).is_err());
        assert_eq!(oracle.count(), 2);
        drop(first);
        assert_eq!(oracle.count(), 1);
        drop(second);
        assert_eq!(oracle.count(), 0);
    });
}
