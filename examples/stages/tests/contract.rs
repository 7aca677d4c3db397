//! What the kits of `millstream-testkit` say of the stages, on real threads: the 43 rules, and every
//! pattern of demand, cancellation, failure and panic.

#![cfg(not(millstream_loom))]

use std::sync::LazyLock;
use std::time::Duration;

use millstream::Publisher;
use millstream::executor::Pool;
use millstream_example_stages::gate::gated;
use millstream_example_stages::handoff::Handoff;
use millstream_testkit::{rows, rules, rules_for};

static POOL: LazyLock<Pool> = LazyLock::new(|| Pool::new(2));

fn handoff<P: Publisher>(upstream: P) -> impl Publisher<Item = P::Item, Error = P::Error> {
    Handoff::new(upstream, POOL.handle())
}

fn opened<P: Publisher>(upstream: P) -> impl Publisher<Item = P::Item, Error = P::Error> {
    let (gated, gate) = gated(upstream);
    gate.open();
    gated
}

rules_for! {
    a_gate_keeps_the_rules: rules::processor(opened);
    a_handoff_keeps_the_rules: rules::processor(handoff).patience(Duration::from_secs(10));
}

rows! {
    a_gate_sends_what_comes: |source| opened(source), |items| items;
    a_handoff_sends_what_comes: |source| handoff(source), |items| items,
        |options| options.patience(Duration::from_secs(10));
}
