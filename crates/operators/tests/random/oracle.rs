//! What a pipeline means: the same specification on vectors, with the iterators of `std`.

use millstream_testkit::sweep::TestError;

use crate::spec::{Comes, Cutting, Keep, Op, Spec, Wait};

/// All items, and the error if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) items: Vec<i64>,
    pub(crate) error: Option<TestError>,
    /// What may be different in a run.
    pub(crate) slack: Slack,
}

/// How a run may differ from an [`Outcome`], where several publishers send at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Slack {
    /// The items may come in any order.
    pub(crate) unordered: bool,
    /// Some of the items may be missing.
    pub(crate) partial: bool,
    /// It may complete where an error is expected.
    pub(crate) cut: bool,
    /// Those with the same remainder of this number are in order all the same.
    pub(crate) keyed: Option<i64>,
}

impl Slack {
    /// Whether items may be found as these are expected, where more could come.
    pub(crate) fn allows(self, items: &[i64], expected: &[i64]) -> bool {
        if let Some(n) = self.keyed {
            let of = |items: &[i64], key| -> Vec<i64> {
                items.iter().copied().filter(|item| item.rem_euclid(n) == key).collect()
            };
            let same_key = Slack { unordered: false, keyed: None, ..self };
            return (0..n).all(|key| same_key.allows(&of(items, key), &of(expected, key)));
        }
        if self.unordered {
            let mut left = expected.to_vec();
            return items.iter().all(|item| match left.iter().position(|other| other == item) {
                Some(at) => {
                    left.swap_remove(at);
                    true
                }
                None => false,
            });
        }
        if self.partial {
            let mut left = expected.iter();
            return items.iter().all(|item| left.any(|other| other == item));
        }
        expected.starts_with(items)
    }
}

/// The error of a stage that fails by itself.
pub(crate) const FAILED: TestError = TestError(100);
/// What `catch_unwind` makes of a panic.
pub(crate) const CAUGHT: TestError = TestError(400);
/// The size of the chunks that are also complete by time.
pub(crate) const CHUNK: usize = 3;
/// What `limit` makes of too many items.
pub(crate) const EXCEEDED: TestError = TestError(200);

/// The error of an attempt of `retry_item`, counted from 1.
pub(crate) fn failed_attempt(n: u64) -> TestError {
    TestError(300 + n)
}

/// The attempt of `retry_item` whose error is not worth another.
pub(crate) const WORTHLESS: u64 = 3;

/// The further items of `chain`, `start_with` and the like.
pub(crate) fn further(n: usize) -> std::ops::Range<i64> {
    50..50 + n as i64
}

/// How many items become of one in `concat_map`.
pub(crate) fn inner_length(item: i64, modulus: i64) -> i64 {
    item.rem_euclid(modulus)
}

/// So many of the one, then of the other.
fn in_turn(one: &[i64], other: &[i64], turn: usize) -> Vec<i64> {
    let (mut one, mut other) = (one.chunks(turn), other.chunks(turn));
    let mut items = Vec::new();
    loop {
        let (a, b) = (one.next(), other.next());
        if a.is_none() && b.is_none() {
            return items;
        }
        items.extend([a, b].into_iter().flatten().flatten());
    }
}

pub(crate) fn inner(item: i64, modulus: i64) -> std::ops::Range<i64> {
    item..item.wrapping_add(inner_length(item, modulus))
}

pub(crate) fn passes(item: i64, modulus: i64) -> bool {
    item.rem_euclid(modulus) != 0
}

pub(crate) fn weight(item: i64) -> u64 {
    item.unsigned_abs() % 8
}

impl Outcome {
    fn completes(items: Vec<i64>) -> Outcome {
        Outcome { items, error: None, slack: Slack::default() }
    }

    fn fails(items: Vec<i64>, error: TestError) -> Outcome {
        Outcome { error: Some(error), ..Outcome::completes(items) }
    }

    fn with(mut self, change: impl FnOnce(&mut Slack)) -> Outcome {
        change(&mut self.slack);
        self
    }

