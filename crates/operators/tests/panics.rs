//! What a panic in user code does, for each place where user code runs.
//!
//! Downstream is told once, by a fault; upstream is dropped; nothing is kept; `subscribe`,
//! `request` and `cancel` return normally.

mod eager;

use std::convert::{Infallible, identity};
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, RawWaker, RawWakerVTable, Wake, Waker};
use std::time::Duration;

use millstream::ack::{AckError, Acked, AckedPublisher, Settled, Verdict};
use millstream::chunk::Boundary;
use millstream::control::Aimd;
use millstream::fan_out::{SlowSubscriber, Stalled};
use millstream::fault::Backoff;
use millstream::limit::Permits;
use millstream::prelude::*;
use millstream::source::{Overflow, Restart, UseEnd};
use millstream::timing::{Rate, TokenBucket};
use millstream::{
    BoxActive, BoxPublisher, BoxSubscriber, Cause, Context, Demand, End, Failure, Fault, More,
    Publisher, Rest, Subscription,
};
use millstream_testkit::sweep::{Ending, Source, TestError};
use millstream_testkit::{
    ActiveProbe, Answer, Behaviour, Event, Faulted, Ledger, Probe, ProbeHandle, ScriptedPublisher,
    Token, probe,
};

use eager::{Eager, in_haste, timeless};

/// Panics without a word on the terminal.
fn ouch() -> ! {
    resume_unwind(Box::new("ouch"))
}

fn normally<R>(what: &str, call: impl FnOnce() -> R) -> R {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(value) => value,
        Err(_) => panic!("a panic came out of `{what}`"),
    }
}

