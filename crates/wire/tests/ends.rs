//! How a stream ends, and that both sides know it.

use std::convert::Infallible;

use millstream::executor::Seeded;
use millstream::prelude::*;
use millstream::{Cause, Fault};
use millstream_testkit::sweep::{Ending, Source, TestError};
use millstream_testkit::{
    Behaviour, Event, Faulted, Ledger, ProbeHandle, ScriptedPublisher, probe,
};
use millstream_wire::{Ended, Link, Text, Violation, WireError, connect, serve};

use crate::common::{
    Cable, WIDTHS, connect_tokens, decode, encode, report, seeded, serve_tokens, served,
};

fn of(n: i64) -> impl Publisher<Item = i64, Error = Infallible> {
    millstream::from_iter(0..n)
}

/// What arrives of `publisher`, and how it ends on both sides.
fn run<P: Publisher<Item = i64, Error: std::fmt::Display>>(
    publisher: P,
    behaviour: Behaviour,
) -> (Vec<i64>, Option<String>, millstream_wire::Report<P::Error>) {
    let (cable, executor) = (Cable::new(1 << 16, 1 << 16), seeded(1));
    let told = served(&executor, serve(publisher, cable.link(0), encode, 8));
    let stream = connect(executor.clone(), cable.link(1), decode, 8);
    let handle = probe(stream.map_err(|error| error.to_string()), behaviour);
    executor.run_until_idle();
    handle.assert_no_violation();
    handle.assert_dropped();
    let end = handle.end().map(|end| format!("{end:?}"));
    (handle.items(), end, report(&told))
}

fn all() -> Behaviour {
    Behaviour::new().initially(u64::MAX)
}

#[test]
fn a_complete_stream_is_complete_on_both_sides() {
    for n in [0, 1, 8, 9, 100] {
        let (items, end, report) = run(of(n), all());
        assert_eq!(items, (0..n).collect::<Vec<_>>());
        assert_eq!(end.as_deref(), Some("Completed"));
        assert!(matches!(report.end, Ended::Completed), "{report:?}");
        let n = n as u64;
        assert_eq!((report.sent, report.received), (n, n));
        assert_eq!(report.end.to_string(), "complete");
    }
}

#[test]
fn an_end_needs_no_demand() {
    let (items, end, report) = run(of(0), Behaviour::new());
    assert_eq!((items, end.as_deref()), (vec![], Some("Completed")));
    assert!(matches!(report.end, Ended::Completed));
    let (items, end, report) = run(of(3), Behaviour::new().initially(3));
    assert_eq!((items, end.as_deref()), (vec![0, 1, 2], Some("Completed")));
    assert_eq!((report.asked, report.sent, report.received), (3, 3, 3));
}

#[test]
fn an_error_is_told_as_text_or_as_what_it_is() {
    let failing = || of(2).map_err(|never| match never {}).chain(millstream::fail(TestError(2)));
    let (items, end, report) = run(failing(), all());
    assert_eq!(items, [0, 1]);
    assert_eq!(end.as_deref(), Some("Failed(\"a test error after 2 items\")"));
    assert!(matches!(report.end, Ended::Failed(TestError(2))), "{report:?}");

    let (cable, executor) = (Cable::new(1 << 16, 1 << 16), seeded(1));
    let serve = serve(failing(), cable.link(0), encode, 8)
        .with_errors(|error: &TestError, into: &mut Vec<u8>| encode(&(error.0 as i64), into));
    let told = served(&executor, serve);
    let stream = connect(executor.clone(), cable.link(1), decode, 8)
        .with_errors(|bytes: &[u8]| decode(bytes).map(|n| TestError(n as u64)));
    let failure = executor.run_until(stream.collect::<Vec<_>>()).unwrap_err();
    let Some(WireError::Failed(error)) = failure.into_error() else { panic!("it did not fail") };
    assert_eq!(error, TestError(2));
    executor.run_until_idle();
    assert!(matches!(report_of(&told), Ended::Failed(TestError(2))));
}

fn report_of<E>(told: &crate::common::Told<E>) -> Ended<E> {
    report(told).end
}

#[test]
fn a_panic_there_is_an_error_here_in_its_words() {
    let breaking = of(5).map(|n| if n < 2 { n } else { panic!("the third is one too many") });
    let (items, end, report) = run(breaking, all());
    // A fault does not wait behind what is queued.
    assert!([0, 1].starts_with(&items), "{items:?}");
    assert_eq!(
        end.as_deref(),
        Some(
            "Failed(\"the pipeline broke on the other side: user code panicked: the third is one too \
             many\")"
        )
    );
    assert!(matches!(report.end, Ended::Fault(Fault::Panicked(_))), "{report:?}");
    assert_eq!(report.received, items.len() as u64);
}

