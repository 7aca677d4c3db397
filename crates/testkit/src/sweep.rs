//! Runs an operator over every pattern of demand, cancellation, failure and panic.
//!
//! A row names an operator, builds it on a [`Source`], and says by a plain function on a `Vec`
//! what comes out:
//!
//! ```
//! # use millstream::prelude::*;
//! millstream_testkit::rows! {
//!     double: |source| source.map(|n| n.map(|n| n * 2)), |items| items.iter().map(|n| n * 2);
//!     even: |source| source.filter(|n| n.value() % 2 == 0), |items| items.into_iter().filter(|n| n % 2 == 0);
//!     first: |source| source.take(2), |items| items.into_iter().take(2);
//! }
//! # fn main() {}
//! ```
//!
//! Each line becomes a `#[test]`. It runs the operator
//!
//! * over sources of 0, 1, 2 and 5 items, complete, failing at each item and breaking at each;
//! * with demand of 1, 2, 3, many, without bound, mixed, twice the maximum, from outside by the
//!   subscription and from inside by the answer and by a request;
//! * cancelled before the first item and at each item, from outside, by the answer, and by
//!   dropping the subscription inside the signal;
//! * with a panic in each call of the sink;
//! * with a long source on a small stack;
//! * over a source that is subscribed to, over one that can be pulled, and, where the operator
//!   can be pulled itself, by pulling it.
//!
//! After each run: nothing more was delivered than asked for, at any instant; the items are
//! those of the function, or a beginning of them after a failure; there was one end, or none
//! after a cancellation; what was told to the source of why it was cancelled fits; signals did not
//! overlap; the subscriber is gone, and so are all items.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millstream_core::{Cause, Context, Demand, Fault, More, Publisher, Pull, Pulled, Subscriber};

use crate::lock::lock;
use crate::probe::{Answer, Behaviour, Event, Faulted, Place, Probe, ProbeHandle};
use crate::scripted::{Script, ScriptedPublisher};
use crate::token::{Counted, Ledger, Token};

/// The error of a [`Source`], with the number of items before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TestError(pub u64);

impl fmt::Display for TestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a test error after {} items", self.0)
    }
}

impl std::error::Error for TestError {}

/// How a [`Source`] ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It completes after its last item.
    Complete,
    /// It fails after so many items.
    Fails(u64),
    /// It breaks after so many items.
    Breaks(u64),
}

/// A publisher of counted numbers that may fail. Each clone is a stream of its own, with items
/// of its own.
///
/// It sends by its own means, without the library's; where `PULLS` it can also be
/// [pulled](Publisher::into_pull).
///
/// ```
/// use millstream_testkit::sweep::{Ending, Source, TestError};
/// use millstream_testkit::{Behaviour, Ledger, probe};
///
/// let ledger = Ledger::new();
/// let source = Source::<false>::new(vec![7, 8, 9], Ending::Fails(2), &ledger);
/// let handle = probe(source, Behaviour::new().initially(5));
/// assert_eq!(handle.items(), [ledger.token(7), ledger.token(8)]);
/// handle.assert_failed(&TestError(2));
/// ```
#[derive(Debug, Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Source<const PULLS: bool> {
    values: Vec<i64>,
    ending: Ending,
    ledger: Ledger,
    threaded: bool,
    /// The streams of it and of its clones that were subscribed to.
    streams: Streams,
}

type Streams = Arc<Mutex<Vec<ScriptedPublisher<Token, TestError>>>>;

impl<const PULLS: bool> Source<PULLS> {
    /// These values, with this end.
    pub fn new(values: Vec<i64>, ending: Ending, ledger: &Ledger) -> Self {
        Source {
            values,
            ending,
            ledger: ledger.clone(),
            threaded: false,
            streams: Streams::default(),
        }
    }

    /// Sends from threads of its own when it is subscribed to; the row needs
    /// [patience](Options::patience) then.
    pub fn on_other_threads(mut self) -> Self {
        self.threaded = true;
        self
    }

    /// The account of its items.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn sent(self) -> (impl Iterator<Item = Token> + Send + 'static, Ending) {
        let Source { values, ending, ledger, .. } = self;
        let n = match ending {
            Ending::Complete => values.len(),
            Ending::Fails(n) | Ending::Breaks(n) => n as usize,
        };
        (values.into_iter().take(n).map(move |value| ledger.token(value)), ending)
    }
}