fn behaviours() -> [(&'static str, Behaviour); 4] {
    let request = Answer::Request(Demand::ONE);
    [
        ("unbounded", Behaviour::new().initially(u64::MAX)),
        ("answers one", Behaviour::new().initially(1).each(Answer::ONE)),
        ("requests one inside", Behaviour::new().initially(1).each(request)),
        ("one by one from outside", Behaviour::new()),
    ]
}

fn told_once<V: Clone + PartialEq + std::fmt::Debug>(
    case: &str,
    handle: &ProbeHandle<V, String>,
    ledger: &Ledger,
) {
    let expected = Event::Faulted(Faulted::Panicked(Some("ouch".into())));
    let log = handle.log_text();
    assert_eq!(handle.end(), Some(expected), "{case}:\n{log}");
    assert!(handle.violations().is_empty(), "{case}: {:?}\n{log}", handle.violations());
    assert!(handle.is_dropped(), "{case}: the subscriber is kept\n{log}");
    assert_eq!(ledger.live(), 0, "{case}: items are kept\n{log}");
}

fn text<E: std::fmt::Debug>(error: E) -> String {
    format!("{error:?}")
}

/// A subscriber as it is, or behind a pointer: one type, so that what is above is compiled once for
/// both.
enum Bottom<T, E> {
    Bare(Probe<T, E, (), String>),
    Boxed(BoxSubscriber<T, E>),
}

enum ActiveBottom<T, E> {
    Bare(ActiveProbe<T, E, (), String>),
    Boxed(BoxActive<T, E>),
}

impl<T: Send + 'static, E: Send + 'static> Subscriber<T, E> for Bottom<T, E> {
    type Active = ActiveBottom<T, E>;

    fn on_subscribe(self, subscription: Subscription) -> ActiveBottom<T, E> {
        match self {
            Bottom::Bare(probe) => ActiveBottom::Bare(probe.on_subscribe(subscription)),
            Bottom::Boxed(boxed) => ActiveBottom::Boxed(boxed.on_subscribe(subscription)),
        }
    }

    fn context(&self) -> Context {
        match self {
            Bottom::Bare(probe) => probe.context(),
            Bottom::Boxed(boxed) => boxed.context(),
        }
    }
}

/// Passes on all that a subscriber is told.
macro_rules! each_bottom {
    ($bottom:expr, $active:ident => $call:expr) => {
        match $bottom {
            ActiveBottom::Bare($active) => $call,
            ActiveBottom::Boxed($active) => $call,
        }
    };
}

impl<T: Send + 'static, E: Send + 'static> ActiveSubscriber<T, E> for ActiveBottom<T, E> {
    fn on_next(&mut self, item: T) -> More {
        each_bottom!(self, active => active.on_next(item))
    }

    fn on_request(&mut self, more: More) -> More {
        each_bottom!(self, active => active.on_request(more))
    }

    fn cause(&self) -> Cause {
        each_bottom!(self, active => active.cause())
    }

    fn on_complete(self) {
        each_bottom!(self, active => active.on_complete());
    }

    fn on_error(self, error: E) {
        each_bottom!(self, active => active.on_error(error));
    }

    fn on_fault(self, fault: Fault) {
        each_bottom!(self, active => active.on_fault(fault));
    }

    fn on_end(self, end: End<E>) -> Option<Box<dyn Rest>> {
        each_bottom!(self, active => active.on_end(end))
    }
}

fn bottom<T: Send + 'static, E: Send + std::fmt::Debug + 'static>(
    behaviour: Behaviour,
    boxed: bool,
) -> (Bottom<T, E>, ProbeHandle<(), String>) {
    let (probe, handle) = Probe::recording(behaviour, drop::<T>, text::<E>);
    let bottom = match boxed {
        false => Bottom::Bare(probe),
        true => Bottom::Boxed(BoxSubscriber::new(probe)),
    };
    (bottom, handle)
}

/// Over a source that pushes, a stage is pushed through. Over one that can be pulled, it is pulled
/// itself, where it can be: subscribed to, it would not see that its source could be pulled. What
/// cannot be pulled, such as a stage with a queue, is subscribed to, and may pull its source.
fn check<const PULLS: bool, P: Publisher<Error: std::fmt::Debug>>(
    ending: Ending,
    build: impl Fn(Source<PULLS>) -> P,
) {
    let build = |ledger: &Ledger| build(Source::new(vec![1, 2, 3], ending, ledger));
    // Of the two ways only one is compiled.
    if const { PULLS && P::PULLS } {
        // Whoever pulls has a pointer to the subscriber.
        each_behaviour("pulled", &[true], &|behaviour, _, ledger| {
            let (bottom, handle) = bottom::<P::Item, P::Error>(behaviour, false);
            let publisher = build(ledger);
            normally("subscribe", || match publisher.into_pull(Context::default()) {
                Ok(pull) => ScriptedPublisher::pulling(pull).subscribe(bottom),
                Err(_) => panic!("it can be pulled"),
            });
            handle
        });
    } else {
        let how = if PULLS { "over what is pulled" } else { "pushed" };
        each_behaviour(how, &[false, true], &|behaviour, boxed, ledger| {
            let (bottom, handle) = bottom(behaviour, boxed);
            let publisher = build(ledger);
            normally("subscribe", || publisher.subscribe(bottom));
            handle
        });
    }
}

fn each_behaviour(
    how: &str,
    boxed: &[bool],
    start: &dyn Fn(Behaviour, bool, &Ledger) -> ProbeHandle<(), String>,
) {
    for (says, behaviour) in behaviours() {
        for boxed in boxed {
            let ledger = Ledger::new();
            let handle = start(behaviour.clone(), *boxed, &ledger);
            let case = format!("{says}, {how}, boxed: {boxed}");
            for _ in 0..10 {
                if handle.is_ended() {
                    break;
                }
                normally("request", || handle.request(1));
            }
            told_once(&case, &handle, &ledger);
            normally("cancel", || handle.cancel());
        }
    }
}

/// Of the second item. A function and not a closure, of which each is a type of its own: so are those
/// behind pointers below, where several tests are of one operator.
fn two(n: Token) -> Token {
    if n.value() == 2 { ouch() } else { n }
}

type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

fn of_items<T>(f: impl FnMut(Token) -> T + Send + 'static) -> Box<dyn FnMut(Token) -> T + Send> {
    Box::new(f)
}

fn of_refs<T>(f: impl FnMut(&Token) -> T + Send + 'static) -> Box<dyn FnMut(&Token) -> T + Send> {
    Box::new(f)
}

fn later<T>(f: impl Future<Output = T> + Send + 'static) -> Later<T> {
    Box::pin(f)
}

/// `name: ending, operator`: over a source that pushes and over one that can be pulled.
macro_rules! panics {
    ($($name:ident: $ending:expr, |$source:ident| $build:expr;)*) => {$(
        #[test]
        fn $name() {
            check::<false, _>($ending, |$source| $build);
            check::<true, _>($ending, |$source| $build);
        }
    )*};
}

use Ending::{Complete, Fails};

mod in_closures {
    use super::*;

    panics! {
        inspect_subscribe: Complete, |s| s.inspect_subscribe(|| ouch());
        map: Complete, |s| s.map(two);
        try_map: Complete, |s| s.try_map(|n| if n.value() == 2 { ouch() } else { Ok::<_, TestError>(n) });
        filter_map: Complete, |s| s.filter_map(|n| if n.value() == 2 { ouch() } else { None::<Token> });
        scan: Complete, |s| s.scan((), |(), n| if n.value() == 2 { ouch() } else { Some(n) });
        running_fold: Complete, |s| {
            let seed = s.ledger().token(0);
            s.running_fold(seed, |_, n| if n.value() == 2 { ouch() } else { n })
        };
        stateful_map: Complete, |s| s.stateful_map(|| (), |(), n| if n.value() == 2 { ouch() } else { n }, |()| None);
        stateful_map_create: Complete, |s| s.stateful_map(|| ouch(), |(): &mut (), n| n, |()| None);
        stateful_map_on_complete: Complete, |s| s.stateful_map(|| (), |(), n| n, |()| ouch());
        throttle_weighted: Complete, |s| {
            let cost = |n: &Token| if n.value() == 2 { ouch() } else { 1 };
            s.throttle_weighted(in_haste(), 2, Rate::per_second(10), cost)
        };
        throttle_adaptive_told_by: Complete, |s| {
            let rates = Aimd::new(10.0..=20.0).interval(Duration::from_millis(150));
            s.throttle_adaptive(in_haste(), 2, rates).told_by(|sample| if sample.processed > 0 { ouch() })
        };
        rate_limit_weighted: Complete, |s| {
            let cost = |n: &Token| if n.value() == 2 { ouch() } else { 1 };
            s.rate_limit_weighted(in_haste(), 2, &TokenBucket::new(Rate::per_second(10)), cost)
        };
        map_with_resource: Complete, |s| {
            let resource = s.ledger().token(0);
            s.map_with_resource(|| resource, |_, n| if n.value() == 2 { ouch() } else { n }, |_| None)
        };
        map_with_resource_open: Complete, |s| s.map_with_resource(|| ouch(), |(): &mut (), n| n, |()| None);
        map_with_resource_close: Complete, |s| {
            let resource = s.ledger().token(0);
            s.map_with_resource(|| resource, |_, n| n, |_| ouch())
        };
        filter: Complete, |s| s.filter(|n| n.value() == 2 && ouch());
        skip_while: Complete, |s| s.skip_while(|n| if n.value() == 2 { ouch() } else { true });
        dedup_by_key: Complete, |s| s.dedup_by_key(|n| if n.value() == 2 { ouch() } else { n.value() });
        unique_by: Complete, |s| s.unique_by(|n| if n.value() == 2 { ouch() } else { n.value() });
        take_while: Complete, |s| s.take_while(|n| if n.value() == 2 { ouch() } else { true });
        take_through: Complete, |s| s.take_through(|n| n.value() == 2 && ouch());
        limit_weighted: Complete, |s| s.limit_weighted(9, |n| if n.value() == 2 { ouch() } else { 1 });
        map_while: Complete, |s| s.map_while(|n| if n.value() == 2 { ouch() } else { Some(n) });
        conflate_with: Complete, |s| {
            let of_two = |n: Token| if n.value() == 2 { ouch() } else { n };
            s.conflate_with(of_two, move |_, n| of_two(n))
        };
        batch: Complete, |s| s.batch(1, |n| if n.value() == 2 { ouch() } else { n }, |_, n| n);
        batch_that_grows: Complete, |s| {
            let of_two = |n: Token| if n.value() == 2 { ouch() } else { n };
            s.batch(9, of_two, move |_, n| of_two(n))
        };
        batch_weighted_cost: Complete, |s| {
            s.batch_weighted(9, |n| if n.value() == 2 { ouch() } else { 1 }, |n| n, |_, n| n)
        };
        expand_last: Complete, |s| s.expand_last(|n| if n.value() == 2 { ouch() } else { None });
        concat_map: Complete, |s| {
            let ledger = s.ledger().clone();
            s.concat_map(move |n| {
                if n.value() == 2 { ouch() }
                Source::<true>::new(vec![7, 8], Complete, &ledger)
            })
        };
        concat_map_of_boxes: Complete, |s| {
            let ledger = s.ledger().clone();
            s.concat_map(of_items(move |n| {
                if n.value() == 2 { ouch() }
                Source::<true>::new(vec![7, 8], Complete, &ledger).boxed()
            }))
        };
        concat_map_inside: Complete, |s| {
            let ledger = s.ledger().clone();
            s.concat_map(move |_| Source::<true>::new(vec![7, 8], Complete, &ledger).map(|n| if n.value() == 8 { ouch() } else { n }))
        };
        concat_map_inside_a_box: Complete, |s| {
            let ledger = s.ledger().clone();
            s.concat_map(of_items(move |_| {
                Source::<true>::new(vec![7, 8], Complete, &ledger).map(|n| if n.value() == 8 { ouch() } else { n }).boxed()
            }))
        };
        concat_map_delay_error: Complete, |s| {
            let ledger = s.ledger().clone();
            s.concat_map_delay_error(move |n| {
                if n.value() == 2 { ouch() } else { Source::<true>::new(vec![7], Complete, &ledger) }
            })
        };
        concat_map_delay_error_inside: Complete, |s| {
            let ledger = s.ledger().clone();
            s.concat_map_delay_error(move |_| Source::<true>::new(vec![7, 8], Complete, &ledger).map(|n| if n.value() == 8 { ouch() } else { n }))
        };
        concat_map_iter: Complete, |s| s.concat_map_iter(|n| if n.value() == 2 { ouch() } else { [n] });
        catch_unwind: Complete, |s| {
            s.map(two).catch_unwind(|_| ouch())
        };
        below_catch_unwind: Complete, |s| {
            s.catch_unwind(|_| TestError(9)).map(two)
        };
        below_catch_unwind_as_it_is_asked: Complete, |s| {
            s.catch_unwind(|_| TestError(9)).inspect_request(|_| ouch())
        };
        map_err: Fails(2), |s| s.map_err(|_| -> TestError { ouch() });
        skip_errors: Complete, |s| s.map(Err::<Token, _>).skip_errors(|n| if n.value() == 2 { ouch() });
        on_error_complete: Fails(2), |s| s.on_error_complete(|_| ouch());
        on_error_resume: Fails(2), |s| s.on_error_resume(|_| -> Source<false> { ouch() });
        repeat_while: Complete, |s| s.repeat_while(|| ouch());
        inspect: Complete, |s| s.inspect(|n| if n.value() == 2 { ouch() });
        inspect_first: Complete, |s| s.inspect_first(|_| ouch());
        inspect_err: Fails(2), |s| s.inspect_err(|_| ouch());
        inspect_complete: Complete, |s| s.inspect_complete(|| ouch());
        inspect_end: Complete, |s| s.inspect_end(|_| ouch());
        inspect_end_by_an_error: Fails(2), |s| s.inspect_end(|_| ouch());
        inspect_request: Complete, |s| s.inspect_request(|_| ouch());
        into_publisher: Complete, |s| s.fold(0, |sum, n| if n.value() == 2 { ouch() } else { sum }).into_publisher();
        // The stage above is told of the panic below it, and that below by the fault.
        below_a_buffer: Complete, |s| s.take_last(2).map(|n| if n.value() == 3 { ouch() } else { n });
        above_a_buffer: Complete, |s| s.map(|n| if n.value() == 3 { ouch() } else { n }).take_last(2);
        chunk_until: Complete, |s| s.chunk_until(9, |n| n.value() == 2 && ouch());
        chunk_while: Complete, |s| s.chunk_while(9, |n| if n.value() == 2 { ouch() } else { true });
        chunk_by_key: Complete, |s| s.chunk_by_key(9, |n| if n.value() == 2 { ouch() });
        chunks_weighted: Complete, |s| s.chunks_weighted(9, |n| if n.value() == 2 { ouch() } else { 1 });
        above_a_group: Complete, |s| s.map(two).chunks(5);
        past_an_error_handler: Complete, |s| {
            let item = s.ledger().token(9);
            s.map(two).on_error_return(item)
        };
        past_retry: Complete, |s| s.map(two).retry(3);
        past_resume: Complete, |s| s.map(two).on_error_resume(|_| millstream::empty());
    }

    /// Where it is pulled there is no demand to cap.
    #[test]
    fn cap_demand() {
        check::<false, _>(Complete, |s| s.cap_demand(|_| ouch()));
    }
}

/// A future that panics when it is polled for the second item.
async fn through(n: Token) -> Token {
    if n.value() == 2 { ouch() } else { n }
}

type Done = fn((), Verdict) -> Result<(), TestError>;

const DONE: Done = |(), _| Ok(());

type Tag = fn(&Token);

const TAG: Tag = |_| ();

fn broken() -> Result<(), TestError> {
    ouch()
}

/// Each acknowledged as it comes.
fn settled<P, T>(
    acked: AckedPublisher<P>,
) -> impl Publisher<Item = T, Error = AckError<TestError>> + use<P, T>
where
    P: Publisher<Item = Acked<T>, Error = AckError<TestError>>,
    T: Send + 'static,
{
    acked.into_unguarded().map(Acked::ack)
}

mod in_stages_with_queues {
    use super::*;

    type Scanned = Later<Option<(Token, ())>>;

    fn scan(f: fn((), Token) -> Scanned) -> fn((), Token) -> Scanned {
        f
    }

    fn inner(ledger: &Ledger, n: &Token) -> Source<true> {
        if n.value() == 2 { ouch() } else { Source::new(vec![7, 8], Complete, ledger) }
    }

    fn bad<const PULLS: bool>(
        source: Source<PULLS>,
    ) -> impl Publisher<Item = Token, Error = TestError> {
        source.map(two)
    }

    fn attempts<const PULLS: bool>(
        source: Source<PULLS>,
        worth: fn(&TestError) -> bool,
        attempt: impl FnMut(&Token) -> Later<Result<Token, TestError>> + Send + 'static,
    ) -> impl Publisher<Item = Token, Error = TestError> {
        let backoff = Backoff::new(Duration::from_secs(1));
        source.retry_item(in_haste(), backoff, worth, of_refs(attempt))
    }

    panics! {
        flat_map_unordered: Complete, |s| {
            let ledger = s.ledger().clone();
            s.flat_map_unordered(2, 2, of_items(move |n| inner(&ledger, &n)))
        };
        flat_map_unordered_of_boxes: Complete, |s| {
            let ledger = s.ledger().clone();
            s.flat_map_unordered(2, 2, of_items(move |n| inner(&ledger, &n).boxed()))
        };
        flat_map_unordered_inside: Complete, |s| {
            let ledger = s.ledger().clone();
            s.flat_map_unordered(2, 2, of_items(move |_| {
                Source::<true>::new(vec![7, 8], Complete, &ledger)
                    .map(|n| if n.value() == 8 { ouch() } else { n })
                    .boxed()
            }))
        };
        flat_map_unordered_delay_error: Complete, |s| {
            let ledger = s.ledger().clone();
            s.flat_map_unordered_delay_error(2, 2, move |n| inner(&ledger, &n))
        };
        flat_map_ordered: Complete, |s| {
            let ledger = s.ledger().clone();
            s.flat_map_ordered(2, 2, move |n| inner(&ledger, &n))
        };
        flat_map_ordered_of_boxes: Complete, |s| {
            let ledger = s.ledger().clone();
            s.flat_map_ordered(2, 2, move |n| inner(&ledger, &n).boxed())
        };
        // Of what comes at once only the last is mapped.
        switch_map: Complete, |s| {
            let ledger = s.ledger().clone();
            s.switch_map(2, move |n| inner(&ledger, &n.map(|n| n - 1)).boxed())
        };
        // Of what comes at once only the first is.
        exhaust_map: Complete, |s| {
            let ledger = s.ledger().clone();
            s.skip(1).exhaust_map(2, move |n| inner(&ledger, &n).boxed())
        };
        map_async: Complete, |s| s.map_async(Eager::default(), 2, of_items(|n| if n.value() == 2 { ouch() } else { later(async { n }) }));
        adaptive_concurrency_in_the_future: Complete, |s| {
            s.adaptive_concurrency(timeless(), Aimd::new(2.0..=2.0), through)
        };
        adaptive_concurrency_unordered: Complete, |s| {
            s.adaptive_concurrency_unordered(timeless(), Aimd::new(2.0..=2.0), through)
        };
        then: Complete, |s| s.then(Eager::default(), of_items(|n| if n.value() == 2 { ouch() } else { later(async { n }) }));
        then_in_the_future: Complete, |s| s.then(Eager::default(), of_items(|n| later(through(n))));
        map_async_in_the_future: Complete, |s| s.map_async(Eager::default(), 2, of_items(|n| later(through(n))));
        scan_async: Complete, |s| {
            s.scan_async(Eager::default(), (), scan(|(), n| if n.value() == 2 { ouch() } else { later(async { Some((n, ())) }) }))
        };
        scan_async_in_the_future: Complete, |s| {
            s.scan_async(Eager::default(), (), scan(|(), n| later(async { Some((through(n).await, ())) })))
        };
        filter_async: Complete, |s| {
            s.filter_async(Eager::default(), 2, of_refs(|n| if n.value() == 2 { ouch() } else { later(async { true }) }))
        };
        filter_async_in_the_future: Complete, |s| {
            s.filter_async(Eager::default(), 2, of_refs(|n| {
                let two = n.value() == 2;
                later(async move { if two { ouch() } else { true } })
            }))
        };
        map_async_unordered: Complete, |s| s.map_async_unordered(Eager::default(), 2, through);
        try_map_async: Complete, |s| s.try_map_async(Eager::default(), 2, |n| async { Ok::<_, TestError>(through(n).await) });
        try_map_async_unordered: Complete, |s| {
            s.try_map_async_unordered(Eager::default(), 2, |n| async { Ok::<_, TestError>(through(n).await) })
        };
        group_by_key: Complete, |s| {
            let key = |n: &Token| if n.value() == 2 { ouch() } else { Bad(n.clone(), Of::Nothing) };
            s.group_by(3, 2, Stalled::Fail, of_refs(key)).flat_map_unordered(3, 2, identity)
        };
        group_by_in_a_group: Complete, |s| {
            let key = |n: &Token| Bad(n.clone(), Of::Nothing);
            s.group_by(3, 2, Stalled::Fail, of_refs(key)).flat_map_unordered(3, 2, |group| group.map(two))
        };
        below_group_by: Complete, |s| {
            s.group_by(3, 2, Stalled::Fail, of_refs(|n| Bad(n.clone(), Of::Nothing)))
                .map(|group| if group.key().0.value() == 2 { ouch() } else { group })
                .flat_map_unordered(3, 2, identity)
        };
        partition: Complete, |s| {
            let [all, other] = s.partition::<2, _>(2, |n| if n.value() == 2 { ouch() } else { 0 });
            drop(other);
            all
        };
        below_balance: Complete, |s| {
            let [all] = s.balance::<1>();
            all.map(two)
        };
        map_async_partitioned_key: Complete, |s| {
            let key = |n: &Token| if n.value() == 2 { ouch() } else { Bad(n.clone(), Of::Nothing) };
            s.map_async_partitioned(Eager::default(), 2, of_refs(key), of_items(|n| later(async { n })))
        };
        map_async_partitioned: Complete, |s| {
            let key = |n: &Token| Bad(n.clone(), Of::Nothing);
            s.map_async_partitioned(Eager::default(), 2, of_refs(key), of_items(|n| later(through(n))))
        };
        map_async_partitioned_unordered: Complete, |s| {
            s.map_async_partitioned_unordered(Eager::default(), 2, |_| 1, through)
        };
        try_map_async_partitioned: Complete, |s| {
            s.try_map_async_partitioned(Eager::default(), 2, |_| 1, |n| async { Ok::<_, TestError>(through(n).await) })
        };
        try_map_async_partitioned_unordered: Complete, |s| {
            s.try_map_async_partitioned_unordered(Eager::default(), 2, |_| 1, |n| async {
                Ok::<_, TestError>(through(n).await)
            })
        };
        chunks_weighted_timeout: Complete, |s| {
            let cost = |n: &Token| if n.value() == 2 { ouch() } else { 1 };
            s.chunks_weighted_timeout(timeless(), 2, 9, Duration::from_secs(1), cost)
        };
        aggregate_with_boundary_alloc: Complete, |s| {
            s.aggregate_with_boundary(timeless(), 2, || ouch(), |_: &mut Token, _| Boundary::Here, |n| n)
        };
        aggregate_with_boundary: Complete, |s| {
            let add = |sum: &mut Vec<Token>, n: Token| {
                let n = if n.value() == 2 { ouch() } else { n };
                sum.push(n);
                Boundary::Within(Duration::from_secs(1))
            };
            s.aggregate_with_boundary(timeless(), 2, Vec::new, add, |sum| sum)
        };
        aggregate_with_boundary_harvest: Complete, |s| {
            let add = |sum: &mut Vec<Token>, n| {
                sum.push(n);
                Boundary::Open
            };
            s.aggregate_with_boundary(timeless(), 2, Vec::new, add, |_| -> Token { ouch() })
        };
        above_chunks_timeout: Complete, |s| bad(s).chunks_timeout(timeless(), 2, 9, Duration::from_secs(1));
        above_timeout: Complete, |s| bad(s).timeout(timeless(), 2, Duration::from_secs(1));
        below_timeout: Complete, |s| {
            s.timeout(timeless(), 2, Duration::from_secs(1)).map(two)
        };
        keep_alive: Complete, |s| {
            let held = s.ledger().token(9);
            s.chain(millstream::pending().map_err(|never| match never {}))
                .keep_alive(in_haste(), 2, Duration::from_secs(1), move || if held.value() == 9 { ouch() } else { held.clone() })
        };
        retry_item: Complete, |s| {
            attempts(s, |_| true, |n| {
                let n = if n.value() == 2 { ouch() } else { n.clone() };
                later(async { Ok(n) })
            })
        };
        retry_item_in_the_future: Complete, |s| {
            attempts(s, |_| true, |n| {
                let n = n.clone();
                later(async { Ok(through(n).await) })
            })
        };
        retry_item_in_another_attempt: Complete, |s| {
            let mut calls = 0;
            attempts(s, |_| true, move |_| {
                calls += 1;
                if calls == 2 { ouch() } else { later(async { Err(TestError(1)) }) }
            })
        };
        retry_item_worth: Complete, |s| {
            attempts(s, |_| ouch(), |_| later(async { Err(TestError(1)) }))
        };
        retry_backoff: Fails(2), |s| {
            s.retry_backoff(in_haste(), Backoff::new(Duration::from_secs(1)), |_| ouch())
        };
        retry_after: Fails(2), |s| s.retry_after(in_haste(), |_| ouch());
        retry_when: Fails(2), |s| s.retry_when(|_| -> Option<BoxPublisher<u32, TestError>> { ouch() });
        repeat_when: Complete, |s| s.repeat_when(|| -> Option<BoxPublisher<u32, TestError>> { ouch() });
        above_publish_on: Complete, |s| bad(s).publish_on(Eager::default(), 2);
        below_publish_on: Complete, |s| s.publish_on(Eager::default(), 2).map(two);
        above_subscribe_on: Complete, |s| bad(s).subscribe_on(Eager::default());
        below_subscribe_on: Complete, |s| {
            s.subscribe_on(Eager::default()).map(two)
        };
        above_adaptive_prefetch: Complete, |s| bad(s).adaptive_prefetch(1, 4);
        below_adaptive_prefetch: Complete, |s| {
            s.adaptive_prefetch(1, 4).map(two)
        };
        above_bulkhead: Complete, |s| bad(s).bulkhead(Eager::default(), &Permits::new(1));
        below_bulkhead: Complete, |s| {
            s.bulkhead(Eager::default(), &Permits::new(1)).map(|n| if n.get().value() == 2 { ouch() } else { n })
        };
        above_prefetch: Complete, |s| bad(s).prefetch(2);
        above_prefetch_of_a_box: Complete, |s| bad(s).boxed().prefetch(2);
        below_prefetch: Complete, |s| s.prefetch(2).map(two);
        above_broadcast: Complete, |s| {
            let [a, gone] = bad(s).broadcast::<2>(2);
            drop(gone);
            a
        };
        below_broadcast: Complete, |s| {
            let [a, gone] = s.broadcast::<2>(2);
            drop(gone);
            a.map(two)
        };
        above_also_to: Complete, |s| bad(s).also_to(2, drop).side_may_leave();
        below_also_to: Complete, |s| {
            s.also_to(2, |side| side.subscribe_with(drop, drop, || {}).unbounded().detach())
                .map(two)
        };
        also_to_as_it_is_made: Complete, |s| s.also_to(2, |_| ouch());
        wire_tap_as_it_is_made: Complete, |s| s.wire_tap(|_| ouch());
        below_wire_tap: Complete, |s| {
            s.wire_tap(|side| side.subscribe_with(drop, drop, || {}).unbounded().detach())
                .map(two)
        };
        above_share: Complete, |s| bad(s).publish(2).ref_count(1);
        below_share: Complete, |s| s.share(2).map(two);
        above_replay: Complete, |s| bad(s).replay(2, 2);
        above_a_window: Complete, |s| {
            bad(s).publish(2).slow_subscriber(SlowSubscriber::DropOldest).auto_connect(1)
        };
        above_merge: Complete, |s| {
            let never = millstream::pending().map_err(|never| match never {});
            millstream::merge_all([never.boxed(), bad(s).boxed()], 2)
        };
        above_interleave: Complete, |s| {
            millstream::interleave_all([millstream::empty().map_err(|never| match never {}).boxed(), bad(s).boxed()], 2)
        };
        above_merge_preferred: Complete, |s| {
            let never = millstream::pending().map_err(|never| match never {});
            millstream::merge_all_preferred([never.boxed(), bad(s).boxed()], 2)
        };
        above_merge_prioritized: Complete, |s| {
            let never = millstream::pending().map_err(|never| match never {});
            millstream::merge_all_prioritized([(never.boxed(), 1), (bad(s).boxed(), 2)], 2)
        };
        merge_sorted: Complete, |s| {
            let other = inner(s.ledger(), &s.ledger().token(5)).boxed();
            s.boxed().merge_sorted(other, 2, |_, _| ouch())
        };
        above_window: Complete, |s| bad(s).window(2).concat_map(identity);
        below_window: Complete, |s| {
            let mut n = 0;
            let windows = s.window(1).map(move |window| {
                n += 1;
                if n == 2 { ouch() } else { window }
            });
            windows.concat_map(identity)
        };
        in_a_window: Complete, |s| {
            s.window(3).concat_map(|window| window.map(two))
        };
        window_until: Complete, |s| {
            s.window_until(9, |n| n.value() == 2 && ouch()).concat_map(identity)
        };
        window_by_key: Complete, |s| {
            s.window_by_key(9, |n| if n.value() == 2 { ouch() }).concat_map(identity)
        };
        window_while: Complete, |s| {
            s.window_while(9, |n| n.value() != 2 || ouch()).concat_map(identity)
        };
        acked_tag: Complete, |s| {
            let tag: Tag = |n| if n.value() == 2 { ouch() };
            settled(s.acked(2, tag).settle_each(DONE))
        };
        acked_settle: Complete, |s| {
            let settle: Done = |(), _| ouch();
            settled(s.acked(2, TAG).settle_each(settle))
        };
        acked_map: Complete, |s| {
            let map = |n: Token| if n.value() == 2 { ouch() } else { n };
            settled(s.acked(2, TAG).settle_each(DONE).map(map))
        };
        acked_filter: Complete, |s| {
            settled(s.acked(2, TAG).settle_each(DONE).filter(|n| n.value() != 2 || ouch()))
        };
        commit_in_order: Complete, |s| {
            let commit = |()| -> Result<(), TestError> { ouch() };
            settled(s.acked(2, TAG).commit_in_order(1, commit))
        };
        commit_in_order_async: Complete, |s| {
            let commit = |()| async { broken() };
            settled(s.acked(2, TAG).commit_in_order_async(1, Eager::default(), commit))
        };
        settle_batches: Complete, |s| {
            let settle = |_: Vec<Settled<()>>| async { broken() };
            settled(s.acked(2, TAG).settle_batches(Eager::default(), settle))
        };
        above_ready_chunks: Complete, |s| bad(s).ready_chunks(5);
        below_ready_chunks: Complete, |s| {
            s.ready_chunks(1).map(|chunk| if chunk[0].value() == 2 { ouch() } else { chunk })
        };
        above_chunk_when: Complete, |s| {
            bad(s).chunk_when(millstream::pending::<()>().map_err(|never| match never {}), 5)
        };
        the_signal_of_chunk_when: Complete, |s| {
            let never = millstream::pending::<()>().map_err(|never| match never {});
            never.chunk_when(bad(s).boxed(), 5)
        };
        above_zip: Complete, |s| {
            let never = millstream::pending::<()>().map_err(|never| match never {});
            // What is over a box is not pulled: it sends more than one item ahead of its partner.
            bad(s).boxed().boxed().zip(never, 4)
        };
        above_race: Complete, |s| {
            let never = millstream::pending().map_err(|never| match never {});
            millstream::race([never.boxed(), bad(s).boxed()], 2)
        };
        above_take_until: Complete, |s| bad(s).boxed().take_until(millstream::pending::<()>().map_err(|never| match never {}));
        above_kill_switch: Complete, |s| bad(s).boxed().kill_switch().0;
        above_delivered_by: Complete, |s| {
            let drain = millstream::lifecycle::DrainHandle::new();
            bad(s).boxed().received_by(&drain).delivered_by(&drain)
        };
        in_the_error_of_stopped_by: Complete, |s| {
            let switch = millstream::lifecycle::KillSwitch::new();
            switch.abort_with(|| ouch());
            s.stopped_by(&switch)
        };
        in_the_signal_of_take_until: Complete, |s| {
            let signal = bad(Source::<false>::new(vec![2], Complete, s.ledger()));
            s.take_until(signal)
        };
        in_the_signal_of_skip_until: Complete, |s| {
            let signal = bad(Source::<false>::new(vec![2], Complete, s.ledger()));
            s.skip_until(signal, 2)
        };
        in_the_other_of_with_latest_from: Complete, |s| {
            let other = bad(Source::<false>::new(vec![2], Complete, s.ledger()));
            s.with_latest_from(other, 2)
        };
        in_the_other_of_combine_latest_conflated: Complete, |s| {
            let other = bad(Source::<false>::new(vec![2], Complete, s.ledger()));
            millstream::combine_latest_conflated((s, other), 2)
        };
        in_the_other_of_combine_latest: Complete, |s| {
            let other = bad(Source::<false>::new(vec![2], Complete, s.ledger()));
            millstream::combine_latest((s, other), 2)
        };
    }
}

/// What is called for items that nobody has asked for.
mod without_demand {
    use super::*;

    fn check<P: Publisher<Error: std::fmt::Debug>>(build: impl Fn(Source<false>) -> P) {
        let ledger = Ledger::new();
        let (probe, handle) =
            Probe::recording(Behaviour::new(), drop::<P::Item>, |error| format!("{error:?}"));
        let publisher = build(Source::new(vec![1, 2, 3], Complete, &ledger));
        normally("subscribe", || publisher.subscribe(probe));
        told_once("asks for nothing", &handle, &ledger);
        normally("cancel", || handle.cancel());
    }

    macro_rules! panics {
        ($($name:ident: |$source:ident| $build:expr;)*) => {$(
            #[test]
            fn $name() {
                check(|$source| $build);
            }
        )*};
    }

    panics! {
        conflate: |s| s.conflate(|_, _| ouch());
        drop_unwanted: |s| s.drop_unwanted(|_| ouch());
        error_on_overflow: |s| s.error_on_overflow(|_| -> TestError { ouch() });
    }
}

/// An iterator that gives two items and then panics.
#[derive(Clone)]
struct Breaking(Ledger, i64);

impl Iterator for Breaking {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        self.1 += 1;
        if self.1 == 3 { ouch() } else { Some(self.0.token(self.1)) }
    }
}

