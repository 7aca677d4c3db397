//! Each item to few subscribers, or many: the cost for each of them.

use super::{Axis, line};
use crate::workloads::fan_out::{counted, observed, published, told};
use crate::{Kind, items};

/// As many deliveries everywhere, and more than the queues hold.
fn each(subscribers: u64) -> u64 {
    (items() / subscribers).max(1_000)
}

pub(super) fn axis() -> Axis {
    Axis {
        name: "subscribers",
        task: "each item to several subscribers, for each of them",
        points: &[1, 3, 10, 30, 100, 300, 1_000],
        items: |subscribers| each(subscribers) * subscribers,
        lines: vec![
            line(Kind::Limit, "a loop", |subscribers| counted(each(subscribers), subscribers)),
            line(Kind::Ours, "millstream, publish", |subscribers| {
                published(each(subscribers), subscribers)
            }),
            line(Kind::Library, "rxrust, subject", |subscribers| {
                observed(each(subscribers), subscribers)
            }),
            line(Kind::Library, "tokio, broadcast", |subscribers| {
                told(each(subscribers), subscribers)
            }),
        ],
    }
}
