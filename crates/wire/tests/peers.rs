//! Peers that do not keep to the protocol. What they say is written byte by byte, as the table has it,
//! by nothing of the crate.

use std::convert::Infallible;

use millstream::executor::Seeded;
use millstream::prelude::*;
use millstream_testkit::{Behaviour, ProbeHandle, Script, ScriptedPublisher, probe};
use millstream_wire::{Ended, Text, connect, serve};
use proptest::prelude::*;

use crate::common::{
    Cable, Told, complete, encode, frame, hello, next, report, request, seeded, served,
};

/// Somebody who receives, and asked for three; the peer is at side 0.
fn receiver() -> (Cable, Seeded, ProbeHandle<String, String>) {
    let (cable, executor) = (Cable::new(1 << 20, 1 << 16), seeded(1));
    let stream = connect(executor.clone(), cable.link(1), Text, 8);
    let handle = probe(stream.map_err(|error| error.to_string()), Behaviour::new().initially(3));
    executor.run_until_idle();
    assert_eq!(cable.heard(0), [hello(1, 1 << 16), request(3, 0)].concat());
    (cable, executor, handle)
}

/// Somebody who serves numbers from zero on, two ahead; the peer is at side 1.
fn sender() -> (Cable, Seeded, ScriptedPublisher<i64, Infallible>, Told<Infallible>) {
    let (cable, executor) = (Cable::new(1 << 20, 1 << 16), seeded(1));
    let numbers = ScriptedPublisher::playing(Script::items(0..));
    let told = served(&executor, serve(numbers.clone(), cable.link(0), encode, 2));
    executor.run_until_idle();
    assert_eq!(cable.heard(1), hello(0, 1 << 16));
    (cable, executor, numbers, told)
}

fn number(n: u64) -> Vec<u8> {
    let n_bytes = (n as i64).to_be_bytes();
    next(n, &n_bytes)
}

/// As much of `text` as is told a peer that has not said hello, and what frames it takes.
fn cut(text: &str, greeted: bool) -> &[u8] {
    if greeted { text.as_bytes() } else { &text.as_bytes()[..text.len().min(48)] }
}

#[test]
fn a_receiver_refuses_what_is_not_of_the_protocol_and_says_so() {
    let served = hello(0, 1 << 16);
    for (said, items, why) in [
        (
            b"HTTP/1.1 400 Bad Request\r\n".to_vec(),
            0,
            "a frame of 1213486160 bytes, and at most 65536 are taken",
        ),
        (hello(1, 1 << 16), 0, "the peer receives, and so does this side"),
        (
            frame(1, &[b"MLST\x07\0\0\0\x40\0"]),
            0,
            "the peer speaks version 7 of the protocol, and this side 1",
        ),
        (hello(0, 63), 0, "the peer takes frames of at most 63 bytes, and the protocol needs 64"),
        (next(0, b"zero"), 0, "NEXT where there can be HELLO"),
        ([served.clone(), next(1, b"one")].concat(), 0, "item 1, and the next is 0"),
        (
            [served.clone(), next(0, b"zero"), next(0, b"zero")].concat(),
            1,
            "item 0, and the next is 1",
        ),
        (
            [&served[..], &next(0, b"0"), &next(1, b"1"), &next(2, b"2"), &next(3, b"3")].concat(),
            3,
            "rule 1.1: item 3 was not asked for: 3 were, and the first is item 0",
        ),
        (
            [served.clone(), next(0, b"zero"), complete(2)].concat(),
            1,
            "the peer says that it sent 2 items, and 1 came",
        ),
        (
            [served.clone(), frame(5, &[&1_u64.to_be_bytes(), b"why"])].concat(),
            0,
            "the peer says that it sent 1 items, and 0 came",
        ),
        (
            [served.clone(), request(1, 0)].concat(),
            0,
            "REQUEST where there can be NEXT, COMPLETE, ERROR or FAULT",
        ),
        (
            [served.clone(), served.clone()].concat(),
            0,
            "HELLO where there can be NEXT, COMPLETE, ERROR or FAULT",
        ),
        ([served.clone(), frame(0x20, &[])].concat(), 0, "a frame of the unknown kind 0x20"),
        (
            [&served[..], &(1_u32 << 17).to_be_bytes()].concat(),
            0,
            "a frame of 131072 bytes, and at most 65536 are taken",
        ),
        (
            [served.clone(), frame(3, &[b"1234567"])].concat(),
            0,
            "NEXT with a body of 7 bytes, and it has 8 at least",
        ),
    ] {
        let (cable, executor, handle) = receiver();
        cable.say(0, &said);
        executor.run_until_idle();
        assert_eq!(handle.delivered(), items, "{why}");
        handle.assert_failed(&why.to_owned());
        handle.assert_dropped();
        // It is told why, and the connection is closed.
        let cancel = frame(7, &[&items.to_be_bytes(), &[2], cut(why, said.starts_with(&served))]);
        assert_eq!(cable.heard(0).escape_ascii().to_string(), cancel.escape_ascii().to_string());
        assert!(cable.is_closed(1));
        // What else comes is of no interest, and the last task goes with the connection.
        cable.say(0, &[7; 100_000]);
        executor.run_until_idle();
        cable.close(0);
        executor.run_until_idle();
        assert!(!executor.step_spuriously(), "a task is left");
    }
}

