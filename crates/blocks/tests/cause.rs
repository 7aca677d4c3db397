//! Models of a cause on its way: whoever drops a source, on whatever thread, does so for the cause that
//! whoever cancelled had, and for no other.

mod oracle;

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use millstream_blocks::basin::{Inflow, Spill, Spilled, basin};
use millstream_blocks::bell::{Bell, Host};
use millstream_blocks::branch::{Desk, Seen, branch, trunk};
use millstream_blocks::cause::{afresh, current, gone, subscribing, within};
use millstream_blocks::courier::courier;
use millstream_blocks::gauge::Site;
use millstream_blocks::hub::{Hub, Plan, Slow, Vacancy};
use millstream_blocks::intake::{Filled, intake};
use millstream_blocks::island::{emit, join};
use millstream_blocks::lane::lane;
use millstream_blocks::outcome::outcome;
use millstream_blocks::relay::{Sequence, SourceEnd, Then, relay};
use millstream_blocks::slot::slot;
use millstream_blocks::task::task;
use millstream_core::{
    ActiveSubscriber, Cause, Context, Demand, End, Fault, More, Publisher, Pull, Pulled,
    Subscriber, Subscription,
};
use millstream_model::{Runner, run, run_and_drop};
use millstream_sync::{Mutex, lock, model, thread};
use oracle::{Alive, Error, Oracle, Start, Token};

/// What sources were dropped for. As the oracle, it adds no edge between threads.
#[derive(Clone, Default)]
struct Told(Arc<std::sync::Mutex<Vec<Cause>>>);

impl Told {
    fn all(&self) -> Vec<Cause> {
        self.0.lock().unwrap().clone()
    }

    /// A source without end.
    fn source(&self, oracle: &Oracle) -> Endless {
        Endless { n: 0, alive: oracle.alive(), told: self.clone() }
    }
}

struct Endless {
    n: u32,
    alive: Alive,
    told: Told,
}

impl Pull for Endless {
    type Item = Token;
    type Error = Error;

    fn pull(&mut self) -> Pulled<Token, Error> {
        self.n += 1;
        Pulled::Item(Token(self.n - 1, self.alive.clone()))
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        self.told.0.lock().unwrap().push(current());
    }
}

impl Publisher for Endless {
    type Item = Token;
    type Error = Error;

    fn subscribe<S: Subscriber<Token, Error>>(self, subscriber: S) {
        emit(self, subscriber);
    }
}

/// Subscribes to a source when its start says so.
struct Later(Start, Endless);

impl Publisher for Later {
    type Item = Token;
    type Error = Error;

    fn subscribe<S: Subscriber<Token, Error>>(self, subscriber: S) {
        let Later(start, source) = self;
        start.set(move || emit(source, subscriber));
    }
}

fn one() -> NonZeroUsize {
    NonZeroUsize::MIN
}

/// A host that does nothing.
struct Deaf;

impl Host for Deaf {
    fn ring(&self) {}

    fn fail(&self, _: Fault) {}
}

fn deaf() -> Bell {
    Bell::new(Arc::new(Deaf))
}

// ---- hosts ------------------------------------------------------------------------------------

#[test]
fn a_cause_reaches_whoever_holds_the_turn() {
    model("cause: a_cause_reaches_whoever_holds_the_turn", || {
        let (oracle, told) = (Oracle::new(), Told::default());
        emit(told.source(&oracle), oracle.probe(|_| More::NONE));
        let cancels = oracle.clone();
        let other = thread::spawn(move || cancels.cancel_because(Cause::Failed));
        oracle.request(2);
        other.join().unwrap();
        oracle.finish();
        assert_eq!(told.all(), [Cause::Failed]);
    });
}

/// News of something else has the holder take the mail, but not the cause.
#[test]
fn a_cause_stays_in_the_mail() {
    model("cause: a_cause_stays_in_the_mail", || {
        let (oracle, told) = (Oracle::new(), Told::default());
        let source = told.source(&oracle);
        let mut bells = Vec::new();
        let make = |bell: &Bell, _: &Context| {
            bells.push(bell.clone());
            source
        };
        join(make, oracle.probe(|_| More::NONE));
        let cancels = oracle.clone();
        let other = thread::spawn(move || cancels.cancel_because(Cause::Failed));
        bells.pop().unwrap().ring();
        other.join().unwrap();
        assert_eq!(told.all(), [Cause::Failed]);
    });
}

