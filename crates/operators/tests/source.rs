//! Claims about the sources.

use std::convert::Infallible;
use std::io::{self, BufReader, Read};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use millstream::executor::Seeded;
use millstream::prelude::*;
use millstream::source::UseEnd;
use millstream::{Cause, Failure, Pull, Pulled};

use crate::common::{Ended, Mint, panic_message, scripted, watch, watch_until};

fn counter() -> (Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    (count.clone(), count)
}

fn all<P: Publisher<Error: std::fmt::Debug>>(publisher: P) -> Vec<P::Item> {
    publisher.collect::<Vec<_>>().block().unwrap()
}

// ---- just -------------------------------------------------------------------------------------

#[test]
fn just_waits_for_demand_and_completes_with_its_item() {
    let seen = watch(millstream::just(7));
    assert_eq!((seen.items(), seen.end()), (vec![], None));
    seen.request(1);
    assert_eq!((seen.items(), seen.end()), (vec![7], Some(Ended::Complete)));
}

#[test]
fn just_drops_its_item_when_it_is_cancelled() {
    let mint = Mint::default();
    let seen = watch(millstream::just(mint.token(1)));
    assert_eq!(mint.alive(), 1);
    seen.cancel();
    assert_eq!((mint.alive(), seen.end()), (0, Some(Ended::Dropped)));
}

// ---- empty, fail, pending ---------------------------------------------------------------------

#[test]
fn empty_completes_without_demand() {
    let seen = watch(millstream::empty::<u32>());
    assert_eq!((seen.items(), seen.end()), (vec![], Some(Ended::Complete)));
}

#[test]
fn fail_fails_without_demand() {
    let seen = watch(millstream::fail::<u32, _>("no"));
    assert_eq!((seen.items(), seen.end()), (vec![], Some(Ended::Error("no"))));
}

#[test]
fn pending_takes_demand_and_sends_nothing_until_it_is_cancelled() {
    let seen = watch(millstream::pending::<u32>());
    seen.request(5);
    seen.request_all();
    assert_eq!((seen.items(), seen.end()), (vec![], None));
    seen.cancel();
    assert_eq!(seen.end(), Some(Ended::Dropped));
}

// ---- range, successors, repeat_value, cycle ---------------------------------------------------

#[test]
fn a_range_completes_with_its_last_number() {
    let seen = watch(millstream::range(0..3));
    seen.request(2);
    assert_eq!((seen.items(), seen.end()), (vec![0, 1], None));
    seen.request(1);
    assert_eq!((seen.items(), seen.end()), (vec![2], Some(Ended::Complete)));
}

#[test]
fn an_empty_range_completes_without_demand() {
    assert_eq!(watch(millstream::range(3..3)).end(), Some(Ended::Complete));
}

#[test]
fn successors_call_the_function_once_per_item_asked_for() {
    let (calls, count) = counter();
    let seen = watch(millstream::successors(Some(1), move |n| {
        count.fetch_add(1, Ordering::Relaxed);
        (*n < 4).then_some(n * 2)
    }));
    assert_eq!(calls.load(Ordering::Relaxed), 0);
    seen.request(2);
    assert_eq!((seen.items(), calls.load(Ordering::Relaxed)), (vec![1, 2], 2));
    seen.request(1);
    assert_eq!((seen.items(), seen.end()), (vec![4], Some(Ended::Complete)));
}

#[test]
fn successors_of_nothing_complete_without_demand() {
    assert_eq!(watch(millstream::successors(None, |n: &u8| Some(*n))).end(), Some(Ended::Complete));
}

#[test]
fn repeat_value_clones_once_per_item_asked_for() {
    let mint = Mint::default();
    let seen = watch(millstream::repeat_value(mint.token(1)));
    seen.request(3);
    assert_eq!(mint.alive(), 4);
    assert_eq!(seen.items().len(), 3);
    seen.cancel();
    assert_eq!(mint.alive(), 0);
}

#[test]
fn cycle_begins_again_and_is_empty_for_an_empty_iterator() {
    assert_eq!(all(millstream::cycle([1, 2]).take(5)), [1, 2, 1, 2, 1]);
    assert_eq!(watch(millstream::cycle(Vec::<u8>::new())).end(), Some(Ended::Complete));
}

