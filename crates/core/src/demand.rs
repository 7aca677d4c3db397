//! How much a subscriber may be sent: [`Demand`], and [`More`], the answer of a signal.

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};

/// A number of items that a subscriber is ready to take: at least one, at most "unbounded".
///
/// Zero cannot be written (rule 3.9), sums and products saturate, and
/// [`Demand::UNBOUNDED`] is sticky: whatever is added to it, or taken from it, it stays
/// (rule 3.17). Bounded demand goes up to 2<sup>61</sup> - 2 items; a larger number counts as
/// unbounded. At one item a nanosecond that bound is 73 years away.
///
/// A literal is written `Demand::of(5)`; a number known only at run time goes through
/// [`Demand::new`], which refuses zero, or through `Demand::from` a non-zero integer.
///
/// ```
/// use millstream_core::Demand;
///
/// assert_eq!(Demand::of(2).plus(Demand::of(3)), Demand::of(5));
/// assert_eq!(Demand::UNBOUNDED.plus(Demand::ONE), Demand::UNBOUNDED);
/// assert_eq!(Demand::new(0), None);
/// ```
///
/// There is no way from a plain integer that forgets the zero (rule 3.9):
///
/// ```compile_fail,E0277
/// let demand: millstream_core::Demand = 0u64.into();
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Demand(NonZeroU64);

impl Demand {
    /// One item.
    pub const ONE: Demand = Demand(NonZeroU64::MIN);

    /// As many items as there are: the producer need not count any more.
    pub const UNBOUNDED: Demand = match NonZeroU64::new((1 << 61) - 1) {
        Some(n) => Demand(n),
        None => unreachable!(),
    };

    /// `n` items.
    ///
    /// # Panics
    /// When `n` is zero; in a `const` that is a compile error. For a number that is not a
    /// literal use [`Demand::new`].
    #[must_use]
    #[track_caller]
    pub const fn of(n: u64) -> Demand {
        match Demand::new(n) {
            Some(demand) => demand,
            None => panic!("a demand is at least 1 (rule 3.9), got 0"),
        }
    }

    /// `n` items, or nothing where `n` is zero. From 2<sup>61</sup> - 1 on it is unbounded.
    #[must_use]
    pub const fn new(n: u64) -> Option<Demand> {
        if n >= Demand::UNBOUNDED.get() {
            return Some(Demand::UNBOUNDED);
        }
        match NonZeroU64::new(n) {
            Some(n) => Some(Demand(n)),
            None => None,
        }
    }

    /// A signed number from outside (a wire, foreign code).
    ///
    /// # Errors
    /// [`InvalidDemand`] where it is zero or negative (rule 3.9).
    pub const fn from_raw(n: i64) -> Result<Demand, InvalidDemand> {
        if n <= 0 {
            return Err(InvalidDemand(n));
        }
        match Demand::new(n.unsigned_abs()) {
            Some(demand) => Ok(demand),
            None => Err(InvalidDemand(n)),
        }
    }

    /// The number of items; for unbounded demand 2<sup>61</sup> - 1.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    /// Whether this is [`Demand::UNBOUNDED`].
    #[must_use]
    pub const fn is_unbounded(self) -> bool {
        self.get() == Demand::UNBOUNDED.get()
    }

    /// The sum; unbounded where it does not fit.
    #[must_use]
    pub const fn plus(self, other: Demand) -> Demand {
        // Two numbers below 2^61 do not overflow a u64.
        match Demand::new(self.get() + other.get()) {
            Some(sum) => sum,
            None => Demand::UNBOUNDED,
        }
    }

    /// The product; unbounded where it does not fit.
    #[must_use]
    pub const fn times(self, factor: NonZeroU64) -> Demand {
        match Demand::new(self.get().saturating_mul(factor.get())) {
            Some(product) => product,
            None => Demand::UNBOUNDED,
        }
    }
}

impl fmt::Debug for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_unbounded() { f.write_str("unbounded") } else { write!(f, "{}", self.get()) }
    }
}

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl From<NonZeroU64> for Demand {
    fn from(n: NonZeroU64) -> Demand {
        Demand::of(n.get())
    }
}

impl From<NonZeroU32> for Demand {
    fn from(n: NonZeroU32) -> Demand {
        Demand::of(u64::from(n.get()))
    }
}

