//! `sliding`: groups of items that overlap, or leave items out.

use std::collections::VecDeque;

use millstream_core::{Credit, More, Pulled};

use crate::chunk::chunks::factor;
use crate::shape::stage::{Books, Emit, ItemStep};

/// Groups of `size` items, one beginning every `step` items: [`PublisherExt::sliding`](crate::PublisherExt::sliding).
///
/// ```text
///         sliding(3, 1)
/// up    --1--2--3--------4--------|
/// down  --------[1,2,3]--[2,3,4]--[3,4][4]|
///
///         sliding(1, 2)
/// up    --1----2--3----4--|
/// down  --[1]-----[3]-----|
/// ```
///
/// Where `step` is `size` this is [`chunks`](crate::PublisherExt::chunks); where it is larger, the
/// items between two groups are discarded. As in Reactor's `buffer(size, skip)`, and unlike Akka's
/// `sliding`, groups that were begun are sent at the end.
///
/// # Demand
/// The first request `n` is `size + (n - 1) * step` items for upstream, a later one `n * step`.
/// # Completion
/// As upstream, after the groups that were begun: up to `size / step` of them, each smaller than
/// `size`. They are sent as downstream asks for them.
/// # Errors
/// As upstream, at once; groups that were begun are discarded. A panic in `clone` becomes a fault.
/// # Cancellation
/// As downstream. Groups that were begun are discarded.
/// # Bounds
/// Holds up to `size` items. One allocation per group; an item that the next group needs is cloned.
/// # Panics
/// When `size` or `step` is zero.
///
/// # Examples
/// ```
/// use millstream::prelude::*;
///
/// let windows = millstream::from_iter(1..=4).sliding(3, 1).filter(|window| window.len() == 3);
/// assert_eq!(windows.collect::<Vec<_>>().block()?, [[1, 2, 3], [2, 3, 4]]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
pub struct Sliding<T> {
    size: usize,
    step: usize,
    asked: bool,
    /// Items to discard before the next group begins.
    gap: usize,
    /// The items of the next group.
    group: VecDeque<T>,
    /// How many of them, at the back, were not sent in any group.
    fresh: usize,
}

impl<T> Sliding<T> {
    #[track_caller]
    pub(crate) fn new(size: usize, step: usize) -> Sliding<T> {
        assert!(size > 0, "sliding(0, _): a group holds at least 1 item");
        assert!(step > 0, "sliding(_, 0): a group begins at least 1 item after the one before");
        let group = VecDeque::new();
        Sliding { size, step, asked: false, gap: 0, group, fresh: 0 }
    }

    /// The group, which moves on to the next: what both need is cloned.
    fn take_group(&mut self) -> Vec<T>
    where
        T: Clone,
    {
        let mut group = Vec::with_capacity(self.group.len());
        // In this order a panic in `clone` leaves every item where it is.
        group.extend(self.group.iter().skip(self.step).cloned());
        let shared = group.len();
        group.extend(self.group.drain(..self.step.min(self.group.len())));
        group.rotate_left(shared);
        self.fresh = 0;
        group
    }
}

crate::opaque_debug::opaque_debug!(Sliding<T>, size, step);

/// What upstream is asked for so that `more` groups of `size` items are complete, of which one
/// begins every `step` items: `size` for the first of all.
#[inline]
pub(crate) fn first_and_later(asked: &mut bool, more: More, size: usize, step: usize) -> More {
    if more == More::NONE {
        return more;
    }
    if std::mem::replace(asked, true) {
        return more.times(factor(step));
    }
    let mut later = Credit::NONE;
    later.add(more);
    later.spend();
    later.get().times(factor(step)).plus(More::of(size as u64))
}

impl<T: Clone + Send + 'static> ItemStep<T> for Sliding<T> {
    type Item = Vec<T>;
    type Books<E: Send + 'static> = Books<E>;
    const HOLDS: bool = true;

    #[inline]
    fn next<E>(&mut self, item: T) -> Emit<Vec<T>, T, E> {
        if self.gap > 0 {
            self.gap -= 1;
            return Emit::Discard(item);
        }
        self.group.push_back(item);
        self.fresh += 1;
        if self.group.len() < self.size {
            return Emit::Keep;
        }
        self.gap = self.step.saturating_sub(self.size);
        Emit::Item(self.take_group())
    }

    #[inline]
    fn demand(&mut self, more: More) -> More {
        first_and_later(&mut self.asked, more, self.size, self.step)
    }

    fn complete<E>(&mut self) -> Pulled<Vec<T>, E> {
        if self.group.is_empty() {
            return Pulled::Complete;
        }
        Pulled::Item(self.take_group())
    }

    fn held(&mut self) -> Option<T> {
        self.fresh = self.fresh.checked_sub(1)?;
        self.group.pop_back()
    }
}
