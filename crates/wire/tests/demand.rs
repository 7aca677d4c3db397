//! What is asked for at one end is asked for at the other, and no more is on its way than a window.

use std::convert::Infallible;

use millstream::prelude::*;
use millstream_testkit::{
    Answer, Behaviour, Breach, Ledger, ProbeHandle, Script, ScriptedPublisher, Token, probe,
};
use millstream_wire::{Bytes, Text, connect, serve};

use crate::common::{Cable, WIDTHS, Widths, decode, encode, frame, hello, request, seeded, served};

type Numbers = ScriptedPublisher<i64, Infallible>;

/// Numbers from zero on, through a connection to a probe.
fn running(
    numbers: &Numbers,
    widths: Widths,
    behaviour: Behaviour,
) -> (Cable, millstream::executor::Seeded, ProbeHandle<i64, String>) {
    let (cable, executor) = (Cable::new(widths.room, widths.piece), seeded(1));
    let _told = served(&executor, serve(numbers.clone(), cable.link(0), encode, widths.ahead));
    let stream = connect(executor.clone(), cable.link(1), decode, widths.window);
    let handle = probe(stream.map_err(|error| error.to_string()), behaviour);
    (cable, executor, handle)
}

fn endless() -> Numbers {
    ScriptedPublisher::playing(Script::items(0..))
}

const WIDE: Widths = Widths { ahead: 64, window: 64, room: 1 << 16, piece: 1 << 16 };

#[test]
fn what_is_asked_for_there_is_asked_for_here_and_no_more() {
    let numbers = endless();
    let (_cable, executor, handle) = running(&numbers, WIDE, Behaviour::new());
    executor.run_until_idle();
    // It is known there that somebody is here, and nothing is asked for.
    numbers.assert_subscribed();
    numbers.assert_requested(0);
    for (more, sum) in [(5, 5), (7, 12), (1, 13)] {
        handle.request(more);
        executor.run_until_idle();
        numbers.assert_requested(sum);
        assert_eq!((numbers.sent(), handle.delivered()), (sum, sum));
    }
    handle.assert_no_violation();
}

#[test]
fn a_source_is_asked_for_no_more_than_a_window_beyond_what_was_consumed() {
    for widths in WIDTHS {
        for behaviour in [
            Behaviour::new().initially(1_000_000),
            Behaviour::new().initially(u64::MAX),
            Behaviour::new().initially(1).each(Answer::More(millstream::More::ONE)),
            Behaviour::new().initially(3).each(Answer::More(millstream::More::of(2))),
        ] {
            let numbers = endless();
            let (_cable, executor, handle) = running(&numbers, widths, behaviour);
            let mut most = 0;
            while handle.delivered() < 300 {
                assert!(executor.step(), "it stands still");
                // The consumer may be in the middle of its items when the source is asked.
                let ahead = numbers.requested().count() - handle.delivered();
                most = most.max(ahead);
                let bound = widths.window.min(handle.requested().count() as usize);
                assert!(ahead <= bound as u64, "{ahead} ahead, {widths:?}");
            }
            assert!(most > 0);
            handle.cancel();
            executor.run_until_idle();
            numbers.assert_cancelled();
            assert_eq!(handle.items(), (0..handle.delivered() as i64).collect::<Vec<_>>());
        }
    }
}

#[test]
fn whoever_stops_asking_stops_the_source_there() {
    let numbers = endless();
    let behaviour = Behaviour::new().initially(20);
    let (_cable, executor, handle) = running(&numbers, WIDTHS[1], behaviour);
    executor.run_until_idle();
    assert_eq!((numbers.requested().count(), numbers.sent()), (20, 20));
    // Also where its tasks are polled for nothing.
    for _ in 0..20 {
        assert!(executor.step_spuriously());
    }
    assert_eq!(numbers.sent(), 20);
    handle.request(1);
    executor.run_until_idle();
    assert_eq!(numbers.sent(), 21);
}

#[test]
fn a_queue_behind_it_asks_ahead_of_a_consumer_that_asks_one_by_one() {
    let numbers = endless();
    let (cable, executor) = (Cable::new(1 << 16, 1 << 16), seeded(1));
    let _told = served(&executor, serve(numbers.clone(), cable.link(0), encode, 64));
    let stream = connect(executor.clone(), cable.link(1), decode, 64).prefetch(16);
    let handle = probe(stream.map_err(|error| error.to_string()), Behaviour::new().initially(1));
    executor.run_until_idle();
    assert_eq!((numbers.requested().count(), handle.delivered()), (16, 1));
}

