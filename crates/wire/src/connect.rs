//! `connect`: the publisher that somebody serves at the other end of a connection.

use std::error::Error;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{self, Poll, Waker};

use millstream_blocks::cause::{afresh, current};
use millstream_blocks::entrust::entrust;
use millstream_blocks::gauge::{Site, Tally};
use millstream_blocks::outcome::{Completer, Outcome, outcome};
use millstream_blocks::task::task;
use millstream_core::{
    ActiveSubscriber, Cause, Context, End, Fault, More, Panic, Publisher, Pull, Pulled, Rest,
    Subscriber, Subscription, Undelivered, report_undelivered,
};
use millstream_executors::{Executor, executor_thread};

use crate::frame::{Frame, LEAST_FRAME, Role, Violation, Why, fitting};
use crate::io::{Cut, Io};
use crate::tide::Tide;
use crate::{CodecError, Decode, Link, Text};

/// The items that somebody [serves](crate::serve()) at the other end of `link`. It is driven by a task of
/// `executor`.
///
/// ```text
/// down   ^-r2------------1--2----r1------3--|
/// link     REQUEST(2)             REQUEST(3)
/// peer                NEXT(1) NEXT(2)        NEXT(3) COMPLETE
/// ```
///
/// A connection carries one stream, so this is subscribed to once. To connect anew after a failure is a
/// stream from its beginning:
/// [`restart_with_backoff`](millstream_operators::source::restart_with_backoff), with a function that
/// connects.
///
/// # Demand
/// What downstream asks for is asked of the peer, at most `window` items ahead of those that have come:
/// no item is on its way for which nobody has asked. Where more was asked for, or is asked for again,
/// three quarters are asked for each time that a quarter is left. So whoever asks for one at a time
/// waits for an answer each time: [`prefetch`](millstream_operators::PublisherExt::prefetch) behind this
/// asks ahead.
/// # Completion
/// When the peer says so, which needs no demand, and is told that it is known.
/// # Errors
/// [`WireError`], with what upstream failed with there, as [text](Text) unless it is
/// [said otherwise](Connect::with_errors). An item that cannot be decoded, a connection that is lost and
/// a peer that breaks the protocol are errors too, since to connect again may help; a panic of the
/// decoder is a fault. When the executor drops the task, downstream is told
/// [`Fault::ExecutorGone`](millstream_core::Fault::ExecutorGone), when it refuses the task
/// [`Fault::Refused`](millstream_core::Fault::Refused).
/// # Cancellation
/// The peer is told, with the cause as text: as much of it as the connection takes at once, and the rest
/// by a task of `executor`, which goes on until the peer has closed its side.
/// [`with_farewell`](Connect::with_farewell) says when. Nothing is read without demand but what is no
/// item.
/// # Bounds
/// No item: those that were asked for, at most `window`, are on the wire until they are sent downstream.
/// 16 KiB that were read, and one frame. Nothing grows with what a peer sends. On a
/// [board](millstream_operators::PublisherExt::observed) its row counts what has come, and has the window
/// as its capacity.
/// # Panics
/// When `window` is zero.
///
/// # Examples
/// See [`serve`](crate::serve()).
#[doc(alias = "SinkRef", alias = "StreamRefs", alias = "RSocket", alias = "requestStream")]
#[track_caller]
pub fn connect<X, C>(executor: X, link: Link, decode: C, window: usize) -> Connect<X, C>
where
    X: Executor,
    C: Decode,
{
    assert!(window > 0, "connect(.., 0): at least 1 item is asked for at a time");
    let site = Site::here("connect");
    Connect { executor, link, decode, errors: Text, window, gone: None, site }
}

/// The publisher of [`connect`].
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Connect<X, C, D = Text> {
    executor: X,
    link: Link,
    decode: C,
    errors: D,
    window: usize,
    /// Whoever waits for the farewell.
    gone: Option<Completer<()>>,
    site: Site,
}

