//! A pipeline of a specification, out of the operators of the library.

use std::num::NonZeroU64;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

#[cfg(feature = "futures")]
use futures::StreamExt;
#[cfg(feature = "futures")]
use futures::future::{Either, select};
use millstream::SharedPublisher;
use millstream::ack::{AckError, Acked, AckedPublisher, Settled};
use millstream::chunk::{Boundary, Window};
use millstream::combine::{Failures, merge_all_preferred, merge_all_prioritized};
use millstream::control::{Aimd, Sample};
use millstream::effect::AtCheckpoint;
use millstream::executor::Executor;
use millstream::fan_out::Stalled;
use millstream::fault::{Backoff, FailedAttempt};
use millstream::lifecycle::KillSwitch;
use millstream::limit::{LimitError, Permits, Permitted};
use millstream::overflow::{Backpressure, Overflow, Valve};
use millstream::prelude::*;
use millstream::time::{Clock, Moment, Timer};
use millstream::timing::{Rate, ThrottleError, TimeoutError, TokenBucket, Trailing};
#[cfg(feature = "futures")]
use millstream::{Failure, Fault};
use millstream_core::{Pull, Pulled};
use millstream_sync::{Mutex, lock};

use millstream_testkit::sweep::{Ending, Source as Scripted, TestError};
use millstream_testkit::{Ledger, Token, VirtualClock};

use crate::edge::{Bounds, Edge};
use crate::faulty::Faulty;
use crate::oracle::{
    self, CAUGHT, CHUNK, EXCEEDED, FAILED, WORTHLESS, failed_attempt, further, inner, inner_length,
    passes, weight,
};
use crate::spec::{Acking, Comes, Cutting, Drops, Inner, Keep, Op, Source, Spec, Wait};
use crate::workers::Runs;

pub(crate) type Stream = SharedPublisher<Token, TestError>;

/// What a panic on purpose says.
pub(crate) const PANIC: &str = "a panic of the specification";

/// The most futures at a time where a controller decides.
pub(crate) const ADAPTIVE: usize = 4;

/// A time that comes at once, or never.
const SECOND: Duration = Duration::from_secs(1);

/// A clock that goes on whenever it is looked at, for each that looks at it from the beginning.
#[derive(Default)]
struct Ticks(AtomicU64);

impl Clone for Ticks {
    fn clone(&self) -> Ticks {
        Ticks(AtomicU64::new(self.0.load(SeqCst)))
    }
}

impl Clock for Ticks {
    fn now(&self) -> Moment {
        Moment::from_nanos(self.0.fetch_add(1, SeqCst))
    }

    fn timer(&self, _: Waker) -> Box<dyn Timer> {
        unreachable!("nobody waits for it")
    }
}

/// What the parts of a pipeline share.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) ledger: Ledger,
    /// Held by everything that the pipeline must let go of.
    pub(crate) guard: Arc<()>,
    pub(crate) panicked: Arc<AtomicBool>,
    pub(crate) bounds: Arc<Bounds>,
    /// Of each bulkhead.
    pub(crate) permits: Arc<Mutex<Vec<Permits>>>,
    pub(crate) runs: Runs,
}

impl World {
    pub(crate) fn new(bound: u64, runs: Runs) -> World {
        let ledger = Ledger::new();
        World {
            bounds: Arc::new(Bounds::new(ledger.clone(), bound)),
            ledger,
            guard: Arc::new(()),
            panicked: Arc::default(),
            permits: Arc::default(),
            runs,
        }
    }

    /// A function of an operator that is not meant to panic.
    fn hook(&self) -> Hook {
        Hook { world: self.clone(), calls: Arc::default(), panics_at: None }
    }

    /// So many, all of which must be given back.
    fn permits(&self, n: usize) -> Permits {
        let permits = Permits::new(n);
        lock(&self.permits).push(permits.clone());
        permits
    }

    fn items<I: Iterator<Item = i64> + Clone + Send + 'static>(
        &self,
        values: I,
    ) -> impl Iterator<Item = Token> + Clone + Send + use<I> {
        let world = self.clone();
        values.map(move |value| world.ledger.token(value))
    }
}

/// Called in each function of an operator.
#[derive(Clone)]
struct Hook {
    world: World,
    calls: Arc<AtomicU64>,
    panics_at: Option<u64>,
}

impl Hook {
    fn call(&self) {
        let call = self.calls.fetch_add(1, SeqCst) + 1;
        if self.panics_at == Some(call) {
            self.world.panicked.store(true, SeqCst);
            // Not through the panic hook, which would print it.
            std::panic::resume_unwind(Box::new(PANIC));
        }
    }

    fn by<T, U>(
        self,
        f: impl Fn(T) -> U + Clone + Send + 'static,
    ) -> impl FnMut(T) -> U + Clone + Send + 'static {
        move |item| {
            self.call();
            f(item)
        }
    }

    fn of<U>(
        self,
        f: impl Fn(i64) -> U + Clone + Send + 'static,
    ) -> impl FnMut(&Token) -> U + Clone + Send + 'static {
        move |item| {
            self.call();
            f(item.value())
        }
    }
}

/// The pulled source of the runs without pointers.
#[derive(Clone)]
pub(crate) struct Supply {
    world: World,
    values: std::vec::IntoIter<i64>,
    error: Option<TestError>,
    ahead: Ahead,
}

/// How it is found that a source is over, without being asked for an item.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ahead {
    /// It knows.
    Knows,
    /// By its next item, which is shown.
    Shows,
    /// It is not.
    Waits,
}

impl Pull for Supply {
    type Item = Token;
    type Error = TestError;

    const HINTS: bool = true;

