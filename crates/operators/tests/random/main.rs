//! Random pipelines: up to eight operators on a source, with demand, cancellation, an error and
//! a panic anywhere, against an oracle made of iterators.
//!
//! Each case is run three ways: with each stage behind a pointer and looked at on both sides;
//! with the first stage in one piece with a source that can be pulled, and subscribed to; and with
//! each stage in one piece with what pulls the one before it, as far as they can be pulled. Each
//! operator is compiled for two types of upstream: one behind a pointer, and one that can be pulled,
//! whatever it is. After each run, by the numbers of the reliability catalogue:
//!
//! * I1: all items that were made are gone;
//! * I2: at no time came more than was asked for, at the end and between any two stages;
//! * I3: at no time were more items inside than the operators say under `# Bounds`;
//! * I4: one end at most, nothing after it, no two signals at a time;
//! * I5: nobody holds the subscriber, a function, the source or a permit any more;
//! * I6: where there is demand and an item, it came;
//! * I8: many items take no more stack than a few.
//!
//! Pipelines with boundaries run three times over: on one thread, where the order in which tasks
//! run is part of the case; on threads (`cases.rs`); and under `--cfg millstream_shuttle` in many
//! schedules each, on threads that a seed switches (`chance.rs`). No real time passes in it: the
//! executors know when nothing is left to do, and what has not come by then does not come (I6).
//! Operators that wait for a time have a clock that stands still, or one that goes on at once to
//! whatever they wait for.
//! Where several publishers send at a time the items may come in another order; where one of them
//! may be let go, some may be missing: the oracle says which. A panic that is caught is an error,
//! behind items that come of what was before it.
//!
//! A failure prints the smallest case that fails, as the body of a test for `regressions.rs`.
//! `PROPTEST_CASES` sets the number of cases.

#![cfg_attr(millstream_shuttle, allow(dead_code, reason = "what only an ordinary run uses"))]

mod build;
#[cfg(not(millstream_shuttle))]
mod cases;
#[cfg(millstream_shuttle)]
mod chance;
mod edge;
mod faulty;
mod oracle;
#[cfg(not(millstream_shuttle))]
mod regressions;
mod run;
mod spec;
mod workers;

use std::cell::RefCell;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

use run::Tally;
use spec::Spec;

fn config(cases: u32) -> Config {
    // What fails is printed, and becomes a test: there is no file of seeds.
    Config { cases, failure_persistence: None, ..Config::default() }
}

/// The smallest case that fails, and why.
fn search(
    mut runner: TestRunner,
    specs: impl Strategy<Value = Spec>,
    holds: impl Fn(&Spec) -> Result<Tally, String>,
) -> Result<Tally, Box<(String, Spec)>> {
    let tally = RefCell::new(Tally::default());
    let run = runner.run(&specs, |spec| {
        let seen = holds(&spec).map_err(TestCaseError::fail)?;
        tally.borrow_mut().add(&seen);
        Ok(())
    });
    match run {
        Ok(()) => Ok(tally.into_inner()),
        Err(TestError::Fail(why, spec)) => Err(Box::new(smallest(why.to_string(), spec, holds))),
        Err(TestError::Abort(why)) => panic!("the cases could not be made: {why}"),
    }
}

/// Proptest leaves parts out before it makes the others simpler, and not again after that.
fn smallest(
    mut why: String,
    mut spec: Spec,
    holds: impl Fn(&Spec) -> Result<Tally, String>,
) -> (String, Spec) {
    while let Some(smaller) =
        spec.smaller().into_iter().find_map(|spec| Some((holds(&spec).err()?, spec)))
    {
        (why, spec) = smaller;
    }
    (why, spec)
}
