//! A token bucket: so many items in a time, and some more at once after a pause.
//!
//! ```text
//!                 one stream: Meter ── Level
//!  Rate ──┤       one stream, whose rate changes: VaryingMeter
//!                 many streams: Share ─┐
//!                               Share ─┼─▶ TokenBucket: a Level under a lock
//!                               Share ─┘
//! ```
//!
//! A bucket is one number, the time at which it is full again. An item *reserves* the
//! tokens that it costs: it moves that time on by what they take to accrue, and learns its moment,
//! which is when the bucket has that many. So each stream waits by a timer of its own,
//! nobody is woken for another, and who reserves first goes first.
//!
//! | what | who may touch it | when |
//! |---|---|---|
//! | `Meter`, `VaryingMeter` | the stage that owns it | any |
//! | `Share` but for its bucket | the stage that owns it | any |
//! | the level of a `TokenBucket` | any share, in one step under its lock | any |
//!
//! * **Exact.** Time is counted in parts of a nanosecond, of which a token takes a whole number: no
//!   rate drifts, however long it runs.
//! * **At most the burst.** In any time *t* no more is reserved than the burst and what accrues in
//!   *t*. A stream that asks for nothing saves up to the burst.
//! * **While an item waits, tokens accrue in full.** A timer is late, and a task waits for its
//!   turn. How late an item went is what its stream may be behind the clock: the next
//!   is charged as if it had come in time. That is forgotten after as long a pause, or after eight
//!   times as long in which the stream runs, so that it can catch up.
//!   For the same reason what costs more than the burst does not wait for ever.
//! * **The clock is read once for many items.** A meter draws up to an eighth of the burst ahead,
//!   and of what it is behind.
//!   What it drew it may have spent at any time since; so where it cannot know it takes all to be
//!   spent just now, and never exceeds the burst. At rest it puts back what it did not spend.
//! * **A rate that changes makes and loses nothing.** A `VaryingMeter` counts what is missing until
//!   it is full, in parts of which a token is the same number at every rate: a change of the rate
//!   leaves that number as it is, and is exact (test `a_changing_rate_is_as_its_integral`). The item
//!   that waits has another moment then.
//! * **A reservation that is given up** goes back where nobody has reserved after it: whoever has
//!   knows its moment already. One step looks and takes back, under the lock (models
//!   `giving_back_races_reserving`, `two_give_back`). Where others have, it is lost: too little
//!   goes, never too much.
//!
//! The lock makes all the edges; there is no ordering to choose. Models: `two_reserve`,
//! `giving_back_races_reserving`, `two_give_back`, `what_is_late_is_made_up_for`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use millstream_sync::{Mutex, lock};

use crate::gauge::Gauge;

/// So many tokens in a time, and how many can be saved up.
///
/// Unless it is [told otherwise](Rate::burst), as many are saved up as accrue in a millisecond, and
/// one at least: timers are no finer.
///
/// ```
/// use std::time::Duration;
/// use millstream_blocks::bucket::Rate;
///
/// let evenly = Rate::per_second(10);
/// assert_eq!(evenly, Rate::new(600, Duration::from_secs(60)).burst(1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    /// Lowest terms.
    tokens: u64,
    /// In nanoseconds.
    per: u64,
    burst: u64,
}

/// What the burst is, unless it is told otherwise: what accrues in this time.
const GRAIN: u64 = 1_000_000;