    /// Ends early: what follows in upstream, its error included, does not matter.
    fn cut(self, n: usize) -> Outcome {
        Outcome { items: self.items[..n].to_vec(), error: None, ..self }
    }

    fn fail_at(self, n: usize, error: TestError) -> Outcome {
        Outcome { items: self.items[..n].to_vec(), error: Some(error), ..self }
    }

    fn change(self, f: impl FnOnce(Vec<i64>) -> Vec<i64>) -> Outcome {
        Outcome { items: f(self.items), ..self }
    }

    /// As `change`, where the last items come only with completion.
    fn change_whole(self, f: impl FnOnce(Vec<i64>, bool) -> Vec<i64>) -> Outcome {
        let complete = self.error.is_none();
        self.change(|items| f(items, complete))
    }

    fn keep(self, mut f: impl FnMut(i64) -> bool) -> Outcome {
        self.change(|items| items.into_iter().filter(|item| f(*item)).collect())
    }

    fn then(mut self, other: impl FnOnce() -> Outcome) -> Outcome {
        if self.error.is_some() {
            return self;
        }
        let other = other();
        self.items.extend(other.items);
        self.error = other.error;
        self
    }

    fn position(&self, f: impl FnMut(&i64) -> bool) -> Option<usize> {
        self.items.iter().position(f)
    }