impl<X, C, D> Connect<X, C, D> {
    /// Errors of upstream are as `errors` decodes them.
    pub fn with_errors<D2: Decode>(self, errors: D2) -> Connect<X, C, D2> {
        let Connect { executor, link, decode, errors: _, window, gone, site } = self;
        Connect { executor, link, decode, errors, window, gone, site }
    }

    /// And a future that is ready when all is said and the connection is over. A process that cancels and
    /// ends awaits it, or the other side may see the connection lost and not why; what is complete, or has
    /// failed, was confirmed before.
    ///
    /// ```
    /// # use millstream::executor::{CurrentThread, Threads};
    /// # use millstream::prelude::*;
    /// # use millstream_wire::{Bytes, Link, connect};
    /// # let threads = Threads::new(4);
    /// # let link = Link::from_blocking(&threads.handle(), std::io::empty(), std::io::sink(), 64);
    /// let (stream, farewell) = connect(threads.handle(), link, Bytes, 16).with_farewell();
    /// let first = stream.take(10).collect::<Vec<_>>().block();
    /// CurrentThread::new().run_until(farewell);
    /// # assert!(first.is_err());
    /// ```
    pub fn with_farewell(mut self) -> (Connect<X, C, D>, Farewell) {
        let (completer, outcome) = outcome();
        self.gone = Some(completer);
        (self, Farewell(outcome))
    }
}

impl<X, C, D> fmt::Debug for Connect<X, C, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect").field("window", &self.window).finish_non_exhaustive()
    }
}

/// Ready when a connection is over: see [`Connect::with_farewell`].
#[must_use = "futures do nothing unless they are polled"]
pub struct Farewell(Outcome<()>);

impl Future for Farewell {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        // One that is dropped on the way is over as well.
        self.0.poll(cx).map(|_| ())
    }
}

impl fmt::Debug for Farewell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Farewell")
    }
}

/// Why a stream that comes by a connection failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum WireError<E = String> {
    /// Upstream failed, on the other side.
    Failed(E),
    /// The pipeline broke on the other side, and how, in its words: a panic, an item that could not be
    /// encoded.
    Fault(String),
    /// The connection broke, or ended before the stream.
    Lost(io::Error),
    /// The peer broke the protocol.
    Broken(Violation),
    /// Bytes that are no item, or no error.
    Undecodable {
        /// Of which item, from zero; for an error of upstream the number of items before it.
        sequence: u64,
        /// What the decoder said.
        error: CodecError,
    },
}

impl<E: fmt::Display> fmt::Display for WireError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WireError::Failed(error) => error.fmt(f),
            WireError::Fault(text) => write!(f, "the pipeline broke on the other side: {text}"),
            WireError::Lost(error) => write!(f, "the connection was lost: {error}"),
            WireError::Broken(violation) => violation.fmt(f),
            WireError::Undecodable { sequence, error } => {
                write!(f, "item {sequence} could not be decoded: {error}")
            }
        }
    }
}

impl<E: fmt::Debug + fmt::Display> Error for WireError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            WireError::Lost(error) => Some(error),
            WireError::Broken(violation) => Some(violation),
            WireError::Undecodable { error, .. } => Some(&**error),
            // What was told in words has no source, and an error of upstream is shown as it is.
            WireError::Failed(_) | WireError::Fault(_) => None,
        }
    }
}

