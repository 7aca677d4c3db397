//! The contract of an [`Executor`], as a test for yours.
//!
//! [`check`] runs each claim on an executor of its own:
//!
//! ```
//! use millstream_executors::Threads;
//! use millstream_testkit::executor::{Subject, check};
//!
//! check(|| {
//!     let threads = Threads::new(8);
//!     Subject::new(threads.handle(), move || drop(threads)).where_tasks_may_block()
//! });
//! ```
//!
//! Nothing sleeps. A claim that waits for something that does not happen fails after
//! [`PATIENCE`], and says what it waited for.

use std::cell::Cell;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Barrier, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use millstream_executors::{Executor, executor_thread};

/// How long a claim waits for what has to happen.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// An executor to be checked, and how to run and end it.
pub struct Subject<X> {
    executor: X,
    run: Option<Box<dyn FnMut()>>,
    end: Option<Box<dyn FnOnce()>>,
    may_block: bool,
    patience: Duration,
}

impl<X: Executor> Subject<X> {
    /// An executor that runs by itself until `end`. It must be able to run 4 tasks at a time.
    pub fn new(executor: X, end: impl FnOnce() + 'static) -> Subject<X> {
        Subject {
            executor,
            run: None,
            end: Some(Box::new(end)),
            may_block: false,
            patience: PATIENCE,
        }
    }

    /// It runs only where it is told to: `run` runs what is ready, and returns. It may be called
    /// after the end.
    #[must_use]
    pub fn run_by(mut self, run: impl FnMut() + 'static) -> Subject<X> {
        self.run = Some(Box::new(run));
        self
    }

    /// It is a place for blocking work.
    #[must_use]
    pub fn where_tasks_may_block(mut self) -> Subject<X> {
        self.may_block = true;
        self
    }

    /// Waits no longer than `patience` for what has to happen, instead of [`PATIENCE`].
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Subject<X> {
        self.patience = patience;
        self
    }

    /// Hands over a task that must be taken.
    #[track_caller]
    fn spawn(&self, probe: Probe) {
        if let Err(refused) = self.try_spawn(probe) {
            panic!("a task was refused: {refused}");
        }
    }

    fn try_spawn(&self, probe: Probe) -> Result<(), millstream_executors::Refused> {
        let before = INSIDE.replace(Some("from inside `spawn`"));
        let spawned = self.executor.spawn(Box::pin(probe));
        INSIDE.set(before);
        spawned
    }

    /// Runs or waits until `happened`.
    #[track_caller]
    fn until(&mut self, journal: &Journal, what: &str, happened: impl Fn(&Entries) -> bool) {
        let deadline = Instant::now() + self.patience;
        let mut entries = journal.lock();
        while !happened(&entries) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "not within {:?}: {what}; {:?}", self.patience, *entries);
            if let Some(run) = &mut self.run {
                drop(entries);
                run();
                thread::yield_now();
                entries = journal.lock();
            } else {
                let waited = journal.news.wait_timeout(entries, left);
                entries = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        drop(entries);
        journal.assert_kept();
    }

    fn end(&mut self) {
        if let Some(end) = self.end.take() {
            end();
        }
    }
}

impl<X> fmt::Debug for Subject<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("may_block", &self.may_block).finish_non_exhaustive()
    }
}

/// How often a claim about a race is tried.
const RACES: usize = 100;

/// Checks each claim of the contract of [`Executor`], on an executor that `start` makes for it.
///
/// # Panics
/// When one does not hold: the message names it.
pub fn check<X: Executor + Clone>(start: impl Fn() -> Subject<X>) {
    let claims: &[(&str, Claim<X>)] = &[
        ("a task runs to its end and is dropped once", runs_to_its_end),
        ("a woken task is polled again", woken_is_polled_again),
        ("a task that wakes itself in its poll is polled again", wakes_itself),
        ("no wake-up is lost", no_wake_up_is_lost),
        ("tasks wake each other", tasks_wake_each_other),
        ("a wake-up after the end of a task is nothing", late_wake_up),
        ("a task that panics is dropped, and others run on", panic_is_contained),
        ("a task spawns another", spawns_another),
        ("a busy task does not starve another", no_starvation),
        ("a thread that polls is marked", threads_are_marked),
        ("the end drops what rests", end_drops_what_rests),
        ("the end drops what is ready", end_drops_what_is_ready),
        ("the end drops a task that holds the executor", end_breaks_a_cycle),
        ("what comes after the end is refused or dropped", refuses_after_the_end),
        ("a wake-up after the end is nothing", wake_up_after_the_end),
    ];
    let race = ("a task that is woken while the executor ends is dropped", woken_while_it_ends);
    let races = std::iter::repeat_n((race.0, race.1 as Claim<X>), RACES);
    for (name, claim) in claims.iter().copied().chain(races) {
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut subject = start();
            let journal = Arc::new(Journal::default());
            claim(&mut subject, &journal);
            subject.end();
            let tasks = journal.lock().spawned;
            subject.until(&journal, "each task is dropped", |seen| seen.dropped == tasks);
        }));
        if let Err(payload) = checked {
            let text = payload
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| payload.downcast_ref::<&str>().copied())
                .unwrap_or("a panic without a text");
            panic!("the executor breaks its contract: {name}: {text}");
        }
    }
}

