//! Connections that break: after each byte, in either direction. Both sides know, upstream is cancelled
//! for it, and nothing is kept.

use std::collections::BTreeSet;
use std::time::Duration;

use millstream::Cause;
use millstream::executor::Executor;
use millstream::fault::Backoff;
use millstream::prelude::*;
use millstream::source::Restart;
use millstream_testkit::sweep::{Ending, Source, TestError};
use millstream_testkit::{Behaviour, Event, Ledger, VirtualClock, probe};
use millstream_wire::{Ended, Violation, WireError, connect, serve};

use crate::common::{
    Cable, WIDTHS, Widths, connect_tokens, decode, encode, report, seeded, serve_tokens, served,
};

/// What the receiver and the sender said, with the connection cut when `side` has written `after` bytes.
/// Whether it was cut at all.
fn run(widths: Widths, ending: Ending, side: usize, after: u64) -> (String, String, bool) {
    let ledger = Ledger::new();
    let cable = Cable::new(widths.room, widths.piece).cut_after(side, after);
    let executor = seeded(after);
    let source = Source::<false>::new((0..6).collect(), ending, &ledger);
    let (source, end) = source.watch_end();
    let told = serve_tokens(&cable, source, &executor, widths);
    let mut broken = None;
    let stream = connect_tokens(&cable, &ledger, &executor, widths);
    let kind = |error: WireError<TestError>| match error {
        WireError::Failed(error) => format!("failed: {error}"),
        WireError::Lost(_) => "lost".to_owned(),
        WireError::Broken(Violation::Truncated { have, of }) => {
            assert!(have > 0 && have < of, "{have} of {of}");
            "lost".to_owned()
        }
        other => panic!("{other}"),
    };
    let stream = stream.map(|token| token.value()).map_err(kind);
    let handle = probe(stream, Behaviour::new().initially(u64::MAX));
    executor.run_until_idle();
    handle.assert_no_violation();
    let items = handle.items();
    assert_eq!(items, (0..items.len() as i64).collect::<Vec<_>>(), "a beginning of what was sent");
    let receiver = match handle.end() {
        Some(Event::Completed) => {
            assert_eq!(items.len(), 6);
            "complete".to_owned()
        }
        Some(Event::Failed(error)) => error,
        end => panic!("{end:?} after {after} bytes of {side}"),
    };
    let report = report(&told);
    assert!(report.received <= items.len() as u64 && report.sent <= 6);
    assert!(items.len() as u64 <= report.sent);
    let sender = match report.end {
        Ended::Completed => "complete".to_owned(),
        Ended::Failed(error) => format!("failed: {error}"),
        Ended::Lost(error) => {
            broken = Some(error.to_string());
            "lost".to_owned()
        }
        Ended::Broken(Violation::Truncated { .. }) => "lost".to_owned(),
        end => panic!("{end:?} after {after} bytes of {side}"),
    };
    // Why it was cancelled, unless it was over or never began.
    let cut = cable.is_broken();
    use millstream::effect::FinallyReason;
    match executor.run_until(end) {
        FinallyReason::Cancelled(Cause::NoMoreNeeded) => panic!("a lost connection is a failure"),
        FinallyReason::Cancelled(cause) => {
            let lost = cause.to_string();
            if let Some(broken) = broken {
                assert_eq!(lost, format!("the connection was lost: {broken}"));
            }
        }
        FinallyReason::Completed | FinallyReason::Failed => {}
        FinallyReason::Fault => panic!("nothing broke there"),
    }
    drop(handle);
    ledger.assert_settled();
    (receiver, sender, cut)
}

#[test]
fn a_connection_that_breaks_after_any_byte_is_known_on_both_sides_and_nothing_is_kept() {
    for widths in WIDTHS {
        for (ending, whole) in [
            (Ending::Complete, "complete"),
            (Ending::Fails(4), "failed: a test error after 4 items"),
        ] {
            for side in [0, 1] {
                let mut seen = BTreeSet::new();
                for after in 0.. {
                    let (receiver, sender, cut) = run(widths, ending, side, after);
                    if !cut {
                        assert_eq!((receiver.as_str(), sender.as_str()), (whole, whole));
                        break;
                    }
                    for end in [&receiver, &sender] {
                        assert!(end == "lost" || end == whole, "{end}");
                    }
                    // What is complete for whoever sends is so for whoever receives.
                    assert!(sender == "lost" || sender == receiver || whole != "complete");
                    seen.insert((receiver, sender));
                }
                assert!(seen.contains(&("lost".to_owned(), "lost".to_owned())), "{seen:?}");
            }
        }
    }
}

#[test]
fn a_connection_that_is_lost_is_made_again_where_somebody_says_so() {
    let executor = seeded(1);
    let (dialling, mut dialled) = (executor.clone(), 0);
    let dial = move || {
        dialled += 1;
        let cable = Cable::new(1 << 16, 1 << 16);
        // The first two break, one in its hello and one among its items.
        let cable = match dialled {
            1 => cable.cut_after(0, 7),
            2 => cable.cut_after(0, 60),
            _ => cable,
        };
        let numbers = millstream::from_iter(dialled * 10..dialled * 10 + 4);
        let _told = served(&dialling, serve(numbers, cable.link(0), encode, 4));
        connect(dialling.clone(), cable.link(1), decode, 4)
    };
    let backoff = Backoff::new(Duration::from_secs(1)).attempts(5);
    let restart = Restart::new(backoff)
        .only_on_failures()
        .on(|error: &WireError| matches!(error, WireError::Lost(_) | WireError::Broken(_)));
    let time = executor.clone().with_clock(VirtualClock::hasty());
    let numbers = millstream::restart_with_backoff(time, restart, dial);
    let numbers = executor.run_until(numbers.collect::<Vec<_>>()).unwrap();
    // Of the second as many as were whole: two, and then all of the third.
    assert_eq!(numbers, [20, 21, 30, 31, 32, 33]);
}
