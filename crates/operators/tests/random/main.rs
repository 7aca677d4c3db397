//! Random pipelines: up to eight operators on a source, with demand, cancellation, an error and
//! a panic anywhere, against an oracle made of iterators.
//!
//! Each case is run three ways: with each stage behind a pointer and looked at on both sides;
//! with the first stages in one piece over a source that can be pulled; and with the first stage
//! pulled itself. After each run, by the numbers of the reliability catalogue:
//!
//! * I1: all items that were made are gone;
//! * I2: at no time came more than was asked for, at the end and between any two stages;
//! * I3: at no time were more items inside than the operators say under `# Bounds`;
//! * I4: one end at most, nothing after it, no two signals at a time;
//! * I5: nobody holds the subscriber, a function or the source any more;
//! * I6: where there is demand and an item, it came;
//! * I8: many items take no more stack than a few.
//!
//! A failure prints the smallest case that fails, as the body of a test for `regressions.rs`.
//! `PROPTEST_CASES` sets the number of cases.

mod build;
mod edge;
mod faulty;
mod oracle;
mod regressions;
mod run;
mod spec;

use std::cell::{Cell, RefCell};
use std::time::Instant;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use run::{Tally, holds};
use spec::{Flaw, Op, Spec};

/// All tests of this file together.
const CASES: u32 = 10_000;

fn config(cases: u32) -> Config {
    // What fails is printed, and becomes a test: there is no file of seeds.
    Config { cases, failure_persistence: None, ..Config::default() }
}

fn cases() -> u32 {
    match std::env::var("PROPTEST_CASES") {
        Ok(cases) => cases.parse().expect("PROPTEST_CASES is a number"),
        Err(_) => CASES,
    }
}

/// The smallest case that fails, and why.
fn search(
    mut runner: TestRunner,
    specs: impl Strategy<Value = Spec>,
) -> Result<Tally, Box<(String, Spec)>> {
    let tally = RefCell::new(Tally::default());
    let run = runner.run(&specs, |spec| {
        let seen = holds(&spec).map_err(TestCaseError::fail)?;
        tally.borrow_mut().add(&seen);
        Ok(())
    });
    match run {
        Ok(()) => Ok(tally.into_inner()),
        Err(TestError::Fail(why, spec)) => Err(Box::new(smallest(why.to_string(), spec))),
        Err(TestError::Abort(why)) => panic!("the cases could not be made: {why}"),
    }
}

/// Proptest leaves parts out before it makes the others simpler, and not again after that.
fn smallest(mut why: String, mut spec: Spec) -> (String, Spec) {
    while let Some(smaller) =
        spec.smaller().into_iter().find_map(|spec| Some((holds(&spec).err()?, spec)))
    {
        (why, spec) = smaller;
    }
    (why, spec)
}

/// Runs this share of the cases, in thousandths.
fn random(share: u32, specs: impl Strategy<Value = Spec>) -> Tally {
    let (cases, begun) = ((cases() * share).div_ceil(1_000), Instant::now());
    let tally = match search(TestRunner::new(config(cases)), specs) {
        Ok(tally) => tally,
        Err(failure) => {
            let (why, spec) = *failure;
            panic!("{why}\nas a test:\n    {spec:?}\n");
        }
    };
    println!("{cases} cases in {:?}: {tally:?}", begun.elapsed());
    tally
}

#[test]
fn what_is_not_disturbed_gives_what_iterators_give() {
    random(
        485,
        spec::spec().prop_map(|mut spec| {
            (spec.cancel, spec.panic) = (None, None);
            spec
        }),
    );
}

#[test]
fn what_is_cancelled_or_panics_gives_a_beginning_and_leaves_nothing_behind() {
    let tally = random(485, spec::spec());
    // A share of each end, or the cases say little.
    let Tally { runs, items, completed, failed, faulted, cancelled } = tally;
    if runs > 1_000 {
        assert!(items > runs, "{tally:?}");
        assert!(completed > runs / 5 && failed > runs / 20, "{tally:?}");
        assert!(faulted > runs / 50 && cancelled > runs / 50, "{tally:?}");
    }
}

#[test]
fn a_source_on_other_threads_changes_nothing() {
    random(20, spec::threads());
}

#[test]
fn many_items_take_no_more_stack_and_no_more_room() {
    random(10, spec::long());
}

#[test]
fn a_faulty_operator_is_found_and_told_in_one_line() {
    let flaws = [Flaw::DoesNotReplenish, Flaw::Loses, Flaw::Leaks, Flaw::Floods, Flaw::Hoards];
    for flaw in flaws {
        // Always the same cases: whether they find it must not be left to chance.
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let runner = TestRunner::new_with_rng(config(500), rng);
        let tried = Cell::new(0_u32);
        let specs = spec::faulty(flaw).prop_map(|spec| {
            tried.set(tried.get() + 1);
            spec
        });
        let (why, spec) =
            *search(runner, specs).expect_err("five hundred cases do not find the fault");
        // What stands beside it may be what makes it as short as that.
        let text = format!("{spec:?}");
        assert!(spec.operators.contains(&Op::Faulty(flaw)), "{why}\n{text}");
        assert!(spec.operators.len() <= 3, "{why}\n{text}");
        assert!(text.len() < 250, "{why}\n{text}");
        println!("{flaw:?} ({} cases with shrinking): {text}", tried.get());
    }
}
