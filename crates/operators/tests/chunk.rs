//! Claims about the operators that put several items into one.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use crate::common::{Control, Ended, Mint, Token, Watch, panic_message, scripted, watch};
use millstream::chunk::{DelimitedError, Truncated};
use millstream::prelude::*;
use millstream::{More, Publisher};
use proptest::prelude::*;

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

// ---- chunks_skip ------------------------------------------------------------------------------

#[test]
fn chunks_skip_needs_no_copies_and_gives_what_sliding_gives() {
    #[derive(Debug, PartialEq, Eq)]
    struct NoClone(u32);
    for n in 0..9 {
        for size in 1..4 {
            for step in size..6 {
                let groups = millstream::range(0..n).map(NoClone).chunks_skip(size, step);
                let groups = groups.map(|group| group.iter().map(|n| n.0).collect::<Vec<_>>());
                let sliding = millstream::range(0..n).sliding(size, step);
                assert_eq!(
                    groups.collect::<Vec<_>>().block().unwrap(),
                    sliding.collect::<Vec<_>>().block().unwrap(),
                    "{n} items, chunks_skip({size}, {step})"
                );
            }
        }
    }
}

#[test]
fn chunks_skip_asks_for_no_gap_behind_the_last_group_it_owes() {
    let (source, control) = scripted::<u32, Infallible>();
    let seen = watch(source.chunks_skip(2, 5));
    seen.request(2);
    assert_eq!(control.asked(), [More::of(7)]);
    for n in 0..7 {
        control.next(n);
    }
    assert_eq!((seen.items(), control.asked()), (vec![vec![0, 1], vec![5, 6]], vec![]));
    seen.request(3);
    assert_eq!(control.asked(), [More::of(15)]);
}

#[test]
fn items_in_a_gap_are_discarded_and_told() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = told.clone();
    let groups = millstream::range(0..7_u32).chunks_skip(1, 3);
    let groups = groups.on_discard(move |n: u32| heard.lock().unwrap().push(n));
    assert_eq!(groups.collect::<Vec<_>>().block().unwrap(), [[0], [3], [6]]);
    assert_eq!(*told.lock().unwrap(), [1, 2, 4, 5]);
}

#[test]
#[should_panic(expected = "chunks_skip(3, 2): groups of 3 items that begin every 2 items overlap")]
fn chunks_skip_refuses_to_overlap() {
    let _ = millstream::range(0..1).chunks_skip(3, 2);
}

#[test]
#[should_panic(expected = "chunks_skip(0, _)")]
fn chunks_skip_refuses_groups_of_nothing() {
    let _ = millstream::range(0..1).chunks_skip(0, 2);
}

// ---- chunk_until, chunk_while, chunk_by_key ---------------------------------------------------

#[test]
fn a_chunk_that_is_owed_is_asked_for_item_by_item() {
    let (source, control) = scripted::<u32, Infallible>();
    let seen = watch(source.chunk_until(9, |n| n % 3 == 0));
    assert_eq!(control.asked(), []);
    seen.request(2);
    assert_eq!(control.asked(), [More::of(2)]);
    control.next(1);
    control.next(2);
    assert_eq!((seen.items(), control.asked()), (vec![], vec![More::ONE, More::ONE]));
    control.next(3);
    // One is still owed, and one item is on its way for it.
    assert_eq!((seen.items(), control.asked()), (vec![vec![1, 2, 3]], vec![]));
    control.next(6);
    assert_eq!((seen.items(), control.asked()), (vec![vec![6]], vec![]));
}

#[test]
fn a_chunk_that_reaches_the_limit_is_complete() {
    let never = millstream::range(0..5).chunk_until(2, |_| false);
    assert_eq!(never.collect::<Vec<_>>().block().unwrap(), [vec![0, 1], vec![2, 3], vec![4]]);
    let always = millstream::range(0..5).chunk_while(2, |_| true);
    assert_eq!(always.collect::<Vec<_>>().block().unwrap(), [vec![0, 1], vec![2, 3], vec![4]]);
    let same = millstream::range(0..5).chunk_by_key(2, |_| ());
    assert_eq!(same.collect::<Vec<_>>().block().unwrap(), [vec![0, 1], vec![2, 3], vec![4]]);
}

