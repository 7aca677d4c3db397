//! The 43 rules of Reactive Streams, as a kit that judges any publisher, subscriber or operator.
//!
//! ```
//! use millstream::prelude::*;
//! use millstream_testkit::rules;
//!
//! rules::publisher(|n| millstream::from_iter(0..n)).check().assert_kept();
//! rules::processor(|source| source.map(|n| n + 1)).check().assert_kept();
//! rules::processor(|source| source.take(2)).gives(|n| n.min(2)).check().assert_kept();
//! ```
//!
//! A [`Report`] lists all 43 rules: kept, broken with what happened, or not testable with what
//! enforces the rule instead (a type, with an example that must not compile; a model; the
//! documentation, where the rule is a permission).
//!
//! Checks run on threads with a stack of 256 KiB, and one that does not come back in time counts
//! as broken. A publisher on threads of its own is given [`patience`](PublisherRules::patience).

mod processor;
mod publisher;
mod rule;
mod stage;
mod subscriber;
mod subscription;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

pub use processor::{ProcessorRules, processor};
pub use publisher::{PublisherRules, publisher};
pub use rule::{Report, Rule, Verdict};
pub use subscriber::{SubscriberRules, subscriber};

/// What a check found: nothing wrong, or what, with the log.
type Found = Result<(), (String, String)>;

/// A rule, and how it is checked.
type Check<S> = (Rule, fn(&S) -> Found);

/// Long enough for any check on a loaded machine; a check that takes longer hangs.
const HANGS: Duration = Duration::from_secs(30);

fn run<S: Send + Sync + 'static>(subject: &Arc<S>, check: fn(&S) -> Found) -> Verdict {
    let (sender, receiver) = channel();
    let subject = subject.clone();
    let small = std::thread::Builder::new().stack_size(256 << 10);
    let work = move || {
        let found = catch_unwind(AssertUnwindSafe(|| check(&subject)));
        // Nobody listens only after the time is over.
        let _ = sender.send(found);
    };
    // Joined, and let go only where it hangs: a thread that is let go while it ends can crash in
    // the C library, which looks at it once more.
    let found = match small.spawn(work) {
        Ok(thread) => match receiver.recv_timeout(HANGS) {
            Err(RecvTimeoutError::Timeout) => Err(RecvTimeoutError::Timeout),
            found => {
                // What it panicked with was sent.
                let _ = thread.join();
                found
            }
        },
        Err(_) => Err(RecvTimeoutError::Disconnected),
    };
    match found {
        Ok(Ok(Ok(()))) => Verdict::Kept,
        Ok(Ok(Err((what, log)))) => Verdict::Broken { what, log },
        Ok(Err(_)) => broken("the check panicked: see the output of the test"),
        Err(RecvTimeoutError::Timeout) => broken("it did not return: is a lock held in a signal?"),
        Err(RecvTimeoutError::Disconnected) => broken("the thread of the check ended early"),
    }
}

fn broken(what: &str) -> Verdict {
    Verdict::Broken { what: what.into(), log: String::new() }
}

fn not_reached(rule: Rule) -> Verdict {
    Verdict::NotTestable(format!("not reached, since {rule} is broken"))
}

fn untested(rule: Rule) -> Verdict {
    Verdict::NotTestable(rule.enforced_by().into())
}

/// Makes a `#[test]` of each line `name: rules;`, which judges and asserts that all rules are
/// kept.
///
/// ```
/// # use millstream::prelude::*;
/// use millstream_testkit::{rules, rules_for};
///
/// rules_for! {
///     numbers: rules::publisher(|n| millstream::from_iter(0..n));
///     map: rules::processor(|source| source.map(|n| n + 1));
///     take: rules::processor(|source| source.take(2)).gives(|n| n.min(2));
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! rules_for {
    ($($(#[$meta:meta])* $name:ident: $rules:expr;)*) => {
        $(
            $(#[$meta])*
            #[test]
            fn $name() {
                $rules.check().assert_kept();
            }
        )*
    };
}