type Claim<X> = fn(&mut Subject<X>, &Arc<Journal>);

thread_local! {
    /// Where the current thread is, if no task may be polled there.
    static INSIDE: Cell<Option<&'static str>> = const { Cell::new(None) };
}

fn wake(waker: &Waker) {
    let before = INSIDE.replace(Some("from inside a waker"));
    waker.wake_by_ref();
    INSIDE.set(before);
}

/// What happened to the tasks of a claim.
#[derive(Default)]
struct Journal {
    entries: Mutex<Entries>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct Entries {
    spawned: usize,
    polled: usize,
    ready: usize,
    dropped: usize,
    /// What the claim counts itself.
    counted: usize,
    /// The last waker of each task, by its number.
    wakers: Vec<Option<Waker>>,
    broken: Option<String>,
}

impl Journal {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the entries, and tells whoever waits.
    fn note(&self, change: impl FnOnce(&mut Entries)) {
        change(&mut self.lock());
        self.news.notify_all();
    }

    fn broken(&self, how: String) {
        self.note(|entries| {
            entries.broken.get_or_insert(how);
        });
    }

    #[track_caller]
    fn assert_kept(&self) {
        let broken = self.lock().broken.clone();
        assert_eq!(broken, None);
    }

    /// Wakes a task, as often as it is called.
    fn wake(&self, task: usize) {
        let waker = self.lock().wakers[task].clone();
        if let Some(waker) = waker {
            wake(&waker);
        }
    }

