//! W1: a synchronous chain with demand without bound.

use futures::stream;

use super::{
    even, fifty_maps, fifty_receivers, maps, peer, receivers, step, ten_maps, ten_receivers,
};
use crate::model::{Filter, Handle, Map, Receiver, Sum, UNBOUNDED, drive};
use crate::peers::{iterate, subscribe, wait};
use crate::{Kind, Measure, Promise, Workload, items, observe};

pub(super) fn workloads() -> Vec<Workload> {
    vec![three(), ten(), fifty(), boxed_three(), boxed_ten(), boxed_fifty()]
}

fn three() -> Workload {
    Workload {
        name: "W1/3",
        task: "map, filter, map; half of the items pass",
        measure: Measure::Alone,
        size: items,
        promise: Promise {
            of_limit: Some(1.1),
            of_best: Some(1.1),
            allocations: Some(1),
            ..Promise::default()
        },
        peers: vec![
            peer(Kind::Limit, "iterator", || {
                iterate((0..items()).map(|item| item + 1).filter(even).map(|item| item * 3))
            }),
            peer(Kind::Model, "model", || {
                let handle = Handle::default();
                let down = Map(
                    |item| item + 1,
                    Filter(even, Map(|item| item * 3, Sum::<UNBOUNDED>::new(&handle))),
                );
                drive(&handle, 0..items(), down)
            }),
            peer(Kind::Ours, "millstream", || {
                use millstream::prelude::*;
                subscribe::<UNBOUNDED>(
                    millstream::from_iter(0..items())
                        .map(|item| item + 1)
                        .filter(even)
                        .map(|item| item * 3),
                )
            }),
            peer(Kind::Library, "futures", || {
                use futures::StreamExt;
                wait(
                    stream::iter(0..items())
                        .map(|item| item + 1)
                        .filter(|item| std::future::ready(even(item)))
                        .map(|item| item * 3),
                )
            }),
            peer(Kind::Library, "tokio-stream", || {
                use tokio_stream::StreamExt;
                wait(
                    tokio_stream::iter(0..items())
                        .map(|item| item + 1)
                        .filter(even)
                        .map(|item| item * 3),
                )
            }),
            peer(Kind::Library, "rxrust", || {
                use rxrust::prelude::*;
                observe!(
                    Local::from_iter(0..items())
                        .map(|item| item + 1)
                        .filter(even)
                        .map(|item| item * 3)
                )
            }),
        ],
    }
}

fn ten() -> Workload {
    Workload {
        name: "W1/10",
        task: "ten maps",
        measure: Measure::Alone,
        size: items,
        promise: Promise {
            of_limit: Some(1.15),
            of_best: Some(1.1),
            allocations: Some(1),
            ..Promise::default()
        },
        peers: vec![
            peer(Kind::Limit, "iterator", || iterate(ten_maps!(0..items()))),
            peer(Kind::Model, "model", || {
                let handle = Handle::default();
                let down = ten_receivers!(Sum::<UNBOUNDED>::new(&handle));
                drive(&handle, 0..items(), down)
            }),
            peer(Kind::Ours, "millstream", || {
                use millstream::prelude::*;
                subscribe::<UNBOUNDED>(ten_maps!(millstream::from_iter(0..items())))
            }),
            peer(Kind::Library, "futures", || {
                use futures::StreamExt;
                wait(ten_maps!(stream::iter(0..items())))
            }),
            peer(Kind::Library, "tokio-stream", || {
                use tokio_stream::StreamExt;
                wait(ten_maps!(tokio_stream::iter(0..items())))
            }),
            peer(Kind::Library, "rxrust", || {
                use rxrust::prelude::*;
                observe!(ten_maps!(Local::from_iter(0..items())))
            }),
        ],
    }
}

fn fifty() -> Workload {
    Workload {
        name: "W1/50",
        task: "fifty maps",
        measure: Measure::Alone,
        size: items,
        promise: Promise {
            of_limit: Some(1.15),
            of_best: Some(1.1),
            allocations: Some(1),
            ..Promise::default()
        },
        peers: vec![
            peer(Kind::Limit, "iterator", || iterate(fifty_maps!(0..items()))),
            peer(Kind::Model, "model", || {
                let handle = Handle::default();
                let down = fifty_receivers!(Sum::<UNBOUNDED>::new(&handle));
                drive(&handle, 0..items(), down)
            }),
            peer(Kind::Ours, "millstream", || {
                use millstream::prelude::*;
                subscribe::<UNBOUNDED>(fifty_maps!(millstream::from_iter(0..items())))
            }),
            peer(Kind::Library, "futures", || {
                use futures::StreamExt;
                wait(fifty_maps!(stream::iter(0..items())))
            }),
        ],
    }
}