mod in_sources {
    use super::*;

    /// The resource of a stream.
    fn acquired<const PULLS: bool>(
        s: &Source<PULLS>,
    ) -> impl Publisher<Item = Token, Error = TestError> + use<PULLS> {
        millstream::just(s.ledger().token(0)).map_err(|never| match never {})
    }

    fn using_when<const PULLS: bool>(
        s: &Source<PULLS>,
        uses: Box<dyn FnOnce(&mut Token) -> Source<PULLS> + Send>,
        ends: fn(Token, UseEnd) -> Later<Result<(), TestError>>,
    ) -> impl Publisher<Item = Token, Error = TestError> + use<PULLS> {
        millstream::using_when(Eager::default(), acquired(s), uses, ends)
    }

    fn breaks() -> Result<(), TestError> {
        ouch()
    }

    fn token_or_ouch(ledger: &Ledger, n: i64) -> Token {
        if n == 3 { ouch() } else { ledger.token(n) }
    }

    panics! {
        from_iter: Complete, |s| millstream::from_iter(Breaking(s.ledger().clone(), 0));
        cycle: Complete, |s| millstream::cycle(Breaking(s.ledger().clone(), 0));
        from_fn: Complete, |s| {
            let (ledger, mut n) = (s.ledger().clone(), 0);
            millstream::from_fn(move || { n += 1; Some(token_or_ouch(&ledger, n)) })
        };
        generate: Complete, |s| {
            let ledger = s.ledger().clone();
            let state = ledger.token(0);
            millstream::generate(state, move |state| {
                let token = token_or_ouch(&ledger, state.value() + 1);
                *state = token.clone();
                Ok::<_, TestError>(Some(token))
            })
        };
        unfold: Complete, |s| {
            let ledger = s.ledger().clone();
            millstream::unfold(ledger.token(0), move |n| {
                let token = token_or_ouch(&ledger, n.value() + 1);
                Some((token.clone(), token))
            })
        };
        successors: Complete, |s| {
            let ledger = s.ledger().clone();
            let first = ledger.token(1);
            millstream::successors(Some(first), move |n| Some(token_or_ouch(&ledger, n.value() + 1)))
        };
        restart_with_backoff: Complete, |s| {
            let restart = Restart::new(Backoff::new(Duration::from_secs(1)));
            millstream::restart_with_backoff(in_haste(), restart, move || -> Source<true> {
                let _s = &s;
                ouch()
            })
        };
        create: Complete, |s| {
            millstream::try_create(2, Overflow::drop_newest(), move |_: millstream::source::Emitter<Token, TestError>| {
                let _s = &s;
                ouch()
            })
        };
        unfold_async: Complete, |s| {
            let ledger = s.ledger().clone();
            millstream::unfold_async(Eager::default(), 0, move |n| {
                let token = token_or_ouch(&ledger, n + 1);
                async move { Some((token, n + 1)) }
            })
        };
        unfold_async_in_the_future: Complete, |s| {
            let ledger = s.ledger().clone();
            millstream::unfold_async(Eager::default(), 0, move |n| {
                let ledger = ledger.clone();
                async move { Some((token_or_ouch(&ledger, n + 1), n + 1)) }
            })
        };
        try_unfold_async: Complete, |s| {
            let ledger = s.ledger().clone();
            millstream::try_unfold_async(Eager::default(), 0, move |n| {
                let ledger = ledger.clone();
                async move { Ok::<_, TestError>(Some((token_or_ouch(&ledger, n + 1), n + 1))) }
            })
        };
        defer: Complete, |s| millstream::defer(move || -> Source<true> { let _s = s; ouch() });
        lazy: Complete, |s| millstream::lazy(move || -> Source<true> { let _s = s; ouch() });
        using_acquire: Complete, |s| millstream::using(|| -> Result<(), TestError> { ouch() }, |()| s, drop);
        using_use: Complete, |s| {
            let resource = s.ledger().token(0);
            millstream::using(|| Ok(resource), |_| -> Source<true> { ouch() }, drop)
        };
        using_release: Complete, |s| {
            let resource = s.ledger().token(0);
            millstream::using(|| Ok(resource), |_| s, |_| ouch())
        };
        using_when_use: Complete, |s| using_when(&s, Box::new(|_| ouch()), |_, _| later(async { Ok(()) }));
        using_when_clean_up: Complete, |s| {
            let used = s.clone();
            using_when(&s, Box::new(|_| used), |_, _| ouch())
        };
        using_when_clean_up_polled: Complete, |s| {
            let used = s.clone();
            let ends = |resource, _| later(async move {
                drop(resource);
                breaks()
            });
            using_when(&s, Box::new(|_| used), ends)
        };
        concat: Complete, |s| {
            let ledger = s.ledger().clone();
            millstream::concat((1..).map(move |n| millstream::just(token_or_ouch(&ledger, n))))
        };
        start_with: Complete, |s| {
            let first = Breaking(s.ledger().clone(), 0);
            s.start_with(first)
        };
        concat_map_iter_next: Complete, |s| {
            let ledger = s.ledger().clone();
            s.concat_map_iter(move |_| Breaking(ledger.clone(), 0))
        };
    }
}