impl From<NonZeroUsize> for Demand {
    fn from(n: NonZeroUsize) -> Demand {
        Demand::of(n.get() as u64)
    }
}

/// What can be asked for: a [`Demand`], or an integer that cannot be zero.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no demand: it could be zero or negative (rule 3.9)",
    label = "not a demand",
    note = "a literal is written `Demand::of(5)`; `Demand::new(n)` refuses a zero at run time",
    note = "a signed number from outside goes through `request_raw`"
)]
pub trait IntoDemand {
    /// The demand.
    fn into_demand(self) -> Demand;
}

impl IntoDemand for Demand {
    fn into_demand(self) -> Demand {
        self
    }
}

impl IntoDemand for NonZeroU64 {
    fn into_demand(self) -> Demand {
        Demand::from(self)
    }
}

impl IntoDemand for NonZeroU32 {
    fn into_demand(self) -> Demand {
        Demand::from(self)
    }
}

impl IntoDemand for NonZeroUsize {
    fn into_demand(self) -> Demand {
        Demand::from(self)
    }
}

/// A demand that is no demand: zero or negative (rule 3.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidDemand(pub i64);

impl fmt::Display for InvalidDemand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule 3.9: a demand is at least 1, got {}", self.0)
    }
}

impl std::error::Error for InvalidDemand {}

/// What a subscriber answers to an item: how many **more** it asks for, on top of all that it
/// asked before.
///
/// To answer `More::of(n)` is the same as to call
/// [`Subscription::request`](crate::Subscription::request) with `n` from inside the signal,
/// without its atomic operation. The number is *added*; it is not what remains. A subscriber
/// that wants one item at a time answers [`More::ONE`] each time; one that has already asked
/// for everything, or asks from elsewhere, answers [`More::NONE`]; one that has seen enough
/// answers [`More::CANCEL`].
///
/// ```
/// use millstream_core::{Demand, More};
///
/// assert_eq!(More::from(Demand::of(3)).demand(), Some(Demand::of(3)));
/// assert_eq!(More::NONE.demand(), None);
/// assert!(More::CANCEL.is_cancel());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[must_use = "the answer carries the demand of the subscriber; dropped, the stream stalls"]
pub struct More(u64);

impl More {
    /// Nothing on top of what was asked before.
    pub const NONE: More = More(0);
    /// One item more.
    pub const ONE: More = More(1);
    /// All there is; from now on nobody counts.
    pub const UNBOUNDED: More = More(Demand::UNBOUNDED.get());
    /// No item any more: the stream is cancelled, and no signal follows. Why is asked by
    /// [`cause`](crate::ActiveSubscriber::cause).
    pub const CANCEL: More = More(u64::MAX);
    /// The stage has more to deliver, but hands the thread back so that a cancellation is
    /// seen; whoever drives it calls
    /// [`on_request`](crate::ActiveSubscriber::on_request) with [`More::NONE`] to go on. For
    /// stages that turn one item into many; a subscriber at the end has no use for it.
    pub const YIELD: More = More(u64::MAX - 1);

    /// `n` more items, where zero is [`More::NONE`].
    pub const fn of(n: u64) -> More {
        match Demand::new(n) {
            Some(demand) => More(demand.get()),
            None => More::NONE,
        }
    }

    /// The demand in it, if it asks for any.
    #[inline]
    #[must_use]
    pub const fn demand(self) -> Option<Demand> {
        if self.is_special() { None } else { Demand::new(self.0) }
    }

    /// The number of items it asks for; zero for [`More::CANCEL`] and [`More::YIELD`].
    #[inline]
    #[must_use]
    pub const fn count(self) -> u64 {
        if self.is_special() { 0 } else { self.0 }
    }

    /// Whether it is [`More::CANCEL`].
    #[inline]
    #[must_use]
    pub const fn is_cancel(self) -> bool {
        self.0 == u64::MAX
    }

    /// Whether it is [`More::YIELD`].
    #[inline]
    #[must_use]
    pub const fn is_yield(self) -> bool {
        self.0 == u64::MAX - 1
    }

    /// Whether it is [`More::CANCEL`] or [`More::YIELD`] and not a number.
    #[inline]
    #[must_use]
    pub const fn is_special(self) -> bool {
        self.0 >= u64::MAX - 1
    }

