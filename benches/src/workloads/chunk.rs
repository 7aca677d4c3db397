//! W6: chunks of a hundred items, each a `Vec` of its own, and windows, each a stream.

use std::hint::black_box;

use futures::stream;

use super::peer;
use crate::model::UNBOUNDED;
use crate::peers::{iterate, subscribe, subscribe_by, wait_by};
use crate::{Kind, Measure, Promise, Workload, items, observe};

const SIZE: usize = 100;

/// The first and the last of a chunk.
fn add(total: u64, chunk: &[u64]) -> u64 {
    let chunk = black_box(chunk);
    total.wrapping_add(chunk[0].wrapping_add(chunk[chunk.len() - 1]))
}

#[expect(clippy::needless_pass_by_value, reason = "whoever has the chunk drops it")]
fn add_and_drop(total: u64, chunk: Vec<u64>) -> u64 {
    add(total, &chunk)
}

/// The least: a loop that fills one `Vec` after another.
fn loop_of_chunks() -> u64 {
    let (mut chunk, mut total) = (Vec::with_capacity(SIZE), 0);
    for item in 0..items() {
        chunk.push(item);
        if chunk.len() == SIZE {
            let full = std::mem::replace(&mut chunk, Vec::with_capacity(SIZE));
            total = add(total, &full);
        }
    }
    total
}

pub(super) fn workloads() -> Vec<Workload> {
    vec![chunks(), windows()]
}

fn chunks() -> Workload {
    Workload {
        name: "W6/chunks",
        task: "chunks of a hundred, each a Vec of its own",
        measure: Measure::Alone,
        size: items,
        promise: Promise {
            of_limit: Some(1.2),
            of_best: Some(1.0),
            of_jvm: Some(0.16),
            ..Promise::default()
        },
        peers: vec![
            peer(Kind::Limit, "a Vec each", loop_of_chunks),
            peer(Kind::Ours, "millstream", || {
                use millstream::prelude::*;
                subscribe_by(millstream::from_iter(0..items()).chunks(SIZE), add_and_drop)
            }),
            peer(Kind::Library, "futures", || {
                use futures::StreamExt;
                wait_by(stream::iter(0..items()).chunks(SIZE), add_and_drop)
            }),
            peer(Kind::Library, "futures, ready", || {
                use futures::StreamExt;
                wait_by(stream::iter(0..items()).ready_chunks(SIZE), add_and_drop)
            }),
            peer(Kind::Library, "rxrust", || {
                use rxrust::prelude::*;
                observe!(Local::from_iter(0..items()).buffer_count(SIZE), add_and_drop)
            }),
        ],
    }
}

/// No Rust peer has windows.
fn windows() -> Workload {
    Workload {
        name: "W6/windows",
        task: "windows of a hundred, read one after another",
        measure: Measure::Alone,
        size: items,
        promise: Promise { nanoseconds: Some(5.0), of_jvm: Some(0.23), ..Promise::NONE },
        peers: vec![
            peer(Kind::Limit, "iterator", || iterate(0..items())),
            peer(Kind::Ours, "millstream", || {
                use millstream::prelude::*;
                let windows = millstream::from_iter(0..items()).window(SIZE);
                subscribe::<UNBOUNDED>(windows.concat_map(|window| window))
            }),
        ],
    }
}