/// What of an item panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Nothing,
    Clone,
    Eq,
    Hash,
    Drop,
}

/// An item whose own code panics.
struct Bad(Token, Of);

impl Clone for Bad {
    fn clone(&self) -> Bad {
        if self.1 == Of::Clone {
            ouch()
        }
        Bad(self.0.clone(), self.1)
    }
}

impl PartialEq for Bad {
    fn eq(&self, other: &Bad) -> bool {
        if self.1 == Of::Eq {
            ouch()
        }
        self.0 == other.0
    }
}

impl Eq for Bad {}

impl Hash for Bad {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if self.1 == Of::Hash {
            ouch()
        }
        self.0.hash(state);
    }
}

impl Drop for Bad {
    fn drop(&mut self) {
        if self.1 == Of::Drop && !std::thread::panicking() {
            ouch()
        }
    }
}

impl From<Token> for Bad {
    fn from(_: Token) -> Bad {
        ouch()
    }
}

mod in_items {
    use super::*;

    /// The same number again and again, so that each is compared.
    fn all<const PULLS: bool>(
        source: Source<PULLS>,
        of: Of,
    ) -> impl Publisher<Item = Bad, Error = TestError> {
        source.map(move |n| Bad(n.map(|_| 1), of))
    }

    panics! {
        running_fold_clone: Complete, |s| {
            let seed = Bad(s.ledger().token(0), Of::Clone);
            s.running_fold(seed, |sum, _| sum)
        };
        sliding_clone: Complete, |s| all(s, Of::Clone).sliding(2, 1);
        window_sliding_clone: Complete, |s| {
            all(s, Of::Clone).window_sliding(2, 1).concat_map(identity)
        };
        pairwise_clone: Complete, |s| all(s, Of::Clone).pairwise();
        repeat_value_clone: Complete, |s| millstream::repeat_value(Bad(s.ledger().token(0), Of::Clone));
        dedup_clone: Complete, |s| all(s, Of::Clone).dedup();
        dedup_eq: Complete, |s| all(s, Of::Eq).dedup();
        unique_clone: Complete, |s| all(s, Of::Clone).unique();
        unique_eq: Complete, |s| all(s, Of::Eq).unique();
        unique_hash: Complete, |s| all(s, Of::Hash).unique();
        unique_within_clone: Complete, |s| all(s, Of::Clone).unique_within(2);
        unique_within_eq: Complete, |s| all(s, Of::Eq).unique_within(2);
        unique_within_hash: Complete, |s| all(s, Of::Hash).unique_within(2);
        map_into_from: Complete, |s| s.map_into::<Bad>();
        group_by_hash: Complete, |s| {
            s.group_by(3, 2, Stalled::Fail, of_refs(|n| Bad(n.clone(), Of::Hash))).flat_map_unordered(3, 2, identity)
        };
        group_by_eq: Complete, |s| {
            let key = s.ledger().token(0);
            s.group_by(3, 2, Stalled::Fail, of_refs(move |_| Bad(key.clone(), Of::Eq))).flat_map_unordered(3, 2, identity)
        };
        group_by_clone: Complete, |s| {
            s.group_by(3, 2, Stalled::Fail, of_refs(|n| Bad(n.clone(), Of::Clone))).flat_map_unordered(3, 2, identity)
        };
        map_async_partitioned_hash: Complete, |s| {
            let key = |n: &Token| Bad(n.clone(), Of::Hash);
            s.map_async_partitioned(Eager::default(), 2, of_refs(key), of_items(|n| later(async { n })))
        };
        map_async_partitioned_eq: Complete, |s| {
            let key = s.ledger().token(0);
            let never = of_items(|_| later(std::future::pending::<Token>()));
            s.map_async_partitioned(Eager::default(), 2, of_refs(move |_| Bad(key.clone(), Of::Eq)), never)
        };
        map_async_partitioned_drop: Complete, |s| {
            let key = |n: &Token| Bad(n.clone(), Of::Drop);
            s.map_async_partitioned(Eager::default(), 2, of_refs(key), of_items(|n| later(async { n })))
        };
        filter_drop: Complete, |s| all(s, Of::Drop).filter(|_| false);
        skip_drop: Complete, |s| all(s, Of::Drop).skip(2);
        ignore_items_drop: Complete, |s| all(s, Of::Drop).ignore_items();
    }

