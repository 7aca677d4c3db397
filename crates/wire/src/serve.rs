//! `serve`: a publisher for somebody at the other end of a connection.

use std::any::Any;
use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{self, Poll};

use millstream_blocks::cause::within;
use millstream_blocks::gauge::{Board, Site};
use millstream_blocks::lane::{Outlet, lane};
use millstream_blocks::poller::Poller;
use millstream_core::{Cause, Context, End, Fault, Panic, Publisher};
use millstream_executors::{CurrentThread, executor_thread};

use crate::frame::{Frame, LEAST_FRAME, Role, Violation, Why, fitting, length_with};
use crate::io::{Cut, Io};
use crate::tide::Tide;
use crate::{CodecError, Encode, Link, Text};

/// How many frames are looked at, or items sent, before others are let run.
const STRETCH: u32 = 1024;

/// Sends the items of `publisher` to whoever [receives](crate::connect()) at the other end of `link`: as
/// many as are asked for there.
///
/// ```text
/// peer   HELLO REQUEST(2)                 REQUEST(5)
/// up           r2----1--2                 r3----3----|
/// link                  NEXT(1) NEXT(2)         NEXT(3) COMPLETE
/// gives                                                         DONE: completed
/// ```
///
/// It is a future: whoever awaits it drives it, or [blocks](Serve::block) on it, or spawns it on an
/// executor. It gives a [`Report`].
///
/// # Demand
/// What the peer asked for, at most `ahead` items before they are sent; where more was asked for, three
/// quarters of it each time that a quarter is left. Nothing is asked for before the peer asks.
/// # Completion
/// The peer is told, and has said that it knows.
/// # Errors
/// Upstream's are told the peer, [as they are displayed](Text) unless it is
/// [said otherwise](Serve::with_errors), and are in the report. So is an item that cannot be encoded, or
/// is too long for a frame, a panic of the encoder, a connection that was lost and a peer that broke the
/// protocol.
/// # Cancellation
/// By the peer: upstream is cancelled for the cause that it gave. A connection that is lost, or a
/// protocol that is broken, cancels upstream for that cause. Dropping the future cancels upstream, and
/// the peer loses the connection.
/// # Bounds
/// `ahead` items, 16 KiB that are to be written and one frame, 16 KiB that were read and one frame.
/// Nothing grows with what a peer asks for, or how often.
/// # Panics
/// When `ahead` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::executor::Threads;
/// use millstream::prelude::*;
/// use millstream_wire::{Bytes, Ended, Link, connect, serve};
/// use std::os::unix::net::UnixStream;
///
/// let threads = Threads::new(8);
/// let (here, there) = UnixStream::pair()?;
/// let there = Link::from_socket(&threads.handle(), there, 1024)?;
/// let served = std::thread::spawn(|| {
///     serve(millstream::from_iter(["one", "two", "three"]), there, Bytes, 16).block()
/// });
///
/// let here = Link::from_socket(&threads.handle(), here, 1024)?;
/// let words = connect(threads.handle(), here, Bytes, 16);
/// assert_eq!(words.take(2).collect::<Vec<_>>().block()?, [b"one", b"two"]);
///
/// let report = served.join().unwrap();
/// assert!(matches!(report.end, Ended::Cancelled(_)));
/// assert_eq!((report.asked, report.sent), (2, 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "SourceRef", alias = "StreamRefs", alias = "RSocket", alias = "sourceRef")]
#[track_caller]
pub fn serve<P, C>(publisher: P, link: Link, encode: C, ahead: usize) -> Serve<P, C>
where
    P: Publisher,
    C: Encode<P::Item>,
{
    const MOST: usize = 1 << 24;
    let capacity = match NonZeroUsize::new(ahead) {
        Some(capacity) if ahead <= MOST => capacity,
        _ => panic!(
            "serve(.., {ahead}): at least 1 item is made ahead of the connection, and at most {MOST}"
        ),
    };
    Serve(Stage::Greeting(Begin {
        publisher,
        io: Io::new(link, Role::Serves),
        encode,
        errors: Text,
        capacity,
        context: Context::default(),
        site: Site::here("serve"),
    }))
}