#[test]
fn a_cause_that_was_given_reaches_whoever_holds_the_turn() {
    model("cause: a_cause_that_was_given_reaches_whoever_holds_the_turn", || {
        let (oracle, told) = (Oracle::new(), Told::default());
        emit(told.source(&oracle), oracle.probe(|_| More::NONE));
        let cancels = oracle.clone();
        let cause = Cause::given("why");
        let given = cause.clone();
        let other = thread::spawn(move || cancels.cancel_because(given));
        oracle.request(2);
        other.join().unwrap();
        assert_eq!(told.all(), [cause]);
    });
}

/// Two threads cancel at the same time, each for a cause of its own. Both take a lock, since a model looks
/// at one order only of what touches nothing in common.
#[test]
fn a_cause_is_of_one_thread() {
    model("cause: a_cause_is_of_one_thread", || {
        let (one, other) = ((Oracle::new(), Told::default()), (Oracle::new(), Told::default()));
        for (oracle, told) in [&one, &other] {
            emit(told.source(oracle), oracle.probe(|_| More::NONE));
        }
        let (clean, common) = (other.0.clone(), Arc::new(Mutex::new(())));
        let shared = common.clone();
        let thread = thread::spawn(move || {
            drop(lock(&shared));
            clean.cancel();
        });
        within(Cause::Failed, || {
            drop(lock(&common));
            one.0.cancel();
        });
        thread.join().unwrap();
        assert_eq!(one.1.all(), [Cause::Failed]);
        assert_eq!(other.1.all(), [Cause::NoMoreNeeded]);
    });
}

/// A source behind a lane, on a task.
fn boundary(
    oracle: &Oracle,
    told: &Told,
) -> Option<impl Future<Output = ()> + Send + 'static + use<>> {
    let source = told.source(oracle);
    task(
        |bell, context| {
            let (inlet, outlet) = lane(one(), bell.clone(), context, None);
            source.subscribe(inlet);
            outlet
        },
        oracle.probe(|_| More::NONE),
    )
}

#[test]
fn a_cause_crosses_a_task() {
    model("cause: a_cause_crosses_a_task", || {
        let (oracle, told) = (Oracle::new(), Told::default());
        let task = boundary(&oracle, &told);
        let executor = thread::spawn(move || run(task));
        oracle.request(1);
        oracle.cancel_because(Cause::Failed);
        executor.join().unwrap();
        assert_eq!(told.all(), [Cause::Failed]);
    });
}

/// Whichever comes first: an executor that goes is a failure as well.
#[test]
fn an_executor_that_drops_a_task_is_a_failure() {
    model("cause: an_executor_that_drops_a_task_is_a_failure", || {
        let (oracle, told) = (Oracle::new(), Told::default());
        let task = boundary(&oracle, &told);
        let executor = thread::spawn(move || run_and_drop(task, 1));
        oracle.cancel_because(Cause::Failed);
        executor.join().unwrap();
        assert_eq!(told.all(), [Cause::Failed]);
    });
}

#[test]
fn a_cause_crosses_a_courier() {
    model("cause: a_cause_crosses_a_courier", || {
        let (oracle, told) = (Oracle::new(), Told::default());
        let task = courier(told.source(&oracle), oracle.probe(|_| More::NONE));
        let executor = thread::spawn(move || run(task));
        oracle.request(1);
        oracle.cancel_because(Cause::Failed);
        executor.join().unwrap();
        assert_eq!(told.all(), [Cause::Failed]);
    });
}

/// Upstream hands out its subscription late.
#[test]
fn a_cause_waits_at_a_courier_for_the_subscription() {
    model("cause: a_cause_waits_at_a_courier_for_the_subscription", || {
        let (oracle, told, start) = (Oracle::new(), Told::default(), Start::default());
        let source = Later(start.clone(), told.source(&oracle));
        let task = courier(source, oracle.probe(|_| More::NONE));
        let mut runner = Runner::new(task.unwrap());
        assert!(!runner.poll());
        let upstream = thread::spawn(move || start.go());
        oracle.cancel_because(Cause::Failed);
        upstream.join().unwrap();
        assert_eq!(told.all(), [Cause::Failed]);
        runner.run();
    });
}

// ---- queues -----------------------------------------------------------------------------------

