//! The end of a stream: something to await, or to wait for.
//!
//! An end is a [`Gather`]: what it does with an item, and what comes out. [`Run`] does the rest.
//! It is lazy like every future: nothing is subscribed before it is polled or blocked on.
//! Dropping it cancels the stream.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use millstream_blocks::outcome::{Completer, Outcome, outcome};
use millstream_core::{
    ActiveSubscriber, Cause, Demand, End, Failure, Fault, More, Panic, Publisher, Rest, Subscriber,
    Subscription,
};
use millstream_executors::executor_thread;

use crate::end::IntoPublisher;
use crate::shape::stage::Stage;

/// What an end does with the items, and what comes of them.
pub trait Gather<T, E>: Send + 'static {
    /// The result.
    type Output: Send + 'static;
    /// How it fails.
    type Error: Send + 'static;

    /// What is asked for at the beginning; at most unbounded.
    fn demand(&self) -> Demand {
        Demand::UNBOUNDED
    }

    /// Takes an item; [`More::CANCEL`] where the result is known now.
    fn next(&mut self, item: T) -> More;

    /// Why [`next`](Gather::next) answered so: [`Cause::Failed`] where what comes out is an error.
    fn cause(&self) -> Cause {
        Cause::NoMoreNeeded
    }

    /// The stream is complete, or was cancelled by [`next`](Gather::next).
    ///
    /// # Errors
    /// Where there is no result.
    fn finish(self) -> Result<Self::Output, Self::Error>;

    /// The stream failed.
    ///
    /// # Errors
    /// As a rule with that error.
    fn error(self, error: E) -> Result<Self::Output, Self::Error>;
}

type Result_<T, E, G> = Result<<G as Gather<T, E>>::Output, Failure<<G as Gather<T, E>>::Error>>;

/// An end that has not begun, or has not come yet. `.await` it, or [`block`](Run::block) on it.
///
/// The result is an error where the stream failed ([`Failure::Error`]) or the pipeline broke,
/// by a panic in user code or a source that went away ([`Failure::Fault`]).
#[must_use = "ends are lazy: nothing runs before `.await` or `.block()`"]
pub struct Run<P, G, O = Output<P, G>, E = Error<P, G>>(State<P, G, O, E>);

// What comes out is named and not looked up by the compiler: where a future holds an end across an
// `.await`, it forgets that lifetimes are `'static`, and would not find that the future is `Send`.
type Output<P, G> = <G as Gather<<P as Publisher>::Item, <P as Publisher>::Error>>::Output;
type Error<P, G> = <G as Gather<<P as Publisher>::Item, <P as Publisher>::Error>>::Error;

enum State<P, G, O, E> {
    Lazy(P, G),
    Running(Outcome<Result<O, Failure<E>>>),
    Over,
}

// The publisher and the gather are moved before they run, never pinned.
impl<P, G, O, E> Unpin for Run<P, G, O, E> {}

impl<P: Publisher, G: Gather<P::Item, P::Error>> Run<P, G> {
    /// `gather` at the end of `publisher`.
    pub fn new(publisher: P, gather: G) -> Run<P, G> {
        Run(State::Lazy(publisher, gather))
    }

    /// Runs the stream and waits on this thread for its end.
    ///
    /// # Errors
    /// As awaiting it; and [`Fault::BlockedExecutor`], before anything runs, on a thread that
    /// runs an executor: it could wait for work that only this thread can do. Such a thread is
    /// known where an executor [says so](millstream_executors::executor_thread::enter), inside the poll of any
    /// end of this library, and, with the feature `tokio`, inside a tokio runtime. Inside the
    /// `block_on` of another library, outside of any pipeline, it cannot be told. A thread of tokio's
    /// `spawn_blocking` cannot be told from a worker of its, and is refused as well unless it
    /// [says](millstream_executors::executor_thread::enter_blocking) that it may block.
    pub fn block(self) -> Result<G::Output, Failure<G::Error>> {
        if executor_thread::is_current() {
            return Err(Failure::Fault(Fault::BlockedExecutor));
        }
        let outcome = match self.0 {
            State::Lazy(publisher, gather) => start(publisher, gather),
            State::Running(outcome) => outcome,
            State::Over => return Err(Failure::Fault(Fault::SourceDropped)),
        };
        outcome.wait().unwrap_or(Err(Failure::Fault(Fault::SourceDropped)))
    }
}