/// See [`serve`].
#[must_use = "futures do nothing unless they are polled"]
pub struct Serve<P: Publisher, C, D = Text>(Stage<P, C, D>);

enum Stage<P: Publisher, C, D> {
    /// The peer has not said hello.
    Greeting(Begin<P, C, D>),
    Running(Running<P, C, D>),
    /// The end was said, and is to be confirmed.
    Ending(Io, Report<P::Error>),
    Over,
}

struct Begin<P, C, D> {
    publisher: P,
    io: Io,
    encode: C,
    errors: D,
    capacity: NonZeroUsize,
    context: Context,
    site: Site,
}

// The publisher is moved before it runs, never pinned.
impl<P: Publisher, C, D> Unpin for Serve<P, C, D> {}

impl<P: Publisher, C, D> Serve<P, C, D> {
    /// Errors of upstream are told as `errors` encodes them. To be said before it is polled.
    pub fn with_errors<D2: Encode<P::Error>>(self, errors: D2) -> Serve<P, C, D2> {
        Serve(match self.0 {
            Stage::Greeting(begin) => {
                let Begin { publisher, io, encode, errors: _, capacity, context, site } = begin;
                Stage::Greeting(Begin { publisher, io, encode, errors, capacity, context, site })
            }
            _ => Stage::Over,
        })
    }

    /// Its queue and the boundaries above are listed on a board. It says nothing once this was polled.
    pub fn observed(mut self, board: &Board) -> Serve<P, C, D> {
        if let Stage::Greeting(begin) = &mut self.0 {
            begin.context = board.watch().over(std::mem::take(&mut begin.context));
        }
        self
    }

    /// Serves on this thread, to the end. A thread that runs an executor must await it instead: there
    /// it is a panic.
    #[track_caller]
    pub fn block(self) -> Report<P::Error>
    where
        C: Encode<P::Item>,
        D: Encode<P::Error>,
    {
        assert!(
            !executor_thread::is_current(),
            "serve(..).block() on a thread that runs an executor: await it instead"
        );
        CurrentThread::new().run_until(self)
    }
}

/// What became of a stream that was [served](serve).
#[derive(Debug)]
#[must_use = "it says whether all has arrived"]
pub struct Report<E> {
    /// How many items were handed to the connection.
    pub sent: u64,
    /// How many the peer asked for in all.
    pub asked: u64,
    /// How many the peer is known to have received.
    pub received: u64,
    /// How it ended.
    pub end: Ended<E>,
}

/// How a stream that was [served](serve) ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum Ended<E> {
    /// All was sent, and the peer has said that it has all.
    Completed,
    /// Upstream failed.
    Failed(E),
    /// Upstream, or the encoder, broke.
    Fault(Fault),
    /// The peer wanted no more, and why.
    Cancelled(Cause),
    /// The connection broke, or ended, before the peer had said that it has all. Upstream was cancelled,
    /// if it was not over.
    Lost(io::Error),
    /// The peer broke the protocol. Upstream was cancelled.
    Broken(Violation),
    /// An item that could not be encoded, or is too long for the peer. Upstream was cancelled.
    Unencodable {
        /// Its number, from zero.
        sequence: u64,
        /// What the encoder said.
        error: CodecError,
    },
}

impl<E: fmt::Display> fmt::Display for Ended<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Completed => f.write_str("complete"),
            Ended::Failed(error) => error.fmt(f),
            Ended::Fault(fault) => fault.fmt(f),
            Ended::Cancelled(cause) => write!(f, "cancelled by the peer: {cause}"),
            Ended::Lost(error) => write!(f, "the connection was lost: {error}"),
            Ended::Broken(violation) => violation.fmt(f),
            Ended::Unencodable { sequence, error } => {
                write!(f, "item {sequence} could not be encoded: {error}")
            }
        }
    }
}

type Source<P> = Outlet<<P as Publisher>::Item, <P as Publisher>::Error>;

