//! Timed operators against models, on random schedules in virtual time.
//!
//! A schedule is a list of [events](Event), each at a millisecond. A [`Model`] is a plain function
//! of what has come and what was asked for until now; it is run once at each millisecond and after
//! each event, as the operator is. What was sent, when, what was discarded, what was noted on the
//! way and how it ended have to be the same at every event, and an upstream is let go when the model
//! does; no item may come without demand, and in the end no item and no timer may be left.
//!
//! Most operators have one upstream and one downstream: [`same`]. Others have [more](same_of), or
//! none. Upstreams are channels; those that hold their upstream in place, where it is synchronous,
//! are looked at with [one that is](same_in_place) as well. A failure prints the smallest schedule
//! that fails.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millstream::prelude::*;
use millstream::source::{Channel, FromPull};
use millstream::{Sender, Subscriber};
use millstream_core::{Pull, Pulled};
use millstream_testkit::{
    Behaviour, Event as Told, Ledger, ProbeHandle, Token, VirtualTime, probe,
};
use proptest::prelude::*;
use proptest::strategy::Union;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// Upstreams and downstreams have numbers, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// From this upstream so many items come at once.
    Send(usize, u8),
    /// This downstream asks for so many.
    Request(usize, u8),
    /// So many milliseconds pass.
    Pass(u8),
    /// So many milliseconds pass in which no task runs: timers are that late.
    Stall(u8),
    Complete(usize),
    Fail(usize),
    Cancel(usize),
}

/// Whether tasks may be late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stalls {
    Happen,
    Never,
}

/// What an operator has around it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) upstreams: usize,
    pub(crate) downstreams: usize,
    pub(crate) stalls: Stalls,
}

impl Ports {
    fn event(self) -> impl Strategy<Value = Event> {
        let late = if self.stalls == Stalls::Happen { 2 } else { 0 };
        let ups = self.upstreams as u32;
        let up = 0..self.upstreams.max(1);
        let down = 0..self.downstreams;
        let few = 1..4_u8;
        // What has no weight must not be there: shrinking would come to it.
        let all = [
            (
                8 * ups.min(1),
                (up.clone(), few.clone()).prop_map(|(n, items)| Event::Send(n, items)).boxed(),
            ),
            (6, (down.clone(), few).prop_map(|(n, items)| Event::Request(n, items)).boxed()),
            (8, (1..12_u8).prop_map(Event::Pass).boxed()),
            (late, (1..12_u8).prop_map(Event::Stall).boxed()),
            (ups, up.clone().prop_map(Event::Complete).boxed()),
            (ups, up.prop_map(Event::Fail).boxed()),
            (1, down.prop_map(Event::Cancel).boxed()),
        ];
        Union::new_weighted(all.into_iter().filter(|(weight, _)| *weight > 0).collect())
    }
}

/// What comes from upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Item(i64),
    Complete,
    Fail,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Complete,
    /// As upstream.
    Fail,
    /// By an error of the operator's own.
    Own,
}

/// What a model sees and does: of the upstream with a number, and of the downstream with the same.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// In milliseconds.
    pub(crate) now: u64,
    /// What came and was not taken.
    pub(crate) inbox: VecDeque<Signal>,
    pub(crate) demand: u64,
    /// Downstream has cancelled.
    pub(crate) cancelled: bool,
    /// Upstream was let go, although others go on.
    pub(crate) released: bool,
    /// Upstream is not subscribed to yet: what it holds is nobody's.
    pub(crate) untouched: bool,
    /// What was not taken was never made.
    in_place: bool,
    seen: Seen,
}

impl World {
    pub(crate) fn send(&mut self, item: i64) {
        assert!(self.demand > 0, "the model sends without demand");
        self.demand -= 1;
        self.seen.sent.push((self.now, item));
    }

    pub(crate) fn discard(&mut self, item: i64) {
        if !self.in_place {
            self.seen.discarded.push(item);
        }
    }

    /// All that came and was not taken is discarded.
    pub(crate) fn discard_all(&mut self) {
        for signal in std::mem::take(&mut self.inbox) {
            if let Signal::Item(item) = signal {
                self.discard(item);
            }
        }
    }

    pub(crate) fn end(&mut self, end: End) {
        self.seen.end = Some((self.now, end));
    }

    /// See [`Hands::note`]; only of the first.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.seen.notes.push((self.now, note.into()));
    }

    pub(crate) fn is_over(&self) -> bool {
        self.cancelled || self.seen.end.is_some()
    }
}