    /// Three items are held, the first of which panics when it is dropped, by cancellation.
    fn three_held<P: Publisher<Error: std::fmt::Debug>>(
        name: &str,
        build: impl Fn(BoxPublisher<Bad, Infallible>) -> P,
    ) {
        let ledger = Ledger::new();
        let own = ledger.clone();
        let three = millstream::from_iter(1..=3_i64)
            .map(move |n| Bad(own.token(n), if n == 1 { Of::Drop } else { Of::Nothing }));
        let (probe, handle) =
            Probe::recording(Behaviour::new(), drop::<P::Item>, |error| format!("{error:?}"));
        let publisher = build(three.chain(millstream::pending()).boxed());
        normally("subscribe", || publisher.subscribe(probe));
        normally("request", || handle.request(1));
        normally("cancel", || handle.cancel());
        assert_eq!(handle.end(), None, "{name}");
        assert!(handle.is_dropped(), "{name}");
        assert_eq!(ledger.live(), 0, "{name}: items are kept");
    }

    type Held = Box<dyn std::any::Any + Send>;

    /// Asked for three, of which none is taken: in a queue that is of one type, whatever they are.
    fn not_wanted(
        three: impl Publisher<Item: 'static, Error = Infallible>,
    ) -> impl Publisher<Item = (Held, ()), Error = Infallible> {
        let held: BoxPublisher<Held, Infallible> = three.map(|it| Box::new(it) as Held).boxed();
        held.zip(millstream::pending::<()>(), 3)
    }