impl<X, C, D> Publisher for Connect<X, C, D>
where
    X: Executor,
    C: Decode,
    D: Decode,
{
    type Item = C::Item;
    type Error = WireError<D::Item>;

    fn subscribe<S: Subscriber<Self::Item, Self::Error>>(self, subscriber: S) {
        let Connect { executor, link, decode, errors, window, gone, site } = self;
        let (executor, asked) = (Arc::new(executor), Asked::default());
        let mut receiving = Receiving {
            io: Some(Io::new(link, Role::Receives)),
            peer: None,
            decode,
            errors,
            asked: asked.clone(),
            tide: Tide::new(window),
            // Until it is a source.
            waker: Waker::noop().clone(),
            end: None,
            last: None,
            gone,
            executor: executor.clone(),
            tally: None,
        };
        let source = |bell: &millstream_blocks::bell::Bell, context: &Context| {
            receiving.waker = bell.clone().into_waker();
            receiving.tally = bell.gauge(context, site, window).map(Tally::new);
            receiving
        };
        let Some(task) = task(source, Metered { subscriber, asked }) else { return };
        entrust(task, |mut task| {
            executor.spawn(Box::pin(std::future::poll_fn(move |cx| {
                let _polled_by_an_executor = executor_thread::polls();
                Pin::new(&mut task).poll(cx)
            })))
        });
    }
}

/// The sum of what downstream has asked for. Its stage and its source are of one task, so the lock is
/// never waited for.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<u64>>);

impl Asked {
    fn add(&self, more: More) {
        if more.count() > 0 {
            let mut sum = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            *sum =
                if more == More::UNBOUNDED { u64::MAX } else { sum.saturating_add(more.count()) };
        }
    }

