//! What a case is made of: plain data, which prints as the text of a unit test.

use std::fmt;

use proptest::prelude::*;

/// A pipeline, and what happens to it.
///
/// Its `Debug` is Rust: the body of a test in `regressions.rs`.
#[derive(Clone)]
pub(crate) struct Spec {
    pub(crate) source: Source,
    pub(crate) operators: Vec<Op>,
    pub(crate) demand: Vec<Ask>,
    pub(crate) cancel: Option<Cancel>,
    /// The source fails after so many items.
    pub(crate) error: Option<usize>,
    /// The function of the operator with this index panics at this call, counted from 1.
    pub(crate) panic: Option<(usize, u64)>,
    /// Decides in which order tasks run, and when the subscriber does not wait for them.
    pub(crate) order: u64,
}

/// Where items come from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// `range`: the numbers from 1 on.
    Range(usize),
    /// `from_iter` on a vector, which knows its length.
    Values(Vec<i64>),
    /// `from_iter` on an iterator that does not know its length.
    Unknown(usize),
    FromFn(usize),
    Generate(usize),
    Just(i64),
    Empty,
    /// Several items for one of a source: bursts of the second number.
    Bursts(usize, usize),
    /// A publisher of the testkit, which sends from `request`, and its end with the last item.
    Scripted(usize),
    /// The same on threads of its own.
    Threads(usize),
    /// The one that pulls, behind a pointer.
    Boxed(usize),
}

impl Source {
    pub(crate) fn values(&self) -> Vec<i64> {
        match self {
            Source::Values(values) => values.clone(),
            Source::Just(value) => vec![*value],
            Source::Empty => Vec::new(),
            Source::Range(n)
            | Source::Unknown(n)
            | Source::FromFn(n)
            | Source::Generate(n)
            | Source::Bursts(n, _)
            | Source::Scripted(n)
            | Source::Threads(n)
            | Source::Boxed(n) => (1..=*n as i64).collect(),
        }
    }
}

