//! Halted streams: upstream until somebody throws a switch.
//!
//! A relay of one source, whose end comes from outside: whoever throws cancels upstream, and
//! downstream is told an end, without demand and from any thread. Where it was thrown before,
//! upstream is never subscribed to.

use std::panic::{AssertUnwindSafe, catch_unwind};

use millstream_blocks::cause::within;
use millstream_blocks::relay::{Sequence, SourceEnd, Then, relay};
use millstream_blocks::switch::{Listening, Switch};
use millstream_core::{Cause, End, Publisher, Subscriber};

use crate::shape::stage::panicked;

/// `upstream` until `switch` is thrown, and then the end that `end` makes of that, and why upstream is
/// cancelled.
pub(crate) struct Halted<P, W, F> {
    pub(crate) upstream: P,
    pub(crate) switch: Switch<W>,
    pub(crate) end: F,
}

impl<P, W, F> Publisher for Halted<P, W, F>
where
    P: Publisher,
    W: Send + Sync + 'static,
    F: FnOnce(&W) -> (End<P::Error>, Cause) + Send + 'static,
{
    type Item = P::Item;
    type Error = P::Error;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        let Halted { upstream, switch, end } = self;
        let (place, listening) = switch.place();
        let sequence = Halting { upstream: Some(upstream), listening };
        relay(sequence, subscriber, |feeder| {
            place.listen(move |what| {
                let end = catch_unwind(AssertUnwindSafe(|| end(what)));
                let broke = |payload| (panicked(payload), Cause::Failed);
                let (end, cause) = end.unwrap_or_else(broke);
                within(cause, || feeder.end(end));
            });
        });
    }
}

struct Halting<P, W> {
    upstream: Option<P>,
    /// Lets go when the stream is over.
    listening: Listening<W>,
}

impl<P: Publisher, W: Send + Sync + 'static> Sequence for Halting<P, W> {
    type Item = P::Item;
    type Error = P::Error;
    type Source = P;
    type Feed = std::convert::Infallible;

    fn start(&mut self) -> Then<P, P::Error> {
        match self.upstream.take() {
            // Its end is on the way.
            Some(_) if self.listening.is_thrown() => Then::Wait,
            Some(upstream) => Then::Subscribe(upstream),
            None => Then::Complete,
        }
    }

    fn after(&mut self, end: SourceEnd<P::Error>, _: bool) -> Then<P, P::Error> {
        match end {
            SourceEnd::Completed => Then::Complete,
            SourceEnd::Failed(error) => Then::Fail(error),
        }
    }

    fn fed(&mut self, never: Self::Feed, _: bool) -> Then<P, P::Error> {
        match never {}
    }
}