impl<const PULLS: bool> Publisher for Source<PULLS> {
    type Item = Token;
    type Error = TestError;
    const PULLS: bool = PULLS;

    fn subscribe<S: Subscriber<Token, TestError>>(self, subscriber: S) {
        let (threaded, streams) = (self.threaded, self.streams.clone());
        let (items, ending) = self.sent();
        let script = Script::items(items);
        let script = match ending {
            Ending::Complete => script.then_complete(),
            Ending::Fails(n) => script.then_error(TestError(n)),
            Ending::Breaks(_) => script.then_fault(Fault::SourceDropped),
        };
        let publisher = ScriptedPublisher::playing(script);
        let publisher = if threaded { publisher.on_other_threads() } else { publisher };
        lock(&streams).push(publisher.clone());
        publisher.subscribe(subscriber);
    }

    fn into_pull(self, _: Context) -> Result<impl Pull<Item = Token, Error = TestError>, Self> {
        if !PULLS {
            return Err(self);
        }
        assert!(!matches!(self.ending, Ending::Breaks(_)), "what can be pulled cannot break");
        let (items, ending) = self.sent();
        Ok(Pulling { items: Box::new(items), ending })
    }
}

struct Pulling {
    items: Box<dyn Iterator<Item = Token> + Send>,
    ending: Ending,
}

impl Pull for Pulling {
    type Item = Token;
    type Error = TestError;

    fn pull(&mut self) -> Pulled<Token, TestError> {
        match (self.items.next(), self.ending) {
            (Some(item), _) => Pulled::Item(item),
            (None, Ending::Fails(n)) => Pulled::Error(TestError(n)),
            (None, _) => Pulled::Complete,
        }
    }

    fn look_ahead(&mut self, _: bool) -> Pulled<Token, TestError> {
        if self.items.size_hint().1 == Some(0) { self.pull() } else { Pulled::Pending }
    }
}

/// What a plain value can do.
trait Value: Clone + PartialEq + fmt::Debug + Send + 'static {}

impl<V: Clone + PartialEq + fmt::Debug + Send + 'static> Value for V {}

/// Items as plain values, so that an oracle need not know of tokens.
pub trait Plain: Send + 'static {
    /// The plain value.
    type Plain: Clone + PartialEq + fmt::Debug + Send + 'static;

    /// Turns the item into its plain value.
    fn plain(self) -> Self::Plain;
}

impl<T: Clone + PartialEq + fmt::Debug + Send + 'static> Plain for Counted<T> {
    type Plain = T;

    fn plain(self) -> T {
        self.get().clone()
    }
}

impl<T: Plain> Plain for Vec<T> {
    type Plain = Vec<T::Plain>;

    fn plain(self) -> Self::Plain {
        self.into_iter().map(T::plain).collect()
    }
}

impl<T: Plain> Plain for Option<T> {
    type Plain = Option<T::Plain>;

    fn plain(self) -> Self::Plain {
        self.map(T::plain)
    }
}

impl<T: Plain, E: Plain> Plain for Result<T, E> {
    type Plain = Result<T::Plain, E::Plain>;

    fn plain(self) -> Self::Plain {
        self.map(T::plain).map_err(E::plain)
    }
}

macro_rules! plain_tuple {
    ($($name:ident)+) => {
        impl<$($name: Plain),+> Plain for ($($name,)+) {
            type Plain = ($($name::Plain,)+);

            fn plain(self) -> Self::Plain {
                #[expect(non_snake_case, reason = "the names of the types serve as fields")]
                let ($($name,)+) = self;
                ($($name.plain(),)+)
            }
        }
    };
}

plain_tuple!(A B);
plain_tuple!(A B C);
plain_tuple!(A B C D);

macro_rules! plain_itself {
    ($($type:ty)+) => {
        $(impl Plain for $type {
            type Plain = $type;

            fn plain(self) -> $type {
                self
            }
        })+
    };
}

plain_itself!(() bool char String &'static str TestError);
plain_itself!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize f32 f64 Duration);

/// What a row may be told besides its operator.
#[derive(Debug, Clone)]
#[must_use]
pub struct Options {
    ordered: bool,
    recovers: bool,
    may_fail: bool,
    bursts: bool,
    faults: bool,
    retells: bool,
    long: u64,
    patience: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            ordered: true,
            recovers: false,
            may_fail: false,
            bursts: false,
            faults: true,
            retells: false,
            long: 5_000,
            patience: Duration::ZERO,
        }
    }
}

