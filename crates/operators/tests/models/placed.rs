//! Publishers that a flattening holds in place, some of which are read elsewhere.

use millstream_core::{Context, Publisher, Pull, Pulled, Subscriber, Supply};

/// One in place, or nothing in its stead.
pub(crate) enum Placed<P> {
    Here(P),
    Elsewhere,
    /// As [`Elsewhere`](Placed::Elsewhere), and its place stays taken.
    Idle,
}

impl<P: Publisher> Publisher for Placed<P> {
    type Item = P::Item;
    type Error = P::Error;
    const HOSTED: bool = true;

    fn subscribe<S: Subscriber<P::Item, P::Error>>(self, subscriber: S) {
        match self {
            Placed::Here(publisher) => publisher.subscribe(subscriber),
            Placed::Elsewhere | Placed::Idle => unreachable!("those in place are pulled"),
        }
    }

    fn into_pull(
        self,
        context: Context,
    ) -> Result<impl Pull<Item = P::Item, Error = P::Error>, Placed<P>> {
        match self {
            Placed::Here(publisher) => match publisher.into_pull(context) {
                Ok(pull) => Ok(PlacedPull { pull: Some(pull), stays: true }),
                Err(publisher) => Err(Placed::Here(publisher)),
            },
            Placed::Elsewhere => Ok(PlacedPull { pull: None, stays: false }),
            Placed::Idle => Ok(PlacedPull { pull: None, stays: true }),
        }
    }
}

struct PlacedPull<P> {
    pull: Option<P>,
    stays: bool,
}

impl<P: Pull> PlacedPull<P> {
    fn nothing(&self) -> Pulled<P::Item, P::Error> {
        if self.stays { Pulled::Pending } else { Pulled::Complete }
    }
}

impl<P: Pull> Pull for PlacedPull<P> {
    type Item = P::Item;
    type Error = P::Error;

    fn pull(&mut self) -> Pulled<P::Item, P::Error> {
        match &mut self.pull {
            Some(pull) => pull.pull(),
            None => self.nothing(),
        }
    }

    fn look_ahead(&mut self, started: bool) -> Pulled<P::Item, P::Error> {
        match &mut self.pull {
            Some(pull) => pull.look_ahead(started),
            None => self.nothing(),
        }
    }

    fn pull_handed(
        &mut self,
        to: usize,
        supply: &mut impl Supply,
        each: impl FnMut(P::Item) -> bool,
    ) -> Pulled<P::Item, P::Error> {
        match &mut self.pull {
            Some(pull) => pull.pull_handed(to, supply, each),
            None => self.nothing(),
        }
    }
}