/// Sends what came and is asked for. Gives the end of upstream, where nothing is before it.
pub(crate) fn pass(world: &mut World, mut sent: impl FnMut(&World)) -> Option<End> {
    loop {
        match world.inbox.front() {
            Some(Signal::Item(item)) if world.demand > 0 => {
                let item = *item;
                world.inbox.pop_front();
                world.send(item);
                sent(world);
            }
            Some(Signal::Complete) => return Some(End::Complete),
            Some(Signal::Fail) => return Some(End::Fail),
            _ => return None,
        }
    }
}

/// What is compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Seen {
    sent: Vec<(u64, i64)>,
    discarded: Vec<i64>,
    notes: Vec<(u64, String)>,
    end: Option<(u64, End)>,
}

pub(crate) type Upstream = Channel<Token, ()>;

/// Called whenever something may be done, and does all that can be.
pub(crate) type Model = Box<dyn FnMut(&mut [World])>;

/// What an operator is made of.
pub(crate) struct Rig {
    pub(crate) time: VirtualTime,
    pub(crate) hands: Hands,
    upstreams: Vec<Option<Upstream>>,
    supply: Option<Supply>,
}

impl Rig {
    fn in_place(&self) -> InPlace {
        let supply = self.supply.expect("it is asked for by `same_in_place`");
        millstream::from_pull(Numbers { hands: self.hands.clone(), next: 0, supply })
    }

    /// The upstream with that number.
    pub(crate) fn upstream(&mut self, n: usize) -> Upstream {
        self.upstreams[n].take().expect("each is taken once")
    }

    /// The upstream with that number, whose items are of no use but that they come.
    pub(crate) fn signal(&mut self, n: usize) -> impl Publisher<Item = (), Error = ()> + use<> {
        let hands = self.hands.clone();
        self.upstream(n).map(move |token| hands.put_aside(token))
    }

    /// All upstreams as one, where each subscription is one of them, in order. Notes each.
    pub(crate) fn attempts(&mut self) -> Attempts {
        let all = self.upstreams.iter_mut().filter_map(Option::take).collect();
        Attempts { left: Arc::new(Mutex::new(all)), hands: self.hands.clone() }
    }
}

type AtEnd = Box<dyn FnOnce() + Send>;

/// What the functions of an operator do for the test.
#[derive(Clone, Default)]
pub(crate) struct Hands {
    ledger: Ledger,
    notes: Arc<Mutex<Vec<String>>>,
    made: Arc<AtomicU64>,
    aside: Arc<AtomicU64>,
    at_end: Arc<Mutex<Vec<AtEnd>>>,
}

impl Hands {
    /// An item that came from no upstream.
    pub(crate) fn token(&self, value: i64) -> Token {
        self.made.fetch_add(1, SeqCst);
        self.ledger.token(value)
    }

    /// Takes an item that goes no further, and is none of those that are discarded.
    pub(crate) fn put_aside(&self, token: Token) {
        drop(token);
        self.aside.fetch_add(1, SeqCst);
    }

    /// Something that has to be as in the model, and at the same time.
    pub(crate) fn note(&self, note: impl Into<String>) {
        self.notes.lock().unwrap().push(note.into());
    }

    /// To be done after all downstreams were cancelled.
    pub(crate) fn at_end(&self, f: impl FnOnce() + Send + 'static) {
        self.at_end.lock().unwrap().push(Box::new(f));
    }
}

/// See [`Rig::attempts`].
#[derive(Clone)]
pub(crate) struct Attempts {
    left: Arc<Mutex<VecDeque<Upstream>>>,
    hands: Hands,
}

impl Attempts {
    /// The next one; silence, when all were there.
    pub(crate) fn next(&self) -> Upstream {
        self.hands.note("subscribed");
        self.left.lock().unwrap().pop_front().unwrap_or_else(|| {
            let (sender, silent) = millstream::try_channel(1);
            self.hands.at_end(move || drop(sender));
            silent
        })
    }
}

impl Publisher for Attempts {
    type Item = Token;
    type Error = ();

    fn subscribe<S: Subscriber<Token, ()>>(self, subscriber: S) {
        self.next().subscribe(subscriber);
    }
}

/// So many items in place, and how they end.
type Supply = (u8, Signal);

/// An upstream that is pulled.
pub(crate) type InPlace = FromPull<Numbers>;

/// The items of a [`Supply`]. It finds its end by a look ahead, which may give an item, once it has
/// begun.
pub(crate) struct Numbers {
    hands: Hands,
    next: i64,
    supply: Supply,
}

