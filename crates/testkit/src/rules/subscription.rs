//! Chapter 3: subscriptions, as publishers hand them out.

use std::sync::atomic::{AtomicBool, Ordering};

use millstream_core::{Demand, More};

use crate::probe::{Answer, Behaviour, Event, Faulted, ProbeHandle};
use crate::rules::publisher::{Run, Subject};
use crate::rules::stage::Kind;
use crate::rules::{Check, Found, Rule};

pub(super) const CHECKS: &[Check<Subject>] = &[
    (Rule::R3_02, requests_from_inside_count),
    (Rule::R3_03, requests_from_inside_do_not_recurse),
    (Rule::R3_05, cancellation_from_another_thread),
    (Rule::R3_06, a_request_after_cancellation_does_nothing),
    (Rule::R3_07, a_second_cancellation_does_nothing),
    (Rule::R3_08, requests_add_up),
    (Rule::R3_09, an_invalid_request_is_a_fault),
    (Rule::R3_12, cancellation_stops),
    (Rule::R3_13, cancellation_drops_the_subscriber),
    (Rule::R3_15, cancel_returns),
    (Rule::R3_16, request_returns_when_the_subscriber_panics),
    (Rule::R3_17, demand_of_any_size),
];

fn requests_from_inside_count(subject: &Subject) -> Found {
    let expected = (subject.gives)(10);
    for inside in [Answer::Request(Demand::ONE), Answer::ONE] {
        let run = subject.start(10, Behaviour::new().initially(1).each(inside));
        subject.settled(&run, |handle| handle.delivered() >= expected);
        let delivered = run.handle.delivered();
        run.expect(delivered >= expected, || {
            format!("{inside:?} from inside each item: {delivered} of {expected} items came")
        })?;
    }
    Ok(())
}

fn requests_from_inside_do_not_recurse(subject: &Subject) -> Found {
    let inside = Answer::Request(Demand::ONE);
    let behaviour = Behaviour::new().initially(1).each(inside).stack_limit(96 << 10);
    // A return address for each of them would be 160 kB.
    let run = subject.start(10_000, behaviour);
    subject.settled(&run, ProbeHandle::is_ended);
    run.violated("3.3")
}

fn cancellation_from_another_thread(subject: &Subject) -> Found {
    let run = subject.start(10_000, Behaviour::new().stack_limit(96 << 10));
    let asked = AtomicBool::new(false);
    let normal = std::thread::scope(|scope| {
        scope.spawn(|| {
            run.request(Demand::UNBOUNDED.get());
            asked.store(true, Ordering::Release);
        });
        let cancelling = scope.spawn(|| {
            while run.handle.delivered() == 0 && !asked.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
            run.cancel()
        });
        cancelling.join().unwrap_or(false)
    });
    run.expect(normal, || "a cancellation from another thread panicked".into())?;
    Ok(())
}

fn a_request_after_cancellation_does_nothing(subject: &Subject) -> Found {
    let run = subject.start(10, Behaviour::new());
    run.request(1);
    subject.settled(&run, |handle| handle.delivered() == 1);
    run.cancel();
    subject.quiet(&run);
    let delivered = run.handle.delivered();
    let normal = run.late(|upstream| upstream.request(Demand::of(3)));
    run.expect(normal, || "a request after cancellation panicked".into())?;
    subject.quiet(&run);
    run.expect(run.handle.delivered() == delivered, || {
        "a request after cancellation gave an item".into()
    })
}

fn a_second_cancellation_does_nothing(subject: &Subject) -> Found {
    let run = subject.start(10, Behaviour::new());
    run.request(1);
    run.cancel();
    let normal = run.late(|upstream| upstream.cancel()) && run.late(|upstream| upstream.cancel());
    run.expect(normal, || "a second cancellation panicked".into())
}

fn requests_add_up(subject: &Subject) -> Found {
    let expected = (subject.gives)(10).min(5);
    // Both are noted before an item can come.
    let run = subject.start(10, Behaviour::new().initially(2).initially(3));
    subject.settled(&run, |handle| handle.delivered() >= expected);
    let delivered = run.handle.delivered();
    run.expect(delivered >= expected, || {
        format!("after requests of 2 and 3, {delivered} items came, not {expected}")
    })?;
    let run = subject.start(10, Behaviour::new());
    for n in [1, 2, 2] {
        run.request(n);
    }
    subject.settled(&run, |handle| handle.delivered() >= expected);
    let delivered = run.handle.delivered();
    run.expect(delivered >= expected, || {
        format!("after requests of 1, 2 and 2, {delivered} items came, not {expected}")
    })?;
    a_stage_is_asked(subject)
}