impl Options {
    /// The items may come in any order (`merge`).
    pub fn unordered(mut self) -> Options {
        self.ordered = false;
        self
    }

    /// The operator handles errors (`retry`, `on_error_resume`): where its source fails, the
    /// items are not those of the function, and only the protocol is checked.
    pub fn recovers(mut self) -> Options {
        self.recovers = true;
        self
    }

    /// The operator may fail though its source does not (`timeout`, `collect_max`); the items
    /// are then a beginning of those of the function.
    pub fn may_fail(mut self) -> Options {
        self.may_fail = true;
        self
    }

    /// The operator sends several items at a stretch, for one of its source or at its end, and
    /// looks for a cancellation only in between: after the subscription was dropped inside an
    /// item some more may come (rule 2.8).
    pub fn bursts(mut self) -> Options {
        self.bursts = true;
        self
    }

    /// The operator does not pass on faults of its source.
    pub fn keeps_faults(mut self) -> Options {
        self.faults = false;
        self
    }

    /// The operator passes on the words of a cause, and not the cause itself: it is between two processes.
    pub fn retells_causes(mut self) -> Options {
        self.retells = true;
        self
    }

    /// The length of the long run, for operators that take more than linear time.
    pub fn long(mut self, n: u64) -> Options {
        self.long = n;
        self
    }

    /// The operator uses other threads: each expectation is given so much time.
    pub fn patience(mut self, patience: Duration) -> Options {
        self.patience = patience;
        self
    }
}

/// A row with all its parts: what [`rows!`](crate::rows) makes of a line.
pub fn check<const PULLS: bool, P, O>(
    name: &str,
    build: impl Fn(Source<PULLS>) -> P + Sync,
    oracle: impl Fn(Vec<i64>) -> O,
    options: Options,
) where
    P: Publisher<Item: Plain, Error: fmt::Debug>,
    O: IntoIterator<Item = <P::Item as Plain>::Plain>,
{
    let oracle = |values: Vec<i64>| oracle(values).into_iter().collect();
    check_driven(name, |source| (build(source), || ()), oracle, options);
}

/// As [`check`], for operators on an executor or a clock that must be run by hand: `build` also
/// gives what runs it until it is idle, which is called after each step.
pub fn check_driven<const PULLS: bool, P, D>(
    name: &str,
    build: impl Fn(Source<PULLS>) -> (P, D) + Sync,
    oracle: impl Fn(Vec<i64>) -> Vec<<P::Item as Plain>::Plain>,
    options: Options,
) where
    P: Publisher<Item: Plain, Error: fmt::Debug>,
    D: FnMut(),
{
    let start = |source: Source<PULLS>, behaviour| {
        let (publisher, drive) = build(source);
        begin(behaviour, drive, |probe| publisher.subscribe(probe))
    };
    let by = if PULLS { "a source that can be pulled" } else { "a source that pushes" };
    sweep(&Sweep { name, by, start: &start, options: &options }, &oracle);
    // Not even compiled for what cannot be pulled.
    if const { PULLS && P::MAY_PULL } {
        let start = |source: Source<PULLS>, behaviour| {
            let (publisher, drive) = build(source);
            begin(behaviour, drive, |probe| match publisher.into_pull(Context::default()) {
                Ok(pull) => ScriptedPublisher::pulling(pull).subscribe(probe),
                Err(publisher) => publisher.subscribe(probe),
            })
        };
        let by = "pulled itself";
        sweep(&Sweep { name, by, start: &start, options: &options }, &oracle);
    }
}

/// A run as it begins, whatever the operator.
struct Begun<'a, V> {
    handle: ProbeHandle<V, String>,
    drive: Box<dyn FnMut() + 'a>,
    /// Whether `subscribe` returned.
    subscribed: bool,
}

/// Subscribes a probe that keeps plain values. This and what calls it is all that is compiled for
/// each operator: the rest of a sweep knows only the values.
fn begin<'a, T: Plain, E: fmt::Debug + Send + 'static>(
    behaviour: Behaviour,
    drive: impl FnMut() + 'a,
    subscribe: impl FnOnce(Probe<T, E, T::Plain, String>),
) -> Begun<'a, T::Plain> {
    let (probe, handle) = Probe::recording(behaviour, T::plain, |error| format!("{error:?}"));
    let subscribed = catch_unwind(AssertUnwindSafe(|| subscribe(probe))).is_ok();
    Begun { handle, drive: Box::new(drive), subscribed }
}