impl Rate {
    /// `tokens` in each time `per`.
    ///
    /// # Panics
    /// When either is zero, or the time cannot be counted in nanoseconds.
    #[track_caller]
    #[must_use]
    pub fn new(tokens: u64, per: Duration) -> Rate {
        assert!(
            tokens > 0,
            "Rate::new(0, {per:?}): at a rate of zero nothing ever comes; write `pending()` for that"
        );
        assert!(
            !per.is_zero(),
            "Rate::new({tokens}, 0): a rate is so many in some time; without a limit leave it out"
        );
        let Ok(per) = u64::try_from(per.as_nanos()) else {
            panic!("Rate::new({tokens}, {per:?}): the time is at most 2^64 nanoseconds, 584 years")
        };
        let common = common_divisor(tokens, per);
        let (tokens, per) = (tokens / common, per / common);
        let grain = u128::from(GRAIN) * u128::from(tokens) / u128::from(per);
        let burst = u64::try_from(grain).unwrap_or(u64::MAX).max(1);
        Rate { tokens, per, burst }
    }

    /// `tokens` in each second.
    ///
    /// # Panics
    /// When it is zero.
    #[track_caller]
    #[must_use]
    pub fn per_second(tokens: u64) -> Rate {
        assert!(
            tokens > 0,
            "Rate::per_second(0): at a rate of zero nothing ever comes; write `pending()` for that"
        );
        Rate::new(tokens, Duration::from_secs(1))
    }

    /// How many tokens are saved up at most, and so how many items may come at once after a pause.
    ///
    /// # Panics
    /// When it is zero.
    #[track_caller]
    #[must_use]
    pub fn burst(self, tokens: u64) -> Rate {
        assert!(
            tokens > 0,
            "Rate::burst(0): a bucket has room for 1 token at least, or no item ever goes"
        );
        Rate { burst: tokens, ..self }
    }

    /// In parts: `nanos`.
    #[inline]
    fn time(&self, nanos: u64) -> u128 {
        u128::from(nanos) * u128::from(self.tokens)
    }

    /// In parts: what it takes `tokens` to accrue.
    #[inline]
    fn accrue(&self, tokens: u64) -> u128 {
        u128::from(tokens) * u128::from(self.per)
    }

    /// In nanoseconds, rounded up.
    fn nanos(&self, parts: u128) -> u64 {
        u64::try_from(parts.div_ceil(u128::from(self.tokens))).unwrap_or(u64::MAX)
    }
}

fn common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

/// How far a stream may be behind the clock, in parts of a nanosecond: its last item was that late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Behind {
    parts: u128,
    /// When that was so.
    at: u64,
    rests: bool,
}

/// While a stream runs, what it is behind is forgotten in so many times as long.
const MEMORY: u128 = 8;

impl Behind {
    /// Forgets what is to be forgotten by now.
    fn pass(&mut self, rate: &Rate, now: u64) {
        let passed = rate.time(now.saturating_sub(self.at));
        // While it rests nothing waits, and that is no excuse for what comes then.
        let gone = if self.rests { passed } else { passed / MEMORY };
        self.parts = self.parts.saturating_sub(gone);
        self.at = now;
    }

    /// How much of it is left now.
    fn left(&mut self, rate: &Rate, now: u64) -> u128 {
        self.pass(rate, now);
        self.rests = false;
        self.parts
    }

    fn rest(&mut self, rate: &Rate, now: u64) {
        self.pass(rate, now);
        self.rests = true;
    }

    #[inline]
    fn runs(&self) -> bool {
        self.parts > 0 && !self.rests
    }
}

/// How full a bucket is.
#[derive(Debug, Clone)]
struct Level {
    rate: Rate,
    /// When it is full again, in parts of a nanosecond, of which there are `rate.tokens`.
    full_at: u128,
}

impl Level {
    /// Full.
    fn new(rate: Rate) -> Level {
        Level { rate, full_at: 0 }
    }

    /// What has accrued beyond the burst is lost, but for what the stream is behind. `spent` tokens
    /// may have gone just now.
    fn settle(&mut self, now: u64, behind: &mut Behind, spent: u64) {
        let rate = &self.rate;
        let floor = rate.time(now).saturating_sub(behind.left(rate, now));
        self.full_at = self.full_at.max(floor.saturating_add(rate.accrue(spent)));
    }