/// A request becomes what `on_request` of who is subscribed answers: a stage asks in its own unit.
fn a_stage_is_asked(subject: &Subject) -> Found {
    let half = ((subject.gives)(10) / 2).min(3);
    let run = subject.start_before(Kind::Pairs, 10, Behaviour::new());
    for n in [1, 2] {
        run.request(n);
    }
    subject.settled(&run, |handle| handle.delivered() >= half);
    let delivered = run.handle.delivered();
    run.expect(delivered >= half, || {
        format!(
            "behind a stage that sends the second of each two, requests of 1 and 2 gave \
             {delivered} items, not {half}: demand is what `on_request` answers"
        )
    })?;
    let all = (subject.gives)(5);
    let run =
        subject.start_before(Kind::Yields, 5, Behaviour::new().initially(1).each(Answer::ONE));
    subject.settled(&run, |handle| handle.delivered() >= all);
    let delivered = run.handle.delivered();
    run.expect(delivered >= all, || {
        format!(
            "behind a stage that answers `YIELD`, {delivered} of {all} items came: it is asked \
             again by `on_request(NONE)`"
        )
    })
}

fn an_invalid_request_is_a_fault(subject: &Subject) -> Found {
    for n in [0, -5, i64::MIN] {
        let run = subject.start(10, Behaviour::new());
        if run.handle.is_ended() {
            continue;
        }
        run.handle.request_raw(n);
        subject.settled(&run, ProbeHandle::is_ended);
        let (end, expected) = (run.handle.end(), Event::Faulted(Faulted::InvalidDemand(n)));
        run.expect(end.as_ref() == Some(&expected), || {
            format!("after a request of {n}, expected {expected:?}, got {end:?}")
        })?;
    }
    Ok(())
}

fn cancellation_stops(subject: &Subject) -> Found {
    let possible = (subject.gives)(10_000);
    if possible <= 1 {
        return Ok(());
    }
    // In the end, not at once: a publisher may look for a cancellation once in a number of items
    // (rule 2.8).
    for demand in [5_000, Demand::UNBOUNDED.get()] {
        let run = subject.start(10_000, Behaviour::new().initially(demand).at(1, Answer::Drop));
        subject.quiet(&run);
        let delivered = run.handle.delivered();
        run.expect(delivered < demand.min(possible), || {
            format!("cancelled at the first of {demand} items, it sent {delivered}")
        })?;
    }
    Ok(())
}

fn cancellation_drops_the_subscriber(subject: &Subject) -> Found {
    let dropped = |run: &Run, how: &str| {
        let dropped = subject.settled(run, ProbeHandle::is_dropped);
        run.expect(dropped, || format!("cancelled {how}, the subscriber is kept"))
    };
    let at_once = subject.start(10, Behaviour::new());
    at_once.cancel();
    dropped(&at_once, "before any request")?;
    let idle = subject.start(10, Behaviour::new());
    idle.request(1);
    idle.cancel();
    dropped(&idle, "from outside")?;
    for (how, answer) in [("by an answer", Answer::CANCEL), ("inside an item", Answer::Drop)] {
        let run = subject.start(10, Behaviour::new().initially(1).at(1, answer));
        if subject.settled(&run, |handle| handle.delivered() > 0) {
            dropped(&run, how)?;
        }
    }
    dropped(&subject.start(10, Behaviour::new().cancels_at_once()), "inside on_subscribe")
}

pub(super) fn cancel_returns(subject: &Subject) -> Found {
    let run = subject.start(10, Behaviour::new());
    run.expect(run.cancel(), || "`cancel` panicked".into())
}

pub(super) fn request_returns(subject: &Subject) -> Found {
    let run = subject.start(10, Behaviour::new());
    run.expect(run.request(1), || "`request` panicked".into())
}

fn request_returns_when_the_subscriber_panics(subject: &Subject) -> Found {
    let run = subject.start(10, Behaviour::new().at(1, Answer::Panic));
    run.expect(run.request(2), || "a panic of the subscriber came out of `request`".into())
}

fn demand_of_any_size(subject: &Subject) -> Found {
    let max = Demand::UNBOUNDED.get();
    let expected = (subject.gives)(5);
    let patterns: [&[u64]; 6] = [
        &[max],
        &[max, max],
        &[2, max - 1],
        &[max - 1, max - 1, max - 1],
        // Sums that turn negative in an i64, and zero in a u64.
        &[max, max, max, max, max],
        &[max, max, max, max, max, max, max, max, 8],
    ];
    for pattern in patterns {
        let behaviour = pattern.iter().fold(Behaviour::new(), |all, n| all.initially(*n));
        let run = subject.start(5, behaviour);
        subject.settled(&run, |handle| handle.delivered() >= expected);
        let delivered = run.handle.delivered();
        run.expect(delivered >= expected, || {
            format!("after requests of {pattern:?}, {delivered} of {expected} items came")
        })?;
    }
    let run = subject.start(5, Behaviour::new().initially(1).at(1, Answer::More(More::UNBOUNDED)));
    subject.settled(&run, |handle| handle.delivered() >= expected);
    let delivered = run.handle.delivered();
    run.expect(delivered >= expected, || {
        format!("after an unbounded answer, {delivered} of {expected} items came")
    })
}