#[test]
fn a_chunk_that_reaches_the_limit_does_not_wait_for_the_item_behind_it() {
    let (source, control) = scripted::<u32, Infallible>();
    let seen = watch(source.chunk_by_key(2, |n| n / 10));
    seen.request(1);
    control.next(1);
    control.next(2);
    assert_eq!(seen.items(), [[1, 2]]);
}

#[test]
fn a_limit_beyond_memory_reserves_no_memory() {
    let seen = watch(millstream::range(0..3).chunk_until(usize::MAX, |_| false));
    seen.request(1);
    assert_eq!((seen.items(), seen.end()), (vec![vec![0, 1, 2]], Some(Ended::Complete)));
    let seen = watch(millstream::range(0..3).chunks_weighted(u64::MAX, |_| 1));
    seen.request(1);
    assert_eq!((seen.items(), seen.end()), (vec![vec![0, 1, 2]], Some(Ended::Complete)));
}

#[test]
fn a_separator_is_discarded_and_asked_for_again() {
    let mint = Mint::default();
    let (source, control) = scripted::<Token, Infallible>();
    let seen = watch(source.chunk_while(9, |token| token.0 != 0));
    seen.request(1);
    assert_eq!(control.asked_in_all(), 1);
    // Before the first item there is nothing to complete.
    control.next(mint.token(0));
    assert_eq!((mint.alive(), control.asked_in_all()), (0, 1));
    control.next(mint.token(1));
    assert_eq!((seen.items().len(), control.asked_in_all()), (0, 1));
    control.next(mint.token(0));
    assert_eq!((seen.items(), control.asked_in_all()), (vec![vec![mint.token(1)]], 0));
    assert_eq!(mint.alive(), 0);
}

#[test]
fn separators_are_told_as_discarded() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = told.clone();
    let words = millstream::from_iter(["a", "-", "b", "+", "/"]);
    let chunks = words.chunk_while(9, |word| word.chars().all(char::is_alphabetic));
    let chunks = chunks.on_discard(move |word: &str| heard.lock().unwrap().push(word));
    assert_eq!(chunks.collect::<Vec<_>>().block().unwrap(), [["a"], ["b"]]);
    assert_eq!(*told.lock().unwrap(), ["-", "+", "/"]);
}

#[test]
fn an_item_of_another_key_begins_the_next_chunk_and_is_kept_for_it() {
    let (source, control) = scripted::<u32, Infallible>();
    let seen = watch(source.chunk_by_key(9, |n| n / 10));
    seen.request(1);
    for n in [1, 2, 11] {
        control.next(n);
    }
    assert_eq!((seen.items(), control.asked_in_all()), (vec![vec![1, 2]], 3));
    // No more is asked for until a chunk is.
    control.complete();
    assert_eq!(seen.end(), None);
    seen.request(1);
    assert_eq!((seen.items(), seen.end()), (vec![vec![11]], Some(Ended::Complete)));
}

