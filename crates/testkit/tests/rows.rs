//! The sweep passes operators that are right, and says what is wrong with those that are not.

use millstream::prelude::*;
use millstream_testkit::rows;

rows! {
    source_alone: |source| source, |items| items;
    map: |source| source.map(|n| n.map(|n| n + 1)), |items| items.iter().map(|n| n + 1);
    filter: |source| source.filter(|n| n.value() % 2 == 0), |items| items.into_iter().filter(|n| n % 2 == 0);
    filter_all: |source| source.filter(|_| false), |_items| [];
    take: |source| source.take(2), |items| items.into_iter().take(2);
    take_none: |source| source.take(0), |_items| [];
    chain_of_three: |source| source.map(|n| n).filter(|_| true).take(3), |items| items.into_iter().take(3);
    boxed: |source| source.boxed(), |items| items, |options| options.long(1_000);
    mapped_to_numbers: |source| source.map(|n| n.value()), |items| items;
}
