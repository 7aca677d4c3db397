//! A poller: a source that others fill, emptied by a task that polls.
//!
//! ```text
//!                 ┌──── Post (shared) ────┐
//!  whoever fills ─┤ waker · broken, fault ├─▶ the task that polls: Poller ─▶ item or end
//!      a lane     └───────────────────────┘
//! ```
//!
//! An [island](crate::island) and a [task](crate::task) send to a subscriber; a poller hands the
//! items to whoever calls [`poll`](Poller::poll), one for each call, and so needs neither a demand
//! word nor an executor: the demand is the call.
//!
//! | what | who may touch it | when |
//! |---|---|---|
//! | source | the task that polls | any |
//! | `waker` | registered by the task, taken by whoever rings | any |
//! | `fault` | put by whoever breaks, under its lock; the first stands | before `broken` is set |
//! | `fault` | taken by the task, under its lock, once: nothing is put after | at the end, or as it goes |
//!
//! * **No wake-up is lost.** The task registers its waker first and looks at the source second;
//!   whoever has news leaves them first and rings second. So the source is looked at once more
//!   after the waker is there. A look that finds an item needs no waker.
//! * **To stop polling loses nothing**: what is queued stays queued, and the next call gives it.
//! * **Where there is a board**, it is told at the end of each call: an item is wanted where the
//!   call waits, and none while whoever polled has one.
//! * **A fault does not wait** behind what is queued, and none is swallowed: one that comes after the
//!   first, or when nobody polls any more, is reported as undelivered.
//! * **The end needs no room**: whoever can take no item may ask for it [alone](Poller::poll_end).
//! * **The source is dropped before the end is told**, and with the poller: that cancels
//!   upstream. A panic in it is the end, as a fault.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{self, Poll};

use millstream_core::{
    Context, Credit, End, Fault, More, Panic, Pull, Pulled, Undelivered, report_undelivered,
};
use millstream_sync::{AtomicU64, Mutex, Ordering, lock};

use crate::bell::{Bell, Host};
use crate::emission::without_source;
use crate::gauge::Panel;
use crate::waker::WakerSlot;

/// How many items a source may skip in one call before others are let run.
const SKIPS: u32 = 1024;

/// See the [module](self).
pub struct Poller<P: Pull> {
    state: State<P>,
    /// An item that was pulled to find out whether the source is over: given next.
    ahead: Option<P::Item>,
    started: bool,
    post: Arc<Post>,
}

enum State<P: Pull> {
    Running(P),
    /// It broke before it began.
    Broken(Fault),
    Over,
}

// The source is moved, never pinned.
impl<P: Pull> Unpin for Poller<P> {}

impl<P: Pull> Poller<P> {
    /// A poller of what `make` gives, which is given the bell that whoever fills it must ring, and
    /// the context of whoever polls; it subscribes to them. One allocation, and those of the
    /// source.
    pub fn new(context: &Context, make: impl FnOnce(&Bell, &Context) -> P) -> Poller<P> {
        let post = Arc::new(Post {
            waker: WakerSlot::new(),
            broken: AtomicU64::new(0),
            fault: Mutex::new(Letter::None),
            panel: Panel::of(context),
        });
        let bell = Bell::new(post.clone());
        let made = catch_unwind(AssertUnwindSafe(|| make(&bell, context)));
        let state = match made {
            Ok(source) => State::Running(source),
            Err(payload) => State::Broken(Fault::Panicked(Panic::new(payload))),
        };
        Poller { state, ahead: None, started: false, post }
    }

    /// The next item, or the end, which is [`End::Completed`] from the second time on. Wakes
    /// `cx` when there is one.
    pub fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<P::Item, End<P::Error>>> {
        let looked = match &mut self.state {
            State::Running(source) => {
                self.started = true;
                let (ahead, post) = (&mut self.ahead, &self.post);
                catch_unwind(AssertUnwindSafe(|| look_twice(source, ahead, post, cx)))
            }
            State::Broken(_) | State::Over => Ok(Poll::Ready(Err(End::Completed))),
        };
        let end = match looked {
            Ok(Poll::Ready(Err(end))) => end,
            Ok(going_on) => {
                self.rests(if going_on.is_pending() { More::ONE } else { More::NONE });
                return going_on;
            }
            Err(payload) => End::Fault(Fault::Panicked(Panic::new(payload))),
        };
        Poll::Ready(Err(self.over(end)))
    }

    /// The end, where there is no item before it. Wakes `cx` when it is there. For whoever has no
    /// room for an item, and need not have it for the end.
    pub fn poll_end(&mut self, cx: &mut task::Context<'_>) -> Poll<End<P::Error>> {
        self.post.waker.register(cx.waker());
        let looked = match &mut self.state {
            State::Running(_) if self.post.is_broken() => Ok(Some(End::Completed)),
            State::Running(source) if self.ahead.is_none() => {
                let (ahead, started) = (&mut self.ahead, self.started);
                catch_unwind(AssertUnwindSafe(|| look_ahead(source, ahead, started)))
            }
            State::Broken(_) => Ok(Some(End::Completed)),
            State::Running(_) | State::Over => Ok(None),
        };
        let end = match looked {
            Ok(Some(end)) => end,
            Ok(None) => {
                self.rests(More::NONE);
                return Poll::Pending;
            }
            Err(payload) => End::Fault(Fault::Panicked(Panic::new(payload))),
        };
        Poll::Ready(self.over(end))
    }

