//! `settling`: the end comes when all that was acknowledged is committed.

use std::num::NonZeroUsize;
use std::task::{Context, Poll, Waker};

use millstream_blocks::bell::Bell;
use millstream_blocks::gauge::Site;
use millstream_blocks::island::join;
use millstream_core::{Fault, Publisher, Pull, Pulled, Subscriber};

use crate::ack::AckError;
use crate::ack::commits::{Broken, Committed};
use crate::shape::joined::{Feed, feed};

/// What the ends of an [`AckedPublisher`](crate::ack::AckedPublisher) end: its envelopes are settled
/// above, and its end is told when what was acknowledged is committed.
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct Settling<P> {
    upstream: P,
    committed: Option<Committed>,
    site: Site,
}

impl<P> Settling<P> {
    #[track_caller]
    pub(crate) fn new(upstream: P, committed: Option<Committed>) -> Settling<P> {
        Settling { upstream, committed, site: Site::here("settling") }
    }
}

crate::opaque_debug::opaque_debug!(Settling<P>);

impl<P, E> Publisher for Settling<P>
where
    P: Publisher<Error = AckError<E>>,
    E: Send + 'static,
{
    type Item = P::Item;
    type Error = AckError<E>;

    fn subscribe<S: Subscriber<P::Item, AckError<E>>>(self, subscriber: S) {
        let Settling { upstream, committed, site } = self;
        join(
            |bell, context| Ending {
                feed: Some(feed(upstream, NonZeroUsize::MIN, bell.clone(), context, site)),
                failed: None,
                committed,
                waker: bell.clone().into_waker(),
                bell: bell.clone(),
            },
            subscriber,
        );
    }
}

struct Ending<Q: Pull> {
    /// Until it is over.
    feed: Option<Feed<Q>>,
    failed: Option<Q::Error>,
    committed: Option<Committed>,
    waker: Waker,
    bell: Bell,
}

impl<Q, E> Ending<Q>
where
    Q: Pull<Error = AckError<E>>,
    E: Send + 'static,
{
    /// What the feed gave, and at its end whether all is committed.
    fn settle(&mut self, pulled: Pulled<Q::Item, AckError<E>>) -> Pulled<Q::Item, AckError<E>> {
        match pulled {
            Pulled::Complete => self.feed = None,
            Pulled::Error(error) => {
                self.feed = None;
                self.failed = Some(error);
            }
            other => return other,
        }
        self.end()
    }

    fn end(&mut self) -> Pulled<Q::Item, AckError<E>> {
        let committed = match &mut self.committed {
            None => None,
            Some(committed) => match committed.poll(&mut Context::from_waker(&self.waker)) {
                Poll::Pending => return Pulled::Pending,
                Poll::Ready(committed) => committed,
            },
        };
        self.committed = None;
        match (self.failed.take(), committed) {
            (_, Some(Err(Broken::Fault(fault)))) => self.broken(fault),
            (Some(error), _) => Pulled::Error(error),
            (None, Some(Err(Broken::Stop(stop)))) => Pulled::Error(stop.into()),
            (None, Some(Ok(())) | None) => Pulled::Complete,
        }
    }

    fn broken(&mut self, fault: Fault) -> Pulled<Q::Item, AckError<E>> {
        self.bell.fail(fault);
        Pulled::Pending
    }
}

impl<Q, E> Pull for Ending<Q>
where
    Q: Pull<Error = AckError<E>>,
    E: Send + 'static,
{
    type Item = Q::Item;
    type Error = AckError<E>;

    fn pull(&mut self) -> Pulled<Q::Item, AckError<E>> {
        match &mut self.feed {
            Some(feed) => {
                let pulled = feed.pull();
                self.settle(pulled)
            }
            None => self.end(),
        }
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<Q::Item, AckError<E>> {
        match &mut self.feed {
            Some(feed) => {
                let pulled = feed.look_ahead(started);
                self.settle(pulled)
            }
            None => self.end(),
        }
    }
}