#[test]
fn why_a_stream_is_cancelled_is_known_on_the_other_side() {
    for (cause, words) in [
        (Cause::NoMoreNeeded, "no more was needed"),
        (Cause::Failed, "downstream failed"),
        (Cause::given("the disk is full"), "the disk is full"),
    ] {
        let numbers = ScriptedPublisher::<i64, Infallible>::new();
        let (cable, executor) = (Cable::new(1 << 16, 1 << 16), seeded(1));
        let told = served(&executor, serve(numbers.clone(), cable.link(0), encode, 8));
        let stream = connect(executor.clone(), cable.link(1), decode, 8);
        let handle = probe(stream.map_err(|error| error.to_string()), all());
        executor.run_until_idle();
        numbers.next(0);
        executor.run_until_idle();
        handle.cancel_because(cause.clone());
        executor.run_until_idle();
        assert_eq!(numbers.cause().map(|cause| cause.to_string()).as_deref(), Some(words));
        let report = report(&told);
        assert_eq!((report.sent, report.received), (1, 1));
        let Ended::Cancelled(why) = report.end else { panic!("{report:?}") };
        assert_eq!((why.to_string().as_str(), why.is_failure()), (words, cause.is_failure()));
    }
}

#[test]
fn a_cause_too_long_for_the_peer_is_cut() {
    let numbers = ScriptedPublisher::<i64, Infallible>::new();
    let (cable, executor) = (Cable::new(1 << 16, 1 << 16), seeded(1));
    let (reader, writer) = cable.side(0);
    let link = Link::from_futures(reader, writer, 64);
    let told = served(&executor, serve(numbers.clone(), link, encode, 8));
    let stream = connect(executor.clone(), cable.link(1), decode, 8);
    let handle = probe(stream.map_err(|error| error.to_string()), all());
    executor.run_until_idle();
    handle.cancel_because(Cause::given("long ".repeat(1000)));
    executor.run_until_idle();
    let Ended::Cancelled(why) = report(&told).end else { panic!("it was cancelled") };
    assert_eq!(why.to_string(), &"long ".repeat(1000)[..48]);
}

#[test]
fn nobody_who_subscribes_and_cancels_at_once_is_a_lost_connection() {
    let (items, end, report) = run(of(3), Behaviour::new().cancels_at_once());
    assert_eq!((items, end), (vec![], None));
    assert!(matches!(report.end, Ended::Cancelled(Cause::NoMoreNeeded)), "{report:?}");
    assert_eq!((report.asked, report.sent), (0, 0));
}

#[test]
fn an_item_that_cannot_be_encoded_ends_the_stream_and_both_are_told() {
    let (cable, executor) = (Cable::new(1 << 16, 1 << 16), seeded(1));
    let odd = |n: &i64, into: &mut Vec<u8>| {
        if *n == 2 { Err("it is even, and a prime".to_owned()) } else { encode(n, into) }
    };
    let (numbers, end) = millstream::from_iter(0..).watch_end();
    let told = served(&executor, serve(numbers, cable.link(0), odd, 8));
    let stream = connect(executor.clone(), cable.link(1), decode, 8);
    let handle = probe(stream.map_err(|error| error.to_string()), all());
    executor.run_until_idle();
    handle.assert_items(&[0, 1]);
    handle.assert_failed(
        &"the pipeline broke on the other side: item 2 could not be encoded: it is even, and a prime"
            .to_owned(),
    );
    let report = report(&told);
    let text = report.end.to_string();
    assert_eq!(text, "item 2 could not be encoded: it is even, and a prime");
    assert!(matches!(report.end, Ended::Unencodable { sequence: 2, .. }));
    let why = executor.run_until(end);
    let millstream::effect::FinallyReason::Cancelled(cause) = why else { panic!("{why:?}") };
    assert_eq!(cause.to_string(), text);
}

