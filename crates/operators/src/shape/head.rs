//! The head of a source whose items wait for those of others: `zip`, `merge_sorted`,
//! `sequence_equal`.

use millstream_core::{Discards, Pull, Pulled};

use crate::shape::joined::Feed;

/// A source and the item of it that waits for the others.
pub(crate) struct Head<Q: Pull> {
    feed: Feed<Q>,
    pub(crate) item: Option<Q::Item>,
    started: bool,
    discards: Discards,
}

impl<Q: Pull> Drop for Head<Q> {
    fn drop(&mut self) {
        if let Some(item) = self.item.take() {
            self.discards.discard(item);
        }
    }
}

impl<Q: Pull> Head<Q> {
    pub(crate) fn new(feed: Feed<Q>, discards: &Discards) -> Head<Q> {
        Head { feed, item: None, started: false, discards: discards.clone() }
    }

    /// Fetches an item, unless one waits; else why there is none.
    #[inline]
    pub(crate) fn fetch<T>(&mut self) -> Option<Pulled<T, Q::Error>> {
        if self.item.is_some() {
            return None;
        }
        self.started = true;
        match self.feed.pull_one_of_many() {
            Pulled::Item(item) => {
                self.item = Some(item);
                None
            }
            other => Some(without_item(other)),
        }
    }

    /// The end, if it is here.
    pub(crate) fn end<T>(&mut self) -> Option<Pulled<T, Q::Error>> {
        if self.item.is_some() {
            return None;
        }
        match self.feed.look_ahead(self.started) {
            Pulled::Item(item) => {
                self.item = Some(item);
                None
            }
            Pulled::Pending => None,
            other => Some(without_item(other)),
        }
    }
}

/// The same, where it is no item.
pub(crate) fn without_item<T, U, E>(pulled: Pulled<T, E>) -> Pulled<U, E> {
    match pulled {
        Pulled::Complete => Pulled::Complete,
        Pulled::Error(error) => Pulled::Error(error),
        Pulled::Skipped => Pulled::Skipped,
        Pulled::Item(_) | Pulled::Pending => Pulled::Pending,
    }
}
