//! What ends a stream from outside its data path: [`Fault`], and [`Failure`] for whoever awaits
//! the end.

use std::any::Any;
use std::borrow::Cow;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::InvalidDemand;

/// What went wrong outside the data path of a stream.
///
/// A stream fails with an error of its own type; a pipeline *breaks* with a fault. Faults are
/// kept apart so that `Infallible` stays an honest error type, and so that operators that
/// recover from errors (`retry`, `on_error_resume`) do not swallow a panic.
#[derive(Debug)]
#[non_exhaustive]
pub enum Fault {
    /// User code panicked.
    Panicked(Panic),
    /// Somebody asked for zero or fewer items through a raw entry (rule 3.9).
    InvalidDemand(InvalidDemand),
    /// The source went away without an end: that is not completion.
    SourceDropped,
    /// A blocking end was called on a thread that runs an executor.
    BlockedExecutor,
    /// The executor dropped the task of a stage that it had taken: as a rule it was shut down.
    ExecutorGone,
    /// The executor would not take the task of a stage.
    Refused(Refused),
    /// The clock that a stage waits by would not end the wait: as a rule it was shut down.
    ClockGone,
    /// A source sent an item that was not asked for (rule 1.1).
    Overflow {
        /// How many items the stage has room for, all taken.
        capacity: u64,
    },
    /// A stage that divides a stream among several readers cannot go on, and would stand still.
    Stalled(Stall),
    /// Somebody broke the stream off from outside, as one does that was told to stop and has not in
    /// time.
    Aborted,
    /// A subscriber was slower than others of the same source, where those do not wait.
    TooSlow {
        /// How many items there was room for, all taken.
        capacity: u64,
    },
}

impl Fault {
    /// The same fault for another subscriber of the same source. What a panic carried stays with
    /// the first; an echo carries its message.
    #[must_use]
    pub fn echo(&self) -> Fault {
        match self {
            Fault::Panicked(panic) => Fault::Panicked(panic.echo()),
            Fault::InvalidDemand(invalid) => Fault::InvalidDemand(*invalid),
            Fault::SourceDropped => Fault::SourceDropped,
            Fault::BlockedExecutor => Fault::BlockedExecutor,
            Fault::ExecutorGone => Fault::ExecutorGone,
            Fault::Aborted => Fault::Aborted,
            Fault::Refused(refused) => Fault::Refused(refused.clone()),
            Fault::ClockGone => Fault::ClockGone,
            Fault::Overflow { capacity } => Fault::Overflow { capacity: *capacity },
            Fault::Stalled(stall) => Fault::Stalled(stall.clone()),
            Fault::TooSlow { capacity } => Fault::TooSlow { capacity: *capacity },
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Panicked(panic) => panic.fmt(f),
            Fault::InvalidDemand(invalid) => invalid.fmt(f),
            Fault::SourceDropped => f.write_str(
                "the source was dropped without an end: a sender or an emitter that is done calls \
                 `complete`, or was made to `complete_on_drop`",
            ),
            Fault::BlockedExecutor => f.write_str(
                "a blocking end was called on a thread that runs an executor, where it could \
                 wait for itself; await the end instead",
            ),
            Fault::ExecutorGone => f.write_str(
                "the executor dropped the task of a stage before its stream was over, as one does \
                 that is shut down",
            ),
            Fault::Aborted => f.write_str(
                "somebody broke the stream off from outside, before all that was on its way had come",
            ),
            Fault::Refused(refused) => refused.fmt(f),
            Fault::ClockGone => f.write_str(
                "the clock of a stage would wake it at no time: it was shut down, or is that of a \
                 runtime without timers",
            ),
            Fault::Overflow { capacity } => write!(
                f,
                "a source sent an item that was not asked for: all {capacity} places of the \
                 stage below it are taken",
            ),
            Fault::TooSlow { capacity } => write!(
                f,
                "a subscriber was slower than others of the same source, which do not wait for \
                 it: all its {capacity} places are taken",
            ),
            Fault::Stalled(stall) => stall.fmt(f),
        }
    }
}

impl Error for Fault {}

