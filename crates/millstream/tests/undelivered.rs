//! What reaches nobody, where no hook is set: each case is a process of its own, because a hook is for good.

use std::process::{Command, Stdio};

use millstream::fan_out::Stalled;
use millstream::prelude::*;
use millstream::{Demand, Failure, Fault, More, Subscription, Undelivered, report_undelivered};

/// A subscriber with the three methods that it must have.
struct Plain;

impl<T, E> Subscriber<T, E> for Plain {
    type Active = Plain;

    fn on_subscribe(self, subscription: Subscription) -> Plain {
        subscription.request(Demand::ONE);
        subscription.detach();
        self
    }
}

impl<T, E> ActiveSubscriber<T, E> for Plain {
    fn on_next(&mut self, _: T) -> More {
        More::ONE
    }
    fn on_complete(self) {}
    fn on_error(self, _: E) {}
}

#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn breaks() {
    let (sender, items) = millstream::channel::<u32>(1);
    items.subscribe(Plain);
    drop(sender);
}

#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn breaks_with_a_hook() {
    millstream::on_undelivered(|what| println!("hook: {what}"));
    breaks();
}

#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn panics() {
    millstream::from_iter([1]).map(|_| -> u32 { panic!("in a stage") }).subscribe(Plain);
}

#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn reports() {
    report_undelivered(&Undelivered::Fault(Fault::SourceDropped));
}

#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn breaks_for_many_and_is_told() {
    let (sender, items) = millstream::channel::<u32>(1);
    let tapped = items.wire_tap(drop).subscribe_with(drop, drop, || ()).unbounded();
    drop(sender);
    assert!(matches!(tapped.block(), Err(Fault::SourceDropped)));

    let groups = millstream::range(0..30_u32).group_by(4, 2, Stalled::Fail, |n| n % 3);
    let read = groups.flat_map_unordered(2, 2, |group| group).count().block();
    assert!(matches!(read, Err(Failure::Fault(Fault::Stalled(_)))), "{read:?}");
}

/// Standard output and standard error of one of the above, which ran to its end.
fn run(case: &str) -> (String, String) {
    let mut child = child(case);
    let output = child.stderr(Stdio::piped()).output().expect("this binary runs");
    assert!(output.status.success(), "{output:?}");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (text(output.stdout), text(output.stderr))
}

fn child(case: &str) -> Command {
    let mut child = Command::new(std::env::current_exe().expect("a path"));
    child.args(["--ignored", "--exact", case, "--nocapture"]);
    child
}

#[test]
fn a_fault_that_nobody_takes_is_a_line_on_standard_error() {
    let (_, said) = run("breaks");
    let begins = "millstream: a fault reached nobody: the source was dropped without an end";
    assert!(said.starts_with(begins), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn a_hook_has_it_instead() {
    let (told, said) = run("breaks_with_a_hook");
    assert!(told.contains("hook: a fault reached nobody: the source was dropped"), "{told}");
    assert_eq!(said, "");
}

#[test]
fn what_somebody_was_told_of_is_not_told_again_of_each_who_left_or_is_there_twice() {
    assert_eq!(run("breaks_for_many_and_is_told").1, "");
}

#[test]
fn a_panic_that_was_printed_is_not_printed_again() {
    let (_, said) = run("panics");
    assert_eq!(said.matches("in a stage").count(), 1, "{said}");
    assert!(!said.contains("millstream:"), "{said}");
}

#[test]
fn standard_error_that_nobody_reads_breaks_nothing() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut child = child("reports");
    let status = child.stdout(Stdio::null()).stderr(writer).status().expect("this binary runs");
    assert!(status.success(), "{status}");
}