    fn pull(&mut self) -> Pulled<Token, TestError> {
        match (self.values.next(), self.error) {
            (Some(value), _) => Pulled::Item(self.world.ledger.token(value)),
            (None, Some(error)) => Pulled::Error(error),
            (None, None) => Pulled::Complete,
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self.ahead {
            Ahead::Knows => (self.values.len(), None),
            Ahead::Shows | Ahead::Waits => (0, None),
        }
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<Token, TestError> {
        match self.ahead {
            Ahead::Knows if self.values.len() == 0 => self.pull(),
            Ahead::Shows if started => self.pull(),
            _ => Pulled::Pending,
        }
    }
}

fn supply(spec: &Spec, world: &World) -> Supply {
    let mut values = spec.source.values();
    values.truncate(spec.error.unwrap_or(usize::MAX));
    Supply {
        world: world.clone(),
        values: values.into_iter(),
        error: spec.error.map(|at| TestError(at as u64)),
        ahead: match spec.source {
            Source::Unknown(_) => Ahead::Shows,
            Source::FromFn(_) | Source::Generate(_) => Ahead::Waits,
            _ => Ahead::Knows,
        },
    }
}

/// What can be pulled, as one type that says so: each operator is compiled over it once, for what is
/// pulled and for what is pushed, and not for each that may be before it.
#[derive(Clone)]
enum InPlace {
    Source(Supply),
    /// A stage that is pulled itself, and not subscribed to.
    Stage(Stream),
}

impl InPlace {
    /// `stream`, where it can be pulled.
    fn of(stream: Stream) -> Result<InPlace, Stream> {
        if stream.pulls() { Ok(InPlace::Stage(stream)) } else { Err(stream) }
    }
}

impl Publisher for InPlace {
    type Item = Token;
    type Error = TestError;
    const PULLS: bool = true;

    fn subscribe<S: millstream_core::Subscriber<Token, TestError>>(self, subscriber: S) {
        match self.into_pull(subscriber.context()) {
            Ok(pull) => millstream::from_pull(pull).subscribe(subscriber),
            Err(_) => unreachable!("it pulls"),
        }
    }

    fn into_pull(
        self,
        context: millstream_core::Context,
    ) -> Result<impl Pull<Item = Token, Error = TestError>, Self> {
        match self {
            InPlace::Source(supply) => Ok(Taken::Source(supply)),
            InPlace::Stage(stream) => {
                stream.into_pull(context).map(Taken::Stage).map_err(InPlace::Stage)
            }
        }
    }
}

/// All that a [`Pull`] can be asked is passed on.
enum Taken<Q> {
    Source(Supply),
    Stage(Q),
}

impl<Q: Pull<Item = Token, Error = TestError>> Pull for Taken<Q> {
    type Item = Token;
    type Error = TestError;

    const HINTS: bool = true;

    fn pull(&mut self) -> Pulled<Token, TestError> {
        match self {
            Taken::Source(supply) => supply.pull(),
            Taken::Stage(pull) => pull.pull(),
        }
    }

    fn pull_while(&mut self, each: impl FnMut(Token) -> bool) -> Pulled<Token, TestError> {
        match self {
            Taken::Source(supply) => supply.pull_while(each),
            Taken::Stage(pull) => pull.pull_while(each),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Taken::Source(supply) => supply.size_hint(),
            Taken::Stage(pull) => pull.size_hint(),
        }
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<Token, TestError> {
        match self {
            Taken::Source(supply) => supply.look_ahead(started),
            Taken::Stage(pull) => pull.look_ahead(started),
        }
    }
}

/// The source as the specification says, behind a pointer.
pub(crate) fn source(spec: &Spec, world: &World) -> Stream {
    let mut values = spec.source.values();
    let n = spec.error.map_or(values.len(), |at| at.min(values.len()));
    values.truncate(n);
    let error = spec.error.map(|at| TestError(at as u64));
    let token = {
        let world = world.clone();
        move |value: i64| world.ledger.token(value)
    };
    let never = |never| match never {};
    // One that fails is one that completes, and then a failure.
    let ends = |stream: Stream| match error {
        Some(error) => stream.chain(millstream::fail(error)).boxed_clone(),
        None => stream,
    };
    match &spec.source {
        Source::Range(_) => {
            let range = millstream::range(1..n as i64 + 1);
            ends(range.map(token).map_err(never).boxed_clone())
        }
        Source::Values(_) => {
            ends(millstream::from_iter(values).map(token).map_err(never).boxed_clone())
        }
        Source::Unknown(_) => {
            let unknown = values.into_iter().filter(|_| true);
            ends(millstream::from_iter(unknown).map(token).map_err(never).boxed_clone())
        }
        Source::FromFn(_) => {
            let mut values = values.into_iter();
            let stream = millstream::from_fn(move || values.next());
            ends(stream.map(token).map_err(never).boxed_clone())
        }
        Source::Generate(_) => {
            let generated = millstream::generate(values.into_iter(), move |values| {
                match (values.next(), error) {
                    (None, Some(error)) => Err(error),
                    (value, _) => Ok(value),
                }
            });
            generated.map(token).boxed_clone()
        }
        Source::Just(value) if n == 1 => {
            ends(millstream::just(*value).map(token).map_err(never).boxed_clone())
        }
        Source::Just(_) | Source::Empty => ends(millstream::empty().map_err(never).boxed_clone()),
        Source::Bursts(_, of) => {
            let bursts: Vec<_> = values.chunks(*of).map(<[i64]>::to_vec).collect();
            let stream = millstream::from_iter(bursts).concat_map_iter(|burst| burst);
            ends(stream.map(token).map_err(never).boxed_clone())
        }
        Source::Scripted(_) => scripted(values, spec.error, world).boxed_clone(),
        Source::Threads(_) => scripted(values, spec.error, world).on_other_threads().boxed_clone(),
        Source::Boxed(_) => millstream::from_pull(supply(spec, world)).boxed_clone(),
    }
}

fn scripted(values: Vec<i64>, error: Option<usize>, world: &World) -> Scripted<false> {
    let ending = error.map_or(Ending::Complete, |at| Ending::Fails(at as u64));
    Scripted::new(values, ending, &world.ledger)
}

/// How a specification is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Each stage behind a pointer, and watched on both sides.
    Boxed,
    /// The first stage in one piece with a source that can be pulled, and subscribed to.
    Fused,
    /// Each stage is in one piece with what pulls the one before it, as far as they can be pulled:
    /// the last that can is pulled as well.
    #[cfg(not(millstream_shuttle))]
    Pulled,
}

pub(crate) fn pipeline(spec: &Spec, world: &World, way: Way) -> Stream {
    let hook = |index: usize| Hook {
        world: world.clone(),
        calls: Arc::default(),
        panics_at: spec.panic.filter(|(at, _)| *at == index).map(|(_, call)| call),
    };
    let mut ops = spec.operators.iter().copied().enumerate().map(|(i, op)| (op, hook(i)));
    let mut stream = match way {
        Way::Boxed => Edge::new(source(spec, world), world.bounds.edge(0)).boxed_clone(),
        Way::Fused => {
            let source = InPlace::Source(supply(spec, world));
            match ops.next() {
                Some((op, hook)) => apply(source, op, hook),
                None => source.boxed_clone(),
            }
        }
        #[cfg(not(millstream_shuttle))]
        Way::Pulled => pulled(InPlace::Source(supply(spec, world)), &mut ops),
    };
    for (edge, (op, hook)) in (1..).zip(ops) {
        stream = apply(stream, op, hook);
        if way == Way::Boxed {
            stream = Edge::new(stream, world.bounds.edge(edge)).boxed_clone();
        }
    }
    stream
}

/// The first stages, up to one that pushes.
#[cfg(not(millstream_shuttle))]
fn pulled(mut source: InPlace, ops: &mut impl Iterator<Item = (Op, Hook)>) -> Stream {
    for (op, hook) in ops {
        match InPlace::of(apply(source, op, hook)) {
            Ok(stage) => source = stage,
            Err(stream) => return stream,
        }
    }
    source.boxed_clone()
}

fn concat_map_iter<P: Publisher<Item = Token, Error = TestError> + Clone + Sync>(
    upstream: P,
    n: i64,
    hook: Hook,
) -> impl Publisher<Item = Token, Error = TestError> + Clone + Sync {
    let world = hook.world.clone();
    upstream.concat_map_iter(hook.by(move |item: Token| world.items(inner(item.value(), n))))
}

fn added(value: i64) -> impl Fn(Token) -> Token + Clone + Send + 'static {
    move |item| item.map(|item| item.wrapping_add(value))
}

fn limited(error: LimitError<TestError>) -> TestError {
    match error {
        LimitError::Exceeded { .. } => EXCEEDED,
        LimitError::Upstream(error) => error,
    }
}

fn in_time(error: TimeoutError<TestError>) -> TestError {
    match error {
        TimeoutError::Upstream(error) => error,
        late => unreachable!("{late}: its time does not come"),
    }
}

fn push(mut group: Vec<Token>, item: Token) -> Vec<Token> {
    group.push(item);
    group
}

/// The sum of a group, in one of its items.
fn summed(group: Vec<Token>) -> Token {
    let sum = oracle::sum(group.iter().map(Token::value));
    group.into_iter().next().expect("a group is not empty").map(|_| sum)
}

/// One stage on a publisher of any type, with a function that panics where it is told to.
fn apply<P: Publisher<Item = Token, Error = TestError> + Clone + Sync>(
    p: P,
    op: Op,
    hook: Hook,
) -> Stream {
    let world = hook.world.clone();
    let never = |never: std::convert::Infallible| -> TestError { match never {} };
    let inners = {
        let world = world.clone();
        move |item: &Token, n: i64| {
            millstream::from_iter(world.items(inner(item.value(), n)))
                .map_err(|never: std::convert::Infallible| -> TestError { match never {} })
        }
    };
    let others = |n: usize| millstream::from_iter(world.items(further(n))).map_err(never);
    match op {
        Op::Map(n) => p.map(hook.by(added(n))).boxed_clone(),
        Op::MapInto => p.map_into::<Token>().boxed_clone(),
        Op::TryMap(n) => p
            .try_map(hook.by(move |item: Token| match item.value() {
                value if value != 0 && value % n == 0 => Err(FAILED),
                _ => Ok(item),
            }))
            .boxed_clone(),
        Op::Filter(n) => p.filter(hook.of(move |item| passes(item, n))).boxed_clone(),
        Op::FilterMap(n) => p
            .filter_map(hook.by(move |item: Token| passes(item.value(), n).then_some(item)))
            .boxed_clone(),
        Op::SkipErrors(n) => p
            .map(move |item| if passes(item.value(), n) { Ok(item) } else { Err(item) })
            .skip_errors(hook.by(drop))
            .boxed_clone(),
        Op::Faulty(flaw) => Faulty::on(p, flaw).boxed_clone(),
        Op::Scan(most) => p
            .scan(0_i64, move |sum, item: Token| {
                hook.call();
                *sum = sum.wrapping_add(item.value());
                let sum = *sum;
                (sum <= most).then(|| item.map(|_| sum))
            })
            .boxed_clone(),
        Op::RunningFold(seed) => p
            .running_fold(world.ledger.token(seed), move |sum: Token, item: Token| {
                hook.call();
                sum.map(|sum| sum.wrapping_add(item.value()))
            })
            .boxed_clone(),
        Op::Enumerate => p
            .enumerate()
            .map(hook.by(|(i, item): (u64, Token)| item.map(|item| item.wrapping_add(i as i64))))
            .boxed_clone(),
        Op::Timestamp => p
            .timestamp(Ticks::default())
            .map(hook.by(|(at, item): (Moment, Token)| added(at.as_nanos().cast_signed())(item)))
            .boxed_clone(),
        Op::Elapsed => p
            .elapsed(Ticks::default())
            .map(hook.by(|(time, item): (Duration, Token)| added(time.as_nanos() as i64)(item)))
            .boxed_clone(),
        Op::Pairwise => p
            .pairwise()
            .map(hook.by(|(a, b): (Token, Token)| b.map(|b| b.wrapping_sub(a.value()))))
            .boxed_clone(),
        Op::StatefulMap(last) => {
            let end = hook.clone();
            p.stateful_map(
                || 0_i64,
                move |count, item: Token| {
                    hook.call();
                    *count += 1;
                    added(*count - 1)(item)
                },
                move |count| last.then(|| end.world.ledger.token(count)),
            )
            .boxed_clone()
        }
        Op::MapWithResource(last) => {
            let end = hook.clone();
            p.map_with_resource(
                || 0_i64,
                move |count: &mut i64, item: Token| {
                    hook.call();
                    *count += 1;
                    added(*count - 1)(item)
                },
                move |count| last.then(|| end.world.ledger.token(count)),
            )
            .boxed_clone()
        }
        Op::Materialize => p.materialize().dematerialize::<Token, TestError, _>().boxed_clone(),
        Op::Skip(n) => p.skip(n).boxed_clone(),
        Op::SkipWhile(n) => p.skip_while(hook.of(move |item| item < n)).boxed_clone(),
        Op::SkipLast(n) => p.skip_last(n).boxed_clone(),
        Op::StepBy(n) => p.step_by(n).boxed_clone(),
        Op::Dedup => p.dedup().boxed_clone(),
        Op::DedupByKey(n) => p.dedup_by_key(hook.of(move |item| item.rem_euclid(n))).boxed_clone(),
        Op::Unique => p.unique().boxed_clone(),
        Op::UniqueBy(n) => p.unique_by(hook.of(move |item| item.rem_euclid(n))).boxed_clone(),
        Op::UniqueWithin(n) => p.unique_within(n).boxed_clone(),
        Op::IgnoreItems => p.ignore_items().boxed_clone(),
        Op::DefaultIfEmpty(item) => p.default_if_empty(world.ledger.token(item)).boxed_clone(),
        Op::Take(n) => p.take(n).boxed_clone(),
        Op::TakeWhile(n) => p.take_while(hook.of(move |item| item < n)).boxed_clone(),
        Op::TakeThrough(n) => p.take_through(hook.of(move |item| item >= n)).boxed_clone(),
        Op::TakeLast(n) => p.take_last(n).boxed_clone(),
        Op::LimitRate(low, more) => p.limit_rate(low + more, low).boxed_clone(),
        Op::Limit(n) => p.limit(n).map_err(limited).boxed_clone(),
        Op::LimitWeighted(n) => p.limit_weighted(n, hook.of(weight)).map_err(limited).boxed_clone(),
        Op::MapWhile(n) => p
            .map_while(hook.by(move |item: Token| (item.value() < n).then_some(item)))
            .boxed_clone(),
        Op::Chain(n) => p.chain(others(n)).boxed_clone(),
        Op::ChainFails(n) => p.chain(others(n).chain(millstream::fail(FAILED))).boxed_clone(),
        Op::ChainPushed(n) => p.chain(scripted(further(n).collect(), None, &world)).boxed_clone(),
        Op::ChainDelayError(n, fails) => {
            let other = if fails {
                others(n).chain(millstream::fail(FAILED)).boxed_clone()
            } else {
                others(n).boxed_clone()
            };
            p.chain_delay_error(other).map_err(one_of).boxed_clone()
        }
        Op::StartWith(n) => p.start_with(world.items(further(n))).boxed_clone(),
        Op::SwitchIfEmpty(n) => p.switch_if_empty(others(n)).boxed_clone(),
        Op::ConcatMap(n) => {
            p.concat_map(hook.by(move |item: Token| inners(&item, n))).boxed_clone()
        }
        Op::ConcatMapStaged(n) => p
            .concat_map(hook.by(move |item: Token| {
                let most = inner_length(item.value(), n) as u64;
                let values = item.value()..item.value().wrapping_add(2 * most.cast_signed());
                millstream::from_iter(world.items(values)).map_err(never).take(most)
            }))
            .boxed_clone(),
        Op::ConcatMapBoxed(n) => {
            p.concat_map(hook.by(move |item: Token| inners(&item, n).boxed())).boxed_clone()
        }
        Op::ConcatMapPushed(n) => p
            .concat_map(
                hook.by(move |item: Token| {
                    scripted(inner(item.value(), n).collect(), None, &world)
                }),
            )
            .boxed_clone(),
        Op::ConcatMapFails(n) => {
            p.concat_map(hook.by(move |item: Token| failing(&world, &item, n))).boxed_clone()
        }
        Op::ConcatMapDelays(n) => p
            .concat_map_delay_error(hook.by(move |item: Token| failing(&world, &item, n)))
            .map_err(one_of)
            .boxed_clone(),
        Op::ConcatMapIter(n) => concat_map_iter(p, n, hook).boxed_clone(),
        Op::ChunksFlat(n) => {
            p.chunks(n).concat_map_iter(hook.by(|group: Vec<Token>| group)).boxed_clone()
        }
        Op::ChunksSum(n) => p.chunks(n).map(hook.by(summed)).boxed_clone(),
        Op::CutSum(Cutting::Until, max, n) => {
            p.chunk_until(max, hook.of(move |item| !passes(item, n))).map(summed).boxed_clone()
        }
        Op::CutSum(Cutting::While, max, n) => {
            p.chunk_while(max, hook.of(move |item| passes(item, n))).map(summed).boxed_clone()
        }
        Op::CutSum(Cutting::ByKey, max, n) => {
            p.chunk_by_key(max, hook.of(move |item| item.div_euclid(n))).map(summed).boxed_clone()
        }
        Op::CutSum(Cutting::Weighted, max, _) => {
            p.chunks_weighted(max as u64, hook.of(weight)).map(summed).boxed_clone()
        }
        Op::CutSum(Cutting::Skip, max, n) => {
            p.chunks_skip(max, max + n as usize).map(hook.by(summed)).boxed_clone()
        }
        Op::SlidingFlat(size, step) => {
            p.sliding(size, step).concat_map_iter(hook.by(|group: Vec<Token>| group)).boxed_clone()
        }
        Op::SlidingSum(size, step) => p.sliding(size, step).map(hook.by(summed)).boxed_clone(),
        Op::MapErr => {
            p.map_err(hook.by(|error: TestError| TestError(error.0 + 1_000))).boxed_clone()
        }
        Op::OnErrorReturn(item) => {
            p.on_error_return(world.ledger.token(item)).map_err(never).boxed_clone()
        }
        Op::OnErrorComplete(all) => p
            .on_error_complete(move |error: &TestError| {
                hook.call();
                all || error.0 % 2 == 1
            })
            .boxed_clone(),
        Op::OnErrorResume(n) => {
            let other = others(n);
            p.on_error_resume(move |_| {
                hook.call();
                other
            })
            .boxed_clone()
        }
        Op::CatchUnwind => {
            let hook = world.hook();
            p.catch_unwind(move |panic| {
                hook.call();
                if panic.message() != Some(PANIC) {
                    world.bounds.breach(format!("{panic:?} was caught"));
                }
                CAUGHT
            })
            .boxed_clone()
        }
        Op::Retry(k) => p.retry(k).boxed_clone(),
        Op::Repeat(k) => p.repeat(k).boxed_clone(),
        Op::RepeatWhile(k) => {
            let mut left = k;
            p.repeat_while(move || {
                hook.call();
                let again = left > 0;
                left = left.saturating_sub(1);
                again
            })
            .boxed_clone()
        }
        Op::RepeatWhen(k) => {
            let mut left = k;
            p.repeat_when(move || {
                hook.call();
                let again = left > 0;
                left = left.saturating_sub(1);
                again.then(|| millstream::just(()).map_err(never))
            })
            .boxed_clone()
        }
        Op::RetryWhen(k) => {
            let mut left = k;
            p.retry_when(move |_| {
                hook.call();
                let again = left > 0;
                left = left.saturating_sub(1);
                again.then(|| millstream::just(()).map_err(never))
            })
            .boxed_clone()
        }
        Op::RetryBackoff(_)
        | Op::RetryAfter(_)
        | Op::RetryItem(..)
        | Op::Timed(..)
        | Op::AggregateFlat(..)
        | Op::Kept(..) => timed(p.boxed_clone(), op, hook),
        Op::SampleOn(n, size) => p.sample_on(signals(&world, n), size).boxed_clone(),
        Op::DelaySubscriptionUntil(n, size) => {
            let signal = signals(&world, n).ignore_items();
            p.delay_subscription_until(signal, size).boxed_clone()
        }
        Op::Inspect => p.inspect(hook.of(|_| ())).boxed_clone(),
        Op::InspectFirst => p.inspect_first(hook.of(|_| ())).boxed_clone(),
        Op::InspectErr => p.inspect_err(move |_| hook.call()).boxed_clone(),
        Op::InspectComplete => p.inspect_complete(move || hook.call()).boxed_clone(),
        Op::InspectEnd => p.inspect_end(move |_| hook.call()).boxed_clone(),
        // A panic in these has nowhere to go, or must not change the stream: they only hold on.
        Op::InspectCancel => {
            let hook = world.hook();
            p.inspect_cancel(move |_| hook.call()).boxed_clone()
        }
        Op::InspectRequest => p.inspect_request(move |_| hook.call()).boxed_clone(),
        Op::InspectSubscribe => {
            let hook = world.hook();
            p.inspect_subscribe(move || hook.call()).boxed_clone()
        }
        Op::Finally => {
            let hook = world.hook();
            p.finally(move |_| hook.call()).boxed_clone()
        }
        Op::OnDiscard => {
            let hook = world.hook();
            p.on_discard(move |item: Token| {
                hook.call();
                drop(item);
            })
            .boxed_clone()
        }
        Op::Named => p.named("named").boxed_clone(),
        Op::Checkpoint => {
            p.checkpoint("checkpoint").map_err(|at: AtCheckpoint<TestError>| at.error).boxed_clone()
        }
        Op::Boxed => Hidden(p).boxed_clone(),
        Op::BoxedClone => p.boxed_clone(),
        Op::PublishOn(size) => p.publish_on(world.runs, size).boxed_clone(),
        Op::SubscribeOn => p.subscribe_on(world.runs).boxed_clone(),
        Op::AsyncBoundary(size) => p.async_boundary(world.runs, size).boxed_clone(),
        Op::Prefetch(size) => p.prefetch(size).boxed_clone(),
        Op::AdaptivePrefetch(min, more) => p.adaptive_prefetch(min, min + more).boxed_clone(),
        Op::WindowFlat(size) => {
            p.window(size).concat_map(hook.by(|window: Window<_, _>| window)).boxed_clone()
        }
        Op::WindowUntilFlat(max, n) => p
            .window_until(max, hook.of(move |item| !passes(item, n)))
            .concat_map(|window| window)
            .boxed_clone(),
        Op::WindowWhileFlat(max, n) => p
            .window_while(max, hook.of(move |item| passes(item, n)))
            .concat_map(|window| window)
            .boxed_clone(),
        Op::WindowByKeyFlat(max, n) => p
            .window_by_key(max, move |item| item.value().div_euclid(n))
            .concat_map(|window| window)
            .boxed_clone(),
        Op::WindowSlidingFlat(size, step) => p
            .window_sliding(size, step)
            .concat_map(hook.by(|window: Window<_, _>| window))
            .boxed_clone(),
        Op::WindowSkipFlat(size, gap) => p
            .window_skip(size, size + gap)
            .concat_map(hook.by(|window: Window<_, _>| window))
            .boxed_clone(),
        Op::ReadyFlat(size) => {
            p.ready_chunks(size).concat_map_iter(hook.by(|chunk: Vec<Token>| chunk)).boxed_clone()
        }
        Op::BufferedQueue(n) => p.buffered_queue(n, Backpressure).boxed_clone(),
        Op::Overflows(n, drops) => {
            let overflow = match drops {
                Drops::Newest => Overflow::drop_newest(),
                Drops::Oldest => Overflow::drop_oldest(),
                Drops::All => Overflow::drop_all(),
            };
            p.buffered_queue(n, overflow).boxed_clone()
        }
        Op::Latest => p.latest().boxed_clone(),
        Op::DropUnwanted => p.drop_unwanted(drop).boxed_clone(),
        Op::Pausable(n) => p.pausable(&Valve::new(), n).boxed_clone(),
        Op::ExpandLast => p.expand_last(hook.of(|_| None)).boxed_clone(),
        Op::Detach => p.detach().boxed_clone(),
        Op::BatchFlat(n) => {
            let groups = p.batch(n, |item| vec![item], push);
            groups.concat_map_iter(hook.by(|group: Vec<Token>| group)).boxed_clone()
        }
        Op::ConflateFlat => {
            let groups = p.conflate_with(|item| vec![item], push);
            groups.concat_map_iter(hook.by(|group: Vec<Token>| group)).boxed_clone()
        }
        Op::CapDemand(n) => {
            let n = NonZeroU64::new(n).expect("not zero");
            p.cap_demand(move |_| n).boxed_clone()
        }
        Op::Merge(n, _)
        | Op::MergePreferred(_, n, _)
        | Op::MergePrioritized(_, n, _)
        | Op::Interleave(n, _)
        | Op::Race(n, _) => {
            let other = others(n).subscribe_on(world.runs.clone()).boxed_clone();
            Joined(p.boxed_clone(), other, op).boxed_clone()
        }
        Op::Zip(n, size) => {
            let other = others(n).subscribe_on(world.runs.clone());
            let sum = hook.by(|(a, b): (Token, Token)| a.map(|a| a.wrapping_add(b.value())));
            if n % 2 == 0 {
                return p.zip(other, size).map(sum).boxed_clone();
            }
            millstream::zip(vec![p.boxed_clone(), other.boxed_clone()], size)
                .map(|row| <[Token; 2]>::try_from(row).expect("there are two").into())
                .map(sum)
                .boxed_clone()
        }
        Op::TakeUntil(n) => p.take_until(signals(&world, n).ignore_items()).boxed_clone(),
        Op::FlatMapUnordered(kind, n, limit, size) => p
            .flat_map_unordered(limit, size, hook.by(move |item| inner_of(&world, kind, &item, n)))
            .boxed_clone(),
        Op::FlatMapUnorderedDelays(kind, n, limit, size) => p
            .flat_map_unordered_delay_error(
                limit,
                size,
                hook.by(move |item| inner_of(&world, kind, &item, n)),
            )
            .map_err(one_of)
            .boxed_clone(),
        Op::FlatMapOrdered(kind, n, limit, size) => p
            .flat_map_ordered(limit, size, hook.by(move |item| inner_of(&world, kind, &item, n)))
            .boxed_clone(),
        Op::SwitchMap(kind, n, size) => {
            p.switch_map(size, hook.by(move |item| inner_of(&world, kind, &item, n))).boxed_clone()
        }
        Op::ExhaustMap(kind, n, size) => {
            p.exhaust_map(size, hook.by(move |item| inner_of(&world, kind, &item, n))).boxed_clone()
        }
        Op::MapAsync(limit) => {
            p.map_async(world.runs.clone(), limit, hook.by(later(world))).boxed_clone()
        }
        Op::FilterAsync(n, limit) => {
            let runs = world.runs.clone();
            let test =
                move |item: i64| Later::new(&world, item.unsigned_abs() % 4, passes(item, n));
            p.filter_async(runs, limit, hook.of(test)).boxed_clone()
        }
        Op::ScanAsync(most) => p
            .scan_async(world.runs.clone(), 0_i64, move |sum, item: Token| {
                hook.call();
                let (times, sum) =
                    (item.value().unsigned_abs() % 4, sum.wrapping_add(item.value()));
                Later::new(&world, times, (sum <= most).then(|| (item.map(|_| sum), sum)))
            })
            .boxed_clone(),
        Op::MapAsyncUnordered(limit) => {
            p.map_async_unordered(world.runs.clone(), limit, hook.by(later(world))).boxed_clone()
        }
        Op::Bulkhead(permits, limit) => {
            bulkhead(p.boxed_clone(), &world.permits(permits), limit, hook)
        }
        Op::BulkheadMerge(n, permits, limit) => {
            let permits = world.permits(permits);
            let other = others(n).subscribe_on(world.runs).boxed_clone();
            let both = [p.boxed_clone(), other];
            let [one, other] = both.map(|p| bulkhead(p, &permits, limit, hook.clone()));
            Joined(one, other, Op::Merge(n, limit)).boxed_clone()
        }
        Op::BroadcastMerge(_)
        | Op::BroadcastZip(_)
        | Op::PartitionMerge(..)
        | Op::BalanceMerge(_)
        | Op::GroupBy(..)
        | Op::Share(_)
        | Op::AlsoToMerge(_)
        | Op::AlsoTo(..)
        | Op::WireTap(..)
        | Op::Acked(..)
        | Op::ThroughStream(_)
        | Op::ThroughChannel(_) => Divided(p.boxed_clone(), op, hook).boxed_clone(),
    }
}

/// Up to so many futures, each with a permit until it is ready.
fn bulkhead(p: Stream, permits: &Permits, limit: usize, hook: Hook) -> Stream {
    let world = hook.world.clone();
    let runs = world.runs.clone();
    let work = later(world);
    let work = move |item: Permitted<Token>| {
        let (item, permit) = item.split();
        let work = work(item);
        async move {
            let item = work.await;
            drop(permit);
            item
        }
    };
    p.bulkhead(runs.clone(), permits).map_async(runs, limit, hook.by(work)).boxed_clone()
}

/// What an item becomes, and then an error for those of the greatest length.
fn failing(
    world: &World,
    item: &Token,
    n: i64,
) -> impl Publisher<Item = Token, Error = TestError> + use<> {
    let fails = inner_length(item.value(), n) == n - 1;
    let state = (world.items(inner(item.value(), n)), fails);
    millstream::generate(state, |(items, fails)| match (items.next(), *fails) {
        (None, true) => Err(FAILED),
        (item, _) => Ok(item),
    })
}

/// That of an inner publisher where there is one: upstream may have failed before it.
fn one_of(failures: Failures<TestError>) -> TestError {
    let all = failures.errors();
    *all.iter().find(|error| **error == FAILED).unwrap_or(&all[0])
}

/// So many, each when a task has gone on.
fn signals(
    world: &World,
    n: usize,
) -> impl Publisher<Item = (), Error = TestError> + Clone + Sync + use<> {
    let world = world.clone();
    let never = |never: std::convert::Infallible| -> TestError { match never {} };
    millstream::range(0..n as i64)
        .map_err(never)
        .map_async(world.runs.clone(), 1, move |n| Later::new(&world, 1 + n.unsigned_abs() % 2, ()))
}

/// Operators that divide one subscription among several readers, or carry it over: assembled anew
/// for each.
#[derive(Clone)]
struct Divided(Stream, Op, Hook);

impl Publisher for Divided {
    type Item = Token;
    type Error = TestError;