#[test]
fn a_peer_that_sends_what_nobody_asked_for_is_refused_while_nothing_is_asked_for() {
    let (cable, executor) = (Cable::new(1 << 20, 1 << 16), seeded(1));
    let stream = connect(executor.clone(), cable.link(1), Text, 8);
    let handle = probe(stream.map_err(|error| error.to_string()), Behaviour::new());
    executor.run_until_idle();
    cable.say(0, &hello(0, 1 << 16));
    executor.run_until_idle();
    handle.assert_no_end();
    cable.say(0, &next(0, b"zero"));
    executor.run_until_idle();
    handle.assert_items(&[]);
    let why = "rule 1.1: item 0 was not asked for: 0 were, and the first is item 0";
    handle.assert_failed(&why.to_owned());
}

#[test]
fn a_sender_refuses_what_is_not_of_the_protocol_and_says_so() {
    let receives = hello(1, 1 << 16);
    for (said, sent, why) in [
        (
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            0,
            "a frame of 1195725856 bytes, and at most 65536 are taken",
        ),
        (hello(0, 1 << 16), 0, "the peer serves, and so does this side"),
        (
            frame(1, &[b"MLST\0\x01\0\0\x40\0"]),
            0,
            "the peer speaks version 0 of the protocol, and this side 1",
        ),
        (request(1, 0), 0, "REQUEST where there can be HELLO"),
        (
            [receives.clone(), request(1, 1)].concat(),
            0,
            "the peer says that 1 items came, and 0 were sent",
        ),
        (
            [receives.clone(), frame(7, &[&1_u64.to_be_bytes(), &[0]])].concat(),
            0,
            "the peer says that 1 items came, and 0 were sent",
        ),
        (
            [receives.clone(), next(0, b"zero")].concat(),
            0,
            "NEXT where there can be REQUEST or CANCEL",
        ),
        (
            // It has nothing to confirm.
            [receives.clone(), frame(8, &[&0_u64.to_be_bytes()])].concat(),
            0,
            "DONE where there can be REQUEST or CANCEL",
        ),
        ([receives.clone(), frame(0x7f, &[])].concat(), 0, "a frame of the unknown kind 0x7f"),
        (
            [receives.clone(), vec![0, 0, 0, 0]].concat(),
            0,
            "a frame with a body of 0 bytes, and it has 1 at least",
        ),
    ] {
        let (cable, executor, numbers, told) = sender();
        cable.say(1, &said);
        executor.run_until_idle();
        let report = report(&told);
        assert_eq!((report.end.to_string().as_str(), report.sent), (why, sent));
        assert!(matches!(report.end, Ended::Broken(_)));
        if numbers.is_subscribed() {
            assert_eq!(numbers.cause().map(|cause| cause.to_string()).as_deref(), Some(why));
        }
        let fault = frame(6, &[&sent.to_be_bytes(), cut(why, said.starts_with(&receives))]);
        assert_eq!(cable.heard(1).escape_ascii().to_string(), fault.escape_ascii().to_string());
        assert!(cable.is_closed(0));
        assert!(!executor.step_spuriously(), "a task is left");
    }
}

