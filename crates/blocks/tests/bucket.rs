//! Models of a bucket that streams share: each token is reserved once, whoever reserves and gives
//! up at the same time; and what its arithmetic promises.

use std::time::Duration;

use millstream_blocks::bucket::{Meter, Rate, Share, TokenBucket, Tokens};
use millstream_sync::{model, thread};

/// One token in each nanosecond, none saved up.
fn one() -> TokenBucket {
    TokenBucket::new(Rate::new(1, Duration::from_nanos(1)).burst(1))
}

/// Reserves one token on a thread of its own; the share waits, if it has to.
fn reserving(bucket: &TokenBucket, now: u64) -> thread::JoinHandle<(u64, Share)> {
    let mut share = Share::new(bucket);
    thread::spawn(move || (share.reserve(1, now), share))
}

#[test]
fn two_reserve() {
    model("bucket: two_reserve", || {
        let bucket = one();
        let (first, second) = (reserving(&bucket, 0), reserving(&bucket, 0));
        let ((first, _one), (second, _other)) = (first.join().unwrap(), second.join().unwrap());
        let mut both = [first, second];
        both.sort_unstable();
        assert_eq!(both, [0, 1], "each has a moment of its own");
    });
}

/// Where it comes first, its moment is used; else it is lost, and no moment is used twice.
#[test]
fn giving_back_races_reserving() {
    model("bucket: giving_back_races_reserving", || {
        let bucket = one();
        let (mut goes, mut waits) = (Share::new(&bucket), Share::new(&bucket));
        assert_eq!((goes.reserve(1, 0), waits.reserve(1, 0)), (0, 1));
        let third = reserving(&bucket, 0);
        let gives_up = thread::spawn(move || drop(waits));
        let (third, _waiting) = third.join().unwrap();
        gives_up.join().unwrap();
        let fourth = Share::new(&bucket).reserve(1, 0);
        assert!(
            matches!((third, fourth), (1, 2) | (2, 3)),
            "a moment is used twice, or lost: {third} and {fourth}"
        );
    });
}

/// The later one always goes back, the earlier one where it is the last then.
#[test]
fn two_give_back() {
    model("bucket: two_give_back", || {
        let bucket = one();
        let [mut goes, mut first, mut second] = [(); 3].map(|()| Share::new(&bucket));
        let moments = [&mut goes, &mut first, &mut second].map(|share| share.reserve(1, 0));
        assert_eq!(moments, [0, 1, 2]);
        let threads = [first, second].map(|share| thread::spawn(move || drop(share)));
        for thread in threads {
            thread.join().unwrap();
        }
        let next = Share::new(&bucket).reserve(1, 0);
        assert!(matches!(next, 1 | 2), "{next}");
    });
}

/// One stream was late, and reserves as if it were not; for another the time has passed.
#[test]
fn what_is_late_is_made_up_for() {
    model("bucket: what_is_late_is_made_up_for", || {
        let bucket = one();
        let (mut goes, mut late) = (Share::new(&bucket), Share::new(&bucket));
        assert_eq!((goes.reserve(1, 0), late.reserve(1, 0)), (0, 1));
        late.gone(5);
        let late = thread::spawn(move || (late.reserve(1, 5), late));
        let (other, _share) = reserving(&bucket, 5).join().unwrap();
        let (late, _share) = late.join().unwrap();
        assert!(matches!((late, other), (2, 5) | (6, 5)), "{late}, and the other {other}");
    });
}

#[test]
fn what_is_given_up_goes_back() {
    model("bucket: what_is_given_up_goes_back", || {
        let bucket = one();
        let [mut goes, mut first, mut second] = [(); 3].map(|()| Share::new(&bucket));
        assert_eq!(goes.reserve(1, 0), 0);
        assert_eq!(first.reserve(1, 0), 1);
        assert_eq!(second.reserve(1, 0), 2);
        drop(second);
        drop(first);
        assert_eq!(Share::new(&bucket).reserve(1, 0), 1);
    });
}

#[test]
fn what_went_does_not_go_back() {
    model("bucket: what_went_does_not_go_back", || {
        let bucket = one();
        let [mut goes, mut waits] = [(); 2].map(|()| Share::new(&bucket));
        assert_eq!((goes.reserve(1, 0), waits.reserve(1, 0)), (0, 1));
        waits.gone(1);
        drop((goes, waits));
        assert_eq!(Share::new(&bucket).reserve(1, 1), 2);
    });
}

