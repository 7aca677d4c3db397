//! [`PublisherExt`]: the table of contents of the operators.

use millstream_core::{BoxPublisher, Publisher, SharedPublisher};

use crate::combine::*;
use crate::end::*;
use crate::fault::*;
use crate::filter::*;
use crate::flatten::*;
use crate::limit::*;
use crate::shape::end::Run;
use crate::shape::stage::Stage;
use crate::source::from_iter;
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

    /// Then the items of another publisher. See [`Chain`].
    #[doc(alias = "concatWith", alias = "concat")]
    fn chain<Q>(self, other: Q) -> Chain<Self, Q>
    where
        Q: Publisher<Item = Self::Item, Error = Self::Error>,
    {
        Chain::new(self, other)
    }

    /// Some items first. See [`StartWith`].
    #[doc(alias = "startWith", alias = "prepend")]
    fn start_with<I>(self, items: I) -> StartWith<Self, I::IntoIter>
    where
        I: IntoIterator<Item = Self::Item, IntoIter: Send + 'static>,
    {
        StartWith::new(self, from_iter(items))
    }

    /// The items of another publisher where this one has none. See [`SwitchIfEmpty`].
    #[doc(alias = "switchIfEmpty", alias = "orElse")]
    fn switch_if_empty<Q>(self, other: Q) -> SwitchIfEmpty<Self, Q>
    where
        Q: Publisher<Item = Self::Item, Error = Self::Error>,
    {
        SwitchIfEmpty::new(self, other)
    }

    // ---- flatten --------------------------------------------------------------------------

    /// Each item becomes a publisher, one after another. See [`ConcatMap`].
    #[doc(alias = "concatMap", alias = "flatMapConcat", alias = "flat_map", alias = "flatten")]
    fn concat_map<Q, F>(self, f: F) -> ConcatMap<Self, F>
    where
        Q: Publisher<Error = Self::Error>,
        F: FnMut(Self::Item) -> Q + Send + 'static,
    {
        ConcatMap::new(self, f)
    }

    /// Each item becomes the items of an iterator. See [`ConcatMapIter`].
    #[doc(alias = "concatMapIterable", alias = "flatMapIterable", alias = "mapConcat")]
    fn concat_map_iter<I, F>(self, f: F) -> ConcatMapIter<Self, F>
    where
        I: IntoIterator<IntoIter: Send + 'static, Item: Send + 'static>,
        F: FnMut(Self::Item) -> I + Send + 'static,
    {
        ConcatMapIter::new(self, f)
    }

    // ---- chunk ----------------------------------------------------------------------------

    // ---- fault ----------------------------------------------------------------------------

    /// The error through a function. See [`MapErr`].
    #[doc(alias = "onErrorMap", alias = "mapError")]
    fn map_err<G, F>(self, f: F) -> Stage<Self, MapErr<F>>
    where
        G: Send + 'static,
        F: FnMut(Self::Error) -> G + Send + 'static,
    {
        Stage::new(self, MapErr::new(f))
    }

    /// One item in place of an error. See [`OnErrorReturn`].
    #[doc(alias = "onErrorReturn", alias = "onErrorReturnItem", alias = "recover")]
    fn on_error_return(self, item: Self::Item) -> Stage<Self, OnErrorReturn<Self::Item>> {
        Stage::new(self, OnErrorReturn::new(item))
    }

    /// Errors that pass a test are completion. See [`OnErrorComplete`].
    #[doc(alias = "onErrorComplete")]
    fn on_error_complete<F>(self, f: F) -> Stage<Self, OnErrorComplete<F>>
    where
        F: FnMut(&Self::Error) -> bool + Send + 'static,
    {
        Stage::new(self, OnErrorComplete::new(f))
    }

    /// Another publisher in place of an error. See [`OnErrorResume`].
    #[doc(alias = "onErrorResume", alias = "onErrorResumeNext", alias = "recoverWith")]
    #[doc(alias = "or_else")]
    fn on_error_resume<Q, F>(self, f: F) -> OnErrorResume<Self, F>
    where
        Q: Publisher<Item = Self::Item>,
        F: FnOnce(Self::Error) -> Q + Send + 'static,
    {
        OnErrorResume::new(self, f)
    }

    /// After an error, from the beginning, up to `k` more times. See [`Retry`].
    fn retry(self, k: u64) -> Retry<Self>
    where
        Self: Clone,
    {
        Retry::new(self, k)
    }

    /// After completion, from the beginning, `k` more times. See [`Repeat`].
    #[doc(alias = "cycle")]
    fn repeat(self, k: u64) -> Repeat<Self>
    where
        Self: Clone,
    {
        Repeat::new(self, k)
    }

    /// After completion, from the beginning, as long as a test says so. See [`RepeatWhile`].
    #[doc(alias = "repeatUntil")]
    fn repeat_while<F>(self, again: F) -> RepeatWhile<Self, F>
    where
        Self: Clone,
        F: FnMut() -> bool + Send + 'static,
    {
        RepeatWhile::new(self, again)
    }

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