/// The source is at work while the outlet goes: it is cancelled, or finds out by itself, or arrives too
/// late.
#[test]
fn a_writer_that_finds_nobody_knows_why() {
    model("cause: a_writer_that_finds_nobody_knows_why", || {
        let (oracle, told) = (Oracle::new(), Told::default());
        let (inlet, outlet) = lane::<Token, Error>(one(), deaf(), &Context::default(), None);
        let source = told.source(&oracle);
        let producer = thread::spawn(move || source.subscribe(inlet));
        within(Cause::Failed, || drop(outlet));
        producer.join().unwrap();
        assert_eq!(told.all(), [Cause::Failed]);
    });
}

#[test]
fn an_intake_that_finds_nobody_knows_why() {
    model("cause: an_intake_that_finds_nobody_knows_why", || {
        let (oracle, told) = (Oracle::new(), Told::default());
        let (inflow, outflow) = basin(one());
        let context = Context::default();
        let outflow = outflow.attach(&deaf(), &context, Site::here("model"));
        let fill = |item, inflow: &Inflow<Token, Error>| match inflow.put(item, Spill::Newest) {
            Ok(Spilled::Nothing | Spilled::One(_) | Spilled::All(_)) => Filled::On,
            Err(item) => Filled::Refused(item),
        };
        let ahead = Demand::of(2);
        let (intake, stock, start) = intake(inflow, outflow, ahead, fill, &context);
        start.go();
        let source = told.source(&oracle);
        let producer = thread::spawn(move || source.subscribe(intake));
        within(Cause::Failed, || drop(stock));
        producer.join().unwrap();
        assert_eq!(told.all(), [Cause::Failed]);
    });
}

fn plan(capacity: NonZeroUsize) -> Plan<Token, Error> {
    Plan {
        site: Site::here("test"),
        capacity,
        slow: Slow::Wait,
        vacancy: Vacancy::Cancel,
        quorum: 1,
        replay: None,
        keep_end: None,
    }
}

/// The only outlet goes while upstream subscribes, and sends what has room.
#[test]
fn a_hub_that_nobody_listens_to_knows_why() {
    model("cause: a_hub_that_nobody_listens_to_knows_why", || {
        let (oracle, told, start) = (Oracle::new(), Told::default(), Start::default());
        let hub = Hub::new(plan(NonZeroUsize::new(2).unwrap()));
        let source = Later(start.clone(), told.source(&oracle));
        hub.on_quorum(move |hub| source.subscribe(hub.distributor()));
        let outlet = hub.attach(deaf(), &Context::default()).unwrap();
        let producer = thread::spawn(move || start.go());
        within(Cause::Failed, || drop(outlet));
        producer.join().unwrap();
        assert_eq!(told.all(), [Cause::Failed]);
    });
}

/// Of two that go, the last says why: whichever it was, it is the cause of one of them.
#[test]
fn the_last_that_leaves_a_hub_says_why() {
    model("cause: the_last_that_leaves_a_hub_says_why", || {
        let (oracle, told) = (Oracle::new(), Told::default());
        let hub = Hub::new(plan(one()));
        let source = told.source(&oracle);
        hub.on_quorum(move |hub| source.subscribe(hub.distributor()));
        let outlets = [(); 2].map(|()| hub.attach(deaf(), &Context::default()).unwrap());
        let causes = ["one", "other"].map(Cause::given);
        let [(one, why), (other, why_other)] = {
            let [a, b] = outlets;
            [(a, causes[0].clone()), (b, causes[1].clone())]
        };
        let thread = thread::spawn(move || within(why, || drop(one)));
        within(why_other, || drop(other));
        thread.join().unwrap();
        let all = told.all();
        assert!(all.len() == 1 && causes.contains(&all[0]), "{all:?}");
    });
}

/// A trunk of one branch: over when that has gone, for what that says.
struct Stem {
    feeder: Option<millstream_blocks::branch::Feeder<Token, Error>>,
    upstream: Option<Endless>,
    desk: Arc<Desk>,
}

impl Pull for Stem {
    type Item = Infallible;
    type Error = Infallible;

    fn pull(&mut self) -> Pulled<Infallible, Infallible> {
        self.desk.take(|_| {});
        let Some(feeder) = &mut self.feeder else { return Pulled::Complete };
        if feeder.attend() {
            self.feeder = None;
            let upstream = self.upstream.take();
            within(self.desk.cause(), || drop(upstream));
            return Pulled::Complete;
        }
        feeder.rest();
        Pulled::Pending
    }
}

