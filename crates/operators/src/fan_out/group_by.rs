//! `group_by`: a publisher for each key, of its items.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::num::NonZeroUsize;
use std::sync::Arc;

use millstream_blocks::branch::{Branch, Desk, Feeder, Seen, Sent, Way, branch, trunk};
use millstream_blocks::gauge::{Gauge, Panel, Site};
use millstream_core::{Context, Fault, Hands, Publisher, Pull, Pulled, Stall, Subscriber};

use crate::shape::hunger::Hunger;
use crate::shape::joined::{Receiver, capacity};
use crate::shape::keys::{Keys, Place, find_in};
use crate::shape::trunk::{Divide, InHand, MOST_QUEUED, Seer, Trunk, Went, connect, rooted};

/// A publisher for each key, of its items:
/// [`PublisherExt::group_by`](crate::PublisherExt::group_by).
///
/// ```text
///           group_by(2, 16, Stalled::Fail, letter)
/// up    --a1--b1--a2---b2--|
/// down  --a---b------------|
///         a   a1--a2-------|
///             b1-------b2--|
/// ```
///
/// The items of a key keep their order. Each [`Group`] is read on its own: by `flat_map_unordered`
/// over all of them, in a task for each, or not at all.
///
/// **A group is open** from its first item until upstream ends or its reader cancels; dropping a
/// group that is not subscribed to cancels it too. A later item of the key opens a new group. A
/// group that has ended is forgotten, with its key.
///
/// **It cannot grow without bound**: there are at most `max_groups` groups, with room for
/// `capacity` items each. **It cannot stand still in silence**: what happens when an item has no
/// place is said by [`Stalled`]. The usual mistake is a stage below that reads fewer groups at a
/// time than there are, as `flat_map_unordered(256, ..)` over 3,000 keys: the groups that nobody
/// reads fill up, and those that are read wait for items that are behind them. Here that ends
/// with a fault which says so, unless another policy was chosen.
///
/// A group that is handed out and neither subscribed to nor dropped is somebody's, and is waited
/// for: whether it will be read is known to whoever has it, and to nobody else. To give it up after
/// all would lose the items of one that is read a moment later, on another thread. So read groups
/// where they come; do not collect them to read them later, and put no queue between, as
/// `publish_on` is one, which has room for more groups than are read behind it. These two, and
/// [`Stalled::Wait`] where it was chosen, are the ways in which it can stand still.
///
/// Where the aim is to keep the order of each key and not the groups themselves,
/// [`map_async_partitioned`](crate::PublisherExt::map_async_partitioned) has no limit of keys.
///
/// # Demand
/// An upstream that is not synchronous is asked for `capacity`, and for three quarters of it
/// each time as many items were taken; one that is synchronous is pulled. Items are taken only
/// while somebody wants what there is not: a reader another item of its group, or downstream
/// another group. Each group has its own demand. `flat_map_unordered` holds its groups in place,
/// where nobody [looks](crate::PublisherExt::observed): such a group wants as many as it has room
/// for, and there is no second queue behind its own. Directly below a `group_by` over a
/// synchronous upstream it also divides the items itself, as it is asked for them: then each goes
/// to its group at once, and past the queue where that is empty.
/// # Completion
/// Of upstream completes all groups, each behind its items; downstream completes when it was
/// sent the last group.
/// # Errors
/// Of upstream go to all groups and to downstream, like completion. A panic in the key function
/// is a fault for all. One below a group, in its reader, ends that group alone.
/// An error that is not `Clone` is put into an [`Arc`](std::sync::Arc) by
/// [`map_err`](crate::PublisherExt::map_err).
/// # Cancellation
/// Of downstream: no groups are opened any more, those that were not sent are discarded, and so
/// are items that would need one; the others go on. When the last has gone too, upstream is
/// cancelled. Of a group: that group is closed, and what it holds is discarded.
/// # Bounds
/// `max_groups` groups and keys, `capacity` items for each group, one item that has no place, and
/// `capacity` items of an upstream that is not synchronous. One allocation for each group, another
/// where its items have to wait, and what its reader needs; none per item. One bit for each of the
/// `max_groups`, all of which are looked at when a reader asks.
/// # Panics
/// When `max_groups` or `capacity` is zero, or above 2<sup>24</sup>.
///
/// # Examples
/// ```
/// use millstream::fan_out::Stalled;
/// use millstream::prelude::*;
///
/// let words = millstream::from_iter(["ash", "birch", "oak", "elder", "yew"]);
/// let counts = words
///     .group_by(8, 16, Stalled::Fail, |word| word.len())
///     .flat_map_unordered(8, 16, |group| {
///         let letters = *group.key();
///         group.running_fold(0, |n, _| n + 1).take_last(1).map(move |n| (letters, n))
///     });
/// let mut counts = counts.collect::<Vec<_>>().block()?;
/// counts.sort();
/// assert_eq!(counts, [(3, 3), (5, 2)]);
/// # Ok::<(), millstream::Failure<std::convert::Infallible>>(())
/// ```
#[derive(Clone)]
#[must_use = "publishers are lazy: nothing runs before one is subscribed to"]
pub struct GroupBy<P, F, S = RandomState> {
    upstream: P,
    max_groups: NonZeroUsize,
    capacity: NonZeroUsize,
    stalled: Stalled,
    key: F,
    hasher: S,
    site: Site,
}

