//! Joined stages: several upstreams, or one that runs elsewhere, and one serial downstream.
//!
//! A joined stage is a [`Pull`] made of *feeds*, one for each upstream. An upstream that can be
//! pulled is held in place and costs no queue; any other fills a bounded queue of its own. What
//! runs the pull is an island ([`join`](millstream_blocks::island::join)), on the thread that has
//! news, or a task of an executor ([`on`]).

use std::num::NonZeroUsize;

use millstream_blocks::bell::Bell;
use millstream_blocks::entrust::{Errand, entrust};
use millstream_blocks::lane::{Outlet, lane};
use millstream_blocks::task::task;
use millstream_core::{Context, Publisher, Pull, Pulled, Subscriber};
use millstream_executors::{Executor, executor_thread};

/// A capacity, which is at least one.
///
/// # Panics
/// When it is zero: `what` is the call.
#[track_caller]
pub(crate) fn capacity(what: &str, n: usize) -> NonZeroUsize {
    match NonZeroUsize::new(n) {
        Some(n) => n,
        None => panic!("{what}: a queue holds at least 1 item, and 0 was asked for"),
    }
}

/// One upstream of a joined stage.
pub(crate) enum Feed<Q: Pull> {
    /// Held in place.
    Pulled(Q),
    /// It fills a queue.
    Lane(Outlet<Q::Item, Q::Error>),
}

impl<Q: Pull> Feed<Q> {
    /// Asks an upstream made by [`granted_feed`] for `n` more.
    #[inline]
    pub(crate) fn grant(&mut self, n: u64) {
        if let Feed::Lane(outlet) = self
            && n > 0
        {
            outlet.grant(n);
        }
    }

    /// Whether items are waiting, as far as can be told.
    pub(crate) fn holds(&self) -> bool {
        match self {
            Feed::Pulled(_) => true,
            Feed::Lane(outlet) => !outlet.is_empty(),
        }
    }
}

impl<Q: Pull> Pull for Feed<Q> {
    type Item = Q::Item;
    type Error = Q::Error;

    #[inline]
    fn pull(&mut self) -> Pulled<Q::Item, Q::Error> {
        match self {
            Feed::Pulled(pull) => pull.pull(),
            Feed::Lane(outlet) => outlet.pull(),
        }
    }

    #[inline]
    fn look_ahead(&mut self, started: bool) -> Pulled<Q::Item, Q::Error> {
        match self {
            Feed::Pulled(pull) => pull.look_ahead(started),
            Feed::Lane(outlet) => outlet.look_ahead(started),
        }
    }
}

/// Makes a feed of `publisher`: subscribes to it, unless it can be pulled. `bell` rings when
/// there is news.
pub(crate) fn feed<P: Publisher>(
    publisher: P,
    capacity: NonZeroUsize,
    bell: Bell,
    context: &Context,
) -> Feed<impl Pull<Item = P::Item, Error = P::Error> + use<P>> {
    match publisher.into_pull(context.clone()) {
        Ok(pull) => Feed::Pulled(pull),
        Err(publisher) => {
            let (inlet, outlet) = lane(capacity, bell, context);
            publisher.subscribe(inlet);
            Feed::Lane(outlet)
        }
    }
}

/// As [`feed`], of an upstream that is asked for `capacity`, and then for what it is
/// [granted](Feed::grant).
pub(crate) fn granted_feed<P: Publisher>(
    publisher: P,
    capacity: NonZeroUsize,
    bell: Bell,
    context: &Context,
) -> Feed<impl Pull<Item = P::Item, Error = P::Error> + use<P>> {
    match feed(publisher, capacity, bell, context) {
        Feed::Lane(outlet) => Feed::Lane(outlet.granting()),
        pulled @ Feed::Pulled(_) => pulled,
    }
}

/// Runs a joined stage on a task of `executor`; where that will not run it, `subscriber` is told.
pub(crate) fn on<P, S>(
    executor: &impl Executor,
    make: impl FnOnce(&Bell, &Context) -> P,
    subscriber: S,
) where
    P: Pull,
    S: Subscriber<P::Item, P::Error>,
{
    if let Some(task) = task(make, subscriber) {
        spawn(executor, task);
    }
}

/// Hands a task to `executor`. Where that will not have it, its pipeline is told why.
pub(crate) fn spawn(executor: &impl Executor, task: impl Errand) {
    entrust(task, |mut task| {
        executor.spawn(Box::pin(std::future::poll_fn(move |cx| {
            let _polled_by_an_executor = executor_thread::polls();
            std::pin::Pin::new(&mut task).poll(cx)
        })))
    });
}
