//! Claims of `adaptive_prefetch`: how much is asked for ahead, whatever is taken and however it comes.

use std::convert::Infallible;

use millstream::executor::Pool;
use millstream::prelude::*;
use millstream::{Board, More};
use millstream_testkit::{Behaviour, ProbeHandle, ScriptedPublisher, probe};

type Hand = ScriptedPublisher<u64, Infallible>;

/// An upstream, and a downstream that has asked for nothing.
struct Both {
    upstream: Hand,
    handle: ProbeHandle<u64, Infallible>,
    sent: u64,
}

impl Both {
    fn new(min: usize, max: usize) -> Both {
        let upstream = Hand::new();
        let handle = probe(upstream.clone().adaptive_prefetch(min, max), Behaviour::new());
        Both { upstream, handle, sent: 0 }
    }

    fn send(&mut self, n: u64) {
        for _ in 0..n {
            self.upstream.next(self.sent);
            self.sent += 1;
        }
    }

    fn asked(&self) -> u64 {
        self.upstream.requested().demand().expect("something was asked for").get()
    }

    /// What is queued, or owed.
    fn ahead(&self) -> u64 {
        self.asked() - self.handle.delivered()
    }

    /// Sends all that is owed.
    fn fill(&mut self) {
        self.send(self.asked() - self.sent);
    }

    /// Downstream takes `n`, and what it lacks is sent in the end.
    fn gulp(&mut self, n: u64) {
        self.fill();
        let all = self.handle.delivered() + n;
        self.handle.request(n);
        while self.handle.delivered() < all {
            self.fill();
        }
    }
}

#[test]
fn the_least_is_asked_for_before_downstream_asks() {
    let both = Both::new(2, 8);
    assert_eq!(both.upstream.requested(), More::of(2));
}

#[test]
fn it_is_doubled_where_both_sides_have_waited_for_the_other() {
    let mut both = Both::new(2, 8);
    both.send(2);
    assert_eq!(both.asked(), 2, "upstream waits");
    both.handle.request(4);
    assert_eq!((both.handle.items(), both.ahead()), (vec![0, 1], 4), "and then downstream does");
    both.send(2);
    assert_eq!(both.handle.items(), [0, 1, 2, 3]);
    assert_eq!(both.ahead(), 4, "nobody has waited since");
}

#[test]
fn a_quarter_is_asked_for_when_it_has_left_the_queue() {
    let mut both = Both::new(8, 8);
    both.fill();
    for (taken, asked) in [(1, 8), (2, 10), (3, 10), (4, 12), (5, 12), (8, 16)] {
        both.handle.request(taken - both.handle.delivered());
        assert_eq!(both.asked(), asked, "{taken} were taken");
    }
    assert_eq!(both.upstream.request_calls(), 5);
}

#[test]
fn a_slow_upstream_is_asked_for_no_more() {
    let mut both = Both::new(2, 64);
    both.handle.request_unbounded();
    for _ in 0..100 {
        both.send(1);
        assert_eq!(both.ahead(), 2);
    }
}

#[test]
fn one_at_a_time_of_an_upstream_that_is_slow_is_doubled_no_further_than_it_can_owe() {
    // With one ahead both wait for the other at each item: there is no other way to tell.
    let mut both = Both::new(1, 64);
    both.handle.request_unbounded();
    for _ in 0..100 {
        both.send(1);
    }
    assert_eq!(both.ahead(), 2);
}

#[test]
fn it_grows_to_what_downstream_takes_at_once_and_becomes_small_again() {
    let mut both = Both::new(2, 64);
    for (gulp, size) in [(12, 16), (40, 64), (200, 64), (1, 2), (3, 4)] {
        (0..2 + 600 / gulp).for_each(|_| both.gulp(gulp));
        // Less than a quarter has left the queue, and was not asked for again yet.
        let least = size - (size / 4).max(1) + 1;
        assert!((least..=size).contains(&both.ahead()), "{gulp} at a time: {}", both.ahead());
    }
    assert_eq!(both.handle.items(), (0..both.handle.delivered()).collect::<Vec<_>>());
    both.handle.assert_no_violation();
}

#[test]
fn what_is_beyond_a_size_that_was_halved_is_used_up_before_upstream_is_asked() {
    let mut both = Both::new(1, 16);
    (0..20).for_each(|_| both.gulp(12));
    assert_eq!(both.ahead(), 16);
    both.fill();
    // Four times a quarter, and nothing is missing: a half of it is enough.
    let mut asked = both.asked();
    while both.ahead() == 16 || both.asked() > asked {
        asked = both.asked();
        both.handle.request(4);
        both.fill();
    }
    assert_eq!(both.ahead(), 12, "the last quarter was not asked for again");
    both.handle.request(4);
    assert_eq!((both.asked(), both.ahead()), (asked, 8));
    both.handle.request(2);
    assert_eq!((both.asked(), both.ahead()), (asked + 2, 8));
}

#[test]
fn the_end_comes_behind_what_is_queued_and_needs_no_demand() {
    let mut both = Both::new(4, 8);
    both.send(2);
    both.upstream.complete();
    assert!(!both.handle.is_ended());
    both.handle.request(2);
    both.handle.assert_completed();
}

#[test]
fn a_board_shows_how_many_are_asked_for_ahead() {
    let (board, upstream) = (Board::new(1), Hand::new());
    let stage = upstream.clone().adaptive_prefetch(2, 8).observed(&board);
    let handle = probe(stage, Behaviour::new());
    let row = || board.snapshot().rows()[0].clone();
    let decided = || {
        let decisions = row().decisions.unwrap();
        (decisions.limit, decisions.raises, decisions.cuts)
    };
    assert_eq!((row().kind, row().capacity, decided()), ("adaptive_prefetch", 8, (2.0, 0, 0)));
    (0..2).for_each(|n| upstream.next(n));
    handle.request(3);
    assert_eq!(decided(), (4.0, 1, 0));
    for _ in 0..10 {
        while upstream.outstanding() != More::NONE {
            upstream.next(upstream.sent());
        }
        handle.request(1);
    }
    assert_eq!(decided(), (2.0, 1, 1));
}

#[test]
fn between_threads_nothing_is_lost() {
    let pool = Pool::new(2);
    for (min, max) in [(1, 1), (1, 4), (2, 256), (256, 256)] {
        let items = millstream::range(0..20_000_u64)
            .subscribe_on(pool.handle())
            .adaptive_prefetch(min, max)
            .publish_on(pool.handle(), 32)
            .collect::<Vec<_>>();
        assert!(items.block().unwrap().into_iter().eq(0..20_000), "{min}, {max}");
    }
}

#[test]
#[should_panic(expected = "adaptive_prefetch(0, max)")]
fn nothing_ahead_is_refused() {
    drop(millstream::range(0..1).adaptive_prefetch(0, 4));
}

#[test]
#[should_panic(expected = "adaptive_prefetch(5, 4)")]
fn a_least_above_the_most_is_refused() {
    drop(millstream::range(0..1).adaptive_prefetch(5, 4));
}
