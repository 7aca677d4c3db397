//! Pipelines with boundaries under shuttle: each on two executor threads beside that of its
//! subscriber, in many schedules that a seed picks.
//!
//! The schedules are those of PCT (Burckhardt and others, 2010): threads have random priorities,
//! the highest runs, and at two random steps the running thread falls to the lowest. A fault that
//! takes `d` ordering constraints is met by one schedule with a probability of at least
//! 1/(n·k^(d-1)), for n threads and k steps. Atomics are sequentially consistent here: orderings
//! are for the models under loom.
//!
//! A case is a seed: it makes the specification and picks the schedules. One that fails is told
//! with the command that runs it again, and with its smallest form as a test.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use millstream_sync::model_by_chance;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::build::Way;
use crate::run::{Looked, Tally, Threads};
use crate::spec::{self, Op, Source, Spec};
use crate::{config, search};

/// Schedules for each specification.
const SCHEDULES: usize = 2_000;

/// Specifications, unless `MILLSTREAM_SPECS` says otherwise.
const SPECS: u64 = 100;

/// PCT's depth.
const DEPTH: usize = 3;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// What does not hold in one of the schedules, if anything.
fn holds(spec: &Spec, seed: u64) -> Result<Tally, String> {
    holds_on(Threads::Workers(2), spec, seed)
}

fn holds_on(threads: Threads, spec: &Spec, seed: u64) -> Result<Tally, String> {
    let looked = Arc::new(Looked::at(spec));
    let way = [Way::Boxed, Way::Boxed, Way::Fused][(seed % 3) as usize];
    let tally = Arc::new(Mutex::new(Ok(Tally::default())));
    let body = {
        let tally = tally.clone();
        move || {
            let known = tally.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Ok(mut sum) = known {
                let run = looked.run(way, threads);
                let sum = run.map(|tally| {
                    sum.add(&tally);
                    sum
                });
                *tally.lock().unwrap_or_else(PoisonError::into_inner) = sum;
            }
        }
    };
    let ran = catch_unwind(AssertUnwindSafe(|| model_by_chance(seed, DEPTH, SCHEDULES, body)));
    let tally = tally.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match ran {
        Ok(()) => tally,
        Err(payload) => {
            let text = payload.downcast_ref::<String>().cloned();
            let text = text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).into()));
            tally.and(Err(format!("{way:?}: {}", text.unwrap_or_default())))
        }
    }
}

/// Panics where the specification does not hold in one of the schedules of `seed`.
#[track_caller]
pub(crate) fn check(spec: &Spec, seed: u64) {
    if let Err(what) = holds(spec, seed) {
        panic!("{what}\n{spec:?}");
    }
}

#[test]
fn pipelines_hold_in_schedules_that_chance_picks() {
    let first = number("MILLSTREAM_SEED").unwrap_or_else(another_seed);
    let specs = number("MILLSTREAM_SPECS").unwrap_or(SPECS);
    let (mut tally, begun) = (Tally::default(), Instant::now());
    for seed in first..first + specs {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let few = Config { max_shrink_iters: 200, ..config(1) };
        let runner = TestRunner::new_with_rng(few, rng);
        match search(runner, spec::boundaries(6), |spec| holds(spec, seed)) {
            Ok(seen) => tally.add(&seen),
            Err(failure) => {
                let (why, spec) = *failure;
                let test = format!("{spec:?}").replace("check(", "chance::check(");
                let test = test.replace("});", &format!("}}, {seed});"));
                panic!(
                    "{why}\nagain:\n    MILLSTREAM_SEED={seed} MILLSTREAM_SPECS=1 \
                     RUSTFLAGS=\"--cfg millstream_shuttle\" cargo test --profile chance \
                     -p millstream-operators --target-dir target/shuttle --test random\n\
                     as a test:\n    {test}\n"
                );
            }
        }
    }
    println!("{specs} specifications from seed {first} in {:?}: {tally:?}", begun.elapsed());
}

/// Where no schedule loses a wake-up, one that does must be found: by a stall, without a clock.
#[test]
fn a_wake_up_that_is_lost_in_some_schedules_is_found() {
    let spec = Spec {
        source: Source::Scripted(4),
        operators: vec![Op::PublishOn(1), Op::PublishOn(1)],
        demand: vec![],
        cancel: None,
        error: None,
        panic: None,
        order: 0,
    };
    check(&spec, 0);
    let what = holds_on(Threads::Forgetful(2), &spec, 0).expect_err("a wake-up is lost");
    assert!(what.contains("it stalls"), "{what}");
}

/// Another one in each run.
fn another_seed() -> u64 {
    let time = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::from(time.subsec_nanos()) * 1_000
}