#[test]
fn what_is_begun_is_dropped_at_an_error_and_at_a_cancellation_of_each() {
    fn check<P, F>(cut: F)
    where
        P: Publisher<Item = Vec<Token>, Error = &'static str>,
        F: Fn(crate::common::Scripted<Token, &'static str>) -> P,
    {
        let mint = Mint::default();
        let (source, control) = scripted::<Token, &str>();
        let seen = watch(cut(source));
        seen.request(1);
        control.next(mint.token(1));
        assert_eq!(mint.alive(), 1);
        control.error("no");
        assert_eq!((seen.items(), seen.end()), (vec![], Some(Ended::Error("no"))));
        assert_eq!(mint.alive(), 0);

        let (source, control) = scripted::<Token, &str>();
        let seen = watch(cut(source));
        seen.request(1);
        control.next(mint.token(1));
        seen.cancel();
        assert_eq!((mint.alive(), control.is_cancelled()), (0, true));
    }
    check(|source| source.chunk_until(9, |_| false));
    check(|source| source.chunk_while(9, |_| true));
    check(|source| source.chunk_by_key(9, |_| ()));
    check(|source| source.chunks_weighted(9, |_| 1));
    check(|source| source.chunks_skip(2, 3));
}

#[test]
#[should_panic(expected = "chunk_until(0, f): a chunk holds at least 1 item")]
fn chunk_until_refuses_zero() {
    let _ = millstream::range(0..1).chunk_until(0, |_| true);
}

#[test]
#[should_panic(expected = "chunk_while(0, f): a chunk holds at least 1 item")]
fn chunk_while_refuses_zero() {
    let _ = millstream::range(0..1).chunk_while(0, |_| true);
}

#[test]
#[should_panic(expected = "chunk_by_key(0, f): a chunk holds at least 1 item")]
fn chunk_by_key_refuses_zero() {
    let _ = millstream::range(0..1).chunk_by_key(0, |_| ());
}

// ---- delimited --------------------------------------------------------------------------------

type Delimited = DelimitedError<&'static str>;

fn delimited(
    max: usize,
    truncated: Truncated,
) -> (Watch<Vec<u8>, Delimited>, Control<&'static str, &'static str>) {
    let (source, control) = scripted::<&str, &str>();
    (watch(source.delimited(b'.', max, truncated)), control)
}

#[test]
fn delimited_asks_for_a_chunk_where_no_delimiter_is_left_and_something_is_wanted() {
    let (seen, control) = delimited(9, Truncated::Pass);
    assert_eq!(control.asked(), [], "nothing is wanted");
    seen.request(2);
    assert_eq!(control.asked(), [More::ONE]);
    control.next("a.b.c.d");
    assert_eq!((seen.items(), control.asked()), (frames(["a", "b"]), vec![]));
    seen.request(1);
    assert_eq!((seen.items(), control.asked()), (frames(["c"]), vec![]));
    seen.request(2);
    assert_eq!(control.asked(), [More::ONE], "there is no whole frame");
    control.next("");
    assert_eq!(control.asked(), [More::ONE], "nor is there now");
    control.next("e");
    assert_eq!(control.asked(), [More::ONE]);
    control.next("..");
    assert_eq!((seen.items(), control.asked()), (frames(["de", ""]), vec![]));
    control.complete();
    assert_eq!(seen.end(), Some(Ended::Complete), "nothing is behind the last delimiter");
}

fn frames<const N: usize>(frames: [&str; N]) -> Vec<Vec<u8>> {
    frames.map(|frame| frame.as_bytes().to_vec()).to_vec()
}

#[test]
fn what_follows_the_last_delimiter_is_a_frame_that_waits_for_demand_or_an_error_that_does_not() {
    let (seen, control) = delimited(9, Truncated::Pass);
    seen.request(1);
    control.next("a.bc");
    control.complete();
    assert_eq!((seen.items(), seen.end()), (frames(["a"]), None));
    seen.request(1);
    assert_eq!((seen.items(), seen.end()), (frames(["bc"]), Some(Ended::Complete)));

    let (seen, control) = delimited(9, Truncated::Fail);
    seen.request(1);
    control.next("a.bc");
    control.complete();
    let truncated = DelimitedError::Truncated { frame: 2 };
    assert_eq!((seen.items(), seen.end()), (frames(["a"]), Some(Ended::Error(truncated))));

    let (seen, control) = delimited(9, Truncated::Fail);
    seen.request(1);
    control.next("a.b.c");
    control.complete();
    assert_eq!((seen.items(), seen.end()), (frames(["a"]), None), "a whole one is before it");
    seen.request(1);
    let truncated = DelimitedError::Truncated { frame: 3 };
    assert_eq!((seen.items(), seen.end()), (frames(["b"]), Some(Ended::Error(truncated))));
}

#[test]
fn a_frame_that_is_too_long_is_an_error_as_soon_as_it_is_and_behind_those_before_it() {
    let too_long = |frame| Some(Ended::Error(DelimitedError::TooLong { frame, max: 3 }));
    let (seen, control) = delimited(3, Truncated::Pass);
    seen.request(9);
    control.next("abc");
    control.next(".ab");
    control.next("c");
    assert_eq!((seen.items(), seen.end()), (frames(["abc"]), None), "as long as one may be");
    control.next("d");
    assert_eq!((seen.end(), control.is_cancelled()), (too_long(2), true));

    let (seen, control) = delimited(3, Truncated::Pass);
    seen.request(1);
    control.next("a.b.abcd.e");
    assert_eq!((seen.items(), seen.end()), (frames(["a"]), None));
    seen.request(1);
    assert_eq!((seen.items(), seen.end()), (frames(["b"]), None));
    seen.request(1);
    assert_eq!((seen.end(), control.is_cancelled()), (too_long(3), true));
}

#[test]
fn a_failure_of_upstream_passes_what_was_not_sent() {
    let (seen, control) = delimited(9, Truncated::Pass);
    seen.request(1);
    control.next("a.b.c");
    control.error("no");
    assert_eq!(seen.items(), frames(["a"]));
    assert_eq!(seen.end(), Some(Ended::Error(DelimitedError::Upstream("no"))));
}

#[test]
fn the_errors_of_delimited_are_errors_of_io_where_those_of_upstream_are() {
    use std::io::{Error, ErrorKind};
    let kind = |error: DelimitedError<Error>| Error::from(error).kind();
    assert_eq!(kind(DelimitedError::TooLong { frame: 1, max: 2 }), ErrorKind::InvalidData);
    assert_eq!(kind(DelimitedError::Truncated { frame: 1 }), ErrorKind::UnexpectedEof);
    let upstream = DelimitedError::Upstream(ErrorKind::BrokenPipe.into());
    assert_eq!(kind(upstream), ErrorKind::BrokenPipe);
}

#[test]
#[should_panic(expected = "delimited(delimiter, 0, truncated): a frame may have at least 1 byte")]
fn delimited_refuses_zero() {
    let _ = millstream::just("a").delimited(b'.', 0, Truncated::Pass);
}

proptest! {
    #[test]
    fn delimited_is_as_split_however_the_bytes_are_cut(
        text in proptest::collection::vec(prop_oneof![3 => b'a'..=b'c', 1 => Just(b'.')], 0..60),
        cuts in proptest::collection::vec(0_usize..7, 1..20),
        max in 1_usize..9,
        fails in any::<bool>(),
    ) {
        let mut left = &text[..];
        let mut chunks = Vec::new();
        for cut in cuts {
            let (chunk, rest) = left.split_at(cut.min(left.len()));
            chunks.push(chunk.to_vec());
            left = rest;
        }
        chunks.push(left.to_vec());
        let truncated = if fails { Truncated::Fail } else { Truncated::Pass };
        let seen = watch(millstream::from_iter(chunks).delimited(b'.', max, truncated));
        seen.request_all();

        let mut whole: Vec<_> = text.split(|byte| *byte == b'.').map(<[u8]>::to_vec).collect();
        let last = whole.pop().expect("split gives at least one");
        let frame = whole.len() as u64 + 1;
        let mut end = Ended::Complete;
        if !last.is_empty() && last.len() <= max && fails {
            end = Ended::Error(DelimitedError::Truncated { frame });
        } else if !last.is_empty() {
            whole.push(last);
        }
        if let Some(at) = whole.iter().position(|frame| frame.len() > max) {
            whole.truncate(at);
            end = Ended::Error(DelimitedError::TooLong { frame: at as u64 + 1, max });
        }
        prop_assert_eq!((seen.items(), seen.end()), (whole, Some(end)));
    }
}

// ---- chunks_weighted --------------------------------------------------------------------------

#[test]
fn an_item_over_the_limit_is_the_first_of_the_next_chunk() {
    let chunks = millstream::from_iter([2, 2, 3, 1, 1]).chunks_weighted(5, |n| *n);
    let chunks = chunks.collect::<Vec<_>>().block().unwrap();
    assert_eq!(chunks, [vec![2, 2], vec![3, 1, 1]]);
}

#[test]
fn an_item_heavier_than_the_limit_goes_alone() {
    let chunks = millstream::from_iter([1, 9, 8, 1]).chunks_weighted(5, |n| *n);
    let chunks = chunks.collect::<Vec<_>>().block().unwrap();
    assert_eq!(chunks, [[1], [9], [8], [1]]);
}

#[test]
fn an_item_that_completes_two_chunks_sends_both_where_both_are_asked_for() {
    let (source, control) = scripted::<u64, Infallible>();
    let seen = watch(source.chunks_weighted(5, |n| *n));
    seen.request(2);
    assert_eq!(control.asked_in_all(), 2);
    control.next(1);
    assert_eq!((seen.items(), control.asked_in_all()), (vec![], 1));
    control.next(9);
    assert_eq!(seen.items(), [[1], [9]]);
    // The item that is still on its way is for the next chunk that is asked for.
    seen.request(1);
    assert_eq!(control.asked_in_all(), 0);
    seen.request(1);
    assert_eq!(control.asked_in_all(), 1);
}

#[test]
fn a_complete_chunk_waits_and_upstream_is_not_asked_until_it_is_sent() {
    let (source, control) = scripted::<u64, Infallible>();
    let seen = watch(source.chunks_weighted(5, |n| *n));
    seen.request(1);
    control.next(1);
    control.next(9);
    assert_eq!((seen.items(), control.asked_in_all()), (vec![vec![1]], 2));
    seen.request(1);
    // It was there: nothing is needed for it.
    assert_eq!((seen.items(), control.asked_in_all()), (vec![vec![9]], 0));
    seen.request(1);
    assert_eq!((seen.items(), control.asked_in_all()), (vec![], 1));
}

#[test]
fn a_complete_chunk_that_waits_outlives_its_upstream() {
    let (source, control) = scripted::<u64, Infallible>();
    let seen = watch(source.chunks_weighted(5, |n| *n));
    seen.request(1);
    control.next(1);
    control.next(9);
    control.complete();
    assert_eq!((seen.items(), seen.end()), (vec![vec![1]], None));
    seen.request(1);
    assert_eq!((seen.items(), seen.end()), (vec![vec![9]], Some(Ended::Complete)));
}

#[test]
fn a_chunk_that_waits_is_dropped_with_its_stage() {
    let mint = Mint::default();
    let (source, control) = scripted::<Token, &str>();
    let seen = watch(source.chunks_weighted(5, |token| token.0.into()));
    seen.request(1);
    control.next(mint.token(1));
    control.next(mint.token(9));
    drop(seen.items());
    assert_eq!(mint.alive(), 1);
    seen.cancel();
    assert_eq!((mint.alive(), control.is_cancelled()), (0, true));
}

#[test]
fn what_costs_nothing_counts_as_one() {
    let chunks = millstream::range(0..5).chunks_weighted(2, |_| 0);
    let chunks = chunks.collect::<Vec<_>>().block().unwrap();
    assert_eq!(chunks, [vec![0, 1], vec![2, 3], vec![4]]);
}

#[test]
fn weights_saturate() {
    let chunks = millstream::from_iter([u64::MAX, u64::MAX, 1]).chunks_weighted(u64::MAX, |n| *n);
    let chunks = chunks.collect::<Vec<_>>().block().unwrap();
    assert_eq!(chunks, [[u64::MAX], [u64::MAX], [1]]);
}

#[test]
#[should_panic(expected = "chunks_weighted(0, cost)")]
fn chunks_weighted_refuses_zero() {
    let _ = millstream::range(0..1).chunks_weighted(0, |_| 1);
}

// ---- chunk_when -------------------------------------------------------------------------------

#[test]
fn a_signal_completes_the_chunk_of_the_items_before_it() {
    let (source, items) = scripted::<u32, Infallible>();
    let (signal, control) = scripted::<(), Infallible>();
    let seen = watch(source.chunk_when(signal, 9));
    seen.request_all();
    items.next(1);
    items.next(2);
    assert_eq!(seen.items(), Vec::<Vec<u32>>::new());
    control.next(());
    assert_eq!(seen.items(), [[1, 2]]);
    // No chunk is empty.
    control.next(());
    assert_eq!(seen.items(), Vec::<Vec<u32>>::new());
    items.next(3);
    items.complete();
    assert_eq!((seen.items(), seen.end()), (vec![vec![3]], Some(Ended::Complete)));
    assert!(control.is_cancelled());
}

#[test]
fn a_chunk_that_a_signal_completed_waits_for_demand() {
    let (source, items) = scripted::<u32, Infallible>();
    let (signal, control) = scripted::<(), Infallible>();
    let seen = watch(source.chunk_when(signal, 9));
    items.next(1);
    control.next(());
    // It is for the next chunk, although the first is still here.
    items.next(2);
    control.next(());
    items.next(3);
    seen.request(1);
    assert_eq!(seen.items(), [[1]]);
    // The signal waited as well.
    seen.request(1);
    assert_eq!(seen.items(), [[2, 3]]);
    assert_eq!(seen.end(), None);
}

#[test]
fn no_more_is_asked_for_than_fits_in_a_chunk_whatever_waits() {
    let (source, items) = scripted::<u32, Infallible>();
    let (signal, control) = scripted::<(), Infallible>();
    let seen = watch(source.chunk_when(signal, 4));
    assert_eq!((items.asked_in_all(), control.asked_in_all()), (4, 1));
    items.next(1);
    control.next(());
    (2..=4).for_each(|n| assert!(items.next(n)));
    // One signal was taken, and the next waits.
    assert_eq!((items.asked_in_all(), control.asked_in_all()), (0, 1));
    control.next(());
    assert_eq!((items.asked_in_all(), control.asked_in_all()), (0, 0));
    seen.request(1);
    assert_eq!((seen.items(), items.asked_in_all()), (vec![vec![1]], 1));
    seen.request(1);
    assert_eq!((seen.items(), items.asked_in_all()), (vec![vec![2, 3, 4]], 3));
}

#[test]
fn when_the_signal_is_complete_chunks_end_by_their_length() {
    let (source, items) = scripted::<u32, Infallible>();
    let (signal, control) = scripted::<(), Infallible>();
    let seen = watch(source.chunk_when(signal, 2));
    seen.request_all();
    items.next(1);
    control.complete();
    assert_eq!((seen.items(), seen.end()), (vec![], None));
    items.next(2);
    assert_eq!((seen.items(), seen.end()), (vec![vec![1, 2]], None));
}

#[test]
fn a_failure_of_the_signal_ends_all_and_drops_what_is_held() {
    let mint = Mint::default();
    let (source, items) = scripted::<Token, &str>();
    let (signal, control) = scripted::<(), &str>();
    let seen = watch(source.chunk_when(signal, 9));
    items.next(mint.token(1));
    control.error("no");
    assert_eq!((seen.items(), seen.end()), (vec![], Some(Ended::Error("no"))));
    assert_eq!((mint.alive(), items.is_cancelled()), (0, true));
}

#[test]
fn an_error_comes_behind_the_chunk_that_is_complete_and_drops_the_one_that_was_begun() {
    let mint = Mint::default();
    let (source, items) = scripted::<Token, &str>();
    let (signal, control) = scripted::<(), &str>();
    let seen = watch(source.chunk_when(signal, 9));
    items.next(mint.token(1));
    control.next(());
    items.next(mint.token(2));
    items.error("no");
    assert_eq!((seen.items(), seen.end()), (vec![], None));
    seen.request(1);
    let chunk = vec![vec![mint.token(1)]];
    assert_eq!((seen.items(), seen.end()), (chunk, Some(Ended::Error("no"))));
    assert_eq!((mint.alive(), control.is_cancelled()), (0, true));
}

#[test]
fn an_error_behind_what_was_begun_needs_no_demand() {
    let (source, items) = scripted::<u32, &str>();
    let seen = watch(source.chunk_when(millstream::pending::<()>().map_err(never), 9));
    items.next(1);
    items.error("no");
    assert_eq!((seen.items(), seen.end()), (vec![], Some(Ended::Error("no"))));
}

fn never(never: Infallible) -> &'static str {
    match never {}
}