    pub(crate) fn through(mut self, op: Op) -> Outcome {
        if !passes_on(op) {
            self.slack.keyed = None;
        }
        match op {
            Op::Map(n) => {
                self.change(|items| items.into_iter().map(|item| item.wrapping_add(n)).collect())
            }
            Op::MapInto
            | Op::Materialize
            | Op::Inspect
            | Op::InspectFirst
            | Op::InspectErr
            | Op::InspectComplete
            | Op::InspectEnd
            | Op::InspectCancel
            | Op::InspectRequest
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
            | Op::ReadyFlat(_)
            | Op::BufferedQueue(_)
            | Op::Detach
            | Op::BatchFlat(_)
            | Op::ConflateFlat
            | Op::CapDemand(_)
            | Op::Pausable(_)
            | Op::ExpandLast
            | Op::Acked(..)
            | Op::DelaySubscriptionUntil(..)
            | Op::WindowFlat(_)
            | Op::WindowUntilFlat(..)
            | Op::WindowByKeyFlat(..)
            | Op::LimitRate(..)
            | Op::Race(..)
            | Op::Share(_)
            | Op::AlsoTo(..)
            | Op::WireTap(..)
            | Op::ThroughStream(_)
            | Op::ThroughChannel(_)
            | Op::MapAsync(_)
            | Op::Bulkhead(..)
            // Where nothing panics: what panics is not known by its items here.
            | Op::CatchUnwind => self,
            Op::BroadcastZip(_) => {
                self.change(|items| items.into_iter().map(|item| item.wrapping_add(item)).collect())
            }
            // An error of one half comes while the other still sends.
            Op::BroadcastMerge(_) | Op::AlsoToMerge(_) => {
                let fails = self.error.is_some();
                self.change(|items| items.repeat(2)).with(|slack| {
                    slack.unordered = true;
                    slack.partial |= fails;
                })
            }
            Op::PartitionMerge(..) | Op::BalanceMerge(_) => {
                let fails = self.error.is_some();
                self.with(|slack| {
                    slack.unordered = true;
                    slack.partial |= fails;
                })
            }
            Op::GroupBy(n, _) => {
                let fails = self.error.is_some();
                self.with(|slack| {
                    slack.keyed = (!slack.unordered).then_some(n);
                    slack.unordered = true;
                    slack.partial |= fails;
                })
            }
            // The last one goes when upstream is complete.
            Op::Kept(Keep::Debounce | Keep::Sample, Comes::Never, _) => {
                self.through(Op::TakeLast(1))
            }
            Op::Overflows(..) | Op::Latest | Op::DropUnwanted | Op::Kept(..) => {
                self.with(|slack| slack.partial = true)
            }
            Op::MapAsyncUnordered(_) => self.with(|slack| slack.unordered = true),
            // An error comes while the other still sends.
            Op::Merge(n, _) | Op::MergePreferred(_, n, _) | Op::MergePrioritized(_, n, _) => {
                let fails = self.error.is_some();
                self.change(|items| items.into_iter().chain(further(n)).collect()).with(|slack| {
                    slack.unordered = true;
                    slack.partial |= fails;
                })
            }
            Op::BulkheadMerge(n, ..) => self.through(Op::Merge(n, 1)),
            // An error comes while the other has its turn. Where an item is missing, all that follow
            // have other turns.
            Op::Interleave(n, turn) => {
                let fails = self.error.is_some();
                let others: Vec<i64> = further(n).collect();
                self.change(|items| in_turn(&items, &others, turn)).with(|slack| {
                    slack.unordered |= slack.partial;
                    slack.partial |= fails;
                })
            }
            Op::Zip(n, _) => {
                let pairs = |items: Vec<i64>| {
                    items.iter().zip(further(n)).map(|(a, b)| a.wrapping_add(b)).collect()
                };
                let short = self.items.len() > n;
                let zipped = self.change(pairs);
                if short { Outcome { error: None, ..zipped } } else { zipped }
            }
            Op::TakeUntil(_) | Op::SampleOn(..) => self.with(|slack| {
                slack.partial = true;
                slack.cut = true;
            }),
            Op::TryMap(n) => match self.position(|item| *item != 0 && item % n == 0) {
                Some(at) => self.fail_at(at, FAILED),
                None => self,
            },
            Op::RetryItem(n, k, _) => {
                let last = WORTHLESS.min(k + 1);
                match self.position(|item| item.rem_euclid(n) >= last.cast_signed()) {
                    Some(at) => self.fail_at(at, failed_attempt(last)),
                    None => self,
                }
            }
            Op::Filter(n)
            | Op::FilterMap(n)
            | Op::SkipErrors(n)
            | Op::FilterAsync(n, _)
            | Op::WindowWhileFlat(_, n) => self.keep(|item| passes(item, n)),
            Op::Faulty(_) => self.keep(|item| passes(item, 3)),
            Op::Scan(most) | Op::ScanAsync(most) => {
                let mut sum = 0_i64;
                let sums: Vec<_> = self
                    .items
                    .iter()
                    .map_while(|item| {
                        sum = sum.wrapping_add(*item);
                        (sum <= most).then_some(sum)
                    })
                    .collect();
                let early = sums.len() < self.items.len();
                Outcome { items: sums, error: self.error.filter(|_| !early), ..self }
            }
            Op::RunningFold(seed) => self.change(|items| {
                let mut sum = seed;
                let sums = items.into_iter().map(move |item| {
                    sum = sum.wrapping_add(item);
                    sum
                });
                std::iter::once(seed).chain(sums).collect()
            }),
            Op::Enumerate | Op::Timestamp => self.change(|items| {
                items.into_iter().zip(0_i64..).map(|(item, i)| item.wrapping_add(i)).collect()
            }),
            Op::Elapsed => self.through(Op::Map(1)),
            Op::Pairwise => self.change(|items| {
                items.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect()
            }),
            Op::StatefulMap(last) | Op::MapWithResource(last) => {
                self.change_whole(|mut items, complete| {
                    let count = items.len() as i64;
                    for (item, before) in items.iter_mut().zip(0_i64..) {
                        *item = item.wrapping_add(before);
                    }
                    items.extend((last && complete).then_some(count));
                    items
                })
            }
            Op::Skip(n) => self.change(|items| items.into_iter().skip(n as usize).collect()),
            Op::SkipWhile(n) => {
                self.change(|items| items.into_iter().skip_while(|item| *item < n).collect())
            }
            Op::SkipLast(n) => self.change(|mut items| {
                items.truncate(items.len().saturating_sub(n));
                items
            }),
            Op::StepBy(n) => self.change(|items| items.into_iter().step_by(n as usize).collect()),
            Op::Dedup => self.change(|mut items| {
                items.dedup();
                items
            }),
            Op::DedupByKey(n) => self.change(|mut items| {
                items.dedup_by_key(|item| item.rem_euclid(n));
                items
            }),
            Op::Unique => {
                let mut seen = std::collections::HashSet::new();
                self.keep(|item| seen.insert(item))
            }
            Op::UniqueBy(n) => {
                let mut seen = std::collections::HashSet::new();
                self.keep(|item| seen.insert(item.rem_euclid(n)))
            }
            Op::UniqueWithin(n) => {
                let mut last: Vec<i64> = Vec::new();
                self.keep(|item| {
                    let known = last.iter().position(|other| *other == item);
                    match known {
                        Some(at) => drop(last.remove(at)),
                        None if last.len() == n => drop(last.remove(0)),
                        None => {}
                    }
                    last.push(item);
                    known.is_none()
                })
            }
            Op::IgnoreItems => self.keep(|_| false),
            Op::DefaultIfEmpty(item) => {
                self.change_whole(
                    |items, complete| {
                        if items.is_empty() && complete { vec![item] } else { items }
                    },
                )
            }
            Op::Take(n) if self.items.len() >= n as usize => self.cut(n as usize),
            Op::Take(_) => self,
            Op::TakeWhile(n) | Op::MapWhile(n) => match self.position(|item| *item >= n) {
                Some(at) => self.cut(at),
                None => self,
            },
            Op::TakeThrough(n) => match self.position(|item| *item >= n) {
                Some(at) => self.cut(at + 1),
                None => self,
            },
            Op::TakeLast(n) => self.change_whole(|items, complete| {
                if complete { items[items.len().saturating_sub(n)..].to_vec() } else { Vec::new() }
            }),
            Op::Limit(n) if self.items.len() > n as usize => self.fail_at(n as usize, EXCEEDED),
            Op::Limit(_) => self,
            Op::LimitWeighted(most) => {
                let mut sum = 0_u64;
                let over = self.position(|item| {
                    sum += weight(*item);
                    sum > most
                });
                match over {
                    Some(at) => self.fail_at(at, EXCEEDED),
                    None => self,
                }
            }
            Op::Chain(n) | Op::ChainPushed(n) => {
                self.then(|| Outcome::completes(further(n).collect()))
            }
            Op::ChainDelayError(n, fails) => {
                let error = if fails { Some(FAILED) } else { self.error };
                let all = self.change(|items| items.into_iter().chain(further(n)).collect());
                Outcome { error, ..all }
            }
            Op::ChainFails(n) => self.then(|| Outcome::fails(further(n).collect(), FAILED)),
            Op::StartWith(n) => self.change(|items| further(n).chain(items).collect()),
            Op::SwitchIfEmpty(n) => {
                let empty = self.items.is_empty();
                self.then(|| Outcome::completes(further(if empty { n } else { 0 }).collect()))
            }
            Op::ConcatMap(n)
            | Op::ConcatMapStaged(n)
            | Op::ConcatMapBoxed(n)
            | Op::ConcatMapPushed(n)
            | Op::ConcatMapIter(n) => {
                self.change(|items| items.into_iter().flat_map(|item| inner(item, n)).collect())
            }
            Op::FlatMapOrdered(_, n, ..) => self.through(Op::ConcatMap(n)),
            // An error of upstream does not wait for the inner publishers.
            Op::FlatMapUnordered(_, n, ..) => {
                let fails = self.error.is_some();
                self.through(Op::ConcatMap(n)).with(|slack| {
                    slack.unordered = true;
                    slack.partial |= fails;
                })
            }
            Op::FlatMapUnorderedDelays(_, n, ..) => {
                self.through(Op::ConcatMap(n)).with(|slack| slack.unordered = true)
            }
            Op::SwitchMap(_, n, _) | Op::ExhaustMap(_, n, _) => {
                self.through(Op::ConcatMap(n)).with(|slack| slack.partial = true)
            }
            Op::ConcatMapFails(n) => {
                let whole = Outcome::completes(Vec::new());
                let all = self.items.iter().fold(whole, |all, item| {
                    let error = (inner_length(*item, n) == n - 1).then_some(FAILED);
                    let inner = Outcome::completes(inner(*item, n).collect());
                    all.then(|| Outcome { error, ..inner })
                });
                let all = all.then(|| Outcome { error: self.error, ..Outcome::completes(vec![]) });
                Outcome { slack: self.slack, ..all }
            }
            Op::ConcatMapDelays(n) => {
                let fails = self.items.iter().any(|item| inner_length(*item, n) == n - 1);
                let all = self.through(Op::ConcatMap(n));
                Outcome { error: if fails { Some(FAILED) } else { all.error }, ..all }
            }
            Op::ChunksFlat(n) => self.change_whole(|mut items, complete| {
                let whole = items.len() - items.len() % n;
                items.truncate(if complete { items.len() } else { whole });
                items
            }),
            // All that a window has come out of it, with an error as well.
            Op::WindowSlidingFlat(size, step) => {
                self.change(|items| groups(&items, size, step, true).concat())
            }
            Op::WindowSkipFlat(size, gap) => self.through(Op::WindowSlidingFlat(size, size + gap)),
            Op::AggregateFlat(max, n, Comes::Never, _) => self.change_whole(|items, complete| {
                chunks(&items, Cutting::Until, max, n, complete).concat()
            }),
            // Whichever item was the last of an aggregate.
            Op::AggregateFlat(_, _, Comes::AtOnce, _) => self,
            Op::Timed(Wait::ChunksFlat, _) => self.through(Op::ChunksFlat(CHUNK)),
            Op::Timed(Wait::WeightedFlat(max), _) => self.change_whole(|items, complete| {
                chunks(&items, Cutting::Weighted, max as usize, 0, complete).concat()
            }),
            Op::Timed(..) => self,
            Op::ChunksSum(n) => self.through(Op::SlidingSum(n, n)),
            Op::CutSum(Cutting::Skip, max, n) => {
                self.through(Op::SlidingSum(max, max + n as usize))
            }
            Op::CutSum(cut, max, n) => self.change_whole(|items, complete| {
                let chunks = chunks(&items, cut, max, n, complete);
                chunks.iter().map(|chunk| sum(chunk.iter().copied())).collect()
            }),
            Op::SlidingFlat(size, step) => self.change_whole(|items, complete| {
                groups(&items, size, step, complete).into_iter().flatten().collect()
            }),
            Op::SlidingSum(size, step) => self.change_whole(|items, complete| {
                let groups = groups(&items, size, step, complete);
                groups.iter().map(|group| sum(group.iter().copied())).collect()
            }),
            Op::MapErr => {
                Outcome { error: self.error.map(|error| TestError(error.0 + 1_000)), ..self }
            }
            Op::OnErrorReturn(item) => Outcome {
                items: self.items.into_iter().chain(self.error.map(|_| item)).collect(),
                error: None,
                slack: self.slack,
            },
            Op::OnErrorComplete(all) => {
                Outcome { error: self.error.filter(|error| !all && error.0 % 2 == 0), ..self }
            }
            Op::OnErrorResume(n) => match self.error {
                Some(_) => Outcome {
                    items: self.items.into_iter().chain(further(n)).collect(),
                    error: None,
                    slack: self.slack,
                },
                None => self,
            },
            Op::Retry(k) | Op::RetryBackoff(k) | Op::RetryAfter(k) | Op::RetryWhen(k) => {
                let times = if self.error.is_some() { k as usize + 1 } else { 1 };
                Outcome { items: self.items.repeat(times), ..self }
            }
            Op::Repeat(k) | Op::RepeatWhile(k) | Op::RepeatWhen(k) => {
                let times = if self.error.is_some() { 1 } else { k as usize + 1 };
                Outcome { items: self.items.repeat(times), ..self }
            }
        }
    }
}