    fn subscribe<S: millstream_core::Subscriber<Token, TestError>>(self, subscriber: S) {
        let Divided(p, op, hook) = self;
        let world = hook.world.clone();
        match op {
            Op::BroadcastMerge(size) => {
                let both = p.map(Arc::new).broadcast::<2>(size);
                let both = both.map(|half| half.map(move_out(&world)));
                millstream::merge_all(both, size).subscribe(subscriber);
            }
            Op::BroadcastZip(size) => {
                let [a, b] = p.map(Arc::new).broadcast::<2>(size);
                let sum = hook.by(move |(a, b): (Arc<Token>, Arc<Token>)| {
                    world.ledger.token(a.value().wrapping_add(b.value()))
                });
                a.zip(b, size).map(sum).subscribe(subscriber);
            }
            Op::PartitionMerge(n, size) => {
                let by = hook.of(move |item| usize::from(passes(item, n)));
                millstream::merge_all(p.partition::<2, _>(size, by), size).subscribe(subscriber);
            }
            Op::BalanceMerge(size) => {
                millstream::merge_all(p.balance::<2>(), size).subscribe(subscriber);
            }
            Op::GroupBy(n, size) => {
                let groups = n.unsigned_abs() as usize;
                p.group_by(groups, size, Stalled::Fail, hook.of(move |item| item.rem_euclid(n)))
                    .flat_map_unordered(groups, size, |group| group)
                    .subscribe(subscriber);
            }
            Op::Share(size) => {
                let shared = p.map(Arc::new).publish(size).ref_count(1);
                shared.map(move_out(&world)).subscribe(subscriber);
            }
            Op::AlsoToMerge(size) => {
                let slot = Arc::new(Mutex::new(None));
                let aside = slot.clone();
                let main = p.map(Arc::new).also_to(size, move |side| *lock(&aside) = Some(side));
                // The main stream is subscribed to first.
                let side = millstream::defer(move || lock(&slot).take().expect("there is a side"));
                let own = move_out(&world);
                main.map(own.clone()).merge(side.map(own), size).subscribe(subscriber);
            }
            Op::AlsoTo(n, may_leave, size) => {
                let heard = Heard::new(&world, true);
                let (noted, call) = (heard.clone(), hook.clone());
                let main =
                    p.map(hook.by(move |item| noted.sent(item))).also_to(size, move |side| {
                        call.call();
                        heard.follows(side, n, size);
                    });
                let main = if may_leave { main.side_may_leave() } else { main };
                main.map(move_out(&world)).subscribe(subscriber);
            }
            Op::WireTap(n, size) => {
                let heard = Heard::new(&world, false);
                let (noted, call) = (heard.clone(), hook.clone());
                let main = p.map(hook.by(move |item| noted.sent(item))).wire_tap(move |side| {
                    call.call();
                    heard.follows(side, n, size);
                });
                main.map(move_out(&world)).subscribe(subscriber);
            }
            Op::Acked(acking, window) => {
                let runs = world.runs.clone();
                let acked = p.acked(window, hook.of(|item| item));
                let done = |_| Ok::<_, TestError>(());
                match acking {
                    Acking::InOrder => {
                        settled(acked.commit_in_order(1, done)).subscribe(subscriber);
                    }
                    Acking::InOrderAsync => {
                        let commit = move |_| Later::new(&world, 1, Ok::<_, TestError>(()));
                        settled(acked.commit_in_order_async(1, runs, commit)).subscribe(subscriber);
                    }
                    Acking::Each => {
                        let settle = |_, _| Ok::<_, TestError>(());
                        settled(acked.settle_each(settle)).subscribe(subscriber);
                    }
                    Acking::Batches => {
                        let settle = move |_: Vec<Settled<i64>>| {
                            Later::new(&world, 1, Ok::<_, TestError>(()))
                        };
                        settled(acked.settle_batches(runs, settle)).subscribe(subscriber);
                    }
                }
            }
            #[cfg(feature = "futures")]
            Op::ThroughStream(size) => {
                millstream::from_try_stream(world.runs, p.into_stream(size))
                    .map_err(or_panic)
                    .subscribe(subscriber);
            }
            #[cfg(feature = "futures")]
            Op::ThroughChannel(size) => {
                let (sender, receiver) = millstream::try_channel(size);
                let mut stream = p.into_stream(size);
                let guard = world.guard.clone();
                let pumped = world.runs.spawn(Box::pin(async move {
                    let _guard = guard;
                    while let Some(next) = {
                        let gone = std::pin::pin!(sender.closed());
                        match select(gone, stream.next()).await {
                            Either::Left(_) => return,
                            Either::Right((next, _)) => next,
                        }
                    } {
                        match next {
                            Ok(item) => {
                                if sender.send(item).await.is_err() {
                                    return;
                                }
                            }
                            Err(failure) => return drop(sender.fail(failure)),
                        }
                    }
                    sender.complete();
                }));
                pumped.expect("the executors of the cases take all tasks");
                receiver.map_err(or_panic).subscribe(subscriber);
            }
            _ => unreachable!("another operator"),
        }
    }
}

/// Each item acknowledged as it comes out.
fn settled<P>(acked: AckedPublisher<P>) -> impl Publisher<Item = Token, Error = TestError> + use<P>
where
    P: Publisher<Item = Acked<Token>, Error = AckError<TestError>>,
{
    let errors = |error| match error {
        AckError::Stream(error) => error,
        other => unreachable!("{other:?}: nothing is refused"),
    };
    acked.into_unguarded().map(Acked::ack).map_err(errors)
}

/// What was sent on, and how far a side has followed.
#[derive(Clone)]
struct Heard {
    world: World,
    sent: Arc<Mutex<(Vec<i64>, usize)>>,
    /// The side is to have each item, and not only some of them.
    each: bool,
}

impl Heard {
    fn new(world: &World, each: bool) -> Heard {
        Heard { world: world.clone(), sent: Arc::default(), each }
    }