#[test]
fn the_frames_are_those_of_the_table_and_demand_is_their_sum() {
    let (cable, executor) = (Cable::new(1 << 16, 1 << 16), seeded(1));
    let stream = connect(executor.clone(), cable.link(1), Text, 8);
    let handle = probe(stream.map_err(|error| error.to_string()), Behaviour::new().initially(3));
    executor.run_until_idle();
    assert_eq!(cable.heard(0), [hello(1, 1 << 16), request(3, 0)].concat());
    cable.say(0, &hello(0, 1 << 16));
    cable.say(0, &crate::common::next(0, b"zero"));
    executor.run_until_idle();
    // Two are on their way: more is asked for when they are not.
    handle.request(2);
    executor.run_until_idle();
    assert_eq!(cable.heard(0), b"");
    cable.say(0, &crate::common::next(1, b"one"));
    cable.say(0, &crate::common::next(2, b"two"));
    executor.run_until_idle();
    assert_eq!(cable.heard(0), request(5, 3));
    // Two of eight are on their way, so the others are asked for at once.
    handle.request_unbounded();
    executor.run_until_idle();
    assert_eq!(cable.heard(0), request(3 + 8, 3));
    handle.cancel();
    executor.run_until_idle();
    assert_eq!(cable.heard(0), frame(7, &[&3_u64.to_be_bytes(), &[0]]));
    assert!(cable.is_closed(1));
    assert_eq!(handle.items(), ["zero", "one", "two"]);
}

#[test]
fn what_comes_in_bursts_is_written_in_bursts_and_is_asked_for_in_few_words() {
    const ITEMS: u64 = 10_000;
    let numbers = ScriptedPublisher::playing(Script::items(0..ITEMS as i64).then_complete());
    let (cable, executor, handle) = {
        let widths = Widths { ahead: 1024, window: 1024, room: 1 << 20, piece: 1 << 20 };
        running(&numbers, widths, Behaviour::new().initially(u64::MAX))
    };
    executor.run_until_idle();
    handle.assert_completed();
    assert_eq!(handle.delivered(), ITEMS);
    let (writes, flushes) = cable.calls(0);
    // 21 bytes an item, about 780 in a burst; a window is at its tide 13 times.
    let bytes = cable.written(0);
    assert!(bytes > ITEMS * 21 && bytes < ITEMS * 21 + 100, "{bytes} bytes");
    assert!(writes <= 40, "{writes} writes");
    assert!(flushes <= writes + 1, "{flushes} flushes");
    let (requests, _) = cable.calls(1);
    assert!(requests <= ITEMS / 768 + 4, "{requests} requests");
}

#[test]
fn an_item_that_comes_alone_is_not_kept_back() {
    let numbers = ScriptedPublisher::<i64, Infallible>::new();
    let behaviour = Behaviour::new().initially(u64::MAX);
    let (cable, executor, handle) = running(&numbers, WIDE, behaviour);
    executor.run_until_idle();
    for n in 0..5 {
        let (_, flushes) = cable.calls(0);
        numbers.next(n);
        executor.run_until_idle();
        assert_eq!(handle.delivered(), n as u64 + 1);
        assert_eq!(cable.calls(0).1, flushes + 1);
    }
}

#[test]
fn items_are_in_memory_where_the_widths_say_and_nowhere_else() {
    let ledger = Ledger::new();
    let items = {
        let ledger = ledger.clone();
        millstream::from_iter((0..).map(move |n| ledger.token(n)))
    };
    let (cable, executor) = (Cable::new(200, 1 << 16), seeded(1));
    let encode_token = |token: &Token, into: &mut Vec<u8>| encode(&token.value(), into);
    let _told = served(&executor, serve(items, cable.link(0), encode_token, 4));
    // A peer that asks for everything, and reads nothing.
    cable.say(1, &hello(1, 1 << 16));
    cable.say(1, &request(u64::MAX, 0));
    executor.run_until_idle();
    assert!(ledger.live() <= 4, "{} items are held", ledger.live());
    // Those of which the bytes wait: a burst, and what fits in the connection. What is asked for in
    // vain changes nothing.
    let most = 4 + (16_384 + 200) / 21 + 1;
    assert!(ledger.created() <= most, "{} items were made", ledger.created());
    for _ in 0..10_000 {
        cable.say(1, &request(u64::MAX, 0));
        let _ran = executor.step();
    }
    executor.run_until_idle();
    assert!(ledger.created() <= most, "{} items were made", ledger.created());
    assert!(ledger.live() <= 4, "{} items are held", ledger.live());
    cable.cut();
    executor.run_until_idle();
    ledger.assert_settled();
}

#[test]
fn what_a_source_sends_too_many_of_goes_to_nobody_who_did_not_ask() {
    let numbers = endless().breaking(Breach::OneTooMany);
    let (_cable, executor, handle) = running(&numbers, WIDE, Behaviour::new());
    for sum in [2, 3, 7] {
        handle.request(sum - handle.delivered());
        executor.run_until_idle();
        assert!(numbers.sent() > sum, "it keeps to what it was asked for");
        assert_eq!(handle.delivered(), sum);
    }
    handle.assert_no_violation();
}

#[test]
fn bytes_and_text_go_as_they_are() {
    let (cable, executor) = (Cable::new(1 << 16, 1 << 16), seeded(1));
    let words = millstream::from_iter(["one", "", "zwölf"]);
    let _told = served(&executor, serve(words, cable.link(0), Bytes, 4));
    let stream = connect(executor.clone(), cable.link(1), Text, 4);
    let words = executor.run_until(stream.collect::<Vec<_>>()).unwrap();
    assert_eq!(words, ["one", "", "zwölf"]);
}
