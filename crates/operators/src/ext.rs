//! [`PublisherExt`]: the table of contents of the operators.

use millstream_core::{BoxPublisher, Publisher, SharedPublisher};

use crate::end::*;
use crate::filter::*;
use crate::limit::*;
use crate::shape::end::Run;
use crate::shape::stage::Stage;
use crate::transform::*;

/// The operators, as methods of every publisher.
///
/// Each method names the type that holds its contract: demand, completion, errors, cancellation,
/// bounds. Import it by `use millstream::prelude::*`.
pub trait PublisherExt: Publisher {
    // ---- transform ------------------------------------------------------------------------

    /// Each item through a function. See [`Map`].
    fn map<U, F>(self, f: F) -> Stage<Self, Map<F>>
    where
        U: Send + 'static,
        F: FnMut(Self::Item) -> U + Send + 'static,
    {
        Stage::new(self, Map::new(f))
    }

    // ---- filter ---------------------------------------------------------------------------

    /// Only the items that pass a test. See [`Filter`].
    fn filter<F>(self, f: F) -> Stage<Self, Filter<F>>
    where
        F: FnMut(&Self::Item) -> bool + Send + 'static,
    {
        Stage::new(self, Filter::new(f))
    }

    // ---- limit ----------------------------------------------------------------------------

    /// The first `n` items. See [`Take`].
    fn take(self, n: u64) -> Stage<Self, Take> {
        Stage::new(self, Take::new(n))
    }

    // ---- combine --------------------------------------------------------------------------

    // ---- chunk ----------------------------------------------------------------------------

    // ---- fault ----------------------------------------------------------------------------

    // ---- effect ---------------------------------------------------------------------------

    // ---- end ------------------------------------------------------------------------------

    /// All items in a collection. See [`Collect`].
    #[doc(alias = "collectList", alias = "toList", alias = "Sink.seq")]
    fn collect<C>(self) -> Run<Self, Collect<C>>
    where
        C: Default + Extend<Self::Item> + Send + 'static,
    {
        Run::new(self, Collect::default())
    }

    // ---- box ------------------------------------------------------------------------------

    /// This publisher behind a pointer. See [`BoxPublisher`].
    fn boxed(self) -> BoxPublisher<Self::Item, Self::Error> {
        BoxPublisher::new(self)
    }

    /// This publisher behind a pointer, as one that can be cloned. See [`SharedPublisher`].
    fn boxed_clone(self) -> SharedPublisher<Self::Item, Self::Error>
    where
        Self: Clone,
    {
        SharedPublisher::new(self)
    }
}

impl<P: Publisher> PublisherExt for P {}
