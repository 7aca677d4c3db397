//! `window_sliding`: a publisher for each so many items, which overlap.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::Arc;

use millstream_blocks::branch::{Desk, Feeder, Seen, Sent, branch, trunk};
use millstream_blocks::gauge::Site;
use millstream_core::{Context, Publisher, Subscriber};

use crate::shape::hunger::Hunger;
use crate::shape::joined::capacity;
use crate::shape::trunk::{Divide, Seer, Trunk, connect};
use crate::shape::windowing::Window;

/// A publisher for each `size` items, one beginning every `step` items:
/// [`PublisherExt::window_sliding`](crate::PublisherExt::window_sliding).
///
/// ```text
///         window_sliding(3, 2)
/// up    --1--2--3-----4--5--|
/// down  --w-----w--------w--|
///         1--2--3|
///               3-----4--5|
///                        5--|
/// ```
///
/// As [`window`](crate::PublisherExt::window), and up to `size / step` windows, rounded up, are open at
/// a time. Each gets the item that comes: the newest that is read the item itself, those before it a
/// clone. For windows with gaps between, which need no clones, there is
/// [`window_skip`](crate::PublisherExt::window_skip).
///
/// A window that begins while nobody asked for one waits with its items, since those before it go on;
/// so windows may be read one after another, as by `concat_map`.
///
/// # Demand
/// An upstream that is not synchronous is asked for `size`, and for three quarters of it each time as
/// many items were taken; one that is synchronous is pulled. Items are taken only while somebody wants
/// what there is not: the reader of an open window an item, or downstream another window. Each window
/// has its own demand.
/// # Completion
/// A window is complete with its last item. Of upstream completes the open windows, behind their items;
/// downstream is complete when those that wait were sent, as it asks for them.
/// # Errors
/// Of upstream go to the open windows, behind their items, and to downstream at once: windows that wait
/// are discarded. One below a window, in its reader, ends that window alone. A panic in `clone` is a fault
/// for downstream and for the open windows.
/// # Cancellation
/// Of downstream: no more windows are opened, and those that wait are discarded; the others go on until
/// they are complete, and read. Then upstream is cancelled. Of a window: its items are discarded, and none
/// is cloned for it.
/// # Bounds
/// `size` items for each window that is not read to its end, and `size` of an upstream that is not
/// synchronous. One window less than there are open at a time, `size / step`, rounded up, may wait for
/// downstream; others are opened only as they are asked for. One allocation for each window, another
/// where its items have to wait, and what its reader needs.
/// # Panics
/// When `size` or `step` is zero, or `size` above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let windows = millstream::from_iter(1..=5).window_sliding(3, 2);
/// let sums = windows.concat_map(|window| window.running_fold(0, |sum, n| sum + n).take_last(1));
/// assert_eq!(sums.collect::<Vec<_>>().block()?, [1 + 2 + 3, 3 + 4 + 5, 5]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct WindowSliding<P> {
    upstream: P,
    size: NonZeroUsize,
    step: NonZeroUsize,
    site: Site,
}

impl<P> WindowSliding<P> {
    #[track_caller]
    pub(crate) fn new(upstream: P, size: usize, step: usize) -> WindowSliding<P> {
        let size = capacity("window_sliding(0, step)", size);
        let Some(step) = NonZeroUsize::new(step) else {
            panic!(
                "window_sliding({size}, 0): a window begins at least 1 item after the one before"
            );
        };
        WindowSliding { upstream, size, step, site: Site::here("window_sliding") }
    }
}

crate::opaque_debug::opaque_debug!(WindowSliding<P>, size, step);

impl<P: Publisher<Item: Clone, Error: Clone>> Publisher for WindowSliding<P> {
    type Item = Window<P::Item, P::Error>;
    type Error = P::Error;

