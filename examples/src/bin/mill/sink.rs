//! The consumer: a thread that takes one chunk after the other from a queue, and its time.
//!
//! The queue is an unbounded channel. What bounds it is the demand: the subscriber asks for a
//! number of chunks, and for one more whenever the consumer has finished one.

use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use millstream::{ActiveSubscriber, Demand, Fault, More, Subscriber, Subscription};

use crate::input::InputError;
use crate::meter::{Gauge, Ticketed};
use crate::stages::Record;

/// How the stream ended, where it was not cancelled.
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

/// One run, as its subscriber, its consumer and whoever interrupts it share it.
#[derive(Debug, Default)]
pub(crate) struct Run {
    tally: Mutex<Tally>,
    control: Mutex<Control>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Control {
    subscription: Option<Arc<Subscription>>,
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

    fn request_one(&self) {
        let subscription = self.control().subscription.clone();
        // Not under the lock: the source runs on this thread until it has sent the chunk.
        if let Some(subscription) = subscription {
            subscription.request(Demand::ONE);
        }
    }
}

/// Puts the chunks into the queue. It is as fast as can be, and asks no more than it was told.
#[derive(Debug)]
pub(crate) struct Enqueue {
    pub(crate) run: Arc<Run>,
    pub(crate) queue: Sender<Vec<Record>>,
    pub(crate) demand: Demand,
}

impl Enqueue {
    fn end(self, ended: Ended) {
        self.run.tally().ended = Some(ended);
    }
}

impl Subscriber<Vec<Record>, InputError> for Enqueue {
    type Active = Self;

    fn on_subscribe(self, subscription: Subscription) -> Self {
        subscription.request(self.demand);
        let mut control = self.run.control();
        // Interrupted before it began: dropping the subscription cancels.
        if !control.interrupted {
            control.subscription = Some(Arc::new(subscription));
        }
        drop(control);
        self
    }
}

impl ActiveSubscriber<Vec<Record>, InputError> for Enqueue {
    fn on_next(&mut self, chunk: Vec<Record>) -> More {
        match self.queue.send(chunk) {
            // The consumer asks, when it has finished one.
            Ok(()) => More::NONE,
            Err(_) => More::CANCEL,
        }
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

/// The consumer's thread: takes `pause` for each chunk, and asks for another.
pub(crate) fn consume(
    run: &Run,
    chunks: Receiver<Vec<Record>>,
    pause: Duration,
    queue: &Gauge,
    sink: &Arc<Gauge>,
) {
    for mut chunk in chunks {
        chunk.move_to(sink);
        queue.sent_one();
        sink.received_one();
        let start = Instant::now();
        run.pause(pause);
        let mut tally = run.tally();
        tally.chunks += 1;
        for record in &chunk {
            tally.records += 1;
            tally.fields += record.fields as u64;
            tally.bytes += record.text.len() as u64;
        }
        tally.busy += start.elapsed();
        drop(tally);
        drop(chunk);
        if run.is_interrupted() {
            // What is in the queue is dropped with it.
            break;
        }
        run.request_one();
    }
}
