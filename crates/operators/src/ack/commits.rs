//! What the entries have in common: a source of envelopes with a window, and the stream of commits
//! beside it.
//!
//! ```text
//!  upstream ─▶ Issuing ─▶ envelopes ─▶ …            on the island of the stream
//!                 ▲ room                 │ settled, on any thread
//!                 └───── receipts ◀──────┘
//!                           └─▶ Committing ─▶ commit(..)   on an island, or a task, of its own
//! ```
//!
//! The two are streams of their own: what is acknowledged after the end of the one is still
//! committed by the other. The end of that one is an [`Outcome`], for whoever waits for it.

use std::convert::Infallible;
use std::error::Error;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use millstream_blocks::bell::Bell;
use millstream_blocks::gauge::Site;
use millstream_blocks::island::join;
use millstream_blocks::outcome::{Completer, Outcome};
use millstream_blocks::receipt::{Clerk, Issuer, Order, Stop, Taken, Verdict, receipts};
use millstream_core::{
    ActiveSubscriber, Demand, Discards, Fault, More, Publisher, Pull, Pulled, Subscriber,
    Subscription,
};
use millstream_executors::Executor;

use crate::ack::{AckError, Acked};
use crate::shape::joined::{Granted, granted_feed, on};

/// What was settled, and is to be committed.
pub(crate) type Batch<K> = Vec<(K, Verdict)>;

/// How the commits ended, for whoever waits for it.
pub(crate) type Committed = Outcome<Result<(), Broken>>;

/// Why they did not end well.
pub(crate) enum Broken {
    Stop(Stop),
    Fault(Fault),
}

/// Where the commits run.
pub(crate) trait Host: Send + 'static {
    fn host<P, S>(&self, make: impl FnOnce(&Bell) -> P, subscriber: S)
    where
        P: Pull,
        S: Subscriber<P::Item, P::Error>;
}

/// On the thread that has news.
pub(crate) struct Here;

impl Host for Here {
    fn host<P, S>(&self, make: impl FnOnce(&Bell) -> P, subscriber: S)
    where
        P: Pull,
        S: Subscriber<P::Item, P::Error>,
    {
        join(|bell, _| make(bell), subscriber);
    }
}

/// On a task of an executor.
pub(crate) struct There<X>(pub(crate) X);

impl<X: Executor> Host for There<X> {
    fn host<P, S>(&self, make: impl FnOnce(&Bell) -> P, subscriber: S)
    where
        P: Pull,
        S: Subscriber<P::Item, P::Error>,
    {
        on(&self.0, |bell, _| make(bell), subscriber);
    }
}

/// Items with a window, a tag for each, and how those are committed.
pub(crate) struct Entry<P, F, H, C> {
    pub(crate) upstream: P,
    pub(crate) tag: F,
    pub(crate) window: NonZeroUsize,
    pub(crate) deferred: usize,
    pub(crate) order: Order,
    pub(crate) site: Site,
    pub(crate) host: H,
    /// Begins to commit a batch, which is not empty.
    pub(crate) commit: C,
    pub(crate) completer: Completer<Result<(), Broken>>,
}

impl<P, F, H, C> Entry<P, F, H, C> {
    /// With what begins a commit, on a host.
    pub(crate) fn committing<J, D, K, Fut>(
        self,
        host: impl FnOnce(H) -> J,
        commit: impl FnOnce(C) -> D,
    ) -> Entry<P, F, J, D>
    where
        D: FnMut(&mut Batch<K>) -> Fut,
    {
        let Entry { upstream, tag, window, deferred, order, site, .. } = self;
        Entry {
            upstream,
            tag,
            window,
            deferred,
            order,
            site,
            host: host(self.host),
            commit: commit(self.commit),
            completer: self.completer,
        }
    }
}