    fn subscribe<S: Subscriber<Self::Item, P::Error>>(self, subscriber: S) {
        let WindowSliding { upstream, size, step, site } = self;
        let context = subscriber.context();
        let places = size.get().div_ceil(step.get());
        trunk(FIRST + places, |desk| {
            let seen = Seen::Together(None);
            let (out, windows) = branch(desk, OUT, NonZeroUsize::MIN, &context, seen, None);
            let bell = desk.bell().clone();
            let connect = move |seen: Seer<'_>| connect(upstream, size, bell, seen, site);
            let sliding = Overlapping {
                size,
                step: step.get(),
                places,
                taken: 0,
                until_next: 0,
                oldest: 0,
                open: VecDeque::new(),
                waiting: VecDeque::new(),
                out: Some(out),
                completes: false,
                desk: desk.clone(),
                context,
            };
            let trunk = Trunk::new(desk, sliding, connect);
            windows.subscribe(subscriber);
            trunk
        });
    }
}

/// The number of the branch to which windows are sent, and that of the first place for an open one.
const OUT: usize = 0;
const FIRST: usize = 1;

struct Overlapping<T: Send + 'static, E: Send + 'static> {
    size: NonZeroUsize,
    step: usize,
    /// The most windows that are open at a time.
    places: usize,
    /// Items that have come.
    taken: u64,
    /// How many come before the next window begins.
    until_next: usize,
    /// The place of the oldest open window; those of the others follow, round and round.
    oldest: usize,
    open: VecDeque<Open<T, E>>,
    /// Windows that nobody asked for yet, the oldest first: their feeders are among those above.
    waiting: VecDeque<Window<T, E>>,
    /// Downstream, until it is over.
    out: Option<Feeder<Window<T, E>, E>>,
    /// Upstream is complete: so is downstream, behind the windows that wait.
    completes: bool,
    desk: Arc<Desk>,
    context: Context,
}

/// A window that is open.
struct Open<T: Send + 'static, E: Send + 'static> {
    /// Until its reader has gone.
    feeder: Option<Feeder<T, E>>,
    /// The item, counted from the first of all, with which it is complete.
    last: u64,
}

impl<T: Clone + Send + 'static, E: Clone + Send + 'static> Overlapping<T, E> {
    /// The branch number of an open window, by its age.
    fn number(&self, age: usize) -> usize {
        FIRST + (self.oldest + age) % self.places
    }

    /// The open window of that branch number, if there is one: news may be of one that is complete.
    fn open_at(&mut self, n: usize) -> Option<&mut Open<T, E>> {
        let age = (n - FIRST + self.places - self.oldest) % self.places;
        self.open.get_mut(age)
    }

    fn send(&mut self, age: usize, item: T, hunger: &mut Hunger) {
        let n = self.number(age);
        let Some(open) = self.open.get_mut(age) else { return };
        let Some(feeder) = &mut open.feeder else { return };
        // There is room for all of a window.
        if let Sent::Full(item) | Sent::Gone(item) = hunger.send(n, feeder, item) {
            open.let_go(hunger);
            self.context.discards().discard(item);
        }
    }

    /// The item begins a window.
    fn begin(&mut self, item: T, hunger: &mut Hunger) {
        let n = self.number(self.open.len());
        // Windows have no line on the board: there is no number that bounds what all of them hold.
        let seen = Seen::Together(None);
        let (feeder, items) = branch(&self.desk, n, self.size, &self.context, seen, Some(item));
        let last = self.taken + self.size.get() as u64 - 1;
        self.open.push_back(Open { feeder: Some(feeder), last });
        self.waiting.push_back(Window(items));
        self.send_waiting(hunger);
    }

    /// Sends windows as far as they are asked for.
    fn send_waiting(&mut self, hunger: &mut Hunger) {
        while let Some(out) = self.out.as_mut().filter(|out| out.is_hungry())
            && let Some(window) = self.waiting.pop_front()
        {
            match hunger.send(OUT, out, window) {
                Sent::Taken => {}
                Sent::Full(window) => return self.waiting.push_front(window),
                Sent::Gone(window) => {
                    drop(window);
                    self.downstream_is_gone(hunger);
                }
            }
        }
    }

