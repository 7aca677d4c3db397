//! What reaches nobody, where no hook is set: each case is a process of its own, because a hook is for good.

use std::process::{Command, Stdio};

use millstream::prelude::*;
use millstream::{Demand, Fault, More, Subscription, Undelivered, report_undelivered};

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
