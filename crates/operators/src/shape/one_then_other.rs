//! Two publishers under one subscription, the second when the first is complete: `chain`,
//! `switch_if_empty`.

use std::convert::Infallible;

use millstream_blocks::relay::{Sequence, SourceEnd, Then, relay};
use millstream_core::{Publisher, Subscriber};

use crate::either::Same;

/// When the second has its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Second {
    Always,
    IfTheFirstWasEmpty,
}

/// Subscribes `subscriber` to `first`, and to `second` when that is complete and `when` says so.
pub(crate) fn one_then_other<P, Q, S>(first: P, second: Q, when: Second, subscriber: S)
where
    P: Publisher,
    Q: Publisher<Item = P::Item, Error = P::Error>,
    S: Subscriber<P::Item, P::Error>,
{
    let sequence = OneThenOther { first: Some(first), second: Some(second), when };
    relay(sequence, subscriber, |_| {});
}

struct OneThenOther<P, Q> {
    first: Option<P>,
    second: Option<Q>,
    when: Second,
}

impl<P, Q> Sequence for OneThenOther<P, Q>
where
    P: Publisher,
    Q: Publisher<Item = P::Item, Error = P::Error>,
{
    type Item = P::Item;
    type Error = P::Error;
    type Source = Same<P, Q>;
    type Feed = Infallible;

    fn start(&mut self) -> Then<Same<P, Q>, P::Error> {
        self.first.take().map_or(Then::Complete, |first| Then::Subscribe(Same::First(first)))
    }

    fn after(&mut self, end: SourceEnd<P::Error>, emitted: bool) -> Then<Same<P, Q>, P::Error> {
        match (end, self.when) {
            (SourceEnd::Failed(error), _) => Then::Fail(error),
            (SourceEnd::Completed, Second::IfTheFirstWasEmpty) if emitted => Then::Complete,
            (SourceEnd::Completed, _) => self
                .second
                .take()
                .map_or(Then::Complete, |second| Then::Subscribe(Same::Second(second))),
        }
    }

    fn fed(&mut self, feed: Infallible, _: bool) -> Then<Same<P, Q>, P::Error> {
        match feed {}
    }
}