#[test]
fn what_is_held_is_discarded_when_it_is_cancelled() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = told.clone();
    let (source, items) = scripted::<u32, Infallible>();
    let (signal, control) = scripted::<(), Infallible>();
    let chunks = source.chunk_when(signal, 9);
    let seen = watch(chunks.on_discard(move |n: u32| heard.lock().unwrap().push(n)));
    items.next(1);
    control.next(());
    items.next(2);
    seen.cancel();
    assert_eq!(*told.lock().unwrap(), [1, 2]);
    assert!(items.is_cancelled() && control.is_cancelled());
}

#[test]
fn a_signal_that_is_always_there_spins_at_nothing() {
    let (source, items) = scripted::<u32, Infallible>();
    let seen = watch(source.chunk_when(millstream::repeat_value(()), 9));
    seen.request_all();
    items.next(1);
    items.next(2);
    assert_eq!(seen.items(), [[1], [2]]);
    items.complete();
    assert_eq!(seen.end(), Some(Ended::Complete));
}

#[test]
#[should_panic(expected = "chunk_when(signal, 0)")]
fn chunk_when_refuses_zero() {
    let _ = millstream::range(0..1).chunk_when(millstream::pending::<()>(), 0);
}

// ---- ready_chunks -----------------------------------------------------------------------------

