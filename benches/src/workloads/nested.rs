//! W4: a stream of streams, one after another.

use futures::stream;

use super::peer;
use crate::model::UNBOUNDED;
use crate::peers::{iterate, subscribe, wait};
use crate::{Kind, Peer, Promise, Workload, items, observe};

pub(super) fn workloads() -> Vec<Workload> {
    vec![
        Workload {
            name: "W4/concat-1000",
            task: "concat_map into inner streams of a thousand",
            many: true,
            promise: Promise { of_limit: Some(2.0), of_best: Some(1.0), ..Promise::default() },
            peers: peers::<1000>(),
        },
        Workload {
            name: "W4/concat-1",
            task: "concat_map into inner streams of one",
            many: true,
            promise: Promise { of_limit: Some(3.0), of_best: Some(1.3), ..Promise::default() },
            peers: peers::<1>(),
        },
    ]
}

fn inner<const SIZE: u64>(index: u64) -> std::ops::Range<u64> {
    index * SIZE..(index + 1) * SIZE
}

fn peers<const SIZE: u64>() -> Vec<Peer> {
    vec![
        peer(Kind::Limit, "iterator", || iterate((0..items() / SIZE).flat_map(inner::<SIZE>))),
        peer(Kind::Ours, "millstream", || {
            use millstream::prelude::*;
            subscribe::<UNBOUNDED>(
                millstream::from_iter(0..items() / SIZE)
                    .concat_map(|index| millstream::from_iter(inner::<SIZE>(index))),
            )
        }),
        peer(Kind::Library, "futures", || {
            use futures::StreamExt;
            wait(
                stream::iter(0..items() / SIZE)
                    .flat_map(|index| stream::iter(inner::<SIZE>(index))),
            )
        }),
        peer(Kind::Library, "rxrust", || {
            use rxrust::prelude::*;
            observe!(
                Local::from_iter(0..items() / SIZE).concat_map(|index| Local::from_iter(inner::<
                    SIZE,
                >(
                    index
                )))
            )
        }),
    ]
}
