//! A consumer that asks by its own thread, and sees that no more comes.

use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use millstream::{ActiveSubscriber, Demand, Fault, More, Subscriber, Subscription};

use crate::trouble::Token;

/// Longer than any run takes that goes on.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a stream ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    Completed,
    Failed(String),
    Broken(String),
    /// The subscriber was dropped without an end.
    Dropped,
}

#[derive(Debug, Default)]
struct Seen {
    subscription: Option<Arc<Subscription>>,
    /// What was asked for and has not come; all there is when it is unbounded.
    wanted: u64,
    delivered: u64,
    last: Option<u64>,
    numbers: HashSet<u64>,
    end: Option<End>,
    /// What should not have happened.
    wrong: Option<String>,
}

/// The side of the thread that asks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Consumer {
    seen: Arc<(Mutex<Seen>, Condvar)>,
    ordered: bool,
}

impl Consumer {
    /// `ordered`: items come in the order of their numbers.
    pub(crate) fn new(ordered: bool) -> Consumer {
        Consumer { ordered, ..Consumer::default() }
    }

    pub(crate) fn subscriber(&self) -> Sink {
        Sink(self.clone())
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn request(&self, n: u64) {
        let subscription = {
            let mut seen = self.seen();
            seen.wanted = seen.wanted.saturating_add(n);
            seen.subscription.clone()
        };
        if let (Some(subscription), Some(demand)) = (subscription, Demand::new(n)) {
            subscription.request(demand);
        }
    }

    pub(crate) fn cancel(&self) {
        let subscription = self.seen().subscription.take();
        drop(subscription);
    }

    /// Waits until no more than `left` of what was asked for is to come, or the stream is over:
    /// `Some` where it is.
    pub(crate) fn wait(&self, left: u64) -> Result<Option<End>, String> {
        let until = Instant::now() + PATIENCE;
        let mut seen = self.seen();
        loop {
            if let Some(wrong) = &seen.wrong {
                return Err(wrong.clone());
            }
            if seen.end.is_some() || seen.wanted <= left {
                return Ok(seen.end.clone());
            }
            let now = Instant::now();
            if now >= until {
                return Err(format!(
                    "it stands still: {} are asked for, {} came",
                    seen.wanted, seen.delivered
                ));
            }
            (seen, _) =
                self.seen.1.wait_timeout(seen, until - now).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until it has gone, cancelled or ended.
    pub(crate) fn wait_for_end(&self) -> Result<End, String> {
        self.seen().wanted = u64::MAX;
        match self.wait(0)? {
            Some(end) => Ok(end),
            None => Err("it is not over".to_owned()),
        }
    }

    pub(crate) fn delivered(&self) -> u64 {
        self.seen().delivered
    }

    fn change(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen());
        self.seen.1.notify_all();
    }

    fn ends(&self, end: End) {
        let mut subscription = None;
        self.change(|seen| {
            subscription = seen.subscription.take();
            if let Some(before) = seen.end.replace(end) {
                seen.wrong = Some(format!("a second end, after {before:?}"));
            }
        });
        drop(subscription);
    }
}

/// The side of the stream.
pub(crate) struct Sink(Consumer);

pub(crate) struct ActiveSink {
    consumer: Consumer,
    over: bool,
}

impl Subscriber<Token, String> for Sink {
    type Active = ActiveSink;

    fn on_subscribe(self, subscription: Subscription) -> ActiveSink {
        let subscription = Arc::new(subscription);
        let mut wanted = 0;
        self.0.change(|seen| {
            wanted = seen.wanted;
            seen.subscription = Some(subscription.clone());
        });
        if let Some(demand) = Demand::new(wanted) {
            subscription.request(demand);
        }
        ActiveSink { consumer: self.0, over: false }
    }
}

impl ActiveSubscriber<Token, String> for ActiveSink {
    fn on_next(&mut self, token: Token) -> More {
        let ordered = self.consumer.ordered;
        self.consumer.change(|seen| {
            if seen.wanted == 0 {
                seen.wrong = Some(format!("item {} was not asked for", token.n));
            } else if seen.wanted != u64::MAX {
                seen.wanted -= 1;
            }
            if ordered && seen.last.is_some_and(|last| last >= token.n) {
                seen.wrong = Some(format!("item {} after {:?}", token.n, seen.last));
            }
            if !ordered && !seen.numbers.insert(token.n) {
                seen.wrong = Some(format!("item {} twice", token.n));
            }
            seen.last = Some(token.n);
            seen.delivered += 1;
        });
        More::NONE
    }

    fn on_complete(mut self) {
        self.over = true;
        self.consumer.ends(End::Completed);
    }

    fn on_error(mut self, error: String) {
        self.over = true;
        self.consumer.ends(End::Failed(error));
    }

    fn on_fault(mut self, fault: Fault) {
        self.over = true;
        self.consumer.ends(End::Broken(fault.to_string()));
    }
}

impl Drop for ActiveSink {
    fn drop(&mut self) {
        if !self.over {
            self.consumer.ends(End::Dropped);
        }
    }
}