/// Whether the same items come out of it, in the same order.
fn passes_on(op: Op) -> bool {
    matches!(
        op,
        Op::MapInto
            | Op::Materialize
            | Op::Inspect
            | Op::Finally
            | Op::OnDiscard
            | Op::Named
            | Op::Boxed
            | Op::BoxedClone
            | Op::PublishOn(_)
            | Op::SubscribeOn
            | Op::AsyncBoundary(_)
            | Op::Prefetch(_)
            | Op::AdaptivePrefetch(..)
            | Op::LimitRate(..)
            | Op::MapAsync(_)
            | Op::Bulkhead(..)
            | Op::CatchUnwind
            | Op::Share(_)
            | Op::AlsoTo(_, true, _)
            | Op::WireTap(..)
            | Op::ThroughStream(_)
            | Op::ThroughChannel(_)
    )
}

/// What may come of an operator: as a rule one outcome.
fn outcomes(before: &Outcome, op: Op) -> Vec<Outcome> {
    let usual = before.clone().through(op);
    match op {
        // Whoever sends first, or ends.
        Op::Race(n, _) => vec![usual, Outcome::completes(further(n).collect())],
        // Both are at their end, and either may be seen first.
        Op::Zip(n, _) if before.items.len() == n && before.error.is_some() => {
            vec![Outcome { error: None, ..usual.clone() }, usual]
        }
        // All that the side has, and what is queued when it wants no more.
        Op::AlsoTo(n, false, size) if before.items.len() as u64 >= n => {
            let (n, all) = (n as usize, before.items.len());
            let cut = (n..=all.min(n + size)).map(|n| before.clone().cut(n));
            cut.chain((all <= n + size).then_some(usual)).collect()
        }
        _ => vec![usual],
    }
}