    fn sent(&self, item: Token) -> Arc<Token> {
        lock(&self.sent).0.push(item.value());
        Arc::new(item)
    }

    /// On a task, up to so many items.
    fn follows(
        self,
        side: impl Publisher<Item = Arc<Token>, Error = TestError>,
        n: u64,
        size: usize,
    ) {
        let runs = self.world.runs.clone();
        let last = self.clone();
        side.take(n)
            .publish_on(runs, size)
            .subscribe_with(move |item| self.heard(item.value()), move |_| last.all(), || {})
            .unbounded()
            .detach();
    }

    fn heard(&self, item: i64) {
        let (sent, at) = &mut *lock(&self.sent);
        let further = &sent[*at..];
        let found = further.iter().position(|other| *other == item);
        match found.filter(|passed| !self.each || *passed == 0) {
            Some(passed) => *at += passed + 1,
            None => {
                self.world.bounds.breach(format!("a side has {item}, where {further:?} follow"))
            }
        }
    }

    /// An error comes after the last item.
    fn all(&self) {
        let (sent, at) = &*lock(&self.sent);
        let newest = at.checked_sub(1).map(|at| sent[at]);
        if newest != sent.last().copied() || self.each && *at < sent.len() {
            let breach = format!("a side fails after {at} items, of {sent:?}");
            self.world.bounds.breach(breach);
        }
    }
}

/// An item that several had, as one of its own.
fn move_out(world: &World) -> impl FnMut(Arc<Token>) -> Token + Clone + Send + 'static {
    let ledger = world.ledger.clone();
    move |item| ledger.token(item.value())
}