#[test]
fn a_branch_says_why_it_goes_before_it_is_gone() {
    model("cause: a_branch_says_why_it_goes_before_it_is_gone", || {
        let (oracle, told) = (Oracle::new(), Told::default());
        let mut branches = Vec::new();
        let source = told.source(&oracle);
        let mut desks = Vec::new();
        trunk(1, |desk| {
            desks.push(desk.clone());
            let context = Context::default();
            let (feeder, reader) = branch(desk, 0, one(), &context, Seen::Together(None), None);
            branches.push(reader);
            Stem { feeder: Some(feeder), upstream: Some(source), desk: desk.clone() }
        });
        let (reader, desk) = (branches.pop().unwrap(), desks.pop().unwrap());
        // Somebody else has the trunk look just now.
        let other = thread::spawn(move || desk.bell().ring());
        within(Cause::Failed, || drop(reader));
        other.join().unwrap();
        assert_eq!(told.all(), [Cause::Failed]);
    });
}

// ---- relay ------------------------------------------------------------------------------------

/// One source.
struct Once(Option<Later>);

impl Sequence for Once {
    type Item = Token;
    type Error = Error;
    type Source = Later;
    type Feed = Infallible;

    fn start(&mut self) -> Then<Later, Error> {
        self.0.take().map_or(Then::Wait, Then::Subscribe)
    }

    fn after(&mut self, _: SourceEnd<Error>, _: bool) -> Then<Later, Error> {
        Then::Complete
    }

    fn fed(&mut self, never: Infallible, _: bool) -> Then<Later, Error> {
        match never {}
    }
}

#[test]
fn a_cause_meets_a_source_that_is_arriving_at_a_relay() {
    model("cause: a_cause_meets_a_source_that_is_arriving_at_a_relay", || {
        let (oracle, told, start) = (Oracle::new(), Told::default(), Start::default());
        let source = Later(start.clone(), told.source(&oracle));
        relay(Once(Some(source)), oracle.probe(|_| More::NONE), drop);
        oracle.request(1);
        let other = thread::spawn(move || start.go());
        oracle.cancel_because(Cause::Failed);
        other.join().unwrap();
        oracle.finish();
        assert_eq!(told.all(), [Cause::Failed]);
    });
}

/// Ends a relay from outside while its source arrives.
fn ends(end: End<Error>, cause: Cause) -> Told {
    let (oracle, told, start) = (Oracle::new(), Told::default(), Start::default());
    let source = Later(start.clone(), told.source(&oracle));
    let mut feeders: Vec<Box<dyn FnOnce(End<Error>) + Send>> = Vec::new();
    relay(Once(Some(source)), oracle.probe(|_| More::NONE), |feeder| {
        feeders.push(Box::new(move |end| feeder.end(end)));
    });
    oracle.request(1);
    let other = thread::spawn(move || start.go());
    let feeder = feeders.pop().unwrap();
    within(cause, || feeder(end));
    other.join().unwrap();
    oracle.finish();
    told
}

#[test]
fn an_end_from_outside_meets_a_source_that_is_arriving_at_a_relay() {
    model("cause: an_end_from_outside_meets_a_source_that_is_arriving_at_a_relay", || {
        let failed = ends(End::Failed("end"), Cause::default());
        assert_eq!(failed.all(), [Cause::Failed]);
    });
    model("cause: a_cause_from_outside_meets_a_source_that_is_arriving_at_a_relay", || {
        let why = Cause::given("why");
        let given = ends(End::Completed, why.clone());
        assert_eq!(given.all(), [why]);
    });
}

// ---- ends -------------------------------------------------------------------------------------

/// Hands its subscription over, and keeps whoever has it until the end.
struct Hands<K>(K, fn(&K, Subscription));

impl<K: Send + 'static> Subscriber<Token, Error> for Hands<K> {
    type Active = Keeps<K>;

    fn on_subscribe(self, subscription: Subscription) -> Keeps<K> {
        let Hands(keeper, hand) = self;
        hand(&keeper, subscription);
        Keeps(keeper)
    }
}

struct Keeps<K>(K);

impl<K: Send + 'static> ActiveSubscriber<Token, Error> for Keeps<K> {
    fn on_next(&mut self, _: Token) -> More {
        More::NONE
    }

    fn on_complete(self) {}

    fn on_error(self, _: Error) {}
}

