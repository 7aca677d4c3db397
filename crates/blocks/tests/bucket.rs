//! Models of a bucket that streams share: each token is reserved once, whoever reserves and gives
//! up at the same time; and what its arithmetic promises.

use std::time::Duration;

use millstream_blocks::bucket::{Meter, Rate, Share, TokenBucket, Tokens, VaryingMeter};
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

/// A number, exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Exact {
    over: i128,
    under: i128,
}

impl Exact {
    fn new(over: i128, under: i128) -> Exact {
        let (mut a, mut b) = (over.abs(), under);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        Exact { over: over / a.max(1), under: under / a.max(1) }
    }

    fn plus(self, other: Exact) -> Exact {
        let common = Exact::new(self.under, other.under);
        // `self.under / common.over` is what both denominators have in common.
        let under = self.under * common.under;
        Exact::new(self.over * common.under + other.over * common.over, under)
    }

    fn minus(self, other: Exact) -> Exact {
        self.plus(Exact { over: -other.over, under: other.under })
    }

    fn times(self, n: i128) -> Exact {
        Exact::new(self.over * n, self.under)
    }

    fn at_most(self, other: Exact) -> bool {
        self.minus(other).over <= 0
    }

    fn is_below_one(self) -> bool {
        self.over < self.under
    }
}

/// What the rate is from a moment on: tokens in a nanosecond.
#[derive(Debug, Clone, Copy)]
struct Piece {
    from: u64,
    rate: Exact,
}

/// What accrues at these rates between two moments.
fn integral(pieces: &[Piece], from: u64, to: u64) -> Exact {
    let ends = pieces.iter().skip(1).map(|piece| piece.from).chain([u64::MAX]);
    pieces.iter().zip(ends).fold(Exact::new(0, 1), |sum, (piece, end)| {
        match end.min(to).saturating_sub(piece.from.max(from)) {
            0 => sum,
            nanos => sum.plus(piece.rate.times(nanos.into())),
        }
    })
}

/// A rate per second that a controller may answer, and the same as a fraction per nanosecond.
fn some_rate(random: &mut Random) -> (f64, Exact) {
    let per_second = match random.below(8) {
        0 => 0.0,
        1 => random.below(1 << 20) as f64 / f64::from(1 << 20),
        2 => (1 + random.below(1000)) as f64,
        3 => (1 + random.below(1_000_000_000)) as f64,
        _ => (1 + random.below(1 << 30)) as f64 / 1000.0,
    };
    // Exactly, as far as it is counted: a multiple of 2^-32.
    let scaled = (per_second * 4_294_967_296.0).floor() as i128;
    (per_second, Exact::new(scaled, 1_000_000_000 << 32))
}

/// One item after another, each as soon as it may go, while the rate changes at any time: each goes
/// at the first nanosecond at which its token is there, counted in fractions; and between any two of
/// them no more went than the burst and what accrued.
#[test]
fn a_changing_rate_is_as_its_integral() {
    let mut waited = 0;
    for seed in 0..100 {
        let mut random = Random(seed);
        let burst = 1 + random.below(4);
        let full = Exact::new(burst.into(), 1);
        let (rate, exact) = some_rate(&mut random);
        let mut meter = VaryingMeter::new(rate, burst);
        let mut pieces = vec![Piece { from: 0, rate: exact }];
        let (mut now, mut since, mut level) = (0_u64, 0_u64, full);
        let mut sent: Vec<u64> = Vec::new();
        for _ in 0..60 {
            // Sometimes nobody asks for a while, in which the rate may change.
            if random.below(3) == 0 {
                now += random.below(4_000_000_000);
                if random.below(2) == 0 {
                    level = accrued(level, full, &pieces, since, now);
                    since = now;
                    change(&mut meter, &mut pieces, &mut random, now);
                }
                now += random.below(1_000_000_000);
            }
            level = accrued(level, full, &pieces, since, now);
            since = now;
            let mut due = meter.reserve(1, now);
            let mut changes = 0;
            while level.is_below_one() {
                let last = pieces[pieces.len() - 1].rate;
                // The first nanosecond at which it is there, at this rate.
                let wanted = Exact::new(1, 1).minus(level);
                let there = match last.over {
                    0 => None,
                    _ => {
                        let nanos = (wanted.over * last.under) / (wanted.under * last.over);
                        let exact = last.times(nanos);
                        Some(since + nanos as u64 + u64::from(!wanted.at_most(exact)))
                    }
                };
                assert_eq!(due, there.unwrap_or(u64::MAX), "seed {seed}: {pieces:?} from {since}");
                waited += 1;
                changes += 1;
                if there.is_some() && (changes > 5 || random.below(2) == 0) {
                    now = due;
                } else {
                    // The rate changes while it waits.
                    let most = due.saturating_sub(since).clamp(1, 5_000_000_000);
                    now = since + random.below(most);
                    change(&mut meter, &mut pieces, &mut random, now);
                    due = meter.due(now);
                }
                level = level.plus(integral(&pieces, since, now));
                since = now;
                if !level.is_below_one() {
                    assert!(due <= now, "seed {seed}: it is there, and {due} is after {now}");
                    meter.gone(now);
                }
            }
            assert!(due <= now, "seed {seed}");
            level = level.minus(Exact::new(1, 1));
            sent.push(now);
        }
        // It may have been there during the nanosecond before it went.
        let (mut by, mut last) = (Vec::new(), (0, Exact::new(0, 1)));
        for at in &sent {
            let now = last.1.plus(integral(&pieces, last.0, *at));
            by.push((now.minus(integral(&pieces, at.saturating_sub(1), *at)), now));
            last = (*at, now);
        }
        for (n, (from, _)) in by.iter().enumerate() {
            for (m, (_, to)) in by.iter().enumerate().skip(n) {
                let count = (m - n + 1) as i128 - i128::from(burst);
                assert!(
                    Exact::new(count, 1).at_most(to.minus(*from)),
                    "seed {seed}: {n}..={m} of {sent:?}, {pieces:?}"
                );
            }
        }
    }
    assert!(waited > 4_000, "{waited}");
}