pub(crate) fn sum(items: impl Iterator<Item = i64>) -> i64 {
    items.fold(0, i64::wrapping_add)
}

fn groups(items: &[i64], size: usize, step: usize, complete: bool) -> Vec<Vec<i64>> {
    (0..items.len())
        .step_by(step)
        .map(|from| items[from..items.len().min(from + size)].to_vec())
        .filter(|group| complete || group.len() == size)
        .collect()
}

/// Chunks of at most `max` items, or of that weight, cut by a modulus.
fn chunks(items: &[i64], cut: Cutting, max: usize, n: i64, complete: bool) -> Vec<Vec<i64>> {
    let mut all: Vec<Vec<i64>> = Vec::new();
    let mut open = Vec::new();
    for item in items {
        let heavy = |chunk: &[i64]| chunk.iter().map(|item| weight(*item).max(1)).sum::<u64>();
        let full = |chunk: &[i64]| match cut {
            Cutting::Weighted => heavy(chunk) >= max as u64,
            _ => chunk.len() == max,
        };
        let before = match cut {
            Cutting::While => !passes(*item, n),
            Cutting::ByKey => {
                open.first().is_some_and(|first: &i64| first.div_euclid(n) != item.div_euclid(n))
            }
            Cutting::Weighted => heavy(&open) + weight(*item).max(1) > max as u64,
            Cutting::Until | Cutting::Skip => false,
        };
        if before {
            all.push(std::mem::take(&mut open));
        }
        if cut != Cutting::While || passes(*item, n) {
            open.push(*item);
        }
        let after = cut == Cutting::Until && !passes(*item, n);
        if after || full(&open) {
            all.push(std::mem::take(&mut open));
        }
    }
    if complete {
        all.push(open);
    }
    all.retain(|chunk| !chunk.is_empty());
    all
}

/// What the source gives.
fn sent(spec: &Spec) -> Outcome {
    let mut items = spec.source.values();
    match spec.error {
        Some(at) => {
            items.truncate(at);
            Outcome::fails(items, TestError(at as u64))
        }
        None => Outcome::completes(items),
    }
}

/// What may come out of each operator, the source first; fewer than there are operators, where one
/// would give more than `most` items, or too many outcomes.
pub(crate) fn stages(spec: &Spec, most: usize) -> Vec<Vec<Outcome>> {
    let mut all = vec![vec![sent(spec)]];
    for op in &spec.operators {
        let before = &all[all.len() - 1];
        let next: Vec<_> = before.iter().flat_map(|before| outcomes(before, *op)).collect();
        if next.len() > 16 || next.iter().any(|next| next.items.len() > most) {
            break;
        }
        all.push(next);
    }
    all
}