fn sweep<const PULLS: bool, V: Value>(
    sweep: &Sweep<'_, PULLS, V>,
    oracle: &dyn Fn(Vec<i64>) -> Vec<V>,
) {
    let options = sweep.options;
    for n in [0, 1, 2, 5] {
        let values: Vec<i64> = (1..=n).collect();
        let items = oracle(values.clone());
        let whole = Expected { items, ending: Ending::Complete, early: true };
        sweep.demand(&values, &whole);
        sweep.cancellation(&values, &whole);
        sweep.panics(&values, &whole);
        for at in 0..=n.unsigned_abs() {
            let mut sent = values[..at as usize].to_vec();
            let before = oracle(sent.clone());
            // What no further item changes may have been complete before the failure (`take`).
            sent.extend(-1_000..1_000);
            let early = oracle(sent) == before;
            let fails = Expected { items: before.clone(), ending: Ending::Fails(at), early };
            sweep.demand(&values, &fails);
            sweep.panics(&values, &fails);
            // What can be pulled cannot break, and would push as the source that cannot be pulled.
            if options.faults && !PULLS {
                let breaks = Expected { items: before, ending: Ending::Breaks(at), early };
                sweep.demand(&values, &breaks);
                sweep.panics(&values, &breaks);
            }
        }
    }
    let values: Vec<i64> = (1..=options.long.cast_signed()).collect();
    let expected = oracle(values.clone()).len() as u64;
    sweep.long(&values, expected);
}

struct Sweep<'a, const PULLS: bool, V> {
    name: &'a str,
    /// What is subscribed to or pulled.
    by: &'static str,
    start: &'a (dyn Fn(Source<PULLS>, Behaviour) -> Begun<'a, V> + Sync),
    options: &'a Options,
}

struct Expected<V> {
    items: Vec<V>,
    ending: Ending,
    /// Whether downstream may be complete in spite of a failure of the source.
    early: bool,
}

/// How demand comes from outside: these numbers in a circle, until the end.
const OUTSIDE: [&[u64]; 8] = [
    &[1],
    &[2],
    &[3],
    &[100],
    &[1, 3, 2],
    &[u64::MAX],
    &[u64::MAX, u64::MAX],
    &[2, Demand::UNBOUNDED.get() - 1],
];

fn request_of_one() -> Answer {
    Answer::Request(Demand::ONE)
}