/// Why a stage would stand still, in words for whoever wrote the pipeline.
///
/// One pointer wide, since it travels with every end.
#[derive(Debug, Clone)]
pub struct Stall(Box<Cow<'static, str>>);

impl Stall {
    /// A stall, in words: which stage, what it holds and for whom, and what to change.
    #[must_use]
    pub fn new(why: impl Into<Cow<'static, str>>) -> Stall {
        Stall(Box::new(why.into()))
    }
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The payload of a panic in user code, and where it happened if a stage with a name saw it.
///
/// One pointer wide, since it travels with every end.
pub struct Panic(Box<PanicParts>);

struct PanicParts {
    message: Option<Cow<'static, str>>,
    /// Never locked, only taken out: what many errors are put into wants `Sync`, which a payload is not.
    payload: Mutex<Box<dyn Any + Send>>,
    stage: Option<Cow<'static, str>>,
}

impl Panic {
    /// A panic with what [`std::panic::catch_unwind`] returned.
    #[must_use]
    pub fn new(payload: Box<dyn Any + Send>) -> Panic {
        let message = match payload.downcast_ref::<&'static str>() {
            Some(literal) => Some(Cow::Borrowed(*literal)),
            None => payload.downcast_ref::<String>().map(|text| Cow::Owned(text.clone())),
        };
        Panic(Box::new(PanicParts { message, payload: Mutex::new(payload), stage: None }))
    }

    /// The message, where the panic carried text.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }

    /// The name of the first named stage below the place of the panic.
    #[must_use]
    pub fn stage(&self) -> Option<&str> {
        self.0.stage.as_deref()
    }

    fn echo(&self) -> Panic {
        let payload: Box<dyn Any + Send> = match self.message() {
            Some(message) => Box::new(message.to_owned()),
            None => Box::new("a panic that carried no text"),
        };
        let mut echo = Panic::new(payload);
        echo.0.stage.clone_from(&self.0.stage);
        echo
    }

    /// Names the place, unless a stage nearer to it already did.
    #[must_use]
    pub fn at(mut self, stage: impl Into<Cow<'static, str>>) -> Panic {
        self.0.stage.get_or_insert_with(|| stage.into());
        self
    }

    /// What the panic carried.
    #[must_use]
    pub fn into_payload(self) -> Box<dyn Any + Send> {
        self.0.payload.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on unwinding with the same payload.
    pub fn resume(self) -> ! {
        std::panic::resume_unwind(self.into_payload())
    }
}

impl fmt::Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Panic")
            .field("message", &self.message())
            .field("stage", &self.0.stage)
            .finish()
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.stage() {
            Some(stage) => write!(f, "user code panicked above stage `{stage}`")?,
            None => f.write_str("user code panicked")?,
        }
        match self.message() {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}

/// Which executor would not take a task, and why.
///
/// One pointer wide, since it travels with every end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(Box<RefusedParts>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct RefusedParts {
    executor: Cow<'static, str>,
    reason: Cow<'static, str>,
}

impl Refused {
    /// `executor` says no, for `reason`.
    #[must_use]
    pub fn new(
        executor: impl Into<Cow<'static, str>>,
        reason: impl Into<Cow<'static, str>>,
    ) -> Refused {
        Refused(Box::new(RefusedParts { executor: executor.into(), reason: reason.into() }))
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} takes no more tasks: {}", self.0.executor, self.0.reason)
    }
}

impl Error for Refused {}

/// Why an awaited end has no result: the stream failed, or the pipeline broke.
///
/// It goes into the boxes that applications put their errors in, and by `?` into an error of their own
/// that says what becomes of each:
///
/// ```
/// use millstream_core::{Failure, Fault};
///
/// #[derive(Debug)]
/// enum AppError {
///     Parse(std::num::ParseIntError),
///     Broken(Fault),
/// }
///
/// impl From<Failure<std::num::ParseIntError>> for AppError {
///     fn from(failure: Failure<std::num::ParseIntError>) -> AppError {
///         match failure {
///             Failure::Error(error) => AppError::Parse(error),
///             Failure::Fault(fault) => AppError::Broken(fault),
///         }
///     }
/// }
///
/// fn run() -> Result<u32, AppError> {
///     let end = "3".parse().map_err(Failure::Error); // as an end would give it
///     Ok(end?)
/// }
/// assert_eq!(run().unwrap(), 3);
///
/// fn boxed() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
///     Err(Failure::<std::fmt::Error>::Fault(Fault::Aborted))?
/// }
/// assert!(boxed().unwrap_err().downcast_ref::<Failure<std::fmt::Error>>().is_some());
/// ```
///
/// Of a stream that cannot fail it is a [`Fault`], and converts into one. Where the error is one of
/// `std::io`, or there is none, it converts into such an error; a fault is then one of the kind
/// [`Other`](io::ErrorKind::Other):
///
/// ```
/// use std::io;
/// use millstream_core::{Failure, Fault};
///
/// fn length(end: Result<u64, Failure<io::Error>>) -> io::Result<u64> {
///     Ok(end?)
/// }
/// let missing = length(Err(Failure::Error(io::ErrorKind::NotFound.into()))).unwrap_err();
/// assert_eq!(missing.kind(), io::ErrorKind::NotFound);
/// let broken = length(Err(Failure::Fault(Fault::Aborted))).unwrap_err();
/// assert!(broken.get_ref().unwrap().is::<Fault>());
///
/// fn count(end: Result<u64, Failure<std::convert::Infallible>>) -> io::Result<u64> {
///     Ok(end?)
/// }
/// assert!(count(Err(Failure::Fault(Fault::Aborted))).unwrap_err().get_ref().unwrap().is::<Fault>());
/// ```
#[derive(Debug)]
pub enum Failure<E> {
    /// The stream failed with its own error.
    Error(E),
    /// The pipeline broke.
    Fault(Fault),
}