/// Errors are errors, and a panic goes on.
#[cfg(feature = "futures")]
fn or_panic(failure: Failure<TestError>) -> TestError {
    match failure {
        Failure::Error(error) => error,
        Failure::Fault(Fault::Panicked(panic)) => panic.resume(),
        Failure::Fault(fault) => panic!("{fault}"),
    }
}

/// One stage that waits for a time.
fn timed(p: Stream, op: Op, hook: Hook) -> Stream {
    let world = hook.world.clone();
    let never = world.runs.clone().with_clock(VirtualClock::new());
    let at_once = world.runs.clone().with_clock(VirtualClock::hasty());
    let rate = Rate::per_second(10);
    let (wait, size) = match op {
        Op::Timed(wait, size) => (wait, size),
        Op::RetryBackoff(k) => {
            let backoff = Backoff::new(SECOND).attempts(k);
            let worth = move |_: &TestError| {
                hook.call();
                true
            };
            return p.retry_backoff(at_once, backoff, worth).boxed_clone();
        }
        Op::RetryAfter(k) => {
            let wait = move |failed: FailedAttempt<'_, TestError>| {
                hook.call();
                (failed.attempt <= k).then_some(SECOND)
            };
            return p.retry_after(at_once, wait).boxed_clone();
        }
        Op::RetryItem(n, k, waits) => {
            let backoff = Backoff::new(if waits { SECOND } else { Duration::ZERO }).attempts(k);
            let call = hook.clone();
            let worth = move |error: &TestError| {
                call.call();
                *error != failed_attempt(WORTHLESS)
            };
            let mut failures = 0;
            let attempt = move |item: &Token| {
                hook.call();
                let value = item.value();
                let result = if failures < value.rem_euclid(n) as u64 {
                    failures += 1;
                    Err(failed_attempt(failures))
                } else {
                    failures = 0;
                    Ok(world.ledger.token(value))
                };
                Later::new(&world, value.unsigned_abs().wrapping_add(failures) % 4, result)
            };
            return p.retry_item(at_once, backoff, worth, attempt).boxed_clone();
        }
        Op::Kept(keep, comes, size) => {
            let time = if comes == Comes::Never { never } else { at_once };
            return match keep {
                Keep::Debounce => p.debounce(time, size, SECOND).boxed_clone(),
                Keep::Sample => p.sample(time, size, SECOND).boxed_clone(),
                Keep::ThrottleFirst => p.throttle_first(time, size, SECOND).boxed_clone(),
                Keep::ThrottleLatest => {
                    p.throttle_latest(time, size, SECOND, Trailing::Send).boxed_clone()
                }
            };
        }
        Op::AggregateFlat(max, n, comes, size) => {
            let time = if comes == Comes::Never { never } else { at_once };
            let add = move |group: &mut Vec<Token>, item: Token| {
                hook.call();
                let last = !passes(item.value(), n);
                group.push(item);
                if last || group.len() == max { Boundary::Here } else { Boundary::Within(SECOND) }
            };
            return p
                .aggregate_with_boundary(time, size, Vec::new, add, |group| group)
                .concat_map_iter(|group: Vec<Token>| group)
                .boxed_clone();
        }
        other => unreachable!("{other:?} waits for no time"),
    };
    match wait {
        Wait::Timeout => p.timeout(never, size, SECOND).map_err(in_time).boxed_clone(),
        Wait::TimeoutFirst => p.timeout_first(never, size, SECOND).map_err(in_time).boxed_clone(),
        Wait::IdleTimeout => p.idle_timeout(never, size, SECOND).map_err(in_time).boxed_clone(),
        Wait::CompletionTimeout => {
            p.completion_timeout(never, size, SECOND).map_err(in_time).boxed_clone()
        }
        Wait::BackpressureTimeout => {
            p.backpressure_timeout(never, size, SECOND).map_err(in_time).boxed_clone()
        }
        Wait::TimeoutOr => {
            let other = millstream::fail(EXCEEDED);
            p.timeout_or(never, size, SECOND, other).boxed_clone()
        }
        Wait::ThrottleEnforcing => p
            .throttle_enforcing(never, size, rate.burst(1 << 40))
            .map_err(|error| match error {
                ThrottleError::Upstream(error) => error,
                early => unreachable!("{early}: there is no end of tokens"),
            })
            .boxed_clone(),
        Wait::TakeWithin => p.take_within(never, size, SECOND).boxed_clone(),
        Wait::KeepAlive => {
            let beat = move || -> Token { unreachable!("its time does not come") };
            p.keep_alive(never, size, SECOND, beat).boxed_clone()
        }
        Wait::ChunksFlat => p
            .chunks_timeout(never, size, CHUNK, SECOND)
            .concat_map_iter(hook.by(|group: Vec<Token>| group))
            .boxed_clone(),
        Wait::WeightedFlat(max) => p
            .chunks_weighted_timeout(never, size, max, SECOND, hook.of(weight))
            .concat_map_iter(|group: Vec<Token>| group)
            .boxed_clone(),
        Wait::WindowFlat => p
            .window_timeout(never, CHUNK, SECOND)
            .concat_map(hook.by(|window: Window<_, _>| window))
            .boxed_clone(),
        Wait::StoppedBy => p.stopped_by(&KillSwitch::new()).boxed_clone(),
        Wait::Throttle => p.throttle(at_once, size, rate).boxed_clone(),
        Wait::ThrottleWeighted => {
            p.throttle_weighted(at_once, size, rate.burst(3), hook.of(weight)).boxed_clone()
        }
        Wait::ThrottleAdaptive => {
            // Cut while items go, down to one in ten seconds.
            let rates = Aimd::new(0.1..=10.0).start(10.0).interval(SECOND);
            let tell = move |sample: &mut Sample| {
                hook.call();
                sample.overloaded = sample.processed > 0;
            };
            p.throttle_adaptive(at_once, size, rates).told_by(tell).boxed_clone()
        }
        Wait::RateLimit => p.rate_limit(at_once, size, &TokenBucket::new(rate)).boxed_clone(),
        Wait::RateLimitWeighted => {
            let bucket = TokenBucket::new(rate.burst(3));
            p.rate_limit_weighted(at_once, size, &bucket, hook.of(weight)).boxed_clone()
        }
        Wait::Delay => p.delay(at_once, size, SECOND).boxed_clone(),
        Wait::DelayEach => p.delay_each(at_once, size, SECOND).boxed_clone(),
        Wait::DelaySubscription => p.delay_subscription(at_once, size, SECOND).boxed_clone(),
        Wait::Adaptive => {
            let limits = Aimd::new(1.0..=ADAPTIVE as f64).start(size as f64);
            p.adaptive_concurrency(at_once, limits, hook.by(later(world))).boxed_clone()
        }
    }
}