/// A stage. Numbers are lengths, moduli and thresholds, as the oracle says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Map(i64),
    MapInto,
    /// Fails at an item that this number divides.
    TryMap(i64),
    Filter(i64),
    FilterMap(i64),
    SkipErrors(i64),
    /// Sums, until the sum is beyond this.
    Scan(i64),
    RunningFold(i64),
    Enumerate,
    /// By a clock that goes on whenever it is looked at.
    Timestamp,
    Elapsed,
    Pairwise,
    /// Whether there is a last item.
    StatefulMap(bool),
    MapWithResource(bool),
    Materialize,
    Skip(u64),
    SkipWhile(i64),
    SkipLast(usize),
    StepBy(u64),
    Dedup,
    DedupByKey(i64),
    Unique,
    UniqueBy(i64),
    UniqueWithin(usize),
    IgnoreItems,
    DefaultIfEmpty(i64),
    Take(u64),
    TakeWhile(i64),
    TakeThrough(i64),
    TakeLast(usize),
    Limit(u64),
    LimitWeighted(u64),
    MapWhile(i64),
    /// The low tide, and how much higher the high one is.
    LimitRate(u64, u64),
    Chain(usize),
    ChainFails(usize),
    ChainPushed(usize),
    /// Whether the further publisher fails as well.
    ChainDelayError(usize, bool),
    StartWith(usize),
    SwitchIfEmpty(usize),
    /// Inner publishers that can be pulled, of lengths below this number.
    ConcatMap(i64),
    /// The same with a stage on each.
    ConcatMapStaged(i64),
    /// Inner publishers behind a pointer.
    ConcatMapBoxed(i64),
    /// Inner publishers that send from `request`.
    ConcatMapPushed(i64),
    /// Inner publishers that can be pulled, of which those of such items fail.
    ConcatMapFails(i64),
    /// The same, and all errors at the end.
    ConcatMapDelays(i64),
    ConcatMapIter(i64),
    ChunksFlat(usize),
    ChunksSum(usize),
    /// Chunks of at most so many, cut as the first says by a modulus.
    CutSum(Cutting, usize, i64),
    SlidingFlat(usize, usize),
    SlidingSum(usize, usize),
    MapErr,
    OnErrorReturn(i64),
    OnErrorComplete(bool),
    OnErrorResume(usize),
    CatchUnwind,
    Retry(u64),
    Repeat(u64),
    RepeatWhile(u64),
    Inspect,
    InspectFirst,
    InspectErr,
    InspectComplete,
    InspectEnd,
    InspectCancel,
    InspectRequest,
    InspectSubscribe,
    Finally,
    OnDiscard,
    Named,
    Checkpoint,
    Boxed,
    BoxedClone,
    PublishOn(usize),
    SubscribeOn,
    AsyncBoundary(usize),
    Prefetch(usize),
    /// The least that is asked for ahead, and how much more the most is.
    AdaptivePrefetch(usize, usize),
    /// What is there, and one after another again.
    ReadyFlat(usize),
    BufferedQueue(usize),
    /// What is dropped where downstream is slower: the newest, the oldest, or all.
    Overflows(usize, Drops),
    Latest,
    Detach,
    /// Up to so many at a time, and then each alone again.
    BatchFlat(usize),
    ConflateFlat,
    CapDemand(u64),
    /// Windows of so many, one after another.
    WindowFlat(usize),
    /// Windows cut by a modulus, of at most so many.
    WindowUntilFlat(usize, i64),
    /// Windows of so many, one beginning with each so many items.
    WindowSlidingFlat(usize, usize),
    /// Windows of so many, with gaps of the second number between.
    WindowSkipFlat(usize, usize),
    /// With a further publisher of so many items, on queues of this size.
    Merge(usize, usize),
    /// The same, and whether this publisher goes before the further one.
    MergePreferred(bool, usize, usize),
    /// The same, with the weights of both.
    MergePrioritized([u32; 2], usize, usize),
    /// With a further publisher of so many items, by turns of this size.
    Interleave(usize, usize),
    Zip(usize, usize),
    /// The first that sends wins.
    Race(usize, usize),
    /// Until a task has gone on so many times.
    TakeUntil(usize),
    /// Inner publishers of lengths below this number; at most so many at a time, on queues of
    /// this size.
    FlatMapUnordered(Inner, i64, usize, usize),
    FlatMapUnorderedDelays(Inner, i64, usize, usize),
    FlatMapOrdered(Inner, i64, usize, usize),
    SwitchMap(Inner, i64, usize),
    ExhaustMap(Inner, i64, usize),
    /// Futures that are ready at once, after they woke themselves, or when a task wakes them.
    MapAsync(usize),
    MapAsyncUnordered(usize),
    /// So many permits, each for as long as the future of its item takes, of which there may be so
    /// many at a time.
    Bulkhead(usize, usize),
    /// The same permits for a further publisher of so many items, and both merged.
    BulkheadMerge(usize, usize, usize),
    FilterAsync(i64, usize),
    ScanAsync(i64),
    /// To two, on queues of this size, and together again: each item twice.
    BroadcastMerge(usize),
    /// The same, the two of an item added.
    BroadcastZip(usize),
    /// To two, by whether this number divides an item, and together again.
    PartitionMerge(i64, usize),
    /// To two, whoever wants it, and together again.
    BalanceMerge(usize),
    /// In groups by the remainder of this number, and flat again.
    GroupBy(i64, usize),
    /// By a hub for one.
    Share(usize),
    /// To a side, and together again: each item twice.
    AlsoToMerge(usize),
    /// To a side that takes so many on a task, and whether it may leave after them.
    AlsoTo(u64, bool, usize),
    /// To a side that takes up to so many on a task.
    WireTap(u64, usize),
    /// A `Stream`, and back.
    #[cfg_attr(not(feature = "futures"), allow(dead_code, reason = "with streams only"))]
    ThroughStream(usize),
    /// Over a channel, which a task fills.
    #[cfg_attr(not(feature = "futures"), allow(dead_code, reason = "with streams only"))]
    ThroughChannel(usize),
    /// Something that waits for a time which comes at once, or never: on a queue of this size.
    Timed(Wait, usize),
    /// What takes all and keeps one, for whom time comes or not: on a queue of this size.
    Kept(Keep, Comes, usize),
    /// Aggregates of at most so many, cut by a modulus too, whose time comes or not: on a queue of
    /// this size.
    AggregateFlat(usize, i64, Comes, usize),
    /// The newest, whenever a task has gone on; so many times.
    SampleOn(usize, usize),
    /// Once a task has gone on so many times.
    DelaySubscriptionUntil(usize, usize),
    RetryBackoff(u64),
    RetryAfter(u64),
    RetryWhen(u64),
    /// Attempts that fail as often as this number leaves a remainder, tried again so many times,
    /// and whether there are waits between them.
    RetryItem(i64, u64, bool),
    RepeatWhen(u64),
    /// In envelopes, so many at a time, each acknowledged as it comes out.
    Acked(Acking, usize),
    DropUnwanted,
    /// Asks for so many at a time.
    Pausable(usize),
    ExpandLast,
    /// Stretches of at most so many that pass by a modulus, one after another.
    WindowWhileFlat(usize, i64),
    /// Neighbours of the same key, at most so many, one after another.
    WindowByKeyFlat(usize, i64),
    /// Not of the library: an operator with a fault, to test this test.
    Faulty(Flaw),
}

