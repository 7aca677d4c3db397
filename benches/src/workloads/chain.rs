//! W1: a synchronous chain with demand without bound.

use std::cell::Cell;
use std::convert::Infallible;
use std::hint::black_box;
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
    vec![
        three(),
        in_a_register(),
        ten(),
        fifty(),
        boxed_three(),
        boxed_ten(),
        boxed_fifty(),
        boxed_fifty_of_their_own(),
    ]
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

/// A promise for a chain with each stage behind a pointer. Each peer goes through `black_box` before
/// it is run: whoever runs a boxed chain does not know what is in the box, and where it is made in the
/// same function the compiler looks into the outermost.
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
                iterate(black_box(chain))
            }),
            peer(Kind::Model, "model, boxed", || {
                let (total, handle) = (Rc::new(Cell::new(0)), Handle::default());
                let down: Down = Box::new(OwnSum::new(&total, &handle));
                let down: Down = Box::new(Map(|item| item * 3, down));
                let down: Down = Box::new(Filter(even, down));
                let down: Down = Box::new(Map(|item| item + 1, down));
                drive(items(), &handle, &mut black_box(down));
                total.get()
            }),
            peer(Kind::Ours, "millstream, boxed", || {
                use millstream::prelude::*;
                let chain = millstream::from_iter(0..items()).boxed();
                let chain = chain.map(|item| item + 1).boxed().filter(even).boxed();
                subscribe::<UNBOUNDED>(black_box(chain.map(|item| item * 3).boxed()))
            }),
            peer(Kind::Library, "futures, boxed, fold", || {
                use futures::StreamExt;
                let chain = stream::iter(0..items()).boxed().map(|item| item + 1).boxed();
                let chain = chain.filter(|item| ready(even(item))).boxed();
                wait_by_fold(black_box(chain.map(|item| item * 3).boxed()))
            }),
            peer(Kind::Library, "futures, boxed", || {
                use futures::StreamExt;
                let chain = stream::iter(0..items()).boxed().map(|item| item + 1).boxed();
                let chain = chain.filter(|item| ready(even(item))).boxed();
                wait(black_box(chain.map(|item| item * 3).boxed()))
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

/// As W1/boxed-50, but with a function of its own for each stage, as in a user's chain: where one
/// jump stands for all stages, the processor cannot tell the last of fifty from the others.
fn boxed_fifty_of_their_own() -> Workload {
    Workload {
        name: "W1/boxed-50-own",
        task: "fifty maps, each boxed, each function another",
        measure: Measure::Alone,
        size: items,
        promise: Promise { of_jvm: None, ..BOXED },
        peers: vec![
            peer(Kind::Limit, "iterator, boxed", || {
                iterate(black_box(fifty_of_their_own!(Box::new(0..items()), iterator_over)))
            }),
            peer(Kind::Model, "model, boxed", || {
                let (total, handle) = (Rc::new(Cell::new(0)), Handle::default());
                let sum: Down = Box::new(OwnSum::new(&total, &handle));
                let down = fifty_of_their_own_backwards!(sum, receiver_over);
                drive(items(), &handle, &mut black_box(down));
                total.get()
            }),
            peer(Kind::Ours, "millstream, boxed", || {
                use millstream::prelude::*;
                let source = millstream::from_iter(0..items()).boxed();
                subscribe::<UNBOUNDED>(black_box(fifty_of_their_own!(source, publisher_over)))
            }),
            peer(Kind::Library, "futures, boxed, fold", || {
                use futures::StreamExt;
                let source = stream::iter(0..items()).boxed();
                wait_by_fold(black_box(fifty_of_their_own!(source, stream_over)))
            }),
            peer(Kind::Library, "futures, boxed", || {
                use futures::StreamExt;
                let source = stream::iter(0..items()).boxed();
                wait(black_box(fifty_of_their_own!(source, stream_over)))
            }),
        ],
    }
}

/// `$over(chain, function)` fifty times, each function another.
macro_rules! of_their_own {
    ($chain:expr, $over:ident; $($own:literal)*) => {{
        let chain = $chain;
        $(let chain = $over(chain, |item| step(item) ^ $own);)*
        chain
    }};
}
macro_rules! fifty_of_their_own {
    ($chain:expr, $over:ident) => {
        of_their_own!($chain, $over;
            0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24
            25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49)
    };
}
/// For receivers, of which the last is made first.
macro_rules! fifty_of_their_own_backwards {
    ($chain:expr, $over:ident) => {
        of_their_own!($chain, $over;
            49 48 47 46 45 44 43 42 41 40 39 38 37 36 35 34 33 32 31 30 29 28 27 26 25
            24 23 22 21 20 19 18 17 16 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1 0)
    };
}
use {fifty_of_their_own, fifty_of_their_own_backwards, of_their_own};

fn iterator_over(
    chain: Box<dyn Iterator<Item = u64>>,
    function: impl Fn(u64) -> u64 + 'static,
) -> Box<dyn Iterator<Item = u64>> {
    Box::new(chain.map(function))
}

fn receiver_over(down: Down, function: impl Fn(u64) -> u64 + 'static) -> Down {
    Box::new(Map(function, down))
}

fn publisher_over(
    chain: millstream::BoxPublisher<u64, Infallible>,
    function: impl Fn(u64) -> u64 + Send + 'static,
) -> millstream::BoxPublisher<u64, Infallible> {
    use millstream::prelude::*;
    chain.map(function).boxed()
}

fn stream_over(
    chain: stream::BoxStream<'static, u64>,
    function: impl Fn(u64) -> u64 + Send + 'static,
) -> stream::BoxStream<'static, u64> {
    use futures::StreamExt;
    chain.map(function).boxed()
}

pub(crate) fn boxed_iterator(depth: usize) -> u64 {
    let mut chain: Box<dyn Iterator<Item = u64>> = Box::new(0..items());
    for _ in 0..depth {
        chain = Box::new(chain.map(step));
    }
    iterate(black_box(chain))
}

pub(crate) fn boxed_model(depth: usize) -> u64 {
    let (total, handle) = (Rc::new(Cell::new(0)), Handle::default());
    let mut down: Down = Box::new(OwnSum::new(&total, &handle));
    for _ in 0..depth {
        down = Box::new(Map(step, down));
    }
    drive(items(), &handle, &mut black_box(down));
    total.get()
}

pub(crate) fn boxed_millstream(depth: usize) -> u64 {
    use millstream::prelude::*;
    let mut chain = millstream::from_iter(0..items()).boxed();
    for _ in 0..depth {
        chain = chain.map(step).boxed();
    }
    subscribe::<UNBOUNDED>(black_box(chain))
}

pub(crate) fn boxed_futures(depth: usize) -> stream::BoxStream<'static, u64> {
    use futures::StreamExt;
    let mut chain = stream::iter(0..items()).boxed();
    for _ in 0..depth {
        chain = chain.map(step).boxed();
    }
    black_box(chain)
}
