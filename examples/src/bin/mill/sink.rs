//! The consumer: it takes one chunk at a time, and its time.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use millstream::{ActiveSubscriber, Demand, Fault, More, Subscriber, Subscription};

use crate::input::InputError;
use crate::stages::Record;

/// How a run ended, where it was not interrupted.
#[derive(Debug)]
pub(crate) enum Ended {
    Complete,
    Failed(InputError),
    Broken(Fault),
}

/// What the consumer did.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) chunks: u64,
    pub(crate) records: u64,
    pub(crate) fields: u64,
    pub(crate) bytes: u64,
    pub(crate) busy: Duration,
    pub(crate) ended: Option<Ended>,
}

/// One run, as its consumer and whoever interrupts it share it.
#[derive(Debug, Default)]
pub(crate) struct Run {
    tally: Mutex<Tally>,
    control: Mutex<Control>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Control {
    subscription: Option<Subscription>,
    interrupted: bool,
    reported: bool,
}

impl Run {
    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cancels the stream from any thread: the consumer's pause ends at once, and nothing more
    /// is read. Whether this is the first time.
    pub(crate) fn interrupt(&self) -> bool {
        let (first, subscription) = {
            let mut control = self.control();
            let first = !std::mem::replace(&mut control.interrupted, true);
            (first, control.subscription.take())
        };
        self.changed.notify_all();
        // Not under the lock: cancelling drops what the pipeline holds.
        drop(subscription);
        first
    }

    pub(crate) fn is_interrupted(&self) -> bool {
        self.control().interrupted
    }

    /// Whether nobody has claimed the report yet.
    pub(crate) fn claim_report(&self) -> bool {
        let first = !std::mem::replace(&mut self.control().reported, true);
        self.changed.notify_all();
        first
    }

    /// Waits for somebody to claim the report.
    pub(crate) fn wait_for_report(&self, patience: Duration) {
        let control = self.control();
        drop(self.changed.wait_timeout_while(control, patience, |control| !control.reported));
    }

    fn pause(&self, pause: Duration) {
        let control = self.control();
        drop(self.changed.wait_timeout_while(control, pause, |control| !control.interrupted));
    }
}

/// Asks for one chunk, works on it for `pause`, and asks for the next.
#[derive(Debug)]
pub(crate) struct SlowSink {
    run: Arc<Run>,
    pause: Duration,
}

impl SlowSink {
    pub(crate) fn new(run: Arc<Run>, pause: Duration) -> SlowSink {
        SlowSink { run, pause }
    }

    fn end(self, ended: Ended) {
        self.run.tally().ended = Some(ended);
    }
}

impl Subscriber<Vec<Record>, InputError> for SlowSink {
    type Active = Self;

    fn on_subscribe(self, subscription: Subscription) -> Self {
        subscription.request(Demand::ONE);
        let mut control = self.run.control();
        // Interrupted before it began: dropping the subscription cancels.
        if !control.interrupted {
            control.subscription = Some(subscription);
        }
        drop(control);
        self
    }
}

impl ActiveSubscriber<Vec<Record>, InputError> for SlowSink {
    fn on_next(&mut self, chunk: Vec<Record>) -> More {
        let start = Instant::now();
        self.run.pause(self.pause);
        let mut tally = self.run.tally();
        tally.chunks += 1;
        for record in &chunk {
            tally.records += 1;
            tally.fields += record.fields as u64;
            tally.bytes += record.text.len() as u64;
        }
        tally.busy += start.elapsed();
        More::ONE
    }

    fn on_complete(self) {
        self.end(Ended::Complete);
    }

    fn on_error(self, error: InputError) {
        self.end(Ended::Failed(error));
    }

    fn on_fault(self, fault: Fault) {
        self.end(Ended::Broken(fault));
    }
}
