//! Items divided by key, into few groups or many.

use super::{Axis, line};
use crate::workloads::group::{counters, grouped, observed};
use crate::{Kind, items};

/// At least ten items for each group.
fn enough(groups: u64) -> u64 {
    items().max(10 * groups)
}

pub(super) fn axis() -> Axis {
    Axis {
        name: "groups",
        task: "items divided by key, and counted",
        points: &[1, 10, 100, 1_000, 10_000, 100_000],
        items: enough,
        lines: vec![
            line(Kind::Limit, "a map of counters", |groups| counters(enough(groups), groups)),
            line(Kind::Ours, "millstream", |groups| grouped(enough(groups), groups)),
            line(Kind::Library, "rxrust", |groups| observed(enough(groups), groups)),
        ],
    }
}