#[test]
fn an_item_too_long_for_the_peer_is_not_sent() {
    let (cable, executor) = (Cable::new(1 << 16, 1 << 16), seeded(1));
    let words = millstream::from_iter(["short", &"long ".repeat(20)].map(str::to_owned));
    let told = served(&executor, serve(words, cable.link(0), Text, 8));
    let (reader, writer) = cable.side(1);
    let link = Link::from_futures(reader, writer, 64);
    let stream = connect(executor.clone(), link, Text, 8);
    let handle = probe(stream.map_err(|error| error.to_string()), all());
    executor.run_until_idle();
    handle.assert_items(&["short".to_owned()]);
    let report = report(&told);
    assert_eq!(
        report.end.to_string(),
        "item 1 could not be encoded: it is a frame of 109 bytes, and at most 64 are taken"
    );
    // As much of it as the peer takes.
    handle.assert_failed(
        &"the pipeline broke on the other side: item 1 could not be encoded: it is a frame of 10"
            .to_owned(),
    );
}

#[test]
fn an_encoder_that_panics_breaks_its_side_and_is_an_error_on_the_other() {
    let (cable, executor) = (Cable::new(1 << 16, 1 << 16), seeded(1));
    let encode = |n: &i64, into: &mut Vec<u8>| {
        assert!(*n < 2, "no number for {n}");
        encode(n, into)
    };
    let told = served(&executor, serve(of(5), cable.link(0), encode, 8));
    let stream = connect(executor.clone(), cable.link(1), decode, 8);
    let handle = probe(stream.map_err(|error| error.to_string()), all());
    executor.run_until_idle();
    handle.assert_items(&[0, 1]);
    handle.assert_failed(
        &"the pipeline broke on the other side: user code panicked: no number for 2".to_owned(),
    );
    let Ended::Fault(Fault::Panicked(panic)) = report(&told).end else { panic!("it panicked") };
    assert_eq!(panic.message(), Some("no number for 2"));
}

#[test]
fn an_error_that_cannot_be_encoded_is_told_as_such() {
    type Encoder = fn(&TestError, &mut Vec<u8>) -> Result<(), String>;
    let encoders: [Encoder; 3] = [
        |_, _| Err("no words".to_owned()),
        |_, _| panic!("no words"),
        |_, into| {
            into.resize(1 << 16, 0);
            Ok(())
        },
    ];
    for (encoder, words) in encoders.into_iter().zip([
        "no words",
        "user code panicked: no words",
        "it is a frame of 65545 bytes, and at most 65536 are taken",
    ]) {
        let (cable, executor) = (Cable::new(1 << 18, 1 << 16), seeded(1));
        let failing = millstream::fail::<i64, _>(TestError(0));
        let serve = serve(failing, cable.link(0), encode, 8).with_errors(encoder);
        let told = served(&executor, serve);
        let stream = connect(executor.clone(), cable.link(1), decode, 8);
        let handle = probe(stream.map_err(|error| error.to_string()), all());
        executor.run_until_idle();
        handle.assert_failed(&format!(
            "the pipeline broke on the other side: an error could not be encoded: {words}"
        ));
        assert!(matches!(report_of(&told), Ended::Failed(TestError(0))));
    }
}

#[test]
fn what_cannot_be_decoded_ends_the_stream_and_both_are_told() {
    let (cable, executor) = (Cable::new(1 << 16, 1 << 16), seeded(1));
    let told = served(&executor, serve(of(5), cable.link(0), encode, 8));
    let picky = |bytes: &[u8]| match decode(bytes) {
        Ok(n) if n < 2 => Ok(n),
        _ => Err("there are only two numbers"),
    };
    let stream = connect(executor.clone(), cable.link(1), picky, 8);
    let failure = executor.run_until(stream.collect::<Vec<_>>()).unwrap_err();
    assert_eq!(failure.to_string(), "item 2 could not be decoded: there are only two numbers");
    assert!(matches!(failure.into_error(), Some(WireError::Undecodable { sequence: 2, .. })));
    executor.run_until_idle();
    assert_eq!(
        report_of(&told).to_string(),
        "cancelled by the peer: item 2 could not be decoded: there are only two numbers"
    );

    let failing = millstream::fail::<i64, _>(TestError(0));
    let cable = Cable::new(1 << 16, 1 << 16);
    let told = served(&executor, serve(failing, cable.link(0), encode, 8));
    let stream = connect(executor.clone(), cable.link(1), decode, 8).with_errors(decode);
    let failure = executor.run_until(stream.collect::<Vec<_>>()).unwrap_err();
    assert!(matches!(failure.into_error(), Some(WireError::Undecodable { sequence: 0, .. })));
    executor.run_until_idle();
    assert!(matches!(report_of(&told), Ended::Failed(TestError(0))));
}