    #[test]
    fn the_rest_of_a_queue_is_dropped_after_an_item_that_panics_in_drop() {
        three_held("take_last", |three| three.take_last(5));
        three_held("skip_last", |three| three.skip_last(5));
        three_held("chunks", |three| three.chunks(5));
        three_held("chunks_skip", |three| three.chunks_skip(5, 6));
        three_held("chunk_until", |three| three.chunk_until(5, |_| false));
        three_held("chunks_weighted", |three| three.chunks_weighted(5, |_| 1));
        three_held("window", |three| not_wanted(three.window(5)));
        three_held("window_of_one", |three| not_wanted(three.window(1)));
        three_held("window_sliding", |three| not_wanted(three.window_sliding(5, 5)));
        three_held("chunk_when", |three| three.chunk_when(millstream::pending::<()>(), 5));
        three_held("ready_chunks", |three| not_wanted(three.ready_chunks(5)));
        three_held("sliding", |three| three.sliding(5, 5));
        three_held("prefetch", |three| not_wanted(three.prefetch(3)));
        three_held("publish_on", |three| not_wanted(three.publish_on(Eager::default(), 3)));
        three_held("publish", |three| not_wanted(three.map(Arc::new).publish(3).ref_count(1)));
        three_held("publish_dropping_oldest", |three| {
            let shared = three.map(Arc::new).publish(3).slow_subscriber(SlowSubscriber::DropOldest);
            not_wanted(shared.ref_count(1))
        });
        three_held("zip", |three| three.zip(millstream::pending::<()>(), 3));
        three_held("merge", |three| {
            not_wanted(millstream::merge_all([three, millstream::pending().boxed()], 3))
        });
    }

    #[test]
    fn what_a_source_holds_is_dropped_after_an_item_that_panics_in_drop() {
        let ledger = Ledger::new();
        let three: Vec<_> = (1..=3)
            .map(|n| Bad(ledger.token(n), if n == 1 { Of::Drop } else { Of::Nothing }))
            .collect();
        let (probe, handle) =
            Probe::recording(Behaviour::new(), drop::<Bad>, |never: Infallible| never);
        normally("subscribe", || millstream::from_iter(three).subscribe(probe));
        normally("cancel", || handle.cancel());
        assert!(handle.is_dropped());
        assert_eq!(ledger.live(), 0);
    }
}