    /// Takes `cost` tokens: the moment from which on they are there.
    fn reserve(&mut self, cost: u64) -> u64 {
        let rate = &self.rate;
        self.full_at = self.full_at.saturating_add(rate.accrue(cost));
        rate.nanos(self.due())
    }

    /// How late what was reserved last is now.
    fn late(&self, now: u64) -> Behind {
        let parts = self.rate.time(now).saturating_sub(self.due());
        Behind { parts, at: now, rests: false }
    }

    /// From when on what was reserved last is there, in parts.
    fn due(&self) -> u128 {
        self.full_at.saturating_sub(self.rate.accrue(self.rate.burst))
    }

    /// Takes up to `most` tokens that are there: how many.
    fn draw(&mut self, most: u64, now: u64) -> u64 {
        let there = self.rate.time(now).saturating_sub(self.due()) / u128::from(self.rate.per);
        let drawn = u64::try_from(there).unwrap_or(u64::MAX).min(most);
        self.full_at = self.full_at.saturating_add(self.rate.accrue(drawn));
        drawn
    }

    fn put_back(&mut self, tokens: u64) {
        self.full_at = self.full_at.saturating_sub(self.rate.accrue(tokens));
    }
}

/// Where a stage has its tokens from. Times are nanoseconds of one clock.
pub trait Tokens: Send + 'static {
    /// Spends `cost` tokens that are known to be there; whether they were.
    fn spend(&mut self, cost: u64) -> bool;

    /// Reserves `cost` tokens for an item: the moment from which on it may go. Where that is later
    /// than now, it is [told](Tokens::gone) when it has gone.
    fn reserve(&mut self, cost: u64, now: u64) -> u64;

    /// The item goes that waited for its moment.
    fn gone(&mut self, now: u64);

    /// Whether it has to be told when its stage [rests](Tokens::rest).
    fn runs(&self) -> bool;

    /// The stage rests: there is no item, or nobody asks for one.
    fn rest(&mut self, now: u64);

    /// The stage begins. Where somebody looks at its line, this is the gauge of that.
    fn begins(&mut self, _now: u64, _gauge: Option<Gauge>) {}

    /// The stage is asked for an item, at the time that `now` tells.
    #[inline]
    fn asked(&mut self, _now: impl FnOnce() -> u64) {}

    /// The stage looks at the item that waits, which may go at the moment `due` as far as it knows.
    #[inline]
    fn look(&mut self, due: u64, _now: u64) -> Wait {
        Wait { due, again: due }
    }
}

/// For how long an item waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// The moment from which on it may go.
    pub due: u64,
    /// When to [look](Tokens::look) again: at that moment, or before, where it may come earlier.
    pub again: u64,
}

/// The tokens of one stream.
#[derive(Debug, Clone)]
pub struct Meter {
    level: Level,
    behind: Behind,
    /// Tokens that are drawn and not spent.
    at_hand: u64,
    /// How many were drawn.
    drawn: u64,
}

impl Meter {
    /// With a full bucket.
    #[must_use]
    pub fn new(rate: Rate) -> Meter {
        Meter { level: Level::new(rate), behind: Behind::default(), at_hand: 0, drawn: 0 }
    }

    fn settle(&mut self, now: u64) {
        // Those that were late were due before, whenever they were spent.
        let spent = (self.drawn - self.at_hand).min(self.ahead());
        self.level.put_back(self.at_hand);
        (self.at_hand, self.drawn) = (0, 0);
        self.level.settle(now, &mut self.behind, spent);
    }

    /// How many tokens are drawn ahead at most: so much less of the burst is there where a consumer
    /// is slow and does not rest.
    fn ahead(&self) -> u64 {
        self.level.rate.burst / 8
    }

    /// As many are drawn besides of those that its stream is behind.
    fn draw(&mut self, now: u64) {
        let behind = self.behind.parts / u128::from(self.level.rate.per) / 8;
        let most = self.ahead().saturating_add(u64::try_from(behind).unwrap_or(u64::MAX));
        if most > 0 {
            self.drawn = self.level.draw(most, now);
            self.at_hand = self.drawn;
        }
    }
}