#[test]
fn a_subscription_that_comes_after_its_handle_went_is_cancelled_for_the_same_cause() {
    model("cause: a_late_subscription_of_a_slot", || {
        let (oracle, told) = (Oracle::new(), Told::default());
        let (filler, slot) = slot::<Token, Error>();
        let source = told.source(&oracle);
        let hands = Hands(filler, |filler, subscription| filler.attach(subscription));
        let other = thread::spawn(move || source.subscribe(hands));
        within(Cause::Failed, || drop(slot));
        other.join().unwrap();
        assert_eq!(told.all(), [Cause::Failed]);
    });
    model("cause: a_late_subscription_of_an_outcome", || {
        let (oracle, told) = (Oracle::new(), Told::default());
        let (completer, outcome) = outcome::<()>();
        let source = told.source(&oracle);
        let hands = Hands(completer, |completer, subscription| completer.attach(subscription));
        let other = thread::spawn(move || source.subscribe(hands));
        within(Cause::Failed, || drop(outcome));
        other.join().unwrap();
        assert_eq!(told.all(), [Cause::Failed]);
    });
}

// ---- the place itself -------------------------------------------------------------------------

#[test]
fn a_cause_ends_with_what_is_dropped_for_it() {
    model("cause: a_cause_ends_with_what_is_dropped_for_it", || {
        let given = Cause::given("why");
        assert_eq!(current(), Cause::NoMoreNeeded);
        within(Cause::Failed, || {
            assert_eq!(within(given.clone(), current), given);
            assert_eq!(current(), Cause::Failed);
            assert_eq!(afresh(current), Cause::NoMoreNeeded);
            assert_eq!(current(), Cause::Failed);
        });
        assert_eq!(current(), Cause::NoMoreNeeded);
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            within(given, || resume_unwind(Box::new("ouch")));
        }));
        assert!(unwound.is_err());
        assert_eq!(current(), Cause::NoMoreNeeded);
    });
}

/// Tells what it is told of when it is dropped.
struct Lost(Arc<std::sync::Mutex<Vec<String>>>);

impl Drop for Lost {
    fn drop(&mut self) {
        let told = self.0.clone();
        gone(move |fault| told.lock().unwrap().push(fault.to_string()));
    }
}

fn dropped() -> String {
    Fault::SourceDropped.to_string()
}

#[test]
fn who_is_dropped_by_a_panic_in_subscribe_is_told_of_that() {
    model("cause: who_is_dropped_by_a_panic_in_subscribe_is_told_of_that", || {
        let told = Arc::new(std::sync::Mutex::new(Vec::new()));
        let elsewhere = Arc::new(std::sync::Mutex::new(Vec::new()));
        // Another thread has nothing to do with it.
        let other = Lost(elsewhere.clone());
        let other = thread::spawn(move || drop(other));
        let (one, two) = (Lost(told.clone()), Lost(told.clone()));
        subscribing(|| {
            let _both = (one, two);
            resume_unwind(Box::new("ouch"))
        });
        other.join().unwrap();
        let told = told.lock().unwrap();
        assert_eq!(told.len(), 2);
        assert!(told.iter().all(|told| told.contains("ouch")), "{told:?}");
        assert_eq!(*elsewhere.lock().unwrap(), [dropped()]);
    });
}

#[test]
fn who_is_dropped_by_a_panic_that_is_caught_on_the_way_is_told_that_its_source_has_gone() {
    model("cause: who_is_dropped_by_a_panic_that_is_caught_on_the_way", || {
        let told = Arc::new(std::sync::Mutex::new(Vec::new()));
        let lost = Lost(told.clone());
        subscribing(|| {
            let caught = catch_unwind(AssertUnwindSafe(|| {
                let _lost = lost;
                resume_unwind(Box::new("ouch"))
            }));
            assert!(caught.is_err());
        });
        assert_eq!(*told.lock().unwrap(), [dropped()]);
        // And without a panic, or anybody who subscribes, at once.
        drop(Lost(told.clone()));
        subscribing(|| drop(Lost(told.clone())));
        assert_eq!(told.lock().unwrap().len(), 3);
    });
}

#[test]
fn a_panic_in_subscribe_that_nobody_is_told_of_goes_on() {
    model("cause: a_panic_in_subscribe_that_nobody_is_told_of_goes_on", || {
        let unwound = catch_unwind(|| subscribing(|| resume_unwind(Box::new("ouch"))));
        assert_eq!(unwound.unwrap_err().downcast_ref(), Some(&"ouch"));
    });
}
