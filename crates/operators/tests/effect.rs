//! Claims of the operators that look and do not touch.

use std::error::Error;
use std::sync::mpsc::{Receiver, channel};

use crate::support::{Ending, Item, Mint, Probe, Told, next, next_then, script};
use millstream::effect::{AtCheckpoint, FinallyReason};
use millstream::prelude::*;
use millstream::{Failure, Fault, More};

use Ending::{Complete, Fail, Never};

fn seen<T>(receiver: &Receiver<T>) -> Vec<T> {
    receiver.try_iter().collect()
}

#[test]
fn each_item_is_looked_at_before_it_is_delivered() {
    let mint = Mint::new();
    let (sender, looks) = channel();
    let probe =
        Probe::new().on(script(&mint, 0, 3, Complete).inspect(move |i| sender.send(i.0).unwrap()));
    probe.request(2);
    assert_eq!(seen(&looks), [1, 2]);
    assert_eq!(probe.take(), next([1, 2]));
    probe.cancel();
    assert_eq!(seen(&looks), []);
    assert_eq!(mint.live(), 0);
}

#[test]
fn the_first_item_alone_is_looked_at() {
    let mint = Mint::new();
    let (sender, looks) = channel();
    let probe = Probe::new()
        .asking(More::UNBOUNDED)
        .on(script(&mint, 0, 3, Complete).inspect_first(move |i| sender.send(i.0).unwrap()));
    assert_eq!(seen(&looks), [1]);
    assert_eq!(probe.take(), next_then([1, 2, 3], Told::Complete));
}

#[test]
fn ends_are_looked_at_by_kind() {
    for ending in [Complete, Fail("x")] {
        let mint = Mint::new();
        let (sender, looks) = channel();
        let (a, b, c, d, e) =
            (sender.clone(), sender.clone(), sender.clone(), sender.clone(), sender);
        let probe = Probe::new().asking(More::ONE).on(script(&mint, 0, 1, ending)
            .inspect_complete(move || a.send("complete".to_owned()).unwrap())
            .inspect_err(move |e| b.send(format!("err {e}")).unwrap())
            .inspect_end(move |end| c.send(format!("end {end:?}")).unwrap())
            .inspect_cancel(move |_| d.send("cancel".to_owned()).unwrap())
            .finally(move |why| e.send(format!("finally {why:?}")).unwrap()));
        let expected: &[&str] = match ending {
            Complete => &["complete", "end Ok(())", "finally Completed"],
            _ => &["err x", "end Err(\"x\")", "finally Failed"],
        };
        assert_eq!(seen(&looks), expected);
        assert_eq!(probe.take().len(), 2);
        assert_eq!(mint.live(), 0);
    }
}

#[test]
fn cancellation_is_looked_at_once_wherever_it_comes_from() {
    type Cancel = fn(&Probe);
    let ways: [(More, Cancel); 2] = [(More::ONE, |probe| probe.cancel()), (More::of(2), |_| {})];
    for (asked, cancel) in ways {
        let mint = Mint::new();
        let (sender, looks) = channel();
        let (a, b, c) = (sender.clone(), sender.clone(), sender);
        let probe = Probe::new().asking(asked).on(script(&mint, 0, 9, Never)
            .inspect_cancel(move |_| a.send("cancel".to_owned()).unwrap())
            .finally(move |why| b.send(format!("finally {why:?}")).unwrap())
            .inspect_end(move |_| c.send("end".to_owned()).unwrap())
            .take(2));
        cancel(&probe);
        let expected = ["finally Cancelled(NoMoreNeeded)", "cancel"];
        assert_eq!(seen(&looks), expected, "as an end passes");
        assert_eq!(mint.live(), 0);
        assert!(!probe.is_held());
    }
}