struct Running<P: Publisher, C, D> {
    items: Poller<Source<P>>,
    io: Io,
    encode: C,
    errors: D,
    /// The bytes of one item.
    payload: Vec<u8>,
    tide: Tide,
    /// The peer is known to have so many.
    received: u64,
    /// What the peer takes, in bytes.
    limit: usize,
}

/// An end that was said, and what is known of it.
type Unconfirmed<E> = (Io, Report<E>);

/// Why upstream is not wanted any more.
enum Stop<E> {
    End(End<E>),
    Peer(Cause),
    Cut(Cut),
    Unencodable(u64, CodecError),
    /// The encoder panicked.
    Panicked(Box<dyn Any + Send>),
}

impl<E> From<Violation> for Stop<E> {
    fn from(violation: Violation) -> Stop<E> {
        Stop::Cut(Cut::Broken(violation))
    }
}

impl<P, C, D> Begin<P, C, D>
where
    P: Publisher,
    C: Encode<P::Item>,
    D: Encode<P::Error>,
{
    /// The peer's limit, when it has said hello.
    fn poll_hello(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<usize, Cut>> {
        // It waits for nothing.
        let _written = self.io.poll_flush(cx);
        task::ready!(self.io.poll_frame(cx))?;
        Poll::Ready(match self.io.take()? {
            Some(Frame::Hello { role: Role::Receives, max_frame }) => Ok(max_frame as usize),
            Some(Frame::Hello { role, .. }) => Err(Violation::Role { both: role }.into()),
            Some(other) => {
                Err(Violation::Misplaced { frame: other.name(), instead: "HELLO" }.into())
            }
            None => return Poll::Pending,
        })
    }

    fn run(self, peer: usize) -> Running<P, C, D> {
        let Begin { publisher, io, encode, errors, capacity, context, site } = self;
        let items = Poller::new(&context, |bell, context| {
            let gauge = bell.gauge(context, site, capacity.get());
            let (inlet, outlet) = lane(capacity, bell.clone(), context, gauge);
            publisher.subscribe(inlet.asking_nothing());
            outlet.granting()
        });
        let limit = io.max_frame().min(peer);
        Running {
            items,
            io,
            encode,
            errors,
            payload: Vec::new(),
            tide: Tide::new(capacity.get()),
            received: 0,
            limit,
        }
    }
}

/// What a side that speaks has left.
enum Said {
    /// Nothing, for now.
    All,
    /// More than there is room for.
    Full,
}

impl<P, C, D> Running<P, C, D>
where
    P: Publisher,
    C: Encode<P::Item>,
    D: Encode<P::Error>,
{
    /// Until neither the peer nor upstream nor the connection has anything for now.
    fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<Stop<P::Error>> {
        let mut left = STRETCH;
        loop {
            if let Err(stop) = self.hear(cx, &mut left) {
                return Poll::Ready(stop);
            }
            let said = match self.speak(cx, &mut left) {
                Ok(said) => said,
                Err(stop) => return Poll::Ready(stop),
            };
            if left == 0 {
                cx.waker().wake_by_ref();
                let _written = self.io.poll_write(cx);
                return Poll::Pending;
            }
            match said {
                Said::Full if self.io.poll_write(cx).is_ready() => {}
                Said::Full => return Poll::Pending,
                Said::All => {
                    let _flushed = self.io.poll_flush(cx);
                    return Poll::Pending;
                }
            }
        }
    }

    /// What the peer has to say.
    fn hear(&mut self, cx: &mut task::Context<'_>, left: &mut u32) -> Result<(), Stop<P::Error>> {
        while *left > 0 {
            match self.io.poll_frame(cx) {
                Poll::Pending => break,
                Poll::Ready(heard) => heard.map_err(Stop::Cut)?,
            }
            *left -= 1;
            let sent = self.tide.taken();
            match self.io.take()? {
                Some(Frame::Request { sum, received }) => {
                    self.received = self.received.max(arrived(received, sent)?);
                    self.tide.rise(sum);
                }
                Some(Frame::Cancel { received, why }) => {
                    self.received = self.received.max(arrived(received, sent)?);
                    return Err(Stop::Peer(cause(why)));
                }
                Some(Frame::Optional) | None => {}
                Some(other) => {
                    let instead = "REQUEST or CANCEL";
                    return Err(Violation::Misplaced { frame: other.name(), instead }.into());
                }
            }
        }
        Ok(())
    }

    /// What there is to say to the peer.
    fn speak(
        &mut self,
        cx: &mut task::Context<'_>,
        left: &mut u32,
    ) -> Result<Said, Stop<P::Error>> {
        while *left > 0 {
            if let Some(more) = self.tide.due()
                && let Some(source) = self.items.source_mut()
            {
                source.grant(more);
            }
            if !self.io.has_room() {
                return match self.items.poll_fault(cx) {
                    Poll::Ready(fault) => Err(Stop::End(End::Fault(fault))),
                    Poll::Pending => Ok(Said::Full),
                };
            }
            if !self.tide.is_owed() {
                return match self.items.poll_end(cx) {
                    Poll::Ready(end) => Err(Stop::End(end)),
                    Poll::Pending => Ok(Said::All),
                };
            }
            match self.items.poll(cx) {
                Poll::Ready(Ok(item)) => self.send(item)?,
                Poll::Ready(Err(end)) => return Err(Stop::End(end)),
                Poll::Pending => return Ok(Said::All),
            }
            *left -= 1;
        }
        Ok(Said::All)
    }

    fn send(&mut self, item: P::Item) -> Result<(), Stop<P::Error>> {
        let sequence = self.tide.taken();
        self.payload.clear();
        let (encode, payload) = (&mut self.encode, &mut self.payload);
        match catch_unwind(AssertUnwindSafe(|| {
            let encoded = encode.encode(&item, payload);
            drop(item);
            encoded
        })) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(Stop::Unencodable(sequence, error)),
            Err(payload) => return Err(Stop::Panicked(payload)),
        }
        let length = length_with(self.payload.len());
        if length > self.limit as u64 {
            return Err(Stop::Unencodable(sequence, too_long(length, self.limit)));
        }
        self.io.say(&Frame::Next { sequence, payload: &self.payload });
        self.payload.shrink_to(self.io.max_frame().min(BIG));
        self.tide.take();
        Ok(())
    }

    fn report(&self, end: Ended<P::Error>) -> Report<P::Error> {
        Report { sent: self.tide.taken(), asked: self.tide.asked(), received: self.received, end }
    }

    /// Drops upstream, and says the last word. What is left to be confirmed, or else the report.
    fn stop(
        mut self,
        stop: Stop<P::Error>,
        cx: &mut task::Context<'_>,
    ) -> Result<Unconfirmed<P::Error>, Report<P::Error>> {
        let (why, end) = match stop {
            Stop::End(End::Failed(error)) => return Ok(self.fail(error)),
            Stop::End(End::Fault(fault)) => {
                let text = fault.to_string();
                return Ok(self.break_off(Cause::Failed, &text, Ended::Fault(fault)));
            }
            Stop::End(End::Completed | End::Cancelled(_)) => {
                self.io.say(&Frame::Complete { count: self.tide.taken() });
                let report = self.report(Ended::Completed);
                return Ok((self.io, report));
            }
            Stop::Unencodable(sequence, error) => {
                let text = format!("item {sequence} could not be encoded: {error}");
                let cause = Cause::given(text.clone());
                return Ok(self.break_off(cause, &text, Ended::Unencodable { sequence, error }));
            }
            Stop::Panicked(payload) => {
                let fault = Fault::Panicked(Panic::new(payload));
                let text = fault.to_string();
                return Ok(self.break_off(Cause::Failed, &text, Ended::Fault(fault)));
            }
            Stop::Peer(cause) => (cause.clone(), Ended::Cancelled(cause)),
            Stop::Cut(cut) => cut_off(cut, &mut self.io, self.tide.taken(), self.limit),
        };
        let report = self.report(end);
        let Running { items, mut io, .. } = self;
        within(why, || drop(items));
        // The peer wants nothing any more, or is not to be trusted: it is not waited for.
        let _closed = io.poll_close(cx);
        Err(report)
    }

    /// Upstream failed.
    fn fail(mut self, error: P::Error) -> Unconfirmed<P::Error> {
        let count = self.tide.taken();
        self.payload.clear();
        let (errors, payload) = (&mut self.errors, &mut self.payload);
        let encoded = catch_unwind(AssertUnwindSafe(|| errors.encode(&error, payload)));
        let length = length_with(self.payload.len());
        let text = match encoded {
            Ok(Ok(())) if length <= self.limit as u64 => {
                self.io.say(&Frame::Error { count, payload: &self.payload });
                let report = self.report(Ended::Failed(error));
                return (self.io, report);
            }
            Ok(Ok(())) => too_long(length, self.limit).to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(payload) => Panic::new(payload).to_string(),
        };
        let text = format!("an error could not be encoded: {text}");
        self.break_off(Cause::Failed, &text, Ended::Failed(error))
    }

    /// The pipeline broke on this side.
    fn break_off(
        mut self,
        cause: Cause,
        text: &str,
        end: Ended<P::Error>,
    ) -> Unconfirmed<P::Error> {
        let count = self.tide.taken();
        let text = fitting(text, self.limit);
        self.io.say(&Frame::Fault { count, text: text.as_bytes() });
        let report = self.report(end);
        let Running { items, io, .. } = self;
        within(cause, || drop(items));
        (io, report)
    }
}