impl Pull for Numbers {
    type Item = Token;
    type Error = ();

    fn pull(&mut self) -> Pulled<Token, ()> {
        let (last, end) = self.supply;
        self.next += 1;
        match end {
            _ if self.next <= i64::from(last) => Pulled::Item(self.hands.token(self.next)),
            Signal::Fail => Pulled::Error(()),
            _ => Pulled::Complete,
        }
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<Token, ()> {
        if started { self.pull() } else { Pulled::Pending }
    }
}

/// A schedule that failed.
#[derive(Clone)]
struct Case {
    events: Vec<Event>,
    /// Decides in which order tasks run.
    seed: u64,
    supply: Option<Supply>,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Case { events, seed, supply } = self;
        write!(f, "{events:?}, tasks ordered by {seed}")?;
        supply.map_or(Ok(()), |(n, end)| write!(f, ", over {n} items in place, and {end:?}"))
    }
}

/// One upstream, one downstream.
pub(crate) fn same<P>(
    stalls: Stalls,
    operator: impl Fn(Upstream, VirtualTime) -> P,
    model: impl Fn() -> Box<dyn FnMut(&mut World)>,
    own: impl Fn(&P::Error) -> bool,
) where
    P: Publisher<Item = Token, Error: Clone + PartialEq + std::fmt::Debug + Sync>,
{
    same_of(
        Ports { upstreams: 1, downstreams: 1, stalls },
        |rig| vec![operator(rig.upstream(0), rig.time.clone())],
        || {
            let mut model = model();
            Box::new(move |worlds| model(&mut worlds[0]))
        },
        own,
    );
}

/// One upstream that is pulled, and has all its items from the beginning; one downstream.
pub(crate) fn same_in_place<P>(
    stalls: Stalls,
    operator: impl Fn(InPlace, VirtualTime) -> P,
    model: impl Fn() -> Box<dyn FnMut(&mut World)>,
    own: impl Fn(&P::Error) -> bool,
) where
    P: Publisher<Item = Token, Error: Clone + PartialEq + std::fmt::Debug + Sync>,
{
    let ports = Ports { upstreams: 0, downstreams: 1, stalls };
    let end = prop_oneof![Just(Signal::Complete), Just(Signal::Fail)];
    run_all(
        ports,
        (1..20_u8, end).prop_map(Some),
        |rig| vec![operator(rig.in_place(), rig.time.clone())],
        || {
            let mut model = model();
            Box::new(move |worlds| model(&mut worlds[0]))
        },
        own,
    );
}

/// `operator` gives a publisher for each downstream.
pub(crate) fn same_of<P>(
    ports: Ports,
    operator: impl Fn(&mut Rig) -> Vec<P>,
    model: impl Fn() -> Model,
    own: impl Fn(&P::Error) -> bool,
) where
    P: Publisher<Item = Token, Error: Clone + PartialEq + std::fmt::Debug + Sync>,
{
    run_all(ports, Just(None), operator, model, own);
}

fn run_all<P>(
    ports: Ports,
    supply: impl Strategy<Value = Option<Supply>>,
    operator: impl Fn(&mut Rig) -> Vec<P>,
    model: impl Fn() -> Model,
    own: impl Fn(&P::Error) -> bool,
) where
    P: Publisher<Item = Token, Error: Clone + PartialEq + std::fmt::Debug + Sync>,
{
    let config = Config { failure_persistence: None, ..Config::default() };
    let cases = (proptest::collection::vec(ports.event(), 0..60), any::<u64>(), supply)
        .prop_map(|(events, seed, supply)| Case { events, seed, supply });
    let done = TestRunner::new(config)
        .run(&cases, |case| Run::new(ports, &case, &operator, &own).run(&case, &mut *model()));
    if let Err(error) = done {
        panic!("{error}");
    }
}

struct Run<'a, E> {
    ports: Ports,
    time: VirtualTime,
    hands: Hands,
    senders: Vec<Option<Sender<Token, ()>>>,
    probes: Vec<ProbeHandle<Token, E>>,
    discarded: Vec<Arc<Mutex<Vec<i64>>>>,
    own: &'a dyn Fn(&E) -> bool,
    worlds: Vec<World>,
    seen: Vec<Seen>,
    /// Of each log.
    heard: Vec<usize>,
    /// Items that upstreams took.
    came: i64,
}

