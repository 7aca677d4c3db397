//! The connection as an operator: every pattern of demand, cancellation, failure and panic, in several
//! widths and orders of the tasks; and the 43 rules.

use millstream::executor::Executor;
use millstream::prelude::*;
use millstream_testkit::sweep::{Options, Source, TestError, check_driven};
use millstream_testkit::{rules, rules_for};
use millstream_wire::{connect, serve};

use crate::common::{Cable, WIDTHS, across, decode, encode, seeded};
use crate::eager::Eager;

#[test]
fn a_stream_across_a_connection_is_the_stream() {
    for (seed, widths) in WIDTHS.into_iter().enumerate() {
        check_driven(
            &format!("across, {widths:?}"),
            |source: Source<false>| {
                let executor = seeded(seed as u64);
                let ledger = source.ledger().clone();
                let (stream, _told) = across(source, &ledger, &executor, widths);
                (stream, move || executor.run_until_idle())
            },
            |items| items,
            // One that breaks is an error here.
            Options::default().keeps_faults().retells_causes().long(500),
        );
    }
}

fn numbers<P>(executor: Eager, publisher: P) -> impl Publisher<Item = i64, Error = TestError>
where
    P: Publisher<Item = i64, Error = TestError>,
{
    let cable = Cable::new(1 << 16, 1 << 16);
    let serve = serve(publisher, cable.link(0), encode, 8)
        .with_errors(|error: &TestError, into: &mut Vec<u8>| encode(&(error.0 as i64), into));
    executor
        .spawn(Box::pin(async move {
            let _report = serve.await;
        }))
        .unwrap();
    connect(executor, cable.link(1), decode, 8)
        .with_errors(|bytes: &[u8]| decode(bytes).map(|n| TestError(n as u64)))
        .map_err(|error| match error {
            millstream_wire::WireError::Failed(error) => error,
            other => panic!("{other}"),
        })
}

fn of(n: u64) -> std::ops::Range<i64> {
    0..n as i64
}

rules_for! {
    connected: rules::publisher(|n| numbers(
            Eager::default(),
            millstream::from_iter(of(n)).map_err(|never| match never {}),
        ))
        .failing(|n| numbers(
            Eager::default(),
            millstream::from_iter(of(n))
                .map_err(|never| match never {})
                .chain(millstream::fail(TestError(n))),
        ));
}
