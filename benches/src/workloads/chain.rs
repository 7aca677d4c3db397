//! W1: a synchronous chain with demand without bound.

use std::cell::Cell;
use std::rc::Rc;

use futures::future::ready;
use futures::stream;

use super::{
    even, fifty_maps, fifty_receivers, maps, peer, receivers, step, ten_maps, ten_receivers,
};
use crate::model::{Filter, Handle, Map, OwnSum, Receiver, Sum, UNBOUNDED, drive};
use crate::peers::{
    iterate, subscribe, subscribe_by, subscribe_keeping, wait, wait_by, wait_by_fold,
};
use crate::{Kind, Measure, Promise, Workload, add_up, add_up_in_a_register, items, observe};

pub(super) fn workloads() -> Vec<Workload> {
    vec![three(), in_a_register(), ten(), fifty(), boxed_three(), boxed_ten(), boxed_fifty()]
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
            of_jvm: Some(0.13),
            ..Promise::default()
        },
        peers: vec![
            peer(Kind::Limit, "iterator", || {
                iterate((0..items()).map(|item| item + 1).filter(even).map(|item| item * 3))
            }),
            peer(Kind::Model, "model", || {
                let (total, handle) = (Cell::new(0), Handle::default());
                let sum = Sum::new(&total, &handle, UNBOUNDED);
                let mut down = Map(|item| item + 1, Filter(even, Map(|item| item * 3, sum)));
                drive(items(), &handle, &mut down);
                total.get()
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
            peer(Kind::Other, "millstream, handle kept", || {
                use millstream::prelude::*;
                subscribe_keeping::<UNBOUNDED>(
                    millstream::from_iter(0..items())
                        .map(|item| item + 1)
                        .filter(even)
                        .map(|item| item * 3),
                )
            }),
            peer(Kind::Other, "millstream, fold", || {
                use millstream::prelude::*;
                let chain = millstream::from_iter(0..items()).map(|item| item + 1).filter(even);
                chain.map(|item| item * 3).fold(0, add_up).block().expect("it cannot fail")
            }),
            peer(Kind::Library, "futures, fold", || {
                use futures::StreamExt;
                wait_by_fold(
                    stream::iter(0..items())
                        .map(|item| item + 1)
                        .filter(|item| ready(even(item)))
                        .map(|item| item * 3),
                )
            }),
            peer(Kind::Library, "futures", || {
                use futures::StreamExt;
                wait(
                    stream::iter(0..items())
                        .map(|item| item + 1)
                        .filter(|item| ready(even(item)))
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

/// As W1/3, with a sink that takes items in a register and leaves memory alone: what a peer keeps
/// in memory, and why, shows less.
fn in_a_register() -> Workload {
    Workload {
        name: "W1/register",
        task: "map, filter, map; the sink takes its items in a register",
        measure: Measure::Alone,
        size: items,
        promise: Promise { allocations: Some(1), ..Promise::NONE },
        peers: vec![
            peer(Kind::Limit, "iterator", || {
                let items = (0..items()).map(|item| item + 1).filter(even).map(|item| item * 3);
                let mut total = 0;
                for item in items {
                    total = add_up_in_a_register(total, item);
                }
                total
            }),
            peer(Kind::Ours, "millstream", || {
                use millstream::prelude::*;
                let chain = millstream::from_iter(0..items()).map(|item| item + 1).filter(even);
                subscribe_by(chain.map(|item| item * 3), add_up_in_a_register)
            }),
            peer(Kind::Library, "futures", || {
                use futures::StreamExt;
                let chain = stream::iter(0..items()).map(|item| item + 1);
                let chain = chain.filter(|item| ready(even(item)));
                wait_by(chain.map(|item| item * 3), add_up_in_a_register)
            }),
            peer(Kind::Library, "rxrust", || {
                use rxrust::prelude::*;
                let chain = Local::from_iter(0..items()).map(|item| item + 1).filter(even);
                observe!(chain.map(|item| item * 3), add_up_in_a_register)
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
            of_jvm: Some(0.13),
            ..Promise::default()
        },
        peers: vec![
            peer(Kind::Limit, "iterator", || iterate(ten_maps!(0..items()))),
            peer(Kind::Model, "model", || {
                let (total, handle) = (Cell::new(0), Handle::default());
                let sum = Sum::new(&total, &handle, UNBOUNDED);
                drive(items(), &handle, &mut ten_receivers!(sum));
                total.get()
            }),
            peer(Kind::Ours, "millstream", || {
                use millstream::prelude::*;
                subscribe::<UNBOUNDED>(ten_maps!(millstream::from_iter(0..items())))
            }),
            peer(Kind::Library, "futures, fold", || {
                use futures::StreamExt;
                wait_by_fold(ten_maps!(stream::iter(0..items())))
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
            of_jvm: Some(0.13),
            ..Promise::default()
        },
        peers: vec![
            peer(Kind::Limit, "iterator", || iterate(fifty_maps!(0..items()))),
            peer(Kind::Model, "model", || {
                let (total, handle) = (Cell::new(0), Handle::default());
                let sum = Sum::new(&total, &handle, UNBOUNDED);
                drive(items(), &handle, &mut fifty_receivers!(sum));
                total.get()
            }),
            peer(Kind::Ours, "millstream", || {
                use millstream::prelude::*;
                subscribe::<UNBOUNDED>(fifty_maps!(millstream::from_iter(0..items())))
            }),
            peer(Kind::Library, "futures, fold", || {
                use futures::StreamExt;
                wait_by_fold(fifty_maps!(stream::iter(0..items())))
            }),
            peer(Kind::Library, "futures", || {
                use futures::StreamExt;
                wait(fifty_maps!(stream::iter(0..items())))
            }),
            peer(Kind::Library, "tokio-stream", || {
                use tokio_stream::StreamExt;
                wait(fifty_maps!(tokio_stream::iter(0..items())))
            }),
        ],
    }
}

/// A promise for a chain with each stage behind a pointer.
const BOXED: Promise =
    Promise { of_model: Some(1.2), of_best: Some(0.5), of_jvm: Some(0.5), ..Promise::NONE };

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
                let (total, handle) = (Rc::new(Cell::new(0)), Handle::default());
                let down: Down = Box::new(OwnSum::new(&total, &handle));
                let down: Down = Box::new(Map(|item| item * 3, down));
                let down: Down = Box::new(Filter(even, down));
                let mut down: Down = Box::new(Map(|item| item + 1, down));
                drive(items(), &handle, &mut down);
                total.get()
            }),
            peer(Kind::Ours, "millstream, boxed", || {
                use millstream::prelude::*;
                let chain = millstream::from_iter(0..items()).boxed();
                let chain = chain.map(|item| item + 1).boxed().filter(even).boxed();
                subscribe::<UNBOUNDED>(chain.map(|item| item * 3).boxed())
            }),
            peer(Kind::Library, "futures, boxed, fold", || {
                use futures::StreamExt;
                let chain = stream::iter(0..items()).boxed().map(|item| item + 1).boxed();
                let chain = chain.filter(|item| ready(even(item))).boxed();
                wait_by_fold(chain.map(|item| item * 3).boxed())
            }),
            peer(Kind::Library, "futures, boxed", || {
                use futures::StreamExt;
                let chain = stream::iter(0..items()).boxed().map(|item| item + 1).boxed();
                let chain = chain.filter(|item| ready(even(item))).boxed();
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
            peer(Kind::Library, "futures, boxed, fold", || wait_by_fold(boxed_futures(10))),
            peer(Kind::Library, "futures, boxed", || wait(boxed_futures(10))),
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
            peer(Kind::Library, "futures, boxed, fold", || wait_by_fold(boxed_futures(50))),
            peer(Kind::Library, "futures, boxed", || wait(boxed_futures(50))),
        ],
    }
}

pub(crate) fn boxed_iterator(depth: usize) -> u64 {
    let mut chain: Box<dyn Iterator<Item = u64>> = Box::new(0..items());
    for _ in 0..depth {
        chain = Box::new(chain.map(step));
    }
    iterate(chain)
}

pub(crate) fn boxed_model(depth: usize) -> u64 {
    let (total, handle) = (Rc::new(Cell::new(0)), Handle::default());
    let mut down: Down = Box::new(OwnSum::new(&total, &handle));
    for _ in 0..depth {
        down = Box::new(Map(step, down));
    }
    drive(items(), &handle, &mut down);
    total.get()
}

pub(crate) fn boxed_millstream(depth: usize) -> u64 {
    use millstream::prelude::*;
    let mut chain = millstream::from_iter(0..items()).boxed();
    for _ in 0..depth {
        chain = chain.map(step).boxed();
    }
    subscribe::<UNBOUNDED>(chain)
}

pub(crate) fn boxed_futures(depth: usize) -> stream::BoxStream<'static, u64> {
    use futures::StreamExt;
    let mut chain = stream::iter(0..items()).boxed();
    for _ in 0..depth {
        chain = chain.map(step).boxed();
    }
    chain
}