/// What [`GroupBy`] does with an item that has no place.
///
/// There are two such cases. Its group is *full* and nobody has subscribed to it, there are groups
/// that nobody asks for, and a reader of another group waits for items. Or it would open a group,
/// and there are *too many*.
///
/// A group that is read and full is no such case: its reader is slow, and is waited for. Nor are
/// groups that were all sent, and are read late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stalled {
    /// All ends with [`Fault::Stalled`], which says how many groups there are, how many of them
    /// nobody reads, what they have room for, and what to change.
    #[default]
    Fail,
    /// Nothing more is taken from upstream until there is a place. For readers that ask for groups
    /// at a pace of their own; with one that asks only when another group is complete, this stands
    /// still.
    Wait,
    /// The item is discarded.
    DropNewest,
    /// Where its group is full, the oldest item in it is discarded. Where there are too many
    /// groups, the oldest is closed: it completes, or, if it was never sent, is discarded.
    DropOldest,
}

impl<P, F> GroupBy<P, F> {
    #[track_caller]
    pub(crate) fn new(
        upstream: P,
        max_groups: usize,
        room: usize,
        stalled: Stalled,
        key: F,
    ) -> Self {
        let max_groups = capacity("group_by(0, capacity, stalled, key)", max_groups);
        let room = capacity("group_by(max_groups, 0, stalled, key)", room);
        let hasher = RandomState::new();
        let site = Site::here("group_by");
        GroupBy { upstream, max_groups, capacity: room, stalled, key, hasher, site }
    }
}

impl<P, F, S> GroupBy<P, F, S> {
    /// With another hasher for the keys. The default resists keys that were chosen to collide;
    /// where nobody chooses them, a faster one may be most of the speed.
    pub fn with_hasher<H>(self, hasher: H) -> GroupBy<P, F, H> {
        let GroupBy { upstream, max_groups, capacity, stalled, key, site, .. } = self;
        GroupBy { upstream, max_groups, capacity, stalled, key, hasher, site }
    }
}

crate::opaque_debug::opaque_debug!(GroupBy<P, F, S>, max_groups, capacity, stalled);

/// The items of one key: a publisher for one subscriber. See [`GroupBy`].
#[must_use = "a group that nobody reads holds up the others; one that is dropped does not"]
pub struct Group<K, T: Send + 'static, E: Send + 'static> {
    key: K,
    items: Branch<T, E>,
}

impl<K, T: Send + 'static, E: Send + 'static> Group<K, T, E> {
    /// The key of its items.
    pub fn key(&self) -> &K {
        &self.key
    }
}