/// What waits for a time, and changes nothing where it comes at once or never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    // For one that never comes.
    Timeout,
    TimeoutFirst,
    IdleTimeout,
    CompletionTimeout,
    BackpressureTimeout,
    TimeoutOr,
    TakeWithin,
    KeepAlive,
    /// As many as it likes at once.
    ThrottleEnforcing,
    /// Chunks of up to three, and each item alone again.
    ChunksFlat,
    /// The same where the weights of a chunk are no more than this.
    WeightedFlat(u64),
    /// Windows of up to three, one after another.
    WindowFlat,
    /// A switch that nobody throws.
    StoppedBy,
    // For one that comes at once.
    Throttle,
    ThrottleWeighted,
    /// At a rate that is cut again and again.
    ThrottleAdaptive,
    RateLimit,
    RateLimitWeighted,
    Delay,
    DelayEach,
    DelaySubscription,
    /// The clock is read: up to four futures at a time.
    Adaptive,
}

impl Wait {
    /// Whether it holds items in groups, which an error may overtake.
    pub(crate) fn groups(self) -> bool {
        matches!(self, Wait::ChunksFlat | Wait::WeightedFlat(_) | Wait::WindowFlat)
    }

    fn calls(self) -> bool {
        let weighted = matches!(self, Wait::ThrottleWeighted | Wait::RateLimitWeighted);
        self.groups() || weighted || matches!(self, Wait::ThrottleAdaptive | Wait::Adaptive)
    }
}

/// Which item is kept, and when it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    Debounce,
    Sample,
    ThrottleFirst,
    ThrottleLatest,
}

/// Whether the time comes that is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comes {
    AtOnce,
    Never,
}

/// To whom it is told what was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acking {
    InOrder,
    /// On tasks.
    InOrderAsync,
    Each,
    /// On tasks.
    Batches,
}

/// Where chunks are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cutting {
    Until,
    While,
    ByKey,
    Weighted,
    Skip,
}

/// What goes where there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drops {
    Newest,
    Oldest,
    All,
}

/// How an inner publisher sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inner {
    /// It is pulled.
    Pulled,
    /// From `request`, by means of its own.
    Pushed,
    /// On a task, from where it is asked.
    Published,
    /// On the task that asks it.
    Asked,
}

/// What is wrong with [`Op::Faulty`], which claims to be `filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// It does not ask for another item in place of one that it drops.
    DoesNotReplenish,
    /// It loses its third item.
    Loses,
    /// It never drops the items that do not pass.
    Leaks,
    /// It asks upstream for everything, and sends it on.
    Floods,
    /// It keeps all items to the end of the stream.
    Hoards,
}

/// A step of the demand trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Inside `on_subscribe`.
    First(u64),
    /// From outside; these are repeated in a circle until the end.
    Outside(u64),
    /// As the answer to each item. Only the first `Each..` counts.
    Each(u64),
    /// By the subscription, inside each item.
    EachRequest(u64),
    /// As the answer to this item, counted from 1.
    At(u64, u64),
    /// By the subscription, inside this item.
    AtRequest(u64, u64),
}

/// Where the subscriber has enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cancel {
    /// Inside `on_subscribe`.
    AtOnce,
    /// From outside, once so many items came.
    Outside(u64),
    /// By the answer to this item.
    Answer(u64),
    /// By dropping the subscription inside this item.
    Drop(u64),
}

impl Op {
    /// Whether it calls a function for its items, which may panic.
    fn calls(self) -> bool {
        if let Op::Timed(wait, _) = self {
            return wait.calls();
        }
        !matches!(
            self,
            Op::MapInto
                | Op::Materialize
                | Op::Skip(_)
                | Op::SkipLast(_)
                | Op::StepBy(_)
                | Op::Dedup
                | Op::Unique
                | Op::UniqueWithin(_)
                | Op::IgnoreItems
                | Op::DefaultIfEmpty(_)
                | Op::Take(_)
                | Op::TakeLast(_)
                | Op::Limit(_)
                | Op::LimitRate(..)
                | Op::Chain(_)
                | Op::ChainFails(_)
                | Op::ChainPushed(_)
                | Op::ChainDelayError(..)
                | Op::StartWith(_)
                | Op::SwitchIfEmpty(_)
                | Op::OnErrorReturn(_)
                | Op::CatchUnwind
                | Op::Retry(_)
                | Op::Repeat(_)
                | Op::InspectCancel
                | Op::InspectSubscribe
                | Op::Finally
                | Op::OnDiscard
                | Op::Named
                | Op::Checkpoint
                | Op::Boxed
                | Op::BoxedClone
                | Op::PublishOn(_)
                | Op::SubscribeOn
                | Op::AsyncBoundary(_)
                | Op::Prefetch(_)
                | Op::AdaptivePrefetch(..)
                | Op::BufferedQueue(_)
                | Op::Overflows(..)
                | Op::Latest
                | Op::Detach
                | Op::CapDemand(_)
                | Op::Merge(..)
                | Op::MergePreferred(..)
                | Op::MergePrioritized(..)
                | Op::Interleave(..)
                | Op::Race(..)
                | Op::TakeUntil(_)
                | Op::Kept(..)
                | Op::SampleOn(..)
                | Op::DelaySubscriptionUntil(..)
                | Op::DropUnwanted
                | Op::Pausable(_)
                | Op::WindowByKeyFlat(..)
                | Op::BroadcastMerge(_)
                | Op::BalanceMerge(_)
                | Op::AlsoToMerge(_)
                | Op::Share(_)
                | Op::ThroughStream(_)
                | Op::ThroughChannel(_)
                | Op::Faulty(_)
        )
    }