    fn downstream_is_gone(&mut self, hunger: &mut Hunger) {
        if let Some(out) = self.out.take() {
            hunger.forget(&out);
        }
        // What feeds them hears of it at the desk.
        self.waiting.clear();
    }

    fn end_downstream(&mut self, end: Result<(), E>, hunger: &mut Hunger) {
        if let Some(out) = self.out.take() {
            hunger.forget(&out);
            out.end(end);
        }
    }
}

impl<T: Send + 'static, E: Send + 'static> Open<T, E> {
    fn let_go(&mut self, hunger: &mut Hunger) {
        if let Some(feeder) = self.feeder.take() {
            hunger.forget(&feeder);
        }
    }

    /// It ends behind what it holds.
    fn end(self, end: Result<(), E>, hunger: &mut Hunger) {
        if let Some(feeder) = self.feeder {
            hunger.forget(&feeder);
            feeder.end(end);
        }
    }
}

impl<T: Clone + Send + 'static, E: Clone + Send + 'static> Divide for Overlapping<T, E> {
    type Item = T;
    type Error = E;

    fn attend(&mut self, n: usize, hunger: &mut Hunger) {
        if n == OUT {
            if let Some(out) = &mut self.out
                && hunger.attend(OUT, out)
            {
                self.downstream_is_gone(hunger);
            }
        } else if let Some(open) = self.open_at(n)
            && let Some(feeder) = &mut open.feeder
            && hunger.attend(n, feeder)
        {
            open.let_go(hunger);
        }
    }

    fn retry(&mut self, hunger: &mut Hunger) {
        self.send_waiting(hunger);
        if self.completes && self.waiting.is_empty() {
            self.end_downstream(Ok(()), hunger);
        }
    }

    /// Nothing is subscribed for a downstream that has already gone.
    fn connects(&mut self) -> Option<Context> {
        self.out.is_some().then(|| self.context.clone())
    }

    fn route(&mut self, item: T, hunger: &mut Hunger) {
        let begins = self.until_next == 0 && self.out.is_some();
        self.until_next = if self.until_next == 0 { self.step } else { self.until_next } - 1;
        // The item itself is for the window that begins, or else for the last that is read.
        let read = |open: &Open<T, E>| open.feeder.is_some();
        let whole = if begins { None } else { self.open.iter().rposition(read) };
        for age in 0..whole.unwrap_or(self.open.len()) {
            if self.open.get(age).is_some_and(read) {
                self.send(age, item.clone(), hunger);
            }
        }
        match whole {
            Some(age) => self.send(age, item, hunger),
            None if begins => self.begin(item, hunger),
            None => self.context.discards().discard(item),
        }
        if self.open.front().is_some_and(|open| open.last == self.taken)
            && let Some(open) = self.open.pop_front()
        {
            self.oldest = (self.oldest + 1) % self.places;
            open.end(Ok(()), hunger);
        }
        self.taken += 1;
    }

    /// One that begins a window which nobody asked for is in that window.
    fn is_held(&self) -> bool {
        false
    }

    fn finish(&mut self, end: Result<(), E>, hunger: &mut Hunger) {
        for open in std::mem::take(&mut self.open) {
            open.end(end.clone(), hunger);
        }
        self.completes = end.is_ok();
        if end.is_err() || self.waiting.is_empty() {
            self.waiting.clear();
            self.end_downstream(end, hunger);
        }
    }

    fn rest(&mut self, n: usize, hunger: &mut Hunger) {
        if n == OUT {
            if let Some(out) = &mut self.out {
                hunger.rest(out);
            }
        } else if let Some(open) = self.open_at(n)
            && let Some(feeder) = &mut open.feeder
        {
            hunger.rest(feeder);
        }
    }

    fn is_over(&self) -> bool {
        self.out.is_none() && self.open.iter().all(|open| open.feeder.is_none())
    }
}