/// As much is kept of the room for the bytes of an item.
const BIG: usize = 64 << 10;

fn too_long(length: u64, limit: usize) -> CodecError {
    format!("it is a frame of {length} bytes, and at most {limit} are taken").into()
}

fn arrived(received: u64, sent: u64) -> Result<u64, Violation> {
    if received > sent {
        return Err(Violation::Received { got: received, sent });
    }
    Ok(received)
}

fn cause(why: Why<'_>) -> Cause {
    match why {
        Why::NoMoreNeeded => Cause::NoMoreNeeded,
        Why::Failed => Cause::Failed,
        Why::Given(text) => Cause::given(text),
    }
}

/// A connection that was cut: why upstream is cancelled, and how it ended. A peer that broke the
/// protocol is told, and not waited for.
fn cut_off<E>(cut: Cut, io: &mut Io, count: u64, limit: usize) -> (Cause, Ended<E>) {
    match cut {
        Cut::Lost(error) => {
            let why = format!("the connection was lost: {error}");
            (Cause::given(why), Ended::Lost(error))
        }
        Cut::Broken(violation) => {
            let text = violation.to_string();
            io.say(&Frame::Fault { count, text: fitting(&text, limit).as_bytes() });
            (Cause::given(violation.clone()), Ended::Broken(violation))
        }
    }
}