    /// Whether tasks run, or several publishers send, at a time.
    pub(crate) fn is_boundary(self) -> bool {
        matches!(
            self,
            Op::PublishOn(_)
                | Op::SubscribeOn
                | Op::AsyncBoundary(_)
                | Op::Prefetch(_)
                | Op::AdaptivePrefetch(..)
                | Op::ReadyFlat(_)
                | Op::BufferedQueue(_)
                | Op::Overflows(..)
                | Op::Latest
                | Op::Detach
                | Op::BatchFlat(_)
                | Op::ConflateFlat
                | Op::CapDemand(_)
                | Op::WindowFlat(_)
                | Op::WindowUntilFlat(..)
                | Op::WindowSlidingFlat(..)
                | Op::WindowSkipFlat(..)
                | Op::Merge(..)
                | Op::MergePreferred(..)
                | Op::MergePrioritized(..)
                | Op::Interleave(..)
                | Op::Zip(..)
                | Op::Race(..)
                | Op::TakeUntil(_)
                | Op::FlatMapUnordered(..)
                | Op::FlatMapUnorderedDelays(..)
                | Op::FlatMapOrdered(..)
                | Op::SwitchMap(..)
                | Op::ExhaustMap(..)
                | Op::MapAsync(_)
                | Op::MapAsyncUnordered(_)
                | Op::Bulkhead(..)
                | Op::BulkheadMerge(..)
                | Op::FilterAsync(..)
                | Op::ScanAsync(_)
                | Op::BroadcastMerge(_)
                | Op::BroadcastZip(_)
                | Op::PartitionMerge(..)
                | Op::BalanceMerge(_)
                | Op::GroupBy(..)
                | Op::AlsoToMerge(_)
                | Op::AlsoTo(..)
                | Op::WireTap(..)
                | Op::Share(_)
                | Op::ThroughStream(_)
                | Op::ThroughChannel(_)
                | Op::Timed(..)
                | Op::Kept(..)
                | Op::AggregateFlat(..)
                | Op::SampleOn(..)
                | Op::DelaySubscriptionUntil(..)
                | Op::RetryBackoff(_)
                | Op::RetryAfter(_)
                | Op::RetryItem(..)
                | Op::Acked(..)
                | Op::DropUnwanted
                | Op::Pausable(_)
                | Op::ExpandLast
                | Op::WindowWhileFlat(..)
                | Op::WindowByKeyFlat(..)
        )
    }

    /// Whether it subscribes to what is above it again.
    pub(crate) fn begins_anew(self) -> bool {
        matches!(
            self,
            Op::Retry(_)
                | Op::RetryBackoff(_)
                | Op::RetryAfter(_)
                | Op::RetryWhen(_)
                | Op::Repeat(_)
                | Op::RepeatWhile(_)
                | Op::RepeatWhen(_)
        )
    }

    /// Whether it may end a stream that goes on upstream.
    pub(crate) fn may_stop(self) -> bool {
        matches!(
            self,
            Op::TryMap(_)
                | Op::Scan(_)
                | Op::ScanAsync(_)
                | Op::Take(_)
                | Op::TakeWhile(_)
                | Op::TakeThrough(_)
                | Op::Limit(_)
                | Op::LimitWeighted(_)
                | Op::MapWhile(_)
                | Op::ConcatMapFails(_)
                | Op::RetryItem(..)
                | Op::BulkheadMerge(..)
                | Op::Merge(..)
                | Op::MergePreferred(..)
                | Op::MergePrioritized(..)
                | Op::Interleave(..)
                | Op::Zip(..)
                | Op::Race(..)
                | Op::TakeUntil(_)
                | Op::SampleOn(..)
                | Op::AlsoTo(_, false, _)
        )
    }
}

impl Spec {
    /// The same with one part less.
    pub(crate) fn smaller(&self) -> Vec<Spec> {
        let mut all = Vec::new();
        let mut but = |change: &dyn Fn(&mut Spec)| {
            let mut spec = self.clone();
            change(&mut spec);
            all.push(spec);
        };
        for i in 0..self.operators.len() {
            but(&|spec| {
                spec.operators.remove(i);
                spec.panic = match spec.panic {
                    Some((at, _)) if at == i => None,
                    Some((at, call)) if at > i => Some((at - 1, call)),
                    other => other,
                };
            });
        }
        for i in 0..self.demand.len() {
            but(&|spec| {
                spec.demand.remove(i);
            });
        }
        if self.cancel.is_some() {
            but(&|spec| spec.cancel = None);
        }
        if self.error.is_some() {
            but(&|spec| spec.error = None);
        }
        if self.panic.is_some() {
            but(&|spec| spec.panic = None);
        }
        if self.order != 0 {
            but(&|spec| spec.order = 0);
        }
        all
    }
}