    /// A task that answers its polls by `react`, which is told how many there were.
    fn task(
        self: &Arc<Self>,
        react: impl FnMut(&mut Context<'_>, usize) -> Poll<()> + Send + 'static,
    ) -> Probe {
        let mut number = 0;
        self.note(|entries| {
            number = entries.spawned;
            entries.spawned += 1;
            entries.wakers.push(None);
        });
        Probe { journal: self.clone(), number, polls: 0, ready: false, react: Box::new(react) }
    }

    /// A task that is never ready, and counts its polls.
    fn resting(self: &Arc<Self>) -> Probe {
        self.task(|_, _| Poll::Pending)
    }
}

type React = Box<dyn FnMut(&mut Context<'_>, usize) -> Poll<()> + Send>;

struct Probe {
    journal: Arc<Journal>,
    number: usize,
    polls: usize,
    ready: bool,
    react: React,
}

impl Future for Probe {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Probe { journal, number, polls, ready, react } = &mut *self;
        if let Some(place) = INSIDE.get() {
            journal.broken(format!("a task was polled {place}"));
        }
        if *ready {
            journal.broken("a task was polled after it was ready".to_owned());
        }
        *polls += 1;
        let waker = context.waker().clone();
        let mut before = None;
        journal.note(|entries| {
            entries.polled += 1;
            before = entries.wakers[*number].replace(waker);
        });
        // Outside of the lock: a waker is foreign.
        drop(before);
        let polled = react(context, *polls);
        *ready = polled.is_ready();
        if *ready {
            journal.note(|entries| entries.ready += 1);
        }
        polled
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.journal.note(|entries| entries.dropped += 1);
    }
}

fn runs_to_its_end<X: Executor>(subject: &mut Subject<X>, journal: &Arc<Journal>) {
    for _ in 0..4 {
        subject.spawn(journal.task(|_, _| Poll::Ready(())));
    }
    subject.until(journal, "four tasks are ready and dropped", |seen| {
        seen.ready == 4 && seen.dropped == 4
    });
    assert_eq!(journal.lock().polled, 4, "a task that is ready at once is polled once");
}

fn woken_is_polled_again<X: Executor>(subject: &mut Subject<X>, journal: &Arc<Journal>) {
    subject.spawn(journal.task(|_, polls| match polls {
        1 => Poll::Pending,
        _ => Poll::Ready(()),
    }));
    subject.until(journal, "the task is polled", |seen| seen.polled == 1);
    let waker = journal.clone();
    thread::scope(|scope| scope.spawn(move || waker.wake(0)).join()).unwrap_or_default();
    subject.until(journal, "it is ready after a wake-up", |seen| seen.ready == 1);
}

fn wakes_itself<X: Executor>(subject: &mut Subject<X>, journal: &Arc<Journal>) {
    subject.spawn(journal.task(|context, polls| {
        if polls == 1_000 {
            return Poll::Ready(());
        }
        // More than once, and by more than one waker.
        wake(context.waker());
        wake(&context.waker().clone());
        Poll::Pending
    }));
    subject.until(journal, "a thousand polls", |seen| seen.ready == 1);
}

fn no_wake_up_is_lost<X: Executor>(subject: &mut Subject<X>, journal: &Arc<Journal>) {
    const EACH: usize = 2_000;
    let sum = Arc::new(Mutex::new(0));
    let (seen, told) = (sum.clone(), journal.clone());
    subject.spawn(journal.task(move |_, _| {
        let sum = *seen.lock().unwrap_or_else(PoisonError::into_inner);
        told.note(|entries| entries.counted = sum);
        if sum == 2 * EACH { Poll::Ready(()) } else { Poll::Pending }
    }));
    subject.until(journal, "the task is polled", |seen| seen.polled > 0);
    let wakers: Vec<_> = (0..2)
        .map(|_| {
            let (sum, journal) = (sum.clone(), journal.clone());
            thread::spawn(move || {
                for _ in 0..EACH {
                    *sum.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                    journal.wake(0);
                }
            })
        })
        .collect();
    subject.until(journal, "the task has seen each wake-up", |seen| seen.ready == 1);
    for waker in wakers {
        // It panics nowhere.
        let _over = waker.join();
    }
}

/// Each waits for its turn, and gives it to the other.
fn tasks_wake_each_other<X: Executor>(subject: &mut Subject<X>, journal: &Arc<Journal>) {
    const TURNS: usize = 2_000;
    for me in 0..2 {
        let journal_here = journal.clone();
        subject.spawn(journal.task(move |_, _| {
            let turn = journal_here.lock().counted;
            if turn >= TURNS {
                return Poll::Ready(());
            }
            if turn % 2 == me {
                journal_here.note(|entries| entries.counted += 1);
                // The other may not have been polled first; then it comes to see by itself.
                if journal_here.lock().wakers.len() > 1 {
                    journal_here.wake(1 - me);
                }
                if turn + 1 >= TURNS {
                    return Poll::Ready(());
                }
            }
            Poll::Pending
        }));
    }
    subject.until(journal, "two thousand turns", |seen| seen.ready == 2);
}

fn late_wake_up<X: Executor>(subject: &mut Subject<X>, journal: &Arc<Journal>) {
    subject.spawn(journal.task(|_, _| Poll::Ready(())));
    subject.until(journal, "the task is dropped", |seen| seen.dropped == 1);
    for _ in 0..3 {
        journal.wake(0);
    }
    subject.spawn(journal.task(|_, _| Poll::Ready(())));
    subject.until(journal, "another one runs", |seen| seen.ready == 2);
}

fn panic_is_contained<X: Executor>(subject: &mut Subject<X>, journal: &Arc<Journal>) {
    for n in 0..8 {
        // Without the panic hook: it is on purpose.
        subject.spawn(journal.task(|_, _| std::panic::resume_unwind(Box::new("on purpose"))));
        subject.until(journal, "the task is dropped", |seen| seen.dropped == 2 * n + 1);
        subject.spawn(journal.task(|_, _| Poll::Ready(())));
        subject.until(journal, "another one runs", |seen| seen.dropped == 2 * n + 2);
    }
    assert_eq!(journal.lock().ready, 8);
}

fn spawns_another<X: Executor + Clone>(subject: &mut Subject<X>, journal: &Arc<Journal>) {
    let (executor, there) = (subject.executor.clone(), journal.clone());
    subject.spawn(journal.task(move |_, _| {
        let inner = there.task(|_, _| Poll::Ready(()));
        let before = INSIDE.replace(Some("from inside `spawn`"));
        if let Err(refused) = executor.spawn(Box::pin(inner)) {
            there.broken(format!("a task was refused: {refused}"));
        }
        INSIDE.set(before);
        Poll::Ready(())
    }));
    subject.until(journal, "both are ready", |seen| seen.ready == 2);
}

/// One that came before the busy ones and one that came after them.
fn no_starvation<X: Executor>(subject: &mut Subject<X>, journal: &Arc<Journal>) {
    for busy in [false, true, true, false] {
        let there = journal.clone();
        subject.spawn(journal.task(move |context, polls| {
            let over = if busy { there.lock().counted == 2 } else { polls == 10 };
            if over {
                there.note(|entries| entries.counted += usize::from(!busy));
                return Poll::Ready(());
            }
            wake(context.waker());
            Poll::Pending
        }));
    }
    subject.until(journal, "all four are ready", |seen| seen.ready == 4);
}

fn threads_are_marked<X: Executor>(subject: &mut Subject<X>, journal: &Arc<Journal>) {
    let (may_block, told) = (subject.may_block, journal.clone());
    subject.spawn(journal.task(move |_, _| {
        if !may_block && !executor_thread::is_current() {
            told.broken("it is not: call `executor_thread::enter` around polls".to_owned());
        }
        let _polls = executor_thread::polls();
        if may_block && executor_thread::is_current() {
            let how = "it is not: call `executor_thread::enter_blocking` around polls";
            told.broken(how.to_owned());
        }
        Poll::Ready(())
    }));
    subject.until(journal, "the task is ready", |seen| seen.ready == 1);
}

fn end_drops_what_rests<X: Executor>(subject: &mut Subject<X>, journal: &Arc<Journal>) {
    for _ in 0..4 {
        subject.spawn(journal.resting());
    }
    subject.until(journal, "four tasks are polled", |seen| seen.wakers.iter().all(Option::is_some));
    subject.end();
    subject.until(journal, "four tasks are dropped", |seen| seen.dropped == 4);
}

fn end_drops_what_is_ready<X: Executor>(subject: &mut Subject<X>, journal: &Arc<Journal>) {
    for _ in 0..4 {
        subject.spawn(journal.task(|context, _| {
            wake(context.waker());
            Poll::Pending
        }));
    }
    subject.end();
    subject.until(journal, "four tasks are dropped", |seen| seen.dropped == 4);
}

fn end_breaks_a_cycle<X: Executor + Clone>(subject: &mut Subject<X>, journal: &Arc<Journal>) {
    let executor = subject.executor.clone();
    subject.spawn(journal.task(move |_, _| {
        let _held = &executor;
        Poll::Pending
    }));
    subject.until(journal, "the task is polled", |seen| seen.polled > 0);
    subject.end();
    subject.until(journal, "the task is dropped", |seen| seen.dropped == 1);
}

/// By other threads, at the same time.
fn woken_while_it_ends<X: Executor>(subject: &mut Subject<X>, journal: &Arc<Journal>) {
    for _ in 0..2 {
        subject.spawn(journal.resting());
    }
    subject.until(journal, "both tasks are polled", |seen| seen.wakers.iter().all(Option::is_some));
    let ready = Arc::new(Barrier::new(2));
    let waker = {
        let (journal, ready) = (journal.clone(), ready.clone());
        thread::spawn(move || {
            ready.wait();
            for n in 0..20 {
                journal.wake(n % 2);
            }
        })
    };
    ready.wait();
    subject.end();
    // It panics nowhere.
    let _over = waker.join();
    subject.until(journal, "both tasks are dropped", |seen| seen.dropped == 2);
}

fn refuses_after_the_end<X: Executor>(subject: &mut Subject<X>, journal: &Arc<Journal>) {
    subject.end();
    for n in 1..=3 {
        if let Err(refused) = subject.try_spawn(journal.resting()) {
            assert_eq!(journal.lock().dropped, n, "a refused task is dropped at once");
            assert!(!refused.to_string().is_empty());
        }
        subject.until(journal, "the task is dropped", |seen| seen.dropped == n);
    }
    assert_eq!(journal.lock().polled, 0, "a task that came after the end was polled");
}

fn wake_up_after_the_end<X: Executor>(subject: &mut Subject<X>, journal: &Arc<Journal>) {
    subject.spawn(journal.resting());
    subject.until(journal, "the task is polled", |seen| seen.polled > 0);
    subject.end();
    subject.until(journal, "the task is dropped", |seen| seen.dropped == 1);
    let polled = journal.lock().polled;
    for _ in 0..3 {
        journal.wake(0);
    }
    if let Some(run) = &mut subject.run {
        run();
    }
    assert_eq!(journal.lock().polled, polled, "a task was polled after it was dropped");
}