/// Small numbers, the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

#[test]
fn no_rate_drifts() {
    for (tokens, per) in
        [(7, 3), (1, 1_000_003), (999_983, 1_000_000_007), (u64::MAX, u64::MAX - 1)]
    {
        let rate = Rate::new(tokens, Duration::from_nanos(per)).burst(1);
        let mut meter = Meter::new(rate);
        let mut now = 0;
        for n in 0..10_000_u128 {
            let due = meter.reserve(1, now);
            let exact = (n * u128::from(per)).div_ceil(u128::from(tokens));
            assert_eq!(u128::from(due), exact, "item {n} at {tokens} in {per} ns");
            if due > now {
                now = due;
                meter.gone(now);
            }
        }
    }
}

/// A consumer that takes its time, rests or does not, and waits where it has to: against a bucket
/// that is asked for the time with each item.
#[test]
fn a_meter_never_exceeds_its_burst() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let (per, burst) = (1 + random.below(50), 1 + random.below(100));
        let mut meter = Meter::new(Rate::new(1, Duration::from_nanos(per)).burst(burst));
        let (mut now, mut full_at, mut sent) = (0, 0, 0);
        for _ in 0..5_000 {
            match random.below(4) {
                0 => now += random.below(burst * per),
                1 if meter.runs() => meter.rest(now),
                _ => {}
            }
            let cost = random.below(1 + burst.min(4));
            if !meter.spend(cost) {
                let due = meter.reserve(cost, now);
                if due > now {
                    now = due;
                    meter.gone(now);
                }
            }
            full_at = u64::max(full_at, now) + cost * per;
            assert!(
                full_at - now <= burst * per,
                "seed {seed}: {sent} sent, and now more than the burst of {burst}"
            );
            sent += cost;
        }
        assert!(now > 0 && sent > 0);
    }
}

/// Nothing but what it asks for keeps it: as fast as the rate, however late it is woken.
#[test]
fn a_late_timer_costs_nothing() {
    for seed in 0..50 {
        let mut random = Random(seed);
        let (per, burst) = (1 + random.below(50), 1 + random.below(100));
        let mut meter = Meter::new(Rate::new(1, Duration::from_nanos(per)).burst(burst));
        let (mut now, mut sent) = (0, 0_u64);
        while now < 1_000_000 {
            if !meter.spend(1) {
                let due = meter.reserve(1, now);
                if due > now {
                    now = due + random.below(5_000);
                    meter.gone(now);
                }
            }
            sent += 1;
        }
        let exact = now / per + burst;
        assert!(sent <= exact, "seed {seed}: {sent} of {exact}");
        assert!(exact - sent <= 5_000 / per + 1, "seed {seed}: {sent} of {exact}");
    }
}

/// What a late timer left is gone after as long a pause.
#[test]
fn what_is_late_is_not_saved_up() {
    let mut meter = Meter::new(Rate::new(1, Duration::from_nanos(10)).burst(1));
    assert_eq!(meter.reserve(1, 0), 0);
    assert_eq!(meter.reserve(1, 0), 10);
    meter.gone(1_010);
    meter.rest(1_010);
    // Of 1,000 ns that it was late 600 have passed without an item: it is behind by 400.
    let there = (0..200).take_while(|_| meter.reserve(1, 1_610) <= 1_610).count();
    assert_eq!(there, 41);
    meter.gone(5_620);
    meter.rest(5_620);
    assert_eq!(meter.reserve(1, 20_000), 20_000);
    assert_eq!(meter.reserve(1, 20_000), 20_010, "the burst, and no more");
}

/// What costs more than the burst waits for what is missing, and is paid for in full.
#[test]
fn what_costs_more_than_the_burst_waits_longer() {
    let mut meter = Meter::new(Rate::new(1, Duration::from_nanos(10)).burst(3));
    assert_eq!(meter.reserve(5, 100), 120);
    meter.gone(120);
    assert_eq!(meter.reserve(1, 120), 130);
    assert!(!meter.spend(1));
    assert!(meter.spend(0));
}

#[test]
fn a_burst_is_what_accrues_in_a_millisecond() {
    let million = Rate::per_second(1_000_000);
    assert_eq!(million, million.burst(1_000));
    let ten = Rate::per_second(10);
    assert_eq!(ten, ten.burst(1));
    assert_eq!(Rate::new(60, Duration::from_secs(60)), Rate::per_second(1));
}