impl Tokens for Meter {
    #[inline]
    fn spend(&mut self, cost: u64) -> bool {
        let there = cost <= self.at_hand;
        if there {
            self.at_hand -= cost;
        }
        there
    }

    fn reserve(&mut self, cost: u64, now: u64) -> u64 {
        self.settle(now);
        let due = self.level.reserve(cost);
        if due <= now {
            self.draw(now);
        }
        due
    }

    fn gone(&mut self, now: u64) {
        self.behind = self.level.late(now);
        self.draw(now);
    }

    #[inline]
    fn runs(&self) -> bool {
        self.drawn > 0 || self.behind.runs()
    }

    fn rest(&mut self, now: u64) {
        self.settle(now);
        self.behind.rest(&self.level.rate, now);
    }
}

/// The tokens of one stream, whose rate changes. None is made by that, and none lost: what was
/// missing in the bucket is missing still.
///
/// It draws nothing ahead, so the clock is read for each item.
///
/// ```
/// use millstream_blocks::bucket::{Tokens, VaryingMeter};
///
/// let mut meter = VaryingMeter::new(1.0, 1);
/// assert_eq!(meter.reserve(1, 0), 0);
/// assert_eq!(meter.reserve(1, 0), 1_000_000_000, "a second later");
/// // Half of the token has accrued. The other half does so twice as fast.
/// meter.change(2.0, 500_000_000);
/// assert_eq!(meter.due(500_000_000), 750_000_000);
/// ```
#[derive(Debug, Clone)]
pub struct VaryingMeter {
    /// Its tokens are parts in a nanosecond, of which [`TOKEN`] are a token: a fixed-point number.
    rate: Rate,
    /// Parts that are missing until it is full, as of `at`; below zero, what the stream is behind.
    missing: i128,
    at: u64,
    behind: Behind,
}

/// So many parts are a token of a [`VaryingMeter`]; a rate of one in a second is 2<sup>32</sup> parts
/// in a nanosecond.
const TOKEN: u64 = 1_000_000_000 << 32;

impl VaryingMeter {
    /// The rates are below this.
    pub const MOST: f64 = (1_u64 << 32) as f64;

    /// With a full bucket of `burst` tokens, of which `per_second` accrue in a second.
    #[must_use]
    pub fn new(per_second: f64, burst: u64) -> VaryingMeter {
        let rate = Rate { tokens: parts(per_second), per: TOKEN, burst };
        VaryingMeter { rate, missing: 0, at: 0, behind: Behind::default() }
    }

    /// From now on `per_second` accrue, to a multiple of 2<sup>-32</sup>; none where that is no
    /// number, or not above zero.
    pub fn change(&mut self, per_second: f64, now: u64) {
        self.pass(now);
        self.behind.pass(&self.rate, now);
        self.rate.tokens = parts(per_second);
    }

    /// What accrues until now.
    fn pass(&mut self, now: u64) {
        let accrued = self.rate.time(now.saturating_sub(self.at));
        self.missing = self.missing.saturating_sub_unsigned(accrued);
        self.at = self.at.max(now);
    }

    /// From when on what was reserved last is there: now, if it is. At a rate of zero it never is.
    #[must_use]
    pub fn due(&mut self, now: u64) -> u64 {
        self.pass(now);
        let burst = self.rate.accrue(self.rate.burst);
        match u128::try_from(self.missing.saturating_sub_unsigned(burst)) {
            Err(_) | Ok(0) => self.at,
            Ok(_) if self.rate.tokens == 0 => u64::MAX,
            Ok(parts) => self.at.saturating_add(self.rate.nanos(parts)),
        }
    }
}