#[test]
fn what_is_there_is_sent_when_it_is_asked_for() {
    let (source, control) = scripted::<u32, Infallible>();
    let seen = watch(source.ready_chunks(3));
    assert_eq!(control.asked_in_all(), 3);
    control.next(1);
    control.next(2);
    assert_eq!(seen.items(), Vec::<Vec<u32>>::new());
    seen.request(2);
    assert_eq!((seen.items(), control.asked_in_all()), (vec![vec![1, 2]], 2));
    // Nothing is there: the first that comes is sent.
    control.next(3);
    assert_eq!((seen.items(), control.asked_in_all()), (vec![vec![3]], 1));
    control.next(4);
    assert_eq!(seen.items(), Vec::<Vec<u32>>::new());
}

#[test]
fn no_ready_chunk_is_longer_than_the_limit() {
    let (source, control) = scripted::<u32, Infallible>();
    let seen = watch(source.ready_chunks(3));
    (1..=3).for_each(|n| assert!(control.next(n)));
    assert_eq!(control.asked_in_all(), 3);
    seen.request(1);
    assert_eq!((seen.items(), control.asked_in_all()), (vec![vec![1, 2, 3]], 3));
    let all = millstream::range(0..5).ready_chunks(2);
    assert_eq!(all.collect::<Vec<_>>().block().unwrap(), [vec![0, 1], vec![2, 3], vec![4]]);
}