impl<const PULLS: bool, V: Value> Sweep<'_, PULLS, V> {
    fn start(
        &self,
        values: &[i64],
        ending: Ending,
        behaviour: Behaviour,
        case: String,
    ) -> Run<'_, V> {
        let ledger = Ledger::new();
        let source = Source::new(values.to_vec(), ending, &ledger);
        let streams = source.streams.clone();
        let case = format!(
            "row `{}` ({}), {} items, {ending:?}: {case}",
            self.name,
            self.by,
            values.len(),
        );
        let Begun { handle, drive, subscribed } = (self.start)(source, behaviour);
        let mut run = Run { case, handle, ledger, streams, drive, options: self.options };
        run.check(subscribed, "a panic came out of `subscribe` (rules 1.9, 2.13)");
        (run.drive)();
        run
    }

    fn demand(&self, values: &[i64], expected: &Expected<V>) {
        let mut behaviours = vec![
            ("answers none", Behaviour::new()),
            ("answers one", Behaviour::new().each(Answer::ONE)),
            ("answers two, then none", Behaviour::new().at(1, Answer::More(More::of(2)))),
            ("answers unbounded", Behaviour::new().at(1, Answer::More(More::UNBOUNDED))),
            ("requests one inside", Behaviour::new().each(request_of_one())),
        ];
        behaviours.push((
            "answers one or requests one inside",
            Behaviour::new().each(Answer::ONE).at(2, request_of_one()),
        ));
        for (says, behaviour) in behaviours {
            for pattern in OUTSIDE {
                let case = format!("demand {pattern:?} from outside, {says}");
                let run = self.start(values, expected.ending, behaviour.clone(), case);
                run.ends_as_expected(pattern, expected);
            }
            let inside = behaviour.initially(1);
            let case = format!("demand 1 in on_subscribe, {says}");
            let run = self.start(values, expected.ending, inside, case);
            run.ends_as_expected(&[1], expected);
        }
        let without = self.start(values, expected.ending, Behaviour::new(), "no demand".into());
        without.check(without.handle.delivered() == 0, "items came without demand (rule 1.1)");
        without.over();
    }

    fn cancellation(&self, values: &[i64], expected: &Expected<V>) {
        let ending = expected.ending;
        for k in 0..=expected.items.len() as u64 {
            let case = format!("cancelled from outside after {k} items");
            let mut run = self.start(values, ending, Behaviour::new(), case);
            if k > 0 {
                run.request(k);
            }
            run.handle.cancel();
            (run.drive)();
            run.cancelled(k, expected, false);
            let case = format!("cancelled from outside after {k} items, and why");
            let mut run = self.start(values, ending, Behaviour::new(), case);
            if k > 0 {
                run.request(k);
            }
            run.cancelled_because(k, expected);
            if k == 0 {
                let at_once = Behaviour::new().initially(1).cancels_at_once();
                let case = "cancelled inside on_subscribe".to_owned();
                self.start(values, ending, at_once, case).cancelled(0, expected, false);
                continue;
            }
            for (how, answer) in
                [("by the answer", Answer::CANCEL), ("by drop in on_next", Answer::Drop)]
            {
                let bursts = answer == Answer::Drop && self.options.bursts;
                let unbounded = Behaviour::new().initially(u64::MAX).at(k, answer);
                let case = format!("unbounded, cancelled {how} at item {k}");
                self.start(values, ending, unbounded, case).cancelled(k, expected, bursts);
                let single = Behaviour::new().initially(1).each(Answer::ONE).at(k, answer);
                let case = format!("one at a time, cancelled {how} at item {k}");
                self.start(values, ending, single, case).cancelled(k, expected, bursts);
            }
        }
    }

    fn panics(&self, values: &[i64], expected: &Expected<V>) {
        let ending = expected.ending;
        let places = [Place::Subscribe, Place::Complete, Place::Error, Place::Fault];
        for place in places {
            let behaviour = Behaviour::new().initially(u64::MAX).panics_in(place);
            let run = self.start(values, ending, behaviour, format!("panic in {place:?}"));
            run.over();
        }
        for k in 1..=expected.items.len() as u64 {
            for from_outside in [false, true] {
                let behaviour = Behaviour::new().at(k, Answer::Panic);
                let behaviour =
                    if from_outside { behaviour } else { behaviour.initially(u64::MAX) };
                let case = format!("panic in on_next at item {k}, outside: {from_outside}");
                let mut run = self.start(values, ending, behaviour, case);
                if from_outside {
                    run.request(u64::MAX);
                }
                let reached = run.settled(|handle| handle.delivered() >= k);
                run.check(
                    !reached || run.settled(ProbeHandle::is_dropped),
                    "a subscriber that panicked is kept (rule 2.13)",
                );
                run.check(run.handle.delivered() <= k, "items came after a panic (rule 2.13)");
                if let Some(panicked) = run.handle.panicked() {
                    run.told(panicked, Cause::is_failure, "the subscriber panicked");
                }
                run.over();
            }
        }
    }

    fn long(&self, values: &[i64], expected: u64) {
        let behaviours = [
            ("unbounded", Behaviour::new().initially(u64::MAX)),
            ("answers one", Behaviour::new().initially(1).each(Answer::ONE)),
            ("requests one inside", Behaviour::new().initially(1).each(request_of_one())),
        ];
        for (says, behaviour) in behaviours {
            let behaviour = behaviour.stack_limit(64 << 10);
            let work = || {
                let case = format!("on a stack of 64 KiB, {says}");
                let mut run = self.start(values, Ending::Complete, behaviour, case);
                // An operator whose source was asked for the exact number may need one more.
                if !run.settled(ProbeHandle::is_ended) {
                    run.request(1);
                }
                run.check(run.settled(ProbeHandle::is_ended), "it did not end");
                let delivered = run.handle.delivered();
                run.check(delivered == expected, || {
                    format!("expected {expected} items, got {delivered}")
                });
                run.over();
            };
            std::thread::scope(|scope| {
                let small = std::thread::Builder::new().stack_size(256 << 10);
                let running = small.spawn_scoped(scope, work).expect("a thread can be started");
                if let Err(payload) = running.join() {
                    std::panic::resume_unwind(payload);
                }
            });
        }
    }
}