/// As a fixed-point number, rounded down. What is no number is zero.
fn parts(per_second: f64) -> u64 {
    (per_second * VaryingMeter::MOST) as u64
}

impl Tokens for VaryingMeter {
    #[inline]
    fn spend(&mut self, cost: u64) -> bool {
        cost == 0
    }

    fn reserve(&mut self, cost: u64, now: u64) -> u64 {
        self.pass(now);
        let behind = self.behind.left(&self.rate, now);
        self.missing = self.missing.max(0_i128.saturating_sub_unsigned(behind));
        self.missing = self.missing.saturating_add_unsigned(self.rate.accrue(cost));
        self.due(now)
    }

    fn gone(&mut self, now: u64) {
        self.pass(now);
        // What accrued since it was there.
        let late = (self.rate.accrue(self.rate.burst) as i128).saturating_sub(self.missing);
        self.behind = Behind { parts: late.max(0).unsigned_abs(), at: now, rests: false };
    }

    #[inline]
    fn runs(&self) -> bool {
        self.behind.runs()
    }

    fn rest(&mut self, now: u64) {
        self.behind.rest(&self.rate, now);
    }
}

/// A bucket that many streams take their tokens from. A handle: clones are the same bucket.
///
/// ```
/// use millstream_blocks::bucket::{Rate, Share, TokenBucket, Tokens};
///
/// let bucket = TokenBucket::new(Rate::per_second(1));
/// let (mut one, mut other) = (Share::new(&bucket), Share::new(&bucket));
/// assert_eq!(one.reserve(1, 0), 0);
/// assert_eq!(other.reserve(1, 0), 1_000_000_000, "a second later");
/// ```
#[derive(Clone)]
pub struct TokenBucket {
    level: Arc<Mutex<Level>>,
    rate: Rate,
}

impl TokenBucket {
    /// Full.
    #[must_use]
    pub fn new(rate: Rate) -> TokenBucket {
        TokenBucket { level: Arc::new(Mutex::new(Level::new(rate))), rate }
    }

    /// What accrues in it.
    #[must_use]
    pub fn rate(&self) -> Rate {
        self.rate
    }
}

impl fmt::Debug for TokenBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenBucket").field("rate", &self.rate).finish_non_exhaustive()
    }
}

/// What one stream has of a bucket that it shares. What it has reserved and did not use goes back
/// when it is dropped, where it can.
#[derive(Debug)]
pub struct Share {
    bucket: TokenBucket,
    behind: Behind,
    /// What an item waits for.
    reserved: Option<Reserved>,
}

#[derive(Debug)]
struct Reserved {
    cost: u64,
    /// The bucket after it.
    level: Level,
}

impl Share {
    /// Of this bucket.
    #[must_use]
    pub fn new(bucket: &TokenBucket) -> Share {
        Share { bucket: bucket.clone(), behind: Behind::default(), reserved: None }
    }
}

impl Tokens for Share {
    #[inline]
    fn spend(&mut self, cost: u64) -> bool {
        cost == 0
    }

    fn reserve(&mut self, cost: u64, now: u64) -> u64 {
        let mut level = lock(&self.bucket.level);
        level.settle(now, &mut self.behind, 0);
        let due = level.reserve(cost);
        if due > now {
            self.reserved = Some(Reserved { cost, level: level.clone() });
        }
        due
    }

    fn gone(&mut self, now: u64) {
        let Some(Reserved { level, .. }) = self.reserved.take() else { return };
        self.behind = level.late(now);
    }

    #[inline]
    fn runs(&self) -> bool {
        self.behind.runs()
    }

    fn rest(&mut self, now: u64) {
        self.behind.rest(&self.bucket.rate, now);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Some(Reserved { cost, level: mine }) = self.reserved.take() {
            let mut level = lock(&self.bucket.level);
            // Whoever reserved after it waits for a moment that stays.
            if level.full_at == mine.full_at {
                level.put_back(cost);
            }
        }
    }
}