fn option(part: Option<String>) -> String {
    part.map_or_else(|| "None".to_owned(), |part| format!("Some({part})"))
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = format!("{:?}", self.source).replace('[', "vec![");
        let operators: Vec<_> = self
            .operators
            .iter()
            .map(|op| {
                let text = format!("Op::{op:?}").replace("Faulty(", "Faulty(Flaw::");
                let text = text.replace("CutSum(", "CutSum(Cutting::");
                let text = text.replace("Timed(", "Timed(Wait::");
                let text = text.replace("Kept(", "Kept(Keep::").replace("Acked(", "Acked(Acking::");
                let text = text.replace(" AtOnce,", " Comes::AtOnce,");
                let text = text.replace(" Never,", " Comes::Never,");
                let text = ["Newest", "Oldest", "All"].iter().fold(text, |text, drops| {
                    text.replace(&format!(", {drops})"), &format!(", Drops::{drops})"))
                });
                ["Pulled", "Pushed", "Published", "Asked"].iter().fold(text, |text, inner| {
                    text.replace(&format!("({inner}, "), &format!("(Inner::{inner}, "))
                })
            })
            .collect();
        let demand: Vec<_> = self.demand.iter().map(|ask| format!("Ask::{ask:?}")).collect();
        let cancel = option(self.cancel.map(|cancel| format!("Cancel::{cancel:?}")));
        write!(
            f,
            "check(&Spec {{ source: Source::{source}, operators: vec![{}], demand: vec![{}], \
             cancel: {cancel}, error: {:?}, panic: {:?}, order: {} }});",
            operators.join(", "),
            demand.join(", "),
            self.error,
            self.panic,
            self.order,
        )
    }
}

/// A source with at most so many items.
pub(crate) fn source(longest: usize) -> impl Strategy<Value = Source> {
    let n = 0..=longest;
    prop_oneof![
        3 => n.clone().prop_map(Source::Range),
        2 => prop::collection::vec(0_i64..6, n.clone()).prop_map(Source::Values),
        2 => n.clone().prop_map(Source::Unknown),
        1 => n.clone().prop_map(Source::FromFn),
        1 => n.clone().prop_map(Source::Generate),
        1 => (0_i64..6).prop_map(Source::Just),
        1 => Just(Source::Empty),
        2 => (n.clone(), 1_usize..4).prop_map(|(n, of)| Source::Bursts(n, of)),
        3 => n.clone().prop_map(Source::Scripted),
        2 => n.prop_map(Source::Boxed),
    ]
}

