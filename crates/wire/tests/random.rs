//! Random pipelines that a connection cuts in two: what comes out is what a plain iterator gives.

use millstream::prelude::*;
use millstream::{BoxPublisher, Failure};
use millstream_wire::{CodecError, connect, serve};
use proptest::prelude::*;

use crate::common::{Cable, report, seeded, served};

#[derive(Debug, Clone)]
enum Op {
    Double,
    Even,
    Take(usize),
    Skip(usize),
    Scan,
    Repeat(usize),
    Prefetch(usize),
    Chunks(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        Just(Op::Double),
        Just(Op::Even),
        (0_usize..12).prop_map(Op::Take),
        (0_usize..6).prop_map(Op::Skip),
        Just(Op::Scan),
        (0_usize..4).prop_map(Op::Repeat),
        (1_usize..6).prop_map(Op::Prefetch),
        (1_usize..5).prop_map(Op::Chunks),
    ]
}

type Items = Vec<i64>;

fn over_vec(items: Items, op: &Op) -> Items {
    let items = items.into_iter();
    match op {
        Op::Double => items.map(|n| n * 2).collect(),
        Op::Even => items.filter(|n| n % 2 == 0).collect(),
        Op::Take(n) => items.take(*n).collect(),
        Op::Skip(n) => items.skip(*n).collect(),
        Op::Scan => items
            .scan(0_i64, |sum, n| {
                *sum = sum.wrapping_add(n);
                Some(*sum)
            })
            .collect(),
        Op::Repeat(n) => items.flat_map(|item| std::iter::repeat_n(item, *n)).collect(),
        Op::Prefetch(_) => items.collect(),
        Op::Chunks(n) => {
            items.collect::<Vec<_>>().chunks(*n).map(|chunk| chunk.iter().sum()).collect()
        }
    }
}

fn over<E: Send + 'static>(upstream: BoxPublisher<i64, E>, op: &Op) -> BoxPublisher<i64, E> {
    match *op {
        Op::Double => upstream.map(|n| n * 2).boxed(),
        Op::Even => upstream.filter(|n| n % 2 == 0).boxed(),
        Op::Take(n) => upstream.take(n as u64).boxed(),
        Op::Skip(n) => upstream.skip(n as u64).boxed(),
        Op::Scan => upstream
            .scan(0_i64, |sum, n| {
                *sum = sum.wrapping_add(n);
                Some(*sum)
            })
            .boxed(),
        Op::Repeat(n) => upstream.concat_map_iter(move |item| std::iter::repeat_n(item, n)).boxed(),
        Op::Prefetch(n) => upstream.prefetch(n).boxed(),
        Op::Chunks(n) => upstream.chunks(n).map(|chunk| chunk.iter().sum()).boxed(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_pipeline_that_is_cut_in_two_gives_what_the_iterator_gives(
        n in 0_i64..40,
        fails in any::<bool>(),
        there in proptest::collection::vec(op(), 0..4),
        here in proptest::collection::vec(op(), 0..4),
        (ahead, window) in (1_usize..10, 1_usize..10),
        (room, piece) in (1_usize..200, 1_usize..200),
        seed in any::<u64>(),
    ) {
        let executor = seeded(seed);
        let cable = Cable::new(room, piece);
        let source = millstream::from_iter(0..n).map_err(|never| match never {});
        let source: BoxPublisher<i64, String> = if fails {
            source.chain(millstream::fail("no more".to_owned())).boxed()
        } else {
            source.boxed()
        };
        let upstream = there.iter().fold(source, over);
        // As JSON: whatever makes bytes will do.
        let to_json = |n: &i64, into: &mut Vec<u8>| serde_json::to_writer(into, n);
        let from_json =
            |bytes: &[u8]| serde_json::from_slice::<i64>(bytes).map_err(CodecError::from);
        let told = served(&executor, serve(upstream, cable.link(0), to_json, ahead));
        let received = connect(executor.clone(), cable.link(1), from_json, window).boxed();
        let stream = here.iter().fold(received, over);
        let (items, seen) = (Vec::new(), std::sync::Arc::new(std::sync::Mutex::new(Vec::new())));
        let noting = seen.clone();
        let ended = executor.run_until(
            stream.inspect(move |n| noting.lock().unwrap().push(*n)).fold(items, |mut all: Items, n| {
                all.push(n);
                all
            }),
        );
        executor.run_until_idle();
        let expected =
            there.iter().chain(&here).fold((0..n).collect::<Items>(), over_vec);
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        match ended {
            Ok(items) => {
                prop_assert_eq!(&items, &expected);
                prop_assert_eq!(seen, items);
            }
            Err(Failure::Error(error)) => {
                prop_assert!(fails);
                prop_assert_eq!(error.to_string(), "no more");
                prop_assert!(expected.starts_with(&seen) || !there.is_empty() || !here.is_empty());
            }
            Err(Failure::Fault(fault)) => panic!("{fault}"),
        }
        let report = report(&told);
        prop_assert!(report.sent <= report.asked && report.received <= report.sent);
        prop_assert!(!executor.step_spuriously(), "a task is left");
    }
}