struct Run<'a, V> {
    case: String,
    handle: ProbeHandle<V, String>,
    ledger: Ledger,
    streams: Streams,
    drive: Box<dyn FnMut() + 'a>,
    options: &'a Options,
}

trait Text {
    fn text(self) -> String;
}

impl Text for &str {
    fn text(self) -> String {
        self.into()
    }
}

impl<F: FnOnce() -> String> Text for F {
    fn text(self) -> String {
        self()
    }
}

impl<V: Value> Run<'_, V> {
    fn check(&self, holds: bool, what: impl Text) {
        assert!(holds, "{}: {}\nlog:\n{}", self.case, what.text(), self.handle.log_text());
    }

    fn settled(&self, done: impl Fn(&ProbeHandle<V, String>) -> bool) -> bool {
        self.handle.wait_until(self.options.patience, done)
    }

    fn request(&mut self, n: u64) {
        let requested = catch_unwind(AssertUnwindSafe(|| self.handle.request(n)));
        self.check(requested.is_ok(), "a panic came out of `request` (rules 2.13, 3.16)");
        (self.drive)();
    }

    fn ends_as_expected(mut self, pattern: &[u64], expected: &Expected<V>) {
        // A source that is tried again sends its items again.
        let recovers = self.options.recovers && expected.ending != Ending::Complete;
        let enough = if recovers { 100 } else { expected.items.len() + 3 };
        let mut asked = 0_u64;
        for n in pattern.iter().cycle().take(enough.max(pattern.len())) {
            if self.handle.is_ended() {
                break;
            }
            self.request(*n);
            asked = asked.saturating_add(*n);
            let delivered = asked.min(expected.items.len() as u64);
            let progress =
                self.settled(|handle| handle.is_ended() || handle.delivered() >= delivered);
            self.check(progress || expected.ending != Ending::Complete, || {
                let sent = self.handle.delivered();
                format!("it stalls: {delivered} items could be sent, and {sent} were")
            });
        }
        self.check(self.settled(ProbeHandle::is_ended), "it did not end, with demand for all");
        let (items, end) = (self.handle.items(), self.handle.end());
        if !recovers {
            let whole = matches!(end, Some(Event::Completed));
            self.check(self.fits(&items, &expected.items, whole), || {
                format!("expected items {:?}, got {items:?}", expected.items)
            });
        }
        match (&end, expected.ending) {
            (Some(Event::Failed(_)), Ending::Fails(_)) => {}
            (Some(Event::Faulted(Faulted::SourceDropped)), Ending::Breaks(_)) => {}
            (Some(Event::Completed), _) if expected.early || recovers => {}
            (Some(Event::Failed(_)), _) if self.options.may_fail || recovers => {}
            (end, ending) => {
                self.check(false, || {
                    format!("the source ended by {ending:?}, downstream by {end:?}")
                });
            }
        }
        let before = self.handle.delivered();
        if let Some(upstream) = self.handle.upstream() {
            upstream.request(Demand::ONE);
        }
        self.check(self.handle.delivered() == before, "an item came after the end (rule 1.7)");
        self.over();
    }

    fn fits(&self, items: &[V], expected: &[V], whole: bool) -> bool {
        if whole && items.len() != expected.len() || items.len() > expected.len() {
            return false;
        }
        if self.options.ordered {
            return expected.starts_with(items);
        }
        let mut left = expected.to_vec();
        items.iter().all(|item| match left.iter().position(|other| other == item) {
            Some(index) => {
                left.swap_remove(index);
                true
            }
            None => false,
        })
    }

    /// Streams of the source that were cancelled from then on were told a cause that fits.
    fn told(&self, since: u64, fits: impl Fn(&Cause) -> bool, what: &str) {
        let streams = lock(&self.streams).clone();
        let told = streams.iter().filter_map(ScriptedPublisher::told);
        for (cause, _) in told.filter(|(_, at)| *at > since) {
            self.check(fits(&cause), || format!("{what}, and the source was told: {cause}"));
        }
    }

    /// What is given as the cause arrives, at each stream of the source that is still there.
    fn cancelled_because(mut self, k: u64, expected: &Expected<V>) {
        let given = Cause::given("a cause");
        let streams = lock(&self.streams).clone();
        let there: Vec<_> = streams.into_iter().filter(|stream| !stream.is_over()).collect();
        self.handle.cancel_because(given.clone());
        (self.drive)();
        for stream in there {
            // One on a thread of its own may have ended by itself.
            let over = self.settled(|_| stream.is_over());
            self.check(over, "the source was not cancelled");
            let cause = stream.cause();
            let arrived = |cause: &Cause| {
                let retold = self.options.retells && cause.to_string() == given.to_string();
                *cause == given || retold
            };
            self.check(cause.as_ref().is_none_or(arrived), || {
                format!("a cause was given, and the source was told {cause:?}")
            });
        }
        self.cancelled_by(k, expected, false);
    }

    fn cancelled(self, k: u64, expected: &Expected<V>, bursts: bool) {
        self.settled(ProbeHandle::is_dropped);
        // One that fails by itself may have done so before.
        if !self.options.may_fail {
            self.told(0, |cause| !cause.is_failure(), "no more was needed");
        }
        self.cancelled_by(k, expected, bursts);
    }

    fn cancelled_by(self, k: u64, expected: &Expected<V>, bursts: bool) {
        // An end that came with the last item is as good as a cancellation.
        let gone = self.settled(ProbeHandle::is_dropped);
        self.check(gone, "the subscriber is kept after cancellation (rule 3.13)");
        let items = self.handle.items();
        self.check(bursts || items.len() as u64 <= k, || {
            format!(
                "{} items came, cancelled at {k} (rule 3.12; an operator that sends several at a \
                 stretch says so by `options.bursts()`)",
                items.len()
            )
        });
        self.check(self.fits(&items, &expected.items, false), || {
            format!("expected a beginning of {:?}, got {items:?}", expected.items)
        });
        self.over();
    }

    /// What holds after each run.
    fn over(mut self) {
        self.handle.cancel();
        (self.drive)();
        self.check(
            self.settled(ProbeHandle::is_dropped),
            "the subscriber is kept after the end or cancellation (rules 1.6, 3.13)",
        );
        let violations = self.handle.violations();
        self.check(violations.is_empty(), || violations[0].to_string());
        let ledger = self.ledger.clone();
        let settled = self.settled(|_| ledger.unsettled().is_none());
        self.check(settled, || ledger.unsettled().unwrap_or_default());
    }
}