    /// The fault that broke the stream, if one did, without a look at the items; it is the end.
    /// Wakes `cx` when one does.
    pub fn poll_fault(&mut self, cx: &mut task::Context<'_>) -> Poll<Fault> {
        self.post.waker.register(cx.waker());
        match &self.state {
            State::Running(_) if !self.post.is_broken() => {
                self.rests(More::NONE);
                return Poll::Pending;
            }
            State::Over => return Poll::Pending,
            State::Running(_) | State::Broken(_) => {}
        }
        match self.over(End::Completed) {
            End::Fault(fault) => Poll::Ready(fault),
            _ => Poll::Pending,
        }
    }

    /// Whoever polls goes away, and wants `more`: what it polled for, or nothing.
    fn rests(&self, more: More) {
        if let Some(panel) = &self.post.panel {
            let mut wanted = Credit::NONE;
            wanted.add(more);
            panel.rest(wanted);
        }
    }

    fn over(&mut self, end: End<P::Error>) -> End<P::Error> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Running(source) => {
                let end = self.post.close().map_or(end, End::Fault);
                without_source((self.ahead.take(), source), end)
            }
            State::Broken(fault) => End::Fault(fault),
            State::Over => end,
        }
    }

    /// The source, until the end.
    #[must_use]
    pub fn source(&self) -> Option<&P> {
        match &self.state {
            State::Running(source) => Some(source),
            State::Broken(_) | State::Over => None,
        }
    }

    /// The source, until the end: for a host that asks for items by itself. It is pulled by the poller
    /// alone.
    pub fn source_mut(&mut self) -> Option<&mut P> {
        match &mut self.state {
            State::Running(source) => Some(source),
            State::Broken(_) | State::Over => None,
        }
    }

    /// Whether the end was told.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }
}

type Looked<P> = Poll<Result<<P as Pull>::Item, End<<P as Pull>::Error>>>;

fn look_twice<P: Pull>(
    source: &mut P,
    ahead: &mut Option<P::Item>,
    post: &Post,
    cx: &mut task::Context<'_>,
) -> Looked<P> {
    for registered in [false, true] {
        if registered {
            post.waker.register(cx.waker());
        }
        if post.is_broken() {
            // Which fault, the end says.
            return Poll::Ready(Err(End::Completed));
        }
        if let Some(item) = ahead.take() {
            return Poll::Ready(Ok(item));
        }
        let mut skips = SKIPS;
        loop {
            match source.pull() {
                Pulled::Item(item) => return Poll::Ready(Ok(item)),
                Pulled::Pending => break,
                Pulled::Complete => return Poll::Ready(Err(End::Completed)),
                Pulled::Error(error) => return Poll::Ready(Err(End::Failed(error))),
                Pulled::Skipped if skips == 0 => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Pulled::Skipped => skips -= 1,
            }
        }
    }
    Poll::Pending
}

fn look_ahead<P: Pull>(
    source: &mut P,
    ahead: &mut Option<P::Item>,
    started: bool,
) -> Option<End<P::Error>> {
    match source.look_ahead(started) {
        Pulled::Complete => Some(End::Completed),
        Pulled::Error(error) => Some(End::Failed(error)),
        Pulled::Item(item) => {
            *ahead = Some(item);
            None
        }
        Pulled::Pending | Pulled::Skipped => None,
    }
}

impl<P: Pull> fmt::Debug for Poller<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Running(_) => "Poller(running)",
            State::Broken(_) => "Poller(broken)",
            State::Over => "Poller(over)",
        })
    }
}

impl<P: Pull> Drop for Poller<P> {
    fn drop(&mut self) {
        // What broke the stream and was not asked for.
        if let Some(fault) = self.post.close() {
            report_undelivered(&Undelivered::Fault(fault));
        }
    }
}

struct Post {
    waker: WakerSlot,
    /// Not zero once there is a fault.
    broken: AtomicU64,
    fault: Mutex<Letter>,
    /// Where there is a board.
    panel: Option<Arc<Panel>>,
}

/// Why the stream broke.
enum Letter {
    None,
    Fault(Fault),
    /// Nobody reads another.
    Closed,
}

impl Post {
    fn is_broken(&self) -> bool {
        // ordering: acquire pairs with the release in `fail`: the fault is there.
        self.broken.load(Ordering::Acquire) != 0
    }

    /// The fault, if there is one. Of one that comes later the poller is not told.
    fn close(&self) -> Option<Fault> {
        match std::mem::replace(&mut *lock(&self.fault), Letter::Closed) {
            Letter::Fault(fault) => Some(fault),
            Letter::None | Letter::Closed => None,
        }
    }
}

impl Host for Post {
    fn ring(&self) {
        self.waker.wake();
    }

    fn panel(&self) -> Option<&Arc<Panel>> {
        self.panel.as_ref()
    }

    fn fail(&self, fault: Fault) {
        let mut letter = lock(&self.fault);
        if !matches!(*letter, Letter::None) {
            drop(letter);
            return report_undelivered(&Undelivered::Fault(fault));
        }
        *letter = Letter::Fault(fault);
        drop(letter);
        // ordering: release pairs with the acquire in `is_broken`.
        self.broken.store(1, Ordering::Release);
        self.waker.wake();
    }
}