impl<P, F, K, H, C, Fut, G> Entry<P, F, H, C>
where
    P: Publisher,
    F: FnMut(&P::Item) -> K + Send + 'static,
    K: Send + 'static,
    H: Host,
    C: FnMut(&mut Batch<K>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), G>> + Send + 'static,
    G: Into<Box<dyn Error + Send + Sync>>,
{
    pub(crate) fn subscribe<S>(self, subscriber: S)
    where
        S: Subscriber<Acked<P::Item>, AckError<P::Error>>,
    {
        let Entry { upstream, tag, window, deferred, order, site, host, commit, completer } = self;
        join(
            move |bell, context| {
                let mut opened = None;
                let end = CommitEnd { completer, stream: bell.clone() };
                host.host(
                    |clerk_bell| {
                        let (issuer, clerk) =
                            receipts(window, deferred, order, bell.clone(), clerk_bell.clone());
                        opened = Some(issuer);
                        let waker = clerk_bell.clone().into_waker();
                        Committing {
                            clerk,
                            batch: Vec::new(),
                            commit,
                            flight: Box::pin(None),
                            waker,
                        }
                    },
                    end,
                );
                let outer = granted_feed(upstream, window, bell.clone(), context, site);
                // The window is what the feed asks for by itself.
                let left = window.get() as u64;
                if let Some(issuer) = &mut opened {
                    let granted = issuer.look();
                    debug_assert!(granted.is_err() || granted.is_ok_and(|n| n == left));
                }
                let (issuer, discards) = (opened, context.discards().clone());
                Issuing { outer, issuer, tag, left, low: left / 4, stop: None, discards }
            },
            subscriber,
        );
    }
}

/// The source of the envelopes.
struct Issuing<Q: Pull, F, K: Send + 'static> {
    outer: Granted<Q>,
    issuer: Option<Issuer<K>>,
    tag: F,
    /// How many more it may issue, as far as it knows.
    left: u64,
    /// It looks for more when it has no more than this.
    low: u64,
    /// Why no more may be issued, until it is told.
    stop: Option<Stop>,
    discards: Discards,
}

impl<Q, F, K> Issuing<Q, F, K>
where
    Q: Pull,
    F: FnMut(&Q::Item) -> K + Send + 'static,
    K: Send + 'static,
{
    /// Whether there is room for more than it knew.
    fn look(&mut self) -> Result<bool, Stop> {
        let Some(issuer) = &mut self.issuer else { return Ok(false) };
        let more = issuer.look()?;
        self.left += more;
        self.outer.done(more);
        Ok(more > 0)
    }

    /// No more may be issued. It is told when whoever pulls has looked whether it is cancelled: then
    /// what was dropped for that is no news.
    #[cold]
    fn stopped(&mut self, stop: Stop) -> Pulled<Acked<Q::Item>, AckError<Q::Error>> {
        self.left = 0;
        self.stop = Some(stop);
        Pulled::Skipped
    }

    fn issue(&mut self, item: Q::Item) -> Pulled<Acked<Q::Item>, AckError<Q::Error>> {
        let tag = (self.tag)(&item);
        let Some(issuer) = &mut self.issuer else { return Pulled::Complete };
        match issuer.issue(tag) {
            Ok(ack) => {
                self.left -= 1;
                Pulled::Item(Acked::new(item, ack))
            }
            Err((_, stop)) => {
                self.discards.discard(item);
                self.stopped(stop)
            }
        }
    }

    fn issued(
        &mut self,
        pulled: Pulled<Q::Item, Q::Error>,
    ) -> Pulled<Acked<Q::Item>, AckError<Q::Error>> {
        match pulled {
            Pulled::Item(item) => self.issue(item),
            Pulled::Skipped => Pulled::Skipped,
            Pulled::Pending => Pulled::Pending,
            Pulled::Complete => Pulled::Complete,
            Pulled::Error(error) => Pulled::Error(AckError::Stream(error)),
        }
    }
}