impl<K, T, E> Publisher for Group<K, T, E>
where
    K: Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    type Item = T;
    type Error = E;
    const HOSTED: bool = <Branch<T, E> as Publisher>::HOSTED;

    fn subscribe<S: Subscriber<T, E>>(self, subscriber: S) {
        self.items.subscribe(subscriber);
    }

    fn into_pull(self, context: Context) -> Result<impl Pull<Item = T, Error = E>, Self> {
        let Group { key, items } = self;
        items.into_pull(context).map_err(|items| Group { key, items })
    }
}

impl<K: fmt::Debug, T: Send + 'static, E: Send + 'static> fmt::Debug for Group<K, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("key", &self.key).finish_non_exhaustive()
    }
}

impl<P, K, F, S> Publisher for GroupBy<P, F, S>
where
    P: Publisher<Error: Clone>,
    K: Hash + Eq + Clone + Send + 'static,
    F: FnMut(&P::Item) -> K + Send + 'static,
    S: BuildHasher + Send + 'static,
{
    type Item = Group<K, P::Item, P::Error>;
    type Error = P::Error;

    fn subscribe<D: Subscriber<Self::Item, P::Error>>(self, subscriber: D) {
        let context = subscriber.context();
        trunk(self.branches(), |desk| {
            let (trunk, groups) = self.divided(desk, context, NonZeroUsize::MIN, None);
            groups.subscribe(subscriber);
            trunk
        });
    }

    const HANDS: bool = P::PULLS;

    /// For a host that holds groups in place, and runs this itself.
    fn into_pull(
        self,
        context: Context,
    ) -> Result<impl Pull<Item = Self::Item, Error = P::Error>, Self> {
        let Some(host) = Receiver::of::<P>(&context) else { return Err(self) };
        let (size, room) = (self.branches(), self.max_groups.min(AT_A_TIME));
        let above = context.upstream();
        Ok(rooted(size, host, above, move |desk, above| self.divided(desk, above, room, Some(0))))
    }
}

/// How many groups are on the way at most to a host that holds them in place.
const AT_A_TIME: NonZeroUsize = NonZeroUsize::MIN.saturating_add(15);

impl<P, K, F, S> GroupBy<P, F, S>
where
    P: Publisher<Error: Clone>,
    K: Hash + Eq + Clone + Send + 'static,
    F: FnMut(&P::Item) -> K + Send + 'static,
    S: BuildHasher + Send + 'static,
{
    /// How many branches its trunk has. The number after those of the groups is that of downstream.
    fn branches(&self) -> usize {
        self.max_groups.get() + 1
    }

    /// What divides upstream, and the groups, of which `queued` may be on the way.
    #[expect(clippy::type_complexity, reason = "two opaque types, which no alias can name")]
    fn divided(
        self,
        desk: &Arc<Desk>,
        context: Context,
        queued: NonZeroUsize,
        wanted: Option<usize>,
    ) -> (impl InHand + use<P, K, F, S>, Branch<Group<K, P::Item, P::Error>, P::Error>) {
        let GroupBy { upstream, max_groups, capacity: room, stalled, key, hasher, site } = self;
        let limits = Limits { max_groups: max_groups.get(), capacity: room, stalled };
        let seen = Seen::Together(None);
        let (out, groups) = branch(desk, max_groups.get(), queued, &context, seen, None);
        let bell = desk.bell().clone();
        let connect = move |seen: Seer<'_>| connect(upstream, room, bell, seen, site);
        let grouping = Grouping {
            key,
            open: Keys::new(hasher),
            ages: VecDeque::new(),
            opened: 0,
            out: Some(out),
            wanted,
            unsent: VecDeque::new(),
            held: None,
            end: None,
            limits,
            site,
            gauge: None,
            desk: desk.clone(),
            context,
        };
        (Trunk::new(desk, grouping, connect), groups)
    }
}

struct Limits {
    max_groups: usize,
    capacity: NonZeroUsize,
    stalled: Stalled,
}

