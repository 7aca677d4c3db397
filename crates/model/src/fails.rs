//! Models that must fail: the verifier is verified.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

use crate::model;

/// Which model a process was started for.
const ONLY: &str = "MILLSTREAM_FAILS";

/// Explores the schedules of `body`, one of which must fail and say `expected`: where all threads
/// wait that is `deadlock`, and otherwise what an assertion or [`Oracle::finish`] says.
///
/// Write one for each mistake that your model is there to find, with the mistake made on purpose: a
/// model that cannot fail shows nothing. It is called from a test of its own, which it starts
/// once more as a process of its own: a failure in the middle of a schedule leaves destructors to
/// run that may end the process. Steps are told by `MILLSTREAM_EXECUTION` as of any model.
///
/// It takes a model checker: on real threads a mistake may show or not, and a lost wake-up hangs. So
/// the test says `#[cfg_attr(not(millstream_loom), ignore = "takes a model checker")]`.
///
/// # Panics
/// Where every schedule passes, where the failure does not say `expected`, outside of a test, and
/// without a model checker.
///
/// [`Oracle::finish`]: crate::Oracle::finish
#[track_caller]
pub fn fails(name: &str, expected: &str, body: impl Fn() + Send + Sync + 'static) {
    if !cfg!(any(millstream_loom, millstream_shuttle)) {
        panic!("model {name}: takes a model checker, as by RUSTFLAGS=\"--cfg millstream_loom\"");
    }
    if let Some(only) = std::env::var_os(ONLY) {
        if only == name {
            // Whatever the test expects of itself, this process says what became of the model.
            let passed = catch_unwind(AssertUnwindSafe(|| model(name, body))).is_ok();
            std::process::exit(i32::from(!passed));
        }
        return;
    }
    let thread = std::thread::current();
    let test = thread.name().filter(|name| *name != "main");
    let test = test.unwrap_or_else(|| panic!("model {name}: is called outside of a test"));
    let this = std::env::current_exe().unwrap_or_else(|error| panic!("model {name}: {error}"));
    let ran = Command::new(this)
        .args([test, "--exact", "--nocapture", "--include-ignored", "--test-threads=1"])
        .env(ONLY, name)
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap_or_else(|error| panic!("model {name}: {error}"));
    let told = String::from_utf8_lossy(&ran.stdout);
    if std::env::var_os("MILLSTREAM_EXECUTION").is_some() {
        print!("{told}");
    }
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(!ran.status.success(), "model {name}: no schedule fails\n{told}");
    let Some((_, behind)) = said.split_once(expected) else {
        panic!("model {name}: fails, but does not say `{expected}`:\n{said}{told}");
    };
    // The line that has it, and the number that the model says below.
    let line = said.lines().find(|line| line.contains(expected)).unwrap_or(expected);
    let number = behind.split_once("this was execution ").map(|(_, rest)| rest);
    let number = number.and_then(|rest| rest.split('.').next()).unwrap_or("?");
    println!("model {name}: fails as it must, in execution {number}: {line}");
}
