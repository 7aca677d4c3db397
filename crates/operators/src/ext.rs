//! [`PublisherExt`]: the table of contents of the operators.

use std::array;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::convert::Infallible;
use std::hash::Hash;
use std::num::NonZeroU64;
use std::panic::Location;
use std::time::Duration;

use millstream_blocks::boxed::{BoxPublisher, SharedPublisher};
use millstream_core::{Cause, Demand, Panic, Publisher};
use millstream_executors::Executor;
use millstream_executors::time::Clock;

use crate::ack::Acking;
use crate::board::Board;
use crate::boundary::*;
use crate::chunk::*;
use crate::combine::*;
use crate::control::Controller;
use crate::edge::*;
use crate::effect::*;
use crate::either::Same;
use crate::end::*;
use crate::fan_out::*;
use crate::fault::*;
use crate::filter::*;
use crate::flatten::*;
use crate::lifecycle::*;
use crate::limit::*;
use crate::overflow::*;
use crate::shape::chunked::Chunked;
use crate::shape::delivery::Delivery;
use crate::shape::end::Run;
use crate::shape::stage::{ItemStage, Stage};
use crate::source::{Emissions, from_iter};
use crate::timing::*;
use crate::transform::*;

/// The operators, as methods of every publisher.
///
/// Each method names the type that holds its contract: demand, completion, errors, cancellation,
/// bounds. Import it by `use millstream::prelude::*`.
///
/// A method that takes another publisher, or a function that makes some, wants them to fail in the same
/// way, where it does not say otherwise: [`fallible`](PublisherExt::fallible) is for one that cannot fail,
/// as `from_iter`, and [`map_err`](PublisherExt::map_err) for one that fails in another way.
pub trait PublisherExt: Publisher {
    // ---- transform ------------------------------------------------------------------------

    /// Each item through a function. See [`Map`].
    fn map<U, F>(self, f: F) -> ItemStage<Self, Map<F>>
    where
        U: Send + 'static,
        F: FnMut(Self::Item) -> U + Send + 'static,
    {
        ItemStage::new(self, Map::new(f))
    }

    /// Each item through a function that can fail. See [`TryMap`].
    #[doc(alias = "handle", alias = "map_ok", alias = "and_then")]
    fn try_map<U, G, F, How>(self, f: F) -> Stage<Self, TryMap<F, How>>
    where
        U: Send + 'static,
        G: FromUpstream<Self::Error, How> + Send + 'static,
        F: FnMut(Self::Item) -> Result<U, G> + Send + 'static,
        How: 'static,
    {
        Stage::new(self, TryMap::new(f))
    }

    /// Each item through a function that may drop it. See [`FilterMap`].
    #[doc(alias = "mapNotNull", alias = "mapOptional", alias = "collect", alias = "handle")]
    #[doc(alias = "ofType", alias = "collectType")]
    fn filter_map<U, F>(self, f: F) -> ItemStage<Self, FilterMap<F>>
    where
        U: Send + 'static,
        F: FnMut(Self::Item) -> Option<U> + Send + 'static,
    {
        ItemStage::new(self, FilterMap::new(f))
    }

    /// Each item with a state, through a function that may end the stream. See [`Scan`].
    #[doc(alias = "statefulMap")]
    fn scan<S, U, F>(self, state: S, f: F) -> ItemStage<Self, Scan<S, F>>
    where
        S: Send + 'static,
        U: Send + 'static,
        F: FnMut(&mut S, Self::Item) -> Option<U> + Send + 'static,
    {
        ItemStage::new(self, Scan::new(state, f))
    }

    /// Each item with a state, through a future that may end the stream, one at a time. See
    /// [`ScanAsync`].
    #[doc(alias = "scanAsync")]
    #[track_caller]
    fn scan_async<X, S, U, Fut, F>(self, executor: X, state: S, f: F) -> ScanAsync<Self, X, S, F>
    where
        X: Executor,
        S: Send + 'static,
        F: FnMut(S, Self::Item) -> Fut + Send + 'static,
        Fut: Future<Output = Option<(U, S)>> + Send + 'static,
        U: Send + 'static,
    {
        ScanAsync::new(self, executor, state, f)
    }

    /// A fold that sends each of its states, the seed first. See [`RunningFold`].
    #[doc(alias = "scan", alias = "scanWith", alias = "accumulate")]
    fn running_fold<S, F>(self, seed: S, f: F) -> ItemStage<Self, RunningFold<S, F>>
    where
        S: Clone + Send + 'static,
        F: FnMut(S, Self::Item) -> S + Send + 'static,
    {
        ItemStage::new(self, RunningFold::new(seed, f))
    }

    /// Each item with its number, from zero. See [`Enumerate`].
    #[doc(alias = "index", alias = "zipWithIndex")]
    fn enumerate(self) -> ItemStage<Self, Enumerate> {
        ItemStage::new(self, Enumerate::new())
    }

    /// Each item with a state, which may give a last item. See [`StatefulMap`].
    #[doc(alias = "statefulMap", alias = "statefulMapConcat")]
    fn stateful_map<S, U, C, F, D>(
        self,
        create: C,
        f: F,
        on_complete: D,
    ) -> ItemStage<Self, StatefulMap<C, S, F, D>>
    where
        S: Send + 'static,
        U: Send + 'static,
        C: FnOnce() -> S + Send + 'static,
        F: FnMut(&mut S, Self::Item) -> U + Send + 'static,
        D: FnOnce(S) -> Option<U> + Send + 'static,
    {
        ItemStage::new(self, StatefulMap::new(create, f, on_complete))
    }

    /// Each item through a function that uses a resource, which is closed at the end. See [`MapWithResource`].
    #[doc(alias = "mapWithResource")]
    fn map_with_resource<R, U, O, F, C>(
        self,
        open: O,
        f: F,
        close: C,
    ) -> Stage<Self, MapWithResource<O, R, U, F, C>>
    where
        R: Send + 'static,
        U: Send + 'static,
        O: FnOnce() -> R + Send + 'static,
        F: FnMut(&mut R, Self::Item) -> U + Send + 'static,
        C: FnOnce(R) -> Option<U> + Send + 'static,
    {
        Stage::new(self, MapWithResource::new(open, f, close))
    }

    /// Items and the end of a stream, as items. See [`Materialize`].
    fn materialize(self) -> Stage<Self, Materialize> {
        Stage::new(self, Materialize::new())
    }

    /// Items that stand for signals, as those signals. See [`Dematerialize`].
    fn dematerialize<T, G, How>(self) -> Stage<Self, Dematerialize<How>>
    where
        Self: Publisher<Item = Signal<T, G>>,
        T: Send + 'static,
        G: FromUpstream<Self::Error, How> + Send + 'static,
        How: 'static,
    {
        Stage::new(self, Dematerialize::new())
    }

    /// Each item with the one before. See [`Pairwise`].
    #[doc(alias = "buffer", alias = "sliding", alias = "tuple_windows")]
    fn pairwise(self) -> ItemStage<Self, Pairwise<Self::Item>>
    where
        Self::Item: Clone,
    {
        ItemStage::new(self, Pairwise::new())
    }

    /// Each item converted into another type. See [`MapInto`].
    #[doc(alias = "cast")]
    fn map_into<U>(self) -> ItemStage<Self, MapInto<U>>
    where
        U: Send + 'static,
        Self::Item: Into<U>,
    {
        ItemStage::new(self, MapInto::new())
    }

    // ---- flatten --------------------------------------------------------------------------

    /// Each item becomes a publisher, one after another. See [`ConcatMap`].
    #[doc(alias = "concatMap", alias = "flatMapConcat", alias = "flat_map", alias = "flatten")]
    #[doc(alias = "delayUntil", alias = "concat_map_prefetch")]
    fn concat_map<Q, F>(self, f: F) -> ConcatMap<Self, F>
    where
        Q: Publisher<Error = Self::Error>,
        F: FnMut(Self::Item) -> Q + Send + 'static,
    {
        ConcatMap::new(self, f)
    }

    /// Each item becomes a publisher, one after another; failures wait until all are over. See
    /// [`ConcatMapDelayError`].
    #[doc(alias = "concatMapDelayError")]
    fn concat_map_delay_error<Q, F>(self, f: F) -> ConcatMapDelayError<Self, F>
    where
        Q: Publisher<Error = Self::Error>,
        F: FnMut(Self::Item) -> Q + Send + 'static,
    {
        ConcatMapDelayError::new(self, f)
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

    /// Each item a publisher, up to `limit` of them at a time, in any order. See
    /// [`FlatMapUnordered`].
    #[doc(alias = "flatMap", alias = "flatMapMerge", alias = "merge", alias = "flatten_unordered")]
    #[track_caller]
    fn flat_map_unordered<Q, F>(
        self,
        limit: usize,
        prefetch: usize,
        f: F,
    ) -> FlatMapUnordered<Self, F>
    where
        Q: Publisher<Error = Self::Error>,
        F: FnMut(Self::Item) -> Q + Send + 'static,
    {
        FlatMapUnordered::new(self, limit, prefetch, f)
    }

    /// Each item a publisher, up to `limit` of them at a time, in any order; failures wait until all are
    /// over. See [`FlatMapUnorderedDelayError`].
    #[doc(alias = "flatMapDelayError")]
    #[track_caller]
    fn flat_map_unordered_delay_error<Q, F>(
        self,
        limit: usize,
        prefetch: usize,
        f: F,
    ) -> FlatMapUnorderedDelayError<Self, F>
    where
        Q: Publisher<Error = Self::Error>,
        F: FnMut(Self::Item) -> Q + Send + 'static,
    {
        FlatMapUnorderedDelayError::new(self, limit, prefetch, f)
    }

    /// Each item a publisher, up to `limit` of them at work, in order. See [`FlatMapOrdered`].
    #[doc(alias = "flatMapSequential", alias = "concatMapEager", alias = "mergeSequential")]
    #[track_caller]
    fn flat_map_ordered<Q, F>(self, limit: usize, prefetch: usize, f: F) -> FlatMapOrdered<Self, F>
    where
        Q: Publisher<Error = Self::Error>,
        F: FnMut(Self::Item) -> Q + Send + 'static,
    {
        FlatMapOrdered::new(self, limit, prefetch, f)
    }

    /// Each item a publisher, the newest only. See [`SwitchMap`].
    #[doc(alias = "switchMap", alias = "flatMapLatest")]
    #[track_caller]
    fn switch_map<Q, F>(self, prefetch: usize, f: F) -> SwitchMap<Self, F>
    where
        Q: Publisher<Error = Self::Error>,
        F: FnMut(Self::Item) -> Q + Send + 'static,
    {
        SwitchMap::new(self, prefetch, f)
    }

    /// An item a publisher, and what comes while that runs discarded. See [`ExhaustMap`].
    #[doc(alias = "exhaustMap", alias = "flatMapFirst", alias = "flatMapDrop")]
    #[track_caller]
    fn exhaust_map<Q, F>(self, prefetch: usize, f: F) -> ExhaustMap<Self, F>
    where
        Q: Publisher<Error = Self::Error>,
        F: FnMut(Self::Item) -> Q + Send + 'static,
    {
        ExhaustMap::new(self, prefetch, f)
    }

    /// Each item through a future, one at a time, as downstream asks. See [`Then`].
    #[doc(alias = "concatMap", alias = "mapAsync", alias = "delayUntil")]
    #[track_caller]
    fn then<X, Fut, F>(self, executor: X, f: F) -> Then<Self, X, F>
    where
        X: Executor,
        F: FnMut(Self::Item) -> Fut + Send + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        Then::new(self, executor, f)
    }