/// Makes a `#[test]` of each line `name: build, oracle;`: see [`sweep`](crate::sweep).
///
/// `build` is a closure from a [`Source`](crate::sweep::Source) to a publisher, `oracle` one
/// from a `Vec<i64>` to the plain values that come out, as anything that can be iterated. Items
/// are [`Token`](crate::Token)s; what comes out may be tokens, numbers, or vectors, options,
/// results and tuples of them ([`Plain`](crate::sweep::Plain)). A third part sets
/// [`Options`](crate::sweep::Options):
///
/// ```
/// # use millstream::prelude::*;
/// millstream_testkit::rows! {
///     double: |source| source.map(|n| n.map(|n| n * 2)), |items| items.iter().map(|n| n * 2),
///         |options| options.long(1_000);
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! rows {
    ($($(#[$meta:meta])* $name:ident: |$source:pat_param| $build:expr, |$items:ident| $oracle:expr
        $(, |$options:ident| $set:expr)?;)*) => {
        $(
            $(#[$meta])*
            #[test]
            fn $name() {
                let options = $crate::sweep::Options::default();
                $(let options = { let $options = options; $set };)?
                $crate::rows!(@run $name, $source, $build, $items, $oracle, options, false);
                $crate::rows!(@run $name, $source, $build, $items, $oracle, options, true);
            }
        )*
    };
    (@run $name:ident, $source:pat_param, $build:expr, $items:ident, $oracle:expr,
        $options:ident, $pulls:literal) => {
        $crate::sweep::check(
            stringify!($name),
            |$source: $crate::sweep::Source<$pulls>| $build,
            |$items: ::std::vec::Vec<i64>| {
                ::std::iter::IntoIterator::into_iter($oracle)
                    .collect::<::std::vec::Vec<_>>()
            },
            $options.clone(),
        );
    };
}