pub(crate) fn op() -> BoxedStrategy<Op> {
    let length = || 0_u64..8;
    let size = || 1_usize..4;
    let few = || 0_usize..4;
    let modulus = || 2_i64..5;
    let value = || 0_i64..12;
    let cutting = prop_oneof![
        1 => Just(Cutting::Until),
        1 => Just(Cutting::While),
        1 => Just(Cutting::ByKey),
        2 => Just(Cutting::Weighted),
        1 => Just(Cutting::Skip),
    ];
    let map = prop_oneof![
        (-2_i64..3).prop_map(Op::Map),
        Just(Op::MapInto),
        (2_i64..9).prop_map(Op::TryMap),
        modulus().prop_map(Op::Filter),
        modulus().prop_map(Op::FilterMap),
        modulus().prop_map(Op::SkipErrors),
        (0_i64..60).prop_map(Op::Scan),
        value().prop_map(Op::RunningFold),
        Just(Op::Enumerate),
        Just(Op::Timestamp),
        Just(Op::Elapsed),
        Just(Op::Pairwise),
        any::<bool>().prop_map(Op::StatefulMap),
        any::<bool>().prop_map(Op::MapWithResource),
        Just(Op::Materialize),
    ];
    let filter = prop_oneof![
        length().prop_map(Op::Skip),
        value().prop_map(Op::SkipWhile),
        few().prop_map(Op::SkipLast),
        (1_u64..4).prop_map(Op::StepBy),
        Just(Op::Dedup),
        modulus().prop_map(Op::DedupByKey),
        Just(Op::Unique),
        modulus().prop_map(Op::UniqueBy),
        size().prop_map(Op::UniqueWithin),
        Just(Op::IgnoreItems),
        value().prop_map(Op::DefaultIfEmpty),
    ];
    let limit = prop_oneof![
        length().prop_map(Op::Take),
        value().prop_map(Op::TakeWhile),
        value().prop_map(Op::TakeThrough),
        few().prop_map(Op::TakeLast),
        length().prop_map(Op::Limit),
        (0_u64..60).prop_map(Op::LimitWeighted),
        value().prop_map(Op::MapWhile),
        (0_u64..3, 1_u64..4).prop_map(|(low, more)| Op::LimitRate(low, more)),
    ];
    let many = prop_oneof![
        few().prop_map(Op::Chain),
        few().prop_map(Op::ChainFails),
        few().prop_map(Op::ChainPushed),
        (few(), any::<bool>()).prop_map(|(n, fails)| Op::ChainDelayError(n, fails)),
        few().prop_map(Op::StartWith),
        few().prop_map(Op::SwitchIfEmpty),
        modulus().prop_map(Op::ConcatMap),
        modulus().prop_map(Op::ConcatMapStaged),
        modulus().prop_map(Op::ConcatMapBoxed),
        modulus().prop_map(Op::ConcatMapPushed),
        modulus().prop_map(Op::ConcatMapFails),
        modulus().prop_map(Op::ConcatMapDelays),
        modulus().prop_map(Op::ConcatMapIter),
        size().prop_map(Op::ChunksFlat),
        size().prop_map(Op::ChunksSum),
        (cutting, 1_usize..6, modulus()).prop_map(|(cut, max, n)| Op::CutSum(cut, max, n)),
        (size(), size()).prop_map(|(size, step)| Op::SlidingFlat(size, step)),
        (size(), size()).prop_map(|(size, step)| Op::SlidingSum(size, step)),
    ];
    let fault = prop_oneof![
        1 => Just(Op::MapErr),
        1 => value().prop_map(Op::OnErrorReturn),
        1 => any::<bool>().prop_map(Op::OnErrorComplete),
        1 => few().prop_map(Op::OnErrorResume),
        4 => Just(Op::CatchUnwind),
        1 => (0_u64..3).prop_map(Op::Retry),
        1 => (0_u64..3).prop_map(Op::Repeat),
        1 => (0_u64..3).prop_map(Op::RepeatWhile),
        1 => (0_u64..3).prop_map(Op::RepeatWhen),
        1 => (0_u64..3).prop_map(Op::RetryWhen),
    ];
    let effect = prop_oneof![
        Just(Op::Inspect),
        Just(Op::InspectFirst),
        Just(Op::InspectErr),
        Just(Op::InspectComplete),
        Just(Op::InspectEnd),
        Just(Op::InspectCancel),
        Just(Op::InspectRequest),
        Just(Op::InspectSubscribe),
        Just(Op::Finally),
        Just(Op::OnDiscard),
        Just(Op::Named),
        Just(Op::Checkpoint),
        Just(Op::Boxed),
        Just(Op::BoxedClone),
    ];
    prop_oneof![3 => map, 3 => filter, 2 => limit, 4 => many, 3 => fault, 2 => effect].boxed()
}