impl<Q, F, K> Pull for Issuing<Q, F, K>
where
    Q: Pull,
    F: FnMut(&Q::Item) -> K + Send + 'static,
    K: Send + 'static,
{
    type Item = Acked<Q::Item>;
    type Error = AckError<Q::Error>;

    fn pull(&mut self) -> Pulled<Self::Item, Self::Error> {
        let mut looked = self.left <= self.low;
        if looked {
            if let Some(stop) = self.stop.take() {
                return Pulled::Error(stop.into());
            }
            if let Err(stop) = self.look() {
                return self.stopped(stop);
            }
        }
        loop {
            if self.left == 0 {
                let end = self.outer.end_ahead();
                return self.issued(end);
            }
            let pulled = self.outer.pull();
            if !matches!(pulled, Pulled::Pending) {
                return self.issued(pulled);
            }
            if looked {
                return Pulled::Pending;
            }
            looked = true;
            match self.look() {
                Ok(true) => {}
                Ok(false) => return Pulled::Pending,
                Err(stop) => return self.stopped(stop),
            }
        }
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<Self::Item, Self::Error> {
        if let Some(stop) = self.stop.take() {
            return Pulled::Error(stop.into());
        }
        if let Err(stop) = self.look() {
            return self.stopped(stop);
        }
        let ahead = match self.left {
            0 => self.outer.end_ahead(),
            _ => self.outer.look_ahead(started),
        };
        self.issued(ahead)
    }
}

/// The stream of commits: it has an end, and no items.
struct Committing<K: Send + 'static, C, Fut> {
    clerk: Clerk<K>,
    batch: Batch<K>,
    commit: C,
    flight: Pin<Box<Option<Fut>>>,
    waker: Waker,
}

impl<K, C, Fut, G> Pull for Committing<K, C, Fut>
where
    K: Send + 'static,
    C: FnMut(&mut Batch<K>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), G>> + Send + 'static,
    G: Into<Box<dyn Error + Send + Sync>>,
{
    type Item = Infallible;
    type Error = Stop;

    fn pull(&mut self) -> Pulled<Infallible, Stop> {
        if let Some(flying) = self.flight.as_mut().as_pin_mut() {
            let landed = flying.poll(&mut Context::from_waker(&self.waker));
            let Poll::Ready(landed) = landed else { return Pulled::Pending };
            self.flight.set(None);
            if let Err(error) = landed {
                let error: Arc<dyn Error + Send + Sync> = Arc::from(error.into());
                self.clerk.fail(error.clone());
                return Pulled::Error(Stop::Failed(error));
            }
        }
        match self.clerk.take(&mut self.batch) {
            Taken::Nothing => Pulled::Pending,
            Taken::Over(None) => Pulled::Complete,
            Taken::Over(Some(stop)) => Pulled::Error(stop),
            Taken::Some => {
                let flying = (self.commit)(&mut self.batch);
                self.batch.clear();
                self.flight.set(Some(flying));
                // It is polled next, where nobody has cancelled.
                Pulled::Skipped
            }
        }
    }
}

/// Who is told how the commits ended.
struct CommitEnd {
    completer: Completer<Result<(), Broken>>,
    /// The stream of the envelopes, which breaks with that of the commits.
    stream: Bell,
}

impl Subscriber<Infallible, Stop> for CommitEnd {
    type Active = Self;

    fn on_subscribe(self, subscription: Subscription) -> Self {
        subscription.request(Demand::UNBOUNDED);
        // It ends with the last acknowledgement, and not before.
        subscription.detach();
        self
    }
}

impl ActiveSubscriber<Infallible, Stop> for CommitEnd {
    fn on_next(&mut self, never: Infallible) -> More {
        match never {}
    }

    fn on_complete(self) {
        self.completer.complete(Ok(()));
    }

    fn on_error(self, stop: Stop) {
        self.completer.complete(Err(Broken::Stop(stop)));
    }

    fn on_fault(self, fault: Fault) {
        // The stream may be over already; then it is told to whoever waits for the commits.
        self.completer.complete(Err(Broken::Fault(fault.echo())));
        self.stream.fail(fault);
    }
}
