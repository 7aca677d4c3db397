//! A service that answers some milliseconds after it was asked, as one does behind a network.

use std::cmp::Reverse;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

/// One thread that answers all.
pub(crate) struct Service {
    desk: Arc<Desk>,
    latency: Range<Duration>,
}

/// What happened so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    pub(crate) lookups: u64,
    pub(crate) most_in_flight: usize,
    /// The latencies of all lookups together.
    pub(crate) waited: Duration,
}

#[derive(Default)]
struct Desk {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Default)]
struct State {
    /// By the time when the answer is due.
    due: BinaryHeap<Reverse<(Instant, u64)>>,
    in_flight: usize,
    seen: Seen,
    closed: bool,
    lookups: HashMap<u64, Reply>,
}

/// What a lookup finds when it is polled.
enum Reply {
    Waits(Option<Waker>),
    Ready,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers what is due, until the service is dropped.
    fn answer(&self) {
        let mut state = self.lock();
        while !state.closed {
            let now = Instant::now();
            match state.due.peek().map(|next| next.0) {
                Some((due, number)) if due <= now => {
                    state.due.pop();
                    state.in_flight -= 1;
                    // Nobody waits where the lookup was dropped.
                    let waiting = state.lookups.get_mut(&number);
                    let waiting = waiting.map(|reply| std::mem::replace(reply, Reply::Ready));
                    drop(state);
                    if let Some(Reply::Waits(Some(waker))) = waiting {
                        waker.wake();
                    }
                    state = self.lock();
                }
                Some((due, _)) => {
                    let waited = self.news.wait_timeout(state, due - now);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                None => state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

impl Service {
    /// Answers after a time within `latency`, which depends on what is asked for.
    pub(crate) fn start(latency: Range<Duration>) -> Service {
        let desk = Arc::new(Desk::default());
        let clerk = desk.clone();
        thread::spawn(move || clerk.answer());
        Service { desk, latency }
    }

    /// The number of a name.
    pub(crate) fn look_up(&self, name: &str) -> Lookup {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let answer = hasher.finish();
        let spread = (self.latency.end - self.latency.start).as_micros() as u64;
        let latency = self.latency.start + Duration::from_micros(answer % spread.max(1));
        let mut state = self.desk.lock();
        let number = state.seen.lookups;
        state.seen.lookups += 1;
        state.seen.waited += latency;
        state.in_flight += 1;
        state.seen.most_in_flight = state.seen.most_in_flight.max(state.in_flight);
        state.lookups.insert(number, Reply::Waits(None));
        state.due.push(Reverse((Instant::now() + latency, number)));
        self.desk.news.notify_one();
        Lookup { desk: self.desk.clone(), number, answer }
    }

    pub(crate) fn seen(&self) -> Seen {
        self.desk.lock().seen
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.desk.lock().closed = true;
        self.desk.news.notify_one();
    }
}

/// An answer on its way.
pub(crate) struct Lookup {
    desk: Arc<Desk>,
    number: u64,
    answer: u64,
}

impl Future for Lookup {
    type Output = u64;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<u64> {
        let mut state = self.desk.lock();
        match state.lookups.get_mut(&self.number) {
            Some(Reply::Waits(waker)) => {
                *waker = Some(context.waker().clone());
                Poll::Pending
            }
            Some(Reply::Ready) | None => Poll::Ready(self.answer),
        }
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        self.desk.lock().lookups.remove(&self.number);
    }
}