struct Grouping<T: Send + 'static, E: Send + 'static, K: Send + 'static, F, S> {
    key: F,
    /// The groups that are open; near to the key the way past the queue, if it is known.
    open: Keys<K, Way, Open<T, E>, S>,
    /// Groups in the order in which they were opened, and some that are closed; only where the
    /// oldest may have to go.
    ages: VecDeque<(usize, u64)>,
    opened: u64,
    /// Downstream, until it is over.
    out: Option<Out<K, T, E>>,
    /// How many groups the host of the trunk would take beside those that are on the way to it,
    /// where it has one.
    wanted: Option<usize>,
    /// Groups that were not asked for, in the order in which they were opened.
    unsent: VecDeque<Group<K, T, E>>,
    /// An item that waits for its place.
    held: Option<Held<K, T>>,
    /// How upstream ended, to be told behind the last group.
    end: Option<Result<(), E>>,
    limits: Limits,
    site: Site,
    /// Of all groups, where somebody looks.
    gauge: Option<Gauge>,
    desk: Arc<Desk>,
    context: Context,
}

/// Downstream, which is sent groups.
type Out<K, T, E> = Feeder<Group<K, T, E>, E>;

/// A group that is open.
struct Open<T: Send + 'static, E: Send + 'static> {
    feeder: Feeder<T, E>,
    age: u64,
}

enum Held<K, T> {
    /// For the group of this number.
    In(usize, T),
    /// For a new one.
    New(K, T),
}