/// Where threads are crossed, and several publishers send at a time.
fn boundary() -> BoxedStrategy<Op> {
    let capacity = || 1_usize..=8;
    let limit = || 1_usize..4;
    let few = || 0_usize..5;
    let modulus = || 2_i64..5;
    let weight = || 1_u32..4;
    let inner = || {
        prop_oneof![
            1 => Just(Inner::Pulled),
            2 => Just(Inner::Pushed),
            3 => Just(Inner::Published),
            2 => Just(Inner::Asked),
        ]
    };
    let across = prop_oneof![
        3 => capacity().prop_map(Op::PublishOn),
        2 => Just(Op::SubscribeOn),
        2 => capacity().prop_map(Op::AsyncBoundary),
        1 => capacity().prop_map(Op::Prefetch),
        1 => (limit(), few()).prop_map(|(min, more)| Op::AdaptivePrefetch(min, more)),
        1 => capacity().prop_map(Op::ReadyFlat),
        1 => capacity().prop_map(Op::WindowFlat),
        1 => (capacity(), modulus()).prop_map(|(max, n)| Op::WindowUntilFlat(max, n)),
        1 => (limit(), limit()).prop_map(|(size, step)| Op::WindowSlidingFlat(size, step)),
        1 => (limit(), few()).prop_map(|(size, gap)| Op::WindowSkipFlat(size, gap)),
        1 => (capacity(), modulus()).prop_map(|(max, n)| Op::WindowWhileFlat(max, n)),
        1 => (capacity(), modulus()).prop_map(|(max, n)| Op::WindowByKeyFlat(max, n)),
    ];
    let together = prop_oneof![
        2 => (few(), capacity()).prop_map(|(n, size)| Op::Merge(n, size)),
        1 => (any::<bool>(), few(), capacity())
            .prop_map(|(before, n, size)| Op::MergePreferred(before, n, size)),
        1 => (weight(), weight(), few(), capacity())
            .prop_map(|(one, other, n, size)| Op::MergePrioritized([one, other], n, size)),
        1 => (few(), capacity()).prop_map(|(n, turn)| Op::Interleave(n, turn)),
        2 => (few(), capacity()).prop_map(|(n, size)| Op::Zip(n, size)),
        1 => (few(), capacity()).prop_map(|(n, size)| Op::Race(n, size)),
        1 => few().prop_map(Op::TakeUntil),
    ];
    let flat = prop_oneof![
        (inner(), modulus(), limit(), capacity())
            .prop_map(|(inner, n, limit, size)| Op::FlatMapUnordered(inner, n, limit, size)),
        (inner(), modulus(), limit(), capacity())
            .prop_map(|(inner, n, limit, size)| Op::FlatMapUnorderedDelays(inner, n, limit, size)),
        (inner(), modulus(), limit(), capacity())
            .prop_map(|(inner, n, limit, size)| Op::FlatMapOrdered(inner, n, limit, size)),
        (inner(), modulus(), capacity()).prop_map(|(inner, n, size)| Op::SwitchMap(inner, n, size)),
        (inner(), modulus(), capacity())
            .prop_map(|(inner, n, size)| Op::ExhaustMap(inner, n, size)),
    ];
    let flights = prop_oneof![
        2 => limit().prop_map(Op::MapAsync),
        1 => limit().prop_map(Op::MapAsyncUnordered),
        1 => (limit(), limit()).prop_map(|(permits, limit)| Op::Bulkhead(permits, limit)),
        1 => (few(), limit(), limit())
            .prop_map(|(n, permits, limit)| Op::BulkheadMerge(n, permits, limit)),
        1 => (modulus(), limit()).prop_map(|(n, limit)| Op::FilterAsync(n, limit)),
        1 => (0_i64..60).prop_map(Op::ScanAsync),
    ];
    let waits = prop_oneof![
        Just(Wait::Timeout),
        Just(Wait::TimeoutFirst),
        Just(Wait::IdleTimeout),
        Just(Wait::CompletionTimeout),
        Just(Wait::BackpressureTimeout),
        Just(Wait::TimeoutOr),
        Just(Wait::ThrottleEnforcing),
        Just(Wait::RateLimitWeighted),
        Just(Wait::TakeWithin),
        Just(Wait::KeepAlive),
        Just(Wait::ChunksFlat),
        (1_u64..12).prop_map(Wait::WeightedFlat),
        Just(Wait::WindowFlat),
        Just(Wait::StoppedBy),
        Just(Wait::Throttle),
        Just(Wait::ThrottleWeighted),
        Just(Wait::ThrottleAdaptive),
        Just(Wait::RateLimit),
        Just(Wait::Delay),
        Just(Wait::DelayEach),
        Just(Wait::DelaySubscription),
        Just(Wait::Adaptive),
    ];
    let keep = prop_oneof![
        Just(Keep::Debounce),
        Just(Keep::Sample),
        Just(Keep::ThrottleFirst),
        Just(Keep::ThrottleLatest),
    ];
    let comes = || prop_oneof![Just(Comes::AtOnce), Just(Comes::Never)];
    let timed = prop_oneof![
        8 => (waits, 1_usize..4).prop_map(|(wait, size)| Op::Timed(wait, size)),
        4 => (keep, comes(), 1_usize..4)
            .prop_map(|(keep, comes, size)| Op::Kept(keep, comes, size)),
        1 => (limit(), modulus(), comes(), limit())
            .prop_map(|(max, n, comes, size)| Op::AggregateFlat(max, n, comes, size)),
        1 => (few(), 1_usize..4).prop_map(|(n, size)| Op::SampleOn(n, size)),
        1 => (few(), 1_usize..4).prop_map(|(n, size)| Op::DelaySubscriptionUntil(n, size)),
        1 => (0_u64..3).prop_map(Op::RetryBackoff),
        1 => (0_u64..3).prop_map(Op::RetryAfter),
        2 => (modulus(), 0_u64..4, any::<bool>())
            .prop_map(|(n, k, waits)| Op::RetryItem(n, k, waits)),
    ];
    let acking = prop_oneof![
        Just(Acking::InOrder),
        Just(Acking::InOrderAsync),
        Just(Acking::Each),
        Just(Acking::Batches),
    ];
    let acked = (acking, 1_usize..5).prop_map(|(acking, window)| Op::Acked(acking, window));
    let drops = prop_oneof![Just(Drops::Newest), Just(Drops::Oldest), Just(Drops::All)];
    let hurried = prop_oneof![
        2 => capacity().prop_map(Op::BufferedQueue),
        2 => (capacity(), drops).prop_map(|(n, drops)| Op::Overflows(n, drops)),
        1 => Just(Op::Latest),
        1 => Just(Op::Detach),
        2 => limit().prop_map(Op::BatchFlat),
        2 => Just(Op::ConflateFlat),
        1 => (1_u64..4).prop_map(Op::CapDemand),
        1 => Just(Op::DropUnwanted),
        1 => limit().prop_map(Op::Pausable),
        1 => Just(Op::ExpandLast),
    ];
    let taken = || prop_oneof![1 => Just(u64::MAX), 2 => 0_u64..6];
    let divided = prop_oneof![
        1 => capacity().prop_map(Op::BroadcastMerge),
        1 => capacity().prop_map(Op::BroadcastZip),
        1 => (modulus(), capacity()).prop_map(|(n, size)| Op::PartitionMerge(n, size)),
        1 => capacity().prop_map(Op::BalanceMerge),
        3 => (modulus(), capacity()).prop_map(|(n, size)| Op::GroupBy(n, size)),
        1 => capacity().prop_map(Op::Share),
        1 => capacity().prop_map(Op::AlsoToMerge),
        2 => (taken(), any::<bool>(), limit())
            .prop_map(|(n, may_leave, size)| Op::AlsoTo(n, may_leave, size)),
        1 => (taken(), capacity()).prop_map(|(n, size)| Op::WireTap(n, size)),
    ];
    let all = prop_oneof![
        5 => across, 3 => together, 3 => flat, 3 => flights, 2 => hurried, 4 => divided,
        5 => timed, 1 => acked,
    ];
    #[cfg(feature = "futures")]
    let all = prop_oneof![
        9 => all,
        1 => capacity().prop_map(Op::ThroughStream),
        1 => capacity().prop_map(Op::ThroughChannel),
    ];
    all.boxed()
}