/// What follows a source that others fill runs where they call it: they are not the ones to blame.
#[test]
fn a_panic_below_does_not_come_out_of_whoever_sends() {
    type Given = Box<dyn Fn(Token) -> bool>;
    let bad = |n: Token| if n.value() == 2 { ouch() } else { n };
    for source in ["channel", "oneshot", "emitter"] {
        let ledger = Ledger::new();
        let (probe, handle) =
            Probe::recording(Behaviour::new().initially(9), drop::<Token>, |_: Infallible| {
                String::new()
            });
        let send: Given = match source {
            "channel" => {
                let (sender, items) = millstream::channel(4);
                items.map(bad).subscribe(probe);
                Box::new(move |item| sender.try_send(item).is_ok())
            }
            "emitter" => {
                let (emitter, items) = millstream::emitter(4, Overflow::drop_oldest());
                items.map(bad).subscribe(probe);
                Box::new(move |item| emitter.emit(item).is_ok())
            }
            _ => {
                let (sender, item) = millstream::oneshot();
                item.map(bad).subscribe(probe);
                let sender = std::cell::Cell::new(Some(sender));
                Box::new(move |item| sender.take().is_some_and(|sender| sender.send(item).is_ok()))
            }
        };
        if source != "oneshot" {
            assert!(normally("a send", || send(ledger.token(1))), "{source}");
        }
        assert!(normally("a send", || send(ledger.token(2))), "{source}");
        assert!(!normally("a send", || send(ledger.token(3))), "{source}: it is over");
        told_once(source, &handle, &ledger);
    }
}

/// Three items are queued, the first of which panics when it is dropped, by cancellation.
#[test]
fn the_rest_of_what_was_sent_is_dropped_after_an_item_that_panics_in_drop() {
    struct Bad(#[expect(dead_code, reason = "counted by being there")] Token, bool);

    impl Drop for Bad {
        fn drop(&mut self) {
            if self.1 {
                ouch()
            }
        }
    }

    for source in ["channel", "emitter"] {
        let ledger = Ledger::new();
        let (probe, handle) =
            Probe::recording(Behaviour::new(), drop::<Bad>, |never: Infallible| never);
        let item = |n| Bad(ledger.token(n), n == 1);
        let _keeps: Box<dyn std::any::Any> = if source == "channel" {
            let (sender, items) = millstream::channel(3);
            (1..=3).for_each(|n| assert!(sender.try_send(item(n)).is_ok()));
            items.subscribe(probe);
            Box::new(sender)
        } else {
            let (emitter, items) = millstream::emitter(3, Overflow::drop_newest());
            (1..=3).for_each(|n| assert!(emitter.emit(item(n)).is_ok()));
            items.subscribe(probe);
            Box::new(emitter)
        };
        normally("cancel", || handle.cancel());
        assert!(handle.is_dropped(), "{source}");
        assert_eq!(ledger.live(), 0, "{source}: items are kept");
    }
}

#[test]
fn a_panic_in_the_discard_hook_leaves_nothing() {
    let ledger = Ledger::new();
    let source = Source::<true>::new(vec![1, 2, 3], Complete, &ledger);
    let publisher = source.take_last(3).on_discard(|n: Token| {
        if n.value() == 1 {
            ouch()
        }
    });
    let (probe, handle) =
        Probe::recording(Behaviour::new(), drop::<Token>, |error| format!("{error:?}"));
    normally("subscribe", || publisher.subscribe(probe));
    normally("cancel", || handle.cancel());
    assert!(handle.is_dropped());
    assert_eq!(ledger.live(), 0);
}

#[test]
fn a_panic_in_finally_or_in_a_look_at_cancel_does_not_unwind() {
    let ledger = Ledger::new();
    let source = Source::<true>::new(vec![1, 2, 3], Complete, &ledger);
    let publisher = source.inspect_cancel(|_| ouch()).finally(|_| ouch());
    let (probe, handle) =
        Probe::recording(Behaviour::new(), drop::<Token>, |error| format!("{error:?}"));
    normally("subscribe", || publisher.subscribe(probe));
    normally("request", || handle.request(1));
    normally("cancel", || handle.cancel());
    assert!(handle.is_dropped());
    assert_eq!(ledger.live(), 0);
}

#[test]
fn a_second_subscriber_is_not_affected() {
    let ledger = Ledger::new();
    let source = Source::<true>::new(vec![1, 2, 3], Complete, &ledger);
    let first = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let publisher = source
        .map(move |n| {
            if first.swap(false, std::sync::atomic::Ordering::SeqCst) {
                ouch()
            }
            n.value()
        })
        .boxed_clone();
    let (one, two) = (publisher.clone(), publisher);
    let broken = probe(one, Behaviour::new().initially(9));
    broken.assert_faulted(&Faulted::Panicked(Some("ouch".into())));
    let whole = probe(two, Behaviour::new().initially(9));
    whole.assert_items(&[1, 2, 3]);
    whole.assert_completed();
    assert_eq!(ledger.live(), 0);
}

/// A subscriber that panics when it is dropped.
struct BadSubscriber(
    #[expect(dead_code, reason = "it is counted, not read")] Token,
    Option<Subscription>,
    u64,
);

impl Drop for BadSubscriber {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            ouch()
        }
    }
}

impl<T: Send + 'static, E: Send + 'static> Subscriber<T, E> for BadSubscriber {
    type Active = BadSubscriber;

    fn on_subscribe(mut self, subscription: Subscription) -> BadSubscriber {
        subscription.request(Demand::of(self.2));
        self.1 = Some(subscription);
        self
    }
}

impl<T: Send + 'static, E: Send + 'static> ActiveSubscriber<T, E> for BadSubscriber {
    fn on_next(&mut self, _: T) -> More {
        self.2 -= 1;
        if self.2 == 0 { More::CANCEL } else { More::NONE }
    }

    fn on_complete(self) {}

    fn on_error(self, _: E) {}
}

#[test]
fn a_panic_in_the_drop_of_a_subscriber_does_not_unwind_to_the_caller() {
    for asks in 1..=9 {
        for ending in [Complete, Fails(2)] {
            let ledger = Ledger::new();
            let source = Source::<true>::new(vec![1, 2, 3], ending, &ledger);
            let subscriber = BadSubscriber(ledger.token(0), None, asks);
            normally("subscribe", || source.map(|n| n).subscribe(subscriber));
            assert_eq!(ledger.live(), 0, "{asks} {ending:?}");
        }
    }
}

struct BadWaker;

impl Wake for BadWaker {
    fn wake(self: Arc<Self>) {
        ouch()
    }
}

#[test]
fn a_waker_that_panics_harms_neither_the_sender_nor_the_result() {
    use millstream_testkit::ScriptedPublisher;
    let ledger = Ledger::new();
    let upstream = ScriptedPublisher::<Token, TestError>::new();
    let mut end = Box::pin(upstream.clone().last());
    let waker = Waker::from(Arc::new(BadWaker));
    assert!(end.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
    normally("next", || upstream.next(ledger.token(1)));
    normally("complete", || upstream.complete());
    let result = end.as_mut().poll(&mut std::task::Context::from_waker(Waker::noop()));
    assert!(matches!(result, Poll::Ready(Ok(Some(_)))), "{result:?}");
    drop((end, result));

    let mut cursor = millstream::from_iter([1]).chain(millstream::pending()).cursor();
    let first = Box::pin(cursor.next()).as_mut().poll(&mut std::task::Context::from_waker(&waker));
    assert!(matches!(first, Poll::Ready(Ok(Some(1)))), "{first:?}");
    assert_eq!(ledger.live(), 0);
}

#[test]
fn a_waker_that_panics_when_it_is_cloned_can_be_replaced() {
    static TABLE: RawWakerVTable = RawWakerVTable::new(|_| ouch(), |_| (), |_| (), |_| ());
    // SAFETY: the functions use no data.
    let bad = unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &TABLE)) };
    use millstream_testkit::ScriptedPublisher;
    let upstream = ScriptedPublisher::<i32, TestError>::new();
    let mut end = Box::pin(upstream.clone().last());
    let polled = catch_unwind(AssertUnwindSafe(|| {
        end.as_mut().poll(&mut std::task::Context::from_waker(&bad))
    }));
    assert!(polled.is_err(), "the executor that polls is told");
    assert!(end.as_mut().poll(&mut std::task::Context::from_waker(Waker::noop())).is_pending());
    upstream.next(1);
    upstream.complete();
    let result = end.as_mut().poll(&mut std::task::Context::from_waker(Waker::noop()));
    assert!(matches!(result, Poll::Ready(Ok(Some(1)))), "{result:?}");

    let upstream = ScriptedPublisher::<i32, TestError>::new();
    let mut cursor = upstream.clone().cursor();
    let mut next = Box::pin(cursor.next());
    let polled = catch_unwind(AssertUnwindSafe(|| {
        next.as_mut().poll(&mut std::task::Context::from_waker(&bad))
    }));
    assert!(polled.is_err(), "the executor that polls is told");
    normally("next", || upstream.next(1));
    let result = next.as_mut().poll(&mut std::task::Context::from_waker(Waker::noop()));
    assert!(matches!(result, Poll::Ready(Ok(Some(1)))), "{result:?}");
}

