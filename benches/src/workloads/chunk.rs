//! W6: chunks of a hundred items, each a `Vec` of its own.

use std::hint::black_box;

use futures::stream;

use super::peer;
use crate::model::UNBOUNDED;
use crate::peers::{iterate, subscribe, wait};
use crate::{Kind, Measure, Promise, Workload, items, observe};

const SIZE: usize = 100;

#[expect(clippy::needless_pass_by_value, reason = "whoever has the chunk drops it")]
fn digest(chunk: Vec<u64>) -> u64 {
    let chunk = black_box(&*chunk);
    chunk[0].wrapping_add(chunk[chunk.len() - 1])
}

/// The least: a loop that fills one `Vec` after another.
struct Chunked<I>(I);

impl<I: Iterator<Item = u64>> Iterator for Chunked<I> {
    type Item = Vec<u64>;

    #[inline]
    fn next(&mut self) -> Option<Vec<u64>> {
        let mut chunk = Vec::with_capacity(SIZE);
        while chunk.len() < SIZE
            && let Some(item) = self.0.next()
        {
            chunk.push(item);
        }
        if chunk.is_empty() { None } else { Some(chunk) }
    }
}

pub(super) fn workloads() -> Vec<Workload> {
    vec![Workload {
        name: "W6",
        task: "chunks of a hundred, each a Vec of its own",
        measure: Measure::Alone,
        size: items,
        promise: Promise { of_limit: Some(1.2), of_best: Some(1.0), ..Promise::default() },
        peers: vec![
            peer(Kind::Limit, "a Vec each", || iterate(Chunked(0..items()).map(digest))),
            peer(Kind::Ours, "millstream", || {
                use millstream::prelude::*;
                subscribe::<UNBOUNDED>(millstream::from_iter(0..items()).chunks(SIZE).map(digest))
            }),
            peer(Kind::Library, "futures", || {
                use futures::StreamExt;
                wait(stream::iter(0..items()).chunks(SIZE).map(digest))
            }),
            peer(Kind::Library, "futures, ready", || {
                use futures::StreamExt;
                wait(stream::iter(0..items()).ready_chunks(SIZE).map(digest))
            }),
            peer(Kind::Library, "rxrust", || {
                use rxrust::prelude::*;
                observe!(Local::from_iter(0..items()).buffer_count(SIZE).map(digest))
            }),
        ],
    }]
}