impl<T, E, K, F, S> Grouping<T, E, K, F, S>
where
    T: Send + 'static,
    E: Clone + Send + 'static,
    K: Hash + Eq + Clone + Send + 'static,
    S: BuildHasher,
{
    fn downstream_is_gone(&mut self, hunger: &mut Hunger) {
        if let Some(out) = self.out.take() {
            hunger.forget(&out);
        }
        // Those that are in nobody's hands go; each leaves news that it has gone.
        self.unsent.clear();
    }

    /// Sends groups that are asked for, and the end when all are sent.
    fn send_groups(&mut self, hunger: &mut Hunger) {
        while let Some(out) = &mut self.out
            && out.is_hungry()
            && self.wanted != Some(0)
            && let Some(group) = self.unsent.pop_front()
        {
            match hunger.send(self.limits.max_groups, out, group) {
                Sent::Taken => self.wanted = self.wanted.map(|wanted| wanted - 1),
                Sent::Full(group) => {
                    self.unsent.push_front(group);
                    return;
                }
                Sent::Gone(group) => {
                    drop(group);
                    self.downstream_is_gone(hunger);
                }
            }
        }
        if self.unsent.is_empty()
            && let Some(end) = self.end.take()
            && let Some(out) = self.out.take()
        {
            hunger.forget(&out);
            out.end(end);
        }
    }

    #[inline]
    fn give(&mut self, n: usize, item: T, hunger: &mut Hunger) {
        let Some((way, open)) = self.open.get_mut(n) else { return };
        *way = Way::NONE;
        let sent = hunger.send(n, &mut open.feeder, item);
        self.sent(n, sent, hunger);
    }

    /// An item whose way was not known: perhaps it is by now.
    #[cold]
    fn hand_or_give(
        &mut self,
        n: usize,
        item: T,
        hunger: &mut Hunger,
        hands: &mut impl Hands,
    ) -> Went {
        let mut item = item;
        if let Some((way, open)) = self.open.get_mut(n)
            && let Some(found) = open.feeder.way()
        {
            *way = found;
            match found.hand(item, hands) {
                Ok(true) => return Went::InHand,
                Ok(false) => return Went::Stopped,
                Err(back) => item = back,
            }
        }
        self.give(n, item, hunger);
        Went::Queued
    }

    fn sent(&mut self, n: usize, sent: Sent<T>, hunger: &mut Hunger) {
        match sent {
            Sent::Taken => {}
            Sent::Full(item) => self.full(n, item, hunger),
            Sent::Gone(item) => {
                if let Some(key) = self.close(n, hunger) {
                    self.open(key, item, hunger);
                }
            }
        }
    }

    #[cold]
    fn full(&mut self, n: usize, item: T, hunger: &mut Hunger) {
        if self.desk.has_news() {
            // Perhaps of room, or of who asks.
            self.held = Some(Held::In(n, item));
            return;
        }
        let Some((_, open)) = self.open.get_mut(n) else { return };
        let asked = self.out.as_ref().is_some_and(|out| match self.wanted {
            Some(wanted) => wanted > 0,
            None => out.is_hungry(),
        });
        // Groups that were sent are somebody's: they are not given up before others are refused.
        let refused = !self.unsent.is_empty() && !asked;
        let unread = !open.feeder.is_read();
        let stands_still = refused
            && unread
            && hunger.all() > 0
            && self.open.values_mut().any(|open| open.feeder.starves());
        match self.limits.stalled {
            Stalled::DropNewest if stands_still => self.context.discards().discard(item),
            Stalled::DropOldest if stands_still => {
                let oldest = self.open.get_mut(n).and_then(|(_, open)| open.feeder.take_oldest());
                if let Some(oldest) = oldest {
                    self.give(n, item, hunger);
                    self.context.discards().discard(oldest);
                } else {
                    // Somebody has just subscribed to it.
                    self.held = Some(Held::In(n, item));
                }
            }
            stalled => {
                self.held = Some(Held::In(n, item));
                if stalled == Stalled::Fail && stands_still {
                    self.fail_full();
                }
            }
        }
    }

    fn fail_full(&mut self) {
        let groups = self.open.len();
        let read = self.open.values().filter(|open| open.feeder.is_read()).count();
        let Limits { max_groups, capacity, .. } = self.limits;
        self.desk.fail(Fault::Stalled(Stall::new(format!(
            "group_by({max_groups}, {capacity}, ..) would stand still: {read} of its {groups} \
             groups are read and wait for items, nobody reads the other {} or asks for more \
             groups, and one of those is full with {capacity} items. The stage below reads at \
             most {read} groups at a time, as flat_map_unordered({read}, ..) does: let it read \
             {max_groups}, let groups end earlier, as by take or timeout, or let group_by drop \
             items, by Stalled::DropNewest or Stalled::DropOldest",
            groups - read,
        ))));
    }

    /// Opens a group for the first item of a key.
    #[cold]
    fn open(&mut self, key: K, item: T, hunger: &mut Hunger) {
        if self.out.is_none() {
            return self.context.discards().discard(item);
        }
        if self.open.len() == self.limits.max_groups {
            if self.desk.has_news() {
                // Perhaps of one that has gone.
                self.held = Some(Held::New(key, item));
                return;
            }
            match self.limits.stalled {
                Stalled::DropNewest => return self.context.discards().discard(item),
                Stalled::DropOldest => self.close_oldest(hunger),
                stalled => {
                    self.held = Some(Held::New(key, item));
                    if stalled == Stalled::Fail {
                        self.fail_crowded();
                    }
                    return;
                }
            }
        }
        // A group may have been opened by now only for another key.
        let Err(hash) = self.open.find(&key) else { return };
        let n = self.open.next();
        let seen = Seen::Together(self.gauge.clone());
        let (room, first) = (self.limits.capacity, Some(item));
        let (feeder, items) = branch(&self.desk, n, room, &self.context, seen, first);
        self.opened += 1;
        let age = self.opened;
        if self.limits.stalled == Stalled::DropOldest {
            self.note_age(n, age);
        }
        self.open.insert(hash, key.clone(), Way::NONE, Open { feeder, age });
        self.unsent.push_back(Group { key, items });
        self.send_groups(hunger);
    }

    fn note_age(&mut self, n: usize, age: u64) {
        if self.ages.len() > 2 * self.open.len() + 16 {
            let open = &mut self.open;
            self.ages.retain(|(n, age)| open.get_mut(*n).is_some_and(|(_, is)| is.age == *age));
        }
        self.ages.push_back((n, age));
    }

    fn fail_crowded(&mut self) {
        let Limits { max_groups, capacity, .. } = self.limits;
        self.desk.fail(Fault::Stalled(Stall::new(format!(
            "group_by({max_groups}, {capacity}, ..) has {max_groups} groups open, and an item \
             with another key came: raise max_groups, let groups end earlier, as by take or \
             timeout, or let group_by drop what is too much, by Stalled::DropNewest or \
             Stalled::DropOldest; Stalled::Wait waits for a group to end",
        ))));
    }

    fn close_oldest(&mut self, hunger: &mut Hunger) {
        while let Some((n, age)) = self.ages.pop_front() {
            if self.open.get_mut(n).is_none_or(|(_, open)| open.age != age) {
                continue;
            }
            let Some((_, open)) = self.take_out(n, hunger) else { continue };
            // If it was not sent it is the first of those, since they are in order of age.
            if self.unsent.len() > self.open.len() {
                drop(self.unsent.pop_front());
            } else {
                open.feeder.end(Ok(()));
            }
            return;
        }
    }

    /// Forgets a group that has gone.
    fn close(&mut self, n: usize, hunger: &mut Hunger) -> Option<K> {
        let (key, open) = self.take_out(n, hunger)?;
        drop(open);
        match self.held.take() {
            Some(Held::In(held, item)) if held == n => {
                self.held = Some(Held::New(key, item));
                None
            }
            held => {
                self.held = held;
                Some(key)
            }
        }
    }

    fn take_out(&mut self, n: usize, hunger: &mut Hunger) -> Option<(K, Open<T, E>)> {
        let (key, open) = self.open.remove(n)?;
        hunger.forget(&open.feeder);
        Some((key, open))
    }
}