impl<P, G, O, E> Run<P, G, O, E> {
    /// The result as the one item of a publisher. See [`IntoPublisher`].
    ///
    /// # Panics
    /// When it was polled before.
    #[doc(alias = "Mono", alias = "Flow.fold", alias = "collectList")]
    #[track_caller]
    pub fn into_publisher(self) -> Stage<P, IntoPublisher<G>> {
        let State::Lazy(publisher, gather) = self.0 else {
            panic!(
                "Run::into_publisher(): this end was polled, so its result is on its way to a future"
            );
        };
        Stage::new(publisher, IntoPublisher::new(gather))
    }
}

fn start<P, G>(publisher: P, gather: G) -> Outcome<Result_<P::Item, P::Error, G>>
where
    P: Publisher,
    G: Gather<P::Item, P::Error>,
{
    let (completer, outcome) = outcome();
    publisher.subscribe(GatherSubscriber { gather, completer, lets_go: P::PULLS });
    outcome
}

impl<P: Publisher, G: Gather<P::Item, P::Error>> Future for Run<P, G> {
    type Output = Result<G::Output, Failure<G::Error>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let _polled_by_an_executor = executor_thread::polls();
        if let State::Lazy(..) = self.0
            && let State::Lazy(publisher, gather) = std::mem::replace(&mut self.0, State::Over)
        {
            self.0 = State::Running(start(publisher, gather));
        }
        let State::Running(outcome) = &mut self.0 else {
            panic!("an end was polled after it had come");
        };
        let Poll::Ready(result) = outcome.poll(context) else { return Poll::Pending };
        self.0 = State::Over;
        Poll::Ready(result.unwrap_or(Err(Failure::Fault(Fault::SourceDropped))))
    }
}

impl<P, G, O, E> fmt::Debug for Run<P, G, O, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            State::Lazy(..) => "Run(not started)",
            State::Running(_) => "Run(running)",
            State::Over => "Run(over)",
        })
    }
}

struct GatherSubscriber<G, R> {
    gather: G,
    completer: Completer<R>,
    /// What can be pulled is over when `subscribe` returns: before that nobody can drop the end,
    /// and after it there is nothing to cancel. So it runs without anybody who looks for it.
    lets_go: bool,
}

impl<T, E, G> Subscriber<T, E> for GatherSubscriber<G, Result_<T, E, G>>
where
    T: Send + 'static,
    E: Send + 'static,
    G: Gather<T, E>,
{
    type Active = Self;

    fn on_subscribe(self, subscription: Subscription) -> Self {
        subscription.request(self.gather.demand());
        if self.lets_go {
            subscription.detach();
        } else {
            self.completer.attach(subscription);
        }
        self
    }
}

impl<T, E, G> ActiveSubscriber<T, E> for GatherSubscriber<G, Result_<T, E, G>>
where
    T: Send + 'static,
    E: Send + 'static,
    G: Gather<T, E>,
{
    #[inline]
    fn on_next(&mut self, item: T) -> More {
        self.gather.next(item)
    }

    fn cause(&self) -> Cause {
        self.gather.cause()
    }

    fn on_complete(self) {
        drop(self.on_end(End::Completed));
    }

    fn on_error(self, error: E) {
        drop(self.on_end(End::Failed(error)));
    }

    fn on_fault(self, fault: Fault) {
        self.completer.complete(Err(Failure::Fault(fault)));
    }

    fn on_end(self, end: End<E>) -> Option<Box<dyn Rest>> {
        let GatherSubscriber { gather, completer, .. } = self;
        let gathered = catch_unwind(AssertUnwindSafe(|| match end {
            // Cancelled by `next`: the result is known.
            End::Completed | End::Cancelled(_) => gather.finish().map_err(Failure::Error),
            End::Failed(error) => gather.error(error).map_err(Failure::Error),
            End::Fault(fault) => Err(Failure::Fault(fault)),
        }));
        completer.complete(
            gathered.unwrap_or_else(|payload| {
                Err(Failure::Fault(Fault::Panicked(Panic::new(payload))))
            }),
        );
        None
    }
}