    /// The sum of two numbers, saturating at unbounded; what is special wins over a number,
    /// and [`More::CANCEL`] over all.
    #[inline]
    pub const fn plus(self, other: More) -> More {
        if self.is_special() || other.is_special() {
            return More(if self.0 > other.0 { self.0 } else { other.0 });
        }
        More::of(self.0 + other.0)
    }

    /// The number times `factor`, saturating at unbounded; what is special stays.
    #[inline]
    pub const fn times(self, factor: NonZeroU64) -> More {
        if self.is_special() { self } else { More::of(self.0.saturating_mul(factor.get())) }
    }
}

impl From<Demand> for More {
    #[inline]
    fn from(demand: Demand) -> More {
        More(demand.get())
    }
}

impl From<Option<Demand>> for More {
    #[inline]
    fn from(demand: Option<Demand>) -> More {
        demand.map_or(More::NONE, More::from)
    }
}

impl fmt::Debug for More {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            More::CANCEL => f.write_str("cancel"),
            More::YIELD => f.write_str("yield"),
            More::UNBOUNDED => f.write_str("unbounded"),
            More(n) => write!(f, "{n} more"),
        }
    }
}

/// Demand that has been granted and not yet used up: a plain counter for whoever may count
/// alone.
///
/// Adding saturates, and unbounded stays unbounded, however much is used.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Credit(u64);

impl Credit {
    /// No credit.
    pub const NONE: Credit = Credit(0);

    /// Whether there is none left.
    #[inline]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether it never runs out.
    #[inline]
    #[must_use]
    pub const fn is_unbounded(self) -> bool {
        self.0 == Demand::UNBOUNDED.get()
    }

    /// Adds what `more` asks for; what is special adds nothing.
    #[inline]
    pub const fn add(&mut self, more: More) {
        let sum = self.0 + more.count();
        self.0 = if sum > Demand::UNBOUNDED.get() { Demand::UNBOUNDED.get() } else { sum };
    }

    /// Uses up one.
    #[inline]
    pub const fn spend(&mut self) {
        debug_assert!(self.0 > 0, "rule 1.1: an item without demand");
        if !self.is_unbounded() {
            // Saturating: a sender that breaks the rule must not become unbounded by it.
            self.0 = self.0.saturating_sub(1);
        }
    }

    /// Uses up one, and adds what its answer asks for, where that is a number that leaves
    /// something to count: `false` where there is no credit left, no need to count any more, or
    /// the answer is special (and then not added).
    ///
    /// The credit must be bounded, and not empty. This is what each item of a counted stream
    /// costs.
    #[inline]
    #[must_use]
    pub const fn settle(&mut self, answer: More) -> bool {
        debug_assert!(self.0 > 0 && !self.is_unbounded());
        // The two common answers first: replaced, and not.
        if answer.0 == 1 {
            return true;
        }
        self.0 -= 1;
        if answer.0 == 0 {
            return self.0 != 0;
        }
        if answer.is_special() {
            return false;
        }
        self.0 += answer.0;
        let counts = self.0.wrapping_sub(1) < Demand::UNBOUNDED.get() - 1;
        if !counts && self.0 > 0 {
            self.0 = Demand::UNBOUNDED.get();
        }
        counts
    }

    /// Whether `n` items may be sent, without a look in between.
    #[inline]
    #[must_use]
    pub const fn covers(self, n: u64) -> bool {
        self.0 >= n
    }

    /// As [`settle`](Credit::settle), but whether any is left is not looked at, since it was
    /// [before](Credit::covers), for this item and those after it. `false` where the answer is
    /// neither [`More::NONE`] nor [`More::ONE`]; then it is not added.
    #[inline]
    #[must_use]
    pub const fn settle_covered(&mut self, answer: More) -> bool {
        debug_assert!(self.0 > 0 && !self.is_unbounded());
        if answer.0 == 1 {
            return true;
        }
        self.0 -= 1;
        answer.0 == 0
    }

    /// Uses up at most `n`, and says how many.
    #[inline]
    pub const fn spend_up_to(&mut self, n: u64) -> u64 {
        if self.is_unbounded() {
            return n;
        }
        let spent = if n < self.0 { n } else { self.0 };
        self.0 -= spent;
        spent
    }