// ---- from_pull --------------------------------------------------------------------------------

struct Recorded {
    left: u32,
    pulls: Arc<AtomicUsize>,
}

impl Pull for Recorded {
    type Item = u32;
    type Error = &'static str;

    fn pull(&mut self) -> Pulled<u32, &'static str> {
        self.pulls.fetch_add(1, Ordering::Relaxed);
        match self.left {
            0 => Pulled::Error("dry"),
            _ => {
                self.left -= 1;
                Pulled::Item(self.left)
            }
        }
    }
}

#[test]
fn from_pull_pulls_once_per_unit_of_demand() {
    let (pulls, count) = counter();
    let seen = watch(millstream::from_pull(Recorded { left: 3, pulls: count }));
    assert_eq!(pulls.load(Ordering::Relaxed), 0);
    seen.request(2);
    assert_eq!((seen.items(), pulls.load(Ordering::Relaxed)), (vec![2, 1], 2));
    seen.request(5);
    assert_eq!((seen.items(), seen.end()), (vec![0], Some(Ended::Error("dry"))));
    assert_eq!(pulls.load(Ordering::Relaxed), 4);
}

#[test]
fn from_pull_can_be_pulled() {
    let (_, count) = counter();
    let Ok(mut pull) =
        millstream::from_pull(Recorded { left: 1, pulls: count }).into_pull(Default::default())
    else {
        panic!("it says that it pulls");
    };
    assert_eq!((pull.pull(), pull.pull()), (Pulled::Item(0), Pulled::Error("dry")));
}

// ---- from_fn, generate, unfold ----------------------------------------------------------------

#[test]
fn from_fn_is_not_called_without_demand() {
    let (calls, count) = counter();
    let mut left = 2;
    let seen = watch(millstream::from_fn(move || {
        count.fetch_add(1, Ordering::Relaxed);
        left -= 1;
        (left >= 0).then_some(left)
    }));
    assert_eq!(calls.load(Ordering::Relaxed), 0);
    seen.request(2);
    assert_eq!((seen.items(), seen.end()), (vec![1, 0], None));
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    seen.request(1);
    assert_eq!((seen.end(), calls.load(Ordering::Relaxed)), (Some(Ended::Complete), 3));
}

#[test]
fn generate_gives_items_an_end_or_an_error() {
    let three = millstream::generate(0, |n| {
        *n += 1;
        if *n > 3 { Ok::<_, Infallible>(None) } else { Ok(Some(*n)) }
    });
    assert_eq!(all(three), [1, 2, 3]);
    let fails = millstream::generate(0, |_| Err::<Option<u8>, _>("bad"));
    let error = fails.collect::<Vec<_>>().block().unwrap_err();
    assert_eq!(error.into_error(), Some("bad"));
}

#[test]
fn generate_drops_its_state_once_and_before_the_end_is_told() {
    let mint = Mint::default();
    let seen = watch(millstream::generate(mint.token(2), |state| {
        Ok::<_, Infallible>(state.0.checked_sub(1).inspect(|left| state.0 = *left))
    }));
    seen.request(2);
    assert_eq!((seen.items(), mint.alive()), (vec![1, 0], 1));
    seen.request(1);
    assert_eq!((seen.end(), mint.alive()), (Some(Ended::Complete), 0));
}

#[test]
fn generate_drops_its_state_when_it_is_cancelled_or_panics() {
    let mint = Mint::default();
    let seen = watch(millstream::generate(mint.token(2), |_| Ok::<_, Infallible>(Some(1))));
    seen.request(1);
    seen.cancel();
    assert_eq!(mint.alive(), 0);
    let broken =
        millstream::generate(mint.token(2), |_| -> Result<Option<u8>, Infallible> { panic!("g") });
    assert_eq!(panic_message(broken.collect::<Vec<_>>().block()), "g");
    assert_eq!(mint.alive(), 0);
}

#[test]
fn unfold_threads_its_state_and_is_not_called_without_demand() {
    let (calls, count) = counter();
    let seen = watch(millstream::unfold(1, move |n| {
        count.fetch_add(1, Ordering::Relaxed);
        (n < 8).then_some((n, n * 2))
    }));
    seen.request(3);
    assert_eq!((seen.items(), seen.end()), (vec![1, 2, 4], None));
    assert_eq!(calls.load(Ordering::Relaxed), 3);
    seen.request(1);
    assert_eq!(seen.end(), Some(Ended::Complete));
}