    /// Each item through a future, `limit` at a time, in order. See [`MapAsync`].
    #[doc(alias = "mapAsync", alias = "buffered", alias = "flatMapSequential", alias = "then")]
    #[track_caller]
    fn map_async<X, Fut, F>(self, executor: X, limit: usize, f: F) -> MapAsync<Self, X, F>
    where
        X: Executor,
        F: FnMut(Self::Item) -> Fut + Send + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        MapAsync::new(self, executor, limit, f)
    }

    /// Each item through a future, `limit` at a time, as they finish. See [`MapAsyncUnordered`].
    #[doc(alias = "mapAsyncUnordered", alias = "buffer_unordered", alias = "flatMapSingle")]
    #[track_caller]
    fn map_async_unordered<X, Fut, F>(
        self,
        executor: X,
        limit: usize,
        f: F,
    ) -> MapAsyncUnordered<Self, X, F>
    where
        X: Executor,
        F: FnMut(Self::Item) -> Fut + Send + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        MapAsyncUnordered::new(self, executor, limit, f)
    }

    /// Each item through a future that can fail, `limit` at a time, in order. See [`TryMapAsync`].
    #[doc(alias = "mapAsync", alias = "try_buffered")]
    #[track_caller]
    fn try_map_async<X, Fut, U, G, F, How>(
        self,
        executor: X,
        limit: usize,
        f: F,
    ) -> TryMapAsync<Self, X, F, How>
    where
        X: Executor,
        F: FnMut(Self::Item) -> Fut + Send + 'static,
        Fut: Future<Output = Result<U, G>> + Send + 'static,
        U: Send + 'static,
        G: FromUpstream<Self::Error, How> + Send + 'static,
        How: 'static,
    {
        TryMapAsync::new(self, executor, limit, f)
    }

    /// Each item through a future that can fail, `limit` at a time, as they finish. See [`TryMapAsyncUnordered`].
    #[doc(alias = "mapAsyncUnordered", alias = "try_buffer_unordered")]
    #[track_caller]
    fn try_map_async_unordered<X, Fut, U, G, F, How>(
        self,
        executor: X,
        limit: usize,
        f: F,
    ) -> TryMapAsyncUnordered<Self, X, F, How>
    where
        X: Executor,
        F: FnMut(Self::Item) -> Fut + Send + 'static,
        Fut: Future<Output = Result<U, G>> + Send + 'static,
        U: Send + 'static,
        G: FromUpstream<Self::Error, How> + Send + 'static,
        How: 'static,
    {
        TryMapAsyncUnordered::new(self, executor, limit, f)
    }

    /// Each item through a future, `limit` items at a time but one of each key, in order. See
    /// [`MapAsyncPartitioned`].
    #[doc(alias = "mapAsyncPartitioned", alias = "groupBy")]
    #[track_caller]
    fn map_async_partitioned<X, K, KF, Fut, F>(
        self,
        executor: X,
        limit: usize,
        key: KF,
        f: F,
    ) -> MapAsyncPartitioned<Self, X, KF, F>
    where
        X: Executor,
        K: Hash + Eq + Send + 'static,
        KF: FnMut(&Self::Item) -> K + Send + 'static,
        F: FnMut(Self::Item) -> Fut + Send + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        MapAsyncPartitioned::new(self, executor, limit, key, f)
    }

    /// Each item through a future, `limit` items at a time but one of each key, as they finish. See
    /// [`MapAsyncPartitionedUnordered`].
    #[doc(alias = "mapAsyncPartitionedUnordered", alias = "groupBy")]
    #[track_caller]
    fn map_async_partitioned_unordered<X, K, KF, Fut, F>(
        self,
        executor: X,
        limit: usize,
        key: KF,
        f: F,
    ) -> MapAsyncPartitionedUnordered<Self, X, KF, F>
    where
        X: Executor,
        K: Hash + Eq + Send + 'static,
        KF: FnMut(&Self::Item) -> K + Send + 'static,
        F: FnMut(Self::Item) -> Fut + Send + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        MapAsyncPartitionedUnordered::new(self, executor, limit, key, f)
    }

    /// Each item through a future that can fail, `limit` items at a time but one of each key, in order. See
    /// [`TryMapAsyncPartitioned`].
    #[doc(alias = "mapAsyncPartitioned", alias = "groupBy")]
    #[track_caller]
    fn try_map_async_partitioned<X, K, KF, Fut, U, G, F, How>(
        self,
        executor: X,
        limit: usize,
        key: KF,
        f: F,
    ) -> TryMapAsyncPartitioned<Self, X, KF, F, How>
    where
        X: Executor,
        K: Hash + Eq + Send + 'static,
        KF: FnMut(&Self::Item) -> K + Send + 'static,
        F: FnMut(Self::Item) -> Fut + Send + 'static,
        Fut: Future<Output = Result<U, G>> + Send + 'static,
        U: Send + 'static,
        G: FromUpstream<Self::Error, How> + Send + 'static,
        How: 'static,
    {
        TryMapAsyncPartitioned::new(self, executor, limit, key, f)
    }

    /// Each item through a future that can fail, `limit` items at a time but one of each key, as they finish. See
    /// [`TryMapAsyncPartitionedUnordered`].
    #[doc(alias = "mapAsyncPartitionedUnordered", alias = "groupBy")]
    #[track_caller]
    fn try_map_async_partitioned_unordered<X, K, KF, Fut, U, G, F, How>(
        self,
        executor: X,
        limit: usize,
        key: KF,
        f: F,
    ) -> TryMapAsyncPartitionedUnordered<Self, X, KF, F, How>
    where
        X: Executor,
        K: Hash + Eq + Send + 'static,
        KF: FnMut(&Self::Item) -> K + Send + 'static,
        F: FnMut(Self::Item) -> Fut + Send + 'static,
        Fut: Future<Output = Result<U, G>> + Send + 'static,
        U: Send + 'static,
        G: FromUpstream<Self::Error, How> + Send + 'static,
        How: 'static,
    {
        TryMapAsyncPartitionedUnordered::new(self, executor, limit, key, f)
    }

    /// Each item through an asynchronous function, as many at a time as a controller allows, in
    /// order. See [`AdaptiveConcurrency`].
    #[doc(alias = "mapAsync", alias = "Bulkhead", alias = "ConcurrencyLimiter")]
    #[track_caller]
    fn adaptive_concurrency<X, C, Fut, F>(
        self,
        time: X,
        controller: C,
        f: F,
    ) -> AdaptiveConcurrency<Self, X, C, F>
    where
        X: Executor + Clock,
        C: Controller,
        F: FnMut(Self::Item) -> Fut + Send + 'static,
        Fut: Future<Output: Send + 'static> + Send + 'static,
    {
        AdaptiveConcurrency::new(self, time, controller, f)
    }

    /// Each item through an asynchronous function, as many at a time as a controller allows, as they
    /// finish. See [`AdaptiveConcurrencyUnordered`].
    #[doc(alias = "mapAsyncUnordered", alias = "ConcurrencyLimiter")]
    #[track_caller]
    fn adaptive_concurrency_unordered<X, C, Fut, F>(
        self,
        time: X,
        controller: C,
        f: F,
    ) -> AdaptiveConcurrencyUnordered<Self, X, C, F>
    where
        X: Executor + Clock,
        C: Controller,
        F: FnMut(Self::Item) -> Fut + Send + 'static,
        Fut: Future<Output: Send + 'static> + Send + 'static,
    {
        AdaptiveConcurrencyUnordered::new(self, time, controller, f)
    }

    // ---- filter ---------------------------------------------------------------------------

    /// Only the items that pass a test. See [`Filter`].
    fn filter<F>(self, f: F) -> ItemStage<Self, Filter<F>>
    where
        F: FnMut(&Self::Item) -> bool + Send + 'static,
    {
        ItemStage::new(self, Filter::new(f))
    }

    /// Only the items whose future says yes, `limit` at a time, in order. See [`FilterAsync`].
    #[doc(alias = "filterWhen")]
    #[track_caller]
    fn filter_async<X, Fut, F>(self, executor: X, limit: usize, f: F) -> FilterAsync<Self, X, F>
    where
        X: Executor,
        F: FnMut(&Self::Item) -> Fut + Send + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        FilterAsync::new(self, executor, limit, f)
    }

    /// All but the first `n` items. See [`Skip`].
    #[doc(alias = "drop")]
    fn skip(self, n: u64) -> ItemStage<Self, Skip> {
        ItemStage::new(self, Skip::new(n))
    }

    /// All items from the first that fails a test. See [`SkipWhile`].
    #[doc(alias = "dropWhile", alias = "skipUntil")]
    fn skip_while<F>(self, f: F) -> ItemStage<Self, SkipWhile<F>>
    where
        F: FnMut(&Self::Item) -> bool + Send + 'static,
    {
        ItemStage::new(self, SkipWhile::new(f))
    }

    /// All but the last `n` items. See [`SkipLast`].
    #[doc(alias = "skipLast", alias = "dropLast")]
    fn skip_last(self, n: usize) -> ItemStage<Self, SkipLast<Self::Item>> {
        ItemStage::new(self, SkipLast::new(n))
    }

    /// The first item and each `n`-th after it. See [`StepBy`].
    #[track_caller]
    fn step_by(self, n: u64) -> ItemStage<Self, StepBy> {
        ItemStage::new(self, StepBy::new(n))
    }

    /// Each item that differs from the one before. See [`Dedup`].
    #[doc(alias = "distinctUntilChanged", alias = "dropRepeated")]
    fn dedup(self) -> ItemStage<Self, Dedup<Self::Item>>
    where
        Self::Item: Clone + PartialEq,
    {
        ItemStage::new(self, Dedup::new())
    }

    /// Each item whose key differs from that of the one before. See [`DedupByKey`].
    #[doc(alias = "distinctUntilChanged", alias = "dropRepeated")]
    fn dedup_by_key<K, F>(self, f: F) -> ItemStage<Self, DedupByKey<K, F>>
    where
        K: PartialEq + Send + 'static,
        F: FnMut(&Self::Item) -> K + Send + 'static,
    {
        ItemStage::new(self, DedupByKey::new(f))
    }

    /// Each item that was not sent before. See [`Unique`].
    #[doc(alias = "distinct")]
    fn unique(self) -> ItemStage<Self, Unique<Self::Item>>
    where
        Self::Item: Clone + Eq + Hash,
    {
        ItemStage::new(self, Unique::new())
    }

    /// Each item whose key was not seen before. See [`UniqueBy`].
    #[doc(alias = "distinct")]
    fn unique_by<K, F>(self, f: F) -> ItemStage<Self, UniqueBy<K, F>>
    where
        K: Eq + Hash + Send + 'static,
        F: FnMut(&Self::Item) -> K + Send + 'static,
    {
        ItemStage::new(self, UniqueBy::new(f))
    }

    /// Each item that is not among the last `capacity` different ones. See [`UniqueWithin`].
    #[doc(alias = "distinct")]
    #[track_caller]
    fn unique_within(self, capacity: usize) -> ItemStage<Self, UniqueWithin<Self::Item>>
    where
        Self::Item: Clone + Eq + Hash,
    {
        ItemStage::new(self, UniqueWithin::new(capacity))
    }

    /// The end alone, without the items. See [`IgnoreItems`].
    #[doc(alias = "ignoreElements", alias = "Sink.ignore")]
    fn ignore_items(self) -> ItemStage<Self, IgnoreItems> {
        ItemStage::new(self, IgnoreItems::new())
    }

    /// An item where upstream has none. See [`DefaultIfEmpty`].
    #[doc(alias = "defaultIfEmpty", alias = "orElse")]
    fn default_if_empty(self, default: Self::Item) -> ItemStage<Self, DefaultIfEmpty<Self::Item>> {
        ItemStage::new(self, DefaultIfEmpty::new(default))
    }

    /// Nothing before another publisher sends an item or is complete. See [`SkipUntil`].
    #[doc(alias = "skipUntilOther", alias = "skipUntil")]
    #[track_caller]
    fn skip_until<Q>(self, signal: Q, prefetch: usize) -> SkipUntil<Self, Q>
    where
        Q: Publisher<Error = Self::Error>,
    {
        SkipUntil::new(self, signal, prefetch)
    }

    // ---- limit ----------------------------------------------------------------------------

    /// The first `n` items. See [`Take`].
    #[doc(alias = "limitRequest")]
    fn take(self, n: u64) -> ItemStage<Self, Take> {
        ItemStage::new(self, Take::new(n))
    }

    /// The items before the first that fails a test. See [`TakeWhile`].
    #[doc(alias = "takeWhile")]
    fn take_while<F>(self, f: F) -> ItemStage<Self, TakeWhile<F>>
    where
        F: FnMut(&Self::Item) -> bool + Send + 'static,
    {
        ItemStage::new(self, TakeWhile::new(f))
    }

    /// The items up to the first that passes a test, and that one. See [`TakeThrough`].
    #[doc(alias = "takeUntil")]
    fn take_through<F>(self, f: F) -> ItemStage<Self, TakeThrough<F>>
    where
        F: FnMut(&Self::Item) -> bool + Send + 'static,
    {
        ItemStage::new(self, TakeThrough::new(f))
    }

    /// The last `n` items. See [`TakeLast`].
    #[doc(alias = "takeLast")]
    fn take_last(self, n: usize) -> ItemStage<Self, TakeLast<Self::Item>> {
        ItemStage::new(self, TakeLast::new(n))
    }

    /// An error where there are more than `max` items. See [`Limit`].
    #[doc(alias = "StreamLimitReachedException")]
    fn limit(self, max: u64) -> Stage<Self, Limit> {
        Stage::new(self, Limit::new(max))
    }

    /// An error where the items weigh more than `max` in all. See [`LimitWeighted`].
    #[doc(alias = "limitWeighted")]
    fn limit_weighted<F>(self, max: u64, weight: F) -> Stage<Self, LimitWeighted<F>>
    where
        F: FnMut(&Self::Item) -> u64 + Send + 'static,
    {
        Stage::new(self, LimitWeighted::new(max, weight))
    }

    /// Upstream never owes more than `high` items, and is asked again when it owes `low`. See
    /// [`LimitRate`].
    #[doc(alias = "limitRate", alias = "inputBuffer", alias = "capDemandsTo")]
    #[track_caller]
    fn limit_rate(self, high: u64, low: u64) -> ItemStage<Self, LimitRate> {
        ItemStage::new(self, LimitRate::new(high, low))
    }

    /// Each item with a permit, of which many streams share so many: while there is none, upstream is
    /// asked for nothing. See [`Bulkhead`].
    #[doc(alias = "BulkheadOperator", alias = "Semaphore")]
    #[track_caller]
    fn bulkhead<X: Executor>(self, executor: X, permits: &Permits) -> Bulkhead<Self, X> {
        Bulkhead::new(self, executor, permits)
    }

    /// Each item through a function, until that gives nothing. See [`MapWhile`].
    #[doc(alias = "collectWhile")]
    fn map_while<U, F>(self, f: F) -> ItemStage<Self, MapWhile<F>>
    where
        U: Send + 'static,
        F: FnMut(Self::Item) -> Option<U> + Send + 'static,
    {
        ItemStage::new(self, MapWhile::new(f))
    }

    /// Until another publisher sends an item or is complete. See [`TakeUntil`].
    #[doc(alias = "takeUntilOther", alias = "takeUntil")]
    fn take_until<Q>(self, signal: Q) -> TakeUntil<Self, Q>
    where
        Q: Publisher<Error = Self::Error>,
    {
        TakeUntil::new(self, signal)
    }

    // ---- combine --------------------------------------------------------------------------

    /// Then the items of another publisher, which fails in the same way: where it does not, see
    /// [`fallible`](PublisherExt::fallible) and [`map_err`](PublisherExt::map_err). See [`Chain`].
    #[doc(alias = "concatWith", alias = "concat")]
    fn chain<Q>(self, other: Q) -> Chain<Self, Q>
    where
        Q: Publisher<Item = Self::Item, Error = Self::Error>,
    {
        Chain::new(self, other)
    }

    /// Then the items of another publisher, whether or not this one has failed: what failed is told at
    /// the end. See [`concat_delay_error`].
    #[doc(alias = "concatDelayError", alias = "concatWith")]
    fn chain_delay_error<Q>(self, other: Q) -> ConcatDelayError<array::IntoIter<Same<Self, Q>, 2>>
    where
        Q: Publisher<Item = Self::Item, Error = Self::Error>,
    {
        concat_delay_error([Same::First(self), Same::Second(other)])
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

    /// Items of this publisher and another, as they come. See [`Merge`].
    #[doc(alias = "mergeWith", alias = "select")]
    #[track_caller]
    fn merge<Q>(self, other: Q, prefetch: usize) -> Merge<Same<Self, Q>>
    where
        Q: Publisher<Item = Self::Item, Error = Self::Error>,
    {
        Merge::of("merge(other, 0)", [Same::First(self), Same::Second(other)], prefetch)
    }

    /// So many items of this publisher, then as many of another, in turn. See [`Interleave`].
    #[doc(alias = "interleave_shortest")]
    #[track_caller]
    fn interleave<Q>(self, other: Q, turn: usize) -> Interleave<Same<Self, Q>>
    where
        Q: Publisher<Item = Self::Item, Error = Self::Error>,
    {
        Interleave::of("interleave(other, 0)", [Same::First(self), Same::Second(other)], turn)
    }

    /// Items of this publisher and another, as they come; a failure of one waits for the other.
    /// See [`MergeDelayError`].
    #[doc(alias = "mergeDelayError")]
    #[track_caller]
    fn merge_delay_error<Q>(self, other: Q, prefetch: usize) -> MergeDelayError<Same<Self, Q>>
    where
        Q: Publisher<Item = Self::Item, Error = Self::Error>,
    {
        let both = [Same::First(self), Same::Second(other)];
        MergeDelayError::of("merge_delay_error(other, 0)", both, prefetch)
    }

    /// Items of this publisher, and of another while this has none at hand. See [`MergePreferred`].
    #[doc(alias = "mergePreferred", alias = "mergePriority")]
    #[track_caller]
    fn merge_preferred<Q>(self, other: Q, prefetch: usize) -> MergePreferred<Same<Self, Q>>
    where
        Q: Publisher<Item = Self::Item, Error = Self::Error>,
    {
        let both = [Same::First(self), Same::Second(other)];
        MergePreferred::of("merge_preferred(other, 0)", both, prefetch)
    }

    /// Items of this publisher and another, as they come, by turns as long as their weights. See
    /// [`MergePrioritized`].
    #[doc(alias = "mergePrioritized", alias = "select_with_strategy")]
    #[track_caller]
    fn merge_prioritized<Q>(
        self,
        other: Q,
        weights: [u32; 2],
        prefetch: usize,
    ) -> MergePrioritized<Same<Self, Q>>
    where
        Q: Publisher<Item = Self::Item, Error = Self::Error>,
    {
        let [this, that] = weights;
        let sources = [(Same::First(self), this), (Same::Second(other), that)];
        MergePrioritized::of("merge_prioritized(other, weights, 0)", sources, prefetch)
    }

    /// Items of this publisher and another, both in order, in order. See [`MergeSorted`].
    #[doc(alias = "mergeComparing", alias = "mergeSorted", alias = "kmerge_by")]
    #[track_caller]
    fn merge_sorted<Q, F>(
        self,
        other: Q,
        prefetch: usize,
        compare: F,
    ) -> MergeSorted<Same<Self, Q>, F>
    where
        Q: Publisher<Item = Self::Item, Error = Self::Error>,
        F: FnMut(&Self::Item, &Self::Item) -> Ordering + Send + 'static,
    {
        let both = [Same::First(self), Same::Second(other)];
        MergeSorted::of("merge_sorted(other, 0, compare)", both, prefetch, compare)
    }

    /// Each item with one of another publisher. See [`Zip`].
    #[doc(alias = "zipWith")]
    #[track_caller]
    fn zip<Q>(self, other: Q, prefetch: usize) -> Zip<(Self, Q)>
    where
        Q: Publisher<Error = Self::Error>,
    {
        Zip::of("zip(other, 0)", (self, other), prefetch)
    }

    /// Each item with the latest of another publisher. See [`WithLatestFrom`].
    #[doc(alias = "withLatestFrom")]
    #[track_caller]
    fn with_latest_from<Q>(self, other: Q, prefetch: usize) -> WithLatestFrom<Self, Q>
    where
        Q: Publisher<Error = Self::Error, Item: Clone>,
    {
        WithLatestFrom::new(self, other, prefetch)
    }

    // ---- chunk ----------------------------------------------------------------------------

    /// Items in groups of `size`. See [`Chunks`].
    #[doc(alias = "buffer", alias = "grouped")]
    #[track_caller]
    fn chunks(self, size: usize) -> ItemStage<Self, Chunks<Self::Item>> {
        ItemStage::new(self, Chunks::new(size))
    }

    /// Items in groups of `size`, one beginning every `step` items, with gaps between. See
    /// [`ChunksSkip`].
    #[doc(alias = "buffer")]
    #[track_caller]
    fn chunks_skip(self, size: usize, step: usize) -> ItemStage<Self, ChunksSkip<Self::Item>> {
        ItemStage::new(self, ChunksSkip::new(size, step))
    }

    /// Items in groups that cost no more than `max` together. See [`ChunksWeighted`].
    #[doc(alias = "groupedWeighted", alias = "batchWeighted")]
    #[track_caller]
    fn chunks_weighted<F>(
        self,
        max: u64,
        cost: F,
    ) -> ItemStage<Self, Chunked<Self::Item, ChunksWeighted<F>>>
    where
        F: FnMut(&Self::Item) -> u64 + Send + 'static,
    {
        let cut = ChunksWeighted::new(max, cost);
        ItemStage::new(self, Chunked::new(cut.longest(), cut))
    }

    /// Items in groups of `size`, or of fewer when the first has waited for some time. See
    /// [`ChunksTimeout`].
    #[doc(alias = "bufferTimeout", alias = "groupedWithin", alias = "buffer")]
    #[track_caller]
    fn chunks_timeout<X>(
        self,
        time: X,
        prefetch: usize,
        size: usize,
        within: Duration,
    ) -> ChunksTimeout<Self, X>
    where
        X: Executor + Clock,
    {
        ChunksTimeout::new(self, time, prefetch, size, within)
    }

    /// Items in groups that cost no more than `max` together, or less when the first has waited for
    /// some time. See [`ChunksWeightedTimeout`].
    #[doc(alias = "groupedWeightedWithin")]
    #[track_caller]
    fn chunks_weighted_timeout<X, F>(
        self,
        time: X,
        prefetch: usize,
        max: u64,
        within: Duration,
        cost: F,
    ) -> ChunksWeightedTimeout<Self, X, F>
    where
        X: Executor + Clock,
        F: FnMut(&Self::Item) -> u64 + Send + 'static,
    {
        ChunksWeightedTimeout::new(self, time, prefetch, max, within, cost)
    }

    /// Items in aggregates, each complete when the function that adds an item says so, or after the time
    /// that it says. See [`AggregateWithBoundary`].
    #[doc(alias = "aggregateWithBoundary", alias = "session")]
    #[track_caller]
    fn aggregate_with_boundary<X, A, U, N, G, H>(
        self,
        time: X,
        prefetch: usize,
        alloc: N,
        aggregate: G,
        harvest: H,
    ) -> AggregateWithBoundary<Self, X, N, G, H>
    where
        X: Executor + Clock,
        A: Send + 'static,
        U: Send + 'static,
        N: FnMut() -> A + Send + 'static,
        G: FnMut(&mut A, Self::Item) -> Boundary + Send + 'static,
        H: FnMut(A) -> U + Send + 'static,
    {
        AggregateWithBoundary::new(self, time, prefetch, alloc, aggregate, harvest)
    }

    /// Items in groups of up to `max` that end with an item that passes a test. See
    /// [`ChunkUntil`].
    #[doc(alias = "bufferUntil", alias = "splitAfter")]
    #[track_caller]
    fn chunk_until<F>(self, max: usize, f: F) -> ItemStage<Self, Chunked<Self::Item, ChunkUntil<F>>>
    where
        F: FnMut(&Self::Item) -> bool + Send + 'static,
    {
        ItemStage::new(self, Chunked::of("chunk_until(0, f)", max, ChunkUntil::new(f)))
    }

    /// Items in groups of up to `max`; those that fail a test separate them, and are discarded.
    /// See [`ChunkWhile`].
    #[doc(alias = "bufferWhile", alias = "split")]
    #[track_caller]
    fn chunk_while<F>(self, max: usize, f: F) -> ItemStage<Self, Chunked<Self::Item, ChunkWhile<F>>>
    where
        F: FnMut(&Self::Item) -> bool + Send + 'static,
    {
        ItemStage::new(self, Chunked::of("chunk_while(0, f)", max, ChunkWhile::new(f)))
    }

    /// Items in groups of up to `max` neighbours that have the same key. See [`ChunkByKey`].
    #[doc(alias = "bufferUntilChanged", alias = "groupedAdjacentBy", alias = "chunk_by")]
    #[track_caller]
    fn chunk_by_key<K, F>(
        self,
        max: usize,
        f: F,
    ) -> ItemStage<Self, Chunked<Self::Item, ChunkByKey<K, F>>>
    where
        K: PartialEq + Send + 'static,
        F: FnMut(&Self::Item) -> K + Send + 'static,
    {
        ItemStage::new(self, Chunked::of("chunk_by_key(0, f)", max, ChunkByKey::new(f)))
    }

    /// Items in groups of up to `max` that end when another publisher sends an item. See
    /// [`ChunkWhen`].
    #[doc(alias = "buffer", alias = "bufferWhen")]
    #[track_caller]
    fn chunk_when<Q>(self, signal: Q, max: usize) -> ChunkWhen<Self, Q>
    where
        Q: Publisher<Error = Self::Error>,
    {
        ChunkWhen::new(self, signal, max)
    }

    /// The items that are there when they are asked for, up to `max` of them. See [`ReadyChunks`].
    #[doc(alias = "batch")]
    #[track_caller]
    fn ready_chunks(self, max: usize) -> ReadyChunks<Self> {
        ReadyChunks::new(self, max)
    }

    /// Chunks of bytes, cut anew at each `delimiter` into frames of at most `max` bytes. See
    /// [`Delimited`].
    #[doc(alias = "Framing.delimiter", alias = "split", alias = "lines")]
    #[track_caller]
    fn delimited(self, delimiter: u8, max: usize, truncated: Truncated) -> Delimited<Self>
    where
        Self::Item: AsRef<[u8]>,
    {
        Delimited::new(self, delimiter, max, truncated)
    }

    /// Groups of `size` items, one beginning every `step` items. See [`Sliding`].
    #[doc(alias = "buffer", alias = "windows")]
    #[track_caller]
    fn sliding(self, size: usize, step: usize) -> ItemStage<Self, Sliding<Self::Item>>
    where
        Self::Item: Clone,
    {
        ItemStage::new(self, Sliding::new(size, step))
    }

    /// A publisher for each `size` items. See [`Windows`].
    #[doc(alias = "splitAfter")]
    #[track_caller]
    fn window(self, size: usize) -> Windows<Self>
    where
        Self::Error: Clone,
    {
        Windows::new(self, size)
    }

    /// A publisher for each `size` items, one beginning every `step` items: they overlap. See
    /// [`WindowSliding`].
    #[doc(alias = "window", alias = "sliding")]
    #[track_caller]
    fn window_sliding(self, size: usize, step: usize) -> WindowSliding<Self>
    where
        Self::Item: Clone,
        Self::Error: Clone,
    {
        WindowSliding::new(self, size, step)
    }

    /// A publisher for each `size` items, or for fewer when the first came some time ago. See
    /// [`WindowTimeout`].
    #[doc(alias = "windowTimeout", alias = "groupedWithin")]
    #[track_caller]
    fn window_timeout<X>(self, time: X, size: usize, within: Duration) -> WindowTimeout<Self, X>
    where
        Self::Error: Clone,
        X: Executor + Clock,
    {
        WindowTimeout::new(self, time, size, within)
    }

    /// A publisher for each `size` items, one beginning every `step` items, with gaps between. See
    /// [`WindowSkip`].
    #[doc(alias = "window")]
    #[track_caller]
    fn window_skip(self, size: usize, step: usize) -> WindowSkip<Self>
    where
        Self::Error: Clone,
    {
        WindowSkip::new(self, size, step)
    }

    /// A publisher for each stretch of up to `max` items that ends with one that passes a test.
    /// See [`WindowUntil`].
    #[doc(alias = "windowUntil", alias = "splitAfter")]
    #[track_caller]
    fn window_until<F>(self, max: usize, f: F) -> WindowUntil<Self, F>
    where
        F: FnMut(&Self::Item) -> bool + Send + 'static,
        Self::Error: Clone,
    {
        WindowUntil::new(self, max, f)
    }

    /// A publisher for each stretch of up to `max` items that pass a test; the others separate
    /// them, and are discarded. See [`WindowWhile`].
    #[doc(alias = "windowWhile")]
    #[track_caller]
    fn window_while<F>(self, max: usize, f: F) -> WindowWhile<Self, F>
    where
        F: FnMut(&Self::Item) -> bool + Send + 'static,
        Self::Error: Clone,
    {
        WindowWhile::new(self, max, f)
    }

    /// A publisher for each stretch of up to `max` neighbours that have the same key. See
    /// [`WindowByKey`].
    #[doc(alias = "windowUntilChanged", alias = "splitWhen")]
    #[track_caller]
    fn window_by_key<K, F>(self, max: usize, f: F) -> WindowByKey<Self, K, F>
    where
        K: PartialEq + Send + 'static,
        F: FnMut(&Self::Item) -> K + Send + 'static,
        Self::Error: Clone,
    {
        WindowByKey::new(self, max, f)
    }

    // ---- timing ---------------------------------------------------------------------------

    /// An error where an item that is owed does not come in time. See [`Timeout`].
    #[track_caller]
    fn timeout<X>(self, time: X, prefetch: usize, within: Duration) -> Timeout<Self, X>
    where
        X: Executor + Clock,
    {
        Timeout::new(self, time, prefetch, within)
    }

    /// An error where the first item that is owed does not come in time. See [`TimeoutFirst`].
    #[doc(alias = "initialTimeout")]
    #[track_caller]
    fn timeout_first<X>(self, time: X, prefetch: usize, within: Duration) -> TimeoutFirst<Self, X>
    where
        X: Executor + Clock,
    {
        TimeoutFirst::new(self, time, prefetch, within)
    }

    /// Another publisher where an item that is owed does not come in time. See [`TimeoutOr`].
    #[doc(alias = "timeout")]
    #[track_caller]
    fn timeout_or<X, Q>(
        self,
        time: X,
        prefetch: usize,
        within: Duration,
        other: Q,
    ) -> TimeoutOr<Self, X, Q>
    where
        X: Executor + Clock,
        Q: Publisher<Item = Self::Item, Error = Self::Error>,
    {
        TimeoutOr::new(self, time, prefetch, within, other)
    }

    /// An error where no item passes for some time, whoever is slow. See [`IdleTimeout`].
    #[doc(alias = "idleTimeout")]
    #[track_caller]
    fn idle_timeout<X>(self, time: X, prefetch: usize, within: Duration) -> IdleTimeout<Self, X>
    where
        X: Executor + Clock,
    {
        IdleTimeout::new(self, time, prefetch, within)
    }

    /// An error where downstream asks for no item for some time. See [`BackpressureTimeout`].
    #[doc(alias = "backpressureTimeout")]
    #[track_caller]
    fn backpressure_timeout<X>(
        self,
        time: X,
        prefetch: usize,
        within: Duration,
    ) -> BackpressureTimeout<Self, X>
    where
        X: Executor + Clock,
    {
        BackpressureTimeout::new(self, time, prefetch, within)
    }

    /// An error where the stream is not over in time. See [`CompletionTimeout`].
    #[doc(alias = "completionTimeout")]
    #[track_caller]
    fn completion_timeout<X>(
        self,
        time: X,
        prefetch: usize,
        within: Duration,
    ) -> CompletionTimeout<Self, X>
    where
        X: Executor + Clock,
    {
        CompletionTimeout::new(self, time, prefetch, within)
    }

    /// The items of some time, then the end. See [`TakeWithin`].
    #[doc(alias = "takeWithin", alias = "take")]
    #[track_caller]
    fn take_within<X>(self, time: X, prefetch: usize, within: Duration) -> TakeWithin<Self, X>
    where
        X: Executor + Clock,
    {
        TakeWithin::new(self, time, prefetch, within)
    }

    /// An item of one's own where upstream has none for some time. See [`KeepAlive`].
    #[doc(alias = "keepAlive", alias = "heartbeat")]
    #[track_caller]
    fn keep_alive<X, F>(
        self,
        time: X,
        prefetch: usize,
        after: Duration,
        f: F,
    ) -> KeepAlive<Self, X, F>
    where
        X: Executor + Clock,
        F: FnMut() -> Self::Item + Send + 'static,
    {
        KeepAlive::new(self, time, prefetch, after, f)
    }

    /// An item once no other has come for some time. See [`Debounce`].
    #[doc(alias = "sampleTimeout", alias = "throttleWithTimeout")]
    #[track_caller]
    fn debounce<X>(self, time: X, prefetch: usize, quiet: Duration) -> Debounce<Self, X>
    where
        X: Executor + Clock,
    {
        Debounce::new(self, time, prefetch, quiet)
    }

    /// The newest item, at each tick of a clock. See [`Sample`].
    #[doc(alias = "throttleLast", alias = "audit")]
    #[track_caller]
    fn sample<X>(self, time: X, prefetch: usize, period: Duration) -> Sample<Self, X>
    where
        X: Executor + Clock,
    {
        Sample::new(self, time, prefetch, period)
    }

    /// The newest item, whenever another publisher sends one. See [`SampleOn`].
    #[doc(alias = "sample")]
    #[track_caller]
    fn sample_on<Q>(self, signal: Q, prefetch: usize) -> SampleOn<Self, Q>
    where
        Q: Publisher<Error = Self::Error>,
    {
        SampleOn::new(self, signal, prefetch)
    }

    /// An item, and none of those that come in some time after it. See [`ThrottleFirst`].
    #[doc(alias = "throttleFirst", alias = "sampleFirst")]
    #[track_caller]
    fn throttle_first<X>(self, time: X, prefetch: usize, gap: Duration) -> ThrottleFirst<Self, X>
    where
        X: Executor + Clock,
    {
        ThrottleFirst::new(self, time, prefetch, gap)
    }

    /// An item, and then the newest of those that came in some time after it. See
    /// [`ThrottleLatest`].
    #[doc(alias = "throttleLatest")]
    #[track_caller]
    fn throttle_latest<X>(
        self,
        time: X,
        prefetch: usize,
        gap: Duration,
        trailing: Trailing,
    ) -> ThrottleLatest<Self, X>
    where
        X: Executor + Clock,
    {
        ThrottleLatest::new(self, time, prefetch, gap, trailing)
    }

    /// All items some time later, no more than `capacity` of them on their way. See [`Delay`].
    #[doc(alias = "delaySequence")]
    #[track_caller]
    fn delay<X>(self, time: X, capacity: usize, by: Duration) -> Delay<Self, X>
    where
        X: Executor + Clock,
    {
        Delay::new(self, time, capacity, by)
    }

    /// Each item some time after it was there, one after another. See [`DelayEach`].
    #[doc(alias = "delayElements", alias = "spaced")]
    #[track_caller]
    fn delay_each<X>(self, time: X, prefetch: usize, gap: Duration) -> DelayEach<Self, X>
    where
        X: Executor + Clock,
    {
        DelayEach::new(self, time, prefetch, gap)
    }

    /// Upstream is subscribed to some time later. See [`DelaySubscription`].
    #[doc(alias = "delaySubscription", alias = "initialDelay")]
    #[track_caller]
    fn delay_subscription<X>(
        self,
        time: X,
        prefetch: usize,
        by: Duration,
    ) -> DelaySubscription<Self, X>
    where
        X: Executor + Clock,
    {
        DelaySubscription::new(self, time, prefetch, by)
    }

    /// Upstream is subscribed to when another publisher says so. See [`DelaySubscriptionUntil`].
    #[doc(alias = "delaySubscription")]
    #[track_caller]
    fn delay_subscription_until<Q>(
        self,
        signal: Q,
        prefetch: usize,
    ) -> DelaySubscriptionUntil<Self, Q>
    where
        Q: Publisher<Error = Self::Error>,
    {
        DelaySubscriptionUntil::new(self, signal, prefetch)
    }

    /// Items no faster than a rate, and none is lost. See [`Throttle`].
    #[doc(alias = "delayElements", alias = "shape", alias = "pace")]
    #[track_caller]
    fn throttle<X>(self, time: X, prefetch: usize, rate: Rate) -> Throttle<Self, X>
    where
        X: Executor + Clock,
    {
        Throttle::new(self, time, prefetch, rate)
    }

    /// Items no faster than a rate, where a function says what each costs. See
    /// [`ThrottleWeighted`].
    #[doc(alias = "throttle")]
    #[track_caller]
    fn throttle_weighted<X, F>(
        self,
        time: X,
        prefetch: usize,
        rate: Rate,
        cost: F,
    ) -> ThrottleWeighted<Self, X, F>
    where
        X: Executor + Clock,
        F: FnMut(&Self::Item) -> u64 + Send + 'static,
    {
        ThrottleWeighted::new(self, time, prefetch, rate, cost)
    }

    /// An error where items come faster than a rate. See [`ThrottleEnforcing`].
    #[doc(alias = "throttle")]
    #[track_caller]
    fn throttle_enforcing<X>(
        self,
        time: X,
        prefetch: usize,
        rate: Rate,
    ) -> ThrottleEnforcing<Self, X>
    where
        X: Executor + Clock,
    {
        ThrottleEnforcing::new(self, time, prefetch, rate)
    }

    /// Items no faster than a rate that a controller decides, and none is lost. See
    /// [`ThrottleAdaptive`].
    #[doc(alias = "throttle", alias = "backpressure", alias = "PIDRateEstimator")]
    #[track_caller]
    fn throttle_adaptive<X, C>(
        self,
        time: X,
        prefetch: usize,
        controller: C,
    ) -> ThrottleAdaptive<Self, X, C>
    where
        X: Executor + Clock,
        C: Controller,
    {
        ThrottleAdaptive::new(self, time, prefetch, controller)
    }

    /// As [`throttle`](PublisherExt::throttle), with tokens of a bucket that is shared. See
    /// [`RateLimit`].
    #[doc(alias = "throttle", alias = "RateLimiter")]
    #[track_caller]
    fn rate_limit<X>(self, time: X, prefetch: usize, bucket: &TokenBucket) -> RateLimit<Self, X>
    where
        X: Executor + Clock,
    {
        RateLimit::new(self, time, prefetch, bucket)
    }

    /// As [`rate_limit`](PublisherExt::rate_limit), where a function says what an item costs. See
    /// [`RateLimitWeighted`].
    #[doc(alias = "throttle", alias = "RateLimiter")]
    #[track_caller]
    fn rate_limit_weighted<X, F>(
        self,
        time: X,
        prefetch: usize,
        bucket: &TokenBucket,
        cost: F,
    ) -> RateLimitWeighted<Self, X, F>
    where
        X: Executor + Clock,
        F: FnMut(&Self::Item) -> u64 + Send + 'static,
    {
        RateLimitWeighted::new(self, time, prefetch, bucket, cost)
    }

    /// Each item with the time at which it passed, by a clock. See [`Timestamp`].
    #[doc(alias = "timed")]
    fn timestamp<X: Clock>(self, clock: X) -> ItemStage<Self, Timestamp<X>> {
        ItemStage::new(self, Timestamp::new(clock))
    }

    /// Each item with the time since the one before, by a clock; the first with the time since the
    /// subscription. See [`Elapsed`].
    #[doc(alias = "timeInterval", alias = "timed")]
    fn elapsed<X: Clock>(self, clock: X) -> ItemStage<Self, Elapsed<X>> {
        ItemStage::new(self, Elapsed::new(clock))
    }

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

    /// A stream that cannot fail as one that could, beside those that can. See [`Fallible`].
    #[doc(
        alias = "Infallible",
        alias = "err_into",
        alias = "setFailureType",
        alias = "promoteError"
    )]
    fn fallible<G>(self) -> Stage<Self, Fallible<G>>
    where
        Self: Publisher<Error = Infallible>,
        G: Send + 'static,
    {
        Stage::new(self, Fallible::new())
    }

    /// A panic of what is above as an error, which a function makes of it. See [`CatchUnwind`].
    fn catch_unwind<F>(self, f: F) -> CatchUnwind<Self, F>
    where
        F: FnOnce(Panic) -> Self::Error + Send + 'static,
    {
        CatchUnwind::new(self, f)
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

    /// After an error, from the beginning, later each time. See [`RetryBackoff`].
    #[doc(alias = "retryWhen", alias = "backoff", alias = "onFailuresWithBackoff")]
    fn retry_backoff<X, F>(self, time: X, backoff: Backoff, worth: F) -> RetryBackoff<Self, X, F>
    where
        Self: Clone,
        X: Executor + Clock + Clone,
        F: FnMut(&Self::Error) -> bool + Send + 'static,
    {
        RetryBackoff::new(self, time, backoff, worth)
    }

    /// Each item through a future, one at a time, and again where that fails, later each time. See
    /// [`RetryItem`].
    #[doc(alias = "RetryFlow", alias = "withBackoff")]
    #[track_caller]
    fn retry_item<X, W, Fut, U, G, F, How>(
        self,
        time: X,
        backoff: Backoff,
        worth: W,
        f: F,
    ) -> RetryItem<Self, X, W, F, How>
    where
        X: Executor + Clock + Clone,
        W: FnMut(&G) -> bool + Send + 'static,
        F: FnMut(&Self::Item) -> Fut + Send + 'static,
        Fut: Future<Output = Result<U, G>> + Send + 'static,
        U: Send + 'static,
        G: FromUpstream<Self::Error, How> + Send + 'static,
    {
        RetryItem::new(self, time, backoff, worth, f)
    }

    /// After an error, from the beginning, as much later as a function says. See [`RetryAfter`].
    #[doc(alias = "retryWhen")]
    fn retry_after<X, F>(self, time: X, f: F) -> RetryAfter<Self, X, F>
    where
        Self: Clone,
        X: Executor + Clock + Clone,
        F: FnMut(FailedAttempt<'_, Self::Error>) -> Option<Duration> + Send + 'static,
    {
        RetryAfter::new(self, time, f)
    }

    /// After an error, from the beginning, when another publisher says so. See [`RetryWhen`].
    #[doc(alias = "retryWhen")]
    fn retry_when<C, F>(self, f: F) -> RetryWhen<Self, F>
    where
        Self: Clone,
        C: Publisher<Error = Self::Error>,
        F: FnMut(&Self::Error) -> Option<C> + Send + 'static,
    {
        RetryWhen::new(self, f)
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

    /// After completion, from the beginning, when another publisher says so. See [`RepeatWhen`].
    #[doc(alias = "repeatWhen")]
    fn repeat_when<C, F>(self, f: F) -> RepeatWhen<Self, F>
    where
        Self: Clone,
        C: Publisher<Error = Self::Error>,
        F: FnMut() -> Option<C> + Send + 'static,
    {
        RepeatWhen::new(self, f)
    }

    /// What is right of items that are results; a function is given what is not. See [`SkipErrors`].
    #[doc(alias = "onErrorContinue", alias = "Supervision.Resume", alias = "resumingDecider")]
    fn skip_errors<T, X, F>(self, on_error: F) -> ItemStage<Self, SkipErrors<F>>
    where
        Self: Publisher<Item = Result<T, X>>,
        T: Send + 'static,
        X: Send + 'static,
        F: FnMut(X) + Send + 'static,
    {
        ItemStage::new(self, SkipErrors::new(on_error))
    }

    // ---- boundary -------------------------------------------------------------------------

    /// What follows runs on an executor, behind a bounded queue. See [`PublishOn`].
    #[doc(alias = "observe_on", alias = "observeOn", alias = "publishOn", alias = "async")]
    #[track_caller]
    fn publish_on<X: Executor>(self, executor: X, capacity: usize) -> PublishOn<Self, X> {
        PublishOn::new(self, executor, capacity)
    }

    /// What comes before is subscribed to and asked on an executor. See [`SubscribeOn`].
    #[doc(alias = "subscribeOn")]
    fn subscribe_on<X: Executor>(self, executor: X) -> SubscribeOn<Self, X> {
        SubscribeOn::new(self, executor)
    }

    /// What comes before and what follows run on tasks of their own. See [`AsyncBoundary`].
    #[doc(alias = "async", alias = "spawn_stage")]
    #[track_caller]
    fn async_boundary<X: Executor + Clone>(
        self,
        executor: X,
        capacity: usize,
    ) -> AsyncBoundary<Self, X> {
        AsyncBoundary::new(self, executor, capacity)
    }

    /// Upstream is asked before downstream asks, into a bounded queue. See [`Prefetch`].
    #[doc(alias = "rebatchRequests", alias = "limitRate", alias = "buffer")]
    #[track_caller]
    fn prefetch(self, capacity: usize) -> Prefetch<Self> {
        Prefetch::new(self, capacity)
    }

    /// Upstream is asked ahead, for as many items as downstream turns out to need. See
    /// [`AdaptivePrefetch`].
    #[doc(alias = "rebatchRequests", alias = "buffer")]
    #[track_caller]
    fn adaptive_prefetch(self, min: usize, max: usize) -> AdaptivePrefetch<Self> {
        AdaptivePrefetch::new(self, min, max)
    }

    // ---- overflow -------------------------------------------------------------------------

    /// A bounded queue, and what becomes of an item for which it has no room. See
    /// [`BufferedQueue`].
    #[doc(alias = "onBackpressureBuffer", alias = "buffer")]
    #[track_caller]
    fn buffered_queue(
        self,
        capacity: usize,
        policy: impl Into<WhenFull<Self::Item, Self::Error>>,
    ) -> BufferedQueue<Self, Self::Item, Self::Error> {
        BufferedQueue::new(self, capacity, policy.into())
    }

    /// The newest item, where downstream is slower. See [`Latest`].
    #[doc(alias = "onBackpressureLatest", alias = "conflate")]
    #[track_caller]
    fn latest(self) -> Latest<Self> {
        Latest::new(self)
    }

    /// Items that come while downstream asks for none are dropped. See [`DropUnwanted`].
    #[doc(alias = "onBackpressureDrop", alias = "dropNew")]
    fn drop_unwanted<F>(self, on_drop: F) -> DropUnwanted<Self, F>
    where
        F: FnMut(Self::Item) + Send + 'static,
    {
        DropUnwanted::new(self, on_drop)
    }

    /// An item that comes while downstream asks for none is an error. See [`ErrorOnOverflow`].
    #[doc(alias = "onBackpressureError")]
    fn error_on_overflow<G, F, How>(self, error: F) -> ErrorOnOverflow<Self, F, How>
    where
        G: FromUpstream<Self::Error, How> + Send + 'static,
        F: FnMut(Self::Item) -> G + Send + 'static,
        How: 'static,
    {
        ErrorOnOverflow::new(self, error)
    }

    /// Items that come while downstream asks for nothing become one. See [`Conflate`].
    #[doc(alias = "onBackpressureReduce")]
    #[track_caller]
    fn conflate<F>(self, f: F) -> Conflate<Self, F>
    where
        F: FnMut(Self::Item, Self::Item) -> Self::Item + Send + 'static,
    {
        Conflate::new(self, f)
    }

    /// What comes while downstream asks for nothing becomes one item. See [`ConflateWith`].
    #[doc(alias = "conflateWithSeed", alias = "onBackpressureReduce")]
    #[track_caller]
    fn conflate_with<A, C, F>(self, seed: C, f: F) -> ConflateWith<Self, C, F>
    where
        A: Send + 'static,
        C: FnMut(Self::Item) -> A + Send + 'static,
        F: FnMut(A, Self::Item) -> A + Send + 'static,
    {
        ConflateWith::new(self, seed, f)
    }

    /// As `conflate_with`, up to `max` items, and then upstream waits. See [`Batch`].
    #[track_caller]
    fn batch<A, C, F>(self, max: usize, seed: C, f: F) -> Batch<Self, C, F>
    where
        A: Send + 'static,
        C: FnMut(Self::Item) -> A + Send + 'static,
        F: FnMut(A, Self::Item) -> A + Send + 'static,
    {
        Batch::new(self, max, seed, f)
    }

    /// As `conflate_with`, up to a weight, and then upstream waits. See [`BatchWeighted`].
    #[doc(alias = "batchWeighted")]
    #[track_caller]
    fn batch_weighted<A, W, C, F>(
        self,
        max: u64,
        cost: W,
        seed: C,
        f: F,
    ) -> BatchWeighted<Self, W, C, F>
    where
        A: Send + 'static,
        W: FnMut(&Self::Item) -> u64 + Send + 'static,
        C: FnMut(Self::Item) -> A + Send + 'static,
        F: FnMut(A, Self::Item) -> A + Send + 'static,
    {
        BatchWeighted::new(self, max, cost, seed, f)
    }

    /// Items made of the last one, where downstream is faster. See [`ExpandLast`].
    #[doc(alias = "expand", alias = "extrapolate")]
    #[track_caller]
    fn expand_last<I, F>(self, f: F) -> ExpandLast<Self, F>
    where
        I: IntoIterator<Item = Self::Item, IntoIter: Send + 'static>,
        F: FnMut(&Self::Item) -> I + Send + 'static,
    {
        ExpandLast::new(self, f)
    }

    /// Upstream works on the next item while downstream has one. See [`Detach`].
    #[track_caller]
    fn detach(self) -> Detach<Self> {
        Detach::new(self)
    }

    /// A function says how much of what downstream asks for goes upstream at a time. See
    /// [`CapDemand`].
    #[doc(alias = "capDemandsUsing", alias = "capDemandsTo")]
    fn cap_demand<F>(self, cap: F) -> ItemStage<Self, CapDemand<F>>
    where
        F: FnMut(Demand) -> NonZeroU64 + Send + 'static,
    {
        ItemStage::new(self, CapDemand::new(cap))
    }

    /// Stopped and started from outside, by a [`Valve`]; asked for `ahead` items at a time at most.
    /// See [`Pausable`].
    #[doc(alias = "pauseDemand", alias = "valve")]
    #[track_caller]
    fn pausable(self, valve: &Valve, ahead: usize) -> Pausable<Self> {
        Pausable::new(self, valve.clone(), ahead)
    }

    // ---- ack ------------------------------------------------------------------------------

    /// Each item in an envelope that is to be acknowledged, at most `window` of them open at a time;
    /// what is done with what is acknowledged is said next. See [`Acking`].
    #[doc(
        alias = "committableSource",
        alias = "SourceWithContext",
        alias = "ReceiverOffset",
        alias = "manualAck"
    )]
    #[track_caller]
    fn acked<K, F>(self, window: usize, tag: F) -> Acking<Self, F>
    where
        F: FnMut(&Self::Item) -> K + Send + 'static,
        K: Send + 'static,
    {
        Acking::new(self, window, tag)
    }

    // ---- fan_out --------------------------------------------------------------------------

    /// Each item to each of `K` publishers. See [`Broadcast`].
    #[doc(alias = "fanout", alias = "tee", alias = "publish")]
    #[track_caller]
    fn broadcast<const K: usize>(self, capacity: usize) -> [Broadcast<Self::Item, Self::Error>; K]
    where
        Self::Item: Clone,
        Self::Error: Clone,
    {
        Broadcast::all(self, capacity)
    }

    /// A publisher for each key, of its items. See [`GroupBy`].
    #[doc(alias = "groupBy", alias = "into_group_map", alias = "chunk_by")]
    #[track_caller]
    fn group_by<K, F>(
        self,
        max_groups: usize,
        capacity: usize,
        stalled: Stalled,
        key: F,
    ) -> GroupBy<Self, F>
    where
        Self::Error: Clone,
        K: Hash + Eq + Clone + Send + 'static,
        F: FnMut(&Self::Item) -> K + Send + 'static,
    {
        GroupBy::new(self, max_groups, capacity, stalled, key)
    }

    /// Each item to the one of `K` publishers that a function names. See [`Partition`].
    #[doc(alias = "Partition", alias = "divertTo", alias = "unzip", alias = "split")]
    #[track_caller]
    fn partition<const K: usize, F>(
        self,
        capacity: usize,
        f: F,
    ) -> [Partition<Self::Item, Self::Error>; K]
    where
        Self::Error: Clone,
        F: FnMut(&Self::Item) -> usize + Send + 'static,
    {
        Partition::all(self, capacity, f)
    }

    /// Each item to one of `K` publishers that wants one. See [`Balance`].
    #[doc(alias = "Balance", alias = "parallel")]
    #[track_caller]
    fn balance<const K: usize>(self) -> [Balance<Self::Item, Self::Error>; K]
    where
        Self::Error: Clone,
    {
        Balance::all(self)
    }

    /// A stream on the side that is sent each item, and is waited for. See [`AlsoTo`].
    #[doc(alias = "alsoTo", alias = "fanout", alias = "tee")]
    #[track_caller]
    fn also_to<F>(self, capacity: usize, side: F) -> AlsoTo<Self, F>
    where
        Self::Item: Clone,
        Self::Error: Clone,
        F: FnOnce(Side<Self::Item, Self::Error>) + Send + 'static,
    {
        AlsoTo::new(self, capacity, side)
    }

    /// A stream on the side that sees each item, and is never waited for. See [`WireTap`].
    #[doc(alias = "wireTap", alias = "tap", alias = "doOnNext")]
    #[track_caller]
    fn wire_tap<F>(self, side: F) -> Stage<Self, WireTap<Self::Item, Self::Error, F>>
    where
        Self::Item: Clone,
        Self::Error: Clone,
        F: FnOnce(Emissions<Self::Item, Self::Error>) + Send + 'static,
    {
        Stage::new(self, WireTap::new(side))
    }

    /// One stream for all who are there, which runs again when there is somebody again. See
    /// [`Share`].
    #[doc(alias = "refCount", alias = "BroadcastHub", alias = "multicast")]
    #[track_caller]
    fn share(self, capacity: usize) -> Share<Self>
    where
        Self: Clone,
        Self::Item: Clone,
        Self::Error: Clone,
    {
        Share::again(self, capacity)
    }

    /// One stream for many who come and go: a builder that says how. See [`Publish`].
    #[doc(
        alias = "multicast",
        alias = "refCount",
        alias = "autoConnect",
        alias = "connectable",
        alias = "BroadcastHub",
        alias = "latest",
        alias = "watch"
    )]
    #[track_caller]
    fn publish(self, capacity: usize) -> Publish<Self> {
        Publish::new("publish", self, capacity)
    }

    /// One stream for all who come, the last `items` items first for who comes late. See
    /// [`Replay`].
    #[doc(alias = "cache")]
    #[track_caller]
    fn replay(self, items: usize, capacity: usize) -> Replay<Self>
    where
        Self::Item: Clone + Sync,
        Self::Error: Clone + Sync,
    {
        Publish::new("replay", self, capacity).replay(items).auto_connect(1)
    }

    // ---- effect ---------------------------------------------------------------------------

    /// A look at each item. See [`Inspect`].
    #[doc(alias = "doOnNext", alias = "wireTap", alias = "tap")]
    fn inspect<F>(self, f: F) -> ItemStage<Self, Inspect<F>>
    where
        F: FnMut(&Self::Item) + Send + 'static,
    {
        ItemStage::new(self, Inspect::new(f))
    }

    /// A look at the first item. See [`InspectFirst`].
    #[doc(alias = "doOnFirst")]
    fn inspect_first<F>(self, f: F) -> ItemStage<Self, InspectFirst<F>>
    where
        F: FnMut(&Self::Item) + Send + 'static,
    {
        ItemStage::new(self, InspectFirst::new(f))
    }

    /// A look at the error. See [`InspectErr`].
    #[doc(alias = "doOnError")]
    fn inspect_err<F>(self, f: F) -> Stage<Self, InspectErr<F>>
    where
        F: FnMut(&Self::Error) + Send + 'static,
    {
        Stage::new(self, InspectErr::new(f))
    }

    /// A call at completion. See [`InspectComplete`].
    #[doc(alias = "doOnComplete")]
    fn inspect_complete<F>(self, f: F) -> ItemStage<Self, InspectComplete<F>>
    where
        F: FnMut() + Send + 'static,
    {
        ItemStage::new(self, InspectComplete::new(f))
    }

    /// A look at completion or the error. See [`InspectEnd`].
    #[doc(alias = "doOnTerminate")]
    fn inspect_end<F>(self, f: F) -> Stage<Self, InspectEnd<F>>
    where
        F: FnMut(Result<(), &Self::Error>) + Send + 'static,
    {
        Stage::new(self, InspectEnd::new(f))
    }

    /// A call when downstream cancels, with the reason. See [`InspectCancel`].
    #[doc(alias = "doOnCancel")]
    #[doc(alias = "onDownstreamFinish")]
    fn inspect_cancel<F>(self, f: F) -> Stage<Self, InspectCancel<F>>
    where
        F: FnMut(Cause) + Send + 'static,
    {
        Stage::new(self, InspectCancel::new(f))
    }

    /// A look at the demand that goes upstream. See [`InspectRequest`].
    #[doc(alias = "doOnRequest")]
    fn inspect_request<F>(self, f: F) -> ItemStage<Self, InspectRequest<F>>
    where
        F: FnMut(Demand) + Send + 'static,
    {
        ItemStage::new(self, InspectRequest::new(f))
    }

    /// A call when somebody subscribes. See [`InspectSubscribe`].
    #[doc(alias = "doOnSubscribe", alias = "doFirst")]
    fn inspect_subscribe<F>(self, f: F) -> ItemStage<Self, InspectSubscribe<F>>
    where
        F: FnMut() + Send + 'static,
    {
        ItemStage::new(self, InspectSubscribe::new(f))
    }

    /// A future of how the stream ends, beside it. See [`WatchEnd`].
    #[doc(alias = "watchTermination", alias = "doFinally", alias = "JoinHandle")]
    fn watch_end(self) -> (Stage<Self, WatchEnd>, EndWatch) {
        let (step, end) = WatchEnd::new();
        (Stage::new(self, step), end)
    }

    /// A call when all is over, however it ends. See [`Finally`].
    #[doc(alias = "doFinally", alias = "watchTermination")]
    fn finally<F>(self, f: F) -> Stage<Self, Finally<F>>
    where
        F: FnOnce(FinallyReason) + Send + 'static,
    {
        Stage::new(self, Finally::new(f))
    }

    /// Hands over the items of a type that stages above take and never deliver. See [`OnDiscard`].
    #[doc(alias = "doOnDiscard")]
    fn on_discard<D, F>(self, f: F) -> ItemStage<Self, OnDiscard<D, F>>
    where
        D: 'static,
        F: Fn(D) + Send + Sync + 'static,
    {
        ItemStage::new(self, OnDiscard::new(f))
    }

    /// A name for the stages above, told where one of them panics. See [`Named`].
    #[doc(alias = "name")]
    fn named(self, name: impl Into<Cow<'static, str>>) -> ItemStage<Self, Named> {
        ItemStage::new(self, Named::new(name.into()))
    }

    /// A key and a value for the nearest boundary above, told to whoever looks. See [`Tag`].
    #[doc(alias = "tags", alias = "Attributes")]
    fn tag(
        self,
        key: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
    ) -> ItemStage<Self, Tag> {
        ItemStage::new(self, Tag::new(key.into(), value.into()))
    }

    /// The boundaries above are listed on a board, for whoever wants to look at the running
    /// pipeline. See [`Observed`].
    #[doc(alias = "metrics", alias = "monitor", alias = "scan", alias = "snapshot")]
    fn observed(self, board: &Board) -> ItemStage<Self, Observed> {
        ItemStage::new(self, Observed::new(board))
    }

    /// An error says that it passed here. See [`Checkpoint`].
    #[track_caller]
    fn checkpoint(self, description: impl Into<Cow<'static, str>>) -> Stage<Self, Checkpoint> {
        Stage::new(self, Checkpoint::new(description.into(), Location::caller()))
    }

    /// All signals as events of `tracing`. See [`Log`].
    #[cfg(feature = "tracing")]
    fn log(self, name: impl Into<Cow<'static, str>>) -> Stage<Self, Log>
    where
        Self::Item: std::fmt::Debug,
        Self::Error: std::fmt::Debug,
    {
        Stage::new(self, Log::new(name.into()))
    }

    // ---- lifecycle ------------------------------------------------------------------------

    /// A switch of its own, which ends the stream from outside. See [`KillSwitch`].
    #[doc(
        alias = "KillSwitches.single",
        alias = "Abortable",
        alias = "Disposable",
        alias = "takeUntilOther"
    )]
    fn kill_switch(self) -> (StoppedBy<Self, Self::Error>, KillSwitch<Self::Error>) {
        let switch = KillSwitch::new();
        (StoppedBy::new(self, switch.clone()), switch)
    }

    /// Items until a switch is thrown, which other streams may share. See [`StoppedBy`].
    #[doc(
        alias = "KillSwitches.shared",
        alias = "CancellationToken",
        alias = "viaMat",
        alias = "takeUntil"
    )]
    fn stopped_by(self, switch: &KillSwitch<Self::Error>) -> StoppedBy<Self, Self::Error> {
        StoppedBy::new(self, switch.clone())
    }

    /// Where a drain stops the stream, and counts what comes in. See [`ReceivedBy`].
    #[doc(alias = "DrainingControl", alias = "TaskTracker")]
    fn received_by(self, drain: &DrainHandle) -> ReceivedBy<Self> {
        ReceivedBy::new(self, drain.clone())
    }

    /// Where a drain counts what comes out, and breaks off what does not in time. See
    /// [`DeliveredBy`].
    #[doc(alias = "DrainingControl")]
    fn delivered_by(self, drain: &DrainHandle) -> DeliveredBy<Self> {
        DeliveredBy::new(self, drain.clone())
    }

    // ---- end ------------------------------------------------------------------------------

    /// All items in a collection. See [`Collect`].
    #[doc(alias = "collectList", alias = "toList", alias = "Sink.seq")]
    fn collect<C>(self) -> Run<Self, Collect<C>>
    where
        C: Default + Extend<Self::Item> + Send + 'static,
    {
        Run::new(self, Collect::default())
    }

    /// All items in a collection, of at most `k`. See [`CollectMax`].
    fn collect_max<C>(self, k: u64) -> Run<Self, CollectMax<C>>
    where
        C: Default + Extend<Self::Item> + Send + 'static,
    {
        Run::new(self, CollectMax::new(k))
    }

    /// All items folded into one value. See [`Fold`].
    #[doc(alias = "aggregate", alias = "reduce")]
    fn fold<A, F>(self, seed: A, f: F) -> Run<Self, Fold<A, F>>
    where
        A: Send + 'static,
        F: FnMut(A, Self::Item) -> A + Send + 'static,
    {
        Run::new(self, Fold::new(seed, f))
    }

    /// All items folded into one value, up to the first failure. See [`TryFold`].
    fn try_fold<A, F>(self, seed: A, f: F) -> Run<Self, TryFold<A, Self::Error, F>>
    where
        A: Send + 'static,
        F: FnMut(A, Self::Item) -> Result<A, Self::Error> + Send + 'static,
    {
        Run::new(self, TryFold::new(seed, f))
    }

    /// All items folded into one, beginning with the first. See [`Reduce`].
    fn reduce<F>(self, f: F) -> Run<Self, Reduce<Self::Item, F>>
    where
        F: FnMut(Self::Item, Self::Item) -> Self::Item + Send + 'static,
    {
        Run::new(self, Reduce::new(f))
    }

    /// A function for each item. See [`ForEach`].
    #[doc(alias = "forEach", alias = "subscribe", alias = "Sink.foreach")]
    fn for_each<F>(self, f: F) -> Run<Self, ForEach<F>>
    where
        F: FnMut(Self::Item) + Send + 'static,
    {
        Run::new(self, ForEach::new(f))
    }

    /// A function for each item, up to its first failure. See [`TryForEach`].
    fn try_for_each<F>(self, f: F) -> Run<Self, TryForEach<Self::Error, F>>
    where
        F: FnMut(Self::Item) -> Result<(), Self::Error> + Send + 'static,
    {
        Run::new(self, TryForEach::new(f))
    }

    /// An asynchronous function for each item, `limit` at a time. See [`ForEachConcurrent`].
    #[doc(alias = "for_each_async", alias = "flatMapCompletable", alias = "foreachAsync")]
    #[track_caller]
    fn for_each_concurrent<X, Fut, F>(
        self,
        executor: X,
        limit: usize,
        f: F,
    ) -> Run<ForEachConcurrent<Self, X, F>, Drain>
    where
        X: Executor,
        F: FnMut(Self::Item) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Run::new(ForEachConcurrent::new(self, executor, limit, f), Drain::default())
    }

    /// An asynchronous function that can fail for each item, `limit` at a time, up to its first
    /// failure. See [`TryForEachConcurrent`].
    #[doc(alias = "try_for_each_async", alias = "flatMapCompletable")]
    #[track_caller]
    fn try_for_each_concurrent<X, Fut, G, F, How>(
        self,
        executor: X,
        limit: usize,
        f: F,
    ) -> Run<TryForEachConcurrent<Self, X, F, How>, Drain>
    where
        X: Executor,
        F: FnMut(Self::Item) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), G>> + Send + 'static,
        G: FromUpstream<Self::Error, How> + Send + 'static,
        How: 'static,
    {
        Run::new(TryForEachConcurrent::new(self, executor, limit, f), Drain::default())
    }

    /// All items dropped, to run the stream to its end. See [`Drain`].
    #[doc(alias = "then", alias = "ignoreElements", alias = "Sink.ignore")]
    fn drain(self) -> Run<Self, Drain> {
        Run::new(self, Drain::default())
    }

    /// How many items there are. See [`Count`].
    #[doc(alias = "Sink.count")]
    fn count(self) -> Run<Self, Count> {
        Run::new(self, Count::default())
    }

    /// Whether all items pass a test. See [`All`].
    #[doc(alias = "forall")]
    fn all<F>(self, f: F) -> Run<Self, All<F>>
    where
        F: FnMut(Self::Item) -> bool + Send + 'static,
    {
        Run::new(self, All::new(f))
    }

    /// Whether an item passes a test. See [`Any`].
    #[doc(alias = "exists")]
    fn any<F>(self, f: F) -> Run<Self, Any<F>>
    where
        F: FnMut(Self::Item) -> bool + Send + 'static,
    {
        Run::new(self, Any::new(f))
    }

    /// The smallest item. See [`Min`].
    fn min(self) -> Run<Self, Min<Self::Item>>
    where
        Self::Item: Ord,
    {
        Run::new(self, Min::new())
    }

    /// The greatest item. See [`Max`].
    fn max(self) -> Run<Self, Max<Self::Item>>
    where
        Self::Item: Ord,
    {
        Run::new(self, Max::new())
    }

    /// The last item. See [`Last`].
    #[doc(alias = "Sink.last", alias = "takeLast")]
    fn last(self) -> Run<Self, Last<Self::Item>> {
        Run::new(self, Last::new())
    }

    /// The first item; asks for one. See [`First`].
    #[doc(alias = "Sink.head", alias = "next", alias = "firstElement")]
    fn first(self) -> Run<Self, First<Self::Item>> {
        Run::new(self, First::new())
    }

    /// The item with number `i`, from zero on; asks for `i + 1`. See [`Nth`].
    #[doc(alias = "elementAt")]
    fn nth(self, i: u64) -> Run<Self, Nth<Self::Item>> {
        Run::new(self, Nth::new(i))
    }

    /// The item of a stream that has exactly one. See [`Single`].
    fn single(self) -> Run<Self, Single<Self::Item>> {
        Run::new(self, Single::new())
    }

    /// The item of a stream that has at most one. See [`SingleOrNone`].
    #[doc(alias = "singleOrEmpty")]
    fn single_or_none(self) -> Run<Self, SingleOrNone<Self::Item>> {
        Run::new(self, SingleOrNone::new())
    }

    /// Whether there is no item; asks for one. See [`IsEmpty`].
    #[doc(alias = "hasElements")]
    #[expect(clippy::wrong_self_convention, reason = "an end uses its publisher up")]
    fn is_empty(self) -> Run<Self, IsEmpty> {
        Run::new(self, IsEmpty::default())
    }

    /// Whether another publisher has the same items, by a function. See [`SequenceEqual`].
    #[doc(alias = "sequenceEqual", alias = "eq", alias = "eq_by")]
    #[track_caller]
    fn sequence_equal<Q, F>(
        self,
        other: Q,
        prefetch: usize,
        same: F,
    ) -> Run<SequenceEqual<Self, Q, F>, Answer>
    where
        Q: Publisher<Error = Self::Error>,
        F: FnMut(&Self::Item, &Q::Item) -> bool + Send + 'static,
    {
        Run::new(SequenceEqual::new(self, other, prefetch, same), Answer::default())
    }

    /// The items one by one, with `next().await`. See [`Cursor`].
    #[doc(alias = "Sink.queue", alias = "toIterable")]
    fn cursor(self) -> Cursor<Self> {
        Cursor::new(self)
    }

    /// The items as an iterator, whose thread waits for them. See [`BlockingIter`].
    #[doc(alias = "toIterable", alias = "blockingIterable", alias = "into_iter_blocking")]
    #[doc(alias = "StreamConverters.asJavaStream")]
    #[track_caller]
    fn blocking_iter(self, prefetch: usize) -> BlockingIter<Self> {
        BlockingIter::new(self, prefetch)
    }

    /// Functions for items, error and completion, with a demand that must be named. See
    /// [`SubscribeWith`].
    #[doc(alias = "subscribe", alias = "BaseSubscriber", alias = "to_subscriber")]
    fn subscribe_with<F, G, H>(self, next: F, error: G, complete: H) -> SubscribeWith<Self, F, G, H>
    where
        F: FnMut(Self::Item) + Send + 'static,
        G: FnOnce(Self::Error) + Send + 'static,
        H: FnOnce() + Send + 'static,
    {
        SubscribeWith::new(self, next, error, complete)
    }

    // ---- edge -----------------------------------------------------------------------------

    /// The items into an asynchronous target of your own. See [`IntoTarget`].
    #[doc(alias = "to", alias = "runWith", alias = "Sink.foreachAsync")]
    #[track_caller]
    fn into_target<A: AsyncTarget<Self::Item>>(self, target: A) -> IntoTarget<Self, A> {
        Delivery::new("into_target", self, target)
    }

    /// The items as a `futures::Stream`; `capacity` of them are fetched ahead. See [`IntoStream`].
    #[cfg(feature = "futures")]
    #[doc(alias = "toStream", alias = "asPublisher", alias = "blockingStream")]
    #[track_caller]
    fn into_stream(self, capacity: usize) -> IntoStream<Self::Item, Self::Error> {
        IntoStream::new(self, capacity)
    }

    /// The items into a `futures::Sink`, as fast as it is ready. See [`Forward`].
    #[cfg(feature = "futures")]
    #[doc(alias = "to", alias = "send_all", alias = "Sink")]
    #[track_caller]
    fn forward<Si>(self, sink: Si) -> Forward<Self, Si>
    where
        Si: futures_sink::Sink<Self::Item, Error: Send + 'static> + Send + 'static,
    {
        Delivery::new("forward", self, SinkTarget::new(sink))
    }

    /// Chunks of bytes into an asynchronous writer. See [`WriteTo`].
    #[cfg(feature = "futures")]
    #[doc(alias = "copy", alias = "FileIO.toPath")]
    #[track_caller]
    fn write_to<W>(self, writer: W) -> WriteTo<Self, W>
    where
        Self: Publisher<Item: AsRef<[u8]>>,
        W: futures_io::AsyncWrite + Send + 'static,
    {
        Delivery::new("write_to", self, WriteTarget::new(writer))
    }

    /// Chunks of bytes into an asynchronous writer of tokio. See [`WriteToTokio`].
    #[cfg(feature = "tokio")]
    #[doc(alias = "copy", alias = "FileIO.toPath")]
    #[track_caller]
    fn write_to_tokio<W>(self, writer: W) -> WriteToTokio<Self, W>
    where
        Self: Publisher<Item: AsRef<[u8]>>,
        W: tokio::io::AsyncWrite + Send + 'static,
    {
        Delivery::new("write_to_tokio", self, TokioWriteTarget::new(writer))
    }

    /// The items into a channel, as it has room. See [`SendTo`].
    #[doc(alias = "mpsc", alias = "Sink.queue", alias = "MergeHub")]
    #[track_caller]
    fn send_to<S: IntoAsyncTarget<Self::Item>>(self, sender: S) -> SendTo<Self, S> {
        Delivery::new("send_to", self, sender.into_async_target())
    }

    // ---- box ------------------------------------------------------------------------------

    /// This publisher behind a pointer. See [`BoxPublisher`].
    fn boxed(self) -> BoxPublisher<Self::Item, Self::Error> {
        BoxPublisher::new(self)
    }

    /// This publisher behind a pointer, as one that can be cloned, and shared by threads. See
    /// [`SharedPublisher`].
    #[doc(alias = "boxed_clone_sync")]
    fn boxed_clone(self) -> SharedPublisher<Self::Item, Self::Error>
    where
        Self: Clone + Sync,
    {
        SharedPublisher::new(self)
    }
}

impl<P: Publisher> PublisherExt for P {}