#[test]
fn a_decoder_that_panics_is_a_fault_and_the_peer_knows_that_downstream_failed() {
    let (cable, executor) = (Cable::new(1 << 16, 1 << 16), seeded(1));
    let told = served(&executor, serve(of(5), cable.link(0), encode, 8));
    let decode = |bytes: &[u8]| {
        let n = decode(bytes);
        assert!(!matches!(n, Ok(2)), "no number");
        n
    };
    let stream = connect(executor.clone(), cable.link(1), decode, 8);
    let handle = probe(stream.map_err(|error| error.to_string()), all());
    executor.run_until_idle();
    handle.assert_items(&[0, 1]);
    handle.assert_faulted(&Faulted::Panicked(Some("no number".to_owned())));
    assert!(matches!(report_of(&told), Ended::Cancelled(Cause::Failed)));
}

#[test]
fn an_executor_that_refuses_or_drops_the_receiver_ends_both_and_keeps_nothing() {
    // That which refuses the receiver refuses its farewell as well.
    let ledger = Ledger::new();
    let (serving, receiving) = (seeded(1), seeded(2));
    receiving.refuse_after(0);
    let (told, handle) = on_two(&serving, &receiving, &ledger);
    assert!(
        matches!(handle.end(), Some(Event::Faulted(Faulted::Other(refused))) if refused.contains("takes no more tasks"))
    );
    serving.run_until_idle();
    assert!(matches!(report(&told).end, Ended::Lost(_) | Ended::Cancelled(_)));

    let (serving, receiving) = (seeded(1), seeded(2));
    let (told, handle) = on_two(&serving, &receiving, &ledger);
    for _ in 0..10 {
        serving.run_until_idle();
        let _ran = receiving.step();
    }
    receiving.drop_all();
    receiving.run_until_idle();
    assert!(
        matches!(handle.end(), Some(Event::Faulted(Faulted::Other(gone))) if gone.contains("dropped the task"))
    );
    serving.run_until_idle();
    let ended = report(&told).end;
    assert!(matches!(ended, Ended::Lost(_) | Ended::Cancelled(Cause::Failed)), "{ended:?}");
    drop(handle);
    ledger.assert_settled();
}

#[test]
fn an_executor_that_drops_whoever_serves_is_a_lost_connection() {
    let ledger = Ledger::new();
    let (serving, receiving) = (seeded(1), seeded(2));
    let (told, handle) = on_two(&serving, &receiving, &ledger);
    for _ in 0..10 {
        receiving.run_until_idle();
        let _ran = serving.step();
    }
    serving.drop_all();
    receiving.run_until_idle();
    assert!(told.lock().unwrap().is_none());
    let Some(Event::Failed(error)) = handle.end() else { panic!("{:?}", handle.end()) };
    assert!(error.starts_with("the connection was lost: "), "{error}");
    drop(handle);
    ledger.assert_settled();
}

type Told = crate::common::Told<TestError>;

fn on_two(
    serving: &Seeded,
    receiving: &Seeded,
    ledger: &Ledger,
) -> (Told, ProbeHandle<i64, String>) {
    let widths = WIDTHS[1];
    let source = Source::<false>::new((0..1000).collect(), Ending::Complete, ledger);
    let cable = Cable::new(widths.room, widths.piece);
    let told = serve_tokens(&cable, source, serving, widths);
    let stream = connect_tokens(&cable, ledger, receiving, widths);
    let stream = stream.map(|token| token.value()).map_err(|error| error.to_string());
    (told, probe(stream, all()))
}