#[test]
fn ready_chunks_of_an_empty_upstream_complete_without_demand() {
    assert_eq!(watch(millstream::empty::<u32>().ready_chunks(2)).end(), Some(Ended::Complete));
    let (source, control) = scripted::<u32, Infallible>();
    let seen = watch(source.ready_chunks(2));
    control.complete();
    assert_eq!(seen.end(), Some(Ended::Complete));
}

#[test]
fn what_is_there_is_sent_before_completion() {
    let (source, control) = scripted::<u32, Infallible>();
    let seen = watch(source.ready_chunks(3));
    control.next(1);
    control.complete();
    assert_eq!((seen.items(), seen.end()), (vec![], None));
    seen.request(1);
    assert_eq!((seen.items(), seen.end()), (vec![vec![1]], Some(Ended::Complete)));
}

#[test]
fn what_is_there_is_sent_before_an_error() {
    let (source, control) = scripted::<u32, &str>();
    let seen = watch(source.ready_chunks(3));
    control.next(1);
    control.error("no");
    assert_eq!((seen.items(), seen.end()), (vec![], None));
    seen.request(1);
    assert_eq!((seen.items(), seen.end()), (vec![vec![1]], Some(Ended::Error("no"))));
}

#[test]
#[should_panic(expected = "ready_chunks(0)")]
fn ready_chunks_refuse_zero() {
    let _ = millstream::range(0..1).ready_chunks(0);
}

