//! W9: assemble ten stages, subscribe, send one item, end.

use std::cell::Cell;
use std::hint::black_box;

use futures::stream;

use super::{maps, peer, receivers, step, ten_maps, ten_receivers};
use crate::model::{Handle, Map, Sum, UNBOUNDED, drive};
use crate::peers::{iterate, subscribe, wait};
use crate::{Kind, Measure, Promise, Workload, observe, one};

pub(super) fn workloads() -> Vec<Workload> {
    vec![Workload {
        name: "W9",
        task: "ten maps, subscribed to for one item",
        measure: Measure::Alone,
        size: one,
        promise: Promise {
            of_model: Some(1.3),
            allocations: Some(1),
            of_jvm: Some(0.06),
            ..Promise::default()
        },
        peers: vec![
            peer(Kind::Limit, "iterator", || iterate(ten_maps!(0..black_box(1)))),
            peer(Kind::Model, "model", || {
                let (total, handle) = (Cell::new(0), Handle::default());
                let sum = Sum::new(&total, &handle, UNBOUNDED);
                drive(black_box(1), &handle, &mut ten_receivers!(sum));
                total.get()
            }),
            peer(Kind::Ours, "millstream", || {
                use millstream::prelude::*;
                subscribe::<UNBOUNDED>(ten_maps!(millstream::from_iter(0..black_box(1))))
            }),
            peer(Kind::Library, "futures", || {
                use futures::StreamExt;
                wait(ten_maps!(stream::iter(0..black_box(1))))
            }),
            peer(Kind::Library, "tokio-stream", || {
                use tokio_stream::StreamExt;
                wait(ten_maps!(tokio_stream::iter(0..black_box(1))))
            }),
            peer(Kind::Library, "rxrust", || {
                use rxrust::prelude::*;
                observe!(ten_maps!(Local::from_iter(0..black_box(1))))
            }),
        ],
    }]
}