    fn sum(&self) -> u64 {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The source: the frames that come are its items.
struct Receiving<X: Executor, C: Decode, D: Decode> {
    /// Until this is dropped.
    io: Option<Io>,
    /// How long a frame to the peer may be, when it has said hello.
    peer: Option<usize>,
    decode: C,
    errors: D,
    asked: Asked,
    tide: Tide,
    waker: Waker,
    /// The end has come, and is told when that was confirmed.
    end: Option<Heard<C::Item, D::Item>>,
    /// What the peer is told when this is dropped, where that is not why.
    last: Option<Last>,
    gone: Option<Completer<()>>,
    executor: Arc<X>,
    /// What has come, where somebody looks.
    tally: Option<Tally>,
}

/// The last word.
enum Last {
    /// It was said.
    Said,
    Cancel(String),
    /// There is nobody to be told.
    Nothing,
}

type Heard<T, E> = Result<Option<T>, WireError<E>>;

impl<X, C, D> Receiving<X, C, D>
where
    X: Executor,
    C: Decode,
    D: Decode,
{
    /// The next item, or `None` at the end.
    fn poll(&mut self) -> Poll<Heard<C::Item, D::Item>> {
        let waker = self.waker.clone();
        let mut cx = task::Context::from_waker(&waker);
        loop {
            let Some(io) = &mut self.io else { return Poll::Ready(Ok(None)) };
            self.tide.rise(self.asked.sum());
            if self.tide.due().is_some() {
                io.say(&Frame::Request { sum: self.tide.granted(), received: self.tide.taken() });
            }
            let flushed = io.poll_flush(&mut cx);
            if self.end.is_some() {
                task::ready!(flushed);
                return Poll::Ready(self.end.take().unwrap_or(Ok(None)));
            }
            match task::ready!(io.poll_frame(&mut cx)) {
                Ok(()) => {}
                Err(Cut::Lost(error)) => {
                    self.last = Some(Last::Nothing);
                    return Poll::Ready(Err(WireError::Lost(error)));
                }
                Err(Cut::Broken(violation)) => return Poll::Ready(Err(self.refuse(violation))),
            }
            match self.hear() {
                Ok(None) => {}
                Ok(Some(heard)) => return Poll::Ready(heard),
                Err(violation) => return Poll::Ready(Err(self.refuse(violation))),
            }
        }
    }

    fn refuse(&mut self, violation: Violation) -> WireError<D::Item> {
        self.last = Some(match violation {
            Violation::Truncated { .. } => Last::Nothing,
            _ => Last::Cancel(violation.to_string()),
        });
        WireError::Broken(violation)
    }

    /// The frame that is there.
    #[expect(clippy::type_complexity, reason = "nothing for now, an item, the end, or an error")]
    fn hear(&mut self) -> Result<Option<Heard<C::Item, D::Item>>, Violation> {
        let Some(io) = &mut self.io else { return Ok(None) };
        let Some(frame) = io.take()? else { return Ok(None) };
        if self.peer.is_none() {
            return match frame {
                Frame::Hello { role: Role::Serves, max_frame } => {
                    self.peer = Some(max_frame as usize);
                    Ok(None)
                }
                Frame::Hello { role, .. } => Err(Violation::Role { both: role }),
                // A peer that did not understand the hello of this side has no other word.
                Frame::Fault { text, .. } => {
                    let text = String::from_utf8_lossy(text).into_owned();
                    self.confirm(Err(WireError::Fault(text)));
                    Ok(None)
                }
                other => Err(Violation::Misplaced { frame: other.name(), instead: "HELLO" }),
            };
        }
        let came = self.tide.taken();
        match frame {
            Frame::Next { sequence, payload } => {
                if sequence != came {
                    return Err(Violation::Sequence { got: sequence, expected: came });
                }
                if !self.tide.take() {
                    let asked = self.tide.granted();
                    return Err(Violation::Unasked { sequence, asked });
                }
                match self.decode.decode(payload) {
                    Ok(item) => Ok(Some(Ok(Some(item)))),
                    Err(error) => Ok(Some(Err(self.undecodable(sequence, error)))),
                }
            }
            Frame::Complete { count } => {
                counted(count, came)?;
                self.confirm(Ok(None));
                Ok(None)
            }
            Frame::Error { count, payload } => {
                counted(count, came)?;
                match self.errors.decode(payload) {
                    Ok(error) => {
                        self.confirm(Err(WireError::Failed(error)));
                        Ok(None)
                    }
                    Err(error) => Ok(Some(Err(self.undecodable(count, error)))),
                }
            }
            // It may be about a frame that this side sent, whatever came before.
            Frame::Fault { text, .. } => {
                let text = String::from_utf8_lossy(text).into_owned();
                self.confirm(Err(WireError::Fault(text)));
                Ok(None)
            }
            Frame::Optional => Ok(None),
            other => {
                let instead = "NEXT, COMPLETE, ERROR or FAULT";
                Err(Violation::Misplaced { frame: other.name(), instead })
            }
        }
    }

    /// The peer has said its last word.
    fn confirm(&mut self, end: Heard<C::Item, D::Item>) {
        if let Some(io) = &mut self.io {
            io.say(&Frame::Done { received: self.tide.taken() });
        }
        self.last = Some(Last::Said);
        self.end = Some(end);
    }

    fn undecodable(&mut self, sequence: u64, error: CodecError) -> WireError<D::Item> {
        self.last = Some(Last::Cancel(format!("item {sequence} could not be decoded: {error}")));
        WireError::Undecodable { sequence, error }
    }
}

fn counted(count: u64, came: u64) -> Result<(), Violation> {
    if count == came { Ok(()) } else { Err(Violation::Count { got: count, came }) }
}

impl<X, C, D> Pull for Receiving<X, C, D>
where
    X: Executor,
    C: Decode,
    D: Decode,
{
    type Item = C::Item;
    type Error = WireError<D::Item>;

    fn pull(&mut self) -> Pulled<C::Item, Self::Error> {
        let pulled = match self.poll() {
            Poll::Pending => Pulled::Pending,
            Poll::Ready(Ok(Some(item))) => Pulled::Item(item),
            Poll::Ready(Ok(None)) => Pulled::Complete,
            Poll::Ready(Err(error)) => Pulled::Error(error),
        };
        if let Some(tally) = &mut self.tally {
            tally.count(&pulled);
        }
        pulled
    }

    // Without demand nothing was asked for: what comes is no item, or an error.
    fn look_ahead(&mut self, _started: bool) -> Pulled<C::Item, Self::Error> {
        self.pull()
    }
}

impl<X: Executor, C: Decode, D: Decode> Drop for Receiving<X, C, D> {
    fn drop(&mut self) {
        let Some(mut io) = self.io.take() else { return };
        let cancel = match self.last.take() {
            Some(Last::Nothing) => return,
            Some(Last::Said) => None,
            Some(Last::Cancel(text)) => Some(Cause::given(text)),
            None => Some(current()),
        };
        let received = self.tide.taken();
        // A peer that has not said hello takes at least so much.
        let limit = self.peer.unwrap_or(LEAST_FRAME);
        let (executor, gone) = (self.executor.clone(), self.gone.take());
        let spawn = move || {
            if let Some(cause) = cancel {
                let given = cause.reason().map(ToString::to_string);
                let why = match &given {
                    Some(text) => Why::Given(fitting(text, limit)),
                    None if cause.is_failure() => Why::Failed,
                    None => Why::NoMoreNeeded,
                };
                io.say(&Frame::Cancel { received, why });
            }
            let _said = io.poll_flush(&mut task::Context::from_waker(Waker::noop()));
            // One that is refused loses the connection, which tells the peer as well, of what could not
            // be said at once.
            let _refused = executor.spawn(Box::pin(async move {
                io.leave().await;
                if let Some(gone) = gone {
                    gone.complete(());
                }
            }));
        };
        // Another stream's affair, and nobody is there to be told of a panic.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| afresh(spawn))) {
            report_undelivered(&Undelivered::Fault(Fault::Panicked(Panic::new(payload))));
        }
    }
}

/// A subscriber that passes everything on, and notes what is asked of the source.
struct Metered<S> {
    subscriber: S,
    asked: Asked,
}

impl<T, E, S> Subscriber<T, E> for Metered<S>
where
    T: Send + 'static,
    E: Send + 'static,
    S: Subscriber<T, E>,
{
    type Active = ActiveMetered<S::Active>;

    fn on_subscribe(self, subscription: Subscription) -> ActiveMetered<S::Active> {
        ActiveMetered { active: self.subscriber.on_subscribe(subscription), asked: self.asked }
    }

    fn context(&self) -> Context {
        self.subscriber.context()
    }
}

struct ActiveMetered<A> {
    active: A,
    asked: Asked,
}

impl<T, E, A> ActiveSubscriber<T, E> for ActiveMetered<A>
where
    T: Send + 'static,
    E: Send + 'static,
    A: ActiveSubscriber<T, E>,
{
    fn on_next(&mut self, item: T) -> More {
        let answer = self.active.on_next(item);
        self.asked.add(answer);
        answer
    }

    fn cause(&self) -> Cause {
        self.active.cause()
    }

    fn on_complete(self) {
        self.active.on_complete();
    }

    fn on_error(self, error: E) {
        self.active.on_error(error);
    }

    fn on_fault(self, fault: Fault) {
        self.active.on_fault(fault);
    }

    fn on_request(&mut self, more: More) -> More {
        let answer = self.active.on_request(more);
        self.asked.add(answer);
        answer
    }

    fn on_end(self, end: End<E>) -> Option<Box<dyn Rest>> {
        self.active.on_end(end)
    }
}

#[cfg(test)]
mod tests {
    use millstream_core::Demand;

    use super::*;

    #[test]
    fn a_sum_that_is_too_large_for_a_number_is_the_largest() {
        // Rule 3.17.
        let largest = More::of(Demand::UNBOUNDED.get() - 1);
        let asked = Asked::default();
        for n in 1..=8 {
            asked.add(largest);
            assert_eq!(asked.sum(), n * largest.count());
        }
        asked.add(largest);
        assert_eq!(asked.sum(), u64::MAX);
        let unbounded = Asked::default();
        for more in [More::ONE, More::UNBOUNDED, More::UNBOUNDED, More::NONE, More::ONE, largest] {
            unbounded.add(more);
        }
        assert_eq!(unbounded.sum(), u64::MAX);
    }
}
