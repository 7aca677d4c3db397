//! Publishers that a flattening holds in place, some of which are read elsewhere.

use millstream_core::{Context, Publisher, Pull, Pulled, Subscriber, Supply};

/// One in place, or nothing in its stead.
pub(crate) enum Placed<P> {
    Here(P),
    Elsewhere,
}

impl<P: Publisher> Publisher for Placed<P> {
    type Item = P::Item;
    type Error = P::Error;
    const HOSTED: bool = true;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        match self {
            Placed::Here(publisher) => publisher.subscribe(subscriber),
            Placed::Elsewhere => unreachable!("those in place are pulled"),
        }
    }

    fn into_pull(
        self,
        context: Context,
    ) -> Result<impl Pull<Item = P::Item, Error = P::Error>, Placed<P>> {
        match self {
            Placed::Here(publisher) => match publisher.into_pull(context) {
                Ok(pull) => Ok(PlacedPull(Some(pull))),
                Err(publisher) => Err(Placed::Here(publisher)),
            },
            Placed::Elsewhere => Ok(PlacedPull(None)),
        }
    }
}

struct PlacedPull<P>(Option<P>);

impl<P: Pull> Pull for PlacedPull<P> {
    type Item = P::Item;
    type Error = P::Error;

    fn pull(&mut self) -> Pulled<P::Item, P::Error> {
        self.0.as_mut().map_or(Pulled::Complete, Pull::pull)
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<P::Item, P::Error> {
        self.0.as_mut().map_or(Pulled::Complete, |pull| pull.look_ahead(started))
    }

    fn pull_handed(
        &mut self,
        to: usize,
        supply: &mut impl Supply,
        each: impl FnMut(P::Item) -> bool,
    ) -> Pulled<P::Item, P::Error> {
        self.0.as_mut().map_or(Pulled::Complete, |pull| pull.pull_handed(to, supply, each))
    }
}