impl<T, E, K, F, S> Divide for Grouping<T, E, K, F, S>
where
    T: Send + 'static,
    E: Clone + Send + 'static,
    K: Hash + Eq + Clone + Send + 'static,
    F: FnMut(&T) -> K + Send + 'static,
    S: BuildHasher + Send + 'static,
{
    type Item = T;
    type Error = E;

    fn attend(&mut self, n: usize, hunger: &mut Hunger) {
        if n == self.limits.max_groups {
            if let Some(out) = &mut self.out
                && hunger.attend(n, out)
            {
                self.downstream_is_gone(hunger);
            }
            self.send_groups(hunger);
        } else if let Some((_, open)) = self.open.get_mut(n)
            && hunger.attend(n, &mut open.feeder)
        {
            self.close(n, hunger);
        }
    }

    fn retry(&mut self, hunger: &mut Hunger) {
        match self.held.take() {
            Some(Held::In(n, item)) => self.give(n, item, hunger),
            Some(Held::New(key, item)) => self.open(key, item, hunger),
            None => {}
        }
    }

    /// Nothing is subscribed for a downstream that has already gone.
    fn connects(&mut self) -> Option<Context> {
        self.out.is_some().then(|| self.context.clone())
    }

    fn seen(&mut self, panel: &Arc<Panel>, context: &Context) {
        let Limits { max_groups, capacity, .. } = self.limits;
        let room = capacity.get().saturating_mul(max_groups);
        self.gauge = Some(panel.gauge(context, self.site.input("group"), room));
    }

    #[inline]
    fn route(&mut self, item: T, hunger: &mut Hunger) {
        let key = (self.key)(&item);
        match self.open.find(&key) {
            Ok(n) => self.give(n, item, hunger),
            Err(_) => self.open(key, item, hunger),
        }
    }

    fn hand(&mut self, item: T, hunger: &mut Hunger, hands: &mut impl Hands) -> Went {
        let key = (self.key)(&item);
        match self.open.find(&key) {
            Ok(n) => self.hand_or_give(n, item, hunger, hands),
            Err(_) => {
                self.open(key, item, hunger);
                Went::Queued
            }
        }
    }

    #[inline]
    fn hand_run(
        &mut self,
        upstream: &mut impl Pull<Item = T, Error = E>,
        mut goes_on: impl FnMut() -> bool + Copy,
        hunger: &mut Hunger,
        hands: &mut impl Hands,
    ) -> Option<Pulled<T, E>> {
        let mut queued = 0;
        loop {
            let (hasher, chains, places) = self.open.parts();
            let run = hand_near(hasher, chains, places, &mut self.key, upstream, hands, goes_on);
            goes_on = run.goes_on;
            let went = match run.missed {
                None => return Some(run.pulled),
                Some(Missed::Of(n, item)) => self.hand_or_give(n, item, hunger, hands),
                Some(Missed::New(key, item)) => {
                    self.open(key, item, hunger);
                    Went::Queued
                }
            };
            let takes_another = match went {
                Went::InHand => goes_on(),
                Went::Queued => {
                    queued += 1;
                    queued < MOST_QUEUED && self.takes_another(hunger, &self.desk)
                }
                Went::Stopped => false,
            };
            if !takes_another || !matches!(run.pulled, Pulled::Skipped) {
                return Some(run.pulled);
            }
        }
    }

    fn grant(&mut self, room: usize, hunger: &mut Hunger) {
        self.wanted = Some(room);
        self.send_groups(hunger);
    }

    /// Downstream, where it would take no group.
    fn spared(&self) -> usize {
        let hungry = self.out.as_ref().is_some_and(Feeder::is_hungry);
        usize::from(hungry && self.wanted == Some(0))
    }

    #[inline]
    fn is_held(&self) -> bool {
        self.held.is_some()
    }

    fn finish(&mut self, end: Result<(), E>, hunger: &mut Hunger) {
        for (_, open) in self.open.take() {
            hunger.forget(&open.feeder);
            open.feeder.end(end.clone());
        }
        self.end = Some(end);
        self.send_groups(hunger);
    }

    fn rest(&mut self, n: usize, hunger: &mut Hunger) {
        if n == self.limits.max_groups {
            if let Some(out) = &mut self.out {
                hunger.rest(out);
            }
        } else if let Some((_, open)) = self.open.get_mut(n) {
            hunger.rest(&mut open.feeder);
        }
    }

    fn is_over(&self) -> bool {
        self.out.is_none() && self.open.len() == 0
    }
}

