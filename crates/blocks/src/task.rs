//! A task: a source that others fill and the chain of stages below it, on an executor.
//!
//! ```text
//!        ┌──────── Post (shared) ────────┐       ┌────── Task: a future ──────┐
//!        │ token · mail                  │──────▶│ lanes → stage → subscriber │
//!        └──▲─────────────────▲──────────┘ wake  └────────────────────────────┘
//!           │                 └── Bell, held by whoever fills a lane
//!           └── Subscription (request, cancel), held by whoever asks
//! ```
//!
//! The same as an [island](crate::island), run elsewhere. What it runs (`running`) lives in
//! the future, so nobody else can touch it, and there is no cell to guard. The turn of the
//! word is the [token](crate::token) that schedules: it is taken by the knock that wakes the task
//! and given up by the task when it has nothing to do, so the task is woken once, however many
//! knock. What there is to send goes before the turn is given up, so whoever waits for it does not wait
//! for that as well.
//!
//! * **It does not starve others.** After [`BUDGET`] items it wakes itself and returns. A turn
//!   that follows on another counts as [`TURN`] of them, since it need not send any: a future that
//!   the source drives may wake itself whenever it is polled.
//! * **It lingers where its source asks for that** ([`Host::linger`]): it wakes itself and returns, with
//!   the turn in its hand, so others on the executor run, and who knocks meanwhile only adds and wakes
//!   nobody (model `who_knocks_while_it_lingers_wakes_nobody`). That is once: the next poll takes what
//!   was added and rests, unless the source asks again. What comes as it rests is seen by `leave`, as
//!   ever (models `a_producer_races_a_task_that_lingers`, `cancel_races_a_task_that_lingers`,
//!   `detach_races_a_task_that_lingers`).
//! * **An executor that drops the task**, because it is shut down or has had enough, ends the
//!   stream with [`Fault::ExecutorGone`]; one that [refuses](crate::entrust) it, with the reason.
//!   A task that was cancelled before is just dropped, for the [cause](crate::cause) that is in its
//!   mail. Either way what is queued is discarded and
//!   upstream cancelled.

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, Waker};

use millstream_core::{
    ActiveSubscriber, Cause, Context, Demand, Fault, Panic, Progress, Pull, Subscriber,
    Subscription, Upstream,
};
use millstream_sync::{AtomicU64, Mutex, Ordering, lock};

use crate::bell::{Bell, Host};
use crate::cause::enter;
use crate::emission::{Emission, Pace};
use crate::entrust::Errand;
use crate::gauge::Panel;
use crate::mail::{self, Mail, leave_cause, leave_fault};
use crate::running::{Running, Runs, active, break_off_contained, undelivered};
use crate::token::TaskToken;
use crate::word::DemandWord;

/// How many items a task sends at most before it lets others run.
pub const BUDGET: u32 = 1024;

/// How many items of its budget a turn costs a task.
pub const TURN: u32 = 32;

/// Subscribes `subscriber` to a source that others fill, and returns the task that sends its
/// items; the caller hands it to an executor. `make` is given the bell that they must ring, and
/// the context of `subscriber`; it subscribes to them.
///
/// `None` where there is nothing to run: downstream is gone already.
pub fn task<P, S>(
    make: impl FnOnce(&Bell, &Context) -> P,
    subscriber: S,
) -> Option<Task<P, S::Active>>
where
    P: Pull,
    S: Subscriber<P::Item, P::Error>,
{
    let context = subscriber.context();
    let post = Arc::new(Post {
        token: TaskToken::held(),
        mail: Mutex::new(Mail::default()),
        lingers: AtomicU64::new(0),
        panel: Panel::of(&context),
    });
    let subscription = Subscription::new(post.clone());
    let Some(active) = active(subscriber, subscription) else {
        post.token.word().close();
        return None;
    };
    // Nothing is subscribed for a downstream that has already gone.
    if post.token.word().is_closed() {
        let _cause = enter(mail::cause(&post.mail));
        drop(active);
        return None;
    }
    let mut task = Task {
        running: Running::Source(Emission::sourceless(active)),
        post: post.clone(),
        detached: false,
        over: false,
    };
    let bell = Bell::new(post);
    match catch_unwind(AssertUnwindSafe(|| make(&bell, &context))) {
        Ok(source) => {
            if let Running::Source(emission) = &mut task.running {
                emission.begin(source);
            }
            Some(task)
        }
        Err(payload) => {
            task.finish(Some(Fault::Panicked(Panic::new(payload))));
            None
        }
    }
}

/// What knocks come to.
struct Post {
    token: TaskToken,
    mail: Mutex<Mail>,
    /// Whether the source asked that others run before the task looks again.
    lingers: AtomicU64,
    /// Where somebody looks at its boundaries.
    panel: Option<Arc<Panel>>,
}

impl Post {
    /// Whether the source asked that others run, since the last time.
    fn lingers(&self) -> bool {
        // ordering: relaxed, here and below; written by what the task runs, and read when that returned.
        let lingers = self.lingers.load(Ordering::Relaxed) != 0;
        if lingers {
            // ordering: relaxed, as above.
            self.lingers.store(0, Ordering::Relaxed);
        }
        lingers
    }
}

impl Upstream for Post {
    fn request(&self, demand: Demand) {
        self.token.request(demand);
    }

    fn cancel(&self) {
        leave_cause(&self.mail);
        self.token.cancel();
    }

    fn cancel_because(&self, cause: Cause) {
        let _cause = enter(cause);
        self.cancel();
    }

    fn detach(&self) {
        if !self.token.word().is_closed() {
            lock(&self.mail).detached = true;
            self.token.signal();
        }
    }