impl<E> Failure<E> {
    /// The stream's own error, if it is one.
    pub fn into_error(self) -> Option<E> {
        match self {
            Failure::Error(error) => Some(error),
            Failure::Fault(_) => None,
        }
    }
}

impl<E> From<Fault> for Failure<E> {
    fn from(fault: Fault) -> Failure<E> {
        Failure::Fault(fault)
    }
}

impl From<Failure<Infallible>> for Fault {
    fn from(failure: Failure<Infallible>) -> Fault {
        match failure {
            Failure::Error(never) => match never {},
            Failure::Fault(fault) => fault,
        }
    }
}

impl From<Failure<io::Error>> for io::Error {
    fn from(failure: Failure<io::Error>) -> io::Error {
        match failure {
            Failure::Error(error) => error,
            Failure::Fault(fault) => io::Error::other(fault),
        }
    }
}

impl From<Failure<Infallible>> for io::Error {
    fn from(failure: Failure<Infallible>) -> io::Error {
        io::Error::other(Fault::from(failure))
    }
}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Error(error) => error.fmt(f),
            Failure::Fault(fault) => fault.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for Failure<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Failure::Error(error) => error.source(),
            Failure::Fault(fault) => fault.source(),
        }
    }
}

/// Something that could not be delivered to any subscriber: see [`on_undelivered`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Undelivered {
    /// An error that came when nobody listened any more, as text: its type is not known here.
    Error(String),
    /// A fault that the subscriber does not handle.
    Fault(Fault),
}

impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Undelivered::Error(error) => write!(f, "an error reached nobody: {error}"),
            Undelivered::Fault(fault) => write!(f, "a fault reached nobody: {fault}"),
        }
    }
}

type Hook = dyn Fn(&Undelivered) + Send + Sync;

static HOOK: RwLock<Option<Arc<Hook>>> = RwLock::new(None);

/// Sets what is told about errors and faults that reach nobody; it replaces the one before.
///
/// Without a hook they are a line on standard error, but for panics, which the standard panic hook has
/// printed already:
///
/// ```text
/// millstream: a fault reached nobody: the executor dropped the task of a stage before its stream was over, ..
/// ```
///
/// So a stream that breaks below a subscriber which has no
/// [`on_fault`](crate::ActiveSubscriber::on_fault) does not stop in silence. `on_undelivered(|_| {})` is
/// silence.
///
/// The hook runs on the thread that found out. It must not call back into a pipeline. A panic of it
/// goes no further: who found out may be a request or a cancellation, which return normally.
///
/// No lock is held while it runs, so it may replace itself:
///
/// ```
/// use millstream_core::{Fault, Undelivered, on_undelivered, report_undelivered};
///
/// on_undelivered(|first| {
///     eprintln!("{first}; the others are not printed");
///     on_undelivered(|_| {});
/// });
/// report_undelivered(&Undelivered::Fault(Fault::SourceDropped));
/// ```
pub fn on_undelivered(hook: impl Fn(&Undelivered) + Send + Sync + 'static) {
    let before = HOOK.write().unwrap_or_else(PoisonError::into_inner).replace(Arc::new(hook));
    drop(before);
}

/// Reports something that reaches nobody to the hook of [`on_undelivered`].
pub fn report_undelivered(undelivered: &Undelivered) {
    let hook = HOOK.read().unwrap_or_else(PoisonError::into_inner).clone();
    match (hook, undelivered) {
        (Some(hook), _) => {
            // A panic of it was printed by the standard panic hook.
            let _told = catch_unwind(AssertUnwindSafe(|| hook(undelivered)));
        }
        // So was this one.
        (None, Undelivered::Fault(Fault::Panicked(_))) => {}
        (None, _) => {
            // Not `eprintln!`: it panics where nobody reads standard error any more.
            let _written = writeln!(io::stderr(), "millstream: {undelivered}");
        }
    }
}
