//! Deliveries: ends that hand the items to something asynchronous, as fast as it takes them.
//!
//! There is one loop for all of them. It awaits the target before it takes an item, so demand
//! follows the target; lets it flush when upstream has nothing for now; and looks for a fault of
//! the pipeline whenever the target makes it wait. Where neither side ever does, it lets others run
//! after a stretch of items.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{self, Poll};

use millstream_blocks::cause::within;
use millstream_blocks::gauge::{Board, Site};
use millstream_blocks::poller::Poller;
use millstream_core::{Cause, Context, End, Failure, Fault, Panic, Publisher, Pull};
use millstream_executors::{CurrentThread, executor_thread};

use crate::edge::{AsyncTarget, DeliveryError};
use crate::shape::joined::feed;

/// How many items are handed over at most before others are let run.
const STRETCH: u32 = 1024;

type Running<O, E> = Pin<Box<dyn Future<Output = Outcome<O, E>> + Send>>;
type Outcome<O, E> = Result<O, Failure<E>>;

/// An end that hands the items to something asynchronous. `.await` it, or
/// [`block`](Delivery::block) on it.
///
/// The result is an error where one of the two sides failed ([`Failure::Error`]) or the pipeline
/// broke ([`Failure::Fault`]).
#[must_use = "ends are lazy: nothing runs before `.await` or `.block()`"]
pub struct Delivery<O, E>(State<O, E>);

enum State<O, E> {
    Lazy(Begin<O, E>, Context),
    Running(Running<O, E>),
    Over,
}

type Begin<O, E> = Box<dyn FnOnce(Context) -> Running<O, E> + Send>;

impl<O, E, G> Delivery<O, DeliveryError<E, G>> {
    /// The items of `publisher` to `target`, for the operator `kind`.
    #[track_caller]
    pub(crate) fn new<P, A>(kind: &'static str, publisher: P, target: A) -> Self
    where
        P: Publisher<Error = E>,
        A: AsyncTarget<P::Item, Output = O, Error = G>,
        E: Send + 'static,
    {
        let site = Site::here(kind);
        let begin = move |context| -> Running<O, DeliveryError<E, G>> {
            Box::pin(deliver(publisher, target, context, site))
        };
        Delivery(State::Lazy(Box::new(begin), Context::default()))
    }
}

impl<O, E> Delivery<O, E> {
    /// Its queue and the boundaries above are listed on a board, as by
    /// [`observed`](crate::PublisherExt::observed), which is for those above alone. It says nothing
    /// once the end was polled.
    pub fn observed(self, board: &Board) -> Delivery<O, E> {
        self.around(|context| board.watch().over(context))
    }

    /// A name for its queue, as by [`named`](crate::PublisherExt::named). It says nothing once the
    /// end was polled.
    pub fn named(self, name: impl Into<Cow<'static, str>>) -> Delivery<O, E> {
        self.around(|context| context.with_name(name))
    }

    fn around(self, change: impl FnOnce(Context) -> Context) -> Delivery<O, E> {
        Delivery(match self.0 {
            State::Lazy(begin, context) => State::Lazy(begin, change(context)),
            other => other,
        })
    }
}

impl<O, E> Delivery<O, E> {
    /// Runs the stream on this thread, and waits for its end.
    ///
    /// # Errors
    /// As awaiting it; and [`Fault::BlockedExecutor`], before anything runs, on a thread that
    /// runs an executor: it could wait for work that only this thread can do.
    pub fn block(self) -> Result<O, Failure<E>> {
        if executor_thread::is_current() {
            return Err(Failure::Fault(Fault::BlockedExecutor));
        }
        CurrentThread::new().run_until(self)
    }
}

impl<O, E> Future for Delivery<O, E> {
    type Output = Result<O, Failure<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let _polled_by_an_executor = executor_thread::polls();
        if let State::Lazy(..) = self.0
            && let State::Lazy(begin, context) = std::mem::replace(&mut self.0, State::Over)
        {
            self.0 = State::Running(begin(context));
        }
        let State::Running(future) = &mut self.0 else {
            panic!("an end was polled after it had come");
        };
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        let outcome = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(outcome)) => outcome,
            // What it held was dropped on the way.
            Err(payload) => Err(Failure::Fault(Fault::Panicked(Panic::new(payload)))),
        };
        self.0 = State::Over;
        Poll::Ready(outcome)
    }
}