// ---- all that are cut by a rule, against a model ----------------------------------------------

/// A rule, as a function on a slice: how many of its first items are a chunk, and how many then
/// are discarded. The chunk is complete only where `true`.
type Model = fn(&[u32], usize) -> (usize, usize, bool);

fn until(items: &[u32], max: usize) -> (usize, usize, bool) {
    let end = items.iter().position(|n| n % 3 == 0).map_or(usize::MAX, |at| at + 1);
    let n = end.min(max).min(items.len());
    (n, 0, n == end || n == max)
}

fn whilst(items: &[u32], max: usize) -> (usize, usize, bool) {
    let end = items.iter().position(|n| n % 3 == 0).unwrap_or(usize::MAX);
    match end {
        _ if max <= end && max <= items.len() => (max, 0, true),
        usize::MAX => (items.len(), 0, false),
        end => (end, 1, true),
    }
}

fn by_key(items: &[u32], max: usize) -> (usize, usize, bool) {
    let same = items.iter().take_while(|n| **n / 4 == items[0] / 4).count();
    let n = same.min(max);
    (n, 0, n == max || same < items.len())
}

fn weighted(items: &[u32], max: usize) -> (usize, usize, bool) {
    let mut left = max;
    let fit = |n: &&u32| {
        let fits = left.checked_sub((**n as usize).max(1));
        left = fits.unwrap_or(left);
        fits.is_some()
    };
    let n = items.iter().take_while(fit).count();
    let alone = usize::from(items[0] as usize >= max);
    (n.max(alone), 0, left == 0 || n < items.len() || alone == 1)
}