#[test]
fn sums_that_are_old_or_the_same_or_the_largest_twice_change_nothing() {
    let (cable, executor, numbers, told) = sender();
    cable.say(1, &[hello(1, 1 << 16), request(3, 0), request(3, 0), request(1, 0)].concat());
    executor.run_until_idle();
    assert_eq!(cable.heard(1), [number(0), number(1), number(2)].concat());
    assert_eq!(numbers.sent(), 3);
    cable.say(1, &request(4, 3));
    executor.run_until_idle();
    assert_eq!(cable.heard(1), number(3));
    // What it confirms does not go back either.
    cable.say(1, &[request(0, 0), request(5, 1)].concat());
    executor.run_until_idle();
    assert_eq!(cable.heard(1), number(4));
    cable.close(1);
    executor.run_until_idle();
    let report = report(&told);
    assert_eq!((report.asked, report.sent, report.received), (5, 5, 3));
    assert!(matches!(report.end, Ended::Lost(_)));
}

#[test]
fn row_43_the_largest_number_twice_is_everything_and_no_overflow() {
    let (cable, executor, numbers, _told) = sender();
    cable.say(1, &[hello(1, 1 << 16), request(u64::MAX, 0), request(u64::MAX, 0)].concat());
    for round in 1..20 {
        while cable.heard(1).is_empty() {
            assert!(executor.step(), "it stands still in round {round}");
        }
    }
    assert!(numbers.sent() > 20);
    // A sum beyond what 31 bits hold is a sum.
    let (cable, executor, numbers, _told) = sender();
    cable.say(1, &[hello(1, 1 << 16), request(1 << 40, 0)].concat());
    for _ in 0..20 {
        while cable.heard(1).is_empty() {
            assert!(executor.step(), "it stands still");
        }
    }
    assert!(numbers.sent() > 20);
}

#[test]
fn row_44_many_small_requests_of_a_peer_that_reads_nothing_are_one_number() {
    let (cable, executor) = (Cable::new(64, 1 << 16), seeded(1));
    let numbers = ScriptedPublisher::<i64, Infallible>::playing(Script::items(0..));
    let _told = served(&executor, serve(numbers.clone(), cable.link(0), encode, 2));
    cable.say(1, &hello(1, 1 << 16));
    // A hundred thousand items are asked for one by one, and none is read.
    let mut steps = 0_u64;
    for sum in 1..=100_000 {
        cable.say(1, &request(sum, 0));
        if sum % 1000 == 0 {
            while executor.step() {
                steps += 1;
            }
        }
    }
    // Two ahead, a burst of 16 KiB, and what fits into the connection.
    assert!(numbers.sent() <= 2 + (16_384 + 64) / 21 + 2, "{} were made", numbers.sent());
    assert!(steps < 1000, "{steps} steps for a hundred bursts of requests");
    // What is read afterwards is all that was asked for.
    let mut got = 0;
    while got < 21 * 100_000 {
        let heard = cable.heard(1).len();
        got += heard;
        assert!(executor.step() || heard > 0, "it stands still after {got} bytes");
    }
    executor.run_until_idle();
    assert_eq!(numbers.requested().count(), 100_000);
}

#[test]
fn frames_of_a_later_version_that_need_not_be_understood_are_passed_over() {
    let (cable, executor, _numbers, _told) = sender();
    // With a feature that is offered: its number, its length, and its bytes.
    let offers = frame(1, &[b"MLST\x01\x01\0\0\x40\0", b"\0\x01\0\x04feat"]);
    cable.say(1, &[offers, frame(0x80, &[b"?"]), request(1, 0), frame(0xff, &[])].concat());
    executor.run_until_idle();
    assert_eq!(cable.heard(1), number(0));

    let (cable, executor, handle) = receiver();
    let offers = frame(1, &[b"MLST\x01\0\0\0\x40\0", b"\0\x01\0\0"]);
    cable.say(0, &[offers, frame(0x81, &[b"?"]), next(0, b"zero"), complete(1)].concat());
    executor.run_until_idle();
    handle.assert_items(&["zero".to_owned()]);
    handle.assert_completed();
    assert_eq!(cable.heard(0), frame(8, &[&1_u64.to_be_bytes()]));
}