impl<O, E> fmt::Debug for Delivery<O, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            State::Lazy(..) => "Delivery(not started)",
            State::Running(_) => "Delivery(running)",
            State::Over => "Delivery(over)",
        })
    }
}

async fn deliver<P, A>(
    publisher: P,
    mut target: A,
    context: Context,
    site: Site,
) -> Outcome<A::Output, DeliveryError<P::Error, A::Error>>
where
    P: Publisher,
    A: AsyncTarget<P::Item>,
{
    target.ready().await.map_err(failed)?;
    let mut items = Poller::new(&context, |bell, context| {
        feed(publisher, NonZeroUsize::MIN, bell.clone(), context, site)
    });
    let end = match carry(&mut items, &mut target).await {
        Ok(end) => {
            drop(items);
            end
        }
        Err(failure) => {
            // The target failed, as a rule: that is why upstream is cancelled.
            within(Cause::Failed, || drop(items));
            return Err(failure);
        }
    };
    match end {
        End::Completed | End::Cancelled(_) => target.close().await.map_err(failed),
        End::Failed(error) => {
            // The first failure stands.
            let _flushed = target.flush().await;
            Err(Failure::Error(DeliveryError::Upstream(error)))
        }
        End::Fault(fault) => Err(Failure::Fault(fault)),
    }
}

/// Sends the items to the target, until the end of either.
async fn carry<Q: Pull, A: AsyncTarget<Q::Item>>(
    items: &mut Poller<Q>,
    target: &mut A,
) -> Outcome<End<Q::Error>, DeliveryError<Q::Error, A::Error>> {
    let mut sent = 0_u32;
    loop {
        let mut next = now(items).await;
        if sent > 0 && next.is_none() {
            beside(items, target.flush()).await?;
            // What was ready before need not be so after it.
            if let Some(end) = ready(items, target).await? {
                return Ok(end);
            }
            next = now(items).await;
        }
        let next = match next {
            Some(next) => next,
            None => std::future::poll_fn(|cx| items.poll(cx)).await,
        };
        match next {
            Ok(item) => {
                beside(items, target.send(item)).await?;
                sent += 1;
                if sent == STRETCH {
                    sent = 1;
                    let_others_run().await;
                }
            }
            Err(end) => return Ok(end),
        }
        if let Some(end) = ready(items, target).await? {
            return Ok(end);
        }
    }
}

fn failed<E, G>(error: G) -> Failure<DeliveryError<E, G>> {
    Failure::Error(DeliveryError::Target(error))
}

/// Is ready when it is polled again.
async fn let_others_run() {
    let mut polled = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut polled, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// What `items` has now.
async fn now<Q: Pull>(items: &mut Poller<Q>) -> Option<Result<Q::Item, End<Q::Error>>> {
    std::future::poll_fn(|cx| match items.poll(cx) {
        Poll::Ready(next) => Poll::Ready(Some(next)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Awaits room for an item, or the end, which needs none.
async fn ready<Q: Pull, T: Send + 'static, A: AsyncTarget<T>>(
    items: &mut Poller<Q>,
    target: &mut A,
) -> Outcome<Option<End<Q::Error>>, DeliveryError<Q::Error, A::Error>> {
    let mut room = pin!(target.ready());
    std::future::poll_fn(|cx| match room.as_mut().poll(cx) {
        Poll::Ready(Ok(())) => Poll::Ready(Ok(None)),
        Poll::Ready(Err(error)) => Poll::Ready(Err(failed(error))),
        Poll::Pending => items.poll_end(cx).map(|end| Ok(Some(end))),
    })
    .await
}

/// Awaits the target, unless the pipeline breaks in the meantime.
async fn beside<Q: Pull, G>(
    items: &mut Poller<Q>,
    work: impl Future<Output = Result<(), G>>,
) -> Outcome<(), DeliveryError<Q::Error, G>> {
    let mut work = pin!(work);
    std::future::poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(done.map_err(failed)),
        Poll::Pending => items.poll_fault(cx).map(|fault| Err(Failure::Fault(fault))),
    })
    .await
}