/// A stream and a further one, as one.
#[derive(Clone)]
struct Joined(Stream, Stream, Op);

impl Publisher for Joined {
    type Item = Token;
    type Error = TestError;

    fn subscribe<S: millstream_core::Subscriber<Token, TestError>>(self, subscriber: S) {
        let Joined(p, other, op) = self;
        match op {
            Op::Merge(_, size) => millstream::merge_all([p, other], size).subscribe(subscriber),
            Op::MergePreferred(before, _, size) => {
                let both = if before { [p, other] } else { [other, p] };
                merge_all_preferred(both, size).subscribe(subscriber);
            }
            Op::MergePrioritized([one, another], _, size) => {
                merge_all_prioritized([(p, one), (other, another)], size).subscribe(subscriber);
            }
            Op::Interleave(_, turn) => {
                millstream::interleave_all([p, other], turn).subscribe(subscriber);
            }
            Op::Race(_, size) => millstream::race([p, other], size).subscribe(subscriber),
            other => unreachable!("{other:?} is of one stream"),
        }
    }
}

/// The publisher that an item becomes.
fn inner_of(world: &World, kind: Inner, item: &Token, n: i64) -> InnerStream {
    let values = inner(item.value(), n);
    match kind {
        Inner::Pulled => InnerStream::Pulled(supply_of(values.collect(), world)),
        Inner::Pushed => InnerStream::Shared(scripted(values.collect(), None, world).boxed_clone()),
        Inner::Published => {
            let stream = scripted(values.collect(), None, world);
            InnerStream::Shared(stream.publish_on(world.runs.clone(), 1).boxed_clone())
        }
        Inner::Asked => {
            let stream = supply_of(values.collect(), world);
            InnerStream::Shared(stream.subscribe_on(world.runs.clone()).boxed_clone())
        }
    }
}

