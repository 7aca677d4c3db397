//! `expand_last`: items made of the last, where downstream is faster.

use std::num::NonZeroUsize;

use millstream_blocks::gauge::Site;
use millstream_blocks::lane::Outlet;
use millstream_core::{Publisher, Pull, Pulled, Subscriber};

use crate::shape::hurried::keep_up;

/// Items made of the last one, where downstream is faster than upstream:
/// [`PublisherExt::expand_last`](crate::PublisherExt::expand_last).
///
/// ```text
///           expand_last(|n| repeat(*n))
/// up    --1----------2--------|
/// down  ^r1-1--r2-1-1--r2-2-2--|
/// ```
///
/// Each item of upstream is sent; while downstream asks for more and the next has not come, it gets
/// what the iterator gives that `f` made of the last. An iterator that is at its end gives nothing
/// until the next item.
///
/// An iterator without end gives as much as is asked for: before an end that asks for everything it
/// keeps its thread until upstream has another item, or none any more.
///
/// # Demand
/// One, without regard to downstream, and another each time that one was sent: one is always asked
/// for or waits.
/// # Completion
/// After the item that waits, if there is one; nothing more is made of it then.
/// # Errors
/// After the item that waits. A fault does not wait. A panic in `f` or in its iterator becomes a
/// fault.
/// # Cancellation
/// As downstream's; the item that waits is discarded.
/// # Bounds
/// 1 item, and 1 iterator.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let (clock, ticks) = millstream::channel(1);
/// let mut cursor = ticks.expand_last(|tick| [tick + 0.1, tick + 0.2]).cursor();
/// clock.send_blocking(1.0)?;
/// assert_eq!(cursor.block_next()?, Some(1.0));
/// assert_eq!(cursor.block_next()?, Some(1.1));
/// clock.send_blocking(2.0)?;
/// assert_eq!(cursor.block_next()?, Some(2.0), "what comes goes first");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct ExpandLast<P, F> {
    upstream: P,
    f: F,
    site: Site,
}

impl<P, F> ExpandLast<P, F> {
    #[track_caller]
    pub(crate) fn new(upstream: P, f: F) -> ExpandLast<P, F> {
        ExpandLast { upstream, f, site: Site::here("expand_last") }
    }
}

crate::opaque_debug::opaque_debug!(ExpandLast<P, F>);

impl<P, I, F> Publisher for ExpandLast<P, F>
where
    P: Publisher,
    I: IntoIterator<Item = P::Item, IntoIter: Send + 'static>,
    F: FnMut(&P::Item) -> I + Send + 'static,
{
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let ExpandLast { upstream, mut f, site } = self;
        let make = |outlet, _: &_| Expanding {
            outlet,
            f: move |item: &P::Item| f(item).into_iter(),
            made: None,
        };
        keep_up(upstream, NonZeroUsize::MIN, site, make, subscriber);
    }
}

struct Expanding<T: 'static, E, F, I> {
    outlet: Outlet<T, E>,
    f: F,
    /// What is made of the last item, until there is no more.
    made: Option<I>,
}

impl<T, E, F, I> Pull for Expanding<T, E, F, I>
where
    T: Send + 'static,
    E: Send + 'static,
    I: Iterator<Item = T> + Send + 'static,
    F: FnMut(&T) -> I + Send + 'static,
{
    type Item = T;
    type Error = E;

    fn pull(&mut self) -> Pulled<T, E> {
        match self.outlet.pull() {
            Pulled::Item(item) => {
                // The last one is done with before the next begins.
                self.made = None;
                self.made = Some((self.f)(&item));
                Pulled::Item(item)
            }
            Pulled::Pending => match self.made.as_mut().and_then(Iterator::next) {
                Some(item) => Pulled::Item(item),
                None => {
                    self.made = None;
                    Pulled::Pending
                }
            },
            other => other,
        }
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<T, E> {
        self.outlet.look_ahead(started)
    }
}