/// A promise for a chain with each stage behind a pointer.
const BOXED: Promise = Promise { of_model: Some(1.2), of_best: Some(0.5), ..Promise::NONE };

type Down = Box<dyn Receiver<u64>>;

fn boxed_three() -> Workload {
    Workload {
        name: "W1/boxed-3",
        task: "map, filter, map, each stage boxed",
        measure: Measure::Alone,
        size: items,
        promise: BOXED,
        peers: vec![
            peer(Kind::Limit, "iterator, boxed", || {
                let chain: Box<dyn Iterator<Item = u64>> = Box::new(0..items());
                let chain: Box<dyn Iterator<Item = u64>> = Box::new(chain.map(|item| item + 1));
                let chain: Box<dyn Iterator<Item = u64>> = Box::new(chain.filter(even));
                let chain: Box<dyn Iterator<Item = u64>> = Box::new(chain.map(|item| item * 3));
                iterate(chain)
            }),
            peer(Kind::Model, "model, boxed", || {
                let handle = Handle::default();
                let down: Down = Box::new(Sum::<UNBOUNDED>::new(&handle));
                let down: Down = Box::new(Map(|item| item * 3, down));
                let down: Down = Box::new(Filter(even, down));
                let down: Down = Box::new(Map(|item| item + 1, down));
                drive(&handle, 0..items(), down)
            }),
            peer(Kind::Ours, "millstream, boxed", || {
                use millstream::prelude::*;
                let chain = millstream::from_iter(0..items()).boxed();
                let chain = chain.map(|item| item + 1).boxed().filter(even).boxed();
                subscribe::<UNBOUNDED>(chain.map(|item| item * 3).boxed())
            }),
            peer(Kind::Library, "futures, boxed", || {
                use futures::StreamExt;
                let chain = stream::iter(0..items()).boxed().map(|item| item + 1).boxed();
                let chain = chain.filter(|item| std::future::ready(even(item))).boxed();
                wait(chain.map(|item| item * 3).boxed())
            }),
        ],
    }
}

fn boxed_ten() -> Workload {
    Workload {
        name: "W1/boxed-10",
        task: "ten maps, each boxed",
        measure: Measure::Alone,
        size: items,
        promise: BOXED,
        peers: vec![
            peer(Kind::Limit, "iterator, boxed", || boxed_iterator(10)),
            peer(Kind::Model, "model, boxed", || boxed_model(10)),
            peer(Kind::Ours, "millstream, boxed", || boxed_millstream(10)),
            peer(Kind::Library, "futures, boxed", || boxed_futures(10)),
        ],
    }
}

fn boxed_fifty() -> Workload {
    Workload {
        name: "W1/boxed-50",
        task: "fifty maps, each boxed",
        measure: Measure::Alone,
        size: items,
        promise: BOXED,
        peers: vec![
            peer(Kind::Limit, "iterator, boxed", || boxed_iterator(50)),
            peer(Kind::Model, "model, boxed", || boxed_model(50)),
            peer(Kind::Ours, "millstream, boxed", || boxed_millstream(50)),
            peer(Kind::Library, "futures, boxed", || boxed_futures(50)),
        ],
    }
}

fn boxed_iterator(depth: usize) -> u64 {
    let mut chain: Box<dyn Iterator<Item = u64>> = Box::new(0..items());
    for _ in 0..depth {
        chain = Box::new(chain.map(step));
    }
    iterate(chain)
}

fn boxed_model(depth: usize) -> u64 {
    let handle = Handle::default();
    let mut down: Down = Box::new(Sum::<UNBOUNDED>::new(&handle));
    for _ in 0..depth {
        down = Box::new(Map(step, down));
    }
    drive(&handle, 0..items(), down)
}

fn boxed_millstream(depth: usize) -> u64 {
    use millstream::prelude::*;
    let mut chain = millstream::from_iter(0..items()).boxed();
    for _ in 0..depth {
        chain = chain.map(step).boxed();
    }
    subscribe::<UNBOUNDED>(chain)
}

fn boxed_futures(depth: usize) -> u64 {
    use futures::StreamExt;
    let mut chain = stream::iter(0..items()).boxed();
    for _ in 0..depth {
        chain = chain.map(step).boxed();
    }
    wait(chain)
}