/// What [`hand_near`] came to.
struct Run<K, T, E, G> {
    pulled: Pulled<T, E>,
    missed: Option<Missed<K, T>>,
    goes_on: G,
}

/// An item that was not handed.
enum Missed<K, T> {
    /// Of the group of this number, the way to which is not known.
    Of(usize, T),
    /// Of none.
    New(K, T),
}

/// Hands the items of `upstream`, one after another, as long as the way of each is known and `goes_on`
/// says so. All that is seldom is done by whoever calls this: what the loop looks up is behind
/// arguments of its own, which nothing in it changes, so the compiler need not read it again after
/// each item.
#[inline(never)]
fn hand_near<T, E, K, F, S, G>(
    hasher: &S,
    chains: &[u32],
    places: &[Place<K, Way>],
    key: &mut F,
    upstream: &mut impl Pull<Item = T, Error = E>,
    hands: &mut impl Hands,
    mut goes_on: G,
) -> Run<K, T, E, G>
where
    T: Send + 'static,
    K: Hash + Eq,
    F: FnMut(&T) -> K,
    S: BuildHasher,
    G: FnMut() -> bool,
{
    let mut missed = None;
    let pulled = upstream.pull_while(|item| {
        let key = key(&item);
        let Some((n, way)) = find_in((hasher, chains, places), &key) else {
            missed = Some(Missed::New(key, item));
            return false;
        };
        match way.hand(item, hands) {
            Ok(took) => took && goes_on(),
            Err(item) => {
                missed = Some(Missed::Of(n, item));
                false
            }
        }
    });
    Run { pulled, missed, goes_on }
}

impl<T: Send + 'static, E: Send + 'static, K: Send + 'static, F, S> Drop
    for Grouping<T, E, K, F, S>
{
    fn drop(&mut self) {
        if let Some(Held::In(_, item) | Held::New(_, item)) = self.held.take() {
            self.context.discards().discard(item);
        }
    }
}