impl<'a, E: Clone + PartialEq + std::fmt::Debug + Send + Sync + 'static> Run<'a, E> {
    fn new<P: Publisher<Item = Token, Error = E>>(
        ports: Ports,
        case: &Case,
        operator: impl Fn(&mut Rig) -> Vec<P>,
        own: &'a dyn Fn(&E) -> bool,
    ) -> Run<'a, E> {
        let (time, hands) = (VirtualTime::new(case.seed), Hands::default());
        let channels = (0..ports.upstreams).map(|_| millstream::try_channel::<Token, ()>(1000));
        let (senders, upstreams): (Vec<_>, Vec<_>) =
            channels.map(|(sender, items)| (Some(sender), Some(items))).unzip();
        let mut rig =
            Rig { time: time.clone(), hands: hands.clone(), upstreams, supply: case.supply };
        let publishers = operator(&mut rig);
        assert_eq!(publishers.len(), ports.downstreams);
        let discarded: Vec<_> = publishers.iter().map(|_| Arc::new(Mutex::default())).collect();
        let probes = publishers.into_iter().zip(&discarded).map(|(publisher, discarded)| {
            let hook: Arc<Mutex<Vec<i64>>> = discarded.clone();
            let hook = move |item: Token| hook.lock().unwrap().push(item.value());
            probe(publisher.on_discard(hook), Behaviour::new())
        });
        let probes: Vec<_> = probes.collect();
        let n = ports.upstreams.max(ports.downstreams);
        let mut worlds: Vec<_> = (0..n).map(|_| World::default()).collect();
        if let Some((n, end)) = case.supply {
            worlds[0].inbox.extend((1..=i64::from(n)).map(Signal::Item).chain([end]));
            worlds[0].in_place = true;
        }
        Run {
            ports,
            time,
            hands,
            senders,
            discarded,
            own,
            worlds,
            seen: vec![Seen::default(); probes.len()],
            heard: vec![0; probes.len()],
            probes,
            came: 0,
        }
    }

    fn is_over(&self) -> bool {
        self.worlds[..self.ports.downstreams].iter().all(World::is_over)
    }

    /// Whether an upstream is let go: those that have a downstream of their own with that.
    fn is_released(&self, n: usize) -> bool {
        let own = self.ports.upstreams == self.ports.downstreams;
        self.worlds[n].released || own && self.worlds[n].is_over() || self.is_over()
    }

    fn run(
        mut self,
        case: &Case,
        model: &mut dyn FnMut(&mut [World]),
    ) -> Result<(), TestCaseError> {
        self.compare(model, &|| "the subscription".into())?;
        for (n, event) in case.events.iter().enumerate() {
            let what = || format!("event {n}, {event:?}, of {:?}", case.events);
            match *event {
                Event::Send(up, items) => (0..items).for_each(|_| self.send(up)),
                Event::Request(down, n) => {
                    if !self.worlds[down].cancelled {
                        self.probes[down].request(n.into());
                        self.worlds[down].demand += u64::from(n);
                    }
                }
                Event::Pass(n) => {
                    self.compare(model, &what)?;
                    for _ in 0..n {
                        self.time.advance(Duration::from_millis(1));
                        self.worlds.iter_mut().for_each(|world| world.now += 1);
                        self.compare(model, &what)?;
                    }
                }
                Event::Stall(n) => {
                    self.time.clock().advance(Duration::from_millis(n.into()));
                    self.worlds.iter_mut().for_each(|world| world.now += u64::from(n));
                    // The next event comes before the tasks run.
                    continue;
                }
                Event::Complete(up) => {
                    if let Some(sender) = self.senders[up].take() {
                        sender.complete();
                        self.worlds[up].inbox.push_back(Signal::Complete);
                    }
                }
                Event::Fail(up) => {
                    if let Some(sender) = self.senders[up].take() {
                        let _gone = sender.fail(());
                        self.worlds[up].inbox.push_back(Signal::Fail);
                    }
                }
                Event::Cancel(down) => {
                    if self.worlds[down].is_over() {
                        continue;
                    }
                    self.cancel(down)?;
                    if self.is_over() {
                        break;
                    }
                }
            }
            self.compare(model, &what)?;
        }
        for down in 0..self.ports.downstreams {
            if !self.worlds[down].is_over() {
                self.cancel(down)?;
            }
        }
        self.finish()
    }

    fn send(&mut self, up: usize) {
        let Some(sender) = &self.senders[up] else { return };
        if sender.try_send(self.hands.ledger.token(self.came + 1)).is_ok() {
            self.came += 1;
            self.worlds[up].inbox.push_back(Signal::Item(self.came));
        }
    }

    fn cancel(&mut self, down: usize) -> Result<(), TestCaseError> {
        self.worlds[down].cancelled = true;
        self.probes[down].cancel();
        self.time.run_until_idle();
        prop_assert!(!self.probes[down].is_ended(), "an end after a cancellation");
        Ok(())
    }

    fn compare(
        &mut self,
        model: &mut dyn FnMut(&mut [World]),
        what: &dyn Fn() -> String,
    ) -> Result<(), TestCaseError> {
        self.time.run_until_idle();
        if !self.is_over() {
            model(&mut self.worlds);
        }
        let now = self.worlds[0].now;
        let notes = std::mem::take(&mut *self.hands.notes.lock().unwrap());
        self.seen[0].notes.extend(notes.into_iter().map(|note| (now, note)));
        for (n, probe) in self.probes.iter().enumerate() {
            let seen = &mut self.seen[n];
            let log = probe.log();
            for told in log.iter().skip(self.heard[n]) {
                match told {
                    Told::Next(item) => seen.sent.push((now, item.value())),
                    Told::Completed => seen.end = Some((now, End::Complete)),
                    Told::Failed(error) => {
                        let end = if (self.own)(error) { End::Own } else { End::Fail };
                        seen.end = Some((now, end));
                    }
                    Told::Faulted(fault) => {
                        return Err(TestCaseError::fail(format!("{fault:?} after {}", what())));
                    }
                    _ => {}
                }
            }
            self.heard[n] = log.len();
            // What is discarded at a cancellation no model says, nor whether an item was taken to
            // look for the end; but nothing may be missing.
            if !self.worlds[n].cancelled && !self.worlds[n].in_place {
                seen.discarded.clone_from(&self.discarded[n].lock().unwrap());
            }
            let mut right = self.worlds[n].seen.clone();
            if seen.end.is_some() {
                // What is left at the end goes in an order that nobody promises: an item that was taken
                // to look for the end after what was behind it, which goes with the source.
                seen.discarded.sort_unstable();
                right.discarded.sort_unstable();
            }
            prop_assert_eq!(
                &*seen,
                &right,
                "downstream {} after {}: operator left, model right",
                n,
                what()
            );
            prop_assert_eq!(probe.violations(), [], "after {}", what());
        }
        for (n, sender) in self.senders.iter().enumerate() {
            if let Some(sender) = sender {
                let released = self.is_released(n);
                prop_assert_eq!(
                    sender.is_closed(),
                    released,
                    "whether upstream {} is let go, after {}: operator left, model right",
                    n,
                    what()
                );
            }
        }
        Ok(())
    }

    /// Nothing is left.
    fn finish(self) -> Result<(), TestCaseError> {
        for f in std::mem::take(&mut *self.hands.at_end.lock().unwrap()) {
            f();
        }
        self.time.run_until_idle();
        prop_assert_eq!(self.time.clock().timers(), 0, "a timer is left");
        prop_assert_eq!(self.time.executor().tasks(), 0, "a task is left");
        for sender in self.senders.iter().flatten() {
            prop_assert!(sender.is_closed(), "an upstream is kept");
        }
        let all: usize = self
            .probes
            .iter()
            .zip(&self.discarded)
            .map(|(probe, discarded)| probe.items().len() + discarded.lock().unwrap().len())
            .sum();
        let untouched = self.worlds.iter().filter(|world| world.untouched && !world.in_place);
        let untouched = untouched
            .flat_map(|world| &world.inbox)
            .filter(|signal| matches!(signal, Signal::Item(_)))
            .count();
        let out = all as u64 + self.hands.aside.load(SeqCst) + untouched as u64;
        let into = self.came as u64 + self.hands.made.load(SeqCst);
        prop_assert_eq!(out, into, "items that came out, and those that went in");
        let Run { hands, senders, probes, time, .. } = self;
        drop((senders, probes));
        time.run_until_idle();
        drop(time);
        hands.ledger.assert_settled();
        Ok(())
    }
}

/// [`same`] and [`same_in_place`].
#[allow(unused_macros, reason = "each test binary uses some of it")]
macro_rules! same_both {
    ($stalls:expr, |$items:ident, $time:ident| $operator:expr, $model:expr, $own:expr $(,)?) => {{
        $crate::schedule::same($stalls, |$items, $time| $operator, $model, $own);
        $crate::schedule::same_in_place($stalls, |$items, $time| $operator, $model, $own);
    }};
}

#[allow(unused_imports, reason = "each test binary uses some of it")]
pub(crate) use same_both;