/// What the peer answers to the end.
enum Answer<E> {
    /// Nothing yet.
    None,
    /// It knows.
    Done,
    Other(Ended<E>),
}

fn answer<E>(io: &mut Io, report: &mut Report<E>) -> Result<Answer<E>, Violation> {
    let (received, answer) = match io.take()? {
        Some(Frame::Done { received }) => (received, Answer::Done),
        Some(Frame::Cancel { received, why }) => {
            (received, Answer::Other(Ended::Cancelled(cause(why))))
        }
        Some(Frame::Request { received, .. }) => (received, Answer::None),
        Some(Frame::Optional) | None => return Ok(Answer::None),
        Some(other) => {
            let instead = "DONE or CANCEL";
            return Err(Violation::Misplaced { frame: other.name(), instead });
        }
    };
    report.received = report.received.max(arrived(received, report.sent)?);
    if let (Answer::Done, Ended::Completed) = (&answer, &report.end)
        && received != report.sent
    {
        return Err(Violation::Confirmed { received, sent: report.sent });
    }
    Ok(answer)
}

/// Ready when the peer has answered to the end.
fn poll_confirmed<E>(io: &mut Io, report: &mut Report<E>, cx: &mut task::Context<'_>) -> Poll<()> {
    let _flushed = io.poll_flush(cx);
    for _ in 0..STRETCH {
        let answer = match task::ready!(io.poll_frame(cx)) {
            Ok(()) => match answer(io, report) {
                Ok(answer) => answer,
                Err(violation) => Answer::Other(Ended::Broken(violation)),
            },
            Err(Cut::Lost(error)) => Answer::Other(Ended::Lost(error)),
            Err(Cut::Broken(violation)) => Answer::Other(Ended::Broken(violation)),
        };
        match answer {
            Answer::None => continue,
            Answer::Done => {}
            // An end that is more than "all was sent" stands.
            Answer::Other(why) => {
                if let Ended::Completed = report.end {
                    report.end = why;
                }
            }
        }
        let _closed = io.poll_close(cx);
        return Poll::Ready(());
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

impl<P, C, D> Serve<P, C, D>
where
    P: Publisher,
    C: Encode<P::Item>,
    D: Encode<P::Error>,
{
    fn step(&mut self, cx: &mut task::Context<'_>) -> Poll<Report<P::Error>> {
        loop {
            match &mut self.0 {
                Stage::Greeting(begin) => {
                    let hello = task::ready!(begin.poll_hello(cx));
                    let Stage::Greeting(mut begin) = std::mem::replace(&mut self.0, Stage::Over)
                    else {
                        continue;
                    };
                    match hello {
                        Ok(limit) => self.0 = Stage::Running(begin.run(limit)),
                        Err(cut) => {
                            let (why, end) = cut_off(cut, &mut begin.io, 0, LEAST_FRAME);
                            let _closed = begin.io.poll_close(cx);
                            within(why, || drop(begin));
                            return Poll::Ready(Report { sent: 0, asked: 0, received: 0, end });
                        }
                    }
                }
                Stage::Running(running) => {
                    let stop = task::ready!(running.poll(cx));
                    let Stage::Running(running) = std::mem::replace(&mut self.0, Stage::Over)
                    else {
                        continue;
                    };
                    match running.stop(stop, cx) {
                        Ok((io, report)) => self.0 = Stage::Ending(io, report),
                        Err(report) => return Poll::Ready(report),
                    }
                }
                Stage::Ending(io, report) => {
                    task::ready!(poll_confirmed(io, report, cx));
                    if let Stage::Ending(_, report) = std::mem::replace(&mut self.0, Stage::Over) {
                        return Poll::Ready(report);
                    }
                }
                Stage::Over => panic!("a stream that is served was polled after its end"),
            }
        }
    }

    /// What the connection, or a destructor, did to it.
    fn broke(&mut self, payload: Box<dyn Any + Send>) -> Report<P::Error> {
        let end = Ended::Fault(Fault::Panicked(Panic::new(payload)));
        let stage = std::mem::replace(&mut self.0, Stage::Over);
        let report = match &stage {
            Stage::Running(running) => running.report(end),
            Stage::Ending(_, Report { sent, asked, received, .. }) => {
                Report { sent: *sent, asked: *asked, received: *received, end }
            }
            Stage::Greeting(_) | Stage::Over => Report { sent: 0, asked: 0, received: 0, end },
        };
        within(Cause::Failed, || drop(stage));
        report
    }
}

impl<P, C, D> Future for Serve<P, C, D>
where
    P: Publisher,
    C: Encode<P::Item>,
    D: Encode<P::Error>,
{
    type Output = Report<P::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Report<P::Error>> {
        let _polled_by_an_executor = executor_thread::polls();
        assert!(!matches!(self.0, Stage::Over), "a stream that is served was polled after its end");
        match catch_unwind(AssertUnwindSafe(|| self.step(cx))) {
            Ok(polled) => polled,
            Err(payload) => Poll::Ready(self.broke(payload)),
        }
    }
}

impl<P: Publisher, C, D> fmt::Debug for Serve<P, C, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Stage::Greeting(_) => "Serve(greeting)",
            Stage::Running(_) => "Serve(running)",
            Stage::Ending(..) => "Serve(ending)",
            Stage::Over => "Serve(over)",
        })
    }
}