    /// All of it, leaving nothing.
    #[inline]
    pub const fn take(&mut self) -> More {
        let all = More(self.0);
        self.0 = 0;
        all
    }

    /// What goes beyond `other`, leaving nothing. Beyond unbounded there is nothing.
    #[inline]
    pub const fn take_beyond(&mut self, other: Credit) -> More {
        if other.is_unbounded() {
            self.0 = 0;
        } else if !self.is_unbounded() {
            self.0 = self.0.saturating_sub(other.0);
        }
        self.take()
    }

    /// All of it.
    #[inline]
    pub const fn get(self) -> More {
        More(self.0)
    }
}

impl fmt::Debug for Credit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_unbounded() { f.write_str("unbounded") } else { write!(f, "{}", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_beyond_the_bound_is_unbounded_and_stays_so() {
        let nearly = Demand::of(Demand::UNBOUNDED.get() - 1);
        assert!(!nearly.is_unbounded());
        assert!(nearly.plus(Demand::ONE).is_unbounded());
        assert!(nearly.plus(nearly).plus(nearly).is_unbounded());
        assert!(Demand::of(u64::MAX).is_unbounded());
        assert!(Demand::of(3).times(NonZeroU64::MAX).is_unbounded());
    }

    #[test]
    fn raw_demand_is_refused_at_zero_and_below_with_the_value() {
        assert_eq!(Demand::from_raw(0), Err(InvalidDemand(0)));
        assert_eq!(Demand::from_raw(i64::MIN), Err(InvalidDemand(i64::MIN)));
        assert_eq!(Demand::from_raw(i64::MAX), Ok(Demand::UNBOUNDED));
        assert_eq!(InvalidDemand(-5).to_string(), "rule 3.9: a demand is at least 1, got -5");
    }

    #[test]
    fn special_answers_win_over_numbers() {
        assert_eq!(More::of(3).plus(More::CANCEL), More::CANCEL);
        assert_eq!(More::YIELD.plus(More::UNBOUNDED), More::YIELD);
        assert_eq!(More::YIELD.plus(More::CANCEL), More::CANCEL);
        assert_eq!(More::CANCEL.times(NonZeroU64::MAX), More::CANCEL);
        assert_eq!(More::CANCEL.count(), 0);
    }

    #[test]
    fn credit_saturates_and_never_wraps() {
        let mut credit = Credit::NONE;
        credit.add(More::UNBOUNDED);
        credit.add(More::UNBOUNDED);
        for _ in 0..10 {
            credit.spend();
        }
        assert!(credit.is_unbounded());
        assert_eq!(credit.take_beyond(Credit(7)), More::UNBOUNDED);
        assert!(credit.is_empty());

        let mut credit = Credit::NONE;
        credit.add(More::of(2));
        assert_eq!(credit.spend_up_to(5), 2);
        assert!(credit.is_empty());
    }

    #[test]
    fn settling_what_is_covered_counts_as_settling_does() {
        let most = Demand::UNBOUNDED.get() - 1;
        for credit in [2, 3, 130, most].map(Credit) {
            for answer in [0, 1, 2, 128, most].map(More::of).into_iter().chain([More::CANCEL]) {
                let (mut settled, mut covered) = (credit, credit);
                let _ = settled.settle(answer);
                if !covered.settle_covered(answer) {
                    assert!(answer.is_special() || answer.count() > 1);
                    covered.add(answer);
                }
                assert_eq!(covered, settled, "{credit:?}, {answer:?}");
            }
        }
        assert!(Credit(3).covers(3) && !Credit(3).covers(4));
    }

    #[test]
    fn settling_tells_when_counting_is_over() {
        let mut credit = Credit(2);
        assert!(credit.settle(More::NONE));
        assert!(credit.settle(More::ONE));
        assert!(!credit.settle(More::NONE));
        assert!(credit.is_empty());

        let mut credit = Credit(Demand::UNBOUNDED.get() - 1);
        assert!(!credit.settle(More::of(Demand::UNBOUNDED.get() - 1)));
        assert!(credit.is_unbounded());

        let mut credit = Credit(5);
        assert!(!credit.settle(More::CANCEL));
        assert_eq!(credit, Credit(4));
    }
}