#[test]
fn a_panic_in_a_generating_function_is_a_fault() {
    let broken = millstream::from_fn(|| -> Option<u8> { panic!("fn") });
    assert_eq!(panic_message(broken.collect::<Vec<_>>().block()), "fn");
    let broken = millstream::unfold(0, |_| -> Option<(u8, u8)> { panic!("unfold") });
    assert_eq!(panic_message(broken.collect::<Vec<_>>().block()), "unfold");
    let broken = millstream::successors(Some(0u8), |_| panic!("next"));
    assert_eq!(panic_message(broken.collect::<Vec<_>>().block()), "next");
}

// ---- defer, lazy ------------------------------------------------------------------------------

#[test]
fn defer_calls_once_per_subscription_and_before_demand() {
    let (calls, count) = counter();
    let deferred = millstream::defer(move || {
        count.fetch_add(1, Ordering::Relaxed);
        millstream::range(0..2)
    });
    assert_eq!(calls.load(Ordering::Relaxed), 0);
    let seen = watch(deferred.clone());
    assert_eq!((calls.load(Ordering::Relaxed), seen.items()), (1, vec![]));
    seen.request(2);
    assert_eq!((seen.items(), seen.end()), (vec![0, 1], Some(Ended::Complete)));
    assert_eq!(all(deferred), [0, 1]);
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[test]
fn a_panic_in_defer_reaches_the_subscriber_without_demand() {
    let seen =
        watch(millstream::defer(|| -> millstream::source::FromPull<millstream::Just<u8>> {
            panic!("nothing to defer to")
        }));
    assert_eq!(seen.end(), Some(Ended::Fault("nothing to defer to".into())));
}

#[test]
fn a_deferred_pull_calls_the_function_when_it_is_pulled() {
    let (calls, count) = counter();
    let deferred = millstream::defer(move || {
        count.fetch_add(1, Ordering::Relaxed);
        millstream::just(1)
    });
    let Ok(mut pull) = deferred.into_pull(Default::default()) else { panic!("`just` pulls") };
    assert_eq!(calls.load(Ordering::Relaxed), 0);
    assert_eq!((pull.pull(), pull.pull()), (Pulled::Item(1), Pulled::Complete));
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[test]
fn lazy_calls_on_the_first_request_only() {
    let (calls, count) = counter();
    let seen = watch(millstream::lazy(move || {
        count.fetch_add(1, Ordering::Relaxed);
        millstream::range(0..3)
    }));
    assert_eq!(calls.load(Ordering::Relaxed), 0);
    seen.request(1);
    seen.request(1);
    assert_eq!((seen.items(), calls.load(Ordering::Relaxed)), (vec![0, 1], 1));
    seen.request(1);
    assert_eq!((seen.items(), seen.end()), (vec![2], Some(Ended::Complete)));
}

#[test]
fn lazy_that_is_cancelled_early_is_never_called() {
    let mint = Mint::default();
    let token = mint.token(0);
    let seen = watch(millstream::lazy(|| millstream::just(token)));
    seen.cancel();
    assert_eq!((mint.alive(), seen.end()), (0, Some(Ended::Dropped)));
}

#[test]
fn a_panic_in_lazy_is_a_fault() {
    let broken = millstream::lazy(|| -> millstream::source::FromPull<millstream::Just<u8>> {
        panic!("lazy bones")
    });
    assert_eq!(panic_message(broken.collect::<Vec<_>>().block()), "lazy bones");
}

// ---- from_reader, lines -----------------------------------------------------------------------

struct Stutter {
    reads: Arc<AtomicUsize>,
    script: Vec<io::Result<&'static [u8]>>,
}

impl Read for Stutter {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let bytes = self.script.remove(0)?;
        buffer[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    }
}

#[test]
fn from_reader_reads_once_per_chunk_and_repeats_an_interrupted_read() {
    let (reads, count) = counter();
    let script = vec![Ok(&b"abc"[..]), Err(io::ErrorKind::Interrupted.into()), Ok(b"d"), Ok(b"")];
    let chunks = millstream::from_reader(Stutter { reads: count, script }, 4);
    let seen = watch(chunks);
    assert_eq!(reads.load(Ordering::Relaxed), 0);
    seen.request(1);
    assert_eq!((seen.items(), reads.load(Ordering::Relaxed)), (vec![b"abc".to_vec()], 1));
    seen.request(1);
    assert_eq!((seen.items(), reads.load(Ordering::Relaxed)), (vec![b"d".to_vec()], 3));
    seen.request(1);
    assert!(matches!(seen.end(), Some(Ended::Complete)));
    assert_eq!(reads.load(Ordering::Relaxed), 4);
}

#[test]
fn from_reader_fails_as_its_reader() {
    let (_, count) = counter();
    let script = vec![Ok(&b"abc"[..]), Err(io::ErrorKind::ConnectionReset.into())];
    let chunks = millstream::from_reader(Stutter { reads: count, script }, 4);
    match chunks.collect::<Vec<_>>().block() {
        Err(Failure::Error(error)) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_chunk_that_no_memory_holds_is_refused_where_the_reader_is_made() {
    let most = 1_usize << 30;
    // At the bound nothing is allocated before somebody asks.
    drop(millstream::from_reader(io::empty(), most));
    for size in [most + 1, 1 << 40, usize::MAX] {
        let made = std::panic::catch_unwind(|| drop(millstream::from_reader(io::empty(), size)));
        let message = made.expect_err("too large").downcast::<String>().expect("a message");
        assert!(
            message.starts_with(&format!("from_reader(_, 0), with {size} for the 0")),
            "{message}"
        );
        assert!(message.contains("1073741824 bytes at most"), "{message}");
    }
}

#[test]
#[should_panic(expected = "a chunk holds at least 1 byte")]
fn from_reader_refuses_chunks_of_nothing() {
    let _ = millstream::from_reader(io::empty(), 0);
}

#[test]
fn lines_end_at_either_line_end_and_the_last_needs_none() {
    let lines = millstream::lines(BufReader::with_capacity(3, &b"a\r\n\nb\rc\nlast"[..]));
    assert_eq!(all(lines), ["a", "", "b\rc", "last"]);
}

#[test]
fn a_line_that_is_not_text_is_an_error() {
    match millstream::lines(&b"ok\n\xff\n"[..]).collect::<Vec<_>>().block() {
        Err(Failure::Error(error)) => {
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert_eq!(error.to_string(), "line 2 is not UTF-8");
        }
        other => panic!("{other:?}"),
    }
}

// ---- using ------------------------------------------------------------------------------------

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    fn add(&self, line: &'static str) {
        self.0.lock().unwrap().push(line);
    }

    fn lines(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Writes down when the subscriber below is told the end.
struct Telling(Log);

impl<E: Send + 'static> Subscriber<u32, E> for Telling {
    type Active = Self;
    fn on_subscribe(self, subscription: millstream::Subscription) -> Self {
        subscription.request(millstream::Demand::UNBOUNDED);
        subscription.detach();
        self
    }
}

impl<E: Send + 'static> ActiveSubscriber<u32, E> for Telling {
    fn on_next(&mut self, _: u32) -> millstream::More {
        millstream::More::NONE
    }
    fn on_complete(self) {
        self.0.add("complete");
    }
    fn on_error(self, _: E) {
        self.0.add("error");
    }
    fn on_fault(self, _: millstream::Fault) {
        self.0.add("fault");
    }
}

macro_rules! using {
    ($log:expr, $use_:expr) => {{
        let (acquire, release) = ($log.clone(), $log.clone());
        millstream::using(
            move || {
                acquire.add("acquire");
                Ok(5u32)
            },
            $use_,
            move |_| release.add("release"),
        )
    }};
}

#[test]
fn using_acquires_on_subscription_and_releases_before_the_end_is_told() {
    let log = Log::default();
    let stream = using!(log, |n| millstream::range(0..*n));
    assert!(log.lines().is_empty());
    stream.clone().subscribe(Telling(log.clone()));
    assert_eq!(log.lines(), ["acquire", "release", "complete"]);
    stream.release_after_end().subscribe(Telling(log.clone()));
    assert_eq!(log.lines(), ["acquire", "complete", "release"]);
}

#[test]
fn using_releases_in_the_same_order_for_an_error() {
    let log = Log::default();
    let stream = using!(log, |_| millstream::fail::<u32, _>("no"));
    stream.clone().subscribe(Telling(log.clone()));
    assert_eq!(log.lines(), ["acquire", "release", "error"]);
    stream.release_after_end().subscribe(Telling(log.clone()));
    assert_eq!(log.lines(), ["acquire", "error", "release"]);
}

#[test]
fn using_releases_in_the_same_order_for_a_stage_that_ends_early() {
    let log = Log::default();
    let stream = using!(log, |n| millstream::range(0..*n));
    stream.clone().take(1).subscribe(Telling(log.clone()));
    assert_eq!(log.lines(), ["acquire", "release", "complete"]);
    stream.release_after_end().take(1).subscribe(Telling(log.clone()));
    assert_eq!(log.lines(), ["acquire", "complete", "release"]);
}

#[test]
fn using_releases_in_the_same_order_for_a_panic_upstream() {
    let log = Log::default();
    let stream = using!(log, |_| millstream::range(0..3).map(|_| -> u32 { panic!("in the map") }));
    stream.clone().subscribe(Telling(log.clone()));
    assert_eq!(log.lines(), ["acquire", "release", "fault"]);
    stream.release_after_end().subscribe(Telling(log.clone()));
    assert_eq!(log.lines(), ["acquire", "fault", "release"]);
}

#[test]
fn using_releases_once_when_it_is_cancelled() {
    for cancel_at in [None, Some(1)] {
        let log = Log::default();
        let seen = watch_until(using!(log, |n| millstream::range(0..*n)), cancel_at);
        seen.request(1);
        seen.cancel();
        assert_eq!(log.lines(), ["acquire", "release"]);
        assert_eq!(seen.end(), Some(Ended::Dropped));
    }
}

#[test]
fn using_that_acquires_nothing_fails_and_releases_nothing() {
    let log = Log::default();
    let release = log.clone();
    let stream = millstream::using(
        || Err::<u32, _>("nothing there"),
        |_| millstream::fail::<u32, _>("not used"),
        move |_| release.add("release"),
    );
    assert_eq!(watch(stream).end(), Some(Ended::Error("nothing there")));
    assert!(log.lines().is_empty());
}

#[test]
fn a_panic_in_acquire_is_a_fault_and_one_in_use_releases_as_well() {
    let log = Log::default();
    let stream =
        using!(log, |_| -> millstream::source::FromPull<millstream::Just<u32>> { panic!("use") });
    assert_eq!(watch(stream).end(), Some(Ended::Fault("use".into())));
    assert_eq!(log.lines(), ["acquire", "release"]);
    let stream = millstream::using(
        || -> Result<u32, Infallible> { panic!("acquire") },
        |n| millstream::just(*n),
        |_| {},
    );
    assert_eq!(watch(stream).end(), Some(Ended::Fault("acquire".into())));
}

#[test]
fn a_panic_in_release_before_the_end_is_the_end() {
    let stream =
        millstream::using(|| Ok(1), |n| millstream::just(*n), |_| panic!("will not close"));
    assert_eq!(panic_message(stream.collect::<Vec<_>>().block()), "will not close");
}

#[test]
fn a_panic_in_release_after_another_panic_does_not_abort() {
    let stream = millstream::using(
        || Ok(1),
        |_| -> millstream::source::FromPull<millstream::Just<u8>> { panic!("first") },
        |_| panic!("second"),
    );
    assert_eq!(panic_message(stream.collect::<Vec<_>>().block()), "first");
}

#[test]
fn a_request_from_inside_an_item_does_not_recurse() {
    struct Greedy(Arc<Mutex<Option<millstream::Subscription>>>, Arc<AtomicUsize>);
    impl Subscriber<u64, Infallible> for Greedy {
        type Active = Self;
        fn on_subscribe(self, subscription: millstream::Subscription) -> Self {
            subscription.request(millstream::Demand::ONE);
            *self.0.lock().unwrap() = Some(subscription);
            self
        }
    }
    impl ActiveSubscriber<u64, Infallible> for Greedy {
        fn on_next(&mut self, _: u64) -> millstream::More {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.lock().unwrap().as_ref().unwrap().request(millstream::Demand::ONE);
            millstream::More::NONE
        }
        fn on_complete(self) {}
        fn on_error(self, _: Infallible) {}
    }
    let (items, count) = counter();
    let numbers = millstream::unfold(0u64, |n| (n < 100_000).then_some((n, n + 1)));
    let stack = std::thread::Builder::new().stack_size(256 * 1024);
    let subscription = Arc::new(Mutex::new(None));
    let held = subscription.clone();
    stack.spawn(move || numbers.skip(1).subscribe(Greedy(held, count))).unwrap().join().unwrap();
    assert_eq!(items.load(Ordering::Relaxed), 99_999);
    drop(subscription);
}

#[test]
fn using_passes_demand() {
    let (source, control) = scripted::<u32, Infallible>();
    let mut source = Some(source);
    let stream = millstream::using(|| Ok(()), move |()| source.take().unwrap(), |()| {});
    let seen = watch(stream);
    seen.request(3);
    assert_eq!(control.asked_in_all(), 3);
    control.next(9);
    assert_eq!((seen.items(), control.asked_in_all()), (vec![9], 0));
}

// ---- using_when -------------------------------------------------------------------------------

type Numbers = millstream::BoxPublisher<u32, &'static str>;

/// A stream over resource 7, whose clean-up is noted, and waits for what `gate` receives.
struct Used {
    executor: Seeded,
    how: Arc<Mutex<Vec<UseEnd>>>,
    gate: Option<futures::channel::oneshot::Sender<Result<(), &'static str>>>,
}

impl Used {
    fn new() -> Used {
        Used { executor: Seeded::new(1), how: Arc::default(), gate: None }
    }

    /// One type is compiled, whatever acquires and uses the resource.
    fn stream<A, P, U>(
        &mut self,
        acquire: A,
        use_: U,
    ) -> impl Publisher<Item = u32, Error = &'static str> + use<A, P, U>
    where
        A: Publisher<Item = u32, Error = &'static str>,
        P: Publisher<Item = u32, Error = &'static str>,
        U: FnOnce(&mut u32) -> P + Send + 'static,
    {
        type Uses = Box<dyn FnOnce(&mut u32) -> Numbers + Send>;
        let uses: Uses = Box::new(|resource| use_(resource).boxed());
        self.stream_in_one_piece(acquire.boxed(), uses)
    }

    fn stream_in_one_piece<A, P, U>(
        &mut self,
        acquire: A,
        use_: U,
    ) -> impl Publisher<Item = P::Item, Error = &'static str> + use<A, P, U>
    where
        A: Publisher<Item = u32, Error = &'static str>,
        P: Publisher<Error = &'static str>,
        U: FnOnce(&mut u32) -> P + Send + 'static,
    {
        let (gate, opened) = futures::channel::oneshot::channel();
        self.gate = Some(gate);
        let how = self.how.clone();
        millstream::using_when(self.executor.clone(), acquire, use_, move |resource, why| {
            assert_eq!(resource, 7);
            how.lock().unwrap().push(why);
            async move { opened.await.expect("the test opens it") }
        })
    }

    fn of_three(&mut self) -> impl Publisher<Item = u32, Error = &'static str> + use<> {
        let three = |n: &mut u32| millstream::range(*n..*n + 3).map_err(|never| match never {});
        self.stream_in_one_piece(seven(), three)
    }

    /// The clean-up ends so.
    fn open(&mut self, with: Result<(), &'static str>) {
        self.gate.take().expect("once").send(with).expect("somebody waits");
        self.executor.run_until_idle();
    }

    fn how(&self) -> Vec<UseEnd> {
        self.executor.run_until_idle();
        self.how.lock().unwrap().clone()
    }
}

fn seven() -> impl Publisher<Item = u32, Error = &'static str> {
    millstream::just(7).map_err(|never| match never {})
}

#[test]
fn using_when_tells_the_end_when_the_clean_up_is_over() {
    let mut used = Used::new();
    let seen = watch(used.of_three());
    seen.request(3);
    assert_eq!((seen.items(), seen.end()), (vec![7, 8, 9], None));
    assert_eq!((used.how(), seen.end()), (vec![UseEnd::Completed], None));
    used.open(Ok(()));
    assert_eq!((used.how(), seen.end()), (vec![UseEnd::Completed], Some(Ended::Complete)));
    assert_eq!(used.executor.tasks(), 0);
}

#[test]
fn using_when_fails_as_its_publisher_when_the_clean_up_is_over() {
    let mut used = Used::new();
    let seen = watch(used.stream(seven(), |_| millstream::fail::<u32, _>("no")));
    assert_eq!((used.how(), seen.end()), (vec![UseEnd::Failed], None));
    used.open(Ok(()));
    assert_eq!(seen.end(), Some(Ended::Error("no")));
}

#[test]
fn using_when_fails_as_a_clean_up_after_completion_does() {
    let mut used = Used::new();
    let seen = watch(used.of_three());
    seen.request_all();
    used.open(Err("no commit"));
    assert_eq!(seen.end(), Some(Ended::Error("no commit")));
}

/// The error of a clean-up that is not the end of a stream goes to the hook, whether the stream failed
/// before or nobody waits for it.
#[test]
fn using_when_reports_the_error_of_a_clean_up_that_nobody_is_told_of() {
    let _alone = crate::hook_alone();
    let (told, hears) = std::sync::mpsc::channel();
    millstream::on_undelivered(move |what| drop(told.send(format!("{what:?}"))));
    let mut failed = Used::new();
    let seen = watch(failed.stream(seven(), |_| millstream::fail::<u32, _>("no")));
    failed.open(Err("no roll-back, it failed"));
    assert_eq!(seen.end(), Some(Ended::Error("no")));
    let mut cancelled = Used::new();
    watch(cancelled.of_three()).cancel();
    cancelled.open(Err("no roll-back, it was cancelled"));
    let mut waiting = Used::new();
    let seen = watch(waiting.of_three());
    seen.request_all();
    seen.cancel();
    waiting.open(Err("no commit, nobody waits"));
    let heard: Vec<String> = hears.try_iter().filter(|what| what.contains("no ")).collect();
    let says = |n: usize, what: &str| heard[n].contains(what);
    assert_eq!(heard.len(), 3, "{heard:?}");
    assert!(says(0, "it failed") && says(1, "it was cancelled") && says(2, "nobody waits"));
}

#[test]
fn using_when_cleans_up_once_wherever_it_is_cancelled() {
    for cancel_at in 0..=3 {
        let mut used = Used::new();
        let seen = watch_until(used.of_three(), (cancel_at > 0).then_some(cancel_at));
        if cancel_at == 0 {
            seen.cancel();
        } else {
            seen.request_all();
        }
        let cancelled = UseEnd::Cancelled(Cause::NoMoreNeeded);
        assert_eq!(used.how(), std::slice::from_ref(&cancelled), "at {cancel_at}");
        assert_eq!(seen.end(), Some(Ended::Dropped));
        assert_eq!(used.executor.tasks(), 1, "the clean-up goes on");
        used.open(Ok(()));
        assert_eq!((used.how(), used.executor.tasks()), (vec![cancelled], 0));
    }
}

#[test]
fn using_when_is_told_why_it_is_cancelled() {
    let mut used = Used::new();
    let stream = used.of_three().try_map(|_| Err::<u32, _>("in the middle"));
    assert!(matches!(stream.count().block(), Err(Failure::Error("in the middle"))));
    assert_eq!(used.how(), [UseEnd::Cancelled(Cause::Failed)]);
}

/// What a stage below ends is told at once.
#[test]
fn using_when_does_not_keep_the_end_of_a_stage_below() {
    let mut used = Used::new();
    let seen = watch(used.of_three().take(1));
    seen.request_all();
    assert_eq!((seen.items(), seen.end()), (vec![7], Some(Ended::Complete)));
    assert_eq!(used.how(), [UseEnd::Cancelled(Cause::NoMoreNeeded)]);
}

#[test]
fn using_when_cancels_what_acquires_and_cleans_up_nothing() {
    let mut used = Used::new();
    let (acquire, control) = scripted();
    let seen =
        watch(used.stream(acquire, |n| millstream::just(*n).map_err(|never| match never {})));
    assert_eq!(control.asked_in_all(), 1, "before any demand, and for one");
    seen.cancel();
    assert!(control.is_cancelled());
    assert_eq!((used.how(), seen.end()), (vec![], Some(Ended::Dropped)));
}

#[test]
fn using_when_lets_go_of_what_acquires_with_its_first_item() {
    let mut used = Used::new();
    let (acquire, control) = scripted();
    let seen =
        watch(used.stream(acquire, |n| millstream::just(*n).map_err(|never| match never {})));
    seen.request(1);
    assert!(control.next(7));
    assert!(control.is_cancelled());
    assert_eq!(seen.items(), [7]);
    used.open(Ok(()));
    assert_eq!(seen.end(), Some(Ended::Complete));
}

#[test]
fn using_when_ends_as_what_acquires_nothing() {
    let mut used = Used::new();
    let body = |_: &mut u32| millstream::pending::<u32>().map_err(|never| match never {});
    let seen = watch(used.stream(millstream::fail("no resource"), body));
    assert_eq!((used.how(), seen.end()), (vec![], Some(Ended::Error("no resource"))));
    let nothing = millstream::empty().map_err(|never| match never {});
    let seen = watch(used.stream(nothing, body));
    assert_eq!((used.how(), seen.end()), (vec![], Some(Ended::Complete)));
}

#[test]
fn using_when_passes_demand_that_came_while_it_acquired() {
    let mut used = Used::new();
    let (acquire, resource) = scripted();
    let (body, control) = scripted();
    let seen = watch(used.stream(acquire, move |_| body));
    seen.request(2);
    resource.next(7);
    assert_eq!(control.asked_in_all(), 2);
    seen.request(3);
    assert_eq!(control.asked_in_all(), 3, "and no more than that");
    control.next(1);
    assert_eq!(seen.items(), [1]);
    control.complete();
    used.open(Ok(()));
    assert_eq!(seen.end(), Some(Ended::Complete));
}

#[test]
fn using_when_cancels_its_publisher_before_it_cleans_up() {
    let log = Log::default();
    let (body, cleaned) = (log.clone(), log.clone());
    let stream = millstream::using_when(
        Seeded::new(1),
        millstream::just(0),
        move |_| millstream::pending::<u32>().inspect_cancel(move |_| body.add("cancelled")),
        move |_, _| {
            cleaned.add("clean-up");
            async { Ok(()) }
        },
    );
    watch(stream).cancel();
    assert_eq!(log.lines(), ["cancelled", "clean-up"]);
}

#[test]
fn using_when_cleans_up_after_a_panic_and_does_not_wait() {
    let mut used = Used::new();
    let panics = |_: &mut u32| -> Numbers { panic!("in use") };
    let seen = watch(used.stream(seven(), panics));
    assert!(matches!(seen.end(), Some(Ended::Fault(_))));
    assert_eq!(used.how(), [UseEnd::Cancelled(Cause::Failed)]);
    let mut used = Used::new();
    let body = |_: &mut u32| millstream::range(0..3).map(|_| -> u32 { panic!("in the body") });
    let seen = watch(used.stream(seven(), move |n| body(n).map_err(|never| match never {})));
    seen.request(1);
    assert!(matches!(seen.end(), Some(Ended::Fault(_))));
    assert_eq!(used.how(), [UseEnd::Cancelled(Cause::Failed)]);
}

fn breaks() -> Result<(), Infallible> {
    panic!("in the clean-up")
}

#[test]
fn using_when_breaks_where_its_clean_up_does() {
    type CleanUp = Pin<Box<dyn Future<Output = Result<(), Infallible>> + Send>>;
    let executor = Seeded::new(1);
    let cleaned_up = |ends: fn(i32, UseEnd) -> CleanUp| {
        let none = |_: &mut i32| millstream::empty::<u32>();
        watch(millstream::using_when(executor.clone(), millstream::just(0), none, ends))
    };
    let seen = cleaned_up(|_, _| panic!("no clean-up"));
    assert!(matches!(seen.end(), Some(Ended::Fault(_))));
    let seen = cleaned_up(|_, _| Box::pin(async { breaks() }));
    executor.run_until_idle();
    assert!(matches!(seen.end(), Some(Ended::Fault(_))));
    executor.refuse_every(1);
    let refused = cleaned_up(|_, _| Box::pin(async { Ok(()) }));
    let end = refused.end();
    assert!(matches!(&end, Some(Ended::Fault(why)) if why.contains("no more tasks")), "{end:?}");
}