mod in_ends {
    use super::*;

    /// The fault of an end that is waited for, with nothing left behind.
    fn faulted<T: std::fmt::Debug, E: std::fmt::Debug>(
        name: &str,
        ledger: &Ledger,
        result: Result<T, Failure<E>>,
    ) {
        match result {
            Err(Failure::Fault(Fault::Panicked(panic))) => {
                assert_eq!(panic.message(), Some("ouch"), "{name}")
            }
            other => panic!("{name}: {other:?}"),
        }
        assert_eq!(ledger.live(), 0, "{name}");
    }

    macro_rules! ends {
        ($($name:ident: |$source:ident| $end:expr;)*) => {$(
            #[test]
            fn $name() {
                let ledger = Ledger::new();
                let $source = Source::<false>::new(vec![1, 2, 3], Complete, &ledger);
                faulted("pushed", &ledger, $end.block());
                let $source = Source::<true>::new(vec![1, 2, 3], Complete, &ledger);
                faulted("pulled", &ledger, $end.block());
                let $source = Source::<true>::new(vec![1, 2, 3], Complete, &ledger).boxed();
                faulted("boxed", &ledger, $end.block());
            }
        )*};
    }

    /// An `Ord` that panics.
    #[derive(Debug)]
    struct Unordered(Token);
    impl PartialEq for Unordered {
        fn eq(&self, _: &Self) -> bool {
            ouch()
        }
    }
    impl Eq for Unordered {}
    impl PartialOrd for Unordered {
        fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
            Some(self.cmp(other))
        }
    }
    impl Ord for Unordered {
        fn cmp(&self, other: &Self) -> std::cmp::Ordering {
            if self.0 == other.0 { std::cmp::Ordering::Equal } else { ouch() }
        }
    }

    /// A collection that panics.
    #[derive(Debug, Default)]
    struct Full(Vec<Token>);
    impl Extend<Token> for Full {
        fn extend<I: IntoIterator<Item = Token>>(&mut self, items: I) {
            self.0.extend(items);
            if self.0.len() >= 2 {
                ouch()
            }
        }
    }

    ends! {
        collect: |s| s.collect::<Full>();
        collect_max: |s| s.collect_max::<Full>(9);
        fold: |s| s.fold(Vec::new(), |mut all, n| {
            all.push(n);
            if all.len() == 2 { ouch() }
            all
        });
        try_fold: |s| s.try_fold((), |(), n| if n.value() == 2 { ouch() } else { Ok(()) });
        reduce: |s| s.reduce(|_, _| ouch());
        for_each: |s| s.for_each(|n| if n.value() == 2 { ouch() });
        try_for_each: |s| s.try_for_each(|n| if n.value() == 2 { ouch() } else { Ok(()) });
        all: |s| s.all(|n| if n.value() == 2 { ouch() } else { true });
        any: |s| s.any(|n| n.value() == 2 && ouch());
        sequence_equal: |s| {
            let others = millstream::from_iter(0..9).map_err(|never| match never {});
            s.sequence_equal(others, 2, |n: &Token, _: &i64| n.value() != 2 || ouch())
        };
        min: |s| s.map(Unordered).min();
        max: |s| s.map(Unordered).max();
    }

    #[test]
    fn subscribe_with() {
        for place in ["next", "error", "complete"] {
            let ledger = Ledger::new();
            let ending = if place == "error" { Fails(2) } else { Complete };
            let source = Source::<true>::new(vec![1, 2, 3], ending, &ledger);
            let token = ledger.token(0);
            let with = source.subscribe_with(
                move |n| {
                    if place == "next" && n.value() == 2 {
                        drop(token.clone());
                        ouch()
                    }
                },
                move |_| {
                    if place == "error" {
                        ouch()
                    }
                },
                move || {
                    if place == "complete" {
                        ouch()
                    }
                },
            );
            let handle = normally("unbounded", || with.unbounded());
            normally("request", || handle.request(Demand::ONE));
            assert_eq!(ledger.live(), 0, "{place}");
            match handle.block() {
                Err(Fault::Panicked(panic)) => assert_eq!(panic.message(), Some("ouch"), "{place}"),
                other => panic!("{place}: {other:?}"),
            }
        }
    }
}

/// A publisher that panics while it is subscribed to.
#[derive(Debug, Clone, Copy)]
enum BreaksInSubscribe {
    BeforeTheSubscription,
    AfterTheSubscription,
    AfterAnItem,
}

impl Publisher for BreaksInSubscribe {
    type Item = u32;
    type Error = String;

    fn subscribe<S: Subscriber<u32, String>>(self, subscriber: S) {
        #[derive(Clone, Default)]
        struct Asked(Arc<AtomicBool>);
        impl millstream::Upstream for Asked {
            fn request(&self, _: Demand) {
                self.0.store(true, Ordering::SeqCst);
            }
            fn cancel(&self) {}
        }
        if let BreaksInSubscribe::BeforeTheSubscription = self {
            ouch();
        }
        let asked = Asked::default();
        let mut active = subscriber.on_subscribe(Subscription::new(Arc::new(asked.clone())));
        let more = active.on_request(More::NONE);
        if let BreaksInSubscribe::AfterAnItem = self
            && (more.count() > 0 || asked.0.load(Ordering::SeqCst))
        {
            let _more = active.on_next(1);
        }
        ouch();
    }
}

/// Also where that runs as a part of what is downstream of it: on a task, for several, as a signal.
#[test]
fn a_panic_in_subscribe_is_told_as_one() {
    type Build = fn(BreaksInSubscribe) -> Vec<BoxPublisher<u32, String>>;
    let builds: [(&str, Build); 9] = [
        ("subscribe_on", |up| vec![up.subscribe_on(Eager::default()).boxed()]),
        ("a stage", |up| vec![up.map(|n| n).subscribe_on(Eager::default()).boxed()]),
        ("async_boundary", |up| vec![up.async_boundary(Eager::default(), 2).boxed()]),
        ("publish_on", |up| vec![up.publish_on(Eager::default(), 2).boxed()]),
        ("the signal of take_until", |up| {
            vec![millstream::pending().map_err(|never| match never {}).take_until(up).boxed()]
        }),
        ("concat_map", |up| {
            vec![up.concat_map(|n| millstream::just(n).map_err(text).boxed()).boxed()]
        }),
        ("an inner publisher", |up| {
            vec![millstream::just(1).map_err(text).concat_map(move |_| up.boxed()).boxed()]
        }),
        ("broadcast", |up| up.broadcast::<3>(2).map(|part| part.boxed()).into()),
        ("broadcast on a task", |up| {
            up.subscribe_on(Eager::default()).broadcast::<2>(2).map(|part| part.boxed()).into()
        }),
    ];
    use BreaksInSubscribe::{AfterAnItem, AfterTheSubscription, BeforeTheSubscription};
    for (name, build) in builds {
        for breaks in [BeforeTheSubscription, AfterTheSubscription, AfterAnItem] {
            for (how, behaviour) in behaviours() {
                let case = format!("{name}, {breaks:?}, {how}");
                let handles: Vec<_> = build(breaks)
                    .into_iter()
                    .map(|publisher| {
                        let (probe, handle) = Probe::recording(behaviour.clone(), |n| n, identity);
                        normally(&case, || publisher.subscribe(probe));
                        if how == "one by one from outside" && !handle.is_ended() {
                            normally(&case, || handle.request(1));
                        }
                        handle
                    })
                    .collect();
                for handle in handles {
                    told_once::<u32>(&case, &handle, &Ledger::new());
                }
            }
        }
    }
}

/// Who has cancelled is told nothing, and the others are.
#[test]
fn a_panic_in_subscribe_is_no_news_to_whoever_has_cancelled() {
    let [one, other] = BreaksInSubscribe::AfterAnItem.broadcast::<2>(2);
    let (cancels, cancelled) =
        Probe::recording(Behaviour::new().cancels_at_once(), |n: u32| n, identity);
    one.subscribe(cancels);
    let (probe, handle) = Probe::recording(Behaviour::new().initially(1), |n: u32| n, identity);
    other.subscribe(probe);
    assert_eq!(cancelled.end(), None);
    assert!(cancelled.is_dropped());
    told_once("the other", &handle, &Ledger::new());
}