/// The usual numbers, and those at which counting goes wrong.
fn amount() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => Just(1_u64),
        2 => Just(2_u64),
        2 => 3_u64..8,
        1 => Just(u64::MAX),
        1 => Just((1 << 61) - 2),
    ]
}

fn ask() -> impl Strategy<Value = Ask> {
    let at = || 1_u64..5;
    prop_oneof![
        3 => amount().prop_map(Ask::First),
        5 => amount().prop_map(Ask::Outside),
        2 => amount().prop_map(Ask::Each),
        1 => amount().prop_map(Ask::EachRequest),
        2 => (at(), amount()).prop_map(|(at, n)| Ask::At(at, n)),
        1 => (at(), amount()).prop_map(|(at, n)| Ask::AtRequest(at, n)),
    ]
}

fn cancel() -> impl Strategy<Value = Cancel> {
    prop_oneof![
        1 => Just(Cancel::AtOnce),
        3 => (0_u64..6).prop_map(Cancel::Outside),
        3 => (1_u64..6).prop_map(Cancel::Answer),
        3 => (1_u64..6).prop_map(Cancel::Drop),
    ]
}

fn spec_of(
    source: impl Strategy<Value = Source>,
    op: BoxedStrategy<Op>,
    most: usize,
    errors: usize,
    panics: u64,
) -> impl Strategy<Value = Spec> {
    (
        source,
        prop::collection::vec(op, 0..=most),
        prop::collection::vec(ask(), 0..5),
        prop::option::weighted(0.25, cancel()),
        prop::option::weighted(0.3, 0..=errors),
        prop::option::weighted(0.3, (0_usize..8, 1..=panics)),
        0..=u64::from(u32::MAX),
    )
        .prop_map(|(source, operators, demand, cancel, error, panic, order)| {
            let can: Vec<_> = (0..operators.len()).filter(|i| operators[*i].calls()).collect();
            let panic = panic
                .filter(|_| !can.is_empty())
                .map(|(which, call)| (can[which % can.len()], call));
            Spec { source, operators, demand, cancel, error, panic, order }
        })
}

pub(crate) fn spec() -> impl Strategy<Value = Spec> {
    spec_of(source(14), op(), 8, 14, 4)
}

/// Pipelines with boundaries, of which up to `most` stages.
pub(crate) fn boundaries(most: usize) -> impl Strategy<Value = Spec> {
    let op = prop_oneof![2 => boundary(), 1 => op()].boxed();
    spec_of(source(9), op, most, 9, 6)
}

/// The source is on other threads, and expectations are waited for.
pub(crate) fn threads() -> impl Strategy<Value = Spec> {
    spec_of((0_usize..9).prop_map(Source::Threads), op(), 8, 8, 6)
}

/// Many items, on a small stack.
pub(crate) fn long() -> impl Strategy<Value = Spec> {
    let n = 5_000_usize..10_000;
    let source = prop_oneof![
        n.clone().prop_map(Source::Range),
        n.clone().prop_map(Source::Unknown),
        n.clone().prop_map(|n| Source::Bursts(n, 3)),
        n.prop_map(Source::Scripted),
    ];
    spec_of(source, op(), 8, 10_000, 10_000)
}

/// With one faulty operator among the others.
pub(crate) fn faulty(flaw: Flaw) -> impl Strategy<Value = Spec> {
    (spec(), 0_usize..9).prop_map(move |(mut spec, at)| {
        spec.operators.truncate(7);
        let at = at.min(spec.operators.len());
        spec.operators.insert(at, Op::Faulty(flaw));
        spec
    })
}
