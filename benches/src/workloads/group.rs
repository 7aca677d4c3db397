//! W7: items divided by key.

use std::collections::HashMap;
use std::hint::black_box;

use super::peer;
use crate::model::UNBOUNDED;
use crate::peers::subscribe;
use crate::{Kind, Measure, Promise, Workload, many};

/// One of `groups`.
#[inline]
fn key(item: u64, groups: u64) -> u64 {
    let spread = item.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((u128::from(spread) * u128::from(groups)) >> 64) as u64
}

pub(super) fn workloads() -> Vec<Workload> {
    vec![Workload {
        name: "W7",
        task: "items in 256 groups, counted",
        measure: Measure::Alone,
        size: many,
        promise: Promise {
            of_limit: Some(1.2),
            of_best: Some(0.85),
            of_jvm: Some(0.4),
            ..Promise::NONE
        },
        peers: vec![
            peer(Kind::Limit, "a map of counters", || counters(many(), 256)),
            peer(Kind::Ours, "millstream", || grouped(many(), 256)),
            peer(Kind::Library, "rxrust", || observed(many(), 256)),
        ],
    }]
}

/// The least: a hash map.
#[inline]
pub(crate) fn counters(n: u64, groups: u64) -> u64 {
    let mut counts: HashMap<u64, u64> = HashMap::new();
    for item in 0..n {
        *counts.entry(key(black_box(item), groups)).or_default() += 1;
    }
    counts.values().sum()
}

/// Ours.
#[inline]
pub(crate) fn grouped(n: u64, groups: u64) -> u64 {
    use millstream::fan_out::Stalled;
    use millstream::prelude::*;
    let most = groups as usize;
    let by = move |item: &u64| key(black_box(*item), groups);
    let grouped = millstream::from_iter(0..n).group_by(most, 64, Stalled::Fail, by);
    // The sink counts: each item comes all the way.
    subscribe::<UNBOUNDED>(grouped.flat_map_unordered(most, 64, |group| group.map(|_| 1)))
}

/// The peer's.
#[inline]
pub(crate) fn observed(n: u64, groups: u64) -> u64 {
    use std::cell::Cell;
    use std::rc::Rc;

    use rxrust::prelude::*;
    let total = Rc::new(Cell::new(0));
    let sum = total.clone();
    Local::from_iter(0..n)
        .group_by(move |item| key(black_box(*item), groups))
        .flat_map(|group| group.count())
        .subscribe(move |count| sum.set(sum.get() + count as u64));
    total.get()
}
