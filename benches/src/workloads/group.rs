//! W7: items divided by key.

use std::collections::HashMap;
use std::hint::black_box;

use super::peer;
use crate::model::UNBOUNDED;
use crate::peers::subscribe;
use crate::{Kind, Measure, Promise, Workload, items};

const GROUPS: usize = 256;

/// One of 256.
fn key(item: u64) -> u64 {
    item.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56
}

pub(super) fn workloads() -> Vec<Workload> {
    vec![Workload {
        name: "W7",
        task: "items in 256 groups, counted",
        measure: Measure::Alone,
        size: items,
        promise: Promise { of_limit: Some(1.2), of_best: Some(0.85), ..Promise::NONE },
        peers: vec![
            peer(Kind::Limit, "a map of counters", || {
                let mut counts: HashMap<u64, u64> = HashMap::new();
                for item in 0..items() {
                    *counts.entry(key(black_box(item))).or_default() += 1;
                }
                counts.values().sum()
            }),
            peer(Kind::Ours, "millstream", || {
                use millstream::fan_out::Stalled;
                use millstream::prelude::*;
                let groups =
                    millstream::from_iter(0..items())
                        .group_by(GROUPS, 64, Stalled::Fail, |item| key(black_box(*item)));
                // The sink counts: each item comes all the way.
                let counted = groups.flat_map_unordered(GROUPS, 64, |group| group.map(|_| 1));
                subscribe::<UNBOUNDED>(counted)
            }),
            peer(Kind::Library, "rxrust", || {
                use std::cell::Cell;
                use std::rc::Rc;

                use rxrust::prelude::*;
                let total = Rc::new(Cell::new(0));
                let sum = total.clone();
                Local::from_iter(0..items())
                    .group_by(|item| key(black_box(*item)))
                    .flat_map(|group| group.count())
                    .subscribe(move |count| sum.set(sum.get() + count as u64));
                total.get()
            }),
        ],
    }]
}