type Supplied = millstream::source::FromPull<Supply>;

fn supply_of(values: Vec<i64>, world: &World) -> Supplied {
    let values = values.into_iter();
    millstream::from_pull(Supply { world: world.clone(), values, error: None, ahead: Ahead::Waits })
}

#[derive(Clone)]
enum InnerStream {
    Pulled(Supplied),
    Shared(Stream),
}

impl Publisher for InnerStream {
    type Item = Token;
    type Error = TestError;

    fn subscribe<S: millstream_core::Subscriber<Token, TestError>>(self, subscriber: S) {
        match self {
            InnerStream::Pulled(stream) => stream.subscribe(subscriber),
            InnerStream::Shared(stream) => stream.subscribe(subscriber),
        }
    }

    fn into_pull(
        self,
        context: millstream_core::Context,
    ) -> Result<impl Pull<Item = Token, Error = TestError>, Self> {
        match self {
            InnerStream::Pulled(stream) => stream.into_pull(context).map_err(InnerStream::Pulled),
            InnerStream::Shared(stream) => Err(InnerStream::Shared(stream)),
        }
    }
}

fn later(world: World) -> impl Fn(Token) -> Later<Token> + Clone + Send + 'static {
    move |item| Later::new(&world, item.value().unsigned_abs() % 4, item)
}

/// A future that is ready at once, or after it was woken: by itself, or by a task.
struct Later<T> {
    runs: Runs,
    left: u64,
    by_itself: bool,
    item: Option<T>,
    _guard: Arc<()>,
}

impl<T> Later<T> {
    fn new(world: &World, times: u64, item: T) -> Later<T> {
        Later {
            runs: world.runs.clone(),
            left: times % 3,
            by_itself: times.is_multiple_of(2),
            item: Some(item),
            _guard: world.guard.clone(),
        }
    }
}

impl<T: Unpin> Future for Later<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        if self.left == 0 {
            return Poll::Ready(self.item.take().expect("polled after it was ready"));
        }
        self.left -= 1;
        let waker = context.waker().clone();
        if self.by_itself {
            waker.wake();
        } else {
            let woken = self.runs.spawn(Box::pin(async move { waker.wake() }));
            woken.expect("the executors of the cases take all tasks");
        }
        Poll::Pending
    }
}

/// `boxed`, which does not clone, at each subscription.
#[derive(Clone)]
struct Hidden<P>(P);

impl<P: Publisher> Publisher for Hidden<P> {
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: millstream_core::Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        self.0.boxed().subscribe(subscriber);
    }
}