    fn fail(&self, fault: Fault) {
        if self.token.word().is_closed() {
            return;
        }
        leave_fault(&self.mail, fault);
        self.token.signal();
    }
}

impl Host for Post {
    fn ring(&self) {
        self.token.signal();
    }

    fn fail(&self, fault: Fault) {
        Upstream::fail(self, fault);
    }

    fn linger(&self) {
        // ordering: relaxed, as in `lingers`.
        self.lingers.store(1, Ordering::Relaxed);
    }

    fn panel(&self) -> Option<&Arc<Panel>> {
        self.panel.as_ref()
    }
}

/// A future that sends items while there is demand, and is ready at the end of the stream. See
/// the [module](self).
#[must_use = "a task does nothing unless an executor runs it, and ends its stream when dropped"]
pub struct Task<P: Pull, A: ActiveSubscriber<P::Item, P::Error>> {
    post: Arc<Post>,
    running: Running<P, A>,
    /// Downstream let go of its handle, and all that it asked for has been claimed.
    detached: bool,
    over: bool,
}

// What it runs is moved before it runs, never pinned.
impl<P: Pull, A: ActiveSubscriber<P::Item, P::Error>> Unpin for Task<P, A> {}

impl<P: Pull, A: ActiveSubscriber<P::Item, P::Error>> Task<P, A> {
    /// Sends until there is nothing to do, and leaves `waker` then; `None` at the end.
    fn turns(&mut self, waker: &Waker) -> Option<Rested> {
        let left = Cell::new(BUDGET);
        let Task { post, running, detached, .. } = self;
        let budget = Budget { word: post.token.word(), left: &left };
        loop {
            let claim = post.token.claim();
            let mail = if claim.signalled { lock(&post.mail).take() } else { Mail::default() };
            if claim.closed {
                running.dismiss(mail::cause(&post.mail));
                return None;
            }
            if let Some(fault) = mail.fault {
                running.break_off(fault);
                return None;
            }
            let progress = running.advance(claim.more, budget)?;
            if progress == Progress::Starved && *detached {
                *running = Running::Vacant;
                return None;
            }
            *detached |= mail.detached;
            let spent = progress == Progress::Interrupted && left.get() == 0;
            if post.lingers() || spent {
                if let Some(panel) = &post.panel {
                    panel.demand(running.credit());
                }
                return Some(Rested::Holding);
            }
            if let Some(panel) = &post.panel {
                panel.rest(running.credit());
            }
            // What was asked before letting go may have come after the claim.
            if !mail.detached && post.token.rest(waker) {
                return Some(Rested::Left);
            }
            left.set(left.get().saturating_sub(TURN));
            if left.get() == 0 {
                return Some(Rested::Holding);
            }
        }
    }

    /// The end: nobody enters again, and what runs is broken off by `fault`.
    fn finish(&mut self, fault: Option<Fault>) {
        self.over = true;
        self.post.token.word().close();
        match fault {
            Some(fault) => break_off_contained(&mut self.running, fault),
            None => {
                let cause = mail::cause(&self.post.mail);
                let dropped = AssertUnwindSafe(|| self.running.dismiss(cause));
                if let Err(payload) = catch_unwind(dropped) {
                    undelivered(payload);
                }
            }
        }
    }
}

/// Stops a task when it is to look at its word, and when it has sent enough.
#[derive(Clone, Copy)]
struct Budget<'a> {
    word: &'a DemandWord,
    /// How many more items it may send.
    left: &'a Cell<u32>,
}

impl Pace for Budget<'_> {
    type Count = u32;

    #[inline]
    fn begin(self) -> u32 {
        self.left.get()
    }

    #[inline]
    fn spends(self, left: &mut u32) -> bool {
        match left.checked_sub(1) {
            Some(fewer) => *left = fewer,
            None => return true,
        }
        self.word.interrupted()
    }

    #[inline]
    fn end(self, left: u32) {
        self.left.set(left);
    }

    fn interrupted(self) -> bool {
        let spent = self.left.get() == 0;
        self.end(self.left.get().saturating_sub(1));
        spent || self.word.interrupted()
    }
}

enum Rested {
    /// The turn was given up.
    Left,
    /// Others are to run first: the budget is spent, or the source lingers. The turn is still held.
    Holding,
}

impl<P: Pull, A: ActiveSubscriber<P::Item, P::Error>> Future for Task<P, A> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.over {
            return Poll::Ready(());
        }
        if !this.post.token.is_due(cx.waker()) {
            return Poll::Pending;
        }
        match catch_unwind(AssertUnwindSafe(|| this.turns(cx.waker()))) {
            Ok(Some(Rested::Left)) => Poll::Pending,
            Ok(Some(Rested::Holding)) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Ok(None) => {
                this.finish(None);
                Poll::Ready(())
            }
            Err(payload) => {
                this.finish(Some(Fault::Panicked(Panic::new(payload))));
                Poll::Ready(())
            }
        }
    }
}

impl<P: Pull, A: ActiveSubscriber<P::Item, P::Error>> Errand for Task<P, A> {
    fn break_off(&mut self, fault: Fault) {
        if !self.over {
            let cancelled = self.post.token.word().is_closed();
            self.finish((!cancelled).then_some(fault));
        }
    }
}

impl<P: Pull, A: ActiveSubscriber<P::Item, P::Error>> Drop for Task<P, A> {
    fn drop(&mut self) {
        self.break_off(Fault::ExecutorGone);
    }
}

impl<P: Pull, A: ActiveSubscriber<P::Item, P::Error>> fmt::Debug for Task<P, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("over", &self.over).finish_non_exhaustive()
    }
}