#[test]
fn a_peer_that_never_confirms_the_end_leaves_it_open_and_one_that_goes_without_is_lost() {
    let (cable, executor) = (Cable::new(1 << 16, 1 << 16), seeded(1));
    let told = served(&executor, serve(millstream::just(7), cable.link(0), encode, 2));
    cable.say(1, &[hello(1, 1 << 16), request(1, 0)].concat());
    executor.run_until_idle();
    assert!(cable.heard(1).ends_with(&complete(1)));
    assert!(told.lock().unwrap().is_none());
    // It may still confirm items, and wants no more before it has seen the end.
    cable.say(1, &request(9, 1));
    executor.run_until_idle();
    assert!(told.lock().unwrap().is_none());
    cable.close(1);
    executor.run_until_idle();
    let report = report(&told);
    assert!(matches!(report.end, Ended::Lost(_)));
    assert_eq!((report.sent, report.received), (1, 1));
}

#[test]
fn a_peer_that_cancels_as_the_end_is_said_has_cancelled() {
    let (cable, executor) = (Cable::new(1 << 16, 1 << 16), seeded(1));
    let told = served(&executor, serve(millstream::just(7), cable.link(0), encode, 2));
    cable.say(1, &[hello(1, 1 << 16), request(1, 0)].concat());
    executor.run_until_idle();
    cable.say(1, &frame(7, &[&0_u64.to_be_bytes(), &[2], b"the disk is full"]));
    executor.run_until_idle();
    let report = report(&told);
    assert_eq!(report.end.to_string(), "cancelled by the peer: the disk is full");
    assert!(cable.is_closed(0));
}

#[test]
fn a_peer_that_confirms_an_end_that_it_has_not_seen_is_refused() {
    let (cable, executor) = (Cable::new(1 << 16, 1 << 16), seeded(1));
    let told = served(&executor, serve(millstream::just(7), cable.link(0), encode, 2));
    cable.say(1, &[hello(1, 1 << 16), request(1, 0)].concat());
    executor.run_until_idle();
    cable.say(1, &frame(8, &[&0_u64.to_be_bytes()]));
    executor.run_until_idle();
    assert_eq!(
        report(&told).end.to_string(),
        "the peer confirms the end with 0 items, and 1 were sent"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever a peer says, whoever receives comes to rest, has no more than was asked for, and ends
    /// when the connection does.
    #[test]
    fn a_receiver_bears_any_bytes(
        greets in any::<bool>(),
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        frames in proptest::collection::vec((0_u8..12, proptest::collection::vec(0_u8..4, 0..20)), 0..8),
    ) {
        let (cable, executor, handle) = receiver();
        if greets {
            cable.say(0, &hello(0, 1 << 16));
        }
        for (kind, body) in frames {
            cable.say(0, &frame(kind, &[&body]));
        }
        cable.say(0, &bytes);
        executor.run_until_idle();
        prop_assert!(handle.delivered() <= 3);
        cable.close(0);
        executor.run_until_idle();
        handle.assert_no_violation();
        prop_assert!(handle.is_ended());
        prop_assert!(!executor.step_spuriously(), "a task is left");
    }

    #[test]
    fn a_sender_bears_any_bytes(
        greets in any::<bool>(),
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        frames in proptest::collection::vec((0_u8..12, proptest::collection::vec(0_u8..4, 0..20)), 0..8),
    ) {
        let (cable, executor) = (Cable::new(1 << 20, 1 << 16), seeded(1));
        let items = millstream::from_iter(0..100_i64);
        let told = served(&executor, serve(items, cable.link(0), encode, 2));
        if greets {
            cable.say(1, &hello(1, 1 << 16));
        }
        for (kind, body) in frames {
            cable.say(1, &frame(kind, &[&body]));
        }
        cable.say(1, &bytes);
        executor.run_until_idle();
        cable.close(1);
        executor.run_until_idle();
        let report = report(&told);
        prop_assert!(report.received <= report.sent && report.sent <= report.asked);
        prop_assert!(!executor.step_spuriously(), "a task is left");
    }
}