#[test]
fn a_blueprint_that_is_dropped_is_not_cancelled() {
    let mint = Mint::new();
    let (sender, looks) = channel();
    let (a, b) = (sender.clone(), sender);
    let blueprint = script(&mint, 0, 1, Complete)
        .inspect_cancel(move |_| a.send("cancel").unwrap())
        .finally(move |_| b.send("finally").unwrap());
    drop(blueprint.clone());
    drop(blueprint);
    assert_eq!(seen(&looks), [] as [&str; 0]);
    assert_eq!(mint.live(), 0);
}

#[test]
fn finally_comes_after_downstream_was_told() {
    let mint = Mint::new();
    let (sender, looks) = channel();
    let (a, b) = (sender.clone(), sender);
    let probe = Probe::new().on(script(&mint, 0, 0, Complete)
        .finally(move |_| a.send("finally").unwrap())
        .inspect_complete(move || b.send("told").unwrap()));
    assert_eq!(probe.take(), [Told::Complete]);
    assert_eq!(seen(&looks), ["told", "finally"]);
}

#[test]
fn a_panic_above_is_a_fault_for_finally() {
    let mint = Mint::new();
    let (sender, looks) = channel();
    let probe = Probe::new().asking(More::of(3)).on(script(&mint, 0, 3, Complete)
        .inspect(|i| assert!(i.0 < 2, "ouch"))
        .inspect_cancel(|_| unreachable!("a fault is not a cancellation"))
        .finally(move |why| sender.send(why).unwrap()));
    assert_eq!(probe.take().len(), 2);
    assert_eq!(seen(&looks), [FinallyReason::Fault]);
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_panic_in_finally_or_in_a_look_at_cancel_harms_nobody() {
    let mint = Mint::new();
    let probe = Probe::new()
        .asking(More::of(3))
        .on(script(&mint, 0, 1, Complete).finally(|_| panic!("late")));
    assert_eq!(probe.take(), next_then([1], Told::Complete));
    let probe = Probe::new().on(script(&mint, 0, 1, Complete).inspect_cancel(|_| panic!("late")));
    probe.cancel();
    assert_eq!(mint.live(), 0);
    assert!(!probe.is_held());
}

#[test]
fn a_panic_in_any_look_is_a_fault() {
    fn check(publisher: impl Publisher<Item = Item, Error = &'static str>, mint: &Mint) {
        let probe = Probe::new().asking(More::of(3)).on(publisher);
        let told = probe.take();
        assert!(matches!(told.last(), Some(Told::Fault(f)) if f.contains("ouch")), "{told:?}");
        assert_eq!(mint.live(), 0);
        assert!(!probe.is_held());
    }
    let mint = Mint::new();
    check(script(&mint, 0, 2, Complete).inspect(|_| panic!("ouch")), &mint);
    check(script(&mint, 0, 2, Complete).inspect_first(|_| panic!("ouch")), &mint);
    check(script(&mint, 0, 2, Fail("x")).inspect_err(|_| panic!("ouch")), &mint);
    check(script(&mint, 0, 2, Complete).inspect_complete(|| panic!("ouch")), &mint);
    check(script(&mint, 0, 2, Complete).inspect_end(|_| panic!("ouch")), &mint);
    check(script(&mint, 0, 2, Complete).inspect_request(|_| panic!("ouch")), &mint);
}

#[test]
fn demand_is_looked_at_whether_it_is_asked_or_answered() {
    let mint = Mint::new();
    let (sender, looks) = channel();
    let probe = Probe::new()
        .answering(|_, n| if n == 1 { More::of(2) } else { More::NONE })
        .on(script(&mint, 0, 9, Never).inspect_request(move |n| sender.send(n.get()).unwrap()));
    assert_eq!(seen(&looks), []);
    probe.request(1);
    assert_eq!(seen(&looks), [1, 2]);
    probe.request(5);
    assert_eq!(seen(&looks), [5]);
    probe.cancel();
    assert_eq!(mint.live(), 0);
}

#[test]
fn a_subscription_is_seen_before_anything_else() {
    let mint = Mint::new();
    let (sender, looks) = channel();
    let (a, b) = (sender.clone(), sender);
    let publisher = script(&mint, 0, 1, Complete)
        .inspect(move |_| a.send("item").unwrap())
        .inspect_subscribe(move || b.send("subscribed").unwrap());
    assert_eq!(seen(&looks), [] as [&str; 0]);
    Probe::new().asking(More::ONE).on(publisher);
    assert_eq!(seen(&looks), ["subscribed", "item"]);
}

#[test]
fn looks_work_in_publishers_that_are_held_in_place() {
    let mint = Mint::new();
    let (sender, looks) = channel();
    let m = mint.clone();
    let probe = Probe::new().asking(More::UNBOUNDED).on(script(&mint, 0, 2, Complete).concat_map(
        move |i| {
            let (a, b, c) = (sender.clone(), sender.clone(), sender.clone());
            script(&m, i.0 * 10, 1, Complete)
                .inspect_subscribe(move || a.send("subscribed".to_owned()).unwrap())
                .finally(move |why| b.send(format!("{why:?}")).unwrap())
                .inspect_complete(move || c.send("complete".to_owned()).unwrap())
        },
    ));
    assert_eq!(probe.take(), next_then([11, 21], Told::Complete));
    let round = ["subscribed", "complete", "Completed"];
    assert_eq!(seen(&looks), [round, round].concat());
}

#[test]
fn discarded_items_are_handed_over_by_type() {
    let mint = Mint::new();
    let (sender, looks) = channel();
    let probe = Probe::new().asking(More::UNBOUNDED).on(script(&mint, 0, 4, Complete)
        .filter(|i| i.0 % 2 == 0)
        .on_discard(|_: String| unreachable!("no text is discarded"))
        .on_discard(move |i: Item| sender.send(i.0).unwrap()));
    assert_eq!(probe.take(), next_then([2, 4], Told::Complete));
    assert_eq!(seen(&looks), [1, 3]);
    assert_eq!(mint.live(), 0);
}

#[test]
fn items_discarded_above_a_relay_are_handed_over_below_it() {
    let mint = Mint::new();
    let (sender, looks) = channel();
    let odd = script(&mint, 0, 3, Complete).filter(|i| i.0 % 2 == 0);
    let probe = Probe::new()
        .asking(More::UNBOUNDED)
        .on(odd.clone().chain(odd).on_discard(move |i: Item| sender.send(i.0).unwrap()));
    assert_eq!(probe.take(), next_then([2, 2], Told::Complete));
    assert_eq!(seen(&looks), [1, 3, 1, 3]);
    assert_eq!(mint.live(), 0);
}

#[test]
fn items_discarded_in_a_publisher_that_is_pulled_in_place_are_handed_over() {
    let mint = Mint::new();
    let even = |mint: &Mint| script(mint, 0, 5, Complete).filter(|i| i.0 % 2 == 0);
    let (sender, looks) = channel();
    let hook = move |i: Item| sender.send(i.0).unwrap();
    let all = even(&mint).zip(millstream::from_iter(1..).map_err(|never| match never {}), 2);
    let all = all.map(|(i, _)| i).on_discard(hook.clone());
    let probe = Probe::new().asking(More::UNBOUNDED).on(all);
    assert_eq!(probe.take(), next_then([2, 4], Told::Complete));
    assert_eq!(seen(&looks), [1, 3, 5], "by zip");

    let (own, outer) = (mint.clone(), script(&mint, 10, 2, Complete));
    let inner = outer.concat_map(move |_| even(&own)).on_discard(hook.clone());
    let probe = Probe::new().asking(More::UNBOUNDED).on(inner);
    assert_eq!(probe.take(), next_then([2, 4, 2, 4], Told::Complete));
    assert_eq!(seen(&looks), [1, 3, 5, 1, 3, 5], "by concat_map");

    let merged = even(&mint).on_discard(hook.clone()).merge(even(&mint), 2);
    let probe = Probe::new().asking(More::UNBOUNDED).on(merged);
    probe.take();
    assert_eq!(seen(&looks), [1, 3, 5], "above the stage that pulls, for what is above it");

    let held = script(&mint, 0, 5, Never).skip_last(3).merge(script(&mint, 0, 0, Never), 2);
    let probe = Probe::new().on(held.on_discard(hook));
    probe.request(2);
    assert_eq!(probe.take(), next([1, 2]));
    probe.cancel();
    assert_eq!(seen(&looks), [3, 4, 5], "what a pulled stage holds");
    assert_eq!(mint.live(), 0);
}

#[test]
fn the_nearest_name_below_a_panic_is_told() {
    let broken = millstream::from_iter(0..3)
        .named("source")
        .map(|n: u32| assert!(n < 2, "ouch"))
        .named("near")
        .named("far");
    let end = broken.collect::<Vec<_>>().block();
    let Err(Failure::Fault(Fault::Panicked(panic))) = end else { panic!("{end:?}") };
    assert_eq!(panic.stage(), Some("near"));
    assert_eq!(panic.message(), Some("ouch"));
}

#[test]
fn a_name_is_told_across_a_relay() {
    let mint = Mint::new();
    let broken = script(&mint, 0, 1, Complete)
        .chain(script(&mint, 0, 1, Complete).inspect(|_| panic!("ouch")).named("second"));
    let probe = Probe::new().asking(More::of(2)).on(broken);
    assert_eq!(
        probe.take()[1..],
        [Told::Fault("user code panicked above stage `second`: ouch".into())]
    );
}

#[test]
fn an_error_tells_the_checkpoint_and_its_place() {
    #[derive(Debug)]
    struct Broken;
    impl std::fmt::Display for Broken {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("broken")
        }
    }
    impl Error for Broken {}
    let mint = Mint::new();
    let line = line!() + 1;
    let failing = script(&mint, 0, 0, Fail("x")).map_err(|_| Broken).checkpoint("orders");
    let end = failing.collect::<Vec<_>>().block();
    let Err(Failure::Error(error)) = end else { panic!("{end:?}") };
    let AtCheckpoint { description, location, error: Broken } = &error;
    assert_eq!((description.as_ref(), location.line()), ("orders", line));
    assert!(location.file().ends_with("effect.rs"));
    assert!(error.to_string().starts_with("failed at checkpoint `orders` ("));
    assert_eq!(error.source().unwrap().to_string(), "broken");
}

