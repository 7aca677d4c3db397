//! Claims about the operators that put several items into one.

mod common;

use std::convert::Infallible;

use common::{Ended, Mint, Token, panic_message, scripted, watch};
use millstream::prelude::*;
use millstream::{More, Publisher};

// ---- chunks -----------------------------------------------------------------------------------

#[test]
fn chunks_multiply_demand() {
    let (source, control) = scripted::<u32, Infallible>();
    let seen = watch(source.chunks(3));
    assert_eq!(control.asked(), []);
    seen.request(2);
    assert_eq!(control.asked(), [More::of(6)]);
    for n in 1..=6 {
        control.next(n);
    }
    assert_eq!((seen.items(), control.asked()), (vec![vec![1, 2, 3], vec![4, 5, 6]], vec![]));
    seen.request_all();
    assert_eq!(control.asked(), [More::UNBOUNDED]);
}

#[test]
fn the_chunk_that_was_begun_is_sent_at_the_end() {
    let seen = watch(millstream::range(0..5).chunks(2));
    seen.request(2);
    assert_eq!((seen.items(), seen.end()), (vec![vec![0, 1], vec![2, 3]], None));
    seen.request(1);
    assert_eq!((seen.items(), seen.end()), (vec![vec![4]], Some(Ended::Complete)));
}

#[test]
fn chunks_of_an_empty_upstream_complete_without_demand() {
    assert_eq!(watch(millstream::empty::<u32>().chunks(2)).end(), Some(Ended::Complete));
}

#[test]
fn the_chunk_that_was_begun_is_dropped_at_an_error_and_at_a_cancellation() {
    let mint = Mint::default();
    let (source, control) = scripted::<Token, &str>();
    let seen = watch(source.chunks(2));
    seen.request(1);
    control.next(mint.token(1));
    assert_eq!(mint.alive(), 1);
    control.error("no");
    assert_eq!((seen.items(), seen.end()), (vec![], Some(Ended::Error("no"))));
    assert_eq!(mint.alive(), 0);

    let (source, control) = scripted::<Token, &str>();
    let seen = watch(source.chunks(2));
    seen.request(1);
    control.next(mint.token(1));
    seen.cancel();
    assert_eq!((mint.alive(), control.is_cancelled()), (0, true));
}

#[test]
fn a_size_beyond_memory_reserves_no_memory() {
    let seen = watch(millstream::range(0..3).chunks(usize::MAX));
    seen.request(1);
    assert_eq!((seen.items(), seen.end()), (vec![vec![0, 1, 2]], Some(Ended::Complete)));
}

#[test]
#[should_panic(expected = "chunks(0): a chunk holds at least 1 item")]
fn chunks_refuse_zero() {
    let _ = millstream::range(0..1).chunks(0);
}

// ---- sliding ----------------------------------------------------------------------------------

/// What Reactor's `buffer(size, step)` gives.
fn groups(n: u32, size: usize, step: usize) -> Vec<Vec<u32>> {
    let items: Vec<_> = (0..n).collect();
    let begins = (0..items.len()).step_by(step);
    begins.map(|at| items[at..items.len().min(at + size)].to_vec()).collect()
}

#[test]
fn sliding_groups_begin_every_step() {
    for n in 0..9 {
        for size in 1..5 {
            for step in 1..6 {
                let stream = millstream::range(0..n).sliding(size, step);
                let expected = groups(n, size, step);
                let all = stream.clone().collect::<Vec<_>>().block().unwrap();
                assert_eq!(all, expected, "{n} items, sliding({size}, {step})");
                let seen = watch(stream);
                for group in &expected {
                    assert_eq!(seen.end(), None);
                    seen.request(1);
                    assert_eq!(
                        &seen.items()[..],
                        std::slice::from_ref(group),
                        "{n} items, ({size}, {step})"
                    );
                }
            }
        }
    }
}

#[test]
fn sliding_asks_for_a_whole_group_first_and_for_steps_later() {
    for (size, step) in [(3, 1), (3, 2), (2, 2), (2, 5)] {
        let (source, control) = scripted::<u32, Infallible>();
        let seen = watch(source.sliding(size, step));
        assert_eq!(control.asked(), []);
        seen.request(3);
        let first = (size + 2 * step) as u64;
        assert_eq!(control.asked(), [More::of(first)]);
        for n in 0..first {
            control.next(n as u32);
        }
        // What was asked for is what it takes: all that was asked for is there, and no more.
        assert_eq!((seen.items().len(), control.asked()), (3, vec![]));
        seen.request(2);
        assert_eq!(control.asked(), [More::of(2 * step as u64)]);
    }
}

#[test]
fn sliding_without_bound_asks_without_bound() {
    let (source, control) = scripted::<u32, Infallible>();
    watch(source.sliding(3, 1)).request_all();
    assert_eq!(control.asked(), [More::UNBOUNDED]);
}

#[test]
fn groups_that_were_begun_wait_for_demand_at_the_end() {
    let seen = watch(millstream::range(0..3).sliding(3, 1));
    seen.request(1);
    assert_eq!((seen.items(), seen.end()), (vec![vec![0, 1, 2]], None));
    seen.request(1);
    assert_eq!((seen.items(), seen.end()), (vec![vec![1, 2]], None));
    seen.request(1);
    assert_eq!((seen.items(), seen.end()), (vec![vec![2]], Some(Ended::Complete)));
}

#[test]
fn groups_that_were_begun_are_dropped_at_an_error_and_at_a_cancellation() {
    let mint = Mint::default();
    let (source, control) = scripted::<Token, &str>();
    let seen = watch(source.sliding(3, 1));
    seen.request(2);
    for n in 0..3 {
        control.next(mint.token(n));
    }
    // The group that was sent, and copies of the two items that the next one shares.
    assert_eq!(mint.alive(), 5);
    assert_eq!(seen.items().len(), 1);
    control.error("no");
    assert_eq!((seen.end(), mint.alive()), (Some(Ended::Error("no")), 0));

    let tokens: Vec<_> = (0..3).map(|n| mint.token(n)).collect();
    let seen = watch(millstream::from_iter(tokens).sliding(3, 1));
    seen.request(2);
    drop(seen.items());
    // After the end of upstream, with one group left.
    assert_eq!(mint.alive(), 1);
    seen.cancel();
    assert_eq!(mint.alive(), 0);
}

#[test]
#[should_panic(expected = "sliding(0, _)")]
fn sliding_refuses_groups_of_nothing() {
    let _ = millstream::range(0..1).sliding(0, 1);
}

#[test]
#[should_panic(expected = "sliding(_, 0)")]
fn sliding_refuses_to_stand_still() {
    let _ = millstream::range(0..1).sliding(1, 0);
}

#[test]
fn a_panic_in_clone_is_a_fault_and_loses_nothing() {
    struct Fragile(Token);
    impl Clone for Fragile {
        fn clone(&self) -> Fragile {
            assert!(self.0.0 < 2, "broken glass");
            Fragile(self.0.clone())
        }
    }
    let mint = Mint::default();
    let items: Vec<_> = (0..4).map(|n| Fragile(mint.token(n))).collect();
    let broken = millstream::from_iter(items).sliding(2, 1);
    fn check<P: Publisher<Error: std::fmt::Debug>>(broken: P) {
        assert_eq!(panic_message(broken.collect::<Vec<_>>().block()), "broken glass");
    }
    check(broken);
    assert_eq!(mint.alive(), 0);
}