/// What is there after nothing waited for a while.
fn accrued(level: Exact, full: Exact, pieces: &[Piece], from: u64, to: u64) -> Exact {
    let level = level.plus(integral(pieces, from, to));
    if level.at_most(full) { level } else { full }
}

fn change(meter: &mut VaryingMeter, pieces: &mut Vec<Piece>, random: &mut Random, now: u64) {
    let (rate, exact) = some_rate(random);
    meter.change(rate, now);
    pieces.push(Piece { from: now, rate: exact });
}

/// However late it is woken, and whatever the rate is: all that accrued goes, and no more.
#[test]
fn a_changing_rate_makes_up_for_late_timers() {
    for seed in 0..50 {
        let mut random = Random(seed);
        let burst = 1 + random.below(5);
        let mut meter = VaryingMeter::new(1e6, burst);
        let mut pieces = vec![Piece { from: 0, rate: Exact::new(1, 1000) }];
        let (mut now, mut sent) = (0, 0);
        while now < 10_000_000 {
            if random.below(10) == 0 {
                let rate = 1 + random.below(1000);
                meter.change(1000.0 * rate as f64, now);
                pieces.push(Piece { from: now, rate: Exact::new(rate.into(), 1_000_000) });
            }
            let due = meter.reserve(1, now);
            if due > now {
                now = due + random.below(50_000);
                meter.gone(now);
            }
            sent += 1;
            let most = Exact::new(burst.into(), 1).plus(integral(&pieces, 0, now));
            assert!(Exact::new(sent, 1).at_most(most), "seed {seed}: {sent} at {now}");
        }
        // As many as accrued until the last one was woken: it is late by 50 us, or by 50 tokens.
        let least = integral(&pieces, 0, now - 50_000).minus(Exact::new(51, 1));
        assert!(least.at_most(Exact::new(sent, 1)), "seed {seed}: {sent} at {now}");
    }
}

#[test]
fn a_rate_that_is_none_lets_nothing_go() {
    for none in [0.0, -1.0, f64::NAN, f64::NEG_INFINITY] {
        let mut meter = VaryingMeter::new(none, 2);
        assert_eq!([(); 3].map(|()| meter.reserve(1, 7)), [7, 7, u64::MAX]);
        meter.change(1e9, 10);
        assert_eq!(meter.due(10), 11);
        meter.change(none, 10);
        assert_eq!(meter.due(1_000_000), u64::MAX);
    }
}

/// The highest and the lowest rates, late in the life of the clock.
#[test]
fn a_changing_rate_does_not_overflow() {
    let late = u64::MAX - 10;
    for burst in [1, u64::MAX] {
        let mut meter = VaryingMeter::new(f64::INFINITY, burst);
        assert_eq!(meter.reserve(u64::MAX, 0) == 0, burst == u64::MAX);
        meter.change(VaryingMeter::MOST, late);
        assert_eq!(meter.reserve(1, late), late);
        meter.change(1e-9, late);
        meter.gone(late);
        let _due = meter.reserve(u64::MAX, late);
        meter.rest(u64::MAX);
        assert!(meter.reserve(1, u64::MAX) == u64::MAX);
    }
}