#[cfg(feature = "tracing")]
#[test]
fn each_signal_is_an_event_with_the_name_of_the_stream() {
    use std::fmt::Write;
    use std::sync::{Arc, Mutex};

    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Level, Metadata};

    struct Collect(Arc<Mutex<Vec<(Level, String)>>>);
    struct Text(String);
    impl Visit for Text {
        fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
            write!(self.0, "{}={value:?} ", field.name()).unwrap();
        }
    }
    impl tracing::Subscriber for Collect {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, event: &Event<'_>) {
            let mut text = Text(String::new());
            event.record(&mut text);
            self.0.lock().unwrap().push((*event.metadata().level(), text.0));
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }
    let events = Arc::new(Mutex::new(Vec::new()));
    tracing::subscriber::with_default(Collect(events.clone()), || {
        let probe = Probe::new().asking(More::of(1)).on(millstream::from_iter(0..2u32).log("n"));
        probe.cancel();
        Probe::new().on(millstream::from_iter(0..0u32).log("e"));
    });
    let events = std::mem::take(&mut *events.lock().unwrap());
    let text: Vec<_> = events.iter().map(|(level, text)| format!("{level} {text}")).collect();
    assert_eq!(
        text,
        [
            "DEBUG message=subscribed stream=n ",
            "TRACE message=request stream=n demand=1 ",
            "TRACE message=next stream=n item=0 ",
            "DEBUG message=cancelled stream=n cause=no more was needed ",
            "DEBUG message=subscribed stream=e ",
            "DEBUG message=complete stream=e ",
        ]
    );
}
