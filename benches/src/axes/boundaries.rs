//! A pipeline with boundaries between its threads or tasks; the source is never where the sink is.

use std::hint::black_box;

use super::{Axis, line};
use crate::channels::{BUFFER, through, through_tasks};
use crate::executors::{POOL, TOKIO};
use crate::{Kind, add_up, items};

pub(super) fn axis() -> Axis {
    Axis {
        name: "boundaries",
        task: "items through queues of 256",
        points: &[0, 1, 2, 3, 4, 6, 8],
        items: |_| items(),
        lines: vec![
            line(Kind::Limit, "ring, spinning", |boundaries| {
                blocking(boundaries, || rtrb::RingBuffer::new(BUFFER))
            }),
            line(Kind::Ours, "millstream, 2 workers", millstream),
            line(Kind::Library, "crossbeam", |boundaries| {
                blocking(boundaries, || crossbeam_channel::bounded(BUFFER))
            }),
            line(Kind::Library, "kanal", |boundaries| {
                blocking(boundaries, || kanal::bounded(BUFFER))
            }),
            line(Kind::Library, "tokio, 2 workers", |boundaries| match boundaries {
                0 => none(),
                _ => through_tasks(
                    &TOKIO,
                    boundaries as usize,
                    items(),
                    || tokio::sync::mpsc::channel(BUFFER),
                    same,
                ),
            }),
        ],
    }
}

fn same(item: u64) -> u64 {
    item
}

/// Without a boundary there is one loop, for everybody.
fn none() -> u64 {
    (0..black_box(items())).map(|item| item + 1).fold(0, add_up)
}

fn blocking<T, R>(boundaries: u64, make: impl Fn() -> (T, R)) -> u64
where
    T: crate::channels::Tx,
    R: crate::channels::Rx,
{
    match boundaries {
        0 => none(),
        _ => through(boundaries as usize, items(), make, same),
    }
}

fn millstream(boundaries: u64) -> u64 {
    use millstream::prelude::*;
    macro_rules! through {
        ($source:expr;) => { $source };
        ($source:expr; $one:tt $($rest:tt)*) => {
            through!($source.publish_on(POOL.handle(), BUFFER); $($rest)*)
        };
    }
    macro_rules! sum {
        ($($boundary:tt)*) => {{
            let source = millstream::from_iter(0..black_box(items())).map(|item| item + 1);
            let source = source.subscribe_on(POOL.handle());
            through!(source; $($boundary)*).fold(0, add_up).block().expect("it does not fail")
        }};
    }
    match boundaries {
        0 => {
            let source = millstream::from_iter(0..black_box(items())).map(|item| item + 1);
            source.fold(0, add_up).block().expect("it does not fail")
        }
        1 => sum!(1),
        2 => sum!(1 2),
        3 => sum!(1 2 3),
        4 => sum!(1 2 3 4),
        6 => sum!(1 2 3 4 5 6),
        8 => sum!(1 2 3 4 5 6 7 8),
        other => panic!("no pipeline of {other} boundaries was compiled"),
    }
}