/// The chunks of `items`, each with whether it is complete before the end, in so many items.
fn model(items: &[u32], max: usize, rule: Model) -> Vec<(Vec<u32>, Option<usize>)> {
    let (mut all, mut at) = (Vec::new(), 0);
    while at < items.len() {
        let (chunk, between, complete) = rule(&items[at..], max);
        let end = at + chunk + between;
        if chunk > 0 {
            // Complete with its last item, or with the one behind it.
            let shown = (1..=items.len() - at).find(|n| {
                let (of_these, _, complete) = rule(&items[at..at + n], max);
                complete && of_these == chunk
            });
            all.push((items[at..at + chunk].to_vec(), shown.filter(|_| complete).map(|n| at + n)));
        }
        at = end;
    }
    all
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Request(u64),
    Item,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        2 => (1_u64..4).prop_map(Act::Request),
        5 => Just(Act::Item),
    ];
    prop::collection::vec(act, 0..60)
}

fn agrees<P: Publisher<Item = Vec<u32>, Error = Infallible>>(
    build: impl Fn(crate::common::Scripted<u32, Infallible>) -> P,
    items: &[u32],
    max: usize,
    rule: Model,
    acts: &[Act],
) {
    let chunks = model(items, max, rule);
    let (source, control) = scripted();
    let seen = watch(build(source));
    let (mut sent, mut asked, mut given) = (0, 0_u64, 0);
    let mut wanted = 0_u64;
    for act in acts {
        match act {
            Act::Request(n) => {
                wanted += n;
                seen.request(*n);
            }
            Act::Item if sent < items.len() && (sent as u64) < asked => {
                control.next(items[sent]);
                sent += 1;
            }
            Act::Item => {}
        }
        asked += control.asked_in_all();
        for chunk in seen.items() {
            assert_eq!(Some(&chunk), chunks.get(given).map(|(chunk, _)| chunk), "{items:?}");
            given += 1;
        }
        // All that is complete and asked for is there, and nothing else.
        let complete = chunks.iter().filter(|(_, at)| at.is_some_and(|at| at <= sent)).count();
        assert_eq!(given as u64, wanted.min(complete as u64), "{items:?}, {sent} sent");
        // While a chunk is owed an item is on its way; not more of them than chunks, but for one
        // where an item completed two.
        let (owed, coming) = (wanted - given as u64, asked - sent as u64);
        assert!(coming >= owed && coming <= owed + 1, "{coming} on their way for {owed}");
    }
    while sent < items.len() {
        seen.request(1);
        asked += control.asked_in_all();
        while sent < items.len() && (sent as u64) < asked {
            control.next(items[sent]);
            sent += 1;
            asked += control.asked_in_all();
        }
    }
    control.complete();
    seen.request_all();
    let left: Vec<_> = chunks[given..].iter().map(|(chunk, _)| chunk.clone()).collect();
    assert_eq!((seen.items(), seen.end()), (left, Some(Ended::Complete)), "{items:?}");
}

proptest! {
    #[test]
    fn chunks_cut_by_a_rule_are_those_of_a_model(
        items in prop::collection::vec(0_u32..10, 0..40),
        max in 1_usize..8,
        acts in acts(),
    ) {
        let all = |n: &u32| u64::from(*n);
        agrees(|s| s.chunk_until(max, |n| n % 3 == 0), &items, max, until, &acts);
        agrees(|s| s.chunk_while(max, |n| n % 3 != 0), &items, max, whilst, &acts);
        agrees(|s| s.chunk_by_key(max, |n| n / 4), &items, max, by_key, &acts);
        agrees(|s| s.chunks_weighted(max as u64, all), &items, max, weighted, &acts);
    }

    #[test]
    fn chunks_that_are_pulled_are_those_that_are_pushed(
        items in prop::collection::vec(0_u32..10, 0..40),
        max in 1_u64..8,
    ) {
        let chunks = millstream::from_iter(items).chunks_weighted(max, |n| u64::from(*n));
        let pushed = chunks.clone().collect::<Vec<_>>().block().unwrap();
        // Held in place by `zip`.
        let pulled = chunks.zip(millstream::from_iter(0..), 1).map(|(chunk, _)| chunk);
        prop_assert_eq!(pulled.collect::<Vec<_>>().block().unwrap(), pushed);
    }
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