#[test]
fn an_end_is_confirmed_before_it_is_told() {
    let failing = || millstream::fail::<i64, _>("no more".to_owned());
    for fails in [false, true] {
        let (serving, receiving) = (seeded(1), seeded(2));
        // The whole of a hello and of a request, and then a byte at a time.
        let cable = Cable::new(36, 1 << 16);
        let numbers = of(3).map_err(|never| match never {});
        let numbers = if fails { failing().boxed() } else { numbers.boxed() };
        let told = served(&serving, serve(numbers, cable.link(0), encode, 8));
        let stream = connect(receiving.clone(), cable.link(1), decode, 8);
        let handle = probe(stream.map_err(|error| error.to_string()), all());
        while !handle.is_ended() {
            serving.run_until_idle();
            assert!(receiving.step() || serving.step(), "it stands still");
        }
        // Whatever becomes of the process now.
        receiving.refuse_after(0);
        receiving.drop_all();
        serving.run_until_idle();
        match report_of(&told) {
            Ended::Completed => assert!(!fails),
            Ended::Failed(error) => assert_eq!((error.as_str(), fails), ("no more", true)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_can_be_said_at_once_is_said_though_no_task_is_run_any_more() {
    let numbers = ScriptedPublisher::<i64, Infallible>::new();
    let (serving, receiving) = (seeded(1), seeded(2));
    let cable = Cable::new(1 << 16, 1 << 16);
    let told = served(&serving, serve(numbers.clone(), cable.link(0), encode, 8));
    let stream = connect(receiving.clone(), cable.link(1), decode, 8);
    let handle = probe(stream.map_err(|error| error.to_string()), all());
    for _ in 0..4 {
        serving.run_until_idle();
        receiving.run_until_idle();
    }
    receiving.refuse_after(0);
    handle.cancel_because(Cause::given("the disk is full"));
    receiving.run_until_idle();
    serving.run_until_idle();
    assert_eq!(report_of(&told).to_string(), "cancelled by the peer: the disk is full");
}

#[test]
fn whoever_waits_for_the_farewell_is_told_when_the_connection_is_over() {
    let (serving, receiving) = (seeded(1), seeded(2));
    let cable = Cable::new(36, 1 << 16);
    let told = served(&serving, serve(of(1000), cable.link(0), encode, 8));
    let (stream, farewell) = connect(receiving.clone(), cable.link(1), decode, 8).with_farewell();
    let handle = probe(stream.map_err(|error| error.to_string()), all());
    for _ in 0..4 {
        serving.run_until_idle();
        receiving.run_until_idle();
    }
    handle.cancel();
    let mut farewell = Box::pin(farewell);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    receiving.run_until_idle();
    assert!(farewell.as_mut().poll(&mut cx).is_pending(), "the peer has not closed");
    serving.run_until_idle();
    receiving.run_until_idle();
    assert!(farewell.as_mut().poll(&mut cx).is_ready());
    assert!(matches!(report_of(&told), Ended::Cancelled(Cause::NoMoreNeeded)));
    // Nor is it waited for where there is none.
    let (stream, farewell) =
        connect(receiving.clone(), Cable::new(1, 1).link(1), decode, 8).with_farewell();
    drop(stream);
    receiving.run_until(farewell);
}

#[test]
fn whoever_never_subscribes_never_says_hello() {
    let (cable, executor) = (Cable::new(1 << 16, 1 << 16), seeded(1));
    let told = served(&executor, serve(of(5), cable.link(0), encode, 8));
    drop(connect(executor.clone(), cable.link(1), decode, 8));
    executor.run_until_idle();
    let ended = report_of(&told);
    assert!(matches!(ended, Ended::Lost(_)), "{ended:?}");
}

#[test]
fn two_that_serve_and_two_that_receive_are_told_so() {
    let (cable, executor) = (Cable::new(1 << 16, 1 << 16), seeded(1));
    let one = served(&executor, serve(of(5), cable.link(0), encode, 8));
    let other = served(&executor, serve(of(5), cable.link(1), encode, 8));
    executor.run_until_idle();
    for told in [one, other] {
        let ended = report_of(&told);
        assert_eq!(ended.to_string(), "the peer serves, and so does this side");
    }
    let cable = Cable::new(1 << 16, 1 << 16);
    let streams = [0, 1].map(|side| connect(executor.clone(), cable.link(side), decode, 8));
    let handles = streams.map(|stream| probe(stream.map_err(|error| error.to_string()), all()));
    executor.run_until_idle();
    for handle in handles {
        handle.assert_failed(&"the peer receives, and so does this side".to_owned());
    }
}

#[test]
#[should_panic(expected = "connect(.., 0): at least 1 item is asked for at a time")]
fn a_window_of_nothing_is_refused() {
    let _stream = connect(seeded(1), Cable::new(1, 1).link(0), decode, 0);
}

#[test]
#[should_panic(expected = "serve(.., 0): at least 1 item is made ahead of the connection")]
fn nothing_ahead_is_refused() {
    let _serve = serve(of(1), Cable::new(1, 1).link(0), encode, 0);
}

#[test]
#[should_panic(expected = "Link::from_futures(.., 63): a frame may have 64 bytes at least")]
fn a_limit_below_the_frames_of_the_protocol_is_refused() {
    let (reader, writer) = Cable::new(1, 1).side(0);
    let _link = Link::from_futures(reader, writer, 63);
}

#[test]
fn a_violation_can_be_told_apart() {
    let violation = Violation::Unasked { sequence: 3, asked: 3 };
    let error: WireError = WireError::Broken(violation.clone());
    assert_eq!(error.to_string(), violation.to_string());
}
