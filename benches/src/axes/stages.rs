//! A chain of maps, of which each has a type of its own, or a box.

use futures::stream;

use super::{Axis, line};
use crate::model::UNBOUNDED;
use crate::peers::{iterate, subscribe, wait, wait_by_fold};
use crate::workloads::chain::{boxed_futures, boxed_iterator, boxed_millstream, boxed_model};
use crate::workloads::{maps, step, ten_maps};
use crate::{Kind, items};

pub(super) fn axis() -> Axis {
    Axis {
        name: "stages",
        task: "a chain of maps",
        points: &[1, 2, 5, 10, 20, 30, 40, 50],
        items: |_| items(),
        lines: vec![
            line(Kind::Limit, "iterator", iterator),
            line(Kind::Ours, "millstream", millstream),
            line(Kind::Library, "futures", futures),
            line(Kind::Other, "iterator, boxed", |stages| boxed_iterator(stages as usize)),
            line(Kind::Model, "model, boxed", |stages| boxed_model(stages as usize)),
            line(Kind::Ours, "millstream, boxed", |stages| boxed_millstream(stages as usize)),
            line(Kind::Library, "futures, boxed", |stages| wait(boxed_futures(stages as usize))),
        ],
    }
}

/// `$run` with the chain of each length.
macro_rules! at {
    ($stages:expr, $run:path, $source:expr) => {
        match $stages {
            1 => $run(maps!($source; 0)),
            2 => $run(maps!($source; 0 1)),
            5 => $run(maps!($source; 0 1 2 3 4)),
            10 => $run(ten_maps!($source)),
            20 => $run(ten_maps!(ten_maps!($source))),
            30 => $run(ten_maps!(ten_maps!(ten_maps!($source)))),
            40 => $run(ten_maps!(ten_maps!(ten_maps!(ten_maps!($source))))),
            50 => $run(ten_maps!(ten_maps!(ten_maps!(ten_maps!(ten_maps!($source)))))),
            other => panic!("no chain of {other} stages was compiled"),
        }
    };
}

fn iterator(stages: u64) -> u64 {
    at!(stages, iterate, 0..items())
}

fn millstream(stages: u64) -> u64 {
    use millstream::prelude::*;
    at!(stages, subscribe::<UNBOUNDED>, millstream::from_iter(0..items()))
}

fn futures(stages: u64) -> u64 {
    use ::futures::StreamExt;
    at!(stages, wait_by_fold, stream::iter(0..items()))
}
